//! Every kind of event in every version that was ever written has a file in `golden/`
//! that still loads. A shape that changes without a new version fails here.
//!
//! `EVENKEEL_BLESS=1` writes the files that are missing, and never touches one that is
//! there: a history cannot be rewritten either.

#[path = "golden/postmortem.rs"]
mod postmortem;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::action::{Action, ActionKind, EndHow, Outcome, Task};
use evenkeel_core::edge::EdgeOrder;
use evenkeel_core::event::{Event, Reminder, What, Withheld};
use evenkeel_core::evidence::{EvidenceItem, EvidenceKind, Fact, KeptEvidence};
use evenkeel_core::finding::{Finding, FindingKey, FindingKind, Severity};
use evenkeel_core::heartbeat::{Expectation, HeartbeatSpec, MailWords, Ping, PingSource, Signal};
use evenkeel_core::ids::{ActionId, HeartbeatId, IncidentId, MaintenanceId, MessageId};
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::language::Language;
use evenkeel_core::maintenance::{
    MaintenanceNews, MaintenanceOrder, MaintenanceStatus, MaintenanceWord, Occurrence, Plan,
    PlannedImpact, Stretch, Turn,
};
use evenkeel_core::message::{Body, Message};
use evenkeel_core::notice::{NoticeChange, Nudge, Regime, Step};
use evenkeel_core::observation::{Act, Exit, Order, Origin, Resource};
use evenkeel_core::postmortem::{MeasureState, PostmortemChange, Section};
use evenkeel_core::record::{Day, Record};
use evenkeel_core::status::Status;
use evenkeel_core::subject::{Backend, Subject};
use evenkeel_core::telling::{Affected, DataAffected, FreeText, PersonWord, Tell, ToldFacts};
use evenkeel_journal::{Entry, Hash, Revision, codec};
use serde_json::{Value, json};

fn at(second: i64) -> Timestamp {
    Timestamp::new(1_795_000_000 + second, 123_456_000).unwrap()
}

fn backend() -> Backend {
    Backend {
        database: "main".into(),
        pid: 4711,
        backend_start: at(-60),
    }
}

fn key() -> FindingKey {
    FindingKey {
        kind: FindingKind::LockBlocksComponent,
        subject: Subject::Backend(backend()),
    }
}

fn finding() -> Finding {
    Finding {
        key: key(),
        title: "Login is blocked".into(),
        severity: Severity::Critical,
        harms: BTreeMap::from([("login".into(), Status::MajorOutage)]),
        links: BTreeSet::from([
            Subject::Job("nightly-export".into()),
            Subject::Run("nightly-export-20261118T020000Z-1".into()),
            Subject::PreparedTransaction {
                database: "main".into(),
                gid: "tx-1".into(),
            },
        ]),
        reason: "14 sessions of login wait for backend 4711.".into(),
        facts: vec![Fact::new("waiters", 14)],
    }
}

fn action() -> Action {
    Action {
        id: ActionId(12),
        task: Task::EndBackend {
            backend: backend(),
            xact_start: Some(at(-50)),
            how: EndHow::Terminate,
            run: Some("nightly-export-20261118T020000Z-1".into()),
        },
        reason: "It holds what 14 sessions of login wait for.".into(),
        facts: vec![Fact::new("waiters", 14)],
        finding: Some(key()),
        incident: Some(IncidentId(3)),
        decided_at_revision: 41,
        decided_at: at(0),
    }
}

fn evidence() -> KeptEvidence {
    KeptEvidence {
        id: "A-12".into(),
        items: vec![
            EvidenceItem {
                kind: EvidenceKind::Processes,
                bytes: 812,
                gap: None,
            },
            EvidenceItem {
                kind: EvidenceKind::Locks,
                bytes: 0,
                gap: Some("the database did not answer".into()),
            },
        ],
    }
}

/// One event of each kind, with every field that can be filled filled.
fn heartbeat() -> HeartbeatId {
    "5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278".into()
}

