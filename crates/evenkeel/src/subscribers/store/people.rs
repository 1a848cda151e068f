//! Who is on the list: asked, confirmed, changed, gone; brought in and out.

use evenkeel_core::Timestamp;
use evenkeel_core::ids::ComponentId;
use evenkeel_core::time;
use rusqlite::{Connection, OptionalExtension, ToSql, Transaction, params};

use super::{
    Kind, Standing, Store, StoreError, Subscriber, Wishes, kept, language, salt, time as at,
};
use crate::subscribers::people::{CONFIRM_WITHIN, LETTER_EVERY};

/// What came of asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// A letter with the link is on its way.
    Letter,
    /// One was sent lately: none is sent now.
    Lately,
    /// There are as many as there may be.
    Full,
}

/// What came of bringing somebody in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Brought {
    /// They are on the list now, under this number.
    New(i64),
    /// They were, and want something else now.
    Changed(i64),
    /// They were, as they are.
    Same(i64),
    /// They left on this day, and are not written to again unless they ask for it.
    Left(Timestamp),
    /// There are as many as there may be.
    Full,
}

/// How many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Of which kind.
    pub kind: Kind,
    /// Where they stand.
    pub standing: Standing,
    /// How many.
    pub count: u32,
}

pub(super) struct New<'a> {
    pub(super) kind: Kind,
    pub(super) address: &'a str,
    pub(super) wishes: &'a Wishes,
    pub(super) standing: Standing,
}

/// What two spellings of an address have in common.
fn known_by(kind: Kind, address: &str) -> String {
    match kind {
        Kind::Mail => address.to_ascii_lowercase(),
        Kind::Webhook | Kind::Announcement => address.to_owned(),
    }
}

/// By what sending is paced.
fn domain(kind: Kind, address: &str) -> String {
    let domain = match kind {
        Kind::Mail => address
            .rsplit_once('@')
            .map(|(_, domain)| domain.to_owned()),
        Kind::Webhook => {
            let uri = address.parse::<axum::http::Uri>().ok();
            uri.and_then(|uri| uri.host().map(str::to_owned))
        }
        Kind::Announcement => None,
    };
    domain.unwrap_or_else(|| address.to_owned())
}

pub(super) fn insert(
    tx: &Transaction<'_>,
    new: &New<'_>,
    now: Timestamp,
) -> Result<i64, StoreError> {
    tx.prepare_cached(
        "INSERT INTO subscriber (kind, address, known_by, domain, language, wants_all,
             maintenance_only, standing, since, salt)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute(params![
        new.kind.number(),
        new.address,
        known_by(new.kind, new.address),
        domain(new.kind, new.address),
        new.wishes.language.tag(),
        new.wishes.components.is_empty(),
        new.wishes.maintenance_only,
        new.standing.number(),
        kept(now),
        salt()?,
    ])?;
    let id = tx.last_insert_rowid();
    write_components(tx, id, &new.wishes.components)?;
    Ok(id)
}

fn write_components(
    tx: &Transaction<'_>,
    id: i64,
    components: &[ComponentId],
) -> Result<(), StoreError> {
    let mut one = tx.prepare_cached("INSERT OR IGNORE INTO wish VALUES (?1, ?2)")?;
    for component in components {
        one.execute(params![id, component.as_str()])?;
    }
    Ok(())
}

pub(super) fn write_wishes(
    tx: &Transaction<'_>,
    id: i64,
    wishes: &Wishes,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE subscriber SET language = ?2, wants_all = ?3, maintenance_only = ?4 WHERE id = ?1",
        params![
            id,
            wishes.language.tag(),
            wishes.components.is_empty(),
            wishes.maintenance_only
        ],
    )?;
    tx.execute("DELETE FROM wish WHERE subscriber = ?1", [id])?;
    write_components(tx, id, &wishes.components)
}

/// Subscribers that a condition holds for.
pub(super) fn listed(
    connection: &Connection,
    which: &str,
    with: &[&dyn ToSql],
) -> Result<Vec<Subscriber>, StoreError> {
    let sql = format!(
        "SELECT id, kind, address, language, maintenance_only, standing, since, failures,
             last_error, salt, wants_all,
             (SELECT group_concat(component, char(10)) FROM wish WHERE subscriber = id)
         FROM subscriber WHERE {which}"
    );
    let mut found = connection.prepare_cached(&sql)?;
    let mut rows = found.query(with)?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let components: Option<String> = row.get(11)?;
        let wants_all: bool = row.get(10)?;
        let components = components.filter(|_| !wants_all).unwrap_or_default();
        all.push(Subscriber {
            id: row.get(0)?,
            kind: Kind::numbered(row.get(1)?)?,
            address: row.get(2)?,
            wishes: Wishes {
                language: language(row, 3)?,
                components: components.lines().map(ComponentId::from).collect(),
                maintenance_only: row.get(4)?,
            },
            standing: Standing::numbered(row.get(5)?)?,
            since: at(row.get(6)?),
            failures: row.get(7)?,
            last_error: row.get(8)?,
            salt: row.get(9)?,
        });
    }
    Ok(all)
}

