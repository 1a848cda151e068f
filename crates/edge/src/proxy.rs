//! One request from its head to its answer: which route, when, to which instance, and what
//! becomes of it there. The same for every version of HTTP that clients speak.

mod account;
mod fields;
mod mirror;
mod streaming;

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue, SET_COOKIE, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, StatusCode};
use tokio::time::Instant;

use crate::banner::{self, Shown};
use crate::client::{BodyError, Peer, RequestBody};
use crate::clock::Alarm;
use crate::pages::{self, Matter, Wanted};
use crate::settings::Route;
use crate::shared::{Shared, tenant_name};
use crate::trace::Trace;
use crate::traffic::{Class, Ending, Failure, Kind, Permit, Pick, Tried, Turned};
use crate::upstream::{Asked, Broken, ConnectError, Exchange};
use crate::wire::{AnswerHead, Framing, HeadBounds};

use account::Account;
pub(crate) use fields::cookie;
use fields::{drop_hops, drop_named, put_request};
pub(crate) use streaming::Streaming;

/// Bytes a second that a request's body has to come with in the long run: what Apache asks
/// for, and no line of today is slower.
const BODY_RATE_MIN: u64 = 500;

/// A request as the proxy takes it.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) host: HeaderValue,
    pub(crate) target: PathAndQuery,
    pub(crate) headers: HeaderMap,
    /// How its body ends; `UntilClose` where only its reader knows.
    pub(crate) framing: Framing,
    pub(crate) body: Option<RequestBody>,
    pub(crate) upgrades: bool,
    /// Its trace; the proxy finds it.
    pub(crate) trace: Trace,
    /// The answer is to be one that a banner can be put into; the proxy finds out.
    pub(crate) plain: bool,
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

/// What a request is asked by.
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
    if asker.peer.redirects {
        return to_https(shared, &request);
    }
    let traffic = &shared.traffic;
    let host = host_alone(&request.host);
    let path = request.target.path();
    let class = traffic.class(&request.method, host, path, &request.headers);
    request.trace = Trace::of(&request.headers, shared.access_log.is_some());
    let plan = traffic.plan();
    let is_own = path.starts_with(banner::OWN);
    let shown = match (&plan.banner, is_own) {
        (None, false) => None,
        (shown, _) => {
            let tenant = class.as_ref().and_then(tenant_name).unwrap_or_default();
            let (target, headers) = (request.target.as_str(), &request.headers);
            if let Some(answer) = banner::own(shown.as_ref(), &tenant, target, headers) {
                return answer;
            }
            let is_page = banner::asks_for_page(&request.method, headers);
            let shown = shown.as_ref().filter(|_| is_page);
            shown.and_then(|shown| banner::shown(shown, &tenant, headers))
        }
    };
    request.plain = shown.is_some();
    let client = || {
        let trusted = &shared.settings.trusted;
        crate::forwarded::told(asker.peer, trusted, &request.headers, &request.host).client
    };
    let mut account = Account::new(shared, class, &request, client);
    let Some(class) = class else {
        return own(
            shared,
            &request.headers,
            &mut account,
            Kind::Gone,
            Matter::NoRoute,
            None,
        );
    };
    let route = &shared.settings.routes[usize::from(class.route)];
    if matches!(request.framing, Framing::Length(length) if length > route.body_max) {
        account.is_refused = true;
        let headers = &request.headers;
        return closing(own(
            shared,
            headers,
            &mut account,
            Kind::Gone,
            Matter::TooLarge,
            None,
        ));
    }
    let bytes = waiting_bytes(&request);
    let permit = match traffic.admit_with_body(&class, bytes).await {
        Ok(permit) => permit,
        Err(turned) => return turned_away(shared, &request.headers, &mut account, turned),
    };
    drop_named(&mut request.headers);
    mirror::mirror(shared, &request, asker.peer, &class);
    let sent = Sent {
        permit,
        account,
        class,
        shown,
    };
    forward(shared, request, asker, sent, &mut interim).await
}

/// What of a request's body can be here before anybody reads it.
fn waiting_bytes(request: &Request) -> u64 {
    let most = request.body.as_ref().map_or(0, RequestBody::unread_max);
    match request.framing {
        Framing::None => 0,
        Framing::Length(length) => length.min(most),
        Framing::Chunked(_) | Framing::UntilClose => most,
    }
}

/// A request that was admitted.
struct Sent {
    permit: Permit,
    account: Account,
    class: Class,
    shown: Option<Shown>,
}

