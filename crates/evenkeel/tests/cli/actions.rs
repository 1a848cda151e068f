//! What waits for a person's word, what is kept before something is ended, and what a
//! person is told who orders what cannot be.

use serde_json::Value;

use crate::place::Place;

/// A run that hangs, and may be ended only when somebody says so.
const PROPOSED: &str = r#"
[[job]]
id = "hang"
command = ["sh", "-c", "echo begun; exec sleep 600"]
stall = "1s"
grace = "1s"
[job.may]
end_run = "propose"
"#;

fn proposal(place: &Place) -> String {
    let status = place.until(&["status"], |status| {
        status["proposals"][0]["action"]["id"].is_string()
    });
    let id = status["proposals"][0]["action"]["id"].as_str();
    id.expect("an action").to_owned()
}

fn refused(place: &Place, arguments: &[&str]) -> String {
    let output = place.run(arguments);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).expect("text")
}

#[test]
fn a_proposal_is_approved_done_once_and_leaves_evidence() {
    let place = Place::with(PROPOSED);
    let server = place.serve();
    place.good(&["start", "hang"]);
    let id = proposal(&place);
    let said = place.good(&["status"]);
    assert!(said.contains(&format!("evenkeel approve {id}")), "{said}");

    // Held actions are not approved by mistake.
    place.good(&["hold-actions", "--reason", "looking"]);
    let said = refused(&place, &["approve", &id]);
    assert!(said.contains("evenkeel release-actions --reason"), "{said}");
    place.good(&["release-actions", "--reason", "seen"]);

    place.good(&["approve", &id]);
    place.until(&["runs"], |runs| runs[0]["ended"]["by"] == id.as_str());
    let said = refused(&place, &["approve", &id]);
    assert!(said.contains("does not wait for your word"), "{said}");

    let kept = place.json(&["evidence"]);
    assert_eq!(kept[0]["id"], id.as_str(), "{kept:#}");
    let items = place.json(&["evidence", &id]);
    let items = items["items"].as_array().expect("items");
    let output = items.iter().find(|item| item["file"] == "output.txt");
    assert!(output.is_some(), "{items:#?}");
    let output = place.good(&["evidence", &id, "output.txt"]);
    assert!(output.contains("begun"), "{output}");
    for elsewhere in ["../index.json", "../../evenkeel.toml", "/etc/passwd", "."] {
        refused(&place, &["evidence", &id, elsewhere]);
    }
    let incident = place.json(&["incidents", "I-1"]);
    let actions = incident["actions"].as_array().expect("actions");
    assert!(
        actions
            .iter()
            .any(|state| state["action"]["id"] == id.as_str()),
        "{incident:#}"
    );
    place.good(&["acknowledge", "I-1"]);
    let by = place.json(&["incidents", "I-1"])["acknowledged_by"].clone();
    assert!(by.is_string(), "{by}");
    server.stop();
}

#[test]
fn a_refused_proposal_touches_nothing() {
    // A name of its own: what is left of it is looked for by its run, on the whole machine.
    let place = Place::with(&PROPOSED.replace("\"hang\"", "\"slow\""));
    let server = place.serve();
    place.good(&["start", "slow"]);
    let id = proposal(&place);
    let run = place.json(&["runs"])[0]["run"].clone();
    place.good(&["refuse", &id, "--reason", "it is only slow"]);
    let status = place.json(&["status"]);
    let waits = |status: &Value| {
        let proposals = status["proposals"].as_array().expect("a list");
        proposals
            .iter()
            .any(|state| state["action"]["id"] == id.as_str())
    };
    assert!(!waits(&status), "{status:#}");
    assert_eq!(status["runs"][0]["run"], run);
    assert_eq!(place.json(&["evidence"]), serde_json::json!([]));
    end_what_is_left(&place);
    server.stop();
}

#[test]
fn an_order_that_names_nothing_says_what_there_is() {
    let place = Place::with(PROPOSED);
    let server = place.serve();
    for (order, part) in [
        (&["approve", "A-77"] as &[&str], "evenkeel status"),
        (&["approve", "seven"], "A-NUMBER"),
        (&["approve", "--lift", "end_all", "job:hang"], "end_backend"),
        (&["approve", "--lift", "end_run", "hang"], "job:NAME"),
        (&["approve", "--lift", "end_run", "job:hang"], "not stopped"),
        (&["start", "hnag"], "there is: hang"),
        (&["acknowledge", "I-5"], "evenkeel incidents"),
        (&["incidents", "I-5"], "evenkeel incidents"),
        (&["runs", "none"], "evenkeel runs"),
        (&["evidence", "A-5"], "evenkeel evidence"),
    ] {
        let said = refused(&place, order);
        assert!(said.contains(part), "{order:?}: {said}");
    }
    server.stop();
}

/// A run that nobody ended would outlive its test: its command is ended as an operator
/// would by hand.
fn end_what_is_left(place: &Place) {
    let run = place.json(&["runs"])[0]["run"].clone();
    let run = format!("EVENKEEL_RUN_ID={}", run.as_str().expect("a run"));
    for process in std::fs::read_dir("/proc").expect("processes").flatten() {
        let Ok(pid) = process.file_name().to_string_lossy().parse::<i32>() else {
            continue;
        };
        let of_run = std::fs::read(process.path().join("environ")).is_ok_and(|all| {
            all.split(|byte| *byte == 0)
                .any(|one| one == run.as_bytes())
        });
        if let (true, Some(pid)) = (of_run, rustix::process::Pid::from_raw(pid)) {
            let _gone = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
    place.until(&["runs"], |runs| !runs[0]["ended"].is_null());
}

/// A word changed to fit a text would name another file.
#[test]
fn a_wrapped_command_gets_its_words_byte_for_byte() {
    use std::os::unix::ffi::OsStringExt;
    let place = Place::with("[[job]]\nid = \"export\"\n");
    let word = std::ffi::OsString::from_vec(b"caf\xe9  *'\"$".to_vec());
    let output = place
        .command()
        .args(["run", "--job", "export", "--", "printf", "%s|%s"])
        .arg("two words")
        .arg(&word)
        .output()
        .expect("it runs");
    let expected = [b"two words|", word.as_encoded_bytes()].concat();
    assert_eq!(output.stdout, expected, "{output:?}");
    assert!(output.status.success());
}

#[test]
fn a_wrapped_command_reads_what_is_piped_to_it() {
    use std::io::Write as _;
    let place = Place::with("[[job]]\nid = \"export\"\n");
    let mut child = place
        .command()
        .args(["run", "--job", "export", "--", "tr", "a-z", "A-Z"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(b"piped\n").expect("written");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.stdout, b"PIPED\n");
}
