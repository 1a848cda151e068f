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
//! charged while it runs; one that was quick gets the expectation back. This is start-time
//! fair queueing (Goyal, Vin, Chen 1996) with more than one server and with costs corrected
//! while they arise, kept for every tenant also while it has nothing waiting: ranking what
//! happens to wait falls back to first in, first out when workers ask for one at a time. A
//! tenant that comes back from idleness starts at the virtual time of the busy ones: it has
//! saved nothing up, and owes nothing. Between tenants whose requests cost the same this
//! differs from round robin by one request.
//!
//! A place that is held cannot be taken back, so fairness in choosing is not enough against
//! slow requests: one tenant could hold every place for seconds when another comes. While
//! others wait, and for [`REMEMBERED`] after that, a tenant holds at most its part of the
//! limit (`tenant_pct`), also where places stay free for it: that is what lets the others in
//! at once. Only a tenant under its part counts as others: two great ones do not hold each
//! other back when no one else is there.
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

use account::Account;
use flows::Flows;
pub(crate) use gate::Gate;

/// How long after the last other one had to wait a tenant is kept to its part: so long that
/// pauses between two page views do not end it, so short that a night's batch alone on the
/// service soon has all of it. Microseconds.
const REMEMBERED: u64 = 10_000_000;

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
    lanes: [Lane; 3],
    /// Virtual time between lanes.
    virtual_time: u64,
    /// Flows that wait only because they hold their part.
    blocked: Vec<u32>,
    /// Until when tenants are kept to their part.
    kept_until: u64,
}

/// The requests of one criticality.
#[derive(Default)]
struct Lane {
    account: Account,
    /// Virtual time between its tenants.
    virtual_time: u64,
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
            lanes: Default::default(),
            virtual_time: 0,
            blocked: Vec::new(),
            kept_until: 0,
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
        let flow = self.flows.of(ask.tenant);
        let kept = now < self.kept_until && self.at_its_part(flow);
        // Those of the same tenant that wait go first.
        let waits = !self.flows.at(flow).lanes[lane_of(ask.criticality)]
            .line
            .is_empty();
        (!kept && !waits).then(|| self.take(now, flow, lane_of(ask.criticality), ask.expected))
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
        self.flows.at_mut(flow).waiting += 1;
        let lane = lane as u8;
        Ok((Room { flow, lane }, woken))
    }

    pub(crate) fn free(&mut self, room: Room) {
        self.waiting -= 1;
        self.flows.at_mut(room.flow).waiting -= 1;
    }

    /// Stands in line. Its node, to be given to [`Self::quit`] or [`Self::taken`].
    pub(crate) fn join(&mut self, now: u64, room: &Room, expected: u64) -> u32 {
        let (flow, lane) = (room.flow, room.lane);
        if !self.at_its_part(flow) {
            self.kept_until = now + REMEMBERED;
        }
        let id = self.waiters.add(Seat::Waits {
            flow,
            lane,
            expected,
        });
        let first = self.flows.at(flow).lanes[lane as usize].line.is_empty();
        let own = &mut self.flows.at_mut(flow).lanes[lane as usize];
        self.waiters.push(&mut own.line, id);
        if first && !self.flows.at(flow).blocked {
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
        let flow = self.flows.at_mut(place.flow);
        flow.held -= 1;
        flow.lanes[lane].account.give(now, place.expected);
        if flow.blocked && !self.at_its_part(place.flow) {
            self.blocked.retain(|blocked| *blocked != place.flow);
            self.unblock(now, place.flow);
        } else if self.flows.at(place.flow).lanes[lane].key.is_some() {
            // What it was expected to take is given back: it may be due earlier.
            self.make_unready(place.flow, lane);
            self.make_ready(now, place.flow, lane);
        }
    }

    /// Lets the next one in, if there is a place: whom to wake.
    pub(crate) fn grant(&mut self, now: u64) -> Option<Option<Waker>> {
        if self.held >= self.limit || self.waiters.len() == 0 {
            return None;
        }
        loop {
            if let Some((flow, lane)) = self.due(now) {
                return Some(self.let_in(now, flow, lane));
            }
            if self.blocked.is_empty() || now < self.kept_until {
                return None;
            }
            for flow in std::mem::take(&mut self.blocked) {
                self.unblock(now, flow);
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
            } else if now < self.kept_until && self.at_its_part(flow) {
                self.block(flow);
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
        self.flows.at_mut(flow).held += 1;
        self.held += 1;
        let lane = lane as u8;
        Place {
            flow,
            lane,
            expected,
        }
    }

    fn at_its_part(&self, flow: u32) -> bool {
        let part = u64::from(self.limit) * u64::from(self.most.tenant_pct) / 100;
        u64::from(self.flows.at(flow).held) >= part.max(1)
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

    fn block(&mut self, flow: u32) {
        (0..3).for_each(|lane| self.make_unready(flow, lane));
        self.flows.at_mut(flow).blocked = true;
        self.blocked.push(flow);
    }

    fn unblock(&mut self, now: u64, flow: u32) {
        self.flows.at_mut(flow).blocked = false;
        for lane in 0..3 {
            if !self.flows.at(flow).lanes[lane].line.is_empty() {
                self.make_ready(now, flow, lane);
            }
        }
    }

    fn unlink(&mut self, id: u32, flow: u32, lane: usize) {
        let own = &mut self.flows.at_mut(flow).lanes[lane];
        self.waiters.unlink(&mut own.line, id);
        if own.line.is_empty() {
            self.make_unready(flow, lane);
        }
        let flow_waits = |lane: usize| !self.flows.at(flow).lanes[lane].line.is_empty();
        if self.flows.at(flow).blocked && !(0..3).any(flow_waits) {
            self.flows.at_mut(flow).blocked = false;
            self.blocked.retain(|blocked| *blocked != flow);
        }
    }

    /// Who makes room for one more of `flow` in `lane`.
    fn victim(&self, flow: u32, lane: usize) -> Option<u32> {
        let last_of = |flow: u32, lane: usize| {
            let tail = self.flows.at(flow).lanes[lane].line.tail;
            (tail != NONE).then_some(tail)
        };
        let greediest = |lane: usize| {
            let ready = self.lanes[lane].ready.last().map(|(_, flow)| *flow);
            let blocked = self.blocked.iter().copied();
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
