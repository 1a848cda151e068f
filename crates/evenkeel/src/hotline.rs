//! Telling the telephone system that the hotline's text has changed.
//!
//! One POST with the text of every language, signed as
//! [Standard Webhooks](https://www.standardwebhooks.com/) say, so that receivers check it
//! with a library. What is sent is how it is now, not what happened: sending it again does
//! no harm, what was missed is not made up for, and the newest text takes the place of one
//! that could not be delivered.
//!
//! It is tried until it is taken, however long that is, with pauses of up to
//! [`PAUSE_MAX`]; a refusal too, since who mends the receiver expects the text then, not
//! the next one. After a start the text of now is sent, for nobody knows what was heard
//! before. Redirects are not followed, and nothing of an answer is read but its status.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_core::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, USER_AGENT};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use sha2::Sha256;
use tokio::time::{Instant, MissedTickBehavior};

use crate::web::Site;
use crate::web::public::machines::hotline_texts;
use crate::web::public::settings::Trouble;

/// How often it is looked whether the text is another: times pass without anybody saying so.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// One try, connecting included.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The first pause after a try that failed; doubled up to the other.
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// What begins a secret that is written as Standard Webhooks write it.
pub const SECRET_PREFIX: &str = "whsec_";

/// Where the text goes.
#[derive(Clone)]
pub struct Settings {
    /// The receiver.
    pub url: Uri,
    /// What it is signed with.
    pub key: Vec<u8>,
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Neither the key nor an address that may be a secret.
        f.debug_struct("Settings").finish_non_exhaustive()
    }
}

type Texts = BTreeMap<&'static str, String>;

/// Tells it until it is dropped.
pub async fn keep(site: Site, settings: Settings) {
    let mut hook = Hook::new(settings, site.settings.hotline.trouble.clone());
    let mut look = tokio::time::interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        look.tick().await;
        hook.look(hotline_texts(&site, &site.now()), Timestamp::now())
            .await;
    }
}

/// What has been delivered, and what is on its way.
struct Hook {
    settings: Settings,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    trouble: Trouble,
    delivered: Option<Texts>,
    /// What is being tried, under which id.
    open: Option<(Texts, String)>,
    pause: Duration,
    next_try: Instant,
}

impl Hook {
    fn new(settings: Settings, trouble: Trouble) -> Self {
        let connector = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .build();
        Self {
            settings,
            client: Client::builder(TokioExecutor::new())
                .pool_max_idle_per_host(0)
                .build(connector),
            trouble,
            delivered: None,
            open: None,
            pause: PAUSE,
            next_try: Instant::now(),
        }
    }

    /// Delivers `texts`, unless they were or it is too soon to try again.
    async fn look(&mut self, texts: Texts, now: Timestamp) {
        if self.delivered.as_ref() == Some(&texts) {
            self.open = None;
            return;
        }
        if self.open.as_ref().is_none_or(|(open, _)| *open != texts) {
            // Another text is another event; each try of it has the same id.
            let id = format!("hotline-{}", now.as_microsecond());
            self.open = Some((texts.clone(), id));
            // Something new is worth a try at once, but never more often than that.
            self.next_try = self.next_try.min(Instant::now() + PAUSE);
            self.pause = PAUSE;
        }
        if Instant::now() < self.next_try {
            return;
        }
        let Some((_, id)) = &self.open else {
            return;
        };
        match self.post(id, &texts, now).await {
            Ok(()) => {
                tracing::info!(%id, "the telephone system has the hotline's text");
                self.trouble.is(now, None);
                self.delivered = Some(texts);
                self.open = None;
                self.pause = PAUSE;
                self.next_try = Instant::now() + PAUSE;
            }
            Err(why) => {
                tracing::warn!(
                    %id,
                    "the telephone system did not take the hotline's text: {why}; it is tried again in {} s",
                    self.pause.as_secs()
                );
                self.trouble.is(now, Some(&why));
                self.next_try = Instant::now() + self.pause;
                self.pause = (self.pause * 2).min(PAUSE_MAX);
            }
        }
    }

    async fn post(&self, id: &str, texts: &Texts, now: Timestamp) -> Result<(), String> {
        let body = json!({
            "type": "hotline.changed",
            "timestamp": now.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            "data": {
                "is_empty": texts.values().all(String::is_empty),
                "texts": texts,
            },
        });
        let body = body.to_string();
        let stamp = now.as_second().to_string();
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.settings.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("evenkeel/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", id)
            .header("webhook-timestamp", &stamp)
            .header("webhook-signature", self.signature(id, &stamp, &body))
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| error.to_string())?;
        let status = match tokio::time::timeout(TIMEOUT, self.client.request(request)).await {
            Ok(Ok(answer)) => answer.status(),
            Ok(Err(error)) => return Err(crate::pump::store::chain(&error)),
            Err(_) => return Err(format!("no answer within {} s", TIMEOUT.as_secs())),
        };
        match status {
            status if status.is_success() => Ok(()),
            status if status.is_redirection() => Err(format!(
                "it answered {status}, and redirects are not followed: put the final address into [hotline]"
            )),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(format!(
                "it answered {status}: compare the secret in [hotline] with the receiver's"
            )),
            status => Err(format!("it answered {status}")),
        }
    }

    fn signature(&self, id: &str, stamp: &str, body: &str) -> String {
        let mac = Hmac::<Sha256>::new_from_slice(&self.settings.key);
        let mut mac = mac.expect("HMAC takes keys of any length");
        mac.update(format!("{id}.{stamp}.{body}").as_bytes());
        format!("v1,{}", crate::web::base64(&mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests;
