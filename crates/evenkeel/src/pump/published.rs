//! What the pump publishes: the durable record and the latest pictures, for pages, the
//! CLI and the page channel.
//!
//! Readers get an `Arc` and hold nobody up. The pump keeps two records for them, the one
//! on show and a spare one batch behind it: publishing applies the batch to the spare and
//! swaps the two, so that it costs what changed and not what there is. Only when a reader
//! still holds the spare is the whole record copied (some megabytes at its bounds, some
//! milliseconds); readers hold theirs for the length of one page.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::event::Event;
use evenkeel_core::forecast::Forecast;
use evenkeel_core::ids::{DatabaseId, RunId};
use evenkeel_core::observation::{DatabaseLoad, Levels, LockWaits, Observation, RunProgress, Seen};
use evenkeel_core::record::Record;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::publish::standing::Standings;
use crate::recorder::Recording;

use super::board::Board;
use super::fill::Fill;
use super::windows::Windows;

/// Older than this, what is published says nothing about now: three of the pump's
/// longest pauses.
pub const STALE_AFTER: Duration = Duration::from_secs(15);

/// What the pump last published.
#[derive(Debug, Clone)]
pub struct Published {
    /// The record, as far as it is durable.
    pub record: Arc<Record>,
    /// When it was last stepped, by the wall clock.
    pub at: Timestamp,
    /// The same, by a clock that cannot be set.
    pub stepped: Instant,
    /// The newest picture of who waits, by database.
    pub locks: BTreeMap<DatabaseId, (Timestamp, Arc<LockWaits>)>,
    /// The newest picture of connections and transactions, by database.
    pub load: BTreeMap<DatabaseId, (Timestamp, Arc<DatabaseLoad>)>,
    /// How far open runs are.
    pub progress: BTreeMap<RunId, (Timestamp, Arc<RunProgress>)>,
    /// How checks went lately.
    pub checks: Arc<Board>,
    /// What passed the edge lately.
    pub windows: Arc<Windows>,
    /// How full everything is that can fill up.
    pub fill: Arc<Fill>,
    /// Why nothing can be written to the journal, and since when.
    pub trouble: Option<(Timestamp, String)>,
    /// Pictures dropped since the start because they came faster than they were taken.
    pub dropped: u64,
    /// Whether what is seen is recorded for replay.
    pub recording: Recording,
    /// How the copies of the public page stand.
    pub copies: Arc<Standings>,
}

impl Published {
    /// Why this is no picture of now, where it is not: what `/healthz` answers.
    pub fn ailment(&self) -> Option<String> {
        if let Some((since, why)) = &self.trouble {
            return Some(format!("the journal takes no entries since {since}: {why}"));
        }
        let age = self.stepped.elapsed();
        (age > STALE_AFTER).then(|| {
            format!(
                "nothing was decided for {} s: the machine is overloaded or Evenkeel hangs; look at its log",
                age.as_secs()
            )
        })
    }

    /// Whether the pages may speak of now.
    pub fn is_stale(&self) -> bool {
        self.trouble.is_some() || self.stepped.elapsed() > STALE_AFTER
    }

    /// Something to show before anything was stepped, and in tests.
    pub fn of(record: Record) -> Self {
        Self {
            record: Arc::new(record),
            at: Timestamp::now(),
            stepped: Instant::now(),
            locks: BTreeMap::new(),
            load: BTreeMap::new(),
            progress: BTreeMap::new(),
            checks: Arc::default(),
            windows: Arc::default(),
            fill: Arc::default(),
            trouble: None,
            dropped: 0,
            recording: Recording::default(),
            copies: Arc::default(),
        }
    }
}

/// The pump's side.
pub(super) struct Publisher {
    sender: watch::Sender<Arc<Published>>,
    /// The record that was on show before, and what it lacks.
    spare: Option<Arc<Record>>,
    lacks: Vec<Event>,
    /// The journal's revision before what it lacks.
    lacks_from: u64,
}

