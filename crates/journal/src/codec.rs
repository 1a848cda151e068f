//! Core events as journal entries, and back; the record as a snapshot, and back.
//!
//! This is the one place that knows both what the core means and what the journal
//! keeps. An entry's body is the event's fields as a JSON object; its kind and version
//! are columns of their own, so that retention and a person with `sqlite3` can use them.
//!
//! - **What was written once keeps loading.** Each kind has a version; a shape that
//!   changes gets a new one, and [`upgrade`] turns the old shape into the new before it
//!   is read. `golden/` holds one file for each kind and version ever written, and
//!   `tests/golden.rs` loads all of them.
//! - **What a newer Evenkeel wrote is refused, not guessed at.** Skipping an unknown
//!   event would fold a wrong record, and acting on a wrong record ends the wrong thing.
//! - **A snapshot is a cache.** One that does not decode is passed over, and the
//!   history is folded instead: slower, never wrong.
//!
//! JSON and not something denser: the journal is read in bad hours, with whatever tool
//! is at hand. An event has some three hundred bytes.

use evenkeel_core::event::{Event, What};
use evenkeel_core::record::Record;
use serde_json::{Map, Value};

use crate::entry::{Draft, Entry, Revision, Snapshot};
use crate::error::ReadError;
use crate::journal::{Journal, READ_ENTRIES_MAX};

/// The shape of a snapshot's body. Raise it whenever `Record` or how events fold into it
/// changes: a snapshot of another format is passed over.
pub const RECORD_FORMAT: u32 = 4;

/// The field of a serialized event that repeats the kind; the entry has a column for it.
const TAG: &str = "event";

/// An entry that is not an event this version knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A kind that is not in [`What::KINDS`].
    #[error(
        "entry {revision} of the journal is a {kind:?}, which this version does not know: a newer evenkeel wrote it; start that version again, or a newer one"
    )]
    UnknownKind {
        /// The entry.
        revision: Revision,
        /// Its kind.
        kind: String,
    },
    /// A known kind in a version that is still to come.
    #[error(
        "entry {revision} of the journal is a {kind:?} of version {version}, this version knows up to {known}: a newer evenkeel wrote it; start that version again, or a newer one"
    )]
    NewerVersion {
        /// The entry.
        revision: Revision,
        /// Its kind.
        kind: String,
        /// Its version.
        version: u16,
        /// The newest version known.
        known: u16,
    },
    /// The body does not fit its kind and version.
    #[error(
        "entry {revision} of the journal is not a whole {kind:?} of version {version} ({why}): this is a mistake in evenkeel; please report it with the output of `evenkeel journal show {revision}`"
    )]
    Malformed {
        /// The entry.
        revision: Revision,
        /// Its kind.
        kind: String,
        /// Its version.
        version: u16,
        /// What does not fit.
        why: String,
    },
}

