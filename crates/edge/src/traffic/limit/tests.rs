//! The limit against services of which the capacity is known: events on a clock of their own.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::*;

const SECOND: u64 = 1_000_000;

/// What a request takes, by its route.
#[derive(Clone, Copy)]
struct Work {
    /// Time at one of the service's workers.
    worker_us: f64,
    /// Time that no worker is needed for: a slow provider, say.
    elsewhere_us: f64,
    fails: bool,
}

/// A service of so many workers behind a limit, with a flood or a trickle in front.
struct Sim {
    limit: Adaptive,
    workers: usize,
    random: fastrand::Rng,
    now: u64,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    numbers: u64,
    working: usize,
    inside: VecDeque<(usize, u64)>,
    under_way: u32,
    /// The most that clients ask for at once.
    clients: u32,
    done: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Worked { route: usize, came: u64 },
    Done { route: usize, came: u64 },
}

impl Sim {
    fn new(workers: usize, seed: u64) -> Self {
        let limit = Limit {
            initial: 32,
            max: 1000,
            ..Limit::default()
        };
        Self {
            limit: Adaptive::new(&limit, 2, 0),
            workers,
            random: fastrand::Rng::with_seed(seed),
            now: 0,
            events: BinaryHeap::new(),
            numbers: 0,
            working: 0,
            inside: VecDeque::new(),
            under_way: 0,
            clients: u32::MAX,
            done: 0,
        }
    }

    fn at(&mut self, at: u64, event: Event) {
        self.numbers += 1;
        self.events.push(Reverse((at, self.numbers, event)));
    }

    fn exponential(&mut self, mean: f64) -> u64 {
        (-(1.0 - self.random.f64()).ln() * mean) as u64
    }

    /// Goes on for some seconds; the mean limit of the last half, and answers a second.
    fn run(&mut self, seconds: u64, slow_share: f64, work: impl Fn(usize) -> Work) -> (f64, f64) {
        let (begun, done) = (self.now, self.done);
        let end = begun + seconds * SECOND;
        let (mut sum, mut count) = (0.0, 0.0);
        loop {
            while self.under_way < self.limit.limit().min(self.clients) {
                let route = usize::from(self.random.f64() < slow_share);
                self.under_way += 1;
                self.inside.push_back((route, self.now));
            }
            while self.working < self.workers {
                let Some((route, came)) = self.inside.pop_front() else {
                    break;
                };
                self.working += 1;
                let takes = self.exponential(work(route).worker_us);
                self.at(self.now + takes, Event::Worked { route, came });
            }
            let Some(Reverse((at, _, event))) = self.events.pop() else {
                panic!("nothing is under way");
            };
            if at > end {
                self.events.push(Reverse((at, 0, event)));
                self.now = end;
                let seconds = seconds as f64;
                return (sum / count, (self.done - done) as f64 / seconds);
            }
            self.now = at;
            match event {
                Event::Worked { route, came } => {
                    self.working -= 1;
                    let elsewhere = self.exponential(work(route).elsewhere_us);
                    self.at(at + elsewhere, Event::Done { route, came });
                }
                Event::Done { route, came } => {
                    let under_way = self.under_way;
                    self.under_way -= 1;
                    if work(route).fails {
                        self.limit.failed(at, under_way);
                    } else {
                        self.done += 1;
                        self.limit.answered(at, route, at - came, under_way);
                    }
                }
            }
            if at > begun + seconds * SECOND / 2 {
                sum += f64::from(self.limit.limit());
                count += 1.0;
            }
        }
    }
}

fn quick(_: usize) -> Work {
    Work {
        worker_us: 20_000.0,
        elsewhere_us: 0.0,
        fails: false,
    }
}

#[test]
fn it_finds_what_a_service_can_carry() {
    for workers in [8, 40, 200] {
        for seed in 1..=2 {
            let mut sim = Sim::new(workers, seed);
            let (limit, per_s) = sim.run(60, 0.2, quick);
            let ratio = limit / workers as f64;
            // Over 40 runs of 8 to 200 workers it was 1.02 to 1.20.
            let full = per_s / (workers as f64 / 0.02);
            assert!((0.75..=1.25).contains(&ratio), "{workers} {seed}: {limit}");
            assert!(full > 0.93, "{workers} {seed}: {full} of its throughput");
        }
    }
}

#[test]
fn one_route_that_turns_slow_is_not_load() {
    let mut sim = Sim::new(40, 4);
    let (before, _) = sim.run(90, 0.3, quick);
    let (after, _) = sim.run(90, 0.3, |route| Work {
        elsewhere_us: if route == 1 { 400_000.0 } else { 0.0 },
        ..quick(route)
    });
    assert!(after > before * 0.9, "{before} {after}");
}

#[test]
fn slowness_that_does_not_come_from_load_is_found_out() {
    let mut sim = Sim::new(40, 5);
    let (before, _) = sim.run(60, 0.3, quick);
    let (after, _) = sim.run(90, 0.3, |route| Work {
        elsewhere_us: 100_000.0,
        ..quick(route)
    });
    assert!(after > before * 0.9, "{before} {after}");
    // And when it is over, it finds back.
    let (again, _) = sim.run(120, 0.3, quick);
    assert!((0.75..=1.25).contains(&(again / 40.0)), "{again}");
}

#[test]
fn it_does_not_grow_while_nobody_meets_it() {
    let mut sim = Sim::new(200, 6);
    sim.clients = 15;
    let (limit, _) = sim.run(60, 0.2, quick);
    assert_eq!(limit, 32.0);
}

#[test]
fn it_comes_back_after_an_outage() {
    let mut sim = Sim::new(40, 7);
    let (before, _) = sim.run(60, 0.2, quick);
    let (during, _) = sim.run(60, 0.2, |_| Work {
        worker_us: 1_000.0,
        elsewhere_us: 1_000_000.0,
        fails: true,
    });
    assert!(during < before / 2.0, "{during}");
    let (after, per_s) = sim.run(30, 0.2, quick);
    assert!((0.75..=1.25).contains(&(after / 40.0)), "{after}");
    assert!(per_s > 0.85 * 2000.0, "{per_s}");
}

#[test]
fn a_limit_that_does_not_adapt_is_its_most() {
    let fixed = Limit {
        adaptive: false,
        max: 77,
        ..Limit::default()
    };
    let limit = Adaptive::new(&fixed, 1, 0);
    assert_eq!((limit.limit(), limit.failed(1, 77)), (77, None));
}

proptest::proptest! {
    #[test]
    fn it_keeps_its_bounds_whatever_it_is_told(
        told in proptest::collection::vec((0..3u8, 0..5_000_000u64, 0..200u32, 0..3_000_000u64), 0..3000),
    ) {
        let limit = Adaptive::new(&Limit { min: 4, max: 100, ..Limit::default() }, 2, 0);
        let mut now = 0;
        for (what, us, under_way, passed) in told {
            now += passed;
            let changed = match what {
                2 => limit.failed(now, under_way),
                route => limit.answered(now, usize::from(route), us, under_way),
            };
            proptest::prop_assert!(changed.is_none_or(|changed| changed == limit.limit()));
            proptest::prop_assert!((4..=100).contains(&limit.limit()));
        }
    }
}