impl Publisher {
    pub(super) fn new(record: &Record) -> Self {
        Self {
            sender: watch::Sender::new(Arc::new(Published::of(record.clone()))),
            spare: None,
            lacks: Vec::new(),
            lacks_from: 0,
        }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Arc<Published>> {
        self.sender.subscribe()
    }

    /// Shows whether what is seen is recorded.
    pub(super) fn show_recording(&self, recording: Recording) {
        self.sender.send_modify(|published| {
            let mut next = Published::clone(published);
            next.recording = recording;
            *published = Arc::new(next);
        });
    }

    /// Shows how full something is, and when it runs out.
    pub(super) fn show_levels(&self, at: Timestamp, levels: &Levels, forecasts: Vec<Forecast>) {
        let fill = self.sender.borrow().fill.clone();
        fill.take(at, levels, forecasts);
    }

    /// The record on show.
    pub(super) fn record(&self) -> Arc<Record> {
        self.sender.borrow().record.clone()
    }

    /// Shows `live`, which is the record on show and `events`, and what was seen.
    pub(super) fn advance(
        &mut self,
        live: &Record,
        events: Vec<Event>,
        inputs: &[Observation],
        now: Timestamp,
        dropped: u64,
    ) {
        let mut next = Published::clone(&self.sender.borrow());
        if !events.is_empty() {
            let fresh = self.next_record(live, &events);
            self.spare = Some(std::mem::replace(&mut next.record, fresh));
            self.lacks_from = before(live, &events);
            self.lacks = events;
        }
        for Observation { at, seen, .. } in inputs {
            match seen {
                Seen::LockWaits(picture) => {
                    let latest = (*at, Arc::new(picture.clone()));
                    next.locks.insert(picture.database.clone(), latest);
                }
                Seen::DatabaseLoad(picture) => {
                    let latest = (*at, Arc::new(picture.clone()));
                    next.load.insert(picture.database.clone(), latest);
                }
                Seen::RunProgress(progress) => {
                    let latest = (*at, Arc::new(progress.clone()));
                    next.progress.insert(progress.run.clone(), latest);
                }
                Seen::CheckResult(result) => next.checks.take(*at, result),
                Seen::EdgeWindow(window) => next.windows.take(*at, window),
                _ => {}
            }
        }
        next.progress.retain(|run, _| live.open_run(run).is_some());
        next.at = now;
        next.stepped = Instant::now();
        next.trouble = None;
        next.dropped = dropped;
        self.sender.send_replace(Arc::new(next));
    }

    fn next_record(&mut self, live: &Record, events: &[Event]) -> Arc<Record> {
        let Some(mut spare) = self.spare.take() else {
            return Arc::new(live.clone());
        };
        let Some(record) = Arc::get_mut(&mut spare) else {
            return Arc::new(live.clone());
        };
        // The journal's own entries lie between; the record keeps where pings are.
        record.revision = self.lacks_from;
        self.lacks.iter().for_each(|event| record.apply(event));
        record.revision = before(live, events);
        events.iter().for_each(|event| record.apply(event));
        record.revision = live.revision;
        spare
    }

    /// Shows a record that was folded anew.
    pub(super) fn replace(&mut self, live: &Record) {
        self.spare = None;
        self.lacks.clear();
        self.sender.send_modify(|published| {
            let mut next = Published::clone(published);
            next.record = Arc::new(live.clone());
            *published = Arc::new(next);
        });
    }

    /// Says that the journal takes no entries, or takes them again.
    pub(super) fn tell_trouble(&self, why: Option<&str>) {
        self.sender.send_if_modified(|published| {
            let known = published.trouble.as_ref().map(|(_, why)| why.as_str());
            if known == why {
                return false;
            }
            let mut next = Published::clone(published);
            let since = next.trouble.map_or_else(Timestamp::now, |(since, _)| since);
            next.trouble = why.map(|why| (since, why.to_owned()));
            *published = Arc::new(next);
            true
        });
    }
}

/// The revision before `events`, which were appended last.
fn before(live: &Record, events: &[Event]) -> u64 {
    let count = u64::try_from(events.len()).unwrap_or(u64::MAX);
    live.revision.saturating_sub(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_core::event::What;

    fn held(n: u64) -> Event {
        Event {
            at: Timestamp::UNIX_EPOCH,
            what: What::ActionsHeld {
                by: "operator:ana".into(),
                reason: format!("reason {n}"),
            },
        }
    }

    #[test]
    fn what_is_shown_equals_the_live_record_whoever_holds_what() {
        let mut live = Record::default();
        let mut publisher = Publisher::new(&live);
        let mut readers = Vec::new();
        for n in 0..50 {
            let event = held(n);
            live.apply(&event);
            publisher.advance(&live, vec![event], &[], Timestamp::UNIX_EPOCH, 0);
            assert_eq!(*publisher.record(), live);
            // Every third page is read slowly.
            if n % 3 == 0 {
                readers.push(publisher.record());
            }
            if n % 7 == 0 {
                readers.clear();
            }
        }
    }

    #[test]
    fn a_turn_without_events_shares_the_record() {
        let live = Record::default();
        let mut publisher = Publisher::new(&live);
        let before = publisher.record();
        publisher.advance(&live, Vec::new(), &[], Timestamp::UNIX_EPOCH, 0);
        assert!(Arc::ptr_eq(&before, &publisher.record()));
    }
}
