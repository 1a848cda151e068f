//! The leaks guard with real processes: what it sees of them, and what it says where it
//! cannot see.

#[path = "support/leaky.rs"]
mod leaky;
#[allow(dead_code, reason = "shared with the tests of other guards")]
#[path = "support/peer.rs"]
mod peer;
#[allow(dead_code, reason = "shared with the tests of other guards")]
#[path = "support/postgres.rs"]
mod postgres;
#[path = "leaks/recycle.rs"]
mod recycle;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::observation::{Levels, Observation, Resource, Seen};
use evenkeel_core::subject::Subject;
use evenkeel_guards::guard::{Guard, Watchlist};
use evenkeel_guards::leaks::{
    InstanceSpec, LeakSpec, Leaks, Looked, PoolSpec, ProcessSource, Unit, VolumeSpec, WebAddress,
    look_once,
};
use evenkeel_guards::locks::DatabaseSpec;
use evenkeel_guards::outlet::Outlet;
use leaky::Leaky;
use peer::{Peer, answer, request, say_and_stall};
use postgres::Postgres;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// A spec with one pool of these.
fn spec(instances: Vec<InstanceSpec>) -> LeakSpec {
    let mut pool = PoolSpec::new("web".into());
    pool.instances = instances;
    let mut spec = LeakSpec::new();
    spec.interval = Duration::from_millis(100);
    spec.timeout = Duration::from_millis(500);
    spec.pools.push(pool);
    spec
}

fn nowhere() -> InstanceSpec {
    InstanceSpec::new("web-1".into(), "127.0.0.1:1".parse().expect("an address"))
}

fn level(levels: &Levels, resource: &Resource) -> Option<(u64, Option<u64>)> {
    let mut found = levels.levels.iter().filter(|l| l.resource == *resource);
    let one = found.next().map(|level| (level.used, level.limit));
    assert!(found.next().is_none(), "{resource:?} is told once");
    one
}

async fn look(instance: InstanceSpec) -> Looked {
    let mut looked = look_once(&spec(vec![instance])).await;
    assert_eq!(looked.len(), 1);
    looked.remove(0)
}

struct Watch {
    seen: mpsc::Receiver<Observation>,
    observing: JoinHandle<()>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.observing.abort();
    }
}

impl Watch {
    fn start(spec: LeakSpec) -> Self {
        let (queue, seen) = mpsc::channel(4096);
        let (_, watched) = watch::channel(Arc::<Watchlist>::default());
        let guard = Arc::new(Leaks::new(spec));
        let outlet = Outlet::new("leaks".into(), queue);
        let observing = tokio::spawn(guard.observe(outlet, watched));
        Self { seen, observing }
    }

