//! What happens by itself: slots, runs that live and end, sessions that hold and wait,
//! people who order things.

use evenkeel_core::ids::{DatabaseId, JobId, RunId};
use evenkeel_core::observation::{Exit, Order, Origin, ProductState, Seen, SessionState};
use evenkeel_core::record::Phase;

use crate::policy::{MAIN, SORTS, WATCHED};
use crate::sim::{Happening, Sim};
use crate::world::{Life, Run};
use crate::{HOUR, MINUTE, Ms, SECOND, at};

/// Sorts of trouble in a database.
const EPISODES: u32 = 18;

impl Sim {
    pub(crate) fn job_of(&self, run: &RunId) -> JobId {
        let name = run.as_str().split('-').next().unwrap_or_default();
        JobId::from(name)
    }

    pub(crate) fn sessions_of(&self, id: &RunId) -> Vec<(DatabaseId, i32)> {
        let databases = self.world.databases.iter();
        databases
            .flat_map(|(database, state)| {
                let theirs = state
                    .sessions
                    .iter()
                    .filter(|(_, sess)| sess.session.run.as_ref() == Some(id));
                theirs.map(|(pid, _)| (database.clone(), *pid))
            })
            .collect()
    }

    /// A run begins, and its fate is drawn.
    pub(crate) fn begin_run(&mut self, id: RunId, job: JobId, origin: Origin) {
        let now = self.now;
        self.oracle_on_start(&id, &job);
        let mut run = Run {
            job: job.clone(),
            origin,
            started: now,
            life: Life::Works,
            ends: None,
            ended: None,
            unkillable: false,
            broken: false,
            told_start: false,
            told_end: false,
        };
        let minutes = |sim: &mut Self, from, to| sim.rng.i64(from * MINUTE..to * MINUTE);
        let dice = if self.faults { self.rng.u32(..100) } else { 0 };
        match job.as_str() {
            "report" => run.ends = Some((now + minutes(self, 30, 150), Exit::Code(0))),
            "archive" => {
                let every = self.rng.i64(15 * SECOND..45 * SECOND);
                run.life = Life::Trickles { every };
                run.ends = Some((now + minutes(self, 30, 120), Exit::Code(0)));
            }
            _ => match dice {
                0..55 => run.ends = Some((now + minutes(self, 1, 5), Exit::Code(0))),
                55..60 => run.ends = Some((now + minutes(self, 15, 19), Exit::Code(0))),
                60..70 => run.ends = Some((now + minutes(self, 0, 2), Exit::Code(1))),
                70..72 => run.ends = Some((now + minutes(self, 0, 2), Exit::Lost)),
                72..76 => run.ends = Some((now + minutes(self, 1, 3), Exit::Code(0))),
                // Spins: it works, and never ends.
                76..80 => {}
                _ => {
                    run.life = Life::Hangs;
                    run.unkillable = job.as_str() == "stubborn" && self.rng.bool();
                    if run.unkillable {
                        run.ends = Some((now + minutes(self, 10, 40), Exit::Lost));
                    }
                }
            },
        }
        let empty = (72..76).contains(&dice);
        self.world
            .products
            .remove(&format!("{id}/empty").as_str().into());
        if empty {
            let key = JobId::from(format!("{id}/empty"));
            self.world.products.insert(key, ProductState::Absent);
        }
        let blocks = run.life == Life::Hangs && self.rng.u32(..100) < 60;
        if let Some((ends, _)) = run.ends {
            self.plan(ends, Happening::RunEnds(id.clone()));
        }
        self.world.runs.insert(id.clone(), run);
        let database = DatabaseId::from(if job.as_str() == "import" {
            WATCHED
        } else {
            MAIN
        });
        let pid = self.world.connect(&database, now, "app", "evenkeel");
        if let Some(sess) = self.world.session(&database, pid) {
            sess.session.run = Some(id);
            if blocks {
                sess.session.state = SessionState::IdleInTransaction;
            } else {
                sess.session.state = SessionState::Idle;
                sess.session.xact_start = None;
            }
        }
        if blocks {
            self.waves(&database, pid, 0);
        }
    }

