//! The sockets clients come to, and what becomes of a new connection: who it is, whether
//! there is a place for it, what is spoken on it.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::acme::Wanted;
use crate::acme::store::Store;
use crate::client::Peer;
use crate::handover::Taken;
use crate::settings::{Authority, Certificates as Configured, Listener as Settings};
use crate::shared::{Place, Shared};
use crate::tls::{Certificates, Challenges, PROOF};
use crate::wire::{Stream, Wire};
use crate::{Started, forwarded, h1, h2, proxy_protocol};

/// Connections that the kernel keeps until they are taken.
const BACKLOG: u32 = 4096;

/// How long nothing is accepted after the system had no descriptor left.
const EXHAUSTED: Duration = Duration::from_millis(50);

/// What a client is told for whom there is no place.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\n\
    content-length: 45\r\nretry-after: 5\r\nconnection: close\r\n\r\n\
    Too many connections. Try again in a moment.\n";

/// How many of them may read it at once; whoever is beyond is closed without waiting, so that
/// a crowd costs a kilobyte each of these and nothing else.
const TURNED_AWAY_MAX: usize = 1000;

/// How long they may take.
const TURNED_AWAY_TIME: Duration = Duration::from_secs(1);

/// What is read of each meanwhile, bytes.
const TURNED_AWAY_READ: usize = 16 * 1024;

/// A socket that clients come to.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) address: SocketAddr,
    pub(crate) socket: TcpListener,
    settings: Settings,
    tls: Option<Tls>,
}

/// What is needed for a handshake.
#[derive(Clone)]
struct Tls {
    config: Arc<ServerConfig>,
    certificates: Arc<Certificates>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// What listens, and what is to be ordered for it.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) listeners: Vec<Listener>,
    pub(crate) started: Started,
    pub(crate) certificates: Ordered,
}

/// The certificates that authorities issue.
#[derive(Debug, Default)]
pub(crate) struct Ordered {
    pub(crate) wanted: Vec<Wanted>,
    pub(crate) challenges: Challenges,
}

impl Ordered {
    /// Orders nothing for who does not serve: the authority would not find it.
    fn forget(&mut self, certificates: &Arc<Certificates>) {
        self.wanted.retain_mut(|wanted| {
            let served = &mut wanted.served;
            served.retain(|served| !Arc::ptr_eq(served, certificates));
            !served.is_empty()
        });
    }
}

/// Binds all that can be bound; takes what was taken over where it fits.
pub(crate) fn bind(shared: &Shared, taken: &mut Option<Taken>) -> Bound {
    let (mut listeners, mut started) = (Vec::new(), Started::default());
    let mut certificates = Ordered::default();
    for settings in &shared.settings.listeners {
        let tls = match tls(settings, shared, &mut started.problems, &mut certificates) {
            Ok(tls) => tls,
            Err(()) => continue,
        };
        let bound = listen(settings.address, taken);
        match bound.and_then(|socket| Ok((socket.local_addr()?, socket))) {
            Ok((address, socket)) => {
                started.addresses.push(address);
                listeners.push(Listener {
                    address,
                    socket,
                    settings: settings.clone(),
                    tls,
                });
            }
            Err(error) => {
                if let Some(tls) = &tls {
                    certificates.forget(&tls.certificates);
                }
                let address = settings.address;
                let ask = address.port();
                started.problems.push(format!(
                    "{address} cannot be listened on: {error}; see who has it with `ss -ltnp sport = :{ask}`"
                ));
            }
        }
    }
    Bound {
        listeners,
        started,
        certificates,
    }
}

