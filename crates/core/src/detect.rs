//! Detectors: what is seen becomes what holds.
//!
//! A detector judges one subject at a time, when something was seen of it or when it
//! asked to look again, so that a step costs what changed and not what exists. Adding
//! one is a file here, a line in [`DETECTORS`] and a folder of cases; the listings and
//! reference pages come from the table.

pub mod action_did_not_help;
pub mod blind;
pub mod certificate_expires;
pub mod check_down;
pub mod check_slow;
pub mod connections_near_limit;
pub mod copy_expired;
pub mod heartbeat_failed;
pub mod heartbeat_missing;
pub mod heartbeat_overrun;
pub mod heartbeat_too_fast;
pub mod heartbeat_too_often;
mod heartbeats;
pub mod idle_in_transaction;
pub mod instance_out;
pub mod lock_blocks_component;
pub mod maintenance_overdue;
pub mod pool_overloaded;
pub mod product_missing;
pub mod readiness_at_risk;
pub mod readiness_failed;
pub mod references_fail;
pub mod requests_fail;
pub mod resource_exhausts;
pub mod retries_spent;
pub mod run_failed;
pub mod run_hung;
pub mod run_overdue;
pub mod run_past_deadline;
pub mod run_skipped;
pub mod run_unkillable;
pub mod stray_backend;
pub mod transaction_old;

use alloc::boxed::Box;
use alloc::string::String;

use jiff::Timestamp;

use crate::finding::{Finding, FindingKind};
use crate::memory::Memory;
use crate::policy::Policy;
use crate::record::Record;
use crate::subject::Subject;

/// What a detector looks at.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The configuration.
    pub policy: &'a Policy,
    /// What was decided and done.
    pub record: &'a Record,
    /// What was seen lately.
    pub memory: &'a Memory,
    /// The moment of the step.
    pub now: Timestamp,
}

/// What a detector says of one subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// It holds.
    Holds(Box<Finding>),
    /// It does not hold: why, where it held before.
    Clear(String),
    /// It cannot be said: what was known stays known.
    Unknown,
}

/// What a detector says, and when it wants to look again without being asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What it says.
    pub judgement: Judgement,
    /// When it wants to look again.
    pub again_at: Option<Timestamp>,
}

impl Verdict {
    pub(crate) fn holds(finding: Finding) -> Self {
        Self {
            judgement: Judgement::Holds(Box::new(finding)),
            again_at: None,
        }
    }

    pub(crate) fn clear(reason: &str) -> Self {
        Self {
            judgement: Judgement::Clear(reason.into()),
            again_at: None,
        }
    }

    pub(crate) fn unknown() -> Self {
        Self {
            judgement: Judgement::Unknown,
            again_at: None,
        }
    }

    pub(crate) fn again_at(self, at: Timestamp) -> Self {
        Self {
            again_at: Some(at),
            ..self
        }
    }
}

/// One detector.
#[derive(Debug, Clone, Copy)]
pub struct Detector {
    /// The condition it judges.
    pub kind: FindingKind,
    /// The guard it belongs to, by the name an operator knows.
    pub guard: &'static str,
    /// What it means, for listings and the reference page.
    pub about: &'static str,
    /// What to do when it holds, for the operator.
    pub advice: &'static str,
    /// The kind of subject it judges, `None` for any other.
    pub judge: fn(View<'_>, &Subject) -> Option<Verdict>,
}

/// Every detector.
pub const DETECTORS: &[Detector] = &[
    run_hung::DETECTOR,
    run_overdue::DETECTOR,
    run_past_deadline::DETECTOR,
    run_failed::DETECTOR,
    run_unkillable::DETECTOR,
    retries_spent::DETECTOR,
    run_skipped::DETECTOR,
    product_missing::DETECTOR,
    lock_blocks_component::DETECTOR,
    stray_backend::DETECTOR,
    idle_in_transaction::DETECTOR,
    connections_near_limit::DETECTOR,
    transaction_old::DETECTOR,
    blind::DETECTOR,
    action_did_not_help::DETECTOR,
    check_down::DETECTOR,
    check_slow::DETECTOR,
    certificate_expires::DETECTOR,
    references_fail::DETECTOR,
    readiness_at_risk::DETECTOR,
    readiness_failed::DETECTOR,
    heartbeat_missing::DETECTOR,
    heartbeat_failed::DETECTOR,
    heartbeat_overrun::DETECTOR,
    heartbeat_too_often::DETECTOR,
    heartbeat_too_fast::DETECTOR,
    resource_exhausts::DETECTOR,
    instance_out::DETECTOR,
    requests_fail::DETECTOR,
    pool_overloaded::DETECTOR,
    copy_expired::DETECTOR,
    maintenance_overdue::DETECTOR,
];

/// A span as an operator says it: `45 s`, `12 min`, `3 h 5 min`.
pub(crate) fn say(span: core::time::Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..10 => alloc::format!("{}.{} s", seconds, span.subsec_millis() / 100),
        10..120 => alloc::format!("{seconds} s"),
        120..7200 => alloc::format!("{} min", seconds / 60),
        _ => alloc::format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}
