//! What the hashes of tenants' and sessions' names begin with: sixteen random bytes, made
//! once for a data folder, so that nobody can make a table of likely names, and a tenant
//! has the same hash tomorrow.

use std::fs::OpenOptions;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The file in the data folder.
const NAME: &str = "edge-salt";

/// A salt that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SaltError {
    /// The file cannot be read or made.
    #[error("{path} cannot be used: {source}; check who may read and write it")]
    Unusable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something else stands in it.
    #[error(
        "{path} has not sixteen bytes: bring it back from a backup, or remove it, and every tenant gets another hash"
    )]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
}

/// The salt of a data folder, made where there is none yet.
pub(super) fn of(data_dir: &Path) -> Result<[u8; 16], SaltError> {
    let path = data_dir.join(NAME);
    let unusable = |source| SaltError::Unusable {
        path: path.clone(),
        source,
    };
    match read(&path) {
        Ok(Some(salt)) => return Ok(salt),
        Ok(None) => return Err(SaltError::NotOurs { path }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(unusable(error)),
    }
    make(data_dir, &path).map_err(unusable)?;
    // Another process may have made it first: then that one holds.
    match read(&path) {
        Ok(Some(salt)) => Ok(salt),
        Ok(None) => Err(SaltError::NotOurs { path }),
        Err(error) => Err(unusable(error)),
    }
}

fn read(path: &Path) -> io::Result<Option<[u8; 16]>> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path)?;
    file.take(17).read_to_end(&mut bytes)?;
    Ok(bytes.try_into().ok())
}

/// It appears under its name whole, and never over another one.
fn make(data_dir: &Path, path: &Path) -> io::Result<()> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(io::Error::other)?;
    let draft = data_dir.join(format!("{NAME}.{}", std::process::id()));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(&salt)?;
    file.sync_all()?;
    let linked = std::fs::hard_link(&draft, path);
    std::fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn it_is_made_once_for_its_owner_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = of(folder.path()).expect("made");
        assert_eq!(of(folder.path()).expect("read"), first);
        let other = tempfile::tempdir().expect("a folder");
        assert_ne!(of(other.path()).expect("made"), first);
        let entries: Vec<_> = std::fs::read_dir(folder.path()).expect("read").collect();
        assert_eq!(entries.len(), 1, "no draft is left");
        let meta = std::fs::metadata(folder.path().join(NAME)).expect("there");
        assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_not_ours_is_refused_and_left() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(NAME), "short").expect("written");
        let refused = of(folder.path()).expect_err("refused").to_string();
        assert!(refused.contains("bring it back"), "{refused}");
        let left = std::fs::read(folder.path().join(NAME)).expect("there");
        assert_eq!(left, b"short");
    }
}
