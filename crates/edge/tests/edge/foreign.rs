//! Other projects' HTTP/1.1 cases, run against a real edge between a raw client and an
//! instance that records every byte: gunicorn's requests and llhttp's requests and answers.
//! `cargo xtask setup` fetches them; `foreign/cases.py` reads them.
//!
//! Of each request the other project says how it is to be read, or that it is wrong. A
//! request follows each of them on the same connection, so that a wrong end shows: it has to
//! arrive as itself, or not at all. What is asked of the edge:
//!
//! - whatever arrives at the instance can be read in one way only, and is read as the other
//!   project reads it: nothing more, nothing else;
//! - what is wrong is refused, and the connection ends there;
//! - what is right arrives whole and is answered.
//!
//! Where the edge takes another way on purpose, the case stands in a table with the reason.
//! A name in a table that no case has, or whose case does not differ, fails.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::reading::{Reading, readings};
use crate::world::{Client, OK, Upstream, edge};

mod differing;

use differing::{ANSWERS_REFUSED, ANSWERS_TAKEN, REQUESTS_REFUSED, REQUESTS_TAKEN};

/// What follows every case.
const AFTER: &str = "GET /after HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

struct Case {
    name: String,
    bytes: Vec<u8>,
    /// Whether the other project's strict parser is asked, as it comes.
    is_strict: bool,
    is_refused: bool,
    /// Whether the last message came whole.
    is_ended: bool,
    messages: Vec<Message>,
}

/// A message as the other project reads it.
#[derive(Debug)]
struct Message {
    start: Vec<String>,
    /// Not said where its parser was told to leave it alone.
    body: Option<Vec<u8>>,
    is_whole: bool,
}

/// The cases of a kind.
fn cases(kind: &str) -> Vec<Case> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let corpora = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("corpora");
    assert!(
        corpora.join("gunicorn/VERSION").is_file() && corpora.join("aiohttp/VERSION").is_file(),
        "{} does not hold the other projects' cases; cargo xtask setup fetches them",
        corpora.display()
    );
    let mut python = Command::new("/usr/bin/python3");
    python.arg(here.join("tests/foreign/cases.py")).arg(corpora);
    let said = python.output().unwrap();
    let wrong = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{wrong}");
    let all: Vec<Value> = serde_json::from_slice(&said.stdout).unwrap();
    let all = all.iter().filter(|case| case["kind"] == kind);
    all.map(|case| Case {
        name: text(&case["name"]),
        bytes: bytes(&case["bytes"]),
        is_strict: case["strict"] == true,
        is_refused: case["refused"] == true,
        is_ended: case["ended"] == true,
        messages: list(&case["messages"]).iter().map(message).collect(),
    })
    .collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    let digits = value.as_str().unwrap().as_bytes().chunks(2);
    let digits = digits.map(|two| std::str::from_utf8(two).unwrap());
    digits
        .map(|two| u8::from_str_radix(two, 16).unwrap())
        .collect()
}

fn message(value: &Value) -> Message {
    Message {
        start: list(&value["start"]).iter().map(text).collect(),
        body: value["body"].is_string().then(|| bytes(&value["body"])),
        is_whole: value["whole"] == true,
    }
}

/// The requests with a host, where HTTP/1.1 asks for one and theirs have none: else that would
/// be why they are refused, and nothing would be learnt.
fn with_hosts(case: &Case) -> Vec<u8> {
    let mut bytes = case.bytes.clone();
    let mut from = 0;
    let first = vec!["".to_owned(), "".to_owned()];
    let mut starts: Vec<&Vec<String>> = case.messages.iter().map(|it| &it.start).collect();
    if starts.is_empty() {
        starts.push(&first);
    }
    for start in starts {
        let line = match start[0].is_empty() {
            true => " HTTP/1.1\r\n".to_owned(),
            false => format!("{} {} HTTP/1.1\r\n", start[0], start[1]),
        };
        let Some(at) = find(&bytes[from..], line.as_bytes()) else {
            continue;
        };
        let at = from + at + line.len();
        let head = &bytes[at..];
        let end = find(head, b"\r\n\r\n").map_or(head.len(), |end| end + 2);
        let head = String::from_utf8_lossy(&head[..end]).to_ascii_lowercase();
        if !head.starts_with("host") && !head.contains("\nhost") {
            bytes.splice(at..at, *b"Host: corpus.example\r\n");
        }
        from = at;
    }
    bytes
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|piece| piece == what)
}

/// A target as an instance gets it: without scheme and host, which become the `Host` field,
/// and without a fragment, which is no part of it.
fn target(target: &str) -> &str {
    let target = target.split('#').next().unwrap_or_default();
    let Some((_, rest)) = target
        .split_once("://")
        .filter(|(scheme, _)| !scheme.contains('/'))
    else {
        return target;
    };
    rest.find(['/', '?']).map_or("/", |at| &rest[at..])
}

/// What is wrong with what arrived, beside what the other project read.
fn differs(case: &Case, arrived: &[Reading]) -> Option<String> {
    for (number, read) in arrived.iter().enumerate() {
        let Some(expected) = case.messages.get(number) else {
            // Of what gunicorn refuses it does not say how far it came.
            let is_unsaid = case.is_refused && case.messages.is_empty() && number == 0;
            if is_unsaid && !read.is_whole || read.start[1] == "/after" && read.is_whole {
                continue;
            }
            return Some(format!("one more arrived: {read:?}"));
        };
        if read.start[0] != expected.start[0] || read.start[1] != target(&expected.start[1]) {
            return Some(format!("arrived as {read:?}, not {expected:?}"));
        }
        let Some(body) = &expected.body else {
            continue;
        };
        let is_same = match expected.is_whole {
            true if read.is_whole => read.body == *body,
            true => body.starts_with(&read.body),
            // What follows is taken for the rest of it.
            false => read.body.starts_with(body) || body.starts_with(&read.body),
        };
        if !is_same {
            return Some(format!("the body arrived as {read:?}, not {expected:?}"));
        }
    }
    None
}

