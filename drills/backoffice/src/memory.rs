//! What this process has in memory, and what happens when that is as much as it may have.
//!
//! At its limit a front end lives on and takes no further connection: the one that accepts
//! finds no memory for it and ends, as the acceptor thread of many servers does. Nothing
//! refuses: the kernel still completes handshakes until its queue is full, and whoever
//! connects waits. Open connections end after the request under way.
//!
//! Its own resident memory is looked at, and not every allocation refused (`RLIMIT_AS`): a Rust
//! program that is refused memory aborts, and a supervisor starts it again. That is the
//! easier outage.

use std::time::Duration;

/// How often it is looked at: at a few MiB a second it is then exceeded
/// by some hundred KiB.
const LOOK: Duration = Duration::from_millis(50);

/// What a warm start has read: about what templates, price lists and code take.
const CACHES_BYTES: usize = 16 << 20;

/// Steps in which it is read.
const CACHES_STEPS: usize = 16;

/// Reads what has to be there before the first request.
pub(crate) async fn warm_up(takes: Duration) -> Vec<u8> {
    let mut caches = Vec::new();
    if takes.is_zero() {
        return caches;
    }
    caches.reserve_exact(CACHES_BYTES);
    for step in 1..=CACHES_STEPS {
        caches.resize(CACHES_BYTES * step / CACHES_STEPS, 0x5a);
        tokio::time::sleep(takes / CACHES_STEPS as u32).await;
    }
    caches
}

/// Waits until there is no memory left.
pub(crate) async fn exhausted(limit: Option<u64>) {
    let Some(limit) = limit else {
        return std::future::pending().await;
    };
    let mut look = tokio::time::interval(LOOK);
    loop {
        look.tick().await;
        if own_bytes().is_some_and(|own| own >= limit) {
            return;
        }
    }
}

/// Resident memory of this process.
pub(crate) fn resident_bytes() -> Option<u64> {
    pages(1)
}

/// Resident memory of its own: without the pages of files, such as the program's text, that
/// its siblings have as well.
fn own_bytes() -> Option<u64> {
    Some(pages(1)?.saturating_sub(pages(2)?))
}

/// A column of `/proc/self/statm`: 1 is resident, 2 is resident and of a file.
fn pages(column: usize) -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').nth(column)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Open files of this process.
pub(crate) fn open_files() -> Option<u64> {
    let open = std::fs::read_dir("/proc/self/fd").ok()?;
    u64::try_from(open.count()).ok()
}
