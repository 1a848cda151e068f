//! Judges every request and every deed by the world's truth and the configuration, with
//! nothing of the core's own reasoning.

pub(crate) mod pools;

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::Timestamp;
use evenkeel_core::action::{Action, ActionKind, EndHow, Task};
use evenkeel_core::authority::Mode;
use evenkeel_core::event::{Event, What};
use evenkeel_core::finding::{FindingKey, FindingKind};
use evenkeel_core::ids::{ActionId, IncidentId, JobId, MessageId, RunId};
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::message::{Body, Message};
use evenkeel_core::subject::{Backend, Subject};
use evenkeel_core::time;

use self::pools::PoolOracle;
use crate::aftermath::AftermathOracle;
use crate::maintenance::MaintenanceOracle;
use crate::policy::{BACKOFF, SORTS, role_may_be_ended};
use crate::sim::Sim;
use crate::telling::TellingOracle;
use crate::world::{Life, Sess};
use crate::{MINUTE, SECOND};

/// A request is good for two minutes after it was decided; some seconds to perform it.
const REQUEST_GOOD_FOR: crate::Ms = 130 * SECOND;

/// Every invariant: its name, and what it says.
pub const INVARIANTS: &[(&str, &str)] = &[
    (
        "only-what-is-granted",
        "Nothing is requested or performed that the configuration does not grant, or a person has not approved.",
    ),
    (
        "only-what-was-named",
        "Who is ended is the very session that was named: an ordinary one, of the guarded database, that holds others up or is left over from a run, and that the configuration lets be ended.",
    ),
    (
        "innocent-runs-live",
        "A run that works, however long and however slowly, is never ended before its deadline.",
    ),
    (
        "journalled-first",
        "Nothing is performed before its request is in the journal, word for word.",
    ),
    (
        "budgets-hold",
        "Within any window no more actions of a kind are requested than its budget, and none sooner than its interval.",
    ),
    (
        "held-means-held",
        "While actions are held, nothing that ends something, and no retry, is requested.",
    ),
    (
        "a-stop-stops",
        "After a failed proof the kind of action is not requested for its scope until a person lifts the stop.",
    ),
    (
        "one-run-at-a-time",
        "A run is started once, and never over a run of its job that is still alive.",
    ),
    (
        "no-tight-loop",
        "A failed run is tried again no sooner than its backoff, and no more often than its budget.",
    ),
    (
        "fold-equals-live",
        "The record folded from the journal equals the live one, always, and after every restart.",
    ),
    (
        "resolved-means-over",
        "No incident is resolved while a finding of it holds.",
    ),
    (
        "paged-once",
        "The operator is paged once for each finding of an incident, however often it is handed out.",
    ),
    (
        "harm-ends",
        "Without faults, harm by a session that may be ended is over within half a minute.",
    ),
    (
        "all-comes-to-rest",
        "When everything is well again, nothing stays open: no finding, incident, action or message.",
    ),
    (
        "green-means-seen",
        "No component is shown operational while its journey fails, or while nobody looks at it.",
    ),
    (
        "cut-off-is-unknown",
        "Nothing is called down that works: while we are cut off ourselves it is unknown.",
    ),
    (
        "readiness-is-asked",
        "What must hold at a time of day and does not has somebody called; what holds has nobody called.",
    ),
    (
        "every-run-is-watched",
        "A run of a heartbeat that is stuck is noticed, also behind a newer one that ends well; one that says it is at work is left in peace.",
    ),
    (
        "silence-is-noticed",
        "A heartbeat that falls silent is missed, and one that is heard in time is not.",
    ),
    (
        "the-last-one-serves",
        "No instance is restarted while nothing else of its pool serves.",
    ),
    (
        "one-of-a-pool",
        "Of one pool never two are out of use or restarted by us at once.",
    ),
    (
        "healthy-ones-stay",
        "Hardly ever is a process restarted that leaks nothing: twice, and once in fifty hours.",
    ),
    (
        "leaks-end-in-time",
        "Without faults, an instance that leaks and may be recycled is recycled before it is full.",
    ),
    (
        "no-help-is-told",
        "When a recycling is not seen to have helped, a person is called.",
    ),
    (
        "drains-end",
        "What we took out of use gets requests again when its action has ended, and each ends, whatever crashed.",
    ),
    (
        "plan-as-ordered",
        "The edge's plan is what people ordered and open actions need, and nothing else.",
    ),
    (
        "plan-only-rises",
        "A plan that is another one has a higher revision, and an older one never replaces a newer.",
    ),
    (
        "plan-survives",
        "The plan after a restart is the one that was in force before.",
    ),
    (
        "first-word-in-time",
        "Customers hear of harm within a minute after it is found, unless it is over by then; where a person is asked before, once they have spoken.",
    ),
    (
        "better-needs-a-reason",
        "Customers are told that it is better only when nothing seen speaks against it, or a person has given a reason.",
    ),
    (
        "promises-are-kept",
        "A next word that a person promised comes in time, or somebody is called.",
    ),
    (
        "told-once",
        "Every word is told once, says something new or keeps a promise, and stays as it was told.",
    ),
    (
        "only-the-planned-is-covered",
        "Harm that is in no incident is of a component that a maintenance names, no worse than planned, found in its time and not after its end.",
    ),
    (
        "maintenances-end",
        "Every maintenance that began ends by its announced end, or is overdue, customers are told and somebody is called.",
    ),
    (
        "announced-before",
        "No maintenance begins of which customers were not told before.",
    ),
    (
        "harm-has-a-draft",
        "Every incident that hurt customers has the draft of a post-mortem when it is resolved.",
    ),
    (
        "published-stays",
        "A post-mortem that was published stays as it was; a correction is a further edition.",
    ),
    (
        "reminders-are-bounded",
        "A late measure is reminded of once a week and four times at most, a notice twice.",
    ),
    ("journal", "The journal takes and gives what it promised."),
];

