//! `subscribers`: who is told of updates; brought in, written out, removed.
//!
//! It works on the file itself, with or without a server: who may is who owns the data
//! folder. What is asked for by somebody whom the addresses belong to (an export, an
//! erasure) has to be possible when nothing runs.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use evenkeel_core::Timestamp;
use evenkeel_core::ids::ComponentId;
use evenkeel_core::language::Language;
use serde_json::json;

use super::print::{self, note, say, table};
use super::{Outcome, ago};
use crate::config::Config;
use crate::subscribers::paper::{self, Known};
use crate::subscribers::store::people::Brought;
use crate::subscribers::store::{Kind, Standing, Store, Subscriber, Wishes};
use crate::subscribers::token::Key;
use crate::subscribers::{KEY_FILE, address, file};

/// Rows that are listed.
const LISTED_MAX: u32 = 1000;

#[derive(Debug, Subcommand)]
pub(super) enum SubscribersCommand {
    /// Who is told, newest first.
    List {
        /// Only whose address has this in it.
        #[arg(long, value_name = "TEXT", default_value = "")]
        search: String,
        /// Only those to whom nothing is sent any more, as nothing arrived there.
        #[arg(long, conflicts_with = "waiting")]
        paused: bool,
        /// Only those who have not confirmed.
        #[arg(long)]
        waiting: bool,
    },
    /// Add somebody who has agreed: a mail address, or a webhook, whose secret is printed.
    Add {
        /// ana@example.com, or https://hooks.example.com/status
        address: String,
        #[command(flatten)]
        wishes: WishArguments,
    },
    /// Bring in everybody of a CSV file who has agreed: columns kind, address, language,
    /// components, maintenance_only, standing, of which only `address` is needed.
    ///
    /// What cannot be taken is told line by line, and the rest is taken. Who has left before
    /// stays away: only they can come back.
    Import {
        /// The file; `-` for standard input.
        file: PathBuf,
        /// The language of those whose line names none: en, nl, de, pl or da.
        #[arg(long, default_value = "en")]
        language: String,
    },
    /// Write everybody as CSV, in the shape that `import` reads.
    Export {
        /// Into this file, for you only; without it to standard output.
        file: Option<PathBuf>,
    },
    /// Erase somebody, with everything that is known of them, also that they ever were here.
    Remove {
        /// Their mail address or webhook.
        address: String,
    },
    /// The secret that a webhook's messages are signed with.
    Secret {
        /// The webhook.
        address: String,
    },
}

#[derive(Debug, clap::Args)]
pub(super) struct WishArguments {
    /// In this language: en, nl, de, pl or da.
    #[arg(long, default_value = "en")]
    language: String,
    /// Only what concerns this component; again for more.
    #[arg(long = "component", value_name = "COMPONENT")]
    components: Vec<String>,
    /// Only planned work.
    #[arg(long)]
    maintenance_only: bool,
}

impl WishArguments {
    fn wishes(&self, config: &Config) -> Result<Wishes, String> {
        let components: Vec<ComponentId> = self
            .components
            .iter()
            .map(|id| id.as_str().into())
            .collect();
        let known = &config.policy.components;
        if let Some(unknown) = components.iter().find(|id| !known.contains_key(*id)) {
            let all: Vec<&str> = known.keys().map(ComponentId::as_str).collect();
            return Err(format!(
                "there is no component `{unknown}`; there is {}",
                all.join(", ")
            ));
        }
        Ok(Wishes {
            language: language(&self.language)?,
            components,
            maintenance_only: self.maintenance_only,
        })
    }
}

fn language(tag: &str) -> Result<Language, String> {
    Language::of(tag).ok_or_else(|| {
        format!("`{tag}` is no language customers are told in; there is en, nl, de, pl, da")
    })
}

fn open(config: &Config) -> Result<Store, String> {
    crate::serve::make_folder(&config.data_dir).map_err(|error| error.to_string())?;
    let key = Key::of(&config.data_dir.join(KEY_FILE));
    let store = key.and_then(|key| Store::open(&file(&config.data_dir), key));
    store.map_err(|error| print::chain(&error))
}

