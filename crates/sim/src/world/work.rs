//! Runs in the world: how they begin, what befalls them, how they end.

use evenkeel_core::Timestamp;
use evenkeel_core::ids::{JobId, RunId};
use evenkeel_core::observation::{Exit, Origin, ProductState, SessionState};

use super::run::{Ended, Kind, Leaves, Run, plan};
use super::setup::WHOLE;
use crate::clock::{MINUTE, Ms, SECOND};
use crate::sim::{Happening, Sim};

impl Sim {
    /// A run's processes begin. Whoever asks twice has asked once.
    pub(crate) fn begin_run(
        &mut self,
        id: &RunId,
        job: &JobId,
        scheduled_at: Timestamp,
        origin: Origin,
    ) -> bool {
        if self.world.runs.contains_key(id) {
            return false;
        }
        let Some(spec) = self.world.jobs.get(job) else {
            return false;
        };
        let plan = plan(
            &mut self.rng,
            self.weather.troubled,
            &spec.limits,
            spec.database.as_ref(),
        );
        self.oracle.run_begins(id, job, origin, &self.world);
        let now = self.clock.wall(self.t);
        self.note(|| format!("world: run {id} begins, {:?}", plan.kind));
        if let Some(db) = plan
            .database
            .as_ref()
            .and_then(|db| self.world.dbs.get_mut(db))
        {
            let at_server = crate::clock::shifted(now, db.skew);
            let mut session = db.client(at_server, "batch", &format!("evenkeel/{id}"));
            session.shown.run = Some(id.clone());
            session.leaves_after = self.rng.i64(5..500);
            if plan.kind == Kind::InDatabase {
                session.shown.state = SessionState::Active;
                session.shown.waits_for = String::new();
            }
            db.add(session);
        }
        if let Some((after, exit)) = &plan.ends {
            self.at(self.t + after, Happening::RunEnds(id.clone(), exit.clone()));
        }
        if plan.locks {
            let after = plan.stops.unwrap_or(SECOND) + self.rng.i64(0..20 * SECOND);
            self.at(self.t + after, Happening::RunLocks(id.clone()));
        }
        let run = Run {
            id: id.clone(),
            job: job.clone(),
            scheduled_at,
            origin,
            began: self.t,
            started_at: now,
            plan,
            ended: None,
            broken: None,
            reported: false,
        };
        self.world.runs.insert(id.clone(), run);
        true
    }

    /// A run's processes are gone. Its sessions follow in a moment; one may come back.
    pub(crate) fn run_ends(&mut self, id: &RunId, exit: &Exit) {
        let now = self.clock.wall(self.t);
        let Some(run) = self.world.runs.get_mut(id).filter(|run| run.is_alive()) else {
            return;
        };
        run.ended = Some(Ended {
            t: self.t,
            at: now,
            exit: exit.clone(),
        });
        let (job, leaves, kind) = (run.job.clone(), run.plan.leaves, run.plan.kind);
        let database = run.plan.database.clone();
        self.note(|| format!("world: run {id} is over ({kind:?}), {exit:?}"));
        if exit.is_success() {
            self.leave_product(&job, leaves);
        }
        let mut sessions = Vec::new();
        for db in self.world.dbs.values() {
            for pid in db.of_run(id) {
                sessions.extend(db.sessions.get(&pid).map(|s| s.shown.backend.clone()));
            }
        }
        for backend in sessions {
            let mut stays = self.rng.i64(5..800);
            if self.weather.troubled && self.rng.u8(..12) == 0 {
                stays = self.rng.i64(5 * SECOND..5 * MINUTE);
            }
            self.at(self.t + stays, Happening::SessionGone(backend));
        }
        if self.weather.troubled
            && self.rng.u8(..15) == 0
            && let Some(db) = database
        {
            let after = self.t + self.rng.i64(SECOND..MINUTE);
            self.at(after, Happening::Revenant(db, id.clone()));
        }
    }

    /// A client that outlived its run comes back under its name.
    pub(crate) fn revenant(&mut self, db: &evenkeel_core::ids::DatabaseId, run: &RunId) {
        let now = self.clock.wall(self.t);
        let Some(world) = self.world.dbs.get_mut(db) else {
            return;
        };
        let mut session = world.client(now, "batch", &format!("evenkeel/{run}"));
        session.shown.run = Some(run.clone());
        let backend = session.shown.backend.clone();
        world.add(session);
        self.note(|| format!("world: a session of run {run} comes back, {backend}"));
        let stays = self.t + self.rng.i64(10 * SECOND..10 * MINUTE);
        self.at(stays, Happening::SessionGone(backend));
    }

    /// Its session was ended under a run: some notice and fail, some never do.
    pub(crate) fn run_lost_session(&mut self, id: &RunId) {
        let notices = self.rng.bool();
        let after = self.rng.i64(10..3000);
        let Some(run) = self.world.runs.get_mut(id).filter(|run| run.is_alive()) else {
            return;
        };
        run.broken.get_or_insert(self.t);
        if notices && run.plan.undying.is_none() {
            self.at(
                self.t + after,
                Happening::RunEnds(id.clone(), Exit::Code(1)),
            );
        }
    }

    pub(crate) fn leave_product(&mut self, job: &JobId, leaves: Leaves) {
        let now = self.clock.wall(self.t);
        let present = |bytes, complete| ProductState::Present {
            bytes,
            modified_at: now,
            complete: Some(complete),
            rows: None,
        };
        let t = self.t;
        let Some(job) = self.world.jobs.get_mut(job) else {
            return;
        };
        match leaves {
            Leaves::Whole => job.product = present(WHOLE + 7, true),
            Leaves::Empty => job.product = present(0, false),
            Leaves::Short => job.product = present(WHOLE * 2, false),
            Leaves::Nothing => {}
            Leaves::Late(after) => job.coming = Some(t + after),
        }
    }

    /// Another scheduler starts its job: Evenkeel hears of it, and does not start it.
    pub(crate) fn wrapped_slots(&mut self) {
        let now = self.clock.wall(self.t);
        let mut due = Vec::new();
        for (id, job) in &mut self.world.jobs {
            let slot = job.slot(now);
            if job.wrapped
                && job
                    .wrapped_slot
                    .replace(slot)
                    .is_some_and(|last| last < slot)
            {
                due.push(id.clone());
            }
        }
        for job in due {
            let id = RunId::from(format!("{job}-{}-1", now.strftime("%Y%m%dT%H%M%SZ")));
            self.begin_run(&id, &job, now, Origin::Wrapper);
        }
        self.at(self.t + 20 * SECOND, Happening::WrappedSlots);
    }

    /// Peace: what nobody was allowed to end ends by itself.
    pub(crate) fn calm_runs(&mut self) {
        let may_end: Vec<(RunId, Ms)> = self
            .world
            .runs
            .values_mut()
            .filter(|run| run.is_alive())
            .map(|run| {
                run.plan.undying = None;
                (run.id.clone(), 3 * MINUTE)
            })
            .collect();
        for (run, after) in may_end {
            let gone = self.t + after + self.rng.i64(0..MINUTE);
            self.at(gone, Happening::RunEnds(run, Exit::Signal(9)));
        }
    }
}