fn heartbeat_spec() -> HeartbeatSpec {
    HeartbeatSpec {
        name: "Nightly backup".into(),
        slug: "nightly-backup".into(),
        tags: "backup prod".into(),
        desc: "Everything, every night".into(),
        expected: Expectation::OnCalendar {
            expression: "Mon..Fri 02:30".into(),
            time_zone: "Europe/Amsterdam".into(),
        },
        grace: Duration::from_secs(600),
        start_grace: Some(Duration::from_secs(60)),
        run_max: Some(Duration::from_secs(7200)),
        run_min: Some(Duration::from_secs(30)),
        interval_min: Some(Duration::from_secs(3600)),
        severity: Severity::Warning,
        components: vec!["login".into()],
        harm: Status::PartialOutage,
        manual_resume: true,
        post_only: true,
        mail: Some(Box::new(MailWords {
            start: "START".into(),
            success: "DONE".into(),
            failure: "FAILED".into(),
            in_subject: true,
            in_body: false,
        })),
    }
}

fn plan() -> Plan {
    Plan {
        components: BTreeSet::from(["login".into(), "quotes".into()]),
        when: Stretch {
            from: at(86_400),
            until: at(86_400 + 7_200),
        },
        impact: PlannedImpact::Degraded,
        text: Some(FreeText {
            language: Language::Danish,
            text: "Vi flytter databasen.".into(),
        }),
        begins: Turn::ByHand,
        ends: Turn::ByHand,
        reminders: BTreeSet::from([Duration::from_secs(3600), Duration::from_secs(86_400)]),
    }
}

fn maintenance_samples() -> Vec<What> {
    let maintenance = MaintenanceId(3);
    vec![
        What::MaintenancePlanned {
            maintenance,
            plan: Box::new(plan()),
            occurrence: Some(Occurrence {
                plan: "sunday-night".into(),
                scheduled_at: at(86_000),
            }),
            by: Some("operator:ana".into()),
            reason: Some("the provider moves us".into()),
        },
        What::MaintenanceChanged {
            maintenance,
            plan: Box::new(plan()),
            by: Some("operator:ana".into()),
            reason: Some("it takes longer".into()),
        },
        What::MaintenanceTurned {
            maintenance,
            from: MaintenanceStatus::Scheduled,
            to: MaintenanceStatus::InProgress,
            by: Some("operator:ana".into()),
            reason: "it was begun".into(),
        },
        What::MaintenanceReminded {
            maintenance,
            before: Duration::from_secs(3600),
        },
        What::MaintenanceOverdue { maintenance },
        What::PeakDated {
            peak: "vat-day".into(),
            name: "VAT day".into(),
            components: BTreeSet::from(["invoices".into()]),
            dates: vec![plan().when],
        },
    ]
}

fn samples() -> Vec<What> {
    let mut all = other_samples();
    all.extend(maintenance_samples());
    all
}

