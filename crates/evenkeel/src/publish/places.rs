//! Where a published copy is read: a folder, or an address.
//!
//! Everything is bounded: the size of a file, the time of a request, and by whoever reads,
//! their number. No redirects: a copy is where it says it is.

use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

use axum::body::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use super::statement::STATEMENT;

/// How long one file may take.
const FILE_WITHIN: Duration = Duration::from_secs(10);

/// A place where a copy is read.
#[derive(Debug, Clone)]
pub enum Place {
    /// A folder.
    Folder(PathBuf),
    /// An address, with the client that asks it.
    Web(Web),
}

/// An address.
#[derive(Debug, Clone)]
pub struct Web {
    base: String,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
}

/// A file that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file system refuses.
    #[error("{path} cannot be read")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Nobody answers.
    #[error("{address} does not answer")]
    Silent {
        /// Which.
        address: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It takes too long.
    #[error("{address} did not answer within {} s", FILE_WITHIN.as_secs())]
    Slow {
        /// Which.
        address: String,
    },
    /// It answers with something else.
    #[error("{address} answers {status}")]
    Status {
        /// Which.
        address: String,
        /// What.
        status: StatusCode,
    },
    /// It is larger than a file of a copy is.
    #[error("{name} is larger than {max} bytes, which no file of a copy is")]
    Large {
        /// Which.
        name: String,
        /// How much is read.
        max: usize,
    },
}

impl Place {
    /// A folder, or an address that begins with `https://` or `http://`.
    ///
    /// # Errors
    /// What is wrong with the address.
    pub fn of(text: &str) -> Result<Self, String> {
        if !text.starts_with("https://") && !text.starts_with("http://") {
            let folder = PathBuf::from(text);
            // As we publish to it: what is served is below.
            let served = folder.join("current");
            let below = !folder.join(STATEMENT).exists() && served.join(STATEMENT).exists();
            return Ok(Self::Folder(if below { served } else { folder }));
        }
        let base = text.trim_end_matches('/').to_owned();
        let uri = text.parse::<Uri>().ok();
        if uri.is_none_or(|uri| uri.host().is_none() || uri.query().is_some()) {
            return Err(format!(
                "`{text}` is no address; write for example https://status.example.com"
            ));
        }
        let connector = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(connector);
        Ok(Self::Web(Web { base, client }))
    }

    /// Where it is, in words.
    pub fn shown(&self) -> String {
        match self {
            Self::Folder(path) => path.display().to_string(),
            Self::Web(web) => web.base.clone(),
        }
    }

    /// The file of a name; `None` where it is not there.
    ///
    /// # Errors
    /// It cannot be said whether it is there, or it is too large.
    pub async fn read(&self, name: &str, max: usize) -> Result<Option<Bytes>, ReadError> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                let name = name.to_owned();
                let read = tokio::task::spawn_blocking(move || read_file(path, name, max));
                read.await.unwrap_or_else(|error| {
                    Err(ReadError::Silent {
                        address: "the file system".into(),
                        source: error.into(),
                    })
                })
            }
            Self::Web(web) => {
                if let Some(bytes) = web.read(name, max).await? {
                    return Ok(Some(bytes));
                }
                // An object store has it under its address.
                match name.strip_suffix("/index.html") {
                    Some(address) => web.read(address, max).await,
                    None => Ok(None),
                }
            }
        }
    }
}

pub(crate) fn read_file(
    path: PathBuf,
    name: String,
    max: usize,
) -> Result<Option<Bytes>, ReadError> {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(&path)
        .and_then(|file| file.take(max as u64 + 1).read_to_end(&mut bytes));
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(ReadError::File { path, source }),
        Ok(_) if bytes.len() > max => Err(ReadError::Large { name, max }),
        Ok(_) => Ok(Some(bytes.into())),
    }
}

impl Web {
    async fn read(&self, name: &str, max: usize) -> Result<Option<Bytes>, ReadError> {
        let address = format!("{}/{name}", self.base);
        let silent = |source| ReadError::Silent {
            address: address.clone(),
            source,
        };
        let request = Request::get(&address)
            // What a cache holds may be the edition before.
            .header("cache-control", "no-cache")
            .header(
                "user-agent",
                concat!("evenkeel/", env!("CARGO_PKG_VERSION")),
            )
            .body(Empty::new());
        let request = request.map_err(|error| silent(error.into()))?;
        let asked = async {
            let answer = self.client.request(request).await;
            let answer = answer.map_err(|error| silent(error.into()))?;
            match answer.status() {
                StatusCode::OK => {}
                // An object store says so of what is not there, to whom may not list.
                StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::FORBIDDEN => {
                    return Ok(None);
                }
                status => {
                    let address = address.clone();
                    return Err(ReadError::Status { address, status });
                }
            }
            let body = Limited::new(answer.into_body(), max).collect().await;
            let body =
                body.map_err(
                    |error| match error.is::<http_body_util::LengthLimitError>() {
                        true => ReadError::Large {
                            name: name.to_owned(),
                            max,
                        },
                        false => silent(error),
                    },
                )?;
            Ok(Some(body.to_bytes()))
        };
        match tokio::time::timeout(FILE_WITHIN, asked).await {
            Ok(read) => read,
            Err(_) => Err(ReadError::Slow {
                address: address.clone(),
            }),
        }
    }
}
