//! The OpenAPI 3.1 document: paths from [`ENDPOINTS`](super::ENDPOINTS), shapes from
//! [`SHAPES`]. A test asks a real server for everything and holds each answer against it.
//!
//! Shapes are a table of ours and not derived from the types: those live in a core that
//! knows no schemas, and a crate for it would be named on every one of them.

mod changes;

use serde_json::{Map, Value, json};

use super::ENDPOINTS;
use crate::access::Scope;

/// A shape: its name, what it is, and its fields as `name type`, where the type is `text`,
/// `number`, `yesno`, `time`, `any`, another shape, `[X]` for a list of X, `{X}` for X by
/// name, with `?` before it where there may be none (`null`). Open shapes grow: read them
/// so that a new field does no harm.
pub const SHAPES: &[(&str, &str, &[&str])] = &[
    (
        "Status",
        "How things are.",
        &[
            "at time",
            "revision number",
            "ailment ?text",
            "not_recorded ?text",
            "held ?Held",
            "components [Component]",
            "incidents [Incident]",
            "proposals [ActionState]",
            "runs [Run]",
            "copies {Copy}",
        ],
    ),
    (
        "Copy",
        "A copy of the public page, elsewhere. `trouble` is since when a newer one is not there, and why.",
        &[
            "place text",
            "made_at ?time",
            "valid_until ?time",
            "trouble ?[any]",
            "delivered number",
            "failed number",
            "took_ms number",
            "files_written number",
        ],
    ),
    (
        "Held",
        "The kill switch, thrown.",
        &["by text", "reason text", "since time"],
    ),
    (
        "Component",
        "A function customers see. `status` is operational, unknown, under_maintenance, degraded_performance, partial_outage or major_outage.",
        &[
            "id text",
            "name text",
            "status text",
            "since ?time",
            "reason text",
        ],
    ),
    (
        "Incident",
        "An incident. `status` is investigating, identified, monitoring or resolved.",
        &[
            "id text",
            "title text",
            "status text",
            "severity text",
            "opened_at time",
            "status_since time",
            "resolved_at ?time",
            "quiet_since ?time",
            "reopened_count number",
            "harm_since ?time",
            "harmed {text}",
            "links [any]",
            "open_findings [FindingKey]",
            "cleared_findings [FindingKey]",
            "paged [FindingKey]",
            "last_word any",
            "said any",
            "promise any",
            "pending any",
            "acknowledged_by ?text",
            "calls any",
        ],
    ),
    (
        "IncidentReport",
        "An incident with everything that belongs to it: the fields of Incident, and these.",
        &[
            "findings [OpenFinding]",
            "actions [ActionState]",
            "messages [any]",
        ],
    ),
    (
        "PostmortemLine",
        "A post-mortem in short. `changed` says whether something was written, or came to be known, since it was published.",
        &[
            "incident text",
            "title text",
            "resolved_at time",
            "published_at ?time",
            "changed yesno",
            "measures_open number",
            "measures_late number",
        ],
    ),
    (
        "PostmortemReport",
        "A post-mortem. Who publishes says which `revision` they read.",
        &[
            "incident text",
            "title text",
            "revision number",
            "changed yesno",
            "postmortem Postmortem",
            "clocks [NoticeClock]",
            "no_advice text",
        ],
    ),
    (
        "Postmortem",
        "What is known (`facts`), what people wrote by section (summary, cause, factors, went_well, technical), measures, and the editions that were published.",
        &[
            "opened_at time",
            "facts PostmortemFacts",
            "sections {PostmortemText}",
            "measures [Measure]",
            "editions [any]",
        ],
    ),
    (
        "PostmortemFacts",
        "What is known of an incident that is over. `failed_requests` and `failed_checks` are at least so many.",
        &[
            "first_symptom_at time",
            "hurt_from time",
            "detected_at time",
            "first_word_at ?time",
            "recovered_at time",
            "resolved_at time",
            "reopened_count number",
            "harmed {text}",
            "affected -any",
            "data -text",
            "failed_requests -number",
            "failed_checks -number",
            "evidence -[text]",
            "timeline [any]",
            "left_out number",
        ],
    ),
    (
        "PostmortemText",
        "A section as it stands. Who writes it anew says which `revision` they read.",
        &["text ?FreeText", "revision number", "by text", "at time"],
    ),
    (
        "Measure",
        "What is to be done. `due` is a day, as days since 1970-01-01; `state` is open, done or dropped.",
        &[
            "number number",
            "what FreeText",
            "owner text",
            "due number",
            "first_due number",
            "state text",
            "since time",
            "reason -text",
            "reminders number",
            "reminded_at -time",
        ],
    ),
    (
        "NoticeClock",
        "The clock of a legal notice (nis2, dora, gdpr). No legal advice.",
        &[
            "regime text",
            "runs yesno",
            "clock any",
            "steps [NoticeStep]",
        ],
    ),
    (
        "NoticeStep",
        "A notice and by when it is due.",
        &[
            "step text",
            "name text",
            "due_at time",
            "given_at ?time",
            "late yesno",
        ],
    ),
    (
        "FindingKey",
        "Which finding: what is so, of what.",
        &["kind text", "subject Subject"],
    ),
    ("Subject", "What something is about.", &["type text"]),
    (
        "Fact",
        "What a decision rests on.",
        &["name text", "value text"],
    ),
    (
        "Finding",
        "A condition that holds.",
        &[
            "key FindingKey",
            "title text",
            "severity text",
            "harms {text}",
            "links [Subject]",
            "reason text",
            "facts [Fact]",
        ],
    ),
    (
        "OpenFinding",
        "A finding that holds, and since when.",
        &[
            "finding Finding",
            "opened_at time",
            "incident ?text",
            "withheld any",
            "last_action ?text",
        ],
    ),
    (
        "Action",
        "One thing to do. `task.do` says what.",
        &[
            "id text",
            "task any",
            "reason text",
            "facts [Fact]",
            "finding any",
            "incident ?text",
            "decided_at_revision number",
            "decided_at time",
        ],
    ),
    (
        "ActionState",
        "An action and how far it is. `phase.phase` is proposed, requested, performed, proven, unproven, failed, closed or withheld.",
        &[
            "action Action",
            "phase any",
            "approved_by ?text",
            "evidence any",
        ],
    ),
    (
        "Run",
        "A run of a job.",
        &[
            "run text",
            "job text",
            "scheduled_at time",
            "attempt number",
            "origin text",
            "requested_at time",
            "started_at ?time",
            "ended any",
            "evidence [any]",
            "progress any",
        ],
    ),
    (
        "Locks",
        "Who waits for whom in a database, root first.",
        &[
            "at time",
            "database text",
            "chains [any]",
            "left_out number",
        ],
    ),
    (
        "Check",
        "How a check went last, and lately. `last` has `at`, `outcome`, `took_ms` and `certificate_expires_at`; null where no result was seen.",
        &[
            "id text",
            "name text",
            "components [text]",
            "last any",
            "points [CheckPoint]",
        ],
    ),
    (
        "CheckPoint",
        "One result. `passed` is null where the check could not be made.",
        &["at time", "took_ms number", "passed any"],
    ),
    (
        "Pool",
        "A pool behind the edge. `seen_at` is null where nobody knows how it is; requests, errors and times are of the last `seconds`.",
        &[
            "id text",
            "name text",
            "seen_at ?time",
            "plan_wanted number",
            "plan_in_force ?number",
            "hold any",
            "limit number",
            "under_way number",
            "queued number",
            "held number",
            "shed number",
            "seconds number",
            "instances [Instance]",
        ],
    ),
    (
        "Instance",
        "An instance. `state` is in_use, slow_start, draining, down or ejected; null where nobody knows.",
        &[
            "id text",
            "state ?text",
            "why ?text",
            "drained yesno",
            "recycling yesno",
            "weight_pct number",
            "under_way number",
            "requests number",
            "errors number",
            "p50_us ?number",
            "p99_us ?number",
        ],
    ),
    (
        "Tenant",
        "A tenant by the hash of its name; null for all others together.",
        &[
            "tenant ?text",
            "requests number",
            "errors number",
            "shed number",
            "bytes_in number",
            "bytes_out number",
            "p99_us ?number",
            "seconds number",
            "requests_per_s_max ?number",
        ],
    ),
    (
        "Fill",
        "How full the things of an instance, a volume or a database are.",
        &[
            "of Subject",
            "at time",
            "started_at ?time",
            "release ?text",
            "levels [Level]",
            "forecasts [any]",
        ],
    ),
    (
        "Level",
        "How full one thing is, in its own unit. `limit` is null where nothing is known to end it.",
        &["resource any", "used number", "limit ?number"],
    ),
    (
        "Maintenance",
        "Planned work. `status` is scheduled, in_progress, verifying, completed or cancelled; `impact` no_impact, reduced_redundancy, degraded or outage; `begins` and `ends` by_itself or by_hand. `sequence` rises with every change.",
        &[
            "id text",
            "status text",
            "status_since time",
            "components [text]",
            "from time",
            "until time",
            "impact text",
            "text -FreeText",
            "begins text",
            "ends text",
            "reminders_s [number]",
            "plan ?text",
            "planned_at time",
            "planned_by ?text",
            "reason ?text",
            "sequence number",
            "began_at ?time",
            "ended_at ?time",
            "overdue_since ?time",
        ],
    ),
    (
        "Peak",
        "A known peak, and when it comes next. Without components it is of all.",
        &[
            "id text",
            "name text",
            "components [text]",
            "dates [Stretch]",
        ],
    ),
    (
        "Stretch",
        "From when to when.",
        &["from time", "until time"],
    ),
    (
        "Plan",
        "What is planned. Without `reminders_s` nobody is reminded.",
        &[
            "components [text]",
            "from time",
            "until time",
            "impact -text",
            "text -FreeText",
            "begins -text",
            "ends -text",
            "reminders_s -[number]",
        ],
    ),
    (
        "Heartbeat",
        "A heartbeat, heard of or not. `status` is down, grace (due, and not late yet), new (never heard, nothing due), up or paused.",
        &[
            "id text",
            "name text",
            "slug text",
            "tags text",
            "desc text",
            "status text",
            "started yesno",
            "configured yesno",
            "expected text",
            "grace_s number",
            "pings number",
            "last_ping_at ?time",
            "last_success_at ?time",
            "due_at ?time",
            "open_runs [OpenRun]",
            "last_run ?LastRun",
            "ping_url ?text",
        ],
    ),
    (
        "OpenRun",
        "A run of a heartbeat that has begun and not ended. `rid` is the client's name for it; empty for one without.",
        &["rid text", "started_at time", "heard_at time"],
    ),
    (
        "LastRun",
        "The run of a heartbeat that ended last, where it had said that it began.",
        &["ended_at time", "took_s number", "well yesno"],
    ),
    (
        "Readiness",
        "What has to hold at a time of day.",
        &[
            "id text",
            "name text",
            "due_at ?time",
            "rehearsal yesno",
            "last_held ?time",
            "missing [text]",
        ],
    ),
    (
        "Grant",
        "What is granted for one kind of action on one job or database.",
        &[
            "kind text",
            "scope Subject",
            "mode text",
            "budget number",
            "used number",
            "window_s number",
            "stopped_by ?text",
        ],
    ),
    (
        "Journal",
        "Entries, newest first. `earlier` goes into `before` for those before them.",
        &["entries [Entry]", "earlier any"],
    ),
    (
        "Entry",
        "An entry of the journal, and what it means in words.",
        &[
            "revision number",
            "at time",
            "kind text",
            "version number",
            "hash text",
            "body any",
            "sentence ?text",
        ],
    ),
    (
        "Evidence",
        "What was kept before something was ended.",
        &[
            "id text",
            "action text",
            "run ?text",
            "at time",
            "items [any]",
        ],
    ),
    (
        "FreeText",
        "A person's own words. `language` is en, nl, de, pl or da; `text` is plain.",
        &["language text", "text text"],
    ),
    (
        "ToldFacts",
        "What a person knows. `affected` is all, some, or an object with the name of a group: \
         `{\"group\": \"Payroll Plus\"}`; `data`, whether it is affected, is no, yes or \
         being_checked; `works` names components that still do.",
        &["affected -any", "data -text", "works -[text]"],
    ),
    (
        "Answered",
        "What came of an order, or why there is no answer.",
        &["revision any", "refused ?text"],
    ),
];

