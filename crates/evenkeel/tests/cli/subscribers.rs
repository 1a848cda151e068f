//! Subscribers with the real program: brought in and written out on the command line, told
//! of an outage by mail, and told once although the program is killed amid it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::browser::Browser;
use crate::place::Place;

/// A mail server of another make; ended on drop.
struct MailServer {
    process: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _gone = self.process.wait();
    }
}

fn until<T>(what: &str, mut made: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        if let Some(made) = made() {
            return made;
        }
        assert!(Instant::now() < deadline, "{what}");
        // waits: for another process; asked again until the deadline above
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl MailServer {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mail/smtp_server.py");
        let process = Command::new("/usr/bin/python3")
            .arg(script)
            .args([folder.path(), Path::new("plain")])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3");
        let file = folder.path().join("port");
        let port = until("an SMTP server: run `cargo xtask setup`", || {
            std::fs::read_to_string(&file).ok()?.parse().ok()
        });
        Self {
            process,
            folder,
            port,
        }
    }

    /// Mails that were kept whole: to whom, and the `Message-ID`.
    fn kept(&self) -> Vec<(String, String)> {
        let named = |number: u32, kind: &str| -> PathBuf {
            self.folder.path().join(format!("{number}.{kind}"))
        };
        let mut kept = Vec::new();
        for number in 1.. {
            let Ok(about) = std::fs::read_to_string(named(number, "json")) else {
                return kept;
            };
            let about: Value = serde_json::from_str(&about).expect("JSON");
            let letter = std::fs::read_to_string(named(number, "eml")).expect("a mail");
            let id = letter
                .lines()
                .find_map(|line| line.strip_prefix("Message-ID: "));
            let to = about["to"][0].as_str().expect("to somebody").to_owned();
            kept.push((to, id.expect("an id").to_owned()));
        }
        kept
    }

    fn count(&self) -> usize {
        let files = std::fs::read_dir(self.folder.path()).expect("a folder");
        files
            .filter_map(Result::ok)
            .filter(|file| {
                file.path()
                    .extension()
                    .is_some_and(|ending| ending == "json")
            })
            .count()
    }
}

const CHECK: &str = r#"
[[check]]
id = "door"
kind = "tcp"
address = "127.0.0.1:9"
components = ["login"]
interval = "1s"
timeout = "1s"
failures = 1
"#;

fn place(server: &MailServer, more: &str) -> Place {
    let place = Place::with(&format!(
        "[mail]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nfrom = \"status@example.com\"\n\
         [subscribers]\nmail = true\nper_second = 1000\nper_domain_per_second = 1000\nconnections = 4\n{more}",
        server.port
    ));
    let text = std::fs::read_to_string(place.config()).expect("a configuration");
    let named = "name = \"Back office\"\nurl = \"https://status.example.com\"";
    let text = text.replacen("name = \"Back office\"", named, 1);
    std::fs::write(place.config(), text).expect("a configuration");
    place
}

fn list(place: &Place, text: &str) -> String {
    let file = place.folder.path().join("list.csv");
    std::fs::write(&file, text).expect("a list");
    file.to_str().expect("a path").to_owned()
}

#[test]
fn a_kill_amid_an_update_loses_nobody_and_doubles_only_what_was_under_way() {
    const READERS: usize = 3000;
    let server = MailServer::start();
    let place = place(&server, CHECK);
    let lines: Vec<String> = (0..READERS)
        .map(|n| format!("reader{n}@example{}.com", n % 7))
        .collect();
    let file = list(&place, &format!("address\n{}\n", lines.join("\n")));
    let said = place.good(&["subscribers", "import", &file]);
    assert!(said.starts_with("3000 new"), "{said}");
    let mut program = place.serve();
    // Twice: in the middle, and soon after it is back.
    for least in [400, 900] {
        until("mails", || (server.count() >= least).then_some(()));
        program.signal(Signal::KILL);
        program.child.wait().expect("it is gone");
        program = place.serve();
    }
    let everybody: BTreeSet<String> = lines.iter().cloned().collect();
    until("everybody has it", || {
        let told: BTreeSet<String> = server.kept().into_iter().map(|(to, _)| to).collect();
        (told == everybody).then_some(())
    });
    program.stop();
    // A word is the same mail to one reader whenever it is sent, and another to each.
    let mut sent: BTreeMap<(String, String), usize> = BTreeMap::new();
    for mail in server.kept() {
        *sent.entry(mail).or_default() += 1;
    }
    let ids: BTreeSet<&String> = sent.keys().map(|(_, id)| id).collect();
    assert_eq!(ids.len(), sent.len(), "no two readers have one id");
    let doubles: usize = sent.values().map(|count| count - 1).sum();
    // Two kills, four connections: what was under way, and what was not written down yet.
    assert!(doubles <= 2 * 4 * 4, "{doubles} mails went out twice");
    assert!(sent.values().all(|count| *count <= 2));
}

