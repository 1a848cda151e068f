//! The journal's file among processes and on a real disk: who holds it, who may
//! read it, what a full disk does, and what opening costs.

use std::{fs, path::Path, process::Command, time::Duration};

use evenkeel_journal::{
    AppendError, Draft, Fault, Journal, OpenError, Retention, Revision, Snapshot, SqliteJournal,
    TAIL_ENTRIES_MAX,
};

fn drafts(count: usize, bytes: usize) -> Vec<Draft> {
    let draft = Draft {
        at: jiff::Timestamp::UNIX_EPOCH,
        kind: "finding_opened".to_owned(),
        version: 1,
        body: vec![b'x'; bytes],
    };
    vec![draft; count]
}

fn open(path: &Path) -> SqliteJournal {
    SqliteJournal::open(path).unwrap().0
}

fn refusal(path: &Path) -> OpenError {
    SqliteJournal::open(path)
        .map(|(_, opened)| opened)
        .unwrap_err()
}

#[test]
fn a_second_process_is_told_who_holds_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let journal = open(&path);
    let error = refusal(&path);
    assert_eq!(error.fault(), Fault::Peer);
    let said = error.to_string();
    let OpenError::Held { holder, .. } = error else {
        panic!("{said}")
    };
    assert_eq!(holder.pid, std::process::id());
    for part in [
        "journal.db is held by process",
        &holder.pid.to_string(),
        &holder.host,
        "file",
    ] {
        assert!(said.contains(part), "{said}");
    }
    // What the lock file says is a courtesy; the lock holds without it.
    fs::write(folder.path().join("journal.db.lock"), "?").unwrap();
    assert!(refusal(&path).to_string().contains("another process"));
    drop(journal);
    drop(open(&path));
}

#[test]
fn a_reader_needs_no_lock_and_sees_whole_appends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let missing = SqliteJournal::open_read_only(&path).unwrap_err();
    assert!(matches!(missing, OpenError::NotFound { .. }), "{missing}");

    let mut writer = open(&path);
    let mut reader = SqliteJournal::open_read_only(&path).unwrap();
    for round in 1..=5 {
        let head = writer
            .append(Revision((round - 1) * 4), &drafts(4, 100))
            .unwrap();
        assert_eq!(reader.revision().unwrap(), head);
        assert_eq!(
            reader.read(Revision::ZERO, 100).unwrap().len() as u64,
            round * 4
        );
    }
    let refused = reader.append(Revision(20), &drafts(1, 1)).unwrap_err();
    assert!(matches!(refused, AppendError::ReadOnly), "{refused}");
    let snapshot = Snapshot {
        revision: Revision(20),
        format: 1,
        body: Vec::new(),
    };
    assert!(reader.save_snapshot(&snapshot).is_err());
    drop(writer);
    assert_eq!(reader.read(Revision(19), 5).unwrap().len(), 1);
}

#[test]
fn a_reader_verifies_while_the_writer_appends_and_removes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let mut writer = open(&path);
    writer.append(Revision::ZERO, &drafts(1_500, 20)).unwrap();
    let reader = SqliteJournal::open_read_only(&path).unwrap();
    let writing = std::thread::spawn(move || {
        let now = jiff::Timestamp::from_second(1_000).unwrap();
        for _ in 0..60 {
            let head = writer.revision().unwrap();
            let head = writer.append(head, &drafts(5, 20)).unwrap();
            let keep_for = [("finding_opened".to_owned(), Duration::ZERO)].into();
            let up_to = Revision(head.0 - 1_000);
            writer
                .retain(head, &Retention { keep_for, up_to }, now)
                .unwrap();
        }
    });
    let mut rounds = 0;
    while !writing.is_finished() || rounds == 0 {
        assert_eq!(reader.verify(&[]).unwrap().misfit, None, "round {rounds}");
        rounds += 1;
    }
    writing.join().unwrap();
    let verification = reader.verify(&[]).unwrap();
    assert_eq!(verification.misfit, None);
    assert!(verification.sealed_entries > 700, "{verification:?}");
}

