//! Jobs: each with a calendar of its runs, how long they took, and the button that starts
//! one.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use evenkeel_core::Timestamp;
use evenkeel_core::detect::run_overdue::usual_max;
use evenkeel_core::ids::JobId;
use evenkeel_core::policy::JobPolicy;
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use super::gate::Desk;
use super::not_found;
use super::plot::{Dot, Look, Plot};
use super::runs::{self, began, ended, how};
use crate::report::{self, RunReport};
use crate::web::clock;

/// Weeks the calendar shows.
const WEEKS: i64 = 5;

/// Runs in the plot and the list.
const RUNS_MAX: usize = 60;

pub(super) async fn list(desk: Desk) -> Markup {
    let (live, now) = (&desk.live, desk.now);
    let all = report::runs(&live.record, Some(live));
    let body = html! {
        h1 { "Jobs" }
        @if desk.site.policy.jobs.is_empty() { p.dim { "No job is under guard: name one as [[job]] in the configuration." } }
        @else {
            table {
                thead { tr { th { "Job" } th { "Last run" } th { "How it went" } th { "Usually takes at most" } } }
                tbody {
                    @for job in desk.site.policy.jobs.keys() {
                        @let last = all.iter().find(|run| run.state.job == *job);
                        tr {
                            td { a href={ "/jobs/" (job) } { (job) } }
                            td { @if let Some(run) = last { (clock::ago(began(run), now)) } @else { span.dim { "none yet" } } }
                            td { @if let Some(run) = last { a href={ "/runs/" (run.run) } { (how(run)) } } }
                            td.number {
                                @match live.record.jobs.get(job).and_then(usual_max) {
                                    Some(usual) => (super::plot::shown(usual.as_secs_f64())),
                                    None => span.dim { "not known yet" },
                                }
                            }
                        }
                    }
                }
            }
        }
        h2 { "Newest runs of all" }
        (runs::table(&all, now))
    };
    desk.page_with("Jobs", true, body)
}

pub(super) async fn one(desk: Desk, Path(job): Path<String>) -> Response {
    let (live, now) = (&desk.live, desk.now);
    let job = JobId::from(job);
    let Some(policy) = desk.site.policy.jobs.get(&job) else {
        return not_found(desk).await;
    };
    let mut runs = report::runs(&live.record, Some(live));
    runs.retain(|run| run.state.job == job);
    let state = live.record.jobs.get(&job);
    let open = runs.iter().any(|run| run.state.ended.is_none());
    let name = job.to_string();
    let body = html! {
        h1 { "Job " (job) }
        @if open {
            p { "A run of it is there. Another cannot be started before it ends." }
        } @else {
            (desk.form("start_job", &[("job", &name)], html! {
                button type="submit" { "Start a run now" }
                span { "Its command is started once, now, as if its schedule came due. Whether it may run twice in a day, only you know." }
            }))
        }
        @if let Some((slot, why)) = state.and_then(|state| state.skipped.as_ref()) {
            p.alarm { "The slot of " (clock::ago(*slot, now)) " was left out: " (why) "." }
        }
        @if let Some(expected) = state.and_then(|state| state.expected.as_ref()) {
            p { "Its product is due " (clock::ago(expected.due_at, now)) "." }
        } @else if let Some(at) = state.and_then(|state| state.delivered) {
            p { "Its product was last delivered " (clock::ago(at, now)) "." }
        }
        h2 { "The last five weeks" }
        (calendar(&runs, now))
        h2 { "How long runs took" }
        (durations(&desk, policy, &job, &runs))
        h2 { "Its runs" }
        (runs::table(&runs, now))
    };
    desk.page_with(&format!("Job {job}"), open, body)
        .into_response()
}

