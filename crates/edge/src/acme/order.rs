//! One order, from the account to the stored certificate.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel_core::Timestamp;
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Error, Identifier, NewAccount,
    NewOrder, Order, OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;

use crate::acme::schedule;
use crate::acme::store::{self, Held, Store, StoreError};
use crate::acme::web::{Unreachable, Wait, Web};
use crate::settings::Authority;
use crate::tls::Challenges;

/// How an authority is asked whether it has looked: soon, then ever more rarely.
const POLL: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(500))
    .backoff(1.5)
    .timeout(Duration::from_secs(120));

/// How often a certificate that was asked for is fetched.
const FETCHES: u32 = 6;

/// The pause before it is fetched again, doubled each time: half a minute in all.
const FETCH_AGAIN: Duration = Duration::from_secs(1);

/// The problem of an account that is not known (RFC 8555, 6.7).
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// Too much was asked for.
const RATE_LIMITED: &str = "urn:ietf:params:acme:error:rateLimited";

/// An order that came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrderError {
    /// The root cannot be used.
    #[error("{path} cannot be used: {why}; acme_ca_file is the authority's own root, PEM")]
    Root { path: PathBuf, why: String },
    /// There is no connection to the authority.
    #[error(
        "{directory} cannot be asked: {why}; check acme_directory, and that this host reaches it"
    )]
    Unreachable {
        directory: String,
        why: String,
        wait: Option<Duration>,
    },
    /// It refuses.
    #[error("{directory} refuses: {why}; {next}")]
    Refused {
        directory: String,
        why: String,
        next: &'static str,
        wait: Option<Duration>,
    },
    /// It could not see that a name is ours.
    #[error(
        "{directory} could not see that the names are ours: {why}; check that their addresses in \
         DNS lead here, and that port 443 reaches this listener with nothing between that ends TLS"
    )]
    Unproved { directory: String, why: String },
    /// It can prove names only in ways that we do not have.
    #[error("{directory} does not offer tls-alpn-01 for {name}; use another authority, or files")]
    NoProof { directory: String, name: String },
    /// What came cannot be served.
    #[error(
        "what {directory} issued cannot be served: {why}; check this host's clock, and the authority"
    )]
    Unusable { directory: String, why: String },
    /// It cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It takes too long.
    #[error("the order was not through within {0:?}; the authority may be overloaded")]
    Late(Duration),
    /// The system gives no key.
    #[error("no key can be made: {0}")]
    System(String),
}

impl OrderError {
    /// How long the authority asks to be left alone.
    pub(super) fn wait(&self) -> Option<Duration> {
        match self {
            Self::Unreachable { wait, .. } | Self::Refused { wait, .. } => *wait,
            _ => None,
        }
    }
}

/// What every order needs.
pub(super) struct Orderer {
    pub(super) store: Store,
    pub(super) challenges: Challenges,
    pub(super) provider: Arc<CryptoProvider>,
}

impl Orderer {
    /// Orders a certificate, and stores it.
    pub(super) async fn order(&self, authority: &Authority) -> Result<Held, OrderError> {
        let wait = Wait::default();
        let said = |error: Error| said(&authority.directory, error, &wait);
        let web = Web::new(
            authority.root.as_deref(),
            self.provider.clone(),
            wait.clone(),
        )?;
        let account = self.account(authority, web, &said).await?;
        let names = authority.domains.iter().cloned().map(Identifier::Dns);
        let names: Vec<Identifier> = names.collect();
        let order = account.new_order(&NewOrder::new(&names)).await;
        if let Err(Error::Api(problem)) = &order
            && problem.r#type.as_deref() == Some(NO_ACCOUNT)
        {
            self.store.forget_account(&authority.directory)?;
        }
        let mut order = order.map_err(&said)?;
        self.prove(authority, &mut order, &said).await?;
        let (key, request) = request(&authority.domains)?;
        let chain = issued(&mut order, &request).await.map_err(&said)?;
        let pem = key.serialize_pem() + &chain;
        let unusable = |why: String| OrderError::Unusable {
            directory: authority.directory.clone(),
            why,
        };
        let held = store::parse(pem.as_bytes(), &authority.domains, &self.provider);
        let held = held.map_err(unusable)?;
        // Taken for good, it would be ordered again and again without a pause.
        if schedule::due(&held) <= Timestamp::now() {
            let why = format!(
                "it is to be renewed already, as it ends at {}",
                held.ends_at
            );
            return Err(unusable(why));
        }
        self.store.write(authority, &pem)?;
        Ok(held)
    }

