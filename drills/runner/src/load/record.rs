use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// How a login ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The page behind the login was shown.
    LoggedIn,
    /// The service answered, but not with that page: its status.
    Refused(u16),
    /// The user's patience ran out.
    GaveUp,
    /// The connection failed or broke.
    Broken(String),
    /// The bound on users under way was reached.
    NotSent,
}

/// One login. Offsets count from the start of the load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Which of the plan's users.
    pub user: usize,
    /// When the user meant to log in.
    pub intended: Duration,
    /// From there to the page, or to the failure. Zero when not sent.
    pub latency: Duration,
    /// How it ended.
    pub outcome: Outcome,
}

impl Sample {
    /// When it ended.
    #[must_use]
    pub fn ended(&self) -> Duration {
        self.intended + self.latency
    }

    /// Whether the user got in.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.outcome == Outcome::LoggedIn
    }
}

/// Figures over samples; times in milliseconds.
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
    pub(super) fn of(samples: &[Sample], sent_late_max: Duration) -> Self {
        // Microseconds at three digits, resizing: no latency is out of range.
        let mut served: Histogram<u64> = Histogram::new(3).unwrap_or_else(|error| {
            unreachable!("three significant digits are within the histogram's range: {error}")
        });
        for sample in samples.iter().filter(|sample| sample.is_ok()) {
            // It resizes itself; `saturating_record` would not, and clamp.
            if let Err(error) = served.record(micros(sample.latency)) {
                unreachable!("a resizing histogram takes every value: {error}");
            }
        }
        let quantile = |at| served.value_at_quantile(at) as f64 / 1000.0;
        let longest = samples.iter().map(|sample| sample.latency).max();
        Self {
            logins_count: samples.len() as u64,
            logins_failed_count: samples.iter().filter(|sample| !sample.is_ok()).count() as u64,
            login_wait_ms_max: millis(longest.unwrap_or_default()),
            login_ms_p50: quantile(0.5),
            login_ms_p90: quantile(0.9),
            login_ms_p99: quantile(0.99),
            sent_late_ms_max: millis(sent_late_max),
        }
    }
}

/// What has happened so far, shared by all users.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) started: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    ended: Vec<Sample>,
    under_way: BTreeMap<u64, Duration>,
    next: u64,
    sent_late_max: Duration,
}

impl Record {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            state: Mutex::default(),
        }
    }

    pub(super) fn sent(&self, intended: Duration) {
        let late = self.started.elapsed().saturating_sub(intended);
        let mut state = self.state();
        state.sent_late_max = state.sent_late_max.max(late);
    }

    pub(super) fn begin(&self, intended: Duration) -> u64 {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.under_way.insert(number, intended);
        number
    }

    pub(super) fn ended_after(&self, number: u64, sample: Sample) {
        let mut state = self.state();
        state.under_way.remove(&number);
        state.ended.push(sample);
    }

    pub(super) fn ended(&self, sample: Sample) {
        self.state().ended.push(sample);
    }

    pub(super) fn samples(&self) -> Vec<Sample> {
        self.state().ended.clone()
    }

    pub(super) fn sent_late_max(&self) -> Duration {
        self.state().sent_late_max
    }

    pub(super) fn first_slower_than(&self, wait: Duration) -> Option<Duration> {
        let now = self.started.elapsed();
        let state = self.state();
        let ended = state.ended.iter().filter(|sample| sample.latency > wait);
        let under_way = state
            .under_way
            .values()
            .filter(|intended| now.saturating_sub(**intended) > wait);
        ended
            .map(|sample| sample.intended)
            .chain(under_way.copied())
            .min()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(duration: Duration) -> f64 {
    micros(duration) as f64 / 1000.0
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
