//! One process writes a journal.
//!
//! The lock is `flock` on a file beside the journal, so that the kernel releases
//! it however its holder ends; what the file says is only there to tell a second
//! process whom it has to do with. SQLite's own locks would let two servers take
//! turns, each acting on a record that the other changes.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{Read, Seek, Write},
    path::Path,
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
};
use serde::{Deserialize, Serialize};

use super::beside;
use crate::error::{Cause, OpenError};

const HOLDER_BYTES_MAX: u64 = 4096;
const COMMAND_CHARS_MAX: usize = 300;

/// Who holds a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process id, on its host.
    pub pid: u32,
    /// The host's name.
    pub host: String,
    /// Since when.
    pub since: jiff::Timestamp,
    /// Its command line, cut short.
    pub command: String,
    /// `false` when the lock file could not be read.
    #[serde(default = "known")]
    pub known: bool,
}

fn known() -> bool {
    true
}

impl Holder {
    fn this_process() -> Holder {
        let arguments: Vec<_> = std::env::args_os()
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        Holder {
            pid: std::process::id(),
            host: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            since: jiff::Timestamp::now(),
            command: arguments
                .join(" ")
                .chars()
                .take(COMMAND_CHARS_MAX)
                .collect(),
            known: true,
        }
    }

    fn unknown() -> Holder {
        Holder {
            pid: 0,
            host: String::new(),
            since: jiff::Timestamp::UNIX_EPOCH,
            command: String::new(),
            known: false,
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.known {
            return f.write_str("another process (`fuser` on its .lock file names it)");
        }
        write!(
            f,
            "process {} on {} since {:.0} ({})",
            self.pid, self.host, self.since, self.command
        )
    }
}

/// Held as long as it lives.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    pub(super) fn take(journal: &Path) -> Result<Lock, OpenError> {
        let path = beside(journal, ".lock");
        let failed = |what: &'static str| {
            let path = path.clone();
            move |error: std::io::Error| OpenError::File {
                what,
                path,
                cause: Cause::new(error),
            }
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed("cannot open the lock file"))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut text = String::new();
                let read = (&file).take(HOLDER_BYTES_MAX).read_to_string(&mut text);
                let holder = read
                    .ok()
                    .and_then(|_| serde_json::from_str(&text).ok())
                    .unwrap_or_else(Holder::unknown);
                return Err(OpenError::Held {
                    path: journal.to_owned(),
                    holder,
                });
            }
            Err(errno) => return Err(failed("cannot lock")(errno.into())),
        }
        let text = serde_json::to_string(&Holder::this_process()).unwrap_or_default();
        // A full disk must not keep a server from starting for want of a courtesy.
        let _courtesy = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(text.as_bytes()));
        Ok(Lock { _file: file })
    }
}