/// What TLS needs; an error where it is asked for and cannot be had.
fn tls(
    settings: &Settings,
    shared: &Shared,
    problems: &mut Vec<String>,
    ordered: &mut Ordered,
) -> Result<Option<Tls>, ()> {
    let address = settings.address;
    let is_asked = |listener: &Settings| matches!(listener.tls, Some(Configured::Acme(_)));
    let certificates = match &settings.tls {
        None => return Ok(None),
        Some(Configured::Files(files)) => {
            let asks = shared.settings.listeners.iter().any(is_asked);
            let challenges = asks.then(|| ordered.challenges.clone());
            let (certificates, troubles) = Certificates::load(files, challenges);
            problems.extend(troubles);
            certificates
        }
        Some(Configured::Acme(authority)) => Some(issued(authority, shared, problems, ordered)),
    };
    let Some(certificates) = certificates else {
        problems.push(format!("{address} is not served: it has no certificate"));
        return Err(());
    };
    match certificates.config() {
        Ok(config) => Ok(Some(Tls {
            config,
            certificates,
        })),
        Err(error) => {
            problems.push(format!("{address} is not served: {error}"));
            Err(())
        }
    }
}

/// What an authority issues for a listener: what is stored at once, the rest when it comes.
fn issued(
    authority: &Authority,
    shared: &Shared,
    problems: &mut Vec<String>,
    ordered: &mut Ordered,
) -> Arc<Certificates> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let same = |wanted: &&mut Wanted| {
        wanted.authority.directory == authority.directory
            && wanted.authority.domains == authority.domains
    };
    let known = ordered.wanted.iter_mut().find(same);
    let held = match &known {
        Some(known) => known.held.clone(),
        None => {
            let store = Store::open(&shared.settings.state_dir);
            let held = store.and_then(|store| store.read(authority, &provider));
            held.unwrap_or_else(|error| {
                problems.push(format!(
                    "{error}; a new certificate is ordered in its place"
                ));
                None
            })
        }
    };
    let key = held.as_ref().map(|held| held.key.clone());
    let certificates = Certificates::issued(key, provider, ordered.challenges.clone());
    match known {
        Some(known) => known.served.push(certificates.clone()),
        None => ordered.wanted.push(Wanted {
            authority: authority.clone(),
            served: vec![certificates.clone()],
            held,
        }),
    }
    certificates
}

