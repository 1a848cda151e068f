//! May these dependencies be here? Licences, duplicates and banned crates, held
//! against `deny.toml`.
//!
//! `cargo-deny` reads the same file and does more, but installing it costs
//! minutes on a fresh machine, so the part that has to hold in every test run is
//! done here over `cargo metadata`. Entries of `deny.toml` that nothing needs any
//! longer are refused too: an allowance must not outlive its reason.

use std::collections::{BTreeMap, BTreeSet};

use crate::metadata::{self, Package};
use crate::versions::{self, Version};
use crate::workspace::Workspace;

mod licence;
mod policy;

use licence::Licence;
use policy::Policy;

/// One sentence for every dependency that may not be here.
pub(crate) fn problems(workspace: &Workspace) -> Result<Vec<String>, String> {
    let policy =
        Policy::parse(&workspace.read("deny.toml")?).map_err(|e| format!("deny.toml: {e}"))?;
    let mut packages: BTreeSet<Package> = BTreeSet::new();
    for target in &policy.targets {
        packages.extend(metadata::packages_for(workspace, target)?);
    }
    let foreign: Vec<Package> = packages
        .into_iter()
        .filter(|p| p.source.is_some())
        .collect();
    println!("{} packages of others", foreign.len());
    let mut problems = check(&policy, &foreign);
    problems.extend(too_new(versions::rust_needed(workspace)?, &foreign));
    Ok(problems)
}

fn check(policy: &Policy, packages: &[Package]) -> Vec<String> {
    let mut problems = licences(policy, packages);
    problems.extend(duplicates(policy, packages));
    problems.extend(banned(policy, packages));
    problems.extend(sources(packages));
    problems
}

fn licences(policy: &Policy, packages: &[Package]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut used_licences: BTreeSet<String> = BTreeSet::new();
    let mut used_exceptions: BTreeSet<&str> = BTreeSet::new();
    for package in packages {
        let Package { name, version, .. } = package;
        let Some(text) = &package.licence else {
            problems.push(format!("{name} {version} names no licence"));
            continue;
        };
        let licence = match Licence::parse(text) {
            Ok(licence) => licence,
            Err(why) => {
                problems.push(format!(
                    "{name} {version}: licence {text:?} cannot be read: {why}"
                ));
                continue;
            }
        };
        let mut used = Vec::new();
        let general = |wanted: &str| policy.allowed.iter().any(|a| a == wanted);
        if licence.met_by(&general, &mut used) {
            used_licences.extend(used.into_iter().map(str::to_owned));
            continue;
        }
        let exception = policy.exceptions.iter().find(|(of, _)| of == name);
        let special = |wanted: &str| {
            general(wanted) || exception.is_some_and(|(_, more)| more.iter().any(|a| a == wanted))
        };
        if licence.met_by(&special, &mut Vec::new()) {
            used_exceptions.insert(name);
        } else {
            problems.push(format!(
                "{name} {version}: licence {text:?} is not among those deny.toml allows"
            ));
        }
    }
    for unused in policy
        .allowed
        .iter()
        .filter(|a| !used_licences.contains(*a))
    {
        problems.push(format!(
            "deny.toml allows {unused}, which nothing needs any longer"
        ));
    }
    for (unused, _) in policy
        .exceptions
        .iter()
        .filter(|(of, _)| !used_exceptions.contains(of.as_str()))
    {
        problems.push(format!(
            "deny.toml makes an exception for {unused}, which needs none"
        ));
    }
    problems
}

fn duplicates(policy: &Policy, packages: &[Package]) -> Vec<String> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        versions
            .entry(&package.name)
            .or_default()
            .insert(&package.version);
    }
    versions.retain(|_, all| all.len() > 1);

    let mut problems = Vec::new();
    for entry in &policy.skipped {
        let needed = versions.get(entry.name.as_str()).is_some_and(|all| {
            all.iter()
                .any(|version| entry.matches(&entry.name, version))
        });
        if !needed {
            problems.push(format!(
                "deny.toml skips {}, which is no duplicate",
                entry.shown()
            ));
        }
    }
    for (name, mut all) in versions {
        all.retain(|version| {
            !policy
                .skipped
                .iter()
                .any(|entry| entry.matches(name, version))
        });
        if all.len() > 1 {
            let listed: Vec<&str> = all.into_iter().collect();
            problems.push(format!(
                "{name} is built more than once: {}. See cargo tree --invert {name}; agree on one \
                 version, or list one under skip in deny.toml with its reason",
                listed.join(", ")
            ));
        }
    }
    problems
}

