//! What an authority gave, in the data folder: `acme/`, for nobody else's eyes.
//!
//! A certificate and its key are one file, so that they are replaced together or not at all;
//! its name says for which host, and a hash for which names of which authority, so that
//! another configuration does not take it for its own. An account is one file for each
//! authority. Every file is written whole beside its place and then moved there.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::hash::Hasher;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::Timestamp;
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use siphasher::sip::SipHasher13;

use crate::settings::Authority;
use crate::tls::life;

/// The folder in the data folder.
const FOLDER: &str = "acme";

/// The longest that what a process before noted holds.
const LEFT_ALONE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Something in the store that cannot be had or put there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// The system refuses it.
    #[error("{path} cannot be used: {source}; check who may read and write there")]
    Unusable { path: PathBuf, source: io::Error },
    /// It is there and cannot be used.
    #[error("{path} cannot be used: {why}")]
    Damaged { path: PathBuf, why: String },
}

/// The folder.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    dir: PathBuf,
}

/// A certificate that can be served.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) key: Arc<CertifiedKey>,
    pub(crate) begins_at: Timestamp,
    pub(crate) ends_at: Timestamp,
}

impl Store {
    /// The folder, made where it is not there.
    pub(crate) fn open(state_dir: &Path) -> Result<Self, StoreError> {
        let dir = state_dir.join(FOLDER);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        let closed =
            made.and_then(|()| std::fs::set_permissions(&dir, Permissions::from_mode(0o700)));
        closed.map_err(unusable(&dir))?;
        Ok(Self { dir })
    }

    /// The right to order; `None` where another process has it. It ends with the file.
    pub(super) fn lock(&self) -> Result<Option<File>, StoreError> {
        let path = self.dir.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        let file = file.map_err(unusable(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(std::fs::TryLockError::WouldBlock) => Ok(None),
            Err(std::fs::TryLockError::Error(source)) => Err(unusable(&path)(source)),
        }
    }

    /// What is stored for these names of this authority.
    pub(crate) fn read(
        &self,
        authority: &Authority,
        provider: &CryptoProvider,
    ) -> Result<Option<Held>, StoreError> {
        let path = self.certificate(authority);
        let Some(text) = read(&path)? else {
            return Ok(None);
        };
        let held = parse(&text, &authority.domains, provider);
        held.map(Some)
            .map_err(|why| StoreError::Damaged { path, why })
    }

    /// Stores a certificate with its key.
    pub(super) fn write(&self, authority: &Authority, pem: &str) -> Result<(), StoreError> {
        write(&self.certificate(authority), pem.as_bytes())
    }

    /// Until when nobody is to be asked for this one, as a process before left it. A damaged
    /// file says nothing, and no clock that was wrong says more than a day.
    pub(super) fn left_alone_until(&self, authority: &Authority, now: Timestamp) -> Timestamp {
        let text = read(&self.left_alone(authority)).unwrap_or_default();
        let until = text.and_then(|text| String::from_utf8(text).ok()?.trim().parse().ok());
        let most = now.checked_add(LEFT_ALONE_MAX).unwrap_or(now);
        until.unwrap_or(now).min(most)
    }

    /// Notes until when nobody is to be asked for this one; `None`: no longer.
    pub(super) fn leave_alone(
        &self,
        authority: &Authority,
        until: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let path = self.left_alone(authority);
        match until {
            Some(until) => write(&path, until.to_string().as_bytes()),
            None => match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    Err(unusable(&path)(error))
                }
                _ => Ok(()),
            },
        }
    }

    /// What the account's key is read from; `None` where there is none yet.
    pub(super) fn account(&self, directory: &str) -> Result<Option<Vec<u8>>, StoreError> {
        read(&self.account_file(directory))
    }

    /// Stores an account.
    pub(super) fn write_account(&self, directory: &str, text: &[u8]) -> Result<(), StoreError> {
        write(&self.account_file(directory), text)
    }

    /// Forgets an account that the authority does not know.
    pub(super) fn forget_account(&self, directory: &str) -> Result<(), StoreError> {
        let path = self.account_file(directory);
        std::fs::remove_file(&path).map_err(unusable(&path))
    }

    fn certificate(&self, authority: &Authority) -> PathBuf {
        let mut names: Vec<&str> = authority.domains.iter().map(String::as_str).collect();
        names.sort_unstable();
        let first = names.first().copied().unwrap_or_default();
        let hash = hash(std::iter::once(authority.directory.as_str()).chain(names.iter().copied()));
        self.dir.join(format!("{first}-{hash:016x}.pem"))
    }

    fn left_alone(&self, authority: &Authority) -> PathBuf {
        self.certificate(authority).with_extension("not-before")
    }

    fn account_file(&self, directory: &str) -> PathBuf {
        let hash = hash(std::iter::once(directory));
        self.dir.join(format!("account-{hash:016x}.json"))
    }
}

