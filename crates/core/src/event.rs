//! What the journal keeps: what was found, decided, done and told.
//!
//! Events are in the past tense and are the only thing that changes the record. Each
//! kind has a version ([`Event::version`]); a kind that changes its shape gets a new
//! version and the codec in `journal` keeps loading the old one (golden files prove it).

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::action::{Action, ActionKind, Outcome};
use crate::edge::EdgeOrder;
use crate::evidence::KeptEvidence;
use crate::finding::{Finding, FindingKey, Severity};
use crate::heartbeat::{HeartbeatSpec, Ping};
use crate::ids::HeartbeatId;
use crate::ids::{
    ActionId, ComponentId, IncidentId, JobId, MaintenanceId, MessageId, Observer, PeakId,
    ReadinessId, RunId,
};
use crate::incident::IncidentStatus;
use crate::maintenance::{MaintenanceStatus, Occurrence, Plan, Stretch};
use crate::message::Message;
use crate::notice::{Nudge, Regime, Step};
use crate::observation::{Act, Exit, Origin};
use crate::postmortem::{Facts, MeasureState, Section};
use crate::record::Day;
use crate::status::Status;
use crate::subject::Subject;
use crate::telling::FreeText;

/// One event, with when it happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The `now` of the step that made it.
    pub at: Timestamp,
    /// What happened.
    pub what: What,
}

/// Why an action is proposed and not performed, or not even proposed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Withheld {
    /// The mode is watch: this is what would have been done.
    Watching,
    /// Actions are held (kill switch).
    Held,
    /// The budget of its scope is spent.
    BudgetSpent,
    /// The last one of its kind was too short a time ago.
    TooSoon,
    /// The last one of its kind did not help, and nobody has lifted the stop.
    Stopped,
    /// A rule of the configuration, or of Evenkeel itself, forbids it: which.
    NotOurs(String),
    /// It was approved too late.
    Expired,
}

/// What somebody was reminded of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reminder", rename_all = "snake_case")]
pub enum Reminder {
    /// A measure that is late.
    Measure {
        /// Which.
        measure: u32,
    },
    /// A legal notice.
    Notice {
        /// Of which regime.
        regime: Regime,
        /// Which.
        step: Step,
        /// What was said of it.
        nudge: Nudge,
    },
}

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident($version:literal) = $text:literal {
        $($(#[$field_doc:meta])* $field:ident: $type:ty,)*
    })*) => {
        /// What happened.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "event")]
        pub enum What {
            $($(#[$doc])* #[serde(rename = $text)] $name {
                $($(#[$field_doc])* $field: $type,)*
            },)*
        }

        impl What {
            /// Every kind of event with its current version: a golden list guards it.
            pub const KINDS: &[(&'static str, u16)] = &[$(($text, $version),)*];

            /// Its kind, as the journal writes it.
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$name { .. } => $text,)* }
            }

            /// The version of its kind's shape.
            pub fn version(&self) -> u16 {
                match self { $(Self::$name { .. } => $version,)* }
            }
        }
    };
}

