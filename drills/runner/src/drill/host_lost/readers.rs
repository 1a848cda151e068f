//! Customers and programs that read what is published, twice a second at each place.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// From one look to the next.
const EVERY: Duration = Duration::from_millis(500);

/// How long a page may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// What says in each language that neither service nor operators can be reached.
pub(super) const LANGUAGES: [(&str, &str); 5] = [
    ("en", "cannot reach the service"),
    (
        "nl",
        "kunnen we de dienst en de systemen van de beheerders niet bereiken",
    ),
    ("de", "erreichen wir weder den Dienst noch"),
    ("pl", "nie możemy połączyć się ani z usługą"),
    ("da", "kan vi hverken nå tjenesten"),
];

/// What a careful engineer's page says.
const PLAIN_WORD: &str = "cannot be reached";

/// One look at one place.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) at: Instant,
    pub(super) place: usize,
    /// Whether a front page was there at all.
    pub(super) is_there: bool,
    /// Its first heading.
    pub(super) headline: String,
    /// Languages in which it says that the service cannot be reached.
    pub(super) said: BTreeSet<&'static str>,
    /// Whether a page or the API says that all is well, to whoever reads it now.
    pub(super) is_well: bool,
    /// Whether it does although its time is over.
    pub(super) is_stale_green: bool,
    /// Whether the permanent page of the first incident is there, and its entry in the feed.
    pub(super) has_first_incident: bool,
    /// Incidents of the API.
    pub(super) incidents: Vec<Known>,
    /// Ids of the feed's entries.
    entries: Vec<String>,
}

/// An incident as the API tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    id: String,
    status: String,
    started_at: Option<Timestamp>,
    /// The path of its permanent page.
    page: String,
    /// Ids of its updates, with what each says.
    updates: Vec<(String, String)>,
}

impl Known {
    pub(super) fn is_resolved(&self) -> bool {
        self.status == "resolved"
    }
}

impl Sample {
    /// The one incident that tells of the loss and that it is over; none where there are two.
    pub(super) fn over_since(&self, lost: Instant) -> Option<&Known> {
        let ago = lost.elapsed().as_secs_f64();
        let lost = Timestamp::now().as_millisecond() as f64 - ago * 1000.0;
        // What was told first is that the keeper was last heard a moment before.
        let around = |known: &&Known| {
            known.started_at.is_some_and(|at| {
                let at = at.as_millisecond() as f64;
                (lost - 5_000.0..lost + 60_000.0).contains(&at)
            })
        };
        let mut those = self.incidents.iter().filter(around);
        let one = those.next().filter(|known| known.is_resolved());
        one.filter(|_| those.next().is_none())
    }
}

/// Readers of every place.
pub(super) struct Readers {
    places: usize,
    samples: Arc<Mutex<Vec<Sample>>>,
    _reading: JoinSet<()>,
}

impl Readers {
    pub(super) fn start(addresses: Vec<SocketAddr>) -> Self {
        let samples: Arc<Mutex<Vec<Sample>>> = Arc::default();
        let mut reading = JoinSet::new();
        let places = addresses.len();
        for (place, address) in addresses.into_iter().enumerate() {
            let kept = samples.clone();
            reading.spawn(async move {
                let mut tick = tokio::time::interval(EVERY);
                loop {
                    tick.tick().await;
                    let sample = look(place, address).await;
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    kept.push(sample);
                }
            });
        }
        Self {
            places,
            samples,
            _reading: reading,
        }
    }

    /// Waits until the last look at every place is as wanted.
    pub(super) async fn until(
        &self,
        what: &str,
        at_most: Duration,
        wanted: impl Fn(&Sample) -> bool,
    ) -> Result<(), String> {
        let deadline = Instant::now() + at_most;
        loop {
            let last = self.last();
            if last.len() == self.places && last.iter().all(&wanted) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let read: Vec<_> = last.iter().map(|sample| &sample.headline).collect();
                return Err(format!(
                    "not so within {} s: {what}; read last: {read:?}",
                    at_most.as_secs()
                ));
            }
            tokio::time::sleep(EVERY / 2).await;
        }
    }

    fn last(&self) -> Vec<Sample> {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |place| samples.iter().rev().find(|sample| sample.place == place);
        (0..self.places).filter_map(of).cloned().collect()
    }

    pub(super) fn finish(self) -> Vec<Sample> {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        samples.clone()
    }
}

