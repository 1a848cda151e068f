//! How many requests of a pool may be under way: as many as it can carry, found while it
//! works.
//!
//! Up to its capacity a service answers more when it is given more; past it, it only answers
//! later. By Little's law (1961) the requests under way are throughput times latency, so of
//! `n` under way `n * (1 - base / latency)` are not being worked on: they queue inside, where
//! nobody can put them in order. TCP Vegas (Brakmo, Peterson 1994) keeps that number between
//! two bounds. So does this: it grows under a twentieth of the limit, and shrinks over an
//! eighth. What queues is to queue at the edge, where it is fair.
//!
//! Why not the others. Netflix's Gradient2 compares with a long average, which creeps up with
//! every long overload and takes the limit with it. Envoy's gradient controller asks for the
//! least latency by admitting three requests at a time for a while, which everybody feels.
//! AIMD on failures finds the limit by breaking it, for users.
//!
//! All of this stands and falls with `base`, the latency without queueing:
//!
//! - It is kept *for each route*. A mix that shifts to slow functions is no load. A single
//!   route that turns slow is none either: a route counts at most a little slower than the
//!   median of requests.
//! - While fewer than half of the limit are under way it follows the latency, both ways:
//!   that is what the service takes when nobody waits.
//! - At the limit it only falls by itself. To rise it must be *proven*: the limit goes to 70 %
//!   for a while. If latency falls with it, there was queueing, and the lower limit and the
//!   lower latency are the new truth, to be tried again; if latency does not care, it is not
//!   queueing, whatever its height: that is the base, and the limit goes back up. (BBR's
//!   probing for the round trip, but in proportion, and asked only at the limit: past
//!   capacity it costs no throughput, at capacity less than one percent.)
//!
//! The same proof is asked of every descent: when 30 % less has not made it faster, the
//! slowness is not load (a slow database, a slow provider), and going on would starve users
//! for nothing. The limit returns to where the descent began.
//!
//! It never grows unless it was nearly reached: a limit that nobody meets says nothing. It
//! falls by a tenth for windows in which many requests fail at the limit, and starts afresh
//! after an outage, doubling in three windows, so that a herd that waited is admitted at a
//! pace.

use std::cell::RefCell;

use crate::settings::Limit;

/// Bounds of what queues inside, of the limit, and absolutely for small ones.
const GROWS_UNDER: (f64, f64) = (0.05, 0.5);
const SHRINKS_OVER: (f64, f64) = (0.125, 1.5);

/// A window has so many answers, and two for each place: twice the time a request takes.
const SAMPLES: u32 = 100;
/// What a base and a proof are made of: exponential latencies average to a twenty-fifth then.
const SAMPLES_OF_PROOF: u32 = 600;
/// How much a window weighs in what is steered by: three windows' noise is half of one's.
const NEWEST: f64 = 0.3;
/// A base falls by itself when this much under it was measured: more than noise.
const LOWER: f64 = 0.94;
/// A window is over in any case after this time, microseconds.
const LONGEST: u64 = 10_000_000;

/// Where it goes for a proof, of the limit; and what latency must have fallen to, of what it
/// was, for the difference to have queued: halfway between "all" and "nothing".
const PROOF: f64 = 0.7;
const FELL: f64 = 0.85;
/// How often a limit that is in use has to be proven, microseconds.
const PROVEN_FOR: u64 = 30_000_000;

/// How much slower than the median a route counts at most.
const OUT_OF_LINE: f64 = 1.1;

/// Shares of failures: that make it fall; that are an outage.
const MANY_FAIL: f64 = 0.1;
const MOST_FAIL: f64 = 0.5;

pub(crate) struct Adaptive {
    /// `None`: it does not adapt.
    state: Option<RefCell<State>>,
    fixed: u32,
}

struct State {
    min: f64,
    max: f64,
    initial: f64,
    /// What it is, when nothing is being proven.
    limit: f64,
    routes: Vec<OfRoute>,
    window: Window,
    /// It has not met its bound yet, or starts afresh.
    doubles: bool,
    proof: Proof,
    /// When a proof is due next; at once at first.
    proof_due: u64,
    /// Where the descent that is going on began: limit and slowness.
    descent: Option<(f64, f64)>,
    /// Windows in a row in which it grew.
    grew: u32,
    /// After an outage, until a window without a failure: what was stuck in it says nothing.
    settles: bool,
    /// How slow it is, smoothed; `None` after the limit jumped.
    slowness: Option<f64>,
}

#[derive(Default)]
struct OfRoute {
    /// The latency without queueing, microseconds; 0 while unknown.
    base: f64,
    /// In this window.
    sum: f64,
    count: u32,
    /// In all windows since the base was last looked at.
    long_sum: f64,
    long_count: u32,
}

