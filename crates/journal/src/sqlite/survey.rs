//! Looking at a journal's end before anything is changed.
//!
//! What tells a torn tail from damage in the middle? Entries are appended in
//! order, so a torn write leaves nothing whole behind it. If any entry after the
//! first misfit is chained properly to its predecessor, then somebody or
//! something changed what was already settled, and cutting there would throw away
//! good history: that is the middle.

use rusqlite::Connection;

use super::rows::{self, ENTRY_COLUMNS, Trouble, cross_to, entry_in, trouble};
use crate::{
    chain::{Misfit, Walk, Why},
    entry::{Entry, Head, Revision},
    error::ReadError,
};

/// How far back the end of a journal reaches: so many entries are checked at each
/// start, and no more than so many can be a torn tail. SQLite moves its log into
/// the file every thousand pages, which hold about as many entries of the usual
/// size; what is damaged further back was settled before.
pub const TAIL_ENTRIES_MAX: u64 = 10_000;
/// A tail of large bodies is cut short here: some tenths of a second to read.
const TAIL_BYTES_MAX: u64 = 64 << 20;

/// What was found from some place to the end.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The last entry before which everything fits.
    pub(super) good: Head,
    /// The first thing that does not.
    pub(super) misfit: Option<Misfit>,
    /// The entries from there on, as far as they can be read.
    pub(super) bad: Vec<Entry>,
    /// Whether something from there on cannot be read.
    pub(super) unreadable: bool,
    /// Whether good history follows the misfit.
    pub(super) goes_on: bool,
    /// Entries looked at.
    pub(super) entries: u64,
}

/// Surveys the last [`TAIL_ENTRIES_MAX`] entries.
pub(super) fn of_the_tail(connection: &Connection) -> Result<Survey, ReadError> {
    let after = match before_the_tail(connection) {
        Ok(after) => after,
        Err(error) => return unreadable_from(Revision(1), error),
    };
    match rows::walk_from(connection, after) {
        Ok(walk) => of_all_after(connection, walk),
        Err(ReadError::Misfit(misfit)) => {
            let unreadable = matches!(misfit.why, Why::Unreadable(_));
            Ok(Survey {
                misfit: Some(misfit),
                unreadable,
                ..Survey::default()
            })
        }
        Err(other) => Err(other),
    }
}

/// The revision that the tail follows.
fn before_the_tail(connection: &Connection) -> rusqlite::Result<Revision> {
    let mut statement = connection
        .prepare("SELECT revision, length(body) FROM entries ORDER BY revision DESC LIMIT ?1")?;
    let most = i64::try_from(TAIL_ENTRIES_MAX + 1).unwrap_or(i64::MAX);
    let mut found = statement.query([most])?;
    let (mut entries, mut bytes) = (0, 0);
    while let Some(row) = found.next()? {
        if entries == TAIL_ENTRIES_MAX || bytes > TAIL_BYTES_MAX {
            return rows::unsigned(row, 0);
        }
        entries += 1;
        bytes += rows::unsigned(row, 1)?.0;
    }
    Ok(Revision::ZERO)
}

fn unreadable_from(revision: Revision, error: rusqlite::Error) -> Result<Survey, ReadError> {
    match rows::read_error(revision, error) {
        ReadError::Misfit(misfit) => Ok(Survey {
            misfit: Some(misfit),
            unreadable: true,
            ..Survey::default()
        }),
        other => Err(other),
    }
}

