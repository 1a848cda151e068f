//! What a person added to an update: facts, and a few sentences of their own, shown as they
//! wrote them beside the others. Who they are and why they said so is not for customers.

use evenkeel_core::message::{Body, Message};
use evenkeel_core::telling::{Affected, DataAffected, PersonWord};
use maud::{Markup, html};

use crate::public::words::Words;
use crate::web::Site;

/// The person's part of an update; nothing where it has none.
pub(super) fn said(site: &Site, words: &Words, message: &Message) -> Markup {
    match &message.body {
        Body::Public {
            person: Some(word), ..
        } => of(site, words, word),
        _ => html! {},
    }
}

fn of(site: &Site, words: &Words, word: &PersonWord) -> Markup {
    let facts = &word.facts;
    let works: Vec<&str> = facts
        .works
        .iter()
        .map(|id| site.component_name(id))
        .collect();
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
    html! {
        @if let Some(wrong) = word.corrects {
            p { a href={ "#" (wrong) } { (words.corrects()) } }
        }
        @if let Some(affected) = affected { p { (affected) } }
        @if let Some(data) = data { p { (data) } }
        @if let Some(works) = words.unharmed(&works, false) { p { (works) } }
        @if let Some(free) = &word.text {
            @let paragraphs = free.text.split('\n').filter(|line| !line.trim().is_empty());
            p { (words.original(free.language.own_name())) }
            blockquote lang=(free.language.tag()) {
                @for paragraph in paragraphs { p { (paragraph) } }
            }
        }
    }
}
