//! The public page as a set of files, published elsewhere.
//!
//! A page on the host of the service is gone with it. So the keeper renders the public
//! page to files, an [`Edition`](edition::Edition), whenever something changes that
//! customers see, and hands it to every `[[publish]]` target: a folder, a server behind
//! SSH, an object store. Each edition carries its own end: a copy that nobody renews says
//! by itself that how things are is unknown ([`expiry`]).
//!
//! What always holds:
//!
//! - **The files are the page.** They are asked of the public router itself; there is no
//!   second way to make them that could say something else.
//! - **An edition is of one picture**: all its files are made from one published record.
//! - **A target holds nobody up.** Each has a task of its own, bounded in time, and takes
//!   the newest edition when it is ready for one; what it missed in between it never
//!   delivers ([`keeping`]).
//! - **No half of an edition is seen where the target can prevent it**; where it cannot,
//!   pages that name others come last ([`targets`]).
//! - **An edition is signed**: who made it, when, until when it speaks of now, and what is
//!   in each file ([`statement`], [`signing`]).
//! - **A copy that ended calls people**: each target reports until when its copy is valid,
//!   and the core says when that has passed (`detect/copy_expired.rs`).

pub mod change;
pub mod edition;
pub mod expiry;
pub mod keeping;
pub mod places;
pub mod signing;
pub mod standing;
pub mod statement;
pub mod targets;
#[cfg(test)]
pub(crate) mod tests;
pub mod verifying;

use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::ids::TargetId;
use evenkeel_guards::outlet::Outlet;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use crate::web::Site;
use change::Seen;
use edition::Edition;
use signing::{Key, Signer};
use statement::Voice;
use targets::Target;

/// The shortest time between two editions: what comes in a burst is one change.
const PAUSE: Duration = Duration::from_secs(1);

/// How often it is looked whether the picture has grown old: nobody tells that.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// An edition is renewed after this part of its time, so that two renewals may fail before
/// readers notice.
pub const RENEWALS: u32 = 3;

/// The shortest time an edition may be valid: a renewal has to be rendered and delivered
/// in a third of it.
pub const VALID_FOR_MIN: Duration = Duration::from_secs(6);

/// How long an edition is valid where nothing else is wanted. A third of it is how often
/// every file that speaks of now is uploaded, some twenty in five languages: at five
/// minutes eighteen thousand uploads a day, ten cents at the dearest object store.
pub const VALID_FOR: Duration = Duration::from_secs(300);

/// Where the page is published, and how long an edition is valid.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long an edition speaks of now.
    pub valid_for: Duration,
    /// Where it goes.
    pub targets: Vec<targets::Spec>,
}

/// Who signs, and who speaks meanwhile.
#[derive(Debug)]
pub struct Keys {
    /// What editions are signed with.
    pub signer: Signer,
    /// The witness's key, where there is one.
    pub witness: Option<Key>,
}

/// Publishes until it is dropped.
pub async fn keep(
    site: Site,
    valid_for: Duration,
    targets: Vec<(TargetId, Arc<dyn Target>)>,
    keys: Keys,
    outlet: Outlet,
) {
    let Keys { signer, witness } = keys;
    let standings = site.now().copies.clone();
    standings.signs_with(signer.public_file());
    if targets.is_empty() {
        return;
    }
    let editions = watch::Sender::new(None::<Arc<Edition>>);
    // Dropped with this future, so that all of them end with it.
    let mut keepers = JoinSet::new();
    for (id, target) in targets {
        let keeper = keeping::Keeper {
            standing: standings.begin(&id, target.place()),
            id,
            target,
            outlet: outlet.clone(),
            valid_for,
            witness: witness.clone(),
        };
        keepers.spawn(keeper.keep(editions.subscribe()));
    }
    render(site, valid_for, &signer, &editions).await;
}

/// Makes editions: on every change of what customers see, and before the last one ends.
async fn render(
    site: Site,
    valid_for: Duration,
    signer: &Signer,
    editions: &watch::Sender<Option<Arc<Edition>>>,
) {
    let mut published = site.published.clone();
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut shown: Option<Seen> = None;
    let mut renew_at = Instant::now();
    loop {
        tokio::select! {
            _ = look.tick() => {}
            changed = published.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
        let picture = published.borrow_and_update().clone();
        let seen = Seen::of(&picture, shown.as_ref());
        let is_due = Instant::now() >= renew_at;
        if shown.as_ref() == Some(&seen) && !is_due {
            shown = Some(seen);
            continue;
        }
        let began = Instant::now();
        match edition::render(&site, picture, valid_for).await {
            Ok(mut edition) => {
                let signed = statement::sign(&mut edition, Voice::Keeper, signer);
                site.now().copies.signed(signed);
                tracing::debug!(
                    files = edition.files.len(),
                    took_ms = began.elapsed().as_millis(),
                    "an edition of the public page was made"
                );
                editions.send_replace(Some(Arc::new(edition)));
                shown = Some(seen);
                renew_at = began + valid_for / RENEWALS;
            }
            Err(error) => {
                tracing::error!(
                    "the public page could not be made into files: {}; copies expire by themselves. \
                     Please report this with the log",
                    crate::pump::store::chain(&error)
                );
            }
        }
        // waits: so that what comes in a burst is one edition
        tokio::time::sleep(PAUSE).await;
    }
}
