//! Other projects' own test cases, which the edge's tests run, and a program that reads what
//! others publish: fetched, never copied here.
//!
//! They stand in source packages on PyPI. Each is pinned by version and by the hash of its
//! file, so that what was reviewed is what is run; a new one is a change in this file. They
//! go to `corpora/` in the build folder, and only what the tests read is unpacked.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::run;
use crate::workspace::Workspace;

/// A source package, and what of it is unpacked under its name.
struct Corpus {
    name: &'static str,
    version: &'static str,
    sha256: &'static str,
    part: &'static str,
}

const CORPORA: &[Corpus] = &[
    Corpus {
        name: "gunicorn",
        version: "27.0.1",
        sha256: "b1514965361c8b7e8107a80aa2a92636878df1ccfac6dd204a676426e04d9e3e",
        part: "tests/requests",
    },
    // It carries llhttp, Node's parser, with its tests.
    Corpus {
        name: "aiohttp",
        version: "3.14.5",
        sha256: "5558a7f5a05af9ecf744af91e5baefc436f93c9333e656c27ec253f9a6bbe178",
        part: "vendor/llhttp/test",
    },
    // An exporter that people point at Statuspage: it has to read our status, too.
    Corpus {
        name: "statuspage_prometheus_exporter",
        version: "2.6.0",
        sha256: "f3891c024aa78757ef8ac52ebdf1529109cfaef1ba7cd554627bea118e45b1c2",
        part: "src/statuspage_prometheus_exporter",
    },
    // What receivers verify webhooks with.
    Corpus {
        name: "standardwebhooks",
        version: "1.0.1",
        sha256: "b557bb2e4b16ada179a517ec0fe6cbec5acf976c5619922bf29c457f89a451bd",
        part: "standardwebhooks",
    },
];

/// A few megabytes; pip also looks at how each would be built.
const FETCH_LIMIT: Duration = Duration::from_secs(600);

/// None when pip is there, else what is missing.
pub(super) fn pip_missing() -> Option<String> {
    pip()
        .is_none()
        .then(|| "python3 -m pip does not run".to_owned())
}

/// pip of the python3 on PATH, or of Debian's where that one has none.
fn pip() -> Option<Command> {
    ["python3", "/usr/bin/python3"]
        .into_iter()
        .find_map(|python| {
            let mut asked = Command::new(python);
            run::output_of(asked.args(["-m", "pip", "--version"])).ok()?;
            let mut pip = Command::new(python);
            pip.args(["-m", "pip"]);
            Some(pip)
        })
}

/// Fetches what is not there yet.
pub(super) fn ready(workspace: &Workspace) -> Result<(), String> {
    let folder = workspace.target_dir().join("corpora");
    for corpus in CORPORA {
        let place = folder.join(corpus.name);
        if std::fs::read_to_string(place.join("VERSION")).is_ok_and(|it| it == corpus.version) {
            continue;
        }
        println!("Missing: {} {} (for tests)", corpus.name, corpus.version);
        fetch(corpus, &folder, &place)?;
    }
    Ok(())
}

fn fetch(corpus: &Corpus, folder: &Path, place: &Path) -> Result<(), String> {
    let Corpus { name, version, .. } = corpus;
    let told = |what: &str, error: std::io::Error| format!("{what} {}: {error}", place.display());
    if place.exists() {
        std::fs::remove_dir_all(place).map_err(|error| told("emptying", error))?;
    }
    std::fs::create_dir_all(place).map_err(|error| told("making", error))?;
    let wanted = folder.join(format!("{name}.txt"));
    let line = format!("{name}=={version} --hash=sha256:{}\n", corpus.sha256);
    std::fs::write(&wanted, line).map_err(|error| told("writing beside", error))?;
    let mut pip = pip().ok_or("python3 -m pip does not run")?;
    pip.args(["download", "--quiet", "--disable-pip-version-check"])
        .args(["--no-deps", "--no-binary", ":all:", "--require-hashes"])
        .arg("--dest")
        .arg(folder)
        .arg("--requirement")
        .arg(&wanted);
    if !run::shown(&mut pip, FETCH_LIMIT)? {
        return Err(format!(
            "pip could not fetch the source package of {name} {version} as it was reviewed. Look at \
             the network, and run cargo xtask setup again."
        ));
    }
    let archive = folder.join(format!("{name}-{version}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.arg("--extract")
        .arg("--file")
        .arg(&archive)
        .arg("--directory")
        .arg(place)
        .arg("--strip-components=1")
        .arg(format!("{name}-{version}/{}", corpus.part));
    if !run::shown(&mut tar, FETCH_LIMIT)? {
        return Err(format!("{} could not be unpacked", archive.display()));
    }
    std::fs::write(place.join("VERSION"), version).map_err(|error| told("writing in", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_corpus_is_pinned_by_its_hash() {
        for corpus in CORPORA {
            let is_hash = corpus.sha256.len() == 64
                && corpus.sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
            assert!(is_hash, "{}", corpus.name);
        }
    }
}
