//! What is seen of a front end from outside: whether it answers on a new connection, how
//! many requests it has worked on, and its resident memory in `/proc`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Kept;

/// How often.
const EVERY: Duration = Duration::from_millis(200);

/// One that gives no answer for so long takes no connections.
const PATIENCE: Duration = Duration::from_millis(800);

/// One look.
#[derive(Debug, Clone, Copy)]
pub(in crate::drill) struct Look {
    pub(in crate::drill) at: Instant,
    /// The process then.
    pub(in crate::drill) pid: u32,
    /// Whether it answered.
    pub(in crate::drill) answers: bool,
    /// Requests it has worked on, by its own count.
    pub(in crate::drill) requests: Option<u64>,
    /// Its own resident memory, by the kernel's count.
    pub(in crate::drill) own: Option<u64>,
}

/// Looks, for ever.
pub(super) async fn look(address: SocketAddr, kept: Arc<Kept>) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let at = Instant::now();
        let pid = kept.lives().last().map_or(0, |life| life.pid);
        let told = tokio::time::timeout(PATIENCE, metrics(address)).await;
        let told = told.ok().and_then(Result::ok);
        let requests = told.as_deref().and_then(|text| {
            let lines = text.lines();
            let mut rests =
                lines.filter_map(|line| line.strip_prefix("backoffice_requests_total "));
            rests.next()?.trim().parse().ok()
        });
        kept.looks().push(Look {
            at,
            pid,
            answers: requests.is_some(),
            requests,
            own: own_bytes(pid),
        });
    }
}

async fn metrics(address: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nhost: drill\r\nconnection: close\r\n\r\n")
        .await?;
    let mut text = String::new();
    stream.take(1 << 16).read_to_string(&mut text).await?;
    Ok(text)
}

/// Resident memory of a process without the pages of files; `None` where there is none.
pub(in crate::drill) fn own_bytes(pid: u32) -> Option<u64> {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let mut columns = statm.split(' ').skip(1).map(str::parse::<u64>);
    let (resident, of_files) = (columns.next()?.ok()?, columns.next()?.ok()?);
    let pages = resident.saturating_sub(of_files);
    Some(pages * rustix::param::page_size() as u64)
}
