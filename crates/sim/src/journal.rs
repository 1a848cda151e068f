//! The journal in memory, with the ways a real one fails.

use evenkeel_core::event::Event;
use evenkeel_core::record::Record;
use evenkeel_journal::codec;
use evenkeel_journal::{Draft, Entry, Journal, MemoryJournal, Revision};

use crate::clock::Ms;

/// What an append came to.
pub(crate) enum Answer {
    Durable,
    /// It refuses, and nothing was written: the disk is full, the file is busy.
    NotNow,
    /// Nobody can say whether it was written; it has to be read again.
    InDoubt {
        written: bool,
    },
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Faulty {
    inner: MemoryJournal,
    revision: Revision,
    /// Until when it refuses.
    pub(crate) refuses_until: Ms,
    /// The next append ends in doubt.
    pub(crate) doubt_next: bool,
    looked_at: Revision,
}

impl Faulty {
    pub(crate) fn append(&mut self, events: &[Event], rng: &mut fastrand::Rng, t: Ms) -> Answer {
        if t < self.refuses_until && !events.is_empty() {
            return Answer::NotNow;
        }
        if events.is_empty() {
            return Answer::Durable;
        }
        let doubt = std::mem::take(&mut self.doubt_next);
        let written = !doubt || rng.bool();
        if written {
            let drafts: Vec<Draft> = events.iter().map(codec::encode).collect();
            match self.inner.append(self.revision, &drafts) {
                Ok(revision) => self.revision = revision,
                Err(error) => unreachable!("the journal in memory takes what fits: {error}"),
            }
            if self.revision.0 % 700 < events.len() as u64 {
                self.keep_snapshot();
            }
        }
        match doubt {
            true => Answer::InDoubt { written },
            false => Answer::Durable,
        }
    }

    fn keep_snapshot(&mut self) {
        let record = self.fold();
        if let Ok(snapshot) = codec::snapshot(&record) {
            // A snapshot is a cache: without it the next fold takes longer.
            let _kept = self.inner.save_snapshot(&snapshot);
        }
    }

    /// What a restart would know.
    pub(crate) fn fold(&self) -> Record {
        match codec::fold(&self.inner) {
            Ok(folded) => folded.record,
            Err(error) => unreachable!("what was just written can be read: {error}"),
        }
    }

    /// The entries since this was last asked.
    pub(crate) fn entries_after_look(&mut self) -> Vec<Entry> {
        let mut entries = Vec::new();
        loop {
            let page = self
                .inner
                .read(self.looked_at, usize::MAX)
                .unwrap_or_default();
            let Some(last) = page.last() else {
                return entries;
            };
            self.looked_at = last.revision;
            entries.extend(page);
        }
    }
}
