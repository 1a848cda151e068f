//! What a witness publishes, what it holds, and what it leaves alone.

use evenkeel_core::incident::{IncidentStatus, LastWord};
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::public::words::Language;
use crate::publish::edition::File;
use crate::publish::statement::{PUBLIC_KEY, sign};
use crate::publish::targets::folders::Folders;
use crate::publish::tests::{edition_of, hurt, well};
use crate::publish::verifying;
use crate::testing::site;

const FIVE_MINUTES: Duration = Duration::from_secs(300);

/// A folder that a keeper has published to.
struct Scene {
    folder: TempDir,
    data: TempDir,
    target: Arc<dyn Target>,
    keeper: Signer,
    witness: Signer,
}

impl Scene {
    async fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let scene = Self {
            target: Arc::new(Folders::local(folder.path().into())),
            folder,
            data: TempDir::new().expect("a folder"),
            keeper: Signer::for_tests(),
            witness: Signer::for_tests(),
        };
        scene.keeper_publishes(told()).await;
        scene
    }

    async fn keeper_publishes(&self, record: Record) -> Timestamp {
        let mut edition = edition_of(record).await;
        sign(&mut edition, Voice::Keeper, &self.keeper);
        self.target.publish(&edition).await.expect("published");
        edition.stamp.made_at
    }

    fn shelf(&self) -> Shelf {
        Shelf::of(self.data.path())
    }

    async fn held(&self) -> Held {
        let key = self.keeper.key();
        let held = self.shelf().follow(self.target.as_ref(), &key, None).await;
        held.expect("it is read").expect("it is the keeper's")
    }

    async fn edition(&self, seen: &Record, service: Service, held: Option<&Held>) -> Edition {
        let (site, _pump) = site(Record::default());
        let since: Timestamp = "2026-11-18T02:14:00Z".parse().expect("a time");
        let gap = Gap {
            since,
            said_at: since + std::time::Duration::from_secs(10),
            service,
        };
        let made = edition::make(&site, seen, gap, held, FIVE_MINUTES, &self.witness).await;
        made.expect("an edition")
    }

    fn guarded(&self, newest: Option<Timestamp>) -> Guarded {
        Guarded {
            inner: self.target.clone(),
            key: self.keeper.key(),
            newest: Arc::new(Mutex::new(newest)),
        }
    }

    async fn stands(&self) -> Option<Stated> {
        let read = read_stated(self.target.as_ref(), &self.keeper.key()).await;
        read.expect("it is read")
    }
}

/// A record with one incident that customers were told of.
fn told() -> Record {
    let mut record = hurt();
    for incident in record.incidents.values_mut() {
        incident.last_word = Some(LastWord {
            at: incident.opened_at,
            status: IncidentStatus::Investigating,
            components: incident.harmed.clone(),
            next_update_at: None,
        });
    }
    record
}

fn file<'a>(edition: &'a Edition, path: &str) -> &'a File {
    let mut files = edition.files.iter();
    let found = files.find(|file| file.path == path);
    found.unwrap_or_else(|| panic!("no {path}"))
}

fn text<'a>(edition: &'a Edition, path: &str) -> &'a str {
    std::str::from_utf8(&file(edition, path).bytes).expect("text")
}

#[tokio::test]
async fn what_the_keeper_told_before_stays_as_it_was() {
    let scene = Scene::new().await;
    let held = scene.held().await;
    let edition = scene.edition(&hurt(), Service::Fails, Some(&held)).await;
    let (mut same, mut left_out) = (0, 0);
    for (name, bytes) in &held.files {
        if name.starts_with("hotline") || name == "banner.json" {
            left_out += 1;
            continue;
        }
        let mut files = edition.files.iter();
        let Some(file) = files.find(|file| file.name() == *name) else {
            panic!("{name} is gone");
        };
        same += usize::from(file.bytes == *bytes);
    }
    // All but six front pages, three files of the API, and the key.
    assert_eq!(held.files.len() - left_out - same, 10);
    for path in [
        "/incidents/I-1",
        "/de/incidents/I-1",
        "/feed.atom",
        "/nl/feed.json",
    ] {
        let name = file(&edition, path).name();
        assert_eq!(file(&edition, path).bytes, held.files[&name], "{path}");
    }
    let front = text(&edition, "/nl/");
    assert!(front.contains("href=\"/nl/incidents/I-1\""), "{front}");
}

#[tokio::test]
async fn it_is_said_in_five_languages_and_ends_by_itself() {
    let scene = Scene::new().await;
    let edition = scene.edition(&hurt(), Service::Fails, None).await;
    for (language, said) in Language::ALL.into_iter().zip([
        "we cannot reach the service or its operators",
        "kunnen we de dienst en de systemen van de beheerders niet bereiken",
        "erreichen wir weder den Dienst noch die Systeme seiner Betreiber",
        "nie możemy połączyć się ani z usługą, ani z systemami",
        "kan vi hverken nå tjenesten eller driftens systemer",
    ]) {
        let page = text(&edition, &format!("/{}/", language.tag()));
        assert!(page.contains(said), "{language:?}: {page}");
        assert!(page.contains("data-until="), "{page}");
        assert!(page.contains("02:14") || page.contains("02.14"), "{page}");
    }
    assert!(text(&edition, "/").contains("lang=\"en\""));
}

