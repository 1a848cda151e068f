//! Follows the durable record: every public message becomes a word in the queue, once.
//!
//! What the record has and the queue has not is queued, also after a crash between the two;
//! the queue refuses a key that it knows. Two things are not sent: what was told before the
//! file was made (whoever subscribes to a page with a history does not get the history), and
//! what is older than [`NEWS_FOR`] when it is first seen (Evenkeel or the list was off).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::ids::MessageId;
use evenkeel_core::message::{Audience, Message};
use evenkeel_core::record::Record;
use evenkeel_core::time;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::announce::{Announcements, Page};
use super::dkim::Signer;
use super::http::{Requests, System};
use super::letter::Sender;
use super::mailing::Mailing;
use super::outing::{self, Bounds};
use super::standing::Figures;
use super::store::{Kind, StoreError};
use super::webhooks::Webhooks;
use super::word::{Word, key};
use super::{MailSettings, Subscribers};
use crate::channels::mail::MailError;
use crate::channels::mail::connection::Connector;
use crate::config::MailServer;
use crate::pump::store::chain;
use crate::web::Site;
use crate::web::public::machines;

/// How old a message may be when it is first seen, and still be sent.
pub const NEWS_FOR: Duration = Duration::from_secs(6 * 3600);

/// How often figures are read anew.
const FIGURES_EVERY: Duration = Duration::from_secs(5);

/// How often what is over is swept.
const SWEEP_EVERY: Duration = Duration::from_secs(600);

/// Subscribers that cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum WaysError {
    /// The mail server's settings cannot be used.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// The key that signs cannot be used.
    #[error(transparent)]
    Dkim(#[from] super::dkim::DkimError),
}

/// The ways out, ready to be gone.
pub struct Ways {
    own: Subscribers,
    site: Site,
    mailing: Option<Arc<Mailing>>,
}

impl Ways {
    /// The ways the configuration wants.
    ///
    /// # Errors
    /// One cannot be gone.
    pub fn new(
        own: Subscribers,
        site: Site,
        server: Option<&MailServer>,
    ) -> Result<Self, WaysError> {
        let mailing = match (&own.settings().mail, server) {
            (Some(settings), Some(server)) => {
                let mailing = mailing(&own, &site, settings, server)?;
                Some(Arc::new(mailing))
            }
            _ => None,
        };
        Ok(Self { own, site, mailing })
    }

    /// Follows the record and sends until told to stop.
    pub async fn keep(self, stop: watch::Receiver<bool>) {
        let Self { own, site, mailing } = self;
        let base = site.url.trim_end_matches('/').to_owned();
        let mut tasks = JoinSet::new();
        if let Some(mailing) = mailing {
            tasks.spawn(outing::run(own.clone(), mailing, stop.clone()));
        }
        let webhooks = Webhooks {
            own: own.clone(),
            requests: Requests::to_strangers(own.settings().networks.clone(), Arc::new(System)),
            base: base.clone(),
        };
        tasks.spawn(outing::run(own.clone(), Arc::new(webhooks), stop.clone()));
        let announcements = Announcements {
            own: own.clone(),
            requests: Requests::to_our_own(),
            page: Page { base },
        };
        tasks.spawn(outing::run(
            own.clone(),
            Arc::new(announcements),
            stop.clone(),
        ));
        tasks.spawn(look(own.clone(), stop.clone()));
        follow(own, site, stop).await;
        while tasks.join_next().await.is_some() {}
    }
}

fn mailing(
    own: &Subscribers,
    site: &Site,
    settings: &MailSettings,
    server: &MailServer,
) -> Result<Mailing, WaysError> {
    let server = MailServer {
        from: settings.from.clone(),
        ..server.clone()
    };
    Ok(Mailing {
        own: own.clone(),
        connector: Connector::new(&server)?,
        sender: Sender {
            service: site.name.clone(),
            base: site.url.trim_end_matches('/').to_owned(),
            from: settings.from.clone(),
            reply_to: settings.reply_to.clone(),
        },
        signer: settings.dkim.as_ref().map(Signer::new).transpose()?,
        bounds: Bounds {
            lanes: settings.connections,
            per_second: settings.per_second,
            per_domain: settings.per_domain,
        },
        drafts: Mutex::new(BTreeMap::new()),
    })
}

/// What was queued already, and how far the record was read.
struct Known {
    keys: BTreeSet<String>,
    read_to: Option<MessageId>,
    not_before: Timestamp,
}

