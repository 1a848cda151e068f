//! What was signed last: for a witness that follows us here, where the page is made.
//!
//! `/edition.txt` is the statement of the newest edition ([`STATEMENT`] in every copy of
//! it), `/edition.txt.minisig` its signature, `/minisign.pub` the key's public half. Under
//! names of their own: what this listener answers is made anew for everybody, and no file
//! of any edition.
//!
//! [`STATEMENT`]: crate::publish::statement::STATEMENT

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};

use crate::web::Site;

/// The statement of the newest edition.
pub const EDITION: &str = "edition.txt";
/// Its signature.
pub const EDITION_SIGNATURE: &str = "edition.txt.minisig";

pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Site>)> {
    let key =
        async |State(site): State<Site>| answer(site.now().copies.public_key().map(str::to_owned));
    let statement = async |State(site): State<Site>| {
        let signed = site.now().copies.last_signed();
        answer(signed.map(|signed| signed.text.clone()))
    };
    let signature = async |State(site): State<Site>| {
        let signed = site.now().copies.last_signed();
        answer(signed.map(|signed| signed.signature.clone()))
    };
    vec![
        ("/minisign.pub", get(key)),
        ("/edition.txt", get(statement)),
        ("/edition.txt.minisig", get(signature)),
    ]
}

fn answer(text: Option<String>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    match text {
        Some(text) => (headers, text).into_response(),
        None => (StatusCode::NOT_FOUND, headers, "nothing is published\n").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::statement::PUBLIC_KEY;

    #[test]
    fn addresses_are_as_others_know_them() {
        let addresses: Vec<_> = routes().into_iter().map(|(path, _)| path).collect();
        let known = [PUBLIC_KEY, EDITION, EDITION_SIGNATURE].map(|name| format!("/{name}"));
        assert_eq!(addresses, known);
    }
}
