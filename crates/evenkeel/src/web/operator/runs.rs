//! Runs: the list, each run with its evidence, and the texts of the evidence.

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use evenkeel_core::Timestamp;
use evenkeel_core::evidence::KeptEvidence;
use evenkeel_core::ids::{EvidenceId, RunId};
use evenkeel_guards::evidence::{EvidenceError, EvidenceStore, blotted};
use evenkeel_guards::jobs::spool::Spool;
use maud::{Markup, html};

use super::gate::Desk;
use super::{Site, more, not_found, overview};
use crate::report::{self, RunReport};
use crate::web::{account, clock};

/// Runs in the list.
const LISTED_MAX: usize = 60;

/// Output that is shown: the end of it.
const OUTPUT_MAX: usize = 16 << 10;

/// Runs, one a row.
pub(super) fn table(runs: &[RunReport], now: Timestamp) -> Markup {
    html! {
        @if runs.is_empty() { p.dim { "None yet." } }
        @else {
            table {
                thead { tr { th { "Run" } th { "Attempt" } th { "Began" } th { "Took" } th { "How it went" } } }
                tbody {
                    @for run in runs.iter().take(LISTED_MAX) {
                        tr {
                            td { a href={ "/runs/" (run.run) } { (run.run) } }
                            td.number { (run.state.attempt) }
                            td { (clock::ago(began(run), now)) }
                            td.number { (clock::span(began(run), ended(run).unwrap_or(now))) }
                            td { (how(run)) }
                        }
                    }
                }
            }
            (more(runs.len(), LISTED_MAX, "evenkeel runs"))
        }
    }
}

pub(super) fn began(run: &RunReport) -> Timestamp {
    run.state.started_at.unwrap_or(run.state.requested_at)
}

pub(super) fn ended(run: &RunReport) -> Option<Timestamp> {
    run.state.ended.as_ref().map(|ended| ended.at)
}

/// How a run went, in words.
pub(super) fn how(run: &RunReport) -> String {
    match (&run.state.ended, run.state.started_at) {
        (Some(ended), _) => {
            let by = ended
                .by
                .map_or_else(String::new, |id| format!(", ended by {id}"));
            format!("{}{by}", account::exit(&ended.exit))
        }
        (None, Some(_)) => "running".into(),
        (None, None) => "its start is asked for".into(),
    }
}

pub(super) async fn one(desk: Desk, Path(run): Path<String>) -> Response {
    let (live, now) = (&desk.live, desk.now);
    let wanted = RunId::from(run);
    let runs = report::runs(&live.record, Some(live));
    let Some(run) = runs.into_iter().find(|run| run.run == wanted) else {
        return not_found(desk).await;
    };
    let actions: Vec<_> = live
        .record
        .actions
        .values()
        .filter(|state| concerns(&state.action.task, &wanted))
        .collect();
    let output = output(&desk, &wanted).await;
    let body = html! {
        h1 { "Run " (run.run) }
        p {
            "Job " a href={ "/jobs/" (run.state.job) } { (run.state.job) } " · attempt " (run.state.attempt)
            " · slot " (clock::ago(run.state.scheduled_at, now))
        }
        p { strong { (how(&run)) } " · began " (clock::ago(began(&run), now))
            " · " (clock::span(began(&run), ended(&run).unwrap_or(now))) }
        @if let Some(progress) = &run.progress {
            h2 { "How far it is" }
            table.figures {
                tbody {
                    tr { th { "CPU time" } td.number { (progress.cpu_ms) " ms" } }
                    tr { th { "Read and written, sockets included" } td.number { (progress.io_bytes) " bytes" } }
                    tr { th { "Output" } td.number { (progress.output_bytes) " bytes" } }
                    tr { th { "Progress reports" } td.number { (progress.reports) " bytes written" } }
                    tr { th { "Living processes" } td.number { (progress.processes) } }
                }
            }
        }
        @if !output.is_empty() {
            h2 { "The end of its output" }
            pre tabindex="0" { (output) }
        }
        @if !run.state.evidence.is_empty() {
            h2 { "Evidence" }
            ul { @for kept in &run.state.evidence { li { (kept.id) ": " (items(kept)) } } }
        }
        @if !actions.is_empty() {
            h2 { "What was done" }
            (overview::table_of(&actions, now))
        }
    };
    desk.page_with(run.run.as_str(), run.state.ended.is_none(), body)
        .into_response()
}

/// The end of a run's output, while its folder is there; secrets are blotted out.
async fn output(desk: &Desk, run: &RunId) -> String {
    let (folder, run) = (desk.console.places.runs.clone(), run.clone());
    let read =
        tokio::task::spawn_blocking(move || Spool::new(folder).output_tail(&run, OUTPUT_MAX));
    blotted(&read.await.unwrap_or_default())
}

fn concerns(task: &evenkeel_core::action::Task, wanted: &RunId) -> bool {
    use evenkeel_core::action::Task;
    match task {
        Task::StartRun { run, .. } | Task::EndRun { run, .. } => run == wanted,
        Task::EndBackend { run, .. } => run.as_ref() == Some(wanted),
        Task::RecycleInstance { .. } => false,
    }
}

/// The items of kept evidence, each a link to its text.
pub(super) fn items(kept: &KeptEvidence) -> Markup {
    html! {
        @for item in &kept.items {
            @let kind = format!("{:?}", item.kind).to_lowercase();
            @match &item.gap {
                Some(gap) if item.bytes == 0 => { span.dim title=(gap) { (kind) " (missing)" } " " }
                _ => { a href={ "/evidence/" (kept.id) "/" (kind) } { (kind) } " " }
            }
        }
    }
}

/// `/evidence/A-12/processes`: the first file of that kind, or the file of that name.
pub(super) async fn evidence(
    State(site): State<Site>,
    Path((id, file)): Path<(String, String)>,
) -> Response {
    let store = EvidenceStore::new(site.evidence.clone(), None);
    let id = EvidenceId::from(id);
    let read = tokio::task::spawn_blocking(move || {
        let kept = store.index(&id)?;
        let named = kept.items.iter().find(|item| {
            item.file == file || item.file.split(['.', '-']).next() == Some(file.as_str())
        });
        match named {
            Some(item) => store.read(&id, &item.file),
            None => Err(EvidenceError::Unknown(format!("{id}/{file}"))),
        }
    });
    match read.await {
        Ok(Ok(text)) => {
            ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
        }
        Ok(Err(error)) => (StatusCode::NOT_FOUND, format!("{error}\n")).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}
