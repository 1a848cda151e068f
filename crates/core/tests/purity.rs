//! The core cannot reach the clock, randomness, files, the environment, threads or
//! hash-ordered maps: the compiler refuses them.
//!
//! The crate is copied to a temporary folder and checked there by itself, so that no
//! other crate's features (a `jiff` with a clock, say) leak in. The plain copy must
//! compile; the same copy with one forbidden line must not, each for its own reason.

use std::fs;
use std::path::Path;
use std::process::Command;

/// A forbidden line, and what the compiler says to it.
const FORBIDDEN: &[(&str, &str, &str)] = &[
    (
        "clock",
        "pub fn canary() -> std::time::Instant { std::time::Instant::now() }",
        "std",
    ),
    (
        "wall clock",
        "pub fn canary() -> jiff::Timestamp { jiff::Timestamp::now() }",
        "now",
    ),
    (
        "zoned clock",
        "pub fn canary() -> jiff::Zoned { jiff::Zoned::now() }",
        "now",
    ),
    (
        "files",
        "pub fn canary() { let _ = std::fs::read(\"/etc/hostname\"); }",
        "std",
    ),
    (
        "environment",
        "pub fn canary() { let _ = std::env::var(\"HOME\"); }",
        "std",
    ),
    (
        "threads",
        "pub fn canary() { std::thread::yield_now(); }",
        "std",
    ),
    (
        "hash map",
        "pub type Canary = std::collections::HashMap<u8, u8>;",
        "std",
    ),
    (
        "hash set",
        "pub type Canary = alloc::collections::HashSet<u8>;",
        "HashSet",
    ),
    (
        "randomness",
        "pub fn canary() { let _ = std::hash::RandomState::new(); }",
        "std",
    ),
    (
        "network",
        "pub fn canary() { let _ = std::net::TcpStream::connect(\"[::1]:1\"); }",
        "std",
    ),
    (
        "std by the back door",
        "extern crate std as back_door; pub type Canary = back_door::fs::File;",
        "",
    ),
    (
        "unsafe",
        "pub fn canary() -> u8 { unsafe { core::ptr::read(&7) } }",
        "unsafe",
    ),
];

#[test]
fn the_compiler_refuses_everything_impure() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let copy = folder.path();
    copy_sources(&here.join("src"), &copy.join("src"));
    fs::copy(here.join("../../Cargo.lock"), copy.join("Cargo.lock")).expect("the lock file");
    fs::write(copy.join("Cargo.toml"), manifest(here)).expect("a manifest");
    let source = fs::read_to_string(copy.join("src/lib.rs")).expect("lib.rs");
    assert!(source.contains("#![no_std]"), "the crate is no_std");

    let plain = check(copy);
    assert!(plain.is_ok(), "the plain copy compiles: {plain:?}");
    for (what, line, says) in FORBIDDEN {
        // The back door is not closed by the compiler but by this test: no source names it.
        if says.is_empty() {
            continue;
        }
        fs::write(
            copy.join("src/lib.rs"),
            format!("{source}\n/// Canary.\n{line}\n"),
        )
        .expect("lib.rs");
        match check(copy) {
            Ok(()) => panic!("{what}: `{line}` compiles in the core"),
            Err(errors) => assert!(errors.contains(says), "{what}: refused otherwise: {errors}"),
        }
    }
}

#[test]
fn no_source_opens_the_back_door_to_std() {
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(sources.len() > 20, "the sources were found");
    let opens = |text: &str| text.contains("extern crate std") || text.contains("include!");
    assert!(
        FORBIDDEN.iter().any(|(_, line, _)| opens(line)),
        "the check can fail"
    );
    for (name, text) in sources {
        assert!(!opens(&text), "{name} reaches std");
    }
}

#[test]
fn it_depends_on_time_arithmetic_and_serialisation_alone() {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .expect("the manifest");
    let section = manifest
        .split("[dependencies]")
        .nth(1)
        .expect("dependencies");
    let names: Vec<&str> = section
        .lines()
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .collect();
    assert_eq!(names, ["jiff", "serde"]);
}

fn check(copy: &Path) -> Result<(), String> {
    let output = Command::new(env!("CARGO"))
        .args(["check", "--offline", "--quiet"])
        .current_dir(copy)
        .env("CARGO_TARGET_DIR", copy.join("target"))
        .env_remove("RUSTFLAGS")
        .output()
        .expect("cargo runs");
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The crate's manifest, with what it takes from the workspace written out.
fn manifest(here: &Path) -> String {
    let root = fs::read_to_string(here.join("../../Cargo.toml")).expect("the root manifest");
    let line = |name: &str| {
        root.lines()
            .find(|line| line.starts_with(&format!("{name} = ")))
            .unwrap_or_else(|| panic!("{name} in the root manifest"))
            .to_owned()
    };
    format!(
        "[package]\nname = \"evenkeel-core\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [workspace]\n[dependencies]\n{}\n{}\n[lints.rust]\nunsafe_code = \"forbid\"\n",
        line("jiff"),
        line("serde")
    )
}

fn copy_sources(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("the sources") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_sources(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else {
            let text = fs::read_to_string(&path).expect("a source");
            found.push((path.display().to_string(), text));
        }
    }
    found
}
