//! One request from its head to its answer: which route, when, to which instance, and what
//! becomes of it there. The same for every version of HTTP that clients speak.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HeaderValue, SET_COOKIE, TRANSFER_ENCODING, UPGRADE,
};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, StatusCode, Version};
use http_body::Frame;
use tokio::time::Instant;

use crate::client::{BodyError, Peer, RequestBody};
use crate::clock::Alarm;
use crate::forwarded;
use crate::pages;
use crate::settings::Route;
use crate::shared::Shared;
use crate::standin::{Class, Ending, Failure, Finish, Kind, Permit, Pick, Tried, Turned};
use crate::upstream::{Broken, ConnectError, Exchange};
use crate::wire::{AnswerHead, Coding, Framing, HeadBounds, options, put_field};

/// A request as the proxy takes it.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) host: HeaderValue,
    pub(crate) target: PathAndQuery,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    /// How its body ends; `UntilClose` where only its reader knows.
    pub(crate) framing: Framing,
    pub(crate) body: Option<RequestBody>,
    pub(crate) upgrades: bool,
}

/// What the client is answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// Without those that concern one connection only.
    pub(crate) headers: HeaderMap,
    pub(crate) body: AnswerBody,
    /// The client's connection is not fit for another request.
    pub(crate) closes: bool,
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum AnswerBody {
    /// None; the length in the headers, where there is one, is meant for a HEAD.
    Empty,
    /// Of the edge's own.
    Full(Bytes),
    /// As the instance sends it.
    Stream(Box<Streaming>),
    /// The instance speaks another protocol from here on.
    Upgrade(Box<Streaming>),
}

/// An answer that an instance is giving.
#[derive(Debug)]
pub(crate) struct Streaming {
    exchange: Option<Exchange>,
    pick: Option<Pick>,
    permit: Option<Permit>,
    account: Account,
    status: u16,
    /// From sending the request to the answer's head.
    head_after: Duration,
    /// How long nothing may come.
    pub(crate) idle_timeout: Duration,
}

/// What becomes of a request, for those who count.
#[derive(Debug)]
pub(crate) struct Account {
    shared: Rc<Shared>,
    class: Class,
    began: Instant,
    kind: Kind,
    /// From the request's head to the answer's.
    latency: Option<Duration>,
    bytes_in: u64,
    bytes_out: u64,
    retried: bool,
}

/// What a request is answered that comes from one connection.
pub(crate) struct Asker<'a> {
    pub(crate) peer: &'a Peer,
    pub(crate) alarm: &'a Alarm,
}

/// Answers one request. 1xx answers go to `interim` before.
pub(crate) async fn answer(
    shared: &Rc<Shared>,
    mut request: Request,
    asker: Asker<'_>,
    mut interim: impl FnMut(&AnswerHead),
) -> Answer {
    let traffic = &shared.traffic;
    let host = host_alone(&request.host);
    let path = request.target.path();
    let Some(class) = traffic.class(&request.method, host, path, &request.headers) else {
        return pages::plain(StatusCode::NOT_FOUND, None);
    };
    let route = &shared.settings.routes[usize::from(class.route)];
    let mut account = Account {
        shared: shared.clone(),
        class,
        began: Instant::now(),
        // Until something better is known: whoever drops this has gone.
        kind: Kind::Gone,
        latency: None,
        bytes_in: 0,
        bytes_out: 0,
        retried: false,
    };
    if matches!(request.framing, Framing::Length(length) if length > route.body_max) {
        shared.count_refused();
        return closing(pages::plain(StatusCode::PAYLOAD_TOO_LARGE, None));
    }
    let permit = match traffic.admit(&class).await {
        Ok(permit) => permit,
        Err(turned) => {
            account.kind = match turned {
                Turned::Off(_) => Kind::Off,
                _ => Kind::Shed,
            };
            return turned_away(turned);
        }
    };
    drop_named(&mut request.headers);
    forward(shared, request, asker, permit, account, &mut interim).await
}

