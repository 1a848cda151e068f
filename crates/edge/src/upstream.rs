//! Connections to the instances, and one exchange over one of them.
//!
//! An exchange is polled by the task that serves the client: it sends the request's body
//! and reads the answer in the same step, so that neither waits for the other and no second
//! task is woken. A connection is used again only when both sides of the exchange ended
//! well and nothing is left over; the last one used first, because its buffers are warm and
//! the others may close.
//!
//! What always holds: dropping an exchange closes its connection, so that an instance
//! notices that nobody waits any more.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use rustix::net::RecvFlags;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::client::{BodyError, RequestBody};
use crate::settings::{Pool, Settings};
use crate::wire::{
    AnswerHead, BadBody, BadHead, Buffers, Coding, Decoded, Framing, HeadBounds, Stream, Wire,
    parse_answer,
};

/// 1xx answers before the real one: more are no service's intention.
const INTERIM_MAX: u32 = 16;

/// The connections to all instances, by pool and instance.
#[derive(Debug)]
pub(crate) struct Lines(Vec<Vec<Rc<Line>>>);

/// The connections to one instance.
#[derive(Debug)]
pub(crate) struct Line {
    address: SocketAddr,
    connect_timeout: Duration,
    idle_max: usize,
    idle_time_max: Duration,
    idle: RefCell<Vec<Idle>>,
    /// When requests that are still under way are cut off, because it drains.
    cut_at: Cell<Option<Instant>>,
    is_cut_told: Cell<bool>,
    buffers: Buffers,
}

#[derive(Debug)]
struct Idle {
    wire: Wire,
    since: Instant,
}

/// A connection that can take a request.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) wire: Wire,
    line: Rc<Line>,
    /// Whether it took one before: then it may close under the next.
    pub(crate) is_reused: bool,
}

/// No connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// Refused, or unreachable.
    #[error("no connection: {0}")]
    Refused(io::Error),
    /// It took too long.
    #[error("no connection in time")]
    TimedOut,
}

/// What ended an exchange before its time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// The instance closed before it had answered whole.
    #[error("it closed before it had answered whole")]
    Cut,
    /// It does not speak the protocol.
    #[error("its answer cannot be read: {0}")]
    Head(BadHead),
    /// It does not speak the protocol.
    #[error("its answer's body cannot be read: {0}")]
    Body(BadBody),
    /// It did not answer in time.
    #[error("it did not answer in time")]
    Late,
    /// The fault is the client's.
    #[error("{0}")]
    Client(BodyError),
}

/// One request sent, one answer read.
#[derive(Debug)]
pub(crate) struct Exchange {
    connection: Connection,
    written_before: u64,
    /// What is still to be sent.
    body: Option<RequestBody>,
    coding: Coding,
    body_max: u64,
    /// Whether the head, too, has been handed to the kernel.
    is_sent: bool,
    /// Nothing more can be sent; what was answered may be there nevertheless.
    is_deaf: bool,
    asked: Asked,
    scanned: usize,
    interim: u32,
    framing: Framing,
    keeps: bool,
    bounds: HeadBounds,
    /// Bytes of the request's body.
    pub(crate) bytes_in: u64,
    /// Whether anything was taken from the request's body.
    pub(crate) is_begun: bool,
}

impl Lines {
    pub(crate) fn new(settings: &Settings, buffers: &Buffers) -> Self {
        let line = |pool: &Pool, address| {
            Rc::new(Line {
                address,
                connect_timeout: pool.connect_timeout,
                idle_max: pool.idle_connections_max,
                idle_time_max: pool.idle_connection_max,
                idle: RefCell::default(),
                cut_at: Cell::default(),
                is_cut_told: Cell::default(),
                buffers: buffers.clone(),
            })
        };
        let lines = |pool: &Pool| {
            let instances = pool.instances.iter();
            instances.map(|one| line(pool, one.address)).collect()
        };
        Self(settings.pools.iter().map(lines).collect())
    }

    /// Those to one instance.
    pub(crate) fn line(&self, pool: usize, instance: usize) -> &Rc<Line> {
        &self.0[pool][instance]
    }

    /// Whether there are requests to be cut off that were not told of it yet.
    pub(crate) fn take_cut(&self) -> bool {
        let now = Instant::now();
        let mut is_new = false;
        for line in self.0.iter().flatten() {
            is_new |= line.is_cut(now) && !line.is_cut_told.replace(true);
        }
        is_new
    }

