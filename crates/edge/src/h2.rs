//! A client's HTTP/2 connection, by hyper: each stream is a request like any other.
//!
//! Bounds are those of the HTTP/1.1 side where they have a counterpart: streams at once,
//! bytes of a head, idle time between two pieces of a body. A connection on which nothing is
//! under way is asked to go after `keep_alive`, and closed `head_timeout` later. Streams that are reset at once
//! in great numbers end the connection (CVE-2023-44487), which the library sees to.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderValue};
use http::uri::PathAndQuery;
use http::{Response, StatusCode};
use http_body::{Body, Frame};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::client::{Peer, RequestBody};
use crate::clock::Alarm;
use crate::pages;
use crate::proxy::{self, Answer, AnswerBody, Asker, Request};
use crate::shared::Shared;
use crate::trace::Trace;
use crate::wire::{Framing, is_host};

/// What a stream of bytes may be ahead of its reader: a megabyte on a line of 100 ms is
/// some 80 Mbit/s.
pub(crate) const STREAM_WINDOW: u32 = 1 << 20;

/// All streams of a connection together.
const CONNECTION_WINDOW: u32 = 4 << 20;

/// Bytes of answers that wait in a stream.
const SEND_MAX: usize = 128 * 1024;

/// Spawns streams on the one thread.
#[derive(Debug, Clone, Copy)]
struct Here;

impl<F: Future + 'static> Executor<F> for Here {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(async move {
            future.await;
        });
    }
}

/// Held by every request of a connection until its answer has been given whole.
#[derive(Debug, Clone, Default)]
struct Open(Rc<()>);

impl Open {
    /// Whether nobody else holds it.
    fn is_alone(&self) -> bool {
        Rc::strong_count(&self.0) == 1
    }
}

/// Serves a connection to its end.
pub(crate) async fn serve<Io>(shared: Rc<Shared>, io: Io, peer: Peer)
where
    Io: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let bounds = &shared.settings.bounds;
    let alarm = shared.clock.alarm();
    let open = Open::default();
    let service = service_fn(|request| {
        let (shared, held) = (shared.clone(), open.clone());
        async move { Ok::<_, Infallible>(answer(&shared, request, &peer, held).await) }
    });
    let mut builder = http2::Builder::new(Here);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(bounds.streams_max)
        .max_header_list_size(u32::try_from(bounds.head_max).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_MAX)
        .keep_alive_interval(bounds.keep_alive)
        .keep_alive_timeout(bounds.head_timeout);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
    let (mut is_leaving, mut was_idle) = (false, false);
    let served = std::future::poll_fn(|cx| {
        if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
            return Poll::Ready(ended);
        }
        let is_idle = open.is_alone();
        if is_idle != was_idle {
            was_idle = is_idle;
            match is_idle {
                true if is_leaving => alarm.set_in(bounds.head_timeout),
                true => alarm.set_in(bounds.keep_alive),
                false => alarm.lift(),
            }
        }
        let is_due = alarm.poll_due(cx).is_ready();
        if is_leaving && is_due {
            // Nothing is under way, and it does not go: whoever sent half of a preface, or of
            // a head, would have the connection for ever.
            return Poll::Ready(Ok(()));
        }
        if !is_leaving && (is_due || shared.is_stopping.get()) {
            is_leaving = true;
            alarm.lift();
            if is_idle {
                alarm.set_in(bounds.head_timeout);
            }
            connection.as_mut().graceful_shutdown();
            if let Poll::Ready(ended) = connection.as_mut().poll(cx) {
                return Poll::Ready(ended);
            }
            return alarm.poll_due(cx).map(Ok);
        }
        Poll::Pending
    });
    if let Err(error) = served.await {
        tracing::debug!(client = %peer.address, %error, "HTTP/2 connection ended");
    }
}

