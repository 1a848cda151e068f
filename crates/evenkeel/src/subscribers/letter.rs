//! Mails to subscribers: an update, or the letter with the link.
//!
//! Plain text and HTML say the same, in the reader's language, from the page's own words.
//! What is the same for all readers of a language is made once ([`Draft`]); of a reader are
//! only the address, the link and the `Message-ID`. That is made of the word and the address,
//! so that a second try, also after a crash, is the same mail to whoever counts.
//!
//! Nothing in a mail is loaded from anywhere, and nothing in it tells that it was opened.

use std::time::{Duration, SystemTime};

use evenkeel_core::Timestamp;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message as Letter, MultiPart, SinglePart};
use maud::{DOCTYPE, html};
use sha2::{Digest, Sha256};

use super::dkim::Signer;
use super::store::Standing;
use super::store::queue::Due;
use super::word::{Paragraph, Word};
use crate::access::hex;
use crate::public::words::{Language, Words};

/// Who writes, and where the page is.
#[derive(Clone)]
pub struct Sender {
    /// The name of the service.
    pub service: String,
    /// The page's address, without a slash at its end.
    pub base: String,
    /// Who writes.
    pub from: lettre::Address,
    /// Where answers go.
    pub reply_to: Option<lettre::Address>,
}

/// A mail without a reader.
#[derive(Debug, Clone)]
pub struct Draft {
    /// In which language.
    pub language: Language,
    subject: String,
    /// What it is known by.
    key: String,
    written_at: Timestamp,
    paragraphs: Vec<Paragraph>,
    /// The page with all of it.
    page: Option<String>,
    /// What stands before the reader's link.
    link_why: String,
    after: Option<String>,
    is_update: bool,
}

impl Draft {
    /// An update.
    pub fn of_word(word: &Word, language: Language, sender: &Sender) -> Self {
        let words = Words::of(language);
        let title = word.title(words);
        let title = match word.is_correction() {
            true => words.letter_correction(&title),
            false => format!("{title} ({})", word.stands(words)),
        };
        let mut paragraphs = vec![Paragraph {
            text: words.minute_of_day(word.at()),
            written_in: None,
        }];
        paragraphs.extend(word.paragraphs(words));
        Self {
            language,
            subject: format!("[{}] {title}", sender.service),
            key: word.key(),
            written_at: word.at(),
            paragraphs,
            page: Some(format!("{}{}", sender.base, word.path(language))),
            link_why: words.letter_end(),
            after: Some(words.letter_why(&sender.service)),
            is_update: true,
        }
    }

    /// The letter with the link: to confirm, or to who is told already.
    pub fn of_link(
        standing: Standing,
        language: Language,
        sender: &Sender,
        now: Timestamp,
    ) -> Self {
        let words = Words::of(language);
        let service = &sender.service;
        let (subject, link_why, after) = match standing {
            Standing::Active => (
                words.letter_known(service),
                words.letter_known_why(service),
                None,
            ),
            Standing::Waiting | Standing::Paused => (
                words.letter_confirm(service),
                words.letter_confirm_why(service),
                Some(words.letter_confirm_else()),
            ),
        };
        Self {
            language,
            subject,
            key: format!("L-{}", now.as_microsecond()),
            written_at: now,
            paragraphs: Vec::new(),
            page: None,
            link_why,
            after,
            is_update: false,
        }
    }

    /// The mail to one reader, headers and all.
    ///
    /// # Errors
    /// It cannot be written or signed.
    pub fn to(
        &self,
        due: &Due,
        link: &str,
        sender: &Sender,
        signer: Option<&Signer>,
    ) -> Result<Vec<u8>, String> {
        let to: lettre::Address = due
            .address
            .parse()
            .map_err(|error: lettre::address::AddressError| error.to_string())?;
        let link = format!(
            "{}/{}/subscription/{link}",
            sender.base,
            self.language.tag()
        );
        let seconds = u64::try_from(self.written_at.as_second()).unwrap_or_default();
        let from = Mailbox::new(Some(sender.service.clone()), sender.from.clone());
        let mut letter = Letter::builder()
            .from(from)
            .to(Mailbox::new(None, to))
            .subject(line(&self.subject))
            .date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
            .message_id(Some(self.message_id(due, sender)))
            .raw_header(header("Auto-Submitted", "auto-generated"))
            .raw_header(header("Content-Language", self.language.tag()));
        if let Some(reply_to) = &sender.reply_to {
            letter = letter.reply_to(Mailbox::new(None, reply_to.clone()));
        }
        if self.is_update {
            letter = letter
                .raw_header(header(
                    "List-Id",
                    &format!("<updates.{}>", host(&sender.base)),
                ))
                .raw_header(header("List-Unsubscribe", &format!("<{link}>")))
                .raw_header(header(
                    "List-Unsubscribe-Post",
                    "List-Unsubscribe=One-Click",
                ));
        }
        let part = |kind: ContentType, text: String| SinglePart::builder().header(kind).body(text);
        let letter = letter
            .multipart(
                MultiPart::alternative()
                    .singlepart(part(ContentType::TEXT_PLAIN, self.plain(&link)))
                    .singlepart(part(ContentType::TEXT_HTML, self.html(&link))),
            )
            .map_err(|error| error.to_string())?
            .formatted();
        match signer {
            Some(signer) => signer.sign(&letter, Timestamp::now().as_second()),
            None => Ok(letter),
        }
    }

