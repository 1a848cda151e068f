//! How each event changes the record.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use jiff::Timestamp;

use super::{
    ActionState, Asked, ComponentState, DURATIONS_KEPT, Ended, Expected, Held, KEPT_ENDED,
    MessageState, OpenFinding, Phase, Record, RunState, Slot,
};
use crate::action::{Action, Outcome, Task};
use crate::event::{Event, What};
use crate::finding::{Finding, FindingKey, FindingKind, Severity};
use crate::ids::{ActionId, ComponentId, IncidentId, JobId, MessageId, RunId};
use crate::incident::{Incident, IncidentStatus};
use crate::message::{Body, Message};
use crate::observation::{Exit, Origin};
use crate::status::Status;
use crate::time;

impl Record {
    /// Folds one event in. Never fails: an event about something the record has let go
    /// of changes nothing but the revision.
    pub fn apply(&mut self, event: &Event) {
        self.revision += 1;
        let at = event.at;
        self.note_end(&event.what, at);
        match &event.what {
            What::SlotTaken { job, scheduled_at } => self.take_slot(job, *scheduled_at),
            What::SlotSkipped {
                job,
                scheduled_at,
                reason,
            } => {
                let job = self.job(job);
                job.last_slot = job.last_slot.max(Some(*scheduled_at));
                job.skipped = Some((*scheduled_at, reason.clone()));
            }
            What::RunStarted {
                run,
                job,
                started_at,
                origin,
                attempt,
                scheduled_at,
            } => {
                self.start_run(run, job, *origin, *attempt, *scheduled_at, at)
                    .started_at = Some(*started_at);
                self.job(job).skipped = None;
            }
            What::RunEnded {
                run,
                job,
                ended_at,
                exit,
                ended_by,
            } => {
                let ended = Ended {
                    at: *ended_at,
                    exit: exit.clone(),
                    by: *ended_by,
                };
                self.end_run(run, job, ended);
            }
            What::ProductExpected {
                job,
                due_at,
                fresh_since,
            } => {
                let job = self.job(job);
                job.last_due = job.last_due.max(Some(*due_at));
                job.expected = Some(Expected {
                    due_at: *due_at,
                    fresh_since: *fresh_since,
                });
            }
            What::ProductDelivered {
                job, modified_at, ..
            } => {
                let job = self.job(job);
                job.expected = None;
                job.delivered = Some(*modified_at);
            }
            What::FindingOpened { finding } => {
                self.open_finding(finding, at);
                self.turn_heartbeat(&finding.key, at);
            }
            What::FindingUpdated { finding } => self.update_finding(finding, at),
            What::FindingCleared { key, .. } => {
                self.clear_finding(key, at);
                self.turn_heartbeat(key, at);
            }
            What::IncidentOpened {
                incident,
                title,
                severity,
                finding,
            } => {
                self.last.incident = self.last.incident.max(incident.0);
                self.incidents
                    .insert(*incident, new_incident(*incident, title, *severity, at));
                self.join(*incident, finding, at);
                self.forget_incidents();
            }
            What::IncidentUpdated {
                incident,
                title,
                severity,
                finding,
            } => {
                if let Some(state) = self.incidents.get_mut(incident) {
                    state.title.clone_from(title);
                    state.severity = *severity;
                }
                if let Some(finding) = finding {
                    self.join(*incident, finding, at);
                }
            }
            What::IncidentStatusChanged {
                incident, from, to, ..
            } => {
                if let Some(state) = self.incidents.get_mut(incident) {
                    state.status = *to;
                    state.status_since = at;
                    state.resolved_at = (*to == IncidentStatus::Resolved).then_some(at);
                    if *from == IncidentStatus::Resolved {
                        state.reopened_count += 1;
                    }
                    state.evidence_turned(*to);
                }
            }
            What::IncidentAcknowledged { incident, by } => {
                if let Some(state) = self.incidents.get_mut(incident) {
                    state.acknowledged_by = Some(by.as_str().into());
                }
            }
            What::ComponentStatusChanged {
                component,
                to,
                reason,
                ..
            } => {
                let state = self
                    .components
                    .entry(component.clone())
                    .or_insert_with(|| ComponentState::new(at));
                state.turn(*to, at);
                state.reason.clone_from(reason);
            }
            What::ActionRequested {
                action,
                approved_by,
            } => {
                self.request(action, at);
                self.set_action(action, Phase::Requested { at });
                if let Some(state) = self.actions.get_mut(&action.id) {
                    state.approved_by.clone_from(approved_by);
                }
            }
            What::ActionProposed { action, expires_at } => {
                self.set_action(
                    action,
                    Phase::Proposed {
                        expires_at: *expires_at,
                    },
                );
            }
            What::ActionWithheld { action, why } => {
                if let Some(open) = action
                    .finding
                    .as_ref()
                    .and_then(|key| self.findings.get_mut(key))
                {
                    open.withheld = Some((action.task.kind(), why.clone()));
                }
                self.set_action(
                    action,
                    Phase::Withheld {
                        at,
                        why: why.clone(),
                    },
                );
            }
            What::ActionClosed { action, reason, .. } => {
                self.set_phase(
                    *action,
                    Phase::Closed {
                        at,
                        reason: reason.clone(),
                    },
                );
            }
            What::ActionEnded {
                action,
                outcome,
                evidence,
            } => {
                self.end_action(*action, outcome, evidence.as_ref(), at);
            }
            What::ActionProven { action, reason } => {
                let outcome = self.outcome_of(*action);
                self.set_phase(
                    *action,
                    Phase::Proven {
                        at,
                        outcome,
                        reason: reason.clone(),
                    },
                );
            }
            What::ActionUnproven {
                action,
                kind,
                scope,
                reason,
            } => {
                let outcome = self.outcome_of(*action);
                self.set_phase(
                    *action,
                    Phase::Unproven {
                        at,
                        outcome,
                        reason: reason.clone(),
                    },
                );
                self.stops.insert((*kind, scope.clone()), *action);
            }
            What::StopLifted { kind, scope, .. } => {
                self.stops.remove(&(*kind, scope.clone()));
            }
            What::ActionsHeld { by, reason } => {
                self.held = Some(Held {
                    by: by.clone(),
                    reason: reason.clone(),
                    since: at,
                });
            }
            What::ActionsReleased { .. } => self.held = None,
            What::MessageRequested { message } => self.request_message(message),
            What::WordProposed { .. } | What::WordWithdrawn { .. } | What::PromiseMissed { .. } => {
                self.fold_word(&event.what, at)
            }
            What::MaintenancePlanned { .. }
            | What::MaintenanceChanged { .. }
            | What::MaintenanceTurned { .. }
            | What::MaintenanceReminded { .. }
            | What::MaintenanceOverdue { .. }
            | What::PeakDated { .. } => self.fold_maintenance(&event.what, at),
            What::PostmortemDrafted { .. }
            | What::PostmortemWritten { .. }
            | What::MeasureAdded { .. }
            | What::MeasureChanged { .. }
            | What::PostmortemPublished { .. }
            | What::Reminded { .. }
            | What::NoticeClockStarted { .. }
            | What::NoticeClockStopped { .. }
            | What::NoticeGiven { .. } => self.fold_aftermath(&event.what, at),
            What::MessageEnded { message, outcome } => {
                if let Some(state) = self.messages.get_mut(message) {
                    state.outcome = Some(outcome.clone());
                    let incident = state.message.incident;
                    if let Body::Operator { to: Some(to), .. } = &state.message.body
                        && let Some(incident) = incident.and_then(|id| self.incidents.get_mut(&id))
                    {
                        let unreached = &mut incident.calls.unreached;
                        match outcome.is_good() {
                            true => unreached.remove(to),
                            false => unreached.insert(to.clone()),
                        };
                    }
                }
                self.open_messages.remove(message);
                self.forget_messages();
            }
            What::OutageLearned {
                incident,
                since,
                until,
                components,
                ..
            } => {
                self.last.incident = self.last.incident.max(incident.0);
                for (id, status) in components {
                    if let Some(component) = self.components.get_mut(id) {
                        component.was(*status, *since, *until);
                    }
                }
                let title = "The service could not be reached from outside";
                let state = Incident {
                    status: IncidentStatus::Resolved,
                    status_since: *until,
                    resolved_at: Some(*until),
                    quiet_since: Some(*until),
                    harmed: components.clone(),
                    ..new_incident(*incident, title, Severity::Critical, *since)
                };
                self.incidents.insert(*incident, state);
                self.forget_incidents();
            }
            // What people did is for reading: nothing is decided on it.
            What::PersonActed { .. } => {}
            What::Unobserved { since } => {
                for state in self.components.values_mut() {
                    state.was(Status::Unknown, *since, at);
                }
            }
            What::ReadinessAsked {
                readiness,
                due_at,
                rehearsal,
            } => {
                let state = self.readiness.entry(readiness.clone()).or_default();
                let newest = if *rehearsal {
                    &mut state.last_rehearsed
                } else {
                    &mut state.last_due
                };
                *newest = (*newest).max(Some(*due_at));
                state.asked = Some(Asked {
                    due_at: *due_at,
                    rehearsal: *rehearsal,
                });
            }
            What::ReadinessHeld {
                readiness,
                due_at,
                rehearsal,
            } => {
                let state = self.readiness.entry(readiness.clone()).or_default();
                state.asked = None;
                if !rehearsal {
                    state.last_held = Some((*due_at, at));
                }
            }
            What::PingReceived { .. }
            | What::HeartbeatCreated { .. }
            | What::HeartbeatUpdated { .. }
            | What::HeartbeatDeleted { .. }
            | What::HeartbeatPaused { .. }
            | What::HeartbeatResumed { .. }
            | What::HeartbeatScheduled { .. } => self.fold_heartbeat(&event.what, at),
            What::EdgeOrdered { change, .. } => self.order_edge(change, at),
        }
        self.note_turn(&event.what, at);
    }