fn other_samples() -> Vec<What> {
    let job = || "nightly-export".into();
    let run = || "nightly-export-20261118T020000Z-1".into();
    let incident = IncidentId(3);
    vec![
        What::SlotTaken {
            job: job(),
            scheduled_at: at(0),
        },
        What::SlotSkipped {
            job: job(),
            scheduled_at: at(0),
            reason: "an earlier run is still there".into(),
        },
        What::RunStarted {
            run: run(),
            job: job(),
            started_at: at(1),
            origin: Origin::Keeper,
            attempt: 1,
            scheduled_at: at(0),
        },
        What::RunEnded {
            run: run(),
            job: job(),
            ended_at: at(9),
            exit: Exit::Signal(9),
            ended_by: Some(ActionId(12)),
        },
        What::ProductDelivered {
            job: job(),
            modified_at: at(8),
            bytes: 1_048_576,
            rows: Some(2000),
        },
        What::ProductExpected {
            job: job(),
            due_at: at(3600),
            fresh_since: at(-3600),
        },
        What::FindingOpened { finding: finding() },
        What::FindingUpdated { finding: finding() },
        What::FindingCleared {
            key: key(),
            reason: "nobody waits for it any more".into(),
        },
        What::IncidentOpened {
            incident,
            title: "Login is blocked".into(),
            severity: Severity::Critical,
            finding: key(),
        },
        What::IncidentUpdated {
            incident,
            title: "Login is blocked".into(),
            severity: Severity::Warning,
            finding: Some(key()),
        },
        What::IncidentStatusChanged {
            incident,
            from: IncidentStatus::Identified,
            to: IncidentStatus::Monitoring,
            reason: "nobody is hurt any more".into(),
        },
        What::IncidentAcknowledged {
            incident,
            by: "operator:ana".into(),
        },
        What::ComponentStatusChanged {
            component: "login".into(),
            from: Status::Unknown,
            to: Status::DegradedPerformance,
            reason: "14 sessions of it wait.".into(),
        },
        What::ActionRequested {
            action: action(),
            approved_by: Some("operator:ana".into()),
        },
        What::ActionProposed {
            action: action(),
            expires_at: at(900),
        },
        What::ActionClosed {
            action: ActionId(12),
            by: Some("operator:ana".into()),
            reason: "it is the quarterly report".into(),
        },
        What::ActionWithheld {
            action: action(),
            why: Withheld::NotOurs("a superuser's session is never ended".into()),
        },
        What::ActionEnded {
            action: ActionId(12),
            outcome: Outcome::Done("session 4711 ended".into()),
            evidence: Some(evidence()),
        },
        What::ActionProven {
            action: ActionId(12),
            reason: "14 of 14 waiters moved".into(),
        },
        What::ActionUnproven {
            action: ActionId(12),
            kind: ActionKind::EndBackend,
            scope: Subject::Database("main".into()),
            reason: "the waiters did not move within 3 s".into(),
        },
        What::StopLifted {
            kind: ActionKind::EndRun,
            scope: Subject::Job(job()),
            by: "operator:ana".into(),
        },
        What::ActionsHeld {
            by: "operator:ana".into(),
            reason: "migration under way".into(),
        },
        What::ActionsReleased {
            by: "operator:ana".into(),
            reason: "migration done".into(),
        },
        What::MessageRequested {
            message: Message {
                id: MessageId(7),
                at: at(2),
                incident: Some(incident),
                body: Body::Public {
                    status: IncidentStatus::Investigating,
                    components: BTreeMap::from([("login".into(), Status::MajorOutage)]),
                    since: at(0),
                    next_update_at: Some(at(1200)),
                    person: None,
                    approved_by: None,
                },
            },
        },
        What::WordProposed {
            incident,
            status: IncidentStatus::Monitoring,
            components: BTreeMap::from([("login".into(), Status::Operational)]),
            tells_at: Some(at(20)),
        },
        What::WordWithdrawn {
            incident,
            by: Some("operator:ana".into()),
            reason: "the check is wrong".into(),
        },
        What::PromiseMissed {
            incident,
            by: Some("operator:ana".into()),
            promised_at: at(1200),
        },
        What::PostmortemDrafted {
            incident,
            facts: Box::new(postmortem::facts()),
        },
        What::PostmortemWritten {
            incident,
            section: Section::WentWell,
            text: Some(FreeText {
                language: Language::Dutch,
                text: "Iedereen was er binnen vijf minuten.".into(),
            }),
            revision: 2,
            by: "operator:ana".into(),
        },
        What::MeasureAdded {
            incident,
            measure: 1,
            what: FreeText {
                language: Language::Dutch,
                text: "De export krijgt een eigen server.".into(),
            },
            owner: "ana".into(),
            due: Day(20_800),
            by: "operator:bea".into(),
        },
        What::MeasureChanged {
            incident,
            measure: 1,
            state: MeasureState::Dropped,
            due: Day(20_810),
            reason: Some("the export is gone".into()),
            by: "operator:ana".into(),
        },
        What::PostmortemPublished {
            incident,
            edition: 2,
            correction: Some(FreeText {
                language: Language::Dutch,
                text: "De oorzaak was het netwerk.".into(),
            }),
            by: "operator:ana".into(),
        },
        What::Reminded {
            incident,
            of: Reminder::Notice {
                regime: Regime::Nis2,
                step: Step::Second,
                nudge: Nudge::Soon,
            },
        },
        What::NoticeClockStarted {
            incident,
            regime: Regime::Gdpr,
            because: "customers were told that data is affected".into(),
            by: None,
        },
        What::NoticeClockStopped {
            incident,
            regime: Regime::Gdpr,
            reason: "no personal data".into(),
            by: "operator:ana".into(),
        },
        What::NoticeGiven {
            incident,
            regime: Regime::Nis2,
            step: Step::First,
            reference: "BSI 2026-17".into(),
            by: "operator:ana".into(),
        },
        What::MessageEnded {
            message: MessageId(7),
            outcome: Outcome::Done("the public page says so".into()),
        },
        What::PersonActed {
            by: "operator:ana".into(),
            act: Act::Ordered,
            about: "approve A-7".into(),
            from: "192.0.2.7".into(),
        },
        What::Unobserved { since: at(0) },
        What::OutageLearned {
            incident,
            since: at(0),
            told_at: at(12),
            until: at(60),
            components: BTreeMap::from([("login".into(), Status::MajorOutage)]),
        },
        What::ReadinessAsked {
            readiness: "morning".into(),
            due_at: at(1800),
            rehearsal: true,
        },
        What::ReadinessHeld {
            readiness: "morning".into(),
            due_at: at(1800),
            rehearsal: false,
        },
        What::PingReceived {
            ping: Ping {
                heartbeat: heartbeat(),
                order: 97,
                signal: Signal::Exit(3),
                rid: Some("123e4567-e89b-12d3-a456-426614174000".into()),
                body: "disk full\n".into(),
                source: PingSource {
                    scheme: "https".into(),
                    method: "POST".into(),
                    remote: "192.0.2.7".into(),
                    agent: "curl/8.5.0".into(),
                },
                next_due_at: Some(at(86_400)),
            },
            received_at: at(0),
            ignored: false,
        },
        What::HeartbeatCreated {
            heartbeat: heartbeat(),
            spec: Box::new(heartbeat_spec()),
            by: "operator:api".into(),
        },
        What::HeartbeatUpdated {
            heartbeat: heartbeat(),
            spec: Box::new(HeartbeatSpec {
                expected: Expectation::Every {
                    period: Duration::from_secs(3600),
                },
                ..HeartbeatSpec::default()
            }),
            due_at: Some(at(3600)),
            by: "operator:api".into(),
        },
        What::HeartbeatDeleted {
            heartbeat: heartbeat(),
            by: "operator:api".into(),
        },
        What::HeartbeatPaused {
            heartbeat: heartbeat(),
            by: "operator:ana".into(),
        },
        What::HeartbeatResumed {
            heartbeat: heartbeat(),
            by: "operator:ana".into(),
        },
        What::HeartbeatScheduled {
            heartbeat: heartbeat(),
            schedule: "cron 30 2 * * * Europe/Amsterdam".into(),
            due_at: Some(at(86_400)),
        },
        What::EdgeOrdered {
            change: EdgeOrder::SwitchOff {
                component: "documents".into(),
                reason: "the export floods it".into(),
                texts: BTreeMap::from([("en".into(), "Documents are back at noon.".into())]),
            },
            by: "operator:ana".into(),
        },
    ]
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden")
}

