//! Decides a recorded stretch again.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use evenkeel_core::Timestamp;
use evenkeel_journal::SqliteJournal;

use super::Outcome;
use super::print::{self, say};
use crate::config::Config;
use crate::replay::again::{self, Again};
use crate::replay::{Replayed, Stretch, otherwise};
use crate::web::clock;

/// How often progress is told.
const EVERY: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub(super) struct ReplayArguments {
    /// From when: `2026-11-21T02:00:00Z`, `2026-11-21 02:00` (UTC), or so long ago, `6h`.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    from: Option<Timestamp>,
    /// Until when, in the same words.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    to: Option<Timestamp>,
    /// What would have been decided and done under this configuration instead.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

pub(super) fn replay(config: &Config, arguments: ReplayArguments, json: bool) -> Outcome {
    let stretch = Stretch {
        from: arguments.from.unwrap_or(Timestamp::MIN),
        to: arguments.to.unwrap_or(Timestamp::MAX),
    };
    if stretch.from > stretch.to {
        return Err("--from is later than --to; exchange them".into());
    }
    let journal = journal(config)?;
    let folder = config.recorder_folder();
    let mut progress = Progress::new();
    let mut tell = |steps, at| progress.tell(steps, at);
    if let Some(file) = &arguments.policy {
        let other = Config::load(file).map_err(|error| error.to_string())?;
        let told = otherwise::replay(&folder, &journal, other.policy, stretch, &mut tell);
        progress.end();
        let told = told.map_err(|error| print::chain(&error))?;
        if json {
            print::json(&told)?;
        } else {
            say(&format!(
                "{}\n{}",
                self::stretch(&told.replayed),
                told.text()
            ));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let again = again::replay(&folder, &journal, stretch, &mut tell);
    progress.end();
    let again = again.map_err(|error| print::chain(&error))?;
    if json {
        print::json(&again)?;
    } else {
        say(&told(&again));
    }
    Ok(if again.replay_decisions_differ_count == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn journal(config: &Config) -> Result<SqliteJournal, String> {
    let path: PathBuf = config.journal_file();
    if !path.exists() {
        return Err(format!("there is no journal at {} yet", path.display()));
    }
    SqliteJournal::open_read_only(&path).map_err(|error| print::chain(&error))
}

/// A point in time as people write it.
fn moment(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let civil = text.trim_end_matches(" UTC");
    if let Ok(at) = civil.parse::<jiff::civil::DateTime>()
        && let Ok(at) = at.to_zoned(jiff::tz::TimeZone::UTC)
    {
        return Ok(at.timestamp());
    }
    if let Ok(ago) = text.parse::<jiff::SignedDuration>()
        && let Ok(at) = Timestamp::now().checked_sub(ago.abs())
    {
        return Ok(at);
    }
    Err("write 2026-11-21T02:00:00Z, \"2026-11-21 02:00\" (UTC), or how long ago: 6h".into())
}

fn told(again: &Again) -> String {
    let mut text = stretch(&again.replayed);
    let Again {
        replay_decisions_compared_count: compared,
        replay_decisions_differ_count: differ,
        replay_decisions_not_comparable_count: not_comparable,
        ..
    } = again;
    let _ = match differ {
        0 => writeln!(
            text,
            "All {compared} decisions are the journal's, byte for byte."
        ),
        _ => writeln!(
            text,
            "{differ} of {compared} decisions are not the journal's. That is a mistake in Evenkeel, or \
             it was recorded by another version: please report it with these lines."
        ),
    };
    if *not_comparable > 0 {
        let _ = writeln!(
            text,
            "{not_comparable} more could not be compared: their entries were removed by [retention]."
        );
    }
    for difference in &again.differences {
        let _ = writeln!(text, "\nentry {} at {}", difference.revision, difference.at);
        let nothing = "nothing";
        let journal = difference.journal.as_deref().unwrap_or(nothing);
        let replay = difference.replay.as_deref().unwrap_or(nothing);
        let _ = writeln!(text, "  journal: {journal}\n  replay:  {replay}");
    }
    let told = again.differences.len() as u64;
    if *differ > told {
        let _ = writeln!(text, "\n... and {} more.", differ - told);
    }
    text
}

/// What was looked at, and what is missing from it.
fn stretch(replayed: &Replayed) -> String {
    let mut text = String::new();
    let _ = match (replayed.from, replayed.to) {
        (Some(from), Some(to)) => writeln!(
            text,
            "{from} to {to} ({}): {} steps, {} observations.",
            clock::span(from, to),
            replayed.replay_steps_count,
            replayed.replay_observations_count
        ),
        _ => writeln!(text, "No step of that stretch can be replayed."),
    };
    for note in &replayed.notes {
        let _ = writeln!(text, "Missing: {note}.");
    }
    text
}

/// A line on the terminal that says how far it is; nothing where nobody looks.
struct Progress {
    told_at: Option<Instant>,
    is_told: bool,
}

impl Progress {
    fn new() -> Self {
        Self {
            told_at: std::io::stderr().is_terminal().then(Instant::now),
            is_told: false,
        }
    }

    fn tell(&mut self, steps: u64, at: Timestamp) {
        let Some(told_at) = &mut self.told_at else {
            return;
        };
        if told_at.elapsed() >= EVERY {
            *told_at = Instant::now();
            self.is_told = true;
            let mut out = std::io::stderr().lock();
            let _gone = write!(out, "\r{at:.0}: {steps} steps replayed").and_then(|()| out.flush());
        }
    }

    fn end(&mut self) {
        if self.is_told {
            let _gone = write!(std::io::stderr().lock(), "\r\x1b[2K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_taken_as_people_write_them() {
        let at: Timestamp = "2026-11-21T02:00:00Z".parse().unwrap();
        for text in [
            "2026-11-21T02:00:00Z",
            "2026-11-21 02:00",
            "2026-11-21 02:00 UTC",
            "2026-11-21T03:00:00+01:00",
        ] {
            assert_eq!(moment(text), Ok(at), "{text}");
        }
        assert!(moment("6h").unwrap() < Timestamp::now());
        assert!(moment("yesterday").unwrap_err().contains("6h"));
    }
}
