//! The leaks guard: how full everything is that can fill up, and the hand that starts one
//! instance afresh.
//!
//! It looks every few seconds at each instance of the pools (memory, open files, threads,
//! connections from `/proc`; the heap and what `/proc` does not show from a metrics
//! address), at volumes, and once a minute at what fills up in PostgreSQL. A look is a
//! whole picture of its subject. What cannot be read is left out, never told as zero; a
//! subject of which nothing can be read is told as out of sight, with what to do. What the
//! looking costs is bounded: the expensive questions are asked the more seldom the longer
//! they take ([`pace`]), and from the outside come so many bytes within so much time.
//!
//! The hand performs `RecycleInstance` ([`recycle`]): it restarts one instance behind the
//! drained edge, never the last one that serves, and only the very process the decision
//! was about.
//!
//! It never decides: what is a leak, when it will be too late and whose turn it is, is the
//! core's. Memory limits and restarts could be left to the kernel and systemd; then every
//! instance would go at its own worst moment, and the requests under way with it.

mod address;
mod cgroup;
mod command;
mod database;
mod evidence;
mod instance;
mod memory;
mod metrics;
mod pace;
mod process;
mod recycle;
mod restart;
mod sockets;
mod systemd;
mod volume;
mod watch;
mod web;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel_core::action::{Action, ActionKind, Outcome};
use evenkeel_core::ids::{InstanceId, PoolId, VolumeId};
use evenkeel_core::observation::Levels;
use evenkeel_core::subject::Subject;
use hyper::header::HeaderName;
use tokio::sync::watch::Receiver;
use tokio::task::JoinSet;

pub use self::address::WebAddress;
pub use self::systemd::Unit;
use crate::guard::{BoxFuture, EdgeSight, EvidenceKeeper, Guard, Performed, Watchlist};
use crate::locks::DatabaseSpec;
use crate::outlet::Outlet;

/// What is to be watched, checked.
#[derive(Debug, Clone)]
pub struct LeakSpec {
    /// The pools, `[[pool]]`.
    pub pools: Vec<PoolSpec>,
    /// The file systems, `[[volume]]`.
    pub volumes: Vec<VolumeSpec>,
    /// The databases, `[[database]]`.
    pub databases: Vec<DatabaseSpec>,
    /// From one look at instances and volumes to the next, `[leaks] interval`.
    pub interval: Duration,
    /// From one look at a database to the next, `[leaks] database_interval`.
    pub database_interval: Duration,
    /// How long an instance's metrics may take, `[leaks] timeout`.
    pub timeout: Duration,
    /// The program that knows systemd's units; `systemctl`, found in `PATH`.
    pub systemctl: PathBuf,
}

impl LeakSpec {
    /// Nothing yet, looked at every 10 s (a leak that matters takes minutes at least, and
    /// a forecast wants hundreds of points), databases every minute, metrics within 3 s.
    pub fn new() -> Self {
        Self {
            pools: Vec::new(),
            volumes: Vec::new(),
            databases: Vec::new(),
            interval: Duration::from_secs(10),
            database_interval: Duration::from_secs(60),
            timeout: Duration::from_secs(3),
            systemctl: PathBuf::from("systemctl"),
        }
    }
}

impl Default for LeakSpec {
    fn default() -> Self {
        Self::new()
    }
}

/// A pool, `[[pool]]`.
#[derive(Debug, Clone)]
pub struct PoolSpec {
    /// Its name, `id`.
    pub id: PoolId,
    /// What is asked of an instance before it is used again, `check`; where there is none,
    /// a port that accepts is enough.
    pub ready: Option<ReadyPath>,
    /// How long requests under way at a draining instance are waited for, `drain_max`: then
    /// the edge cuts them off. The shorter of this and the action's holds.
    pub drain_max: Duration,
    /// How long `systemctl`, the command or the hook may take, `restart_max`.
    pub restart_max: Duration,
    /// How long a restarted instance may take until it answers, `admit_within`. The shorter
    /// of this and the action's holds.
    pub admit_within: Duration,
    /// Its instances, `[[pool.instance]]`.
    pub instances: Vec<InstanceSpec>,
}

impl PoolSpec {
    /// A pool without instances: 30 s of drain as at the edge, 100 s for the restart
    /// (systemd kills what has not stopped after 90 s by default), a minute until it
    /// answers.
    pub fn new(id: PoolId) -> Self {
        Self {
            id,
            ready: None,
            drain_max: Duration::from_secs(30),
            restart_max: Duration::from_secs(100),
            admit_within: Duration::from_secs(60),
            instances: Vec::new(),
        }
    }
}

/// What is asked of an instance before it is used again: 2xx and 3xx are well, as at the
/// edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadyPath {
    /// The path, `check`.
    pub path: String,
    /// The `Host` it is asked with.
    pub host: String,
}

/// One process of the service, `[[pool.instance]]`.
#[derive(Debug, Clone)]
pub struct InstanceSpec {
    /// Its name, `id`.
    pub id: InstanceId,
    /// Where it answers, `address`.
    pub address: SocketAddr,
    /// Which process it is, `pid_file`, `unit` or `user_unit`.
    pub process: ProcessSource,
    /// Where it tells its metrics, `metrics`.
    pub metrics: Option<WebAddress>,
    /// The header in which it names its release, `release_header`, in the answer of its
    /// metrics address.
    pub release_header: Option<HeaderName>,
    /// Bytes it may use where its control group does not say, `memory_limit`; where both
    /// say, the lower holds.
    pub memory_limit: Option<u64>,
    /// How it is started afresh, `recycle_command` or `recycle_hook`; its unit where it has
    /// one and nothing else is said. Without one it is watched and never touched.
    pub restart: Option<Restart>,
}

