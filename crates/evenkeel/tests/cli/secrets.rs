//! Secrets are planted wherever one can be given, everything that can go wrong with them
//! goes wrong, and then everything the program wrote is searched.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use evenkeel::recorder::{read, ring};
use rustix::process::{Pid, Signal, kill_process};

use crate::place::Place;

/// Where each secret is given, and itself.
const SECRETS: &[(&str, &str)] = &[
    ("a database's password file", "Zq1-database-secret"),
    ("a webhook's address file", "Zq2-address-secret"),
    ("a webhook's token file", "Zq3-token-secret"),
    ("the mail account's password file", "Zq4-mail-secret"),
    ("an option of a job's command", "Zq5-option-secret"),
    ("an address in a job's command", "Zq6-ftp-secret"),
    ("a product's password file", "Zq7-product-secret"),
    ("a check's secret file", "Zq8-check-secret"),
];

fn secret(which: usize) -> &'static str {
    SECRETS[which].1
}

/// A port nobody answers on.
fn closed() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its address").port()
}

/// Every file below a folder, with what is in it.
fn everything_below(folder: &Path, found: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let kind = entry.file_type().expect("a kind");
        if kind.is_dir() {
            everything_below(&path, found);
        } else if kind.is_file() {
            let bytes = std::fs::read(&path).unwrap_or_default();
            found.push((path.display().to_string(), bytes));
        }
    }
}

#[test]
fn no_secret_leaves_its_file() {
    let (closed_a, closed_b) = (closed(), closed());
    let place = Place::with(&format!(
        r#"
[log]
level = "trace"
[metrics]
listen = "127.0.0.1:0"
[mail]
host = "127.0.0.1"
port = {closed_a}
tls = "starttls"
user = "evenkeel"
password_file = "mail-password"
from = "evenkeel@example.com"
[[person]]
name = "ana"
mail = "ana@example.com"
webhook_url_file = "address"
webhook_token_file = "token"
[[database]]
id = "main"
port = {closed_a}
user = "keeper"
dbname = "shop"
password_file = "db-password"
[[check]]
id = "front"
kind = "http"
url = "http://127.0.0.1:{closed_b}/"
interval = "5s"
headers = {{ authorization = "Bearer {{word}}" }}
secret_files = {{ word = "check-word" }}
[[job]]
id = "hang"
command = ["sh", "-c", "echo begun; sleep 600; true", "sh", "--password", "{option}", "ftp://u:{ftp}@host.example/x"]
deadline = "2s"
grace = "1s"
[job.product]
url = "ftp://payroll@127.0.0.1:{closed_b}/out.csv"
password_file = "product-password"
[job.may]
end_run = "act"
"#,
        option = secret(4),
        ftp = secret(5),
    ));
    let root = place.folder.path();
    for (name, text) in [
        ("db-password", secret(0).to_owned()),
        (
            "address",
            format!("http://127.0.0.1:{closed_b}/hook/{}", secret(1)),
        ),
        ("token", secret(2).to_owned()),
        ("mail-password", secret(3).to_owned()),
        ("product-password", secret(6).to_owned()),
        ("check-word", secret(7).to_owned()),
    ] {
        let path = root.join(name);
        std::fs::write(&path, text + "\n").expect("a secret");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("private");
    }
    let mut written = Vec::new();
    let keep = |name: &str, output: std::process::Output, written: &mut Vec<(String, Vec<u8>)>| {
        written.push((format!("{name}, standard output"), output.stdout));
        written.push((format!("{name}, standard error"), output.stderr));
    };
    keep("check", place.run(&["check"]), &mut written);

    let log = root.join("log");
    let file = |path: &Path| {
        let file = std::fs::File::options()
            .create(true)
            .append(true)
            .open(path);
        Stdio::from(file.expect("a log"))
    };
    let mut server = place
        .command()
        .arg("serve")
        .stdout(file(&log))
        .stderr(file(&log))
        .spawn()
        .expect("it starts");
    let until = Instant::now() + Duration::from_secs(60);
    while !place.run(&["--json", "start", "hang"]).status.success() {
        assert!(
            Instant::now() < until,
            "{}",
            std::fs::read_to_string(&log).unwrap_or_default()
        );
        // waits: for another process; asked again until the deadline above
        std::thread::sleep(Duration::from_millis(50));
    }
    let arguments = std::fs::read(format!("/proc/{}/cmdline", server.id())).expect("its arguments");
    written.push(("the server's arguments".into(), arguments));
    // The run is ended with evidence; mail, webhook, database and check all fail, and say so.
    place.until(&["evidence"], |kept| kept[0]["id"].is_string());
    let said = |what: &str| {
        std::fs::read_to_string(&log)
            .unwrap_or_default()
            .contains(what)
    };
    while !(said("did not take a mail") && said("the webhook did not take")) {
        assert!(
            Instant::now() < until,
            "{}",
            std::fs::read_to_string(&log).unwrap_or_default()
        );
        // waits: for another process; asked again until the deadline above
        std::thread::sleep(Duration::from_millis(50));
    }
    let kept = place.json(&["evidence"]);
    let id = kept[0]["id"].as_str().expect("an id").to_owned();
    for arguments in [
        &["status"] as &[&str],
        &["incidents", "I-1"],
        &["runs"],
        &["evidence", &id],
        &["evidence", &id, "processes.txt"],
        &["evidence", &id, "output.txt"],
        &["journal", "tail"],
        &["locks"],
        &["init", "--stdout"],
    ] {
        keep(&arguments.join(" "), place.run(arguments), &mut written);
        let json = [&["--json"], arguments].concat();
        keep(&json.join(" "), place.run(&json), &mut written);
    }
    let pid = Pid::from_raw(server.id().cast_signed()).expect("a pid");
    kill_process(pid, Signal::TERM).expect("a signal");
    assert!(server.wait().expect("it ends").success());

    // The recorder packs what it keeps: its files are read the way replay reads them.
    let data = root.join("evenkeel-data");
    let segments = ring::segments(&data.join("recorder")).expect("a recording");
    assert!(!segments.is_empty());
    for segment in &segments {
        read::segment(segment, &mut |piece| {
            written.push((format!("{segment:?}"), format!("{piece:?}").into_bytes()));
            std::ops::ControlFlow::Continue(())
        });
    }
    everything_below(&data, &mut written);
    written.push(("the log".into(), std::fs::read(&log).expect("a log")));
    // What is searched is what was written: the run's output, and what the recorder saw.
    for (place, known) in [("evidence", "begun"), ("Segment", "run_started")] {
        let of_place = written.iter().filter(|(name, _)| name.contains(place));
        let found = of_place.filter(|(_, bytes)| {
            let text = String::from_utf8_lossy(bytes);
            text.contains(known) || known == "run_started" && text.contains("hang-")
        });
        assert!(found.count() > 0, "{known} is not found in {place}");
    }
    let mut leaks = Vec::new();
    for (place, bytes) in &written {
        for (given, secret) in SECRETS {
            // Two halves: one that was cut in the middle is one that came out.
            for half in [&secret[..10], &secret[4..]] {
                if bytes
                    .windows(half.len())
                    .any(|window| window == half.as_bytes())
                {
                    leaks.push(format!("{given} ({half}) stands in {place}"));
                }
            }
        }
    }
    assert_eq!(leaks, Vec::<String>::new());
}
