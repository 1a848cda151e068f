//! When an authority is asked: for a renewal, and again after a failure.

use std::time::Duration;

use evenkeel_core::Timestamp;

use crate::acme::store::Held;
use crate::settings::Backoff;

/// When it is renewed: when a third of its life remains. For ninety days that leaves a month
/// of tries, which is what Let's Encrypt advises; for six days it leaves two.
pub(super) fn due(held: &Held) -> Timestamp {
    let life = held.ends_at.duration_since(held.begins_at);
    held.ends_at.checked_sub(life / 3).unwrap_or(held.ends_at)
}

/// How long nobody is asked after so many failures in a row: doubled each time, and up to a
/// quarter more by `dice`, so that edges that failed together do not come back together.
pub(super) fn backoff(failures: u32, backoff: Backoff, dice: u8) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    let wait = backoff.first.saturating_mul(doubled).min(backoff.most);
    wait + wait / 4 * u32::from(dice) / 255
}

/// A wait as people say it.
pub(super) fn written(wait: Duration) -> String {
    match wait.as_secs() {
        seconds @ ..120 => format!("{} s", seconds.max(1)),
        seconds @ ..7200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_authority_is_asked_four_times_in_the_first_hour_and_four_times_a_day_later() {
        for dice in [0, 255] {
            let wait = |failures| backoff(failures, Backoff::default(), dice);
            let hour = Duration::from_secs(3600);
            let mut asked_at = vec![Duration::ZERO];
            for failures in 1..=20 {
                asked_at.push(asked_at[asked_at.len() - 1] + wait(failures));
            }
            let first = asked_at.iter().filter(|at| **at <= hour).count();
            assert_eq!(first, 4, "{asked_at:?}");
            let later = wait(20);
            assert!(later >= 6 * hour && later <= 8 * hour, "{later:?}");
            assert_eq!(wait(u32::MAX), later);
        }
    }
}
