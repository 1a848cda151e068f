//! A product on an SFTP server.

use evenkeel_core::Timestamp;
use openssh_sftp_client::error::SftpErrorKind;
use openssh_sftp_client::{Error, Sftp};
use tokio::io::AsyncReadExt;

use super::{Content, FileSeen, Found, Remote, Wanted};
use crate::sftp::{Login, Session};

pub(super) async fn look(remote: &Remote, wanted: Wanted) -> Result<Found, String> {
    let session = Session::open(&Login {
        host: remote.host.clone(),
        port: remote.port,
        user: remote.user.clone(),
        identity_file: remote.secret_file.clone(),
        ssh_config: remote.ssh_config.clone(),
    })
    .await?;
    match look_with(&session.sftp, &remote.path, wanted).await {
        Ok(found) => {
            session.close().await?;
            found
        }
        Err(error) => Err(session.failed(error).await),
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
