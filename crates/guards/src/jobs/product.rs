//! What a job must deliver, looked at from outside: a local file, or a file on an FTP or
//! SFTP server.
//!
//! Only the final name counts: a job writes under another name and renames when it is
//! done. The look reads the size, the time of change, the end (for the marker) and, where
//! rows count, the whole file within bounds. A server that cannot be asked is unknown,
//! never missing: a page at night for somebody else's firewall helps nobody.

mod ftp;
mod local;
mod sftp;

use std::path::PathBuf;
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::observation::ProductState;
use evenkeel_core::policy::Pattern;
use jiff::SignedDuration;
use jiff::tz::TimeZone;

/// The longest that one look may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The end of the file that is read for the marker, bytes.
const END_MAX: u64 = 4096;
/// The largest file whose rows are counted, bytes.
const COUNTED_MAX: u64 = 256 * 1024 * 1024;

/// What a job must deliver, and where.
#[derive(Debug, Clone)]
pub struct ProductSpec {
    /// Where it is; `%Y`, `%m`, `%d`, `%H`, ... stand for the time of the job's slot.
    pub place: Place,
    /// What its last line must fit: `# rows=*`.
    pub marker: Option<Pattern>,
    /// Whether its rows are counted: lines that are neither empty nor begin with `#`.
    pub counts_rows: bool,
}

/// Where a product is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file of this host.
    File(PathBuf),
    /// A file on an FTP server.
    Ftp(Remote),
    /// A file on an SFTP server, through the system's `ssh`: its keys, its `known_hosts`,
    /// its configuration.
    Sftp(Remote),
}

/// A file on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Host name or address.
    pub host: String,
    /// Port; `None` for SFTP leaves it to the configuration of `ssh`.
    pub port: Option<u16>,
    /// User; FTP without one is anonymous.
    pub user: Option<String>,
    /// A file with the password (FTP), or with the private key (SFTP).
    pub secret_file: Option<PathBuf>,
    /// The configuration file `ssh` reads instead of its own (SFTP only).
    pub ssh_config: Option<PathBuf>,
    /// The path.
    pub path: String,
}

/// A place that cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PlaceError {
    /// It is neither a path nor an address of a kind we know.
    #[error("`{0}://` is no place a product can be; write ftp://, sftp:// or a path")]
    UnknownKind(String),
    /// The address has a password in it.
    #[error(
        "a password does not belong into the address; put it into a file and name it in password_file"
    )]
    Password,
    /// The address lacks a host or a path.
    #[error("the address needs a host and a path: ftp://user@host/folder/name.csv")]
    Incomplete,
    /// The port is no port.
    #[error("`{0}` is no port; write a number from 1 to 65535")]
    Port(String),
    /// The `%` placeholders cannot be filled in.
    #[error("the placeholders cannot be filled in: {0}")]
    Placeholder(String),
}

impl Place {
    /// Reads `ftp://user@host:port/path`, `sftp://...`, or a path.
    ///
    /// # Errors
    /// What is wrong with the address.
    pub fn parse(text: &str, secret_file: Option<PathBuf>) -> Result<Self, PlaceError> {
        let Some((kind, rest)) = text.split_once("://") else {
            return Ok(Self::File(PathBuf::from(text)));
        };
        let (login, path) = rest.split_once('/').ok_or(PlaceError::Incomplete)?;
        let (user, host) = match login.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, login),
        };
        if user.is_some_and(|user| user.contains(':')) {
            return Err(PlaceError::Password);
        }
        let (host, port) = match host.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                let number = port.parse().ok().filter(|port| *port > 0);
                (
                    host,
                    Some(number.ok_or_else(|| PlaceError::Port(port.to_owned()))?),
                )
            }
            _ => (host, None),
        };
        if host.is_empty() || path.is_empty() {
            return Err(PlaceError::Incomplete);
        }
        let remote = Remote {
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            user: user.map(str::to_owned),
            secret_file,
            ssh_config: None,
            path: path.to_owned(),
        };
        match kind {
            "ftp" => Ok(Self::Ftp(remote)),
            "sftp" => Ok(Self::Sftp(remote)),
            "file" => Ok(Self::File(PathBuf::from(format!("/{path}")))),
            _ => Err(PlaceError::UnknownKind(kind.to_owned())),
        }
    }

    /// The place with its placeholders filled in for a slot.
    ///
    /// # Errors
    /// A placeholder that is none.
    pub fn at(&self, slot: Timestamp, zone: &TimeZone) -> Result<Self, PlaceError> {
        let zoned = slot.to_zoned(zone.clone());
        let fill = |text: &str| {
            jiff::fmt::strtime::format(text, &zoned)
                .map_err(|error| PlaceError::Placeholder(error.to_string()))
        };
        let remote = |remote: &Remote| {
            Ok(Remote {
                path: fill(&remote.path)?,
                ..remote.clone()
            })
        };
        Ok(match self {
            Self::File(path) => Self::File(PathBuf::from(fill(&path.to_string_lossy())?)),
            Self::Ftp(at) => Self::Ftp(remote(at)?),
            Self::Sftp(at) => Self::Sftp(remote(at)?),
        })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Ftp(at) => write!(f, "ftp://{}/{}", at.host, at.path),
            Self::Sftp(at) => write!(f, "sftp://{}/{}", at.host, at.path),
        }
    }
}

/// What a look found, before it is judged against the marker.
pub(super) enum Found {
    Nothing,
    File(FileSeen),
}

