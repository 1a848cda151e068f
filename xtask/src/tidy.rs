//! `tidy`: the rules of the tree that no compiler holds.
//!
//! Each rule is a function over one file, or over the manifests, and each has a
//! test in which it fails: a check that cannot fail is worth nothing. The words
//! that rules look for are put together at compile time, so that the rules hold
//! for their own source as well.

use std::process::ExitCode;

use crate::metadata;
use crate::workspace::{Source, Workspace};

mod manifests;
mod text;

/// Where, and what to do about it.
pub(crate) type Problem = String;

pub(crate) fn command(workspace: &Workspace) -> Result<ExitCode, String> {
    let problems = problems(workspace)?;
    for problem in &problems {
        println!("{problem}");
    }
    Ok(if problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

pub(crate) fn problems(workspace: &Workspace) -> Result<Vec<Problem>, String> {
    let sources = workspace.sources()?;
    let mut problems: Vec<Problem> = sources.iter().flat_map(text::problems).collect();
    problems.extend(manifests::directions(&metadata::members(workspace)?));
    problems.extend(manifests::reasons(&workspace.read("Cargo.toml")?));
    for manifest in sources.iter().filter(|s| s.path.ends_with("/Cargo.toml")) {
        problems.extend(manifests::inherits(manifest)?);
    }
    println!(
        "{} rules over {} files",
        text::RULES.len() + 3,
        sources.len()
    );
    Ok(problems)
}

fn at(source: &Source, line: usize, what: &str) -> Problem {
    format!("{}:{}: {what}", source.path, line + 1)
}
