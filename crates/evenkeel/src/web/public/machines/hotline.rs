//! The hotline: one current text for whoever calls, in the forms that telephone systems
//! take.
//!
//! | address | what | for |
//! |---|---|---|
//! | `/hotline/de.txt` | the words alone | whatever has a voice of its own |
//! | `/hotline/de.ssml` | SSML 1.1 (W3C) | speech services |
//! | `/hotline/de.twiml.xml` | TwiML | Twilio, and what speaks like it |
//! | `/hotline/de.vxml` | VoiceXML 2.1 (W3C) | switches and contact centres |
//! | `/hotline.json` | the words in every language | programs |
//!
//! All is well: the text is empty, the other forms hold nothing to say, and a call goes on
//! as it would without them. What is said comes from [`Words::spoken`], which bounds how
//! long it takes.
//!
//! Nothing in a text is said relative to now but the day: a copy that is heard late still
//! names the times it speaks of.
//!
//! [`Words::spoken`]: crate::public::words::Words::spoken

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde::Serialize;

use super::feeds::{XML, plain};
use super::picture::{Picture, millis};
use crate::public::words::{Language, Spoken};
use crate::pump::published::Published;
use crate::web::Site;

/// A form of the text.
pub(super) struct Form {
    /// What its addresses end in.
    pub(super) ending: &'static str,
    pub(super) content_type: &'static str,
    pub(super) write: fn(&Picture<'_>) -> String,
}

pub(super) const FORMS: &[Form] = &[
    Form {
        ending: "txt",
        content_type: "text/plain; charset=utf-8",
        write: text,
    },
    Form {
        ending: "ssml",
        content_type: "application/ssml+xml; charset=utf-8",
        write: ssml,
    },
    Form {
        ending: "twiml.xml",
        content_type: "application/xml; charset=utf-8",
        write: twiml,
    },
    Form {
        ending: "vxml",
        content_type: "application/voicexml+xml; charset=utf-8",
        write: voicexml,
    },
];

/// The language and the form of a file: `de.twiml.xml`.
pub(super) fn named(file: &str) -> Option<(Language, &'static Form)> {
    let (tag, ending) = file.split_once('.')?;
    let language = Language::of_tag(tag)?;
    let form = FORMS.iter().find(|form| form.ending == ending)?;
    Some((language, form))
}

/// Where the files are.
pub(super) fn paths() -> impl Iterator<Item = String> {
    Language::ALL.into_iter().flat_map(|language| {
        let tag = language.tag();
        FORMS
            .iter()
            .map(move |form| format!("/hotline/{tag}.{}", form.ending))
    })
}

/// What is said in every language, by tag.
pub(crate) fn texts(site: &Site, published: &Published) -> BTreeMap<&'static str, String> {
    let of = |language| Picture::of(site, published, language).spoken().text();
    let texts = Language::ALL.map(|language| (language.tag(), of(language)));
    texts.into_iter().collect()
}

fn text(picture: &Picture<'_>) -> String {
    match picture.spoken().text() {
        empty if empty.is_empty() => empty,
        text => text + "\n",
    }
}

/// The voice that reads a language: many services know a language by its country only.
fn voice(language: Language) -> &'static str {
    match language {
        Language::English => "en-GB",
        Language::Dutch => "nl-NL",
        Language::German => "de-DE",
        Language::Polish => "pl-PL",
        Language::Danish => "da-DK",
    }
}

fn sentences(spoken: &Spoken) -> Markup {
    html! { @for said in &spoken.sentences { s { (plain(said)) } } }
}

fn ssml(picture: &Picture<'_>) -> String {
    let spoken = picture.spoken();
    let written = html! {
        speak version="1.1" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang=(voice(picture.words.language())) {
            @if !spoken.sentences.is_empty() { p { (sentences(&spoken)) } }
        }
    };
    format!("{XML}{}", written.into_string())
}

fn twiml(picture: &Picture<'_>) -> String {
    let spoken = picture.spoken();
    let text = spoken.text();
    let written = html! {
        Response {
            @if !text.is_empty() {
                Say language=(voice(picture.words.language())) { (plain(&text)) }
            }
            @if let Some(next) = &picture.site.settings.hotline.continue_at {
                Redirect { (plain(next)) }
            }
        }
    };
    format!("{XML}{}", written.into_string())
}

fn voicexml(picture: &Picture<'_>) -> String {
    let spoken = picture.spoken();
    let written = html! {
        vxml version="2.1" xmlns="http://www.w3.org/2001/vxml" xml:lang=(voice(picture.words.language())) {
            form {
                block {
                    @if !spoken.sentences.is_empty() { prompt { (sentences(&spoken)) } }
                    @match &picture.site.settings.hotline.continue_at {
                        Some(next) => goto next=(plain(next)) {},
                        None => exit {},
                    }
                }
            }
        }
    };
    format!("{XML}{}", written.into_string())
}

#[derive(Serialize)]
struct Answer {
    as_of: String,
    is_empty: bool,
    texts: BTreeMap<&'static str, String>,
}

pub(super) fn every_language(picture: &Picture<'_>) -> String {
    let texts = texts(picture.site, picture.published);
    let answer = Answer {
        as_of: millis(picture.published.at),
        is_empty: texts.values().all(String::is_empty),
        texts,
    };
    serde_json::to_string(&answer).expect("texts and a map of them")
}
