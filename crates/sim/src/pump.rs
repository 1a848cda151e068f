//! The program's pump, as far as the world can tell it from the real one.
//!
//! The real pump (`crates/evenkeel/src/pump.rs`) is tied to a runtime and to the clock of
//! the machine; this one keeps its order of doing things and nothing else: gather, step,
//! append, publish, hand out. Nothing is handed out before it is durable; what is
//! unfinished is found in the record; while the journal refuses, the batch is kept and
//! nothing is stepped; a journal in doubt is folded anew.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::Timestamp;
use evenkeel_core::action::{Action, Task};
use evenkeel_core::event::{Event, What};
use evenkeel_core::ids::{ActionId, JobId, MessageId, RunId};
use evenkeel_core::observation::{Observation, Seen};
use evenkeel_core::record::{Phase, Record};
use evenkeel_core::step::{State, step};

use crate::canaries::Canary;
use crate::clock::{Ms, SECOND, ms};
use crate::journal::Answer;
use crate::oracle::Truth;
use crate::sim::{Happening, Sim};
use crate::world::observers::Told;

/// The longest time between two steps.
const TICK: Ms = 5 * SECOND;
/// The shortest time between a step and the next one that only time asks for.
const REST: Ms = 20;
/// Actions under way at once.
const ACTIONS_AT_ONCE: usize = 16;
/// Messages under way at once.
const MESSAGES_AT_ONCE: usize = 4;

/// One incarnation of the program.
#[derive(Debug)]
pub(crate) struct Pump {
    pub(crate) state: State,
    pub(crate) told: Told,
    pub(crate) watchlist: Watchlist,
    pub(crate) actions: BTreeSet<ActionId>,
    pub(crate) messages: BTreeSet<MessageId>,
    queue: Vec<Observation>,
    /// A batch the journal has not taken yet, and what it was decided on.
    waiting: Option<(Vec<Event>, Vec<Observation>)>,
    backoff: Ms,
    rebuilds: u32,
    last_now: Timestamp,
    wake_at: Ms,
    /// When the newest batch was decided, in true time.
    decided_at: Ms,
}

/// What observers need to know of the record.
#[derive(Debug, Default)]
pub(crate) struct Watchlist {
    pub(crate) open: BTreeMap<RunId, (JobId, Timestamp)>,
    pub(crate) ended: BTreeSet<RunId>,
    pub(crate) last_slots: BTreeMap<JobId, Timestamp>,
    pub(crate) last_due: BTreeMap<JobId, Timestamp>,
}

impl Watchlist {
    fn of(record: &Record) -> Self {
        let mut list = Self::default();
        for (run, state) in &record.runs {
            if state.ended.is_none() {
                let since = state.started_at.unwrap_or(state.requested_at);
                list.open.insert(run.clone(), (state.job.clone(), since));
            } else {
                list.ended.insert(run.clone());
            }
        }
        for (job, state) in &record.jobs {
            list.last_slots
                .extend(state.last_slot.map(|at| (job.clone(), at)));
            list.last_due
                .extend(state.last_due.map(|at| (job.clone(), at)));
        }
        list
    }
}

impl Pump {
    pub(crate) fn new(record: Record) -> Self {
        Self {
            watchlist: Watchlist::of(&record),
            state: State::after_restart(record),
            told: Told::default(),
            actions: BTreeSet::new(),
            messages: BTreeSet::new(),
            queue: Vec::new(),
            waiting: None,
            backoff: 100,
            rebuilds: 0,
            last_now: Timestamp::MIN,
            wake_at: Ms::MAX,
            decided_at: 0,
        }
    }

    /// Small steps backwards are waited out; larger ones are the core's to notice.
    fn now(&mut self, wall: Timestamp) -> Timestamp {
        if wall >= self.last_now || ms(self.last_now) - ms(wall) > 1000 {
            self.last_now = wall;
        }
        self.last_now
    }
}

