//! Post-mortems and clocks of legal notices.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use evenkeel_core::Timestamp;
use evenkeel_core::ids::{IncidentId, NotAnId};
use evenkeel_core::language::Language;
use evenkeel_core::notice::{NoticeChange, Regime, Step};
use evenkeel_core::observation::Order;
use evenkeel_core::postmortem::{MeasureState, PostmortemChange, Section};
use evenkeel_core::telling::FreeText;
use evenkeel_journal::SqliteJournal;

use super::Outcome;
use super::client::{Silence, ask, ask_text, record};
use super::listing::either;
use super::orders::give;
use super::print::{self, listed, note, say};
use super::source::Source;
use crate::postmortem::bundle::Bundle;
use crate::postmortem::{
    self, Format, NO_ADVICE, PostmortemLine, PostmortemReport, Version, day_of, file_name, iso,
};

/// The longest text that is read from a file, bytes: longer ones are refused anyway.
const TEXT_MAX: u64 = 64 << 10;

#[derive(Debug, Subcommand)]
pub(super) enum PostmortemCommand {
    /// Every post-mortem, drafts included.
    List,
    /// One of them, to read.
    Show {
        /// The incident: I-3.
        incident: String,
        /// What customers read, in en, nl, de, pl or da; without it, the technical version.
        #[arg(long, value_name = "LANGUAGE")]
        customers: Option<String>,
        /// As a page of HTML, which a browser prints to PDF; without it, as Markdown.
        #[arg(long)]
        html: bool,
    },
    /// Write a part of it.
    Write(WriteArguments),
    /// Promise a measure, say where one stands, or move it.
    Measure(MeasureArguments),
    /// Let customers read it, or correct what they read.
    Publish {
        /// The incident: I-3.
        incident: String,
        /// The revision of the whole that you read, as `show` says; without it, as it stands.
        #[arg(long)]
        read: Option<u32>,
        /// What is corrected, where it was published before; shown beside it.
        #[arg(long, requires = "language", value_name = "TEXT")]
        correction: Option<String>,
        /// The language of the correction: en, nl, de, pl or da.
        #[arg(long)]
        language: Option<String>,
    },
    /// Write it to a folder with its evidence: all versions, the stretch of the journal, the
    /// proof of its chain, what was kept.
    Export {
        /// The incident: I-3.
        incident: String,
        /// The folder; it must not be there yet.
        #[arg(long, value_name = "FOLDER")]
        to: PathBuf,
    },
}

#[derive(Debug, Args)]
pub(super) struct WriteArguments {
    /// The incident: I-3.
    incident: String,
    /// Which part: summary, cause, factors, went_well; or technical, which only colleagues
    /// read.
    section: String,
    /// The text, plain; `-` reads it from standard input. An empty one takes the part out.
    #[arg(long)]
    text: String,
    /// Its language: en, nl, de, pl or da.
    #[arg(long)]
    language: String,
    /// The revision of the part that you read, as `show` says; without it, as it stands now.
    /// Where somebody wrote since, nothing is written, and you see what they wrote.
    #[arg(long)]
    read: Option<u32>,
}

#[derive(Debug, Args)]
pub(super) struct MeasureArguments {
    /// The incident: I-3.
    incident: String,
    /// `add`, or the number of a measure.
    which: String,
    /// Where it stands: open, done or dropped. Not with `add`.
    state: Option<String>,
    /// What is to be done, plain; with `add`.
    #[arg(long)]
    text: Option<String>,
    /// Its language: en, nl, de, pl or da.
    #[arg(long)]
    language: Option<String>,
    /// Who sees to it: a person who is called, by their id, is the one who is reminded.
    #[arg(long)]
    owner: Option<String>,
    /// By which day: 2026-12-01.
    #[arg(long)]
    due: Option<String>,
    /// Why it is dropped or moved.
    #[arg(long, value_name = "WHY")]
    reason: Option<String>,
}

