//! An instance that fails a part of its requests, and never many in a row: one of its workers
//! hangs, one of its database connections is broken. Failures in a row do not find it, see
//! [`super::health`]; its share of failures beside that of the others does.
//!
//! Once in [`WINDOW`] each instance is compared with all others of its pool together. It is an
//! outlier when it failed at least a tenth of its requests, three times the share of the
//! others, and by more than chance explains: five standard deviations of the difference that
//! so many requests show when both fail alike (the test of two proportions). Both had
//! [`AT_LEAST`] requests, or nothing is said. Envoy compares with the mean of all less 1.9 deviations between hosts, which needs
//! five hosts to mean anything; most pools here have two to four.
//!
//! What fails on all alike is nobody's: a broken provider, a tenant whose requests fail
//! wherever they go. Only the worst of a window is sent to rest, so that the next window shows
//! whether it was that; and never so many that the pool would panic, where instances are
//! chosen.

use std::cell::RefCell;

/// How long is looked at: Envoy's interval, microseconds.
const WINDOW: u64 = 10_000_000;

/// Requests that say something: with fewer, five deviations are more than a third.
const AT_LEAST: u32 = 50;

/// What no sound instance fails.
const SHARE_MIN: f64 = 0.1;

/// How many times the share of the others it is.
const TIMES: f64 = 3.0;

/// In units of what chance does: one window in three millions is that far off. With four it
/// is one in thirty thousand, which is three a day for ten instances.
const DEVIATIONS: f64 = 5.0;

/// The requests of a pool's instances in this window.
pub(crate) struct Shares(RefCell<Window>);

struct Window {
    begun: u64,
    of: Vec<Seen>,
}

/// What an instance did with its requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) requests: u32,
    pub(crate) failures: u32,
}

impl Shares {
    pub(crate) fn new(instances: usize) -> Self {
        let of = vec![Seen::default(); instances];
        Self(RefCell::new(Window { begun: 0, of }))
    }

    /// A request ended; who is an outlier, at the end of a window in which somebody was.
    pub(crate) fn ended(&self, now: u64, instance: usize, failed: bool) -> Option<(usize, Seen)> {
        let window = &mut *self.0.borrow_mut();
        let mut found = None;
        if now >= window.begun + WINDOW {
            // One that is over for long says nothing of now.
            if now < window.begun + 2 * WINDOW {
                found = outlier(&window.of);
            }
            window.begun = now;
            window.of.fill(Seen::default());
        }
        let of = &mut window.of[instance];
        of.requests += 1;
        of.failures += u32::from(failed);
        found
    }
}

fn outlier(of: &[Seen]) -> Option<(usize, Seen)> {
    let all = of.iter().fold(Seen::default(), |all, one| Seen {
        requests: all.requests + one.requests,
        failures: all.failures + one.failures,
    });
    let share = |one: &Seen| f64::from(one.failures) / f64::from(one.requests.max(1));
    let stands_out = |one: &Seen| {
        let others = Seen {
            requests: all.requests - one.requests,
            failures: all.failures - one.failures,
        };
        if one.requests < AT_LEAST || others.requests < AT_LEAST {
            return false;
        }
        let (own, usual) = (share(one), share(&others));
        let alike = share(&all);
        let requests = 1.0 / f64::from(one.requests) + 1.0 / f64::from(others.requests);
        let chance = (alike * (1.0 - alike) * requests).sqrt();
        own >= SHARE_MIN && own >= usual * TIMES && own - usual > DEVIATIONS * chance
    };
    let worst = of.iter().enumerate().filter(|(_, one)| stands_out(one));
    worst
        .max_by(|(_, one), (_, other)| share(one).total_cmp(&share(other)))
        .map(|(index, one)| (index, *one))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(of: &[(u32, u32)]) -> Option<usize> {
        let of = of.iter().map(|(requests, failures)| Seen {
            requests: *requests,
            failures: *failures,
        });
        Some(outlier(&of.collect::<Vec<_>>())?.0)
    }

    #[test]
    fn who_fails_a_part_while_the_others_do_not_stands_out() {
        assert_eq!(seen(&[(200, 60), (200, 1)]), Some(0));
        assert_eq!(seen(&[(300, 2), (300, 0), (100, 15)]), Some(2));
        // Two of four: the worse one first.
        assert_eq!(seen(&[(200, 0), (200, 40), (200, 90), (200, 0)]), Some(2));
    }

    #[test]
    fn what_all_have_in_common_is_nobodys() {
        assert_eq!(seen(&[(200, 60), (200, 58)]), None);
        assert_eq!(seen(&[(200, 200), (200, 200), (200, 200)]), None);
        // A tenant whose requests fail wherever they go, dealt out by chance.
        let mut random = fastrand::Rng::with_seed(11);
        for _ in 0..2000 {
            let mut of = || {
                let failures = (0..200).filter(|_| random.u32(0..20) == 0);
                (200, failures.count() as u32)
            };
            assert_eq!(seen(&[of(), of(), of()]), None);
        }
    }

    #[test]
    fn few_requests_say_nothing_and_few_failures_neither() {
        assert_eq!(seen(&[(49, 40), (200, 0)]), None);
        assert_eq!(seen(&[(200, 100), (49, 0)]), None);
        assert_eq!(seen(&[(200, 19), (200, 0)]), None);
        assert_eq!(seen(&[(200, 100)]), None);
    }

    #[test]
    fn it_is_said_at_the_end_of_a_window_and_once() {
        let shares = Shares::new(2);
        let said: Vec<_> = (0..400u64)
            .filter_map(|at| {
                let instance = (at % 2) as usize;
                let said = shares.ended(at * 50_000, instance, at % 6 == 0 && at < 200);
                said.map(|(instance, _)| (at, instance))
            })
            .collect();
        assert_eq!(said, [(200, 0)]);
        // After a pause nothing is said of what was before it.
        for at in 0..200u64 {
            shares.ended(20_000_000 + at * 1000, (at % 2) as usize, at % 2 == 0);
        }
        assert_eq!(shares.ended(60_000_000, 1, false), None);
    }
}
