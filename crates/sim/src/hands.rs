//! Hands: what is done to the world, with the checks the real guards make, and every way
//! in which doing goes wrong.
//!
//! An effect takes a while, fails, is not answered, or is followed by a crash before its
//! outcome is known; then it is asked for again. Twice must do no harm.

use evenkeel_core::action::{Action, EndHow, Outcome, Task};
use evenkeel_core::evidence::{EvidenceItem, EvidenceKind, KeptEvidence};
use evenkeel_core::ids::{ActionId, EvidenceId, MessageId, RunId};
use evenkeel_core::observation::{
    ActionOutcome, Exit, MessageOutcome, Observation, Origin, Seen, SessionState,
};
use evenkeel_core::subject::Backend;

use crate::canaries::Canary;
use crate::clock::{MINUTE, Ms, SECOND};
use crate::oracle::Truth;
use crate::sim::{Happening, Sim};
use crate::world::run::{Ended, Plan, Run};

/// How an attempt to do something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Works,
    /// It is refused before anything happens.
    Fails,
    /// It happens, and nobody answers in time.
    Unanswered,
}

impl Sim {
    pub(crate) fn performs(&mut self, action: Action) {
        let fate = match self.rng.u8(..100) {
            0..5 if self.weather.troubled => Fate::Fails,
            5..7 if self.weather.troubled && !matches!(action.task, Task::StartRun { .. }) => {
                Fate::Unanswered
            }
            _ => Fate::Works,
        };
        self.note(|| format!("hands: take up {}: {} ({fate:?})", action.id, action.task));
        let epoch = self.epoch;
        let soon = self.t
            + self
                .rng
                .i64(10..if self.weather.troubled { 900 } else { 200 });
        self.at(soon, Happening::Effect(Box::new(action), fate, epoch));
    }

    pub(crate) fn effect(&mut self, action: &Action, fate: Fate, epoch: u64) {
        let begun = matches!(action.task, Task::StartRun { .. }) && self.rng.u8(..3) == 0;
        if epoch != self.epoch && !begun {
            return;
        }
        let claimed = match &action.task {
            Task::StartRun { run, .. } => self.world.runs.contains_key(run),
            _ => false,
        };
        if fate == Fate::Fails && !claimed {
            self.marks.hit("an action fails");
            self.answer(
                action.id,
                Outcome::Failed("the server refused".into()),
                10,
                epoch,
            );
            return;
        }
        self.oracle.about_to_act(action, self.t);
        let (outcome, takes) = match &action.task {
            Task::StartRun {
                run,
                job,
                scheduled_at,
                ..
            } => {
                let run = match self.canary {
                    // A hand whose claim on the run's name is lost.
                    Some(Canary::StartsTwice) if self.world.runs.contains_key(run) => {
                        &RunId::from(format!("{run}-again"))
                    }
                    _ => run,
                };
                match self.begin_run(run, job, *scheduled_at, Origin::Keeper) {
                    true => (Outcome::Done(format!("run {run} was started")), 30),
                    false => (
                        Outcome::NothingToDo(format!("run {run} was started already")),
                        5,
                    ),
                }
            }
            Task::EndRun { run, grace, .. } => self.end_run(action, run, grace.as_millis() as Ms),
            Task::EndBackend {
                backend,
                xact_start,
                how,
                ..
            } => self.end_backend(action, backend, *xact_start, *how),
        };
        self.counts.actions += 1;
        if self.weather.dies_after_effect && epoch == self.epoch {
            self.weather.dies_after_effect = false;
            self.marks
                .hit("a crash after the effect, before the outcome");
            self.crash("after an effect");
            return;
        }
        if fate == Fate::Unanswered {
            self.marks.hit("an action is not answered");
            let why = "the guard did not answer within 60 s; whether it was done is not known";
            self.answer(action.id, Outcome::Failed(why.into()), MINUTE, epoch);
        } else {
            let after = takes + self.rng.i64(1..100);
            self.answer(action.id, outcome, after, epoch);
        }
    }

    fn answer(&mut self, action: ActionId, outcome: Outcome, after: Ms, epoch: u64) {
        self.note(|| format!("hands: {action}: {outcome:?}"));
        let ends = matches!(outcome, Outcome::Done(_)) && self.rng.bool();
        let evidence = ends.then(|| KeptEvidence {
            id: EvidenceId::from(action.to_string()),
            items: vec![EvidenceItem {
                kind: EvidenceKind::Processes,
                bytes: 1200,
                gap: None,
            }],
        });
        let seen = Seen::ActionOutcome(ActionOutcome {
            action,
            outcome,
            evidence,
        });
        self.tell_later(seen, after, epoch);
    }

    fn tell_later(&mut self, seen: Seen, after: Ms, epoch: u64) {
        let at = self.clock.wall(self.t + after);
        let observation = Observation {
            at,
            by: "pump".into(),
            seen,
        };
        if self.weather.troubled && self.rng.u8(..40) == 0 {
            let again = Box::new(observation.clone());
            let later = self.t + after + self.rng.i64(1..5 * SECOND);
            self.at(later, Happening::Arrives(again, epoch));
        }
        self.at(
            self.t + after,
            Happening::Arrives(Box::new(observation), epoch),
        );
    }

