//! What the edge itself answers.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use std::time::Duration;

use crate::proxy::{Answer, AnswerBody};

/// An answer of the edge's own.
pub(crate) fn plain(status: StatusCode, retry_after: Option<Duration>) -> Answer {
    let mut headers = HeaderMap::with_capacity(4);
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert(CONTENT_TYPE, text);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(time) = retry_after {
        let seconds = time.as_secs().max(1);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    let said = status.canonical_reason().unwrap_or("Error");
    Answer {
        status,
        headers,
        body: AnswerBody::Full(Bytes::from_static(said.as_bytes())),
        closes: false,
    }
}
