//! `evenkeel heartbeats`: which there are, how they are, and where they are pinged.

use std::process::ExitCode;

use evenkeel_core::Timestamp;

use super::listing::either;
use super::print::{self, listed, say};
use super::source::Source;
use super::{Outcome, ago, client};
use crate::heartbeats::view::{self, HeartbeatReport};

pub(super) fn heartbeats(
    source: &Source,
    wanted: Option<&str>,
    pause: bool,
    resume: bool,
    json: bool,
) -> Outcome {
    let Some(config) = source.here() else {
        return Err("heartbeats are asked for on the host where Evenkeel runs".into());
    };
    let base = config.pings.as_ref().map(|pings| pings.base(None));
    let now = Timestamp::now();
    let all: Vec<HeartbeatReport> = either(source, "/v1/heartbeats", |record| {
        let base = base.as_deref();
        Ok(view::heartbeats(record, &config.policy, base, now))
    })?;
    let Some(wanted) = wanted else {
        return list(&all, json);
    };
    let id = one(&all, wanted)?.id.clone();
    if pause || resume {
        let change = if pause { "pause" } else { "resume" };
        let answered = client::change(source, &format!("/v1/heartbeats/{id}/{change}"))?;
        if json {
            print::json(&answered)?;
        } else {
            say(&format!("{wanted}: {change}d.\n"));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let heartbeat: HeartbeatReport = either(source, &format!("/v1/heartbeats/{id}"), |record| {
        view::heartbeat(record, &config.policy, &id, base.as_deref(), now)
            .ok_or_else(|| format!("there is no heartbeat {id}"))
    })?;
    if json {
        print::json(&heartbeat)?;
    } else {
        show(&heartbeat);
    }
    Ok(ExitCode::SUCCESS)
}

fn one<'a>(all: &'a [HeartbeatReport], wanted: &str) -> Result<&'a HeartbeatReport, String> {
    let fits = |report: &&HeartbeatReport| {
        report.name == wanted || report.slug == wanted || report.id.as_str() == wanted
    };
    let mut found = all.iter().filter(fits);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(format!(
            "there is no heartbeat `{wanted}`; `evenkeel heartbeats` lists them"
        )),
        (Some(_), Some(_)) => Err(format!(
            "there are several heartbeats `{wanted}`; name the one you mean by its UUID"
        )),
    }
}

fn list(all: &[HeartbeatReport], json: bool) -> Outcome {
    let none = "No heartbeat yet: write [[heartbeat]], or let a client make one through the API.";
    let heads = ["heartbeat", "status", "last heard", "next due", "ping URL"];
    let moment = |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| at.to_string());
    listed(all, json, none, &heads, |heartbeat| {
        let last = heartbeat.last_ping_at;
        let url = heartbeat.ping_url.clone();
        vec![
            heartbeat.name.clone(),
            status(heartbeat),
            last.map_or_else(|| "never".to_owned(), ago),
            moment(heartbeat.due_at),
            url.unwrap_or_else(|| heartbeat.id.to_string()),
        ]
    })
}

fn status(heartbeat: &HeartbeatReport) -> String {
    let word = heartbeat.status.as_str();
    match heartbeat.open_runs.len() {
        0 => word.to_owned(),
        1 => format!("{word}, a run is under way"),
        count => format!("{word}, {count} runs are under way"),
    }
}

fn show(heartbeat: &HeartbeatReport) {
    say(&format!("{}: {}\n", heartbeat.name, status(heartbeat)));
    if !heartbeat.desc.is_empty() {
        say(&format!("{}\n", heartbeat.desc));
    }
    say(&format!("expected: {}\n", heartbeat.expected));
    if let Some(due) = heartbeat.due_at {
        say(&format!("next due: {due}\n"));
    }
    if let Some(url) = &heartbeat.ping_url {
        say(&format!("ping URL: {url}\n"));
    }
    for run in &heartbeat.open_runs {
        let name = if run.rid.is_empty() {
            "(without a name)"
        } else {
            &run.rid
        };
        say(&format!(
            "open run {name}: began {}, last heard {}\n",
            ago(run.started_at),
            ago(run.heard_at)
        ));
    }
    for flip in &heartbeat.flips {
        let turned = if flip.up { "up" } else { "down" };
        say(&format!("{}: {turned}\n", flip.at));
    }
    if !heartbeat.revisions.is_empty() {
        say("what its pings said: evenkeel journal show REVISION, newest first: ");
        let newest = heartbeat.revisions.iter().take(10);
        let newest: Vec<String> = newest.map(u64::to_string).collect();
        say(&format!("{}\n", newest.join(", ")));
    }
}
