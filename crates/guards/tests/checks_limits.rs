//! What this host lacks says nothing about the target. A program of its own: the limit it
//! sets is the whole process's.

#[path = "support/peer.rs"]
mod peer;

use std::sync::Arc;

use evenkeel_core::observation::CheckOutcome;
use evenkeel_guards::checks::{CheckSpec, Journey, Probe, Step, Trust, try_once};
use peer::{Peer, answer, say_and_stall};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[tokio::test]
async fn without_a_file_descriptor_a_check_is_not_made() {
    let peer = Peer::answering(answer("200 OK", "", "")).await;
    let _ = say_and_stall::<tokio::net::TcpStream>;
    assert_eq!(peer.met(), 0);
    let probe = Probe::Journey(Journey {
        steps: vec![Step::get(&peer.url("/"))],
        secrets: Vec::new(),
        trust: Arc::new(Trust::of_browsers()),
    });
    let spec = CheckSpec::new("it".into(), probe);
    let before = getrlimit(Resource::Nofile);
    let none = Rlimit {
        current: Some(3),
        ..before
    };
    setrlimit(Resource::Nofile, none).expect("a lower limit");
    let account = try_once(&spec).await;
    setrlimit(Resource::Nofile, before).expect("the limit as it was");
    let CheckOutcome::NotMade { why } = account.result.outcome else {
        panic!("{account:?}");
    };
    assert!(why.contains("Too many open files"), "{why}");
}
