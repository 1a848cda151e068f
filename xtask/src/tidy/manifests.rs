//! Rules over the manifests: which crate may know which, why each dependency is
//! there, and one place for every version.

use toml::{Table, Value};

use super::Problem;
use crate::metadata::{Local, Package};
use crate::workspace::Source;

/// A member, and the members it may depend on. Dependencies point one way, and
/// edge, guards and journal never name each other. The drills measure from
/// outside: they start `evenkeel` as a user would, and the back office has never
/// heard of it.
const DIRECTIONS: &[(&str, &[&str])] = &[
    ("evenkeel-core", &[]),
    ("evenkeel-journal", &["evenkeel-core"]),
    ("evenkeel-edge", &["evenkeel-core"]),
    ("evenkeel-guards", &["evenkeel-core"]),
    (
        "evenkeel",
        &[
            "evenkeel-core",
            "evenkeel-journal",
            "evenkeel-edge",
            "evenkeel-guards",
        ],
    ),
    ("evenkeel-sim", &["evenkeel-core", "evenkeel-journal"]),
    ("evenkeel-drill", &[]),
    (
        "evenkeel-bench",
        &["evenkeel-core", "evenkeel-journal", "evenkeel-drill"],
    ),
    ("backoffice", &[]),
    ("xtask", &[]),
];

/// Real parts (a database, an FTP server) that anybody's tests may start; they
/// know nothing of Evenkeel.
const PARTS_FOR_TESTS: &str = "evenkeel-drill";

pub(super) fn directions(members: &[Package]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for member in members {
        let name = &member.name;
        let Some((_, allowed)) = DIRECTIONS.iter().find(|(of, _)| of == name) else {
            problems.push(format!(
                "{name} has no line in xtask/src/tidy/manifests.rs: say what it may know"
            ));
            continue;
        };
        let may_know = |other: &Local| {
            other.name == *name
                || allowed.contains(&other.name.as_str())
                || (other.for_tests && other.name == PARTS_FOR_TESTS)
        };
        for other in member.local_dependencies.iter().filter(|d| !may_know(d)) {
            problems.push(format!(
                "{name} must not depend on {}: dependencies point one way",
                other.name
            ));
        }
    }
    problems
}

/// One reason may lead a group of crates that belong together, and no more.
const GROUP_MAX: usize = 4;

/// In the root manifest's `[workspace.dependencies]`, a comment stands above
/// every dependency that is not our own.
pub(super) fn reasons(manifest: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut inside = false;
    let mut led: Option<usize> = None;
    for (n, line) in manifest.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            inside = line == "[workspace.dependencies]";
            led = None;
        } else if !inside || line.is_empty() {
            led = None;
        } else if line.starts_with('#') {
            led = Some(0);
        } else if let Some((name, rest)) = line.split_once('=') {
            if rest.contains("path =") {
                continue;
            }
            led = led.map(|count| count + 1);
            if led.is_none_or(|count| count > GROUP_MAX) {
                problems.push(format!(
                    "Cargo.toml:{}: {} has no reason: one comment above it says why it is here",
                    n + 1,
                    name.trim()
                ));
            }
        }
    }
    problems
}

/// A member takes every version, and the lints, from the workspace.
pub(super) fn inherits(manifest: &Source) -> Result<Vec<Problem>, String> {
    let path = &manifest.path;
    let table: Table = manifest.text.parse().map_err(|e| format!("{path}: {e}"))?;
    let mut problems = Vec::new();
    let mut sections: Vec<&Value> = Vec::new();
    let kinds = ["dependencies", "dev-dependencies", "build-dependencies"];
    sections.extend(kinds.iter().filter_map(|kind| table.get(*kind)));
    let targets = table.get("target").and_then(Value::as_table);
    for target in targets.into_iter().flat_map(|t| t.values()) {
        sections.extend(kinds.iter().filter_map(|kind| target.get(kind)));
    }
    for (name, dependency) in sections.iter().filter_map(|s| s.as_table()).flatten() {
        if !is_inherited(dependency) {
            problems.push(format!(
                "{path}: {name} must say `workspace = true`; its version stands in the root"
            ));
        }
    }
    if !table.get("lints").is_some_and(is_inherited) {
        problems.push(format!("{path}: [lints] must say `workspace = true`"));
    }
    Ok(problems)
}

