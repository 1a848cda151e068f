//! What was seen since the last window: counted as it happens, told once a second.
//!
//! A request costs a few additions here, whatever the number of routes and tenants. Routes
//! and instances have their latencies in a fixed table each. Tenants are bounded: the
//! busiest are told by name, all others in one sum. Who is busy is found with space-saving
//! counters (Metwally, Agrawal, Abbadi 2005), four for each name that is told: whoever has
//! more than that share of the requests is surely among them. Counts fade by half from one
//! window to the next, so that a name stays while its tenant stays busy.
//!
//! What is told always adds up: every request is in its route, and in one tenant's count or
//! in the rest. How many tenants the rest sums is estimated by linear counting (Whang 1990)
//! in a map of bits: within about a hundredth, and exact where they are few.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_core::edge::{Latencies, Traffic as Counts};

use super::identity::{self, ByHash};

/// Buckets that [`Latencies`] knows.
const BUCKETS: usize = 976;

/// Counters for each tenant that is told.
const COUNTERS_EACH: usize = 4;

/// Bits of the map in which tenants are counted: 8 KiB.
const BITS: usize = 1 << 16;

/// A tenant takes another's name in the window when it has this many times its requests, so
/// that a new flood is named at once, and equals do not push each other out in turns.
const BUSIER: u32 = 2;

/// How a whole request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The service answered with this status.
    Answered {
        /// The status.
        status: u16,
    },
    /// It did not, or was cut off: the edge answered with 502 or 504, or could not any more.
    Failed,
    /// The edge turned it away to protect the rest.
    Shed,
    /// Its component is switched off.
    Off,
    /// The client gave up.
    Gone,
}

/// A whole request, when it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finish {
    /// How it ended.
    pub kind: Kind,
    /// From the request's head to the answer's head; of answers of the service.
    pub latency: Option<Duration>,
    /// Bytes of its body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// Whether it was tried again at another instance.
    pub retried: bool,
}

/// Counts, with latencies in a fixed table.
pub(crate) struct Tally {
    counts: Counts,
    latencies: Box<[u32]>,
    any: bool,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            counts: Counts::default(),
            latencies: vec![0; BUCKETS].into(),
            any: false,
        }
    }

    pub(crate) fn finish(&mut self, finish: &Finish) {
        let counts = &mut self.counts;
        counts.requests += 1;
        match finish.kind {
            Kind::Answered { status } => counts.errors += u32::from(status >= 500),
            Kind::Failed => counts.errors += 1,
            Kind::Shed => counts.shed += 1,
            Kind::Off => counts.off += 1,
            Kind::Gone => counts.gone += 1,
        }
        counts.retried += u32::from(finish.retried);
        counts.bytes_in += finish.bytes_in;
        counts.bytes_out += finish.bytes_out;
        if let (Kind::Answered { .. }, Some(latency)) = (finish.kind, finish.latency) {
            self.latency(latency);
        }
    }

    pub(crate) fn latency(&mut self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let bucket = usize::from(Latencies::bucket(us)).min(BUCKETS - 1);
        self.latencies[bucket] = self.latencies[bucket].saturating_add(1);
        self.any = true;
    }

    /// Adds what another counted, which is then empty.
    fn absorb(&mut self, other: &mut Self) {
        self.counts.add(&std::mem::take(&mut other.counts));
        if std::mem::take(&mut other.any) {
            self.any = true;
            for (own, others) in self.latencies.iter_mut().zip(&mut other.latencies) {
                *own += std::mem::take(others);
            }
        }
    }

    /// What was counted; it begins again at nothing.
    pub(crate) fn take(&mut self) -> Counts {
        let mut counts = std::mem::take(&mut self.counts);
        counts.latencies = self.take_latencies();
        counts
    }

    pub(crate) fn take_latencies(&mut self) -> Latencies {
        let mut latencies = Latencies::default();
        if !std::mem::take(&mut self.any) {
            return latencies;
        }
        for (bucket, count) in self.latencies.iter_mut().enumerate() {
            if *count > 0 {
                latencies.count(bucket as u16, std::mem::take(count));
            }
        }
        latencies
    }
}

/// The tenants in a window.
pub(crate) struct Tenants {
    told_max: usize,
    counted_max: u32,
    state: RefCell<State>,
}

struct State {
    counters: Vec<Counter>,
    by_tenant: ByHash<u32>,
    /// Those that are told, by place; `None` where it is free.
    told: Vec<Told>,
    rest: Tally,
    seen: Box<[u64]>,
}

/// How busy a tenant is about; told where it has a place.
struct Counter {
    tenant: u64,
    count: u32,
    told: Option<u32>,
}

struct Told {
    /// Its counter; `None` where the place is free.
    counter: Option<u32>,
    tally: Tally,
}

