//! A start whose answer was lost: the run is there although its start is said to have
//! failed. Found by the sim (`one-run-at-a-time`).

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::action::{ActionKind, Outcome, Task};
use evenkeel_core::event::What;
use evenkeel_core::ids::{ActionId, JobId, RunId};
use evenkeel_core::observation::*;
use evenkeel_core::policy::{JobPolicy, Policy, RetryPolicy};
use evenkeel_core::step::{State, step};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).expect("a time")
}

fn policy() -> Policy {
    let job = JobPolicy {
        retry: RetryPolicy {
            budget: 2,
            backoff: Duration::from_secs(60),
            ..RetryPolicy::default()
        },
        ..JobPolicy::default()
    };
    Policy {
        jobs: BTreeMap::from([(JobId::from("export"), job)]),
        ..Policy::default()
    }
}

struct Case {
    state: State,
    policy: Policy,
}

impl Case {
    fn step(&mut self, seconds: i64, seen: Vec<Seen>) -> Vec<What> {
        let inputs: Vec<Observation> = seen
            .into_iter()
            .map(|seen| Observation {
                at: at(seconds),
                by: "test".into(),
                seen,
            })
            .collect();
        let events = step(&mut self.state, &self.policy, &inputs, at(seconds));
        events.into_iter().map(|event| event.what).collect()
    }

    /// A slot comes due, and its start is said to have failed. The run and its action.
    fn with_a_failed_start() -> (Self, RunId) {
        let mut case = Self {
            state: State::default(),
            policy: policy(),
        };
        let due = ScheduleDue {
            job: "export".into(),
            scheduled_at: at(0),
        };
        let events = case.step(0, vec![Seen::ScheduleDue(due)]);
        let started = events.iter().find_map(|what| match what {
            What::ActionRequested { action, .. } => match &action.task {
                Task::StartRun { run, .. } => Some((action.id, run.clone())),
                _ => None,
            },
            _ => None,
        });
        let (action, run): (ActionId, RunId) = started.expect("a start");
        let outcome = ActionOutcome {
            action,
            outcome: Outcome::Failed("it gave no answer in time".into()),
            evidence: None,
        };
        case.step(1, vec![Seen::ActionOutcome(outcome)]);
        (case, run)
    }

    fn begins(&mut self, seconds: i64, run: &RunId) {
        let start = RunStart {
            run: run.clone(),
            job: "export".into(),
            started_at: at(1),
            origin: Origin::Keeper,
        };
        self.step(seconds, vec![Seen::RunStart(start)]);
    }
}

fn starts(events: &[What]) -> usize {
    let start = |what: &&What| matches!(what, What::ActionRequested { action, .. } if action.task.kind() == ActionKind::StartRun);
    events.iter().filter(start).count()
}

#[test]
fn a_run_that_is_there_after_all_is_not_started_over() {
    let (mut case, run) = Case::with_a_failed_start();
    case.begins(3, &run);
    assert!(case.state.record.open_run(&run).is_some());
    for seconds in [30, 62, 300] {
        assert_eq!(starts(&case.step(seconds, Vec::new())), 0, "at {seconds} s");
    }
    let exit = RunExit {
        run: run.clone(),
        job: "export".into(),
        ended_at: at(400),
        exit: Exit::Code(0),
    };
    case.step(400, vec![Seen::RunExit(exit)]);
    assert_eq!(starts(&case.step(500, Vec::new())), 0);
}

#[test]
fn a_run_that_did_not_begin_is_tried_again() {
    let (mut case, _) = Case::with_a_failed_start();
    assert_eq!(starts(&case.step(30, Vec::new())), 0);
    assert_eq!(starts(&case.step(62, Vec::new())), 1);
}

#[test]
fn an_answer_that_comes_after_the_run_is_seen_ends_nothing() {
    let mut case = Case {
        state: State::default(),
        policy: policy(),
    };
    let due = ScheduleDue {
        job: "export".into(),
        scheduled_at: at(0),
    };
    let events = case.step(0, vec![Seen::ScheduleDue(due)]);
    let requested = events.iter().find_map(|what| match what {
        What::ActionRequested { action, .. } => Some(action.clone()),
        _ => None,
    });
    let action = requested.expect("a start");
    let Task::StartRun { run, .. } = &action.task else {
        panic!("not a start");
    };
    case.begins(2, run);
    let outcome = ActionOutcome {
        action: action.id,
        outcome: Outcome::Failed("it gave no answer in time".into()),
        evidence: None,
    };
    case.step(60, vec![Seen::ActionOutcome(outcome)]);
    assert!(case.state.record.open_run(run).is_some());
}
