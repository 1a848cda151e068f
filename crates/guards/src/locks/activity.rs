//! Sessions as `pg_stat_activity` shows them, and what they belong to.

use std::collections::BTreeMap;

use evenkeel_core::Timestamp;
use evenkeel_core::ids::RunId;
use evenkeel_core::observation::{Session, SessionState};
use evenkeel_core::subject::Backend;
use tokio_postgres::Row;

use super::Watched;
use crate::evidence::blotted;
use crate::guard::{Watchlist, session_tag};

/// The columns every question about sessions asks for; `a` is `pg_stat_activity`.
pub(super) const COLUMNS: &str = "a.pid, a.backend_start, a.xact_start, \
    coalesce(a.usename::text, '') as role, coalesce(r.rolsuper, false) as superuser, \
    coalesce(a.backend_type, '') as backend_type, coalesce(a.datname::text, '') as datname, \
    coalesce(a.application_name, '') as application_name, coalesce(a.state, '') as state, \
    a.state_change, coalesce(a.wait_event_type || '/' || a.wait_event, '') as waits_for, \
    left(coalesce(a.query, ''), 2000) as query, host(a.client_addr) as client_host, \
    coalesce(a.client_port, -1) as client_port";

/// Where they come from.
pub(super) const FROM: &str = "from pg_stat_activity a left join pg_roles r on r.oid = a.usesysid";

/// Maps sessions to runs and components.
pub(super) struct Mapping<'a> {
    watched: &'a Watched,
    tags: BTreeMap<String, RunId>,
}

impl<'a> Mapping<'a> {
    pub(super) fn new(watched: &'a Watched, watchlist: &Watchlist) -> Self {
        let open = watchlist.open_runs.keys();
        let tags = watchlist
            .ended_runs
            .keys()
            .chain(open)
            .map(|run: &RunId| (session_tag(run), run.clone()))
            .collect();
        Self { watched, tags }
    }

    /// The session a row shows.
    pub(super) fn session(&self, row: &Row) -> Session {
        let spec = &self.watched.spec;
        let application_name: String = row.get("application_name");
        let role: String = row.get("role");
        let query = blotted(row.get("query"));
        let datname: String = row.get("datname");
        let run = self.run(row, &application_name);
        let component = spec
            .components
            .iter()
            .filter(|_| run.is_none())
            .find(|sessions| sessions.fits(&application_name, &role, &query))
            .map(|sessions| sessions.component.clone());
        Session {
            backend: Backend {
                database: spec.id.clone(),
                pid: row.get("pid"),
                backend_start: row
                    .get::<_, Option<Timestamp>>("backend_start")
                    .unwrap_or(Timestamp::UNIX_EPOCH),
            },
            xact_start: row.get("xact_start"),
            superuser: row.get("superuser"),
            backend_type: row.get("backend_type"),
            in_scope: spec
                .connect
                .get_dbname()
                .is_some_and(|name| name == datname),
            datname,
            state: match row.get("state") {
                "active" => SessionState::Active,
                "idle" => SessionState::Idle,
                "idle in transaction" => SessionState::IdleInTransaction,
                "idle in transaction (aborted)" => SessionState::IdleInTransactionAborted,
                _ => SessionState::Other,
            },
            state_since: row.get("state_change"),
            waits_for: row.get("waits_for"),
            role,
            application_name,
            query,
            run,
            component,
        }
    }

    /// By tag; else, for a client on this host, by the process at the other end.
    fn run(&self, row: &Row, application_name: &str) -> Option<RunId> {
        if let Some(run) = self.tags.get(application_name) {
            return Some(run.clone());
        }
        if self.tags.is_empty() || application_name == "evenkeel" {
            return None;
        }
        let processes = self.watched.processes.as_ref()?;
        let host: Option<&str> = row.get("client_host");
        let is_local = host.is_some_and(|host| host.starts_with("127.") || host == "::1");
        let port = u16::try_from(row.get::<_, i32>("client_port")).ok()?;
        let server_port = self
            .watched
            .spec
            .connect
            .get_ports()
            .first()
            .copied()
            .unwrap_or(5432);
        if is_local {
            processes.run_of_connection(port, server_port)
        } else {
            None
        }
    }
}
