//! Cases: worlds in a few lines of text, with what the core decides beside them.
//!
//! Each `cases/<condition>/<name>.case` opens with the guarantee it proves, says what is
//! configured, then what is seen when; `<name>.out` beside it holds the events.
//! `EVENKEEL_BLESS=1 cargo test -p evenkeel-core --test cases` rewrites the `.out` files;
//! the diff is reviewed like code. `tests/cases/script.rs` says what the lines mean.
//!
//! Every case is also run with each step doubled (running it again changes nothing), with
//! the record folded anew from the journal, and with the memory and the observations
//! written down and read back after each step (what replay rests on).

#[path = "cases/edge.rs"]
mod edge;
#[path = "cases/heartbeats.rs"]
mod heartbeats;
#[path = "cases/levels.rs"]
mod levels;
#[path = "cases/maintenance.rs"]
mod maintenance;
#[path = "cases/say.rs"]
mod say;
#[path = "cases/script.rs"]
mod script;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use evenkeel_core::detect::DETECTORS;
use evenkeel_core::event::What;
use evenkeel_core::finding::FindingKind;
use evenkeel_core::respond::RESPONSES;

use script::Script;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

/// Every case: folder name, path, text.
fn cases() -> Vec<(String, PathBuf, String)> {
    let mut found = Vec::new();
    for group in fs::read_dir(folder()).expect("the cases") {
        let group = group.expect("a folder").path();
        if !group.is_dir() {
            continue;
        }
        for case in fs::read_dir(&group).expect("a folder of cases") {
            let path = case.expect("a case").path();
            if path
                .extension()
                .is_some_and(|extension| extension == "case")
            {
                let name = group
                    .file_name()
                    .expect("a name")
                    .to_string_lossy()
                    .into_owned();
                let text = fs::read_to_string(&path).expect("a case");
                found.push((name, path, text));
            }
        }
    }
    found.sort();
    found
}

#[test]
fn every_case_is_decided_as_written() {
    let bless = std::env::var_os("EVENKEEL_BLESS").is_some();
    let mut wrong = Vec::new();
    for (_, path, text) in cases() {
        assert!(
            text.starts_with("# "),
            "{} opens with its guarantee",
            path.display()
        );
        let decided = Script::parse(&text).and_then(|script| script.run());
        let decided = decided.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let expected_path = path.with_extension("out");
        if bless {
            fs::write(&expected_path, &decided.text).expect("the expected text");
        }
        let expected = fs::read_to_string(&expected_path).unwrap_or_default();
        if expected != decided.text {
            wrong.push(format!("{}\n--- decided\n{}", path.display(), decided.text));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_detector_has_an_opening_a_clearing_and_a_quiet_case() {
    let mut opened: BTreeMap<FindingKind, usize> = BTreeMap::new();
    let mut cleared: BTreeMap<FindingKind, usize> = BTreeMap::new();
    let mut quiet: BTreeSet<String> = BTreeSet::new();
    for (group, path, text) in cases() {
        let script = Script::parse(&text).expect("a case");
        let decided = script.run().expect("a case");
        let mut quiet_here = true;
        for what in &decided.events {
            match what {
                What::FindingOpened { finding } if finding.key.kind.as_str() == group => {
                    *opened.entry(finding.key.kind).or_default() += 1;
                    quiet_here = false;
                }
                What::FindingCleared { key, .. } if key.kind.as_str() == group => {
                    *cleared.entry(key.kind).or_default() += 1;
                }
                _ => {}
            }
        }
        if quiet_here
            && path
                .file_stem()
                .is_some_and(|stem| stem.to_string_lossy().starts_with("quiet"))
        {
            quiet.insert(group);
        }
    }
    for detector in DETECTORS {
        let kind = detector.kind;
        assert!(opened.contains_key(&kind), "{kind} has an opening case");
        assert!(cleared.contains_key(&kind), "{kind} has a clearing case");
        assert!(quiet.contains(kind.as_str()), "{kind} has a quiet case");
    }
}

#[test]
fn the_tables_are_whole() {
    let kinds: Vec<FindingKind> = DETECTORS.iter().map(|detector| detector.kind).collect();
    let unique: BTreeSet<FindingKind> = kinds.iter().copied().collect();
    assert_eq!(kinds.len(), unique.len(), "one detector for each condition");
    assert_eq!(
        unique.len(),
        FindingKind::ALL.len(),
        "every condition has a detector"
    );
    for detector in DETECTORS {
        assert!(
            detector.about.len() > 40,
            "{} says what it means",
            detector.kind
        );
        assert!(
            detector.advice.len() > 20,
            "{} says what to do",
            detector.kind
        );
    }
    for response in RESPONSES {
        assert!(
            response.about.contains("Proof:"),
            "{} says how it is proven",
            response.kind
        );
    }
}

#[test]
fn the_golden_list_of_events_is_complete() {
    let list: String = What::KINDS
        .iter()
        .map(|(kind, version)| format!("{kind} v{version}\n"))
        .collect();
    let path = folder().join("events.list");
    if std::env::var_os("EVENKEEL_BLESS").is_some() {
        fs::write(&path, &list).expect("the list");
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), list);
}
