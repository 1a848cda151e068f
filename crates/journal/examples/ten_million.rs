//! What ten million events cost: writing them, and starting again with them.
//!
//! `cargo run -p evenkeel-journal --example ten_million [-- FOLDER [COUNT]]`
//!
//! Needs some five gigabytes in FOLDER (default: the current one), and leaves
//! nothing there. Speed is measured here and never asserted in a test; that a
//! start reads only the tail is asserted, in `tests/file.rs`.

#![allow(clippy::print_stdout, reason = "a program for the terminal")]

use std::{error::Error, path::PathBuf, time::Instant};

use evenkeel_journal::{
    Draft, Journal, READ_ENTRIES_MAX, Retention, Revision, Snapshot, SqliteJournal,
};

/// Events in one append; the largest that is taken.
const BATCH: u64 = 10_000;
/// Events after the last snapshot: the fold of a start.
const TAIL: u64 = 10_000;
/// A record of some thousand incidents and jobs.
const SNAPSHOT_BYTES: usize = 4 << 20;

fn draft(number: u64) -> Draft {
    let kind = match number % 20 {
        0 => "incident_updated",
        1..6 => "run_ended",
        _ => "finding_opened",
    };
    let body = format!(
        "{{\"id\":{number},\"subject\":{{\"job\":\"nightly-export-{}\"}},\"reason\":\"no progress \
         for 900 s: 0 ms of CPU, 0 bytes read or written, no rows from its backends\",\
         \"evidence\":[{},{},{}],\"component\":\"logins\"}}",
        number % 97,
        number * 31,
        number * 37,
        number * 41,
    );
    Draft {
        at: jiff::Timestamp::from_second(1_700_000_000 + (number / 10) as i64).unwrap_or_default(),
        kind: kind.to_owned(),
        version: 1,
        body: body.into_bytes(),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let parent = arguments
        .next()
        .map_or_else(|| PathBuf::from("."), PathBuf::from);
    let count: u64 = arguments
        .next()
        .map_or(Ok(10_000_000), |count| count.parse())?;
    let folder = tempfile::tempdir_in(parent)?;
    let path = folder.path().join("journal.db");

    let start = Instant::now();
    let (mut journal, _) = SqliteJournal::open(&path)?;
    let mut head = Revision::ZERO;
    while head.0 < count {
        let drafts: Vec<_> = (head.0 + 1..=head.0 + BATCH).map(draft).collect();
        head = journal.append(head, &drafts)?;
    }
    println!("written   {head} events in {:.1?}", start.elapsed());
    let revision = Revision(head.0.saturating_sub(TAIL));
    journal.save_snapshot(&Snapshot {
        revision,
        format: 1,
        body: vec![b'x'; SNAPSHOT_BYTES],
    })?;
    drop(journal);
    println!(
        "file      {:.2} GiB",
        std::fs::metadata(&path)?.len() as f64 / (1u64 << 30) as f64
    );

    for _ in 0..3 {
        let start = Instant::now();
        let (journal, opened) = SqliteJournal::open(&path)?;
        let open = start.elapsed();
        let snapshot = journal.latest_snapshot(1)?.ok_or("the snapshot is gone")?;
        let mut after = snapshot.revision;
        while let Some(last) = journal.read(after, READ_ENTRIES_MAX)?.last() {
            after = last.revision;
        }
        println!(
            "start     {:.1?}: opened in {open:.1?} ({} entries checked), snapshot of {} MiB and \
             {} entries read",
            start.elapsed(),
            opened.entries_checked,
            snapshot.body.len() >> 20,
            journal.entries_read(),
        );
    }

    let start = Instant::now();
    let (mut journal, _) = SqliteJournal::open(&path)?;
    let verification = journal.verify(&[])?;
    println!(
        "verified  {} entries in {:.1?}, misfit: {:?}",
        verification.entries,
        start.elapsed(),
        verification.misfit
    );

    let start = Instant::now();
    let keep_for = [("finding_opened".to_owned(), std::time::Duration::ZERO)].into();
    let rules = Retention {
        keep_for,
        up_to: revision,
    };
    let done = journal.retain(head, &rules, jiff::Timestamp::now())?;
    println!(
        "removed   {} entries in {:.1?}, more: {}",
        done.removed,
        start.elapsed(),
        done.more
    );
    Ok(())
}
