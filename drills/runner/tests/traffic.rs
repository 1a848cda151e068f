//! Traffic counts whatever is not the whole answer, and asks nothing twice that has left.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use evenkeel_drill::traffic::{Ask, Outcome, Plan, Schedule, Stream, Traffic, User};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Connections and requests of a service that behaves as the path says.
#[derive(Default)]
struct Counts {
    connections: AtomicUsize,
    requests: AtomicUsize,
}

async fn service() -> (SocketAddr, Arc<Counts>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let counts = Arc::new(Counts::default());
    let counting = counts.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            counting.connections.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(answer(stream, counting.clone()));
        }
    });
    (address, counts)
}

async fn answer(mut stream: TcpStream, counts: Arc<Counts>) -> std::io::Result<()> {
    let mut request = vec![0; 4096];
    loop {
        let length = stream.read(&mut request).await?;
        if length == 0 {
            return Ok(());
        }
        counts.requests.fetch_add(1, Ordering::Relaxed);
        let text = String::from_utf8_lossy(&request[..length]).into_owned();
        let path = text.split(' ').nth(1).unwrap_or_default();
        let whole: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
        match path {
            "/good" => stream.write_all(whole).await?,
            // Ended without a word, after the answer: the next request finds it closed.
            "/last" => return stream.write_all(whole).await,
            "/fails" => {
                stream
                    .write_all(b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n")
                    .await?;
            }
            "/cut" => return stream.write_all(&whole[..whole.len() - 1]).await,
            "/silent" => std::future::pending().await,
            _ => return Ok(()),
        }
    }
}

async fn outcomes(address: SocketAddr, path: &str) -> Vec<Outcome> {
    let users = User {
        host: "acme.example".to_owned(),
        ..User::default()
    };
    let stream = Stream {
        users: 0..1,
        asks: vec![(0, 1)],
        during: Duration::ZERO..Duration::from_millis(500),
        per_second: (20.0, 20.0),
    };
    let schedule = Arc::new(Schedule::new(3, &[stream]));
    let meant = schedule.arrivals().len();
    let traffic = Traffic::start(Plan {
        address,
        users: vec![users],
        asks: vec![Ask::Get(path.to_owned())],
        schedule,
        patience: Duration::from_secs(2),
        under_way_max: 100,
    });
    while traffic.counts().0 < meant {
        // waits: for requests to end, each of which has a deadline
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (samples, _) = traffic.finish().await;
    assert_eq!(samples.len(), meant);
    samples.into_iter().map(|sample| sample.outcome).collect()
}

#[tokio::test]
async fn connections_are_kept() {
    let (address, counts) = service().await;
    let outcomes = outcomes(address, "/good").await;
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Answered));
    let connections = counts.connections.load(Ordering::Relaxed);
    assert!(connections < outcomes.len(), "{connections}");
}

#[tokio::test]
async fn a_connection_that_was_closed_between_requests_is_no_failure() {
    let (address, counts) = service().await;
    let outcomes = outcomes(address, "/last").await;
    assert!(
        outcomes.iter().all(|outcome| *outcome == Outcome::Answered),
        "{outcomes:?}"
    );
    assert_eq!(counts.requests.load(Ordering::Relaxed), outcomes.len());
}

#[tokio::test]
async fn whatever_is_not_the_whole_answer_is_a_failure() {
    let (address, counts) = service().await;
    for path in ["/fails", "/cut", "/silent", "/hangs-up"] {
        let before = counts.requests.load(Ordering::Relaxed);
        let outcomes = outcomes(address, path).await;
        for outcome in &outcomes {
            let as_expected = match outcome {
                Outcome::Refused(503) => path == "/fails",
                Outcome::Cut(_) => path == "/cut",
                Outcome::GaveUp => path == "/silent",
                Outcome::Broken(_) => path == "/hangs-up",
                _ => false,
            };
            assert!(as_expected, "{path}: {outcome:?}");
        }
        let asked = counts.requests.load(Ordering::Relaxed) - before;
        assert_eq!(asked, outcomes.len(), "{path}: each is asked once");
    }
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let refused = outcomes(address, "/good").await;
    assert!(
        refused
            .iter()
            .all(|outcome| matches!(outcome, Outcome::Broken(_)))
    );
}
