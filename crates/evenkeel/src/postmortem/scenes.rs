//! Who reads what: a post-mortem full of names, in every version, format and language.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::Timestamp;
use evenkeel_core::action::ActionKind;
use evenkeel_core::event::{Event, What};
use evenkeel_core::finding::{FindingKey, FindingKind, Severity};
use evenkeel_core::ids::{ActionId, IncidentId, MessageId};
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::policy::{JobPolicy, Policy};
use evenkeel_core::postmortem::{Facts, Happened, MeasureState, Moment, Section};
use evenkeel_core::record::{Day, Record};
use evenkeel_core::status::Status;
use evenkeel_core::subject::Subject;
use evenkeel_core::telling::{Affected, DataAffected, FreeText};
use evenkeel_journal::{Journal, MemoryJournal, Revision, codec};

use super::bundle::{Bundle, BundleError};
use super::*;

const ID: IncidentId = IncidentId(1);

/// What customers never read: a title, a task, an outcome, a person, an owner, and what is
/// written for colleagues.
const SECRETS: [&str; 7] = [
    "Backend 4711",
    "pg-main-2",
    "nightly-export",
    "waiters moved",
    "operator:ana",
    "bea@example.com",
    "ftp3.internal",
];

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_763_431_200 + second).unwrap()
}

fn text(language: Language, text: &str) -> FreeText {
    FreeText {
        language,
        text: text.into(),
    }
}

fn facts() -> Facts {
    let moment = |second, what| Moment {
        at: at(second),
        what,
    };
    let found = Happened::Found {
        finding: FindingKind::RunHung,
        of: "run:nightly-export-1".into(),
        title: "Backend 4711 holds a lock on pg-main-2".into(),
    };
    let acted = Happened::Acted {
        action: ActionId(4),
        what: ActionKind::EndBackend,
        task: "end the session of backend 4711 on pg-main-2".into(),
        done: true,
        outcome: "its waiters moved".into(),
    };
    let told = Happened::Told {
        message: MessageId(7),
        status: IncidentStatus::Investigating,
        by_person: false,
        corrects: false,
    };
    let by = "operator:ana".into();
    Facts {
        first_symptom_at: at(-3600),
        hurt_from: at(0),
        detected_at: at(9),
        first_word_at: Some(at(12)),
        recovered_at: at(190),
        resolved_at: at(310),
        reopened_count: 1,
        harmed: BTreeMap::from([
            ("login".into(), Status::MajorOutage),
            ("quotes".into(), Status::DegradedPerformance),
        ]),
        affected: Some(Affected::Some),
        data: Some(DataAffected::No),
        failed_requests: Some(1412),
        failed_checks: Some(1),
        evidence: vec!["A-4".into()],
        timeline: vec![
            moment(-3600, Happened::Symptom),
            moment(9, Happened::Detected),
            moment(9, found),
            moment(12, told),
            moment(30, acted),
            moment(40, Happened::LookedAfter { by }),
            moment(190, Happened::Recovered),
            moment(310, Happened::Resolved),
        ],
        left_out: 0,
    }
}

