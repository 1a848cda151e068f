//! Something was seen: by whom, about what, when.
//!
//! Observations are facts, never judgements. Those that repeat (progress, lock waits,
//! database load) are whole pictures of their subject, so that a late, lost or doubled
//! one costs time and nothing else: the next one says everything again.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::action::Outcome;
use crate::edge::{EdgeOrder, EdgeWindow};
use crate::evidence::KeptEvidence;
use crate::heartbeat::{HeartbeatChange, Ping};
use crate::ids::{
    ActionId, CheckId, ComponentId, DatabaseId, JobId, MessageId, Observer, PeakId, PersonId,
    PlanId, PoolId, ReadinessId, RunId, TargetId,
};
use crate::maintenance::{MaintenanceOrder, Stretch};
use crate::notice::{NoticeChange, Regime};
use crate::postmortem::PostmortemChange;
use crate::status::Status;
use crate::subject::{Backend, Subject};
use crate::telling::{Correct, Tell};

/// Something was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// When it was seen, by the observer's clock.
    pub at: Timestamp,
    /// Who saw it.
    pub by: Observer,
    /// What was seen.
    pub seen: Seen,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Seen {
    /// A job's schedule came due.
    ScheduleDue(ScheduleDue),
    /// A run began.
    RunStart(RunStart),
    /// How far a run is, in counters that only matter where they differ.
    RunProgress(RunProgress),
    /// A run ended.
    RunExit(RunExit),
    /// The time by which a job's product must be there has come.
    ProductDue(ProductDue),
    /// What is there of a job's product.
    ProductReport(ProductReport),
    /// Who waits for whom in one database; empty when nobody waits.
    LockWaits(LockWaits),
    /// The backends of supervised runs in one database.
    RunBackends(RunBackends),
    /// Connections and transactions of one database.
    DatabaseLoad(DatabaseLoad),
    /// Whether an observer can see its subject at all.
    Sight(Sight),
    /// How an action went.
    ActionOutcome(ActionOutcome),
    /// How a message went.
    MessageOutcome(MessageOutcome),
    /// What a person ordered.
    Order(Order),
    /// What a person did to Evenkeel itself: for the journal only, nothing is decided on it.
    PersonAct(PersonAct),
    /// How a check went.
    CheckResult(CheckResult),
    /// A readiness is to be asked for.
    ReadinessDue(ReadinessDue),
    /// Evenkeel was not there.
    Absence(Absence),
    /// A heartbeat was heard.
    Ping(Ping),
    /// What is to become of a heartbeat.
    HeartbeatChange(HeartbeatChange),
    /// When a person's present or next quiet hours are.
    QuietHours(QuietHours),
    /// What passed the edge in about a second.
    EdgeWindow(EdgeWindow),
    /// How full the things of one subject are.
    Levels(Levels),
    /// When a pool's present or next quiet window is.
    QuietWindow(QuietWindow),
    /// How the copy of the public page at a target stands.
    CopyReport(CopyReport),
    /// When a maintenance of the configuration comes next.
    MaintenanceDates(MaintenanceDates),
    /// When a known peak comes next.
    PeakDates(PeakDates),
    /// What a witness told customers while this host was out of reach.
    OutsideWord(OutsideWord),
}

/// A job's schedule came due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleDue {
    /// The job.
    pub job: JobId,
    /// The slot: the scheduled time, not the time it was noticed.
    pub scheduled_at: Timestamp,
}

/// A run began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunStart {
    /// The run.
    pub run: RunId,
    /// Its job.
    pub job: JobId,
    /// When its command began.
    pub started_at: Timestamp,
    /// Who started it.
    pub origin: Origin,
}

/// Who started a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Evenkeel, because its schedule came due, by retry, or on an operator's order.
    Keeper,
    /// Another scheduler, through `evenkeel run`. Evenkeel does not start it again.
    Wrapper,
}

/// How far a run is. Counters are of the whole process tree; what matters is whether
/// they change, not their sum: a child that ends takes its counters along.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunProgress {
    /// The run.
    pub run: RunId,
    /// CPU time used, user and system, ended children included, milliseconds.
    pub cpu_ms: u64,
    /// Bytes read and written through system calls (`/proc/PID/io` rchar + wchar, and
    /// bytes moved on its sockets where they are known).
    pub io_bytes: u64,
    /// Bytes of output (standard output and error).
    pub output_bytes: u64,
    /// Explicit progress reports, counted.
    pub reports: u64,
    /// Living processes in the tree.
    pub processes: u32,
}

