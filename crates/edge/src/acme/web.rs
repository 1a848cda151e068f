//! The connection to an authority: HTTPS by the roots that browsers believe and one of the
//! operator's own, with an end to every wait and to every answer.

use std::error::Error as _;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::order::OrderError;

/// One request with its answer.
const REQUEST_MAX: Duration = Duration::from_secs(30);

/// The largest answer: chains have some thousand bytes.
const ANSWER_MAX: usize = 1 << 20;

/// The longest that an authority is left alone because it asks for it.
const WAIT_MAX: Duration = Duration::from_secs(24 * 3600);

/// How long an authority that refused asks to be left alone.
pub(super) type Wait = Arc<Mutex<Option<Duration>>>;

/// Something that prevents an answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Unreachable(String);

/// The connection.
pub(super) struct Web {
    client: Client<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>,
    wait: Wait,
}

impl Web {
    /// A connection that is opened when it is needed.
    pub(super) fn new(
        root: Option<&Path>,
        provider: Arc<CryptoProvider>,
        wait: Wait,
    ) -> Result<Self, OrderError> {
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        if let Some(path) = root {
            let unusable = |why: String| OrderError::Root {
                path: path.to_owned(),
                why,
            };
            let text = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
            for root in CertificateDer::pem_slice_iter(&text) {
                let root = root.map_err(|error| unusable(error.to_string()))?;
                roots
                    .add(root)
                    .map_err(|error| unusable(error.to_string()))?;
            }
        }
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| OrderError::System(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_only()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, wait })
    }
}

impl HttpClient for Web {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let unreachable = |why: String| Error::Other(Box::new(Unreachable(why)));
        let asked = self.client.request(request);
        let wait = self.wait.clone();
        Box::pin(async move {
            let exchange = async {
                let (parts, body) = asked.await.map_err(|error| chain(&error))?.into_parts();
                let body = Limited::new(body, ANSWER_MAX).collect().await;
                let body = body.map_err(|error| error.to_string())?.to_bytes();
                Ok((parts, body))
            };
            let answer = match tokio::time::timeout(REQUEST_MAX, exchange).await {
                Ok(answer) => answer,
                Err(_) => Err(format!("no answer within {REQUEST_MAX:?}")),
            };
            let (parts, body) = answer.map_err(unreachable)?;
            let refuses = [
                StatusCode::TOO_MANY_REQUESTS,
                StatusCode::SERVICE_UNAVAILABLE,
            ];
            if refuses.contains(&parts.status)
                && let Some(after) = parts.headers.get(RETRY_AFTER)
            {
                let asked_for = retry_after(after.to_str().unwrap_or_default());
                *wait.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = asked_for;
            }
            if parts.status.is_server_error() {
                let answered = format!("it answers {}", parts.status);
                return Err(unreachable(answered));
            }
            Ok(BytesResponse {
                parts,
                body: Box::new(body),
            })
        })
    }
}

/// `Retry-After`: seconds, or a date (RFC 9110, 10.2.3).
fn retry_after(text: &str) -> Option<Duration> {
    let wait = match text.trim().parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let at = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp();
            Duration::try_from(at.duration_since(jiff::Timestamp::now())).ok()?
        }
    };
    Some(wait.min(WAIT_MAX))
}

/// An error with what is behind it.
fn chain(error: &hyper_util::client::legacy::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let own = error.to_string();
        if !text.contains(&own) {
            text.push_str(": ");
            text.push_str(&own);
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_left_alone_as_long_as_it_asks_for_and_a_day_at_most() {
        assert_eq!(retry_after(" 120 "), Some(Duration::from_secs(120)));
        assert_eq!(retry_after("99999999999"), Some(WAIT_MAX));
        assert_eq!(retry_after("Tue, 31 Dec 2999 23:59:59 GMT"), Some(WAIT_MAX));
        let past = retry_after("Fri, 31 Dec 1999 23:59:59 GMT");
        assert!(past.unwrap_or_default().is_zero(), "{past:?}");
        assert_eq!(retry_after("soon"), None);
    }
}
