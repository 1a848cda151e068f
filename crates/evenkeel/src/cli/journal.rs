//! Reads the journal, beside a running server too.

use std::process::ExitCode;

use clap::Subcommand;
use evenkeel_journal::{Entry, Hash, Head, Journal, Revision, SqliteJournal};
use serde::Serialize;

use super::client::{Silence, ask};
use super::print::{self, say};
use super::source::Source;
use super::{Outcome, ago};
use crate::report::{JournalReport, Shown};

/// The most entries `tail` shows: a page of them holds a megabyte at worst.
const TAIL_MAX: u64 = 10_000;

#[derive(Debug, Subcommand)]
pub(super) enum JournalCommand {
    /// Prove that nothing was edited: the whole hash chain is checked.
    ///
    /// The chain alone finds every edit that did not rewrite all that follows it. Note the
    /// head it prints somewhere else, and nothing up to it can be rewritten unnoticed.
    Verify {
        /// A head that was printed before and noted elsewhere; may be given several times.
        #[arg(long, value_name = "REVISION:HASH", value_parser = noted)]
        noted: Vec<Head>,
    },
    /// The newest entries, as sentences.
    Tail {
        /// How many.
        #[arg(short = 'n', long, default_value_t = 30,
            value_parser = clap::value_parser!(u64).range(1..=TAIL_MAX))]
        count: u64,
    },
    /// One entry as it is written.
    Show {
        /// Its revision.
        revision: u64,
    },
}

pub(super) fn journal(source: &Source, command: JournalCommand, json: bool) -> Outcome {
    let Some(config) = source.here() else {
        return from_afar(source, command, json);
    };
    let path = config.journal_file();
    if !path.exists() {
        return Err(format!("there is no journal at {} yet", path.display()));
    }
    let opened = SqliteJournal::open_read_only(&path);
    let journal = opened.map_err(|error| print::chain(&error))?;
    match command {
        JournalCommand::Verify { noted } => verify(&journal, &noted, json),
        JournalCommand::Tail { count } => {
            let entries = newest(&journal, count)?;
            let shown: Vec<Shown> = entries.iter().map(Shown::of).collect();
            if json {
                print::json(&shown)?;
            } else {
                for (entry, shown) in entries.iter().zip(&shown) {
                    let words = shown.sentence.as_deref().unwrap_or(&shown.kind);
                    say(&format!(
                        "{:>8}  {}  {words}\n",
                        shown.revision,
                        ago(entry.at)
                    ));
                }
            }
            Ok(ExitCode::SUCCESS)
        }
        JournalCommand::Show { revision } => {
            let before = Revision(revision.saturating_sub(1));
            let entries = journal
                .read(before, 1)
                .map_err(|error| print::chain(&error))?;
            match entries.first().filter(|entry| entry.revision.0 == revision) {
                Some(entry) => {
                    print::json(&Shown::of(entry))?;
                    Ok(ExitCode::SUCCESS)
                }
                None => Err(format!(
                    "there is no entry {revision}: the journal goes to {}, and old entries go by [retention]",
                    head(&journal)?.revision
                )),
            }
        }
    }
}

/// The same, through the API of another host.
fn from_afar(source: &Source, command: JournalCommand, json: bool) -> Outcome {
    let page = |before: Option<u64>| -> Result<JournalReport, String> {
        let before = before.map_or_else(String::new, |before| format!("?before={before}"));
        ask(source, &format!("/v1/journal{before}")).map_err(|silence| match silence {
            Silence::Refused(why) => why,
            Silence::NotRunning => format!("no Evenkeel runs on {}", source.name()),
        })
    };
    match command {
        JournalCommand::Verify { .. } => Err(
            "the proof reads the journal's own file: give the command on the host where it is"
                .into(),
        ),
        JournalCommand::Tail { count } => {
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            let mut shown: Vec<Shown> = Vec::new();
            let mut before = None;
            while shown.len() < count {
                let next = page(before)?;
                shown.extend(next.entries);
                before = next.earlier;
                if before.is_none() {
                    break;
                }
            }
            shown.truncate(count);
            shown.reverse();
            if json {
                print::json(&shown)?;
                return Ok(ExitCode::SUCCESS);
            }
            for entry in &shown {
                let words = entry.sentence.as_deref().unwrap_or(&entry.kind);
                let at = entry.at.parse().map_or_else(|_| entry.at.clone(), ago);
                say(&format!("{:>8}  {at}  {words}\n", entry.revision));
            }
            Ok(ExitCode::SUCCESS)
        }
        JournalCommand::Show { revision } => {
            let found = page(Some(revision.saturating_add(1)))?.entries;
            match found.into_iter().find(|entry| entry.revision == revision) {
                Some(entry) => {
                    print::json(&entry)?;
                    Ok(ExitCode::SUCCESS)
                }
                None => Err(format!("there is no entry {revision}")),
            }
        }
    }
}

