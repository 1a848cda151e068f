//! A small TCP proxy on loopback that can be told to be a bad network.
//!
//! For machines where the kernel's network emulator is not to be had. It breaks
//! connections the way networks do as far as a TCP endpoint can see it; loss
//! and reordering inside TCP it cannot show.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// One read: small enough that a change of fault takes effect at once.
const CHUNK_BYTES: usize = 16 * 1024;

/// What the network does, to connections that are open and to new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// Nothing: bytes pass.
    #[default]
    None,
    /// Every chunk arrives that much later, in both directions.
    Delay(Duration),
    /// Connections open and stay open; no byte passes until the fault is lifted.
    Stall,
    /// Open connections are reset; new ones are accepted and reset.
    Cut,
    /// The server's direction ends (FIN) towards the client; the client's
    /// bytes still pass.
    HalfClose,
}

/// A running proxy; dropping it closes everything.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    fault: watch::Sender<Fault>,
    accepting: JoinHandle<()>,
}

impl FaultProxy {
    /// Listens on a free loopback port and forwards to `target`.
    pub async fn start(target: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (fault, seen) = watch::channel(Fault::None);
        let accepting = tokio::spawn(accept(listener, target, seen));
        Ok(Self {
            address,
            fault,
            accepting,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the weather, for open and for new connections.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, fault: watch::Receiver<Fault>) {
    // Dropped with this task: its connections end with it.
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else {
            // Out of descriptors, at worst: let some close.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        connections.spawn(carry(client, target, fault.clone()));
    }
}

async fn carry(mut client: TcpStream, target: SocketAddr, mut fault: watch::Receiver<Fault>) {
    if *fault.borrow() == Fault::Cut {
        reset(&client);
        return;
    }
    let Ok(mut server) = TcpStream::connect(target).await else {
        reset(&client);
        return;
    };
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let cut = {
        let (client_read, client_write) = client.split();
        let (server_read, server_write) = server.split();
        let (up, down) = (fault.clone(), fault.clone());
        let both = async {
            tokio::join!(
                pump(client_read, server_write, up, false),
                pump(server_read, client_write, down, true)
            )
        };
        tokio::select! {
            _ = both => false,
            cut = fault.wait_for(|fault| *fault == Fault::Cut) => cut.is_ok(),
        }
    };
    if cut {
        reset(&client);
        reset(&server);
    }
}

/// Copies one direction until it ends. `to_client` is the direction that
/// [`Fault::HalfClose`] ends.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut fault: watch::Receiver<Fault>,
    to_client: bool,
) {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let now = *fault.borrow_and_update();
        if now == Fault::HalfClose && to_client {
            break;
        }
        if now == Fault::Stall {
            // Not even read: the sender's buffers fill, as they would.
            if fault.changed().await.is_err() {
                return;
            }
            continue;
        }
        let read = tokio::select! {
            read = from.read(&mut chunk) => read,
            changed = fault.changed() => {
                if changed.is_err() {
                    return;
                }
                continue;
            }
        };
        let Ok(length @ 1..) = read else {
            break;
        };
        // A chunk read just before the stall began is still in the network.
        let arrived = fault
            .wait_for(|fault| *fault != Fault::Stall)
            .await
            .map(|fault| *fault);
        if let Ok(Fault::Delay(delay)) = arrived {
            tokio::time::sleep(delay).await;
        }
        if to.write_all(&chunk[..length]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

/// Makes closing this socket a reset (RST).
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}