impl Known {
    async fn of(own: &Subscribers) -> Result<Self, StoreError> {
        let since = time::before(Timestamp::now(), 2 * NEWS_FOR);
        let (keys, made_at) = own
            .with(move |store| Ok((store.keys_since(since)?, store.made_at()?)))
            .await?;
        Ok(Self {
            keys: keys.into_iter().collect(),
            read_to: None,
            not_before: made_at,
        })
    }

    /// Public messages that are news, oldest first.
    fn news<'a>(&self, record: &'a Record, now: Timestamp) -> Vec<&'a Message> {
        let oldest = time::before(now, NEWS_FOR).max(self.not_before);
        let from = self.read_to.map_or(0, |id| id.0.saturating_add(1));
        let messages = record.messages.range(MessageId(from)..);
        messages
            .map(|(_, state)| &state.message)
            .filter(|message| message.audience() == Audience::Public && message.at >= oldest)
            .filter(|message| !self.keys.contains(&key(message)))
            .collect()
    }
}

async fn follow(own: Subscribers, site: Site, mut stop: watch::Receiver<bool>) {
    let mut published = site.published.clone();
    let mut known: Option<Known> = None;
    let mut seen: Option<Arc<Record>> = None;
    while !*stop.borrow() {
        let picture = published.borrow_and_update().clone();
        let is_new = seen
            .as_ref()
            .is_none_or(|seen| !Arc::ptr_eq(seen, &picture.record));
        if is_new {
            match take_in(&own, &site, &picture, &mut known).await {
                Ok(()) => seen = Some(picture.record.clone()),
                Err(error) => {
                    // It is found again: the record has it, and the queue does not.
                    tracing::error!(
                        "an update cannot be queued for subscribers: {}",
                        chain(&error)
                    );
                    tokio::select! {
                        () = tokio::time::sleep(Duration::from_secs(1)) => {}
                        _ = stop.changed() => {}
                    }
                    continue;
                }
            }
        }
        tokio::select! {
            changed = published.changed() => if changed.is_err() { return },
            _ = stop.changed() => {}
        }
    }
}

async fn take_in(
    own: &Subscribers,
    site: &Site,
    picture: &crate::pump::published::Published,
    known: &mut Option<Known>,
) -> Result<(), StoreError> {
    let known = match known {
        Some(known) => known,
        None => known.insert(Known::of(own).await?),
    };
    let now = Timestamp::now();
    for message in known.news(&picture.record, now) {
        let payload = machines::posted(site, picture, message);
        let Some(word) = Word::of(message, &picture.record, site, payload) else {
            continue;
        };
        let began = tokio::time::Instant::now();
        let queued = own.with(move |store| store.queue(&word, now)).await?;
        if let Some(count) = queued {
            tracing::info!(
                message = %message.id,
                subscribers = count,
                took_ms = began.elapsed().as_millis(),
                "an update was queued for subscribers"
            );
            own.ring();
        }
        known.keys.insert(key(message));
    }
    known.read_to = picture.record.messages.keys().next_back().copied();
    Ok(())
}

/// Reads figures for pages and metrics, and sweeps what is over.
async fn look(own: Subscribers, mut stop: watch::Receiver<bool>) {
    let mut swept_at: Option<tokio::time::Instant> = None;
    while !*stop.borrow() {
        let read = own
            .with(|store| {
                let backlog = Kind::ALL.map(|kind| Ok((kind, store.backlog(kind)?)));
                Ok(Figures {
                    counts: store.counts()?,
                    backlog: backlog.into_iter().collect::<Result<_, StoreError>>()?,
                    trouble: None,
                })
            })
            .await;
        own.standings().read(read.unwrap_or_else(|error| Figures {
            trouble: Some(chain(&error)),
            ..own.standings().figures()
        }));
        if swept_at.is_none_or(|at| at.elapsed() >= SWEEP_EVERY) {
            swept_at = Some(tokio::time::Instant::now());
            let now = Timestamp::now();
            let swept = own
                .with(move |store| {
                    store.forget_words(now)?;
                    store.sweep(now)
                })
                .await;
            match swept {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "subscriptions nobody confirmed were erased"),
                Err(error) => tracing::warn!("unconfirmed subscriptions stay: {}", chain(&error)),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(FIGURES_EVERY) => {}
            _ = stop.changed() => {}
        }
    }
}
