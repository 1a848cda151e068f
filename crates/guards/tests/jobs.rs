//! The jobs guard with real processes: runs that are started once, watched, and ended
//! with everything they started.

#[path = "support/supervised.rs"]
mod supervised;

use std::time::Duration;

use evenkeel_core::action::Outcome;
use evenkeel_core::ids::RunId;
use evenkeel_core::observation::{Exit, Origin, RunProgress, Seen};
use evenkeel_guards::jobs::tree::{Look, ProcessId};
use supervised::{Bench, be_supervisor_if_called, eventually};

fn progress(seen: Seen) -> Option<RunProgress> {
    match seen {
        Seen::RunProgress(progress) => Some(progress),
        _ => None,
    }
}

/// The pid a run's command wrote into `file`.
async fn pid_in(bench: &Bench, file: &str) -> i32 {
    let path = bench.path(file);
    eventually("a pid is written", || {
        std::fs::read_to_string(&path).is_ok_and(|text| text.ends_with('\n'))
    })
    .await;
    let text = std::fs::read_to_string(&path).expect("a pid");
    text.trim().parse().expect("a number")
}

fn alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test]
async fn a_run_is_started_once_and_its_end_is_told() {
    be_supervisor_if_called();
    let mut bench = Bench::new(
        "a_run_is_started_once_and_its_end_is_told",
        "echo working; exit 7",
    );
    let run = RunId::from("export-20261121T020000Z-1");
    let first = bench.start(&run).await;
    assert!(matches!(first, Outcome::Done(_)), "{first:?}");
    let origin = bench
        .until("start", |seen| match seen {
            Seen::RunStart(start) => Some(start.origin),
            _ => None,
        })
        .await;
    assert_eq!(origin, Origin::Keeper);
    assert_eq!(bench.exit_of(&run).await, Exit::Code(7));
    assert_eq!(bench.spool.output_tail(&run, 100), "working\n");
    let second = bench.start(&run).await;
    assert!(matches!(second, Outcome::NothingToDo(_)), "{second:?}");
    assert_eq!(bench.spool.output_tail(&run, 100), "working\n");
}

#[tokio::test]
async fn a_command_that_is_not_there_says_so() {
    be_supervisor_if_called();
    let mut bench = Bench::new(
        "a_command_that_is_not_there_says_so",
        "exec /nowhere/at-all",
    );
    let run = RunId::from("export-20261121T020000Z-1");
    bench.started(&run).await;
    assert_eq!(bench.exit_of(&run).await, Exit::Code(127));
    assert!(bench.spool.output_tail(&run, 1000).contains("nowhere"));
}

#[tokio::test]
async fn ending_takes_the_whole_tree_and_keeps_evidence_first() {
    be_supervisor_if_called();
    // A child that ignores the polite signal, and a daemon that let go of everything.
    let mut bench = Bench::new(
        "ending_takes_the_whole_tree_and_keeps_evidence_first",
        "echo before the hang; cd $TEST_SPOOL/..; \
         (trap '' TERM; while :; do sleep 1; done) & echo $! > stubborn; \
         setsid sh -c 'echo $$ > daemon; exec sleep 600' & \
         sleep 600",
    );
    let run = RunId::from("export-20261121T020000Z-1");
    bench.started(&run).await;
    let stubborn = pid_in(&bench, "stubborn").await;
    let daemon = pid_in(&bench, "daemon").await;
    eventually("the daemon has become what evidence names", || {
        let words = std::fs::read(format!("/proc/{daemon}/cmdline"));
        words.is_ok_and(|words| words.starts_with(b"sleep"))
    })
    .await;
    let performed = bench.end(&run, Duration::from_millis(300)).await;
    assert!(
        matches!(&performed.outcome, Outcome::Done(text) if text.contains("killed after a grace")),
        "{:?}",
        performed.outcome
    );
    assert!(!alive(stubborn) && !alive(daemon));
    let exit = bench.exit_of(&run).await;
    assert_eq!(exit, Exit::Signal(15));

    let kept = performed.evidence.expect("evidence");
    let index = bench.evidence.index(&kept.id).expect("an index");
    for (file, says) in [
        ("processes.txt", "sleep 600"),
        ("files.txt", "/dev/null"),
        ("activity.txt", "over 150 ms"),
        ("output.txt", "before the hang"),
    ] {
        let text = bench.evidence.read(&kept.id, file).expect(file);
        assert!(text.contains(says), "{file}:\n{text}");
        assert!(
            index.items.iter().any(|item| item.file == file),
            "{index:?}"
        );
    }
    // Once more does no harm.
    let again = bench.end(&run, Duration::from_millis(300)).await.outcome;
    assert!(matches!(again, Outcome::NothingToDo(_)), "{again:?}");
}

