//! HTTP: what an answer must be, and peers that stall, drip, never end or answer garbage.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::observation::CheckOutcome;
use evenkeel_guards::checks::{
    Body, Capture, Journey, JsonClaim, Probe, Secret, StatusSet, Step, Template, Trust,
};
use hyper::Method;
use hyper::header::HeaderName;
use tokio::io::AsyncWriteExt;

use super::peer::{Peer, answer, request, say_and_stall};
use super::{check, failed, impatient, passed, steps, tried};

fn get(peer: &Peer) -> Step {
    Step::get(&peer.url("/"))
}

#[tokio::test]
async fn passes_when_all_that_is_claimed_holds() {
    let body = "{\"status\": \"ok\", \"queue\": 3}";
    let peer = Peer::answering(answer("200 OK", "", body)).await;
    let mut step = get(&peer);
    step.json = vec![
        JsonClaim::parse("/status == ok").expect("a claim"),
        JsonClaim::parse("/queue < 10").expect("a claim"),
    ];
    step.contains = vec![Template::parse("queue")];
    step.not_contains = vec![Template::parse("error")];
    passed(&tried(&check(steps(vec![step]))).await);
}

#[tokio::test]
async fn says_in_a_sentence_what_does_not_hold() {
    let peer = Peer::answering(answer("503 Service Unavailable", "", "no")).await;
    let account = tried(&check(steps(vec![get(&peer)]))).await;
    assert_eq!(
        failed(&account),
        "answered 503 (Service Unavailable), expected 200-299"
    );

    let peer = Peer::answering(answer("200 OK", "", "{\"status\": \"down\"}")).await;
    let mut step = get(&peer);
    step.json = vec![JsonClaim::parse("/status == ok").expect("a claim")];
    let account = tried(&check(steps(vec![step.clone()]))).await;
    assert_eq!(failed(&account), "/status is \"down\", expected \"ok\"");

    let peer = Peer::answering(answer("200 OK", "", "<html>maintenance</html>")).await;
    step.url = Template::parse(&peer.url("/"));
    let account = tried(&check(steps(vec![step.clone()]))).await;
    assert_eq!(failed(&account), "the answer is no JSON");

    step.json.clear();
    step.contains = vec![Template::parse("Welcome")];
    let account = tried(&check(steps(vec![step.clone()]))).await;
    assert_eq!(failed(&account), "`Welcome` does not stand in the answer");

    step.contains.clear();
    step.not_contains = vec![Template::parse("maintenance")];
    let account = tried(&check(steps(vec![step]))).await;
    assert_eq!(failed(&account), "`maintenance` stands in the answer");
}

#[tokio::test]
async fn a_peer_that_stalls_costs_its_timeout_and_says_where() {
    for (said, waits_for) in [
        ("", "waiting for the answer"),
        ("HTTP/1.1 200 OK\r\ncontent-le", "waiting for the answer"),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf",
            "reading the answer, after 4 bytes of it",
        ),
    ] {
        let peer = Peer::start(move |mut stream| async move {
            request(&mut stream).await;
            say_and_stall(&mut stream, said).await;
        })
        .await;
        let account = tried(&impatient(steps(vec![get(&peer)]))).await;
        let expected = format!("no answer within 250 ms: it was {waits_for}");
        assert_eq!(failed(&account), expected, "{said:?}");
    }
}

#[tokio::test]
async fn a_peer_that_drips_costs_its_timeout() {
    let peer = Peer::start(|mut stream| async move {
        request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(b".").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await; // waits: that is its dripping
        }
    })
    .await;
    let account = tried(&impatient(steps(vec![get(&peer)]))).await;
    assert!(
        failed(&account).contains("reading the answer"),
        "{account:?}"
    );
}

#[tokio::test]
async fn a_peer_that_never_ends_is_read_to_a_bound() {
    let forever = |head: &'static str| async move {
        Peer::start(move |mut stream| async move {
            request(&mut stream).await;
            let _ = stream.write_all(head.as_bytes()).await;
            while stream.write_all(&[b'x'; 8192]).await.is_ok() {}
        })
        .await
    };
    // A body without an end: enough is seen, unless all of it is needed.
    let peer = forever("HTTP/1.1 200 OK\r\n\r\n").await;
    passed(&tried(&check(steps(vec![get(&peer)]))).await);
    let mut step = get(&peer);
    step.contains = vec![Template::parse("Welcome")];
    let account = tried(&check(steps(vec![step]))).await;
    assert_eq!(failed(&account), "`Welcome` does not stand in the answer");
    let mut step = get(&peer);
    step.json = vec![JsonClaim::parse("/a").expect("a claim")];
    let account = tried(&check(steps(vec![step]))).await;
    assert!(
        failed(&account).contains("larger than 1048576 bytes"),
        "{account:?}"
    );
    // A header without an end, and headers without number.
    let peer = forever("HTTP/1.1 200 OK\r\nx: ").await;
    let account = tried(&check(steps(vec![get(&peer)]))).await;
    assert_eq!(
        failed(&account),
        "the head of the answer is larger than 64 KiB"
    );
}

#[tokio::test]
async fn garbage_is_a_failure_in_plain_words() {
    for (said, why) in [
        ("220 mail.example.com ESMTP\r\n", "the answer is no HTTP"),
        ("HTTP/1.1 9999 Wow\r\n\r\n", "the answer is no HTTP"),
        ("\u{0}\u{1}\u{2}\u{3}", "the answer is no HTTP"),
        ("", "the connection was closed before the answer was whole"),
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nshort",
            "the answer broke off: the connection was closed",
        ),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            "the answer broke off",
        ),
    ] {
        let peer = Peer::answering(said).await;
        let account = tried(&check(steps(vec![get(&peer)]))).await;
        assert!(failed(&account).starts_with(why), "{said:?}: {account:?}");
    }
}

