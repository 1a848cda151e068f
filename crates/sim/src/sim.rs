//! One seeded run: the agenda of what happens when, first with faults, then without.

use std::collections::BTreeMap;
use std::io::Write;

use evenkeel_core::Timestamp;
use evenkeel_core::action::{Action, ActionKind};
use evenkeel_core::authority::Mode;
use evenkeel_core::edge::EdgePlan;
use evenkeel_core::event::Event;
use evenkeel_core::ids::{ActionId, DatabaseId, JobId, MessageId, RunId};
use evenkeel_core::observation::{
    ActionOutcome, Exit, Observation, Order, Origin, Seen, SessionState,
};
use evenkeel_core::policy::{Policy, TellMode};

use crate::beats::Client;
use crate::canary::Canary;
use crate::edge::{Edge, undo};
use crate::marks::Marks;
use crate::oracle::Oracle;
use crate::policy::{MAIN, SORTS, WATCHED, policy};
use crate::pools::{NOT_OURS, PROBED, Pools};
use crate::pump::Pump;
use crate::recycle::Recycling;
use crate::service::Service;
use crate::trace::Trace;
use crate::world::{Life, World};
use crate::{HOUR, MINUTE, Ms, SECOND, at};

/// What to simulate.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Same seed, same world.
    pub seed: u64,
    /// Simulated hours with faults; quiet ones follow.
    pub hours: u64,
    /// A built-in bug.
    pub canary: Option<Canary>,
    /// Whether every line of the trace is printed.
    pub prints: bool,
}

/// What a run came to.
#[derive(Debug, Clone)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Simulated hours, the quiet ones included.
    pub hours: f64,
    /// Events in the journal.
    pub events: u64,
    /// Actions performed.
    pub actions: u64,
    /// Restarts of the server.
    pub restarts: u64,
    /// A number that differs where traces do.
    pub digest: u64,
    /// Situations that were met.
    pub marks: Marks,
    /// The first violation, where there is one.
    pub violation: Option<Violation>,
}

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: &'static str,
    /// When, milliseconds of simulated time.
    pub at_ms: i64,
    /// What happened.
    pub what: String,
    /// The newest lines of the trace.
    pub trace: Vec<String>,
}

pub(crate) enum Happening {
    Slot(usize),
    RunEnds(RunId),
    Stray(RunId),
    Episode,
    Waiter(DatabaseId, i32),
    /// A session goes by itself, if it is still the same.
    Gone(DatabaseId, i32, Timestamp),
    PidUsedAgain(DatabaseId, i32, Timestamp),
    PreparedGone(DatabaseId),
    Operator,
    Teller,
    Planner,
    Writer,
    Mishap,
    Look,
    Deliver(Box<Observation>),
    Wake,
    Perform(Box<Action>, u64),
    Outcome(Box<ActionOutcome>, u64),
    Told(MessageId, u64),
    Restart,
    Probe,
    /// One begins, or is over.
    ServiceEpisode(bool),
    Beat,
    EdgeBeat,
    /// The link to the edge is made again.
    EdgeLink,
    EdgeTakes(Box<EdgePlan>),
    EdgeOperator,
    PoolEpisode,
    /// The hand that recycles looks again.
    Recycle(ActionId),
}

pub(crate) struct Sim {
    pub(crate) rng: fastrand::Rng,
    pub(crate) now: Ms,
    /// How far the wall clock is off.
    pub(crate) offset: Ms,
    pub(crate) jumped_at: Ms,
    pub(crate) faults: bool,
    pub(crate) canary: Option<Canary>,
    agenda: BTreeMap<(Ms, u64), Happening>,
    planned: u64,
    pub(crate) world: World,
    pub(crate) service: Service,
    pub(crate) client: Client,
    pub(crate) pools: Pools,
    pub(crate) edge: Edge,
    pub(crate) recyclings: BTreeMap<ActionId, Recycling>,
    /// What is configured.
    pub(crate) policy: Policy,
    /// What the core is told is configured: a canary may lie to it.
    pub(crate) core_policy: Policy,
    pub(crate) pump: Pump,
    pub(crate) oracle: Oracle,
    pub(crate) marks: Marks,
    pub(crate) trace: Trace,
    pub(crate) wake_at: Ms,
    pub(crate) next_look: Ms,
    pub(crate) progress_told: Ms,
    pub(crate) due_told: Ms,
    pub(crate) product_told: Ms,
    pub(crate) load_told: BTreeMap<DatabaseId, Ms>,
    pub(crate) told_blind: BTreeMap<DatabaseId, bool>,
    pub(crate) slots: BTreeMap<JobId, Ms>,
    pub(crate) slot_told: BTreeMap<JobId, Ms>,
    actions: u64,
    restarts: u64,
    violation: Option<Violation>,
}

