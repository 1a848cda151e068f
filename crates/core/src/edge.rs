//! What the edge is told, and what it tells: the words between the reverse proxy, which
//! reacts within a request, and the core, which decides slower and knows more.
//!
//! Control is one [`EdgePlan`], whole, with a revision: a newer one replaces an older one,
//! never the other way round, and applying the same plan twice changes nothing. It names
//! only what differs from the configuration, so that an empty plan means: serve as
//! configured. The edge keeps the plan in force on disk and serves on with it when core
//! and journal are gone.
//!
//! What is seen comes as one [`EdgeWindow`] a second, bounded whatever the number of
//! tenants: the busiest ones by name (a hash of it), the rest summed.

mod latency;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{ComponentId, InstanceId, PoolId, RouteId};

pub use latency::Latencies;

/// What the edge is to do, whole, until the next one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct EdgePlan {
    /// The journal's revision at which it last changed. A lower one never replaces a
    /// higher one.
    pub revision: u64,
    /// Pools that are to be treated otherwise than configured.
    pub pools: BTreeMap<PoolId, PoolPlan>,
    /// Components that are switched off: their routes answer with a page of their own.
    pub off: BTreeMap<ComponentId, Off>,
    /// What is shown at the top of every HTML answer.
    pub banner: Option<Banner>,
    /// The most requests a second of one tenant, by the hash of its name.
    pub tenants: BTreeMap<String, TenantCap>,
}

/// How one pool is to be treated otherwise than configured.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PoolPlan {
    /// Instances that get no new request; those under way end.
    pub drain: BTreeSet<InstanceId>,
    /// Shares of the load, percent of an equal share; 100 where nothing is said.
    pub weights: BTreeMap<InstanceId, u16>,
    /// Requests wait.
    pub hold: Option<Hold>,
    /// The most requests under way at once, whatever the adaptive limit says.
    pub concurrency_max: Option<u32>,
    /// Some instances run another release and get a share of the sessions.
    pub canary: Option<Canary>,
    /// Safe requests without a body are sent to another pool too, whose answers nobody sees.
    pub mirror: Option<Mirror>,
}

/// Requests of a pool wait: bounded in time, count and bytes by the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Since when.
    pub since: Timestamp,
    /// Why, for the operator.
    pub reason: String,
}

/// Some instances get a share of the sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Canary {
    /// Which.
    pub instances: BTreeSet<InstanceId>,
    /// Their share of all sessions, thousandths.
    pub share_permille: u16,
}

/// Safe requests are sent to another pool too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mirror {
    /// Where.
    pub to: PoolId,
    /// What share of them, thousandths.
    pub share_permille: u16,
}

/// A component is switched off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Off {
    /// Since when.
    pub since: Timestamp,
    /// Why, for the operator.
    pub reason: String,
    /// What customers are told, by language tag (`en`, `nl`, ...); a text of the edge's own
    /// where their language is not among them.
    pub texts: BTreeMap<String, String>,
    /// When the next word comes.
    pub next_update_at: Option<Timestamp>,
}

/// What is shown at the top of every HTML answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Banner {
    /// Names it, so that who has dismissed it does not see it again.
    pub id: String,
    /// The text by language tag, plain; never empty.
    pub texts: BTreeMap<String, String>,
    /// Where more is told.
    pub link: Option<String>,
    /// Only for these tenants (hashes); for everyone where empty.
    pub tenants: BTreeSet<String>,
}

/// What one tenant may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantCap {
    /// The most requests a second.
    pub requests_per_s_max: u32,
}

/// What was seen at the edge in one window of time, about a second.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeWindow {
    /// When it began; it ends when it was seen.
    pub from: Timestamp,
    /// The revision of the plan in force at its end.
    pub plan: u64,
    /// By route; those with nothing to tell are left out.
    pub routes: BTreeMap<RouteId, Traffic>,
    /// By pool; all of them.
    pub pools: BTreeMap<PoolId, PoolWindow>,
    /// The busiest tenants, by the hash of their name.
    pub tenants: BTreeMap<String, Traffic>,
    /// All other tenants, and requests without one.
    pub tenants_rest: Traffic,
    /// How many tenants `tenants_rest` sums; counted up to the edge's own bound.
    pub tenants_rest_count: u32,
    /// Client connections open at its end.
    pub connections: u32,
    /// Connections turned away because there were too many.
    pub connections_refused: u32,
    /// Requests refused because they were malformed or out of bounds.
    pub refused: u32,
}

impl EdgeWindow {
    /// A window in which nothing passed, for whoever has something to put into it.
    pub fn quiet(from: Timestamp) -> Self {
        Self {
            from,
            plan: 0,
            routes: BTreeMap::new(),
            pools: BTreeMap::new(),
            tenants: BTreeMap::new(),
            tenants_rest: Traffic::default(),
            tenants_rest_count: 0,
            connections: 0,
            connections_refused: 0,
            refused: 0,
        }
    }
}

/// Requests that ended in a window.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Traffic {
    /// How many ended, however they did.
    pub requests: u32,
    /// Of them: answered with 5xx by the service, cut off, or not answered at all.
    pub errors: u32,
    /// Of them: turned away by the edge to protect the rest (503 or 429 of our own).
    pub shed: u32,
    /// Of them: answered by the edge because their component is switched off.
    pub off: u32,
    /// Of them: given up by the client before the answer.
    pub gone: u32,
    /// Of them: tried again at another instance.
    pub retried: u32,
    /// Bytes of request bodies.
    pub bytes_in: u64,
    /// Bytes of answers' bodies.
    pub bytes_out: u64,
    /// Time from the request's head to the answer's head, of those the service answered.
    pub latencies: Latencies,
}