/// The tenants of a window as it is told.
#[derive(Debug, Default)]
pub(crate) struct Named {
    pub(crate) tenants: BTreeMap<String, Counts>,
    pub(crate) rest: Counts,
    pub(crate) rest_count: u32,
}

impl Tenants {
    pub(crate) fn new(told_max: usize, known_max: usize) -> Self {
        let free = |_| Told {
            counter: None,
            tally: Tally::new(),
        };
        let state = State {
            counters: Vec::new(),
            by_tenant: ByHash::default(),
            told: (0..told_max).map(free).collect(),
            rest: Tally::new(),
            seen: vec![0; BITS / 64].into(),
        };
        Self {
            told_max,
            counted_max: u32::try_from(known_max).unwrap_or(u32::MAX),
            state: RefCell::new(state),
        }
    }

    pub(crate) fn finish(&self, tenant: u64, finish: &Finish) {
        let state = &mut *self.state.borrow_mut();
        if tenant == identity::NOBODY {
            return state.rest.finish(finish);
        }
        let bit = tenant as usize % BITS;
        state.seen[bit / 64] |= 1 << (bit % 64);
        let counter = state.counter(tenant, self.told_max * COUNTERS_EACH);
        let told = counter.and_then(|counter| state.told_place(counter));
        match told {
            Some(place) => state.told[place].tally.finish(finish),
            None => state.rest.finish(finish),
        }
    }

    /// What was seen since the last time.
    pub(crate) fn take(&self) -> Named {
        let state = &mut *self.state.borrow_mut();
        let mut named = Named::default();
        for told in &mut state.told {
            let Some(counter) = told.counter else {
                continue;
            };
            let counts = told.tally.take();
            if counts.requests > 0 {
                let tenant = state.counters[counter as usize].tenant;
                named.tenants.insert(identity::written(tenant), counts);
            }
        }
        named.rest = state.rest.take();
        let told = named.tenants.len() as u32;
        let seen = state.count_seen().min(self.counted_max);
        named.rest_count = seen.saturating_sub(told);
        if named.rest.requests == 0 {
            named.rest_count = 0;
        }
        state.fade();
        named
    }
}

impl State {
    /// Counts a request of a tenant; its counter, if there are any.
    fn counter(&mut self, tenant: u64, most: usize) -> Option<usize> {
        let at = match self.by_tenant.get(&tenant) {
            Some(at) => *at as usize,
            None if self.counters.len() < most => {
                self.counters.push(Counter {
                    tenant,
                    count: 0,
                    told: None,
                });
                self.by_tenant
                    .insert(tenant, self.counters.len() as u32 - 1);
                self.counters.len() - 1
            }
            None => {
                let free = self.counters.iter().enumerate();
                let free = free.filter(|(_, counter)| counter.told.is_none());
                let (least, _) = free.min_by_key(|(_, counter)| counter.count)?;
                self.by_tenant.remove(&self.counters[least].tenant);
                self.counters[least].tenant = tenant;
                self.by_tenant.insert(tenant, least as u32);
                least
            }
        };
        self.counters[at].count = self.counters[at].count.saturating_add(1);
        Some(at)
    }

    /// Where its counts are kept, if it is told: as before, in a free place, or in that of
    /// one that is far less busy.
    fn told_place(&mut self, counter: usize) -> Option<usize> {
        if let Some(place) = self.counters[counter].told {
            return Some(place as usize);
        }
        let count = self.counters[counter].count;
        let free = self.told.iter().position(|told| told.counter.is_none());
        let place = free.or_else(|| {
            // Looked for only now and then: it costs a look at all.
            if !count.is_power_of_two() || count < 8 {
                return None;
            }
            let count_at = |place: &usize| {
                let counter = self.told[*place].counter;
                counter.map_or(0, |counter| self.counters[counter as usize].count)
            };
            let least = (0..self.told.len()).min_by_key(count_at)?;
            (count_at(&least) < count / BUSIER).then_some(least)
        })?;
        if let Some(before) = self.told[place].counter.replace(counter as u32) {
            self.counters[before as usize].told = None;
            self.rest.absorb(&mut self.told[place].tally);
        }
        self.counters[counter].told = Some(place as u32);
        Some(place)
    }

    fn count_seen(&mut self) -> u32 {
        let set: u32 = self.seen.iter().map(|bits| bits.count_ones()).sum();
        self.seen.fill(0);
        let (bits, free) = (BITS as f64, BITS as f64 - f64::from(set));
        if free < 1.0 {
            return u32::MAX;
        }
        (bits * (bits / free).ln()).round() as u32
    }

    /// Halves all counts; who is down to nothing gives up its place.
    fn fade(&mut self) {
        for counter in &mut self.counters {
            counter.count /= 2;
            if counter.count == 0
                && let Some(place) = counter.told.take()
            {
                self.told[place as usize].counter = None;
            }
        }
    }
}

#[cfg(test)]
mod tests;
