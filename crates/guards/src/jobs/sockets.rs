//! What TCP connections have moved, by socket inode.
//!
//! `/proc/PID/io` counts `read` and `write`, and most programs send on sockets with
//! `send`: an export that trickles over the network would look like one that hangs. The
//! kernel's socket diagnostics (`sock_diag(7)`) know the bytes of every connection, also
//! of other processes.

use std::collections::BTreeMap;
use std::io;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST};
use netlink_packet_core::{NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP};
use netlink_packet_sock_diag::inet::nlas::Nla;
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use netlink_sys::{Socket, SocketAddr};

/// A dump comes in datagrams of at most this size (`netlink(7)`: 32 KiB since Linux 4.9).
const DATAGRAM_MAX: usize = 64 * 1024;

/// The most datagrams read for one family: a hundred thousand connections.
const DATAGRAMS_MAX: usize = 2_000;

/// Bytes acknowledged by the peer and received from it, of every TCP connection of this
/// network namespace.
///
/// # Errors
/// The kernel offers no socket diagnostics here.
pub(super) fn moved() -> io::Result<BTreeMap<u64, u64>> {
    let mut moved = BTreeMap::new();
    dump(AF_INET, SocketId::new_v4(), &mut moved)?;
    dump(AF_INET6, SocketId::new_v6(), &mut moved)?;
    Ok(moved)
}

fn dump(family: u8, socket_id: SocketId, moved: &mut BTreeMap<u64, u64>) -> io::Result<()> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let request = InetRequest {
        family,
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::INFO,
        states: StateFlags::all(),
        socket_id,
    };
    let mut message = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
    message.finalize();
    let mut text = vec![0; message.buffer_len()];
    message.serialize(&mut text);
    socket.send(&text, 0)?;
    // The kernel answers a dump at once; were it not to, this must not wait.
    socket.set_non_blocking(true)?;
    let mut datagram = Vec::with_capacity(DATAGRAM_MAX);
    for _ in 0..DATAGRAMS_MAX {
        datagram.clear();
        let size = socket.recv(&mut datagram, 0)?;
        let mut rest = &datagram[..size];
        while !rest.is_empty() {
            let answer = NetlinkMessage::<SockDiagMessage>::deserialize(rest)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
            let length = answer.header.length as usize;
            match answer.payload {
                NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(connection)) => {
                    let bytes = connection.nlas.iter().find_map(|nla| match nla {
                        Nla::TcpInfo(info) => Some(info.bytes_acked + info.bytes_received),
                        _ => None,
                    });
                    moved.insert(
                        u64::from(connection.header.inode),
                        bytes.unwrap_or_default(),
                    );
                }
                NetlinkPayload::Done(_) => return Ok(()),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                _ => {}
            }
            if length == 0 || length > rest.len() {
                break;
            }
            // Messages are aligned to four bytes.
            rest = &rest[rest.len().min(length.next_multiple_of(4))..];
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd;

    use super::moved;

    fn inode(stream: &TcpStream) -> u64 {
        let link = std::fs::read_link(format!("/proc/self/fd/{}", stream.as_raw_fd()));
        let link = link.expect("a link").display().to_string();
        let digits: String = link.chars().filter(char::is_ascii_digit).collect();
        digits.parse().expect("an inode")
    }

    #[test]
    fn bytes_sent_on_a_socket_are_seen_from_outside() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("an address");
        let mut near = TcpStream::connect(address).expect("a connection");
        let (mut far, _) = listener.accept().expect("accepted");
        let bytes = |stream: &TcpStream| moved().expect("diagnostics")[&inode(stream)];
        let before = bytes(&near);
        near.write_all(&[7; 1000]).expect("sent");
        far.read_exact(&mut [0; 1000]).expect("received");
        assert_eq!(bytes(&far), 1000);
        // The acknowledgement is the peer's kernel's business; on loopback it is there.
        assert!(bytes(&near) >= before + 1000);
    }
}
