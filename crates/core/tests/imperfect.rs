//! What the sim found: clocks that are set, words that overtake each other, answers that
//! are lost. Each test is one seed, boiled down to the few observations that mattered.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::action::{ActionKind, Outcome, Task};
use evenkeel_core::authority::{Authority, Grant, Mode};
use evenkeel_core::event::What;
use evenkeel_core::finding::FindingKind;
use evenkeel_core::ids::{ActionId, RunId};
use evenkeel_core::observation::*;
use evenkeel_core::policy::{ComponentPolicy, DatabasePolicy, JobPolicy, Policy, RetryPolicy};
use evenkeel_core::record::Record;
use evenkeel_core::step::{State, step};
use evenkeel_core::subject::{Backend, Subject};

fn at(s: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + s).unwrap()
}

struct World {
    state: State,
    policy: Policy,
    record: Record,
}

impl World {
    fn new(databases: &[&str]) -> Self {
        let export = JobPolicy {
            stall: Some(Duration::from_secs(60)),
            deadline: Some(Duration::from_secs(600)),
            retry: RetryPolicy {
                budget: 2,
                backoff: Duration::from_secs(10),
                ..RetryPolicy::default()
            },
            ..JobPolicy::default()
        };
        let scopes = [
            (ActionKind::EndRun, Subject::Job("export".into())),
            (ActionKind::EndBackend, Subject::Database("main".into())),
        ];
        let grant = |kind| Grant {
            mode: Mode::Act,
            ..Grant::default_for(kind)
        };
        let grants = scopes.map(|(kind, scope)| ((kind, scope), grant(kind)));
        let login = ComponentPolicy {
            name: "Login".into(),
            position: 0,
            needs: Vec::new(),
        };
        Self {
            state: State::default(),
            policy: Policy {
                components: BTreeMap::from([("login".into(), login)]),
                jobs: BTreeMap::from([("export".into(), export)]),
                databases: databases
                    .iter()
                    .map(|id| ((*id).into(), DatabasePolicy::default()))
                    .collect(),
                authority: Authority {
                    grants: BTreeMap::from(grants),
                },
                ..Policy::default()
            },
            record: Record::default(),
        }
    }

    /// A step at `now` with what was seen, each at its own time.
    fn step(&mut self, now: i64, seen: Vec<(i64, Seen)>) -> Vec<What> {
        let inputs: Vec<Observation> = seen
            .into_iter()
            .map(|(seen_at, seen)| Observation {
                at: at(seen_at),
                by: "test".into(),
                seen,
            })
            .collect();
        let events = step(&mut self.state, &self.policy, &inputs, at(now));
        events.iter().for_each(|event| self.record.apply(event));
        assert_eq!(self.record, self.state.record);
        events.into_iter().map(|event| event.what).collect()
    }

    fn holds(&self, kind: FindingKind) -> bool {
        self.state
            .record
            .findings
            .keys()
            .any(|key| key.kind == kind)
    }

    /// The export is due at 0, requested, and runs since 1.
    fn start_export(&mut self) -> RunId {
        self.step(0, vec![(0, due())]);
        let run = self.state.record.runs.keys().next().expect("a run").clone();
        self.step(1, vec![(1, done(1)), (1, begins(&run, 1))]);
        run
    }
}

fn due() -> Seen {
    Seen::ScheduleDue(ScheduleDue {
        job: "export".into(),
        scheduled_at: at(0),
    })
}

fn begins(run: &RunId, started: i64) -> Seen {
    Seen::RunStart(RunStart {
        run: run.clone(),
        job: "export".into(),
        started_at: at(started),
        origin: Origin::Keeper,
    })
}

fn exits(run: &RunId, ended: i64) -> Seen {
    Seen::RunExit(RunExit {
        run: run.clone(),
        job: "export".into(),
        ended_at: at(ended),
        exit: Exit::Code(0),
    })
}

fn progress(run: &RunId, io_bytes: u64) -> Seen {
    Seen::RunProgress(RunProgress {
        run: run.clone(),
        cpu_ms: 0,
        io_bytes,
        output_bytes: 0,
        reports: 0,
        processes: 1,
    })
}

fn answer(action: u64, outcome: Outcome) -> Seen {
    Seen::ActionOutcome(ActionOutcome {
        action: ActionId(action),
        outcome,
        evidence: None,
    })
}

fn done(action: u64) -> Seen {
    answer(action, Outcome::Done("done".into()))
}

fn sight(blind: Option<&str>) -> Seen {
    Seen::Sight(Sight {
        of: Subject::Database("main".into()),
        blind: blind.map(Into::into),
    })
}

