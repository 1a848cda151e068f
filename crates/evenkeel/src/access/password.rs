//! Passwords: argon2id, and never more of it at once than the machine can bear.
//!
//! Parameters are the first choice of the OWASP password storage cheat sheet (19 MiB, two
//! passes, one lane), which are the library's defaults: a guess costs some 20 ms of a core.
//! [`AT_ONCE`] of them run at a time, [`WAITING_MAX`] more wait; what comes on top is told
//! to try again. So a flood of logins costs at most two cores and 40 MiB.

use std::time::Duration;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use tokio::sync::Semaphore;

/// Verifications at once.
pub const AT_ONCE: usize = 2;

/// Logins that may wait for their turn.
pub const WAITING_MAX: usize = 16;

/// How long one waits.
const PATIENCE: Duration = Duration::from_secs(5);

/// The shortest password, letters: NIST SP 800-63B asks for 8 and advises 15.
pub const SHORTEST: usize = 12;

/// The longest, bytes.
pub const LONGEST: usize = 1024;

/// A password of nobody, so that an unknown name costs what a known one does.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$RW+1JpP3xjB7EjDdDiZEdw$Kv4J3pF+Cv5gN2v1bLhJ1u5qkSxM1bq3QbGdYz7y0s8";

/// How a password fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the one.
    Right,
    /// It is not, or nobody has that name.
    Wrong,
    /// Too many are being looked at.
    Busy,
}

/// Where passwords are tried.
#[derive(Debug)]
pub(super) struct Kiln {
    queue: Semaphore,
    room: std::sync::Arc<Semaphore>,
}

impl Default for Kiln {
    fn default() -> Self {
        Self {
            queue: Semaphore::new(WAITING_MAX + AT_ONCE),
            room: std::sync::Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

impl Kiln {
    /// Tries a password against what is stored of somebody, or against nobody's.
    pub(super) async fn verify(&self, password: &str, stored: Option<String>) -> Verdict {
        let Ok(_place) = self.queue.try_acquire() else {
            return Verdict::Busy;
        };
        let turn = tokio::time::timeout(PATIENCE, self.room.clone().acquire_owned());
        let Ok(Ok(turn)) = turn.await else {
            return Verdict::Busy;
        };
        if password.len() > LONGEST {
            return Verdict::Wrong;
        }
        let password = password.to_owned();
        let tried = tokio::task::spawn_blocking(move || {
            // It is held until the work is done, also when whoever asked has gone.
            let _turn = turn;
            let is_somebody = stored.is_some();
            let stored = stored.as_deref().unwrap_or(NOBODYS);
            let right = Argon2::default().verify_password(password.as_bytes(), stored);
            is_somebody && right.is_ok()
        });
        match tried.await {
            Ok(true) => Verdict::Right,
            Ok(false) => Verdict::Wrong,
            Err(_) => Verdict::Busy,
        }
    }
}

/// What is kept of a password.
///
/// # Errors
/// Why it cannot be one, and what to do.
pub fn hash(password: &str) -> Result<String, String> {
    if password.chars().count() < SHORTEST {
        return Err(format!(
            "a password has at least {SHORTEST} letters: four words are easier to keep than eight signs"
        ));
    }
    if password.len() > LONGEST {
        return Err(format!("a password has at most {LONGEST} bytes"));
    }
    let mut salt = [0_u8; 16];
    getrandom::fill(&mut salt).map_err(|error| format!("the kernel has no randomness: {error}"))?;
    let hash: PasswordHash = Argon2::default()
        .hash_password_with_salt(password.as_bytes(), &salt)
        .map_err(|error| format!("the password cannot be hashed: {error}"))?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_names_its_parameters_and_has_its_own_salt() {
        let one = hash("correct horse battery").unwrap();
        let other = hash("correct horse battery").unwrap();
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        assert_ne!(one, other);
    }

    #[test]
    fn nobodys_password_costs_what_anybodys_does() {
        let nobody = PasswordHash::new(NOBODYS).unwrap();
        let somebody = PasswordHash::new(&hash("correct horse battery").unwrap()).unwrap();
        assert_eq!(nobody.params, somebody.params);
        assert_eq!(nobody.algorithm, somebody.algorithm);
        assert!(nobody.salt.is_some() && nobody.hash.is_some());
    }

    #[test]
    fn a_short_password_is_refused_with_what_to_do() {
        assert!(hash("short").unwrap_err().contains("at least 12"));
        assert!(hash(&"x".repeat(2000)).is_err());
    }

    #[tokio::test]
    async fn more_logins_than_there_is_room_for_are_told_to_come_again() {
        let kiln = Kiln::default();
        let _full = kiln.queue.acquire_many(18).await.unwrap();
        assert_eq!(kiln.verify("any", None).await, Verdict::Busy);
    }
}
