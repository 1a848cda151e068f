//! Editions of a made-up record, and targets that misbehave.

mod objects;

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::body::Bytes;
use evenkeel_core::Timestamp;
use evenkeel_core::event::{Event, What};
use evenkeel_core::finding::{FindingKey, FindingKind, Severity};
use evenkeel_core::ids::IncidentId;
use evenkeel_core::observation::{CopyReport, Observation, Seen};
use evenkeel_core::record::Record;
use evenkeel_core::status::Status;
use evenkeel_core::subject::Subject;
use evenkeel_core::witness::{Gap, Service};
use evenkeel_drill::sshd::Sshd;
use evenkeel_guards::guard::BoxFuture;
use evenkeel_guards::sftp::Login;
use tempfile::TempDir;
use tokio::sync::mpsc;

use super::statement::Statement;
use super::targets::TargetError;
use super::targets::folders::Folders;
use super::*;
use crate::pump::published::Published;
use crate::testing::site;

/// So short that a try is given up, and an edition renewed, within a second.
const SHORT: Duration = Duration::from_secs(3);
const FIVE_MINUTES: Duration = Duration::from_secs(300);

fn changed(record: &mut Record, what: What) {
    let at = Timestamp::now();
    record.apply(&Event { at, what });
}

fn status(component: &str, to: Status) -> What {
    What::ComponentStatusChanged {
        component: component.into(),
        from: Status::Unknown,
        to,
        reason: "the check of it".into(),
    }
}

pub(crate) fn well() -> Record {
    let mut record = Record::default();
    for component in ["login", "quotes"] {
        changed(&mut record, status(component, Status::Operational));
    }
    record
}

/// A record with one incident that customers see.
pub(crate) fn hurt() -> Record {
    let mut record = well();
    let incident = IncidentId(1);
    changed(
        &mut record,
        What::IncidentOpened {
            incident,
            title: "Login fails on backend 4711".into(),
            severity: Severity::Critical,
            finding: FindingKey {
                kind: FindingKind::CheckDown,
                subject: Subject::Check("login".into()),
            },
        },
    );
    record
        .incidents
        .get_mut(&incident)
        .expect("it was opened")
        .harmed
        .insert("login".into(), Status::MajorOutage);
    changed(&mut record, status("login", Status::MajorOutage));
    record
}

pub(crate) async fn edition_of(record: Record) -> Edition {
    let (site, _pump) = site(record);
    edition::render(&site, site.now(), FIVE_MINUTES)
        .await
        .expect("an edition")
}

fn text<'a>(edition: &'a Edition, path: &str) -> &'a str {
    let mut files = edition.files.iter();
    let file = files.find(|file| file.path == path);
    let bytes = &file.unwrap_or_else(|| panic!("no {path}")).bytes;
    std::str::from_utf8(bytes).expect("text")
}

#[tokio::test]
async fn an_edition_is_the_public_page_with_its_end() {
    let edition = edition_of(hurt()).await;
    let paths: Vec<&str> = edition
        .files
        .iter()
        .map(|file| file.path.as_str())
        .collect();
    assert_eq!(
        paths[..3],
        ["/favicon.svg", "/robots.txt", "/en/incidents/I-1"]
    );
    assert!(paths.contains(&"/incidents/I-1") && paths.contains(&"/da/"));
    assert!(paths.contains(&"/api/v2/summary.json") && paths.contains(&"/feed.atom"));
    assert_eq!(paths.last(), Some(&"/"));
    let badges = paths.iter().filter(|path| path.contains("badge"));
    assert_eq!(badges.count(), 0, "their green would stay");
    let summary = text(&edition, "/api/v2/summary.json");
    let summary: serde_json::Value = serde_json::from_str(summary).expect("JSON");
    let said = summary["valid_until"].as_str().expect("its end");
    let said: Timestamp = said.parse().expect("a time");
    let until = edition.stamp.valid_until;
    assert_eq!(said.as_millisecond(), until.as_millisecond());
    let front = text(&edition, "/");
    assert!(front.contains("Login does not work"), "{front}");
    assert!(front.contains("data-until="), "{front}");
    assert!(
        !front.contains("4711"),
        "what operators know stays in the house"
    );
    assert!(front.contains("http-equiv=\"Content-Security-Policy\""));
    let until = edition.stamp.valid_until;
    assert_eq!(until.duration_since(edition.stamp.made_at).as_secs(), 300);
    // An incident that goes on speaks of now as well.
    assert!(text(&edition, "/incidents/I-1").contains("data-until="));
}

