//! Whether an instance is fit to serve: what its active check says, and what customers'
//! requests say.
//!
//! Active checks find an instance that is down before a customer does, and let it in again.
//! Outlier ejection finds the one that answers its check and fails customers all the same:
//! after so many failures in a row it rests, twice as long each further time, as Envoy does.
//! A failure is what a sound instance does not give: no connection, no answer in time, an
//! answer cut off, or 502, 503 and 504, with which something says that it cannot work. A 500
//! is not: it is mostly one broken function, or one customer's data, and its instance serves
//! all others; a tenant could switch instances off by asking for a page that breaks.
//!
//! One that fails every third request is found by its share, see [`super::shares`], and rests
//! in the same way.
//!
//! How many rest at once is bounded where instances are chosen, see [`super::balance`].

use std::time::Duration;

use super::shares::Seen;
use crate::settings::{ActiveCheck, Outlier};

/// The health of one instance; times in microseconds.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// By its check, and why not.
    down: Option<String>,
    /// Answers of its check in a row that say otherwise.
    otherwise: u32,
    /// Failures of customers' requests in a row.
    failures: u32,
    /// It was sent to rest for what it did in a window.
    stood_out: Option<Seen>,
    rests_until: u64,
    /// How often in a row it was sent to rest.
    rests: u32,
    /// When it came back; its share grows from then on.
    pub(crate) since: Option<u64>,
}

impl Health {
    pub(crate) fn is_down(&self) -> bool {
        self.down.is_some()
    }

    pub(crate) fn rests(&self, now: u64) -> bool {
        now < self.rests_until
    }

    /// Whether its last request failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// When it ends its rest, if it does.
    pub(crate) fn rests_until(&self, now: u64) -> Option<u64> {
        self.rests(now).then_some(self.rests_until)
    }

    /// Why it is not used, where it is not.
    pub(crate) fn why(&self, now: u64) -> Option<String> {
        let rests = || match self.stood_out {
            Some(Seen { requests, failures }) => {
                format!("{failures} of {requests} requests failed, unlike elsewhere")
            }
            None => format!("{} requests in a row failed", self.failures),
        };
        let down = self.down.clone();
        down.or_else(|| self.rests(now).then(rests))
    }

    /// Its check was answered; whether that changed what it is.
    pub(crate) fn checked(
        &mut self,
        now: u64,
        result: Result<(), String>,
        check: &ActiveCheck,
    ) -> bool {
        let says_down = result.is_err();
        if says_down == self.is_down() {
            self.otherwise = 0;
            if let Err(why) = result {
                self.down = Some(why);
            }
            return false;
        }
        self.otherwise += 1;
        let enough = if says_down { check.fall } else { check.rise };
        if self.otherwise < enough.max(1) {
            return false;
        }
        self.otherwise = 0;
        self.down = result.err();
        if self.down.is_none() {
            // What it did before it was down says nothing of the process that answers now.
            *self = Self {
                since: Some(now),
                ..Self::default()
            };
        }
        true
    }

    /// A request was served well.
    pub(crate) fn served(&mut self, now: u64, outlier: &Outlier) {
        self.failures = 0;
        // It has been well for as long as its last rest was: the next one is a first again.
        let last = rest(self.rests.saturating_sub(1), outlier);
        if self.rests > 0 && now >= self.rests_until + micros(last) {
            self.rests = 0;
        }
    }

    /// A request failed; whether it rests from now on.
    pub(crate) fn failed(&mut self, now: u64, outlier: &Outlier) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.failures < outlier.failures {
            return false;
        }
        self.stood_out = self.stood_out.filter(|_| self.rests(now));
        self.rest(now, outlier)
    }

    /// It failed more than the others; whether it rests from now on.
    pub(crate) fn stands_out(&mut self, now: u64, seen: Seen, outlier: &Outlier) -> bool {
        let begins = self.rest(now, outlier);
        if begins {
            self.stood_out = Some(seen);
        }
        begins
    }

    fn rest(&mut self, now: u64, outlier: &Outlier) -> bool {
        if outlier.failures == 0 || self.rests(now) {
            return false;
        }
        self.rests_until = now + micros(rest(self.rests, outlier));
        self.rests += 1;
        // It comes back as one that has to show itself.
        self.since = Some(self.rests_until);
        true
    }
}

fn rest(before: u32, outlier: &Outlier) -> Duration {
    let doubled = outlier.rest.saturating_mul(1 << before.min(20));
    doubled.min(outlier.rest_max)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn check() -> ActiveCheck {
        ActiveCheck {
            path: "/health".to_owned(),
            host: "web".to_owned(),
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            rise: 2,
            fall: 3,
        }
    }

    fn fails(health: &mut Health, now: u64, outlier: &Outlier) -> bool {
        (0..outlier.failures).any(|_| health.failed(now, outlier))
    }

    #[test]
    fn a_check_has_to_say_it_several_times_in_a_row() {
        let mut health = Health::default();
        let mut say = |well: bool| {
            let result = if well { Ok(()) } else { Err("503".to_owned()) };
            health.checked(SECOND, result, &check());
            health.is_down()
        };
        let said = [
            false, false, true, false, false, false, true, false, true, true,
        ];
        let down = said.map(&mut say);
        let expected = [
            false, false, false, false, false, true, true, true, true, false,
        ];
        assert_eq!(down, expected);
        assert_eq!(health.since, Some(SECOND));
    }

    #[test]
    fn each_rest_in_a_row_is_twice_as_long_up_to_the_longest() {
        let outlier = Outlier::default();
        let mut health = Health::default();
        let mut now = 0;
        for seconds in [30, 60, 120, 240, 300, 300] {
            assert!(fails(&mut health, now, &outlier));
            assert!(health.rests(now + (seconds * SECOND) - 1), "{seconds}");
            now += seconds * SECOND;
            assert!(!health.rests(now), "{seconds}");
        }
    }

    #[test]
    fn who_was_well_for_a_while_begins_with_a_short_rest_again() {
        let outlier = Outlier::default();
        let mut health = Health::default();
        assert!(fails(&mut health, 0, &outlier));
        assert!(fails(&mut health, 30 * SECOND, &outlier));
        // Back at 90 s; well until 60 s later.
        health.served(149 * SECOND, &outlier);
        assert_eq!(health.rests, 2);
        health.served(150 * SECOND, &outlier);
        assert_eq!(health.rests, 0);
    }

    #[test]
    fn failures_count_in_a_row_only() {
        let outlier = Outlier::default();
        let mut health = Health::default();
        for _ in 0..10 {
            (0..4).for_each(|_| assert!(!health.failed(0, &outlier)));
            health.served(0, &outlier);
        }
        assert!(!health.rests(0));
    }
}