fn listen(address: SocketAddr, taken: &mut Option<Taken>) -> io::Result<TcpListener> {
    if let Some(taken) = taken
        && let Some(at) = taken
            .listeners
            .iter()
            .position(|(bound, _)| *bound == address)
    {
        let (_, socket) = taken.listeners.swap_remove(at);
        socket.set_nonblocking(true)?;
        return TcpListener::from_std(socket);
    }
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Listener {
    /// Takes connections until it is aborted.
    pub(crate) async fn accept(self, shared: Rc<Shared>) {
        if let Some(tls) = &self.tls {
            tokio::task::spawn_local(tls.certificates.clone().keep());
        }
        loop {
            match self.socket.accept().await {
                Ok((tcp, address)) => self.take(&shared, tcp, address),
                Err(error) => {
                    tracing::warn!(address = %self.address, %error, "no connection accepted");
                    tokio::time::sleep(EXHAUSTED).await;
                }
            }
        }
    }

    fn take(&self, shared: &Rc<Shared>, tcp: TcpStream, address: SocketAddr) {
        let bounds = &shared.settings.bounds;
        let is_trusted = forwarded::is_in(&shared.settings.trusted, address.ip());
        // A trusted balancer has as many connections as it has clients.
        let of_address = match is_trusted {
            true => bounds.connections_max,
            false => bounds.connections_per_address_max,
        };
        let place = shared
            .connections
            .place(address.ip(), bounds.connections_max, of_address);
        let Some(place) = place else {
            if self.tls.is_none() {
                turn_away(shared, tcp);
            }
            return;
        };
        // Without it small answers wait for acknowledgements; one that lacks it works.
        let _slower = tcp.set_nodelay(true);
        let peer = Peer {
            address,
            is_trusted,
            is_encrypted: self.tls.is_some(),
            redirects: self.settings.redirect_to_https,
        };
        let has_header = self.settings.proxy_protocol && is_trusted;
        if self.tls.is_none() && !has_header {
            let serving = begin(shared.clone(), Stream::Plain(tcp), peer, place);
            tokio::task::spawn_local(serving);
            return;
        }
        let (shared, tls) = (shared.clone(), self.tls.clone());
        tokio::task::spawn_local(async move {
            let time = shared.settings.bounds.handshake_timeout;
            let hands = shake(tcp, peer, has_header, tls, &shared);
            match tokio::time::timeout(time, hands).await {
                Ok(Ok((stream, peer))) => begin(shared, stream, peer, place).await,
                Ok(Err(error)) => tracing::debug!(client = %address, %error, "no handshake"),
                Err(_) => tracing::debug!(client = %address, "no handshake in time"),
            }
        });
    }
}

/// Says that there is no place, and stays until it was read: a connection closed with a
/// request unread is reset, and with that the answer is lost to some clients.
fn turn_away(shared: &Rc<Shared>, mut tcp: TcpStream) {
    // It fits into the empty buffer of a new socket; who does not read it is not told.
    let _unread = tcp.try_write(FULL);
    let connections = shared.connections.clone();
    let reading = connections.turned_away.get();
    if reading >= TURNED_AWAY_MAX {
        return;
    }
    connections.turned_away.set(reading + 1);
    tokio::task::spawn_local(async move {
        let read = async {
            let _closed = tcp.shutdown().await;
            let (mut seen, mut piece) = (0, [0; 1024]);
            while let Ok(read @ 1..) = tcp.read(&mut piece).await {
                seen += read;
                if seen > TURNED_AWAY_READ {
                    break;
                }
            }
        };
        let _late = tokio::time::timeout(TURNED_AWAY_TIME, read).await;
        connections
            .turned_away
            .set(connections.turned_away.get() - 1);
    });
}

/// Everything before the first request.
async fn shake(
    mut tcp: TcpStream,
    mut peer: Peer,
    has_header: bool,
    tls: Option<Tls>,
    shared: &Shared,
) -> io::Result<(Stream, Peer)> {
    if has_header && let Some(client) = proxy_protocol::read(&mut tcp).await? {
        peer.address = client;
        peer.is_trusted = forwarded::is_in(&shared.settings.trusted, client.ip());
    }
    let stream = match tls {
        None => Stream::Plain(tcp),
        Some(tls) => {
            let mut stream = TlsAcceptor::from(tls.config).accept(tcp).await?;
            if stream.get_ref().1.alpn_protocol() == Some(PROOF) {
                stream.shutdown().await?;
                return Err(io::Error::other("an authority has looked"));
            }
            Stream::Tls(Box::new(stream))
        }
    };
    Ok((stream, peer))
}

/// Serves in the version that the client speaks.
async fn begin(shared: Rc<Shared>, stream: Stream, peer: Peer, place: Place) {
    if stream.is_h2() {
        let begun = Begun::new(stream, BytesMut::new());
        // Apart, as it is the larger: most connections would keep room for it in vain.
        Box::pin(h2::serve(shared, begun, peer)).await;
    } else {
        let wire = Wire::new(stream, shared.buffers.clone());
        let next = h1::serve(shared.clone(), wire, peer).await;
        if let Some(wire) = next {
            let (stream, read) = wire.into_parts();
            Box::pin(h2::serve(shared, Begun::new(stream, read), peer)).await;
        }
    }
    drop(place);
}

/// A connection from which something was read already.
#[derive(Debug)]
struct Begun {
    stream: Stream,
    read: BytesMut,
}

impl Begun {
    fn new(stream: Stream, read: BytesMut) -> Self {
        Self { stream, read }
    }
}

impl AsyncRead for Begun {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let len = self.read.len().min(buf.remaining());
        buf.put_slice(&self.read[..len]);
        self.read.advance(len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Begun {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Backoff;

    #[test]
    fn nothing_is_ordered_for_listeners_that_have_no_place() {
        let mut ordered = Ordered::default();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let issued = [(); 2]
            .map(|()| Certificates::issued(None, provider.clone(), ordered.challenges.clone()));
        ordered.wanted.push(Wanted {
            authority: Authority {
                directory: "https://acme.example/".to_owned(),
                domains: vec!["app.example.com".to_owned()],
                contact: None,
                root: None,
                backoff: Backoff::default(),
            },
            served: issued.to_vec(),
            held: None,
        });
        for (certificates, left) in issued.iter().zip([1, 0]) {
            ordered.forget(certificates);
            assert_eq!(ordered.wanted.len(), left);
        }
    }
}