/// Writes a line to standard output; a reader that went away is no failure.
pub(crate) fn say(line: &str) {
    let _gone = writeln!(std::io::stdout().lock(), "{line}");
}

/// Runs one world to its end, or to the first violation.
#[must_use]
pub fn run(options: &Options) -> Report {
    let mut sim = Sim::new(options);
    let hours = Ms::try_from(options.hours).unwrap_or(1);
    sim.until(hours * HOUR);
    sim.calm_down();
    sim.harm_ends();
    sim.leaks_end();
    // Long enough for every job to have a slot that goes well.
    sim.until(sim.now + 8 * HOUR);
    sim.come_to_rest();
    Report {
        seed: options.seed,
        hours: sim.now as f64 / HOUR as f64,
        events: sim.pump.state.record.revision,
        actions: sim.actions,
        restarts: sim.restarts,
        digest: sim.trace.digest(),
        marks: sim.marks,
        violation: sim.violation,
    }
}

impl Sim {
    fn new(options: &Options) -> Self {
        let mut policy = policy();
        policy.telling.mode = match options.seed % 5 {
            3 => TellMode::Veto,
            4 => TellMode::Propose,
            _ => TellMode::Automatic,
        };
        let mut core_policy = policy.clone();
        for (key, grant) in &mut core_policy.authority.grants {
            match options.canary {
                Some(Canary::ActInWatch) => grant.mode = Mode::Act,
                Some(Canary::IgnoreBudget) if key.0 != ActionKind::StartRun => {
                    grant.budget = 1000;
                    grant.interval_min = std::time::Duration::ZERO;
                }
                _ => {}
            }
        }
        tell_otherwise(&mut core_policy, options.canary);
        let mut sim = Self {
            rng: fastrand::Rng::with_seed(options.seed),
            now: 0,
            offset: 0,
            jumped_at: -24 * HOUR,
            faults: true,
            canary: options.canary,
            agenda: BTreeMap::new(),
            planned: 0,
            world: World::new(&[MAIN, WATCHED]),
            service: Service::default(),
            client: Client::default(),
            pools: Pools::default(),
            edge: Edge::default(),
            recyclings: BTreeMap::new(),
            policy,
            core_policy,
            pump: Pump::new(),
            oracle: Oracle::default(),
            marks: Marks::default(),
            trace: Trace::default(),
            wake_at: 0,
            next_look: 0,
            progress_told: 0,
            due_told: 0,
            product_told: 0,
            load_told: BTreeMap::new(),
            told_blind: BTreeMap::new(),
            slots: BTreeMap::new(),
            slot_told: BTreeMap::new(),
            actions: 0,
            restarts: 0,
            violation: None,
        };
        sim.trace.prints = options.prints;
        for (index, sort) in SORTS.iter().enumerate() {
            let first = sim.rng.i64(MINUTE..sort.every);
            sim.plan(first, Happening::Slot(index));
        }
        sim.plan(0, Happening::Look);
        sim.plan(2 * MINUTE, Happening::Episode);
        sim.plan(10 * MINUTE, Happening::Operator);
        sim.plan(12 * MINUTE, Happening::Teller);
        sim.plan(9 * MINUTE, Happening::Planner);
        sim.plan(20 * MINUTE, Happening::Writer);
        sim.plan(30 * MINUTE, Happening::Mishap);
        sim.plan(SECOND, Happening::Probe);
        sim.plan(2 * SECOND, Happening::Beat);
        sim.plan(5 * MINUTE, Happening::ServiceEpisode(false));
        sim.begin_pools();
        sim.plan(3 * SECOND, Happening::EdgeBeat);
        sim.plan(7 * MINUTE, Happening::PoolEpisode);
        sim.plan(15 * MINUTE, Happening::EdgeOperator);
        sim
    }

    pub(crate) fn plan(&mut self, when: Ms, what: Happening) {
        self.planned += 1;
        self.agenda.insert((when.max(self.now), self.planned), what);
    }

    pub(crate) fn violate(&mut self, invariant: &'static str, what: &str) {
        self.trace
            .line(self.now, &format!("VIOLATED {invariant}: {what}"));
        if self.violation.is_none() {
            self.violation = Some(Violation {
                invariant,
                at_ms: self.now,
                what: what.to_owned(),
                trace: self.trace.newest(),
            });
        }
    }

    pub(crate) fn trace_event(&mut self, event: &Event) {
        let what = match serde_json::to_string(&event.what) {
            Ok(text) => text.chars().take(300).collect::<String>(),
            Err(error) => error.to_string(),
        };
        self.trace.line(self.now, &what);
    }

    /// Whether the wall clock jumped within the longest deadline.
    pub(crate) fn jumped_lately(&self) -> bool {
        self.now - self.jumped_at < 12 * HOUR
    }

