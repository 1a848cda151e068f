//! Heartbeats and readiness: what says by itself that it is alive, and what has to hold at
//! a time of day.

use evenkeel_core::status::Status;
use evenkeel_core::subject::Subject;
use maud::{Markup, html};

use super::gate::Desk;
use super::more;
use super::plot::shown;
use crate::heartbeats::view::{self, HeartbeatStatus};
use crate::web::{clock, shape};

/// Heartbeats in the list.
const LISTED_MAX: usize = 300;

pub(super) async fn page(desk: Desk) -> Markup {
    let now = desk.now;
    let beats = view::heartbeats(&desk.live.record, &desk.site.policy, None, now);
    let body = html! {
        h1 { "Heartbeats" }
        @if beats.is_empty() { p.dim { "There is none yet: write [[heartbeat]], or let a client make one through the API." } }
        @else {
            table {
                thead { tr { th { "Heartbeat" } th { "Stands" } th { "Last ended" } th { "Next due" } th { "Running" } th { "Last run" } } }
                tbody {
                    @for beat in beats.iter().take(LISTED_MAX) {
                        @let looks = looks(beat.status);
                        tr {
                            td { (beat.name) p.dim { (beat.expected) } }
                            td { span class=(shape::class(looks)) { (shape::of(looks)) " " (beat.status.as_str()) } }
                            td { @if let Some(at) = beat.last_ping_at { (clock::ago(at, now)) } @else { span.dim { "never" } } }
                            td { @if let Some(at) = beat.due_at { (clock::ago(at, now)) } }
                            td.number { (beat.open_runs.len()) }
                            td { @if let Some(run) = &beat.last_run { (shown(run.took_s)) @if !run.well { ", failed" } } }
                        }
                    }
                }
            }
            (more(beats.len(), LISTED_MAX, "evenkeel heartbeats"))
        }
    };
    desk.page("Heartbeats", body)
}

/// The shape and colour of a heartbeat's word.
fn looks(status: HeartbeatStatus) -> Status {
    match status {
        HeartbeatStatus::Down => Status::MajorOutage,
        HeartbeatStatus::Grace => Status::DegradedPerformance,
        HeartbeatStatus::New => Status::Unknown,
        HeartbeatStatus::Up => Status::Operational,
        HeartbeatStatus::Paused => Status::UnderMaintenance,
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
