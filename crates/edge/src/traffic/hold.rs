//! Requests of a pool wait while what is behind it is being moved: a database is promoted, a
//! release is returned. Nobody sees an error; everybody sees a slow page.
//!
//! First in, first out. Bounded in time, in number, in the bytes of bodies that have come
//! already, and each for every tenant, so that a tenant with many clients or large uploads
//! does not take the room of the others. Nothing is read ahead for a request that is held:
//! what counts of its body is what the connection lets come before it is read. When the hold ends, requests go on at a pace, and who comes
//! meanwhile goes behind them: released all at once, they would be the next outage (in 2015
//! only shutting all traffic off at the load balancer ended one). Each is given its moment
//! when the hold ends and waits for it with its own timer, so that nothing has to run here
//! in between. Whose moment would come after the longest wait is told so at once.
//!
//! A hold that begins again before all have gone on keeps them in their order.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::fair::Why;
use super::identity::ByHash;
use super::line::{Line, Waiters};
use crate::settings::HoldBounds;

pub(crate) struct Hold {
    bounds: HoldBounds,
    /// Whether anybody who comes has to look further.
    busy: Cell<bool>,
    state: RefCell<State>,
}

struct State {
    holding: bool,
    /// When the next one may go on, after a hold.
    next: Option<Instant>,
    /// When each may go on; `None` while it is held.
    waiters: Waiters<Option<Instant>>,
    line: Line,
    bytes: u64,
    by_tenant: ByHash<OfTenant>,
}

/// What of a tenant is held.
#[derive(Default)]
struct OfTenant {
    count: usize,
    bytes: u64,
}

/// A request that is held. Dropping it leaves the line.
struct Held<'h> {
    hold: &'h Hold,
    tenant: u64,
    bytes: u64,
    node: u32,
}

/// Why a request was not held to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotHeld {
    /// Too many are.
    Full(Why),
    /// The longest wait is over, or would be before it may go on.
    TooLong,
}

impl Hold {
    pub(crate) fn new(bounds: HoldBounds) -> Self {
        let state = State {
            holding: false,
            next: None,
            waiters: Waiters::new(),
            line: Line::default(),
            bytes: 0,
            by_tenant: ByHash::default(),
        };
        Self {
            bounds,
            busy: Cell::new(false),
            state: RefCell::new(state),
        }
    }

    /// Whether a request has to go through [`Self::pass`].
    pub(crate) fn is_busy(&self) -> bool {
        self.busy.get()
    }

    pub(crate) fn held(&self) -> usize {
        self.state.borrow().waiters.len()
    }

    /// Begins or ends the hold.
    pub(crate) fn set(&self, holding: bool, now: Instant) {
        let mut state = self.state.borrow_mut();
        if state.holding == holding {
            return;
        }
        state.holding = holding;
        self.busy.set(true);
        state.next = (!holding).then_some(now);
        let mut woken = Vec::new();
        let mut at = Some(state.line.head).filter(|_| !state.line.is_empty());
        while let Some(node) = at {
            let moment = (!holding).then(|| state.moment(now, self.bounds.release_per_s));
            woken.extend(state.waiters.change(node, moment));
            at = state.waiters.next(node);
        }
        drop(state);
        woken.into_iter().for_each(|waker| waker.wake());
    }

    /// Waits until it may go on; so many bytes of its body may be here already.
    pub(crate) async fn pass(&self, tenant: u64, bytes: u64) -> Result<(), NotHeld> {
        let now = Instant::now();
        let deadline = now + self.bounds.timeout;
        let Some(held) = self.enter(tenant, bytes, now)? else {
            return Ok(());
        };
        loop {
            let moment = held.moment();
            let now = Instant::now();
            match moment {
                Some(moment) if moment <= now => return Ok(()),
                Some(moment) if moment > deadline => return Err(NotHeld::TooLong),
                _ if now >= deadline => return Err(NotHeld::TooLong),
                _ => {}
            }
            // Over or not, what is the case is looked at again above.
            let _ = timeout_at(moment.unwrap_or(deadline), held.changed(moment)).await;
        }
    }

    /// `None` where it need not wait.
    fn enter(&self, tenant: u64, bytes: u64, now: Instant) -> Result<Option<Held<'_>>, NotHeld> {
        let mut state = self.state.borrow_mut();
        if !state.holding && state.next.is_none_or(|next| next <= now) {
            // Everyone who was held has had a moment before now.
            state.next = None;
            self.busy.set(false);
            return Ok(None);
        }
        let bounds = &self.bounds;
        if state.waiters.len() >= bounds.count_max || state.bytes + bytes > bounds.bytes_max {
            return Err(NotHeld::Full(Why::HoldFull));
        }
        // Of one tenant the same part of the bytes as of the number.
        let count_max = bounds.count_max.max(1) as u64;
        let part = bounds.tenant_max.min(bounds.count_max) as u64;
        let bytes_max = u128::from(bounds.bytes_max) * u128::from(part) / u128::from(count_max);
        let of_tenant = state.by_tenant.get(&tenant);
        let (count, had) = of_tenant.map_or((0, 0), |of| (of.count, of.bytes));
        if count >= bounds.tenant_max || u128::from(had + bytes) > bytes_max {
            return Err(NotHeld::Full(Why::TenantQueueFull));
        }
        let moment = match state.holding {
            true => None,
            false => Some(state.moment(now, bounds.release_per_s)),
        };
        state.bytes += bytes;
        let of_tenant = state.by_tenant.entry(tenant).or_default();
        of_tenant.count += 1;
        of_tenant.bytes += bytes;
        let node = state.waiters.add(moment);
        let State { waiters, line, .. } = &mut *state;
        waiters.push(line, node);
        Ok(Some(Held {
            hold: self,
            tenant,
            bytes,
            node,
        }))
    }
}

impl State {
    /// The moment of the next one to go on.
    fn moment(&mut self, now: Instant, per_s: u32) -> Instant {
        let moment = self.next.unwrap_or(now).max(now);
        self.next = Some(moment + Duration::from_secs(1) / per_s.max(1));
        moment
    }
}

impl Held<'_> {
    fn moment(&self) -> Option<Instant> {
        *self.hold.state.borrow().waiters.state(self.node)
    }

    /// When its moment is another than `known`.
    async fn changed(&self, known: Option<Instant>) {
        std::future::poll_fn(|context| {
            let mut state = self.hold.state.borrow_mut();
            if *state.waiters.state(self.node) != known {
                return std::task::Poll::Ready(());
            }
            let old = state.waiters.wake_with(self.node, context.waker().clone());
            drop(state);
            drop(old);
            std::task::Poll::Pending
        })
        .await;
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut state = self.hold.state.borrow_mut();
        let State {
            waiters,
            line,
            bytes,
            by_tenant,
            ..
        } = &mut *state;
        waiters.unlink(line, self.node);
        let waker = waiters.remove(self.node).1;
        *bytes -= self.bytes;
        if let Some(of_tenant) = by_tenant.get_mut(&self.tenant) {
            of_tenant.count -= 1;
            of_tenant.bytes -= self.bytes;
            if of_tenant.count == 0 {
                by_tenant.remove(&self.tenant);
            }
        }
        drop(state);
        drop(waker);
    }
}
