//! The control socket: how the command line asks a running server, and gives it orders.
//!
//! A Unix socket in the data folder, for its owner only: who may give orders is who may
//! write there. HTTP/1 with JSON, so that `curl --unix-socket` works at night when nothing
//! else does. An order is answered once it is durable, or refused with what to do instead.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Path as FromPath, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use evenkeel_core::Timestamp;
use evenkeel_core::heartbeat::{Change, HeartbeatChange};
use evenkeel_core::ids::{HeartbeatId, IncidentId, RunId};
use evenkeel_core::observation::{Act, Order, Seen};
use evenkeel_core::policy::Policy;
use serde::{Deserialize, Serialize};
use tokio::net::UnixListener;
use tokio::sync::watch;

use crate::access::Access;
use crate::access::audit::Done;
use crate::heartbeats::view;
use crate::postmortem;
use crate::pump::orders::OrderDesk;
use crate::pump::pings::{PingDesk, Untaken};
use crate::pump::published::Published;
use crate::report::{self, StatusReport};
use crate::web::serving::{Bounds, Peer, serve};

/// The largest order, bytes.
const ORDER_MAX: usize = 64 * 1024;

/// What the socket answers from.
#[derive(Clone)]
pub struct Control {
    /// What the pump published last.
    pub published: watch::Receiver<Arc<Published>>,
    /// What the configuration says.
    pub policy: Arc<Policy>,
    /// The name of the service under guard.
    pub service: String,
    /// Where orders go.
    pub orders: OrderDesk,
    /// Who may open the console.
    pub access: Access,
    /// What becomes of heartbeats.
    pub heartbeats: PingDesk,
    /// Where heartbeats are pinged: `https://ping.example.com/ping/`.
    pub ping_base: Option<String>,
}

/// What is answered to an order, and to what cannot be answered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answered {
    /// The journal's revision at which it is durable.
    pub revision: Option<u64>,
    /// Why not, and what to do instead.
    pub refused: Option<String>,
}

/// A socket that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Somebody answers on it.
    #[error("another Evenkeel answers on {0}; stop it first, or use another data_dir")]
    Taken(PathBuf),
    /// It cannot be made.
    #[error(
        "the control socket {path} cannot be made: {source}; check who may write in its folder, and that its path has less than 100 letters"
    )]
    Unusable {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The socket file; removed when this is dropped.
#[derive(Debug)]
pub struct Socket {
    path: PathBuf,
    listener: UnixListener,
}

impl Socket {
    /// Makes the socket for its owner only. One that nobody answers on is replaced.
    ///
    /// # Errors
    /// Somebody answers on it, or it cannot be made.
    pub fn make(path: &Path) -> Result<Self, ControlError> {
        let unusable = |source| ControlError::Unusable {
            path: path.to_owned(),
            source,
        };
        if path.exists() {
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(ControlError::Taken(path.to_owned()));
            }
            std::fs::remove_file(path).map_err(unusable)?;
        }
        let listener = UnixListener::bind(path).map_err(unusable)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(unusable)?;
        Ok(Self {
            path: path.to_owned(),
            listener,
        })
    }

    /// Serves until `stop` turns true, then removes the socket.
    pub async fn serve(self, control: Control, stop: watch::Receiver<bool>) {
        let bounds = Bounds {
            connections: 64,
            ..Bounds::default()
        };
        let router = router(control);
        serve(self.listener, router, bounds, stop).await;
        if let Err(error) = std::fs::remove_file(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "the control socket could not be removed");
        }
    }
}

/// The routes.
pub fn router(control: Control) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/incidents", get(incidents))
        .route("/v1/incidents/{id}", get(incident))
        .route("/v1/postmortems", get(postmortems))
        .route("/v1/postmortems/{id}", get(postmortem))
        .route("/v1/postmortems/{id}/{file}", get(postmortem_file))
        .route("/v1/runs", get(runs))
        .route("/v1/runs/{run}", get(run))
        .route("/v1/locks", get(locks))
        .route("/v1/checks", get(checks))
        .route("/v1/pools", get(pools))
        .route("/v1/tenants", get(tenants))
        .route("/v1/fill", get(fill))
        .route("/v1/maintenances", get(maintenances))
        .route("/v1/peaks", get(peaks))
        .route("/v1/findings", get(findings))
        .route("/v1/authority", get(authority))
        .route("/v1/orders", post(order))
        .route("/v1/people/done", post(done))
        .route("/v1/people/unlock", post(unlock))
        .route("/v1/heartbeats", get(heartbeats))
        .route("/v1/heartbeats/{id}", get(heartbeat))
        .route("/v1/heartbeats/{id}/{change}", post(change_heartbeat))
        .fallback(async || {
            refused(
                StatusCode::NOT_FOUND,
                "there is nothing here; this Evenkeel may be older than the command",
            )
        })
        .layer(DefaultBodyLimit::max(ORDER_MAX))
        .with_state(control)
}

