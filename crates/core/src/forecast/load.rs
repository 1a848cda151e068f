//! The load that is to be expected, and when it has brought so many requests.
//!
//! A load that has risen through the window rises on for as long as it has been seen to
//! rise, and then stays: a morning ends. How much of the rise is believed depends on how far
//! it stands out from the noise of its own counting: the slope is shrunk by its squared share
//! of both (James and Stein's, as in the best linear predictor), so that there is no moment
//! at which a rise is suddenly there. One that falls is not believed to: what it brings is
//! reckoned from the mean. From one and a half days on the same is said of whole days: a load
//! has days and nights.

use alloc::vec::Vec;

use super::line::Line;
use super::lows::Point;

/// A load to be expected; times are milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Requests in a millisecond now.
    pub(crate) rate: f64,
    /// By how much that grows in a millisecond.
    rise: f64,
    /// For how long.
    rises_for: f64,
    /// The highest rate that was seen for a while.
    rate_max: f64,
    /// And the lowest.
    rate_min: f64,
}

impl Load {
    /// The load that is to be expected after what was seen at some points.
    pub(crate) fn after(points: &[Point]) -> Option<Self> {
        let [first, .., last] = points else {
            return None;
        };
        let span = last.at - first.at;
        let mean = (last.requests - first.requests) / span;
        let stretch = match span >= 1.5 * DAY_MS {
            true => DAY_MS,
            // Three of the usual distances: what neighbours count is noisier.
            false => span * 3.0 / points.len() as f64,
        };
        let mut rates: Vec<(f64, f64)> = Vec::new();
        for point in points {
            let from = point.at - stretch;
            if let Some(before) = requests_at(points, from) {
                let rate = (point.requests - before) / stretch;
                rates.push((from + stretch / 2.0, rate));
            }
        }
        let line = Line::through(&rates)?;
        if mean.is_nan() || mean <= 0.0 {
            return None;
        }
        let thirds = |part: usize| {
            let len = rates.len();
            let rates = &rates[len * part / 3..len * (part + 1) / 3];
            let sum: f64 = rates.iter().map(|(_, rate)| rate).sum();
            sum / rates.len() as f64
        };
        let parts = [thirds(0), thirds(1), thirds(2)];
        let rise = line.slope.max(0.0) * believed(&line);
        let falls = line.slope_high < 0.0 && parts[2] < parts[0] * 0.9;
        let rate = match (rise > 0.0, falls) {
            (true, _) => {
                let middle = f64::midpoint(rates.first()?.0, rates.last()?.0);
                line.at(middle) + rise * (last.at - middle)
            }
            (_, true) => mean,
            _ => f64::midpoint(parts[1], parts[2]),
        };
        Some(Self {
            rate: rate.max(if rise > 0.0 { mean } else { 0.0 }),
            rise,
            rises_for: span,
            rate_max: parts.into_iter().fold(rate, f64::max),
            rate_min: parts.into_iter().fold(rate, f64::min),
        })
    }

    /// How long until so many requests have come.
    pub(crate) fn until(&self, requests: f64) -> f64 {
        let Self {
            rate,
            rise,
            rises_for,
            ..
        } = *self;
        let steadily = rise <= rate * 1e-12;
        if steadily {
            return requests / rate;
        }
        let meanwhile = rate * rises_for + rise * rises_for * rises_for / 2.0;
        if requests > meanwhile {
            return rises_for + (requests - meanwhile) / (rate + rise * rises_for);
        }
        let root = super::line::square_root(rate * rate + 2.0 * rise * requests);
        (root - rate) / rise
    }

    /// A share of it.
    pub(crate) fn times(self, share: f64) -> Self {
        Self {
            rate: self.rate * share,
            rise: self.rise * share,
            rises_for: self.rises_for,
            rate_max: self.rate_max * share,
            rate_min: self.rate_min * share,
        }
    }

    /// The same, where it may be as busy as `other` and as quiet.
    pub(crate) fn doubted_by(self, other: Self) -> Self {
        Self {
            rate_max: self.rate_max.max(other.rate_max),
            rate_min: self.rate_min.min(other.rate_min),
            ..self
        }
    }

    /// The same on a busier day, and on a quieter one.
    pub(crate) fn busier(self) -> Self {
        Self {
            rate: self.rate_max,
            ..self
        }
    }

    pub(crate) fn quieter(self) -> Self {
        Self {
            rate: self.rate_min,
            rise: 0.0,
            ..self
        }
    }
}

/// How much of a slope is believed: its square, by that and the square of its own error.
fn believed(line: &Line) -> f64 {
    // 95% of a normal distribution. The interval takes points for independent, of which
    // neighbours share two thirds of what they count.
    let error = (line.slope_high - line.slope_low) / (2.0 * 1.96);
    let (slope, error) = (line.slope * line.slope, error * error * 3.0);
    if slope + error > 0.0 {
        slope / (slope + error)
    } else {
        0.0
    }
}

/// Requests until a time between the points.
fn requests_at(points: &[Point], at: f64) -> Option<f64> {
    let later = points.iter().position(|point| point.at >= at)?;
    let to = &points[later];
    let Some(from) = later.checked_sub(1).map(|before| &points[before]) else {
        return (to.at - at <= to.at * 1e-9).then_some(to.requests);
    };
    let share = (at - from.at) / (to.at - from.at);
    Some(from.requests + (to.requests - from.requests) * share)
}

const DAY_MS: f64 = 86_400_000.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(requests: impl Fn(f64) -> f64) -> Vec<Point> {
        let point = |n: u32| {
            let at = f64::from(n) * 1000.0;
            Point {
                at,
                requests: requests(at),
                used: 0.0,
            }
        };
        (0..=20).map(point).collect()
    }

    #[test]
    fn a_steady_load_goes_on() {
        let load = Load::after(&seen(|at| at * 0.5)).unwrap();
        assert!((load.until(1000.0) - 2000.0).abs() < 1.0);
    }

    #[test]
    fn a_rising_load_rises_on_for_as_long_as_it_was_seen_to() {
        // From none to one in a millisecond after 20 s.
        let load = Load::after(&seen(|at| at * at / 40_000.0)).unwrap();
        assert!((load.rate - 1.0).abs() < 0.01, "{load:?}");
        // Another 20 s bring 30,000.
        assert!((load.until(30_000.0) - 20_000.0).abs() < 50.0);
        assert!((load.until(32_000.0) - 21_000.0).abs() < 50.0);
        assert!(load.busier().until(9000.0) <= load.until(9000.0));
        assert!(load.quieter().until(9000.0) > load.until(9000.0));
    }

    #[test]
    fn no_requests_are_no_load() {
        assert!(Load::after(&seen(|_| 7.0)).is_none());
    }
}
