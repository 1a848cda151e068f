//! A database's oldest transaction is old.
//!
//! It keeps vacuum from cleaning up, and whatever it has locked stays locked.

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
    kind: FindingKind::TransactionOld,
    guard: "locks",
    about: "The oldest transaction of a database, prepared ones included, is older than \
            `transaction_age`.",
    advice: "End it if nobody needs it. A prepared transaction has no session: commit it or roll \
             it back by its name.",
    judge,
};

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let Subject::Database(database) = subject else {
        return None;
    };
    let limit = view.policy.databases.get(database)?.transaction_age?;
    let (seen_at, load) = view.memory.databases.get(database)?.load.as_ref()?;
    if time::since(*seen_at, view.now) > FRESH {
        return Some(Verdict::unknown());
    }
    let session = load.oldest_transaction.as_ref().and_then(|session| {
        let since = session.xact_start?;
        Some((
            since,
            format!(
                "backend {} ({})",
                session.backend.pid, session.application_name
            ),
        ))
    });
    let prepared = load
        .prepared
        .iter()
        .map(|(gid, since)| (*since, format!("prepared transaction {gid}")))
        .min();
    let oldest = session.into_iter().chain(prepared).min();
    let Some((since, who)) = oldest.filter(|(since, _)| time::since(*since, *seen_at) >= limit)
    else {
        return Some(Verdict::clear("no transaction is that old"));
    };
    Some(Verdict::holds(Finding {
        key: FindingKey {
            kind: FindingKind::TransactionOld,
            subject: subject.clone(),
        },
        title: format!("{database} has an old transaction"),
        severity: Severity::Notice,
        harms: BTreeMap::new(),
        links: BTreeSet::new(),
        reason: format!("The transaction of {who} is older than {}.", say(limit)),
        facts: vec![Fact::new("transaction_since", since)],
    }))
}
