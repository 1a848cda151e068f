//! Checks: how each went last, and how long they took lately, plotted.

use std::time::Duration;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use evenkeel_core::ids::CheckId;
use evenkeel_core::observation::CheckOutcome;
use evenkeel_core::policy::CheckPolicy;
use evenkeel_core::status::Status;
use evenkeel_core::subject::Subject;
use maud::{Markup, html};

use super::gate::Desk;
use super::plot::{Dot, Look, Plot, shown};
use super::{facts, more, not_found};
use crate::pump::board::History;
use crate::web::{clock, shape};

/// Checks in the list.
const LISTED_MAX: usize = 300;

pub(super) async fn list(desk: Desk) -> Markup {
    let (live, now) = (&desk.live, desk.now);
    let mut checks: Vec<(&CheckId, &CheckPolicy, Option<History>)> = desk
        .site
        .policy
        .checks
        .iter()
        .map(|(id, policy)| (id, policy, live.checks.of(id)))
        .collect();
    // What is wrong first, then what is not known.
    checks.sort_by_key(|(_, _, history)| std::cmp::Reverse(standing(history.as_ref()).0));
    let body = html! {
        h1 { "Checks" }
        @if checks.is_empty() { p.dim { "There is no check: name one as [[check]] in the configuration." } }
        @else {
            table {
                thead { tr { th { "Check" } th { "Last result" } th.number { "Took" } th { "Lately" } th { "When" } } }
                tbody {
                    @for (id, policy, history) in checks.iter().take(LISTED_MAX) {
                        @let (status, word) = standing(history.as_ref());
                        tr {
                            td { a href={ "/checks/" (id) } { (called(id, policy)) } }
                            td { span class=(shape::class(status)) { (shape::of(status)) " " (word) } (why(history.as_ref())) }
                            td.number { @if let Some(history) = history { (shown(f64::from(history.last.took_ms) / 1000.0)) } }
                            td { (spark(history.as_ref())) }
                            td { @if let Some(history) = history { (clock::ago(history.at, now)) } }
                        }
                    }
                }
            }
            (more(checks.len(), LISTED_MAX, "evenkeel status --json"))
        }
    };
    desk.page_with("Checks", true, body)
}

fn called<'a>(id: &'a CheckId, policy: &'a CheckPolicy) -> &'a str {
    match policy.name.as_str() {
        "" => id.as_str(),
        name => name,
    }
}

/// How the last result stands, as a status that has a shape.
fn standing(history: Option<&History>) -> (Status, &'static str) {
    match history.map(|history| &history.last.outcome) {
        None => (Status::Unknown, "not seen yet"),
        Some(CheckOutcome::Passed) => (Status::Operational, "passed"),
        Some(CheckOutcome::Failed { .. }) => (Status::MajorOutage, "failed"),
        Some(CheckOutcome::NotMade { .. }) => (Status::Unknown, "could not be made"),
    }
}

fn why(history: Option<&History>) -> Markup {
    html! {
        @match history.map(|history| &history.last.outcome) {
            Some(CheckOutcome::Failed { why, step }) => {
                p.dim { @if let Some(step) = step { "at step " (step) ": " } (why) }
            }
            Some(CheckOutcome::NotMade { why }) => p.dim { (why) },
            _ => {}
        }
    }
}

/// Sixty results as bars: how long, and a gap where one failed.
fn spark(history: Option<&History>) -> Markup {
    let Some(history) = history.filter(|history| !history.points.is_empty()) else {
        return html! {};
    };
    let newest: Vec<_> = history.points.iter().rev().take(60).rev().collect();
    let top = newest
        .iter()
        .map(|point| point.took_ms)
        .max()
        .unwrap_or(1)
        .max(1);
    let failed = newest
        .iter()
        .filter(|point| point.passed == Some(false))
        .count();
    let label = format!("the newest {} results, {failed} failed", newest.len());
    html! {
        svg.spark viewBox="0 0 120 20" width="120" height="20" role="img" aria-label=(label) {
            @for (place, point) in newest.iter().enumerate() {
                @let height = 2.0 + 16.0 * f64::from(point.took_ms) / f64::from(top);
                @match point.passed {
                    Some(true) => rect.good x=(place * 2) y=(format!("{:.1}", 20.0 - height)) width="1.4" height=(format!("{height:.1}")) {},
                    Some(false) => rect.bad x=(place * 2) y="0" width="1.6" height="20" {},
                    None => rect.open x=(place * 2) y="18" width="1.4" height="2" {},
                }
            }
        }
    }
}

