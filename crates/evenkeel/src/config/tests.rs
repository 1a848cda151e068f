//! Cases as text: a configuration, and beside it what is said of it. `EVENKEEL_BLESS=1`
//! writes what is said now; the difference is reviewed like code.

use std::path::{Path, PathBuf};

use super::checks;
use super::settings::{self, Kind, SECTIONS};
use super::{Config, ConfigError, commented};

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config")
}

#[test]
fn every_case_is_told_as_expected() {
    let folder = cases();
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).expect("a folder of cases") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|kind| kind != "toml") {
            continue;
        }
        count += 1;
        let text = std::fs::read_to_string(&path).expect("a case");
        assert!(
            text.starts_with("# "),
            "{}: says what it proves",
            path.display()
        );
        let said = match Config::read(&text, &path) {
            Ok(config) => {
                let warnings = config.warnings.iter();
                let warnings: String = warnings.map(|warning| format!("{warning}\n")).collect();
                format!("good\n{warnings}")
            }
            Err(ConfigError::Wrong { problems, .. }) => {
                let problems = problems.iter();
                problems.map(|problem| format!("{problem}\n")).collect()
            }
            Err(error) => panic!("{}: {error}", path.display()),
        };
        let said = said.replace(&folder.display().to_string(), "FOLDER");
        let expected = path.with_extension("out");
        if std::env::var_os("EVENKEEL_BLESS").is_some() {
            std::fs::write(&expected, &said).expect("written");
        }
        let expected = std::fs::read_to_string(&expected).unwrap_or_default();
        assert_eq!(said, expected, "{}", path.display());
    }
    assert!(count >= 4, "only {count} cases were found");
}

#[test]
fn the_file_of_init_is_good_and_only_watches() {
    let config = Config::read(&commented(), Path::new("evenkeel.toml")).expect("a good file");
    assert!(config.policy.authority.grants.is_empty());
    // The first thing to do in it.
    let warnings: Vec<&str> = config.warnings.iter().map(|w| w.what.as_str()).collect();
    assert!(
        matches!(warnings[..], [only] if only.contains("nothing tells how `login` is")),
        "{warnings:?}"
    );
}

/// Whoever takes the `#` away from all of it gets settings, not prose: only what goes one
/// way or another, and files that are not there, is told.
#[test]
fn every_commented_setting_of_init_can_be_put_into_force() {
    let text: String = commented()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let Err(ConfigError::Wrong { problems, .. }) =
        Config::read(&text, Path::new("/nowhere/evenkeel.toml"))
    else {
        panic!("the files it names are not there:\n{text}");
    };
    let unexpected: Vec<String> = problems
        .iter()
        .filter(|problem| !problem.is_warning)
        .map(ToString::to_string)
        .filter(|told| !told.contains(" cannot be read: ") && !told.contains("no database"))
        .filter(|told| !told.contains("asks for nothing"))
        .filter(|told| !told.contains("one of `period`, `cron` and `on_calendar`"))
        .filter(|told| !told.contains("give one of"))
        .filter(|told| !told.contains("no certificate is asked for"))
        .filter(|told| !told.contains("a witness "))
        .collect();
    assert_eq!(unexpected, Vec::<String>::new(), "\n{text}");
}

/// With every commented setting put into force, each is known and accepted: the examples
/// and defaults of the table are of the right kind.
#[test]
fn every_example_of_the_table_is_accepted() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut text = String::new();
    for section in SECTIONS {
        if !section.name.is_empty() {
            text.push_str(&format!("[{}]\n", section.name));
        }
        for setting in settings::of(section.name) {
            // Of two ways to say one thing, one.
            let other_way = [
                "url_file",
                "webhook_url_file",
                "certificate_file",
                "key_file",
                "identity_file",
                "replica",
                "ca_file",
                "cron",
                "on_calendar",
                "more_certificates",
                "acme_domains",
                "acme_terms_agreed",
                "acme_directory",
                "acme_contact",
                "acme_ca_file",
                "redirect_to_https",
                "pid_file",
                "user_unit",
                "recycle_hook",
            ]
            .contains(&setting.key)
                || section.name == "[check.step]"
                || (section.name == "[check]" && !checks::has("http", setting.key));
            // What is elsewhere has tests of its own.
            let elsewhere =
                section.name == "[readiness]" && ["checks", "except_file"].contains(&setting.key);
            if setting.kind == Kind::Table || other_way || elsewhere {
                continue;
            }
            let mut value = setting.example.to_owned();
            if setting.kind == Kind::Secret
                || [
                    "ssh_config",
                    "ca_file",
                    "tenants_file",
                    "logo_file",
                    "dkim_key_file",
                ]
                .contains(&setting.key)
            {
                let path = folder
                    .path()
                    .join(value.trim_matches('"').replace('/', "-"));
                let text = match setting.key {
                    "logo_file" => "<svg xmlns=\"http://www.w3.org/2000/svg\"/>\n",
                    _ => "a-secret-of-good-length-for-every-use\n",
                };
                std::fs::write(&path, text).expect("a file");
                use std::os::unix::fs::PermissionsExt;
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))
                    .expect("private");
                value = format!("\"{}\"", path.display());
            }
            text.push_str(&format!("{} = {value}\n", setting.key));
        }
        // What a section refers to has to be there.
        if section.name == "[component]" {
            text.push_str("[[component]]\nid = \"payroll\"\nname = \"Payroll\"\n");
        }
    }
    // A folder of its own, so that the order of components does not matter.
    let file = folder.path().join("evenkeel.toml");
    let text = without_empty_sections(&text);
    std::fs::write(folder.path().join("check-token"), "secret\n").expect("a file");
    let config = Config::read(&text, &file).unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(config.checks.len(), 1);
    assert_eq!(config.jobs.len(), 1);
    assert_eq!(config.databases.len(), 1);
    let connection = &config.jobs[0].launch.environment;
    assert!(connection.contains(&("PGDATABASE".into(), "backoffice".into())));
}

