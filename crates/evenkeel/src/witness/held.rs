//! The keeper's last edition, held by the witness: what it publishes must not lose what the
//! keeper published before.
//!
//! History, feeds and the pages of incidents are the keeper's; the witness takes the place
//! of what speaks of now, and of nothing else. So while the keeper speaks, the witness reads
//! its newest edition from the targets, file by file, and keeps it in its own data folder by
//! its hashes: what was there before is not read again. An edition counts when all of it is
//! there and fits the keeper's signature.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use axum::body::Bytes;
use sha2::{Digest, Sha256};

use crate::publish::signing::Key;
use crate::publish::statement::{SIGNATURE, STATEMENT, STATEMENT_MAX, Statement, Voice};
use crate::publish::targets::{FILE_MAX, Target, TargetError};

/// Its name in the data folder.
const NAME: &str = "held";

/// What all files of an edition may take: some twenty times what fifty incidents do.
const BYTES_MAX: usize = 256 << 20;

/// Files that are read at a time.
const AT_ONCE: usize = 16;

/// The keeper's last edition.
#[derive(Debug, Clone)]
pub(super) struct Held {
    /// What it is.
    pub(super) statement: Statement,
    /// Its files, by their name in a folder.
    pub(super) files: BTreeMap<String, Bytes>,
}

/// An edition that could not be taken over.
#[derive(Debug, thiserror::Error)]
pub(super) enum HoldError {
    /// The target does not give it.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// It is being replaced, or somebody changed it.
    #[error("{0} is not what the keeper signed; it may be replaced just now")]
    Changed(String),
    /// It is too large.
    #[error("the edition is larger than {BYTES_MAX} bytes, which none of ours is")]
    Large,
    /// It cannot be kept.
    #[error("{path} cannot be written")]
    Keep {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Where it is kept.
#[derive(Debug, Clone)]
pub(super) struct Shelf(PathBuf);

impl Shelf {
    /// The one of a data folder.
    pub(super) fn of(data_dir: &Path) -> Self {
        Self(data_dir.join(NAME))
    }

    /// What was kept, where all of it is there and signed by `key`.
    pub(super) fn load(&self, key: &Key) -> Option<Held> {
        let read = |name: &str, max: usize| {
            let read = crate::publish::places::read_file(self.0.join(name), name.into(), max);
            read.ok().flatten()
        };
        let (text, signature) = (read(STATEMENT, STATEMENT_MAX)?, read(SIGNATURE, 4096)?);
        let keys = std::slice::from_ref(key);
        let (statement, _) = Statement::verified(&text, &signature, keys).ok()?;
        let mut files = BTreeMap::new();
        for (name, hash) in &statement.files {
            let bytes = read(&file_name(hash), FILE_MAX)?;
            if Sha256::digest(&bytes)[..] != *hash {
                return None;
            }
            files.insert(name.clone(), bytes);
        }
        Some(Held { statement, files })
    }

    /// Takes the edition over that is at `target`, where it is the keeper's and newer than
    /// `known`; what `known` has already is not read again.
    ///
    /// # Errors
    /// Why it could not be; what was held stays.
    pub(super) async fn follow(
        &self,
        target: &dyn Target,
        key: &Key,
        known: Option<&Held>,
    ) -> Result<Option<Held>, HoldError> {
        let names = [STATEMENT, SIGNATURE].map(str::to_owned);
        let read = target.read(&names).await?;
        let [Some(text), Some(signature)] = &read[..] else {
            return Ok(None);
        };
        let keys = std::slice::from_ref(key);
        let Ok((statement, _)) = Statement::verified(text, signature, keys) else {
            return Ok(None);
        };
        let newest = known.map(|known| known.statement.stamp.made_at);
        if statement.by != Voice::Keeper || newest >= Some(statement.stamp.made_at) {
            return Ok(None);
        }
        let mut files: BTreeMap<String, Bytes> = BTreeMap::new();
        let mut wanted = Vec::new();
        for (name, hash) in &statement.files {
            let has = known.filter(|known| known.statement.files.get(name) == Some(hash));
            match has.and_then(|known| known.files.get(name)) {
                Some(bytes) => {
                    files.insert(name.clone(), bytes.clone());
                }
                None => wanted.push(name.clone()),
            }
        }
        let mut bytes_left = BYTES_MAX;
        for names in wanted.chunks(AT_ONCE) {
            let read = target.read(names).await?;
            for (name, bytes) in names.iter().zip(read) {
                let fits = |bytes: &Bytes| Sha256::digest(bytes)[..] == statement.files[name];
                let bytes = bytes.filter(fits);
                let bytes = bytes.ok_or_else(|| HoldError::Changed(name.clone()))?;
                bytes_left = bytes_left
                    .checked_sub(bytes.len())
                    .ok_or(HoldError::Large)?;
                files.insert(name.clone(), bytes);
            }
        }
        let held = Held { statement, files };
        let (shelf, kept) = (self.clone(), held.clone());
        let (text, signature) = (text.clone(), signature.clone());
        let kept = tokio::task::spawn_blocking(move || shelf.keep(&kept, &text, &signature));
        kept.await.unwrap_or_else(|error| {
            let source = io::Error::other(error);
            let path = self.0.clone();
            Err(HoldError::Keep { path, source })
        })?;
        Ok(Some(held))
    }

    /// The statement last: until then the one before counts. Files it does not name any more
    /// go after that.
    fn keep(&self, held: &Held, text: &[u8], signature: &[u8]) -> Result<(), HoldError> {
        let told = |path: PathBuf| move |source| HoldError::Keep { path, source };
        std::fs::create_dir_all(&self.0).map_err(told(self.0.clone()))?;
        let mut named: BTreeSet<String> = [STATEMENT, SIGNATURE].map(str::to_owned).into();
        for (name, hash) in &held.statement.files {
            let file = file_name(hash);
            let path = self.0.join(&file);
            if !path.exists() {
                write(&path, &held.files[name]).map_err(told(path.clone()))?;
            }
            named.insert(file);
        }
        for (name, bytes) in [(SIGNATURE, signature), (STATEMENT, text)] {
            let path = self.0.join(name);
            write(&path, bytes).map_err(told(path.clone()))?;
        }
        for entry in std::fs::read_dir(&self.0).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !named.contains(&name) {
                let _kept = std::fs::remove_file(entry.path());
            }
        }
        Ok(())
    }
}

fn file_name(hash: &[u8; 32]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("draft");
    std::fs::write(&draft, bytes)?;
    std::fs::rename(&draft, path)
}
