//! The key that editions are signed with, and keys they are verified by.
//!
//! Files and signatures are minisign's: who has an edition can verify it without Evenkeel,
//! with `minisign -V` and `sha256sum -c`. The secret key is minisign's, too, without a
//! password: who reads the data folder of the keeper could publish as well. It is made
//! once, for its owner only, and never printed.
//!
//! Signed here with `ring`; verified with minisign's author's own verifier, so that what we
//! sign is read by code of another hand in every test. Why not the `minisign` crate, which
//! does both: most of it is passwords, and it brings five crates a second time.

use std::fmt;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use blake2::digest::consts::U32;
use blake2::{Blake2b, Blake2b512, Digest};
use minisign_verify::{PublicKey, Signature};
use ring::signature::{Ed25519KeyPair, KeyPair};

/// Its name in the data folder.
const NAME: &str = "minisign.key";

/// The largest key file that is read; ours have 250 bytes.
const FILE_MAX: u64 = 4096;

/// The largest signature that is read; ours have some 350 bytes.
pub const SIGNATURE_MAX: usize = 4096;

/// What stands before a public key.
const COMMENT: &str = "untrusted comment: ";

/// The layout of a secret key: <https://jedisct1.github.io/minisign/>.
const SECRET_LENGTH: usize = 2 + 2 + 2 + 32 + 8 + 8 + 8 + 64 + 32;
const ED25519: [u8; 2] = *b"Ed";
const PREHASHED: [u8; 2] = *b"ED";
const NO_PASSWORD: [u8; 2] = [0; 2];
const BLAKE2B: [u8; 2] = *b"B2";

/// A key that signs.
pub struct Signer {
    pair: Ed25519KeyPair,
    id: [u8; 8],
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.public())
    }
}

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// The file cannot be read or made.
    #[error(
        "the key that signs the page, {path}, cannot be used: {source}; let the user who runs Evenkeel read and write its folder"
    )]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is something else.
    #[error(
        "{path} is not a key that minisign made without a password; bring the right one back, or move it away: the next start makes a new one, whose public half your readers have to be told"
    )]
    NotOurs {
        /// Which.
        path: PathBuf,
    },
}

impl Signer {
    /// The key in the data folder; made where there is none.
    ///
    /// # Errors
    /// It cannot be read or made, or is none.
    pub fn of(data_dir: &Path) -> Result<Self, SignerError> {
        let path = data_dir.join(NAME);
        let unusable = |source| SignerError::File {
            path: path.clone(),
            source,
        };
        match read(&path) {
            Ok(text) => {
                let parsed = Self::parse(&text);
                parsed.ok_or(SignerError::NotOurs { path })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let signer = Self::made().map_err(unusable)?;
                signer.0.keep(&signer.1, data_dir).map_err(unusable)?;
                // Whichever was there first, where two begin at the same time.
                let text = read(&path).map_err(unusable)?;
                let parsed = Self::parse(&text);
                parsed.ok_or(SignerError::NotOurs { path })
            }
            Err(source) => Err(unusable(source)),
        }
    }

