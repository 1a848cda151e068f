//! The overview: what is wrong now, what was done, what waits for a word. And what
//! Evenkeel may do.

use evenkeel_core::Timestamp;
use evenkeel_core::record::ActionState;
use evenkeel_core::status::Status;
use maud::{Markup, html};

use super::gate::Desk;
use super::{facts, maintenance, more, proposals, telling};
use crate::public::words::{Language, Words};
use crate::report::{self, StatusReport};
use crate::web::{account, clock, shape};

/// Actions shown; the journal has the rest.
const ACTIONS_MAX: usize = 12;
/// Findings shown.
const FINDINGS_MAX: usize = 20;

pub(super) async fn page(desk: Desk) -> Markup {
    let (live, now) = (&desk.live, desk.now);
    let status = StatusReport::of(&live.record, &desk.site.policy, Some(live));
    let findings = report::findings(&live.record);
    let actions: Vec<&ActionState> = live.record.actions.values().rev().collect();
    let harmed: Vec<_> = status
        .components
        .iter()
        .filter(|component| component.status.is_harm())
        .map(|component| (component.name.as_str(), component.status))
        .collect();
    let worst = status.components.iter().map(|component| component.status);
    let worst = worst.max().unwrap_or_default();
    let unknown = status
        .components
        .iter()
        .filter(|component| component.status == Status::Unknown)
        .count();
    let answer = match (&harmed[..], &status.incidents[..], &findings[..]) {
        ([], [], []) => "Nothing is wrong that Evenkeel can see".to_owned(),
        ([], [], found) => format!("No incident; {} to know of", things(found.len())),
        ([], [first, ..], _) => format!("No customer is hurt now; {}", first.title),
        (harmed, _, _) => Words::of(Language::English).state_of(harmed.iter().copied()),
    };
    let body = html! {
        h1 { (answer) }
        p class={ "glance " (shape::class(worst)) } {
            (shape::of(worst)) " "
            @if !harmed.is_empty() {
                "Customers are hurt: "
                @for (n, (name, _)) in harmed.iter().enumerate() { @if n > 0 { ", " } (name) }
            } @else if unknown > 0 {
                "Nothing is known of " (unknown) " of " (status.components.len()) " components"
            } @else if worst == Status::UnderMaintenance {
                "Planned work is under way; nothing is known to hurt customers"
            } @else {
                "Customers are not hurt: all components work"
            }
        }
        @if !status.proposals.is_empty() {
            section {
                h2 { "Waits for your word" }
                @for proposal in &status.proposals { (proposals::card(&desk, proposal)) }
            }
        }
        @for incident in status.incidents.iter().filter(|incident| incident.pending.is_some()) {
            section {
                h2 { "Customers are to be told of " a href={ "/incidents/" (incident.id) } { (incident.id) } }
                (telling::pending(&desk, incident))
            }
        }
        @if !findings.is_empty() {
            section {
                h2 { "What is found" }
                @for finding in findings.iter().take(FINDINGS_MAX) {
                    div.card {
                        p {
                            strong { (finding.finding.title) } " "
                            span.dim { "since " (clock::ago(finding.opened_at, now)) }
                            @if let Some(incident) = finding.incident {
                                " · " a href={ "/incidents/" (incident) } { (incident) }
                            }
                            @if let Some(id) = live.record.covered_by(finding) {
                                " · part of maintenance " a href={ "/maintenance#" (id) } { (id) }
                            }
                        }
                        p { (finding.finding.reason) }
                        @if let Some((kind, why)) = &finding.withheld {
                            p { "Evenkeel would " (kind.phrase()) ", but does not: " (account::withheld_word(why)) "." }
                        }
                        (facts(&finding.finding.facts))
                    }
                }
                (more(findings.len(), FINDINGS_MAX, "evenkeel status --json"))
            }
        }
        section {
            h2 { "Components" }
            table {
                thead { tr { th { "Component" } th { "Status" } th { "Since" } th { "Why" } } }
                tbody {
                    @for component in &status.components {
                        tr {
                            td { (component.name) }
                            td class=(shape::class(component.status)) {
                                (shape::of(component.status)) " " (component.status.as_str().replace('_', " "))
                            }
                            td { @if let Some(since) = component.since { (clock::ago(since, now)) } }
                            td { (component.reason) }
                        }
                    }
                }
            }
        }
        (maintenance::ahead(&desk))
        @if !status.copies.is_empty() {
            section {
                h2 { "The public page elsewhere" }
                (copies(&status, now))
            }
        }
        @if let Some((since, why)) = desk.site.settings.hotline.trouble.now() {
            section {
                h2 { "The hotline" }
                p.alarm {
                    "The telephone system has not taken the text that callers are to hear since "
                    (clock::ago(since, now)) ": " (why) ". It is tried again by itself."
                }
            }
        }
        section {
            h2 { "What was done, or would have been" }
            @if actions.is_empty() {
                p.dim { "Nothing yet." }
            } @else {
                (table_of(&actions[..actions.len().min(ACTIONS_MAX)], now))
                (more(actions.len(), ACTIONS_MAX, "evenkeel journal tail"))
            }
        }
    };
    desk.page(&answer, body)
}

