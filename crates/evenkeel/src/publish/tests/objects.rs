//! Object stores: one in memory, and a real server that speaks as Amazon's S3 does, read by
//! a client that knows nothing of object stores.

use axum::http::StatusCode;
use evenkeel_drill::objects::{self, Objects as Server};
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use object_store::memory::InMemory;
use object_store::path::Path as Key;
use object_store::{Attribute, ObjectStoreExt};

use super::super::targets::objects::{Bucket, Kind, Objects};
use super::*;

#[tokio::test]
async fn objects_have_their_types_and_what_is_gone_is_deleted_last() {
    let store = Arc::new(InMemory::new());
    let target = Objects::over(store.clone(), "memory".into(), "page".into());
    let edition = edition_of(hurt()).await;
    let written = Target::publish(&target, &edition).await;
    assert_eq!(written.expect("published"), edition.files.len());
    let get = async |key: &str| store.get(&Key::from(key)).await;
    let front = get("page/index.html").await.expect("the front page");
    let of = |attribute: Attribute| front.attributes.get(&attribute).map(AsRef::<str>::as_ref);
    assert_eq!(of(Attribute::ContentType), Some("text/html; charset=utf-8"));
    assert_eq!(
        of(Attribute::CacheControl),
        Some("public, max-age=5, must-revalidate")
    );
    assert!(get("page/incidents/I-1").await.is_ok());
    let next = edition_of(well()).await;
    let written = Target::publish(&target, &next).await;
    // The icon is there already; the incident's page is gone.
    assert!(written.expect("published") < next.files.len());
    assert!(get("page/incidents/I-1").await.is_err());
    assert!(get("page/favicon.svg").await.is_ok());
}

/// The bucket of a real server, with what differs from what it expects.
fn bucket(server: &Server, name: &str, key: &str) -> Objects {
    let bucket = Bucket {
        kind: Kind::S3 {
            region: "us-east-1".into(),
            key: key.into(),
            secret: objects::SECRET.into(),
        },
        name: name.into(),
        prefix: "page".into(),
        endpoint: Some(server.endpoint()),
    };
    Objects::of(&bucket).expect("a client")
}

/// What anybody reads at an address: status, type, how long it is good, content.
async fn read(server: &Server, key: &str) -> (StatusCode, [String; 2], Bytes) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let address = format!("{}/{}/page/{key}", server.endpoint(), objects::BUCKET);
    let answer = client.get(address.parse().expect("an address")).await;
    let (head, body) = answer.expect("an answer").into_parts();
    let of = |name: &str| {
        let value = head.headers.get(name);
        let text = value.and_then(|value| value.to_str().ok());
        text.unwrap_or_default().to_owned()
    };
    let says = [of("content-type"), of("cache-control")];
    let body = body.collect().await.expect("a body").to_bytes();
    (head.status, says, body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_s3_server_has_every_file_as_it_was_made() {
    let server = Server::start().expect("s3rver");
    let target = bucket(&server, objects::BUCKET, objects::KEY);
    let edition = edition_of(hurt()).await;
    let written = target.publish(&edition).await.expect("published");
    assert_eq!(written, edition.files.len());
    for file in &edition.files {
        let (status, says, body) = read(&server, &file.key()).await;
        assert_eq!(status, StatusCode::OK, "{}", file.path);
        let expected = [file.content_type.clone(), file.cache_control.clone()];
        assert_eq!(says, expected, "{}", file.path);
        assert_eq!(body, file.bytes, "{}", file.path);
    }
    let next = edition_of(well()).await;
    let written = target.publish(&next).await.expect("published");
    assert!(written < next.files.len(), "{written}");
    let (status, _, _) = read(&server, "incidents/I-1").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (_, _, front) = read(&server, "index.html").await;
    let made = next.files.iter().find(|file| file.path == "/");
    assert_eq!(front, made.expect("a front page").bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_s3_server_that_refuses_is_understood() {
    let server = Server::start().expect("s3rver");
    let edition = edition_of(well()).await;
    for (name, key, said) in [
        (objects::BUCKET, "another", "InvalidAccessKeyId"),
        ("elsewhere", objects::KEY, "NoSuchBucket"),
    ] {
        let refused = bucket(&server, name, key).publish(&edition).await;
        let why = refused.expect_err("it is refused").to_string();
        assert!(why.contains(said), "{why}");
    }
    let (status, _, _) = read(&server, "index.html").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let target = bucket(&server, objects::BUCKET, objects::KEY);
    drop(server);
    let refused = target.publish(&edition).await;
    let why = refused.expect_err("nobody is there").to_string();
    assert!(why.contains("onnect"), "{why}");
}
