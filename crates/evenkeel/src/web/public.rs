//! The public page: is it me, or is it you?
//!
//! The answer comes first, in words; then each function, what is going on, and what has
//! been. Everything said is made from facts by [`words`](crate::public::words), in five
//! languages; nothing an operator or a detector wrote is shown. When the pump has no picture of now, every status is
//! unknown: an old green is a lie.
//!
//! Under 30 KB in all, style and icon included, for a service as it usually is (a browser
//! test measures it): what could grow is bounded ([`PAST_MAX`], [`UPDATES_MAX`]) and the
//! strip costs its changes, not its days. Twenty functions that fail every day cost more.

pub mod documents;
pub mod machines;
mod said;
mod strip;
mod view;

use std::sync::LazyLock;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{MethodRouter, get};
use evenkeel_core::ids::IncidentId;
use evenkeel_edge::languages;
use maud::Markup;

use super::{FAVICON, Site, Style};
use crate::public::words::Language;

use documents::{Moment, address};

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
        ("/{language}", get(without_slash)),
        ("/{language}/", get(front_in)),
        ("/{language}/incidents/{id}", get(incident_in)),
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
        .fallback(missing)
        .layer(middleware::map_response(async |response: Response| {
            // Short: a cache in front takes the crowd, and nobody reads old news.
            STYLE.guard(response, "public, max-age=5")
        }))
        .with_state(site)
}

/// The language of a visitor's browser.
fn liked(headers: &HeaderMap) -> Language {
    let accepts = headers.get(header::ACCEPT_LANGUAGE);
    let accepts = accepts.and_then(|accepts| accepts.to_str().ok());
    languages::liked(accepts.unwrap_or_default())
}

/// The language that an address begins with: its tag as we write it, and no other.
fn named(tag: &str) -> Option<Language> {
    let mut all = Language::ALL.into_iter();
    all.find(|language| language.tag() == tag)
}

/// A document in a language that its address names.
fn in_language(language: Language, page: Markup) -> Response {
    ([(header::CONTENT_LANGUAGE, language.tag())], page).into_response()
}

/// A document at an address that has it in every language.
fn negotiated(language: Language, page: Markup) -> Response {
    let vary = [(header::VARY, "accept-language")];
    (vary, in_language(language, page)).into_response()
}

fn not_found(site: &Site, language: Language) -> Response {
    let page = negotiated(language, documents::missing(site, language));
    (StatusCode::NOT_FOUND, page).into_response()
}

async fn front(State(site): State<Site>, headers: HeaderMap) -> Response {
    let (published, language) = (site.now(), liked(&headers));
    let moment = Moment::of(&published);
    negotiated(
        language,
        documents::front(&site, &published, language, moment),
    )
}

async fn front_in(
    State(site): State<Site>,
    Path(tag): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Some(language) = named(&tag) else {
        return not_found(&site, liked(&headers));
    };
    let published = site.now();
    let moment = Moment::of(&published);
    in_language(
        language,
        documents::front(&site, &published, language, moment),
    )
}

/// `/de` is meant for `/de/`.
async fn without_slash(
    State(site): State<Site>,
    Path(tag): Path<String>,
    headers: HeaderMap,
) -> Response {
    match named(&tag) {
        Some(language) => Redirect::permanent(&address(language, None)).into_response(),
        None => not_found(&site, liked(&headers)),
    }
}

async fn incident(
    State(site): State<Site>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let language = liked(&headers);
    match incident_page(&site, &id, language) {
        Some(page) => negotiated(language, page),
        None => not_found(&site, language),
    }
}

async fn incident_in(
    State(site): State<Site>,
    Path((tag, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let Some(language) = named(&tag) else {
        return not_found(&site, liked(&headers));
    };
    match incident_page(&site, &id, language) {
        Some(page) => in_language(language, page),
        None => not_found(&site, language),
    }
}

fn incident_page(site: &Site, id: &str, language: Language) -> Option<Markup> {
    let (published, id) = (site.now(), id.parse::<IncidentId>().ok()?);
    let moment = Moment::of(&published);
    documents::incident(site, &published, language, moment, id)
}

async fn missing(State(site): State<Site>, uri: Uri, headers: HeaderMap) -> Response {
    let mut parts = uri.path().split('/').skip(1);
    let language = parts.next().and_then(named);
    not_found(&site, language.unwrap_or_else(|| liked(&headers)))
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
