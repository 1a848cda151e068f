//! Targets that are checked, and clients that ping: the same for us and for the peer.

use std::convert::Infallible;
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

/// Asks for `paths` in turn over so many connections for so long, each connection one
/// request at a time; an answer counts when it is 200 and "OK".
pub(crate) fn ask(
    port: u16,
    paths: &[String],
    connections: usize,
    lasts: Duration,
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
            clients.spawn(one(port, paths, client, begun + lasts));
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
        if status == 200 && body == "OK" {
            good += 1;
        } else {
            bad += 1;
        }
    }
    Ok((good, bad))
}