    /// A new one with its seed.
    fn made() -> io::Result<(Self, [u8; 32])> {
        let (mut seed, mut id) = ([0; 32], [0; 8]);
        for bytes in [&mut seed[..], &mut id[..]] {
            getrandom::fill(bytes).map_err(io::Error::other)?;
        }
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed);
        let pair = pair.map_err(|error| io::Error::other(error.to_string()))?;
        Ok((Self { pair, id }, seed))
    }

    fn public_bytes(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// It appears under its name whole, for its owner only, and never over another one.
    fn keep(&self, seed: &[u8; 32], data_dir: &Path) -> io::Result<()> {
        let secret = [seed, self.public_bytes()].concat();
        let mut sum = Blake2b::<U32>::new();
        for part in [&ED25519[..], &self.id, &secret] {
            sum.update(part);
        }
        let sum = sum.finalize();
        let parts: [&[u8]; 7] = [
            &ED25519,
            &NO_PASSWORD,
            &BLAKE2B,
            // Salt and cost of a password that there is not.
            &[0; 32 + 8 + 8],
            &self.id,
            &secret,
            &sum,
        ];
        let coded = BASE64.encode(parts.concat());
        let draft = data_dir.join(format!("{NAME}.{}", std::process::id()));
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)?;
        write!(
            file,
            "{COMMENT}secret key of Evenkeel's public page; keep it to yourself\n{coded}\n"
        )?;
        file.sync_all()?;
        let linked = std::fs::hard_link(&draft, data_dir.join(NAME));
        std::fs::remove_file(&draft)?;
        match linked {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64.decode(text.lines().nth(1)?.trim()).ok()?;
        if bytes.len() != SECRET_LENGTH {
            return None;
        }
        let (head, rest) = bytes.split_at(6);
        let (_salt, rest) = rest.split_at(48);
        let (id, rest) = rest.split_at(8);
        let (secret, sum) = rest.split_at(64);
        if head != [ED25519, NO_PASSWORD, BLAKE2B].concat() {
            return None;
        }
        let summed = Blake2b::<U32>::digest([&ED25519[..], id, secret].concat());
        let (seed, public) = secret.split_at(32);
        // minisign leaves the sum empty where there is no password.
        if summed[..] != *sum && *sum != [0; 32] {
            return None;
        }
        let pair = Ed25519KeyPair::from_seed_and_public_key(seed, public).ok()?;
        Some(Self {
            pair,
            id: id.try_into().ok()?,
        })
    }

    /// Its public half, as minisign takes it with `-P`.
    pub fn public(&self) -> String {
        BASE64.encode([&ED25519[..], &self.id, self.public_bytes()].concat())
    }

    /// The same as the file that minisign takes with `-p`.
    pub fn public_file(&self) -> String {
        public_file(&self.public())
    }

    /// A signature of `text`, as the file that minisign takes with `-x`; `said` is signed
    /// with it and shown by minisign: one line.
    pub fn sign(&self, text: &[u8], said: &str) -> String {
        let said = said.replace(['\n', '\r'], " ");
        let signature = self.pair.sign(&Blake2b512::digest(text));
        let over_both = self
            .pair
            .sign(&[signature.as_ref(), said.as_bytes()].concat());
        let first = BASE64.encode([&PREHASHED[..], &self.id, signature.as_ref()].concat());
        let second = BASE64.encode(over_both.as_ref());
        format!("{COMMENT}of Evenkeel's public page\n{first}\ntrusted comment: {said}\n{second}\n")
    }
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    file.take(FILE_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// A public key as the file that minisign takes.
pub fn public_file(key: &str) -> String {
    format!("{COMMENT}public key of Evenkeel's public page\n{key}\n")
}

/// A key to verify by.
#[derive(Clone)]
pub struct Key {
    key: PublicKey,
    text: String,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({self})")
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

/// Why a signature says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSigned {
    /// It is none.
    #[error("the signature cannot be read: it is not minisign's")]
    Unreadable,
    /// Another key made it.
    #[error("it is signed by another key")]
    AnotherKey,
    /// The key named in it did not sign this text.
    #[error("the signature does not fit: somebody changed what is signed")]
    Changed,
}

impl Key {
    /// A public key as minisign writes it: the text, or all of its file.
    ///
    /// # Errors
    /// What it is not.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines().map(str::trim);
        let line = lines.find(|line| !line.is_empty() && !line.starts_with("untrusted"));
        let line = line.unwrap_or_default();
        match PublicKey::from_base64(line) {
            Ok(key) => Ok(Self {
                key,
                text: line.to_owned(),
            }),
            Err(_) => Err(
                "is no public key; write what `evenkeel signing-key` prints, which begins with RW"
                    .to_owned(),
            ),
        }
    }

    /// Whether it signed `text`; then what was said with it.
    ///
    /// # Errors
    /// Why it did not.
    pub fn verify(&self, text: &[u8], signature: &str) -> Result<String, NotSigned> {
        let signature = Signature::decode(signature).map_err(|_| NotSigned::Unreadable)?;
        match self.key.verify(text, &signature, false) {
            Ok(()) => Ok(signature.trusted_comment().to_owned()),
            Err(minisign_verify::Error::UnexpectedKeyId) => Err(NotSigned::AnotherKey),
            Err(minisign_verify::Error::UnexpectedAlgorithm) => Err(NotSigned::Unreadable),
            Err(_) => Err(NotSigned::Changed),
        }
    }
}

#[cfg(test)]
impl Signer {
    /// One that nobody keeps.
    pub(crate) fn for_tests() -> Self {
        Self::made().expect("randomness").0
    }

    pub(crate) fn key(&self) -> Key {
        Key::parse(&self.public()).expect("its own public half")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// Made by minisign 0.11 (`minisign -G -W`, `minisign -S -m text -t "made by minisign"`),
    /// of the text `even keel` without a newline.
    const OF_MINISIGN: [&str; 3] = [
        "untrusted comment: minisign encrypted secret key\nRWQAAEIyAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAbcFIZTkwZnPIy+Fap2v++hve1LctpQZX5tL3Pw640p6geLMHbmtO8LxcpOB7AXKDTJsw0f6zTtIRlOSDFHsUDUvzjoiIdxAgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "RWRtwUhlOTBmc7xcpOB7AXKDTJsw0f6zTtIRlOSDFHsUDUvzjoiIdxAg",
        "untrusted comment: signature from minisign secret key\nRURtwUhlOTBmc304bXG4oIDt7D0H6fRQaVFcIX6BdXjqmqxCs3BVq5qcr+1IEzVCt0ivzdrp8582kxzCYpjnt3gBRllLYdotRgU=\ntrusted comment: made by minisign\ng++1WQCeINPPZYLgiaK80kYJU8WQ4eKT4KSVm/pSBfWIaszbzgYiDgrS6UiZV2pTtuG/MxeiG9AhJjTHKUj3Cg==\n",
    ];

    #[test]
    fn it_is_made_once_for_its_owner_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = Signer::of(folder.path()).expect("made");
        let again = Signer::of(folder.path()).expect("read");
        assert_eq!(first.public(), again.public());
        let entries: Vec<_> = std::fs::read_dir(folder.path()).expect("read").collect();
        assert_eq!(entries.len(), 1, "no draft is left");
        let meta = std::fs::metadata(folder.path().join(NAME)).expect("there");
        assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_key_is_refused_and_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(NAME);
        Signer::of(folder.path()).expect("made");
        let text = std::fs::read_to_string(&path).expect("there");
        let changed = text.replacen("AAAA", "AAAB", 1);
        for wrong in [
            "",
            "short",
            "comment\nbm90IGEga2V5\n",
            &changed.replace("RWQA", "RWQC"),
        ] {
            std::fs::write(&path, wrong).expect("written");
            match Signer::of(folder.path()) {
                Err(error) => assert!(error.to_string().contains("bring the right one back")),
                // A salt that nobody uses may differ.
                Ok(_) => assert_eq!(wrong, changed),
            }
            assert_eq!(std::fs::read_to_string(&path).expect("there"), wrong);
        }
    }

    #[test]
    fn what_is_signed_is_verified_and_nothing_else() {
        let (signer, other) = (Signer::for_tests(), Signer::for_tests());
        let signature = signer.sign(b"all is well", "made now\nand here");
        let verified = signer.key().verify(b"all is well", &signature);
        assert_eq!(verified.as_deref(), Ok("made now and here"));
        let changed = signer.key().verify(b"all is ill!", &signature);
        assert_eq!(changed, Err(NotSigned::Changed));
        let another = other.key().verify(b"all is well", &signature);
        assert_eq!(another, Err(NotSigned::AnotherKey));
        let said = signature.replace("made now", "made ago");
        let changed = signer.key().verify(b"all is well", &said);
        assert_eq!(
            changed,
            Err(NotSigned::Changed),
            "what is said is signed, too"
        );
        for cut in 0..signature.len() - 1 {
            let refused = signer.key().verify(b"all is well", &signature[..cut]);
            assert!(refused.is_err(), "{}", &signature[..cut]);
        }
    }

    #[test]
    fn a_public_key_is_read_as_a_text_and_as_a_file() {
        let signer = Signer::for_tests();
        let of_file = Key::parse(&signer.public_file()).expect("a key");
        assert_eq!(of_file, signer.key());
        for wrong in ["", "RW", "untrusted comment: x", "not a key at all"] {
            let refused = Key::parse(wrong).expect_err(wrong);
            assert!(refused.contains("evenkeel signing-key"), "{refused}");
        }
    }

    #[test]
    fn minisigns_own_keys_and_signatures_are_read() {
        let [secret, public, signature] = OF_MINISIGN;
        let signer = Signer::parse(secret).expect("a secret key");
        assert_eq!(signer.public(), public);
        let key = Key::parse(public).expect("a public key");
        let said = key.verify(b"even keel", signature);
        assert_eq!(said.as_deref(), Ok("made by minisign"));
    }
}
