//! What guards need to know of the record, folded from it.

use std::collections::BTreeMap;

use evenkeel_core::action::Task;
use evenkeel_core::event::{Event, What};
use evenkeel_core::record::Record;
use evenkeel_guards::guard::Watchlist;

/// The watchlist of a record: a few hundred entries at most, since the record is bounded.
pub(super) fn of(record: &Record) -> Watchlist {
    let mut list = Watchlist::default();
    for (run, state) in &record.runs {
        if state.ended.is_none() {
            let since = state.started_at.unwrap_or(state.requested_at);
            list.open_runs
                .insert(run.clone(), (state.job.clone(), since));
        } else {
            list.ended_runs.insert(run.clone(), state.job.clone());
        }
    }
    let of_jobs =
        |when: fn(&evenkeel_core::record::JobState) -> Option<evenkeel_core::Timestamp>| {
            record
                .jobs
                .iter()
                .filter_map(|(job, state)| Some((job.clone(), when(state)?)))
                .collect::<BTreeMap<_, _>>()
        };
    list.last_slots = of_jobs(|job| job.last_slot);
    list.last_due = of_jobs(|job| job.last_due);
    list
}

/// Whether an event can change the watchlist.
pub(super) fn changes_with(event: &Event) -> bool {
    match &event.what {
        What::SlotTaken { .. }
        | What::SlotSkipped { .. }
        | What::RunStarted { .. }
        | What::RunEnded { .. }
        | What::ProductExpected { .. }
        // A start that failed ends its run.
        | What::ActionEnded { .. } => true,
        What::ActionRequested { action, .. } => matches!(action.task, Task::StartRun { .. }),
        _ => false,
    }
}
