//! What people order. Each needs a running server, and is in the journal when it is
//! answered.

use std::process::ExitCode;

use evenkeel_core::action::ActionKind;
use evenkeel_core::ids::{ActionId, IncidentId};
use evenkeel_core::observation::Order;

use super::Outcome;
use super::client::order;
use super::print::{self, say};
use super::source::Source;
use crate::control::Given;
use crate::report;

pub(super) fn give(source: &Source, what: Order, done: &str, json: bool) -> Outcome {
    let by = nix::unistd::User::from_uid(nix::unistd::Uid::current())
        .ok()
        .flatten()
        .map_or_else(|| nix::unistd::Uid::current().to_string(), |user| user.name);
    let answer = order(source, &Given { by, order: what })?;
    if json {
        print::json(&answer)?;
    } else {
        let revision = answer.revision.unwrap_or_default();
        say(&format!("{done} (journal revision {revision}).\n"));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn start(source: &Source, job: &str, json: bool) -> Outcome {
    let done = format!("A run of {job} is ordered");
    give(source, Order::StartJob { job: job.into() }, &done, json)
}

pub(super) fn approve(
    source: &Source,
    action: Option<&str>,
    lift: Option<&[String]>,
    json: bool,
) -> Outcome {
    if let Some([kind, scope]) = lift {
        let known = ActionKind::ALL.iter().copied();
        let Some(kind) = known.clone().find(|known| known.as_str() == kind) else {
            let kinds: Vec<&str> = known.map(ActionKind::as_str).collect();
            return Err(format!(
                "`{kind}` is no kind of action; there is {}",
                kinds.join(", ")
            ));
        };
        let scope = report::scope(scope).ok_or_else(|| {
            format!("`{scope}` is neither job:NAME nor database:NAME; `evenkeel status` names them")
        })?;
        let done = format!("{kind} may be tried again on {scope}");
        return give(source, Order::LiftStop { kind, scope }, &done, json);
    }
    let action = action.unwrap_or_default();
    if let Ok(incident) = action.parse::<IncidentId>() {
        let done = format!("Customers are told of {incident}");
        return give(source, Order::ApproveWord { incident }, &done, json);
    }
    let action: ActionId = parse(action)?;
    let done = format!("{action} is approved");
    give(source, Order::Approve { action }, &done, json)
}

pub(super) fn refuse(source: &Source, action: &str, reason: String, json: bool) -> Outcome {
    if let Ok(incident) = action.parse::<IncidentId>() {
        let done = format!("What was to be told of {incident} is not told");
        return give(source, Order::RefuseWord { incident, reason }, &done, json);
    }
    let action: ActionId = parse(action)?;
    let done = format!("{action} is turned down");
    give(source, Order::Refuse { action, reason }, &done, json)
}

pub(super) fn hold(source: &Source, reason: String, json: bool) -> Outcome {
    let done = "Actions are held: nothing that ends something is done";
    give(source, Order::HoldActions { reason }, done, json)
}

pub(super) fn release(source: &Source, reason: String, json: bool) -> Outcome {
    let done = "Actions may be done again";
    give(source, Order::ReleaseActions { reason }, done, json)
}

pub(super) fn acknowledge(source: &Source, incident: &str, json: bool) -> Outcome {
    let incident: IncidentId = parse(incident)?;
    let done = format!("You look after {incident}");
    give(source, Order::Acknowledge { incident }, &done, json)
}

fn parse<T: std::str::FromStr<Err = evenkeel_core::ids::NotAnId>>(text: &str) -> Result<T, String> {
    text.parse()
        .map_err(|error: evenkeel_core::ids::NotAnId| error.to_string())
}
