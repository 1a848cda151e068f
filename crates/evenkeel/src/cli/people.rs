//! `people` and `token`: who may open the console, and which programs may use the API.
//!
//! They write the list itself, with or without a server: who may is who owns the data
//! folder. What was done goes into the journal, at the next start where no server runs.

use std::io::{BufRead, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Subcommand;
use evenkeel_core::Timestamp;
use evenkeel_core::observation::Act;
use serde::Serialize;

use super::client::tell;
use super::print::{self, listed, note, say};
use super::{Outcome, ago};
use crate::access::audit::{self, Done};
use crate::access::roll::{self, Person, Roll, RollError};
use crate::access::{Role, Scope, password};
use crate::config::Config;

#[derive(Debug, Subcommand)]
pub(super) enum PeopleCommand {
    /// Let somebody in.
    Add {
        /// Their name: a-z, 0-9 and . _ @ -
        name: String,
        /// What they may do: look, or look and give orders.
        #[arg(long, value_enum)]
        role: Role,
        /// A file with their password on its first line; without it, it is asked for.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Who is on the list.
    List,
    /// Shut somebody out, at once.
    Remove {
        /// Their name.
        name: String,
    },
    /// Set somebody's password; everywhere they are logged in, they are logged out.
    Password {
        /// Their name.
        name: String,
        /// A file with the password on its first line; without it, it is asked for.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Say what somebody may do.
    Role {
        /// Their name.
        name: String,
        /// Look, or look and give orders.
        #[arg(value_enum)]
        role: Role,
    },
    /// End somebody's waiting time after failed logins; ten minutes long they need not wait.
    Unlock {
        /// Their name.
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum TokenCommand {
    /// Make a token and print it, this once.
    Create {
        /// What it is called: a-z, 0-9 and . _ @ -
        name: String,
        /// What it may do: read, or read and give orders.
        #[arg(long, value_enum, default_value_t = Scope::Read)]
        scope: Scope,
        /// How many days it is good for.
        #[arg(long, value_name = "DAYS", default_value_t = 90,
            value_parser = clap::value_parser!(u32).range(1..=DAYS_MAX))]
        days: u32,
    },
    /// Which tokens there are.
    List,
    /// Take a token back, at once.
    Revoke {
        /// What it is called.
        name: String,
    },
}

/// The longest life of a token, days: what nobody renews in a year, nobody needs.
const DAYS_MAX: i64 = 400;

/// The first operator, as `init` is told.
#[derive(Debug)]
pub(super) struct First {
    pub(super) name: Option<String>,
    pub(super) password_file: Option<PathBuf>,
}

/// Lets the first operator in, where there is a password for them: who it is.
pub(super) fn first(file: &Path, first: &First) -> Result<Option<String>, String> {
    let asks = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    if first.password_file.is_none() && !asks {
        return Ok(None);
    }
    let config = Config::load(file).map_err(|error| error.to_string())?;
    if read(&config)?
        .people
        .iter()
        .any(|person| person.role == Role::Operator)
    {
        return Ok(None);
    }
    let name = first.name.clone().unwrap_or_else(own_name).to_lowercase();
    add(
        &config,
        &name,
        Role::Operator,
        first.password_file.as_deref(),
    )?;
    Ok(Some(name))
}

fn own_name() -> String {
    let user = nix::unistd::User::from_uid(nix::unistd::Uid::current());
    user.ok()
        .flatten()
        .map_or_else(|| "operator".into(), |user| user.name)
}

fn read(config: &Config) -> Result<Roll, String> {
    roll::read(&config.data_dir).map_err(|error| error.to_string())
}

fn change<T>(
    config: &Config,
    change: impl FnOnce(&mut Roll) -> Result<T, RollError>,
) -> Result<T, String> {
    crate::serve::make_folder(&config.data_dir).map_err(|error| error.to_string())?;
    roll::change(&config.data_dir, change).map_err(|error| error.to_string())
}

/// Tells the server, or keeps it for the next start.
fn tell_of(config: &Config, act: Act, about: String) -> Result<(), String> {
    let by = own_name();
    let done = Done { by, act, about };
    let told = tell(config, "/v1/people/done", &done);
    if let Err(why) = &told {
        note(&format!(
            "it is done, and the running server could not be told now: {why}"
        ));
    }
    if !matches!(told, Ok(true)) {
        audit::keep_late(&config.data_dir, &done)
            .map_err(|error| format!("it is done, and cannot be noted for the journal: {error}"))?;
    }
    Ok(())
}

fn add(
    config: &Config,
    name: &str,
    role: Role,
    password_file: Option<&Path>,
) -> Result<(), String> {
    roll::check_name(name).map_err(|error| error.to_string())?;
    if read(config)?.person(name).is_some() {
        return Err(format!(
            "{name} is on the list already: `evenkeel people password {name}` sets another password"
        ));
    }
    let password = password::hash(&password_for(name, password_file)?)?;
    let person = Person {
        name: name.to_owned(),
        role,
        password,
    };
    change(config, |roll| roll.add(person))?;
    tell_of(
        config,
        Act::PersonAdded,
        format!("{name} as {}", role.as_str()),
    )
}

#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
    role: Role,
}

pub(super) fn people(config: &Config, command: PeopleCommand, json: bool) -> Outcome {
    let done = match command {
        PeopleCommand::Add {
            name,
            role,
            password_file,
        } => {
            let name = name.to_lowercase();
            add(config, &name, role, password_file.as_deref())?;
            format!("{name} can log in as {}", role.as_str())
        }
        PeopleCommand::List => {
            let roll = read(config)?;
            let people: Vec<Listed<'_>> = roll
                .people
                .iter()
                .map(|person| Listed {
                    name: &person.name,
                    role: person.role,
                })
                .collect();
            let none = "Nobody can log in yet: `evenkeel people add NAME --role operator`.";
            return listed(&people, json, none, &["name", "role"], |one| {
                vec![one.name.to_owned(), one.role.as_str().to_owned()]
            });
        }
        PeopleCommand::Remove { name } => {
            change(config, |roll| roll.remove(&name))?;
            tell_of(config, Act::PersonRemoved, name.clone())?;
            format!("{name} is shut out")
        }
        PeopleCommand::Password {
            name,
            password_file,
        } => {
            if read(config)?.person(&name).is_none() {
                return Err(format!(
                    "there is no {name} on the list: `evenkeel people list` shows who is"
                ));
            }
            let hash = password::hash(&password_for(&name, password_file.as_deref())?)?;
            change(config, |roll| roll.set_password(&name, hash))?;
            tell_of(config, Act::PasswordSet, name.clone())?;
            format!("{name} has another password, and is logged out everywhere")
        }
        PeopleCommand::Role { name, role } => {
            change(config, |roll| roll.set_role(&name, role))?;
            tell_of(
                config,
                Act::PersonAdded,
                format!("{name} as {}", role.as_str()),
            )?;
            format!("{name} is {}", role.as_str())
        }
        PeopleCommand::Unlock { name } => {
            let done = Done {
                by: own_name(),
                act: Act::Unlocked,
                about: name.clone(),
            };
            if tell(config, "/v1/people/unlock", &done)? {
                format!("{name} need not wait for ten minutes")
            } else {
                "no Evenkeel runs here, and nobody waits: failed logins are forgotten when it stops"
                    .into()
            }
        }
    };
    if json {
        print::json(&serde_json::json!({ "done": done }))?;
    } else {
        say(&format!("{done}.\n"));
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct ListedToken<'a> {
    name: &'a str,
    scope: Scope,
    expires_at: Timestamp,
    expired: bool,
}

pub(super) fn token(config: &Config, command: TokenCommand, json: bool) -> Outcome {
    match command {
        TokenCommand::Create { name, scope, days } => {
            let life = Duration::from_secs(u64::from(days) * 24 * 3600);
            let expires_at = Timestamp::now() + life;
            let token = change(config, |roll| roll.make_token(&name, scope, expires_at))?;
            let about = format!("{name}, {}, until {expires_at}", scope.as_str());
            tell_of(config, Act::TokenCreated, about)?;
            if json {
                print::json(&serde_json::json!({
                    "name": name, "scope": scope, "expires_at": expires_at, "token": token,
                }))?;
            } else {
                note(&format!(
                    "Token {name} may {} until {expires_at}. This is the only time it is shown:",
                    scope.as_str()
                ));
                say(&format!("{token}\n"));
            }
        }
        TokenCommand::List => {
            let now = Timestamp::now();
            let roll = read(config)?;
            let tokens: Vec<ListedToken<'_>> = roll
                .tokens
                .iter()
                .map(|token| ListedToken {
                    name: &token.name,
                    scope: token.scope,
                    expires_at: token.expires_at,
                    expired: token.expires_at <= now,
                })
                .collect();
            let none = "There is no token: `evenkeel token create NAME` makes one.";
            return listed(&tokens, json, none, &["token", "may", "until"], |token| {
                let until = match token.expired {
                    true => format!("expired {}", ago(token.expires_at)),
                    false => token.expires_at.strftime("%-d %b %Y %H:%M UTC").to_string(),
                };
                vec![
                    token.name.to_owned(),
                    token.scope.as_str().to_owned(),
                    until,
                ]
            });
        }
        TokenCommand::Revoke { name } => {
            change(config, |roll| roll.revoke(&name))?;
            tell_of(config, Act::TokenRevoked, name.clone())?;
            if json {
                print::json(&serde_json::json!({ "done": format!("{name} is revoked") }))?;
            } else {
                say(&format!("Token {name} is good for nothing now.\n"));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// A password: the first line of a file, or what is typed twice on a terminal.
fn password_for(name: &str, file: Option<&Path>) -> Result<String, String> {
    if let Some(file) = file {
        let unreadable =
            |error: std::io::Error| format!("{} cannot be read: {error}", file.display());
        let opened = std::fs::File::open(file).map_err(unreadable)?;
        let mut text = String::new();
        opened
            .take(password::LONGEST as u64 + 2)
            .read_to_string(&mut text)
            .map_err(unreadable)?;
        return Ok(text.lines().next().unwrap_or_default().to_owned());
    }
    if !std::io::stdin().is_terminal() {
        return Err(format!(
            "there is no terminal to ask for a password on: put it on the first line of a file and give --password-file FILE for {name}"
        ));
    }
    let password = typed(&format!(
        "Password for {name} (at least {} letters): ",
        password::SHORTEST
    ))?;
    if typed("Once more: ")? != password {
        return Err("the two are not the same: nothing was changed".into());
    }
    Ok(password)
}

/// What is typed, without showing it.
fn typed(prompt: &str) -> Result<String, String> {
    use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
    let failed = |error: &dyn std::fmt::Display| format!("the terminal cannot be read: {error}");
    let stdin = std::io::stdin();
    let shown = tcgetattr(&stdin).map_err(|error| failed(&error))?;
    let mut hidden = shown.clone();
    hidden.local_flags.remove(LocalFlags::ECHO);
    hidden.local_flags.insert(LocalFlags::ECHONL);
    let _gone = std::io::stderr().write_all(prompt.as_bytes());
    tcsetattr(&stdin, SetArg::TCSAFLUSH, &hidden).map_err(|error| failed(&error))?;
    let mut line = String::new();
    let read = stdin
        .lock()
        .take(password::LONGEST as u64 + 2)
        .read_line(&mut line);
    tcsetattr(&stdin, SetArg::TCSANOW, &shown).map_err(|error| failed(&error))?;
    read.map_err(|error| failed(&error))?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
