//! TCP, TLS, DNS, PostgreSQL, SMTP.

use std::sync::Arc;

use evenkeel_core::Timestamp;
use evenkeel_core::observation::CheckOutcome;
use evenkeel_guards::checks::{
    Address, Dns, Journey, Place, Postgres, Probe, Record, Smtp, SmtpTls, Step, Tcp, Tls, Trust,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsAcceptor;

use super::peer::{Peer, answer, request};
use super::{check, failed, impatient, passed, tried};

fn address(peer: &Peer) -> Address {
    Address::parse(&peer.address.to_string()).expect("an address")
}

/// A certification authority, and what it has signed for `name` until `day` days from now.
pub(crate) struct Signed {
    pub(crate) trust: Arc<Trust>,
    pub(crate) certificate_pem: String,
    pub(crate) key_pem: String,
    acceptor: TlsAcceptor,
    ends: Timestamp,
}

pub(crate) fn signed(name: &str, days: i64) -> Signed {
    let mut of_authority = CertificateParams::default();
    of_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let authority = CertifiedIssuer::self_signed(of_authority, key).expect("an authority");
    let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
    let now = Timestamp::now().as_second();
    let ends = Timestamp::from_second(now + days * 86_400).expect("a day");
    let date = |at: Timestamp| {
        let date = at.to_zoned(jiff::tz::TimeZone::UTC).date();
        rcgen::date_time_ymd(date.year().into(), date.month() as u8, date.day() as u8)
    };
    params.not_before = date(Timestamp::from_second(now - 100 * 86_400).expect("a day"));
    params.not_after = date(ends);
    let key = KeyPair::generate().expect("a key");
    let certificate = params.signed_by(&key, &authority).expect("a certificate");
    let private = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .expect("a certificate for its key");
    Signed {
        trust: Arc::new(Trust::with(authority.pem().as_bytes()).expect("an authority")),
        certificate_pem: certificate.pem(),
        key_pem: key.serialize_pem(),
        acceptor: TlsAcceptor::from(Arc::new(config)),
        ends,
    }
}

/// An HTTPS server with that certificate.
async fn secure(signed: &Signed) -> Peer {
    let acceptor = signed.acceptor.clone();
    Peer::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            request(&mut stream).await;
            let said = answer("200 OK", "", "safe");
            let _ = stream.write_all(said.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    })
    .await
}

fn tls(peer: &Peer, trust: &Arc<Trust>, name: &str) -> Probe {
    Probe::Tls(Tls {
        address: address(peer),
        server_name: Some(name.into()),
        trust: trust.clone(),
    })
}

#[tokio::test]
async fn tls_tells_when_the_served_chain_ends() {
    let signed = signed("shop.example", 20);
    let peer = secure(&signed).await;
    let account = tried(&check(tls(&peer, &signed.trust, "shop.example"))).await;
    passed(&account);
    let ends = account.result.certificate_expires_at.expect("an end");
    let days = ends.duration_since(signed.ends).as_hours().abs();
    assert!(days <= 24, "{ends} for {}", signed.ends);
}

#[tokio::test]
async fn tls_that_browsers_refuse_has_failed_and_its_end_is_seen_all_the_same() {
    let signed = signed("shop.example", -3);
    let peer = secure(&signed).await;
    let account = tried(&check(tls(&peer, &signed.trust, "shop.example"))).await;
    let why = failed(&account);
    assert!(
        why.starts_with("browsers refuse the certificate of shop.example"),
        "{why}"
    );
    assert!(why.contains("it has run out at 20"), "{why}");
    let ends = account.result.certificate_expires_at.expect("an end");
    assert!(ends < Timestamp::now());
    let signed = self::signed("shop.example", 20);
    let peer = secure(&signed).await;
    // Another's certificate, and one that nobody has signed whom we trust.
    let account = tried(&check(tls(&peer, &signed.trust, "other.example"))).await;
    assert!(
        failed(&account).contains("it is for another name"),
        "{account:?}"
    );
    let browsers = Arc::new(Trust::of_browsers());
    let account = tried(&check(tls(&peer, &browsers, "shop.example"))).await;
    assert!(
        failed(&account).contains("nobody browsers know has signed it"),
        "{account:?}"
    );
}

