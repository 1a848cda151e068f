//! Who gets past the login, and what every page and form of theirs carries.
//!
//! - A page needs a session; without one the reader is sent to the login and back.
//! - A form needs three things: a session, the session's own token in the form, and a
//!   browser that says the form was on a page of ours (`Sec-Fetch-Site`, or `Origin`
//!   where there is no such header). A page elsewhere can make a browser send a form, and
//!   can neither read the token nor change those headers.
//! - Nothing is ever sent to an address that came from outside, but to a path of ours.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use axum::Form;
use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use evenkeel_core::Timestamp;
use maud::{Markup, html};

use super::{Console, plain};
use crate::access::sessions::Word;
use crate::access::{Role, Visitor, same};
use crate::pump::published::Published;
use crate::web::Site;
use crate::web::serving::Peer;

/// The header of a page that renews itself: not a person's doing.
pub(super) const RENEWS: &str = "x-evenkeel-renews";

/// The cookie that holds a session. Under TLS with the prefix that browsers let nobody
/// set from another host or without encryption.
pub(super) fn session_cookie(peer: Peer) -> &'static str {
    if peer.is_encrypted {
        "__Host-evenkeel"
    } else {
        "evenkeel"
    }
}

/// A cookie of ours: for the server only, for no other site, for this browser's run.
pub(super) fn cookie(name: &str, value: &str, peer: Peer) -> HeaderValue {
    let secure = if peer.is_encrypted { "; Secure" } else { "" };
    let gone = if value.is_empty() { "; Max-Age=0" } else { "" };
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict{secure}{gone}");
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
}

/// The value of a cookie in a request.
pub(super) fn cookie_of(headers: &HeaderMap, name: &str) -> Option<String> {
    let all = headers.get_all(header::COOKIE).iter();
    all.filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value.to_owned())
}

/// Who asks, by the connection.
pub(crate) fn peer_of(parts: &Parts) -> Peer {
    parts.extensions.get().copied().unwrap_or_default()
}

/// Where a peer is; this host where the connection does not say.
pub(crate) fn address_of(peer: Peer) -> IpAddr {
    peer.address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// A path of ours that somebody may be sent to; `/` for anything else. `//host` and
/// `/\host` lead elsewhere.
pub(super) fn path_of_ours(path: &str) -> &str {
    let mut letters = path.chars();
    let ours = letters.next() == Some('/')
        && !matches!(letters.next(), Some('/' | '\\'))
        && path.len() <= 2000
        && path
            .chars()
            .all(|letter| letter.is_ascii_graphic() && letter != '\\')
        && !path.starts_with("/login")
        && !path.starts_with("/live");
    if ours { path } else { "/" }
}

/// Somebody with a session.
#[derive(Clone)]
struct Here {
    visitor: Visitor,
    cookie: String,
}

/// Lets past who has a session, and shows the login to who has none.
pub(super) async fn gate(State(console): State<Console>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path();
    if super::OPEN.contains(&path) || path.starts_with("/api/") {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let peer = peer_of(&parts);
    let is_act = !parts.headers.contains_key(RENEWS) && path != "/live";
    let here = cookie_of(&parts.headers, session_cookie(peer)).and_then(|cookie| {
        let visitor = console.access.visitor(&cookie, is_act)?;
        Some(Here { visitor, cookie })
    });
    if let Some(here) = here {
        parts.extensions.insert(here);
        return next.run(Request::from_parts(parts, body)).await;
    }
    if !is_act {
        return (StatusCode::UNAUTHORIZED, "you are logged out\n").into_response();
    }
    if parts.method == Method::GET || parts.method == Method::HEAD {
        let wanted = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let to = match path_of_ours(wanted) {
            "/" => "/login".to_owned(),
            path => format!("/login?next={}", in_query(path)),
        };
        return Redirect::to(&to).into_response();
    }
    let body = html! {
        h1 { "You are logged out" }
        p { "Nothing was done. " a href="/login" { "Log in" } " and do it again." }
    };
    (
        StatusCode::FORBIDDEN,
        plain(&console.site, "Logged out", body),
    )
        .into_response()
}

/// A text as it may stand in a query.
pub(super) fn in_query(text: &str) -> String {
    use std::fmt::Write;
    text.bytes().fold(String::new(), |mut coded, byte| {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            coded.push(char::from(byte));
        } else {
            let _infallible = write!(coded, "%{byte:02X}");
        }
        coded
    })
}

/// What a page is made from: what is published, and who reads it.
pub(super) struct Desk {
    pub(super) site: Site,
    pub(super) console: Console,
    pub(super) live: Arc<Published>,
    pub(super) now: Timestamp,
    pub(super) visitor: Visitor,
    /// What came of what they last did.
    pub(super) word: Option<Word>,
    /// The page they are on.
    pub(super) path: String,
}

impl FromRequestParts<Console> for Desk {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        console: &Console,
    ) -> Result<Self, Self::Rejection> {
        let here = parts.extensions.get::<Here>().cloned();
        let Some(here) = here else {
            return Err(StatusCode::FORBIDDEN.into_response());
        };
        let renews = parts.headers.contains_key(RENEWS);
        let word = match renews {
            true => None,
            false => console.access.take_word(&here.cookie),
        };
        let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            site: console.site.clone(),
            console: console.clone(),
            live: console.site.now(),
            now: Timestamp::now(),
            visitor: here.visitor,
            word,
            path: path_of_ours(path).to_owned(),
        })
    }
}

