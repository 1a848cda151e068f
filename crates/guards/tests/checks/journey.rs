//! Journeys: what a step captures, what is cleaned up, whose name a failure carries.

use std::sync::{Arc, Mutex};

use evenkeel_core::observation::CheckOutcome;
use evenkeel_guards::checks::{
    Account, Body, Capture, Journey, Probe, Secret, StatusSet, Step, Template, Trust,
};
use hyper::Method;
use tokio::io::AsyncWriteExt;

use super::peer::{Peer, answer, request};
use super::{check, failed, impatient, passed, steps, tried};

/// What a shop was asked, in order.
type Asked = Arc<Mutex<Vec<String>>>;

/// A shop with a login, one record, and one page that may be broken in some way.
async fn shop(broken: &'static str) -> (Peer, Asked) {
    let asked: Asked = Arc::default();
    let log = asked.clone();
    let peer = Peer::start(move |mut stream| {
        let log = log.clone();
        async move {
            let request = request(&mut stream).await;
            let line = request.lines().next().unwrap_or_default();
            let line = line.trim_end_matches(" HTTP/1.1").to_owned();
            log.lock().expect("a log").push(line.clone());
            let may = request.contains("cookie: session=abcdefgh12");
            let said = match line.as_str() {
                "GET /login" => answer("200 OK", "", "<input name=csrf value=\"tok&amp;en-1\">"),
                "POST /login" if request.ends_with("csrf=tok%26en-1&password=open+sesame") => {
                    answer(
                        "303 See Other",
                        "set-cookie: session=abcdefgh12; HttpOnly; Path=/\r\nlocation: /\r\n",
                        "",
                    )
                }
                "GET /" if may => answer("200 OK", "", "Welcome"),
                "POST /records" if may => answer(
                    "201 Created",
                    "location: /records/a%20b?v=1\r\n",
                    "{\"id\": 7}",
                ),
                _ if line == broken => answer("500 Internal Server Error", "", "broken"),
                "GET /records/a%20b?v=1" if may && broken == "stall" => {
                    std::future::pending::<()>().await;
                    String::new()
                }
                "GET /records/a%20b?v=1" if may => answer("200 OK", "", "record 7"),
                "DELETE /records/7" if may => answer("204 No Content", "", ""),
                "POST /logout" if may => answer("200 OK", "", "Bye"),
                _ => answer("403 Forbidden", "", "who are you?"),
            };
            let _ = stream.write_all(said.as_bytes()).await;
        }
    })
    .await;
    (peer, asked)
}

fn step(name: &str, method: Method, url: &str) -> Step {
    let mut step = Step::get(url);
    step.name = name.into();
    step.method = method;
    step
}

fn capture(name: &str, from: &str) -> Capture {
    Capture::parse(name, from).expect("a capture")
}

fn visit(peer: &Peer) -> Probe {
    let mut open = step("open the login", Method::GET, &peer.url("/login"));
    open.captures = vec![capture("csrf", "regex name=csrf value=\"([^\"]+)\"")];
    let mut log_in = step("log in", Method::POST, "/login");
    log_in.body = Body::Form(vec![
        ("csrf".into(), Template::parse("{csrf}")),
        ("password".into(), Template::parse("{password}")),
    ]);
    log_in.contains = vec![Template::parse("Welcome")];
    let mut create = step("create a record", Method::POST, "/records");
    create.body = Body::Text(Template::parse("{\"name\": \"{unique}\"}"));
    create.status = StatusSet::parse("201").expect("a status");
    create.captures = vec![
        capture("id", "json /id"),
        capture("place", "header location"),
    ];
    let mut read = step("read it", Method::GET, "{place}");
    read.contains = vec![Template::parse("record {id}")];
    let mut delete = step("delete it", Method::DELETE, "/records/{id}");
    delete.always = true;
    let mut log_out = step("log out", Method::POST, "/logout");
    log_out.always = true;
    Probe::Journey(Journey {
        steps: vec![open, log_in, create, read, delete, log_out],
        secrets: vec![("password".into(), Secret("open sesame".into()))],
        trust: Arc::new(Trust::of_browsers()),
    })
}

