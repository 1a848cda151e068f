//! A bounded history that keeps lows: fine of late, coarser the longer ago.
//!
//! What a collector leaves behind is seen at the lows, so when two neighbours are to
//! become one, the higher is forgotten (how high it was is kept). The pair that goes is
//! the one that is shortest for its age: stretches grow in proportion to how long ago they
//! are, so that the last minute, the last hour and the last week of a life are all kept
//! with about as many points, whatever the pace of sampling.
//!
//! A point is 32 bytes; [`LOWS_MAX`] of them are 3 KiB for each resource, some 2 MB for a
//! hundred instances with six resources.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

/// Points kept of each resource: twelve doublings of the life at eight points each, which
/// is from 15 s to a week.
pub const LOWS_MAX: usize = 96;

/// The lowest of a stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "[u64; 4]", into = "[u64; 4]")]
pub struct Low {
    /// When, milliseconds of time that was measured without a break.
    pub at_ms: u64,
    /// How much was used.
    pub used: u64,
    /// Requests until then.
    pub requests: u64,
    /// The highest of its stretch: what was seen since the low before it.
    pub high: u64,
}

impl From<[u64; 4]> for Low {
    fn from([at_ms, used, requests, high]: [u64; 4]) -> Self {
        Self {
            at_ms,
            used,
            requests,
            high,
        }
    }
}

impl From<Low> for [u64; 4] {
    fn from(low: Low) -> Self {
        [low.at_ms, low.used, low.requests, low.high]
    }
}

/// Takes a sample; where there are too many points, two become one.
pub(crate) fn take(lows: &mut Vec<Low>, at_ms: u64, used: u64, requests: u64) {
    lows.push(Low {
        at_ms,
        used,
        requests,
        high: used,
    });
    if lows.len() <= LOWS_MAX {
        return;
    }
    let Some(first) = shortest_for_its_age(lows, at_ms) else {
        return;
    };
    let later = lows.remove(first + 1);
    let low = &mut lows[first];
    let high = low.high.max(later.high);
    if later.used <= low.used {
        *low = later;
    }
    low.high = high;
}

/// The first of the two neighbours whose common stretch is the shortest for its age.
fn shortest_for_its_age(lows: &[Low], now_ms: u64) -> Option<usize> {
    let began = lows.first()?.at_ms;
    (0..lows.len().checked_sub(1)?).min_by_key(|&first| {
        let from = match first {
            0 => began,
            _ => lows[first - 1].at_ms,
        };
        let to = lows[first + 1].at_ms;
        let age = now_ms.saturating_sub(to).saturating_add(1);
        // Of two that are alike the older goes.
        u128::from(to.saturating_sub(from)) * (1 << 20) / u128::from(age)
    })
}

/// A point of a group, for reckoning.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    pub(crate) at: f64,
    pub(crate) requests: f64,
    pub(crate) used: f64,
}

/// The lowest of each of `count` stretches of equal length from `from_ms` to the last
/// point; stretches without a point are left out.
pub(crate) fn grouped(lows: &[Low], from_ms: u64, count: u64) -> Vec<Point> {
    let Some(last) = lows.last() else {
        return Vec::new();
    };
    let span = last.at_ms.saturating_sub(from_ms).max(1);
    let mut lowest: Vec<(u64, Low)> = Vec::new();
    for low in lows.iter().filter(|low| low.at_ms >= from_ms) {
        let passed = u128::from(low.at_ms - from_ms);
        let group = (passed * u128::from(count) / u128::from(span)).min(u128::from(count - 1));
        let group = group as u64;
        match lowest.last_mut() {
            Some((of, known)) if *of == group => {
                if low.used <= known.used {
                    *known = *low;
                }
            }
            _ => lowest.push((group, *low)),
        }
    }
    lowest.iter().map(|(_, low)| low.point(from_ms)).collect()
}

impl Low {
    pub(crate) fn point(&self, from_ms: u64) -> Point {
        Point {
            at: self.at_ms.saturating_sub(from_ms) as f64,
            requests: self.requests as f64,
            used: self.used as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_is_kept_with_few_points_and_its_lows() {
        let mut lows = Vec::new();
        let samples = 7 * 24 * 240;
        for n in 0..samples {
            // A tooth of an hour, and one deep low.
            let used = if n == 1000 { 5 } else { 100 + n % 240 };
            take(&mut lows, n * 15_000, used, n);
        }
        assert_eq!(lows.len(), LOWS_MAX);
        assert!(lows.iter().any(|low| low.used == 5));
        assert!(lows.is_sorted_by_key(|low| low.at_ms));
        let last = lows[LOWS_MAX - 1].at_ms;
        for halvings in 0..10 {
            let from = last - (last >> halvings);
            let points = lows.iter().filter(|low| low.at_ms >= from).count();
            assert!(points >= 6, "{points} in the last 1/2^{halvings}");
        }
        let highest = lows.iter().map(|low| low.high).max();
        assert_eq!(highest, Some(339));
    }

    #[test]
    fn what_is_not_yet_too_much_is_kept_as_it_is() {
        let mut lows = Vec::new();
        (0..LOWS_MAX as u64).for_each(|n| take(&mut lows, n, n, 0));
        assert_eq!(lows.len(), LOWS_MAX);
        assert!(lows.iter().all(|low| low.used == low.at_ms));
    }
}
