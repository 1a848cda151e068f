//! What detectors remember of recent observations: bounded, and lost in a restart
//! without harm.
//!
//! Everything here is measured on the keeper's own clock, from the moment it saw a thing
//! itself: after a restart, or a jump of the clock ([`Memory::lose_track`]), patience
//! begins anew. A detector is then slower for a while, never wrong. A picture older than
//! the one already known is dropped: late and doubled observations change nothing.
//!
//! It can be written down and read back (the flight recorder begins its segments with it);
//! what comes back decides exactly as what went in, which `tests/cases.rs` holds. Nobody
//! else reads it: a restart begins with an empty one.

pub mod checks;
pub(crate) mod edge;
pub(crate) mod levels;

use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use core::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::authority::pairs;
use crate::ids::HeartbeatId;
use crate::ids::{
    CheckId, ComponentId, DatabaseId, IncidentId, JobId, PeakId, PersonId, PlanId, RunId, TargetId,
};
use crate::observation::{
    CopyReport, DatabaseLoad, LockChain, LockRoot, LockWaits, OutsideWord, ProductState,
    RunBackends, RunExit, RunProgress, Session, SessionState,
};
use crate::policy::Policy;
use crate::postmortem::Counted;
use crate::record::Record;
use crate::subject::{Backend, Subject};
use crate::time;

/// A step that comes later after the one before than this has lost track of time: the
/// machine slept, the clock jumped, or the program was stopped. The pump steps at least
/// every 5 s.
pub const GAP_MAX: Duration = Duration::from_secs(30);

/// A picture older than this says nothing about now: three of the slowest observer's
/// intervals.
pub const FRESH: Duration = Duration::from_secs(15);

/// Ends kept of runs that have not been seen to begin. What is told again after a restart
/// comes as a start and an end, a moment apart.
const EARLY_EXITS_KEPT: usize = 64;

/// Gaps kept: clocks are set a few times a year, laptops sleep a few times a day.
const GAPS_KEPT: usize = 64;

/// CPU time that counts as progress: one percent of one core since the last progress.
/// Below it lie the timers of a runtime that waits.
const CPU_FLOOR_PCT: u128 = 1;

/// What detectors remember.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    pub(crate) runs: BTreeMap<RunId, RunMemory>,
    pub(crate) databases: BTreeMap<DatabaseId, DatabaseMemory>,
    pub(crate) products: BTreeMap<JobId, (Timestamp, ProductState)>,
    #[serde(with = "pairs")]
    pub(crate) blind: BTreeMap<Subject, (Timestamp, String)>,
    /// When sight of a subject was last spoken of: an older word says nothing about now.
    #[serde(with = "pairs")]
    pub(crate) sight_at: BTreeMap<Subject, Timestamp>,
    /// Since when time has been measured without a break.
    pub(crate) tracked_since: Option<Timestamp>,
    /// Runs that were seen to end before they were seen to begin.
    pub(crate) early_exits: BTreeMap<RunId, RunExit>,
    /// Stretches the clock cannot be trusted to have measured: from when, how long.
    gaps: VecDeque<(Timestamp, Duration)>,
    /// When to look at a subject again although nothing was seen of it.
    pub(crate) timers: BTreeSet<(Timestamp, Subject)>,
    pub(crate) last_step: Option<Timestamp>,
    /// How checks went lately.
    pub(crate) checks: BTreeMap<CheckId, checks::CheckMemory>,
    /// Checks that failed last, wherever they are seen from.
    pub(crate) failing: BTreeSet<CheckId>,
    /// Checks of a component that have not been made lately.
    pub(crate) unseen: BTreeMap<ComponentId, BTreeSet<CheckId>>,
    /// The absence that was last told of.
    pub(crate) absence: Option<Timestamp>,
    /// Components that anything at all looks at.
    pub(crate) watched: BTreeSet<ComponentId>,
    /// Those of them that nothing but the edge looks at.
    #[serde(default)]
    pub(crate) seen_by_edge_only: BTreeSet<ComponentId>,
    /// The one timer of each heartbeat that has one.
    heartbeat_timers: BTreeMap<HeartbeatId, Timestamp>,
    /// Each person's present or next quiet hours, as last told.
    #[serde(default)]
    pub(crate) quiet: BTreeMap<PersonId, (Timestamp, Timestamp)>,
    /// How full things are that fill up, and how they have filled.
    #[serde(default)]
    levels: levels::LevelsMemory,
    /// What the edge told lately.
    #[serde(default)]
    pub(crate) edge: edge::EdgeMemory,
    /// What was counted of each open incident.
    #[serde(default)]
    pub(crate) counted: BTreeMap<IncidentId, Counted>,
    /// How each published copy stands, and when that was told.
    #[serde(default)]
    pub(crate) copies: BTreeMap<TargetId, (Timestamp, CopyReport)>,
    /// When the dates of each maintenance and peak of the configuration were told: an older
    /// picture says nothing about now.
    #[serde(default)]
    pub(crate) maintenances_told: BTreeMap<PlanId, Timestamp>,
    #[serde(default)]
    pub(crate) peaks_told: BTreeMap<PeakId, Timestamp>,
    /// What a witness told, until it can be said that it is over.
    #[serde(default)]
    pub(crate) outside: Option<OutsideWord>,
    /// When something is left to do of an incident, as of the last step.
    #[serde(skip)]
    pub(crate) aftermath_due: Derived<Option<Timestamp>>,
}