async fn look(place: usize, address: SocketAddr) -> Sample {
    let at = Instant::now();
    let fronts = ["/", "/en/", "/nl/", "/de/", "/pl/", "/da/"];
    let machines = [
        "/api/v2/status.json",
        "/api/v2/incidents.json",
        "/feed.json",
    ];
    let asked = fronts.into_iter().chain(machines);
    let asked = asked.map(|path| async move { (path, get(address, path).await) });
    let mut asking = JoinSet::new();
    for ask in asked {
        asking.spawn(ask);
    }
    let pages: BTreeMap<&str, Option<String>> = asking.join_all().await.into_iter().collect();
    let of = |path: &str| pages.get(path).and_then(Option::as_deref);
    let json = |path: &str| of(path).and_then(|text| serde_json::from_str::<Value>(text).ok());
    let now = Timestamp::now().as_millisecond();
    let front = of("/").unwrap_or_default();
    let said = LANGUAGES.iter().filter(|(tag, word)| {
        let page = of(&format!("/{tag}/")).unwrap_or_default();
        page.contains(word) || *tag == "en" && front.contains(PLAIN_WORD)
    });
    let said = said.map(|(tag, _)| *tag).collect();
    let views: Vec<Green> = fronts
        .iter()
        .filter_map(|path| of(path))
        .map(Green::of)
        .collect();
    let status = json("/api/v2/status.json");
    let api = status.as_ref().map(Green::of_api);
    let views = views.into_iter().chain(api);
    let views: Vec<Green> = views.collect();
    let incidents = json("/api/v2/incidents.json").map_or_else(Vec::new, |list| known(&list));
    let feed = json("/feed.json");
    let entries: Vec<String> = feed
        .iter()
        .flat_map(|feed| feed["items"].as_array().into_iter().flatten())
        .filter_map(|item| Some(item["id"].as_str()?.to_owned()))
        .collect();
    let first = incidents.iter().min_by_key(|known| known.started_at);
    let first = match first {
        Some(known) => get(address, &known.page).await,
        None => None,
    };
    Sample {
        at,
        place,
        is_there: of("/").is_some(),
        headline: headline(front),
        said,
        is_well: views.iter().any(|view| view.shows(now)),
        is_stale_green: views.iter().any(|view| view.is_stale(now)),
        has_first_incident: first.is_some() && !entries.is_empty(),
        incidents,
        entries,
    }
}

/// Whether something says that all is well, and until when.
#[derive(Debug, Clone, Copy)]
struct Green {
    claims: bool,
    until: Option<i64>,
    /// Whether it ends by itself: by script and by style for a page, by saying so for the API.
    ends: bool,
}

impl Green {
    fn of(page: &str) -> Self {
        let until = page.split("data-until=\"").nth(1);
        let until = until.and_then(|rest| rest.split('"').next()?.parse().ok());
        // The style turns an open page, and takes all green where no script has looked at the
        // clock; the script turns one that is opened late.
        let style = [
            "--copy-left:",
            "animation:copy-ends",
            "html:not([data-copy=now]) .ok",
        ];
        let script = "page.copy=now>=until";
        Self {
            claims: page.contains("class=\"answer ok\"") || page.contains("All systems work"),
            until,
            ends: style.iter().all(|rule| page.contains(rule)) && page.contains(script),
        }
    }

    fn of_api(status: &Value) -> Self {
        let until = status["valid_until"].as_str();
        let until = until.and_then(|at| at.parse::<Timestamp>().ok());
        Self {
            claims: status["status"]["indicator"] == "none",
            until: until.map(Timestamp::as_millisecond),
            ends: until.is_some(),
        }
    }

    /// Whether whoever looks now is told that all is well.
    fn shows(self, now: i64) -> bool {
        self.claims && (!self.ends || self.until.is_none_or(|until| now < until))
    }

    fn is_stale(self, now: i64) -> bool {
        self.shows(now) && self.until.is_some_and(|until| now >= until)
    }
}

/// Whether a browser that opened a copy after its end shows green: its script has looked at
/// the clock and found that it has ended, or not.
pub(super) fn is_green_in_browser(dom: &str) -> bool {
    !dom.contains("data-copy=\"ended\"")
}

