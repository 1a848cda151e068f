//! What the service is told about the client: `X-Forwarded-For`, `-Proto`, `-Host`, and
//! `Forwarded` (RFC 7239) where a trusted peer began it.
//!
//! Only trusted peers are believed. From everybody else all of these are dropped before our
//! own word is put in their place: a service that reads them reads ours.

use std::net::IpAddr;

use bytes::BytesMut;
use http::{HeaderMap, HeaderValue};

use crate::client::Peer;
use crate::settings::Network;
use crate::wire::{is_host, put_field};

/// The longest list of addresses that is passed on. Forty hops.
const LIST_MAX: usize = 2 * 1024;

/// Whether one of the networks has the address.
pub(crate) fn is_in(networks: &[Network], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(address))
}

/// Whether a field speaks of who forwarded what, and is ours to write.
pub(crate) fn is_ours(name: &str) -> bool {
    match name.len() {
        9 => matches!(name, "forwarded" | "x-real-ip"),
        15 => name == "x-forwarded-for" || name == "x-forwarded-ssl",
        14..=18 => name.starts_with("x-forwarded-"),
        _ => false,
    }
}

/// What the request says of its client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told<'h> {
    /// Where it comes from, as far as trusted peers know.
    pub(crate) client: IpAddr,
    /// Whether the client speaks TLS.
    pub(crate) is_encrypted: bool,
    /// The host the client named.
    pub(crate) host: &'h [u8],
}

/// Who the client is, by what `peer` says where it is believed.
pub(crate) fn told<'h>(
    peer: &Peer,
    trusted: &[Network],
    headers: &'h HeaderMap,
    host: &'h HeaderValue,
) -> Told<'h> {
    let mut told = Told {
        client: peer.address.ip(),
        is_encrypted: peer.is_encrypted,
        host: host.as_bytes(),
    };
    if !peer.is_trusted {
        return told;
    }
    // From the nearest on: the first that is not one of ours is who it comes from.
    let lists = headers.get_all("x-forwarded-for").iter();
    let lists = lists.filter_map(|list| list.to_str().ok());
    let addresses: Vec<&str> = lists.flat_map(|list| list.split(',')).collect();
    for address in addresses.into_iter().rev() {
        let Some(address) = address_of(address.trim()) else {
            break;
        };
        told.client = address;
        if !is_in(trusted, address) {
            break;
        }
    }
    match headers.get("x-forwarded-proto").map(HeaderValue::as_bytes) {
        Some(b"https") => told.is_encrypted = true,
        Some(b"http") => told.is_encrypted = false,
        _ => {}
    }
    if let Some(host) = headers.get("x-forwarded-host")
        && !host.is_empty()
        && is_host(host.as_bytes())
    {
        told.host = host.as_bytes();
    }
    told
}

/// An address as it stands in such a field: with a port, in brackets, quoted, or bare.
pub(crate) fn address_of(text: &str) -> Option<IpAddr> {
    let text = text.trim_matches('"');
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once(']')?.0.parse().ok();
    }
    match text.parse() {
        Ok(address) => Some(address),
        Err(_) => text.rsplit_once(':')?.0.parse().ok(),
    }
}

/// Writes what the service is told.
pub(crate) fn put(output: &mut BytesMut, peer: &Peer, headers: &HeaderMap, told: &Told<'_>) {
    let address = IpText::of(peer.address.ip());
    output.extend_from_slice(b"x-forwarded-for: ");
    if peer.is_trusted {
        let mut room = LIST_MAX;
        for list in headers.get_all("x-forwarded-for") {
            if list.len() + 2 > room {
                break;
            }
            room -= list.len() + 2;
            output.extend_from_slice(list.as_bytes());
            output.extend_from_slice(b", ");
        }
    }
    output.extend_from_slice(address.as_bytes());
    output.extend_from_slice(b"\r\nx-forwarded-proto: ");
    let proto: &[u8] = match told.is_encrypted {
        true => b"https\r\n",
        false => b"http\r\n",
    };
    output.extend_from_slice(proto);
    put_field(output, "x-forwarded-host", told.host);
    if !peer.is_trusted || !headers.contains_key(http::header::FORWARDED) {
        return;
    }
    output.extend_from_slice(b"forwarded: ");
    let mut room = LIST_MAX;
    for list in headers.get_all(http::header::FORWARDED) {
        if list.len() + 2 > room {
            break;
        }
        room -= list.len() + 2;
        output.extend_from_slice(list.as_bytes());
        output.extend_from_slice(b", ");
    }
    let is_v6 = peer.address.is_ipv6();
    output.extend_from_slice(if is_v6 { b"for=\"[" } else { b"for=" });
    output.extend_from_slice(address.as_bytes());
    output.extend_from_slice(if is_v6 { b"]\"\r\n" } else { b"\r\n" });
}

/// An address as text, without the heap.
struct IpText {
    bytes: [u8; 46],
    len: usize,
}

impl IpText {
    fn of(address: IpAddr) -> Self {
        use std::io::Write;
        let mut text = Self {
            bytes: [0; 46],
            len: 0,
        };
        let mut room = &mut text.bytes[..];
        // Forty-five letters are the most an address has.
        let _fits = write!(room, "{address}");
        text.len = 46 - room.len();
        text
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(is_trusted: bool) -> Peer {
        Peer {
            address: ([10, 0, 0, 1], 5000).into(),
            is_trusted,
            is_encrypted: false,
            redirects: false,
        }
    }

    fn trusted() -> Vec<Network> {
        vec![Network {
            address: [10, 0, 0, 0].into(),
            prefix: 8,
        }]
    }

    #[test]
    fn only_trusted_peers_are_believed() {
        for (is_trusted, list, client) in [
            (false, "1.2.3.4", "10.0.0.1"),
            (true, "1.2.3.4", "1.2.3.4"),
            (true, "6.6.6.6, 1.2.3.4", "1.2.3.4"),
            (true, "6.6.6.6, 1.2.3.4, 10.0.0.7", "1.2.3.4"),
            (true, "1.2.3.4:5678", "1.2.3.4"),
            (true, "[2001:db8::1]:5678", "2001:db8::1"),
            (true, "2001:db8::1", "2001:db8::1"),
            (true, "unknown", "10.0.0.1"),
            (true, "6.6.6.6, unknown, 10.0.0.7", "10.0.0.7"),
            (true, "", "10.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", list.parse().unwrap());
            headers.insert("x-forwarded-proto", "https".parse().unwrap());
            let host = HeaderValue::from_static("a.example");
            let told = told(&peer(is_trusted), &trusted(), &headers, &host);
            assert_eq!(told.client.to_string(), client, "{is_trusted} {list}");
            assert_eq!(told.is_encrypted, is_trusted);
        }
    }

    #[test]
    fn nothing_in_the_fields_makes_the_reader_panic() {
        let mut random = fastrand::Rng::with_seed(3);
        let letters = b"0123456789abcdef.:[],\" %x";
        for _ in 0..20_000 {
            let text: Vec<u8> = (0..random.usize(..40))
                .map(|_| letters[random.usize(..letters.len())])
                .collect();
            let mut headers = HeaderMap::new();
            let value = HeaderValue::from_bytes(&text).unwrap();
            for name in ["x-forwarded-for", "x-forwarded-host", "forwarded"] {
                headers.append(name, value.clone());
            }
            let host = HeaderValue::from_static("a.example");
            let told = told(&peer(true), &trusted(), &headers, &host);
            let mut output = BytesMut::new();
            put(&mut output, &peer(true), &headers, &told);
            assert!(output.ends_with(b"\r\n"));
        }
    }
}
