//! A run works on past its deadline.
//!
//! The deadline is the operator's word that longer is wrong, whatever the progress. Time
//! that the clock jumped over does not count: a clock that is set must not end every run.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::{format, vec};

use super::{Detector, Verdict, View, say};
use crate::evidence::Fact;
use crate::finding::{Finding, FindingKey, FindingKind, Severity};
use crate::subject::Subject;
use crate::time;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::RunPastDeadline,
    guard: "jobs",
    about: "A run takes longer than its job's `deadline`, whether it moves or not.",
    advice: "If it should have been allowed to finish, raise `deadline`; else look at the kept \
             evidence for what took so long.",
    judge,
};

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let Subject::Run(run) = subject else {
        return None;
    };
    let Some(state) = view.record.open_run(run) else {
        return Some(Verdict::clear("the run has ended"));
    };
    let deadline = view.policy.jobs.get(&state.job)?.deadline?;
    let started_at = state.started_at?;
    let deadline_at = time::after(
        started_at,
        deadline.saturating_add(view.memory.jumped_over(started_at)),
    );
    if view.now < deadline_at {
        let verdict = Verdict::clear("the run is within its deadline");
        return Some(verdict.again_at(deadline_at));
    }
    Some(Verdict::holds(Finding {
        key: FindingKey {
            kind: FindingKind::RunPastDeadline,
            subject: subject.clone(),
        },
        title: format!("{} is past its deadline", state.job),
        severity: Severity::Warning,
        harms: BTreeMap::new(),
        links: BTreeSet::from([Subject::Job(state.job.clone())]),
        reason: format!(
            "Run {run} is still there after its deadline of {}.",
            say(deadline)
        ),
        facts: vec![
            Fact::new("started_at", started_at),
            Fact::new("deadline", say(deadline)),
        ],
    }))
}
