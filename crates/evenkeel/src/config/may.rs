//! What Evenkeel may do: a mode, short or with its bounds in full.
//!
//! The bounds are what keeps a wrong decision small, so a bound that bounds nothing is
//! refused: no time to count a budget over, a budget of none, a proposal nobody can
//! answer in time.

use std::time::Duration;

use evenkeel_core::action::ActionKind;
use evenkeel_core::authority::{Grant, Mode};
use toml::Spanned;
use toml::de::DeValue;

use super::reader::{self, Report, Section};

/// A budget is counted over at least so long.
const WINDOW_MIN: Duration = Duration::from_secs(60);

/// Nobody reads and answers a proposal faster.
const PROPOSAL_MIN: Duration = Duration::from_secs(10);

/// More than this within any window is no budget.
const BUDGET_MAX: u32 = 100_000;

const KEYS: &[&str] = &["mode", "budget", "per", "interval", "proposal"];

/// What is granted for one kind of action; none where nothing is said of it.
pub(super) fn grant(
    section: &mut Section<'_>,
    report: &mut Report<'_>,
    key: &'static str,
    kind: ActionKind,
) -> Option<Grant> {
    let value = section.raw(key)?;
    let mut grant = Grant::default_for(kind);
    match value.get_ref() {
        DeValue::String(_) => match mode(value) {
            Ok(mode) => grant.mode = mode,
            Err(_) => wrong(report, key, value),
        },
        DeValue::Table(table) => {
            if !table.contains_key("mode") {
                wrong(report, key, value);
            }
            for (name, value) in table.iter() {
                let of = name.get_ref().as_ref();
                let read = match of {
                    "mode" => mode(value).map(|mode| grant.mode = mode),
                    "budget" => budget(value).map(|budget| grant.budget = budget),
                    "per" => duration(value, WINDOW_MIN).map(|per| grant.window = per),
                    "interval" => duration(value, Duration::ZERO).map(|d| grant.interval_min = d),
                    "proposal" => duration(value, PROPOSAL_MIN).map(|d| grant.proposal_ttl = d),
                    _ => {
                        let hint = reader::hint(of, KEYS);
                        report.error(&name.span(), format!("`{of}` is no part of a mode; {hint}"));
                        continue;
                    }
                };
                if let Err(why) = read {
                    report.error(&value.span(), format!("`{of}` of `{key}` {why}"));
                }
            }
        }
        _ => wrong(report, key, value),
    }
    Some(grant)
}

fn wrong(report: &mut Report<'_>, key: &str, value: &Spanned<DeValue<'_>>) {
    report.error(
        &value.span(),
        format!(
            "`{key}` is \"watch\", \"propose\" or \"act\"; or in full, for example \
             {key} = {{ mode = \"act\", budget = 3, per = \"1h\", interval = \"10s\" }}"
        ),
    );
}

fn mode(value: &Spanned<DeValue<'_>>) -> Result<Mode, String> {
    match value.get_ref().as_str() {
        Some("watch") => Ok(Mode::Watch),
        Some("propose") => Ok(Mode::Propose),
        Some("act") => Ok(Mode::Act),
        _ => Err("is \"watch\", \"propose\" or \"act\"".into()),
    }
}

fn budget(value: &Spanned<DeValue<'_>>) -> Result<u32, String> {
    let number = value.get_ref().as_integer();
    match number.and_then(|number| number.as_str().replace('_', "").parse().ok()) {
        Some(budget) if (1..=BUDGET_MAX).contains(&budget) => Ok(budget),
        _ => Err(format!(
            "is a whole number from 1 to {BUDGET_MAX}; to let nothing be done, write mode = \"watch\""
        )),
    }
}

fn duration(value: &Spanned<DeValue<'_>>, least: Duration) -> Result<Duration, String> {
    let text = value.get_ref().as_str().ok_or("is not a text")?;
    let duration = reader::duration(text).map_err(|why| why + "; write for example \"1h\"")?;
    if duration < least {
        return Err(format!(
            "bounds nothing at {text}; write at least \"{}s\"",
            least.as_secs()
        ));
    }
    Ok(duration)
}
