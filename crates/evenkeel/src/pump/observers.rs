//! Keeps the guards observing.
//!
//! An observer returns only when it cannot go on; one that does, or that panics, is
//! started again after a growing pause, and Evenkeel says that it is partly blind until
//! the observer has run for a while again.

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::observation::{Seen, Sight};
use evenkeel_core::subject::Subject;
use evenkeel_guards::guard::{Guard, Watchlist};
use evenkeel_guards::outlet::Outlet;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The first pause after an observer ended.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// An observer that has run for so long again is well.
const WELL_AFTER: Duration = Duration::from_secs(10);

/// Starts every guard's observer. They end when the set is dropped.
pub(super) fn start(
    guards: &[Arc<dyn Guard>],
    outlet: &Outlet,
    watchlist: &watch::Sender<Arc<Watchlist>>,
) -> JoinSet<()> {
    let mut observers = JoinSet::new();
    for guard in guards {
        let outlet = outlet.named(guard.name());
        observers.spawn(keep_observing(guard.clone(), outlet, watchlist.subscribe()));
    }
    observers
}

async fn keep_observing(
    guard: Arc<dyn Guard>,
    outlet: Outlet,
    watchlist: watch::Receiver<Arc<Watchlist>>,
) {
    let name = guard.name();
    let mut pause = PAUSE;
    let mut blind = false;
    loop {
        // A set of one: dropped with this future, so that the observer ends with it.
        let mut task = JoinSet::new();
        task.spawn(guard.clone().observe(outlet.clone(), watchlist.clone()));
        let mut ended = tokio::time::timeout(WELL_AFTER, task.join_next())
            .await
            .ok();
        if ended.is_none() {
            pause = PAUSE;
            if std::mem::take(&mut blind) {
                say(&outlet, None).await;
            }
            ended = Some(task.join_next().await);
        }
        let why = match ended.flatten() {
            Some(Err(error)) if error.is_panic() => format!(
                "the guard {name} failed by a mistake in Evenkeel; please report it with the log"
            ),
            _ => format!("the guard {name} cannot observe; the log says why"),
        };
        tracing::error!(
            guard = name,
            pause_s = pause.as_secs(),
            "{why}; it is started again"
        );
        blind = true;
        say(&outlet, Some(why)).await;
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
    }
}

async fn say(outlet: &Outlet, blind: Option<String>) {
    let of = Subject::Evenkeel;
    outlet.fact(Seen::Sight(Sight { of, blind })).await;
}