#[test]
fn lists_are_read_line_by_line_written_out_and_read_again() {
    let server = MailServer::start();
    let place = place(&server, "webhook_networks = [\"10.1.0.0/16\"]\n");
    let file = list(
        &place,
        "\u{feff}kind,address,language,components,maintenance_only,standing\n\
         mail,Ana@Example.com,de,login,true,active\n\
         ,ben@example.com,,,,\n\
         mail,nobody,de,,,\n\
         mail,\"x@example.com\r\nBcc: all@example.com\",,,,\n\
         mail,cy@example.com,fr,,,\n\
         mail,cy@example.com,nl,payroll,,\n\
         webhook,https://127.0.0.1/x,,,,\n\
         webhook,https://10.1.0.1/hook,,,,\n\
         mail,dee@example.com,,,,paused\n\
         mail,ben@EXAMPLE.com,,,,\n\
         \"mail,unfinished@example.com\n",
    );
    let output = place.run(&["subscribers", "import", &file]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.starts_with("3 new, 0 changed, 1 the same"), "{said}");
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    for (line, what) in [
        (4, "nobody"),
        (5, "cannot be written to"),
        (7, "`fr` is no language"),
        (8, "there is no component `payroll`"),
        (9, "127.0.0.1 is no public address"),
        (11, "it is paused"),
    ] {
        let told = why
            .lines()
            .find(|told| told.contains(&format!("list.csv:{line}: ")));
        assert!(
            told.is_some_and(|told| told.contains(what)),
            "{line} {what}: {why}"
        );
    }
    let out = place.folder.path().join("out.csv");
    place.good(&["subscribers", "export", out.to_str().expect("a path")]);
    let written = std::fs::read_to_string(&out).expect("a list");
    assert!(
        written.contains("mail,Ana@example.com,de,login,true,active\n"),
        "{written}"
    );
    assert!(
        written.contains("webhook,https://10.1.0.1/hook,en,,false,active\n"),
        "{written}"
    );
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(&out)
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = place.good(&["subscribers", "import", out.to_str().expect("a path")]);
    assert!(
        again.starts_with("0 new, 0 changed, 3 the same, 0 not taken"),
        "{again}"
    );

    let secret = place.good(&["subscribers", "secret", "https://10.1.0.1/hook"]);
    assert!(secret.starts_with("whsec_"), "{secret}");
    place.good(&["subscribers", "remove", "ana@example.com"]);
    let gone = place.run(&["subscribers", "remove", "ana@example.com"]);
    assert_eq!(gone.status.code(), Some(1));
    let listed = place.json(&["subscribers", "list"]);
    let all = listed.as_array().expect("a list");
    assert_eq!(all.len(), 2, "{listed:#}");
    let odd = list(&place, "name,address\nAna,ana@example.com\n");
    let refused = place.run(&["subscribers", "import", &odd]);
    let why = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(why.contains("`name` is no column"), "{why}");
}

#[test]
fn the_console_shows_how_far_it_is_and_erases_and_a_viewer_does_not() {
    let server = MailServer::start();
    let place = place(&server, CHECK);
    place.good(&["subscribers", "add", "ana@example.com", "--language", "da"]);
    let program = place.serve();
    until("a mail", || (server.count() == 1).then_some(()));
    place.let_in("ana", "operator");
    place.let_in("vera", "viewer");
    let mut vera = Browser::of(&program.operator);
    vera.log_in("vera");
    let page = vera.get("/subscribers?address=example.com");
    assert!(
        page.contains("ana@example.com") && !page.contains(">Erase</button>"),
        "{page}"
    );
    let mut ana = Browser::of(&program.operator);
    ana.log_in("ana");
    let page = ana.get("/subscribers");
    assert!(page.contains("One subscriber is told of updates"), "{page}");
    assert!(
        !page.contains("ana@example.com"),
        "nobody asked for it: {page}"
    );
    let page = ana.get("/subscribers?address=ana%40");
    assert!(page.contains(">Erase</button>"), "{page}");
    let listed = place.json(&["subscribers", "list"]);
    let id = listed[0]["id"].to_string();
    let form = format!("subscriber={id}&back=%2Fsubscribers");
    let refused = vera.post("/subscribers", "/subscribers", &form);
    assert!(refused.starts_with("HTTP/1.1 403"), "{refused}");
    ana.post("/subscribers", "/subscribers", &form);
    assert_eq!(place.json(&["subscribers", "list"]), serde_json::json!([]));
    program.stop();
}
