//! The pages: one for customers, one for operators, each on a listener of its own.
//!
//! Made on the server from what the pump publishes. The public page is read-only and
//! without a line of script; the operator's asks for a login before it shows anything,
//! takes orders, and works without script. Neither can hold the pump up, and neither
//! shows anything that is not durable.
//!
//! What every answer carries: a content security policy that allows this page's own style
//! sheet and script (by their hashes) and nothing else; no referrer; no sniffing; no
//! frames.

pub mod account;
pub mod amounts;
pub mod api;
pub mod clock;
pub mod languages;
pub mod operator;
pub mod public;
pub mod serving;
mod shape;
pub mod tls;

use std::path::PathBuf;
use std::sync::Arc;

use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use evenkeel_core::ids::ComponentId;
use evenkeel_core::policy::Policy;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::pump::published::Published;
use crate::subscribers::Subscribers;
use crate::useful::Useful;

/// What pages are made from.
#[derive(Clone)]
pub struct Site {
    /// What the pump published last.
    pub published: watch::Receiver<Arc<Published>>,
    /// What the configuration says.
    pub policy: Arc<Policy>,
    /// Where evidence is kept.
    pub evidence: PathBuf,
    /// The name of the service under guard: `Back office`.
    pub name: String,
    /// The public page's address, as customers know it; without that, where it listens.
    pub url: String,
    /// What else the configuration says of it.
    pub settings: Arc<public::settings::Settings>,
    /// What readers said of its pages.
    pub useful: Arc<Useful>,
    /// Who is told of updates, where somebody may be.
    pub subscribers: Option<Subscribers>,
}

impl Site {
    /// What is published now.
    pub fn now(&self) -> Arc<Published> {
        self.published.borrow().clone()
    }

    /// A component's public name; its id where the configuration no longer has it.
    pub fn component_name<'a>(&'a self, id: &'a ComponentId) -> &'a str {
        match self.policy.components.get(id) {
            Some(component) => &component.name,
            None => id.as_str(),
        }
    }
}

/// The icon of both pages: a keel, even.
pub const FAVICON: &str = concat!(
    r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#0b6478"/>"##,
    r##"<path d="M5 12h22c-1 8-6 12-11 12S6 20 5 12z" fill="#fff"/><path d="M8 8h16" stroke="#fff" stroke-width="2.5"/></svg>"##
);

/// Whether pages of other origins may have an answer.
pub(crate) const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");

/// A style sheet and the policy that allows it.
pub(crate) struct Style {
    css: &'static str,
    script: &'static str,
    integrity: String,
    policy: HeaderValue,
}

impl Style {
    /// A style sheet, and neither script nor forms.
    pub(crate) fn new(css: &'static str) -> Self {
        Self::of(css, "", "form-action 'none'")
    }

    /// A style sheet, forms to ourselves, and no script.
    pub(crate) fn with_forms(css: &'static str) -> Self {
        Self::of(css, "", "form-action 'self'")
    }

    /// A style sheet, one script of ours by its hash, and forms to ourselves.
    pub(crate) fn with_script(css: &'static str, script: &'static str) -> Self {
        let hash = integrity(script);
        let more = format!("script-src '{hash}'; connect-src 'self'; form-action 'self'");
        Self::of(css, script, &more)
    }

