//! The tables, and how a connection is set up.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::Connection;

use super::StoreError;

/// Of this file's tables.
pub(super) const VERSION: i64 = 2;

const TABLES: &str = "
CREATE TABLE subscriber (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind INTEGER NOT NULL,
    address TEXT NOT NULL,
    known_by TEXT NOT NULL,
    domain TEXT NOT NULL,
    language TEXT NOT NULL,
    wants_all INTEGER NOT NULL,
    maintenance_only INTEGER NOT NULL,
    standing INTEGER NOT NULL,
    since INTEGER NOT NULL,
    asked_at INTEGER,
    failures INTEGER NOT NULL DEFAULT 0,
    last_error TEXT,
    salt BLOB NOT NULL,
    UNIQUE (kind, known_by)
);
CREATE INDEX subscriber_waiting ON subscriber (since) WHERE standing = 0;
CREATE TABLE wish (
    subscriber INTEGER NOT NULL REFERENCES subscriber (id) ON DELETE CASCADE,
    component TEXT NOT NULL,
    PRIMARY KEY (subscriber, component)
) WITHOUT ROWID;
-- Who left: a mark of the address, and when.
CREATE TABLE gone (
    mark BLOB PRIMARY KEY,
    at INTEGER NOT NULL
) WITHOUT ROWID;
-- What customers were told, with the facts it is written from. Word 0 is no word, but the
-- letter with the link.
CREATE TABLE word (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    incident TEXT NOT NULL,
    queued_at INTEGER NOT NULL,
    facts TEXT NOT NULL,
    total INTEGER NOT NULL DEFAULT 0,
    sent INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0,
    superseded INTEGER NOT NULL DEFAULT 0
);
-- Who is still to get what. A row is there until it was sent, or given up.
CREATE TABLE outbox (
    subscriber INTEGER NOT NULL REFERENCES subscriber (id) ON DELETE CASCADE,
    word INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    begun_at INTEGER,
    tries INTEGER NOT NULL DEFAULT 0,
    refused_at_taken INTEGER,
    PRIMARY KEY (subscriber, word)
) WITHOUT ROWID;
CREATE INDEX outbox_due ON outbox (kind, due_at) WHERE begun_at IS NULL;
CREATE INDEX outbox_begun ON outbox (kind) WHERE begun_at IS NOT NULL;
-- What was taken by receivers in all, by kind.
CREATE TABLE taken (
    kind INTEGER PRIMARY KEY,
    count INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO taken VALUES (0, 0), (1, 0), (2, 0);
CREATE TABLE made (at INTEGER NOT NULL);
";

/// How many there are, kept as they come and go: pages and metrics ask every few seconds,
/// and to count a hundred thousand costs memory and time each time. Since version 2.
const HEADCOUNT: &str = "
CREATE TABLE headcount (
    kind INTEGER NOT NULL,
    standing INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (kind, standing)
) WITHOUT ROWID;
INSERT INTO headcount SELECT kind, standing, count(*) FROM subscriber GROUP BY kind, standing;
CREATE TRIGGER subscriber_came AFTER INSERT ON subscriber BEGIN
    INSERT INTO headcount VALUES (NEW.kind, NEW.standing, 1)
        ON CONFLICT (kind, standing) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER subscriber_turned AFTER UPDATE OF standing ON subscriber
WHEN NEW.standing <> OLD.standing BEGIN
    UPDATE headcount SET count = count - 1 WHERE kind = OLD.kind AND standing = OLD.standing;
    INSERT INTO headcount VALUES (NEW.kind, NEW.standing, 1)
        ON CONFLICT (kind, standing) DO UPDATE SET count = count + 1;
END;
CREATE TRIGGER subscriber_left AFTER DELETE ON subscriber BEGIN
    UPDATE headcount SET count = count - 1 WHERE kind = OLD.kind AND standing = OLD.standing;
END;
";

/// Makes the file for its owner only, where it is not there.
pub(super) fn private(path: &Path) -> Result<(), StoreError> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600);
    match options.open(path) {
        Ok(_) => Ok(()),
        Err(error) => Err(StoreError::Open {
            path: path.to_owned(),
            source: rusqlite::Error::ToSqlConversionFailure(Box::new(error)),
        }),
    }
}

/// Sets a connection up, makes the tables where there are none, and brings older ones up to
/// date. What it finds: the tables' version.
pub(super) fn ready(connection: &mut Connection) -> rusqlite::Result<i64> {
    connection.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
         PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -2048;",
    )?;
    let tx = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let version: i64 = tx.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version == 0 {
        tx.execute_batch(TABLES)?;
        let now = jiff::Timestamp::now().as_millisecond();
        tx.execute("INSERT INTO made VALUES (?1)", [now])?;
    }
    if version < 2 {
        tx.execute_batch(HEADCOUNT)?;
    }
    if version < VERSION {
        tx.execute_batch(&format!("PRAGMA user_version = {VERSION}"))?;
    }
    tx.commit()?;
    Ok(version.max(VERSION))
}