/// What is told, by the form of its address.
fn reached(config: &Config, text: &str) -> Result<(Kind, String), String> {
    if text.contains("://") {
        let uri = address::webhook(text, &config.subscribers.networks);
        return match uri {
            Ok(uri) => Ok((Kind::Webhook, uri.to_string())),
            Err(why) => Err(format!("nothing can be sent to `{text}`: {why}")),
        };
    }
    match address::mail(text) {
        Ok(address) => Ok((Kind::Mail, address.to_string())),
        Err(why) => Err(format!(
            "`{}` cannot be written to: {why}",
            text.escape_debug()
        )),
    }
}

pub(super) fn subscribers(config: &Config, command: SubscribersCommand, json: bool) -> Outcome {
    let store = open(config)?;
    let failed = |error: crate::subscribers::store::StoreError| print::chain(&error);
    let done = match command {
        SubscribersCommand::List {
            search,
            paused,
            waiting,
        } => {
            let standing = match (paused, waiting) {
                (true, _) => Some(Standing::Paused),
                (_, true) => Some(Standing::Waiting),
                _ => None,
            };
            let found = store.find(&search, standing, LISTED_MAX).map_err(failed)?;
            return listed(&store, &found, json);
        }
        SubscribersCommand::Add { address, wishes } => {
            let (kind, address) = reached(config, &address)?;
            let wishes = wishes.wishes(config)?;
            let one = [(kind, address.clone(), wishes)];
            let most = config.subscribers.subscribers_max;
            let brought = store.bring(&one, most, Timestamp::now()).map_err(failed)?;
            if let [Brought::Left(at)] = &brought[..] {
                return Err(format!(
                    "{address} left on {}, and only they can come back: on the page, or after \
                     `evenkeel subscribers remove {address}`",
                    at.strftime("%Y-%m-%d")
                ));
            }
            if let [Brought::Full] = &brought[..] {
                return Err(format!(
                    "there are {most} subscribers, which is the most: raise [subscribers] subscribers_max"
                ));
            }
            if kind == Kind::Webhook {
                return secret(&store, &address, json);
            }
            format!("{address} is told of updates")
        }
        SubscribersCommand::Import {
            file,
            language: tag,
        } => {
            return import(config, &store, &file, language(&tag)?, json);
        }
        SubscribersCommand::Export { file } => {
            let count = export(&store, file.as_deref())?;
            match file {
                None => return Ok(ExitCode::SUCCESS),
                Some(file) => format!("{count} subscribers are in {}", file.display()),
            }
        }
        SubscribersCommand::Remove { address } => {
            // Also what could not be subscribed today.
            let kind = if address.contains("://") {
                Kind::Webhook
            } else {
                Kind::Mail
            };
            if !store.erase(kind, address.trim()).map_err(failed)? {
                return Err(format!("{address} is not known here"));
            }
            format!("{address} is erased")
        }
        SubscribersCommand::Secret { address } => return secret(&store, &address, json),
    };
    if json {
        print::json(&json!({ "done": done }))?;
    } else {
        say(&format!("{done}.\n"));
    }
    Ok(ExitCode::SUCCESS)
}

fn secret(store: &Store, address: &str, as_json: bool) -> Outcome {
    let found = store
        .find(address, None, 10)
        .map_err(|error| print::chain(&error))?;
    let found = found
        .into_iter()
        .find(|one| one.kind == Kind::Webhook && one.address == address);
    let Some(one) = found else {
        return Err(format!(
            "there is no webhook {address}: `evenkeel subscribers list` shows which there are"
        ));
    };
    let secret = store.key().signing_secret(one.id, &one.salt);
    if as_json {
        print::json(&json!({ "webhook": address, "secret": secret }))?;
    } else {
        note(&format!(
            "{address} is told of updates, signed with this secret (Standard Webhooks):"
        ));
        say(&format!("{secret}\n"));
    }
    Ok(ExitCode::SUCCESS)
}

