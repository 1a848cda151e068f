//! Planned work with the real program: planned, begun, extended and ended by hand; what
//! customers read, what calendars get, and what is refused.

use serde_json::{Value, json};

use crate::api::{json as body_of, program, token};
use crate::ask;
use crate::browser::Browser;
use crate::place::Place;

/// Nobody listens on port 9: it is down at once.
const DOWN: &str = r#"
[[component]]
id = "quotes"
name = "Quotes"
[[check]]
id = "door"
kind = "tcp"
address = "127.0.0.1:9"
components = ["quotes"]
interval = "1s"
timeout = "1s"
failures = 1
[[maintenance]]
id = "yearly"
components = ["login"]
starts = "2020-01-01T22:00"
repeat = "FREQ=DAILY"
length = "1h"
announce = "50h"
impact = "reduced_redundancy"
"#;

fn one(place: &Place, id: &str) -> Value {
    let all = place.json(&["maintenance", "list"]);
    let mut all = all.as_array().expect("a list").iter();
    let found = all.find(|of| of["id"] == id);
    found.cloned().unwrap_or(Value::Null)
}

/// The number of the one that a person planned.
fn of_person(place: &Place) -> String {
    let all = place.json(&["maintenance", "list"]);
    let mut all = all.as_array().expect("a list").iter();
    let found = all.find(|of| !of["planned_by"].is_null());
    let found = found.expect("one that a person planned");
    found["id"].as_str().expect("an id").to_owned()
}

#[test]
fn work_is_planned_begun_extended_and_finished_and_customers_read_all_of_it() {
    let place = Place::with(DOWN);
    let server = place.serve();
    // The configuration's own nights are announced without anybody.
    place.until(&["maintenance", "list"], |all| {
        let of = all.as_array().expect("a list").iter();
        of.filter(|of| of["plan"] == "yearly").count() >= 2
    });
    // At short notice it takes a reason.
    let refused = place.run(&[
        "maintenance",
        "plan",
        "login",
        "--from",
        "10m",
        "--by",
        "30m",
    ]);
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("confirm it with a `reason`"), "{said}");
    let unknown = place.run(&[
        "maintenance",
        "plan",
        "payroll",
        "--from",
        "30h",
        "--by",
        "1h",
    ]);
    let said = String::from_utf8_lossy(&unknown.stderr);
    assert!(said.contains("there is no component payroll"), "{said}");
    place.good(&[
        "maintenance",
        "plan",
        "login",
        "--from",
        "10m",
        "--by",
        "30m",
        "--end-by-hand",
        "--text",
        "Nous déménageons.",
        "--language",
        "nl",
        "--reason",
        "the provider moves us tonight",
    ]);
    let id = of_person(&place);
    let page = format!("/maintenance/{id}");
    let text = ask(&server.page, &page, &server.page);
    for said in [
        "Maintenance of Login",
        "Planned",
        "lang=\"nl\"",
        "Nous déménageons.",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(!text.contains("the provider moves us"), "{text}");
    place.good(&["maintenance", "start", &id]);
    let begun = one(&place, &id);
    assert_eq!(begun["status"], "in_progress");
    let status = place.until(&["status"], |status| {
        let components = status["components"].as_array().expect("components");
        components
            .iter()
            .any(|of| of["status"] == "under_maintenance")
    });
    assert_eq!(status["components"][0]["id"], "login");
    place.good(&["maintenance", "extend", &id, "--by", "1h"]);
    assert_eq!(one(&place, &id)["sequence"], 1);
    let calendar = ask(&server.page, "/maintenance.ics", &server.page);
    assert!(
        calendar.contains(&format!("X-MAINTNOTE-MAINTENANCE-ID:{id}")),
        "{calendar}"
    );
    let api = ask(
        &server.page,
        "/api/v2/scheduled-maintenances/active.json",
        &server.page,
    );
    assert!(api.contains("\"status\":\"in_progress\""), "{api}");
    // Once it has begun there is nothing to call off.
    let late = place.run(&["maintenance", "cancel", &id]);
    let said = String::from_utf8_lossy(&late.stderr);
    assert!(said.contains("evenkeel maintenance finish"), "{said}");
    place.good(&["maintenance", "finish", &id]);
    assert_eq!(one(&place, &id)["status"], "verifying");
    let text = ask(&server.page, &page, &server.page);
    assert!(text.contains("We are checking that all is well."), "{text}");
    server.stop();
    // The journal knows it where no server runs.
    assert_eq!(one(&place, &id)["status"], "verifying");
    let night = place.json(&["maintenance", "list"]);
    let night = night.as_array().expect("a list").iter();
    let night = night.filter(|of| of["plan"] == "yearly").count();
    assert!(night >= 2);
}

#[test]
fn work_into_a_peak_is_refused_until_a_reason_confirms_it() {
    let today = jiff::Timestamp::now().strftime("%Y-%m-%d").to_string();
    let peak = format!(
        "[[peak]]\nid = \"vat\"\nname = \"VAT day\"\nstarts = \"{today}\"\nlength = \"10d\"\ncomponents = [\"login\"]\n"
    );
    let place = Place::with(&format!("{DOWN}{peak}"));
    let server = place.serve();
    place.let_in("ana", "operator");
    let peaks = place.until(&["maintenance", "peaks"], |peaks| peaks[0].is_object());
    assert_eq!(peaks[0]["name"], "VAT day");
    let mut reader = program(&server, &token(&place, "laptop", "read"));
    let told = body_of(&reader.send("GET", "/api/v1/peaks", ""));
    assert_eq!(told[0]["components"], json!(["login"]));
    let plan = [
        "maintenance",
        "plan",
        "login",
        "--from",
        "60h",
        "--by",
        "1h",
    ];
    let refused = place.run(&plan);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        said.contains("VAT day") && said.contains("`reason`"),
        "{said}"
    );
    // Another function is none of that peak's.
    place.good(&[
        "maintenance",
        "plan",
        "quotes",
        "--from",
        "60h",
        "--by",
        "1h",
    ]);
    let mut ana = Browser::of(&server.operator);
    ana.log_in("ana");
    let overview = ana.get("/");
    assert!(overview.contains("Next peak: VAT day"), "{overview}");
    let mut confirmed = plan.to_vec();
    confirmed.extend(["--reason", "the authority has moved the day"]);
    place.good(&confirmed);
    let page = ana.get("/maintenance");
    assert!(page.contains("the authority has moved the day"), "{page}");
    server.stop();
}