/// How the published copies stand, one a row.
fn copies(status: &StatusReport, now: Timestamp) -> Markup {
    html! {
        table {
            thead { tr { th { "Published to" } th { "Readers are told" } th { "Copy made" } th { "Trouble" } } }
            tbody {
                @for (target, standing) in &status.copies {
                    @let of = if standing.is_valid(now) { Status::Operational } else { Status::Unknown };
                    tr {
                        td { (target) p.dim { (standing.place) } }
                        td class=(shape::class(of)) { (shape::of(of)) " " (standing.said(now)) }
                        td { @if let Some(at) = standing.made_at { (clock::ago(at, now)) } }
                        td {
                            @match &standing.trouble {
                                Some((since, why)) => { "since " (clock::ago(*since, now)) ": " (why) }
                                None => { "none" }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn things(count: usize) -> String {
    match count {
        1 => "one thing".into(),
        count => format!("{count} things"),
    }
}

/// Actions, one a row.
pub(super) fn table_of(actions: &[&ActionState], now: Timestamp) -> Markup {
    html! {
        table {
            thead { tr { th { "Action" } th { "What and why" } th { "How it went" } th { "When" } } }
            tbody {
                @for state in actions {
                    tr {
                        td.number { (state.action.id) }
                        td {
                            (state.action.task)
                            p.dim { (state.action.reason) }
                            @if let Some(by) = &state.approved_by { p.dim { "Approved by " (by) "." } }
                            @if let Some(kept) = &state.evidence {
                                p.dim { "Evidence " (kept.id) ": " (super::runs::items(kept)) }
                            }
                        }
                        td { (account::phase(&state.phase)) }
                        td { (clock::ago(state.action.decided_at, now)) }
                    }
                }
            }
        }
    }
}

/// `/authority`.
pub(super) async fn authority(desk: Desk) -> Markup {
    let (record, now) = (&desk.live.record, desk.now);
    let grants = report::authority(record, &desk.site.policy, now);
    let body = html! {
        h1 { "What Evenkeel may do by itself" }
        p { "What is not granted is watched: Evenkeel says what it would do, and does nothing. Grants stand in the configuration." }
        table {
            thead { tr { th { "Action" } th { "On" } th { "Mode" } th.number { "Used of budget" } th { "Stopped" } } }
            tbody {
                @for grant in &grants {
                    tr {
                        td { (grant.kind) }
                        td { (grant.scope) }
                        td { (grant.mode.as_str()) }
                        td.number { (grant.used) " of " (grant.budget) " in " (grant.window_s / 60) " min" }
                        td {
                            @if let Some(action) = &grant.stopped_by {
                                "by " (action) ", which did not help"
                                (desk.form("lift_stop", &[("kind", grant.kind.as_str()), ("scope", &grant.scope.key())], html! {
                                    button type="submit" { "Lift the stop" }
                                    span { "Evenkeel may " (grant.kind.phrase()) " again on " (grant.scope) ", within its mode and budget." }
                                }))
                            } @else { "not stopped" }
                        }
                    }
                }
            }
        }
        section #hold {
            h2 { "The kill switch" }
            @match &record.held {
                None => {
                    p { "Actions are not held: what the table grants is done." }
                    (desk.form("hold_actions", &[], html! {
                        label { "Why " input type="text" name="reason" required maxlength="1000"; }
                        button.stop type="submit" { "Hold all actions" }
                        span { "From then on nothing that ends something is done, also what is approved or asked for already. Watching, telling customers and the first starts of scheduled jobs go on. What is being done this moment is not undone." }
                    }))
                }
                Some(held) => {
                    p { "Held by " (held.by) " since " (clock::ago(held.since, now)) ": " (held.reason) }
                    (desk.form("release_actions", &[], html! {
                        label { "Why " input type="text" name="reason" required maxlength="1000"; }
                        button type="submit" { "Release actions" }
                        span { "What the table grants may be done again. Everything that holds now is looked at anew, so that actions may follow at once." }
                    }))
                }
            }
            p.dim { "On this host: " code { "evenkeel hold-actions --reason WHY" } ", " code { "evenkeel release-actions --reason WHY" } "." }
        }
    };
    desk.page("What it may do", body)
}
