//! What is appended, and what was.
//!
//! Bounds are checked before anything is written: a journal that accepts a body
//! it cannot read back in one page would refuse to start.

use std::fmt;

use crate::error::AppendError;

/// A body may be this long. Evidence is summarised well below it; files belong
/// in the flight recorder.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// A kind may be this long; longest in use is some thirty bytes.
pub const KIND_BYTES_MAX: usize = 120;
/// One append takes at most so many drafts: one tick's worth, a hundred times over.
pub const BATCH_DRAFTS_MAX: usize = 10_000;
/// One append takes at most so many bytes of kinds and bodies.
pub const BATCH_BYTES_MAX: usize = 32 << 20;
/// A snapshot may be this long.
pub const SNAPSHOT_BYTES_MAX: usize = 64 << 20;
/// Kinds that begin so are the journal's own bookkeeping: folds skip them.
pub const RESERVED_PREFIX: &str = "journal.";

/// The place of an entry in the journal. The first is 1; 0 stands before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl Revision {
    /// Before the first entry: the revision of an empty journal.
    pub const ZERO: Revision = Revision(0);

    /// The revision after this one.
    #[must_use]
    pub fn next(self) -> Revision {
        Revision(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A SHA-256 digest; shown as 64 hexadecimal digits.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// What the first entry is chained to.
    pub const ZERO: Hash = Hash([0; 32]);

    /// Reads the 64 hexadecimal digits that `Display` writes.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Hash> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            *byte = u8::try_from(high * 16 + low).ok()?;
        }
        Some(Hash(bytes))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

/// How far a journal has come: enough, noted elsewhere, to prove later that
/// everything up to here is still as it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The last revision.
    pub revision: Revision,
    /// The hash of the entry there.
    pub hash: Hash,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.revision, self.hash)
    }
}

/// One thing to append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// When it happened, by the clock of whoever says so. Need not ascend.
    pub at: jiff::Timestamp,
    /// What it is, in the past tense: `incident_opened`.
    pub kind: String,
    /// The version of the body's shape.
    pub version: u16,
    /// The body: JSON text by convention, opaque here.
    pub body: Vec<u8>,
}

impl Draft {
    /// Kind and body together, for the bounds.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.kind.len() + self.body.len()
    }

    /// Whether these drafts could be appended in one go, to any journal.
    pub fn check(drafts: &[Draft]) -> Result<(), AppendError> {
        let too_large = |what, size, limit| Err(AppendError::TooLarge { what, size, limit });
        if drafts.len() > BATCH_DRAFTS_MAX {
            return too_large("drafts in one append", drafts.len(), BATCH_DRAFTS_MAX);
        }
        for draft in drafts {
            if draft.kind.is_empty() || draft.kind.starts_with(RESERVED_PREFIX) {
                return Err(AppendError::ReservedKind {
                    kind: draft.kind.clone(),
                });
            }
            if draft.kind.len() > KIND_BYTES_MAX {
                return too_large("bytes in a kind", draft.kind.len(), KIND_BYTES_MAX);
            }
            if draft.body.len() > BODY_BYTES_MAX {
                return too_large("bytes in a body", draft.body.len(), BODY_BYTES_MAX);
            }
        }
        let bytes = drafts.iter().map(Draft::bytes).sum();
        if bytes > BATCH_BYTES_MAX {
            return too_large("bytes in one append", bytes, BATCH_BYTES_MAX);
        }
        Ok(())
    }
}

/// One thing that was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place.
    pub revision: Revision,
    /// As in the draft.
    pub at: jiff::Timestamp,
    /// As in the draft.
    pub kind: String,
    /// As in the draft.
    pub version: u16,
    /// As in the draft.
    pub body: Vec<u8>,
    /// Chains it to everything before it: see [`crate::chain`].
    pub hash: Hash,
}

impl Entry {
    /// Whether this is the journal's own bookkeeping, which folds skip.
    #[must_use]
    pub fn is_bookkeeping(&self) -> bool {
        self.kind.starts_with(RESERVED_PREFIX)
    }

    /// Whether this is what that draft became.
    #[must_use]
    pub fn holds(&self, draft: &Draft) -> bool {
        self.at == draft.at
            && self.kind == draft.kind
            && self.version == draft.version
            && self.body == draft.body
    }
}

/// A fold of the journal up to a revision, kept so that the next start need not
/// fold it all again. A cache: losing one costs time, never truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The last revision that is folded in.
    pub revision: Revision,
    /// The shape of the body. Another format than asked for is ignored.
    pub format: u32,
    /// The fold, opaque here.
    pub body: Vec<u8>,
}
