//! A job's product is missing, old, empty or cut short when it is due.
//!
//! What counts is what is there, not what runs said: a run that exits 0 and leaves an
//! empty file is the case this is for. Such a file is told as soon as it is seen after
//! its run; everything else when it is due. A server that cannot be asked is unknown,
//! neither there nor missing.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::{format, vec};

use jiff::Timestamp;

use super::{Detector, Verdict, View};
use crate::evidence::Fact;
use crate::finding::{Finding, FindingKey, FindingKind, Severity};
use crate::observation::ProductState;
use crate::policy::ProductPolicy;
use crate::status::Status;
use crate::subject::Subject;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::ProductMissing,
    guard: "jobs",
    about: "What a job must deliver is not there, too small, cut short, has too few rows, or is \
            older than its slot, at the time it is due; or a run said success and left a file \
            that cannot be whole.",
    advice: "Start the job again (`evenkeel start JOB`) and look why its runs left nothing \
             usable. Whoever fetches the product may need to be told.",
    judge,
};

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let Subject::Job(id) = subject else {
        return None;
    };
    let policy = view.policy.jobs.get(id)?;
    let product = policy.product.as_ref()?;
    let job = view.record.jobs.get(id)?;
    let key = FindingKey {
        kind: FindingKind::ProductMissing,
        subject: subject.clone(),
    };
    let was_open = view.record.findings.contains_key(&key);
    let report = view.memory.products.get(id);
    let expected = job
        .expected
        .as_ref()
        .filter(|expected| expected.due_at <= view.now);
    let fresh_since = expected.map(|expected| expected.fresh_since);
    let flaw = match report {
        None => return Some(Verdict::unknown()),
        Some((_, ProductState::Unreachable(_))) => return Some(Verdict::unknown()),
        Some((_, state)) => flaw(state, product, fresh_since),
    };
    let Some(flaw) = flaw else {
        return Some(Verdict::clear("the product is there and whole"));
    };
    let after_success = report.is_some_and(|(seen_at, _)| {
        job.last_run
            .as_ref()
            .and_then(|run| view.record.runs.get(run))
            .is_some_and(|run| {
                run.ended
                    .as_ref()
                    .is_some_and(|e| e.exit.is_success() && e.at < *seen_at)
            })
    });
    if expected.is_none() && !was_open && !after_success {
        return Some(Verdict::unknown());
    }
    let harms: BTreeMap<_, _> = match expected {
        Some(_) => policy
            .components
            .iter()
            .map(|id| (id.clone(), Status::PartialOutage))
            .collect(),
        None => BTreeMap::new(),
    };
    let mut facts = vec![Fact::new("flaw", &flaw)];
    if let Some(expected) = expected {
        facts.push(Fact::new("due_at", expected.due_at));
        facts.push(Fact::new("fresh_since", expected.fresh_since));
    }
    let when = if expected.is_some() {
        "is due and"
    } else {
        "was said to be done and"
    };
    Some(Verdict::holds(Finding {
        key,
        title: format!("The product of {id} is missing"),
        severity: if expected.is_some() {
            Severity::Critical
        } else {
            Severity::Warning
        },
        harms,
        links: BTreeSet::new(),
        reason: format!("The product of {id} {when} {flaw}."),
        facts,
    }))
}

/// What is wrong with a product; `None` where nothing is, or where it cannot be said.
pub(crate) fn flaw(
    state: &ProductState,
    policy: &ProductPolicy,
    fresh_since: Option<Timestamp>,
) -> Option<String> {
    match state {
        ProductState::Unreachable(_) => None,
        ProductState::Absent => Some("is not there".into()),
        ProductState::Present {
            bytes,
            modified_at,
            complete,
            rows,
        } => {
            if fresh_since.is_some_and(|since| *modified_at < since) {
                Some("is an old one".into())
            } else if *bytes == 0 {
                Some("is empty".into())
            } else if *bytes < policy.bytes_min {
                Some(format!(
                    "has {bytes} bytes, fewer than {}",
                    policy.bytes_min
                ))
            } else if *complete == Some(false) {
                Some("is cut short: its end marker is missing".into())
            } else {
                let few = policy.rows_min.zip(*rows).filter(|(min, rows)| rows < min);
                few.map(|(min, rows)| format!("has {rows} rows, fewer than {min}"))
            }
        }
    }
}
