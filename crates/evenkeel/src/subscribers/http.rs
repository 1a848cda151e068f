//! Requests to addresses that strangers gave, and to those the operator configured.
//!
//! For strangers' addresses: the name is resolved here, each address is looked at, and the
//! connection goes to that very address. A name that leads elsewhere a moment later (DNS
//! rebinding) leads nowhere. No redirect is followed, at most [`ANSWER_MAX`] bytes of an
//! answer are read, and a receiver that stalls costs [`TIMEOUT`].

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use tower::Service;

use super::address::{Network, host_address, may_go_to};
use super::store::queue::Verdict;
use crate::pump::store::chain;

/// One request, connecting included: Statuspage's own bound for receivers.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// What is read of an answer, for its reason.
const ANSWER_MAX: usize = 4096;

/// Asks for the addresses of a name.
pub trait Lookup: Send + Sync + 'static {
    /// The addresses.
    fn lookup(&self, host: String)
    -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;
}

/// The host's own resolver.
pub struct System;

impl Lookup for System {
    fn lookup(
        &self,
        host: String,
    ) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        Box::pin(async move {
            let found = tokio::net::lookup_host((host, 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Resolves names to addresses that may be connected to, and to no others.
#[derive(Clone)]
pub struct Resolver {
    lookup: Arc<dyn Lookup>,
    /// None: everywhere, for the operator's own addresses.
    networks: Option<Arc<Vec<Network>>>,
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, io::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let networks = self.networks.clone();
        let found = self.lookup.lookup(name.as_str().to_owned());
        Box::pin(async move {
            let found = found.await?;
            let all = found.len();
            let allowed: Vec<SocketAddr> = found
                .into_iter()
                .filter(|ip| {
                    networks
                        .as_ref()
                        .is_none_or(|networks| may_go_to(*ip, networks))
                })
                .map(|ip| SocketAddr::new(ip, 0))
                .collect();
            if allowed.is_empty() {
                let why = match all {
                    0 => "the name has no address",
                    _ => "the name leads to no public address",
                };
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
            }
            Ok(allowed.into_iter())
        })
    }
}

/// Sends requests.
#[derive(Clone)]
pub struct Requests {
    client: Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>,
    networks: Option<Arc<Vec<Network>>>,
    pub(super) timeout: Duration,
}

/// What came of a request.
#[derive(Debug)]
pub enum Answered {
    /// An answer with this status, and the beginning of what it says.
    With(StatusCode, String),
    /// None.
    Not(String),
}

impl Requests {
    /// To addresses of strangers.
    pub fn to_strangers(networks: Vec<Network>, lookup: Arc<dyn Lookup>) -> Self {
        Self::new(Some(Arc::new(networks)), lookup)
    }

    /// To addresses of the operator's own.
    pub fn to_our_own() -> Self {
        Self::new(None, Arc::new(System))
    }

    fn new(networks: Option<Arc<Vec<Network>>>, lookup: Arc<dyn Lookup>) -> Self {
        let resolver = Resolver {
            lookup,
            networks: networks.clone(),
        };
        let mut http = HttpConnector::new_with_resolver(resolver);
        http.enforce_http(false);
        http.set_connect_timeout(Some(Duration::from_secs(10)));
        let connector = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        Self {
            // Updates are rare: a kept connection would only be found dead.
            client: Client::builder(TokioExecutor::new())
                .pool_max_idle_per_host(0)
                .build(connector),
            networks,
            timeout: TIMEOUT,
        }
    }

    /// Sends a request.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Answered {
        // An address that is written out passes no resolver.
        let host = request.uri().host().unwrap_or_default();
        if let (Some(ip), Some(networks)) = (host_address(host), &self.networks)
            && !may_go_to(ip, networks)
        {
            return Answered::Not(format!("{ip} is no public address"));
        }
        let exchange = async {
            let response = self.client.request(request).await;
            let response = response.map_err(|error| chain(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_MAX)
                .collect()
                .await;
            let body = body.map(|body| body.to_bytes()).unwrap_or_default();
            let said = String::from_utf8_lossy(&body);
            let said = said
                .chars()
                .take(200)
                .map(|c| if c.is_control() { ' ' } else { c });
            Ok::<_, String>((status, said.collect::<String>()))
        };
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(Ok((status, said))) => Answered::With(status, said),
            Ok(Err(why)) => Answered::Not(why),
            Err(_) => Answered::Not(format!("no answer within {} s", self.timeout.as_secs())),
        }
    }
}

impl Answered {
    /// What it means to whom it was sent: 2xx is taken, 410 gone for good, 3xx and what no
    /// server can mend are refused, everything else may pass.
    pub fn verdict(self) -> Verdict {
        match self {
            Self::Not(why) => Verdict::Later(why),
            Self::With(status, said) => {
                let why = format!("it answered {status} {}", said.trim());
                match status {
                    status if status.is_success() => Verdict::Taken,
                    StatusCode::GONE => Verdict::Gone(why),
                    StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                        Verdict::Later(why)
                    }
                    status if status.is_redirection() => Verdict::Refused(format!(
                        "it answered {status}, and redirects are not followed"
                    )),
                    status if status.is_client_error() => Verdict::Refused(why),
                    _ => Verdict::Later(why),
                }
            }
        }
    }
}
