//! Copies in a folder and behind a web server, good ones and all that can be wrong.

use std::sync::Arc;

use axum::Router;
use tempfile::TempDir;

use super::*;
use crate::publish::edition::{Edition, File, Moment};
use crate::publish::expiry::Stamp;
use crate::publish::signing::Signer;
use crate::publish::statement::{Outside, Voice, sign};
use crate::publish::targets::Target;
use crate::publish::targets::folders::Folders;
use evenkeel_core::witness::{Gap, Service};

const FIVE_MINUTES: Duration = Duration::from_secs(300);

fn edition(made_at: Timestamp, by: Voice, signer: &Signer) -> Edition {
    let page = |path: &str, text: &str| {
        let text = text.to_owned().into();
        File::new(
            path.into(),
            Moment::Now,
            text,
            "text/html".into(),
            "".into(),
        )
    };
    let mut edition = Edition {
        stamp: Stamp {
            made_at,
            valid_until: time::after(made_at, FIVE_MINUTES),
        },
        files: vec![
            page("/incidents/I-3", "Login was slow"),
            page("/", "All functions work"),
        ],
    };
    sign(&mut edition, by, signer);
    edition
}

/// A folder that is published to, as a web server serves it.
struct Scene {
    folder: TempDir,
    signer: Signer,
}

impl Scene {
    async fn new(made_at: Timestamp) -> Self {
        let scene = Self {
            folder: TempDir::new().expect("a folder"),
            signer: Signer::for_tests(),
        };
        scene.publish(made_at, Voice::Keeper).await;
        scene
    }

    async fn publish(&self, made_at: Timestamp, by: Voice) {
        let target = Folders::local(self.folder.path().into());
        let edition = edition(made_at, by, &self.signer);
        Target::publish(&target, &edition).await.expect("published");
    }

    fn served(&self, name: &str) -> PathBuf {
        self.folder.path().join("current").join(name)
    }

    async fn found(&self, remembered: Option<&mut Remembered>) -> Found {
        let place = Place::of(&self.folder.path().display().to_string()).expect("a folder");
        let keys = [Signer::for_tests().key(), self.signer.key()];
        verify(&place, &keys, remembered).await.expect("it is read")
    }
}

#[tokio::test]
async fn a_good_copy_is_said_to_be_authentic_whole_and_current() {
    let scene = Scene::new(Timestamp::now()).await;
    let found = scene.found(None).await;
    assert!(found.good, "{found:?}");
    assert_eq!(found.signed_by.as_deref(), Some("keeper"));
    assert_eq!(found.key, Some(scene.signer.key().to_string()));
    assert_eq!(found.files, 3, "two pages and the public key");
    assert!(found.said[0].contains("authentic, whole and current"));
}

#[tokio::test]
async fn a_changed_byte_a_missing_and_a_strange_file_are_named() {
    let scene = Scene::new(Timestamp::now()).await;
    std::fs::write(scene.served("index.html"), "All functions worK").expect("written");
    let found = scene.found(None).await;
    assert_eq!((found.good, found.whole), (false, Some(false)));
    assert!(
        found.said.contains(&"Changed: index.html.".to_owned()),
        "{found:?}"
    );
    std::fs::remove_file(scene.served("incidents/I-3/index.html")).expect("removed");
    std::fs::write(scene.served("incidents/I-4.html"), "strange").expect("written");
    let found = scene.found(None).await;
    let said = found.said.join("\n");
    assert!(
        said.contains("Missing: incidents/I-3/index.html."),
        "{said}"
    );
    assert!(
        said.contains("There and not signed: incidents/I-4.html."),
        "{said}"
    );
}

#[tokio::test]
async fn a_statement_that_was_changed_or_taken_away_is_not_authentic() {
    let scene = Scene::new(Timestamp::now()).await;
    let statement = scene.served(STATEMENT);
    let text = std::fs::read_to_string(&statement).expect("there");
    let later = text.replace("# valid until: 20", "# valid until: 21");
    assert_ne!(later, text);
    std::fs::write(&statement, later).expect("written");
    let found = scene.found(None).await;
    assert_eq!((found.good, found.authentic), (false, false));
    assert!(
        found.said[0].contains("somebody changed what is signed"),
        "{found:?}"
    );
    std::fs::remove_file(&statement).expect("removed");
    let found = scene.found(None).await;
    assert!(found.said[0].contains("Nobody signed this"), "{found:?}");
}

#[tokio::test]
async fn another_key_is_not_believed_whatever_the_copy_says() {
    let scene = Scene::new(Timestamp::now()).await;
    let place = Place::of(&scene.folder.path().display().to_string()).expect("a folder");
    let found = verify(&place, &[Signer::for_tests().key()], None).await;
    let found = found.expect("it is read");
    assert_eq!((found.good, found.authentic), (false, false));
    assert!(found.said[0].contains("signed by another key"), "{found:?}");
}