/// Surveys everything after a place that is taken to be good.
pub(super) fn of_all_after(connection: &Connection, from: Walk) -> Result<Survey, ReadError> {
    let mut survey = Survey {
        good: from.head,
        ..Survey::default()
    };
    let sql = format!("SELECT {ENTRY_COLUMNS} FROM entries WHERE revision > ?1 ORDER BY revision");
    let after = rows::signed(from.head.revision);
    let mut statement = match connection.prepare(&sql) {
        Ok(statement) => statement,
        Err(error) => {
            survey.cannot_read(error)?;
            return Ok(survey);
        }
    };
    let mut rows = match statement.query([after]) {
        Ok(rows) => rows,
        Err(error) => {
            survey.cannot_read(error)?;
            return Ok(survey);
        }
    };
    let mut bad_bytes = 0;
    // Where the next entry is chained to; unknown after one that cannot be read.
    let mut walk = Some(from);
    loop {
        let row = match rows.next() {
            Ok(Some(row)) => row,
            Ok(None) => break,
            Err(error) => {
                survey.cannot_read(error)?;
                break;
            }
        };
        survey.entries += 1;
        let entry = match entry_in(row) {
            Ok(entry) => entry,
            Err(error) => {
                survey.cannot_read(error)?;
                walk = None;
                continue;
            }
        };
        bad_bytes += if survey.misfit.is_some() {
            entry.body.len() as u64
        } else {
            0
        };
        let stored = Walk::from(Head {
            revision: entry.revision,
            hash: entry.hash,
        });
        let step = walk.as_mut().map(|walk| {
            cross_to(connection, walk, entry.revision)?;
            walk.step(&entry).map_err(ReadError::from)
        });
        match step {
            Some(Ok(())) if survey.misfit.is_none() => survey.good = stored.head,
            Some(Ok(())) => survey.goes_on = true,
            Some(Err(ReadError::Misfit(misfit))) => {
                survey.misfit.get_or_insert(misfit);
                survey.bad.push(entry);
            }
            Some(Err(other)) => return Err(other),
            None => survey.bad.push(entry),
        }
        // More than a torn write takes, and more than should be held in memory.
        survey.goes_on |= survey.bad.len() as u64 > TAIL_ENTRIES_MAX;
        survey.goes_on |= bad_bytes > TAIL_BYTES_MAX;
        if survey.goes_on {
            break;
        }
        walk = Some(stored);
    }
    drop(rows);
    if survey.unreadable && !survey.goes_on {
        survey.goes_on = something_follows(connection, survey.good.revision)?;
    }
    Ok(survey)
}

/// Whether an entry can be read from the end that lies beyond an unreadable place.
fn something_follows(connection: &Connection, good: Revision) -> Result<bool, ReadError> {
    let sql = format!(
        "SELECT {ENTRY_COLUMNS} FROM entries WHERE revision > ?1 ORDER BY revision DESC LIMIT 1"
    );
    let found = connection
        .prepare(&sql)
        .and_then(|mut statement| statement.query_row([rows::signed(good.next())], entry_in));
    match found {
        Ok(_) => Ok(true),
        Err(error) => match trouble(&error) {
            Trouble::Damaged => Ok(false),
            _ => Err(rows::read_error(good.next(), error)),
        },
    }
}

impl Survey {
    fn cannot_read(&mut self, error: rusqlite::Error) -> Result<(), ReadError> {
        self.unreadable = true;
        match rows::read_error(self.good.revision.next(), error) {
            ReadError::Misfit(misfit) => {
                self.misfit.get_or_insert(misfit);
                Ok(())
            }
            other => Err(other),
        }
    }

    /// The last revision that is or was known to be there.
    pub(super) fn end(&self, acknowledged: Revision) -> Revision {
        let bad = self
            .bad
            .last()
            .map_or(Revision::ZERO, |entry| entry.revision);
        self.good.revision.max(bad).max(acknowledged)
    }

    /// Why what follows the misfit must not be cut off, if so.
    pub(super) fn refusal(&self, acknowledged: Revision) -> Option<String> {
        let what = match &self.misfit {
            Some(misfit) => misfit.to_string(),
            None => format!("it ends at revision {}", self.good.revision),
        };
        let lost = self.end(acknowledged).0 - self.good.revision.0;
        let edited = |why: &Why| matches!(why, Why::Gap | Why::Seal);
        if self.goes_on {
            Some(format!(
                "{what}; entries after it are whole, so it is no torn write"
            ))
        } else if self
            .misfit
            .as_ref()
            .is_some_and(|misfit| edited(&misfit.why))
        {
            Some(format!("{what}; a torn write does not look like this"))
        } else if lost > TAIL_ENTRIES_MAX {
            Some(format!(
                "{what}; {lost} entries would be lost, more than a torn write takes"
            ))
        } else if lost > 0 && self.good.revision == Revision::ZERO {
            Some(format!("{what}; nothing before it could be kept"))
        } else {
            None
        }
    }
}
