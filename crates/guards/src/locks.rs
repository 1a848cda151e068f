//! The locks guard: who waits for whom in PostgreSQL, and the hand that ends a session.
//!
//! It watches each guarded database with one connection of its own (`application_name`
//! `evenkeel`), asks the light question often and the expensive one
//! (`pg_blocking_pids`, which takes the lock manager's locks) only for sessions that wait
//! for a lock, and runs everything under its own `lock_timeout` and `statement_timeout`,
//! so that it cannot become part of the queue it looks at. Ending a session goes through
//! the same connection: a second one would cost a slot in the very moment when slots are
//! scarce, and a connection that sees is a connection that can act.
//!
//! It never decides. What may be ended is decided by the core; the statement that ends a
//! session checks once more that it is the same session in the same transaction, an
//! ordinary client, no superuser, and in the configured database.
//!
//! Needs PostgreSQL 13 or later and these grants, no more ([`grants::SQL`]).

mod activity;
mod connection;
mod evidence;
pub mod grants;
mod graph;
mod hands;
mod watch;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::action::{Action, ActionKind, Outcome, Task};
use evenkeel_core::evidence::EvidenceItem;
use evenkeel_core::ids::{ComponentId, DatabaseId, RunId};
use evenkeel_core::policy::Pattern;
use tokio::sync::watch::Receiver;
use tokio::task::JoinSet;

use crate::guard::{
    BoxFuture, EvidenceKeeper, Guard, Performed, RunDatabase, RunProcesses, Watchlist,
};
use crate::outlet::Outlet;
use connection::Link;
pub(crate) use connection::{ask, open, say};

/// A guarded database, as the checked configuration names it.
#[derive(Debug, Clone)]
pub struct DatabaseSpec {
    /// Its name in the configuration.
    pub id: DatabaseId,
    /// How to reach it; user, password and database name included.
    pub connect: tokio_postgres::Config,
    /// Which sessions work for which component; the first that fits counts.
    pub components: Vec<ComponentSessions>,
    /// Time between two looks while somebody waits or a supervised run is connected.
    pub poll_busy: Duration,
    /// Time between two looks otherwise.
    pub poll_idle: Duration,
    /// Time between two looks at connections and transactions.
    pub poll_load: Duration,
}

impl DatabaseSpec {
    /// A database with the usual intervals: 250 ms while there is something to see, half
    /// a second otherwise (below 1% of a core at 500 sessions), load every 5 s.
    pub fn new(id: DatabaseId, connect: tokio_postgres::Config) -> Self {
        Self {
            id,
            connect,
            components: Vec::new(),
            poll_busy: Duration::from_millis(250),
            poll_idle: Duration::from_millis(500),
            poll_load: Duration::from_secs(5),
        }
    }
}

/// Sessions that work for a component. What is not given fits everything.
#[derive(Debug, Clone)]
pub struct ComponentSessions {
    /// The component.
    pub component: ComponentId,
    /// Their `application_name`.
    pub application_name: Option<Pattern>,
    /// Their role.
    pub role: Option<Pattern>,
    /// Their current query.
    pub query: Option<Pattern>,
}

impl ComponentSessions {
    fn fits(&self, application_name: &str, role: &str, query: &str) -> bool {
        let fits = |pattern: &Option<Pattern>, text: &str| {
            pattern.as_ref().is_none_or(|pattern| pattern.fits(text))
        };
        fits(&self.application_name, application_name)
            && fits(&self.role, role)
            && fits(&self.query, query)
    }
}

/// The guard.
pub struct Locks {
    databases: BTreeMap<DatabaseId, Arc<Watched>>,
    evidence: Option<Arc<dyn EvidenceKeeper>>,
}

/// One database with the connection its observer keeps open.
struct Watched {
    spec: DatabaseSpec,
    link: Link,
    processes: Option<Arc<dyn RunProcesses>>,
}

impl Locks {
    /// A guard of `databases`. `evidence` keeps what is found before a session is ended;
    /// `processes` tells which run a connection of this host belongs to.
    pub fn new(
        databases: Vec<DatabaseSpec>,
        evidence: Option<Arc<dyn EvidenceKeeper>>,
        processes: Option<Arc<dyn RunProcesses>>,
    ) -> Self {
        let databases = databases
            .into_iter()
            .map(|spec| {
                let watched = Watched {
                    link: Link::default(),
                    processes: processes.clone(),
                    spec,
                };
                (watched.spec.id.clone(), Arc::new(watched))
            })
            .collect();
        Self {
            databases,
            evidence,
        }
    }

    async fn end_backend(&self, action: &Action) -> Performed {
        let failed = |text: String| Performed {
            outcome: Outcome::Failed(text),
            evidence: None,
        };
        let Task::EndBackend {
            backend,
            xact_start,
            how,
            run,
        } = &action.task
        else {
            return failed(format!(
                "the locks guard does not perform `{}`",
                action.task
            ));
        };
        let Some(watched) = self.databases.get(&backend.database) else {
            return failed(format!("database {} is not configured", backend.database));
        };
        let Some(client) = watched.link.client() else {
            return failed(format!(
                "database {} cannot be reached now",
                backend.database
            ));
        };
        let evidence = match &self.evidence {
            Some(keeper) => {
                let texts = evidence::of_database(&client, &watched.spec).await;
                keeper.keep(action.id, run.as_ref(), texts).await
            }
            None => None,
        };
        let end = hands::End {
            backend,
            xact_start: *xact_start,
            how: *how,
        };
        Performed {
            outcome: hands::end(&client, &watched.spec, &end).await,
            evidence,
        }
    }
}

impl Guard for Locks {
    fn name(&self) -> &'static str {
        "locks"
    }

    fn observe(
        self: Arc<Self>,
        outlet: Outlet,
        watchlist: Receiver<Arc<Watchlist>>,
    ) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let mut watchers = JoinSet::new();
            for watched in self.databases.values() {
                let outlet = outlet.named(&format!("locks:{}", watched.spec.id));
                watchers.spawn(watch::watch(watched.clone(), outlet, watchlist.clone()));
            }
            while let Some(ended) = watchers.join_next().await {
                if let Err(error) = ended {
                    tracing::error!(%error, "a database's watcher ended");
                }
            }
        })
    }

    fn performs(&self) -> &'static [ActionKind] {
        &[ActionKind::EndBackend]
    }

    fn perform<'a>(&'a self, action: &'a Action) -> BoxFuture<'a, Performed> {
        Box::pin(self.end_backend(action))
    }
}

impl RunDatabase for Locks {
    fn keep_evidence<'a>(
        &'a self,
        _run: &'a RunId,
        folder: &'a Path,
    ) -> BoxFuture<'a, Vec<EvidenceItem>> {
        Box::pin(async move {
            let mut items = Vec::new();
            for watched in self.databases.values() {
                items.extend(evidence::write(watched, folder).await);
            }
            items
        })
    }

    fn end_sessions<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Result<u32, String>> {
        Box::pin(async move {
            let (mut ended, mut troubles) = (0, Vec::new());
            for watched in self.databases.values() {
                match hands::end_sessions(watched, run).await {
                    Ok(count) => ended += count,
                    Err(trouble) => troubles.push(format!("{}: {trouble}", watched.spec.id)),
                }
            }
            if troubles.is_empty() {
                Ok(ended)
            } else {
                Err(troubles.join("; "))
            }
        })
    }
}

impl std::fmt::Debug for Locks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Locks")
            .field("databases", &self.databases.keys())
            .finish_non_exhaustive()
    }
}
