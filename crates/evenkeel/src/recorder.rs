//! The flight recorder: every observation the core was given, on disk, so that what was
//! decided can be decided again.
//!
//! The pump hands over each step when it is durable ([`Recorder::turned`]): when it was,
//! the journal's revision before it, and everything it was given, also nothing, since time
//! alone decides things. A thread of its own packs the steps ([`columns`]) and writes them
//! into a ring of segments ([`ring`]). `evenkeel replay` ([`crate::replay`]) reads them.
//!
//! What always holds:
//!
//! - **Handing over never waits.** The queue is bounded in steps and in bytes; where it is
//!   full, recording stops until the disk has caught up, and says what is missing.
//! - **A full or failing disk costs the recording, nothing else.** It stops, says so in
//!   the log and on the operator's page ([`Recording`]), leaves the last free megabytes to
//!   the journal, and begins a new segment when it can. Nobody is called for it.
//! - **A segment can be replayed by itself.** It begins with the whole state
//!   ([`Base`]): the policy, the record, the detectors' memory. The record stands in it and
//!   is not folded from the journal again, since retention may have removed what it was
//!   folded from, and the history of years would have to be read to replay an hour.
//! - **A torn or damaged block is noticed** ([`block`]) and costs the rest of its segment
//!   at most: what comes after cannot be decided without it.
//! - **Only the owner reads it** (0700, 0600). Texts stand in it as the core saw them:
//!   passwords and connection strings were blotted out before
//!   ([`evenkeel_guards::outlet`]), so that replay is exact and the recording keeps no
//!   secret the journal would not.
//!
//! What it refuses: to keep more than its size and time, and to be the reason that the
//! disk is full.

mod block;
mod columns;
mod numbers;
pub mod read;
pub mod ring;
mod segment;
#[cfg(test)]
mod tests;
mod thread;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use evenkeel_core::Timestamp;
use evenkeel_core::observation::{Observation, Seen};
use evenkeel_core::policy::Policy;
use evenkeel_core::record::Record;
use evenkeel_core::step::State;

pub use ring::{Disk, RealDisk};
pub use segment::{Base, Gap, Step, Why};

/// Steps that may wait for the thread. Two seconds of the busiest pump there is.
const STEPS_WAITING_MAX: usize = 4096;

/// Bytes that may wait, as they are in memory.
const BYTES_WAITING_MAX: usize = 16 << 20;

/// So many segments may begin out of turn (after rebuilds and gaps) ...
const BEGINS_MAX: usize = 4;
/// ... within this time. A journal that fails again and again must not fill the ring with
/// beginnings.
const BEGINS_WITHIN: Duration = Duration::from_secs(240);

/// How long the last block may take to be written when Evenkeel stops.
const LAST_BLOCK_WITHIN: Duration = Duration::from_secs(10);

/// Bytes that are not what was written, and what is wrong with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Damage(pub &'static str);

impl Damage {
    const SHORT: Self = Self("a block that ends early");
    const OUT_OF_ORDER: Self = Self("a block that does not follow the one before it");
}

/// How a recorder records. [`Settings::new`] for use; tests change the rest.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where the ring is.
    pub folder: PathBuf,
    /// How long segments are kept.
    pub keep_for: Duration,
    /// The size of all of them together, bytes.
    pub bytes_max: u64,
    /// Free space on the disk that is left to others, bytes.
    pub spare: u64,
    /// A block is written at the latest after this time: what a crash may cost.
    pub flush_after: Duration,
    /// A segment ends at the latest after this time ...
    pub segment_for: Duration,
    /// ... or with this size: what damage to one block may cost, and the ring's grain.
    pub segment_bytes: u64,
    /// How long it waits after the disk failed before it tries again.
    pub retry_after: Duration,
    /// The disk.
    pub disk: Arc<dyn Disk>,
}

impl Settings {
    /// Settings for use.
    pub fn new(folder: PathBuf, keep_for: Duration, bytes_max: u64) -> Self {
        Self {
            folder,
            keep_for,
            bytes_max,
            // Some hours of a busy journal.
            spare: 64 << 20,
            flush_after: Duration::from_secs(10),
            segment_for: Duration::from_secs(3600).min(keep_for / 8),
            segment_bytes: (16 << 20).min(bytes_max / 8),
            retry_after: Duration::from_secs(30),
            disk: Arc::new(RealDisk),
        }
    }
}