    /// The first levels that `wanted` takes, within twenty seconds.
    async fn until(&mut self, what: &str, wanted: impl Fn(&Levels) -> bool) -> Levels {
        let looking = async {
            loop {
                let observation = self.seen.recv().await.expect("the guard observes");
                if let Seen::Levels(levels) = observation.seen
                    && wanted(&levels)
                {
                    return levels;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), looking)
            .await
            .unwrap_or_else(|_| panic!("seen in time: {what}"))
    }
}

/// What a leaky child does when the test binary is started as one.
#[test]
fn leaky_child() {
    leaky::serve_if_asked();
}

#[tokio::test]
async fn a_leak_is_seen_in_memory_files_and_connections() {
    let child = Leaky::start().await;
    let mut instance = child.instance();
    instance.memory_limit = Some(512 << 20);
    instance.metrics = Some(child.web("/metrics"));
    let mut watch = Watch::start(spec(vec![instance]));
    let before = watch.until("it at all", |_| true).await;
    assert_eq!(before.of, Subject::Instance("web-1".into()));
    let memory = level(&before, &Resource::Memory).expect("memory");
    assert!(memory.0 > 100_000, "{before:?}");
    assert!(
        memory.1.is_some_and(|limit| limit <= 512 << 20),
        "{before:?}"
    );
    let (files, most) = level(&before, &Resource::OpenFiles).expect("files");
    assert!(
        files >= 3 && most.is_some_and(|most| most > files),
        "{before:?}"
    );
    assert!(level(&before, &Resource::Threads).is_some_and(|(threads, _)| threads >= 2));
    assert!(
        level(&before, &Resource::Connections).is_some(),
        "{before:?}"
    );
    assert_eq!(level(&before, &Resource::Heap), Some((0, Some(1 << 30))));
    assert_eq!(before.release.as_deref(), Some("2.7.1"));

    child.ask("/leak/40").await;
    child.ask("/open/20").await;
    let after = watch
        .until("what it leaked", |levels| {
            level(levels, &Resource::Memory).is_some_and(|(used, _)| used > memory.0 + (32 << 20))
                && level(levels, &Resource::OpenFiles).is_some_and(|(used, _)| used >= files + 20)
        })
        .await;
    assert_eq!(
        level(&after, &Resource::Heap),
        Some((40 << 20, Some(1 << 30)))
    );
    assert_eq!(
        after.started_at, before.started_at,
        "it is the same process"
    );
    assert!(after.started_at.is_some());
}

#[tokio::test]
async fn workers_count_with_their_parent() {
    let child = Leaky::start().await;
    let alone = look(child.instance()).await.levels.expect("levels");
    child.ask("/fork").await;
    child.ask("/fork").await;
    let threads = |levels: &Levels| level(levels, &Resource::Threads).expect("threads").0;
    let mut watch = Watch::start(spec(vec![child.instance()]));
    let both = watch
        .until("the workers", |levels| {
            threads(levels) >= threads(&alone) + 2
        })
        .await;
    assert!(level(&both, &Resource::Memory) > level(&alone, &Resource::Memory));
}

#[tokio::test]
async fn a_stopped_instance_is_out_of_sight_and_not_at_zero() {
    let child = Leaky::start().await;
    let instance = child.instance();
    child.end();
    let looked = look(instance).await;
    assert_eq!(looked.levels, None);
    assert!(looked.gaps[0].contains("does not run"), "{:?}", looked.gaps);
}

#[tokio::test]
async fn a_stale_pid_file_is_nobody() {
    let child = Leaky::start().await;
    child.age_pid_file();
    let looked = look(child.instance()).await;
    assert_eq!(looked.levels, None);
    assert!(looked.gaps[0].contains("stale"), "{:?}", looked.gaps);
}

#[tokio::test]
async fn what_has_no_limit_is_said() {
    let child = Leaky::start().await;
    let looked = look(child.instance()).await;
    let levels = looked.levels.expect("levels");
    let limit = level(&levels, &Resource::Memory).expect("memory").1;
    let is_said = looked.gaps.iter().any(|gap| gap.contains("nothing limits"));
    // The control group of the machine that tests may have a limit itself.
    assert_eq!(limit.is_none(), is_said, "{:?}", looked.gaps);
}

/// A `systemctl` that answers what a test wants.
fn systemctl(folder: &Path, script: &str) -> std::path::PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let file = folder.join("systemctl");
    std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("a script");
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&file, executable).expect("executable");
    file
}

#[tokio::test]
async fn a_unit_s_main_process_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let child = Leaky::start().await;
    let script = format!(
        "[ \"$*\" = '--no-pager --property=MainPID,ActiveState,LoadState show -- web@1.service' ] \
         || exit 9\nprintf 'MainPID={}\\nLoadState=loaded\\nActiveState=active\\n'",
        child.pid()
    );
    let mut instance = child.instance();
    instance.process = ProcessSource::Unit(Unit::new("web@1", false).expect("a unit"));
    let mut spec = spec(vec![instance]);
    spec.systemctl = systemctl(folder.path(), &script);
    let looked = look_once(&spec).await.remove(0);
    let levels = looked.levels.unwrap_or_else(|| panic!("{:?}", looked.gaps));
    assert!(level(&levels, &Resource::Memory).is_some());
}