/// A journal that could not be folded.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FoldError {
    /// It could not be read.
    #[error("the journal could not be read")]
    Read(#[from] ReadError),
    /// It holds something this version does not know.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// The record and where the journal was when it was folded.
#[derive(Debug, Clone, Default)]
pub struct Folded {
    /// The record. Its revision is the journal's, bookkeeping and sealed entries included.
    pub record: Record,
    /// The snapshot it began with; zero where there was none.
    pub snapshot: Revision,
    /// Entries read after that.
    pub entries: u64,
}

/// The entry an event becomes.
pub fn encode(event: &Event) -> Draft {
    let mut body = match serde_json::to_value(&event.what) {
        Ok(Value::Object(body)) => body,
        other => unreachable!("events serialize as objects: {other:?}"),
    };
    body.remove(TAG);
    Draft {
        at: event.at,
        kind: event.what.kind().to_owned(),
        version: event.what.version(),
        body: Value::Object(body).to_string().into_bytes(),
    }
}

/// The event an entry was; `None` for the journal's own bookkeeping.
pub fn decode(entry: &Entry) -> Result<Option<Event>, DecodeError> {
    if entry.is_bookkeeping() {
        return Ok(None);
    }
    let (revision, kind, version) = (entry.revision, entry.kind.clone(), entry.version);
    let Some((_, known)) = What::KINDS.iter().find(|(known, _)| *known == kind) else {
        return Err(DecodeError::UnknownKind { revision, kind });
    };
    if version > *known {
        return Err(DecodeError::NewerVersion {
            revision,
            kind,
            version,
            known: *known,
        });
    }
    let read = || -> Result<What, serde_json::Error> {
        let mut body: Map<String, Value> = serde_json::from_slice(&entry.body)?;
        upgrade(&kind, version, &mut body);
        body.insert(TAG.to_owned(), Value::String(kind.clone()));
        serde_json::from_value(Value::Object(body))
    };
    match read() {
        Ok(what) => Ok(Some(Event { at: entry.at, what })),
        Err(error) => Err(DecodeError::Malformed {
            revision,
            kind,
            version,
            why: error.to_string(),
        }),
    }
}

/// Turns the body of an older version into the current one, a version at a time.
///
/// No kind has had a second version yet. The first that does gets an arm here, such as
/// `("run_ended", 1) => { body.insert("ended_by".into(), Value::Null); }`, and keeps its
/// old golden file.
fn upgrade(kind: &str, version: u16, body: &mut Map<String, Value>) {
    let _current_already = (kind, version, body);
}

/// The record as it was after an entry, to be kept.
pub fn snapshot(record: &Record) -> Result<Snapshot, serde_json::Error> {
    Ok(Snapshot {
        revision: Revision(record.revision),
        format: RECORD_FORMAT,
        body: serde_json::to_vec(record)?,
    })
}

/// The record in a snapshot; `None` where it is not one, or not of that revision.
pub fn record_in(snapshot: &Snapshot) -> Option<Record> {
    if snapshot.format != RECORD_FORMAT {
        return None;
    }
    let record: Record = serde_json::from_slice(&snapshot.body).ok()?;
    (record.revision == snapshot.revision.0).then_some(record)
}

/// Folds one entry into the record; its revision becomes the entry's.
///
/// Bookkeeping and gaps that retention left count as revisions and change nothing else.
pub fn fold_in(record: &mut Record, entry: &Entry) -> Result<(), DecodeError> {
    if let Some(event) = decode(entry)? {
        // The record keeps where some entries are; gaps count.
        record.revision = entry.revision.0.saturating_sub(1);
        record.apply(&event);
    }
    record.revision = entry.revision.0;
    Ok(())
}

/// Folds the journal: the newest snapshot that can be used, and what came after it.
pub fn fold(journal: &dyn Journal) -> Result<Folded, FoldError> {
    let mut folded = Folded::default();
    let kept = journal.latest_snapshot(RECORD_FORMAT)?;
    if let Some(record) = kept.as_ref().and_then(record_in) {
        folded.snapshot = Revision(record.revision);
        folded.record = record;
    }
    loop {
        let page = journal.read(Revision(folded.record.revision), READ_ENTRIES_MAX)?;
        if page.is_empty() {
            return Ok(folded);
        }
        for entry in &page {
            fold_in(&mut folded.record, entry)?;
        }
        folded.entries += page.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryJournal;
    use evenkeel_core::Timestamp;

    fn slot(second: i64) -> Event {
        Event {
            at: Timestamp::UNIX_EPOCH,
            what: What::SlotTaken {
                job: "export".into(),
                scheduled_at: Timestamp::from_second(second).unwrap(),
            },
        }
    }

    fn journal(events: &[Event]) -> MemoryJournal {
        let mut journal = MemoryJournal::new();
        let drafts: Vec<Draft> = events.iter().map(encode).collect();
        journal.append(Revision::ZERO, &drafts).unwrap();
        journal
    }

    fn entry(kind: &str, version: u16, body: &str) -> Entry {
        Entry {
            revision: Revision(7),
            at: Timestamp::UNIX_EPOCH,
            kind: kind.into(),
            version,
            body: body.into(),
            hash: crate::Hash::ZERO,
        }
    }

    #[test]
    fn an_unknown_kind_names_the_entry_and_what_to_do() {
        let error = decode(&entry("hull_breached", 1, "{}")).unwrap_err();
        let said = error.to_string();
        assert!(said.contains("entry 7") && said.contains("hull_breached"));
        assert!(said.contains("newer evenkeel wrote it"), "{said}");
    }

    #[test]
    fn a_newer_version_is_refused() {
        let error = decode(&entry("slot_taken", 99, "{}")).unwrap_err();
        assert!(matches!(
            error,
            DecodeError::NewerVersion { version: 99, .. }
        ));
    }

    #[test]
    fn a_body_that_does_not_fit_is_refused() {
        for body in ["", "[]", "{}", r#"{"job":"a","scheduled_at":"yesterday"}"#] {
            let error = decode(&entry("slot_taken", 1, body)).unwrap_err();
            assert!(matches!(error, DecodeError::Malformed { .. }), "{body}");
        }
    }

    #[test]
    fn bookkeeping_counts_as_a_revision_and_nothing_else() {
        let mut record = Record::default();
        fold_in(&mut record, &entry("journal.sealed", 1, "{}")).unwrap();
        let expected = Record {
            revision: 7,
            ..Record::default()
        };
        assert_eq!(record, expected);
    }

    #[test]
    fn a_snapshot_and_the_tail_give_what_the_history_gives() {
        let events = [slot(1), slot(2), slot(3)];
        let mut journal = journal(&events);
        let whole = fold(&journal).unwrap();
        let mut early = Record::default();
        events[..2].iter().for_each(|event| early.apply(event));
        journal.save_snapshot(&snapshot(&early).unwrap()).unwrap();
        let folded = fold(&journal).unwrap();
        assert_eq!(folded.record, whole.record);
        assert_eq!((folded.snapshot, folded.entries), (Revision(2), 1));
    }

    #[test]
    fn a_snapshot_that_does_not_decode_is_passed_over() {
        let mut journal = journal(&[slot(1), slot(2)]);
        let broken = Snapshot {
            revision: Revision(2),
            format: RECORD_FORMAT,
            body: b"not a record".to_vec(),
        };
        journal.save_snapshot(&broken).unwrap();
        let folded = fold(&journal).unwrap();
        assert_eq!((folded.snapshot, folded.entries), (Revision::ZERO, 2));
        assert_eq!(folded.record.revision, 2);
    }
}
