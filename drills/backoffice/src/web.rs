//! The pages customers use, and the admin listener for fault switches.
//!
//! Everything is rendered on the server and works without JavaScript. A path's
//! first segment is the function, so that a proxy can tell functions apart.

mod error;
mod function;
mod home;
mod layout;
mod login;
mod metrics;
mod workers;

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use deadpool_postgres::Pool;
use tokio::net::{TcpListener, TcpStream};

pub(crate) use error::AppError;
pub(crate) use workers::Workers;

use crate::faults::{Faults, Switches};
use crate::{memory, session};

/// A form is a few fields; a scanned page's text is the longest.
const BODY_BYTES_MAX: usize = 64 * 1024;
/// What is under way at a stop gets this long; a stuck request is then dropped.
const STOP_GRACE: Duration = Duration::from_secs(3);

#[derive(Debug, Clone)]
pub(crate) struct AppState {
    pub(crate) pool: Pool,
    /// For the fault `lock_session` alone: were the locks taken from `pool`,
    /// requests would wait for each other's second connection for ever.
    pub(crate) lock_pool: Pool,
    pub(crate) faults: Arc<Faults>,
    pub(crate) workers: Arc<Workers>,
}

/// Serves until SIGTERM or Ctrl-C; what is under way then ends. At its memory limit it lives
/// on and serves nobody, see [`memory`].
pub(crate) async fn serve(
    state: AppState,
    listener: TcpListener,
    admin: Option<TcpListener>,
    memory_limit: Option<u64>,
) -> std::io::Result<()> {
    if let Some(admin) = admin {
        let router = admin_router(state.clone());
        tokio::spawn(async move { axum::serve(admin, router).await });
    }
    // Whoever connects after the last accept waits, as long as this is open.
    let listener = listener.into_std()?;
    let kept_open = listener.try_clone()?;
    let full = Arc::new(AtomicBool::new(false));
    let until = {
        let full = full.clone();
        async move {
            tokio::select! {
                () = asked_to_stop() => {}
                () = memory::exhausted(memory_limit) => {
                    full.store(true, Ordering::Relaxed);
                    tracing::error!("no memory for another connection");
                }
            }
        }
    };
    let listener = UntilFull {
        listener: TcpListener::from_std(listener)?,
        full: full.clone(),
    };
    let serving = axum::serve(listener, router(state));
    let serving = serving.with_graceful_shutdown(until);
    let stop = async {
        asked_to_stop().await;
        tokio::time::sleep(STOP_GRACE).await;
    };
    tokio::select! {
        ended = async { serving.await } => ended?,
        () = stop => return Ok(()),
    }
    if full.load(Ordering::Relaxed) {
        asked_to_stop().await;
    }
    drop(kept_open);
    Ok(())
}

/// Takes connections until memory is full. axum looks at its listener and for the word to
/// stop in any order: without this, it takes one or the other connection after that word.
struct UntilFull {
    listener: TcpListener,
    full: Arc<AtomicBool>,
}

impl axum::serve::Listener for UntilFull {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        let mut accept = pin!(axum::serve::Listener::accept(&mut self.listener));
        std::future::poll_fn(|context| match self.full.load(Ordering::Relaxed) {
            true => Poll::Pending,
            false => accept.as_mut().poll(context),
        })
        .await
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

fn router(state: AppState) -> Router {
    Router::new()
        .route("/", get(home::show))
        .route("/login", get(login::form).post(login::log_in))
        .route("/logout", post(login::log_out))
        .route("/{function}", get(function::list).post(function::create))
        .route("/{function}/new", get(function::form))
        .route(
            "/{function}/{id}",
            get(function::detail).post(function::set_status),
        )
        .route("/{function}/{id}/delete", post(function::delete))
        .layer(middleware::from_fn_with_state(state.clone(), afflict))
        // Outside the faults and without a worker: whether the process serves at all.
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/health", get(|| async { "ok\n" }))
        .route("/metrics", get(metrics::show))
        .route("/style.css", get(style))
        .layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX))
        .fallback(|| async { AppError::NotFound })
        .with_state(state)
}

fn admin_router(state: AppState) -> Router {
    Router::new()
        .route(
            "/faults",
            get(|State(state): State<AppState>| async move { Json(state.faults.now()) })
                .put(
                    |State(state): State<AppState>, Json(switches): Json<Switches>| async move {
                        state.faults.set(switches);
                        Json(state.faults.now())
                    },
                )
                .delete(|State(state): State<AppState>| async move {
                    state.faults.set(Switches::default());
                    Json(state.faults.now())
                }),
        )
        .with_state(state)
}

/// The faults that hit every request alike.
async fn afflict(
    State(state): State<AppState>,
    request: Request<Body>,
    next: Next,
) -> Result<Response, AppError> {
    let faults = state.faults.now();
    let _worker = state.workers.take().await;
    state.faults.fill(&faults);
    if !faults.lock_session {
        return Ok(next.run(request).await);
    }
    let mut client = state.lock_pool.get().await?;
    let (parts, body) = request.into_parts();
    let lock = session::lock(&mut client, &parts).await?;
    let response = next.run(Request::from_parts(parts, body)).await;
    if let Some(lock) = lock {
        lock.commit().await?;
    }
    Ok(response)
}

async fn style() -> impl IntoResponse {
    (
        [
            (CONTENT_TYPE, "text/css; charset=utf-8"),
            (CACHE_CONTROL, "max-age=3600"),
        ],
        include_str!("../assets/style.css"),
    )
}

async fn asked_to_stop() {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = terminated => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
