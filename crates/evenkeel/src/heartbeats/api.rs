//! Healthchecks' management API for checks (v3, and v1 and v2 where they differ little).
//!
//! What the configuration has can be read, paused and resumed here, and is changed in the
//! configuration only: two places that both say what a heartbeat is would contradict each
//! other one day. There are no integrations and badges; `channels` is an empty list.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::HeaderValue;
use axum::http::{Method, Request, Response, StatusCode, header};
use evenkeel_core::Timestamp;
use evenkeel_core::event::What;
use evenkeel_core::heartbeat::{Change, Expectation, HeartbeatChange, HeartbeatSpec, Signal};
use evenkeel_core::observation::Seen;
use evenkeel_core::record::HeartbeatState;
use evenkeel_journal::{Revision, codec};
use http_body_util::{BodyExt, Limited};
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::address;
use super::book::Entry;
use super::listener::Ears;
use super::spec::Wanted;
use super::uuid::Uuid;
use super::view::HeartbeatStatus;
use crate::pump::pings::Untaken;

/// The largest request, bytes: every field at its longest is some ten thousand.
const REQUEST_MAX: usize = 64 << 10;

/// How long a request's body may take to arrive.
const REQUEST_TIME: std::time::Duration = std::time::Duration::from_secs(10);

/// The keys of the API, and where clients reach it.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    /// Everything.
    pub read_write: Option<String>,
    /// Looking at checks and their flips.
    pub read_only: Option<String>,
    /// Where clients reach the listener: `https://ping.example.com`.
    pub site: String,
}

/// Whether two secrets are the same, in a time that does not depend on where they differ.
pub(super) fn is_same(given: &str, secret: &str) -> bool {
    let (given, secret) = (Sha256::digest(given), Sha256::digest(secret));
    bool::from(given.ct_eq(&secret))
}

/// What a key allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Right {
    Everything,
    Reading,
}

/// An answer that is no success.
type Refused = Response<Body>;

/// A request that was read.
struct Asked {
    method: Method,
    query: String,
    body: Map<String, Value>,
    right: Right,
    version: u8,
}