    fn until(&mut self, end: Ms) {
        while self.violation.is_none() {
            let Some(((when, _), what)) = self.agenda.pop_first() else {
                return;
            };
            if when > end {
                self.planned += 1;
                self.agenda.insert((when, self.planned), what);
                self.now = end;
                return;
            }
            self.now = when;
            self.happen(what);
        }
    }

    fn happen(&mut self, what: Happening) {
        match what {
            Happening::Slot(sort) => self.slot(sort),
            Happening::RunEnds(run) => self.run_ends(&run),
            Happening::Stray(run) => self.stray(run),
            Happening::Episode => {
                if self.faults {
                    self.episode();
                    let next = self.rng.i64(2 * MINUTE..16 * MINUTE);
                    self.plan(self.now + next, Happening::Episode);
                }
            }
            Happening::Waiter(database, blocker) => self.waiter(&database, blocker),
            Happening::Gone(database, pid, start) => {
                let session = self.world.session(&database, pid);
                if session.is_some_and(|sess| sess.session.backend.backend_start == start) {
                    self.world.disconnect(&database, pid);
                }
            }
            Happening::PidUsedAgain(database, pid, start) => {
                self.pid_used_again(&database, pid, start);
            }
            Happening::PreparedGone(database) => {
                if let Some(state) = self.world.databases.get_mut(&database) {
                    state.prepared = None;
                }
                self.world.release(&database, 0);
            }
            Happening::Operator => self.operator(),
            Happening::Teller => self.teller(),
            Happening::Planner => self.planner(),
            Happening::Writer => self.writer(),
            Happening::Mishap => self.mishap(),
            Happening::Look => self.look(),
            Happening::Deliver(observation) => self.deliver(*observation),
            Happening::Wake => {
                if self.now >= self.wake_at || self.pump.refuses_until <= self.now {
                    self.turn();
                }
            }
            Happening::Perform(action, boot) => {
                self.actions += 1;
                self.perform_now(&action, boot);
            }
            Happening::Outcome(outcome, boot) => self.outcome(*outcome, boot),
            Happening::Told(message, boot) => self.told(message, boot),
            Happening::Restart => {
                self.restarts += 1;
                self.restart();
            }
            Happening::Probe => self.probe(),
            Happening::Beat => self.beat(),
            Happening::ServiceEpisode(over) => self.service_episode(over),
            Happening::EdgeBeat => self.edge_beat(),
            Happening::EdgeLink => self.send_plan_if_decided(),
            Happening::EdgeTakes(plan) => self.edge_takes(*plan),
            Happening::EdgeOperator => self.edge_operator(),
            Happening::PoolEpisode => self.pool_episode(),
            Happening::Recycle(action) => self.recycle(action),
        }
    }

    /// Whether the next thing to happen is one more observation at this very moment.
    pub(crate) fn more_arrives_now(&self) -> bool {
        let next = self.agenda.first_key_value();
        next.is_some_and(|((when, _), what)| {
            *when == self.now && matches!(what, Happening::Deliver(_))
        })
    }

    /// Something happens to Evenkeel itself, or to its clock.
    fn mishap(&mut self) {
        if !self.faults {
            return;
        }
        match self.rng.u32(..10) {
            0..5 => self.crash(),
            5..8 => {
                let long = self.rng.i64(SECOND..3 * MINUTE);
                self.pump.refuses_until = self.now + long;
            }
            8 => {
                let by = self.rng.i64(MINUTE..HOUR);
                self.offset += by;
                self.jumped_at = self.now;
                self.marks.hit("clock jumped forwards");
                self.trace.line(
                    self.now,
                    &format!("the clock jumps {} s forwards", by / SECOND),
                );
            }
            _ => {
                let by = self.rng.i64(MINUTE..HOUR);
                self.offset -= by;
                self.jumped_at = self.now;
                self.marks.hit("clock jumped backwards");
                self.trace.line(
                    self.now,
                    &format!("the clock jumps {} s backwards", by / SECOND),
                );
            }
        }
        let next = self.rng.i64(20 * MINUTE..2 * HOUR);
        self.plan(self.now + next, Happening::Mishap);
    }

