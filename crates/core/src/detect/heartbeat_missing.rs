//! A heartbeat is due and has not come, nor has the run that is to send it begun.
//!
//! Grace is counted from the due time, which came with the ping before and is a fact. Who
//! was not listening cannot complain of silence: after a start, or a jump of the clock,
//! clients get a moment to knock again, and the reason says that nobody listened when it
//! was due. A run that began since the last end is on its way and is
//! [`super::heartbeat_overrun`]'s affair; one that began before it is not: it is another,
//! perhaps stuck.

use alloc::{format, vec};

use jiff::Timestamp;

use super::heartbeats::{Beat, beat};
use super::{Detector, Verdict, View, say};
use crate::evidence::Fact;
use crate::finding::FindingKind;
use crate::heartbeat::Expectation;
use crate::subject::Subject;
use crate::time;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::HeartbeatMissing,
    guard: "heartbeats",
    about: "A heartbeat was due and no ping has come within its grace; where starts have a grace \
            of their own, no start has.",
    advice: "Look whether the job still exists, was started at all, and can reach Evenkeel's ping \
             address. A heartbeat that is no longer wanted is paused or taken out.",
    judge,
};

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let beat = match beat(view, subject)? {
        Ok(beat) => beat,
        Err(verdict) => return Some(verdict),
    };
    let Some((due, noted)) = due(view, &beat) else {
        return Some(Verdict::clear("nothing is due yet"));
    };
    let begun = |run: &crate::record::OpenRun| run.started_at > noted;
    if beat.state.open_runs.values().any(begun) {
        return Some(Verdict::clear("its run has begun"));
    }
    let grace = beat.spec.start_grace.unwrap_or(beat.spec.grace);
    let late = time::after(due, grace);
    let deadline = beat.bearing_with(view, late);
    if view.now < late {
        let reason = match beat.state.last_ping_at == beat.state.due_noted_at {
            true => "it was heard again",
            false => "it is due at another time now",
        };
        return Some(Verdict::clear(reason).again_at(deadline));
    }
    if view.now < deadline {
        return Some(Verdict::unknown().again_at(deadline));
    }
    let open = view
        .record
        .findings
        .get(&beat.key(FindingKind::HeartbeatMissing));
    let deaf = view.memory.tracked_since.is_some_and(|since| since > due);
    let reason = match open {
        // What was said when it opened stays said, also after a restart.
        Some(open) => open.finding.reason.clone(),
        None => {
            let what = match beat.spec.start_grace {
                Some(_) => "No start",
                None => "No ping",
            };
            let heard = match deaf {
                true => " Evenkeel itself did not listen when it was due.",
                false => "",
            };
            format!(
                "{what} of {} has come within {} of {due}, when it was due.{heard}",
                beat.called(),
                say(grace),
            )
        }
    };
    let mut facts = vec![
        Fact::new("due_at", due),
        Fact::new("grace", say(grace)),
        Fact::new("expected", &beat.spec.expected),
    ];
    if let Some(at) = beat.state.last_ping_at {
        facts.push(Fact::new("last_ping_at", at));
    }
    let title = format!("{} is missing", beat.called());
    Some(Verdict::holds(beat.finding(
        FindingKind::HeartbeatMissing,
        title,
        reason,
        facts,
    )))
}

/// When it is due, and when that was noted. A period that was begun by a clock that was
/// set back since begins when that was noticed.
fn due(view: View<'_>, beat: &Beat<'_>) -> Option<(Timestamp, Timestamp)> {
    let due = beat.state.due_at?;
    let noted = beat.state.due_noted_at.unwrap_or(due);
    match beat.spec.expected {
        Expectation::Every { .. } => {
            let at_latest = view.memory.at_latest(noted, view.now);
            let due = time::before(due, time::since(at_latest, noted));
            Some((due, at_latest))
        }
        Expectation::Cron { .. } | Expectation::OnCalendar { .. } => Some((due, noted)),
    }
}
