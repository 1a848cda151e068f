//! What observers see of the world, and how it gets lost on the way.

use evenkeel_core::Timestamp;
use evenkeel_core::ids::{DatabaseId, RunId};
use evenkeel_core::observation::{
    DatabaseLoad, LockWaits, Observation, ProductDue, ProductReport, ProductState, RunBackends,
    RunExit, RunProgress, RunStart, ScheduleDue, Seen, Session, SessionState, Sight,
};
use evenkeel_core::subject::Subject;

use crate::canary::Canary;
use crate::sim::{Happening, Sim};
use crate::world::Life;
use crate::{HOUR, MINUTE, Ms, SECOND, at};

/// Between two looks while nobody waits; below the freshness that detectors ask for.
const CALM: Ms = 7 * SECOND;
/// Between two looks while somebody waits.
const BUSY: Ms = 300;
/// The longest time a look lasts that was asked for soon.
const SOON: Ms = 400;
/// Between two looks at the processes of runs.
const PROGRESS: Ms = 7 * SECOND;

impl Sim {
    /// The wall clock of the host, jumps included.
    pub(crate) fn wall(&self) -> Timestamp {
        at(self.now + self.offset)
    }

    pub(crate) fn look_soon(&mut self) {
        if self.next_look > self.now + SOON {
            self.next_look = self.now + SOON;
            self.plan(self.next_look, Happening::Look);
        }
    }

    /// Every observer looks once.
    pub(crate) fn look(&mut self) {
        if self.now < self.next_look {
            return;
        }
        let ids: Vec<DatabaseId> = self.world.databases.keys().cloned().collect();
        let busy = ids.iter().any(|id| self.world.somebody_waits(id));
        self.next_look = self.now + if busy { BUSY } else { CALM };
        self.plan(self.next_look, Happening::Look);
        if !self.pump.up {
            return;
        }
        for id in &ids {
            self.look_at_database(id);
        }
        self.look_at_runs();
        self.look_at_clock();
    }

    fn look_at_database(&mut self, id: &DatabaseId) {
        let now = self.now;
        let blind_until = self.world.databases.get(id).map(|state| state.blind_until);
        let blind = blind_until.is_some_and(|until| until > now);
        let told = self.told_blind.get(id).copied().unwrap_or_default();
        if blind != told {
            self.told_blind.insert(id.clone(), blind);
            let of = Subject::Database(id.clone());
            let blind = blind.then(|| "no connection".to_owned());
            self.tell(Seen::Sight(Sight { of, blind }), true);
        }
        let Some(database) = self.world.databases.get(id).filter(|_| !blind) else {
            return;
        };
        let runs: Vec<Session> = database
            .sessions
            .values()
            .map(|sess| sess.session.clone())
            .filter(|session| session.run.is_some())
            .collect();
        let load_due = self
            .load_told
            .get(id)
            .is_none_or(|at| now - at >= 30 * SECOND);
        let load = load_due.then(|| {
            let mut idle: Vec<Session> = database
                .sessions
                .values()
                .map(|sess| sess.session.clone())
                .filter(|session| session.state == SessionState::IdleInTransaction)
                .collect();
            idle.sort_by_key(|session| session.state_since);
            let open = database
                .sessions
                .values()
                .map(|sess| &sess.session)
                .filter(|session| session.xact_start.is_some());
            let prepared = database.prepared.iter();
            DatabaseLoad {
                database: id.clone(),
                connections_used: if database.crowded_until > now { 95 } else { 20 },
                connections_max: 100,
                idle_in_transaction: idle,
                oldest_transaction: open.min_by_key(|session| session.xact_start).cloned(),
                prepared: prepared
                    .map(|(gid, since)| (gid.clone(), at(*since)))
                    .collect(),
            }
        });
        let chains = self.world.chains(id, now);
        let waits = LockWaits {
            database: id.clone(),
            chains,
            left_out: 0,
        };
        self.tell(Seen::LockWaits(waits), false);
        let backends = RunBackends {
            database: id.clone(),
            sessions: runs,
        };
        self.tell(Seen::RunBackends(backends), false);
        if let Some(load) = load {
            self.load_told.insert(id.clone(), now);
            self.tell(Seen::DatabaseLoad(load), false);
        }
    }