/// Tries instances until one answers, as often as is safe.
async fn forward(
    shared: &Rc<Shared>,
    mut request: Request,
    asker: Asker<'_>,
    permit: Permit,
    mut account: Account,
    interim: &mut impl FnMut(&AnswerHead),
) -> Answer {
    let class = account.class;
    let route = &shared.settings.routes[usize::from(class.route)];
    let pool = &shared.settings.pools[usize::from(class.pool)];
    let mut tried = Tried::default();
    let mut attempts = 0;
    let mut last = StatusCode::SERVICE_UNAVAILABLE;
    loop {
        let sticky = pool.sticky_cookie.as_deref();
        let sticky = sticky.and_then(|name| cookie(&request.headers, name));
        let Some(pick) = shared.traffic.pick(&class, &tried, sticky) else {
            account.kind = Kind::Failed;
            return pages::plain(last, Some(Duration::from_secs(2)));
        };
        let from = Instant::now();
        let attempt = attempt(shared, &mut request, &asker, &pick, route, interim).await;
        let failed = match attempt {
            Ok((head, exchange)) => {
                account.latency = Some(account.began.elapsed());
                let is_new = sticky_is_new(pool.sticky_cookie.as_deref(), &request, shared, &pick);
                let streaming = Streaming {
                    exchange: Some(exchange),
                    pick: Some(pick),
                    permit: Some(permit),
                    account,
                    status: head.status.as_u16(),
                    head_after: from.elapsed(),
                    idle_timeout: route.idle_timeout,
                };
                let mut answer = relay(head, streaming);
                if let Some(cookie) = is_new {
                    answer.headers.append(SET_COOKIE, cookie);
                }
                return answer;
            }
            Err(failed) => failed,
        };
        let (how, status) = match failed.why {
            Why::Failed(how) => (how, status_of(how)),
            Why::Client(error) => {
                shared.traffic.ended(&pick, Ending::ClientGone);
                let status = match error {
                    BodyError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
                    BodyError::Bad(_) | BodyError::Gone => StatusCode::BAD_REQUEST,
                };
                shared.count_refused();
                return closing(pages::plain(status, None));
            }
        };
        let after = from.elapsed();
        shared.traffic.ended(&pick, Ending::Failed { how, after });
        tried.add(&pick);
        last = status;
        attempts += 1;
        let may = failed.is_repeatable
            && attempts <= pool.retry.attempts
            && shared.traffic.may_retry(&class);
        if !may {
            account.kind = Kind::Failed;
            let answer = pages::plain(status, None);
            return match request.framing {
                Framing::None => answer,
                _ => closing(answer),
            };
        }
        account.retried = true;
    }
}

/// One attempt that failed.
struct Attempt {
    why: Why,
    /// Whether another cannot do harm.
    is_repeatable: bool,
}

enum Why {
    Failed(Failure),
    Client(BodyError),
}

/// Sends the request to one instance and waits for the answer's head. A connection that
/// was used before and turns out to be closed is replaced by a new one.
async fn attempt(
    shared: &Rc<Shared>,
    request: &mut Request,
    asker: &Asker<'_>,
    pick: &Pick,
    route: &Route,
    interim: &mut impl FnMut(&AnswerHead),
) -> Result<(AnswerHead, Exchange), Attempt> {
    let line = shared.lines.line(pick.pool, pick.instance);
    let mut reuse = line.reuse();
    loop {
        let mut connection = match reuse.take() {
            Some(connection) => connection,
            None => line.connect().await.map_err(|error| Attempt {
                why: Why::Failed(match error {
                    ConnectError::Refused(_) => Failure::Connect,
                    ConnectError::TimedOut => Failure::Timeout,
                }),
                is_repeatable: true,
            })?,
        };
        let is_reused = connection.is_reused;
        let coding = put_request(connection.wire.output(), request, asker.peer, shared);
        let bounds = shared.head_bounds();
        let is_head = request.method == Method::HEAD;
        let body = request.body.take();
        let mut exchange =
            Exchange::begin(connection, body, coding, route.body_max, is_head, bounds);
        let broken = match head(&mut exchange, asker.alarm, route, interim).await {
            Ok(head) => return Ok((head, exchange)),
            Err(broken) => broken,
        };
        let has_heard = exchange.has_heard();
        let is_untouched = !exchange.is_begun;
        let is_empty = request.framing == Framing::None;
        request.body = exchange.into_body();
        // Sent it was, at least in part: again only what may be done twice.
        let is_repeatable = is_empty && is_untouched && is_idempotent(&request.method);
        let how = match broken {
            Some(Broken::Client(error)) => {
                return Err(Attempt {
                    why: Why::Client(error),
                    is_repeatable: false,
                });
            }
            Some(Broken::Cut) if is_reused && is_repeatable && !has_heard => continue,
            Some(Broken::Cut) => Failure::CutOff,
            Some(Broken::Head(_) | Broken::Body(_)) => Failure::Malformed,
            None => Failure::Timeout,
        };
        return Err(Attempt {
            why: Why::Failed(how),
            is_repeatable,
        });
    }
}

