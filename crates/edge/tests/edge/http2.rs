//! TLS, HTTP/2, and who is at the other end of a balancer.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use evenkeel_edge::settings::{CertificateFiles, Certificates, Network};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::world::{Client, OK, Upstream, edge, exchange, get, settings, start};

/// A certificate for a name, written into the folder.
fn certificate(dir: &Path, name: &str) -> CertificateFiles {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let files = CertificateFiles {
        certificate: dir.join(format!("{name}.pem")),
        key: dir.join(format!("{name}.key")),
    };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    files
}

/// A connection that believes this certificate only.
async fn encrypted(
    address: SocketAddr,
    name: &str,
    files: &CertificateFiles,
    alpn: &[u8],
) -> std::io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    let pem = std::fs::read(&files.certificate).unwrap();
    roots
        .add(rustls::pki_types::CertificateDer::from_pem_slice(&pem).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![alpn.to_vec()];
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let tcp = TcpStream::connect(address).await.unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
}

/// Asks over HTTP/2; gives the answer's head and body.
async fn ask<Io>(io: Io, requests: Vec<Request<Full<Bytes>>>) -> Vec<(u16, String)>
where
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let hands = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(io));
    let (mut sender, connection) = hands.await.unwrap();
    let driving = tokio::spawn(connection);
    let mut answers = Vec::new();
    for request in requests {
        let answer = sender.send_request(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        answers.push((status, String::from_utf8_lossy(&body).into_owned()));
    }
    drop(sender);
    driving.await.unwrap().unwrap();
    answers
}

fn post(uri: &str, body: &'static str) -> Request<Full<Bytes>> {
    let request = Request::post(uri).header("te", "trailers");
    let request = request.header("cookie", "a=1").header("cookie", "b=2");
    request
        .body(Full::new(Bytes::from_static(body.as_bytes())))
        .unwrap()
}

#[tokio::test]
async fn streams_are_requests_like_any_other() {
    let upstream = Upstream::answering(OK);
    let edge = edge(&upstream);
    let tcp = TcpStream::connect(edge.started().addresses[0])
        .await
        .unwrap();
    let big = Box::leak("x".repeat(300_000).into_boxed_str());
    let get = Request::get("http://a.example/get")
        .body(Full::default())
        .unwrap();
    let answers = ask(
        tcp,
        vec![
            get,
            post("http://a.example/post?x", "hello"),
            post("http://a.example/big", big),
        ],
    )
    .await;
    assert!(
        answers
            .iter()
            .all(|answer| *answer == (200, "ok".to_owned())),
        "{answers:?}"
    );
    let seen = upstream.seen().concat();
    assert!(
        seen.starts_with("GET /get HTTP/1.1\r\nhost: a.example\r\n"),
        "{seen:.500}"
    );
    assert!(
        seen.contains("POST /post?x HTTP/1.1\r\nhost: a.example\r\n"),
        "{seen:.500}"
    );
    assert!(
        seen.contains("cookie: a=1; b=2\r\n") && !seen.contains("\r\nte: "),
        "{seen:.500}"
    );
    assert!(seen.contains("content-length: 5\r\n") && seen.contains("\r\n\r\nhello"));
}

#[tokio::test]
async fn the_certificate_is_the_one_for_the_name_and_one_that_is_gone_is_named() {
    let upstream = Upstream::answering(OK);
    let mut settings = settings(&[upstream.address]);
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (
        certificate(dir.path(), "a.example"),
        certificate(dir.path(), "b.example"),
    );
    let mut missing = settings.listeners[0].clone();
    missing.tls = Some(Certificates::Files(vec![CertificateFiles {
        certificate: dir.path().join("gone.pem"),
        key: dir.path().join("gone.key"),
    }]));
    settings.listeners[0].tls = Some(Certificates::Files(vec![a.clone(), b.clone()]));
    let mut plain = missing.clone();
    plain.tls = None;
    plain.redirect_to_https = true;
    settings.listeners.extend([missing, plain]);
    let edge = start(settings);
    let started = edge.started();
    assert_eq!(started.addresses.len(), 2);
    assert!(
        started
            .problems
            .iter()
            .any(|problem| problem.contains("gone.pem"))
    );
    for (name, files) in [("a.example", &a), ("b.example", &b)] {
        let io = encrypted(started.addresses[0], name, files, b"h2")
            .await
            .unwrap();
        let request = Request::get(format!("https://{name}/"))
            .body(Full::default())
            .unwrap();
        assert_eq!(ask(io, vec![request]).await, [(200, "ok".to_owned())]);
    }
    let seen = upstream.seen().concat();
    assert!(seen.contains("x-forwarded-proto: https\r\n"), "{seen}");
    let mut client = Client::to(started.addresses[1]);
    client.write("GET /x?y HTTP/1.1\r\nhost: a.example:80\r\nconnection: close\r\n\r\n");
    let answer = client.rest();
    assert!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
    assert!(
        answer.contains("location: https://a.example:") && answer.contains("/x?y\r\n"),
        "{answer}"
    );
}

