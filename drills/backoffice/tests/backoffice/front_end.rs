use std::net::SocketAddr;
use std::time::Duration;

use evenkeel_drill::browser::Browser;
use evenkeel_drill::process::Process;
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::office::{Office, PATIENCE, until};

const MIB: u64 = 1 << 20;

/// A further front end of an office.
async fn front_end(
    office: &Office,
    name: &str,
    arguments: &[&str],
    faults: &str,
) -> (Process, SocketAddr) {
    let words = [&["serve", "--listen", "127.0.0.1:0"], arguments].concat();
    let process = office.run(name, &words, &[("BACKOFFICE_FAULTS", faults)]);
    let address = process
        .wait_for_line("listening on http://", PATIENCE)
        .await
        .unwrap();
    let address = address.parse().unwrap();
    (process, address)
}

async fn metric(address: SocketAddr, name: &str) -> u64 {
    let page = Browser::new(address).get("/metrics").await.unwrap();
    let line = page.body.lines().find_map(|line| {
        let rest = line.strip_prefix(name)?;
        rest.strip_prefix(' ')
    });
    line.unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_session_outlives_the_front_end_that_made_it() {
    let office = Office::open().await;
    let pid_file = office.folder().join("web.pid");
    let pid_file = pid_file.to_str().unwrap();
    let arguments = ["--pid-file", pid_file, "--warm-up-ms", "50"];
    let (mut old, address) = front_end(&office, "old", &arguments, "{}").await;
    let mut browser = Browser::new(address);
    assert_eq!(browser.log_in(&office.users[0]).await.unwrap().status, 200);
    let told = std::fs::read_to_string(pid_file).unwrap();
    assert_eq!(told.trim(), old.pid().to_string());

    old.signal(Signal::TERM);
    assert!(old.wait(PATIENCE).await.unwrap().success());
    // The same address, as a supervisor gives it.
    let listen = address.to_string();
    let arguments = ["--pid-file", pid_file, "--listen", &listen];
    let words = [&["serve"], &arguments[..]].concat();
    let new = office.run("new", &words, &[]);
    new.wait_for_line("listening on http://", PATIENCE)
        .await
        .unwrap();
    assert_eq!(browser.get("/invoices").await.unwrap().status, 200);
    let told = std::fs::read_to_string(pid_file).unwrap();
    assert_eq!(told.trim(), new.pid().to_string());
}

#[tokio::test]
async fn requests_under_way_are_answered_when_it_is_asked_to_stop() {
    let office = Office::open().await;
    let (mut web, address) =
        front_end(&office, "web", &[], r#"{"slow_ms": {"invoices": 600}}"#).await;
    let mut browser = Browser::new(address);
    browser.log_in(&office.users[0]).await.unwrap();
    let before = metric(address, "backoffice_requests_total").await;
    let asking = tokio::spawn(async move { browser.get("/invoices").await });
    until("it is worked on", async || {
        metric(address, "backoffice_requests_total").await > before
    })
    .await;
    web.signal(Signal::TERM);
    assert_eq!(asking.await.unwrap().unwrap().status, 200);
    assert!(web.wait(PATIENCE).await.unwrap().success());
}

#[tokio::test]
async fn at_its_memory_limit_it_lives_and_takes_no_connection() {
    let office = Office::open().await;
    let limit = (96 * MIB).to_string();
    let (mut web, address) = front_end(
        &office,
        "web",
        &["--memory-limit", &limit],
        r#"{"leak_bytes_per_request": 4194304}"#,
    )
    .await;
    let mut browser = Browser::new(address);
    let full = || web.tail().contains("no memory for another connection");
    let (mut asked, mut answered) = (0, 0);
    while !full() {
        asked += 1;
        assert!(asked < 500, "it answers beyond its limit: {answered}");
        // The last one may find its connection ended, and the next one not taken.
        let answer = tokio::time::timeout(Duration::from_secs(3), browser.get("/login")).await;
        if let Ok(Ok(page)) = answer {
            assert_eq!(page.status, 200);
            answered += 1;
        }
    }
    assert!(answered > 5, "{answered}");

    // The kernel takes the connection; nobody answers.
    let mut waits = TcpStream::connect(address).await.unwrap();
    waits
        .write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let answer = tokio::time::timeout(Duration::from_millis(300), waits.read_u8()).await;
    assert!(answer.is_err(), "{answer:?}");
    assert!(web.is_running());

    web.signal(Signal::TERM);
    assert!(web.wait(PATIENCE).await.unwrap().success());
}

#[tokio::test]
async fn what_is_littered_is_swept() {
    let office = Office::open().await;
    let faults = r#"{"litter_bytes_per_request": 4194304, "litter_bytes_max": 67108864}"#;
    let (_web, address) = front_end(&office, "web", &[], faults).await;
    let mut browser = Browser::new(address);
    let start = metric(address, "process_resident_memory_bytes").await;
    let mut seen = Vec::new();
    for _ in 0..40 {
        browser.get("/login").await.unwrap();
        seen.push(metric(address, "process_resident_memory_bytes").await);
    }
    let most = *seen.iter().max().unwrap();
    assert!(
        (start + 48 * MIB..start + 96 * MIB).contains(&most),
        "{seen:?}"
    );
    let falls = seen.windows(2).filter(|two| two[1] + 32 * MIB < two[0]);
    assert_eq!(falls.count(), 2, "{seen:?}");
}

#[tokio::test]
async fn slow_requests_take_the_workers_of_everyone() {
    let office = Office::open().await;
    let (_web, address) = front_end(
        &office,
        "web",
        &["--workers", "2"],
        r#"{"slow_ms": {"scanning": 600000}}"#,
    )
    .await;
    let mut browser = Browser::new(address);
    browser.log_in(&office.users[0]).await.unwrap();
    let mut slow = tokio::task::JoinSet::new();
    let mut others = Vec::new();
    for user in &office.users[1..3] {
        let mut browser = Browser::new(address);
        browser.log_in(user).await.unwrap();
        others.push(browser);
    }
    let before = metric(address, "backoffice_requests_total").await;
    for mut browser in others {
        slow.spawn(async move { browser.get("/scanning").await });
    }
    until("both are worked on", async || {
        metric(address, "backoffice_requests_total").await == before + 2
    })
    .await;
    let waits = tokio::time::timeout(Duration::from_millis(300), browser.get("/invoices")).await;
    assert!(waits.is_err());
    assert_eq!(
        Browser::new(address).get("/health").await.unwrap().status,
        200
    );
}
