//! A service with one function, whose login one check looks at.

use std::collections::BTreeMap;

use evenkeel_core::Timestamp;
use evenkeel_core::observation::{CheckOutcome, CheckResult, Seen};
use evenkeel_core::policy::{CheckPolicy, ComponentPolicy, Policy};

pub(crate) const CHECK: &str = "journey";

/// Midnight of 1 January 2026, and so many seconds.
pub(crate) fn at(second: u64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + i64::try_from(second).unwrap()).unwrap()
}

pub(crate) fn policy(check: CheckPolicy) -> Policy {
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
