//! Looking at one database until stopped.
//!
//! Two rhythms: waits and runs' sessions often, connections and transactions now and
//! then. A question that fails or is not answered in time costs one interval: the
//! database is told to be out of sight, the connection is opened again, with growing
//! patience, and everything is asked anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::observation::{
    DatabaseLoad, LockRoot, LockWaiter, LockWaits, RunBackends, Seen, Session, Sight,
};
use evenkeel_core::subject::{Backend, Subject};
use tokio::sync::watch::Receiver;
use tokio::time::Instant;
use tokio_postgres::Client;

use super::Watched;
use super::activity::{COLUMNS, FROM, Mapping};
use super::connection::{ask, open};
use super::graph::{Node, Waits};
use crate::guard::Watchlist;
use crate::outlet::Outlet;

const RECONNECT_FIRST: Duration = Duration::from_millis(250);
const RECONNECT_LONGEST: Duration = Duration::from_secs(5);

/// Pictures in which nothing changed are sent this often, so that the core, whose memory
/// fades after 15 s, keeps seeing.
const REPEAT: Duration = Duration::from_secs(2);

/// The most sessions named in one picture of load.
const LISTED_MAX: i64 = 20;

pub(super) async fn watch(
    watched: Arc<Watched>,
    outlet: Outlet,
    watchlist: Receiver<Arc<Watchlist>>,
) {
    let mut patience = RECONNECT_FIRST;
    let mut blind = false;
    loop {
        let trouble = match open(&watched.spec).await {
            Ok(client) => {
                watched.link.set(Some(client.clone()));
                let mut eyes = Eyes::new(&watched, &outlet, &watchlist);
                let trouble = eyes.look_until_trouble(&client, &mut blind).await;
                watched.link.set(None);
                if eyes.has_seen {
                    patience = RECONNECT_FIRST;
                }
                trouble
            }
            Err(trouble) => trouble,
        };
        let sight = Seen::Sight(Sight {
            of: Subject::Database(watched.spec.id.clone()),
            blind: Some(trouble.clone()),
        });
        if blind {
            outlet.picture(sight);
        } else {
            blind = true;
            tracing::warn!(database = %watched.spec.id, trouble, "the database cannot be seen");
            if !outlet.fact(sight).await {
                return;
            }
        }
        tokio::time::sleep(patience).await;
        patience = (patience * 2).min(RECONNECT_LONGEST);
    }
}

struct Eyes<'a> {
    watched: &'a Watched,
    outlet: &'a Outlet,
    watchlist: &'a Receiver<Arc<Watchlist>>,
    /// Waiters by when they were first seen, for servers that do not say (before 14).
    first_seen: BTreeMap<Backend, Timestamp>,
    waited_before: bool,
    runs_before: bool,
    repeated_at: Option<Instant>,
    load_at: Option<Instant>,
    has_seen: bool,
}

/// A waiter row of `pg_locks`.
struct Wanted {
    text: String,
    since: Option<Timestamp>,
}

impl<'a> Eyes<'a> {
    fn new(
        watched: &'a Watched,
        outlet: &'a Outlet,
        watchlist: &'a Receiver<Arc<Watchlist>>,
    ) -> Self {
        Self {
            watched,
            outlet,
            watchlist,
            first_seen: BTreeMap::new(),
            waited_before: true,
            runs_before: true,
            repeated_at: None,
            load_at: None,
            has_seen: false,
        }
    }

    async fn look_until_trouble(&mut self, client: &Client, blind: &mut bool) -> String {
        loop {
            let began = Instant::now();
            let busy = match self.look(client).await {
                Ok(busy) => busy,
                Err(trouble) => return trouble,
            };
            if !self.has_seen {
                self.has_seen = true;
                let of = Subject::Database(self.watched.spec.id.clone());
                let sees = Seen::Sight(Sight { of, blind: None });
                if !self.outlet.fact(sees).await {
                    return "nobody listens any more".into();
                }
                *blind = false;
            }
            let spec = &self.watched.spec;
            let pause = if busy { spec.poll_busy } else { spec.poll_idle };
            tokio::time::sleep_until(began + pause).await;
        }
    }

