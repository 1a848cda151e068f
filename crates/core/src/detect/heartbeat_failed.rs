//! A heartbeat said that its run failed.
//!
//! It holds until a run succeeds: silence after a failure is no success. Another run's
//! success is one too, since what was to be done was then done.

use alloc::{format, vec};

use super::heartbeats::beat;
use super::{Detector, Verdict, View};
use crate::evidence::Fact;
use crate::finding::FindingKind;
use crate::subject::Subject;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::HeartbeatFailed,
    guard: "heartbeats",
    about: "A client said that its run failed: a ping to `/fail`, or an exit status other than 0. \
            It holds until a run succeeds.",
    advice: "The body of the ping, where the client sends one, says more: it is on the heartbeat's \
             page and in the journal.",
    judge,
};

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let beat = match beat(view, subject)? {
        Ok(beat) => beat,
        Err(verdict) => return Some(verdict),
    };
    let Some(failure) = beat.state.failed else {
        return Some(Verdict::clear("it succeeded"));
    };
    let name = beat.called();
    let reason = match failure.exit_status {
        Some(status) => format!("A run of {name} ended with exit status {status}."),
        None => format!("{name} said that it failed."),
    };
    let mut facts = vec![Fact::new("failed_at", failure.at)];
    if let Some(at) = beat.state.last_success_at {
        facts.push(Fact::new("last_success_at", at));
    }
    let title = format!("{name} failed");
    Some(Verdict::holds(beat.finding(
        FindingKind::HeartbeatFailed,
        title,
        reason,
        facts,
    )))
}
