//! Requests on their way to an instance, and answers on their way back.

use std::time::Duration;

use evenkeel_edge::settings::Network;

use crate::world::{Client, OK, Upstream, edge, exchange, get, settings, start};

#[test]
fn a_request_goes_to_the_instance_and_its_answer_comes_back() {
    let upstream = Upstream::answering(OK);
    let edge = edge(&upstream);
    let answer = exchange(&edge, get("/a?b=c"));
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nok"), "{answer}");
    let seen = upstream.seen().concat();
    assert!(
        seen.starts_with("GET /a?b=c HTTP/1.1\r\nhost: a.example\r\n"),
        "{seen}"
    );
    assert!(seen.contains("x-forwarded-for: 127.0.0.1\r\n"), "{seen}");
    assert!(!seen.contains("connection:"), "{seen}");
}

#[test]
fn connections_are_used_again_on_both_sides() {
    let upstream = Upstream::answering(OK);
    let edge = edge(&upstream);
    let mut client = Client::new(&edge);
    for _ in 0..5 {
        client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        assert!(client.answer().ends_with("ok"));
    }
    // Several at once are answered in their order.
    client.write("GET /1 HTTP/1.1\r\nhost: a\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(client.answer().ends_with("ok") && client.answer().ends_with("ok"));
    assert_eq!(upstream.seen().len(), 1);
}

#[test]
fn what_concerns_one_connection_only_is_not_passed_on() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive, x-mine\r\n\
        keep-alive: timeout=5\r\nx-mine: 1\r\nproxy-connection: x\r\nx-theirs: 2\r\n\r\nok";
    let upstream = Upstream::answering(answer);
    let edge = edge(&upstream);
    let answer = exchange(
        &edge,
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close, X-Secret\r\nX-Secret: 1\r\nTE: gzip\r\n\
         Keep-Alive: 5\r\nProxy-Connection: x\r\nUpgrade: h2c\r\nX-Kept: 2\r\n\r\n",
    );
    let seen = upstream.seen().concat();
    for name in [
        "x-secret",
        "te:",
        "keep-alive",
        "proxy-connection",
        "upgrade",
        "connection:",
    ] {
        assert!(!seen.contains(name), "{name} in {seen}");
    }
    assert!(seen.contains("x-kept: 2\r\n"), "{seen}");
    for name in ["x-mine", "keep-alive", "proxy-connection"] {
        assert!(!answer.contains(name), "{name} in {answer}");
    }
    assert!(answer.contains("x-theirs: 2\r\n") && answer.contains("connection: close\r\n"));
}

#[test]
fn only_trusted_peers_are_believed_where_a_request_comes_from() {
    let upstream = Upstream::answering(OK);
    let request = "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx-forwarded-for: 9.9.9.9\r\n\
        x-forwarded-proto: https\r\nx-forwarded-host: b.example\r\nforwarded: for=9.9.9.9\r\n\
        x-real-ip: 9.9.9.9\r\n\r\n";
    let mut settings = settings(&[upstream.address]);
    exchange(&start(settings.clone()), request);
    let seen = upstream.seen().concat();
    assert!(
        !seen.contains("9.9.9.9") && !seen.contains("b.example"),
        "{seen}"
    );
    assert!(
        seen.contains("x-forwarded-proto: http\r\nx-forwarded-host: a\r\n"),
        "{seen}"
    );
    settings.trusted = vec![Network {
        address: [127, 0, 0, 0].into(),
        prefix: 8,
    }];
    exchange(&start(settings), request);
    let seen = upstream.seen().pop().unwrap();
    assert!(
        seen.contains("x-forwarded-for: 9.9.9.9, 127.0.0.1\r\n"),
        "{seen}"
    );
    assert!(seen.contains("x-forwarded-proto: https\r\nx-forwarded-host: b.example\r\n"));
    assert!(
        seen.contains("forwarded: for=9.9.9.9, for=127.0.0.1\r\n"),
        "{seen}"
    );
}

