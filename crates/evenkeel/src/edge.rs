//! `evenkeel edge`: the reverse proxy, in a process of its own, and the keeper's link to
//! it ([`link`]).
//!
//! The process serves on whatever becomes of `evenkeel serve`: it needs no journal and
//! asks nobody. What it is to do otherwise than configured comes as a plan, which it keeps.
//! A second `evenkeel edge` of the same data folder takes the listening sockets over, and
//! the first one ends what it has under way and goes: that is how it is restarted, and how
//! a changed configuration comes into force, without a refused connection.
//!
//! SIGTERM and Ctrl-C end it in order, within `shutdown_max`; a second one at once. SIGHUP
//! changes nothing, because certificates are read again by themselves; it must not end what
//! everybody's requests pass through.

pub mod link;
mod salt;

use std::net::SocketAddr;

use evenkeel_edge::settings::{Listener, Settings};
use evenkeel_edge::{Edge, StartError};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::Config;
use crate::serve::{ServeError, make_folder};
pub use salt::SaltError;

/// An edge that did not start.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// There is none in the configuration.
    #[error(
        "the configuration has no [edge]: write one with where it listens, a [[pool]] and a [[route]]; `evenkeel check` says what is missing"
    )]
    NotConfigured,
    /// The data folder cannot be made.
    #[error(transparent)]
    Folder(#[from] ServeError),
    /// What tenants' names are hashed with cannot be had.
    #[error(transparent)]
    Salt(#[from] SaltError),
    /// It cannot serve.
    #[error("the edge cannot start")]
    Start(#[from] StartError),
    /// Our own signals cannot be had.
    #[error("the system refuses what every program may do: {0}")]
    System(#[from] std::io::Error),
}

/// Serves until told to stop, or until another process has taken over; calls `up` with
/// where it answers.
///
/// # Errors
/// Why it did not start; nothing is left running then.
pub async fn run(config: Config, up: impl FnOnce(&[String])) -> Result<(), EdgeError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let settings = settings(&config)?;
    let listeners = settings.listeners.clone();
    // It waits until its thread listens.
    let edge = tokio::task::spawn_blocking(move || Edge::start(settings));
    let edge = edge.await.map_err(std::io::Error::other)??;
    for problem in &edge.started().problems {
        tracing::error!("{problem}");
    }
    up(&places(&listeners, &edge.started().addresses));
    tokio::select! {
        () = edge.ended() => {
            tracing::info!("another process serves now; what was under way has ended");
            return Ok(());
        }
        () = told(&mut terminate, &mut interrupt) => {}
        () = goes_on(&mut hangup) => {}
    }
    edge.stop();
    tokio::select! {
        () = edge.ended() => {}
        () = told(&mut terminate, &mut interrupt) => {
            tracing::warn!("asked again: what is under way is cut off");
        }
    }
    Ok(())
}

/// What the edge serves, with what is in no configuration file.
fn settings(config: &Config) -> Result<Settings, EdgeError> {
    let mut settings = config.edge.clone().ok_or(EdgeError::NotConfigured)?;
    make_folder(&config.data_dir)?;
    settings.identity.salt = salt::of(&config.data_dir)?;
    Ok(settings)
}

/// Says to whoever sends SIGHUP what to do instead; never ends.
async fn goes_on(hangup: &mut Signal) {
    while hangup.recv().await.is_some() {
        tracing::info!(
            "SIGHUP changes nothing: certificates are read again by themselves; for a changed \
             configuration start a second `evenkeel edge`, which takes over"
        );
    }
    std::future::pending().await
}

async fn told(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => tracing::info!("asked to stop (SIGTERM)"),
        _ = interrupt.recv() => tracing::info!("asked to stop (Ctrl-C)"),
    }
}

/// Where it answers, as people write it. Listeners that could not be had are not among
/// `addresses`, which are in the order of the settings otherwise.
fn places(listeners: &[Listener], addresses: &[SocketAddr]) -> Vec<String> {
    let mut listeners = listeners.iter();
    let place = |address: &SocketAddr| {
        let listener = listeners.find(|listener| {
            let port = listener.address.port();
            listener.address.ip() == address.ip() && (port == 0 || port == address.port())
        });
        let has_tls = listener.is_some_and(|listener| listener.tls.is_some());
        let scheme = if has_tls { "https" } else { "http" };
        format!("{scheme}://{address}")
    };
    addresses.iter().map(place).collect()
}
