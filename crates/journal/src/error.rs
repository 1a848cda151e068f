//! What can go wrong, by operation; whose fault it is, and whether trying again
//! can help.
//!
//! Errors are `Clone`, because one failed group commit is answered to everyone
//! who shared it.

use std::{fmt, path::PathBuf, sync::Arc};

use crate::{
    chain::Misfit,
    entry::{RESERVED_PREFIX, Revision},
    sqlite::Holder,
};

/// Who can mend it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Another writer was faster, or holds what we want.
    Peer,
    /// The machine, its disk or its configuration: a person has to look.
    Operator,
    /// A mistake in Evenkeel.
    Us,
}

/// What a storage engine said.
#[derive(Clone, Debug)]
pub struct Cause(Arc<dyn std::error::Error + Send + Sync>);

impl Cause {
    /// Wraps an engine's error.
    pub fn new(error: impl std::error::Error + Send + Sync + 'static) -> Cause {
        Cause(Arc::new(error))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// An append that was not made, or whose fate is not known.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// Something was appended in between. Nothing was written.
    #[error(
        "the journal is at revision {actual}, not at {expected}: read what came since and decide again"
    )]
    Conflict {
        /// Where the caller thought the journal was.
        expected: Revision,
        /// Where it is.
        actual: Revision,
    },
    /// More than one append may hold. Nothing was written.
    #[error("{size} {what}, at most {limit} are taken")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// How much there is.
        size: usize,
        /// How much there may be.
        limit: usize,
    },
    /// An empty kind, or one of the journal's own. Nothing was written.
    #[error(
        "kind {kind:?} is empty or begins with {RESERVED_PREFIX:?}, which the journal keeps for itself"
    )]
    ReservedKind {
        /// The kind in question.
        kind: String,
    },
    /// The disk is full. Nothing was written; later appends work once there is room.
    #[error(
        "no space left for the journal: free space on the disk that holds it; nothing of this append was kept"
    )]
    Full(#[source] Cause),
    /// Another process is in the way, such as a copy being made. Nothing was written.
    #[error("the journal's file is in use by another program: wait for it, or end it")]
    Busy(#[source] Cause),
    /// The bounded queue of a [`crate::GroupCommit`] is full. Nothing was written.
    #[error(
        "{waiting} appends are waiting already: the disk does not keep up; try again later or drop what can be dropped"
    )]
    QueueFull {
        /// The queue's bound.
        waiting: usize,
    },
    /// The journal was opened for reading only. Nothing was written.
    #[error("the journal is open for reading only")]
    ReadOnly,
    /// The group commit was closed, or ended with this append undecided.
    #[error("the journal was closed; whether this append was kept shows when it is opened again")]
    Closed,
    /// The storage failed. The append may or may not have been kept, and this
    /// handle takes no more of them: open the journal again to see.
    #[error(
        "writing to the journal failed: look at the disk (dmesg, SMART), then start again; whether the append was kept shows then"
    )]
    Storage(#[source] Cause),
    /// An earlier append failed in a way that leaves its fate open.
    #[error("an earlier write to the journal failed: look at the disk, then start again")]
    Broken,
}

impl AppendError {
    /// Who can mend it.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Conflict { .. } | Self::Busy(_) => Fault::Peer,
            Self::Full(_) | Self::QueueFull { .. } | Self::Storage(_) | Self::Broken => {
                Fault::Operator
            }
            Self::TooLarge { .. } | Self::ReservedKind { .. } | Self::ReadOnly | Self::Closed => {
                Fault::Us
            }
        }
    }

    /// Whether trying again, on the same handle, can help.
    #[must_use]
    pub fn retry_can_help(&self) -> bool {
        matches!(
            self,
            Self::Conflict { .. } | Self::Full(_) | Self::Busy(_) | Self::QueueFull { .. }
        )
    }
}

/// Entries that could not be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// What is stored is not what was appended.
    #[error(
        "the journal is damaged or was edited: stop Evenkeel, keep the file as it is, and restore a copy; `evenkeel journal verify` shows how much is good"
    )]
    Misfit(#[from] Misfit),
    /// Another process is in the way.
    #[error("the journal's file is in use by another program: wait for it, or end it")]
    Busy(#[source] Cause),
    /// The storage failed.
    #[error(
        "reading the journal failed: look at the disk (dmesg, SMART) and at the file's permissions"
    )]
    Storage(#[source] Cause),
    /// The group commit was closed.
    #[error("the journal was closed")]
    Closed,
}

