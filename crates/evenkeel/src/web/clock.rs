//! Times on pages: with their zone, and how long ago beside.

use evenkeel_core::Timestamp;
use evenkeel_core::time;
use jiff::tz::TimeZone;
use maud::{Markup, html};

/// `02:14 UTC` on the day of `now`, else `18 Nov 02:14 UTC`, with the year when it is
/// another one.
pub fn minute(at: Timestamp, now: Timestamp) -> String {
    shown(at, now, "%H:%M UTC")
}

/// The same, with seconds.
pub fn second(at: Timestamp, now: Timestamp) -> String {
    shown(at, now, "%H:%M:%S UTC")
}

/// `18 November 2026`.
pub fn day(at: Timestamp) -> String {
    let at = at.to_zoned(TimeZone::UTC);
    at.strftime("%-d %B %Y").to_string()
}

fn shown(at: Timestamp, now: Timestamp, clock: &str) -> String {
    let (at, now) = (at.to_zoned(TimeZone::UTC), now.to_zoned(TimeZone::UTC));
    let day = if at.date() == now.date() {
        ""
    } else if at.year() == now.year() {
        "%-d %b "
    } else {
        "%-d %b %Y "
    };
    at.strftime(&format!("{day}{clock}")).to_string()
}

/// `3 min`, `2 h 5 min`, `4 days`: two parts at most, and the first says most.
pub fn span(from: Timestamp, to: Timestamp) -> String {
    let seconds = time::since(from, to).as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} min"),
        3600..86400 if minutes % 60 == 0 => format!("{hours} h"),
        3600..86400 => format!("{hours} h {} min", minutes % 60),
        _ if days == 1 => "1 day".into(),
        _ => format!("{days} days"),
    }
}

/// A time for a page, machine-readable beside.
pub fn element(at: Timestamp, text: &str) -> Markup {
    html! { time datetime=(at.strftime("%Y-%m-%dT%H:%M:%SZ")) { (text) } }
}

/// `02:14 UTC (3 min ago)`; `(in 3 min)` for what is to come.
pub fn ago(at: Timestamp, now: Timestamp) -> Markup {
    html! {
        (element(at, &second(at, now)))
        " "
        span.ago {
            @if at > now { "(in " (span(now, at)) ")" } @else { "(" (span(at, now)) " ago)" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_day_is_named() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-11-18T02:16:00Z");
        assert_eq!(minute(at("2026-11-18T02:14:09Z"), now), "02:14 UTC");
        assert_eq!(minute(at("2026-11-07T02:14:09Z"), now), "7 Nov 02:14 UTC");
        assert_eq!(
            second(at("2025-11-07T02:14:09Z"), now),
            "7 Nov 2025 02:14:09 UTC"
        );
    }

    #[test]
    fn spans_are_said_in_two_parts_at_most() {
        for (seconds, said) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3600, "1 h"),
            (7500, "2 h 5 min"),
            (86400, "1 day"),
            (400_000, "4 days"),
        ] {
            let to = Timestamp::from_second(seconds).unwrap();
            assert_eq!(span(Timestamp::UNIX_EPOCH, to), said);
        }
    }

    #[test]
    fn a_clock_that_ran_backwards_says_zero() {
        let later = Timestamp::from_second(100).unwrap();
        assert_eq!(span(later, Timestamp::UNIX_EPOCH), "0 s");
    }
}
