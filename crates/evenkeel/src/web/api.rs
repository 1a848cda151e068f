//! The HTTP API: what the console shows and orders, for programs with a token.
//!
//! One table ([`ENDPOINTS`]) says what there is; the routes and the OpenAPI document
//! ([`openapi`]) come from it. Answers are the shapes of [`crate::report`], the same as
//! those of the control socket and of `--json`.
//!
//! A token and never a cookie: so no page elsewhere can use a reader's session. Nothing
//! answers without one, the document included. A token that may only read is refused
//! orders with 403.

pub mod openapi;

use axum::Json;
use axum::extract::{FromRequestParts, Path, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use evenkeel_core::Timestamp;
use evenkeel_core::ids::{EvidenceId, IncidentId, RunId};
use evenkeel_core::observation::Order;
use evenkeel_guards::evidence::EvidenceStore;
use serde::Serialize;

use super::operator::Console;
use super::operator::gate::{address_of, peer_of};
use super::operator::journal::{Search, Unsearched, look};
use crate::access::{Bearer, Scope};
use crate::control::Answered;
use crate::heartbeats::view;
use crate::postmortem;
use crate::report::{self, StatusReport};

/// One thing that can be asked for.
pub struct Endpoint {
    /// `get` or `post`.
    pub method: &'static str,
    /// Its path, with parameters in braces.
    pub path: &'static str,
    /// What the token may have to do.
    pub scope: Scope,
    /// What it is for.
    pub about: &'static str,
    /// What may stand in the query, with what it means.
    pub query: &'static [(&'static str, &'static str)],
    /// The shape of the answer, as in [`openapi::SHAPES`]: `[Run]` is a list of them, `text`
    /// plain text.
    pub answer: &'static str,
}

/// Everything that can be asked for.
pub const ENDPOINTS: &[Endpoint] = &[
    of(
        "/api/v1/status",
        "How things are: components, open incidents, proposals, running jobs.",
        "Status",
    ),
    of(
        "/api/v1/incidents",
        "Incidents, newest first: all that are open, and the newest that are resolved.",
        "[Incident]",
    ),
    of(
        "/api/v1/incidents/{id}",
        "One incident with its findings, actions and messages.",
        "IncidentReport",
    ),
    of(
        "/api/v1/postmortems",
        "Post-mortems, newest incident first, drafts included.",
        "[PostmortemLine]",
    ),
    of(
        "/api/v1/postmortems/{id}",
        "One post-mortem: what is known, written, promised and published; and clocks of legal notices.",
        "PostmortemReport",
    ),
    of(
        "/api/v1/postmortems/{id}/{file}",
        "The same to read: `customers-nl.md` (or en, de, pl, da), `technical.md`, or `.html` of each.",
        "text",
    ),
    of(
        "/api/v1/findings",
        "Findings that hold, newest first.",
        "[OpenFinding]",
    ),
    of(
        "/api/v1/runs",
        "Runs, newest first; open ones lead.",
        "[Run]",
    ),
    of("/api/v1/runs/{run}", "One run.", "Run"),
    of(
        "/api/v1/locks",
        "Who waits for whom, by database.",
        "[Locks]",
    ),
    of(
        "/api/v1/checks",
        "How each check went last, and lately.",
        "[Check]",
    ),
    of(
        "/api/v1/pools",
        "The pools behind the edge, with their instances.",
        "[Pool]",
    ),
    of(
        "/api/v1/tenants",
        "The busiest tenants at the edge, by a hash of their name; all others last.",
        "[Tenant]",
    ),
    of(
        "/api/v1/fill",
        "How full everything is that can fill up, and when it runs out.",
        "[Fill]",
    ),
    of(
        "/api/v1/maintenances",
        "Planned work: what is under way, what is to come and what is over.",
        "[Maintenance]",
    ),
    of(
        "/api/v1/peaks",
        "Known peaks, and when they come next.",
        "[Peak]",
    ),
    of(
        "/api/v1/heartbeats",
        "Heartbeats and where they stand.",
        "[Heartbeat]",
    ),
    of(
        "/api/v1/readiness",
        "What has to hold at a time of day.",
        "[Readiness]",
    ),
    of(
        "/api/v1/authority",
        "What Evenkeel may do by itself, and how much of it is used.",
        "[Grant]",
    ),
    Endpoint {
        query: &[
            ("kind", "The beginning of a kind: `run_`, `action_ended`."),
            ("subject", "A subject: `job:nightly-export`, `I-3`."),
            ("text", "Any text in the sentence or the entry."),
            ("until", "Nothing newer: `2026-11-18T02:14` (UTC)."),
            (
                "before",
                "Nothing at or after this revision: `earlier` of the answer before.",
            ),
        ],
        ..of(
            "/api/v1/journal",
            "Entries of the journal, newest first, at most 100 of at most 5,000 that are looked at.",
            "Journal",
        )
    },
    of(
        "/api/v1/evidence",
        "What was kept before something was ended.",
        "[Evidence]",
    ),
    of(
        "/api/v1/evidence/{id}",
        "One of them, with its items.",
        "Evidence",
    ),
    of(
        "/api/v1/evidence/{id}/{item}",
        "The text of an item.",
        "text",
    ),
    Endpoint {
        method: "post",
        scope: Scope::Operate,
        ..of(
            "/api/v1/orders",
            "Gives an order. It is in the journal when it is answered.",
            "Answered",
        )
    },
    of("/api/v1/openapi.json", "This document.", "any"),
];

const fn of(path: &'static str, about: &'static str, answer: &'static str) -> Endpoint {
    Endpoint {
        method: "get",
        path,
        scope: Scope::Read,
        about,
        query: &[],
        answer,
    }
}

/// The routes: one for each of [`ENDPOINTS`], which a test holds together.
pub fn routes() -> Vec<(&'static str, MethodRouter<Console>)> {
    vec![
        ("/api/v1/status", get(status)),
        ("/api/v1/incidents", get(incidents)),
        ("/api/v1/incidents/{id}", get(incident)),
        ("/api/v1/postmortems", get(postmortems)),
        ("/api/v1/postmortems/{id}", get(postmortem)),
        ("/api/v1/postmortems/{id}/{file}", get(postmortem_file)),
        ("/api/v1/findings", get(findings)),
        ("/api/v1/runs", get(runs)),
        ("/api/v1/runs/{run}", get(run)),
        ("/api/v1/locks", get(locks)),
        ("/api/v1/checks", get(checks)),
        ("/api/v1/pools", get(pools)),
        ("/api/v1/tenants", get(tenants)),
        ("/api/v1/fill", get(fill)),
        ("/api/v1/maintenances", get(maintenances)),
        ("/api/v1/peaks", get(peaks)),
        ("/api/v1/heartbeats", get(heartbeats)),
        ("/api/v1/readiness", get(readiness)),
        ("/api/v1/authority", get(authority)),
        ("/api/v1/journal", get(journal)),
        ("/api/v1/evidence", get(evidence)),
        ("/api/v1/evidence/{id}", get(evidence_of)),
        ("/api/v1/evidence/{id}/{item}", get(evidence_item)),
        ("/api/v1/orders", post(order)),
        ("/api/v1/openapi.json", get(document)),
    ]
}

fn refused(status: StatusCode, why: impl Into<String>) -> Response {
    let answer = Answered {
        revision: None,
        refused: Some(why.into()),
    };
    (status, Json(answer)).into_response()
}

/// What is there no more, or never was.
pub(super) fn nothing_here() -> Response {
    refused(
        StatusCode::NOT_FOUND,
        "there is nothing here; /api/v1/openapi.json says what there is",
    )
}

/// A program with a good token.
struct Caller(Bearer);

impl FromRequestParts<Console> for Caller {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        console: &Console,
    ) -> Result<Self, Self::Rejection> {
        let shown = parts.headers.get(header::AUTHORIZATION);
        let shown = shown
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let token = match shown.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => "",
        };
        let bearer = console.access.bearer(token).filter(|_| !token.is_empty());
        bearer.map(Self).ok_or_else(|| {
            let why = "a token is needed that has not expired: `evenkeel token create NAME` makes one; send it as `Authorization: Bearer TOKEN`";
            let mut answer = refused(StatusCode::UNAUTHORIZED, why);
            let scheme = HeaderValue::from_static("Bearer");
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
            answer
        })
    }
}

