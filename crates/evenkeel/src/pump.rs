//! The pump acts: one loop between what is seen, what is decided, and what is done.
//!
//! Gather observations, [`step`], append, publish, hand out; the outcomes of what was
//! handed out come back as observations. Nothing else in the program changes the record.
//!
//! What always holds:
//!
//! - **Nothing is handed out before it is durable.** A step's events are appended first.
//!   While the journal cannot take them, the batch is kept and tried again, nothing is
//!   stepped, handed out or published, and `/healthz` says why.
//! - **What is unfinished is found in the record, not remembered.** Each turn looks for
//!   requested actions and open messages that are not in our hands ([`hands`]): after a
//!   restart that is all of them, found the same way as in any other turn.
//! - **A guard cannot hold the pump up.** Actions and messages run in tasks of their own,
//!   bounded in number and time; one that panics or does not answer has failed, and the
//!   core is told so.
//! - **If the journal's state is in doubt** (another writer, a failed disk), the state is
//!   dropped and folded anew from what the journal really holds.
//!
//! One loop and not a task for each guard, because two deciders would need an order
//! between them, and the journal is that order.
//!
//! | queue | bound | at the bound |
//! |---|---|---|
//! | observations | [`QUEUE_MAX`] | facts wait, pictures are dropped and counted |
//! | pings | [`pings::WAITING_MAX`] | refused: "come again" |
//! | orders of people | [`orders::WAITING_MAX`] | refused: "try again" |
//! | actions under way | [`hands::ACTIONS_AT_ONCE`] | the rest waits in the record |
//! | messages under way | [`hands::MESSAGES_AT_ONCE`] | the rest waits in the record |

mod alive;
pub mod board;
pub mod fill;
pub mod hands;
pub mod meters;
mod observers;
pub mod orders;
pub mod pings;
pub mod published;
pub mod store;
#[cfg(test)]
mod tests;
mod watchlist;
pub mod windows;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::event::{Event, What};
use evenkeel_core::observation::{Absence, Observation, Seen};
use evenkeel_core::policy::Policy;
use evenkeel_core::step::{State, step};
use evenkeel_guards::guard::{Guard, Watchlist};
use evenkeel_guards::outlet::{Outlet, to_the_millisecond};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::channels::Channels;
use crate::recorder::{Recorder, Step, Why};
use alive::Alive;
use hands::Hands;
use meters::Meters;
use orders::{OrderDesk, Placed};
use pings::{Heard, Hearing, PingDesk};
use published::{Published, Publisher};
use store::{Appended, OpenJournal, StartError, Store};

/// Observations that may wait. Four seconds of a thousand runs that report progress every
/// second; each takes some hundred bytes.
pub const QUEUE_MAX: usize = 4096;

/// Observations taken into one step, so that one step stays short.
const BATCH_MAX: usize = 1024;

/// How old a decision may have grown while it was made durable, and still be acted on
/// in the same turn. An append takes some milliseconds; a disk that stands still, minutes.
const DECIDED_LATELY: Duration = Duration::from_secs(1);

/// How the pump spends its time. The defaults are for use; tests hurry.
#[derive(Debug, Clone)]
pub struct Pace {
    /// The longest time between two steps. The core loses track of time after 30 s
    /// (`memory::GAP_MAX`), the pages call themselves out of date after 15.
    pub tick: Duration,
    /// The shortest time between a step and the next one that only time asks for: a
    /// timer that is always due must not become a busy loop.
    pub rest: Duration,
    /// Pictures alone are stepped at the earliest so long after the step before, so that
    /// what comes in a burst is decided in one. What comes after a silence is not held up;
    /// facts, pings and orders are not either, but for those that come during that wait.
    pub gather: Duration,
    /// How long an action may take, beyond the grace its task names.
    pub patience: Duration,
    /// The first wait after a failed append; doubled up to [`Pace::tick`].
    pub backoff: Duration,
    /// Events between two snapshots. Folding 5000 takes some 50 ms.
    pub snapshot_every: u64,
    /// The time between two removals of old entries.
    pub retain_every: Duration,
    /// At the end: how long actions that are under way may take to say how they went.
    /// What has not by then is found again at the next start.
    pub farewell: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            tick: Duration::from_secs(5),
            rest: Duration::from_millis(20),
            gather: Duration::from_millis(20),
            patience: Duration::from_secs(60),
            backoff: Duration::from_millis(100),
            snapshot_every: 5000,
            retain_every: Duration::from_secs(24 * 3600),
            farewell: Duration::from_secs(5),
        }
    }
}