pub(super) async fn answer(ears: &Ears, request: Request<Body>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let rest = path.strip_prefix("/api/v").unwrap_or_default();
    let (version, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let version = match version {
        "1" => 1,
        "2" => 2,
        "3" => 3,
        _ => return not_found(),
    };
    let parts: Vec<&str> = rest.split('/').collect();
    let methods: &[Method] = match parts[..] {
        ["status", ""] => return plain(StatusCode::OK, "OK"),
        ["checks", ""] => &[Method::GET, Method::POST],
        ["checks", _] => &[Method::GET, Method::POST, Method::DELETE],
        ["checks", _, "pause" | "resume"] => &[Method::POST],
        ["checks", _, "pings" | "flips", ""] | ["channels", ""] => &[Method::GET],
        ["checks", _, "pings", _, "body"] => &[Method::GET],
        _ => return not_found(),
    };
    let mut response = if request.method() == Method::OPTIONS {
        empty(StatusCode::NO_CONTENT)
    } else if !methods.contains(request.method()) {
        empty(StatusCode::METHOD_NOT_ALLOWED)
    } else {
        match asked(ears, request, version).await {
            Ok(asked) => dispatch(ears, &asked, &parts)
                .await
                .unwrap_or_else(|refused| refused),
            Err(refused) => refused,
        }
    };
    let mut names: Vec<&str> = methods.iter().map(Method::as_str).collect();
    names.push("OPTIONS");
    let headers = response.headers_mut();
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*".to_owned()),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "X-Api-Key".to_owned()),
        (header::ACCESS_CONTROL_ALLOW_METHODS, names.join(", ")),
        (header::ACCESS_CONTROL_MAX_AGE, "600".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    response
}

/// Reads a request and who asks.
async fn asked(ears: &Ears, request: Request<Body>, version: u8) -> Result<Asked, Refused> {
    let (parts, body) = request.into_parts();
    let bytes = tokio::time::timeout(REQUEST_TIME, Limited::new(body, REQUEST_MAX).collect());
    let bytes = match bytes.await {
        Ok(Ok(bytes)) => bytes.to_bytes(),
        Ok(Err(_)) => {
            return Err(error(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the request is too large",
            ));
        }
        Err(_) => {
            return Err(error(
                StatusCode::REQUEST_TIMEOUT,
                "the request took too long",
            ));
        }
    };
    let body = match parts.method == Method::POST && !bytes.is_empty() {
        false => Map::new(),
        true => match serde_json::from_slice(&bytes) {
            Ok(Value::Object(body)) => body,
            Ok(_) => {
                let said = "json validation error: value is not an object";
                return Err(error(StatusCode::BAD_REQUEST, said));
            }
            Err(_) => {
                let said = "could not parse request body";
                return Err(error(StatusCode::BAD_REQUEST, said));
            }
        },
    };
    let header = parts
        .headers
        .get("x-api-key")
        .map(|key| key.to_str().unwrap_or_default());
    let key = header.or_else(|| body.get("api_key").and_then(Value::as_str));
    let Some(key) = key.filter(|key| !key.is_empty()) else {
        return Err(error(StatusCode::UNAUTHORIZED, "missing api key"));
    };
    let fits = |secret: &Option<String>| secret.as_ref().is_some_and(|s| is_same(key, s));
    let right = match (fits(&ears.keys.read_write), fits(&ears.keys.read_only)) {
        (true, _) => Right::Everything,
        (false, true) => Right::Reading,
        (false, false) => return Err(error(StatusCode::UNAUTHORIZED, "wrong api key")),
    };
    Ok(Asked {
        method: parts.method,
        query: parts.uri.query().unwrap_or_default().to_owned(),
        body,
        right,
        version,
    })
}

async fn dispatch(ears: &Ears, asked: &Asked, parts: &[&str]) -> Result<Response<Body>, Refused> {
    let reads = match parts {
        ["checks", ..] => asked.method == Method::GET && !parts.contains(&"pings"),
        _ => false,
    };
    if asked.right == Right::Reading && !reads {
        return Err(error(StatusCode::UNAUTHORIZED, "wrong api key"));
    }
    match *parts {
        ["channels", ..] => Ok(as_json(StatusCode::OK, &json!({"channels": []}))),
        ["checks", ""] if asked.method == Method::POST => ears.create_check(asked).await,
        ["checks", ""] => Ok(ears.list(asked)),
        ["checks", id] => {
            let entry = ears.entry(id)?;
            match asked.method {
                Method::POST => ears.update(asked, &entry).await,
                Method::DELETE => ears.delete(asked, &entry).await,
                _ => Ok(ears.shown(asked, &entry, StatusCode::OK)),
            }
        }
        ["checks", id, "pause"] => ears.pause(asked, &*ears.entry(id)?).await,
        ["checks", id, "resume"] => ears.resume(asked, &*ears.entry(id)?).await,
        ["checks", id, "flips", _] => ears.flips(asked, &*ears.entry(id)?),
        ["checks", id, "pings", ""] => ears.pings(&*ears.entry(id)?).await,
        ["checks", id, "pings", n, _] => ears.body(&*ears.entry(id)?, n).await,
        _ => Err(not_found()),
    }
}

impl Ears {
    /// The heartbeat a path names, by UUID or by what read-only clients know it by.
    fn entry(&self, id: &str) -> Result<Arc<Entry>, Refused> {
        if let Some(uuid) = Uuid::parse(id) {
            return self.book.get(uuid).ok_or_else(not_found);
        }
        if id.len() != 40 {
            return Err(not_found());
        }
        let mut all = self.book.all().into_iter();
        all.find(|entry| unique_key(entry.uuid) == id)
            .ok_or_else(not_found)
    }

    fn list(&self, asked: &Asked) -> Response<Body> {
        let slug = address::value(&asked.query, "slug").filter(|slug| !slug.is_empty());
        let tags: Vec<_> = address::values(&asked.query, "tag").collect();
        let published = self.published.borrow().clone();
        let checks: Vec<Value> = self
            .book
            .all()
            .iter()
            .filter(|entry| slug.as_ref().is_none_or(|slug| entry.spec.slug == *slug))
            .filter(|entry| {
                let of_entry = |tag: &str| entry.spec.tags.split_whitespace().any(|t| t == tag);
                tags.iter().all(|tag| of_entry(tag))
            })
            .map(|entry| self.check(asked, entry, &published.record))
            .collect();
        as_json(StatusCode::OK, &json!({ "checks": checks }))
    }

    async fn create_check(&self, asked: &Asked) -> Result<Response<Body>, Refused> {
        let wanted = Wanted::read(&asked.body).map_err(bad_request)?;
        let known = self.book.all();
        if let Some(entry) = known.iter().find(|entry| wanted.means(&entry.spec)) {
            return self.change(asked, entry, &wanted).await;
        }
        let spec = wanted.apply(&HeartbeatSpec::default(), asked.version);
        let change = |spec| Change::Create {
            spec,
            unless_slug_taken: false,
        };
        match self.make("operator:api", spec, change).await {
            Ok(entry) => Ok(self.shown(asked, &entry, StatusCode::CREATED)),
            Err(Untaken::Passed) => Err(error(
                StatusCode::FORBIDDEN,
                "there are as many checks as there can be: delete some first",
            )),
            Err(Untaken::Unavailable) => Err(unavailable()),
        }
    }

    async fn update(&self, asked: &Asked, entry: &Arc<Entry>) -> Result<Response<Body>, Refused> {
        let wanted = Wanted::read(&asked.body).map_err(bad_request)?;
        self.change(asked, entry, &wanted).await
    }

    async fn change(
        &self,
        asked: &Asked,
        entry: &Arc<Entry>,
        wanted: &Wanted,
    ) -> Result<Response<Body>, Refused> {
        let spec = wanted.apply(&entry.spec, asked.version);
        if spec == entry.spec {
            return Ok(self.shown(asked, entry, StatusCode::OK));
        }
        if entry.configured {
            return Err(of_the_configuration());
        }
        let fresh = Entry::new(entry.uuid, spec.clone(), false).map_err(bad_request)?;
        let published = self.published.borrow().clone();
        let state = published.record.heartbeats.get(&entry.id);
        let same_schedule = spec.expected == entry.spec.expected;
        let due_at = match (state, same_schedule) {
            (Some(state), true) => state.due_at,
            // One that was never heard stays new.
            (Some(state), false) => state.last_ping_at.and_then(|at| fresh.due.after(at)),
            (None, _) => None,
        };
        drop(published);
        let change = Change::Update {
            spec: Box::new(spec),
            due_at,
        };
        self.order(entry, change).await?;
        self.book.put(fresh);
        let entry = self.book.get(entry.uuid).ok_or_else(not_found)?;
        Ok(self.shown(asked, &entry, StatusCode::OK))
    }

    async fn delete(&self, asked: &Asked, entry: &Entry) -> Result<Response<Body>, Refused> {
        if entry.configured {
            return Err(of_the_configuration());
        }
        let shown = self.shown(asked, entry, StatusCode::OK);
        self.order(entry, Change::Delete).await?;
        self.book.remove(entry.uuid);
        Ok(shown)
    }

    async fn pause(&self, asked: &Asked, entry: &Entry) -> Result<Response<Body>, Refused> {
        if !self.is_paused(entry) {
            self.order(entry, Change::Pause).await?;
        }
        Ok(self.shown(asked, entry, StatusCode::OK))
    }

    async fn resume(&self, asked: &Asked, entry: &Entry) -> Result<Response<Body>, Refused> {
        if !self.is_paused(entry) {
            return Err(plain(StatusCode::CONFLICT, "check is not paused"));
        }
        self.order(entry, Change::Resume).await?;
        Ok(self.shown(asked, entry, StatusCode::OK))
    }

    fn is_paused(&self, entry: &Entry) -> bool {
        let published = self.published.borrow();
        let state = published.record.heartbeats.get(&entry.id);
        state.is_some_and(|state| state.paused)
    }

    /// Has a change made, and waits until it is durable.
    async fn order(&self, entry: &Entry, change: Change) -> Result<(), Refused> {
        let wanted = HeartbeatChange {
            heartbeat: entry.id.clone(),
            change,
        };
        let seen = Seen::HeartbeatChange(wanted);
        match self
            .desk
            .place("operator:api", Timestamp::now(), seen)
            .await
        {
            Ok(_) => Ok(()),
            Err(Untaken::Passed) => Err(error(
                StatusCode::CONFLICT,
                "the check has changed meanwhile: look at it again",
            )),
            Err(Untaken::Unavailable) => Err(unavailable()),
        }
    }

    fn shown(&self, asked: &Asked, entry: &Entry, status: StatusCode) -> Response<Body> {
        let published = self.published.borrow().clone();
        as_json(status, &self.check(asked, entry, &published.record))
    }

    /// A check as Healthchecks writes it.
    fn check(&self, asked: &Asked, entry: &Entry, record: &evenkeel_core::record::Record) -> Value {
        let spec = &entry.spec;
        let state = record.heartbeats.get(&entry.id);
        let status = HeartbeatStatus::of(record, &entry.id, spec, Timestamp::now());
        let started = state.is_some_and(|state| !state.open_runs.is_empty());
        let next = match status {
            HeartbeatStatus::Up | HeartbeatStatus::Grace => state.and_then(|state| state.due_at),
            _ => None,
        };
        let word = match status {
            HeartbeatStatus::Down => "down",
            _ if asked.version == 1 && started => "started",
            status => status.as_str(),
        };
        let mail = spec.mail.as_deref().cloned().unwrap_or_default();
        let by_subject = |text: &str| if mail.in_subject { text } else { "" }.to_owned();
        let mut check = json!({
            "name": spec.name,
            "slug": spec.slug,
            "tags": spec.tags,
            "desc": spec.desc,
            "grace": spec.grace.as_secs(),
            "n_pings": state.map_or(0, |state| state.pings),
            "status": word,
            "started": started,
            "last_ping": state.and_then(|state| state.last_ping_at).map(to_the_second),
            "next_ping": next.map(to_the_second),
            "manual_resume": spec.manual_resume,
            "methods": if spec.post_only { "POST" } else { "" },
            "subject": by_subject(&mail.success),
            "subject_fail": by_subject(&mail.failure),
            "start_kw": mail.start,
            "success_kw": mail.success,
            "failure_kw": mail.failure,
            "filter_subject": mail.in_subject,
            "filter_body": mail.in_body,
        });
        let mut set = |key: &str, value: Value| {
            if let Some(check) = check.as_object_mut() {
                check.insert(key.to_owned(), value);
            }
        };
        if let Some(run) = state.and_then(|state| state.last_run)
            && Some(run.ended_at) == state.and_then(|state| state.last_ping_at)
        {
            set("last_duration", run.lasted.as_secs().into());
        }
        match asked.right {
            Right::Reading => set("unique_key", unique_key(entry.uuid).into()),
            Right::Everything => {
                let Keys { site, .. } = &self.keys;
                let url = format!("{site}/api/v{}/checks/{}", asked.version, entry.id);
                set("uuid", entry.id.as_str().into());
                set("ping_url", format!("{site}/ping/{}", entry.id).into());
                set("pause_url", format!("{url}/pause").into());
                set("resume_url", format!("{url}/resume").into());
                set("update_url", url.into());
                set("channels", "".into());
            }
        }
        match &spec.expected {
            Expectation::Every { period } => set("timeout", period.as_secs().into()),
            Expectation::Cron {
                expression,
                time_zone,
            }
            | Expectation::OnCalendar {
                expression,
                time_zone,
            } => {
                set("schedule", expression.as_str().into());
                set("tz", time_zone.as_str().into());
            }
        }
        check
    }

    fn flips(&self, asked: &Asked, entry: &Entry) -> Result<Response<Body>, Refused> {
        let number = |name: &str| -> Result<Option<i64>, Refused> {
            match address::value(&asked.query, name).filter(|text| !text.is_empty()) {
                None => Ok(None),
                Some(text) => match text.parse() {
                    Ok(number) if number >= 0 => Ok(Some(number)),
                    _ => Err(empty(StatusCode::BAD_REQUEST)),
                },
            }
        };
        let (start, end, seconds) = (number("start")?, number("end")?, number("seconds")?);
        let now = Timestamp::now().as_second();
        let since = start.max(seconds.map(|seconds| now.saturating_sub(seconds)));
        let published = self.published.borrow().clone();
        let state = published.record.heartbeats.get(&entry.id);
        let flips: Vec<Value> = state
            .into_iter()
            .flat_map(|state| state.flips.iter().rev())
            .filter(|flip| since.is_none_or(|since| flip.at.as_second() >= since))
            .filter(|flip| end.is_none_or(|end| flip.at.as_second() < end))
            .map(|flip| json!({"timestamp": to_the_second(flip.at), "up": u8::from(flip.up)}))
            .collect();
        Ok(as_json(StatusCode::OK, &json!({ "flips": flips })))
    }

    async fn pings(&self, entry: &Entry) -> Result<Response<Body>, Refused> {
        let kept = self.kept(entry, None).await?;
        let site = &self.keys.site;
        let mut pings: Vec<Value> = Vec::new();
        let mut starts: std::collections::HashMap<Option<String>, Timestamp> = Default::default();
        for (n, what) in kept {
            let What::PingReceived {
                ping,
                received_at,
                ignored,
            } = what
            else {
                continue;
            };
            let kind = match (ignored, ping.signal, ping.signal.ends_well()) {
                (true, ..) => "ign",
                (_, Signal::Start, _) => "start",
                (_, Signal::Log, _) => "log",
                (_, _, Some(true)) => "success",
                _ => "fail",
            };
            let mut shown = json!({
                "type": kind,
                "date": to_the_microsecond(received_at),
                "n": n,
                "scheme": ping.source.scheme,
                "remote_addr": ping.source.remote,
                "method": ping.source.method,
                "ua": ping.source.agent,
                "rid": ping.rid,
                "body_url": (!ping.body.is_empty())
                    .then(|| format!("{site}/api/v3/checks/{}/pings/{n}/body", entry.id)),
            });
            let begun = match kind {
                "start" => {
                    starts.insert(ping.rid.clone(), received_at);
                    None
                }
                "success" | "fail" => starts.remove(&ping.rid),
                _ => None,
            };
            if let (Some(begun), Some(shown)) = (begun, shown.as_object_mut()) {
                let lasted = evenkeel_core::time::since(begun, received_at).as_secs_f64();
                shown.insert("duration".to_owned(), lasted.into());
            }
            pings.push(shown);
        }
        pings.reverse();
        Ok(as_json(StatusCode::OK, &json!({ "pings": pings })))
    }

    async fn body(&self, entry: &Entry, n: &str) -> Result<Response<Body>, Refused> {
        let n: u64 = n.parse().map_err(|_| not_found())?;
        let kept = self.kept(entry, Some(n)).await?;
        match kept.into_iter().next() {
            Some((_, What::PingReceived { ping, .. })) if !ping.body.is_empty() => {
                let mut response = Response::new(Body::from(ping.body));
                let kind = HeaderValue::from_static("text/plain");
                response.headers_mut().insert(header::CONTENT_TYPE, kind);
                let sniff = HeaderValue::from_static("nosniff");
                response
                    .headers_mut()
                    .insert(header::X_CONTENT_TYPE_OPTIONS, sniff);
                Ok(response)
            }
            _ => Err(not_found()),
        }
    }

    /// Its newest pings as the journal has them, oldest first, with their numbers; or one.
    async fn kept(&self, entry: &Entry, only: Option<u64>) -> Result<Vec<(u64, What)>, Refused> {
        let published = self.published.borrow().clone();
        let places: Vec<(u64, u64)> = published
            .record
            .heartbeats
            .get(&entry.id)
            .map(numbered)
            .unwrap_or_default();
        drop(published);
        let journal = self.journal.clone();
        let read = move || -> Result<Vec<(u64, What)>, String> {
            let journal = journal.open_to_read().map_err(|error| error.to_string())?;
            let mut found = Vec::new();
            for (n, revision) in places {
                if only.is_some_and(|only| only != n) {
                    continue;
                }
                let before = Revision(revision.saturating_sub(1));
                let page = journal.read(before, 1).map_err(|error| error.to_string())?;
                // What retention removed is gone.
                let entry = page.first().filter(|entry| entry.revision.0 == revision);
                let event = entry.and_then(|entry| codec::decode(entry).ok().flatten());
                found.extend(event.map(|event| (n, event.what)));
            }
            Ok(found)
        };
        match tokio::task::spawn_blocking(read).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(why)) => {
                tracing::error!("pings cannot be read from the journal: {why}");
                Err(unavailable())
            }
            Err(_) => Err(unavailable()),
        }
    }
}

