use std::time::Duration;

use evenkeel_drill::ftp::FtpServer;
use evenkeel_drill::load::{Plan, Summary};
use tokio_postgres::Client;

use crate::office::{Office, PATIENCE, until};

async fn count(database: &Client, what: &str) -> i64 {
    let statement = format!("select count(*) from {what}");
    database.query_one(&statement, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn the_export_delivers_every_row_and_stamps_everybody() {
    let office = Office::open().await;
    let ftp = FtpServer::start(0).await.unwrap();
    let mut export = office.run(
        "export",
        &["export", "--ftp", &ftp.address(), "--name", "night.csv"],
        &[],
    );
    assert!(
        export.wait(PATIENCE).await.unwrap().success(),
        "{}",
        export.tail()
    );
    assert_eq!(export.stdout().lines().count(), 2, "{}", export.stdout());

    let database = office.database().await;
    let delivery = ftp.delivery("night.csv").unwrap();
    assert!(delivery.is_whole(), "{delivery:?}");
    assert_eq!(
        delivery.rows_count,
        count(&database, "payslips").await as u64 * 24
    );
    assert_eq!(ftp.files(), ["night.csv"]);
    assert_eq!(
        count(&database, "users where payroll_exported_at is null").await,
        0
    );

    let rows = [
        "export",
        "--ftp",
        &ftp.address(),
        "--name",
        "big.csv",
        "--rows",
        "30001",
    ];
    let mut export = office.run("big", &rows, &[]);
    assert!(
        export.wait(PATIENCE).await.unwrap().success(),
        "{}",
        export.tail()
    );
    assert_eq!(ftp.delivery("big.csv").unwrap().rows_count, 30_001);
}

#[tokio::test]
async fn an_export_can_succeed_and_deliver_nothing() {
    let office = Office::open().await;
    let ftp = FtpServer::start(0).await.unwrap();
    let arguments = ["export", "--ftp", &ftp.address(), "--name", "night.csv"];
    let mut export = office.run(
        "export",
        &arguments,
        &[("BACKOFFICE_FAULT_EXPORT", "empty")],
    );
    assert!(
        export.wait(PATIENCE).await.unwrap().success(),
        "{}",
        export.tail()
    );
    assert_eq!(ftp.delivery("night.csv").unwrap().bytes_count, 0);
}

#[tokio::test]
async fn a_hung_export_blocks_logins_until_its_backend_is_ended() {
    let office = Office::open().await;
    let ftp = FtpServer::start(1).await.unwrap();
    let database = office.database().await;
    let mut load = Plan {
        address: office.address,
        users: office.users.clone(),
        seed: 1,
        logins_per_second: 12.0,
        patience: PATIENCE,
        under_way_max: 500,
    };
    load.users.truncate(30);
    let load = load.start();
    until("people log in", async || {
        load.samples().iter().any(|sample| sample.is_ok())
    })
    .await;

    let arguments = [
        "export",
        "--ftp",
        &ftp.address(),
        "--name",
        "night.csv",
        "--rows",
        "120000",
    ];
    let export = office.run("export", &arguments, &[]);
    // Stamped, then stuck between two fetches with the transaction open.
    let hung = "pg_stat_activity where application_name = 'backoffice-export' and \
                state = 'idle in transaction' and state_change < now() - interval '500 ms' and \
                datname = current_database()";
    until("the export hangs", async || {
        count(&database, hung).await == 1
    })
    .await;
    assert_eq!(ftp.stalled(), ["night.csv.part"]);
    let waiting =
        "pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()";
    until("many logins wait for its lock", async || {
        count(&database, waiting).await >= 15
    })
    .await;
    assert!(load.first_slower_than(Duration::from_millis(500)).is_some());
    assert!(export.is_running());

    let end = "select pg_terminate_backend(pid) from pg_stat_activity \
               where application_name = 'backoffice-export' and datname = current_database()";
    assert!(
        database
            .query_one(end, &[])
            .await
            .unwrap()
            .get::<_, bool>(0)
    );
    until("nobody waits any more", async || {
        count(&database, waiting).await == 0
    })
    .await;
    let (samples, sent_late_max) = load.finish().await;
    let summary = Summary::of(&samples, sent_late_max);
    assert_eq!(summary.logins_failed_count, 0, "{summary:?}");
    assert!(summary.login_wait_ms_max > 500.0, "{summary:?}");
    assert!(samples.len() > 15, "{summary:?}");

    // Nothing was stamped or delivered; the careless client still hangs.
    assert_eq!(
        count(&database, "users where payroll_exported_at is not null").await,
        0
    );
    assert_eq!(ftp.files(), ["night.csv.part"]);
    assert!(export.is_running());
    drop(export);
    let mut again = office.run("again", &arguments, &[]);
    assert!(
        again.wait(PATIENCE).await.unwrap().success(),
        "{}",
        again.tail()
    );
    assert_eq!(ftp.delivery("night.csv").unwrap().rows_count, 120_000);
}

#[tokio::test]
async fn the_honest_runs_make_progress_and_block_nobody() {
    let office = Office::open().await;
    let database = office.database().await;
    let mut report = office.run("report", &["report", "--seconds", "2"], &[]);
    let folder = office.folder().path().display().to_string();
    let arguments = [
        "archive",
        "--seconds",
        "2",
        "--every-ms",
        "100",
        "--folder",
        &folder,
    ];
    let mut archive = office.run("archive", &arguments, &[]);
    until("rows are archived", async || {
        count(&database, "archive_log").await >= 2
    })
    .await;
    let mut browser = office.browser();
    assert_eq!(browser.log_in(&office.users[0]).await.unwrap().status, 200);
    let exclusive = "pg_locks l join pg_stat_activity a using (pid) where \
                     application_name = 'backoffice-report' and mode not in ('AccessShareLock', 'ExclusiveLock')";
    assert_eq!(count(&database, exclusive).await, 0);

    assert!(
        report.wait(PATIENCE).await.unwrap().success(),
        "{}",
        report.tail()
    );
    assert!(
        report.stdout().contains("report: done after"),
        "{}",
        report.stdout()
    );
    assert!(
        archive.wait(PATIENCE).await.unwrap().success(),
        "{}",
        archive.tail()
    );
    let archived = std::fs::read_to_string(office.folder().join("archive.txt")).unwrap();
    assert!(archived.lines().count() > 3, "{archived}");
}
