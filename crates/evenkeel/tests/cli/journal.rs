//! What the journal proves, seen from outside.

use rusqlite::Connection;
use serde_json::Value;

use crate::place::Place;

const JOB: &str = "[[job]]\nid = \"export\"\ncommand = [\"true\"]\n";

/// A journal with one run in it, and nobody who has it open.
fn written() -> Place {
    let place = Place::with(JOB);
    let server = place.serve();
    place.good(&["start", "export"]);
    place.until(&["runs"], |runs| !runs[0]["ended"].is_null());
    server.stop();
    place
}

fn change(place: &Place, sql: &str) {
    let file = place.folder.path().join("evenkeel-data/journal.sqlite");
    let journal = Connection::open(file).expect("the journal");
    assert_eq!(journal.execute(sql, []).expect("changed"), 1, "{sql}");
}

#[test]
fn an_edited_entry_is_found_and_its_place_told() {
    let place = written();
    let good = place.json(&["journal", "verify"]);
    assert_eq!(good["good"], true);
    change(
        &place,
        "update entries set body = cast(replace(cast(body as text), 'export', 'import') as blob) where revision = 3",
    );
    let output = place.run(&["journal", "verify"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("revision 3: the hash does not fit") && said.contains("Keep a copy"),
        "{said}"
    );
    let output = place.run(&["--json", "journal", "verify"]);
    assert_eq!(output.status.code(), Some(1));
    let told: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (&told["good"], &told["misfit_revision"]),
        (&false.into(), &3.into())
    );
}

#[test]
fn a_noted_head_proves_what_the_chain_alone_cannot() {
    let place = written();
    let head = place.json(&["journal", "verify"])["head"].clone();
    let head = head.as_str().expect("a head");
    place.good(&["journal", "verify", "--noted", head]);
    // As if all after it had been written anew: the same place, another hash.
    let (revision, _) = head.split_once(':').expect("two parts");
    let other = format!("{revision}:{}", "ab".repeat(32));
    let output = place.run(&["journal", "verify", "--noted", &other]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let output = place.run(&["journal", "verify", "--noted", "seven"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn the_tail_is_the_newest_entries_and_each_can_be_shown() {
    let place = written();
    let tail = place.json(&["journal", "tail", "-n", "2"]);
    let all = place.json(&["journal", "tail", "-n", "10000"]);
    let (tail, all) = (tail.as_array(), all.as_array());
    let (tail, all) = (tail.expect("a list"), all.expect("a list"));
    assert_eq!(tail[..], all[all.len() - 2..]);
    assert_eq!(all[0]["revision"], 1);
    let shown = place.json(&["journal", "show", "1"]);
    assert_eq!(shown, all[0]);
    let none = place.run(&["journal", "show", "4000"]);
    assert_eq!(none.status.code(), Some(1));
    assert_eq!(
        place.run(&["journal", "tail", "-n", "0"]).status.code(),
        Some(2)
    );
}

/// One page of the journal is a thousand entries.
#[test]
fn a_long_tail_is_whole() {
    use evenkeel_journal::{Draft, Journal, Revision, SqliteJournal};
    let place = Place::with(JOB);
    let folder = place.folder.path().join("evenkeel-data");
    std::fs::create_dir(&folder).expect("a folder");
    let (mut journal, _) = SqliteJournal::open(&folder.join("journal.sqlite")).expect("a journal");
    let drafts: Vec<Draft> = (0..2500)
        .map(|_| Draft {
            at: evenkeel_core::Timestamp::UNIX_EPOCH,
            kind: "slot_skipped".into(),
            version: 1,
            body: br#"{"job":"a","scheduled_at":"2026-11-21T00:00:00Z","reason":"b"}"#.to_vec(),
        })
        .collect();
    journal.append(Revision::ZERO, &drafts).expect("appended");
    drop(journal);
    let tail = place.json(&["journal", "tail", "-n", "2200"]);
    let tail = tail.as_array().expect("a list");
    assert_eq!(tail.len(), 2200);
    assert_eq!(tail[0]["revision"], 301);
    assert_eq!(tail[2199]["revision"], 2500);
}
