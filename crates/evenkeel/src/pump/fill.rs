//! How full everything is that can fill up, how it came there, and when it runs out: for
//! pages, metrics and the command line, never for decisions.
//!
//! A leak is drawn from its beginning, however long ago that was: a series has a bounded
//! number of points, and when it is full each two become one of twice the time, with the
//! lowest and the highest of both.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::forecast::Forecast;
use evenkeel_core::observation::{Levels, Resource};
use evenkeel_core::subject::Subject;
use evenkeel_core::time::since;

/// Points of one series; as many as a plot has room for.
pub const POINTS_MAX: usize = 360;

/// Series that are drawn.
const SERIES_MAX: usize = 2_000;

/// Subjects that are known.
const SUBJECTS_MAX: usize = 2_000;

/// Some time of one series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// When it began.
    pub at: Timestamp,
    /// The lowest that was seen.
    pub low: u64,
    /// The highest.
    pub high: u64,
}

/// What is known of a subject.
#[derive(Debug, Clone)]
pub struct Standing {
    /// When it was seen.
    pub at: Timestamp,
    /// How full its things are.
    pub levels: Arc<Levels>,
    /// When each that grows runs out.
    pub forecasts: Vec<Forecast>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Fill(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    standing: BTreeMap<Subject, Standing>,
    series: BTreeMap<(Subject, Resource), Series>,
}

#[derive(Debug, Default)]
struct Series {
    points: Vec<Point>,
    width: Duration,
}

impl Fill {
    /// Takes a picture, and what is forecast since.
    pub fn take(&self, at: Timestamp, levels: &Levels, forecasts: Vec<Forecast>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.standing.len() >= SUBJECTS_MAX && !kept.standing.contains_key(&levels.of) {
            return;
        }
        for level in &levels.levels {
            let key = (levels.of.clone(), level.resource.clone());
            if kept.series.len() >= SERIES_MAX && !kept.series.contains_key(&key) {
                continue;
            }
            kept.series.entry(key).or_default().take(at, level.used);
        }
        let standing = Standing {
            at,
            levels: Arc::new(levels.clone()),
            forecasts,
        };
        kept.standing.insert(levels.of.clone(), standing);
    }

    /// Everything that is known, by subject.
    pub fn all(&self) -> BTreeMap<Subject, Standing> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.standing.clone()
    }

    /// How one thing came to where it is, oldest first.
    pub fn of(&self, subject: &Subject, resource: &Resource) -> Vec<Point> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let series = kept.series.get(&(subject.clone(), resource.clone()));
        series.map_or_else(Vec::new, |series| series.points.clone())
    }
}

impl Series {
    fn take(&mut self, at: Timestamp, used: u64) {
        if let Some(last) = self.points.last_mut()
            && since(last.at, at) < self.width
        {
            last.low = last.low.min(used);
            last.high = last.high.max(used);
            return;
        }
        if self.points.len() >= POINTS_MAX {
            let between = |pair: &[Point]| since(pair[0].at, pair[1].at);
            let usual = self.points.windows(2).map(between).min();
            self.width = self.width.max(usual.unwrap_or_default()) * 2;
            self.points = self.points.chunks(2).map(joined).collect();
        }
        self.points.push(Point {
            at,
            low: used,
            high: used,
        });
    }
}

fn joined(points: &[Point]) -> Point {
    let low = points.iter().map(|point| point.low).min();
    let high = points.iter().map(|point| point.high).max();
    Point {
        low: low.unwrap_or(points[0].low),
        high: high.unwrap_or(points[0].high),
        ..points[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_series_stays_whole_within_its_bound() {
        let mut series = Series::default();
        for second in 0..100_000_i64 {
            let at = Timestamp::from_second(second * 10).expect("a time");
            series.take(at, if second == 77 { 5 } else { 100 });
        }
        assert!(series.points.len() <= POINTS_MAX);
        assert!(series.points.len() >= POINTS_MAX / 3);
        assert_eq!(series.points[0].at, Timestamp::UNIX_EPOCH);
        assert!(series.points.iter().any(|point| point.low == 5));
        let last = series.points.last().expect("some");
        assert!(last.at.as_second() > 990_000);
    }
}