#[tokio::test]
async fn https_is_checked_with_the_operators_own_authority() {
    let signed = signed("localhost", 20);
    let peer = secure(&signed).await;
    let url = format!("https://localhost:{}/", peer.address.port());
    let journey = |trust: &Arc<Trust>| {
        check(Probe::Journey(Journey {
            steps: vec![Step::get(&url)],
            secrets: Vec::new(),
            trust: trust.clone(),
        }))
    };
    let account = tried(&journey(&signed.trust)).await;
    passed(&account);
    assert!(account.result.certificate_expires_at.is_some());
    let account = tried(&journey(&Arc::new(Trust::of_browsers()))).await;
    assert!(
        failed(&account).starts_with("browsers refuse"),
        "{account:?}"
    );
}

#[tokio::test]
async fn what_speaks_no_tls_has_failed() {
    let peer = Peer::answering("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let trust = Arc::new(Trust::of_browsers());
    let account = tried(&impatient(tls(&peer, &trust, "shop.example"))).await;
    failed(&account);
    let silent = Peer::start(|mut stream| async move {
        let mut byte = [0; 1024];
        while matches!(stream.read(&mut byte).await, Ok(1..)) {}
    })
    .await;
    let account = tried(&impatient(tls(&silent, &trust, "shop.example"))).await;
    assert_eq!(
        failed(&account),
        "no answer within 250 ms: it was waiting for the TLS handshake"
    );
}

#[tokio::test]
async fn tcp_accepts_and_says_what_is_expected() {
    let peer = Peer::start(|mut stream| async move {
        let mut asked = [0; 6];
        let _ = stream.read_exact(&mut asked).await;
        let _ = stream.write_all(b"+PONG\r\n").await;
    })
    .await;
    let tcp = |send: Option<&str>, contains: &[&str]| {
        Probe::Tcp(Tcp {
            address: address(&peer),
            send: send.map(str::to_owned),
            contains: contains.iter().map(|&text| text.to_owned()).collect(),
        })
    };
    passed(&tried(&check(tcp(None, &[]))).await);
    passed(&tried(&check(tcp(Some("PING\r\n"), &["PONG"]))).await);
    let account = tried(&check(tcp(Some("PING\r\n"), &["PENG"]))).await;
    assert_eq!(
        failed(&account),
        "it closed the connection after 7 bytes, without `PENG`"
    );
    let forever =
        Peer::start(
            |mut stream| async move { while stream.write_all(&[b'x'; 8192]).await.is_ok() {} },
        )
        .await;
    let account = tried(&check(Probe::Tcp(Tcp {
        address: address(&forever),
        send: None,
        contains: vec!["PONG".into()],
    })))
    .await;
    assert!(failed(&account).contains("first 16 KiB"), "{account:?}");
}

/// A name server that answers every question about `shop.example` with one address, and
/// every other with NXDOMAIN (RFC 1035, by hand).
async fn name_server() -> std::net::SocketAddr {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = socket.local_addr().expect("an address");
    tokio::spawn(async move {
        let mut packet = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut packet).await {
            let asked = &packet[..length];
            let Some(end) = asked
                .get(12..)
                .and_then(|rest| rest.iter().position(|b| *b == 0))
            else {
                continue;
            };
            let question = &asked[12..12 + end + 5];
            let is_ours = question
                .to_ascii_lowercase()
                .starts_with(b"\x04shop\x07example\0");
            let is_a = question[end + 1..end + 3] == [0, 1];
            let mut said = asked[..2].to_vec();
            let code = if is_ours { 0x80 } else { 0x83 };
            let answers = u8::from(is_ours && is_a);
            said.extend([0x81, code, 0, 1, 0, answers, 0, 0, 0, 0]);
            said.extend(question);
            if answers == 1 {
                said.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
            }
            let _ = socket.send_to(&said, from).await;
        }
    });
    address
}