    /// The same for every try: of the word and the address, which it does not tell.
    pub fn message_id(&self, due: &Due, sender: &Sender) -> String {
        let of = format!("{} {}", self.key, due.address.to_ascii_lowercase());
        let mark = hex(&Sha256::digest(of.as_bytes())[..12]);
        format!("<{}.{mark}@{}>", self.key, sender.from.domain())
    }

    fn plain(&self, link: &str) -> String {
        let words = Words::of(self.language);
        let mut text = String::new();
        let mut say = |paragraph: &str| {
            text.push_str(paragraph);
            text.push_str("\n\n");
        };
        for paragraph in &self.paragraphs {
            match paragraph.written_in {
                None => say(&paragraph.text),
                Some(_) => {
                    let quoted: Vec<String> = paragraph
                        .text
                        .lines()
                        .map(|line| format!("> {line}"))
                        .collect();
                    say(&quoted.join("\n"));
                }
            }
        }
        if let Some(page) = &self.page {
            say(&format!("{}\n{page}", words.letter_page()));
        }
        if self.is_update {
            text.push_str("-- \n");
            if let Some(after) = &self.after {
                text.push_str(&format!("{after}\n"));
            }
            text.push_str(&format!("{}\n{link}\n", self.link_why));
        } else {
            text.push_str(&format!("{}\n{link}\n", self.link_why));
            if let Some(after) = &self.after {
                text.push_str(&format!("\n{after}\n"));
            }
        }
        text
    }

    fn html(&self, link: &str) -> String {
        let words = Words::of(self.language);
        let page = html! {
            (DOCTYPE)
            html lang=(self.language.tag()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.subject) }
                }
                body style="font:16px/1.5 system-ui,sans-serif;max-width:40em;margin:1.5em auto;padding:0 1em" {
                    h1 style="font-size:1.25em;line-height:1.3" { (self.subject) }
                    @for paragraph in &self.paragraphs {
                        @match paragraph.written_in {
                            None => p { (paragraph.text) },
                            Some(language) => blockquote lang=(language.tag()) style="margin:0;padding-left:1em;border-left:3px solid #888" {
                                @for line in paragraph.text.lines().filter(|line| !line.trim().is_empty()) { p { (line) } }
                            },
                        }
                    }
                    @if let Some(page) = &self.page {
                        p { (words.letter_page()) " " a href=(page) { (page) } }
                    }
                    @if self.is_update { hr; }
                    @if self.is_update { @if let Some(after) = &self.after { p { (after) } } }
                    p { (self.link_why) " " a href=(link) { (link) } }
                    @if !self.is_update { @if let Some(after) = &self.after { p { (after) } } }
                }
            }
        };
        page.into_string()
    }
}

/// A header whose value is ASCII and stands as it is: an address in it must not be folded.
fn header(name: &'static str, value: &str) -> HeaderValue {
    let clean: String = value
        .chars()
        .filter(|letter| letter.is_ascii_graphic() || *letter == ' ')
        .collect();
    let name = HeaderName::new_from_ascii_str(name);
    HeaderValue::dangerous_new_pre_encoded(name, clean.clone(), clean)
}

/// One line of at most so many letters as fit a list of mails.
fn line(text: &str) -> String {
    let clean = text
        .chars()
        .map(|letter| if letter.is_control() { ' ' } else { letter });
    clean.take(200).collect()
}

/// The host of an address.
fn host(base: &str) -> String {
    let uri: Option<axum::http::Uri> = base.parse().ok();
    let host = uri
        .as_ref()
        .and_then(|uri| uri.host())
        .unwrap_or("localhost");
    host.trim_matches(['[', ']']).replace(':', "-")
}