impl InstanceSpec {
    /// An instance of which nothing but its address is known.
    pub fn new(id: InstanceId, address: SocketAddr) -> Self {
        Self {
            id,
            address,
            process: ProcessSource::Elsewhere,
            metrics: None,
            release_header: None,
            memory_limit: None,
            restart: None,
        }
    }
}

/// By what an instance's process is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProcessSource {
    /// A file that holds its pid.
    PidFile(PathBuf),
    /// A unit of systemd: its main process.
    Unit(Unit),
    /// It is on another host, or nobody says: only its metrics are looked at.
    Elsewhere,
}

/// How an instance is started afresh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Restart {
    /// `systemctl restart`.
    Unit(Unit),
    /// A program with its arguments, without a shell. It must ask a service manager and
    /// come back: what it starts itself would end with Evenkeel.
    Command(Vec<String>),
    /// A POST, answered with 2xx when the restart is done or under way.
    Hook(WebAddress),
}

/// A file system, `[[volume]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeSpec {
    /// Its name; its path where nothing else is said.
    pub id: VolumeId,
    /// Any path in it, `path`.
    pub path: PathBuf,
}

/// One look, for whoever asks once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// At what.
    pub of: Subject,
    /// What was seen; `None` where nothing could be.
    pub levels: Option<Levels>,
    /// What could not be seen and why, a sentence each with what to do.
    pub gaps: Vec<String>,
}

/// The guard.
pub struct Leaks {
    spec: LeakSpec,
    shared: Arc<Shared>,
    edge: Option<Arc<dyn EdgeSight>>,
    evidence: Option<Arc<dyn EvidenceKeeper>>,
    /// Whose turn it is in each pool.
    turns: BTreeMap<PoolId, tokio::sync::Mutex<()>>,
    confirm_within: Duration,
}

/// What eyes and hands share.
#[derive(Default)]
struct Shared {
    /// What was last seen of each instance.
    last: Mutex<BTreeMap<InstanceId, Levels>>,
    /// Instances that are being restarted: that they cannot be seen is no news.
    away: Mutex<BTreeSet<InstanceId>>,
    /// When processes began, as the core was told.
    starts: Arc<process::Starts>,
}

impl Leaks {
    /// A guard of what `spec` names, with eyes and without hands: it restarts nothing until
    /// it is [`Self::behind`] an edge.
    pub fn new(spec: LeakSpec) -> Self {
        let pools = spec.pools.iter();
        let turns = pools.map(|pool| (pool.id.clone(), tokio::sync::Mutex::default()));
        Self {
            turns: turns.collect(),
            spec,
            shared: Arc::default(),
            edge: None,
            evidence: None,
            confirm_within: recycle::CONFIRM_WITHIN,
        }
    }

    /// The same behind an edge, which tells what it does with an instance.
    #[must_use]
    pub fn behind(mut self, edge: Arc<dyn EdgeSight>) -> Self {
        self.edge = Some(edge);
        self
    }

    /// The same, keeping evidence of an instance before it is restarted.
    #[must_use]
    pub fn keeping(mut self, evidence: Arc<dyn EvidenceKeeper>) -> Self {
        self.evidence = Some(evidence);
        self
    }

    /// The same, giving the edge so long to take a plan; ten seconds where nothing is said.
    #[must_use]
    pub fn confirmed_within(mut self, within: Duration) -> Self {
        self.confirm_within = within;
        self
    }
}

/// Looks at every instance and volume of `spec` once, for `evenkeel check` and the command
/// line.
pub async fn look_once(spec: &LeakSpec) -> Vec<Looked> {
    watch::once(spec).await
}

impl Guard for Leaks {
    fn name(&self) -> &'static str {
        "leaks"
    }

    fn observe(
        self: Arc<Self>,
        outlet: Outlet,
        _watchlist: Receiver<Arc<Watchlist>>,
    ) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let mut watchers = JoinSet::new();
            let (spec, shared) = (self.spec.clone(), self.shared.clone());
            watchers.spawn(watch::instances(spec, shared, outlet.clone()));
            watchers.spawn(watch::volumes(self.spec.clone(), outlet.clone()));
            for database in &self.spec.databases {
                let outlet = outlet.named(&format!("leaks:{}", database.id));
                let every = self.spec.database_interval;
                watchers.spawn(database::watch(database.clone(), every, outlet));
            }
            // One that ends, or panics, ends the others: the pump starts all of them again.
            if let Some(Err(error)) = watchers.join_next().await {
                tracing::error!(%error, "the leaks guard cannot go on");
            }
        })
    }

    fn performs(&self) -> &'static [ActionKind] {
        &[ActionKind::RecycleInstance]
    }

    fn takes(&self, action: &Action) -> Duration {
        recycle::Order::of(action).map_or(Duration::ZERO, |order| order.takes(self))
    }

    fn perform<'a>(&'a self, action: &'a Action) -> BoxFuture<'a, Performed> {
        Box::pin(async move {
            if let Some(order) = recycle::Order::of(action) {
                return self.recycle(action, &order).await;
            }
            Performed {
                outcome: Outcome::Failed(format!(
                    "the leaks guard does not perform `{}`",
                    action.task
                )),
                evidence: None,
            }
        })
    }
}

impl std::fmt::Debug for Leaks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leaks")
            .field("spec", &self.spec)
            .finish_non_exhaustive()
    }
}