#[derive(Default)]
struct Window {
    begun: u64,
    answers: u32,
    failures: u32,
    under_way_max: u32,
    under_way_sum: u64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Proof {
    None,
    /// How slow it is, for comparison.
    Before,
    /// Those that came before the limit fell have to go first; then how slow it was.
    Emptying(f64),
    Measuring(f64),
}

impl Adaptive {
    pub(crate) fn new(limit: &Limit, routes: usize, now: u64) -> Self {
        let of_route = |_| OfRoute::default();
        let (min, max) = (f64::from(limit.min.max(1)), f64::from(limit.max.max(1)));
        let initial = f64::from(limit.initial).min(max).max(min);
        let state = State {
            min,
            max: max.max(min),
            initial,
            limit: initial,
            routes: (0..routes).map(of_route).collect(),
            window: Window {
                begun: now,
                ..Window::default()
            },
            doubles: true,
            proof: Proof::None,
            proof_due: 0,
            descent: None,
            grew: 0,
            settles: false,
            slowness: None,
        };
        Self {
            state: limit.adaptive.then(|| RefCell::new(state)),
            fixed: limit.max.max(1),
        }
    }

    /// The limit in force.
    pub(crate) fn limit(&self) -> u32 {
        let state = self.state.as_ref().map(RefCell::borrow);
        state.map_or(self.fixed, |state| state.in_force())
    }

    /// A request was answered; the new limit where it changed.
    pub(crate) fn answered(&self, now: u64, route: usize, us: u64, under_way: u32) -> Option<u32> {
        let mut state = self.state.as_ref()?.borrow_mut();
        let of = &mut state.routes[route];
        // One straggler is not to stand for all.
        let most = if of.base > 0.0 {
            of.base * 20.0
        } else {
            f64::MAX
        };
        of.sum += (us as f64).max(1.0).min(most);
        of.count += 1;
        state.window.answers += 1;
        state.seen(now, under_way)
    }

    /// A request failed; the new limit where it changed.
    pub(crate) fn failed(&self, now: u64, under_way: u32) -> Option<u32> {
        let mut state = self.state.as_ref()?.borrow_mut();
        state.window.failures += 1;
        state.seen(now, under_way)
    }
}

impl State {
    fn in_force(&self) -> u32 {
        let limit = match self.proof {
            Proof::None | Proof::Before => self.limit,
            Proof::Emptying(_) | Proof::Measuring(_) => self.limit * PROOF,
        };
        limit.max(self.min).round() as u32
    }

    fn seen(&mut self, now: u64, under_way: u32) -> Option<u32> {
        let window = &mut self.window;
        window.under_way_max = window.under_way_max.max(under_way);
        window.under_way_sum += u64::from(under_way);
        let seen = window.answers + window.failures;
        let at_least = match self.proof {
            Proof::Before | Proof::Measuring(_) => SAMPLES_OF_PROOF,
            Proof::None | Proof::Emptying(_) => SAMPLES,
        };
        let enough = seen >= at_least.max(2 * self.limit as u32);
        if !enough && now.saturating_sub(window.begun) < LONGEST {
            return None;
        }
        let before = self.in_force();
        self.close(now);
        self.window = Window {
            begun: now,
            ..Window::default()
        };
        for of in &mut self.routes {
            of.long_sum += std::mem::take(&mut of.sum);
            of.long_count += std::mem::take(&mut of.count);
        }
        let after = self.in_force();
        (after != before).then_some(after)
    }

    fn close(&mut self, now: u64) {
        let window = &self.window;
        let seen = f64::from(window.answers + window.failures);
        let failed = f64::from(window.failures) / seen.max(1.0);
        let reached = f64::from(window.under_way_max) / f64::from(self.in_force());
        if failed > MOST_FAIL && window.failures >= 10 {
            // Nothing is known of what comes back.
            self.limit = (self.limit / 2.0).max(self.min.min(self.initial));
            self.doubles = true;
            self.settles = true;
            self.proof = Proof::None;
            self.descent = None;
            self.slowness = None;
            return;
        }
        self.settles &= window.failures > 0;
        if self.settles {
            return;
        }
        if window.answers == 0 {
            return;
        }
        self.learn_unknown();
        let slowness = self.slowness_now();
        match self.proof {
            Proof::Before => self.proof = Proof::Emptying(slowness),
            Proof::Emptying(before) => self.proof = Proof::Measuring(before),
            Proof::Measuring(before) => self.proven(now, before, slowness),
            Proof::None if reached < 0.5 => {
                self.follow();
                self.descent = None;
                self.slowness = None;
            }
            Proof::None => {
                let before = self.slowness.unwrap_or(slowness);
                let smooth = before + NEWEST * (slowness - before);
                self.slowness = Some(smooth);
                self.steer(now, smooth, reached, failed);
            }
        }
    }

