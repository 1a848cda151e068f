//! Every parser of outside input, given what nobody would write: it may refuse, it may not
//! panic, hang or misread.
//!
//! Inputs are real ones, broken by a seeded hand: the same seed breaks them the same way.
//! Bounded by count. `EVENKEEL_FUZZ_SEED` and `EVENKEEL_FUZZ_ROUNDS` make a longer night of
//! it: `EVENKEEL_FUZZ_ROUNDS=1000000 cargo test -p evenkeel --test fuzz`. Not cargo-fuzz:
//! that needs a nightly compiler and a sanitizer, and would not run in every `cargo test`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use evenkeel::config::{Config, ConfigError, commented};
use evenkeel::quiet::QuietHours;
use evenkeel::survey;
use evenkeel::web::tls::{Tls, TlsFiles};
use evenkeel_core::Timestamp;
use evenkeel_core::observation::{Observation, Order};
use evenkeel_core::record::Record;
use evenkeel_guards::checks::{Address, Capture, JsonClaim, StatusSet, Template};
use evenkeel_guards::evidence::{blotted, blotted_command};
use evenkeel_guards::jobs::product::Place;
use evenkeel_guards::jobs::schedule::Schedule;
use evenkeel_journal::{Entry, Hash, Revision, Snapshot, codec};
use jiff::tz::TimeZone;

/// Words that parsers trip over.
const WORDS: &[&str] = &[
    "\u{0}",
    "\r\n",
    "\"",
    "'",
    "\\",
    "{",
    "}",
    "[",
    "]",
    "=",
    "#",
    "%",
    "*",
    "*/0",
    "-1",
    "0",
    "99999999999999999999",
    "1e999",
    "NaN",
    "null",
    "\u{202e}",
    "é",
    "\u{1f600}",
    "..",
    "/",
    "//",
    "://",
    "@",
    ":",
    "[::1]:0",
    "24:00",
    "-00:00",
    "L",
    "W",
    "?",
    "2026-02-30",
    "\t",
    " ",
];

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

/// One input, broken in a few places.
fn broken(random: &mut fastrand::Rng, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut input = corpus[random.usize(..corpus.len())].clone();
    for _ in 0..random.usize(1..6) {
        let at = random.usize(..=input.len());
        match random.u8(..7) {
            0 if at < input.len() => input[at] ^= 1 << random.u8(..8),
            1 => input.truncate(at),
            2 => {
                let word = WORDS[random.usize(..WORDS.len())].bytes();
                input.splice(at..at, word);
            }
            3 => {
                let end = random.usize(at..=input.len());
                input.drain(at..end.min(at + 16));
            }
            4 => {
                let end = random.usize(at..=input.len()).min(at + 64);
                let copy = input[at..end].to_vec();
                input.splice(at..at, copy);
            }
            5 => {
                let other = &corpus[random.usize(..corpus.len())];
                let from = random.usize(..=other.len());
                let piece = other[from..(from + 64).min(other.len())].to_vec();
                input.splice(at..at, piece);
            }
            _ => input.insert(at, random.u8(..)),
        }
        // Nested deeper than anybody writes, now and then.
        if random.u16(..) == 0 {
            input = b"[".repeat(20_000);
        }
    }
    input
}

/// Gives `target` the corpus as it is, and then broken; says which input it died of.
fn fuzz(name: &str, rounds: u64, corpus: &[Vec<u8>], mut target: impl FnMut(&[u8])) {
    let seed = number("EVENKEEL_FUZZ_SEED", 1);
    let rounds = number("EVENKEEL_FUZZ_ROUNDS", rounds);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut give = |input: &[u8], round: u64| {
        let died = catch_unwind(AssertUnwindSafe(|| target(input))).is_err();
        assert!(
            !died,
            "{name} died in round {round} of seed {seed}, of {:?}",
            String::from_utf8_lossy(input)
        );
    };
    for input in corpus {
        give(input, 0);
    }
    for round in 1..=rounds {
        give(&broken(&mut random, corpus), round);
    }
}

fn texts(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn files(folder: &str, kind: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = std::fs::read_dir(&folder).expect("a folder");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == kind));
    paths.sort();
    assert!(paths.len() > 3, "{}", folder.display());
    paths
        .iter()
        .map(|path| std::fs::read(path).expect("a file"))
        .collect()
}

#[test]
fn configurations() {
    let mut corpus = files("tests/config", "toml");
    corpus.push(commented().into_bytes());
    let in_force = commented()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
            _ => format!("{line}\n"),
        })
        .collect::<String>();
    corpus.push(in_force.into_bytes());
    let file = Path::new("/nowhere/evenkeel.toml");
    fuzz("the configuration", 400, &corpus, |input| {
        let text = String::from_utf8_lossy(input);
        let problems = match Config::read(&text, file) {
            Ok(config) => config.warnings,
            Err(ConfigError::Wrong { problems, .. }) => {
                assert!(problems.iter().any(|problem| !problem.is_warning));
                problems
            }
            Err(_) => Vec::new(),
        };
        let lines = text.matches('\n').count() + 1;
        for problem in problems {
            assert!((1..=lines).contains(&problem.line), "{problem}");
        }
    });
}