impl ReadError {
    /// Who can mend it.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Misfit(_) | Self::Storage(_) => Fault::Operator,
            Self::Busy(_) => Fault::Peer,
            Self::Closed => Fault::Us,
        }
    }

    /// Whether trying again can help.
    #[must_use]
    pub fn retry_can_help(&self) -> bool {
        matches!(self, Self::Busy(_))
    }
}

/// A snapshot that was not saved. Nothing is lost by it but time at the next start.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SnapshotError {
    /// A snapshot of what has not happened yet, or happened before retention.
    #[error("there is no entry {revision} to take a snapshot at (the journal is at {head})")]
    NoSuchRevision {
        /// The snapshot's.
        revision: Revision,
        /// The journal's.
        head: Revision,
    },
    /// More than [`crate::SNAPSHOT_BYTES_MAX`].
    #[error("the snapshot has {size} bytes, at most {limit} are taken")]
    TooLarge {
        /// How much there is.
        size: usize,
        /// How much there may be.
        limit: usize,
    },
    /// Writing failed, as an append does.
    #[error("the snapshot was not written")]
    Write(#[from] AppendError),
    /// Reading failed.
    #[error("the snapshot could not be placed")]
    Read(#[from] ReadError),
}

/// Old entries that were not removed. Nothing was changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RetainError {
    /// Writing failed, as an append does; [`AppendError::Conflict`] among them.
    #[error("old entries were not removed")]
    Write(#[from] AppendError),
    /// Reading failed.
    #[error("old entries could not be found")]
    Read(#[from] ReadError),
}

/// A journal that was not opened. Its files are as they were.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{} is held by {holder}: stop that one first, or use the read-only commands", path.display())]
    Held {
        /// The journal.
        path: PathBuf,
        /// Who has it.
        holder: Holder,
    },
    /// Not there, though it should be.
    #[error("{} is missing or empty, but {} says that it held {revision} entries: restore a copy, or move that file away to begin a new journal", path.display(), witness.display())]
    Missing {
        /// The journal.
        path: PathBuf,
        /// The file that remembers it.
        witness: PathBuf,
        /// The last revision that was acknowledged.
        revision: Revision,
    },
    /// Not there, and only asked to be read.
    #[error("there is no journal at {}: check the path in the configuration, or start `evenkeel serve` once", path.display())]
    NotFound {
        /// Where it should be.
        path: PathBuf,
    },
    /// Some other file.
    #[error("{} is not an Evenkeel journal: check the path in the configuration, or restore a copy if it was one", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Written by a later version.
    #[error("{} has format {format}, this version knows up to {known}: use a newer evenkeel", path.display())]
    Newer {
        /// The journal.
        path: PathBuf,
        /// Its format.
        format: i64,
        /// Ours.
        known: i64,
    },
    /// Damage that is not a torn tail: opening it would present a wrong history.
    #[error("{} is damaged ({what}): keep the file as it is and restore a copy; `evenkeel journal verify` shows how much of it is good", path.display())]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// What was found, and where.
        what: String,
        /// What the storage engine said, if it did.
        #[source]
        cause: Option<Cause>,
    },
    /// The history is whole, but it is not the one that was acknowledged.
    #[error("{} holds another history than the one acknowledged up to revision {revision}: restore the right copy, or move {} away if this one was restored on purpose", path.display(), witness.display())]
    Replaced {
        /// The journal.
        path: PathBuf,
        /// The file that remembers the other history.
        witness: PathBuf,
        /// The revision that differs.
        revision: Revision,
    },
    /// A file could not be made, read or written.
    #[error("{what} {}: check that the folder exists, is writable and has space", path.display())]
    File {
        /// What was attempted.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: Cause,
    },
}

impl OpenError {
    /// Who can mend it.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Held { .. } => Fault::Peer,
            _ => Fault::Operator,
        }
    }

    /// Whether trying again can help without anything being changed by a person.
    #[must_use]
    pub fn retry_can_help(&self) -> bool {
        matches!(self, Self::Held { .. })
    }
}