/// The answer to a method, and what comes after it on the same connection.
#[test]
fn answers_without_a_body_end_where_they_should() {
    for (method, answer, kept) in [
        (
            "HEAD",
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n",
            "content-length: 5",
        ),
        (
            "HEAD",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "200",
        ),
        ("GET", "HTTP/1.1 204 No Content\r\n\r\n", "204"),
        (
            "GET",
            "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n",
            "content-length: 5",
        ),
        (
            "GET",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "content-length: 0",
        ),
        (
            "GET",
            "HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
            "103",
        ),
    ] {
        let upstream = Upstream::answering(answer);
        let edge = edge(&upstream);
        let mut client = Client::new(&edge);
        for last in ["", "connection: close\r\n"] {
            client.write(format!("{method} / HTTP/1.1\r\nhost: a\r\n{last}\r\n"));
        }
        let answers = client.rest();
        let count = answers.matches("HTTP/1.1 ").count();
        assert_eq!(
            count,
            2 * answer.matches("HTTP/1.1").count(),
            "{method} {answer}: {answers}"
        );
        assert!(
            answers.contains(kept) && answers.ends_with("\r\n\r\n"),
            "{answers}"
        );
    }
}

#[test]
fn bodies_go_both_ways_in_chunks_with_trailers() {
    let upstream = Upstream::start(|mut served| {
        let head = served.until(b"\r\n\r\n").unwrap();
        assert!(String::from_utf8_lossy(&head).contains("transfer-encoding: chunked"));
        served.until(b"x-sum: 1\r\n\r\n").unwrap();
        served.write(
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-end\r\n\r\n\
              3\r\nabc\r\n3;ext=1\r\ndef\r\n0\r\nx-end: yes\r\n\r\n",
        );
    });
    let edge = edge(&upstream);
    let answer = exchange(
        &edge,
        "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n\
         5\r\nhello\r\n1\r\n!\r\n0\r\nx-sum: 1\r\ncontent-length: 5\r\n\r\n",
    );
    let seen = upstream.seen().concat();
    assert!(
        seen.ends_with("5\r\nhello\r\n1\r\n!\r\n0\r\nx-sum: 1\r\n\r\n"),
        "{seen}"
    );
    assert!(
        answer.ends_with("3\r\nabc\r\n3\r\ndef\r\n0\r\nx-end: yes\r\n\r\n"),
        "{answer}"
    );
}

