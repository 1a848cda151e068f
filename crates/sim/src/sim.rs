//! One seed's world, from its first moment to its last.
//!
//! Time jumps from one happening to the next; nothing happens in between. Everything
//! random comes from the seed, so that a world can be had again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use evenkeel_core::action::Action;
use evenkeel_core::ids::{DatabaseId, RunId};
use evenkeel_core::observation::{Exit, Observation};
use evenkeel_core::policy::Policy;
use evenkeel_core::subject::Backend;

use crate::canaries::Canary;
use crate::clock::{Clock, HOUR, MINUTE, Ms, SECOND, say};
use crate::faults::Weather;
use crate::hands::Fate;
use crate::journal::Faulty;
use crate::marks::Marks;
use crate::oracle::{Oracle, Truth};
use crate::pump::Pump;
use crate::trace::Trace;
use crate::world::World;
use crate::world::setup;

/// Which world, and for how long.
#[derive(Debug, Clone)]
pub struct Options {
    /// What everything random is made of.
    pub seed: u64,
    /// Simulated hours; a chapter that has begun is not cut short by more than its end.
    pub hours: u64,
    /// A deliberate bug.
    pub canary: Option<Canary>,
    /// Say each line of the trace aloud.
    pub aloud: bool,
}

/// What became of a world.
#[derive(Debug, Clone)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// Simulated time, milliseconds.
    pub simulated_ms: i64,
    /// What was counted.
    pub counts: Counts,
    /// One number for all that happened.
    pub trace_hash: u64,
    /// Situations that were reached.
    pub marks: Marks,
    /// The invariant that did not hold, if one did not.
    pub violation: Option<Violation>,
    /// Real time it took.
    pub took: Duration,
}

/// What was counted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Happenings of the world.
    pub happenings: u64,
    /// Steps of the core.
    pub steps: u64,
    /// Events in the journal.
    pub events: u64,
    /// Actions performed.
    pub actions: u64,
    /// Starts of the program.
    pub restarts: u64,
    /// When the program last started.
    pub(crate) up_since: Ms,
    /// Stretches of peace after which everything was over.
    pub peaces: u64,
}

/// An invariant that did not hold.
#[derive(Debug, Clone)]
pub struct Violation {
    /// Its name.
    pub invariant: &'static str,
    /// How it did not hold.
    pub what: String,
    /// When, in simulated time.
    pub at: String,
    /// The last lines of the trace.
    pub lines: Vec<String>,
}

/// Something that happens at a moment.
#[derive(Debug)]
pub(crate) enum Happening {
    Trouble,
    Peace,
    PeaceIsOver,
    LooksForPeace,
    SomethingHappens,
    Starts,
    Reachable(DatabaseId),
    Scene(u64),
    SessionGone(Backend),
    Revenant(DatabaseId, RunId),
    RunEnds(RunId, Exit),
    RunLocks(RunId),
    WrappedSlots,
    Operator,
    LookAtLocks(DatabaseId, u64),
    LookAtLoad(DatabaseId, u64),
    LookAtRuns(u64),
    LookAtSlots(u64),
    LookAtProducts(u64),
    Arrives(Box<Observation>, u64),
    Wake(u64),
    Effect(Box<Action>, Fate, u64),
}

pub(crate) struct Sim {
    pub(crate) rng: fastrand::Rng,
    pub(crate) t: Ms,
    agenda: BTreeMap<(Ms, u64), Happening>,
    put: u64,
    pub(crate) clock: Clock,
    pub(crate) policy: Policy,
    /// The policy as the core understands it: another one only with a canary.
    pub(crate) core_policy: Policy,
    pub(crate) world: World,
    pub(crate) weather: Weather,
    pub(crate) journal: Faulty,
    pub(crate) pump: Option<Pump>,
    /// The incarnation of the program; what belongs to an older one is lost.
    pub(crate) epoch: u64,
    pub(crate) oracle: Oracle,
    pub(crate) shadow: Option<crate::shadow::Shadow>,
    pub(crate) marks: Marks,
    pub(crate) trace: Trace,
    pub(crate) canary: Option<Canary>,
    pub(crate) counts: Counts,
}

/// Runs one world to its end, or to the first invariant that does not hold.
pub fn run(options: &Options) -> Report {
    let began = Instant::now();
    let mut sim = Sim::new(options);
    let violation = sim.live(options.hours as Ms * HOUR);
    Report {
        seed: options.seed,
        simulated_ms: sim.t,
        counts: sim.counts,
        trace_hash: sim.trace.hash(),
        marks: sim.marks,
        violation,
        took: began.elapsed(),
    }
}

