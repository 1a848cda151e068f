//! What every guard owes the pump, and what guards may ask of each other.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::action::{Action, ActionKind, Outcome};
use evenkeel_core::evidence::{EvidenceItem, EvidenceKind, KeptEvidence};
use evenkeel_core::ids::{ActionId, InstanceId, JobId, PoolId, RunId};
use tokio::sync::watch;

use crate::outlet::Outlet;

/// A future behind a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One guard: it observes until it is stopped, and performs what it is told.
pub trait Guard: Send + Sync + 'static {
    /// The name an operator knows it by: `jobs`, `locks`.
    fn name(&self) -> &'static str;

    /// Observes until the future is dropped. Returns only when it cannot go on at all;
    /// a passing failure is told as `Sight` and tried again.
    fn observe(
        self: Arc<Self>,
        outlet: Outlet,
        watchlist: watch::Receiver<Arc<Watchlist>>,
    ) -> BoxFuture<'static, ()>;

    /// The kinds of action it performs.
    fn performs(&self) -> &'static [ActionKind];

    /// How long `action` may take beyond what every action may.
    fn takes(&self, _action: &Action) -> Duration {
        Duration::ZERO
    }

    /// Performs one action: once is enough, twice does no harm, and a thing that is no
    /// longer what the action names is left alone (`Refused` or `NothingToDo`).
    fn perform<'a>(&'a self, action: &'a Action) -> BoxFuture<'a, Performed>;
}

/// How an action went and what was kept before.
#[derive(Debug, Clone)]
pub struct Performed {
    /// How it went.
    pub outcome: Outcome,
    /// What was kept before anything was ended.
    pub evidence: Option<KeptEvidence>,
}

/// What guards need to know of the record: a small fold, published by the pump after
/// each step that changes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Watchlist {
    /// Runs that have been requested or have begun and have not ended, with their job
    /// and since when.
    pub open_runs: BTreeMap<RunId, (JobId, Timestamp)>,
    /// Runs that ended recently: their backends are strays. Newest 256.
    pub ended_runs: BTreeMap<RunId, JobId>,
    /// The last slot taken of each job: slots after it are still to be offered.
    pub last_slots: BTreeMap<JobId, Timestamp>,
    /// The last due time each job's product was asked for.
    pub last_due: BTreeMap<JobId, Timestamp>,
}

/// What the database side can do for a run.
pub trait RunDatabase: Send + Sync {
    /// Writes what the databases know of `run` (backends, lock tree) into `folder`;
    /// bounded in time and size, gaps are named in the items.
    fn keep_evidence<'a>(
        &'a self,
        run: &'a RunId,
        folder: &'a Path,
    ) -> BoxFuture<'a, Vec<EvidenceItem>>;

    /// Ends every session that carries the run's tag or belongs to it; returns how many,
    /// or why not all.
    fn end_sessions<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Result<u32, String>>;
}

/// What the process side can do for a run.
pub trait RunProcesses: Send + Sync {
    /// Writes what the machine knows of `run` (processes, files, sockets, activity,
    /// output) into `folder`; bounded in time and size, gaps are named in the items.
    fn keep_evidence<'a>(
        &'a self,
        run: &'a RunId,
        folder: &'a Path,
    ) -> BoxFuture<'a, Vec<EvidenceItem>>;

    /// The open run one of whose processes holds the local end `client_port` of a TCP
    /// connection to `server_port` on this host.
    fn run_of_connection(&self, client_port: u16, server_port: u16) -> Option<RunId>;
}

/// Keeps evidence before anything is ended.
pub trait EvidenceKeeper: Send + Sync {
    /// Keeps `texts`, and what the machine knows of `run`'s processes, under a name made
    /// of `action`; bounded in time and size. `None` where nothing could be kept at all,
    /// which is logged and never stops the action.
    fn keep<'a>(
        &'a self,
        action: ActionId,
        run: Option<&'a RunId>,
        texts: Vec<(EvidenceKind, String)>,
    ) -> BoxFuture<'a, Option<KeptEvidence>>;
}

/// What the edge does with one instance now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgeInstance {
    /// The revision of the plan in force at the edge.
    pub plan_revision: u64,
    /// Whether it gets no new request, by plan.
    pub draining: bool,
    /// Requests under way at it.
    pub under_way: u32,
    /// How many others of its pool get their share, or a growing one.
    pub others_in_use: u32,
}

/// What the edge sees, for those who act behind it.
pub trait EdgeSight: Send + Sync {
    /// The instance as the edge saw it within the last three seconds; `None` where nobody
    /// knows, and then nothing may be done to it.
    fn instance(&self, pool: &PoolId, instance: &InstanceId) -> Option<EdgeInstance>;
}

/// The tag a supervised run's database sessions carry in `application_name`
/// (through `PGAPPNAME`): `evenkeel/RUN`, cut to PostgreSQL's 63 bytes from the left of
/// the run's name so that time and attempt stay.
pub fn session_tag(run: &RunId) -> String {
    const ROOM: usize = 63 - "evenkeel/".len();
    let name = run.as_str();
    let mut from = name.len().saturating_sub(ROOM);
    while !name.is_char_boundary(from) {
        from += 1;
    }
    format!("evenkeel/{}", &name[from..])
}
