//! Journals whose files were really damaged. Whatever is done to them, opening
//! never panics and never presents a wrong history: what is good is kept and the
//! rest reported, or opening is refused with a reason.

use std::{
    fs,
    path::{Path, PathBuf},
};

use evenkeel_journal::{
    Draft, Entry, Journal, OpenError, Opened, READ_ENTRIES_MAX, ReadError, RetainError, Retention,
    Revision, Snapshot, SqliteJournal, TAIL_ENTRIES_MAX, chain::Why,
};
use rusqlite::Connection;
use tempfile::TempDir;

const ENTRIES: u64 = 400;

fn draft(number: u64) -> Draft {
    let padding = "x".repeat((number * 37 % 300) as usize);
    Draft {
        at: jiff::Timestamp::from_second(number as i64).unwrap(),
        kind: if number.is_multiple_of(7) {
            "incident_opened"
        } else {
            "finding_opened"
        }
        .to_owned(),
        version: 1,
        body: format!("{{\"number\":{number},\"padding\":\"{padding}\"}}").into_bytes(),
    }
}

fn append(journal: &mut dyn Journal, count: u64) {
    let start = journal.revision().unwrap();
    let drafts: Vec<_> = (start.0 + 1..=start.0 + count).map(draft).collect();
    journal.append(start, &drafts).unwrap();
}

fn read_all(journal: &dyn Journal) -> Result<Vec<Entry>, ReadError> {
    let mut all: Vec<Entry> = Vec::new();
    loop {
        let after = all.last().map_or(Revision::ZERO, |entry| entry.revision);
        let page = journal.read(after, READ_ENTRIES_MAX)?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// A journal's files, to be copied, hurt and opened again and again.
struct Original {
    folder: TempDir,
    entries: Vec<Entry>,
}

impl Original {
    /// Closed properly: everything is in the main file.
    fn settled() -> Original {
        let folder = tempfile::tempdir().unwrap();
        let (mut journal, _) = SqliteJournal::open(&folder.path().join("journal.db")).unwrap();
        for _ in 0..ENTRIES / 4 {
            append(&mut journal, 4);
        }
        let entries = read_all(&journal).unwrap();
        drop(journal);
        assert!(!folder.path().join("journal.db-wal").exists());
        Original { folder, entries }
    }

    /// As a killed process leaves it: half in the main file, half in the log.
    fn in_the_log() -> Original {
        let settled = Original::settled();
        let path = settled.folder.path().join("journal.db");
        let (mut journal, _) = SqliteJournal::open(&path).unwrap();
        for _ in 0..ENTRIES / 4 {
            append(&mut journal, 4);
        }
        let entries = read_all(&journal).unwrap();
        let folder = copy_of(settled.folder.path());
        assert!(
            fs::metadata(folder.path().join("journal.db-wal"))
                .unwrap()
                .len()
                > 100_000
        );
        Original { folder, entries }
    }

    fn copy(&self) -> Copy {
        let folder = copy_of(self.folder.path());
        Copy {
            path: folder.path().join("journal.db"),
            folder,
        }
    }

    /// Opens a damaged copy and holds what comes out against what was appended.
    fn judge(&self, copy: &Copy, what: &str) -> Outcome {
        let (mut journal, opened) = match SqliteJournal::open(&copy.path) {
            Ok(opened) => opened,
            Err(error) => {
                let said = error.to_string();
                assert!(
                    said.contains("journal.db"),
                    "{what}: does not name the file: {said}"
                );
                assert!(!matches!(error, OpenError::Held { .. }), "{what}: {said}");
                return Outcome::Refused;
            }
        };
        let read = match read_all(&journal) {
            Ok(read) => read,
            Err(ReadError::Misfit(_)) => return Outcome::RefusedWhenRead,
            Err(other) => panic!("{what}: {other:?}"),
        };
        assert!(
            read.len() <= self.entries.len() && read == self.entries[..read.len()],
            "{what}: a wrong history"
        );
        if read.len() < self.entries.len() {
            let aside = opened.set_aside.as_ref();
            let aside = aside.unwrap_or_else(|| panic!("{what}: lost silently: {opened:?}"));
            assert_eq!(aside.kept.0, read.len() as u64, "{what}");
            assert_eq!(
                aside.lost_up_to,
                Some(Revision(self.entries.len() as u64)),
                "{what}"
            );
            assert!(aside.file.exists(), "{what}");
        }
        // Life goes on, and the next start is clean.
        let verified = journal.verify(&[]).unwrap();
        if verified.misfit.is_none() {
            append(&mut journal, 3);
            drop(journal);
            let (journal, again) = SqliteJournal::open(&copy.path).unwrap();
            assert_eq!(again.set_aside, None, "{what}");
            assert_eq!(again.head.revision.0, read.len() as u64 + 3, "{what}");
            assert_eq!(
                journal.verify(&[opened.head]).unwrap().misfit,
                None,
                "{what}"
            );
        }
        match opened.set_aside {
            Some(_) => Outcome::Kept(read.len()),
            None => Outcome::Whole,
        }
    }
}

fn copy_of(from: &Path) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let name = file.file_name();
        // The shared index of the log is rebuilt by whoever comes first.
        if !name.to_string_lossy().ends_with("-shm") {
            fs::copy(file.path(), folder.path().join(name)).unwrap();
        }
    }
    folder
}

