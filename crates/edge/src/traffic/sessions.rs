//! At most so many places for one user session: a page that fires fifty requests at once, or
//! a user who presses reload, waits for itself.
//!
//! Requests over the bound stand in the session's own line, first in first out, before they
//! stand in any other: a session that is full takes no room where others wait. A place here
//! is held from then on until the request ends, so that the bound covers what waits for the
//! pool as well. Sessions are known only while they have requests under way.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::identity::{ByHash, NOBODY};
use super::line::{Line, Waiters};

pub(crate) struct Sessions {
    state: RefCell<State>,
    most: u32,
}

struct State {
    by_hash: ByHash<Session>,
    /// Whether they have been let in.
    waiters: Waiters<bool>,
}

#[derive(Default)]
struct Session {
    held: u32,
    line: Line,
}

/// Waits for a place of its session. Dropping it leaves the line.
pub(crate) struct Waiting<'s> {
    sessions: &'s Sessions,
    session: u64,
    node: Option<u32>,
}

impl Sessions {
    pub(crate) fn new(most: u32) -> Self {
        let state = State {
            by_hash: ByHash::default(),
            waiters: Waiters::new(),
        };
        Self {
            state: RefCell::new(state),
            most: most.max(1),
        }
    }

    /// Whether it has a place now, to be given back by [`Self::leave`].
    pub(crate) fn try_enter(&self, session: u64) -> bool {
        if session == NOBODY {
            return true;
        }
        let mut state = self.state.borrow_mut();
        let session = state.by_hash.entry(session).or_default();
        let room = session.held < self.most && session.line.is_empty();
        session.held += u32::from(room);
        room
    }

    pub(crate) fn join(&self, session: u64) -> Waiting<'_> {
        let mut state = self.state.borrow_mut();
        let State { by_hash, waiters } = &mut *state;
        let node = waiters.add(false);
        waiters.push(&mut by_hash.entry(session).or_default().line, node);
        Waiting {
            sessions: self,
            session,
            node: Some(node),
        }
    }

    pub(crate) fn leave(&self, session: u64) {
        if session == NOBODY {
            return;
        }
        if let Some(waker) = self.state.borrow_mut().leave(session) {
            waker.wake();
        }
    }
}

impl State {
    /// Hands its place to the first in the session's line: whom to wake.
    fn leave(&mut self, hash: u64) -> Option<Waker> {
        let session = self.by_hash.get_mut(&hash)?;
        if session.line.is_empty() {
            session.held -= 1;
            if session.held == 0 {
                self.by_hash.remove(&hash);
            }
            return None;
        }
        let first = session.line.head;
        self.waiters.unlink(&mut session.line, first);
        self.waiters.change(first, true)
    }
}

impl Future for Waiting<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let node = self.node.expect("polled after it was over");
        let mut state = self.sessions.state.borrow_mut();
        if *state.waiters.state(node) {
            state.waiters.remove(node);
            drop(state);
            self.node = None;
            return Poll::Ready(());
        }
        let old = state.waiters.wake_with(node, context.waker().clone());
        drop(state);
        drop(old);
        Poll::Pending
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let Some(node) = self.node.take() else {
            return;
        };
        let mut state = self.sessions.state.borrow_mut();
        let State { by_hash, waiters } = &mut *state;
        let let_in = *waiters.state(node);
        if !let_in && let Some(session) = by_hash.get_mut(&self.session) {
            waiters.unlink(&mut session.line, node);
        }
        let waker = waiters.remove(node).1;
        drop(state);
        drop(waker);
        if let_in {
            self.sessions.leave(self.session);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Sessions;

    #[tokio::test]
    async fn a_session_waits_for_itself_in_order_and_is_forgotten_when_it_is_idle() {
        let sessions = Sessions::new(2);
        assert!(sessions.try_enter(5) && sessions.try_enter(5));
        assert!(!sessions.try_enter(5));
        assert!(sessions.try_enter(6), "another one is not held up");
        let (first, second, third) = (sessions.join(5), sessions.join(5), sessions.join(5));
        drop(second);
        sessions.leave(5);
        first.await;
        assert!(!sessions.try_enter(5), "the third goes before");
        sessions.leave(5);
        // It was let in, and goes away before it knows.
        drop(third);
        sessions.leave(5);
        sessions.leave(6);
        assert!(sessions.state.borrow().by_hash.is_empty());
        assert_eq!(sessions.state.borrow().waiters.len(), 0);
    }

    #[test]
    fn without_a_session_there_is_no_bound() {
        let sessions = Sessions::new(1);
        assert!((0..10).all(|_| sessions.try_enter(super::NOBODY)));
    }
}
