//! Removing entries by rule: the SQLite side of [`crate::retention`].
//!
//! Entries, seals and the entry that tells of them change in one transaction, so
//! that a crash leaves all of it or nothing.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};

use super::{
    SqliteJournal,
    rows::{self, signed},
};
use crate::{
    chain::{Misfit, Seal, Walk, Why},
    entry::{Hash, Revision},
    error::{AppendError, ReadError, RetainError},
    journal::Journal,
    retention::{REMOVED_MAX, Retained, Retention, announcement, seals_of},
};

pub(super) fn retain(
    journal: &mut SqliteJournal,
    expected: Revision,
    rules: &Retention,
    now: jiff::Timestamp,
) -> Result<Retained, RetainError> {
    let actual = journal.revision()?;
    if actual != expected {
        return Err(AppendError::Conflict { expected, actual }.into());
    }
    let unreadable = |error| rows::read_error(Revision(1), error);
    let mut old = removable(&journal.connection, rules, now).map_err(unreadable)?;
    let more = old.len() > REMOVED_MAX;
    old.truncate(REMOVED_MAX);
    old.sort_by_key(|old| old.revision);
    if old.is_empty() {
        return Ok(Retained {
            revision: actual,
            ..Retained::default()
        });
    }
    // A range removed by hand must not become respectable by what follows.
    if !rows::seals_are_as_announced(&journal.connection).map_err(unreadable)? {
        let revision = Revision(1);
        return Err(ReadError::from(Misfit {
            revision,
            why: Why::SealsChanged,
        })
        .into());
    }
    // Nor must an edited entry disappear behind a seal.
    check(&journal.connection, &old)?;
    let mut kinds = BTreeMap::new();
    for old in &old {
        *kinds.entry(old.kind.clone()).or_insert(0) += 1;
    }
    let chained: Vec<_> = old.iter().map(|old| (old.revision, old.hash)).collect();
    let seals = seals_of(&chained, |revision| {
        Ok::<_, ReadError>(
            rows::walk_from(&journal.connection, Revision(revision.0 - 1))?
                .head
                .hash,
        )
    })?;
    let revision = journal.change(Some(expected), |connection, head| {
        seal(connection, &chained, seals).map_err(rows::append_error)?;
        let seals = rows::seals(connection).map_err(rows::append_error)?;
        let draft = announcement(rules, now, &kinds, seals);
        let head = rows::insert(connection, head, &draft).map_err(rows::append_error)?;
        Ok((head, head.revision))
    })?;
    Ok(Retained {
        removed: chained.len() as u64,
        revision,
        more,
    })
}

/// Whether what is to be removed is still what was appended.
fn check(connection: &Connection, removed: &[Old]) -> Result<(), ReadError> {
    let mut walk = Walk::default();
    for old in removed {
        if walk.head.revision.next() != old.revision {
            walk = rows::walk_from(connection, Revision(old.revision.0 - 1))?;
        }
        let entry = rows::entry_at(connection, old.revision)
            .map_err(|error| rows::read_error(old.revision, error))?;
        walk.step(&entry)?;
    }
    Ok(())
}

struct Old {
    revision: Revision,
    hash: Hash,
    kind: String,
}

/// What the rules let go, kind by kind; one more than is removed in one go, to
/// know that there is more. What a snapshot stands on stays.
fn removable(
    connection: &Connection,
    rules: &Retention,
    now: jiff::Timestamp,
) -> rusqlite::Result<Vec<Old>> {
    let mut old = Vec::new();
    let mut statement = connection.prepare_cached(
        "SELECT revision, hash, kind FROM entries \
         WHERE kind = ?1 AND (at_seconds, at_nanoseconds) < (?2, ?3) AND revision <= ?4 \
           AND revision NOT IN (SELECT revision FROM snapshots) \
         LIMIT ?5",
    )?;
    for (kind, cutoff) in rules.cutoffs(now) {
        let room = REMOVED_MAX + 1 - old.len();
        let found = statement.query_map(
            params![
                kind,
                cutoff.as_second(),
                cutoff.subsec_nanosecond(),
                signed(rules.up_to),
                i64::try_from(room).unwrap_or(0),
            ],
            |row| {
                Ok(Old {
                    revision: rows::unsigned(row, 0)?,
                    hash: rows::hash_in(row, 1)?,
                    kind: row.get(2)?,
                })
            },
        )?;
        for row in found {
            old.push(row?);
        }
    }
    Ok(old)
}

/// Removes entries and puts seals in their place, joined to their neighbours.
fn seal(
    connection: &Connection,
    removed: &[(Revision, Hash)],
    seals: Vec<Seal>,
) -> rusqlite::Result<()> {
    let mut delete = connection.prepare_cached("DELETE FROM entries WHERE revision = ?1")?;
    for (revision, _) in removed {
        delete.execute([signed(*revision)])?;
    }
    for mut seal in seals {
        let neighbours = [
            rows::seal_over(connection, Revision(seal.first.0 - 1))?,
            rows::seal_over(connection, seal.last.next())?,
        ];
        for neighbour in neighbours.iter().flatten() {
            connection.execute(
                "DELETE FROM seals WHERE first = ?1",
                [signed(neighbour.first)],
            )?;
            if neighbour.first < seal.first {
                (seal.first, seal.before) = (neighbour.first, neighbour.before);
            } else {
                (seal.last, seal.after) = (neighbour.last, neighbour.after);
            }
        }
        connection.execute(
            "INSERT INTO seals VALUES (?1, ?2, ?3, ?4)",
            params![
                signed(seal.first),
                signed(seal.last),
                seal.before.0,
                seal.after.0
            ],
        )?;
    }
    Ok(())
}
