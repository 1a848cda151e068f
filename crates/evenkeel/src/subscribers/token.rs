//! The links in mails, and the secrets webhooks are signed with: made of one key, kept in no
//! table.
//!
//! A link is the subscriber's number and a mark of it that nobody can make without the key;
//! so every mail can carry one although none is stored, and who reads the table cannot act
//! for anybody in it. The key is a file of its own, for its owner only. Who loses it makes
//! the links in mails that were sent lead nowhere; new mails carry new ones.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ring::hmac;
use subtle::ConstantTimeEq;

use super::store::StoreError;
use crate::access::{Secret, hex};
use crate::web::base64;

/// Letters of a mark in a link: 128 bits.
const MARK: usize = 32;

/// See the module.
pub struct Key(hmac::Key);

impl Key {
    /// The key in `path`, made where there is none.
    ///
    /// # Errors
    /// It can be neither read nor made.
    pub fn of(path: &Path) -> Result<Self, StoreError> {
        let unusable = |why: String| StoreError::Key {
            path: path.to_owned(),
            why,
        };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        match options.open(path) {
            Ok(mut file) => {
                let secret = Secret::fresh().map_err(|error| unusable(error.to_string()))?;
                let written = file.write_all(secret.text().as_bytes());
                written
                    .and_then(|()| file.sync_all())
                    .map_err(|error| unusable(error.to_string()))?;
                Ok(Self::from_text(&secret.text()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                let mut text = String::new();
                let file = std::fs::File::open(path);
                file.and_then(|file| file.take(1024).read_to_string(&mut text))
                    .map_err(|error| unusable(error.to_string()))?;
                if text.trim().len() < 32 {
                    return Err(unusable("it is too short to be one".into()));
                }
                Ok(Self::from_text(text.trim()))
            }
            Err(error) => Err(unusable(error.to_string())),
        }
    }

    /// A key of this text.
    pub fn from_text(text: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes()))
    }

    /// A mark of something, for one purpose only.
    pub fn mark(&self, purpose: &str, of: &[u8]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(purpose.as_bytes());
        context.update(&[0]);
        context.update(of);
        let mut mark = [0; 32];
        mark.copy_from_slice(context.sign().as_ref());
        mark
    }

    /// What leads to a subscription: `1f-5c2b...`.
    pub fn link(&self, subscriber: i64, salt: &[u8]) -> String {
        format!("{subscriber:x}-{}", self.link_mark(subscriber, salt))
    }

    fn link_mark(&self, subscriber: i64, salt: &[u8]) -> String {
        let of = [&subscriber.to_be_bytes()[..], salt].concat();
        hex(&self.mark("link", &of))[..MARK].to_owned()
    }

    /// Whether a link's mark is this subscriber's.
    pub fn fits(&self, mark: &str, subscriber: i64, salt: &[u8]) -> bool {
        let known = self.link_mark(subscriber, salt);
        bool::from(known.as_bytes().ct_eq(mark.as_bytes()))
    }

    /// The secret a webhook of a subscriber is signed with, as Standard Webhooks write it.
    pub fn signing_secret(&self, subscriber: i64, salt: &[u8]) -> String {
        format!("whsec_{}", base64(&self.signing_key(subscriber, salt)))
    }

    /// The same, as bytes.
    pub fn signing_key(&self, subscriber: i64, salt: &[u8]) -> [u8; 32] {
        let of = [&subscriber.to_be_bytes()[..], salt].concat();
        self.mark("webhook", &of)
    }
}

/// The subscriber's number and the mark in a link.
pub fn parts(link: &str) -> Option<(i64, &str)> {
    let (subscriber, mark) = link.split_once('-')?;
    let plain = |text: &str, most: usize| {
        !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_hexdigit())
    };
    if !plain(subscriber, 15) || !plain(mark, MARK) {
        return None;
    }
    Some((i64::from_str_radix(subscriber, 16).ok()?, mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_fits_its_subscriber_and_nobody_else() {
        let key = Key::from_text(&"a".repeat(64));
        let link = key.link(31, b"salt");
        let (subscriber, mark) = parts(&link).unwrap();
        assert_eq!(subscriber, 31);
        assert!(key.fits(mark, 31, b"salt"));
        assert!(!key.fits(mark, 32, b"salt"));
        assert!(!key.fits(mark, 31, b"other"));
        assert!(!Key::from_text(&"b".repeat(64)).fits(mark, 31, b"salt"));
        assert!(!key.fits(&mark[..31], 31, b"salt"));
    }

    #[test]
    fn what_is_no_link_leads_nowhere() {
        for text in [
            "",
            "-",
            "1f",
            "1f-",
            "x-00",
            "1f-0g",
            "-1-00",
            "+1-00",
            &"1".repeat(5000),
        ] {
            assert_eq!(parts(text), None, "{text}");
        }
    }

    #[test]
    fn the_key_is_made_once_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("subscribers.key");
        let first = Key::of(&path).unwrap().link(1, b"");
        assert_eq!(Key::of(&path).unwrap().link(1, b""), first);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::write(&path, "short").unwrap();
        assert!(Key::of(&path).is_err());
    }
}
