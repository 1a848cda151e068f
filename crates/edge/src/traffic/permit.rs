//! What a request holds while it is under way: its place, and its instance. Each is given
//! back by its drop.

use std::cell::Cell;
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;

use super::fair::Place;
use super::open::Stays;
use super::{Class, EXPECTED_OF, Traffic};

/// A place in its pool, and what goes with it, until it is dropped. Hold it while the
/// service works on the request.
pub struct Permit {
    pub(super) traffic: Rc<Traffic>,
    pub(super) class: Class,
    pub(super) place: Option<Place>,
    pub(super) of_route: Option<Place>,
    pub(super) since: u64,
}

/// An instance that was chosen; the request counts as under way there until it is dropped.
pub struct Pick {
    /// Its pool, by index.
    pub pool: usize,
    /// Which, by its index in the pool.
    pub instance: usize,
    /// Where it answers.
    pub address: SocketAddr,
    pub(super) route: u16,
    pub(super) is_open: Cell<bool>,
    pub(super) traffic: Rc<Traffic>,
}

/// The instances that a request was sent to already.
#[derive(Debug, Clone, Default)]
pub struct Tried(pub(super) Vec<u16>);

impl Tried {
    /// This one, too.
    pub fn add(&mut self, pick: &Pick) {
        self.0.push(pick.instance as u16);
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether it was not sent anywhere yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Permit {
    /// Gives the place back for an answer that goes on for hours; or not, where too many
    /// are open.
    pub fn stays_open(self) -> Result<Stays, Self> {
        let pool = &self.traffic.pools[usize::from(self.class.pool)];
        match pool.open.try_add(self.class.tenant) {
            true => Ok(self.stays()),
            false => Err(self),
        }
    }

    /// Gives the place back: the connection is another protocol's from here on.
    pub fn upgraded(self) -> Stays {
        let pool = &self.traffic.pools[usize::from(self.class.pool)];
        pool.open.add(self.class.tenant);
        self.stays()
    }

    fn stays(&self) -> Stays {
        Stays {
            traffic: self.traffic.clone(),
            pool: usize::from(self.class.pool),
            tenant: self.class.tenant,
        }
    }
}

impl Pick {
    /// It has become a connection that stays open: it is no work that bounds others.
    pub fn stays_open(&self) {
        if !self.is_open.replace(true) {
            let pool = &self.traffic.pools[self.pool];
            pool.balance.stays_open(self.instance);
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Permit").field(&self.class).finish()
    }
}

impl fmt::Debug for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pick").field(&self.address).finish()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let traffic = &self.traffic;
        let now = traffic.clock.now();
        let pool = &traffic.pools[usize::from(self.class.pool)];
        let route = &traffic.by_route[usize::from(self.class.route)];
        if let Some(place) = self.place.take() {
            let held = now.saturating_sub(self.since) as f64;
            let expected = route.expected.get();
            route
                .expected
                .set(expected + (held - expected) / EXPECTED_OF);
            pool.gate.leave(now, place);
        }
        if let (Some(place), Some(gate)) = (self.of_route.take(), &route.gate) {
            gate.leave(now, place);
        }
        pool.sessions.leave(self.class.session);
    }
}

impl Drop for Pick {
    fn drop(&mut self) {
        let balance = &self.traffic.pools[self.pool].balance;
        balance.let_go(self.instance, self.is_open.get());
    }
}
