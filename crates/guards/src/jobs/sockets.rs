//! What TCP connections have moved, by socket inode.
//!
//! `/proc/PID/io` counts `read` and `write`, and most programs send on sockets with
//! `send`: an export that trickles over the network would look like one that hangs. The
//! kernel's socket diagnostics (`sock_diag(7)`) know the bytes of every connection, also
//! of other processes.

use std::collections::BTreeMap;
use std::io;

use crate::sock_diag::{ExtensionFlags, Nla, StateFlags, each_connection};

/// Bytes acknowledged by the peer and received from it, of every TCP connection of this
/// network namespace.
///
/// # Errors
/// The kernel offers no socket diagnostics here.
pub(super) fn moved() -> io::Result<BTreeMap<u64, u64>> {
    let mut moved = BTreeMap::new();
    each_connection(ExtensionFlags::INFO, StateFlags::all(), |connection| {
        let bytes = connection.nlas.iter().find_map(|nla| match nla {
            Nla::TcpInfo(info) => Some(info.bytes_acked + info.bytes_received),
            _ => None,
        });
        let inode = u64::from(connection.header.inode);
        moved.insert(inode, bytes.unwrap_or_default());
    })?;
    Ok(moved)
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
