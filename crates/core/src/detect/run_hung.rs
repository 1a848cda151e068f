//! A run makes no progress.
//!
//! Judged by progress, not by the clock: CPU time and I/O of the whole process tree, the
//! work of its database sessions, output, and explicit reports. A run that moves any of
//! them is alive, however slow; one that moves none of them for `stall` hangs, whatever
//! its deadline. A run nobody has seen for a while is not judged, nor is one while a
//! database it may be working in cannot be seen: no eyes, no verdict.
//!
//! A process that spins in a loop uses CPU and is not seen here; its deadline, and the
//! harm it does ([`super::lock_blocks_component`]), are there for it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::{format, vec};

use super::{Detector, Verdict, View, say};
use crate::evidence::Fact;
use crate::finding::{Finding, FindingKey, FindingKind, Severity};
use crate::ids::RunId;
use crate::memory::FRESH;
use crate::subject::Subject;
use crate::time;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::RunHung,
    guard: "jobs",
    about: "A run has moved nothing for its job's `stall`: no CPU time, no I/O, no output, no \
            database work, no reported progress.",
    advice: "Look at the kept evidence (`evenkeel evidence`): what the processes wait for and who \
             is at the other end. If Evenkeel may not end runs of this job, end it by hand.",
    judge,
};

/// Whether a run has been watched standing still for its job's `stall`, and is seen now:
/// its processes, and every database it may be at work in.
pub(crate) fn is_seen_to_stand(view: View<'_>, run: &RunId) -> bool {
    let stall = view
        .record
        .open_run(run)
        .and_then(|state| view.policy.jobs.get(&state.job)?.stall);
    let (Some(stall), Some(memory)) = (stall, view.memory.runs.get(run)) else {
        return false;
    };
    let databases = view.policy.databases.keys();
    memory.latest.is_some()
        && time::since(memory.progress_at, view.now) >= stall
        && time::since(memory.seen_at, view.now) <= FRESH
        && view.memory.sees_sessions(databases, view.now)
}

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let Subject::Run(run) = subject else {
        return None;
    };
    let Some(state) = view.record.open_run(run) else {
        return Some(Verdict::clear("the run has ended"));
    };
    let stall = view.policy.jobs.get(&state.job)?.stall?;
    let Some(memory) = view.memory.runs.get(run) else {
        return Some(Verdict::unknown());
    };
    let idle = time::since(memory.progress_at, view.now);
    if idle < stall {
        let verdict = match memory.moved {
            true => Verdict::clear("the run moves again"),
            // After a restart patience begins anew; that is no progress.
            false => Verdict::unknown(),
        };
        return Some(verdict.again_at(time::after(memory.progress_at, stall)));
    }
    if !is_seen_to_stand(view, run) {
        return Some(Verdict::unknown());
    }
    let harm = view
        .memory
        .chains_of_run(run)
        .map(|(_, chain)| chain.chain.waiters.len())
        .sum::<usize>();
    let holds_up = match harm {
        0 => "",
        _ => ", and others wait for locks it holds",
    };
    Some(Verdict::holds(Finding {
        key: FindingKey {
            kind: FindingKind::RunHung,
            subject: subject.clone(),
        },
        title: format!("{} hangs", state.job),
        severity: Severity::Warning,
        harms: BTreeMap::new(),
        links: BTreeSet::from([Subject::Job(state.job.clone())]),
        reason: format!(
            "Run {run} has made no progress for longer than its stall limit of {}{holds_up}.",
            say(stall)
        ),
        facts: vec![
            Fact::new("stall_limit", say(stall)),
            Fact::new("last_progress_at", memory.progress_at),
            Fact::new("last_progress", &memory.progress_by),
            Fact::new(
                "living_processes",
                memory
                    .latest
                    .as_ref()
                    .map_or(0, |progress| progress.processes),
            ),
            Fact::new("sessions_waiting_for_it", harm),
        ],
    }))
}
