//! SMTP against a real mail server (aiosmtpd, from the distribution): in the clear, turning
//! to TLS, and in TLS from its first byte.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use evenkeel_guards::checks::{Address, Probe, Smtp, SmtpTls};

use super::other::{Signed, signed};
use super::{check, failed, passed, tried};

struct MailServer {
    child: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn mail_server(mode: &str, signed: &Signed) -> MailServer {
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = (
        folder.path().join("cert.pem"),
        folder.path().join("key.pem"),
    );
    std::fs::write(&certificate, &signed.certificate_pem).expect("a certificate");
    std::fs::write(&key, &signed.key_pem).expect("a key");
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../evenkeel/tests/mail/smtp_server.py");
    let mut child = Command::new("/usr/bin/python3")
        .arg(script)
        .arg(folder.path())
        .arg(mode)
        .args([&certificate, &key])
        .stderr(Stdio::null())
        .spawn()
        .expect("python3: run `cargo xtask setup`");
    let deadline = Instant::now() + Duration::from_secs(30);
    let port = loop {
        let port = std::fs::read_to_string(folder.path().join("port")).ok();
        if let Some(port) = port.and_then(|port| port.parse().ok()) {
            break port;
        }
        let ended = matches!(child.try_wait(), Ok(Some(_)));
        assert!(
            !ended && Instant::now() < deadline,
            "aiosmtpd: run `cargo xtask setup`"
        );
        tokio::time::sleep(Duration::from_millis(20)).await; // waits: for the server to listen
    };
    MailServer {
        child,
        port,
        _folder: folder,
    }
}

fn smtp(server: &MailServer, tls: SmtpTls, signed: &Signed) -> Probe {
    Probe::Smtp(Smtp {
        address: Address {
            host: "127.0.0.1".into(),
            port: server.port,
        },
        tls,
        server_name: Some("mail.example".into()),
        trust: signed.trust.clone(),
    })
}

#[tokio::test]
async fn a_real_mail_server_passes_in_each_way_it_speaks() {
    let signed = signed("mail.example", 20);
    for (mode, tls) in [
        ("plain", SmtpTls::None),
        ("starttls", SmtpTls::Starttls),
        ("tls", SmtpTls::Implicit),
    ] {
        let server = mail_server(mode, &signed).await;
        let account = tried(&check(smtp(&server, tls, &signed))).await;
        passed(&account);
        let sees_certificate = account.result.certificate_expires_at.is_some();
        assert_eq!(sees_certificate, tls != SmtpTls::None, "{mode}");
        if mode == "plain" {
            let account = tried(&check(smtp(&server, SmtpTls::Starttls, &signed))).await;
            assert_eq!(failed(&account), "it does not offer STARTTLS");
        }
    }
}
