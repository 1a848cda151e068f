//! What an idle keep-alive connection takes in memory.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::contenders::{self, Contender, Place};
use crate::{Failure, Figure};

/// Half of what one process may open here has to do for the clients.
const CONNECTIONS: usize = 9_000;

pub(super) fn connections() -> Result<Vec<Figure>, Failure> {
    let upstream = contenders::upstream()?;
    let place = Place {
        upstream: upstream.port,
        certificate: None,
    };
    let theirs = each(&contenders::haproxy(&place)?)?;
    let ours = each(&contenders::evenkeel(&place, true)?)?;
    let ratio = ours / theirs;
    Ok(vec![Figure {
        name: "edge_idle_connection_kib".into(),
        ours,
        peer: "HAProxy".into(),
        theirs: Some(theirs),
        ratio: Some(ratio),
        aim: "<= 1.0",
        reached: ratio <= 1.0,
        how: format!(
            "Memory in RAM for each of {CONNECTIONS} connections that have asked once and stay open."
        ),
    }])
}

/// KiB for each connection.
fn each(contender: &Contender) -> Result<f64, Failure> {
    let mut warm: Vec<TcpStream> = Vec::new();
    for _ in 0..100 {
        warm.push(asked(contender.port)?);
    }
    let before = contender.memory()?;
    let mut open = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        open.push(asked(contender.port)?);
    }
    let grown = contender.memory()? - before;
    Ok(grown / CONNECTIONS as f64 / 1024.0)
}

fn asked(port: u16) -> Result<TcpStream, Failure> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nx-tenant: one\r\n\r\n")?;
    let mut said = Vec::new();
    let mut piece = [0; 4096];
    // The head, then exactly the 1 KiB of the upstream's answer.
    loop {
        let count = stream.read(&mut piece)?;
        said.extend_from_slice(&piece[..count]);
        let head = said.windows(4).position(|four| four == b"\r\n\r\n");
        if head.is_some_and(|head| said.len() >= head + 4 + 1024) {
            return if said.starts_with(b"HTTP/1.1 200") {
                Ok(stream)
            } else {
                Err("an idle client was turned away".into())
            };
        }
        if count == 0 {
            return Err("an idle client's connection was closed".into());
        }
    }
}
