//! The journal, searched: read-only, beside the pump, newest first.
//!
//! The journal has no index by text, and gets none: it is searched backwards from the
//! newest entry (or from a time), [`SCANNED_MAX`] entries a request at most, and the page
//! says how far it came and where to go on. [`AT_ONCE`] searches run at a time.

use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use evenkeel_core::Timestamp;
use evenkeel_core::event::Event;
use evenkeel_journal::{Entry, Journal, ReadError, Revision, SqliteJournal, codec};
use maud::{Markup, html};
use serde::Deserialize;

use super::gate::{Desk, in_query};
use super::{Console, not_found};
use crate::web::{account, clock};

/// Searches at once.
pub(super) const AT_ONCE: usize = 2;

/// Entries looked at for one page: some 30 ms.
const SCANNED_MAX: u64 = 5_000;

/// Entries on one page.
const SHOWN_MAX: usize = 100;

/// Entries read at once.
const WINDOW: u64 = 500;

/// What is looked for.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(crate) struct Search {
    /// The beginning of a kind: `run_`, `action_ended`.
    pub(crate) kind: String,
    /// A subject: `job:nightly-export`, `I-3`.
    pub(crate) subject: String,
    /// Any text in the sentence or the entry.
    pub(crate) text: String,
    /// Nothing newer than this time.
    pub(crate) until: String,
    /// Nothing at or after this revision.
    pub(crate) before: String,
}

/// What was found.
pub(crate) struct Found {
    /// The entries, newest first, each with what it means where that is known.
    pub(crate) entries: Vec<(Entry, Option<Event>)>,
    /// Where to go on: nothing before it was looked at.
    pub(crate) earlier: Option<u64>,
    /// How many were looked at.
    pub(crate) scanned: u64,
}

impl Found {
    /// The way to what is earlier.
    pub(super) fn further(&self, path: &str, search: &Search) -> Markup {
        let fields = [
            ("kind", &search.kind),
            ("subject", &search.subject),
            ("text", &search.text),
        ];
        let query: String = fields
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| format!("{name}={}&", in_query(value)))
            .collect();
        html! {
            @if let Some(before) = self.earlier {
                p {
                    a href={ (path) "?" (query) "before=" (before) } { "Earlier entries" }
                    span.dim { " (" (self.scanned) " were looked at, down to " (before) ")" }
                }
            } @else {
                p.dim { "That is all there is." }
            }
        }
    }
}

/// Why a search was not made.
#[derive(Debug)]
pub(crate) enum Unsearched {
    /// Others search.
    Busy,
    /// What was asked for cannot be.
    Malformed(String),
    /// The journal cannot be read.
    Unreadable(String),
}

/// Looks through the journal.
pub(crate) async fn look(console: &Console, search: &Search) -> Result<Found, Unsearched> {
    let Ok(room) = console.rooms.journal.clone().try_acquire_owned() else {
        return Err(Unsearched::Busy);
    };
    let until = match search.until.trim() {
        "" => None,
        text => Some(moment(text).ok_or_else(|| {
            Unsearched::Malformed(format!(
                "`{text}` is no time: write 2026-11-18 or 2026-11-18T02:14 (UTC)"
            ))
        })?),
    };
    let before = match search.before.trim() {
        "" => None,
        text => Some(text.parse::<u64>().map_err(|_| {
            Unsearched::Malformed(format!("`{text}` is no revision: it is a number"))
        })?),
    };
    let (path, search) = (console.places.journal.clone(), search.clone());
    let looked = tokio::task::spawn_blocking(move || {
        let _room = room;
        let journal = SqliteJournal::open_read_only(&path).map_err(|error| error.to_string())?;
        scan(&journal, &search, until, before).map_err(|error| error.to_string())
    });
    match looked.await {
        Ok(Ok(found)) => Ok(found),
        Ok(Err(why)) => Err(Unsearched::Unreadable(why)),
        Err(error) => Err(Unsearched::Unreadable(error.to_string())),
    }
}

