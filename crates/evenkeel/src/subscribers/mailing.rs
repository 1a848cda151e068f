//! Mail to subscribers: through the server of `[mail]`, several mails on one connection.
//!
//! A connection carries at most [`MAILS_MAX`] mails, so that what is read of a server's
//! answers stays bounded. One that was kept and is found dead before anything was said of a
//! mail is opened anew, once; what broke while a mail was on its way is tried again later,
//! under the same `Message-ID`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use evenkeel_guards::guard::BoxFuture;
use lettre::transport::smtp::client::AsyncSmtpConnection;

use super::Subscribers;
use super::dkim::Signer;
use super::letter::{Draft, Sender};
use super::outing::{Bounds, Lane, Sent, Way};
use super::store::queue::{Due, Verdict};
use super::store::{Kind, StoreError};
use crate::channels::mail::connection::{Attempt, Connector, Delivery, deliver};
use crate::public::words::Language;

/// One mail, connecting included. Servers that greylist or scan take their time.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Mails on one connection.
const MAILS_MAX: u32 = 100;

/// Drafts that are kept: five languages of some words.
const DRAFTS_MAX: usize = 40;

/// See the module.
pub(super) struct Mailing {
    pub(super) own: Subscribers,
    pub(super) connector: Connector,
    pub(super) sender: Sender,
    pub(super) signer: Option<Signer>,
    pub(super) bounds: Bounds,
    pub(super) drafts: Mutex<BTreeMap<(i64, Language), Arc<Draft>>>,
}

impl Mailing {
    async fn draft(&self, due: &Due) -> Result<Option<Arc<Draft>>, StoreError> {
        if due.word == 0 {
            let (standing, language) = (due.standing, due.language);
            let draft = Draft::of_link(standing, language, &self.sender, due.queued_at);
            return Ok(Some(Arc::new(draft)));
        }
        let key = (due.word, due.language);
        let known = |drafts: &BTreeMap<_, Arc<Draft>>| drafts.get(&key).cloned();
        if let Some(draft) = known(&self.drafts.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(Some(draft));
        }
        let id = due.word;
        let Some(word) = self.own.with(move |store| store.word(id)).await? else {
            return Ok(None);
        };
        let draft = Arc::new(Draft::of_word(&word, due.language, &self.sender));
        let mut drafts = self.drafts.lock().unwrap_or_else(PoisonError::into_inner);
        if drafts.len() >= DRAFTS_MAX {
            drafts.clear();
        }
        drafts.insert(key, draft.clone());
        Ok(Some(draft))
    }

    async fn letter(&self, due: &Due) -> Result<Vec<u8>, Sent> {
        let draft = match self.draft(due).await {
            Ok(Some(draft)) => draft,
            Ok(None) => return Err(Sent::Said(Verdict::Gone("its word is forgotten".into()))),
            Err(error) => return Err(Sent::Broken(crate::pump::store::chain(&error))),
        };
        let link = self.own.store().key().link(due.subscriber, &due.salt);
        let letter = draft.to(due, &link, &self.sender, self.signer.as_ref());
        letter.map_err(|why| Sent::Said(Verdict::Refused(format!("it cannot be written: {why}"))))
    }
}

impl Way for Mailing {
    fn kind(&self) -> Kind {
        Kind::Mail
    }

    fn bounds(&self) -> Bounds {
        self.bounds
    }

    fn lane(self: Arc<Self>) -> Box<dyn Lane> {
        Box::new(MailLane {
            mailing: self,
            kept: None,
        })
    }
}

struct MailLane {
    mailing: Arc<Mailing>,
    kept: Option<(AsyncSmtpConnection, u32)>,
}

impl MailLane {
    async fn deliver(&mut self, due: &Due) -> Sent {
        let letter = match self.mailing.letter(due).await {
            Ok(letter) => letter,
            Err(sent) => return sent,
        };
        let Ok(to) = due.address.parse::<lettre::Address>() else {
            return Sent::Said(Verdict::Gone("it is no mail address".into()));
        };
        for _ in 0..2 {
            let was_kept = self.kept.is_some();
            let (mut connection, count) = match self.kept.take() {
                Some(kept) => kept,
                None => match self.mailing.connector.open().await {
                    Ok(connection) => (connection, 0),
                    Err(Attempt::MayPass(why) | Attempt::Refused(why)) => return Sent::Broken(why),
                    Err(Attempt::Taken(_)) => return Sent::Broken("nothing was said".into()),
                },
            };
            let from = &self.mailing.sender.from;
            match deliver(&mut connection, (from, &to), &letter).await {
                Delivery::Broken { written: false, .. } if was_kept => continue,
                Delivery::Broken {
                    written: false,
                    why,
                } => return Sent::Broken(why),
                Delivery::Broken { written: true, why } => return Sent::Said(Verdict::Later(why)),
                delivery => {
                    if count + 1 < MAILS_MAX {
                        self.kept = Some((connection, count + 1));
                    } else {
                        let _ended = connection.quit().await;
                    }
                    return Sent::Said(match delivery {
                        Delivery::Taken => Verdict::Taken,
                        Delivery::Refused(why) => Verdict::Refused(why),
                        Delivery::Later(why) | Delivery::Broken { why, .. } => Verdict::Later(why),
                    });
                }
            }
        }
        Sent::Broken("the server closes every connection".into())
    }
}

impl Lane for MailLane {
    fn send<'a>(&'a mut self, due: &'a Due) -> BoxFuture<'a, Sent> {
        Box::pin(async move {
            match tokio::time::timeout(TIMEOUT, self.deliver(due)).await {
                Ok(sent) => sent,
                Err(_) => {
                    // It may be this mail that the server hangs at.
                    let why = format!("no answer within {} s", TIMEOUT.as_secs());
                    Sent::Said(Verdict::Later(why))
                }
            }
        })
    }

    fn rest(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            if let Some((mut connection, _)) = self.kept.take() {
                let quit = connection.quit();
                let _ended = tokio::time::timeout(Duration::from_secs(2), quit).await;
            }
        })
    }
}
