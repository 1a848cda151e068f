//! The public status for machines: Statuspage's API, feeds and badges.
//!
//! | address | what |
//! |---|---|
//! | `/api/v2/...json` | what clients of Statuspage ask for ([`api`]) |
//! | `/feed.atom`, `/feed.rss`, `/feed.json` | one entry for each incident and maintenance ([`feeds`]) |
//! | `/de/feed.atom`, and so on | the same in a language |
//! | `/history.atom`, `/history.rss` | the same, where readers of Statuspage look |
//! | `/banner.js`, `/banner.json` | in the application, for services without the edge ([`banner`]) |
//! | `/hotline/de.txt`, and so on | what whoever calls hears ([`hotline`]) |
//! | `/maintenance.ics`, `/de/maintenance.ics`, and so on | planned work ([`calendar`]) |
//! | `/badge.svg`, `/badge.json`, `/badge/COMPONENT.svg`, `.json` | for other people's pages ([`badge`]) |
//!
//! All of it says what the page says, from the same picture and in the words of the same
//! functions; whoever may read the page may read it from any origin, and put it into pages
//! of their own. There are no query parameters, so that every answer can be a file on
//! another host: [`paths`] lists them.
//!
//! Nothing here can expire by itself the way a page can. So caches are told to ask again
//! rather than to go on with what they have (`must-revalidate`), and every answer carries
//! when it was true: `page.updated_at` in the API, `updated` in feeds.

mod api;
mod badge;
mod banner;
mod calendar;
mod feeds;
mod hotline;
mod maintenances;
mod picture;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use evenkeel_core::message::{Body, Message};
use evenkeel_core::policy::Policy;
use maud::{Markup, html};
use sha2::{Digest, Sha256};

use super::asked::Asked;
use super::missing;
use crate::public::words::{Language, Words};
use crate::pump::published::Published;
use crate::web::{CROSS_ORIGIN_RESOURCE_POLICY, Site};
use feeds::feed_address;
pub(crate) use hotline::texts as hotline_texts;
pub(crate) use picture::millis;
use picture::{PLAIN, Picture};

/// What a webhook is told of a message, in Statuspage's shape; nothing of one that customers
/// do not know of.
pub(crate) fn posted(site: &Site, published: &Published, message: &Message) -> serde_json::Value {
    let picture = Picture::of(site, published, PLAIN);
    let posted = match (&message.body, message.incident) {
        (Body::Maintenance(word), _) => api::posted_work(&picture, word.maintenance),
        (_, Some(incident)) => api::posted(&picture, incident),
        (_, None) => None,
    };
    posted.unwrap_or_default()
}

