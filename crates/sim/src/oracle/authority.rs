//! What may be asked for at all: grants, the kill switch, stops, budgets, intervals.

use evenkeel_core::Timestamp;
use evenkeel_core::action::{Action, ActionKind, EndHow, Task};
use evenkeel_core::authority::{Grant, Mode};
use evenkeel_core::ids::DatabaseId;
use evenkeel_core::policy::Policy;
use evenkeel_core::subject::Subject;

use super::{Held, Oracle, Truth};
use crate::clock::{Ms, ms};
use crate::world::scenes::Holder;

/// What the configuration grants; what it does not name is only watched, but for starts.
fn granted(policy: &Policy, kind: ActionKind, scope: &Subject) -> Option<Grant> {
    policy.authority.grants.get(&(kind, scope.clone())).cloned()
}

fn is_first_start(action: &Action) -> bool {
    matches!(action.task, Task::StartRun { attempt: 1, .. })
}

impl Oracle {
    pub(crate) fn may_request(
        &self,
        action: &Action,
        approved: bool,
        at: Timestamp,
        truth: Truth<'_>,
    ) -> Held {
        self.only_what_is_granted(action, approved, truth.policy)?;
        self.held_means_held(action)?;
        self.stopped_means_stopped(action)?;
        if !approved {
            self.budgets_hold(action, at, truth)?;
            self.intervals_hold(action, at, truth)?;
        }
        self.only_the_guilty(action, truth)?;
        self.never_over_a_run(action, truth)?;
        self.never_in_a_tight_loop(action, truth)
    }

    /// An action is requested only where its kind is granted in `act`, or a proposal of it
    /// was approved.
    fn only_what_is_granted(&self, action: &Action, approved: bool, policy: &Policy) -> Held {
        let kind = action.task.kind();
        let mode = match granted(policy, kind, &action.task.scope()) {
            Some(grant) => grant.mode,
            None if kind == ActionKind::StartRun => Mode::Act,
            None => Mode::Watch,
        };
        let proposed = self.proposed.get(&action.id).map(|proposed| &proposed.task);
        match mode {
            Mode::Act => Ok(()),
            Mode::Propose if approved && proposed == Some(&action.task) => Ok(()),
            _ => Err((
                "only_what_is_granted",
                format!(
                    "{} is requested, and only {} is granted",
                    action.task,
                    mode.as_str()
                ),
            )),
        }
    }

    /// Nothing but a slot's first start is requested while actions are held.
    fn held_means_held(&self, action: &Action) -> Held {
        if self.held && !is_first_start(action) {
            return Err((
                "held_means_held",
                format!("{} is requested while held", action.task),
            ));
        }
        Ok(())
    }

    /// A kind that did not help is not requested again for its scope until a person lifts
    /// the stop.
    fn stopped_means_stopped(&self, action: &Action) -> Held {
        let key = (action.task.kind(), action.task.scope());
        if self.stopped.contains(&key) {
            return Err((
                "stopped_means_stopped",
                format!("{} is requested, and stopped", action.task),
            ));
        }
        Ok(())
    }

    /// Of what Evenkeel does by itself, no window of a grant's length holds more requests than its budget: by the keeper's
    /// clock, and by true time where no clock was set meanwhile.
    fn budgets_hold(&self, action: &Action, at: Timestamp, truth: Truth<'_>) -> Held {
        let (kind, scope) = (action.task.kind(), action.task.scope());
        let Some(grant) = granted(truth.policy, kind, &scope) else {
            return Ok(());
        };
        let window = grant.window.as_millis() as Ms;
        let Some(times) = self.asked.get(&(kind, scope)) else {
            return Ok(());
        };
        let by_clock = |then: Timestamp| (0..window).contains(&(ms(at) - ms(then)));
        let in_truth = |then: Ms| truth.t - then < window - 1000;
        let jumped = truth.clock.jumped_since(truth.t - window) > 0;
        let counts = |(t, then): &&(Ms, Timestamp)| match jumped {
            true => by_clock(*then) && in_truth(*t),
            false => by_clock(*then) || in_truth(*t),
        };
        let most = times.iter().filter(counts).count();
        if most >= grant.budget as usize {
            return Err((
                "budgets_hold",
                format!(
                    "{} is number {} within {:?}, {} are allowed",
                    action.task,
                    most + 1,
                    grant.window,
                    grant.budget
                ),
            ));
        }
        Ok(())
    }

