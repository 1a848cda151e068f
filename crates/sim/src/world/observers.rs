//! What is seen of the world, and how it reaches the pump: late, out of order, twice, or
//! not at all.
//!
//! The observers mirror the guards. They are part of the program: a crash takes what they
//! have not handed over, and after a restart they tell again whatever the journal does
//! not have. Pictures may be lost at any time; facts only in a crash.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::Timestamp;
use evenkeel_core::ids::{DatabaseId, JobId, RunId};
use evenkeel_core::observation::{
    DatabaseLoad, Exit, LockWaits, Observation, ProductDue, ProductReport, ProductState,
    RunBackends, RunExit, RunStart, ScheduleDue, Seen, SessionState, Sight,
};
use evenkeel_core::subject::Subject;

use crate::clock::{MINUTE, Ms, SECOND, ms, shifted};
use crate::sim::{Happening, Sim};

/// What the observers of one incarnation of the program remember.
#[derive(Debug, Default)]
pub(crate) struct Told {
    starts: BTreeSet<RunId>,
    ends: BTreeSet<RunId>,
    slots: BTreeMap<JobId, (Timestamp, Ms)>,
    dues: BTreeMap<JobId, (Timestamp, Ms)>,
    eyes: BTreeMap<DatabaseId, Eyes>,
    since: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy)]
struct Eyes {
    blind: bool,
    sight_told: bool,
    waited_before: bool,
    runs_before: bool,
}

/// What was told and is not in the record is told again after this.
const AGAIN: Ms = 30 * SECOND;

/// A run of the record that nothing on the host knows of is lost after this.
const LOST_AFTER: Ms = 10 * MINUTE;

impl Sim {
    pub(crate) fn start_observers(&mut self) {
        let epoch = self.epoch;
        let dbs: Vec<DatabaseId> = self.world.dbs.keys().cloned().collect();
        for db in dbs {
            let soon = self.rng.i64(10..400);
            self.at(self.t + soon, Happening::LookAtLocks(db.clone(), epoch));
            self.at(self.t + soon + 100, Happening::LookAtLoad(db, epoch));
        }
        self.at(self.t + 200, Happening::LookAtRuns(epoch));
        self.at(self.t + 300, Happening::LookAtSlots(epoch));
        self.at(self.t + 900, Happening::LookAtProducts(epoch));
    }

    fn told(&mut self) -> Option<&mut Told> {
        self.pump.as_mut().map(|pump| &mut pump.told)
    }

    fn picture(&mut self, by: &str, skew: Ms, seen: Seen) {
        if self.weather.troubled && self.rng.u8(..100) < self.weather.lost_pct {
            self.marks.hit("a picture is lost");
            return;
        }
        self.send(by, skew, seen, 20 * SECOND);
    }

    fn fact(&mut self, by: &str, skew: Ms, seen: Seen) {
        self.send(by, skew, seen, 5 * SECOND);
    }

    fn send(&mut self, by: &str, skew: Ms, seen: Seen, late_max: Ms) {
        let observation = Observation {
            at: shifted(self.clock.wall(self.t), skew),
            by: by.into(),
            seen,
        };
        let epoch = self.epoch;
        if self.weather.troubled && self.rng.u8(..100) < 2 {
            self.marks.hit("an observation comes twice");
            let again = self.t + self.rng.i64(1..late_max);
            let twice = observation.clone();
            self.at(again, Happening::Arrives(Box::new(twice), epoch));
        }
        let delay = match self.rng.u8(..100) {
            0 if self.weather.troubled => {
                self.marks.hit("an observation comes late");
                self.rng.i64(SECOND..late_max)
            }
            1..8 if self.weather.troubled => self.rng.i64(50..800),
            _ => self.rng.i64(1..40),
        };
        self.at(
            self.t + delay,
            Happening::Arrives(Box::new(observation), epoch),
        );
    }