    fn job(&mut self, job: &JobId) -> &mut super::JobState {
        self.jobs.entry(job.clone()).or_default()
    }

    fn take_slot(&mut self, job: &JobId, scheduled_at: Timestamp) {
        let state = self.job(job);
        state.last_slot = state.last_slot.max(Some(scheduled_at));
        if state.open_runs.is_empty() {
            state.slot = Some(Slot {
                scheduled_at,
                attempts: 0,
                failed_at: None,
                failed_with: None,
            });
            state.queued = None;
        } else {
            state.queued = Some(scheduled_at);
        }
    }

    fn start_run(
        &mut self,
        run: &RunId,
        job: &JobId,
        origin: Origin,
        attempt: u32,
        scheduled_at: Timestamp,
        at: Timestamp,
    ) -> &mut RunState {
        // A start that was said to have failed, and the run is there all the same.
        let was_there = self
            .runs
            .get_mut(run)
            .is_some_and(|state| state.did_not_start() && state.ended.take().is_some());
        if was_there || !self.runs.contains_key(run) {
            let state = self.job(job);
            state.open_runs.insert(run.clone());
            match &mut state.slot {
                Some(slot) if slot.scheduled_at == scheduled_at => {
                    slot.attempts = slot.attempts.max(attempt);
                    slot.failed_at = None;
                    slot.failed_with = None;
                }
                slot => {
                    *slot = Some(Slot {
                        scheduled_at,
                        attempts: attempt,
                        failed_at: None,
                        failed_with: None,
                    });
                }
            }
        }
        self.runs.entry(run.clone()).or_insert_with(|| RunState {
            job: job.clone(),
            scheduled_at,
            attempt,
            origin,
            requested_at: at,
            started_at: None,
            ended: None,
            evidence: Default::default(),
        })
    }

