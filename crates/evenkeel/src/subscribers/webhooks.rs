//! Webhooks of customers: Statuspage's payload, signed as Standard Webhooks say.
//!
//! <https://www.standardwebhooks.com>: `webhook-id` is the same for every try of a word to a
//! subscriber, `webhook-timestamp` is when it is sent, `webhook-signature` is `v1,` and an
//! HMAC-SHA256 over the two and the body with the subscriber's own secret.

use std::sync::Arc;

use evenkeel_core::Timestamp;
use evenkeel_guards::guard::BoxFuture;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, USER_AGENT};
use hyper::{Method, Request, Uri};
use ring::hmac;
use serde_json::{Value, json};

use super::Subscribers;
use super::http::Requests;
use super::outing::{Bounds, EachLane, Lane, SendsEach, Sent, Way};
use super::store::Kind;
use super::store::queue::{Due, Verdict};
use crate::access::hex;
use crate::web::base64;

/// Webhooks at once: one that stalls holds one of them.
const LANES: usize = 16;

/// Requests a second, in all and to one host.
const PER_SECOND: u32 = 100;
const PER_HOST: u32 = 5;

/// See the module.
pub(super) struct Webhooks {
    pub(super) own: Subscribers,
    pub(super) requests: Requests,
    /// The page's address, without a slash at its end.
    pub(super) base: String,
}

impl Webhooks {
    async fn deliver(&self, due: &Due) -> Sent {
        let id = due.word;
        let word = match self.own.with(move |store| store.word(id)).await {
            Ok(Some(word)) => word,
            Ok(None) => return Sent::Said(Verdict::Gone("its word is forgotten".into())),
            Err(error) => return Sent::Broken(crate::pump::store::chain(&error)),
        };
        let key = self.own.store().key();
        let link = key.link(due.subscriber, &due.salt);
        let body = payload(
            &word.payload,
            &format!("{}/en/subscription/{link}", self.base),
        );
        let request = request(
            &due.address,
            &Signed {
                id: webhook_id(&word.key(), due),
                at: Timestamp::now(),
                key: &key.signing_key(due.subscriber, &due.salt),
                body: &body.to_string(),
            },
        );
        match request {
            Ok(request) => Sent::Said(self.requests.send(request).await.verdict()),
            Err(why) => Sent::Said(Verdict::Gone(why)),
        }
    }
}

/// The same for every try of a word to a subscriber.
fn webhook_id(key: &str, due: &Due) -> String {
    use sha2::{Digest, Sha256};
    let of = Sha256::digest(format!("{key} {} {}", due.subscriber, hex(&due.salt)));
    format!("msg_{}", hex(&of[..16]))
}

/// A word's payload with the link that ends the subscription.
fn payload(word: &Value, unsubscribe: &str) -> Value {
    let mut payload = word.clone();
    payload["meta"] = json!({
        "unsubscribe": unsubscribe,
        "documentation": "https://www.standardwebhooks.com",
        "generated_at": crate::web::public::machines::millis(Timestamp::now()),
    });
    payload
}

/// What is signed.
pub(super) struct Signed<'a> {
    pub(super) id: String,
    pub(super) at: Timestamp,
    pub(super) key: &'a [u8; 32],
    pub(super) body: &'a str,
}

fn request(to: &str, signed: &Signed<'_>) -> Result<Request<Full<Bytes>>, String> {
    let uri: Uri = to.parse().map_err(|_| "it is no address".to_owned())?;
    let at = signed.at.as_second();
    let key = hmac::Key::new(hmac::HMAC_SHA256, signed.key);
    let over = format!("{}.{at}.{}", signed.id, signed.body);
    let signature = base64(hmac::sign(&key, over.as_bytes()).as_ref());
    Request::builder()
        .method(Method::POST)
        .uri(uri)
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, concat!("evenkeel/", env!("CARGO_PKG_VERSION")))
        .header("webhook-id", &signed.id)
        .header("webhook-timestamp", at)
        .header("webhook-signature", format!("v1,{signature}"))
        .body(Full::new(Bytes::from(signed.body.to_owned())))
        .map_err(|error| error.to_string())
}

impl Way for Webhooks {
    fn kind(&self) -> Kind {
        Kind::Webhook
    }

    fn bounds(&self) -> Bounds {
        Bounds {
            lanes: LANES,
            per_second: PER_SECOND,
            per_domain: PER_HOST,
        }
    }

    fn lane(self: Arc<Self>) -> Box<dyn Lane> {
        Box::new(EachLane(self))
    }
}

impl SendsEach for Webhooks {
    fn send<'a>(&'a self, due: &'a Due) -> BoxFuture<'a, Sent> {
        Box::pin(self.deliver(due))
    }
}