/// The clock of a legal notice.
#[derive(Debug, Args)]
pub(super) struct NoticeArguments {
    /// The incident: I-3.
    incident: String,
    /// The regime: nis2, dora or gdpr.
    regime: String,
    #[command(subcommand)]
    command: NoticeCommand,
}

#[derive(Debug, Subcommand)]
enum NoticeCommand {
    /// It is to be notified: the clock runs from now, or goes on where it was stopped.
    Start {
        /// Why; it is kept in the journal.
        #[arg(long, value_name = "WHY")]
        reason: String,
    },
    /// It is not to be notified.
    Stop {
        /// Why; it is kept in the journal.
        #[arg(long, value_name = "WHY")]
        reason: String,
    },
    /// A notice was given.
    Give {
        /// Which: first, second or last.
        step: String,
        /// To whom, under which number.
        #[arg(long, value_name = "WHERE")]
        reference: String,
    },
}

fn incident(text: &str) -> Result<IncidentId, String> {
    text.parse().map_err(|error: NotAnId| error.to_string())
}

fn language(tag: &str) -> Result<Language, String> {
    Language::of_tag(tag).ok_or_else(|| {
        format!("`{tag}` is no language customers are told in; there is en, nl, de, pl, da")
    })
}

fn free(text: String, tag: &str) -> Result<FreeText, String> {
    let language = language(tag)?;
    Ok(FreeText { language, text })
}

/// The text as it was given, or from standard input.
fn given(text: String) -> Result<String, String> {
    if text != "-" {
        return Ok(text);
    }
    let mut read = String::new();
    let mut input = std::io::Read::take(std::io::stdin().lock(), TEXT_MAX);
    std::io::Read::read_to_string(&mut input, &mut read)
        .map_err(|error| format!("standard input cannot be read: {error}"))?;
    Ok(read.replace("\r\n", "\n").trim_end().to_owned())
}

pub(super) fn postmortem(source: &Source, command: PostmortemCommand, json: bool) -> Outcome {
    match command {
        PostmortemCommand::List => list(source, json),
        PostmortemCommand::Show {
            incident: id,
            customers,
            html,
        } => show(source, incident(&id)?, customers.as_deref(), html, json),
        PostmortemCommand::Write(arguments) => write(source, arguments, json),
        PostmortemCommand::Measure(arguments) => measure(source, arguments, json),
        PostmortemCommand::Publish {
            incident: id,
            read,
            correction,
            language,
        } => {
            let id = incident(&id)?;
            let report = known(source, id)?;
            if let Some(config) = source.here() {
                let names = postmortem::names::in_public_texts(&config.policy, &report.postmortem);
                if !names.is_empty() {
                    note(&format!(
                        "customers read these names of yours: {}",
                        names.join(", ")
                    ));
                }
            }
            let correction = correction.map(|text| free(text, language.as_deref().unwrap_or("")));
            let change = PostmortemChange::Publish {
                read: read.unwrap_or(report.revision),
                correction: correction.transpose()?,
            };
            order(
                source,
                id,
                change,
                &format!("Customers read the post-mortem of {id}"),
                json,
            )
        }
        PostmortemCommand::Export { incident: id, to } => export(source, incident(&id)?, &to, json),
    }
}

fn order(
    source: &Source,
    incident: IncidentId,
    change: PostmortemChange,
    done: &str,
    json: bool,
) -> Outcome {
    give(source, Order::Postmortem { incident, change }, done, json)
}

fn known(source: &Source, id: IncidentId) -> Result<PostmortemReport, String> {
    either(source, &format!("/v1/postmortems/{id}"), |record| {
        postmortem::report(record, id, Timestamp::now()).ok_or_else(|| {
            format!("{id} has no post-mortem; `evenkeel postmortem list` lists them")
        })
    })
}