#[tokio::test]
async fn a_certificate_that_has_ended_is_named_and_served() {
    let upstream = Upstream::answering(OK);
    let mut settings = settings(&[upstream.address]);
    let dir = tempfile::tempdir().unwrap();
    let good = certificate(dir.path(), "a.example");
    let mut parameters = rcgen::CertificateParams::new(vec!["old.example".to_owned()]).unwrap();
    parameters.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let old = CertificateFiles {
        certificate: dir.path().join("old.pem"),
        key: dir.path().join("old.key"),
    };
    std::fs::write(
        &old.certificate,
        parameters.self_signed(&key).unwrap().pem(),
    )
    .unwrap();
    std::fs::write(&old.key, key.serialize_pem()).unwrap();
    let mut ended = settings.listeners[0].clone();
    ended.tls = Some(Certificates::Files(vec![old.clone()]));
    settings.listeners[0].tls = Some(Certificates::Files(vec![good.clone()]));
    settings.listeners.push(ended);
    let edge = start(settings);
    let started = edge.started();
    assert_eq!(started.addresses.len(), 2, "{started:?}");
    let told = |problem: &String| problem.contains("old.pem") && problem.contains("ended at 2020");
    assert!(started.problems.iter().any(told), "{started:?}");
    let request = Request::get("https://a.example/")
        .body(Full::default())
        .unwrap();
    let io = encrypted(started.addresses[0], "a.example", &good, b"h2")
        .await
        .unwrap();
    assert_eq!(ask(io, vec![request]).await, [(200, "ok".to_owned())]);
    // Who looks at the date refuses it; the edge does not judge for them.
    let refused = encrypted(started.addresses[1], "old.example", &old, b"h2").await;
    let refused = refused.err().unwrap().to_string();
    assert!(refused.contains("expired"), "{refused}");
}

#[test]
fn a_balancer_says_who_the_client_is_and_strangers_do_not() {
    let upstream = Upstream::answering(OK);
    let mut settings = settings(&[upstream.address]);
    settings.listeners[0].proxy_protocol = true;
    let header = "PROXY TCP4 9.9.9.9 127.0.0.1 4000 80\r\n";
    let stranger = exchange(&start(settings.clone()), header.to_owned() + &get("/"));
    assert!(stranger.starts_with("HTTP/1.1 400 "), "{stranger}");
    settings.trusted = vec![Network {
        address: [127, 0, 0, 1].into(),
        prefix: 32,
    }];
    let edge = start(settings);
    assert!(exchange(&edge, header.to_owned() + &get("/")).ends_with("ok"));
    let seen = upstream.seen().concat();
    assert!(seen.contains("x-forwarded-for: 9.9.9.9\r\n"), "{seen}");
    assert_eq!(
        exchange(&edge, get("/")),
        "",
        "without the header it is closed"
    );
}

#[tokio::test]
async fn a_stream_under_way_ends_before_its_connection_does() {
    let upstream = Upstream::start(|mut served| {
        while served.request().is_some() {
            served.wait_for_word();
            served.write(OK.as_bytes());
        }
    });
    let edge = edge(&upstream);
    let tcp = TcpStream::connect(edge.started().addresses[0])
        .await
        .unwrap();
    let hands = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tcp));
    let (mut sender, connection) = hands.await.unwrap();
    let driving = tokio::spawn(connection);
    let get = || {
        Request::get("http://a/")
            .body(Full::<Bytes>::default())
            .unwrap()
    };
    let answer = tokio::spawn(sender.send_request(get()));
    let seen = tokio::task::spawn_blocking(move || {
        upstream.wait_seen("\r\n\r\n");
        upstream
    });
    let upstream = seen.await.unwrap();
    edge.stop();
    upstream.say();
    let answer = answer.await.unwrap().unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "ok");
    // GOAWAY: the connection ends well, and takes nothing more.
    driving.await.unwrap().unwrap();
    assert!(sender.send_request(get()).await.is_err());
    edge.ended().await;
}

#[tokio::test]
async fn an_answer_that_takes_longer_than_an_idle_connection_may_last_is_not_cut() {
    let upstream = Upstream::start(|mut served| {
        if served.request().is_some() {
            served.write(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab");
            served.wait_for_word();
            served.write(b"cd");
        }
    });
    let mut settings = settings(&[upstream.address]);
    settings.bounds.keep_alive = std::time::Duration::from_millis(100);
    settings.bounds.head_timeout = std::time::Duration::from_millis(100);
    let edge = start(settings);
    let place = edge.started().addresses[0];
    let tcp = TcpStream::connect(place).await.unwrap();
    let hands = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(tcp));
    let (mut sender, connection) = hands.await.unwrap();
    let driving = tokio::spawn(connection);
    let get = Request::get("http://a/");
    let get = get.body(Full::<Bytes>::default()).unwrap();
    let mut body = sender.send_request(get).await.unwrap().into_body();
    assert_eq!(
        body.frame().await.unwrap().unwrap().into_data().unwrap(),
        "ab"
    );
    // Three connections in turn begin nothing and are closed: the time is up, and up again.
    let passed = tokio::task::spawn_blocking(move || {
        (0..3).for_each(|_| assert_eq!(Client::to(place).rest(), ""));
    });
    passed.await.unwrap();
    upstream.say();
    assert_eq!(body.collect().await.unwrap().to_bytes(), "cd");
    // With it the connection is idle, and goes.
    driving.await.unwrap().unwrap();
}
