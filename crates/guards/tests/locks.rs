//! The locks guard against a real PostgreSQL: what it sees, and whom it ends.

#[path = "support/postgres.rs"]
mod postgres;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::action::{Action, EndHow, Outcome, Task};
use evenkeel_core::ids::{ActionId, RunId};
use evenkeel_core::observation::{LockChain, LockRoot, Observation, Seen, SessionState};
use evenkeel_core::policy::Pattern;
use evenkeel_core::subject::Backend;
use evenkeel_guards::guard::{Guard, RunDatabase, Watchlist, session_tag};
use evenkeel_guards::locks::{ComponentSessions, DatabaseSpec, Locks};
use evenkeel_guards::outlet::Outlet;
use postgres::Postgres;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_postgres::Client;

struct Watch {
    guard: Arc<Locks>,
    seen: mpsc::Receiver<Observation>,
    watchlist: watch::Sender<Arc<Watchlist>>,
    observing: JoinHandle<()>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.observing.abort();
    }
}

impl Watch {
    fn start(server: &Postgres, role: &str) -> Self {
        let mut spec = DatabaseSpec::new("main".into(), server.config(role, "app"));
        spec.poll_busy = Duration::from_millis(50);
        spec.poll_idle = Duration::from_millis(50);
        spec.poll_load = Duration::from_millis(200);
        spec.components.push(ComponentSessions {
            component: "login".into(),
            application_name: Some(Pattern::new("web*")),
            role: None,
            query: None,
        });
        let guard = Arc::new(Locks::new(vec![spec], None, None));
        let (queue, seen) = mpsc::channel(4096);
        let (watchlist, watched) = watch::channel(Arc::default());
        let observing = tokio::spawn(
            guard
                .clone()
                .observe(Outlet::new("locks".into(), queue), watched),
        );
        Self {
            guard,
            seen,
            watchlist,
            observing,
        }
    }

