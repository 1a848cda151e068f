//! A service with one function, whose login one check looks at, and its record.

use std::collections::BTreeMap;

use evenkeel_core::Timestamp;
use evenkeel_core::event::{Event, What};
use evenkeel_core::observation::{CheckOutcome, CheckResult, Observation, Seen};
use evenkeel_core::policy::{CheckPolicy, ComponentPolicy, Policy};
use evenkeel_core::record::Record;
use evenkeel_core::step::{State, step};

pub(crate) const CHECK: &str = "journey";
pub(crate) const ANA: &str = "operator:ana";

pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) policy: Policy,
    pub(crate) journal: Vec<Event>,
}

impl World {
    pub(crate) fn new(check: CheckPolicy) -> Self {
        Self {
            state: State::default(),
            policy: policy(check),
            journal: Vec::new(),
        }
    }

    pub(crate) fn step(&mut self, second: u64, seen: Vec<Seen>) -> Vec<What> {
        self.step_by("tester", second, seen)
    }

    pub(crate) fn step_by(&mut self, by: &str, second: u64, seen: Vec<Seen>) -> Vec<What> {
        let now = at(second);
        let inputs = seen.into_iter().map(|seen| Observation {
            at: now,
            by: by.into(),
            seen,
        });
        let inputs: Vec<Observation> = inputs.collect();
        let events = step(&mut self.state, &self.policy, &inputs, now);
        self.journal.extend(events.iter().cloned());
        let mut folded = Record::default();
        self.journal.iter().for_each(|event| folded.apply(event));
        assert_eq!(
            folded, self.state.record,
            "the folded record is the live one"
        );
        events.into_iter().map(|event| event.what).collect()
    }
}

/// Midnight of 1 January 2026, and so many seconds.
pub(crate) fn at(second: u64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + i64::try_from(second).unwrap()).unwrap()
}

fn policy(check: CheckPolicy) -> Policy {
    let login = ComponentPolicy {
        name: "Login".into(),
        position: 0,
        needs: Vec::new(),
    };
    let check = CheckPolicy {
        name: "Log in".into(),
        components: vec!["login".into()],
        ..check
    };
    Policy {
        components: BTreeMap::from([("login".into(), login)]),
        checks: BTreeMap::from([(CHECK.into(), check)]),
        ..Policy::default()
    }
}

pub(crate) fn result(outcome: CheckOutcome, took_ms: u32) -> Seen {
    Seen::CheckResult(CheckResult {
        check: CHECK.into(),
        outcome,
        took_ms,
        certificate_expires_at: None,
    })
}

pub(crate) fn fails() -> Seen {
    let why = "no answer".into();
    result(CheckOutcome::Failed { why, step: None }, 30_000)
}

pub(crate) fn passes() -> Seen {
    result(CheckOutcome::Passed, 40)
}
