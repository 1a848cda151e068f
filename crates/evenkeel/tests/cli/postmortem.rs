//! Post-mortems with the real program: opened by an outage, written on the command line, in
//! the console and over the API, published, corrected, exported.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use evenkeel::web::api::openapi;
use serde_json::{Value, json};

use crate::api::{json as body_of, misfits, program, token};
use crate::ask;
use crate::browser::Browser;
use crate::place::{Place, Server};

/// A service that is well once it is told to be.
fn service(is_well: Arc<AtomicBool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _asked = stream.read(&mut [0; 2048]);
            let status = match is_well.load(Ordering::Relaxed) {
                true => "200 OK",
                false => "500 Internal Server Error",
            };
            let answer =
                format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
            let _gone = stream.write_all(answer.as_bytes());
        }
    });
    address
}

/// A place where an outage is over: I-1.
fn over() -> (Place, Server) {
    let is_well: Arc<AtomicBool> = Arc::default();
    let address = service(is_well.clone());
    let place = Place::with(&format!(
        r#"
[incidents]
settle = "1s"
[notices]
dora = true
[[check]]
id = "door"
kind = "http"
url = "http://{address}/"
components = ["login"]
interval = "1s"
timeout = "1s"
retry_interval = "1s"
failures = 1
"#
    ));
    let server = place.serve();
    place.until(&["incidents"], |incidents| {
        incidents[0]["harmed"]["login"].is_string()
    });
    is_well.store(true, Ordering::Relaxed);
    place.until(&["postmortem", "list"], |list| list[0]["incident"] == "I-1");
    (place, server)
}

fn refused(place: &Place, arguments: &[&str]) -> String {
    let output = place.run(arguments);
    assert!(!output.status.success(), "{arguments:?}");
    String::from_utf8(output.stderr).expect("text")
}

/// Writes a part of the first incident's post-mortem.
fn write(place: &Place, section: &str, text: &str, language: &str) {
    let words = ["postmortem", "write", "I-1", section, "--text", text];
    place.good(&[&words[..], &["--language", language]].concat());
}

#[test]
fn a_post_mortem_is_written_published_and_only_corrected() {
    let (place, server) = over();
    let page = |path: &str| ask(&server.page, path, &server.page);
    let gone = page("/en/incidents/I-1/postmortem");
    assert!(gone.starts_with("HTTP/1.1 404"), "{gone}");
    let early = refused(&place, &["postmortem", "publish", "I-1"]);
    assert!(early.contains("summary"), "{early}");

    let write = |section, text| write(&place, section, text, "nl");
    write("cause", "Een export bleef hangen.");
    write("technical", "De deur was dicht: door.");
    place.good(&[
        "postmortem",
        "measure",
        "I-1",
        "add",
        "--text",
        "Een tweede deur.",
        "--language",
        "nl",
        "--owner",
        "ana",
        "--due",
        "2099-12-01",
    ]);
    let report = place.json(&["postmortem", "show", "I-1"]);
    assert_eq!(report["revision"], 2);
    assert_eq!(report["postmortem"]["measures"][0]["state"], "open");
    assert!(report["postmortem"]["facts"]["failed_checks"].is_number());

    place.good(&["postmortem", "publish", "I-1"]);
    let read = page("/en/incidents/I-1/postmortem");
    for said in [
        "lang=\"nl\"",
        "Een export bleef hangen.",
        "Een tweede deur.",
        "1 December 2099",
        "Login",
    ] {
        assert!(read.contains(said), "{said}: {read}");
    }
    for secret in ["De deur was dicht", "ana<", "operator:"] {
        assert!(!read.contains(secret), "{secret}: {read}");
    }
    assert!(page("/nl/incidents/I-1").contains("/nl/incidents/I-1/postmortem"));
    let machines = page("/api/v2/incidents.json");
    let machines: Value =
        serde_json::from_str(machines.split("\r\n\r\n").nth(1).expect("a body")).expect("JSON");
    let incident = &machines["incidents"][0];
    assert_eq!(incident["status"], "postmortem");
    assert_eq!(incident["incident_updates"][0]["status"], "postmortem");
    assert!(
        incident["postmortem_body"]
            .as_str()
            .expect("a text")
            .contains("Een export bleef hangen")
    );

    // It is not changed by writing on, and a correction says what it corrects.
    write("cause", "Het netwerk viel weg.");
    assert!(page("/en/incidents/I-1/postmortem").contains("Een export bleef hangen."));
    let again = refused(&place, &["postmortem", "publish", "I-1"]);
    assert!(again.contains("--correction"), "{again}");
    place.good(&[
        "postmortem",
        "publish",
        "I-1",
        "--correction",
        "De oorzaak was het netwerk.",
        "--language",
        "nl",
    ]);
    let read = page("/en/incidents/I-1/postmortem");
    assert!(read.contains("De oorzaak was het netwerk.") && read.contains("Het netwerk viel weg."));
    // What stood before is in the journal.
    let entries = place.json(&["journal", "tail", "-n", "100"]);
    assert!(entries.to_string().contains("Een export bleef hangen."));

    place.good(&["postmortem", "measure", "I-1", "1", "done"]);
    assert!(page("/en/incidents/I-1/postmortem").contains("Done on"));
    let to = place.folder.path().join("bundle");
    let bundled = place.json(&[
        "postmortem",
        "export",
        "I-1",
        "--to",
        to.to_str().expect("a path"),
    ]);
    assert_eq!(bundled["chain_holds"], true);
    assert!(to.join("technical.md").exists());
    server.stop();
    // Without a server the journal answers.
    assert!(
        place
            .good(&["postmortem", "show", "I-1", "--customers", "de"])
            .starts_with("# Nachbetrachtung")
    );
}