/// A certificate with its key, if it can be served for these names.
pub(super) fn parse(
    pem: &[u8],
    domains: &[String],
    provider: &CryptoProvider,
) -> Result<Held, String> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .map_err(|error| format!("its certificate cannot be read: {error}"))?;
    let own = chain.first().ok_or("it holds no certificate")?;
    let (begins_at, ends_at) = life(own).ok_or("its certificate has no beginning and end")?;
    let parsed = ParsedCertificate::try_from(own).map_err(|error| error.to_string())?;
    for domain in domains {
        let name = ServerName::try_from(domain.as_str()).map_err(|error| error.to_string())?;
        verify_server_name(&parsed, &name)
            .map_err(|_| format!("its certificate is not for {domain}"))?;
    }
    let key = PrivateKeyDer::from_pem_slice(pem)
        .map_err(|error| format!("its key cannot be read: {error}"))?;
    let key = CertifiedKey::from_der(chain, key, provider)
        .map_err(|error| format!("its certificate and its key do not fit together: {error}"))?;
    Ok(Held {
        key: Arc::new(key),
        begins_at,
        ends_at,
    })
}

fn unusable(path: &Path) -> impl Fn(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Unusable {
        path: path.clone(),
        source,
    }
}

fn read(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    match std::fs::read(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unusable(path)(error)),
    }
}

/// Writes a file that only we may read: whole or not at all.
fn write(path: &Path, text: &[u8]) -> Result<(), StoreError> {
    let mut fresh = path.to_owned().into_os_string();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    let written = || {
        // One that was left over would keep its own permissions.
        if let Err(error) = std::fs::remove_file(&fresh)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(text)?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)?;
        match path.parent() {
            Some(dir) => File::open(dir)?.sync_all(),
            None => Ok(()),
        }
    };
    written().map_err(unusable(path))
}

/// The same for the same words, on every machine and in every version.
fn hash<'a>(words: impl Iterator<Item = &'a str>) -> u64 {
    let mut hasher = SipHasher13::new();
    for word in words {
        hasher.write(word.as_bytes());
        hasher.write_u8(0);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Backoff;

    fn authority(directory: &str, domains: &[&str]) -> Authority {
        Authority {
            directory: directory.to_owned(),
            domains: domains.iter().map(|&name| name.to_owned()).collect(),
            contact: None,
            root: None,
            backoff: Backoff::default(),
        }
    }

    #[test]
    fn one_process_orders_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (Store::open(dir.path()), Store::open(dir.path()));
        let (one, other) = (one.unwrap(), other.unwrap());
        let lock = one.lock().unwrap();
        assert!(lock.is_some() && other.lock().unwrap().is_none());
        drop(lock);
        assert!(other.lock().unwrap().is_some());
    }

    #[test]
    fn a_restart_leaves_an_authority_alone_that_failed_a_moment_ago() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let wanted = authority("https://one.example/", &["a.example"]);
        let other = authority("https://one.example/", &["b.example"]);
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let until = |text: &str| text.parse::<Timestamp>().unwrap();
        let left_alone = || store.left_alone_until(&wanted, now);
        assert_eq!(left_alone(), now);
        let soon = until("2026-11-21T10:05:00Z");
        store.leave_alone(&wanted, Some(soon)).unwrap();
        assert_eq!(left_alone(), soon);
        assert_eq!(store.left_alone_until(&other, now), now);
        // A clock that was wrong, a damaged file, and a certificate that came.
        let wrong = until("2999-01-01T00:00:00Z");
        store.leave_alone(&wanted, Some(wrong)).unwrap();
        assert_eq!(left_alone(), until("2026-11-22T10:00:00Z"));
        std::fs::write(store.left_alone(&wanted), "soon").unwrap();
        assert_eq!(left_alone(), now);
        for _ in 0..2 {
            store.leave_alone(&wanted, None).unwrap();
            assert_eq!(left_alone(), now);
        }
    }

    #[test]
    fn what_is_stored_is_for_these_names_of_this_authority_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let provider = rustls::crypto::ring::default_provider();
        let names = ["b.example".to_owned(), "a.example".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let (key, own) = (made.signing_key.serialize_pem(), made.cert.pem());
        let wanted = authority("https://one.example/", &["a.example", "b.example"]);
        let read = |of: &Authority| store.read(of, &provider).map(|held| held.is_some());
        assert!(!read(&wanted).unwrap());
        store.write(&wanted, &(key.clone() + &own)).unwrap();
        assert!(read(&wanted).unwrap());
        // The order of names means nothing; other names and other authorities do.
        let turned = authority("https://one.example/", &["b.example", "a.example"]);
        assert!(read(&turned).unwrap());
        for other in [
            authority("https://two.example/", &["a.example", "b.example"]),
            authority("https://one.example/", &["a.example"]),
        ] {
            assert!(!read(&other).unwrap());
        }
        let foreign = rcgen::KeyPair::generate().unwrap().serialize_pem();
        let half = &own[..own.len() / 2];
        for damaged in [own.clone(), key.clone(), foreign + &own, key + half] {
            store.write(&wanted, &damaged).unwrap();
            assert!(read(&wanted).is_err(), "{damaged}");
        }
        // For other names than it says.
        let made = rcgen::generate_simple_self_signed(["c.example".to_owned()]).unwrap();
        let pem = made.signing_key.serialize_pem() + &made.cert.pem();
        store.write(&wanted, &pem).unwrap();
        let error = read(&wanted).unwrap_err().to_string();
        assert!(error.contains("not for a.example"), "{error}");
    }
}
