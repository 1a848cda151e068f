//! Whether something grows: not up and down, not once, not ever slower, but on and on.
//!
//! The history is looked at through windows that all end now, the longest first; the first
//! in which the growth is straight is believed. In each:
//!
//! - The floor is the lowest of each of up to 24 stretches of equal length. Where it still
//!   falls back by more than a quarter of what it gained, the stretches are shorter than the
//!   teeth of the saw: they are made longer, down to six. A saw that leaks nothing never
//!   stops falling back; a leak under one does.
//! - Growth that halves what is left of it in each stretch ends by itself: where the level
//!   it tends to lies below the limit, it is something that fills and stays.
//! - A window shorter than the life counts only where it leads to where the level has not
//!   been before, by a quarter of what it moved in before: the flank of one more tooth, or
//!   one more morning, is no news.

use alloc::vec::Vec;

use super::Grows;
use super::line::{GROUPS_MAX, Line, median};
use super::lows::{Low, Point, grouped};

/// How much worse than by time the fit by requests may be and still be believed. Requests are
/// counted by windows and levels looked at between them, which costs the fit by requests a
/// little; what grows by time under a load that moves fits far better by time, and under one
/// that does not the two say the same.
const BY_TIME_WORSE: f64 = 1.5;

/// Stretches a floor is made of, the finest first.
const GROUPS: [u64; 5] = [GROUPS_MAX, 16, 12, 8, GROUPS_MIN];

/// Fewer lows than this are no floor: Kendall's S needs six to be sure of anything.
const GROUPS_MIN: u64 = 6;

/// Points in a window before anything is said of it.
pub(crate) const POINTS_MIN: usize = 8;

/// A floor that falls back by more than this share of its gain is none yet.
const FALL_BACK_MAX: f64 = 0.25;

/// The second half may differ from the first by this share of the whole slope.
const BEND_MAX: f64 = 0.3;

/// A gain below this many times the points' own distance from the line may be chance.
const GAIN_TO_SPREAD_MIN: f64 = 6.0;

/// A gain below this share of the limit is not yet worth a word.
const GAIN_OF_LIMIT_MIN: f64 = 0.04;

/// The most of the gain that two neighbouring stretches may make beyond their share.
const AT_ONCE_MAX: f64 = 0.3;

/// Requests in a window before growth by the request is looked at.
const REQUESTS_MIN: f64 = 50.0;

/// Growth that goes on.
#[derive(Debug, Clone)]
pub(crate) struct Trend {
    /// By what.
    pub(crate) grows: Grows,
    /// The floor against milliseconds since `from_ms`.
    pub(crate) by_time: Line,
    /// The floor against requests.
    pub(crate) by_requests: Option<Line>,
    /// The floor now.
    pub(crate) floor: f64,
    /// How high above the floor the tips of the teeth are, usually and at most.
    pub(crate) tip: f64,
    pub(crate) tip_max: f64,
    /// The floor's points, for what is compared with them.
    pub(crate) points: Vec<Point>,
    /// Since when it is looked at.
    pub(crate) from_ms: u64,
    /// The requests of at least the younger half of the life.
    pub(crate) requests: Vec<Point>,
}

/// What a history shows.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    /// It grows on and on.
    Grows(Trend),
    /// It grows ever slower, towards a level below the limit.
    LevelsOff,
    /// It does neither, or not for long enough.
    Level,
}

/// Looks at a history. `tooth` is the greatest fall that was ever seen without a restart.
pub(crate) fn shape(lows: &[Low], limit: f64, tooth: f64) -> Shape {
    let (Some(first), Some(last)) = (lows.first(), lows.last()) else {
        return Shape::Level;
    };
    let life = last.at_ms.saturating_sub(first.at_ms);
    let mut span = life;
    loop {
        let from_ms = last.at_ms - span;
        let inside = lows.iter().filter(|low| low.at_ms >= from_ms).count();
        if inside < POINTS_MIN || span == 0 {
            return Shape::Level;
        }
        let whole = span == life;
        if whole || leads_beyond(lows, from_ms) {
            match look(lows, from_ms, limit, tooth) {
                Shape::Level => {}
                found => return found,
            }
        }
        span = span / 4 * 3;
    }
}

