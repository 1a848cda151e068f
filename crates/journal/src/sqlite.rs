//! The journal in one SQLite file: the default, for a server on its own.
//!
//! Write-ahead log, `synchronous=FULL`: an append returns after `fsync`. Readers
//! (the CLI beside a running server) open the same file without the lock and see
//! whole appends only.
//!
//! | file | what |
//! |---|---|
//! | `journal.db` (`-wal`, `-shm`) | the record, and SQLite's log beside it |
//! | `journal.db.lock` | who has it ([`Holder`]) |
//! | `journal.db.head` | how far it had come, so that a lost end is noticed |
//! | `journal.db.set-aside-1` ... | torn tails, with what was in them ([`SetAside`]) |
//!
//! Damage, and what becomes of it: see [`SqliteJournal::open`]. Space is given
//! back to the file, not to the disk: what retention frees is used for new
//! entries, so a file stays at its largest size; `VACUUM INTO` makes a small copy.

mod lock;
mod open;
mod removal;
mod rows;
mod salvage;
mod schema;
mod snapshots;
mod survey;
mod witness;

use std::{
    cell::Cell,
    ffi::OsString,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, TransactionBehavior};

pub use self::{lock::Holder, open::Opened, salvage::SetAside, survey::TAIL_ENTRIES_MAX};
use self::{lock::Lock, rows::signed, witness::Witness};
use crate::{
    chain::{Misfit, Verification, Why},
    entry::{Draft, Entry, Head, Revision, Snapshot},
    error::{AppendError, Cause, OpenError, ReadError, RetainError, SnapshotError},
    journal::{Journal, READ_BYTES_MAX, READ_ENTRIES_MAX},
    retention::{Retained, Retention},
    verify::Verifier,
};

/// A file beside the journal: its name with an ending.
fn beside(journal: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(journal.as_os_str());
    name.push(ending);
    PathBuf::from(name)
}

/// See the module.
#[derive(Debug)]
pub struct SqliteJournal {
    path: PathBuf,
    connection: Connection,
    access: Access,
    entries_read: Cell<u64>,
}

#[derive(Debug)]
enum Access {
    Write {
        head: Head,
        witness: Witness,
        broken: bool,
        _lock: Lock,
    },
    Read,
}

impl SqliteJournal {
    /// Opens a journal to append to it, or begins a new one.
    ///
    /// The last [`TAIL_ENTRIES_MAX`] entries are checked; earlier ones when they
    /// are read. A torn tail is set aside and told of in [`Opened`]. It is refused
    /// to open what would be a wrong history: damage that good entries follow, a
    /// file that is missing although its witness is there, another history than
    /// the acknowledged one, or more lost than a torn write can take.
    pub fn open(path: &Path) -> Result<(SqliteJournal, Opened), OpenError> {
        let ready = open::open(path)?;
        let access = Access::Write {
            head: ready.head,
            witness: ready.witness,
            broken: false,
            _lock: ready.lock,
        };
        let journal = SqliteJournal {
            path: path.to_owned(),
            connection: ready.connection,
            access,
            entries_read: Cell::new(0),
        };
        Ok((journal, ready.opened))
    }

    /// Opens a journal for reading, also while a server holds it. Changes nothing,
    /// and does not refuse damage: [`Journal::verify`] is there to describe it.
    pub fn open_read_only(path: &Path) -> Result<SqliteJournal, OpenError> {
        if !path.exists() {
            return Err(OpenError::NotFound {
                path: path.to_owned(),
            });
        }
        let look = || {
            let connection = schema::connect_to_read(path)?;
            let found = schema::identify(&connection)?;
            Ok((connection, found))
        };
        let (connection, found) = look().map_err(|error: rusqlite::Error| {
            let what = "SQLite cannot read it".to_owned();
            let path = path.to_owned();
            match rows::trouble(&error) {
                rows::Trouble::Damaged => OpenError::Damaged {
                    path,
                    what,
                    cause: Some(Cause::new(error)),
                },
                _ => OpenError::File {
                    what: "cannot read",
                    path,
                    cause: Cause::new(error),
                },
            }
        })?;
        match found {
            schema::Found::Journal => {}
            schema::Found::Newer(format) => {
                let path = path.to_owned();
                return Err(OpenError::Newer {
                    path,
                    format,
                    known: schema::FORMAT,
                });
            }
            schema::Found::Blank => {
                return Err(OpenError::NotFound {
                    path: path.to_owned(),
                });
            }
            schema::Found::Foreign => {
                return Err(OpenError::Foreign {
                    path: path.to_owned(),
                });
            }
        }
        Ok(SqliteJournal {
            path: path.to_owned(),
            connection,
            access: Access::Read,
            entries_read: Cell::new(0),
        })
    }

    /// How many entries this handle has read from the file since it was opened.
    #[must_use]
    pub fn entries_read(&self) -> u64 {
        self.entries_read.get()
    }

    /// Limits the file to so many pages of 4 KiB, counted whole: an append that
    /// would need more fails as on a full disk.
    pub fn limit_pages(&self, pages: u32) -> Result<(), ReadError> {
        self.connection
            .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
            .map_err(|error| ReadError::Storage(Cause::new(error)))
    }

