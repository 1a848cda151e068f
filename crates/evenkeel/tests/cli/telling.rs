//! Words to customers with the real program: written on the command line, in the console
//! and over the API; what customers read of them, and what they do not.

use serde_json::{Value, json};

use crate::api::{json as body_of, program, token};
use crate::ask;
use crate::browser::Browser;
use crate::place::{Place, Server};

/// Nobody listens on port 9: it is down at once.
const DOWN: &str = r#"
[[component]]
id = "quotes"
name = "Quotes"
[[check]]
id = "door"
kind = "tcp"
address = "127.0.0.1:9"
components = ["login"]
interval = "1s"
timeout = "1s"
failures = 1
"#;

/// A server whose customers were told that Login fails: I-1.
fn down(more: &str) -> (Place, Server) {
    let place = Place::with(&format!("{DOWN}{more}"));
    let server = place.serve();
    place.until(&["incidents"], |incidents| {
        incidents[0]["id"] == "I-1" && incidents[0]["harmed"]["login"].is_string()
    });
    (place, server)
}

fn public(server: &Server) -> String {
    ask(&server.page, "/incidents/I-1", &server.page)
}

fn words(place: &Place) -> Vec<Value> {
    let report = place.json(&["incidents", "I-1"]);
    let messages = report["messages"].as_array().expect("messages").iter();
    let messages = messages.map(|state| state["message"].clone());
    messages
        .filter(|message| message["body"]["audience"] == "public")
        .collect()
}

#[test]
fn an_update_is_read_by_customers_without_its_writer_and_a_correction_beside_it() {
    let (place, server) = down("");
    place.good(&[
        "tell",
        "I-1",
        "identified",
        "--text",
        "Inloggen lukt niet.",
        "--language",
        "nl",
        "--affected",
        "Payroll Plus",
        "--data",
        "no",
        "--works",
        "quotes",
        "--next",
        "30m",
    ]);
    let page = public(&server);
    for said in [
        "lang=\"nl\"",
        "Inloggen lukt niet.",
        "Payroll Plus",
        "Quotes",
    ] {
        assert!(page.contains(said), "{said}: {page}");
    }
    let told = words(&place).pop().expect("a word");
    let person = &told["body"]["person"];
    let by = person["by"].as_str().expect("a name");
    assert!(by.starts_with("operator:"), "{told}");
    assert!(!page.contains(by), "{page}");
    assert_eq!(person["facts"]["works"], json!(["quotes"]));
    let promise = &place.json(&["incidents", "I-1"])["promise"];
    assert_eq!(promise["until"], told["body"]["next_update_at"]);

    let id = told["id"].as_str().expect("an id");
    place.good(&[
        "correct",
        id,
        "--text",
        "Alleen 's nachts.",
        "--language",
        "nl",
    ]);
    let page = public(&server);
    assert!(page.contains("Inloggen lukt niet."), "{page}");
    assert!(
        page.contains("Alleen &#39;s nachts.") || page.contains("Alleen 's nachts."),
        "{page}"
    );
    assert!(page.contains(&format!("#{id}")), "{page}");
    server.stop();
}

#[test]
fn better_than_what_is_seen_is_refused_and_a_reason_is_for_operators() {
    let (place, server) = down("");
    let mut writer = program(&server, &token(&place, "laptop", "operate"));
    let mut give = |order: Value| {
        let answer = writer.send("POST", "/api/v1/orders", &order.to_string());
        let code = answer.split(' ').nth(1).unwrap_or_default().to_owned();
        (
            code,
            body_of(&answer)["refused"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
        )
    };
    let tell = |more: Value| {
        let mut order = json!({ "order": "tell", "incident": "I-1", "status": "resolved" });
        let fields = more.as_object().expect("fields").clone();
        order.as_object_mut().expect("an order").extend(fields);
        order
    };
    let (code, why) = give(tell(json!({})));
    assert!(
        code == "409" && why.contains("login is still seen to be hurt"),
        "{why}"
    );
    for (more, expected) in [
        (json!({ "incident": "I-99" }), "404"),
        (json!({ "status": "postmortem" }), "400"),
        (json!({ "facts": { "works": ["stock"] } }), "404"),
        (
            json!({ "facts": { "works": ["login"] }, "status": "identified" }),
            "409",
        ),
        (
            json!({ "text": { "language": "fr", "text": "Non" } }),
            "400",
        ),
        (json!({ "text": { "language": "en", "text": " " } }), "400"),
        (
            json!({ "text": { "language": "en", "text": "x".repeat(2001) } }),
            "400",
        ),
        (json!({ "next_update_at": "2026-01-01T00:00:00Z" }), "400"),
        (json!({ "reason": "two\nlines" }), "400"),
    ] {
        let (code, why) = give(tell(more.clone()));
        assert_eq!(code, expected, "{more}: {why}");
    }
    let (code, why) = give(tell(json!({ "reason": "the check is wrong" })));
    assert_eq!(code, "200", "{why}");
    let page = public(&server);
    assert!(
        page.contains("Resolved") && !page.contains("the check is wrong"),
        "{page}"
    );
    place.let_in("ana", "operator");
    let mut ana = Browser::of(&server.operator);
    ana.log_in("ana");
    let page = ana.get("/incidents/I-1");
    assert!(page.contains("the check is wrong"), "{page}");
    // What is over for customers is corrected, and not told on.
    let said = String::from_utf8(place.run(&["correct", "M-1"]).stderr).expect("text");
    assert!(said.contains("M-1"), "{said}");
    server.stop();
}

#[test]
fn the_console_writes_and_vetoes_and_a_reader_does_neither() {
    let (place, server) = down("[telling]\nmode = \"propose\"\n");
    place.until(&["incidents", "I-1"], |report| {
        report["pending"].is_object()
    });
    assert_eq!(words(&place), Vec::<Value>::new());
    place.let_in("ana", "operator");
    place.let_in("rik", "viewer");
    let mut rik = Browser::of(&server.operator);
    rik.log_in("rik");
    let page = rik.get("/incidents/I-1");
    assert!(page.contains("Nothing is told until"), "{page}");
    assert!(!page.contains("name=\"status\""), "{page}");

    let mut ana = Browser::of(&server.operator);
    ana.log_in("ana");
    let page = ana.get("/incidents/I-1");
    assert!(page.contains("Tell them now"), "{page}");
    let back = "back=/incidents/I-1&incident=I-1";
    let order = |fields: &str| format!("{back}&{fields}");
    ana.post(
        "/incidents/I-1",
        "/orders",
        &order("order=refuse_word&reason=wait"),
    );
    assert!(ana.get("/incidents/I-1").contains("Vetoed by"));
    ana.post(
        "/incidents/I-1",
        "/orders",
        &order("order=tell&status=identified&text=We+know.%0D%0ASoon.&language=en&affected=group&group=Plus&data=being_checked&works_quotes=yes&next_minutes=30"),
    );
    let told = words(&place).pop().expect("a word");
    let body = &told["body"];
    assert_eq!(body["status"], "identified");
    let person = json!({
        "by": "operator:ana",
        "text": { "language": "en", "text": "We know.\nSoon." },
        "facts": { "affected": { "group": "Plus" }, "data": "being_checked", "works": ["quotes"] },
        "promised": true,
    });
    assert_eq!(body["person"], person);
    assert!(
        ana.get("/incidents/I-1")
            .contains("Written by operator:ana")
    );
    server.stop();
}