    /// The script.
    pub(crate) fn script(&self) -> &'static str {
        self.script
    }

    /// What the script's element says of it: browsers run it only where both agree.
    pub(crate) fn integrity(&self) -> &str {
        &self.integrity
    }

    fn of(css: &'static str, script: &'static str, more: &str) -> Self {
        let policy = policy(&format!("'{}'", integrity(css)), more);
        Self {
            css,
            script,
            integrity: integrity(script),
            policy,
        }
    }

    /// A whole page, in the language of a tag.
    pub(crate) fn page(&self, language: &str, title: &str, head: Markup, body: Markup) -> Markup {
        let head = html! {
            link rel="icon" href="/favicon.svg" type="image/svg+xml";
            (head)
        };
        self.whole(language, title, head, body)
    }

    /// A whole page that stands by itself, in a file.
    pub(crate) fn alone(&self, language: &str, title: &str, body: Markup) -> Markup {
        self.whole(language, title, html! {}, body)
    }

    fn whole(&self, language: &str, title: &str, head: Markup, body: Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang=(language) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (title) }
                    style { (PreEscaped(self.css)) }
                    (head)
                }
                body { (body) }
            }
        }
    }

    /// The policy of pages with this style sheet and another, and with what `more` allows.
    pub(crate) fn policy_with(&self, css: &str, more: &str) -> HeaderValue {
        let mut styles = format!("'{}'", integrity(self.css));
        if !css.is_empty() {
            styles.push_str(&format!(" '{}'", integrity(css)));
        }
        policy(&styles, more)
    }

    /// Puts on an answer what every answer carries.
    pub(crate) fn guard(&self, response: Response, cache: &'static str) -> Response {
        self.guard_by(response, cache, self.policy.clone())
    }

    /// The same, with a policy of its own.
    pub(crate) fn guard_by(
        &self,
        mut response: Response,
        cache: &'static str,
        policy: HeaderValue,
    ) -> Response {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        for (name, value) in [
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
            (
                HeaderName::from_static("permissions-policy"),
                "browsing-topics=()",
            ),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        // What is made for other pages has said so.
        for (name, value) in [
            (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
            (header::CACHE_CONTROL, cache),
        ] {
            headers
                .entry(name)
                .or_insert(HeaderValue::from_static(value));
        }
        response
    }
}

/// What a page may load: these styles, and `more`.
fn policy(styles: &str, more: &str) -> HeaderValue {
    let policy = format!(
        "default-src 'none'; style-src {styles}; img-src 'self'; base-uri 'none'; frame-ancestors 'none'; {more}"
    );
    HeaderValue::from_str(&policy).expect("a policy is plain ASCII")
}

pub(crate) fn integrity(of: &str) -> String {
    format!("sha256-{}", base64(&Sha256::digest(of.as_bytes())))
}

/// The alphabet of RFC 4648, with padding: what a policy's hash is written in.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .chain(&[0; 2])
            .take(3)
            .fold(0_usize, |group, byte| group << 8 | usize::from(*byte));
        for place in 0..4 {
            if place <= chunk.len() {
                text.push(char::from(ALPHABET[group >> (18 - 6 * place) & 63]));
            } else {
                text.push('=');
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    /// Everything that answers without a login, on either listener.
    #[test]
    fn nothing_answers_but_what_is_listed() {
        let paths = |routes: Vec<(&'static str, _)>| -> Vec<&'static str> {
            routes.into_iter().map(|(path, _)| path).collect()
        };
        assert_eq!(
            paths(super::public::routes()),
            [
                "/",
                "/incidents/{id}",
                "/incidents/{id}/postmortem",
                "/maintenance",
                "/maintenance/{id}",
                "/{language}",
                "/{language}/",
                "/{language}/incidents/{id}",
                "/{language}/incidents/{id}/postmortem",
                "/{language}/incidents/{id}/useful",
                "/{language}/maintenance",
                "/{language}/maintenance/{id}",
                "/healthz",
                "/favicon.svg",
                "/logo.svg",
                "/logo.png",
                "/logo.webp",
                "/robots.txt",
                "/api/v2/summary.json",
                "/api/v2/status.json",
                "/api/v2/components.json",
                "/api/v2/incidents.json",
                "/api/v2/incidents/unresolved.json",
                "/api/v2/scheduled-maintenances.json",
                "/api/v2/scheduled-maintenances/active.json",
                "/api/v2/scheduled-maintenances/upcoming.json",
                "/feed.atom",
                "/feed.rss",
                "/feed.json",
                "/history.atom",
                "/history.rss",
                "/banner.js",
                "/banner.json",
                "/hotline.json",
                "/maintenance.ics",
                "/badge.svg",
                "/badge.json",
                "/badge/{file}",
                "/hotline/{file}",
                "/{language}/{feed}",
                "/minisign.pub",
                "/edition.txt",
                "/edition.txt.minisig",
            ]
        );
        assert_eq!(
            paths(super::public::subscribing::routes()),
            ["/{language}/subscribe", "/{language}/subscription/{link}"]
        );
        assert_eq!(
            super::operator::OPEN,
            ["/login", "/healthz", "/favicon.svg"]
        );
    }

    #[test]
    fn base64_is_what_the_rfc_says() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(super::base64(plain.as_bytes()), coded);
        }
    }
}