    pub(crate) fn look_at_locks(&mut self, id: &DatabaseId, epoch: u64) {
        if epoch != self.epoch {
            return;
        }
        let by = format!("locks:{id}");
        let skew = self.weather.skew;
        let now = self.clock.wall(self.t);
        let Some(db) = self.world.dbs.get(id) else {
            return;
        };
        let unreachable = db.unreachable.clone();
        let seen = unreachable
            .is_none()
            .then(|| (db.chains(now), db.of_runs()));
        let Some(told) = self.told() else {
            return;
        };
        let eyes = told.eyes.entry(id.clone()).or_insert(Eyes {
            blind: false,
            sight_told: false,
            waited_before: true,
            runs_before: true,
        });
        let before = *eyes;
        let of = Subject::Database(id.clone());
        let Some((chains, sessions)) = seen else {
            *eyes = Eyes {
                blind: true,
                ..before
            };
            let sight = Seen::Sight(Sight {
                of,
                blind: unreachable,
            });
            if before.blind {
                self.picture(&by, skew, sight);
            } else {
                self.fact(&by, skew, sight);
            }
            let again = self.t + self.rng.i64(SECOND..8 * SECOND);
            self.at(again, Happening::LookAtLocks(id.clone(), epoch));
            return;
        };
        let waits = !chains.is_empty();
        let runs = !sessions.is_empty();
        *eyes = Eyes {
            blind: false,
            sight_told: true,
            waited_before: waits,
            runs_before: runs,
        };
        if before.blind || !before.sight_told {
            self.fact(&by, skew, Seen::Sight(Sight { of, blind: None }));
        }
        let picture = Seen::LockWaits(LockWaits {
            database: id.clone(),
            chains,
            left_out: 0,
        });
        if !waits && before.waited_before {
            self.fact(&by, skew, picture);
        } else {
            self.picture(&by, skew, picture);
        }
        if runs || before.runs_before || self.rng.bool() {
            let database = id.clone();
            self.picture(
                &by,
                skew,
                Seen::RunBackends(RunBackends { database, sessions }),
            );
        }
        let pause = if waits { 500 } else { 4 * SECOND };
        self.at(self.t + pause, Happening::LookAtLocks(id.clone(), epoch));
    }

    pub(crate) fn look_at_load(&mut self, id: &DatabaseId, epoch: u64) {
        if epoch != self.epoch {
            return;
        }
        self.at(
            self.t + 10 * SECOND,
            Happening::LookAtLoad(id.clone(), epoch),
        );
        let Some(db) = self.world.dbs.get(id).filter(|db| db.unreachable.is_none()) else {
            return;
        };
        let mut idle: Vec<_> = db
            .sessions
            .values()
            .filter(|s| s.shown.state == SessionState::IdleInTransaction)
            .map(|s| s.shown.clone())
            .collect();
        idle.sort_by_key(|session| session.state_since);
        idle.truncate(20);
        let load = DatabaseLoad {
            database: id.clone(),
            connections_used: db.crowd + db.sessions.len() as u32,
            connections_max: 97,
            idle_in_transaction: idle,
            oldest_transaction: db.oldest().map(|session| session.shown.clone()),
            prepared: db
                .prepared
                .iter()
                .map(|(gid, at)| (gid.clone(), *at))
                .collect(),
        };
        let skew = self.weather.skew;
        self.picture(&format!("locks:{id}"), skew, Seen::DatabaseLoad(load));
    }

