//! The pages: asked as browsers, mail programs and scanners ask.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use tower::ServiceExt;

use super::super::MailSettings;
use super::super::store::Standing;
use super::*;
use crate::web::public;
use crate::web::public::brand::Color;

fn with_mail() -> Place {
    Place::new(Settings {
        mail: Some(MailSettings {
            from: "status@example.com".parse().unwrap(),
            reply_to: None,
            per_second: 10,
            per_domain: 10,
            connections: 1,
            dkim: None,
        }),
        ..settings()
    })
}

async fn asked(router: &Router, request: Request<Body>) -> (StatusCode, HeaderMap, String) {
    let answer = router.clone().oneshot(request).await.expect("an answer");
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, 1 << 20).await.expect("a body");
    (
        parts.status,
        parts.headers,
        String::from_utf8(body.to_vec()).expect("text"),
    )
}

async fn get(router: &Router, path: &str) -> (StatusCode, HeaderMap, String) {
    asked(router, Request::get(path).body(Body::empty()).unwrap()).await
}

async fn post(router: &Router, path: &str, body: &str) -> (StatusCode, HeaderMap, String) {
    let kind = "application/x-www-form-urlencoded";
    let request = Request::post(path).header(header::CONTENT_TYPE, kind);
    asked(router, request.body(Body::from(body.to_owned())).unwrap()).await
}

const WANTS_ALL: &str = "component=login&component=quotes&language=nl";

/// The only subscriber of an address.
fn of(place: &Place, address: &str) -> super::super::store::Subscriber {
    let found = place.own.store().find(address, None, 10).unwrap();
    assert_eq!(found.len(), 1, "{address}");
    found.into_iter().next().unwrap()
}

#[tokio::test]
async fn they_are_the_vendors_own_like_the_page() {
    let mut place = with_mail();
    let [light, dark] = [Color::of("#7a1f5c"), Color::of("#e0a0c8")];
    let settings = Arc::get_mut(&mut place.site.settings).expect("nobody else has it");
    settings.brand.accent = light.zip(dark).map(|(light, dark)| [light, dark]);
    let router = public::router(place.site.clone());
    let (_, headers, page) = get(&router, "/de/subscribe").await;
    let css = "<style>:root{--accent:#7a1f5c}";
    assert!(page.contains(css), "{page}");
    let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert_eq!(policy.matches("'sha256-").count(), 2, "{policy}");
}

#[tokio::test]
async fn who_asks_confirms_changes_and_leaves_by_buttons_alone() {
    let place = with_mail();
    let router = public::router(place.site.clone());
    let (status, headers, page) = get(&router, "/nl/subscribe").await;
    assert_eq!(status, StatusCode::OK);
    assert!(
        page.contains("lang=\"nl\"") && page.contains("E-mailadres"),
        "{page}"
    );
    assert!(!page.contains("<script"), "{page}");
    assert_eq!(headers[header::CACHE_CONTROL], "no-store");
    let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(
        policy.contains("form-action 'self'") && policy.contains("default-src 'none'"),
        "{policy}"
    );

    let form = format!("address=ana%40example.com&{WANTS_ALL}");
    let (status, _, page) = post(&router, "/nl/subscribe", &form).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    assert!(!page.contains("ana@example.com"), "{page}");
    let one = of(&place, "ana@example.com");
    assert_eq!(one.standing, Standing::Waiting);
    assert_eq!(one.wishes.language, Language::Dutch);
    assert!(
        one.wishes.components.is_empty(),
        "who wants all wants what is to come"
    );
    assert_eq!(
        place.queue(&login_down(1)),
        Some(0),
        "nothing before it is confirmed"
    );

    let link = format!("/nl/subscription/{}", place.own.store().link(&one));
    // Whoever scans mails opens every link in them.
    for _ in 0..3 {
        let (status, headers, page) = get(&router, &link).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers[header::REFERRER_POLICY], "no-referrer");
        assert_eq!(headers["x-robots-tag"], "noindex");
        assert!(page.contains("value=\"confirm\""), "{page}");
    }
    assert_eq!(of(&place, "ana@").standing, Standing::Waiting);

    let (_, _, page) = post(&router, &link, "do=confirm").await;
    assert!(page.contains("Vanaf nu schrijven we u."), "{page}");
    assert_eq!(of(&place, "ana@").standing, Standing::Active);
    assert_eq!(place.queue(&login_down(2)), Some(1));

    let form = "do=save&component=quotes&component=unheard-of&language=de&maintenance_only=yes";
    post(&router, &link, form).await;
    let one = of(&place, "ana@");
    assert_eq!(one.wishes.components, ["quotes".into()]);
    assert!(one.wishes.maintenance_only && one.wishes.language == Language::German);
    let (_, _, page) = post(&router, &link, "do=save&language=de").await;
    assert!(page.contains("Kies ten minste één functie."), "{page}");
    assert_eq!(
        of(&place, "ana@").wishes,
        one.wishes,
        "nothing chosen changes nothing"
    );

    let (_, _, page) = post(&router, &link, "do=unsubscribe").await;
    assert!(page.contains("U krijgt geen e-mails meer."), "{page}");
    assert!(place.own.store().find("ana@", None, 10).unwrap().is_empty());
    let (status, _, page) = get(&router, &link).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(page.contains("/nl/subscribe"), "{page}");
}