#[tokio::test]
async fn dns_asks_the_configured_resolver_and_compares() {
    let server = name_server().await;
    let dns = |host: &str, record: &str, answer: &[&str]| {
        check(Probe::Dns(Dns {
            host: host.into(),
            record: Record::parse(record).expect("a record"),
            answer: answer.iter().map(|&text| text.to_owned()).collect(),
            resolver: Some(server),
        }))
    };
    passed(&tried(&dns("shop.example", "A", &[])).await);
    passed(&tried(&dns("shop.example", "A", &["192.0.2.7"])).await);
    let account = tried(&dns("shop.example", "A", &["192.0.2.8"])).await;
    assert_eq!(
        failed(&account),
        format!("shop.example A is 192.0.2.7, expected 192.0.2.8 (asked {server})")
    );
    let account = tried(&dns("other.example", "A", &[])).await;
    assert!(
        failed(&account).contains("does not exist (NXDOMAIN)"),
        "{account:?}"
    );
    let account = tried(&dns("shop.example", "MX", &[])).await;
    assert!(
        failed(&account).contains("has no such record"),
        "{account:?}"
    );
}

#[tokio::test]
async fn a_silent_resolver_that_is_the_target_has_failed() {
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let account = tried(&impatient(Probe::Dns(Dns {
        host: "shop.example".into(),
        record: Record::default(),
        answer: Vec::new(),
        resolver: Some(silent.local_addr().expect("an address")),
    })))
    .await;
    assert!(
        failed(&account).contains("it was asking 127.0.0.1"),
        "{account:?}"
    );
}

#[tokio::test]
async fn postgresql_is_asked_and_never_written_to() {
    let server = super::postgres::Postgres::start(&[]).await;
    let config = server.config("app", "app");
    let port = config.get_ports()[0];
    let ask = |query: &str, value: Option<&str>| {
        check(Probe::Postgres(Postgres {
            place: Place::Tcp(Address::parse(&format!("127.0.0.1:{port}")).expect("one")),
            connect: Box::new(config.clone()),
            query: query.into(),
            value: value.map(str::to_owned),
        }))
    };
    passed(&tried(&ask("select 40 + 2", Some("42"))).await);
    passed(&tried(&ask("select pg_is_in_recovery()", Some("f"))).await);
    let account = tried(&ask("select 1", Some("2"))).await;
    assert_eq!(failed(&account), "the query gave `1`, expected `2`");
    let account = tried(&ask("select null", Some("2"))).await;
    assert_eq!(failed(&account), "the query gave null, expected `2`");
    let account = tried(&ask("select 1 where false", Some("2"))).await;
    assert_eq!(failed(&account), "the query gave no row, expected `2`");
    let account = tried(&ask("create table x ()", None)).await;
    assert!(
        failed(&account).contains("read-only transaction"),
        "{account:?}"
    );
    let account = tried(&ask("select nonsense", None)).await;
    assert!(failed(&account).contains("nonsense"), "{account:?}");
    // A row without end costs its check only.
    let endless = "select repeat('x', 900000) from generate_series(1, 100)";
    passed(&tried(&ask(endless, None)).await);
    let large = tried(&ask("select repeat('x', 2000000)", None)).await;
    assert!(failed(&large).contains("sends too much"), "{large:?}");
    // The server's own limit is the check's.
    let mut slow = ask("select pg_sleep(20)", None);
    slow.timeout = std::time::Duration::from_millis(400);
    let account = tried(&slow).await;
    let why = failed(&account);
    assert!(
        why.contains("statement timeout") || why.contains("the answer to the query"),
        "{why}"
    );
}

#[tokio::test]
async fn what_is_no_postgresql_has_failed() {
    for said in [
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "R\u{7f}\u{7f}\u{7f}\u{7f}",
        "",
    ] {
        let peer = Peer::start(move |mut stream| async move {
            let mut byte = [0; 8];
            let _ = stream.read_exact(&mut byte).await;
            let _ = stream.write_all(said.as_bytes()).await;
        })
        .await;
        let mut connect = tokio_postgres::Config::new();
        connect.user("app").dbname("app");
        let account = tried(&check(Probe::Postgres(Postgres {
            place: Place::Tcp(address(&peer)),
            connect: Box::new(connect),
            query: "select 1".into(),
            value: None,
        })))
        .await;
        failed(&account);
    }
}

