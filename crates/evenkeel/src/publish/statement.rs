//! What is signed of an edition: who made it, when, until when it speaks of now, and the
//! SHA-256 of each of its files.
//!
//! ```text
//! # evenkeel edition 1
//! # signed by: keeper
//! # made: 2026-11-18T02:14:09.123Z
//! # valid until: 2026-11-18T02:19:09.123Z
//! 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03  index.html
//! ```
//!
//! It is a file of the edition, at the root of every copy, and a list that `sha256sum -c`
//! takes, which leaves out lines that begin with `#`. Beside it is its signature
//! ([`super::signing`]).
//!
//! An edition of the witness says in further lines since when the keeper is silent, when
//! that was said first, and how the service looks from outside.

use std::collections::BTreeMap;
use std::fmt::Write;

use evenkeel_core::Timestamp;
use evenkeel_core::ids::ComponentId;
use evenkeel_core::status::Status;
use evenkeel_core::witness::{Gap, Service};
use sha2::{Digest, Sha256};

use super::edition::{Edition, File, Moment};
use super::expiry::Stamp;
use super::signing::{Key, NotSigned, Signer};

/// The statement's name in every copy.
pub const STATEMENT: &str = "SHA256SUMS.txt";
/// Its signature's.
pub const SIGNATURE: &str = "SHA256SUMS.txt.minisig";
/// The public key's: for people to look at. Who verifies brings a key that they had before.
pub const PUBLIC_KEY: &str = "minisign.pub";

/// The largest statement that is read: a hundred times what one of 50 incidents takes.
pub const STATEMENT_MAX: usize = 4 << 20;

/// The most files of one edition; ours have at most some four hundred.
const FILES_MAX: usize = 10_000;

/// What stands before a component that fails.
const FAILS: &str = "fails ";

const FIRST_LINE: &str = "# evenkeel edition 1";

/// Who made an edition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Voice {
    /// `evenkeel serve`, which watches over the service.
    Keeper,
    /// `evenkeel witness`, from elsewhere, while the keeper is silent.
    Witness(Outside),
}

/// What the witness says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outside {
    /// Since when the keeper is silent, and how the service looks.
    pub gap: Gap,
    /// The components that fail, seen from outside.
    pub fails: BTreeMap<ComponentId, Status>,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Who made it.
    pub by: Voice,
    /// When, and until when it speaks of now.
    pub stamp: Stamp,
    /// The SHA-256 of each file, by its name in a folder.
    pub files: BTreeMap<String, [u8; 32]>,
}

/// A text that is no statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of {STATEMENT} is not understood: {why}")]
pub struct NotAStatement {
    line: usize,
    why: &'static str,
}

/// A statement that is not from whom it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Untrusted {
    /// None of the keys signed it.
    #[error(transparent)]
    Signature(#[from] NotSigned),
    /// It is signed, and cannot be read.
    #[error(transparent)]
    Text(#[from] NotAStatement),
}

impl Statement {
    /// Of the files of an edition.
    pub fn of(edition: &Edition, by: Voice) -> Self {
        let files = edition.files.iter();
        let files = files.map(|file| (file.name(), Sha256::digest(&file.bytes).into()));
        Self {
            by,
            stamp: edition.stamp,
            files: files.collect(),
        }
    }

    /// As it is signed.
    pub fn text(&self) -> String {
        let mut text = format!("{FIRST_LINE}\n");
        let mut line = |name: &str, value: &str| {
            let _infallible = writeln!(text, "# {name}: {value}");
        };
        line("signed by", self.by.as_str());
        line("made", &millis(self.stamp.made_at));
        line("valid until", &millis(self.stamp.valid_until));
        if let Voice::Witness(Outside { gap, fails }) = &self.by {
            line("keeper silent since", &millis(gap.since));
            line("first said", &millis(gap.said_at));
            line("service from outside", gap.service.as_str());
            for (component, status) in fails {
                line(&format!("{FAILS}{component}"), status.as_str());
            }
        }
        for (name, hash) in &self.files {
            let _infallible = writeln!(text, "{}  {name}", hex(hash));
        }
        text
    }

    /// What minisign shows of it.
    fn said(&self) -> String {
        format!(
            "made by the {} at {}, speaks of now until {}",
            self.by.as_str(),
            millis(self.stamp.made_at),
            millis(self.stamp.valid_until)
        )
    }

    /// Reads one.
    ///
    /// # Errors
    /// The line that is not understood.
    pub fn parse(text: &str) -> Result<Self, NotAStatement> {
        let mut lines = text.lines().zip(1..);
        let wrong = |line, why| NotAStatement { line, why };
        if lines.next().is_none_or(|(line, _)| line != FIRST_LINE) {
            return Err(wrong(1, "it is not of an edition this program knows"));
        }
        let mut said = BTreeMap::new();
        let mut files = BTreeMap::new();
        for (line, at) in lines {
            if let Some(line) = line.strip_prefix("# ") {
                let (name, value) = line
                    .split_once(": ")
                    .ok_or(wrong(at, "it has no name and value"))?;
                said.insert(name, (value, at));
                continue;
            }
            let (hash, name) = line
                .split_once("  ")
                .ok_or(wrong(at, "it is no hash with a name"))?;
            let hash = unhex(hash).ok_or(wrong(at, "the hash is no SHA-256"))?;
            if !is_a_name(name) {
                return Err(wrong(at, "the name is none that a copy has"));
            }
            if files.len() == FILES_MAX {
                return Err(wrong(at, "there are more files than a copy has"));
            }
            if files.insert(name.to_owned(), hash).is_some() {
                return Err(wrong(at, "the name is there twice"));
            }
        }
        let time = |name: &str| {
            let (value, at) = said
                .get(name)
                .ok_or(wrong(1, "a line of its head is missing"))?;
            value.parse().map_err(|_| wrong(*at, "it is no time"))
        };
        let stamp = Stamp {
            made_at: time("made")?,
            valid_until: time("valid until")?,
        };
        let (by, at) = said
            .get("signed by")
            .ok_or(wrong(1, "a line of its head is missing"))?;
        let by = match *by {
            "keeper" => Voice::Keeper,
            "witness" => {
                let service = said.get("service from outside");
                let service = service.and_then(|(value, _)| Service::of(value));
                let gap = Gap {
                    since: time("keeper silent since")?,
                    said_at: time("first said")?,
                    service: service.ok_or(wrong(*at, "it does not say how the service looks"))?,
                };
                let fails = said.iter().filter_map(|(name, (value, _))| {
                    let mut all = Status::ALL.into_iter();
                    let status = all.find(|status| status.as_str() == *value)?;
                    Some((name.strip_prefix(FAILS)?.into(), status))
                });
                Voice::Witness(Outside {
                    gap,
                    fails: fails.collect(),
                })
            }
            _ => return Err(wrong(*at, "it is made by nobody this program knows")),
        };
        Ok(Self { by, stamp, files })
    }

    /// Reads what one of `keys` signed; which of them.
    ///
    /// # Errors
    /// None of them did, or it is none.
    pub fn verified(
        text: &[u8],
        signature: &[u8],
        keys: &[Key],
    ) -> Result<(Self, usize), Untrusted> {
        let signature = String::from_utf8_lossy(signature);
        let mut refused = NotSigned::AnotherKey;
        for (which, key) in keys.iter().enumerate() {
            match key.verify(text, &signature) {
                Ok(_) => {
                    let statement = Self::parse(&String::from_utf8_lossy(text))?;
                    return Ok((statement, which));
                }
                Err(NotSigned::AnotherKey) => {}
                Err(why) => refused = why,
            }
        }
        Err(refused.into())
    }
}

impl Voice {
    /// The word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Keeper => "keeper",
            Self::Witness(_) => "witness",
        }
    }
}

