//! A session carries the tag of a run that has ended.
//!
//! A dead run is fenced: a client that outlived its run, or comes back under its name,
//! must not write over what a retry does.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::{format, vec};
use core::time::Duration;

use super::{Detector, Verdict, View};
use crate::evidence::Fact;
use crate::finding::{Finding, FindingKey, FindingKind, Severity};
use crate::subject::Subject;
use crate::time;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::StrayBackend,
    guard: "locks",
    about: "A database session carries the tag of a supervised run that has ended.",
    advice: "Some process of the run, perhaps on another host, is still connected. Find it by the \
             session's client address.",
    judge,
};

/// A session of a run that just ended is on its way out; PostgreSQL takes a moment.
const ON_ITS_WAY: Duration = Duration::from_secs(2);

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let Subject::Backend(backend) = subject else {
        return None;
    };
    if !view.memory.sees_locks(&backend.database, view.now) {
        return Some(Verdict::unknown());
    }
    let seen = view
        .memory
        .databases
        .get(&backend.database)
        .and_then(|database| database.run_backends.get(backend));
    let Some((first_seen, session)) = seen else {
        return Some(Verdict::clear("the session is gone"));
    };
    let run = session.run.as_ref()?;
    let state = view.record.runs.get(run)?;
    let Some(ended) = &state.ended else {
        return Some(Verdict::clear("its run is open"));
    };
    if state.did_not_start() {
        // Its start was said to have failed, and here it is: its guard will say so.
        return Some(Verdict::unknown());
    }
    let ended_at = view.memory.at_latest(ended.at, view.now);
    let due = time::after(ended_at.max(*first_seen), ON_ITS_WAY);
    // A picture from before says nothing of after.
    let looked = view
        .memory
        .databases
        .get(&backend.database)
        .and_then(|database| database.run_backends_at)
        .is_some_and(|at| at >= due);
    if !looked {
        return Some(Verdict::unknown());
    }
    Some(Verdict::holds(Finding {
        key: FindingKey {
            kind: FindingKind::StrayBackend,
            subject: subject.clone(),
        },
        title: format!("A session of an ended run of {} is still there", state.job),
        severity: Severity::Warning,
        harms: BTreeMap::new(),
        links: BTreeSet::from([Subject::Run(run.clone()), Subject::Job(state.job.clone())]),
        reason: format!(
            "Backend {} carries the tag of run {run}, which has ended.",
            backend.pid
        ),
        facts: vec![
            Fact::new("run_ended_at", ended.at),
            Fact::new("session_began_at", backend.backend_start),
            Fact::new("query", &session.query),
        ],
    }))
}
