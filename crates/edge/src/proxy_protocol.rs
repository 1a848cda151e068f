//! The PROXY header that a balancer in front puts before everything else, versions 1 and 2:
//! who the client really is (haproxy.org/download/3.0/doc/proxy-protocol.txt).
//!
//! Read byte for byte to its end and no further: what follows may be TLS. Its extensions
//! (TLVs) mean nothing to us and are passed over.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::io::{AsyncRead, AsyncReadExt};

/// What version 2 begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The longest of version 1, with CRLF.
const LINE_MAX: usize = 107;

/// The longest of version 2 after its first 16 bytes: addresses and some extensions.
const REST_MAX: usize = 2048;

/// Reads the header. `None`: the balancer speaks for itself, as when it checks us.
pub(crate) async fn read<R: AsyncRead + Unpin>(stream: &mut R) -> io::Result<Option<SocketAddr>> {
    let mut first = [0; 12];
    stream.read_exact(&mut first).await?;
    if first == SIGNATURE {
        let mut head = [0; 4];
        stream.read_exact(&mut head).await?;
        let len = usize::from(u16::from_be_bytes([head[2], head[3]]));
        if len > REST_MAX {
            return Err(bad());
        }
        let mut rest = vec![0; len];
        stream.read_exact(&mut rest).await?;
        return binary(head[0], head[1], &rest).ok_or_else(bad);
    }
    if !first.starts_with(b"PROXY ") {
        return Err(bad());
    }
    let mut line = first.to_vec();
    while line.last() != Some(&b'\n') {
        if line.len() == LINE_MAX {
            return Err(bad());
        }
        line.push(stream.read_u8().await?);
    }
    text(&line).ok_or_else(bad)
}

fn bad() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "no PROXY header that can be read",
    )
}

/// A whole line of version 1; the outer `None`: it cannot be read.
fn text(line: &[u8]) -> Option<Option<SocketAddr>> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix("\r\n")?;
    let mut words = line.strip_prefix("PROXY ")?.split(' ');
    let family = words.next()?;
    if family == "UNKNOWN" {
        return Some(None);
    }
    let source: IpAddr = words.next()?.parse().ok()?;
    let _destination: IpAddr = words.next()?.parse().ok()?;
    let port = port(words.next()?)?;
    let _port = self::port(words.next()?)?;
    let fits = match family {
        "TCP4" => source.is_ipv4(),
        "TCP6" => source.is_ipv6(),
        _ => false,
    };
    (fits && words.next().is_none()).then_some(Some((source, port).into()))
}

fn port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

/// Version 2 after its signature; the outer `None`: it cannot be read.
fn binary(version: u8, family: u8, rest: &[u8]) -> Option<Option<SocketAddr>> {
    match version {
        0x20 => return Some(None),
        0x21 => {}
        _ => return None,
    }
    let port = |at: usize| Some(u16::from_be_bytes(*rest.get(at..)?.first_chunk()?));
    match family {
        0x11 => {
            let source = Ipv4Addr::from(*rest.first_chunk::<4>()?);
            rest.get(..12)?;
            Some(Some((source, port(8)?).into()))
        }
        0x21 => {
            let source = Ipv6Addr::from(*rest.first_chunk::<16>()?);
            rest.get(..36)?;
            Some(Some((source, port(32)?).into()))
        }
        // Unix sockets, datagrams, and what is not said: nobody with an address.
        _ => Some(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn of(bytes: &[u8]) -> Result<(Option<String>, usize), String> {
        let mut rest = bytes;
        let source = read(&mut rest).await.map_err(|error| error.to_string())?;
        Ok((source.map(|source| source.to_string()), rest.len()))
    }

    fn v2(version: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let len = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&SIGNATURE[..], &[version, family], &len, rest, b"GET"].concat()
    }

    #[tokio::test]
    async fn the_client_is_read_and_what_follows_is_left() {
        let four = [1, 2, 3, 4, 9, 9, 9, 9, 0x12, 0x34, 0, 80];
        let mut six = [0; 40];
        six[15] = 1;
        six[33] = 80;
        for (bytes, source) in [
            (
                b"PROXY TCP4 1.2.3.4 9.9.9.9 4660 80\r\nGET".to_vec(),
                Some("1.2.3.4:4660"),
            ),
            (
                b"PROXY TCP6 ::1 ::2 80 443\r\nGET".to_vec(),
                Some("[::1]:80"),
            ),
            (b"PROXY UNKNOWN\r\nGET".to_vec(), None),
            (v2(0x21, 0x11, &four), Some("1.2.3.4:4660")),
            (v2(0x21, 0x21, &six), Some("[::1]:80")),
            (v2(0x20, 0x00, &[]), None),
            (v2(0x21, 0x31, &[0; 216]), None),
        ] {
            let expected = Ok((source.map(str::to_owned), 3));
            assert_eq!(of(&bytes).await, expected, "{bytes:?}");
        }
    }

    #[tokio::test]
    async fn what_is_no_header_is_refused_and_nothing_panics() {
        for bytes in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"PROXY TCP4 ::1 ::2 80 443\r\n",
            b"PROXY TCP4 1.2.3.4 9.9.9.9 99999 80\r\n",
            b"PROXY TCP4 1.2.3.4 9.9.9.9 +1 80\r\n",
            b"PROXY TCP4 1.2.3.4 9.9.9.9 1 80 x\r\n",
            b"PROXY TCP4 1.2.3.4 9.9.9.9 1 80\n",
            &v2(0x31, 0x11, &[0; 12]),
            &v2(0x21, 0x11, &[0; 5]),
        ] {
            assert!(of(bytes).await.is_err(), "{bytes:?}");
        }
        let mut random = fastrand::Rng::with_seed(11);
        for round in 0..10_000 {
            let mut bytes: Vec<u8> = (0..random.usize(..64)).map(|_| random.u8(..)).collect();
            let start: &[u8] = if round % 2 == 0 {
                &SIGNATURE
            } else {
                b"PROXY TCP4 1"
            };
            bytes.splice(..0, start.iter().copied());
            let _either = of(&bytes).await;
        }
    }
}
