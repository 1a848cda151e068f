//! A product on this host.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::PathBuf;

use evenkeel_core::Timestamp;

use super::{Content, FileSeen, Found, Wanted};

pub(super) async fn look(path: PathBuf, wanted: Wanted) -> Result<Found, String> {
    // Away from the runtime: a network file system may hang.
    tokio::task::spawn_blocking(move || look_now(&path, wanted))
        .await
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())
}

fn look_now(path: &std::path::Path, wanted: Wanted) -> io::Result<Found> {
    let meta = match std::fs::metadata(path) {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(error),
    };
    if !meta.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let bytes = meta.len();
    let modified_at = Timestamp::try_from(meta.modified()?).map_err(io::Error::other)?;
    let content = match wanted.from(bytes) {
        None => None,
        Some(from) => {
            let mut file = File::open(path)?;
            file.seek(SeekFrom::Start(from))?;
            let mut content = Content::default();
            let mut buffer = vec![0; 64 * 1024];
            let mut left = bytes - from;
            while left > 0 {
                let count = file.read(&mut buffer)?;
                if count == 0 {
                    break;
                }
                content.take(&buffer[..count]);
                left = left.saturating_sub(count as u64);
            }
            Some(content.end(wanted.rows && from == 0))
        }
    };
    Ok(Found::File(FileSeen {
        bytes,
        modified_at,
        content,
    }))
}
