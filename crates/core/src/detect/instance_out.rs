//! The edge does not use an instance, and nobody has planned that.
//!
//! The others carry its load, so customers notice nothing: somebody should look today. Once
//! nothing of its pool gets requests, nothing answers, and it is an outage.
//!
//! What is drained, by a person or while it is recycled, is not out; neither is what comes
//! back in moments, as one that was just restarted does.

use alloc::collections::BTreeMap;
use alloc::{format, vec};
use core::time::Duration;

use super::{Detector, Verdict, View};
use crate::edge::InstanceState;
use crate::evidence::Fact;
use crate::finding::{Finding, FindingKey, FindingKind, Severity};
use crate::memory::edge::Used;
use crate::status::Status;
use crate::subject::Subject;
use crate::time;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::InstanceOut,
    guard: "load",
    about: "The edge sends an instance no requests, because it fails its check or failed those \
            of customers. Critical when nothing of its pool is in use.",
    advice: "See on its host whether it runs and what its log says. The edge uses it again by \
             itself once its check passes.",
    judge,
};

/// Longer than a restart by hand of something small, and than a lost check.
const OUT_FOR: Duration = Duration::from_secs(10);

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let Subject::Instance(id) = subject else {
        return None;
    };
    let key = FindingKey {
        kind: FindingKind::InstanceOut,
        subject: subject.clone(),
    };
    let Some((pool_id, policy)) = view.policy.pool_of(id) else {
        return Some(Verdict::clear("the configuration no longer has it"));
    };
    let Some(pool) = view.memory.edge.pool(pool_id, view.now) else {
        return Some(Verdict::unknown());
    };
    let Some(used) = pool.get(id) else {
        return Some(Verdict::unknown());
    };
    if used.serves() {
        return Some(Verdict::clear("the edge uses it again"));
    }
    let planned = view.record.edge.drains(pool_id, id)
        || view.record.recycling().any(|(_, recycled)| recycled == id);
    if planned || !used.failed() {
        return Some(Verdict::clear("it is drained"));
    }
    let due = time::after(used.since, OUT_FOR);
    let open = view.record.findings.contains_key(&key);
    if !open && view.now < due {
        return Some(Verdict::unknown().again_at(due));
    }
    let nobody = !pool.values().any(Used::serves);
    let how = match used.state {
        InstanceState::Ejected => "failed requests of customers, and rests",
        _ => "fails its check",
    };
    let (severity, harms, rest) = if nobody {
        let components = policy.components.iter().cloned();
        let harms = components.map(|id| (id, Status::MajorOutage)).collect();
        (Severity::Critical, harms, " Nothing of its pool is in use.")
    } else {
        (Severity::Warning, BTreeMap::new(), "")
    };
    let mut facts = vec![Fact::new("since", used.since)];
    facts.extend(used.why.as_ref().map(|why| Fact::new("why", why)));
    Some(Verdict::holds(Finding {
        key,
        title: format!("{id} is out of use"),
        severity,
        harms,
        links: core::iter::once(Subject::Pool(pool_id.clone())).collect(),
        reason: format!("The edge sends {id} no requests: it {how}.{rest}"),
        facts,
    }))
}