/// Every order to the edge, with its fields; `order` is `edge`, and `edge` says which.
const EDGE_ORDERS: &[(&str, &[&str])] = &[
    ("drain", &["pool text", "instance text"]),
    ("admit", &["pool text", "instance text"]),
    ("hold", &["pool text", "reason text"]),
    ("release", &["pool text"]),
    (
        "switch_off",
        &["component text", "reason text", "texts {text}"],
    ),
    ("switch_on", &["component text"]),
    ("show_banner", &["texts {text}", "link ?text"]),
    ("hide_banner", &[]),
    ("cap_tenant", &["tenant text", "requests_per_s_max ?number"]),
];

/// Every order about planned work; `order` is `maintenance`, and `maintenance_order` says which.
const MAINTENANCE_ORDERS: &[(&str, &[&str])] = &[
    ("plan", &["plan Plan", "reason -text"]),
    (
        "move",
        &[
            "maintenance text",
            "begins_at -time",
            "ends_at time",
            "text -FreeText",
            "reason -text",
        ],
    ),
    ("begin", &["maintenance text"]),
    ("finish", &["maintenance text", "text -FreeText"]),
    ("cancel", &["maintenance text", "text -FreeText"]),
];

/// Every order, with its fields.
const ORDERS: &[(&str, &[&str])] = &[
    ("approve", &["action text"]),
    ("refuse", &["action text", "reason text"]),
    ("hold_actions", &["reason text"]),
    ("release_actions", &["reason text"]),
    ("acknowledge", &["incident text"]),
    (
        "tell",
        &[
            "incident text",
            "status text",
            "text -FreeText",
            "facts -ToldFacts",
            "next_update_at -time",
            "reason -text",
        ],
    ),
    (
        "correct",
        &[
            "message text",
            "text -FreeText",
            "facts -ToldFacts",
            "reason -text",
        ],
    ),
    ("approve_word", &["incident text"]),
    ("refuse_word", &["incident text", "reason text"]),
    ("start_job", &["job text"]),
    ("lift_stop", &["action_kind text", "scope Subject"]),
];