/// The same, for a page.
pub(super) async fn search(console: &Console, search: &Search) -> Result<Found, Response> {
    look(console, search).await.map_err(|why| match why {
        Unsearched::Busy => (
            StatusCode::SERVICE_UNAVAILABLE,
            "others are searching the journal: try again in a moment\n",
        )
            .into_response(),
        Unsearched::Malformed(why) => (StatusCode::BAD_REQUEST, format!("{why}\n")).into_response(),
        Unsearched::Unreadable(why) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the journal cannot be read: {why}\n"),
        )
            .into_response(),
    })
}

/// `2026-11-18`, `2026-11-18T02:14`, or a whole timestamp.
fn moment(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse() {
        return Some(at);
    }
    let civil: jiff::civil::DateTime = match text.parse::<jiff::civil::Date>() {
        Ok(date) if !text.contains('T') => date.at(23, 59, 59, 999_999_999),
        _ => text.parse().ok()?,
    };
    Some(civil.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
}

fn scan(
    journal: &dyn Journal,
    search: &Search,
    until: Option<Timestamp>,
    before: Option<u64>,
) -> Result<Found, ReadError> {
    let newest = journal.revision()?.0.saturating_add(1);
    let mut before = before.unwrap_or(newest).min(newest);
    if let Some(until) = until {
        before = before.min(first_after(journal, until, before)?);
    }
    let wanted = Wanted::of(search);
    let mut found = Found {
        entries: Vec::new(),
        earlier: None,
        scanned: 0,
    };
    while before > 1 {
        if found.scanned >= SCANNED_MAX || found.entries.len() >= SHOWN_MAX {
            found.earlier = Some(before);
            return Ok(found);
        }
        let after = before.saturating_sub(WINDOW + 1);
        let mut window = Vec::new();
        let mut at = after;
        // A page ends where the journal says, and leaves out what was removed.
        while at + 1 < before {
            let page = journal.read(Revision(at), usize::try_from(before - at - 1).unwrap_or(1))?;
            let Some(last) = page.last() else { break };
            at = last.revision.0;
            window.extend(page.into_iter().filter(|entry| entry.revision.0 < before));
        }
        // What was removed was looked at as well: a gap ends, too.
        found.scanned += before - after - 1;
        before = after + 1;
        for entry in window.into_iter().rev() {
            let Some(event) = wanted.matches(&entry) else {
                continue;
            };
            if found.entries.len() >= SHOWN_MAX {
                // The page is full in the middle of a window.
                before = found
                    .entries
                    .last()
                    .map_or(before, |(last, _)| last.revision.0);
                break;
            }
            found.entries.push((entry, event));
        }
    }
    Ok(found)
}

/// The first revision after a time: entries are in the order of time but for small steps
/// of the clock, and an operator looks for a minute.
fn first_after(journal: &dyn Journal, until: Timestamp, newest: u64) -> Result<u64, ReadError> {
    let (mut low, mut high) = (0, newest);
    while low + 1 < high {
        let middle = low + (high - low) / 2;
        let entry = journal.read(Revision(middle - 1), 1)?;
        match entry.first() {
            Some(entry) if entry.at <= until => low = entry.revision.0.max(middle),
            _ => high = middle,
        }
    }
    Ok(low + 1)
}

struct Wanted {
    kind: String,
    subject: Option<(String, String)>,
    name: String,
    text: String,
}

impl Wanted {
    fn of(search: &Search) -> Self {
        let subject = search.subject.trim();
        Self {
            kind: search.kind.trim().to_lowercase(),
            subject: subject
                .split_once(':')
                .map(|(kind, name)| (kind.to_owned(), name.to_owned())),
            name: subject.to_owned(),
            text: search.text.trim().to_lowercase(),
        }
    }

    /// Whether an entry is one of those, and what it means.
    fn matches(&self, entry: &Entry) -> Option<Option<Event>> {
        if !entry.kind.starts_with(&self.kind) {
            return None;
        }
        if !self.name.is_empty() {
            let body = serde_json::from_slice::<serde_json::Value>(&entry.body).ok()?;
            if !self.names(&body) {
                return None;
            }
        }
        let event = codec::decode(entry).ok().flatten();
        if !self.text.is_empty() {
            let sentence = event.as_ref().map(|event| account::sentence(&event.what));
            let in_sentence = sentence.is_some_and(|said| said.to_lowercase().contains(&self.text));
            let body = || String::from_utf8_lossy(&entry.body).to_lowercase();
            if !in_sentence && !body().contains(&self.text) {
                return None;
            }
        }
        Some(event)
    }

    /// Whether a body names the subject: `{"type":"job","id":"x"}`, `"job":"x"`, or `"x"`.
    fn names(&self, body: &serde_json::Value) -> bool {
        use serde_json::Value;
        match body {
            Value::String(text) => *text == self.name,
            Value::Array(all) => all.iter().any(|value| self.names(value)),
            Value::Object(fields) => {
                if let Some((kind, name)) = &self.subject {
                    let is = |key: &str, wanted: &str| {
                        fields.get(key).is_some_and(|value| value == wanted)
                    };
                    if is(kind, name) || (is("type", kind) && is("id", name)) {
                        return true;
                    }
                }
                fields.values().any(|value| self.names(value))
            }
            _ => false,
        }
    }
}

/// `/journal`.
pub(super) async fn page(desk: Desk, Query(search): Query<Search>) -> Response {
    let found = match self::search(&desk.console, &search).await {
        Ok(found) => found,
        Err(refusal) => return refusal,
    };
    let body = html! {
        h1 { "The journal" }
        form.search method="get" action="/journal" {
            label { "Kind begins with " input type="text" name="kind" value=(search.kind) placeholder="action_" maxlength="64" list="kinds"; }
            label { "Subject " input type="text" name="subject" value=(search.subject) placeholder="job:nightly-export" maxlength="200"; }
            label { "Text " input type="text" name="text" value=(search.text) maxlength="200"; }
            label { "Until (UTC) " input type="text" name="until" value=(search.until) placeholder="2026-11-18T02:14" maxlength="40"; }
            button type="submit" { "Search" }
        }
        datalist #kinds { @for (kind, _) in evenkeel_core::event::What::KINDS { option value=(kind) {} } }
        @if found.entries.is_empty() { p.dim { "Nothing like that" @if found.earlier.is_some() { " in this part of the journal" } "." } }
        @else { (table(&desk, &found)) }
        (found.further("/journal", &search))
    };
    desk.page("Journal", body).into_response()
}

fn table(desk: &Desk, found: &Found) -> Markup {
    html! {
        table {
            thead { tr { th { "Entry" } th { "When" } th { "Kind" } th { "What happened" } } }
            tbody {
                @for (entry, event) in &found.entries {
                    tr {
                        td.number { a href={ "/journal/" (entry.revision.0) } { (entry.revision.0) } }
                        td { (clock::ago(entry.at, desk.now)) }
                        td.kind { code { (entry.kind) } }
                        td {
                            @match event {
                                Some(event) => (account::sentence(&event.what)),
                                None => span.dim { "Evenkeel's own, or of a later version" },
                            }
                        }
                    }
                }
            }
        }
    }
}

/// `/journal/91`: one entry as it is written.
pub(super) async fn one(desk: Desk, Path(revision): Path<u64>) -> Response {
    let Some(before) = revision.checked_add(1) else {
        return not_found(desk).await;
    };
    let search = Search {
        before: before.to_string(),
        ..Search::default()
    };
    let found = match self::search(&desk.console, &search).await {
        Ok(found) => found,
        Err(refusal) => return refusal,
    };
    let entry = found
        .entries
        .into_iter()
        .find(|(entry, _)| entry.revision.0 == revision);
    let Some((entry, event)) = entry else {
        return not_found(desk).await;
    };
    let body: serde_json::Value = serde_json::from_slice(&entry.body).unwrap_or_default();
    let written = serde_json::to_string_pretty(&body).unwrap_or_default();
    let body = html! {
        h1 { "Entry " (revision) }
        @if let Some(event) = &event { p { (account::sentence(&event.what)) } }
        dl.facts {
            div { dt { "kind" } dd { code { (entry.kind) " v" (entry.version) } } }
            div { dt { "at" } dd { (clock::ago(entry.at, desk.now)) } }
        }
        pre tabindex="0" { (written) }
        p.dim { "Hash of the chain up to here: " code { (entry.hash) } }
        p { a href={ "/journal?before=" (revision) } { "Entries before it" } }
    };
    desk.page(&format!("Entry {revision}"), body)
        .into_response()
}