/// Fills a journal until it says that the disk is full; makes room; goes on.
fn survives_a_full_disk(
    path: &Path,
    full: impl FnOnce(&SqliteJournal),
    room: impl FnOnce(&SqliteJournal),
) {
    let mut journal = open(path);
    let mut head = journal.append(Revision::ZERO, &drafts(20, 1_000)).unwrap();
    full(&journal);
    let error = loop {
        match journal.append(head, &drafts(50, 1_000)) {
            Ok(next) => head = next,
            Err(error) => break error,
        }
        assert!(head.0 < 100_000, "the disk never filled");
    };
    assert!(matches!(error, AppendError::Full(_)), "{error:?}");
    assert!(error.retry_can_help());
    assert_eq!(error.fault(), Fault::Operator);
    assert!(error.to_string().contains("no space left"), "{error}");
    assert_eq!(journal.revision().unwrap(), head, "nothing half-written");
    assert_eq!(journal.read(head, 10).unwrap(), []);
    let again = journal.append(head, &drafts(50, 1_000)).unwrap_err();
    assert!(matches!(again, AppendError::Full(_)), "{again:?}");

    room(&journal);
    assert_eq!(
        journal.append(head, &drafts(50, 1_000)).unwrap(),
        Revision(head.0 + 50)
    );
    drop(journal);
    let (journal, opened) = SqliteJournal::open(path).unwrap();
    assert_eq!(
        (opened.set_aside, opened.head.revision.0),
        (None, head.0 + 50)
    );
    assert_eq!(journal.verify(&[]).unwrap().misfit, None);
}

#[test]
fn an_append_beyond_the_size_limit_fails_whole_and_later_ones_work() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    survives_a_full_disk(
        &path,
        |journal| journal.limit_pages(200).unwrap(),
        |journal| journal.limit_pages(2_000).unwrap(),
    );
}

/// A file system of 2 MiB, where we may mount one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<SmallDisk> {
        let folder = tempfile::tempdir().unwrap();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
            .arg(folder.path())
            .output();
        mount
            .is_ok_and(|output| output.status.success())
            .then_some(SmallDisk(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(self.0.path()).status();
        assert!(
            unmounted.is_ok_and(|status| status.success()),
            "left mounted: {:?}",
            self.0
        );
    }
}

#[test]
fn a_full_disk_fails_an_append_whole_and_later_ones_work() {
    let Some(disk) = SmallDisk::mount() else {
        // Not root: the same, by a limit on the file.
        return an_append_beyond_the_size_limit_fails_whole_and_later_ones_work();
    };
    let ballast = disk.0.path().join("ballast");
    fs::write(&ballast, vec![1; 1 << 20]).unwrap();
    survives_a_full_disk(
        &disk.0.path().join("journal.db"),
        |_| {},
        |_| fs::remove_file(&ballast).unwrap(),
    );
}

#[test]
fn opening_reads_the_tail_only_however_long_the_journal_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.db");
    let mut journal = open(&path);
    let mut head = Revision::ZERO;
    for _ in 0..20 {
        head = journal.append(head, &drafts(10_000, 60)).unwrap();
    }
    assert_eq!(head, Revision(200_000));
    let snapshot = Snapshot {
        revision: Revision(199_500),
        format: 3,
        body: b"fold".to_vec(),
    };
    journal.save_snapshot(&snapshot).unwrap();
    drop(journal);

    let (journal, opened) = SqliteJournal::open(&path).unwrap();
    assert_eq!(opened.entries_checked, TAIL_ENTRIES_MAX);
    assert_eq!((opened.set_aside, opened.head.revision), (None, head));
    let found = journal.latest_snapshot(3).unwrap().unwrap();
    assert_eq!(found, snapshot);
    assert_eq!(journal.read(found.revision, 1_000).unwrap().len(), 500);
    assert_eq!(journal.entries_read(), 500);
}
