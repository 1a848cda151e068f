//! A client's HTTP/1.1 connection: one request after the other, until one side has enough.
//!
//! | what | bound | at the bound |
//! |---|---|---|
//! | waiting for a request | `keep_alive`; `head_timeout` for the first | closed |
//! | the same when the edge stops | none; `LAST_CALL` for the first | closed |
//! | a request's head | `head_timeout` from its first byte | 408, closed |
//! | its size | `head_max`, `headers_max` | 431 or 414, closed |
//! | a body, a slow reader | the route's `idle_timeout` between two pieces | cut off |
//!
//! What cannot be understood is answered and the connection closed: nobody knows where the
//! next request begins. An answer that the instance does not end well is cut off here, too,
//! so that no client takes half of it for the whole.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use http::header::{CONNECTION, CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use http::{Method, StatusCode, Version};

use crate::client::{Client, Peer, RequestBody};
use crate::clock::Alarm;
use crate::pages;
use crate::proxy::{self, Answer, AnswerBody, Asker, Request, Streaming};
use crate::shared::Shared;
use crate::trace::Trace;
use crate::wire::{
    AnswerHead, BadHead, Begun, Coding, Framing, RequestHead, Wire, parse_request, put_answer_line,
    put_field, put_headers,
};

/// How long a client that was refused may take to read why, before it is cut off.
const LINGER: Duration = Duration::from_secs(2);

/// What is read of it meanwhile, bytes.
const LINGER_MAX: usize = 256 * 1024;

/// How long a connection that has not asked yet may still ask when the edge stops: it was
/// opened before anybody was told to go elsewhere.
const LAST_CALL: Duration = Duration::from_secs(3);

/// How long the edge's own short answers may take to be read.
const OWN_ANSWER: Duration = Duration::from_secs(30);

/// What comes on a connection.
enum Next {
    Request(Box<RequestHead>),
    /// Nothing more.
    Over,
    /// HTTP/2, without asking.
    Newer,
    /// Too slowly.
    Late,
    Bad(BadHead),
}

/// What an HTTP/2 connection begins with where nothing was agreed before (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\n";

/// Serves a connection to its end, or until it turns out to speak HTTP/2.
pub(crate) async fn serve(shared: Rc<Shared>, wire: Wire, peer: Peer) -> Option<Wire> {
    let client = Rc::new(RefCell::new(Client {
        wire,
        framing: Framing::None,
    }));
    let alarm = shared.clock.alarm();
    let bounds = &shared.settings.bounds;
    let mut patience = bounds.head_timeout;
    let mut is_first = true;
    loop {
        let head = match next(&shared, &client, &alarm, patience, is_first).await {
            Next::Request(head) => head,
            Next::Over => {
                farewell(&client).await;
                return None;
            }
            Next::Newer => {
                return Rc::try_unwrap(client)
                    .ok()
                    .map(|client| client.into_inner().wire);
            }
            Next::Late => {
                refuse(&client, &alarm, StatusCode::REQUEST_TIMEOUT).await;
                return None;
            }
            Next::Bad(bad) => {
                shared.count_refused();
                tracing::debug!(client = %peer.address, "request refused: {bad}");
                refuse(&client, &alarm, status_of(bad)).await;
                return None;
            }
        };
        patience = bounds.keep_alive;
        is_first = false;
        let about = About {
            is_head: head.method == Method::HEAD,
            version: head.version,
            keeps: head.keeps,
        };
        // What a request needs while it is under way is no part of a connection that waits.
        let exchange = Box::pin(async {
            let answer = asked(&shared, &client, &alarm, &peer, *head).await?;
            Some(give(&shared, &client, &alarm, about, answer).await)
        });
        match exchange.await? {
            Given::Keeps => continue,
            Given::Ends => linger(&client, &alarm).await,
            Given::Upgrades(streaming) => Box::pin(upgraded(client, &alarm, *streaming)).await,
            Given::Cut => {}
        }
        return None;
    }
}

