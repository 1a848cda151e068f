//! A page to the operator, by webhook: one POST with the facts as JSON.
//!
//! 2xx is success. Redirects are not followed: a page must not end at an address nobody
//! configured, with the token in its header. What may pass (no connection, a time out,
//! 408, 429, 5xx) is tried again with growing pauses until [`GIVE_UP_AFTER`]; any other
//! answer is final. The header `Idempotency-Key` is the same for every try, also after a
//! restart, so that the receiver can drop doubles.

use std::time::Duration;

use evenkeel_core::action::Outcome;
use evenkeel_core::message::{Body, Message};
use evenkeel_guards::guard::BoxFuture;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use tokio::time::Instant;

use super::Channel;

/// One try, connecting included. Receivers promise an answer within seconds; Statuspage's
/// own bound for receivers is 30.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// After this a page has failed. A receiver that is restarted is back before.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(180);

/// The first pause between two tries; doubled up to [`PAUSE_MAX`].
const PAUSE: Duration = Duration::from_secs(1);
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// Where pages go.
#[derive(Clone)]
pub struct Settings {
    /// The receiver.
    pub url: Uri,
    /// Sent as `Authorization: Bearer`, where there is one.
    pub token: Option<String>,
    /// Where the operator's pages are, for the links in a page.
    pub operator_page: Option<String>,
}

/// See the module.
pub struct Webhook {
    settings: Settings,
    authorization: Option<HeaderValue>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    give_up_after: Duration,
}

/// A webhook that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum WebhookError {
    /// Neither http nor https.
    #[error("the webhook's address {0} has to begin with http:// or https://")]
    Address(Uri),
    /// A token no header can carry.
    #[error(
        "the webhook's token holds characters that a header cannot carry: look at the end of its file"
    )]
    Token,
}

impl Webhook {
    /// A webhook for these settings.
    pub fn new(settings: Settings) -> Result<Self, WebhookError> {
        if !matches!(settings.url.scheme_str(), Some("http" | "https")) {
            return Err(WebhookError::Address(settings.url));
        }
        let authorization = match &settings.token {
            None => None,
            Some(token) => {
                let mut value = HeaderValue::from_str(&format!("Bearer {}", token.trim()))
                    .map_err(|_| WebhookError::Token)?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        let connector = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            settings,
            authorization,
            // Pages are rare: a kept connection would only be found dead.
            client: Client::builder(TokioExecutor::new())
                .pool_max_idle_per_host(0)
                .build(connector),
            give_up_after: GIVE_UP_AFTER,
        })
    }

    /// What is sent.
    pub fn body(&self, message: &Message) -> serde_json::Value {
        let Body::Operator {
            headline,
            details,
            facts,
            ..
        } = &message.body
        else {
            return serde_json::Value::Null;
        };
        let links = self.settings.operator_page.as_deref().map(|page| {
            let page = page.trim_end_matches('/');
            let mut links = serde_json::Map::new();
            links.insert("overview".into(), format!("{page}/").into());
            if let Some(incident) = message.incident {
                links.insert(
                    "incident".into(),
                    format!("{page}/incidents/{incident}").into(),
                );
            }
            links
        });
        json!({
            "id": message.id,
            "at": message.at,
            "headline": headline,
            "details": details,
            "facts": facts,
            "incident": message.incident,
            "links": links.unwrap_or_default(),
        })
    }

    async fn send(&self, message: &Message) -> Outcome {
        let body = Bytes::from(self.body(message).to_string());
        // The number alone would be the same again in a journal that was begun anew.
        let key = format!("{}-{}", message.id, message.at.as_microsecond());
        let until = Instant::now() + self.give_up_after;
        let mut pause = PAUSE;
        for attempt in 1_u32.. {
            let why = match self.post(&key, body.clone()).await {
                Ok(status) if status.is_success() => {
                    return Outcome::Done(format!("the webhook answered {status}"));
                }
                Ok(status) if status.is_redirection() => {
                    return Outcome::Failed(format!(
                        "the webhook answered {status}, and redirects are not followed: put the final address into the configuration"
                    ));
                }
                Ok(status) if !may_pass(status) => {
                    return Outcome::Failed(format!(
                        "the webhook answered {status}: check its address and token in the configuration"
                    ));
                }
                Ok(status) => format!("it answered {status}"),
                Err(why) => why,
            };
            tracing::warn!(message = %message.id, attempt, "the webhook did not take a page: {why}");
            if Instant::now() + pause >= until {
                return Outcome::Failed(format!(
                    "the webhook did not take it in {attempt} tries ({why}): check that the receiver is up"
                ));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        unreachable!("tries are counted in time, not in number")
    }

    async fn post(&self, key: &str, body: Bytes) -> Result<StatusCode, String> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.settings.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("evenkeel/", env!("CARGO_PKG_VERSION")))
            .header("idempotency-key", key);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization.clone());
        }
        let request = request
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        match tokio::time::timeout(TIMEOUT, self.client.request(request)).await {
            Ok(Ok(response)) => Ok(response.status()),
            Ok(Err(error)) => Err(crate::pump::store::chain(&error)),
            Err(_) => Err(format!("no answer within {} s", TIMEOUT.as_secs())),
        }
    }
}

