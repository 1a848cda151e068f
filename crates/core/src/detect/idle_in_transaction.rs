//! A session holds a transaction open and does nothing.
//!
//! Reported early, before anybody waits for it. Measured from when the server says the
//! state began to when the server was asked, both on the server's clock as far as the
//! picture carries it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::{format, vec};

use super::{Detector, Verdict, View, say};
use crate::evidence::Fact;
use crate::finding::{Finding, FindingKey, FindingKind, Severity};
use crate::memory::FRESH;
use crate::subject::Subject;
use crate::time;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::IdleInTransaction,
    guard: "locks",
    about: "A session has been idle in a transaction for longer than the database's \
            `idle_in_transaction`. It may hold locks, and keeps vacuum from cleaning up.",
    advice: "Find the code that leaves a transaction open while it waits for something else. \
             PostgreSQL's own `idle_in_transaction_session_timeout` is the backstop.",
    judge,
};

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let Subject::Backend(backend) = subject else {
        return None;
    };
    let limit = view
        .policy
        .databases
        .get(&backend.database)?
        .idle_in_transaction?;
    let (seen_at, load) = view
        .memory
        .databases
        .get(&backend.database)
        .and_then(|memory| memory.load.as_ref())?;
    if time::since(*seen_at, view.now) > FRESH {
        return Some(Verdict::unknown());
    }
    let Some(session) = load
        .idle_in_transaction
        .iter()
        .find(|session| session.backend == *backend)
    else {
        return Some(Verdict::clear("the session works again, or is gone"));
    };
    let since = session.state_since?;
    if time::since(since, *seen_at) < limit {
        return Some(Verdict::clear("the session was busy in between"));
    }
    let mut links = BTreeSet::new();
    if let Some(run) = &session.run {
        links.insert(Subject::Run(run.clone()));
    }
    Some(Verdict::holds(Finding {
        key: FindingKey {
            kind: FindingKind::IdleInTransaction,
            subject: subject.clone(),
        },
        title: format!("A session of {} is idle in transaction", backend.database),
        severity: Severity::Notice,
        harms: BTreeMap::new(),
        links,
        reason: format!(
            "Backend {} ({}, {}) has been idle in a transaction for more than {}.",
            backend.pid,
            session.application_name,
            session.role,
            say(limit)
        ),
        facts: vec![
            Fact::new("idle_since", since),
            Fact::new("last_query", &session.query),
        ],
    }))
}
