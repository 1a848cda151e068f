//! The end that every copy carries: never old green.
//!
//! A copy lies on a server that knows nothing of it, in caches, and in tabs that stay
//! open. When nobody renews it, it has to say by itself that how things are is unknown.
//! No single way does that for every reader, so there are four, each where the others end:
//!
//! | the copy is | what turns it |
//! |---|---|
//! | open in a tab when it ends | a CSS animation with a delay of the time it was valid when made, counted from loading: the page gives way to "unknown since". Needs no script |
//! | opened late, or the tab slept | a script of 1 KB compares the reader's clock with the end in the page, at once and every second |
//! | opened late without script | nothing can compare a clock. So green has to be earned: **without script a copy has no green at all**, and over it stands until when it is valid |
//! | in a cache | `max-age` never reaches beyond the end ([`super::edition`]) |
//!
//! The script believes a clock only where it is not before the copy was made: with a clock
//! that is slow there is no green either. Before the end, each tab at a moment of its own,
//! it asks whether there is a newer copy, and loads that; so a tab that stays open stays
//! current while copies are renewed, and says "unknown" when they are not.
//!
//! Why not `<meta http-equiv=refresh>`: it reloads whether there is something newer or not.
//! That moves the page under readers who need time (WCAG 2.2, failure F41), shows an error
//! where the reader is offline, and would start the animation's delay anew with each reload
//! of a copy that was not renewed.
//!
//! Static files have no headers, so the content security policy goes into the page. A file
//! in JSON gets `valid_until` as its first field: its readers have a clock.

use std::cell::Cell;

use axum::body::Bytes;
use evenkeel_core::Timestamp;
use lol_html::html_content::ContentType;
use lol_html::{RewriteStrSettings, element, rewrite_str};
use maud::{Markup, html};

use crate::public::words::{Language, Words};
use crate::web::integrity;

const STYLE: &str = include_str!("expiry.css");
const SCRIPT: &str = include_str!("expiry.js");

/// When an edition was made, and until when it speaks of now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// When it was made.
    pub made_at: Timestamp,
    /// Until when it speaks of now.
    pub valid_until: Timestamp,
}