/// Waits for the next request's head.
async fn next(
    shared: &Shared,
    client: &RefCell<Client>,
    alarm: &Alarm,
    patience: Duration,
    is_first: bool,
) -> Next {
    let bounds = shared.head_bounds();
    let (mut begun, mut is_begun, mut is_last_call) = (Begun::default(), false, false);
    alarm.set_in(patience);
    let next = poll_fn(|cx| {
        let wire = &mut client.borrow_mut().wire;
        loop {
            if !wire.input.is_empty() {
                if is_first && wire.input.starts_with(PREFACE) {
                    return Poll::Ready(Next::Newer);
                }
                match parse_request(&mut wire.input, &mut begun, bounds) {
                    Ok(Some(head)) => return Poll::Ready(Next::Request(Box::new(head))),
                    Ok(None) => {}
                    Err(bad) => return Poll::Ready(Next::Bad(bad)),
                }
                if !is_begun && !wire.input.is_empty() {
                    is_begun = true;
                    alarm.set_in(shared.settings.bounds.head_timeout);
                }
            }
            match wire.poll_fill(cx) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Next::Over),
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => break,
            }
        }
        if !is_begun && !is_last_call && shared.is_stopping.get() {
            if !is_first {
                return Poll::Ready(Next::Over);
            }
            is_last_call = true;
            alarm.set_in(LAST_CALL.min(patience));
        }
        match alarm.poll_due(cx) {
            Poll::Ready(()) if is_begun => Poll::Ready(Next::Late),
            Poll::Ready(()) => Poll::Ready(Next::Over),
            Poll::Pending => Poll::Pending,
        }
    });
    let next = next.await;
    alarm.lift();
    next
}

/// What has to be known of a request to answer it.
#[derive(Debug, Clone, Copy)]
struct About {
    is_head: bool,
    version: Version,
    keeps: bool,
}

/// Has a request answered; `None` if the client goes before.
async fn asked(
    shared: &Rc<Shared>,
    client: &Rc<RefCell<Client>>,
    alarm: &Alarm,
    peer: &Peer,
    head: RequestHead,
) -> Option<Answer> {
    let framing = head.framing;
    client.borrow_mut().framing = framing;
    let has_body = framing != Framing::None;
    let is_new = head.version == Version::HTTP_11;
    let request = Request {
        method: head.method,
        host: head.host,
        target: head.target,
        headers: head.headers,
        framing,
        body: has_body.then(|| RequestBody::Wire(client.clone())),
        upgrades: head.upgrades,
        trace: Trace::None,
        plain: false,
    };
    let interim = |head: &AnswerHead| {
        // HTTP/1.0 knows none (RFC 9110, 15.2).
        if is_new {
            let wire = &mut client.borrow_mut().wire;
            let output = wire.output();
            put_answer_line(output, head.status);
            put_headers(output, &head.headers);
            output.extend_from_slice(b"\r\n");
        }
    };
    let mut answer = pin!(proxy::answer(
        shared,
        request,
        Asker { peer, alarm },
        interim
    ));
    poll_fn(|cx| {
        if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
            return Poll::Ready(Some(answer));
        }
        let wire = &mut client.borrow_mut().wire;
        if wire.has_output() && matches!(wire.poll_flush(cx), Poll::Ready(Err(_))) {
            return Poll::Ready(None);
        }
        wire.poll_closed(cx).map(|()| None)
    })
    .await
}

/// How an answer was given.
enum Given {
    /// Another request may come.
    Keeps,
    /// It was the last.
    Ends,
    /// Another protocol is spoken from here on.
    Upgrades(Box<Streaming>),
    /// It did not arrive whole.
    Cut,
}

/// Gives the client its answer.
async fn give(
    shared: &Shared,
    client: &RefCell<Client>,
    alarm: &Alarm,
    about: About,
    mut answer: Answer,
) -> Given {
    let is_read = client.borrow().framing == Framing::None;
    let mut keeps = about.keeps && is_read && !answer.closes && !shared.is_stopping.get();
    let mut coding = Coding::Plain;
    match &answer.body {
        AnswerBody::Full(body) => {
            answer
                .headers
                .insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        }
        AnswerBody::Stream(streaming) if !matches!(streaming.framing(), Framing::Length(_)) => {
            if about.version == Version::HTTP_11 {
                coding = Coding::Chunked;
                answer
                    .headers
                    .insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            } else {
                // The end of the connection is the end of the body.
                keeps = false;
            }
        }
        _ => {}
    }
    let is_upgrade = matches!(answer.body, AnswerBody::Upgrade(_));
    {
        let wire = &mut client.borrow_mut().wire;
        let output = wire.output();
        put_answer_line(output, answer.status);
        put_headers(output, &answer.headers);
        if !keeps && !is_upgrade {
            put_field(output, CONNECTION.as_str(), b"close");
        } else if about.version == Version::HTTP_10 {
            put_field(output, CONNECTION.as_str(), b"keep-alive");
        }
        output.extend_from_slice(b"\r\n");
    }
    let ended = match answer.body {
        AnswerBody::Empty => flush(client, alarm).await,
        AnswerBody::Full(body) => {
            if !about.is_head {
                let wire = &mut client.borrow_mut().wire;
                wire.put_frame(http_body::Frame::data(body), Coding::Plain);
            }
            flush(client, alarm).await
        }
        AnswerBody::Stream(mut streaming) => stream(client, alarm, &mut streaming, coding).await,
        AnswerBody::Upgrade(streaming) => {
            return match flush(client, alarm).await {
                Ok(()) => Given::Upgrades(streaming),
                Err(_) => Given::Cut,
            };
        }
    };
    match ended {
        Ok(()) if keeps => Given::Keeps,
        Ok(()) => Given::Ends,
        Err(_) => Given::Cut,
    }
}