/// A run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunExit {
    /// The run.
    pub run: RunId,
    /// Its job.
    pub job: JobId,
    /// When it ended.
    pub ended_at: Timestamp,
    /// How.
    pub exit: Exit,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// Its command exited with this status.
    Code(i32),
    /// Its command was ended by this signal.
    Signal(i32),
    /// Its command could not be started: why.
    NotStarted(String),
    /// Nobody saw how: its supervisor and its processes are gone.
    Lost,
}

impl Exit {
    /// Whether the command said that all went well.
    pub fn is_success(&self) -> bool {
        *self == Self::Code(0)
    }
}

/// The time by which a job's product must be there has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductDue {
    /// The job.
    pub job: JobId,
    /// The time by which it must be there.
    pub due_at: Timestamp,
    /// A product last changed before this time is an old one.
    pub fresh_since: Timestamp,
}

/// What is there of a job's product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProductReport {
    /// The job.
    pub job: JobId,
    /// What is there.
    pub state: ProductState,
}

/// What is there of a job's product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProductState {
    /// Nothing under its name.
    Absent,
    /// A file under its final name.
    Present {
        /// Its size.
        bytes: u64,
        /// When it last changed.
        modified_at: Timestamp,
        /// Whether its end marker is there; `None` where none is configured.
        complete: Option<bool>,
        /// Its rows; `None` where they are not counted.
        rows: Option<u64>,
    },
    /// It cannot be looked at: why. Unknown, neither there nor missing.
    Unreachable(String),
}

/// Who waits for whom in one database: the whole picture at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockWaits {
    /// The database.
    pub database: DatabaseId,
    /// One chain for each root; empty when nobody waits.
    pub chains: Vec<LockChain>,
    /// Waiters left out because there were more than the observer keeps.
    pub left_out: u32,
}

/// Everyone who waits, directly or through others, for one root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockChain {
    /// Who holds what the others wait for, and waits for nobody.
    pub root: LockRoot,
    /// Who waits, longest first.
    pub waiters: Vec<LockWaiter>,
}

/// The root of a lock chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "nearly every root is a session")]
pub enum LockRoot {
    /// A session.
    Session(Session),
    /// A prepared transaction: it has no process; an operator commits or rolls it back.
    Prepared {
        /// `pg_prepared_xacts.gid`.
        gid: String,
        /// `pg_prepared_xacts.owner`.
        owner: String,
        /// When it was prepared.
        prepared_at: Timestamp,
    },
}

/// One session of a database, as `pg_stat_activity` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Which one.
    pub backend: Backend,
    /// `xact_start` of its transaction, checked again before it is ended.
    pub xact_start: Option<Timestamp>,
    /// `usename`.
    pub role: String,
    /// Whether the role is a superuser.
    pub superuser: bool,
    /// `backend_type`: `client backend`, `walsender`, `autovacuum worker`, ...
    pub backend_type: String,
    /// `datname`.
    pub datname: String,
    /// Whether `datname` is the database the configuration names.
    pub in_scope: bool,
    /// `application_name`.
    pub application_name: String,
    /// `state`.
    pub state: SessionState,
    /// When `state` last changed.
    pub state_since: Option<Timestamp>,
    /// `wait_event_type/wait_event`, empty when it waits for nothing.
    pub waits_for: String,
    /// The query, cut to a bounded length; the current one, or the last.
    pub query: String,
    /// The supervised run it belongs to, by its tag or its process.
    pub run: Option<RunId>,
    /// The component its work is for, by the configuration's patterns.
    pub component: Option<ComponentId>,
}

/// `pg_stat_activity.state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// It runs a query.
    Active,
    /// It waits for its client, outside a transaction.
    Idle,
    /// It waits for its client, inside a transaction.
    IdleInTransaction,
    /// As before, after an error.
    IdleInTransactionAborted,
    /// Anything else (fast-path call, tracking disabled, not a client).
    Other,
}

/// One session that waits for a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockWaiter {
    /// Who waits.
    pub session: Session,
    /// Whom it waits for directly (pids of the same server).
    pub waits_for_pids: Vec<i32>,
    /// Since when: `pg_locks.waitstart` (14+), else when it was first seen waiting.
    pub since: Timestamp,
    /// The lock it wants: `RowExclusiveLock on users`, `ShareLock on transaction`.
    pub wants: String,
}