    /// A page, within one view of the file.
    fn page(&self, after: Revision, limit: usize) -> Result<Vec<Entry>, ReadError> {
        let mut page = Vec::new();
        let limit = limit.min(READ_ENTRIES_MAX);
        if limit == 0 || after >= self.revision()? {
            return Ok(page);
        }
        let mut walk = rows::walk_from(&self.connection, after)?;
        let sql = format!(
            "SELECT {} FROM entries WHERE revision > ?1 ORDER BY revision",
            rows::ENTRY_COLUMNS
        );
        let unreadable =
            |walk: &crate::chain::Walk, error| rows::read_error(walk.head.revision.next(), error);
        let mut statement = self
            .connection
            .prepare_cached(&sql)
            .map_err(|error| unreadable(&walk, error))?;
        let mut found = statement
            .query([signed(after)])
            .map_err(|error| unreadable(&walk, error))?;
        let mut bytes = 0;
        while page.len() < limit && bytes < READ_BYTES_MAX {
            let Some(row) = found.next().map_err(|error| unreadable(&walk, error))? else {
                break;
            };
            self.entries_read.set(self.entries_read.get() + 1);
            let entry = rows::entry_in(row).map_err(|error| unreadable(&walk, error))?;
            rows::cross_to(&self.connection, &mut walk, entry.revision)?;
            walk.step(&entry)?;
            bytes += entry.body.len();
            page.push(entry);
        }
        Ok(page)
    }

    /// Runs a change in one durable transaction, which moves the head.
    fn change<T>(
        &mut self,
        expected: Option<Revision>,
        change: impl FnOnce(&Connection, Head) -> Result<(Head, T), AppendError>,
    ) -> Result<T, AppendError> {
        let Access::Write {
            head,
            witness,
            broken,
            ..
        } = &mut self.access
        else {
            return Err(AppendError::ReadOnly);
        };
        if *broken {
            return Err(AppendError::Broken);
        }
        let actual = head.revision;
        if let Some(expected) = expected.filter(|expected| *expected != actual) {
            return Err(AppendError::Conflict { expected, actual });
        }
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(rows::append_error)?;
        // Until it commits, an error rolls back, and nothing of it was kept.
        let (next, answer) = change(&transaction, *head)?;
        if let Err(error) = transaction.commit() {
            let error = rows::append_error(error);
            *broken = !error.retry_can_help();
            return Err(error);
        }
        *head = next;
        // Durable already. The witness is a lower bound and may lag.
        let _lags = witness.note(next);
        Ok(answer)
    }
}

impl Drop for SqliteJournal {
    fn drop(&mut self) {
        if let Access::Write { witness, .. } = &self.access {
            let _lags = witness.sync();
        }
    }
}

impl Journal for SqliteJournal {
    fn head(&self) -> Result<Head, ReadError> {
        match &self.access {
            Access::Write { head, .. } => Ok(*head),
            Access::Read => {
                rows::last(&self.connection).map_err(|error| rows::read_error(Revision(1), error))
            }
        }
    }

    fn append(&mut self, expected: Revision, drafts: &[Draft]) -> Result<Revision, AppendError> {
        Draft::check(drafts)?;
        if drafts.is_empty() {
            return match &self.access {
                Access::Read => Err(AppendError::ReadOnly),
                Access::Write { head, .. } if head.revision == expected => Ok(expected),
                Access::Write { head, .. } => Err(AppendError::Conflict {
                    expected,
                    actual: head.revision,
                }),
            };
        }
        self.change(Some(expected), |connection, head| {
            let mut head = head;
            for draft in drafts {
                head = rows::insert(connection, head, draft).map_err(rows::append_error)?;
            }
            Ok((head, head.revision))
        })
    }

    fn read(&self, after: Revision, limit: usize) -> Result<Vec<Entry>, ReadError> {
        // One view of the file for entries and seals, whatever is removed meanwhile.
        let view = self.connection.unchecked_transaction();
        let _view = view.map_err(|error| rows::read_error(after, error))?;
        self.page(after, limit)
    }

    fn latest_snapshot(&self, format: u32) -> Result<Option<Snapshot>, ReadError> {
        snapshots::latest(&self.connection, format)
    }

    fn save_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        snapshots::save(self, snapshot)
    }

    fn retain(
        &mut self,
        expected: Revision,
        rules: &Retention,
        now: jiff::Timestamp,
    ) -> Result<Retained, RetainError> {
        removal::retain(self, expected, rules, now)
    }

    fn verify(&self, known: &[Head]) -> Result<Verification, ReadError> {
        // The witness's head is one more that was noted elsewhere.
        let mut known = known.to_vec();
        known.extend(Witness::look(&self.path));
        let mut verifier = Verifier::new(&known);
        while verifier.take(self.read(verifier.at(), READ_ENTRIES_MAX))? {}
        if verifier.found_misfit() {
            return Ok(verifier.finish([]));
        }
        let structure: Result<String, _> =
            self.connection
                .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0));
        let hurt = match structure {
            Ok(said) if said == "ok" => None,
            Ok(said) => Some(said),
            Err(error) => Some(error.to_string()),
        };
        // What a running server appended and removed meanwhile, in one view with the
        // seals that belong to it.
        let view = self.connection.unchecked_transaction();
        let _view = view.map_err(|error| rows::read_error(verifier.at(), error))?;
        while verifier.take(self.page(verifier.at(), READ_ENTRIES_MAX))? {}
        let seals = match rows::seals(&self.connection) {
            Ok(seals) => seals,
            Err(error) => {
                verifier.take(Err(rows::read_error(Revision(1), error)))?;
                Vec::new()
            }
        };
        let mut verification = verifier.finish(seals);
        if let (None, Some(said)) = (&verification.misfit, hurt) {
            let revision = verification.head.revision.next();
            verification.misfit = Some(Misfit {
                revision,
                why: Why::Unreadable(said),
            });
        }
        Ok(verification)
    }
}