    fn end_run(&mut self, run: &RunId, job: &JobId, ended: Ended) {
        let success = ended.exit.is_success();
        let Some(state) = self.runs.get_mut(run).filter(|state| state.ended.is_none()) else {
            return;
        };
        let lasted = state
            .started_at
            .map(|started| time::since(started, ended.at));
        let scheduled_at = state.scheduled_at;
        state.ended = Some(ended.clone());
        let state = self.job(job);
        state.open_runs.remove(run);
        state.last_run = Some(run.clone());
        if success && let Some(lasted) = lasted {
            state.durations.push_back(lasted);
            if state.durations.len() > DURATIONS_KEPT {
                state.durations.pop_front();
            }
        }
        if state
            .slot
            .as_ref()
            .is_some_and(|slot| slot.scheduled_at == scheduled_at)
        {
            if success {
                state.slot = None;
            } else if let Some(slot) = &mut state.slot {
                slot.failed_at = Some(ended.at);
                slot.failed_with = Some(ended.exit);
            }
        }
        if state.open_runs.is_empty()
            && let Some(scheduled_at) = state.queued.take()
        {
            state.slot = Some(Slot {
                scheduled_at,
                attempts: 0,
                failed_at: None,
                failed_with: None,
            });
        }
        self.forget_runs();
    }

    fn open_finding(&mut self, finding: &Finding, at: Timestamp) {
        self.findings.insert(
            finding.key.clone(),
            OpenFinding {
                finding: finding.clone(),
                opened_at: at,
                incident: None,
                withheld: None,
                last_action: None,
            },
        );
    }

    fn update_finding(&mut self, finding: &Finding, at: Timestamp) {
        let Some(open) = self.findings.get_mut(&finding.key) else {
            return;
        };
        open.finding = finding.clone();
        if let Some(incident) = open.incident {
            self.join(incident, &finding.key, at);
        }
    }

