//! Removing what is old, without breaking the chain.
//!
//! **Sealed ranges, not tombstones.** A tombstone for each removed entry (its
//! digest, kind and time) would prove more: that an entry of this kind was here.
//! It would also grow for ever, at some 60 bytes for each of millions of findings
//! a year, which is what retention is there to stop. A seal stands for a whole
//! range of removed entries: the hash with which the chain enters it, the hash
//! with which it leaves. Neighbouring seals melt into one, so that there are never
//! more of them than entries that were kept, plus one.
//!
//! **What stays provable.** Every entry that is there is unedited, and nothing is
//! missing but the sealed ranges. Each removal appends one entry to the chain
//! (kind [`SEALED_KIND`]) which says by which rule what was removed, how many of
//! each kind, and the digest of all seals as they stand after it; a seal made or
//! widened by hand does not fit that digest, and an entry is checked against the
//! chain before it is removed, so that an edit does not disappear behind a seal.
//! What is given up is proof of *what* a removed entry said. Hence kinds are kept
//! for ever unless a rule names them: incidents and messages to customers should
//! have none, and these removals cannot have one.
//!
//! A removal takes a bounded number of entries in one transaction; whoever wants
//! to remove ten million calls it again until [`Retained::more`] is false.

use std::{collections::BTreeMap, time::Duration};

use crate::{
    chain::{Seal, digest_of_seals},
    entry::{Draft, Hash, Revision},
};

/// One removal takes at most so many entries: a third of a second in a debug build.
pub const REMOVED_MAX: usize = 20_000;
/// The kind of the entry that tells of a removal.
pub const SEALED_KIND: &str = "journal.sealed";

/// What may go. Kinds without a rule are kept for ever.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retention {
    /// How long entries of a kind are kept, by their own time.
    pub keep_for: BTreeMap<String, Duration>,
    /// Nothing after this revision is removed: what is still open, or not yet in
    /// a snapshot, must stay for the fold.
    pub up_to: Revision,
}

impl Retention {
    /// The rules that apply, with the moment before which each lets go.
    pub(crate) fn cutoffs(
        &self,
        now: jiff::Timestamp,
    ) -> impl Iterator<Item = (&str, jiff::Timestamp)> {
        self.keep_for
            .iter()
            .filter(|(kind, _)| !kind.starts_with(crate::entry::RESERVED_PREFIX))
            .filter_map(move |(kind, age)| Some((kind.as_str(), now.checked_sub(*age).ok()?)))
    }
}

/// What a removal did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retained {
    /// Entries that were removed.
    pub removed: u64,
    /// The journal's last revision now.
    pub revision: Revision,
    /// Whether more is waiting to be removed.
    pub more: bool,
}

/// Runs of removed entries as seals, not yet joined to older ones. `removed` is
/// in order; `before` gives the hash of the entry before a revision.
pub(crate) fn seals_of<E>(
    removed: &[(Revision, Hash)],
    mut before: impl FnMut(Revision) -> Result<Hash, E>,
) -> Result<Vec<Seal>, E> {
    let mut seals: Vec<Seal> = Vec::new();
    for &(revision, hash) in removed {
        match seals.last_mut() {
            Some(seal) if seal.last.next() == revision => {
                seal.last = revision;
                seal.after = hash;
            }
            _ => seals.push(Seal {
                first: revision,
                last: revision,
                before: before(revision)?,
                after: hash,
            }),
        }
    }
    Ok(seals)
}

/// The entry that tells of a removal.
pub(crate) fn announcement(
    rules: &Retention,
    now: jiff::Timestamp,
    kinds: &BTreeMap<String, u64>,
    seals: impl IntoIterator<Item = Seal>,
) -> Draft {
    let kept_for: BTreeMap<_, _> = rules
        .keep_for
        .iter()
        .filter(|(kind, _)| kinds.contains_key(*kind))
        .map(|(kind, age)| (kind, age.as_secs()))
        .collect();
    let body = serde_json::json!({
        "removed": kinds,
        "kept_for_seconds": kept_for,
        "seals_sha256": digest_of_seals(seals).to_string(),
    });
    Draft {
        at: now,
        kind: SEALED_KIND.to_owned(),
        version: 1,
        body: body.to_string().into_bytes(),
    }
}

/// The digest of all seals that an announcement tells of.
pub(crate) fn announced_digest(body: &[u8]) -> Option<Hash> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    Hash::from_hex(body.get("seals_sha256")?.as_str()?)
}