/// What follows from everything else and is kept so as not to be reckoned at every step. It
/// is not written down, and memories that differ in nothing else are equal.
#[derive(Debug, Clone, Default)]
pub(crate) struct Derived<T>(pub(crate) Option<T>);

impl<T> PartialEq for Derived<T> {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl<T> Eq for Derived<T> {}

/// What is remembered of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunMemory {
    pub(crate) seen_at: Timestamp,
    pub(crate) progress_at: Timestamp,
    /// Whether it has been seen to move at all.
    pub(crate) moved: bool,
    /// What moved last, in words.
    pub(crate) progress_by: Cow<'static, str>,
    reference: Option<RunProgress>,
    pub(crate) latest: Option<RunProgress>,
    #[serde(with = "pairs")]
    backends: BTreeMap<Backend, Option<Timestamp>>,
}

/// What is remembered of a database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseMemory {
    pub(crate) waits_at: Option<Timestamp>,
    #[serde(with = "pairs")]
    pub(crate) chains: BTreeMap<Subject, ChainMemory>,
    pub(crate) run_backends_at: Option<Timestamp>,
    #[serde(with = "pairs")]
    pub(crate) run_backends: BTreeMap<Backend, (Timestamp, Session)>,
    pub(crate) load: Option<(Timestamp, DatabaseLoad)>,
}

/// What is remembered of a lock chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainMemory {
    pub(crate) chain: LockChain,
    /// When each waiter was first seen waiting for this root, by our clock.
    #[serde(with = "pairs")]
    pub(crate) first_seen: BTreeMap<Backend, Timestamp>,
}

impl ChainMemory {
    /// Components whose sessions wait, with how many have waited for at least `span` and
    /// how long the longest has.
    pub(crate) fn waiting(
        &self,
        now: Timestamp,
        span: Duration,
    ) -> BTreeMap<ComponentId, (u32, Duration)> {
        let mut waiting: BTreeMap<ComponentId, (u32, Duration)> = BTreeMap::new();
        for waiter in &self.chain.waiters {
            let Some(component) = &waiter.session.component else {
                continue;
            };
            let Some(first) = self.first_seen.get(&waiter.session.backend) else {
                continue;
            };
            let lasted = time::since(*first, now);
            let (count, longest) = waiting.entry(component.clone()).or_default();
            *count += u32::from(lasted >= span);
            *longest = (*longest).max(lasted);
        }
        waiting
    }
}

/// The subject of a lock chain's root.
pub(crate) fn root_subject(database: &DatabaseId, root: &LockRoot) -> Subject {
    match root {
        LockRoot::Session(session) => Subject::Backend(session.backend.clone()),
        LockRoot::Prepared { gid, .. } => Subject::PreparedTransaction {
            database: database.clone(),
            gid: gid.clone(),
        },
    }
}