fn may_pass(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
        )
}

impl Channel for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn tell<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Outcome> {
        Box::pin(self.send(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    use axum::Router;
    use axum::http::HeaderMap;
    use axum::routing::post;
    use evenkeel_core::Timestamp;
    use evenkeel_core::evidence::Fact;
    use evenkeel_core::ids::{IncidentId, MessageId};

    fn page() -> Message {
        Message {
            id: MessageId(7),
            at: Timestamp::from_second(1_795_000_000).unwrap(),
            incident: Some(IncidentId(3)),
            body: Body::Operator {
                headline: "Login is blocked".into(),
                details: vec!["14 sessions wait.".into()],
                facts: vec![Fact::new("waiters", 14)],
                finding: None,
                to: None,
                severity: evenkeel_core::finding::Severity::Critical,
            },
        }
    }

    type Seen = Arc<Mutex<Vec<(HeaderMap, serde_json::Value)>>>;

    /// A receiver that gives these answers in turn, the last one for ever.
    async fn receiver(answers: &'static [u16]) -> (Uri, Seen, tokio::task::JoinHandle<()>) {
        let seen = Seen::default();
        let kept = seen.clone();
        let app = Router::new().route(
            "/page",
            post(move |headers: HeaderMap, body: String| async move {
                let mut kept = kept.lock().unwrap();
                kept.push((headers, serde_json::from_str(&body).unwrap()));
                let answer = answers[(kept.len() - 1).min(answers.len() - 1)];
                (
                    StatusCode::from_u16(answer).unwrap(),
                    [("location", "http://127.0.0.1:1/elsewhere")],
                )
            }),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/page", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        (url.parse().unwrap(), seen, server)
    }

    fn webhook(url: Uri) -> Webhook {
        Webhook::new(Settings {
            url,
            token: Some("s3cret\n".into()),
            operator_page: Some("http://127.0.0.1:9000/".into()),
        })
        .unwrap()
    }

    #[tokio::test]
    async fn a_page_arrives_whole() {
        let (url, seen, server) = receiver(&[204]).await;
        let outcome = webhook(url).send(&page()).await;
        server.abort();
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
        let (headers, body) = seen.lock().unwrap()[0].clone();
        assert_eq!(headers["authorization"], "Bearer s3cret");
        assert_eq!(headers["idempotency-key"], "M-7-1795000000000000");
        assert_eq!(
            body,
            json!({
                "id": "M-7",
                "at": "2026-11-18T11:06:40Z",
                "headline": "Login is blocked",
                "details": ["14 sessions wait."],
                "facts": [{"name": "waiters", "value": "14"}],
                "incident": "I-3",
                "links": {
                    "overview": "http://127.0.0.1:9000/",
                    "incident": "http://127.0.0.1:9000/incidents/I-3",
                },
            })
        );
    }

    #[tokio::test]
    async fn what_may_pass_is_tried_again_under_the_same_key() {
        let (url, seen, server) = receiver(&[503, 200]).await;
        let outcome = webhook(url).send(&page()).await;
        server.abort();
        assert!(outcome.is_good(), "{outcome:?}");
        let seen = seen.lock().unwrap();
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0].0["idempotency-key"], seen[1].0["idempotency-key"]);
    }

    #[tokio::test]
    async fn redirects_are_not_followed_and_refusals_are_final() {
        for answer in [&[302_u16][..], &[404]] {
            let (url, seen, server) = receiver(answer).await;
            let outcome = webhook(url).send(&page()).await;
            server.abort();
            assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
            assert_eq!(seen.lock().unwrap().len(), 1);
        }
    }

    #[tokio::test]
    async fn nobody_there_fails_within_its_bound() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        drop(listener);
        let mut webhook = webhook(url.parse().unwrap());
        webhook.give_up_after = Duration::from_millis(1500);
        let outcome = webhook.send(&page()).await;
        assert!(
            matches!(&outcome, Outcome::Failed(why) if why.contains("2 tries")),
            "{outcome:?}"
        );
    }

    #[test]
    fn an_address_that_is_no_web_address_is_refused() {
        let settings = Settings {
            url: "ftp://pager.example/".parse().unwrap(),
            token: None,
            operator_page: None,
        };
        assert!(matches!(
            Webhook::new(settings),
            Err(WebhookError::Address(_))
        ));
    }
}
