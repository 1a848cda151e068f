//! Everything that is read from a wire, given what nobody would write: it may refuse, it may
//! not panic, and however the bytes are cut, they are read alike.
//!
//! Inputs are real ones, broken by a seeded hand: the same seed breaks them the same way.
//! `EVENKEEL_FUZZ_SEED` and `EVENKEEL_FUZZ_ROUNDS` make a longer night of it, as in
//! `evenkeel/tests/fuzz.rs`: `EVENKEEL_FUZZ_ROUNDS=1000000 cargo test -p evenkeel-edge fuzz`.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::BytesMut;
use evenkeel_core::edge::EdgePlan;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use crate::client::Peer;
use crate::settings::{Identity, Network, Source};
use crate::trace::Trace;
use crate::traffic::identity::{self, Names};
use crate::traffic::routes::normal;
use crate::wire::{Begun, Decoded, Framing, HeadBounds, parse_answer, parse_request};
use crate::{forwarded, pages, proxy, proxy_protocol};

/// Pieces that parsers trip over.
const PIECES: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\r\n\r\n",
    b"\0",
    b" ",
    b"\t",
    b":",
    b";",
    b",",
    b"=",
    b"\"",
    b"\\",
    b"%",
    b"%2f",
    b"%00",
    b"..",
    b"//",
    b"@",
    b"[::1]",
    b"*",
    b"-1",
    b"+1",
    b"0x1",
    b"ffffffffffffffff",
    b"18446744073709551616",
    b"\xff",
    b"\xc3\xa0",
    b"Host: b\r\n",
    b"Content-Length: 1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"HTTP/1.1",
    b"HTTP/1.0",
    b"chunked",
    b"\x0b",
    b"\x7f",
];