/// The numbers and revisions of the pings that are kept, oldest first.
fn numbered(state: &HeartbeatState) -> Vec<(u64, u64)> {
    let kept = u64::try_from(state.revisions.len()).unwrap_or(0);
    let first = state.pings.saturating_sub(kept) + 1;
    (first..).zip(state.revisions.iter().copied()).collect()
}

/// What read-only clients know a check by: as Healthchecks makes it of the UUID.
fn unique_key(uuid: Uuid) -> String {
    let half = &uuid.to_string().replace('-', "")[..16];
    Sha1::digest(half)
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn to_the_second(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC)
        .strftime("%Y-%m-%dT%H:%M:%S+00:00")
        .to_string()
}

fn to_the_microsecond(at: Timestamp) -> String {
    at.to_zoned(TimeZone::UTC)
        .strftime("%Y-%m-%dT%H:%M:%S.%6f+00:00")
        .to_string()
}

fn as_json(status: StatusCode, value: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(value.to_string()));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn error(status: StatusCode, said: &str) -> Refused {
    as_json(status, &json!({ "error": said }))
}

fn bad_request(said: String) -> Refused {
    error(StatusCode::BAD_REQUEST, &said)
}

fn of_the_configuration() -> Refused {
    error(
        StatusCode::CONFLICT,
        "this check is in Evenkeel's configuration file: change it there",
    )
}

fn plain(status: StatusCode, said: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(said));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn not_found() -> Refused {
    plain(StatusCode::NOT_FOUND, "not found")
}

fn unavailable() -> Refused {
    let said = "Evenkeel cannot write it down now: try again";
    let mut response = error(StatusCode::SERVICE_UNAVAILABLE, said);
    let soon = HeaderValue::from_static("5");
    response.headers_mut().insert(header::RETRY_AFTER, soon);
    response
}
