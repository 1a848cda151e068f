//! The load that is to be expected for one instance of a pool.
//!
//! What an instance was given of late says little of what it will be given: the edge deals
//! by latency, so that shares wander from minute to minute; while a sibling is restarted the
//! others have its part, and what comes back gets less at first. All of them together are
//! far smoother, and a rise shows in them. So the load that is forecast is the pool's, times
//! an equal share among those that serve. How often siblings were out is in that share: it
//! is a mean over as long as [`LIVES`] of its own lives, and they will be out again.
//!
//! A share that differs for good is believed: more weight, a larger machine, sessions that
//! stay. For good means to the same side in each of [`PARTS`] parts of its life, and in each
//! at least half as far as on the whole; shares that wander hardly ever do that.

use alloc::vec::Vec;

use super::line::GROUPS_MAX;
use super::load::Load;
use super::lows::{Low, Point};

/// For how many times its own life the pool is looked at, as far as it is known: at half of
/// its way that is from one restart of a sibling to the next.
const LIVES: u64 = 2;

/// Parts of a life in each of which a share must differ to the same side.
const PARTS: u64 = 6;

/// The load of a pool: for each point its requests until then, and in `used` how many of
/// them, in parts of [`EQUAL_OF`], one that always served had got if all got the same.
pub(crate) type PoolLows = [Low];

/// What an equal share is counted in: of one request between three instances each gets a
/// third.
pub(crate) const EQUAL_OF: u64 = 1000;

/// The load to be expected for the instance whose history is `own`.
pub(crate) fn expected(own: &[Low], pool: &PoolLows) -> Option<Load> {
    let until = pool.last()?.at_ms.min(own.last()?.at_ms);
    let life = until.checked_sub(own.first()?.at_ms)?;
    let from = until.saturating_sub(life * LIVES).max(pool.first()?.at_ms);
    let all = evenly(pool, from, until, GROUPS_MAX, requests)?;
    let equal = evenly(pool, from, until, GROUPS_MAX, equal_share)?;
    let points: Vec<Point> = all
        .iter()
        .map(|(at, requests)| Point {
            at: at - from as f64,
            requests: *requests,
            used: 0.0,
        })
        .collect();
    let gained = |of: &[(f64, f64)]| Some(of.last()?.1 - of.first()?.1);
    let share = gained(&equal)? / gained(&all)?;
    let load = Load::after(&points)?;
    Some(load.times(share * differs_by(own, pool, until).unwrap_or(1.0)))
}

/// What an instance gets for each request of an equal share, where that differs for good.
fn differs_by(own: &[Low], pool: &PoolLows, until: u64) -> Option<f64> {
    let from = own.first()?.at_ms.max(pool.first()?.at_ms);
    let got = gains(&evenly(own, from, until, PARTS, requests)?);
    let equal = gains(&evenly(pool, from, until, PARTS, equal_share)?);
    let (all_got, all_equal): (f64, f64) = (got.iter().sum(), equal.iter().sum());
    let whole = all_got / all_equal - 1.0;
    let half = |(got, equal): (&f64, &f64)| (got / equal - 1.0) / whole >= 0.5;
    (all_equal > 0.0 && got.iter().zip(&equal).all(half)).then_some(1.0 + whole)
}

/// What was counted until each of `count` + 1 times from `from` to `until`.
fn evenly(
    lows: &[Low],
    from: u64,
    until: u64,
    count: u64,
    counted: fn(&Low) -> f64,
) -> Option<Vec<(f64, f64)>> {
    if until <= from {
        return None;
    }
    let at = |n| from + (until - from) * n / count;
    let times = (0..=count).map(at);
    times
        .map(|at| counted_at(lows, at, counted).map(|count| (at as f64, count)))
        .collect()
}

/// What was counted until a time between the points.
fn counted_at(lows: &[Low], at: u64, counted: fn(&Low) -> f64) -> Option<f64> {
    let later = lows.partition_point(|low| low.at_ms < at);
    let to = lows.get(later)?;
    if to.at_ms == at {
        return Some(counted(to));
    }
    let from = &lows[later.checked_sub(1)?];
    let share = (at - from.at_ms) as f64 / (to.at_ms - from.at_ms) as f64;
    let (before, after) = (counted(from), counted(to));
    Some(before + (after - before) * share)
}

fn gains(of: &[(f64, f64)]) -> Vec<f64> {
    of.windows(2).map(|pair| pair[1].1 - pair[0].1).collect()
}

fn requests(low: &Low) -> f64 {
    low.requests as f64
}

fn equal_share(low: &Low) -> f64 {
    low.used as f64 / EQUAL_OF as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pool of two with one request in a millisecond, and what the first had got of it
    /// each second.
    fn seen(share: impl Fn(u64) -> f64) -> (Vec<Low>, Vec<Low>) {
        let mut got = 0.0;
        let own = |n: u64| {
            got += share(n) * 1000.0;
            low(n * 1000, 0, got as u64)
        };
        let own = (0..60).map(own).collect();
        let pool = (0..60).map(|n| low(n * 1000, n * 500 * EQUAL_OF, n * 1000));
        (own, pool.collect())
    }

    fn low(at_ms: u64, used: u64, requests: u64) -> Low {
        Low {
            at_ms,
            used,
            requests,
            high: used,
        }
    }

    fn rate(share: impl Fn(u64) -> f64) -> f64 {
        let (own, pool) = seen(share);
        expected(&own, &pool).unwrap().rate
    }

    #[test]
    fn a_share_that_wanders_is_an_equal_one() {
        let rate = rate(|n| if n < 25 { 0.7 } else { 0.45 });
        assert!((rate - 0.5).abs() < 0.01, "{rate}");
    }

    #[test]
    fn a_share_that_differs_for_good_is_believed() {
        let rate = rate(|n| if n % 2 == 0 { 0.7 } else { 0.64 });
        assert!((rate - 0.67).abs() < 0.02, "{rate}");
    }

    #[test]
    fn nothing_is_expected_of_a_pool_that_was_not_seen() {
        let (own, pool) = seen(|_| 0.5);
        assert!(expected(&own, &[]).is_none());
        assert!(expected(&own, &pool[..1]).is_none());
        assert!(expected(&[], &pool).is_none());
    }
}
