//! Planned work: what is under way and to come, with the buttons to see to it, the form to
//! plan some, and the peaks to plan around.
//!
//! Times are typed in UTC, as every time of the console is. A plan into a peak, or at short
//! notice, comes back with what speaks against it; giving a reason confirms it.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use evenkeel_core::Timestamp;
use evenkeel_core::ids::MaintenanceId;
use evenkeel_core::language::Language;
use evenkeel_core::maintenance::{
    MaintenanceOrder, MaintenanceStatus, Plan, PlannedImpact, Stretch, Turn,
};
use evenkeel_core::observation::Order;
use evenkeel_core::record::MaintenanceState;
use evenkeel_core::time;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::gate::{Desk, Posted};
use super::telling::free_text;
use crate::report;
use crate::web::clock;

/// Maintenances that are over, on the page; `evenkeel maintenance list` has the rest.
const OVER_MAX: usize = 20;

/// Those to come on the overview.
const AHEAD_MAX: usize = 3;

/// What an end can be moved by with one click, minutes.
const LONGER: [u64; 4] = [15, 30, 60, 120];

/// How an impact reads.
fn impact_word(impact: PlannedImpact) -> &'static str {
    match impact {
        PlannedImpact::NoImpact => "nobody notices",
        PlannedImpact::ReducedRedundancy => "nobody notices; less may fail before somebody does",
        PlannedImpact::Degraded => "slow",
        PlannedImpact::Outage => "may not work",
    }
}

fn names(desk: &Desk, state: &MaintenanceState) -> String {
    let components = state.plan.components.iter();
    let names: Vec<&str> = components.map(|id| desk.site.component_name(id)).collect();
    names.join(", ")
}

fn in_order(desk: &Desk) -> Vec<&MaintenanceState> {
    let record = &desk.live.record;
    let reports = report::maintenances(record);
    let states = reports.iter().map(|report| report.id);
    states
        .filter_map(|id| record.maintenances.get(&id))
        .collect()
}

/// The next peak, and what is planned, for the overview; nothing where there is neither.
pub(super) fn ahead(desk: &Desk) -> Markup {
    let peaks = report::peaks(&desk.live.record);
    let all = in_order(desk);
    let open: Vec<_> = all
        .into_iter()
        .filter(|state| !state.status.is_over())
        .collect();
    let next = peaks
        .first()
        .and_then(|peak| Some((peak, peak.dates.first()?)));
    if open.is_empty() && next.is_none() {
        return html! {};
    }
    html! {
        section {
            h2 { "What is ahead" }
            @if let Some((peak, when)) = next {
                p {
                    strong { "Next peak: " (peak.name) } " "
                    (clock::second(when.from, desk.now)) " to " (clock::second(when.until, desk.now))
                    @if when.from <= desk.now { " (now)" }
                }
            }
            @for state in open.iter().take(AHEAD_MAX) {
                p {
                    a href={ "/maintenance#" (state.id) } { (state.id) } " "
                    (state.status.as_str().replace('_', " ")) ": " (names(desk, state)) ", "
                    (clock::second(state.plan.when.from, desk.now)) " to "
                    (clock::second(state.plan.when.until, desk.now))
                    @if state.is_overdue() { " " strong { "overdue" } }
                }
            }
            @if open.len() > AHEAD_MAX {
                p.dim { "and " (open.len() - AHEAD_MAX) " more: " a href="/maintenance" { "Maintenance" } }
            }
        }
    }
}

/// `/maintenance`.
pub(super) async fn page(desk: Desk) -> Markup {
    shown(&desk, &Given::default())
}

/// The same with the form as it was sent, where it was not planned: nothing typed is lost.
pub(super) fn again(posted: &Posted, status: StatusCode, why: &str) -> Response {
    let given = Given {
        posted: Some(posted),
        why,
    };
    (status, shown(&posted.desk(), &given)).into_response()
}

/// What was typed, and why it was not planned; nothing at first.
#[derive(Clone, Copy, Default)]
struct Given<'a> {
    posted: Option<&'a Posted>,
    why: &'a str,
}

impl Given<'_> {
    fn text(&self, field: &str) -> &str {
        self.posted.map_or("", |posted| posted.field(field))
    }

    fn time(&self, field: &str) -> Option<&str> {
        let text = self.text(field);
        (!text.is_empty()).then_some(text)
    }

    fn is(&self, field: &str, value: &str) -> bool {
        self.text(field) == value
    }
}