/// A pool in one window.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PoolWindow {
    /// By instance; all of them.
    pub instances: BTreeMap<InstanceId, InstanceWindow>,
    /// Requests under way at its end.
    pub under_way: u32,
    /// Requests queueing for a place at its end.
    pub queued: u32,
    /// Requests held at its end.
    pub held: u32,
    /// The most that may be under way at its end: the limit in force.
    pub limit: u32,
    /// The longest anyone who left the queue in it had waited.
    pub queued_max: Duration,
}

/// An instance in one window.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct InstanceWindow {
    /// How it is used at its end.
    pub state: InstanceState,
    /// Requests under way at its end, upgraded connections included.
    pub under_way: u32,
    /// Requests that ended at it.
    pub requests: u32,
    /// Of them: 5xx, cut off, refused, or timed out.
    pub errors: u32,
    /// Time to the answer's head.
    pub latencies: Latencies,
    /// Why it is not used, where it is not.
    pub why: Option<String>,
}

/// How the edge uses an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceState {
    /// It gets its share.
    #[default]
    InUse,
    /// It gets a growing share after it came back.
    SlowStart,
    /// It gets no new request, by plan.
    Draining,
    /// It failed its active check.
    Down,
    /// It failed requests of customers and rests.
    Ejected,
}

/// What a person orders of the edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "edge", rename_all = "snake_case")]
pub enum EdgeOrder {
    /// An instance gets no new request.
    Drain {
        /// Its pool.
        pool: PoolId,
        /// Which.
        instance: InstanceId,
    },
    /// It gets requests again.
    Admit {
        /// Its pool.
        pool: PoolId,
        /// Which.
        instance: InstanceId,
    },
    /// Requests of a pool wait.
    Hold {
        /// Which.
        pool: PoolId,
        /// Why.
        reason: String,
    },
    /// They go on.
    Release {
        /// Which.
        pool: PoolId,
    },
    /// A component answers with a page of its own.
    SwitchOff {
        /// Which.
        component: ComponentId,
        /// Why.
        reason: String,
        /// What customers are told, by language tag.
        texts: BTreeMap<String, String>,
    },
    /// It is served again.
    SwitchOn {
        /// Which.
        component: ComponentId,
    },
    /// Every HTML answer carries a text.
    ShowBanner {
        /// The text by language tag.
        texts: BTreeMap<String, String>,
        /// Where more is told.
        link: Option<String>,
    },
    /// It no longer does.
    HideBanner,
    /// A tenant may take so much, or what the configuration says.
    CapTenant {
        /// The hash of its name.
        tenant: String,
        /// The most requests a second; `None` lifts the cap.
        requests_per_s_max: Option<u32>,
    },
}

/// The words a request's importance is written with: what is shed first, and what last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Criticality {
    /// Turned away first.
    Sheddable,
    /// What nothing is said of.
    #[default]
    Normal,
    /// Turned away last: logging in, paying wages.
    Critical,
}

impl Criticality {
    /// All of them, the least important first.
    pub const ALL: [Self; 3] = [Self::Sheddable, Self::Normal, Self::Critical];

    /// The word in configuration and pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sheddable => "sheddable",
            Self::Normal => "normal",
            Self::Critical => "critical",
        }
    }
}

impl InstanceState {
    /// The words in pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InUse => "in use",
            Self::SlowStart => "slow start",
            Self::Draining => "draining",
            Self::Down => "down",
            Self::Ejected => "ejected",
        }
    }
}

impl EdgePlan {
    /// Whether an instance is to get no new request.
    pub fn drains(&self, pool: &PoolId, instance: &InstanceId) -> bool {
        let pool = self.pools.get(pool);
        pool.is_some_and(|pool| pool.drain.contains(instance))
    }

    /// The names of everything it speaks of that `known` does not know: said, not refused,
    /// because a plan may be older than the configuration.
    pub fn unknown<'p>(
        &'p self,
        known: &BTreeMap<PoolId, BTreeSet<InstanceId>>,
    ) -> Vec<(&'p PoolId, Option<&'p InstanceId>)> {
        let mut unknown = Vec::new();
        for (pool, plan) in &self.pools {
            let Some(instances) = known.get(pool) else {
                unknown.push((pool, None));
                continue;
            };
            let named = plan.drain.iter().chain(plan.weights.keys());
            let strange = named.filter(|named| !instances.contains(*named));
            unknown.extend(strange.map(|instance| (pool, Some(instance))));
        }
        unknown
    }
}

impl Traffic {
    /// Adds what another counted.
    pub fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.errors = self.errors.saturating_add(other.errors);
        self.shed = self.shed.saturating_add(other.shed);
        self.off = self.off.saturating_add(other.off);
        self.gone = self.gone.saturating_add(other.gone);
        self.retried = self.retried.saturating_add(other.retried);
        self.bytes_in = self.bytes_in.saturating_add(other.bytes_in);
        self.bytes_out = self.bytes_out.saturating_add(other.bytes_out);
        self.latencies.add(&other.latencies);
    }
}
