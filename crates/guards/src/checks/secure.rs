//! TLS: whom to trust, and what was served.
//!
//! The chain is looked at as it is served, not as it lies in a file: a renewed file that no
//! server has loaded is the usual way for a certificate to run out. Trust is decided by the
//! authorities browsers know, or by the operator's own file in their place. A chain that is
//! not trusted is looked at all the same, so that "it has run out" comes with the day.

use std::sync::{Arc, Mutex, PoisonError};

use evenkeel_core::Timestamp;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use x509_cert::der::Decode;

use super::net::broken;
use super::trial::{Trial, Tried, Trouble, target};

/// The most certificates of a chain that are looked at.
const CHAIN_MAX: usize = 16;

/// Whom a check trusts: parsed once, shared by all checks that name the same file.
#[derive(Clone)]
pub struct Trust {
    config: Arc<ClientConfig>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Trust")
    }
}

impl Trust {
    /// The authorities that browsers trust.
    pub fn of_browsers() -> Self {
        let roots = RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        Self::new(roots).unwrap_or_else(|why| unreachable!("the built-in authorities: {why}"))
    }

    /// Those of browsers and, beside them, the certificates in `pem`.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn with(pem: &[u8]) -> Result<Self, String> {
        let mut roots = RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        };
        let mut count = 0;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| format!("is not PEM: {error}"))?;
            let added = roots.add(certificate);
            added.map_err(|error| format!("holds a certificate that cannot be used: {error}"))?;
            count += 1;
        }
        if count == 0 {
            return Err("holds no certificate (-----BEGIN CERTIFICATE-----)".into());
        }
        Self::new(roots)
    }

    fn new(roots: RootCertStore) -> Result<Self, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .map_err(|error| error.to_string())?;
        let config = client(&provider, verifier.clone())?;
        Ok(Self {
            config: Arc::new(config),
            verifier,
        })
    }
}

fn client(
    provider: &Arc<CryptoProvider>,
    verifier: Arc<dyn ServerCertVerifier>,
) -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    // A resumed session shows no chain: what is served now would not be looked at.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// Speaks TLS on `stream` as a client of `host`.
pub(super) async fn handshake<S>(
    trust: &Trust,
    host: &str,
    stream: S,
    trial: &mut Trial,
) -> Tried<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    trial.stage("waiting for the TLS handshake");
    let name = ServerName::try_from(host.to_owned());
    let Ok(name) = name else {
        return target(format!("`{host}` cannot be the name in a certificate"));
    };
    let connector = TlsConnector::from(trust.config.clone());
    match connector.connect(name, stream).await {
        Ok(stream) => {
            let (_, session) = stream.get_ref();
            look_at(session.peer_certificates().unwrap_or_default(), trial);
            trial.say(|| {
                let version = session.protocol_version().and_then(|v| v.as_str());
                format!("TLS is up ({})", version.unwrap_or("version unknown"))
            });
            Ok(stream)
        }
        Err(error) => Err(refused(host, &error)),
    }
}

/// As [`handshake`], and the chain is seen where it is not trusted, too.
pub(super) async fn handshake_seen<S>(
    trust: &Trust,
    host: &str,
    stream: S,
    trial: &mut Trial,
) -> Tried<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let seen = Arc::new(Seeing {
        verifier: trust.verifier.clone(),
        chain: Mutex::default(),
    });
    let provider = trust.config.crypto_provider().clone();
    let config = client(&provider, seen.clone()).map_err(Trouble::Own)?;
    let watching = Trust {
        config: Arc::new(config),
        verifier: trust.verifier.clone(),
    };
    let done = handshake(&watching, host, stream, trial).await;
    let chain = std::mem::take(&mut *seen.chain.lock().unwrap_or_else(PoisonError::into_inner));
    look_at(&chain, trial);
    done
}

/// The usual verifier, which keeps what it was shown.
#[derive(Debug)]
struct Seeing {
    verifier: Arc<WebPkiServerVerifier>,
    chain: Mutex<Vec<CertificateDer<'static>>>,
}

impl ServerCertVerifier for Seeing {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let all = std::iter::once(end_entity).chain(intermediates);
        let chain = all.take(CHAIN_MAX).map(|one| one.clone().into_owned());
        *self.chain.lock().unwrap_or_else(PoisonError::into_inner) = chain.collect();
        self.verifier
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.verifier
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

fn look_at(chain: &[CertificateDer<'_>], trial: &mut Trial) {
    for certificate in chain.iter().take(CHAIN_MAX) {
        if let Some(ends) = ends_at(certificate) {
            trial.served_until(ends);
        }
    }
    if let (Some(ends), false) = (trial.certificate_expires_at, chain.is_empty()) {
        let count = chain.len();
        trial.say(|| format!("{count} certificates served, the first of them ends {ends}"));
    }
}

/// When a certificate ends; none where it cannot be read, which the handshake tells.
fn ends_at(certificate: &[u8]) -> Option<Timestamp> {
    let certificate = x509_cert::Certificate::from_der(certificate).ok()?;
    let ends = certificate.tbs_certificate.validity.not_after;
    let seconds = i64::try_from(ends.to_unix_duration().as_secs()).ok()?;
    Timestamp::from_second(seconds).ok()
}

fn refused(host: &str, error: &std::io::Error) -> Trouble {
    let of_tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match of_tls {
        Some(rustls::Error::InvalidCertificate(why)) => Trouble::Target(format!(
            "browsers refuse the certificate of {host}: {}",
            words(why)
        )),
        Some(why) => Trouble::Target(format!("no TLS with {host}: {why}")),
        None => broken(&format!("no TLS with {host}"), error),
    }
}

/// Why a certificate is refused, with what is usually the matter.
fn words(why: &CertificateError) -> String {
    match why {
        CertificateError::Expired => "it has run out".into(),
        CertificateError::ExpiredContext { not_after, .. } => {
            let at = i64::try_from(not_after.as_secs()).ok();
            let at = at.and_then(|at| Timestamp::from_second(at).ok());
            at.map_or_else(
                || "it has run out".into(),
                |at| format!("it has run out at {at}"),
            )
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet; is the clock of this host right?".into()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name".into()
        }
        CertificateError::UnknownIssuer => "nobody browsers know has signed it: it is signed by \
             itself or by an authority of your own (name that in ca_file), or the server does not \
             send the intermediate certificate"
            .into(),
        other => other.to_string(),
    }
}