    /// Two requests of a grant are at least its minimum interval apart, but for the harder
    /// way with the same session.
    fn intervals_hold(&self, action: &Action, at: Timestamp, truth: Truth<'_>) -> Held {
        let (kind, scope) = (action.task.kind(), action.task.scope());
        let Some(grant) = granted(truth.policy, kind, &scope) else {
            return Ok(());
        };
        let last = self
            .asked
            .get(&(kind, scope))
            .and_then(|times| times.back());
        let Some((t, then)) = last else {
            return Ok(());
        };
        let apart = (ms(at) - ms(*then)).max(truth.t - t);
        if apart >= grant.interval_min.as_millis() as Ms || self.is_harder_way(action) {
            return Ok(());
        }
        Err((
            "intervals_hold",
            format!(
                "{} comes {apart} ms after the last, {:?} is the least",
                action.task, grant.interval_min
            ),
        ))
    }

    fn is_harder_way(&self, action: &Action) -> bool {
        let Task::EndBackend {
            backend,
            how: EndHow::Terminate,
            ..
        } = &action.task
        else {
            return false;
        };
        self.requested.values().rev().take(50).any(|(_, other)| {
            matches!(&other.task, Task::EndBackend { backend: same, how: EndHow::Cancel, .. } if same == backend)
        })
    }

    /// Whether what `action` wants would be within its budget now.
    pub(super) fn has_budget(&self, kind: ActionKind, scope: &Subject, truth: Truth<'_>) -> bool {
        let Some(grant) = granted(truth.policy, kind, scope) else {
            return false;
        };
        let window = grant.window.as_millis() as Ms;
        let now = ms(truth.clock.wall(truth.t));
        let times = self.asked.get(&(kind, scope.clone()));
        // What was noted before the clock was set back counts from when that was noticed.
        let tracked = truth.t - truth.knows_since.max(truth.clock.last_set());
        let recent = times.map_or(0, |times| {
            let counts = |(t, at): &&(Ms, Timestamp)| {
                let age = now - ms(*at);
                let age = if age < 0 { tracked } else { age };
                age.min(truth.t - t) < window + 60_000
            };
            times.iter().filter(counts).count()
        });
        grant.mode == Mode::Act && recent < grant.budget as usize
    }

    /// Whether a chain of this holder may be left to Evenkeel: else it lets go by itself.
    pub(crate) fn may_release(&self, policy: &Policy, db: &DatabaseId, holder: Holder) -> bool {
        let scope = Subject::Database(db.clone());
        let grant = granted(policy, ActionKind::EndBackend, &scope);
        matches!(holder, Holder::Role | Holder::Application)
            && grant.is_some_and(|grant| grant.mode == Mode::Act)
    }

    pub(super) fn is_stopped(&self, kind: ActionKind, scope: &Subject) -> bool {
        self.stopped.contains(&(kind, scope.clone()))
    }

    /// The kill switch stops what is already requested, too, as long as nobody has begun it.
    pub(crate) fn handed_out(&mut self, action: &Action, held: bool, _t: Ms) {
        if held {
            self.hold(Err((
                "held_means_held",
                format!("{} {} is handed out while held", action.id, action.task),
            )));
        }
    }

    /// No action is performed that the journal has not been asked to remember first.
    pub(crate) fn about_to_act(&mut self, action: &Action, _t: Ms) {
        let known = self
            .requested
            .get(&action.id)
            .is_some_and(|(_, known)| known.task == action.task);
        if !known {
            self.hold(Err((
                "no_action_without_a_request",
                format!(
                    "{} {} is performed, and the journal has no request of it",
                    action.id, action.task
                ),
            )));
        }
    }
}