/// Whether the window leads to where the level has not been before.
fn leads_beyond(lows: &[Low], from_ms: u64) -> bool {
    let before = lows.iter().take_while(|low| low.at_ms < from_ms);
    let (mut highest, mut second, mut lowest) = (0, 0, u64::MAX);
    for low in before {
        // One spike is no tooth: the second highest counts.
        if low.high >= highest {
            second = highest;
            highest = low.high;
        } else {
            second = second.max(low.high);
        }
        lowest = lowest.min(low.used);
    }
    let recent = lows.len().saturating_sub(3);
    let now = lows[recent..].iter().map(|low| low.used).min();
    let moved = second.saturating_sub(lowest);
    now.is_some_and(|now| now >= second.saturating_add(moved / 4))
}

/// Requests against time, for at least the younger half of the life: a load is seen to rise
/// in a longer time than memory is.
fn requests(lows: &[Low], from_ms: u64) -> Vec<Point> {
    let (Some(first), Some(last)) = (lows.first(), lows.last()) else {
        return Vec::new();
    };
    let half = last.at_ms - (last.at_ms - first.at_ms) / 2;
    grouped(lows, from_ms.min(half), GROUPS_MAX)
}

fn look(lows: &[Low], from_ms: u64, limit: f64, tooth: f64) -> Shape {
    let mut finest = None;
    for count in GROUPS {
        let points = grouped(lows, from_ms, count);
        if points.len() < GROUPS_MIN as usize || (points.len() as u64) < count.min(8) {
            continue;
        }
        let Some(floor) = Floor::of(points) else {
            continue;
        };
        if floor.falls_back() {
            finest.get_or_insert(floor);
            continue;
        }
        return floor.judge(lows, from_ms, limit, tooth);
    }
    match finest {
        Some(floor) if floor.ends_below(limit, 0.0) => Shape::LevelsOff,
        _ => Shape::Level,
    }
}

/// The floor of a window.
struct Floor {
    points: Vec<Point>,
    grows: Grows,
    by_time: Line,
    by_requests: Option<Line>,
}

impl Floor {
    fn of(points: Vec<Point>) -> Option<Self> {
        let pairs = |x: fn(&Point) -> f64| -> Vec<(f64, f64)> {
            points.iter().map(|point| (x(point), point.used)).collect()
        };
        let by_time = Line::through(&pairs(|point| point.at))?;
        let requests = points.last()?.requests - points.first()?.requests;
        let by_requests = (requests >= REQUESTS_MIN)
            .then(|| Line::through(&pairs(|point| point.requests)))
            .flatten();
        let mut floor = Self {
            points,
            grows: Grows::ByTime,
            by_time,
            by_requests,
        };
        if by_requests.is_some_and(|line| line.misfit <= by_time.misfit * BY_TIME_WORSE) {
            floor.grows = Grows::ByRequests;
        }
        Some(floor)
    }

    fn line(&self) -> &Line {
        match (&self.by_requests, self.grows) {
            (Some(line), Grows::ByRequests) => line,
            _ => &self.by_time,
        }
    }

    fn x(&self, point: &Point) -> f64 {
        match self.grows {
            Grows::ByTime => point.at,
            Grows::ByRequests => point.requests,
        }
    }

    /// What it gained.
    fn gain(&self) -> f64 {
        let [first, .., last] = &self.points[..] else {
            return 0.0;
        };
        self.line().slope * (self.x(last) - self.x(first))
    }

    fn falls_back(&self) -> bool {
        let mut highest = f64::MIN;
        let mut fall: f64 = 0.0;
        for point in &self.points {
            highest = highest.max(point.used);
            fall = fall.max(highest - point.used);
        }
        fall > self.gain() * FALL_BACK_MAX
    }

    /// The middle of each of `count` parts.
    fn parts(&self, count: usize) -> Vec<(f64, f64)> {
        let len = self.points.len();
        (0..count)
            .map(|part| {
                let points = &self.points[len * part / count..len * (part + 1) / count];
                let x = points.iter().map(|point| self.x(point)).collect();
                let y = points.iter().map(|point| point.used).collect();
                (median(x), median(y))
            })
            .collect()
    }

