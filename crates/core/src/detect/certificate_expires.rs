//! A served certificate ends soon.
//!
//! What is served counts, not what lies in a file: a renewed certificate that nobody
//! reloaded is the case this is for. One that has ended already makes its check fail.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::{format, vec};
use core::time::Duration;

use super::{Detector, Verdict, View};
use crate::evidence::Fact;
use crate::finding::{Finding, FindingKey, FindingKind, Severity};
use crate::memory::checks::certificate_due;
use crate::subject::Subject;
use crate::time;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::CertificateExpires,
    guard: "checks",
    about: "The certificate that a target serves, or one of its chain, ends within \
            `certificate_days`.",
    advice: "Renew it, and have the server load it again: what counts is what is served, not the \
             file.",
    judge,
};

/// So near to its end it cannot wait for tomorrow, with a weekend in between.
const URGENT_DAYS: u32 = 3;

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let Subject::Check(id) = subject else {
        return None;
    };
    let policy = view.policy.checks.get(id)?;
    let days = policy.certificate_days?;
    let memory = view.memory.checks.get(id)?;
    let ends_at = memory
        .fresh(policy, view.now)
        .filter_map(|vantage| vantage.certificate_expires_at)
        .min()?;
    if view.now < certificate_due(ends_at, days) {
        return Some(Verdict::clear("a certificate that lasts is served"));
    }
    let urgent_at = certificate_due(ends_at, URGENT_DAYS);
    let urgent = view.now >= urgent_at;
    let left = time::since(view.now, ends_at);
    let ends = if left == Duration::ZERO {
        "ended"
    } else {
        "ends"
    };
    let verdict = Verdict::holds(Finding {
        key: FindingKey {
            kind: FindingKind::CertificateExpires,
            subject: subject.clone(),
        },
        title: format!("The certificate of {} ends soon", policy.name),
        severity: if urgent {
            Severity::Critical
        } else {
            Severity::Warning
        },
        harms: BTreeMap::new(),
        links: BTreeSet::new(),
        reason: format!(
            "The certificate that {} is served with {ends} at {ends_at}.",
            policy.name
        ),
        facts: vec![
            Fact::new("ends_at", ends_at),
            Fact::new("days_left", left.as_secs() / (24 * 3600)),
        ],
    });
    Some(if urgent {
        verdict
    } else {
        verdict.again_at(urgent_at)
    })
}
