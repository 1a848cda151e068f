//! The HTTP API on the real program: tokens, every answer held against the OpenAPI
//! document, and the command line from another host.

use std::path::PathBuf;

use evenkeel::web::api::{ENDPOINTS, openapi};
use serde_json::Value;

use crate::browser::Browser;
use crate::place::{Place, Server};

const JOBS: &str = r#"
[[job]]
id = "hang"
command = ["sh", "-c", "echo begun; exec sleep 600"]
stall = "1s"
grace = "1s"
[job.may]
end_run = "propose"
"#;

pub(crate) fn token(place: &Place, name: &str, scope: &str) -> String {
    let made = place.json(&["token", "create", name, "--scope", scope]);
    made["token"].as_str().expect("a token").to_owned()
}

pub(crate) fn program(server: &Server, token: &str) -> Browser {
    let mut program = Browser::of(&server.operator);
    program.extra = vec![("authorization", format!("Bearer {token}"))];
    program
}

pub(crate) fn json(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// What does not fit a schema, with where.
pub(crate) fn misfits(schema: &Value, value: &Value, at: &str, wrong: &mut Vec<String>) {
    let document = openapi::document();
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().expect("a name");
        let shape = document["components"]["schemas"][name].clone();
        return misfits(&shape, value, at, wrong);
    }
    if let Some(either) = schema["anyOf"].as_array() {
        let fits = either.iter().any(|schema| {
            let mut found = Vec::new();
            misfits(schema, value, at, &mut found);
            found.is_empty()
        });
        if !fits {
            wrong.push(format!("{at}: {value}"));
        }
        return;
    }
    if let Some(all) = schema["allOf"].as_array() {
        for schema in all {
            misfits(schema, value, at, wrong);
        }
        return;
    }
    let is = |kind: &str| match kind {
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        _ => value.is_object(),
    };
    if let Some(kind) = schema["type"].as_str()
        && !is(kind)
    {
        return wrong.push(format!("{at} is no {kind}: {value}"));
    }
    for item in value.as_array().into_iter().flatten() {
        misfits(&schema["items"], item, &format!("{at}[]"), wrong);
    }
    let Some(properties) = schema["properties"].as_object() else {
        return;
    };
    for required in schema["required"].as_array().into_iter().flatten() {
        let name = required.as_str().expect("a name");
        if value.get(name).is_none() {
            wrong.push(format!("{at} lacks {name}"));
        }
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        match properties.get(name) {
            Some(schema) => misfits(schema, value, &format!("{at}.{name}"), wrong),
            // What has every field of another shape beside its own is told of there; a
            // subject has the fields of its kind.
            None if at.starts_with("IncidentReport")
                || schema["description"] == "What something is about." => {}
            None => wrong.push(format!("{at}.{name} is not told of")),
        }
    }
}

#[test]
fn every_answer_is_as_the_document_says() {
    let place = Place::with(JOBS);
    let server = place.serve();
    place.good(&["start", "hang"]);
    let status = place.until(&["status"], |status| status["proposals"][0].is_object());
    let action = status["proposals"][0]["action"]["id"]
        .as_str()
        .expect("an id");
    let mut reader = program(&server, &token(&place, "graphs", "read"));
    let mut check = || {
        let runs = json(&reader.send("GET", "/api/v1/runs", ""));
        let incidents = json(&reader.send("GET", "/api/v1/incidents", ""));
        let evidence = json(&reader.send("GET", "/api/v1/evidence", ""));
        for endpoint in ENDPOINTS.iter().filter(|endpoint| endpoint.method == "get") {
            let fill =
                |value: &Value, otherwise: &str| value.as_str().unwrap_or(otherwise).to_owned();
            let id = match endpoint.path.contains("evidence") {
                true => fill(&evidence[0]["id"], ""),
                false => fill(&incidents[0]["id"], ""),
            };
            let path = endpoint
                .path
                .replace("{run}", &fill(&runs[0]["run"], ""))
                .replace("{id}", &id)
                .replace("{item}", "output.txt");
            // A post-mortem takes an incident that is over: `postmortem.rs` has one.
            let of_one = endpoint.path.starts_with("/api/v1/postmortems/");
            if of_one || endpoint.path.contains("{id}") && id.is_empty() {
                continue;
            }
            let answer = reader.send("GET", &path, "");
            assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
            if endpoint.answer == "text" {
                assert!(answer.contains("begun"), "{path}: {answer}");
                continue;
            }
            let operation = &openapi::document()["paths"][endpoint.path]["get"];
            let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
            let mut wrong = Vec::new();
            misfits(schema, &json(&answer), endpoint.answer, &mut wrong);
            assert!(wrong.is_empty(), "{path}: {wrong:#?}");
        }
    };
    check();
    place.good(&["approve", action]);
    place.until(&["runs"], |runs| runs[0]["ended"]["by"] == action);
    // Now there is evidence, too.
    check();
    server.stop();
}

#[test]
fn a_heartbeat_that_was_never_heard_is_there_and_new() {
    let place = Place::with(
        r#"
[pings]
listen = "127.0.0.1:0"
ping_key_file = "ping-key"
[[heartbeat]]
name = "Nightly backup"
uuid = "5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278"
period = "1h"
"#,
    );
    std::fs::write(place.folder.path().join("ping-key"), "a-key-of-the-test\n").expect("a key");
    let server = place.serve();
    let mut reader = program(&server, &token(&place, "graphs", "read"));
    let told = json(&reader.send("GET", "/api/v1/heartbeats", ""));
    assert_eq!(told[0]["name"], "Nightly backup");
    assert_eq!(told[0]["status"], "new");
    place.let_in("ana", "operator");
    let mut ana = Browser::of(&server.operator);
    ana.log_in("ana");
    let page = ana.send("GET", "/heartbeats", "");
    assert!(page.contains("Nightly backup"), "{page}");
    // The same word in both.
    assert!(page.contains("</svg> new</span>"), "{page}");
    server.stop();
}