impl Memory {
    /// A memory after a restart: it knows nothing, and has everything that is open looked
    /// at in the first step.
    pub fn after_restart(record: &Record) -> Self {
        let mut memory = Self::default();
        memory.look_at_everything(record, Timestamp::MIN);
        memory
    }

    /// When the next subject wants to be looked at.
    pub fn next_timer(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    pub(crate) fn look_at_everything(&mut self, record: &Record, at: Timestamp) {
        let open_runs = record
            .runs
            .iter()
            .filter(|(_, state)| state.ended.is_none())
            .map(|(run, _)| Subject::Run(run.clone()));
        // Only those that something is due of, or that are at work; the rest waits for pings.
        let heartbeats = record
            .heartbeats
            .iter()
            .filter(|(_, state)| state.due_at.is_some() || !state.open_runs.is_empty())
            .map(|(id, _)| Subject::Heartbeat(id.clone()));
        let subjects = open_runs
            .chain(record.jobs.keys().cloned().map(Subject::Job))
            .chain(heartbeats)
            .chain(record.findings.keys().map(|key| key.subject.clone()));
        for subject in subjects {
            self.look_again(at, &subject);
        }
    }

    /// The clock cannot be trusted to have run evenly since `last`, the last step: forget
    /// what was measured with it.
    pub(crate) fn lose_track(&mut self, record: &Record, last: Timestamp, now: Timestamp) {
        let mut gaps = core::mem::take(&mut self.gaps);
        if now > last {
            gaps.push_back((last, time::since(last, now)));
            if gaps.len() > GAPS_KEPT {
                gaps.pop_front();
            }
        }
        self.levels.skip(last, now);
        *self = Self {
            gaps,
            levels: core::mem::take(&mut self.levels),
            tracked_since: Some(now),
            early_exits: core::mem::take(&mut self.early_exits),
            ..Self::default()
        };
        self.look_at_everything(record, now);
    }

    /// The time since `from` that was not measured but jumped over. A run's deadline does
    /// not pass because somebody set the clock, or while the machine slept.
    pub(crate) fn jumped_over(&self, from: Timestamp) -> Duration {
        self.gaps
            .iter()
            .map(|(at, gap)| time::since(from, time::after(*at, *gap)).min(*gap))
            .sum()
    }

    /// Notes which components anything at all looks at.
    pub(crate) fn take_stock(&mut self, policy: &Policy) {
        let by_jobs = policy.jobs.values().flat_map(|job| &job.components);
        let by_checks = policy.checks.values().flat_map(|check| &check.components);
        let heartbeats = policy.heartbeats.values();
        let by_heartbeats = heartbeats.flat_map(|heartbeat| &heartbeat.components);
        let needing = policy.components.iter();
        let needing = needing.filter(|(_, component)| !component.needs.is_empty());
        self.watched = by_jobs
            .chain(by_checks)
            .chain(by_heartbeats)
            .chain(needing.map(|(id, _)| id))
            .cloned()
            .collect();
        let routes = policy.routes.values();
        let served = routes.filter_map(|route| route.component.as_ref());
        let served = served.filter(|id| !self.watched.contains(*id));
        self.seen_by_edge_only = served.cloned().collect();
        self.watched.extend(self.seen_by_edge_only.iter().cloned());
    }

    pub(crate) fn take_due(&mut self, now: Timestamp) -> BTreeSet<Subject> {
        let mut due = BTreeSet::new();
        while self.timers.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, subject)) = self.timers.pop_first() else {
                break;
            };
            if let Subject::Heartbeat(id) = &subject {
                self.heartbeat_timers.remove(id);
            }
            due.insert(subject);
        }
        due
    }

    /// Has a subject looked at again at a time. A heartbeat has one timer, the earliest that
    /// is wanted: its detectors say at each judgement when they want to look again, and a
    /// timer for each ping would be as many as there are pings until the first is due.
    pub(crate) fn look_again(&mut self, at: Timestamp, subject: &Subject) {
        if let Subject::Heartbeat(id) = subject {
            if let Some(known) = self.heartbeat_timers.get_mut(id) {
                if *known <= at {
                    return;
                }
                self.timers.remove(&(*known, subject.clone()));
                *known = at;
            } else {
                self.heartbeat_timers.insert(id.clone(), at);
            }
        }
        self.timers.insert((at, subject.clone()));
    }

    /// The picture of who waits is young enough to speak of now.
    pub(crate) fn sees_locks(&self, database: &DatabaseId, now: Timestamp) -> bool {
        !self
            .blind
            .contains_key(&Subject::Database(database.clone()))
            && self
                .databases
                .get(database)
                .and_then(|memory| memory.waits_at)
                .is_some_and(|at| time::since(at, now) <= FRESH)
    }

    /// A time of the record, as far as it can be so. One that is still to come was noted
    /// before the clock was set back: it lies no later than when time was last lost.
    pub(crate) fn at_latest(&self, noted: Timestamp, now: Timestamp) -> Timestamp {
        match self.tracked_since {
            Some(tracked) if noted > now => tracked.min(now),
            _ => noted,
        }
    }

    /// The end of a run that nobody has seen begin: kept for when somebody does.
    pub(crate) fn keep_early_exit(&mut self, exit: &RunExit) {
        if self.early_exits.len() >= EARLY_EXITS_KEPT {
            self.early_exits.pop_first();
        }
        self.early_exits.insert(exit.run.clone(), exit.clone());
    }

    /// Whether the sessions of runs can be seen in every one of these databases.
    pub(crate) fn sees_sessions<'a>(
        &self,
        mut databases: impl Iterator<Item = &'a DatabaseId>,
        now: Timestamp,
    ) -> bool {
        databases.all(|database| {
            self.databases
                .get(database)
                .and_then(|memory| memory.run_backends_at)
                .is_some_and(|at| time::since(at, now) <= FRESH)
        })
    }

    pub(crate) fn chain(&self, root: &Subject) -> Option<&ChainMemory> {
        self.databases.get(root.database()?)?.chains.get(root)
    }

    /// Every chain whose root is a session of `run`.
    pub(crate) fn chains_of_run<'a>(
        &'a self,
        run: &'a RunId,
    ) -> impl Iterator<Item = (&'a Subject, &'a ChainMemory)> {
        self.databases
            .values()
            .flat_map(|memory| memory.chains.iter())
            .filter(move |(_, chain)| match &chain.chain.root {
                LockRoot::Session(session) => session.run.as_ref() == Some(run),
                LockRoot::Prepared { .. } => false,
            })
    }

    /// A run began, or is open after a restart: patience begins at `now`.
    pub(crate) fn run_begins(&mut self, run: &RunId, now: Timestamp) {
        self.runs.entry(run.clone()).or_insert_with(|| RunMemory {
            seen_at: now,
            progress_at: now,
            moved: false,
            progress_by: Cow::Borrowed("it began, or was first seen"),
            reference: None,
            latest: None,
            backends: BTreeMap::new(),
        });
    }

    pub(crate) fn forget_run(&mut self, run: &RunId) {
        self.runs.remove(run);
    }

    pub(crate) fn see_progress(&mut self, progress: &RunProgress, at: Timestamp, now: Timestamp) {
        let at = at.min(now);
        self.run_begins(&progress.run, at);
        let Some(memory) = self.runs.get_mut(&progress.run) else {
            return;
        };
        if memory.latest.is_some() && at <= memory.seen_at {
            return;
        }
        memory.seen_at = at;
        memory.latest = Some(progress.clone());
        let Some(reference) = &memory.reference else {
            memory.reference = Some(progress.clone());
            return;
        };
        let cpu = u128::from(progress.cpu_ms.saturating_sub(reference.cpu_ms));
        let elapsed = time::since(memory.progress_at, at).as_millis();
        let moved = if progress.reports != reference.reports {
            Some("it reported progress")
        } else if progress.output_bytes != reference.output_bytes {
            Some("it wrote output")
        } else if progress.io_bytes != reference.io_bytes {
            Some("it read or wrote data")
        } else if progress.processes != reference.processes {
            Some("its processes changed")
        } else if cpu > 0 && cpu * 100 >= elapsed * CPU_FLOOR_PCT {
            Some("it used CPU time")
        } else {
            None
        };
        if let Some(by) = moved {
            memory.progress_at = memory.progress_at.max(at);
            memory.progress_by = Cow::Borrowed(by);
            memory.moved = true;
            memory.reference = Some(progress.clone());
        }
    }

    /// A run's database sessions. One that works, and waits neither for a lock nor for
    /// its client, is progress; so is one that changed its state since it was last seen.
    pub(crate) fn see_run_backends(
        &mut self,
        picture: &RunBackends,
        at: Timestamp,
        now: Timestamp,
    ) -> BTreeSet<Subject> {
        let at = at.min(now);
        let memory = self.databases.entry(picture.database.clone()).or_default();
        if memory.run_backends_at.is_some_and(|known| at <= known) {
            return BTreeSet::new();
        }
        memory.run_backends_at = Some(at);
        let mut touched: BTreeSet<Subject> = memory
            .run_backends
            .keys()
            .cloned()
            .map(Subject::Backend)
            .collect();
        let before = core::mem::take(&mut memory.run_backends);
        for session in &picture.sessions {
            let first = before
                .get(&session.backend)
                .map_or(now, |(first, _)| *first);
            memory
                .run_backends
                .insert(session.backend.clone(), (first, session.clone()));
            touched.insert(Subject::Backend(session.backend.clone()));
            let Some(run) = session.run.as_ref().and_then(|run| self.runs.get_mut(run)) else {
                continue;
            };
            let works = session.state == SessionState::Active
                && !session.waits_for.starts_with("Lock")
                && !session.waits_for.starts_with("Client");
            let changed = run
                .backends
                .insert(session.backend.clone(), session.state_since)
                != Some(session.state_since);
            if works || changed {
                run.moved = true;
                run.progress_at = run.progress_at.max(at);
                run.progress_by = Cow::Borrowed("its database session worked");
            }
            run.backends.retain(|backend, _| {
                backend.database != picture.database
                    || picture
                        .sessions
                        .iter()
                        .any(|session| session.backend == *backend)
            });
        }
        touched
    }

    pub(crate) fn see_waits(
        &mut self,
        picture: &LockWaits,
        at: Timestamp,
        now: Timestamp,
    ) -> BTreeSet<Subject> {
        let at = at.min(now);
        let memory = self.databases.entry(picture.database.clone()).or_default();
        if memory.waits_at.is_some_and(|known| at <= known) {
            return BTreeSet::new();
        }
        memory.waits_at = Some(at);
        // A picture is sight, whatever was said about it before.
        let of = Subject::Database(picture.database.clone());
        let saw_again = self.blind.get(&of).is_some_and(|(since, _)| *since < at);
        if saw_again {
            self.blind.remove(&of);
        }
        let mut before = core::mem::take(&mut memory.chains);
        let mut touched: BTreeSet<Subject> = before.keys().cloned().collect();
        touched.extend(saw_again.then_some(of));
        for chain in &picture.chains {
            let root = root_subject(&picture.database, &chain.root);
            let known = before
                .remove(&root)
                .map(|chain| chain.first_seen)
                .unwrap_or_default();
            let first_seen = chain
                .waiters
                .iter()
                .map(|waiter| {
                    let backend = &waiter.session.backend;
                    (backend.clone(), known.get(backend).copied().unwrap_or(at))
                })
                .collect();
            touched.insert(root.clone());
            memory.chains.insert(
                root,
                ChainMemory {
                    chain: chain.clone(),
                    first_seen,
                },
            );
        }
        touched
    }

    pub(crate) fn see_load(
        &mut self,
        load: &DatabaseLoad,
        at: Timestamp,
        now: Timestamp,
    ) -> BTreeSet<Subject> {
        let at = at.min(now);
        let memory = self.databases.entry(load.database.clone()).or_default();
        if memory.load.as_ref().is_some_and(|(known, _)| at <= *known) {
            return BTreeSet::new();
        }
        let mut touched: BTreeSet<Subject> =
            core::iter::once(Subject::Database(load.database.clone())).collect();
        let backends = |load: &DatabaseLoad| -> BTreeSet<Subject> {
            load.idle_in_transaction
                .iter()
                .map(|session| Subject::Backend(session.backend.clone()))
                .collect()
        };
        touched.extend(backends(load));
        if let Some((_, before)) = &memory.load {
            touched.extend(backends(before));
        }
        memory.load = Some((at, load.clone()));
        touched
    }
}
