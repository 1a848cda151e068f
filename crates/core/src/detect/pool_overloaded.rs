//! More comes for a pool than it can take.
//!
//! The edge protects it: requests wait for a place, and those that may be are turned away
//! first. A queue is what a limit is for, so that waiting alone counts only when it does not
//! end; what is turned away counts sooner. Customers are hurt once more is turned away than
//! what the configuration calls sheddable.

use alloc::collections::BTreeMap;
use alloc::{format, vec};
use core::time::Duration;

use super::{Detector, Verdict, View, say};
use crate::evidence::Fact;
use crate::finding::{Finding, FindingKey, FindingKind, Severity};
use crate::memory::edge::Pressure;
use crate::status::Status;
use crate::subject::Subject;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::PoolOverloaded,
    guard: "load",
    about: "The edge turns requests of a pool away, or they queue without end, because more come \
            than the pool can take. Critical when others than sheddable ones are turned away.",
    advice: "See at the edge which route and which tenant ask for so much. Cap a tenant, switch a \
             costly component off, or add an instance.",
    judge,
};

/// Over this time it is judged.
const SPAN: Duration = Duration::from_secs(30);

/// In so many windows something was turned away: two may be one burst.
const SHED_MIN: usize = 3;

/// In so many windows something waited, of the thirty of the span.
const WAITS_MIN: usize = 20;

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let Subject::Pool(id) = subject else {
        return None;
    };
    let policy = view.policy.pools.get(id)?;
    if !view.memory.edge.is_fresh(view.now) {
        return Some(Verdict::unknown());
    }
    let key = FindingKey {
        kind: FindingKind::PoolOverloaded,
        subject: subject.clone(),
    };
    let windows = || view.memory.edge.pressure(id, view.now, SPAN);
    let count = |test: fn(&&Pressure) -> bool| windows().filter(test).count();
    let shed = count(|window| window.shed > 0);
    let important = count(|window| window.shed_important > 0);
    let waits = count(|window| window.waits);
    let open = view.record.findings.get(&key);
    // What is open is over when a whole span was calm.
    let opens = shed >= SHED_MIN || waits >= WAITS_MIN;
    let stays = open.is_some() && (shed > 0 || waits * 2 >= WAITS_MIN);
    if !opens && !stays {
        return Some(Verdict::clear("it takes what comes"));
    }
    let hurt = open.is_some_and(|open| !open.finding.harms.is_empty());
    let hurts = important >= SHED_MIN || hurt && important > 0;
    let (severity, harms, reason) = if hurts {
        let components = policy.components.iter().cloned();
        let harms = components.map(|id| (id, Status::DegradedPerformance));
        (
            Severity::Critical,
            harms.collect(),
            format!(
                "More comes for pool {id} than it can take; not only sheddable requests are turned away."
            ),
        )
    } else {
        (
            Severity::Warning,
            BTreeMap::new(),
            format!("More comes for pool {id} than it can take."),
        )
    };
    let sum = windows().map(|window| u64::from(window.shed)).sum::<u64>();
    Some(Verdict::holds(Finding {
        key,
        title: format!("Pool {id} is overloaded"),
        severity,
        harms,
        links: Default::default(),
        reason,
        facts: vec![
            Fact::new("turned_away", sum),
            Fact::new("waited_in_windows", waits),
            Fact::new("within", say(SPAN)),
        ],
    }))
}