fn answered(value: &impl Serialize) -> Response {
    Json(value).into_response()
}

async fn status(_: Caller, State(console): State<Console>) -> Response {
    let live = console.site.now();
    answered(&StatusReport::of(
        &live.record,
        &console.site.policy,
        Some(&live),
    ))
}

async fn incidents(_: Caller, State(console): State<Console>) -> Response {
    answered(&report::incidents(&console.site.now().record))
}

async fn incident(_: Caller, State(console): State<Console>, Path(id): Path<String>) -> Response {
    let live = console.site.now();
    let found = id.parse::<IncidentId>().ok();
    match found.and_then(|id| report::incident(&live.record, id)) {
        Some(report) => answered(&report),
        None => refused(StatusCode::NOT_FOUND, format!("there is no incident {id}")),
    }
}

async fn postmortems(_: Caller, State(console): State<Console>) -> Response {
    let live = console.site.now();
    answered(&postmortem::list(&live.record, Timestamp::now()))
}

async fn postmortem(_: Caller, State(console): State<Console>, Path(id): Path<String>) -> Response {
    let (live, now) = (console.site.now(), Timestamp::now());
    let found = id.parse::<IncidentId>().ok();
    match found.and_then(|id| postmortem::report(&live.record, id, now)) {
        Some(report) => answered(&report),
        None => refused(StatusCode::NOT_FOUND, format!("{id} has no post-mortem")),
    }
}

