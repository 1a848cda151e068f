//! The subscribers' file: SQLite beside the journal, WAL, every change durable before it is
//! acted on.
//!
//! A file of its own and not the journal, because an address must be forgotten when its owner
//! leaves, and the journal forgets nothing. What is deleted is overwritten
//! (`secure_delete`), and the log is emptied after an erasure, so that no page of the file
//! holds it. Whoever unsubscribes stays known by a mark of the address alone ([`Gone`]), made
//! with the key, so that the next import does not write to them again.
//!
//! Any number of programs may have it open: the command line changes it beside a server
//! that runs.

pub mod people;
pub mod queue;
mod schema;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::ids::ComponentId;
use evenkeel_core::language::Language;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use super::announce::Announcement;
use super::token::{self, Key};
use crate::access::Secret;

/// How long another program's change is waited for.
const BUSY: Duration = Duration::from_secs(10);

/// A subscribers' file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be opened.
    #[error(
        "the subscribers' file {path} cannot be opened; check who may write there, or restore it"
    )]
    Open {
        /// Where.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// It was made by a later version.
    #[error(
        "the subscribers' file {path} was written by a newer Evenkeel (version {version}): run that one"
    )]
    Newer {
        /// Where.
        path: PathBuf,
        /// Its version.
        version: i64,
    },
    /// The key cannot be used.
    #[error(
        "the subscribers' key {path} cannot be used: {why}; restore it, or remove it: links in mails that were sent lead nowhere then"
    )]
    Key {
        /// Where.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// It cannot be read or written.
    #[error("the subscribers' file cannot be used now; look at the disk it is on")]
    Use(#[from] rusqlite::Error),
    /// What is in it cannot be understood.
    #[error("the subscribers' file holds what this version does not know: {0}")]
    Unknown(String),
    /// The kernel has no randomness.
    #[error("the kernel has no randomness: {0}")]
    Randomness(#[from] getrandom::Error),
    /// A mistake of ours.
    #[error("a mistake in Evenkeel; please report it with the log")]
    Ours,
}

/// How somebody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// By mail.
    Mail,
    /// By a webhook of theirs.
    Webhook,
    /// An announcement of the operator's own, by its name in the configuration.
    Announcement,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Mail, Self::Webhook, Self::Announcement];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mail => "mail",
            Self::Webhook => "webhook",
            Self::Announcement => "announcement",
        }
    }

    /// By its name.
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    fn number(self) -> i64 {
        match self {
            Self::Mail => 0,
            Self::Webhook => 1,
            Self::Announcement => 2,
        }
    }

    pub(super) fn numbered(number: i64) -> Result<Self, StoreError> {
        let mut all = Self::ALL.into_iter();
        let found = all.find(|kind| kind.number() == number);
        found.ok_or_else(|| StoreError::Unknown(format!("kind {number}")))
    }
}

/// Where a subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It waits for the button behind the link.
    Waiting,
    /// It is told.
    Active,
    /// Nothing arrived there, again and again.
    Paused,
}

impl Standing {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Active, Self::Paused];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Active => "active",
            Self::Paused => "paused",
        }
    }

    /// By its name.
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|standing| standing.as_str() == text)
    }

    fn number(self) -> i64 {
        match self {
            Self::Waiting => 0,
            Self::Active => 1,
            Self::Paused => 2,
        }
    }

    pub(super) fn numbered(number: i64) -> Result<Self, StoreError> {
        let mut all = Self::ALL.into_iter();
        let found = all.find(|standing| standing.number() == number);
        found.ok_or_else(|| StoreError::Unknown(format!("standing {number}")))
    }
}

/// What somebody wants to be told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wishes {
    /// In which language.
    pub language: Language,
    /// Of which components; none named: of all.
    pub components: Vec<ComponentId>,
    /// Of planned work only.
    pub maintenance_only: bool,
}

/// Somebody who is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscriber {
    /// Their number.
    pub id: i64,
    /// How.
    pub kind: Kind,
    /// Where.
    pub address: String,
    /// Of what.
    pub wishes: Wishes,
    /// Where it stands.
    pub standing: Standing,
    /// Since when.
    pub since: Timestamp,
    /// Updates in a row that did not arrive.
    pub failures: u32,
    /// Why the last did not.
    pub last_error: Option<String>,
    /// What makes their link theirs.
    pub salt: Vec<u8>,
}

/// See the module.
pub struct Store {
    connection: Mutex<Connection>,
    key: Key,
}

