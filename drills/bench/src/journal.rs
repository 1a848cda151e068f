//! Durable appends by 64 writers.
//!
//! The peer is the best that raw SQLite can do with the same durability: the same 64
//! writers, one thread that commits whatever waits in one transaction (WAL, synchronous =
//! FULL), the same row without revision check, hash chain and witness.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use evenkeel_drill::Scratch;
use evenkeel_journal::{Bounds, GroupCommit};
use evenkeel_journal::{Draft, SqliteJournal};

use crate::{Failure, Figure, median};

const WRITERS: usize = 64;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);

pub(crate) fn run() -> Result<Vec<Figure>, Failure> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let folder = Scratch::new("bench-journal")?;
        ours.push(ours_once(&folder.join("journal.sqlite"))?);
        theirs.push(raw_once(&folder.join("raw.sqlite"))?);
    }
    let (ours, theirs) = (median(ours), median(theirs));
    let ratio = ours / theirs;
    Ok(vec![Figure {
        name: "journal_appends_per_s".into(),
        ours,
        peer: "raw SQLite".into(),
        theirs: Some(theirs),
        ratio: Some(ratio),
        aim: ">= 0.9",
        reached: ratio >= 0.9,
        how: format!(
            "{WRITERS} threads append one entry of 300 bytes each and wait until it is durable; \
             medians of {ROUNDS} rounds of {} s in turn. The peer commits in groups as well, without \
             hash chain and revision check: the ratio is what those cost.",
            ROUND.as_secs()
        ),
    }])
}

fn body() -> Vec<u8> {
    let text = "x".repeat(220);
    format!(r#"{{"event":"finding_cleared","key":"run_hung on job:export","reason":"{text}"}}"#)
        .into_bytes()
}

/// Appends a second by `append`, called by every writer again and again.
fn measured(append: impl Fn() -> Result<(), String> + Sync) -> Result<f64, Failure> {
    let (done, count) = (AtomicBool::new(false), AtomicU64::new(0));
    let begun = Instant::now();
    let failed = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        append()?;
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok::<(), String>(())
                })
            })
            .collect();
        std::thread::sleep(ROUND);
        done.store(true, Ordering::Relaxed);
        writers
            .into_iter()
            .filter_map(|writer| writer.join().ok()?.err())
            .next()
    });
    let appended = count.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64();
    match failed {
        Some(why) => Err(why.into()),
        None => Ok(appended),
    }
}

fn ours_once(file: &Path) -> Result<f64, Failure> {
    let (journal, _opened) = SqliteJournal::open(file)?;
    let group = GroupCommit::start(Box::new(journal), Bounds::default())?;
    let writer = std::sync::Mutex::new(group.writer());
    let at = jiff::Timestamp::UNIX_EPOCH;
    let per_second = measured(|| {
        let writer = writer.lock().map_err(|_| "a writer failed")?.clone();
        let draft = Draft {
            at,
            kind: "finding_cleared".into(),
            version: 1,
            body: body(),
        };
        let appended = writer.append_any(vec![draft]);
        appended.map(|_| ()).map_err(|error| error.to_string())
    });
    drop(writer);
    drop(group);
    per_second
}

type Row = (Vec<u8>, mpsc::SyncSender<bool>);

fn raw_once(file: &Path) -> Result<f64, Failure> {
    let connection = rusqlite::Connection::open(file)?;
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.execute_batch(
        "CREATE TABLE entries (revision INTEGER PRIMARY KEY, at_seconds INTEGER NOT NULL, \
         at_nanoseconds INTEGER NOT NULL, kind TEXT NOT NULL, version INTEGER NOT NULL, \
         body BLOB NOT NULL, hash BLOB NOT NULL) STRICT; \
         CREATE INDEX entries_by_kind ON entries (kind, at_seconds, at_nanoseconds);",
    )?;
    let (queue, rows) = mpsc::sync_channel::<Row>(1024);
    let committer = std::thread::spawn(move || commit(connection, &rows));
    let queue = std::sync::Mutex::new(queue);
    let per_second = measured(|| {
        let queue = queue.lock().map_err(|_| "a writer failed")?.clone();
        let (answer, answered) = mpsc::sync_channel(1);
        queue
            .send((body(), answer))
            .map_err(|_| "the committing thread ended")?;
        match answered.recv() {
            Ok(true) => Ok(()),
            _ => Err("a commit failed".to_owned()),
        }
    });
    drop(queue);
    let _ended = committer.join();
    per_second
}

fn commit(mut connection: rusqlite::Connection, rows: &mpsc::Receiver<Row>) {
    while let Ok(first) = rows.recv() {
        let mut group = vec![first];
        group.extend(rows.try_iter().take(2047));
        let good = (|| {
            let transaction = connection.transaction()?;
            {
                let mut insert = transaction.prepare_cached(
                    "INSERT INTO entries (at_seconds, at_nanoseconds, kind, version, body, hash) \
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                )?;
                for (body, _) in &group {
                    insert.execute((0, 0, "finding_cleared", 1, body, [0_u8; 32]))?;
                }
            }
            transaction.commit()
        })()
        .is_ok();
        for (_, answer) in group {
            let _gone = answer.send(good);
        }
    }
}