/// Tries instances until one answers, as often as is safe.
async fn forward(
    shared: &Rc<Shared>,
    mut request: Request,
    asker: Asker<'_>,
    sent: Sent,
    interim: &mut impl FnMut(&AnswerHead),
) -> Answer {
    let Sent {
        permit,
        mut account,
        class,
        shown,
    } = sent;
    let route = &shared.settings.routes[usize::from(class.route)];
    let pool = &shared.settings.pools[usize::from(class.pool)];
    let mut tried = Tried::default();
    let mut attempts = 0;
    let mut last = Matter::Unavailable;
    loop {
        let sticky = pool.sticky_cookie.as_deref();
        let sticky = sticky.and_then(|name| cookie(&request.headers, name));
        let Some(pick) = shared.traffic.pick(&class, &tried, sticky) else {
            let wait = Some(Duration::from_secs(2));
            return own(
                shared,
                &request.headers,
                &mut account,
                Kind::Failed,
                last,
                wait,
            );
        };
        account.sent_to(&pick);
        let from = Instant::now();
        let attempt = attempt(shared, &mut request, &asker, &pick, route, interim).await;
        let failed = match attempt {
            Ok((head, exchange)) => {
                account.latency = Some(account.began.elapsed());
                let sticky = pool.sticky_cookie.as_deref();
                let is_new =
                    sticky.and_then(|name| new_sticky(name, &request, shared, &pick, asker.peer));
                let status = head.status.as_u16();
                let (after, idle) = (from.elapsed(), route.idle_timeout);
                let streaming =
                    Streaming::new(exchange, pick, permit, account, status, after, idle);
                let mut answer = relay(head, streaming, shown);
                if let Some(cookie) = is_new {
                    answer.headers.append(SET_COOKIE, cookie);
                }
                return answer;
            }
            Err(failed) => failed,
        };
        let (how, matter) = match failed.why {
            Why::Failed(how) => (how, matter_of(how)),
            Why::Client(error) => {
                shared.traffic.ended(&pick, Ending::ClientGone);
                let matter = match error {
                    BodyError::TooLarge => Matter::TooLarge,
                    BodyError::Slow => Matter::Slow,
                    BodyError::Bad(_) | BodyError::Gone => Matter::Malformed,
                };
                account.is_refused = !matches!(error, BodyError::Gone);
                let headers = &request.headers;
                return closing(own(shared, headers, &mut account, Kind::Gone, matter, None));
            }
        };
        let after = from.elapsed();
        shared.traffic.ended(&pick, Ending::Failed { how, after });
        tried.add(&pick);
        last = matter;
        attempts += 1;
        let may = failed.is_repeatable
            && attempts <= pool.retry.attempts
            && shared.traffic.may_retry(&class);
        if !may {
            let headers = &request.headers;
            let answer = own(shared, headers, &mut account, Kind::Failed, matter, None);
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
    // Without a body, and where twice is once, a closed one costs a second try only.
    let is_harmless = request.framing == Framing::None && is_idempotent(&request.method);
    let mut reuse = line.reuse(!is_harmless);
    loop {
        let mut connection = match reuse.take() {
            Some(connection) => connection,
            None => line.connect().await.map_err(|error| {
                tracing::debug!(instance = %pick.address, "{error}");
                let how = match error {
                    ConnectError::Refused(_) => Failure::Connect,
                    ConnectError::TimedOut => Failure::Timeout,
                };
                let (why, is_repeatable) = (Why::Failed(how), true);
                Attempt { why, is_repeatable }
            })?,
        };
        let is_reused = connection.is_reused;
        let coding = put_request(connection.wire.output(), request, asker.peer, shared);
        let bounds = shared.head_bounds();
        let asked = Asked {
            is_head: request.method == Method::HEAD,
            upgrades: request.upgrades,
        };
        let body = request.body.take();
        let mut exchange = Exchange::begin(connection, body, coding, route.body_max, asked, bounds);
        let broken = match head(&mut exchange, asker.alarm, route, interim).await {
            Ok(head) => return Ok((head, exchange)),
            Err(broken) => broken,
        };
        tracing::debug!(instance = %pick.address, "{broken}");
        let has_heard = exchange.has_heard();
        let (is_untouched, is_unsent) = (!exchange.is_begun, exchange.is_unsent());
        request.body = exchange.into_body();
        // What was sent, even in part, is sent again only where twice is once.
        let is_repeatable = is_untouched && (is_harmless || is_unsent);
        let how = match broken {
            Broken::Client(error) => {
                let (why, is_repeatable) = (Why::Client(error), false);
                return Err(Attempt { why, is_repeatable });
            }
            Broken::Cut if is_reused && is_repeatable && !has_heard => continue,
            Broken::Cut => Failure::CutOff,
            Broken::Head(_) | Broken::Body(_) => Failure::Malformed,
            Broken::Late => Failure::Timeout,
        };
        let why = Why::Failed(how);
        return Err(Attempt { why, is_repeatable });
    }
}

/// Waits for the answer's head: as long as the route says once the request is sent, and as
/// long between two pieces of its body as the route says, if all of it is not too slow.
async fn head(
    exchange: &mut Exchange,
    alarm: &Alarm,
    route: &Route,
    interim: &mut impl FnMut(&AnswerHead),
) -> Result<AnswerHead, Broken> {
    let (mut was_sent, mut bytes, began) = (false, u64::MAX, Instant::now());
    let ended = poll_fn(|cx| {
        loop {
            match exchange.poll_head(cx) {
                Poll::Ready(Ok(head)) if is_interim(head.status) => interim(&head),
                Poll::Ready(ended) => return Poll::Ready(ended),
                Poll::Pending => break,
            }
        }
        if exchange.is_sent() != was_sent {
            was_sent = true;
            alarm.set_in(route.timeout);
        } else if !was_sent && exchange.bytes_in != bytes {
            bytes = exchange.bytes_in;
            let earned = Duration::from_secs(bytes / BODY_RATE_MIN);
            let last = began + route.idle_timeout + earned;
            alarm.set(last.min(Instant::now() + route.idle_timeout));
        }
        if exchange.line().is_cut(Instant::now()) {
            return Poll::Ready(Err(Broken::Late));
        }
        alarm.poll_due(cx).map(|()| {
            Err(match exchange.waits_for_client() {
                true => Broken::Client(BodyError::Slow),
                false => Broken::Late,
            })
        })
    });
    let ended = ended.await;
    alarm.lift();
    ended
}

fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}

/// The answer as the client gets it.
fn relay(head: AnswerHead, mut streaming: Streaming, shown: Option<Shown>) -> Answer {
    let AnswerHead {
        status,
        mut headers,
        framing,
        ..
    } = head;
    let is_upgrade = status == StatusCode::SWITCHING_PROTOCOLS;
    let protocol = if is_upgrade {
        headers.get(UPGRADE).cloned()
    } else {
        None
    };
    drop_hops(&mut headers);
    if let Some(protocol) = protocol {
        headers.insert(UPGRADE, protocol);
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    let body = match framing {
        _ if is_upgrade => AnswerBody::Upgrade(Box::new(streaming)),
        Framing::None => {
            streaming.end();
            AnswerBody::Empty
        }
        _ => {
            if is_event_stream(&headers) {
                streaming.stays_open();
            }
            if let Some(rewriting) = shown.and_then(|shown| shown.rewrite(status, &mut headers)) {
                streaming.rewrite(rewriting);
            }
            AnswerBody::Stream(Box::new(streaming))
        }
    };
    Answer {
        status,
        headers,
        body,
        closes: false,
    }
}

/// Whether an answer says that it goes on for as long as anybody listens.
fn is_event_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    kind.is_some_and(|kind| {
        let kind = kind.split(|letter| *letter == b';').next();
        kind.is_some_and(|kind| kind.trim_ascii().eq_ignore_ascii_case(b"text/event-stream"))
    })
}

fn matter_of(how: Failure) -> Matter {
    match how {
        Failure::Timeout => Matter::Late,
        Failure::Connect => Matter::Unavailable,
        Failure::CutOff | Failure::Malformed => Matter::Bad,
    }
}

/// A page of the edge's own.
fn own(
    shared: &Shared,
    headers: &HeaderMap,
    account: &mut Account,
    kind: Kind,
    matter: Matter,
    wait: Option<Duration>,
) -> Answer {
    account.kind = kind;
    account.status = Some(matter.status().as_u16());
    pages::page(
        &shared.settings.pages,
        Wanted::of(headers),
        matter,
        wait,
        None,
    )
}

fn turned_away(
    shared: &Shared,
    headers: &HeaderMap,
    account: &mut Account,
    turned: Turned,
) -> Answer {
    let (matter, wait) = match turned {
        Turned::Off(component) => {
            account.kind = Kind::Off;
            account.status = Some(Matter::Off.status().as_u16());
            let plan = shared.traffic.plan();
            let off = plan.off.get(&component);
            // Time enough that a browser that tries by itself is no burden.
            let wait = Some(Duration::from_secs(60));
            let wanted = Wanted::of(headers);
            return pages::page(&shared.settings.pages, wanted, Matter::Off, wait, off);
        }
        Turned::Capped { retry_after } => (Matter::Capped, retry_after),
        Turned::Shed { retry_after, .. } => (Matter::Busy, retry_after),
        Turned::HeldTooLong { retry_after } => (Matter::Held, retry_after),
    };
    own(shared, headers, account, Kind::Shed, matter, Some(wait))
}

/// The same place, encrypted.
fn to_https(shared: &Shared, request: &Request) -> Answer {
    let mut listeners = shared.settings.listeners.iter();
    let port = listeners.find(|listener| listener.tls.is_some());
    let port = port.map_or(443, |listener| listener.address.port());
    let host = host_alone(&request.host);
    let port = if port == 443 {
        String::new()
    } else {
        format!(":{port}")
    };
    let to = HeaderValue::try_from(format!("https://{host}{port}{}", request.target));
    match to {
        Ok(to) if !host.is_empty() => pages::redirect(StatusCode::PERMANENT_REDIRECT, to),
        _ => closing(pages::plain(StatusCode::BAD_REQUEST)),
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

/// The cookie that keeps a session where it is, unless the client has it already.
fn new_sticky(
    name: &str,
    request: &Request,
    shared: &Shared,
    pick: &Pick,
    peer: &Peer,
) -> Option<HeaderValue> {
    let instance = shared.traffic.sticky_value(pick);
    if cookie(&request.headers, name) == Some(instance) {
        return None;
    }
    let secure = if peer.is_encrypted { "; Secure" } else { "" };
    let text = format!("{name}={instance}; Path=/; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::try_from(text).ok()
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
