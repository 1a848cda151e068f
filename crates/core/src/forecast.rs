//! When something that fills up will be full.
//!
//! What grows is most often well: caches fill, collectors wait, processes warm up. A trend
//! test on what is used (Mann and Kendall's) is therefore alarmed most of the time, and a
//! straight line by least squares is bent by each tooth. Microsoft's RESIN (OSDI 2022),
//! which reports 85% precision and 91% recall over a cloud, found comparison with the release
//! before to be worth more than any test of a trend. So:
//!
//! - The *floor* is looked at, what is left after collection: the lowest of stretches that
//!   are as long as the teeth ask for ([`lows`], `shape`). They are shares of the life that
//!   was seen: seconds in a drill, hours in a week, by the same rules.
//! - Its slope is Theil and Sen's, with the interval that Kendall's statistic leaves (`line`),
//!   by the hour or by the request, whichever fits better. What leaks by the request is
//!   forecast with the load that is to be expected (`load`): a busy day shortens it. Of an
//!   instance that is the pool's load and its share, not what it was dealt of late (`share`).
//! - What levels off, came at once, falls back, or stays within what it moved in before is no
//!   trend (`shape`). A slope must stand out from its own noise, and three reckonings in a
//!   row must agree ([`crate::memory`]).
//! - Since when, and whether since this release, is a cumulative sum's to say (`cusum`):
//!   against the pace of the last life of the release before. A sibling in the pool that
//!   grows by less than a quarter leaves an instance alone with it.
//!
//! What it cannot know: what fills more than half of the way to the limit before it first
//! stays or falls looks like a leak until then; a load that rises for as long as it is
//! watched, and takes memory along, too. Where nobody tells when a process was started, its
//! restart is a tooth. `tests/forecast.rs` has the table of what it is worth: seeded and
//! recorded series, detection, false alarms and error at half of the way.
//!
//! Numbers that are kept are whole; fractions live within one reckoning.

pub(crate) mod cusum;
pub(crate) mod line;
pub(crate) mod load;
pub mod lows;
pub(crate) mod shape;
pub(crate) mod share;

use alloc::string::String;
use alloc::vec::Vec;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::observation::Resource;
use load::Load;
use lows::Low;
use shape::{Shape, Trend};
use share::PoolLows;

/// When something runs out, if it goes on as it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    /// What.
    pub resource: Resource,
    /// How much of it is used, after the last collection.
    pub used: u64,
    /// How much there is.
    pub limit: u64,
    /// By what it grows.
    pub grows: Grows,
    /// Its growth in an hour under the load of late, in the resource's own unit.
    pub per_hour: u64,
    /// Its growth in a thousand requests, where they are counted.
    pub per_1000_requests: Option<u64>,
    /// When it runs out.
    pub exhausts: Exhausts,
    /// Since when it has grown like this, as far as it was seen.
    pub grows_since: Timestamp,
    /// How much of the way from what it was then to its end lies behind, percent.
    pub way_pct: u8,
    /// The release it came with: the one before did not grow so.
    pub since_release: Option<String>,
    /// Its siblings in the pool, of about its age, do not grow so.
    pub alone: bool,
    /// When this was reckoned.
    pub reckoned_at: Timestamp,
}

/// By what something grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grows {
    /// By the hour, whatever the load.
    ByTime,
    /// By the request: a busy day shortens its time.
    ByRequests,
}

/// When something runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exhausts {
    /// Hardly before: the lower bound that is acted by.
    pub earliest: Timestamp,
    /// Most likely.
    pub likely: Timestamp,
    /// Hardly after; the end of time where it may go on for ever.
    pub latest: Timestamp,
}

/// How full one thing is, as it was last seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// How much is used.
    pub used: u64,
    /// How much there is, where that is known.
    pub limit: Option<u64>,
    /// When that was seen.
    pub seen_at: Timestamp,
    /// When the process was started, where that can be told.
    pub started_at: Option<Timestamp>,
    /// When it last fell by at least half of what it had risen, or began anew with less.
    pub fallen_at: Option<Timestamp>,
    /// Nothing is left of it, in each of the last pictures.
    pub is_full: bool,
}

/// How fast something grows: what lives, releases and siblings are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pace {
    /// In an hour, in the resource's own unit.
    pub per_hour: u64,
    /// In a thousand requests, where they were counted.
    pub per_1000_requests: Option<u64>,
}

/// What is known of the thing whose history is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<'a> {
    /// Which.
    pub(crate) resource: &'a Resource,
    /// How much there is.
    pub(crate) limit: u64,
    /// The greatest fall that was seen of it without a restart.
    pub(crate) fall_max: u64,
    /// How fast it grew in the last life of the release before.
    pub(crate) before: Option<Pace>,
    /// The requests of its pool, where it is an instance of one.
    pub(crate) pool: Option<&'a PoolLows>,
}

