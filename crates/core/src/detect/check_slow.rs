//! A check passes, and takes too long: customers get there, slowly.

use alloc::collections::BTreeSet;
use alloc::{format, vec};

use super::{Detector, Verdict, View, say};
use crate::evidence::Fact;
use crate::finding::{Finding, FindingKey, FindingKind, Severity};
use crate::status::Status;
use crate::subject::Subject;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::CheckSlow,
    guard: "checks",
    about: "A check passes and takes longer than its `slow_after`, as often in a row as counts.",
    advice: "Look at what else is slow since then: lock chains, connections in use, a release, a \
             job that runs. The check's latency plot shows when it began.",
    judge,
};

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let Subject::Check(id) = subject else {
        return None;
    };
    let policy = view.policy.checks.get(id)?;
    let limit = policy.slow_after?;
    let memory = view.memory.checks.get(id)?;
    let fresh = || memory.fresh(policy, view.now);
    let is_slow = |slow: u32| slow >= policy.failures.max(1);
    let slowest = fresh()
        .filter(|vantage| is_slow(vantage.slow))
        .max_by_key(|vantage| vantage.took);
    let Some(slowest) = slowest else {
        let quick = fresh().any(|vantage| vantage.failures == 0 && vantage.slow == 0);
        let failing = fresh().any(|vantage| vantage.failures >= policy.failures.max(1));
        return Some(match (quick, failing) {
            (true, _) => Verdict::clear("it is quick again"),
            (false, true) => Verdict::clear("it does not work at all"),
            (false, false) => Verdict::unknown(),
        });
    };
    let harm =
        |component: &crate::ids::ComponentId| (component.clone(), Status::DegradedPerformance);
    Some(Verdict::holds(Finding {
        key: FindingKey {
            kind: FindingKind::CheckSlow,
            subject: subject.clone(),
        },
        title: format!("{} is slow", policy.name),
        severity: Severity::Warning,
        harms: policy.components.iter().map(harm).collect(),
        links: BTreeSet::new(),
        reason: format!("{} takes longer than {}.", policy.name, say(limit)),
        facts: vec![Fact::new("took", say(slowest.took))],
    }))
}
