//! The listener for pings and the management API.
//!
//! A ping is read within bounds, dated, looked up, given to the pump, and answered when it
//! is durable. Answers are Healthchecks' own: `OK` or `Created`, `not found`,
//! `ambiguous slug`, `invalid url format`, `invalid uuid format`. Every method counts.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, Request, Response, StatusCode, header};
use evenkeel_core::Timestamp;
use evenkeel_core::heartbeat::{
    BODY_MAX, Change, HeartbeatChange, HeartbeatSpec, Ping, PingSource, Signal,
};
use evenkeel_core::observation::Seen;
use evenkeel_core::policy::Policy;
use evenkeel_guards::outlet::to_the_millisecond;
use http_body_util::BodyExt;
use tokio::sync::watch;

use super::address::{self, Address, Of};
use super::api::{self, Keys};
use super::book::{Book, Entry, Found};
use super::uuid::Uuid;
use crate::pump::pings::{PingDesk, Untaken};
use crate::pump::published::Published;
use crate::pump::store::OpenJournal;
use crate::web::serving::{Bounds, Peer};

/// What is read of a body beyond what is kept, and thrown away: a client that sends its
/// whole log gets its answer. One that sends more is answered all the same, and hung up on.
const READ_MAX: usize = 1 << 20;

/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);

/// The longest user agent that is kept: Healthchecks' own limit.
const AGENT_MAX: usize = 200;

/// What an address that a client says it has may take.
const REMOTE_MAX: usize = 45;

/// How much the listener takes on: a client pings and is gone, and ten thousand may come at
/// the full hour. A connection that is kept is closed after some minutes, between requests.
pub fn bounds() -> Bounds {
    Bounds {
        connections: 2048,
        head_bytes: 16 << 10,
        head_time: Duration::from_secs(10),
        life: Duration::from_secs(300),
    }
}

/// What the listener answers from.
pub struct Ears {
    /// Which heartbeats there are.
    pub book: Arc<Book>,
    /// Where pings go.
    pub desk: PingDesk,
    /// The key of slug URLs.
    pub ping_key: String,
    /// The keys of the API, and where clients reach it.
    pub keys: Keys,
    /// What the pump published last.
    pub published: watch::Receiver<Arc<Published>>,
    /// What the configuration says.
    pub policy: Arc<Policy>,
    /// Where the pings' bodies are.
    pub journal: Arc<dyn OpenJournal>,
}

/// Everything that answers.
pub fn router(ears: Ears) -> Router {
    Router::new().fallback(answer).with_state(Arc::new(ears))
}

async fn answer(State(ears): State<Arc<Ears>>, request: Request<Body>) -> Response<Body> {
    if request.uri().path().starts_with("/api/") {
        return api::answer(&ears, request).await;
    }
    let (parts, body) = request.into_parts();
    let (kept, rest) = read(body).await;
    let query = parts.uri.query().unwrap_or_default();
    let source = source(&parts.method, &parts.headers, parts.extensions.get());
    let mut response = match Address::parse(parts.uri.path()) {
        None => said(StatusCode::NOT_FOUND, "not found"),
        Some(address) => ears.hear(&address, query, kept, source).await,
    };
    if !rest {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

impl Ears {
    async fn hear(
        &self,
        address: &Address<'_>,
        query: &str,
        body: String,
        source: PingSource,
    ) -> Response<Body> {
        let (entry, created) = match self.find(address, query).await {
            Ok(found) => found,
            Err(response) => return response,
        };
        let Some(signal) = address.signal else {
            return said(StatusCode::BAD_REQUEST, "invalid url format");
        };
        let Ok(rid) = address::rid(query) else {
            return said(StatusCode::BAD_REQUEST, "invalid uuid format");
        };
        match self.ping(&entry, signal, rid, body, source).await {
            Ok(_) if created => said(StatusCode::CREATED, "Created"),
            Ok(_) => said(StatusCode::OK, "OK"),
            Err(Untaken::Passed) => said(StatusCode::NOT_FOUND, "not found"),
            Err(Untaken::Unavailable) => unavailable(),
        }
    }

    async fn ping(
        &self,
        entry: &Entry,
        signal: Signal,
        rid: Option<String>,
        body: String,
        source: PingSource,
    ) -> Result<u64, Untaken> {
        let now = to_the_millisecond(Timestamp::now());
        let next_due_at = signal.ends_well().and_then(|_| entry.due.after(now));
        let ping = Ping {
            heartbeat: entry.id.clone(),
            order: 0,
            signal,
            rid,
            body,
            source,
            next_due_at,
        };
        self.desk.place("pings", now, Seen::Ping(ping)).await
    }

    /// The heartbeat an address means, and whether it was made for this ping.
    async fn find(
        &self,
        address: &Address<'_>,
        query: &str,
    ) -> Result<(Arc<Entry>, bool), Response<Body>> {
        let not_found = || said(StatusCode::NOT_FOUND, "not found");
        let (key, slug) = match &address.of {
            Of::Uuid(uuid) => {
                let found = self.book.get(*uuid);
                return found.map(|entry| (entry, false)).ok_or_else(not_found);
            }
            Of::Slug { key, slug } => (*key, *slug),
        };
        if !api::is_same(key, &self.ping_key) {
            return Err(not_found());
        }
        if slug.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(said(StatusCode::BAD_REQUEST, "invalid url format"));
        }
        match self.book.by_slug(slug) {
            Found::One(entry) => return Ok((entry, false)),
            Found::Several => return Err(said(StatusCode::CONFLICT, "ambiguous slug")),
            Found::Nothing => {}
        }
        let wanted = address::value(query, "create").is_some_and(|value| value == "1");
        if !wanted {
            return Err(not_found());
        }
        // What would be refused makes nothing.
        if address.signal.is_none() {
            return Err(said(StatusCode::BAD_REQUEST, "invalid url format"));
        }
        if address::rid(query).is_err() {
            return Err(said(StatusCode::BAD_REQUEST, "invalid uuid format"));
        }
        self.create(slug).await
    }

    async fn create(&self, slug: &str) -> Result<(Arc<Entry>, bool), Response<Body>> {
        let spec = HeartbeatSpec {
            name: slug.to_owned(),
            slug: slug.to_owned(),
            ..HeartbeatSpec::default()
        };
        let change = |spec| Change::Create {
            spec,
            unless_slug_taken: true,
        };
        match self.make("pings", spec, change).await {
            Ok(entry) => Ok((entry, true)),
            // Another first ping was faster, or there are as many as there can be.
            Err(Untaken::Passed) => match self.book.by_slug(slug) {
                Found::One(entry) => Ok((entry, false)),
                Found::Several => Err(said(StatusCode::CONFLICT, "ambiguous slug")),
                Found::Nothing => Err(said(StatusCode::FORBIDDEN, "too many checks")),
            },
            Err(Untaken::Unavailable) => Err(unavailable()),
        }
    }

    /// Makes a heartbeat; it can be pinged when this returns.
    pub(super) async fn make(
        &self,
        by: &str,
        spec: HeartbeatSpec,
        change: impl FnOnce(Box<HeartbeatSpec>) -> Change,
    ) -> Result<Arc<Entry>, Untaken> {
        let uuid = Uuid::random().map_err(|error| {
            tracing::error!("the system gives no random bytes ({error}): no heartbeat can be made");
            Untaken::Unavailable
        })?;
        // It was checked before; one that cannot be read would be refused there.
        let entry = Entry::new(uuid, spec, false).map_err(|_| Untaken::Passed)?;
        let wanted = HeartbeatChange {
            heartbeat: entry.id.clone(),
            change: change(Box::new(entry.spec.clone())),
        };
        let seen = Seen::HeartbeatChange(wanted);
        self.desk.place(by, Timestamp::now(), seen).await?;
        self.book.put(entry);
        self.book.get(uuid).ok_or(Untaken::Passed)
    }
}

/// Reads a body: what is kept of it, and whether all of it came within the bounds.
async fn read(mut body: Body) -> (String, bool) {
    let mut kept: Vec<u8> = Vec::new();
    let mut read = 0_usize;
    let all = tokio::time::timeout(BODY_TIME, async {
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                return false;
            };
            let Some(data) = frame.data_ref() else {
                continue;
            };
            read += data.len();
            let room = BODY_MAX.saturating_sub(kept.len());
            kept.extend_from_slice(&data[..data.len().min(room)]);
            if read > READ_MAX {
                return false;
            }
        }
        true
    });
    let all = all.await.unwrap_or(false);
    (text(kept), all)
}