events! {
    /// A schedule's slot was taken note of: it is not offered again.
    SlotTaken(1) = "slot_taken" {
        /// The job.
        job: JobId,
        /// The slot.
        scheduled_at: Timestamp,
    }
    /// A slot was left out.
    SlotSkipped(1) = "slot_skipped" {
        /// The job.
        job: JobId,
        /// The slot.
        scheduled_at: Timestamp,
        /// Why.
        reason: String,
    }
    /// A run began.
    RunStarted(1) = "run_started" {
        /// The run.
        run: RunId,
        /// Its job.
        job: JobId,
        /// When its command began.
        started_at: Timestamp,
        /// Who started it.
        origin: Origin,
        /// First is 1.
        attempt: u32,
        /// The slot it is for.
        scheduled_at: Timestamp,
    }
    /// A run ended.
    RunEnded(1) = "run_ended" {
        /// The run.
        run: RunId,
        /// Its job.
        job: JobId,
        /// When.
        ended_at: Timestamp,
        /// How.
        exit: Exit,
        /// Whether the end was ours.
        ended_by: Option<ActionId>,
    }
    /// A job's product was there, whole and fresh.
    ProductDelivered(1) = "product_delivered" {
        /// The job.
        job: JobId,
        /// The product's time of change.
        modified_at: Timestamp,
        /// Its size.
        bytes: u64,
        /// Its rows, where they are counted.
        rows: Option<u64>,
    }
    /// A product must be there by now.
    ProductExpected(1) = "product_expected" {
        /// The job.
        job: JobId,
        /// By when.
        due_at: Timestamp,
        /// A product last changed before this is an old one.
        fresh_since: Timestamp,
    }
    /// A condition holds.
    FindingOpened(1) = "finding_opened" {
        /// The finding.
        finding: Finding,
    }
    /// A condition still holds, and hurts more, less or others than before.
    FindingUpdated(1) = "finding_updated" {
        /// The finding as it is now.
        finding: Finding,
    }
    /// A condition holds no more.
    FindingCleared(1) = "finding_cleared" {
        /// Which.
        key: FindingKey,
        /// Why.
        reason: String,
    }
    /// Findings that belong together became an incident.
    IncidentOpened(1) = "incident_opened" {
        /// Its number.
        incident: IncidentId,
        /// What it is, in a few words.
        title: String,
        /// How much it matters.
        severity: Severity,
        /// The finding that opened it.
        finding: FindingKey,
    }
    /// A finding joined an incident, or its severity or title changed.
    IncidentUpdated(1) = "incident_updated" {
        /// Which.
        incident: IncidentId,
        /// Its title now.
        title: String,
        /// Its severity now.
        severity: Severity,
        /// The finding that joined or returned.
        finding: Option<FindingKey>,
    }
    /// An incident's status changed; back from resolved is a reopening.
    IncidentStatusChanged(1) = "incident_status_changed" {
        /// Which.
        incident: IncidentId,
        /// From.
        from: IncidentStatus,
        /// To.
        to: IncidentStatus,
        /// Why.
        reason: String,
    }
    /// Somebody looks after an incident.
    IncidentAcknowledged(1) = "incident_acknowledged" {
        /// Which.
        incident: IncidentId,
        /// Who.
        by: Observer,
    }
    /// A component's public status changed.
    ComponentStatusChanged(1) = "component_status_changed" {
        /// Which.
        component: ComponentId,
        /// From.
        from: Status,
        /// To.
        to: Status,
        /// Why.
        reason: String,
    }
    /// An action is to be performed.
    ActionRequested(1) = "action_requested" {
        /// The action.
        action: Action,
        /// Who approved it, where it was a proposal.
        approved_by: Option<Observer>,
    }
    /// An action waits for an operator's word.
    ActionProposed(1) = "action_proposed" {
        /// The action.
        action: Action,
        /// Until when it can be approved.
        expires_at: Timestamp,
    }
    /// An action came to nothing: refused by a person, expired, no longer needed, or given
    /// up for a harder way.
    ActionClosed(1) = "action_closed" {
        /// The action.
        action: ActionId,
        /// Who refused it; none where nobody did.
        by: Option<Observer>,
        /// Why.
        reason: String,
    }
    /// What would have been done, and why it was not.
    ActionWithheld(1) = "action_withheld" {
        /// The action as it would have been.
        action: Action,
        /// Why not.
        why: Withheld,
    }
    /// An action was performed, refused or failed.
    ActionEnded(1) = "action_ended" {
        /// Which.
        action: ActionId,
        /// How it went.
        outcome: Outcome,
        /// What was kept before anything was ended.
        evidence: Option<KeptEvidence>,
    }
    /// An action is seen to have helped.
    ActionProven(1) = "action_proven" {
        /// Which.
        action: ActionId,
        /// How it is seen.
        reason: String,
    }
    /// An action is not seen to have helped: its kind is stopped for its scope.
    ActionUnproven(1) = "action_unproven" {
        /// Which.
        action: ActionId,
        /// The kind that is stopped.
        kind: ActionKind,
        /// What it is stopped for.
        scope: Subject,
        /// What was waited for.
        reason: String,
    }
    /// A person lifted a stop.
    StopLifted(1) = "stop_lifted" {
        /// The kind of action.
        kind: ActionKind,
        /// What it was stopped for.
        scope: Subject,
        /// Who.
        by: Observer,
    }
    /// The kill switch was thrown.
    ActionsHeld(1) = "actions_held" {
        /// Who.
        by: Observer,
        /// Why.
        reason: String,
    }
    /// The kill switch was released.
    ActionsReleased(1) = "actions_released" {
        /// Who.
        by: Observer,
        /// Why.
        reason: String,
    }
    /// Something is to be told.
    MessageRequested(1) = "message_requested" {
        /// The message.
        message: Message,
    }
    /// A public word waits for a person's approval or veto.
    WordProposed(1) = "word_proposed" {
        /// The incident.
        incident: IncidentId,
        /// The status it announces.
        status: IncidentStatus,
        /// What it says of the components.
        components: BTreeMap<ComponentId, Status>,
        /// When it is told unless somebody vetoes; never by itself where it is only proposed.
        tells_at: Option<Timestamp>,
    }
    /// A word that waited is not told: a person refused it, or there is nothing to tell.
    WordWithdrawn(1) = "word_withdrawn" {
        /// The incident.
        incident: IncidentId,
        /// Who refused it; none where nobody did.
        by: Option<Observer>,
        /// Why.
        reason: String,
    }
    /// A promised next word did not come in time.
    PromiseMissed(1) = "promise_missed" {
        /// The incident.
        incident: IncidentId,
        /// Who promised it; none where it was promised without a person.
        by: Option<Observer>,
        /// By when.
        promised_at: Timestamp,
    }
    /// A maintenance is planned.
    MaintenancePlanned(1) = "maintenance_planned" {
        /// Its number.
        maintenance: MaintenanceId,
        /// What is planned.
        plan: Box<Plan>,
        /// Which of the configuration it is; none where a person planned it.
        occurrence: Option<Occurrence>,
        /// Who planned it; none where the configuration did.
        by: Option<Observer>,
        /// Why into a peak or at short notice, where it is.
        reason: Option<String>,
    }
    /// A maintenance is at another time, longer, or otherwise planned than before.
    MaintenanceChanged(1) = "maintenance_changed" {
        /// Which.
        maintenance: MaintenanceId,
        /// What is planned now.
        plan: Box<Plan>,
        /// Who changed it; none where the configuration did.
        by: Option<Observer>,
        /// Why into a peak or at short notice, where it is.
        reason: Option<String>,
    }
    /// A maintenance stands elsewhere: it began, was done, is over, or was called off.
    MaintenanceTurned(1) = "maintenance_turned" {
        /// Which.
        maintenance: MaintenanceId,
        /// From.
        from: MaintenanceStatus,
        /// To.
        to: MaintenanceStatus,
        /// Who turned it; none where it did by itself.
        by: Option<Observer>,
        /// Why.
        reason: String,
    }
    /// Customers were reminded of a maintenance, or a person of its beginning.
    MaintenanceReminded(1) = "maintenance_reminded" {
        /// Which.
        maintenance: MaintenanceId,
        /// The reminder: how long before it begins. Zero where a person is to begin it.
        before: Duration,
    }
    /// A maintenance should be over: it covers nothing any more.
    MaintenanceOverdue(1) = "maintenance_overdue" {
        /// Which.
        maintenance: MaintenanceId,
    }
    /// A known peak has other dates than before; without any, the configuration no longer
    /// has it.
    PeakDated(1) = "peak_dated" {
        /// Which.
        peak: PeakId,
        /// Its name.
        name: String,
        /// The functions that are busy then; all of them where none is named.
        components: BTreeSet<ComponentId>,
        /// When it is next, earliest first.
        dates: Vec<Stretch>,
    }
    /// What is known of an incident that hurt customers was taken down: the draft of its
    /// post-mortem was opened, or has new facts after it came back.
    PostmortemDrafted(1) = "postmortem_drafted" {
        /// The incident.
        incident: IncidentId,
        /// What is known.
        facts: Box<Facts>,
    }
    /// A part of a post-mortem was written anew.
    PostmortemWritten(1) = "postmortem_written" {
        /// The incident.
        incident: IncidentId,
        /// Which part.
        section: Section,
        /// The text; none where it was taken out.
        text: Option<FreeText>,
        /// The part's revision now.
        revision: u32,
        /// Who.
        by: Observer,
    }
    /// A measure was promised.
    MeasureAdded(1) = "measure_added" {
        /// The incident.
        incident: IncidentId,
        /// Its number within the post-mortem.
        measure: u32,
        /// What is to be done.
        what: FreeText,
        /// Who sees to it.
        owner: String,
        /// By which day.
        due: Day,
        /// Who promised.
        by: Observer,
    }
    /// A measure stands otherwise, or was moved.
    MeasureChanged(1) = "measure_changed" {
        /// The incident.
        incident: IncidentId,
        /// Which.
        measure: u32,
        /// Where it stands now.
        state: MeasureState,
        /// By which day.
        due: Day,
        /// Why it was dropped or moved.
        reason: Option<String>,
        /// Who.
        by: Observer,
    }
    /// A post-mortem was published as it stood, or a correction of it.
    PostmortemPublished(1) = "postmortem_published" {
        /// The incident.
        incident: IncidentId,
        /// Which edition it is.
        edition: u32,
        /// What it corrects; none in the first.
        correction: Option<FreeText>,
        /// Who.
        by: Observer,
    }
    /// Somebody was reminded.
    Reminded(1) = "reminded" {
        /// The incident.
        incident: IncidentId,
        /// Of what.
        of: Reminder,
    }
    /// The clock of a legal notice runs.
    NoticeClockStarted(1) = "notice_clock_started" {
        /// The incident.
        incident: IncidentId,
        /// Of which regime.
        regime: Regime,
        /// Why.
        because: String,
        /// Who started it; none where its condition did.
        by: Option<Observer>,
    }
    /// The clock of a legal notice was stopped: it is not to be notified.
    NoticeClockStopped(1) = "notice_clock_stopped" {
        /// The incident.
        incident: IncidentId,
        /// Of which regime.
        regime: Regime,
        /// Why.
        reason: String,
        /// Who.
        by: Observer,
    }
    /// A legal notice was given, as a person says.
    NoticeGiven(1) = "notice_given" {
        /// The incident.
        incident: IncidentId,
        /// Of which regime.
        regime: Regime,
        /// Which.
        step: Step,
        /// To whom, under which number.
        reference: String,
        /// Who.
        by: Observer,
    }
    /// Something was told, or could not be.
    MessageEnded(1) = "message_ended" {
        /// Which.
        message: MessageId,
        /// How it went.
        outcome: Outcome,
    }
    /// A person did something to Evenkeel itself, or tried to: the audit.
    PersonActed(1) = "person_acted" {
        /// Who.
        by: Observer,
        /// What.
        act: Act,
        /// To what, or with what.
        about: String,
        /// From where.
        from: String,
    }
    /// Nobody looked for a while: the program did not run, the machine slept, or the clock
    /// jumped. How components were then is unknown.
    Unobserved(1) = "unobserved" {
        /// Since when; until the time of the event.
        since: Timestamp,
    }
    /// Customers could not reach the service although nothing here failed: a witness told
    /// them so from outside, and it is over.
    OutageLearned(1) = "outage_learned" {
        /// The number it gets as an incident.
        incident: IncidentId,
        /// Since when, as they were told.
        since: Timestamp,
        /// When they were first told.
        told_at: Timestamp,
        /// Until when.
        until: Timestamp,
        /// What failed, seen from outside.
        components: BTreeMap<ComponentId, Status>,
    }
    /// A readiness was asked for.
    ReadinessAsked(1) = "readiness_asked" {
        /// Which.
        readiness: ReadinessId,
        /// When it must hold.
        due_at: Timestamp,
        /// Whether this is the rehearsal.
        rehearsal: bool,
    }
    /// A readiness that was asked for holds.
    ReadinessHeld(1) = "readiness_held" {
        /// Which.
        readiness: ReadinessId,
        /// When it had to hold.
        due_at: Timestamp,
        /// Whether this was the rehearsal.
        rehearsal: bool,
    }
    /// A heartbeat was heard.
    PingReceived(1) = "ping_received" {
        /// What was heard.
        ping: Ping,
        /// When.
        received_at: Timestamp,
        /// Whether it counts for nothing: its heartbeat is paused until a person resumes it,
        /// or takes no such method.
        ignored: bool,
    }
    /// A heartbeat was made through the API.
    HeartbeatCreated(1) = "heartbeat_created" {
        /// Which.
        heartbeat: HeartbeatId,
        /// What it is.
        spec: Box<HeartbeatSpec>,
        /// Who.
        by: Observer,
    }
    /// A heartbeat made through the API became another.
    HeartbeatUpdated(1) = "heartbeat_updated" {
        /// Which.
        heartbeat: HeartbeatId,
        /// What it is now.
        spec: Box<HeartbeatSpec>,
        /// When its next ping is due.
        due_at: Option<Timestamp>,
        /// Who.
        by: Observer,
    }
    /// A heartbeat is gone.
    HeartbeatDeleted(1) = "heartbeat_deleted" {
        /// Which.
        heartbeat: HeartbeatId,
        /// Who.
        by: Observer,
    }
    /// A heartbeat is not watched for a while.
    HeartbeatPaused(1) = "heartbeat_paused" {
        /// Which.
        heartbeat: HeartbeatId,
        /// Who.
        by: Observer,
    }
    /// A heartbeat is watched again.
    HeartbeatResumed(1) = "heartbeat_resumed" {
        /// Which.
        heartbeat: HeartbeatId,
        /// Who.
        by: Observer,
    }
    /// A heartbeat of the configuration has a schedule, or another than before.
    HeartbeatScheduled(1) = "heartbeat_scheduled" {
        /// Which.
        heartbeat: HeartbeatId,
        /// The schedule, in words.
        schedule: String,
        /// When its next ping is due by it.
        due_at: Option<Timestamp>,
    }
    /// A person ordered something of the edge: it is in force from now on.
    EdgeOrdered(1) = "edge_ordered" {
        /// What.
        change: EdgeOrder,
        /// Who.
        by: Observer,
    }
}
