//! What is going on: `status`, `incidents`, `runs`, `evidence`.

use std::process::ExitCode;

use evenkeel_core::event::What;
use evenkeel_core::ids::{EvidenceId, IncidentId};
use evenkeel_core::incident::Incident;
use evenkeel_core::message::Audience;
use evenkeel_core::observation::{LockRoot, Session};
use evenkeel_guards::evidence::{EvidenceStore, Kept};

use super::client::{Silence, ask, ask_text, record};
use super::print::{self, listed, say, table};
use super::source::Source;
use super::{Outcome, ago};
use crate::report::{self, IncidentReport, LockReport, RunReport, StatusReport};
use crate::web::account;

/// What the server says, or what `from_journal` makes of the journal where none runs.
pub(super) fn either<T: serde::de::DeserializeOwned>(
    source: &Source,
    path: &str,
    from_journal: impl FnOnce(&evenkeel_core::record::Record) -> Result<T, String>,
) -> Result<T, String> {
    match ask(source, path) {
        Ok(answer) => Ok(answer),
        Err(Silence::Refused(why)) => Err(why),
        Err(Silence::NotRunning) => {
            let Some(config) = source.here() else {
                return Err(format!("no Evenkeel runs on {}", source.name()));
            };
            from_journal(&record(config)?)
        }
    }
}

