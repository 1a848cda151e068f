//! The load client does not wait politely, and the proxy breaks what it is told to.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use evenkeel_drill::browser::Login;
use evenkeel_drill::load::{Plan, Summary};
use evenkeel_drill::proxy::{Fault, FaultProxy};
use evenkeel_drill::traffic::Outcome;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const PATIENCE: Duration = Duration::from_secs(30);

/// A service whose logins wait while `held` is true.
async fn service(held: watch::Receiver<bool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(answer(stream, held.clone()));
        }
    });
    address
}

async fn answer(mut stream: TcpStream, mut held: watch::Receiver<bool>) -> std::io::Result<()> {
    let mut request = vec![0; 4096];
    loop {
        let length = stream.read(&mut request).await?;
        if length == 0 {
            return Ok(());
        }
        let post = request.starts_with(b"POST /login");
        if post && held.wait_for(|held| !held).await.is_err() {
            return Ok(());
        }
        let head = if post {
            "303 See Other\r\nlocation: /"
        } else {
            "200 OK"
        };
        let answer = format!("HTTP/1.1 {head}\r\ncontent-length: 2\r\n\r\nhi");
        stream.write_all(answer.as_bytes()).await?;
    }
}

fn plan(address: SocketAddr) -> Plan {
    Plan {
        address,
        users: Login::list("a@x,p\nb@x,p\nc@x,p\n"),
        seed: 5,
        logins_per_second: 40.0,
        patience: PATIENCE,
        under_way_max: 1000,
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        // waits: for the service; looked at again until the deadline above
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn users_keep_coming_while_the_service_is_stuck_and_their_wait_counts() {
    let (hold, held) = watch::channel(false);
    let load = plan(service(held).await).start();
    until("some have logged in", || load.samples().len() >= 10).await;
    hold.send_replace(true);
    let threshold = Duration::from_millis(500);
    until("one is seen to wait", || {
        load.first_slower_than(threshold).is_some()
    })
    .await;
    let first = load.first_slower_than(threshold).unwrap();
    let before = load.samples().len();
    // waits: half a second of arrivals is what is measured here
    tokio::time::sleep(Duration::from_millis(500)).await;
    hold.send_replace(false);
    until("the queue has drained", || {
        load.samples().len() > before + 20
    })
    .await;

    let (samples, sent_late_max) = load.finish().await;
    let summary = Summary::of(&samples, sent_late_max);
    assert_eq!(summary.logins_failed_count, 0, "{summary:?}");
    let waited: Vec<_> = samples
        .iter()
        .filter(|sample| sample.latency > threshold)
        .collect();
    // A second at 40 a second: a closed loop of three users would have shown three.
    assert!(waited.len() > 10, "{} waited", waited.len());
    assert_eq!(
        waited.iter().map(|sample| sample.intended).min(),
        Some(first)
    );
    assert!(summary.login_wait_ms_max > 900.0, "{summary:?}");
    let mut sorted: Vec<_> = samples.iter().map(|sample| sample.latency).collect();
    sorted.sort();
    let median = sorted[(sorted.len() - 1) / 2].as_secs_f64() * 1000.0;
    // The histogram keeps three digits.
    assert!(
        (summary.login_ms_p50 - median).abs() <= median / 500.0 + 0.002,
        "{summary:?}, median {median}"
    );
    assert!(summary.login_ms_p99 > 500.0, "{summary:?}");
}

#[tokio::test]
async fn the_same_seed_sends_the_same_users_at_the_same_offsets() {
    let (_hold, held) = watch::channel(false);
    let address = service(held).await;
    let mut runs = Vec::new();
    for _ in 0..2 {
        let load = plan(address).start();
        until("twelve have come", || load.samples().len() >= 12).await;
        let (samples, _) = load.finish().await;
        let mut came: Vec<_> = samples
            .iter()
            .map(|sample| (sample.intended, sample.user))
            .collect();
        came.sort();
        came.truncate(12);
        runs.push(came);
    }
    assert_eq!(runs[0], runs[1]);
    let users: Vec<usize> = runs[0][..3].iter().map(|(_, user)| *user).collect();
    assert!(
        (0..3).all(|user| users.contains(&user)),
        "not dealt from a deck: {users:?}"
    );
}

#[tokio::test]
async fn nobody_disappears_who_gives_up_or_finds_the_bound_reached() {
    let (_hold, held) = watch::channel(true);
    let load = Plan {
        patience: Duration::from_millis(700),
        under_way_max: 4,
        ..plan(service(held).await)
    };
    let load = load.start();
    until("both kinds are seen", || {
        let samples = load.samples();
        let seen = |outcome| samples.iter().any(|sample| sample.outcome == outcome);
        seen(Outcome::GaveUp) && seen(Outcome::NotSent)
    })
    .await;
    let (samples, sent_late_max) = load.finish().await;
    let summary = Summary::of(&samples, sent_late_max);
    assert_eq!(summary.logins_failed_count, samples.len() as u64);
    let gave_up = samples
        .iter()
        .find(|sample| sample.outcome == Outcome::GaveUp)
        .unwrap();
    assert!(gave_up.latency >= Duration::from_millis(700), "{gave_up:?}");
}

#[tokio::test]
async fn a_closed_port_is_a_broken_login() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let load = plan(closed).start();
    until("one has tried", || !load.samples().is_empty()).await;
    let (samples, _) = load.finish().await;
    assert!(
        matches!(&samples[0].outcome, Outcome::Broken(why) if why.contains("refused")),
        "{samples:?}"
    );
}

/// A server that sends back what it gets; its address, behind a proxy.
async fn echo_behind_proxy() -> FaultProxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await
            });
        }
    });
    FaultProxy::start(address).await.unwrap()
}