struct Copy {
    folder: TempDir,
    path: PathBuf,
}

impl Copy {
    fn file(&self, ending: &str) -> PathBuf {
        self.folder.path().join(format!("journal.db{ending}"))
    }

    fn sql(&self, sql: &str) {
        let connection = Connection::open(&self.path).unwrap();
        connection.execute_batch(sql).unwrap();
    }

    fn open(&self) -> Result<(SqliteJournal, Opened), OpenError> {
        SqliteJournal::open(&self.path)
    }

    fn refusal(&self) -> String {
        self.open()
            .map(|(_, opened)| opened)
            .unwrap_err()
            .to_string()
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// Nothing was missing and nothing reported.
    Whole,
    /// So many were kept, and the rest was reported.
    Kept(usize),
    Refused,
    RefusedWhenRead,
}

#[derive(Debug, Default)]
struct Tally {
    whole: u32,
    kept: u32,
    refused: u32,
}

impl Tally {
    fn count(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Whole => self.whole += 1,
            Outcome::Kept(_) => self.kept += 1,
            Outcome::Refused | Outcome::RefusedWhenRead => self.refused += 1,
        }
    }
}

fn flip_bytes(original: &Original, ending: &str, seed: u64, rounds: u32) -> Tally {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut tally = Tally::default();
    for round in 0..rounds {
        let copy = original.copy();
        let path = copy.file(ending);
        let mut bytes = fs::read(&path).unwrap();
        // Headers are small and matter most: every third flip is in one.
        let place = match round % 3 {
            0 => random.usize(..100.min(bytes.len())),
            _ => random.usize(..bytes.len()),
        };
        bytes[place] ^= random.u8(1..);
        fs::write(&path, &bytes).unwrap();
        let what = format!("seed {seed} round {round}: byte {place} of journal.db{ending}");
        tally.count(&original.judge(&copy, &what));
    }
    tally
}

#[test]
fn flipped_bytes_in_the_main_file_never_give_a_wrong_history() {
    let tally = flip_bytes(&Original::settled(), "", 1, 160);
    assert!(
        tally.whole > 0 && tally.kept > 0 && tally.refused > 0,
        "{tally:?}"
    );
}

#[test]
fn flipped_bytes_in_the_log_never_give_a_wrong_history() {
    let tally = flip_bytes(&Original::in_the_log(), "-wal", 2, 100);
    assert!(tally.kept > 0, "{tally:?}");
}

#[test]
fn flipped_bytes_under_a_log_never_give_a_wrong_history() {
    let tally = flip_bytes(&Original::in_the_log(), "", 3, 80);
    assert!(tally.whole > 0 && tally.refused > 0, "{tally:?}");
}

#[test]
fn flipped_bytes_in_the_witness_never_give_a_wrong_history() {
    let tally = flip_bytes(&Original::in_the_log(), ".head", 4, 40);
    assert_eq!((tally.kept, tally.refused), (0, 0), "{tally:?}");
}

#[test]
fn wiped_sectors_never_give_a_wrong_history() {
    let mut random = fastrand::Rng::with_seed(5);
    for (original, ending) in [
        (Original::settled(), ""),
        (Original::in_the_log(), "-wal"),
        (Original::in_the_log(), ""),
    ] {
        for round in 0..30 {
            let copy = original.copy();
            let mut bytes = fs::read(copy.file(ending)).unwrap();
            let sector = random.usize(..bytes.len() / 512) * 512;
            let fill = if random.bool() { 0 } else { 0xff };
            bytes[sector..sector + 512].fill(fill);
            fs::write(copy.file(ending), &bytes).unwrap();
            original.judge(
                &copy,
                &format!("round {round}: sector at {sector} of {ending:?}"),
            );
        }
    }
}

