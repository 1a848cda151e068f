//! A bucket of an object store: Amazon S3 and what speaks like it, Azure, Google.
//!
//! Objects are put one by one, those that others link to first and the front page last;
//! what the edition no longer has is deleted after that, as far as this process put it
//! there. An object that is there already is not put again: what was put is remembered
//! until the program ends.
//!
//! The client of the object stores speaks through our own HTTP stack, so that there is one
//! TLS for all of Evenkeel. Only what is configured is used as credentials: no environment,
//! no metadata service.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use evenkeel_guards::guard::BoxFuture;
use futures_util::{StreamExt, TryStreamExt, stream};
use http_body_util::{BodyExt, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::client::{
    ClientOptions, HttpClient, HttpError, HttpErrorKind, HttpRequest, HttpRequestBody,
    HttpResponse, HttpResponseBody, HttpService,
};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, Error, ObjectStore, ObjectStoreExt, PutOptions, PutPayload, RetryConfig,
};
use tokio::sync::Mutex;

use super::{FILE_MAX, Target, TargetError};
use crate::publish::edition::{Edition, File, Moment};

/// Objects that are put at a time.
const AT_ONCE: usize = 8;

/// The largest answer that is read; they are some hundred bytes.
const ANSWER_MAX: usize = 1 << 20;

/// One request, connecting included.
const REQUEST_MAX: Duration = Duration::from_secs(20);

/// A bucket and how it is reached.
#[derive(Clone)]
pub struct Bucket {
    /// Whose.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// What stands before every key; empty for none.
    pub prefix: String,
    /// Where it answers, where that is not its maker's usual place.
    pub endpoint: Option<String>,
}

/// Whose object store it is.
#[derive(Clone)]
pub enum Kind {
    /// Amazon S3, or one that speaks like it.
    S3 {
        /// The region.
        region: String,
        /// The key's id.
        key: String,
        /// The key itself.
        secret: String,
    },
    /// Azure: the account and its key.
    Azure {
        /// The account.
        account: String,
        /// Its key.
        key: String,
    },
    /// Google: the file of a service account.
    Google {
        /// The file.
        service_account: PathBuf,
    },
}

impl Bucket {
    /// `s3://status-example/page`.
    pub fn place(&self) -> String {
        let scheme = match &self.kind {
            Kind::S3 { .. } => "s3://".to_owned(),
            Kind::Azure { account, .. } => format!("az://{account}/"),
            Kind::Google { .. } => "gs://".to_owned(),
        };
        let below = if self.prefix.is_empty() { "" } else { "/" };
        format!("{scheme}{}{below}{}", self.name, self.prefix)
    }
}

impl std::fmt::Debug for Bucket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The configuration is shown in logs and tests; keys never are.
        write!(f, "{} at {:?}", self.place(), self.endpoint)
    }
}

/// A bucket that is published to.
pub struct Objects {
    store: Arc<dyn ObjectStore>,
    place: String,
    prefix: String,
    /// What was put, by key.
    known: Mutex<BTreeMap<String, [u8; 32]>>,
}

impl Objects {
    /// The bucket of the configuration.
    ///
    /// # Errors
    /// What its client refuses.
    pub fn of(bucket: &Bucket) -> Result<Self, Error> {
        let Bucket {
            kind,
            name,
            prefix,
            endpoint,
        } = bucket;
        // Evenkeel tries again itself, with the newest edition.
        let retry = RetryConfig {
            max_retries: 0,
            ..RetryConfig::default()
        };
        let is_plain = endpoint
            .as_ref()
            .is_some_and(|at| at.starts_with("http://"));
        let options = ClientOptions::new().with_allow_http(is_plain);
        let store: Arc<dyn ObjectStore> = match kind {
            Kind::S3 {
                region,
                key,
                secret,
            } => {
                let mut builder = AmazonS3Builder::new()
                    .with_bucket_name(name)
                    .with_region(region)
                    .with_access_key_id(key)
                    .with_secret_access_key(secret)
                    .with_client_options(options)
                    .with_retry(retry)
                    .with_http_connector(Connector);
                if let Some(endpoint) = endpoint {
                    builder = builder.with_endpoint(endpoint);
                }
                Arc::new(builder.build()?)
            }
            Kind::Azure { account, key } => {
                let mut builder = MicrosoftAzureBuilder::new()
                    .with_account(account)
                    .with_container_name(name)
                    .with_access_key(key)
                    .with_client_options(options)
                    .with_retry(retry)
                    .with_http_connector(Connector);
                if let Some(endpoint) = endpoint {
                    builder = builder.with_endpoint(endpoint.clone());
                }
                Arc::new(builder.build()?)
            }
            Kind::Google { service_account } => {
                let builder = GoogleCloudStorageBuilder::new()
                    .with_bucket_name(name)
                    .with_service_account_path(service_account.display().to_string())
                    .with_client_options(options)
                    .with_retry(retry)
                    .with_http_connector(Connector);
                Arc::new(builder.build()?)
            }
        };
        Ok(Self::over(store, bucket.place(), prefix.clone()))
    }

    /// Any store.
    pub(crate) fn over(store: Arc<dyn ObjectStore>, place: String, prefix: String) -> Self {
        Self {
            store,
            place,
            prefix,
            known: Mutex::default(),
        }
    }