/// Waits for the answer's head: as long as the route says once the request is sent, and as
/// long between two pieces of its body as the route says. `None`: it took too long.
async fn head(
    exchange: &mut Exchange,
    alarm: &Alarm,
    route: &Route,
    interim: &mut impl FnMut(&AnswerHead),
) -> Result<AnswerHead, Option<Broken>> {
    let (mut was_sent, mut bytes) = (false, u64::MAX);
    let ended = poll_fn(|cx| {
        loop {
            match exchange.poll_head(cx) {
                Poll::Ready(Ok(head)) if is_interim(head.status) => interim(&head),
                Poll::Ready(ended) => return Poll::Ready(ended.map_err(Some)),
                Poll::Pending => break,
            }
        }
        if exchange.is_sent() != was_sent {
            was_sent = true;
            alarm.set_in(route.timeout);
        } else if !was_sent && exchange.bytes_in != bytes {
            bytes = exchange.bytes_in;
            alarm.set_in(route.idle_timeout);
        }
        let is_due = alarm.poll_due(cx).is_ready() || exchange.line().is_cut(Instant::now());
        match is_due {
            true => Poll::Ready(Err(None)),
            false => Poll::Pending,
        }
    });
    let ended = ended.await;
    alarm.lift();
    ended
}

fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}

/// The answer as the client gets it.
fn relay(head: AnswerHead, mut streaming: Streaming) -> Answer {
    let AnswerHead {
        status,
        mut headers,
        framing,
        ..
    } = head;
    streaming.account.kind = Kind::Answered {
        status: streaming.status,
    };
    let is_upgrade = status == StatusCode::SWITCHING_PROTOCOLS;
    if is_upgrade {
        let protocol = headers.get(UPGRADE).cloned();
        drop_hops(&mut headers);
        if let Some(protocol) = protocol {
            headers.insert(UPGRADE, protocol);
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        }
    } else {
        drop_hops(&mut headers);
    }
    let body = match framing {
        _ if is_upgrade => AnswerBody::Upgrade(Box::new(streaming)),
        Framing::None => {
            streaming.end();
            AnswerBody::Empty
        }
        _ => AnswerBody::Stream(Box::new(streaming)),
    };
    Answer {
        status,
        headers,
        body,
        closes: false,
    }
}

impl Streaming {
    /// The next piece; `None` at the end.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let Some(exchange) = &mut self.exchange else {
            return Poll::Ready(None);
        };
        match exchange.poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                if let Some(data) = frame.data_ref() {
                    self.account.bytes_out += data.len() as u64;
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                self.end();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(broken))) => {
                self.cut(&broken);
                Poll::Ready(Some(Err(broken)))
            }
            Poll::Pending if exchange.line().is_cut(Instant::now()) => {
                self.cut(&Broken::Cut);
                Poll::Ready(Some(Err(Broken::Cut)))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// How the body ends.
    pub(crate) fn framing(&self) -> Framing {
        self.exchange
            .as_ref()
            .map_or(Framing::None, Exchange::framing)
    }

    /// It ended well.
    fn end(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            self.account.bytes_in = exchange.bytes_in;
            exchange.finish();
        }
        self.tell(None);
    }

    fn cut(&mut self, broken: &Broken) {
        if let Some(exchange) = self.exchange.take() {
            self.account.bytes_in = exchange.bytes_in;
        }
        self.account.kind = match broken {
            Broken::Client(_) => Kind::Gone,
            _ => Kind::Failed,
        };
        let ending = match broken {
            Broken::Client(_) => Ending::ClientGone,
            _ => Ending::Failed {
                how: Failure::CutOff,
                after: self.account.began.elapsed(),
            },
        };
        self.tell(Some(ending));
    }

    /// Nothing came for too long.
    pub(crate) fn give_up(&mut self) {
        self.cut(&Broken::Cut);
    }

    fn tell(&mut self, ending: Option<Ending>) {
        if let Some(pick) = self.pick.take() {
            let (status, head) = (self.status, self.head_after);
            let ending = ending.unwrap_or(Ending::Answered { status, head });
            self.account.shared.traffic.ended(&pick, ending);
        }
        self.permit = None;
    }

    /// The instance's connection, for another protocol. Its place is free for others: an
    /// open socket is no work.
    pub(crate) fn take_exchange(&mut self) -> Option<Exchange> {
        self.permit = None;
        self.exchange.take()
    }

    /// Counts what went over an upgraded connection.
    pub(crate) fn count(&mut self, bytes_in: u64, bytes_out: u64) {
        self.account.bytes_in += bytes_in;
        self.account.bytes_out += bytes_out;
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        if self.exchange.is_some() {
            // Whoever read it has gone before the end; the instance answered well.
            self.account.kind = Kind::Gone;
        }
        self.tell(None);
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let finish = Finish {
            kind: self.kind,
            latency: self.latency,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            retried: self.retried,
        };
        self.shared.traffic.finished(&self.class, &finish);
    }
}

fn status_of(how: Failure) -> StatusCode {
    match how {
        Failure::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Failure::Connect => StatusCode::SERVICE_UNAVAILABLE,
        Failure::CutOff | Failure::Malformed => StatusCode::BAD_GATEWAY,
    }
}

