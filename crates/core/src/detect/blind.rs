//! Something that should be seen cannot be.
//!
//! What is unknown is shown as unknown, never as healthy: components that need a
//! database nobody can look at lose their status. Nothing is decided about what cannot
//! be seen; it is only said.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use alloc::{format, vec};
use core::time::Duration;

use super::{Detector, Verdict, View};
use crate::evidence::Fact;
use crate::finding::{Finding, FindingKey, FindingKind, Severity};
use crate::ids::{CheckId, PoolId};
use crate::status::Status;
use crate::subject::Subject;
use crate::time;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::Blind,
    guard: "evenkeel",
    about: "An observer cannot see its subject: the database refuses or does not answer, the \
            spool cannot be read, a check has not been made for twice its interval, the edge tells \
            nothing.",
    advice: "The reason names what failed. Until it is mended nothing about the subject is \
             decided, and its components are shown as unknown.",
    judge,
};

/// One reconnect is no blindness.
const PATIENCE: Duration = Duration::from_secs(5);

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    if let Subject::Check(id) = subject {
        return judge_check(view, id, subject);
    }
    if let Subject::Pool(id) = subject {
        return judge_pool(view, id, subject);
    }
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
        severity: match subject {
            // It serves on, and the edge and its check tell when it does not.
            Subject::Instance(_) | Subject::Volume(_) => Severity::Warning,
            _ => Severity::Critical,
        },
        harms,
        links: BTreeSet::new(),
        reason: format!("{subject} cannot be seen: {}.", why.trim_end_matches('.')),
        facts: vec![Fact::new("since", since)],
    }))
}

/// The edge tells once a second; a new one takes over within some.
const EDGE_SILENT: Duration = Duration::from_secs(30);

/// What passes the edge to a pool is not told any more. It may serve on.
fn judge_pool(view: View<'_>, id: &PoolId, subject: &Subject) -> Option<Verdict> {
    let mut routes = view.policy.routes.values();
    if !view.policy.pools.contains_key(id) || !routes.any(|route| route.pool == *id) {
        return Some(Verdict::clear("no route of the edge leads to it"));
    }
    let seen_at = view.memory.edge.seen_at().max(view.memory.tracked_since);
    let due = time::after(seen_at.unwrap_or(view.now), EDGE_SILENT);
    if view.memory.edge.is_fresh(view.now) {
        return Some(Verdict::clear("the edge tells of it again").again_at(due));
    }
    if view.now < due {
        return Some(Verdict::unknown().again_at(due));
    }
    let routes = view.policy.routes.values();
    let components = routes
        .filter(|route| route.pool == *id)
        .filter_map(|route| route.component.as_ref())
        .filter(|component| view.memory.seen_by_edge_only.contains(*component));
    Some(Verdict::holds(Finding {
        key: FindingKey {
            kind: FindingKind::Blind,
            subject: subject.clone(),
        },
        title: "The edge cannot be seen".into(),
        severity: Severity::Warning,
        harms: components
            .map(|component| (component.clone(), Status::Unknown))
            .collect(),
        // One edge tells of all pools: one incident.
        links: core::iter::once(Subject::Evenkeel).collect(),
        reason: format!(
            "The edge tells nothing of pool {id}; it serves on with the plan it has, if it runs."
        ),
        facts: Vec::new(),
    }))
}

/// A check that is not made says nothing, and neither does the last time it was.
fn judge_check(view: View<'_>, id: &CheckId, subject: &Subject) -> Option<Verdict> {
    let policy = view.policy.checks.get(id)?;
    let memory = view.memory.checks.get(id);
    let fresh = memory.is_some_and(|memory| memory.fresh(policy, view.now).next().is_some());
    let not_made = memory.and_then(|memory| memory.not_made.as_deref());
    if fresh {
        return Some(match not_made {
            // One that could not be made is no blindness yet.
            Some(_) => Verdict::unknown(),
            None => Verdict::clear("it is made again"),
        });
    }
    // A check is expected from the first moment of a new memory.
    let since = view.memory.tracked_since.unwrap_or(view.now);
    let due = time::after(since, policy.fresh_for());
    if view.now < due {
        return Some(Verdict::unknown());
    }
    let why = not_made.unwrap_or("no result of it has come for twice its interval");
    let harm = |component: &crate::ids::ComponentId| (component.clone(), Status::Unknown);
    Some(Verdict::holds(Finding {
        key: FindingKey {
            kind: FindingKind::Blind,
            subject: subject.clone(),
        },
        title: format!("{} is not checked", policy.name),
        severity: Severity::Warning,
        harms: policy.components.iter().map(harm).collect(),
        // Whatever keeps checks from being made keeps many: one incident.
        links: core::iter::once(Subject::Evenkeel).collect(),
        reason: format!(
            "{} is not checked: {}.",
            policy.name,
            why.trim_end_matches('.')
        ),
        facts: Vec::new(),
    }))
}
