//! What watching costs: 500 sessions on a real PostgreSQL, first quiet, then with twenty
//! that wait for one. `cargo run --release -p evenkeel-guards --example lock_watch_cost`
//!
//! Counted is the CPU time of this process (the guard; the sessions' clients sleep) and of
//! the guard's own backend, against the time that passed: percent of one core.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_drill::postgres::{Postgres, Settings};
use evenkeel_guards::guard::Guard;
use evenkeel_guards::jobs::tree::{ProcessId, cpu_ms};
use evenkeel_guards::locks::{DatabaseSpec, Locks, grants};
use evenkeel_guards::outlet::Outlet;
use tokio::sync::{mpsc, watch};

const SESSIONS: usize = 500;
const WAITERS: usize = 20;
const STRETCH: Duration = Duration::from_secs(20);

fn cpu_of(pid: i32) -> u64 {
    let process = procfs::process::Process::new(pid);
    let stat = process.and_then(|process| process.stat());
    stat.map_or(0, |stat| cpu_ms(&stat))
}

fn say(text: &str) {
    let _gone = writeln!(std::io::stdout().lock(), "{text}");
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::default().with("max_connections", SESSIONS + 50);
    let postgres = Postgres::start(settings).await?;
    postgres.create("app").await?;
    let admin = postgres.connect("postgres", "app", "setup").await?;
    admin
        .batch_execute(
            "create role evenkeel login; grant pg_monitor to evenkeel; \
             create table t (id int primary key); insert into t values (1); \
             grant all on t to app",
        )
        .await?;
    let mut sessions = Vec::new();
    for _ in 0..SESSIONS {
        sessions.push(postgres.connect("app", "app", "web").await?);
    }
    let connect = grants::connect("127.0.0.1", postgres.port(), "evenkeel", None, "app");
    let guard = Arc::new(Locks::new(
        vec![DatabaseSpec::new("main".into(), connect)],
        None,
        None,
    ));
    let (queue, mut seen) = mpsc::channel(1024);
    let (_list, watchlist) = watch::channel(Arc::default());
    let outlet = Outlet::new("locks".into(), queue);
    tokio::spawn(guard.observe(outlet, watchlist));
    tokio::spawn(async move { while seen.recv().await.is_some() {} });
    // The connection, the first plans.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let ours = "select pid from pg_stat_activity where usename = 'evenkeel'";
    let backends = admin.query(ours, &[]).await?;
    say(&format!("connections of the guard: {}", backends.len()));
    let backend: i32 = backends.first().ok_or("the guard is not connected")?.get(0);
    let own = ProcessId::of(std::process::id().cast_signed()).ok_or("no /proc")?;

    measure("quiet", own.pid, backend).await;

    sessions[0]
        .batch_execute("begin; update t set id = 1")
        .await?;
    for client in sessions.drain(1..=WAITERS) {
        tokio::spawn(async move { client.batch_execute("update t set id = 1").await });
    }
    measure("twenty wait", own.pid, backend).await;
    Ok(())
}

async fn measure(what: &str, own: i32, backend: i32) {
    let (began, guard, server) = (Instant::now(), cpu_of(own), cpu_of(backend));
    tokio::time::sleep(STRETCH).await;
    let elapsed = began.elapsed().as_secs_f64() * 1000.0;
    let share = |before: u64, pid: i32| (cpu_of(pid) - before) as f64 * 100.0 / elapsed;
    say(&format!(
        "{SESSIONS} sessions, {what}: guard {:.2}% of one core, its backend {:.2}%",
        share(guard, own),
        share(server, backend)
    ));
}
