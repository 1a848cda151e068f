//! A small world that is recorded as the pump records, and decided again.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::action::{ActionKind, Outcome};
use evenkeel_core::authority::{Grant, Mode};
use evenkeel_core::event::What;
use evenkeel_core::observation::*;
use evenkeel_core::policy::{ComponentPolicy, DatabasePolicy, JobPolicy, Policy};
use evenkeel_core::record::Record;
use evenkeel_core::step::{State, step};
use evenkeel_core::subject::{Backend, Subject};
use evenkeel_journal::{Draft, Journal, MemoryJournal, Revision, codec};

use super::*;
use crate::recorder::{Recorder, Settings, Step, Why};

struct World {
    folder: tempfile::TempDir,
    policy: Arc<Policy>,
    state: State,
    journal: MemoryJournal,
    recorder: Option<Recorder>,
    now: Timestamp,
    /// Whether actions are performed a step later.
    answers: bool,
}

const WHOLE: Stretch = Stretch {
    from: Timestamp::MIN,
    to: Timestamp::MAX,
};

fn policy(end_backend: Mode) -> Policy {
    let grant = Grant {
        mode: end_backend,
        ..Grant::default_for(ActionKind::EndBackend)
    };
    let mut policy = Policy {
        components: BTreeMap::from([("login".into(), component())]),
        jobs: BTreeMap::from([("export".into(), JobPolicy::default())]),
        databases: BTreeMap::from([("main".into(), DatabasePolicy::default())]),
        ..Policy::default()
    };
    let scope = Subject::Database("main".into());
    let key = (ActionKind::EndBackend, scope);
    policy.authority.grants.insert(key, grant);
    policy
}

fn component() -> ComponentPolicy {
    ComponentPolicy {
        name: "Login".into(),
        position: 0,
        needs: vec!["main".into()],
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).unwrap()
}

impl World {
    fn new(mode: Mode) -> Self {
        let mut world = Self {
            folder: tempfile::tempdir().unwrap(),
            policy: Arc::new(policy(mode)),
            state: State::default(),
            journal: MemoryJournal::new(),
            recorder: None,
            now: at(0),
            answers: false,
        };
        world.start();
        world
    }

    fn ring(&self) -> PathBuf {
        self.folder.path().join("recorder")
    }

    fn start(&mut self) {
        let settings = Settings::new(self.ring(), Duration::from_secs(72 * 3600), 1 << 30);
        let settings = Settings {
            spare: 0,
            ..settings
        };
        self.state = State::after_restart(self.state.record.clone());
        let mut recorder = Recorder::start(settings, self.policy.clone());
        let record = Arc::new(self.state.record.clone());
        recorder.made_anew(Why::Started, &self.state, record, self.now);
        self.recorder = Some(recorder);
    }

    async fn stop(&mut self) {
        if let Some(recorder) = self.recorder.take() {
            recorder.close().await;
        }
    }

    /// A step at a second, as the pump makes it.
    fn step(&mut self, second: i64, seen: &[Seen]) -> Vec<What> {
        self.now = at(second);
        let observation = |seen: &Seen| Observation {
            at: self.now,
            by: "test".into(),
            seen: seen.clone(),
        };
        let inputs: Vec<Observation> = seen.iter().map(observation).collect();
        let before = self.state.record.revision;
        let events = step(&mut self.state, &self.policy, &inputs, self.now);
        let drafts: Vec<Draft> = events.iter().map(codec::encode).collect();
        self.journal.append(Revision(before), &drafts).unwrap();
        let taken = Step {
            now: self.now,
            before,
            events: events.len() as u64,
            inputs,
        };
        let record = || Arc::new(self.state.record.clone());
        let recorder = self.recorder.as_mut().unwrap();
        recorder.turned(taken, &self.state, record);
        events.into_iter().map(|event| event.what).collect()
    }

    /// The export's session holds two logins up for half a minute.
    fn outage(&mut self, from: i64) {
        let run = "export-1";
        let start = Seen::RunStart(RunStart {
            run: run.into(),
            job: "export".into(),
            started_at: at(from),
            origin: Origin::Wrapper,
        });
        self.step(from, &[start, waits(from, false)]);
        for second in from + 1..from + 30 {
            let mut seen = vec![waits(from, true)];
            let requested = self.state.record.to_perform().next();
            if let Some(action) = requested.filter(|_| self.answers) {
                seen.push(Seen::ActionOutcome(ActionOutcome {
                    action: action.id,
                    outcome: Outcome::NothingToDo("it was gone".into()),
                    evidence: None,
                }));
            }
            self.step(second, &seen);
        }
        for second in from + 30..from + 200 {
            self.step(second, &[waits(from, false)]);
        }
    }

    fn again(&self) -> again::Again {
        again::replay(&self.ring(), &self.journal, WHOLE, &mut |_, _| ()).unwrap()
    }

    fn otherwise(&self, mode: Mode) -> otherwise::Otherwise {
        let other = policy(mode);
        otherwise::replay(&self.ring(), &self.journal, other, WHOLE, &mut |_, _| ()).unwrap()
    }
}

fn session(from: i64, pid: i32, run: Option<&str>) -> Session {
    Session {
        backend: Backend {
            database: "main".into(),
            pid,
            backend_start: at(from),
        },
        xact_start: Some(at(from)),
        role: "app".into(),
        superuser: false,
        backend_type: "client backend".into(),
        datname: "backoffice".into(),
        in_scope: true,
        application_name: "app".into(),
        state: SessionState::IdleInTransaction,
        state_since: Some(at(from)),
        waits_for: String::new(),
        query: "select 1".into(),
        run: run.map(Into::into),
        component: run.is_none().then(|| "login".into()),
    }
}

