//! What is under way: actions given to guards, messages given to channels.
//!
//! Nothing here is remembered over a restart, and nothing needs to be: what the record
//! calls requested and is not in these hands is taken into them. An outcome is told as an
//! observation like any other fact; until the record has taken it, the action stays in
//! hand and is not performed again.
//!
//! At the bounds ([`ACTIONS_AT_ONCE`], [`MESSAGES_AT_ONCE`]) the rest stays in the record,
//! oldest first, and is found in a later turn. A guard or channel that panics or takes too
//! long has failed; its task is dropped, and the core decides whether to try again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::action::{Action, Outcome};
use evenkeel_core::evidence::KeptEvidence;
use evenkeel_core::ids::{ActionId, MessageId};
use evenkeel_core::message::Message;
use evenkeel_core::observation::{ActionOutcome, MessageOutcome, Observation, Seen};
use evenkeel_core::record::{Phase, Record};
use evenkeel_guards::guard::{Guard, Performed};
use evenkeel_guards::outlet::Outlet;
use tokio::task::{AbortHandle, JoinHandle};

use crate::channels::Channels;

/// Actions under way at once. Ends of sessions are one at a time for each database by
/// the core's own rule; this bounds a morning on which every job comes due.
pub const ACTIONS_AT_ONCE: usize = 16;

/// Messages under way at once. Pages are few; a slow pager must not pile up connections.
pub const MESSAGES_AT_ONCE: usize = 4;

/// How long a message may take, retries included (the webhook's own bound is shorter).
const MESSAGE_PATIENCE: Duration = Duration::from_secs(300);

/// See the module.
pub(super) struct Hands {
    guards: Vec<Arc<dyn Guard>>,
    outlet: Outlet,
    patience: Duration,
    actions: BTreeMap<ActionId, AbortHandle>,
    messages: BTreeMap<MessageId, AbortHandle>,
}

impl Hands {
    pub(super) fn new(guards: Vec<Arc<dyn Guard>>, outlet: Outlet, patience: Duration) -> Self {
        Self {
            guards,
            outlet,
            patience,
            actions: BTreeMap::new(),
            messages: BTreeMap::new(),
        }
    }

    /// Takes up what the record wants done and is not in hand yet; lets go of what the
    /// record has the outcome of. The record must be durable.
    pub(super) fn hand_out(&mut self, record: &Record, channels: &Channels) {
        let wanted: BTreeSet<ActionId> = requested(record).map(|action| action.id).collect();
        self.actions.retain(|id, _| wanted.contains(id));
        self.messages
            .retain(|id, _| record.open_messages.contains(id));
        for action in record.to_perform() {
            if self.actions.len() >= ACTIONS_AT_ONCE {
                break;
            }
            if !self.actions.contains_key(&action.id) {
                let task = self.perform(action.clone());
                self.actions.insert(action.id, task);
            }
        }
        for id in &record.open_messages {
            if self.messages.len() >= MESSAGES_AT_ONCE {
                break;
            }
            let Some(state) = record.messages.get(id) else {
                continue;
            };
            if !self.messages.contains_key(id) {
                let task = self.tell(state.message.clone(), channels);
                self.messages.insert(*id, task);
            }
        }
    }

    /// Actions and messages under way.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.actions.len(), self.messages.len())
    }

    /// Whether an action is under way whose outcome is not in the record.
    pub(super) fn are_full_of_actions(&self, record: &Record) -> bool {
        requested(record).any(|action| self.actions.contains_key(&action.id))
    }

    /// Outcomes that could not be written: what they belong to is to be found again.
    pub(super) fn let_go(&mut self, given_up: &[Observation]) {
        for observation in given_up {
            match &observation.seen {
                Seen::ActionOutcome(outcome) => {
                    self.actions.remove(&outcome.action);
                }
                Seen::MessageOutcome(outcome) => {
                    self.messages.remove(&outcome.message);
                }
                _ => {}
            }
        }
    }

    /// Drops everything that is under way; it is found again at the next start.
    pub(super) fn drop_all(&mut self) {
        self.actions.values().for_each(AbortHandle::abort);
        self.messages.values().for_each(AbortHandle::abort);
    }

    fn perform(&self, action: Action) -> AbortHandle {
        let kind = action.task.kind();
        let guard = self
            .guards
            .iter()
            .find(|guard| guard.performs().contains(&kind))
            .cloned();
        let outlet = self.outlet.clone();
        let longer = guard
            .as_ref()
            .map_or(Duration::ZERO, |guard| guard.takes(&action));
        let patience = self.patience + longer.max(action.task.waits_for());
        let id = action.id;
        let told = async move {
            let (outcome, evidence) = match guard {
                Some(guard) => performed(guard, action, patience).await,
                None => {
                    let why = format!(
                        "no guard performs {kind}: the configuration names nothing it could be done to"
                    );
                    (Outcome::Refused(why), None)
                }
            };
            tracing::info!(action = %id, good = outcome.is_good(), "{}", outcome.text());
            let seen = Seen::ActionOutcome(ActionOutcome {
                action: id,
                outcome,
                evidence,
            });
            outlet.fact(seen).await;
        };
        tokio::spawn(told).abort_handle()
    }

    fn tell(&self, message: Message, channels: &Channels) -> AbortHandle {
        let channel = channels.of(message.audience());
        let outlet = self.outlet.clone();
        let told = async move {
            let (id, name) = (message.id, channel.name());
            let task = tokio::spawn(async move { channel.tell(&message).await });
            let outcome = bounded(task, MESSAGE_PATIENCE, name)
                .await
                .unwrap_or_else(Outcome::Failed);
            if !outcome.is_good() {
                tracing::error!(message = %id, channel = name, "a message was not delivered: {}", outcome.text());
            }
            let seen = Seen::MessageOutcome(MessageOutcome {
                message: id,
                outcome,
            });
            outlet.fact(seen).await;
        };
        tokio::spawn(told).abort_handle()
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

async fn performed(
    guard: Arc<dyn Guard>,
    action: Action,
    patience: Duration,
) -> (Outcome, Option<KeptEvidence>) {
    let name = guard.name();
    let task = tokio::spawn(async move { guard.perform(&action).await });
    match bounded(task, patience, name).await {
        Ok(Performed { outcome, evidence }) => (outcome, evidence),
        Err(why) => (Outcome::Failed(why), None),
    }
}

/// The answer of a task, or why there is none. A task that is not finished in time is
/// aborted, and so it is when this future is dropped.
async fn bounded<T: Send + 'static>(
    task: JoinHandle<T>,
    patience: Duration,
    name: &str,
) -> Result<T, String> {
    struct Abort(AbortHandle);
    impl Drop for Abort {
        fn drop(&mut self) {
            self.0.abort();
        }
    }
    let _abort = Abort(task.abort_handle());
    match tokio::time::timeout(patience, task).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err(format!(
            "{name} failed by a mistake in Evenkeel; please report it with the log"
        )),
        Err(_) => Err(format!(
            "{name} did not answer within {} s; whether it was done is not known",
            patience.as_secs()
        )),
    }
}