#[test]
fn an_answer_that_ends_with_its_connection_is_passed_on_whole() {
    let upstream = Upstream::start(|mut served| {
        served.request();
        served.write(b"HTTP/1.1 200 OK\r\n\r\nabc");
    });
    let edge = edge(&upstream);
    let new = exchange(&edge, get("/"));
    assert!(new.ends_with("\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), "{new}");
    let old = exchange(&edge, "GET / HTTP/1.0\r\n\r\n");
    assert!(
        old.ends_with("\r\n\r\nabc") && old.contains("connection: close"),
        "{old}"
    );
}

#[test]
fn a_client_that_asks_before_it_sends_gets_the_instances_word() {
    let upstream = Upstream::start(|mut served| {
        let head = served.until(b"\r\n\r\n").unwrap();
        assert!(String::from_utf8_lossy(&head).contains("expect: 100-continue"));
        served.write(b"HTTP/1.1 100 Continue\r\n\r\n");
        assert_eq!(served.exactly(5).unwrap(), b"hello");
        served.write(OK.as_bytes());
    });
    let edge = edge(&upstream);
    let mut client = Client::new(&edge);
    client.write("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n");
    assert_eq!(client.until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    client.write("hello");
    assert!(client.answer().ends_with("ok"));
    // Refused before: the body is never asked for, the connection ends.
    let strict = Upstream::start(|mut served| {
        served.until(b"\r\n\r\n");
        served.write(b"HTTP/1.1 417 Expectation Failed\r\ncontent-length: 0\r\n\r\n");
    });
    let edge = crate::world::edge(&strict);
    let mut client = Client::new(&edge);
    client.write("PUT / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n");
    let answer = client.rest();
    assert!(
        answer.starts_with("HTTP/1.1 417") && answer.contains("connection: close"),
        "{answer}"
    );
}

#[test]
fn pieces_are_passed_on_as_they_come() {
    let upstream = Upstream::start(|mut served| {
        served.request();
        served.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n");
        // Each waits until the client has had the one before.
        for number in 0..3 {
            served.write(format!("data: {number}\n\n").as_bytes());
            served.wait_for_word();
        }
    });
    let edge = edge(&upstream);
    let mut client = Client::new(&edge);
    client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    for number in 0..3 {
        assert!(client.until("\n\n").contains(&format!("data: {number}")));
        upstream.say();
    }
}

#[test]
fn a_reader_who_does_not_read_stops_the_writer() {
    let upstream = Upstream::start(|mut served| {
        served.request();
        let piece = vec![b'x'; 64 * 1024];
        served.write(b"HTTP/1.1 200 OK\r\ncontent-length: 268435456\r\n\r\n");
        served.write_until_full(&piece, Duration::from_millis(300));
        served.report_written();
    });
    let edge = edge(&upstream);
    let mut client = Client::new(&edge);
    client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    client.until("\r\n\r\n");
    // The kernel's buffers on the way take some megabytes, the edge next to nothing.
    let written = upstream.written();
    assert!(written < 64 << 20, "{written}");
}

#[test]
fn an_upgraded_connection_carries_anything_both_ways() {
    let upstream = Upstream::start(|mut served| {
        let head = served.until(b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&head).into_owned();
        assert!(
            head.contains("connection: upgrade\r\nupgrade: websocket\r\n"),
            "{head}"
        );
        served.write(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nhi");
        while let Some(word) = served.exactly(4) {
            served.write(&word);
        }
    });
    let edge = edge(&upstream);
    let mut client = Client::new(&edge);
    client.write(
        "GET / HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n\0\x01\r\n",
    );
    let head = client.until("\r\n\r\n");
    assert!(
        head.starts_with("HTTP/1.1 101 ") && head.contains("upgrade: websocket"),
        "{head}"
    );
    assert_eq!(client.until("\r\n"), "hi\0\u{1}\r\n");
    client.write("ping");
    client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(client.rest(), "ping");
}

#[test]
fn a_sticky_cookie_is_set_once() {
    let upstream = Upstream::answering(OK);
    let mut settings = settings(&[upstream.address]);
    settings.pools[0].sticky_cookie = Some("at".into());
    let edge = start(settings);
    let answer = exchange(&edge, get("/"));
    let cookie = answer
        .lines()
        .find_map(|line| line.strip_prefix("set-cookie: "));
    let cookie = cookie.and_then(|cookie| cookie.split(';').next()).unwrap();
    let again =
        format!("GET / HTTP/1.1\r\nhost: a\r\ncookie: {cookie}\r\nconnection: close\r\n\r\n");
    assert!(!exchange(&edge, again).contains("set-cookie"));
}

#[test]
fn a_trace_is_passed_on_and_nonsense_is_not() {
    let upstream = Upstream::answering(OK);
    let edge = edge(&upstream);
    let whole = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    for (value, passes) in [(whole, true), ("00-x", false)] {
        exchange(
            &edge,
            format!(
                "GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntraceparent: {value}\r\ntracestate: a=1\r\n\r\n"
            ),
        );
        let seen = upstream.seen().concat();
        let last = seen.rsplit("GET /").next().unwrap();
        assert_eq!(last.contains("tracestate"), passes, "{last}");
        assert_eq!(
            last.contains(&format!("traceparent: {value}")),
            passes,
            "{last}"
        );
    }
}