fn refused(status: StatusCode, why: impl Into<String>) -> Response {
    let answer = Answered {
        revision: None,
        refused: Some(why.into()),
    };
    (status, Json(answer)).into_response()
}

async fn status(State(control): State<Control>) -> Json<StatusReport> {
    let live = control.published.borrow().clone();
    Json(StatusReport::of(&live.record, &control.policy, Some(&live)))
}

async fn incidents(State(control): State<Control>) -> Response {
    let live = control.published.borrow().clone();
    Json(report::incidents(&live.record)).into_response()
}

async fn incident(State(control): State<Control>, FromPath(id): FromPath<String>) -> Response {
    let live = control.published.borrow().clone();
    let found = id.parse::<IncidentId>().ok();
    match found.and_then(|id| report::incident(&live.record, id)) {
        Some(report) => Json(report).into_response(),
        None => refused(
            StatusCode::NOT_FOUND,
            format!("there is no incident {id}; `evenkeel incidents` lists them"),
        ),
    }
}

async fn postmortems(State(control): State<Control>) -> Response {
    let live = control.published.borrow().clone();
    Json(postmortem::list(&live.record, Timestamp::now())).into_response()
}

fn no_postmortem(id: &str) -> Response {
    refused(
        StatusCode::NOT_FOUND,
        format!("{id} has no post-mortem; `evenkeel postmortem list` lists them"),
    )
}

async fn postmortem(State(control): State<Control>, FromPath(id): FromPath<String>) -> Response {
    let live = control.published.borrow().clone();
    let found = id.parse::<IncidentId>().ok();
    match found.and_then(|id| postmortem::report(&live.record, id, Timestamp::now())) {
        Some(report) => Json(report).into_response(),
        None => no_postmortem(&id),
    }
}

async fn postmortem_file(
    State(control): State<Control>,
    FromPath((id, file)): FromPath<(String, String)>,
) -> Response {
    let live = control.published.borrow().clone();
    let (record, policy, now) = (&live.record, &control.policy, Timestamp::now());
    let found = id.parse::<IncidentId>().ok().zip(postmortem::named(&file));
    let text = found.and_then(|(id, as_asked)| {
        postmortem::written(record, policy, &control.service, id, as_asked, now)
    });
    match text {
        Some(text) => text.into_response(),
        None => no_postmortem(&id),
    }
}

async fn runs(State(control): State<Control>) -> Response {
    let live = control.published.borrow().clone();
    Json(report::runs(&live.record, Some(&live))).into_response()
}

async fn run(State(control): State<Control>, FromPath(run): FromPath<String>) -> Response {
    let live = control.published.borrow().clone();
    let wanted = RunId::from(run);
    let mut runs = report::runs(&live.record, Some(&live));
    runs.retain(|run| run.run == wanted);
    match runs.pop() {
        Some(report) => Json(report).into_response(),
        None => refused(
            StatusCode::NOT_FOUND,
            format!("there is no run {wanted}; `evenkeel runs` lists them"),
        ),
    }
}

async fn locks(State(control): State<Control>) -> Response {
    let live = control.published.borrow().clone();
    Json(report::locks(&live)).into_response()
}

async fn checks(State(control): State<Control>) -> Response {
    let live = control.published.borrow().clone();
    Json(report::checks(&control.policy, &live)).into_response()
}

async fn pools(State(control): State<Control>) -> Response {
    let live = control.published.borrow().clone();
    let pools = report::edge::pools(&live.record, &control.policy, Some(&live));
    Json(pools).into_response()
}

async fn tenants(State(control): State<Control>) -> Response {
    let live = control.published.borrow().clone();
    Json(report::edge::tenants(&live.record, &live)).into_response()
}

async fn fill(State(control): State<Control>) -> Response {
    let live = control.published.borrow().clone();
    Json(report::edge::fill(&live)).into_response()
}

async fn maintenances(State(control): State<Control>) -> Response {
    let live = control.published.borrow().clone();
    Json(report::maintenances(&live.record)).into_response()
}

async fn peaks(State(control): State<Control>) -> Response {
    let live = control.published.borrow().clone();
    Json(report::peaks(&live.record)).into_response()
}

async fn findings(State(control): State<Control>) -> Response {
    let live = control.published.borrow().clone();
    Json(report::findings(&live.record)).into_response()
}

async fn authority(State(control): State<Control>) -> Response {
    let live = control.published.borrow().clone();
    let now = Timestamp::now();
    Json(report::authority(&live.record, &control.policy, now)).into_response()
}