    /// One look; true where there is something to look at more often.
    async fn look(&mut self, client: &Client) -> Result<bool, String> {
        let watchlist = self.watchlist.borrow().clone();
        let mapping = Mapping::new(self.watched, &watchlist);
        let question = format!(
            "select {COLUMNS} {FROM} where (a.wait_event_type = 'Lock' \
             or a.application_name like 'evenkeel/%') and a.pid <> pg_backend_pid() limit 2000"
        );
        let rows = ask(client.query(&question, &[])).await?;
        let sessions: Vec<Session> = rows.iter().map(|row| mapping.session(row)).collect();
        let waiting: Vec<Session> = sessions
            .iter()
            .filter(|session| session.waits_for.starts_with("Lock/"))
            .cloned()
            .collect();
        let repeats = self.repeated_at.is_none_or(|at| at.elapsed() >= REPEAT);
        let (chains, left_out) = if waiting.is_empty() {
            self.first_seen.clear();
            (Vec::new(), 0)
        } else {
            self.waits(client, &mapping, waiting).await?.chains()
        };
        let waits_now = !chains.is_empty();
        let database = self.watched.spec.id.clone();
        let picture = Seen::LockWaits(LockWaits {
            database: database.clone(),
            chains,
            left_out,
        });
        if waits_now {
            self.outlet.picture(picture);
        } else if self.waited_before {
            // The last waiter has moved: said for certain, because proofs wait for it.
            self.outlet.fact(picture).await;
        } else if repeats {
            self.outlet.picture(picture);
        }
        let of_runs: Vec<Session> = sessions
            .into_iter()
            .filter(|session| session.run.is_some())
            .collect();
        let runs_now = !of_runs.is_empty();
        if runs_now || self.runs_before || repeats {
            self.outlet.picture(Seen::RunBackends(RunBackends {
                database,
                sessions: of_runs,
            }));
        }
        self.waited_before = waits_now;
        self.runs_before = runs_now;
        if repeats {
            self.repeated_at = Some(Instant::now());
        }
        if self
            .load_at
            .is_none_or(|at| at.elapsed() >= self.watched.spec.poll_load)
        {
            self.load_at = Some(Instant::now());
            let load = self.load(client, &mapping).await?;
            self.outlet.picture(Seen::DatabaseLoad(load));
        }
        Ok(waits_now || runs_now)
    }

    /// Who waits for whom, among `waiting`.
    async fn waits(
        &mut self,
        client: &Client,
        mapping: &Mapping<'_>,
        waiting: Vec<Session>,
    ) -> Result<Waits, String> {
        let pids: Vec<i32> = waiting.iter().map(|session| session.backend.pid).collect();
        let rows = ask(client.query(
            "select pid, pg_blocking_pids(pid) as blockers from unnest($1::int[]) as pid",
            &[&pids],
        ))
        .await?;
        let blockers: BTreeMap<i32, Vec<i32>> = rows
            .iter()
            .map(|row| (row.get("pid"), row.get("blockers")))
            .collect();
        let wanted = self.wanted(client, &pids).await?;
        let involved: BTreeSet<i32> = blockers.values().flatten().copied().collect();
        let prepared = if involved.contains(&0) {
            self.prepared(client, &pids).await?
        } else {
            Vec::new()
        };
        let involved: Vec<i32> = involved.into_iter().filter(|pid| *pid != 0).collect();
        let question = format!("select {COLUMNS} {FROM} where a.pid = any($1)");
        let rows = ask(client.query(&question, &[&involved])).await?;
        let mut roots: BTreeMap<Node, LockRoot> = rows
            .iter()
            .map(|row| mapping.session(row))
            .map(|session| {
                (
                    Node::Backend(session.backend.pid),
                    LockRoot::Session(session),
                )
            })
            .collect();
        let now = Timestamp::now();
        let mut waiters = BTreeMap::new();
        let mut still = BTreeMap::new();
        for session in waiting {
            let pid = session.backend.pid;
            let Some(direct) = blockers.get(&pid).filter(|direct| !direct.is_empty()) else {
                continue;
            };
            let first = self
                .first_seen
                .get(&session.backend)
                .copied()
                .unwrap_or(now);
            still.insert(session.backend.clone(), first);
            let mut nodes: BTreeSet<Node> = direct
                .iter()
                .filter(|pid| **pid != 0)
                .map(|pid| Node::Backend(*pid))
                .collect();
            if direct.contains(&0) {
                for (waiter, gid, root) in &prepared {
                    if *waiter == pid {
                        nodes.insert(Node::Prepared(gid.clone()));
                        roots.insert(Node::Prepared(gid.clone()), root.clone());
                    }
                }
            }
            let wanted = wanted.get(&pid);
            let waiter = LockWaiter {
                session,
                waits_for_pids: direct.clone(),
                since: wanted.and_then(|wanted| wanted.since).unwrap_or(first),
                wants: wanted.map(|wanted| wanted.text.clone()).unwrap_or_default(),
            };
            waiters.insert(pid, (waiter, nodes));
        }
        self.first_seen = still;
        Ok(Waits { waiters, roots })
    }

