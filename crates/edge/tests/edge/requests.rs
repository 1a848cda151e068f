//! Requests on their way to an instance, and answers on their way back.

use crate::world::{Client, OK, Upstream, edge, exchange, get};

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
    edge.join();
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
    assert_eq!(upstream.seen().len(), 1);
    edge.join();
}
