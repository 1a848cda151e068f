//! Who may be touched: the guilty, and nobody else.

use std::time::Duration;

use evenkeel_core::action::{Action, Task};
use evenkeel_core::ids::{JobId, RunId};
use evenkeel_core::observation::Origin;
use evenkeel_core::policy::{Concurrency, Policy};
use evenkeel_core::subject::Backend;

use super::{Held, Oracle, Truth};
use crate::clock::{Ms, SECOND};
use crate::world::World;
use crate::world::database::{RootKey, Sess};
use crate::world::run::{Kind, Run};

/// A picture may be so old when something is decided on it.
const OLD: Ms = 15 * SECOND;
/// Clocks of observers are off by less than this, and a step takes a moment.
const SLACK: Ms = 2 * SECOND;

fn span(duration: Duration) -> Ms {
    duration.as_millis() as Ms
}

impl Oracle {
    /// What an action is asked to end has just been guilty, in truth, of what it is ended
    /// for.
    pub(super) fn only_the_guilty(&self, action: &Action, truth: Truth<'_>) -> Held {
        match &action.task {
            Task::StartRun { .. } => Ok(()),
            Task::EndRun { run, .. } => match truth.world.runs.get(run) {
                Some(run) => self.run_is_guilty(run, truth),
                // It never began; its name is taken.
                None => Ok(()),
            },
            Task::EndBackend { backend, .. } => self.session_is_guilty(backend, truth),
        }
    }

    /// Only a root that holds up protected sessions is ended, a statement that heads a
    /// queue where that is configured, or a session of a run that is over; never a waiter.
    fn session_is_guilty(&self, backend: &Backend, truth: Truth<'_>) -> Held {
        let (Some(db), Some(policy)) = (
            truth.world.dbs.get(&backend.database),
            truth.policy.databases.get(&backend.database),
        ) else {
            return Err(("only_roots", format!("{backend} is in no guarded database")));
        };
        let key = RootKey::Session(backend.pid, backend.backend_start);
        let jumped = truth.clock.jumped_since(truth.t - OLD);
        let lately = |at: Ms| truth.t - at <= OLD + SLACK;
        let span = span(policy.locks.waiting_min);
        let min = policy.locks.waiters_min.max(1) as usize;
        let now = db
            .harm
            .get(&key)
            .is_some_and(|harm| harm.counted(truth.t, span - 1000) >= min);
        if now || db.last_harmful(&key).is_some_and(lately) || jumped > SECOND {
            return Ok(());
        }
        // Once harm has been done it counts until nobody waits any more.
        let still = db
            .harm
            .get(&key)
            .is_some_and(|harm| harm.harmful_at.is_some());
        let gone = db
            .past
            .get(&key)
            .is_some_and(|past| lately(past.gone_at) && past.harmful_at.is_some());
        let session = db.get(backend);
        let heads = policy.locks.end_queued_ddl
            && session.is_some_and(|session| session.queue_head_at.is_some_and(lately));
        let run = session.and_then(|session| session.shown.run.as_ref());
        let stray = run
            .and_then(|run| truth.world.runs.get(run))
            .is_some_and(|run| !run.is_alive());
        // Gone since: nothing is left that could be touched.
        if still || gone || heads || stray || session.is_none() {
            return Ok(());
        }
        Err((
            "only_roots",
            format!(
                "{backend} is to be ended, and held up nobody lately: {:?}",
                db.harm.get(&key)
            ),
        ))
    }

    /// A run is ended only if it hangs, is past its deadline, cannot finish, or is replaced.
    fn run_is_guilty(&self, run: &Run, truth: Truth<'_>) -> Held {
        let Some(policy) = truth.policy.jobs.get(&run.job) else {
            return Err((
                "only_guilty_runs",
                format!("run {} is of no configured job", run.id),
            ));
        };
        let idle = truth.t - run.moved_at(truth.t);
        // It may have moved since it was last seen.
        let seen = truth.t - OLD;
        let idle_when_seen = (seen - run.moved_at(seen)).max(idle);
        let hangs = policy
            .stall
            .is_some_and(|stall| idle_when_seen >= span(stall) - OLD - SLACK);
        let age = truth.t - run.began;
        let crept = truth.clock.crept_since(run.began);
        // A core that was started anew cannot know that the clock was set before.
        let unknowing = truth.knows_since > run.began && truth.clock.jumped_since(run.began) > 0;
        let late = policy
            .deadline
            .is_some_and(|deadline| age >= span(deadline) - SLACK - crept || unknowing);
        let newer = self
            .slots
            .get(&run.job)
            .is_some_and(|slot| *slot > run.scheduled_at);
        let replaced = policy.concurrency == Concurrency::Replace && newer;
        if hangs || late || replaced || run.broken.is_some() || !run.is_alive() {
            return Ok(());
        }
        Err((
            "only_guilty_runs",
            format!(
                "run {} ({:?}) is to be ended after {} s, having moved {} ms ago",
                run.id,
                run.plan.kind,
                age / SECOND,
                idle
            ),
        ))
    }

