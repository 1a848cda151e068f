//! One connection to a mail server: private first, then one mail, then the end; or, for
//! subscribers, many mails on one connection.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, AsyncTokioStream, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt, Rset};
use lettre::transport::smtp::extension::ClientId;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::config::{Account, MailServer, MailTls};
use crate::pump::store::chain;

/// What is read of a server's answers to one mail, TLS included, bytes. A talkative server
/// says some hundred; certificates take some thousand.
pub const ANSWERS_MAX: usize = 256 * 1024;

/// Settings a mail cannot be sent with.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The certificates cannot be read.
    #[error("{path} cannot be read: {why}; it has to hold certificates in PEM")]
    Certificates {
        /// Where.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// TLS cannot be had for this name.
    #[error("no TLS for the mail server `{host}`: {why}; write its name as its certificate has it")]
    Tls {
        /// The server.
        host: String,
        /// Why.
        why: String,
    },
}

/// How one try went.
pub(crate) enum Attempt {
    /// The server took it: its answer.
    Taken(String),
    /// It will not.
    Refused(String),
    /// Not now.
    MayPass(String),
}

/// See the module.
pub(crate) struct Connector {
    server: MailServer,
    starttls: Option<TlsParameters>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Connector {
    pub(crate) fn new(server: &MailServer) -> Result<Self, MailError> {
        let no_tls = |why: &dyn std::error::Error| MailError::Tls {
            host: server.host.clone(),
            why: chain(why),
        };
        let own: Vec<CertificateDer<'static>> = match &server.ca_file {
            None => Vec::new(),
            Some(path) => {
                let unusable = |why: String| MailError::Certificates {
                    path: path.clone(),
                    why,
                };
                let read = CertificateDer::pem_file_iter(path)
                    .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                    .map_err(|error| unusable(error.to_string()))?;
                if read.is_empty() {
                    return Err(unusable("there is no certificate in it".into()));
                }
                read
            }
        };
        let mut connector = Self {
            server: server.clone(),
            starttls: None,
            tls: None,
        };
        match server.tls {
            MailTls::None => {}
            MailTls::StartTls => {
                let mut parameters = TlsParameters::builder(server.host.clone());
                parameters = parameters.certificate_store(match own.is_empty() {
                    true => CertificateStore::WebpkiRoots,
                    false => CertificateStore::None,
                });
                for certificate in own {
                    let certificate = Certificate::from_der(certificate.to_vec());
                    let certificate = certificate.map_err(|error| no_tls(&error))?;
                    parameters = parameters.add_root_certificate(certificate);
                }
                let parameters = parameters.build_rustls();
                connector.starttls = Some(parameters.map_err(|error| no_tls(&error))?);
            }
            MailTls::Tls => {
                let mut roots = RootCertStore::empty();
                if own.is_empty() {
                    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
                }
                for certificate in own {
                    roots.add(certificate).map_err(|error| no_tls(&error))?;
                }
                let provider = Arc::new(rustls::crypto::ring::default_provider());
                let config = ClientConfig::builder_with_provider(provider)
                    .with_safe_default_protocol_versions()
                    .map_err(|error| no_tls(&error))?
                    .with_root_certificates(roots)
                    .with_no_client_auth();
                let name = ServerName::try_from(server.host.clone());
                let name = name.map_err(|error| no_tls(&error))?;
                connector.tls = Some((TlsConnector::from(Arc::new(config)), name));
            }
        }
        Ok(connector)
    }

    pub(super) fn from(&self) -> &lettre::Address {
        &self.server.from
    }

    /// Sends one mail. Not bounded in time: the caller is.
    pub(super) async fn send(&self, written: &[u8], to: &lettre::Address) -> Attempt {
        let mut connection = match self.open().await {
            Ok(connection) => connection,
            Err(attempt) => return attempt,
        };
        let envelope = Envelope::new(Some(self.server.from.clone()), vec![to.clone()]);
        let envelope = match envelope {
            Ok(envelope) => envelope,
            Err(error) => return Attempt::Refused(error.to_string()),
        };
        match connection.send(&envelope, written).await {
            Ok(response) => {
                // It is taken; what the server says to the end of it changes nothing.
                let _ended = connection.quit().await;
                let first: String = response.message().next().unwrap_or_default().into();
                Attempt::Taken(shown(&format!("{} {first}", response.code())))
            }
            Err(error) => judged(&error),
        }
    }