    /// Closes what has been idle for too long.
    pub(crate) fn prune(&self) {
        let now = Instant::now();
        for line in self.0.iter().flatten() {
            let mut idle = line.idle.borrow_mut();
            idle.retain_mut(|idle| line.is_fit(idle, now));
        }
    }
}

impl Line {
    /// A connection that was used before, if one is fit to be used again.
    /// `is_careful`: what is sent on it cannot be sent again, so the kernel is asked, too,
    /// which costs a call.
    pub(crate) fn reuse(self: &Rc<Self>, is_careful: bool) -> Option<Connection> {
        let now = Instant::now();
        loop {
            let mut idle = self.idle.borrow_mut().pop()?;
            if self.is_fit(&mut idle, now) && !(is_careful && is_over(&idle.wire)) {
                return Some(Connection {
                    wire: idle.wire,
                    line: self.clone(),
                    is_reused: true,
                });
            }
        }
    }

    /// A new connection.
    pub(crate) async fn connect(self: &Rc<Self>) -> Result<Connection, ConnectError> {
        let connecting = TcpStream::connect(self.address);
        let tcp = match tokio::time::timeout(self.connect_timeout, connecting).await {
            Ok(Ok(tcp)) => tcp,
            Ok(Err(error)) => return Err(ConnectError::Refused(error)),
            Err(_) => return Err(ConnectError::TimedOut),
        };
        // Without it small answers wait for acknowledgements; one that lacks it works.
        let _slower = tcp.set_nodelay(true);
        Ok(Connection {
            wire: Wire::new(Stream::Plain(tcp), self.buffers.clone()),
            line: self.clone(),
            is_reused: false,
        })
    }

    /// Whether an idle connection is young, open and silent.
    fn is_fit(&self, idle: &mut Idle, now: Instant) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        now.duration_since(idle.since) < self.idle_time_max
            && idle.wire.poll_closed(&mut cx).is_pending()
            && idle.wire.input.is_empty()
    }

    fn give(&self, wire: Wire) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() < self.idle_max && self.cut_at.get().is_none() {
            let since = Instant::now();
            idle.push(Idle { wire, since });
        }
    }

    /// Requests under way are cut off at `at`; idle connections are closed.
    pub(crate) fn drain(&self, at: Instant) {
        self.cut_at.set(Some(at));
        self.is_cut_told.set(false);
        self.idle.borrow_mut().clear();
    }

    /// Requests are welcome again.
    pub(crate) fn admit(&self) {
        self.cut_at.set(None);
    }

    /// Whether it drains already.
    pub(crate) fn is_draining(&self) -> bool {
        self.cut_at.get().is_some()
    }

    /// Whether what is still under way is to be cut off.
    pub(crate) fn is_cut(&self, now: Instant) -> bool {
        self.cut_at.get().is_some_and(|at| at <= now)
    }
}

/// Whether the kernel knows that the other side has closed, or has spoken.
fn is_over(wire: &Wire) -> bool {
    let mut byte = [0];
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    let seen = rustix::net::recv(wire.stream().tcp(), &mut byte[..], flags);
    !matches!(seen, Err(rustix::io::Errno::AGAIN))
}

/// What of a request decides how its answer is read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked {
    /// It was a HEAD: no body comes.
    pub(crate) is_head: bool,
    /// Another protocol may be spoken after it.
    pub(crate) upgrades: bool,
}

impl Exchange {
    /// Begins: the head was put into the connection's output.
    pub(crate) fn begin(
        connection: Connection,
        body: Option<RequestBody>,
        coding: Coding,
        body_max: u64,
        asked: Asked,
        bounds: HeadBounds,
    ) -> Self {
        Self {
            written_before: connection.wire.written,
            connection,
            body,
            coding,
            body_max,
            is_sent: false,
            is_deaf: false,
            asked,
            scanned: 0,
            interim: 0,
            framing: Framing::None,
            keeps: false,
            bounds,
            bytes_in: 0,
            is_begun: false,
        }
    }

    /// The instance's connections.
    pub(crate) fn line(&self) -> &Rc<Line> {
        &self.connection.line
    }

    /// Whether the whole request is with the kernel.
    pub(crate) fn is_sent(&self) -> bool {
        self.is_sent
    }

    /// Whether nothing of the request reached even the kernel.
    pub(crate) fn is_unsent(&self) -> bool {
        self.connection.wire.written == self.written_before
    }

    /// Whether it is the client's turn.
    pub(crate) fn waits_for_client(&self) -> bool {
        self.body.is_some() && !self.is_deaf && !self.connection.wire.has_output()
    }

    /// Whether the instance has said anything.
    pub(crate) fn has_heard(&self) -> bool {
        self.interim > 0 || !self.connection.wire.input.is_empty()
    }