async fn flush(client: &RefCell<Client>, alarm: &Alarm) -> io::Result<()> {
    let mut is_set = false;
    let flushed = poll_fn(|cx| {
        let flushed = client.borrow_mut().wire.poll_flush(cx);
        if flushed.is_pending() {
            if !is_set {
                is_set = true;
                alarm.set_in(OWN_ANSWER);
            }
            return alarm
                .poll_due(cx)
                .map(|()| Err(io::ErrorKind::TimedOut.into()));
        }
        flushed
    });
    let flushed = flushed.await;
    alarm.lift();
    flushed
}

/// Passes a body on as it comes.
async fn stream(
    client: &RefCell<Client>,
    alarm: &Alarm,
    streaming: &mut Streaming,
    coding: Coding,
) -> io::Result<()> {
    let (mut is_over, mut is_cut, mut has_moved) = (false, false, true);
    let has_length = matches!(streaming.framing(), Framing::Length(_));
    let streamed = poll_fn(|cx| {
        loop {
            // Not held across the body's turn: it may read from the same connection.
            let mut held = client.borrow_mut();
            let wire = &mut held.wire;
            if wire.is_full() || is_over || is_cut {
                match wire.poll_flush(cx) {
                    Poll::Pending => break,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Ready(Ok(())) if is_cut => {
                        if coding == Coding::Plain && !has_length {
                            // The end of the connection would pass for that of the body.
                            let _sent_before = wire.stream().tcp().set_zero_linger();
                        }
                        return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                    }
                    Poll::Ready(Ok(())) if is_over => return Poll::Ready(Ok(())),
                    Poll::Ready(Ok(())) => has_moved = true,
                }
            }
            drop(held);
            let frame = streaming.poll_frame(cx);
            let wire = &mut client.borrow_mut().wire;
            match frame {
                Poll::Ready(Some(Ok(frame))) => {
                    has_moved = true;
                    let is_last = frame.is_trailers() && coding == Coding::Chunked;
                    wire.put_frame(frame, coding);
                    is_over = is_last;
                }
                Poll::Ready(None) => {
                    is_over = true;
                    if coding == Coding::Chunked {
                        wire.output().extend_from_slice(b"0\r\n\r\n");
                    }
                }
                Poll::Ready(Some(Err(_))) => is_cut = true,
                Poll::Pending => {
                    match wire.poll_flush(cx) {
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                        Poll::Ready(Ok(())) | Poll::Pending => {}
                    }
                    // Nobody reads an answer whose client has gone.
                    if wire.poll_closed(cx).is_ready() {
                        return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
                    }
                    break;
                }
            }
        }
        if std::mem::take(&mut has_moved) {
            alarm.set_in(streaming.idle_timeout());
        }
        alarm.poll_due(cx).map(|()| {
            streaming.give_up();
            Err(io::ErrorKind::TimedOut.into())
        })
    });
    let streamed = streamed.await;
    alarm.lift();
    streamed
}

