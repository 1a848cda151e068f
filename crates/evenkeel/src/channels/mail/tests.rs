//! Against a real SMTP server, and against peers that stall, refuse, talk for ever and
//! answer garbage.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use evenkeel_core::Timestamp;
use evenkeel_core::evidence::Fact;
use evenkeel_core::finding::Severity;
use evenkeel_core::ids::{IncidentId, MessageId};
use evenkeel_core::message::Body;
use evenkeel_core::record::Record;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::config::{Account, MailTls};

/// A server that keeps what it takes; ended on drop.
pub(crate) struct Server {
    process: Child,
    pub(crate) folder: tempfile::TempDir,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _gone = self.process.wait();
    }
}

impl Server {
    pub(crate) async fn start(mode: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (certificate, key) = certificate(folder.path());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mail/smtp_server.py");
        let process = Command::new("/usr/bin/python3")
            .arg(script)
            .args([folder.path(), Path::new(mode), &certificate, &key])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3");
        let mut server = Self {
            process,
            folder,
            port: 0,
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        let port = server.folder.path().join("port");
        server.port = loop {
            if let Ok(port) = std::fs::read_to_string(&port) {
                break port.parse().expect("a port");
            }
            let ended = server.process.try_wait().expect("a child");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "no SMTP server: run `cargo xtask setup`, or `apt-get install python3-aiosmtpd`"
            );
            // waits: for another process; asked again until the deadline above
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        server
    }

    pub(crate) fn settings(&self, tls: MailTls) -> MailServer {
        let account = Account {
            user: "evenkeel".into(),
            password: "s3cret".into(),
        };
        MailServer {
            host: "localhost".into(),
            port: self.port,
            tls,
            ca_file: Some(self.folder.path().join("certificate.pem")),
            account: (tls != MailTls::None).then_some(account),
            from: "evenkeel@example.com".parse().unwrap(),
        }
    }

    pub(crate) fn kept(&self, number: u32) -> Option<(serde_json::Value, String)> {
        let read = |kind: &str| {
            let path = self.folder.path().join(format!("{number}.{kind}"));
            std::fs::read_to_string(path).ok()
        };
        Some((serde_json::from_str(&read("json")?).ok()?, read("eml")?))
    }
}

/// A certificate for `localhost`, and its key.
fn certificate(folder: &Path) -> (PathBuf, PathBuf) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    (certificate, key)
}

fn message() -> Message {
    Message {
        id: MessageId(7),
        at: Timestamp::from_second(1_795_000_000).unwrap(),
        incident: Some(IncidentId(3)),
        body: Body::Operator {
            headline: "Anmeldung gestört".into(),
            details: vec!["14 sessions wait.".into()],
            facts: vec![Fact::new("waiters", 14)],
            finding: None,
            to: Some("ana".into()),
            severity: Severity::Critical,
        },
    }
}

fn mail(server: &MailServer, to: &str) -> Mail {
    let published = watch::channel(Arc::new(Published::of(Record::default()))).1;
    let to = to.parse().unwrap();
    let mut mail = Mail::new(server, to, TimeZone::UTC, None, published).unwrap();
    mail.timeout = Duration::from_secs(10);
    mail.give_up_after = Duration::from_millis(100);
    mail
}

#[tokio::test]
async fn a_mail_arrives_whole_over_every_kind_of_line() {
    for (mode, tls) in [
        ("plain", MailTls::None),
        ("starttls", MailTls::StartTls),
        ("tls", MailTls::Tls),
    ] {
        let server = Server::start(mode).await;
        let settings = server.settings(tls);
        let outcome = mail(&settings, "ana@example.com").send(&message()).await;
        assert!(outcome.is_good(), "{mode}: {outcome:?}");
        let (about, letter) = server.kept(1).expect("a mail");
        assert_eq!(about["from"], "evenkeel@example.com");
        assert_eq!(about["to"][0], "ana@example.com");
        assert_eq!(about["private"], mode != "plain");
        if tls != MailTls::None {
            assert_eq!(about["account"], "evenkeel");
        }
        for line in [
            "Message-ID: <M-7.1795000000000000@example.com>",
            "Auto-Submitted: auto-generated",
            "evenkeel acknowledge I-3",
        ] {
            assert!(letter.contains(line), "{line}\n{letter}");
        }
        assert!(letter.contains("=?utf-8?"), "{letter}");
        assert!(!letter.contains("s3cret"));
    }
}

