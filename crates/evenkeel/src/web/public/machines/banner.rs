//! The banner in the application, for services without the edge: a script of under 2 KB
//! (`/banner.js`) and what it reads (`/banner.json`).
//!
//! **"You are affected" is told only to those who are**, and nobody else can find out who
//! that is. What is open to everybody, and lies in caches and in copies elsewhere, cannot
//! hold a secret by itself, and a question to us ("is tenant 7 affected?") would be answered
//! to strangers as well, and not at all when we are down. So the service gives each of its
//! pages a *ticket*: the tenant's name, signed with a key that only the service and Evenkeel
//! know (HMAC-SHA256, one line in any language). The answer names the affected by marks: a
//! hash of the banner's id and the ticket.
//!
//! - Who does not know the key cannot make the ticket of a name they guess, so that likely
//!   names cannot be tried against the marks.
//! - A tenant knows its own ticket, and finds out about itself alone.
//! - Marks of two banners have nothing in common: each id salts its own.
//! - The list is filled up to a power of two with marks of nobody: how many are affected is
//!   told to within a factor of two, and nothing below [`MARKS_MIN`].
//!
//! Who is affected is what a person said: all, some, or a group of `[[group]]`. Of a group
//! that is not configured nobody knows who is in it; there everybody reads its name, as on
//! the page.
//!
//! **It never says that all is well**, and nothing at all when what is known is old: the
//! script takes the banner away when the answer's time is over.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_core::incident::Incident;
use evenkeel_core::message::Body;
use evenkeel_core::status::Status;
use evenkeel_core::telling::Affected;
use evenkeel_core::time;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::picture::{Picture, hex, id_of, millis};
use crate::public::words::{Answer, Language, Words};
use crate::web::public::settings::Banner as Settings;

/// The script, minified by hand.
pub(super) const SCRIPT: &str = include_str!("banner.js");

/// How long an answer speaks of now. The script asks every minute.
const LASTS: Duration = Duration::from_secs(150);

/// Banners in one answer: the newest incidents.
const BANNERS_MAX: usize = 5;

/// The fewest marks in a list.
const MARKS_MIN: usize = 16;

/// Hexadecimal digits of a mark: among a thousand tenants one is mistaken for another once
/// in some hundred thousand million banners.
const MARK: usize = 12;

type Texts = BTreeMap<&'static str, String>;

#[derive(Serialize)]
struct Answered {
    as_of: String,
    /// A copy says `valid_until` instead, which the script prefers.
    until: String,
    banners: Vec<Shown>,
    more: Texts,
    hide: Texts,
}

#[derive(Serialize)]
struct Shown {
    id: String,
    status: &'static str,
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    marks: Option<Vec<String>>,
    texts: BTreeMap<String, String>,
    link: Option<String>,
}

