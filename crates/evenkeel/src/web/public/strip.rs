//! Ninety days as a strip: one bar a day, as tall as the day was bad.
//!
//! Height says it, colour only repeats it: read in grey, or on paper, it is the same
//! strip. A stretch of equal days is one dashed line, so that a quiet year costs forty
//! bytes and only change costs more.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use evenkeel_core::Timestamp;
use evenkeel_core::record::{ComponentState, DAYS_KEPT, Day, DayTally};
use evenkeel_core::status::Status;
use maud::{Markup, PreEscaped, html};

use crate::public::words::{Spent, Words};
use crate::web::shape;

/// Width of a day with its gap, in the drawing's units. The dash is in the style sheet.
const DAY: usize = 8;
const HEIGHT: usize = 28;

/// Bad days that get a line of text in words; the newest.
const NAMED_MAX: usize = 10;

/// How tall a day's bar is.
fn height(day: Option<Status>) -> usize {
    match day {
        None => 2,
        Some(Status::Operational) => 8,
        Some(Status::Unknown) => 5,
        Some(Status::UnderMaintenance) => 11,
        Some(Status::DegradedPerformance) => 15,
        Some(Status::PartialOutage) => 21,
        Some(Status::MajorOutage) => HEIGHT,
    }
}

/// A component's strip, with what it says in words beside it.
pub(super) fn strip(
    words: &Words,
    name: &str,
    state: Option<&ComponentState>,
    now: Timestamp,
) -> Markup {
    let days = state.map(|state| state.history(now)).unwrap_or_default();
    let total = |wanted: fn(Status) -> bool| -> u64 {
        let spent = days.values().flat_map(|day| &day.0);
        spent
            .filter(|(status, _)| wanted(**status))
            .map(|(_, ms)| ms)
            .sum()
    };
    let summary = words.history(&Spent {
        all_ms: total(|_| true),
        harmed_ms: total(Status::is_harm),
        maintained_ms: total(|status| status == Status::UnderMaintenance),
        unknown_ms: total(|status| status == Status::Unknown),
    });
    let (from, to) = (words.day(first(now).start()), words.day(now));
    let label = words.strip(name, &from, &to, &summary);
    html! {
        svg.strip viewBox=(format!("0 0 {} {HEIGHT}", DAY * DAYS_KEPT))
            preserveAspectRatio="none" role="img" aria-label=(label) {
            (PreEscaped(bars(&days, now)))
        }
        p.scale {
            span { (from) }
            span { (summary) }
            span { (to) }
        }
    }
}

/// The first of the days that are shown.
fn first(now: Timestamp) -> Day {
    Day(Day::of(now).0 - (DAYS_KEPT as i64 - 1))
}

fn bars(days: &BTreeMap<Day, DayTally>, now: Timestamp) -> String {
    let first = first(now);
    let worst = |place: usize| {
        let day = Day(first.0 + place as i64);
        days.get(&day).and_then(DayTally::worst)
    };
    let mut svg = String::new();
    let mut place = 0;
    while place < DAYS_KEPT {
        let of = worst(place);
        let run = (place..DAYS_KEPT).take_while(|p| worst(*p) == of).count();
        let class = of.map_or("none", shape::class);
        let (width, tall) = (run * DAY, height(of));
        // Writing to a text cannot fail.
        let _written = write!(
            svg,
            r#"<path class="{class}" d="M{} {}h{width}" stroke-width="{tall}"/>"#,
            place * DAY,
            (2 * HEIGHT - tall) as f32 / 2.0,
        );
        place += run;
    }
    svg
}

/// The newest bad days in words, for a reader who cannot see the strip or point at it.
pub(super) fn bad_days(
    words: &Words,
    state: Option<&ComponentState>,
    now: Timestamp,
) -> Vec<(String, String)> {
    let days = state.map(|state| state.history(now)).unwrap_or_default();
    days.iter()
        .rev()
        .filter_map(|(day, tally)| {
            let worst = tally.worst().filter(|status| status.is_harm())?;
            Some((words.day_of_year(day.start()), words.status(worst)))
        })
        .take(NAMED_MAX)
        .collect()
}