async fn postmortem_file(
    _: Caller,
    State(console): State<Console>,
    Path((id, file)): Path<(String, String)>,
) -> Response {
    let (live, now) = (console.site.now(), Timestamp::now());
    let (policy, service) = (&console.site.policy, &console.site.name);
    let found = id.parse::<IncidentId>().ok().zip(postmortem::named(&file));
    let text = found.and_then(|(id, as_asked)| {
        postmortem::written(&live.record, policy, service, id, as_asked, now)
    });
    match text {
        // Never as a page of this origin.
        Some(text) => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response(),
        None => refused(StatusCode::NOT_FOUND, format!("{id} has no {file}")),
    }
}

async fn findings(_: Caller, State(console): State<Console>) -> Response {
    answered(&report::findings(&console.site.now().record))
}

async fn runs(_: Caller, State(console): State<Console>) -> Response {
    let live = console.site.now();
    answered(&report::runs(&live.record, Some(&live)))
}

async fn run(_: Caller, State(console): State<Console>, Path(run): Path<String>) -> Response {
    let live = console.site.now();
    let wanted = RunId::from(run);
    let mut runs = report::runs(&live.record, Some(&live));
    runs.retain(|run| run.run == wanted);
    match runs.pop() {
        Some(report) => answered(&report),
        None => refused(StatusCode::NOT_FOUND, format!("there is no run {wanted}")),
    }
}

async fn locks(_: Caller, State(console): State<Console>) -> Response {
    answered(&report::locks(&console.site.now()))
}

async fn checks(_: Caller, State(console): State<Console>) -> Response {
    answered(&report::checks(&console.site.policy, &console.site.now()))
}

async fn pools(_: Caller, State(console): State<Console>) -> Response {
    let live = console.site.now();
    let policy = &console.site.policy;
    answered(&report::edge::pools(&live.record, policy, Some(&live)))
}

async fn tenants(_: Caller, State(console): State<Console>) -> Response {
    let live = console.site.now();
    answered(&report::edge::tenants(&live.record, &live))
}

async fn fill(_: Caller, State(console): State<Console>) -> Response {
    answered(&report::edge::fill(&console.site.now()))
}

async fn maintenances(_: Caller, State(console): State<Console>) -> Response {
    answered(&report::maintenances(&console.site.now().record))
}

async fn peaks(_: Caller, State(console): State<Console>) -> Response {
    answered(&report::peaks(&console.site.now().record))
}

async fn heartbeats(_: Caller, State(console): State<Console>) -> Response {
    let live = console.site.now();
    let (policy, now) = (&console.site.policy, Timestamp::now());
    answered(&view::heartbeats(&live.record, policy, None, now))
}

