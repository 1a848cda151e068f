//! Passwords of invented people.
//!
//! Salted and stretched, so that a login costs about what it costs elsewhere to
//! look up and compare; far too cheap to protect anybody real.

use sha2::{Digest, Sha256};

/// Every seeded user has it: load clients need to log in.
pub(crate) const SEEDED: &str = "mooring-line";

const ROUNDS: u32 = 100;

pub(crate) fn hash(salt: &str, password: &str) -> Vec<u8> {
    let mut digest = Sha256::digest(format!("{salt}:{password}"));
    for _ in 1..ROUNDS {
        digest = Sha256::digest(digest);
    }
    digest.to_vec()
}
