//! Writes the reference pages, from the tables and definitions the program itself uses.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use clap::CommandFactory;
use evenkeel_core::detect::DETECTORS;
use evenkeel_core::respond::RESPONSES;

use super::{Arguments, Outcome};
use crate::config;

/// The page is the same whatever the terminal it was made in.
const PAGE_WIDTH: usize = 100;

pub(super) fn write(out: &Path) -> Outcome {
    std::fs::create_dir_all(out).map_err(|error| format!("{}: {error}", out.display()))?;
    for (name, text) in [
        ("configuration.md", config::reference()),
        ("cli.md", command_line()),
        ("findings.md", findings()),
        ("metrics.md", crate::metrics::families::reference()),
        ("openapi.json", crate::web::api::openapi::text()),
    ] {
        let path = out.join(name);
        std::fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn findings() -> String {
    let mut text = String::from(
        "# Findings and actions\n\n\
         A finding is a condition that holds, or has cleared, for one subject. Findings about things that \
         belong together become one incident.\n\n\
         *Made from the tables `DETECTORS` and `RESPONSES` of the core.*\n\n## Findings\n",
    );
    for detector in DETECTORS {
        let _ = write!(
            text,
            "\n### `{}` ({})\n\n{}\n\n**What to do:** {}\n",
            detector.kind, detector.guard, detector.about, detector.advice
        );
        let answers: Vec<String> = RESPONSES
            .iter()
            .filter(|response| response.answers.contains(&detector.kind))
            .map(|response| format!("`{}`", response.kind))
            .collect();
        if !answers.is_empty() {
            let _ = write!(text, "\n**Answered by:** {}\n", answers.join(", "));
        }
    }
    text.push_str(
        "\n## Actions\n\n\
         Each has a mode (watch, propose, act), a budget, a shortest interval, a proof and a stop: see \
         [what Evenkeel may do](../guide/what-evenkeel-may-do.md).\n",
    );
    for response in RESPONSES {
        let _ = write!(text, "\n### `{}`\n\n{}\n", response.kind, response.about);
    }
    text
}

fn command_line() -> String {
    let mut root = Arguments::command().term_width(PAGE_WIDTH);
    root.build();
    let mut text = String::from(
        "# Command line\n\n*Made from the program's own definition; `evenkeel COMMAND --help` says the same.*\n",
    );
    section(&mut root, &mut text);
    text
}

fn section(command: &mut clap::Command, text: &mut String) {
    let name = command
        .get_bin_name()
        .unwrap_or_else(|| command.get_name())
        .to_owned();
    let help = command.render_long_help().to_string();
    let help: Vec<&str> = help.lines().map(str::trim_end).collect();
    let _ = write!(
        text,
        "\n## `{name}`\n\n```text\n{}\n```\n",
        help.join("\n").trim_end()
    );
    for below in command.get_subcommands_mut() {
        if !below.is_hide_set() && below.get_name() != "help" {
            section(below, text);
        }
    }
}
