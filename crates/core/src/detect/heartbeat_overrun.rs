//! A run of a heartbeat began and neither ended nor said anything for too long.
//!
//! Every run is watched by the name its client gives it (`?rid=`), not only the one that
//! began last: an older run that is stuck is not hidden by a newer one that succeeds. A
//! `/log` of a run counts as progress and begins its time anew. Runs without a name cannot
//! be told apart: the last start counts.
//!
//! Time the clock jumped over was not lived through by the run, and is not counted.

use alloc::string::String;
use alloc::{format, vec};
use core::time::Duration;

use jiff::Timestamp;

use super::heartbeats::beat;
use super::{Detector, Verdict, View, say};
use crate::evidence::Fact;
use crate::finding::{FindingKey, FindingKind};
use crate::record::{OPEN_RUNS_MAX, OpenRun};
use crate::subject::Subject;
use crate::time;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::HeartbeatOverrun,
    guard: "heartbeats",
    about: "A run said that it began, and has neither ended nor sent a `/log` within the run time \
            its heartbeat allows. Every concurrent run is watched, not only the newest.",
    advice: "Look for the process on its host; if it hangs, end it. If it died without a word, \
             pause and resume the heartbeat: that forgets its open runs.",
    judge,
};

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let beat = match beat(view, subject)? {
        Ok(beat) => beat,
        Err(verdict) => return Some(verdict),
    };
    let limit = beat.spec.run_limit();
    let key = FindingKey {
        kind: FindingKind::HeartbeatOverrun,
        subject: subject.clone(),
    };
    let open = view.record.findings.get(&key);
    // One that was found, and has said nothing since, is over its time whatever the clock
    // has been set to meanwhile.
    let still_over = |run: &OpenRun| {
        open.is_some_and(|open| {
            let says = |name: &str, at: Timestamp| {
                let fact = open.finding.facts.iter().find(|fact| fact.name == name);
                fact.is_some_and(|fact| fact.value == alloc::format!("{at}"))
            };
            says("started_at", run.started_at) && says("last_heard_at", run.heard_at)
        })
    };
    let mut over: Option<(&str, &OpenRun)> = None;
    let (mut count, mut next, mut waits) = (0_u32, None::<Timestamp>, false);
    for (rid, run) in &beat.state.open_runs {
        let ends = time::after(heard(view, run), limit + jumped(view, run));
        let deadline = beat.bearing_with(view, ends);
        if view.now < deadline && !still_over(run) {
            waits |= view.now >= ends;
            next = Some(next.map_or(deadline, |next| next.min(deadline)));
            continue;
        }
        count += 1;
        if over.is_none_or(|(_, oldest)| run.started_at < oldest.started_at) {
            over = Some((rid, run));
        }
    }
    let again = |verdict: Verdict| match next {
        Some(at) => verdict.again_at(at),
        None => verdict,
    };
    let Some((rid, run)) = over else {
        // One that may be too long is not judged before its client could say that it ended.
        let verdict = match waits {
            true => Verdict::unknown(),
            false => Verdict::clear("no run is over its time"),
        };
        return Some(again(verdict));
    };
    let name = beat.called();
    let which = match rid {
        "" => String::new(),
        rid => format!(" {rid}"),
    };
    let others = match count {
        1 => String::new(),
        _ => format!(" So is it with {} more.", count - 1),
    };
    let reason = format!(
        "Run{which} of {name}, begun at {}, has neither ended nor said anything for longer than {}.{others}",
        run.started_at,
        say(limit),
    );
    let mut facts = vec![
        Fact::new("started_at", run.started_at),
        Fact::new("last_heard_at", run.heard_at),
        Fact::new("limit", say(limit)),
        Fact::new("runs_over_time", count),
        Fact::new("open_runs", beat.state.open_runs.len()),
    ];
    if beat.state.runs_unwatched > 0 {
        facts.push(Fact::new("runs_watched_max", OPEN_RUNS_MAX));
        facts.push(Fact::new("runs_unwatched", beat.state.runs_unwatched));
    }
    let title = format!("{name} does not end");
    let finding = beat.finding(FindingKind::HeartbeatOverrun, title, reason, facts);
    Some(again(Verdict::holds(finding)))
}

fn heard(view: View<'_>, run: &OpenRun) -> Timestamp {
    view.memory.at_latest(run.heard_at, view.now)
}

fn jumped(view: View<'_>, run: &OpenRun) -> Duration {
    view.memory.jumped_over(heard(view, run))
}
