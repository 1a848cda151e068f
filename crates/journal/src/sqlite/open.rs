//! Opening a journal for writing: whose it is, whether it is whole, and what to do
//! if not.
//!
//! In order, so that nothing is changed before it is understood: take the lock;
//! hear the witness; look at the end through a connection that writes nothing; and
//! then go on, set a torn tail aside, or refuse. Only the end is looked at, since a
//! start must not cost the history; the rest is checked whenever it is read, and
//! by [`crate::Journal::verify`].

use std::{fs, path::Path};

use rusqlite::Connection;

use super::{
    beside,
    lock::Lock,
    rows,
    salvage::{self, SetAside},
    schema::{self, Found},
    survey::{self, Survey},
    witness::{Testimony, Witness},
};
use crate::{
    chain::Walk,
    entry::{Head, Revision},
    error::{Cause, OpenError, ReadError},
};

/// What was found when a journal was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Where the journal ends now.
    pub head: Head,
    /// Whether it is new.
    pub created: bool,
    /// How many entries at its end were checked; the rest is checked when read.
    pub entries_checked: u64,
    /// Whether the file beside the journal could say how far it had come. If not,
    /// entries missing at the end would not have been noticed.
    pub end_was_witnessed: bool,
    /// A torn tail that was found, if there was one.
    pub set_aside: Option<SetAside>,
}

pub(super) struct Ready {
    pub(super) connection: Connection,
    pub(super) head: Head,
    pub(super) lock: Lock,
    pub(super) witness: Witness,
    pub(super) opened: Opened,
}

pub(super) fn open(path: &Path) -> Result<Ready, OpenError> {
    let lock = Lock::take(path)?;
    salvage::finish(path)?;
    let (mut witness, testimony) = Witness::open(path).map_err(|error| OpenError::File {
        what: "cannot open",
        path: beside(path, ".head"),
        cause: Cause::new(error),
    })?;
    let acknowledged = match testimony {
        Testimony::AtLeast(head) => head,
        Testimony::Absent | Testimony::Unreadable => Head::default(),
    };
    let size = |path: &Path| fs::metadata(path).map_or(0, |metadata| metadata.len());
    let log = beside(path, "-wal");
    if size(path) == 0 && size(&log) > 0 {
        let what = "it is missing or empty, but its write-ahead log is not".to_owned();
        return Err(OpenError::Damaged {
            path: path.to_owned(),
            what,
            cause: None,
        });
    }

    let mut opened = Opened {
        head: Head::default(),
        created: size(path) == 0,
        entries_checked: 0,
        end_was_witnessed: matches!(testimony, Testimony::AtLeast(_)),
        set_aside: None,
    };
    let connection = if opened.created {
        create(path, acknowledged)?
    } else {
        examine_and_mend(path, acknowledged, &mut opened)?
    };
    let head = rows::last(&connection).map_err(|error| damaged(path, error))?;
    opened.head = head;
    if testimony != Testimony::AtLeast(head) {
        witness.reset(head).map_err(|error| OpenError::File {
            what: "cannot write",
            path: beside(path, ".head"),
            cause: Cause::new(error),
        })?;
    }
    salvage::sync_folder(path)?;
    Ok(Ready {
        connection,
        head,
        lock,
        witness,
        opened,
    })
}

fn create(path: &Path, acknowledged: Head) -> Result<Connection, OpenError> {
    if acknowledged.revision > Revision::ZERO {
        return Err(OpenError::Missing {
            path: path.to_owned(),
            witness: beside(path, ".head"),
            revision: acknowledged.revision,
        });
    }
    let make = || {
        let mut connection = schema::connect_to_write(path)?;
        schema::create(&mut connection)?;
        Ok(connection)
    };
    make().map_err(|error: rusqlite::Error| OpenError::File {
        what: "cannot make",
        path: path.to_owned(),
        cause: Cause::new(error),
    })
}

