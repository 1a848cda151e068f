//! Users who log in, open-loop: see [`crate::traffic`] for what that means and what always
//! holds.
//!
//! Arrivals follow a seeded Poisson process that has no end until it is told to finish.

use std::net::SocketAddr;
use std::time::Duration;

use crate::browser::{Browser, Login};
use crate::traffic::{
    Afterwards, Arrival, Bounds, Outcome, Sample, Traffic, Visit, in_full, percentile_ms,
};

/// What load to make.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where the service, or what stands in front of it, listens.
    pub address: SocketAddr,
    /// Who logs in: dealt out from a shuffled deck, so that nobody logs in
    /// twice at a time while there are more users than logins under way.
    pub users: Vec<Login>,
    /// Same seed, same users at the same offsets.
    pub seed: u64,
    /// Mean arrivals per second.
    pub logins_per_second: f64,
    /// How long a user waits for the page before giving up, from the intended start.
    pub patience: Duration,
    /// Bound on users under way.
    pub under_way_max: usize,
}

impl Plan {
    /// Starts at once, on the current runtime.
    ///
    /// # Panics
    ///
    /// If the plan has no users or no positive rate: there would be no load,
    /// and a drill without load proves nothing.
    #[must_use]
    pub fn start(self) -> Traffic {
        assert!(!self.users.is_empty(), "a load plan needs users");
        assert!(self.logins_per_second > 0.0, "a load plan needs a rate");
        let bounds = Bounds {
            patience: self.patience,
            under_way_max: self.under_way_max,
        };
        let arrivals = arrivals(self.users.len(), self.seed, self.logins_per_second);
        let logins = Logins {
            address: self.address,
            users: self.users,
        };
        Traffic::drive(arrivals, bounds, logins)
    }
}

fn arrivals(users: usize, seed: u64, per_second: f64) -> impl Iterator<Item = Arrival> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut deck: Vec<usize> = Vec::new();
    let mut at = Duration::ZERO;
    std::iter::from_fn(move || {
        at += gap(&mut random, per_second);
        if deck.is_empty() {
            deck.extend(0..users);
            random.shuffle(&mut deck);
        }
        let user = deck.pop().unwrap_or(0);
        Some(Arrival { at, user, ask: 0 })
    })
}

/// Time to the next arrival of a Poisson process.
fn gap(random: &mut fastrand::Rng, per_second: f64) -> Duration {
    // 1 - f64() is in (0, 1]: the logarithm is finite.
    Duration::from_secs_f64(-(1.0 - random.f64()).ln() / per_second)
}

struct Logins {
    address: SocketAddr,
    users: Vec<Login>,
}

impl Visit for Logins {
    async fn visit(&self, arrival: Arrival) -> (Outcome, Option<Afterwards>) {
        let mut browser = Browser::new(self.address);
        match browser.log_in(&self.users[arrival.user]).await {
            Err(error) => (Outcome::Broken(in_full(&error)), None),
            Ok(page) if page.status == 200 => {
                // Leaving is courtesy, not part of the figures.
                let leave = async move {
                    let _ = browser.log_out(&page).await;
                };
                (Outcome::Answered, Some(Box::pin(leave)))
            }
            Ok(page) => (Outcome::Refused(page.status), None),
        }
    }
}

/// Figures over logins; times in milliseconds.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Summary {
    /// All arrivals that have ended, however.
    pub logins_count: u64,
    /// Those who did not get in.
    pub logins_failed_count: u64,
    /// The longest wait of anybody, in or not: who gave up waited, too.
    pub login_wait_ms_max: f64,
    /// Median latency of those who got in.
    pub login_ms_p50: f64,
    /// 90th percentile of those who got in.
    pub login_ms_p90: f64,
    /// 99th percentile of those who got in.
    pub login_ms_p99: f64,
    /// How late the load client itself was at worst.
    pub sent_late_ms_max: f64,
}

impl Summary {
    /// Of logins that have ended, sent so late at worst.
    #[must_use]
    pub fn of(samples: &[Sample], sent_late_max: Duration) -> Self {
        let served = |share| {
            let served = samples.iter().filter(|sample| sample.is_ok());
            percentile_ms(served, share).unwrap_or_default()
        };
        let longest = samples.iter().map(|sample| sample.latency).max();
        Self {
            logins_count: samples.len() as u64,
            logins_failed_count: samples.iter().filter(|sample| !sample.is_ok()).count() as u64,
            login_wait_ms_max: millis(longest.unwrap_or_default()),
            login_ms_p50: served(0.5),
            login_ms_p90: served(0.9),
            login_ms_p99: served(0.99),
            sent_late_ms_max: millis(sent_late_max),
        }
    }
}

fn millis(duration: Duration) -> f64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX) as f64 / 1000.0
}
