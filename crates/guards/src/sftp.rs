//! SFTP sessions through the system's `ssh`, so that keys, known hosts and proxies are
//! where the operator keeps them already.
//!
//! Bounded by whoever opens one: a session ends with its value, and `ssh` with it.

use std::path::PathBuf;
use std::process::Stdio;

use openssh_sftp_client::{Error, Sftp, SftpOptions};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr, Command};

/// What is read of what `ssh` says when it fails, bytes.
const SAID_MAX: u64 = 2000;

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Host name or address.
    pub host: String,
    /// Port; `None` leaves it to the configuration of `ssh`.
    pub port: Option<u16>,
    /// User; `None` leaves it to the configuration of `ssh`.
    pub user: Option<String>,
    /// A file with the private key; else what `ssh` itself would use.
    pub identity_file: Option<PathBuf>,
    /// The configuration file `ssh` reads instead of its own.
    pub ssh_config: Option<PathBuf>,
}

/// A session that is open.
#[derive(Debug)]
pub struct Session {
    /// What is asked of the server.
    pub sftp: Sftp,
    ssh: Child,
    errors: ChildStderr,
}

impl Session {
    /// Opens one.
    ///
    /// # Errors
    /// What `ssh` or the server says.
    pub async fn open(login: &Login) -> Result<Self, String> {
        let mut command = Command::new("ssh");
        // Nobody is there to type a password or to say yes to a host key.
        command.args(["-o", "BatchMode=yes", "-o", "ConnectTimeout=10"]);
        if let Some(config) = &login.ssh_config {
            command.arg("-F").arg(config);
        }
        if let Some(port) = login.port {
            command.args(["-p", &port.to_string()]);
        }
        if let Some(user) = &login.user {
            command.args(["-l", user]);
        }
        if let Some(key) = &login.identity_file {
            command.arg("-i").arg(key);
        }
        let mut ssh = command
            .args(["-s", "--", &login.host, "sftp"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                format!("ssh cannot be started: {error}; install the OpenSSH client")
            })?;
        let (Some(input), Some(output), Some(errors)) =
            (ssh.stdin.take(), ssh.stdout.take(), ssh.stderr.take())
        else {
            return Err("ssh has no pipes".into());
        };
        match Sftp::new(input, output, SftpOptions::new()).await {
            Ok(sftp) => Ok(Self { sftp, ssh, errors }),
            Err(error) => Err(said(ssh, errors, &error).await),
        }
    }

    /// Ends it in good order.
    ///
    /// # Errors
    /// What `ssh` says where it ended otherwise.
    pub async fn close(self) -> Result<(), String> {
        let Self { sftp, ssh, errors } = self;
        match sftp.close().await {
            Ok(()) => Ok(()),
            Err(error) => Err(said(ssh, errors, &error).await),
        }
    }

    /// Ends it after an error, which is said as whoever knows it best says it.
    pub async fn failed(self, error: Error) -> String {
        match error {
            // The server answered: its words, and not what it greeted ssh with.
            error @ Error::SftpError(..) => error.to_string(),
            error => said(self.ssh, self.errors, &error).await,
        }
    }
}

/// What ssh itself says is nearer to the cause than a closed pipe.
async fn said(mut ssh: Child, errors: ChildStderr, error: &Error) -> String {
    let mut said = String::new();
    let _ = ssh.start_kill();
    let _ = errors.take(SAID_MAX).read_to_string(&mut said).await;
    let said = said.trim();
    if said.is_empty() {
        error.to_string()
    } else {
        said.replace('\n', "; ")
    }
}
