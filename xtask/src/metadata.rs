//! What `cargo metadata` says, in the few words the checks need.

use serde_json::Value;

use crate::run;
use crate::versions::Version;
use crate::workspace::Workspace;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) licence: Option<String>,
    /// None for a crate of this workspace.
    pub(crate) source: Option<String>,
    /// The oldest Rust it says it builds with.
    pub(crate) rust_version: Option<Version>,
    /// Direct dependencies that lie in this workspace.
    pub(crate) local_dependencies: Vec<Local>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Local {
    pub(crate) name: String,
    /// Known to tests only.
    pub(crate) for_tests: bool,
}

/// Every package that a build for this target takes part in.
pub(crate) fn packages_for(workspace: &Workspace, target: &str) -> Result<Vec<Package>, String> {
    read(workspace, &["--locked", "--filter-platform", target])
}

/// The crates of this workspace; asks no registry.
pub(crate) fn members(workspace: &Workspace) -> Result<Vec<Package>, String> {
    read(workspace, &["--no-deps"])
}

fn read(workspace: &Workspace, arguments: &[&str]) -> Result<Vec<Package>, String> {
    let mut cargo = workspace.cargo();
    cargo
        .args(["metadata", "--format-version", "1"])
        .args(arguments);
    parse(&run::output_of(&mut cargo)?)
}

fn parse(text: &str) -> Result<Vec<Package>, String> {
    let metadata: Value = serde_json::from_str(text).map_err(|e| format!("cargo metadata: {e}"))?;
    let packages = metadata["packages"]
        .as_array()
        .filter(|packages| !packages.is_empty())
        .ok_or("cargo metadata names no packages")?;
    let mut packages: Vec<Package> = packages.iter().map(package).collect();
    packages.sort();
    Ok(packages)
}

fn package(value: &Value) -> Package {
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    let dependencies = value["dependencies"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    Package {
        name: text("name").unwrap_or_default(),
        version: text("version").unwrap_or_default(),
        licence: text("license"),
        source: text("source"),
        rust_version: text("rust_version").as_deref().and_then(Version::find_in),
        local_dependencies: dependencies
            .iter()
            .filter(|d| d["path"].is_string())
            .filter_map(|d| {
                Some(Local {
                    name: d["name"].as_str()?.to_owned(),
                    for_tests: d["kind"] == "dev",
                })
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_and_their_neighbours_are_read() {
        let text = r#"{"packages": [
            {"name": "b", "version": "1.0.0", "license": "MIT", "source": "registry+x", "dependencies": []},
            {"name": "a", "version": "0.1.0", "license": null, "source": null, "dependencies": [
                {"name": "b", "source": "registry+x"}, {"name": "c", "source": null, "kind": "dev", "path": "crates/c"}]}
        ]}"#;
        let packages = parse(text).expect("valid");
        assert_eq!(packages[0].name, "a");
        let c = Local {
            name: "c".into(),
            for_tests: true,
        };
        assert_eq!(packages[0].local_dependencies, [c]);
        assert_eq!(packages[1].licence.as_deref(), Some("MIT"));
    }

    #[test]
    fn an_empty_answer_is_an_error() {
        assert!(parse(r#"{"packages": []}"#).is_err());
    }
}