#[derive(Default)]
pub(crate) struct Oracle {
    /// Requests that are durable.
    requested: BTreeMap<ActionId, Task>,
    performed: BTreeSet<ActionId>,
    ledger: BTreeMap<(ActionKind, Subject), Vec<(Timestamp, Task)>>,
    proposed: BTreeSet<ActionId>,
    held: bool,
    stopped: BTreeSet<(ActionKind, Subject)>,
    open_findings: BTreeMap<FindingKey, Option<IncidentId>>,
    paged: BTreeMap<(IncidentId, FindingKey), MessageId>,
    run_ended: BTreeMap<RunId, Timestamp>,
    pub(crate) pools: PoolOracle,
    pub(crate) telling: TellingOracle,
    pub(crate) maintenance: MaintenanceOracle,
    pub(crate) aftermath: AftermathOracle,
    /// What people had ordered of the edge after the newest append.
    edge_before: evenkeel_core::edge::EdgePlan,
}

impl Sim {
    fn mode(&self, task: &Task) -> Mode {
        let scope = task.scope();
        self.policy.authority.grant(task.kind(), &scope).mode
    }

    /// What was decided is durable.
    pub(crate) fn oracle_on_events(&mut self, events: &[Event]) {
        for event in events {
            match &event.what {
                What::ActionProposed { action, .. } => {
                    self.oracle.proposed.insert(action.id);
                }
                What::ActionRequested {
                    action,
                    approved_by,
                } => self.on_request(event.at, action, approved_by.is_some()),
                What::ActionsHeld { .. } => self.oracle.held = true,
                What::ActionsReleased { .. } => self.oracle.held = false,
                What::ActionUnproven { kind, scope, .. } => {
                    self.oracle.stopped.insert((*kind, scope.clone()));
                }
                What::StopLifted { kind, scope, .. } => {
                    self.oracle.stopped.remove(&(*kind, scope.clone()));
                }
                What::FindingOpened { finding } => {
                    self.oracle.open_findings.insert(finding.key.clone(), None);
                }
                What::FindingCleared { key, .. } => {
                    self.oracle.open_findings.remove(key);
                }
                What::IncidentOpened {
                    incident, finding, ..
                } => self.joins(finding, *incident),
                What::IncidentUpdated {
                    incident,
                    finding: Some(finding),
                    ..
                } => self.joins(finding, *incident),
                What::IncidentStatusChanged {
                    incident,
                    to: IncidentStatus::Resolved,
                    ..
                } => {
                    let holds = self.oracle.open_findings.iter();
                    let still: Vec<String> = holds
                        .filter(|(_, of)| **of == Some(*incident))
                        .map(|(key, _)| key.to_string())
                        .collect();
                    if !still.is_empty() {
                        self.violate(
                            "resolved-means-over",
                            &format!("{incident} is resolved while {} holds", still.join(", ")),
                        );
                    }
                }
                What::RunEnded { run, ended_at, .. } => {
                    self.oracle.run_ended.insert(run.clone(), *ended_at);
                }
                _ => {}
            }
        }
    }