/// What stands between the pump and the thread.
#[derive(Debug, Default)]
struct Shared {
    /// The segment is full: the pump is asked for the state to begin the next one with.
    full: AtomicBool,
    /// The last segment that came to nothing.
    given_up: AtomicU64,
    /// Bytes that wait, as they are in memory.
    waiting: AtomicUsize,
    lost_steps: AtomicU64,
    lost_observations: AtomicU64,
    trouble: Mutex<Option<Trouble>>,
}

#[derive(Debug, Clone)]
struct Trouble {
    since: Timestamp,
    why: String,
    again_at: Instant,
}

impl Shared {
    fn trouble(&self) -> std::sync::MutexGuard<'_, Option<Trouble>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lose(&self, steps: u64, observations: u64) {
        self.lost_steps.fetch_add(steps, Ordering::Relaxed);
        self.lost_observations
            .fetch_add(observations, Ordering::Relaxed);
    }

    /// Says that nothing is recorded, once for each time it begins.
    fn stop(&self, why: String, again_after: Duration) {
        let again_at = Instant::now() + again_after;
        let mut trouble = self.trouble();
        match &mut *trouble {
            Some(known) => {
                known.again_at = again_at;
                known.why = why;
            }
            None => {
                tracing::error!(
                    "nothing is recorded for replay: {why}. Everything else goes on; it is tried again"
                );
                *trouble = Some(Trouble {
                    since: Timestamp::now(),
                    why,
                    again_at,
                });
            }
        }
    }

    fn go_on(&self) {
        if let Some(trouble) = self.trouble().take() {
            tracing::info!(since = %trouble.since, "it is recorded for replay again");
        }
    }
}

/// Whether it is recorded, for pages and the command line.
#[derive(Debug, Clone, Default)]
pub struct Recording {
    shared: Option<Arc<Shared>>,
}

impl Recording {
    /// Since when nothing is recorded, and why; `None` where all is well, or recording is
    /// switched off.
    pub fn trouble(&self) -> Option<(Timestamp, String)> {
        let trouble = self.shared.as_ref()?.trouble();
        trouble
            .as_ref()
            .map(|known| (known.since, known.why.clone()))
    }

    /// The same as a sentence.
    pub fn ailment(&self) -> Option<String> {
        let (since, why) = self.trouble()?;
        Some(format!(
            "nothing is recorded for replay since {since}: {why}. Everything else goes on"
        ))
    }
}

enum Handed {
    Base(u64, Box<Base>),
    Step(u64, Step, usize),
}

/// The pump's side.
#[derive(Debug)]
pub struct Recorder {
    /// `None` where recording is switched off.
    on: Option<On>,
}

#[derive(Debug)]
struct On {
    policy: Arc<Policy>,
    shared: Arc<Shared>,
    queue: SyncSender<Handed>,
    thread: std::thread::JoinHandle<()>,
    /// The segment that steps go into; 0 before the first.
    segment: u64,
    is_open: bool,
    /// When segments began out of turn.
    begins: VecDeque<Instant>,
}

impl Recorder {
    /// One that records nothing.
    pub fn off() -> Self {
        Self { on: None }
    }

    /// One that records what is decided under `policy`.
    pub fn start(settings: Settings, policy: Arc<Policy>) -> Self {
        let shared = Arc::new(Shared::default());
        let (queue, handed) = std::sync::mpsc::sync_channel(STEPS_WAITING_MAX);
        let thread = thread::Thread::new(settings, shared.clone());
        let spawned = std::thread::Builder::new()
            .name("recorder".into())
            .spawn(move || thread.run(&handed));
        match spawned {
            Ok(thread) => Self {
                on: Some(On {
                    policy,
                    shared,
                    queue,
                    thread,
                    segment: 0,
                    is_open: false,
                    begins: VecDeque::new(),
                }),
            },
            Err(error) => {
                tracing::error!(%error, "nothing is recorded for replay: no thread can be started");
                Self::off()
            }
        }
    }

    /// Whether it is recorded, for others to ask.
    pub fn recording(&self) -> Recording {
        Recording {
            shared: self.on.as_ref().map(|on| on.shared.clone()),
        }
    }

    /// The state was made anew: what comes from now on starts there.
    pub fn made_anew(&mut self, why: Why, state: &State, record: Arc<Record>, now: Timestamp) {
        if let Some(on) = &mut self.on {
            on.is_open = false;
            on.begin(why, state, record, now);
        }
    }

