//! What is going on, in shapes that machines read: for the control socket, `--json`, and
//! the lists of the command line. Made from a record and a policy alone, so that the same
//! answers come from a journal whose server is not running.

pub mod edge;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::action::ActionKind;
use evenkeel_core::authority::Mode;
use evenkeel_core::ids::{
    CheckId, ComponentId, IncidentId, MaintenanceId, Observer, PeakId, PlanId, ReadinessId, RunId,
    TargetId,
};
use evenkeel_core::incident::{Incident, IncidentStatus};
use evenkeel_core::maintenance::{MaintenanceStatus, Plan, Stretch};
use evenkeel_core::observation::{CheckResult, LockWaits, RunProgress};
use evenkeel_core::policy::{Policy, ReadinessPolicy};
use evenkeel_core::record::{
    ActionState, Held, MaintenanceState, MessageState, OpenFinding, Phase, Record, RunState,
};
use evenkeel_core::status::Status;
use evenkeel_core::subject::Subject;
use evenkeel_journal::{Entry, codec};
use serde::{Deserialize, Serialize};

use crate::publish::standing::Standing;
use crate::pump::board::Point;
use crate::pump::published::Published;
use crate::web::account;

/// How things are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StatusReport {
    /// When this was so.
    pub at: Timestamp,
    /// The journal's revision it rests on.
    pub revision: u64,
    /// Why this is no picture of now, where it is not.
    pub ailment: Option<String>,
    /// Since when nothing is recorded for replay, and why, where it should be.
    #[serde(default)]
    pub not_recorded: Option<String>,
    /// The kill switch, where it is thrown.
    pub held: Option<Held>,
    /// The functions customers see, in the order of the page.
    pub components: Vec<ComponentReport>,
    /// Incidents that are not resolved, newest first.
    pub incidents: Vec<Incident>,
    /// Actions that wait for an operator's word, oldest first.
    pub proposals: Vec<ActionState>,
    /// Runs that have not ended.
    pub runs: Vec<RunReport>,
    /// How the copies of the public page stand, by target; empty where no server runs.
    #[serde(default)]
    pub copies: BTreeMap<TargetId, Standing>,
}

/// How a component is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ComponentReport {
    /// Its id.
    pub id: ComponentId,
    /// Its public name.
    pub name: String,
    /// How it is.
    pub status: Status,
    /// Since when.
    pub since: Option<Timestamp>,
    /// Why.
    pub reason: String,
}

/// A run, and how far it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunReport {
    /// The run.
    pub run: RunId,
    /// What the record knows of it.
    #[serde(flatten)]
    pub state: RunState,
    /// Its counters, while it is open and the server runs.
    pub progress: Option<RunProgress>,
}

/// An incident with everything that belongs to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct IncidentReport {
    /// The incident.
    #[serde(flatten)]
    pub incident: Incident,
    /// Its findings that hold, with reasons.
    pub findings: Vec<OpenFinding>,
    /// What was, is or would have been done, oldest first.
    pub actions: Vec<ActionState>,
    /// What was told, oldest first.
    pub messages: Vec<MessageState>,
}

/// Planned work.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MaintenanceReport {
    /// Its number.
    pub id: MaintenanceId,
    /// Where it stands.
    pub status: MaintenanceStatus,
    /// Since when.
    pub status_since: Timestamp,
    /// What is planned.
    #[serde(flatten)]
    pub planned: Plan,
    /// The maintenance of the configuration that it is of.
    pub plan: Option<PlanId>,
    /// When it was planned.
    pub planned_at: Timestamp,
    /// Who planned it; none where the configuration did.
    pub planned_by: Option<Observer>,
    /// Why into a peak or at short notice, where it is.
    pub reason: Option<String>,
    /// How often it has changed.
    pub sequence: u32,
    /// When it began.
    pub began_at: Option<Timestamp>,
    /// When it was over, or called off.
    pub ended_at: Option<Timestamp>,
    /// Since when it should be over.
    pub overdue_since: Option<Timestamp>,
}

