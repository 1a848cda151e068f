//! The journal's entries beside the steps that decided them.

use std::collections::VecDeque;

use evenkeel_journal::{Entry, Journal, READ_ENTRIES_MAX, ReadError, Revision};

/// Reads forward, a page at a time.
pub(super) struct Entries<'a> {
    journal: &'a dyn Journal,
    /// Everything up to here was taken or passed.
    at: u64,
    page: VecDeque<Entry>,
}

impl<'a> Entries<'a> {
    pub(super) fn new(journal: &'a dyn Journal) -> Self {
        Self {
            journal,
            at: 0,
            page: VecDeque::new(),
        }
    }

    /// Goes on after `revision`, forwards or backwards.
    pub(super) fn go_to(&mut self, revision: u64) {
        while self
            .page
            .front()
            .is_some_and(|entry| entry.revision.0 <= revision)
        {
            self.page.pop_front();
        }
        if revision < self.at {
            self.page.clear();
        }
        self.at = revision;
    }

    /// The entries from here up to `revision`, as far as they are there.
    pub(super) fn up_to(&mut self, revision: u64) -> Result<Vec<Entry>, ReadError> {
        let mut taken = Vec::new();
        while self.at < revision {
            if self.page.is_empty() {
                let page = self.journal.read(Revision(self.at), READ_ENTRIES_MAX)?;
                self.page.extend(page);
            }
            match self.page.front() {
                Some(entry) if entry.revision.0 <= revision => {
                    self.at = entry.revision.0;
                    taken.extend(self.page.pop_front());
                }
                // Removed by retention, or not there yet.
                _ => self.at = revision,
            }
        }
        Ok(taken)
    }
}
