//! UUIDs: read, made at random, or made of a secret and a name.
//!
//! Whoever knows a heartbeat's UUID can ping it. One that is made of a name is therefore
//! made of a secret too: nobody can guess it who knows what the heartbeat is called.

use std::fmt;

use sha2::{Digest, Sha256};

/// A UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub u128);

impl Uuid {
    /// Reads the canonical form, in lower or upper case; no other form.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 36 {
            return None;
        }
        let mut value = 0_u128;
        for (place, byte) in bytes.iter().enumerate() {
            if matches!(place, 8 | 13 | 18 | 23) {
                if *byte != b'-' {
                    return None;
                }
                continue;
            }
            let digit = char::from(*byte).to_digit(16)?;
            value = value << 4 | u128::from(digit);
        }
        Some(Self(value))
    }

    /// One that nobody can guess (version 4).
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self::of_bytes(bytes, 4))
    }

    /// The one of a name under a secret (version 8): always the same.
    pub fn of_name(secret: &str, name: &str) -> Self {
        let mut digest = Sha256::new();
        digest.update(b"evenkeel heartbeat\0");
        digest.update((secret.len() as u64).to_be_bytes());
        digest.update(secret);
        digest.update(name);
        let digest: [u8; 32] = digest.finalize().into();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self::of_bytes(bytes, 8)
    }

    /// RFC 9562: version in the seventh byte, variant in the ninth.
    fn of_bytes(mut bytes: [u8; 16], version: u8) -> Self {
        bytes[6] = bytes[6] & 0x0f | version << 4;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(value) = self;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            value >> 96,
            value >> 80 & 0xffff,
            value >> 64 & 0xffff,
            value >> 48 & 0xffff,
            value & 0xffff_ffff_ffff
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_nothing_else_is() {
        let text = "5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278";
        let uuid = Uuid::parse(text).unwrap();
        assert_eq!(uuid.to_string(), text);
        assert_eq!(Uuid::parse(&text.to_uppercase()), Some(uuid));
        for other in [
            "",
            "5bf66975d4c74bf5bcc8b8d8a82ea278",
            "{5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278}",
            "5bf66975-d4c7-4bf5-bcc8-b8d8a82ea27",
            "5bf66975-d4c7-4bf5-bcc8-b8d8a82ea27g",
            "5bf66975-d4c7-4bf5-bcc8+b8d8a82ea278",
        ] {
            assert_eq!(Uuid::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_name_has_one_uuid_under_one_secret() {
        let uuid = Uuid::of_name("key", "backup");
        assert_eq!(uuid, Uuid::of_name("key", "backup"));
        assert_ne!(uuid, Uuid::of_name("kex", "backup"));
        assert_ne!(Uuid::of_name("a", "bc"), Uuid::of_name("ab", "c"));
        assert_eq!(uuid.to_string().as_bytes()[14], b'8');
        assert_ne!(Uuid::random().unwrap(), Uuid::random().unwrap());
    }
}
