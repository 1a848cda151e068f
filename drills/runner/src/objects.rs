//! A real object store on loopback that speaks as Amazon's S3 does: s3rver, from npm.
//!
//! It knows one access key, and takes its signatures of version 4 on trust. Whoever asks
//! without one may read, as from a public bucket.

use std::io;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Scratch;
use crate::process::{Process, ProcessError};

const READY_WITHIN: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(15);

/// What it says once it listens; its address follows.
const LISTENS: &str = "S3rver listening on 127.0.0.1:";

/// The bucket that it has.
pub const BUCKET: &str = "status";
/// The access key that it knows.
pub const KEY: &str = "S3RVER";
/// And its secret, which it does not check.
pub const SECRET: &str = "S3RVER";

/// Why there is no object store.
#[derive(Debug, thiserror::Error)]
pub enum ObjectsError {
    /// Its folder could not be made.
    #[error(
        "cannot prepare the store's folder: check permissions and space in the temporary folder"
    )]
    Folder(#[source] io::Error),
    /// It is not installed, or there is no Node.
    #[error("s3rver did not start: run `cargo xtask setup`")]
    Start(#[source] ProcessError),
    /// It ended.
    #[error("s3rver ended or does not listen: {0}")]
    Silent(String),
}

/// A running object store; ended on drop.
#[derive(Debug)]
pub struct Objects {
    // Before `folder`: the server ends before its files go.
    _process: Process,
    _folder: Scratch,
    /// Where it listens on 127.0.0.1.
    pub port: u16,
}

impl Objects {
    /// Starts one, with an empty bucket.
    pub fn start() -> Result<Self, ObjectsError> {
        let folder = Scratch::new("objects").map_err(ObjectsError::Folder)?;
        let program = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../tests/browser/node_modules/s3rver/bin/s3rver.js");
        let mut command = Command::new("node");
        command
            .arg(program)
            .args(["--address", "127.0.0.1", "--port", "0"])
            .args(["--configure-bucket", BUCKET, "--directory"])
            .arg(folder.path());
        let process =
            Process::start("s3rver", command, folder.path()).map_err(ObjectsError::Start)?;
        let until = Instant::now() + READY_WITHIN;
        loop {
            if let Some(port) = listens(&process.stdout()) {
                return Ok(Self {
                    _process: process,
                    _folder: folder,
                    port,
                });
            }
            if !process.is_running() || Instant::now() > until {
                return Err(ObjectsError::Silent(process.tail()));
            }
            // waits: for s3rver to listen; looked at again until the deadline above
            std::thread::sleep(POLL);
        }
    }

    /// What a client is configured with.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

fn listens(said: &str) -> Option<u16> {
    let (_, rest) = said.split_once(LISTENS)?;
    // A line that is not ended may lack digits.
    let (port, _) = rest.split_once('\n')?;
    port.trim().parse().ok()
}
