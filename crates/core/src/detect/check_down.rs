//! A check fails, as often in a row as counts.
//!
//! A front page that answers while nobody can log in is down; that is what journeys are
//! for, and their failure is judged here like any other check's.
//!
//! We may be the ones who are cut off. Where targets that are not ours are configured as
//! references, failures count only when one of them has answered after the first of them
//! and before the last: what failed while we were cut off says nothing, also a moment
//! after we are back. While all of them fail, a check is unknown, never down
//! ([`super::references_fail`] says so). The references are asked as soon as anything
//! fails, and what failed is tried again soon, so this doubt costs seconds.
//!
//! What was down and cannot be seen any more stays open, and its components are shown as
//! unknown: nobody knows whether they still are.

use alloc::collections::BTreeSet;
use alloc::{format, vec};

use super::{Detector, Verdict, View};
use crate::evidence::Fact;
use crate::finding::{Finding, FindingKey, FindingKind, Severity};
use crate::memory::checks::{Failing, References};
use crate::status::Status;
use crate::subject::Subject;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::CheckDown,
    guard: "checks",
    about: "A check fails as often in a row as counts, from as many places as count, while targets \
            that are not ours still answer.",
    advice: "Do by hand what the check does: `evenkeel checks try NAME` shows it step by step. The \
             reason names the step that failed and what was answered.",
    judge,
};

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let Subject::Check(id) = subject else {
        return None;
    };
    let policy = view.policy.checks.get(id)?;
    let key = FindingKey {
        kind: FindingKind::CheckDown,
        subject: subject.clone(),
    };
    let open = view.record.findings.get(&key);
    let memory = view.memory.checks.get(id);
    let fresh = || {
        memory
            .into_iter()
            .flat_map(|memory| memory.fresh(policy, view.now))
    };
    let places = u32::try_from(fresh().count()).unwrap_or(u32::MAX);
    let failing = || fresh().filter(|vantage| vantage.failures >= policy.failures.max(1));
    let down = u32::try_from(failing().count()).unwrap_or(u32::MAX);
    let passing = fresh().any(|vantage| vantage.failures == 0);
    let is_down = down > 0 && down >= policy.quorum.clamp(1, places.max(1));
    let worst = failing()
        .filter_map(|vantage| Some((vantage.at, vantage.failing.as_ref()?)))
        .min_by_key(|(_, failing)| failing.since);
    let is_reference = view.policy.references.contains(id);
    let doubt = if is_reference {
        References::None
    } else {
        view.memory.references(view.policy, view.now)
    };
    let certain = match (doubt, worst) {
        (References::None, _) => true,
        (References::Answer(at), Some((last, failing))) => failing.since <= at && at <= last,
        _ => false,
    };
    let unknown = || match open {
        // It was down, and now nobody can say.
        Some(open) => {
            let mut finding = open.finding.clone();
            for status in finding.harms.values_mut() {
                *status = Status::Unknown;
            }
            Verdict::holds(finding)
        }
        None => Verdict::unknown(),
    };
    if places == 0 || (is_down && doubt == References::Fail) {
        return Some(unknown());
    }
    let Some((_, worst)) = worst.filter(|_| is_down) else {
        return Some(if passing {
            Verdict::clear("it works again")
        } else {
            Verdict::unknown()
        });
    };
    if !certain {
        return Some(Verdict::unknown());
    }
    let name = &policy.name;
    let Failing { since, why, step } = worst;
    let at_step = step
        .as_ref()
        .map(|step| format!(" at `{step}`"))
        .unwrap_or_default();
    let severity = match (is_reference, policy.components.is_empty()) {
        (true, _) => Severity::Notice,
        (false, true) => Severity::Warning,
        (false, false) => Severity::Critical,
    };
    let harms = policy.components.iter().map(|component| {
        let status = if is_reference {
            Status::Unknown
        } else {
            policy.harm
        };
        (component.clone(), status)
    });
    let mut facts = vec![Fact::new("failing_since", since), Fact::new("why", why)];
    if let Some(step) = step {
        facts.push(Fact::new("step", step));
    }
    if places > 1 {
        facts.push(Fact::new("seen_from", format!("{down} of {places} places")));
    }
    let reason = format!(
        "{name} does not work{at_step}: {}.",
        why.trim_end_matches('.')
    );
    // The words of the first failure stay while it fails at the same step: that they vary
    // is no news.
    let known_step = |open: &crate::record::OpenFinding| {
        let mut facts = open.finding.facts.iter();
        facts
            .find(|fact| fact.name == "step")
            .map(|fact| fact.value.clone())
    };
    let reason = match open {
        Some(open) if known_step(open) == *step => open.finding.reason.clone(),
        _ => reason,
    };
    Some(Verdict::holds(Finding {
        key,
        title: format!("{name} does not work"),
        severity,
        harms: harms.collect(),
        links: BTreeSet::new(),
        reason,
        facts,
    }))
}