/// What a pump is made of.
pub struct Parts {
    /// What the configuration says.
    pub policy: Arc<Policy>,
    /// Where the journal is.
    pub journal: Arc<dyn OpenJournal>,
    /// Where it is noted when a step was last made.
    pub alive: std::path::PathBuf,
    /// Who observes and performs.
    pub guards: Vec<Arc<dyn Guard>>,
    /// How long entries of a kind are kept; others are kept for ever.
    pub keep_for: BTreeMap<String, Duration>,
    /// How it spends its time.
    pub pace: Pace,
}

/// See the module.
pub struct Pump {
    policy: Arc<Policy>,
    pace: Pace,
    store: Store,
    alive: Alive,
    state: State,
    guards: Vec<Arc<dyn Guard>>,
    hands: Hands,
    recorder: Recorder,
    publisher: Publisher,
    watchlist: watch::Sender<Arc<Watchlist>>,
    queue: mpsc::Receiver<Observation>,
    outlet: Outlet,
    orders: mpsc::Receiver<Placed>,
    pings: mpsc::Receiver<Heard>,
    /// Pings in the step under way, and who waits for them.
    hearing: Hearing,
    /// The highest number a ping was given.
    last_ping: u64,
    /// Facts of a step that was lost with the state it was decided on; taken once more.
    carried: Vec<Observation>,
    last_now: Timestamp,
    /// When the last step was made.
    stepped: Instant,
    dropped_told: u64,
    meters: Arc<Meters>,
}

/// How others reach a pump that runs.
#[derive(Clone)]
pub struct Handle {
    /// What it last published.
    pub published: watch::Receiver<Arc<Published>>,
    /// Where people's orders go.
    pub orders: OrderDesk,
    /// The way into its queue.
    pub outlet: Outlet,
    /// Where pings go, and what becomes of heartbeats.
    pub pings: PingDesk,
    /// What it counts of itself.
    pub meters: Arc<Meters>,
}

impl Pump {
    /// Opens the journal and folds it. Publishes what it found; decides nothing yet.
    pub async fn open(parts: Parts) -> Result<(Self, Handle), StartError> {
        let Parts {
            policy,
            journal,
            alive,
            guards,
            keep_for,
            pace,
        } = parts;
        let (store, record) = Store::open(journal, keep_for, &pace).await?;
        let alive = Alive::new(alive);
        let absence = alive.last().map(|since| Observation {
            at: Timestamp::now(),
            by: "pump".into(),
            seen: Seen::Absence(Absence { since }),
        });
        let (observations, queue) = mpsc::channel(QUEUE_MAX);
        let outlet = Outlet::new("pump".into(), observations);
        let (desk, orders) = OrderDesk::new();
        let (ping_desk, pings) = PingDesk::new();
        let publisher = Publisher::new(&record);
        let handle = Handle {
            published: publisher.subscribe(),
            orders: desk,
            outlet: outlet.clone(),
            pings: ping_desk,
            meters: Arc::default(),
        };
        let watchlist = watch::Sender::new(Arc::new(watchlist::of(&record)));
        let pump = Self {
            hands: Hands::new(guards.clone(), outlet.clone(), pace.patience),
            recorder: Recorder::off(),
            state: State::after_restart(record),
            policy,
            pace,
            store,
            alive,
            guards,
            publisher,
            watchlist,
            queue,
            outlet,
            orders,
            pings,
            hearing: Hearing::default(),
            last_ping: 0,
            carried: absence.into_iter().collect(),
            last_now: Timestamp::MIN,
            stepped: Instant::now(),
            dropped_told: 0,
            meters: handle.meters.clone(),
        };
        Ok((pump, handle))
    }

    /// Records every step from here on.
    pub fn record_with(&mut self, recorder: Recorder) {
        self.publisher.show_recording(recorder.recording());
        self.recorder = recorder;
        self.begin_recording(Why::Started);
    }

    fn begin_recording(&mut self, why: Why) {
        let (record, now) = (self.publisher.record(), self.now());
        self.recorder.made_anew(why, &self.state, record, now);
    }

    /// Runs until `stop` turns true (or its sender is gone): then observing ends, what is
    /// under way may say how it went for a moment, and a snapshot is kept. Supervised runs
    /// go on; they have shims of their own.
    pub async fn run(mut self, channels: Channels, mut stop: watch::Receiver<bool>) {
        let observers = observers::start(&self.guards, &self.outlet, &self.watchlist);
        loop {
            let Some((inputs, placed)) = self.gather(&mut stop).await else {
                break;
            };
            if !self.turn(inputs, placed, Some(&channels), &mut stop).await {
                return;
            }
            if self.store.wants_upkeep() {
                let live = &mut self.state.record;
                self.store.keep_up(live, self.publisher.record()).await;
            }
        }
        drop(observers);
        self.finish(&mut stop).await;
    }

