//! Targets that are checked, and clients that ping: the same for us and for the peer.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Bytes;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::Failure;

/// A server that says "ok" to everything and counts.
pub(crate) struct Target {
    pub(crate) port: u16,
    asked: Arc<AtomicU64>,
    _runtime: tokio::runtime::Runtime,
}

impl Target {
    pub(crate) fn start() -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let port = listener.local_addr()?.port();
        let asked = Arc::new(AtomicU64::new(0));
        let counter = asked.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let counter = counter.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |_| {
                        counter.fetch_add(1, Ordering::Relaxed);
                        async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("ok")))) }
                    });
                    let _ended = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Ok(Self {
            port,
            asked,
            _runtime: runtime,
        })
    }

    /// Requests answered so far.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}

/// What a round of requests came to.
pub(crate) struct Round {
    pub(crate) answered: u64,
    pub(crate) refused: u64,
    pub(crate) lasted: Duration,
}

/// Asks once; when the whole answer was there.
pub(crate) fn ask_once(port: u16, path: &str) -> Result<Instant, Failure> {
    let mut to = std::net::TcpStream::connect(("127.0.0.1", port))?;
    to.set_read_timeout(Some(Duration::from_secs(10)))?;
    let ask = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    to.write_all(ask.as_bytes())?;
    let mut said = String::new();
    to.take(1 << 16).read_to_string(&mut said)?;
    match said.starts_with("HTTP/1.1 200 ") {
        true => Ok(Instant::now()),
        false => Err(format!("{path} is answered with {said}").into()),
    }
}

/// Asks for `paths` in turn over so many connections for so long, each connection one
/// request at a time; an answer counts when it is 200 and its body is right.
pub(crate) fn ask(
    port: u16,
    paths: &[String],
    connections: usize,
    lasts: Duration,
    is_right: fn(&[u8]) -> bool,
) -> Result<Round, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let paths: Arc<[String]> = paths.into();
    runtime.block_on(async move {
        let begun = Instant::now();
        let mut clients = tokio::task::JoinSet::new();
        for client in 0..connections {
            let paths = paths.clone();
            clients.spawn(one(port, paths, client, begun + lasts, is_right));
        }
        let (mut answered, mut refused) = (0, 0);
        while let Some(ended) = clients.join_next().await {
            let (good, bad) = ended??;
            answered += good;
            refused += bad;
        }
        Ok(Round {
            answered,
            refused,
            lasted: begun.elapsed(),
        })
    })
}

async fn one(
    port: u16,
    paths: Arc<[String]>,
    first: usize,
    until: Instant,
    is_right: fn(&[u8]) -> bool,
) -> Result<(u64, u64), Failure> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let (mut good, mut bad) = (0, 0);
    for path in paths.iter().cycle().skip(first * 13) {
        if Instant::now() > until {
            break;
        }
        sender.ready().await?;
        let request = Request::get(path)
            .header("host", "localhost")
            .body(Empty::new())?;
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        if status == 200 && is_right(&body) {
            good += 1;
        } else {
            bad += 1;
        }
    }
    Ok((good, bad))
}