    /// A window at work: the limit was at least half used.
    fn steer(&mut self, now: u64, slowness: f64, reached: f64, failed: f64) {
        self.lower();
        if failed > MANY_FAIL {
            self.limit = (self.limit * 0.9).max(self.min);
            self.doubles = false;
            return;
        }
        let window = &self.window;
        let seen = f64::from(window.answers + window.failures);
        let under_way = window.under_way_sum as f64 / seen;
        let queues = under_way * (1.0 - 1.0 / slowness.max(0.1));
        let bound = |(part, least): (f64, f64)| (self.limit * part).max(least);
        if queues > bound(SHRINKS_OVER) {
            let (began, was) = *self.descent.get_or_insert((self.limit, slowness));
            self.doubles = false;
            self.grew = 0;
            if self.limit <= began * PROOF {
                if slowness > was * FELL {
                    // Fewer has not made it faster: that is how slow it is.
                    self.take_over();
                    self.limit = began;
                    self.descent = None;
                    self.slowness = None;
                    return;
                }
                self.descent = Some((self.limit, slowness));
            }
            let less = (queues - bound(GROWS_UNDER)) / 2.0;
            self.limit = (self.limit - less).max(self.limit * 0.75).max(self.min);
            return;
        }
        if reached < 0.8 {
            return;
        }
        let grows = self.doubles && self.limit < self.max;
        if now >= self.proof_due && self.limit > self.min && !grows {
            self.proof = Proof::Before;
            return;
        }
        if queues < bound(GROWS_UNDER) {
            self.grew = (self.grew + 1).min(10);
            let more = if self.doubles {
                0.26
            } else {
                0.01 * f64::from(self.grew + 1)
            };
            self.limit = (self.limit + (self.limit * more).max(1.0)).min(self.max);
            self.descent = None;
        } else {
            self.doubles = false;
            self.grew = 0;
        }
    }

    /// The limit was lowered, and it is known how slow it is then.
    fn proven(&mut self, now: u64, before: f64, slowness: f64) {
        self.proof = Proof::None;
        self.slowness = None;
        self.take_over();
        if slowness < before * FELL {
            // It had queued: this is the limit, until it has been asked again.
            self.limit = (self.limit * PROOF).max(self.min);
            self.doubles = false;
            self.proof_due = now;
        } else {
            self.proof_due = now + PROVEN_FOR;
        }
        self.descent = None;
    }

    /// How many times its base a request takes; by route, weighed by place-time, none of
    /// them far out of line.
    fn slowness_now(&self) -> f64 {
        let ratio = |of: &OfRoute| of.sum / f64::from(of.count) / of.base;
        let seen = || self.routes.iter().filter(|of| of.count > 0);
        let mut ratios: Vec<(f64, u32)> = seen().map(|of| (ratio(of), of.count)).collect();
        ratios.sort_by(|one, other| one.0.total_cmp(&other.0));
        let half = ratios.iter().map(|(_, count)| count).sum::<u32>() / 2;
        let mut passed = 0;
        let median = ratios.iter().find(|(_, count)| {
            passed += count;
            passed > half
        });
        let most = median.map_or(1.0, |(ratio, _)| ratio.max(1.0) * OUT_OF_LINE);
        let (mut now, mut unqueued) = (0.0, 0.0);
        for of in seen() {
            let weight = f64::from(of.count) * of.base;
            now += weight * ratio(of).min(most);
            unqueued += weight;
        }
        if unqueued > 0.0 { now / unqueued } else { 1.0 }
    }

    fn learn_unknown(&mut self) {
        for of in &mut self.routes {
            if of.base == 0.0 && of.count > 0 {
                of.base = of.sum / f64::from(of.count);
            }
        }
    }

    /// This window's latencies are the base: the more, the more of them there were.
    fn take_over(&mut self) {
        self.learn(f64::from(SAMPLES) / 2.0);
    }

    /// The base follows what is measured while nobody waits.
    fn follow(&mut self) {
        self.learn(f64::from(SAMPLES_OF_PROOF));
    }

    /// What the base was counts as `before` samples.
    fn learn(&mut self, before: f64) {
        for of in &mut self.routes {
            let count = f64::from(of.count);
            if of.count > 0 {
                of.base += (of.sum / count - of.base) * count / (count + before);
            }
            (of.long_sum, of.long_count) = (0.0, 0);
        }
    }

    /// At the limit a base only falls, and only by what is no noise.
    fn lower(&mut self) {
        for of in &mut self.routes {
            if of.long_count < SAMPLES_OF_PROOF {
                continue;
            }
            let mean = of.long_sum / f64::from(of.long_count);
            if mean < of.base * LOWER {
                of.base = mean;
            }
            (of.long_sum, of.long_count) = (0.0, 0);
        }
    }
}

#[cfg(test)]
mod tests;