    fn clear_finding(&mut self, key: &FindingKey, at: Timestamp) {
        let Some(incident) = self.findings.remove(key).and_then(|open| open.incident) else {
            return;
        };
        if let Some(state) = self.incidents.get_mut(&incident) {
            state.open_findings.remove(key);
            if state.open_findings.is_empty() {
                state.quiet_since = Some(at);
            }
            state.cleared_findings.insert(key.clone());
            // It clears when somebody lifts the stop: the next one is a question of its own.
            if key.kind == FindingKind::ActionDidNotHelp {
                state.paged.remove(key);
            }
            while state.cleared_findings.len() > 64 {
                state.cleared_findings.pop_first();
            }
        }
    }

    fn join(&mut self, incident: IncidentId, key: &FindingKey, at: Timestamp) {
        let Some(open) = self.findings.get_mut(key) else {
            return;
        };
        if !self.incidents.contains_key(&incident) {
            return;
        }
        open.incident = Some(incident);
        // What a maintenance covers is none of it.
        let open = &self.findings[key];
        let hurt: Vec<(ComponentId, Status)> = self
            .uncovered(open)
            .filter(|(_, status)| status.is_harm())
            .map(|(component, status)| (component.clone(), status))
            .collect();
        let (Some(open), Some(state)) = (self.findings.get(key), self.incidents.get_mut(&incident))
        else {
            return;
        };
        state.open_findings.insert(key.clone());
        state.quiet_since = None;
        state.cleared_findings.remove(key);
        state.links.insert(key.subject.clone());
        state.links.extend(open.finding.links.iter().cloned());
        // One that returns begins anew: how long it hurt before says nothing of now.
        if state.status == IncidentStatus::Resolved {
            state.harm_since = None;
        }
        for (component, status) in hurt {
            state.harm_since.get_or_insert(at);
            let worst = state.harmed.entry(component).or_insert(Status::Operational);
            *worst = (*worst).max(status);
        }
    }

    fn request(&mut self, action: &Action, at: Timestamp) {
        let times = self
            .ledger
            .entry((action.task.kind(), action.task.scope()))
            .or_default();
        times.push_back(at);
        if times.len() > KEPT_ENDED {
            times.pop_front();
        }
        if let Task::StartRun {
            run,
            job,
            scheduled_at,
            attempt,
        } = &action.task
        {
            self.start_run(run, job, Origin::Keeper, *attempt, *scheduled_at, at);
        }
    }

    fn set_action(&mut self, action: &Action, phase: Phase) {
        self.last.action = self.last.action.max(action.id.0);
        if !matches!(phase, Phase::Withheld { .. })
            && let Some(open) = action
                .finding
                .as_ref()
                .and_then(|key| self.findings.get_mut(key))
        {
            open.last_action = Some(action.id);
            open.withheld = None;
        }
        let taken_out = self.taken_out_by(action.id);
        self.actions.insert(
            action.id,
            ActionState {
                action: action.clone(),
                phase: phase.clone(),
                approved_by: None,
                evidence: None,
            },
        );
        self.set_phase(action.id, phase);
        self.note_plan(taken_out, self.taken_out_by(action.id));
    }

    fn set_phase(&mut self, action: ActionId, phase: Phase) {
        if phase.is_open() {
            self.open_actions.insert(action);
        } else {
            self.open_actions.remove(&action);
        }
        let taken_out = self.taken_out_by(action);
        if let Some(state) = self.actions.get_mut(&action) {
            state.phase = phase;
        }
        self.note_plan(taken_out, self.taken_out_by(action));
        forget(&mut self.actions, &self.open_actions);
    }

    fn outcome_of(&self, action: ActionId) -> Outcome {
        match self.actions.get(&action).map(|state| &state.phase) {
            Some(
                Phase::Performed { outcome, .. }
                | Phase::Proven { outcome, .. }
                | Phase::Unproven { outcome, .. }
                | Phase::Failed { outcome, .. },
            ) => outcome.clone(),
            _ => Outcome::NothingToDo(alloc::string::String::from("it was not performed")),
        }
    }

