//! RSS 2.0.
//!
//! RSS has one date for an item. It is that of the newest word, so that a revised item moves
//! up in readers, which know it by its `guid`.

use evenkeel_core::Timestamp;
use maud::html;

use super::super::picture::Picture;
use super::{Feed, XML, plain};

/// Minutes a reader may keep it.
const TTL: u32 = 1;

pub(in super::super) fn feed(picture: &Picture<'_>) -> String {
    let feed = Feed::of(picture, "feed.rss");
    let written = html! {
        rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom" {
            channel {
                title { (feed.title) }
                link { (plain(&feed.home)) }
                atom:link rel="self" type="application/rss+xml" href=(plain(&feed.address)) {}
                description { (feed.subtitle) }
                language { (feed.words.language().tag()) }
                pubDate { (date(feed.updated_at)) }
                lastBuildDate { (date(feed.updated_at)) }
                generator { "Evenkeel" }
                ttl { (TTL) }
                @for entry in &feed.entries {
                    item {
                        title { (plain(&entry.title)) }
                        link { (plain(&entry.link)) }
                        guid isPermaLink="false" { (entry.id) }
                        pubDate { (date(entry.updated_at)) }
                        @for component in &entry.components {
                            category { (component) }
                        }
                        // HTML as text: escaped once more.
                        description { (entry.html(feed.words).into_string()) }
                    }
                }
            }
        }
    };
    format!("{XML}{}", written.into_string())
}

/// RFC 822, with the year in four digits and the zone as a number.
fn date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}
