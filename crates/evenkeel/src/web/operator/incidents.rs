//! Incidents: the list, and each with everything that belongs to it as a time line.

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use evenkeel_core::Timestamp;
use evenkeel_core::ids::IncidentId;
use evenkeel_core::message::Body;
use evenkeel_core::record::Phase;
use maud::{Markup, html};

use super::gate::Desk;
use super::{facts, more, not_found, overview, telling, writing};
use crate::report::{self, IncidentReport};
use crate::web::{clock, shape};

/// Incidents in the list.
const LISTED_MAX: usize = 100;

pub(super) async fn list(desk: Desk) -> Markup {
    let (live, now) = (&desk.live, desk.now);
    let incidents = report::incidents(&live.record);
    let body = html! {
        h1 { "Incidents" }
        @if incidents.is_empty() { p.dim { "None yet." } }
        @else {
            table {
                thead { tr { th { "Incident" } th { "What" } th { "Stands" } th { "Opened" } th { "Lasted" } } }
                tbody {
                    @for incident in incidents.iter().take(LISTED_MAX) {
                        tr {
                            td.number { a href={ "/incidents/" (incident.id) } { (incident.id) } }
                            td {
                                (incident.title)
                                @if !incident.harmed.is_empty() {
                                    p.dim {
                                        "Hurt: "
                                        @for (id, status) in &incident.harmed {
                                            span class=(shape::class(*status)) { (shape::of(*status)) } " "
                                            (desk.site.component_name(id)) " "
                                        }
                                    }
                                }
                            }
                            td { (incident.status.as_str()) }
                            td { (clock::ago(incident.opened_at, now)) }
                            td.number { (clock::span(incident.opened_at, incident.resolved_at.unwrap_or(now))) }
                        }
                    }
                }
            }
            (more(incidents.len(), LISTED_MAX, "evenkeel incidents"))
        }
    };
    desk.page("Incidents", body)
}

pub(super) async fn one(desk: Desk, Path(id): Path<String>) -> Response {
    let (live, now) = (&desk.live, desk.now);
    let found = id.parse::<IncidentId>().ok();
    let Some(report) = found.and_then(|id| report::incident(&live.record, id)) else {
        return not_found(desk).await;
    };
    let incident = &report.incident;
    let body = html! {
        h1 { (incident.id) ": " (incident.title) }
        p {
            strong { (incident.status.as_str()) } " since " (clock::ago(incident.status_since, now))
            " · opened " (clock::ago(incident.opened_at, now))
            @if let Some(at) = incident.resolved_at {
                " · lasted " (clock::span(incident.opened_at, at))
            }
            @if incident.reopened_count > 0 { " · reopened " (incident.reopened_count) " times" }
            @if let Some(by) = &incident.acknowledged_by { " · looked after by " (by) }
        }
        @if incident.resolved_at.is_none() && incident.acknowledged_by.is_none() {
            (desk.form("acknowledge", &[("incident", &incident.id.to_string())], html! {
                button type="submit" { "I look after it" }
                span { "Your name stands beside the incident, and nobody further is called for it. Nothing else changes." }
            }))
        }
        @if live.record.postmortem(incident.id).is_some() {
            p { a href={ "/postmortems/" (incident.id) } { "The post-mortem: what happened, why, and what is done about it" } }
        }
        (telling::pending(&desk, incident))
        (drawing(&report, now))
        @if !report.findings.is_empty() {
            h2 { "What holds now" }
            @for finding in &report.findings {
                div.card {
                    p { strong { (finding.finding.title) } " " span.dim { (clock::ago(finding.opened_at, now)) } }
                    p { (finding.finding.reason) }
                    (facts(&finding.finding.facts))
                }
            }
        }
        h2 { "What was done, or would have been" }
        @if report.actions.is_empty() { p.dim { "Nothing." } }
        @else { (overview::table_of(&report.actions.iter().collect::<Vec<_>>(), now)) }
        (writing::update_form(&desk, incident))
        h2 { "What was told" }
        @let answers = desk.site.useful.answers(incident.id);
        @if answers.yes + answers.no > 0 {
            p { "Readers of its public page found it useful: " (answers.yes) ", not useful: " (answers.no) "." }
        }
        @if report.messages.is_empty() { p.dim { "Nothing yet." } }
        ol.told {
            @for state in &report.messages {
                li {
                    (clock::ago(state.message.at, now)) " "
                    @match &state.message.body {
                        Body::Operator { headline, details, .. } => {
                            strong { "to you: " } (headline)
                            @for detail in details { p.dim { (detail) } }
                        }
                        Body::Maintenance(word) => {
                            strong { "to customers: " } (word.maintenance) " " (word.news.as_str())
                        }
                        Body::Public { status, .. } => {
                            strong { "to customers: " } (status.as_str()) " "
                            span.dim { (state.message.id) }
                            (telling::told(&desk, incident, state))
                        }
                    }
                    @match &state.outcome {
                        Some(outcome) => p.dim { (outcome.text()) },
                        None => p.dim { "on its way" },
                    }
                }
            }
        }
        p { a href={ "/journal?text=" (incident.id) } { "Every entry of the journal that names " (incident.id) } }
    };
    let title = format!("{}: {}", incident.id, incident.title);
    desk.page(&title, body).into_response()
}