    fn key(&self, file: &File) -> String {
        match self.prefix.trim_matches('/') {
            "" => file.key(),
            prefix => format!("{prefix}/{}", file.key()),
        }
    }

    async fn put(&self, file: &File) -> Result<(), TargetError> {
        let key = self.key(file);
        let mut attributes = Attributes::new();
        for (attribute, value) in [
            (Attribute::ContentType, &file.content_type),
            (Attribute::CacheControl, &file.cache_control),
        ] {
            if !value.is_empty() {
                attributes.insert(attribute, value.clone().into());
            }
        }
        let payload = PutPayload::from_bytes(file.bytes.clone());
        let options = PutOptions {
            attributes,
            ..PutOptions::default()
        };
        let path = Path::from(key.as_str());
        let put = self.store.put_opts(&path, payload, options).await;
        put.map_err(|source| TargetError::Object {
            key: key.clone(),
            source: Box::new(source),
        })?;
        self.known.lock().await.insert(key, file.hash);
        Ok(())
    }

    /// The object under a key; `None` where it is not there, or none of ours.
    async fn get(&self, name: &str) -> Result<Option<Bytes>, TargetError> {
        let key = match self.prefix.trim_matches('/') {
            "" => name.to_owned(),
            prefix => format!("{prefix}/{name}"),
        };
        let refused = |key: &str, source| TargetError::Unreadable {
            place: self.place.clone(),
            why: format!("{key}: {}", crate::pump::store::chain(&source)),
        };
        let object = match self.store.get(&Path::from(key.as_str())).await {
            Ok(object) => object,
            // So says a store of what is not there, to whom may not list.
            Err(Error::NotFound { .. } | Error::PermissionDenied { .. }) => return Ok(None),
            Err(source) => return Err(refused(&key, source)),
        };
        if object.meta.size > FILE_MAX as u64 {
            return Ok(None);
        }
        let bytes = object.bytes().await;
        bytes.map(Some).map_err(|source| refused(&key, source))
    }

    async fn read(&self, names: &[String]) -> Result<Vec<Option<Bytes>>, TargetError> {
        let reads = names.iter().map(async |name: &String| {
            let found = self.get(name).await?;
            match (found, name.strip_suffix("/index.html")) {
                (None, Some(address)) => self.get(address).await,
                (found, _) => Ok(found),
            }
        });
        let reads: Vec<_> = reads.collect();
        stream::iter(reads).buffered(AT_ONCE).try_collect().await
    }

    async fn publish(&self, edition: &Edition) -> Result<usize, TargetError> {
        let known = self.known.lock().await.clone();
        let is_new = |file: &&File| known.get(&self.key(file)) != Some(&file.hash);
        let files: Vec<&File> = edition.files.iter().filter(is_new).collect();
        let (now, past): (Vec<&File>, Vec<&File>) =
            files.iter().partition(|file| file.speaks_of == Moment::Now);
        let puts: Vec<_> = past.into_iter().map(|file| self.put(file)).collect();
        stream::iter(puts)
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        // One after the other, the front page last: who reads it finds what it links to.
        for file in now {
            self.put(file).await?;
        }
        let kept: Vec<String> = edition.files.iter().map(|file| self.key(file)).collect();
        for key in known.into_keys().filter(|key| !kept.contains(key)) {
            match self.store.delete(&Path::from(key.as_str())).await {
                Ok(()) | Err(Error::NotFound { .. }) => {}
                Err(source) => {
                    let source = Box::new(source);
                    return Err(TargetError::Object { key, source });
                }
            }
            self.known.lock().await.remove(&key);
        }
        Ok(files.len())
    }
}

impl Target for Objects {
    fn place(&self) -> String {
        self.place.clone()
    }

    fn read<'a>(
        &'a self,
        names: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<Bytes>>, TargetError>> {
        Box::pin(Objects::read(self, names))
    }

    fn publish<'a>(&'a self, edition: &'a Edition) -> BoxFuture<'a, Result<usize, TargetError>> {
        Box::pin(Objects::publish(self, edition))
    }
}

/// Our own HTTP stack for the object stores' client.
#[derive(Debug)]
struct Connector;

impl object_store::client::HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        let connector = HttpsConnectorBuilder::new()
            .with_webpki_roots()
            .https_or_http()
            .enable_http1()
            .build();
        Ok(HttpClient::new(Stack {
            client: Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .build(connector),
        }))
    }
}

#[derive(Debug)]
struct Stack {
    client: Client<HttpsConnector<HttpConnector>, HttpRequestBody>,
}

impl HttpService for Stack {
    fn call<'life, 'future>(
        &'life self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'future>>
    where
        'life: 'future,
        Self: 'future,
    {
        Box::pin(async move {
            let asked = tokio::time::timeout(REQUEST_MAX, self.client.request(request)).await;
            let answer = match asked {
                Ok(Ok(answer)) => answer,
                Ok(Err(error)) if error.is_connect() => {
                    return Err(HttpError::new(HttpErrorKind::Connect, error));
                }
                Ok(Err(error)) => return Err(HttpError::new(HttpErrorKind::Request, error)),
                Err(late) => return Err(HttpError::new(HttpErrorKind::Timeout, late)),
            };
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_MAX)
                .map_err(|error| HttpError::new_boxed(HttpErrorKind::Interrupted, error));
            Ok(HttpResponse::from_parts(head, HttpResponseBody::new(body)))
        })
    }
}