    /// Waits for something to do. `None` when it is time to stop.
    async fn gather(
        &mut self,
        stop: &mut watch::Receiver<bool>,
    ) -> Option<(Vec<Observation>, Vec<Placed>)> {
        let mut inputs = std::mem::take(&mut self.carried);
        let mut placed = Vec::new();
        let mut heard = Vec::new();
        let room = BATCH_MAX.saturating_sub(inputs.len()).max(1);
        let carried = !inputs.is_empty();
        let next_turn = self.next_turn();
        let gathered = self.stepped + self.pace.gather;
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => {
                self.carried = inputs;
                return None;
            }
            _ = std::future::ready(()), if carried => {}
            () = take(&mut self.queue, &mut inputs, room, gathered) => {}
            Some(order) = self.orders.recv() => placed.push(order),
            Some(ping) = self.pings.recv() => heard.push(ping),
            () = tokio::time::sleep_until(next_turn) => {}
        }
        // The select took one sort; what else is there comes along.
        while inputs.len() < BATCH_MAX
            && let Ok(observation) = self.queue.try_recv()
        {
            inputs.push(observation);
        }
        while let Ok(order) = self.orders.try_recv() {
            placed.push(order);
        }
        while heard.len() < BATCH_MAX
            && let Ok(ping) = self.pings.try_recv()
        {
            heard.push(ping);
        }
        self.last_ping = self.last_ping.max(self.state.record.last.ping);
        self.hearing.take(heard, &mut inputs, &mut self.last_ping);
        Some((inputs, placed))
    }

    fn next_turn(&self) -> Instant {
        let tick = self.pace.tick;
        let wait = self
            .state
            .next_step_at(&self.policy)
            .map_or(tick, |at| evenkeel_core::time::since(Timestamp::now(), at));
        Instant::now() + wait.clamp(self.pace.rest, tick)
    }

    /// One turn: decide, make durable, publish, hand out. False when it was time to stop
    /// before it was durable: the state is ahead of the journal then, and of no more use.
    async fn turn(
        &mut self,
        mut inputs: Vec<Observation>,
        placed: Vec<Placed>,
        channels: Option<&Channels>,
        stop: &mut watch::Receiver<bool>,
    ) -> bool {
        let now = self.now();
        let mut accepted = Vec::new();
        for order in placed {
            match order.objection(&self.state.record, &self.policy, now) {
                Some(refusal) => order.answer(Err(refusal)),
                None => {
                    inputs.extend(order.observations(now));
                    accepted.push(order);
                }
            }
        }
        let began = Instant::now();
        let before = self.state.record.revision;
        let last_ping = self.state.record.last.ping;
        let events = step(&mut self.state, &self.policy, &inputs, now);
        let decided = Instant::now();
        self.stepped = decided;
        self.meters.stepped(inputs.len(), decided - began);
        let trouble = |why: Option<&str>| self.publisher.tell_trouble(why);
        match self.store.append(&events, trouble, stop).await {
            Appended::Durable(revision) => {
                self.state.record.revision = revision.0;
                if !events.is_empty() {
                    self.meters.appended(&events, decided.elapsed());
                }
                self.alive.stepped(now);
                for order in accepted {
                    order.conclude(&events, revision.0);
                }
                let count = events.len() as u64;
                let answers = self.hearing.judge(&events, last_ping, revision.0);
                self.publish(&inputs, events, now);
                // Who reads what is published after the answer finds it there.
                answers.send();
                let step = Step {
                    now,
                    before,
                    events: count,
                    inputs,
                };
                let record = || self.publisher.record();
                self.recorder.turned(step, &self.state, record);
            }
            Appended::Rebuilt(record) => {
                for order in accepted {
                    order.answer(Err(orders::Refusal::not_kept()));
                }
                self.start_over(*record, inputs);
            }
            Appended::Stopped => return false,
        }
        // After a standstill of the journal it is decided anew before anything is done: what
        // was right to end a minute ago may be nobody's trouble now.
        if let Some(channels) = channels
            && decided.elapsed() <= DECIDED_LATELY
        {
            self.hands.hand_out(&self.state.record, channels);
            let (actions, messages) = self.hands.counts();
            self.meters.under_way(actions, messages);
        }
        true
    }

    fn publish(&mut self, inputs: &[Observation], events: Vec<Event>, now: Timestamp) {
        if events.iter().any(watchlist::changes_with) {
            let fresh = watchlist::of(&self.state.record);
            self.watchlist.send_if_modified(|known| {
                let changed = **known != fresh;
                if changed {
                    *known = Arc::new(fresh);
                }
                changed
            });
        }
        // A line for each ping would be most of what the log says, and of what a ping costs.
        let told = |event: &&Event| !matches!(event.what, What::PingReceived { .. });
        for event in events.iter().filter(told) {
            tracing::info!(
                revision = self.state.record.revision,
                kind = event.what.kind(),
                "{}",
                crate::web::account::sentence(&event.what)
            );
        }
        let dropped = self.outlet.dropped();
        if dropped > self.dropped_told {
            tracing::warn!(
                dropped,
                "observations come faster than they are taken: pictures were dropped (the next ones say it again)"
            );
            self.dropped_told = dropped;
        }
        for Observation { at, seen, .. } in inputs {
            if let Seen::Levels(levels) = seen {
                let forecasts = self.state.memory.forecasts(&levels.of).cloned();
                self.publisher.show_levels(*at, levels, forecasts.collect());
            }
        }
        self.publisher
            .advance(&self.state.record, events, inputs, now, dropped);
    }

    /// The state was in doubt and was folded anew. The facts it had taken are taken once
    /// more, since a fact is said once; but only once more, lest one that cannot be
    /// written is tried for ever.
    fn start_over(&mut self, record: evenkeel_core::record::Record, inputs: Vec<Observation>) {
        self.state = State::after_restart(record);
        self.publisher.replace(&self.state.record);
        let fresh = Arc::new(watchlist::of(&self.state.record));
        self.watchlist.send_replace(fresh);
        self.begin_recording(Why::Rebuilt);
        if self.store.rebuilds_in_a_row() <= 1 {
            self.carried = inputs.into_iter().filter(is_fact).collect();
            self.hearing.carry();
        } else {
            self.hearing.give_up();
            tracing::error!("facts of a step that could not be written twice are given up");
            self.hands.let_go(&inputs);
        }
    }

    /// The wall clock, which may not run backwards by a little: a step of a second by NTP
    /// is waited out, a larger one is the core's to notice.
    fn now(&mut self) -> Timestamp {
        let now = to_the_millisecond(Timestamp::now());
        let back = evenkeel_core::time::since(now, self.last_now);
        if now >= self.last_now || back > Duration::from_secs(1) {
            self.last_now = now;
        }
        self.last_now
    }

    async fn finish(mut self, stop: &mut watch::Receiver<bool>) {
        let until = Instant::now() + self.pace.farewell;
        loop {
            let mut inputs = std::mem::take(&mut self.carried);
            while let Ok(observation) = self.queue.try_recv() {
                inputs.push(observation);
            }
            if !inputs.is_empty() && !self.turn(inputs, Vec::new(), None, stop).await {
                return;
            }
            if !self.hands.are_full_of_actions(&self.state.record) || Instant::now() >= until {
                break;
            }
            let mut inputs = Vec::new();
            let waited = self.queue.recv_many(&mut inputs, BATCH_MAX);
            if tokio::time::timeout_at(until, waited).await.is_ok()
                && !self.turn(inputs, Vec::new(), None, stop).await
            {
                return;
            }
        }
        self.hands.drop_all();
        self.store.close(self.publisher.record()).await;
        self.recorder.close().await;
    }
}

