//! The public page: is it me, or is it you?
//!
//! The answer comes first, in words; then each function, what is going on, and what has
//! been. Everything said is made from facts by [`words`](crate::public::words), in five
//! languages; nothing an operator or a detector wrote is shown. When the pump has no
//! picture of now, every status is unknown: an old green is a lie.
//!
//! Under 30 KB in all, style and icon included, for a service as it usually is (a browser
//! test measures it): what could grow is bounded ([`PAST_MAX`], [`UPDATES_MAX`]) and the
//! strip costs its changes, not its days. Twenty functions that fail every day cost more.

mod asked;
pub mod brand;
pub mod documents;
mod kept;
pub mod machines;
pub mod maintenance;
mod me;
pub(super) mod said;
pub mod settings;
pub mod signed;
mod strip;
pub mod subscribing;
mod view;
pub mod witness;

use std::sync::LazyLock;

use axum::extract::DefaultBodyLimit;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::middleware;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, get, post};
use axum::{Form, Router};
use evenkeel_core::ids::{IncidentId, MaintenanceId};
use serde::Deserialize;

use super::{FAVICON, Site, Style};
use crate::public::words::Language;

use asked::Asked;
use documents::{Moment, address};

static STYLE: LazyLock<Style> = LazyLock::new(|| Style::new(include_str!("public/page.css")));

/// The longest form: one word.
const FORM_MAX: usize = 1 << 10;

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
        ("/incidents/{id}/postmortem", get(postmortem)),
        ("/maintenance", get(calendar)),
        ("/maintenance/{id}", get(planned)),
        ("/{language}", get(without_slash)),
        ("/{language}/", get(front_in)),
        ("/{language}/incidents/{id}", get(incident_in)),
        ("/{language}/incidents/{id}/postmortem", get(postmortem_in)),
        ("/{language}/incidents/{id}/useful", post(useful)),
        ("/{language}/maintenance", get(calendar_in)),
        ("/{language}/maintenance/{id}", get(planned_in)),
        ("/healthz", get(healthz)),
        ("/favicon.svg", get(favicon)),
        ("/logo.svg", get(logo)),
        ("/logo.png", get(logo)),
        ("/logo.webp", get(logo)),
        ("/robots.txt", get(robots)),
    ];
    routes.extend(machines::routes());
    routes.extend(signed::routes());
    routes
}

/// The public listener's router.
pub fn router(site: Site) -> Router {
    let mut router = Router::new();
    for (path, method) in routes() {
        router = router.route(path, method);
    }
    let policy = policy(&site);
    router
        .fallback(missing)
        .layer(DefaultBodyLimit::max(FORM_MAX))
        .layer(middleware::map_response(move |response: Response| {
            let policy = policy.clone();
            // Short: a cache in front takes the crowd, and nobody reads old news.
            async move { STYLE.guard_by(response, "public, max-age=5", policy) }
        }))
        .layer(middleware::from_fn_with_state(
            kept::Kept::of(site.clone()),
            kept::kept,
        ))
        // What they answer is nobody else's business, and never in a cache.
        .merge(subscribing::router(&site))
        .with_state(site)
}

async fn front(State(site): State<Site>, asked: Asked) -> Response {
    let published = site.now();
    let moment = Moment::of(&published);
    asked.document(documents::front(&site, &published, asked.language, moment))
}

/// What stands below an address that begins with a language, and below no other.
async fn front_in(site: State<Site>, Path(tag): Path<String>, asked: Asked) -> Response {
    match Language::of_tag(&tag) {
        Some(_) => front(site, asked).await,
        None => missing(site, asked).await,
    }
}

/// `/de` is meant for `/de/`.
async fn without_slash(site: State<Site>, Path(tag): Path<String>, asked: Asked) -> Response {
    match Language::of_tag(&tag) {
        Some(language) => Redirect::permanent(&address(language, None)).into_response(),
        None => missing(site, asked).await,
    }
}

async fn incident(site: State<Site>, Path(id): Path<String>, asked: Asked) -> Response {
    let published = site.now();
    let moment = Moment::of(&published);
    let page = id
        .parse::<IncidentId>()
        .ok()
        .and_then(|id| documents::incident(&site, &published, asked.language, moment, id));
    match page {
        Some(page) => asked.document(page),
        None => missing(site, asked).await,
    }
}

async fn incident_in(
    site: State<Site>,
    Path((tag, id)): Path<(String, String)>,
    asked: Asked,
) -> Response {
    match Language::of_tag(&tag) {
        Some(_) => incident(site, Path(id), asked).await,
        None => missing(site, asked).await,
    }
}