pub(super) async fn one(desk: Desk, Path(id): Path<String>) -> Response {
    let (live, now) = (&desk.live, desk.now);
    let id = CheckId::from(id);
    let Some(policy) = desk.site.policy.checks.get(&id) else {
        return not_found(desk).await;
    };
    let history = live.checks.of(&id);
    let (status, word) = standing(history.as_ref());
    let subject = Subject::Check(id.clone());
    let findings: Vec<_> = live
        .record
        .findings
        .values()
        .filter(|open| open.finding.key.subject == subject)
        .collect();
    let body = html! {
        h1 { (called(&id, policy)) }
        p {
            strong class=(shape::class(status)) { (shape::of(status)) " " (word) }
            @if let Some(history) = &history { " · " (clock::ago(history.at, now)) " · took " (shown(f64::from(history.last.took_ms) / 1000.0)) }
        }
        (why(history.as_ref()))
        @for open in &findings {
            div.card {
                p { strong { (open.finding.title) } " " span.dim { "since " (clock::ago(open.opened_at, now)) }
                    @if let Some(incident) = open.incident { " · " a href={ "/incidents/" (incident) } { (incident) } } }
                p { (open.finding.reason) }
                (facts(&open.finding.facts))
            }
        }
        h2 { "How long it took" }
        @match history.as_ref().filter(|history| !history.points.is_empty()) {
            Some(history) => (plot(&desk, policy, history)),
            None => p.dim { "Nothing to plot: no result was seen since the start, or there are more checks than are plotted." },
        }
        dl.facts {
            div { dt { "id" } dd { code { (id) } } }
            div { dt { "every" } dd { (shown(policy.interval.as_secs_f64())) } }
            div { dt { "timeout" } dd { (shown(policy.timeout.as_secs_f64())) } }
            div { dt { "counts after" } dd { (policy.failures) " failures in a row" } }
            @if let Some(at) = history.as_ref().and_then(|history| history.last.certificate_expires_at) {
                div { dt { "certificate until" } dd { (clock::ago(at, now)) } }
            }
            @if !policy.components.is_empty() {
                div { dt { "hurts" } dd { @for component in &policy.components { (desk.site.component_name(component)) " " } } }
            }
        }
    };
    desk.page_with(called(&id, policy), true, body)
        .into_response()
}

fn plot(desk: &Desk, policy: &CheckPolicy, history: &History) -> Markup {
    let dots: Vec<Dot> = history
        .points
        .iter()
        .map(|point| {
            let value = Duration::from_millis(point.took_ms.into());
            let (look, word) = match point.passed {
                Some(true) => (Look::Good, "passed"),
                Some(false) => (Look::Bad, "failed"),
                None => (Look::Open, "could not be made"),
            };
            Dot {
                at: point.at,
                value,
                look,
                title: format!(
                    "{} {word}, {}",
                    clock::second(point.at, desk.now),
                    shown(value.as_secs_f64())
                ),
                link: String::new(),
            }
        })
        .collect();
    let mut thresholds = vec![(policy.timeout, "timeout")];
    if let Some(slow) = policy.slow_after {
        thresholds.push((slow, "slow"));
    }
    let marks: Vec<_> = desk
        .live
        .record
        .incidents
        .values()
        .map(|incident| {
            (
                incident.opened_at,
                format!("{}: {}", incident.id, incident.title),
            )
        })
        .collect();
    let label = format!("How long the newest {} results took", dots.len());
    let from = history.points.front().map_or(desk.now, |point| point.at);
    let plot = Plot {
        label: &label,
        dots: &dots,
        thresholds: &thresholds,
        marks: &marks,
        from,
        to: desk.now,
        joined: true,
    };
    html! {
        (plot.draw())
        p.dim { "The line: it passed. ✕ it failed, ○ it could not be made, ▼ an incident was opened. The newest " (history.points.len()) " results." }
    }
}