#[tokio::test]
async fn one_click_unsubscribes_as_mail_programs_ask_for_it() {
    let multipart = "--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--x--\r\n";
    for (kind, body) in [
        (
            "application/x-www-form-urlencoded",
            "List-Unsubscribe=One-Click",
        ),
        ("multipart/form-data; boundary=x", multipart),
    ] {
        let place = with_mail();
        let router = public::router(place.site.clone());
        place.bring("ana@example.com", wishes(&[]));
        let link = place.own.store().link(&of(&place, "ana@"));
        let path = format!("/en/subscription/{link}");
        for _ in 0..2 {
            let request = Request::post(&path).header(header::CONTENT_TYPE, kind);
            let request = request.body(Body::from(body)).unwrap();
            let (status, _, page) = asked(&router, request).await;
            assert_eq!(status, StatusCode::OK, "{page}");
        }
        assert!(
            place.own.store().find("ana@", None, 10).unwrap().is_empty(),
            "{kind}"
        );
    }
}

#[tokio::test]
async fn the_answer_does_not_tell_who_is_subscribed() {
    let place = with_mail();
    let router = public::router(place.site.clone());
    place.bring("told@example.com", wishes(&["login"]));
    let mut answers = std::collections::BTreeSet::new();
    // Told already, new, asked a moment ago, and our own address.
    for address in ["told", "new", "new", "status"] {
        let form = format!("address={address}%40example.com&{WANTS_ALL}");
        let (status, headers, page) = post(&router, "/en/subscribe", &form).await;
        let headers: Vec<String> = headers.iter().map(|pair| format!("{pair:?}")).collect();
        answers.insert((status.as_u16(), headers.join("\n"), page));
    }
    assert_eq!(answers.len(), 1, "{answers:#?}");
    assert_eq!(of(&place, "told@").wishes, wishes(&["login"]));
    assert!(
        place
            .own
            .store()
            .find("status@", None, 10)
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn what_is_no_address_is_told_and_kept_nowhere() {
    let place = with_mail();
    let router = public::router(place.site.clone());
    for address in [
        "",
        "ana",
        "ana%40example.com%0d%0aBcc%3a%20all%40example.com",
        "ana%40example.com%2cb%40example.com",
        "%00%40example.com",
        "ana%40127.0.0.1.",
    ] {
        let form = format!("address={address}&{WANTS_ALL}");
        let (status, _, page) = post(&router, "/de/subscribe", &form).await;
        assert_eq!(
            status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{address}: {page}"
        );
        assert!(page.contains("role=\"alert\""), "{page}");
    }
    let (status, _, _) = post(&router, "/en/subscribe", "address=ana%40example.com").await;
    assert_eq!(
        status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "no function chosen"
    );
    let typed = "address=%22%3E%3Cscript%3E&component=login";
    let (_, _, page) = post(&router, "/en/subscribe", typed).await;
    assert!(!page.contains("<script"), "{page}");
    assert!(place.own.store().counts().unwrap().is_empty());
    let large = format!("address={}", "a".repeat(100_000));
    let (status, _, _) = post(&router, "/en/subscribe", &large).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn links_that_were_not_given_lead_nowhere_and_say_nothing() {
    let place = with_mail();
    let router = public::router(place.site.clone());
    let id = place.bring("ana@example.com", wishes(&[]));
    let own = place.own.store().link(&of(&place, "ana@"));
    let (_, mark) = own.split_once('-').unwrap();
    let mut answers = std::collections::BTreeSet::new();
    for link in [
        format!("{:x}-{}", id + 1, mark),
        format!("{id:x}-{}", "0".repeat(32)),
        format!("{id:x}-{}", &mark[..31]),
        "x".repeat(3000),
        "..".into(),
    ] {
        for body in ["do=unsubscribe", "do=confirm"] {
            let (status, _, page) = post(&router, &format!("/en/subscription/{link}"), body).await;
            assert_eq!(status, StatusCode::NOT_FOUND);
            answers.insert(page);
        }
    }
    assert_eq!(answers.len(), 1);
    assert_eq!(of(&place, "ana@").standing, Standing::Active);
}

#[tokio::test]
async fn where_nobody_may_subscribe_there_is_no_form_and_no_link_to_one() {
    let place = Place::new(settings());
    let router = public::router(place.site.clone());
    assert_eq!(get(&router, "/en/subscribe").await.0, StatusCode::NOT_FOUND);
    let form = format!("address=ana%40example.com&{WANTS_ALL}");
    assert_eq!(
        post(&router, "/en/subscribe", &form).await.0,
        StatusCode::NOT_FOUND
    );
    assert!(!get(&router, "/en/").await.2.contains("/subscribe"));
    let place = with_mail();
    let router = public::router(place.site.clone());
    let front = get(&router, "/pl/").await.2;
    assert!(
        front.contains("href=\"https://status.example.com/pl/subscribe\""),
        "{front}"
    );
}

#[tokio::test]
async fn every_page_is_there_in_every_language() {
    let place = with_mail();
    let router = public::router(place.site.clone());
    place.bring("ana@example.com", wishes(&[]));
    let link = place.own.store().link(&of(&place, "ana@"));
    for language in Language::ALL {
        let tag = language.tag();
        for path in [
            format!("/{tag}/subscribe"),
            format!("/{tag}/subscription/{link}"),
        ] {
            let (status, headers, page) = get(&router, &path).await;
            assert_eq!(status, StatusCode::OK, "{path}");
            assert_eq!(headers[header::CONTENT_LANGUAGE], tag);
            assert!(page.contains(&format!("<html lang=\"{tag}\"")), "{path}");
        }
    }
    assert_eq!(get(&router, "/fr/subscribe").await.0, StatusCode::NOT_FOUND);
}
