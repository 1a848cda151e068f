//! Something that should be seen cannot be.
//!
//! What is unknown is shown as unknown, never as healthy: components that need a
//! database nobody can look at lose their status. Nothing is decided about what cannot
//! be seen; it is only said.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::{format, vec};
use core::time::Duration;

use super::{Detector, Verdict, View};
use crate::evidence::Fact;
use crate::finding::{Finding, FindingKey, FindingKind, Severity};
use crate::status::Status;
use crate::subject::Subject;
use crate::time;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::Blind,
    guard: "evenkeel",
    about: "An observer cannot see its subject: the database refuses or does not answer, the \
            spool cannot be read.",
    advice: "The reason names what failed. Until it is mended nothing about the subject is \
             decided, and its components are shown as unknown.",
    judge,
};

/// One reconnect is no blindness.
const PATIENCE: Duration = Duration::from_secs(5);

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let key = FindingKey {
        kind: FindingKind::Blind,
        subject: subject.clone(),
    };
    let Some((since, why)) = view.memory.blind.get(subject) else {
        return Some(match (view.record.findings.contains_key(&key), subject) {
            // After a restart nothing is known of sight until the observer says so.
            (true, Subject::Database(database)) if !view.memory.sees_locks(database, view.now) => {
                Verdict::unknown()
            }
            _ => Verdict::clear("it can be seen again"),
        });
    };
    let due = time::after(*since, PATIENCE);
    if view.now < due {
        return Some(Verdict::unknown().again_at(due));
    }
    let harms = match subject {
        Subject::Database(database) => view
            .policy
            .components
            .iter()
            .filter(|(_, component)| component.needs.contains(database))
            .map(|(id, _)| (id.clone(), Status::Unknown))
            .collect(),
        _ => BTreeMap::new(),
    };
    Some(Verdict::holds(Finding {
        key,
        title: format!("{subject} cannot be seen"),
        severity: Severity::Critical,
        harms,
        links: BTreeSet::new(),
        reason: format!("{subject} cannot be seen: {}.", why.trim_end_matches('.')),
        facts: vec![Fact::new("since", since)],
    }))
}