fn waits(from: i64, is_blocked: bool) -> Seen {
    let waiter = |pid| LockWaiter {
        session: session(from, pid, None),
        waits_for_pids: vec![100],
        since: at(from),
        wants: "RowExclusiveLock on users".into(),
    };
    let chain = LockChain {
        root: LockRoot::Session(session(from, 100, Some("export-1"))),
        waiters: vec![waiter(7), waiter(8)],
    };
    Seen::LockWaits(LockWaits {
        database: "main".into(),
        chains: Some(chain).filter(|_| is_blocked).into_iter().collect(),
        left_out: 0,
    })
}

#[tokio::test]
async fn the_same_policy_decides_the_same_across_a_restart() {
    let mut world = World::new(Mode::Watch);
    world.outage(10);
    world.stop().await;
    world.start();
    world.outage(1000);
    world.stop().await;
    let again = world.again();
    assert_eq!(again.replay_decisions_differ_count, 0, "{again:#?}");
    assert_eq!(
        again.replay_decisions_compared_count,
        world.state.record.revision
    );
    assert_eq!(again.replayed.replay_segments_count, 2);
    assert_eq!(again.replayed.replay_steps_count, 400);
    assert!(
        again.replayed.notes.is_empty(),
        "{:?}",
        again.replayed.notes
    );
}

#[tokio::test]
async fn a_stretch_is_looked_at_alone_and_decided_with_what_came_before() {
    let mut world = World::new(Mode::Watch);
    world.outage(10);
    world.stop().await;
    let stretch = Stretch {
        from: at(20),
        to: at(45),
    };
    let again = again::replay(&world.ring(), &world.journal, stretch, &mut |_, _| ()).unwrap();
    assert_eq!(again.replayed.replay_steps_count, 26);
    assert_eq!(again.replay_decisions_differ_count, 0);
    let (from, to) = (again.replayed.from, again.replayed.to);
    assert_eq!((from, to), (Some(at(20)), Some(at(45))));
}

#[tokio::test]
async fn one_difference_is_one_difference_and_is_told() {
    let mut world = World::new(Mode::Watch);
    world.outage(10);
    world.stop().await;
    // The same history, with one word of one entry other than it was decided.
    let mut entries = world.journal.read(Revision::ZERO, 1000).unwrap();
    let opened = entries
        .iter_mut()
        .find(|entry| entry.kind == "incident_opened")
        .unwrap();
    let body = String::from_utf8(opened.body.clone()).unwrap();
    opened.body = body
        .replace("\"title\":\"", "\"title\":\"Not ")
        .into_bytes();
    let (changed, drafts) = (opened.revision.0, entries.iter());
    let drafts: Vec<Draft> = drafts
        .map(|entry| Draft {
            at: entry.at,
            kind: entry.kind.clone(),
            version: entry.version,
            body: entry.body.clone(),
        })
        .collect();
    world.journal = MemoryJournal::new();
    world.journal.append(Revision::ZERO, &drafts).unwrap();
    let again = world.again();
    let first = &again.differences[0];
    assert_eq!(first.revision, changed);
    assert!(
        first.journal.as_ref().unwrap().contains("Not "),
        "{first:?}"
    );
    assert!(
        !first.replay.as_ref().unwrap().contains("Not "),
        "{first:?}"
    );
    // The title is told again with what follows from it, and nothing else differs.
    assert!(
        again.replay_decisions_differ_count < 4,
        "{:#?}",
        again.differences
    );
}

#[tokio::test]
async fn entries_that_are_gone_are_not_counted_as_equal() {
    let mut world = World::new(Mode::Watch);
    world.outage(10);
    world.stop().await;
    let all = world.state.record.revision;
    world.journal = MemoryJournal::new();
    let again = world.again();
    assert_eq!(again.replay_decisions_compared_count, 0);
    assert_eq!(again.replay_decisions_not_comparable_count, all);
    assert_eq!(again.replay_decisions_differ_count, 0);
}

#[tokio::test]
async fn nothing_recorded_is_no_success() {
    let world = tempfile::tempdir().unwrap();
    let journal = MemoryJournal::new();
    let nothing = again::replay(world.path(), &journal, WHOLE, &mut |_, _| ());
    assert!(matches!(nothing, Err(ReplayError::Nothing(_))));
}

fn golden(name: &str, text: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/replay");
    let path = folder.join(name);
    if std::env::var_os("EVENKEEL_BLESS").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text);
}

#[tokio::test]
async fn acting_instead_of_watching_says_what_would_be_done_and_what_nobody_knows() {
    let mut world = World::new(Mode::Watch);
    world.outage(10);
    world.stop().await;
    let told = world.otherwise(Mode::Act);
    assert_eq!(told.outcomes_unknown_count, 1);
    golden("act-instead-of-watch.txt", &told.text());
}

#[tokio::test]
async fn watching_instead_of_acting_says_whose_effects_were_seen() {
    let mut world = World::new(Mode::Act);
    world.outage(10);
    world.stop().await;
    let told = world.otherwise(Mode::Watch);
    assert_eq!(told.effects_seen_count, 1);
    golden("watch-instead-of-act.txt", &told.text());
}

#[tokio::test]
async fn the_same_policy_tells_the_same_although_its_numbers_are_its_own() {
    let mut world = World::new(Mode::Act);
    world.answers = true;
    world.outage(10);
    world.stop().await;
    let told = world.otherwise(Mode::Act);
    assert_eq!(told.tellings.turns, [], "{}", told.text());
    assert!(told.tellings.same_count > 0);
    assert_eq!(told.left_out_count, 0);
    assert_ne!(world.state.record, Record::default());
}