impl Desk {
    /// Whether buttons are shown.
    pub(super) fn may_order(&self) -> bool {
        self.visitor.role == Role::Operator
    }

    /// A form that gives an order and comes back to this page. `None` for who may not.
    pub(super) fn form(&self, order: &str, fields: &[(&str, &str)], inside: Markup) -> Markup {
        html! {
            @if self.may_order() {
                form.order method="post" action="/orders" {
                    input type="hidden" name="csrf" value=(self.visitor.csrf);
                    input type="hidden" name="order" value=(order);
                    input type="hidden" name="back" value=(self.path);
                    @for (name, value) in fields {
                        input type="hidden" name=(name) value=(value);
                    }
                    (inside)
                }
            }
        }
    }
}

/// Whether a browser says that a form was on a page of ours. What is no browser says
/// nothing, and has to know the token all the same.
pub(super) fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin";
    }
    match (text(header::ORIGIN), text(header::HOST)) {
        (None, _) => true,
        (Some(origin), Some(host)) => {
            let (_, of) = origin.split_once("://").unwrap_or(("", origin));
            of == host
        }
        (Some(_), None) => false,
    }
}

/// A form that was sent: by somebody with a session, from a page of ours.
pub(super) struct Posted {
    pub(super) console: Console,
    pub(super) visitor: Visitor,
    pub(super) cookie: String,
    pub(super) peer: Peer,
    fields: Vec<(String, String)>,
}

impl Posted {
    /// A field; empty where it is not there.
    pub(super) fn field(&self, name: &str) -> &str {
        field(&self.fields, name)
    }

    /// Every field with its value.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.fields.iter();
        fields.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// A page for who sent it, which leads back to where they were.
    pub(super) fn desk(&self) -> Desk {
        Desk {
            site: self.console.site.clone(),
            console: self.console.clone(),
            live: self.console.site.now(),
            now: Timestamp::now(),
            visitor: self.visitor.clone(),
            word: None,
            path: path_of_ours(self.field("back")).to_owned(),
        }
    }

    /// What the fields with this beginning are called besides it, as far as they are filled.
    pub(super) fn named<'a>(&'a self, beginning: &'a str) -> impl Iterator<Item = &'a str> {
        let filled = self.fields.iter().filter(|(_, value)| !value.is_empty());
        filled.filter_map(move |(name, _)| name.strip_prefix(beginning))
    }
}

