//! Atom (RFC 4287).

use evenkeel_core::Timestamp;
use maud::html;

use super::super::picture::Picture;
use super::{Feed, XML, plain};

pub(in super::super) fn feed(picture: &Picture<'_>) -> String {
    let feed = Feed::of(picture, "feed.atom");
    let written = html! {
        feed xmlns="http://www.w3.org/2005/Atom" xml:lang=(feed.words.language().tag()) {
            title { (feed.title) }
            subtitle { (feed.subtitle) }
            id { (feed.id) }
            updated { (date(feed.updated_at)) }
            link rel="alternate" type="text/html" href=(plain(&feed.home)) {}
            link rel="self" type="application/atom+xml" href=(plain(&feed.address)) {}
            author { name { (plain(&picture.site.name)) } }
            generator { "Evenkeel" }
            @for entry in &feed.entries {
                entry {
                    id { (entry.id) }
                    title { (plain(&entry.title)) }
                    link rel="alternate" type="text/html" href=(plain(&entry.link)) {}
                    published { (date(entry.published_at)) }
                    updated { (date(entry.updated_at)) }
                    category term=(entry.status) {}
                    @for component in &entry.components {
                        category term=(component) {}
                    }
                    // HTML as text: escaped once more.
                    content type="html" { (entry.html(feed.words).into_string()) }
                }
            }
        }
    };
    format!("{XML}{}", written.into_string())
}

fn date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