/// A page that cannot be given an end.
#[derive(Debug, thiserror::Error)]
pub enum ExpiryError {
    /// It is no text.
    #[error("it is not UTF-8")]
    Text(#[from] std::string::FromUtf8Error),
    /// It cannot be read as HTML.
    #[error("it is not HTML")]
    Html(#[from] lol_html::errors::RewritingError),
    /// It is not built as our pages are.
    #[error("it has no <{0}>, where its end belongs")]
    Lacks(&'static str),
    /// It is no object.
    #[error("it is JSON, and no object that could say its end")]
    Json,
}

/// What is published of a file: with its end where it speaks of now, and with the policy
/// that its header had.
///
/// # Errors
/// It is not built as it should be; it is not published then.
pub fn copied(
    bytes: Bytes,
    content_type: &str,
    policy: &str,
    title: &str,
    ends: Option<&Stamp>,
) -> Result<Bytes, ExpiryError> {
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    match (kind, ends) {
        ("text/html", ends) => {
            let text = String::from_utf8(bytes.into())?;
            Ok(page(&text, policy, title, ends)?.into())
        }
        ("application/json", Some(stamp)) => json(&bytes, stamp),
        _ => Ok(bytes),
    }
}

fn json(bytes: &[u8], stamp: &Stamp) -> Result<Bytes, ExpiryError> {
    let rest = bytes.strip_prefix(b"{").ok_or(ExpiryError::Json)?;
    let until = stamp.valid_until.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
    let is_empty = rest.trim_ascii_start().starts_with(b"}");
    let comma = if is_empty { "" } else { "," };
    let mut made = format!("{{\"valid_until\":\"{until}\"{comma}").into_bytes();
    made.extend_from_slice(rest);
    Ok(made.into())
}

fn page(
    text: &str,
    policy: &str,
    title: &str,
    ends: Option<&Stamp>,
) -> Result<String, ExpiryError> {
    let left = ends.map(|stamp| {
        let left = evenkeel_core::time::since(stamp.made_at, stamp.valid_until);
        format!(":root{{--copy-left:{}ms}}", left.as_millis())
    });
    let hashes = left.as_ref().map(|left| Hashes {
        styles: [integrity(STYLE), integrity(left)],
        script: integrity(SCRIPT),
    });
    let policy = html! {
        meta http-equiv="Content-Security-Policy" content=(in_page(policy, hashes.as_ref()));
    };
    let words = Cell::new(Words::of(Language::English));
    let (charset, main) = (Cell::new(false), Cell::new(false));
    let settings = RewriteStrSettings::new()
        .append_element_content_handler(element!("html", |root| {
            let tag = root.get_attribute("lang").unwrap_or_default();
            if let Some(language) = Language::of_tag(&tag) {
                words.set(Words::of(language));
            }
            if let Some(stamp) = ends {
                let ms = |at: Timestamp| at.as_millisecond().to_string();
                root.set_attribute("data-made", &ms(stamp.made_at))?;
                root.set_attribute("data-until", &ms(stamp.valid_until))?;
            }
            Ok(())
        }))
        .append_element_content_handler(element!("meta[charset]", |meta| {
            charset.set(true);
            // The policy holds for what comes after it.
            let mut after = policy.clone().into_string();
            if let Some(left) = &left {
                after.push_str(&format!("<script>{SCRIPT}</script><style>{left}</style>"));
            }
            meta.after(&after, ContentType::Html);
            Ok(())
        }))
        .append_element_content_handler(element!("head", |head| {
            if ends.is_some() {
                head.append(&format!("<style>{STYLE}</style>"), ContentType::Html);
            }
            Ok(())
        }))
        // Both say how things are, and neither can be taken back: a bookmark, a search
        // engine's excerpt.
        .append_element_content_handler(element!("title", |element| {
            if ends.is_some() {
                element.set_inner_content(title, ContentType::Text);
            }
            Ok(())
        }))
        .append_element_content_handler(element!("meta[name=description]", |element| {
            if ends.is_some() {
                element.remove();
            }
            Ok(())
        }))
        // Nobody counts there.
        .append_element_content_handler(element!("form", |form| {
            form.remove();
            Ok(())
        }))
        .append_element_content_handler(element!("main", |element| {
            main.set(true);
            if let Some(stamp) = ends {
                let (before, after) = around(words.get(), stamp);
                element.before(&before.into_string(), ContentType::Html);
                element.after(&after.into_string(), ContentType::Html);
            }
            Ok(())
        }));
    let made = rewrite_str(text, settings)?;
    if !charset.get() {
        return Err(ExpiryError::Lacks("meta charset"));
    }
    if !main.get() {
        return Err(ExpiryError::Lacks("main"));
    }
    Ok(made)
}

struct Hashes {
    styles: [String; 2],
    script: String,
}

/// The policy as it can stand in a page, with what the copy brings.
fn in_page(policy: &str, brings: Option<&Hashes>) -> String {
    let mut directives: Vec<String> = policy
        .split(';')
        .map(|directive| directive.trim().to_owned())
        .filter(|directive| !directive.is_empty())
        // Browsers refuse these in a page.
        .filter(|directive| {
            !["frame-ancestors", "sandbox", "report-uri"].contains(&name(directive))
        })
        .collect();
    let Some(Hashes { styles, script }) = brings else {
        return directives.join("; ");
    };
    let mut add = |to: &str, source: &str| match directives
        .iter_mut()
        .find(|directive| name(directive) == to)
    {
        Some(directive) if directive.split(' ').any(|known| known == source) => {}
        Some(directive) => directive.push_str(&format!(" {source}")),
        None => directives.push(format!("{to} {source}")),
    };
    for hash in styles {
        add("style-src", &format!("'{hash}'"));
    }
    add("script-src", &format!("'{script}'"));
    // It asks for itself when it has ended.
    add("connect-src", "'self'");
    directives.join("; ")
}

fn name(directive: &str) -> &str {
    directive.split_whitespace().next().unwrap_or_default()
}

/// What stands before and after the page itself.
fn around(words: &Words, stamp: &Stamp) -> (Markup, Markup) {
    let made = words.second_of_day(stamp.made_at);
    // With its day: who reads a copy late may read it very late.
    let until = words.minute_of_day(stamp.valid_until);
    let before = html! {
        p.copy { (words.copy_valid(&made, &until)) }
    };
    let after = html! {
        section.ended {
            h1 { (words.copy_unknown(&until)) }
            p { (words.copy_not_renewed()) " " a href="" { (words.copy_again()) } }
        }
    };
    (before, after)
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str =
        "default-src 'none'; style-src 'sha256-a'; frame-ancestors 'none'; form-action 'none'";

    fn stamp() -> Stamp {
        Stamp {
            made_at: "2026-11-18T02:14:09Z".parse().unwrap(),
            valid_until: "2026-11-18T02:19:09Z".parse().unwrap(),
        }
    }

    fn page_in(language: &str) -> String {
        format!(
            "<!DOCTYPE html><html lang=\"{language}\"><head><meta charset=\"utf-8\">\
             <title>All functions work · Back office</title>\
             <meta name=\"description\" content=\"All functions work\"></head>\
             <body><main><h1>All functions work</h1></main></body></html>"
        )
    }

    #[test]
    fn a_copy_says_its_end_in_the_language_of_the_page() {
        for (language, unknown) in [
            ("en", "unknown since 18 November 2026, 02:19 UTC"),
            ("nl", "Sinds 18 november 2026, 02:19 uur UTC is onbekend"),
            (
                "de",
                "Seit dem 18. November 2026, 02:19 Uhr UTC ist unbekannt",
            ),
            (
                "pl",
                "Od 18 listopada 2026, godz. 02:19 UTC stan jest nieznany",
            ),
            ("da", "Siden 18. november 2026 kl. 02.19 UTC vides det ikke"),
        ] {
            let made = page(&page_in(language), POLICY, "Back office", Some(&stamp())).unwrap();
            assert!(made.contains(unknown), "{made}");
            assert!(made.contains(":14:09") || made.contains(".14.09"), "{made}");
            assert!(made.contains("data-until=\"1794968349000\""), "{made}");
            assert!(made.contains(":root{--copy-left:300000ms}"), "{made}");
        }
    }

    #[test]
    fn neither_title_nor_description_claim_what_cannot_be_taken_back() {
        let made = page(&page_in("en"), POLICY, "Back & office", Some(&stamp())).unwrap();
        assert_eq!(made.matches("All functions work").count(), 1, "{made}");
        assert!(made.contains("<title>Back &amp; office</title>"), "{made}");
    }

    #[test]
    fn the_policy_of_the_header_moves_into_the_page() {
        let made = page(&page_in("en"), POLICY, "x", None).unwrap();
        assert!(
            made.contains(
                "content=\"default-src 'none'; style-src 'sha256-a'; form-action 'none'\""
            ),
            "{made}"
        );
        assert!(made.contains("All functions work · Back office"), "{made}");
        let made = page(&page_in("en"), POLICY, "x", Some(&stamp())).unwrap();
        let script = integrity(SCRIPT);
        assert!(made.contains(&format!("script-src '{script}'; connect-src 'self'")));
        assert!(made.contains(&format!("style-src 'sha256-a' '{}' '", integrity(STYLE))));
    }

    #[test]
    fn a_page_that_is_built_otherwise_is_refused() {
        let made = page(
            "<html><head><meta charset=utf-8></head><body>",
            POLICY,
            "x",
            None,
        );
        assert!(matches!(made, Err(ExpiryError::Lacks("main"))), "{made:?}");
    }

    #[test]
    fn json_says_its_end_first() {
        let made = |text: &'static str| json(text.as_bytes(), &stamp());
        let said = made("{\"page\":{}}").unwrap();
        let said: serde_json::Value = serde_json::from_slice(&said).unwrap();
        assert_eq!(said["valid_until"], "2026-11-18T02:19:09.000Z");
        assert!(said["page"].is_object());
        let said: serde_json::Value = serde_json::from_slice(&made("{ }").unwrap()).unwrap();
        assert_eq!(said["valid_until"], "2026-11-18T02:19:09.000Z");
        assert!(matches!(made("[]"), Err(ExpiryError::Json)));
    }
}