/// Words in every language.
fn every(of: impl Fn(&'static Words) -> String) -> Texts {
    let texts = Language::ALL.map(|language| (language.tag(), of(Words::of(language))));
    texts.into_iter().collect()
}

fn owned(texts: Texts) -> BTreeMap<String, String> {
    let texts = texts.into_iter();
    texts.map(|(tag, text)| (tag.to_owned(), text)).collect()
}

pub(super) fn answer(picture: &Picture<'_>) -> String {
    let at = picture.published.at;
    let answered = Answered {
        as_of: millis(at),
        until: millis(time::after(at, LASTS)),
        banners: banners(picture),
        more: every(Words::home),
        hide: every(Words::banner_hide),
    };
    serde_json::to_string(&answered).expect("texts and lists of them")
}

/// What is shown, first what is for some only: who is hurt by more than one thing reads that.
fn banners(picture: &Picture<'_>) -> Vec<Shown> {
    if picture.is_stale() {
        return Vec::new();
    }
    let open = picture.open();
    let open = open.into_iter().take(BANNERS_MAX);
    let mut banners: Vec<Shown> = open.filter_map(|of| incident(picture, of)).collect();
    banners.sort_by_key(|banner| banner.marks.is_none());
    // What an operator wrote themselves stands above what is said by itself.
    let written = picture.published.record.edge.banner.as_ref();
    let written = written.map(|written| Shown {
        id: format!(
            "evenkeel-{}",
            id_of("banner", std::slice::from_ref(&written.id))
        ),
        status: "written",
        marks: None,
        texts: written.texts.clone(),
        link: written.link.clone(),
    });
    written.into_iter().chain(banners).collect()
}

fn incident(picture: &Picture<'_>, of: &Incident) -> Option<Shown> {
    let record = &picture.published.record;
    let named = |id| picture.site.component_name(id);
    let harmed: Vec<(&str, Status)> = picture
        .components()
        .iter()
        .filter(|(id, _, status)| of.harmed.contains_key(*id) && status.is_harm())
        .map(|(_, name, status)| (*name, *status))
        .collect();
    let worst = harmed.iter().map(|(_, status)| *status).max();
    let answer = match worst {
        Some(_) => Answer::Harm {
            components: harmed,
            since: of.opened_at,
        },
        None => Answer::Recovered {
            components: of.harmed.keys().map(named).collect(),
        },
    };
    let said = record.messages.values().rev().filter_map(|state| {
        match (&state.message.body, state.message.incident) {
            (Body::Public { person, .. }, Some(about)) if about == of.id => person.as_ref(),
            _ => None,
        }
    });
    let affected = said
        .into_iter()
        .find_map(|word| word.facts.affected.as_ref());
    let settings = &picture.site.settings.banner;
    let group = match affected {
        Some(Affected::Group(name)) => settings.groups.get(name),
        _ => None,
    };
    let who = |words: &Words| match affected {
        Some(Affected::All) => Some(words.banner_you()),
        Some(Affected::Group(_)) if group.is_some() => Some(words.banner_you()),
        Some(Affected::Some) => Some(words.affected_some()),
        Some(Affected::Group(name)) => Some(words.affected_group(name)),
        None => None,
    };
    let texts = every(|words| {
        let said = words.answer(&answer, picture.published.at);
        match who(words) {
            // Of what is over, nobody is affected any more.
            Some(who) if worst.is_some() => format!("{said}. {who}"),
            _ => format!("{said}."),
        }
    });
    let parts = [of.id.to_string(), millis(of.opened_at), texts["en"].clone()];
    let id = format!("evenkeel-{}", id_of("banner", &parts));
    Some(Shown {
        marks: group.map(|tenants| marks(settings, tenants, &id)),
        id,
        status: worst.map_or("operational", Status::as_str),
        texts: owned(texts),
        link: Some(picture.link_for_anybody(of.id)),
    })
}

/// A tenant's ticket: what its pages carry.
fn ticket(key: &[u8], tenant: &str) -> String {
    hex(&signed(key, tenant))
}

fn signed(key: &[u8], text: &str) -> [u8; 32] {
    let mac = Hmac::<Sha256>::new_from_slice(key);
    let mut mac = mac.expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

/// The marks of a group, and of nobody, in an order that says nothing.
fn marks(settings: &Settings, tenants: &[String], id: &str) -> Vec<String> {
    let mark = |ticket: &str| {
        let mut mark = hex(&Sha256::digest(format!("{id}:{ticket}")));
        mark.truncate(MARK);
        mark
    };
    let tickets = tenants.iter().map(|tenant| ticket(&settings.key, tenant));
    let mut marks: Vec<String> = tickets.map(|ticket| mark(&ticket)).collect();
    let room = marks.len().next_power_of_two().max(MARKS_MIN);
    // No tenant's name begins with a line end: a file of names has one on each line.
    let nobody = (marks.len()..room).map(|n| mark(&ticket(&settings.key, &format!("\n{n}"))));
    marks.extend(nobody.collect::<Vec<_>>());
    marks.sort_unstable();
    marks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_under_two_kilobytes() {
        assert!(SCRIPT.len() < 2000, "{}", SCRIPT.len());
        assert!(SCRIPT.is_ascii());
        // Pages with a policy run it, and it brings nobody else in.
        for word in [
            "eval",
            "innerHTML",
            "cookie",
            "<style",
            "setAttribute(\"style",
        ] {
            assert!(!SCRIPT.contains(word), "{word}");
        }
    }

    /// The way the guide shows: `printf %s acme | openssl dgst -sha256 -hmac KEY`.
    #[test]
    fn a_ticket_is_what_any_language_makes_in_a_line() {
        assert_eq!(
            ticket(b"0123456789abcdef0123456789abcdef", "acme"),
            "d8ad00265ff0a302d72247bcd296954337283c37fd952e4402787e655458b2ae"
        );
    }

    #[test]
    fn marks_say_neither_who_nor_how_many() {
        let settings = Settings {
            key: b"0123456789abcdef0123456789abcdef".to_vec(),
            groups: BTreeMap::new(),
        };
        let names = |count: usize| -> Vec<String> { (0..count).map(|n| format!("t{n}")).collect() };
        for (count, shown) in [(0, 16), (1, 16), (16, 16), (17, 32), (1000, 1024)] {
            let marks = marks(&settings, &names(count), "evenkeel-a");
            assert_eq!(marks.len(), shown, "{count}");
            assert!(marks.is_sorted() && marks.iter().all(|mark| mark.len() == MARK));
        }
        let of = |id| marks(&settings, &names(3), id);
        assert!(
            of("evenkeel-a")
                .iter()
                .all(|mark| !of("evenkeel-b").contains(mark))
        );
        // Who has no key cannot try names: the mark is not one of the name.
        let guessed = hex(&Sha256::digest("evenkeel-a:t0"));
        assert!(!of("evenkeel-a").contains(&guessed[..MARK].to_owned()));
        let own = hex(&Sha256::digest(format!(
            "evenkeel-a:{}",
            ticket(&settings.key, "t0")
        )));
        assert!(of("evenkeel-a").contains(&own[..MARK].to_owned()));
    }
}