    /// The very session is ended that the action names, in the very transaction; and never
    /// a superuser's, a server process, or another database's, nor one no rule names.
    pub(crate) fn touches_session(
        &mut self,
        action: &Action,
        session: &Sess,
        policy: &Policy,
        t: Ms,
    ) {
        let held = self.only_the_named(action, session, policy, t);
        self.hold(held);
    }

    fn only_the_named(&self, action: &Action, session: &Sess, policy: &Policy, _t: Ms) -> Held {
        let Task::EndBackend {
            backend,
            xact_start,
            ..
        } = &action.task
        else {
            return Ok(());
        };
        let shown = &session.shown;
        let named =
            shown.backend == *backend && (xact_start.is_none() || shown.xact_start == *xact_start);
        if !named {
            return Err((
                "only_the_named_session",
                format!(
                    "{} means {backend} since {}, and touches one since {}",
                    action.id, backend.backend_start, shown.backend.backend_start
                ),
            ));
        }
        let Some(locks) = policy.databases.get(&backend.database).map(|db| &db.locks) else {
            return Err((
                "nothing_unconfigured_is_touched",
                format!("{backend} is in no guarded database"),
            ));
        };
        let ours = (locks.end_runs && shown.run.is_some())
            || locks
                .end_roles
                .iter()
                .any(|role| role.as_str() == shown.role)
            || (shown.application_name.starts_with("migrate-")
                && !locks.end_applications.is_empty());
        let sacred = shown.superuser || shown.backend_type != "client backend" || !shown.in_scope;
        if sacred || !ours {
            return Err((
                "nothing_unconfigured_is_touched",
                format!(
                    "{backend}: {} as {} ({})",
                    shown.application_name, shown.role, shown.backend_type
                ),
            ));
        }
        Ok(())
    }

    /// Decoys: a run that works, however long or slowly, is not ended under any pretext.
    pub(crate) fn ends_run(&mut self, action: &Action, run: &Run, truth: Truth<'_>) {
        let decoy = matches!(
            run.plan.kind,
            Kind::Honest | Kind::Long | Kind::Slow | Kind::InDatabase
        );
        let asked_at = self.requested.get(&action.id).map_or(truth.t, |(t, _)| *t);
        let at_that_time = Truth {
            t: asked_at,
            ..truth
        };
        let held = match decoy {
            true => self.run_is_guilty(run, at_that_time),
            false => Ok(()),
        };
        self.hold(held);
    }

    /// A job is not started over a run of it that is still there and that the core has
    /// been told of.
    pub(super) fn never_over_a_run(&self, action: &Action, truth: Truth<'_>) -> Held {
        let Task::StartRun { run, job, .. } = &action.task else {
            return Ok(());
        };
        let other = truth
            .world
            .alive_of(job)
            .find(|other| other.id != *run && self.told_starts.contains(&other.id));
        match other {
            Some(other) => Err((
                "never_over_a_run",
                format!(
                    "{run} is to be started over {}, which is still there",
                    other.id
                ),
            )),
            None => Ok(()),
        }
    }

    /// Two runs of one job that Evenkeel started, and knows to have started, are never there
    /// at the same time.
    pub(crate) fn run_begins(&mut self, id: &RunId, job: &JobId, origin: Origin, world: &World) {
        let other = world
            .alive_of(job)
            .filter(|other| other.id != *id && other.origin == Origin::Keeper)
            .find(|other| self.told_starts.contains(&other.id));
        if origin == Origin::Keeper
            && let Some(other) = other
        {
            self.hold(Err((
                "one_run_at_a_time",
                format!("{id} begins while {} is still there", other.id),
            )));
        }
    }

    /// The run after one that failed waits its backoff, twice as long each time, and there
    /// are no more attempts than the budget allows.
    pub(super) fn never_in_a_tight_loop(&self, action: &Action, truth: Truth<'_>) -> Held {
        let Task::StartRun {
            job,
            attempt,
            scheduled_at,
            ..
        } = &action.task
        else {
            return Ok(());
        };
        let Some(retry) = truth.policy.jobs.get(job).map(|job| &job.retry) else {
            return Err((
                "nothing_unconfigured_is_touched",
                format!("there is no job {job}"),
            ));
        };
        if *attempt > retry.budget + 1 {
            return Err((
                "never_in_a_tight_loop",
                format!(
                    "attempt {attempt} of {job}, {} retries are allowed",
                    retry.budget
                ),
            ));
        }
        let before = truth
            .world
            .runs
            .values()
            .filter(|run| run.job == *job && run.scheduled_at == *scheduled_at)
            .filter_map(|run| run.ended.as_ref())
            .map(|ended| ended.t)
            .max();
        let Some(ended) = before.filter(|_| *attempt > 1) else {
            return Ok(());
        };
        let doubled = span(retry.backoff) << (attempt - 2).min(10);
        let wait = doubled.min(span(retry.backoff_max));
        let jumped = truth.clock.jumped_since(ended - 1);
        if truth.t - ended < wait - 200 - jumped {
            return Err((
                "never_in_a_tight_loop",
                format!(
                    "attempt {attempt} of {job} comes {} ms after the last, {wait} are due",
                    truth.t - ended
                ),
            ));
        }
        Ok(())
    }
}