impl Sim {
    fn new(options: &Options) -> Self {
        let mut rng = fastrand::Rng::with_seed(options.seed);
        let (policy, world) = setup::build(&mut rng);
        let mut core_policy = policy.clone();
        if let Some(canary) = options.canary {
            canary.spoil_policy(&mut core_policy);
        }
        Self {
            rng,
            t: 0,
            agenda: BTreeMap::new(),
            put: 0,
            clock: Clock::default(),
            policy,
            core_policy,
            world,
            weather: Weather::default(),
            journal: Faulty::default(),
            pump: None,
            epoch: 0,
            oracle: Oracle::default(),
            shadow: None,
            marks: Marks::default(),
            trace: Trace::new(options.aloud),
            canary: options.canary,
            counts: Counts::default(),
        }
    }

    fn live(&mut self, until: Ms) -> Option<Violation> {
        self.at(0, Happening::Trouble);
        self.at(1, Happening::Starts);
        self.at(SECOND, Happening::WrappedSlots);
        self.at(MINUTE, Happening::Operator);
        self.at(MINUTE, Happening::SomethingHappens);
        self.at(MINUTE, Happening::LooksForPeace);
        while let Some(((t, _), happening)) = self.agenda.pop_first() {
            if t > until {
                break;
            }
            self.t = t;
            self.counts.happenings += 1;
            self.trace.mix(t.unsigned_abs());
            self.happens(happening);
            if let Some((invariant, what)) = self.oracle.broken.take() {
                return Some(Violation {
                    invariant,
                    what,
                    at: say(self.t),
                    lines: self.trace.last(),
                });
            }
        }
        None
    }

    pub(crate) fn at(&mut self, t: Ms, happening: Happening) {
        self.put += 1;
        self.agenda.insert((t.max(self.t), self.put), happening);
    }

    /// A line of the trace.
    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        let line = line();
        self.trace.line(self.t, &line);
    }

    fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Trouble => self.trouble(),
            Happening::Peace => self.peace(),
            Happening::PeaceIsOver => self.peace_is_over(),
            Happening::LooksForPeace => self.looks(),
            Happening::SomethingHappens => self.event_of_the_world(),
            Happening::Starts => {
                if self.pump.is_none() {
                    self.start_program();
                }
            }
            Happening::Reachable(id) => {
                let t = self.t;
                if let Some(db) = self.world.dbs.get_mut(&id)
                    && db.unreachable.take().is_some()
                {
                    db.reachable_since = t;
                }
            }
            Happening::Scene(number) => self.scene(number),
            Happening::SessionGone(backend) => {
                let here = self.world.dbs.get(&backend.database);
                if here.is_some_and(|db| db.get(&backend).is_some()) {
                    self.end_session(&backend.database, backend.pid);
                }
            }
            Happening::Revenant(db, run) => self.revenant(&db, &run),
            Happening::RunEnds(run, exit) => self.run_ends(&run, &exit),
            Happening::RunLocks(run) => {
                if self.world.runs.get(&run).is_some_and(|run| run.is_alive()) {
                    self.run_takes_lock(&run);
                }
            }
            Happening::WrappedSlots => self.wrapped_slots(),
            Happening::Operator => self.operator(),
            Happening::LookAtLocks(db, epoch) => self.look_at_locks(&db, epoch),
            Happening::LookAtLoad(db, epoch) => self.look_at_load(&db, epoch),
            Happening::LookAtRuns(epoch) => self.look_at_runs(epoch),
            Happening::LookAtSlots(epoch) => self.look_at_slots(epoch),
            Happening::LookAtProducts(epoch) => self.look_at_products(epoch),
            Happening::Arrives(observation, epoch) => {
                if epoch == self.epoch {
                    self.arrives(*observation);
                }
            }
            Happening::Wake(epoch) => self.wakes(epoch),
            Happening::Effect(action, fate, epoch) => self.effect(&action, fate, epoch),
        }
    }

    /// Now and then the oracle looks at what no event tells.
    fn looks(&mut self) {
        self.at(self.t + 10 * SECOND, Happening::LooksForPeace);
        let truth = Truth {
            world: &self.world,
            policy: &self.policy,
            clock: &self.clock,
            t: self.t,
            knows_since: self.counts.up_since,
        };
        let record = self.pump.as_ref().map(|pump| &pump.state.record);
        self.oracle.in_peace(record, truth);
        if self.t / (10 * SECOND) % 90 == 0 {
            if let Some(pump) = &self.pump {
                self.oracle.memory_is_bounded(&pump.state);
            }
            self.world.prune(self.t);
        }
    }

    fn peace_is_over(&mut self) {
        let truth = Truth {
            world: &self.world,
            policy: &self.policy,
            clock: &self.clock,
            t: self.t,
            knows_since: self.counts.up_since,
        };
        if let Some(pump) = &self.pump {
            self.oracle.all_is_over(&pump.state.record, truth);
            self.counts.peaces += 1;
        }
        self.trouble();
    }
}