impl MaintenanceReport {
    fn of(state: &MaintenanceState) -> Self {
        Self {
            id: state.id,
            status: state.status,
            status_since: state.status_since,
            planned: state.plan.clone(),
            plan: state.occurrence.as_ref().map(|of| of.plan.clone()),
            planned_at: state.planned_at,
            planned_by: state.planned_by.clone(),
            reason: state.reason.clone(),
            sequence: state.sequence,
            began_at: state.began_at,
            ended_at: state.ended_at,
            overdue_since: state.overdue_since.filter(|_| state.is_overdue()),
        }
    }
}

/// A known peak.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PeakReport {
    /// Which.
    pub id: PeakId,
    /// What it is called.
    pub name: String,
    /// The functions that are busy then; all of them where none is named.
    pub components: BTreeSet<ComponentId>,
    /// When it is next, earliest first.
    pub dates: Vec<Stretch>,
}

/// Who waits for whom in a database.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LockReport {
    /// When it was seen.
    pub at: Timestamp,
    /// The picture.
    #[serde(flatten)]
    pub waits: LockWaits,
}

/// How a check went last.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CheckReport {
    /// The check.
    pub id: CheckId,
    /// What it is called.
    pub name: String,
    /// Components that are hurt when it fails.
    pub components: Vec<ComponentId>,
    /// How it went last; none before it was made.
    pub last: Option<LastResult>,
    /// The newest results, oldest first.
    #[serde(default)]
    pub points: Vec<Point>,
}

/// The last result of a check.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LastResult {
    /// When it was.
    pub at: Timestamp,
    /// How it went.
    #[serde(flatten)]
    pub result: CheckResult,
}

/// Where a readiness stands.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReadinessReport {
    /// Which.
    pub id: ReadinessId,
    /// What it is called.
    pub name: String,
    /// When it has to hold, where it is asked for now.
    pub due_at: Option<Timestamp>,
    /// Whether that is the rehearsal.
    pub rehearsal: bool,
    /// The newest time it had to hold and did.
    pub last_held: Option<Timestamp>,
    /// What is missing, where it is found not to hold: why.
    pub missing: Vec<String>,
}

/// A page of the journal.
#[derive(Debug, Serialize, Deserialize)]
pub struct JournalReport {
    /// Entries, newest first.
    pub entries: Vec<Shown>,
    /// Where to go on for earlier ones.
    pub earlier: Option<u64>,
}

/// An entry of the journal.
#[derive(Debug, Serialize, Deserialize)]
pub struct Shown {
    /// Its revision.
    pub revision: u64,
    /// When it was written.
    pub at: String,
    /// Its kind.
    pub kind: String,
    /// The version of its kind's shape.
    pub version: u16,
    /// The hash of the chain up to it.
    pub hash: String,
    /// As it is written.
    pub body: serde_json::Value,
    /// What it means.
    pub sentence: Option<String>,
}

impl Shown {
    /// An entry, read.
    pub fn of(entry: &Entry) -> Self {
        let event = codec::decode(entry).ok().flatten();
        Self {
            revision: entry.revision.0,
            at: entry.at.to_string(),
            kind: entry.kind.clone(),
            version: entry.version,
            hash: entry.hash.to_string(),
            body: serde_json::from_slice(&entry.body).unwrap_or_default(),
            sentence: event.map(|event| account::sentence(&event.what)),
        }
    }
}

/// What is granted for one kind of action on one job or database.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GrantReport {
    /// The kind of action.
    pub kind: ActionKind,
    /// The job or database.
    pub scope: Subject,
    /// How far.
    pub mode: Mode,
    /// How many within `window_s`.
    pub budget: u32,
    /// How many were requested within it.
    pub used: u32,
    /// The window, seconds.
    pub window_s: u64,
    /// The action that did not help, where the kind is stopped for it.
    pub stopped_by: Option<String>,
}

