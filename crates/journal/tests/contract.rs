//! What every journal owes, whichever way it is kept. A new backend adds one line
//! at the end and nothing else.

use std::{collections::BTreeMap, time::Duration};

use evenkeel_journal::{
    AppendError, BATCH_DRAFTS_MAX, BODY_BYTES_MAX, Bounds, Draft, Entry, GroupCommit, Hash, Head,
    Journal, MemoryJournal, READ_ENTRIES_MAX, Retention, Revision, Snapshot, SnapshotError,
    SqliteJournal, chain,
};

/// A journal, and what has to live as long as it.
struct Case {
    journal: Box<dyn Journal>,
    _keep: Vec<Box<dyn std::any::Any>>,
}

fn memory() -> Case {
    Case {
        journal: Box::new(MemoryJournal::new()),
        _keep: Vec::new(),
    }
}

fn sqlite() -> Case {
    let folder = tempfile::tempdir().unwrap();
    let (journal, opened) = SqliteJournal::open(&folder.path().join("journal.db")).unwrap();
    assert!(opened.created);
    Case {
        journal: Box::new(journal),
        _keep: vec![Box::new(folder)],
    }
}

fn group_over(case: Case) -> Case {
    let group = GroupCommit::start(case.journal, Bounds::default()).unwrap();
    let mut keep = case._keep;
    let journal = Box::new(group.writer());
    keep.insert(0, Box::new(group));
    Case {
        journal,
        _keep: keep,
    }
}

fn group_over_memory() -> Case {
    group_over(memory())
}

fn group_over_sqlite() -> Case {
    group_over(sqlite())
}

fn at(seconds: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_second(seconds).unwrap()
}

fn draft(kind: &str, number: i64) -> Draft {
    Draft {
        at: at(number),
        kind: kind.to_owned(),
        version: 1,
        body: format!("{{\"number\":{number}}}").into_bytes(),
    }
}

fn drafts(kind: &str, numbers: std::ops::Range<i64>) -> Vec<Draft> {
    numbers.map(|number| draft(kind, number)).collect()
}

