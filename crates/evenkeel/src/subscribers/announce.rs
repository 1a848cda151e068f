//! The operator's own announcements: chat rooms, a social account, push, SMS.
//!
//! One message for each word, in the configured languages, cut to what the receiver takes at
//! the end of a sentence or a word, and never within a letter. Each is a subscriber of its own
//! (each telephone number, too), so that the queue, retries and crashes are the same as for
//! everybody. Where the protocol has one, the key that tells doubles apart is sent: Mastodon's
//! `Idempotency-Key`, and the same header to everybody else.
//!
//! What is permanent for a customer's webhook (a refusal, half a day of silence) pauses an
//! announcement too; it begins again at the next start, since whoever configured it wants it.

use std::collections::BTreeMap;
use std::sync::Arc;

use evenkeel_core::ids::ComponentId;
use evenkeel_core::language::Language;
use evenkeel_guards::guard::BoxFuture;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use hyper::{Method, Request, Uri};
use serde_json::{Value, json};

use super::Subscribers;
use super::http::Requests;
use super::outing::{Bounds, EachLane, Lane, SendsEach, Sent, Way};
use super::store::Kind;
use super::store::queue::{Due, Verdict};
use super::word::Word;
use crate::public::words::Words;

/// What Slack, Mattermost and Teams take without folding it away.
const CHAT_MAX: usize = 3000;
/// Mastodon's own bound, where the instance sets no other.
const MASTODON_MAX: usize = 500;
/// What Mastodon counts an address as, however long it is.
const MASTODON_LINK: usize = 23;
/// ntfy turns what is longer into an attachment.
const NTFY_MAX: usize = 4096;

/// An announcement.
#[derive(Clone)]
pub struct Announcement {
    /// Its name in the configuration.
    pub id: String,
    /// Where it goes.
    pub place: Place,
    /// In these languages, one after the other.
    pub languages: Vec<Language>,
    /// Of these components; none named: of all.
    pub components: Vec<ComponentId>,
}

/// Where an announcement goes.
#[derive(Clone)]
pub enum Place {
    /// An incoming webhook of Slack, or of Mattermost, which takes the same.
    Slack {
        /// Its address: whoever has it may write.
        url: Uri,
    },
    /// A webhook of a Teams workflow: an adaptive card.
    Teams {
        /// Its address.
        url: Uri,
    },
    /// An account on a Mastodon server.
    Mastodon {
        /// The server.
        url: Uri,
        /// The account's token, with the right `write:statuses`.
        token: String,
    },
    /// A topic of an ntfy server.
    Ntfy {
        /// The server.
        url: Uri,
        /// The topic.
        topic: String,
        /// A token, where the server asks for one.
        token: Option<String>,
    },
    /// A gateway that sends SMS when it is asked over HTTP.
    Sms(Sms),
}

/// A gateway for SMS.
#[derive(Clone)]
pub struct Sms {
    /// Its address.
    pub url: Uri,
    /// What is sent there: `{to}`, `{text}` and `{key}` are filled in.
    pub body: String,
    /// Of which type that is; by it what is filled in is escaped.
    pub body_is: BodyIs,
    /// Headers, some of them secret.
    pub headers: BTreeMap<String, String>,
    /// `Authorization`, where it is asked for.
    pub authorization: Option<String>,
    /// Who gets it.
    pub to: Vec<String>,
    /// Parts of one SMS, each of which costs.
    pub parts_max: usize,
}

/// Of which type a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyIs {
    /// JSON: what is filled in stands in a text of it.
    Json,
    /// A form.
    Form,
}

impl std::fmt::Debug for Announcement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Addresses of chat rooms and tokens are secrets.
        f.debug_struct("Announcement")
            .field("id", &self.id)
            .field("languages", &self.languages)
            .finish_non_exhaustive()
    }
}

impl Announcement {
    /// The subscribers it is: itself, or one for each number.
    pub fn addresses(&self) -> Vec<String> {
        match &self.place {
            Place::Sms(sms) => sms
                .to
                .iter()
                .map(|to| format!("{} {to}", self.id))
                .collect(),
            _ => vec![self.id.clone()],
        }
    }

