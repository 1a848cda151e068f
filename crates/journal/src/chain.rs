//! The hash chain, and how to walk it without this program.
//!
//! Every entry carries
//!
//! ```text
//! SHA-256( "evenkeel-journal-1\n"     19 bytes
//!          previous hash              32 bytes; all zero before revision 1
//!          revision                    8 bytes, unsigned   (all big endian)
//!          at, whole seconds           8 bytes, signed, since 1970-01-01 UTC
//!          at, nanoseconds             4 bytes, signed, same sign as the seconds
//!          length of kind              4 bytes, then kind in UTF-8
//!          version                     2 bytes
//!          length of body              4 bytes, then body )
//! ```
//!
//! In the SQLite file these are the columns of `entries`. Where a range was
//! removed by a rule there is a row in `seals`: `first..=last` are gone, the
//! chain enters them with `hash_before` and leaves them with `hash_after`.
//!
//! **What it proves.** Whoever noted a [`Head`] somewhere else can prove that
//! everything up to it is unchanged. Without a noted head the chain still finds
//! every edit that did not rewrite all hashes after it: accidents, and people
//! with a database shell. Someone who may write the file and recomputes the whole
//! chain is stopped only by a head noted elsewhere; no format can do more.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::entry::{Entry, Hash, Head, Revision};

const DOMAIN: &[u8] = b"evenkeel-journal-1\n";

/// What an entry is hashed over, besides its predecessor.
#[derive(Clone, Copy)]
pub struct Link<'a> {
    /// Its place.
    pub revision: Revision,
    /// Its time.
    pub at: jiff::Timestamp,
    /// Its kind.
    pub kind: &'a str,
    /// Its version.
    pub version: u16,
    /// Its body.
    pub body: &'a [u8],
}

/// The hash of an entry after a predecessor with hash `before`.
#[must_use]
pub fn hash(before: Hash, link: Link<'_>) -> Hash {
    // Lengths are bounded far below 4 GiB where drafts are checked; what is read
    // back from a damaged file is bounded by SQLite to 1 GB.
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut sha = Sha256::new();
    sha.update(DOMAIN);
    sha.update(before.0);
    sha.update(link.revision.0.to_be_bytes());
    sha.update(link.at.as_second().to_be_bytes());
    sha.update(link.at.subsec_nanosecond().to_be_bytes());
    sha.update(length(link.kind.as_bytes()));
    sha.update(link.kind.as_bytes());
    sha.update(link.version.to_be_bytes());
    sha.update(length(link.body));
    sha.update(link.body);
    Hash(sha.finalize().into())
}

/// A range of entries that a retention rule removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The first removed.
    pub first: Revision,
    /// The last removed.
    pub last: Revision,
    /// The hash of the entry before the first.
    pub before: Hash,
    /// The hash that the last one had.
    pub after: Hash,
}

/// One digest over all seals, in order: what a removal writes into the chain, so
/// that a seal made or changed by hand is found.
#[must_use]
pub fn digest_of_seals(seals: impl IntoIterator<Item = Seal>) -> Hash {
    let mut sha = Sha256::new();
    for seal in seals {
        sha.update(seal.first.0.to_be_bytes());
        sha.update(seal.last.0.to_be_bytes());
        sha.update(seal.before.0);
        sha.update(seal.after.0);
    }
    Hash(sha.finalize().into())
}

/// The first place where a journal is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("revision {revision}: {why}")]
pub struct Misfit {
    /// The first revision that does not fit.
    pub revision: Revision,
    /// In what way.
    pub why: Why,
}

/// In what way a journal is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The entry's hash is not the hash of its content after its predecessor.
    Hash,
    /// Entries are gone without a seal.
    Gap,
    /// A seal does not fit its neighbours.
    Seal,
    /// The seals are not those the journal last told of.
    SealsChanged,
    /// The entry cannot be read: what the storage engine said.
    Unreadable(String),
    /// A head noted elsewhere has another hash here.
    Head,
    /// A head noted elsewhere lies beyond the end.
    Short,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hash => f.write_str("the hash does not fit the content and what came before"),
            Self::Gap => f.write_str("entries are missing, and no rule removed them"),
            Self::Seal => f.write_str("a removed range does not fit what stands around it"),
            Self::SealsChanged => {
                f.write_str("the removed ranges are not those that the journal tells of")
            }
            Self::Unreadable(why) => write!(f, "cannot be read ({why})"),
            Self::Head => f.write_str("the hash is not the one that was noted"),
            Self::Short => f.write_str("was noted, but the journal ends before it"),
        }
    }
}

/// What a walk over a whole journal found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// Entries that are there and fit.
    pub entries: u64,
    /// Ranges that rules removed.
    pub sealed_ranges: u64,
    /// Entries that rules removed.
    pub sealed_entries: u64,
    /// The last entry that fits.
    pub head: Head,
    /// Heads noted elsewhere that lie in removed ranges and prove nothing here.
    pub heads_unchecked: Vec<Head>,
    /// The first thing that does not fit; `None` if all does.
    pub misfit: Option<Misfit>,
}

/// Goes along the chain, one step at a time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Walk {
    /// Where the walk stands.
    pub head: Head,
}

impl Walk {
    /// A walk that goes on from a known place.
    #[must_use]
    pub fn from(head: Head) -> Walk {
        Walk { head }
    }

    /// Takes the next entry, if it fits.
    pub fn step(&mut self, entry: &Entry) -> Result<(), Misfit> {
        let next = self.head.revision.next();
        if entry.revision != next {
            return Err(Misfit {
                revision: next,
                why: Why::Gap,
            });
        }
        let link = Link {
            revision: entry.revision,
            at: entry.at,
            kind: &entry.kind,
            version: entry.version,
            body: &entry.body,
        };
        if hash(self.head.hash, link) != entry.hash {
            return Err(Misfit {
                revision: next,
                why: Why::Hash,
            });
        }
        self.head = Head {
            revision: entry.revision,
            hash: entry.hash,
        };
        Ok(())
    }

    /// Crosses a removed range, if it fits.
    pub fn cross(&mut self, seal: &Seal) -> Result<(), Misfit> {
        let next = self.head.revision.next();
        if seal.first != next || seal.last < seal.first || seal.before != self.head.hash {
            return Err(Misfit {
                revision: next,
                why: Why::Seal,
            });
        }
        self.head = Head {
            revision: seal.last,
            hash: seal.after,
        };
        Ok(())
    }
}
