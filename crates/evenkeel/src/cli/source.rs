//! Where answers come from: this host's control socket, or the HTTP API of an Evenkeel on
//! another host.
//!
//! A token is never sent where somebody can read along: `https://`, or `http://` to this
//! very host (an SSH tunnel).

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::config::Config;
use crate::pump::store::chain;

/// The largest token file that is read, bytes.
const TOKEN_MAX: u64 = 4096;

/// Certificates that are read of a file: more than any bundle of a company has.
const AUTHORITIES_MAX: usize = 1000;

/// Where answers come from.
pub(super) enum Source {
    /// This host.
    Here(Box<Config>),
    /// Another one.
    There(Remote),
}

/// An Evenkeel on another host.
pub(super) struct Remote {
    base: String,
    authorization: HeaderValue,
    /// Who may vouch for it, where that is not the world's authorities.
    authorities: Option<RootCertStore>,
}

impl Source {
    /// This host's configuration, where answers come from here.
    pub(super) fn here(&self) -> Option<&Config> {
        match self {
            Self::Here(config) => Some(config),
            Self::There(_) => None,
        }
    }

    /// Where it is, in words.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Here(config) => config.data_dir.display().to_string(),
            Self::There(remote) => remote.base.clone(),
        }
    }
}

impl Remote {
    /// The Evenkeel at `server`, with the token in a file; `ca_file` holds the authority of
    /// its certificate where that is the company's own.
    pub(super) fn new(
        server: &str,
        token_file: Option<&Path>,
        ca_file: Option<&Path>,
    ) -> Result<Self, String> {
        let base = server.trim_end_matches('/').to_owned();
        let uri: Uri = base.parse().map_err(|_| {
            format!("`{server}` is no address: write for example --server https://HOST:8081")
        })?;
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let loopback = host == "localhost"
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback());
        match uri.scheme_str() {
            Some("https") => {}
            Some("http") if loopback => {}
            _ => {
                return Err(format!(
                    "a token is not sent to {server}, where others can read it: use https://, or an SSH tunnel \
                     (`ssh -L 8081:127.0.0.1:8081 HOST`) and --server http://127.0.0.1:8081"
                ));
            }
        }
        let Some(file) = token_file else {
            return Err("--server needs --token-file FILE: `evenkeel token create NAME` on that host makes a token".into());
        };
        let mut token = String::new();
        std::fs::File::open(file)
            .and_then(|opened| opened.take(TOKEN_MAX).read_to_string(&mut token))
            .map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
        let token = token.lines().next().unwrap_or_default().trim();
        let mut authorization = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| format!("{} holds no token", file.display()))?;
        authorization.set_sensitive(true);
        Ok(Self {
            base,
            authorization,
            authorities: ca_file.map(authorities).transpose()?,
        })
    }

    /// Sends one request and takes the answer; `path` is that of the control socket.
    pub(super) async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        answer_max: usize,
    ) -> Result<(StatusCode, Bytes), String> {
        let builder = HttpsConnectorBuilder::new();
        let builder = match &self.authorities {
            None => builder.with_webpki_roots(),
            Some(own) => {
                let provider = Arc::new(rustls::crypto::ring::default_provider());
                let config = ClientConfig::builder_with_provider(provider)
                    .with_safe_default_protocol_versions()
                    .map_err(|error| error.to_string())?
                    .with_root_certificates(own.clone())
                    .with_no_client_auth();
                builder.with_tls_config(config)
            }
        };
        let connector = builder.https_or_http().enable_http1().build();
        let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
        let request = Request::builder()
            .method(method)
            .uri(format!("{}/api{path}", self.base))
            .header(AUTHORIZATION, self.authorization.clone())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| error.to_string())?;
        let answer = client
            .request(request)
            .await
            .map_err(|error| format!("{} cannot be reached: {}", self.base, chain(&error)))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), answer_max);
        let body = body.collect().await.map_err(|error| error.to_string())?;
        Ok((status, body.to_bytes()))
    }
}

/// The certificates in a PEM file.
fn authorities(file: &Path) -> Result<RootCertStore, String> {
    let unusable = |why: String| format!("{} cannot be used as --ca-file: {why}", file.display());
    let certificates =
        CertificateDer::pem_file_iter(file).map_err(|error| unusable(error.to_string()))?;
    let mut store = RootCertStore::empty();
    for certificate in certificates.take(AUTHORITIES_MAX) {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        store
            .add(certificate)
            .map_err(|error| unusable(error.to_string()))?;
    }
    if store.is_empty() {
        return Err(unusable("it holds no certificate in PEM".into()));
    }
    Ok(store)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_sent_only_where_nobody_reads_along() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "evenkeel_abc\n").unwrap();
        for good in [
            "https://ops.example.com:8081/",
            "http://127.0.0.1:8081",
            "http://localhost:1",
            "http://[::1]:1",
        ] {
            assert!(Remote::new(good, Some(&file), None).is_ok(), "{good}");
        }
        for bad in [
            "http://ops.example.com",
            "ops.example.com",
            "ftp://127.0.0.1",
            "http://127.0.0.1.evil.example",
            "",
        ] {
            assert!(Remote::new(bad, Some(&file), None).is_err(), "{bad}");
        }
        assert!(Remote::new("https://ops.example.com", None, None).is_err());
        // What holds no certificate vouches for nobody.
        assert!(Remote::new("https://ops.example.com", Some(&file), Some(&file)).is_err());
    }
}