impl Sim {
    pub(crate) fn start_program(&mut self) {
        self.epoch += 1;
        let record = self.journal.fold();
        self.oracle.started(&record, self.t);
        self.counts.restarts += 1;
        self.counts.up_since = self.t;
        self.note(|| format!("program: starts at revision {}", record.revision));
        self.pump = Some(Pump::new(record));
        self.start_observers();
        self.wake(self.t);
    }

    pub(crate) fn arrives(&mut self, observation: Observation) {
        let Some(pump) = &mut self.pump else {
            return;
        };
        pump.queue.push(observation);
        let soon = self.t + self.rng.i64(1..30);
        self.wake(soon);
    }

    fn wake(&mut self, at: Ms) {
        let epoch = self.epoch;
        if let Some(pump) = &mut self.pump
            && at < pump.wake_at
        {
            pump.wake_at = at;
            self.at(at, Happening::Wake(epoch));
        }
    }

    pub(crate) fn wakes(&mut self, epoch: u64) {
        if epoch != self.epoch {
            return;
        }
        let Some(mut pump) = self.pump.take() else {
            return;
        };
        if pump.wake_at > self.t {
            self.pump = Some(pump);
            return;
        }
        pump.wake_at = Ms::MAX;
        let lives = self.turn(&mut pump);
        if !lives {
            return;
        }
        let next = match (&pump.waiting, pump.state.next_step_at(&self.core_policy)) {
            (Some(_), _) => pump.backoff,
            (None, Some(at)) => (ms(at) - ms(self.clock.wall(self.t))).clamp(REST, TICK),
            (None, None) => TICK,
        };
        let soon = if pump.queue.is_empty() { next } else { 1 };
        self.pump = Some(pump);
        self.wake(self.t + soon);
    }

    /// One turn. False when the program died in it.
    fn turn(&mut self, pump: &mut Pump) -> bool {
        let (events, inputs) = match pump.waiting.take() {
            Some(kept) => kept,
            None => {
                let inputs = std::mem::take(&mut pump.queue);
                for observation in &inputs {
                    self.marks.seen(&observation.seen);
                }
                let now = pump.now(self.clock.wall(self.t));
                self.oracle.informed(&inputs, self.t);
                let events = self.decide(pump, &inputs, now);
                self.counts.steps += 1;
                pump.decided_at = self.t;
                (events, inputs)
            }
        };
        if self.canary == Some(Canary::ActsBeforeItIsWritten) {
            self.hand_out(pump);
        }
        if !events.is_empty() && self.dies_here("before the append") {
            return false;
        }
        match self.journal.append(&events, &mut self.rng, self.t) {
            Answer::Durable => {
                pump.backoff = 100;
                pump.rebuilds = 0;
                self.took(pump, &events);
                if !events.is_empty() && self.dies_here("after the append") {
                    return false;
                }
                self.hand_out(pump);
            }
            Answer::NotNow => {
                self.marks.hit("the journal refuses for a while");
                pump.waiting = Some((events, inputs));
                pump.backoff = (pump.backoff * 2).min(TICK);
            }
            Answer::InDoubt { written } => {
                self.marks.hit("the journal is in doubt");
                if written {
                    self.events_are_durable(pump, &events);
                }
                let record = self.journal.fold();
                self.counts.up_since = self.t;
                self.oracle.started(&record, self.t);
                pump.state = State::after_restart(record);
                pump.watchlist = Watchlist::of(&pump.state.record);
                pump.rebuilds += 1;
                if pump.rebuilds <= 1 {
                    let mut carried: Vec<Observation> =
                        inputs.into_iter().filter(is_fact).collect();
                    carried.append(&mut pump.queue);
                    pump.queue = carried;
                } else {
                    let_go(pump, &inputs);
                }
            }
        }
        true
    }

