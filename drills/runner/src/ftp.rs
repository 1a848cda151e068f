//! An FTP server that can be told to hang.
//!
//! pyftpdlib from the distribution does the protocol; the hanging is ours: an
//! upload that is to stall has its data connection accepted and never read. The
//! client then fills the socket buffers on both sides (several hundred KiB to a
//! few MiB on loopback) and waits for ever. Nothing on the wire distinguishes
//! this from a slow server, which is what made the outage hard to see.
//!
//! Delivered files lie in an ordinary folder, so that a drill counts rows
//! without asking the server.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Scratch;
use crate::process::{Process, ProcessError};

const READY_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(15);
/// Debian's interpreter: pyftpdlib is installed for it, not for one in PATH.
const PYTHON: &str = "/usr/bin/python3";

/// Why there is no FTP server.
#[derive(Debug, thiserror::Error)]
pub enum FtpError {
    /// Its folder could not be made or written to.
    #[error(
        "cannot prepare the FTP server's folder: check permissions and space in the temporary folder"
    )]
    Folder(#[source] io::Error),
    /// It did not start.
    #[error(
        "the FTP server did not start: run `cargo xtask setup`, or `apt-get install python3-pyftpdlib`"
    )]
    Start(#[source] ProcessError),
}

/// A file as it lies on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Data rows: lines without the header and without the trailer.
    pub rows_count: u64,
    /// The count the trailer line `# rows=N` claims, if there is one.
    pub claimed_count: Option<u64>,
    /// Size of the file.
    pub bytes_count: u64,
}

impl Delivery {
    /// Whether the trailer is there and its count is true.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.claimed_count == Some(self.rows_count)
    }
}

/// A running FTP server; ended on drop.
#[derive(Debug)]
pub struct FtpServer {
    // Before `folder`: the server ends before its files go.
    process: Process,
    folder: Scratch,
    port: u16,
}

impl FtpServer {
    /// The one user.
    pub const USER: &'static str = "payroll";
    /// Its password.
    pub const PASSWORD: &'static str = "throw-away";

    /// Starts it; the first `stall_next` uploads will hang.
    pub async fn start(stall_next: u32) -> Result<Self, FtpError> {
        let folder = Scratch::new("ftp").map_err(FtpError::Folder)?;
        for name in ["root", "control"] {
            std::fs::create_dir(folder.join(name)).map_err(FtpError::Folder)?;
        }
        let script = folder.join("ftp_server.py");
        std::fs::write(&script, include_str!("../assets/ftp_server.py"))
            .map_err(FtpError::Folder)?;
        write_stall_next(&folder, stall_next)?;
        let mut command = Command::new(PYTHON);
        command
            .arg("-u")
            .arg(&script)
            .arg(folder.join("root"))
            .arg(folder.join("control"))
            .args([Self::USER, Self::PASSWORD]);
        let process = Process::start("ftp", command, folder.path()).map_err(FtpError::Start)?;
        let port = wait_for_port(&process, &folder.join("control/port")).await?;
        Ok(Self {
            process,
            folder,
            port,
        })
    }

    /// Its loopback port (control connection).
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where its files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The folder it serves.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    /// From now on, the next `count` uploads hang; 0 makes it well again.
    /// Uploads that already hang stay so.
    pub fn stall_next(&self, count: u32) -> Result<(), FtpError> {
        write_stall_next(&self.folder, count)
    }

    /// Names of the uploads that were stalled so far, in order.
    #[must_use]
    pub fn stalled(&self) -> Vec<String> {
        self.events("stalled ")
    }

    /// Names of the uploads that arrived in full so far, in order, as uploaded
    /// (before a rename).
    #[must_use]
    pub fn received(&self) -> Vec<String> {
        self.events("received ")
    }

    /// A delivered file, or `None` when it is not there.
    #[must_use]
    pub fn delivery(&self, name: &str) -> Option<Delivery> {
        delivery(&self.root().join(name))
    }

    /// Names of the files on the server, sorted.
    #[must_use]
    pub fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.root())
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// The server process, to pause or to kill.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }

    fn events(&self, kind: &str) -> Vec<String> {
        std::fs::read_to_string(self.folder.join("control/events"))
            .unwrap_or_default()
            .lines()
            .filter_map(|line| line.strip_prefix(kind).map(str::to_owned))
            .collect()
    }
}

fn delivery(path: &Path) -> Option<Delivery> {
    let text = std::fs::read_to_string(path).ok()?;
    let (trailer, rows): (Vec<&str>, Vec<&str>) =
        text.lines().skip(1).partition(|line| line.starts_with('#'));
    Some(Delivery {
        rows_count: rows.len() as u64,
        claimed_count: trailer
            .iter()
            .find_map(|line| line.strip_prefix("# rows=")?.parse().ok()),
        bytes_count: text.len() as u64,
    })
}

fn write_stall_next(folder: &Scratch, count: u32) -> Result<(), FtpError> {
    // Renamed into place: the server never reads half a number.
    let new = folder.join("control/stall_next.ours");
    std::fs::write(&new, count.to_string())
        .and_then(|()| std::fs::rename(&new, folder.join("control/stall_next")))
        .map_err(FtpError::Folder)
}

async fn wait_for_port(process: &Process, file: &Path) -> Result<u16, FtpError> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        let running = process.is_running();
        if let Some(port) = std::fs::read_to_string(file)
            .ok()
            .and_then(|text| text.parse().ok())
        {
            return Ok(port);
        }
        if !running || Instant::now() > deadline {
            return Err(FtpError::Start(process.not_yet("port", READY_WITHIN)));
        }
        tokio::time::sleep(POLL).await;
    }
}
