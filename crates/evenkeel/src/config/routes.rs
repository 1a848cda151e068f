//! `[[route]]`: which requests go where, and that no two say different things of one.

use std::collections::BTreeSet;
use std::time::Duration;

use evenkeel_core::edge::Criticality;
use evenkeel_core::ids::{ComponentId, PoolId, RouteId};
use evenkeel_core::policy::{Pattern, Policy};
use evenkeel_edge::settings::Route;

use super::names::{identity, those};
use super::pools::PoolOf;
use super::reader::{At, Report, Section};

/// In less no service answers.
const ANSWER_MIN: Duration = Duration::from_millis(100);

/// The largest body that may be allowed.
const BODY_MAX: u64 = 1 << 40;

const CRITICALITIES: &[(&str, Criticality)] = &[
    ("critical", Criticality::Critical),
    ("normal", Criticality::Normal),
    ("sheddable", Criticality::Sheddable),
];

pub(super) fn read(
    sections: Vec<Section<'_>>,
    policy: &Policy,
    pools: &[At<PoolOf>],
    report: &mut Report<'_>,
) -> Vec<At<Route>> {
    let mut routes: Vec<At<Route>> = Vec::new();
    for mut section in sections {
        let at = section.at.clone();
        let read = route(&mut section, policy, pools, report);
        section.finish(report);
        let Some(read) = read else {
            continue;
        };
        for other in &routes {
            let line = report.line_of(&other.at);
            if other.value.id == read.id {
                let what = format!(
                    "there are two routes `{}`, the other in line {line}",
                    read.id
                );
                report.error(&at, what);
            } else if let Some(shared) = overlap(&other.value, &read) {
                let (one, two) = (&other.value.id, &read.id);
                let what = format!(
                    "routes `{one}` (line {line}) and `{two}` both take {shared}: only the first would \
                     ever be used; take it out of one of them"
                );
                report.error(&at, what);
            }
        }
        routes.push(At { value: read, at });
    }
    for pool in pools {
        let id = &pool.value.pool.id;
        if !routes.is_empty() && !routes.iter().any(|route| route.value.pool == *id) {
            let what = format!("no [[route]] leads to the pool `{id}`: it gets no requests");
            report.warn(&pool.at, what);
        }
    }
    routes
}

/// What two routes both take with the same weight, in words.
fn overlap(one: &Route, other: &Route) -> Option<String> {
    let shared = |of_one: &[String], of_other: &[String]| -> Option<Option<String>> {
        if of_one.is_empty() && of_other.is_empty() {
            return Some(None);
        }
        let found = of_one.iter().find(|named| of_other.contains(named));
        found.cloned().map(Some)
    };
    let hosts = |route: &Route| -> Vec<String> {
        let hosts = route.hosts.iter();
        hosts.map(|host| host.as_str().to_owned()).collect()
    };
    let host = shared(&hosts(one), &hosts(other))?;
    let path = shared(&one.paths, &other.paths)?;
    let method = shared(&one.methods, &other.methods)?;
    let place = match (host, path) {
        (None, None) => "any host and path".to_owned(),
        (Some(host), None) => format!("any path of {host}"),
        (None, Some(path)) => format!("{path} of any host"),
        (Some(host), Some(path)) => host + &path,
    };
    Some(match method {
        None => format!("all requests for {place}"),
        Some(method) => format!("{method} requests for {place}"),
    })
}

fn route(
    section: &mut Section<'_>,
    policy: &Policy,
    pools: &[At<PoolOf>],
    report: &mut Report<'_>,
) -> Option<Route> {
    let id = identity(section, report, "route");
    let component = section.text(report, "component").and_then(|named| {
        let component = ComponentId::from(named.value.as_str());
        if policy.components.contains_key(&component) {
            return Some(component);
        }
        let names: Vec<&str> = policy.components.keys().map(ComponentId::as_str).collect();
        let what = format!("there is no component `{}`{}", named.value, those(&names));
        report.error(&named.at, what);
        None
    });
    let hosts = checked(section, report, "hosts", host);
    let paths = checked(section, report, "paths", path);
    let methods = checked(section, report, "methods", method);
    let pool = section.required(report, "pool").and_then(|named| {
        let pool = PoolId::from(named.value.as_str());
        let known = pools.iter().map(|pool| &pool.value.pool.id);
        if known.clone().any(|known| *known == pool) {
            return Some(pool);
        }
        let names: Vec<&str> = known.map(PoolId::as_str).collect();
        let what = format!("there is no pool `{}`{}", named.value, those(&names));
        report.error(&named.at, what);
        None
    });
    let criticality = section.word(report, "criticality", CRITICALITIES);
    let concurrency_max = section.number(report, "concurrency_max", 1..=1_000_000);
    let second = Duration::from_secs(1);
    let timeout = section.time(report, "timeout", ANSWER_MIN, second * 60);
    let idle_timeout = section.time(report, "idle_timeout", second, second * 300);
    let body_max = section.size(report, "body_max", 0..=BODY_MAX);
    Some(Route {
        id: RouteId::from(id?.value),
        component,
        hosts: hosts.iter().map(|host| Pattern::new(host)).collect(),
        paths,
        methods,
        pool: pool?,
        criticality: criticality.unwrap_or_default(),
        concurrency_max: concurrency_max.and_then(|at| u32::try_from(at.value).ok()),
        timeout,
        idle_timeout,
        body_max: body_max.map_or(10 << 20, |at| at.value),
    })
}

/// A list whose every part has to be of a kind; each once.
fn checked(
    section: &mut Section<'_>,
    report: &mut Report<'_>,
    key: &'static str,
    objection: fn(&str) -> Option<&'static str>,
) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut good = Vec::new();
    for given in section.list(report, key) {
        if let Some(why) = objection(&given.value) {
            report.error(&given.at, format!("`{}` {why}", given.value));
        } else if seen.insert(given.value.clone()) {
            good.push(given.value);
        }
    }
    good
}

fn host(text: &str) -> Option<&'static str> {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let of_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.' || c == '_';
    if text.contains(char::is_uppercase) {
        return Some("has capitals; hosts are compared in lower case, write it so");
    }
    let is_address = text.parse::<std::net::IpAddr>().is_ok();
    let good = is_address || (!name.is_empty() && name.len() <= 253 && name.chars().all(of_name));
    (!good).then_some(
        "is no host; write for example \"app.example.com\", or \"*.example.com\" for all below, \
         without port",
    )
}

fn path(text: &str) -> Option<&'static str> {
    let Some(rest) = text.strip_prefix('/') else {
        return Some("does not begin with `/`; write for example \"/documents\"");
    };
    let rest = rest.strip_suffix('$').unwrap_or(rest);
    if rest.contains(['$', '?', '#', '%']) || rest.contains(char::is_whitespace) {
        return Some("is no path; it is compared without `?` and what follows, and decoded");
    }
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        if segment.contains('*') && segment != "*" {
            return Some("has a `*` within a segment; it stands for one whole segment");
        }
        if segment == "." || segment == ".." || (segment.is_empty() && !is_last) {
            return Some("is never asked for so: `.`, `..` and `//` are resolved first");
        }
    }
    None
}

fn method(text: &str) -> Option<&'static str> {
    let good = !text.is_empty() && text.chars().all(|c| c.is_ascii_uppercase() || c == '-');
    (!good).then_some("is no method; write for example \"GET\", in capitals")
}