/// A field of a form; empty where it is not there.
pub(super) fn field<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    let found = fields.iter().find(|(known, _)| known == name);
    found.map_or("", |(_, value)| value.trim())
}

/// The fields of a form, within bounds.
pub(super) async fn fields(request: Request) -> Result<Vec<(String, String)>, Response> {
    let Form(fields) = Form::from_request(request, &())
        .await
        .map_err(IntoResponse::into_response)?;
    Ok(fields)
}

impl FromRequest<Console> for Posted {
    type Rejection = Response;

    async fn from_request(request: Request, console: &Console) -> Result<Self, Self::Rejection> {
        let (parts, body) = request.into_parts();
        let here = parts.extensions.get::<Here>().cloned();
        let Some(here) = here else {
            return Err(StatusCode::FORBIDDEN.into_response());
        };
        let peer = peer_of(&parts);
        let from_here = is_from_here(&parts.headers);
        let fields = fields(Request::from_parts(parts, body)).await?;
        if !from_here || !same(field(&fields, "csrf"), &here.visitor.csrf) {
            let body = html! {
                h1 { "This form did not come from a page of yours" }
                p { "Nothing was done. If you sent it yourself, the page was an old one: "
                    a href="/" { "open it anew" } " and do it again." }
            };
            return Err(
                (StatusCode::FORBIDDEN, plain(&console.site, "Refused", body)).into_response(),
            );
        }
        Ok(Self {
            console: console.clone(),
            visitor: here.visitor,
            cookie: here.cookie,
            peer,
            fields,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for path in ["/", "/incidents/I-1", "/journal?kind=run_&text=a%20b"] {
            assert_eq!(path_of_ours(path), path);
        }
        let elsewhere = [
            "",
            "x",
            "//evil.example",
            "/\\evil.example",
            "/a\\b",
            "https://evil.example",
            "/a\nb",
            "/ä",
            "/login?next=/",
            "/live",
            "javascript:alert(1)",
            &format!("/{}", "a".repeat(3000)),
        ];
        for path in elsewhere {
            assert_eq!(path_of_ours(path), "/", "{path}");
        }
    }

    #[test]
    fn a_form_is_ours_only_where_the_browser_says_so() {
        let of = |pairs: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, HeaderValue::from_static(value));
            }
            is_from_here(&headers)
        };
        assert!(of(&[("sec-fetch-site", "same-origin")]));
        assert!(!of(&[("sec-fetch-site", "cross-site")]));
        assert!(!of(&[("sec-fetch-site", "same-site")]));
        assert!(!of(&[("sec-fetch-site", "none")]));
        assert!(of(&[
            ("origin", "http://localhost:8081"),
            ("host", "localhost:8081")
        ]));
        assert!(!of(&[
            ("origin", "http://localhost:8080"),
            ("host", "localhost:8081")
        ]));
        assert!(!of(&[("origin", "null"), ("host", "localhost:8081")]));
        assert!(of(&[("host", "localhost:8081")]));
    }

    #[test]
    fn a_cookie_is_for_the_server_only() {
        let plain = cookie("evenkeel", "abc", Peer::default());
        assert_eq!(plain, "evenkeel=abc; Path=/; HttpOnly; SameSite=Strict");
        let encrypted = Peer {
            is_encrypted: true,
            ..Peer::default()
        };
        let text = cookie(session_cookie(encrypted), "abc", encrypted);
        assert_eq!(
            text,
            "__Host-evenkeel=abc; Path=/; HttpOnly; SameSite=Strict; Secure"
        );
        assert!(
            cookie("evenkeel", "", Peer::default())
                .to_str()
                .unwrap()
                .ends_with("Max-Age=0")
        );
    }

    #[test]
    fn what_stands_in_a_query_is_coded() {
        assert_eq!(
            in_query("/journal?text=a b&x"),
            "/journal%3Ftext%3Da%20b%26x"
        );
    }
}