async fn heartbeats(State(control): State<Control>) -> Response {
    let live = control.published.borrow().clone();
    let (base, now) = (control.ping_base.as_deref(), Timestamp::now());
    Json(view::heartbeats(&live.record, &control.policy, base, now)).into_response()
}

async fn heartbeat(State(control): State<Control>, FromPath(id): FromPath<String>) -> Response {
    let live = control.published.borrow().clone();
    let (base, now) = (control.ping_base.as_deref(), Timestamp::now());
    let id = HeartbeatId::from(id);
    match view::heartbeat(&live.record, &control.policy, &id, base, now) {
        Some(report) => Json(report).into_response(),
        None => no_heartbeat(&id),
    }
}

fn no_heartbeat(id: &HeartbeatId) -> Response {
    refused(
        StatusCode::NOT_FOUND,
        format!("there is no heartbeat {id}; `evenkeel heartbeats` lists them"),
    )
}

async fn change_heartbeat(
    State(control): State<Control>,
    By(by): By,
    FromPath((id, change)): FromPath<(String, String)>,
) -> Response {
    let change = match change.as_str() {
        "pause" => Change::Pause,
        "resume" => Change::Resume,
        _ => {
            return refused(
                StatusCode::NOT_FOUND,
                "a heartbeat can be paused and resumed",
            );
        }
    };
    let heartbeat = HeartbeatId::from(id);
    let known = {
        let live = control.published.borrow();
        live.record.heartbeats.contains_key(&heartbeat)
    };
    if !known {
        return no_heartbeat(&heartbeat);
    }
    let seen = Seen::HeartbeatChange(HeartbeatChange { heartbeat, change });
    let by = format!("operator:{by}");
    match control.heartbeats.place(&by, Timestamp::now(), seen).await {
        Ok(revision) => Json(Answered {
            revision: Some(revision),
            refused: None,
        })
        .into_response(),
        Err(Untaken::Passed) => refused(
            StatusCode::CONFLICT,
            "it is so already: `evenkeel heartbeats` shows which are paused",
        ),
        Err(Untaken::Unavailable) => refused(
            StatusCode::SERVICE_UNAVAILABLE,
            "the journal takes nothing now: look at `evenkeel status` and try again",
        ),
    }
}

/// An order, and who gives it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Given {
    /// Who gives it, as they say. The socket's file mode has said that they may; the
    /// journal keeps who the kernel says they are.
    #[serde(default)]
    pub by: String,
    /// What is ordered.
    #[serde(flatten)]
    pub order: Order,
}

/// The name of whoever is at the other end: the kernel says who, not they.
fn named(peer: Peer) -> Option<String> {
    let uid = peer.uid?;
    let user = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid));
    Some(
        user.ok()
            .flatten()
            .map_or_else(|| format!("uid {uid}"), |user| user.name),
    )
}

/// Who is at the other end, or the answer for whom the kernel does not know.
struct By(String);

impl<S: Sync> FromRequestParts<S> for By {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let peer = parts.extensions.get::<Peer>().copied();
        peer.and_then(named).map(Self).ok_or_else(|| {
            refused(
                StatusCode::FORBIDDEN,
                "the kernel does not say who you are, so that the journal could not either",
            )
        })
    }
}

/// The list of people or tokens was changed by who owns it: it goes into the journal.
async fn done(State(control): State<Control>, By(by): By, Json(told): Json<Done>) -> Response {
    let access = &control.access;
    access
        .note(&by, told.act, &told.about, "command line")
        .await;
    accepted()
}

/// Somebody's waiting time after failed logins is over.
async fn unlock(State(control): State<Control>, By(by): By, Json(told): Json<Done>) -> Response {
    control.access.unlock(&told.about);
    let access = &control.access;
    access
        .note(&by, Act::Unlocked, &told.about, "command line")
        .await;
    accepted()
}

fn accepted() -> Response {
    Json(Answered {
        revision: None,
        refused: None,
    })
    .into_response()
}

async fn order(State(control): State<Control>, By(by): By, body: axum::body::Bytes) -> Response {
    let given: Given = match serde_json::from_slice(&body) {
        Ok(given) => given,
        Err(error) => {
            return refused(
                StatusCode::BAD_REQUEST,
                format!("this is no order: {error}; use the command line of the same version"),
            );
        }
    };
    let from = Some("control socket".to_owned());
    match control.orders.place_from(&by, from, given.order).await {
        Ok(revision) => Json(Answered {
            revision: Some(revision),
            refused: None,
        })
        .into_response(),
        Err(refusal) => refused(refusal.kind.status(), refusal.why),
    }
}
