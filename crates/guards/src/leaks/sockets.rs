//! How many TCP connections each local port serves, from the kernel's socket diagnostics
//! (`sock_diag(7)`).
//!
//! Counted by port and not by file descriptor: that costs one question for all instances,
//! needs no right to look into their processes, and counts what a worker has inherited
//! once. A port nobody listens on in this network namespace has no number: it may be
//! served in another one.

use std::collections::BTreeMap;
use std::io;

use crate::sock_diag::{ExtensionFlags, StateFlags, TCP_LISTEN, each_connection};

/// Connections by local port; only ports that are listened on.
pub(super) fn served() -> io::Result<BTreeMap<u16, u64>> {
    // One that the peer has closed and the program has not is the usual leak.
    let states = StateFlags::ESTABLISHED | StateFlags::CLOSE_WAIT | StateFlags::LISTEN;
    let mut ports: BTreeMap<u16, (bool, u64)> = BTreeMap::new();
    each_connection(ExtensionFlags::empty(), states, |connection| {
        let port = connection.header.socket_id.source_port;
        let (listens, count) = ports.entry(port).or_default();
        match connection.header.state {
            TCP_LISTEN => *listens = true,
            _ => *count += 1,
        }
    })?;
    let listened = ports.into_iter().filter(|(_, (listens, _))| *listens);
    Ok(listened.map(|(port, (_, count))| (port, count)).collect())
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