/// A mail server that says its lines, one for each it is told, and may turn to TLS.
async fn mail_server(lines: &'static [&'static str], tls: Option<TlsAcceptor>) -> Peer {
    Peer::start(move |mut stream| {
        let tls = tls.clone();
        async move {
            let mut byte = [0; 512];
            for line in lines {
                if stream.write_all(line.as_bytes()).await.is_err() {
                    return;
                }
                if line.starts_with("220 go ahead") {
                    break;
                }
                if !matches!(stream.read(&mut byte).await, Ok(1..)) {
                    return;
                }
            }
            let Some(Ok(mut stream)) = (match tls {
                Some(tls) => Some(tls.accept(stream).await),
                None => None,
            }) else {
                return;
            };
            for line in ["250 safe\r\n", "221 bye\r\n"] {
                if !matches!(stream.read(&mut byte).await, Ok(1..)) {
                    return;
                }
                let _ = stream.write_all(line.as_bytes()).await;
            }
        }
    })
    .await
}

fn smtp(peer: &Peer, tls: SmtpTls, trust: Option<&Arc<Trust>>) -> Probe {
    Probe::Smtp(Smtp {
        address: address(peer),
        tls,
        server_name: Some("mail.example".into()),
        trust: trust
            .cloned()
            .unwrap_or_else(|| Arc::new(Trust::of_browsers())),
    })
}

#[tokio::test]
async fn a_mail_server_greets_and_says_goodbye() {
    let lines: &[&str] = &[
        "220-hello\r\n220 there\r\n",
        "250-mail\r\n250 SIZE 1\r\n",
        "221 bye\r\n",
    ];
    let peer = mail_server(lines, None).await;
    passed(&tried(&check(smtp(&peer, SmtpTls::None, None))).await);
    let account = tried(&check(smtp(&peer, SmtpTls::Starttls, None))).await;
    assert_eq!(failed(&account), "it does not offer STARTTLS");
}

#[tokio::test]
async fn a_mail_server_turns_to_tls() {
    let signed = signed("mail.example", 20);
    let lines: &[&str] = &[
        "220 hello\r\n",
        "250-mail\r\n250 STARTTLS\r\n",
        "220 go ahead\r\n",
    ];
    let peer = mail_server(lines, Some(signed.acceptor.clone())).await;
    let account = tried(&check(smtp(&peer, SmtpTls::Starttls, Some(&signed.trust)))).await;
    passed(&account);
    assert!(account.result.certificate_expires_at.is_some());
    let account = tried(&check(smtp(&peer, SmtpTls::Starttls, None))).await;
    assert!(
        failed(&account).starts_with("browsers refuse"),
        "{account:?}"
    );
}

#[tokio::test]
async fn a_mail_server_that_refuses_or_talks_nonsense_has_failed() {
    for (lines, why) in [
        (
            &["554 go away\r\n"] as &[&str],
            "it greeted with `554 go away`, expected 220",
        ),
        (
            &["220 hi\r\n", "500 what?\r\n"],
            "it replied to EHLO with `500 what?`, expected 250",
        ),
        (
            &["HTTP/1.1 400 Bad\r\n"],
            "it greeted with `HTTP/1.1 400 Bad`, expected 220",
        ),
    ] {
        let peer = mail_server(lines, None).await;
        let account = tried(&check(smtp(&peer, SmtpTls::None, None))).await;
        assert_eq!(failed(&account), why);
    }
    let endless =
        Peer::start(
            |mut stream| async move { while stream.write_all(b"220-and\r\n").await.is_ok() {} },
        )
        .await;
    let account = tried(&check(smtp(&endless, SmtpTls::None, None))).await;
    assert!(failed(&account).contains("more than 24 KiB"), "{account:?}");
    let silent = mail_server(&[], None).await;
    let account = tried(&check(smtp(&silent, SmtpTls::None, None))).await;
    assert!(
        matches!(account.result.outcome, CheckOutcome::Failed { .. }),
        "{account:?}"
    );
}
