//! Setting a torn tail aside, and keeping everything before it.
//!
//! Nothing is thrown away. `<journal>.set-aside-<n>` is a file of JSON lines: the
//! first says when, why and what was kept, each further one is an entry as it was
//! found. Beside it are raw copies: the write-ahead log, or, where SQLite's own
//! structure was hurt and the journal had to be written anew, the whole database.
//!
//! The switch to a rewritten file survives a crash at any step: it is complete
//! and synced before it gets the name by which [`finish`] recognises it.

use std::{
    fmt,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use rusqlite::{Connection, params};

use super::{
    beside,
    rows::{self, signed},
    schema,
    survey::Survey,
};
use crate::{
    chain::Walk,
    entry::{Entry, Revision},
    error::{Cause, OpenError},
};

/// A torn tail that was found at the start and put into a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Where: JSON lines; raw copies have the same name with an ending.
    pub file: PathBuf,
    /// The last revision that was kept.
    pub kept: Revision,
    /// Entries that were readable but did not fit, now in the file.
    pub entries: u64,
    /// The last revision that had been acknowledged, if it was not kept: those
    /// after `kept` up to here were promised, and are gone from the record.
    pub lost_up_to: Option<Revision>,
    /// What was wrong.
    pub why: String,
}

impl fmt::Display for SetAside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the end of the journal was damaged ({}): kept up to revision {}",
            self.why, self.kept
        )?;
        if let Some(lost) = self.lost_up_to {
            write!(
                f,
                "; acknowledged entries {} to {lost} are gone",
                self.kept.next()
            )?;
        }
        write!(
            f,
            "; what was there is in {}: look at the disk (dmesg, SMART), and compare with a copy",
            self.file.display()
        )
    }
}

fn failed(what: &'static str, path: &Path) -> impl Fn(io::Error) -> OpenError {
    move |error| OpenError::File {
        what,
        path: path.to_owned(),
        cause: Cause::new(error),
    }
}

fn failed_sql(path: &Path) -> impl Fn(rusqlite::Error) -> OpenError {
    move |error| OpenError::File {
        what: "cannot write",
        path: path.to_owned(),
        cause: Cause::new(error),
    }
}

/// Makes renames and new files in a journal's folder durable.
pub(super) fn sync_folder(journal: &Path) -> Result<(), OpenError> {
    let folder = match journal.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed("cannot sync the folder", folder))
}

/// Cuts off a tail in a database whose structure is whole.
pub(super) fn cut(
    journal: &Path,
    connection: &mut Connection,
    survey: &Survey,
    acknowledged: Revision,
) -> Result<SetAside, OpenError> {
    let aside = report(journal, survey, acknowledged)?;
    let log = beside(journal, "-wal");
    if log.exists() {
        copy(&log, &beside(&aside.file, ".wal"))?;
    }
    sync_folder(journal)?;

    schema::prepare_to_write(connection).map_err(failed_sql(journal))?;
    let cut = |connection: &mut Connection| {
        let kept = signed(survey.good.revision);
        let transaction = connection.transaction()?;
        transaction.execute("DELETE FROM entries WHERE revision > ?1", [kept])?;
        transaction.execute("DELETE FROM snapshots WHERE revision > ?1", [kept])?;
        transaction.commit()
    };
    cut(connection).map_err(failed_sql(journal))?;
    Ok(aside)
}

/// Writes everything good to a new file and puts it in the place of a database
/// whose structure is hurt. `damaged` has been surveyed from the beginning.
pub(super) fn rebuild(
    journal: &Path,
    damaged: Connection,
    survey: &Survey,
    acknowledged: Revision,
) -> Result<SetAside, OpenError> {
    let building = beside(journal, ".rebuilding");
    for leftover in [building.clone(), beside(&building, "-journal")] {
        remove(&leftover)?;
    }
    copy_good(&damaged, &building, survey).map_err(|error| OpenError::Damaged {
        path: journal.to_owned(),
        what: format!(
            "its first {} entries could not be copied out",
            survey.good.revision
        ),
        cause: Some(Cause::new(error)),
    })?;
    // Closed before the file is copied: closing another descriptor of a database
    // would drop SQLite's locks on it.
    drop(damaged);
    File::open(&building)
        .and_then(|file| file.sync_all())
        .map_err(failed("cannot sync", &building))?;

    let aside = report(journal, survey, acknowledged)?;
    copy(journal, &beside(&aside.file, ".db"))?;
    let log = beside(journal, "-wal");
    if log.exists() {
        copy(&log, &beside(&aside.file, ".db-wal"))?;
    }
    let rebuilt = beside(journal, ".rebuilt");
    fs::rename(&building, &rebuilt).map_err(failed("cannot rename", &building))?;
    sync_folder(journal)?;
    finish(journal)?;
    Ok(aside)
}

/// Completes a switch to a rewritten file that a crash interrupted.
pub(super) fn finish(journal: &Path) -> Result<(), OpenError> {
    let rebuilt = beside(journal, ".rebuilt");
    if !rebuilt.exists() {
        return Ok(());
    }
    // The old log must be gone before the new file has the name: SQLite would
    // play it into a database that it does not belong to.
    remove(&beside(journal, "-wal"))?;
    remove(&beside(journal, "-shm"))?;
    sync_folder(journal)?;
    fs::rename(&rebuilt, journal).map_err(failed("cannot rename", &rebuilt))?;
    sync_folder(journal)
}