/// The newest entries, oldest first: fewer than `count` where rules removed some between.
fn newest(journal: &SqliteJournal, count: u64) -> Result<Vec<Entry>, String> {
    let last = head(journal)?.revision;
    let mut after = Revision(last.0.saturating_sub(count));
    let mut entries = Vec::new();
    // A page ends where the journal says; a server may be writing meanwhile.
    while after < last {
        let page = journal
            .read(
                after,
                usize::try_from(last.0 - after.0).unwrap_or(usize::MAX),
            )
            .map_err(|error| print::chain(&error))?;
        let Some(end) = page.last() else {
            break;
        };
        after = end.revision;
        entries.extend(page);
    }
    Ok(entries)
}

/// `39:3b0c...`, as `verify` prints it.
fn noted(text: &str) -> Result<Head, String> {
    let parsed = text.split_once(':').and_then(|(revision, hash)| {
        let revision = Revision(revision.parse().ok()?);
        let hash = Hash::from_hex(hash)?;
        Some(Head { revision, hash })
    });
    parsed.ok_or_else(|| {
        "a head is a revision, a colon and 64 digits, as `evenkeel journal verify` prints it".into()
    })
}

fn head(journal: &SqliteJournal) -> Result<Head, String> {
    journal.head().map_err(|error| print::chain(&error))
}

#[derive(Serialize)]
struct Verified {
    good: bool,
    entries: u64,
    removed_by_retention: u64,
    head: String,
    /// Noted heads that lie in what was removed, and prove nothing.
    noted_unchecked: Vec<String>,
    /// The first revision that does not fit.
    misfit_revision: Option<u64>,
    why: Option<String>,
}

fn verify(journal: &SqliteJournal, noted: &[Head], json: bool) -> Outcome {
    let proof = journal
        .verify(noted)
        .map_err(|error| print::chain(&error))?;
    let verified = Verified {
        good: proof.misfit.is_none(),
        noted_unchecked: proof
            .heads_unchecked
            .iter()
            .map(ToString::to_string)
            .collect(),
        misfit_revision: proof.misfit.as_ref().map(|misfit| misfit.revision.0),
        entries: proof.entries,
        removed_by_retention: proof.sealed_entries,
        head: proof.head.to_string(),
        why: proof.misfit.as_ref().map(ToString::to_string),
    };
    if json {
        print::json(&verified)?;
    } else if let Some(why) = &verified.why {
        // Not that what stands before it is as it was: someone may have rewritten that,
        // hashes included, and stopped there.
        print::complain(&format!(
            "the journal does not hold: {why}. That is the first place that does not fit; it, or \
             something before it, is not as it was written. Keep a copy of the file before \
             anything else is done with it"
        ));
    } else {
        say(&format!(
            "Nothing was edited: {} entries ({} more were removed by the rules of [retention]), and the chain holds up to {}.\n",
            verified.entries, verified.removed_by_retention, verified.head
        ));
        for head in &verified.noted_unchecked {
            print::note(&format!(
                "{head} was noted, and its entry has been removed by a rule since: it proves nothing now"
            ));
        }
    }
    Ok(if verified.good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
