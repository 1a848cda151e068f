//! Mail that a real SMTP server took, read by Python's email and verified by dkimpy.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::super::MailSettings;
use super::super::dkim::KeySpec;
use super::super::follow::Ways;
use super::super::store::Standing;
use super::*;
use crate::channels::mail::tests::Server;
use crate::config::MailTls;
use crate::web::base64;

fn mail_settings(dkim: Option<KeySpec>) -> Settings {
    Settings {
        mail: Some(MailSettings {
            from: "status@example.com".parse().unwrap(),
            reply_to: Some("support@example.com".parse().unwrap()),
            per_second: 1000,
            per_domain: 1000,
            connections: 3,
            dkim,
        }),
        ..settings()
    }
}

/// What others read of a kept mail.
fn read(server: &Server, number: u32, records: &[String]) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mail/read_mail.py");
    let output = Command::new("/usr/bin/python3")
        .arg(script)
        .arg(server.folder.path().join(format!("{number}.eml")))
        .args(records)
        .output()
        .expect("python3");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{said}: run `cargo xtask setup`, or `apt-get install python3-dkim`"
    );
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Sends everything that waits, until nothing does.
async fn send_all(place: &Place, server: &Server) {
    let (stop, stopped) = watch::channel(false);
    let settings = server.settings(MailTls::None);
    let ways = Ways::new(place.own.clone(), place.site.clone(), Some(&settings)).unwrap();
    let keeper = tokio::spawn(ways.keep(stopped));
    let store = place.own.clone();
    until("everything is sent", || {
        store.store().backlog(Kind::Mail).unwrap().rows == 0
    })
    .await;
    stop.send_replace(true);
    keeper.await.unwrap();
}

