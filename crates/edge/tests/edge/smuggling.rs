//! Requests that two readers could read differently. Each is written raw to an edge in
//! front of an instance that records what arrives: that has to be one clean request, or
//! none, and the client is refused and cut off where the end of its request is in doubt.

use crate::world::{OK, Upstream, edge, exchange};

/// A request, the status it is answered, and how many requests arrive at the instance.
type Attack = (&'static str, &'static [u8], &'static str, usize);

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";

const ATTACKS: &[Attack] = &[
    ("length and coding", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG", "400", 0),
    ("coding and length", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\nG", "400", 0),
    ("two lengths", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "400", 0),
    ("two equal lengths", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", "400", 0),
    ("lengths in a list", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\na", "400", 0),
    ("signed length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na", "400", 0),
    ("negative length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\na", "400", 0),
    ("length in hex", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\na", "400", 0),
    ("length beyond everything", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551617\r\n\r\na", "400", 0),
    ("empty length", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\na", "400", 0),
    ("length with a space inside", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 0\r\n\r\na", "400", 0),
    ("length with a space before the colon", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 1\r\n\r\na", "400", 0),
    ("coding with a space before the colon", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "400", 0),
    ("another coding", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "400", 0),
    ("identity", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nContent-Length: 1\r\n\r\na", "400", 0),
    ("coding twice", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400", 0),
    ("chunked, chunked", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", "400", 0),
    ("xchunked", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "400", 0),
    ("chunked with vertical tab", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", "400", 0),
    ("chunked quoted", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", "400", 0),
    ("coding in HTTP/1.0", b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "400", 0),
    ("folded coding", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", "400", 0),
    ("folded field", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n 2\r\n\r\n", "400", 0),
    ("folded with a tab", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\n\t2\r\n\r\n", "400", 0),
    ("space before the first field", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", "400", 0),
    ("bare LF after a field", b"GET / HTTP/1.1\r\nHost: a\nX-A: 1\r\n\r\n", "400", 0),
    ("bare LF throughout", b"GET / HTTP/1.1\nHost: a\n\n", "400", 0),
    ("bare LF at the end", b"GET / HTTP/1.1\r\nHost: a\r\n\n", "400", 0),
    ("bare CR in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\rX-B: 2\r\n\r\n", "400", 0),
    ("bare CR at the end", b"GET / HTTP/1.1\r\nHost: a\r\n\rX\r\n\r\n", "400", 0),
    ("NUL in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\x002\r\n\r\n", "400", 0),
    ("NUL in a name", b"GET / HTTP/1.1\r\nHost: a\r\nX\x00A: 1\r\n\r\n", "400", 0),
    ("no colon", b"GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n", "400", 0),
    ("no name", b"GET / HTTP/1.1\r\nHost: a\r\n: 1\r\n\r\n", "400", 0),
    ("two hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "400", 0),
    ("no host", b"GET / HTTP/1.1\r\nX-A: 1\r\n\r\n", "400", 0),
    ("host with a slash", b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", "400", 0),
    ("host with a user", b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", "400", 0),
    ("host with a space", b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400", 0),
    ("space in the target", b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "400", 0),
    ("two spaces", b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "400", 0),
    ("tab for a space", b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", "400", 0),
    ("relative target", b"GET a HTTP/1.1\r\nHost: a\r\n\r\n", "400", 0),
    ("target of another scheme", b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "400", 0),
    ("target with a user", b"GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", "400", 0),
    ("letters beyond ASCII in the target", b"GET /\xc3\xa0 HTTP/1.1\r\nHost: a\r\n\r\n", "400", 0),
    ("CONNECT", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", "405", 0),
    ("HTTP/0.9", b"GET /\r\n\r\n", "400", 0),
    ("HTTP/2 in a line", b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505", 0),
    ("HTTP/1.2", b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", "505", 0),
    ("lower case version", b"GET / http/1.1\r\nHost: a\r\n\r\n", "400", 0),
    ("TLS where none is spoken", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400", 0),
    // From here on the instance has the head already when the body turns out bad.
    ("chunk size with 0x", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", "400", 1),
    ("chunk size with a sign", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n+5\r\nhello\r\n0\r\n\r\n", "400", 1),
    ("chunk size beyond everything", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000005\r\nhello\r\n0\r\n\r\n", "400", 1),
    ("chunk line with bare LF", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", "400", 1),
    ("chunk longer than said", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloo\r\n0\r\n\r\n", "400", 1),
    ("chunk extension with bare CR", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;a\rb\r\nhello\r\n0\r\n\r\n", "400", 1),
    ("chunk extension without a name", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;\r\nhello\r\n0\r\n\r\n", "400", 1),
    ("trailer with a space before the colon", b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-A : 1\r\n\r\n", "400", 1),
];

#[test]
fn what_two_readers_could_read_differently_is_refused() {
    for (name, bytes, status, arrived) in ATTACKS {
        let upstream = Upstream::answering(OK);
        let edge = edge(&upstream);
        let bytes = [bytes, SMUGGLED.as_bytes()].concat();
        let answer = exchange(&edge, bytes);
        let expected = format!("HTTP/1.1 {status} ");
        assert!(answer.starts_with(&expected), "{name}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{name}: {answer}");
        assert!(answer.contains("connection: close\r\n"), "{name}: {answer}");
        drop(edge);
        let seen = upstream.seen().concat();
        assert!(!seen.contains("smuggled"), "{name}: {seen}");
        assert!(
            seen.matches("HTTP/1.1\r\n").count() <= *arrived,
            "{name}: {seen}"
        );
    }
}

#[test]
fn what_only_looks_odd_arrives_as_one_clean_request() {
    for (name, bytes, line) in [
        (
            "absolute target",
            "GET http://b.example/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "GET /x HTTP/1.1\r\nhost: b.example\r\n",
        ),
        (
            "names that CGI takes for others",
            "POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent_Length: 9\r\nX_Forwarded_For: 9.9.9.9\r\nA_b: 1\r\nContent-Length: 1\r\n\r\na",
            "POST /x HTTP/1.1\r\nhost: a\r\na_b: 1\r\ncontent-length: 1\r\nx-forwarded-for: 127.0.0.1\r\n",
        ),
        (
            "empty lines before",
            "\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "GET /x HTTP/1.1\r\nhost: a\r\n",
        ),
        (
            "Chunked in capitals",
            "POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: CHUNKED\r\n\r\n1\r\na\r\n0\r\n\r\n",
            "transfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        ),
        (
            "leading zeros",
            "POST /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n00001\r\na\r\n000\r\n\r\n",
            "\r\n\r\n1\r\na\r\n0\r\n\r\n",
        ),
        (
            "Connection names the length",
            "POST /x HTTP/1.1\r\nHost: a\r\nConnection: close, content-length, host\r\nContent-Length: 1\r\n\r\na",
            "content-length: 1\r\n",
        ),
        (
            "options for all",
            "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\n",
        ),
        (
            "a method of their own",
            "PURGE /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "PURGE /x HTTP/1.1\r\n",
        ),
    ] {
        let upstream = Upstream::answering(OK);
        let edge = edge(&upstream);
        let answer = exchange(&edge, bytes);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{name}: {answer}");
        let seen = upstream.seen().concat();
        assert!(seen.contains(line), "{name}: {seen}");
        assert_eq!(seen.matches(" HTTP/1.1\r\n").count(), 1, "{name}: {seen}");
        assert_eq!(seen.matches("\r\nhost: ").count(), 1, "{name}: {seen}");
    }
}

#[test]
fn an_answer_that_could_be_read_differently_never_reaches_the_client() {
    for answer in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx: 1\r\n folded\r\n\r\nok",
        "HTTP/1.1 200 OK\ncontent-length: 2\n\nok",
        "HTTP/1.1 2000 OK\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/3 200 OK\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\nhello",
        "garbage",
        "\0\0\0\0\0\0",
    ] {
        let upstream = Upstream::answering(answer);
        let edge = edge(&upstream);
        let got = exchange(
            &edge,
            "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
        );
        assert!(got.starts_with("HTTP/1.1 502 "), "{answer:?}: {got}");
    }
}