    /// The slopes from part to part.
    fn slopes(&self, parts: usize) -> Vec<f64> {
        let parts = self.parts(parts);
        let slope = |pair: &[(f64, f64)]| match pair {
            [(x, y), (later_x, later_y)] if later_x > x => (later_y - y) / (later_x - x),
            _ => 0.0,
        };
        parts.windows(2).map(slope).collect()
    }

    fn is_straight(&self) -> bool {
        let line = self.line();
        let [first, .., last] = &self.points[..] else {
            return false;
        };
        let third = (self.x(last) - self.x(first)) / 3.0;
        let chance = if third > 0.0 {
            line.spread / third
        } else {
            0.0
        };
        let [early, late] = self.slopes(3)[..] else {
            return false;
        };
        (late - early).abs() <= BEND_MAX * line.slope + chance && !self.came_at_once()
    }

    /// Whether most of the gain was made in one go.
    fn came_at_once(&self) -> bool {
        let steps = self.points.len() as f64 - 1.0;
        let gains = self.points.windows(3).map(|all| all[2].used - all[0].used);
        gains.fold(0.0, f64::max) > self.gain() * (AT_ONCE_MAX + 2.0 / steps)
    }

    /// Whether it slows down towards a level below the limit.
    fn ends_below(&self, limit: f64, tip: f64) -> bool {
        let [first, .., last] = &self.points[..] else {
            return false;
        };
        let [_, before, late] = self.slopes(4)[..] else {
            return false;
        };
        let quarter = (self.x(last) - self.x(first)) / 4.0;
        let chance = 2.0 * self.line().spread;
        if before <= 0.0 || late >= before * 0.85 || (before - late) * quarter <= chance {
            return false;
        }
        let left = late.max(0.0) / before;
        let to_come = late.max(0.0) * quarter * (left / (1.0 - left) + 0.5);
        last.used + to_come + tip < limit * 0.97
    }

    fn judge(self, lows: &[Low], from_ms: u64, limit: f64, tooth: f64) -> Shape {
        let line = *self.line();
        let gain = self.gain();
        let (tip, tip_max) = self.tips(lows, from_ms);
        if gain <= 0.0 {
            return Shape::Level;
        }
        if !self.is_straight() {
            return match self.ends_below(limit, tip) {
                true => Shape::LevelsOff,
                false => Shape::Level,
            };
        }
        let certain = line.slope_low > 0.0
            && gain >= line.spread * GAIN_TO_SPREAD_MIN
            && gain >= limit * GAIN_OF_LIMIT_MIN;
        // A climb within the height of a tooth that is known from before may be one more.
        let flank = tip_max < tooth / 2.0 && gain < tooth * 1.25;
        if !certain || flank {
            return Shape::Level;
        }
        let len = self.points.len();
        let late = &self.points[len - (len / 3).max(2)..];
        let above = late
            .iter()
            .map(|point| point.used - line.at(self.x(point)))
            .collect();
        let now = lows.last().map(|low| low.point(from_ms));
        let floor = now.map_or(0.0, |now| line.at(self.x(&now)) + median(above));
        Shape::Grows(Trend {
            grows: self.grows,
            by_time: self.by_time,
            by_requests: self.by_requests,
            floor,
            tip,
            tip_max,
            points: self.points,
            from_ms,
            requests: requests(lows, from_ms),
        })
    }

    /// How high above the line the tips of the teeth are: usually, and at most.
    fn tips(&self, lows: &[Low], from_ms: u64) -> (f64, f64) {
        let line = self.line();
        let mut bounds = self.points.iter().map(|point| point.at).skip(1);
        let mut until = bounds.next().unwrap_or(f64::MAX);
        let (mut tips, mut tip) = (Vec::new(), 0.0_f64);
        for low in lows.iter().filter(|low| low.at_ms >= from_ms).skip(1) {
            let point = low.point(from_ms);
            tip = tip.max(low.high as f64 - line.at(self.x(&point)));
            if point.at >= until {
                tips.push(tip);
                tip = 0.0;
                until = bounds.next().unwrap_or(f64::MAX);
            }
        }
        let highest = tips.iter().copied().fold(0.0, f64::max);
        // The older half was seen more coarsely.
        let late = tips.split_off(tips.len() / 2);
        (median(late).max(0.0), highest)
    }
}
