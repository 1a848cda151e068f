//! A receiver that is well, refuses, or is gone; and what it can check.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::post;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::*;

type Seen = Arc<Mutex<Vec<(HeaderMap, String)>>>;

/// A receiver that gives these answers in turn, the last one for ever.
async fn receiver(answers: &'static [u16]) -> (Uri, Seen, tokio::task::JoinHandle<()>) {
    let seen = Seen::default();
    let kept = seen.clone();
    let app = Router::new().route(
        "/",
        post(move |headers: HeaderMap, body: String| async move {
            let mut kept = kept.lock().expect("nobody panicked");
            kept.push((headers, body));
            let answer = answers[(kept.len() - 1).min(answers.len() - 1)];
            let elsewhere = [("location", "http://127.0.0.1:1/elsewhere")];
            (StatusCode::from_u16(answer).expect("a status"), elsewhere)
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let server = tokio::spawn(async move { axum::serve(listener, app).await.expect("it serves") });
    (url.parse().expect("an address"), seen, server)
}

fn hook(url: Uri) -> Hook {
    let key = b"not a secret at all".to_vec();
    Hook::new(Settings { url, key }, Trouble::default())
}

fn says(text: &str) -> Texts {
    BTreeMap::from([("en", text.to_owned())])
}

fn now() -> Timestamp {
    Timestamp::from_second(1_795_000_000).expect("a time")
}

#[tokio::test]
async fn a_change_is_told_once_and_can_be_checked() {
    let (url, seen, server) = receiver(&[200]).await;
    let mut hook = hook(url);
    hook.look(says("Login does not work."), now()).await;
    hook.look(says("Login does not work."), now()).await;
    server.abort();
    let seen = seen.lock().expect("nobody panicked");
    let [(headers, body)] = &seen[..] else {
        panic!("once: {}", seen.len());
    };
    let told: serde_json::Value = serde_json::from_str(body).expect("JSON");
    assert_eq!(
        told,
        json!({
            "type": "hotline.changed",
            "timestamp": "2026-11-18T11:06:40.000Z",
            "data": {"is_empty": false, "texts": {"en": "Login does not work."}},
        })
    );
    assert_eq!(headers["webhook-id"], "hotline-1795000000000000");
    assert_eq!(headers["webhook-timestamp"], "1795000000");
    let signed = hook.signature("hotline-1795000000000000", "1795000000", body);
    assert_eq!(headers["webhook-signature"], signed.as_str());
}

/// The example that libraries for Standard Webhooks test themselves with.
#[test]
fn signatures_are_those_of_standard_webhooks() {
    let secret = BASE64_STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let settings = Settings {
        url: Uri::from_static("http://127.0.0.1:1/"),
        key: secret.expect("base64"),
    };
    let hook = Hook::new(settings, Trouble::default());
    let signed = hook.signature(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "1614265330",
        "{\"test\": 2432232314}",
    );
    assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

#[tokio::test]
async fn what_is_not_taken_is_tried_again_under_the_same_id() {
    let (url, seen, server) = receiver(&[503, 302, 403, 204]).await;
    let mut hook = hook(url);
    for _ in 0..4 {
        hook.next_try = Instant::now();
        hook.look(says("Login does not work."), now()).await;
    }
    assert_eq!(hook.delivered, Some(says("Login does not work.")));
    server.abort();
    let seen = seen.lock().expect("nobody panicked");
    let ids: Vec<_> = seen
        .iter()
        .map(|(headers, _)| &headers["webhook-id"])
        .collect();
    assert_eq!(ids.len(), 4);
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[tokio::test]
async fn the_newest_text_takes_the_place_of_one_that_was_not_taken() {
    let (url, seen, server) = receiver(&[500, 200]).await;
    let mut hook = hook(url);
    hook.look(says("Login is slow."), now()).await;
    assert_eq!(hook.delivered, None);
    let (since, why) = hook.trouble.now().expect("operators see it");
    assert_eq!(
        (since, why.as_str()),
        (now(), "it answered 500 Internal Server Error")
    );
    hook.next_try = Instant::now();
    hook.look(
        says(""),
        Timestamp::from_second(1_795_000_009).expect("a time"),
    )
    .await;
    server.abort();
    assert_eq!(hook.delivered, Some(says("")));
    assert_eq!(hook.trouble.now(), None);
    let seen = seen.lock().expect("nobody panicked");
    assert!(seen[1].1.contains("\"is_empty\":true"), "{}", seen[1].1);
    assert_ne!(seen[0].0["webhook-id"], seen[1].0["webhook-id"]);
}

#[tokio::test]
async fn pauses_grow_to_their_bound() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    drop(listener);
    let mut hook = hook(url.parse().expect("an address"));
    let mut pauses = Vec::new();
    for _ in 0..9 {
        hook.next_try = Instant::now();
        hook.look(says("Login is slow."), now()).await;
        pauses.push(hook.pause.as_secs());
        // Too soon: nothing is tried, and nothing grows.
        let before = hook.next_try;
        hook.look(says("Login is slow."), now()).await;
        assert_eq!(hook.next_try, before);
    }
    assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60, 60, 60]);
}