impl Store {
    /// Opens a file, and makes it where there is none.
    ///
    /// # Errors
    /// It cannot be used.
    pub fn open(path: &Path, key: Key) -> Result<Self, StoreError> {
        let open = |source| StoreError::Open {
            path: path.to_owned(),
            source,
        };
        schema::private(path)?;
        let mut connection = Connection::open(path).map_err(open)?;
        connection.busy_timeout(BUSY).map_err(open)?;
        let version = schema::ready(&mut connection).map_err(open)?;
        if version > schema::VERSION {
            return Err(StoreError::Newer {
                path: path.to_owned(),
                version,
            });
        }
        Ok(Self {
            connection: Mutex::new(connection),
            key,
        })
    }

    /// What links are made of.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The link of a subscriber.
    pub fn link(&self, subscriber: &Subscriber) -> String {
        self.key.link(subscriber.id, &subscriber.salt)
    }

    fn held(&self) -> MutexGuard<'_, Connection> {
        // A transaction that is dropped is rolled back.
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something whole or not at all.
    fn change<T>(
        &self,
        act: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.held();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = act(&transaction)?;
        transaction.commit()?;
        Ok(done)
    }

    /// After an erasure: nothing of it is left in the log either.
    fn empty_the_log(&self) -> Result<(), StoreError> {
        let connection = self.held();
        // A reader may be at it; then the next one empties it.
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }

    /// Takes what the configuration says of announcements, each a subscriber of its own.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn keep_announcements(
        &self,
        announcements: &[Announcement],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let wanted: Vec<(String, &Announcement)> = announcements
            .iter()
            .flat_map(|one| {
                one.addresses()
                    .into_iter()
                    .map(move |address| (address, one))
            })
            .collect();
        self.change(|tx| {
            let mut known = tx.prepare("SELECT id, address FROM subscriber WHERE kind = 2")?;
            let known = known.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            for known in known.collect::<Result<Vec<(i64, String)>, _>>()? {
                if !wanted.iter().any(|(address, _)| *address == known.1) {
                    tx.execute("DELETE FROM subscriber WHERE id = ?1", [known.0])?;
                }
            }
            for (address, one) in &wanted {
                let wishes = Wishes {
                    language: one.languages.first().copied().unwrap_or_default(),
                    components: one.components.clone(),
                    maintenance_only: false,
                };
                let found: Option<i64> = tx
                    .query_row(
                        "SELECT id FROM subscriber WHERE kind = 2 AND known_by = ?1",
                        [address],
                        |row| row.get(0),
                    )
                    .optional()?;
                match found {
                    // Who configured it wants it: also what was paused begins again.
                    Some(id) => {
                        people::write_wishes(tx, id, &wishes)?;
                        tx.execute(
                            "UPDATE subscriber SET standing = 1, failures = 0 WHERE id = ?1",
                            [id],
                        )?;
                    }
                    None => {
                        let new = people::New {
                            kind: Kind::Announcement,
                            address,
                            wishes: &wishes,
                            standing: Standing::Active,
                        };
                        people::insert(tx, &new, now)?;
                    }
                }
            }
            Ok(())
        })
    }

    /// When the file was made: what was told before is not sent.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn made_at(&self) -> Result<Timestamp, StoreError> {
        let connection = self.held();
        let made = connection.query_row("SELECT at FROM made", [], |row| row.get(0))?;
        Ok(time(made))
    }

    /// Who a link leads to.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn behind(&self, link: &str) -> Result<Option<Subscriber>, StoreError> {
        let Some((id, mark)) = token::parts(link) else {
            return Ok(None);
        };
        let found = self.subscriber(id)?;
        Ok(found.filter(|found| self.key.fits(mark, found.id, &found.salt)))
    }

    /// Somebody by number.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn subscriber(&self, id: i64) -> Result<Option<Subscriber>, StoreError> {
        let connection = self.held();
        let mut found = people::listed(&connection, "id = ?1", params![id])?;
        Ok(found.pop())
    }
}

/// A fresh salt.
fn salt() -> Result<Vec<u8>, StoreError> {
    Ok(Secret::fresh()?.text().into_bytes()[..32].to_vec())
}

/// A time as it is kept: milliseconds.
fn kept(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// A kept time.
fn time(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn language(row: &Row<'_>, at: usize) -> rusqlite::Result<Language> {
    let tag: String = row.get(at)?;
    Ok(Language::of(&tag).unwrap_or_default())
}