fn file_of(what: &What) -> PathBuf {
    folder().join(format!("{}.v{}.json", what.kind(), what.version()))
}

/// What a golden file holds: the entry less its place.
fn shown(event: &Event) -> Value {
    let draft = codec::encode(event);
    json!({
        "at": draft.at.to_string(),
        "kind": draft.kind,
        "version": draft.version,
        "body": serde_json::from_slice::<Value>(&draft.body).unwrap(),
    })
}

fn event_in(golden: &Value) -> Event {
    let entry = Entry {
        revision: Revision(1),
        at: golden["at"].as_str().unwrap().parse().unwrap(),
        kind: golden["kind"].as_str().unwrap().to_owned(),
        version: golden["version"].as_u64().unwrap().try_into().unwrap(),
        body: golden["body"].to_string().into_bytes(),
        hash: Hash::ZERO,
    };
    codec::decode(&entry).unwrap().unwrap()
}

#[test]
fn every_kind_has_a_sample() {
    let sampled: BTreeSet<&str> = samples().iter().map(What::kind).collect();
    let kinds: BTreeSet<&str> = What::KINDS.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(sampled, kinds);
}

#[test]
fn every_current_version_is_written_as_its_golden_file_says() {
    for what in samples() {
        let path = file_of(&what);
        let event = Event { at: at(0), what };
        if std::env::var_os("EVENKEEL_BLESS").is_some() && !path.exists() {
            let text = serde_json::to_string_pretty(&shown(&event)).unwrap() + "\n";
            std::fs::write(&path, text).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| {
            panic!("{}: {error} (EVENKEEL_BLESS=1 writes it)", path.display())
        });
        let golden: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            shown(&event),
            golden,
            "{}: the shape changed; give the kind a new version and an upgrade",
            path.display()
        );
    }
}

