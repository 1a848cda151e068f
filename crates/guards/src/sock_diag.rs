//! The kernel's list of TCP connections (`sock_diag(7)`): of this network namespace, all
//! programs', and without a right to look into any of them.
//!
//! What always holds: one question for each address family, no waiting (the kernel answers a
//! dump at once), and an end however many connections there are.

use std::io;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST};
use netlink_packet_core::{NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP};
use netlink_packet_sock_diag::inet::{InetRequest, InetResponse, SocketId};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use netlink_sys::{Socket, SocketAddr};

pub(crate) use netlink_packet_sock_diag::constants::TCP_LISTEN;
pub(crate) use netlink_packet_sock_diag::inet::nlas::Nla;
pub(crate) use netlink_packet_sock_diag::inet::{ExtensionFlags, StateFlags};

/// A dump comes in datagrams of at most this size (`netlink(7)`: 32 KiB since Linux 4.9).
const DATAGRAM_MAX: usize = 64 * 1024;

/// The most datagrams read for one family: a hundred thousand connections.
const DATAGRAMS_MAX: usize = 2_000;

/// Calls `each` with every TCP connection in one of `states`, with what `extensions` ask for.
///
/// # Errors
/// The kernel offers no socket diagnostics here.
pub(crate) fn each_connection(
    extensions: ExtensionFlags,
    states: StateFlags,
    mut each: impl FnMut(&InetResponse),
) -> io::Result<()> {
    for (family, socket_id) in [
        (AF_INET, SocketId::new_v4()),
        (AF_INET6, SocketId::new_v6()),
    ] {
        let request = InetRequest {
            family,
            protocol: IPPROTO_TCP,
            extensions: extensions.clone(),
            states: states.clone(),
            socket_id,
        };
        dump(request, &mut each)?;
    }
    Ok(())
}

fn dump(request: InetRequest, each: &mut impl FnMut(&InetResponse)) -> io::Result<()> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
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
                    each(&connection);
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
