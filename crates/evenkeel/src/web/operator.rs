//! The operator's pages: what is wrong, what was done and why, and what to type.
//!
//! Read-only: a page that can be opened by any browser on this host gives no orders; the
//! command to type stands beside what it would do. Loopback only, and only under a
//! loopback name: a page elsewhere cannot reach them through the reader's browser (DNS
//! rebinding). Lists are bounded, and say how many more there are.

mod incidents;
mod locks;
mod overview;
mod runs;

use std::sync::LazyLock;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use evenkeel_core::Timestamp;
use evenkeel_core::evidence::Fact;
use maud::{Markup, html};

use super::{FAVICON, Site, Style};
use crate::pump::published::Published;

static STYLE: LazyLock<Style> = LazyLock::new(|| Style::new(include_str!("operator/page.css")));

/// Every route of the operator's listener: a golden list guards it.
pub fn routes() -> Vec<(&'static str, MethodRouter<Site>)> {
    vec![
        ("/", get(overview::page)),
        ("/incidents", get(incidents::list)),
        ("/incidents/{id}", get(incidents::one)),
        ("/runs", get(runs::list)),
        ("/runs/{run}", get(runs::one)),
        ("/evidence/{id}/{file}", get(runs::evidence)),
        ("/locks", get(locks::page)),
        ("/authority", get(overview::authority)),
        ("/healthz", get(healthz)),
        ("/favicon.svg", get(favicon)),
    ]
}

/// The operator's listener's router.
pub fn router(site: Site) -> Router {
    let mut router = Router::new();
    for (path, method) in routes() {
        router = router.route(path, method);
    }
    router
        .fallback(not_found)
        .layer(middleware::from_fn(only_under_a_loopback_name))
        .layer(middleware::map_response(async |response: Response| {
            STYLE.guard(response, "no-store")
        }))
        .with_state(site)
}

async fn only_under_a_loopback_name(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    let loopback = name == "localhost"
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback());
    if loopback {
        next.run(request).await
    } else {
        let why = "These pages answer under localhost or 127.0.0.1 only; use an SSH tunnel.\n";
        (StatusCode::MISDIRECTED_REQUEST, why).into_response()
    }
}

async fn healthz(State(site): State<Site>) -> Response {
    let (status, text) = match site.now().ailment() {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    };
    (status, text).into_response()
}

async fn favicon() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "image/svg+xml")], FAVICON)
}

async fn not_found(State(site): State<Site>) -> Response {
    let body = html! {
        h1 { "There is no such page" }
        p { "The journal has what these pages no longer show: " code { "evenkeel journal tail" } "." }
    };
    (
        StatusCode::NOT_FOUND,
        whole(&site, &site.now(), "No such page", body),
    )
        .into_response()
}

/// A whole page with its way around.
fn whole(site: &Site, published: &Published, title: &str, body: Markup) -> Markup {
    let record = &published.record;
    let open = super::super::report::incidents(record)
        .iter()
        .filter(|incident| incident.resolved_at.is_none())
        .count();
    let page = html! {
        header {
            nav aria-label="Pages" {
                a.name href="/" { "Evenkeel" }
                a href="/incidents" { "Incidents" @if open > 0 { " (" (open) " open)" } }
                a href="/runs" { "Runs" }
                a href="/locks" { "Locks" }
                a href="/authority" { "What it may do" }
            }
        }
        main {
            @if let Some(ailment) = published.ailment() {
                p.alarm { strong { "This is no picture of now: " } (ailment) }
            }
            @if let Some(held) = &record.held {
                p.alarm {
                    strong { "Actions are held" } " by " (held.by) " since "
                    (super::clock::ago(held.since, Timestamp::now())) ": " (held.reason)
                    ". Nothing that ends something is done until "
                    code { "evenkeel release-actions --reason WHY" } "."
                }
            }
            (body)
        }
        footer {
            p {
                (site.name) " · journal revision " (record.revision) " · "
                (super::clock::ago(published.at, Timestamp::now()))
            }
        }
    };
    STYLE.page(
        &format!("{title} · {} · Evenkeel", site.name),
        html! {},
        page,
    )
}

/// What a decision rests on, as pairs.
fn facts(facts: &[Fact]) -> Markup {
    html! {
        @if !facts.is_empty() {
            dl.facts {
                @for fact in facts {
                    div { dt { (fact.name.replace('_', " ")) } dd { (fact.value) } }
                }
            }
        }
    }
}

/// `and 12 more`, where a list was cut.
fn more(all: usize, shown: usize, where_else: &str) -> Markup {
    html! {
        @if all > shown {
            p.dim { "and " (all - shown) " more: " code { (where_else) } }
        }
    }
}
