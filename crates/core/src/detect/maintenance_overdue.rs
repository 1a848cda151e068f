//! A maintenance should be over, and nobody has said that it is.
//!
//! One that ends by itself never is. For one that a person ends, its announced end is where
//! it stops covering anything: customers were told that it works again by then, and only
//! somebody who is at work knows better.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::{format, vec};

use super::{Detector, Verdict, View};
use crate::evidence::Fact;
use crate::finding::{Finding, FindingKey, FindingKind, Severity};
use crate::maintenance::MaintenanceStatus;
use crate::subject::Subject;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::MaintenanceOverdue,
    guard: "evenkeel",
    about: "A maintenance that a person ends has passed its announced end. It covers nothing any \
            more: what it hurts is an incident.",
    advice: "Where the work is done: `evenkeel maintenance finish MW-3`. Where it takes longer: \
             `evenkeel maintenance extend MW-3 --by 1h`, which tells customers.",
    judge,
};

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let Subject::Maintenance(id) = subject else {
        return None;
    };
    let Some(state) = view.record.maintenances.get(id) else {
        return Some(Verdict::clear("it is no longer kept"));
    };
    if !state.is_overdue() || state.status != MaintenanceStatus::InProgress {
        return Some(Verdict::clear("it was ended, or extended"));
    }
    let until = state.plan.when.until;
    Some(Verdict::holds(Finding {
        key: FindingKey {
            kind: FindingKind::MaintenanceOverdue,
            subject: subject.clone(),
        },
        title: format!("Maintenance {id} is overdue"),
        severity: Severity::Critical,
        harms: BTreeMap::new(),
        links: BTreeSet::new(),
        reason: format!(
            "Customers were told that {id} ends at {until}, and nobody has said that it has."
        ),
        facts: vec![Fact::new("ends_at", until)],
    }))
}