/// Answers one stream.
async fn answer(
    shared: &Rc<Shared>,
    request: http::Request<Incoming>,
    peer: &Peer,
    held: Open,
) -> Response<H2Body> {
    let alarm = shared.clock.alarm();
    let (parts, body) = request.into_parts();
    let mut headers = parts.headers;
    let authority = parts.uri.authority();
    let authority = authority.map(|authority| HeaderValue::from_str(authority.as_str()));
    let mut hosts = headers.get_all(HOST).iter();
    let host = match (authority, hosts.next(), hosts.next()) {
        (Some(Ok(authority)), None, None) => Some(authority),
        (None, Some(host), None) => Some(host.clone()),
        // Said twice, it has to be the same (RFC 9113, 8.3.1).
        (Some(Ok(authority)), Some(host), None) => {
            let is_same = host.as_bytes().eq_ignore_ascii_case(authority.as_bytes());
            is_same.then_some(authority)
        }
        _ => None,
    };
    let host = host.filter(|host| is_host(host.as_bytes()) && !host.as_bytes().contains(&b'@'));
    let target = parts.uri.path_and_query().cloned();
    let Some(host) = host else {
        shared.count_refused();
        return respond(pages::plain(StatusCode::BAD_REQUEST), alarm, held);
    };
    if parts.method == http::Method::CONNECT {
        shared.count_refused();
        return respond(pages::plain(StatusCode::METHOD_NOT_ALLOWED), alarm, held);
    }
    headers.insert(HOST, host.clone());
    one_cookie(&mut headers);
    // hyper gives no way to pass a 100 on; whoever waits for it would wait for nothing.
    headers.remove(EXPECT);
    // hyper has checked a length against the frames; without one only the end tells.
    let framing = match (body.is_end_stream(), headers.get(CONTENT_LENGTH)) {
        (true, _) => Framing::None,
        (false, Some(length)) => {
            let length = length.to_str().ok().and_then(|length| length.parse().ok());
            length.map_or(Framing::UntilClose, Framing::Length)
        }
        (false, None) => Framing::UntilClose,
    };
    let request = Request {
        method: parts.method,
        host,
        target: target.unwrap_or(PathAndQuery::from_static("/")),
        headers,
        framing,
        body: (framing != Framing::None).then_some(RequestBody::Stream(body)),
        upgrades: false,
        trace: Trace::None,
        plain: false,
    };
    let asker = Asker {
        peer,
        alarm: &alarm,
    };
    let answer = proxy::answer(shared, request, asker, |_| {}).await;
    respond(answer, alarm, held)
}

/// Cookies may come in pieces in HTTP/2 and in one piece only before (RFC 9113, 8.2.3).
fn one_cookie(headers: &mut http::HeaderMap) {
    let mut pieces = headers.get_all(COOKIE).iter();
    let (Some(first), Some(_)) = (pieces.next(), pieces.next()) else {
        return;
    };
    let mut whole = first.as_bytes().to_vec();
    for piece in headers.get_all(COOKIE).iter().skip(1) {
        whole.extend_from_slice(b"; ");
        whole.extend_from_slice(piece.as_bytes());
    }
    if let Ok(whole) = HeaderValue::from_bytes(&whole) {
        headers.insert(COOKIE, whole);
    }
}

fn respond(answer: Answer, alarm: Alarm, held: Open) -> Response<H2Body> {
    let mut response = Response::new(H2Body {
        body: answer.body,
        alarm,
        has_moved: true,
        _held: held,
    });
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    if let AnswerBody::Full(body) = &response.body().body {
        let length = HeaderValue::from(body.len());
        response.headers_mut().insert(CONTENT_LENGTH, length);
    }
    if matches!(response.body().body, AnswerBody::Upgrade(_)) {
        // Nobody asked for it: HTTP/2 has no upgrade of this kind.
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        response.body_mut().body = AnswerBody::Empty;
    }
    response
}

/// An answer's body as a stream's.
struct H2Body {
    body: AnswerBody,
    alarm: Alarm,
    has_moved: bool,
    _held: Open,
}

impl Body for H2Body {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        match &mut this.body {
            AnswerBody::Empty | AnswerBody::Upgrade(_) => Poll::Ready(None),
            AnswerBody::Full(body) => {
                let body = std::mem::take(body);
                this.body = AnswerBody::Empty;
                Poll::Ready((!body.is_empty()).then(|| Ok(Frame::data(body))))
            }
            AnswerBody::Stream(streaming) => {
                let cut = || std::io::Error::from(std::io::ErrorKind::ConnectionAborted);
                match streaming.poll_frame(cx) {
                    Poll::Ready(frame) => {
                        this.has_moved = true;
                        Poll::Ready(frame.map(|frame| frame.map_err(|_| cut())))
                    }
                    Poll::Pending => {
                        if std::mem::take(&mut this.has_moved) {
                            this.alarm.set_in(streaming.idle_timeout());
                        }
                        this.alarm.poll_due(cx).map(|()| {
                            streaming.give_up();
                            Some(Err(cut()))
                        })
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.body {
            AnswerBody::Empty | AnswerBody::Upgrade(_) => true,
            AnswerBody::Full(body) => body.is_empty(),
            AnswerBody::Stream(_) => false,
        }
    }
}