fn typed(word: &str) -> Value {
    let inner = |open: char, close: char| word.strip_prefix(open)?.strip_suffix(close);
    if let Some(of) = word.strip_prefix('?') {
        return json!({ "anyOf": [typed(of), { "type": "null" }] });
    }
    if let Some(of) = inner('[', ']') {
        return json!({ "type": "array", "items": typed(of) });
    }
    if let Some(of) = inner('{', '}') {
        return json!({ "type": "object", "additionalProperties": typed(of) });
    }
    match word {
        "text" => json!({ "type": "string" }),
        "number" => json!({ "type": "integer" }),
        "yesno" => json!({ "type": "boolean" }),
        "time" => json!({ "type": "string", "format": "date-time" }),
        "any" => json!({}),
        shape => json!({ "$ref": format!("#/components/schemas/{shape}") }),
    }
}

fn object(about: &str, fields: &[&str]) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in fields {
        let (name, word) = field.split_once(' ').unwrap_or((field, "any"));
        // `-text` may be left out.
        let (word, needed) = match word.strip_prefix('-') {
            Some(word) => (word, false),
            None => (word, true),
        };
        properties.insert(name.to_owned(), typed(word));
        if needed {
            required.push(Value::from(name));
        }
    }
    json!({ "type": "object", "description": about, "properties": properties, "required": required })
}

