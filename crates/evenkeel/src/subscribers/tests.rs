//! The list and its queue; mail that a real server takes and readers of another make
//! understand; the pages; and peers that misbehave.

mod mails;
mod pages;
mod queues;
mod requests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::ids::{IncidentId, MessageId};
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::language::Language;
use evenkeel_core::message::{Body, Message};
use evenkeel_core::record::Record;
use evenkeel_core::status::Status;
use evenkeel_core::telling::{FreeText, PersonWord, ToldFacts};
use tempfile::TempDir;
use tokio::sync::watch;

use super::store::people::Count;
use super::store::{Kind, Standing, Wishes};
use super::word::Word;
use super::{FILE, Settings, Subscribers};
use crate::pump::published::Published;
use crate::testing;
use crate::web::Site;

/// 18 November 2026, 11:06:40 UTC, and so many seconds.
fn second(n: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + n).expect("a time")
}

fn wishes(components: &[&str]) -> Wishes {
    Wishes {
        language: Language::English,
        components: components.iter().map(|id| (*id).into()).collect(),
        maintenance_only: false,
    }
}

/// Subscribers in a folder of their own.
struct Place {
    own: Subscribers,
    folder: TempDir,
    site: Site,
    pump: watch::Sender<Arc<Published>>,
}

fn settings() -> Settings {
    Settings {
        is_on: true,
        subscribers_max: 1000,
        ..Settings::default()
    }
}

impl Place {
    fn new(settings: Settings) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let own = Subscribers::open(folder.path(), settings).expect("a file");
        let (mut site, pump) = testing::site(Record::default());
        site.subscribers = Some(own.clone());
        Self {
            own,
            folder,
            site,
            pump,
        }
    }

    /// Who agreed elsewhere.
    fn bring(&self, address: &str, wishes: Wishes) -> i64 {
        use super::store::people::Brought;
        let kind = match address.contains("://") {
            true => Kind::Webhook,
            false => Kind::Mail,
        };
        let one = [(kind, address.to_owned(), wishes)];
        match self
            .own
            .store()
            .bring(&one, 1000, second(0))
            .expect("a file")[0]
        {
            Brought::New(id) | Brought::Changed(id) | Brought::Same(id) => id,
            ref other => panic!("{other:?}"),
        }
    }

    fn word(&self, message: &Message) -> Word {
        let payload = serde_json::json!({ "incident": { "id": "abc" } });
        Word::of(message, &Record::default(), &self.site, payload).expect("a public word")
    }

    fn queue(&self, message: &Message) -> Option<u64> {
        let now = message.at;
        self.own
            .store()
            .queue(&self.word(message), now)
            .expect("a file")
    }
}

/// In every test: as many are counted as there are.
impl Drop for Place {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let counts = self.own.store().counts().expect("a file");
            assert_eq!(counts, there_are(&self.folder.path().join(FILE)));
        }
    }
}

/// Subscribers of a file, counted one by one.
fn there_are(file: &Path) -> Vec<Count> {
    let raw = rusqlite::Connection::open(file).expect("a file");
    let mut found = raw
        .prepare("SELECT kind, standing, count(*) FROM subscriber GROUP BY kind, standing")
        .expect("a query");
    let rows = found.query_map([], |row| {
        let [kind, standing, count] = [row.get(0)?, row.get(1)?, row.get(2)?];
        Ok(Count {
            kind: Kind::numbered(kind).expect("a kind"),
            standing: Standing::numbered(standing).expect("a standing"),
            count: u32::try_from(count).expect("few"),
        })
    });
    let rows = rows.expect("rows").collect::<Result<_, _>>();
    rows.expect("rows")
}

/// The update with this number of I-3.
fn update(number: u64, status: IncidentStatus, components: &[(&str, Status)]) -> Message {
    let components: BTreeMap<_, _> = components
        .iter()
        .map(|(id, status)| ((*id).into(), *status))
        .collect();
    Message {
        id: MessageId(number),
        at: second(i64::try_from(number).expect("small")),
        incident: Some(IncidentId(3)),
        body: Body::Public {
            status,
            components,
            since: second(0),
            next_update_at: Some(second(1200)),
            person: None,
            approved_by: None,
        },
    }
}

/// That Login does not work.
fn login_down(number: u64) -> Message {
    update(
        number,
        IncidentStatus::Investigating,
        &[("login", Status::MajorOutage)],
    )
}

/// The same, with a person's words.
fn written(number: u64, language: Language, text: &str) -> Message {
    let mut message = login_down(number);
    if let Body::Public { person, .. } = &mut message.body {
        *person = Some(Box::new(PersonWord {
            by: "operator:ana".into(),
            text: Some(FreeText {
                language,
                text: text.into(),
            }),
            facts: ToldFacts::default(),
            promised: false,
            reason: None,
            corrects: None,
        }));
    }
    message
}

/// Waits until something holds that another task does.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "{what}");
        // waits: for another task; asked again until the deadline above
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
