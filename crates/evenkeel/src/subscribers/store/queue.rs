//! The queue: which word is still to go to whom.
//!
//! One statement puts a word into it for everybody whom it concerns. A sender takes a bite
//! of what is due, which marks it as begun; after each it says how it went. After a crash
//! what was begun is taken up again.
//!
//! **What comes later replaces what has not gone yet**, of one incident and to one mail
//! address: who waited half an hour for "we look into it" is told how it stands instead, and
//! not both in a row. To one subscriber words go in their order.
//!
//! **When an address is believed dead.** A server that is broken refuses everything for good
//! (5xx), and says it of each address. So an address has failed for a word only when it was
//! refused twice with other mail taken in between ([`Verdict::Refused`]), and is paused after
//! [`FAILURES_MAX`] words in a row. Where nothing else was taken, the refusal is tried again
//! until [`GIVE_UP_AFTER`], and then given up without a word against the address.

use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::language::Language;
use evenkeel_core::time;
use rusqlite::{OptionalExtension, Transaction, params};

use super::{Kind, Standing, Store, StoreError, kept, language, time as at};
use crate::subscribers::word::Word;

/// Words in a row that did not arrive, until nothing more is sent there.
pub const FAILURES_MAX: u32 = 3;

/// After this a word is no news: what has not gone by then does not.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(12 * 3600);

/// The first pause after something did not arrive; doubled up to [`PAUSE_MAX`].
pub const PAUSE: Duration = Duration::from_secs(30);
const PAUSE_MAX: Duration = Duration::from_secs(30 * 60);

/// How long what was not tried lets others go first.
const BEHIND: Duration = Duration::from_secs(2);

/// How long words are kept after they have gone to everybody: for the console.
const WORDS_KEPT: Duration = Duration::from_secs(90 * 24 * 3600);

/// Something to be sent now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// To whom.
    pub subscriber: i64,
    /// What; 0 is the letter with the link.
    pub word: i64,
    /// Where to.
    pub address: String,
    /// By what sending is paced.
    pub domain: String,
    /// In which language.
    pub language: Language,
    /// What makes their link theirs.
    pub salt: Vec<u8>,
    /// Where they stand.
    pub standing: Standing,
    /// How often it was tried.
    pub tries: u32,
    /// When the word was put into the queue; for letters with links, when it is taken.
    pub queued_at: Timestamp,
}

/// How sending something went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver took it.
    Taken,
    /// It may be taken later.
    Later(String),
    /// The receiver is not at fault: it has not been tried.
    Untried,
    /// The receiver says that it never will.
    Refused(String),
    /// The receiver says that it is gone for good.
    Gone(String),
}

/// Whether something may go to a domain now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// It may.
    Now,
    /// At this time.
    At(Timestamp),
    /// Nothing more may go anywhere.
    Full,
}

/// What was taken of what is due.
#[derive(Debug, Default)]
pub struct Bite {
    /// Rows that were looked at.
    pub looked_at: usize,
    /// Those that were taken: they are to be sent.
    pub taken: Vec<Due>,
}

/// What is said of one row.
#[derive(Debug, Clone)]
pub struct Went {
    /// To whom.
    pub subscriber: i64,
    /// What.
    pub word: i64,
    /// How.
    pub verdict: Verdict,
}

/// A subscriber to whom nothing is sent any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paused {
    /// Who.
    pub subscriber: i64,
    /// How they were told.
    pub kind: Kind,
    /// Why.
    pub why: String,
}

/// A word in the queue, for the console.
#[derive(Debug, Clone)]
pub struct Queued {
    /// What.
    pub word: Word,
    /// When it was put there.
    pub queued_at: Timestamp,
    /// For how many.
    pub total: u32,
    /// How many receivers took it.
    pub sent: u32,
    /// How many did not.
    pub failed: u32,
    /// For how many a later word came first.
    pub superseded: u32,
}