#[tokio::test]
async fn a_run_outlives_its_supervisor_and_is_still_ended_whole() {
    be_supervisor_if_called();
    let mut bench = Bench::new(
        "a_run_outlives_its_supervisor_and_is_still_ended_whole",
        "cd $TEST_SPOOL/..; echo $$ > orphan; exec sleep 600",
    );
    let run = RunId::from("export-20261121T020000Z-1");
    bench.started(&run).await;
    let orphan = pid_in(&bench, "orphan").await;
    let meta = bench.spool.meta(&run).expect("a claim");
    assert!(meta.supervisor.signal(rustix::process::Signal::KILL));
    eventually("the supervisor is gone", || {
        !Look::take().supervisor_lives(&meta)
    })
    .await;
    // It works on, so it has not ended: it must not be started over.
    let members = bench.until("progress", progress).await.processes;
    assert_eq!(members, 1);
    assert!(bench.spool.ending(&run).is_none() && alive(orphan));
    let ended = bench.end(&run, Duration::from_secs(5)).await.outcome;
    assert!(matches!(ended, Outcome::Done(_)), "{ended:?}");
    assert!(!alive(orphan));
    assert_eq!(bench.exit_of(&run).await, Exit::Lost);
}

#[tokio::test]
async fn a_run_that_lost_everyone_is_told_as_lost() {
    be_supervisor_if_called();
    let mut bench = Bench::new(
        "a_run_that_lost_everyone_is_told_as_lost",
        "cd $TEST_SPOOL/..; echo $$ > orphan; exec sleep 600",
    );
    let run = RunId::from("export-20261121T020000Z-1");
    bench.started(&run).await;
    let orphan = ProcessId::of(pid_in(&bench, "orphan").await).expect("a process");
    let meta = bench.spool.meta(&run).expect("a claim");
    meta.supervisor.signal(rustix::process::Signal::KILL);
    orphan.signal(rustix::process::Signal::KILL);
    assert_eq!(bench.exit_of(&run).await, Exit::Lost);
}

#[tokio::test]
async fn a_trickle_on_a_socket_is_progress_and_a_full_one_is_not() {
    be_supervisor_if_called();
    use tokio::io::AsyncReadExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a listener");
    let port = listener.local_addr().expect("an address").port();
    // send(), which no counter of /proc/PID/io knows of.
    let mut bench = Bench::new(
        "a_trickle_on_a_socket_is_progress_and_a_full_one_is_not",
        &format!(
            "exec python3 -c \"import socket, time\n\
             s = socket.create_connection(('127.0.0.1', {port}))\n\
             while True:\n s.send(b'x' * 65536); time.sleep(0.05)\""
        ),
    );
    let run = RunId::from("export-20261121T020000Z-1");
    bench.started(&run).await;
    let peer = tokio::time::timeout(Duration::from_secs(30), listener.accept()).await;
    let (mut peer, _) = peer.expect("within 30 s").expect("the run connects");
    let mut buffer = vec![0; 1 << 20];
    let mut last = bench.until("progress", progress).await.io_bytes;
    for _ in 0..2 {
        assert!(peer.read(&mut buffer).await.expect("bytes") > 0);
        let before = last;
        last = bench
            .until("more bytes", |seen| {
                progress(seen)
                    .map(|now| now.io_bytes)
                    .filter(|now| *now > before)
            })
            .await;
    }
    // The peer stops reading: the buffers fill up, and then nothing moves any more.
    let mut still = 0;
    while still < 3 {
        let now = bench.until("progress", progress).await.io_bytes;
        still = if now == last { still + 1 } else { 0 };
        last = now;
    }
    let performed = bench.end(&run, Duration::from_secs(5)).await;
    let kept = performed.evidence.expect("evidence");
    let sockets = bench
        .evidence
        .read(&kept.id, "sockets.txt")
        .expect("sockets");
    assert!(
        sockets.contains(&format!("127.0.0.1:{port}")) && sockets.contains("Established"),
        "{sockets}"
    );
}

