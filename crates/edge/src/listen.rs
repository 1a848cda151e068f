//! The sockets clients come to, and what becomes of a new connection.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::client::Peer;
use crate::settings::Listener as Settings;
use crate::shared::Shared;
use crate::wire::{Stream, Wire};
use crate::{Started, forwarded, h1};

/// Connections that the kernel keeps until they are taken.
const BACKLOG: u32 = 4096;

/// How long nothing is accepted after the system had no descriptor left.
const EXHAUSTED: Duration = Duration::from_millis(50);

/// What a client is told for whom there is no place.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\n\
    content-length: 45\r\nretry-after: 5\r\nconnection: close\r\n\r\n\
    Too many connections. Try again in a moment.\n";

/// A socket that clients come to.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: TcpListener,
    settings: Settings,
}

/// Binds all that can be bound.
pub(crate) fn bind(shared: &Shared) -> (Vec<Listener>, Started) {
    let (mut listeners, mut started) = (Vec::new(), Started::default());
    for settings in &shared.settings.listeners {
        let address = settings.address;
        let bound = listen(address).and_then(|socket| Ok((socket.local_addr()?, socket)));
        match bound {
            Ok((address, socket)) => {
                started.addresses.push(address);
                listeners.push(Listener {
                    socket,
                    settings: settings.clone(),
                });
            }
            Err(error) => started.problems.push(format!(
                "{address} cannot be listened on: {error}; see who has it with `ss -ltnp`"
            )),
        }
    }
    (listeners, started)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
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
        loop {
            match self.socket.accept().await {
                Ok((tcp, address)) => self.take(&shared, tcp, address),
                Err(error) => {
                    tracing::warn!(address = %self.settings.address, %error, "no connection accepted");
                    tokio::time::sleep(EXHAUSTED).await;
                }
            }
        }
    }

    fn take(&self, shared: &Rc<Shared>, tcp: TcpStream, address: SocketAddr) {
        let bounds = &shared.settings.bounds;
        let (max, of_address) = (bounds.connections_max, bounds.connections_per_address_max);
        let Some(place) = shared.connections.place(address.ip(), max, of_address) else {
            // It fits into the empty buffer of a new socket; who does not read it is
            // not told.
            let _unread = tcp.try_write(FULL);
            return;
        };
        // Without it small answers wait for acknowledgements; one that lacks it works.
        let _slower = tcp.set_nodelay(true);
        let peer = Peer {
            address,
            is_trusted: forwarded::is_in(&shared.settings.trusted, address.ip()),
            is_encrypted: false,
        };
        let wire = Wire::new(Stream::Plain(tcp), shared.buffers.clone());
        let serving = h1::serve(shared.clone(), wire, peer);
        tokio::task::spawn_local(async move {
            serving.await;
            drop(place);
        });
    }
}
