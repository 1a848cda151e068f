//! `setup`: what the demo and the tests need beside Rust, found or installed.
//!
//! Looking costs a few file checks and some short programs, so that every other
//! command can call it first. What is missing is installed with apt where that
//! needs no password; else the one line to type is printed and the exit status
//! says that nothing was done. After installing, everything is looked for again:
//! a package that came with an older version is not taken for an answer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use crate::run;
use crate::versions::{self, Version};
use crate::workspace::Workspace;

mod apt;
mod corpora;

const POSTGRES_NEEDED: u32 = 15;
const NODE_NEEDED: u32 = 18;
const BROWSERS: &[&str] = &[
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
];

/// Something the machine has to have, and the Debian packages that bring it.
struct Need {
    what: &'static str,
    why: &'static str,
    packages: &'static [&'static str],
    /// None when it is there, else what was found instead.
    missing: fn() -> Option<String>,
}

/// What the demo needs, and so the first minute of everybody who looks at this.
const DEMO: &[Need] = &[
    Need {
        what: "PostgreSQL 15 or newer (server)",
        why: "the guarded database in demo, drills and tests",
        packages: &["postgresql"],
        missing: postgres_missing,
    },
    Need {
        what: "pyftpdlib for /usr/bin/python3",
        why: "the FTP servers that receive, or never read, the export",
        packages: &["python3", "python3-pyftpdlib"],
        missing: || missing_module("pyftpdlib.servers, pyftpdlib.handlers, pyftpdlib.authorizers"),
    },
];

/// What only the tests need beside.
const TESTS: &[Need] = &[
    Need {
        what: "Chromium",
        why: "browser tests",
        packages: &["chromium"],
        missing: || {
            run::on_path(BROWSERS)
                .is_none()
                .then(|| "not on PATH".to_owned())
        },
    },
    Need {
        what: "aiosmtpd for /usr/bin/python3",
        why: "the mail server that takes calls in tests",
        packages: &["python3", "python3-aiosmtpd"],
        missing: || missing_module("aiosmtpd.smtp"),
    },
    Need {
        what: "dkimpy for /usr/bin/python3, and openssl",
        why: "verifies the signatures of mails to subscribers in tests",
        packages: &["python3", "python3-dkim", "openssl"],
        missing: || missing_module("dkim").or_else(|| missing_program("openssl")),
    },
    Need {
        what: "an SSH server and client",
        why: "SFTP deliveries in tests",
        packages: &["openssh-server", "openssh-client"],
        missing: ssh_missing,
    },
    Need {
        what: "HAProxy",
        why: "the peer in the drills slow-leak and noisy-tenant",
        packages: &["haproxy"],
        missing: || missing_program("haproxy"),
    },
    Need {
        what: "pip for python3",
        why: "fetches other projects' test cases for the edge",
        packages: &["python3-pip"],
        missing: corpora::pip_missing,
    },
    Need {
        what: "hyperframe and hpack for /usr/bin/python3",
        why: "the HTTP/2 frames that break the protocol in tests",
        packages: &["python3", "python3-hyperframe", "python3-hpack"],
        missing: || missing_module("hyperframe.frame, hpack"),
    },
    Need {
        what: "feedparser, icalendar, jsonschema and requests for /usr/bin/python3",
        why: "readers of feeds, JSON and Statuspage's API of another make in tests",
        packages: &[
            "python3",
            "python3-feedparser",
            "python3-icalendar",
            "python3-jsonschema",
            "python3-requests",
        ],
        missing: || missing_module("feedparser, icalendar, jsonschema, requests"),
    },
    Need {
        what: "nghttp2's clients",
        why: "an HTTP/2 client of another make in tests",
        packages: &["nghttp2-client"],
        missing: || missing_program("h2load").or_else(|| missing_program("nghttp")),
    },
    Need {
        what: "Pebble",
        why: "the ACME authority that issues certificates in tests",
        packages: &["pebble"],
        missing: || missing_program("pebble"),
    },
    Need {
        what: "Node 18 or newer, with npm",
        why: "browser tests",
        packages: &["nodejs", "npm"],
        missing: node_missing,
    },
];

