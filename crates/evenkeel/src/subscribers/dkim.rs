//! DKIM signatures (RFC 6376) over mails to subscribers: RSA, or Ed25519 (RFC 8463).
//!
//! Written here, since lettre's own brings a second RSA (with an open advisory about its
//! timing) and a second SHA-2; the cryptography is ring's, which speaks our TLS already. Both
//! canonicalizations are `relaxed`, so that servers on the way may fold lines. `From` is
//! signed once more than it is there, so that nobody can add another; what one-click
//! unsubscribing rests on is signed too, as RFC 8058 asks.
//!
//! A test has the signature verified by dkimpy.

use std::path::{Path, PathBuf};

use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

use crate::web::base64;

/// What is signed, where it is there.
const SIGNED: &[&str] = &[
    "from",
    "reply-to",
    "to",
    "subject",
    "date",
    "message-id",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "content-language",
    "auto-submitted",
    "list-id",
    "list-unsubscribe",
    "list-unsubscribe-post",
];

/// Which key signs for whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySpec {
    /// The domain: that of the sender, or one above it.
    pub domain: String,
    /// The name of the key in it: `SELECTOR._domainkey.DOMAIN` in the DNS.
    pub selector: String,
    /// The private key (PEM).
    pub file: PathBuf,
}

/// A key that cannot sign.
#[derive(Debug, thiserror::Error)]
#[error(
    "the DKIM key {path} cannot be used: {why}; make one with `openssl genrsa -out dkim.pem 2048`"
)]
pub struct DkimError {
    path: PathBuf,
    why: String,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// Signs mails.
pub struct Signer {
    domain: String,
    selector: String,
    pair: Pair,
}

impl Signer {
    /// A signer with the key of `spec`.
    ///
    /// # Errors
    /// The key cannot be read, or cannot sign.
    pub fn new(spec: &KeySpec) -> Result<Self, DkimError> {
        Ok(Self {
            domain: spec.domain.clone(),
            selector: spec.selector.clone(),
            pair: pair(&spec.file).map_err(|why| DkimError {
                path: spec.file.clone(),
                why,
            })?,
        })
    }

    /// A whole mail, with its signature before it.
    ///
    /// # Errors
    /// The key could not sign.
    pub fn sign(&self, mail: &[u8], at: i64) -> Result<Vec<u8>, String> {
        let end = memchr(mail).ok_or("the mail has no end of its headers")?;
        let (head, body) = (&mail[..end + 2], &mail[end + 4..]);
        let head = std::str::from_utf8(head).map_err(|error| error.to_string())?;
        let headers = relaxed(head);
        let named: Vec<&str> = SIGNED
            .iter()
            .copied()
            .filter(|name| headers.iter().any(|(known, _)| known == name))
            .collect();
        let algorithm = match self.pair {
            Pair::Rsa(_) => "rsa-sha256",
            Pair::Ed25519(_) => "ed25519-sha256",
        };
        let tags = [
            "v=1".to_owned(),
            format!("a={algorithm}"),
            "c=relaxed/relaxed".to_owned(),
            format!("d={}", self.domain),
            format!("s={}", self.selector),
            format!("t={at}"),
            format!("h={}:from", named.join(":")),
            format!("bh={}", base64(&Sha256::digest(relaxed_body(body)))),
            "b=".to_owned(),
        ];
        let mut over = String::new();
        for name in named {
            // The last of a name counts first; there is one of each here.
            if let Some((name, value)) = headers.iter().rev().find(|(known, _)| known == name) {
                over.push_str(&format!("{name}:{value}\r\n"));
            }
        }
        over.push_str(&format!("dkim-signature:{}", tags.join("; ")));
        let signature = self.signature(over.as_bytes())?;
        // Lines of mails have an end; within `b` white space counts for nothing.
        let folded: Vec<&str> = signature.as_bytes().chunks(70).map(plain).collect();
        let mut signed = format!(
            "DKIM-Signature: {}{}\r\n",
            tags.join(";\r\n\t"),
            folded.join("\r\n\t ")
        )
        .into_bytes();
        signed.extend_from_slice(mail);
        Ok(signed)
    }

