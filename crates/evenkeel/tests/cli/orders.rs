//! Every order over the HTTP API: who may give it, how it is answered, that it is as the
//! OpenAPI document says, and that the journal has who gave it.

use std::collections::BTreeSet;

use evenkeel::web::api::openapi;
use serde_json::{Value, json};

use crate::api::{json as body_of, misfits, program, token};
use crate::browser::Browser;
use crate::place::Place;

const CONFIGURATION: &str = r#"
[[job]]
id = "export"
command = ["true"]
[edge]
listen = "127.0.0.1:0"
[[pool]]
id = "web"
[[pool.instance]]
id = "web-1"
address = "127.0.0.1:9"
[[pool.instance]]
id = "web-2"
address = "127.0.0.1:10"
[[route]]
id = "all"
component = "login"
pool = "web"
"#;

/// The status of the answer, and what it says.
fn status(answer: &str) -> (u16, String) {
    let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    (code.expect("a status"), answer.to_owned())
}

/// Orders one after the other, as programs write them, each with the status of its answer.
fn orders() -> Vec<(Value, u16)> {
    let edge = |name: &str, rest: Value, status| {
        let mut order = json!({ "order": "edge", "edge": name });
        let fields = rest.as_object().expect("fields").clone();
        order.as_object_mut().expect("an order").extend(fields);
        (order, status)
    };
    let of = |order: &str, change: &str, rest: Value, status| {
        let mut order = json!({ "order": order, "incident": "I-999", "change": change });
        let fields = rest.as_object().expect("fields").clone();
        order.as_object_mut().expect("an order").extend(fields);
        (order, status)
    };
    let work = |change: &str, rest: Value| {
        let mut order =
            json!({ "order": "maintenance", "maintenance_order": change, "maintenance": "MW-999" });
        let fields = rest.as_object().expect("fields").clone();
        order.as_object_mut().expect("an order").extend(fields);
        (order, 404)
    };
    let english = json!({ "language": "en", "text": "An export hung." });
    let web = |instance: &str| json!({ "pool": "web", "instance": instance });
    let off = |component: &str, reason: &str, texts: Value| json!({ "component": component, "reason": reason, "texts": texts });
    vec![
        edge("drain", web("web-1"), 200),
        edge("drain", web("web-9"), 404),
        edge("drain", json!({ "pool": "app", "instance": "web-1" }), 404),
        edge("drain", json!({ "pool": "web" }), 400),
        edge("admit", web("web-1"), 200),
        edge("admit", web("web-2"), 409),
        edge("hold", json!({ "pool": "web", "reason": "failover" }), 200),
        edge("hold", json!({ "pool": "web", "reason": " " }), 400),
        edge("hold", json!({ "pool": "app", "reason": "x" }), 404),
        edge("release", json!({ "pool": "web" }), 200),
        edge("release", json!({ "pool": "app" }), 404),
        edge(
            "switch_off",
            off(
                "login",
                "too slow",
                json!({ "en": "Back at two", "da": "Tilbage kl. 14" }),
            ),
            200,
        ),
        edge("switch_off", off("login", "", json!({})), 400),
        edge(
            "switch_off",
            off("login", "x", json!({ "en": "two\nlines" })),
            400,
        ),
        edge("switch_off", off("stock", "x", json!({})), 404),
        edge("switch_on", json!({ "component": "login" }), 200),
        edge("switch_on", json!({ "component": "stock" }), 404),
        edge(
            "show_banner",
            json!({ "texts": { "en": "Slow" }, "link": "https://status.example.com" }),
            200,
        ),
        edge("show_banner", json!({ "texts": {}, "link": null }), 400),
        edge(
            "show_banner",
            json!({ "texts": { "en": "Slow" }, "link": "javascript:alert(1)" }),
            400,
        ),
        edge("hide_banner", json!({}), 200),
        edge(
            "cap_tenant",
            json!({ "tenant": "4f1c2a00", "requests_per_s_max": 20 }),
            200,
        ),
        edge(
            "cap_tenant",
            json!({ "tenant": "4f1c2a00", "requests_per_s_max": null }),
            200,
        ),
        edge(
            "cap_tenant",
            json!({ "tenant": "4f1c2a00", "requests_per_s_max": 0 }),
            400,
        ),
        edge(
            "cap_tenant",
            json!({ "tenant": "4f1c2a00", "requests_per_s_max": -1 }),
            400,
        ),
        edge("burn_down", json!({}), 400),
        (json!({ "order": "hold_actions", "reason": "looking" }), 200),
        (json!({ "order": "hold_actions", "reason": "" }), 400),
        (json!({ "order": "release_actions", "reason": "seen" }), 200),
        (json!({ "order": "start_job", "job": "export" }), 200),
        (json!({ "order": "start_job", "job": "import" }), 404),
        (json!({ "order": "approve", "action": "A-999" }), 404),
        (
            json!({ "order": "refuse", "action": "A-999", "reason": "no" }),
            404,
        ),
        (json!({ "order": "acknowledge", "incident": "I-999" }), 404),
        (
            json!({
                "order": "tell",
                "incident": "I-999",
                "status": "identified",
                "text": { "language": "en", "text": "We know." },
                "facts": { "affected": "some", "data": "no", "works": ["login"] },
                "next_update_at": "2026-11-18T03:00:00Z",
                "reason": "seen",
            }),
            404,
        ),
        (json!({ "order": "tell", "incident": "I-999" }), 400),
        (
            json!({ "order": "correct", "message": "M-999", "facts": { "data": "yes" } }),
            404,
        ),
        (json!({ "order": "approve_word", "incident": "I-999" }), 404),
        (
            json!({ "order": "refuse_word", "incident": "I-999", "reason": "no" }),
            404,
        ),
        of(
            "postmortem",
            "write",
            json!({ "section": "cause", "text": english, "read": 0 }),
            404,
        ),
        of(
            "postmortem",
            "write",
            json!({ "section": "cause", "text": { "language": "en", "text": " " }, "read": 0 }),
            400,
        ),
        of(
            "postmortem",
            "write",
            json!({ "section": "blame", "text": english, "read": 0 }),
            400,
        ),
        of(
            "postmortem",
            "add_measure",
            json!({ "what": english, "owner": "ana", "due": 20_800 }),
            404,
        ),
        of(
            "postmortem",
            "add_measure",
            json!({ "what": english, "owner": "ana", "due": 1 }),
            400,
        ),
        of(
            "postmortem",
            "add_measure",
            json!({ "what": english, "owner": "", "due": 20_800 }),
            400,
        ),
        of(
            "postmortem",
            "change_measure",
            json!({ "measure": 1, "state": "done", "due": 20_800, "reason": "built" }),
            404,
        ),
        of(
            "postmortem",
            "publish",
            json!({ "read": 1, "correction": english }),
            404,
        ),
        of(
            "notice",
            "start",
            json!({ "regime": "nis2", "reason": "down" }),
            404,
        ),
        of(
            "notice",
            "start",
            json!({ "regime": "hipaa", "reason": "down" }),
            400,
        ),
        of(
            "notice",
            "stop",
            json!({ "regime": "nis2", "reason": "no" }),
            404,
        ),
        of(
            "notice",
            "give",
            json!({ "regime": "nis2", "step": "first", "reference": "BSI 1" }),
            404,
        ),
        (
            json!({
                "order": "maintenance", "maintenance_order": "plan",
                "plan": {
                    "components": ["nowhere"],
                    "from": "2036-11-23T02:00:00Z", "until": "2036-11-23T03:00:00Z",
                },
            }),
            404,
        ),
        work("move", json!({ "ends_at": "2036-11-23T04:00:00Z" })),
        work("begin", json!({})),
        work("finish", json!({ "text": english })),
        work("cancel", json!({})),
        (
            json!({ "order": "lift_stop", "action_kind": "end_run", "scope": { "type": "job", "id": "export" } }),
            409,
        ),
    ]
}

