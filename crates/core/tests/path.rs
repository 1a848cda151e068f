//! The one path, walked once: a hung export blocks logins, its session is ended, the run
//! is ended and started again, the incident is resolved and everybody was told.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::action::{ActionKind, Outcome, Task};
use evenkeel_core::authority::{Authority, Grant, Mode};
use evenkeel_core::event::{Event, What};
use evenkeel_core::ids::{ActionId, MessageId, RunId};
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::message::Body;
use evenkeel_core::observation::*;
use evenkeel_core::policy::{ComponentPolicy, DatabasePolicy, JobPolicy, Policy, RetryPolicy};
use evenkeel_core::record::Record;
use evenkeel_core::status::Status;
use evenkeel_core::step::{State, step};
use evenkeel_core::subject::{Backend, Subject};

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_700_000_000_000 + ms).unwrap()
}

fn policy(mode: Mode) -> Policy {
    let login = ComponentPolicy {
        name: "Login".into(),
        position: 0,
        needs: vec!["main".into()],
    };
    let export = JobPolicy {
        stall: Some(Duration::from_secs(60)),
        retry: RetryPolicy {
            budget: 2,
            backoff: Duration::from_secs(1),
            ..Default::default()
        },
        ..Default::default()
    };
    let mut grants = BTreeMap::new();
    for (kind, scope) in [
        (ActionKind::EndBackend, Subject::Database("main".into())),
        (ActionKind::EndRun, Subject::Job("export".into())),
    ] {
        grants.insert(
            (kind, scope),
            Grant {
                mode,
                ..Grant::default_for(kind)
            },
        );
    }
    Policy {
        components: BTreeMap::from([("login".into(), login)]),
        jobs: BTreeMap::from([("export".into(), export)]),
        databases: BTreeMap::from([("main".into(), DatabasePolicy::default())]),
        authority: Authority { grants },
        ..Default::default()
    }
}

struct World {
    state: State,
    policy: Policy,
    journal: Vec<Event>,
}

impl World {
    fn new(mode: Mode) -> Self {
        Self {
            state: State::default(),
            policy: policy(mode),
            journal: Vec::new(),
        }
    }

    fn step(&mut self, ms: i64, seen: Vec<Seen>) -> Vec<What> {
        let inputs: Vec<Observation> = seen
            .into_iter()
            .map(|seen| Observation {
                at: at(ms),
                by: "test".into(),
                seen,
            })
            .collect();
        let events = step(&mut self.state, &self.policy, &inputs, at(ms));
        self.journal.extend(events.iter().cloned());
        let mut folded = Record::default();
        self.journal.iter().for_each(|event| folded.apply(event));
        assert_eq!(
            folded, self.state.record,
            "the folded record equals the live one"
        );
        events.into_iter().map(|event| event.what).collect()
    }

    fn requested(events: &[What]) -> Vec<(ActionId, Task)> {
        events
            .iter()
            .filter_map(|what| match what {
                What::ActionRequested { action, .. } => Some((action.id, action.task.clone())),
                _ => None,
            })
            .collect()
    }
}

fn session(pid: i32, application_name: &str, run: Option<&RunId>) -> Session {
    Session {
        backend: Backend {
            database: "main".into(),
            pid,
            backend_start: at(0),
        },
        xact_start: Some(at(10)),
        role: "backoffice".into(),
        superuser: false,
        backend_type: "client backend".into(),
        datname: "backoffice".into(),
        in_scope: true,
        application_name: application_name.into(),
        state: SessionState::IdleInTransaction,
        state_since: Some(at(20)),
        waits_for: "Client/ClientRead".into(),
        query: "update users set payroll_exported_at = now()".into(),
        run: run.cloned(),
        component: run.is_none().then(|| "login".into()),
    }
}

fn waits(run: &RunId, pids: &[i32]) -> Seen {
    let waiters: Vec<LockWaiter> = pids
        .iter()
        .map(|pid| LockWaiter {
            session: Session {
                state: SessionState::Active,
                ..session(*pid, "backoffice", None)
            },
            waits_for_pids: vec![100],
            since: at(0),
            wants: "ShareLock on transaction".into(),
        })
        .collect();
    let root = LockRoot::Session(session(100, "evenkeel/run", Some(run)));
    let chains = if waiters.is_empty() {
        vec![]
    } else {
        vec![LockChain { root, waiters }]
    };
    Seen::LockWaits(LockWaits {
        database: "main".into(),
        chains,
        left_out: 0,
    })
}

fn outcome(action: ActionId, outcome: Outcome) -> Seen {
    Seen::ActionOutcome(ActionOutcome {
        action,
        outcome,
        evidence: None,
    })
}

fn start_export(world: &mut World) -> RunId {
    world.step(
        0,
        vec![Seen::LockWaits(LockWaits {
            database: "main".into(),
            chains: vec![],
            left_out: 0,
        })],
    );
    let due = Seen::ScheduleDue(ScheduleDue {
        job: "export".into(),
        scheduled_at: at(0),
    });
    let events = world.step(1, vec![due.clone()]);
    let [
        (
            id,
            Task::StartRun {
                run, attempt: 1, ..
            },
        ),
    ] = &World::requested(&events)[..]
    else {
        panic!("one start is requested: {events:?}");
    };
    assert!(world.step(2, vec![due]).is_empty(), "a slot is taken once");
    let started = RunStart {
        run: run.clone(),
        job: "export".into(),
        started_at: at(3),
        origin: Origin::Keeper,
    };
    world.step(
        3,
        vec![
            outcome(*id, Outcome::Done("started".into())),
            Seen::RunStart(started),
        ],
    );
    run.clone()
}

