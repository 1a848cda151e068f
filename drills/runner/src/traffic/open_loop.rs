use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::record::{Outcome, Record, Sample};
use super::schedule::Arrival;

/// What users put up with, and this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// How long a user waits before giving up, from the moment it was meant.
    pub(crate) patience: Duration,
    /// Under way at a time.
    pub(crate) under_way_max: usize,
}

/// What is still done after the figures have been taken, within one patience.
pub(crate) type Afterwards = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What an arrival does.
pub(crate) trait Visit: Send + Sync + 'static {
    /// Until it has ended, which is what is measured.
    fn visit(&self, arrival: Arrival)
    -> impl Future<Output = (Outcome, Option<Afterwards>)> + Send;
}

/// Arrivals going on. Dropping it stops them at once.
#[derive(Debug)]
pub struct Traffic {
    record: Arc<Record>,
    stop: watch::Sender<bool>,
    driver: Option<JoinHandle<()>>,
}

impl Traffic {
    /// Starts at once, on the current runtime; `arrivals` are in order of time.
    pub(crate) fn drive(
        arrivals: impl Iterator<Item = Arrival> + Send + 'static,
        bounds: Bounds,
        visit: impl Visit,
    ) -> Self {
        let record = Arc::new(Record::new());
        let (stop, stopped) = watch::channel(false);
        let driver = tokio::spawn(drive(
            arrivals,
            bounds,
            Arc::new(visit),
            record.clone(),
            stopped,
        ));
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

    /// What has ended so far, in order of ending.
    #[must_use]
    pub fn samples(&self) -> Vec<Sample> {
        self.record.samples()
    }

    /// How late the client itself was so far, at worst.
    #[must_use]
    pub fn sent_late_max(&self) -> Duration {
        self.record.sent_late_max()
    }

    /// The failure that was the first to end.
    #[must_use]
    pub fn first_failure(&self) -> Option<Sample> {
        self.record.first_failure()
    }

    /// When the first one was meant that took longer than this, or has been under way for
    /// longer already.
    #[must_use]
    pub fn first_slower_than(&self, wait: Duration) -> Option<Duration> {
        self.record.first_slower_than(wait)
    }

    /// No more arrivals; waits until all under way have ended (at most one patience) and
    /// returns the samples, and how late the client itself was at worst.
    pub async fn finish(mut self) -> (Vec<Sample>, Duration) {
        self.stop.send_replace(true);
        if let Some(driver) = self.driver.take() {
            // It ends by itself: every arrival has a deadline.
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

async fn drive(
    arrivals: impl Iterator<Item = Arrival>,
    bounds: Bounds,
    visit: Arc<impl Visit>,
    record: Arc<Record>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut under_way = JoinSet::new();
    for arrival in arrivals {
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
        if under_way.len() >= bounds.under_way_max {
            record.ended(None, ended(Duration::ZERO, Outcome::NotSent));
            continue;
        }
        let (record, visit) = (record.clone(), visit.clone());
        let number = record.begin(arrival.at);
        under_way.spawn(async move {
            let deadline = record.started + arrival.at + bounds.patience;
            let visited = tokio::time::timeout_at(deadline.into(), visit.visit(arrival)).await;
            let latency = record.started.elapsed().saturating_sub(arrival.at);
            let (outcome, afterwards) = visited.unwrap_or((Outcome::GaveUp, None));
            record.ended(Some(number), ended(latency, outcome));
            if let Some(afterwards) = afterwards {
                let _ = tokio::time::timeout(bounds.patience, afterwards).await;
            }
        });
    }
    while under_way.join_next().await.is_some() {}
}