#[test]
fn a_file_cut_anywhere_is_kept_up_to_the_cut_or_refused() {
    let mut random = fastrand::Rng::with_seed(6);
    let mut tally = Tally::default();
    for original in [Original::settled(), Original::in_the_log()] {
        for ending in ["", "-wal"] {
            let Ok(metadata) =
                fs::metadata(original.folder.path().join(format!("journal.db{ending}")))
            else {
                continue;
            };
            for round in 0..40 {
                let copy = original.copy();
                // Every second cut is near the end, where a torn write would be.
                let most = if round % 2 == 0 {
                    metadata.len()
                } else {
                    20_000
                };
                let length = metadata.len() - random.u64(1..=most);
                let file = fs::OpenOptions::new()
                    .write(true)
                    .open(copy.file(ending))
                    .unwrap();
                file.set_len(length).unwrap();
                drop(file);
                let what = format!("round {round}: journal.db{ending} cut to {length}");
                tally.count(&original.judge(&copy, &what));
            }
        }
    }
    assert!(tally.kept > 20, "{tally:?}");
}

#[test]
fn a_main_file_that_lost_its_last_page_keeps_what_came_before() {
    let original = Original::settled();
    let copy = original.copy();
    let length = fs::metadata(&copy.path).unwrap().len();
    fs::OpenOptions::new()
        .write(true)
        .open(&copy.path)
        .unwrap()
        .set_len(length - 4096)
        .unwrap();
    let damaged = fs::read(&copy.path).unwrap();
    let Outcome::Kept(kept) = original.judge(&copy, "last page") else {
        panic!("not kept: {}", copy.refusal())
    };
    assert!(kept as u64 >= ENTRIES - 40, "{kept}");
    assert_eq!(
        fs::read(copy.file(".set-aside-1.db")).unwrap(),
        damaged,
        "what was there is kept"
    );
}

#[test]
fn a_log_that_lost_its_end_is_reported_with_what_was_acknowledged() {
    let original = Original::in_the_log();
    let copy = original.copy();
    let log = fs::read(copy.file("-wal")).unwrap();
    fs::write(copy.file("-wal"), &log[..log.len() - 2 * 4120]).unwrap();
    let (_, opened) = copy.open().unwrap();
    let aside = opened.set_aside.unwrap();
    let end = 2 * ENTRIES;
    assert!(aside.kept.0 < end && aside.kept.0 > end - 40, "{aside:?}");
    assert_eq!(aside.lost_up_to, Some(Revision(end)));
    let said = aside.to_string();
    assert!(
        said.contains("are gone") && said.contains("set-aside-1"),
        "{said}"
    );
    assert_eq!(
        fs::read(copy.file(".set-aside-1.wal")).unwrap(),
        log[..log.len() - 2 * 4120]
    );
}

#[test]
fn a_last_entry_that_does_not_fit_is_set_aside_as_it_was_found() {
    let original = Original::settled();
    let copy = original.copy();
    copy.sql(&format!(
        "UPDATE entries SET body = CAST('torn' AS BLOB) WHERE revision = {ENTRIES}"
    ));
    let (journal, opened) = copy.open().unwrap();
    let aside = opened.set_aside.unwrap();
    assert_eq!((aside.kept.0, aside.entries), (ENTRIES - 1, 1));
    assert_eq!(
        read_all(&journal).unwrap(),
        original.entries[..ENTRIES as usize - 1]
    );
    let lines = fs::read_to_string(&aside.file).unwrap();
    let lines: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["kept_up_to_revision"], ENTRIES - 1);
    assert_eq!(lines[1]["revision"], ENTRIES);
    assert_eq!(lines[1]["body"], "torn");
}

