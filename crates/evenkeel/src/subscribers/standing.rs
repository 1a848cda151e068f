//! How sending to subscribers stands: for the console, metrics and the command line.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use evenkeel_core::Timestamp;
use tokio::time::Instant;

use super::store::Kind;
use super::store::people::Count;
use super::store::queue::Backlog;

/// Failures that are remembered for the console.
const FAILURES_KEPT: usize = 50;

/// The pauses after the way itself was found broken.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// Refusals in a row after which the server is not believed, but left alone for a while.
const REFUSED_IN_A_ROW: u32 = 20;

/// How one way of sending stands.
#[derive(Debug, Clone, Default)]
pub struct WayStanding {
    /// Taken by receivers since the start.
    pub taken: u64,
    /// To be tried again, since the start.
    pub later: u64,
    /// Refused for good, since the start.
    pub refused: u64,
    /// Why nothing goes out, and since when.
    pub trouble: Option<(Timestamp, String)>,
    refused_in_a_row: u32,
    pause: Duration,
    until: Option<Instant>,
}

/// Something that did not arrive. It names a number and no address: this is shown to
/// everybody who may look.
#[derive(Debug, Clone)]
pub struct Failure {
    /// When.
    pub at: Timestamp,
    /// How it was sent.
    pub kind: Kind,
    /// To whom.
    pub subscriber: i64,
    /// Whether they are told nothing more.
    pub is_paused: bool,
    /// Why.
    pub why: String,
}

/// What was last read from the file.
#[derive(Debug, Clone, Default)]
pub struct Figures {
    /// Subscribers.
    pub counts: Vec<Count>,
    /// What waits.
    pub backlog: Vec<(Kind, Backlog)>,
    /// Why they could not be read.
    pub trouble: Option<String>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Standings {
    ways: [Mutex<WayStanding>; 3],
    failures: Mutex<VecDeque<Failure>>,
    figures: Mutex<Figures>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Standings {
    fn way(&self, kind: Kind) -> MutexGuard<'_, WayStanding> {
        held(match kind {
            Kind::Mail => &self.ways[0],
            Kind::Webhook => &self.ways[1],
            Kind::Announcement => &self.ways[2],
        })
    }

    /// How a way stands.
    pub fn of(&self, kind: Kind) -> WayStanding {
        self.way(kind).clone()
    }

    /// The newest failures, newest first.
    pub fn failures(&self) -> Vec<Failure> {
        held(&self.failures).iter().cloned().collect()
    }

    /// What was last read.
    pub fn figures(&self) -> Figures {
        held(&self.figures).clone()
    }

    /// What was read now.
    pub(crate) fn read(&self, figures: Figures) {
        *held(&self.figures) = figures;
    }

    pub(super) fn failed(&self, failure: Failure) {
        let mut failures = held(&self.failures);
        failures.push_front(failure);
        failures.truncate(FAILURES_KEPT);
    }

    pub(super) fn taken(&self, kind: Kind) {
        let mut way = self.way(kind);
        way.taken += 1;
        way.trouble = None;
        way.until = None;
        way.pause = Duration::ZERO;
        way.refused_in_a_row = 0;
    }

    pub(super) fn later(&self, kind: Kind) {
        self.way(kind).later += 1;
    }

    /// A refusal. Where nothing but refusals comes, the way itself is in trouble.
    pub(super) fn refused(&self, kind: Kind, why: &str) {
        let mut way = self.way(kind);
        way.refused += 1;
        way.refused_in_a_row += 1;
        // Webhooks have a receiver each: one's refusal says nothing of the next.
        if kind == Kind::Mail && way.refused_in_a_row >= REFUSED_IN_A_ROW {
            way.refused_in_a_row = 0;
            way.rest(&format!("the mail server refuses everything: {why}"));
        }
    }

    /// The way itself is broken: nothing goes out for a while. Whether that is new.
    pub(super) fn broken(&self, kind: Kind, why: &str) -> bool {
        let mut way = self.way(kind);
        let is_new = way.trouble.is_none();
        way.rest(why);
        is_new
    }

    /// Until when nothing goes out.
    pub(super) fn rests_until(&self, kind: Kind) -> Option<Instant> {
        self.way(kind).until.filter(|until| *until > Instant::now())
    }
}

impl WayStanding {
    fn rest(&mut self, why: &str) {
        let now = Instant::now();
        let since = self
            .trouble
            .as_ref()
            .map_or_else(Timestamp::now, |(since, _)| *since);
        self.trouble = Some((since, why.to_owned()));
        // Several connections find out at once.
        if self.until.is_some_and(|until| until > now) {
            return;
        }
        self.pause = (self.pause * 2).clamp(PAUSE, PAUSE_MAX);
        self.until = Some(now + self.pause);
    }
}
