//! What somebody has had: place-time, in microseconds, and what is still to come of it.

/// See [`super`] for what its key is.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Account {
    /// Place-time until `since`, and what it was lifted by.
    used: u64,
    since: u64,
    /// What those under way are expected to take.
    expected: u64,
    under_way: u32,
}

impl Account {
    pub(crate) fn key(&self, now: u64) -> u64 {
        self.settled(now).saturating_add(self.expected)
    }

    fn settled(&self, now: u64) -> u64 {
        let passed = now.saturating_sub(self.since);
        self.used.saturating_add(passed * u64::from(self.under_way))
    }

    fn settle(&mut self, now: u64) {
        self.used = self.settled(now);
        self.since = self.since.max(now);
    }

    pub(crate) fn take(&mut self, now: u64, expected: u64) {
        self.settle(now);
        self.under_way += 1;
        self.expected += expected;
    }

    pub(crate) fn give(&mut self, now: u64, expected: u64) {
        self.settle(now);
        self.under_way -= 1;
        self.expected -= expected;
    }

    /// It is not charged for so much of what it has had.
    pub(crate) fn forgive(&mut self, excess: u64) {
        self.used = self.used.saturating_sub(excess);
    }

    /// Who comes back from idleness has not saved anything up.
    pub(crate) fn lift(&mut self, now: u64, to: u64) {
        let short = to.saturating_sub(self.key(now));
        self.used = self.used.saturating_add(short);
    }
}
