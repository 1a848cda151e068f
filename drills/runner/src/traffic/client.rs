use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, COOKIE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::Outcome;

/// No page of the back office comes near this.
const PAGE_BYTES_MAX: usize = 4 << 20;

/// A connection that was idle for longer is not used again: well below what any server or
/// proxy here allows, so that both ends never close and use it at the same moment.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// Browsers keep six to a host.
const KEPT_MAX: usize = 6;

/// Somebody who is logged in.
#[derive(Debug, Clone, Default)]
pub struct User {
    /// The host they ask, which names their tenant.
    pub host: String,
    /// Their cookies.
    pub cookie: String,
    /// Their session's token for forms.
    pub csrf: String,
}

/// Something that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// A page; 200 is expected.
    Get(String),
    /// A form; a redirect to what was made is expected. The user's token is added.
    Post(String, String),
}

type Kept = (SendRequest<Full<Bytes>>, Instant);

/// All users' browsers.
#[derive(Debug)]
pub(super) struct Client {
    address: SocketAddr,
    users: Vec<(User, Mutex<VecDeque<Kept>>)>,
}

impl Client {
    pub(super) fn new(address: SocketAddr, users: Vec<User>) -> Self {
        Self {
            address,
            users: users
                .into_iter()
                .map(|user| (user, Mutex::default()))
                .collect(),
        }
    }

    /// Asks, and reads the whole answer.
    pub(super) async fn ask(&self, user: usize, ask: &Ask) -> Outcome {
        let (user, kept) = &self.users[user];
        let mut request = match request(user, ask) {
            Ok(request) => request,
            Err(error) => return Outcome::Broken(error.to_string()),
        };
        let (response, mut sender) = loop {
            let usable = take(kept).await;
            let fresh = usable.is_none();
            let mut sender = match usable {
                Some(sender) => sender,
                None => match self.connect().await {
                    Ok(sender) => sender,
                    Err(why) => return Outcome::Broken(why),
                },
            };
            match sender.try_send_request(request).await {
                Ok(response) => break (response, sender),
                Err(mut error) => match error.take_message() {
                    // It never left, and there was a reason for it to be closed.
                    Some(unsent) if !fresh => request = unsent,
                    _ => return Outcome::Broken(in_full(&error.into_error())),
                },
            }
        };
        let expected = match ask {
            Ask::Get(_) => 200,
            Ask::Post(..) => 303,
        };
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), PAGE_BYTES_MAX);
        if let Err(error) = body.collect().await {
            return Outcome::Cut(error.to_string());
        }
        if sender.ready().await.is_ok() {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() < KEPT_MAX {
                kept.push_back((sender, Instant::now()));
            }
        }
        if status == expected {
            Outcome::Answered
        } else {
            Outcome::Refused(status)
        }
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, String> {
        let stream = TcpStream::connect(self.address).await;
        let stream = stream.map_err(|error| format!("no connection: {error}"))?;
        // The last small segment of a form must not wait for an acknowledgement.
        let _ = stream.set_nodelay(true);
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| in_full(&error))?;
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// The connection that was used last, if it is still open.
async fn take(kept: &Mutex<VecDeque<Kept>>) -> Option<SendRequest<Full<Bytes>>> {
    loop {
        let (mut sender, since) = {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            kept.pop_back()?
        };
        if since.elapsed() < IDLE_MAX && sender.ready().await.is_ok() {
            return Some(sender);
        }
    }
}

fn request(user: &User, ask: &Ask) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
    let (method, path, body) = match ask {
        Ask::Get(path) => (Method::GET, path, String::new()),
        Ask::Post(path, form) => (Method::POST, path, format!("{form}&csrf={}", user.csrf)),
    };
    let mut request = Request::builder()
        .method(&method)
        .uri(path)
        .header(HOST, &user.host)
        .header(COOKIE, &user.cookie);
    if method == Method::POST {
        request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    }
    request.body(Full::new(body.into()))
}

/// An error with its causes.
pub(crate) fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
