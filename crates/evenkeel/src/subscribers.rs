//! Subscribers: customers who are told of public updates where they are, by mail or webhook,
//! and the operator's own announcements (chat, social, SMS).
//!
//! The core decides what is told; this follows the durable record and decides nothing. A
//! word that is proposed or vetoed is no message, so that it is never sent.
//!
//! What always holds:
//!
//! - **Addresses are personal data.** They live in a file of their own ([`store`]), never in
//!   the journal, and are erased when somebody leaves.
//! - **A word is queued once**, durably, for everybody at once ([`store::queue`]); whoever is
//!   to get it has a row until it is sent or given up. A crash loses nothing and sends
//!   nothing twice, but for what was under way in that instant: it goes out again with the
//!   same `Message-ID`, `webhook-id` or `Idempotency-Key`.
//! - **Nobody is written to unasked**: an address gets one mail with a link, and nothing else
//!   before somebody has pressed the button behind it. A scanner that opens links presses
//!   none.
//! - **A server that refuses everything disables nobody** ([`store::queue::Verdict`]).
//! - **Sending is paced**, by second and by receiving domain, and memory does not grow with
//!   the number of subscribers: rows are taken in small bites.

pub mod address;
pub mod announce;
pub mod dkim;
pub mod follow;
pub mod http;
pub mod letter;
pub mod mailing;
pub mod outing;
pub mod paper;
pub mod people;
pub mod standing;
pub mod store;
#[cfg(test)]
mod tests;
pub mod token;
pub mod webhooks;
pub mod word;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use evenkeel_core::Timestamp;
use tokio::sync::Notify;

use standing::Standings;
use store::Store;
use token::Key;

/// The file in the data folder.
pub const FILE: &str = "subscribers.sqlite";

/// The key of links and of webhooks' signatures, beside it.
pub const KEY_FILE: &str = "subscribers.key";

/// What `[subscribers]` and `[[announce]]` say.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Whether there is a `[subscribers]` section.
    pub is_on: bool,
    /// Mail, where customers may subscribe to it.
    pub mail: Option<MailSettings>,
    /// Into which private networks webhooks may go.
    pub networks: Vec<address::Network>,
    /// The operator's own announcements.
    pub announcements: Vec<announce::Announcement>,
    /// The most subscribers.
    pub subscribers_max: u32,
}

impl Settings {
    /// Whether anybody can be told at all.
    pub fn are_wanted(&self) -> bool {
        self.is_on || !self.announcements.is_empty()
    }
}

/// How mail goes out.
#[derive(Debug, Clone)]
pub struct MailSettings {
    /// Who writes.
    pub from: lettre::Address,
    /// Where answers go, where that is elsewhere.
    pub reply_to: Option<lettre::Address>,
    /// Mails a second.
    pub per_second: u32,
    /// Mails a second to one domain.
    pub per_domain: u32,
    /// Connections at once.
    pub connections: usize,
    /// Who signs, where a key is configured.
    pub dkim: Option<dkim::KeySpec>,
}

/// What the rest of the program does with subscribers.
#[derive(Clone)]
pub struct Subscribers(Arc<Inner>);

struct Inner {
    store: Store,
    settings: Settings,
    standings: Standings,
    asked: people::Limits,
    /// Rings when something was put into the queue.
    bell: Notify,
}

impl Subscribers {
    /// Opens the file in a data folder, and makes it where it is not there.
    ///
    /// # Errors
    /// It cannot be used.
    pub fn open(data_dir: &Path, settings: Settings) -> Result<Self, store::StoreError> {
        let store = Store::open(&data_dir.join(FILE), Key::of(&data_dir.join(KEY_FILE))?)?;
        store.keep_announcements(&settings.announcements, Timestamp::now())?;
        let doubted = store.let_go()?;
        if doubted > 0 {
            tracing::warn!(
                doubted,
                "messages to subscribers were under way when Evenkeel ended: they go out again under \
                 the same Message-ID, as nobody can say whether they arrived"
            );
        }
        Ok(Self(Arc::new(Inner {
            store,
            settings,
            standings: Standings::default(),
            asked: people::Limits::default(),
            bell: Notify::new(),
        })))
    }

    /// The file.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// What the configuration says.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// How sending stands.
    pub fn standings(&self) -> &Standings {
        &self.0.standings
    }

    /// How often strangers may ask.
    pub fn asked(&self) -> &people::Limits {
        &self.0.asked
    }

    /// Says that something is in the queue.
    pub fn ring(&self) {
        self.0.bell.notify_waiters();
    }

    /// Waits for something to be in the queue.
    async fn rung(&self) {
        self.0.bell.notified().await;
    }

    /// Does something with the file without holding others up.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Store) -> Result<T, store::StoreError> + Send + 'static,
    ) -> Result<T, store::StoreError> {
        let own = self.clone();
        let done = tokio::task::spawn_blocking(move || act(own.store())).await;
        done.unwrap_or_else(|_| Err(store::StoreError::Ours))
    }
}

/// Where the file is.
pub fn file(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE)
}