    fn joins(&mut self, finding: &FindingKey, incident: IncidentId) {
        if let Some(of) = self.oracle.open_findings.get_mut(finding) {
            *of = Some(incident);
        }
    }

    fn on_request(&mut self, when: Timestamp, action: &Action, approved: bool) {
        let task = &action.task;
        let (kind, scope) = (task.kind(), task.scope());
        let said = format!("{}: {task}", action.id);
        let granted = match self.mode(task) {
            Mode::Act => true,
            Mode::Propose => approved && self.oracle.proposed.contains(&action.id),
            Mode::Watch => false,
        };
        if !granted {
            self.violate("only-what-is-granted", &said);
        }
        let first_start = matches!(task, Task::StartRun { attempt: 1, .. });
        if self.oracle.held && !first_start {
            self.violate("held-means-held", &said);
        }
        let key = (kind, scope.clone());
        if self.oracle.stopped.contains(&key) {
            self.violate("a-stop-stops", &said);
        }
        let grant = self.policy.authority.grant(kind, &scope);
        let ledger = self.oracle.ledger.entry(key).or_default();
        let window = ledger
            .iter()
            .filter(|(at, _)| *at <= when && time::since(*at, when) < grant.window)
            .count();
        // The harder way with the very same session is part of the same act.
        let same_act = |last: &Task| match (last, task) {
            (
                Task::EndBackend {
                    backend: first,
                    how: EndHow::Cancel,
                    ..
                },
                Task::EndBackend {
                    backend: second,
                    how: EndHow::Terminate,
                    ..
                },
            ) => first == second,
            _ => false,
        };
        let too_soon = ledger.last().is_some_and(|(at, last)| {
            *at <= when && time::since(*at, when) < grant.interval_min && !same_act(last)
        });
        ledger.push((when, task.clone()));
        let over_budget = window + 1 > usize::try_from(grant.budget).unwrap_or(usize::MAX);
        if !approved && over_budget {
            let budget = grant.budget;
            self.violate("budgets-hold", &format!("{said} is one more than {budget}"));
        } else if !approved && too_soon {
            self.violate("budgets-hold", &format!("{said} comes too soon"));
        }
        if let Task::StartRun {
            run, job, attempt, ..
        } = task
        {
            self.on_retry(when, run, job, *attempt);
        }
        self.oracle.requested.insert(action.id, task.clone());
    }

    fn on_retry(&mut self, when: Timestamp, run: &RunId, job: &JobId, attempt: u32) {
        if attempt == 1 {
            return;
        }
        self.marks.hit("retry");
        let budget = SORTS
            .iter()
            .find(|sort| sort.job == job.as_str())
            .map_or(0, |sort| sort.retries);
        if attempt > budget + 1 {
            self.violate("no-tight-loop", &format!("{run} is one attempt too many"));
        }
        let name = run.as_str();
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let before = RunId::from(format!("{stem}{}", attempt - 1));
        let ended = self.oracle.run_ended.get(&before).copied();
        let too_soon =
            ended.is_some_and(|ended| ended <= when && time::since(ended, when) < BACKOFF);
        if too_soon {
            self.violate(
                "no-tight-loop",
                &format!("{run} comes sooner than its backoff"),
            );
        }
    }

    /// An action is about to be performed.
    pub(crate) fn oracle_on_perform(&mut self, action: &Action) {
        let said = format!("{}: {}", action.id, action.task);
        match self.oracle.requested.get(&action.id) {
            Some(task) if *task == action.task => {}
            Some(_) => self.violate(
                "journalled-first",
                &format!("{said} is not what was requested"),
            ),
            None => self.violate("journalled-first", &said),
        }
        if !self.oracle.performed.insert(action.id) {
            self.marks.hit("performed twice");
        }
        if let Task::EndRun { run, .. } = &action.task {
            self.on_end_run(run, &said);
        }
    }

