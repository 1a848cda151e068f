//! What must hold at a time of day does not: somebody is called before customers come.
//!
//! What cannot be said does not hold: at six in the morning "nobody knows whether logins
//! work" is a reason to get up.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};

use jiff::Timestamp;

use super::{Detector, Verdict, View};
use crate::evidence::Fact;
use crate::finding::{Finding, FindingKey, FindingKind, Severity};
use crate::policy::ReadinessPolicy;
use crate::subject::Subject;
use crate::time;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::ReadinessFailed,
    guard: "readiness",
    about: "At the time of day it is configured for, one of the named checks does not pass, or a \
            job's product is not there.",
    advice: "The reason names what is missing. Customers come soon: decide now whether to mend it \
             or to tell them.",
    judge,
};

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let missing = asked(view, subject, false)?;
    if missing.is_empty() {
        return Some(Verdict::clear("everything holds"));
    }
    if let Some(at) = too_early(view, subject) {
        return Some(Verdict::unknown().again_at(at));
    }
    Some(Verdict::holds(finding(
        view,
        subject,
        FindingKind::ReadinessFailed,
        &missing,
    )?))
}

/// What a readiness lacks, where it is asked for in this way; nothing where it is not.
pub(super) fn asked(view: View<'_>, subject: &Subject, rehearsal: bool) -> Option<Vec<String>> {
    let Subject::Readiness(id) = subject else {
        return None;
    };
    let policy = view.policy.readiness.get(id)?;
    let asked = view.record.readiness.get(id).and_then(|state| state.asked);
    Some(match asked {
        Some(asked) if asked.rehearsal == rehearsal => lacks(view, policy),
        _ => Vec::new(),
    })
}

/// Until when it is too early to say that nobody can say: a check that has not been made
/// since Evenkeel began to look may still be on its way.
pub(super) fn too_early(view: View<'_>, subject: &Subject) -> Option<Timestamp> {
    let Subject::Readiness(id) = subject else {
        return None;
    };
    let policy = view.policy.readiness.get(id)?;
    let tracked = view.memory.tracked_since?;
    let unseen = policy.checks.iter().filter_map(|id| {
        let check = view.policy.checks.get(id)?;
        let memory = view.memory.checks.get(id);
        let seen = memory.is_some_and(|memory| memory.fresh(check, view.now).next().is_some());
        (!seen).then(|| time::after(tracked, check.fresh_for()))
    });
    unseen.max().filter(|until| view.now < *until)
}

pub(super) fn finding(
    view: View<'_>,
    subject: &Subject,
    kind: FindingKind,
    missing: &[String],
) -> Option<Finding> {
    let Subject::Readiness(id) = subject else {
        return None;
    };
    let policy = view.policy.readiness.get(id)?;
    let asked = view.record.readiness.get(id)?.asked?;
    let checks = policy.checks.iter().cloned().map(Subject::Check);
    let products = policy.products.iter().cloned().map(Subject::Job);
    let (title, when) = if asked.rehearsal {
        ("is at risk", "must hold at")
    } else {
        ("does not hold", "had to hold at")
    };
    Some(Finding {
        key: FindingKey {
            kind,
            subject: subject.clone(),
        },
        title: format!("{} {title}", policy.name),
        severity: Severity::Critical,
        harms: BTreeMap::new(),
        links: checks.chain(products).collect::<BTreeSet<_>>(),
        reason: format!(
            "{} {when} {}: {}.",
            policy.name,
            asked.due_at,
            missing.join("; ")
        ),
        facts: vec![Fact::new("due_at", asked.due_at)],
    })
}

/// What keeps a readiness from holding, in words; empty where it holds.
pub(crate) fn lacks(view: View<'_>, policy: &ReadinessPolicy) -> Vec<String> {
    let mut lacks = Vec::new();
    for id in &policy.checks {
        let Some(check) = view.policy.checks.get(id) else {
            continue;
        };
        let memory = view.memory.checks.get(id);
        let mut fresh = memory
            .into_iter()
            .flat_map(|memory| memory.fresh(check, view.now))
            .peekable();
        let known_down = view.record.findings.contains_key(&FindingKey {
            kind: FindingKind::CheckDown,
            subject: Subject::Check(id.clone()),
        });
        if fresh.peek().is_none() {
            lacks.push(format!("nobody can say whether {} works", check.name));
        } else if known_down || fresh.all(|vantage| vantage.failures > 0) {
            lacks.push(format!("{} does not work", check.name));
        }
    }
    for job in &policy.products {
        let state = view.record.jobs.get(job);
        let delivered = state.and_then(|state| state.delivered);
        let slot = state.and_then(|state| state.last_slot);
        let there = delivered.is_some() && delivered >= slot;
        if !there {
            lacks.push(format!("the product of {job} is not there"));
        }
    }
    lacks
}