fn openssl(arguments: &[&str], folder: &Path) -> Vec<u8> {
    let output = Command::new("openssl")
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("openssl");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

/// A key of a kind, and what the DNS says of it.
fn dkim(folder: &Path, algorithm: &str) -> (KeySpec, String) {
    let file = folder.join(format!("{algorithm}.pem"));
    let name = file.to_str().unwrap();
    let record = match algorithm {
        "rsa" => {
            openssl(&["genrsa", "-out", name, "2048"], folder);
            let public = openssl(&["rsa", "-in", name, "-pubout", "-outform", "DER"], folder);
            format!("v=DKIM1; k=rsa; p={}", base64(&public))
        }
        _ => {
            openssl(&["genpkey", "-algorithm", "ed25519", "-out", name], folder);
            let public = openssl(&["pkey", "-in", name, "-pubout", "-outform", "DER"], folder);
            // The last 32 bytes are the key itself (RFC 8410).
            format!(
                "v=DKIM1; k=ed25519; p={}",
                base64(&public[public.len() - 32..])
            )
        }
    };
    let spec = KeySpec {
        domain: "example.com".into(),
        selector: algorithm.into(),
        file: PathBuf::from(name),
    };
    (spec, format!("{algorithm}._domainkey.example.com={record}"))
}

#[tokio::test]
async fn an_update_arrives_signed_in_the_reader_s_language_with_one_click_to_leave() {
    let keys = tempfile::tempdir().unwrap();
    for algorithm in ["rsa", "ed25519"] {
        let (spec, record) = dkim(keys.path(), algorithm);
        let server = Server::start("plain").await;
        let place = Place::new(mail_settings(Some(spec)));
        let german = Wishes {
            language: Language::German,
            ..wishes(&[])
        };
        let id = place.bring("ana@example.com", german);
        place.queue(&written(
            7,
            Language::Dutch,
            "Inloggen lukt <niet>.\n\nWe zoeken.",
        ));
        send_all(&place, &server).await;
        let (about, raw) = server.kept(1).expect("a mail");
        assert_eq!(about["from"], "status@example.com");
        assert_eq!(about["to"][0], "ana@example.com");
        let mail = read(&server, 1, &[record]);
        assert_eq!(mail["signed"], true, "{algorithm}: {raw}");
        let headers = &mail["headers"];
        assert_eq!(headers["from"], "Back office <status@example.com>");
        assert_eq!(headers["reply-to"], "support@example.com");
        assert_eq!(headers["to"], "ana@example.com");
        assert_eq!(
            headers["subject"],
            "[Back office] Login ist ausgefallen (Wird untersucht)"
        );
        assert_eq!(headers["auto-submitted"], "auto-generated");
        assert_eq!(
            headers["list-unsubscribe-post"],
            "List-Unsubscribe=One-Click"
        );
        assert_eq!(headers["list-id"], "<updates.status.example.com>");
        let one = place.own.store().subscriber(id).unwrap().unwrap();
        let link = place.own.store().link(&one);
        let address = format!("https://status.example.com/de/subscription/{link}");
        assert_eq!(headers["list-unsubscribe"], format!("<{address}>"));
        let message_id = headers["message-id"].as_str().unwrap();
        assert!(
            message_id.starts_with("<M-7.") && message_id.ends_with("@example.com>"),
            "{message_id}"
        );
        assert!(
            !raw.to_lowercase().contains("operator:ana"),
            "who wrote it is not told"
        );
        let signed = headers["dkim-signature"].as_str().unwrap();
        for name in [
            "list-unsubscribe",
            "list-unsubscribe-post",
            "from",
            "subject",
            "message-id",
        ] {
            let named = signed
                .split_once("h=")
                .unwrap()
                .1
                .split(';')
                .next()
                .unwrap();
            assert!(
                named.split(':').any(|known| known == name),
                "{name}: {named}"
            );
        }
        for kind in ["text/plain", "text/html"] {
            let text = mail["parts"][kind].as_str().expect(kind);
            for said in [
                "Login ist ausgefallen",
                "https://status.example.com/de/incidents/I-3",
                &address,
                "Nederlands",
                "We zoeken.",
            ] {
                assert!(text.contains(said), "{kind}: {said}: {text}");
            }
        }
        assert!(
            mail["parts"]["text/html"]
                .as_str()
                .unwrap()
                .contains("&lt;niet&gt;")
        );
        assert!(
            mail["parts"]["text/plain"]
                .as_str()
                .unwrap()
                .contains("> Inloggen lukt <niet>.")
        );
        assert!(mail["longest_line"].as_u64().unwrap() <= 998, "{mail}");
        let names = mail["names"].as_array().unwrap();
        for name in ["from", "to", "date", "message-id", "subject"] {
            assert_eq!(
                names.iter().filter(|known| *known == name).count(),
                1,
                "{name}"
            );
        }
    }
}

#[tokio::test]
async fn a_changed_mail_is_not_signed_any_more() {
    let keys = tempfile::tempdir().unwrap();
    let (spec, record) = dkim(keys.path(), "rsa");
    let server = Server::start("plain").await;
    let place = Place::new(mail_settings(Some(spec)));
    place.bring("ana@example.com", wishes(&[]));
    place.queue(&login_down(7));
    send_all(&place, &server).await;
    let file = server.folder.path().join("1.eml");
    let raw = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, raw.replace("One-Click", "Two-Click")).unwrap();
    assert_eq!(read(&server, 1, &[record])["signed"], false);
}

#[tokio::test]
async fn the_letter_with_the_link_says_it_in_every_language_and_is_no_list() {
    let server = Server::start("plain").await;
    let place = Place::new(mail_settings(None));
    for (n, language) in (1..).zip(Language::ALL) {
        let wishes = Wishes {
            language,
            ..wishes(&[])
        };
        let store = place.own.store();
        store
            .ask(
                &format!("new{n}@example.com"),
                &wishes,
                100,
                Timestamp::now(),
            )
            .unwrap();
    }
    send_all(&place, &server).await;
    let mut subjects = std::collections::BTreeSet::new();
    for number in 1..=5 {
        let mail = read(&server, number, &[]);
        let headers = &mail["headers"];
        subjects.insert(headers["subject"].as_str().unwrap().to_owned());
        assert_eq!(headers["auto-submitted"], "auto-generated");
        assert!(headers["list-unsubscribe"].is_null(), "{mail}");
        let text = mail["parts"]["text/plain"].as_str().unwrap();
        assert!(text.contains("/subscription/"), "{text}");
    }
    assert_eq!(subjects.len(), 5, "{subjects:?}");
}