    /// What is sent.
    fn request(
        &self,
        to: Option<&str>,
        word: &Word,
        page: &Page,
    ) -> Result<Request<Full<Bytes>>, String> {
        let key = format!("{}.{}", word.key(), self.id);
        let json = |url: &Uri, body: Value| (url.clone(), body.to_string(), "application/json");
        let mut token = None;
        let (url, body, kind) = match &self.place {
            Place::Slack { url } => {
                let text = self.text(word, page, CHAT_MAX, str_len);
                // Slack reads these three as its own signs.
                let text = text
                    .replace('&', "&amp;")
                    .replace('<', "&lt;")
                    .replace('>', "&gt;");
                json(url, json!({ "text": text }))
            }
            Place::Teams { url } => {
                let text = self.text(word, page, CHAT_MAX, str_len);
                json(url, teams(&text))
            }
            Place::Mastodon { url, token: secret } => {
                token = Some(secret.clone());
                let text = self.text(word, page, MASTODON_MAX, mastodon_len);
                let language = self.languages.first().copied().unwrap_or_default().tag();
                let to = below(url, "/api/v1/statuses")?;
                json(
                    &to,
                    json!({ "status": text, "language": language, "visibility": "public" }),
                )
            }
            Place::Ntfy {
                url,
                topic,
                token: secret,
            } => {
                token.clone_from(secret);
                let language = self.languages.first().copied().unwrap_or_default();
                let title = clipped(&word.title(Words::of(language)), 200, str_len);
                let text = self.text(word, page, NTFY_MAX, str::len);
                let of = json!({ "topic": topic, "title": title, "message": text, "click": page.of(word, language) });
                json(url, of)
            }
            Place::Sms(sms) => {
                let text = sms_text(&self.whole(word, page), sms.parts_max);
                let (body, kind) = sms.filled(to.unwrap_or_default(), &text, &key);
                (sms.url.clone(), body, kind)
            }
        };
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(url)
            .header(CONTENT_TYPE, kind)
            .header(USER_AGENT, concat!("evenkeel/", env!("CARGO_PKG_VERSION")))
            .header(
                "idempotency-key",
                match to {
                    Some(to) => format!("{key}.{to}"),
                    None => key,
                },
            );
        let bearer = token.map(|token| format!("Bearer {}", token.trim()));
        let sms = match &self.place {
            Place::Sms(sms) => Some(sms),
            _ => None,
        };
        let authorization = bearer.or_else(|| sms.and_then(|sms| sms.authorization.clone()));
        if let Some(authorization) = authorization {
            let mut value = HeaderValue::from_str(&authorization)
                .map_err(|_| "its token holds what no header can".to_owned())?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        for (name, value) in sms.iter().flat_map(|sms| &sms.headers) {
            request = request.header(name, value);
        }
        request
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| error.to_string())
    }

    /// The word in every language, with the address of the page, within `most`: each
    /// language gets its share.
    fn text(&self, word: &Word, page: &Page, most: usize, len: fn(&str) -> usize) -> String {
        let count = self.languages.len().max(1);
        let share = most / count;
        let parts: Vec<String> = self
            .languages
            .iter()
            .map(|language| {
                let link = page.of(word, *language);
                let room = share.saturating_sub(len(&link) + 4);
                format!("{}\n{link}", clipped(&said(word, *language), room, len))
            })
            .collect();
        parts.join("\n\n")
    }

    /// Without bounds, the first language only.
    fn whole(&self, word: &Word, page: &Page) -> (String, String) {
        let language = self.languages.first().copied().unwrap_or_default();
        (said(word, language), page.of(word, language))
    }
}

/// The word in one language: title, then sentences.
fn said(word: &Word, language: Language) -> String {
    let words = Words::of(language);
    let title = match word.is_correction() {
        true => words.letter_correction(&word.title(words)),
        false => word.title(words),
    };
    let mut said = format!("{title} ({})", word.stands(words));
    for paragraph in word.paragraphs(words) {
        said.push('\n');
        said.push_str(&paragraph.text);
    }
    said
}

fn teams(text: &str) -> Value {
    let blocks: Vec<Value> = text
        .lines()
        .map(|line| json!({ "type": "TextBlock", "text": line, "wrap": true }))
        .collect();
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.2",
                "body": blocks,
            },
        }],
    })
}

/// Letters, as readers count them.
fn str_len(text: &str) -> usize {
    text.chars().count()
}

/// Letters as Mastodon counts them.
fn mastodon_len(text: &str) -> usize {
    text.split_inclusive(char::is_whitespace)
        .map(
            |word| match word.starts_with("https://") || word.starts_with("http://") {
                true => MASTODON_LINK + str_len(word) - str_len(word.trim_end()),
                false => str_len(word),
            },
        )
        .sum()
}

/// At most `most` by `len`, cut after a sentence where one ends in its second half, else
/// after a word.
fn clipped(text: &str, most: usize, len: fn(&str) -> usize) -> String {
    if len(text) <= most {
        return text.to_owned();
    }
    let room = most.saturating_sub(len(" …"));
    let mut end = 0;
    for (at, letter) in text.char_indices() {
        let next = at + letter.len_utf8();
        if len(&text[..next]) > room {
            break;
        }
        end = next;
    }
    let kept = &text[..end];
    let sentence = kept
        .rfind(['.', '\n'])
        .map(|at| at + 1)
        .filter(|at| *at * 2 > end);
    let cut = sentence.or_else(|| kept.rfind(' ')).unwrap_or(end);
    format!("{} …", kept[..cut].trim_end())
}

/// What fits the alphabet of SMS (GSM 03.38), which has room for twice as much.
const GSM: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
/// The same, at the price of two.
const GSM_TWO: &str = "^{}\\[~]|€";

/// How many septets a text takes in the alphabet of SMS; `None` where it does not fit it.
fn septets(text: &str) -> Option<usize> {
    text.chars()
        .map(
            |letter| match (GSM.contains(letter), GSM_TWO.contains(letter)) {
                (true, _) => Some(1),
                (_, true) => Some(2),
                _ => None,
            },
        )
        .sum()
}

