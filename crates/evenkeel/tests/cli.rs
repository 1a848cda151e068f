//! The program as its users meet it: started, asked, ordered, stopped and started again.

#[path = "cli/actions.rs"]
mod actions;
#[path = "cli/api.rs"]
mod api;
#[path = "cli/browser.rs"]
mod browser;
#[path = "cli/calling.rs"]
mod calling;
#[path = "cli/checks.rs"]
mod checks;
#[path = "cli/console.rs"]
mod console;
#[path = "cli/databases.rs"]
mod databases;
#[path = "cli/edge.rs"]
mod edge;
#[path = "cli/journal.rs"]
mod journal;
#[path = "cli/maintenance.rs"]
mod maintenance;
#[path = "cli/orders.rs"]
mod orders;
#[path = "cli/place.rs"]
mod place;
#[path = "cli/postmortem.rs"]
mod postmortem;
#[path = "cli/secrets.rs"]
mod secrets;
#[path = "cli/shapes.rs"]
mod shapes;
#[path = "cli/subscribers.rs"]
mod subscribers;
#[path = "cli/telling.rs"]
mod telling;
#[path = "cli/words.rs"]
mod words;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use place::Place;
use rustix::process::Signal;
use serde_json::Value;

/// A request as it is written, and the whole answer.
fn ask(address: &str, path: &str, host: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .expect("a timeout");
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
    )
    .expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    text
}

#[test]
fn init_writes_a_file_that_check_accepts_and_never_overwrites() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = Place { folder };
    place.good(&["init"]);
    let said = place.good(&["check"]);
    assert!(said.contains("It only watches"), "{said}");
    std::fs::write(place.config(), "mine").expect("changed");
    let again = place.run(&["init"]);
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(
        std::fs::read_to_string(place.config()).expect("read"),
        "mine"
    );
}

#[test]
fn check_tells_every_problem_with_its_line_and_fails() {
    let place = Place::with("[[job]]\nid = \"a\"\nstal = \"1m\"\n[[job]]\nid = \"a b\"\n");
    let output = place.run(&["check"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        said.contains("evenkeel.toml:12:1: `stal`") && said.contains("`stall`?"),
        "{said}"
    );
    assert!(said.contains("evenkeel.toml:14:6: `a b`"), "{said}");
    let problems: Value =
        serde_json::from_slice(&place.run(&["--json", "check"]).stdout).expect("JSON");
    assert_eq!(problems["good"], false);
    let all = problems["problems"].as_array().expect("a list");
    let wrong = all.iter().filter(|problem| problem["is_warning"] == false);
    assert_eq!(wrong.count(), 2, "{problems:#}");
}

#[test]
fn a_server_is_asked_ordered_and_stopped_and_its_journal_read_afterwards() {
    let place =
        Place::with("[[job]]\nid = \"export\"\ncommand = [\"sh\", \"-c\", \"echo done\"]\n");
    let server = place.serve();
    let mode = std::fs::metadata(place.folder.path().join("evenkeel-data/control.sock"));
    let mode = mode.expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let page = ask(&server.page, "/", "status.example.com");
    assert!(
        page.starts_with("HTTP/1.1 200") && page.contains("Back office"),
        "{page}"
    );
    assert!(ask(&server.page, "/healthz", "x").ends_with("ok\n"));
    let operator = ask(&server.operator, "/", "127.0.0.1");
    assert!(operator.contains("location: /login"), "{operator}");
    let elsewhere = ask(&server.operator, "/", "evil.example.com");
    assert!(elsewhere.starts_with("HTTP/1.1 421"), "{elsewhere}");

    place.good(&["start", "export"]);
    let runs = place.until(&["runs"], |runs| runs[0]["ended"]["exit"]["code"] == 0);
    let run = runs[0]["run"].as_str().expect("a run").to_owned();
    place.let_in("ana", "operator");
    let mut ana = browser::Browser::of(&server.operator);
    ana.log_in("ana");
    let shown = ana.get(&format!("/runs/{run}"));
    assert!(shown.contains("it succeeded"), "{shown}");

    place.good(&["hold-actions", "--reason", "looking"]);
    let held = place.json(&["status"]);
    assert_eq!(held["held"]["reason"], "looking");
    // Twice is no mistake in a bad hour.
    place.good(&["hold-actions", "--reason", "twice"]);
    place.good(&["release-actions", "--reason", "seen"]);
    assert_eq!(place.json(&["status"])["held"], Value::Null);

    let unknown = place.run(&["start", "no-such-job"]);
    assert_eq!(unknown.status.code(), Some(1));
    server.stop();

    let after = place.run(&["--json", "runs"]);
    let said = String::from_utf8_lossy(&after.stderr).into_owned();
    assert!(said.contains("no Evenkeel runs here"), "{said}");
    let after: Value = serde_json::from_slice(&after.stdout).expect("JSON");
    assert_eq!(after[0]["run"], run.as_str());
    assert!(
        place
            .good(&["journal", "verify"])
            .contains("Nothing was edited")
    );
    let order = place.run(&["start", "export"]);
    let said = String::from_utf8_lossy(&order.stderr).into_owned();
    assert!(said.contains("evenkeel serve"), "{said}");
}

#[test]
fn a_wrapped_command_keeps_its_status_with_and_without_a_server() {
    let place = Place::with("[[job]]\nid = \"export\"\n");
    let wrapped = |arguments: &[&str]| {
        let output = place.run(&[&["run", "--job", "export", "--"], arguments].concat());
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), text)
    };
    assert_eq!(
        wrapped(&["sh", "-c", "echo out; exit 3"]),
        (Some(3), "out\n".into())
    );
    assert_eq!(wrapped(&["/nowhere/at-all"]).0, Some(127));
    // What ran while nobody watched is told when somebody does.
    let server = place.serve();
    let runs = place.until(&["runs"], |runs| {
        let ended = runs.as_array().into_iter().flatten();
        ended.filter(|run| !run["ended"].is_null()).count() == 2
    });
    let codes: Vec<&Value> = runs
        .as_array()
        .into_iter()
        .flatten()
        .map(|run| &run["ended"]["exit"])
        .collect();
    assert!(
        codes.contains(&&serde_json::json!({ "code": 3 })),
        "{runs:#}"
    );
    server.stop();
    // And with a configuration that cannot be read the command runs all the same.
    std::fs::write(place.config(), "broken = [").expect("broken");
    assert_eq!(
        wrapped(&["sh", "-c", "echo out; exit 4"]),
        (Some(4), "out\n".into())
    );
}