#[test]
fn a_token_is_needed_good_for_what_it_says_and_taken_back_at_once() {
    let place = Place::with(JOBS);
    let server = place.serve();
    place.let_in("ana", "operator");
    let mut nobody = Browser::of(&server.operator);
    let mut wrong = program(&server, "evenkeel_0000");
    // A session is no token: a page elsewhere could use it.
    let mut ana = Browser::of(&server.operator);
    ana.log_in("ana");
    for endpoint in ENDPOINTS {
        let method = endpoint.method.to_uppercase();
        for who in [&mut nobody, &mut wrong, &mut ana] {
            let answer = who.send(&method, endpoint.path, "");
            assert!(
                answer.starts_with("HTTP/1.1 401"),
                "{}: {answer}",
                endpoint.path
            );
        }
    }
    assert!(
        nobody
            .send("GET", "/api/v2/x", "")
            .starts_with("HTTP/1.1 404")
    );

    let hold = r#"{"order":"hold_actions","reason":"from afar"}"#;
    let mut reader = program(&server, &token(&place, "graphs", "read"));
    let refused = reader.send("POST", "/api/v1/orders", hold);
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    let mut writer = program(&server, &token(&place, "laptop", "operate"));
    let answer = writer.send("POST", "/api/v1/orders", hold);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(
        place.json(&["status"])["held"]["by"],
        "operator:token laptop"
    );
    assert!(
        writer
            .send("POST", "/api/v1/orders", "nonsense")
            .starts_with("HTTP/1.1 400")
    );
    let unknown = r#"{"order":"start_job","job":"no-such-job"}"#;
    assert!(
        writer
            .send("POST", "/api/v1/orders", unknown)
            .starts_with("HTTP/1.1 404")
    );

    place.good(&["token", "revoke", "laptop"]);
    let answer = writer.send("GET", "/api/v1/status", "");
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    let left = place.json(&["token", "list"]);
    assert_eq!(left[0]["name"], "graphs");
    assert_eq!(left.as_array().map(Vec::len), Some(1));
    server.stop();
}

#[test]
fn the_command_line_says_the_same_from_another_host() {
    let place = Place::with(JOBS);
    let server = place.serve();
    let file: PathBuf = place.folder.path().join("token");
    std::fs::write(&file, token(&place, "laptop", "operate")).expect("written");
    let elsewhere = tempfile::tempdir().expect("a folder");
    let url = format!("http://{}", server.operator);
    let afar = |arguments: &[&str]| {
        // There is no configuration on that host.
        let mut command = std::process::Command::new(place.command().get_program());
        command
            .current_dir(elsewhere.path())
            .env_remove("EVENKEEL_CONFIG");
        command
            .args(["--server", &url, "--token-file"])
            .arg(&file)
            .args(arguments);
        command.output().expect("it runs")
    };
    let good = |arguments: &[&str]| {
        let output = afar(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("text")
    };
    good(&["start", "hang"]);
    let status = place.until(&["status"], |status| status["proposals"][0].is_object());
    let action = status["proposals"][0]["action"]["id"]
        .as_str()
        .expect("an id");
    assert!(good(&["status"]).contains(&format!("evenkeel approve {action}")));
    good(&["approve", action]);
    place.until(&["runs"], |runs| runs[0]["ended"]["by"] == action);
    for arguments in [
        &["incidents"] as &[&str],
        &["runs"],
        &["locks"],
        &["evidence"],
        &["evidence", action],
        &["evidence", action, "output.txt"],
        &["journal", "show", "3"],
    ] {
        // "3 s ago" moves on between the two.
        let still = |text: String| -> String {
            text.split_whitespace()
                .filter(|word| !word.chars().any(|c| c.is_ascii_digit()))
                .collect()
        };
        assert_eq!(
            still(good(arguments)),
            still(place.good(arguments)),
            "{arguments:?}"
        );
    }
    assert!(good(&["journal", "tail"]).contains("operator:token laptop ordered: approve"));
    let refused = afar(&["people", "list"]);
    assert_eq!(refused.status.code(), Some(1));
    std::fs::write(&file, "evenkeel_wrong").expect("written");
    let refused = afar(&["status"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("evenkeel token create"), "{said}");
    server.stop();
}

#[test]
fn over_tls_the_own_authority_is_named_and_no_other_is_believed() {
    let place = Place::with("");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let path = |name: &str| place.folder.path().join(name);
    std::fs::write(path("cert.pem"), made.cert.pem()).expect("written");
    std::fs::write(path("key.pem"), made.signing_key.serialize_pem()).expect("written");
    let text = std::fs::read_to_string(place.config()).expect("read");
    let with_tls = text.replace(
        "[operator]\n",
        "[operator]\ncertificate_file = \"cert.pem\"\nkey_file = \"key.pem\"\n",
    );
    std::fs::write(place.config(), with_tls).expect("written");
    let server = place.serve();
    std::fs::write(path("token"), token(&place, "laptop", "read")).expect("written");
    let port = server.operator.rsplit(':').next().expect("a port");
    let url = format!("https://localhost:{port}");
    let (token, authority) = (path("token"), path("cert.pem"));
    let (token, authority) = (token.display().to_string(), authority.display().to_string());
    let asked = ["--server", &url, "--token-file", &token, "status"];
    let refused = place.run(&asked);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    let said = place.good(&[&["--ca-file", &authority], &asked[..]].concat());
    assert!(said.contains("No incident is open"), "{said}");
    server.stop();
}
