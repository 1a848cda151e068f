//! Orders from the console: one form target. What the form says is done is done; what came
//! of it stands on the page the reader comes back to.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use evenkeel_core::action::ActionKind;
use evenkeel_core::edge::EdgeOrder;
use evenkeel_core::observation::Order;
use maud::html;

use super::gate::{Posted, address_of, path_of_ours};
use super::{maintenance, plain, postmortems, telling, writing};
use crate::access::Role;
use crate::access::sessions::Word;
use crate::report;
use crate::web::languages::{self, Language};

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
        Err(why) if is_writing(&posted) => {
            return again(&posted, StatusCode::BAD_REQUEST, why);
        }
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
                Err(refusal) if is_writing(&posted) => {
                    let why = format!("Nothing was done: {}.", refusal.why);
                    return again(&posted, refusal.kind.status(), why);
                }
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

/// Whether somebody wrote more than a line, which must not be lost.
fn is_writing(posted: &Posted) -> bool {
    matches!(
        posted.field("order"),
        "tell" | "correct" | "maintenance_plan"
    )
}

/// The page with what was written, and why nothing came of it.
fn again(posted: &Posted, status: StatusCode, why: String) -> Response {
    match posted.field("order") {
        "maintenance_plan" => maintenance::again(posted, status, &why),
        _ => writing::again(posted, Some((status, why))),
    }
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
        _ => {
            let ordered = telling::order(posted)
                .or_else(|| maintenance::order(posted))
                .or_else(|| postmortems::order(posted));
            match (ordered, of_edge(posted)) {
                (Some(ordered), _) => ordered,
                (None, Some(ordered)) => ordered.map(|(order, done)| (Order::Edge(order), done)),
                (None, None) => Err("Nothing was done: there is no such order.".into()),
            }
        }
    }
}

/// What a form orders of the edge; `None` where it is no such order.
fn of_edge(posted: &Posted) -> Option<Result<(EdgeOrder, String), String>> {
    let (pool, instance) = (posted.field("pool"), posted.field("instance"));
    let component = posted.field("component");
    let reason = || match posted.field("reason") {
        "" => Err("Nothing was done: say why, it is kept in the journal.".to_owned()),
        reason => Ok(reason.to_owned()),
    };
    let texts: BTreeMap<String, String> = Language::ALL
        .into_iter()
        .map(Language::tag)
        .map(|tag| (tag, posted.field(&format!("text_{tag}"))))
        .filter(|(_, text)| !text.is_empty())
        .map(|(tag, text)| (tag.to_owned(), text.to_owned()))
        .collect();
    let others = languages::others(&texts).map_or(String::new(), |others| format!("; {others}"));
    Some(Ok(match posted.field("order") {
        "drain" => (
            EdgeOrder::Drain {
                pool: pool.into(),
                instance: instance.into(),
            },
            format!("{instance} gets no new request"),
        ),
        "admit" => (
            EdgeOrder::Admit {
                pool: pool.into(),
                instance: instance.into(),
            },
            format!("{instance} gets requests again"),
        ),
        "hold" => match reason() {
            Err(why) => return Some(Err(why)),
            Ok(reason) => (
                EdgeOrder::Hold {
                    pool: pool.into(),
                    reason,
                },
                format!("Requests of pool {pool} wait"),
            ),
        },
        "release" => (
            EdgeOrder::Release { pool: pool.into() },
            format!("Requests of pool {pool} go on"),
        ),
        "switch_off" => match reason() {
            Err(why) => return Some(Err(why)),
            Ok(reason) => (
                EdgeOrder::SwitchOff {
                    component: component.into(),
                    reason,
                    texts,
                },
                format!("{component} is switched off{others}"),
            ),
        },
        "switch_on" => (
            EdgeOrder::SwitchOn {
                component: component.into(),
            },
            format!("{component} is served again"),
        ),
        "show_banner" => (
            EdgeOrder::ShowBanner { texts, link: None },
            format!("The banner is shown{others}"),
        ),
        "hide_banner" => (EdgeOrder::HideBanner, "No banner is shown".into()),
        "cap_tenant" => {
            let tenant = posted.field("tenant").to_owned();
            let most = posted.field("requests_per_s_max");
            let requests_per_s_max = match (most, most.parse()) {
                ("", _) => None,
                (_, Ok(most)) => Some(most),
                (_, Err(_)) => {
                    return Some(Err(format!(
                        "Nothing was done: `{most}` is no number of requests."
                    )));
                }
            };
            let done = match requests_per_s_max {
                Some(most) => format!("{tenant} may send {most} requests a second"),
                None => format!("{tenant} may send what the configuration allows"),
            };
            let order = EdgeOrder::CapTenant {
                tenant,
                requests_per_s_max,
            };
            (order, done)
        }
        _ => return None,
    }))
}
