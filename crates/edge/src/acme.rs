//! Certificates by ACME (RFC 8555): ordered, proved, kept, and renewed in time.
//!
//! That a name is ours is proved by TLS-ALPN-01 (RFC 8737): the authority comes to port 443
//! and the TLS listener answers in the handshake. HTTP-01 would need port 80 beside it, with
//! a plain listener that many configurations do not have, and a path that nothing in front
//! may redirect; the TLS listener is there by definition, because the certificate is for it.
//! Neither can prove a wildcard: that needs DNS-01, hence credentials of the operator's DNS,
//! which the process that faces the internet should not hold.
//!
//! What always holds:
//! - It is a thread of its own: the thread that serves only looks up what is in force.
//! - Account, certificate and key stand in the data folder ([`store`]); a restart uses them
//!   at once and orders nothing.
//! - The certificate before is served until the next one was stored. Without any, handshakes
//!   fail, and the log says why; other listeners serve.
//! - Only who holds the lock in the folder orders, one certificate at a time. A process that
//!   takes the listeners over serves what is stored and waits until the one before lets go.
//! - Every wait has an end; after a failure the authority is left alone, see
//!   [`schedule::backoff`], and as long as it asks for. A restart asks again after the
//!   first, shortest wait: who mended something restarts, and so does what crashes.

mod order;
mod schedule;
pub(crate) mod store;
mod web;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::Timestamp;
use rustls::crypto::CryptoProvider;
use tokio::sync::{Mutex, oneshot};
use tokio::task::JoinSet;

use crate::acme::order::{OrderError, Orderer};
use crate::acme::store::{Held, Store};
use crate::settings::Authority;
use crate::tls::{Certificates, Challenges};

/// The most that one order may take: authorities look from several places, in seconds.
const ORDER_MAX: Duration = Duration::from_secs(5 * 60);

/// How often the lock is asked for while another process has it.
const LOCK_EVERY: Duration = Duration::from_secs(1);

/// The longest sleep: the wall clock, by which certificates end, may be set meanwhile.
const SLEEP_MAX: Duration = Duration::from_secs(600);

/// A certificate that listeners wait for.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) authority: Authority,
    /// Where it is served.
    pub(crate) served: Vec<Arc<Certificates>>,
    /// What is in force already.
    pub(crate) held: Option<Held>,
}

/// The thread that orders; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Ordering {
    _stop: oneshot::Sender<()>,
}

/// Begins to order what is wanted; nothing where nothing is.
///
/// # Errors
/// The system gives no thread or no event queue.
pub(crate) fn start(
    state_dir: &Path,
    wanted: Vec<Wanted>,
    challenges: Challenges,
) -> std::io::Result<Option<Ordering>> {
    if wanted.is_empty() {
        return Ok(None);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (stop, stopped) = oneshot::channel::<()>();
    let state_dir = state_dir.to_owned();
    std::thread::Builder::new()
        .name("edge-acme".into())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = keep(state_dir, wanted, challenges) => {}
                    _ = stopped => {}
                }
            });
            // A name that is being resolved holds up nobody.
            runtime.shutdown_background();
        })?;
    Ok(Some(Ordering { _stop: stop }))
}

/// Orders and renews, for ever.
async fn keep(state_dir: PathBuf, wanted: Vec<Wanted>, challenges: Challenges) {
    let lock = lock(&state_dir).await;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let turn = Arc::new(Mutex::new(()));
    let mut keeping = JoinSet::new();
    for wanted in wanted {
        let (orderer, provider) = (
            Orderer {
                store: lock.store.clone(),
                challenges: challenges.clone(),
                provider: provider.clone(),
            },
            provider.clone(),
        );
        keeping.spawn(keep_one(wanted, orderer, provider, turn.clone()));
    }
    while keeping.join_next().await.is_some() {}
}

/// The store, and that nobody else orders into it.
struct Locked {
    store: Store,
    _lock: std::fs::File,
}

