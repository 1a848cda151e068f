//! The edition of a witness: the keeper's last one, with other words where it spoke of now.
//!
//! | of the keeper's edition | what becomes of it |
//! |---|---|
//! | front pages | the witness's own, in every language |
//! | `summary.json`, `status.json`, `components.json` of the API | the witness's own: nothing is operational, and the description is its sentence |
//! | pages of incidents, feeds, calendars, lists of incidents | byte for byte as they were: permanent links lead where they led. What of them speaks of now ends by itself |
//! | anything else | left out: it may speak of now and cannot end |
//!
//! Where nothing of the keeper's is held, the witness's own files are all there is.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use evenkeel_core::record::Record;
use evenkeel_core::status::Status;
use evenkeel_core::witness::Gap;
use evenkeel_core::{Timestamp, time};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::held::Held;
use crate::public::words::{Language, Words};
use crate::publish::edition::{Edition, EditionError, File, Listed, Moment, asked};
use crate::publish::expiry::Stamp;
use crate::publish::signing::Signer;
use crate::publish::statement::{Outside, Voice, millis, sign};
use crate::pump::published::Published;
use crate::web::public::documents::address;
use crate::web::public::witness::{Told, answer, router};
use crate::web::{Site, public};

/// Incidents that the front page leads to.
const BEFORE_MAX: usize = 20;

/// What of the API speaks of now; the rest is of incidents.
const API: [&str; 3] = [
    "/api/v2/summary.json",
    "/api/v2/status.json",
    "/api/v2/components.json",
];

/// What of the keeper's edition stays, with its type.
const STAYS: &[(&str, &str)] = &[
    ("feed.json", "application/feed+json; charset=utf-8"),
    ("robots.txt", "text/plain; charset=utf-8"),
    ("/index.html", "text/html; charset=utf-8"),
    (".atom", "application/atom+xml; charset=utf-8"),
    (".rss", "application/rss+xml; charset=utf-8"),
    (".ics", "text/calendar; charset=utf-8"),
    // What it reads is left out, so that it shows nothing.
    (".js", "text/javascript; charset=utf-8"),
    (".svg", "image/svg+xml"),
    (".png", "image/png"),
    (".webp", "image/webp"),
];

/// Makes and signs one.
///
/// # Errors
/// A page that cannot be made.
pub(super) async fn make(
    site: &Site,
    seen: &Record,
    gap: Gap,
    held: Option<&Held>,
    valid_for: Duration,
    signer: &Signer,
) -> Result<Edition, EditionError> {
    let made_at = Timestamp::now();
    let stamp = Stamp {
        made_at,
        valid_until: time::after(made_at, valid_for),
    };
    let record = never_operational(seen);
    let fails = record.components.iter();
    let fails = fails
        .filter(|(_, state)| state.status.is_harm())
        .map(|(id, state)| (id.clone(), state.status));
    let fails = fails.collect();
    let published = Arc::new(Published::of(record));
    let (_pump, frozen) = watch::channel(published);
    let site = Site {
        published: frozen,
        ..site.clone()
    };
    let told = Told {
        gap,
        before: held.map(before).unwrap_or_default(),
    };
    let fronts = Language::ALL.map(|language| address(language, None));
    let fronts: Vec<String> = fronts.into_iter().chain(["/".to_owned()]).collect();
    let mut files = held.map_or_else(Vec::new, |held| kept(held, &fronts));
    let now = |path: &str| Listed {
        path: path.to_owned(),
        speaks_of: Moment::Now,
    };
    let machines = public::router(site.clone());
    let sentence = answer(Words::of(Language::English), &gap, made_at);
    for path in API {
        let file = asked(&machines, now(path), &site.name, stamp, valid_for).await?;
        files.push(in_our_words(file, &sentence, gap, held));
    }
    if held.is_none_or(|held| !held.files.contains_key("favicon.svg")) {
        let icon = Listed {
            path: "/favicon.svg".into(),
            speaks_of: Moment::Past,
        };
        files.insert(
            0,
            asked(&machines, icon, &site.name, stamp, valid_for).await?,
        );
    }
    let pages = router(site.clone(), told);
    for path in &fronts {
        files.push(asked(&pages, now(path), &site.name, stamp, valid_for).await?);
    }
    let mut edition = Edition { stamp, files };
    sign(&mut edition, Voice::Witness(Outside { gap, fails }), signer);
    Ok(edition)
}

/// What the witness sees, without what it may not say.
fn never_operational(seen: &Record) -> Record {
    let mut record = seen.clone();
    for state in record.components.values_mut() {
        if !state.status.is_harm() {
            state.status = Status::Unknown;
        }
    }
    // Nothing of the witness's own is told of: incidents are the keeper's to number.
    record.incidents.clear();
    record.messages.clear();
    record
}

/// The keeper's files that stay.
fn kept(held: &Held, fronts: &[String]) -> Vec<File> {
    let files = held.files.iter().filter_map(|(name, bytes)| {
        let api = name.starts_with("api/v2/") && name.ends_with(".json");
        let api = api.then_some("application/json; charset=utf-8");
        let stays = || STAYS.iter().find(|(ending, _)| name.ends_with(ending));
        let content_type = api.or_else(|| stays().map(|(_, content_type)| *content_type))?;
        let path = match name.strip_suffix("/index.html") {
            Some(page) => format!("/{page}"),
            None => format!("/{name}"),
        };
        let is_ours = API.contains(&path.as_str())
            || fronts
                .iter()
                .any(|front| front.trim_end_matches('/') == path);
        (!is_ours).then(|| {
            File::new(
                path,
                Moment::Past,
                bytes.clone(),
                content_type.into(),
                "public, max-age=5, must-revalidate".into(),
            )
        })
    });
    files.collect()
}

/// Incidents the keeper told of, by language, as its feeds have them.
fn before(held: &Held) -> std::collections::BTreeMap<&'static str, Vec<(String, String)>> {
    let of = |language: Language| {
        let tag = language.tag();
        let feed = held.files.get(&format!("{tag}/feed.json"))?;
        let feed: Value = serde_json::from_slice(feed).ok()?;
        let entry = |item: &Value| {
            let title = item.get("title")?.as_str()?.to_owned();
            let url = item.get("url")?.as_str()?;
            // The path only: this copy may have another name.
            let path = url.split_once("://")?.1.split_once('/')?.1;
            Some((title, format!("/{path}")))
        };
        let items = feed.get("items")?.as_array()?.iter();
        Some((tag, items.filter_map(entry).take(BEFORE_MAX).collect()))
    };
    Language::ALL.into_iter().filter_map(of).collect()
}

/// The API's status in the witness's words, with what the keeper told of and did not resolve.
fn in_our_words(file: File, sentence: &str, gap: Gap, held: Option<&Held>) -> File {
    let Ok(mut answer) = serde_json::from_slice::<Value>(&file.bytes) else {
        return file;
    };
    if let Some(status) = answer.get_mut("status") {
        status["description"] = sentence.into();
    }
    let incidents = held
        .and_then(|held| held.files.get(file.path.trim_start_matches('/')))
        .and_then(|bytes| serde_json::from_slice::<Value>(bytes).ok())
        .and_then(|before| before.get("incidents").cloned());
    if let (Some(incidents), Some(place)) = (incidents, answer.get_mut("incidents")) {
        *place = incidents;
    }
    answer["evenkeel_witness"] = json!({
        "keeper_silent_since": millis(gap.since),
        "service_from_outside": gap.service.as_str(),
    });
    File::new(
        file.path,
        file.speaks_of,
        Bytes::from(answer.to_string()),
        file.content_type,
        file.cache_control,
    )
}
