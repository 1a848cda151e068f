//! A condition holds, or has cleared, for one subject.
//!
//! A detector judges; it never acts. What is known to hold is a [`Finding`], with its
//! reason in one sentence and the facts it rests on. Where a detector cannot see, it
//! says so (`Judgement::Unknown`) and what was known stays known.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::evidence::Fact;
use crate::ids::ComponentId;
use crate::status::Status;
use crate::subject::Subject;

macro_rules! finding_kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The conditions Evenkeel knows. Each is judged by the detector of the same
        /// name in `detect/`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum FindingKind {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl FindingKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word in journal, pages and configuration.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

finding_kinds! {
    /// A run makes no progress.
    RunHung = "run_hung",
    /// A run works on past its usual time. Reported, never ended for it.
    RunOverdue = "run_overdue",
    /// A run works on past its deadline.
    RunPastDeadline = "run_past_deadline",
    /// A run of a job ended without success and is still to be made good.
    RunFailed = "run_failed",
    /// A run's processes are still there after everything was done to end them.
    RunUnkillable = "run_unkillable",
    /// A job failed as often as it may.
    RetriesSpent = "retries_spent",
    /// A job's slot was left out, because an earlier run was still there.
    RunSkipped = "run_skipped",
    /// A job's product is missing, old, empty or cut short when it is due.
    ProductMissing = "product_missing",
    /// Protected components wait for a lock that one session holds.
    LockBlocksComponent = "lock_blocks_component",
    /// A session carries the tag of a run that has ended.
    StrayBackend = "stray_backend",
    /// A session holds a transaction open and does nothing.
    IdleInTransaction = "idle_in_transaction",
    /// A database runs out of connections.
    ConnectionsNearLimit = "connections_near_limit",
    /// A database's oldest transaction is old.
    TransactionOld = "transaction_old",
    /// Something that should be seen cannot be.
    Blind = "blind",
    /// An action was performed and did not help.
    ActionDidNotHelp = "action_did_not_help",
    /// A check fails, as often in a row as counts.
    CheckDown = "check_down",
    /// A check passes, and takes too long.
    CheckSlow = "check_slow",
    /// A served certificate ends soon.
    CertificateExpires = "certificate_expires",
    /// Nothing outside answers: what checks say of targets says nothing.
    ReferencesFail = "references_fail",
    /// What must hold at a time of day does not yet, and the time is near.
    ReadinessAtRisk = "readiness_at_risk",
    /// What must hold at a time of day does not.
    ReadinessFailed = "readiness_failed",
    /// A heartbeat is due and has not come.
    HeartbeatMissing = "heartbeat_missing",
    /// A heartbeat said that its run failed.
    HeartbeatFailed = "heartbeat_failed",
    /// A run of a heartbeat neither ends nor says anything.
    HeartbeatOverrun = "heartbeat_overrun",
    /// Runs of a heartbeat begin closer together than they may.
    HeartbeatTooOften = "heartbeat_too_often",
    /// A run of a heartbeat succeeded in less time than the work can take.
    HeartbeatTooFast = "heartbeat_too_fast",
    /// Something that fills up runs out.
    ResourceExhausts = "resource_exhausts",
    /// The edge does not use an instance, and nobody has planned that.
    InstanceOut = "instance_out",
    /// Requests of a component fail.
    RequestsFail = "requests_fail",
    /// More comes for a pool than it can take.
    PoolOverloaded = "pool_overloaded",
    /// The published copy of the public page has not been renewed before its end.
    CopyExpired = "copy_expired",
    /// A maintenance should be over, and nobody has said that it is.
    MaintenanceOverdue = "maintenance_overdue",
}

impl FindingKind {
    /// Whether it says that requests have failed: such harm is told at once, however short.
    /// A check's request is one, too.
    pub fn is_of_failed_requests(self) -> bool {
        matches!(
            self,
            Self::CheckDown | Self::RequestsFail | Self::PoolOverloaded
        )
    }
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How much a finding matters to the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing; opens no incident.
    Notice,
    /// Somebody should look today; opens an incident, pages nobody.
    Warning,
    /// Somebody should look now; opens an incident and pages.
    Critical,
}

/// Which finding: of what kind, about what. At most one is open of each.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FindingKey {
    /// The condition.
    pub kind: FindingKind,
    /// What it is about.
    pub subject: Subject,
}

impl fmt::Display for FindingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.kind, self.subject)
    }
}

/// A condition that holds for one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Which.
    pub key: FindingKey,
    /// What it is, in a few words: `Login is blocked`.
    pub title: String,
    /// How much it matters to the operator.
    pub severity: Severity,
    /// What it does to the components customers see; empty where it does nothing yet.
    pub harms: BTreeMap<ComponentId, Status>,
    /// What else it is about: the job of a run, the run of a backend. Findings that
    /// share a link or a harmed component belong to one incident.
    pub links: BTreeSet<Subject>,
    /// Why it holds, in one sentence.
    pub reason: String,
    /// What it rests on.
    pub facts: Vec<Fact>,
}
