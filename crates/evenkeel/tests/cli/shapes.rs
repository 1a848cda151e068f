//! The shapes of `--json` are kept: scripts that operators wrote years ago read them.
//!
//! `shapes.list` names every field that a small story shows. A field may be added; one that
//! goes, or changes its name, breaks somebody's script. `EVENKEEL_BLESS=1` rewrites the list.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::place::Place;

const STORY: &str = r#"
[[job]]
id = "greet"
command = ["echo", "hello"]
[[job]]
id = "hang"
command = ["sleep", "600"]
stall = "1s"
grace = "1s"
[job.may]
end_run = "propose"
"#;

#[derive(Default)]
struct Shapes(BTreeSet<String>);

impl Shapes {
    fn add(&mut self, command: &str, value: &Value) {
        self.walk(command, "", value);
    }

    /// A field that was once empty and once not is told as what it holds.
    fn told(&self) -> String {
        let holds = |field: &str| {
            let below = format!("{field}.");
            self.0.iter().any(|other| other.starts_with(&below))
        };
        let fields = self.0.iter().filter(|field| !holds(field));
        fields.map(|field| format!("{field}\n")).collect()
    }

    fn walk(&mut self, command: &str, path: &str, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (name, value) in fields {
                    self.walk(command, &format!("{path}.{name}"), value);
                }
            }
            Value::Array(list) => {
                for value in list {
                    self.walk(command, &format!("{path}[]"), value);
                }
            }
            // What is not there now is a field all the same; what it holds is not known.
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                self.0.insert(format!("{command} {path}"));
            }
        }
    }
}

#[test]
fn no_field_of_the_json_goes_away() {
    // A port that accepts is all that is needed for a check to pass.
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = port.local_addr().expect("an address");
    let check = format!("[[check]]\nid = \"port\"\nkind = \"tcp\"\naddress = \"{address}\"\n");
    let place = Place::with(&format!("{STORY}{check}"));
    let mut shapes = Shapes::default();
    let server = place.serve();
    shapes.add("start", &place.json(&["start", "greet"]));
    place.until(&["runs"], |runs| !runs[0]["ended"].is_null());
    place.good(&["start", "hang"]);
    let status = place.until(&["status"], |status| {
        status["proposals"][0].is_object() && status["runs"][0]["progress"].is_object()
    });
    shapes.add("status", &status);
    let id = status["proposals"][0]["action"]["id"].as_str();
    let id = id.expect("an action").to_owned();
    shapes.add(
        "hold-actions",
        &place.json(&["hold-actions", "--reason", "shapes"]),
    );
    shapes.add("status", &place.json(&["status"]));
    shapes.add(
        "release-actions",
        &place.json(&["release-actions", "--reason", "seen"]),
    );
    shapes.add("approve", &place.json(&["approve", &id]));
    let incident = place.until(&["incidents", "I-1"], |incident| {
        let all = |field: &str| incident[field].as_array().into_iter().flatten();
        all("actions").any(|state| state["phase"]["phase"] == "proven")
            && all("findings").next().is_some()
            && all("messages").all(|message| message["outcome"].is_object())
    });
    shapes.add("incidents ID", &incident);
    shapes.add("incidents", &place.json(&["incidents"]));
    shapes.add("runs", &place.json(&["runs"]));
    let checks = place.until(&["checks"], |checks| checks[0]["last"].is_object());
    shapes.add("checks", &checks);
    shapes.add("checks try", &place.json(&["checks", "try", "port"]));
    shapes.add("evidence", &place.json(&["evidence"]));
    shapes.add("evidence ID", &place.json(&["evidence", &id]));
    server.stop();
    shapes.add("journal verify", &place.json(&["journal", "verify"]));
    let entry = place.json(&["journal", "show", "1"]);
    for (name, value) in entry.as_object().expect("an entry") {
        // The bodies' shapes have versions of their own, and golden files in the core.
        if name != "body" {
            shapes.walk("journal show", &format!(".{name}"), value);
        }
    }
    shapes.add("check", &place.json(&["check", "--offline"]));

    let told = shapes.told();
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/shapes.list");
    if std::env::var_os("EVENKEEL_BLESS").is_some() {
        std::fs::write(&list, &told).expect("written");
    }
    let kept = std::fs::read_to_string(&list).expect("the list");
    assert_eq!(told, kept, "see {}", list.display());
}