fn failed_at(account: &Account) -> Option<&str> {
    match &account.result.outcome {
        CheckOutcome::Failed { step, .. } => step.as_deref(),
        _ => None,
    }
}

#[tokio::test]
async fn does_what_a_customer_does() {
    let (peer, asked) = shop("").await;
    passed(&tried(&check(visit(&peer))).await);
    assert_eq!(
        *asked.lock().expect("a log"),
        [
            "GET /login",
            "POST /login",
            "GET /",
            "POST /records",
            "GET /records/a%20b?v=1",
            "DELETE /records/7",
            "POST /logout",
        ]
    );
}

#[tokio::test]
async fn a_failure_names_its_step_and_what_was_begun_is_cleaned_up() {
    let (peer, asked) = shop("GET /records/a%20b?v=1").await;
    let account = tried(&check(visit(&peer))).await;
    assert_eq!(failed_at(&account), Some("read it"));
    assert!(failed(&account).starts_with("answered 500"), "{account:?}");
    let asked = asked.lock().expect("a log");
    assert_eq!(
        asked[asked.len() - 2..],
        ["DELETE /records/7", "POST /logout"]
    );
}

#[tokio::test]
async fn a_step_that_stalls_is_cleaned_up_after_too() {
    let (peer, asked) = shop("stall").await;
    let account = tried(&impatient(visit(&peer))).await;
    assert_eq!(failed_at(&account), Some("read it"));
    assert!(
        failed(&account).contains("no answer within 250 ms"),
        "{account:?}"
    );
    let asked = asked.lock().expect("a log");
    assert_eq!(
        asked[asked.len() - 2..],
        ["DELETE /records/7", "POST /logout"]
    );
}

#[tokio::test]
async fn what_was_never_begun_is_not_cleaned_up() {
    let (peer, asked) = shop("POST /nothing").await;
    let Probe::Journey(mut journey) = visit(&peer) else {
        unreachable!("it is one");
    };
    journey.secrets = vec![("password".into(), Secret("wrong".into()))];
    let account = tried(&check(Probe::Journey(journey))).await;
    assert_eq!(failed_at(&account), Some("log in"));
    let asked = asked.lock().expect("a log");
    // The record's id was never captured; logging out needs nothing.
    assert_eq!(*asked, ["GET /login", "POST /login", "POST /logout"]);
}

#[tokio::test]
async fn trouble_in_cleaning_up_is_a_failure_of_its_own() {
    let (peer, _) = shop("DELETE /records/7").await;
    let Probe::Journey(mut journey) = visit(&peer) else {
        unreachable!("it is one");
    };
    journey.steps[4].url = Template::parse("/records/{id}/gone");
    let account = tried(&check(Probe::Journey(journey))).await;
    assert_eq!(failed_at(&account), Some("delete it"));
}

#[tokio::test]
async fn a_page_cannot_send_the_journey_elsewhere() {
    let thief = Peer::answering(answer("200 OK", "", "thanks")).await;
    let link = thief.url("/steal");
    let peer = Peer::answering(answer("200 OK", "", &format!("href=\"{link}\""))).await;
    let mut open = step("open", Method::GET, &peer.url("/"));
    open.captures = vec![capture("link", "regex href=\"([^\"]+)\"")];
    let mut send = step("send", Method::POST, "{link}");
    send.body = Body::Text(Template::parse("secret"));
    let account = tried(&check(steps(vec![open, send]))).await;
    let expected = format!("what was captured leads to {link}, which this check does not name");
    // What was captured is not told either, as it may be the key of a session.
    assert_eq!(failed(&account), expected.replace(&link, "***"));
    assert_eq!(thief.met(), 0);
}

#[tokio::test]
async fn neither_password_nor_session_are_in_the_story() {
    let (peer, _) = shop("GET /records/a%20b?v=1").await;
    let told = format!("{:?}", tried(&check(visit(&peer))).await);
    for secret in ["sesame", "abcdefgh12", "tok&en"] {
        assert!(!told.contains(secret), "{secret} is in {told}");
    }
    for said in ["step `log in`", "303 sends on to", "took `id`, 1 bytes"] {
        assert!(told.contains(said), "{said} is not in {told}");
    }
}
