//! The most of everything, and what happens there.

use std::time::Duration;

use crate::world::{Client, OK, Upstream, exchange, get, settings, start};

#[test]
fn what_is_too_large_is_refused_by_its_name() {
    let upstream = Upstream::answering(OK);
    let mut settings = settings(&[upstream.address]);
    settings.bounds.head_max = 4096;
    settings.bounds.headers_max = 20;
    settings.routes[0].body_max = 10;
    let edge = start(settings);
    let long = "x".repeat(5000);
    let many = "a: 1\r\n".repeat(25);
    for (name, request, status) in [
        ("head", format!("GET / HTTP/1.1\r\nhost: a\r\nx: {long}\r\n\r\n"), "431"),
        ("head without end", format!("GET / HTTP/1.1\r\nhost: a\r\nx: {long}"), "431"),
        ("target", format!("GET /{long} HTTP/1.1\r\nhost: a\r\n\r\n"), "431"),
        ("target without end", format!("GET /{long}"), "414"),
        ("fields", format!("GET / HTTP/1.1\r\nhost: a\r\n{many}\r\n"), "431"),
        ("body", "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 11\r\n\r\nhello world".to_owned(), "413"),
        ("chunks", "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nb\r\nhello world\r\n0\r\n\r\n".to_owned(), "413"),
    ] {
        let answer = exchange(&edge, request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{name}: {answer}");
        assert!(answer.contains("connection: close\r\n"), "{name}: {answer}");
    }
    assert!(exchange(&edge, get("/")).starts_with("HTTP/1.1 200"));
}

#[test]
fn slow_clients_are_told_or_closed() {
    let upstream = Upstream::answering(OK);
    let mut settings = settings(&[upstream.address]);
    settings.bounds.head_timeout = Duration::from_millis(300);
    settings.bounds.keep_alive = Duration::from_millis(300);
    settings.routes[0].idle_timeout = Duration::from_millis(300);
    let edge = start(settings);
    for (name, request, answer) in [
        ("nothing", "", ""),
        ("half a head", "GET / HTTP/1.1\r\nhost", "HTTP/1.1 408 "),
        (
            "half a body",
            "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nhalf",
            "HTTP/1.1 408 ",
        ),
        ("idle", "GET / HTTP/1.1\r\nhost: a\r\n\r\n", "HTTP/1.1 200 "),
    ] {
        let got = exchange(&edge, request);
        assert!(
            got.starts_with(answer) && got.is_empty() == answer.is_empty(),
            "{name}: {got}"
        );
    }
}

#[test]
fn whoever_only_begins_http2_is_closed() {
    let upstream = Upstream::answering(OK);
    let mut settings = settings(&[upstream.address]);
    settings.bounds.head_timeout = Duration::from_millis(300);
    settings.bounds.keep_alive = Duration::from_millis(300);
    let edge = start(settings);
    let preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    for (name, begun) in [
        ("half a preface", &preface[..20]),
        ("no settings", preface),
        ("settings alone", &*format!("{preface}\0\0\0\x04\0\0\0\0\0")),
        (
            "a head without end",
            &*format!("{preface}\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\0\0\0\0\x01\0"),
        ),
    ] {
        // It comes to an end, in time: the client's patience is longer than the edge's.
        let said = exchange(&edge, begun);
        assert!(!said.contains("HTTP/1.1 200"), "{name}: {said:?}");
    }
    assert!(exchange(&edge, get("/")).starts_with("HTTP/1.1 200"));
}

#[test]
fn too_many_connections_are_turned_away_politely() {
    let upstream = Upstream::answering(OK);
    let mut settings = settings(&[upstream.address]);
    settings.bounds.connections_per_address_max = 2;
    let edge = start(settings);
    let mut kept: Vec<Client> = (0..2).map(|_| Client::new(&edge)).collect();
    for client in &mut kept {
        client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        assert!(client.answer().ends_with("ok"));
    }
    let turned = Client::new(&edge).rest();
    assert!(
        turned.starts_with("HTTP/1.1 503 ") && turned.contains("retry-after: "),
        "{turned}"
    );
    kept[0].write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    assert!(kept[0].answer().ends_with("ok"));
}

#[test]
fn pages_that_stay_open_leave_the_places_of_the_pool_free() {
    let upstream = Upstream::start(|mut served| {
        while let Some(request) = served.request() {
            if request.contains("GET /events ") {
                served.write(b"HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\n\r\ndata: 1\n\n");
                return served.wait_for_word();
            }
            if request.contains("GET /socket ") {
                served.write(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nhi\n");
                return served.wait_for_word();
            }
            served.write(OK.as_bytes());
        }
    });
    let mut settings = settings(&[upstream.address]);
    // One place, and nobody waits for long.
    settings.pools[0].limit.adaptive = false;
    settings.pools[0].limit.max = 1;
    settings.pools[0].queue.timeout = Duration::from_millis(200);
    let edge = start(settings);
    let mut open = Vec::new();
    for (path, fields, end) in [
        ("events", "", "data: 1\n\n"),
        ("socket", "connection: upgrade\r\nupgrade: x\r\n", "hi\n"),
        ("events", "", "data: 1\n\n"),
    ] {
        let mut client = Client::new(&edge);
        client.write(format!("GET /{path} HTTP/1.1\r\nhost: a\r\n{fields}\r\n"));
        client.until(end);
        open.push(client);
        assert!(
            exchange(&edge, get("/")).starts_with("HTTP/1.1 200 "),
            "{path}"
        );
    }
    (0..3).for_each(|_| upstream.say());
}

#[test]
fn a_crowd_at_the_limit_is_told_and_those_inside_go_on() {
    const INSIDE: usize = 20;
    let upstream = Upstream::answering(OK);
    let mut settings = settings(&[upstream.address]);
    settings.bounds.connections_max = INSIDE;
    let edge = start(settings);
    let request = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello";
    let mut inside: Vec<Client> = (0..INSIDE).map(|_| Client::new(&edge)).collect();
    let mut serve_inside = || {
        for client in &mut inside {
            client.write(request);
            assert!(client.answer().ends_with("ok"));
        }
    };
    serve_inside();
    // 3,000 come, 200 at a time, and ask before they read, as clients do.
    for _ in 0..15 {
        let mut crowd: Vec<Client> = (0..200).map(|_| Client::new(&edge)).collect();
        for client in &mut crowd {
            client.write(request);
        }
        serve_inside();
        for client in &mut crowd {
            let (told, is_reset) = client.rest_of_bytes();
            let told = String::from_utf8_lossy(&told).into_owned();
            let is_polite = told.starts_with("HTTP/1.1 503 ") && told.contains("retry-after: ");
            assert!(is_polite && told.ends_with("moment.\n"), "{told:?}");
            assert!(!is_reset, "the answer could have been lost");
        }
    }
    serve_inside();
    drop(inside);
    // Their places are free again, once the edge has seen them go.
    let until = std::time::Instant::now() + crate::world::PATIENCE;
    while !exchange(&edge, get("/")).starts_with("HTTP/1.1 200 ") {
        assert!(std::time::Instant::now() < until, "no place became free");
    }
}
