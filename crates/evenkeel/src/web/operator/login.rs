//! The login and the logout.
//!
//! The login's own form carries a token too, which a cookie repeats: else a page elsewhere
//! could log a reader in as somebody else, and see what they do there.

use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::gate::{
    Posted, address_of, cookie, cookie_of, field, fields, is_from_here, path_of_ours, peer_of,
    session_cookie,
};
use super::{Console, plain};
use crate::access::{Secret, TurnedAway, same};
use crate::web::serving::Peer;

/// The cookie that repeats the login form's token.
const FORM_COOKIE: &str = "evenkeel-login";

#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    next: String,
}

pub(super) async fn page(
    State(console): State<Console>,
    Query(wanted): Query<Wanted>,
    request: Request,
) -> Response {
    let (parts, _) = request.into_parts();
    let peer = peer_of(&parts);
    let next = path_of_ours(&wanted.next);
    let known = cookie_of(&parts.headers, session_cookie(peer))
        .and_then(|cookie| console.access.visitor(&cookie, true));
    if known.is_some() {
        return Redirect::to(next).into_response();
    }
    // A link on another site brings no cookie of ours, also not to who is logged in.
    let elsewhere = parts
        .headers
        .get("sec-fetch-site")
        .is_some_and(|site| site == "cross-site");
    shown(&console, &parts.headers, next, "", None, elsewhere, peer)
}

fn shown(
    console: &Console,
    headers: &HeaderMap,
    next: &str,
    name: &str,
    refused: Option<(StatusCode, String)>,
    elsewhere: bool,
    peer: Peer,
) -> Response {
    // The token of a login page that is open already stays good: both can be used.
    let known = cookie_of(headers, FORM_COOKIE)
        .filter(|token| token.len() == 64 && token.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let Some(token) = known.or_else(|| Secret::fresh().ok().map(|token| token.text())) else {
        let why = "the kernel has no randomness to give, so that nobody can log in now\n";
        return (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    };
    let body = html! {
        h1 { "Log in" }
        @if elsewhere {
            p { "If you are logged in already: " a href=(next) { "go on to " (next) } "." }
        }
        @if let Some((_, why)) = &refused { p.alarm role="alert" { (why) } }
        @if console.access.has_people() {
            (form(next, name, &token))
        } @else {
            p { "Nobody can log in yet. On this host, as the user who runs Evenkeel, type" }
            p { code { "evenkeel people add NAME --role operator" } }
            p.dim { "It asks for a password. Then open this page again." }
        }
    };
    let status = refused.map_or(StatusCode::OK, |(status, _)| status);
    let set = [(header::SET_COOKIE, cookie(FORM_COOKIE, &token, peer))];
    (status, set, plain(&console.site, "Log in", body)).into_response()
}

fn form(next: &str, name: &str, token: &str) -> Markup {
    html! {
        form.login method="post" action="/login" {
            input type="hidden" name="csrf" value=(token);
            input type="hidden" name="next" value=(next);
            label for="name" { "Name" }
            input #name type="text" name="name" value=(name) autocomplete="username" autocapitalize="none"
                spellcheck="false" required maxlength="64" autofocus[name.is_empty()];
            label for="password" { "Password" }
            input #password type="password" name="password" autocomplete="current-password" required
                maxlength="1024" autofocus[!name.is_empty()];
            button type="submit" { "Log in" }
        }
    }
}

pub(super) async fn log_in(State(console): State<Console>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let peer = peer_of(&parts);
    let headers = parts.headers.clone();
    let fields = match fields(Request::from_parts(parts, body)).await {
        Ok(fields) => fields,
        Err(refusal) => return refusal,
    };
    let next = path_of_ours(field(&fields, "next")).to_owned();
    let name = field(&fields, "name").to_owned();
    let again = |status, why: String, wait: Option<u64>| {
        let mut answer = shown(
            &console,
            &headers,
            &next,
            &name,
            Some((status, why)),
            false,
            peer,
        );
        if let Some(wait) = wait {
            let seconds = HeaderValue::from(wait);
            answer.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        answer
    };
    if !is_from_here(&headers) || !repeats_token(&headers, field(&fields, "csrf")) {
        let why = "This page was an old one, or your browser takes no cookies. Try once more.";
        return again(StatusCode::FORBIDDEN, why.into(), None);
    }
    // Not trimmed: spaces belong to a password.
    let password = fields.iter().find(|(known, _)| known == "password");
    let password = password.map_or("", |(_, password)| password.as_str());
    match console
        .access
        .log_in(&name, password, address_of(peer))
        .await
    {
        Ok(session) => {
            let mut answer = Redirect::to(&next).into_response();
            let headers = answer.headers_mut();
            headers.append(
                header::SET_COOKIE,
                cookie(session_cookie(peer), &session, peer),
            );
            headers.append(header::SET_COOKIE, cookie(FORM_COOKIE, "", peer));
            answer
        }
        Err(TurnedAway::Wrong) => again(
            StatusCode::FORBIDDEN,
            "Name and password do not belong together.".into(),
            None,
        ),
        Err(TurnedAway::Wait(wait)) => {
            let seconds = wait.as_secs() + 1;
            let why = format!(
                "Too many logins have failed. Try again in {seconds} s; or, on this host, type `evenkeel people unlock NAME`."
            );
            again(StatusCode::TOO_MANY_REQUESTS, why, Some(seconds))
        }
        Err(TurnedAway::Busy) => again(
            StatusCode::SERVICE_UNAVAILABLE,
            "Too many log in at once. Try again in a moment.".into(),
            Some(2),
        ),
        Err(TurnedAway::Broken) => again(
            StatusCode::SERVICE_UNAVAILABLE,
            "Nobody can log in now: Evenkeel's log says why.".into(),
            None,
        ),
    }
}

fn repeats_token(headers: &HeaderMap, token: &str) -> bool {
    !token.is_empty() && cookie_of(headers, FORM_COOKIE).is_some_and(|cookie| same(&cookie, token))
}

pub(super) async fn log_out(posted: Posted) -> Response {
    let access = &posted.console.access;
    let from = address_of(posted.peer);
    access
        .log_out(&posted.cookie, &posted.visitor.name, from)
        .await;
    let gone = [(
        header::SET_COOKIE,
        cookie(session_cookie(posted.peer), "", posted.peer),
    )];
    (gone, Redirect::to("/login")).into_response()
}