    /// A connection that mail may be sent on: private, and with the account that is asked
    /// for. Not bounded in time: the caller is.
    pub(crate) async fn open(&self) -> Result<AsyncSmtpConnection, Attempt> {
        let MailServer { host, port, .. } = &self.server;
        let mut connection = match self.connect().await {
            Ok(connection) => connection,
            Err(why) => return Err(Attempt::MayPass(format!("{host} port {port}: {why}"))),
        };
        let hello = hello();
        if let Some(parameters) = &self.starttls {
            if !connection.can_starttls() {
                connection.abort().await;
                return Err(Attempt::Refused(format!(
                    "{host} offers no STARTTLS, and nothing is said in the clear: write tls = \"tls\" for a \
                     server that begins with TLS"
                )));
            }
            if let Err(error) = connection.starttls(parameters.clone(), &hello).await {
                return Err(judged(&error));
            }
        }
        if let Some(Account { user, password }) = &self.server.account {
            let account = Credentials::new(user.clone(), password.clone());
            let ways = [Mechanism::Plain, Mechanism::Login];
            if let Err(error) = connection.auth(&ways, &account).await {
                connection.abort().await;
                return Err(judged(&error));
            }
        }
        Ok(connection)
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, String> {
        let MailServer { host, port, .. } = &self.server;
        let stream = TcpStream::connect((host.as_str(), *port)).await;
        let stream = stream.map_err(|error| error.to_string())?;
        // A mail ends with a write of its own, which otherwise waits until the server has
        // acknowledged the text before it: 40 ms each.
        let told_at_once = stream.set_nodelay(true);
        told_at_once.map_err(|error| error.to_string())?;
        let peer = stream.peer_addr().map_err(|error| error.to_string())?;
        let stream = Bounded {
            stream,
            left: ANSWERS_MAX,
            peer,
        };
        let stream: Box<dyn AsyncTokioStream> = match &self.tls {
            None => Box::new(stream),
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await;
                Box::new(Bounded {
                    stream: stream.map_err(|error| shown(&error.to_string()))?,
                    // What is within cannot be more than what is read around it.
                    left: ANSWERS_MAX,
                    peer,
                })
            }
        };
        let connected = AsyncSmtpConnection::connect_with_transport(stream, &hello()).await;
        connected.map_err(|error| shown(&chain(&error)))
    }
}

/// How a server answered to one mail of several on a connection.
pub(crate) enum Delivery {
    /// It took it.
    Taken,
    /// It did not, and may later.
    Later(String),
    /// It never will to this address.
    Refused(String),
    /// The connection is good for nothing: whether it took the mail is not known where it
    /// was `written` already.
    Broken {
        /// Why.
        why: String,
        /// Whether the mail was on its way.
        written: bool,
    },
}

/// Sends one mail on a connection that stays. Not bounded in time: the caller is.
pub(crate) async fn deliver(
    connection: &mut AsyncSmtpConnection,
    (from, to): (&lettre::Address, &lettre::Address),
    letter: &[u8],
) -> Delivery {
    let broken = |error: &Error, written| Delivery::Broken {
        why: shown(&chain(error)),
        written,
    };
    if let Err(error) = connection
        .command(Mail::new(Some(from.clone()), Vec::new()))
        .await
    {
        return broken(&error, false);
    }
    let asked = match connection.command(Rcpt::new(to.clone(), Vec::new())).await {
        Ok(_) => connection.command(Data).await,
        Err(error) => Err(error),
    };
    let answered = match asked {
        Ok(_) => connection.message(letter).await,
        Err(error) if is_closing(&error) => return broken(&error, false),
        Err(error) => {
            // The next mail begins anew.
            if let Err(error) = connection.command(Rset).await {
                return broken(&error, false);
            }
            Err(error)
        }
    };
    match answered {
        Ok(_) => Delivery::Taken,
        Err(error) if is_closing(&error) => broken(&error, true),
        Err(error) => {
            let why = shown(&chain(&error));
            // 5.7 is a word about us, and not about the address (RFC 3463).
            match error.is_permanent() && !why.contains("5.7.") {
                true => Delivery::Refused(why),
                false => Delivery::Later(why),
            }
        }
    }
}

/// Whether nothing more is to be had of a connection: it broke, or the server says 421.
fn is_closing(error: &Error) -> bool {
    let code = error.status().map(u16::from);
    code.is_none_or(|code| code == 421)
}

/// The name we greet with. Servers that check it want an address or a full name; this
/// form says that there is no name (RFC 5321, 4.1.3).
fn hello() -> ClientId {
    ClientId::Ipv4(std::net::Ipv4Addr::LOCALHOST)
}

fn judged(error: &lettre::transport::smtp::Error) -> Attempt {
    let why = shown(&chain(error));
    if error.is_permanent() || error.is_client() {
        Attempt::Refused(why)
    } else {
        Attempt::MayPass(why)
    }
}

/// What a server said, on one line and not longer than anybody reads.
fn shown(text: &str) -> String {
    let text = text.chars().take(300);
    text.map(|letter| if letter.is_control() { ' ' } else { letter })
        .collect()
}

/// A stream of which only so much is read: a server that talks for ever is hung up on.
struct Bounded<S> {
    stream: S,
    left: usize,
    peer: SocketAddr,
}

impl<S> fmt::Debug for Bounded<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounded")
            .field("left", &self.left)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.left == 0 {
            let why = format!("it said more than {ANSWERS_MAX} bytes");
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why)));
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let read = buf.filled().len() - before;
        self.left = self.left.saturating_sub(read);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> AsyncTokioStream for Bounded<S> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}
