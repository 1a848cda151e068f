//! Feeds: one entry for each incident, revised in place.
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

use evenkeel_core::Timestamp;
use maud::{Markup, PreEscaped, html};

use super::picture::{PLAIN, Picture, Told};
use crate::public::words::{Language, Words};
use crate::web::clock;
use crate::web::public::documents;

/// Components that an entry is filed under. Its text names them as the page does.
const TAGS_MAX: usize = 20;

/// The first line of an XML file.
pub(super) const XML: &str = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n";

/// What every feed says of itself and its entries.
struct Feed<'a> {
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
    entries: Vec<Entry<'a>>,
}

struct Entry<'a> {
    id: String,
    told: Told<'a>,
}

impl<'a> Feed<'a> {
    /// The feed of this name: `feed.atom`.
    ///
    /// In another language it is another feed, and its entries are others: a reader who
    /// follows two of them sees an incident twice, and does not see them change in turn.
    fn of(picture: &Picture<'a>, name: &str) -> Self {
        let (base, host, words) = (picture.base(), picture.host(), picture.words);
        let language = words.language();
        let (home, suffix) = match language {
            PLAIN => ("/".to_owned(), String::new()),
            other => (documents::address(other, None), format!("/{}", other.tag())),
        };
        let told = picture.incidents();
        let newest = told.iter().map(|told| told.updated_at).max();
        let entry = |told: Told<'a>| Entry {
            id: format!("tag:{host},2026:incident/{}{suffix}", told.id),
            told,
        };
        Self {
            title: words.site(&plain(&picture.site.name)),
            subtitle: words.feed(),
            home: format!("{base}{home}"),
            address: format!("{base}{}", feed_address(language, name)),
            id: format!("tag:{host},2026:incidents{suffix}"),
            updated_at: newest.unwrap_or_else(|| picture.began_at()),
            entries: told.into_iter().map(entry).collect(),
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

impl Entry<'_> {
    /// Its updates as HTML.
    fn html(&self, words: &Words) -> Markup {
        html! {
            @for update in &self.told.updates {
                div {
                    p {
                        strong { (words.incident_status(update.status)) } " · "
                        (clock::element(update.at, &words.minute_of_day(update.at)))
                        br;
                        (plain(&update.text))
                    }
                    @if let Some(said) = &update.said {
                        @let said = said.html(|wrong| format!("{}#{wrong}", self.told.link));
                        (PreEscaped(plain(&said.into_string())))
                    }
                }
            }
        }
    }

    /// Its updates as plain text.
    fn text(&self, words: &Words) -> String {
        let paragraphs = self.told.updates.iter().map(|update| {
            let word = words.incident_status(update.status);
            let when = words.minute_of_day(update.at);
            format!("{word} · {when}\n{}", plain(&update.body()))
        });
        paragraphs.collect::<Vec<_>>().join("\n\n")
    }

    /// The components it hurt, each once: some, where there are very many.
    fn components(&self, picture: &Picture<'_>) -> Vec<String> {
        let harmed = self.told.incident.harmed.keys();
        let names = harmed.map(|id| plain(picture.site.component_name(id)).into_owned());
        let names: std::collections::BTreeSet<String> = names.collect();
        names.into_iter().take(TAGS_MAX).collect()
    }
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