    fn on_end_run(&mut self, id: &RunId, said: &str) {
        let Some(run) = self.world.runs.get(id) else {
            return;
        };
        let sort = SORTS.iter().find(|sort| sort.job == run.job.as_str());
        let minutes = sort.map_or(0, |sort| sort.deadline_min);
        let deadline = i64::try_from(minutes).unwrap_or_default() * MINUTE;
        let honest = sort.is_some_and(|sort| sort.honest);
        // Some clocks jumped: then past the deadline is what the wall clock says.
        let worked = (self.now - run.started).max(self.now + self.offset - run.started);
        let in_time = worked < deadline || honest && worked < deadline + 600 * MINUTE;
        let works = run.life != Life::Hangs && !run.broken && run.ended.is_none();
        if works && in_time && !self.jumped_lately() {
            let text = format!("{said}: it works, for {} min so far", worked / MINUTE);
            self.violate("innocent-runs-live", &text);
        }
    }

    /// A session is about to be cancelled or ended.
    pub(crate) fn oracle_on_end(&mut self, named: &Backend, sess: &Sess) {
        let session = &sess.session;
        let who = format!("pid {} of role {}", session.backend.pid, session.role);
        if session.backend != *named {
            self.violate("only-what-was-named", &format!("{who} is not {named}"));
            return;
        }
        if session.superuser || !session.in_scope || session.backend_type != "client backend" {
            self.violate("only-what-was-named", &format!("{who} is nobody's to end"));
        }
        let left_over = session
            .run
            .as_ref()
            .and_then(|run| self.world.runs.get(run))
            .is_none_or(|run| !run.is_alive());
        let stray = session.run.is_some() && left_over;
        let held_up = self.world.held_up.get(named).copied();
        let held_up = held_up.is_some_and(|when| self.now - when < REQUEST_GOOD_FOR);
        if !stray && !held_up {
            self.violate("only-what-was-named", &format!("{who} holds nobody up"));
        }
        if session.run.is_none() && !role_may_be_ended(&session.role) {
            self.violate("only-what-was-named", &format!("{who} may not be ended"));
        }
    }

    /// A run is about to begin.
    pub(crate) fn oracle_on_start(&mut self, id: &RunId, job: &JobId) {
        if self.world.runs.contains_key(id) {
            self.violate("one-run-at-a-time", &format!("{id} is started twice"));
        }
        let other = self
            .world
            .runs
            .iter()
            .find(|(other, run)| run.job == *job && run.is_alive() && *other != id);
        if let Some((other, _)) = other {
            let text = format!("{id} is started over {other}");
            self.violate("one-run-at-a-time", &text);
        }
    }

    /// A message is handed out; after a crash perhaps once more.
    pub(crate) fn oracle_on_message(&mut self, message: &Message) {
        self.judge_pool_message(message);
        let Body::Operator {
            headline,
            finding: Some(finding),
            ..
        } = &message.body
        else {
            return;
        };
        let Some(incident) = message.incident else {
            return;
        };
        // Each proposal is a question of its own; each action that did not help another.
        let asks = headline.contains("waits for your word");
        if asks || finding.kind == FindingKind::ActionDidNotHelp {
            return;
        }
        let known = self
            .oracle
            .paged
            .entry((incident, finding.clone()))
            .or_insert(message.id);
        if *known != message.id {
            let text = format!("{} pages for {finding} of {incident} again", message.id);
            self.violate("paged-once", &text);
        }
    }

    /// When everything has been well for a while, nothing is open any more.
    pub(crate) fn oracle_at_rest(&mut self) {
        let record = &self.pump.state.record;
        let mut open: Vec<String> = Vec::new();
        open.extend(record.findings.keys().map(ToString::to_string));
        open.extend(record.open_actions.iter().map(ToString::to_string));
        open.extend(record.open_messages.iter().map(ToString::to_string));
        open.extend(record.open_maintenances.iter().map(ToString::to_string));
        let incidents = record.incidents.values();
        open.extend(
            incidents
                .filter(|incident| incident.status != IncidentStatus::Resolved)
                .map(|incident| format!("{} ({})", incident.id, incident.title)),
        );
        if !open.is_empty() {
            let text = format!("still open: {}", open.join(", "));
            self.violate("all-comes-to-rest", &text);
        }
    }
}