/// An order of a family: `order` names the family, `key` which of it.
fn family(of: &str, key: &str, (order, fields): &(&str, &[&str])) -> Value {
    let mut shape = object("", fields);
    shape["title"] = json!(format!("{of}: {order}"));
    shape["properties"]["order"] = json!({ "const": of });
    shape["properties"][key] = json!({ "const": order });
    if let Some(required) = shape["required"].as_array_mut() {
        required.extend([json!("order"), json!(key)]);
    }
    shape
}

fn order_shape() -> Value {
    let one = ORDERS.iter().map(|(order, fields)| {
        let mut shape = object("", fields);
        shape["title"] = json!(order);
        shape["properties"]["order"] = json!({ "const": order });
        if let Some(required) = shape["required"].as_array_mut() {
            required.push(json!("order"));
        }
        shape
    });
    let of_edge = EDGE_ORDERS
        .iter()
        .map(|order| family("edge", "edge", order));
    let of_maintenance = MAINTENANCE_ORDERS
        .iter()
        .map(|order| family("maintenance", "maintenance_order", order));
    let of_aftermath = changes::CHANGES.iter().map(|(order, change, fields)| {
        let mut shape = object("", fields);
        shape["title"] = json!(format!("{order}: {change}"));
        shape["properties"]["order"] = json!({ "const": order });
        shape["properties"]["change"] = json!({ "const": change });
        if let Some(required) = shape["required"].as_array_mut() {
            required.extend([json!("order"), json!("change")]);
        }
        shape
    });
    let all: Vec<Value> = one
        .chain(of_edge)
        .chain(of_maintenance)
        .chain(of_aftermath)
        .collect();
    json!({ "description": "An order.", "oneOf": all })
}