#[tokio::test]
async fn one_dead_address_and_a_server_that_is_down_keep_nobody_else_from_their_mail() {
    let server = Server::start("plain").await;
    let place = Place::new(mail_settings(None));
    for n in 0..40 {
        place.bring(&format!("reader{n}@example.com"), wishes(&[]));
    }
    let dead = place.bring("nobody@example.com", wishes(&[]));
    // At first the server refuses everybody, for good.
    std::fs::write(server.folder.path().join("refuse"), "").unwrap();
    let word = place.word(&login_down(7));
    place.own.store().queue(&word, Timestamp::now()).unwrap();
    let (stop, stopped) = watch::channel(false);
    let settings = server.settings(MailTls::None);
    let ways = Ways::new(place.own.clone(), place.site.clone(), Some(&settings)).unwrap();
    let keeper = tokio::spawn(ways.keep(stopped));
    let own = place.own.clone();
    until("it refuses", || {
        own.standings().of(Kind::Mail).refused >= 20
    })
    .await;
    assert!(own.standings().of(Kind::Mail).trouble.is_some());
    let counts = own.store().counts().unwrap();
    assert_eq!(
        (counts[0].standing, counts[0].count),
        (Standing::Active, 41)
    );
    std::fs::remove_file(server.folder.path().join("refuse")).unwrap();
    // The pause after a refusal is not waited for here.
    let hurry = rusqlite::Connection::open(place.folder.path().join(super::super::FILE)).unwrap();
    hurry.busy_timeout(Duration::from_secs(10)).unwrap();
    until("all others have it", || {
        hurry
            .execute("UPDATE outbox SET due_at = 0 WHERE begun_at IS NULL", [])
            .unwrap();
        own.ring();
        own.standings().of(Kind::Mail).taken >= 40
    })
    .await;
    stop.send_replace(true);
    keeper.await.unwrap();
    let one = own.store().subscriber(dead).unwrap().unwrap();
    assert_eq!(one.standing, Standing::Active, "one word is no proof");
    assert!(own.standings().of(Kind::Mail).trouble.is_none());
    assert_eq!(own.store().words(1).unwrap()[0].sent, 40);
}

#[tokio::test]
async fn what_the_record_says_goes_out_once_and_not_what_it_said_before() {
    use evenkeel_core::event::{Event, What};
    let server = Server::start("plain").await;
    let place = Place::new(mail_settings(None));
    place.bring("ana@example.com", wishes(&[]));
    let (stop, stopped) = watch::channel(false);
    let settings = server.settings(MailTls::None);
    let now = Timestamp::now();
    let told = |record: &mut Record, number: u64, at: Timestamp| {
        let mut message = login_down(number);
        message.at = at;
        let what = What::MessageRequested { message };
        record.apply(&Event { at, what });
    };
    let mut record = Record::default();
    // From before the list was made.
    told(
        &mut record,
        1,
        evenkeel_core::time::before(now, Duration::from_secs(3600)),
    );
    place
        .pump
        .send_replace(Arc::new(Published::of(record.clone())));
    let at = Timestamp::now();
    for _ in 0..2 {
        let ways = Ways::new(place.own.clone(), place.site.clone(), Some(&settings)).unwrap();
        let keeper = tokio::spawn(ways.keep(stopped.clone()));
        told(&mut record, 2, at);
        place
            .pump
            .send_replace(Arc::new(Published::of(record.clone())));
        let own = place.own.clone();
        until("it is sent", || {
            own.store()
                .words(1)
                .unwrap()
                .first()
                .is_some_and(|word| word.sent == 1)
        })
        .await;
        stop.send_replace(true);
        keeper.await.unwrap();
        stop.send_replace(false);
    }
    assert!(server.kept(1).is_some());
    assert!(server.kept(2).is_none(), "once, also after a restart");
}