/// A file as it was seen.
pub(super) struct FileSeen {
    bytes: u64,
    modified_at: Timestamp,
    /// Its end, or all of it where rows are counted.
    content: Option<Content>,
}

/// What was read of a file: its last line, and its rows where they were asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    last_line: String,
    rows: u64,
    counted: bool,
    line: Vec<u8>,
}

/// The longest line that is kept; longer ones are rows all the same.
const LINE_MAX: usize = 4096;

impl Content {
    /// Takes the next bytes of the file.
    fn take(&mut self, bytes: &[u8]) {
        let mut parts = bytes.split(|byte| *byte == b'\n').peekable();
        while let Some(part) = parts.next() {
            let room = LINE_MAX.saturating_sub(self.line.len());
            self.line.extend(&part[..part.len().min(room)]);
            if parts.peek().is_some() {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.line);
        let line = line.trim_end();
        if !line.is_empty() {
            self.rows += u64::from(!line.starts_with('#'));
            self.last_line = line.to_owned();
        }
        self.line.clear();
    }

    fn end(mut self, counted: bool) -> Self {
        self.end_line();
        self.counted = counted;
        self
    }
}

/// How much of a file a look needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    end: bool,
    rows: bool,
}

impl Wanted {
    /// From where to read a file of `bytes`; `None` where nothing is needed.
    fn from(self, bytes: u64) -> Option<u64> {
        match self {
            Self { rows: true, .. } if bytes <= COUNTED_MAX => Some(0),
            Self {
                end: false,
                rows: false,
            } => None,
            _ => Some(bytes.saturating_sub(END_MAX)),
        }
    }
}

/// Looks once at the product of the slot at `slot`.
pub(super) async fn look(spec: &ProductSpec, slot: Timestamp, zone: &TimeZone) -> ProductState {
    let place = match spec.place.at(slot, zone) {
        Ok(place) => place,
        Err(error) => return ProductState::Unreachable(error.to_string()),
    };
    let wanted = Wanted {
        end: spec.marker.is_some(),
        rows: spec.counts_rows,
    };
    let found = async {
        match &place {
            Place::File(path) => local::look(path.clone(), wanted).await,
            Place::Ftp(remote) => ftp::look(remote, wanted).await,
            Place::Sftp(remote) => sftp::look(remote, wanted).await,
        }
    };
    match tokio::time::timeout(PATIENCE, found).await {
        Err(_) => ProductState::Unreachable(format!(
            "{place} gave no answer within {} s",
            PATIENCE.as_secs()
        )),
        Ok(Err(why)) => ProductState::Unreachable(format!("{place}: {why}")),
        Ok(Ok(Found::Nothing)) => ProductState::Absent,
        Ok(Ok(Found::File(file))) => {
            let content = file.content.as_ref();
            ProductState::Present {
                bytes: file.bytes,
                modified_at: file.modified_at,
                complete: spec
                    .marker
                    .as_ref()
                    .map(|marker| content.is_some_and(|content| marker.fits(&content.last_line))),
                rows: content
                    .filter(|content| content.counted)
                    .map(|content| content.rows),
            }
        }
    }
}

/// Reads a secret from its file, without the line end.
async fn secret(path: &std::path::Path) -> Result<String, String> {
    let text = tokio::fs::read_to_string(path).await;
    let text = text.map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(text.trim_end().to_owned())
}

/// Yesterday's product is looked for under yesterday's name: the slot a look is for.
pub(super) fn slot_for(last_slot: Option<Timestamp>, now: Timestamp) -> Timestamp {
    // A job that has not run for longer than a week has no slot worth asking for.
    last_slot
        .filter(|slot| now.duration_since(*slot) < SignedDuration::from_hours(7 * 24))
        .unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_filled_in() {
        let zone = TimeZone::get("Europe/Warsaw").expect("a zone");
        let slot = "2026-11-20T23:30:00Z".parse().expect("a time");
        let place = Place::parse("ftp://anna@[::1]:2121/out/pay-%Y-%m-%d.csv", None);
        let Ok(Place::Ftp(remote)) = place.expect("a place").at(slot, &zone) else {
            panic!("not FTP");
        };
        assert_eq!((remote.host.as_str(), remote.port), ("::1", Some(2121)));
        assert_eq!(remote.path, "out/pay-2026-11-21.csv");
        assert_eq!(remote.user.as_deref(), Some("anna"));
        for (text, error) in [
            ("http://a/b", PlaceError::UnknownKind("http".into())),
            ("ftp://a:b@host/x", PlaceError::Password),
            ("ftp://host", PlaceError::Incomplete),
            ("ftp://host:99999/x", PlaceError::Port("99999".into())),
        ] {
            assert_eq!(Place::parse(text, None), Err(error), "{text}");
        }
    }

    #[test]
    fn rows_and_the_last_line_are_found_however_the_bytes_are_cut() {
        let text = b"# head\na;1\n\nb;2\r\n# rows=2\n";
        for size in 1..text.len() {
            let mut content = Content::default();
            for chunk in text.chunks(size) {
                content.take(chunk);
            }
            let content = content.end(true);
            assert_eq!((content.rows, content.last_line.as_str()), (2, "# rows=2"));
        }
        let mut long = Content::default();
        long.take(&vec![b'x'; 3 * LINE_MAX]);
        assert_eq!(long.end(true).last_line.len(), LINE_MAX);
    }
}