/// An incident with its post-mortem, published in English and Dutch.
fn scene() -> (Record, Policy, Vec<Event>) {
    let finding = FindingKey {
        kind: FindingKind::RunHung,
        subject: Subject::Database("pg-main-2".into()),
    };
    let by = || "operator:ana".into();
    let write = |section, words| What::PostmortemWritten {
        incident: ID,
        section,
        text: Some(words),
        revision: 1,
        by: by(),
    };
    let all = [
        What::IncidentOpened {
            incident: ID,
            title: "Backend 4711 holds a lock".into(),
            severity: Severity::Critical,
            finding,
        },
        What::IncidentStatusChanged {
            incident: ID,
            from: IncidentStatus::Investigating,
            to: IncidentStatus::Resolved,
            reason: "nothing of it has come back".into(),
        },
        What::PostmortemDrafted {
            incident: ID,
            facts: Box::new(facts()),
        },
        write(
            Section::Summary,
            text(Language::Dutch, "Inloggen lukte niet.\n<b>Nu wel.</b>"),
        ),
        write(
            Section::Cause,
            text(Language::English, "An export hung and held a table."),
        ),
        write(
            Section::Technical,
            text(
                Language::English,
                "nightly-export waited for ftp3.internal.",
            ),
        ),
        What::MeasureAdded {
            incident: ID,
            measure: 1,
            what: text(Language::Dutch, "De export krijgt een eigen server."),
            owner: "bea@example.com".into(),
            due: Day::of(at(0)),
            by: by(),
        },
        What::PostmortemPublished {
            incident: ID,
            edition: 1,
            correction: None,
            by: by(),
        },
    ];
    let events = all.into_iter().zip(0..);
    let events: Vec<Event> = events
        .map(|(what, n)| Event {
            at: at(400 + n),
            what,
        })
        .collect();
    let mut record = Record::default();
    events.iter().for_each(|event| record.apply(event));
    let mut policy = crate::testing::policy();
    policy
        .jobs
        .insert("nightly-export".into(), JobPolicy::default());
    (record, policy, events)
}

fn all(version: Version, format: Format) -> String {
    let (record, policy, _) = scene();
    written(
        &record,
        &policy,
        "Back office",
        ID,
        (version, format),
        at(90_000),
    )
    .unwrap()
}

#[test]
fn customers_read_no_name_of_ours_in_any_language_or_format() {
    let mut versions = BTreeSet::new();
    for language in Language::ALL {
        for format in [Format::Markdown, Format::Html] {
            let text = all(Version::Customers(language), format);
            for secret in SECRETS {
                assert!(
                    !text.contains(secret),
                    "{language:?} {format:?} shows {secret}"
                );
            }
            for shown in [
                "Login",
                "1412",
                "Inloggen lukte niet.",
                "De export krijgt een eigen server.",
            ] {
                assert!(
                    text.contains(shown),
                    "{language:?} {format:?} lacks {shown}: {text}"
                );
            }
            assert!(!text.contains("<b>Nu"), "{text}");
            versions.insert(text);
        }
    }
    assert_eq!(versions.len(), 10, "each language says it in its own words");
}

#[test]
fn colleagues_read_all_of_it() {
    for format in [Format::Markdown, Format::Html] {
        let text = all(Version::Technical, format).replace('\\', "");
        for secret in SECRETS {
            assert!(text.contains(secret), "{format:?} lacks {secret}: {text}");
        }
    }
}

#[test]
fn what_is_not_in_the_reader_s_language_says_so() {
    let english = all(Version::Customers(Language::English), Format::Html);
    assert!(english.contains("Original text (Nederlands):"), "{english}");
    assert_eq!(
        english.matches("Original text").count(),
        1,
        "the cause is in theirs"
    );
    let dutch = all(Version::Customers(Language::Dutch), Format::Html);
    assert!(
        dutch.contains("Oorspronkelijke tekst (English):"),
        "{dutch}"
    );
}

#[test]
fn a_draft_that_was_changed_does_not_reach_customers() {
    let (mut record, policy, _) = scene();
    record.apply(&Event {
        at: at(500),
        what: What::PostmortemWritten {
            incident: ID,
            section: Section::Cause,
            text: Some(text(Language::English, "It was the network.")),
            revision: 2,
            by: "operator:ana".into(),
        },
    });
    let words = crate::public::words::Words::of(Language::English);
    let postmortem = record.postmortem(ID).unwrap();
    let published = customers::published(words, &policy, postmortem, at(600)).unwrap();
    let published = document::markdown(&published);
    assert!(
        published.contains("An export hung") && !published.contains("network"),
        "{published}"
    );
    let draft = customers::draft(words, &policy, postmortem, at(600));
    assert!(document::markdown(&draft).contains("It was the network"));
}

