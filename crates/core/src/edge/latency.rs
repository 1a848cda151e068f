//! Latencies as counts in buckets that grow with the value: small, mergeable, and good to
//! one part in sixteen, which is finer than any decision here needs.
//!
//! The layout is that of HdrHistogram with 4 bits below the leading one: values under 16 us
//! stand for themselves, above that each power of two has 16 buckets. Mergeable by
//! addition, so that seconds make minutes and instances make pools without loss.

use alloc::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Bits kept below the leading one.
const FINE: u32 = 4;

/// Latencies, counted. Sparse: what did not happen costs nothing. Written as pairs: a map's
/// keys are texts in JSON, and within an observation, which tells its kind by a tag, they are
/// not read as numbers again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Latencies(#[serde(with = "crate::authority::pairs")] BTreeMap<u16, u32>);

impl Latencies {
    /// The bucket of a latency in microseconds; 0..=975.
    pub fn bucket(us: u64) -> u16 {
        let fine = 1 << FINE;
        if us < fine {
            return us as u16;
        }
        let power = us.ilog2() - FINE;
        ((u64::from(power) << FINE) + (us >> power)) as u16
    }

    /// The smallest latency of a bucket, microseconds.
    pub fn lowest(bucket: u16) -> u64 {
        let (fine, bucket) = (1u64 << FINE, u64::from(bucket));
        if bucket < fine {
            return bucket;
        }
        let power = (bucket >> FINE) - 1;
        let low = (bucket & (fine - 1)) | fine;
        low.checked_shl(power as u32).unwrap_or(u64::MAX)
    }

    /// Counts `count` more in `bucket`.
    pub fn count(&mut self, bucket: u16, count: u32) {
        let slot = self.0.entry(bucket).or_default();
        *slot = slot.saturating_add(count);
    }

    /// Counts one latency, microseconds.
    pub fn record(&mut self, us: u64) {
        self.count(Self::bucket(us), 1);
    }

    /// Adds what another counted.
    pub fn add(&mut self, other: &Self) {
        for (bucket, count) in &other.0 {
            self.count(*bucket, *count);
        }
    }

    /// How many were counted.
    pub fn total(&self) -> u64 {
        self.0.values().map(|count| u64::from(*count)).sum()
    }

    /// The latency that `per_mille` thousandths of all stay at or under, microseconds: the
    /// middle of its bucket. `None` where nothing was counted.
    pub fn quantile_us(&self, per_mille: u16) -> Option<u64> {
        let total = self.total();
        let rank = (total * u64::from(per_mille.min(1000)))
            .div_ceil(1000)
            .max(1);
        let mut seen = 0;
        for (bucket, count) in &self.0 {
            seen += u64::from(*count);
            if seen >= rank {
                let (low, next) = (Self::lowest(*bucket), Self::lowest(bucket + 1));
                return Some(low + (next - low) / 2);
            }
        }
        None
    }

    /// The buckets with their counts, the lowest first.
    pub fn buckets(&self) -> impl Iterator<Item = (u16, u32)> + '_ {
        self.0.iter().map(|(bucket, count)| (*bucket, *count))
    }

    /// Whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::Latencies;

    #[test]
    fn every_value_is_in_its_bucket_and_within_a_sixteenth_of_its_start() {
        let mut us = 0u64;
        while us < 1 << 50 {
            let bucket = Latencies::bucket(us);
            let (low, next) = (Latencies::lowest(bucket), Latencies::lowest(bucket + 1));
            assert!(low <= us && us < next, "{us}: {low}..{next}");
            assert!(next - low <= (low / 16).max(1), "{us}: {low}..{next}");
            us += 1 + us / 7;
        }
    }

    #[test]
    fn quantiles_are_those_of_what_was_counted() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantile_us(500), None);
        (1..=1000).for_each(|us| latencies.record(us));
        for (per_mille, about) in [(500, 500u64), (990, 990), (1000, 1000), (0, 1)] {
            let found = latencies.quantile_us(per_mille).unwrap();
            assert!(
                found.abs_diff(about) <= about / 16 + 1,
                "{per_mille}: {found}"
            );
        }
    }

    #[test]
    fn adding_is_as_counting_together() {
        let (mut one, mut other, mut both) = <(Latencies, Latencies, Latencies)>::default();
        for us in [3, 900, 70_000, 70_001] {
            one.record(us);
            both.record(us);
        }
        for us in [4, 900, 5_000_000] {
            other.record(us);
            both.record(us);
        }
        one.add(&other);
        assert_eq!(one, both);
        assert_eq!(one.total(), 7);
    }
}
