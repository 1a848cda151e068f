//! Pages that renew themselves: the server tells when something changed, and a small
//! script of ours fetches the page again.
//!
//! Server-sent events and not a socket, because they say one word ("changed") and browsers
//! take care of the rest. A stream lives as long as a connection may (a minute); then the
//! browser asks again, and whether it is still logged in is looked at again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::{Console, STYLE};
use crate::pump::published::Published;

/// Pages that are told at once: a quarter of the connections there are, so that the rest
/// is for reading.
pub(super) const READERS_MAX: usize = 64;

/// The shortest time between two words: a page is made anew for each.
const REST: Duration = Duration::from_secs(1);

pub(super) async fn script() -> Response {
    (
        [(header::CONTENT_TYPE, "text/javascript; charset=utf-8")],
        STYLE.script(),
    )
        .into_response()
}

struct Reader {
    published: watch::Receiver<Arc<Published>>,
    told: bool,
    _place: OwnedSemaphorePermit,
}

/// `/live`: the revision with every change, pictures included.
pub(super) async fn events(State(console): State<Console>) -> Response {
    let Ok(place) = console.rooms.live.clone().try_acquire_owned() else {
        let why = "too many pages are told of changes already: renew this one by hand\n";
        return (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    };
    let reader = Reader {
        published: console.site.published.clone(),
        told: false,
        _place: place,
    };
    let words = stream::unfold(reader, async |mut reader| {
        if reader.told {
            tokio::time::sleep(REST).await;
            // The pump is gone: so is this stream.
            reader.published.changed().await.ok()?;
        }
        reader.told = true;
        let revision = reader.published.borrow_and_update().record.revision;
        let word = Event::default().data(revision.to_string());
        Some((Ok::<_, Infallible>(word), reader))
    });
    Sse::new(words)
        .keep_alive(KeepAlive::default())
        .into_response()
}
