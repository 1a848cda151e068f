//! The way observations take from a guard to the pump: one bounded queue.
//!
//! At the bound, facts wait (a guard that reports an exit slows down rather than
//! forget it) and pictures are dropped and counted (the next picture says it all again).
//! Secrets in texts end here: what passes is what the core decides on, the journal says,
//! and the flight recorder keeps.

mod secrets;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use evenkeel_core::Timestamp;
use evenkeel_core::ids::Observer;
use evenkeel_core::observation::{Observation, Seen};
use tokio::sync::mpsc;

/// A time, cut to milliseconds: no decision rests on less, and the flight recorder, which
/// must keep what the core was given exactly, would spend bytes on digits that say nothing.
pub fn to_the_millisecond(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

/// Sends observations of one observer to the pump.
#[derive(Debug, Clone)]
pub struct Outlet {
    by: Observer,
    queue: mpsc::Sender<Observation>,
    dropped: Arc<AtomicU64>,
}

impl Outlet {
    /// An outlet for `by` into the pump's queue.
    pub fn new(by: Observer, queue: mpsc::Sender<Observation>) -> Self {
        Self {
            by,
            queue,
            dropped: Arc::default(),
        }
    }

    /// The same queue for another observer; drops are counted together.
    pub fn named(&self, by: &str) -> Self {
        Self {
            by: by.into(),
            ..self.clone()
        }
    }

    /// Sends something that is said once. Waits while the queue is full; returns false
    /// when the pump is gone.
    pub async fn fact(&self, seen: Seen) -> bool {
        self.queue.send(self.observation(seen)).await.is_ok()
    }

    /// Sends a whole picture that a later one replaces. Dropped and counted while the
    /// queue is full.
    pub fn picture(&self, seen: Seen) {
        if self.queue.try_send(self.observation(seen)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Pictures dropped so far, by all outlets cloned from one.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Observations that wait for the pump.
    pub fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    fn observation(&self, mut seen: Seen) -> Observation {
        secrets::blot_out(&mut seen);
        Observation {
            at: to_the_millisecond(Timestamp::now()),
            by: self.by.clone(),
            seen,
        }
    }
}