/// The backends of supervised runs in one database: the whole picture at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunBackends {
    /// The database.
    pub database: DatabaseId,
    /// Sessions that carry a run's tag or belong to one of its processes.
    pub sessions: Vec<Session>,
}

/// Connections and transactions of one database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseLoad {
    /// The database.
    pub database: DatabaseId,
    /// Client connections in use.
    pub connections_used: u32,
    /// Connections an ordinary role can use (`max_connections` less reserved ones).
    pub connections_max: u32,
    /// Sessions idle in transaction, longest first, bounded.
    pub idle_in_transaction: Vec<Session>,
    /// The session with the oldest transaction.
    pub oldest_transaction: Option<Session>,
    /// Prepared transactions, oldest first, bounded: gid and when it was prepared.
    pub prepared: Vec<(String, Timestamp)>,
}

/// Whether an observer can see its subject at all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    /// What it looks at.
    pub of: Subject,
    /// `None` when it sees; else why it does not.
    pub blind: Option<String>,
}

/// When a person's present or next quiet hours are. A picture: the next one replaces it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuietHours {
    /// Whose.
    pub person: PersonId,
    /// When they begin, or began.
    pub from: Timestamp,
    /// When they end.
    pub until: Timestamp,
}

/// When a pool's present or next quiet window is: its instances are rather recycled then.
/// A picture: the next one replaces it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuietWindow {
    /// Whose.
    pub pool: PoolId,
    /// When it begins, or began.
    pub from: Timestamp,
    /// When it ends.
    pub until: Timestamp,
}

/// How full the things of one subject are that can fill up: the whole picture at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Levels {
    /// Whose: an instance, a database, a volume.
    pub of: Subject,
    /// When it was started, where it can be: after that everything begins anew.
    pub started_at: Option<Timestamp>,
    /// The release it runs, where it says so.
    pub release: Option<String>,
    /// What can fill up; each resource once.
    pub levels: Vec<Level>,
}

/// How full one thing is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// What.
    pub resource: Resource,
    /// How much is used, in the resource's own unit.
    pub used: u64,
    /// How much there is; `None` where nothing is known to end it.
    pub limit: Option<u64>,
}

/// What can fill up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resource {
    /// Memory of its own (PSS where it can be read, else RSS), bytes.
    Memory,
    /// The heap, as the program itself tells, bytes.
    Heap,
    /// Open files.
    OpenFiles,
    /// Threads.
    Threads,
    /// Connections it has open or serves.
    Connections,
    /// Bytes of a file system.
    DiskBytes,
    /// Files of a file system.
    Inodes,
    /// Connections to a database in use.
    DatabaseConnections,
    /// A sequence of a database: its name, and how far it is.
    Sequence(String),
    /// Transactions since the oldest that is not frozen (`age(datfrozenxid)`).
    TransactionAge,
}

/// How an action went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionOutcome {
    /// The action.
    pub action: ActionId,
    /// How it went.
    pub outcome: Outcome,
    /// What was kept before anything was ended.
    pub evidence: Option<KeptEvidence>,
}

/// How a message went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageOutcome {
    /// The message.
    pub message: MessageId,
    /// How it went.
    pub outcome: Outcome,
}