/// Takes what is there, once there is something, and waits for more of it until `gathered`
/// where it is nothing but pictures. What was taken is in `inputs` also where it is cut
/// short.
async fn take(
    queue: &mut mpsc::Receiver<Observation>,
    inputs: &mut Vec<Observation>,
    room: usize,
    gathered: Instant,
) {
    let count = queue.recv_many(inputs, room).await;
    debug_assert!(count > 0, "the pump holds a sender itself");
    if Instant::now() < gathered && count < room && !inputs.iter().any(is_fact) {
        tokio::time::sleep_until(gathered).await;
    }
}

/// Whether it is said once. The others are whole pictures, and are seen again.
fn is_fact(observation: &Observation) -> bool {
    match &observation.seen {
        Seen::RunProgress(_)
        | Seen::ProductReport(_)
        | Seen::LockWaits(_)
        | Seen::RunBackends(_)
        | Seen::DatabaseLoad(_)
        | Seen::CheckResult(_)
        | Seen::QuietHours(_)
        | Seen::EdgeWindow(_)
        | Seen::Levels(_)
        | Seen::QuietWindow(_)
        | Seen::CopyReport(_)
        | Seen::MaintenanceDates(_)
        | Seen::PeakDates(_) => false,
        Seen::ScheduleDue(_)
        | Seen::RunStart(_)
        | Seen::RunExit(_)
        | Seen::ProductDue(_)
        | Seen::Sight(_)
        | Seen::ActionOutcome(_)
        | Seen::MessageOutcome(_)
        | Seen::Order(_)
        | Seen::PersonAct(_)
        | Seen::ReadinessDue(_)
        | Seen::Absence(_)
        | Seen::OutsideWord(_)
        | Seen::Ping(_)
        | Seen::HeartbeatChange(_) => true,
    }
}
