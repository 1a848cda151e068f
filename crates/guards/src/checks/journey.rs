//! Several requests as one: what a customer does from logging in to logging out.
//!
//! The first step that fails ends the journey and names it. Steps marked `always` are made
//! all the same where what they need was captured: a record that was created is deleted, a
//! session is ended, also when the page between them failed. They have the check's timeout
//! once more for that. Trouble of theirs counts where nothing failed before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use evenkeel_core::Timestamp;

use super::cookies::Cookies;
use super::http::{self, Session, Step};
use super::net::Net;
use super::secure::Trust;
use super::template::Known;
use super::trial::{Trial, Tried, Trouble};

/// The name under which every journey finds a text that no other journey has.
pub const UNIQUE: &str = "unique";

/// A text that is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Requests that belong together; an `http` check has one.
#[derive(Debug, Clone)]
pub struct Journey {
    /// In their order.
    pub steps: Vec<Step>,
    /// Secrets by the names that steps use.
    pub secrets: Vec<(String, Secret)>,
    /// Whom it trusts.
    pub trust: Arc<Trust>,
}

/// Makes the journey within `patience`; what cleans up may take as long again.
pub(super) async fn make(
    journey: &Journey,
    patience: Duration,
    net: &Net,
    trial: &mut Trial,
) -> Tried<()> {
    let mut known = Known::from([(UNIQUE.to_owned(), unique())]);
    for (name, Secret(value)) in &journey.secrets {
        trial.hide(value);
        known.insert(name.clone(), value.clone());
    }
    let mut session = Session {
        net,
        trust: &journey.trust,
        cookies: Cookies::default(),
        known,
        at: None,
        sites: journey.steps.iter().filter_map(Step::site).collect(),
    };
    let mut deadline = tokio::time::Instant::now() + patience;
    let mut first: Option<(Trouble, String)> = None;
    for step in &journey.steps {
        if first.is_some() {
            let can = step.names().all(|name| session.known.contains_key(name));
            if !step.always || !can {
                continue;
            }
        }
        let is_named = !step.name.is_empty();
        if is_named {
            trial.say(|| format!("step `{}`", step.name));
        }
        if first.is_none() {
            trial.step = is_named.then(|| step.name.clone());
        }
        let made = tokio::time::timeout_at(deadline, http::make(step, &mut session, trial)).await;
        let made = made.unwrap_or_else(|_| Err(trial.over(patience)));
        if let Err(trouble) = made {
            trial.say(|| match &trouble {
                Trouble::Target(why) => format!("failed: {why}"),
                Trouble::Own(why) => format!("could not be made: {why}"),
            });
            if first.is_none() {
                trial.failed_ms = Some(trial.took_ms());
                first = Some((trouble, step.name.clone()));
                deadline = tokio::time::Instant::now() + patience;
            }
        }
    }
    match first {
        Some((trouble, _)) => Err(trouble),
        None => {
            trial.step = None;
            Ok(())
        }
    }
}

/// A text that no other journey has: the time, and a count.
fn unique() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = Timestamp::now().as_millisecond();
    format!("evenkeel-{now:x}-{count}")
}