    pub(crate) fn look_at_runs(&mut self, epoch: u64) {
        if epoch != self.epoch {
            return;
        }
        let t = self.t;
        let now = self.clock.wall(t);
        let Some(pump) = &mut self.pump else {
            return;
        };
        let (told, list) = (&mut pump.told, &pump.watchlist);
        let mut facts = Vec::new();
        let mut pictures = Vec::new();
        for run in self.world.runs.values_mut().filter(|run| !run.reported) {
            if list.ended.contains(&run.id) && run.ended.is_some() && told.ends.contains(&run.id) {
                run.reported = true;
                continue;
            }
            if told.starts.insert(run.id.clone()) {
                facts.push(Seen::RunStart(RunStart {
                    run: run.id.clone(),
                    job: run.job.clone(),
                    started_at: run.started_at,
                    origin: run.origin,
                }));
            }
            match &run.ended {
                Some(ended) => {
                    if told.ends.insert(run.id.clone()) {
                        facts.push(Seen::RunExit(RunExit {
                            run: run.id.clone(),
                            job: run.job.clone(),
                            ended_at: ended.at,
                            exit: ended.exit.clone(),
                        }));
                    }
                }
                None => pictures.push(Seen::RunProgress(run.progress(t))),
            }
        }
        for (run, (job, since)) in &list.open {
            if ms(now) - ms(*since) > LOST_AFTER && !self.world.runs.contains_key(run) {
                facts.push(Seen::RunExit(RunExit {
                    run: run.clone(),
                    job: job.clone(),
                    ended_at: now,
                    exit: Exit::Lost,
                }));
            }
        }
        let busy = !pictures.is_empty();
        for fact in facts {
            self.fact("jobs", 0, fact);
        }
        let skew = self.weather.skew;
        for picture in pictures {
            self.picture("jobs", skew, picture);
        }
        let pause = if busy { 3 * SECOND } else { 2 * SECOND };
        self.at(self.t + pause, Happening::LookAtRuns(epoch));
    }

    pub(crate) fn look_at_slots(&mut self, epoch: u64) {
        if epoch != self.epoch {
            return;
        }
        self.at(self.t + 5 * SECOND, Happening::LookAtSlots(epoch));
        let t = self.t;
        let now = self.clock.wall(t);
        let Some(pump) = &mut self.pump else {
            return;
        };
        let (told, list) = (&mut pump.told, &pump.watchlist);
        let since = *told.since.get_or_insert(now);
        let mut facts = Vec::new();
        for (id, job) in self.world.jobs.iter().filter(|(_, job)| !job.wrapped) {
            let slot = job.slot(now);
            let last = list.last_slots.get(id).copied().unwrap_or(since);
            if slot > last && !is_told(&told.slots, id, slot, t) {
                told.slots.insert(id.clone(), (slot, t));
                facts.push(Seen::ScheduleDue(ScheduleDue {
                    job: id.clone(),
                    scheduled_at: slot,
                }));
            }
            let with_product = self
                .policy
                .jobs
                .get(id)
                .is_some_and(|job| job.product.is_some());
            let slot = job.slot(shifted(now, -job.due_after));
            let due_at = shifted(slot, job.due_after);
            let last = list.last_due.get(id).copied().unwrap_or(since);
            if with_product && due_at > last && !is_told(&told.dues, id, due_at, t) {
                told.dues.insert(id.clone(), (due_at, t));
                facts.push(Seen::ProductDue(ProductDue {
                    job: id.clone(),
                    due_at,
                    fresh_since: shifted(slot, -job.limits.period),
                }));
            }
        }
        for fact in facts {
            self.fact("jobs", 0, fact);
        }
    }

    pub(crate) fn look_at_products(&mut self, epoch: u64) {
        if epoch != self.epoch {
            return;
        }
        self.at(self.t + 20 * SECOND, Happening::LookAtProducts(epoch));
        let now = self.clock.wall(self.t);
        let mut facts = Vec::new();
        for (id, job) in &mut self.world.jobs {
            if self
                .policy
                .jobs
                .get(id)
                .is_none_or(|job| job.product.is_none())
            {
                continue;
            }
            if job.coming.is_some_and(|at| at <= self.t) {
                job.coming = None;
                job.product = ProductState::Present {
                    bytes: super::setup::WHOLE + 1,
                    modified_at: now,
                    complete: Some(true),
                    rows: None,
                };
            }
            let state = match job.product_unreachable {
                true => ProductState::Unreachable("no route to host".into()),
                false => job.product.clone(),
            };
            facts.push(Seen::ProductReport(ProductReport {
                job: id.clone(),
                state,
            }));
        }
        for fact in facts {
            self.fact("jobs", 0, fact);
        }
    }
}

fn is_told(told: &BTreeMap<JobId, (Timestamp, Ms)>, job: &JobId, at: Timestamp, t: Ms) -> bool {
    told.get(job)
        .is_some_and(|(known, when)| *known == at && t - when < AGAIN)
}
