//! Requests of users who are logged in, open-loop, over connections that are kept.
//!
//! Beside [`crate::load`], whose users log in: here they work, on a [`Schedule`] that is
//! made beforehand from a seed, so that a drill knows every arrival, also of the part that
//! has not come yet. Arrivals never wait for answers, and latency counts from the moment a
//! request was *meant*: a client that falls behind makes the figures worse, never better.
//!
//! What always holds: every arrival ends as one [`Sample`]. Whatever is not the whole answer
//! that was expected is a failure, with its reason: another status (a redirect to the login,
//! for one, says that a session was lost), no connection, a cut body, the user's patience.
//! Nothing is asked twice, except what never left: a kept connection that the server has
//! closed meanwhile is opened again, as browsers do. One who finds as many requests under
//! way as the bound allows is not sent, which is a failure.

mod client;
mod record;
mod schedule;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub use client::{Ask, User};
pub use record::{Outcome, Sample, percentile_ms};
pub use schedule::{Arrival, Schedule, Stream};

use client::Client;
use record::Record;

/// What traffic to make.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where the service, or what stands in front of it, listens.
    pub address: SocketAddr,
    /// Who asks.
    pub users: Vec<User>,
    /// What is asked for.
    pub asks: Vec<Ask>,
    /// Who asks for what, and when.
    pub schedule: Arc<Schedule>,
    /// How long a user waits for the whole answer before giving up, from the moment it was
    /// meant.
    pub patience: Duration,
    /// Bound on requests under way.
    pub under_way_max: usize,
}

/// Traffic going on. Dropping it stops it at once.
#[derive(Debug)]
pub struct Traffic {
    record: Arc<Record>,
    stop: watch::Sender<bool>,
    driver: Option<JoinHandle<()>>,
}

impl Traffic {
    /// Starts at once, on the current runtime.
    #[must_use]
    pub fn start(plan: Plan) -> Self {
        let record = Arc::new(Record::new());
        let (stop, stopped) = watch::channel(false);
        let driver = tokio::spawn(drive(plan, record.clone(), stopped));
        Self {
            record,
            stop,
            driver: Some(driver),
        }
    }

    /// When it started: offsets count from here.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.record.started
    }

    /// How many have ended, and how many of them failed.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        self.record.counts()
    }

    /// The failure that was the first to end.
    #[must_use]
    pub fn first_failure(&self) -> Option<Sample> {
        self.record.first_failure()
    }

    /// No more arrivals; waits until all under way have ended (at most one patience) and
    /// returns the samples, and how late the client itself was at worst.
    pub async fn finish(mut self) -> (Vec<Sample>, Duration) {
        self.stop.send_replace(true);
        if let Some(driver) = self.driver.take() {
            // It ends by itself: every request has a deadline.
            let _ = driver.await;
        }
        self.record.take()
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        if let Some(driver) = &self.driver {
            driver.abort();
        }
    }
}

async fn drive(plan: Plan, record: Arc<Record>, mut stopped: watch::Receiver<bool>) {
    let client = Arc::new(Client::new(plan.address, plan.users));
    let asks: Arc<[Ask]> = plan.asks.into();
    let mut under_way = JoinSet::new();
    for arrival in plan.schedule.arrivals() {
        let arrival = *arrival;
        tokio::select! {
            () = tokio::time::sleep_until((record.started + arrival.at).into()) => {}
            _ = stopped.wait_for(|stopped| *stopped) => break,
        }
        while under_way.try_join_next().is_some() {}
        record.sent(arrival.at);
        let ended = move |latency, outcome| Sample {
            user: arrival.user,
            ask: arrival.ask,
            intended: arrival.at,
            latency,
            outcome,
        };
        if under_way.len() >= plan.under_way_max {
            record.ended(ended(Duration::ZERO, Outcome::NotSent));
            continue;
        }
        let (record, client, asks) = (record.clone(), client.clone(), asks.clone());
        let deadline = record.started + arrival.at + plan.patience;
        under_way.spawn(async move {
            let asked = client.ask(arrival.user, &asks[arrival.ask]);
            let outcome = tokio::time::timeout_at(deadline.into(), asked).await;
            let latency = record.started.elapsed().saturating_sub(arrival.at);
            record.ended(ended(latency, outcome.unwrap_or(Outcome::GaveUp)));
        });
    }
    while under_way.join_next().await.is_some() {}
}