const WIDTH: f64 = 720.0;
const LEFT: f64 = 175.0;
const ROW: f64 = 26.0;

/// The incident on a line of time: how long it was open, when actions were asked for and
/// when they were seen to help, when customers were told.
fn drawing(report: &IncidentReport, now: Timestamp) -> Markup {
    let incident = &report.incident;
    let from = incident.opened_at;
    let to = incident.resolved_at.unwrap_or(now).max(from);
    let all = to.duration_since(from).as_secs_f64().max(1.0);
    let x = |at: Timestamp| {
        let share = (at.duration_since(from).as_secs_f64() / all).clamp(0.0, 1.0);
        LEFT + share * (WIDTH - LEFT - 20.0)
    };
    let quiet = incident.quiet_since.unwrap_or(to);
    let rows = ["something holds", "actions", "told to customers"];
    let height = ROW * rows.len() as f64 + 30.0;
    let actions = report.actions.iter().filter_map(|state| {
        let end = match &state.phase {
            Phase::Proven { at, .. } | Phase::Unproven { at, .. } | Phase::Failed { at, .. } => *at,
            Phase::Performed { at, .. } => *at,
            Phase::Requested { .. } | Phase::Proposed { .. } => now,
            Phase::Withheld { .. } | Phase::Closed { .. } => return None,
        };
        Some((state.action.id, state.action.decided_at, end))
    });
    let told = report
        .messages
        .iter()
        .filter_map(|state| match &state.message.body {
            Body::Public { .. } => Some(state.message.at),
            Body::Operator { .. } | Body::Maintenance(_) => None,
        });
    let label = format!(
        "{} opened {}, {} actions, over a span of {}",
        incident.id,
        clock::second(from, now),
        report.actions.len(),
        clock::span(from, to)
    );
    html! {
        svg.timeline viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-label=(label) {
            @for (row, name) in rows.iter().enumerate() {
                text x="0" y=(ROW * row as f64 + 17.0) { (name) }
                line.axis x1=(LEFT) x2=(WIDTH - 20.0) y1=(ROW * row as f64 + 13.0) y2=(ROW * row as f64 + 13.0) {}
            }
            rect.holds x=(x(from)) y="7" width=((x(quiet) - x(from)).max(2.0)) height="12" {}
            @for (id, start, end) in actions {
                rect.action x=(x(start)) y=(ROW + 7.0) width=((x(end) - x(start)).max(3.0)) height="12" {
                    title { (id) }
                }
            }
            @for at in told {
                circle.told cx=(x(at)) cy=(ROW * 2.0 + 13.0) r="5" {}
            }
            text x=(LEFT) y=(height - 6.0) { (clock::second(from, now)) }
            text.end x=(WIDTH - 20.0) y=(height - 6.0) { (clock::second(to, now)) }
        }
    }
}
