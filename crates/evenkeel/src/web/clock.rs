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

/// A sentence in which each of these times is for machines, too, where it is said; in the
/// order in which the sentence has them.
pub fn within(sentence: &str, times: &[(Timestamp, String)]) -> Markup {
    let mut rest = sentence;
    let parts = times.iter().filter_map(|(at, said)| {
        let (before, after) = rest.split_once(said.as_str())?;
        rest = after;
        Some((before, element(*at, said)))
    });
    let parts: Vec<_> = parts.collect();
    html! {
        @for (before, time) in parts { (before) (time) }
        (rest)
    }
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
    fn a_time_within_a_sentence_is_for_machines_too() {
        let (from, to) = (Timestamp::UNIX_EPOCH, Timestamp::from_second(60).unwrap());
        let times = [(from, "00:00 UTC".into()), (to, "00:01 UTC".into())];
        assert_eq!(
            within("00:00 UTC to 00:01 UTC, <short>", &times).into_string(),
            "<time datetime=\"1970-01-01T00:00:00Z\">00:00 UTC</time> to \
             <time datetime=\"1970-01-01T00:01:00Z\">00:01 UTC</time>, &lt;short&gt;"
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
