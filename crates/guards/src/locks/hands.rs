//! Ending one session, and nobody else's.
//!
//! The statement that ends it is the statement that checks it: pid, start of the
//! session, start of the transaction, an ordinary client, no superuser, the configured
//! database, not ourselves. If it matches nothing, a second question says why.

use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::action::{EndHow, Outcome};
use evenkeel_core::ids::RunId;
use evenkeel_core::subject::Backend;
use tokio::time::Instant;
use tokio_postgres::Client;

use super::connection::ask;
use super::{DatabaseSpec, Watched};
use crate::guard::session_tag;

/// A session that was told to end is gone within moments; one that rolls much back takes
/// longer, and the proof waits for it.
const GONE_WITHIN: Duration = Duration::from_millis(1500);

const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What to end, identified so that it cannot be confused.
pub(super) struct End<'a> {
    pub(super) backend: &'a Backend,
    /// `None` fits any transaction and none.
    pub(super) xact_start: Option<Timestamp>,
    pub(super) how: EndHow,
}

/// Ends it, or says why not.
pub(super) async fn end(client: &Client, spec: &DatabaseSpec, end: &End<'_>) -> Outcome {
    let (function, did) = match end.how {
        EndHow::Cancel => ("pg_cancel_backend", "its query was cancelled"),
        EndHow::Terminate => ("pg_terminate_backend", "its session was ended"),
    };
    let Backend {
        pid, backend_start, ..
    } = end.backend;
    let datname = spec.connect.get_dbname().unwrap_or_default();
    let statement = format!(
        "select {function}(a.pid) as sent from pg_stat_activity a \
         left join pg_roles r on r.oid = a.usesysid \
         where a.pid = $1 and a.backend_start = $2 \
         and ($3::timestamptz is null or a.xact_start = $3) \
         and a.backend_type = 'client backend' and not coalesce(r.rolsuper, true) \
         and a.datname = $4::text and a.pid <> pg_backend_pid()"
    );
    let sent =
        ask(client.query_opt(&statement, &[pid, backend_start, &end.xact_start, &datname])).await;
    match sent {
        Err(trouble) => Outcome::Failed(format!("the server refused: {trouble}")),
        Ok(Some(row)) if row.get::<_, bool>("sent") => {
            if end.how == EndHow::Cancel {
                return Outcome::Done(format!("backend {pid}: {did}"));
            }
            let began = Instant::now();
            while began.elapsed() < GONE_WITHIN {
                match is_there(client, end.backend).await {
                    Ok(true) => tokio::time::sleep(LOOK_AGAIN).await,
                    Ok(false) => {
                        let ms = began.elapsed().as_millis();
                        return Outcome::Done(format!("backend {pid}: {did}; gone after {ms} ms"));
                    }
                    Err(_) => break,
                }
            }
            Outcome::Done(format!(
                "backend {pid}: it was told to end and is on its way out"
            ))
        }
        Ok(Some(_)) => Outcome::Failed(format!("backend {pid}: the signal could not be sent")),
        Ok(None) => why_not(client, spec, end).await,
    }
}

async fn is_there(client: &Client, backend: &Backend) -> Result<bool, String> {
    let row = ask(client.query_opt(
        "select 1 from pg_stat_activity where pid = $1 and backend_start = $2",
        &[&backend.pid, &backend.backend_start],
    ))
    .await?;
    Ok(row.is_some())
}

async fn why_not(client: &Client, spec: &DatabaseSpec, end: &End<'_>) -> Outcome {
    let pid = end.backend.pid;
    let row = ask(client.query_opt(
        "select a.backend_start = $2 as same_session, \
         ($3::timestamptz is null or coalesce(a.xact_start = $3, false)) as same_transaction, \
         coalesce(a.backend_type, '') as backend_type, coalesce(r.rolsuper, true) as superuser, \
         coalesce(a.datname::text, '') as datname, a.pid = pg_backend_pid() as ourselves \
         from pg_stat_activity a left join pg_roles r on r.oid = a.usesysid where a.pid = $1",
        &[&pid, &end.backend.backend_start, &end.xact_start],
    ))
    .await;
    let row = match row {
        Ok(Some(row)) => row,
        Ok(None) => return Outcome::NothingToDo(format!("backend {pid} is gone already")),
        Err(trouble) => return Outcome::Failed(format!("the server refused: {trouble}")),
    };
    let backend_type: &str = row.get("backend_type");
    let datname: &str = row.get("datname");
    if !row.get::<_, Option<bool>>("same_session").unwrap_or(false) {
        Outcome::NothingToDo(format!(
            "backend {pid} is gone; another session has its pid now"
        ))
    } else if backend_type != "client backend" {
        Outcome::Refused(format!("backend {pid} is of type {backend_type}"))
    } else if row.get("superuser") {
        Outcome::Refused(format!("backend {pid} is a superuser's"))
    } else if Some(datname) != spec.connect.get_dbname() {
        Outcome::Refused(format!("backend {pid} belongs to database {datname}"))
    } else if row.get("ourselves") {
        Outcome::Refused(format!("backend {pid} is Evenkeel's own"))
    } else if !row.get::<_, bool>("same_transaction") {
        Outcome::Refused(format!("backend {pid} is in another transaction by now"))
    } else {
        Outcome::Failed(format!("backend {pid} changed while it was looked at"))
    }
}

/// Ends every session that carries `run`'s tag; returns how many.
pub(super) async fn end_sessions(watched: &Watched, run: &RunId) -> Result<u32, String> {
    let client = watched
        .link
        .client()
        .ok_or("the database cannot be reached now")?;
    let datname = watched.spec.connect.get_dbname().unwrap_or_default();
    let rows = ask(client.query(
        "select pg_terminate_backend(a.pid) as sent from pg_stat_activity a \
         left join pg_roles r on r.oid = a.usesysid \
         where a.application_name = $1 and a.backend_type = 'client backend' \
         and not coalesce(r.rolsuper, true) and a.datname = $2::text and a.pid <> pg_backend_pid()",
        &[&session_tag(run), &datname],
    ))
    .await?;
    let sent = rows.iter().filter(|row| row.get::<_, bool>("sent")).count();
    Ok(u32::try_from(sent).unwrap_or(u32::MAX))
}