fn turned_away(turned: Turned) -> Answer {
    match turned {
        Turned::Off(_) => pages::plain(StatusCode::SERVICE_UNAVAILABLE, None),
        Turned::Capped { retry_after } => {
            pages::plain(StatusCode::TOO_MANY_REQUESTS, Some(retry_after))
        }
        Turned::Shed { retry_after, .. } | Turned::HeldTooLong { retry_after } => {
            pages::plain(StatusCode::SERVICE_UNAVAILABLE, Some(retry_after))
        }
    }
}

fn closing(mut answer: Answer) -> Answer {
    answer.closes = true;
    answer
}

/// Methods that may be done twice (RFC 9110, 9.2.2).
fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE | Method::TRACE
    )
}

/// The host without its port, for routes.
fn host_alone(host: &HeaderValue) -> &str {
    let host = host.to_str().unwrap_or_default();
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// The value of a cookie.
pub(crate) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let fields = headers.get_all(COOKIE).iter();
    let fields = fields.filter_map(|field| field.to_str().ok());
    let pairs = fields.flat_map(|field| field.split(';'));
    let mut pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
    pairs
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value)
}

/// The cookie that keeps a session where it is, unless the client has it already.
fn sticky_is_new(
    name: Option<&str>,
    request: &Request,
    shared: &Shared,
    pick: &Pick,
) -> Option<HeaderValue> {
    let name = name?;
    let instance = shared.traffic.sticky_value(pick);
    if cookie(&request.headers, name) == Some(instance) {
        return None;
    }
    let text = format!("{name}={instance}; Path=/; HttpOnly; SameSite=Lax");
    HeaderValue::try_from(text).ok()
}

/// Drops the fields that `Connection` names: they concern one connection only.
fn drop_named(headers: &mut HeaderMap) {
    let Some(said) = headers.get(CONNECTION) else {
        return;
    };
    let is_usual = [&b"keep-alive"[..], b"close", b"upgrade"];
    let is_usual = |option: &[u8]| is_usual.iter().any(|one| one.eq_ignore_ascii_case(option));
    if options(said).all(is_usual) && headers.get_all(CONNECTION).iter().count() == 1 {
        return;
    }
    let named: Vec<_> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(options)
        .collect();
    let named = named
        .into_iter()
        .filter_map(|name| http::HeaderName::from_bytes(name).ok());
    // What the message's end and place depend on is never dropped on a client's word.
    let is_bound = |name: &http::HeaderName| {
        matches!(
            *name,
            http::header::HOST | CONTENT_LENGTH | TRANSFER_ENCODING | UPGRADE
        )
    };
    let named: Vec<_> = named.filter(|name| !is_bound(name)).collect();
    for name in named {
        headers.remove(name);
    }
}

/// Whether a field concerns one connection only.
fn is_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

fn drop_hops(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        drop_named(headers);
        headers.remove(CONNECTION);
    }
    for name in [
        "keep-alive",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
    ] {
        if headers.contains_key(name) {
            headers.remove(name);
        }
    }
}

/// Writes the request's head for an instance.
fn put_request(output: &mut BytesMut, request: &Request, peer: &Peer, shared: &Shared) -> Coding {
    let target = request.target.as_str().as_bytes();
    output.reserve(256 + target.len());
    output.extend_from_slice(request.method.as_str().as_bytes());
    output.extend_from_slice(b" ");
    output.extend_from_slice(target);
    output.extend_from_slice(b" HTTP/1.1\r\n");
    put_field(output, "host", request.host.as_bytes());
    let is_chunked = matches!(request.framing, Framing::Chunked(_) | Framing::UntilClose);
    for (name, value) in &request.headers {
        let text = name.as_str();
        let is_left_out = is_hop(text)
            || forwarded::is_ours(text)
            || text == "host"
            || (is_chunked && *name == CONTENT_LENGTH)
            || (*name == EXPECT && request.framing == Framing::None);
        if !is_left_out {
            put_field(output, text, value.as_bytes());
        }
    }
    let told = forwarded::told(
        peer,
        &shared.settings.trusted,
        &request.headers,
        &request.host,
    );
    forwarded::put(output, peer, &request.headers, &told);
    if request.upgrades
        && let Some(protocol) = request.headers.get(UPGRADE)
    {
        output.extend_from_slice(b"connection: upgrade\r\n");
        put_field(output, "upgrade", protocol.as_bytes());
    }
    if is_chunked {
        output.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
        Coding::Chunked
    } else {
        output.extend_from_slice(b"\r\n");
        Coding::Plain
    }
}

impl Shared {
    /// How large a head may be.
    pub(crate) fn head_bounds(&self) -> HeadBounds {
        HeadBounds {
            bytes: self.settings.bounds.head_max,
            fields: self.settings.bounds.headers_max,
        }
    }
}