/// What a history tells of the time to come; times are milliseconds from its last point.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outlook {
    /// It runs out.
    RunsOut {
        grows: Grows,
        used: u64,
        pace: Pace,
        earliest_ms: u64,
        likely_ms: u64,
        latest_ms: u64,
        /// Since when it grows like this.
        since_ms: u64,
        /// How much of the way since then lies behind, percent.
        way_pct: u8,
        /// It grows faster than before.
        is_new: bool,
    },
    /// It ends growing before that.
    LevelsOff,
    /// It does not grow.
    Level,
}

const HOUR_MS: f64 = 3_600_000.0;

/// Nothing is known closer than this share of the time to come, however well a line fits:
/// the points are neighbours, which agree more than they should, and tomorrow's load is not
/// today's.
const DOUBT: f64 = 0.2;

/// Looks at a history.
pub(crate) fn reckon(lows: &[Low], known: Known<'_>) -> Outlook {
    match shape::shape(lows, known.limit as f64, known.fall_max as f64) {
        Shape::LevelsOff => Outlook::LevelsOff,
        Shape::Level => Outlook::Level,
        Shape::Grows(trend) => reckon_trend(&trend, lows, known),
    }
}

fn reckon_trend(trend: &Trend, lows: &[Low], known: Known<'_>) -> Outlook {
    let limit = known.limit as f64;
    // A heap is collected when it is full; other things break at the tip of a tooth.
    let (tip, tip_max) = match known.resource {
        Resource::Heap => (0.0, 0.0),
        _ => (trend.tip, trend.tip_max.max(trend.tip)),
    };
    let left = (limit - trend.floor - tip).max(0.0);
    let left_least = (limit - trend.floor - tip_max - trend.by_time.spread.min(left)).max(0.0);
    let own = Load::after(&trend.requests);
    let of_pool = known.pool.and_then(|pool| share::expected(lows, pool));
    let load = own.map(|own| of_pool.map_or(own, |load| load.doubted_by(own)));
    let (likely, least, most, per_ms) = match (trend.grows, &trend.by_requests, load) {
        (Grows::ByRequests, Some(line), Some(load)) => (
            load.until(left / line.slope),
            load.busier().until(left_least / line.slope_high),
            match line.slope_low > 0.0 {
                true => load.quieter().until(left / line.slope_low),
                false => f64::MAX,
            },
            line.slope * load.rate,
        ),
        _ => {
            let line = &trend.by_time;
            (
                left / line.slope,
                left_least / line.slope_high,
                match line.slope_low > 0.0 {
                    true => left / line.slope_low,
                    false => f64::MAX,
                },
                line.slope,
            )
        }
    };
    let (since_ms, began, is_new) = beginning(trend, known);
    let way = (trend.floor - began).max(0.0);
    let way_pct = if way > 0.0 {
        way * 100.0 / (way + left)
    } else {
        0.0
    };
    Outlook::RunsOut {
        grows: trend.grows,
        used: whole(trend.floor),
        pace: Pace {
            per_hour: whole(per_ms * HOUR_MS),
            per_1000_requests: trend.by_requests.map(|line| whole(line.slope * 1000.0)),
        },
        earliest_ms: whole(least.min(likely * (1.0 - DOUBT))),
        likely_ms: whole(likely),
        latest_ms: whole(most.max(likely * (1.0 + DOUBT))),
        since_ms,
        way_pct: way_pct as u8,
        is_new,
    }
}

/// Since when it grows, from what level, and whether it grew clearly less in the release
/// before.
fn beginning(trend: &Trend, known: Known<'_>) -> (u64, f64, bool) {
    let before = known.before.unwrap_or_default();
    let (points, pace): (Vec<(f64, f64)>, f64) = match (trend.grows, before.per_1000_requests) {
        (Grows::ByRequests, Some(per_1000)) => (
            trend.points.iter().map(|p| (p.requests, p.used)).collect(),
            per_1000 as f64 / 1000.0,
        ),
        _ => (
            trend.points.iter().map(|p| (p.at, p.used)).collect(),
            before.per_hour as f64 / HOUR_MS,
        ),
    };
    let since = cusum::exceeds_since(&points, pace);
    let point = trend.points.get(since.unwrap_or(0));
    let since_ms = trend.from_ms + point.map_or(0, |point| whole(point.at));
    let began = point.map_or(0.0, |point| point.used);
    let gained = match (points.first(), points.last()) {
        (Some(first), Some(last)) => (last.1 - first.1) / (last.0 - first.0),
        _ => 0.0,
    };
    let is_new = known.before.is_some() && since.is_some() && gained >= 2.0 * pace;
    (since_ms, began, is_new)
}

/// As a number that can be kept; what is below zero or no number is zero.
fn whole(of: f64) -> u64 {
    (of + 0.5) as u64
}