/// The document's title of an order.
fn title(order: &Value) -> String {
    let word = |key: &str| order[key].as_str().expect("a word").to_owned();
    match word("order").as_str() {
        "edge" => format!("edge: {}", word("edge")),
        "maintenance" => format!("maintenance: {}", word("maintenance_order")),
        of @ ("postmortem" | "notice") => format!("{of}: {}", word("change")),
        other => other.to_owned(),
    }
}

#[test]
fn every_order_is_answered_by_what_is_right_about_it_and_by_who_gives_it() {
    let place = Place::with(CONFIGURATION);
    let server = place.serve();
    let mut nobody = Browser::of(&server.operator);
    let mut reader = program(&server, &token(&place, "graphs", "read"));
    let mut writer = program(&server, &token(&place, "laptop", "operate"));
    let count = || place.json(&["journal", "tail", "-n", "1"])[0]["revision"].as_u64();
    let path = "/api/v1/orders";
    for (order, expected) in orders() {
        let text = order.to_string();
        let before = count();
        for (who, code) in [(&mut nobody, 401), (&mut reader, 403)] {
            let (got, answer) = status(&who.send("POST", path, &text));
            assert_eq!(got, code, "{text}: {answer}");
        }
        let (got, answer) = status(&writer.send("POST", path, &text));
        assert_eq!(got, expected, "{text}: {answer}");
        let said = body_of(&answer);
        if expected == 200 {
            assert!(said["revision"].as_u64() > before, "{text}: {answer}");
        } else {
            // What is wrong, and nothing but words.
            let why = said["refused"].as_str().unwrap_or_default();
            assert!(
                why.len() > 10 && said["revision"].is_null(),
                "{text}: {answer}"
            );
        }
    }
    let entries = place.json(&["journal", "tail", "-n", "200"]);
    let ordered: Vec<&Value> = entries
        .as_array()
        .into_iter()
        .flatten()
        .filter(|entry| entry["kind"] == "edge_ordered")
        .collect();
    let good = orders()
        .into_iter()
        .filter(|(order, code)| *code == 200 && order["order"] == "edge");
    assert_eq!(
        ordered.len(),
        good.count(),
        "one entry for each, and none for the others"
    );
    for entry in ordered {
        assert_eq!(entry["body"]["by"], "operator:token laptop", "{entry:#}");
    }
    server.stop();
}