fn session(pid: i32, component: Option<&str>) -> Session {
    Session {
        backend: Backend {
            database: "main".into(),
            pid,
            backend_start: at(-100),
        },
        xact_start: Some(at(-100)),
        role: "batch".into(),
        superuser: false,
        backend_type: "client backend".into(),
        datname: "main".into(),
        in_scope: true,
        application_name: "evenkeel/x".into(),
        state: SessionState::IdleInTransaction,
        state_since: Some(at(-100)),
        waits_for: String::new(),
        query: String::new(),
        run: component.is_none().then(|| "export-x-1".into()),
        component: component.map(Into::into),
    }
}

fn waits(pids: &[i32]) -> Seen {
    let waiters = pids.iter().map(|pid| LockWaiter {
        session: session(*pid, Some("login")),
        waits_for_pids: vec![100],
        since: at(0),
        wants: "ShareLock on transaction".into(),
    });
    let chain = LockChain {
        root: LockRoot::Session(session(100, None)),
        waiters: waiters.collect(),
    };
    Seen::LockWaits(LockWaits {
        database: "main".into(),
        chains: (!pids.is_empty()).then_some(chain).into_iter().collect(),
        left_out: 0,
    })
}

fn ends(events: &[What]) -> usize {
    let ends = |what: &&What| matches!(what, What::ActionRequested { action, .. } if !matches!(action.task, Task::StartRun { .. }));
    events.iter().filter(ends).count()
}

/// Seed 3: the word of a passing blindness came after the word that it was over, and
/// nobody looked at that database any more.
#[test]
fn an_older_word_about_sight_does_not_blind() {
    let mut world = World::new(&["main"]);
    world.step(10, vec![(9, sight(None)), (9, waits(&[]))]);
    world.step(11, vec![(8, sight(Some("connection refused")))]);
    world.step(20, vec![(19, waits(&[]))]);
    assert!(!world.holds(FindingKind::Blind));
    world.step(21, vec![(21, sight(Some("connection refused")))]);
    world.step(27, vec![]);
    assert!(world.holds(FindingKind::Blind));
    world.step(28, vec![(28, waits(&[]))]);
    assert!(!world.holds(FindingKind::Blind), "a picture is sight");
}

/// Seeds 4 and 5: the clock was set forwards by an hour, and every run was past its
/// deadline.
#[test]
fn a_clock_set_forwards_ends_no_run() {
    let mut world = World::new(&[]);
    let run = world.start_export();
    world.step(5, vec![(5, progress(&run, 1))]);
    let events = world.step(3605, vec![(3605, progress(&run, 2))]);
    assert_eq!(ends(&events), 0, "{events:?}");
    for s in 3606..4190 {
        assert_eq!(ends(&world.step(s, vec![(s, progress(&run, s as u64))])), 0);
    }
    let late = (4190..4210).map(|s| ends(&world.step(s, vec![(s, progress(&run, s as u64))])));
    assert_eq!(late.sum::<usize>(), 1, "its deadline comes, an hour later");
}

/// Seeds 1, 5 and 8: a run whose only work is its database session was ended while that
/// database could not be seen.
#[test]
fn a_run_is_not_judged_while_a_database_cannot_be_seen() {
    let mut world = World::new(&["main"]);
    let run = world.start_export();
    let works = |s: i64| {
        let mut at_work = session(50, None);
        at_work.state = SessionState::Active;
        at_work.run = Some("export-x-1".into());
        let database = "main".into();
        (
            s,
            Seen::RunBackends(RunBackends {
                database,
                sessions: vec![at_work],
            }),
        )
    };
    world.step(2, vec![(2, progress(&run, 1)), works(2)]);
    for s in (4..200).step_by(2) {
        let events = world.step(s, vec![(s, progress(&run, 1))]);
        assert_eq!(ends(&events), 0, "at {s}: {events:?}");
    }
    let database = "main".into();
    let gone = Seen::RunBackends(RunBackends {
        database,
        sessions: vec![],
    });
    assert_eq!(
        ends(&world.step(200, vec![(200, progress(&run, 1)), (200, gone)])),
        1
    );
}

/// Seeds 2 and 6: an end was approved and held in the same moment, and performed while
/// held.
#[test]
fn what_was_requested_is_not_begun_once_held() {
    let mut world = World::new(&[]);
    let run = world.start_export();
    world.step(2, vec![(2, progress(&run, 1))]);
    let mut requested = 0;
    for s in (4..70).step_by(2) {
        requested += ends(&world.step(s, vec![(s, progress(&run, 1))]));
    }
    assert_eq!(requested, 1);
    assert_eq!(world.state.record.to_perform().count(), 1);
    let hold = Order::HoldActions {
        reason: "let me look".into(),
    };
    world.step(70, vec![(70, Seen::Order(hold))]);
    assert_eq!(world.state.record.to_perform().count(), 0);
    let release = Order::ReleaseActions {
        reason: "go on".into(),
    };
    world.step(72, vec![(72, Seen::Order(release))]);
    assert_eq!(world.state.record.to_perform().count(), 1);
}

