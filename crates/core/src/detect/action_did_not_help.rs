//! An action was performed and did not help.
//!
//! Its kind is stopped for its scope until a person lifts the stop: what did not help
//! once is not repeated by itself.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::{format, vec};

use super::{Detector, Verdict, View};
use crate::evidence::Fact;
use crate::finding::{Finding, FindingKey, FindingKind, Severity};
use crate::record::Phase;
use crate::subject::Subject;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::ActionDidNotHelp,
    guard: "evenkeel",
    about: "An action was performed and its proof failed: what it should have changed is as it \
            was. Its kind is stopped for that job, database or pool.",
    advice: "Somebody has to look. When it may be tried again: `evenkeel approve --lift KIND SCOPE`.",
    judge,
};

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let is_scope = matches!(
        subject,
        Subject::Job(_) | Subject::Database(_) | Subject::Pool(_)
    );
    if !is_scope {
        return None;
    }
    let stop = view
        .record
        .stops
        .iter()
        .find(|((_, scope), _)| scope == subject);
    let Some(((kind, _), action)) = stop else {
        return Some(Verdict::clear("the stop was lifted"));
    };
    let reason = match view.record.actions.get(action).map(|state| &state.phase) {
        Some(Phase::Unproven { reason, .. }) => reason.as_str(),
        _ => "what it should have changed is as it was",
    };
    let links: BTreeSet<Subject> = view
        .record
        .actions
        .get(action)
        .map(|state| state.action.task.subject())
        .into_iter()
        .collect();
    Some(Verdict::holds(Finding {
        key: FindingKey {
            kind: FindingKind::ActionDidNotHelp,
            subject: subject.clone(),
        },
        title: format!("{kind} did not help on {subject}"),
        severity: Severity::Critical,
        harms: BTreeMap::new(),
        links,
        reason: format!(
            "{action} did not help, {reason}; {kind} is stopped for {subject} until somebody \
             lifts the stop."
        ),
        facts: vec![Fact::new("action", action)],
    }))
}
