//! `evenkeel run`: supervises one run, under any scheduler.
//!
//! Whatever is wrong with Evenkeel, the command runs: without a configuration, without a
//! data folder, without a server. What could not be reported is said on standard error.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use evenkeel_core::Timestamp;
use evenkeel_core::ids::{JobId, RunId};
use evenkeel_core::observation::Origin;
use evenkeel_core::respond::start_run::run_id;
use evenkeel_guards::jobs::spool::Spool;
use evenkeel_guards::jobs::supervise::{Supervise, supervise};

use super::Outcome;
use super::print::{complain, note};
use crate::config::{Config, Launch};

#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// The job of the configuration it is a run of.
    #[arg(long)]
    job: String,
    /// The command; without one, the job's own.
    #[arg(last = true, value_name = "CMD")]
    command: Vec<OsString>,
    /// Given by the server, which has named the run.
    #[arg(long, hide = true)]
    run_id: Option<String>,
    #[arg(long, hide = true)]
    scheduled_at: Option<Timestamp>,
    #[arg(long, hide = true)]
    attempt: Option<u32>,
}

pub(super) fn run(file: &Path, arguments: RunArguments) -> Outcome {
    let job = JobId::from(arguments.job.as_str());
    let given: Result<Vec<String>, OsString> = arguments
        .command
        .iter()
        .map(|word| word.clone().into_string())
        .collect();
    let (command, unreadable) = match given {
        Ok(command) => (command, None),
        Err(word) => (Vec::new(), Some(word)),
    };
    let is_given = !arguments.command.is_empty();
    let config = match Config::load(file) {
        Ok(config) => Some(config),
        Err(error) if is_given => {
            complain(&format!(
                "{error}\nThe command runs all the same; nobody is told of it."
            ));
            None
        }
        Err(error) => return Err(error.to_string()),
    };
    let known = config.as_ref().and_then(|config| {
        let mut jobs = config.jobs.iter();
        jobs.find(|known| known.spec.id == job)
    });
    if config.is_some() && known.is_none() {
        let what = format!("{} names no job `{job}`", file.display());
        if !is_given {
            return Err(format!("{what}; `evenkeel check` lists its problems"));
        }
        complain(&format!(
            "{what}. The command runs all the same; nobody is told of it."
        ));
    }
    let launch = known.map(|known| known.launch.clone()).unwrap_or_default();
    if let Some(word) = unreadable {
        return unsupervised(&arguments.command, &word, &launch);
    }
    let command = if is_given {
        command
    } else {
        launch.command.clone()
    };
    if command.is_empty() {
        return Err(format!(
            "job {job} has no command in {}; write one there, or after `--`",
            file.display()
        ));
    }
    let is_ours = arguments.run_id.is_some();
    let run = match &arguments.run_id {
        Some(run) => RunId::from(run.as_str()),
        None => wrapped_run(&job),
    };
    let spool = known
        .and(config.as_ref())
        .map(|config| Spool::new(config.runs_folder()));
    let what = Supervise {
        run,
        job,
        origin: if is_ours {
            Origin::Keeper
        } else {
            Origin::Wrapper
        },
        spool,
        command,
        environment: launch.environment.clone(),
        user: user(&launch)?,
        working_dir: launch.working_dir.clone(),
        nice: launch.nice,
        ionice: launch.ionice.clone(),
        passes_output: !is_ours,
    };
    super::print::start_log(&config.as_ref().map_or(
        crate::config::Log {
            level: tracing::Level::WARN,
            json: false,
        },
        |config| config.log.clone(),
    ));
    let code = supervise(&what).map_err(|error| {
        format!("the command was not started: {error}; run it without `evenkeel run`")
    })?;
    if code != 0 && !is_ours {
        note(&format!(
            "evenkeel: run {} ended with status {code}",
            what.run
        ));
    }
    Ok(ExitCode::from(code))
}

/// Hands over to a command with words that are not UTF-8. What a run's folder and the
/// journal keep is text; a word changed to fit would name another file.
fn unsupervised(words: &[OsString], word: &OsStr, launch: &Launch) -> Outcome {
    use std::os::unix::process::CommandExt;
    let word = word.display();
    let as_somebody = launch.user.is_some() || launch.working_dir.is_some();
    let Some((program, rest)) = words.split_first().filter(|_| !as_somebody) else {
        return Err(format!(
            "`{word}` is not UTF-8 text, and the job's `user` and `working_dir` only hold for runs \
             that are supervised; put the command into a script and name that"
        ));
    };
    complain(&format!(
        "`{word}` is not UTF-8 text. The command runs all the same; nobody is told of it."
    ));
    let environment = launch.environment.iter().cloned();
    let error = std::process::Command::new(program)
        .args(rest)
        .envs(environment)
        .exec();
    complain(&format!("{}: {error}", program.display()));
    Ok(ExitCode::from(
        if error.kind() == std::io::ErrorKind::NotFound {
            127
        } else {
            126
        },
    ))
}

/// The name of a run that another scheduler starts: two within a second are told apart.
fn wrapped_run(job: &JobId) -> RunId {
    let now = Timestamp::now();
    let name = run_id(job, now, 1);
    RunId::from(format!("{name}-{}", std::process::id()))
}

/// The ids of the user and group a job is to run as.
fn user(launch: &Launch) -> Result<Option<(u32, u32)>, String> {
    let unknown = |kind: &str, name: &str| {
        format!("there is no {kind} `{name}` on this host; make it, or change the job's `{kind}`")
    };
    let Some(name) = &launch.user else {
        return Ok(None);
    };
    let user = nix::unistd::User::from_name(name).ok().flatten();
    let user = user.ok_or_else(|| unknown("user", name))?;
    let gid = match &launch.group {
        None => user.gid,
        Some(name) => {
            let group = nix::unistd::Group::from_name(name).ok().flatten();
            group.ok_or_else(|| unknown("group", name))?.gid
        }
    };
    Ok(Some((user.uid.as_raw(), gid.as_raw())))
}
