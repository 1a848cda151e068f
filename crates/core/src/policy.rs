//! The checked configuration, as far as deciding needs it.
//!
//! Made once from `evenkeel.toml` by the program, which has refused everything that
//! does not fit together. Defaults are safe: watch first.

mod maintenance;
mod pools;
mod telling;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::authority::Authority;
use crate::calling::CallingPolicy;
use crate::heartbeat::HeartbeatSpec;
use crate::ids::HeartbeatId;
use crate::ids::{
    CheckId, ComponentId, DatabaseId, JobId, PeakId, PlanId, PoolId, ReadinessId, RouteId,
    TargetId, VolumeId,
};
use crate::notice::NoticePolicy;
use crate::status::Status;

pub use maintenance::{MaintenancePolicy, PeakPolicy};
pub use pools::{LeakPolicy, PoolPolicy, RoutePolicy, VolumePolicy};
pub use telling::{FIRST_WORD_WITHIN, TELL_AFTER_MAX, TellMode, TellingPolicy};

/// Everything the core needs to know of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Policy {
    /// The functions customers see, in the order of the configuration.
    pub components: BTreeMap<ComponentId, ComponentPolicy>,
    /// The jobs.
    pub jobs: BTreeMap<JobId, JobPolicy>,
    /// The guarded databases.
    pub databases: BTreeMap<DatabaseId, DatabasePolicy>,
    /// What may be done to what.
    pub authority: Authority,
    /// When incidents close and reopen.
    pub incidents: IncidentPolicy,
    /// When customers are told.
    #[serde(default)]
    pub telling: TellingPolicy,
    /// Which clocks of legal notices are kept.
    #[serde(default)]
    pub notices: NoticePolicy,
    /// What is asked from outside, the way customers would.
    pub checks: BTreeMap<CheckId, CheckPolicy>,
    /// Checks of targets that are not ours: when all of them fail, the fault is on our side,
    /// and the failure of any other check says nothing.
    pub references: BTreeSet<CheckId>,
    /// What must hold at a time of day.
    pub readiness: BTreeMap<ReadinessId, ReadinessPolicy>,
    /// Heartbeats of the configuration; those made through the API are in the record.
    pub heartbeats: BTreeMap<HeartbeatId, HeartbeatSpec>,
    /// Who is called.
    #[serde(default)]
    pub calling: CallingPolicy,
    /// Groups of instances of the service.
    #[serde(default)]
    pub pools: BTreeMap<PoolId, PoolPolicy>,
    /// File systems that are watched.
    #[serde(default)]
    pub volumes: BTreeMap<VolumeId, VolumePolicy>,
    /// The edge's routes.
    #[serde(default)]
    pub routes: BTreeMap<RouteId, RoutePolicy>,
    /// Where copies of the public page are published.
    #[serde(default)]
    pub targets: BTreeSet<TargetId>,
    /// Planned work.
    #[serde(default)]
    pub maintenances: BTreeMap<PlanId, MaintenancePolicy>,
    /// Known peaks.
    #[serde(default)]
    pub peaks: BTreeMap<PeakId, PeakPolicy>,
}

/// A function customers see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentPolicy {
    /// Its public name: `Login`.
    pub name: String,
    /// Its place on the page.
    pub position: u32,
    /// The databases it needs: when one cannot be seen, it is unknown.
    pub needs: Vec<DatabaseId>,
}

/// When incidents close and reopen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncidentPolicy {
    /// How long everything must stay clear before an incident in monitoring is resolved.
    pub settle: Duration,
    /// How long after it was resolved a returning finding reopens it.
    pub reopen_within: Duration,
    /// How long after a public update the next one is promised.
    pub next_update_after: Duration,
}

impl Default for IncidentPolicy {
    /// Two minutes to settle: long enough for the herd after a release to show itself,
    /// short enough that "monitoring" is not left standing. Fifteen minutes to reopen,
    /// Statuspage's users' own habit. Twenty minutes to the next word: PagerDuty's guide.
    fn default() -> Self {
        Self {
            settle: Duration::from_secs(120),
            reopen_within: Duration::from_secs(900),
            next_update_after: Duration::from_secs(1200),
        }
    }
}

/// What happens to a slot that comes due while a run is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Concurrency {
    /// The slot is left out, and that is said.
    #[default]
    Forbid,
    /// The slot waits, one at most; a newer one takes its place.
    Queue,
    /// The run is ended, where that is allowed, and the slot's run started.
    Replace,
}

/// How often and how soon a failed run is tried again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Runs after the first, for one slot.
    pub budget: u32,
    /// Wait before the first retry; doubled for each further one.
    pub backoff: Duration,
    /// The longest wait.
    pub backoff_max: Duration,
}

