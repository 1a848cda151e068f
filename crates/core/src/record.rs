//! The record: a fold of the journal, and nothing else.
//!
//! [`Record::apply`] is the only way it changes. A record folded anew from the journal
//! equals the live one (the sim checks it all the time), so whatever a decision needs to
//! survive a restart must be an event. Everything in it is bounded: what is open is
//! kept, what is over is kept up to a number; the journal remembers the rest.

mod aftermath;
mod edge;
mod fold;
mod heartbeats;
mod history;
mod maintenance;
mod telling;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use core::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::action::{Action, ActionKind, Outcome};
use crate::aftermath::Aftermath;
use crate::authority::pairs;
use crate::edge::EdgePlan;
use crate::event::Withheld;
use crate::evidence::KeptEvidence;
use crate::finding::{Finding, FindingKey};
use crate::ids::HeartbeatId;
use crate::ids::{
    ActionId, ComponentId, IncidentId, JobId, MaintenanceId, MessageId, Observer, PeakId,
    ReadinessId, RunId,
};
use crate::incident::Incident;
use crate::message::Message;
use crate::observation::{Exit, Origin};
use crate::status::Status;
use crate::subject::Subject;

pub use edge::CAPS_MAX;
pub use heartbeats::{
    DOWN, FLIPS_KEPT, Failure, FinishedRun, Flip, HeartbeatState, OPEN_RUNS_MAX, OpenRun,
    PINGS_KEPT,
};
pub use history::{DAYS_KEPT, Day, DayTally};
pub use maintenance::{MAINTENANCE_WORDS_KEPT, MaintenanceState, PeakState};

/// Things that are over and still kept, of each sort. Three screens of a console; the
/// journal has the rest.
pub const KEPT_ENDED: usize = 256;

/// Durations of successful runs that tell a job's usual time: four weeks of nights.
pub const DURATIONS_KEPT: usize = 28;

/// What has been decided and done so far.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Record {
    /// Events folded so far: the journal's revision.
    pub revision: u64,
    /// Findings that hold.
    #[serde(with = "pairs")]
    pub findings: BTreeMap<FindingKey, OpenFinding>,
    /// Open incidents, and the newest that are resolved.
    pub incidents: BTreeMap<IncidentId, Incident>,
    /// What is left of each of them beside: their course, post-mortem and clocks.
    #[serde(default)]
    pub aftermath: BTreeMap<IncidentId, Aftermath>,
    /// Open actions, and the newest that are over.
    pub actions: BTreeMap<ActionId, ActionState>,
    /// Actions that are proposed, requested, or performed and not yet proven.
    pub open_actions: BTreeSet<ActionId>,
    /// Open messages, and the newest that are over.
    pub messages: BTreeMap<MessageId, MessageState>,
    /// Messages that have not been handed over yet.
    pub open_messages: BTreeSet<MessageId>,
    /// Jobs that have ever been heard of.
    pub jobs: BTreeMap<JobId, JobState>,
    /// Open runs, and the newest that ended.
    pub runs: BTreeMap<RunId, RunState>,
    /// Components that have ever had a status.
    pub components: BTreeMap<ComponentId, ComponentState>,
    /// What was asked for at a time of day, and whether it held.
    pub readiness: BTreeMap<ReadinessId, ReadinessState>,
    /// Heartbeats: those made through the API, and those of the configuration that were
    /// heard of.
    pub heartbeats: BTreeMap<HeartbeatId, HeartbeatState>,
    /// The kill switch, where it is thrown.
    pub held: Option<Held>,
    /// Kinds of action that did not help and are stopped, by scope.
    #[serde(with = "pairs")]
    pub stops: BTreeMap<(ActionKind, Subject), ActionId>,
    /// When actions were requested, by kind and scope: what budgets count. Newest 256.
    #[serde(with = "pairs")]
    pub ledger: BTreeMap<(ActionKind, Subject), VecDeque<Timestamp>>,
    /// What people ordered of the edge, with the revision at which the whole plan last
    /// changed: [`Record::edge_plan`] is all of it.
    #[serde(default)]
    pub edge: EdgePlan,
    /// Maintenances that are planned or under way, and the newest that are over.
    #[serde(default)]
    pub maintenances: BTreeMap<MaintenanceId, MaintenanceState>,
    /// Those of them that are not over.
    #[serde(default)]
    pub open_maintenances: BTreeSet<MaintenanceId>,
    /// Those of them that have begun.
    #[serde(default)]
    pub under_way: BTreeSet<MaintenanceId>,
    /// Known peaks that are still to come.
    #[serde(default)]
    pub peaks: BTreeMap<PeakId, PeakState>,
    /// The last number of each sort.
    pub last: LastNumbers,
}

