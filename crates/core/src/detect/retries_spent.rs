//! A job failed as often as it may.
//!
//! The operator is called once, and nothing is started again until the next slot. A job
//! another scheduler starts (`evenkeel run`) is not ours to start again: its first
//! failure is its last.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::{format, vec};

use super::{Detector, Verdict, View, run_failed::say_exit};
use crate::evidence::Fact;
use crate::finding::{Finding, FindingKey, FindingKind, Severity};
use crate::observation::Origin;
use crate::subject::Subject;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::RetriesSpent,
    guard: "jobs",
    about: "A job failed, and its retries are spent or it has none.",
    advice: "Find out why it fails (`evenkeel runs RUN`, `evenkeel evidence`), then start it by \
             hand: `evenkeel start JOB`.",
    judge,
};

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let Subject::Job(id) = subject else {
        return None;
    };
    let job = view.record.jobs.get(id)?;
    let Some(slot) = &job.slot else {
        return Some(Verdict::clear("a later run succeeded"));
    };
    let Some(exit) = slot
        .failed_with
        .as_ref()
        .filter(|_| job.open_runs.is_empty())
    else {
        return Some(Verdict::unknown());
    };
    let budget = view.policy.jobs.get(id)?.retry.budget;
    let ours = job
        .last_run
        .as_ref()
        .and_then(|run| view.record.runs.get(run))
        .is_none_or(|run| run.origin == Origin::Keeper);
    if ours && slot.attempts <= budget {
        return Some(Verdict::unknown());
    }
    let components = view.policy.jobs.get(id)?.components.clone();
    Some(Verdict::holds(Finding {
        key: FindingKey {
            kind: FindingKind::RetriesSpent,
            subject: subject.clone(),
        },
        title: format!("{id} failed for good"),
        severity: Severity::Critical,
        harms: BTreeMap::new(),
        links: components
            .into_iter()
            .map(Subject::Component)
            .collect::<BTreeSet<_>>(),
        reason: format!(
            "{id} failed {} time(s) for its slot and is not started again by itself; the last \
             attempt {}.",
            slot.attempts,
            say_exit(exit)
        ),
        facts: vec![
            Fact::new("scheduled_at", slot.scheduled_at),
            Fact::new("attempts", slot.attempts),
            Fact::new("retries_allowed", budget),
        ],
    }))
}