fn number(name: &str, default: u64) -> u64 {
    let said = std::env::var(name).ok();
    said.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// One input, broken in a few places.
fn broken(random: &mut fastrand::Rng, corpus: &[&[u8]]) -> Vec<u8> {
    let mut input = corpus[random.usize(..corpus.len())].to_vec();
    for _ in 0..random.usize(1..6) {
        let at = random.usize(..=input.len());
        match random.u8(..7) {
            0 if at < input.len() => input[at] ^= 1 << random.u8(..8),
            1 => input.truncate(at),
            2 => {
                let end = (at + random.usize(..16)).min(input.len());
                input.drain(at..end);
            }
            3 => {
                let end = (at + random.usize(..64)).min(input.len());
                let copy = input[at..end].to_vec();
                input.splice(at..at, copy);
            }
            4 => {
                let other = corpus[random.usize(..corpus.len())];
                let from = random.usize(..=other.len());
                let piece = &other[from..(from + 64).min(other.len())];
                input.splice(at..at, piece.iter().copied());
            }
            5 => input.insert(at, random.u8(..)),
            _ => {
                let piece = PIECES[random.usize(..PIECES.len())];
                input.splice(at..at, piece.iter().copied());
            }
        }
    }
    input
}

/// Gives `target` the corpus as it is, and then broken; says which input it died of.
fn fuzz(name: &str, rounds: u64, corpus: &[&[u8]], mut target: impl FnMut(&[u8])) {
    let seed = number("EVENKEEL_FUZZ_SEED", 1);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut give = |input: &[u8], round: u64| {
        let died = catch_unwind(AssertUnwindSafe(|| target(input))).is_err();
        let text = String::from_utf8_lossy(input);
        assert!(
            !died,
            "{name} died in round {round} of seed {seed}, of {text:?}"
        );
    };
    corpus.iter().for_each(|input| give(input, 0));
    for round in 1..=number("EVENKEEL_FUZZ_ROUNDS", rounds) {
        give(&broken(&mut random, corpus), round);
    }
}

const BOUNDS: HeadBounds = HeadBounds {
    bytes: 2048,
    fields: 32,
};

/// What a connection was read as: one line for each thing.
type Read = Vec<String>;

/// Reads a connection that comes in pieces, as its task does.
fn read_whole(
    text: &[u8],
    step: usize,
    mut head: impl FnMut(&mut BytesMut, &mut Read) -> Option<Option<Framing>>,
) -> Read {
    let (mut input, mut read, mut rest) = (BytesMut::new(), Vec::new(), text);
    let (mut framing, mut body) = (None::<Framing>, Vec::new());
    loop {
        let goes_on = match &mut framing {
            None => match head(&mut input, &mut read) {
                None => return read,
                Some(None) => false,
                Some(found) => {
                    framing = found;
                    true
                }
            },
            Some(known) => match known.decode(&mut input) {
                Ok(Decoded::Data(data)) => {
                    assert!(!data.is_empty(), "a piece of nothing");
                    body.extend_from_slice(&data);
                    true
                }
                Ok(Decoded::More) => false,
                Ok(end) => {
                    let trailers = match end {
                        Decoded::Trailers(fields) => format!("{fields:?}"),
                        _ => String::new(),
                    };
                    read.push(format!("{body:?} {trailers}"));
                    body.clear();
                    framing = None;
                    true
                }
                Err(_) => {
                    read.push("bad body".to_owned());
                    return read;
                }
            },
        };
        if !goes_on {
            if rest.is_empty() {
                read.push(format!("open after {body:?}"));
                return read;
            }
            let (piece, after) = rest.split_at(step.min(rest.len()));
            input.extend_from_slice(piece);
            rest = after;
        }
    }
}

#[test]
fn requests_are_read_alike_however_they_are_cut() {
    let corpus: &[&[u8]] = &[
        b"GET /a?b=c HTTP/1.1\r\nHost: a.example:80\r\nAccept: */*\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.0\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a=\"b\"\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\nGET / HTTP/1.1\r\nhost: b\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: [::1]\r\nConnection: close, x\r\n\r\n",
        b"GET http://a.example/x HTTP/1.1\r\nHost: b\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ];
    let read = |text: &[u8], step| {
        let mut begun = Begun::default();
        read_whole(text, step, |input, read| {
            match parse_request(input, &mut begun, BOUNDS) {
                Ok(Some(head)) => {
                    let headers = &head.headers;
                    let lengths = headers.get_all(http::header::CONTENT_LENGTH).iter().count();
                    let codings = headers
                        .get_all(http::header::TRANSFER_ENCODING)
                        .iter()
                        .count();
                    assert!(lengths + codings <= 1, "two ways to end");
                    let target = head.target.as_str();
                    assert!(target == "*" || target.starts_with(['/', '?']), "{target}");
                    assert!(target.is_ascii() && !target.contains([' ', '\r', '\n']));
                    read.push(format!(
                        "{} {target} {headers:?} {:?}",
                        head.method, head.framing
                    ));
                    Some(Some(head.framing))
                }
                Ok(None) => Some(None),
                Err(_) => {
                    read.push("bad head".to_owned());
                    None
                }
            }
        })
    };
    fuzz("requests", 6000, corpus, |input| {
        assert_eq!(read(input, usize::MAX), read(input, 1));
        assert_eq!(read(input, usize::MAX), read(input, 7));
    });
}

#[test]
fn answers_are_read_alike_however_they_are_cut() {
    let corpus: &[&[u8]] = &[
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.0 200\r\nSet-Cookie: a=b\r\n\r\nuntil it ends",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ];
    let read = |text: &[u8], step| {
        let mut scanned = 0;
        read_whole(text, step, |input, read| {
            match parse_answer(input, &mut scanned, BOUNDS, false) {
                Ok(Some(head)) => {
                    read.push(format!(
                        "{} {:?} {:?}",
                        head.status, head.headers, head.framing
                    ));
                    Some(Some(head.framing))
                }
                Ok(None) => Some(None),
                Err(_) => {
                    read.push("bad head".to_owned());
                    None
                }
            }
        })
    };
    fuzz("answers", 6000, corpus, |input| {
        assert_eq!(read(input, usize::MAX), read(input, 1));
    });
}

#[test]
fn proxy_headers_end_where_they_say() {
    let mut newer =
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x01\x02\x03\x04\x09\x09\x09\x09\x12\x34\0\x50"
            .to_vec();
    newer.extend_from_slice(b"GET");
    let corpus: &[&[u8]] = &[
        b"PROXY TCP4 1.2.3.4 9.9.9.9 4660 80\r\nGET",
        b"PROXY TCP6 2001:db8::1 ::2 80 443\r\nGET",
        b"PROXY UNKNOWN\r\nGET",
        &newer,
    ];
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.build().unwrap();
    fuzz("PROXY headers", 20_000, corpus, |input| {
        let mut rest = input;
        let read = runtime.block_on(proxy_protocol::read(&mut rest));
        let taken = input.len() - rest.len();
        if read.is_ok() && input.starts_with(b"PROXY") {
            assert!(input[..taken].ends_with(b"\r\n") && taken <= 107);
        }
    });
}

/// Headers whose values are the lines of an input.
fn headers(input: &[u8], names: &[&'static str]) -> HeaderMap {
    let lines = input.split(|byte| *byte == b'\n').zip(names.iter().cycle());
    let fields = lines.filter_map(|(line, name)| {
        let value = HeaderValue::from_bytes(line).ok()?;
        Some((HeaderName::from_static(name), value))
    });
    let mut headers = HeaderMap::new();
    fields
        .take(16)
        .for_each(|(name, value)| _ = headers.append(name, value));
    headers
}

#[test]
fn tenants_sessions_and_cookies_are_found_or_not() {
    let corpus: &[&[u8]] = &[
        b"a=b; tenant=\"acme\"; session=1\nacme\nx=y;tenant=acme",
        b"tenant=;tenant=acme; =;;\n\nsession=\"\"",
        b"tenant=\"; session=\"a\n acme \nACME.example.com:8443",
    ];
    let sources = |name: &str| {
        vec![
            Source::Cookie(name.to_owned()),
            Source::Header("x-tenant".to_owned()),
            Source::HostLabel(0),
            Source::PathSegment(1),
        ]
    };
    let names = Names::new(&Identity {
        tenant: sources("tenant"),
        session: sources("session"),
        salt: [7; 16],
    });
    fuzz("identity", 20_000, corpus, |input| {
        let headers = headers(input, &["cookie", "x-tenant"]);
        let text = String::from_utf8_lossy(input);
        let path = normal(&text);
        let tenant = names.tenant(&text, &path, &headers);
        assert_eq!(tenant, names.tenant(&text, &path, &headers));
        if tenant != identity::NOBODY {
            assert_ne!(tenant, names.session(&text, &path, &headers));
        }
        assert_eq!(identity::read(&identity::written(tenant)), Some(tenant));
        let _there = identity::cookie(&headers, "tenant");
        let _there = proxy::cookie(&headers, "tenant");
        let _hash = identity::read(&text);
    });
}

#[test]
fn what_was_brought_to_its_normal_form_stays_as_it_is() {
    let corpus: &[&[u8]] = &[
        b"/a/b/../c;d=e/./f//g",
        b"/%61%2f%2e%2e/%252e/\\x/..;/admin",
        b"/..%2f..%00/%c3%a0",
    ];
    fuzz("paths", 20_000, corpus, |input| {
        let path = format!("/{}", String::from_utf8_lossy(input));
        let once = normal(&path);
        assert!(once.starts_with('/'), "{path:?}: {once:?}");
        let segments = once.split('/');
        assert!(
            !segments.clone().any(|one| one == ".." || one == "."),
            "{path:?}: {once:?}"
        );
    });
}

#[test]
fn what_fields_say_of_languages_traces_and_clients_is_believed_or_not() {
    let corpus: &[&[u8]] = &[
        b"de-CH,de;q=0.9,en;q=0.8,*;q=0.5",
        b"en;q=1.0000001, ;q=, pl;q=-1",
        b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        b"for=192.0.2.60;proto=https;by=203.0.113.43, for=\"[2001:db8::1]:80\"",
        b"6.6.6.6, 10.0.0.7:80, [::1]",
    ];
    let trusted = [Network {
        address: [10, 0, 0, 0].into(),
        prefix: 8,
    }];
    let texts = [("de", "ja"), ("pl", "tak")].map(|(tag, text)| (tag.to_owned(), text.to_owned()));
    let texts = texts.into_iter().collect();
    fuzz("fields", 20_000, corpus, |input| {
        let names = [
            "accept-language",
            "traceparent",
            "forwarded",
            "x-forwarded-for",
            "x-forwarded-host",
        ];
        for shift in 0..names.len() {
            let mut names = names;
            names.rotate_left(shift);
            let headers = headers(input, &names);
            assert!(pages::text_for(&headers, &texts).is_some());
            let mut output = BytesMut::new();
            Trace::of(&headers, false).put(&mut output);
            let peer = Peer {
                address: ([10, 0, 0, 1], 1).into(),
                is_trusted: true,
                is_encrypted: false,
                redirects: false,
            };
            let host = HeaderValue::from_static("a.example");
            let told = forwarded::told(&peer, &trusted, &headers, &host);
            forwarded::put(&mut output, &peer, &headers, &told);
            // What goes on is fields, one a line, and can be read again.
            let line = b"GET / HTTP/1.1\r\nhost: a\r\n";
            let mut head = BytesMut::from(&[line, &output[..], b"\r\n"].concat()[..]);
            let bounds = HeadBounds {
                bytes: 1 << 20,
                fields: 64,
            };
            let head = parse_request(&mut head, &mut Begun::default(), bounds)
                .unwrap()
                .unwrap();
            assert_eq!(head.method, Method::GET);
        }
    });
}

#[test]
fn plans_are_read_or_refused() {
    let plan = serde_json::to_vec(&EdgePlan::default()).unwrap();
    let full = br#"{"revision":7,"pools":{"web":{"drain":["web-2"],"weights":{"web-1":50},
        "hold":{"since":"2026-11-21T00:00:00Z","reason":"x"},"concurrency_max":5,
        "canary":{"instances":["web-1"],"share_permille":100},
        "mirror":{"to":"next","share_permille":10}}},
        "off":{"documents":{"since":"2026-11-21T00:00:00Z","reason":"x","texts":{"en":"Back"}}},
        "banner":{"id":"b","texts":{"en":"Slow"},"tenants":["00000000000000ff"]},
        "tenants":{"00000000000000ff":{"requests_per_s_max":3}}}"#;
    serde_json::from_slice::<EdgePlan>(full).expect("a good plan");
    let corpus: &[&[u8]] = &[
        &plan,
        full,
        b"{\"plan\":{}}",
        b"[[[[",
        b"{\"revision\":1e999}",
    ];
    fuzz("plans", 6000, corpus, |input| {
        if let Ok(plan) = serde_json::from_slice::<EdgePlan>(input) {
            let text = serde_json::to_vec(&plan).unwrap();
            assert_eq!(serde_json::from_slice::<EdgePlan>(&text).unwrap(), plan);
        }
    });
}
