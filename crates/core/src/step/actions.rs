//! Authority: whether what a response wants may be done, and whether it helped.
//!
//! The order of the questions is the order of their weight: is it ours at all, has it
//! been stopped, how far may we go, is the kill switch thrown, is the budget spent, was
//! the last one too recent. Every no is an event with its reason, once.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use jiff::Timestamp;

use super::Work;
use crate::action::{Action, ActionKind, EndHow, Outcome, Task};
use crate::authority::{Grant, Mode};
use crate::detect::View;
use crate::event::{What, Withheld};
use crate::finding::FindingKey;
use crate::ids::{ActionId, Observer};
use crate::record::{ActionState, Phase};
use crate::respond::{Proof, Proposal, RESPONSES, Wish, recycle_instance};
use crate::subject::Subject;
use crate::time;

/// A request to end something is good for so long, what it waits for on purpose not
/// counted: whoever performs it
/// has answered by then (the pump waits 60 s), and what it was decided on is no longer so
/// for certain. After a longer standstill it is decided anew.
const REQUEST_GOOD_FOR: Duration = Duration::from_secs(120);

/// Why a request was closed that may be made again.
const TOO_OLD: &str = "it was requested too long ago to be performed; it is decided anew";

/// When a request to end something is no longer to be performed.
fn stale_at(task: &Task, requested_at: Timestamp) -> Option<Timestamp> {
    match task {
        Task::StartRun { .. } => None,
        Task::EndRun { .. } | Task::EndBackend { .. } | Task::RecycleInstance { .. } => {
            let good_for = REQUEST_GOOD_FOR.saturating_add(task.waits_for());
            Some(time::after(requested_at, good_for))
        }
    }
}

/// When an open proposal expires, or a request grows too old: the next change that nobody
/// has to observe.
pub(super) fn next_change(view: View<'_>) -> Option<Timestamp> {
    view.record
        .open_actions
        .iter()
        .filter_map(|id| {
            let state = view.record.actions.get(id)?;
            match state.phase {
                Phase::Proposed { expires_at } => Some(expires_at),
                Phase::Requested { at } => stale_at(&state.action.task, at),
                _ => None,
            }
        })
        .min()
}