#[test]
fn journal_entries_and_snapshots() {
    let golden = files("../journal/golden", "json");
    fuzz("the journal's codec", 3000, &golden, |input| {
        let Ok(value) = serde_json::from_slice::<serde_json::Value>(input) else {
            return;
        };
        let entry = Entry {
            revision: Revision(1),
            at: Timestamp::UNIX_EPOCH,
            kind: value["kind"].as_str().unwrap_or_default().to_owned(),
            version: value["version"].as_u64().unwrap_or(1) as u16,
            body: value["body"].to_string().into_bytes(),
            hash: Hash::from_hex(&"0".repeat(64)).expect("a hash"),
        };
        if let Ok(Some(event)) = codec::decode(&entry) {
            // What is read is what was written.
            let again = codec::encode(&event);
            let again = Entry {
                kind: again.kind,
                version: again.version,
                body: again.body,
                at: again.at,
                ..entry.clone()
            };
            assert_eq!(
                codec::decode(&again).expect("our own").expect("an event"),
                event
            );
            let mut record = Record::default();
            record.apply(&event);
            assert_eq!(record.revision, 1);
        }
        // The body as it came, valid JSON or not.
        let raw = Entry {
            body: input.to_vec(),
            ..entry
        };
        let _refused = codec::decode(&raw);
        let _passed_over = codec::record_in(&Snapshot {
            revision: Revision(1),
            format: codec::RECORD_FORMAT,
            body: input.to_vec(),
        });
    });
}

#[test]
fn orders_and_observations() {
    let corpus = texts(&[
        r#"{"order":"approve","action":"A-7"}"#,
        r#"{"order":"refuse","action":"A-7","reason":"no"}"#,
        r#"{"order":"hold_actions","reason":"looking"}"#,
        r#"{"order":"acknowledge","incident":"I-3"}"#,
        r#"{"order":"lift_stop","action_kind":"end_backend","scope":{"type":"database","id":"main"}}"#,
        r#"{"at":"2026-11-21T00:00:00Z","by":"pump","seen":{"kind":"sight","of":{"type":"evenkeel"},"blind":null}}"#,
        r#"{"at":"2026-11-21T00:00:00Z","by":"calendar","seen":{"kind":"quiet_hours","person":"ana","from":"2026-11-21T00:00:00Z","until":"2026-11-21T07:00:00Z"}}"#,
    ]);
    for text in &corpus[..5] {
        serde_json::from_slice::<Order>(text).expect("a good order");
    }
    fuzz("orders", 5000, &corpus, |input| {
        if let Ok(order) = serde_json::from_slice::<Order>(input) {
            let text = serde_json::to_vec(&order).expect("it can be written");
            assert_eq!(
                serde_json::from_slice::<Order>(&text).expect("its own"),
                order
            );
        }
        let _refused = serde_json::from_slice::<Observation>(input);
    });
}

#[test]
fn schedules_and_hours() {
    let corpus = texts(&[
        "30 2 * * *",
        "*/5 8-18 * * 1-5",
        "0 0 29 2 *",
        "0 0 31 * SUN",
        "15,45 */3 1-15/2 JAN-MAR MON#2",
        "59 23 31 12 7",
        "22:00-07:00",
        "00:00-23:59",
    ]);
    let now: Timestamp = "2026-03-29T00:59:59Z".parse().expect("a time");
    fuzz("schedules", 1500, &corpus, |input| {
        let text = String::from_utf8_lossy(input);
        if let Ok(schedule) = Schedule::parse(&text, "Europe/Amsterdam")
            && let Some(next) = schedule.next(now)
        {
            assert!(next > now, "{text}: {next}");
        }
        if let Ok(hours) = QuietHours::read(&text, TimeZone::get("Europe/Berlin").expect("a zone"))
            && let Some((from, until)) = hours.stretch(now)
        {
            assert!(from < until && until > now, "{text}: {from} {until}");
        }
    });
}

#[test]
fn places_patterns_and_claims() {
    let corpus = texts(&[
        "ftp://payroll:x@ftp.example.com:2121/out/pay-%Y-%m-%d.csv",
        "sftp://payroll@[::1]/out/%j",
        "/srv/out/%Y/%m.csv",
        "mail.example.com:25",
        "[::1]:443",
        "/var/run/postgresql:5432",
        "/status == ok",
        "/queue/length < 100",
        "/error is missing",
        "200-299, 301",
        "Bearer {token} {unique}",
        "regex:id=\"([0-9]+)\"",
        "json:/id",
        "header:location",
    ]);
    fuzz("places and claims", 3000, &corpus, |input| {
        let text = String::from_utf8_lossy(input);
        let _place = Place::parse(&text, None);
        let _address = Address::parse(&text);
        let _statuses = StatusSet::parse(&text);
        let _claim = JsonClaim::parse(&text);
        let _template = Template::parse(&text);
        let _capture = Capture::parse("x", &text);
    });
}