async fn readiness(_: Caller, State(console): State<Console>) -> Response {
    let live = console.site.now();
    answered(&report::readiness(&live.record, &console.site.policy))
}

async fn authority(_: Caller, State(console): State<Console>) -> Response {
    let live = console.site.now();
    let now = Timestamp::now();
    answered(&report::authority(&live.record, &console.site.policy, now))
}

async fn journal(
    _: Caller,
    State(console): State<Console>,
    Query(search): Query<Search>,
) -> Response {
    match look(&console, &search).await {
        Ok(found) => answered(&report::JournalReport {
            entries: found
                .entries
                .iter()
                .map(|(entry, _)| report::Shown::of(entry))
                .collect(),
            earlier: found.earlier,
        }),
        Err(Unsearched::Busy) => refused(
            StatusCode::SERVICE_UNAVAILABLE,
            "others are searching the journal: try again in a moment",
        ),
        Err(Unsearched::Malformed(why)) => refused(StatusCode::BAD_REQUEST, why),
        Err(Unsearched::Unreadable(why)) => refused(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the journal cannot be read: {why}"),
        ),
    }
}

/// Does what reads the disk where it holds nobody up.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Response> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| refused(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))
}

async fn evidence(_: Caller, State(console): State<Console>) -> Response {
    let store = EvidenceStore::new(console.site.evidence.clone(), None);
    match blocking(move || store.list()).await {
        Ok(kept) => answered(&kept),
        Err(refusal) => refusal,
    }
}

async fn evidence_of(
    _: Caller,
    State(console): State<Console>,
    Path(id): Path<String>,
) -> Response {
    let store = EvidenceStore::new(console.site.evidence.clone(), None);
    match blocking(move || store.index(&EvidenceId::from(id))).await {
        Ok(Ok(kept)) => answered(&kept),
        Ok(Err(error)) => refused(StatusCode::NOT_FOUND, error.to_string()),
        Err(refusal) => refusal,
    }
}

async fn evidence_item(
    _: Caller,
    State(console): State<Console>,
    Path((id, item)): Path<(String, String)>,
) -> Response {
    let store = EvidenceStore::new(console.site.evidence.clone(), None);
    match blocking(move || store.read(&EvidenceId::from(id), &item)).await {
        Ok(Ok(text)) => {
            ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
        }
        Ok(Err(error)) => refused(StatusCode::NOT_FOUND, error.to_string()),
        Err(refusal) => refusal,
    }
}

async fn order(
    Caller(bearer): Caller,
    State(console): State<Console>,
    request: axum::extract::Request,
) -> Response {
    if bearer.scope != Scope::Operate {
        return refused(
            StatusCode::FORBIDDEN,
            format!(
                "token {} may only read: orders need one made with `--scope operate`",
                bearer.name
            ),
        );
    }
    let (parts, body) = request.into_parts();
    let from = address_of(peer_of(&parts)).to_string();
    let body = match axum::body::to_bytes(body, ORDER_MAX).await {
        Ok(body) => body,
        Err(_) => return refused(StatusCode::PAYLOAD_TOO_LARGE, "the order is too long"),
    };
    let order: Order = match serde_json::from_slice(&body) {
        Ok(order) => order,
        Err(error) => {
            return refused(
                StatusCode::BAD_REQUEST,
                format!("this is no order: {error}; /api/v1/openapi.json says what one looks like"),
            );
        }
    };
    let by = format!("token {}", bearer.name);
    match console.orders.place_from(&by, Some(from), order).await {
        Ok(revision) => answered(&Answered {
            revision: Some(revision),
            refused: None,
        }),
        Err(refusal) => refused(refusal.kind.status(), refusal.why),
    }
}

/// The longest order, bytes.
const ORDER_MAX: usize = 16 << 10;

async fn document(_: Caller) -> Response {
    answered(&openapi::document())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_is_what_answers() {
        let told: Vec<&str> = ENDPOINTS.iter().map(|endpoint| endpoint.path).collect();
        let answers: Vec<&str> = routes().into_iter().map(|(path, _)| path).collect();
        assert_eq!(told, answers);
    }
}
