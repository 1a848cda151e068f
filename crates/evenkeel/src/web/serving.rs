//! Serves a router over HTTP/1, within bounds.
//!
//! | what | bound | at the bound |
//! |---|---|---|
//! | connections | [`Bounds::connections`] | further ones wait in the kernel's queue |
//! | a TLS handshake | [`Bounds::head_time`] | the connection is closed |
//! | a request's head | [`Bounds::head_bytes`], within [`Bounds::head_time`] | 431, or the connection is closed |
//! | a connection, slow readers included | [`Bounds::life`] | it is closed |
//! | a request's body | the router's own limit | 413 |
//!
//! Each request carries who is at the other end ([`Peer`]).
//!
//! Written on hyper's connection and not on `axum::serve`, which has none of these.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::tls::Tls;

/// Who is at the other end of a connection, as the kernel says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Peer {
    /// The address they come from; none on a Unix socket.
    pub address: Option<IpAddr>,
    /// The user they run as, on a Unix socket.
    pub uid: Option<u32>,
    /// Whether nobody between can read along.
    pub is_encrypted: bool,
}

/// A connection that knows who is at its other end.
pub trait HasPeer {
    /// Who.
    fn peer(&self) -> Peer;
}

impl HasPeer for TcpStream {
    fn peer(&self) -> Peer {
        Peer {
            address: self.peer_addr().ok().map(|address| address.ip()),
            ..Peer::default()
        }
    }
}

impl HasPeer for UnixStream {
    fn peer(&self) -> Peer {
        Peer {
            uid: self.peer_cred().ok().map(|cred| cred.uid()),
            ..Peer::default()
        }
    }
}

/// A router that is told with each request who asks.
struct Told<S> {
    inner: S,
    peer: Peer,
}

impl<S: Service<Request<Incoming>>> Service<Request<Incoming>> for Told<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer);
        self.inner.call(request)
    }
}

/// How much a listener takes on.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Connections at once.
    pub connections: usize,
    /// Bytes of a request's line and headers.
    pub head_bytes: usize,
    /// The time they may take to arrive; also how long an idle connection is kept.
    pub head_time: Duration,
    /// The time a connection may live.
    pub life: Duration,
}

/// How long a connection whose time is over may take for the answer it is at.
const LAST_ANSWER: Duration = Duration::from_secs(5);

impl Default for Bounds {
    /// A page is some 20 KB: at 256 connections 5 MB, and a phone on a bad line has a
    /// minute for it.
    fn default() -> Self {
        Self {
            connections: 256,
            head_bytes: 16 << 10,
            head_time: Duration::from_secs(5),
            life: Duration::from_secs(60),
        }
    }
}

/// Serves until `stop` turns true; connections that are open then have a second to end.
pub async fn serve<L>(listener: L, router: Router, bounds: Bounds, stop: watch::Receiver<bool>)
where
    L: Listener,
    L::Io: HasPeer,
{
    serve_over(listener, None, router, bounds, stop).await;
}

/// The same, over TLS where there is some.
pub async fn serve_over<L>(
    mut listener: L,
    tls: Option<Arc<Tls>>,
    router: Router,
    bounds: Bounds,
    mut stop: watch::Receiver<bool>,
) where
    L: Listener,
    L::Io: HasPeer,
{
    let room = Arc::new(Semaphore::new(bounds.connections));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            // A permit first: without one, nothing is taken from the kernel's queue.
            let permit = room.clone().acquire_owned().await;
            (permit, listener.accept().await.0)
        };
        let (permit, io) = tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            accepted = accepted => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let mut peer = io.peer();
        let router = router.clone();
        let acceptor = tls.as_ref().map(|tls| tls.acceptor());
        connections.spawn(async move {
            let _permit = permit;
            let Some(acceptor) = acceptor else {
                return answer(io, peer, router, bounds).await;
            };
            let handshake = tokio::time::timeout(bounds.head_time, acceptor.accept(io));
            if let Ok(Ok(io)) = handshake.await {
                peer.is_encrypted = true;
                answer(io, peer, router, bounds).await;
            }
        });
    }
    let _ended = tokio::time::timeout(Duration::from_secs(1), async {
        while connections.join_next().await.is_some() {}
    })
    .await;
}

/// Answers what comes over one connection, until it ends or its life is over.
async fn answer<Io>(io: Io, peer: Peer, router: Router, bounds: Bounds)
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = Told {
        peer,
        inner: TowerToHyperService::new(router),
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head_time)
        .max_buf_size(bounds.head_bytes)
        .serve_connection(TokioIo::new(io), service);
    let mut connection = std::pin::pin!(connection);
    // What ends a connection early is the client's affair.
    let ended = tokio::time::timeout(bounds.life, connection.as_mut()).await;
    if ended.is_err() {
        // A request that is being answered is answered; no further one is taken.
        connection.as_mut().graceful_shutdown();
        let _ended = tokio::time::timeout(LAST_ANSWER, connection).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    async fn served(bounds: Bounds) -> (std::net::SocketAddr, watch::Sender<bool>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let router = Router::new().route("/", get(|| async { "here" }));
        tokio::spawn(serve(listener, router, bounds, stopped));
        (address, stop)
    }

    async fn read_all(to: &mut TcpStream) -> String {
        let mut text = String::new();
        let read = to.read_to_string(&mut text);
        let read = tokio::time::timeout(Duration::from_secs(20), read).await;
        // A reset after the answer is an end like any other.
        let _end = read.expect("the connection is ended");
        text
    }

    const ASK: &str = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

    #[tokio::test]
    async fn a_head_that_does_not_come_ends_the_connection() {
        let (address, _stop) = served(Bounds {
            head_time: Duration::from_millis(50),
            ..Bounds::default()
        })
        .await;
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\nhost:").await.unwrap();
        assert!(!read_all(&mut slow).await.contains("here"));
    }

    #[tokio::test]
    async fn a_head_that_is_too_long_is_refused() {
        let (address, _stop) = served(Bounds::default()).await;
        let mut client = TcpStream::connect(address).await.unwrap();
        let long = format!("GET / HTTP/1.1\r\nx: {}\r\n", "x".repeat(64 << 10));
        // The server may hang up before all of it is sent.
        let _refused = client.write_all(long.as_bytes()).await;
        let said = read_all(&mut client).await;
        assert!(!said.contains("here"), "{said}");
    }

    #[tokio::test]
    async fn one_connection_more_than_there_is_room_for_waits_its_turn() {
        let (address, _stop) = served(Bounds {
            connections: 1,
            head_time: Duration::from_millis(100),
            ..Bounds::default()
        })
        .await;
        let _idle = TcpStream::connect(address).await.unwrap();
        let mut second = TcpStream::connect(address).await.unwrap();
        second.write_all(ASK.as_bytes()).await.unwrap();
        // Answered once the idle one was put out.
        assert!(read_all(&mut second).await.contains("here"));
    }
}
