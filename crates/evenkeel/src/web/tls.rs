//! TLS for a listener of ours: one certificate with its key, read again when the files
//! change or on SIGHUP.
//!
//! What always holds: connections that are open stay open when the certificate is read
//! again; what cannot be used leaves the one before in place, and says so. A handshake has
//! as long as a request's head, and takes a connection's place while it lasts, so that
//! slow ones hold nobody else up (`serving.rs`).
//!
//! It refuses anything below TLS 1.2, and asks for no client certificates: who may do what
//! is the login's affair.

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime};

use evenkeel_core::Timestamp;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use x509_cert::der::Decode;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// How often a certificate that ends soon is spoken of.
const REMIND_EVERY: Duration = Duration::from_secs(24 * 3600);

/// A certificate that ends sooner than this is warned of. Authorities that renew by
/// themselves do so with thirty days left; nine days later that has failed more than once.
pub const ENDS_SOON: Duration = Duration::from_secs(21 * 24 * 3600);

/// The largest file that is read. Chains have some thousand bytes.
const FILE_MAX: u64 = 1 << 20;

/// Where certificate and key are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those between it and the authority, in PEM.
    pub certificate: PathBuf,
    /// Its key, in PEM.
    pub key: PathBuf,
}

/// A certificate that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{path} cannot be read: {source}; check its name and who may read it")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no certificate in the file.
    #[error(
        "{path} holds no certificate; it has to hold the chain in PEM, the own certificate first"
    )]
    NoCertificate {
        /// Which.
        path: PathBuf,
    },
    /// There is no key in the file.
    #[error(
        "{path} holds no key that can be used: {why}; it has to hold one private key in PEM, without a password"
    )]
    NoKey {
        /// Which.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// They do not fit.
    #[error(
        "{certificate} and {key} do not fit together: {why}; name the key the certificate was made for"
    )]
    Misfit {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why.
        why: String,
    },
}

/// What is served now.
#[derive(Clone)]
struct Served {
    config: Arc<ServerConfig>,
    ends_at: Option<Timestamp>,
}

/// See the module.
pub struct Tls {
    files: TlsFiles,
    served: RwLock<Served>,
}

impl Tls {
    /// Reads certificate and key.
    ///
    /// # Errors
    /// They cannot be used, and what to do.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        Ok(Self {
            files: files.clone(),
            served: RwLock::new(read(files)?),
        })
    }

    /// What takes the next connection's handshake.
    pub fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.now().config)
    }

    /// When the certificate that is served ends; none where it does not say so readably.
    pub fn ends_at(&self) -> Option<Timestamp> {
        self.now().ends_at
    }

    /// Reads the files again. On an error what was served is served on.
    ///
    /// # Errors
    /// They cannot be used, and what to do.
    pub fn reload(&self) -> Result<(), TlsError> {
        let fresh = read(&self.files)?;
        let mut served = self.served.write();
        let served = served.as_deref_mut();
        // Nothing panics while it is held.
        match served {
            Ok(served) => *served = fresh,
            Err(poisoned) => **poisoned.get_mut() = fresh,
        }
        Ok(())
    }

    fn now(&self) -> Served {
        let served = self.served.read();
        served
            .unwrap_or_else(|poisoned| poisoned.into_inner())
            .clone()
    }

    /// Reads the files again whenever they change, or on SIGHUP; warns of an end that is
    /// near. Until `stop`.
    pub async fn keep(self: Arc<Self>, stop: watch::Receiver<bool>) {
        let hangup = signal(SignalKind::hangup());
        if let Err(error) = &hangup {
            tracing::error!(%error, "SIGHUP cannot be heard; a changed certificate is noticed by itself");
        }
        self.keep_with(LOOK_EVERY, hangup.ok(), stop).await;
    }

    async fn keep_with(
        &self,
        every: Duration,
        mut hangup: Option<Signal>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut known = self.stamp();
        let mut reminded = None::<tokio::time::Instant>;
        loop {
            if reminded.is_none_or(|at| at.elapsed() >= REMIND_EVERY) {
                self.remind();
                reminded = Some(tokio::time::Instant::now());
            }
            let is_asked = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => return,
                () = heard(&mut hangup) => true,
                () = tokio::time::sleep(every) => false,
            };
            let fresh = self.stamp();
            if !is_asked && fresh == known {
                continue;
            }
            known = fresh;
            let certificate = self.files.certificate.display();
            match self.reload() {
                Ok(()) => {
                    tracing::info!(%certificate, "certificate read again");
                    reminded = None;
                }
                Err(error) => {
                    tracing::error!("{error}. The certificate from before is served on");
                }
            }
        }
    }

    fn remind(&self) {
        let Some(ends_at) = self.ends_at() else {
            return;
        };
        let certificate = self.files.certificate.display();
        if let Some(said) = ending(ends_at, Timestamp::now()) {
            tracing::warn!(%certificate, "the certificate {said}: renew it; it is read again by itself");
        }
    }

    /// What changes when a file is replaced or written.
    fn stamp(&self) -> [Option<(SystemTime, u64)>; 2] {
        [&self.files.certificate, &self.files.key].map(|path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        })
    }
}

async fn heard(hangup: &mut Option<Signal>) {
    match hangup {
        Some(hangup) => {
            hangup.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// How a certificate's end reads where it is near: `ends in 3 days`.
pub fn ending(ends_at: Timestamp, now: Timestamp) -> Option<String> {
    use evenkeel_core::time::since;
    let day = 24 * 3600;
    if ends_at <= now {
        let days = since(ends_at, now).as_secs() / day;
        return Some(format!("ended {days} days ago, and browsers refuse it"));
    }
    let left = since(now, ends_at);
    (left <= ENDS_SOON).then(|| format!("ends in {} days", left.as_secs() / day))
}

fn read(files: &TlsFiles) -> Result<Served, TlsError> {
    let TlsFiles { certificate, key } = files;
    let text = bytes(certificate)?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .unwrap_or_default();
    let Some(own) = chain.first() else {
        return Err(TlsError::NoCertificate {
            path: certificate.clone(),
        });
    };
    let ends_at = x509_cert::Certificate::from_der(own).ok().and_then(|own| {
        let ends = own.tbs_certificate.validity.not_after.to_unix_duration();
        Timestamp::from_second(i64::try_from(ends.as_secs()).ok()?).ok()
    });
    let private = PrivateKeyDer::from_pem_slice(&bytes(key)?).map_err(|error| TlsError::NoKey {
        path: key.clone(),
        why: error.to_string(),
    })?;
    let misfit = |error: rustls::Error| TlsError::Misfit {
        certificate: certificate.clone(),
        key: key.clone(),
        why: error.to_string(),
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(misfit)?
        .with_no_client_auth()
        .with_single_cert(chain, private)
        .map_err(misfit)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Served {
        config: Arc::new(config),
        ends_at,
    })
}

fn bytes(path: &Path) -> Result<Vec<u8>, TlsError> {
    use std::io::Read;
    let unreadable = |source| TlsError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(FILE_MAX)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