    /// The account with the authority; made where there is none.
    async fn account(
        &self,
        authority: &Authority,
        web: Web,
        said: &impl Fn(Error) -> OrderError,
    ) -> Result<Account, OrderError> {
        let directory = &authority.directory;
        let builder = Account::builder_with_http(Box::new(web));
        if let Some(text) = self.store.account(directory)? {
            match serde_json::from_slice::<AccountCredentials>(&text) {
                Ok(known) => return builder.from_credentials(known).await.map_err(said),
                Err(error) => tracing::error!(
                    "the account with {directory} is damaged ({error}); a new one is made"
                ),
            }
        }
        let contact: Vec<&str> = authority.contact.as_deref().into_iter().collect();
        let wanted = NewAccount {
            contact: &contact,
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let made = builder.create(&wanted, directory.clone(), None).await;
        let (account, known) = made.map_err(said)?;
        let text = serde_json::to_vec(&known).map_err(|error| said(error.into()))?;
        self.store.write_account(directory, &text)?;
        tracing::info!("an account with {directory} is made");
        Ok(account)
    }

    /// Proves that the names are ours.
    async fn prove(
        &self,
        authority: &Authority,
        order: &mut Order,
        said: &impl Fn(Error) -> OrderError,
    ) -> Result<(), OrderError> {
        let mut proofs = Proofs {
            challenges: &self.challenges,
            names: Vec::new(),
        };
        let mut asked = order.authorizations();
        while let Some(authorization) = asked.next().await {
            let mut authorization = authorization.map_err(said)?;
            if authorization.status == AuthorizationStatus::Valid {
                continue;
            }
            let name = authorization.identifier().to_string();
            let Some(mut challenge) = authorization.challenge(ChallengeType::TlsAlpn01) else {
                return Err(OrderError::NoProof {
                    directory: authority.directory.clone(),
                    name,
                });
            };
            let digest = challenge.key_authorization().digest();
            let proof = proof(&name, digest.as_ref(), &self.provider)?;
            proofs.put(name, proof);
            challenge.set_ready().await.map_err(said)?;
        }
        let unproved = |why| OrderError::Unproved {
            directory: authority.directory.clone(),
            why,
        };
        match order.poll_ready(&POLL).await {
            Ok(OrderStatus::Ready) => Ok(()),
            Ok(_) => {
                let why = why_not(order).await;
                Err(unproved(
                    why.unwrap_or_else(|| "it gives no reason".to_owned()),
                ))
            }
            Err(Error::Api(problem)) => Err(unproved(problem.to_string())),
            Err(error) => Err(said(error)),
        }
    }
}

/// The chain that is issued for a request. What goes wrong on the way does not cost the order:
/// authorities count what they issue (Let's Encrypt: five for the same names in a week), also
/// where nobody fetches it.
async fn issued(order: &mut Order, request: &[u8]) -> Result<String, Error> {
    let mut wait = FETCH_AGAIN;
    for _ in 1..FETCHES {
        match fetch(order, request).await {
            Ok(chain) => return Ok(chain),
            Err(error) if order.state().status == OrderStatus::Invalid => return Err(error),
            Err(error) => tracing::warn!("the certificate is not there yet: {error}; asked again"),
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
    fetch(order, request).await
}

/// Asks for the certificate, unless that is done, and fetches it.
async fn fetch(order: &mut Order, request: &[u8]) -> Result<String, Error> {
    if order.refresh().await?.status == OrderStatus::Ready {
        order.finalize_csr(request).await?;
    }
    order.poll_certificate(&POLL).await
}

/// What the authority says of the names that it could not see.
async fn why_not(order: &mut Order) -> Option<String> {
    let mut asked = order.authorizations();
    let mut why = Vec::new();
    while let Some(authorization) = asked.next().await {
        let mut authorization = authorization.ok()?;
        let state = authorization.refresh().await.ok()?;
        let name = state.identifier().to_string();
        let problems = state.challenges.iter().filter_map(|one| one.error.as_ref());
        why.extend(problems.map(|problem| format!("{name}: {problem}")));
    }
    (!why.is_empty()).then(|| why.join("; "))
}

/// An authority's error with who can help.
fn said(directory: &str, error: Error, wait: &Wait) -> OrderError {
    let mut wait = *wait.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let directory = directory.to_owned();
    let (why, next) = match error {
        Error::Other(other) if other.is::<Unreachable>() => {
            let why = other.to_string();
            return OrderError::Unreachable {
                directory,
                why,
                wait,
            };
        }
        Error::Api(problem) => {
            let next = match problem.r#type.as_deref() {
                Some(RATE_LIMITED) => "wait, and see what else asks it for these names",
                Some(NO_ACCOUNT) => "a new account is made with the next try",
                _ => "do what it says, in acme_domains or acme_contact or in the names' DNS",
            };
            (problem.to_string(), next)
        }
        Error::Timeout(until) => {
            wait = until.map(|until| until.saturating_duration_since(Instant::now()));
            (
                "it had not decided in time".to_owned(),
                "see whether it has an outage",
            )
        }
        other => (
            other.to_string(),
            "see whether acme_directory is an ACME directory, and whether it has an outage",
        ),
    };
    OrderError::Refused {
        directory,
        why,
        next,
        wait,
    }
}

/// Proofs that are answered as long as the authority looks.
struct Proofs<'a> {
    challenges: &'a Challenges,
    names: Vec<String>,
}

impl Proofs<'_> {
    fn put(&mut self, name: String, proof: CertifiedKey) {
        self.challenges.put(&name, proof);
        self.names.push(name);
    }
}

