//! Healthchecks' own behaviours, as a table: a request, and what is answered and kept.
//!
//! Everything is real but the network between: a pump on a journal in a file, the listener
//! on a port, requests as bytes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evenkeel_core::event::What;
use evenkeel_core::heartbeat::{Expectation, HeartbeatSpec, Ping, Signal};
use evenkeel_core::ids::HeartbeatId;
use evenkeel_core::policy::Policy;
use evenkeel_journal::{
    AppendError, Cause, Draft, Entry, Head, Journal, MemoryJournal, OpenError, ReadError,
    RetainError, Retained, Retention, Revision, Snapshot, SnapshotError, Verification, codec,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::api::Keys;
use super::listener::{Ears, bounds, router};
use crate::channels::Channels;
use crate::channels::log::Log;
use crate::channels::page::PublicPage;
use crate::pump::store::OpenJournal;
use crate::pump::{Handle, Pace, Parts, Pump};
use crate::web::serving::serve;

pub(super) const BACKUP: &str = "5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278";
pub(super) const POSTED: &str = "11111111-d4c7-4bf5-bcc8-b8d8a82ea278";
pub(super) const UNKNOWN: &str = "07c2f548-9850-4b27-af5d-6c9dc157ec02";
pub(super) const KEY: &str = "fqOOd6-F4MMNuCEnzTU01w";
const RUN: &str = "123e4567-e89b-12d3-a456-426614174000";

/// A journal in memory that fails as it is told.
#[derive(Clone, Default)]
pub(super) struct Shared(Arc<Mutex<(MemoryJournal, Option<AppendError>)>>);

impl Shared {
    fn with<T>(&self, look: impl FnOnce(&mut (MemoryJournal, Option<AppendError>)) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn pings(&self) -> Vec<(Ping, bool)> {
        let entries = self.with(|(journal, _)| journal.read(Revision::ZERO, 1000).unwrap());
        let events = entries.iter().filter_map(|e| codec::decode(e).unwrap());
        events
            .filter_map(|event| match event.what {
                What::PingReceived { ping, ignored, .. } => Some((ping, ignored)),
                _ => None,
            })
            .collect()
    }
}

impl Journal for Shared {
    fn head(&self) -> Result<Head, ReadError> {
        self.with(|(journal, _)| journal.head())
    }
    fn append(&mut self, expected: Revision, drafts: &[Draft]) -> Result<Revision, AppendError> {
        self.with(|(journal, fail)| match fail.clone() {
            Some(AppendError::Full(why)) => Err(AppendError::Full(why)),
            // Once: it is written, and nobody learns of it.
            Some(error) => {
                *fail = None;
                journal.append(expected, drafts)?;
                Err(error)
            }
            None => journal.append(expected, drafts),
        })
    }
    fn read(&self, after: Revision, limit: usize) -> Result<Vec<Entry>, ReadError> {
        self.with(|(journal, _)| journal.read(after, limit))
    }
    fn latest_snapshot(&self, format: u32) -> Result<Option<Snapshot>, ReadError> {
        self.with(|(journal, _)| journal.latest_snapshot(format))
    }
    fn save_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        self.with(|(journal, _)| journal.save_snapshot(snapshot))
    }
    fn retain(
        &mut self,
        expected: Revision,
        rules: &Retention,
        now: evenkeel_core::Timestamp,
    ) -> Result<Retained, RetainError> {
        self.with(|(journal, _)| journal.retain(expected, rules, now))
    }
    fn verify(&self, known: &[Head]) -> Result<Verification, ReadError> {
        self.with(|(journal, _)| journal.verify(known))
    }
}

impl OpenJournal for Shared {
    fn open(&self) -> Result<Box<dyn Journal>, OpenError> {
        Ok(Box::new(self.clone()))
    }
    fn open_to_read(&self) -> Result<Box<dyn Journal>, OpenError> {
        Ok(Box::new(self.clone()))
    }
}

/// A server with two heartbeats of the configuration.
pub(super) struct Server {
    address: SocketAddr,
    pub(super) journal: Shared,
    pub(super) handle: Handle,
    _folder: tempfile::TempDir,
    _stop: watch::Sender<bool>,
}

fn policy() -> Policy {
    let spec = |name: &str, slug: &str, post_only| HeartbeatSpec {
        name: name.into(),
        slug: slug.into(),
        post_only,
        expected: Expectation::Every {
            period: Duration::from_secs(3600),
        },
        ..HeartbeatSpec::default()
    };
    Policy {
        heartbeats: BTreeMap::from([
            (BACKUP.into(), spec("Backup", "backup", false)),
            (POSTED.into(), spec("Posted", "posted", true)),
        ]),
        ..Policy::default()
    }
}

impl Server {
    pub(super) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let journal = Shared::default();
        let policy = Arc::new(policy());
        let parts = Parts {
            policy: policy.clone(),
            journal: Arc::new(journal.clone()),
            alive: folder.path().join("alive"),
            guards: Vec::new(),
            keep_for: BTreeMap::new(),
            pace: Pace {
                backoff: Duration::from_millis(10),
                ..Pace::default()
            },
        };
        let (pump, handle) = Pump::open(parts).await.unwrap();
        let record = handle.published.borrow().record.clone();
        let book = Arc::new(super::book(&policy, &record));
        let announced =
            super::announce(book.clone(), policy.clone(), record, handle.outlet.clone());
        announced.await;
        let ears = Ears {
            book,
            desk: handle.pings.clone(),
            ping_key: KEY.into(),
            keys: Keys {
                read_write: Some("read-write-key".into()),
                read_only: Some("read-only-key".into()),
                site: "https://ping.example.com".into(),
            },
            published: handle.published.clone(),
            policy,
            journal: Arc::new(journal.clone()),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let channels = Channels {
            operator: Arc::new(Log),
            public: Arc::new(PublicPage {
                published: handle.published.clone(),
            }),
        };
        tokio::spawn(pump.run(channels, stopped.clone()));
        tokio::spawn(serve(listener, router(ears), bounds(), stopped));
        Self {
            address,
            journal,
            handle,
            _folder: folder,
            _stop: stop,
        }
    }

    /// Sends a request as it stands, and reads the answer to its end.
    pub(super) async fn send(&self, request: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // The server may answer, and hang up, before all of it is sent.
        let _sent = stream.write_all(request).await;
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes));
        let _end = read.await.expect("an answer in time");
        Answer::read(&bytes)
    }

    pub(super) async fn ask(&self, method: &str, path: &str, head: &str, body: &str) -> Answer {
        let length = match (method, body) {
            ("GET" | "HEAD" | "DELETE", "") => String::new(),
            _ => format!("content-length: {}\r\n", body.len()),
        };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: ping\r\nconnection: close\r\n{length}{head}\r\n{body}"
        );
        self.send(request.as_bytes()).await
    }
}

pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: String,
}

impl Answer {
    fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
        Self {
            status: status.unwrap_or(0),
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// What a request comes to: status, body, and what the journal keeps of it.
type Row<'a> = (&'a str, String, u16, &'a str, Option<Signal>);

#[tokio::test]
async fn pings_are_answered_as_healthchecks_answers_them() {
    let uuid = |rest: &str| format!("/ping/{BACKUP}{rest}");
    let slug = |rest: &str| format!("/ping/{KEY}/{rest}");
    let exit = |status| Some(Signal::Exit(status));
    let rows: Vec<Row<'_>> = vec![
        // By UUID.
        ("GET", uuid(""), 200, "OK", Some(Signal::Success)),
        ("GET", uuid("/"), 200, "OK", Some(Signal::Success)),
        ("GET", uuid("/start"), 200, "OK", Some(Signal::Start)),
        ("GET", uuid("/fail"), 200, "OK", Some(Signal::Fail)),
        ("GET", uuid("/log"), 200, "OK", Some(Signal::Log)),
        ("GET", uuid("/0"), 200, "OK", exit(0)),
        ("GET", uuid("/007"), 200, "OK", exit(7)),
        ("GET", uuid("/255"), 200, "OK", exit(255)),
        ("GET", uuid("/256"), 400, "invalid url format", None),
        (
            "GET",
            uuid("/99999999999999999999"),
            400,
            "invalid url format",
            None,
        ),
        ("GET", uuid("/stop"), 404, "not found", None),
        ("GET", uuid("/start/"), 404, "not found", None),
        ("GET", uuid("/-1"), 404, "not found", None),
        ("GET", format!("/ping/{UNKNOWN}"), 404, "not found", None),
        (
            "GET",
            format!("/ping/{UNKNOWN}/256"),
            404,
            "not found",
            None,
        ),
        ("GET", "/ping/not-uuid/".into(), 404, "not found", None),
        (
            "GET",
            format!("/ping/{}", BACKUP.replace('-', "")),
            404,
            "not found",
            None,
        ),
        // As on Healthchecks' own ping host.
        (
            "GET",
            format!("/{BACKUP}"),
            200,
            "OK",
            Some(Signal::Success),
        ),
        (
            "GET",
            format!("/{BACKUP}/fail"),
            200,
            "OK",
            Some(Signal::Fail),
        ),
        (
            "GET",
            format!("/{KEY}/backup/start"),
            200,
            "OK",
            Some(Signal::Start),
        ),
        ("GET", "/".into(), 404, "not found", None),
        ("GET", "/ping".into(), 404, "not found", None),
        // Every method counts.
        ("HEAD", uuid(""), 200, "", Some(Signal::Success)),
        ("POST", uuid(""), 200, "OK", Some(Signal::Success)),
        ("PUT", uuid(""), 200, "OK", Some(Signal::Success)),
        ("DELETE", uuid(""), 200, "OK", Some(Signal::Success)),
        ("OPTIONS", uuid(""), 200, "OK", Some(Signal::Success)),
        ("PATCH", uuid("/fail"), 200, "OK", Some(Signal::Fail)),
        ("BREW", uuid("/log"), 200, "OK", Some(Signal::Log)),
        // By slug.
        ("GET", slug("backup"), 200, "OK", Some(Signal::Success)),
        ("GET", slug("backup/start"), 200, "OK", Some(Signal::Start)),
        ("GET", slug("backup/fail"), 200, "OK", Some(Signal::Fail)),
        ("GET", slug("backup/log"), 200, "OK", Some(Signal::Log)),
        ("GET", slug("backup/0"), 200, "OK", exit(0)),
        ("GET", slug("backup/123"), 200, "OK", exit(123)),
        ("GET", slug("backup/256"), 400, "invalid url format", None),
        ("GET", slug("Backup"), 400, "invalid url format", None),
        (
            "GET",
            slug("Backup?create=1"),
            400,
            "invalid url format",
            None,
        ),
        ("GET", slug("nothing"), 404, "not found", None),
        ("GET", slug("nothing?create=0"), 404, "not found", None),
        (
            "GET",
            "/ping/rrrrrrrrrrrrrrrrrrrrrr/backup".into(),
            404,
            "not found",
            None,
        ),
        (
            "GET",
            "/ping/rrrrrrrrrrrrrrrrrrrrrr/nothing?create=1".into(),
            404,
            "not found",
            None,
        ),
        // Made by the first ping.
        (
            "GET",
            slug("fresh?create=1"),
            201,
            "Created",
            Some(Signal::Success),
        ),
        (
            "GET",
            slug("fresh?create=1"),
            200,
            "OK",
            Some(Signal::Success),
        ),
        (
            "GET",
            slug("later/start?create=1"),
            201,
            "Created",
            Some(Signal::Start),
        ),
        ("HEAD", slug("third/3?create=1"), 201, "", exit(3)),
        (
            "GET",
            slug("fourth/256?create=1"),
            400,
            "invalid url format",
            None,
        ),
        (
            "GET",
            slug("fourth?create=1&rid=x"),
            400,
            "invalid uuid format",
            None,
        ),
        ("GET", slug("fourth"), 404, "not found", None),
        // Runs.
        (
            "GET",
            uuid(&format!("/start?rid={RUN}")),
            200,
            "OK",
            Some(Signal::Start),
        ),
        (
            "GET",
            uuid(&format!("?rid={}", RUN.to_uppercase())),
            200,
            "OK",
            Some(Signal::Success),
        ),
        (
            "GET",
            uuid("?rid=no-uuid"),
            400,
            "invalid uuid format",
            None,
        ),
        ("GET", uuid("?rid="), 400, "invalid uuid format", None),
        (
            "GET",
            uuid("?create=1&other=2"),
            200,
            "OK",
            Some(Signal::Success),
        ),
    ];
    let server = Server::start().await;
    for (method, path, status, body, kept) in rows {
        let before = server.journal.pings().len();
        let answer = server.ask(method, &path, "", "").await;
        let asked = format!("{method} {path}");
        assert_eq!((answer.status, &answer.body[..]), (status, body), "{asked}");
        let now: Vec<Signal> = server
            .journal
            .pings()
            .iter()
            .map(|(p, _)| p.signal)
            .collect();
        assert_eq!(
            now[before..].to_vec(),
            kept.into_iter().collect::<Vec<_>>(),
            "{asked}"
        );
        let said = |name| answer.header(name);
        assert_eq!(said("access-control-allow-origin"), Some("*"), "{asked}");
        assert_eq!(
            said("content-type"),
            Some("text/plain; charset=utf-8"),
            "{asked}"
        );
        assert!(
            said("cache-control").is_some_and(|c| c.contains("no-cache")),
            "{asked}"
        );
        let limit = (status < 300).then_some("10000");
        assert_eq!(said("ping-body-limit"), limit, "{asked}");
        if method == "HEAD" {
            let length = if status == 201 { "7" } else { "2" };
            assert_eq!(said("content-length"), Some(length), "{asked}");
        }
    }
    let pings = server.journal.pings();
    let named = pings
        .iter()
        .filter(|(ping, _)| ping.rid.as_deref() == Some(RUN));
    assert_eq!(named.count(), 2, "upper case is the same run");
    let due = pings
        .iter()
        .map(|(ping, _)| (ping.signal.ends_well(), ping.next_due_at));
    for (ends, due) in due {
        assert_eq!(
            ends.is_some(),
            due.is_some(),
            "only an end of a run sets the next due time"
        );
    }
}

#[tokio::test]
async fn a_slug_that_several_have_is_ambiguous() {
    let server = Server::start().await;
    for uuid in ["a", "b"] {
        let body = format!(r#"{{"name": "{uuid}", "slug": "twins"}}"#);
        let made = server.ask(
            "POST",
            "/api/v3/checks/",
            "x-api-key: read-write-key\r\n",
            &body,
        );
        assert_eq!(made.await.status, 201);
    }
    let answer = server
        .ask("GET", &format!("/ping/{KEY}/twins"), "", "")
        .await;
    assert_eq!((answer.status, &answer.body[..]), (409, "ambiguous slug"));
    assert!(server.journal.pings().is_empty());
}

#[tokio::test]
async fn what_a_ping_says_is_kept_within_bounds() {
    let server = Server::start().await;
    let path = format!("/ping/{BACKUP}");
    let agent = format!("user-agent: {}\r\n", "01234567890".repeat(30));
    let forwarded = "x-forwarded-for: 1.1.1.1:80, 2.2.2.2\r\nx-forwarded-proto: https\r\n";
    let head = format!("{agent}{forwarded}");
    let long = "é".repeat(8000);
    for (body, kept) in [("", 0), ("hello", 5), (&long[..], 10_000)] {
        let answer = server.ask("POST", &path, &head, body).await;
        assert_eq!(answer.status, 200);
        let (ping, _) = server.journal.pings().pop().unwrap();
        assert_eq!(
            (ping.body.len(), body.starts_with(&ping.body)),
            (kept, true)
        );
        assert_eq!(ping.source.agent.len(), 200);
        assert_eq!(ping.source.remote, "1.1.1.1");
        assert_eq!(ping.source.scheme, "https");
        assert_eq!(ping.source.method, "POST");
    }
    // An odd byte makes the last letter whole or nothing.
    let odd = format!("x{long}");
    server.ask("POST", &path, "", &odd).await;
    assert_eq!(server.journal.pings().pop().unwrap().0.body.len(), 9_999);
    // More than is read is answered all the same, and hung up on.
    let head = format!("POST {path} HTTP/1.1\r\nhost: ping\r\ncontent-length: 3000000\r\n\r\n");
    let request = [head.into_bytes(), vec![b'x'; 3_000_000]].concat();
    server.send(&request).await;
    assert_eq!(server.journal.pings().pop().unwrap().0.body.len(), 10_000);
}

#[tokio::test]
async fn where_only_post_counts_the_others_are_kept_and_do_nothing() {
    let server = Server::start().await;
    let path = format!("/ping/{POSTED}");
    for (method, ignored) in [("GET", true), ("HEAD", true), ("POST", false)] {
        assert_eq!(server.ask(method, &path, "", "").await.status, 200);
        assert_eq!(server.journal.pings().pop().unwrap().1, ignored, "{method}");
    }
}

#[tokio::test]
async fn a_ping_that_cannot_be_kept_is_not_answered_ok() {
    let server = Server::start().await;
    let path = format!("/ping/{BACKUP}");
    assert_eq!(server.ask("GET", &path, "", "").await.status, 200);
    let full = AppendError::Full(Cause::new(std::io::Error::other("the disk is full")));
    server.journal.with(|(_, fail)| *fail = Some(full));
    let answer = server.ask("GET", &path, "", "").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), Some("5"));
    server.journal.with(|(_, fail)| *fail = None);
    assert_eq!(server.ask("GET", &path, "", "").await.status, 200);
}