impl Queued {
    /// How many still wait.
    pub fn waiting(&self) -> u32 {
        let over = self.sent + self.failed + self.superseded;
        self.total.saturating_sub(over)
    }
}

/// How much waits, by kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Rows.
    pub rows: u32,
    /// The oldest is due since, milliseconds of the epoch.
    pub oldest_due_at: Option<i64>,
}

impl Store {
    /// Puts a word into the queue for everybody whom it concerns; `None` where it was there
    /// already. Durable when it returns.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn queue(&self, word: &Word, now: Timestamp) -> Result<Option<u64>, StoreError> {
        let facts =
            serde_json::to_string(word).map_err(|error| StoreError::Unknown(error.to_string()))?;
        let components: Vec<&str> = word.components().map(|id| id.as_str()).collect();
        let components = serde_json::Value::from(components).to_string();
        self.change(|tx| {
            let new = tx.execute(
                "INSERT OR IGNORE INTO word (key, incident, queued_at, facts) VALUES (?1, ?2, ?3, ?4)",
                params![word.key(), word.subject(), kept(now), facts],
            )?;
            if new == 0 {
                return Ok(None);
            }
            let id = tx.last_insert_rowid();
            let total = tx.execute(
                "INSERT INTO outbox (subscriber, word, kind, due_at)
                 SELECT s.id, ?1, s.kind, ?2 FROM subscriber s
                 WHERE s.standing = 1 AND (?3 OR NOT s.maintenance_only)
                     AND (s.wants_all OR EXISTS (
                         SELECT 1 FROM wish w WHERE w.subscriber = s.id
                             AND w.component IN (SELECT value FROM json_each(?4))))",
                params![id, kept(now), word.is_maintenance(), components],
            )?;
            tx.execute(
                "UPDATE word SET total = ?2 WHERE id = ?1",
                params![id, i64::try_from(total).unwrap_or(i64::MAX)],
            )?;
            supersede(tx, id, word.subject())?;
            Ok(Some(u64::try_from(total).unwrap_or(u64::MAX)))
        })
    }

    /// The keys of the words that were put into the queue since.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn keys_since(&self, since: Timestamp) -> Result<Vec<String>, StoreError> {
        let connection = self.held();
        let mut found = connection.prepare("SELECT key FROM word WHERE queued_at >= ?1")?;
        let keys = found.query_map([kept(since)], |row| row.get(0))?;
        Ok(keys.collect::<Result<_, _>>()?)
    }

    /// Looks at up to `most` rows that are due, and takes those that `paced` lets go now.
    ///
    /// # Errors
    /// The file cannot be used; nothing is taken then.
    pub fn take(
        &self,
        kind: Kind,
        now: Timestamp,
        most: usize,
        mut paced: impl FnMut(&str) -> Pace,
    ) -> Result<Bite, StoreError> {
        self.change(|tx| {
            let mut found = tx.prepare_cached(
                "SELECT o.subscriber, o.word, s.address, s.domain, s.language, s.salt, s.standing,
                     o.tries, coalesce((SELECT queued_at FROM word WHERE id = o.word), s.asked_at, ?2)
                 FROM outbox o JOIN subscriber s ON s.id = o.subscriber
                 WHERE o.kind = ?1 AND o.due_at <= ?2 AND o.begun_at IS NULL
                     AND NOT EXISTS (SELECT 1 FROM outbox p WHERE p.subscriber = o.subscriber
                         AND p.word > 0 AND p.word < o.word)
                 ORDER BY o.due_at LIMIT ?3",
            )?;
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            let mut rows = found.query(params![kind.number(), kept(now), most])?;
            let mut bite = Bite::default();
            let mut later = Vec::new();
            // A row that finds no room is not read, and none after it.
            while let Some(row) = rows.next()? {
                bite.looked_at += 1;
                let domain: String = row.get(3)?;
                let pace = paced(&domain);
                let (subscriber, word) = (row.get(0)?, row.get(1)?);
                match pace {
                    Pace::Now => bite.taken.push(Due {
                        subscriber,
                        word,
                        address: row.get(2)?,
                        domain,
                        language: language(row, 4)?,
                        salt: row.get(5)?,
                        standing: Standing::numbered(row.get(6)?)?,
                        tries: row.get(7)?,
                        queued_at: at(row.get(8)?),
                    }),
                    Pace::At(at) => later.push((subscriber, word, at)),
                    Pace::Full => break,
                }
            }
            drop(rows);
            let mut begin = tx.prepare_cached(
                "UPDATE outbox SET begun_at = ?3 WHERE subscriber = ?1 AND word = ?2",
            )?;
            for row in &bite.taken {
                begin.execute(params![row.subscriber, row.word, kept(now)])?;
            }
            let mut put_off = tx
                .prepare_cached("UPDATE outbox SET due_at = ?3 WHERE subscriber = ?1 AND word = ?2")?;
            for (subscriber, word, at) in later {
                put_off.execute(params![subscriber, word, kept(at)])?;
            }
            Ok(bite)
        })
    }

    /// When the next of a kind is due.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn next_due(&self, kind: Kind) -> Result<Option<Timestamp>, StoreError> {
        let connection = self.held();
        let next: Option<i64> = connection
            .prepare_cached("SELECT min(due_at) FROM outbox WHERE kind = ?1 AND begun_at IS NULL")?
            .query_row([kind.number()], |row| row.get(0))?;
        Ok(next.map(at))
    }

    /// Takes up again what was begun by a server that is no more. How many.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn let_go(&self) -> Result<usize, StoreError> {
        self.change(|tx| {
            Ok(tx.execute(
                "UPDATE outbox SET begun_at = NULL WHERE begun_at IS NOT NULL",
                [],
            )?)
        })
    }

    /// Says how it went, durably. Who is paused by it.
    ///
    /// # Errors
    /// The file cannot be used; nothing is said then.
    pub fn went(
        &self,
        kind: Kind,
        all: &[Went],
        now: Timestamp,
    ) -> Result<Vec<Paused>, StoreError> {
        self.change(|tx| {
            let mut taken: i64 = tx.query_row(
                "SELECT count FROM taken WHERE kind = ?1",
                [kind.number()],
                |row| row.get(0),
            )?;
            let before = taken;
            let mut paused = Vec::new();
            for went in all {
                let row = Row { kind, went, now };
                if went.verdict == Verdict::Taken {
                    taken += 1;
                    row.sent(tx)?;
                } else if let Some(one) = row.not_sent(tx, taken)? {
                    paused.push(one);
                }
            }
            if taken != before {
                tx.execute(
                    "UPDATE taken SET count = ?2 WHERE kind = ?1",
                    params![kind.number(), taken],
                )?;
            }
            Ok(paused)
        })
    }

    /// The facts of a word.
    ///
    /// # Errors
    /// The file cannot be used, or what is in it is not understood.
    pub fn word(&self, id: i64) -> Result<Option<Word>, StoreError> {
        let connection = self.held();
        let facts: Option<String> = connection
            .prepare_cached("SELECT facts FROM word WHERE id = ?1")?
            .query_row([id], |row| row.get(0))
            .optional()?;
        facts.map(|facts| understood(&facts)).transpose()
    }

    /// The newest words and how far they are.
    ///
    /// # Errors
    /// The file cannot be used, or what is in it is not understood.
    pub fn words(&self, most: u32) -> Result<Vec<Queued>, StoreError> {
        let connection = self.held();
        let mut found = connection.prepare_cached(
            "SELECT facts, queued_at, total, sent, failed, superseded FROM word ORDER BY id DESC LIMIT ?1",
        )?;
        let mut rows = found.query([most])?;
        let mut words = Vec::new();
        while let Some(row) = rows.next()? {
            let facts: String = row.get(0)?;
            words.push(Queued {
                word: understood(&facts)?,
                queued_at: at(row.get(1)?),
                total: row.get(2)?,
                sent: row.get(3)?,
                failed: row.get(4)?,
                superseded: row.get(5)?,
            });
        }
        Ok(words)
    }

    /// How much of a kind waits.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn backlog(&self, kind: Kind) -> Result<Backlog, StoreError> {
        let connection = self.held();
        let (waits, oldest): (u32, Option<i64>) = connection
            .prepare_cached(
                "SELECT count(*), min(due_at) FROM outbox WHERE kind = ?1 AND begun_at IS NULL",
            )?
            .query_row([kind.number()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let begun: u32 = connection
            .prepare_cached("SELECT count(*) FROM outbox WHERE kind = ?1 AND begun_at IS NOT NULL")?
            .query_row([kind.number()], |row| row.get(0))?;
        Ok(Backlog {
            rows: waits + begun,
            oldest_due_at: oldest,
        })
    }

    /// Forgets words that have gone to everybody long ago.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn forget_words(&self, now: Timestamp) -> Result<usize, StoreError> {
        let oldest = kept(time::before(now, WORDS_KEPT));
        self.change(|tx| {
            Ok(tx.execute(
                "DELETE FROM word WHERE queued_at < ?1
                     AND NOT EXISTS (SELECT 1 FROM outbox WHERE word = word.id)",
                [oldest],
            )?)
        })
    }
}