impl StatusReport {
    /// How things are by a record; `live` adds what only a running server knows.
    pub fn of(record: &Record, policy: &Policy, live: Option<&Published>) -> Self {
        let is_stale = live.is_none_or(Published::is_stale);
        let mut components: Vec<_> = policy.components.iter().collect();
        components.sort_by_key(|(_, component)| component.position);
        Self {
            at: live.map_or_else(Timestamp::now, |live| live.at),
            revision: record.revision,
            ailment: match live {
                None => {
                    Some("the server is not running: this is what the journal last knew".into())
                }
                Some(live) => live.ailment(),
            },
            not_recorded: live.and_then(|live| live.recording.ailment()),
            copies: live.map(|live| live.copies.all()).unwrap_or_default(),
            held: record.held.clone(),
            components: components
                .into_iter()
                .map(|(id, component)| {
                    let state = record.components.get(id);
                    let status = state.map_or(Status::Unknown, |state| state.status);
                    ComponentReport {
                        id: id.clone(),
                        name: component.name.clone(),
                        status: if is_stale { Status::Unknown } else { status },
                        since: state.map(|state| state.since),
                        reason: state.map_or_else(String::new, |state| state.reason.clone()),
                    }
                })
                .collect(),
            incidents: incidents(record)
                .into_iter()
                .filter(|incident| incident.status != IncidentStatus::Resolved)
                .collect(),
            proposals: record
                .open_actions
                .iter()
                .filter_map(|id| record.actions.get(id))
                .filter(|state| matches!(state.phase, Phase::Proposed { .. }))
                .cloned()
                .collect(),
            runs: runs(record, live)
                .into_iter()
                .filter(|run| run.state.ended.is_none())
                .collect(),
        }
    }
}

/// Incidents, newest first.
pub fn incidents(record: &Record) -> Vec<Incident> {
    record.incidents.values().rev().cloned().collect()
}

/// An incident with everything that belongs to it.
pub fn incident(record: &Record, id: IncidentId) -> Option<IncidentReport> {
    let incident = record.incidents.get(&id)?.clone();
    let findings = record.findings.values();
    let actions = record.actions.values();
    let messages = record.messages.values();
    Some(IncidentReport {
        findings: findings
            .filter(|finding| finding.incident == Some(id))
            .cloned()
            .collect(),
        actions: actions
            .filter(|state| state.action.incident == Some(id))
            .cloned()
            .collect(),
        messages: messages
            .filter(|state| state.message.incident == Some(id))
            .cloned()
            .collect(),
        incident,
    })
}

/// Runs, newest first; open ones lead.
pub fn runs(record: &Record, live: Option<&Published>) -> Vec<RunReport> {
    let mut runs: Vec<RunReport> = record
        .runs
        .iter()
        .map(|(run, state)| RunReport {
            run: run.clone(),
            state: state.clone(),
            progress: live
                .and_then(|live| live.progress.get(run))
                .map(|(_, progress)| RunProgress::clone(progress)),
        })
        .collect();
    runs.sort_by_key(|run| {
        let begun = run.state.started_at.unwrap_or(run.state.requested_at);
        (run.state.ended.is_some(), std::cmp::Reverse(begun))
    });
    runs
}

/// Findings that hold: what hurts customers first, then what matters most, then the newest.
pub fn findings(record: &Record) -> Vec<OpenFinding> {
    let mut findings: Vec<_> = record.findings.values().cloned().collect();
    findings.sort_by_key(|finding| {
        let harm = finding.finding.harms.values().max().copied();
        std::cmp::Reverse((harm, finding.finding.severity, finding.opened_at))
    });
    findings
}

/// Who waits for whom, by database.
pub fn locks(live: &Published) -> Vec<LockReport> {
    live.locks
        .values()
        .map(|(at, waits)| LockReport {
            at: *at,
            waits: LockWaits::clone(waits),
        })
        .collect()
}

/// Every check of the configuration, and how it went lately.
pub fn checks(policy: &Policy, live: &Published) -> Vec<CheckReport> {
    let checks = policy.checks.iter();
    let report = checks.map(|(id, check)| {
        let history = live.checks.of(id);
        CheckReport {
            id: id.clone(),
            name: check.name.clone(),
            components: check.components.clone(),
            last: history.as_ref().map(|history| LastResult {
                at: history.at,
                result: history.last.clone(),
            }),
            points: history.map_or_else(Vec::new, |history| history.points.into()),
        }
    });
    report.collect()
}

