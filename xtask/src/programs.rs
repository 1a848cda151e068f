//! The workspace's own programs, and what is agreed with them.
//!
//! Every command line that crosses from here into another crate stands in this
//! file. `demo` and `sim` are replaced by the program they start: Ctrl-C reaches
//! it directly, and its exit status is ours.

use std::os::unix::process::CommandExt;
use std::process::{ExitCode, Stdio};

use crate::setup;
use crate::versions;
use crate::workspace::Workspace;

/// A run of one of our programs that `test` makes.
pub(crate) struct Agreed {
    pub(crate) binary: &'static str,
    pub(crate) arguments: &'static [&'static str],
    /// Set once the program takes these arguments; until then `test` says that
    /// this was left out.
    pub(crate) ready: bool,
}

/// Fixed seeds, some thousand simulated hours.
pub(crate) const SIM: &[Agreed] = &[Agreed {
    binary: "evenkeel-sim",
    arguments: &["--hours", "2000", "--seeds", "1..9"],
    ready: true,
}];

/// The drills in their short form: the same limits over a shorter outage. A drill is among
/// them when it has held its limits five seeds in a row; the others are run by hand until
/// then, because a check that fails by chance is soon believed no more.
pub(crate) const DRILLS: &[Agreed] = &[
    Agreed {
        binary: "evenkeel-drill",
        arguments: &["hung-export", "--short"],
        ready: true,
    },
    Agreed {
        binary: "evenkeel-drill",
        arguments: &["host-lost", "--short"],
        ready: true,
    },
];

/// Writes the reference pages into the folder that is added as last argument.
pub(crate) const REFERENCE: Agreed = Agreed {
    binary: "evenkeel",
    arguments: &["docs", "--out"],
    ready: true,
};

pub(crate) fn demo(workspace: &Workspace, rest: &[String]) -> Result<ExitCode, String> {
    versions::check_rust(workspace)?;
    setup::ready_for_demo()?;
    build(workspace, &["--workspace", "--bins"])?;
    let mut drill = workspace.program(binary(workspace, "evenkeel-drill"));
    let after_dashes = rest.iter().skip_while(|a| *a == "--");
    become_program(drill.arg("demo").args(after_dashes))
}

/// Compiled for speed: a debug build would measure the compiler.
pub(crate) fn bench(workspace: &Workspace, rest: &[String]) -> Result<ExitCode, String> {
    versions::check_rust(workspace)?;
    setup::ready_for_benches(workspace)?;
    let packages = ["--package", "evenkeel-bench", "--package", "evenkeel"];
    let targets = [
        "--bins",
        "--example",
        "recorder_cost",
        "--example",
        "subscribers_cost",
    ];
    build(
        workspace,
        &[&["--release"], &packages[..], &targets].concat(),
    )?;
    let folder = workspace.target_dir().join("release");
    let mut bench = workspace.program(folder.join("evenkeel-bench"));
    let after_dashes = rest.iter().skip_while(|a| *a == "--");
    let kept = workspace.target_dir().join("bench.json");
    become_program(bench.arg("--json").arg(kept).args(after_dashes))
}

pub(crate) fn sim(workspace: &Workspace, rest: &[String]) -> Result<ExitCode, String> {
    versions::check_rust(workspace)?;
    build(workspace, &["--package", "evenkeel-sim"])?;
    let after_dashes = rest.iter().skip_while(|a| *a == "--");
    become_program(
        workspace
            .program(binary(workspace, "evenkeel-sim"))
            .args(after_dashes),
    )
}

pub(crate) fn binary(workspace: &Workspace, name: &str) -> std::path::PathBuf {
    workspace.target_dir().join("debug").join(name)
}

pub(crate) fn build(workspace: &Workspace, what: &[&str]) -> Result<(), String> {
    let built = workspace
        .cargo()
        .args(["build", "--locked"])
        .args(what)
        .status();
    match built {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err("the build failed; the compiler's reasons stand above".to_owned()),
        Err(e) => Err(format!("cargo build: {e}")),
    }
}

/// Only returns if the program could not be started.
fn become_program(command: &mut std::process::Command) -> Result<ExitCode, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    Err(format!(
        "{name}: {}",
        command.stdin(Stdio::inherit()).exec()
    ))
}
