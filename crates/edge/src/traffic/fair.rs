//! Who gets the next place: a limit on requests under way, and a fair queue in front of it.
//!
//! Three questions in turn. Which *criticality*: the one that has had the least, weighed;
//! critical requests weigh 64, normal ones 8, sheddable ones 1, so that a flood of the lesser
//! cannot be felt by the greater, and the least still gets one place in seventy-three: nobody
//! starves for ever. Which *tenant*: the one that has had the least. Which of its requests:
//! the first.
//!
//! What a tenant has had is measured in what a request costs: the time it holds a place.
//! Counted in requests, a tenant whose requests are a hundred times slower would get a
//! hundred times as much. The cost is known only afterwards, so the account is
//!
//! ```text
//! key = time its places were held so far  +  what those under way are still expected to take
//! ```
//!
//! where the expectation is what the route takes on average. A request that turns out slow is
//! charged while it runs; one that was quick gets the expectation back. (What is not known to
//! be slow is charged [`CHARGED_MOST`] times the expectation at most.) This is start-time
//! fair queueing (Goyal, Vin, Chen 1996) with more than one server and with costs corrected
//! while they arise, kept for every tenant also while it has nothing waiting: ranking what
//! happens to wait falls back to first in, first out when workers ask for one at a time. A
//! tenant that comes back from idleness starts at the virtual time of the busy ones: it has
//! saved nothing up, and owes nothing. Between tenants whose requests cost the same this
//! differs from round robin by one request.
//!
//! A place that is held cannot be taken back, so fairness in choosing is not enough against
//! slow requests: one tenant could hold every place for seconds when another comes. While
//! others wait, and for [`REMEMBERED`] after that, places stay free for them:
//!
//! - a tenant holds at most its part of the limit (`tenant_pct`);
//! - a tenant that holds more than an equal share of it, and everyone whose requests matter
//!   less, leaves an eighth of all places free (trunk reservation, as telephone networks keep
//!   the last lines of a route for the calls that belong there): who holds little is let in
//!   at once.
//!
//! That would still be too late by one slow request: [`headroom`] says what slow requests
//! leave free before anybody waits.
//!
//! Others are tenants under their part, whose requests matter no less: two great ones do not
//! hold each other back when no one else is there, and critical requests leave nothing free
//! for sheddable ones.
//!
//! When the queue is full, it is not the next who comes that is turned away but the one who
//! matters least: of a lesser criticality the tenant's that has had the most; of the same the
//! last of a tenant that has more waiting. Sheddable requests may fill half of it only.
//!
//! The choice among waiting tenants costs the logarithm of their number; nothing grows with
//! the number of tenants that do not wait.

use std::collections::BTreeSet;
use std::task::Waker;

use evenkeel_core::edge::Criticality;

use super::line::{NONE, Waiters};

mod account;
mod flows;
mod gate;
mod headroom;

use account::Account;
use flows::{Flow, Flows};
pub(crate) use gate::Gate;
use headroom::Headroom;

/// How long after the last other one had to wait a tenant is kept to its part: so long that
/// pauses between two page views do not end it, so short that a night's batch alone on the
/// service soon has all of it. Microseconds.
const REMEMBERED: u64 = 10_000_000;

/// A request that is not known to be slow is charged so many times what its route takes at
/// most. What a pause of the machine adds is nobody's doing, and who pays for one of 12 ms
/// where a request takes 0.3 lets forty rounds of all others pass.
const CHARGED_MOST: u64 = 2;

/// The part of the places that is left free for who holds little: an eighth, which costs an
/// eighth of what a flood could use, and nothing when nobody else is there.
const RESERVED: u32 = 8;

/// What a criticality weighs, from sheddable to critical.
const WEIGHTS: [u64; 3] = [1, 8, 64];

/// A request that wants a place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    pub(crate) tenant: u64,
    pub(crate) criticality: Criticality,
    /// How long it will probably hold it, microseconds.
    pub(crate) expected: u64,
}

/// A place that is held, to be given back to where it is from.
#[derive(Debug)]
#[must_use]
pub(crate) struct Place {
    flow: u32,
    lane: u8,
    expected: u64,
    /// Its number in [`Headroom`].
    held: u32,
}

