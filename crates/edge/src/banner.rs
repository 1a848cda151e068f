//! The banner: a few hundred bytes at the top of every HTML answer, put in while the answer
//! streams through, and the same as JSON for applications that draw their own pages.
//!
//! Only `text/html` with status 200 that is not compressed: while a banner is shown, pages
//! are asked for uncompressed and whole, because to unpack and pack again would cost every
//! page more than the banner is worth, and bring four decoders to where strangers' bytes
//! arrive. What comes packed all the same (files that were compressed beforehand) goes
//! through as it is, without a banner and with its length and tag. It needs no script and respects a content security policy:
//! where inline style is not allowed it has none. To hide it is a link to ourselves, which
//! sets a cookie and leads back. Its letters are plain ASCII with entities, so that it reads
//! the same in whatever coding the page has.

use std::cell::RefCell;
use std::fmt::Write;
use std::rc::Rc;

use bytes::Bytes;
use evenkeel_core::edge::Banner;
use http::header::{
    ACCEPT, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderValue, LAST_MODIFIED, REFERER, SET_COOKIE,
};
use http::{HeaderMap, Method, StatusCode};
use lol_html::html_content::ContentType;
use lol_html::{HtmlRewriter, MemorySettings, OutputSink, Settings, element};

use crate::languages::Language;
use crate::pages::{self, escaped, words};
use crate::proxy::{Answer, cookie};

/// Where the edge's own answers to applications are.
pub(crate) const OWN: &str = "/.evenkeel/";

/// The cookie of who does not want to see it again.
const HIDDEN: &str = "evenkeel-banner";

/// How long that is remembered: as long as an incident lasts at worst.
const HIDDEN_S: u32 = 7 * 24 * 3600;

/// The most that the rewriter keeps in memory: a tag's attributes.
const MEMORY_MAX: usize = 256 * 1024;

/// What is put into one answer.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    text: String,
    link: Option<String>,
    id: String,
    language: Language,
    tag: String,
}

/// A rewriter, and what came out of it.
pub(crate) struct Rewriting {
    rewriter: Option<HtmlRewriter<'static, Sink>>,
    output: Rc<RefCell<Vec<u8>>>,
}

struct Sink(Rc<RefCell<Vec<u8>>>);

impl OutputSink for Sink {
    fn handle_chunk(&mut self, chunk: &[u8]) {
        self.0.borrow_mut().extend_from_slice(chunk);
    }
}

impl std::fmt::Debug for Rewriting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rewriting").finish_non_exhaustive()
    }
}

/// Whether the banner is meant for a client of this tenant who has not hidden it.
pub(crate) fn shown(banner: &Banner, tenant: &str, headers: &HeaderMap) -> Option<Shown> {
    let is_meant = banner.tenants.is_empty() || banner.tenants.contains(tenant);
    if !is_meant || cookie(headers, HIDDEN) == Some(&cookie_value(&banner.id)) {
        return None;
    }
    let (tag, text) = pages::text_for(headers, &banner.texts)?;
    Some(Shown {
        text: text.to_owned(),
        link: banner.link.clone().filter(|link| is_link(link)),
        id: cookie_value(&banner.id),
        language: Language::of(tag).unwrap_or_default(),
        tag: tag.to_owned(),
    })
}

/// Whether a request asks for a page that a banner may be put into.
pub(crate) fn asks_for_page(method: &Method, headers: &HeaderMap) -> bool {
    let accepts = headers
        .get(ACCEPT)
        .and_then(|accepts| accepts.to_str().ok());
    *method == Method::GET && accepts.is_some_and(|accepts| accepts.contains("text/html"))
}

/// Only letters that mean nothing in a cookie or an address.
fn cookie_value(id: &str) -> String {
    let is_plain = |letter: &char| letter.is_ascii_alphanumeric() || "-_.".contains(*letter);
    id.chars().filter(is_plain).take(64).collect()
}

/// A link that leads to a page and runs nothing.
fn is_link(link: &str) -> bool {
    link.starts_with("https://") || link.starts_with("http://") || link.starts_with('/')
}

/// What the edge answers below [`OWN`].
pub(crate) fn own(
    banner: Option<&Banner>,
    tenant: &str,
    target: &str,
    headers: &HeaderMap,
) -> Option<Answer> {
    let rest = target.strip_prefix(OWN)?;
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    match path {
        "banner.json" => {
            let shown = banner.and_then(|banner| shown(banner, tenant, headers));
            let told = shown.map(|shown| {
                serde_json::json!({
                    "id": shown.id,
                    "text": shown.text,
                    "language": shown.tag,
                    "link": shown.link,
                    "hide": format!("{OWN}hide?{}", shown.id),
                })
            });
            Some(pages::json(&serde_json::json!({ "banner": told })))
        }
        "hide" => {
            let id = cookie_value(query);
            // Back to where the link stood, if that is here; no other site gets anybody sent.
            let back = headers.get(REFERER).and_then(|back| back.to_str().ok());
            let back = back.and_then(|back| {
                back.split_once("://")?.1.find('/').map(|at| {
                    let path = back.split_once("://").map_or("", |(_, rest)| &rest[at..]);
                    format!("/{}", path.trim_start_matches(['/', '\\']))
                })
            });
            let back = HeaderValue::try_from(back.unwrap_or_else(|| "/".to_owned()));
            let back = back.unwrap_or(HeaderValue::from_static("/"));
            let mut answer = pages::redirect(StatusCode::SEE_OTHER, back);
            let cookie =
                format!("{HIDDEN}={id}; Path=/; Max-Age={HIDDEN_S}; HttpOnly; SameSite=Lax");
            if let Ok(cookie) = HeaderValue::try_from(cookie) {
                answer.headers.insert(SET_COOKIE, cookie);
            }
            Some(answer)
        }
        _ => None,
    }
}

