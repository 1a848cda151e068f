//! Rows in and out, and what SQLite's errors mean for a journal.

use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, params};

use crate::{
    chain::{self, Link, Misfit, Seal, Walk, Why, digest_of_seals},
    entry::{Draft, Entry, Hash, Head, Revision},
    error::{AppendError, Cause, ReadError},
    retention::{SEALED_KIND, announced_digest},
};

/// What kind of trouble an engine's error is.
pub(super) enum Trouble {
    Busy,
    Full,
    /// The file is not what was written.
    Damaged,
    /// The disk, or something unforeseen.
    Storage,
}

pub(super) fn trouble(error: &rusqlite::Error) -> Trouble {
    use rusqlite::Error;
    match error {
        Error::SqliteFailure(failure, _) => match failure.code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Trouble::Busy,
            ErrorCode::DiskFull => Trouble::Full,
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::TooBig => {
                Trouble::Damaged
            }
            ErrorCode::SystemIoFailure => match failure.extended_code {
                rusqlite::ffi::SQLITE_IOERR_SHORT_READ
                | rusqlite::ffi::SQLITE_IOERR_DATA
                | rusqlite::ffi::SQLITE_IOERR_CORRUPTFS => Trouble::Damaged,
                // The index of the write-ahead log could not grow: no space.
                rusqlite::ffi::SQLITE_IOERR_SHMSIZE => Trouble::Full,
                _ => Trouble::Storage,
            },
            // A table or column that the schema should have.
            ErrorCode::Unknown => Trouble::Damaged,
            _ => Trouble::Storage,
        },
        Error::SqlInputError { .. }
        | Error::FromSqlConversionFailure(..)
        | Error::IntegralValueOutOfRange(..)
        | Error::Utf8Error(..)
        | Error::InvalidColumnType(..)
        | Error::InvalidColumnName(..)
        | Error::InvalidColumnIndex(..)
        | Error::QueryReturnedNoRows => Trouble::Damaged,
        _ => Trouble::Storage,
    }
}

/// An error while reading the entry at a revision.
pub(super) fn read_error(revision: Revision, error: rusqlite::Error) -> ReadError {
    match trouble(&error) {
        Trouble::Busy => ReadError::Busy(Cause::new(error)),
        Trouble::Damaged => Misfit {
            revision,
            why: Why::Unreadable(error.to_string()),
        }
        .into(),
        Trouble::Full | Trouble::Storage => ReadError::Storage(Cause::new(error)),
    }
}

/// An error while appending. Damage found then leaves nothing to rely on.
pub(super) fn append_error(error: rusqlite::Error) -> AppendError {
    match trouble(&error) {
        Trouble::Busy => AppendError::Busy(Cause::new(error)),
        Trouble::Full => AppendError::Full(Cause::new(error)),
        Trouble::Damaged | Trouble::Storage => AppendError::Storage(Cause::new(error)),
    }
}

