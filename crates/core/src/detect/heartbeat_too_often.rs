//! Runs of a heartbeat begin closer together than they may.
//!
//! A job that is killed and fires again every two minutes has filled disks, and a plain
//! heartbeat shows it as perfectly alive. It holds until the job has kept its distance, or
//! kept quiet for as long.

use alloc::{format, vec};

use super::heartbeats::beat;
use super::{Detector, Verdict, View, say};
use crate::evidence::Fact;
use crate::finding::FindingKind;
use crate::subject::Subject;
use crate::time;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::HeartbeatTooOften,
    guard: "heartbeats",
    about: "Two runs of a heartbeat began closer together than its `interval_min`. Only where it \
            is configured.",
    advice: "Look whether the job is scheduled twice, or is killed and started again over and \
             over: its own log and the scheduler's say which.",
    judge,
};

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let beat = match beat(view, subject)? {
        Ok(beat) => beat,
        Err(verdict) => return Some(verdict),
    };
    let Some(interval) = beat.spec.interval_min else {
        return Some(Verdict::clear("no interval is asked of it"));
    };
    let close = beat
        .state
        .begun
        .and_then(|(at, after)| Some((at, after.filter(|after| *after < interval)?)));
    let Some((begun, after)) = close else {
        return Some(Verdict::clear("it keeps its distance"));
    };
    let begun = view.memory.at_latest(begun, view.now);
    let over = time::after(begun, interval);
    if view.now >= over {
        return Some(Verdict::clear("it has kept quiet"));
    }
    let name = beat.called();
    let title = format!("{name} runs too often");
    let reason = format!(
        "Runs of {name} begin closer together than {}.",
        say(interval)
    );
    let facts = vec![
        Fact::new("interval_min", say(interval)),
        Fact::new("last_interval", say(after)),
    ];
    let finding = beat.oddity(FindingKind::HeartbeatTooOften, title, reason, facts);
    Some(Verdict::holds(finding).again_at(over))
}
