//! `docs`: the reference pages come from the program, and every link leads
//! somewhere.
//!
//! `evenkeel` itself writes its reference, from the tables that it runs on. The
//! pages are committed, so that they can be read on the web, and `test` refuses
//! a tree in which writing them again would change one.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use crate::programs::{self, REFERENCE};
use crate::run;
use crate::workspace::Workspace;

mod links;

const FOLDER: &str = "docs/reference";

pub(crate) fn command(workspace: &Workspace) -> Result<ExitCode, String> {
    if REFERENCE.ready {
        programs::build(workspace, &["--package", REFERENCE.binary])?;
        write_reference(workspace, &workspace.root.join(FOLDER))?;
        println!("{FOLDER} is written.");
    } else {
        println!(
            "{FOLDER} was left alone: `{}` does not write it yet.",
            REFERENCE.binary
        );
    }
    let problems = link_problems(workspace)?;
    for problem in &problems {
        println!("{problem}");
    }
    Ok(if problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

pub(crate) fn link_problems(workspace: &Workspace) -> Result<Vec<String>, String> {
    let files = workspace.files()?;
    let sources = workspace.sources()?;
    let pages: Vec<_> = sources.iter().filter(|s| s.path.ends_with(".md")).collect();
    println!("{} pages", pages.len());
    Ok(links::problems(&pages, &files))
}

/// What in the committed reference differs from what the program writes now.
pub(crate) fn reference_problems(workspace: &Workspace) -> Result<Vec<String>, String> {
    let fresh = workspace.target_dir().join("reference-now");
    if fresh.exists() {
        std::fs::remove_dir_all(&fresh).map_err(|e| format!("{}: {e}", fresh.display()))?;
    }
    write_reference(workspace, &fresh)?;
    Ok(differences(
        &read_folder(&workspace.root.join(FOLDER))?,
        &read_folder(&fresh)?,
    ))
}

fn write_reference(workspace: &Workspace, into: &Path) -> Result<(), String> {
    std::fs::create_dir_all(into).map_err(|e| format!("{}: {e}", into.display()))?;
    let mut program = workspace.program(programs::binary(workspace, REFERENCE.binary));
    program.args(REFERENCE.arguments).arg(into);
    if run::shown(&mut program, Duration::from_secs(60))? {
        return Ok(());
    }
    Err(format!(
        "`{} {}` failed",
        REFERENCE.binary,
        REFERENCE.arguments.join(" ")
    ))
}

/// Page by name; the reference is one flat folder.
fn read_folder(folder: &Path) -> Result<BTreeMap<String, String>, String> {
    let entries = std::fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut pages = BTreeMap::new();
    for path in entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
    {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let text =
            std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        pages.insert(name, text);
    }
    Ok(pages)
}

fn differences(
    committed: &BTreeMap<String, String>,
    now: &BTreeMap<String, String>,
) -> Vec<String> {
    let mut names: Vec<&String> = committed.keys().chain(now.keys()).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .filter(|name| committed.get(*name) != now.get(*name))
        .map(|name| {
            format!("{FOLDER}/{name} is not what the program writes now. Type: cargo xtask docs")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_missing_and_extra_pages_differ() {
        let page = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let committed = BTreeMap::from([
            page("same.md", "a"),
            page("changed.md", "a"),
            page("gone.md", "a"),
        ]);
        let now = BTreeMap::from([
            page("same.md", "a"),
            page("changed.md", "b"),
            page("new.md", "a"),
        ]);
        let found = differences(&committed, &now);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found.iter().all(|f| !f.contains("same.md")), "{found:?}");
    }
}