fn without_empty_sections(text: &str) -> String {
    text.replace("[[check.step]]\n", "")
}

/// The same for the kinds of check that the file of `init` does not show.
#[test]
fn every_example_of_every_kind_of_check_is_accepted() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["check-token", "db-password", "password"] {
        std::fs::write(folder.path().join(name), "secret\n").expect("a file");
    }
    for kind in checks::KINDS {
        let mut text = "[[component]]\nid = \"payroll\"\nname = \"Payroll\"\n\
                        [[database]]\nid = \"main\"\ndbname = \"main\"\n[[check]]\n"
            .to_owned();
        for setting in settings::of("[check]") {
            let value = match setting.key {
                "kind" => format!("\"{kind}\""),
                "secret_files" => "{ token = \"check-token\", password = \"password\" }".into(),
                _ => setting.example.to_owned(),
            };
            let is_there = setting.kind != Kind::Table && setting.key != "ca_file";
            if is_there && checks::has(kind, setting.key) {
                text.push_str(&format!("{} = {value}\n", setting.key));
            }
        }
        if kind == "journey" {
            text.push_str(
                "[[check.step]]\nname = \"first\"\nurl = \"https://app.example.com/\"\n\
                 capture = { csrf = \"json /csrf\" }\n[[check.step]]\n",
            );
            for setting in settings::of("[check.step]").filter(|setting| setting.key != "body") {
                text.push_str(&format!("{} = {}\n", setting.key, setting.example));
            }
        }
        let file = folder.path().join("evenkeel.toml");
        let config = Config::read(&text, &file).unwrap_or_else(|error| panic!("{error}\n{text}"));
        assert_eq!(config.checks.len(), 1, "{kind}");
        assert_eq!(config.policy.checks.len(), 1, "{kind}");
    }
}

/// The defaults the table names are those that hold.
#[test]
fn the_defaults_of_the_table_are_the_real_ones() {
    let least = "[[component]]\nid = \"a\"\nname = \"A\"\n\
                 [[database]]\nid = \"d\"\ndbname = \"d\"\n\
                 [[job]]\nid = \"j\"\n[job.product]\nurl = \"x\"\n\
                 [[check]]\nid = \"c\"\nkind = \"http\"\nurl = \"http://localhost/\"\n\
                 [[readiness]]\nid = \"r\"\nat = \"06:00\"\nproducts = [\"j\"]\n\
                 [subscribers]\n";
    let mut full = String::new();
    for section in SECTIONS {
        // Heartbeats need a file with a key, and are compared by themselves.
        let skip = [
            "[component.sessions]",
            "[person]",
            "[check.step]",
            "[heartbeat]",
            // So are what the edge serves and what is behind it.
            "edge",
            "[edge.listener]",
            "[pool]",
            "pool.may",
            "[pool.instance]",
            "[route]",
            "[volume]",
            "leaks",
            // Where the page goes has to be said; `publish.toml` is the case of it.
            "[publish]",
            // So has who is in a group; `banner.toml` is the case of it.
            "[group]",
            // The same of announcements; `subscribers.toml` is their case.
            "[announce]",
            // And so has what is planned, and when.
            "[maintenance]",
            "[peak]",
            // Whom a witness follows as well; `witness.toml` is the case of it.
            "witness",
        ]
        .contains(&section.name);
        if skip {
            continue;
        }
        if !section.name.is_empty() {
            full.push_str(&format!("[{}]\n", section.name));
        }
        for setting in settings::of(section.name) {
            let value = match (setting.section, setting.key, setting.default) {
                ("[component]", "id", _) => "\"a\"",
                ("[component]", "name", _) => "\"A\"",
                ("[database]", "id" | "dbname", _) => "\"d\"",
                ("[job]", "id", _) => "\"j\"",
                ("job.product", "url", _) => "\"x\"",
                ("[check]", "id", _) => "\"c\"",
                ("[check]", "kind", _) => "\"http\"",
                ("[check]", "url", _) => "\"http://localhost/\"",
                ("[check]", key, _) if !checks::has("http", key) => continue,
                ("[readiness]", "id", _) => "\"r\"",
                ("[readiness]", "at", _) => "\"06:00\"",
                ("[readiness]", "products", _) => "[\"j\"]",
                (_, _, "-" | "") => continue,
                (_, _, default) => default,
            };
            if setting.kind != Kind::Table {
                full.push_str(&format!("{} = {value}\n", setting.key));
            }
        }
    }
    let read = |text: &str| {
        Config::read(text, Path::new("/folder/evenkeel.toml"))
            .unwrap_or_else(|error| panic!("{error}\n{text}"))
    };
    let (mut least, mut full) = (read(least), read(&full));
    // Written out, a grant that equals the default stands in the table of grants.
    for ((kind, scope), grant) in std::mem::take(&mut full.policy.authority.grants) {
        assert_eq!(grant, least.policy.authority.grant(kind, &scope), "{kind}");
    }
    // `nice = 0` is nothing added.
    for job in &mut full.jobs {
        job.launch.nice = job.launch.nice.filter(|nice| *nice != 0);
    }
    // Both are odd, and the full one has an empty [pager]: not what is compared here.
    least.warnings.clear();
    full.warnings.clear();
    assert_eq!(format!("{least:?}"), format!("{full:?}"));
}

