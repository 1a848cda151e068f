//! How many TCP connections each local port serves, from the kernel's socket diagnostics
//! (`sock_diag(7)`).
//!
//! Counted by port and not by file descriptor: that costs one question for all instances,
//! needs no right to look into their processes, and counts what a worker has inherited
//! once. A port nobody listens on in this network namespace has no number: it may be
//! served in another one.

use std::collections::BTreeMap;
use std::io;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST};
use netlink_packet_core::{NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP, TCP_LISTEN};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use netlink_sys::{Socket, SocketAddr};

/// A dump comes in datagrams of at most this size (`netlink(7)`: 32 KiB since Linux 4.9).
const DATAGRAM_MAX: usize = 64 * 1024;

/// The most datagrams read for one family: a hundred thousand connections.
const DATAGRAMS_MAX: usize = 2_000;

/// Connections by local port; only ports that are listened on.
pub(super) fn served() -> io::Result<BTreeMap<u16, u64>> {
    let mut ports: BTreeMap<u16, (bool, u64)> = BTreeMap::new();
    count(AF_INET, SocketId::new_v4(), &mut ports)?;
    count(AF_INET6, SocketId::new_v6(), &mut ports)?;
    let listened = ports.into_iter().filter(|(_, (listens, _))| *listens);
    Ok(listened.map(|(port, (_, count))| (port, count)).collect())
}

fn count(
    family: u8,
    socket_id: SocketId,
    ports: &mut BTreeMap<u16, (bool, u64)>,
) -> io::Result<()> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let request = InetRequest {
        family,
        protocol: IPPROTO_TCP,
        extensions: ExtensionFlags::empty(),
        // One that the peer has closed and the program has not is the usual leak.
        states: StateFlags::ESTABLISHED | StateFlags::CLOSE_WAIT | StateFlags::LISTEN,
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
                    let port = connection.header.socket_id.source_port;
                    let (listens, count) = ports.entry(port).or_default();
                    match connection.header.state {
                        TCP_LISTEN => *listens = true,
                        _ => *count += 1,
                    }
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
    use std::net::{TcpListener, TcpStream};

    use super::served;

    #[test]
    fn connections_are_counted_where_somebody_listens() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
        let address = listener.local_addr().expect("an address");
        let near: Vec<TcpStream> = (0..3)
            .map(|_| TcpStream::connect(address).expect("a connection"))
            .collect();
        let far: Vec<_> = (0..3)
            .map(|_| listener.accept().expect("accepted"))
            .collect();
        let counted = served().expect("diagnostics");
        assert_eq!(counted.get(&address.port()), Some(&3));
        let own = near[0].local_addr().expect("an address").port();
        assert_eq!(counted.get(&own), None, "nobody listens there");
        drop(far);
    }
}
