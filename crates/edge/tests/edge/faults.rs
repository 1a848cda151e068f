//! Instances that fail, and clients that go away.

use std::net::TcpListener;
use std::time::Duration;

use crate::world::{Client, OK, Upstream, edge, exchange, get, settings, start};

/// An address that refuses connections.
fn refusing() -> std::net::SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

#[test]
fn what_an_instance_cuts_off_is_cut_off_for_the_client_too() {
    for (name, answer) in [
        (
            "length",
            "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf",
        ),
        (
            "chunks",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        ),
        (
            "bad chunk",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\nzz\r\n",
        ),
    ] {
        let upstream = Upstream::start(move |mut served| {
            served.request();
            served.write(answer.as_bytes());
        });
        let edge = edge(&upstream);
        let got = exchange(&edge, get("/"));
        assert!(
            got.contains("half") && !got.ends_with("0\r\n\r\n"),
            "{name}: {got}"
        );
    }
}

#[test]
fn an_instance_that_does_not_answer_well_is_answered_for() {
    for (name, answer, status) in [
        ("closes at once", Some(""), "502"),
        ("closes in the head", Some("HTTP/1.1 200 OK\r\n"), "502"),
        (
            "too many 1xx",
            Some(&*"HTTP/1.1 100 Continue\r\n\r\n".repeat(20)),
            "502",
        ),
        (
            "endless head",
            Some(&*format!(
                "HTTP/1.1 200 OK\r\n{}",
                "x: y\r\n".repeat(20_000)
            )),
            "502",
        ),
        ("never answers", None, "504"),
    ] {
        let answer = answer.map(str::to_owned);
        let upstream = Upstream::start(move |mut served| {
            served.request();
            match &answer {
                Some(answer) => served.write(answer.as_bytes()),
                None => {
                    served.exactly(1);
                }
            }
        });
        let mut settings = settings(&[upstream.address]);
        settings.routes[0].timeout = Duration::from_millis(300);
        let edge = start(settings);
        let post = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx";
        let got = exchange(&edge, post);
        // What came before the real answer has been passed on.
        let last = got.rsplit("HTTP/1.1 ").next().unwrap();
        assert!(last.starts_with(status), "{name}: {got}");
    }
}

#[test]
fn what_was_not_sent_is_sent_elsewhere_and_what_was_is_not() {
    let good = Upstream::answering(OK);
    let edge = start(settings(&[refusing(), good.address]));
    for _ in 0..6 {
        let post = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx";
        assert!(exchange(&edge, post).starts_with("HTTP/1.1 200"));
    }
    let closing = Upstream::start(|mut served| {
        served.request();
    });
    let edge = start(settings(&[closing.address, closing.address]));
    let post = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 1\r\n\r\nx";
    assert!(exchange(&edge, post).starts_with("HTTP/1.1 502"));
    assert_eq!(closing.seen().len(), 1);
    assert!(exchange(&edge, get("/")).starts_with("HTTP/1.1 502"));
    assert!(closing.seen().len() > 2, "a GET may be sent again");
}

#[test]
fn a_head_that_never_ends_is_not_waited_for() {
    // One field after the other, as fast as they are taken, and none is the last.
    let upstream = Upstream::start(|mut served| {
        served.request();
        served.write(b"HTTP/1.1 200 OK\r\n");
        served.write_until_full(b"x: y\r\n", Duration::from_secs(5));
    });
    let edge = edge(&upstream);
    let got = exchange(&edge, get("/"));
    assert!(got.starts_with("HTTP/1.1 502 "), "{got}");
}

#[test]
fn an_instance_that_stops_in_the_middle_is_not_waited_for() {
    let upstream = Upstream::start(|mut served| {
        served.request();
        served.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
        // It stays connected and says nothing more.
        served.exactly(1);
    });
    let mut settings = settings(&[upstream.address]);
    settings.routes[0].idle_timeout = Duration::from_millis(300);
    let edge = start(settings);
    let got = exchange(&edge, get("/"));
    assert!(got.contains("content-length: 10\r\n"), "{got}");
    assert!(got.ends_with("half"), "{got}");
}

#[test]
fn a_client_that_goes_in_the_middle_of_its_body_leaves_no_whole_request() {
    let upstream = Upstream::answering(OK);
    let edge = edge(&upstream);
    let mut client = Client::new(&edge);
    client.write("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n");
    upstream.wait_seen("half");
    drop(client);
    upstream.wait_closed();
    let seen = upstream.seen().concat();
    assert!(seen.ends_with("4\r\nhalf\r\n"), "{seen}");
    assert!(exchange(&edge, get("/")).ends_with("ok"));
}

#[test]
fn nobody_to_send_it_to_is_said() {
    let edge = start(settings(&[refusing()]));
    let got = exchange(&edge, get("/"));
    assert!(got.starts_with("HTTP/1.1 503 "), "{got}");
}

#[test]
fn a_kept_connection_that_the_instance_closed_costs_nothing() {
    let upstream = Upstream::start(|mut served| {
        if served.request().is_some() {
            served.write(OK.as_bytes());
        }
    });
    let edge = edge(&upstream);
    let mut client = Client::new(&edge);
    for _ in 0..20 {
        client.write("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1\r\n\r\nx");
        let answer = client.answer();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        upstream.wait_closed();
    }
}

#[test]
fn an_instance_notices_that_its_client_has_gone() {
    let upstream = Upstream::start(|mut served| {
        served.request();
        // Nothing more comes: the end of the connection.
        assert_eq!(served.exactly(1), None);
        served.report_written();
    });
    let edge = edge(&upstream);
    let mut client = Client::new(&edge);
    client.write("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
    upstream.wait_seen("\r\n\r\n");
    drop(client);
    upstream.written();
}
