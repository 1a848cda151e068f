//! Heartbeats and readiness: what says by itself that it is alive, and what has to hold at
//! a time of day.

use evenkeel_core::heartbeat::HeartbeatSpec;
use evenkeel_core::ids::HeartbeatId;
use evenkeel_core::record::HeartbeatState;
use evenkeel_core::status::Status;
use evenkeel_core::subject::Subject;
use maud::{Markup, html};

use super::gate::Desk;
use super::more;
use super::plot::shown;
use crate::web::{clock, shape};

/// Heartbeats in the list.
const LISTED_MAX: usize = 300;

pub(super) async fn page(desk: Desk) -> Markup {
    let (record, now) = (&desk.live.record, desk.now);
    let spec = |id: &HeartbeatId, state: &HeartbeatState| -> Option<HeartbeatSpec> {
        let own = state.spec.as_deref();
        own.or_else(|| desk.site.policy.heartbeats.get(id)).cloned()
    };
    let mut beats: Vec<_> = record
        .heartbeats
        .iter()
        .map(|(id, state)| (id, state, record.heartbeat_is_down(id)))
        .collect();
    beats.sort_by_key(|(_, _, down)| std::cmp::Reverse(*down));
    let body = html! {
        h1 { "Heartbeats" }
        @if beats.is_empty() { p.dim { "None was heard of yet." } }
        @else {
            table {
                thead { tr { th { "Heartbeat" } th { "Stands" } th { "Last ended" } th { "Next due" } th { "Running" } th { "Last run" } } }
                tbody {
                    @for (id, state, down) in beats.iter().take(LISTED_MAX) {
                        @let spec = spec(id, state);
                        @let (status, word) = standing(state, *down);
                        tr {
                            td {
                                (spec.as_ref().map_or(id.as_str(), |spec| spec.called(id)))
                                @if let Some(spec) = &spec { p.dim { (spec.expected) } }
                            }
                            td { span class=(shape::class(status)) { (shape::of(status)) " " (word) } }
                            td { @if let Some(at) = state.last_ping_at { (clock::ago(at, now)) } @else { span.dim { "never" } } }
                            td { @if let Some(at) = state.due_at { (clock::ago(at, now)) } }
                            td.number { (state.open_runs.len()) }
                            td { @if let Some(run) = &state.last_run { (shown(run.lasted.as_secs_f64())) @if !run.well { ", failed" } } }
                        }
                    }
                }
            }
            (more(beats.len(), LISTED_MAX, "evenkeel status --json"))
        }
    };
    desk.page("Heartbeats", body)
}

fn standing(state: &HeartbeatState, down: bool) -> (Status, &'static str) {
    if state.paused {
        (Status::UnderMaintenance, "paused")
    } else if down {
        (Status::MajorOutage, "down")
    } else if state.last_signal_at.is_none() {
        (Status::Unknown, "never heard")
    } else {
        (Status::Operational, "up")
    }
}

pub(super) async fn readiness(desk: Desk) -> Markup {
    let (record, now) = (&desk.live.record, desk.now);
    let policy = &desk.site.policy;
    let body = html! {
        h1 { "Readiness" }
        p { "What has to hold at a time of day, before customers come; and the rehearsal that leaves time to act." }
        @if policy.readiness.is_empty() { p.dim { "None is configured: name one as [[readiness]]." } }
        @else {
            table {
                thead { tr { th { "Readiness" } th { "Stands" } th { "Asked for" } th { "Last held" } th { "What must hold" } } }
                tbody {
                    @for (id, wanted) in &policy.readiness {
                        @let state = record.readiness.get(id);
                        @let subject = Subject::Readiness(id.clone());
                        @let open = record.findings.values().find(|open| open.finding.key.subject == subject);
                        tr {
                            td { @if wanted.name.is_empty() { (id) } @else { (wanted.name) } }
                            td {
                                @match open {
                                    Some(open) => {
                                        span.down { (shape::of(Status::MajorOutage)) " " (open.finding.title) }
                                        p.dim { (open.finding.reason) }
                                    }
                                    None if state.is_none_or(|state| state.last_due.is_none()) => {
                                        span.unknown { (shape::of(Status::Unknown)) " not asked for yet" }
                                    }
                                    None => span.ok { (shape::of(Status::Operational)) " holds" },
                                }
                            }
                            td {
                                @if let Some(asked) = state.and_then(|state| state.asked) {
                                    (clock::ago(asked.due_at, now)) @if asked.rehearsal { ", rehearsal" }
                                }
                            }
                            td { @if let Some((due, _)) = state.and_then(|state| state.last_held) { (clock::ago(due, now)) } }
                            td {
                                @for check in &wanted.checks { a href={ "/checks/" (check) } { (check) } " " }
                                @for job in &wanted.products { a href={ "/jobs/" (job) } { "product of " (job) } " " }
                            }
                        }
                    }
                }
            }
        }
    };
    desk.page("Readiness", body)
}