    fn end_action(
        &mut self,
        action: ActionId,
        outcome: &Outcome,
        evidence: Option<&crate::evidence::KeptEvidence>,
        at: Timestamp,
    ) {
        let phase = if outcome.is_good() {
            Phase::Performed {
                at,
                outcome: outcome.clone(),
            }
        } else {
            Phase::Failed {
                at,
                outcome: outcome.clone(),
            }
        };
        self.set_phase(action, phase);
        let Some(state) = self.actions.get_mut(&action) else {
            return;
        };
        state.evidence = evidence.cloned();
        let run = match &state.action.task {
            Task::StartRun { run, .. } | Task::EndRun { run, .. } => Some(run.clone()),
            Task::EndBackend { run, .. } => run.clone(),
            Task::RecycleInstance { .. } => None,
        };
        let task_failed_to_start =
            matches!(state.action.task, Task::StartRun { .. }) && !outcome.is_good();
        if let (Some(evidence), Some(run)) = (
            evidence,
            run.as_ref().and_then(|run| self.runs.get_mut(run)),
        ) {
            run.evidence.push_back(evidence.clone());
            if run.evidence.len() > 8 {
                run.evidence.pop_front();
            }
        }
        if let (true, Some(run)) = (task_failed_to_start, run)
            && let Some(state) = self.open_run(&run)
            && state.started_at.is_none()
        {
            let job = state.job.clone();
            let exit = Exit::NotStarted(outcome.text().into());
            self.end_run(&run, &job, Ended { at, exit, by: None });
        }
    }

    fn request_message(&mut self, message: &Message) {
        self.last.message = self.last.message.max(message.id.0);
        self.open_messages.insert(message.id);
        self.messages.insert(
            message.id,
            MessageState {
                message: message.clone(),
                outcome: None,
            },
        );
        if let Body::Maintenance(word) = &message.body {
            return self.keep_maintenance_word(message.id, message.at, word);
        }
        let Some(incident) = message.incident.and_then(|id| self.incidents.get_mut(&id)) else {
            return;
        };
        match &message.body {
            Body::Maintenance(_) => {}
            Body::Operator {
                finding,
                to,
                severity,
                ..
            } => {
                if *severity == Severity::Critical {
                    incident.paged.extend(finding.iter().cloned());
                }
                if let Some(person) = to {
                    let calls = &mut incident.calls;
                    calls.tell(person, finding.as_ref(), *severity, message.at);
                }
            }
            Body::Public { .. } => self.tell_publicly(message),
        }
    }

    fn forget_incidents(&mut self) {
        while self.incidents.len() > KEPT_ENDED {
            let over = self
                .incidents
                .values()
                .filter(|incident| incident.status == IncidentStatus::Resolved)
                .map(|incident| incident.id);
            // What was published, and what is still to be done, is kept longest.
            let oldest = over.min_by_key(|id| (self.is_of_use(*id), *id));
            match oldest {
                Some(id) => {
                    self.incidents.remove(&id);
                    self.aftermath.remove(&id);
                }
                None => return,
            };
        }
    }

    /// Messages about an incident that is still shown are kept with it.
    fn forget_messages(&mut self) {
        while self.messages.len() > 4 * KEPT_ENDED {
            let oldest: Option<MessageId> = self
                .messages
                .keys()
                .find(|id| !self.open_messages.contains(id))
                .copied();
            match oldest {
                Some(id) => self.messages.remove(&id),
                None => return,
            };
        }
    }

    fn forget_runs(&mut self) {
        while self.runs.len() > KEPT_ENDED {
            let oldest = self
                .runs
                .iter()
                .filter(|(_, state)| state.ended.is_some())
                .min_by_key(|(_, state)| state.requested_at)
                .map(|(run, _)| run.clone());
            match oldest {
                Some(run) => self.runs.remove(&run),
                None => return,
            };
        }
    }
}

fn forget(actions: &mut BTreeMap<ActionId, ActionState>, open: &BTreeSet<ActionId>) {
    while actions.len() > KEPT_ENDED {
        match actions.keys().find(|id| !open.contains(id)).copied() {
            Some(id) => actions.remove(&id),
            None => return,
        };
    }
}

fn new_incident(id: IncidentId, title: &str, severity: Severity, at: Timestamp) -> Incident {
    Incident {
        id,
        title: title.into(),
        status: IncidentStatus::Investigating,
        severity,
        opened_at: at,
        status_since: at,
        resolved_at: None,
        quiet_since: None,
        reopened_count: 0,
        harm_since: None,
        harmed: BTreeMap::new(),
        links: BTreeSet::new(),
        open_findings: BTreeSet::new(),
        cleared_findings: BTreeSet::new(),
        paged: BTreeSet::new(),
        last_word: None,
        said: None,
        promise: None,
        pending: None,
        acknowledged_by: None,
        calls: Default::default(),
    }
}
