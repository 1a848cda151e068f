//! Feeds: one entry for each incident and each maintenance, revised in place.
//!
//! An entry keeps its id for good, so that a reader shows one incident once, however often
//! something is said of it; `updated` moves with the newest word, which is what readers look
//! at to show it again. An entry holds all its updates, newest first, each led by where the
//! incident stood, as entries of Statuspage do.
//!
//! Nothing in a feed depends on when it is asked for: asked twice with nothing said in
//! between, it is the same file, and answered without a body.
//!
//! Written with the pages' own macros: elements are XML's as well as HTML's, and escaping
//! cannot be forgotten. What XML has no way to write at all (a name with a control character
//! in it) is replaced ([`plain`]). The crates `atom_syndication` and `rss` bring chrono and
//! XML readers for what is twenty lines of elements here.

pub(super) mod atom;
pub(super) mod json;
pub(super) mod rss;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BTreeSet;

use evenkeel_core::Timestamp;
use evenkeel_core::ids::ComponentId;
use maud::{Markup, PreEscaped, html};

use super::maintenances::Work;
use super::picture::{PLAIN, Picture, Told};
use crate::public::words::{Language, Words};
use crate::web::clock;
use crate::web::public::documents;

/// Components that an entry is filed under. Its text names them as the page does.
const TAGS_MAX: usize = 20;

/// The first line of an XML file.
pub(super) const XML: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n";

/// What every feed says of itself and its entries.
struct Feed {
    title: String,
    subtitle: String,
    words: &'static Words,
    /// The page's address, and this feed's.
    home: String,
    address: String,
    /// RFC 4151, and nobody else's: a name of the host.
    id: String,
    /// When the newest entry was last revised.
    updated_at: Timestamp,
    entries: Vec<Entry>,
}

/// An incident, or planned work.
struct Entry {
    id: String,
    title: String,
    link: String,
    status: &'static str,
    published_at: Timestamp,
    updated_at: Timestamp,
    updates: Vec<Said>,
    /// What it concerns, each once: some, where there are very many.
    components: Vec<String>,
}

/// What was said of it once.
struct Said {
    /// Where it stood, in a word or two.
    stood: String,
    at: Timestamp,
    text: String,
    /// What a person added, as HTML.
    added: Option<String>,
    /// All of it, as plain text.
    body: String,
}

impl Feed {
    /// The feed of this name: `feed.atom`.
    ///
    /// In another language it is another feed, and its entries are others: a reader who
    /// follows two of them sees an incident twice, and does not see them change in turn.
    fn of(picture: &Picture<'_>, name: &str) -> Self {
        let (base, host, words) = (picture.base(), picture.host(), picture.words);
        let language = words.language();
        let (home, suffix) = match language {
            PLAIN => ("/".to_owned(), String::new()),
            other => (documents::address(other, None), format!("/{}", other.tag())),
        };
        let told = picture.incidents().into_iter();
        let incidents = told.map(|told| {
            let id = format!("tag:{host},2026:incident/{}{suffix}", told.id);
            Entry::of_incident(picture, id, &told)
        });
        let works = picture.works(|_| true).into_iter();
        let works = works.map(|work| {
            let id = format!("tag:{host},2026:maintenance/{}{suffix}", work.id);
            Entry::of_work(picture, id, &work)
        });
        let mut entries: Vec<Entry> = incidents.chain(works).collect();
        entries.sort_by_key(|entry| Reverse(entry.published_at));
        let newest = entries.iter().map(|entry| entry.updated_at).max();
        Self {
            title: words.site(&plain(&picture.site.name)),
            subtitle: words.feed(),
            home: format!("{base}{home}"),
            address: format!("{base}{}", feed_address(language, name)),
            id: format!("tag:{host},2026:incidents{suffix}"),
            updated_at: newest.unwrap_or_else(|| picture.began_at()),
            entries,
            words,
        }
    }
}

/// Where the feed of this name is, in a language.
pub(in super::super) fn feed_address(language: Language, name: &str) -> String {
    match language {
        PLAIN => format!("/{name}"),
        other => format!("/{}/{name}", other.tag()),
    }
}

impl Entry {
    fn of_incident(picture: &Picture<'_>, id: String, told: &Told<'_>) -> Self {
        let updates = told.updates.iter().map(|update| Said {
            stood: update.label.clone(),
            at: update.at,
            text: update.text.clone(),
            added: update.said.as_ref().map(|said| {
                let address = |wrong| format!("{}#{wrong}", told.link);
                said.html(address).into_string()
            }),
            body: update.body(),
        });
        Self {
            id,
            title: told.title.clone(),
            link: told.link.clone(),
            status: told.word,
            published_at: told.incident.opened_at,
            updated_at: told.updated_at,
            updates: updates.collect(),
            components: tags(picture, told.incident.harmed.keys()),
        }
    }

    fn of_work(picture: &Picture<'_>, id: String, work: &Work<'_>) -> Self {
        let words = picture.words;
        let updates = work.updates.iter().map(|said| Said {
            stood: words.maintenance_status(said.status),
            at: said.at,
            text: said.text.clone(),
            added: said.original.as_ref().map(|said| {
                let address = |wrong| format!("{}#{wrong}", work.link);
                said.html(address).into_string()
            }),
            body: said.body(),
        });
        Self {
            id,
            title: work.title.clone(),
            link: work.link.clone(),
            status: work.state.status.as_str(),
            published_at: work.state.planned_at,
            updated_at: work.updated_at,
            updates: updates.collect(),
            components: tags(picture, work.state.plan.components.iter()),
        }
    }

    /// Its updates as HTML.
    fn html(&self, words: &Words) -> Markup {
        html! {
            @for update in &self.updates {
                div {
                    p {
                        strong { (update.stood) } " · "
                        (clock::element(update.at, &words.minute_of_day(update.at)))
                        br;
                        (plain(&update.text))
                    }
                    @if let Some(added) = &update.added { (PreEscaped(plain(added))) }
                }
            }
        }
    }

    /// Its updates as plain text.
    fn text(&self, words: &Words) -> String {
        let paragraphs = self.updates.iter().map(|update| {
            let when = words.minute_of_day(update.at);
            format!("{} · {when}\n{}", update.stood, plain(&update.body))
        });
        paragraphs.collect::<Vec<_>>().join("\n\n")
    }
}

/// The names of components, each once: some, where there are very many.
fn tags<'a>(picture: &Picture<'_>, ids: impl Iterator<Item = &'a ComponentId>) -> Vec<String> {
    let name = |id: &ComponentId| match picture.site.policy.components.get(id) {
        Some(component) => plain(&component.name).into_owned(),
        None => plain(id.as_str()).into_owned(),
    };
    let names: BTreeSet<String> = ids.map(name).collect();
    names.into_iter().take(TAGS_MAX).collect()
}

/// Text as XML can hold it: what it cannot (XML 1.0, production 2) is U+FFFD.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    let cannot = |c: char| {
        let is_control = c < ' ' && !matches!(c, '\t' | '\n' | '\r');
        is_control || matches!(c, '\u{fffe}' | '\u{ffff}')
    };
    if text.contains(cannot) {
        Cow::Owned(text.replace(cannot, "\u{fffd}"))
    } else {
        Cow::Borrowed(text)
    }
}