/// Bytes as text. A letter that was cut in two at the end is left out.
fn text(bytes: Vec<u8>) -> String {
    match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = error.utf8_error();
            let (bytes, end) = (error.as_bytes(), good.valid_up_to());
            if good.error_len().is_none() {
                return String::from_utf8_lossy(&bytes[..end]).into_owned();
            }
            let mut text = String::from_utf8_lossy(bytes).into_owned();
            let mut end = BODY_MAX.min(text.len());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
            text
        }
    }
}

/// How a ping came. What a proxy says of the client is believed where it comes from this
/// host or a private network; it is for people to read, and nothing is decided by it.
fn source(method: &Method, headers: &HeaderMap, peer: Option<&Peer>) -> PingSource {
    let peer = peer.and_then(|peer| peer.address);
    let said = |name: &str, most: usize| -> Option<String> {
        let value = headers.get(name)?.to_str().ok()?;
        let first = value.split(',').next().unwrap_or_default().trim();
        (!first.is_empty() && first.len() <= most).then(|| first.to_owned())
    };
    let near = peer.is_none_or(is_near);
    let forwarded = said("x-forwarded-for", REMOTE_MAX + 6).filter(|_| near);
    let remote = forwarded.map(|address| match address.split_once(':') {
        // An IPv4 address with a port, as some proxies write it.
        Some((ip, _)) if ip.contains('.') => ip.to_owned(),
        _ => address,
    });
    let scheme = said("x-forwarded-proto", 5).filter(|scheme| near && scheme == "https");
    let agent = headers.get(header::USER_AGENT);
    let agent = agent.map_or_else(String::new, |agent| {
        let bytes = agent.as_bytes();
        String::from_utf8_lossy(&bytes[..bytes.len().min(AGENT_MAX)]).into_owned()
    });
    PingSource {
        scheme: scheme.unwrap_or_else(|| "http".into()),
        method: method.as_str().chars().take(16).collect(),
        remote: remote
            .or_else(|| peer.map(|address| address.to_string()))
            .unwrap_or_default(),
        agent,
    }
}

fn is_near(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
    }
}

/// An answer in Healthchecks' words, with what each of its answers carries.
fn said(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let mut set = |name, value| headers.insert(name, HeaderValue::from_static(value));
    set(header::CONTENT_TYPE, "text/plain; charset=utf-8");
    set(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    set(
        header::CACHE_CONTROL,
        "max-age=0, no-cache, no-store, must-revalidate, private",
    );
    if status.is_success() {
        set(HeaderName::from_static("ping-body-limit"), "10000");
    }
    response
}

/// Nothing can be made durable now.
fn unavailable() -> Response<Body> {
    let mut response = said(
        StatusCode::SERVICE_UNAVAILABLE,
        "the ping could not be kept: try again",
    );
    let soon = HeaderValue::from_static("5");
    response.headers_mut().insert(header::RETRY_AFTER, soon);
    response
}
