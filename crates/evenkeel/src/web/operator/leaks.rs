//! What fills up, and when it runs out.

use evenkeel_core::Timestamp;
use evenkeel_core::forecast::{Exhausts, Forecast, Grows};
use evenkeel_core::observation::{Level, Resource};
use evenkeel_core::subject::Subject;
use maud::{Markup, html};

use super::chart::{Chart, Fan, Line};
use super::gate::Desk;
use super::more;
use crate::report::edge::{FillReport, fill};
use crate::web::{amounts, clock};

/// Plots of what runs out.
const DRAWN_MAX: usize = 12;

/// Rows of what there is.
const LISTED_MAX: usize = 300;

/// How far beyond now a plot looks at most, as a share of what it looks back.
const AHEAD: f64 = 1.0;

pub(super) async fn page(desk: Desk) -> Markup {
    let all = fill(&desk.live);
    let mut ending: Vec<(&FillReport, &Forecast)> = all
        .iter()
        .flat_map(|report| {
            report
                .forecasts
                .iter()
                .map(move |forecast| (report, forecast))
        })
        .collect();
    ending.sort_by_key(|(_, forecast)| forecast.exhausts.earliest);
    let levels: Vec<(&FillReport, &Level)> = all
        .iter()
        .flat_map(|report| report.levels.iter().map(move |level| (report, level)))
        .collect();
    let title = match (ending.first(), levels.is_empty()) {
        (Some((report, first)), _) => format!(
            "{} runs out of {} {}",
            named(&report.of),
            what_ends(&first.resource),
            when(&first.exhausts, desk.now)
        ),
        (None, true) => "Nothing that fills up has been seen yet".to_owned(),
        (None, false) => "Nothing is running out".to_owned(),
    };
    let body = html! {
        h1 { (title) }
        @for (report, forecast) in ending.iter().take(DRAWN_MAX) { (card(&desk, report, forecast)) }
        (more(ending.len(), DRAWN_MAX, "evenkeel leaks"))
        @if !levels.is_empty() {
            h2 { "How full everything is" }
            table {
                thead { tr { th { "Of" } th { "What" } th.number { "Used" } th.number { "Of at most" } th.number { "Full" } th { "Seen" } } }
                tbody {
                    @for (report, level) in levels.iter().take(LISTED_MAX) {
                        tr {
                            td { (named(&report.of)) @if let Some(release) = &report.release { p.dim { "release " (release) } } }
                            td { (amounts::name(&level.resource)) }
                            td.number { (amounts::shown(&level.resource, level.used)) }
                            td.number { @match level.limit { Some(limit) => (amounts::shown(&level.resource, limit)), None => span.dim { "no limit known" } } }
                            td.number { @if let Some(limit) = level.limit { (percent(level.used, limit)) " %" } }
                            td { (clock::ago(report.at, desk.now)) }
                        }
                    }
                }
            }
            (more(levels.len(), LISTED_MAX, "evenkeel leaks"))
        }
    };
    desk.page_with("Leaks", true, body)
}

fn percent(used: u64, limit: u64) -> u128 {
    u128::from(used) * 100 / u128::from(limit.max(1))
}

/// The name alone, where the kind says itself.
fn named(subject: &Subject) -> String {
    match subject {
        Subject::Instance(id) => id.to_string(),
        Subject::Volume(id) => format!("volume {id}"),
        Subject::Database(id) => format!("database {id}"),
        other => other.to_string(),
    }
}

/// What there is no more of then.
fn what_ends(resource: &Resource) -> String {
    match resource {
        Resource::DiskBytes => "disk space".into(),
        Resource::Inodes => "room for files".into(),
        Resource::Sequence(name) => format!("numbers of sequence {name}"),
        Resource::TransactionAge => "transaction ids".into(),
        other => amounts::name(other),
    }
}

/// `about 14:10 UTC (13:40–15:05)`.
fn when(exhausts: &Exhausts, now: Timestamp) -> String {
    let short = |at| {
        let text = clock::minute(at, now);
        text.trim_end_matches(" UTC").to_owned()
    };
    let likely = clock::minute(exhausts.likely, now);
    // The end of time is no time.
    match [exhausts.likely, exhausts.latest].map(|at| at == Timestamp::MAX) {
        [true, _] => format!(
            "some day, not before {}",
            clock::minute(exhausts.earliest, now)
        ),
        [_, true] => format!("about {likely} (not before {})", short(exhausts.earliest)),
        _ => {
            let (earliest, latest) = (short(exhausts.earliest), short(exhausts.latest));
            let dash = match earliest.contains(' ') || latest.contains(' ') {
                true => " – ",
                false => "–",
            };
            format!("about {likely} ({earliest}{dash}{latest})")
        }
    }
}