/// What a person ordered. The observer says who.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Order {
    /// Perform a proposed action.
    Approve {
        /// The action.
        action: ActionId,
    },
    /// Do not perform a proposed action.
    Refuse {
        /// The action.
        action: ActionId,
        /// Why.
        reason: String,
    },
    /// The kill switch: perform nothing until released.
    HoldActions {
        /// Why.
        reason: String,
    },
    /// Actions may be performed again.
    ReleaseActions {
        /// Why.
        reason: String,
    },
    /// Somebody looks after an incident.
    Acknowledge {
        /// The incident.
        incident: crate::ids::IncidentId,
    },
    /// Tell customers of an incident.
    Tell(Tell),
    /// Correct what customers were told.
    Correct(Correct),
    /// Tell what is proposed to be told of an incident.
    ApproveWord {
        /// The incident.
        incident: crate::ids::IncidentId,
    },
    /// Do not tell it.
    RefuseWord {
        /// The incident.
        incident: crate::ids::IncidentId,
        /// Why.
        reason: String,
    },
    /// Change the post-mortem of an incident.
    Postmortem {
        /// The incident.
        incident: crate::ids::IncidentId,
        /// What.
        #[serde(flatten)]
        change: PostmortemChange,
    },
    /// Change the clock of a legal notice.
    Notice {
        /// The incident.
        incident: crate::ids::IncidentId,
        /// Of which regime.
        regime: Regime,
        /// What.
        #[serde(flatten)]
        change: NoticeChange,
    },
    /// Start a job now.
    StartJob {
        /// The job.
        job: JobId,
    },
    /// Let a kind of action be tried again on a subject after its proof failed.
    LiftStop {
        /// The kind of action. Written under another name: `kind` tells observations apart.
        #[serde(rename = "action_kind")]
        kind: crate::action::ActionKind,
        /// What it was stopped for: a job, a database or a pool.
        scope: Subject,
    },
    /// What the edge is to do from now on.
    Edge(EdgeOrder),
    /// What becomes of planned work.
    Maintenance(MaintenanceOrder),
}

/// What a person did to Evenkeel itself. The observer says who.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonAct {
    /// What.
    pub act: Act,
    /// To what, or with what: `approve A-7`, `ana, operator`. Empty where `act` says it all.
    pub about: String,
    /// From where: `127.0.0.1`, `control socket`.
    pub from: String,
}

/// What people do to Evenkeel itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Logged in to the console.
    LoggedIn,
    /// Tried to, and was turned away.
    LoginFailed,
    /// Logged out.
    LoggedOut,
    /// Gave an order.
    Ordered,
    /// Let somebody in.
    PersonAdded,
    /// Shut somebody out.
    PersonRemoved,
    /// Set a password.
    PasswordSet,
    /// Ended the waiting time after failed logins.
    Unlocked,
    /// Made a token.
    TokenCreated,
    /// Took a token back.
    TokenRevoked,
}

/// How a check went, seen from one place: the observation's observer names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckResult {
    /// The check.
    pub check: CheckId,
    /// How it went.
    pub outcome: CheckOutcome,
    /// How long it took, milliseconds; for one that failed, until that was certain.
    pub took_ms: u32,
    /// The earliest end of the chain of certificates that was served, where one was.
    pub certificate_expires_at: Option<Timestamp>,
}

/// How a check went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    /// The target answered as it should.
    Passed,
    /// It did not.
    Failed {
        /// What was wrong, without secrets, bounded.
        why: String,
        /// The step of a journey at which it failed.
        step: Option<String>,
    },
    /// The check could not be made, for a reason of our own: it says nothing of the target.
    NotMade {
        /// Why.
        why: String,
    },
}

/// A readiness is to be asked for: now, or some time before as a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadinessDue {
    /// Which.
    pub readiness: ReadinessId,
    /// When it must hold.
    pub due_at: Timestamp,
    /// Whether this is the rehearsal.
    pub rehearsal: bool,
}

/// Evenkeel was not there to see anything: it was not running.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    /// The last moment at which it is known to have run.
    pub since: Timestamp,
}

/// How the copy of the public page at a target stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyReport {
    /// The target.
    pub target: TargetId,
    /// Until when what its readers have speaks of now. Where none was delivered yet: when
    /// the first should have been renewed.
    pub valid_until: Timestamp,
    /// Why a newer one is not there, where one is due.
    pub trouble: Option<String>,
}

/// When a maintenance of the configuration comes next. A picture: the next one replaces it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceDates {
    /// Which.
    pub plan: PlanId,
    /// When it comes, earliest first: those that begin before `known_until`.
    pub dates: Vec<Stretch>,
    /// How far ahead was looked.
    pub known_until: Timestamp,
}

/// When a known peak comes next. A picture: the next one replaces it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeakDates {
    /// Which.
    pub peak: PeakId,
    /// When it comes, earliest first.
    pub dates: Vec<Stretch>,
}

/// What a witness told customers while this host was out of reach, read when it was within
/// reach again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutsideWord {
    /// Since when we were silent.
    pub since: Timestamp,
    /// When it first told customers so, by its clock.
    pub told_at: Timestamp,
    /// When we were heard again.
    pub until: Timestamp,
    /// What failed, seen from outside.
    pub components: BTreeMap<ComponentId, Status>,
}