#[test]
fn a_hung_export_that_blocks_logins_is_ended_and_started_again() {
    let mut world = World::new(Mode::Act);
    let run = start_export(&mut world);
    assert_eq!(
        world.state.record.components[&"login".into()].status,
        Status::Operational
    );

    assert!(World::requested(&world.step(1000, vec![waits(&run, &[7, 8])])).is_empty());
    let events = world.step(2100, vec![waits(&run, &[7, 8, 9])]);
    let [
        (
            end,
            Task::EndBackend {
                backend,
                run: Some(_),
                ..
            },
        ),
    ] = &World::requested(&events)[..]
    else {
        panic!("the root's session is to be ended: {events:?}");
    };
    assert_eq!(backend.pid, 100);
    assert!(
        world.state.record.components[&"login".into()]
            .status
            .is_harm()
    );
    assert!(
        !events.iter().any(|what| matches!(
            what,
            What::MessageRequested { message } if matches!(message.body, Body::Public { .. })
        )),
        "customers are told once it has lasted"
    );

    let events = world.step(2300, vec![outcome(*end, Outcome::Done("ended".into()))]);
    let [(end_run, Task::EndRun { .. })] = &World::requested(&events)[..] else {
        panic!("a run without its session is ended: {events:?}");
    };
    let events = world.step(2500, vec![waits(&run, &[])]);
    assert!(
        events
            .iter()
            .any(|what| matches!(what, What::ActionProven { .. }))
    );
    assert_eq!(
        world.state.record.components[&"login".into()].status,
        Status::Operational
    );

    let exit = RunExit {
        run: run.clone(),
        job: "export".into(),
        ended_at: at(2600),
        exit: Exit::Signal(15),
    };
    world.step(
        2600,
        vec![
            outcome(*end_run, Outcome::Done("ended".into())),
            Seen::RunExit(exit),
        ],
    );
    assert!(
        World::requested(&world.step(3000, vec![])).is_empty(),
        "retries wait"
    );
    let events = world.step(3700, vec![]);
    let [
        (
            start,
            Task::StartRun {
                run: second,
                attempt: 2,
                ..
            },
        ),
    ] = &World::requested(&events)[..]
    else {
        panic!("the export is tried again: {events:?}");
    };
    let exit = RunExit {
        run: second.clone(),
        job: "export".into(),
        ended_at: at(5000),
        exit: Exit::Code(0),
    };
    world.step(
        5000,
        vec![
            outcome(*start, Outcome::Done("started".into())),
            Seen::RunExit(exit),
        ],
    );
    assert!(
        world.state.record.findings.is_empty(),
        "{:?}",
        world.state.record.findings
    );

    let due = world
        .state
        .next_step_at(&world.policy)
        .expect("the incident is to be resolved");
    assert!(due <= at(5000 + 120_000));
    for ms in (10_000..=130_000).step_by(5000) {
        world.step(ms, vec![waits(&run, &[])]);
    }
    let incidents: Vec<_> = world.state.record.incidents.values().collect();
    let [incident] = &incidents[..] else {
        panic!("one incident: {incidents:?}");
    };
    assert_eq!(incident.status, IncidentStatus::Resolved);
    let words: Vec<IncidentStatus> = world
        .journal
        .iter()
        .filter_map(|event| match &event.what {
            What::MessageRequested { message } => match &message.body {
                Body::Public { status, .. } => Some(*status),
                Body::Operator { .. } | Body::Maintenance(_) => None,
            },
            _ => None,
        })
        .collect();
    assert_eq!(
        words,
        [],
        "it was over in half a second, and no request failed"
    );
    assert!(incident.is_public(), "it is a line in the history");
    let messages: Vec<MessageId> = world.state.record.open_messages.iter().copied().collect();
    assert!(!messages.is_empty(), "they wait to be handed over");
}

#[test]
fn watching_says_what_it_would_do_and_does_nothing() {
    let mut world = World::new(Mode::Watch);
    let run = start_export(&mut world);
    world.step(1000, vec![waits(&run, &[7, 8])]);
    let events = world.step(2100, vec![waits(&run, &[7, 8])]);
    assert!(World::requested(&events).is_empty());
    assert!(
        events
            .iter()
            .any(|what| matches!(what, What::ActionWithheld { .. }))
    );
    for ms in (2300..20_000).step_by(200) {
        let events = world.step(ms, vec![waits(&run, &[7, 8])]);
        assert!(
            !events.iter().any(|what| matches!(
                what,
                What::ActionWithheld { .. } | What::IncidentOpened { .. }
            )),
            "said once"
        );
    }
}

#[test]
fn nothing_happens_twice_when_nothing_new_is_seen() {
    let mut world = World::new(Mode::Act);
    let run = start_export(&mut world);
    world.step(1000, vec![waits(&run, &[7, 8])]);
    world.step(2100, vec![waits(&run, &[7, 8])]);
    for ms in (2200..4000).step_by(100) {
        let events = world.step(ms, vec![waits(&run, &[7, 8])]);
        assert!(events.is_empty(), "{events:?}");
    }
}
