//! The parts are real, hang when told to, and leave nothing behind.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use evenkeel_drill::Scratch;
use evenkeel_drill::ftp::{Delivery, FtpServer};
use evenkeel_drill::postgres::{Postgres, Settings};
use evenkeel_drill::process::{Process, ProcessError};
use rustix::process::Signal;
use suppaftp::tokio::AsyncFtpStream;
use tokio::io::AsyncWriteExt;

const PATIENCE: Duration = Duration::from_secs(60);

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        // waits: between two looks, up to the deadline
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn postgres_answers_with_its_settings_survives_a_crash_and_is_removed() {
    let settings = Settings::default().with("max_connections", 17);
    let mut postgres = Postgres::start(settings).await.unwrap();
    postgres.create("shop").await.unwrap();
    let client = postgres.connect("shop", "shop", "till").await.unwrap();
    let row = client
        .query_one("select current_setting('max_connections'), current_setting('application_name'), current_user::text", &[])
        .await
        .unwrap();
    assert_eq!((row.get(0), row.get(1), row.get(2)), ("17", "till", "shop"));
    client
        .batch_execute("create table kept (n int); insert into kept values (7)")
        .await
        .unwrap();

    postgres.crash();
    assert!(client.query("select 1", &[]).await.is_err());
    postgres.start_again().await.unwrap();
    let client = postgres.connect("shop", "shop", "till").await.unwrap();
    let kept: i32 = client
        .query_one("select n from kept", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(kept, 7);

    let (pid, folder) = (postgres.pid().unwrap(), postgres.folder().to_owned());
    drop(postgres);
    assert!(!runs(pid), "the postmaster still runs");
    assert!(!folder.exists(), "its folder is still there");
}

#[tokio::test]
async fn several_clusters_run_side_by_side() {
    let (one, two) = tokio::join!(
        Postgres::start(Settings::default()),
        Postgres::start(Settings::default())
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    one.create("only_in_one").await.unwrap();
    assert!(
        two.connect("only_in_one", "only_in_one", "x")
            .await
            .is_err()
    );
}

#[tokio::test]
async fn ftp_server_stores_stalls_on_demand_and_is_well_again() {
    let server = FtpServer::start(0).await.unwrap();
    upload(&server, "first.part", b"name\nAnna\nPiet\n# rows=2\n").await;
    assert_eq!(
        server.delivery("first.part"),
        Some(Delivery {
            rows_count: 2,
            claimed_count: Some(2),
            bytes_count: 24
        })
    );

    server.stall_next(1).unwrap();
    let mut ftp = login(&server).await;
    let mut data = ftp.put_with_stream("second.part").await.unwrap();
    let block = vec![b'x'; 1 << 20];
    let hung = tokio::time::timeout(Duration::from_secs(2), async {
        for _ in 0..64 {
            data.write_all(&block).await.unwrap();
        }
    })
    .await;
    assert!(hung.is_err(), "64 MiB went to a server that does not read");
    assert_eq!(server.stalled(), ["second.part"]);
    assert_eq!(server.delivery("second.part").unwrap().bytes_count, 0);

    upload(&server, "third.part", b"name\n# rows=0\n").await;
    assert_eq!(server.received(), ["first.part", "third.part"]);
    assert!(server.delivery("third.part").unwrap().is_whole());
}

#[tokio::test]
async fn a_process_ends_with_its_children_and_leaves_its_log() {
    let logs = Scratch::new("test").unwrap();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "sleep 600 & echo child $!; wait"]);
    let mut process = Process::start("tree", command, logs.path()).unwrap();
    let child: u32 = process
        .wait_for_line("child ", PATIENCE)
        .await
        .unwrap()
        .parse()
        .unwrap();
    assert!(runs(child));
    assert!(!process.stop().success());
    until("the child is gone", || !runs(child)).await;
    assert!(process.stdout().starts_with("child "));
}

#[tokio::test]
async fn a_process_that_ends_early_says_how_and_what_it_said() {
    let logs = Scratch::new("test").unwrap();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "echo no such table >&2; exit 3"]);
    let mut process = Process::start("early", command, logs.path()).unwrap();
    let error = process.wait_for_line("ready", PATIENCE).await.unwrap_err();
    assert!(
        matches!(&error, ProcessError::Ended { status, said, .. }
            if status.code() == Some(3) && said.contains("no such table")),
        "{error}"
    );
    assert_eq!(process.wait(PATIENCE).await.unwrap().code(), Some(3));
}

#[tokio::test]
async fn nothing_is_left_when_the_drill_is_killed() {
    let logs = Scratch::new("test").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_evenkeel-drill"));
    command.arg("parts");
    let drill = Process::start("drill", command, logs.path()).unwrap();
    drill.wait_for_line("ready", PATIENCE).await.unwrap();
    let said = drill.stdout();
    let folders: Vec<&Path> = said
        .lines()
        .filter_map(|line| line.strip_prefix("folder "))
        .map(Path::new)
        .collect();
    assert_eq!(folders.len(), 2, "{said}");
    let pid = std::fs::read_to_string(folders[0].join("data/postmaster.pid")).unwrap();
    let pid: u32 = pid.lines().next().unwrap().parse().unwrap();
    assert!(runs(pid));

    drill.signal(Signal::KILL);
    until("PostgreSQL is gone", || !runs(pid)).await;
    until("both folders are gone", || {
        folders.iter().all(|folder| !folder.exists())
    })
    .await;
}

async fn login(server: &FtpServer) -> AsyncFtpStream {
    let mut ftp = AsyncFtpStream::connect(server.address()).await.unwrap();
    ftp.login(FtpServer::USER, FtpServer::PASSWORD)
        .await
        .unwrap();
    ftp
}

async fn upload(server: &FtpServer, name: &str, bytes: &[u8]) {
    let mut ftp = login(server).await;
    let mut data = ftp.put_with_stream(name).await.unwrap();
    data.write_all(bytes).await.unwrap();
    data.finish().await.unwrap();
    ftp.quit().await.unwrap();
}

fn runs(pid: u32) -> bool {
    // A zombie has ended; its parent just has not asked yet.
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| !rest.starts_with('Z'))
    })
}