/// The last number of each sort.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LastNumbers {
    /// Of incidents.
    pub incident: u64,
    /// Of actions, withheld ones included.
    pub action: u64,
    /// Of messages.
    pub message: u64,
    /// Of pings.
    pub ping: u64,
    /// Of maintenances.
    #[serde(default)]
    pub maintenance: u64,
}

/// A finding that holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenFinding {
    /// The finding as last told.
    pub finding: Finding,
    /// Since when it holds.
    pub opened_at: Timestamp,
    /// The incident it belongs to; a notice has none.
    pub incident: Option<IncidentId>,
    /// What was last withheld for it, so that it is said once.
    pub withheld: Option<(ActionKind, Withheld)>,
    /// The last action requested or proposed for it.
    pub last_action: Option<ActionId>,
}

/// An action and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionState {
    /// The action.
    pub action: Action,
    /// How far it is.
    pub phase: Phase,
    /// Who approved it, where it was a proposal.
    pub approved_by: Option<Observer>,
    /// What was kept before anything was ended.
    pub evidence: Option<KeptEvidence>,
}

/// How far an action is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// It waits for an operator's word.
    Proposed {
        /// Until when.
        expires_at: Timestamp,
    },
    /// It is to be performed.
    Requested {
        /// Since when.
        at: Timestamp,
    },
    /// It was performed; whether it helped is not seen yet.
    Performed {
        /// When.
        at: Timestamp,
        /// How it went.
        outcome: Outcome,
    },
    /// It helped.
    Proven {
        /// When that was seen.
        at: Timestamp,
        /// How it went.
        outcome: Outcome,
        /// How it is seen.
        reason: String,
    },
    /// It did not help.
    Unproven {
        /// When it was given up.
        at: Timestamp,
        /// How it went.
        outcome: Outcome,
        /// What was waited for.
        reason: String,
    },
    /// It failed or was refused by a last check.
    Failed {
        /// When.
        at: Timestamp,
        /// How it went.
        outcome: Outcome,
    },
    /// The proposal came to nothing.
    Closed {
        /// When.
        at: Timestamp,
        /// Why.
        reason: String,
    },
    /// It was never to be performed: what would have been done.
    Withheld {
        /// When it was decided.
        at: Timestamp,
        /// Why not.
        why: Withheld,
    },
}

impl Phase {
    /// Whether something is still to come of it.
    pub fn is_open(&self) -> bool {
        matches!(
            self,
            Self::Proposed { .. } | Self::Requested { .. } | Self::Performed { .. }
        )
    }
}

/// A message and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageState {
    /// The message.
    pub message: Message,
    /// How it went, once it did.
    pub outcome: Option<Outcome>,
}

/// A job: its slots, runs and product.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct JobState {
    /// The newest slot taken note of.
    pub last_slot: Option<Timestamp>,
    /// The slot that is being worked on, until a run of it succeeds or its budget is spent.
    pub slot: Option<Slot>,
    /// A slot that waits for the run before it (concurrency `queue` and `replace`).
    pub queued: Option<Timestamp>,
    /// The slot that was last left out, and why; until the next run begins.
    pub skipped: Option<(Timestamp, String)>,
    /// Runs that have been requested or have begun and have not ended.
    pub open_runs: BTreeSet<RunId>,
    /// The run that ended last.
    pub last_run: Option<RunId>,
    /// Durations of the newest successful runs, oldest first.
    pub durations: VecDeque<Duration>,
    /// When its product must be, or had to be, there; until it is delivered.
    pub expected: Option<Expected>,
    /// The newest due time asked for.
    pub last_due: Option<Timestamp>,
    /// The product that was last delivered: its time of change.
    pub delivered: Option<Timestamp>,
}

