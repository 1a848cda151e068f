//! Requests of customers fail, as the edge counts them.
//!
//! The share of the last half minute counts, if it is so of the last ten seconds too: one
//! burst that is over opens nothing. Few requests say little: below a number nothing opens,
//! and what is open is not over because nobody asks any more.
//!
//! What the edge turned away itself, or answered for a component that is switched off, is
//! no failure of the service.

use alloc::{format, vec};
use core::time::Duration;

use super::{Detector, Verdict, View, say};
use crate::evidence::Fact;
use crate::finding::{Finding, FindingKey, FindingKind, Severity};
use crate::memory::edge::Answered;
use crate::status::Status;
use crate::subject::Subject;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::RequestsFail,
    guard: "load",
    about: "Of a component's requests through the edge, more than one in twenty fail: 5xx, cut \
            off, or no answer at all. From a quarter on it is a partial outage, from three \
            quarters a major one.",
    advice: "The facts name how many. See which instances fail them, and what changed last: a \
             release, a database, something the component calls.",
    judge,
};

const SPAN: Duration = Duration::from_secs(30);
const OF_LATE: Duration = Duration::from_secs(10);

/// Below this number a share is chance: one failed request of ten is every day's.
const REQUESTS_MIN: u64 = 20;
const ERRORS_MIN: u64 = 5;

/// In so many windows some failed: what is over in a second or two was one thing.
const WINDOWS_MIN: usize = 3;

/// From which share on what is harmed how much, percent.
const HARM: [(u64, Status); 3] = [
    (75, Status::MajorOutage),
    (25, Status::PartialOutage),
    (5, Status::DegradedPerformance),
];

/// What is open stays as bad until the share is below so much of its limit, percent.
const STAYS_PCT: u64 = 60;

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let Subject::Component(id) = subject else {
        return None;
    };
    let key = FindingKey {
        kind: FindingKind::RequestsFail,
        subject: subject.clone(),
    };
    if !view.memory.edge.is_fresh(view.now) {
        return Some(Verdict::unknown());
    }
    let name = &view.policy.components.get(id)?.name;
    let sum = |span| {
        let windows = view.memory.edge.answered(id, view.now, span);
        windows.fold((0, 0), |(requests, errors), window: &Answered| {
            let more = (u64::from(window.requests), u64::from(window.errors));
            (requests + more.0, errors + more.1)
        })
    };
    let (requests, errors) = sum(SPAN);
    let (of_late, failed_of_late) = sum(OF_LATE);
    let open = view.record.findings.get(&key);
    let was = open.and_then(|open| open.finding.harms.get(id).copied());
    let limit = |(limit, harm): (u64, Status)| match was.is_some_and(|was| was >= harm) {
        true => limit * STAYS_PCT / 100,
        false => limit,
    };
    let reached = HARM.into_iter().find(|step| {
        let over = |requests: u64, errors: u64| errors * 100 >= requests * limit(*step);
        over(requests, errors) && (was.is_some() || over(of_late, failed_of_late))
    });
    let windows = view.memory.edge.answered(id, view.now, SPAN);
    let lasts = windows.filter(|window| window.errors > 0).count() >= WINDOWS_MIN;
    let many = errors >= ERRORS_MIN && lasts;
    let enough = requests >= REQUESTS_MIN && (was.is_some() || many);
    let Some((share, harm)) = reached.filter(|_| enough) else {
        // Enough to say that it is well, or all of the few.
        let well = reached.is_none() && requests >= REQUESTS_MIN || requests > 0 && errors == 0;
        return Some(match well {
            true => Verdict::clear("its requests are answered again"),
            false => Verdict::unknown(),
        });
    };
    Some(Verdict::holds(Finding {
        key,
        title: format!("Requests of {name} fail"),
        severity: Severity::Critical,
        harms: core::iter::once((id.clone(), harm)).collect(),
        links: Default::default(),
        reason: format!("At least {share}% of the requests of {name} fail."),
        facts: vec![
            Fact::new("requests", requests),
            Fact::new("errors", errors),
            Fact::new("within", say(SPAN)),
        ],
    }))
}
