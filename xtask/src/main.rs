//! The one entry for people and for CI: `cargo xtask COMMAND`.
//!
//! It holds no logic of Evenkeel's. It finds or installs what the programs and
//! tests need, and runs them in the order that gives the earliest answer. It is
//! the first thing a newcomer compiles, so it depends on two parsers and nothing
//! else, and it builds with a toolchain older than the one Evenkeel needs: a
//! toolchain that is too old gets a sentence instead of a page of errors.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool speaks on its terminal"
)]

use std::process::ExitCode;

mod dependencies;
mod docs;
mod metadata;
mod programs;
mod run;
mod setup;
mod test;
mod tidy;
mod versions;
mod workspace;

const HELP: &str = "\
cargo xtask COMMAND: build, try and check Evenkeel.

  demo [ARGS]       watch Evenkeel guard a real service through an outage
  test              everything CI runs; the last line is the summary
    --only A[,B]      only these stages, and those they stand on
    --list            name the stages
  setup             find what is missing, and install it with apt where allowed
  sim -- SEED       run one simulated world again (other arguments pass through)
  bench [NAMES]     what Evenkeel costs, as ratios against peers in one run
  docs              write docs/reference again, and check every link
  tidy              check the rules of the tree (sizes, names, directions)

demo and test need nothing but Rust and apt: they call setup first, and it is quick
when nothing is missing. Without arguments, and with --help, this text.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = match arguments.split_first() {
        None => ("--help", &[][..]),
        Some((command, rest)) => (command.as_str(), rest),
    };
    if matches!(command, "--help" | "-h" | "help") || asks_for_help(command, rest) {
        print!("{HELP}");
        return ExitCode::SUCCESS;
    }
    match dispatch(command, rest) {
        Ok(code) => code,
        Err(problem) => {
            eprintln!("xtask: {problem}");
            ExitCode::from(2)
        }
    }
}

/// `demo`, `sim` and `bench` hand `--help` on to the program they start.
fn asks_for_help(command: &str, rest: &[String]) -> bool {
    !matches!(command, "demo" | "sim" | "bench") && rest.iter().any(|a| a == "--help" || a == "-h")
}

fn dispatch(command: &str, rest: &[String]) -> Result<ExitCode, String> {
    let workspace = workspace::Workspace::find()?;
    let takes_none = |code: Result<ExitCode, String>| match rest.first() {
        Some(extra) => Err(format!(
            "{command} takes no argument {extra:?}. See --help."
        )),
        None => code,
    };
    match command {
        "setup" => {
            takes_none(versions::check_rust(&workspace).and_then(|()| setup::command(&workspace)))
        }
        "test" => test::command(&workspace, rest),
        "demo" => programs::demo(&workspace, rest),
        "sim" => programs::sim(&workspace, rest),
        "bench" => programs::bench(&workspace, rest),
        "docs" => takes_none(docs::command(&workspace)),
        "tidy" => takes_none(tidy::command(&workspace)),
        other => Err(format!(
            "there is no command {other:?}. See cargo xtask --help."
        )),
    }
}
