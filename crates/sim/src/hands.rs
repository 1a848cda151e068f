//! What performing an action does to the world: what the real guards promise, no more.

use evenkeel_core::action::{Action, EndHow, Outcome, Task};
use evenkeel_core::ids::{JobId, RunId};
use evenkeel_core::observation::{Exit, Origin, SessionState};
use evenkeel_core::subject::Backend;

use crate::canary::Canary;
use crate::sim::Sim;
use crate::{MINUTE, SECOND, at};

impl Sim {
    /// Performs an action on the world and says how it went.
    pub(crate) fn perform(&mut self, action: &Action) -> Outcome {
        if self.faults && self.rng.u32(..100) < 4 {
            return Outcome::Failed("it could not be tried".into());
        }
        let outcome = match &action.task {
            Task::StartRun { run, job, .. } => self.perform_start(run, job),
            Task::EndRun { run, .. } => self.perform_end_run(run),
            Task::EndBackend {
                backend,
                xact_start,
                how,
                ..
            } => self.perform_end_backend(backend, *xact_start, *how),
            Task::RecycleInstance { .. } => {
                Outcome::Refused("it is restarted step by step, or not at all".into())
            }
        };
        if self.faults && outcome.is_good() && self.rng.u32(..100) < 3 {
            // Done, but the answer was lost: whoever asked believes that it failed.
            return Outcome::Failed("it gave no answer in time".into());
        }
        outcome
    }

    fn perform_start(&mut self, run: &RunId, job: &JobId) -> Outcome {
        if self.world.runs.contains_key(run) && self.canary != Some(Canary::StartTwice) {
            return Outcome::NothingToDo("it was started already".into());
        }
        self.begin_run(run.clone(), job.clone(), Origin::Keeper);
        Outcome::Done("started".into())
    }

    fn perform_end_run(&mut self, id: &RunId) -> Outcome {
        let now = self.now;
        let Some(run) = self.world.runs.get(id) else {
            // Its name is taken, so that it cannot begin any more.
            let job = self.job_of(id);
            self.begin_run(id.clone(), job, Origin::Keeper);
            self.world.end_run(id, now, Exit::Lost);
            return Outcome::Done("it had not begun, and cannot any more".into());
        };
        if run.ended.is_some() {
            return Outcome::NothingToDo("it has ended by itself".into());
        }
        if run.unkillable {
            let sessions: Vec<_> = self.sessions_of(id);
            for (database, pid) in sessions {
                self.world.disconnect(&database, pid);
            }
            return Outcome::Failed("its processes could not be killed".into());
        }
        self.world.end_run(id, now, Exit::Signal(15));
        self.after_run(id);
        Outcome::Done("ended".into())
    }

    fn perform_end_backend(
        &mut self,
        named: &Backend,
        xact_start: Option<evenkeel_core::Timestamp>,
        how: EndHow,
    ) -> Outcome {
        let mut pid = named.pid;
        if self.canary == Some(Canary::EndWaiter) {
            let database = self.world.databases.get(&named.database);
            let waiter = database.and_then(|database| {
                let sessions = database.sessions.iter();
                let mut waiting = sessions.filter(|(_, sess)| sess.blocked_by.contains(&pid));
                waiting.next().map(|(waiter, _)| *waiter)
            });
            pid = waiter.unwrap_or(pid);
        }
        let Some(sess) = self.world.session(&named.database, pid).cloned() else {
            return Outcome::NothingToDo("it is gone".into());
        };
        let session = &sess.session;
        let is_same = session.backend == *named && session.xact_start == xact_start;
        let ordinary =
            !session.superuser && session.in_scope && session.backend_type == "client backend";
        let looks_twice = !matches!(self.canary, Some(Canary::NoSecondLook | Canary::EndWaiter));
        if looks_twice && !is_same {
            return Outcome::NothingToDo("it is another session, or another transaction".into());
        }
        if looks_twice && !ordinary {
            return Outcome::Refused("it is no ordinary session of this database".into());
        }
        self.oracle_on_end(named, &sess);
        match how {
            EndHow::Terminate => {
                if let Some(id) = session.run.clone()
                    && let Some(run) = self.world.runs.get_mut(&id)
                {
                    run.broken = true;
                    let ends = self.rng.i64(1..30) * SECOND;
                    if run.ends.is_none() && self.rng.bool() && !run.unkillable {
                        run.ends = Some((self.now + ends, Exit::Code(1)));
                    }
                }
                self.world.disconnect(&named.database, pid);
            }
            EndHow::Cancel if session.state == SessionState::Active && !sess.deaf => {
                let now = self.now;
                self.world.release(&named.database, pid);
                if let Some(sess) = self.world.session(&named.database, pid) {
                    sess.blocked_by.clear();
                    sess.session.state = SessionState::Idle;
                    sess.session.xact_start = None;
                    sess.session.state_since = Some(at(now));
                    sess.goes = Some(now + MINUTE);
                }
            }
            EndHow::Cancel => {}
        }
        Outcome::Done("asked".into())
    }
}