#[tokio::test]
async fn units_that_cannot_be_asked_for_are_out_of_sight_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    for (script, told) in [
        (
            "printf 'MainPID=0\\nLoadState=not-found\\nActiveState=inactive\\n'",
            "knows no unit",
        ),
        (
            "printf 'MainPID=0\\nLoadState=loaded\\nActiveState=failed\\n'",
            "is failed",
        ),
        (
            "echo 'Failed to connect to bus' >&2; exit 1",
            "does systemd run here",
        ),
        ("sleep 1000", "did not end within 3 s"),
        ("yes", "did not end within 3 s"),
        ("exit 0", "answered about 0"),
    ] {
        let mut instance = nowhere();
        instance.process = ProcessSource::Unit(Unit::new("web@1", false).expect("a unit"));
        let mut spec = spec(vec![instance]);
        spec.systemctl = systemctl(folder.path(), script);
        let looked = look_once(&spec).await.remove(0);
        assert_eq!(looked.levels, None, "{script}");
        assert!(looked.gaps[0].contains(told), "{script}: {:?}", looked.gaps);
    }
}

#[tokio::test]
async fn an_instance_elsewhere_is_seen_by_its_metrics() {
    let body = "process_resident_memory_bytes 5e7\nprocess_open_fds 9\nprocess_max_fds 1024\n\
                process_start_time_seconds 1790000000\n";
    let peer = Peer::answering(answer("200 OK", "x-release: r-12\r\n", body)).await;
    let mut instance = nowhere();
    instance.metrics = Some(WebAddress::parse(&peer.url("/metrics")).expect("an address"));
    instance.release_header = Some("x-release".parse().expect("a header"));
    instance.memory_limit = Some(1 << 30);
    let levels = look(instance).await.levels.expect("levels");
    assert_eq!(
        level(&levels, &Resource::Memory),
        Some((50_000_000, Some(1 << 30)))
    );
    assert_eq!(level(&levels, &Resource::OpenFiles), Some((9, Some(1024))));
    assert_eq!(levels.release.as_deref(), Some("r-12"));
    let started = levels.started_at.map(|at| at.as_second());
    assert_eq!(started, Some(1_790_000_000));
}