    fn signature(&self, over: &[u8]) -> Result<String, String> {
        match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &SystemRandom::new(),
                    over,
                    &mut signature,
                )
                .map_err(|_| "the key does not sign")?;
                Ok(base64(&signature))
            }
            // RFC 8463 signs the hash.
            Pair::Ed25519(pair) => Ok(base64(pair.sign(&Sha256::digest(over)).as_ref())),
        }
    }
}

fn pair(file: &Path) -> Result<Pair, String> {
    let key = PrivateKeyDer::from_pem_file(file).map_err(|error| error.to_string())?;
    let refused = |error: ring::error::KeyRejected| format!("it is refused ({error})");
    match &key {
        PrivateKeyDer::Pkcs1(key) => {
            let pair = RsaKeyPair::from_der(key.secret_pkcs1_der());
            pair.map(Pair::Rsa).map_err(refused)
        }
        PrivateKeyDer::Pkcs8(key) => {
            let der = key.secret_pkcs8_der();
            match Ed25519KeyPair::from_pkcs8_maybe_unchecked(der) {
                Ok(pair) => Ok(Pair::Ed25519(pair)),
                Err(_) => RsaKeyPair::from_pkcs8(der).map(Pair::Rsa).map_err(refused),
            }
        }
        _ => Err("it is neither RSA (at least 2048 bits) nor Ed25519".into()),
    }
}

/// What is base64 is text.
fn plain(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// Where the headers end.
fn memchr(mail: &[u8]) -> Option<usize> {
    mail.windows(4).position(|four| four == b"\r\n\r\n")
}

/// Headers in the `relaxed` form: names in lower case, lines unfolded, white space counted
/// once.
fn relaxed(head: &str) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in head.split("\r\n").filter(|line| !line.is_empty()) {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = headers.last_mut() {
                value.push_str(line);
            }
        } else if let Some((name, value)) = line.split_once(':') {
            headers.push((name.trim_end().to_ascii_lowercase(), value.to_owned()));
        }
    }
    for (_, value) in &mut headers {
        *value = single_spaced(value).trim_matches(' ').to_owned();
    }
    headers
}

fn single_spaced(text: &str) -> String {
    let mut spaced = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            ' ' | '\t' if spaced.ends_with(' ') => {}
            ' ' | '\t' => spaced.push(' '),
            letter => spaced.push(letter),
        }
    }
    spaced
}

/// A body in the `relaxed` form: white space counted once, none at the end of a line, no
/// empty lines at the end.
fn relaxed_body(body: &[u8]) -> Vec<u8> {
    let mut relaxed: Vec<u8> = Vec::with_capacity(body.len());
    for line in body.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        for byte in line {
            match byte {
                b' ' | b'\t' if relaxed.last() == Some(&b' ') => {}
                b' ' | b'\t' => relaxed.push(b' '),
                byte => relaxed.push(*byte),
            }
        }
        while relaxed.last() == Some(&b' ') {
            relaxed.pop();
        }
        relaxed.extend_from_slice(b"\r\n");
    }
    while relaxed.ends_with(b"\r\n\r\n") {
        relaxed.truncate(relaxed.len() - 2);
    }
    if relaxed == b"\r\n" {
        relaxed.clear();
    }
    relaxed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6376, 3.4.5.
    #[test]
    fn the_relaxed_forms_are_those_of_the_rfc() {
        let headers = relaxed("A: X\r\nB : Y\t\r\n\tZ  \r\n");
        let said: Vec<String> = headers.iter().map(|(n, v)| format!("{n}:{v}")).collect();
        assert_eq!(said, ["a:X", "b:Y Z"]);
        assert_eq!(relaxed_body(b" C \r\nD \t E\r\n\r\n\r\n"), b" C\r\nD E\r\n");
        assert_eq!(relaxed_body(b""), b"");
        assert_eq!(relaxed_body(b"\r\n\r\n"), b"");
        assert_eq!(relaxed_body(b"no end"), b"no end\r\n");
    }

    #[test]
    fn a_key_that_is_none_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dkim.pem");
        std::fs::write(&file, "nothing").unwrap();
        let spec = KeySpec {
            domain: "example.com".into(),
            selector: "s1".into(),
            file,
        };
        let refused = Signer::new(&spec).err().unwrap().to_string();
        assert!(
            refused.contains("dkim.pem") && refused.contains("openssl"),
            "{refused}"
        );
    }
}