/// A month of days, each with the worst that its runs came to.
fn calendar(runs: &[RunReport], now: Timestamp) -> Markup {
    let date = |at: Timestamp| at.to_zoned(TimeZone::UTC).date();
    let today = date(now);
    let mut days: BTreeMap<Date, Vec<&RunReport>> = BTreeMap::new();
    for run in runs {
        days.entry(date(run.state.scheduled_at))
            .or_default()
            .push(run);
    }
    let back = i64::from(today.weekday().to_monday_zero_offset()) + 7 * (WEEKS - 1);
    let Ok(first) = today.checked_sub(back.days()) else {
        return html! {};
    };
    let weeks: Vec<Vec<Date>> = (0..WEEKS)
        .map(|week| {
            let day = |n: i64| first.checked_add((7 * week + n).days()).ok();
            (0..7).filter_map(day).collect()
        })
        .collect();
    html! {
        table.calendar {
            thead { tr { @for day in ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"] { th scope="col" { (day) } } } }
            tbody {
                @for week in weeks {
                    tr {
                        @for day in week {
                            td.today[day == today] {
                                span.date { (day.strftime("%-d %b")) }
                                @match days.get(&day) {
                                    Some(runs) => (day_of(runs)),
                                    None if day > today => {},
                                    None => span.dim { "–" },
                                }
                            }
                        }
                    }
                }
            }
        }
        p.dim { "Days by UTC and by the slot a run is for. ✓ it succeeded, ✕ none of its runs did, ○ it runs, – none." }
    }
}

fn day_of(runs: &[&RunReport]) -> Markup {
    let good = |run: &&RunReport| {
        run.state
            .ended
            .as_ref()
            .is_some_and(|ended| ended.exit.is_success())
    };
    let (class, sign, word) = if runs.iter().any(|run| run.state.ended.is_none()) {
        ("work", "○", "runs")
    } else if runs.iter().any(good) {
        ("ok", "✓", "succeeded")
    } else {
        ("down", "✕", "failed")
    };
    // The newest is the first.
    let link = runs
        .first()
        .map_or_else(String::new, |run| format!("/runs/{}", run.run));
    html! {
        a class=(class) href=(link) aria-label={ (word) ", " (runs.len()) @if runs.len() == 1 { " run" } @else { " runs" } } {
            (sign) @if runs.len() > 1 { " " (runs.len()) "×" }
        }
    }
}

fn durations(desk: &Desk, policy: &JobPolicy, job: &JobId, runs: &[RunReport]) -> Markup {
    let now = desk.now;
    let dots: Vec<Dot> = runs
        .iter()
        .filter(|run| run.state.started_at.is_some())
        .take(RUNS_MAX)
        .map(|run| {
            let took = evenkeel_core::time::since(began(run), ended(run).unwrap_or(now));
            Dot {
                at: began(run),
                value: took,
                look: match &run.state.ended {
                    None => Look::Open,
                    Some(ended) if ended.exit.is_success() => Look::Good,
                    Some(_) => Look::Bad,
                },
                title: format!(
                    "{}: {}, {}",
                    run.run,
                    super::plot::shown(took.as_secs_f64()),
                    how(run)
                ),
                link: format!("/runs/{}", run.run),
            }
        })
        .collect();
    let Some(first) = dots.iter().map(|dot| dot.at).min() else {
        return html! { p.dim { "Nothing to plot yet: no run of it has begun." } };
    };
    let mut thresholds: Vec<(Duration, &str)> = Vec::new();
    if let Some(usual) = desk.live.record.jobs.get(job).and_then(usual_max) {
        thresholds.push((usual, "usual at most"));
    }
    if let Some(deadline) = policy.deadline {
        thresholds.push((deadline, "deadline"));
    }
    let label = format!("How long the newest {} runs of {job} took", dots.len());
    let plot = Plot {
        label: &label,
        dots: &dots,
        thresholds: &thresholds,
        marks: &[],
        from: first,
        to: now,
        joined: false,
    };
    html! {
        (plot.draw())
        p.dim { "● it succeeded, ✕ it did not, ○ it runs. Each leads to its run." }
    }
}
