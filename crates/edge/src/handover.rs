//! One edge takes the listening sockets over from the one before, so that a restart refuses
//! nobody: the sockets themselves go from process to process (`SCM_RIGHTS`), and what waits
//! in their queues with them.
//!
//! ```text
//! new  connects to `edge-handover.sock` in the state folder
//! old  -> ["127.0.0.1:8080", ...]\n   with the sockets beside it
//! new  serves on them, then  -> ready\n
//! old  accepts nothing more, ends what is under way, and ends
//! ```
//!
//! Until `ready` both accept; a new one that dies before costs nothing. Who may take over is
//! who runs as the same user, or as root.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tokio::net::UnixListener;

use crate::keeper;

/// The socket's name in the state folder.
pub(crate) const SOCKET: &str = "edge-handover.sock";

/// Sockets that are handed over at once; the kernel takes 253.
const SOCKETS_MAX: usize = 64;

/// The longest list of their addresses.
const LIST_MAX: usize = 8 * 1024;

/// How long the other side may take for its part.
const PATIENCE: Duration = Duration::from_secs(10);

const READY: &[u8] = b"ready\n";

/// What was taken over, and the line over which `ready` is said.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) listeners: Vec<(SocketAddr, TcpListener)>,
    line: UnixStream,
}

/// Takes over from whoever serves; `None` where nobody does.
pub(crate) fn take(path: &Path) -> io::Result<Option<Taken>> {
    let line = match UnixStream::connect(path) {
        Ok(line) => line,
        Err(error) => {
            return match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
                _ => Err(error),
            };
        }
    };
    line.set_read_timeout(Some(PATIENCE))?;
    line.set_write_timeout(Some(PATIENCE))?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let mut list = vec![0; LIST_MAX];
    let mut buffers = [IoSliceMut::new(&mut list)];
    let received = recvmsg(&line, &mut buffers, &mut rights, RecvFlags::CMSG_CLOEXEC)?;
    let mut sockets: Vec<OwnedFd> = Vec::new();
    for message in rights.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            sockets.extend(received);
        }
    }
    list.truncate(received.bytes);
    while list.last().is_some_and(|byte| *byte != b'\n') && list.len() < LIST_MAX {
        let mut byte = [0];
        (&line).read_exact(&mut byte)?;
        list.push(byte[0]);
    }
    let addresses: Vec<SocketAddr> = serde_json::from_slice(&list)?;
    if addresses.len() != sockets.len() {
        let why = "as many sockets as addresses were expected";
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    let listeners = sockets.into_iter().map(TcpListener::from);
    let listeners = addresses.into_iter().zip(listeners).collect();
    Ok(Some(Taken { listeners, line }))
}

impl Taken {
    /// Says that it is served here from now on.
    pub(crate) fn ready(mut self) {
        if let Err(error) = self.line.write_all(READY) {
            tracing::warn!(%error, "the edge before could not be told that its listeners are served here");
        }
    }
}

/// Waits until another edge has taken over.
pub(crate) async fn offer(listener: UnixListener, sockets: Rc<Vec<(SocketAddr, OwnedFd)>>) {
    loop {
        let Ok((line, _)) = listener.accept().await else {
            tokio::time::sleep(PATIENCE).await;
            continue;
        };
        if !keeper::may_speak(&line) {
            tracing::warn!("somebody who may not take the edge's listeners was sent away");
            continue;
        }
        let copies: io::Result<Vec<_>> = sockets
            .iter()
            .map(|(address, socket)| Ok((*address, socket.try_clone()?)))
            .collect();
        let given = async {
            let (line, copies) = (line.into_std()?, copies?);
            let given = tokio::task::spawn_blocking(move || give(line, &copies));
            given.await?
        };
        match given.await {
            Ok(()) => return,
            Err(error) => tracing::warn!(%error, "the listeners were not taken over; served on"),
        }
    }
}

/// Hands the sockets over and waits for `ready`.
fn give(mut line: UnixStream, sockets: &[(SocketAddr, OwnedFd)]) -> io::Result<()> {
    line.set_nonblocking(false)?;
    line.set_read_timeout(Some(PATIENCE))?;
    line.set_write_timeout(Some(PATIENCE))?;
    let sockets = &sockets[..sockets.len().min(SOCKETS_MAX)];
    let addresses: Vec<SocketAddr> = sockets.iter().map(|(address, _)| *address).collect();
    let mut list = serde_json::to_vec(&addresses)?;
    list.push(b'\n');
    let descriptors: Vec<BorrowedFd<'_>> = sockets.iter().map(|(_, fd)| fd.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    if !rights.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("too many sockets"));
    }
    let sent = sendmsg(
        &line,
        &[IoSlice::new(&list)],
        &mut rights,
        SendFlags::empty(),
    )?;
    line.write_all(&list[sent..])?;
    let mut word = [0; READY.len()];
    line.read_exact(&mut word)?;
    match word == *READY {
        true => Ok(()),
        false => Err(io::ErrorKind::InvalidData.into()),
    }
}