#[tokio::test]
async fn a_closed_port_is_the_targets_failure() {
    let address = Peer::answering("").await.address;
    // The peer is gone, and nobody else has its port yet.
    tokio::task::yield_now().await;
    let account = tried(&check(steps(vec![Step::get(&format!(
        "http://{address}/"
    ))])))
    .await;
    assert!(
        failed(&account).contains("connection refused"),
        "{account:?}"
    );
}

#[tokio::test]
async fn redirects_are_followed_to_a_limit() {
    let peer = Peer::answering(answer("302 Found", "location: /again\r\n", "")).await;
    let account = tried(&check(steps(vec![get(&peer)]))).await;
    let expected = format!(
        "after 5 redirects it redirects again, to http://{}/again",
        peer.address
    );
    assert_eq!(failed(&account), expected);
    assert_eq!(peer.met(), 6);
    // One that is expected is not followed.
    let mut step = get(&peer);
    step.status = StatusSet::parse("302").expect("a status");
    passed(&tried(&check(steps(vec![step]))).await);
    assert_eq!(peer.met(), 7);
}

#[tokio::test]
async fn what_is_for_one_host_is_not_sent_on_to_another() {
    let other = Peer::start(|mut stream| async move {
        let asked = request(&mut stream).await.to_lowercase();
        let said = if asked.contains("token") || asked.contains("cookie") {
            answer("500 No", "", "")
        } else {
            answer("200 OK", "", "")
        };
        let _ = stream.write_all(said.as_bytes()).await;
    })
    .await;
    let there = other.url("/elsewhere?token-free");
    let there = there.trim_end_matches("?token-free").to_owned();
    let headers =
        format!("location: {there}\r\nset-cookie: session=12345678; Domain=127.0.0.1\r\n");
    let peer = Peer::answering(answer("302 Found", &headers, "")).await;
    let mut step = get(&peer);
    step.headers = vec![(HeaderName::from_static("x-token"), Template::parse("abc"))];
    let localhost = format!("http://localhost:{}/", peer.address.port());
    step.url = Template::parse(&localhost);
    passed(&tried(&check(steps(vec![step]))).await);
    // What was posted is not passed on at all.
    let peer = Peer::answering(answer("307 Temporary", &headers, "")).await;
    let mut step = get(&peer);
    step.method = Method::POST;
    step.body = Body::Text(Template::parse("password=abc"));
    let account = tried(&check(steps(vec![step]))).await;
    assert_eq!(
        failed(&account),
        format!("it passes on what was sent to {there}")
    );
}

#[tokio::test]
async fn a_secret_is_sent_and_never_told() {
    // A page that quotes what it was given, as debug pages do.
    let peer = Peer::start(|mut stream| async move {
        let asked = request(&mut stream).await;
        let token = asked.lines().find(|line| line.starts_with("authorization"));
        let token = token.unwrap_or("nothing").to_owned();
        let body = serde_json::json!({ "error": token }).to_string();
        let _ = stream
            .write_all(answer("200 OK", "", &body).as_bytes())
            .await;
    })
    .await;
    let mut step = get(&peer);
    step.headers = vec![(
        HeaderName::from_static("authorization"),
        Template::parse("Bearer {token}"),
    )];
    step.json = vec![JsonClaim::parse("/error is missing").expect("a claim")];
    let probe = Probe::Journey(Journey {
        steps: vec![step],
        secrets: vec![("token".into(), Secret("sesame-9".into()))],
        trust: Arc::new(Trust::of_browsers()),
    });
    let spec = check(probe);
    let account = tried(&spec).await;
    assert_eq!(
        failed(&account),
        "/error is \"authorization: Bearer ***\", and was to be missing"
    );
    assert!(!format!("{account:?}{spec:?}").contains("sesame"));
}

#[tokio::test]
async fn the_end_of_what_has_no_length_is_its_end() {
    let peer = Peer::answering("HTTP/1.0 200 OK\r\n\r\nWelcome").await;
    let mut step = get(&peer);
    step.contains = vec![Template::parse("Welcome")];
    let account = tried(&check(steps(vec![step]))).await;
    assert_eq!(account.result.outcome, CheckOutcome::Passed);
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]
    /// Whatever is answered, a check comes to something, in words, and in its time.
    #[test]
    fn no_answer_breaks_a_check(
        head in "(HTTP/1\\.[01] [0-9]{3}[ -~]{0,20}\r\n)?([a-z-]{1,12}: ?[ -~]{0,20}\r\n){0,4}(\r\n)?",
        body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let mut said = head.into_bytes();
            said.extend(body);
            let peer = Peer::answering(said).await;
            let mut step = get(&peer);
            step.status = StatusSet::parse("100-599").expect("all of them");
            step.json = vec![JsonClaim::parse("/a exists").expect("a claim")];
            step.captures = vec![Capture::parse("x", "regex (.)").expect("a capture")];
            let account = tried(&impatient(steps(vec![step]))).await;
            if let CheckOutcome::Failed { why, .. } = &account.result.outcome {
                assert!(!why.is_empty() && !why.contains('\n'), "{why:?}");
            }
        });
    }
}
