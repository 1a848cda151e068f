//! JSON Feed 1.1 (<https://www.jsonfeed.org/version/1.1/>).

use serde::Serialize;

use super::super::picture::{Picture, millis};
use super::Feed;

pub(in super::super) fn feed(picture: &Picture<'_>) -> String {
    let feed = Feed::of(picture, "feed.json");
    let items = feed.entries.iter().map(|entry| Item {
        id: &entry.id,
        url: &entry.link,
        title: &entry.title,
        content_html: entry.html(feed.words).into_string(),
        content_text: entry.text(feed.words),
        date_published: millis(entry.published_at),
        date_modified: millis(entry.updated_at),
        tags: &entry.components,
    });
    let file = File {
        version: "https://jsonfeed.org/version/1.1",
        title: &feed.title,
        home_page_url: &feed.home,
        feed_url: &feed.address,
        description: &feed.subtitle,
        favicon: format!("{}/favicon.svg", picture.base()),
        authors: [Author {
            name: &picture.site.name,
        }],
        language: feed.words.language().tag(),
        items: items.collect(),
    };
    serde_json::to_string(&file).expect("texts and lists of them")
}

#[derive(Serialize)]
struct File<'a> {
    version: &'static str,
    title: &'a str,
    home_page_url: &'a str,
    feed_url: &'a str,
    description: &'a str,
    favicon: String,
    authors: [Author<'a>; 1],
    language: &'static str,
    items: Vec<Item<'a>>,
}

#[derive(Serialize)]
struct Author<'a> {
    name: &'a str,
}

#[derive(Serialize)]
struct Item<'a> {
    id: &'a str,
    url: &'a str,
    title: &'a str,
    content_html: String,
    content_text: String,
    date_published: String,
    date_modified: String,
    tags: &'a [String],
}
