//! Asks the running server through its control socket, within bounds; and where none
//! runs, reads the journal instead.

use std::time::Duration;

use evenkeel_core::record::Record;
use evenkeel_journal::SqliteJournal;
use evenkeel_journal::codec;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::print::{self, note};
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
pub(super) fn ask<T: DeserializeOwned>(config: &Config, path: &str) -> Result<T, Silence> {
    exchange(config, Method::GET, path, Bytes::new())
}

/// Gives an order.
pub(super) fn order(config: &Config, given: &Given) -> Result<Answered, String> {
    let body = serde_json::to_vec(given).map_err(|error| error.to_string())?;
    exchange(config, Method::POST, "/v1/orders", body.into()).map_err(|silence| match silence {
        Silence::Refused(why) => why,
        Silence::NotRunning => format!(
            "no Evenkeel runs on {}, and an order needs one: start it with `evenkeel serve`",
            config.data_dir.display()
        ),
    })
}

/// Tells the server of something that was done beside it; false where none runs.
pub(super) fn tell(config: &Config, path: &str, done: &Done) -> Result<bool, String> {
    let body = serde_json::to_vec(done).map_err(|error| error.to_string())?;
    match exchange::<Answered>(config, Method::POST, path, body.into()) {
        Ok(_) => Ok(true),
        Err(Silence::NotRunning) => Ok(false),
        Err(Silence::Refused(why)) => Err(why),
    }
}

fn exchange<T: DeserializeOwned>(
    config: &Config,
    method: Method,
    path: &str,
    body: Bytes,
) -> Result<T, Silence> {
    let failed = |error: &dyn std::fmt::Display| Silence::Refused(error.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(&error))?;
    let socket = config.control_socket();
    let patience = match method {
        Method::POST => ORDER_PATIENCE,
        _ => PATIENCE,
    };
    runtime.block_on(async {
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
        let exchanged = async {
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
        };
        let answered = tokio::time::timeout(patience, exchanged).await;
        let (status, body) = answered.unwrap_or_else(|_| {
            Err(failed(&format!(
                "Evenkeel gave no answer within {} s; its log says why",
                patience.as_secs()
            )))
        })?;
        if !status.is_success() {
            let refusal = serde_json::from_slice::<Answered>(&body).ok();
            let why = refusal.and_then(|answer| answer.refused);
            return Err(Silence::Refused(
                why.unwrap_or_else(|| format!("Evenkeel answered {status}; its log says why")),
            ));
        }
        serde_json::from_slice(&body).map_err(|error| {
            failed(&format!(
                "Evenkeel answered in a shape this command does not know ({error}): are both of one version?"
            ))
        })
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