#[test]
fn an_entry_edited_in_the_middle_refuses_and_names_file_and_revision() {
    let original = Original::settled();
    for edit in [
        "body = x'7b7d'",
        "at_seconds = 5",
        "kind = 'quiet'",
        "version = 9",
    ] {
        let copy = original.copy();
        copy.sql(&format!("UPDATE entries SET {edit} WHERE revision = 222"));
        let before = fs::read(&copy.path).unwrap();
        let said = copy.refusal();
        for part in [
            "journal.db",
            "revision 222",
            "restore a copy",
            "journal verify",
        ] {
            assert!(said.contains(part), "{edit}: {said}");
        }
        assert_eq!(
            fs::read(&copy.path).unwrap(),
            before,
            "a refusal changes nothing"
        );
        let journal = SqliteJournal::open_read_only(&copy.path).unwrap();
        let misfit = journal.verify(&[]).unwrap().misfit.unwrap();
        assert_eq!((misfit.revision, misfit.why), (Revision(222), Why::Hash));
    }
}

#[test]
fn an_entry_deleted_in_the_middle_refuses() {
    let copy = Original::settled().copy();
    copy.sql("DELETE FROM entries WHERE revision = 222");
    let said = copy.refusal();
    assert!(said.contains("revision 222: entries are missing"), "{said}");
}

#[test]
fn entries_deleted_at_the_end_are_missed() {
    let original = Original::settled();
    let copy = original.copy();
    copy.sql(&format!(
        "DELETE FROM entries WHERE revision > {}",
        ENTRIES - 5
    ));
    assert_eq!(
        original.judge(&copy, "deleted"),
        Outcome::Kept(ENTRIES as usize - 5)
    );
}

