//! What was seen goes into the memory; what must survive a restart becomes an event.
//!
//! Facts arrive at least once and are taken once: a start, an end or an outcome the
//! record already has changes nothing.

use alloc::format;

use jiff::Timestamp;

use super::Work;
use crate::action::ActionKind;
use crate::event::What;
use crate::evidence::Fact;
use crate::ids::{ActionId, Observer, RunId};
use crate::memory::Derived;
use crate::observation::{
    ActionOutcome, Exit, Observation, Order, Origin, ProductDue, ProductState, RunExit, RunStart,
    ScheduleDue, Seen, Sight,
};
use crate::policy::Concurrency;
use crate::record::{Phase, RunState};
use crate::respond::{end_run, start_run};
use crate::subject::Subject;

impl Work<'_> {
    pub(super) fn absorb(&mut self, observation: &Observation) {
        let Observation { at, by, seen } = observation;
        let (at, now) = (*at, self.now);
        match seen {
            Seen::ScheduleDue(due) => self.take_slot(due),
            Seen::RunStart(start) => self.run_started(start),
            Seen::RunProgress(progress) => {
                if self.state.record.open_run(&progress.run).is_some() {
                    self.state.memory.see_progress(progress, at, now);
                    self.touch(Subject::Run(progress.run.clone()));
                }
            }
            Seen::RunExit(exit) => self.run_ended(exit),
            Seen::ProductDue(due) => self.product_due(due),
            Seen::ProductReport(report) => {
                if self.policy.jobs.contains_key(&report.job) {
                    let known = self.state.memory.products.get(&report.job);
                    if known.is_none_or(|(seen_at, _)| *seen_at < at) {
                        let state = (at.min(now), report.state.clone());
                        self.state.memory.products.insert(report.job.clone(), state);
                        self.note_delivery(report);
                        self.touch_asked_readiness();
                        self.touch(Subject::Job(report.job.clone()));
                    }
                }
            }
            Seen::LockWaits(picture) => {
                if self.policy.databases.contains_key(&picture.database) {
                    let touched = self.state.memory.see_waits(picture, at, now);
                    self.touched.extend(touched);
                    self.touch_components_of(&picture.database);
                    self.touch_findings_of_database(&picture.database);
                }
            }
            Seen::RunBackends(picture) => {
                if self.policy.databases.contains_key(&picture.database) {
                    let touched = self.state.memory.see_run_backends(picture, at, now);
                    self.touched.extend(touched);
                }
            }
            Seen::DatabaseLoad(load) => {
                if self.policy.databases.contains_key(&load.database) {
                    let touched = self.state.memory.see_load(load, at, now);
                    self.touched.extend(touched);
                }
            }
            Seen::Sight(sight) => self.see_sight(sight, at.min(now)),
            Seen::ActionOutcome(outcome) => self.action_ended(outcome),
            Seen::MessageOutcome(outcome) => {
                if self.state.record.open_messages.contains(&outcome.message) {
                    self.emit(What::MessageEnded {
                        message: outcome.message,
                        outcome: outcome.outcome.clone(),
                    });
                }
            }
            Seen::Order(order) => self.obey(by, order, at),
            Seen::PersonAct(done) => self.emit(What::PersonActed {
                by: by.clone(),
                act: done.act,
                about: done.about.clone(),
                from: done.from.clone(),
            }),
            Seen::CheckResult(result) => {
                self.note_failed_check(result);
                self.see_check(by, result, at);
            }
            Seen::ReadinessDue(due) => self.ask_readiness(due),
            Seen::Absence(absence) => self.was_absent(absence.since),
            Seen::Ping(ping) => self.take_ping(ping, at),
            Seen::HeartbeatChange(change) => self.change_heartbeat(by, change),
            Seen::EdgeWindow(window) => {
                self.state.memory.count_requests(window, at);
                let memory = &mut self.state.memory.edge;
                let was_seen = memory.is_fresh(now);
                let known_at = memory.seen_at();
                let touched = memory.see_window(window, self.policy, at, now);
                let is_news = memory.seen_at() != known_at;
                self.touched.extend(touched);
                if is_news {
                    self.note_failed_requests(window);
                }
                if !was_seen {
                    self.touch_all_components();
                }
            }
            Seen::Levels(levels) => {
                if self.state.memory.see_levels(levels, self.policy, at, now) {
                    self.touch(levels.of.clone());
                }
            }
            Seen::QuietWindow(window) => {
                if self.policy.pools.contains_key(&window.pool) {
                    self.state.memory.edge.see_quiet(window);
                }
            }
            Seen::CopyReport(report) => {
                let known = self.state.memory.copies.get(&report.target);
                let is_news = known.is_none_or(|(told_at, _)| *told_at < at);
                if self.policy.targets.contains(&report.target) && is_news {
                    let told = (at.min(now), report.clone());
                    let copies = &mut self.state.memory.copies;
                    copies.insert(report.target.clone(), told);
                    self.touch(Subject::Target(report.target.clone()));
                }
            }
            Seen::MaintenanceDates(told) => self.see_maintenance_dates(told, at),
            Seen::PeakDates(told) => self.see_peak_dates(told, at),
            Seen::OutsideWord(word) => self.hear_outside(word),
            Seen::QuietHours(hours) => {
                let mut people = self.policy.calling.people.iter();
                if people.any(|person| person.id == hours.person) {
                    let stretch = (hours.from, hours.until);
                    let memory = &mut self.state.memory;
                    memory.quiet.insert(hours.person.clone(), stretch);
                    memory.aftermath_due = Derived::default();
                }
            }
        }
    }

    /// Open findings about sessions of a database are judged with each new picture: a
    /// root that is gone is not in it.
    fn touch_findings_of_database(&mut self, database: &crate::ids::DatabaseId) {
        let subjects = self
            .state
            .record
            .findings
            .keys()
            .filter(|key| key.subject.database() == Some(database))
            .map(|key| key.subject.clone())
            .collect::<alloc::vec::Vec<_>>();
        self.touched.extend(subjects);
    }

    fn take_slot(&mut self, due: &ScheduleDue) {
        let ScheduleDue { job, scheduled_at } = due;
        let Some(policy) = self.policy.jobs.get(job) else {
            return;
        };
        let state = self.state.record.jobs.get(job);
        if state
            .and_then(|state| state.last_slot)
            .is_some_and(|last| last >= *scheduled_at)
        {
            return;
        }
        let (job, scheduled_at) = (job.clone(), *scheduled_at);
        let open = state.and_then(|state| state.open_runs.first().cloned());
        self.touch(Subject::Job(job.clone()));
        let Some(open) = open else {
            self.emit(What::SlotTaken { job, scheduled_at });
            return;
        };
        match policy.concurrency {
            Concurrency::Forbid => {
                let reason = format!("run {open} is still there");
                self.emit(What::SlotSkipped {
                    job,
                    scheduled_at,
                    reason,
                });
            }
            Concurrency::Queue => self.emit(What::SlotTaken { job, scheduled_at }),
            Concurrency::Replace => {
                self.emit(What::SlotTaken { job, scheduled_at });
                let reason = format!("The next slot of its job came due, and replaces run {open}.");
                let facts = alloc::vec![Fact::new("scheduled_at", scheduled_at)];
                let wish = end_run::wish_to_end(self.view(), &open, &reason, facts);
                self.grant(wish, None);
            }
        }
    }

    fn run_started(&mut self, start: &RunStart) {
        let RunStart {
            run,
            job,
            started_at,
            origin,
        } = start;
        let known = self.state.record.runs.get(run);
        if !self.policy.jobs.contains_key(job)
            || known.is_some_and(|known| {
                known.started_at.is_some() || (known.ended.is_some() && !known.did_not_start())
            })
        {
            return;
        }
        let (attempt, scheduled_at) = known.map_or((1, *started_at), |known| {
            (known.attempt, known.scheduled_at)
        });
        let origin = if known.is_some() {
            Origin::Keeper
        } else {
            *origin
        };
        self.state.memory.run_begins(run, self.now);
        self.emit(What::RunStarted {
            run: run.clone(),
            job: job.clone(),
            started_at: *started_at,
            origin,
            attempt,
            scheduled_at,
        });
        self.touch(Subject::Run(run.clone()));
        self.touch(Subject::Job(job.clone()));
        if let Some(exit) = self.state.memory.early_exits.remove(run) {
            self.run_ended(&exit);
        }
    }

    fn run_ended(&mut self, exit: &RunExit) {
        let RunExit {
            run,
            job,
            ended_at,
            exit,
        } = exit;
        let awaited = *exit == Exit::Lost && self.is_to_be_started(run);
        match self.state.record.runs.get(run) {
            // Nothing knows of it because it was not begun yet: whoever is to start it says.
            Some(_) if awaited => return,
            Some(RunState { ended: None, .. }) => {}
            Some(known) if !known.did_not_start() => return,
            // It is told to begin in a moment: observations overtake each other.
            _ if self.policy.jobs.contains_key(job) => {
                self.state.memory.keep_early_exit(&RunExit {
                    run: run.clone(),
                    job: job.clone(),
                    ended_at: *ended_at,
                    exit: exit.clone(),
                });
                return;
            }
            _ => return,
        }
        let ended_by = self
            .state
            .record
            .actions
            .values()
            .rev()
            .find(|state| {
                matches!(&state.action.task, crate::action::Task::EndRun { run: r, .. } if r == run)
                    && !matches!(state.phase, Phase::Withheld { .. } | Phase::Closed { .. })
            })
            .map(|state| state.action.id);
        self.emit(What::RunEnded {
            run: run.clone(),
            job: job.clone(),
            ended_at: *ended_at,
            exit: exit.clone(),
            ended_by,
        });
        self.state.memory.forget_run(run);
        self.touch(Subject::Run(run.clone()));
        self.touch(Subject::Job(job.clone()));
    }

    /// Its start is requested, and neither it nor an answer has been seen.
    fn is_to_be_started(&self, run: &RunId) -> bool {
        let record = &self.state.record;
        let unseen = record
            .open_run(run)
            .is_some_and(|state| state.started_at.is_none());
        unseen
            && record.open_actions_of(ActionKind::StartRun).any(|state| {
                state.action.task.subject() == Subject::Run(run.clone())
                    && matches!(state.phase, Phase::Requested { .. })
            })
    }

    fn product_due(&mut self, due: &ProductDue) {
        let known = self
            .state
            .record
            .jobs
            .get(&due.job)
            .and_then(|job| job.last_due);
        if !self.policy.jobs.contains_key(&due.job) || known >= Some(due.due_at) {
            return;
        }
        self.emit(What::ProductExpected {
            job: due.job.clone(),
            due_at: due.due_at,
            fresh_since: due.fresh_since,
        });
        self.touch(Subject::Job(due.job.clone()));
    }

    fn note_delivery(&mut self, report: &crate::observation::ProductReport) {
        let policy = self
            .policy
            .jobs
            .get(&report.job)
            .and_then(|job| job.product.as_ref());
        let job = self.state.record.jobs.get(&report.job);
        let (
            Some(policy),
            ProductState::Present {
                bytes,
                modified_at,
                rows,
                ..
            },
        ) = (policy, &report.state)
        else {
            return;
        };
        let fresh_since = job
            .and_then(|job| job.expected.as_ref())
            .map(|expected| expected.fresh_since);
        let known = job.and_then(|job| job.delivered);
        let whole =
            crate::detect::product_missing::flaw(&report.state, policy, fresh_since).is_none();
        if whole && (known != Some(*modified_at) || fresh_since.is_some()) {
            self.emit(What::ProductDelivered {
                job: report.job.clone(),
                modified_at: *modified_at,
                bytes: *bytes,
                rows: *rows,
            });
        }
    }

    fn see_sight(&mut self, sight: &Sight, at: Timestamp) {
        let known = self.state.memory.sight_at.get(&sight.of);
        if known.is_some_and(|known| at < *known) {
            return;
        }
        self.state.memory.sight_at.insert(sight.of.clone(), at);
        match &sight.blind {
            Some(why) => {
                let known = self
                    .state
                    .memory
                    .blind
                    .get(&sight.of)
                    .map(|(since, _)| *since);
                let since = known.unwrap_or(at);
                self.state
                    .memory
                    .blind
                    .insert(sight.of.clone(), (since, why.clone()));
            }
            None => {
                self.state.memory.blind.remove(&sight.of);
            }
        }
        self.touch(sight.of.clone());
        if let Subject::Database(database) = &sight.of {
            self.touch_components_of(database);
        }
    }

    fn action_ended(&mut self, ended: &ActionOutcome) {
        let ActionOutcome {
            action,
            outcome,
            evidence,
        } = ended;
        let Some(state) = self.state.record.actions.get(action) else {
            return;
        };
        if !matches!(state.phase, Phase::Requested { .. }) {
            return;
        }
        let task = state.action.task.clone();
        self.emit(What::ActionEnded {
            action: *action,
            outcome: outcome.clone(),
            evidence: evidence.clone(),
        });
        self.touch(task.subject());
        self.touch(task.scope());
        self.end_broken_run(*action);
    }

    fn end_broken_run(&mut self, action: ActionId) {
        let Some(ended) = self.state.record.actions.get(&action) else {
            return;
        };
        if let Some((run, wish)) = end_run::broken_run(self.view(), ended) {
            self.touch(Subject::Run(run));
            self.grant(wish, None);
        }
    }

    fn obey(&mut self, by: &Observer, order: &Order, at: Timestamp) {
        match order {
            Order::Approve { action } => self.approve(*action, by),
            Order::Refuse { action, reason } => self.refuse(*action, by, reason),
            Order::HoldActions { reason } => {
                if self.state.record.held.is_none() {
                    self.emit(What::ActionsHeld {
                        by: by.clone(),
                        reason: reason.clone(),
                    });
                }
            }
            Order::ReleaseActions { reason } => {
                if self.state.record.held.is_some() {
                    self.emit(What::ActionsReleased {
                        by: by.clone(),
                        reason: reason.clone(),
                    });
                    self.touch_all_findings();
                }
            }
            Order::Acknowledge { incident } => {
                if self.state.record.incidents.contains_key(incident) {
                    self.emit(What::IncidentAcknowledged {
                        incident: *incident,
                        by: by.clone(),
                    });
                }
            }
            Order::Tell(tell) => self.tell_as_ordered(by, tell),
            Order::Correct(correct) => self.correct_as_ordered(by, correct),
            Order::ApproveWord { incident } => self.approve_word(*incident, by),
            Order::RefuseWord { incident, reason } => self.refuse_word(*incident, by, reason),
            Order::Postmortem { incident, change } => {
                self.change_postmortem(by, *incident, change);
            }
            Order::Notice {
                incident,
                regime,
                change,
            } => self.change_clock(by, *incident, *regime, change),
            Order::StartJob { job } => {
                let open = self
                    .state
                    .record
                    .jobs
                    .get(job)
                    .map(|job| job.open_runs.is_empty());
                if self.policy.jobs.contains_key(job) && open != Some(false) {
                    let second = Timestamp::from_second(at.as_second()).unwrap_or(at);
                    let run = start_run::run_id(job, second, 1);
                    if !self.state.record.runs.contains_key(&run) {
                        self.emit(What::SlotTaken {
                            job: job.clone(),
                            scheduled_at: second,
                        });
                        self.touch(Subject::Job(job.clone()));
                    }
                }
            }
            Order::Edge(change) => {
                let idle = self.state.record.is_in_force(change);
                if self.policy.lacks(change).is_none() && !idle {
                    self.emit(What::EdgeOrdered {
                        change: change.clone(),
                        by: by.clone(),
                    });
                }
            }
            Order::Maintenance(order) => self.order_maintenance(by, order),
            Order::LiftStop { kind, scope } => {
                if self
                    .state
                    .record
                    .stops
                    .contains_key(&(*kind, scope.clone()))
                {
                    self.emit(What::StopLifted {
                        kind: *kind,
                        scope: scope.clone(),
                        by: by.clone(),
                    });
                    self.touch(scope.clone());
                    self.touch_all_findings();
                }
            }
        }
    }

    fn touch_all_findings(&mut self) {
        let subjects: alloc::vec::Vec<Subject> = self
            .state
            .record
            .findings
            .keys()
            .map(|key| key.subject.clone())
            .collect();
        self.touched.extend(subjects);
        let jobs: alloc::vec::Vec<Subject> = self
            .state
            .record
            .jobs
            .keys()
            .cloned()
            .map(Subject::Job)
            .collect();
        self.touched.extend(jobs);
    }
}
