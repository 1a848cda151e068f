use std::net::SocketAddr;

use axum::Router;
use axum::extract::Extension;
use axum::routing::get;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::web::serving::{Bounds, Peer, serve_over};

/// A certificate for `localhost` and its key, written where the files are.
fn make(files: &TlsFiles, ends: Option<i32>) -> CertificateDer<'static> {
    let mut parameters = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    if let Some(year) = ends {
        parameters.not_after = rcgen::date_time_ymd(year, 1, 1);
    }
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    std::fs::write(&files.certificate, certificate.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
    certificate.der().clone()
}

fn files(folder: &Path) -> TlsFiles {
    TlsFiles {
        certificate: folder.join("certificate.pem"),
        key: folder.join("key.pem"),
    }
}

struct Place {
    folder: tempfile::TempDir,
    tls: Arc<Tls>,
    address: SocketAddr,
    _stop: watch::Sender<bool>,
    stopped: watch::Receiver<bool>,
}

/// Serves over TLS with a certificate of its own.
async fn served(bounds: Bounds) -> (Place, CertificateDer<'static>) {
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    let certificate = make(&files, None);
    let tls = Arc::new(Tls::load(&files).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    let here = |Extension(peer): Extension<Peer>| async move {
        assert!(peer.is_encrypted && peer.address.is_some());
        "here"
    };
    let router = Router::new().route("/", get(here));
    let line = Some(tls.clone());
    tokio::spawn(serve_over(listener, line, router, bounds, stopped.clone()));
    let place = Place {
        folder,
        tls,
        address,
        _stop: stop,
        stopped,
    };
    (place, certificate)
}

async fn connect(
    address: SocketAddr,
    believed: &CertificateDer<'static>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(believed.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
}

const ASK: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

async fn ask(stream: &mut TlsStream<TcpStream>) -> String {
    stream.write_all(ASK).await.unwrap();
    let mut answer = vec![0; 4096];
    let read = stream.read(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer[..read]).into_owned()
}

#[tokio::test]
async fn a_new_certificate_is_served_and_open_connections_stay() {
    let (place, first) = served(Bounds::default()).await;
    let mut open = connect(place.address, &first).await.unwrap();
    assert!(ask(&mut open).await.ends_with("here"));

    let second = make(&files(place.folder.path()), None);
    place.tls.reload().unwrap();
    assert!(
        connect(place.address, &first).await.is_err(),
        "the old one is gone"
    );
    let mut fresh = connect(place.address, &second).await.unwrap();
    assert!(ask(&mut fresh).await.ends_with("here"));
    assert!(ask(&mut open).await.ends_with("here"), "it was open before");
}

#[tokio::test]
async fn files_that_change_are_noticed_and_what_is_broken_is_not_served() {
    let (place, first) = served(Bounds::default()).await;
    let (tls, stopped) = (place.tls.clone(), place.stopped.clone());
    let keeper = tokio::spawn(async move {
        tls.keep_with(Duration::from_millis(10), None, stopped)
            .await;
    });
    let certificate = place.folder.path().join("certificate.pem");
    std::fs::write(&certificate, "half a certificate").unwrap();
    assert!(place.tls.reload().is_err());
    let mut still = connect(place.address, &first).await.unwrap();
    assert!(ask(&mut still).await.ends_with("here"));

    let second = make(&files(place.folder.path()), None);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while connect(place.address, &second).await.is_err() {
        assert!(
            tokio::time::Instant::now() < deadline,
            "it was never read again"
        );
        // waits: for the keeper's next look; asked again until the deadline above
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    keeper.abort();
}

#[tokio::test]
async fn slow_handshakes_and_plain_words_hold_nobody_up() {
    let (place, certificate) = served(Bounds {
        connections: 2,
        head_time: Duration::from_millis(200),
        ..Bounds::default()
    })
    .await;
    // One says nothing, one speaks without TLS; both take all the room there is.
    let mut silent = TcpStream::connect(place.address).await.unwrap();
    let mut plain = TcpStream::connect(place.address).await.unwrap();
    plain.write_all(ASK).await.unwrap();
    let mut third = connect(place.address, &certificate).await.unwrap();
    assert!(ask(&mut third).await.ends_with("here"));
    for stream in [&mut silent, &mut plain] {
        let mut rest = Vec::new();
        let _ended = stream.read_to_end(&mut rest).await;
        assert!(!String::from_utf8_lossy(&rest).contains("here"));
    }
}

#[test]
fn what_cannot_be_used_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let good = files(folder.path());
    make(&good, None);
    let refused = |files: &TlsFiles| Tls::load(files).err().expect("refused").to_string();
    let missing = TlsFiles {
        key: folder.path().join("nowhere.pem"),
        ..good.clone()
    };
    assert!(refused(&missing).contains("nowhere.pem cannot be read"));
    let turned = TlsFiles {
        certificate: good.key.clone(),
        key: good.certificate.clone(),
    };
    assert!(refused(&turned).contains("holds no certificate"));
    let no_key = TlsFiles {
        certificate: good.certificate.clone(),
        key: good.certificate.clone(),
    };
    assert!(refused(&no_key).contains("one private key in PEM"));
    let other = TlsFiles {
        certificate: folder.path().join("other.pem"),
        key: folder.path().join("other-key.pem"),
    };
    make(&other, None);
    let mixed = TlsFiles {
        key: other.key,
        ..good
    };
    assert!(
        refused(&mixed).contains("do not fit together"),
        "{}",
        refused(&mixed)
    );
}

#[test]
fn an_end_that_is_near_is_said_in_days() {
    let now: Timestamp = "2026-11-21T00:00:00Z".parse().unwrap();
    let said = |at: &str| ending(at.parse().unwrap(), now);
    assert_eq!(said("2026-12-13T00:00:00Z"), None);
    assert_eq!(
        said("2026-11-24T12:00:00Z").as_deref(),
        Some("ends in 3 days")
    );
    assert_eq!(
        said("2026-11-19T00:00:00Z").as_deref(),
        Some("ended 2 days ago, and browsers refuse it")
    );
    let folder = tempfile::tempdir().unwrap();
    let files = files(folder.path());
    make(&files, Some(2031));
    let ends_at = Tls::load(&files).unwrap().ends_at().unwrap();
    assert_eq!(ends_at.to_string(), "2031-01-01T00:00:00Z");
}