fn shown(desk: &Desk, given: &Given<'_>) -> Markup {
    let all = in_order(desk);
    let (over, open): (Vec<_>, Vec<_>) = all.into_iter().partition(|state| state.status.is_over());
    let under_way = open.iter().filter(|state| state.status.is_under_way());
    let overdue = open.iter().find(|state| state.is_overdue());
    let answer = match (overdue, under_way.count(), open.len()) {
        (Some(state), ..) => format!("Maintenance {} is overdue", state.id),
        (None, 0, 0) => "No maintenance is planned".to_owned(),
        (None, 0, 1) => "One maintenance is planned".to_owned(),
        (None, 0, planned) => format!("{planned} maintenances are planned"),
        (None, 1, _) => "A maintenance is under way".to_owned(),
        (None, count, _) => format!("{count} maintenances are under way"),
    };
    let peaks = report::peaks(&desk.live.record);
    let body = html! {
        h1 { (answer) }
        @if !given.why.is_empty() { p.word.refused role="alert" { (given.why) " " a href="#plan" { "What you typed" } } }
        @for state in &open { (card(desk, state)) }
        (form(desk, given))
        section {
            h2 { "Known peaks" }
            @if peaks.is_empty() {
                p.dim { "None: " code { "[[peak]]" } " in the configuration names days on which nothing is to be planned." }
            } @else {
                table {
                    thead { tr { th { "Peak" } th { "Functions" } th { "Next" } th { "Then" } } }
                    tbody {
                        @for peak in &peaks {
                            tr {
                                td { (peak.name) }
                                td {
                                    @if peak.components.is_empty() { "all" }
                                    @for (n, id) in peak.components.iter().enumerate() {
                                        @if n > 0 { ", " } (desk.site.component_name(id))
                                    }
                                }
                                @for n in 0..2 {
                                    td {
                                        @if let Some(when) = peak.dates.get(n) {
                                            (clock::second(when.from, desk.now)) " to " (clock::second(when.until, desk.now))
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        @if !over.is_empty() {
            section {
                h2 { "Over" }
                table {
                    thead { tr { th { "Maintenance" } th { "Functions" } th { "Planned" } th { "How it went" } } }
                    tbody {
                        @for state in over.iter().take(OVER_MAX) {
                            tr {
                                td.number { (state.id) }
                                td { (names(desk, state)) }
                                td { (clock::second(state.plan.when.from, desk.now)) " to " (clock::second(state.plan.when.until, desk.now)) }
                                td {
                                    (state.status.as_str())
                                    @if let Some(at) = state.ended_at { " " (clock::ago(at, desk.now)) }
                                }
                            }
                        }
                    }
                }
                (super::more(over.len(), OVER_MAX, "evenkeel maintenance list"))
            }
        }
    };
    desk.page(&answer, body)
}

/// One that is not over, with what can be done about it.
fn card(desk: &Desk, state: &MaintenanceState) -> Markup {
    let id = state.id.to_string();
    let fields = [("maintenance", id.as_str())];
    let when = state.plan.when;
    html! {
        div.card id=(id) {
            p {
                strong { (id) " " (state.status.as_str().replace('_', " ")) ": " (names(desk, state)) }
                @if state.is_overdue() { " " strong { "overdue" } }
            }
            p {
                (clock::second(when.from, desk.now)) " to " (clock::second(when.until, desk.now))
                " · " (impact_word(state.plan.impact))
                @if state.plan.begins == Turn::ByHand { " · begun by hand" }
                @if state.plan.ends == Turn::ByHand { " · ended by hand" }
            }
            @if let Some(free) = &state.plan.text { blockquote lang=(free.language.tag()) { (free.text) } }
            p.dim {
                "Planned by " (state.planned_by.as_ref().map_or("the configuration", |by| by.as_str())) " "
                (clock::ago(state.planned_at, desk.now))
                @if let Some(reason) = &state.reason { ", because: " (reason) }
            }
            @match state.status {
                MaintenanceStatus::Scheduled => {
                    (desk.form("maintenance_begin", &fields, html! {
                        button type="submit" { "Begin now" }
                        span { "From a quarter of an hour before its time. Customers are told that it has begun." }
                    }))
                    (desk.form("maintenance_cancel", &fields, html! {
                        button.quiet type="submit" { "Call it off" }
                        span { "Customers are told that it does not take place." }
                    }))
                }
                MaintenanceStatus::InProgress => {
                    (desk.form("maintenance_finish", &fields, html! {
                        button type="submit" { "The work is done" }
                        span { "It is watched for a little, and then over. What still fails then is an incident." }
                    }))
                    (desk.form("maintenance_extend", &fields, html! {
                        label { "Longer by "
                            select name="minutes" {
                                @for minutes in LONGER { option value=(minutes) selected[minutes == 60] { (minutes) " min" } }
                            }
                        }
                        button.quiet type="submit" { "Extend" }
                        span { "Customers are told the new end." }
                    }))
                }
                _ => {}
            }
        }
    }
}

fn form(desk: &Desk, given: &Given<'_>) -> Markup {
    if !desk.may_order() {
        return html! {};
    }
    let mut components: Vec<_> = desk.site.policy.components.iter().collect();
    components.sort_by_key(|(_, policy)| policy.position);
    let hands = |field| {
        html! {
            select name=(field) {
                option value="by_itself" { "by itself" }
                option value="by_hand" selected[given.is(field, "by_hand")] { "by hand" }
            }
        }
    };
    html! {
        h2 id="plan" { "Plan a maintenance" }
        (desk.form("maintenance_plan", &[], html! {
            div.words {
                fieldset {
                    legend { "What is worked on" }
                    @for (id, policy) in &components {
                        label { input type="checkbox" name={ "of_" (id) } value="yes" checked[given.is(&format!("of_{id}"), "yes")]; " " (policy.name) }
                    }
                }
                label { "From (UTC) " input type="datetime-local" name="from" value=[given.time("from")] required; }
                label { "Until (UTC) " input type="datetime-local" name="until" value=[given.time("until")] required; }
                label { "What is expected "
                    select name="impact" {
                        @for impact in PlannedImpact::ALL.into_iter().rev() {
                            option value=(impact.as_str()) selected[given.is("impact", impact.as_str())] { (impact_word(impact)) }
                        }
                    }
                }
                label { "Begins " (hands("begins")) }
                label { "Ends " (hands("ends")) }
                label { "What for, in your words (optional) "
                    textarea name="text" rows="3" maxlength="2000" { (given.text("text")) }
                }
                label { "Language "
                    select name="language" {
                        @for one in Language::ALL { option value=(one.tag()) selected[given.is("language", one.tag())] { (one.name()) } }
                    }
                }
                label { "Why into a peak or at short notice, where it is "
                    input type="text" name="reason" maxlength="1000" value=(given.text("reason"));
                }
            }
            button type="submit" { "Plan it" }
            span { "Customers are told at once, and reminded 7 days and 24 hours before. While it lasts the functions are shown under maintenance, and nobody is called for what fails in them." }
        }))
    }
}

/// What a form orders; `None` where it is no such form.
pub(super) fn order(posted: &Posted) -> Option<Result<(Order, String), String>> {
    let made = match posted.field("order") {
        "maintenance_plan" => plan(posted),
        "maintenance_begin" => id(posted).map(|maintenance| {
            let done = format!("{maintenance} has begun");
            (MaintenanceOrder::Begin { maintenance }, done)
        }),
        "maintenance_finish" => id(posted).map(|maintenance| {
            let done = format!("The work of {maintenance} is done");
            let order = MaintenanceOrder::Finish {
                maintenance,
                text: None,
            };
            (order, done)
        }),
        "maintenance_cancel" => id(posted).map(|maintenance| {
            let done = format!("{maintenance} is called off");
            let order = MaintenanceOrder::Cancel {
                maintenance,
                text: None,
            };
            (order, done)
        }),
        "maintenance_extend" => extend(posted),
        _ => return None,
    };
    Some(made.map(|(order, done)| (Order::Maintenance(order), done)))
}

fn id(posted: &Posted) -> Result<MaintenanceId, String> {
    let id = posted.field("maintenance");
    id.parse()
        .map_err(|_| format!("Nothing was done: `{id}` is no maintenance."))
}

fn extend(posted: &Posted) -> Result<(MaintenanceOrder, String), String> {
    let maintenance = id(posted)?;
    let minutes = posted.field("minutes");
    let known: Option<u64> = minutes.parse().ok();
    let known = known.filter(|minutes| LONGER.contains(minutes));
    let minutes = known.ok_or_else(|| format!("Nothing was done: `{minutes}` is no time."))?;
    let live = posted.console.site.now();
    let state = live.record.maintenances.get(&maintenance);
    let so_far = state.map(|state| state.plan.when.until);
    let so_far = so_far
        .ok_or_else(|| format!("Nothing was done: there is no maintenance {maintenance}."))?;
    // Longer than what is over already is longer from now.
    let so_far = so_far.max(Timestamp::now());
    let order = MaintenanceOrder::Move {
        maintenance,
        begins_at: None,
        ends_at: time::after(so_far, Duration::from_secs(minutes * 60)),
        text: None,
        reason: None,
    };
    Ok((order, format!("{maintenance} takes {minutes} min longer")))
}

fn moment(posted: &Posted, field: &str) -> Result<Timestamp, String> {
    let given = posted.field(field);
    let at = given.parse::<DateTime>().ok();
    let at = at.and_then(|at| TimeZone::UTC.to_timestamp(at).ok());
    at.ok_or_else(|| format!("Nothing was done: `{given}` is no time; write 2026-09-26T18:00."))
}

fn plan(posted: &Posted) -> Result<(MaintenanceOrder, String), String> {
    let impact = posted.field("impact");
    let known = PlannedImpact::ALL
        .into_iter()
        .find(|known| known.as_str() == impact);
    let impact = known.ok_or_else(|| format!("Nothing was done: `{impact}` is no impact."))?;
    let turn = |field| match posted.field(field) {
        "by_hand" => Turn::ByHand,
        _ => Turn::ByItself,
    };
    let components: BTreeSet<_> = posted.named("of_").map(Into::into).collect();
    let plan = Plan {
        components,
        when: Stretch {
            from: moment(posted, "from")?,
            until: moment(posted, "until")?,
        },
        impact,
        text: free_text(posted)?,
        begins: turn("begins"),
        ends: turn("ends"),
        reminders: report::reminders_by_default(),
    };
    let reason = posted.field("reason");
    let reason = (!reason.is_empty()).then(|| reason.to_owned());
    let order = MaintenanceOrder::Plan { plan, reason };
    Ok((order, "It is planned, and customers are told".into()))
}