/// Published beside a reader; each costs some milliseconds.
const EDITIONS: usize = 30;

/// Which edition is served, by the end its files name: all of one, always.
fn served(folder: &Path) -> BTreeSet<String> {
    let current = std::fs::canonicalize(folder.join("current")).expect("it is served");
    let mut ends = BTreeSet::new();
    for name in ["index.html", "incidents/I-1/index.html"] {
        let text = std::fs::read_to_string(current.join(name)).expect("a whole edition");
        assert!(text.ends_with("</html>"), "{name} is whole: {text}");
        let end = text.split("data-until=\"").nth(1).expect("its end");
        ends.insert(end.split('"').next().unwrap_or_default().to_owned());
    }
    ends
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_reads_a_folder_never_sees_half_an_edition() {
    let folder = TempDir::new().expect("a folder");
    let target = Folders::local(folder.path().into());
    let first = edition_of(hurt()).await;
    target.publish(&first).await.expect("published");
    let done = Arc::new(AtomicBool::new(false));
    let looks = Arc::new(AtomicUsize::new(0));
    let reader = std::thread::spawn({
        let (path, done, looks) = (folder.path().to_owned(), done.clone(), looks.clone());
        move || {
            while !done.load(Ordering::Relaxed) {
                // A reader that takes the folder and then its files, as slow as it may be:
                // the edition before the one that is served is still there.
                assert_eq!(served(&path).len(), 1, "files of one edition");
                looks.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    for _ in 0..EDITIONS {
        // The reader must have had the time of one look: two editions are kept.
        let seen = looks.load(Ordering::Relaxed);
        let edition = edition_of(hurt()).await;
        target.publish(&edition).await.expect("published");
        while looks.load(Ordering::Relaxed) == seen && !reader.is_finished() {
            tokio::task::yield_now().await;
        }
    }
    done.store(true, Ordering::Relaxed);
    reader.join().expect("the reader saw whole editions only");
    let copies = std::fs::read_dir(folder.path().join("copies")).expect("copies");
    assert_eq!(
        copies.count(),
        2,
        "the one that is served and the one before"
    );
}

#[tokio::test]
async fn what_is_the_same_is_not_written_again() {
    let folder = TempDir::new().expect("a folder");
    let target = Folders::local(folder.path().into());
    let record = hurt();
    let first = edition_of(record.clone()).await;
    let all = first.files.len();
    assert_eq!(target.publish(&first).await.expect("published"), all);
    let icon = || std::fs::metadata(folder.path().join("current/favicon.svg")).expect("the icon");
    let before = icon().ino();
    let second = edition_of(record.clone()).await;
    // The icon stays; what speaks of now has another end.
    let written = target.publish(&second).await.expect("published");
    assert!(written < all, "{written} of {all}");
    assert_eq!(icon().ino(), before, "the same file, linked");
    let again = Folders::local(folder.path().into());
    // A program that was started anew knows nothing of what is there.
    let third = edition_of(record).await;
    assert_eq!(again.publish(&third).await.expect("published"), all);
    assert_eq!(served(folder.path()).len(), 1);
}

#[tokio::test]
async fn files_can_be_read_by_a_web_server_that_runs_as_somebody_else() {
    use std::os::unix::fs::PermissionsExt;
    let folder = TempDir::new().expect("a folder");
    let target = Folders::local(folder.path().into());
    target
        .publish(&edition_of(hurt()).await)
        .await
        .expect("published");
    for (path, mode) in [
        ("current/", 0o755),
        ("current/incidents", 0o755),
        ("current/index.html", 0o644),
    ] {
        let meta = std::fs::metadata(folder.path().join(path)).expect(path);
        assert_eq!(meta.permissions().mode() & 0o777, mode, "{path}");
    }
}

#[tokio::test]
async fn a_folder_that_is_not_there_says_what_to_do() {
    let folder = TempDir::new().expect("a folder");
    let target = Folders::local(folder.path().join("nowhere"));
    let refused = target.publish(&edition_of(well()).await).await;
    let said = refused.expect_err("there is no folder").to_string();
    assert!(said.contains("nowhere/copies cannot be written"), "{said}");
    assert!(said.contains("make the folder"), "{said}");
}

#[tokio::test]
async fn a_write_that_fails_leaves_the_edition_that_is_served_and_nothing_of_the_next() {
    let folder = TempDir::new().expect("a folder");
    let target = Folders::local(folder.path().into());
    let first = edition_of(hurt()).await;
    target.publish(&first).await.expect("published");
    let before = served(folder.path());
    let mut second = edition_of(hurt()).await;
    // A name that no file system takes: after two good files one fails.
    let last = second.files.last_mut().expect("files");
    last.path = format!("/{}.html", "x".repeat(300));
    let refused = target.publish(&second).await;
    assert!(
        matches!(refused, Err(TargetError::Folder { .. })),
        "{refused:?}"
    );
    assert_eq!(served(folder.path()), before);
    let copies = std::fs::read_dir(folder.path().join("copies")).expect("copies");
    assert_eq!(
        copies.count(),
        1,
        "what was begun is gone: its room is needed"
    );
    // And the next one is published as if nothing had been.
    let third = edition_of(hurt()).await;
    target.publish(&third).await.expect("published");
    assert_ne!(served(folder.path()), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_behind_ssh_is_published_to_like_a_folder() {
    let sshd = Sshd::start().expect("sshd");
    let login = |known_hosts, key| Login {
        host: "127.0.0.1".into(),
        port: Some(sshd.port),
        user: None,
        identity_file: None,
        ssh_config: Some(sshd.client(known_hosts, key).expect("a configuration")),
    };
    let folder = sshd.files();
    let target = |login| Folders::behind_ssh(login, folder.display().to_string());
    let first = target(login("known_hosts", "user_key"));
    let edition = edition_of(hurt()).await;
    let all = edition.files.len();
    assert_eq!(first.publish(&edition).await.expect("published"), all);
    let before = served(&folder);
    for _ in 0..2 {
        let edition = edition_of(hurt()).await;
        let written = first.publish(&edition).await.expect("published");
        assert!(written < all, "{written} of {all}");
    }
    assert_ne!(served(&folder), before);
    let copies = std::fs::read_dir(folder.join("copies")).expect("copies");
    assert_eq!(
        copies.count(),
        2,
        "the one that is served and the one before"
    );
    // Started anew: what others left is cleared away, what is served is kept.
    let again = target(login("known_hosts", "user_key"));
    let edition = edition_of(hurt()).await;
    assert_eq!(again.publish(&edition).await.expect("published"), all);
    assert_eq!(served(&folder).len(), 1);
    for (known_hosts, key, said) in [
        ("no_known_hosts", "user_key", "Host key verification failed"),
        (
            "known_hosts",
            "strange_key",
            "Permission denied (publickey)",
        ),
    ] {
        let refused = target(login(known_hosts, key)).publish(&edition).await;
        let why = refused.expect_err("it is not let in").to_string();
        assert!(why.contains(said), "{why}");
    }
    let nowhere = Folders::behind_ssh(login("known_hosts", "user_key"), "/nowhere/at/all".into());
    let refused = nowhere.publish(&edition).await;
    let why = refused.expect_err("there is no folder").to_string();
    assert!(
        why.contains("/nowhere/at/all/copies cannot be written"),
        "{why}"
    );
}

/// What a target does with an edition.
#[derive(Clone, Copy)]
enum Does {
    Takes,
    Refuses,
    Stalls,
}

struct Odd {
    does: std::sync::Mutex<Does>,
    taken: std::sync::Mutex<Vec<Timestamp>>,
    last: std::sync::Mutex<Option<Edition>>,
    tries: AtomicUsize,
}

impl Odd {
    fn new(does: Does) -> Arc<Self> {
        Arc::new(Self {
            does: does.into(),
            taken: Default::default(),
            last: Default::default(),
            tries: AtomicUsize::new(0),
        })
    }

    fn taken(&self) -> Vec<Timestamp> {
        self.taken.lock().unwrap().clone()
    }
}

impl Target for Odd {
    fn place(&self) -> String {
        "an odd place".into()
    }

    fn read<'a>(
        &'a self,
        names: &'a [String],
    ) -> BoxFuture<'a, Result<Vec<Option<Bytes>>, TargetError>> {
        let last = self.last.lock().unwrap().clone();
        let of = move |name: &String| {
            let mut files = last.iter().flat_map(|edition| &edition.files);
            let file = files.find(|file| file.name() == *name);
            file.map(|file| file.bytes.clone())
        };
        Box::pin(async move { Ok(names.iter().map(of).collect()) })
    }

    fn publish<'a>(&'a self, edition: &'a Edition) -> BoxFuture<'a, Result<usize, TargetError>> {
        Box::pin(async move {
            self.tries.fetch_add(1, Ordering::Relaxed);
            let does = *self.does.lock().unwrap();
            match does {
                Does::Takes => {
                    self.taken.lock().unwrap().push(edition.stamp.made_at);
                    *self.last.lock().unwrap() = Some(edition.clone());
                    Ok(edition.files.len())
                }
                Does::Refuses => Err(TargetError::Ssh {
                    place: self.place(),
                    why: "the disk is full".into(),
                }),
                Does::Stalls => std::future::pending().await,
            }
        })
    }
}

/// A publisher with these targets; what it reports; and the way to show it something.
struct Scene {
    standings: Arc<standing::Standings>,
    reports: mpsc::Receiver<Observation>,
    pump: watch::Sender<Arc<Published>>,
    _keeping: JoinSet<()>,
}

fn scene(valid_for: Duration, targets: &[(&str, &Arc<Odd>)]) -> Scene {
    let (site, pump) = site(well());
    let (queue, reports) = mpsc::channel(1000);
    let outlet = Outlet::new("publish".into(), queue);
    let targets = targets
        .iter()
        .map(|(id, target)| ((*id).into(), Arc::clone(target) as Arc<dyn Target>))
        .collect();
    let standings = site.now().copies.clone();
    let mut keeping = JoinSet::new();
    let keys = Keys {
        signer: Signer::for_tests(),
        witness: None,
    };
    keeping.spawn(keep(site, valid_for, targets, keys, outlet));
    Scene {
        standings,
        reports,
        pump,
        _keeping: keeping,
    }
}

impl Scene {
    /// Waits for what `wanted` says to be so.
    async fn until(&self, wanted: impl Fn() -> bool) {
        let polled = async {
            while !wanted() {
                // waits: polls what the tasks do, until the deadline below
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let most = Duration::from_secs(60);
        tokio::time::timeout(most, polled).await.expect("in time");
    }

    fn show(&self, record: Record) {
        self.pump.send_modify(|published| {
            let mut next = Published::clone(published);
            next.record = Arc::new(record);
            next.stepped = Instant::now();
            *published = Arc::new(next);
        });
    }
}

#[tokio::test]
async fn what_is_published_is_signed_and_where_it_is_made_the_same_can_be_read() {
    let target = Odd::new(Does::Takes);
    let scene = scene(FIVE_MINUTES, &[("cdn", &target)]);
    scene.until(|| !target.taken().is_empty()).await;
    let edition = target.last.lock().unwrap().clone().expect("it was taken");
    let public_key = scene.standings.public_key().expect("a key");
    let key = signing::Key::parse(public_key).expect("a key");
    let signed = scene.standings.last_signed().expect("a statement");
    let of = |name| text(&edition, name);
    assert_eq!(of("/minisign.pub"), public_key);
    assert_eq!(of("/SHA256SUMS.txt"), signed.text);
    assert_eq!(of("/SHA256SUMS.txt.minisig"), signed.signature);
    let (text, signature) = (signed.text.as_bytes(), signed.signature.as_bytes());
    let (statement, _) = Statement::verified(text, signature, &[key]).expect("it is ours");
    assert_eq!(statement.by, Voice::Keeper);
    let last = edition.files.last().map(|file| file.path.as_str());
    assert_eq!(
        last,
        Some("/SHA256SUMS.txt"),
        "who finds it looks for the others"
    );
    for file in &edition.files[..edition.files.len() - 2] {
        assert!(statement.files.contains_key(&file.name()), "{}", file.path);
    }
}

#[tokio::test]
async fn a_keeper_that_comes_back_hears_what_the_witness_told_meanwhile() {
    let folder = TempDir::new().expect("a folder");
    let target: Arc<dyn Target> = Arc::new(Folders::local(folder.path().into()));
    let witness = Signer::for_tests();
    let since: Timestamp = "2026-11-18T02:14:00Z".parse().expect("a time");
    let outside = statement::Outside {
        gap: Gap {
            since,
            said_at: since + Duration::from_secs(10),
            service: Service::Fails,
        },
        fails: [("login".into(), Status::MajorOutage)].into(),
    };
    let mut edition = edition_of(well()).await;
    statement::sign(&mut edition, Voice::Witness(outside.clone()), &witness);
    target.publish(&edition).await.expect("published");
    let (site, _pump) = site(well());
    let (queue, mut reports) = mpsc::channel(1000);
    let outlet = Outlet::new("publish".into(), queue);
    let keys = Keys {
        signer: Signer::for_tests(),
        witness: Some(witness.key()),
    };
    let targets = vec![("site".into(), target.clone())];
    let mut keeping = JoinSet::new();
    keeping.spawn(keep(site, FIVE_MINUTES, targets, keys, outlet));
    let heard = async {
        loop {
            let Observation { seen, .. } = reports.recv().await.expect("it publishes");
            if let Seen::OutsideWord(word) = seen {
                return word;
            }
        }
    };
    let word = tokio::time::timeout(Duration::from_secs(60), heard).await;
    let word = word.expect("it is heard");
    assert_eq!(
        (word.since, word.told_at, word.components),
        (since, outside.gap.said_at, outside.fails)
    );
    assert!(word.until > since);
}

#[tokio::test]
async fn one_targets_trouble_is_its_own() {
    let [good, full, stuck] = [Does::Takes, Does::Refuses, Does::Stalls].map(Odd::new);
    let scene = scene(
        SHORT,
        &[("good", &good), ("full", &full), ("stuck", &stuck)],
    );
    scene
        .until(|| {
            let all = scene.standings.all();
            let told = |id: &str| all[&id.into()].trouble.is_some();
            !good.taken().is_empty() && told("full") && told("stuck")
        })
        .await;
    let all = scene.standings.all();
    assert!(all[&"good".into()].trouble.is_none());
    let (_, why) = all[&"full".into()].trouble.clone().expect("told");
    assert!(why.contains("the disk is full"), "{why}");
    let (_, why) = all[&"stuck".into()].trouble.clone().expect("told");
    assert!(why.contains("within 1 s"), "{why}");
}

#[tokio::test]
async fn a_target_that_comes_back_gets_the_newest_edition_and_none_it_missed() {
    let target = Odd::new(Does::Refuses);
    let mut scene = scene(SHORT, &[("cdn", &target)]);
    scene
        .until(|| target.tries.load(Ordering::Relaxed) > 3)
        .await;
    let changed_at = Timestamp::now();
    scene.show(hurt());
    let tries = target.tries.load(Ordering::Relaxed);
    // A further edition was made and tried.
    scene
        .until(|| target.tries.load(Ordering::Relaxed) > tries + 2)
        .await;
    *target.does.lock().unwrap() = Does::Takes;
    scene.until(|| !target.taken().is_empty()).await;
    let taken = target.taken();
    assert!(taken[0] >= changed_at, "the newest, and not what it missed");
    let mut reports = Vec::new();
    while let Ok(Observation { seen, .. }) = scene.reports.try_recv() {
        if let Seen::CopyReport(CopyReport { trouble, .. }) = seen {
            reports.push(trouble);
        }
    }
    assert_eq!(reports.first(), Some(&None), "as if there were a copy");
    assert!(reports[1].as_ref().is_some_and(|why| why.contains("full")));
    assert_eq!(reports.last(), Some(&None), "it was delivered");
}

#[tokio::test]
async fn an_edition_is_made_when_customers_would_read_something_else_and_before_it_ends() {
    let target = Odd::new(Does::Takes);
    let scene = scene(SHORT * 5, &[("cdn", &target)]);
    scene.until(|| target.taken().len() == 1).await;
    // Steps without a change, and changes nobody outside sees: for longer than it takes
    // until another edition may be made.
    let shown = Instant::now();
    while shown.elapsed() < 2 * PAUSE {
        let mut record = Record::clone(&scene.pump.borrow().record);
        changed(
            &mut record,
            What::ActionsHeld {
                by: "operator:ana".into(),
                reason: "look first".into(),
            },
        );
        scene.show(record);
        // waits: for the next step of the pump, which this is
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(target.taken().len(), 1);
    scene.show(hurt());
    scene.until(|| target.taken().len() == 2).await;
    // Nothing changes any more; it is renewed all the same.
    scene.until(|| target.taken().len() == 3).await;
}