fn list(source: &Source, json: bool) -> Outcome {
    let lines: Vec<PostmortemLine> = either(source, "/v1/postmortems", |record| {
        Ok(postmortem::list(record, Timestamp::now()))
    })?;
    let none = "None yet: a draft is opened when an incident that hurt customers is resolved.";
    let heads = ["incident", "what", "resolved", "post-mortem", "measures"];
    listed(&lines, json, none, &heads, |line| {
        let stands = match (line.published_at, line.changed) {
            (None, _) => "draft".to_owned(),
            (Some(at), false) => format!("published {}", super::ago(at)),
            (Some(at), true) => format!("published {}, changed since", super::ago(at)),
        };
        let measures = match (line.measures_open, line.measures_late) {
            (open, 0) => format!("{open} open"),
            (open, late) => format!("{open} open, {late} LATE"),
        };
        vec![
            line.incident.to_string(),
            line.title.clone(),
            super::ago(line.resolved_at),
            stands,
            measures,
        ]
    })
}

fn show(
    source: &Source,
    id: IncidentId,
    customers: Option<&str>,
    html: bool,
    json: bool,
) -> Outcome {
    if json {
        print::json(&known(source, id)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let version = match customers {
        Some(tag) => Version::Customers(language(tag)?),
        None => Version::Technical,
    };
    let format = if html { Format::Html } else { Format::Markdown };
    let path = format!("/v1/postmortems/{id}/{}", file_name(version, format));
    // A server answers from what it knows now; without one, the journal does.
    let runs = match ask::<Vec<PostmortemLine>>(source, "/v1/postmortems") {
        Ok(_) => true,
        Err(Silence::Refused(why)) => return Err(why),
        Err(Silence::NotRunning) => false,
    };
    let text = match (runs, source.here()) {
        (false, Some(config)) => {
            let (record, now) = (record(config)?, Timestamp::now());
            let (policy, service) = (&config.policy, &config.page.name);
            postmortem::written(&record, policy, service, id, (version, format), now).ok_or_else(
                || format!("{id} has no post-mortem; `evenkeel postmortem list` lists them"),
            )?
        }
        _ => ask_text(source, &path)?,
    };
    say(&text);
    if !html {
        let report = known(source, id)?;
        let parts = report.postmortem.sections.iter();
        let parts: Vec<String> = parts
            .map(|(section, written)| format!("{} {}", section.as_str(), written.revision))
            .collect();
        note(&format!(
            "revision {} ({})",
            report.revision,
            match parts.is_empty() {
                true => "nothing is written yet".to_owned(),
                false => parts.join(", "),
            }
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn write(source: &Source, arguments: WriteArguments, json: bool) -> Outcome {
    let id = incident(&arguments.incident)?;
    let name = arguments.section;
    let mut sections = Section::ALL.into_iter();
    let section = sections
        .find(|section| section.as_str() == name)
        .ok_or_else(|| {
            format!("`{name}` is none of summary, cause, factors, went_well, technical")
        })?;
    let text = given(arguments.text)?;
    let text = match text.trim().is_empty() {
        true => None,
        false => Some(free(text, &arguments.language)?),
    };
    let read = match arguments.read {
        Some(read) => read,
        None => {
            let sections = known(source, id)?.postmortem.sections;
            sections.get(&section).map_or(0, |written| written.revision)
        }
    };
    let change = PostmortemChange::Write {
        section,
        text,
        read,
    };
    let done = format!("`{name}` of {id} is written, revision {}", read + 1);
    order(source, id, change, &done, json)
}

fn measure(source: &Source, arguments: MeasureArguments, json: bool) -> Outcome {
    let id = incident(&arguments.incident)?;
    let due = arguments.due.as_deref().map(day_of).transpose()?;
    if arguments.which == "add" {
        let needed = "a measure needs --text, --language, --owner and --due";
        let (Some(text), Some(tag), Some(owner), Some(due)) =
            (arguments.text, arguments.language, arguments.owner, due)
        else {
            return Err(needed.into());
        };
        let change = PostmortemChange::AddMeasure {
            what: free(given(text)?, &tag)?,
            owner,
            due,
        };
        let done = format!("A measure after {id} is promised, due {}", iso(due));
        return order(source, id, change, &done, json);
    }
    let number: u32 = arguments.which.parse().map_err(|_| {
        format!(
            "`{}` is neither `add` nor the number of a measure",
            arguments.which
        )
    })?;
    let measures = known(source, id)?.postmortem.measures;
    let stands = measures.iter().find(|measure| measure.number == number);
    let stands = stands.ok_or_else(|| {
        format!(
            "there is no measure {number} after {id}: `evenkeel postmortem show {id}` lists them"
        )
    })?;
    let state = match arguments.state.as_deref() {
        None => stands.state,
        Some(name) => {
            let mut states = MeasureState::ALL.into_iter();
            let found = states.find(|state| state.as_str() == name);
            found.ok_or_else(|| format!("`{name}` is none of open, done, dropped"))?
        }
    };
    let change = PostmortemChange::ChangeMeasure {
        measure: number,
        state,
        due: due.unwrap_or(stands.due),
        reason: arguments.reason,
    };
    let done = format!("Measure {number} after {id} is {}", state.as_str());
    order(source, id, change, &done, json)
}

fn export(source: &Source, id: IncidentId, to: &Path, json: bool) -> Outcome {
    let Some(config) = source.here() else {
        return Err(
            "an export reads the journal's own file: give the command on the host where it is"
                .into(),
        );
    };
    let record = record(config)?;
    let opened = SqliteJournal::open_read_only(&config.journal_file());
    let journal = opened.map_err(|error| print::chain(&error))?;
    let bundle = Bundle {
        journal: &journal,
        record: &record,
        policy: &config.policy,
        service: &config.page.name,
        evidence: &config.evidence_folder(),
    };
    let bundled = bundle.write(id, to, Timestamp::now());
    let bundled = bundled.map_err(|error| print::chain(&error))?;
    if json {
        print::json(&bundled)?;
    } else {
        say(&format!(
            "{} files are in {}: {} entries of the journal, {}.\n{NO_ADVICE}\n",
            bundled.files,
            bundled.folder.display(),
            bundled.entries,
            match bundled.chain_holds {
                true => "whose chain holds",
                false => "WHOSE CHAIN DOES NOT HOLD (proof.json says where)",
            }
        ));
        if bundled.cut {
            note("the stretch was cut: the journal goes on behind its last entry");
        }
    }
    Ok(match bundled.chain_holds {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

pub(super) fn notice(source: &Source, arguments: NoticeArguments, json: bool) -> Outcome {
    let id = incident(&arguments.incident)?;
    let tag = arguments.regime;
    let mut regimes = Regime::ALL.into_iter();
    let regime = regimes
        .find(|regime| regime.as_str() == tag)
        .ok_or_else(|| format!("`{tag}` is none of nis2, dora, gdpr"))?;
    let (change, done) = match arguments.command {
        NoticeCommand::Start { reason } => (
            NoticeChange::Start { reason },
            format!("The clock of {} runs for {id}", regime.name()),
        ),
        NoticeCommand::Stop { reason } => (
            NoticeChange::Stop { reason },
            format!("The clock of {} for {id} is stopped", regime.name()),
        ),
        NoticeCommand::Give { step, reference } => {
            let mut steps = Step::ALL.into_iter();
            let step = steps
                .find(|known| known.as_str() == step)
                .ok_or_else(|| format!("`{step}` is none of first, second, last"))?;
            let name = regime.step_name(step).unwrap_or("notice");
            (
                NoticeChange::Give { step, reference },
                format!("The {name} of {} for {id} is noted as given", regime.name()),
            )
        }
    };
    let order = Order::Notice {
        incident: id,
        regime,
        change,
    };
    let done = format!("{done}. {NO_ADVICE} Noted");
    give(source, order, &done, json)
}