/// A text with its link that fits so many parts of an SMS.
fn sms_text((text, link): &(String, String), parts: usize) -> String {
    let text = text.replace('\n', " ");
    let plain = septets(&text).is_some() && septets(link).is_some();
    let most = match (plain, parts) {
        (true, 0 | 1) => 160,
        (true, parts) => parts * 153,
        (false, 0 | 1) => 70,
        (false, parts) => parts * 67,
    };
    let len: fn(&str) -> usize = match plain {
        true => |text| septets(text).unwrap_or(usize::MAX),
        false => |text| text.encode_utf16().count(),
    };
    let room = most.saturating_sub(len(link) + 1);
    if len(&text) <= room {
        return format!("{text} {link}");
    }
    // The sign for "and so on" is not of the alphabet.
    let clipped = clipped_plainly(&text, room, len);
    match clipped.is_empty() {
        true => clipped_plainly(&text, most, len),
        false => format!("{clipped} {link}"),
    }
}

fn clipped_plainly(text: &str, most: usize, len: fn(&str) -> usize) -> String {
    let mut end = 0;
    for (at, letter) in text.char_indices() {
        let next = at + letter.len_utf8();
        if len(&text[..next]) > most {
            break;
        }
        end = next;
    }
    match end == text.len() {
        true => text.to_owned(),
        false => {
            let kept = &text[..end];
            kept[..kept.rfind(' ').unwrap_or(end)].trim_end().to_owned()
        }
    }
}

impl Sms {
    fn filled(&self, to: &str, text: &str, key: &str) -> (String, &'static str) {
        let (escape, kind): (fn(&str) -> String, _) = match self.body_is {
            BodyIs::Json => (in_json, "application/json"),
            BodyIs::Form => (in_form, "application/x-www-form-urlencoded"),
        };
        // Once through, so that nothing that was filled in is filled in again.
        let mut filled = String::new();
        let mut rest = self.body.as_str();
        while let Some(at) = rest.find('{') {
            filled.push_str(&rest[..at]);
            rest = &rest[at..];
            let known = [("{to}", to), ("{text}", text), ("{key}", key)];
            match known.iter().find(|(name, _)| rest.starts_with(name)) {
                Some((name, value)) => {
                    filled.push_str(&escape(value));
                    rest = &rest[name.len()..];
                }
                None => {
                    filled.push('{');
                    rest = &rest[1..];
                }
            }
        }
        filled.push_str(rest);
        (filled, kind)
    }
}

/// As it stands within a text of JSON.
fn in_json(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// As it stands in a field of a form.
fn in_form(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::new(), |mut coded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            coded.push(char::from(byte));
        } else {
            let _infallible = write!(coded, "%{byte:02X}");
        }
        coded
    })
}

/// A path below an address.
fn below(url: &Uri, path: &str) -> Result<Uri, String> {
    let whole = format!("{}{path}", url.to_string().trim_end_matches('/'));
    whole.parse().map_err(|_| format!("{whole} is no address"))
}

/// Where the page is.
#[derive(Clone)]
pub(super) struct Page {
    /// Its address, without a slash at its end.
    pub(super) base: String,
}

impl Page {
    fn of(&self, word: &Word, language: Language) -> String {
        format!("{}{}", self.base, word.path(language))
    }
}

/// See the module.
pub(super) struct Announcements {
    pub(super) own: Subscribers,
    pub(super) requests: Requests,
    pub(super) page: Page,
}

impl Announcements {
    async fn deliver(&self, due: &Due) -> Sent {
        let id = due.word;
        let word = match self.own.with(move |store| store.word(id)).await {
            Ok(Some(word)) => word,
            Ok(None) => return Sent::Said(Verdict::Gone("its word is forgotten".into())),
            Err(error) => return Sent::Broken(crate::pump::store::chain(&error)),
        };
        let (name, to) = match due.address.split_once(' ') {
            Some((name, to)) => (name, Some(to)),
            None => (due.address.as_str(), None),
        };
        let known = &self.own.settings().announcements;
        let Some(announcement) = known.iter().find(|one| one.id == name) else {
            return Sent::Said(Verdict::Gone(
                "it is not in the configuration any more".into(),
            ));
        };
        match announcement.request(to, &word, &self.page) {
            Ok(request) => Sent::Said(self.requests.send(request).await.verdict()),
            Err(why) => Sent::Said(Verdict::Gone(why)),
        }
    }
}

impl Way for Announcements {
    fn kind(&self) -> Kind {
        Kind::Announcement
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            lanes: 4,
            per_second: 10,
            per_domain: 1,
        }
    }

    fn lane(self: Arc<Self>) -> Box<dyn Lane> {
        Box::new(EachLane(self))
    }
}

impl SendsEach for Announcements {
    fn send<'a>(&'a self, due: &'a Due) -> BoxFuture<'a, Sent> {
        Box::pin(self.deliver(due))
    }
}

#[cfg(test)]
#[path = "announce/tests.rs"]
mod tests;
