//! What slow requests leave free: as much as the quick ones of others are expected to need.
//!
//! Places are worth using: while nobody else wants them a tenant may have every one. Of quick
//! requests nobody notices, because a place comes free every few milliseconds. Of slow ones
//! everybody does: sixteen places that are held for 1.5 s each come free one in a tenth of a
//! second, and who comes meanwhile waits behind all who came before. To keep a tenant to its
//! part once somebody waits is too late by one slow request, each time anew.
//!
//! So it is foreseen. What others need is known before the flood comes: by Little's law the
//! places their requests hold on average are how many come in a second times how long each
//! takes, which is the place-time they took, by time. It varies by chance; requests that come
//! independently of each other make it vary by its square root (a Poisson distribution).
//! Three of those and one place more suffice in all but a few of a thousand moments: the
//! square-root staffing of telephone exchanges (Erlang 1924; Halfin and Whitt 1981).
//!
//! ```text
//! need  =  mean + 3 * sqrt(mean) + 1      of the quick requests of all other tenants
//! slow  :  places <= limit - need         together, and never less than half of the limit
//! ```
//!
//! - A request is *slow* once it has held its place for [`TIMES`] times the median of what
//!   requests hold one, whatever its path is: nobody has to name the function. The median,
//!   because one slow request in ten moves a mean tenfold. Where everything is slow nothing
//!   stands out, and nothing is bounded.
//! - A tenant is slow when half of the places it has are held by slow requests. It alone is
//!   refused, and only places beyond an equal share of all.
//! - Quick requests of its own make no need: a tenant that is alone has everything, and so
//!   has one beside whom the others are idle, as soon as they have been for some tens of
//!   seconds. Nor do requests that matter less.
//! - Who is refused holds slow places, by which it is refused: it is asked again whenever one
//!   of them comes free. So a slow function goes on at its pace, and never starves.
//!
//! What this does not see: requests that come all at once, within the time after which they
//! would be known to be slow, and a slow function that every tenant uses a little, on places
//! of which each has less than its share. Such a function needs a route with a bound.
//!
//! Each step costs the same however many tenants there are: places are kept in the order in
//! which they were taken, so that those that turned slow are at the front.

use crate::traffic::line::{Line, NONE, Waiters};

/// Slower than the median by so much is another kind of request. Of exponential latencies
/// one in 250 is (`2^-8`); a slow function is slower a hundredfold.
const TIMES: f64 = 8.0;

/// Nothing under this is slow, microseconds: places come free fast enough.
const AT_LEAST: f64 = 50_000.0;

/// What the need is averaged over: long enough that chance does not move it, short enough
/// that it follows a morning. Microseconds.
const AVERAGED_OVER: f64 = 10_000_000.0;

/// What the median is moved by for each request: its noise is then a few percent.
const STEP: f64 = 1.02;

/// Fewer places on average are nobody: one request of 10 ms in ten seconds.
const NOBODY: f64 = 0.001;

/// Places taken on average, in the recent past.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Demand {
    places: f64,
    at: u64,
}

impl Demand {
    fn now(&self, now: u64) -> f64 {
        let passed = now.saturating_sub(self.at) as f64 / AVERAGED_OVER;
        // Between two requests mostly: the same but for half a percent, and quicker.
        let left = match passed < 0.01 {
            true => 1.0 - passed,
            false => (-passed).exp(),
        };
        self.places * left
    }

    fn add(&mut self, now: u64, held: u64) {
        self.places = self.now(now) + held as f64 / AVERAGED_OVER;
        self.at = self.at.max(now);
    }
}

/// A place that is held.
#[derive(Debug, Clone, Copy)]
struct Held {
    flow: u32,
    since: u64,
    slow: bool,
}

/// A place that was given back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left {
    /// For how long it was held, microseconds.
    pub(super) held: u64,
    /// Whether it was known to be slow.
    pub(super) slow: bool,
}

/// See the module's words. Times are microseconds.
pub(super) struct Headroom {
    /// All places that are held, in the order in which they were taken.
    places: Waiters<Held>,
    line: Line,
    /// The first that is not known to be slow.
    young: u32,
    slow: u32,
    /// The median of how long places are held; 0 while unknown.
    median: f64,
    /// By lane: what quick requests take.
    quick: [Demand; 3],
}

impl Headroom {
    pub(super) fn new() -> Self {
        Self {
            places: Waiters::new(),
            line: Line::default(),
            young: NONE,
            slow: 0,
            median: 0.0,
            quick: Default::default(),
        }
    }

    /// A place is taken: its number, for [`Self::leave`].
    pub(super) fn take(&mut self, now: u64, flow: u32) -> u32 {
        let id = self.places.add(Held {
            flow,
            since: now,
            slow: false,
        });
        self.places.push(&mut self.line, id);
        if self.young == NONE {
            self.young = id;
        }
        id
    }

    /// A place is given back, where `own` is what its tenant's quick requests take.
    pub(super) fn leave(&mut self, now: u64, id: u32, lane: usize, own: &mut Demand) -> Left {
        if self.young == id {
            self.young = self.places.next(id).unwrap_or(NONE);
        }
        self.places.unlink(&mut self.line, id);
        let (Held { since, slow, .. }, _) = self.places.remove(id);
        let held = now.saturating_sub(since);
        if slow {
            self.slow -= 1;
        } else {
            self.quick[lane].add(now, held);
            own.add(now, held);
        }
        self.learn(held);
        Left { held, slow }
    }