async fn ask(stream: &mut TcpStream) -> std::io::Result<[u8; 4]> {
    stream.write_all(b"ping").await?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn the_proxy_passes_bytes_both_ways_and_ends_in_order() {
    let proxy = echo_behind_proxy().await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    assert_eq!(&ask(&mut stream).await.unwrap(), b"ping");
    let block = vec![7; 300_000];
    let (mut read, mut write) = stream.split();
    let mut back = Vec::new();
    let (sent, received) = tokio::join!(
        async {
            write.write_all(&block).await?;
            write.shutdown().await
        },
        read.read_to_end(&mut back)
    );
    sent.unwrap();
    assert_eq!(received.unwrap(), block.len());
}

#[tokio::test]
async fn the_proxy_delays_and_stalls_and_recovers() {
    let proxy = echo_behind_proxy().await;
    let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
    ask(&mut stream).await.unwrap();

    proxy.set(Fault::Delay(Duration::from_millis(120)));
    let asked = Instant::now();
    ask(&mut stream).await.unwrap();
    assert!(
        asked.elapsed() >= Duration::from_millis(240),
        "{:?}",
        asked.elapsed()
    );

    proxy.set(Fault::Stall);
    let stalled = tokio::time::timeout(Duration::from_millis(300), ask(&mut stream)).await;
    assert!(stalled.is_err(), "an answer came through a stall");
    proxy.set(Fault::None);
    let mut late = [0; 4];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut late))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(&late, b"ping");
}

#[tokio::test]
async fn the_proxy_cuts_with_a_reset_and_half_closes_with_an_end() {
    let proxy = echo_behind_proxy().await;
    let mut half = TcpStream::connect(proxy.address()).await.unwrap();
    ask(&mut half).await.unwrap();
    proxy.set(Fault::HalfClose);
    let mut rest = Vec::new();
    tokio::time::timeout(PATIENCE, half.read_to_end(&mut rest))
        .await
        .unwrap()
        .unwrap();
    assert!(rest.is_empty());
    half.write_all(b"still heard").await.unwrap();

    proxy.set(Fault::None);
    let mut cut = TcpStream::connect(proxy.address()).await.unwrap();
    ask(&mut cut).await.unwrap();
    proxy.set(Fault::Cut);
    let broken = tokio::time::timeout(PATIENCE, cut.read(&mut [0; 1]))
        .await
        .unwrap();
    assert_eq!(
        broken.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionReset
    );
    let mut new = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(ask(&mut new).await.is_err());
}