fn read_all(journal: &dyn Journal) -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    loop {
        let after = all.last().map_or(Revision::ZERO, |entry| entry.revision);
        let page = journal.read(after, READ_ENTRIES_MAX).unwrap();
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

fn keep_for(kinds: &[(&str, u64)], up_to: Revision) -> Retention {
    let keep_for: BTreeMap<_, _> = kinds
        .iter()
        .map(|(kind, seconds)| ((*kind).to_owned(), Duration::from_secs(*seconds)))
        .collect();
    Retention { keep_for, up_to }
}

fn an_empty_journal_is_at_zero(journal: &mut dyn Journal) {
    assert_eq!(journal.head().unwrap(), Head::default());
    assert_eq!(journal.revision().unwrap(), Revision::ZERO);
    assert_eq!(journal.read(Revision::ZERO, 10).unwrap(), []);
    assert_eq!(journal.latest_snapshot(1).unwrap(), None);
    let verification = journal.verify(&[]).unwrap();
    assert_eq!((verification.entries, verification.misfit), (0, None));
}

fn what_was_appended_is_read_back(journal: &mut dyn Journal) {
    let mut written = drafts("finding_opened", 0..3);
    written[1].at = jiff::Timestamp::new(-5, -999_999_999).unwrap();
    written[1].version = u16::MAX;
    written[2].body = Vec::new();
    written[0].body = vec![0, 255, b'\''];
    assert_eq!(
        journal.append(Revision::ZERO, &written[..1]).unwrap(),
        Revision(1)
    );
    assert_eq!(
        journal.append(Revision(1), &written[1..]).unwrap(),
        Revision(3)
    );
    let read = journal.read(Revision::ZERO, 10).unwrap();
    assert_eq!(
        read.iter()
            .map(|entry| entry.revision.0)
            .collect::<Vec<_>>(),
        [1, 2, 3]
    );
    for (entry, draft) in read.iter().zip(&written) {
        assert!(entry.holds(draft), "{entry:?} {draft:?}");
    }
    let last = read.last().unwrap();
    assert_eq!(
        journal.head().unwrap(),
        Head {
            revision: Revision(3),
            hash: last.hash
        }
    );
}

fn an_append_from_another_revision_conflicts_and_writes_nothing(journal: &mut dyn Journal) {
    journal.append(Revision::ZERO, &drafts("a", 0..2)).unwrap();
    for wrong in [0, 1, 3, u64::MAX] {
        let answer = journal
            .append(Revision(wrong), &drafts("b", 0..2))
            .unwrap_err();
        assert!(answer.retry_can_help());
        let AppendError::Conflict { expected, actual } = answer else {
            panic!("{answer}")
        };
        assert_eq!((expected, actual), (Revision(wrong), Revision(2)));
    }
    assert_eq!(read_all(journal).len(), 2);
    assert_eq!(
        journal.append(Revision(2), &drafts("b", 0..1)).unwrap(),
        Revision(3)
    );
}

fn appending_nothing_only_checks_the_revision(journal: &mut dyn Journal) {
    journal.append(Revision::ZERO, &drafts("a", 0..1)).unwrap();
    assert_eq!(journal.append(Revision(1), &[]).unwrap(), Revision(1));
    let answer = journal.append(Revision(2), &[]);
    assert!(
        matches!(answer, Err(AppendError::Conflict { .. })),
        "{answer:?}"
    );
}

fn one_bad_draft_keeps_the_whole_batch_out(journal: &mut dyn Journal) {
    let mut reserved = drafts("a", 0..3);
    reserved[2].kind = "journal.sealed".to_owned();
    let mut nameless = drafts("a", 0..3);
    nameless[1].kind = String::new();
    let mut long = drafts("a", 0..3);
    long[2].body = vec![b' '; BODY_BYTES_MAX + 1];
    let many = vec![draft("a", 1); BATCH_DRAFTS_MAX + 1];
    for batch in [reserved, nameless, long, many] {
        let answer = journal.append(Revision::ZERO, &batch).unwrap_err();
        assert!(!answer.retry_can_help(), "{answer}");
    }
    assert_eq!(journal.revision().unwrap(), Revision::ZERO);
    assert_eq!(read_all(journal), []);
}

fn pages_are_bounded_and_join_up(journal: &mut dyn Journal) {
    let count = READ_ENTRIES_MAX as i64 + 500;
    journal
        .append(Revision::ZERO, &drafts("a", 0..count))
        .unwrap();
    assert_eq!(
        journal.read(Revision::ZERO, usize::MAX).unwrap().len(),
        READ_ENTRIES_MAX
    );
    assert_eq!(journal.read(Revision::ZERO, 7).unwrap().len(), 7);
    assert_eq!(journal.read(Revision::ZERO, 0).unwrap().len(), 0);
    let end = journal.revision().unwrap();
    assert_eq!(journal.read(end, 10).unwrap(), []);
    assert_eq!(journal.read(Revision(u64::MAX), 10).unwrap(), []);
    let revisions: Vec<_> = read_all(journal)
        .iter()
        .map(|entry| entry.revision.0)
        .collect();
    assert_eq!(revisions, (1..=end.0).collect::<Vec<_>>());
}

fn a_page_of_large_bodies_is_cut_by_size(journal: &mut dyn Journal) {
    let mut large = drafts("a", 0..20);
    for draft in &mut large {
        draft.body = vec![b'x'; BODY_BYTES_MAX];
    }
    journal.append(Revision::ZERO, &large).unwrap();
    let page = journal.read(Revision::ZERO, 20).unwrap();
    assert_eq!(page.len(), 8);
    assert_eq!(read_all(journal).len(), 20);
}

fn the_chain_can_be_recomputed_by_anyone(journal: &mut dyn Journal) {
    journal
        .append(Revision::ZERO, &drafts("finding_opened", 0..5))
        .unwrap();
    let mut before = Hash::ZERO;
    for entry in read_all(journal) {
        let link = chain::Link {
            revision: entry.revision,
            at: entry.at,
            kind: &entry.kind,
            version: entry.version,
            body: &entry.body,
        };
        assert_eq!(entry.hash, chain::hash(before, link));
        before = entry.hash;
    }
    // Computed with another program from the description in `chain`.
    let one = "cbc162141975834306d04310279baacba9065941ed5dca5e55edc58b4e974e9a";
    assert_eq!(
        journal.read(Revision::ZERO, 1).unwrap()[0].hash.to_string(),
        one
    );
}

fn a_head_noted_elsewhere_is_held_against_the_journal(journal: &mut dyn Journal) {
    journal.append(Revision::ZERO, &drafts("a", 0..10)).unwrap();
    let early = journal.head().unwrap();
    journal.append(Revision(10), &drafts("a", 10..20)).unwrap();
    let late = journal.head().unwrap();
    assert_eq!(journal.verify(&[late, early]).unwrap().misfit, None);
    let other = Head {
        revision: Revision(10),
        hash: late.hash,
    };
    let misfit = journal.verify(&[late, other]).unwrap().misfit.unwrap();
    assert_eq!(
        (misfit.revision, misfit.why),
        (Revision(10), chain::Why::Head)
    );
    let beyond = Head {
        revision: Revision(21),
        hash: late.hash,
    };
    let misfit = journal.verify(&[beyond, early]).unwrap().misfit.unwrap();
    assert_eq!(
        (misfit.revision, misfit.why),
        (Revision(21), chain::Why::Short)
    );
}

fn the_latest_snapshot_of_a_format_comes_back(journal: &mut dyn Journal) {
    journal.append(Revision::ZERO, &drafts("a", 0..10)).unwrap();
    let snapshot = |revision, format, text: &str| Snapshot {
        revision: Revision(revision),
        format,
        body: text.as_bytes().to_vec(),
    };
    journal.save_snapshot(&snapshot(4, 1, "four")).unwrap();
    journal.save_snapshot(&snapshot(8, 2, "eight")).unwrap();
    assert_eq!(
        journal.latest_snapshot(1).unwrap(),
        Some(snapshot(4, 1, "four"))
    );
    assert_eq!(
        journal.latest_snapshot(2).unwrap(),
        Some(snapshot(8, 2, "eight"))
    );
    assert_eq!(journal.latest_snapshot(3).unwrap(), None);
    journal.save_snapshot(&snapshot(8, 2, "again")).unwrap();
    assert_eq!(
        journal.latest_snapshot(2).unwrap(),
        Some(snapshot(8, 2, "again"))
    );
    journal.save_snapshot(&snapshot(9, 2, "nine")).unwrap();
    assert_eq!(
        journal.latest_snapshot(1).unwrap(),
        None,
        "only two are kept"
    );
    for nowhere in [0, 11] {
        let answer = journal.save_snapshot(&snapshot(nowhere, 1, ""));
        assert!(
            matches!(answer, Err(SnapshotError::NoSuchRevision { .. })),
            "{answer:?}"
        );
    }
    assert_eq!(
        journal.revision().unwrap(),
        Revision(10),
        "a snapshot is no entry"
    );
}

fn retention_removes_old_entries_of_named_kinds_only(journal: &mut dyn Journal) {
    let mut all = drafts("finding_opened", 0..10);
    all.extend(drafts("incident_opened", 0..5));
    all.extend(drafts("finding_opened", 10..20));
    journal.append(Revision::ZERO, &all).unwrap();
    let before = read_all(journal);
    let noted = journal.head().unwrap();

    let rules = keep_for(&[("finding_opened", 100)], Revision(u64::MAX));
    let done = journal.retain(Revision(25), &rules, at(115)).unwrap();
    assert_eq!(
        (done.removed, done.revision, done.more),
        (15, Revision(26), false)
    );

    let after = read_all(journal);
    let kept: Vec<_> = after.iter().map(|entry| entry.revision.0).collect();
    assert_eq!(kept, [11, 12, 13, 14, 15, 21, 22, 23, 24, 25, 26]);
    for entry in &after[..10] {
        assert_eq!(*entry, before[entry.revision.0 as usize - 1]);
    }
    assert!(after[10].is_bookkeeping());
    let verification = journal.verify(&[noted]).unwrap();
    assert_eq!(verification.misfit, None);
    assert_eq!(verification.entries, 11);
    assert_eq!(
        (verification.sealed_ranges, verification.sealed_entries),
        (2, 15)
    );
    let inside = journal.read(Revision(4), 2).unwrap();
    assert_eq!(inside[0].revision, Revision(11));
}

fn retention_with_nothing_to_remove_changes_nothing(journal: &mut dyn Journal) {
    journal.append(Revision::ZERO, &drafts("a", 0..10)).unwrap();
    let head = journal.head().unwrap();
    let rules = keep_for(&[("a", 100), ("b", 0)], Revision(u64::MAX));
    let done = journal.retain(Revision(10), &rules, at(100)).unwrap();
    assert_eq!((done.removed, done.revision), (0, Revision(10)));
    assert_eq!(journal.head().unwrap(), head);
}

fn retention_conflicts_like_an_append(journal: &mut dyn Journal) {
    journal.append(Revision::ZERO, &drafts("a", 0..10)).unwrap();
    let rules = keep_for(&[("a", 0)], Revision(u64::MAX));
    let answer = journal.retain(Revision(9), &rules, at(1000)).unwrap_err();
    assert!(answer.to_string().contains("not removed"), "{answer}");
    assert_eq!(read_all(journal).len(), 10);
}

fn retention_leaves_what_is_open_and_what_a_snapshot_stands_on(journal: &mut dyn Journal) {
    journal.append(Revision::ZERO, &drafts("a", 0..10)).unwrap();
    let snapshot = Snapshot {
        revision: Revision(3),
        format: 1,
        body: b"three".to_vec(),
    };
    journal.save_snapshot(&snapshot).unwrap();
    let rules = keep_for(&[("a", 0)], Revision(6));
    assert_eq!(
        journal
            .retain(Revision(10), &rules, at(1000))
            .unwrap()
            .removed,
        5
    );
    let kept: Vec<_> = read_all(journal)
        .iter()
        .map(|entry| entry.revision.0)
        .collect();
    assert_eq!(kept, [3, 7, 8, 9, 10, 11]);
    assert_eq!(journal.latest_snapshot(1).unwrap(), Some(snapshot));
    assert_eq!(journal.verify(&[]).unwrap().misfit, None);
}

fn removed_ranges_melt_into_one_another(journal: &mut dyn Journal) {
    let alternating: Vec<_> = (0..40)
        .map(|number| draft(if number % 2 == 0 { "a" } else { "b" }, number))
        .collect();
    journal.append(Revision::ZERO, &alternating).unwrap();
    let first = keep_for(&[("a", 0)], Revision(30));
    let done = journal.retain(Revision(40), &first, at(1000)).unwrap();
    assert_eq!(journal.verify(&[]).unwrap().sealed_ranges, 15);
    let second = keep_for(&[("b", 0)], Revision(25));
    let done = journal.retain(done.revision, &second, at(1000)).unwrap();
    let verification = journal.verify(&[]).unwrap();
    assert_eq!(
        (verification.misfit, verification.sealed_entries),
        (None, 27)
    );
    assert_eq!(verification.sealed_ranges, 3);
    let rest = keep_for(&[("a", 0), ("b", 0)], Revision(u64::MAX));
    journal.retain(done.revision, &rest, at(1000)).unwrap();
    let verification = journal.verify(&[]).unwrap();
    assert_eq!((verification.misfit, verification.sealed_ranges), (None, 1));
    assert_eq!((verification.entries, verification.sealed_entries), (3, 40));
}

fn appending_goes_on_after_everything_was_removed(journal: &mut dyn Journal) {
    journal.append(Revision::ZERO, &drafts("a", 0..5)).unwrap();
    let rules = keep_for(&[("a", 0)], Revision(u64::MAX));
    let done = journal.retain(Revision(5), &rules, at(1000)).unwrap();
    assert_eq!(
        journal.append(done.revision, &drafts("a", 5..7)).unwrap(),
        Revision(8)
    );
    assert_eq!(journal.verify(&[]).unwrap().misfit, None);
}

/// Every behaviour, for every backend.
macro_rules! contract {
    ($($backend:ident)*) => { $( mod $backend {
        contract!(@behaviours $backend:
            an_empty_journal_is_at_zero
            what_was_appended_is_read_back
            an_append_from_another_revision_conflicts_and_writes_nothing
            appending_nothing_only_checks_the_revision
            one_bad_draft_keeps_the_whole_batch_out
            pages_are_bounded_and_join_up
            a_page_of_large_bodies_is_cut_by_size
            the_chain_can_be_recomputed_by_anyone
            a_head_noted_elsewhere_is_held_against_the_journal
            the_latest_snapshot_of_a_format_comes_back
            retention_removes_old_entries_of_named_kinds_only
            retention_with_nothing_to_remove_changes_nothing
            retention_conflicts_like_an_append
            retention_leaves_what_is_open_and_what_a_snapshot_stands_on
            removed_ranges_melt_into_one_another
            appending_goes_on_after_everything_was_removed
        );
    } )* };
    (@behaviours $backend:ident: $($behaviour:ident)*) => { $(
        #[test]
        fn $behaviour() {
            let mut case = super::$backend();
            super::$behaviour(&mut *case.journal);
        }
    )* };
}

contract! { memory sqlite group_over_memory group_over_sqlite }
