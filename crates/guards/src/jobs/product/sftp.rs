//! A product on an SFTP server, through the system's `ssh`, so that keys, known hosts and
//! proxies are where the operator keeps them already.

use std::process::Stdio;

use evenkeel_core::Timestamp;
use openssh_sftp_client::error::SftpErrorKind;
use openssh_sftp_client::{Error, Sftp, SftpOptions};
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use super::{Content, FileSeen, Found, Remote, Wanted};

pub(super) async fn look(remote: &Remote, wanted: Wanted) -> Result<Found, String> {
    let mut command = Command::new("ssh");
    // Nobody is there to type a password or to say yes to a host key.
    command.args(["-o", "BatchMode=yes", "-o", "ConnectTimeout=10"]);
    if let Some(config) = &remote.ssh_config {
        command.arg("-F").arg(config);
    }
    if let Some(port) = remote.port {
        command.args(["-p", &port.to_string()]);
    }
    if let Some(user) = &remote.user {
        command.args(["-l", user]);
    }
    if let Some(key) = &remote.secret_file {
        command.arg("-i").arg(key);
    }
    let mut ssh = command
        .args(["-s", "--", &remote.host, "sftp"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("ssh cannot be started: {error}; install the OpenSSH client"))?;
    let (Some(input), Some(output), Some(errors)) =
        (ssh.stdin.take(), ssh.stdout.take(), ssh.stderr.take())
    else {
        return Err("ssh has no pipes".into());
    };
    let session = async {
        let sftp = Sftp::new(input, output, SftpOptions::new()).await?;
        let answer = match look_with(&sftp, &remote.path, wanted).await {
            // The server answered: its words, and not what it greeted ssh with.
            Err(error @ Error::SftpError(..)) => Err(error.to_string()),
            found => found?,
        };
        sftp.close().await?;
        Ok(answer)
    };
    match session.await {
        Ok(answer) => answer,
        Err::<_, Error>(error) => {
            // What ssh itself says is nearer to the cause than a closed pipe.
            let mut said = String::new();
            let _ = ssh.start_kill();
            let _ = errors.take(2000).read_to_string(&mut said).await;
            let said = said.trim();
            Err(if said.is_empty() {
                error.to_string()
            } else {
                said.replace('\n', "; ")
            })
        }
    }
}

/// The outer error is one of the session; the inner one says why there is no product in it.
async fn look_with(
    sftp: &Sftp,
    path: &str,
    wanted: Wanted,
) -> Result<Result<Found, String>, Error> {
    let meta = match sftp.fs().metadata(path).await {
        Ok(meta) => meta,
        Err(Error::SftpError(SftpErrorKind::NoSuchFile, _)) => return Ok(Ok(Found::Nothing)),
        Err(error) => return Err(error),
    };
    // A server need not say what kind it is.
    if meta.file_type().is_some_and(|kind| !kind.is_file()) {
        return Ok(Err("it is not a file".into()));
    }
    let bytes = meta.len().unwrap_or_default();
    let modified_at = meta
        .modified()
        .and_then(|time| Timestamp::try_from(time.as_system_time()).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH);
    let content = match wanted.from(bytes) {
        None => None,
        Some(from) => {
            use std::io::SeekFrom;
            use tokio::io::AsyncSeekExt;
            let file = openssh_sftp_client::file::TokioCompatFile::from(sftp.open(path).await?);
            tokio::pin!(file);
            file.seek(SeekFrom::Start(from)).await?;
            let mut content = Content::default();
            let mut buffer = vec![0; 32 * 1024];
            let mut left = bytes - from;
            while left > 0 {
                let count = file.read(&mut buffer).await?;
                if count == 0 {
                    break;
                }
                content.take(&buffer[..count]);
                left = left.saturating_sub(count as u64);
            }
            Some(content.end(wanted.rows && from == 0))
        }
    };
    Ok(Ok(Found::File(FileSeen {
        bytes,
        modified_at,
        content,
    })))
}
