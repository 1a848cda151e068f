//! A run of a heartbeat said success in less time than the work can take.
//!
//! A backup that is done after two seconds has backed nothing up. Only runs that said when
//! they began can be measured.

use alloc::{format, vec};

use super::heartbeats::beat;
use super::{Detector, Verdict, View, say};
use crate::evidence::Fact;
use crate::finding::FindingKind;
use crate::subject::Subject;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::HeartbeatTooFast,
    guard: "heartbeats",
    about: "A run of a heartbeat succeeded in less than its `run_min`. Only where that is \
            configured and the client sends a start.",
    advice: "Look whether the run did its work: an empty source, a mount that is missing, a query \
             that found nothing.",
    judge,
};

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let beat = match beat(view, subject)? {
        Ok(beat) => beat,
        Err(verdict) => return Some(verdict),
    };
    let Some(least) = beat.spec.run_min else {
        return Some(Verdict::clear("no run time is asked of it"));
    };
    let quick = beat
        .state
        .last_run
        .filter(|run| run.well && run.lasted < least);
    let Some(run) = quick else {
        return Some(Verdict::clear("its last run took its time"));
    };
    let name = beat.called();
    let title = format!("{name} is done too fast");
    let reason = format!("A run of {name} said success in less than {}.", say(least));
    let facts = vec![
        Fact::new("lasted", say(run.lasted)),
        Fact::new("run_min", say(least)),
        Fact::new("ended_at", run.ended_at),
    ];
    Some(Verdict::holds(beat.oddity(
        FindingKind::HeartbeatTooFast,
        title,
        reason,
        facts,
    )))
}
