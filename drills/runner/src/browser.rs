//! What one user's browser does with the back office: cookies, forms, following
//! a redirect. One connection, opened again when the other side has closed it.
//!
//! It has no timeouts and no retries of its own: who uses it decides how long a
//! person waits, and a retry would hide a failed request from the figures.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, SET_COOKIE};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// No page of the back office comes near this.
const PAGE_BYTES_MAX: usize = 4 << 20;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum BrowserError {
    /// No connection: nobody listens, or it was cut while opening.
    #[error("cannot connect to {0}")]
    Connect(SocketAddr, #[source] std::io::Error),
    /// The connection broke, or what came was not HTTP.
    #[error("the connection broke")]
    Broken(#[source] hyper::Error),
    /// The page broke off or was larger than 4 MiB.
    #[error("the page did not arrive whole: {0}")]
    Page(String),
    /// A request that cannot be built: a path or header with forbidden bytes.
    #[error("cannot ask for this")]
    Request(#[source] hyper::http::Error),
}

/// Address and password of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Their e-mail address.
    pub email: String,
    /// Their password.
    pub password: String,
}

impl Login {
    /// Reads lines `email,password`, as `backoffice seed --users FILE` writes them.
    #[must_use]
    pub fn list(lines: &str) -> Vec<Self> {
        lines
            .lines()
            .filter_map(|line| line.split_once(','))
            .map(|(email, password)| Self {
                email: email.to_owned(),
                password: password.to_owned(),
            })
            .collect()
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// HTTP status.
    pub status: u16,
    /// Where a redirect points.
    pub location: Option<String>,
    /// The body as text.
    pub body: String,
}

impl Page {
    /// Value of the first hidden field of that name.
    #[must_use]
    pub fn hidden_field(&self, name: &str) -> Option<&str> {
        let field = format!("name=\"{name}\" value=\"");
        let at = self.body.find(&field)? + field.len();
        self.body[at..].split('"').next()
    }
}

/// A user's browser.
#[derive(Debug)]
pub struct Browser {
    address: SocketAddr,
    connection: Option<SendRequest<Full<Bytes>>>,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    /// A browser without cookies; connects with its first request.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self {
            address,
            connection: None,
            cookies: BTreeMap::new(),
        }
    }

    /// Asks for a page. Redirects are not followed.
    pub async fn get(&mut self, path: &str) -> Result<Page, BrowserError> {
        self.send(Method::GET, path, Bytes::new()).await
    }

    /// Sends a form. Redirects are not followed.
    pub async fn post(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<Page, BrowserError> {
        let pairs: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect();
        self.send(Method::POST, path, pairs.join("&").into()).await
    }

    /// Fills in the login form and follows to the page behind it. A page with
    /// another status than 200 means that the login was refused.
    pub async fn log_in(&mut self, login: &Login) -> Result<Page, BrowserError> {
        let fields = [
            ("email", login.email.as_str()),
            ("password", login.password.as_str()),
        ];
        let answer = self.post("/login", &fields).await?;
        match &answer.location {
            Some(path) if answer.status == 303 => self.get(path).await,
            // A 200 here is no login either: the form again, at best.
            _ if answer.status == 200 => Ok(Page {
                status: 401,
                ..answer
            }),
            _ => Ok(answer),
        }
    }

    /// All cookies, as they are sent.
    #[must_use]
    pub fn cookie(&self) -> String {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        cookies.join("; ")
    }

    /// Presses the log out button of `page`.
    pub async fn log_out(&mut self, page: &Page) -> Result<Page, BrowserError> {
        let csrf = page.hidden_field("csrf").unwrap_or_default();
        self.post("/logout", &[("csrf", csrf)]).await
    }

    async fn send(
        &mut self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<Page, BrowserError> {
        let mut request = Request::builder()
            .method(&method)
            .uri(path)
            .header(HOST, self.address.to_string());
        if method == Method::POST {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        if !self.cookies.is_empty() {
            request = request.header(COOKIE, self.cookie());
        }
        let request = request
            .body(Full::new(body))
            .map_err(BrowserError::Request)?;
        let response = self
            .connected()
            .await?
            .send_request(request)
            .await
            .map_err(BrowserError::Broken)?;
        for cookie in response.headers().get_all(SET_COOKIE) {
            let pair = cookie
                .to_str()
                .unwrap_or_default()
                .split(';')
                .next()
                .unwrap_or_default();
            match pair.split_once('=') {
                Some((name, "")) => {
                    self.cookies.remove(name);
                }
                Some((name, value)) => {
                    self.cookies.insert(name.to_owned(), value.to_owned());
                }
                None => {}
            }
        }
        let location = response.headers().get(LOCATION);
        let location = location
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned);
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), PAGE_BYTES_MAX)
            .collect()
            .await
            .map_err(|error| BrowserError::Page(error.to_string()))?;
        Ok(Page {
            status,
            location,
            body: String::from_utf8_lossy(&body.to_bytes()).into_owned(),
        })
    }

    async fn connected(&mut self) -> Result<&mut SendRequest<Full<Bytes>>, BrowserError> {
        let usable = match &mut self.connection {
            Some(connection) => connection.ready().await.is_ok(),
            None => false,
        };
        if !usable {
            self.connection = None;
        }
        match &mut self.connection {
            Some(connection) => Ok(connection),
            empty => {
                let address = self.address;
                let stream = TcpStream::connect(address)
                    .await
                    .map_err(|error| BrowserError::Connect(address, error))?;
                // The last small segment of a form must not wait for an acknowledgement.
                let _ = stream.set_nodelay(true);
                let (sender, connection) = handshake(TokioIo::new(stream))
                    .await
                    .map_err(BrowserError::Broken)?;
                tokio::spawn(connection);
                Ok(empty.insert(sender))
            }
        }
    }
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
