//! What is seen from outside: the public page as a customer reads it, and the webhook of
//! the operator on duty.

use std::error::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// An error with everything that led to it, on one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// The answer at the top of a status page: the text of its first heading.
pub(super) async fn headline(page: SocketAddr) -> Result<String, String> {
    let asked = async {
        let mut stream = TcpStream::connect(page).await?;
        let request = format!("GET / HTTP/1.1\r\nhost: {page}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut text = Vec::new();
        stream.take(1 << 20).read_to_end(&mut text).await?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&text).into_owned())
    };
    let text = tokio::time::timeout(Duration::from_secs(5), asked)
        .await
        .map_err(|_| "the page gave no answer within 5 s".to_owned())?
        .map_err(|error| error.to_string())?;
    let heading = text.split("<h1").nth(1).and_then(|rest| {
        let (_, rest) = rest.split_once('>')?;
        let (inner, _) = rest.split_once("</h1>")?;
        Some(without_tags(inner))
    });
    heading.ok_or_else(|| "the page has no heading".to_owned())
}

fn without_tags(text: &str) -> String {
    let mut plain = String::new();
    let mut inside = false;
    for letter in text.chars() {
        match letter {
            '<' => inside = true,
            '>' => inside = false,
            letter if !inside => plain.push(letter),
            _ => {}
        }
    }
    plain.trim().to_owned()
}

/// Headlines of a page, each with when it was first seen.
pub(super) struct PageReader {
    seen: Arc<Mutex<Vec<(Instant, String)>>>,
    _reading: JoinSet<()>,
}

impl PageReader {
    /// Reads the page four times a second.
    pub(super) fn start(page: SocketAddr) -> Self {
        let seen: Arc<Mutex<Vec<(Instant, String)>>> = Arc::default();
        let kept = seen.clone();
        let mut reading = JoinSet::new();
        reading.spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_millis(250));
            loop {
                tick.tick().await;
                if let Ok(headline) = headline(page).await {
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    if kept.last().is_none_or(|(_, last)| *last != headline) {
                        kept.push((Instant::now(), headline));
                    }
                }
            }
        });
        Self {
            seen,
            _reading: reading,
        }
    }

    pub(super) fn headlines(&self) -> Vec<(Instant, String)> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Whether a headline says that customers are hurt.
pub(super) fn says_harm(headline: &str) -> bool {
    ["slow", "fail", "not work"]
        .iter()
        .any(|word| headline.contains(word))
}

/// A receiver of pages to the operator: takes everything, and notes when.
pub(super) struct Receiver {
    pub(super) address: SocketAddr,
    rings: Arc<Mutex<Vec<(Instant, String)>>>,
    _receiving: JoinSet<()>,
}

impl Receiver {
    pub(super) async fn start() -> Result<Self, String> {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let rings: Arc<Mutex<Vec<(Instant, String)>>> = Arc::default();
        let kept = rings.clone();
        let mut receiving = JoinSet::new();
        receiving.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let kept = kept.clone();
                tokio::spawn(async move {
                    let took = tokio::time::timeout(Duration::from_secs(5), take(stream)).await;
                    if let Ok(Ok(body)) = took {
                        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                        kept.push((Instant::now(), body));
                    }
                });
            }
        });
        Ok(Self {
            address,
            rings,
            _receiving: receiving,
        })
    }

    /// Pages so far: when, and their text.
    pub(super) fn rings(&self) -> Vec<(Instant, String)> {
        self.rings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

async fn take(mut stream: TcpStream) -> std::io::Result<String> {
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    // The end of the head, and then as many bytes as it announces.
    let body = loop {
        let count = stream.read(&mut buffer).await?;
        text.extend(&buffer[..count]);
        let so_far = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, body)) = so_far.split_once("\r\n\r\n") {
            let announced = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse::<usize>().ok())?
            });
            if body.len() >= announced.unwrap_or_default() {
                break body.to_owned();
            }
        }
        if count == 0 || text.len() > 1 << 20 {
            break so_far;
        }
    };
    stream
        .write_all(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        .await?;
    Ok(body)
}