    /// A run ends by itself, if it is still there to end.
    pub(crate) fn run_ends(&mut self, id: &RunId) {
        let now = self.now;
        let Some(run) = self.world.runs.get(id) else {
            return;
        };
        let Some((_, exit)) = run.ends.clone().filter(|(ends, _)| *ends <= now) else {
            return;
        };
        if run.ended.is_some() {
            return;
        }
        let job = run.job.clone();
        let broken = run.broken;
        let exit = if broken && exit.is_success() {
            Exit::Code(1)
        } else {
            exit
        };
        let empty = JobId::from(format!("{id}/empty"));
        let empty = self.world.products.remove(&empty).is_some();
        if exit.is_success() {
            let (bytes, rows) = if empty { (0, 0) } else { (5000, 100) };
            let product = ProductState::Present {
                bytes,
                modified_at: self.wall(),
                complete: Some(!empty),
                rows: Some(rows),
            };
            self.world.products.insert(job, product);
        }
        self.world.end_run(id, now, exit);
        self.after_run(id);
    }

    /// Now and then a session of a run comes back after the run is over.
    pub(crate) fn after_run(&mut self, id: &RunId) {
        if self.faults && self.rng.u32(..100) < 12 {
            let late = self.rng.i64(2 * SECOND..20 * SECOND);
            self.plan(self.now + late, Happening::Stray(id.clone()));
        }
    }

    pub(crate) fn stray(&mut self, id: RunId) {
        let (now, database) = (self.now, DatabaseId::from(MAIN));
        let pid = self.world.connect(&database, now, "app", "evenkeel");
        if let Some(sess) = self.world.session(&database, pid) {
            sess.session.run = Some(id);
        }
        self.plan(now + 4 * MINUTE, Happening::Gone(database, pid, at(now)));
    }

    /// Waiters that arrive behind `blocker`, a few a second.
    fn waves(&mut self, database: &DatabaseId, blocker: i32, fewest: u32) {
        let count = fewest.max(2) + self.rng.u32(..9);
        let mut when = self.now + self.rng.i64(1..2000);
        for _ in 0..count {
            self.plan(when, Happening::Waiter(database.clone(), blocker));
            when += self.rng.i64(50..400);
        }
    }

    pub(crate) fn waiter(&mut self, database: &DatabaseId, blocker: i32) {
        let now = self.now;
        let holds = blocker == 0
            || self
                .world
                .session(database, blocker)
                .is_some_and(|sess| sess.session.xact_start.is_some());
        let prepared = self.world.databases.get(database);
        let prepared = prepared.is_some_and(|database| database.prepared.is_some());
        if !holds || (blocker == 0 && !prepared) {
            return;
        }
        let pid = self.world.connect(database, now, "web", "web");
        let component = if database.as_str() == MAIN {
            "login"
        } else {
            "quotes"
        };
        if let Some(sess) = self.world.session(database, pid) {
            sess.session.component = Some(component.into());
            sess.blocked_by = vec![blocker];
            sess.waits_since = now;
        }
        let patience = self.rng.i64(15 * SECOND..90 * SECOND);
        self.plan(
            now + patience,
            Happening::Gone(database.clone(), pid, at(now)),
        );
        self.look_soon();
    }