/// A file that is the same at every address but for what it says.
struct File {
    path: &'static str,
    content_type: &'static str,
    /// How long a cache may give it out unasked, in seconds.
    fresh: u32,
    write: fn(&Picture<'_>) -> String,
}

const JSON: &str = "application/json; charset=utf-8";
const ATOM: &str = "application/atom+xml; charset=utf-8";
const RSS: &str = "application/rss+xml; charset=utf-8";
const JSON_FEED: &str = "application/feed+json; charset=utf-8";
const SVG: &str = "image/svg+xml";
const CALENDAR: &str = "text/calendar; charset=utf-8";

/// The calendar of planned work.
const CALENDAR_PATH: &str = "/maintenance.ics";

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

/// As long as for the page: what is polled says how things are.
const NOW: u32 = 5;
/// Readers ask every few minutes at most, many of them at the same second.
const FEED: u32 = 30;
/// It is with every page of the service; a newer one may come with a newer Evenkeel.
const SCRIPT: u32 = 3600;

/// The files that are always there.
const FILES: &[File] = &[
    file("/api/v2/summary.json", JSON, NOW, api::summary),
    file("/api/v2/status.json", JSON, NOW, api::status),
    file("/api/v2/components.json", JSON, NOW, api::components),
    file("/api/v2/incidents.json", JSON, NOW, api::incidents),
    file(
        "/api/v2/incidents/unresolved.json",
        JSON,
        NOW,
        api::unresolved,
    ),
    file(
        "/api/v2/scheduled-maintenances.json",
        JSON,
        NOW,
        api::maintenances,
    ),
    file(
        "/api/v2/scheduled-maintenances/active.json",
        JSON,
        NOW,
        api::maintenances_active,
    ),
    file(
        "/api/v2/scheduled-maintenances/upcoming.json",
        JSON,
        NOW,
        api::maintenances_upcoming,
    ),
    file("/feed.atom", ATOM, FEED, feeds::atom::feed),
    file("/feed.rss", RSS, FEED, feeds::rss::feed),
    file("/feed.json", JSON_FEED, FEED, feeds::json::feed),
    file("/history.atom", ATOM, FEED, feeds::atom::feed),
    file("/history.rss", RSS, FEED, feeds::rss::feed),
    file("/banner.js", JAVASCRIPT, SCRIPT, |_| {
        banner::SCRIPT.to_owned()
    }),
    file("/banner.json", JSON, NOW, banner::answer),
    file("/hotline.json", JSON, NOW, hotline::every_language),
    file(CALENDAR_PATH, CALENDAR, FEED, calendar::calendar),
    file("/badge.svg", SVG, NOW, |picture| {
        badge::Badge::of_all(picture).svg()
    }),
    file("/badge.json", JSON, NOW, |picture| {
        badge::Badge::of_all(picture).endpoint()
    }),
];

const fn file(
    path: &'static str,
    content_type: &'static str,
    fresh: u32,
    write: fn(&Picture<'_>) -> String,
) -> File {
    File {
        path,
        content_type,
        fresh,
        write,
    }
}

/// Their routes.
pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Site>)> {
    let mut routes: Vec<_> = FILES
        .iter()
        .map(|file| {
            let answer = move |State(site): State<Site>, headers: HeaderMap| async move {
                let published = site.now();
                let body = (file.write)(&Picture::of(&site, &published, PLAIN));
                answer(body, file.content_type, file.fresh, &headers)
            };
            (file.path, get(answer))
        })
        .collect();
    routes.push(("/badge/{file}", get(component_badge)));
    routes.push(("/hotline/{file}", get(hotline_file)));
    routes.push(("/{language}/{feed}", get(feed_in)));
    routes
}

/// Every address there is an answer at, for whoever makes files of them.
pub fn paths(policy: &Policy) -> Vec<String> {
    let fixed = FILES.iter().map(|file| file.path.to_owned());
    let badges = policy
        .components
        .keys()
        .flat_map(|id| ["svg", "json"].map(|kind| format!("/badge/{id}.{kind}")));
    let feeds = Language::ALL.into_iter().flat_map(|language| {
        let tag = language.tag();
        FEEDS.map(|(name, ..)| format!("/{tag}/{name}"))
    });
    let all = fixed.chain(badges).chain(feeds);
    all.chain(hotline::paths()).collect()
}

/// The feeds every language has: their names, what a reader looks for, what a person calls
/// them.
const FEEDS: [(&str, &str, &str); 4] = [
    ("feed.atom", "application/atom+xml", "Atom"),
    ("feed.rss", "application/rss+xml", "RSS"),
    ("feed.json", "application/feed+json", "JSON Feed"),
    ("maintenance.ics", "text/calendar", "iCalendar"),
];

/// Where the calendar of planned work is, in a language.
pub(super) fn calendar_address(language: Language) -> String {
    feed_address(language, &CALENDAR_PATH[1..])
}

/// What a page's head says of them, so that readers find the feeds by the page's address.
pub(super) fn links(site: &Site, words: &Words) -> Markup {
    let title = words.site(&site.name);
    html! {
        @for (name, kind, of) in FEEDS {
            @let address = feed_address(words.language(), name);
            link rel="alternate" type=(kind) title=(format!("{title} ({of})")) href=(address);
        }
    }
}

/// The same for people, below every page.
pub(super) fn follow(words: &Words) -> Markup {
    let address = |name| feed_address(words.language(), name);
    html! {
        p {
            (words.follow()) " " a href=(address("feed.atom")) { "Atom" }
            ", " a href=(address("feed.rss")) { "RSS" }
            ", " a href=(address("feed.json")) { "JSON" } ". "
            (words.programs()) " " a href="/api/v2/summary.json" { "summary.json" } ". "
            (words.signed()) " " a href="/minisign.pub" { "minisign.pub" } "."
        }
    }
}

/// A feed in a language: `/de/feed.atom`.
async fn feed_in(
    State(site): State<Site>,
    Path((tag, name)): Path<(String, String)>,
    asked: Asked,
    headers: HeaderMap,
) -> Response {
    let language = Language::of_tag(&tag);
    let is_feed = FEEDS.iter().any(|(feed, ..)| *feed == name);
    let file = FILES.iter().find(|file| file.path[1..] == name);
    let (Some(language), true, Some(file)) = (language, is_feed, file) else {
        return missing(State(site), asked).await;
    };
    let published = site.now();
    let body = (file.write)(&Picture::of(&site, &published, language));
    answer(body, file.content_type, file.fresh, &headers)
}

/// What callers hear: `de.txt`, `de.vxml`.
async fn hotline_file(
    State(site): State<Site>,
    Path(file): Path<String>,
    asked: Asked,
    headers: HeaderMap,
) -> Response {
    let Some((language, form)) = hotline::named(&file) else {
        return missing(State(site), asked).await;
    };
    let published = site.now();
    let body = (form.write)(&Picture::of(&site, &published, language));
    answer(body, form.content_type, NOW, &headers)
}

/// A component's badge: `login.svg`, `login.json`.
async fn component_badge(
    State(site): State<Site>,
    Path(file): Path<String>,
    asked: Asked,
    headers: HeaderMap,
) -> Response {
    let published = site.now();
    let picture = Picture::of(&site, &published, PLAIN);
    let wanted = file.rsplit_once('.');
    let found = wanted.and_then(|(id, kind)| Some((badge::Badge::of(&picture, id)?, kind)));
    match found {
        Some((badge, "svg")) => answer(badge.svg(), SVG, NOW, &headers),
        Some((badge, "json")) => answer(badge.endpoint(), JSON, NOW, &headers),
        _ => missing(State(site), asked).await,
    }
}

/// An answer anybody may use anywhere, and need not fetch twice.
fn answer(body: String, content_type: &'static str, fresh: u32, asked: &HeaderMap) -> Response {
    let tag = format!(
        "\"{}\"",
        picture::hex(&Sha256::digest(body.as_bytes())[..12])
    );
    let cache = format!("public, max-age={fresh}, must-revalidate");
    let is_known = asked
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|known| known.trim().trim_start_matches("W/"))
        .any(|known| known == tag || known == "*");
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, content_type)], body).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    // A badge stands in pages of other origins.
    headers.insert(
        CROSS_ORIGIN_RESOURCE_POLICY,
        HeaderValue::from_static("cross-origin"),
    );
    for (name, value) in [(header::ETAG, tag), (header::CACHE_CONTROL, cache)] {
        let value = HeaderValue::from_str(&value).expect("hexadecimal digits and plain words");
        headers.insert(name, value);
    }
    response
}