#[tokio::test]
async fn a_ping_whose_answer_was_lost_is_answered_ok_and_kept_once() {
    let server = Server::start().await;
    let path = format!("/ping/{BACKUP}");
    let lost = AppendError::Storage(Cause::new(std::io::Error::other("the cable was pulled")));
    server.journal.with(|(_, fail)| *fail = Some(lost));
    let answer = server.ask("GET", &path, "", "").await;
    assert_eq!((answer.status, &answer.body[..]), (200, "OK"));
    assert_eq!(server.journal.pings().len(), 1);
    assert_eq!(server.ask("GET", &path, "", "").await.status, 200);
    assert_eq!(server.journal.pings().len(), 2);
}

#[tokio::test]
async fn many_at_once_are_each_kept_once() {
    let server = Arc::new(Server::start().await);
    let mut clients = tokio::task::JoinSet::new();
    for n in 0..64 {
        let server = server.clone();
        clients.spawn(async move {
            let path = match n % 4 {
                0 => format!("/ping/{KEY}/fresh?create=1"),
                _ => format!("/ping/{BACKUP}/{n}"),
            };
            server.ask("GET", &path, "", "").await.status
        });
    }
    let statuses = clients.join_all().await;
    let created = statuses.iter().filter(|status| **status == 201).count();
    assert_eq!(created, 1, "one first ping makes it");
    assert!(statuses.iter().all(|status| matches!(status, 200 | 201)));
    let pings = server.journal.pings();
    assert_eq!(pings.len(), 64);
    assert!(pings.windows(2).all(|two| two[0].0.order < two[1].0.order));
    let record = server.handle.published.borrow().record.clone();
    let state = &record.heartbeats[&HeartbeatId::from(BACKUP)];
    assert_eq!(state.pings, 48);
    let folded = server
        .journal
        .with(|(journal, _)| codec::fold(journal).unwrap().record);
    assert_eq!(
        *record, folded,
        "what is published is what the journal says"
    );
}