fn remove(path: &Path) -> Result<(), OpenError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(failed("cannot remove", path)(error))
        }
        _ => Ok(()),
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), OpenError> {
    fs::copy(from, to)
        .and_then(|_| File::open(to)?.sync_all())
        .map_err(failed("cannot set aside to", to))
}

/// Copies entries, removed ranges and snapshots up to the last good revision.
fn copy_good(damaged: &Connection, to: &Path, survey: &Survey) -> rusqlite::Result<()> {
    let mut new = Connection::open(to)?;
    // Synced as a whole when it is complete; until then it has no name that counts.
    new.pragma_update(None, "synchronous", "off")?;
    schema::create(&mut new)?;
    let good = survey.good.revision;
    let transaction = new.transaction()?;
    let sql = format!(
        "SELECT {} FROM entries WHERE revision <= ?1 ORDER BY revision",
        rows::ENTRY_COLUMNS
    );
    let mut statement = damaged.prepare(&sql)?;
    let mut found = statement.query([signed(good)])?;
    let mut walk = Walk::default();
    // Never a step further: what comes next may be what is damaged.
    while walk.head.revision < good {
        let Some(row) = found.next()? else { break };
        let entry = rows::entry_in(row)?;
        while walk.head.revision.next() < entry.revision {
            let Some(seal) = rows::seal_over(damaged, walk.head.revision.next())? else {
                break;
            };
            if walk.cross(&seal).is_err() {
                break;
            }
            transaction.execute(
                "INSERT INTO seals VALUES (?1, ?2, ?3, ?4)",
                params![
                    signed(seal.first),
                    signed(seal.last),
                    seal.before.0,
                    seal.after.0
                ],
            )?;
        }
        // Written with the hash that its content has now, which the survey has
        // found to be the one that it had.
        walk.head = rows::insert(&transaction, walk.head, &draft_of(entry))?;
    }
    assert_eq!(
        walk.head, survey.good,
        "a copy must end with the hash of its original"
    );
    drop(found);
    // Snapshots are a cache: as many as can be read.
    if let Ok(mut statement) = damaged
        .prepare("SELECT revision, format, hash, digest, body FROM snapshots WHERE revision <= ?1")
    {
        let snapshots = statement.query_map([signed(good)], |row| {
            let columns: (i64, i64, Vec<u8>, Vec<u8>, Vec<u8>) = row.try_into()?;
            Ok(columns)
        })?;
        for snapshot in snapshots.map_while(Result::ok) {
            transaction.execute(
                "INSERT OR IGNORE INTO snapshots VALUES (?1, ?2, ?3, ?4, ?5)",
                snapshot,
            )?;
        }
    }
    transaction.commit()
}

fn draft_of(entry: Entry) -> crate::Draft {
    crate::Draft {
        at: entry.at,
        kind: entry.kind,
        version: entry.version,
        body: entry.body,
    }
}

/// Writes the file that says what was set aside.
fn report(journal: &Path, survey: &Survey, acknowledged: Revision) -> Result<SetAside, OpenError> {
    let kept = survey.good.revision;
    let why = match &survey.misfit {
        Some(misfit) => misfit.to_string(),
        None if acknowledged > kept => {
            format!("it ended at {kept}, acknowledged was {acknowledged}")
        }
        None => "the file's structure is damaged, its entries are whole".to_owned(),
    };
    let (file, path) = create_numbered(journal)?;
    let aside = SetAside {
        file: path,
        kept,
        entries: survey.bad.len() as u64,
        lost_up_to: (acknowledged > kept).then_some(acknowledged),
        why,
    };
    let write = || -> io::Result<()> {
        let mut out = BufWriter::new(&file);
        let first = serde_json::json!({
            "set_aside_at": jiff::Timestamp::now(),
            "journal": journal.display().to_string(),
            "why": aside.why,
            "kept_up_to_revision": kept.0,
            "acknowledged_up_to_revision": acknowledged.0,
            "evenkeel": env!("CARGO_PKG_VERSION"),
        });
        writeln!(out, "{first}")?;
        for entry in &survey.bad {
            let line = serde_json::json!({
                "revision": entry.revision.0,
                "at": entry.at,
                "kind": entry.kind,
                "version": entry.version,
                "hash": entry.hash.to_string(),
                "body": std::str::from_utf8(&entry.body).ok(),
                "body_hex": hex_unless_text(&entry.body),
            });
            writeln!(out, "{line}")?;
        }
        out.flush()?;
        drop(out);
        file.sync_all()
    };
    write().map_err(failed("cannot set aside to", &aside.file))?;
    Ok(aside)
}

fn hex_unless_text(bytes: &[u8]) -> Option<String> {
    use fmt::Write as _;
    std::str::from_utf8(bytes).is_err().then(|| {
        bytes.iter().fold(String::new(), |mut hex, byte| {
            let _infallible = write!(hex, "{byte:02x}");
            hex
        })
    })
}

fn create_numbered(journal: &Path) -> Result<(File, PathBuf), OpenError> {
    let mut number = 1_u32;
    loop {
        let path = beside(journal, &format!(".set-aside-{number}"));
        match File::create_new(&path) {
            Ok(file) => return Ok((file, path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(error) => return Err(failed("cannot set aside to", &path)(error)),
        }
    }
}
