//! Orders from the console: one form target. What the form says is done is done; what came
//! of it stands on the page the reader comes back to.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use evenkeel_core::action::ActionKind;
use evenkeel_core::observation::Order;
use maud::html;

use super::gate::{Posted, address_of, path_of_ours};
use super::plain;
use crate::access::Role;
use crate::access::sessions::Word;
use crate::report;

pub(super) async fn give(posted: Posted) -> Response {
    if posted.visitor.role != Role::Operator {
        let body = html! {
            h1 { "You may look, and not give orders" }
            p { "Nothing was done. Somebody who owns Evenkeel's data folder can make you an operator: "
                code { "evenkeel people role " (posted.visitor.name) " operator" } "." }
        };
        return (
            StatusCode::FORBIDDEN,
            plain(&posted.console.site, "Not yours to do", body),
        )
            .into_response();
    }
    let word = match order(&posted) {
        Err(why) => Word {
            good: false,
            text: why,
        },
        Ok((order, done)) => {
            let from = address_of(posted.peer).to_string();
            let orders = &posted.console.orders;
            match orders
                .place_from(&posted.visitor.name, Some(from), order)
                .await
            {
                Ok(revision) => Word {
                    good: true,
                    text: format!("{done} (journal revision {revision})."),
                },
                Err(refusal) => Word {
                    good: false,
                    text: format!("Nothing was done: {}.", refusal.why),
                },
            }
        }
    };
    posted.console.access.leave_word(&posted.cookie, word);
    Redirect::to(path_of_ours(posted.field("back"))).into_response()
}

/// What a form orders, and the words for it when it is done.
fn order(posted: &Posted) -> Result<(Order, String), String> {
    let action = || {
        let action = posted.field("action");
        action
            .parse()
            .map_err(|_| format!("Nothing was done: `{action}` is no action."))
    };
    let reason = || match posted.field("reason") {
        "" => Err("Nothing was done: say why, it is kept in the journal.".to_owned()),
        reason => Ok(reason.to_owned()),
    };
    match posted.field("order") {
        "approve" => {
            let action: evenkeel_core::ids::ActionId = action()?;
            Ok((Order::Approve { action }, format!("{action} is approved")))
        }
        "refuse" => {
            let action: evenkeel_core::ids::ActionId = action()?;
            let reason = reason()?;
            Ok((
                Order::Refuse { action, reason },
                format!("{action} is turned down"),
            ))
        }
        "hold_actions" => Ok((
            Order::HoldActions { reason: reason()? },
            "Actions are held: nothing that ends something is done".into(),
        )),
        "release_actions" => Ok((
            Order::ReleaseActions { reason: reason()? },
            "Actions may be done again".into(),
        )),
        "acknowledge" => {
            let incident = posted.field("incident");
            let incident: evenkeel_core::ids::IncidentId = incident
                .parse()
                .map_err(|_| format!("Nothing was done: `{incident}` is no incident."))?;
            Ok((
                Order::Acknowledge { incident },
                format!("You look after {incident}"),
            ))
        }
        "start_job" => {
            let job = posted.field("job");
            Ok((
                Order::StartJob { job: job.into() },
                format!("A run of {job} is ordered"),
            ))
        }
        "lift_stop" => {
            let (kind, scope) = (posted.field("kind"), posted.field("scope"));
            let known = ActionKind::ALL
                .iter()
                .copied()
                .find(|known| known.as_str() == kind);
            match (known, report::scope(scope)) {
                (Some(kind), Some(scope)) => {
                    let done = format!("{kind} may be tried again on {scope}");
                    Ok((Order::LiftStop { kind, scope }, done))
                }
                _ => Err("Nothing was done: there is no such stop.".into()),
            }
        }
        _ => Err("Nothing was done: there is no such order.".into()),
    }
}