    /// Faults stop; what hangs is ended by hand, what holds lets go, what is stopped or
    /// held is released.
    fn calm_down(&mut self) {
        if self.violation.is_some() {
            return;
        }
        self.faults = false;
        self.pump.refuses_until = self.now;
        self.trace.line(self.now, "faults stop");
        let alive: Vec<RunId> = self
            .world
            .runs
            .iter()
            .filter(|(_, run)| run.is_alive())
            .map(|(id, _)| id.clone())
            .collect();
        for id in alive {
            self.world.end_run(&id, self.now, Exit::Code(0));
        }
        let ids: Vec<DatabaseId> = self.world.databases.keys().cloned().collect();
        for id in ids {
            if let Some(database) = self.world.databases.get_mut(&id) {
                database.sessions.clear();
                database.prepared = None;
                database.blind_until = 0;
                database.crowded_until = 0;
            }
        }
        self.end_maintenances();
        self.service_episode(true);
        self.calm_client();
        self.calm_pools();
        self.until(self.now + 5 * MINUTE);
        self.let_everything_go();
        // Budgets are counted by the hour, and the clock may be an hour off.
        self.until(self.now + 3 * HOUR);
        self.let_everything_go();
        self.until(self.now + MINUTE);
    }

    fn let_everything_go(&mut self) {
        self.tell_what_is_over();
        self.end_maintenances();
        let record = &self.pump.state.record;
        let mut orders: Vec<Order> = Vec::new();
        if record.held.is_some() {
            orders.push(Order::ReleaseActions {
                reason: "calm".into(),
            });
        }
        for (kind, scope) in record.stops.keys().cloned() {
            orders.push(Order::LiftStop { kind, scope });
        }
        orders.extend(undo(&record.edge).into_iter().map(Order::Edge));
        for order in orders {
            self.tell_now(Seen::Order(order));
        }
    }

    /// One hung export that blocks logins, with nothing else wrong: its harm has to be
    /// over within half a minute, and the export made good.
    fn harm_ends(&mut self) {
        if self.violation.is_some() {
            return;
        }
        let job = JobId::from("export");
        // Between two slots, so that none is in the way.
        while self
            .world
            .runs
            .values()
            .any(|run| run.job == job && run.is_alive())
        {
            let next = self.now + MINUTE;
            self.until(next);
            if self.violation.is_some() {
                return;
            }
        }
        let begun = self.now;
        let id = RunId::from(format!("export-probe{begun}-1"));
        self.begin_run(id.clone(), job, Origin::Wrapper);
        let main = DatabaseId::from(MAIN);
        if let Some(run) = self.world.runs.get_mut(&id) {
            run.life = Life::Hangs;
            run.ends = None;
        }
        for (database, pid) in self.sessions_of(&id) {
            if let Some(sess) = self.world.session(&database, pid) {
                sess.session.state = SessionState::IdleInTransaction;
                sess.session.xact_start = Some(at(begun));
            }
            for wait in 0..6 {
                self.plan(begun + wait * 200, Happening::Waiter(database.clone(), pid));
            }
        }
        self.until(begun + 5 * SECOND);
        if self.violation.is_none() && !self.world.somebody_waits(&main) {
            self.marks.hit("harm ended in time");
            return;
        }
        self.until(begun + 30 * SECOND);
        if self.violation.is_none() {
            if self.world.somebody_waits(&main) {
                self.violate(
                    "harm-ends",
                    "users still wait for a session that may be ended",
                );
            } else {
                self.marks.hit("harm ended in time");
            }
        }
    }

    /// One instance leaks, with nothing else wrong: it has to be recycled before it is full.
    fn leaks_end(&mut self) {
        if self.violation.is_some() {
            return;
        }
        let (begun, (pool, instance)) = (self.now, PROBED);
        self.begin_leak(&pool.into(), &instance.into(), HOUR);
        self.until(begun + HOUR - MINUTE);
        if self.violation.is_some() {
            return;
        }
        let recycled = self.oracle.pools.recycled_at.get(&instance.into());
        if recycled.is_some_and(|at| *at > begun) {
            self.marks.hit("leak ended in time");
        } else {
            let text = format!("{instance} is nearly full, and was not recycled");
            self.violate("leaks-end-in-time", &text);
        }
    }

    fn come_to_rest(&mut self) {
        if self.violation.is_some() {
            return;
        }
        // No more slots and due times: what is open now has some hours to close.
        self.agenda
            .retain(|_, what| !matches!(what, Happening::Slot(_)));
        self.due_told = Ms::MAX / 2;
        self.until(self.now + 4 * HOUR);
        if self.violation.is_none() {
            self.oracle_at_rest();
        }
    }
}

/// What a canary tells the core otherwise than it is configured.
fn tell_otherwise(policy: &mut Policy, canary: Option<Canary>) {
    match canary {
        Some(Canary::RestartTheLast) => {
            if let Some(pool) = policy.pools.get_mut(&"solo".into()) {
                pool.instances.insert("solo-2".into());
            }
        }
        Some(Canary::TellLate) => {
            policy.telling.tell_after = std::time::Duration::from_secs(300);
        }
        Some(Canary::RestartTheUnnamed) => {
            if let Some(pool) = policy.pools.get_mut(&"wide".into()) {
                pool.recyclable.insert(NOT_OURS.into());
            }
        }
        _ => {}
    }
}
