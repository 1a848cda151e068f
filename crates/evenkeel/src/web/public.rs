//! The public page: is it me, or is it you?
//!
//! The answer comes first, in words; then each function, what is going on, and what has
//! been. Everything said is made from facts by [`words`]; nothing an operator or a
//! detector wrote is shown. When the pump has no picture of now, every status is
//! unknown: an old green is a lie.
//!
//! Under 30 KB in all, style and icon included, for a service as it usually is (a browser
//! test measures it): what could grow is bounded ([`PAST_MAX`], [`UPDATES_MAX`]) and the
//! strip costs its changes, not its days. Twenty functions that fail every day cost more.

pub mod machines;
mod strip;
mod view;

use std::sync::LazyLock;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use evenkeel_core::ids::IncidentId;
use maud::{Markup, html};

use super::{FAVICON, Site, Style};

static STYLE: LazyLock<Style> = LazyLock::new(|| Style::new(include_str!("public/page.css")));

/// Incidents that are over, on the front page: those of [`PAST_DAYS`], at most so many.
const PAST_MAX: usize = 20;
/// How far back the front page looks. The strip shows the rest.
const PAST_DAYS: u64 = 14;
/// Updates of one incident on the front page; its own page has up to [`UPDATES_ALL_MAX`].
const UPDATES_MAX: usize = 5;
/// Updates on an incident's own page. At one every twenty minutes, a day's worth.
const UPDATES_ALL_MAX: usize = 80;

/// Every route of the public listener: a golden list guards it.
pub fn routes() -> Vec<(&'static str, MethodRouter<Site>)> {
    let mut routes = vec![
        ("/", get(front)),
        ("/incidents/{id}", get(incident)),
        ("/healthz", get(healthz)),
        ("/favicon.svg", get(favicon)),
    ];
    routes.extend(machines::routes());
    routes
}

/// The public listener's router.
pub fn router(site: Site) -> Router {
    let mut router = Router::new();
    for (path, method) in routes() {
        router = router.route(path, method);
    }
    router
        .fallback(not_found)
        .layer(middleware::map_response(async |response: Response| {
            // Short: a cache in front takes the crowd, and nobody reads old news.
            STYLE.guard(response, "public, max-age=5")
        }))
        .with_state(site)
}

async fn front(State(site): State<Site>) -> Markup {
    let published = site.now();
    let view = view::View::of(&site, &published);
    let answer = view.answer_text();
    let head = html! {
        meta name="description" content=(answer);
        (machines::links(&site))
    };
    let body = html! {
        (banner(&site))
        main {
            (view.answer())
            (view.open_incidents())
            (view.components())
            (view.past_incidents())
        }
        (view.footer())
    };
    STYLE.page(&format!("{answer} · {}", site.name), head, body)
}

async fn incident(State(site): State<Site>, Path(id): Path<String>) -> Response {
    let published = site.now();
    let view = view::View::of(&site, &published);
    let found = id
        .parse::<IncidentId>()
        .ok()
        .and_then(|id| published.record.incidents.get(&id))
        .filter(|incident| incident.is_public());
    let Some(incident) = found else {
        return not_found(State(site)).await.into_response();
    };
    let title = view.title(incident);
    let body = html! {
        (banner(&site))
        main {
            (view.incident(incident, UPDATES_ALL_MAX, true))
            p { a href="/" { "How things are now" } }
        }
        (view.footer())
    };
    let head = machines::links(&site);
    let page = STYLE.page(&format!("{title} · {}", site.name), head, body);
    page.into_response()
}

async fn not_found(State(site): State<Site>) -> (StatusCode, Markup) {
    let body = html! {
        (banner(&site))
        main {
            h1 { "There is no such page" }
            p { "Incidents older than the newest two hundred or so are no longer shown here." }
            p { a href="/" { "How things are now" } }
        }
    };
    let page = STYLE.page(&format!("No such page · {}", site.name), html! {}, body);
    (StatusCode::NOT_FOUND, page)
}

async fn healthz(State(site): State<Site>) -> Response {
    // Customers are told that, not why.
    let (status, text) = match site.now().ailment() {
        None => (StatusCode::OK, "ok\n"),
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, "not well\n"),
    };
    (status, [(header::CACHE_CONTROL, "no-store")], text).into_response()
}

async fn favicon() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "image/svg+xml"),
        (header::CACHE_CONTROL, "public, max-age=86400"),
    ];
    (headers, FAVICON)
}

fn banner(site: &Site) -> Markup {
    html! {
        header { p { a href="/" { (site.name) } " status" } }
    }
}
