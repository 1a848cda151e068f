//! The one place that writes to the terminal.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use serde::Serialize;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::Outcome;
use crate::config::Log;

/// Writes text to standard output. A reader that went away is no failure of ours.
pub(super) fn say(text: &str) {
    let mut out = io::stdout().lock();
    let _gone = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes a note to standard error: beside what was asked for.
pub(super) fn note(text: &str) {
    let _gone = writeln!(io::stderr().lock(), "{text}");
}

/// Says what went wrong.
pub(super) fn complain(text: &str) {
    note(&format!("evenkeel: {text}"));
}

/// Writes a value as JSON.
pub(super) fn json(value: &impl Serialize) -> Result<(), String> {
    let text = serde_json::to_string_pretty(value).map_err(|error| error.to_string())?;
    say(&format!("{text}\n"));
    Ok(())
}

/// Writes a list: as JSON where that is asked for, a sentence where nothing is in it, else
/// as a table with a row of each.
pub(super) fn listed<T: Serialize>(
    all: &[T],
    as_json: bool,
    none: &str,
    heads: &[&str],
    row: impl FnMut(&T) -> Vec<String>,
) -> Outcome {
    if as_json {
        json(&all)?;
    } else if all.is_empty() {
        say(&format!("{none}\n"));
    } else {
        let rows: Vec<Vec<String>> = all.iter().map(row).collect();
        say(&table(heads, &rows));
    }
    Ok(ExitCode::SUCCESS)
}

/// An error with everything that led to it, on one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Starts the log on standard error.
pub(super) fn start_log(log: &Log) {
    let registry = tracing_subscriber::registry().with(LevelFilter::from_level(log.level));
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    if log.json {
        registry.with(layer.json().flatten_event(true)).init();
    } else {
        let ansi = io::stderr().is_terminal();
        registry
            .with(layer.with_ansi(ansi).with_target(false))
            .init();
    }
}

/// Rows under headings, aligned.
pub(super) fn table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = headings.iter().map(|text| text.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    let headings: Vec<String> = headings.iter().map(|text| (*text).to_owned()).collect();
    for row in std::iter::once(&headings).chain(rows) {
        let cells = row.iter().zip(&widths);
        let line: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}
