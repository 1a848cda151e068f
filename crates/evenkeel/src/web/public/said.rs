//! What a person added to an update: facts, and a few sentences of their own, shown as they
//! wrote them beside the others. Who they are and why they said so is not for customers.
//!
//! Made once for all who say it: the page, feeds, the API, and the console's preview.

use evenkeel_core::ids::MessageId;
use evenkeel_core::message::{Body, Message};
use evenkeel_core::telling::{Affected, DataAffected, FreeText, PersonWord};
use maud::{Markup, html};

use crate::public::words::Words;
use crate::web::Site;

/// A person's part of an update, in a reader's language.
pub(in crate::web) struct Said<'a> {
    /// The earlier update that it corrects, and what is said of that.
    pub(in crate::web) corrects: Option<(MessageId, String)>,
    /// What they know.
    pub(in crate::web) facts: Vec<String>,
    /// What they wrote, and what stands before it.
    pub(in crate::web) original: Option<(String, &'a FreeText)>,
}

impl<'a> Said<'a> {
    pub(in crate::web) fn of(site: &Site, words: &Words, word: &'a PersonWord) -> Self {
        let facts = &word.facts;
        let works = facts.works.iter().map(|id| site.component_name(id));
        let works: Vec<&str> = works.collect();
        let affected = facts.affected.as_ref().map(|affected| match affected {
            Affected::All => words.affected_all(),
            Affected::Some => words.affected_some(),
            Affected::Group(name) => words.affected_group(name),
        });
        let data = facts.data.map(|data| match data {
            DataAffected::No => words.data_safe(),
            DataAffected::Yes => words.data_affected(),
            DataAffected::BeingChecked => words.data_checked(),
        });
        let works = words.unharmed(&works, false);
        let original = |free: &'a FreeText| (words.original(free.language.own_name()), free);
        Self {
            corrects: word.corrects.map(|wrong| (wrong, words.corrects())),
            facts: [affected, data, works].into_iter().flatten().collect(),
            original: word.text.as_ref().map(original),
        }
    }

    /// What a person wrote, and nothing else.
    pub(in crate::web) fn original(words: &Words, free: &'a FreeText) -> Self {
        Self {
            corrects: None,
            facts: Vec::new(),
            original: Some((words.original(free.language.own_name()), free)),
        }
    }

    /// As HTML; a correction links to what it corrects with `address`.
    pub(in crate::web) fn html(&self, address: impl Fn(MessageId) -> String) -> Markup {
        html! {
            @if let Some((wrong, said)) = &self.corrects {
                p { a href=(address(*wrong)) { (said) } }
            }
            @for fact in &self.facts { p { (fact) } }
            @if let Some((before, free)) = &self.original {
                p { (before) }
                blockquote lang=(free.language.tag()) {
                    @for paragraph in paragraphs(&free.text) { p { (paragraph) } }
                }
            }
        }
    }

    /// As plain text, a line for each paragraph.
    pub(in crate::web) fn text(&self) -> String {
        let corrects = self.corrects.iter().map(|(_, said)| said.as_str());
        let facts = self.facts.iter().map(String::as_str);
        let original = self.original.iter().flat_map(|(before, free)| {
            let before = std::iter::once(before.as_str());
            before.chain(paragraphs(&free.text))
        });
        let lines: Vec<&str> = corrects.chain(facts).chain(original).collect();
        lines.join("\n")
    }
}

fn paragraphs(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').filter(|line| !line.trim().is_empty())
}

/// The person's part of an update; nothing where it has none.
pub(super) fn said(site: &Site, words: &Words, message: &Message) -> Markup {
    match &message.body {
        Body::Public {
            person: Some(word), ..
        } => Said::of(site, words, word).html(|wrong| format!("#{wrong}")),
        _ => html! {},
    }
}