impl Shown {
    /// Begins to put it into an answer, if that is a page: its head is changed accordingly.
    pub(crate) fn rewrite(&self, status: StatusCode, headers: &mut HeaderMap) -> Option<Rewriting> {
        if status != StatusCode::OK || !is_page(headers) {
            return None;
        }
        let html = self.html(allows_style(headers));
        for name in [CONTENT_LENGTH, ETAG, LAST_MODIFIED, ACCEPT_RANGES] {
            headers.remove(name);
        }
        // A page with a banner is of this moment.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
        let output = Rc::new(RefCell::new(Vec::new()));
        let mut is_in = false;
        let body = element!("body", move |body| {
            // The first one is the body; further ones are mistakes of the page's.
            if !std::mem::replace(&mut is_in, true) {
                body.prepend(&html, ContentType::Html);
            }
            Ok(())
        });
        // A page that is too odd to be read on goes through as it is from there.
        let memory = MemorySettings::new()
            .with_max_allowed_memory_usage(MEMORY_MAX)
            .with_graceful_bail_out_on_memory_limit_exceeded(true);
        let settings = Settings::new()
            .append_element_content_handler(body)
            .with_strict(false)
            .with_memory_settings(memory);
        let rewriter = HtmlRewriter::new(settings, Sink(output.clone()));
        Some(Rewriting {
            rewriter: Some(rewriter),
            output,
        })
    }

    /// The element.
    fn html(&self, with_style: bool) -> String {
        let style = |style: &str| match with_style {
            true => format!(" style=\"{style}\""),
            false => String::new(),
        };
        let bar = style(
            "padding:.5em 1em;background:#fff4ce;color:#222;font:1rem/1.4 system-ui,sans-serif",
        );
        let away = style("float:right;margin-left:1em;color:inherit");
        let (tag, id, text) = (escaped(&self.tag), &self.id, escaped(&self.text));
        let hide = words::hide(self.language);
        let mut html = format!(
            "<div role=\"status\" id=\"evenkeel-banner\" lang=\"{tag}\"{bar}><a href=\"{OWN}hide?{id}\" rel=\"nofollow\"{away}>{hide}</a>{text}"
        );
        if let Some(link) = &self.link {
            let (link, more) = (escaped(link), words::more(self.language));
            html += &format!(" <a href=\"{link}\">{more}</a>");
        }
        html += "</div>";
        ascii(&html)
    }
}

/// Letters beyond ASCII as entities.
fn ascii(html: &str) -> String {
    let mut plain = String::with_capacity(html.len());
    for letter in html.chars() {
        if letter.is_ascii() {
            plain.push(letter);
        } else {
            // To a text nothing fails.
            let _written = write!(plain, "&#{};", u32::from(letter));
        }
    }
    plain
}

/// Whether an answer is a page in a coding that is ASCII where it counts.
fn is_page(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().to_ascii_lowercase();
    let is_html = kind
        .split(';')
        .next()
        .is_some_and(|kind| kind.trim() == "text/html");
    let is_packed = headers
        .get(CONTENT_ENCODING)
        .is_some_and(|coding| coding != "identity");
    is_html && !is_packed && !kind.contains("utf-16") && !kind.contains("iso-2022")
}

/// Whether all policies of an answer allow style on an element.
fn allows_style(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONTENT_SECURITY_POLICY)
        .iter()
        .all(|policy| {
            let policy = policy
                .to_str()
                .unwrap_or("default-src 'none'")
                .to_ascii_lowercase();
            policy.split(',').all(|policy| {
                let of = |name: &str| {
                    let mut rules = policy.split(';').map(str::trim);
                    rules.find_map(|rule| rule.strip_prefix(name)?.strip_prefix(' '))
                };
                let rule = of("style-src-attr")
                    .or_else(|| of("style-src"))
                    .or_else(|| of("default-src"));
                rule.is_none_or(|rule| {
                    // A nonce or a hash beside it makes browsers overlook it.
                    rule.contains("'unsafe-inline'")
                        && !rule.contains("'nonce-")
                        && !rule.contains("'sha")
                })
            })
        })
}

impl Rewriting {
    /// Takes a piece of the page; gives what there is to pass on.
    pub(crate) fn write(&mut self, piece: Bytes) -> Bytes {
        let Some(rewriter) = &mut self.rewriter else {
            return piece;
        };
        if rewriter.write(&piece).is_err() {
            self.rewriter = None;
        }
        self.take()
    }

