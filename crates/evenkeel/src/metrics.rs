//! `/metrics` in Prometheus' text format: Evenkeel itself, and everything it sees.
//!
//! Rendered when somebody asks, from what the pump has published; nothing is kept for it
//! and nothing waits for it. It has a listener of its own (`[metrics] listen`) and is off
//! without one, because whoever reads it learns the names of jobs and databases.
//!
//! What always holds: every metric is in [`families::FAMILIES`], and a golden list guards
//! the names, since dashboards and alerts of others rest on them. Labels hold names of the
//! configuration and words of ours, never pids, run ids, queries or texts; and of one
//! metric at most [`text::SERIES_MAX`] series are shown, the rest is counted. What is
//! unknown is left out, not shown as zero.

mod edge;
pub mod families;
mod own;
mod seen;
mod text;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use evenkeel_core::policy::Policy;
use evenkeel_guards::outlet::Outlet;
use tokio::sync::watch;

use crate::pump::meters::Meters;
use crate::pump::published::Published;
use crate::subscribers::Subscribers;
use crate::web::tls::Tls;
use text::Text;

/// What metrics are made from.
#[derive(Clone)]
pub struct Source {
    /// What the pump published last.
    pub published: watch::Receiver<Arc<Published>>,
    /// What the configuration says.
    pub policy: Arc<Policy>,
    /// What the pump counts of itself.
    pub meters: Arc<Meters>,
    /// The way into the pump's queue.
    pub outlet: Outlet,
    /// Who is told of updates, where somebody may be.
    pub subscribers: Option<Subscribers>,
    /// The certificates of our listeners, by the listener's name.
    pub certificates: Vec<(&'static str, Arc<Tls>)>,
}

impl Source {
    /// Everything, in the text format, version 0.0.4.
    pub fn render(&self) -> String {
        let published = self.published.borrow().clone();
        let mut text = Text::default();
        own::write(self, &published, &mut text);
        seen::write(&published, &self.policy, &mut text);
        edge::write(&published, &self.policy, &mut text);
        text.finish()
    }
}

/// Every route of the listener: a golden list guards it.
pub fn routes() -> Vec<(&'static str, MethodRouter<Source>)> {
    vec![("/metrics", get(metrics))]
}

/// The listener's router.
pub fn router(source: Source) -> Router {
    let mut router = Router::new();
    for (path, method) in routes() {
        router = router.route(path, method);
    }
    router
        .fallback(async || (StatusCode::NOT_FOUND, "The metrics are at /metrics\n"))
        .with_state(source)
}

async fn metrics(State(source): State<Source>) -> Response {
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], source.render()).into_response()
}

#[cfg(test)]
mod tests;
