//! Reads the journal, beside a running server too.

use std::process::ExitCode;

use clap::Subcommand;
use evenkeel_journal::codec;
use evenkeel_journal::{Entry, Head, Journal, Revision, SqliteJournal};
use serde::Serialize;

use super::print::{self, say};
use super::{Outcome, ago};
use crate::config::Config;
use crate::web::account;

#[derive(Debug, Subcommand)]
pub(super) enum JournalCommand {
    /// Prove that nothing was edited: the whole hash chain is checked.
    Verify,
    /// The newest entries, as sentences.
    Tail {
        /// How many.
        #[arg(short = 'n', long, default_value_t = 30)]
        count: u64,
    },
    /// One entry as it is written.
    Show {
        /// Its revision.
        revision: u64,
    },
}

#[derive(Serialize)]
struct Shown {
    revision: u64,
    at: String,
    kind: String,
    version: u16,
    hash: String,
    body: serde_json::Value,
    sentence: Option<String>,
}

impl Shown {
    fn of(entry: &Entry) -> Self {
        let event = codec::decode(entry).ok().flatten();
        Self {
            revision: entry.revision.0,
            at: entry.at.to_string(),
            kind: entry.kind.clone(),
            version: entry.version,
            hash: entry.hash.to_string(),
            body: serde_json::from_slice(&entry.body).unwrap_or_default(),
            sentence: event.map(|event| account::sentence(&event.what)),
        }
    }
}

pub(super) fn journal(config: &Config, command: JournalCommand, json: bool) -> Outcome {
    let path = config.journal_file();
    if !path.exists() {
        return Err(format!("there is no journal at {} yet", path.display()));
    }
    let opened = SqliteJournal::open_read_only(&path);
    let journal = opened.map_err(|error| print::chain(&error))?;
    match command {
        JournalCommand::Verify => verify(&journal, json),
        JournalCommand::Tail { count } => {
            let head = head(&journal)?.revision.0;
            let from = Revision(head.saturating_sub(count));
            let count = usize::try_from(count.min(10_000)).unwrap_or_default();
            let entries = journal
                .read(from, count)
                .map_err(|error| print::chain(&error))?;
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

fn head(journal: &SqliteJournal) -> Result<Head, String> {
    journal.head().map_err(|error| print::chain(&error))
}

#[derive(Serialize)]
struct Verified {
    good: bool,
    entries: u64,
    removed_by_retention: u64,
    head: String,
    why: Option<String>,
}

fn verify(journal: &SqliteJournal, json: bool) -> Outcome {
    let proof = journal.verify(&[]).map_err(|error| print::chain(&error))?;
    let verified = Verified {
        good: proof.misfit.is_none(),
        entries: proof.entries,
        removed_by_retention: proof.sealed_entries,
        head: proof.head.to_string(),
        why: proof.misfit.as_ref().map(ToString::to_string),
    };
    if json {
        print::json(&verified)?;
    } else if let Some(why) = &verified.why {
        print::complain(&format!("the journal does not hold: {why}"));
    } else {
        say(&format!(
            "Nothing was edited: {} entries ({} more were removed by the rules of [retention]), and the chain holds up to {}.\n",
            verified.entries, verified.removed_by_retention, verified.head
        ));
    }
    Ok(if verified.good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
