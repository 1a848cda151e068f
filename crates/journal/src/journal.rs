//! The contract that every backend keeps. `tests/contract.rs` holds each to it.

use crate::{
    chain::Verification,
    entry::{Draft, Entry, Head, Revision, Snapshot},
    error::{AppendError, ReadError, RetainError, SnapshotError},
    retention::{Retained, Retention},
};

/// One page of entries has at most so many, whatever was asked for.
pub const READ_ENTRIES_MAX: usize = 1_000;
/// One page ends with the entry whose body brings it to this size.
pub const READ_BYTES_MAX: usize = 8 << 20;

/// An append-only record. Blocking: call it from a thread that may block.
pub trait Journal: Send {
    /// The last revision and its hash; zeros for an empty journal.
    fn head(&self) -> Result<Head, ReadError>;

    /// The last revision; 0 for an empty journal.
    fn revision(&self) -> Result<Revision, ReadError> {
        Ok(self.head()?.revision)
    }

    /// Appends all of `drafts`, or none, if the journal is still at `expected`.
    /// Durable when it returns the new last revision. No drafts, no change; the
    /// condition is checked all the same.
    fn append(&mut self, expected: Revision, drafts: &[Draft]) -> Result<Revision, AppendError>;

    /// The entries after a revision, in order: at most `limit`, at most
    /// [`READ_ENTRIES_MAX`], and about [`READ_BYTES_MAX`]; at least one if there
    /// is one and `limit` is not 0. Revisions may be missing where rules removed
    /// entries. Every entry returned has been checked against its predecessor.
    fn read(&self, after: Revision, limit: usize) -> Result<Vec<Entry>, ReadError>;

    /// The newest snapshot of this format that is whole and belongs to this very
    /// history. Any other is passed over in silence.
    fn latest_snapshot(&self, format: u32) -> Result<Option<Snapshot>, ReadError>;

    /// Keeps a snapshot, and drops all but the newest two.
    fn save_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError>;

    /// Removes what the rules let go, up to [`crate::retention::REMOVED_MAX`]
    /// entries in one call, and appends one entry that tells of it. Conditional
    /// like an append; changes nothing if there is nothing to remove.
    fn retain(
        &mut self,
        expected: Revision,
        rules: &Retention,
        now: jiff::Timestamp,
    ) -> Result<Retained, RetainError>;

    /// Walks everything there is. `known` are heads noted elsewhere: with one of
    /// them, nothing before it can have been rewritten unnoticed. Damage is part
    /// of the answer; an error means that the walk could not be made.
    fn verify(&self, known: &[Head]) -> Result<Verification, ReadError>;
}
