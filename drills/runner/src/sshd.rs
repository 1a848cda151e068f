//! A real sshd on loopback with keys of its own, that lets the current user in by SFTP.
//!
//! Whoever logs in sees the whole file system as this user does; paths are those of
//! [`Sshd::files`].

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Scratch;
use crate::process::{Process, ProcessError};

const READY_WITHIN: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(15);

/// sshd run by root insists on this folder. Where the system has none, sshd is given one
/// that only it sees.
const SEPARATION: &str = "/run/sshd";
const WITH_SEPARATION: &str =
    "mount -t tmpfs none /run && mkdir -m 755 /run/sshd && exec \"$0\" \"$@\"";

/// What it greets with.
pub const BANNER: &str = "Payroll bureau file transfer.";

/// Why there is no sshd.
#[derive(Debug, thiserror::Error)]
pub enum SshdError {
    /// Its folder could not be made or written to.
    #[error("cannot prepare sshd's folder: check permissions and space in the temporary folder")]
    Folder(#[source] io::Error),
    /// No key could be made.
    #[error(
        "ssh-keygen makes no key: run `cargo xtask setup`, or `apt-get install openssh-client`"
    )]
    Key,
    /// It did not start.
    #[error("sshd did not start: run `cargo xtask setup`, or `apt-get install openssh-server`")]
    Start(#[source] ProcessError),
    /// It ended.
    #[error("sshd ended or does not listen: {0}")]
    Silent(String),
}

/// A running sshd; ended on drop.
#[derive(Debug)]
pub struct Sshd {
    // Before `folder`: the server ends before its files go.
    _process: Process,
    folder: Scratch,
    /// Where it listens on 127.0.0.1.
    pub port: u16,
}

impl Sshd {
    /// Starts one. It knows `user_key` and not `strange_key`; `known_hosts` knows it.
    pub fn start() -> Result<Self, SshdError> {
        let folder = Scratch::new("sshd").map_err(SshdError::Folder)?;
        std::fs::create_dir(folder.join("files")).map_err(SshdError::Folder)?;
        let write = |name: &str, text: String| {
            std::fs::write(folder.join(name), text).map_err(SshdError::Folder)
        };
        write("banner", format!("{BANNER}\n"))?;
        for key in ["host_key", "user_key", "strange_key"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-C", key, "-f"])
                .arg(folder.join(key))
                .status();
            if !made.is_ok_and(|status| status.success()) {
                return Err(SshdError::Key);
            }
        }
        let read =
            |name: &str| std::fs::read_to_string(folder.join(name)).map_err(SshdError::Folder);
        write("authorized_keys", read("user_key.pub")?)?;
        // Between the choice of a free port and sshd's use of it another may take it.
        let mut said = String::new();
        for _ in 0..5 {
            let port = free_port().map_err(SshdError::Folder)?;
            let process = listening(folder.path(), port)?;
            if process.is_running() {
                let key = read("host_key.pub")?;
                write("known_hosts", format!("[127.0.0.1]:{port} {key}"))?;
                return Ok(Self {
                    _process: process,
                    folder,
                    port,
                });
            }
            said = process.tail();
        }
        Err(SshdError::Silent(said))
    }

    /// The folder that is meant for whoever logs in.
    #[must_use]
    pub fn files(&self) -> PathBuf {
        self.path("files")
    }

    /// A file of the server's own: `user_key`.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A configuration for a client that trusts the hosts in `known_hosts` and shows `key`.
    pub fn client(&self, known_hosts: &str, key: &str) -> io::Result<PathBuf> {
        let config = self.path("ssh_config");
        let text = format!(
            "UserKnownHostsFile {}\n\
             GlobalKnownHostsFile none\n\
             StrictHostKeyChecking yes\n\
             IdentityFile {}\n\
             IdentitiesOnly yes\n\
             IdentityAgent none\n",
            self.path(known_hosts).display(),
            self.path(key).display()
        );
        std::fs::write(&config, text)?;
        Ok(config)
    }
}

fn listening(folder: &Path, port: u16) -> Result<Process, SshdError> {
    let config = folder.join("sshd_config");
    let text = format!(
        "ListenAddress 127.0.0.1:{port}\n\
         HostKey {at}/host_key\n\
         AuthorizedKeysFile {at}/authorized_keys\n\
         Banner {at}/banner\n\
         PidFile none\n\
         StrictModes no\n\
         UsePAM no\n\
         PasswordAuthentication no\n\
         KbdInteractiveAuthentication no\n\
         Subsystem sftp internal-sftp\n",
        at = folder.display()
    );
    std::fs::write(&config, text).map_err(SshdError::Folder)?;
    let alone = rustix::process::geteuid().is_root() && !Path::new(SEPARATION).is_dir();
    let mut command = Command::new(if alone { "unshare" } else { "/usr/sbin/sshd" });
    if alone {
        command.args(["--mount", "sh", "-c", WITH_SEPARATION, "/usr/sbin/sshd"]);
    }
    command.args(["-D", "-e", "-f"]).arg(config);
    let process = Process::start("sshd", command, folder).map_err(SshdError::Start)?;
    let until = Instant::now() + READY_WITHIN;
    while process.is_running() && !process.stderr().contains("Server listening on") {
        if Instant::now() > until {
            return Err(SshdError::Silent(process.tail()));
        }
        // waits: for sshd to listen; looked at again until the deadline above
        std::thread::sleep(POLL);
    }
    Ok(process)
}

fn free_port() -> io::Result<u16> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    Ok(listener.local_addr()?.port())
}
