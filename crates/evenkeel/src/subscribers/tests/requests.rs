//! Webhooks: receivers that take it, and those that lead astray.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::IntoResponse;
use axum::routing::any;
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use serde_json::Value;

use super::super::address::Network;
use super::super::follow::Ways;
use super::super::http::{Answered, Lookup, Requests, System};
use super::super::store::Standing;
use super::super::store::queue::Verdict;
use super::*;

type Seen = Arc<Mutex<Vec<(HeaderMap, String)>>>;

/// A receiver that gives these answers in turn, the last one for ever.
async fn receiver(answers: &'static [u16]) -> (std::net::SocketAddr, Seen) {
    let seen = Seen::default();
    let kept = seen.clone();
    let app = Router::new().fallback(any(move |headers: HeaderMap, body: String| async move {
        let mut kept = kept.lock().unwrap();
        kept.push((headers, body));
        let answer = answers[(kept.len() - 1).min(answers.len() - 1)];
        let elsewhere = [("location", "http://127.0.0.1:1/elsewhere")];
        (StatusCode::from_u16(answer).unwrap(), elsewhere, "said").into_response()
    }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    (address, seen)
}

fn near() -> Vec<Network> {
    vec![Network::read("127.0.0.1").unwrap()]
}

fn post(uri: &str) -> Request<Full<Bytes>> {
    let uri: Uri = uri.parse().unwrap();
    Request::post(uri)
        .body(Full::new(Bytes::from_static(b"{}")))
        .unwrap()
}

/// A name server that says something else each time.
struct Fickle {
    answers: Vec<&'static str>,
    asked: AtomicUsize,
}

impl Lookup for Fickle {
    fn lookup(&self, _: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        let at = self
            .asked
            .fetch_add(1, Ordering::SeqCst)
            .min(self.answers.len() - 1);
        let said = self.answers[at]
            .split(' ')
            .map(|ip| ip.parse().unwrap())
            .collect();
        Box::pin(std::future::ready(Ok(said)))
    }
}

fn fickle(answers: &[&'static str]) -> Arc<Fickle> {
    Arc::new(Fickle {
        answers: answers.to_vec(),
        asked: AtomicUsize::new(0),
    })
}

#[tokio::test]
async fn a_name_that_leads_home_is_not_followed_whatever_it_said_before() {
    let (receiver, seen) = receiver(&[200]).await;
    let hook = format!("http://hook.example.com:{}/", receiver.port());
    for answers in [
        &["127.0.0.1"][..],
        &["192.0.2.1 127.0.0.1"],
        &["::ffff:127.0.0.1"],
        &["169.254.169.254"],
        &["::1"],
    ] {
        let lookup = fickle(answers);
        let requests = Requests::to_strangers(Vec::new(), lookup.clone());
        let answered = requests.send(post(&hook)).await;
        let Answered::Not(why) = answered else {
            panic!("{answers:?}: {answered:?}")
        };
        assert!(why.contains("no public address"), "{why}");
        // It was asked once, and what it said then is what was looked at.
        assert_eq!(lookup.asked.load(Ordering::SeqCst), 1);
    }
    assert!(seen.lock().unwrap().is_empty());
    // The same name, where the operator says that the network is theirs.
    let requests = Requests::to_strangers(near(), fickle(&["127.0.0.1"]));
    assert!(matches!(
        requests.send(post(&hook)).await,
        Answered::With(..)
    ));
}

#[tokio::test]
async fn addresses_that_are_written_out_are_looked_at_too() {
    let (receiver, seen) = receiver(&[200]).await;
    let requests = Requests::to_strangers(Vec::new(), Arc::new(System));
    let port = receiver.port();
    for host in [
        "127.0.0.1",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "0x7f.1",
        "localhost",
        "127.1",
    ] {
        let answered = requests.send(post(&format!("http://{host}:{port}/"))).await;
        assert!(
            matches!(&answered, Answered::Not(_)),
            "{host}: {answered:?}"
        );
    }
    assert!(seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn redirects_are_not_followed_and_answers_mean_what_they_say() {
    for (answer, means) in [
        (204, "taken"),
        (301, "refused"),
        (307, "refused"),
        (404, "refused"),
        (410, "gone"),
        (408, "later"),
        (429, "later"),
        (500, "later"),
        (503, "later"),
    ] {
        let answers: &'static [u16] = Box::leak(Box::new([answer]));
        let (address, seen) = receiver(answers).await;
        let requests = Requests::to_strangers(near(), Arc::new(System));
        let verdict = requests
            .send(post(&format!("http://{address}/")))
            .await
            .verdict();
        let meant = match verdict {
            Verdict::Taken => "taken",
            Verdict::Refused(_) => "refused",
            Verdict::Gone(_) => "gone",
            Verdict::Later(_) => "later",
            Verdict::Untried => "untried",
        };
        assert_eq!(meant, means, "{answer}");
        assert_eq!(seen.lock().unwrap().len(), 1, "{answer}");
    }
}

#[tokio::test]
async fn a_receiver_that_stalls_costs_its_time_and_no_more() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut requests = Requests::to_strangers(near(), Arc::new(System));
    requests.timeout = Duration::from_millis(100);
    let answered = requests.send(post(&format!("http://{address}/"))).await;
    assert!(
        matches!(&answered, Answered::Not(why) if why.contains("no answer")),
        "{answered:?}"
    );
}

/// What the library of Standard Webhooks says of a request.
fn verified(secret: &str, headers: &HeaderMap, body: &str) -> bool {
    // This program stands in `debug/deps` of the build folder, wherever that is.
    let here = std::env::current_exe().unwrap();
    let library = here.ancestors().nth(3).unwrap();
    let library = library.join("corpora/standardwebhooks");
    assert!(
        library.exists(),
        "{} is not there: run `cargo xtask setup`",
        library.display()
    );
    let headers: BTreeMap<&str, &str> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    let script = "import json,sys,importlib.util\n\
        spec=importlib.util.spec_from_file_location('webhooks',sys.argv[1]+'/webhooks.py')\n\
        lib=importlib.util.module_from_spec(spec); spec.loader.exec_module(lib)\n\
        try:\n    lib.Webhook(sys.argv[2]).verify(sys.argv[4],json.loads(sys.argv[3]))\n\
        except lib.WebhookVerificationError as e:\n    sys.exit('refused: %s'%e)\n";
    let output = Command::new("/usr/bin/python3")
        .args(["-c", script])
        .arg(library.join("standardwebhooks"))
        .args([secret, &serde_json::to_string(&headers).unwrap(), body])
        .output()
        .expect("python3");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() || said.contains("refused:"),
        "{said}"
    );
    output.status.success()
}

#[tokio::test]
async fn a_webhook_is_signed_as_standard_webhooks_say_and_tried_again_under_the_same_id() {
    let (address, seen) = receiver(&[503, 200]).await;
    let place = Place::new(Settings {
        networks: near(),
        ..settings()
    });
    let id = place.bring(&format!("http://{address}/hook"), wishes(&[]));
    let mut word = place.word(&login_down(7));
    word.payload = serde_json::json!({
        "page": { "id": "p", "status_indicator": "critical", "status_description": "Login" },
        "incident": { "id": "abc", "name": "Login does not work" },
    });
    place.own.store().queue(&word, Timestamp::now()).unwrap();
    let (stop, stopped) = watch::channel(false);
    let ways = Ways::new(place.own.clone(), place.site.clone(), None).unwrap();
    let keeper = tokio::spawn(ways.keep(stopped));
    let own = place.own.clone();
    // The pause after a refusal is not waited for here.
    let hurry = rusqlite::Connection::open(place.folder.path().join(super::super::FILE)).unwrap();
    hurry.busy_timeout(Duration::from_secs(10)).unwrap();
    until("it is taken", || {
        hurry
            .execute("UPDATE outbox SET due_at = 0 WHERE begun_at IS NULL", [])
            .unwrap();
        own.ring();
        own.store().words(1).unwrap()[0].sent == 1
    })
    .await;
    stop.send_replace(true);
    keeper.await.unwrap();
    let one = own.store().subscriber(id).unwrap().unwrap();
    let secret = own.store().key().signing_secret(one.id, &one.salt);
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 2);
    let (headers, body) = &seen[1];
    assert_eq!(seen[0].0["webhook-id"], headers["webhook-id"]);
    assert!(verified(&secret, headers, body));
    assert!(!verified(
        &secret,
        headers,
        &body.replace("critical", "none")
    ));
    assert!(!verified(
        "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0",
        headers,
        body
    ));
    let said: Value = serde_json::from_str(body).unwrap();
    assert_eq!(said["incident"]["name"], "Login does not work");
    assert_eq!(said["page"]["status_indicator"], "critical");
    let link = own.store().link(&one);
    let unsubscribe = format!("https://status.example.com/en/subscription/{link}");
    assert_eq!(said["meta"]["unsubscribe"], unsubscribe.as_str());
    assert!(said["meta"]["generated_at"].is_string());
}

#[tokio::test]
async fn a_receiver_that_is_gone_for_good_is_told_nothing_more() {
    let (address, seen) = receiver(&[410]).await;
    let place = Place::new(Settings {
        networks: near(),
        ..settings()
    });
    let id = place.bring(&format!("http://{address}/hook"), wishes(&[]));
    place
        .own
        .store()
        .queue(&place.word(&login_down(7)), Timestamp::now())
        .unwrap();
    let (stop, stopped) = watch::channel(false);
    let ways = Ways::new(place.own.clone(), place.site.clone(), None).unwrap();
    let keeper = tokio::spawn(ways.keep(stopped));
    let own = place.own.clone();
    until("it is paused", || {
        own.store().subscriber(id).unwrap().unwrap().standing == Standing::Paused
    })
    .await;
    stop.send_replace(true);
    keeper.await.unwrap();
    assert_eq!(seen.lock().unwrap().len(), 1);
    let failures = own.standings().failures();
    assert!(
        failures
            .iter()
            .any(|failure| failure.is_paused && failure.subscriber == id)
    );
}
