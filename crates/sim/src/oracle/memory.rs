//! Bounds: what is remembered does not grow with time.

use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::record::KEPT_ENDED;
use evenkeel_core::step::State;

use super::{Held, Oracle};

/// Findings that may hold at once: every run, job, database and session of such a world.
const FINDINGS_MAX: usize = 150;

/// The memory of detectors, written out.
const MEMORY_BYTES_MAX: usize = 2_000_000;

impl Oracle {
    /// The record keeps what is open and a fixed number of what is over; the memory of
    /// detectors stays small.
    pub(crate) fn memory_is_bounded(&mut self, state: &State) {
        let held = bounded(state);
        self.hold(held);
    }
}

fn bounded(state: &State) -> Held {
    let record = &state.record;
    let open_runs = record
        .runs
        .values()
        .filter(|run| run.ended.is_none())
        .count();
    let unresolved = record
        .incidents
        .values()
        .filter(|incident| incident.status != IncidentStatus::Resolved)
        .count();
    let sizes = [
        ("findings", record.findings.len(), FINDINGS_MAX),
        ("open actions", record.open_actions.len(), 64),
        ("actions", record.actions.len(), KEPT_ENDED + 64),
        ("open runs", open_runs, 32),
        ("runs", record.runs.len(), KEPT_ENDED + 32),
        ("unresolved incidents", unresolved, 100),
        ("incidents", record.incidents.len(), KEPT_ENDED + 100),
        ("open messages", record.open_messages.len(), 400),
        ("messages", record.messages.len(), 4 * KEPT_ENDED + 400),
        ("ledgers", record.ledger.len(), 64),
        (
            "bytes of memory",
            format!("{:?}", state.memory).len(),
            MEMORY_BYTES_MAX,
        ),
    ];
    match sizes.iter().find(|(_, size, most)| size > most) {
        Some((what, size, most)) => Err((
            "memory_is_bounded",
            format!("{size} {what}, {most} at most"),
        )),
        None => Ok(()),
    }
}