/// The document.
pub fn document() -> Value {
    let mut schemas = Map::new();
    for (name, about, fields) in SHAPES {
        let mut shape = object(about, fields);
        if *name == "IncidentReport" {
            shape = json!({ "allOf": [typed("Incident"), shape] });
        }
        schemas.insert((*name).to_owned(), shape);
    }
    schemas.insert("Order".into(), order_shape());
    let refusal = json!({
        "description": "Why not, and what to do.",
        "content": { "application/json": { "schema": typed("Answered") } },
    });
    let mut paths = Map::new();
    for endpoint in ENDPOINTS {
        let in_path = endpoint
            .path
            .split('{')
            .skip(1)
            .filter_map(|part| part.split_once('}'));
        let mut parameters: Vec<Value> = in_path
            .map(|(name, _)| {
                json!({ "name": name, "in": "path", "required": true, "schema": typed("text") })
            })
            .collect();
        parameters.extend(endpoint.query.iter().map(|(name, about)| {
            json!({ "name": name, "in": "query", "description": about, "schema": typed("text") })
        }));
        let content = match endpoint.answer {
            "text" => json!({ "text/plain": { "schema": typed("text") } }),
            shape => json!({ "application/json": { "schema": typed(shape) } }),
        };
        let mut operation = json!({
            "summary": endpoint.about,
            "description": format!("Needs a token that may {}.", endpoint.scope.as_str()),
            "responses": {
                "200": { "description": "The answer.", "content": content },
                "401": refusal, "404": refusal,
            },
        });
        if !parameters.is_empty() {
            operation["parameters"] = parameters.into();
        }
        if endpoint.scope == Scope::Operate {
            operation["requestBody"] = json!({
                "required": true,
                "content": { "application/json": { "schema": typed("Order") } },
            });
            for status in ["400", "403", "409", "503"] {
                operation["responses"][status] = refusal.clone();
            }
        }
        paths.insert(
            endpoint.path.to_owned(),
            json!({ endpoint.method: operation }),
        );
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Evenkeel",
            "version": "1",
            "description": "What Evenkeel sees, decides and does, and the orders it takes. Make a token with `evenkeel token create NAME`.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

/// As it is committed.
pub fn text() -> String {
    let mut text = serde_json::to_string_pretty(&document()).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_that_is_named_is_there() {
        let document = document();
        let text = document.to_string();
        for (_, rest) in text
            .match_indices("#/components/schemas/")
            .map(|(at, found)| text.split_at(at + found.len()))
        {
            let name = rest.split('"').next().unwrap_or_default();
            assert!(
                document["components"]["schemas"][name].is_object(),
                "{name}"
            );
        }
    }

    #[test]
    fn the_committed_document_is_current() {
        let committed = include_str!("../../../../../docs/reference/openapi.json");
        assert!(
            committed == text(),
            "run `cargo xtask docs` and commit docs/reference/openapi.json"
        );
    }
}