#[tokio::test]
async fn what_the_record_knows_is_not_told_again() {
    be_supervisor_if_called();
    const TEST: &str = "what_the_record_knows_is_not_told_again";
    let mut bench = Bench::new(TEST, "exit 0");
    let run = RunId::from("export-20261121T020000Z-1");
    bench.started(&run).await;
    bench.exit_of(&run).await;
    bench.record_knows_end_of(&run);
    eventually("the run is put aside", || bench.spool.is_reported(&run)).await;
    // A guard that begins anew tells the next run and not this one.
    bench.begin_anew();
    let next = RunId::from("export-20261122T020000Z-1");
    bench.started(&next).await;
    let told = bench
        .until("start", |seen| match seen {
            Seen::RunStart(start) => Some(start.run),
            _ => None,
        })
        .await;
    assert_eq!(told, next);
}

#[tokio::test]
async fn a_run_that_never_began_cannot_begin_after_it_was_ended() {
    be_supervisor_if_called();
    let bench = Bench::new(
        "a_run_that_never_began_cannot_begin_after_it_was_ended",
        "touch $TEST_SPOOL/../began",
    );
    let run = RunId::from("export-20261121T020000Z-1");
    let ended = bench.end(&run, Duration::ZERO).await.outcome;
    assert!(matches!(ended, Outcome::Done(_)), "{ended:?}");
    let started = bench.start(&run).await;
    assert!(matches!(started, Outcome::NothingToDo(_)), "{started:?}");
    assert!(!bench.path("began").exists());
}

#[tokio::test]
async fn a_supervisor_that_cannot_begin_says_why() {
    be_supervisor_if_called();
    let bench = Bench::new("no_such_test", "exit 0");
    let outcome = bench.start(&"export-20261121T020000Z-1".into()).await;
    assert!(
        matches!(&outcome, Outcome::Failed(text) if text.contains("before it began")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn long_output_keeps_its_beginning_and_its_end() {
    be_supervisor_if_called();
    let mut bench = Bench::new(
        "long_output_keeps_its_beginning_and_its_end",
        "echo first; yes 0123456789abcdef | head -c 3000000; echo last",
    );
    let run = RunId::from("export-20261121T020000Z-1");
    bench.started(&run).await;
    bench.exit_of(&run).await;
    let folder = bench.spool.run_folder(&run).expect("a folder");
    let log = std::fs::read_to_string(folder.join("output.log")).expect("the beginning");
    assert!(log.starts_with("first\n"));
    assert!(bench.spool.output_tail(&run, 100).ends_with("last\n"));
    let kept: u64 = ["output.log", "output.tail", "output.tail.old"]
        .iter()
        .filter_map(|name| std::fs::metadata(folder.join(name)).ok())
        .map(|meta| meta.len())
        .sum();
    assert!(kept < 1_500_000, "{kept} bytes are kept");
    assert_eq!(bench.spool.output_bytes(&run), 3_000_011);
}