    /// A step is durable; `state` is the one after it, `record` its record. Never waits.
    pub fn turned(&mut self, step: Step, state: &State, record: impl FnOnce() -> Arc<Record>) {
        let Some(on) = &mut self.on else {
            return;
        };
        let now = step.now;
        on.hand_over(step);
        if !on.is_open {
            on.begin(Why::Continued, state, record(), now);
        } else if on.shared.full.swap(false, Ordering::Relaxed) {
            on.is_open = false;
            on.send_base(Why::Continued, state, record(), now);
        }
    }

    /// Whether much waits: who can wait (the pump cannot) hands over later.
    pub fn is_behind(&self) -> bool {
        self.on
            .as_ref()
            .is_some_and(|on| on.shared.waiting.load(Ordering::Relaxed) > 1 << 18)
    }

    /// Writes what is left; a disk that does not answer is not waited for.
    pub async fn close(self) {
        let Some(On { queue, thread, .. }) = self.on else {
            return;
        };
        drop(queue);
        let joined = tokio::task::spawn_blocking(move || thread.join());
        if tokio::time::timeout(LAST_BLOCK_WITHIN, joined)
            .await
            .is_err()
        {
            tracing::warn!(
                "the recorder's disk does not answer: the last seconds are not recorded"
            );
        }
    }
}

impl On {
    fn hand_over(&mut self, step: Step) {
        let shared = &self.shared;
        if self.is_open && shared.given_up.load(Ordering::Acquire) >= self.segment {
            self.is_open = false;
        }
        let observations = step.inputs.len() as u64;
        if !self.is_open {
            shared.lose(1, observations);
            return;
        }
        let weight = step.inputs.iter().map(weight).sum::<usize>() + 64;
        let waiting = shared.waiting.fetch_add(weight, Ordering::Relaxed);
        let full = waiting + weight > BYTES_WAITING_MAX && waiting > 0;
        let sent = !full
            && self
                .queue
                .try_send(Handed::Step(self.segment, step, weight))
                .is_ok();
        if !sent {
            shared.waiting.fetch_sub(weight, Ordering::Relaxed);
            shared.lose(1, observations);
            shared.stop(
                "its disk takes longer than there is to write".into(),
                Duration::from_secs(1),
            );
            self.is_open = false;
        }
    }

    /// Begins a segment out of turn, if the time for it has come.
    fn begin(&mut self, why: Why, state: &State, record: Arc<Record>, now: Timestamp) {
        let instant = Instant::now();
        let is_early = self
            .shared
            .trouble()
            .as_ref()
            .is_some_and(|trouble| instant < trouble.again_at);
        let is_behind = self.shared.waiting.load(Ordering::Relaxed) > 0;
        let of_late = self.begins.iter();
        let of_late = of_late.filter(|at| instant.duration_since(**at) < BEGINS_WITHIN);
        if is_early || is_behind || of_late.count() >= BEGINS_MAX {
            return;
        }
        self.begins.push_back(instant);
        if self.begins.len() > BEGINS_MAX {
            self.begins.pop_front();
        }
        self.send_base(why, state, record, now);
    }

    fn send_base(&mut self, why: Why, state: &State, record: Arc<Record>, now: Timestamp) {
        let steps = self.shared.lost_steps.swap(0, Ordering::Relaxed);
        let observations = self.shared.lost_observations.swap(0, Ordering::Relaxed);
        let trouble = self.shared.trouble().clone();
        let why = match trouble {
            None if steps == 0 => why,
            trouble => Why::Gap(Gap {
                since: trouble.as_ref().map_or(now, |trouble| trouble.since),
                steps,
                observations,
                because: trouble.map_or_else(
                    || "segments began too often".to_owned(),
                    |trouble| trouble.why,
                ),
            }),
        };
        let base = Base {
            why,
            at: now,
            policy: self.policy.clone(),
            record,
            memory: state.memory.clone(),
        };
        self.segment += 1;
        match self
            .queue
            .try_send(Handed::Base(self.segment, Box::new(base)))
        {
            Ok(()) => self.is_open = true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.shared.lose(steps, observations);
                self.shared.stop(
                    "its disk takes longer than there is to write".into(),
                    Duration::from_secs(1),
                );
            }
        }
    }
}

/// What an observation takes in memory, roughly: sessions carry their query.
fn weight(observation: &Observation) -> usize {
    let sessions = match &observation.seen {
        Seen::LockWaits(picture) => picture.chains.iter().map(|c| c.waiters.len() + 1).sum(),
        Seen::RunBackends(picture) => picture.sessions.len(),
        Seen::DatabaseLoad(load) => load.idle_in_transaction.len() + load.prepared.len() + 1,
        _ => 0,
    };
    256 + sessions * 1024
}
