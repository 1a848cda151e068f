//! The line through points that a few wild ones do not bend: Theil and Sen's.
//!
//! The slope is the median of the slopes of all pairs (Theil 1950, Sen, "Estimates of the
//! regression coefficient based on Kendall's tau", JASA 63, 1968): up to 29% of the points
//! may be anything. Its interval is that of Sen's paper: the order statistics of the same
//! slopes at the ranks that Kendall's S leaves open. At most [`GROUPS_MAX`] points, so at
//! most 276 pairs.

use alloc::vec::Vec;

/// Points a line is drawn through, at most.
pub(crate) const GROUPS_MAX: u64 = 24;

/// A line, and how sure it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    pub(crate) slope: f64,
    /// 95% of the time the slope is not below this, if the points were independent.
    pub(crate) slope_low: f64,
    pub(crate) slope_high: f64,
    pub(crate) intercept: f64,
    /// Median distance of the points from it.
    pub(crate) spread: f64,
    /// Mean of their squared distances, the largest eighth left out: what two lines through
    /// the same points are compared by, because a bend shows in it more than in a median.
    pub(crate) misfit: f64,
}

impl Line {
    /// The line through points `(x, y)`; `None` where they say nothing: fewer than four, or
    /// all at the same place.
    pub(crate) fn through(points: &[(f64, f64)]) -> Option<Self> {
        let count = points.len();
        if count < 4 {
            return None;
        }
        let mut slopes = Vec::with_capacity(count * (count - 1) / 2);
        for (n, (x, y)) in points.iter().enumerate() {
            for (later_x, later_y) in &points[n + 1..] {
                let dx = later_x - x;
                if dx > 0.0 {
                    slopes.push((later_y - y) / dx);
                }
            }
        }
        if slopes.len() < count {
            return None;
        }
        slopes.sort_unstable_by(f64::total_cmp);
        let slope = median_of_sorted(&slopes);
        // Kendall's S has a variance of n(n-1)(2n+5)/18.
        let n = count as f64;
        let reach = 1.96 * square_root(n * (n - 1.0) * (2.0 * n + 5.0) / 18.0);
        let pairs = slopes.len() as f64;
        let rank = ((pairs - reach) / 2.0).max(0.0) as usize;
        let intercepts = points.iter().map(|(x, y)| y - slope * x);
        let intercept = median(intercepts.collect());
        let residuals = points
            .iter()
            .map(|(x, y)| (y - intercept - slope * x).abs());
        let mut residuals: Vec<f64> = residuals.collect();
        residuals.sort_unstable_by(f64::total_cmp);
        let kept = &residuals[..count - count / 8];
        let squares: f64 = kept.iter().map(|residual| residual * residual).sum();
        Some(Self {
            slope,
            slope_low: slopes[rank],
            slope_high: slopes[slopes.len() - 1 - rank],
            intercept,
            spread: median_of_sorted(&residuals),
            misfit: squares / kept.len() as f64,
        })
    }

    /// Where it is at `x`.
    pub(crate) fn at(&self, x: f64) -> f64 {
        self.intercept + self.slope * x
    }
}

/// The middle of some values; zero of none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    median_of_sorted(&values)
}

fn median_of_sorted(values: &[f64]) -> f64 {
    match values.len() {
        0 => 0.0,
        count if count % 2 == 1 => values[count / 2],
        count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
    }
}

/// By Newton: the core has no library of functions.
pub(crate) fn square_root(of: f64) -> f64 {
    if of <= 0.0 {
        return 0.0;
    }
    let mut root = if of > 1.0 { of } else { 1.0 };
    for _ in 0..60 {
        root = f64::midpoint(root, of / root);
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_wild_points_does_not_bend_it() {
        let points: Vec<(f64, f64)> = (0..20)
            .map(|n| {
                let x = f64::from(n);
                let wild = n % 4 == 1;
                (x, if wild { 500.0 } else { 10.0 + 3.0 * x })
            })
            .collect();
        let line = Line::through(&points).unwrap();
        assert!((line.slope - 3.0).abs() < 0.5, "{line:?}");
        assert!(line.slope_low <= line.slope && line.slope <= line.slope_high);
    }

    #[test]
    fn points_at_one_place_make_no_line() {
        assert!(Line::through(&[(1.0, 2.0); 9]).is_none());
        assert!(Line::through(&[(1.0, 2.0), (2.0, 3.0)]).is_none());
    }

    #[test]
    fn roots_are_right() {
        for of in [0.0, 1e-6, 0.25, 2.0, 144.0, 1e12] {
            let root = square_root(of);
            assert!((root * root - of).abs() <= of * 1e-9, "{of}");
        }
    }
}
