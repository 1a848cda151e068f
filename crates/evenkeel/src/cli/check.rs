//! `init` and `check`.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use evenkeel_guards::locks::grants;
use serde::Serialize;

use super::Outcome;
use super::people::{self, First};
use super::print::{self, note, say};
use crate::config::{Config, ConfigError, Problem, commented};
use crate::{rights, survey};

/// How long one database may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) fn init(file: &Path, stdout: bool, first: &First, json: bool) -> Outcome {
    let text = || {
        let timers = survey::timers_of_this_host();
        let found = survey::look(Path::new("/"), timers.as_deref());
        commented() + &found.suggestions()
    };
    if stdout {
        say(&text());
        return Ok(ExitCode::SUCCESS);
    }
    let made = std::fs::File::create_new(file);
    let mut made = made.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => format!(
            "{} is there already and is left as it is; name another with --config, or print one with --stdout",
            file.display()
        ),
        _ => format!("{} cannot be written: {error}", file.display()),
    })?;
    made.write_all(text().as_bytes())
        .map_err(|error| format!("{} cannot be written: {error}", file.display()))?;
    drop(made);
    let operator = people::first(file, first).map_err(|why| {
        format!(
            "{} is written, and nobody was let in to the console: {why}; `evenkeel people add NAME --role operator` does it later",
            file.display()
        )
    })?;
    if json {
        print::json(&serde_json::json!({ "wrote": file, "operator": operator }))?;
        return Ok(ExitCode::SUCCESS);
    }
    say(&format!(
        "Wrote {0}. It only watches. What was found on this host stands at its end,\n\
         commented out. Next: name your functions, database and jobs in it, then\n\
         \n    evenkeel check\n    evenkeel serve\n",
        file.display()
    ));
    match operator {
        Some(name) => say(&format!(
            "\n{name} can log in to the console as an operator.\n"
        )),
        None => {
            say("\nFor the console, let somebody in: `evenkeel people add NAME --role operator`.\n")
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct Checked {
    good: bool,
    problems: Vec<Problem>,
    /// What the databases' roles lack, or why they could not be asked.
    databases: Vec<String>,
    /// What Evenkeel has and does not need. In nobody's way.
    rights: Vec<String>,
}

pub(super) fn check(file: &Path, offline: bool, json: bool) -> Outcome {
    let (config, problems) = match Config::load(file) {
        Ok(config) => {
            let warnings = config.warnings.clone();
            (Some(config), warnings)
        }
        Err(ConfigError::Wrong { problems, .. }) => (None, problems),
        Err(error) => return Err(error.to_string()),
    };
    let (databases, of_roles) = match &config {
        Some(config) if !offline => ask(config)?,
        _ => (Vec::new(), Vec::new()),
    };
    let mut rights = config.as_ref().map_or_else(Vec::new, |config| {
        rights::excess(config, rights::Rights::of_this_process())
    });
    rights.extend(of_roles);
    let good = config.is_some() && databases.is_empty();
    if json {
        print::json(&Checked {
            good,
            problems,
            databases,
            rights,
        })?;
    } else {
        for problem in &problems {
            note(&format!("{}:{problem}", file.display()));
        }
        for lack in &databases {
            note(lack);
        }
        for more in &rights {
            note(&format!("warning: {more}"));
        }
        if let Some(config) = config.filter(|_| good) {
            say(&summary(&config));
        }
    }
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What the databases' roles lack, and what they have and do not need.
fn ask(config: &Config) -> Result<(Vec<String>, Vec<String>), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    Ok(runtime.block_on(async {
        let mut lacks = Vec::new();
        let mut more = Vec::new();
        for spec in &config.databases {
            let may_end = config.may_end_sessions(&spec.id)
                || config.jobs.iter().any(|job| job.spec.startable);
            let asked = tokio::time::timeout(PATIENCE, grants::check(spec, may_end)).await;
            match asked {
                Ok(Ok(found)) => {
                    lacks.extend(found);
                    let asked = tokio::time::timeout(PATIENCE, grants::excess(spec)).await;
                    // It answered a moment ago; what it does not say now is no lack.
                    more.extend(asked.into_iter().flatten().flatten());
                }
                Ok(Err(why)) => lacks.push(format!(
                    "database {}: {why}; as a superuser, run:\n{}",
                    spec.id,
                    grants::SQL
                )),
                Err(_) => lacks.push(format!(
                    "database {}: no answer within {} s; is the address right, and is it reachable from here?",
                    spec.id,
                    PATIENCE.as_secs()
                )),
            }
        }
        (lacks, more)
    }))
}

fn summary(config: &Config) -> String {
    use evenkeel_core::authority::Mode;
    let count = |count: usize, one: &str, many: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    };
    let acting: Vec<String> = config
        .policy
        .authority
        .grants
        .iter()
        .filter(|(_, grant)| grant.mode > Mode::Watch)
        .map(|((kind, scope), grant)| format!("    {} {kind} on {scope}\n", grant.mode.as_str()))
        .collect();
    let may = match acting.is_empty() {
        true => "It only watches: it says what it would do, and ends nothing.\n".to_owned(),
        false => format!("It may, by itself or when approved:\n{}", acting.concat()),
    };
    let slots: String = config
        .jobs
        .iter()
        .filter_map(|job| {
            let schedule = job.spec.schedule.as_ref()?;
            let next = schedule.next(evenkeel_core::Timestamp::now())?;
            let next = next.to_zoned(schedule.zone().clone());
            let next = next.strftime("%a %-d %b %H:%M %Z");
            Some(format!("    {} next at {next}\n", job.spec.id))
        })
        .collect();
    let edge = config.edge.as_ref().map_or_else(String::new, |edge| {
        format!(
            ", {}, {}",
            count(edge.pools.len(), "pool", "pools"),
            count(edge.routes.len(), "route", "routes")
        )
    });
    format!(
        "{} is good: {}, {}, {}, {}{edge}.\n{slots}{may}",
        config.file.display(),
        count(config.policy.components.len(), "component", "components"),
        count(config.databases.len(), "database", "databases"),
        count(config.jobs.len(), "job", "jobs"),
        count(config.checks.len(), "check", "checks"),
    )
}