#[test]
fn every_version_ever_written_still_loads() {
    let mut files = 0;
    for file in std::fs::read_dir(folder()).unwrap() {
        let path = file.unwrap().path();
        let golden: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let name = format!(
            "{}.v{}",
            golden["kind"].as_str().unwrap(),
            golden["version"]
        );
        assert_eq!(path.file_stem().unwrap().to_str().unwrap(), name);
        let event = event_in(&golden);
        let current = u64::from(event.what.version());
        if golden["version"].as_u64() == Some(current) {
            assert_eq!(shown(&event), golden, "{name} loads as something else");
        }
        files += 1;
    }
    let versions: u16 = What::KINDS.iter().map(|(_, version)| version).sum();
    assert_eq!(
        files, versions,
        "one file for each kind and version, none removed"
    );
}

#[test]
fn a_record_of_everything_survives_its_snapshot() {
    let mut record = Record::default();
    for what in samples() {
        record.apply(&Event { at: at(0), what });
    }
    let snapshot = codec::snapshot(&record).unwrap();
    assert_eq!(codec::record_in(&snapshot), Some(record));
}

/// Orders about post-mortems and notices have their fields beside the incident's.
#[test]
fn what_people_order_of_a_post_mortem_keeps_its_shape() {
    let incident = IncidentId(3);
    let orders = [
        (
            Order::Postmortem {
                incident,
                change: PostmortemChange::Write {
                    section: Section::Cause,
                    text: None,
                    read: 4,
                },
            },
            json!({ "order": "postmortem", "incident": "I-3", "change": "write", "section": "cause", "read": 4 }),
        ),
        (
            Order::Postmortem {
                incident,
                change: PostmortemChange::ChangeMeasure {
                    measure: 2,
                    state: MeasureState::Done,
                    due: Day(20_800),
                    reason: None,
                },
            },
            json!({ "order": "postmortem", "incident": "I-3", "change": "change_measure", "measure": 2, "state": "done", "due": 20_800 }),
        ),
        (
            Order::Notice {
                incident,
                regime: Regime::Dora,
                change: NoticeChange::Give {
                    step: Step::Last,
                    reference: "BaFin 12".into(),
                },
            },
            json!({ "order": "notice", "incident": "I-3", "regime": "dora", "change": "give", "step": "last", "reference": "BaFin 12" }),
        ),
    ];
    for (order, written) in orders {
        assert_eq!(serde_json::to_value(&order).unwrap(), written);
        assert_eq!(serde_json::from_value::<Order>(written).unwrap(), order);
    }
}