/// Waits until the folder can be used and nobody else orders.
async fn lock(state_dir: &Path) -> Locked {
    let mut told = String::new();
    loop {
        let problem = match Store::open(state_dir).and_then(|store| Ok((store.lock()?, store))) {
            Ok((Some(lock), store)) => return Locked { store, _lock: lock },
            Ok((None, _)) => {
                "another process of this data folder orders certificates; its place is taken \
                 when it ends"
                    .to_owned()
            }
            Err(error) => format!("no certificate can be ordered: {error}"),
        };
        if problem != told {
            tracing::warn!("{problem}");
            told = problem;
        }
        tokio::time::sleep(LOCK_EVERY).await;
    }
}

/// Keeps one certificate in force.
async fn keep_one(
    mut wanted: Wanted,
    orderer: Orderer,
    provider: Arc<CryptoProvider>,
    turn: Arc<Mutex<()>>,
) {
    // Who had the lock before may have renewed it.
    if let Ok(Some(held)) = orderer.store.read(&wanted.authority, &provider) {
        wanted.serve(held);
    }
    let names = wanted.authority.domains.join(", ");
    if wanted.held.is_none() {
        tracing::warn!(
            "there is no certificate for {names} yet: handshakes fail until {} has issued one",
            wanted.authority.directory
        );
    }
    let now = Timestamp::now();
    let left_alone_until = orderer.store.left_alone_until(&wanted.authority, now);
    if left_alone_until > now {
        tracing::warn!(
            "the last order for {names} failed: the next is not before {left_alone_until}"
        );
    }
    sleep_until(left_alone_until).await;
    let mut failures = 0;
    loop {
        if let Some(held) = &wanted.held {
            sleep_until(schedule::due(held)).await;
        }
        let ordered = {
            let _one_at_a_time = turn.lock().await;
            let ordering = orderer.order(&wanted.authority);
            let ordered = tokio::time::timeout(ORDER_MAX, ordering).await;
            ordered.unwrap_or(Err(OrderError::Late(ORDER_MAX)))
        };
        match ordered {
            Ok(held) => {
                failures = 0;
                tracing::info!(
                    "a certificate for {names} is in force, until {}; it is renewed from {}",
                    held.ends_at,
                    schedule::due(&held)
                );
                wanted.serve(held);
                note(&orderer.store, &wanted.authority, None);
            }
            Err(error) => {
                failures += 1;
                let backoff = wanted.authority.backoff;
                let asked_for = error.wait().unwrap_or_default();
                let wait = schedule::backoff(failures, backoff, dice()).max(asked_for);
                let at_least = backoff.first.max(asked_for);
                note(&orderer.store, &wanted.authority, Some(at_least));
                let meanwhile = wanted.meanwhile();
                let again = schedule::written(wait);
                tracing::error!(
                    "no new certificate for {names}: {error}. Tried again in {again}; {meanwhile}"
                );
                tokio::time::sleep(wait).await;
            }
        }
    }
}

/// Notes for a process after this one how long the authority is to be left alone.
fn note(store: &Store, authority: &Authority, wait: Option<Duration>) {
    let until = wait.and_then(|wait| Timestamp::now().checked_add(wait).ok());
    if let Err(error) = store.leave_alone(authority, until) {
        tracing::warn!(
            "a restart would ask {} too soon: {error}",
            authority.directory
        );
    }
}

impl Wanted {
    /// Puts it in force wherever it is wanted.
    fn serve(&mut self, held: Held) {
        for served in &self.served {
            served.serve(held.key.clone());
        }
        self.held = Some(held);
    }

    /// What clients get while there is no new one.
    fn meanwhile(&self) -> String {
        match &self.held {
            None => "handshakes fail until then".to_owned(),
            Some(held) if held.ends_at <= Timestamp::now() => format!(
                "the one before is served, which ended at {}: browsers refuse it",
                held.ends_at
            ),
            Some(held) => format!("the one before is served, until {}", held.ends_at),
        }
    }
}

/// Sleeps until the wall clock says so.
async fn sleep_until(due: Timestamp) {
    while let Ok(left) = Duration::try_from(due.duration_since(Timestamp::now()))
        && !left.is_zero()
    {
        tokio::time::sleep(left.min(SLEEP_MAX)).await;
    }
}

/// Something that differs from edge to edge, so that not all of them come at once.
fn dice() -> u8 {
    let mut dice = [0];
    // Without randomness all come at once, which is no failure of ours.
    let _same = getrandom::fill(&mut dice);
    dice[0]
}
