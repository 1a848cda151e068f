use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// How what a user meant to do ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The whole answer that was expected; of a login, the page behind it.
    Answered,
    /// The service answered, but not with that: its status.
    Refused(u16),
    /// The body broke off.
    Cut(String),
    /// No connection, or it broke before the answer.
    Broken(String),
    /// The user's patience ran out.
    GaveUp,
    /// The bound on what may be under way was reached.
    NotSent,
}

/// One request, or one login. Offsets count from the start of the traffic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Which of the plan's users.
    pub user: usize,
    /// Which of the plan's asks; of logins there is one.
    pub ask: usize,
    /// When it was meant.
    pub intended: Duration,
    /// From there to the end of the answer, or to the failure. Zero when not sent.
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

    /// Whether the whole answer came.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.outcome == Outcome::Answered
    }
}

/// A percentile of the time that all of them waited, answered or not: who gave up waited,
/// too. `None` where there are none.
#[must_use]
pub fn percentile_ms<'s>(samples: impl Iterator<Item = &'s Sample>, share: f64) -> Option<f64> {
    // Microseconds at three digits, resizing: no latency is out of range.
    let mut waited: Histogram<u64> = Histogram::new(3).unwrap_or_else(|error| {
        unreachable!("three significant digits are within the histogram's range: {error}")
    });
    for sample in samples {
        let micros = u64::try_from(sample.latency.as_micros()).unwrap_or(u64::MAX);
        // It resizes itself; `saturating_record` would not, and clamp.
        if let Err(error) = waited.record(micros) {
            unreachable!("a resizing histogram takes every value: {error}");
        }
    }
    (!waited.is_empty()).then(|| waited.value_at_quantile(share) as f64 / 1000.0)
}

/// What has happened so far.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) started: Instant,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    ended: Vec<Sample>,
    failed: usize,
    first_failure: Option<Sample>,
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

    /// One is under way; its number is for [`Self::ended`].
    pub(super) fn begin(&self, intended: Duration) -> u64 {
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.under_way.insert(number, intended);
        number
    }

    /// One has ended, or was never sent and has no number.
    pub(super) fn ended(&self, number: Option<u64>, sample: Sample) {
        let mut state = self.state();
        if let Some(number) = number {
            state.under_way.remove(&number);
        }
        if !sample.is_ok() {
            state.failed += 1;
            state.first_failure.get_or_insert_with(|| sample.clone());
        }
        state.ended.push(sample);
    }

    pub(super) fn counts(&self) -> (usize, usize) {
        let state = self.state();
        (state.ended.len(), state.failed)
    }

    pub(super) fn first_failure(&self) -> Option<Sample> {
        self.state().first_failure.clone()
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
        let under_way = state.under_way.values().copied();
        let under_way = under_way.filter(|intended| now.saturating_sub(*intended) > wait);
        ended.map(|sample| sample.intended).chain(under_way).min()
    }

    pub(super) fn take(&self) -> (Vec<Sample>, Duration) {
        let mut state = self.state();
        (std::mem::take(&mut state.ended), state.sent_late_max)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
