//! What is on this host that could be watched: PostgreSQL servers, cron's and systemd's
//! jobs, listening ports. For `evenkeel init`, which writes it as suggestions.
//!
//! It only looks: it opens no connection, asks no server, and reads what the user who runs
//! it may read. Everything below one root folder, so that tests have a host of their own.
//! What it suggests is commented out, with where it was found; passwords in command lines
//! are blotted out before they are written anywhere. All lists are bounded.

mod cron;
mod ports;
mod postgres;
mod timers;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// Things of each sort that are suggested; more would not be read.
const SUGGESTED_MAX: usize = 24;

/// The largest file that is read, bytes.
const FILE_MAX: u64 = 256 * 1024;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Survey {
    servers: Vec<postgres::Server>,
    jobs: Vec<Work>,
    ports: Vec<ports::Port>,
    unreadable: Vec<String>,
}

/// A job that somebody else starts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Work {
    /// Where it was found, with who runs it and when.
    from: String,
    /// A name for it.
    name: String,
    /// What is run, without passwords.
    command: String,
    /// Who starts it, and goes on doing so.
    starter: Starter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Starter {
    Cron,
    Systemd,
}

/// Looks below `root`; `timers` is what `systemctl list-timers --all -o json` says, where
/// it says anything.
pub fn look(root: &Path, timers: Option<&str>) -> Survey {
    let mut survey = Survey::default();
    let listening = ports::listening(root);
    survey.servers = postgres::servers(root, &listening);
    cron::jobs(root, &mut survey.jobs, &mut survey.unreadable);
    timers::jobs(root, timers, &mut survey.jobs);
    survey.jobs.sort();
    let of_postgres: BTreeSet<u16> = survey.servers.iter().map(|server| server.port).collect();
    survey.ports = listening
        .into_iter()
        .filter(|port| !of_postgres.contains(&port.port) && ports::is_worth_a_check(port))
        .collect();
    survey
}

/// What `systemctl` says of this host's timers; none where there is no systemd.
pub fn timers_of_this_host() -> Option<String> {
    timers::ask()
}

impl Survey {
    /// The suggestions, commented out, to stand at the end of the file of `init`.
    pub fn suggestions(&self) -> String {
        let Self {
            servers,
            jobs,
            ports,
            unreadable,
        } = self;
        let mut text = String::from(
            "\n# ---------------------------------------------------------------------------\n\
             # Found on this host. Nothing of it is in force: take the `#` away from what you\n\
             # want. All of it only watches.\n",
        );
        if servers.is_empty() && jobs.is_empty() && ports.is_empty() {
            text.push_str("# (No PostgreSQL, no cron jobs, no timers, no listening ports.)\n");
        }
        let mut names = Names::default();
        for server in servers.iter().take(SUGGESTED_MAX) {
            let id = names.take("found", &server.port.to_string());
            let _ = write!(
                text,
                "\n# {}.\n# `evenkeel check` says which grants its role lacks.\n\
                 #[[database]]\n#id = \"{id}\"\n#host = {}\n#port = {}\n\
                 #user = \"evenkeel\"\n#dbname = \"postgres\"\n",
                server.from,
                quoted(&server.host),
                server.port
            );
        }
        more(&mut text, servers.len(), "PostgreSQL servers");
        for job in jobs.iter().take(SUGGESTED_MAX) {
            let id = names.take("", &job.name);
            let starter = match job.starter {
                Starter::Cron => "cron",
                Starter::Systemd => "systemd",
            };
            let for_a_shell = job.command.contains(['|', ';', '&', '>', '<', '$', '`'])
                || job
                    .command
                    .split(' ')
                    .next()
                    .is_some_and(|word| word.contains('='));
            let wrapped = match for_a_shell {
                true => format!("evenkeel run --job {id} -- sh -c 'the whole line'"),
                false => format!("evenkeel run --job {id} -- the command"),
            };
            let _ = write!(
                text,
                "\n# {}\n#     {}\n# Let {starter} go on starting it, as: {wrapped}\n\
                 #[[job]]\n#id = \"{id}\"\n",
                job.from, job.command
            );
        }
        more(&mut text, jobs.len(), "jobs");
        for port in ports.iter().take(SUGGESTED_MAX) {
            let id = names.take("port", &port.port.to_string());
            let _ = write!(
                text,
                "\n# {}\n#[[check]]\n#id = \"{id}\"\n#kind = \"tcp\"\n#address = \"{}\"\n",
                port.from(),
                port.reached_at()
            );
        }
        more(&mut text, ports.len(), "listening ports");
        if !unreadable.is_empty() {
            text.push('\n');
        }
        for path in unreadable.iter().take(SUGGESTED_MAX) {
            let _ = writeln!(text, "# Not looked at: {path}.");
        }
        text
    }
}

fn more(text: &mut String, count: usize, what: &str) {
    if count > SUGGESTED_MAX {
        let left = count - SUGGESTED_MAX;
        let _ = writeln!(text, "\n# And {left} more {what} that are not listed.");
    }
}

/// Ids that fit a configuration, each once.
#[derive(Default)]
struct Names(BTreeSet<String>);

impl Names {
    fn take(&mut self, prefix: &str, wish: &str) -> String {
        let mut name: String = wish
            .chars()
            .map(|letter| {
                if letter.is_ascii_alphanumeric() {
                    letter.to_ascii_lowercase()
                } else {
                    '-'
                }
            })
            .take(48)
            .collect();
        while name.contains("--") {
            name = name.replace("--", "-");
        }
        let name = name.trim_matches('-');
        let name = match (prefix, name) {
            ("", "") => "job".to_owned(),
            ("", name) => name.to_owned(),
            (prefix, name) => format!("{prefix}-{name}"),
        };
        let mut free = name.clone();
        for count in 2.. {
            if self.0.insert(free.clone()) {
                break;
            }
            free = format!("{name}-{count}");
        }
        free
    }
}

/// A TOML text.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A file's text, as far as it is text and not longer than is read.
fn read(path: &Path) -> std::io::Result<String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(FILE_MAX)
        .read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The files of a folder, by name; none where it is not there or may not be read.
fn folder(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).take(4096).collect();
    paths.sort();
    paths
}

/// A command line as it may be shown: without passwords, on one line, not too long.
fn shown(command: &str) -> String {
    let words: Vec<String> = command
        .split_whitespace()
        .map(|word| match word.split_once('=') {
            // An assignment before the command: PGPASSWORD=x.
            Some((name, _)) if name.to_ascii_lowercase().contains("pass") => format!("{name}=***"),
            _ => word.to_owned(),
        })
        .collect();
    let line = evenkeel_guards::evidence::blotted_command(&words).join(" ");
    let mut letters = line.chars().filter(|letter| !letter.is_control());
    let mut line: String = letters.by_ref().take(200).collect();
    if letters.next().is_some() {
        line.push_str(" ...");
    }
    line
}

/// A job's name from its command: the last part of the program's path.
fn name_of(command: &str) -> String {
    let program = command
        .split_whitespace()
        .find(|word| {
            !word.contains('=')
                && !matches!(
                    *word,
                    "cd" | "sudo"
                        | "nice"
                        | "exec"
                        | "test"
                        | "["
                        | "bash"
                        | "sh"
                        | "-c"
                        | "/bin/sh"
                        | "/bin/bash"
                )
        })
        .unwrap_or("job");
    let name = program.rsplit('/').next().unwrap_or(program);
    name.split('.').next().unwrap_or(name).to_owned()
}

#[cfg(test)]
mod tests;