/// What only the benches need beside: their peers.
const PEERS: &[Need] = &[
    Need {
        what: "nginx",
        why: "the peer of pings and of the edge",
        packages: &["nginx-light"],
        missing: || missing_program("nginx"),
    },
    Need {
        what: "HAProxy",
        why: "the peer of the edge",
        packages: &["haproxy"],
        missing: || missing_program("haproxy"),
    },
    Need {
        what: "wrk",
        why: "the load on the edge and its peers",
        packages: &["wrk"],
        missing: || missing_program("wrk"),
    },
    Need {
        what: "openssl",
        why: "the certificate of the edge and its peers",
        packages: &["openssl"],
        missing: || missing_program("openssl"),
    },
    Need {
        what: "Prometheus",
        why: "the peer of checks",
        packages: &["prometheus"],
        missing: || missing_program("prometheus"),
    },
    Need {
        what: "Prometheus' blackbox exporter",
        why: "the peer of checks",
        packages: &["prometheus-blackbox-exporter"],
        missing: || missing_program("prometheus-blackbox-exporter"),
    },
];

fn missing_program(name: &str) -> Option<String> {
    run::on_path(&[name])
        .is_none()
        .then(|| "not on PATH".to_owned())
}

/// Makes the machine ready for the demo, which needs little of what the tests do.
pub(crate) fn ready_for_demo() -> Result<(), String> {
    packages_of(DEMO)
}

/// Makes the machine ready for benches.
pub(crate) fn ready_for_benches(workspace: &Workspace) -> Result<(), String> {
    rust_tools(workspace)?;
    packages_of(PEERS)
}

pub(crate) fn command(workspace: &Workspace) -> Result<ExitCode, String> {
    ready(workspace)?;
    println!("Everything the demo and the tests need is here.");
    Ok(ExitCode::SUCCESS)
}

/// Makes the machine ready for the demo and the tests, or says what a person has to do.
pub(crate) fn ready(workspace: &Workspace) -> Result<(), String> {
    rust_tools(workspace)?;
    packages_of(DEMO)?;
    packages_of(TESTS)?;
    corpora::ready(workspace)?;
    browser_packages(workspace)
}

fn packages_of(needs: &'static [Need]) -> Result<(), String> {
    let missing = look(needs);
    if missing.is_empty() {
        return Ok(());
    }
    for (need, found) in &missing {
        println!("Missing: {} ({}): {found}", need.what, need.why);
    }
    let mut packages: Vec<&str> = Vec::new();
    for package in missing.iter().flat_map(|(need, _)| need.packages) {
        // A Node from elsewhere brings its own npm and conflicts with Debian's.
        let have_it = (*package == "nodejs" && run::on_path(&["node"]).is_some())
            || (*package == "npm" && run::on_path(&["npm"]).is_some());
        if !have_it {
            packages.push(package);
        }
    }
    if !packages.is_empty() {
        apt::install(&packages)?;
    }
    let still: Vec<String> = look(needs)
        .iter()
        .map(|(need, found)| format!("{}: {found}", need.what))
        .collect();
    if still.is_empty() {
        return Ok(());
    }
    Err(format!(
        "Still missing: {}. This system's packages are too old or were not found; install it from \
         https://www.postgresql.org/download/ or https://nodejs.org/ and run cargo xtask setup again.",
        still.join("; ")
    ))
}

fn look(needs: &'static [Need]) -> Vec<(&'static Need, String)> {
    needs
        .iter()
        .filter_map(|need| Some((need, (need.missing)()?)))
        .collect()
}

/// The newest PostgreSQL programs here, as the drills look for them: Debian keeps
/// the server's programs off PATH.
fn postgres_folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect();
    folders
        .extend(run::on_path(&["initdb"]).and_then(|found| found.parent().map(Path::to_path_buf)));
    folders
}

fn postgres_missing() -> Option<String> {
    let found = postgres_folders()
        .iter()
        .filter(|folder| {
            ["initdb", "pg_ctl", "postgres"]
                .iter()
                .all(|p| folder.join(p).is_file())
        })
        .filter_map(|folder| versions::of_program(folder.join("postgres")))
        .max();
    match found {
        None => Some("not found on PATH or under /usr/lib/postgresql".to_owned()),
        Some(version) if version.major() < POSTGRES_NEEDED => Some(format!("found {version}")),
        Some(_) => None,
    }
}