fn is_inherited(value: &Value) -> bool {
    value.get("workspace").and_then(Value::as_bool) == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(name: &str, for_tests: bool) -> Local {
        Local {
            name: name.to_owned(),
            for_tests,
        }
    }

    fn member(name: &str, knows: &[&str]) -> Package {
        Package {
            name: name.into(),
            version: "0.1.0".into(),
            licence: None,
            source: None,
            rust_version: None,
            local_dependencies: knows.iter().map(|s| local(s, false)).collect(),
        }
    }

    #[test]
    fn a_dependency_against_the_direction_is_found() {
        let allowed = [
            member("evenkeel", &["evenkeel-core", "evenkeel-guards"]),
            member("evenkeel-sim", &["evenkeel-core", "evenkeel-journal"]),
        ];
        assert_eq!(directions(&allowed), Vec::<Problem>::new());
        for (name, other) in [
            ("evenkeel-core", "evenkeel-journal"),
            ("evenkeel-journal", "evenkeel-guards"),
            ("evenkeel-guards", "evenkeel-edge"),
            ("evenkeel-sim", "evenkeel-guards"),
            ("evenkeel-drill", "evenkeel"),
            ("backoffice", "evenkeel-core"),
        ] {
            assert_eq!(
                directions(&[member(name, &[other])]).len(),
                1,
                "{name} -> {other}"
            );
        }
    }

    #[test]
    fn only_tests_may_use_the_drills_parts() {
        let mut backoffice = member("backoffice", &["evenkeel-drill"]);
        assert_eq!(directions(std::slice::from_ref(&backoffice)).len(), 1);
        backoffice.local_dependencies = vec![local("evenkeel-drill", true)];
        assert_eq!(directions(&[backoffice]), Vec::<Problem>::new());
        let mut guards = member("evenkeel-guards", &[]);
        guards.local_dependencies = vec![local("evenkeel-journal", true)];
        assert_eq!(directions(&[guards]).len(), 1);
    }

    #[test]
    fn a_member_without_a_line_is_found() {
        assert_eq!(directions(&[member("evenkeel-new", &[])]).len(), 1);
    }

    #[test]
    fn every_dependency_needs_a_reason_above_it() {
        let kept = "[workspace.dependencies]\nours = { path = \"a\" }\n\n# Why.\na = \"1\"\nb = { version = \"1\" }\n\n[other]\nc = 1\n";
        assert_eq!(reasons(kept), Vec::<Problem>::new());
        let bare = "[workspace.dependencies]\n# Why.\na = \"1\"\n\nb = \"1\"\n";
        assert_eq!(reasons(bare).len(), 1);
        let crowd = "[workspace.dependencies]\n# Why.\na = \"1\"\nb = \"1\"\nc = \"1\"\nd = \"1\"\ne = \"1\"\n";
        assert_eq!(reasons(crowd).len(), 1);
    }

    #[test]
    fn a_version_of_its_own_is_found() {
        let inherits_in = |text: &str| {
            inherits(&Source {
                path: "crates/a/Cargo.toml".into(),
                text: text.into(),
            })
            .expect("valid toml")
        };
        let kept = "[lints]\nworkspace = true\n[dependencies]\na.workspace = true\nb = { workspace = true, features = [] }\n";
        assert_eq!(inherits_in(kept), Vec::<Problem>::new());
        let own = format!("{kept}[target.'cfg(unix)'.dev-dependencies]\nc = \"1\"\n");
        assert_eq!(inherits_in(&own).len(), 1);
        assert_eq!(inherits_in("[dependencies]\na.workspace = true\n").len(), 1);
    }
}