/// Texts that come out of databases and process lists: whatever they are, a password that
/// is written as one does not come out again.
#[test]
fn blotting() {
    let corpus = texts(&[
        "alter role app password 'hunter2hunter2'",
        "create user mapping for x options (password 'hunter2hunter2')",
        "postgres://app:hunter2hunter2@db/app",
        "curl --token=hunter2hunter2 https://x",
        "select 1 -- ünïcode 'quoted' $$ text $$",
    ]);
    for (place, text) in corpus[..4].iter().enumerate() {
        let text = String::from_utf8_lossy(text);
        let words: Vec<String> = text.split(' ').map(str::to_owned).collect();
        let said = match place {
            0..3 => blotted(&text),
            _ => blotted_command(&words).join(" "),
        };
        assert!(!said.contains("hunter2"), "{said}");
    }
    fuzz("blotting", 3000, &corpus, |input| {
        let text = String::from_utf8_lossy(input);
        assert!(blotted(&text).len() <= 4 * text.len() + 1024);
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        assert_eq!(blotted_command(&words).len(), words.len());
    });
}

#[test]
fn hosts() {
    let host = tempfile::tempdir().expect("a folder");
    let root = host.path();
    for folder in ["etc/cron.d", "etc/systemd/system", "proc/net"] {
        std::fs::create_dir_all(root.join(folder)).expect("a folder");
    }
    let corpus = texts(&[
        "30 2 * * 1-5 payroll /usr/local/bin/export.sh --all\n@daily root x\n",
        "MAILTO=x\n*/5 * * * * $HOME/bin/sync | tee y\n",
        "   0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0000 100 0 0 10 0\n",
        r#"[{"unit":"a.timer","activates":"a.service"}]"#,
        "[Service]\nExecStart=-/opt/run --x\n[Timer]\nOnCalendar=Mon..Fri 06:00\n",
    ]);
    let file = Path::new("/nowhere/evenkeel.toml");
    fuzz("the survey of a host", 150, &corpus, |input| {
        for path in [
            "etc/crontab",
            "etc/cron.d/x",
            "etc/systemd/system/a.timer",
            "etc/systemd/system/a.service",
            "proc/net/tcp",
            "proc/net/tcp6",
        ] {
            std::fs::write(root.join(path), input).expect("written");
        }
        let timers = String::from_utf8_lossy(input);
        let said = survey::look(root, Some(&timers)).suggestions();
        let text = commented() + &said;
        // Whatever the host holds, the file stays good.
        if let Err(error) = Config::read(&text, file) {
            panic!("{error}\n{said}");
        }
    });
}

#[test]
fn certificates() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let files = TlsFiles {
        certificate: folder.path().join("certificate.pem"),
        key: folder.path().join("key.pem"),
    };
    let corpus = texts(&[&certificate, &key, &format!("{certificate}{key}")]);
    fuzz("certificates", 300, &corpus, |input| {
        std::fs::write(&files.certificate, input).expect("written");
        std::fs::write(&files.key, &key).expect("written");
        let _refused = Tls::load(&files).map(|tls| tls.ends_at());
        std::fs::write(&files.certificate, &certificate).expect("written");
        std::fs::write(&files.key, input).expect("written");
        let _refused = Tls::load(&files).map(|tls| tls.ends_at());
    });
}

/// Lists of subscribers, the addresses in them, and the links they are sent.
#[test]
fn subscribers() {
    use evenkeel::subscribers::address::{Network, mail, webhook};
    use evenkeel::subscribers::paper::{Known, bring_in};
    use evenkeel::subscribers::store::Store;
    use evenkeel::subscribers::token::{Key, parts};
    let folder = tempfile::tempdir().expect("a folder");
    let key = Key::from_text(&"k".repeat(64));
    let store = Store::open(&folder.path().join("subscribers.sqlite"), key).expect("a file");
    let components = ["login".into()];
    let networks = [Network::read("10.0.0.0/8").expect("a network")];
    let known = Known {
        components: &components,
        networks: &networks,
        most: 100,
        language: evenkeel_core::language::Language::English,
    };
    let corpus = texts(&[
        "kind,address,language,components,maintenance_only,standing\nmail,ana@example.com,de,login,true,active\n",
        "address\r\n\"ana@example.com\"\r\n'=1+1@example.com\r\n",
        "\u{feff}email;language\nana@example.com;pl\n",
        "webhook,https://10.1.2.3:8443/hook?x=y",
        "1f-0123456789abcdef0123456789abcdef",
        "10.1.0.0/16",
    ]);
    fuzz("lists of subscribers", 400, &corpus, |input| {
        let _told = bring_in(input, &store, &known);
        let text = String::from_utf8_lossy(input);
        let _network = Network::read(&text);
        let _parts = parts(&text);
        let _hook = webhook(&text, &networks);
        // What is kept of an address has one line, and one recipient.
        if let Ok(kept) = mail(&text) {
            let kept = kept.to_string();
            assert!(!kept.contains(['\r', '\n', ',', ' ']), "{kept:?}");
        }
    });
}