/// What a person adds to a public word came later; without it the shape is the old one.
#[test]
fn what_a_person_tells_keeps_its_shape() {
    let order = Order::Tell(Tell {
        incident: IncidentId(3),
        status: IncidentStatus::Monitoring,
        text: Some(FreeText {
            language: Language::Dutch,
            text: "Inloggen werkt weer.".into(),
        }),
        facts: ToldFacts {
            affected: Some(Affected::Group("Payroll Plus".into())),
            data: Some(DataAffected::BeingChecked),
            works: ["quotes".into()].into(),
        },
        next_update_at: Some(at(1800)),
        reason: Some("the check is wrong".into()),
    });
    let facts = json!({
        "affected": { "group": "Payroll Plus" },
        "data": "being_checked",
        "works": ["quotes"],
    });
    let text = json!({ "language": "nl", "text": "Inloggen werkt weer." });
    let written = json!({
        "order": "tell",
        "incident": "I-3",
        "status": "monitoring",
        "text": text,
        "facts": facts,
        "next_update_at": at(1800).to_string(),
        "reason": "the check is wrong",
    });
    assert_eq!(serde_json::to_value(&order).unwrap(), written);
    assert_eq!(serde_json::from_value::<Order>(written).unwrap(), order);
    let short = json!({ "order": "tell", "incident": "I-3", "status": "resolved" });
    assert!(matches!(
        serde_json::from_value::<Order>(short).unwrap(),
        Order::Tell(Tell { text: None, .. })
    ));

    let Order::Tell(tell) = order else {
        unreachable!("it was made above")
    };
    let word = PersonWord {
        by: "operator:ana".into(),
        text: tell.text,
        facts: tell.facts,
        promised: true,
        reason: tell.reason,
        corrects: Some(MessageId(7)),
    };
    let written = json!({
        "by": "operator:ana",
        "text": text,
        "facts": facts,
        "promised": true,
        "reason": "the check is wrong",
        "corrects": "M-7",
    });
    assert_eq!(serde_json::to_value(&word).unwrap(), written);
    assert_eq!(serde_json::from_value::<PersonWord>(written).unwrap(), word);
}

/// So has a word about a maintenance, and an order to have one.
#[test]
fn what_is_told_and_ordered_of_a_maintenance_keeps_its_shape() {
    let word = MaintenanceWord {
        maintenance: MaintenanceId(3),
        news: MaintenanceNews::Extended,
        status: MaintenanceStatus::InProgress,
        when: plan().when,
        components: BTreeMap::from([("login".into(), Status::UnderMaintenance)]),
        text: plan().text,
    };
    let body = Body::Maintenance(Box::new(word));
    let text = json!({ "language": "da", "text": "Vi flytter databasen." });
    let written = json!({
        "audience": "maintenance",
        "maintenance": "MW-3",
        "news": "extended",
        "status": "in_progress",
        "from": at(86_400).to_string(),
        "until": at(93_600).to_string(),
        "components": { "login": "under_maintenance" },
        "text": text,
    });
    assert_eq!(serde_json::to_value(&body).unwrap(), written);
    assert_eq!(serde_json::from_value::<Body>(written).unwrap(), body);

    let order = Order::Maintenance(MaintenanceOrder::Move {
        maintenance: MaintenanceId(3),
        begins_at: None,
        ends_at: at(0),
        text: None,
        reason: None,
    });
    let written = json!({
        "order": "maintenance",
        "maintenance_order": "move",
        "maintenance": "MW-3",
        "ends_at": at(0).to_string(),
    });
    assert_eq!(serde_json::to_value(&order).unwrap(), written);
    assert_eq!(serde_json::from_value::<Order>(written).unwrap(), order);
}

/// A kind of action or subject that came later has its shape in a test of its own: the
/// golden file of the event cannot be rewritten.
#[test]
fn later_kinds_of_action_and_order_keep_their_shape() {
    let task = Task::RecycleInstance {
        pool: "web".into(),
        instance: "web-1".into(),
        resource: Resource::Memory,
        started_before: Some(at(0)),
        drain_max: Duration::from_secs(30),
        admit_within: Duration::from_secs(120),
    };
    let written = json!({
        "do": "recycle_instance",
        "pool": "web",
        "instance": "web-1",
        "resource": "memory",
        "started_before": at(0).to_string(),
        "drain_max": {"secs": 30, "nanos": 0},
        "admit_within": {"secs": 120, "nanos": 0},
    });
    assert_eq!(serde_json::to_value(&task).unwrap(), written);
    assert_eq!(serde_json::from_value::<Task>(written).unwrap(), task);
    let order = Order::Edge(EdgeOrder::Drain {
        pool: "web".into(),
        instance: "web-1".into(),
    });
    let written = json!({"order": "edge", "edge": "drain", "pool": "web", "instance": "web-1"});
    assert_eq!(serde_json::to_value(&order).unwrap(), written);
    assert_eq!(serde_json::from_value::<Order>(written).unwrap(), order);
}