fn examine_and_mend(
    path: &Path,
    acknowledged: Head,
    opened: &mut Opened,
) -> Result<Connection, OpenError> {
    let mut connection = match examine(path) {
        Ok(Examined::Blank(mut connection)) => {
            let missing = acknowledged.revision > Revision::ZERO;
            if !missing {
                schema::prepare_to_write(&connection).map_err(|error| damaged(path, error))?;
                schema::create(&mut connection).map_err(|error| damaged(path, error))?;
                opened.created = true;
                return Ok(connection);
            }
            return create(path, acknowledged);
        }
        Ok(Examined::Journal(connection)) => connection,
        Ok(Examined::Newer(format)) => {
            return Err(OpenError::Newer {
                path: path.to_owned(),
                format,
                known: schema::FORMAT,
            });
        }
        Ok(Examined::Foreign) => {
            return Err(OpenError::Foreign {
                path: path.to_owned(),
            });
        }
        Err(error) => {
            return match rows::read_error(Revision(1), error) {
                ReadError::Misfit(_) => rebuild(path, acknowledged, opened),
                other => Err(unreadable(path, other)),
            };
        }
    };

    let survey = survey::of_the_tail(&connection).map_err(|error| unreadable(path, error))?;
    opened.entries_checked = survey.entries;
    if survey.unreadable {
        drop(connection);
        return rebuild(path, acknowledged, opened);
    }
    if acknowledged.revision <= survey.good.revision && acknowledged.revision > Revision::ZERO {
        agrees(path, &connection, acknowledged)?;
    }
    if survey.misfit.is_none() && acknowledged.revision <= survey.good.revision {
        schema::prepare_to_write(&connection).map_err(|error| damaged(path, error))?;
        return Ok(connection);
    }
    refuse(path, &survey, acknowledged)?;
    // Something is wrong, so time is no object: is SQLite's own structure whole?
    // A log that lost its end may have left pages that do not go together.
    let whole = connection
        .query_row("PRAGMA integrity_check(1)", [], |row| {
            row.get::<_, String>(0)
        })
        .is_ok_and(|said| said == "ok");
    if !whole {
        drop(connection);
        return rebuild(path, acknowledged, opened);
    }
    let aside = salvage::cut(path, &mut connection, &survey, acknowledged.revision)?;
    opened.set_aside = Some(aside);
    Ok(connection)
}

/// The long way, for a file that SQLite cannot make sense of: everything is
/// surveyed from the first entry, and what is good is written to a new file.
fn rebuild(path: &Path, acknowledged: Head, opened: &mut Opened) -> Result<Connection, OpenError> {
    let connection =
        schema::connect_to_examine(path, true).map_err(|error| damaged(path, error))?;
    let survey = survey::of_all_after(&connection, Walk::default())
        .map_err(|error| unreadable(path, error))?;
    opened.entries_checked = survey.entries;
    refuse(path, &survey, acknowledged)?;
    if survey.good.revision == Revision::ZERO {
        // Not even known to be ours.
        let what = match &survey.misfit {
            Some(misfit) => misfit.to_string(),
            None => "nothing in it can be read".to_owned(),
        };
        return Err(OpenError::Damaged {
            path: path.to_owned(),
            what,
            cause: None,
        });
    }
    if acknowledged.revision <= survey.good.revision && acknowledged.revision > Revision::ZERO {
        agrees(path, &connection, acknowledged)?;
    }
    let aside = salvage::rebuild(path, connection, &survey, acknowledged.revision)?;
    opened.set_aside = Some(aside);
    schema::connect_to_write(path).map_err(|error| damaged(path, error))
}

enum Examined {
    Blank(Connection),
    Journal(Connection),
    Newer(i64),
    Foreign,
}

fn examine(path: &Path) -> rusqlite::Result<Examined> {
    let connection = schema::connect_to_examine(path, false)?;
    Ok(match schema::identify(&connection)? {
        Found::Blank => Examined::Blank(connection),
        Found::Journal => Examined::Journal(connection),
        Found::Newer(format) => Examined::Newer(format),
        Found::Foreign => Examined::Foreign,
    })
}

/// Whether the journal has the hash that was acknowledged, where it can be told.
fn agrees(path: &Path, connection: &Connection, acknowledged: Head) -> Result<(), OpenError> {
    let stored =
        rows::hash_at(connection, acknowledged.revision).map_err(|error| damaged(path, error))?;
    if stored.is_some_and(|stored| stored != acknowledged.hash) {
        return Err(OpenError::Replaced {
            path: path.to_owned(),
            witness: beside(path, ".head"),
            revision: acknowledged.revision,
        });
    }
    Ok(())
}

fn refuse(path: &Path, survey: &Survey, acknowledged: Head) -> Result<(), OpenError> {
    match survey.refusal(acknowledged.revision) {
        Some(what) => Err(OpenError::Damaged {
            path: path.to_owned(),
            what,
            cause: None,
        }),
        None => Ok(()),
    }
}

fn damaged(path: &Path, error: rusqlite::Error) -> OpenError {
    match rows::read_error(Revision(1), error) {
        ReadError::Misfit(misfit) => OpenError::Damaged {
            path: path.to_owned(),
            what: misfit.why.to_string(),
            cause: None,
        },
        other => unreadable(path, other),
    }
}

fn unreadable(path: &Path, error: ReadError) -> OpenError {
    OpenError::File {
        what: "cannot read",
        path: path.to_owned(),
        cause: Cause::new(error),
    }
}
