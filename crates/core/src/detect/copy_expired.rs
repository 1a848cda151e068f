//! The published copy of the public page has not been renewed before its end.
//!
//! Its readers are told by the copy itself that how things are is unknown; nobody would
//! tell the operator, who sees the page where it is made. So the target reports until when
//! its copy is valid, and silence of the target is no news: what counts is the end it
//! named last.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::{format, vec};

use super::{Detector, Verdict, View};
use crate::evidence::Fact;
use crate::finding::{Finding, FindingKey, FindingKind, Severity};
use crate::subject::Subject;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::CopyExpired,
    guard: "evenkeel",
    about: "A published copy of the public page was not renewed before its end: whoever reads it \
            there is told that how things are is unknown.",
    advice: "The reason names what the target said last. Mend it, or remove the target; the page \
             on this host and the other targets are not concerned.",
    judge,
};

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let Subject::Target(id) = subject else {
        return None;
    };
    if !view.policy.targets.contains(id) {
        return None;
    }
    let Some((_, report)) = view.memory.copies.get(id) else {
        // After a restart nothing is known of it until it is published to again.
        return Some(Verdict::unknown());
    };
    let until = report.valid_until;
    if view.now < until {
        let clear = Verdict::clear("a copy is there that is valid");
        return Some(clear.again_at(until));
    }
    let why = match &report.trouble {
        Some(why) => format!(" The last try to renew it: {}.", why.trim_end_matches('.')),
        None => " No try to renew it has ended yet.".into(),
    };
    Some(Verdict::holds(Finding {
        key: FindingKey {
            kind: FindingKind::CopyExpired,
            subject: subject.clone(),
        },
        title: format!("The public page at {id} has expired"),
        severity: Severity::Critical,
        harms: BTreeMap::new(),
        links: BTreeSet::new(),
        reason: format!("The copy of the public page at {id} was valid until {until}.{why}"),
        facts: vec![Fact::new("valid_until", until)],
    }))
}