    /// What each waiter wants: mode and object, and since when.
    async fn wanted(&self, client: &Client, pids: &[i32]) -> Result<BTreeMap<i32, Wanted>, String> {
        // `waitstart` came with 14; through JSON its absence is no error. A row lock waits
        // for a transaction; the table is the one the waiter holds a tuple lock on, or is
        // writing to.
        let rows = ask(client.query(
            "select l.pid, l.locktype, l.mode, (to_jsonb(l) ->> 'waitstart')::timestamptz as since, \
             coalesce((select c.relname::text from pg_class c where c.oid = l.relation), \
                      (select min(c.relname::text) from pg_locks h join pg_class c on c.oid = h.relation \
                       where h.pid = l.pid and h.granted and h.locktype in ('tuple', 'relation') \
                         and h.mode in ('RowExclusiveLock', 'RowShareLock', 'ExclusiveLock') \
                         and c.relkind in ('r', 'p'))) as relation \
             from pg_locks l where not l.granted and l.pid = any($1)",
            &[&pids],
        ))
        .await?;
        Ok(rows
            .iter()
            .map(|row| {
                let (kind, mode): (&str, &str) = (row.get("locktype"), row.get("mode"));
                let relation: Option<&str> = row.get("relation");
                let text = match (kind, relation) {
                    ("relation", Some(table)) => format!("{mode} on {table}"),
                    (_, Some(table)) => format!("a row of {table} ({mode} on {kind})"),
                    (_, None) => format!("{mode} on {kind}"),
                };
                (
                    row.get("pid"),
                    Wanted {
                        text,
                        since: row.get("since"),
                    },
                )
            })
            .collect())
    }

    /// Which prepared transaction each of `pids` waits for.
    async fn prepared(
        &self,
        client: &Client,
        pids: &[i32],
    ) -> Result<Vec<(i32, String, LockRoot)>, String> {
        let rows = ask(client.query(
            "select distinct w.pid, p.gid, p.owner::text as owner, p.prepared \
             from pg_locks w \
             join pg_locks h on h.pid is null and h.granted and h.locktype = w.locktype \
               and h.database is not distinct from w.database \
               and h.relation is not distinct from w.relation \
               and h.transactionid is not distinct from w.transactionid \
             join pg_prepared_xacts p on p.transaction = h.transactionid \
               or h.virtualtransaction = '-1/' || p.transaction::text \
             where not w.granted and w.pid = any($1) limit 256",
            &[&pids],
        ))
        .await?;
        Ok(rows
            .iter()
            .map(|row| {
                let gid: String = row.get("gid");
                let root = LockRoot::Prepared {
                    gid: gid.clone(),
                    owner: row.get("owner"),
                    prepared_at: row.get("prepared"),
                };
                (row.get("pid"), gid, root)
            })
            .collect())
    }

    async fn load(&self, client: &Client, mapping: &Mapping<'_>) -> Result<DatabaseLoad, String> {
        let row = ask(client.query_one(
            "select (select count(*) from pg_stat_activity where backend_type = 'client backend')::int as used, \
             current_setting('max_connections')::int \
             - current_setting('superuser_reserved_connections')::int \
             - coalesce(current_setting('reserved_connections', true), '0')::int as most",
            &[],
        ))
        .await?;
        let idle = format!(
            "select {COLUMNS} {FROM} where a.state like 'idle in transaction%' \
             order by a.state_change limit {LISTED_MAX}"
        );
        let idle = ask(client.query(&idle, &[])).await?;
        let oldest = format!(
            "select {COLUMNS} {FROM} where a.xact_start is not null \
             and a.backend_type = 'client backend' and a.pid <> pg_backend_pid() \
             order by a.xact_start limit 1"
        );
        let oldest = ask(client.query_opt(&oldest, &[])).await?;
        let prepared = ask(client.query(
            "select gid, prepared from pg_prepared_xacts order by prepared limit $1",
            &[&LISTED_MAX],
        ))
        .await?;
        let count = |name: &str| u32::try_from(row.get::<_, i32>(name)).unwrap_or_default();
        Ok(DatabaseLoad {
            database: self.watched.spec.id.clone(),
            connections_used: count("used"),
            connections_max: count("most"),
            idle_in_transaction: idle.iter().map(|row| mapping.session(row)).collect(),
            oldest_transaction: oldest.map(|row| mapping.session(&row)),
            prepared: prepared
                .iter()
                .map(|row| (row.get("gid"), row.get("prepared")))
                .collect(),
        })
    }
}