    /// What is to be sent, given back where nothing was taken from it.
    pub(crate) fn into_body(self) -> Option<RequestBody> {
        self.body
    }

    /// Sends what there is to send. Ready when all is sent, or nothing more can be.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BodyError>> {
        let wire = &mut self.connection.wire;
        loop {
            if wire.is_full() || self.body.is_none() {
                match wire.poll_flush(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(_)) => {
                        self.is_deaf = true;
                        return Poll::Ready(Ok(()));
                    }
                    Poll::Ready(Ok(())) => {}
                }
            }
            let Some(body) = &mut self.body else {
                self.is_sent = true;
                return Poll::Ready(Ok(()));
            };
            match body.poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    self.is_begun = true;
                    let is_last = frame.is_trailers();
                    self.bytes_in += wire.put_frame(frame, self.coding) as u64;
                    if self.bytes_in > self.body_max {
                        return Poll::Ready(Err(BodyError::TooLarge));
                    }
                    if is_last {
                        self.body = None;
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                Poll::Ready(None) => {
                    if self.coding == Coding::Chunked {
                        wire.output().extend_from_slice(b"0\r\n\r\n");
                    }
                    self.body = None;
                }
                Poll::Pending => {
                    if let Poll::Ready(Err(_)) = wire.poll_flush(cx) {
                        self.is_deaf = true;
                        return Poll::Ready(Ok(()));
                    }
                    return Poll::Pending;
                }
            }
        }
    }

    /// Sends on; whether anybody can still be heard.
    fn poll_sending(&mut self, cx: &mut Context<'_>) -> Result<(), Broken> {
        if self.is_sent || self.is_deaf {
            return Ok(());
        }
        match self.poll_send(cx) {
            Poll::Ready(Err(error)) => Err(Broken::Client(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Ok(()),
        }
    }

    /// The answer's head; 1xx ones first.
    pub(crate) fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<AnswerHead, Broken>> {
        loop {
            if let Err(broken) = self.poll_sending(cx) {
                return Poll::Ready(Err(broken));
            }
            let wire = &mut self.connection.wire;
            let parsed = parse_answer(
                &mut wire.input,
                &mut self.scanned,
                self.bounds,
                self.asked.is_head,
            );
            match parsed {
                Ok(Some(head)) => {
                    if head.status.as_u16() == 101 && !self.asked.upgrades {
                        // From here on nobody would look at what is sent (RFC 9110, 15.2.2).
                        let bad = BadHead::Malformed("another protocol that nobody asked for");
                        return Poll::Ready(Err(Broken::Head(bad)));
                    }
                    if head.status.is_informational() && head.status.as_u16() != 101 {
                        self.interim += 1;
                        if self.interim > INTERIM_MAX {
                            return Poll::Ready(Err(Broken::Head(BadHead::TooLarge)));
                        }
                    }
                    self.framing = head.framing;
                    self.keeps = head.keeps;
                    return Poll::Ready(Ok(head));
                }
                Ok(None) => {}
                Err(bad) => return Poll::Ready(Err(Broken::Head(bad))),
            }
            match wire.poll_fill(cx) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Err(Broken::Cut)),
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// How the answer's body ends.
    pub(crate) fn framing(&self) -> Framing {
        self.framing
    }

    /// The next piece of the answer's body; `None` at its end.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        loop {
            if let Err(broken) = self.poll_sending(cx) {
                return Poll::Ready(Some(Err(broken)));
            }
            let wire = &mut self.connection.wire;
            match self.framing.decode(&mut wire.input) {
                Ok(Decoded::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Ok(Decoded::Trailers(fields)) => {
                    return Poll::Ready(Some(Ok(Frame::trailers(fields))));
                }
                Ok(Decoded::End) => return Poll::Ready(None),
                Ok(Decoded::More) => {}
                Err(bad) => return Poll::Ready(Some(Err(Broken::Body(bad)))),
            }
            match wire.poll_fill(cx) {
                Poll::Ready(Ok(0)) if self.framing.may_close() => return Poll::Ready(None),
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(Some(Err(Broken::Cut))),
                Poll::Ready(Ok(_)) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// The answer has ended: the connection is kept where it can be used again.
    pub(crate) fn finish(self) {
        let Connection { wire, line, .. } = self.connection;
        if self.keeps && self.is_sent && wire.input.is_empty() && !wire.has_output() {
            line.give(wire);
        }
    }

    /// The connection alone, for another protocol.
    pub(crate) fn into_wire(self) -> Wire {
        self.connection.wire
    }
}