/// Passes bytes both ways until both sides have ended, or nothing comes for too long.
async fn upgraded(client: Rc<RefCell<Client>>, alarm: &Alarm, mut streaming: Streaming) {
    let Some(exchange) = streaming.take_exchange() else {
        return;
    };
    let line = exchange.line().clone();
    let mut instance = exchange.into_wire();
    // The request had no body that could hold it, too.
    let Ok(client) = Rc::try_unwrap(client) else {
        return;
    };
    let client = &mut client.into_inner().wire;
    let idle_timeout = streaming.idle_timeout();
    let (mut up, mut down) = (Way::default(), Way::default());
    let mut moved = u64::MAX;
    poll_fn(|cx| {
        let (up_ended, down_ended) = (
            up.poll(client, &mut instance, cx),
            down.poll(&mut instance, client, cx),
        );
        match (up_ended, down_ended) {
            (Poll::Ready(Err(_)), _) | (_, Poll::Ready(Err(_))) => return Poll::Ready(()),
            (Poll::Ready(Ok(())), Poll::Ready(Ok(()))) => return Poll::Ready(()),
            _ => {}
        }
        if moved != up.bytes + down.bytes {
            moved = up.bytes + down.bytes;
            alarm.set_in(idle_timeout);
        }
        if line.is_cut(tokio::time::Instant::now()) {
            return Poll::Ready(());
        }
        alarm.poll_due(cx)
    })
    .await;
    alarm.lift();
    streaming.count(up.bytes, down.bytes);
}

/// One way of an upgraded connection.
#[derive(Debug, Default)]
struct Way {
    bytes: u64,
    is_over: bool,
    is_done: bool,
}

impl Way {
    fn poll(
        &mut self,
        from: &mut Wire,
        to: &mut Wire,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if self.is_done {
                return Poll::Ready(Ok(()));
            }
            if to.has_output() || self.is_over {
                match to.poll_flush(cx)? {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(()) if self.is_over => {
                        let ended = to.poll_shutdown(cx)?;
                        self.is_done = ended.is_ready();
                        return ended.map(Ok);
                    }
                    Poll::Ready(()) => {}
                }
            }
            if from.input.is_empty() {
                match from.poll_fill(cx)? {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(0) => {
                        self.is_over = true;
                        continue;
                    }
                    Poll::Ready(_) => {}
                }
            }
            let data = from.input.split().freeze();
            self.bytes += data.len() as u64;
            to.put_frame(http_body::Frame::data(data), Coding::Plain);
        }
    }
}

/// Refuses what cannot be understood, and closes.
async fn refuse(client: &RefCell<Client>, alarm: &Alarm, status: StatusCode) {
    let mut answer = pages::plain(status);
    answer
        .headers
        .insert(CONNECTION, HeaderValue::from_static("close"));
    {
        let wire = &mut client.borrow_mut().wire;
        let output = wire.output();
        put_answer_line(output, status);
        if let AnswerBody::Full(body) = &answer.body {
            answer
                .headers
                .insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
            put_headers(output, &answer.headers);
            output.extend_from_slice(b"\r\n");
            output.extend_from_slice(body);
        }
    }
    if flush(client, alarm).await.is_ok() {
        linger(client, alarm).await;
    }
}

/// Says that nothing more comes, and reads what the client still sends, within bounds: else
/// the kernel would answer it with a reset, which may overtake what was answered.
async fn linger(client: &RefCell<Client>, alarm: &Alarm) {
    alarm.set_in(LINGER);
    let (mut is_shut, mut read) = (false, 0);
    poll_fn(|cx| {
        let wire = &mut client.borrow_mut().wire;
        if !is_shut {
            match wire.poll_shutdown(cx) {
                Poll::Ready(Ok(())) => is_shut = true,
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => return alarm.poll_due(cx),
            }
        }
        loop {
            wire.input.clear();
            match wire.poll_fill(cx) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(more)) => {
                    read += more;
                    if read > LINGER_MAX {
                        return Poll::Ready(());
                    }
                }
                Poll::Pending => return alarm.poll_due(cx),
            }
        }
    })
    .await;
}

/// Ends a connection on which nothing is under way. On TLS it is said: a client could not know
/// an end that was cut (RFC 8446, 6.1).
async fn farewell(client: &RefCell<Client>) {
    poll_fn(|cx| {
        // Who does not even take these few bytes is not waited for.
        let _unsaid = client.borrow_mut().wire.poll_shutdown(cx);
        Poll::Ready(())
    })
    .await;
}

fn status_of(bad: BadHead) -> StatusCode {
    match bad {
        BadHead::Malformed(_) => StatusCode::BAD_REQUEST,
        BadHead::TooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        BadHead::TargetTooLong => StatusCode::URI_TOO_LONG,
        BadHead::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        BadHead::Connect => StatusCode::METHOD_NOT_ALLOWED,
    }
}
