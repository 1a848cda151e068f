//! The file: what is in it, and how connections are set up.
//!
//! Columns are spelled out, and bodies are the JSON that was appended, so that
//! the `sqlite3` shell is enough to read a journal in a bad hour.

use std::{path::Path, time::Duration};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

/// "Evkl": tells `file` and us whose database this is.
pub(super) const APPLICATION_ID: i64 = 0x4576_6b6c;
/// The format of the file. A later one is refused, an earlier one brought up.
pub(super) const FORMAT: i64 = 1;

/// A copy being made, or a reader recovering the log, is over by then.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The write-ahead log is cut back to this after a burst.
const LOG_BYTES_KEPT: i64 = 64 << 20;

const SCHEMA: &str = "
CREATE TABLE entries (
    revision       INTEGER PRIMARY KEY,
    at_seconds     INTEGER NOT NULL,
    at_nanoseconds INTEGER NOT NULL,
    kind           TEXT    NOT NULL,
    version        INTEGER NOT NULL,
    body           BLOB    NOT NULL,
    hash           BLOB    NOT NULL
) STRICT;
-- Retention asks for what is old, kind by kind.
CREATE INDEX entries_by_kind ON entries (kind, at_seconds, at_nanoseconds);
CREATE TABLE seals (
    first       INTEGER PRIMARY KEY,
    last        INTEGER NOT NULL,
    hash_before BLOB    NOT NULL,
    hash_after  BLOB    NOT NULL
) STRICT;
CREATE TABLE snapshots (
    revision INTEGER PRIMARY KEY,
    format   INTEGER NOT NULL,
    hash     BLOB    NOT NULL,
    digest   BLOB    NOT NULL,
    body     BLOB    NOT NULL
) STRICT;
";

/// What a file turned out to be.
pub(super) enum Found {
    /// Nothing has been written to it yet.
    Blank,
    /// A journal of ours.
    Journal,
    /// A journal of a later version.
    Newer(i64),
    /// Something else.
    Foreign,
}

/// A connection that changes nothing, not even by closing: the write-ahead log
/// stays as it was found until it has been looked at. `lenient` reads a file that
/// is shorter than its header says, as far as it goes.
pub(super) fn connect_to_examine(path: &Path, lenient: bool) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    guard(&connection)?;
    if lenient {
        connection.pragma_update(None, "writable_schema", true)?;
    }
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// The connection that appends. Makes the file if need be.
pub(super) fn connect_to_write(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    guard(&connection)?;
    prepare_to_write(&connection)?;
    Ok(connection)
}

/// Lets a connection append that was opened to examine.
pub(super) fn prepare_to_write(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    connection.pragma_update(None, "query_only", false)?;
    // A file system without shared memory keeps the older mode, which is slower,
    // shuts readers out while it writes, and is as durable.
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)
}

/// A connection for reading beside the one that appends.
pub(super) fn connect_to_read(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    guard(&connection)?;
    Ok(connection)
}

fn guard(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)
}

/// Makes the tables, in one transaction: a file has all of them or is blank.
pub(super) fn create(connection: &mut Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()
}

pub(super) fn identify(connection: &Connection) -> rusqlite::Result<Found> {
    let ask = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let application = ask("PRAGMA application_id")?;
    let format = ask("PRAGMA user_version")?;
    Ok(match (application, format) {
        (APPLICATION_ID, FORMAT) => Found::Journal,
        (APPLICATION_ID, later) if later > FORMAT => Found::Newer(later),
        (0, 0) if ask("SELECT count(*) FROM sqlite_schema")? == 0 => Found::Blank,
        _ => Found::Foreign,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What makes an append durable must not be lost in a refactoring: no test that
    /// only kills processes would notice.
    #[test]
    fn every_commit_is_synced_whichever_way_the_connection_came_to_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.db");
        let mut made = connect_to_write(&path).unwrap();
        create(&mut made).unwrap();
        let examined = connect_to_examine(&path, false).unwrap();
        prepare_to_write(&examined).unwrap();
        for connection in [made, examined] {
            let ask = |sql: &str| -> String {
                connection
                    .query_row(sql, [], |row| row.get::<_, rusqlite::types::Value>(0))
                    .map(|value| format!("{value:?}"))
                    .unwrap()
            };
            assert_eq!(ask("PRAGMA journal_mode"), "Text(\"wal\")");
            assert_eq!(ask("PRAGMA synchronous"), "Integer(2)");
            assert_eq!(ask("PRAGMA query_only"), "Integer(0)");
        }
    }
}
