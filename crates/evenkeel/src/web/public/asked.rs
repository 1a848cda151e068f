//! In which language a document is asked for.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use evenkeel_edge::languages;
use maud::Markup;

use crate::public::words::Language;

/// Where an address begins with a language, as `/de/` does, it is asked for in that one;
/// else in the one that the visitor's browser likes best.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// What a document is written in.
    pub language: Language,
    is_named: bool,
}

impl Asked {
    /// A document in that language. Caches keep one for each browser's wish where the
    /// address names none.
    pub(super) fn document(self, page: Markup) -> Response {
        let tag = [(header::CONTENT_LANGUAGE, self.language.tag())];
        match self.is_named {
            true => (tag, page).into_response(),
            false => (tag, [(header::VARY, "accept-language")], page).into_response(),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _site: &S) -> Result<Self, Infallible> {
        let first = parts.uri.path().split('/').nth(1);
        if let Some(language) = first.and_then(Language::of_tag) {
            return Ok(Self {
                language,
                is_named: true,
            });
        }
        let accepts = parts.headers.get(header::ACCEPT_LANGUAGE);
        let accepts = accepts.and_then(|accepts| accepts.to_str().ok());
        Ok(Self {
            language: languages::liked(accepts.unwrap_or_default()),
            is_named: false,
        })
    }
}