fn card(desk: &Desk, report: &FillReport, forecast: &Forecast) -> Markup {
    let amount = |amount| amounts::shown(&forecast.resource, amount);
    html! {
        div.card {
            p { strong { (named(&report.of)) ": " (amounts::name(&forecast.resource)) }
                " grows by " (amount(forecast.per_hour)) " an hour"
                @if let Some(each) = forecast.per_1000_requests { ", " (amount(each)) " in a thousand requests" }
                "." }
            p { "Runs out " strong { (when(&forecast.exhausts, desk.now)) } "."
                @if forecast.grows == Grows::ByRequests { " A busy day shortens that." } }
            (plot(desk, report, forecast))
            p.dim { "▼ now" @if report.started_at.is_some() { ", and when it was started" } ". The shaded stretch is when it runs out." }
            dl.facts {
                div { dt { "after the last collection" } dd { (amount(forecast.used)) " of " (amount(forecast.limit)) } }
                div { dt { "grows since" } dd { (clock::ago(forecast.grows_since, desk.now)) } }
                @if let Some(release) = &forecast.since_release { div { dt { "came with release" } dd { (release) } } }
                @if forecast.alone { div { dt { "its siblings" } dd { "do not grow so" } } }
                @if let Some(at) = report.started_at { div { dt { "started" } dd { (clock::ago(at, desk.now)) } } }
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "drawn on a few hundred pixels")]
fn plot(desk: &Desk, report: &FillReport, forecast: &Forecast) -> Markup {
    let points = desk.live.fill.of(&report.of, &forecast.resource);
    let Some(first) = points.first() else {
        return html! {};
    };
    let line = |name, value: fn(&crate::pump::fill::Point) -> u64| Line {
        name,
        points: points
            .iter()
            .map(|point| (point.at, Some(value(point) as f64)))
            .collect(),
    };
    let back = desk.now.duration_since(first.at).as_secs_f64().max(60.0);
    let furthest =
        desk.now + jiff::SignedDuration::try_from_secs_f64(back * AHEAD).unwrap_or_default();
    let exhausts = &forecast.exhausts;
    let ends = exhausts.latest.min(furthest).max(desk.now);
    let is_in_sight = exhausts.earliest < ends;
    let lines = [
        line("lowest", |point| point.low),
        line("highest", |point| point.high),
    ];
    // From where it stands to the limit.
    let fan = Fan {
        at: forecast.reckoned_at,
        value: forecast.used as f64,
        reaches: forecast.limit as f64,
        when: [exhausts.earliest, exhausts.likely, exhausts.latest],
    };
    let marks: Vec<_> = report
        .started_at
        .into_iter()
        .map(|at| (at, "it was started".to_owned()))
        .chain([(desk.now, "now".to_owned())])
        .collect();
    let shown: fn(f64) -> String = match amounts::is_bytes(&forecast.resource) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "levels of an axis are whole and not negative"
        )]
        true => |value| amounts::bytes(value as u64),
        false => |value| format!("{value:.0}"),
    };
    let label = format!(
        "{} of {} over time",
        amounts::name(&forecast.resource),
        named(&report.of)
    );
    Chart {
        label: &label,
        lines: &lines,
        thresholds: &[(forecast.limit as f64, "limit")],
        stretch: is_in_sight.then_some((exhausts.earliest, exhausts.latest.min(ends), "runs out")),
        fan: Some(fan),
        marks: &marks,
        from: first.at,
        to: ends,
        shown,
        binary: amounts::is_bytes(&forecast.resource),
    }
    .draw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_with_its_interval_as_far_as_there_is_one() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let now = at("2026-11-18T09:00:00Z");
        let exhausts = Exhausts {
            earliest: at("2026-11-18T13:40:00Z"),
            likely: at("2026-11-18T14:10:00Z"),
            latest: at("2026-11-19T15:05:00Z"),
        };
        let said = when(&exhausts, now);
        assert_eq!(said, "about 14:10 UTC (13:40 – 19 Nov 15:05)");
        let short = Exhausts {
            latest: at("2026-11-18T15:05:00Z"),
            ..exhausts
        };
        assert_eq!(when(&short, now), "about 14:10 UTC (13:40–15:05)");
        let open = Exhausts {
            latest: Timestamp::MAX,
            ..exhausts
        };
        assert_eq!(when(&open, now), "about 14:10 UTC (not before 13:40)");
        let far = Exhausts {
            likely: Timestamp::MAX,
            ..open
        };
        assert_eq!(when(&far, now), "some day, not before 13:40 UTC");
    }
}