fn known(list: &Value) -> Vec<Known> {
    let incidents = list["incidents"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let of = |incident: &Value| {
        let updates = incident["incident_updates"]
            .as_array()
            .into_iter()
            .flatten();
        Known {
            id: text(&incident["id"]),
            status: text(&incident["status"]),
            started_at: text(&incident["started_at"]).parse().ok(),
            page: {
                let link = text(&incident["shortlink"]);
                let path = link
                    .split("://")
                    .nth(1)
                    .and_then(|rest| rest.split_once('/'));
                path.map_or_else(|| "/".to_owned(), |(_, path)| format!("/{path}"))
            },
            updates: updates
                .map(|update| {
                    let said = [&update["status"], &update["body"], &update["incident_id"]];
                    (text(&update["id"]), said.map(text).join(" "))
                })
                .collect(),
        }
    };
    incidents.map(of).collect()
}

/// What was told more than once at a place: an id that stands twice in one list, and the same
/// words, or the same incident, under two ids.
pub(super) fn told_twice<'a>(samples: impl Iterator<Item = &'a Sample>) -> usize {
    let mut in_one = 0;
    let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for sample in samples {
        let updates = sample.incidents.iter().flat_map(|known| &known.updates);
        let lists: [Vec<&String>; 3] = [
            sample.entries.iter().collect(),
            sample.incidents.iter().map(|known| &known.id).collect(),
            updates.map(|(id, _)| id).collect(),
        ];
        let twice = lists.iter().map(|list| {
            let once: BTreeSet<_> = list.iter().collect();
            list.len() - once.len()
        });
        in_one = in_one.max(twice.sum());
        for known in &sample.incidents {
            let began = format!("incident of {:?}", known.started_at);
            ids.entry(began).or_default().insert(known.id.clone());
            for (id, said) in &known.updates {
                ids.entry(said.clone()).or_default().insert(id.clone());
            }
        }
    }
    in_one + ids.values().map(|ids| ids.len() - 1).sum::<usize>()
}

fn headline(page: &str) -> String {
    let heading = page.split("<h1").nth(1).and_then(|rest| {
        let (_, rest) = rest.split_once('>')?;
        Some(rest.split_once("</h1>")?.0)
    });
    let mut plain = String::new();
    let mut inside = false;
    for letter in heading.unwrap_or_default().chars() {
        match letter {
            '<' => inside = true,
            '>' => inside = false,
            letter if !inside => plain.push(letter),
            _ => {}
        }
    }
    plain
}

/// A page; `None` where it is not there in time.
async fn get(address: SocketAddr, path: &str) -> Option<String> {
    let asked = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut bytes = Vec::new();
        stream.take(4 << 20).read_to_end(&mut bytes).await.ok()?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split_whitespace().nth(1)?;
        (status == "200").then(|| body.to_owned())
    };
    tokio::time::timeout(PATIENCE, asked).await.ok()?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(class: &str, until: &str, ends: bool) -> String {
        let rules = match ends {
            true => {
                ":root{--copy-left:9ms} main{animation:copy-ends} html:not([data-copy=now]) .ok{} page.copy=now>=until"
            }
            false => "",
        };
        format!("<html {until}><style>{rules}</style><div class=\"answer {class}\"><h1>x</h1>")
    }

    #[test]
    fn green_is_stale_only_after_an_end_that_the_page_does_not_keep_itself() {
        let until = "data-until=\"1000\"";
        for (page, now, shows, stale) in [
            (page("ok", until, true), 999, true, false),
            (page("ok", until, true), 1000, false, false),
            (page("ok", until, false), 999, true, false),
            (page("ok", until, false), 1000, true, true),
            (page("ok", "", false), 1000, true, false),
            (page("unknown", until, false), 2000, false, false),
        ] {
            let green = Green::of(&page);
            assert_eq!(
                (green.shows(now), green.is_stale(now)),
                (shows, stale),
                "{page} {now}"
            );
        }
    }

    #[test]
    fn what_stands_there_twice_is_counted() {
        let known = |id: &str, updates: &[(&str, &str)]| Known {
            id: id.into(),
            status: "resolved".into(),
            started_at: None,
            page: String::new(),
            updates: updates
                .iter()
                .map(|(id, said)| ((*id).into(), (*said).into()))
                .collect(),
        };
        let sample = |incidents: Vec<Known>, entries: &[&str]| Sample {
            at: Instant::now(),
            place: 0,
            is_there: true,
            headline: String::new(),
            said: BTreeSet::new(),
            is_well: true,
            is_stale_green: false,
            has_first_incident: true,
            incidents,
            entries: entries.iter().map(|id| (*id).to_owned()).collect(),
        };
        let once = sample(
            vec![known("a", &[("u1", "over"), ("u2", "begun")])],
            &["e1"],
        );
        assert_eq!(told_twice([&once, &once].into_iter()), 0);
        let entry = sample(vec![], &["e1", "e1"]);
        assert_eq!(told_twice([&entry].into_iter()), 1);
        let words = sample(vec![known("a", &[("u1", "over"), ("u3", "over")])], &[]);
        assert_eq!(told_twice([&words].into_iter()), 1);
        let renamed = sample(vec![known("b", &[("u1", "over")])], &[]);
        assert_eq!(told_twice([&once, &renamed].into_iter()), 1);
    }
}