#[tokio::test]
async fn metrics_of_the_wrong_shape_are_named_and_hold_nobody_up() {
    let html = Peer::answering(answer("200 OK", "", "<html>Not here</html>")).await;
    let missing = Peer::answering(answer("404 Not Found", "", "nothing")).await;
    let garbage = Peer::answering("this is no HTTP\r\n\r\n").await;
    let cut =
        Peer::answering("HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\nprocess_open_fds 1\n").await;
    let head = Peer::start(|mut stream| async move {
        use tokio::io::AsyncWriteExt;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(b"x-more: and more\r\n").await.is_ok() {}
    })
    .await;
    let endless = Peer::start(|mut stream| async move {
        use tokio::io::AsyncWriteExt;
        request(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream
            .write_all(&b"process_open_fds 1\n".repeat(1000))
            .await
            .is_ok()
        {}
    })
    .await;
    let stalled = Peer::start(|mut stream| async move {
        say_and_stall(&mut stream, "HTTP/1.1 200 OK\r\n\r\nprocess_open_fds 1\n").await;
    })
    .await;
    for (peer, told) in [
        (&html, "no Prometheus text format"),
        (&missing, "answered 404"),
        (&garbage, "no HTTP"),
        (&cut, "broke off"),
        (&head, "no HTTP"),
        (&endless, "larger than 4 MiB"),
        (&stalled, "it was reading the answer"),
    ] {
        let mut instance = nowhere();
        instance.metrics = Some(WebAddress::parse(&peer.url("/metrics")).expect("an address"));
        let mut spec = spec(vec![instance]);
        if told.contains("larger") {
            spec.timeout = Duration::from_secs(60);
        }
        let looked = look_once(&spec).await.remove(0);
        assert_eq!(looked.levels, None, "{told}");
        assert!(looked.gaps[0].contains(told), "{told}: {:?}", looked.gaps);
    }
}

#[tokio::test]
async fn stalled_metrics_cost_the_heap_and_nothing_else() {
    let stalled = Peer::start(|mut stream| async move {
        say_and_stall(&mut stream, "").await;
    })
    .await;
    let child = Leaky::start().await;
    let mut instance = child.instance();
    instance.metrics = Some(WebAddress::parse(&stalled.url("/")).expect("an address"));
    let looked = look(instance).await;
    let levels = looked.levels.expect("levels");
    assert!(level(&levels, &Resource::Memory).is_some());
    assert_eq!(level(&levels, &Resource::Heap), None);
    assert!(
        looked
            .gaps
            .iter()
            .any(|gap| gap.contains("waiting for the answer")),
        "{:?}",
        looked.gaps
    );
}

#[tokio::test]
async fn volumes_are_looked_at_and_missing_ones_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut spec = LeakSpec::new();
    let volume = |id: &str, path: &Path| VolumeSpec {
        id: id.into(),
        path: path.to_owned(),
    };
    spec.volumes.push(volume("data", folder.path()));
    spec.volumes
        .push(volume("gone", &folder.path().join("gone")));
    let looked = look_once(&spec).await;
    let data = looked[0].levels.as_ref().expect("levels");
    assert_eq!(data.of, Subject::Volume("data".into()));
    assert!(level(data, &Resource::DiskBytes).is_some());
    assert_eq!(looked[1].levels, None);
    assert!(
        looked[1].gaps[0].contains("is it mounted"),
        "{:?}",
        looked[1].gaps
    );
}

#[tokio::test]
async fn what_fills_up_in_a_database_is_seen() {
    let server = Postgres::start(&["max_connections=20"]).await;
    let admin = server.connect("postgres", "app", "test").await;
    admin
        .batch_execute(
            "create table narrow (id int); create sequence narrow_seq owned by narrow.id; \
             select setval('narrow_seq', 2000000000); \
             create sequence wide; select setval('wide', 2000000000); \
             create sequence small as smallint; select setval('small', 20000); \
             create sequence hidden as smallint; select setval('hidden', 30000); \
             create sequence round as smallint cycle; select setval('round', 30000); \
             create sequence unused as smallint; \
             grant select on narrow_seq, wide, small, round, unused to watcher",
        )
        .await
        .expect("sequences");
    let mut spec = LeakSpec::new();
    spec.databases.push(DatabaseSpec::new(
        "main".into(),
        server.config("watcher", "app"),
    ));
    let mut watch = Watch::start(spec);
    let levels = watch.until("the database", |_| true).await;
    assert_eq!(levels.of, Subject::Database("main".into()));
    let (used, most) = level(&levels, &Resource::DatabaseConnections).expect("connections");
    assert!(used >= 2 && most == Some(17), "{levels:?}");
    let (age, most) = level(&levels, &Resource::TransactionAge).expect("an age");
    assert!(age > 0 && most == Some((1 << 31) - 3_000_000), "{levels:?}");
    let sequence = |name: &str| level(&levels, &Resource::Sequence(name.into()));
    assert_eq!(
        sequence("public.narrow_seq"),
        Some((1_999_999_999, Some(2_147_483_646)))
    );
    assert_eq!(sequence("public.small"), Some((19_999, Some(32_766))));
    for other in ["wide", "hidden", "round", "unused"] {
        assert_eq!(sequence(&format!("public.{other}")), None, "{other}");
    }
    assert!(
        levels.started_at.is_some() && levels.release.is_some(),
        "{levels:?}"
    );
}
