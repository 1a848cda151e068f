//! A product on an FTP server: `SIZE`, `MDTM`, and the end by `REST` and `RETR`.

use evenkeel_core::Timestamp;
use suppaftp::tokio::AsyncFtpStream;
use suppaftp::types::{FileType, Mode};
use suppaftp::{FtpError, Status};
use tokio::io::AsyncReadExt;

use super::{Content, FileSeen, Found, Remote, Wanted, secret};

pub(super) async fn look(remote: &Remote, wanted: Wanted) -> Result<Found, String> {
    let password = match &remote.secret_file {
        Some(file) => secret(file).await?,
        None => "anonymous@".into(),
    };
    let user = remote.user.as_deref().unwrap_or("anonymous");
    let port = remote.port.unwrap_or(21);
    let say = |what: &'static str| move |error: FtpError| format!("{what}: {error}");
    let mut ftp = AsyncFtpStream::connect((remote.host.as_str(), port))
        .await
        .map_err(say("cannot connect"))?;
    // PASV answers with an IPv4 address (RFC 959), EPSV with a port alone (RFC 2428).
    if ftp
        .get_ref()
        .await
        .peer_addr()
        .is_ok_and(|peer| peer.is_ipv6())
    {
        ftp.set_mode(Mode::ExtendedPassive);
    }
    ftp.login(user, &password)
        .await
        .map_err(say("login refused"))?;
    // Sizes and offsets mean bytes only in binary.
    ftp.transfer_type(FileType::Binary)
        .await
        .map_err(say("binary transfer refused"))?;
    let bytes = match ftp.size(&remote.path).await {
        Ok(bytes) => bytes as u64,
        Err(FtpError::UnexpectedResponse(answer)) if answer.status == Status::FileUnavailable => {
            let _ = ftp.quit().await;
            return Ok(Found::Nothing);
        }
        Err(error) => return Err(say("its size cannot be asked for")(error)),
    };
    let modified = ftp
        .mdtm(&remote.path)
        .await
        .map_err(say("its time cannot be asked for"))?;
    // RFC 3659: MDTM is in UTC.
    let modified_at = Timestamp::from_second(modified.and_utc().timestamp())
        .map_err(|error| error.to_string())?;
    let content = match wanted.from(bytes) {
        None => None,
        Some(from) => {
            let offset = usize::try_from(from).map_err(|error| error.to_string())?;
            if offset > 0 {
                ftp.resume_transfer(offset)
                    .await
                    .map_err(say("its end cannot be read"))?;
            }
            let mut data = ftp
                .retr_as_stream(&remote.path)
                .await
                .map_err(say("it cannot be read"))?;
            let mut content = Content::default();
            let mut buffer = vec![0; 64 * 1024];
            let mut left = bytes - from;
            while left > 0 {
                let count = data
                    .read(&mut buffer)
                    .await
                    .map_err(|error| format!("it cannot be read: {error}"))?;
                if count == 0 {
                    break;
                }
                content.take(&buffer[..count]);
                left = left.saturating_sub(count as u64);
            }
            data.finish().await.map_err(say("it cannot be read"))?;
            Some(content.end(wanted.rows && from == 0))
        }
    };
    let _ = ftp.quit().await;
    Ok(Found::File(FileSeen {
        bytes,
        modified_at,
        content,
    }))
}
