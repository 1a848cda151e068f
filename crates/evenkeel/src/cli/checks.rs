//! `checks`: how they went last, and one made now, step by step.

use std::process::ExitCode;

use clap::Subcommand;
use evenkeel_core::ids::CheckId;
use evenkeel_core::observation::CheckOutcome;
use evenkeel_guards::checks::{Account, CheckSpec, try_once};

use super::client::{Silence, ask};
use super::print::{self, listed, say};
use super::source::Source;
use super::{Outcome, ago};
use crate::config::Config;
use crate::report::CheckReport;

/// What to do with checks.
#[derive(Debug, Subcommand)]
pub(super) enum ChecksCommand {
    /// Make one check now, once, from here, and say step by step what was seen. Nobody is
    /// told, and nothing is decided.
    Try {
        /// The check.
        id: String,
    },
}

pub(super) fn checks(source: &Source, command: Option<ChecksCommand>, json: bool) -> Outcome {
    match (command, source.here()) {
        (None, _) => list(source, json),
        (Some(ChecksCommand::Try { id }), Some(config)) => try_now(config, &id, json),
        (Some(ChecksCommand::Try { .. }), None) => Err(
            "a check is tried from where it is made: give the command on the host where Evenkeel runs".into(),
        ),
    }
}

fn list(source: &Source, json: bool) -> Outcome {
    let checks: Vec<CheckReport> = match ask(source, "/v1/checks") {
        Ok(checks) => checks,
        Err(Silence::Refused(why)) => return Err(why),
        Err(Silence::NotRunning) => {
            return Err(format!(
                "no Evenkeel runs on {}, and nobody else makes its checks: start it with `evenkeel \
                 serve`, or make one now with `evenkeel checks try ID`",
                source.name()
            ));
        }
    };
    let none = "No check is configured: docs/guide/checking-the-service.md shows how.";
    let heads = ["check", "how it went", "took", "when"];
    listed(&checks, json, none, &heads, |check| match &check.last {
        None => vec![
            check.id.to_string(),
            "not made yet".into(),
            String::new(),
            String::new(),
        ],
        Some(last) => vec![
            check.id.to_string(),
            sentence(&last.result.outcome),
            format!("{} ms", last.result.took_ms),
            ago(last.at),
        ],
    })
}

fn sentence(outcome: &CheckOutcome) -> String {
    match outcome {
        CheckOutcome::Passed => "passed".into(),
        CheckOutcome::Failed { why, step: None } => format!("FAILED: {why}"),
        CheckOutcome::Failed {
            why,
            step: Some(step),
        } => format!("FAILED at `{step}`: {why}"),
        CheckOutcome::NotMade { why } => format!("could not be made: {why}"),
    }
}

fn try_now(config: &Config, id: &str, json: bool) -> Outcome {
    let wanted = CheckId::from(id);
    let spec = config.checks.iter().find(|spec| spec.id == wanted);
    let Some(spec) = spec else {
        let names: Vec<&str> = config.checks.iter().map(|spec| spec.id.as_str()).collect();
        return Err(match names.is_empty() {
            true => format!("{} has no [[check]]", config.file.display()),
            false => format!("there is no check `{id}`; there is {}", names.join(", ")),
        });
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no threads can be started: {error}"))?;
    let account = runtime.block_on(try_once(spec));
    let passed = account.result.outcome == CheckOutcome::Passed;
    if json {
        print::json(&account)?;
    } else {
        tell(config, spec, &account);
    }
    Ok(match passed {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn tell(config: &Config, spec: &CheckSpec, account: &Account) {
    for said in &account.story {
        say(&format!("{:>7} ms  {}\n", said.at_ms, said.what));
    }
    let result = &account.result;
    let policy = config.policy.checks.get(&spec.id);
    let verdict = match &result.outcome {
        CheckOutcome::Passed => format!("It passed after {} ms.", result.took_ms),
        CheckOutcome::Failed { .. } => format!(
            "It {}, after {} ms.",
            sentence(&result.outcome),
            result.took_ms
        ),
        CheckOutcome::NotMade { .. } => format!(
            "It {}. That is this host's trouble, and says nothing about the target.",
            sentence(&result.outcome)
        ),
    };
    say(&format!("\n{verdict}\n"));
    let slow = policy.and_then(|policy| policy.slow_after);
    if let Some(slow) = slow.filter(|slow| u128::from(result.took_ms) > slow.as_millis()) {
        say(&format!(
            "That is slow: slow_after is {} ms.\n",
            slow.as_millis()
        ));
    }
    if let Some(ends) = result.certificate_expires_at {
        let days = ends
            .duration_since(evenkeel_core::Timestamp::now())
            .as_hours()
            / 24;
        say(&format!(
            "The served certificate ends at {ends}, in {days} days.\n"
        ));
    }
    let hurts = policy.filter(|policy| !policy.components.is_empty());
    if let (CheckOutcome::Failed { .. }, Some(policy)) = (&result.outcome, hurts) {
        let names: Vec<&str> = policy.components.iter().map(|id| id.as_str()).collect();
        say(&format!(
            "While `evenkeel serve` runs, {} of these in a row, looked at every {} s, show {} as {}.\n",
            policy.failures,
            spec.retry_interval.as_secs(),
            names.join(", "),
            policy.harm.as_str().replace('_', " ")
        ));
    }
}
