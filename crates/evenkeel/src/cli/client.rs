//! Asks the running server through its control socket, within bounds; and where none
//! runs, reads the journal instead.

use std::time::Duration;

use evenkeel_core::record::Record;
use evenkeel_journal::SqliteJournal;
use evenkeel_journal::codec;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::print::{self, note};
use super::source::Source;
use crate::access::audit::Done;
use crate::config::Config;
use crate::control::{Answered, Given};

/// How long an answer may take: it is made from what is in memory.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long an order may take: it waits for the journal's disk, and the server itself
/// gives up after 20 s.
const ORDER_PATIENCE: Duration = Duration::from_secs(25);
/// The largest answer, bytes.
const ANSWER_MAX: usize = 8 << 20;

/// Why there is no answer.
pub(super) enum Silence {
    /// No server runs.
    NotRunning,
    /// It runs, and this is what it says, or why it cannot be understood.
    Refused(String),
}

/// Asks for `path`.
pub(super) fn ask<T: DeserializeOwned>(source: &Source, path: &str) -> Result<T, Silence> {
    understood(&exchange(source, Method::GET, path, Bytes::new())?)
}

/// Asks for a text.
pub(super) fn ask_text(source: &Source, path: &str) -> Result<String, String> {
    match exchange(source, Method::GET, path, Bytes::new()) {
        Ok(body) => Ok(String::from_utf8_lossy(&body).into_owned()),
        Err(Silence::Refused(why)) => Err(why),
        Err(Silence::NotRunning) => Err(format!("no Evenkeel runs on {}", source.name())),
    }
}

/// Gives an order.
pub(super) fn order(source: &Source, given: &Given) -> Result<Answered, String> {
    let body = match source {
        Source::Here(_) => serde_json::to_vec(given),
        // Who gives it is who has the token.
        Source::There(_) => serde_json::to_vec(&given.order),
    };
    let body = body.map_err(|error| error.to_string())?;
    let answered = exchange(source, Method::POST, "/v1/orders", body.into());
    answered
        .and_then(|body| understood(&body))
        .map_err(|silence| match silence {
            Silence::Refused(why) => why,
            Silence::NotRunning => format!(
                "no Evenkeel runs on {}, and an order needs one: start it with `evenkeel serve`",
                source.name()
            ),
        })
}

/// Tells the server of something that was done beside it; false where none runs.
pub(super) fn tell(config: &Config, path: &str, done: &Done) -> Result<bool, String> {
    let body = serde_json::to_vec(done).map_err(|error| error.to_string())?;
    match over_the_socket(config, Method::POST, path, body.into()) {
        Ok(_) => Ok(true),
        Err(Silence::NotRunning) => Ok(false),
        Err(Silence::Refused(why)) => Err(why),
    }
}

/// Has something done that is no order of the core's.
pub(super) fn change(source: &Source, path: &str) -> Result<Answered, String> {
    let answered = exchange(source, Method::POST, path, Bytes::new());
    answered
        .and_then(|body| understood(&body))
        .map_err(|silence| match silence {
            Silence::Refused(why) => why,
            Silence::NotRunning => format!(
                "no Evenkeel runs on {}, and this needs one: start it with `evenkeel serve`",
                source.name()
            ),
        })
}

fn understood<T: DeserializeOwned>(body: &[u8]) -> Result<T, Silence> {
    serde_json::from_slice(body).map_err(|error| {
        Silence::Refused(format!(
            "Evenkeel answered in a shape this command does not know ({error}): are both of one version?"
        ))
    })
}

fn exchange(source: &Source, method: Method, path: &str, body: Bytes) -> Result<Bytes, Silence> {
    let remote = match source {
        Source::Here(config) => return over_the_socket(config, method, path, body),
        Source::There(remote) => remote,
    };
    let patience = patience(&method);
    within(patience, async {
        let exchanged = remote.exchange(method, path, body, ANSWER_MAX).await;
        exchanged.map_err(Silence::Refused)
    })
}

fn patience(method: &Method) -> Duration {
    match *method {
        Method::POST => ORDER_PATIENCE,
        _ => PATIENCE,
    }
}

/// Waits for an answer, and tells a good one from a refusal.
fn within(
    patience: Duration,
    exchanged: impl Future<Output = Result<(StatusCode, Bytes), Silence>>,
) -> Result<Bytes, Silence> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Silence::Refused(error.to_string()))?;
    let answered = runtime.block_on(async { tokio::time::timeout(patience, exchanged).await });
    let (status, body) = answered.unwrap_or_else(|_| {
        Err(Silence::Refused(format!(
            "Evenkeel gave no answer within {} s; its log says why",
            patience.as_secs()
        )))
    })?;
    if status.is_success() {
        return Ok(body);
    }
    let refusal = serde_json::from_slice::<Answered>(&body).ok();
    let why = refusal.and_then(|answer| answer.refused);
    Err(Silence::Refused(why.unwrap_or_else(|| {
        format!("Evenkeel answered {status}; its log says why")
    })))
}

fn over_the_socket(
    config: &Config,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<Bytes, Silence> {
    let failed = |error: &dyn std::fmt::Display| Silence::Refused(error.to_string());
    let socket = config.control_socket();
    within(patience(&method), async {
        let stream = UnixStream::connect(&socket).await.map_err(|error| {
            use std::io::ErrorKind::{ConnectionRefused, NotFound};
            match error.kind() {
                NotFound | ConnectionRefused => Silence::NotRunning,
                _ => failed(&format!(
                    "the control socket {} cannot be used: {error}; give the command as the user who runs Evenkeel",
                    socket.display()
                )),
            }
        })?;
        let io = TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io)
            .await
            .map_err(|error| failed(&error))?;
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(Full::new(body))
            .map_err(|error| failed(&error))?;
        let answer = sender.send_request(request).await;
        let answer = answer.map_err(|error| failed(&error))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_MAX);
        let body = body.collect().await.map_err(|error| failed(&error))?;
        Ok((status, body.to_bytes()))
    })
}

/// The record as the journal has it, for when no server runs.
pub(super) fn record(config: &Config) -> Result<Record, String> {
    let path = config.journal_file();
    if !path.exists() {
        return Err(format!(
            "there is no journal at {} yet: start Evenkeel with `evenkeel serve`",
            path.display()
        ));
    }
    let journal = SqliteJournal::open_read_only(&path).map_err(|error| print::chain(&error))?;
    let folded = codec::fold(&journal).map_err(|error| print::chain(&error))?;
    note("(no Evenkeel runs here: this is what its journal last knew)");
    Ok(folded.record)
}