#[test]
fn a_run_outlives_a_server_that_is_killed_and_is_found_again() {
    let place = Place::with(
        "[[job]]\nid = \"export\"\ncommand = [\"sh\", \"-c\", \"while [ ! -e go ]; do sleep 0.05; done; exit 0\"]\nworking_dir = \".\"\n",
    );
    let mut server = place.serve();
    place.good(&["start", "export"]);
    place.until(&["runs"], |runs| !runs[0]["started_at"].is_null());
    server.signal(Signal::KILL);
    server.child.wait().expect("it is gone");
    let server = place.serve();
    let runs = place.json(&["runs"]);
    assert_eq!(runs[0]["ended"], Value::Null, "{runs:#}");
    std::fs::write(place.folder.path().join("go"), "").expect("a file");
    let runs = place.until(&["runs"], |runs| !runs[0]["ended"].is_null());
    assert_eq!(runs[0]["ended"]["exit"]["code"], 0);
    assert_eq!(runs.as_array().map(Vec::len), Some(1), "started once");
    server.stop();
}

#[test]
fn metrics_have_a_listener_of_their_own_where_one_is_named() {
    let place = Place::with("[metrics]\nlisten = \"127.0.0.1:0\"\n");
    let server = place.serve();
    let metrics = server.metrics.clone().expect("an address");
    let address = metrics.strip_suffix("/metrics").expect("the path");
    let answer = ask(address, "/metrics", "prometheus");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("version=0.0.4"),
        "{answer}"
    );
    assert!(answer.contains("\nevenkeel_well 1\n"), "{answer}");
    assert!(ask(address, "/", "x").starts_with("HTTP/1.1 404"));
    assert!(ask(&server.page, "/metrics", "x").starts_with("HTTP/1.1 404"));
    server.stop();
}

#[test]
fn a_second_server_is_told_who_has_the_journal() {
    let place = Place::with("");
    let server = place.serve();
    let second = place.run(&["serve"]);
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(1));
    assert!(said.contains(&server.child.id().to_string()), "{said}");
    server.stop();
}

#[test]
fn completions_and_help_come_from_the_same_definition() {
    let place = Place::with("");
    for shell in ["bash", "zsh", "fish"] {
        let text = place.good(&["completions", shell]);
        assert!(text.contains("hold-actions"), "{shell}");
    }
    let help = place.good(&["--help"]);
    assert!(
        help.contains("hold-actions") && !help.contains("docs "),
        "{help}"
    );
}
