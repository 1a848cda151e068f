//! Header fields on their way through: what concerns one connection only stays here, what
//! the edge adds comes in.

use bytes::BytesMut;
use http::HeaderMap;
use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    RANGE, TRANSFER_ENCODING, UPGRADE,
};

use super::Request;
use crate::client::Peer;
use crate::forwarded;
use crate::shared::Shared;
use crate::wire::{Coding, Framing, options, put_field};

/// The value of a cookie.
pub(crate) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let fields = headers.get_all(COOKIE).iter();
    let fields = fields.filter_map(|field| field.to_str().ok());
    let pairs = fields.flat_map(|field| field.split(';'));
    let mut pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
    pairs
        .find(|(known, _)| *known == name)
        .map(|(_, value)| value)
}

/// Drops the fields that `Connection` names: they concern one connection only.
pub(super) fn drop_named(headers: &mut HeaderMap) {
    let Some(said) = headers.get(CONNECTION) else {
        return;
    };
    let is_usual = [&b"keep-alive"[..], b"close", b"upgrade"];
    let is_usual = |option: &[u8]| is_usual.iter().any(|one| one.eq_ignore_ascii_case(option));
    if options(said).all(is_usual) && headers.get_all(CONNECTION).iter().count() == 1 {
        return;
    }
    let named: Vec<_> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(options)
        .collect();
    let named = named
        .into_iter()
        .filter_map(|name| http::HeaderName::from_bytes(name).ok());
    // What the message's end and place depend on is never dropped on a client's word.
    let is_bound = |name: &http::HeaderName| {
        matches!(
            *name,
            http::header::HOST | CONTENT_LENGTH | TRANSFER_ENCODING | UPGRADE
        )
    };
    let named: Vec<_> = named.filter(|name| !is_bound(name)).collect();
    for name in named {
        headers.remove(name);
    }
}

/// Whether a field concerns one connection only.
fn is_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "keep-alive"
            | "proxy-connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            | "http2-settings"
    )
}

/// Whether an instance could take a field for one that says where a message ends or who sent
/// it: what follows CGI reads `_` as `-`.
fn is_alias(name: &str) -> bool {
    if !name.contains('_') {
        return false;
    }
    let name = name.replace('_', "-");
    is_hop(&name) || forwarded::is_ours(&name) || matches!(&*name, "content-length" | "host")
}

pub(super) fn drop_hops(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        drop_named(headers);
        headers.remove(CONNECTION);
    }
    for name in [
        "keep-alive",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
    ] {
        if headers.contains_key(name) {
            headers.remove(name);
        }
    }
}

/// Writes the request's head for an instance.
pub(super) fn put_request(
    output: &mut BytesMut,
    request: &Request,
    peer: &Peer,
    shared: &Shared,
) -> Coding {
    let target = request.target.as_str().as_bytes();
    output.reserve(256 + target.len());
    output.extend_from_slice(request.method.as_str().as_bytes());
    output.extend_from_slice(b" ");
    output.extend_from_slice(target);
    output.extend_from_slice(b" HTTP/1.1\r\n");
    put_field(output, "host", request.host.as_bytes());
    let is_chunked = matches!(request.framing, Framing::Chunked(_) | Framing::UntilClose);
    let drops_trace = !request.trace.passes();
    for (name, value) in &request.headers {
        let text = name.as_str();
        let is_left_out = is_hop(text)
            || forwarded::is_ours(text)
            || text == "host"
            || is_alias(text)
            || (drops_trace && matches!(text, "traceparent" | "tracestate"))
            || (request.plain && *name == ACCEPT_ENCODING)
            || (request.plain && matches!(*name, IF_NONE_MATCH | IF_MODIFIED_SINCE | RANGE))
            || (is_chunked && *name == CONTENT_LENGTH)
            || (*name == EXPECT && request.framing == Framing::None);
        if !is_left_out {
            put_field(output, text, value.as_bytes());
        }
    }
    let told = forwarded::told(
        peer,
        &shared.settings.trusted,
        &request.headers,
        &request.host,
    );
    forwarded::put(output, peer, &request.headers, &told);
    request.trace.put(output);
    if request.plain {
        output.extend_from_slice(b"accept-encoding: identity\r\n");
    }
    if request.upgrades
        && let Some(protocol) = request.headers.get(UPGRADE)
    {
        output.extend_from_slice(b"connection: upgrade\r\n");
        put_field(output, "upgrade", protocol.as_bytes());
    }
    if is_chunked {
        output.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
        Coding::Chunked
    } else {
        output.extend_from_slice(b"\r\n");
        Coding::Plain
    }
}