/// A request that outlived a long standstill is not performed on what was so before it;
/// it is decided anew.
#[test]
fn a_request_to_end_something_grows_too_old() {
    let mut world = World::new(&["main"]);
    world.step(0, vec![(0, waits(&[7, 8]))]);
    world.step(1, vec![(1, waits(&[7, 8]))]);
    assert_eq!(world.state.record.to_perform().count(), 1);
    let mut after = State::after_restart(world.record.clone());
    std::mem::swap(&mut world.state, &mut after);
    world.step(900, vec![]);
    assert_eq!(world.state.record.to_perform().count(), 0);
    world.step(901, vec![(901, waits(&[7, 8]))]);
    world.step(902, vec![(902, waits(&[7, 8]))]);
    assert_eq!(
        world.state.record.to_perform().count(),
        1,
        "it still holds: again"
    );
}

/// Seed 1: the answer of a start was lost, the second try failed, and the job was started
/// over the run that was there all the time.
#[test]
fn a_run_that_was_said_not_to_have_started_is_there_when_it_is_seen() {
    let mut world = World::new(&[]);
    world.step(0, vec![(0, due())]);
    let run = world
        .state
        .record
        .runs
        .keys()
        .next()
        .expect("a run")
        .clone();
    let failed = Outcome::Failed("no answer".into());
    world.step(1, vec![(1, answer(1, failed))]);
    assert!(world.state.record.open_run(&run).is_none());
    world.step(3, vec![(3, begins(&run, 1))]);
    assert!(world.state.record.open_run(&run).is_some());
    let events = world.step(30, vec![(30, progress(&run, 3))]);
    assert!(events.is_empty(), "no second attempt over it: {events:?}");
}

/// Seed 6: a start was requested, the program was away for a quarter of an hour, and the
/// run was called lost while its start was on its way: then two ran at once.
#[test]
fn a_run_that_is_still_to_be_started_is_not_lost() {
    let mut world = World::new(&[]);
    world.step(0, vec![(0, due())]);
    let run = world
        .state
        .record
        .runs
        .keys()
        .next()
        .expect("a run")
        .clone();
    let lost = || {
        let job = "export".into();
        let exit = Exit::Lost;
        Seen::RunExit(RunExit {
            run: run.clone(),
            job,
            ended_at: at(900),
            exit,
        })
    };
    world.state = State::after_restart(world.record.clone());
    world.step(900, vec![(900, lost())]);
    assert!(world.state.record.open_run(&run).is_some());
    world.step(901, vec![(901, done(1)), (901, begins(&run, 901))]);
    world.step(910, vec![(910, lost())]);
    assert!(
        world.state.record.open_run(&run).is_none(),
        "it was there, and is gone"
    );
}

/// Seeds 3 and 6: two slots of a job were proposed, and both approved.
#[test]
fn an_approved_start_does_not_begin_over_a_run() {
    let mut world = World::new(&[]);
    let scope = Subject::Job("export".into());
    let grant = Grant {
        mode: Mode::Propose,
        ..Grant::default_for(ActionKind::StartRun)
    };
    let grants = &mut world.policy.authority.grants;
    grants.insert((ActionKind::StartRun, scope), grant);
    world.step(0, vec![(0, due())]);
    let next = Seen::ScheduleDue(ScheduleDue {
        job: "export".into(),
        scheduled_at: at(100),
    });
    world.step(100, vec![(100, next)]);
    let approve = |id| {
        let action = ActionId(id);
        (101, Seen::Order(Order::Approve { action }))
    };
    world.step(101, vec![approve(1), approve(2)]);
    assert_eq!(world.state.record.to_perform().count(), 1);
    assert!(world.state.record.open_actions.len() == 1);
}

/// Seed 1: a hang found before a restart was answered after it, and the run moved again.
#[test]
fn a_hang_of_before_a_restart_is_watched_again_first() {
    let mut world = World::new(&[]);
    world.policy.authority = Authority::default();
    let run = world.start_export();
    for s in (2..80).step_by(2) {
        world.step(s, vec![(s, progress(&run, 1))]);
    }
    assert!(world.holds(FindingKind::RunHung));
    world.policy.authority = World::new(&[]).policy.authority;
    world.state = State::after_restart(world.record.clone());
    let mut ended = ends(&world.step(400, vec![]));
    ended += ends(&world.step(401, vec![(401, progress(&run, 1))]));
    assert!(
        world.holds(FindingKind::RunHung),
        "one look says nothing of progress"
    );
    ended += ends(&world.step(402, vec![(402, progress(&run, 2))]));
    assert!(!world.holds(FindingKind::RunHung));
    assert_eq!(ended, 0);
}

