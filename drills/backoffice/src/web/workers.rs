use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

/// The places for requests that are worked on at once, as the threads or processes of a
/// server are: one who finds none waits behind all who came before, whoever they are.
#[derive(Debug)]
pub(crate) struct Workers {
    places: Option<Semaphore>,
    taken: AtomicU64,
}

impl Workers {
    /// So many; as many as come where nothing is said.
    pub(crate) fn new(places: Option<usize>) -> Self {
        Self {
            places: places.map(Semaphore::new),
            taken: AtomicU64::new(0),
        }
    }

    /// Waits for a place, and holds it until the answer is made.
    pub(super) async fn take(&self) -> Option<SemaphorePermit<'_>> {
        let place = match &self.places {
            // It is never closed.
            Some(places) => places.acquire().await.ok(),
            None => None,
        };
        self.taken.fetch_add(1, Ordering::Relaxed);
        place
    }

    /// Requests that have got a place so far.
    pub(super) fn taken_count(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}