/// Runs the bytes; gives what arrived and how they were answered.
fn run(case: &Case, bytes: &[u8], in_pieces: bool) -> (Vec<Reading>, Vec<String>) {
    let upstream = Upstream::answering(OK);
    let edge = edge(&upstream);
    let mut client = Client::new(&edge);
    let sent = [bytes, AFTER.as_bytes()].concat();
    let size = match in_pieces {
        // Long ones are long by a field or a body that says nothing new byte by byte.
        true => 1 + sent.len() / 1000,
        false => sent.len(),
    };
    for piece in sent.chunks(size) {
        client.write(piece);
    }
    if !case.is_ended {
        // The rest of the last one never comes.
        client.stream.shutdown(std::net::Shutdown::Write).unwrap();
    }
    let answers = client.rest();
    drop(client);
    drop(edge);
    let arrived = upstream.all_seen();
    let arrived = arrived.iter().flat_map(|connection| {
        readings(connection).unwrap_or_else(|wrong| {
            let sent = String::from_utf8_lossy(connection);
            panic!(
                "{}: two could read this differently, {wrong}: {sent:?}",
                case.name
            )
        })
    });
    let arrived = arrived.collect();
    let statuses = answers.split("HTTP/1.1 ").skip(1);
    (arrived, statuses.map(|it| it[..3].to_owned()).collect())
}

/// Checks the names of a table against the cases that differ.
fn settle(table: &[(&str, &str)], mut differing: BTreeMap<String, String>, what: &str) {
    for (name, reason) in table {
        assert!(!reason.is_empty());
        assert!(
            differing.remove(*name).is_some(),
            "{what}: {name} does not differ, or there is no such case"
        );
    }
    let rest: Vec<String> = differing
        .iter()
        .map(|(name, how)| format!("{name}: {how}"))
        .collect();
    assert!(
        rest.is_empty(),
        "{what}, without a reason:\n{}",
        rest.join("\n")
    );
}

#[test]
fn requests_are_read_as_others_read_them_or_refused() {
    let cases = cases("request");
    assert!(cases.len() > 300, "{}", cases.len());
    let (mut refused, mut taken, mut wrong) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for case in &cases {
        let bytes = with_hosts(case);
        let mut took = Vec::new();
        for in_pieces in [false, true] {
            let (arrived, statuses) = run(case, &bytes, in_pieces);
            if let Some(how) = differs(case, &arrived) {
                // A reading of its own needs a reason, even where it is taken.
                let how = format!("{how} {statuses:?}");
                if case.is_refused {
                    taken.insert(case.name.clone(), how);
                } else {
                    wrong.push(format!("{}: {how}", case.name));
                }
            }
            let whole = case.messages.iter().filter(|it| it.is_whole).count();
            let good = statuses.iter().filter(|status| *status == "200").count();
            let is_refused = statuses
                .last()
                .is_some_and(|status| status.starts_with(['4', '5']));
            took.push((
                statuses.clone(),
                arrived.iter().filter(|it| it.is_whole).count(),
            ));
            if case.is_refused && !is_refused {
                taken.insert(case.name.clone(), format!("{statuses:?}"));
            }
            if case.is_strict && !case.is_refused && good < whole {
                refused.insert(case.name.clone(), format!("{statuses:?}"));
            }
        }
        if case.is_ended && took[0] != took[1] {
            wrong.push(format!("{}: read otherwise in pieces: {took:?}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    settle(REQUESTS_REFUSED, refused, "refused here, not there");
    settle(REQUESTS_TAKEN, taken, "taken here, not there");
}

#[test]
fn answers_are_read_as_others_read_them_or_answered_for() {
    let cases = cases("response");
    assert!(cases.len() > 80, "{}", cases.len());
    let (mut refused, mut taken) = (BTreeMap::new(), BTreeMap::new());
    for case in &cases {
        let answer = case.bytes.clone();
        let upstream = Upstream::start(move |mut served| {
            served.request();
            served.write(&answer);
        });
        let edge = edge(&upstream);
        let mut client = Client::new(&edge);
        client
            .write("POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        let (given, is_cut) = client.rest_of_bytes();
        let read = readings(&given).unwrap_or_else(|wrong| {
            panic!(
                "{}: {wrong}: {:?}",
                case.name,
                String::from_utf8_lossy(&given)
            )
        });
        let last = read
            .last()
            .unwrap_or_else(|| panic!("{}: no answer", case.name));
        let is_whole = last.is_whole && !is_cut;
        let is_ours = last.start[1] == "502";
        let expected = case
            .messages
            .iter()
            .find(|it| !it.start[0].starts_with('1'));
        let is_same = expected.is_some_and(|it| {
            let is_same_body = it.body.as_ref().is_none_or(|body| match is_whole {
                true => last.body == *body,
                false => body.starts_with(&last.body),
            });
            last.start[1] == it.start[0] && is_same_body
        });
        let how = format!("{:?} {:?}", last.start, String::from_utf8_lossy(&last.body));
        if case.is_refused && !is_ours && is_whole {
            taken.insert(case.name.clone(), how);
        } else if !case.is_refused && case.is_strict && (is_ours || !is_same) {
            refused.insert(case.name.clone(), how);
        } else {
            assert!(
                is_ours || is_same || !is_whole,
                "{}: {how}, not {expected:?}",
                case.name
            );
        }
    }
    settle(ANSWERS_REFUSED, refused, "answered for here, not there");
    settle(ANSWERS_TAKEN, taken, "taken here, not there");
}