/// Every seed, at night: a session was called a stray on a picture from before its run's
/// end.
#[test]
fn a_stray_is_seen_after_the_end_of_its_run() {
    let mut world = World::new(&["main"]);
    let run = world.start_export();
    let with = |run: &RunId| {
        let mut of_run = session(50, None);
        of_run.run = Some(run.clone());
        let database = "main".into();
        Seen::RunBackends(RunBackends {
            database,
            sessions: vec![of_run],
        })
    };
    world.step(2, vec![(2, with(&run)), (2, waits(&[]))]);
    world.step(4, vec![(4, exits(&run, 3))]);
    world.step(8, vec![(8, waits(&[]))]);
    assert!(!world.holds(FindingKind::StrayBackend));
    world.step(12, vec![(12, with(&run)), (12, waits(&[]))]);
    assert!(world.holds(FindingKind::StrayBackend));
}

/// Seed 3: what ran while the server was away was told as start and end, and the end came
/// first.
#[test]
fn an_end_that_overtakes_its_start_is_not_lost() {
    let mut world = World::new(&[]);
    let run = RunId::from("export-elsewhere-1");
    world.step(50, vec![(50, exits(&run, 40))]);
    assert!(!world.state.record.runs.contains_key(&run));
    world.step(51, vec![(50, begins(&run, 10))]);
    assert!(world.state.record.runs[&run].ended.is_some());
    assert!(
        world.state.record.jobs[&"export".into()]
            .open_runs
            .is_empty()
    );
}

/// Seeds 7 and 8: the clock was set back by an hour, and for that hour everything had been
/// done "too soon", and no proof could be seen.
#[test]
fn a_clock_set_back_does_not_spend_the_budget() {
    let mut world = World::new(&["main"]);
    world.step(4000, vec![(4000, waits(&[7, 8]))]);
    world.step(4001, vec![(4001, waits(&[7, 8]))]);
    world.step(4002, vec![(4002, done(1)), (4002, waits(&[]))]);
    assert_eq!(world.state.record.ledger.len(), 1);
    let mut ended = 0;
    world.step(400, vec![(400, waits(&[]))]);
    world.step(401, vec![(401, waits(&[]))]);
    for s in 402..420 {
        ended += ends(&world.step(s, vec![(s, waits(&[9, 10]))]));
    }
    assert_eq!(ended, 1);
}

/// Seeds 4 and 7: those who waited longest gave up one after the other, and customers were
/// told of a better and a worse status every second.
#[test]
fn a_status_does_not_breathe_with_those_who_give_up() {
    let mut world = World::new(&["main"]);
    world.policy.authority = Authority::default();
    let mut told = 0;
    for s in 0..60 {
        // Each waits eleven seconds.
        let pids: Vec<i32> = (s - 10..=s).map(|pid| 200 + pid as i32).collect();
        let events = world.step(s, vec![(s, waits(&pids))]);
        let told_now = |what: &&What| matches!(what, What::MessageRequested { .. });
        told += events.iter().filter(told_now).count();
    }
    assert!(told <= 4, "{told} messages about one chain in a minute");
}

/// A picture that was on its way while the clock was set forwards came after newer ones, and
/// was kept as older than all of them: the history had an end before its beginning.
#[test]
fn a_picture_from_before_the_clock_jumped_is_not_kept() {
    let mut world = World::new(&["main", "other"]);
    let picture = |database: &str, used| {
        Seen::Levels(Levels {
            of: Subject::Database(database.into()),
            started_at: None,
            release: None,
            levels: vec![Level {
                resource: Resource::TransactionAge,
                used,
                limit: Some(1_000_000),
            }],
        })
    };
    world.step(0, vec![(0, picture("other", 1))]);
    for n in 5..25 {
        world.step(n * 20, vec![(n * 20, picture("main", 1_000))]);
    }
    world.step(4_000, vec![]);
    world.step(4_002, vec![(490, picture("main", 1_000))]);
    for n in 201..210 {
        world.step(n * 20, vec![(n * 20, picture("main", 1_000))]);
    }
    let main = Subject::Database("main".into());
    let lows = world.state.memory.lows(&main, &Resource::TransactionAge);
    let times: Vec<Timestamp> = lows.map(|(at, _)| at).collect();
    assert_eq!(times.len(), 29);
    assert!(times.is_sorted(), "{times:?}");
}
