//! What the edge itself answers: HTML to people, JSON to programs, in the client's language.
//!
//! A page says what is the matter, whether it is worth waiting, and where more is told. It
//! loads nothing from anywhere: whatever it would load is likely to be down, too.

pub(crate) mod words;

use std::time::Duration;

use bytes::Bytes;
use evenkeel_core::edge::Off;
use http::header::{
    ACCEPT, ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, DATE, HeaderValue, LOCATION, RETRY_AFTER, VARY,
};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;

use crate::languages::{self, Language};
use crate::proxy::{Answer, AnswerBody};
use crate::settings::Pages;

pub(crate) use words::Matter;

/// How a client wants to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) language: Language,
    pub(crate) is_html: bool,
}

impl Wanted {
    /// What a request's headers say.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let accepts = headers
            .get(ACCEPT)
            .and_then(|accepts| accepts.to_str().ok());
        Self {
            language: languages::liked(accepts_languages(headers)),
            is_html: accepts.is_some_and(|accepts| accepts.contains("text/html")),
        }
    }
}

/// What a client says of the languages that it likes.
fn accepts_languages(headers: &HeaderMap) -> &str {
    let accepts = headers.get(ACCEPT_LANGUAGE);
    accepts
        .and_then(|accepts| accepts.to_str().ok())
        .unwrap_or_default()
}

/// A page: what is the matter, when to try again, and what a person had to say.
pub(crate) fn page(
    pages: &Pages,
    wanted: Wanted,
    matter: Matter,
    retry_after: Option<Duration>,
    off: Option<&Off>,
) -> Answer {
    let status = matter.status();
    let language = wanted.language;
    let words = matter.words(language);
    let told = off.and_then(|off| {
        let tags = [language.tag(), "en"];
        let mut own = tags.iter().filter_map(|tag| off.texts.get(*tag));
        own.next().or_else(|| off.texts.values().next())
    });
    let text = told.map_or(words.text, String::as_str);
    let next = off.and_then(|off| off.next_update_at);
    let seconds = retry_after.map(|time| time.as_secs().max(1));
    let body = if wanted.is_html {
        let mut more = String::new();
        if let Some(seconds) = seconds {
            let again = words::again(language, seconds);
            more += &format!("<p>{again}</p>");
        }
        if let Some(next) = next {
            let at = next.strftime("%Y-%m-%d %H:%M UTC");
            more += &format!(
                "<p>{} <time datetime=\"{next}\">{at}</time></p>",
                words::next(language)
            );
        }
        if let Some(link) = &pages.status_page {
            let (link, label) = (escaped(link), words::status(language));
            more += &format!("<p><a href=\"{link}\">{label}</a></p>");
        }
        let (title, text, service) = (words.title, escaped(text), escaped(&pages.service));
        let tag = language.tag();
        format!(
            "<!doctype html><html lang=\"{tag}\"><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
             <title>{title}</title><style>{STYLE}</style>\
             <main><p class=\"s\">{service}</p><h1>{title}</h1><p>{text}</p>{more}</main></html>\n"
        )
    } else {
        let told = serde_json::json!({
            "status": status.as_u16(),
            "reason": matter.reason(),
            "title": words.title,
            "detail": text,
            "retry_after_s": seconds,
            "next_update_at": next,
            "status_page": pages.status_page,
        });
        format!("{told}\n")
    };
    let mut answer = own(status, wanted.is_html, body);
    let headers = &mut answer.headers;
    headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
    headers.insert(VARY, HeaderValue::from_static("accept, accept-language"));
    if let Some(seconds) = seconds {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

const STYLE: &str = "body{font:1rem/1.5 system-ui,sans-serif;margin:0;color:#222;background:#fff}\
    main{max-width:36rem;margin:15vh auto 0;padding:0 1.5rem}h1{font-size:1.5rem}\
    .s{color:#666}a{color:#0b57d0}@media(prefers-color-scheme:dark){body{color:#ddd;\
    background:#1b1b1b}.s{color:#aaa}a{color:#8ab4f8}}";

/// Text where HTML is expected.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\'' => safe += "&#39;",
            letter => safe.push(letter),
        }
    }
    safe
}

/// What all of them say.
fn headers() -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(8);
    let now = Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT");
    if let Ok(now) = HeaderValue::try_from(now.to_string()) {
        headers.insert(DATE, now);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers
}

fn own(status: StatusCode, is_html: bool, body: String) -> Answer {
    let mut headers = headers();
    let kind = match is_html {
        true => "text/html; charset=utf-8",
        false => "application/json",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if is_html {
        let policy = "default-src 'none'; style-src 'unsafe-inline'";
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    }
    Answer {
        status,
        headers,
        body: AnswerBody::Full(Bytes::from(body)),
        closes: false,
    }
}

/// JSON of the edge's own.
pub(crate) fn json(value: &serde_json::Value) -> Answer {
    own(StatusCode::OK, false, format!("{value}\n"))
}

/// Sends the client elsewhere.
pub(crate) fn redirect(status: StatusCode, to: HeaderValue) -> Answer {
    let mut headers = headers();
    headers.insert(LOCATION, to);
    Answer {
        status,
        headers,
        body: AnswerBody::Full(Bytes::new()),
        closes: false,
    }
}

/// The shortest answer: to who does not speak the protocol.
pub(crate) fn plain(status: StatusCode) -> Answer {
    let mut headers = headers();
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(CONTENT_TYPE, text);
    let said = status.canonical_reason().unwrap_or("Error");
    Answer {
        status,
        headers,
        body: AnswerBody::Full(Bytes::from_static(said.as_bytes())),
        closes: false,
    }
}

/// Of texts by language tag, the one a client likes best: in its languages' order, then
/// English, then any.
pub(crate) fn text_for<'t>(
    headers: &HeaderMap,
    texts: &'t std::collections::BTreeMap<String, String>,
) -> Option<(&'t str, &'t str)> {
    let known = |tag: &str| {
        let short = tag.split('-').next().unwrap_or(tag);
        let same = |own: &str| own.eq_ignore_ascii_case(tag) || own.eq_ignore_ascii_case(short);
        texts.iter().find(|(own, _)| same(own.as_str()))
    };
    let best = languages::best(accepts_languages(headers), known);
    let best = best
        .or_else(|| texts.get_key_value("en"))
        .or_else(|| texts.iter().next());
    best.map(|(tag, text)| (tag.as_str(), text.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_matter_has_a_page_in_every_language_and_both_forms() {
        let pages = Pages {
            service: "Books & <Co>".into(),
            status_page: Some("https://status.example.com/".into()),
        };
        for matter in Matter::ALL {
            for language in Language::ALL {
                for is_html in [true, false] {
                    let wanted = Wanted { language, is_html };
                    let wait = Some(Duration::from_secs(7));
                    let answer = page(&pages, wanted, matter, wait, None);
                    assert_eq!(answer.headers[RETRY_AFTER], "7");
                    let AnswerBody::Full(body) = answer.body else {
                        panic!("a whole body");
                    };
                    let text = std::str::from_utf8(&body).unwrap();
                    assert!(text.contains(matter.words(language).title), "{text}");
                    assert!(!text.contains("<Co>"), "{text}");
                    assert!(text.len() < 1500, "{}", text.len());
                }
            }
        }
    }
}