/// What cannot be imported by Debian's Python.
fn missing_module(names: &str) -> Option<String> {
    let mut python = std::process::Command::new("/usr/bin/python3");
    python.args(["-c", &format!("import {names}")]);
    run::output_of(&mut python)
        .err()
        .map(|_| "it cannot be imported".to_owned())
}

fn ssh_missing() -> Option<String> {
    let server = Path::new("/usr/sbin/sshd").is_file() || run::on_path(&["sshd"]).is_some();
    let client = run::on_path(&["ssh"]).is_some() && run::on_path(&["sftp"]).is_some();
    match (server, client) {
        (true, true) => None,
        (false, _) => Some("no sshd".to_owned()),
        (true, false) => Some("no ssh or sftp".to_owned()),
    }
}

fn node_missing() -> Option<String> {
    match versions::of_program("node") {
        None => Some("node is not on PATH".to_owned()),
        Some(version) if version < Version::new(NODE_NEEDED, 0, 0) => {
            Some(format!("Node {version} is too old"))
        }
        Some(_) if run::on_path(&["npm"]).is_none() => Some("npm is not on PATH".to_owned()),
        Some(_) => None,
    }
}

/// rustfmt and clippy come with most toolchains, and with one line to the others.
fn rust_tools(workspace: &Workspace) -> Result<(), String> {
    if run::on_path(&["cargo-fmt"]).is_some() && run::on_path(&["cargo-clippy"]).is_some() {
        let asked = [vec!["fmt", "--version"], vec!["clippy", "--version"]];
        if asked
            .iter()
            .all(|words| run::output_of(workspace.cargo().args(words)).is_ok())
        {
            return Ok(());
        }
    }
    println!("Missing: rustfmt or clippy");
    let mut rustup = workspace.program("rustup");
    rustup.args(["component", "add", "rustfmt", "clippy"]);
    match run::shown(&mut rustup, Duration::from_secs(600)) {
        Ok(true) => Ok(()),
        _ => {
            Err("install rustfmt and clippy. Type: rustup component add rustfmt clippy".to_owned())
        }
    }
}

/// The browser tests' packages, in the versions the lock file names: Playwright's driver,
/// which brings no browser, and axe-core.
fn browser_packages(workspace: &Workspace) -> Result<(), String> {
    let wanted = locked(&workspace.read("tests/browser/package-lock.json")?)?;
    let installed = workspace
        .read("tests/browser/node_modules/.package-lock.json")
        .ok()
        .and_then(|text| locked(&text).ok());
    if installed == Some(wanted) {
        return Ok(());
    }
    let mut npm = workspace.program("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    npm.current_dir(workspace.root.join("tests/browser"));
    if run::shown(&mut npm, Duration::from_secs(600))? {
        return Ok(());
    }
    Err(
        "npm could not fetch the browser tests' packages. Type: (cd tests/browser && npm ci)"
            .to_owned(),
    )
}

/// The packages in a lock file, with their versions; npm's own record of what it installed
/// is one, too.
fn locked(text: &str) -> Result<BTreeMap<String, String>, String> {
    let lock: serde_json::Value =
        serde_json::from_str(text).map_err(|e| format!("tests/browser/package-lock.json: {e}"))?;
    let packages = lock["packages"].as_object().into_iter().flatten();
    let named = packages.filter_map(|(path, package)| {
        let name = path.strip_prefix("node_modules/")?;
        Some((name.to_owned(), package["version"].as_str()?.to_owned()))
    });
    let named: BTreeMap<_, _> = named.collect();
    if named.is_empty() {
        return Err("tests/browser/package-lock.json names no package".to_owned());
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_file_names_every_package_with_its_version() {
        let lock = r#"{"packages": {"": {}, "node_modules/axe-core": {"version": "4.14.1"},
            "node_modules/playwright-core": {"version": "1.61.1"}}}"#;
        let named = locked(lock).unwrap();
        let named: Vec<_> = named
            .iter()
            .map(|(name, of)| (&name[..], &of[..]))
            .collect();
        assert_eq!(
            named,
            [("axe-core", "4.14.1"), ("playwright-core", "1.61.1")]
        );
        assert!(locked("{}").is_err());
    }

    #[test]
    fn every_need_says_why_and_where_from() {
        for need in [DEMO, TESTS, PEERS].into_iter().flatten() {
            assert!(
                !need.why.is_empty() && !need.packages.is_empty(),
                "{}",
                need.what
            );
        }
    }
}