#[test]
fn a_late_measure_is_said_to_be_late_and_a_done_one_done() {
    let (mut record, policy, _) = scene();
    let words = crate::public::words::Words::of(Language::English);
    let read = |record: &Record, second| {
        let postmortem = record.postmortem(ID).unwrap();
        let document = customers::published(words, &policy, postmortem, at(second)).unwrap();
        document::markdown(&document)
    };
    assert!(read(&record, 500).contains("To be done by 18 November 2025"));
    assert!(read(&record, 200_000).contains("Late: it was to be done by 18 November 2025"));
    record.apply(&Event {
        at: at(86_400),
        what: What::MeasureChanged {
            incident: ID,
            measure: 1,
            state: MeasureState::Done,
            due: Day::of(at(0)),
            reason: None,
            by: "operator:ana".into(),
        },
    });
    assert!(read(&record, 200_000).contains("Done on 19 November 2025"));
}

#[test]
fn names_that_customers_would_read_are_pointed_at() {
    let (mut record, policy, _) = scene();
    assert_eq!(
        names::in_public_texts(&policy, record.postmortem(ID).unwrap()),
        Vec::<String>::new()
    );
    record.apply(&Event {
        at: at(500),
        what: What::PostmortemWritten {
            incident: ID,
            section: Section::Factors,
            text: Some(text(
                Language::English,
                "The nightly-export had no timeout.",
            )),
            revision: 1,
            by: "operator:ana".into(),
        },
    });
    let found = names::in_public_texts(&policy, record.postmortem(ID).unwrap());
    assert_eq!(found, ["nightly-export"]);
}

#[test]
fn a_bundle_has_every_version_the_whole_stretch_and_its_proof() {
    let (record, policy, events) = scene();
    let mut journal = MemoryJournal::default();
    let before = Event {
        at: at(-900_000),
        what: What::ActionsHeld {
            by: "operator:ana".into(),
            reason: "long before".into(),
        },
    };
    let drafts: Vec<_> = [&before]
        .into_iter()
        .chain(&events)
        .map(codec::encode)
        .collect();
    journal.append(Revision(0), &drafts).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let bundle = Bundle {
        journal: &journal,
        record: &record,
        policy: &policy,
        service: "Back office",
        evidence: &folder.path().join("evidence"),
    };
    let to = folder.path().join("I-1");
    let bundled = bundle.write(ID, &to, at(1000)).unwrap();
    assert!(bundled.chain_holds && !bundled.cut);
    assert_eq!(
        bundled.entries,
        events.len(),
        "what lies long before is left out"
    );
    let read = |name: &str| std::fs::read_to_string(to.join(name)).unwrap();
    let proof: serde_json::Value = serde_json::from_str(&read("proof.json")).unwrap();
    assert_eq!(proof["first_revision"], 2);
    let entries = journal.read(Revision(0), 100).unwrap();
    assert_eq!(proof["hash_before_first"], entries[0].hash.to_string());
    assert_eq!(
        proof["hash_of_last"],
        entries.last().unwrap().hash.to_string()
    );
    assert_eq!(read("journal.jsonl").lines().count(), events.len());
    assert!(read("README.txt").contains(NO_ADVICE));
    assert!(read("evidence/A-4.missing.txt").contains("no longer"));
    for language in Language::ALL {
        assert!(read(&format!("customers-{}.md", language.tag())).contains("1412"));
    }
    // Every file is in the list, with its sum.
    use sha2::{Digest, Sha256};
    for line in read("SHA256SUMS").lines() {
        let (sum, name) = line.split_once("  ").unwrap();
        let digest = Sha256::digest(std::fs::read(to.join(name)).unwrap());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(sum, hex, "{name}");
    }
    assert_eq!(read("SHA256SUMS").lines().count() + 1, bundled.files);
    assert!(matches!(
        bundle.write(ID, &to, at(1000)),
        Err(BundleError::Taken(_))
    ));
    let other = IncidentId(9);
    let missing = bundle.write(other, &folder.path().join("x"), at(1000));
    assert!(matches!(missing, Err(BundleError::NotThere(id)) if id == other));
}