#[tokio::test]
async fn nothing_it_publishes_is_operational_whatever_answers() {
    let scene = Scene::new().await;
    scene.keeper_publishes(well()).await;
    let held = scene.held().await;
    for service in [Service::Answers, Service::Unknown, Service::Fails] {
        for held in [None, Some(&held)] {
            let edition = scene.edition(&well(), service, held).await;
            for path in [
                "/api/v2/summary.json",
                "/api/v2/status.json",
                "/api/v2/components.json",
            ] {
                let answer: Value = serde_json::from_str(text(&edition, path)).expect("JSON");
                assert!(answer["valid_until"].is_string(), "{answer}");
                assert_eq!(
                    answer["evenkeel_witness"]["service_from_outside"],
                    service.as_str()
                );
                assert!(!text(&edition, path).contains("operational\""), "{answer}");
                assert_ne!(answer["status"]["indicator"], "none", "{answer}");
            }
            for file in &edition.files {
                if file.speaks_of == crate::publish::edition::Moment::Now {
                    let text = String::from_utf8_lossy(&file.bytes);
                    assert!(!text.contains("All functions work"), "{}", file.path);
                    assert!(
                        !text.contains("class=\"status operational"),
                        "{}",
                        file.path
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn what_fails_from_outside_is_said_of_each_component() {
    let scene = Scene::new().await;
    let edition = scene.edition(&hurt(), Service::Fails, None).await;
    let answer: Value =
        serde_json::from_str(text(&edition, "/api/v2/components.json")).expect("JSON");
    let of = |at: usize| answer["components"][at]["evenkeel_status"].clone();
    assert_eq!((of(0), of(1)), ("major_outage".into(), "unknown".into()));
    let statement = Statement::parse(text(&edition, "/SHA256SUMS.txt")).expect("a statement");
    let Voice::Witness(outside) = statement.by else {
        panic!("it is the witness's");
    };
    assert_eq!(
        outside.fails,
        [("login".into(), Status::MajorOutage)].into()
    );
}

#[tokio::test]
async fn its_copy_is_verified_by_its_own_key_alone() {
    let scene = Scene::new().await;
    let held = scene.held().await;
    let edition = scene.edition(&hurt(), Service::Fails, Some(&held)).await;
    scene.target.publish(&edition).await.expect("published");
    let place = Place::of(&scene.folder.path().display().to_string()).expect("a folder");
    let both = [scene.keeper.key(), scene.witness.key()];
    let found = verifying::verify(&place, &both, None).await.expect("read");
    assert!(found.good, "{found:?}");
    assert_eq!(found.signed_by.as_deref(), Some("witness"));
    assert!(text(&edition, &format!("/{PUBLIC_KEY}")).contains(&scene.witness.public()));
    let found = verifying::verify(&place, &both[..1], None)
        .await
        .expect("read");
    assert!(!found.authentic, "{found:?}");
}

#[tokio::test]
async fn a_newer_edition_of_the_keepers_is_never_overwritten() {
    let scene = Scene::new().await;
    let old = scene.stands().await.expect("the keeper's").made_at;
    let edition = scene.edition(&hurt(), Service::Fails, None).await;
    // Published after the decision to speak.
    let new = scene.keeper_publishes(well()).await;
    let refused = scene.guarded(Some(old)).publish(&edition).await;
    assert!(
        matches!(refused, Err(TargetError::KeeperSpeaks)),
        "{refused:?}"
    );
    // So, too, where the decision knew of none.
    let refused = scene.guarded(None).publish(&edition).await;
    assert!(
        matches!(refused, Err(TargetError::KeeperSpeaks)),
        "{refused:?}"
    );
    assert_eq!(
        scene
            .stands()
            .await
            .map(|stated| stated.made_at.as_millisecond()),
        Some(new.as_millisecond())
    );
    let stands = scene.stands().await.map(|stated| stated.made_at);
    scene
        .guarded(stands)
        .publish(&edition)
        .await
        .expect("its word");
    assert_eq!(scene.stands().await, None, "the witness speaks there now");
    // Its own edition does not hold it up.
    let again = scene.edition(&hurt(), Service::Fails, None).await;
    scene
        .guarded(stands)
        .publish(&again)
        .await
        .expect("its next word");
}

#[tokio::test]
async fn the_keepers_edition_is_held_across_restarts_and_only_as_it_was_signed() {
    let scene = Scene::new().await;
    let key = scene.keeper.key();
    let held = scene.held().await;
    let loaded = scene.shelf().load(&key).expect("it was kept");
    assert_eq!(loaded.files, held.files);
    let again = scene
        .shelf()
        .follow(scene.target.as_ref(), &key, Some(&held))
        .await;
    assert!(again.expect("read").is_none(), "it is not newer");
    scene.keeper_publishes(well()).await;
    let served = scene.folder.path().join("current/index.html");
    std::fs::write(&served, "somebody else's").expect("written");
    let refused = scene
        .shelf()
        .follow(scene.target.as_ref(), &key, Some(&held))
        .await;
    assert!(refused.is_err(), "{refused:?}");
    let kept = scene.shelf().load(&key).expect("the one before");
    assert_eq!(kept.statement, held.statement);
    // Whoever changes what is kept has kept nothing.
    let other = Signer::for_tests().key();
    assert!(scene.shelf().load(&other).is_none());
    for entry in std::fs::read_dir(scene.data.path().join("held"))
        .expect("there")
        .flatten()
    {
        if !entry.file_name().to_string_lossy().contains("SHA") {
            std::fs::write(entry.path(), "changed").expect("written");
        }
    }
    assert!(scene.shelf().load(&key).is_none());
}