    fn end_backend(
        &mut self,
        action: &Action,
        backend: &Backend,
        xact_start: Option<evenkeel_core::Timestamp>,
        how: EndHow,
    ) -> (Outcome, Ms) {
        let pid = backend.pid;
        let Some(db) = self.world.dbs.get_mut(&backend.database) else {
            return (Outcome::Refused("there is no such database".into()), 1);
        };
        if let Some(why) = &db.unreachable {
            return (Outcome::Failed(format!("the server refused: {why}")), 50);
        }
        let Some(session) = db.sessions.get(&pid) else {
            return (
                Outcome::NothingToDo(format!("backend {pid} is gone already")),
                5,
            );
        };
        let shown = &session.shown;
        if self.canary != Some(Canary::EndsByPid) {
            if shown.backend != *backend {
                return (
                    Outcome::NothingToDo(format!("another session has pid {pid} now")),
                    5,
                );
            }
            if xact_start.is_some() && shown.xact_start != xact_start {
                return (
                    Outcome::Refused("it is in another transaction by now".into()),
                    5,
                );
            }
        }
        if shown.backend_type != "client backend" || shown.superuser || !shown.in_scope {
            return (
                Outcome::Refused(format!("backend {pid} is not ours to end")),
                5,
            );
        }
        self.oracle
            .touches_session(action, session, &self.policy, self.t);
        let leaves = session.leaves_after;
        match how {
            EndHow::Cancel => {
                if session.shown.state == SessionState::Active && session.obeys_cancel {
                    self.cancel(backend);
                }
                (
                    Outcome::Done(format!("backend {pid}: its query was cancelled")),
                    5,
                )
            }
            EndHow::Terminate => {
                if let Some(session) = db.sessions.get_mut(&pid) {
                    session.leaving = true;
                }
                self.at(self.t + leaves, Happening::SessionGone(backend.clone()));
                (
                    Outcome::Done(format!("backend {pid}: its session was ended")),
                    leaves.min(1500) + 5,
                )
            }
        }
    }

    /// A cancelled query aborts its transaction, and its locks are free.
    fn cancel(&mut self, backend: &Backend) {
        let Some(db) = self.world.dbs.get_mut(&backend.database) else {
            return;
        };
        if let Some(session) = db.sessions.get_mut(&backend.pid) {
            session.blockers.clear();
            session.waits_since = None;
            session.shown.state = SessionState::IdleInTransactionAborted;
            session.shown.waits_for = "Client/ClientRead".into();
        }
        let freed = db.release(&crate::world::database::Node::Pid(backend.pid));
        self.freed(&backend.database, &freed);
        self.at(self.t + SECOND, Happening::SessionGone(backend.clone()));
    }

    fn end_run(&mut self, action: &Action, id: &RunId, grace: Ms) -> (Outcome, Ms) {
        let now = self.clock.wall(self.t);
        let sessions: Vec<Backend> = self
            .world
            .dbs
            .values()
            .filter(|db| db.unreachable.is_none())
            .flat_map(|db| {
                let of_run = db.of_run(id).into_iter();
                of_run.filter_map(|pid| Some(db.sessions.get(&pid)?.shown.backend.clone()))
            })
            .collect();
        let count = sessions.len();
        for backend in sessions {
            self.at(self.t + 20, Happening::SessionGone(backend));
        }
        let Some(run) = self.world.runs.get(id) else {
            self.fence(action, id, now);
            return (Outcome::Done(format!("run {id} cannot begin any more")), 10);
        };
        if run.ended.is_some() {
            return match count {
                0 => (
                    Outcome::NothingToDo(format!("run {id} has ended by itself")),
                    5,
                ),
                _ => (
                    Outcome::Done(format!("{count} sessions of run {id} were ended")),
                    50,
                ),
            };
        }
        let truth = Truth {
            world: &self.world,
            policy: &self.policy,
            clock: &self.clock,
            t: self.t,
            knows_since: self.counts.up_since,
        };
        self.oracle.ends_run(action, run, truth);
        let undying = run
            .plan
            .undying
            .is_some_and(|until| self.t - run.began < until);
        if undying {
            self.marks.hit("a run cannot be killed");
            let why = "these processes could not be killed: pid 4711 in state D";
            return (Outcome::Failed(why.into()), grace + 5 * SECOND);
        }
        let (exit, after) = match run.plan.stubborn {
            true => (Exit::Signal(9), grace),
            false => (Exit::Signal(15), self.rng.i64(5..grace.clamp(6, 800))),
        };
        self.at(self.t + after, Happening::RunEnds(id.clone(), exit));
        (
            Outcome::Done(format!("ended the processes of run {id}")),
            after + 50,
        )
    }

    /// Takes the name of a run that never began, so that a late one finds it gone.
    fn fence(&mut self, action: &Action, id: &RunId, now: evenkeel_core::Timestamp) {
        let Task::EndRun { job, .. } = &action.task else {
            return;
        };
        self.marks.hit("a run is fenced before it began");
        let run = Run {
            id: id.clone(),
            job: job.clone(),
            scheduled_at: now,
            origin: Origin::Keeper,
            began: self.t,
            started_at: now,
            plan: Plan::nothing(),
            ended: Some(Ended {
                t: self.t,
                at: now,
                exit: Exit::Lost,
            }),
            broken: None,
            reported: false,
        };
        self.world.runs.insert(id.clone(), run);
    }

    /// A message is handed to its channel.
    pub(crate) fn tells(&mut self, message: MessageId) {
        self.oracle.told(message);
        let (outcome, after) = match self.rng.u8(..40) {
            0 if self.weather.troubled => {
                (Outcome::Failed("the pager answered 503".into()), SECOND)
            }
            1 if self.weather.troubled => (Outcome::Done("sent".into()), 3 * MINUTE),
            _ => (Outcome::Done("sent".into()), self.rng.i64(10..800)),
        };
        let epoch = self.epoch;
        let seen = Seen::MessageOutcome(MessageOutcome { message, outcome });
        self.tell_later(seen, after, epoch);
    }
}