#[test]
fn every_order_is_as_the_document_says() {
    let document = openapi::document();
    let shapes = document["components"]["schemas"]["Order"]["oneOf"].clone();
    let shapes = shapes.as_array().expect("shapes");
    let told: BTreeSet<String> = shapes
        .iter()
        .map(|shape| shape["title"].as_str().expect("a title").to_owned())
        .collect();
    let known = orders().into_iter().filter(|(_, code)| *code != 400);
    let mut given = BTreeSet::new();
    for (order, _) in known {
        let title = title(&order);
        let shape = shapes.iter().find(|shape| shape["title"] == title.as_str());
        let shape = shape.unwrap_or_else(|| panic!("{title} is not told of"));
        let mut wrong = Vec::new();
        misfits(shape, &order, &title, &mut wrong);
        assert!(wrong.is_empty(), "{wrong:#?}");
        given.insert(title);
    }
    assert_eq!(given, told);
}

#[test]
fn a_text_is_given_in_every_language_and_it_is_said_who_reads_another() {
    let place = Place::with(CONFIGURATION);
    let server = place.serve();
    place.let_in("ana", "operator");
    let mut ana = Browser::of(&server.operator);
    ana.log_in("ana");
    for (order, again) in [
        ("show_banner", "hide_banner"),
        (
            "switch_off&component=login&reason=late",
            "switch_on&component=login",
        ),
    ] {
        let texts = "text_en=Slow&text_da=Langsom&text_pl=";
        let form = format!("order={order}&{texts}&back=/pools");
        ana.post("/pools", "/orders", &form);
        let page = ana.get("/pools");
        let others = "visitors who read Dutch, German or Polish see it in English";
        assert!(page.contains(&format!("; {others} (journal")), "{page}");
        // What stands there afterwards, too.
        let page = ana.get("/pools");
        assert!(page.contains("<span lang=\"da\">Langsom</span>"), "{page}");
        assert!(!page.contains("lang=\"pl\""), "{page}");
        assert!(page.contains(&format!("Other {others}.")), "{page}");
        ana.post("/pools", "/orders", &format!("order={again}&back=/pools"));
    }
    // The form that has nothing to say is told so.
    ana.post(
        "/pools",
        "/orders",
        "order=show_banner&text_en=+&back=/pools",
    );
    assert!(ana.get("/pools").contains("a banner says something"));
    let said = place.good(&["banner", "show", "--text", "en=Slow", "--text", "nl=Traag"]);
    let others = "visitors who read German, Polish or Danish see it in English";
    assert!(said.contains(others), "{said}");
    server.stop();
}