/// Planned work: what is under way, then what is to come, earliest first, then what is over,
/// newest first.
pub fn maintenances(record: &Record) -> Vec<MaintenanceReport> {
    let mut all: Vec<&MaintenanceState> = record.maintenances.values().collect();
    all.sort_by_key(|state| {
        let from = state.plan.when.from.as_second();
        match state.status {
            status if status.is_under_way() => (0, from, state.id),
            MaintenanceStatus::Scheduled => (1, from, state.id),
            _ => (2, -from, state.id),
        }
    });
    all.into_iter().map(MaintenanceReport::of).collect()
}

/// Known peaks, the next first.
pub fn peaks(record: &Record) -> Vec<PeakReport> {
    let report = record.peaks.iter().map(|(id, state)| PeakReport {
        id: id.clone(),
        name: state.name.clone(),
        components: state.components.clone(),
        dates: state.dates.clone(),
    });
    let mut report: Vec<PeakReport> = report.collect();
    report.sort_by_key(|peak| peak.dates.first().copied());
    report
}

/// How long before a maintenance customers are reminded where nobody says otherwise.
pub fn reminders_by_default() -> BTreeSet<Duration> {
    crate::config::REMINDERS.into()
}

/// Every readiness of the configuration.
pub fn readiness(record: &Record, policy: &Policy) -> Vec<ReadinessReport> {
    let one = |(id, wanted): (&ReadinessId, &ReadinessPolicy)| {
        let state = record.readiness.get(id);
        let asked = state.and_then(|state| state.asked);
        let subject = Subject::Readiness(id.clone());
        let findings = record.findings.values();
        let findings = findings.filter(|open| open.finding.key.subject == subject);
        ReadinessReport {
            id: id.clone(),
            name: wanted.name.clone(),
            due_at: asked.map(|asked| asked.due_at),
            rehearsal: asked.is_some_and(|asked| asked.rehearsal),
            last_held: state.and_then(|state| state.last_held).map(|(due, _)| due),
            missing: findings.map(|open| open.finding.reason.clone()).collect(),
        }
    };
    policy.readiness.iter().map(one).collect()
}

/// What is granted, for every kind of action and everything it can be done to.
pub fn authority(record: &Record, policy: &Policy, now: Timestamp) -> Vec<GrantReport> {
    let jobs = policy.jobs.keys().cloned().map(Subject::Job);
    let databases = policy.databases.keys().cloned().map(Subject::Database);
    let pools = policy.pools.keys().cloned().map(Subject::Pool);
    let scopes: Vec<Subject> = jobs.chain(databases).chain(pools).collect();
    let mut grants = Vec::new();
    for scope in scopes {
        for kind in ActionKind::ALL.iter().copied() {
            if !kind.is_granted_for(&scope) {
                continue;
            }
            let grant = policy.authority.grant(kind, &scope);
            let key = (kind, scope.clone());
            let used = record.ledger.get(&key).map_or(0, |times| {
                let within = |at: &&Timestamp| evenkeel_core::time::since(**at, now) < grant.window;
                times.iter().filter(within).count()
            });
            grants.push(GrantReport {
                kind,
                mode: grant.mode,
                budget: grant.budget,
                used: u32::try_from(used).unwrap_or(u32::MAX),
                window_s: grant.window.as_secs(),
                stopped_by: record.stops.get(&key).map(ToString::to_string),
                scope: scope.clone(),
            });
        }
    }
    grants
}

/// The subject `job:NAME`, `database:NAME` or `pool:NAME`, as people write it.
pub fn scope(text: &str) -> Option<Subject> {
    let makers: BTreeMap<&str, fn(&str) -> Subject> = BTreeMap::from([
        (
            "job",
            (|name| Subject::Job(name.into())) as fn(&str) -> Subject,
        ),
        ("database", |name| Subject::Database(name.into())),
        ("pool", |name| Subject::Pool(name.into())),
    ]);
    let (kind, name) = text.split_once(':')?;
    makers.get(kind).map(|make| make(name))
}