/// Room in the queue.
#[derive(Debug)]
#[must_use]
pub(crate) struct Room {
    flow: u32,
    lane: u8,
}

/// Why a request is not let in to wait, or waits no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The queue was full, and nobody in it mattered less.
    QueueFull,
    /// Too many of its tenant waited.
    TenantQueueFull,
    /// It made room for one that matters more.
    PushedOut,
    /// It waited as long as anyone may.
    Waited,
    /// Requests of its pool are held, and too many are already.
    HoldFull,
}

/// The most of everything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Most {
    pub(crate) waiting: usize,
    pub(crate) waiting_of_tenant: usize,
    /// Percent of the limit that a tenant holds at most while others wait.
    pub(crate) tenant_pct: u32,
    pub(crate) tenants_known: usize,
}

#[derive(Debug)]
enum Seat {
    Waits { flow: u32, lane: u8, expected: u64 },
    Granted(Place),
    Turned(Why),
}

/// See the module's words. Times are microseconds since any fixed moment.
pub(crate) struct Fair {
    most: Most,
    limit: u32,
    held: u32,
    /// With room reserved, wherever they wait.
    waiting: usize,
    flows: Flows,
    waiters: Waiters<Seat>,
    headroom: Headroom,
    /// Tenants that have slow requests under way.
    slow_flows: u32,
    lanes: [Lane; 3],
    /// Virtual time between lanes.
    virtual_time: u64,
    /// Flows, with the lane, that wait only because they hold their part.
    blocked: Vec<(u32, usize)>,
    /// By lane: until when tenants are kept to their part for its sake.
    kept_until: [u64; 3],
}

/// The requests of one criticality.
#[derive(Default)]
struct Lane {
    account: Account,
    /// Virtual time between its tenants.
    virtual_time: u64,
    /// Tenants that hold places or wait.
    active: u32,
    /// Who waits, by what it has had when last looked at: never more than it has had now.
    ready: BTreeSet<(u64, u32)>,
}