    /// Something happens in a database.
    pub(crate) fn episode(&mut self) {
        let now = self.now;
        let sort = self.rng.u32(..EPISODES);
        let database = DatabaseId::from(if self.rng.u32(..5) == 0 {
            WATCHED
        } else {
            MAIN
        });
        let stays = self.rng.i64(20 * SECOND..4 * MINUTE);
        let (role, name) = match sort {
            1 | 9 | 10 | 11 => ("batch_month", "month-end"),
            3 => ("postgres", "psql"),
            _ => ("ana", "psql"),
        };
        let pid = self.world.connect(&database, now, role, name);
        let gone = Happening::Gone(database.clone(), pid, at(now));
        let deaf = self.rng.u32(..3) == 0;
        if let Some(sess) = self.world.session(&database, pid) {
            sess.deaf = deaf;
            let session = &mut sess.session;
            match sort {
                2 => session.state = SessionState::IdleInTransaction,
                3 => session.superuser = true,
                4 => session.backend_type = "autovacuum worker".into(),
                5 => session.in_scope = false,
                6 => session.backend_type = "walsender".into(),
                _ => {}
            }
        }
        match sort {
            // Over before anybody should act.
            0 | 7 => {
                self.waves(&database, pid, 4);
                let brief = self.rng.i64(100..900);
                self.plan(now + brief, gone);
                return;
            }
            // One who waits is everyday.
            8 => {
                self.plan(now + 200, Happening::Waiter(database.clone(), pid));
            }
            // A statement that waits itself, with everyone behind it.
            12 => {
                let ddl = self.world.connect(&database, now, "migrate", "release");
                if let Some(sess) = self.world.session(&database, ddl) {
                    sess.session.query = "alter table users add column x int".into();
                    sess.blocked_by = vec![pid];
                }
                self.waves(&database, ddl, 3);
                self.plan(now + stays, Happening::Gone(database.clone(), ddl, at(now)));
            }
            // Its pid is somebody else's a moment later.
            9 => {
                self.waves(&database, pid, 3);
                let later = now + self.rng.i64(1500..4500);
                self.plan(
                    later,
                    Happening::PidUsedAgain(database.clone(), pid, at(now)),
                );
                return;
            }
            13 => {
                self.world.disconnect(&database, pid);
                if let Some(state) = self.world.databases.get_mut(&database) {
                    state.prepared = Some((format!("tx-{now}"), now));
                }
                self.waves(&database, 0, 3);
                self.plan(now + stays, Happening::PreparedGone(database));
                return;
            }
            14 => {
                if let Some(sess) = self.world.session(&database, pid) {
                    sess.session.state = SessionState::IdleInTransaction;
                }
                let long = self.rng.i64(6 * MINUTE..20 * MINUTE);
                self.plan(now + long, gone);
                return;
            }
            15 => {
                self.plan(now + HOUR + 20 * MINUTE, gone);
                return;
            }
            16 => {
                self.world.disconnect(&database, pid);
                if let Some(state) = self.world.databases.get_mut(&database) {
                    state.crowded_until = now + 3 * MINUTE;
                }
                return;
            }
            17 => {
                self.world.disconnect(&database, pid);
                if let Some(state) = self.world.databases.get_mut(&database) {
                    state.blind_until = now + stays;
                }
                return;
            }
            _ => self.waves(&database, pid, 2),
        }
        self.plan(now + stays, gone);
    }

    pub(crate) fn pid_used_again(
        &mut self,
        database: &DatabaseId,
        pid: i32,
        start: evenkeel_core::Timestamp,
    ) {
        let now = self.now;
        let same = self
            .world
            .session(database, pid)
            .is_some_and(|sess| sess.session.backend.backend_start == start);
        if !same {
            return;
        }
        self.world.disconnect(database, pid);
        if let Some(state) = self.world.databases.get_mut(database) {
            state.next_pid = pid - 1;
        }
        let again = self.world.connect(database, now, "batch_day", "innocent");
        if again == pid {
            self.world.pids_used_again += 1;
            self.marks.hit("pid used again");
        }
        let gone = Happening::Gone(database.clone(), again, at(now));
        self.plan(now + 2 * MINUTE, gone);
    }

    /// A person looks at the console.
    pub(crate) fn operator(&mut self) {
        let next = self.rng.i64(3 * MINUTE..25 * MINUTE);
        self.plan(self.now + next, Happening::Operator);
        if !self.pump.up {
            return;
        }
        let record = &self.pump.state.record;
        let proposed = record.open_actions.iter().copied().find(|id| {
            let state = record.actions.get(id);
            state.is_some_and(|state| matches!(state.phase, Phase::Proposed { .. }))
        });
        let stopped = record.stops.keys().next().cloned();
        let held = record.held.is_some();
        let order = match (self.rng.u32(..10), proposed, stopped) {
            (0..5, Some(action), _) => Order::Approve { action },
            (5..7, Some(action), _) => Order::Refuse {
                action,
                reason: "not now".into(),
            },
            (0..6, _, Some((kind, scope))) => Order::LiftStop { kind, scope },
            (7, _, _) if !held && self.faults => Order::HoldActions {
                reason: "wait".into(),
            },
            (8, _, _) if self.faults => Order::StartJob {
                job: SORTS[self.rng.usize(..SORTS.len())].job.into(),
            },
            (9, _, _) => match record.incidents.keys().next_back() {
                Some(incident) => Order::Acknowledge {
                    incident: *incident,
                },
                None => return,
            },
            _ if held => Order::ReleaseActions {
                reason: "go on".into(),
            },
            _ => return,
        };
        self.tell_now(Seen::Order(order));
    }

    /// Slots of a job come, for ever.
    pub(crate) fn slot(&mut self, sort: usize) {
        let Some(of) = SORTS.get(sort) else {
            return;
        };
        let scheduled: Ms = self.now + self.offset;
        self.slots
            .insert(of.job.into(), scheduled - scheduled % SECOND);
        self.plan(self.now + of.every, Happening::Slot(sort));
        self.look_soon();
    }
}
