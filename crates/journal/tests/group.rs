//! Group commit: who shares a write, who is told what, and what happens at the bound.

use std::sync::mpsc::{Receiver, Sender, channel};

use evenkeel_journal::{
    AppendError, Bounds, Cause, Draft, Entry, GroupCommit, Head, Journal, MemoryJournal, ReadError,
    RetainError, Retained, Retention, Revision, Snapshot, SnapshotError, Span, Verification,
};

/// A journal whose every append waits for a word, as for a slow disk.
struct Gated {
    memory: MemoryJournal,
    /// Says how many drafts want to be written.
    arrived: Sender<usize>,
    /// Whether the disk is full.
    word: Receiver<bool>,
}

impl Journal for Gated {
    fn append(&mut self, expected: Revision, drafts: &[Draft]) -> Result<Revision, AppendError> {
        self.arrived.send(drafts.len()).unwrap();
        if self.word.recv().unwrap() {
            return Err(AppendError::Full(Cause::new(std::io::Error::other("full"))));
        }
        self.memory.append(expected, drafts)
    }
    fn head(&self) -> Result<Head, ReadError> {
        self.memory.head()
    }
    fn read(&self, after: Revision, limit: usize) -> Result<Vec<Entry>, ReadError> {
        self.memory.read(after, limit)
    }
    fn latest_snapshot(&self, format: u32) -> Result<Option<Snapshot>, ReadError> {
        self.memory.latest_snapshot(format)
    }
    fn save_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        self.memory.save_snapshot(snapshot)
    }
    fn retain(
        &mut self,
        expected: Revision,
        rules: &Retention,
        now: jiff::Timestamp,
    ) -> Result<Retained, RetainError> {
        self.memory.retain(expected, rules, now)
    }
    fn verify(&self, known: &[Head]) -> Result<Verification, ReadError> {
        self.memory.verify(known)
    }
}

struct Slow {
    group: GroupCommit,
    arrived: Receiver<usize>,
    word: Sender<bool>,
}

fn slow(bounds: Bounds) -> Slow {
    let ((arrived, arrivals), (word, words)) = (channel(), channel());
    let journal = Gated {
        memory: MemoryJournal::new(),
        arrived,
        word: words,
    };
    let group = GroupCommit::start(Box::new(journal), bounds).unwrap();
    Slow {
        group,
        arrived: arrivals,
        word,
    }
}

fn drafts(count: usize) -> Vec<Draft> {
    let draft = Draft {
        at: jiff::Timestamp::UNIX_EPOCH,
        kind: "load".to_owned(),
        version: 1,
        body: b"{}".to_vec(),
    };
    vec![draft; count]
}

fn span(first: u64, last: u64) -> Span {
    Span {
        first: Revision(first),
        last: Revision(last),
    }
}

#[test]
fn appends_that_wait_share_one_write() {
    let slow = slow(Bounds::default());
    let writer = slow.group.writer();
    let first = writer.begin(None, drafts(1)).unwrap();
    assert_eq!(slow.arrived.recv().unwrap(), 1);
    let waiting: Vec<_> = (0..10)
        .map(|_| writer.begin(None, drafts(3)).unwrap())
        .collect();
    slow.word.send(false).unwrap();
    assert_eq!(slow.arrived.recv().unwrap(), 30);
    slow.word.send(false).unwrap();
    assert_eq!(first.wait().unwrap(), span(1, 1));
    for (number, pending) in (0..).zip(waiting) {
        assert_eq!(
            pending.wait().unwrap(),
            span(2 + 3 * number, 4 + 3 * number)
        );
    }
    assert_eq!(
        slow.group.close().unwrap().revision().unwrap(),
        Revision(31)
    );
}

#[test]
fn a_condition_holds_against_what_stands_before_it_in_the_group() {
    let slow = slow(Bounds::default());
    let writer = slow.group.writer();
    let first = writer.begin(None, drafts(1)).unwrap();
    slow.arrived.recv().unwrap();
    let right = writer.begin(Some(Revision(1)), drafts(2)).unwrap();
    let late = writer.begin(Some(Revision(1)), drafts(1)).unwrap();
    let any = writer.begin(None, drafts(1)).unwrap();
    let right_again = writer.begin(Some(Revision(4)), drafts(1)).unwrap();
    slow.word.send(false).unwrap();
    slow.word.send(false).unwrap();
    assert_eq!(first.wait().unwrap(), span(1, 1));
    assert_eq!(right.wait().unwrap(), span(2, 3));
    let conflict = late.wait().unwrap_err();
    let AppendError::Conflict { expected, actual } = conflict else {
        panic!("{conflict}")
    };
    assert_eq!((expected, actual), (Revision(1), Revision(3)));
    assert_eq!(any.wait().unwrap(), span(4, 4));
    assert_eq!(right_again.wait().unwrap(), span(5, 5));
}