impl Drop for Proofs<'_> {
    fn drop(&mut self) {
        for name in &self.names {
            self.challenges.take(name);
        }
    }
}

/// The certificate that proves a name (RFC 8737, 3): nobody issued it, and no client but the
/// authority sees it.
fn proof(name: &str, digest: &[u8], provider: &CryptoProvider) -> Result<CertifiedKey, OrderError> {
    let of_rcgen = |error: rcgen::Error| OrderError::System(error.to_string());
    let mut params = CertificateParams::new([name.to_owned()]).map_err(of_rcgen)?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate().map_err(of_rcgen)?;
    let own = params.self_signed(&key).map_err(of_rcgen)?;
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let key = provider.key_provider.load_private_key(key);
    let key = key.map_err(|error| OrderError::System(error.to_string()))?;
    Ok(CertifiedKey::new(vec![own.der().clone()], key))
}

/// A new key, and the request for a certificate of it.
fn request(domains: &[String]) -> Result<(KeyPair, Vec<u8>), OrderError> {
    let of_rcgen = |error: rcgen::Error| OrderError::System(error.to_string());
    let mut params = CertificateParams::new(domains).map_err(of_rcgen)?;
    params.distinguished_name = DistinguishedName::new();
    let key = KeyPair::generate().map_err(of_rcgen)?;
    let request = params.serialize_request(&key).map_err(of_rcgen)?;
    Ok((key, request.der().to_vec()))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use rustls::{ServerConfig, ServerConnection, StreamOwned};

    use super::*;
    use crate::settings::Backoff;

    /// An authority that gives one answer to whatever it is asked, as often as it is asked.
    fn authority(dir: &std::path::Path, answer: &'static str) -> Authority {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let root = dir.join("root.pem");
        std::fs::write(&root, made.cert.pem()).unwrap();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth();
        let config = config.with_single_cert(vec![made.cert.der().clone()], key);
        let config = Arc::new(config.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for tcp in listener.incoming().flatten() {
                let server = ServerConnection::new(config.clone()).unwrap();
                let mut stream = StreamOwned::new(server, tcp);
                // A request without a body fits into one piece.
                let _asked = stream.read(&mut [0; 4096]);
                let _gone = stream.write_all(answer.as_bytes());
                stream.conn.send_close_notify();
                let _gone = stream.flush();
            }
        });
        Authority {
            directory: format!("https://localhost:{port}/"),
            domains: vec!["app.example.com".to_owned()],
            contact: None,
            root: Some(root),
            backoff: Backoff::default(),
        }
    }

    async fn refused(answer: &'static str) -> OrderError {
        let dir = tempfile::tempdir().unwrap();
        let orderer = Orderer {
            store: Store::open(dir.path()).unwrap(),
            challenges: Challenges::default(),
            provider: Arc::new(rustls::crypto::ring::default_provider()),
        };
        let authority = authority(dir.path(), answer);
        orderer.order(&authority).await.unwrap_err()
    }

    #[tokio::test]
    async fn an_authority_that_has_too_much_to_do_is_left_alone_as_long_as_it_asks_for() {
        for answer in [
            "HTTP/1.1 429 Too Many Requests\r\nretry-after: 7200\r\ncontent-length: 2\r\n\r\n{}",
            "HTTP/1.1 503 Service Unavailable\r\nretry-after: 7200\r\ncontent-length: 0\r\n\r\n",
        ] {
            let error = refused(answer).await;
            assert_eq!(error.wait(), Some(Duration::from_secs(7200)), "{error}");
        }
    }

    #[tokio::test]
    async fn what_is_no_authority_is_said_with_what_to_do() {
        for (answer, said) in [
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
                "is an ACME directory",
            ),
            (
                "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n",
                "it answers 500",
            ),
            ("nonsense\r\n\r\n", "check acme_directory"),
        ] {
            let error = refused(answer).await;
            assert!(error.to_string().contains(said), "{error}");
            assert_eq!(error.wait(), None);
        }
    }
}