/// A slot that is being worked on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// The scheduled time.
    pub scheduled_at: Timestamp,
    /// Runs started for it so far.
    pub attempts: u32,
    /// When the last of them failed.
    pub failed_at: Option<Timestamp>,
    /// How the last of them failed.
    pub failed_with: Option<Exit>,
}

/// When a product must be there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expected {
    /// By when.
    pub due_at: Timestamp,
    /// A product last changed before this is an old one.
    pub fresh_since: Timestamp,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunState {
    /// Its job.
    pub job: JobId,
    /// The slot it is for.
    pub scheduled_at: Timestamp,
    /// First is 1.
    pub attempt: u32,
    /// Who started it.
    pub origin: Origin,
    /// When its start was requested or seen.
    pub requested_at: Timestamp,
    /// When its command began.
    pub started_at: Option<Timestamp>,
    /// When and how it ended, and the action that ended it.
    pub ended: Option<Ended>,
    /// Evidence kept of it, newest last.
    pub evidence: VecDeque<KeptEvidence>,
}

impl RunState {
    /// Whether its start is said to have failed, and nobody has seen it since.
    pub fn did_not_start(&self) -> bool {
        let failed = |ended: &Ended| matches!(ended.exit, Exit::NotStarted(_));
        self.started_at.is_none() && self.ended.as_ref().is_some_and(failed)
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// How.
    pub exit: Exit,
    /// The action of ours that ended it.
    pub by: Option<ActionId>,
}

/// A component's status and its history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentState {
    /// How it is.
    pub status: Status,
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub reason: String,
    /// How it was, by UTC day, the newest 90 days; the current stretch is not in it yet.
    pub days: BTreeMap<Day, DayTally>,
}

/// What was asked for at a time of day, and whether it held.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReadinessState {
    /// What is asked for and does not hold yet.
    pub asked: Option<Asked>,
    /// The newest time it was asked for.
    pub last_due: Option<Timestamp>,
    /// The newest time a rehearsal of it was asked for.
    pub last_rehearsed: Option<Timestamp>,
    /// The newest time it had to hold and did, and since when it did.
    pub last_held: Option<(Timestamp, Timestamp)>,
}

/// A readiness that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// When it must hold.
    pub due_at: Timestamp,
    /// Whether this is the rehearsal.
    pub rehearsal: bool,
}

/// The kill switch, thrown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Who threw it.
    pub by: Observer,
    /// Why.
    pub reason: String,
    /// When.
    pub since: Timestamp,
}

impl Record {
    /// Open actions of one kind, oldest first.
    pub fn open_actions_of(&self, kind: ActionKind) -> impl Iterator<Item = &ActionState> {
        self.open_actions
            .iter()
            .filter_map(|id| self.actions.get(id))
            .filter(move |state| state.action.task.kind() == kind)
    }

    /// Actions that may be performed now, oldest first: those requested, and while actions
    /// are held only first starts of slots. What was requested a moment before somebody
    /// threw the kill switch is not begun after it.
    pub fn to_perform(&self) -> impl Iterator<Item = &Action> {
        let held = self.held.is_some();
        self.open_actions
            .iter()
            .filter_map(|id| self.actions.get(id))
            .filter(|state| matches!(state.phase, Phase::Requested { .. }))
            .map(|state| &state.action)
            .filter(move |action| !held || action.task.is_first_start())
    }

    /// A run that has not ended.
    pub fn open_run(&self, run: &RunId) -> Option<&RunState> {
        self.runs.get(run).filter(|state| state.ended.is_none())
    }

    /// How the whole is, as customers are told: never better than what the worst
    /// unresolved incident has done, also while it is only watched.
    pub fn overall_status(&self) -> Status {
        let told = self.incidents.values().filter(|i| i.is_announced());
        let harmed = told.flat_map(|incident| incident.harmed.values().copied());
        harmed
            .max()
            .unwrap_or(Status::Operational)
            .max(self.worst_status())
    }

    /// The worst status of all components; unknown where there are none.
    pub fn worst_status(&self) -> Status {
        self.components
            .values()
            .map(|state| state.status)
            .max()
            .unwrap_or_default()
    }
}