#[tokio::test]
async fn an_edition_that_ended_and_one_from_the_future_do_not_speak_of_now() {
    let long_ago = time::before(Timestamp::now(), 2 * FIVE_MINUTES);
    let scene = Scene::new(long_ago).await;
    let found = scene.found(None).await;
    let is = (found.good, found.whole, found.current);
    assert_eq!(is, (false, Some(true), Some(false)));
    assert!(
        found.said[1].contains("somebody put an older edition back"),
        "{found:?}"
    );
    scene
        .publish(
            time::after(Timestamp::now(), 2 * FIVE_MINUTES),
            Voice::Keeper,
        )
        .await;
    let found = scene.found(None).await;
    assert_eq!(found.current, Some(false));
    assert!(found.said[1].contains("set the clock"), "{found:?}");
}

#[tokio::test]
async fn an_older_edition_that_is_put_back_is_known_to_whoever_remembers() {
    let now = Timestamp::now();
    let earlier = time::before(now, Duration::from_secs(30));
    let scene = Scene::new(earlier).await;
    let mut remembered = Remembered::default();
    assert!(scene.found(Some(&mut remembered)).await.good);
    scene.publish(now, Voice::Keeper).await;
    assert!(scene.found(Some(&mut remembered)).await.good);
    assert!(
        scene.found(Some(&mut remembered)).await.good,
        "the same again"
    );
    // Still within its time: only who remembers can tell.
    scene.publish(earlier, Voice::Keeper).await;
    assert!(scene.found(None).await.good);
    let found = scene.found(Some(&mut remembered)).await;
    let is = (found.good, found.authentic, found.played_back);
    assert_eq!(is, (false, true, Some(true)));
    let said = found.said.join("\n");
    assert!(said.contains("An older edition was put back"), "{said}");
}

#[tokio::test]
async fn what_the_witness_says_is_said_to_be_its_word() {
    let scene = Scene::new(Timestamp::now()).await;
    let since = Timestamp::now();
    let service = Service::Fails;
    scene
        .publish(
            since,
            Voice::Witness(Outside {
                gap: Gap {
                    since,
                    said_at: since,
                    service,
                },
                fails: BTreeMap::new(),
            }),
        )
        .await;
    let found = scene.found(None).await;
    assert_eq!(
        (found.good, found.signed_by.as_deref()),
        (true, Some("witness"))
    );
    assert!(
        found.said[1].contains("the keeper is silent since"),
        "{found:?}"
    );
}

/// Serves a copy as an object store does: what is not there is forbidden, and pages stand
/// under their address.
async fn store(edition: Edition) -> String {
    let files = Arc::new(edition.files);
    let router = Router::new().fallback(move |uri: axum::http::Uri| {
        let files = files.clone();
        async move {
            let mut files = files.iter();
            let file = files.find(|file| file.key() == uri.path()[1..]);
            match file {
                Some(file) => (axum::http::StatusCode::OK, file.bytes.clone()),
                None => (axum::http::StatusCode::FORBIDDEN, "no".into()),
            }
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/")
}

#[tokio::test]
async fn a_copy_at_an_object_store_is_read_over_http() {
    let signer = Signer::for_tests();
    let mut edition = edition(Timestamp::now(), Voice::Keeper, &signer);
    let place = Place::of(&store(edition.clone()).await).expect("an address");
    let found = verify(&place, &[signer.key()], None).await.expect("read");
    assert!(found.good, "{found:?}");
    // One page of another edition, and the statement stays as it is.
    edition.files[1].bytes = "Login was quick".into();
    let place = Place::of(&store(edition).await).expect("an address");
    let found = verify(&place, &[signer.key()], None).await.expect("read");
    assert!(
        found
            .said
            .contains(&"Changed: incidents/I-3/index.html.".to_owned()),
        "{found:?}"
    );
}

#[tokio::test]
async fn who_does_not_answer_and_who_answers_without_end_are_told() {
    let place = Place::of("http://127.0.0.1:9").expect("an address");
    let refused = verify(&place, &[Signer::for_tests().key()], None).await;
    assert!(
        matches!(refused, Err(ReadError::Silent { .. })),
        "{refused:?}"
    );
    let router = Router::new().fallback(|| async { vec![b'x'; STATEMENT_MAX + 1] });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    let place = Place::of(&format!("http://{address}")).expect("an address");
    let refused = verify(&place, &[Signer::for_tests().key()], None).await;
    assert!(
        matches!(refused, Err(ReadError::Large { .. })),
        "{refused:?}"
    );
    assert!(Place::of("https://").is_err());
}
