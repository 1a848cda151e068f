//! Answers that go on for hours: event streams, and connections that became another protocol.
//!
//! Between two events nobody works on them. A place is for work, so they give theirs back as
//! soon as they are open: with the head of an event stream, with the switch of protocols.
//! Else a hundred open pages would be a full pool that does nothing, its limit would follow
//! what they take, and one tenant's dashboards would be the others' outage. How fast they are
//! is told when they open: the time to their head, like that of any answer. How they end,
//! hours later, says nothing of what the pool can carry: a browser opens them again.
//!
//! Only what says of itself that it goes on is let go: `text/event-stream`, and 101. A long
//! download keeps its place until its last byte, because in most services a worker writes it.
//! So opening is still bounded and fair: a herd that reconnects comes in at the pool's pace.
//!
//! What is open is counted, and bounded in all and for each tenant: an event stream beyond
//! that keeps its place, and so counts as work that bounds who opens more. Upgraded
//! connections are bounded by the listener's bounds alone, each being a connection of its own;
//! event streams over HTTP/2 are not.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::Traffic;
use super::identity::ByHash;

/// What is open at one pool.
pub(crate) struct Open {
    most: usize,
    most_of_tenant: usize,
    all: Cell<usize>,
    by_tenant: RefCell<ByHash<usize>>,
}

/// Something that is open, until it is dropped.
pub struct Stays {
    pub(super) traffic: Rc<Traffic>,
    pub(super) pool: usize,
    pub(super) tenant: u64,
}

impl Open {
    /// At most so many, and of one tenant so many percent of them.
    pub(crate) fn new(most: usize, tenant_pct: u8) -> Self {
        Self {
            most,
            most_of_tenant: (most * usize::from(tenant_pct) / 100).max(1),
            all: Cell::new(0),
            by_tenant: RefCell::default(),
        }
    }

    /// How many are open.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.all.get()
    }

    /// One more, if it may be.
    pub(super) fn try_add(&self, tenant: u64) -> bool {
        let of_tenant = self.by_tenant.borrow().get(&tenant).copied();
        let has_room = self.all.get() < self.most && of_tenant.unwrap_or(0) < self.most_of_tenant;
        if has_room {
            self.add(tenant);
        }
        has_room
    }

    /// One more.
    pub(super) fn add(&self, tenant: u64) {
        self.all.set(self.all.get() + 1);
        *self.by_tenant.borrow_mut().entry(tenant).or_default() += 1;
    }

    fn remove(&self, tenant: u64) {
        self.all.set(self.all.get() - 1);
        let mut by_tenant = self.by_tenant.borrow_mut();
        if let Some(count) = by_tenant.get_mut(&tenant) {
            *count -= 1;
            if *count == 0 {
                by_tenant.remove(&tenant);
            }
        }
    }
}

impl Drop for Stays {
    fn drop(&mut self) {
        self.traffic.pools[self.pool].open.remove(self.tenant);
    }
}

impl std::fmt::Debug for Stays {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stays").finish_non_exhaustive()
    }
}