impl Default for RetryPolicy {
    /// No retry unless asked for: only the operator knows whether a job can run twice.
    fn default() -> Self {
        Self {
            budget: 0,
            backoff: Duration::from_secs(60),
            backoff_max: Duration::from_secs(3600),
        }
    }
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct JobPolicy {
    /// The longest a run may take at all.
    pub deadline: Option<Duration>,
    /// The longest a run may go without progress.
    pub stall: Option<Duration>,
    /// What happens to a slot that comes due while a run is still there.
    pub concurrency: Concurrency,
    /// How failed runs are tried again.
    pub retry: RetryPolicy,
    /// Time between the polite signal and the one that cannot be refused.
    pub grace: Duration,
    /// What it must deliver.
    pub product: Option<ProductPolicy>,
    /// The components customers miss when its product is missing.
    pub components: Vec<ComponentId>,
}

/// What a job must deliver.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProductPolicy {
    /// The smallest size that counts as whole, bytes.
    pub bytes_min: u64,
    /// The fewest rows that count as whole.
    pub rows_min: Option<u64>,
}

/// A guarded database.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DatabasePolicy {
    /// When a lock chain counts as harm, and who may be ended for it.
    pub locks: LockPolicy,
    /// A session idle in transaction for longer is reported.
    pub idle_in_transaction: Option<Duration>,
    /// Connections in use above this share of what there is are reported, percent.
    pub connections_pct: Option<u8>,
    /// A transaction older than this is reported.
    pub transaction_age: Option<Duration>,
    /// How what fills up in it is watched.
    #[serde(default)]
    pub leaks: LeakPolicy,
}

/// When a lock chain counts as harm, and who may be ended for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockPolicy {
    /// At least so many sessions of protected components wait ...
    pub waiters_min: u32,
    /// ... each for at least so long.
    pub waiting_min: Duration,
    /// Sessions of supervised runs may be ended.
    pub end_runs: bool,
    /// Sessions of these roles may be ended.
    pub end_roles: Vec<Pattern>,
    /// Sessions with these application names may be ended.
    pub end_applications: Vec<Pattern>,
    /// A DDL statement that itself waits behind others and holds up everyone behind it
    /// may be cancelled, if its session may be ended at all.
    pub end_queued_ddl: bool,
    /// How long the chain may take to drain after an end before that counts as no help.
    pub drain: Duration,
}

impl Default for LockPolicy {
    /// Two waiters for one second: one waiter alone is everyday contention; a second is
    /// longer than any well-behaved row lock of a web request and short enough that
    /// a login still succeeds within five.
    fn default() -> Self {
        Self {
            waiters_min: 2,
            waiting_min: Duration::from_secs(1),
            end_runs: true,
            end_roles: Vec::new(),
            end_applications: Vec::new(),
            end_queued_ddl: false,
            drain: Duration::from_secs(3),
        }
    }
}

/// A check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckPolicy {
    /// What it is called in sentences: `Log in and book`.
    pub name: String,
    /// The components that are hurt when it fails.
    pub components: Vec<ComponentId>,
    /// How they are then.
    pub harm: Status,
    /// Failures in a row that count.
    pub failures: u32,
    /// How often it is made.
    pub interval: Duration,
    /// How long one may take.
    pub timeout: Duration,
    /// Passing, but taking longer than this as often as `failures`, is slow.
    pub slow_after: Option<Duration>,
    /// The served certificate is reported when it ends within so many days.
    pub certificate_days: Option<u32>,
    /// How many places must see it fail; never more than there are.
    pub quorum: u32,
}

impl Default for CheckPolicy {
    /// Every minute, and three failures in a row, which with quick retries after the first
    /// is a quarter of a minute: one lost packet is no outage. A certificate is renewed at
    /// 30 days by everyone who automates it; at 14 somebody has to look.
    fn default() -> Self {
        Self {
            name: String::new(),
            components: Vec::new(),
            harm: Status::PartialOutage,
            failures: 3,
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(10),
            slow_after: None,
            certificate_days: Some(14),
            quorum: 1,
        }
    }
}

impl CheckPolicy {
    /// A result older than this says nothing about now: one result may get lost, and the
    /// next one may take as long as it is allowed to.
    pub fn fresh_for(&self) -> Duration {
        self.interval * 2 + self.timeout + Duration::from_secs(10)
    }
}

/// What must hold at a time of day.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReadinessPolicy {
    /// What it is called in sentences: `The morning`.
    pub name: String,
    /// Checks that must pass.
    pub checks: Vec<CheckId>,
    /// Jobs whose product of the newest slot must be there.
    pub products: Vec<JobId>,
}

/// A pattern with `*` for any text: `backoffice-*`. Case matters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pattern(String);

impl Pattern {
    /// A pattern from its text.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `text` as a whole fits.
    pub fn fits(&self, text: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = text.strip_prefix(first) else {
            return false;
        };
        let Some(mut part) = parts.next() else {
            return rest.is_empty();
        };
        for next in parts {
            let Some(found) = rest.find(part) else {
                return false;
            };
            rest = &rest[found + part.len()..];
            part = next;
        }
        rest.ends_with(part)
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn patterns_fit_whole_texts() {
        for (pattern, text, fits) in [
            ("web", "web", true),
            ("web", "webs", false),
            ("web-*", "web-1", true),
            ("web-*", "xweb-1", false),
            ("*export*", "nightly-export-2", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("a*a", "a", false),
            ("*", "", true),
            ("", "x", false),
        ] {
            assert_eq!(
                Pattern::new(pattern).fits(text),
                fits,
                "{pattern} on {text}"
            );
        }
    }
}
