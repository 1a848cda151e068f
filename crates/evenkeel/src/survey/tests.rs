//! A made-up host below one folder, and what is suggested of it as a golden file
//! (`EVENKEEL_BLESS=1` writes it).

use super::*;
use crate::config::{Config, ConfigError, commented};

fn put(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn host() -> tempfile::TempDir {
    let host = tempfile::tempdir().unwrap();
    let root = host.path();
    put(
        root,
        "etc/crontab",
        "SHELL=/bin/sh\nPATH=/usr/bin:/bin\n# m h dom mon dow user command\n\
         17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly\n\
         30 2 * * 1-5 payroll /usr/local/bin/payroll-export.sh --all --password hunter2\n\
         broken line\n",
    );
    put(
        root,
        "etc/cron.d/backup",
        "MAILTO=ops@example.com\n@daily postgres PGPASSWORD=hunter2 pg_dump -f /srv/x postgres://app:hunter2@db/app\n",
    );
    put(
        root,
        "etc/cron.d/backup.dpkg-old",
        "@daily root /usr/bin/never\n",
    );
    put(
        root,
        "var/spool/cron/crontabs/ana",
        "*/5 * * * * $HOME/bin/sync\n0 4 * * * /usr/local/bin/payroll-export.sh\n",
    );
    put(
        root,
        "etc/systemd/system/invoices.timer",
        "[Timer]\nOnCalendar=Mon..Fri 06:00\n",
    );
    put(
        root,
        "etc/systemd/system/invoices.service",
        "[Service]\nExecStart=-/opt/invoices/run --token=hunter2\n",
    );
    put(
        root,
        "usr/lib/systemd/system/apt-daily.timer",
        "[Timer]\nOnCalendar=daily\n",
    );
    put(
        root,
        "usr/lib/systemd/system/apt-daily.service",
        "[Service]\nExecStart=/usr/lib/apt/apt.systemd.daily\n",
    );
    put(root, "var/run/postgresql/.s.PGSQL.5433", "");
    put(root, "var/run/postgresql/.s.PGSQL.5433.lock", "");
    let line = |local: &str, state: &str, inode: u32| {
        format!(
            "   0: {local} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 {inode} 1 0000 100 0 0 10 0\n"
        )
    };
    let heading = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
    let tcp = [
        heading.to_owned(),
        line("0100007F:1538", "0A", 1), // 127.0.0.1:5432, nobody says who
        line("00000000:0016", "0A", 2), // ssh
        line("00000000:1F90", "0A", 3), // 8080
        line("0100007F:1F91", "01", 4), // a connection
        line("zz:zz", "0A", 5),
    ];
    put(root, "proc/net/tcp", &tcp.concat());
    let tcp6 = line("00000000000000000000000000000000:01BB", "0A", 6);
    put(root, "proc/net/tcp6", &tcp6);
    put(root, "proc/71/comm", "backoffice\n");
    std::fs::create_dir_all(root.join("proc/71/fd")).unwrap();
    std::os::unix::fs::symlink("socket:[3]", root.join("proc/71/fd/5")).unwrap();
    host
}

const TIMERS: &str = r#"[
    {"next":1,"left":1,"last":0,"passed":0,"unit":"invoices.timer","activates":"invoices.service"},
    {"next":1,"left":1,"last":0,"passed":0,"unit":"apt-daily.timer","activates":"apt-daily.service"},
    {"next":1,"left":1,"last":0,"passed":0,"unit":"../../etc/shadow.timer","activates":"../shadow"}
]"#;

#[test]
fn a_host_is_suggested_with_where_each_thing_was_found() {
    let host = host();
    let said = look(host.path(), Some(TIMERS)).suggestions();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/survey.out");
    if std::env::var_os("EVENKEEL_BLESS").is_some() {
        std::fs::write(&path, &said).expect("written");
    }
    assert_eq!(
        said,
        std::fs::read_to_string(&path).expect("the golden file")
    );
    assert!(
        !said.contains("hunter2"),
        "no password leaves its place: {said}"
    );
}

#[test]
fn the_file_with_suggestions_is_good_as_it_stands_and_with_all_of_them_in_force() {
    let host = host();
    let said = look(host.path(), Some(TIMERS)).suggestions();
    let file = Path::new("/folder/evenkeel.toml");
    let text = commented() + &said;
    let config = Config::read(&text, file).expect("good as it stands");
    assert!(config.databases.is_empty() && config.jobs.is_empty() && config.checks.is_empty());
    let in_force: String = said
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with([' ', '-']) => format!("{setting}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let text = commented() + &in_force;
    match Config::read(&text, file) {
        Ok(config) => {
            assert_eq!(
                (config.databases.len(), config.jobs.len()),
                (2, 5),
                "{text}"
            );
            assert!(
                config.policy.authority.grants.is_empty(),
                "all of it only watches"
            );
            assert!(config.checks.len() >= 2);
        }
        Err(ConfigError::Wrong { problems, .. }) => panic!("{problems:#?}\n{text}"),
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn an_empty_host_and_garbage_are_no_trouble() {
    let empty = tempfile::tempdir().unwrap();
    let said = look(empty.path(), Some("not JSON")).suggestions();
    assert!(said.contains("No PostgreSQL"), "{said}");
    for text in [
        "",
        "* * * *",
        "@",
        "@daily",
        "* * * * * root",
        "\u{0}\u{1} = [",
        "a b c d e f g",
    ] {
        put(empty.path(), "etc/crontab", text);
        look(empty.path(), None);
    }
}

#[test]
fn this_very_host_can_be_looked_at() {
    let survey = look(Path::new("/"), timers_of_this_host().as_deref());
    let text = commented() + &survey.suggestions();
    Config::read(&text, Path::new("/folder/evenkeel.toml")).expect("good");
}