#[test]
fn two_who_write_at_once_lose_nothing() {
    let (place, server) = over();
    place.let_in("ana", "operator");
    place.let_in("rik", "viewer");
    let mut ana = Browser::of(&server.operator);
    ana.log_in("ana");
    let page = ana.get("/postmortems/I-1");
    assert!(
        page.contains("Not yours") || page.contains("name=\"read\" value=\"0\""),
        "{page}"
    );
    // Meanwhile somebody writes the same part on the command line.
    write(&place, "cause", "The network.", "en");
    let form = "section=cause&read=0&language=en&text=The+export.%0D%0A%3Cb%3E";
    let answer = ana.post("/postmortems/I-1", "/postmortems/I-1", form);
    assert!(answer.starts_with("HTTP/1.1 409"), "{answer}");
    for shown in [
        "The network.",
        "The export.\n&lt;b&gt;",
        "name=\"read\" value=\"1\"",
    ] {
        assert!(answer.contains(shown), "{shown}: {answer}");
    }
    let cause = |place: &Place| {
        let report = place.json(&["postmortem", "show", "I-1"]);
        report["postmortem"]["sections"]["cause"]["text"]["text"].clone()
    };
    assert_eq!(cause(&place), "The network.");
    // With the revision that was shown it is written.
    let form = "section=cause&read=1&language=en&text=Both.";
    let answer = ana.post("/postmortems/I-1", "/postmortems/I-1", form);
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    assert_eq!(cause(&place), "Both.");
    let stale = refused(
        &place,
        &[
            "postmortem",
            "write",
            "I-1",
            "cause",
            "--text",
            "x",
            "--language",
            "en",
            "--read",
            "1",
        ],
    );
    assert!(stale.contains("Both."), "{stale}");

    // What is too long comes back to who typed it.
    let long = format!(
        "section=factors&read=0&language=en&text={}",
        "x".repeat(6001)
    );
    let answer = ana.post("/postmortems/I-1", "/postmortems/I-1", &long);
    assert!(answer.starts_with("HTTP/1.1 422") && answer.contains(&"x".repeat(6001)));

    let mut rik = Browser::of(&server.operator);
    rik.log_in("rik");
    let page = rik.get("/postmortems/I-1");
    assert!(
        page.contains("Both.") && !page.contains("<textarea"),
        "{page}"
    );
    let answer = rik.post("/authority", "/postmortems/I-1", form);
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    server.stop();
}

#[test]
fn a_notice_is_noted_and_never_sent() {
    let (place, server) = over();
    let not_kept = refused(&place, &["notice", "I-1", "gdpr", "start", "--reason", "x"]);
    assert!(not_kept.contains("[notices]"), "{not_kept}");
    let said = place.good(&["notice", "I-1", "dora", "start", "--reason", "a bank"]);
    assert!(said.contains("no legal advice"), "{said}");
    place.good(&[
        "notice",
        "I-1",
        "dora",
        "give",
        "first",
        "--reference",
        "BaFin 12",
    ]);
    write(&place, "cause", "x", "en");
    place.good(&[
        "postmortem",
        "measure",
        "I-1",
        "add",
        "--text",
        "y",
        "--language",
        "en",
        "--owner",
        "ana",
        "--due",
        "2099-12-01",
    ]);
    let mut reader = program(&server, &token(&place, "laptop", "read"));
    let answer = reader.send("GET", "/api/v1/postmortems/I-1", "");
    let clock = &body_of(&answer)["clocks"][0];
    assert_eq!(clock["regime"], "dora");
    let document = openapi::document();
    let mut wrong = Vec::new();
    let schema = json!({ "$ref": "#/components/schemas/PostmortemReport" });
    misfits(&schema, &body_of(&answer), "PostmortemReport", &mut wrong);
    let list = reader.send("GET", "/api/v1/postmortems", "");
    let schema = &document["paths"]["/api/v1/postmortems"]["get"]["responses"]["200"]["content"]["application/json"]
        ["schema"];
    misfits(schema, &body_of(&list), "[PostmortemLine]", &mut wrong);
    assert_eq!(wrong, Vec::<String>::new());
    assert!(clock["steps"][0]["given_at"].is_string() && clock["steps"][1]["given_at"].is_null());
    let text = reader.send("GET", "/api/v1/postmortems/I-1/technical.md", "");
    assert!(
        text.contains("BaFin") || text.contains("initial notification given"),
        "{text}"
    );
    let order = json!({ "order": "notice", "incident": "I-1", "regime": "dora", "change": "stop", "reason": "no" });
    let refused = reader.send("POST", "/api/v1/orders", &order.to_string());
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    server.stop();
}