impl Fair {
    pub(crate) fn new(limit: u32, most: Most) -> Self {
        Self {
            most,
            limit,
            held: 0,
            waiting: 0,
            flows: Flows::new(most.tenants_known),
            waiters: Waiters::new(),
            headroom: Headroom::new(),
            slow_flows: 0,
            lanes: Default::default(),
            virtual_time: 0,
            blocked: Vec::new(),
            kept_until: [0; 3],
        }
    }

    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    pub(crate) fn held(&self) -> u32 {
        self.held
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whoever may enter then is granted by [`Self::grant`].
    pub(crate) fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    /// A place, if there is one and nobody else is to have it first.
    pub(crate) fn try_enter(&mut self, now: u64, ask: &Ask) -> Option<Place> {
        let ready = self.lanes.iter().any(|lane| !lane.ready.is_empty());
        if ready || self.held >= self.limit {
            return None;
        }
        let (flow, lane) = (self.flows.of(ask.tenant), lane_of(ask.criticality));
        self.see_slow(now);
        // Those of the same tenant that wait go first.
        let waits = !self.flows.at(flow).lanes[lane].line.is_empty();
        (!waits && !self.is_kept(now, flow, lane)).then(|| self.take(now, flow, lane, ask.expected))
    }

    /// Room in the queue, and whom to wake because it was pushed out.
    pub(crate) fn reserve(&mut self, ask: &Ask) -> Result<(Room, Option<Waker>), Why> {
        let lane = lane_of(ask.criticality);
        let flow = self.flows.of(ask.tenant);
        if self.flows.at(flow).waiting as usize >= self.most.waiting_of_tenant {
            return Err(Why::TenantQueueFull);
        }
        if lane == lane_of(Criticality::Sheddable) && self.waiting >= self.most.waiting.div_ceil(2)
        {
            return Err(Why::QueueFull);
        }
        let mut woken = None;
        if self.waiting >= self.most.waiting {
            let victim = self.victim(flow, lane).ok_or(Why::QueueFull)?;
            woken = self.push_out(victim);
        }
        self.waiting += 1;
        self.holds(flow, lane, |flow| {
            flow.waiting += 1;
            flow.lanes[lane].waiting += 1;
        });
        let lane = lane as u8;
        Ok((Room { flow, lane }, woken))
    }

    pub(crate) fn free(&mut self, room: Room) {
        self.waiting -= 1;
        let lane = room.lane as usize;
        self.holds(room.flow, lane, |flow| {
            flow.waiting -= 1;
            flow.lanes[lane].waiting -= 1;
        });
    }

    /// Stands in line. Its node, to be given to [`Self::quit`] or [`Self::taken`].
    pub(crate) fn join(&mut self, now: u64, room: &Room, expected: u64) -> u32 {
        let (flow, lane) = (room.flow, room.lane);
        if !self.at_its_part(flow) && !self.crowds(now, flow, lane as usize) {
            self.kept_until[lane as usize] = now + REMEMBERED;
        }
        let id = self.waiters.add(Seat::Waits {
            flow,
            lane,
            expected,
        });
        let first = self.flows.at(flow).lanes[lane as usize].line.is_empty();
        let own = &mut self.flows.at_mut(flow).lanes[lane as usize];
        self.waiters.push(&mut own.line, id);
        if first {
            self.make_ready(now, flow, lane as usize);
        }
        id
    }

    /// Whether it has been decided on, and what; its node is gone then.
    pub(crate) fn taken(&mut self, id: u32) -> Option<Result<Place, Why>> {
        if matches!(self.waiters.state(id), Seat::Waits { .. }) {
            return None;
        }
        match self.waiters.remove(id).0 {
            Seat::Granted(place) => Some(Ok(place)),
            Seat::Turned(why) => Some(Err(why)),
            Seat::Waits { .. } => unreachable!("it was looked at just now"),
        }
    }

    /// Leaves the line, wherever it stands; the place it had got meanwhile, to be left.
    pub(crate) fn quit(&mut self, id: u32) -> (Option<Place>, Option<Waker>) {
        if let Seat::Waits { flow, lane, .. } = *self.waiters.state(id) {
            self.unlink(id, flow, lane as usize);
        }
        let (seat, waker) = self.waiters.remove(id);
        match seat {
            Seat::Granted(place) => (Some(place), waker),
            Seat::Waits { .. } | Seat::Turned(_) => (None, waker),
        }
    }

    pub(crate) fn wake_with(&mut self, id: u32, waker: Waker) -> Option<Waker> {
        self.waiters.wake_with(id, waker)
    }

    /// Gives a place back; then [`Self::grant`] until nobody is granted.
    pub(crate) fn leave(&mut self, now: u64, place: Place) {
        let lane = place.lane as usize;
        self.held -= 1;
        self.lanes[lane].account.give(now, place.expected);
        self.see_slow(now);
        let own = &mut self.flows.at_mut(place.flow).lanes[lane].quick;
        let left = self.headroom.leave(now, place.held, lane, own);
        let own = self.flows.at_mut(place.flow);
        own.slow -= u32::from(left.slow);
        self.slow_flows -= u32::from(left.slow && own.slow == 0);
        let excess = match left.slow || place.expected == 0 {
            true => 0,
            false => left.held.saturating_sub(place.expected * CHARGED_MOST),
        };
        self.holds(place.flow, lane, |flow| {
            flow.held -= 1;
            flow.lanes[lane].held -= 1;
            flow.lanes[lane].account.give(now, place.expected);
            flow.lanes[lane].account.forgive(excess);
        });
        if self.flows.at(place.flow).lanes[lane].key.is_some() {
            // What it was expected to take is given back: it may be due earlier.
            self.make_unready(place.flow, lane);
            self.make_ready(now, place.flow, lane);
        }
        self.unblock(now, |own| own == place.flow);
    }

    /// Lets the next one in, if there is a place: whom to wake.
    pub(crate) fn grant(&mut self, now: u64) -> Option<Option<Waker>> {
        if self.held >= self.limit || self.waiters.len() == 0 {
            return None;
        }
        self.see_slow(now);
        loop {
            if let Some((flow, lane)) = self.due(now) {
                return Some(self.let_in(now, flow, lane));
            }
            if !self.unblock(now, |_| true) {
                return None;
            }
        }
    }

    fn let_in(&mut self, now: u64, flow: u32, lane: usize) -> Option<Waker> {
        let id = self.flows.at(flow).lanes[lane].line.head;
        let Seat::Waits { expected, .. } = *self.waiters.state(id) else {
            unreachable!("only those that wait stand in line");
        };
        self.make_unready(flow, lane);
        let own = &mut self.flows.at_mut(flow).lanes[lane];
        self.waiters.unlink(&mut own.line, id);
        let place = self.take(now, flow, lane, expected);
        if !self.flows.at(flow).lanes[lane].line.is_empty() {
            self.make_ready(now, flow, lane);
        }
        self.waiters.change(id, Seat::Granted(place))
    }

    /// The tenant that is due, with its lane, of those that may have another place.
    fn due(&mut self, now: u64) -> Option<(u32, usize)> {
        loop {
            let waiting = (0..3).filter(|lane| !self.lanes[*lane].ready.is_empty());
            let lane = waiting.min_by_key(|lane| {
                let had = self.lanes[*lane].account.key(now) / WEIGHTS[*lane];
                (had, std::cmp::Reverse(*lane))
            })?;
            let (key, flow) = *self.lanes[lane].ready.first()?;
            let had = self.flows.at(flow).lanes[lane].account.key(now);
            if had > key {
                // Its places have gone on costing since it was last looked at.
                self.make_unready(flow, lane);
                self.make_ready(now, flow, lane);
            } else if self.is_kept(now, flow, lane) {
                self.make_unready(flow, lane);
                self.flows.at_mut(flow).lanes[lane].blocked = true;
                self.blocked.push((flow, lane));
            } else {
                return Some((flow, lane));
            }
        }
    }

    fn take(&mut self, now: u64, flow: u32, lane: usize, expected: u64) -> Place {
        let weight = WEIGHTS[lane];
        let of_lane = &mut self.lanes[lane];
        of_lane.account.lift(now, self.virtual_time * weight);
        self.virtual_time = of_lane.account.key(now) / weight;
        of_lane.account.take(now, expected);
        let own = &mut self.flows.at_mut(flow).lanes[lane].account;
        own.lift(now, of_lane.virtual_time);
        of_lane.virtual_time = own.key(now);
        own.take(now, expected);
        self.holds(flow, lane, |flow| {
            flow.held += 1;
            flow.lanes[lane].held += 1;
        });
        self.held += 1;
        let held = self.headroom.take(now, flow);
        let lane = lane as u8;
        Place {
            flow,
            lane,
            expected,
            held,
        }
    }

    /// Changes what a flow holds or how many of it wait.
    fn holds(&mut self, flow: u32, lane: usize, change: impl FnOnce(&mut Flow)) {
        let flow = self.flows.at_mut(flow);
        let active = |flow: &Flow| u32::from(flow.lanes[lane].held + flow.lanes[lane].waiting > 0);
        let was = active(flow);
        change(flow);
        let of_lane = &mut self.lanes[lane];
        of_lane.active = of_lane.active + active(flow) - was;
    }

    fn at_its_part(&self, flow: u32) -> bool {
        let part = u64::from(self.limit) * u64::from(self.most.tenant_pct) / 100;
        u64::from(self.flows.at(flow).held) >= part.max(1)
    }

    /// Counts the places whose requests have turned out to be slow.
    fn see_slow(&mut self, now: u64) {
        while let Some(flow) = self.headroom.turned_slow(now) {
            let flow = self.flows.at_mut(flow);
            self.slow_flows += u32::from(flow.slow == 0);
            flow.slow += 1;
        }
    }

    /// Whether a tenant's slow requests leave too little free for the quick ones of others.
    fn crowds(&self, now: u64, flow: u32, lane: usize) -> bool {
        let own = self.flows.at(flow);
        if own.slow == 0 || own.slow * 2 < own.held {
            return false;
        }
        let quick = [0, 1, 2].map(|lane| &own.lanes[lane].quick);
        let room = self.headroom.room(now, self.limit, lane, quick);
        let slow = self.headroom.slow() - own.slow + own.held;
        // Where there is a need, there is somebody beside those who are slow.
        let share = self.limit / self.lanes[lane].active.max(self.slow_flows + 1);
        slow >= room && own.held >= share
    }

    /// Whether a tenant may have no further place because of others.
    fn is_kept(&self, now: u64, flow: u32, lane: usize) -> bool {
        if self.crowds(now, flow, lane) {
            return true;
        }
        let greater = self.kept_until[lane + 1..].iter().any(|until| now < *until);
        let equal = now < self.kept_until[lane];
        if !greater && !equal {
            return false;
        }
        let free = self.limit.saturating_sub(self.held);
        let held = self.flows.at(flow).lanes[lane].held;
        let over = held > 0 && held * self.lanes[lane].active.max(1) >= self.limit;
        self.at_its_part(flow) || ((greater || over) && free <= self.limit / RESERVED)
    }

    fn make_ready(&mut self, now: u64, flow: u32, lane: usize) {
        let of_lane = &mut self.lanes[lane];
        if of_lane.ready.is_empty() {
            let start = self.virtual_time * WEIGHTS[lane];
            of_lane.account.lift(now, start);
        }
        let own = &mut self.flows.at_mut(flow).lanes[lane];
        own.account.lift(now, of_lane.virtual_time);
        let key = own.account.key(now);
        own.key = Some(key);
        of_lane.ready.insert((key, flow));
    }

    fn make_unready(&mut self, flow: u32, lane: usize) {
        let own = &mut self.flows.at_mut(flow).lanes[lane];
        if let Some(key) = own.key.take() {
            self.lanes[lane].ready.remove(&(key, flow));
        }
    }

    /// Lets those be chosen again that may have a place now; whether there are any.
    fn unblock(&mut self, now: u64, which: impl Fn(u32) -> bool) -> bool {
        let mut any = false;
        for at in (0..self.blocked.len()).rev() {
            let (flow, lane) = self.blocked[at];
            if which(flow) && !self.is_kept(now, flow, lane) {
                self.blocked.swap_remove(at);
                self.flows.at_mut(flow).lanes[lane].blocked = false;
                self.make_ready(now, flow, lane);
                any = true;
            }
        }
        any
    }

    fn unlink(&mut self, id: u32, flow: u32, lane: usize) {
        let own = &mut self.flows.at_mut(flow).lanes[lane];
        self.waiters.unlink(&mut own.line, id);
        if !own.line.is_empty() {
            return;
        }
        if std::mem::take(&mut own.blocked) {
            self.blocked.retain(|blocked| *blocked != (flow, lane));
        }
        self.make_unready(flow, lane);
    }

    /// Who makes room for one more of `flow` in `lane`.
    fn victim(&self, flow: u32, lane: usize) -> Option<u32> {
        let last_of = |flow: u32, lane: usize| {
            let tail = self.flows.at(flow).lanes[lane].line.tail;
            (tail != NONE).then_some(tail)
        };
        let greediest = |lane: usize| {
            let ready = self.lanes[lane].ready.last().map(|(_, flow)| *flow);
            let blocked = self.blocked.iter().map(|(flow, _)| *flow);
            let waits = |flow: &u32| last_of(*flow, lane).is_some();
            blocked.chain(ready).find(waits)
        };
        let lesser = (0..lane).find_map(|lane| last_of(greediest(lane)?, lane));
        lesser.or_else(|| {
            let other = greediest(lane)?;
            let more = self.flows.at(other).waiting > self.flows.at(flow).waiting + 1;
            more.then(|| last_of(other, lane))?
        })
    }

    fn push_out(&mut self, id: u32) -> Option<Waker> {
        if let Seat::Waits { flow, lane, .. } = *self.waiters.state(id) {
            self.unlink(id, flow, lane as usize);
        }
        self.waiters.change(id, Seat::Turned(Why::PushedOut))
    }
}

fn lane_of(criticality: Criticality) -> usize {
    match criticality {
        Criticality::Sheddable => 0,
        Criticality::Normal => 1,
        Criticality::Critical => 2,
    }
}

#[cfg(test)]
mod tests;
