//! One HTTP exchange with an instance: bounded in time and bytes, on a connection of its own.
//!
//! The body is handed on piece by piece and never kept, so that an endless one costs no
//! memory; reading stops at the bound.

use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper::{HeaderMap, Method, Request, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// The longest head of an answer, bytes.
const HEAD_MAX: usize = 32 * 1024;

const USER_AGENT: &str = concat!("evenkeel/", env!("CARGO_PKG_VERSION"), " (leaks)");

/// What is asked.
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    /// Host without brackets.
    pub(super) host: &'a str,
    pub(super) port: u16,
    /// What stands in `Host`.
    pub(super) authority: &'a str,
    /// Path and query.
    pub(super) path: &'a str,
    /// For all of it.
    pub(super) patience: Duration,
    /// Bytes of the body that are looked at.
    pub(super) body_max: usize,
}

/// The head of an answer whose body has been handed on.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// Whether the body was larger than wanted.
    pub(super) is_cut: bool,
}

/// Asks, and hands the body to `take`.
///
/// # Errors
/// Why there is no whole answer, in one line.
pub(super) async fn exchange(ask: &Ask<'_>, mut take: impl FnMut(&[u8])) -> Result<Answer, String> {
    let mut stage = "connecting";
    let conversation = converse(ask, &mut take, &mut stage);
    match tokio::time::timeout(ask.patience, conversation).await {
        Ok(answer) => answer,
        Err(_) => Err(format!(
            "no answer within {} ms: it was {stage}",
            ask.patience.as_millis()
        )),
    }
}

async fn converse(
    ask: &Ask<'_>,
    take: &mut impl FnMut(&[u8]),
    stage: &mut &'static str,
) -> Result<Answer, String> {
    let stream = TcpStream::connect((ask.host, ask.port)).await;
    let stream = stream.map_err(|error| match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "nothing listens there".to_owned(),
        _ => format!("no connection: {error}"),
    })?;
    let _ = stream.set_nodelay(true);
    let handshake = hyper::client::conn::http1::Builder::new()
        .max_buf_size(HEAD_MAX)
        .handshake::<_, Empty<Bytes>>(TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.map_err(|error| broken(&error))?;
    let mut request = Request::builder()
        .method(ask.method.clone())
        .uri(ask.path)
        .header(header::HOST, ask.authority)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "text/plain;version=0.0.4, */*;q=0.5")
        .header(header::CONNECTION, "close");
    if ask.method == Method::POST {
        request = request.header(header::CONTENT_LENGTH, "0");
    }
    let request = request
        .body(Empty::new())
        .map_err(|error| format!("it makes no request: {error}"))?;
    *stage = "waiting for the answer";
    // Driven here and not in a task: it is gone with the exchange.
    let driving = async {
        let _ = connection.await;
        std::future::pending::<()>().await;
    };
    let asking = async {
        let response = sender.send_request(request).await;
        let (head, mut body) = response.map_err(|error| broken(&error))?.into_parts();
        *stage = "reading the answer";
        let (mut room, mut is_cut) = (ask.body_max, false);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| broken(&error))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            take(&data[..data.len().min(room)]);
            is_cut = data.len() > room;
            room = room.saturating_sub(data.len());
            if is_cut {
                break;
            }
        }
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            is_cut,
        })
    };
    tokio::select! {
        answer = asking => answer,
        () = driving => Err("the connection was closed before the answer was whole".into()),
    }
}

fn broken(error: &hyper::Error) -> String {
    match () {
        () if error.is_incomplete_message() || error.is_canceled() => {
            "the connection was closed before the answer was whole".into()
        }
        () if error.is_parse() => format!("the answer is no HTTP: {error}"),
        () => format!("the answer broke off: {error}"),
    }
}
