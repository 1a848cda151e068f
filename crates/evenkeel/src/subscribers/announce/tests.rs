//! What each place is sent, and how what is long is cut.

use super::*;
use evenkeel_core::Timestamp;
use evenkeel_core::ids::{IncidentId, MessageId};
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::message::{Body, Message};
use evenkeel_core::status::Status;
use http_body_util::BodyExt;

fn word() -> Word {
    let at = Timestamp::from_second(1_795_000_000).unwrap();
    let hurt = BTreeMap::from([("login".into(), Status::MajorOutage)]);
    Word {
        message: Message {
            id: MessageId(7),
            at,
            incident: Some(IncidentId(3)),
            body: Body::Public {
                status: IncidentStatus::Investigating,
                components: hurt.clone(),
                since: at,
                next_update_at: None,
                person: None,
                approved_by: None,
            },
        },
        harmed: hurt,
        names: BTreeMap::from([("login".into(), "Login & <Konto>".into())]),
        impact: None,
        payload: Value::Null,
    }
}

fn page() -> Page {
    Page {
        base: "https://status.example.com".into(),
    }
}

fn announcement(place: Place, languages: &[Language]) -> Announcement {
    Announcement {
        id: "one".into(),
        place,
        languages: languages.to_vec(),
        components: Vec::new(),
    }
}

async fn sent(one: &Announcement, to: Option<&str>) -> (axum::http::request::Parts, String) {
    let request = one.request(to, &word(), &page()).unwrap();
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts, String::from_utf8(body.to_vec()).unwrap())
}

fn url() -> Uri {
    "https://chat.example.com/hook".parse().unwrap()
}

#[tokio::test]
async fn chat_reads_every_language_and_no_signs_of_its_own() {
    let both = [Language::Danish, Language::English];
    let (parts, body) = sent(&announcement(Place::Slack { url: url() }, &both), None).await;
    assert_eq!(parts.uri, url());
    let body: Value = serde_json::from_str(&body).unwrap();
    let text = body["text"].as_str().unwrap();
    assert!(
        text.contains("Login &amp; &lt;Konto&gt; virker ikke"),
        "{text}"
    );
    assert!(
        text.contains("does not work") && text.contains("/da/incidents/I-3"),
        "{text}"
    );
    let (_, card) = sent(&announcement(Place::Teams { url: url() }, &both), None).await;
    let card: Value = serde_json::from_str(&card).unwrap();
    assert_eq!(card["attachments"][0]["content"]["type"], "AdaptiveCard");
}

#[tokio::test]
async fn social_and_push_have_their_token_and_a_key_for_doubles() {
    let mastodon = Place::Mastodon {
        url: "https://social.example.com/".parse().unwrap(),
        token: "s3cret".into(),
    };
    let (parts, body) = sent(&announcement(mastodon, &[Language::Polish]), None).await;
    assert_eq!(parts.uri, "https://social.example.com/api/v1/statuses");
    assert_eq!(parts.headers["authorization"], "Bearer s3cret");
    assert_eq!(parts.headers["idempotency-key"], "M-7.1795000000000000.one");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["language"], "pl");
    let ntfy = Place::Ntfy {
        url: "https://ntfy.example.com".parse().unwrap(),
        topic: "status".into(),
        token: None,
    };
    let (parts, body) = sent(&announcement(ntfy, &[Language::English]), None).await;
    assert!(!parts.headers.contains_key("authorization"));
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["topic"], "status");
    assert_eq!(body["title"], "Login & <Konto> does not work");
}

#[tokio::test]
async fn an_sms_is_filled_in_escaped_and_goes_to_each_number() {
    let sms = |body: &str, body_is| Sms {
        url: url(),
        body: body.into(),
        body_is,
        headers: BTreeMap::from([("x-account".into(), "12".into())]),
        authorization: Some("Basic abc".into()),
        to: vec!["+31 20".into(), "+45".into()],
        parts_max: 2,
    };
    let json = sms(
        "{\"to\":\"{to}\",\"text\":\"{text}\",\"ref\":\"{key}\",\"x\":{}}",
        BodyIs::Json,
    );
    let one = announcement(Place::Sms(json), &[Language::English]);
    assert_eq!(one.addresses(), ["one +31 20", "one +45"]);
    let (parts, body) = sent(&one, Some("+45")).await;
    assert_eq!(parts.headers["x-account"], "12");
    assert_eq!(parts.headers["authorization"], "Basic abc");
    assert_eq!(
        parts.headers["idempotency-key"],
        "M-7.1795000000000000.one.+45"
    );
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["to"], "+45");
    assert!(
        body["text"]
            .as_str()
            .unwrap()
            .starts_with("Login & <Konto> does not work")
    );
    let form = sms("to={to}&text={text}", BodyIs::Form);
    let (parts, body) = sent(
        &announcement(Place::Sms(form), &[Language::English]),
        Some("+31 20"),
    )
    .await;
    assert_eq!(
        parts.headers["content-type"],
        "application/x-www-form-urlencoded"
    );
    assert!(
        body.starts_with("to=%2B31%2020&text=Login%20%26%20%3CKonto%3E"),
        "{body}"
    );
    // What is filled in is not filled in again.
    let odd = sms("{text}|{to}", BodyIs::Json)
        .filled("{text}", "{to} \"x\"", "k")
        .0;
    assert_eq!(odd, "{to} \\\"x\\\"|{text}");
}

#[test]
fn what_is_long_is_cut_within_its_bound_and_never_within_a_letter() {
    let long = "Zażółć gęślą jaźń. ".repeat(100);
    for most in [20, 70, 160, 500, 3000] {
        let cut = clipped(&long, most, str_len);
        assert!(str_len(&cut) <= most, "{most}: {}", str_len(&cut));
    }
    assert_eq!(clipped("Short.", 100, str_len), "Short.");
    assert_eq!(
        clipped("One sentence here. And more of it", 24, str_len),
        "One sentence here. …"
    );
    let links = format!("Down https://{}.example.com/x now", "a".repeat(300));
    assert_eq!(
        mastodon_len(&links),
        "Down ".len() + MASTODON_LINK + " now".len()
    );
    let link = "https://status.example.com/en/incidents/I-3".to_owned();
    for (text, parts, most) in [
        ("Login does not work. ".repeat(40), 1, 160),
        ("Login does not work. ".repeat(40), 3, 459),
    ] {
        let sms = sms_text(&(text, link.clone()), parts);
        assert!(septets(&sms).is_some_and(|count| count <= most), "{sms}");
        assert!(sms.ends_with(&link), "{sms}");
    }
    // Letters that the short alphabet lacks halve the room.
    let sms = sms_text(&("Logowanie nie działa. ".repeat(40), link.clone()), 2);
    assert!(septets(&sms).is_none());
    assert!(
        sms.encode_utf16().count() <= 134 && sms.ends_with(&link),
        "{sms}"
    );
}