impl Work<'_> {
    /// Asks every response what it wants for the open findings of `subject`.
    pub(super) fn answer_findings(&mut self, subject: &Subject) {
        for response in RESPONSES {
            for kind in response.answers {
                let key = FindingKey {
                    kind: *kind,
                    subject: subject.clone(),
                };
                let Some(open) = self.state.record.findings.get(&key) else {
                    continue;
                };
                let wish = (response.wish)(self.view(), open);
                let at_work = self.state.record.covered_by(open);
                let wish = match (wish, at_work) {
                    (Wish::Do(proposal), Some(id)) => {
                        let rule = format!("people are at work on it ({id})");
                        Wish::Forbidden(proposal, rule)
                    }
                    (wish, _) => wish,
                };
                self.grant(wish, Some(&key));
            }
        }
    }

    /// Lets authority decide about a wish.
    pub(super) fn grant(&mut self, wish: Wish, finding: Option<&FindingKey>) {
        let (proposal, forbidden) = match wish {
            Wish::Nothing => return,
            Wish::Do(proposal) => (proposal, None),
            Wish::Forbidden(proposal, rule) => (proposal, Some(rule)),
        };
        if self.is_under_way(&proposal.task) || self.was_settled(&proposal.task, finding) {
            return;
        }
        let kind = proposal.task.kind();
        let scope = proposal.task.scope();
        let grant = self.policy.authority.grant(kind, &scope);
        if let Some(why) = forbidden
            .map(Withheld::NotOurs)
            .or_else(|| self.obstacle(&proposal.task, &grant, finding))
        {
            self.withhold(proposal, why, finding);
            return;
        }
        let action = self.action(proposal, finding);
        match grant.mode {
            Mode::Watch => {}
            Mode::Propose => {
                let expires_at = time::after(self.now, grant.proposal_ttl);
                self.emit(What::ActionProposed {
                    action: action.clone(),
                    expires_at,
                });
                self.page_proposal(&action);
            }
            Mode::Act => self.emit(What::ActionRequested {
                action,
                approved_by: None,
            }),
        }
    }

    /// The same thing is already proposed, requested, or waits for its proof; or it is a
    /// second end in a database, or a second recycling in a pool, where the first has not
    /// been proven.
    fn is_under_way(&self, task: &Task) -> bool {
        self.state.record.open_actions_of(task.kind()).any(|state| {
            let other = &state.action.task;
            let one_at_a_time = matches!(
                task.kind(),
                ActionKind::EndBackend | ActionKind::RecycleInstance
            );
            other.subject() == task.subject() || (one_at_a_time && other.scope() == task.scope())
        })
    }

    /// The very same thing was refused by a person or a last check, or expired: it is not
    /// asked for again while its finding holds.
    fn was_settled(&self, task: &Task, finding: Option<&FindingKey>) -> bool {
        let settled = |state: &ActionState| {
            state.action.task.is_same_as(task)
                && match &state.phase {
                    Phase::Closed { reason, .. } => reason != TOO_OLD,
                    Phase::Failed { outcome, .. } => matches!(outcome, Outcome::Refused(_)),
                    _ => false,
                }
        };
        match finding.and_then(|key| self.state.record.findings.get(key)) {
            Some(open) => open
                .last_action
                .and_then(|id| self.state.record.actions.get(&id))
                .is_some_and(settled),
            None => self.state.record.actions.values().rev().any(settled),
        }
    }

    fn obstacle(
        &mut self,
        task: &Task,
        grant: &Grant,
        finding: Option<&FindingKey>,
    ) -> Option<Withheld> {
        let record = &self.state.record;
        let key = (task.kind(), task.scope());
        let first_start = task.is_first_start();
        if record.stops.contains_key(&key) {
            return Some(Withheld::Stopped);
        }
        if grant.mode == Mode::Watch {
            return Some(Withheld::Watching);
        }
        if record.held.is_some() && !first_start {
            return Some(Withheld::Held);
        }
        let times = record.ledger.get(&key);
        let recent: Vec<Timestamp> = times
            .into_iter()
            .flatten()
            .map(|at| self.state.memory.at_latest(*at, self.now))
            .filter(|at| time::since(*at, self.now) < grant.window)
            .collect();
        let look_again = |work: &mut Self, at: Timestamp| {
            let subject = finding.map_or_else(|| task.scope(), |key| key.subject.clone());
            work.state.memory.timers.insert((at, subject));
        };
        if recent.len() >= usize::try_from(grant.budget).unwrap_or(usize::MAX) {
            if let Some(oldest) = recent.first() {
                look_again(self, time::after(*oldest, grant.window));
            }
            return Some(Withheld::BudgetSpent);
        }
        if let Some(last) = recent.last() {
            let free_at = time::after(*last, grant.interval_min);
            if self.now < free_at && !self.escalates(task, finding) {
                look_again(self, free_at);
                return Some(Withheld::TooSoon);
            }
        }
        None
    }

    /// The harder way with the same session: part of the same act, not a new one.
    fn escalates(&self, task: &Task, finding: Option<&FindingKey>) -> bool {
        let Task::EndBackend {
            backend,
            how: EndHow::Terminate,
            ..
        } = task
        else {
            return false;
        };
        let last = finding
            .and_then(|key| self.state.record.findings.get(key))
            .and_then(|open| open.last_action)
            .and_then(|id| self.state.record.actions.get(&id));
        last.is_some_and(|state| {
            matches!(
                &state.action.task,
                Task::EndBackend { backend: last, how: EndHow::Cancel, .. } if last == backend
            )
        })
    }

    fn withhold(&mut self, proposal: Proposal, why: Withheld, finding: Option<&FindingKey>) {
        let told = match finding.and_then(|key| self.state.record.findings.get(key)) {
            Some(open) => open.withheld == Some((proposal.task.kind(), why.clone())),
            None => self.state.record.actions.values().rev().any(|state| {
                state.action.task == proposal.task
                    && matches!(&state.phase, Phase::Withheld { why: told, .. } if *told == why)
            }),
        };
        if !told {
            let action = self.action(proposal, finding);
            self.emit(What::ActionWithheld { action, why });
        }
    }

    fn action(&self, proposal: Proposal, finding: Option<&FindingKey>) -> Action {
        let record = &self.state.record;
        let incident = finding
            .and_then(|key| record.findings.get(key))
            .and_then(|open| open.incident)
            .or_else(|| self.incident_about(&proposal.task));
        Action {
            id: ActionId(record.last.action + 1),
            task: proposal.task,
            reason: proposal.reason,
            facts: proposal.facts,
            finding: finding.cloned(),
            incident,
            decided_at_revision: record.revision,
            decided_at: self.now,
        }
    }

    /// The unresolved incident a finding-less action (a retry, the end of a broken run)
    /// belongs to.
    fn incident_about(&self, task: &Task) -> Option<crate::ids::IncidentId> {
        let (subject, scope) = (task.subject(), task.scope());
        self.state
            .record
            .incidents
            .values()
            .rev()
            .find(|incident| {
                incident.status != crate::incident::IncidentStatus::Resolved
                    && (incident.links.contains(&subject) || incident.links.contains(&scope))
            })
            .map(|incident| incident.id)
    }

    pub(super) fn approve(&mut self, action: ActionId, by: &Observer) {
        let Some(state) = self.state.record.actions.get(&action) else {
            return;
        };
        let Phase::Proposed { expires_at } = state.phase else {
            return;
        };
        let action = state.action.clone();
        let over_a_run =
            matches!(action.task, Task::StartRun { .. }) && self.has_open_run(&action.task.scope());
        if self.now >= expires_at {
            self.close(action.id, None, "it was approved too late");
        } else if over_a_run {
            self.close(action.id, None, "a run of its job is there by now");
        } else if let Some(why) = self.out_of_place(&action.task) {
            self.close(action.id, None, &why);
        } else if self.state.record.held.is_none() {
            self.emit(What::ActionRequested {
                action,
                approved_by: Some(by.clone()),
            });
        }
    }

    /// Why an instance may not be taken out now, although it might when that was proposed.
    fn out_of_place(&self, task: &Task) -> Option<String> {
        let Task::RecycleInstance { instance, .. } = task else {
            return None;
        };
        let view = self.view();
        let (pool, policy) = self.policy.pool_of(instance)?;
        let obstacle = recycle_instance::obstacle(view, pool, policy, instance)?;
        Some(format!("it cannot be done now: {}", obstacle.text()))
    }

    fn has_open_run(&self, scope: &Subject) -> bool {
        let Subject::Job(job) = scope else {
            return false;
        };
        let job = self.state.record.jobs.get(job);
        job.is_some_and(|job| !job.open_runs.is_empty())
    }

    pub(super) fn refuse(&mut self, action: ActionId, by: &Observer, reason: &str) {
        let state = self.state.record.actions.get(&action);
        if state.is_some_and(|state| matches!(state.phase, Phase::Proposed { .. })) {
            self.close(action, Some(by.clone()), reason);
        }
    }

    /// The finding a proposal answers has cleared: nobody needs it any more.
    pub(super) fn close_proposals(&mut self, finding: &FindingKey) {
        let needless: Vec<ActionId> = self
            .state
            .record
            .open_actions
            .iter()
            .filter_map(|id| self.state.record.actions.get(id))
            .filter(|state| {
                matches!(state.phase, Phase::Proposed { .. })
                    && state.action.finding.as_ref() == Some(finding)
            })
            .map(|state| state.action.id)
            .collect();
        for action in needless {
            self.close(action, None, "it is no longer needed");
        }
    }

    fn close(&mut self, action: ActionId, by: Option<Observer>, reason: &str) {
        self.emit(What::ActionClosed {
            action,
            by,
            reason: reason.into(),
        });
    }

    /// Looks whether performed actions helped, and closes proposals nobody answered.
    pub(super) fn prove_actions(&mut self) {
        let open: Vec<ActionId> = self.state.record.open_actions.iter().copied().collect();
        for id in open {
            let Some(state) = self.state.record.actions.get(&id) else {
                continue;
            };
            match &state.phase {
                Phase::Proposed { expires_at } if *expires_at <= self.now => {
                    self.close(id, None, "nobody answered in time");
                }
                Phase::Requested { at }
                    if stale_at(&state.action.task, *at).is_some_and(|at| at <= self.now) =>
                {
                    let action = state.action.clone();
                    self.close(id, None, TOO_OLD);
                    self.look_again_after(&action);
                }
                Phase::Performed { at, .. } => {
                    let at = self.state.memory.at_latest(*at, self.now);
                    let kind = state.action.task.kind();
                    let Some(response) = RESPONSES.iter().find(|r| r.kind == kind) else {
                        continue;
                    };
                    let proof = (response.proof)(self.view(), state, at);
                    self.conclude(id, proof);
                }
                _ => {}
            }
        }
    }

    fn conclude(&mut self, id: ActionId, proof: Proof) {
        let Some(action) = self
            .state
            .record
            .actions
            .get(&id)
            .map(|state| state.action.clone())
        else {
            return;
        };
        let (kind, scope) = (action.task.kind(), action.task.scope());
        match proof {
            Proof::Waiting(at) => {
                self.state.memory.timers.insert((at, action.task.subject()));
                return;
            }
            Proof::Helped(reason) => self.emit(What::ActionProven { action: id, reason }),
            Proof::Failed {
                reason,
                escalate: true,
            } => {
                let reason: String = format!("{reason}; the harder way is next");
                self.emit(What::ActionClosed {
                    action: id,
                    by: None,
                    reason,
                });
            }
            Proof::Failed {
                reason,
                escalate: false,
            } => {
                self.emit(What::ActionUnproven {
                    action: id,
                    kind,
                    scope: scope.clone(),
                    reason,
                });
            }
        }
        self.look_again_after(&action);
    }

    /// What waited for an action is looked at again: the next root of the database, the job
    /// of the run.
    fn look_again_after(&mut self, action: &Action) {
        self.touch(action.task.scope());
        self.touch(action.task.subject());
        if let Some(key) = &action.finding {
            self.touch(key.subject.clone());
        }
        let waiting: Vec<Subject> = self
            .state
            .record
            .findings
            .keys()
            .filter(|key| key.subject.database().is_some())
            .filter(|key| key.subject.database() == action.task.scope().database())
            .map(|key| key.subject.clone())
            .collect();
        self.touched.extend(waiting);
    }
}
