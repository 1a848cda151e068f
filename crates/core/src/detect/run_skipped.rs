//! A job's slot was left out, because an earlier run was still there.
//!
//! With `forbid` a stuck run silently swallows every later one; this says so, until a
//! run begins again.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::{format, vec};

use super::{Detector, Verdict, View};
use crate::evidence::Fact;
use crate::finding::{Finding, FindingKey, FindingKind, Severity};
use crate::subject::Subject;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::RunSkipped,
    guard: "jobs",
    about: "A slot of a job's schedule was left out, because an earlier run was still there or \
            could not be ended.",
    advice: "Look at the earlier run; if runs regularly take longer than the schedule leaves \
             room for, change the schedule.",
    judge,
};

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let Subject::Job(id) = subject else {
        return None;
    };
    let job = view.record.jobs.get(id)?;
    let Some((scheduled_at, reason)) = &job.skipped else {
        return Some(Verdict::clear("a run began again"));
    };
    Some(Verdict::holds(Finding {
        key: FindingKey {
            kind: FindingKind::RunSkipped,
            subject: subject.clone(),
        },
        title: format!("{id} was skipped"),
        severity: Severity::Warning,
        harms: BTreeMap::new(),
        links: BTreeSet::new(),
        reason: format!("A slot of {id} was left out: {reason}."),
        facts: vec![Fact::new("scheduled_at", scheduled_at)],
    }))
}
