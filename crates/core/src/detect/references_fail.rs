//! Nothing outside answers: the fault is on our side, or between.
//!
//! References are targets that are not ours and do not fail together: another provider's
//! page, a public name server. When all of them fail, Evenkeel is blind and says so:
//! components whose checks fail with them are unknown, never down. A check that passes all
//! the same is believed.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::{format, vec};

use super::{Detector, Verdict, View};
use crate::evidence::Fact;
use crate::finding::{Finding, FindingKey, FindingKind, Severity};
use crate::memory::checks::References;
use crate::status::Status;
use crate::subject::Subject;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::ReferencesFail,
    guard: "checks",
    about: "All targets that are configured as references fail: Evenkeel cannot tell whether the \
            service is down or it is cut off itself, and says that it is blind.",
    advice: "Look from somewhere else. If the service answers there, this host has lost its \
             network or its name server.",
    judge,
};

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    if *subject != Subject::Evenkeel {
        return None;
    }
    match view.memory.references(view.policy, view.now) {
        References::None => return Some(Verdict::clear("no reference is configured")),
        References::Answer(_) => return Some(Verdict::clear("a reference answers")),
        References::Unknown => return Some(Verdict::unknown()),
        References::Fail => {}
    }
    let names = view.policy.references.iter();
    let names: vec::Vec<&str> = names.map(crate::ids::CheckId::as_str).collect();
    let failing = view.memory.failing.iter();
    let harms: BTreeMap<_, _> = failing
        .filter_map(|id| view.policy.checks.get(id))
        .flat_map(|check| &check.components)
        .map(|component| (component.clone(), Status::Unknown))
        .collect();
    Some(Verdict::holds(Finding {
        key: FindingKey {
            kind: FindingKind::ReferencesFail,
            subject: subject.clone(),
        },
        title: "Evenkeel cannot see out".into(),
        severity: Severity::Critical,
        harms,
        links: BTreeSet::new(),
        reason: format!(
            "None of the references answers ({}): what checks say of the service says nothing.",
            names.join(", ")
        ),
        facts: vec![Fact::new("checks_failing", view.memory.failing.len())],
    }))
}
