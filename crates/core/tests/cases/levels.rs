//! Lines about what fills up.
//!
//! ```text
//! pool web instances=web-1,web-2 components=portal warm_up=10s horizon=1h urgent=5m
//! volume data components=portal
//! @1s..9s/1s levels web-1 memory=100+2t/512 started=0s release=1.0
//! @1s..9s/1s requests web-1=50
//! ```
//! A level is `BASE`, or `BASE+GROWTHt` with the seconds `t` of the case, or
//! `BASE+GROWTHt%TOOTH`, which falls back after so many seconds, and a limit. Memory,
//! heap and disk are in MiB.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::edge::{EdgeWindow, InstanceWindow, PoolWindow};
use evenkeel_core::observation::{Level, Levels, Resource, Seen};
use evenkeel_core::policy::{LeakPolicy, Policy, PoolPolicy, VolumePolicy};
use evenkeel_core::subject::Subject;
use evenkeel_core::time;

use crate::script::{at, epoch, option, span_option};

/// A pool or a volume of the configuration; whether it was one.
pub(crate) fn configure(
    what: &str,
    id: &str,
    options: &[&str],
    policy: &mut Policy,
) -> Result<bool, String> {
    let list = |name| {
        let words = option(options, name).into_iter();
        words.flat_map(|list| list.split(','))
    };
    let defaults = LeakPolicy::default();
    let leaks = LeakPolicy {
        warm_up: span_option(options, "warm_up")?.unwrap_or(defaults.warm_up),
        horizon: span_option(options, "horizon")?.unwrap_or(defaults.horizon),
        urgent: span_option(options, "urgent")?.unwrap_or(defaults.urgent),
        ..defaults
    };
    let components = list("components").map(Into::into).collect();
    match what {
        "pool" => {
            let pool = policy.pools.entry(id.into()).or_default();
            *pool = PoolPolicy {
                instances: list("instances").map(Into::into).collect(),
                components,
                leaks,
                ..pool.clone()
            };
        }
        "volume" => {
            let volume = VolumePolicy { components, leaks };
            policy.volumes.insert(id.into(), volume);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// What was seen of what fills up; `None` where the line is about something else.
pub(crate) fn see(line: &str, policy: &Policy, now: Timestamp) -> Result<Option<Seen>, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match &words[..] {
        ["levels", of, rest @ ..] => levels(of, rest, policy, now).map(Some),
        ["requests", rest @ ..] => requests(rest, policy, now).map(Some),
        _ => Ok(None),
    }
}

fn levels(of: &str, words: &[&str], policy: &Policy, now: Timestamp) -> Result<Seen, String> {
    let of = match of {
        id if policy.volumes.contains_key(&id.into()) => Subject::Volume(id.into()),
        id if policy.databases.contains_key(&id.into()) => Subject::Database(id.into()),
        id => Subject::Instance(id.into()),
    };
    let levels = words
        .iter()
        .filter(|word| !word.starts_with("started=") && !word.starts_with("release="))
        .map(|word| level(word, now))
        .collect::<Result<_, _>>()?;
    Ok(Seen::Levels(Levels {
        of,
        started_at: span_option(words, "started")?.map(at),
        release: option(words, "release").map(Into::into),
        levels,
    }))
}

fn level(word: &str, now: Timestamp) -> Result<Level, String> {
    let (name, rest) = word.split_once('=').ok_or("RESOURCE=USED/LIMIT")?;
    let (used, limit) = rest.split_once('/').ok_or("USED/LIMIT")?;
    let (resource, unit) = match name {
        "memory" => (Resource::Memory, 1 << 20),
        "heap" => (Resource::Heap, 1 << 20),
        "disk" => (Resource::DiskBytes, 1 << 20),
        "files" => (Resource::OpenFiles, 1),
        "connections" => (Resource::DatabaseConnections, 1),
        "age" => (Resource::TransactionAge, 1),
        name => match name.strip_prefix("sequence:") {
            Some(of) => (Resource::Sequence(of.into()), 1),
            None => return Err(format!("no such resource: {name}")),
        },
    };
    let number = |text: &str| {
        text.parse::<f64>()
            .map_err(|_| format!("{text}: no number"))
    };
    let mut seconds = time::since(epoch(), now).as_secs_f64();
    let used = match used.split_once('+') {
        None => number(used)?,
        Some((base, growth)) => {
            let (growth, tooth) = growth.split_once('t').ok_or("BASE+GROWTHt")?;
            if let Some(tooth) = tooth.strip_prefix('%') {
                seconds %= number(tooth)?;
            }
            number(base)? + number(growth)? * seconds
        }
    };
    let units = |of: f64| (of * f64::from(unit)) as u64;
    Ok(Level {
        resource,
        used: units(used),
        limit: (limit != "-")
            .then(|| number(limit))
            .transpose()?
            .map(units),
    })
}

fn requests(words: &[&str], policy: &Policy, now: Timestamp) -> Result<Seen, String> {
    let mut pools: BTreeMap<_, PoolWindow> = BTreeMap::new();
    for word in words {
        let (instance, count) = word.split_once('=').ok_or("requests INSTANCE=COUNT")?;
        let pool = policy.pool_of(&instance.into()).ok_or("no such instance")?;
        let seen = InstanceWindow {
            requests: count.parse().map_err(|_| "a count")?,
            ..InstanceWindow::default()
        };
        let pool = pools.entry(pool.0.clone()).or_default();
        pool.instances.insert(instance.into(), seen);
    }
    Ok(Seen::EdgeWindow(EdgeWindow {
        pools,
        ..EdgeWindow::quiet(time::before(now, Duration::from_secs(1)))
    }))
}
