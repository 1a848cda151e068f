//! A journal in memory: for simulation and for tests of what stands on a journal.
//!
//! It keeps the whole contract, hashes and all, so that a history made here has
//! the same hashes as the same history in a file. Durable it is not.

use std::collections::BTreeMap;

use crate::{
    chain::{self, Link, Misfit, Seal, Verification, Walk, Why},
    entry::{Draft, Entry, Hash, Head, Revision, SNAPSHOT_BYTES_MAX, Snapshot},
    error::{AppendError, ReadError, RetainError, SnapshotError},
    journal::{Journal, READ_BYTES_MAX, READ_ENTRIES_MAX},
    retention::{REMOVED_MAX, Retained, Retention, announcement, seals_of},
    verify::Verifier,
};

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct MemoryJournal {
    entries: BTreeMap<Revision, Entry>,
    /// By their first revision.
    seals: BTreeMap<Revision, Seal>,
    /// In order, two at most.
    snapshots: Vec<Snapshot>,
    head: Head,
}

impl MemoryJournal {
    /// An empty journal.
    #[must_use]
    pub fn new() -> MemoryJournal {
        MemoryJournal::default()
    }

    fn push(&mut self, draft: &Draft) {
        let revision = self.head.revision.next();
        let link = Link {
            revision,
            at: draft.at,
            kind: &draft.kind,
            version: draft.version,
            body: &draft.body,
        };
        let hash = chain::hash(self.head.hash, link);
        self.head = Head { revision, hash };
        let entry = Entry {
            revision,
            at: draft.at,
            kind: draft.kind.clone(),
            version: draft.version,
            body: draft.body.clone(),
            hash,
        };
        self.entries.insert(revision, entry);
    }

    /// The seal that covers a revision.
    fn seal_over(&self, revision: Revision) -> Option<&Seal> {
        let (_, seal) = self.seals.range(..=revision).next_back()?;
        (seal.last >= revision).then_some(seal)
    }

    /// Where a walk begins that is to see what comes after a revision.
    fn walk_from(&self, after: Revision) -> Walk {
        match (self.entries.get(&after), self.seal_over(after)) {
            (Some(entry), _) => Walk::from(Head {
                revision: after,
                hash: entry.hash,
            }),
            (None, Some(seal)) => Walk::from(Head {
                revision: seal.last,
                hash: seal.after,
            }),
            (None, None) => Walk::default(),
        }
    }
}

impl Journal for MemoryJournal {
    fn head(&self) -> Result<Head, ReadError> {
        Ok(self.head)
    }

    fn append(&mut self, expected: Revision, drafts: &[Draft]) -> Result<Revision, AppendError> {
        Draft::check(drafts)?;
        let actual = self.head.revision;
        if actual != expected {
            return Err(AppendError::Conflict { expected, actual });
        }
        drafts.iter().for_each(|draft| self.push(draft));
        Ok(self.head.revision)
    }

    fn read(&self, after: Revision, limit: usize) -> Result<Vec<Entry>, ReadError> {
        let mut page = Vec::new();
        if after >= self.head.revision {
            return Ok(page);
        }
        let mut walk = self.walk_from(after);
        let mut bytes = 0;
        for entry in self.entries.range(after.next()..).map(|(_, entry)| entry) {
            if page.len() >= limit.min(READ_ENTRIES_MAX) || bytes >= READ_BYTES_MAX {
                break;
            }
            while walk.head.revision.next() < entry.revision {
                let next = walk.head.revision.next();
                let seal = self.seals.get(&next);
                walk.cross(seal.ok_or(Misfit {
                    revision: next,
                    why: Why::Gap,
                })?)?;
            }
            walk.step(entry)?;
            bytes += entry.body.len();
            page.push(entry.clone());
        }
        Ok(page)
    }

    fn latest_snapshot(&self, format: u32) -> Result<Option<Snapshot>, ReadError> {
        Ok(self
            .snapshots
            .iter()
            .rev()
            .find(|snapshot| snapshot.format == format)
            .cloned())
    }

    fn save_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        let size = snapshot.body.len();
        if size > SNAPSHOT_BYTES_MAX {
            return Err(SnapshotError::TooLarge {
                size,
                limit: SNAPSHOT_BYTES_MAX,
            });
        }
        if !self.entries.contains_key(&snapshot.revision) {
            let head = self.head.revision;
            return Err(SnapshotError::NoSuchRevision {
                revision: snapshot.revision,
                head,
            });
        }
        self.snapshots
            .retain(|kept| kept.revision != snapshot.revision);
        self.snapshots.push(snapshot.clone());
        self.snapshots.sort_by_key(|kept| kept.revision);
        let surplus = self.snapshots.len().saturating_sub(2);
        self.snapshots.drain(..surplus);
        Ok(())
    }

    fn retain(
        &mut self,
        expected: Revision,
        rules: &Retention,
        now: jiff::Timestamp,
    ) -> Result<Retained, RetainError> {
        let actual = self.head.revision;
        if actual != expected {
            return Err(AppendError::Conflict { expected, actual }.into());
        }
        let cutoffs: BTreeMap<&str, _> = rules.cutoffs(now).collect();
        let mut removed: Vec<(Revision, Hash)> = self
            .entries
            .range(..=rules.up_to)
            .map(|(_, entry)| entry)
            .filter(|entry| {
                cutoffs
                    .get(&*entry.kind)
                    .is_some_and(|cutoff| entry.at < *cutoff)
            })
            .filter(|entry| {
                self.snapshots
                    .iter()
                    .all(|kept| kept.revision != entry.revision)
            })
            .map(|entry| (entry.revision, entry.hash))
            .take(REMOVED_MAX + 1)
            .collect();
        let more = removed.len() > REMOVED_MAX;
        removed.truncate(REMOVED_MAX);
        if removed.is_empty() {
            return Ok(Retained {
                revision: actual,
                ..Retained::default()
            });
        }

        let seals = seals_of(&removed, |revision| {
            Ok::<_, RetainError>(self.walk_from(Revision(revision.0 - 1)).head.hash)
        })?;
        let mut kinds = BTreeMap::new();
        for (revision, _) in &removed {
            if let Some(entry) = self.entries.remove(revision) {
                *kinds.entry(entry.kind).or_insert(0) += 1;
            }
        }
        for mut seal in seals {
            if let Some(left) = self.seal_over(Revision(seal.first.0 - 1)).copied() {
                self.seals.remove(&left.first);
                (seal.first, seal.before) = (left.first, left.before);
            }
            if let Some(right) = self.seals.remove(&seal.last.next()) {
                (seal.last, seal.after) = (right.last, right.after);
            }
            self.seals.insert(seal.first, seal);
        }
        let draft = announcement(rules, now, &kinds, self.seals.values().copied());
        self.push(&draft);
        Ok(Retained {
            removed: removed.len() as u64,
            revision: self.head.revision,
            more,
        })
    }

    fn verify(&self, known: &[Head]) -> Result<Verification, ReadError> {
        let mut verifier = Verifier::new(known);
        while verifier.take(self.read(verifier.at(), READ_ENTRIES_MAX))? {}
        Ok(verifier.finish(self.seals.values().copied()))
    }
}
