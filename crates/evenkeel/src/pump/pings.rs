//! Pings, and changes to heartbeats, on their way through the pump: taken into a step in
//! the order they came, and answered when that step is durable.
//!
//! Many at a time: what comes while a step is being written goes into the next one, so
//! that one append makes all of them durable. At the bound ([`WAITING_MAX`]) and after
//! [`PATIENCE`] a client is told to come again; what nobody waits for any more is not taken.

use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::event::{Event, What};
use evenkeel_core::heartbeat::{Change, HeartbeatChange};
use evenkeel_core::observation::{Observation, Seen};
use evenkeel_guards::outlet::to_the_millisecond;
use tokio::sync::{mpsc, oneshot};

/// Pings that may wait: some seconds of ten thousand heartbeats that ping each minute, or
/// all of them at the full hour.
pub const WAITING_MAX: usize = 16_384;

/// How long a client waits for its answer. Clients give up after ten seconds by default.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Why a ping, or a change, was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untaken {
    /// It changed nothing: its heartbeat is not there, or is not in that state.
    Passed,
    /// It cannot be made durable now; come again.
    Unavailable,
}

/// The revision at which it is durable.
pub type Taken = Result<u64, Untaken>;

/// One on its way.
#[derive(Debug)]
pub(super) struct Heard {
    observation: Observation,
    /// The number of a ping, once it has one.
    order: u64,
    answer: oneshot::Sender<Taken>,
    /// It was taken into a step that was lost, and is in the pump's hands already.
    carried: bool,
}

/// Where pings and changes are given.
#[derive(Debug, Clone)]
pub struct PingDesk(mpsc::Sender<Heard>);

impl PingDesk {
    pub(super) fn new() -> (Self, mpsc::Receiver<Heard>) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        (Self(sender), receiver)
    }

    /// Gives one, and waits until it is durable.
    pub async fn place(&self, by: &str, at: Timestamp, seen: Seen) -> Taken {
        let (answer, answered) = oneshot::channel();
        let observation = Observation {
            // As every observation: what is recorded has no more.
            at: to_the_millisecond(at),
            by: by.into(),
            seen,
        };
        let heard = Heard {
            observation,
            order: 0,
            answer,
            carried: false,
        };
        self.0.try_send(heard).map_err(|_| Untaken::Unavailable)?;
        match tokio::time::timeout(PATIENCE, answered).await {
            Ok(Ok(taken)) => taken,
            // The pump is gone, or the journal stands still.
            Ok(Err(_)) | Err(_) => Err(Untaken::Unavailable),
        }
    }
}

/// What is on its way through one step.
#[derive(Debug, Default)]
pub(super) struct Hearing(Vec<Heard>);

impl Hearing {
    /// Takes up what was heard, and puts it among the inputs of a step. Pings get their
    /// numbers here, in the order in which they are taken.
    pub(super) fn take(
        &mut self,
        heard: Vec<Heard>,
        inputs: &mut Vec<Observation>,
        last_order: &mut u64,
    ) {
        for mut heard in heard {
            if heard.answer.is_closed() {
                continue;
            }
            if let Seen::Ping(ping) = &mut heard.observation.seen {
                *last_order += 1;
                ping.order = *last_order;
                heard.order = *last_order;
            }
            inputs.push(heard.observation.clone());
            self.0.push(heard);
        }
    }

    /// What all of them are to be told: the step they were in is durable at `revision`. What
    /// was carried over from a lost step may have been durable all along (`known`: the last
    /// ping that was known before the step).
    pub(super) fn judge(&mut self, events: &[Event], known: u64, revision: u64) -> Answers {
        if self.0.is_empty() {
            return Answers::default();
        }
        let taken: Vec<u64> = events
            .iter()
            .filter_map(|event| match &event.what {
                What::PingReceived { ping, .. } => Some(ping.order),
                _ => None,
            })
            .collect();
        let mut answers = Vec::with_capacity(self.0.len());
        for heard in self.0.drain(..) {
            let is_taken = match &heard.observation.seen {
                Seen::Ping(_) => {
                    taken.binary_search(&heard.order).is_ok()
                        || (heard.carried && heard.order <= known)
                }
                Seen::HeartbeatChange(change) => {
                    events.iter().any(|event| is_of(change, &event.what))
                }
                _ => false,
            };
            let answer = match is_taken {
                true => Ok(revision),
                // Whether a change was made before the journal was opened anew is not known.
                false if heard.carried => Err(Untaken::Unavailable),
                false => Err(Untaken::Passed),
            };
            answers.push((heard.answer, answer));
        }
        Answers(answers)
    }

    /// The step was lost; its facts are taken once more.
    pub(super) fn carry(&mut self) {
        self.0.iter_mut().for_each(|heard| heard.carried = true);
    }

    /// The step was lost for good.
    pub(super) fn give_up(&mut self) {
        for heard in self.0.drain(..) {
            let _gone = heard.answer.send(Err(Untaken::Unavailable));
        }
    }
}

/// Answers that are to be given.
#[derive(Debug, Default)]
pub(super) struct Answers(Vec<(oneshot::Sender<Taken>, Taken)>);

impl Answers {
    /// Gives them. Whoever asked may have gone.
    pub(super) fn send(self) {
        for (to, answer) in self.0 {
            let _gone = to.send(answer);
        }
    }
}

fn is_of(wanted: &HeartbeatChange, what: &What) -> bool {
    let of = match (&wanted.change, what) {
        (Change::Create { .. }, What::HeartbeatCreated { heartbeat, .. })
        | (Change::Update { .. }, What::HeartbeatUpdated { heartbeat, .. })
        | (Change::Delete, What::HeartbeatDeleted { heartbeat, .. })
        | (Change::Pause, What::HeartbeatPaused { heartbeat, .. })
        | (Change::Resume, What::HeartbeatResumed { heartbeat, .. })
        | (Change::Schedule { .. }, What::HeartbeatScheduled { heartbeat, .. }) => heartbeat,
        _ => return false,
    };
    *of == wanted.heartbeat
}