pub(super) fn status(source: &Source, json: bool) -> Outcome {
    let status: StatusReport = either(source, "/v1/status", |record| {
        let policy = source.here().map(|config| &config.policy);
        let nothing = evenkeel_core::policy::Policy::default();
        Ok(StatusReport::of(record, policy.unwrap_or(&nothing), None))
    })?;
    if json {
        print::json(&status)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(ailment) = &status.ailment {
        say(&format!("This is no picture of now: {ailment}\n\n"));
    }
    if let Some(not_recorded) = &status.not_recorded {
        say(&format!("To know: {not_recorded}.\n\n"));
    }
    if let Some(held) = &status.held {
        say(&format!(
            "ACTIONS ARE HELD by {} since {}: {}\n\n",
            held.by,
            ago(held.since),
            held.reason
        ));
    }
    let rows: Vec<Vec<String>> = status
        .components
        .iter()
        .map(|component| {
            vec![
                component.name.clone(),
                component.status.as_str().replace('_', " "),
                component.since.map_or_else(String::new, ago),
            ]
        })
        .collect();
    say(&table(&["component", "status", "since"], &rows));
    say("\n");
    match &status.incidents[..] {
        [] => say("No incident is open.\n"),
        open => say(&list_of(open)),
    }
    if !status.runs.is_empty() {
        say(&format!("\n{}", runs_table(&status.runs)));
    }
    if !status.copies.is_empty() {
        let copies = status.copies.iter();
        let rows: Vec<Vec<String>> = copies
            .map(|(target, standing)| {
                vec![
                    target.to_string(),
                    standing.place.clone(),
                    standing.said(status.at),
                    standing.made_at.map_or_else(String::new, ago),
                ]
            })
            .collect();
        let head = ["published to", "where", "readers are told", "copy made"];
        say(&format!("\n{}", table(&head, &rows)));
        for (target, standing) in &status.copies {
            if let Some((since, why)) = &standing.trouble {
                say(&format!(
                    "{target} has not been renewed since {}: {why}\n",
                    ago(*since)
                ));
            }
        }
    }
    for proposal in &status.proposals {
        say(&format!(
            "\n{} waits for your word: {}. {}\n    evenkeel approve {0}\n    evenkeel refuse {0} --reason WHY\n",
            proposal.action.id, proposal.action.task, proposal.action.reason
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn list_of(incidents: &[Incident]) -> String {
    let rows: Vec<Vec<String>> = incidents
        .iter()
        .map(|incident| {
            vec![
                incident.id.to_string(),
                incident.status.as_str().to_owned(),
                ago(incident.opened_at),
                incident.title.clone(),
            ]
        })
        .collect();
    table(&["incident", "stands", "opened", "what"], &rows)
}

pub(super) fn incidents(source: &Source, id: Option<&str>, json: bool) -> Outcome {
    let Some(id) = id else {
        let incidents: Vec<Incident> = either(source, "/v1/incidents", |record| {
            Ok(report::incidents(record))
        })?;
        if json {
            print::json(&incidents)?;
        } else if incidents.is_empty() {
            say("No incident yet.\n");
        } else {
            say(&list_of(&incidents));
        }
        return Ok(ExitCode::SUCCESS);
    };
    let number: IncidentId = id.parse().map_err(|error| format!("{error}"))?;
    let report: IncidentReport = either(source, &format!("/v1/incidents/{number}"), |record| {
        report::incident(record, number).ok_or_else(|| {
            format!("there is no incident {number}; `evenkeel incidents` lists them")
        })
    })?;
    if json {
        print::json(&report)?;
        return Ok(ExitCode::SUCCESS);
    }
    let incident = &report.incident;
    say(&format!(
        "{}: {}\n{} since {}, opened {}\n",
        incident.id,
        incident.title,
        incident.status.as_str(),
        ago(incident.status_since),
        ago(incident.opened_at)
    ));
    for finding in &report.findings {
        say(&format!(
            "\n{}\n  {}\n",
            finding.finding.title, finding.finding.reason
        ));
        for fact in &finding.finding.facts {
            say(&format!(
                "    {}: {}\n",
                fact.name.replace('_', " "),
                fact.value
            ));
        }
    }
    for state in &report.actions {
        say(&format!(
            "\n{}: {} ({})\n  {}\n  {}\n",
            state.action.id,
            state.action.task,
            ago(state.action.decided_at),
            state.action.reason,
            account::phase(&state.phase)
        ));
        if let Some(kept) = &state.evidence {
            say(&format!("  evidence: evenkeel evidence {}\n", kept.id));
        }
    }
    let public = report.messages.iter().map(|state| &state.message);
    for message in public.filter(|message| message.audience() == Audience::Public) {
        let at = ago(message.at);
        let what = What::MessageRequested {
            message: message.clone(),
        };
        say(&format!("\n{} ({at})\n", account::sentence(&what)));
    }
    if let Some(pending) = &incident.pending {
        let id = incident.id;
        say(&format!(
            "\nTo be told to customers: {}. Tell them now with `evenkeel approve {id}`, or veto with `evenkeel refuse {id} --reason WHY`.\n",
            pending.status.as_str()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn runs_table(runs: &[RunReport]) -> String {
    let rows: Vec<Vec<String>> = runs
        .iter()
        .map(|run| {
            let began = run.state.started_at.unwrap_or(run.state.requested_at);
            let how = match &run.state.ended {
                Some(ended) => account::exit(&ended.exit),
                None if run.state.started_at.is_some() => "running".into(),
                None => "its start is asked for".into(),
            };
            vec![run.run.to_string(), ago(began), how]
        })
        .collect();
    table(&["run", "began", "how it went"], &rows)
}

pub(super) fn runs(source: &Source, run: Option<&str>, json: bool) -> Outcome {
    let mut runs: Vec<RunReport> =
        either(source, "/v1/runs", |record| Ok(report::runs(record, None)))?;
    if let Some(wanted) = run {
        runs.retain(|run| run.run.as_str() == wanted);
        let Some(run) = runs.first() else {
            return Err(format!(
                "there is no run {wanted}; `evenkeel runs` lists them"
            ));
        };
        if json {
            print::json(run)?;
            return Ok(ExitCode::SUCCESS);
        }
        say(&runs_table(&runs));
        for kept in &run.state.evidence {
            say(&format!("evidence: evenkeel evidence {}\n", kept.id));
        }
        return Ok(ExitCode::SUCCESS);
    }
    if json {
        print::json(&runs)?;
    } else if runs.is_empty() {
        say("No run yet.\n");
    } else {
        say(&runs_table(&runs));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn locks(source: &Source, json: bool) -> Outcome {
    let locks: Vec<LockReport> = match ask(source, "/v1/locks") {
        Ok(locks) => locks,
        Err(Silence::Refused(why)) => return Err(why),
        Err(Silence::NotRunning) => {
            return Err(format!(
                "no Evenkeel runs on {}, and nobody else looks at locks: start it with `evenkeel serve`",
                source.name()
            ));
        }
    };
    if json {
        print::json(&locks)?;
        return Ok(ExitCode::SUCCESS);
    }
    let now = evenkeel_core::Timestamp::now();
    for report in &locks {
        let waits = &report.waits;
        if waits.chains.is_empty() {
            say(&format!("{}: nobody waits for a lock.\n", waits.database));
        }
        for chain in &waits.chains {
            let root = match &chain.root {
                LockRoot::Session(session) => format!("{}\n    {}", who(session), session.query),
                LockRoot::Prepared { gid, .. } => format!(
                    "prepared transaction {gid}: commit prepared '{gid}' or rollback prepared '{gid}'"
                ),
            };
            say(&format!(
                "{}: {} wait for {root}\n",
                waits.database,
                chain.waiters.len()
            ));
            for waiter in &chain.waiters {
                let since = crate::web::clock::span(waiter.since, now);
                say(&format!(
                    "  {} waits {since} for {}\n    {}\n",
                    who(&waiter.session),
                    waiter.wants,
                    waiter.session.query
                ));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn who(session: &Session) -> String {
    let run = session.run.as_ref();
    let run = run.map_or_else(String::new, |run| format!(", run {run}"));
    format!(
        "pid {} ({}, role {}{run})",
        session.backend.pid, session.application_name, session.role
    )
}

pub(super) fn evidence(
    source: &Source,
    id: Option<&str>,
    item: Option<&str>,
    json: bool,
) -> Outcome {
    // Read from the folder where it is on this host: evidence is there without a server.
    let store = source
        .here()
        .map(|config| EvidenceStore::new(config.evidence_folder(), None));
    let (Some(id), item) = (id, item) else {
        let kept: Vec<Kept> = match &store {
            Some(store) => store.list(),
            None => asked(source, "/v1/evidence")?,
        };
        let none = "No evidence is kept yet: it is when something is ended.";
        let heads = ["evidence", "kept", "items", "run"];
        return listed(&kept, json, none, &heads, |kept| {
            let run = kept.run.as_ref();
            vec![
                kept.id.to_string(),
                ago(kept.at),
                kept.items.len().to_string(),
                run.map_or_else(String::new, ToString::to_string),
            ]
        });
    };
    let id = EvidenceId::from(id);
    if let Some(item) = item {
        let text = match &store {
            Some(store) => store.read(&id, item).map_err(|error| error.to_string())?,
            None => ask_text(
                source,
                &format!("/v1/evidence/{}/{}", plain(id.as_str())?, plain(item)?),
            )?,
        };
        say(&text);
        return Ok(ExitCode::SUCCESS);
    }
    let kept: Kept = match &store {
        Some(store) => store.index(&id).map_err(|error| error.to_string())?,
        None => asked(source, &format!("/v1/evidence/{}", plain(id.as_str())?))?,
    };
    if json {
        print::json(&kept)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = kept
        .items
        .iter()
        .map(|item| {
            vec![
                item.file.clone(),
                item.item.bytes.to_string(),
                item.item.gap.clone().unwrap_or_default(),
            ]
        })
        .collect();
    say(&table(&["item", "bytes", "what is missing"], &rows));
    say(&format!(
        "\nOne of them: evenkeel evidence {id} {}\n",
        first_file(&kept.items)
    ));
    Ok(ExitCode::SUCCESS)
}

fn asked<T: serde::de::DeserializeOwned>(source: &Source, path: &str) -> Result<T, String> {
    ask(source, path).map_err(|silence| match silence {
        Silence::Refused(why) => why,
        Silence::NotRunning => format!("no Evenkeel runs on {}", source.name()),
    })
}

/// A name as it may stand in a path.
fn plain(name: &str) -> Result<&str, String> {
    let good = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    match name.chars().all(good) {
        true => Ok(name),
        false => Err(format!(
            "`{name}` is no name of evidence; `evenkeel evidence` lists them"
        )),
    }
}

fn first_file(items: &[evenkeel_guards::evidence::KeptItem]) -> &str {
    let there = items.iter().find(|item| item.item.bytes > 0);
    there.map_or("ITEM", |item| item.file.as_str())
}
