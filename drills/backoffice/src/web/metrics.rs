use std::fmt::Write as _;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::AppState;
use crate::memory;

/// What the process tells of itself, in the text format of Prometheus and with the names
/// that its client libraries give.
pub(super) async fn show(State(state): State<AppState>) -> impl IntoResponse {
    let mut text = String::new();
    let mut put = |name: &str, kind: &str, value: Option<u64>| {
        if let Some(value) = value {
            let _written = write!(text, "# TYPE {name} {kind}\n{name} {value}\n");
        }
    };
    put(
        "process_resident_memory_bytes",
        "gauge",
        memory::resident_bytes(),
    );
    put("process_open_fds", "gauge", memory::open_files());
    put(
        "backoffice_requests_total",
        "counter",
        Some(state.workers.taken_count()),
    );
    let connections = state.pool.status();
    put(
        "backoffice_database_connections",
        "gauge",
        u64::try_from(connections.size).ok(),
    );
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")],
        text,
    )
}
