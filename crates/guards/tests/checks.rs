//! The checks guard against real parts and against peers that misbehave.

#[path = "checks/http.rs"]
mod http;
#[path = "checks/journey.rs"]
mod journey;
#[path = "checks/mail.rs"]
mod mail;
#[path = "checks/other.rs"]
mod other;
#[path = "support/peer.rs"]
mod peer;
#[path = "support/postgres.rs"]
#[allow(dead_code, reason = "shared with the tests of other guards")]
mod postgres;
#[path = "checks/schedule.rs"]
mod schedule;

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::observation::CheckOutcome;
use evenkeel_guards::checks::{Account, CheckSpec, Journey, Probe, Step, Trust, try_once};

/// A check that is given up after a quarter of a second, so that tests of silence are short.
fn check(probe: Probe) -> CheckSpec {
    let mut spec = CheckSpec::new("it".into(), probe);
    spec.timeout = Duration::from_secs(20);
    spec
}

fn impatient(probe: Probe) -> CheckSpec {
    let mut spec = check(probe);
    spec.timeout = Duration::from_millis(250);
    spec
}

fn steps(steps: Vec<Step>) -> Probe {
    Probe::Journey(Journey {
        steps,
        secrets: Vec::new(),
        trust: Arc::new(Trust::of_browsers()),
    })
}

/// Why it failed.
#[track_caller]
fn failed(account: &Account) -> &str {
    match &account.result.outcome {
        CheckOutcome::Failed { why, .. } => why,
        other => panic!(
            "it should have failed, and came to {other:?}: {:?}",
            account.story
        ),
    }
}

#[track_caller]
fn passed(account: &Account) {
    let outcome = &account.result.outcome;
    assert_eq!(*outcome, CheckOutcome::Passed, "{:?}", account.story);
}

async fn tried(spec: &CheckSpec) -> Account {
    try_once(spec).await
}