/// SQLite's integers are signed; what does not fit was never a revision.
pub(super) fn signed(revision: Revision) -> i64 {
    i64::try_from(revision.0).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<Revision> {
    let value: i64 = row.get(column)?;
    u64::try_from(value)
        .map(Revision)
        .map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

pub(super) fn hash_in(row: &Row<'_>, column: usize) -> rusqlite::Result<Hash> {
    row.get(column).map(Hash)
}

pub(super) const ENTRY_COLUMNS: &str =
    "revision, at_seconds, at_nanoseconds, kind, version, body, hash";

pub(super) fn entry_in(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let (seconds, nanoseconds) = (row.get(1)?, row.get(2)?);
    let at = jiff::Timestamp::new(seconds, nanoseconds)
        .ok()
        // Another pair for the same moment would be an edit that the hash cannot see.
        .filter(|at| at.as_second() == seconds && at.subsec_nanosecond() == nanoseconds)
        .ok_or(rusqlite::Error::IntegralValueOutOfRange(1, seconds))?;
    Ok(Entry {
        revision: unsigned(row, 0)?,
        at,
        kind: row.get(3)?,
        version: row.get(4)?,
        body: row.get(5)?,
        hash: hash_in(row, 6)?,
    })
}

pub(super) fn seal_in(row: &Row<'_>) -> rusqlite::Result<Seal> {
    Ok(Seal {
        first: unsigned(row, 0)?,
        last: unsigned(row, 1)?,
        before: hash_in(row, 2)?,
        after: hash_in(row, 3)?,
    })
}

/// Chains a draft to a head and writes it.
pub(super) fn insert(connection: &Connection, head: Head, draft: &Draft) -> rusqlite::Result<Head> {
    let revision = head.revision.next();
    let link = Link {
        revision,
        at: draft.at,
        kind: &draft.kind,
        version: draft.version,
        body: &draft.body,
    };
    let hash = chain::hash(head.hash, link);
    let mut statement = connection.prepare_cached(
        "INSERT INTO entries (revision, at_seconds, at_nanoseconds, kind, version, body, hash) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    statement.execute(params![
        signed(revision),
        draft.at.as_second(),
        draft.at.subsec_nanosecond(),
        draft.kind,
        draft.version,
        draft.body,
        hash.0,
    ])?;
    Ok(Head { revision, hash })
}

/// The last entry's revision and hash, as stored.
pub(super) fn last(connection: &Connection) -> rusqlite::Result<Head> {
    let mut statement = connection
        .prepare_cached("SELECT revision, hash FROM entries ORDER BY revision DESC LIMIT 1")?;
    let head = statement.query_row([], |row| {
        Ok(Head {
            revision: unsigned(row, 0)?,
            hash: hash_in(row, 1)?,
        })
    });
    Ok(head.optional()?.unwrap_or_default())
}

/// The entry at a revision, which must be there.
pub(super) fn entry_at(connection: &Connection, revision: Revision) -> rusqlite::Result<Entry> {
    let sql = format!("SELECT {ENTRY_COLUMNS} FROM entries WHERE revision = ?1");
    connection
        .prepare_cached(&sql)?
        .query_row([signed(revision)], entry_in)
}

/// The hash stored at a revision, if its entry is there.
pub(super) fn hash_at(
    connection: &Connection,
    revision: Revision,
) -> rusqlite::Result<Option<Hash>> {
    let mut statement =
        connection.prepare_cached("SELECT hash FROM entries WHERE revision = ?1")?;
    statement
        .query_row([signed(revision)], |row| hash_in(row, 0))
        .optional()
}

/// The seal that covers a revision.
pub(super) fn seal_over(
    connection: &Connection,
    revision: Revision,
) -> rusqlite::Result<Option<Seal>> {
    let mut statement = connection.prepare_cached(
        "SELECT first, last, hash_before, hash_after FROM seals \
         WHERE first <= ?1 ORDER BY first DESC LIMIT 1",
    )?;
    let seal = statement
        .query_row([signed(revision)], seal_in)
        .optional()?;
    Ok(seal.filter(|seal| seal.last >= revision))
}

/// All seals, in order.
pub(super) fn seals(connection: &Connection) -> rusqlite::Result<Vec<Seal>> {
    let mut statement = connection
        .prepare("SELECT first, last, hash_before, hash_after FROM seals ORDER BY first")?;
    statement.query_map([], seal_in)?.collect()
}

/// Whether the removed ranges are those that the chain last told of.
pub(super) fn seals_are_as_announced(connection: &Connection) -> rusqlite::Result<bool> {
    let mut statement = connection.prepare_cached(
        "SELECT body FROM entries WHERE kind = ?1 ORDER BY revision DESC LIMIT 1",
    )?;
    let told: Option<Vec<u8>> = statement
        .query_row([SEALED_KIND], |row| row.get(0))
        .optional()?;
    let seals = seals(connection)?;
    Ok(match told {
        Some(body) => announced_digest(&body) == Some(digest_of_seals(seals)),
        None => seals.is_empty(),
    })
}

/// Where a walk begins that is to see what comes after a revision.
pub(super) fn walk_from(connection: &Connection, after: Revision) -> Result<Walk, ReadError> {
    let unreadable = |error| read_error(after, error);
    if after == Revision::ZERO {
        return Ok(Walk::default());
    }
    if let Some(hash) = hash_at(connection, after).map_err(unreadable)? {
        return Ok(Walk::from(Head {
            revision: after,
            hash,
        }));
    }
    match seal_over(connection, after).map_err(unreadable)? {
        Some(seal) => Ok(Walk::from(Head {
            revision: seal.last,
            hash: seal.after,
        })),
        None => Err(Misfit {
            revision: after,
            why: Why::Gap,
        }
        .into()),
    }
}

/// Takes a walk over the removed ranges that lie before an entry.
pub(super) fn cross_to(
    connection: &Connection,
    walk: &mut Walk,
    entry: Revision,
) -> Result<(), ReadError> {
    while walk.head.revision.next() < entry {
        let next = walk.head.revision.next();
        match seal_over(connection, next).map_err(|error| read_error(next, error))? {
            Some(seal) => walk.cross(&seal)?,
            None => {
                return Err(Misfit {
                    revision: next,
                    why: Why::Gap,
                }
                .into());
            }
        }
    }
    Ok(())
}
