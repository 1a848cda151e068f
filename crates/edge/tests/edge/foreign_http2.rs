//! HTTP/2 as others speak it: broken frame by frame by a client that shares no code with the
//! edge (`foreign/http2.py`, with hyperframe and hpack), and spoken well by nghttp2's.
//! `cargo xtask setup` installs both.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::reading::readings;
use crate::world::{OK, Served, Upstream, edge, exchange, get};

/// Where the edge does otherwise than is asked of it, and why that harms nobody.
const DIFFERING: &[(&str, &str)] = &[
    ("INITIAL_WINDOW_SIZE beyond the largest", CODE),
    ("PING of another length", CODE),
    ("PRIORITY of another length", CODE),
    ("RST_STREAM of another length", CODE),
    ("SETTINGS of another length", CODE),
    ("WINDOW_UPDATE of another length", CODE),
    ("a block that cannot be decompressed", CODE),
    ("a table larger than was allowed", CODE),
    ("an acknowledgement with settings", CODE),
    ("an index that is not in the table", CODE),
    (
        "a pseudo field in trailers",
        "hyper drops it unread, and the trailers that go on have none",
    ),
    (
        "the first frame is not SETTINGS",
        "hyper waits for them, and serves nothing before; the connection ends at keep_alive",
    ),
];

/// The connection ends as it should, with another number for why.
const CODE: &str = "hyper ends the connection with PROTOCOL_ERROR whatever was wrong";

/// Answers everything but `/held`, which waits for the end of its connection.
fn answering() -> Upstream {
    Upstream::start(|mut served: Served| {
        while let Some(head) = served.request() {
            if head.starts_with("GET /held ") {
                served.exactly(1);
                return;
            }
            served.write(OK.as_bytes());
        }
    })
}

#[test]
fn what_breaks_http2_is_refused_and_arrives_nowhere() {
    let upstream = answering();
    let edge = edge(&upstream);
    let port = edge.started().addresses[0].port();
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/foreign/http2.py");
    let mut python = Command::new("/usr/bin/python3");
    let said = python.arg(script).arg(port.to_string()).output().unwrap();
    let wrong = String::from_utf8_lossy(&said.stderr);
    assert!(
        said.status.success(),
        "cargo xtask setup installs hyperframe and hpack: {wrong}"
    );
    let cases: Vec<Value> = serde_json::from_slice(&said.stdout).unwrap();
    assert!(cases.len() > 90, "{}", cases.len());
    let mut differing: BTreeMap<&str, &Value> = BTreeMap::new();
    for case in cases.iter().filter(|case| !case["wrong"].is_null()) {
        differing.insert(case["name"].as_str().unwrap(), case);
    }
    for (name, reason) in DIFFERING {
        assert!(!reason.is_empty());
        assert!(differing.remove(name).is_some(), "{name} does not differ");
    }
    let rest: Vec<String> = differing.values().map(|case| case.to_string()).collect();
    assert!(rest.is_empty(), "{}", rest.join("\n"));
    // Whoever comes after them is served.
    assert!(exchange(&edge, get("/")).starts_with("HTTP/1.1 200 "));
    drop(edge);
    for connection in upstream.all_seen() {
        for read in readings(&connection).unwrap() {
            assert!(read.start[1] != "/violation" || !read.is_whole, "{read:?}");
            assert_ne!(read.start[1], "/smuggled");
        }
    }
}

#[test]
fn the_clients_of_nghttp2_are_served() {
    let upstream = answering();
    let edge = edge(&upstream);
    let place = edge.started().addresses[0];
    let told = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        let said = command.args(arguments).arg(format!("http://{place}/"));
        let said = said.output().unwrap_or_else(|error| {
            panic!("{program}: {error}; cargo xtask setup installs nghttp2's clients")
        });
        String::from_utf8_lossy(&said.stdout).into_owned()
    };
    let once = told("nghttp", &["--verbose"]);
    assert!(once.contains(":status: 200"), "{once}");
    assert!(once.contains("recv SETTINGS frame"), "{once}");
    assert!(!once.contains("PROTOCOL_ERROR"), "{once}");
    let many = told("h2load", &["-n", "2000", "-c", "20", "-m", "10"]);
    let line =
        "2000 total, 2000 started, 2000 done, 2000 succeeded, 0 failed, 0 errored, 0 timeout";
    assert!(many.contains(line), "{many}");
}
