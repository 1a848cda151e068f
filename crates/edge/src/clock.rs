//! Deadlines that cost nothing to set: a request has five of them, and nearly all are
//! lifted before they are due.
//!
//! Each task has one [`Alarm`], a cell with a time in it. One sweep four times a second
//! wakes those whose time has come. So a deadline is kept to a quarter of a second, which
//! is what timeouts of seconds need, and no timer is registered on the path of a request.
//! The same sweep wakes everyone when the edge stops, or an instance's time is over.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::Instant;

/// How often the sweep goes.
const SWEEP_EVERY: Duration = Duration::from_millis(250);

/// All alarms of the thread.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    slots: RefCell<Vec<Weak<Slot>>>,
}

/// A task's deadline. Its clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Alarm(Rc<Slot>);

#[derive(Debug, Default)]
struct Slot {
    at: Cell<Option<Instant>>,
    waker: RefCell<Option<Waker>>,
}

impl Clock {
    /// A new alarm, not set.
    pub(crate) fn alarm(&self) -> Alarm {
        let slot = Rc::new(Slot::default());
        self.slots.borrow_mut().push(Rc::downgrade(&slot));
        Alarm(slot)
    }

    /// Wakes everyone who waits with an alarm.
    pub(crate) fn wake_all(&self) {
        self.sweep(|_| true);
    }

    /// Wakes whose time has come, for ever.
    pub(crate) async fn keep(self: Rc<Self>) {
        let mut tick = tokio::time::interval(SWEEP_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let now = tick.tick().await;
            self.sweep(|at| at.is_some_and(|at| at <= now));
        }
    }

    fn sweep(&self, is_due: impl Fn(Option<Instant>) -> bool) {
        self.slots.borrow_mut().retain(|slot| {
            let Some(slot) = slot.upgrade() else {
                return false;
            };
            if is_due(slot.at.get())
                && let Some(waker) = &*slot.waker.borrow()
            {
                waker.wake_by_ref();
            }
            true
        });
    }
}

impl Alarm {
    /// Sets it.
    pub(crate) fn set(&self, at: Instant) {
        self.0.at.set(Some(at));
    }

    /// Sets it so far from now.
    pub(crate) fn set_in(&self, time: Duration) {
        self.set(Instant::now() + time);
    }

    /// Lifts it.
    pub(crate) fn lift(&self) {
        self.0.at.set(None);
    }

    /// Ready when its time has come; else the task is woken then, or when all are.
    pub(crate) fn poll_due(&self, cx: &Context<'_>) -> Poll<()> {
        let mut waker = self.0.waker.borrow_mut();
        if !waker
            .as_ref()
            .is_some_and(|known| known.will_wake(cx.waker()))
        {
            *waker = Some(cx.waker().clone());
        }
        match self.0.at.get() {
            Some(at) if at <= Instant::now() => Poll::Ready(()),
            _ => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[tokio::test(start_paused = true)]
    async fn an_alarm_wakes_when_due_and_not_when_lifted() {
        let clock = Rc::new(Clock::default());
        let alarm = clock.alarm();
        let keeping = clock.clone().keep();
        let waiting = async {
            alarm.set_in(Duration::from_secs(3));
            let from = Instant::now();
            poll_fn(|cx| alarm.poll_due(cx)).await;
            let waited = from.elapsed();
            assert!(waited >= Duration::from_secs(3) && waited < Duration::from_secs(4));
            alarm.lift();
            let never = poll_fn(|cx| alarm.poll_due(cx));
            let hour = Duration::from_secs(3600);
            assert!(tokio::time::timeout(hour, never).await.is_err());
        };
        tokio::select! {
            () = keeping => {}
            () = waiting => {}
        }
    }
}