fn understood(facts: &str) -> Result<Word, StoreError> {
    serde_json::from_str(facts).map_err(|error| StoreError::Unknown(error.to_string()))
}

/// Takes out what is of the same incident and has not gone to who gets the new word.
fn supersede(tx: &Transaction<'_>, word: i64, subject: String) -> Result<(), StoreError> {
    let older: Vec<i64> = tx
        .prepare("SELECT id FROM word WHERE incident = ?1 AND id < ?2 AND sent + failed + superseded < total")?
        .query_map(params![subject, word], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for old in older {
        let count = tx.execute(
            "DELETE FROM outbox WHERE word = ?1 AND kind = 0 AND begun_at IS NULL
                 AND EXISTS (SELECT 1 FROM outbox n WHERE n.subscriber = outbox.subscriber AND n.word = ?2)",
            params![old, word],
        )?;
        tx.execute(
            "UPDATE word SET superseded = superseded + ?2 WHERE id = ?1",
            params![old, i64::try_from(count).unwrap_or(i64::MAX)],
        )?;
    }
    Ok(())
}

/// One row, and what is said of it.
struct Row<'a> {
    kind: Kind,
    went: &'a Went,
    now: Timestamp,
}

impl Row<'_> {
    fn remove(&self, tx: &Transaction<'_>, column: &str) -> Result<bool, StoreError> {
        let Went {
            subscriber, word, ..
        } = self.went;
        let gone = tx
            .prepare_cached("DELETE FROM outbox WHERE subscriber = ?1 AND word = ?2")?
            .execute(params![subscriber, word])?;
        if gone > 0 {
            tx.prepare_cached(&format!(
                "UPDATE word SET {column} = {column} + 1 WHERE id = ?1"
            ))?
            .execute([word])?;
        }
        Ok(gone > 0)
    }

    fn sent(&self, tx: &Transaction<'_>) -> Result<(), StoreError> {
        self.remove(tx, "sent")?;
        tx.prepare_cached(
            "UPDATE subscriber SET failures = 0, last_error = NULL WHERE id = ?1 AND failures > 0",
        )?
        .execute([self.went.subscriber])?;
        Ok(())
    }

    fn not_sent(&self, tx: &Transaction<'_>, taken: i64) -> Result<Option<Paused>, StoreError> {
        let Went {
            subscriber,
            word,
            verdict,
        } = self.went;
        let known: Option<(u32, Option<i64>, i64)> = tx
            .prepare_cached(
                "SELECT tries, refused_at_taken, coalesce((SELECT queued_at FROM word WHERE id = o.word), ?3)
                 FROM outbox o WHERE subscriber = ?1 AND word = ?2",
            )?
            .query_row(params![subscriber, word, kept(self.now)], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })
            .optional()?;
        // Erased meanwhile.
        let Some((tries, refused_at, queued_at)) = known else {
            return Ok(None);
        };
        let is_old = time::since(at(queued_at), self.now) >= GIVE_UP_AFTER;
        let (why, refused) = match verdict {
            Verdict::Taken => return Ok(None),
            Verdict::Untried => {
                if is_old && *word > 0 {
                    self.remove(tx, "failed")?;
                    return Ok(None);
                }
                // Behind the others: it may be what broke the way.
                let later = kept(time::after(self.now, BEHIND));
                tx.prepare_cached(
                    "UPDATE outbox SET begun_at = NULL, due_at = ?3 WHERE subscriber = ?1 AND word = ?2",
                )?
                .execute(params![subscriber, word, later])?;
                return Ok(None);
            }
            Verdict::Gone(why) => {
                self.remove(tx, "failed")?;
                return self.pause(tx, why).map(Some);
            }
            Verdict::Later(why) => (why, false),
            Verdict::Refused(why) => (why, true),
        };
        let believed = refused && refused_at.is_some_and(|at| taken > at);
        // A letter with a link is asked for again by who wants it.
        if believed || is_old || (*word == 0 && tries >= 5) {
            self.remove(tx, "failed")?;
            // A webhook that answered nothing for half a day is as dead as a refused address.
            let counts = believed || (self.kind != Kind::Mail && is_old);
            return if counts {
                self.strike(tx, why)
            } else {
                Ok(None)
            };
        }
        let first_refused = match refused {
            true => Some(refused_at.unwrap_or(taken)),
            false => refused_at,
        };
        let pause = PAUSE.saturating_mul(1 << tries.min(10)).min(PAUSE_MAX);
        tx.prepare_cached(
            "UPDATE outbox SET begun_at = NULL, tries = tries + 1, due_at = ?3, refused_at_taken = ?4
             WHERE subscriber = ?1 AND word = ?2",
        )?
        .execute(params![subscriber, word, kept(time::after(self.now, pause)), first_refused])?;
        tx.prepare_cached("UPDATE subscriber SET last_error = ?2 WHERE id = ?1")?
            .execute(params![subscriber, why])?;
        Ok(None)
    }

    /// One more word in a row that did not arrive.
    fn strike(&self, tx: &Transaction<'_>, why: &str) -> Result<Option<Paused>, StoreError> {
        let failures: u32 = tx.query_row(
            "UPDATE subscriber SET failures = failures + 1, last_error = ?2 WHERE id = ?1 RETURNING failures",
            params![self.went.subscriber, why],
            |row| row.get(0),
        )?;
        match failures >= FAILURES_MAX {
            true => self.pause(tx, why).map(Some),
            false => Ok(None),
        }
    }

    fn pause(&self, tx: &Transaction<'_>, why: &str) -> Result<Paused, StoreError> {
        let subscriber = self.went.subscriber;
        tx.execute(
            "UPDATE subscriber SET standing = 2, since = ?2, last_error = ?3 WHERE id = ?1",
            params![subscriber, kept(self.now), why],
        )?;
        tx.execute(
            "UPDATE word SET failed = failed + 1
             WHERE id IN (SELECT word FROM outbox WHERE subscriber = ?1)",
            [subscriber],
        )?;
        tx.execute("DELETE FROM outbox WHERE subscriber = ?1", [subscriber])?;
        Ok(Paused {
            subscriber,
            kind: self.kind,
            why: why.to_owned(),
        })
    }
}
