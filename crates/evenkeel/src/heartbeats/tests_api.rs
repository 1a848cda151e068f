//! The management API: what Healthchecks' clients ask for, and what they are answered.

use serde_json::{Value, json};

use super::tests::{Answer, BACKUP, KEY, Server, UNKNOWN};

const WRITE: &str = "x-api-key: read-write-key\r\n";
const READ: &str = "x-api-key: read-only-key\r\n";
const CHECKS: &str = "/api/v3/checks/";

async fn post(server: &Server, path: &str, body: Value) -> (u16, Value) {
    let answer = server.ask("POST", path, WRITE, &body.to_string()).await;
    let value = serde_json::from_str(&answer.body).unwrap_or(Value::Null);
    (answer.status, value)
}

async fn get(server: &Server, path: &str, key: &str) -> (u16, Value) {
    let answer = server.ask("GET", path, key, "").await;
    let value = serde_json::from_str(&answer.body).unwrap_or(Value::Null);
    (answer.status, value)
}

fn fields(value: &Value) -> Vec<&str> {
    let object = value.as_object().expect("an object");
    object.keys().map(String::as_str).collect()
}

#[tokio::test]
async fn a_check_is_made_read_changed_paused_resumed_and_deleted() {
    let server = Server::start().await;
    let body = json!({"name": "Imports", "slug": "imports", "tags": "prod www", "timeout": 3600, "grace": 60});
    let (status, made) = post(&server, CHECKS, body).await;
    assert_eq!(status, 201);
    let update = made["update_url"].as_str().unwrap();
    let path = update.strip_prefix("https://ping.example.com").unwrap();
    let id = path.strip_prefix(CHECKS).unwrap();
    let expected = json!({
        "name": "Imports", "slug": "imports", "tags": "prod www", "desc": "", "grace": 60,
        "n_pings": 0, "status": "new", "started": false, "last_ping": null, "next_ping": null,
        "manual_resume": false, "methods": "", "subject": "", "subject_fail": "", "start_kw": "",
        "success_kw": "", "failure_kw": "", "filter_subject": false, "filter_body": false,
        "uuid": id, "channels": "", "timeout": 3600, "update_url": update,
        "ping_url": format!("https://ping.example.com/ping/{id}"),
        "pause_url": format!("{update}/pause"), "resume_url": format!("{update}/resume"),
    });
    assert_eq!(made, expected);

    // Pinged, it is up, and a run may be under way.
    server
        .ask("GET", &format!("/ping/{id}/start"), "", "")
        .await;
    let (_, check) = get(&server, path, WRITE).await;
    assert_eq!(
        (&check["status"], &check["started"]),
        (&json!("new"), &json!(true))
    );
    server
        .ask("POST", &format!("/ping/{id}"), "", "all of it")
        .await;
    let (_, check) = get(&server, path, WRITE).await;
    assert_eq!(
        (&check["status"], &check["n_pings"]),
        (&json!("up"), &json!(2))
    );
    let next = check["next_ping"].as_str().unwrap();
    assert!(next.len() == 25 && next.ends_with("+00:00"), "{next}");

    // Changed: what is not named stays.
    let body = json!({"schedule": "0 2 * * *", "tz": "Europe/Riga"});
    let (status, check) = post(&server, path, body).await;
    assert_eq!((status, &check["name"]), (200, &json!("Imports")));
    assert_eq!(
        (&check["schedule"], &check["tz"]),
        (&json!("0 2 * * *"), &json!("Europe/Riga"))
    );
    assert!(!fields(&check).contains(&"timeout"));

    let (status, check) = post(&server, &format!("{path}/pause"), json!({})).await;
    assert_eq!((status, &check["status"]), (200, &json!("paused")));
    let (status, check) = post(&server, &format!("{path}/resume"), json!({})).await;
    assert_eq!((status, &check["status"]), (200, &json!("new")));
    let again = server
        .ask("POST", &format!("{path}/resume"), WRITE, "")
        .await;
    assert_eq!(
        (again.status, &again.body[..]),
        (409, "check is not paused")
    );

    // What was said, and when it turned.
    let (_, pings) = get(&server, &format!("{path}/pings/"), WRITE).await;
    let kinds: Vec<&Value> = pings["pings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| &p["type"])
        .collect();
    assert_eq!(kinds, ["success", "start"]);
    let newest = &pings["pings"][0];
    assert_eq!(
        (&newest["n"], &newest["method"]),
        (&json!(2), &json!("POST"))
    );
    assert!(newest["duration"].is_f64() && newest["rid"].is_null());
    let url = newest["body_url"].as_str().unwrap();
    let body_path = url.strip_prefix("https://ping.example.com").unwrap();
    let body = server.ask("GET", body_path, WRITE, "").await;
    assert_eq!((body.status, &body.body[..]), (200, "all of it"));
    assert_eq!(body.header("content-type"), Some("text/plain"));
    let none = server
        .ask("GET", &format!("{path}/pings/1/body"), WRITE, "")
        .await;
    assert_eq!(none.status, 404);
    let (_, flips) = get(&server, &format!("{path}/flips/"), WRITE).await;
    let turns: Vec<&Value> = flips["flips"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| &f["up"])
        .collect();
    assert_eq!(turns, [&json!(0), &json!(1)]);
    let (_, flips) = get(&server, &format!("{path}/flips/?end=1000"), WRITE).await;
    assert_eq!(flips, json!({"flips": []}));
    assert_eq!(
        get(&server, &format!("{path}/flips/?start=x"), WRITE)
            .await
            .0,
        400
    );

    let gone = server.ask("DELETE", path, WRITE, "").await;
    assert_eq!(gone.status, 200);
    assert_eq!(get(&server, path, WRITE).await.0, 404);
    let ping = server.ask("GET", &format!("/ping/{id}"), "", "").await;
    assert_eq!((ping.status, &ping.body[..]), (404, "not found"));
}

#[tokio::test]
async fn unique_finds_the_one_that_is_there() {
    let server = Server::start().await;
    let body = json!({"name": "Imports", "tags": "a b", "unique": ["name"]});
    let (first, made) = post(&server, CHECKS, body).await;
    let body = json!({"name": "Imports", "tags": "c", "unique": ["name"]});
    let (second, changed) = post(&server, CHECKS, body).await;
    assert_eq!((first, second), (201, 200));
    assert_eq!(made["uuid"], changed["uuid"]);
    assert_eq!(changed["tags"], "c");
    let body = json!({"name": "Imports", "timeout": 60, "unique": ["name", "timeout"]});
    assert_eq!(
        post(&server, CHECKS, body).await.0,
        201,
        "another period is another check"
    );
    // What the configuration has is found, and changed there only.
    let same = json!({"name": "Backup", "unique": ["name"]});
    assert_eq!(post(&server, CHECKS, same).await.0, 200);
    let other = json!({"name": "Backup", "timeout": 60, "unique": ["name"]});
    let (status, said) = post(&server, CHECKS, other).await;
    assert_eq!(status, 409);
    assert!(
        said["error"]
            .as_str()
            .unwrap()
            .contains("configuration file")
    );
    let gone = server
        .ask("DELETE", &format!("{CHECKS}{BACKUP}"), WRITE, "")
        .await;
    assert_eq!(gone.status, 409);
}

#[tokio::test]
async fn lists_are_filtered_by_slug_and_by_every_tag() {
    let server = Server::start().await;
    for (name, tags) in [("one", "prod www"), ("two", "prod"), ("three", "produce")] {
        post(
            &server,
            CHECKS,
            json!({"name": name, "slug": name, "tags": tags}),
        )
        .await;
    }
    for (query, names) in [
        ("", vec!["Backup", "Posted", "one", "three", "two"]),
        ("?tag=prod", vec!["one", "two"]),
        ("?tag=prod&tag=www", vec!["one"]),
        ("?slug=two", vec!["two"]),
        ("?slug=none", vec![]),
    ] {
        let (status, list) = get(&server, &format!("{CHECKS}{query}"), WRITE).await;
        let found: Vec<&Value> = list["checks"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| &c["name"])
            .collect();
        assert_eq!(
            (status, found),
            (
                200,
                names
                    .iter()
                    .map(|n| json!(n))
                    .collect::<Vec<_>>()
                    .iter()
                    .collect()
            ),
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_key_that_only_reads_reads_without_secrets() {
    let server = Server::start().await;
    let (status, list) = get(&server, CHECKS, READ).await;
    assert_eq!(status, 200);
    let check = &list["checks"][0];
    for secret in [
        "uuid",
        "ping_url",
        "update_url",
        "pause_url",
        "resume_url",
        "channels",
    ] {
        assert!(!fields(check).contains(&secret), "{secret}");
    }
    // As Healthchecks makes it of this UUID.
    let key = check["unique_key"].as_str().unwrap();
    assert_eq!(key.len(), 40);
    let (status, one) = get(&server, &format!("{CHECKS}{key}"), READ).await;
    assert_eq!((status, &one["name"]), (200, &check["name"]));
    assert_eq!(
        get(&server, &format!("{CHECKS}{key}/flips/"), READ).await.0,
        200
    );
    for (method, path) in [
        ("POST", CHECKS.to_owned()),
        ("POST", format!("{CHECKS}{BACKUP}")),
        ("POST", format!("{CHECKS}{BACKUP}/pause")),
        ("DELETE", format!("{CHECKS}{BACKUP}")),
        ("GET", format!("{CHECKS}{BACKUP}/pings/")),
        ("GET", format!("{CHECKS}{BACKUP}/pings/1/body")),
    ] {
        let answer = server.ask(method, &path, READ, "").await;
        assert_eq!(answer.status, 401, "{method} {path}");
    }
}

#[tokio::test]
async fn what_is_refused_is_refused_in_healthchecks_words() {
    let server = Server::start().await;
    let error =
        |answer: &Answer| serde_json::from_str::<Value>(&answer.body).unwrap()["error"].clone();
    for (method, path, head, body, status, said) in [
        ("GET", CHECKS, "", "", 401, "missing api key"),
        (
            "GET",
            CHECKS,
            "x-api-key: wrong\r\n",
            "",
            401,
            "wrong api key",
        ),
        (
            "POST",
            CHECKS,
            WRITE,
            "{",
            400,
            "could not parse request body",
        ),
        (
            "POST",
            CHECKS,
            WRITE,
            "[]",
            400,
            "json validation error: value is not an object",
        ),
        (
            "POST",
            CHECKS,
            WRITE,
            r#"{"timeout": 1}"#,
            400,
            "json validation error: timeout is too small",
        ),
        (
            "POST",
            CHECKS,
            "",
            r#"{"api_key": "wrong"}"#,
            401,
            "wrong api key",
        ),
    ] {
        let answer = server.ask(method, path, head, body).await;
        assert_eq!((answer.status, error(&answer)), (status, json!(said)));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
    let in_body = server
        .ask(
            "POST",
            CHECKS,
            "",
            r#"{"api_key": "read-write-key", "name": "x"}"#,
        )
        .await;
    assert_eq!(in_body.status, 201);
    for (method, path, status) in [
        ("PUT", CHECKS.to_owned(), 405),
        ("OPTIONS", CHECKS.to_owned(), 204),
        ("GET", format!("{CHECKS}{UNKNOWN}"), 404),
        ("GET", format!("{CHECKS}not-a-uuid"), 404),
        ("GET", "/api/v4/checks/".into(), 404),
        ("GET", "/api/v3/nothing/".into(), 404),
        ("GET", "/api/v3/status/".into(), 200),
        ("GET", "/api/v3/channels/".into(), 200),
    ] {
        let answer = server.ask(method, &path, WRITE, "").await;
        assert_eq!(answer.status, status, "{method} {path}");
    }
    // An older client's slug is made of the name; and it says "started".
    let (_, old) = post(&server, "/api/v1/checks/", json!({"name": "Old Client"})).await;
    assert_eq!(old["slug"], "old-client");
    server
        .ask("GET", &format!("/ping/{KEY}/old-client/start"), "", "")
        .await;
    let (_, old) = get(&server, "/api/v1/checks/?slug=old-client", WRITE).await;
    assert_eq!(old["checks"][0]["status"], "started");
}