/// So are those of heartbeats.
#[test]
fn the_defaults_of_heartbeats_are_the_real_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("key"), "fqOOd6-F4MMNuCEnzTU01w\n").expect("a file");
    let least = "[[component]]\nid = \"a\"\nname = \"A\"\n\
                 [pings]\nlisten = \"127.0.0.1:0\"\nping_key_file = \"key\"\n\
                 [[heartbeat]]\nname = \"h\"\nperiod = \"1h\"\n";
    let given = settings::of("[heartbeat]")
        .filter(|setting| !matches!(setting.default, "" | "-"))
        .map(|setting| format!("{} = {}\n", setting.key, setting.default));
    let full = format!("{least}{}", given.collect::<String>());
    let file = folder.path().join("evenkeel.toml");
    let read = |text: &str| {
        let config = Config::read(text, &file).unwrap_or_else(|error| panic!("{error}\n{text}"));
        config.policy.heartbeats
    };
    assert_eq!(read(least), read(&full));
}

/// So are those of planned work and of peaks.
#[test]
fn the_defaults_of_what_is_planned_are_the_real_ones() {
    let component = "[[component]]\nid = \"a\"\nname = \"A\"\n";
    let needed = [
        (
            "[maintenance]",
            "[[maintenance]]\nid = \"m\"\ncomponents = [\"a\"]\nstarts = \"2026-09-27T22:00\"\nlength = \"4h\"\n",
        ),
        (
            "[peak]",
            "[[peak]]\nid = \"p\"\nname = \"VAT day\"\nstarts = \"2026-12-01\"\n",
        ),
    ];
    let (mut least, mut full) = (component.to_owned(), component.to_owned());
    for (section, text) in needed {
        least.push_str(text);
        full.push_str(text);
        let given = settings::of(section);
        for setting in given.filter(|setting| !matches!(setting.default, "" | "-")) {
            full.push_str(&format!("{} = {}\n", setting.key, setting.default));
        }
    }
    let read = |text: &str| {
        let config = Config::read(text, Path::new("/folder/evenkeel.toml"));
        let config = config.unwrap_or_else(|error| panic!("{error}\n{text}"));
        let Config {
            almanac, policy, ..
        } = config;
        format!("{almanac:?} {:?} {:?}", policy.maintenances, policy.peaks)
    };
    assert_eq!(read(&least), read(&full));
}

/// So are those of the edge, its pools and its routes.
#[test]
fn the_defaults_of_the_edge_are_the_real_ones() {
    let needed = [
        ("edge", "[edge]\nlisten = \"127.0.0.1:0\"\n"),
        (
            "[edge.listener]",
            "[[edge.listener]]\naddress = \"127.0.0.2:0\"\n",
        ),
        ("[pool]", "[[pool]]\nid = \"p\"\ncheck = \"/\"\n"),
        (
            "[pool.instance]",
            "[[pool.instance]]\nid = \"i\"\naddress = \"127.0.0.1:1\"\n",
        ),
        ("leaks", "[leaks]\n"),
        ("[route]", "[[route]]\nid = \"r\"\npool = \"p\"\n"),
    ];
    let least = "[[component]]\nid = \"a\"\nname = \"A\"\n".to_owned();
    let (mut least, mut full) = (least.clone(), least);
    for (section, text) in needed {
        least.push_str(text);
        full.push_str(text);
        // An authority is only named where one is asked.
        let given = settings::of(section).filter(|setting| {
            !matches!(setting.default, "" | "-")
                && !["acme_directory", "acme_terms_agreed"].contains(&setting.key)
        });
        for setting in given {
            full.push_str(&format!("{} = {}\n", setting.key, setting.default));
        }
    }
    let read = |text: &str| {
        let config = Config::read(text, Path::new("/folder/evenkeel.toml"));
        let config = config.unwrap_or_else(|error| panic!("{error}\n{text}"));
        format!(
            "{:?} {:?} {:?}",
            config.edge, config.leaks, config.policy.pools
        )
    };
    assert_eq!(read(&least), read(&full));
}