    fn decide(&mut self, pump: &mut Pump, inputs: &[Observation], now: Timestamp) -> Vec<Event> {
        let shadows = self.shadow_decides(pump.state.record.revision, inputs, now);
        let overheard = match self.canary {
            Some(Canary::OverhearsTheHold) => pump.state.record.held.take(),
            _ => None,
        };
        let mut events = step(&mut pump.state, &self.core_policy, inputs, now);
        if overheard.is_some()
            && !events
                .iter()
                .any(|event| matches!(event.what, What::ActionsHeld { .. }))
        {
            pump.state.record.held = overheard;
        }
        self.compare_shadow(shadows, &events);
        if let Some(canary) = self.canary {
            canary.spoil_decision(&mut pump.state, &mut events, &self.world, now);
        }
        events
    }

    /// The events are durable: the record is what it says.
    fn took(&mut self, pump: &mut Pump, events: &[Event]) {
        if events.is_empty() {
            return;
        }
        self.events_are_durable(pump, events);
        pump.watchlist = Watchlist::of(&pump.state.record);
    }

    fn events_are_durable(&mut self, pump: &Pump, events: &[Event]) {
        for event in events {
            self.note(|| crate::trace::sentence(event));
            self.marks.event(event, &pump.state.record);
        }
        self.counts.events += events.len() as u64;
        let folded = self.journal.entries_after_look();
        let truth = Truth {
            world: &self.world,
            policy: &self.policy,
            clock: &self.clock,
            t: pump.decided_at,
            knows_since: self.counts.up_since,
        };
        self.oracle
            .durable(events, &folded, &pump.state.record, truth);
    }

    /// Takes up what the record wants done and is not in hand.
    fn hand_out(&mut self, pump: &mut Pump) {
        let record = &pump.state.record;
        let wanted: Vec<ActionId> = requested(record).map(|action| action.id).collect();
        pump.actions.retain(|id| wanted.contains(id));
        pump.messages.retain(|id| record.open_messages.contains(id));
        let mut taken = Vec::new();
        let fresh: Vec<ActionId> = record.to_perform().map(|action| action.id).collect();
        for id in fresh {
            if pump.actions.len() >= ACTIONS_AT_ONCE {
                self.marks.hit("more actions than hands");
                break;
            }
            if pump.actions.insert(id)
                && let Some(state) = record.actions.get(&id)
            {
                taken.push(state.action.clone());
            }
        }
        let mut words = Vec::new();
        for id in &record.open_messages {
            if pump.messages.len() >= MESSAGES_AT_ONCE {
                break;
            }
            if pump.messages.insert(*id) {
                words.push(*id);
            }
        }
        let held = record.held.is_some();
        for action in taken {
            let first = matches!(action.task, Task::StartRun { attempt: 1, .. });
            self.oracle.handed_out(&action, held && !first, self.t);
            self.performs(action);
        }
        for id in words {
            self.tells(id);
        }
    }
}

/// Actions that are to be performed, oldest first.
fn requested(record: &Record) -> impl Iterator<Item = &Action> {
    record
        .open_actions
        .iter()
        .filter_map(|id| record.actions.get(id))
        .filter(|state| matches!(state.phase, Phase::Requested { .. }))
        .map(|state| &state.action)
}

/// Outcomes that could not be written: what they belong to is found again.
fn let_go(pump: &mut Pump, given_up: &[Observation]) {
    for observation in given_up {
        match &observation.seen {
            Seen::ActionOutcome(outcome) => {
                pump.actions.remove(&outcome.action);
            }
            Seen::MessageOutcome(outcome) => {
                pump.messages.remove(&outcome.message);
            }
            _ => {}
        }
    }
}

/// Whether it is said once. The others are whole pictures, and are seen again.
fn is_fact(observation: &Observation) -> bool {
    !matches!(
        observation.seen,
        Seen::RunProgress(_)
            | Seen::ProductReport(_)
            | Seen::LockWaits(_)
            | Seen::RunBackends(_)
            | Seen::DatabaseLoad(_)
    )
}
