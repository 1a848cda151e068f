//! The lines of cases about heartbeats.
//!
//! ```text
//! heartbeat backup every=1h grace=10m run_max=2h components=login severity=warning
//! @0s scheduled backup due=1h         the configuration has it; due at one hour
//! @1s create imports every=1h         a client makes one through the API
//! @2s update imports every=2h due=3h  and changes it
//! @3s pause imports & resume imports & delete imports
//! @5s ping backup                     success; the next is due after its period
//! @6s ping backup start rid=a         start, fail, log, exit=3
//! @7s ping backup due=10h             the next is due at ten hours
//! ```

use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::event::What;
use evenkeel_core::finding::Severity;
use evenkeel_core::heartbeat::{
    Change, Expectation, HeartbeatChange, HeartbeatSpec, Ping, PingSource, Signal,
};
use evenkeel_core::observation::{Observation, Seen};
use evenkeel_core::policy::Policy;
use evenkeel_core::record::Record;
use evenkeel_core::status::Status;
use evenkeel_core::time::after;

use crate::script::{at, option, span, span_option};

/// What a heartbeat is, by its line.
pub(crate) fn spec(name: &str, words: &[&str]) -> Result<HeartbeatSpec, String> {
    let default = HeartbeatSpec::default();
    let expected = match (option(words, "every"), option(words, "cron")) {
        (Some(period), _) => Expectation::Every {
            period: span(period)?,
        },
        (None, Some(expression)) => Expectation::Cron {
            expression: expression.replace('_', " "),
            time_zone: "UTC".into(),
        },
        (None, None) => default.expected.clone(),
    };
    Ok(HeartbeatSpec {
        name: name.into(),
        slug: option(words, "slug").unwrap_or(name).into(),
        expected,
        grace: span_option(words, "grace")?.unwrap_or(Duration::from_secs(60)),
        start_grace: span_option(words, "start_grace")?,
        run_max: span_option(words, "run_max")?,
        run_min: span_option(words, "run_min")?,
        interval_min: span_option(words, "interval_min")?,
        severity: match option(words, "severity") {
            Some("notice") => Severity::Notice,
            Some("critical") => Severity::Critical,
            _ => Severity::Warning,
        },
        components: option(words, "components")
            .into_iter()
            .map(Into::into)
            .collect(),
        harm: Status::PartialOutage,
        manual_resume: words.contains(&"manual_resume"),
        post_only: words.contains(&"post_only"),
        ..default
    })
}

/// What is seen of a heartbeat; `None` where the line is about something else.
pub(crate) fn see(
    line: &str,
    policy: &Policy,
    record: &Record,
    now: Timestamp,
) -> Result<Option<Seen>, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [verb, name, words @ ..] = &words[..] else {
        return Ok(None);
    };
    let due = span_option(words, "due")?.map(at);
    let change = match *verb {
        "ping" => {
            let state = record.heartbeats.get(&(*name).into());
            let spec = policy.heartbeats.get(&(*name).into());
            let spec = spec.or_else(|| state?.spec.as_deref());
            let next = spec.and_then(|spec| match spec.expected {
                Expectation::Every { period } => Some(after(now, period)),
                _ => None,
            });
            let signal = match words.first() {
                Some(&"start") => Signal::Start,
                Some(&"fail") => Signal::Fail,
                Some(&"log") => Signal::Log,
                Some(word) if word.starts_with("exit=") => Signal::Exit(
                    word["exit=".len()..]
                        .parse()
                        .map_err(|_| "no exit status")?,
                ),
                _ => Signal::Success,
            };
            return Ok(Some(Seen::Ping(Ping {
                heartbeat: (*name).into(),
                order: 0,
                signal,
                rid: option(words, "rid").map(Into::into),
                body: String::new(),
                source: PingSource {
                    method: option(words, "method").unwrap_or("GET").into(),
                    ..PingSource::default()
                },
                next_due_at: due.or(next),
            })));
        }
        "scheduled" => Change::Schedule {
            schedule: words.join(" "),
            due_at: due,
        },
        "create" => Change::Create {
            spec: Box::new(spec(name, words)?),
            unless_slug_taken: words.contains(&"unless_slug_taken"),
        },
        "update" => Change::Update {
            spec: Box::new(spec(name, words)?),
            due_at: due,
        },
        "delete" => Change::Delete,
        "pause" => Change::Pause,
        "resume" => Change::Resume,
        _ => return Ok(None),
    };
    Ok(Some(Seen::HeartbeatChange(HeartbeatChange {
        heartbeat: (*name).into(),
        change,
    })))
}

/// Gives pings their numbers, as the pump does.
pub(crate) fn number(inputs: &mut [Observation], record: &Record) {
    let mut order = record.last.ping;
    for observation in inputs {
        if let Seen::Ping(ping) = &mut observation.seen {
            order += 1;
            ping.order = order;
        }
    }
}

/// An event in one line.
pub(crate) fn say(what: &What) -> Option<String> {
    Some(match what {
        What::PingReceived { ping, ignored, .. } => {
            let rid = ping.rid.as_ref().map(|rid| format!(" rid={rid}"));
            let ignored = if *ignored { " (ignored)" } else { "" };
            format!(
                "ping: {} {:?}{}{ignored}",
                ping.heartbeat,
                ping.signal,
                rid.unwrap_or_default()
            )
        }
        What::HeartbeatCreated { heartbeat, .. } => format!("heartbeat created: {heartbeat}"),
        What::HeartbeatUpdated { heartbeat, .. } => format!("heartbeat updated: {heartbeat}"),
        What::HeartbeatDeleted { heartbeat, .. } => format!("heartbeat deleted: {heartbeat}"),
        What::HeartbeatPaused { heartbeat, .. } => format!("heartbeat paused: {heartbeat}"),
        What::HeartbeatResumed { heartbeat, .. } => format!("heartbeat resumed: {heartbeat}"),
        What::HeartbeatScheduled { heartbeat, .. } => format!("heartbeat scheduled: {heartbeat}"),
        _ => return None,
    })
}
