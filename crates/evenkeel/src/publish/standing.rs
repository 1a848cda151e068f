//! How the copy at each target stands: for the console, metrics and the command line.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::ids::TargetId;
use serde::{Deserialize, Serialize};

use super::statement::Signed;
use crate::web::clock;

/// How the copy at one target stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Where it is, in words: `s3://status-example`.
    pub place: String,
    /// When the copy that is there was made; none before the first.
    pub made_at: Option<Timestamp>,
    /// Until when it is valid.
    pub valid_until: Option<Timestamp>,
    /// Why a newer one is not there, and since when.
    pub trouble: Option<(Timestamp, String)>,
    /// Copies delivered since the start.
    pub delivered: u64,
    /// Tries that failed since the start.
    pub failed: u64,
    /// How long the last delivery took, milliseconds.
    pub took_ms: u64,
    /// Files written by it; those that were there already are not written again.
    pub files_written: u64,
}

impl Standing {
    /// Whether readers at the target are told of now.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.valid_until.is_some_and(|until| now < until)
    }

    /// What readers at the target are told, in words.
    pub fn said(&self, now: Timestamp) -> String {
        match self.valid_until {
            None => "nothing from this Evenkeel yet".into(),
            Some(until) if now < until => {
                format!("how things are, until {}", clock::second(until, now))
            }
            Some(until) => format!("unknown since {}", clock::second(until, now)),
        }
    }
}

/// The standing of every target.
#[derive(Debug, Default)]
pub struct Standings {
    targets: Mutex<BTreeMap<TargetId, Arc<Mutex<Standing>>>>,
    /// What was signed last: whoever follows us reads it where we are.
    signed: Mutex<Option<Arc<Signed>>>,
    /// The public half of the key that signs, as a file.
    public_key: OnceLock<String>,
}

/// What a target's keeper writes to.
#[derive(Debug, Clone)]
pub struct Slate(Arc<Mutex<Standing>>);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What is in it is whole after every write.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Standings {
    /// Begins with a target of which nothing is known.
    pub fn begin(&self, id: &TargetId, place: String) -> Slate {
        let standing = Arc::new(Mutex::new(Standing {
            place,
            ..Standing::default()
        }));
        locked(&self.targets).insert(id.clone(), standing.clone());
        Slate(standing)
    }

    /// All of them.
    pub fn all(&self) -> BTreeMap<TargetId, Standing> {
        let all = locked(&self.targets);
        let all = all.iter();
        all.map(|(id, standing)| (id.clone(), locked(standing).clone()))
            .collect()
    }

    /// From now on editions are signed with this key.
    pub fn signs_with(&self, public_key: String) {
        // The same for as long as the program runs.
        let _known = self.public_key.set(public_key);
    }

    /// The public half of the key that editions are signed with.
    pub fn public_key(&self) -> Option<&str> {
        self.public_key.get().map(String::as_str)
    }

    /// An edition was signed.
    pub fn signed(&self, signed: Signed) {
        *locked(&self.signed) = Some(Arc::new(signed));
    }

    /// The statement of the newest edition; none before the first.
    pub fn last_signed(&self) -> Option<Arc<Signed>> {
        locked(&self.signed).clone()
    }
}

impl Slate {
    pub(crate) fn delivered(
        &self,
        made_at: Timestamp,
        valid_until: Timestamp,
        written: usize,
        took: Duration,
    ) {
        let mut standing = locked(&self.0);
        standing.made_at = Some(made_at);
        standing.valid_until = Some(valid_until);
        standing.trouble = None;
        standing.delivered += 1;
        standing.files_written = u64::try_from(written).unwrap_or(u64::MAX);
        standing.took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    }

    pub(super) fn failed(&self, at: Timestamp, why: &str) {
        let mut standing = locked(&self.0);
        let since = standing.trouble.as_ref().map_or(at, |(since, _)| *since);
        standing.trouble = Some((since, why.to_owned()));
        standing.failed += 1;
    }

    /// How it stands.
    pub fn read(&self) -> Standing {
        locked(&self.0).clone()
    }
}
