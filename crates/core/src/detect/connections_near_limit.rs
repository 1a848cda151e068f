//! A database runs out of connections.
//!
//! Opens above the configured share, clears five points below it, so that a pool that
//! breathes does not flap.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::{format, vec};

use super::{Detector, Verdict, View};
use crate::evidence::Fact;
use crate::finding::{Finding, FindingKey, FindingKind, Severity};
use crate::memory::FRESH;
use crate::subject::Subject;
use crate::time;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::ConnectionsNearLimit,
    guard: "locks",
    about: "Client connections in use exceed `connections_pct` of what ordinary roles can have.",
    advice: "See who holds them (`evenkeel locks`); a pool that grew, or sessions that \
             pile up behind a lock, are the usual causes.",
    judge,
};

const HYSTERESIS_PCT: u64 = 5;

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let Subject::Database(database) = subject else {
        return None;
    };
    let limit_pct = u64::from(view.policy.databases.get(database)?.connections_pct?);
    let (seen_at, load) = view.memory.databases.get(database)?.load.as_ref()?;
    if time::since(*seen_at, view.now) > FRESH || load.connections_max == 0 {
        return Some(Verdict::unknown());
    }
    let key = FindingKey {
        kind: FindingKind::ConnectionsNearLimit,
        subject: subject.clone(),
    };
    let open = view.record.findings.contains_key(&key);
    let used_pct = u64::from(load.connections_used) * 100 / u64::from(load.connections_max);
    let limit_now = if open {
        limit_pct.saturating_sub(HYSTERESIS_PCT)
    } else {
        limit_pct
    };
    if used_pct < limit_now {
        return Some(Verdict::clear("connections are free again"));
    }
    Some(Verdict::holds(Finding {
        key,
        title: format!("{database} runs out of connections"),
        severity: Severity::Warning,
        harms: BTreeMap::new(),
        links: BTreeSet::new(),
        reason: format!("More than {limit_pct}% of {database}'s connections are in use."),
        facts: vec![
            Fact::new("connections_used", load.connections_used),
            Fact::new("connections_max", load.connections_max),
        ],
    }))
}