    /// What is left at the end.
    pub(crate) fn end(&mut self) -> Bytes {
        if let Some(rewriter) = self.rewriter.take()
            && let Err(error) = rewriter.end()
        {
            tracing::debug!(%error, "the end of a page with a banner is as it was");
        }
        self.take()
    }

    fn take(&self) -> Bytes {
        Bytes::from(self.output.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn banner() -> Banner {
        Banner {
            id: "b1".into(),
            texts: [("en", "Slow <today>"), ("pl", "Dziś wolno")]
                .map(|(tag, text)| (tag.to_owned(), text.to_owned()))
                .into(),
            link: Some("https://status.example/".into()),
            tenants: BTreeSet::new(),
        }
    }

    fn page(policy: Option<&str>, pieces: &[&str]) -> Option<String> {
        let shown = shown(&banner(), "", &HeaderMap::new()).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, "text/html; charset=utf-8".parse().unwrap());
        if let Some(policy) = policy {
            headers.insert(CONTENT_SECURITY_POLICY, policy.parse().unwrap());
        }
        let mut rewriting = shown.rewrite(StatusCode::OK, &mut headers)?;
        let mut text = Vec::new();
        for piece in pieces {
            text.extend_from_slice(&rewriting.write(Bytes::copy_from_slice(piece.as_bytes())));
        }
        text.extend_from_slice(&rewriting.end());
        Some(String::from_utf8(text).unwrap())
    }

    #[test]
    fn it_stands_at_the_top_of_the_body_however_the_page_comes() {
        let html = page(None, &["<html><bo", "dy class=x><h1>Hi</h1><body>"]).unwrap();
        assert!(
            html.starts_with("<html><body class=x><div role=\"status\""),
            "{html}"
        );
        assert!(html.ends_with("</div><h1>Hi</h1><body>"), "{html}");
        assert!(html.contains("Slow &lt;today&gt;"), "{html}");
        assert_eq!(html.matches("evenkeel-banner").count(), 1, "{html}");
        assert!(html.len() < 600, "{}", html.len());
    }

    #[test]
    fn a_policy_that_forbids_style_is_respected() {
        for (policy, has_style) in [
            (None, true),
            (Some("default-src 'self'"), false),
            (Some("style-src 'self' 'unsafe-inline'"), true),
            (Some("style-src 'unsafe-inline' 'nonce-abc'"), false),
            (Some("img-src 'self'"), true),
            (
                Some("default-src 'none'; style-src-attr 'unsafe-inline'"),
                true,
            ),
        ] {
            let html = page(policy, &["<body>"]).unwrap();
            assert_eq!(html.contains("style="), has_style, "{policy:?}: {html}");
        }
    }

    #[test]
    fn it_is_put_into_pages_only() {
        for (kind, coding, is_page) in [
            ("text/html", None, true),
            ("text/html; charset=iso-8859-2", None, true),
            ("text/html; charset=utf-16", None, false),
            ("text/html", Some("gzip"), false),
            ("application/json", None, false),
            ("text/htmlx", None, false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, kind.parse().unwrap());
            if let Some(coding) = coding {
                headers.insert(CONTENT_ENCODING, coding.parse().unwrap());
            }
            assert_eq!(super::is_page(&headers), is_page, "{kind} {coding:?}");
        }
    }

    #[test]
    fn who_has_hidden_it_or_is_not_meant_does_not_see_it() {
        let mut headers = HeaderMap::new();
        headers.insert("accept-language", "pl".parse().unwrap());
        let mut banner = banner();
        let pl = shown(&banner, "", &headers).unwrap().html(true);
        assert!(pl.is_ascii() && pl.contains("Dzi&#347; wolno"), "{pl}");
        headers.insert("cookie", "a=b; evenkeel-banner=b1".parse().unwrap());
        assert!(shown(&banner, "", &headers).is_none());
        banner.id = "b2".into();
        assert!(shown(&banner, "", &headers).is_some());
        banner.tenants.insert("aa".into());
        assert!(shown(&banner, "", &headers).is_none());
        assert!(shown(&banner, "aa", &headers).is_some());
    }

    #[test]
    fn hiding_leads_back_and_nowhere_else() {
        for (back, to) in [
            (Some("https://app.example/a?b=c"), "/a?b=c"),
            (Some("https://app.example//evil.example/"), "/evil.example/"),
            (
                Some("https://app.example/\\evil.example/"),
                "/evil.example/",
            ),
            (Some("nonsense"), "/"),
            (None, "/"),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(back) = back {
                headers.insert(REFERER, back.parse().unwrap());
            }
            let answer = own(None, "", "/.evenkeel/hide?b1;x=y", &headers).unwrap();
            assert_eq!(answer.headers["location"], to);
            let cookie = answer.headers["set-cookie"].to_str().unwrap();
            assert!(cookie.starts_with("evenkeel-banner=b1xy; "), "{cookie}");
        }
    }
}