    fn look_at_runs(&mut self) {
        let now = self.now;
        let progress_due = now - self.progress_told >= PROGRESS;
        if progress_due {
            self.progress_told = now;
        }
        let mut tell: Vec<(Seen, bool)> = Vec::new();
        let mut over: Vec<RunId> = Vec::new();
        for (id, run) in &mut self.world.runs {
            if !std::mem::replace(&mut run.told_start, true) {
                let start = RunStart {
                    run: id.clone(),
                    job: run.job.clone(),
                    started_at: at(run.started + self.offset),
                    origin: run.origin,
                };
                tell.push((Seen::RunStart(start), true));
            }
            if let Some((ended, exit)) = &run.ended {
                if !std::mem::replace(&mut run.told_end, true) {
                    let exit = RunExit {
                        run: id.clone(),
                        job: run.job.clone(),
                        ended_at: at(ended + self.offset),
                        exit: exit.clone(),
                    };
                    tell.push((Seen::RunExit(exit), true));
                }
                if now - ended > 2 * HOUR {
                    over.push(id.clone());
                }
            } else if progress_due {
                let worked = now - run.started;
                let moved = match run.life {
                    Life::Works => worked,
                    Life::Trickles { every } => worked - worked % every,
                    Life::Hangs => 0,
                };
                let moved = u64::try_from(moved).unwrap_or_default();
                let blind = self.canary == Some(Canary::BlindToProgress);
                let progress = RunProgress {
                    run: id.clone(),
                    cpu_ms: 0,
                    io_bytes: if blind { 0 } else { moved },
                    output_bytes: 0,
                    reports: 0,
                    processes: 1,
                };
                tell.push((Seen::RunProgress(progress), false));
            }
        }
        for (seen, is_fact) in tell {
            self.tell(seen, is_fact);
        }
        for id in over {
            // Told long ago, and forgotten like an old folder.
            let known = self.pump.state.record.runs.get(&id);
            if known.is_none_or(|known| known.ended.is_some()) {
                self.world.runs.remove(&id);
            }
        }
    }

    fn look_at_clock(&mut self) {
        let now = self.now;
        let slots = self.slots.clone();
        for (job, slot) in slots {
            let state = self.pump.state.record.jobs.get(&job);
            let known = state.and_then(|state| state.last_slot);
            let again = self
                .slot_told
                .get(&job)
                .is_none_or(|at| now - at > 10 * SECOND);
            if again && known.is_none_or(|known| known < at(slot)) {
                self.slot_told.insert(job.clone(), now);
                let scheduled_at = at(slot);
                self.tell(Seen::ScheduleDue(ScheduleDue { job, scheduled_at }), true);
            }
        }
        let export = evenkeel_core::ids::JobId::from("export");
        if now - self.due_told >= 6 * HOUR {
            self.due_told = now;
            let due = ProductDue {
                job: export.clone(),
                due_at: self.wall(),
                fresh_since: at(now + self.offset - 2 * HOUR),
            };
            self.tell(Seen::ProductDue(due), true);
        }
        if now - self.product_told >= MINUTE {
            self.product_told = now;
            let state = self.world.products.get(&export).cloned();
            let unreachable = self.faults && self.rng.u32(..40) == 0;
            let state = match state {
                _ if unreachable => ProductState::Unreachable("no route".into()),
                Some(state) => state,
                None => ProductState::Absent,
            };
            let report = ProductReport { job: export, state };
            self.tell(Seen::ProductReport(report), true);
        }
    }

    /// Tells something at once, for certain: a person waits for the answer.
    pub(crate) fn tell_now(&mut self, seen: Seen) {
        let observation = self.observation(seen);
        self.plan(self.now + 1, Happening::Deliver(Box::new(observation)));
    }

    fn observation(&mut self, seen: Seen) -> Observation {
        let skew = self.rng.i64(-40..=0);
        Observation {
            at: at(self.now + self.offset + skew),
            by: "sim".into(),
            seen,
        }
    }

    /// Tells something; facts arrive, pictures may not.
    pub(crate) fn tell(&mut self, seen: Seen, is_fact: bool) {
        let observation = self.observation(seen);
        // A queue is emptied at once, so what comes together is decided together.
        let mut when = self.now + 5;
        if self.faults {
            let dice = self.rng.u32(..100);
            match dice {
                0..5 if !is_fact => {
                    self.marks.hit("observation lost");
                    return;
                }
                5..8 => {
                    self.marks.hit("observation late");
                    when += self.rng.i64(100..20_000);
                }
                8..12 => {
                    self.marks.hit("observation twice");
                    let again = when + self.rng.i64(1..5_000);
                    self.plan(again, Happening::Deliver(Box::new(observation.clone())));
                }
                _ => {}
            }
        }
        self.plan(when, Happening::Deliver(Box::new(observation)));
    }
}
