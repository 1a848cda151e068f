//! Snapshots: a cache beside the record, never part of it.
//!
//! A snapshot is taken for what it is only if its digest fits and the entry at its
//! revision has the hash that it had then. Anything else, also a table that cannot
//! be read, counts as no snapshot.

use rusqlite::{Connection, params};
use sha2::{Digest, Sha256};

use super::{
    Access, SqliteJournal,
    rows::{self, signed},
};
use crate::{
    entry::{Hash, Head, Revision, SNAPSHOT_BYTES_MAX, Snapshot},
    error::{ReadError, SnapshotError},
    journal::Journal,
};

pub(super) fn latest(connection: &Connection, format: u32) -> Result<Option<Snapshot>, ReadError> {
    // Two at most are kept. One that cannot be read is as good as none.
    let load = || {
        let mut statement = connection.prepare_cached(
            "SELECT revision, hash, digest, body FROM snapshots \
             WHERE format = ?1 ORDER BY revision DESC LIMIT 2",
        )?;
        let mut found = statement.query([format])?;
        while let Some(row) = found.next()? {
            let stored = (
                rows::unsigned(row, 0),
                rows::hash_in(row, 1),
                rows::hash_in(row, 2),
                row.get::<_, Vec<u8>>(3),
            );
            let (Ok(revision), Ok(hash), Ok(digest), Ok(body)) = stored else {
                continue;
            };
            let head = Head { revision, hash };
            if snapshot_digest(head, format, &body) == digest
                && rows::hash_at(connection, revision)? == Some(hash)
            {
                return Ok(Some(Snapshot {
                    revision,
                    format,
                    body,
                }));
            }
        }
        Ok(None)
    };
    match load() {
        Ok(snapshot) => Ok(snapshot),
        Err(error) => match rows::trouble(&error) {
            rows::Trouble::Damaged => Ok(None),
            _ => Err(rows::read_error(Revision(1), error)),
        },
    }
}

pub(super) fn save(journal: &mut SqliteJournal, snapshot: &Snapshot) -> Result<(), SnapshotError> {
    let size = snapshot.body.len();
    if size > SNAPSHOT_BYTES_MAX {
        return Err(SnapshotError::TooLarge {
            size,
            limit: SNAPSHOT_BYTES_MAX,
        });
    }
    let revision = snapshot.revision;
    let stored = rows::hash_at(&journal.connection, revision)
        .map_err(|error| rows::read_error(revision, error))?;
    let Some(hash) = stored else {
        return Err(SnapshotError::NoSuchRevision {
            revision,
            head: journal.revision()?,
        });
    };
    let digest = snapshot_digest(Head { revision, hash }, snapshot.format, &snapshot.body);
    journal.change(None, |connection, head| {
        let write = || {
            connection.execute(
                "INSERT OR REPLACE INTO snapshots VALUES (?1, ?2, ?3, ?4, ?5)",
                params![
                    signed(revision),
                    snapshot.format,
                    hash.0,
                    digest.0,
                    snapshot.body
                ],
            )?;
            connection.execute(
                "DELETE FROM snapshots WHERE revision NOT IN \
                 (SELECT revision FROM snapshots ORDER BY revision DESC LIMIT 2)",
                [],
            )
        };
        write().map_err(rows::append_error)?;
        Ok((head, ()))
    })?;
    if let Access::Write { witness, .. } = &journal.access {
        let _lags = witness.sync();
    }
    Ok(())
}

/// What makes a snapshot whole and tells which history it belongs to.
fn snapshot_digest(head: Head, format: u32, body: &[u8]) -> Hash {
    let mut sha = Sha256::new();
    sha.update(head.revision.0.to_be_bytes());
    sha.update(head.hash.0);
    sha.update(format.to_be_bytes());
    sha.update(body);
    Hash(sha.finalize().into())
}
