//! How checks went lately: for the pages, never for decisions.
//!
//! Beside the published snapshots and shared by them, because ten thousand checks every
//! half a minute would be copied with each of them. Bounded: the newest [`POINTS_KEPT`]
//! results of the first [`DRAWN_MAX`] checks that were heard of (some 6 MB at most), the
//! last result of [`KNOWN_MAX`].

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use evenkeel_core::Timestamp;
use evenkeel_core::ids::CheckId;
use evenkeel_core::observation::{CheckOutcome, CheckResult};
use serde::{Deserialize, Serialize};

/// Results that are kept of a check: two hours of one every 30 s.
pub const POINTS_KEPT: usize = 240;

/// Checks that are kept so.
pub const DRAWN_MAX: usize = 1_000;

/// Checks whose last result is kept.
pub const KNOWN_MAX: usize = 20_000;

/// One result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// When.
    pub at: Timestamp,
    /// How long it took, milliseconds.
    pub took_ms: u32,
    /// Whether it passed; `None` where it could not be made.
    pub passed: Option<bool>,
}

/// How one check went lately.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The last result.
    pub last: CheckResult,
    /// When it was.
    pub at: Timestamp,
    /// Oldest first; empty for checks beyond [`DRAWN_MAX`].
    pub points: VecDeque<Point>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Board(Mutex<BTreeMap<CheckId, History>>);

impl Board {
    /// Takes a result.
    pub fn take(&self, at: Timestamp, result: &CheckResult) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = known.len();
        let history = match known.get_mut(&result.check) {
            Some(history) => history,
            None if count >= KNOWN_MAX => return,
            None => known
                .entry(result.check.clone())
                .or_insert_with(|| History {
                    last: result.clone(),
                    at,
                    points: VecDeque::with_capacity(if count < DRAWN_MAX {
                        POINTS_KEPT
                    } else {
                        0
                    }),
                }),
        };
        history.last = result.clone();
        history.at = at;
        if history.points.capacity() == 0 {
            return;
        }
        if history.points.len() >= POINTS_KEPT {
            history.points.pop_front();
        }
        history.points.push_back(Point {
            at,
            took_ms: result.took_ms,
            passed: match result.outcome {
                CheckOutcome::Passed => Some(true),
                CheckOutcome::Failed { .. } => Some(false),
                CheckOutcome::NotMade { .. } => None,
            },
        });
    }

    /// Looks at the last result of every check, without copying what is drawn.
    pub fn each(&self, mut look: impl FnMut(Timestamp, &CheckResult)) {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for history in known.values() {
            look(history.at, &history.last);
        }
    }

    /// How a check went lately.
    pub fn of(&self, check: &CheckId) -> Option<History> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(check).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(check: &str, took_ms: u32) -> CheckResult {
        CheckResult {
            check: check.into(),
            outcome: CheckOutcome::Passed,
            took_ms,
            certificate_expires_at: None,
        }
    }

    #[test]
    fn the_newest_points_are_kept_of_a_bounded_number_of_checks() {
        let board = Board::default();
        let at = Timestamp::UNIX_EPOCH;
        for n in 0..1000 {
            board.take(at, &result("a", n));
        }
        let history = board.of(&"a".into()).unwrap();
        assert_eq!(history.points.len(), POINTS_KEPT);
        assert_eq!(history.points.back().unwrap().took_ms, 999);
        for n in 0..DRAWN_MAX + 10 {
            board.take(at, &result(&format!("b{n}"), 1));
        }
        let undrawn = board
            .of(&format!("b{}", DRAWN_MAX + 5).as_str().into())
            .unwrap();
        assert!(undrawn.points.is_empty());
        assert_eq!(undrawn.last.took_ms, 1);
    }
}