fn listed(store: &Store, found: &[Subscriber], as_json: bool) -> Outcome {
    if as_json {
        let all: Vec<_> = found
            .iter()
            .map(|one| {
                json!({
                    "id": one.id,
                    "kind": one.kind.as_str(),
                    "address": one.address,
                    "language": one.wishes.language.tag(),
                    "components": one.wishes.components,
                    "maintenance_only": one.wishes.maintenance_only,
                    "standing": one.standing.as_str(),
                    "since": one.since,
                    "failures": one.failures,
                    "last_error": one.last_error,
                })
            })
            .collect();
        print::json(&all)?;
        return Ok(ExitCode::SUCCESS);
    }
    let counts = store.counts().map_err(|error| print::chain(&error))?;
    let all: u32 = counts.iter().map(|count| count.count).sum();
    if found.is_empty() {
        say(&format!("Nobody of {all} fits.\n"));
        return Ok(ExitCode::SUCCESS);
    }
    let row = |one: &Subscriber| {
        let components: Vec<&str> = one
            .wishes
            .components
            .iter()
            .map(ComponentId::as_str)
            .collect();
        let mut about = match components.is_empty() {
            true => "all".to_owned(),
            false => components.join(" "),
        };
        if one.wishes.maintenance_only {
            about.push_str(", planned work only");
        }
        vec![
            one.kind.as_str().to_owned(),
            one.address.clone(),
            one.wishes.language.tag().to_owned(),
            about,
            format!("{} {}", one.standing.as_str(), ago(one.since)),
            one.last_error.clone().unwrap_or_default(),
        ]
    };
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    let head = ["by", "address", "in", "about", "stands", "last error"];
    say(&table(&head, &rows));
    if all > u32::try_from(found.len()).unwrap_or(u32::MAX) {
        note(&format!("({} of {all})", found.len()));
    }
    Ok(ExitCode::SUCCESS)
}

fn import(
    config: &Config,
    store: &Store,
    file: &std::path::Path,
    language: Language,
    as_json: bool,
) -> Outcome {
    let mut components: Vec<_> = config.policy.components.iter().collect();
    components.sort_by_key(|(_, policy)| policy.position);
    let components: Vec<ComponentId> = components.into_iter().map(|(id, _)| id.clone()).collect();
    let known = Known {
        components: &components,
        networks: &config.subscribers.networks,
        most: config.subscribers.subscribers_max,
        language,
    };
    let came = if file == std::path::Path::new("-") {
        paper::bring_in(std::io::stdin().lock(), store, &known)
    } else {
        let opened = std::fs::File::open(file);
        let opened =
            opened.map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
        paper::bring_in(opened, store, &known)
    };
    let came = came.map_err(|error| print::chain(&error))?;
    if as_json {
        let refused = came
            .why
            .iter()
            .map(|(line, why)| json!({ "line": line, "why": why }));
        print::json(&json!({
            "new": came.new, "changed": came.changed, "same": came.same,
            "refused": came.refused, "lines": refused.collect::<Vec<_>>(),
        }))?;
    } else {
        for (line, why) in &came.why {
            note(&format!("{}:{line}: {why}", file.display()));
        }
        say(&format!(
            "{} new, {} changed, {} the same, {} not taken.\n",
            came.new, came.changed, came.same, came.refused
        ));
    }
    Ok(match came.refused {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

fn export(store: &Store, file: Option<&std::path::Path>) -> Result<usize, String> {
    use std::os::unix::fs::OpenOptionsExt;
    let written = match file {
        None => paper::take_out(std::io::stdout().lock(), store),
        Some(file) => {
            let mut options = std::fs::OpenOptions::new();
            // A list of addresses is nobody else's, and none is written over.
            let opened = options.write(true).create_new(true).mode(0o600).open(file);
            let opened =
                opened.map_err(|error| format!("{} cannot be written: {error}", file.display()))?;
            paper::take_out(std::io::BufWriter::new(opened), store)
        }
    };
    written.map_err(|error| print::chain(&error))
}