    /// The first thing seen that `wanted` takes, within ten seconds.
    async fn until<T>(&mut self, what: &str, mut wanted: impl FnMut(&Seen) -> Option<T>) -> T {
        let looking = async {
            loop {
                let observation = self.seen.recv().await.expect("the guard observes");
                if let Some(found) = wanted(&observation.seen) {
                    return found;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), looking)
            .await
            .unwrap_or_else(|_| panic!("seen in time: {what}"))
    }

    async fn chains(&mut self, what: &str, fits: impl Fn(&[LockChain]) -> bool) -> Vec<LockChain> {
        // Pictures that wait in the queue are of the past.
        while self.seen.try_recv().is_ok() {}
        self.until(what, |seen| match seen {
            Seen::LockWaits(waits) if fits(&waits.chains) => Some(waits.chains.clone()),
            _ => None,
        })
        .await
    }

    async fn end(&self, backend: &Backend, xact_start: Option<Timestamp>, how: EndHow) -> Outcome {
        let action = Action {
            id: ActionId(1),
            task: Task::EndBackend {
                backend: backend.clone(),
                xact_start,
                how,
                run: None,
            },
            reason: "a test".into(),
            facts: Vec::new(),
            finding: None,
            incident: None,
            decided_at_revision: 1,
            decided_at: Timestamp::now(),
        };
        self.guard.perform(&action).await.outcome
    }
}

fn root_pid(chain: &LockChain) -> i32 {
    match &chain.root {
        LockRoot::Session(session) => session.backend.pid,
        LockRoot::Prepared { .. } => 0,
    }
}

async fn pid(client: &Client) -> i32 {
    client
        .query_one("select pg_backend_pid()", &[])
        .await
        .expect("a pid")
        .get(0)
}

/// A server with a table of users, and a guard that watches it.
async fn world() -> (Postgres, Watch) {
    let server = Postgres::start(&[]).await;
    let owner = server.connect("app", "app", "setup").await;
    owner
        .batch_execute(
            "create table users (id int primary key, seen int); \
             insert into users select n, 0 from generate_series(1, 10) n",
        )
        .await
        .expect("a table");
    let watch = Watch::start(&server, "watcher");
    (server, watch)
}

/// A session that has locked user `id` and does nothing.
async fn holder(server: &Postgres, role: &str, name: &str, id: i32) -> Client {
    let client = server.connect(role, "app", name).await;
    client
        .batch_execute(&format!("begin; update users set seen = 1 where id = {id}"))
        .await
        .expect("a lock");
    client
}

/// A session that waits for user `id`, in the background.
async fn waiter(
    server: &Postgres,
    id: i32,
) -> (i32, JoinHandle<Result<(), tokio_postgres::Error>>) {
    let client = server.connect("app", "app", "web 1").await;
    let pid = pid(&client).await;
    let waits = tokio::spawn(async move {
        client
            .batch_execute(&format!("update users set seen = 2 where id = {id}"))
            .await
    });
    (pid, waits)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_root_is_named_ended_and_its_waiters_move() {
    let (server, mut watch) = world().await;
    let run: RunId = "export-1".into();
    let mut watchlist = Watchlist::default();
    watchlist
        .open_runs
        .insert(run.clone(), ("export".into(), Timestamp::now()));
    watch
        .watchlist
        .send(Arc::new(watchlist))
        .expect("the guard listens");

    let export = holder(&server, "app", &session_tag(&run), 1).await;
    let (first, first_waits) = waiter(&server, 1).await;
    let (second, second_waits) = waiter(&server, 1).await;
    let chains = watch
        .chains("a chain of two", |c| c.iter().any(|c| c.waiters.len() == 2))
        .await;
    let [chain] = &chains[..] else {
        panic!("one chain: {chains:?}")
    };
    let LockRoot::Session(root) = &chain.root else {
        panic!("a session: {chain:?}")
    };
    assert_eq!(root.backend.pid, pid(&export).await);
    assert_eq!(
        (root.run.as_ref(), root.component.as_ref()),
        (Some(&run), None)
    );
    assert_eq!(root.state, SessionState::IdleInTransaction);
    assert!(root.in_scope && !root.superuser);
    let pids: Vec<i32> = chain
        .waiters
        .iter()
        .map(|w| w.session.backend.pid)
        .collect();
    assert!(pids.contains(&first) && pids.contains(&second));
    for waiter in &chain.waiters {
        assert_eq!(waiter.session.component, Some("login".into()));
        assert!(waiter.wants.contains("users"), "{}", waiter.wants);
    }

    let ended = watch
        .end(&root.backend, root.xact_start, EndHow::Terminate)
        .await;
    assert!(matches!(&ended, Outcome::Done(_)), "{ended:?}");
    first_waits
        .await
        .expect("a task")
        .expect("the first waiter moves");
    second_waits
        .await
        .expect("a task")
        .expect("the second waiter moves");
    watch
        .chains("nobody waits", |chains| chains.is_empty())
        .await;
    let again = watch
        .end(&root.backend, root.xact_start, EndHow::Terminate)
        .await;
    assert!(matches!(&again, Outcome::NothingToDo(_)), "{again:?}");
    assert!(
        export.batch_execute("select 1").await.is_err(),
        "the export's session is gone"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_behind_waiting_ddl_leads_to_the_long_read() {
    let (server, mut watch) = world().await;
    let reader = server.connect("app", "app", "analyst").await;
    reader
        .batch_execute("begin; select count(*) from users")
        .await
        .expect("a read");
    let ddl = server.connect("app", "app", "migration").await;
    let ddl_pid = pid(&ddl).await;
    let ddl = tokio::spawn(async move { ddl.batch_execute("alter table users add x int").await });
    watch
        .chains("the statement waits", |c| {
            c.iter().any(|c| c.waiters.len() == 1)
        })
        .await;
    let (_, waits) = waiter(&server, 3).await;
    let chains = watch
        .chains("a queue", |c| c.iter().any(|c| c.waiters.len() == 2))
        .await;
    assert_eq!(root_pid(&chains[0]), pid(&reader).await);
    let behind = chains[0]
        .waiters
        .iter()
        .find(|w| w.session.component.is_some())
        .expect("a login");
    assert!(behind.waits_for_pids.contains(&ddl_pid), "{behind:?}");

    // Cancelled, it lets everyone behind it through; the reader is untouched.
    let statement = chains[0]
        .waiters
        .iter()
        .find(|w| w.session.backend.pid == ddl_pid)
        .expect("it");
    let session = &statement.session;
    let cancelled = watch
        .end(&session.backend, session.xact_start, EndHow::Cancel)
        .await;
    assert!(matches!(cancelled, Outcome::Done(_)), "{cancelled:?}");
    assert!(
        ddl.await.expect("a task").is_err(),
        "the statement was cancelled"
    );
    waits.await.expect("a task").expect("the login moves");
    reader
        .batch_execute("commit")
        .await
        .expect("the reader is untouched");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prepared_transactions_and_two_roots_are_told_apart() {
    let (server, mut watch) = world().await;
    let ghost = holder(&server, "app", "batch", 4).await;
    ghost
        .batch_execute("prepare transaction 'half way'")
        .await
        .expect("prepared");
    let _other = holder(&server, "app", "batch", 5).await;
    let (_, first) = waiter(&server, 4).await;
    let (_, second) = waiter(&server, 5).await;
    let chains = watch.chains("two chains", |chains| chains.len() == 2).await;
    let gids: Vec<&str> = chains
        .iter()
        .filter_map(|chain| match &chain.root {
            LockRoot::Prepared { gid, .. } => Some(gid.as_str()),
            LockRoot::Session(_) => None,
        })
        .collect();
    assert_eq!(gids, ["half way"]);
    ghost
        .batch_execute("rollback prepared 'half way'")
        .await
        .expect("rolled back");
    first.await.expect("a task").expect("its waiter moves");
    second.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_not_the_one_named_is_left_alone() {
    let (server, mut watch) = world().await;
    let app = holder(&server, "app", "batch", 1).await;
    let root = holder(&server, "postgres", "admin", 2).await;
    let elsewhere = server.connect("postgres", "postgres", "elsewhere").await;
    elsewhere
        .batch_execute("create role other login; begin")
        .await
        .expect("a session");
    let sessions: BTreeMap<i32, (Timestamp, Option<Timestamp>)> = elsewhere
        .query("select pid, backend_start, xact_start from pg_stat_activity where backend_start is not null", &[])
        .await
        .expect("sessions")
        .iter()
        .map(|row| (row.get(0), (row.get(1), row.get(2))))
        .collect();
    watch
        .until("the guard is connected", |seen| {
            matches!(seen, Seen::Sight(_)).then_some(())
        })
        .await;
    let backend = |pid: i32, start: Timestamp| Backend {
        database: "main".into(),
        pid,
        backend_start: start,
    };
    let (app_pid, root_pid) = (pid(&app).await, pid(&root).await);
    let (app_start, app_xact) = sessions[&app_pid];

    let superuser = backend(root_pid, sessions[&root_pid].0);
    let refused = watch
        .end(&superuser, sessions[&root_pid].1, EndHow::Terminate)
        .await;
    assert!(
        matches!(&refused, Outcome::Refused(why) if why.contains("superuser")),
        "{refused:?}"
    );

    let earlier = Timestamp::from_microsecond(app_start.as_microsecond() - 1).expect("a time");
    let reused = watch
        .end(&backend(app_pid, earlier), app_xact, EndHow::Terminate)
        .await;
    assert!(
        matches!(&reused, Outcome::NothingToDo(why) if why.contains("another")),
        "{reused:?}"
    );

    app.batch_execute("commit; begin; select 1")
        .await
        .expect("another transaction");
    let moved_on = watch
        .end(&backend(app_pid, app_start), app_xact, EndHow::Terminate)
        .await;
    assert!(
        matches!(&moved_on, Outcome::Refused(why) if why.contains("transaction")),
        "{moved_on:?}"
    );

    let workers = elsewhere
        .query("select pid, backend_start from pg_stat_activity where backend_type <> 'client backend'", &[])
        .await
        .expect("workers");
    assert!(!workers.is_empty(), "the server has workers");
    for row in workers {
        let worker = backend(row.get(0), row.get(1));
        let refused = watch.end(&worker, None, EndHow::Terminate).await;
        assert!(
            matches!(&refused, Outcome::Refused(why) if why.contains("type")),
            "{refused:?}"
        );
    }
    for client in [&app, &root, &elsewhere] {
        client
            .batch_execute("select 1")
            .await
            .expect("everybody is still there");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn load_runs_and_strays_are_seen_and_a_dead_run_is_fenced() {
    let (server, mut watch) = world().await;
    let run: RunId = "export-7".into();
    let mut watchlist = Watchlist::default();
    watchlist.ended_runs.insert(run.clone(), "export".into());
    watch
        .watchlist
        .send(Arc::new(watchlist))
        .expect("the guard listens");
    let stray = holder(&server, "app", &session_tag(&run), 6).await;
    let seen = watch
        .until("the stray", |seen| match seen {
            Seen::RunBackends(picture) => picture.sessions.first().cloned(),
            _ => None,
        })
        .await;
    assert_eq!(seen.run, Some(run.clone()));
    let load = watch
        .until("the load", |seen| match seen {
            Seen::DatabaseLoad(load) if !load.idle_in_transaction.is_empty() => Some(load.clone()),
            _ => None,
        })
        .await;
    assert_eq!(load.connections_max, 97);
    assert!(load.connections_used >= 2, "{load:?}");
    assert_eq!(
        load.oldest_transaction.map(|s| s.backend.pid),
        Some(seen.backend.pid)
    );

    assert_eq!(watch.guard.end_sessions(&run).await, Ok(1));
    assert!(
        stray.batch_execute("select 1").await.is_err(),
        "the stray is gone"
    );
    assert_eq!(watch.guard.end_sessions(&run).await, Ok(0));
    let folder = tempfile::tempdir().expect("a folder");
    let items = watch.guard.keep_evidence(&run, folder.path()).await;
    assert_eq!(items.len(), 2);
    assert!(
        items
            .iter()
            .all(|item| item.bytes > 0 && item.gap.is_none()),
        "{items:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stalls_is_out_of_sight_and_comes_back() {
    let (server, mut watch) = world().await;
    watch
        .until("it sees", |seen| {
            matches!(seen, Seen::Sight(s) if s.blind.is_none()).then_some(())
        })
        .await;
    let pids = || {
        let children =
            std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", server.pid()));
        let mut pids: Vec<i32> = children
            .expect("the server's processes")
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok())
            .collect();
        pids.push(server.pid() as i32);
        pids
    };
    let signal_all = |signal| {
        for pid in pids()
            .into_iter()
            .filter_map(rustix::process::Pid::from_raw)
        {
            let _ = rustix::process::kill_process(pid, signal);
        }
    };
    signal_all(rustix::process::Signal::STOP);
    watch
        .until("it is blind", |seen| {
            matches!(seen, Seen::Sight(s) if s.blind.is_some()).then_some(())
        })
        .await;
    signal_all(rustix::process::Signal::CONT);
    watch
        .until("it sees again", |seen| {
            matches!(seen, Seen::Sight(s) if s.blind.is_none()).then_some(())
        })
        .await;
}