#[test]
fn a_history_written_anew_is_not_taken_for_the_acknowledged_one() {
    let original = Original::settled();
    let copy = original.copy();
    fs::remove_file(&copy.path).unwrap();
    let other = tempfile::tempdir().unwrap();
    let (mut journal, _) = SqliteJournal::open(&other.path().join("journal.db")).unwrap();
    let drafts: Vec<_> = (0..ENTRIES).map(|_| draft(1)).collect();
    journal.append(Revision::ZERO, &drafts).unwrap();
    drop(journal);
    fs::copy(other.path().join("journal.db"), &copy.path).unwrap();
    let error = copy.open().map(|(_, opened)| opened).unwrap_err();
    assert!(
        matches!(
            error,
            OpenError::Replaced {
                revision: Revision(ENTRIES),
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_journal_that_is_gone_is_missed() {
    let original = Original::settled();
    for empty in [false, true] {
        let copy = original.copy();
        fs::remove_file(&copy.path).unwrap();
        if empty {
            fs::write(&copy.path, b"").unwrap();
        }
        let error = copy.open().map(|(_, opened)| opened).unwrap_err();
        assert!(
            matches!(
                error,
                OpenError::Missing {
                    revision: Revision(ENTRIES),
                    ..
                }
            ),
            "{error}"
        );
    }
}

#[test]
fn other_files_and_later_formats_are_refused() {
    let copy = Original::settled().copy();
    copy.sql("PRAGMA user_version = 99");
    let error = copy.open().map(|(_, opened)| opened).unwrap_err();
    assert!(
        matches!(error, OpenError::Newer { format: 99, .. }),
        "{error}"
    );
    copy.sql("PRAGMA user_version = 1; PRAGMA application_id = 7");
    let error = copy.open().map(|(_, opened)| opened).unwrap_err();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    fs::write(&path, "minutes of the meeting\n".repeat(500)).unwrap();
    let error = SqliteJournal::open(&path)
        .map(|(_, opened)| opened)
        .unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
    assert!(fs::read_to_string(&path).unwrap().starts_with("minutes"));
}

#[test]
fn damage_before_the_tail_is_found_when_it_is_read_and_by_verify() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let (mut journal, _) = SqliteJournal::open(&path).unwrap();
    append(&mut journal, TAIL_ENTRIES_MAX);
    append(&mut journal, 1_000);
    drop(journal);
    let connection = Connection::open(&path).unwrap();
    connection
        .execute("UPDATE entries SET version = 2 WHERE revision = 500", [])
        .unwrap();
    drop(connection);
    let (journal, opened) = SqliteJournal::open(&path).unwrap();
    assert_eq!(opened.set_aside, None);
    assert_eq!(journal.read(Revision(500), 10).unwrap().len(), 10);
    let error = journal.read(Revision(490), 100).unwrap_err();
    assert!(
        matches!(&error, ReadError::Misfit(misfit) if misfit.revision.0 == 500),
        "{error:?}"
    );
    assert_eq!(
        journal.verify(&[]).unwrap().misfit.unwrap().revision,
        Revision(500)
    );
}

#[test]
fn a_removed_range_made_by_hand_is_found() {
    let original = Original::settled();
    let seal = |first: u64, last: u64, path: &Path| {
        let hash = |revision: u64| original.entries[revision as usize - 1].hash.0;
        let connection = Connection::open(path).unwrap();
        let change = "INSERT OR REPLACE INTO seals VALUES (?1, ?2, ?3, ?4)";
        let values = (first as i64, last as i64, hash(first - 1), hash(last));
        connection.execute(change, values).unwrap();
        let gone = (first as i64, last as i64);
        connection
            .execute("DELETE FROM entries WHERE revision BETWEEN ?1 AND ?2", gone)
            .unwrap();
    };
    let copy = original.copy();
    seal(100, 120, &copy.path);
    let (mut journal, _) = copy.open().unwrap();
    assert_eq!(
        journal.verify(&[]).unwrap().misfit.unwrap().why,
        Why::SealsChanged
    );

    // A later removal by a rule must not make it respectable.
    let keep_for = [("finding_opened".to_owned(), std::time::Duration::ZERO)].into();
    let rules = Retention {
        keep_for,
        up_to: Revision(50),
    };
    let now = jiff::Timestamp::from_second(1_000_000).unwrap();
    let refused = journal.retain(Revision(ENTRIES), &rules, now).unwrap_err();
    assert!(matches!(refused, RetainError::Read(_)), "{refused:?}");
}

#[test]
fn an_edited_entry_does_not_disappear_by_a_rule() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let (mut journal, _) = SqliteJournal::open(&path).unwrap();
    append(&mut journal, 50);
    let connection = Connection::open(&path).unwrap();
    connection
        .execute("UPDATE entries SET version = 2 WHERE revision = 20", [])
        .unwrap();
    let keep_for = [("finding_opened".to_owned(), std::time::Duration::ZERO)].into();
    let rules = Retention {
        keep_for,
        up_to: Revision(40),
    };
    let now = jiff::Timestamp::from_second(1_000_000).unwrap();
    let error = journal.retain(Revision(50), &rules, now).unwrap_err();
    let RetainError::Read(ReadError::Misfit(misfit)) = error else {
        panic!("{error:?}")
    };
    assert_eq!((misfit.revision, misfit.why), (Revision(20), Why::Hash));
    assert_eq!(journal.revision().unwrap(), Revision(50));
}

#[test]
fn a_damaged_or_foreign_snapshot_is_passed_over() {
    let original = Original::settled();
    let copy = original.copy();
    let (mut journal, _) = copy.open().unwrap();
    let snapshot = |revision| Snapshot {
        revision: Revision(revision),
        format: 1,
        body: vec![b's'; 9000],
    };
    journal.save_snapshot(&snapshot(100)).unwrap();
    journal.save_snapshot(&snapshot(200)).unwrap();
    drop(journal);
    for (change, left) in [
        (
            "UPDATE snapshots SET body = x'00' WHERE revision = 200",
            Some(snapshot(100)),
        ),
        (
            "UPDATE snapshots SET hash = zeroblob(32) WHERE revision = 100",
            None,
        ),
        ("DROP TABLE snapshots", None),
    ] {
        copy.sql(change);
        let (journal, opened) = copy.open().unwrap();
        assert_eq!(opened.set_aside, None);
        assert_eq!(journal.latest_snapshot(1).unwrap(), left, "{change}");
    }
    // Not even without a place to put it does it stand in the way of the record.
    let (mut journal, _) = copy.open().unwrap();
    journal.save_snapshot(&snapshot(300)).unwrap_err();
    append(&mut journal, 3);
    assert_eq!(journal.verify(&[]).unwrap().misfit, None);
}

#[test]
fn a_switch_to_a_rewritten_file_is_completed_after_a_crash() {
    let original = Original::in_the_log();
    let copy = original.copy();
    // As left behind by a crash right after the new file got its name: the old
    // file and its log are still there.
    let settled = original.copy();
    drop(settled.open().unwrap());
    fs::copy(&settled.path, copy.file(".rebuilt")).unwrap();
    let (journal, opened) = copy.open().unwrap();
    assert_eq!(opened.set_aside, None);
    assert_eq!(read_all(&journal).unwrap(), original.entries);
    assert!(!copy.file(".rebuilt").exists());
}
