//! TLS of a listener: certificates from files, the one whose names fit the client's, read
//! again when they change; or those that an authority issues ([`crate::acme`]).
//!
//! What always holds: open connections stay open when a certificate is read again; what
//! cannot be used leaves the one before in place and is said by name. One that has ended is
//! served nevertheless, and said: some clients go on where a refused connection stops all.

use std::collections::BTreeMap;
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

/// What an authority speaks that wants to see that a name is ours (RFC 8737).
pub(crate) const PROOF: &[u8] = b"acme-tls/1";

/// What authorities are shown that want to see that a name is ours: nothing but while one
/// looks. One for the whole edge, because they come to port 443 whichever listener asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Challenges(Arc<RwLock<BTreeMap<String, Arc<CertifiedKey>>>>);

impl Challenges {
    /// Shows this for the name.
    pub(crate) fn put(&self, name: &str, proof: CertifiedKey) {
        let mut proofs = self
            .0
            .write()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        proofs.insert(name.to_owned(), Arc::new(proof));
    }

    /// Shows nothing for the name any more.
    pub(crate) fn take(&self, name: &str) {
        let mut proofs = self
            .0
            .write()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        proofs.remove(name);
    }

    fn of(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let proofs = self
            .0
            .read()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        proofs.get(name).cloned()
    }
}

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
    /// None where an authority issues them.
    files: Vec<CertificateFiles>,
    /// None where an authority has not yet issued one: handshakes fail.
    served: RwLock<Vec<Arc<CertifiedKey>>>,
    provider: Arc<CryptoProvider>,
    /// `None`: no listener asks an authority, and none is answered.
    challenges: Option<Challenges>,
}

impl Certificates {
    /// Reads all that can be read; what cannot is told by name. `None`: none can be used.
    pub(crate) fn load(
        files: &[CertificateFiles],
        challenges: Option<Challenges>,
    ) -> (Option<Arc<Self>>, Vec<String>) {
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
                challenges,
            })
        });
        (certificates, problems)
    }

    /// Those that an authority issues: the one that is there already, or none yet.
    pub(crate) fn issued(
        first: Option<Arc<CertifiedKey>>,
        provider: Arc<CryptoProvider>,
        challenges: Challenges,
    ) -> Arc<Self> {
        Arc::new(Self {
            files: Vec::new(),
            served: RwLock::new(first.into_iter().collect()),
            provider,
            challenges: Some(challenges),
        })
    }

    /// Serves this one, from the next handshake on.
    pub(crate) fn serve(&self, key: Arc<CertifiedKey>) {
        let served = self.served.write();
        *served.unwrap_or_else(|poisoned| poisoned.into_inner()) = vec![key];
    }

    /// What a listener's handshakes go by.
    pub(crate) fn config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, rustls::Error> {
        let config = ServerConfig::builder_with_provider(self.provider.clone());
        let config = config.with_safe_default_protocol_versions()?;
        let mut config = config
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        if self.challenges.is_some() {
            config.alpn_protocols.push(PROOF.to_vec());
        }
        config.ticketer = rustls::crypto::ring::Ticketer::new()?;
        Ok(Arc::new(config))
    }

    /// Reads the files again when they change, for ever.
    pub(crate) async fn keep(self: Arc<Self>) {
        if self.files.is_empty() {
            return;
        }
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
        if hello.alpn().is_some_and(|alpn| alpn.eq([PROOF])) {
            let challenges = self.challenges.as_ref()?;
            return challenges.of(&hello.server_name()?.to_ascii_lowercase());
        }
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

/// From when until when a certificate holds.
pub(crate) fn life(own: &CertificateDer<'_>) -> Option<(Timestamp, Timestamp)> {
    let own = x509_cert::Certificate::from_der(own).ok()?;
    let validity = own.tbs_certificate.validity;
    let at = |time: x509_cert::time::Time| {
        let seconds = time.to_unix_duration().as_secs();
        Timestamp::from_second(i64::try_from(seconds).ok()?).ok()
    };
    Some((at(validity.not_before)?, at(validity.not_after)?))
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
    let ends_at = life(own).map(|(_, ends_at)| ends_at);
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
        let (certificates, problems) = Certificates::load(std::slice::from_ref(&files), None);
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
            let (none, problems) = Certificates::load(std::slice::from_ref(&files), None);
            assert!(
                none.is_none() && problems[0].contains("key"),
                "{problems:?}"
            );
        }
    }
}