fn banned(policy: &Policy, packages: &[Package]) -> Vec<String> {
    let entry_for = |package: &Package| {
        policy
            .banned
            .iter()
            .find(|entry| entry.matches(&package.name, &package.version))
    };
    packages
        .iter()
        .filter_map(|package| {
            let entry = entry_for(package)?;
            Some(format!(
                "{} {} is banned: {}",
                package.name, package.version, entry.reason
            ))
        })
        .collect()
}

/// Only the public registry: a git revision can vanish, and a mirror is somebody's own.
fn sources(packages: &[Package]) -> Vec<String> {
    packages
        .iter()
        .filter_map(|package| Some((package, package.source.as_deref()?)))
        .filter(|(_, source)| {
            !(source.starts_with("registry+") && source.ends_with("/crates.io-index"))
        })
        .map(|(package, source)| {
            format!("{} comes from {source}, not from crates.io", package.name)
        })
        .collect()
}

/// The Rust that the root manifest promises to be enough has to be enough.
fn too_new(promised: Version, packages: &[Package]) -> Vec<String> {
    packages
        .iter()
        .filter_map(|package| Some((package, package.rust_version?)))
        .filter(|(_, needed)| *needed > promised)
        .map(|(package, needed)| {
            let Package { name, version, .. } = package;
            format!("{name} {version} needs Rust {needed}, and Cargo.toml's rust-version promises {promised}")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DENY: &str = r#"
        graph = { targets = ["x86_64-unknown-linux-gnu"] }
        licenses = { allow = ["MIT"], exceptions = [{ crate = "roots", allow = ["CDLA"] }] }
        bans = { deny = [{ crate = "openssl-sys", reason = "one TLS stack" }], skip = [{ crate = "syn@1", reason = "old macros" }] }
    "#;

    fn package(name: &str, version: &str, licence: &str) -> Package {
        Package {
            name: name.into(),
            version: version.into(),
            licence: Some(licence.into()),
            source: Some("registry+https://example.org/crates.io-index".into()),
            rust_version: Some(Version::new(1, 60, 0)),
            local_dependencies: Vec::new(),
        }
    }

    fn clean_graph() -> Vec<Package> {
        vec![
            package("serde", "1.0.0", "MIT OR Apache-2.0"),
            package("syn", "1.0.9", "MIT"),
            package("syn", "2.0.1", "MIT"),
            package("roots", "1.0.0", "CDLA"),
        ]
    }

    fn problems_with(change: impl FnOnce(&mut Vec<Package>)) -> Vec<String> {
        let mut packages = clean_graph();
        change(&mut packages);
        check(&Policy::parse(DENY).expect("policy"), &packages)
    }

    fn assert_only(problems: &[String], part: &str) {
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(part), "{problems:?}");
    }

    #[test]
    fn a_clean_graph_passes() {
        assert_eq!(problems_with(|_| {}), Vec::<String>::new());
    }

    #[test]
    fn a_licence_that_is_not_allowed_is_found() {
        assert_only(
            &problems_with(|p| p.push(package("copyleft", "1.0.0", "GPL-3.0-only"))),
            "copyleft",
        );
        assert_only(
            &problems_with(|p| p.push(package("odd", "1.0.0", "CDLA"))),
            "odd",
        );
        assert_only(&problems_with(|p| p[0].licence = None), "names no licence");
    }

    #[test]
    fn a_second_version_is_found_unless_skipped() {
        assert_only(
            &problems_with(|p| p.push(package("serde", "2.0.0", "MIT"))),
            "serde is built more than once",
        );
        assert_only(
            &problems_with(|p| p.push(package("syn", "3.0.0", "MIT"))),
            "2.0.1, 3.0.0",
        );
    }

    #[test]
    fn a_banned_crate_is_found_with_its_reason() {
        assert_only(
            &problems_with(|p| p.push(package("openssl-sys", "0.9.1", "MIT"))),
            "one TLS stack",
        );
    }

    #[test]
    fn another_source_is_found() {
        assert_only(
            &problems_with(|p| p[0].source = Some("git+https://example.org/x".into())),
            "not from crates.io",
        );
    }

    #[test]
    fn allowances_that_nothing_needs_are_found() {
        assert_only(&problems_with(|p| drop(p.remove(1))), "skips syn@1");
        assert_only(&problems_with(|p| drop(p.remove(3))), "exception for roots");
        let none_left = check(&Policy::parse(DENY).expect("policy"), &[]);
        assert!(
            none_left.iter().any(|p| p.contains("allows MIT")),
            "{none_left:?}"
        );
    }

    #[test]
    fn a_crate_that_needs_a_newer_rust_is_found() {
        let packages = clean_graph();
        assert_eq!(
            too_new(Version::new(1, 60, 0), &packages),
            Vec::<String>::new()
        );
        let all_of_them = too_new(Version::new(1, 59, 0), &packages);
        assert_eq!(all_of_them.len(), packages.len(), "{all_of_them:?}");
    }
}
