//! The same policy: every decision must be the journal's, byte for byte.

use std::path::Path;

use evenkeel_core::Timestamp;
use evenkeel_core::event::Event;
use evenkeel_core::policy::Policy;
use evenkeel_core::record::Record;
use evenkeel_core::step::{State, step};
use evenkeel_journal::codec;
use evenkeel_journal::{Draft, Entry, Journal};
use serde::Serialize;

use super::entries::Entries;
use super::{Follows, Player, Progress, ReplayError, Replayed, Stretch, play};
use crate::recorder::{Base, Step};
use crate::web::account;

/// Differences that are told one by one: the first say most.
const TOLD_MAX: usize = 20;

/// What became of it.
#[derive(Debug, Clone, Serialize)]
pub struct Again {
    /// What was replayed.
    #[serde(flatten)]
    pub replayed: Replayed,
    /// Decisions that were compared with the journal.
    pub replay_decisions_compared_count: u64,
    /// Those that differ, and those that only one of the two has.
    pub replay_decisions_differ_count: u64,
    /// Decisions whose entry retention has removed: not comparable, and not counted equal.
    pub replay_decisions_not_comparable_count: u64,
    /// The first that differ.
    pub differences: Vec<Difference>,
}

/// One decision that is not the journal's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The entry.
    pub revision: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// What the journal has; none where it was not decided then.
    pub journal: Option<String>,
    /// What was decided now; none where nothing was.
    pub replay: Option<String>,
}

/// Decides a stretch again, under the policy it was recorded with.
///
/// # Errors
/// See [`ReplayError`].
pub fn replay(
    folder: &Path,
    journal: &dyn Journal,
    stretch: Stretch,
    progress: Progress<'_>,
) -> Result<Again, ReplayError> {
    let mut player = Same {
        state: State::default(),
        policy: Policy::default().into(),
        written: Record::default(),
        entries: Entries::new(journal),
        is_first: true,
        compared: 0,
        differ: 0,
        not_comparable: 0,
        differences: Vec::new(),
    };
    let replayed = play(folder, stretch, &mut player, progress)?;
    Ok(Again {
        replayed,
        replay_decisions_compared_count: player.compared,
        replay_decisions_differ_count: player.differ,
        replay_decisions_not_comparable_count: player.not_comparable,
        differences: player.differences,
    })
}

struct Same<'a> {
    state: State,
    policy: std::sync::Arc<Policy>,
    /// The record as the journal has it.
    written: Record,
    entries: Entries<'a>,
    /// No step of this segment was taken yet.
    is_first: bool,
    compared: u64,
    differ: u64,
    not_comparable: u64,
    differences: Vec<Difference>,
}

impl Player for Same<'_> {
    fn begin(&mut self, base: Base, _follows: Follows, _replayed: &mut Replayed) {
        // Always as it was written: a difference does not outlive its segment either.
        self.written = Record::clone(&base.record);
        self.state = State {
            record: Record::clone(&base.record),
            memory: base.memory,
        };
        self.policy = base.policy;
        self.entries.go_to(self.written.revision);
        self.is_first = true;
    }

    fn step(&mut self, taken: &Step, looked_at: bool) -> Result<(), ReplayError> {
        let unexplained = self.entries.up_to(taken.before)?;
        self.state.record.revision = taken.before;
        self.written.revision = taken.before;
        let events = step(&mut self.state, &self.policy, &taken.inputs, taken.now);
        let entries = self.entries.up_to(taken.before + taken.events)?;
        let mut comparison = Comparison {
            step: taken,
            differences: Vec::new(),
            not_comparable: 0,
        };
        // Between two steps of a segment there is nothing but the journal's bookkeeping.
        // Before the first there may be what a failed append left.
        if !self.is_first {
            let unexplained = unexplained.iter().filter(|e| !e.is_bookkeeping());
            unexplained.for_each(|entry| comparison.differ(Some(entry), None));
        }
        self.is_first = false;
        comparison.compare(&events, &entries);
        let Comparison {
            differences,
            not_comparable,
            ..
        } = comparison;
        self.follow(&events, &entries, !differences.is_empty(), taken);
        if looked_at {
            let decided = (events.len() as u64).max(taken.events);
            self.compared += decided.saturating_sub(not_comparable);
            self.not_comparable += not_comparable;
            self.differ += differences.len() as u64;
            let room = TOLD_MAX.saturating_sub(self.differences.len());
            self.differences.extend(differences.into_iter().take(room));
        }
        Ok(())
    }
}

impl Same<'_> {
    /// Goes on from what the journal says.
    fn follow(&mut self, events: &[Event], entries: &[Entry], differs: bool, taken: &Step) {
        let mut known = entries.iter().peekable();
        let mut revision = taken.before;
        for at in 0..taken.events {
            revision += 1;
            let entry = known.next_if(|entry| entry.revision.0 == revision);
            let folded = entry.map(|entry| codec::fold_in(&mut self.written, entry));
            // What retention removed, or another version wrote, is as it was decided now.
            if !matches!(folded, Some(Ok(())))
                && let Some(event) = events.get(at as usize)
            {
                self.written.apply(event);
                self.written.revision = revision;
            }
        }
        if differs {
            self.state.record = self.written.clone();
        }
    }
}

/// One step's decisions, beside the journal's.
struct Comparison<'a> {
    step: &'a Step,
    differences: Vec<Difference>,
    not_comparable: u64,
}

impl Comparison<'_> {
    fn compare(&mut self, events: &[Event], entries: &[Entry]) {
        let mut known = entries.iter().peekable();
        for at in 0..self.step.events.max(events.len() as u64) {
            let revision = self.step.before + 1 + at;
            let entry = known.next_if(|entry| entry.revision.0 == revision);
            let event = events.get(at as usize);
            match (entry, event) {
                (None, _) if at < self.step.events => self.not_comparable += 1,
                (Some(entry), Some(event)) if is_same(entry, &codec::encode(event)) => {}
                (entry, event) => self.differ(entry, event),
            }
        }
    }

    fn differ(&mut self, entry: Option<&Entry>, event: Option<&Event>) {
        let (journal, replay) = (entry.map(entry_said), event.map(event_said));
        let is_told_alike = journal == replay;
        let revision = entry.map_or(self.step.before, |entry| entry.revision.0);
        let bytes = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
        self.differences.push(Difference {
            revision,
            at: self.step.now,
            // Two that sound the same are shown as they are written.
            journal: match entry {
                Some(entry) if is_told_alike => Some(bytes(&entry.body)),
                _ => journal,
            },
            replay: match event {
                Some(event) if is_told_alike => Some(bytes(&codec::encode(event).body)),
                _ => replay,
            },
        });
    }
}

fn is_same(entry: &Entry, draft: &Draft) -> bool {
    entry.at == draft.at
        && entry.kind == draft.kind
        && entry.version == draft.version
        && entry.body == draft.body
}

fn entry_said(entry: &Entry) -> String {
    match codec::decode(entry) {
        Ok(Some(event)) => event_said(&event),
        Ok(None) => entry.kind.clone(),
        Err(error) => error.to_string(),
    }
}

fn event_said(event: &Event) -> String {
    format!("{}: {}", event.what.kind(), account::sentence(&event.what))
}
