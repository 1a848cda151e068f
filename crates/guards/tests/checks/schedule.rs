//! The guard as a whole: who is asked when, and what one bad target does to the others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::observation::{CheckOutcome, CheckResult, Seen};
use evenkeel_guards::checks::{CheckSpec, Checks, Step};
use evenkeel_guards::guard::{Guard, Watchlist};
use evenkeel_guards::outlet::Outlet;
use tokio::sync::{mpsc, watch};

use super::peer::{Peer, answer, request, say_and_stall};
use super::steps;

fn spec(name: &str, peer: &Peer) -> CheckSpec {
    let mut spec = CheckSpec::new(name.into(), steps(vec![Step::get(&peer.url("/"))]));
    spec.interval = Duration::from_secs(3600);
    spec
}

/// The results of a guard, until a test has seen enough.
struct Results(mpsc::Receiver<evenkeel_core::observation::Observation>);

fn start(specs: Vec<CheckSpec>) -> (Results, Arc<Checks>, tokio::task::JoinHandle<()>) {
    let (sender, receiver) = mpsc::channel(10_000);
    let checks = Arc::new(Checks::new(specs));
    let (_, watchlist) = watch::channel(Arc::new(Watchlist::default()));
    let observing = checks
        .clone()
        .observe(Outlet::new("checks".into(), sender), watchlist);
    (Results(receiver), checks, tokio::spawn(observing))
}

impl Results {
    async fn next(&mut self) -> CheckResult {
        let patience = Duration::from_secs(30);
        let next = tokio::time::timeout(patience, self.0.recv()).await;
        match next
            .expect("a result in time")
            .expect("a guard that observes")
            .seen
        {
            Seen::CheckResult(result) => result,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_failure_is_looked_at_again_soon_and_then_at_leisure() {
    let peer = Peer::answering(answer("500 No", "", "")).await;
    let mut bad = spec("bad", &peer);
    bad.retry_interval = Duration::from_millis(20);
    bad.failures = 3;
    let (mut results, _, task) = start(vec![bad]);
    for _ in 0..3 {
        let result = results.next().await;
        assert!(matches!(result.outcome, CheckOutcome::Failed { .. }));
    }
    task.abort();
    // The fourth is an hour away.
    assert_eq!(peer.met(), 3);
}

#[tokio::test]
async fn a_slow_answer_is_looked_at_again_soon_and_then_at_leisure() {
    let peer = Peer::start(|mut stream| async move {
        use tokio::io::AsyncWriteExt;
        request(&mut stream).await;
        // waits: because it is slow
        tokio::time::sleep(Duration::from_millis(30)).await;
        let _ = stream.write_all(answer("200 OK", "", "").as_bytes()).await;
        let _ = stream.shutdown().await;
    })
    .await;
    let mut slow = spec("slow", &peer);
    slow.retry_interval = Duration::from_millis(20);
    slow.failures = 3;
    slow.slow_after = Some(Duration::from_millis(10));
    let (mut results, _, task) = start(vec![slow]);
    for _ in 0..3 {
        assert_eq!(results.next().await.outcome, CheckOutcome::Passed);
    }
    task.abort();
    // The fourth is an hour away.
    assert_eq!(peer.met(), 3);
}

#[tokio::test]
async fn when_anything_fails_the_references_are_asked_at_once() {
    let bad = Peer::answering(answer("500 No", "", "")).await;
    let good = Peer::answering(answer("200 OK", "", "")).await;
    let mut reference = spec("reference", &good);
    reference.reference = true;
    // A bad one whose first look comes after the reference's: it fails again and again.
    let mut failing = spec("bad", &bad);
    failing.failures = 1_000;
    failing.retry_interval = Duration::from_millis(300);
    let (mut results, _, task) = start(vec![reference, failing]);
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    while seen.get("reference").copied().unwrap_or_default() < 3 {
        let result = results.next().await;
        *seen.entry(result.check.to_string()).or_default() += 1;
    }
    task.abort();
    // At most once a second, however often others fail.
    assert!(seen["bad"] > seen["reference"], "{seen:?}");
}

#[tokio::test]
async fn bad_targets_cost_their_own_checks_only() {
    let good = Peer::answering(answer("200 OK", "", "")).await;
    let silent =
        Peer::start(|mut stream| async move { say_and_stall(&mut stream, "").await }).await;
    let endless = Peer::start(|mut stream| async move {
        use tokio::io::AsyncWriteExt;
        request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'x'; 8192]).await.is_ok() {}
    })
    .await;
    let garbage = Peer::answering("\u{0}\u{7f}").await;
    let mut specs = Vec::new();
    for n in 0..50 {
        for (kind, peer) in [
            ("silent", &silent),
            ("endless", &endless),
            ("garbage", &garbage),
        ] {
            let mut spec = spec(&format!("{kind}-{n}"), peer);
            // Silence would last longer than this test.
            spec.timeout = Duration::from_secs(300);
            spec.failures = 1;
            specs.push(spec);
        }
        specs.push(spec(&format!("good-{n}"), &good));
    }
    let (mut results, checks, task) = start(specs);
    let mut came_to: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..150 {
        let result = results.next().await;
        let kind = result.check.as_str().split('-').next().unwrap_or_default();
        let how = match result.outcome {
            CheckOutcome::Passed => "passed",
            CheckOutcome::Failed { .. } => "failed",
            CheckOutcome::NotMade { .. } => "not made",
        };
        *came_to.entry(format!("{kind} {how}")).or_default() += 1;
    }
    task.abort();
    let came_to: Vec<_> = came_to
        .iter()
        .map(|(what, n)| (what.as_str(), *n))
        .collect();
    assert_eq!(
        came_to,
        [
            ("endless passed", 50),
            ("garbage failed", 50),
            ("good passed", 50)
        ]
    );
    let made = checks
        .figures()
        .made
        .load(std::sync::atomic::Ordering::Relaxed);
    assert!(made >= 150, "{made}");
}
