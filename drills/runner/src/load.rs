//! Users who log in, open-loop.
//!
//! Arrivals follow a seeded Poisson process and never wait for answers: people
//! do not stay away because the service is slow for others. Latency counts from
//! the moment a user *meant* to log in, so a client that falls behind makes the
//! figures worse, never better. (A closed loop sends less when it hurts most,
//! and then reports the few requests it sent: coordinated omission.)
//!
//! What always holds: every arrival is in the figures. One that finds as many
//! users under way as the bound allows is recorded as not sent, which is a
//! failure; one under way is visible in [`Load::first_slower_than`] before it
//! has ended. How late the client itself was is a figure, too:
//! `sent_late_ms_max` above some tens of milliseconds means that the machine,
//! not the service, was measured.

mod record;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub use record::{Outcome, Sample, Summary};

use crate::browser::{Browser, Login};
use record::Record;

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

/// Logins going on. Dropping it stops them at once.
#[derive(Debug)]
pub struct Load {
    record: Arc<Record>,
    stop: watch::Sender<bool>,
    driver: Option<JoinHandle<()>>,
}

impl Load {
    /// Starts at once, on the current runtime.
    ///
    /// # Panics
    ///
    /// If the plan has no users or no positive rate: there would be no load,
    /// and a drill without load proves nothing.
    #[must_use]
    pub fn start(plan: Plan) -> Self {
        assert!(!plan.users.is_empty(), "a load plan needs users");
        assert!(plan.logins_per_second > 0.0, "a load plan needs a rate");
        let record = Arc::new(Record::new());
        let (stop, stopped) = watch::channel(false);
        let driver = tokio::spawn(drive(plan, record.clone(), stopped));
        Self {
            record,
            stop,
            driver: Some(driver),
        }
    }

    /// When it started: offsets in [`Sample`] count from here.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.record.started
    }

    /// What has ended so far, in order of ending.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        self.record.samples()
    }

    /// The figures so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary::of(&self.samples(), self.record.sent_late_max())
    }

    /// Intended start, as an offset, of the first login that took longer than
    /// this, or has been under way for longer already.
    #[must_use]
    pub fn first_slower_than(&self, wait: Duration) -> Option<Duration> {
        self.record.first_slower_than(wait)
    }

    /// No more arrivals; waits until all under way have ended (at most one
    /// patience) and returns the samples and their figures.
    pub async fn finish(mut self) -> (Vec<Sample>, Summary) {
        self.stop.send_replace(true);
        if let Some(driver) = self.driver.take() {
            // It ends by itself: every login has a deadline.
            let _ = driver.await;
        }
        (self.samples(), self.summary())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        if let Some(driver) = &self.driver {
            driver.abort();
        }
    }
}

async fn drive(plan: Plan, record: Arc<Record>, mut stopped: watch::Receiver<bool>) {
    let mut random = fastrand::Rng::with_seed(plan.seed);
    let mut deck: Vec<usize> = Vec::new();
    let mut under_way = JoinSet::new();
    let mut intended = Duration::ZERO;
    loop {
        intended += gap(&mut random, plan.logins_per_second);
        if deck.is_empty() {
            deck.extend(0..plan.users.len());
            random.shuffle(&mut deck);
        }
        let user = deck.pop().unwrap_or(0);
        tokio::select! {
            () = tokio::time::sleep_until((record.started + intended).into()) => {}
            _ = stopped.wait_for(|stopped| *stopped) => break,
        }
        while under_way.try_join_next().is_some() {}
        record.sent(intended);
        if under_way.len() >= plan.under_way_max {
            record.ended(Sample {
                user,
                intended,
                latency: Duration::ZERO,
                outcome: Outcome::NotSent,
            });
            continue;
        }
        let login = plan.users[user].clone();
        let (record, address, patience) = (record.clone(), plan.address, plan.patience);
        let number = record.begin(intended);
        under_way.spawn(async move {
            let deadline = record.started + intended + patience;
            let mut browser = Browser::new(address);
            let visit = tokio::time::timeout_at(deadline.into(), browser.log_in(&login)).await;
            let latency = record.started.elapsed().saturating_sub(intended);
            let (outcome, page) = match visit {
                Err(_) => (Outcome::GaveUp, None),
                Ok(Err(error)) => (Outcome::Broken(in_full(&error)), None),
                Ok(Ok(page)) if page.status == 200 => (Outcome::LoggedIn, Some(page)),
                Ok(Ok(page)) => (Outcome::Refused(page.status), None),
            };
            record.ended_after(
                number,
                Sample {
                    user,
                    intended,
                    latency,
                    outcome,
                },
            );
            if let Some(page) = page {
                // Leaving is courtesy, not part of the figures.
                let _ = tokio::time::timeout(patience, browser.log_out(&page)).await;
            }
        });
    }
    while under_way.join_next().await.is_some() {}
}

/// Time to the next arrival of a Poisson process.
fn gap(random: &mut fastrand::Rng, per_second: f64) -> Duration {
    // 1 - f64() is in (0, 1]: the logarithm is finite.
    Duration::from_secs_f64(-(1.0 - random.f64()).ln() / per_second)
}

fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
