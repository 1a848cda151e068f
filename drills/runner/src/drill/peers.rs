//! What a careful engineer sets up today for this very outage, without Evenkeel:
//! PostgreSQL's own timeouts, and a wrapper with a longest run time and one restart.
//!
//! `idle_in_transaction_session_timeout` 30 s for everyone: the longest pause of an honest
//! transaction here is below a second, and a tighter limit ends honest work on a bad day.
//! `lock_timeout` 5 s for the web application: a user gets an error rather than an endless
//! spinner. `timeout` of coreutils at 60 s (the export takes some seconds; the night is
//! long) with a kill 10 s later, and one restart, as in `Restart=on-failure` with
//! `StartLimitBurst=2`.

use std::process::Command;

use super::outside::chain;
use super::scene::Scene;
use crate::process::Process;

/// What the web application's sessions are given.
pub(super) const WEB: &[(&str, &str)] = &[(
    "PGOPTIONS",
    "-c lock_timeout=5s -c idle_in_transaction_session_timeout=30s",
)];

/// What a run's sessions are given.
const RUN: &[(&str, &str)] = &[("PGOPTIONS", "-c idle_in_transaction_session_timeout=30s")];

/// The longest run time of the export, seconds.
pub(super) const EXPORT_LONGEST: u32 = 60;

/// The longest run time of the honest runs, seconds: ten times what they usually take.
pub(super) const HONEST_LONGEST: u32 = 600;

/// Starts a command in the wrapper.
pub(super) fn wrapped(
    scene: &Scene,
    name: &str,
    command: &[String],
    longest: u32,
) -> Result<Process, String> {
    let mut wrapper = Command::new("sh");
    wrapper
        .args([
            "-c",
            "timeout --kill-after=10 \"$0\" \"$@\" || exec timeout --kill-after=10 \"$0\" \"$@\"",
            &longest.to_string(),
        ])
        .args(command)
        .envs(scene.environment())
        .envs(RUN.iter().copied());
    Process::start(name, wrapper, scene.logs()).map_err(|error| chain(&error))
}
