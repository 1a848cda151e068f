//! What the pump counts of itself: a handful of atomics that cost it nothing, read on
//! scrape.
//!
//! Counters begin at the program's start, as Prometheus expects of counters. What the
//! record can say (incidents, findings, revision) is not counted here a second time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use evenkeel_core::event::{Event, What};

/// Upper bounds of the buckets, microseconds. A step takes tens of microseconds, a durable
/// append some milliseconds; beyond a second either is a standstill.
pub const BUCKETS_US: [u64; 12] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000, 1_000_000, 10_000_000,
];

/// How long something took, as counts by bucket.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS_US.len()],
    count: AtomicU64,
    sum_us: AtomicU64,
}

impl Histogram {
    fn add(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let place = BUCKETS_US.partition_point(|bound| *bound < us);
        if let Some(bucket) = self.buckets.get(place) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_us.fetch_add(us, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts by bucket, each with those of the buckets below; then all, and their sum.
    pub fn read(&self) -> ([u64; BUCKETS_US.len()], u64, Duration) {
        let mut below = 0;
        let cumulative = self.buckets.each_ref().map(|bucket| {
            below += bucket.load(Ordering::Relaxed);
            below
        });
        let sum = Duration::from_micros(self.sum_us.load(Ordering::Relaxed));
        // Never fewer than the buckets say, also when a step ends while this is read.
        (
            cumulative,
            self.count.load(Ordering::Relaxed).max(below),
            sum,
        )
    }
}

/// Events by kind; arrays this long have no default of their own.
#[derive(Debug)]
struct Counts([AtomicU64; What::KINDS.len()]);

impl Default for Counts {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Meters {
    /// How long steps took to decide.
    pub step: Histogram,
    /// How long events took to become durable, standstills included.
    pub append: Histogram,
    events: Counts,
    observations: AtomicU64,
    messages_failed: AtomicU64,
    actions_under_way: AtomicU64,
    messages_under_way: AtomicU64,
}

impl Meters {
    pub(super) fn stepped(&self, observations: usize, took: Duration) {
        self.step.add(took);
        let count = u64::try_from(observations).unwrap_or(u64::MAX);
        self.observations.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn appended(&self, events: &[Event], took: Duration) {
        self.append.add(took);
        for event in events {
            let kind = event.what.kind();
            let place = What::KINDS.iter().position(|(name, _)| *name == kind);
            if let Some(count) = place.and_then(|place| self.events.0.get(place)) {
                count.fetch_add(1, Ordering::Relaxed);
            }
            if let What::MessageEnded { outcome, .. } = &event.what
                && !outcome.is_good()
            {
                self.messages_failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn under_way(&self, actions: usize, messages: usize) {
        let set = |gauge: &AtomicU64, count| {
            gauge.store(u64::try_from(count).unwrap_or(u64::MAX), Ordering::Relaxed);
        };
        set(&self.actions_under_way, actions);
        set(&self.messages_under_way, messages);
    }

    /// Events made durable since the start, by kind.
    pub fn events(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self
            .events
            .0
            .iter()
            .map(|count| count.load(Ordering::Relaxed));
        What::KINDS.iter().map(|(kind, _)| *kind).zip(counts)
    }

    /// Observations taken into steps since the start.
    pub fn observations(&self) -> u64 {
        self.observations.load(Ordering::Relaxed)
    }

    /// Messages that could not be delivered since the start.
    pub fn messages_failed(&self) -> u64 {
        self.messages_failed.load(Ordering::Relaxed)
    }

    /// Actions and messages that are in somebody's hands.
    pub fn in_hand(&self) -> (u64, u64) {
        (
            self.actions_under_way.load(Ordering::Relaxed),
            self.messages_under_way.load(Ordering::Relaxed),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_longer_than_any_bucket_is_counted_all_the_same() {
        let histogram = Histogram::default();
        for us in [50, 51, 20_000_000] {
            histogram.add(Duration::from_micros(us));
        }
        let (buckets, count, sum) = histogram.read();
        assert_eq!((buckets[0], buckets[1], buckets[11]), (1, 2, 2));
        assert_eq!((count, sum.as_micros()), (3, 20_000_101));
    }
}
