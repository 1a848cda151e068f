//! One thing to do, complete when written down.
//!
//! An action is requested in the journal before it is performed and leaves no choice to
//! whoever performs it. It may be performed twice without harm: what it names is
//! identified so that a second time finds nothing left to do.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::evidence::Fact;
use crate::finding::FindingKey;
use crate::ids::{ActionId, IncidentId, InstanceId, JobId, PoolId, RunId};
use crate::observation::Resource;
use crate::subject::{Backend, Subject};

macro_rules! action_kinds {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The kinds of action. Each has a mode, a budget, a proof and a stop.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum ActionKind {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
        }

        impl ActionKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word in journal, pages and configuration.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

action_kinds! {
    /// Start a run of a job: its schedule, a retry, or an operator's order.
    StartRun = "start_run",
    /// End a run: its whole process tree and its database backends.
    EndRun = "end_run",
    /// Cancel the query of a database session, or end the session.
    EndBackend = "end_backend",
    /// Take one instance of a pool out of use, restart it, and let it in again.
    RecycleInstance = "recycle_instance",
}

impl fmt::Display for ActionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl ActionKind {
    /// What it does, in words that follow "would".
    pub fn phrase(self) -> &'static str {
        match self {
            Self::StartRun => "start a run",
            Self::EndRun => "end the run",
            Self::EndBackend => "end the database session",
            Self::RecycleInstance => "recycle the instance",
        }
    }

    /// Whether `scope` is something that actions of this kind are granted for.
    pub fn is_granted_for(self, scope: &Subject) -> bool {
        match self {
            Self::StartRun | Self::EndRun => matches!(scope, Subject::Job(_)),
            Self::EndBackend => matches!(scope, Subject::Database(_)),
            Self::RecycleInstance => matches!(scope, Subject::Pool(_)),
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Task {
    /// Start a run. A run that was started already is left alone.
    StartRun {
        /// The run, named by the core.
        run: RunId,
        /// Its job.
        job: JobId,
        /// The slot it is for.
        scheduled_at: Timestamp,
        /// First is 1.
        attempt: u32,
    },
    /// Keep evidence, then end a run's process tree and its backends.
    EndRun {
        /// The run.
        run: RunId,
        /// Its job.
        job: JobId,
        /// Time between the polite signal and the one that cannot be refused.
        grace: Duration,
    },
    /// Keep evidence, then cancel or end one backend, if it is still the same one in the
    /// same transaction.
    EndBackend {
        /// Which.
        backend: Backend,
        /// Its transaction, checked again in the statement that ends it; `None` where
        /// it had none (a stray backend between transactions).
        xact_start: Option<Timestamp>,
        /// How.
        how: EndHow,
        /// The supervised run it belongs to.
        run: Option<RunId>,
    },
    /// Restart an instance that gets no requests: the edge's plan drains it from the request
    /// of this action until its outcome. Wait until nothing is under way at it (or `drain_max`
    /// is over), restart it, wait until its own check answers.
    RecycleInstance {
        /// Its pool.
        pool: PoolId,
        /// Which.
        instance: InstanceId,
        /// What runs out, and is to drop.
        resource: Resource,
        /// A process that was started later is another one already, and is left alone; `None`
        /// where nobody can tell when it was started.
        started_before: Option<Timestamp>,
        /// How long requests under way may take to end.
        drain_max: Duration,
        /// How long it may take from its restart until its check answers.
        admit_within: Duration,
    },
}

/// How a backend is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndHow {
    /// `pg_cancel_backend`: its query ends, its session stays. Does nothing to a session
    /// that is idle in transaction.
    Cancel,
    /// `pg_terminate_backend`: its session ends, its transaction is rolled back.
    Terminate,
}

impl Task {
    /// Its kind.
    pub fn kind(&self) -> ActionKind {
        match self {
            Self::StartRun { .. } => ActionKind::StartRun,
            Self::EndRun { .. } => ActionKind::EndRun,
            Self::EndBackend { .. } => ActionKind::EndBackend,
            Self::RecycleInstance { .. } => ActionKind::RecycleInstance,
        }
    }

    /// Whether it is the first start for a slot: the schedule's word, which the kill switch
    /// does not stop.
    pub fn is_first_start(&self) -> bool {
        matches!(self, Self::StartRun { attempt: 1, .. })
    }

    /// What it is done to.
    pub fn subject(&self) -> Subject {
        match self {
            Self::StartRun { run, .. } | Self::EndRun { run, .. } => Subject::Run(run.clone()),
            Self::EndBackend { backend, .. } => Subject::Backend(backend.clone()),
            Self::RecycleInstance { instance, .. } => Subject::Instance(instance.clone()),
        }
    }

    /// What its authority and budget are counted for: the job, the database or the pool.
    pub fn scope(&self) -> Subject {
        match self {
            Self::StartRun { job, .. } | Self::EndRun { job, .. } => Subject::Job(job.clone()),
            Self::EndBackend { backend, .. } => Subject::Database(backend.database.clone()),
            Self::RecycleInstance { pool, .. } => Subject::Pool(pool.clone()),
        }
    }

    /// How long performing it may take by its own account, whoever performs it: what it waits
    /// for on purpose.
    pub fn waits_for(&self) -> Duration {
        match self {
            Self::StartRun { .. } | Self::EndBackend { .. } => Duration::ZERO,
            Self::EndRun { grace, .. } => *grace,
            Self::RecycleInstance {
                drain_max,
                admit_within,
                ..
            } => drain_max.saturating_add(*admit_within),
        }
    }

    /// Whether `other` is the same thing to do. When the process of an instance was started
    /// says which one is meant, not what is done.
    pub fn is_same_as(&self, other: &Self) -> bool {
        match (self, other) {
            (
                Self::RecycleInstance {
                    instance, resource, ..
                },
                Self::RecycleInstance {
                    instance: other,
                    resource: of,
                    ..
                },
            ) => (instance, resource) == (other, of),
            _ => self == other,
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StartRun { run, attempt, .. } => write!(f, "start run {run} (attempt {attempt})"),
            Self::EndRun { run, .. } => {
                write!(
                    f,
                    "end run {run}: its whole process tree and its database sessions"
                )
            }
            Self::EndBackend {
                backend,
                how: EndHow::Cancel,
                ..
            } => {
                write!(f, "cancel the query of {backend}")
            }
            Self::EndBackend {
                backend,
                how: EndHow::Terminate,
                ..
            } => {
                write!(f, "end the session of {backend}")
            }
            Self::RecycleInstance { pool, instance, .. } => {
                write!(f, "recycle instance {instance} of pool {pool}")
            }
        }
    }
}

/// One thing to do, with why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Its number.
    pub id: ActionId,
    /// What is to be done.
    pub task: Task,
    /// Why, in one sentence.
    pub reason: String,
    /// What the decision rests on.
    pub facts: Vec<Fact>,
    /// The finding it answers; none for a scheduled start.
    pub finding: Option<FindingKey>,
    /// The incident it belongs to.
    pub incident: Option<IncidentId>,
    /// The journal's revision it was decided at.
    pub decided_at_revision: u64,
    /// When it was decided.
    pub decided_at: Timestamp,
}

/// How an action or a message went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was done: what was done, in one sentence.
    Done(String),
    /// There was nothing left to do: why. As good as done.
    NothingToDo(String),
    /// A last check refused it: why. Nothing was touched.
    Refused(String),
    /// It failed: why.
    Failed(String),
}

impl Outcome {
    /// Whether what was wanted is so now.
    pub fn is_good(&self) -> bool {
        matches!(self, Self::Done(_) | Self::NothingToDo(_))
    }

    /// The sentence.
    pub fn text(&self) -> &str {
        match self {
            Self::Done(text)
            | Self::NothingToDo(text)
            | Self::Refused(text)
            | Self::Failed(text) => text,
        }
    }
}
