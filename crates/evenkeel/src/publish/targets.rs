//! Places where an edition is published, and the order in which its files arrive there.
//!
//! | target | how readers never see half an edition |
//! |---|---|
//! | folder, server behind SSH | the edition is written into a folder of its own, beside the one that is served; then one symbolic link is swung over by a rename, which is atomic. Readers have the old edition or the new one. The one before stays until the next, for whoever is reading it |
//! | object store | there is no atomic set. Each object is replaced whole; those that others link to come first, the front page last, and what is gone is deleted after that. Who follows a link finds what it names |
//!
//! What is there already with the same content is not written again: in a folder it is
//! linked from the edition before, in an object store it is left alone.

pub mod folders;
pub mod objects;

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Bytes;
use evenkeel_core::ids::TargetId;
use evenkeel_guards::guard::BoxFuture;
use evenkeel_guards::sftp::Login;

use super::edition::Edition;

/// The largest file that is read of a copy; see [`super::edition`].
pub const FILE_MAX: usize = 5 << 20;

/// A place where editions go.
pub trait Target: Send + Sync {
    /// Where it is, in words, without anything secret.
    fn place(&self) -> String;

    /// Reads files of the copy that is there, by their names in a folder; `None` for those
    /// that are not there. None is larger than [`FILE_MAX`].
    fn read<'a>(
        &'a self,
        names: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<Bytes>>, TargetError>>;

    /// Puts an edition there; how many files were written.
    fn publish<'a>(&'a self, edition: &'a Edition) -> BoxFuture<'a, Result<usize, TargetError>>;
}

/// An edition that is not there.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// A file or folder cannot be written.
    #[error("{path} cannot be written: {source}; {}", advice(source))]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What is there cannot be read.
    #[error("{place} cannot be read: {why}")]
    Unreadable {
        /// Which.
        place: String,
        /// Why.
        why: String,
    },
    /// The keeper has published there meanwhile.
    #[error("the keeper has published there: it speaks for itself again")]
    KeeperSpeaks,
    /// The last try still stands on the file system.
    #[error(
        "the last try has not come back from the file system: look whether its disk or server hangs"
    )]
    Hangs,
    /// The server behind SSH refuses.
    #[error("{place}: {why}")]
    Ssh {
        /// Which.
        place: String,
        /// What it, or `ssh` itself, said.
        why: String,
    },
    /// The object store refuses.
    #[error("{key} was not taken: {}", crate::pump::store::chain(source.as_ref()))]
    Object {
        /// Which object.
        key: String,
        /// Why.
        source: Box<object_store::Error>,
    },
}

fn advice(source: &std::io::Error) -> &'static str {
    use std::io::ErrorKind;
    match source.kind() {
        ErrorKind::NotFound => "make the folder, and let the user who runs Evenkeel write to it",
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            "let the user who runs Evenkeel write to it"
        }
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room on its file system",
        _ => "look at its file system",
    }
}

/// A target of the configuration.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its name.
    pub id: TargetId,
    /// Where it is.
    pub place: Place,
}

/// Where a target is.
#[derive(Debug, Clone)]
pub enum Place {
    /// A folder of this host.
    Folder(PathBuf),
    /// A folder of a server behind SSH.
    Sftp {
        /// How it is reached.
        login: Login,
        /// The folder.
        folder: String,
    },
    /// A bucket.
    Objects(objects::Bucket),
}

/// A target that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("[[publish]] {id} cannot be used: {why}")]
pub struct SpecError {
    id: TargetId,
    why: String,
}

impl Spec {
    /// The target.
    ///
    /// # Errors
    /// What of its settings the client of its object store refuses.
    pub fn target(&self) -> Result<Arc<dyn Target>, SpecError> {
        Ok(match &self.place {
            Place::Folder(path) => Arc::new(folders::Folders::local(path.clone())),
            Place::Sftp { login, folder } => {
                Arc::new(folders::Folders::behind_ssh(login.clone(), folder.clone()))
            }
            Place::Objects(bucket) => {
                let made = objects::Objects::of(bucket);
                Arc::new(made.map_err(|error| SpecError {
                    id: self.id.clone(),
                    why: crate::pump::store::chain(&error),
                })?)
            }
        })
    }
}