    /// The tenant of a place that has turned out to be slow; ask until there is none.
    pub(super) fn turned_slow(&mut self, now: u64) -> Option<u32> {
        if self.young == NONE || self.median == 0.0 {
            return None;
        }
        let held = *self.places.state(self.young);
        if (now.saturating_sub(held.since) as f64) < (self.median * TIMES).max(AT_LEAST) {
            return None;
        }
        let next = self.places.next(self.young).unwrap_or(NONE);
        // Nobody waits to be told.
        let _no_waker = self.places.change(self.young, Held { slow: true, ..held });
        self.young = next;
        self.slow += 1;
        Some(held.flow)
    }

    /// Places that slow requests hold.
    pub(super) fn slow(&self) -> u32 {
        self.slow
    }

    /// How many of so many places the slow may have in front of this lane, where `own` is
    /// what the quick requests of their own tenant take, by lane.
    pub(super) fn room(&self, now: u64, limit: u32, lane: usize, own: [&Demand; 3]) -> u32 {
        let others = (lane..3).map(|lane| self.quick[lane].now(now) - own[lane].now(now));
        let mean: f64 = others.map(|places| places.max(0.0)).sum();
        if mean < NOBODY {
            return limit;
        }
        let need = (mean + 3.0 * mean.sqrt() + 1.0).ceil() as u32;
        limit.saturating_sub(need).max(limit.div_ceil(2))
    }

    fn learn(&mut self, held: u64) {
        let held = (held as f64).max(1.0);
        match self.median {
            0.0 => self.median = held,
            median if held > median => self.median *= STEP,
            _ => self.median /= STEP,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    /// Requests of 10 ms that take so many places on average, for a minute; when it is over.
    fn quick(headroom: &mut Headroom, lane: usize, places: u64, own: &mut Demand) -> u64 {
        let (per_s, takes) = (places * 100, 10_000);
        for request in 0..per_s * 60 {
            let now = request * SECOND / per_s;
            let id = headroom.take(now, 0);
            headroom.leave(now + takes, id, lane, own);
        }
        60 * SECOND
    }

    fn room(headroom: &Headroom, now: u64, lane: usize, own: [&Demand; 3]) -> u32 {
        headroom.room(now, 16, lane, own)
    }

    #[test]
    fn others_are_left_what_they_need_and_at_most_half() {
        let nothing = Demand::default();
        let own = [&nothing, &nothing, &nothing];
        for (places, free) in [(1, 5), (2, 8), (10, 8)] {
            let mut headroom = Headroom::new();
            let now = quick(&mut headroom, 1, places, &mut Demand::default());
            assert_eq!(16 - room(&headroom, now, 1, own), free, "{places}");
            // Less and less for those who no longer come, in the end nothing.
            assert_eq!(16 - room(&headroom, now + 100 * SECOND, 1, own), 0);
        }
    }

    #[test]
    fn nothing_is_left_free_for_oneself_nor_for_what_matters_less() {
        let nothing = Demand::default();
        let (mut headroom, mut own) = (Headroom::new(), Demand::default());
        let now = quick(&mut headroom, 1, 3, &mut own);
        assert_eq!(room(&headroom, now, 1, [&nothing, &own, &nothing]), 16);
        assert_eq!(room(&headroom, now, 2, [&nothing; 3]), 16);
        assert_eq!(room(&headroom, now, 0, [&nothing; 3]), 8);
    }

    #[test]
    fn a_place_is_slow_once_it_is_held_for_much_longer_than_usual() {
        let (mut headroom, mut own) = (Headroom::new(), Demand::default());
        let now = quick(&mut headroom, 1, 1, &mut own);
        let places = [1, 2, 3].map(|flow| headroom.take(now + u64::from(flow), flow));
        let mut turned = |now| {
            let turned = std::iter::from_fn(|| headroom.turned_slow(now));
            turned.collect::<Vec<_>>()
        };
        assert_eq!(turned(now + 60_000), [0u32; 0]);
        assert_eq!(turned(now + 110_000), [1, 2, 3]);
        assert_eq!(turned(now + 120_000), [0u32; 0]);
        assert_eq!(headroom.slow(), 3);
        let before = own.now(now + 130_000);
        assert!(headroom.leave(now + 130_000, places[1], 1, &mut own).slow);
        assert_eq!(headroom.slow(), 2);
        // It was no quick request's time.
        assert!(own.now(now + 130_000) <= before);
    }

    #[test]
    fn where_everything_is_slow_nothing_is() {
        let (mut headroom, mut own) = (Headroom::new(), Demand::default());
        for request in 0..1000 {
            let now = request * SECOND;
            let id = headroom.take(now, 1);
            assert_eq!(headroom.turned_slow(now + 2 * SECOND), None, "{request}");
            assert!(!headroom.leave(now + 2 * SECOND, id, 1, &mut own).slow);
        }
    }
}