impl Store {
    fn mark_of(&self, kind: Kind, address: &str) -> Vec<u8> {
        let of = format!("{}:{}", kind.as_str(), known_by(kind, address));
        self.key.mark("gone", of.as_bytes()).to_vec()
    }

    /// How many more there may be.
    fn room(tx: &Transaction<'_>, most: u32) -> Result<i64, StoreError> {
        let count: i64 =
            tx.query_row("SELECT coalesce(sum(count), 0) FROM headcount", [], |row| {
                row.get(0)
            })?;
        Ok(i64::from(most) - count)
    }

    /// Somebody asks for mail to an address, which may be anybody's: a letter with a link
    /// goes there, at most one an hour, and nothing else before the button behind it is
    /// pressed. What somebody wants who is told already does not change by it.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn ask(
        &self,
        address: &str,
        wishes: &Wishes,
        most: u32,
        now: Timestamp,
    ) -> Result<Asked, StoreError> {
        self.change(|tx| {
            let known: Option<(i64, i64, Option<i64>)> = tx
                .query_row(
                    "SELECT id, standing, asked_at FROM subscriber WHERE kind = 0 AND known_by = ?1",
                    [known_by(Kind::Mail, address)],
                    |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
                )
                .optional()?;
            let id = match known {
                Some((_, _, Some(asked_at)))
                    if time::since(at(asked_at), now) < LETTER_EVERY && at(asked_at) <= now =>
                {
                    return Ok(Asked::Lately);
                }
                Some((id, standing, _)) => {
                    if standing == Standing::Waiting.number() {
                        write_wishes(tx, id, wishes)?;
                    }
                    id
                }
                None if Self::room(tx, most)? <= 0 => return Ok(Asked::Full),
                None => {
                    let new = New {
                        kind: Kind::Mail,
                        address,
                        wishes,
                        standing: Standing::Waiting,
                    };
                    insert(tx, &new, now)?
                }
            };
            tx.execute(
                "UPDATE subscriber SET asked_at = ?2,
                     since = CASE standing WHEN 0 THEN ?2 ELSE since END
                 WHERE id = ?1",
                params![id, kept(now)],
            )?;
            tx.execute(
                "INSERT OR REPLACE INTO outbox (subscriber, word, kind, due_at) VALUES (?1, 0, 0, 0)",
                [id],
            )?;
            Ok(Asked::Letter)
        })
    }

    /// The button behind the link: from now on they are told. What did not arrive before is
    /// forgiven.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn confirm(&self, id: i64, now: Timestamp) -> Result<(), StoreError> {
        self.change(|tx| {
            tx.execute(
                "UPDATE subscriber SET standing = 1, since = ?2, failures = 0, last_error = NULL
                 WHERE id = ?1 AND standing <> 1",
                params![id, kept(now)],
            )?;
            let (kind, address): (i64, String) = tx.query_row(
                "SELECT kind, address FROM subscriber WHERE id = ?1",
                [id],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            let mark = self.mark_of(Kind::numbered(kind)?, &address);
            tx.execute("DELETE FROM gone WHERE mark = ?1", [mark])?;
            Ok(())
        })
    }

    /// They want something else.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn change_wishes(&self, id: i64, wishes: &Wishes) -> Result<(), StoreError> {
        self.change(|tx| write_wishes(tx, id, wishes))
    }

    /// They leave: everything of them is erased but a mark of the address.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn unsubscribe(&self, subscriber: &Subscriber, now: Timestamp) -> Result<(), StoreError> {
        let mark = self.mark_of(subscriber.kind, &subscriber.address);
        self.change(|tx| {
            tx.execute("DELETE FROM subscriber WHERE id = ?1", [subscriber.id])?;
            // Who never confirmed was never there.
            if subscriber.standing != Standing::Waiting {
                tx.execute(
                    "INSERT OR REPLACE INTO gone VALUES (?1, ?2)",
                    params![mark, kept(now)],
                )?;
            }
            Ok(())
        })?;
        self.empty_the_log()
    }

    /// Erases somebody, also that they ever were here. Whether there was anybody.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn erase(&self, kind: Kind, address: &str) -> Result<bool, StoreError> {
        let mark = self.mark_of(kind, address);
        let gone = self.change(|tx| {
            let people = tx.execute(
                "DELETE FROM subscriber WHERE kind = ?1 AND known_by = ?2",
                params![kind.number(), known_by(kind, address)],
            )?;
            let marks = tx.execute("DELETE FROM gone WHERE mark = ?1", [mark])?;
            Ok(people + marks > 0)
        })?;
        self.empty_the_log()?;
        Ok(gone)
    }

    /// Erases somebody by number: who it was.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn erase_numbered(&self, id: i64) -> Result<Option<Subscriber>, StoreError> {
        let Some(found) = self.subscriber(id)? else {
            return Ok(None);
        };
        self.erase(found.kind, &found.address)?;
        Ok(Some(found))
    }

    /// Brings many in who have agreed elsewhere: each whole or not at all, in one change.
    ///
    /// # Errors
    /// The file cannot be used; nobody is brought in then.
    pub fn bring(
        &self,
        many: &[(Kind, String, Wishes)],
        most: u32,
        now: Timestamp,
    ) -> Result<Vec<Brought>, StoreError> {
        self.change(|tx| {
            let mut room = Self::room(tx, most)?;
            let mut came = Vec::with_capacity(many.len());
            for (kind, address, wishes) in many {
                came.push(self.bring_one(tx, (*kind, address), wishes, &mut room, now)?);
            }
            Ok(came)
        })
    }

    fn bring_one(
        &self,
        tx: &Transaction<'_>,
        (kind, address): (Kind, &str),
        wishes: &Wishes,
        room: &mut i64,
        now: Timestamp,
    ) -> Result<Brought, StoreError> {
        let which = "kind = ?1 AND known_by = ?2";
        let key = known_by(kind, address);
        if let Some(known) = listed(tx, which, params![kind.number(), key])?.pop() {
            let mut wanted = wishes.clone();
            wanted.components.sort();
            let mut has = known.wishes.clone();
            has.components.sort();
            if has == wanted && known.standing == Standing::Active {
                return Ok(Brought::Same(known.id));
            }
            write_wishes(tx, known.id, wishes)?;
            tx.execute(
                "UPDATE subscriber SET standing = 1, failures = 0, last_error = NULL, since = ?2
                 WHERE id = ?1",
                params![known.id, kept(now)],
            )?;
            return Ok(Brought::Changed(known.id));
        }
        let left: Option<i64> = tx
            .prepare_cached("SELECT at FROM gone WHERE mark = ?1")?
            .query_row([self.mark_of(kind, address)], |row| row.get(0))
            .optional()?;
        if let Some(left) = left {
            return Ok(Brought::Left(at(left)));
        }
        if *room <= 0 {
            return Ok(Brought::Full);
        }
        *room -= 1;
        let new = New {
            kind,
            address,
            wishes,
            standing: Standing::Active,
        };
        Ok(Brought::New(insert(tx, &new, now)?))
    }

    /// Those after a number, in their order; so that all can be read in bites.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn after(&self, id: i64, most: u32) -> Result<Vec<Subscriber>, StoreError> {
        let connection = self.held();
        listed(
            &connection,
            "id > ?1 AND kind <> 2 ORDER BY id LIMIT ?2",
            params![id, most],
        )
    }

    /// Those whose address has a text in it, and where they stand as wanted, newest first.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn find(
        &self,
        text: &str,
        standing: Option<Standing>,
        most: u32,
    ) -> Result<Vec<Subscriber>, StoreError> {
        let connection = self.held();
        listed(
            &connection,
            "instr(known_by, ?1) > 0 AND (?2 IS NULL OR standing = ?2) ORDER BY id DESC LIMIT ?3",
            params![
                text.to_ascii_lowercase(),
                standing.map(Standing::number),
                most
            ],
        )
    }

    /// How many there are.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn counts(&self) -> Result<Vec<Count>, StoreError> {
        let connection = self.held();
        let mut found = connection
            .prepare_cached("SELECT kind, standing, count FROM headcount WHERE count > 0")?;
        let mut rows = found.query([])?;
        let mut counts = Vec::new();
        while let Some(row) = rows.next()? {
            counts.push(Count {
                kind: Kind::numbered(row.get(0)?)?,
                standing: Standing::numbered(row.get(1)?)?,
                count: row.get(2)?,
            });
        }
        Ok(counts)
    }

    /// Erases who asked and never confirmed. How many.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn sweep(&self, now: Timestamp) -> Result<usize, StoreError> {
        let oldest = kept(time::before(now, CONFIRM_WITHIN));
        let swept = self.change(|tx| {
            Ok(tx.execute(
                "DELETE FROM subscriber WHERE standing = 0 AND since < ?1",
                [oldest],
            )?)
        })?;
        if swept > 0 {
            self.empty_the_log()?;
        }
        Ok(swept)
    }
}
