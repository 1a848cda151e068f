//! Since when something grows more than it did before: a cumulative sum.
//!
//! Page's CUSUM (Biometrika 41, 1954) of what the floor gained from point to point, less
//! what it would have gained at the pace of before. A drift of half a spread is allowed at
//! each step, and five spreads decide, the textbook's choice: about one false alarm in a
//! thousand steps, and a shift of one spread is seen after ten. A release is compared with
//! the one before it by this, which RESIN's authors and others found to beat every test of
//! a trend alone: what grows may have always grown.

use alloc::vec::Vec;

use super::line::median;

/// How many spreads decide.
const DECIDES: f64 = 5.0;

/// What each step is allowed, in spreads.
const ALLOWED: f64 = 0.5;

/// A spread in median absolute deviations, and in mean ones, of a normal distribution.
const OF_MEDIAN: f64 = 1.4826;
const OF_MEAN: f64 = 1.2533;

/// Since which point `(x, y)` the gain exceeds `pace` for each `x`; `None` where it does
/// not.
pub(crate) fn exceeds_since(points: &[(f64, f64)], pace: f64) -> Option<usize> {
    let gains: Vec<f64> = points
        .windows(2)
        .map(|pair| (pair[1].1 - pair[0].1) - pace * (pair[1].0 - pair[0].0))
        .collect();
    let middle = median(gains.clone());
    let around: Vec<f64> = gains.iter().map(|gain| (gain - middle).abs()).collect();
    let mean = around.iter().sum::<f64>() / around.len().max(1) as f64;
    let total: f64 = gains.iter().sum();
    // Where more than half of the gains are the same, their median deviation is none at all,
    // however much the others differ; the mean one is not.
    let deviation = match median(around) {
        middle if middle > 0.0 => middle * OF_MEDIAN,
        _ => mean * OF_MEAN,
    };
    // Points without any noise have no spread: a fiftieth of the whole is one then.
    let spread = deviation.max(total.abs() / 50.0);
    if spread <= 0.0 {
        return None;
    }
    let (mut sum, mut since) = (0.0, 0);
    for (n, gain) in gains.iter().enumerate() {
        sum += gain - ALLOWED * spread;
        if sum <= 0.0 {
            (sum, since) = (0.0, n + 1);
        }
    }
    (sum > DECIDES * spread).then_some(since)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_dated_to_where_it_began() {
        let points: Vec<(f64, f64)> = (0..24)
            .map(|n| {
                let noise = f64::from(n * 7 % 5);
                let x = f64::from(n);
                (x, noise + if n > 8 { (x - 8.0) * 10.0 } else { 0.0 })
            })
            .collect();
        let since = exceeds_since(&points, 0.0).unwrap();
        assert!((6..=10).contains(&since), "{since}");
    }

    #[test]
    fn what_grows_as_it_did_before_is_not_new() {
        let points: Vec<(f64, f64)> = (0..24)
            .map(|n| (f64::from(n), f64::from(n * 10 + n * 7 % 5)))
            .collect();
        assert_eq!(exceeds_since(&points, 10.0), None);
        assert!(exceeds_since(&points, 3.0).is_some());
    }
}
