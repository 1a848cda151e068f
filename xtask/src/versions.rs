//! Is the toolchain new enough? Answered in one sentence, before anything fails
//! in the middle of a build.

use std::fmt;
use std::process::Command;

use crate::workspace::Workspace;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Version(u32, u32, u32);

impl Version {
    pub(crate) const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Version(major, minor, patch)
    }

    pub(crate) const fn major(self) -> u32 {
        self.0
    }

    /// The first word that starts like a version: `rustc 1.88.0 (..)`, `v20.1.0`,
    /// `postgres (PostgreSQL) 15.18`, and `18beta1` as 18.
    pub(crate) fn find_in(text: &str) -> Option<Self> {
        text.split_whitespace().find_map(|word| {
            let word = word.strip_prefix('v').unwrap_or(word);
            let end = word
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .unwrap_or(word.len());
            let mut numbers = word[..end].split('.').map(str::parse::<u32>);
            let major = numbers.next()?.ok()?;
            let minor = numbers.next().and_then(Result::ok).unwrap_or(0);
            let patch = numbers.next().and_then(Result::ok).unwrap_or(0);
            Some(Version(major, minor, patch))
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// The version a program says it has; none where it cannot be started.
pub(crate) fn of_program(program: impl AsRef<std::ffi::OsStr>) -> Option<Version> {
    let output = Command::new(program)
        .arg("--version")
        .stdin(std::process::Stdio::null())
        .output()
        .ok()?;
    Version::find_in(&String::from_utf8_lossy(&output.stdout))
}

pub(crate) fn check_rust(workspace: &Workspace) -> Result<(), String> {
    let needed = rust_needed(workspace)?;
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    match of_program(rustc) {
        None => Err("rustc cannot be started. Install Rust from https://rustup.rs/".to_owned()),
        Some(found) => new_enough(found, needed),
    }
}

/// `rust-version` in the root manifest is the one place that says what is needed.
pub(crate) fn rust_needed(workspace: &Workspace) -> Result<Version, String> {
    let manifest = workspace.toml("Cargo.toml")?;
    manifest
        .get("workspace")
        .and_then(|w| w.get("package")?.get("rust-version")?.as_str())
        .and_then(Version::find_in)
        .ok_or_else(|| "Cargo.toml: workspace.package.rust-version is missing".to_owned())
}

fn new_enough(found: Version, needed: Version) -> Result<(), String> {
    if found >= needed {
        return Ok(());
    }
    Err(format!(
        "Rust {found} is too old: Evenkeel needs {needed} or newer. Type: rustup update stable"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_where_programs_print_them() {
        let cases = [
            ("rustc 1.88.0 (6b00bc388 2025-06-23)", Version(1, 88, 0)),
            ("rustc 1.97.0-nightly (abc 2026-05-01)", Version(1, 97, 0)),
            ("v20.20.2\n", Version(20, 20, 2)),
            (
                "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)",
                Version(15, 18, 0),
            ),
            ("postgres (PostgreSQL) 18beta1", Version(18, 0, 0)),
            ("1.88", Version(1, 88, 0)),
        ];
        for (text, expected) in cases {
            assert_eq!(Version::find_in(text), Some(expected), "{text}");
        }
        assert_eq!(Version::find_in("command not found"), None);
    }

    #[test]
    fn an_old_rust_is_told_what_to_type() {
        let needed = Version(1, 88, 0);
        assert_eq!(new_enough(Version(1, 88, 0), needed), Ok(()));
        assert_eq!(new_enough(Version(1, 100, 0), needed), Ok(()));
        let refusal = new_enough(Version(1, 87, 9), needed).expect_err("older");
        assert!(
            refusal.contains("1.88.0") && refusal.contains("rustup update"),
            "{refusal}"
        );
    }
}