/// A statement with its signature, as they are published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// The statement.
    pub text: String,
    /// Its signature.
    pub signature: String,
}

/// Signs an edition: from now on the statement, its signature and the public key are among
/// its files. The statement comes last, since who finds it looks for the others.
pub fn sign(edition: &mut Edition, by: Voice, signer: &Signer) -> Signed {
    let plain = |name: &str, speaks_of, text: &str, cache_control: &str| {
        File::new(
            format!("/{name}"),
            speaks_of,
            text.to_owned().into(),
            "text/plain; charset=utf-8".into(),
            cache_control.into(),
        )
    };
    let public_key = signer.public_file();
    let key = plain(PUBLIC_KEY, Moment::Past, &public_key, "public, max-age=300");
    edition.files.insert(0, key);
    let statement = Statement::of(edition, by);
    let text = statement.text();
    let signature = signer.sign(text.as_bytes(), &statement.said());
    for (name, text) in [(SIGNATURE, &signature), (STATEMENT, &text)] {
        // Never one of one edition with the other of another.
        let file = plain(name, Moment::Now, text, "no-cache");
        edition.files.push(file);
    }
    Signed { text, signature }
}

/// A name that stays within a copy, and that no shell or server reads otherwise.
fn is_a_name(name: &str) -> bool {
    let is_plain = |part: &str| {
        let mut letters = part.chars();
        !part.is_empty()
            && !part.starts_with('.')
            && letters.all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter))
    };
    name.len() <= 512 && name.split('/').all(is_plain)
}

/// To the millisecond, as everything in a copy.
pub(crate) fn millis(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        let digits = text.get(2 * at..2 * at + 2)?;
        let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        *byte = u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(by: Voice) -> Statement {
        let hash = Sha256::digest(b"even keel").into();
        let names = ["index.html", "incidents/I-3/index.html"];
        Statement {
            by,
            stamp: Stamp {
                made_at: "2026-11-18T02:14:09.123Z".parse().unwrap(),
                valid_until: "2026-11-18T02:19:09.123Z".parse().unwrap(),
            },
            files: names.map(|name| (name.to_owned(), hash)).into(),
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let gap = Gap {
            since: "2026-11-18T02:11:00.000Z".parse().unwrap(),
            said_at: "2026-11-18T02:11:10.000Z".parse().unwrap(),
            service: Service::Fails,
        };
        let fails = [("login".into(), Status::MajorOutage)].into();
        for by in [Voice::Keeper, Voice::Witness(Outside { gap, fails })] {
            let statement = statement(by);
            assert_eq!(Statement::parse(&statement.text()), Ok(statement));
        }
    }

    #[test]
    fn what_is_none_is_refused_with_its_line() {
        let good = statement(Voice::Keeper).text();
        for (from, to, line) in [
            ("edition 1", "edition 2", "line 1"),
            ("# made:", "# mode:", "line 1"),
            ("02:14:09", "25:14:09", "line 3"),
            ("by: keeper", "by: witness", "line 1"),
            ("by: keeper", "by: somebody", "line 2"),
            ("  index.html", " index.html", "line 6"),
            ("  index.html", "  /etc/passwd", "line 6"),
            ("  index.html", "  ../index.html", "line 6"),
            ("  index.html", "  incidents/I-3/index.html", "line 6"),
            ("  index.html", "  a b", "line 6"),
        ] {
            let wrong = good.replacen(from, to, 1);
            assert_ne!(wrong, good, "{from}");
            let refused = Statement::parse(&wrong).expect_err(to).to_string();
            assert!(refused.starts_with(line), "{to}: {refused}");
        }
    }
}
