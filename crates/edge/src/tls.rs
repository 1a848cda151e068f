//! TLS of a listener: certificates from files, the one whose names fit the client's, read
//! again when they change.
//!
//! What always holds: open connections stay open when a certificate is read again; what
//! cannot be used leaves the one before in place and is said by name. One that has ended is
//! served nevertheless, and said: some clients go on where a refused connection stops all.

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime};

use evenkeel_core::Timestamp;
use rustls::ServerConfig;
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::{ClientHello, ParsedCertificate, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use x509_cert::der::Decode;

use crate::settings::CertificateFiles;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// The largest file that is read. Chains have some thousand bytes.
const FILE_MAX: u64 = 1 << 20;

/// A certificate that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    /// A file cannot be read.
    #[error("{path} cannot be read: {source}; check its name and who may read it")]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    /// There is nothing of the kind in the file.
    #[error("{path} holds no {what} in PEM that can be used")]
    Empty { path: PathBuf, what: &'static str },
    /// They do not fit.
    #[error("{certificate} and {key} do not fit together: {why}")]
    Misfit {
        certificate: PathBuf,
        key: PathBuf,
        why: String,
    },
}

/// The certificates of a listener.
#[derive(Debug)]
pub(crate) struct Certificates {
    files: Vec<CertificateFiles>,
    served: RwLock<Vec<Arc<CertifiedKey>>>,
    provider: Arc<CryptoProvider>,
}

impl Certificates {
    /// Reads all that can be read; what cannot is told by name. `None`: none can be used.
    pub(crate) fn load(files: &[CertificateFiles]) -> (Option<Arc<Self>>, Vec<String>) {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let (mut keys, mut problems) = (Vec::new(), Vec::new());
        for pair in files {
            match read(pair, &provider) {
                Ok((key, ends_at)) => {
                    keys.push(Arc::new(key));
                    if let Some(ends_at) = ends_at
                        && ends_at <= Timestamp::now()
                    {
                        let path = pair.certificate.display();
                        problems.push(format!(
                            "{path} ended at {ends_at}: renew it; it is served meanwhile, and browsers refuse it"
                        ));
                    }
                }
                Err(error) => problems.push(error.to_string()),
            }
        }
        let certificates = (!keys.is_empty()).then(|| {
            Arc::new(Self {
                files: files.to_vec(),
                served: RwLock::new(keys),
                provider,
            })
        });
        (certificates, problems)
    }

    /// What a listener's handshakes go by.
    pub(crate) fn config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, rustls::Error> {
        let config = ServerConfig::builder_with_provider(self.provider.clone());
        let config = config.with_safe_default_protocol_versions()?;
        let mut config = config
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.ticketer = rustls::crypto::ring::Ticketer::new()?;
        Ok(Arc::new(config))
    }

    /// Reads the files again when they change, for ever.
    pub(crate) async fn keep(self: Arc<Self>) {
        let mut known = self.stamps();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let fresh = self.stamps();
            if fresh != known {
                known = fresh;
                self.reload();
            }
        }
    }

    /// Reads the files again. Where one cannot be used, all stay as they were.
    pub(crate) fn reload(&self) {
        let keys: Result<Vec<_>, _> = self
            .files
            .iter()
            .map(|pair| read(pair, &self.provider).map(|(key, _)| Arc::new(key)))
            .collect();
        match keys {
            Ok(keys) => {
                let served = self.served.write();
                *served.unwrap_or_else(|poisoned| poisoned.into_inner()) = keys;
                tracing::info!("certificates read again");
            }
            Err(error) => tracing::error!("{error}. What was served before is served on"),
        }
    }

    fn stamps(&self) -> Vec<Option<(SystemTime, u64)>> {
        let paths = self
            .files
            .iter()
            .flat_map(|pair| [&pair.certificate, &pair.key]);
        let stamp = |path: &PathBuf| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        paths.map(stamp).collect()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let served = self.served.read();
        let served = served.unwrap_or_else(|poisoned| poisoned.into_inner());
        if let [only] = served.as_slice() {
            return Some(only.clone());
        }
        let name = hello
            .server_name()
            .and_then(|name| ServerName::try_from(name).ok());
        let fits = |key: &&Arc<CertifiedKey>| {
            let name = name.as_ref()?;
            let own = ParsedCertificate::try_from(key.cert.first()?).ok()?;
            verify_server_name(&own, name).ok()
        };
        let mut keys = served.iter();
        let fitting = keys.find(|key| fits(key).is_some());
        fitting.or(served.first()).cloned()
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>, TlsError> {
    let unreadable = |source| TlsError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut text = Vec::new();
    let mut bounded = std::io::Read::take(file, FILE_MAX);
    std::io::Read::read_to_end(&mut bounded, &mut text).map_err(unreadable)?;
    Ok(text)
}

/// A certificate with its key, and when it ends.
fn read(
    files: &CertificateFiles,
    provider: &CryptoProvider,
) -> Result<(CertifiedKey, Option<Timestamp>), TlsError> {
    let CertificateFiles { certificate, key } = files;
    let text = bytes(certificate)?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .unwrap_or_default();
    let Some(own) = chain.first() else {
        let (path, what) = (certificate.clone(), "certificate");
        return Err(TlsError::Empty { path, what });
    };
    let ends_at = x509_cert::Certificate::from_der(own).ok().and_then(|own| {
        let ends = own.tbs_certificate.validity.not_after.to_unix_duration();
        Timestamp::from_second(i64::try_from(ends.as_secs()).ok()?).ok()
    });
    let private = PrivateKeyDer::from_pem_slice(&bytes(key)?).map_err(|_| TlsError::Empty {
        path: key.clone(),
        what: "key",
    })?;
    let misfit = |why: rustls::Error| TlsError::Misfit {
        certificate: certificate.clone(),
        key: key.clone(),
        why: why.to_string(),
    };
    let pair = CertifiedKey::from_der(chain, private, provider).map_err(misfit)?;
    Ok((pair, ends_at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str) -> CertificateFiles {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let (certificate, key) = (dir.join("pem"), dir.join("key"));
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        CertificateFiles { certificate, key }
    }

    fn served(certificates: &Certificates) -> Vec<u8> {
        certificates.served.read().unwrap()[0].cert[0].to_vec()
    }

    #[test]
    fn a_new_certificate_is_served_and_a_broken_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let files = write(dir.path(), "a.example");
        let (certificates, problems) = Certificates::load(std::slice::from_ref(&files));
        let certificates = certificates.unwrap();
        assert_eq!(problems, Vec::<String>::new());
        let (first, stamps) = (served(&certificates), certificates.stamps());
        write(dir.path(), "b.example.with.another.length");
        assert_ne!(certificates.stamps(), stamps);
        certificates.reload();
        let second = served(&certificates);
        assert_ne!(first, second);
        // A key that belongs to another certificate, then one that is none.
        let other = rcgen::generate_simple_self_signed(vec!["c".to_owned()]).unwrap();
        for text in [other.signing_key.serialize_pem(), "nonsense".to_owned()] {
            std::fs::write(&files.key, text).unwrap();
            certificates.reload();
            assert_eq!(served(&certificates), second);
            let (none, problems) = Certificates::load(std::slice::from_ref(&files));
            assert!(
                none.is_none() && problems[0].contains("key"),
                "{problems:?}"
            );
        }
    }
}
