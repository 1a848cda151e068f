//! A fair queue as requests meet it: they enter at once, or wait as a future.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{Ask, Fair, Most, Place, Room, Why};
use crate::traffic::Clock;

pub(crate) struct Gate {
    fair: RefCell<Fair>,
    clock: Clock,
}

/// Waits for a place. Dropping it leaves the line, and gives back what it had got.
pub(crate) struct Waiting<'g> {
    gate: &'g Gate,
    /// `None` when it is over.
    node: Option<u32>,
}

/// Room in the queue until it is dropped.
pub(crate) struct Reserved<'g> {
    gate: &'g Gate,
    room: Option<Room>,
}

impl Gate {
    pub(crate) fn new(clock: Clock, limit: u32, most: Most) -> Self {
        Self {
            fair: RefCell::new(Fair::new(limit, most)),
            clock,
        }
    }

    pub(crate) fn limit(&self) -> u32 {
        self.fair.borrow().limit()
    }

    pub(crate) fn held(&self) -> u32 {
        self.fair.borrow().held()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.fair.borrow().waiting()
    }

    pub(crate) fn try_enter(&self, now: u64, ask: &Ask) -> Option<Place> {
        self.fair.borrow_mut().try_enter(now, ask)
    }

    pub(crate) fn reserve(&self, ask: &Ask) -> Result<Reserved<'_>, Why> {
        let (room, pushed_out) = self.fair.borrow_mut().reserve(ask)?;
        if let Some(waker) = pushed_out {
            waker.wake();
        }
        let room = Some(room);
        Ok(Reserved { gate: self, room })
    }

    pub(crate) fn leave(&self, now: u64, place: Place) {
        self.fair.borrow_mut().leave(now, place);
        self.grant(now);
    }

    pub(crate) fn set_limit(&self, now: u64, limit: u32) {
        self.fair.borrow_mut().set_limit(limit);
        self.grant(now);
    }

    fn grant(&self, now: u64) {
        loop {
            // Borrowed for one grant only: waking may run code of strangers.
            let granted = self.fair.borrow_mut().grant(now);
            match granted {
                Some(Some(waker)) => waker.wake(),
                Some(None) => {}
                None => return,
            }
        }
    }
}

impl<'g> Reserved<'g> {
    /// Stands in line.
    pub(crate) fn join(&self, expected: u64) -> Waiting<'g> {
        let (gate, now) = (self.gate, self.gate.clock.now());
        let room = self.room.as_ref().expect("room is there until the drop");
        let node = Some(gate.fair.borrow_mut().join(now, room, expected));
        // A place may be free that nobody else may take.
        gate.grant(now);
        Waiting { gate, node }
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if let Some(room) = self.room.take() {
            self.gate.fair.borrow_mut().free(room);
        }
    }
}

impl Future for Waiting<'_> {
    type Output = Result<Place, Why>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let node = self.node.expect("polled after it was over");
        let taken = self.gate.fair.borrow_mut().taken(node);
        if let Some(taken) = taken {
            self.node = None;
            return Poll::Ready(taken);
        }
        let waker = context.waker().clone();
        let old = self.gate.fair.borrow_mut().wake_with(node, waker);
        drop(old);
        Poll::Pending
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Some(node) = self.node.take() else {
            return;
        };
        let (place, waker) = self.gate.fair.borrow_mut().quit(node);
        drop(waker);
        let now = self.gate.clock.now();
        match place {
            Some(place) => self.gate.leave(now, place),
            // It may have been what kept others to their part.
            None => self.gate.grant(now),
        }
    }
}
