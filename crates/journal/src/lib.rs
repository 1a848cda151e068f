//! Remembers. An append-only record of what was found, decided, done and told.
//!
//! Everything Evenkeel knows for longer than a moment is a fold of this record,
//! so the crate makes few promises and keeps them:
//!
//! - **An append is durable when it returns**, whole or not at all, and can be
//!   made conditional on nothing having been appended in between.
//! - **An acknowledged append never vanishes silently.** What a crash or a bad
//!   disk took is set aside where it can be, counted and reported; damage that
//!   cannot have been a torn write refuses to start ([`SqliteJournal::open`]).
//! - **Nothing is edited afterwards.** Entries form a hash chain ([`chain`]) that
//!   [`Journal::verify`] walks; old entries may only be removed by a rule, as
//!   sealed ranges that the chain itself tells of ([`retention`]).
//! - **One process writes.** A second is told who holds the journal.
//!
//! The journal knows nothing of what its entries mean: a kind, a version, a time
//! and a body. That keeps the file readable in ten years by any tool that can
//! read SQLite, and lets backends be exchanged under one contract (`tests/contract.rs`).
//! What they mean to the core is [`codec`]'s to say.
//!
//! Blocking by design: callers that must not block use [`GroupCommit`] or a
//! blocking task. An async trait would only have hidden the `fsync`.

pub mod chain;
pub mod codec;
mod entry;
mod error;
mod group;
mod journal;
mod memory;
pub mod retention;
mod sqlite;
mod verify;

pub use chain::{Misfit, Verification};
pub use entry::{
    BATCH_BYTES_MAX, BATCH_DRAFTS_MAX, BODY_BYTES_MAX, Draft, Entry, Hash, Head, KIND_BYTES_MAX,
    RESERVED_PREFIX, Revision, SNAPSHOT_BYTES_MAX, Snapshot,
};
pub use error::{AppendError, Cause, Fault, OpenError, ReadError, RetainError, SnapshotError};
pub use group::{Bounds, GroupCommit, Pending, Span, Writer};
pub use journal::{Journal, READ_BYTES_MAX, READ_ENTRIES_MAX};
pub use memory::MemoryJournal;
pub use retention::{Retained, Retention};
pub use sqlite::{Holder, Opened, SetAside, SqliteJournal, TAIL_ENTRIES_MAX};
