use std::io;
use std::path::{Path, PathBuf};

use crate::process::watchdog;

/// A temporary folder, removed on drop, and by the watchdog when we are killed.
#[derive(Debug)]
pub struct Scratch {
    folder: tempfile::TempDir,
}

impl Scratch {
    /// A new empty folder under the system's temporary folder. `what` becomes
    /// part of its name, so that a leftover says where it came from.
    pub fn new(what: &str) -> io::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix(&format!("evenkeel-{what}-"))
            .tempdir()?;
        watchdog::remove_later(folder.path());
        Ok(Self { folder })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A path inside it; nothing is created.
    #[must_use]
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }
}