#[tokio::test]
async fn what_a_server_will_never_take_is_said_at_once() {
    let server = Server::start("starttls").await;
    let good = server.settings(MailTls::StartTls);
    let outcome = mail(&good, "nobody@example.com").send(&message()).await;
    let Outcome::Failed(why) = &outcome else {
        panic!("{outcome:?}")
    };
    assert!(
        why.contains("no such mailbox") && why.contains("refused"),
        "{why}"
    );

    let mut wrong = good.clone();
    wrong.account = Some(Account {
        user: "evenkeel".into(),
        password: "forgotten-password".into(),
    });
    let outcome = mail(&wrong, "ana@example.com").send(&message()).await;
    assert!(
        matches!(&outcome, Outcome::Failed(why) if why.contains("535")),
        "{outcome:?}"
    );
    assert!(
        !outcome.text().contains("forgotten-password"),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn nothing_is_said_to_a_server_that_cannot_be_trusted() {
    let server = Server::start("starttls").await;
    // A certificate of somebody else.
    let other = tempfile::tempdir().unwrap();
    certificate(other.path());
    let mut settings = server.settings(MailTls::StartTls);
    settings.ca_file = Some(other.path().join("certificate.pem"));
    let outcome = mail(&settings, "ana@example.com").send(&message()).await;
    assert!(!outcome.is_good(), "{outcome:?}");
    // One that offers no STARTTLS at all.
    let plain = Server::start("plain").await;
    let mut settings = plain.settings(MailTls::StartTls);
    settings.ca_file = server.settings(MailTls::StartTls).ca_file;
    let outcome = mail(&settings, "ana@example.com").send(&message()).await;
    let expected = |why: &str| why.contains("STARTTLS") && why.contains("nothing is said");
    assert!(
        matches!(&outcome, Outcome::Failed(why) if expected(why)),
        "{outcome:?}"
    );
    assert!(plain.kept(1).is_none());
}

/// A peer that says `greeting` (again and again where `forever`), and then nothing.
async fn peer(
    greeting: &'static [u8],
    forever: bool,
) -> (MailServer, tokio::task::JoinHandle<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = MailServer {
        host: "127.0.0.1".into(),
        port: listener.local_addr().unwrap().port(),
        tls: MailTls::None,
        ca_file: None,
        account: None,
        from: "evenkeel@example.com".parse().unwrap(),
    };
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut sent = 0;
        loop {
            match stream.write_all(greeting).await {
                Ok(()) => sent += greeting.len(),
                Err(_) => return sent,
            }
            if !forever {
                let mut rest = Vec::new();
                let _ended = stream.read_to_end(&mut rest).await;
                return sent;
            }
        }
    });
    (settings, task)
}

#[tokio::test]
async fn peers_that_stall_or_answer_garbage_cost_their_time_and_no_more() {
    for greeting in [
        b"" as &[u8],
        b"220 hel",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\xff\xfe\x00garbage\r\n",
        b"220-one\r\n",
        b"421 too busy\r\n",
        b"554 go away\r\n",
    ] {
        let (settings, task) = peer(greeting, false).await;
        let mut mail = mail(&settings, "ana@example.com");
        mail.timeout = Duration::from_millis(300);
        let outcome = mail.send(&message()).await;
        assert!(matches!(&outcome, Outcome::Failed(_)), "{outcome:?}");
        drop(mail);
        task.abort();
    }
}

#[tokio::test]
async fn a_peer_that_talks_for_ever_is_hung_up_on() {
    for greeting in [&[b'x'; 4096] as &[u8], b"220-more\r\n"] {
        let (settings, task) = peer(greeting, true).await;
        let outcome = mail(&settings, "ana@example.com").send(&message()).await;
        assert!(!outcome.is_good(), "{outcome:?}");
        // Beyond what is read lies only what the kernel keeps for both ends.
        let sent = task.await.unwrap();
        assert!(sent < 64 << 20, "{sent} bytes were taken");
    }
}

#[tokio::test]
async fn nobody_there_is_tried_again_and_then_failed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (mut settings, task) = peer(b"", false).await;
    task.abort();
    settings.port = listener.local_addr().unwrap().port();
    drop(listener);
    let mut mail = mail(&settings, "ana@example.com");
    mail.give_up_after = Duration::from_millis(1500);
    let outcome = mail.send(&message()).await;
    assert!(
        matches!(&outcome, Outcome::Failed(why) if why.contains("2 tries")),
        "{outcome:?}"
    );
}

#[test]
fn certificates_that_are_none_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, "not a certificate\n").unwrap();
    let settings = MailServer {
        host: "localhost".into(),
        port: 1,
        tls: MailTls::StartTls,
        ca_file: Some(path),
        account: None,
        from: "evenkeel@example.com".parse().unwrap(),
    };
    let refused = Connector::new(&settings)
        .err()
        .expect("refused")
        .to_string();
    assert!(
        refused.contains("ca.pem") && refused.contains("PEM"),
        "{refused}"
    );
}
