//! A PostgreSQL query, as an application asks it: over a connection of its own, through
//! whatever pooler stands between.
//!
//! Read-only by the server's own word (`begin read only`), with a `statement_timeout` of
//! the check's timeout, rolled back by leaving. Nothing is set at the start of the
//! connection, because poolers refuse that. One row is read, and messages are bounded
//! before the driver sees them: a server that is none could announce two gigabytes.

use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};

use super::claim::quoted;
use super::net::{Address, Net, broken};
use super::trial::{Trial, Tried, Trouble, target};
use crate::locks::say;

/// The largest message of a server, bytes.
const MESSAGE_MAX: usize = 1 << 20;

/// The most that is read of one connection, bytes.
const READ_MAX: usize = 4 << 20;

/// See the module.
#[derive(Clone)]
pub struct Postgres {
    /// Where.
    pub place: Place,
    /// Role, password and database.
    pub connect: Box<Config>,
    /// One statement.
    pub query: String,
    /// What the first column of its first row must be.
    pub value: Option<String>,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres")
            .field("place", &self.place)
            .field("query", &self.query)
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A port.
    Tcp(Address),
    /// A Unix socket.
    Unix(PathBuf),
}

pub(super) async fn make(
    postgres: &Postgres,
    patience: Duration,
    net: &Net,
    trial: &mut Trial,
) -> Tried<()> {
    if let Some(password) = postgres.connect.get_password() {
        trial.hide(&String::from_utf8_lossy(password));
    }
    match &postgres.place {
        Place::Tcp(address) => {
            let stream = net.connect(address, trial).await?;
            converse(postgres, patience, stream, trial).await
        }
        Place::Unix(path) => {
            trial.stage(format!("connecting to {}", path.display()));
            let stream = UnixStream::connect(path).await;
            let stream =
                stream.map_err(|e| broken(&format!("no connection to {}", path.display()), &e))?;
            converse(postgres, patience, stream, trial).await
        }
    }
}

async fn converse<S>(
    postgres: &Postgres,
    patience: Duration,
    stream: S,
    trial: &mut Trial,
) -> Tried<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    trial.stage("waiting for PostgreSQL to let it in");
    let mut config = Config::clone(&postgres.connect);
    config
        .ssl_mode(tokio_postgres::config::SslMode::Disable)
        .application_name("evenkeel-check");
    let opened = config.connect_raw(Bounded::new(stream), NoTls).await;
    let (client, connection) = opened.map_err(|error| Trouble::Target(say(&error)))?;
    trial.say(|| "PostgreSQL lets it in".into());
    let asking = async {
        trial.stage("waiting for `begin read only`");
        let limit = patience.as_millis();
        let begin = format!("begin read only; set local statement_timeout = {limit}");
        client.batch_execute(&begin).await?;
        trial.stage("waiting for the answer to the query");
        let rows = client.simple_query_raw(&postgres.query).await?;
        let mut rows = pin!(rows);
        loop {
            let next = std::future::poll_fn(|context| {
                futures_core::Stream::poll_next(rows.as_mut(), context)
            });
            match next.await {
                None => return Ok(None),
                Some(Ok(SimpleQueryMessage::Row(row))) => {
                    let value = if row.is_empty() { None } else { row.get(0) };
                    return Ok(Some(value.map(str::to_owned)));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
            }
        }
    };
    // Driven here and not in a task: with the probe the connection is gone.
    let answer: Result<Option<Option<String>>, tokio_postgres::Error> = tokio::select! {
        biased;
        answer = asking => answer,
        ended = connection => match ended {
            Err(error) => Err(error),
            Ok(()) => return target("the connection was closed before the answer was whole"),
        },
    };
    let row = answer.map_err(|error| Trouble::Target(say(&error)))?;
    let Some(wanted) = &postgres.value else {
        trial.say(|| "the query was answered".into());
        return Ok(());
    };
    match row {
        None => target(format!("the query gave no row, expected `{wanted}`")),
        Some(None) => target(format!("the query gave null, expected `{wanted}`")),
        Some(Some(value)) if value == *wanted => {
            trial.say(|| format!("the query gave `{}`", quoted(&value)));
            Ok(())
        }
        Some(Some(value)) => target(format!(
            "the query gave `{}`, expected `{wanted}`",
            quoted(&value)
        )),
    }
}

/// A stream that knows where the server's messages begin and end, and breaks off at one
/// that is too long.
struct Bounded<S> {
    inner: S,
    head: [u8; 5],
    head_bytes: usize,
    body_left: usize,
    total: usize,
}

impl<S> Bounded<S> {
    fn new(inner: S) -> Self {
        Self {
            inner,
            head: [0; 5],
            head_bytes: 0,
            body_left: 0,
            total: 0,
        }
    }

    /// Follows the messages in `part`: a letter, then a length that counts itself.
    fn follow(&mut self, mut part: &[u8]) -> std::io::Result<()> {
        self.total += part.len();
        if self.total > READ_MAX {
            return Err(no_postgres("it sends more than 4 MiB"));
        }
        while !part.is_empty() {
            if self.body_left > 0 {
                let skipped = self.body_left.min(part.len());
                self.body_left -= skipped;
                part = &part[skipped..];
                continue;
            }
            self.head[self.head_bytes] = part[0];
            self.head_bytes += 1;
            part = &part[1..];
            if self.head_bytes == self.head.len() {
                self.head_bytes = 0;
                let [_, a, b, c, d] = self.head;
                let length = u32::from_be_bytes([a, b, c, d]) as usize;
                if !(4..=MESSAGE_MAX).contains(&length) {
                    return Err(no_postgres(
                        "it does not speak PostgreSQL, or sends too much",
                    ));
                }
                self.body_left = length - 4;
            }
        }
        Ok(())
    }
}

fn no_postgres(why: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, why)
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(context, buffer))?;
        Poll::Ready(this.follow(&buffer.filled()[before..]))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_that_is_too_long_breaks_off_before_it_is_read() {
        let mut stream = Bounded::new(());
        assert!(stream.follow(b"R\0\0\0\x08\0\0\0\0").is_ok());
        assert!(stream.follow(b"D\x7f\xff").is_ok());
        assert!(stream.follow(b"\xff\xff").is_err());
        assert!(
            Bounded::new(())
                .follow(b"HTTP/1.1 400 Bad Request")
                .is_err()
        );
    }

    proptest! {
        #[test]
        fn messages_are_followed_however_they_are_cut(
            lengths in proptest::collection::vec(0_usize..40, 1..10), cut in 1_usize..7,
        ) {
            let mut bytes = Vec::new();
            for length in lengths {
                bytes.push(b'D');
                bytes.extend(u32::try_from(length + 4).unwrap().to_be_bytes());
                bytes.extend(std::iter::repeat_n(0xff, length));
            }
            let mut stream = Bounded::new(());
            for part in bytes.chunks(cut) {
                prop_assert!(stream.follow(part).is_ok());
            }
            prop_assert_eq!((stream.head_bytes, stream.body_left), (0, 0));
        }
    }
}