#[test]
fn a_failed_write_fails_all_that_shared_it_and_nobody_after() {
    let slow = slow(Bounds::default());
    let writer = slow.group.writer();
    let first = writer.begin(None, drafts(1)).unwrap();
    slow.arrived.recv().unwrap();
    let failing: Vec<_> = (0..3)
        .map(|_| writer.begin(None, drafts(1)).unwrap())
        .collect();
    // What it conflicts with will not be there after all.
    let misled = writer.begin(Some(Revision(1)), drafts(1)).unwrap();
    for full in [false, true, false] {
        slow.word.send(full).unwrap();
    }
    assert_eq!(first.wait().unwrap(), span(1, 1));
    for pending in failing.into_iter().chain([misled]) {
        let error = pending.wait().unwrap_err();
        assert!(
            matches!(error, AppendError::Full(_)) && error.retry_can_help(),
            "{error}"
        );
    }
    assert_eq!(writer.append_any(drafts(1)).unwrap(), span(2, 2));
}

#[test]
fn a_bad_draft_fails_its_own_append_only() {
    let group = GroupCommit::start(Box::new(MemoryJournal::new()), Bounds::default()).unwrap();
    let writer = group.writer();
    let mut bad = drafts(1);
    bad[0].kind = "journal.sealed".to_owned();
    let error = writer.append_any(bad).unwrap_err();
    assert!(matches!(error, AppendError::ReservedKind { .. }), "{error}");
    assert_eq!(writer.append_any(drafts(1)).unwrap(), span(1, 1));
}

#[test]
fn at_the_bound_a_writer_that_does_not_wait_is_turned_away() {
    let slow = slow(Bounds {
        waiting: 2,
        ..Bounds::default()
    });
    let writer = slow.group.writer();
    let mut pending = vec![writer.begin(None, drafts(1)).unwrap()];
    slow.arrived.recv().unwrap();
    pending.extend((0..2).map(|_| writer.begin(None, drafts(1)).unwrap()));
    let error = writer.try_append_any(drafts(1)).unwrap_err();
    assert!(
        matches!(error, AppendError::QueueFull { waiting: 2 }),
        "{error}"
    );
    assert!(error.retry_can_help());
    // One that does wait gets its turn.
    let patient = writer.clone();
    let patient = std::thread::spawn(move || patient.append_any(drafts(1)));
    for _ in 0..3 {
        slow.word.send(false).unwrap();
    }
    for pending in pending {
        pending.wait().unwrap();
    }
    assert_eq!(patient.join().unwrap().unwrap(), span(4, 4));
}

#[test]
fn a_group_is_bounded_however_much_waits() {
    let slow = slow(Bounds {
        group_drafts: 5,
        ..Bounds::default()
    });
    let writer = slow.group.writer();
    let pending: Vec<_> = (0..20)
        .map(|_| writer.begin(None, drafts(1)).unwrap())
        .collect();
    for _ in 0..20 {
        slow.word.send(false).unwrap();
    }
    for pending in pending {
        pending.wait().unwrap();
    }
    drop(slow.group.close());
    let groups: Vec<_> = slow.arrived.iter().collect();
    assert_eq!(groups.iter().sum::<usize>(), 20);
    assert!(groups.iter().all(|drafts| *drafts <= 5), "{groups:?}");
}

#[test]
fn closing_finishes_what_waits_and_turns_later_writers_away() {
    let slow = slow(Bounds::default());
    let writer = slow.group.writer();
    let waiting: Vec<_> = (0..3)
        .map(|_| writer.begin(None, drafts(1)).unwrap())
        .collect();
    for _ in 0..3 {
        slow.word.send(false).unwrap();
    }
    let journal = slow.group.close().unwrap();
    for pending in waiting {
        pending.wait().unwrap();
    }
    assert_eq!(journal.revision().unwrap(), Revision(3));
    assert!(matches!(
        writer.append_any(drafts(1)),
        Err(AppendError::Closed)
    ));
    assert!(matches!(writer.head(), Err(ReadError::Closed)));
}