#[derive(Deserialize)]
struct Opinion {
    answer: String,
}

/// Whether a reader found an incident's page useful.
async fn useful(
    site: State<Site>,
    Path((tag, id)): Path<(String, String)>,
    asked: Asked,
    Form(opinion): Form<Opinion>,
) -> Response {
    let published = site.now();
    let known = id.parse().ok().filter(|id| {
        let incident = published.record.incidents.get(id);
        incident.is_some_and(|incident| incident.is_public())
    });
    let is_useful = match opinion.answer.as_str() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    };
    let (Some(language), Some(id), Some(is_useful)) = (Language::of_tag(&tag), known, is_useful)
    else {
        return missing(site, asked).await;
    };
    site.useful.count(id, is_useful);
    let page = asked.document(documents::thanks(&site, language, id));
    ([(header::CACHE_CONTROL, "no-store")], page).into_response()
}

async fn postmortem(site: State<Site>, Path(id): Path<String>, asked: Asked) -> Response {
    let published = site.now();
    let moment = Moment::of(&published);
    let page = id
        .parse::<IncidentId>()
        .ok()
        .and_then(|id| documents::postmortem(&site, &published, asked.language, moment, id));
    match page {
        Some(page) => asked.document(page),
        None => missing(site, asked).await,
    }
}

async fn postmortem_in(
    site: State<Site>,
    Path((tag, id)): Path<(String, String)>,
    asked: Asked,
) -> Response {
    match Language::of_tag(&tag) {
        Some(_) => postmortem(site, Path(id), asked).await,
        None => missing(site, asked).await,
    }
}

async fn calendar(State(site): State<Site>, asked: Asked) -> Response {
    let published = site.now();
    let moment = Moment::of(&published);
    let page = documents::calendar(&site, &published, asked.language, moment);
    asked.document(page)
}

async fn calendar_in(site: State<Site>, Path(tag): Path<String>, asked: Asked) -> Response {
    match Language::of_tag(&tag) {
        Some(_) => calendar(site, asked).await,
        None => missing(site, asked).await,
    }
}

async fn planned(site: State<Site>, Path(id): Path<String>, asked: Asked) -> Response {
    let published = site.now();
    let moment = Moment::of(&published);
    let page = id
        .parse::<MaintenanceId>()
        .ok()
        .and_then(|id| documents::maintenance(&site, &published, asked.language, moment, id));
    match page {
        Some(page) => asked.document(page),
        None => missing(site, asked).await,
    }
}

async fn planned_in(
    site: State<Site>,
    Path((tag, id)): Path<(String, String)>,
    asked: Asked,
) -> Response {
    match Language::of_tag(&tag) {
        Some(_) => planned(site, Path(id), asked).await,
        None => missing(site, asked).await,
    }
}

async fn missing(State(site): State<Site>, asked: Asked) -> Response {
    let page = asked.document(documents::missing(&site, asked.language));
    (StatusCode::NOT_FOUND, page).into_response()
}

/// What a page may load and run: our own style, and where a browser asks the service, the
/// script that does, and that service. Judges of pages ask for `robots.txt` from within one.
fn policy(site: &Site) -> HeaderValue {
    let asks = site.settings.ask.as_ref().map(|ask| {
        let hash = super::integrity(me::SCRIPT);
        format!(" {}; script-src '{hash}'", ask.origin)
    });
    let asks = asks.unwrap_or_default();
    STYLE.policy_with(
        &site.settings.brand.css(),
        &format!("connect-src 'self'{asks}; form-action 'self'"),
    )
}

async fn logo(site: State<Site>, uri: Uri, asked: Asked) -> Response {
    match &site.settings.brand.logo {
        Some(logo) if logo.path == uri.path() => {
            let headers = [
                (header::CONTENT_TYPE, logo.content_type),
                (header::CACHE_CONTROL, "public, max-age=3600"),
            ];
            (headers, logo.bytes.clone()).into_response()
        }
        _ => missing(site, asked).await,
    }
}

async fn healthz(State(site): State<Site>) -> Response {
    // Customers are told that, not why.
    let (status, text) = match site.now().ailment() {
        None => (StatusCode::OK, "ok\n"),
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, "not well\n"),
    };
    (status, [(header::CACHE_CONTROL, "no-store")], text).into_response()
}

/// Whoever looks for the service in trouble finds its page.
async fn robots() -> &'static str {
    "User-agent: *\nAllow: /\n"
}

async fn favicon() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "image/svg+xml"),
        (header::CACHE_CONTROL, "public, max-age=86400"),
    ];
    (headers, FAVICON)
}
