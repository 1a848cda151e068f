//! Something fills up and will be full before anybody looks, or is full.
//!
//! Judged by the forecast ([`crate::forecast`]), never by a level alone: half full is what
//! memory is for. Three bounds keep it quiet:
//!
//! - A trend is not extrapolated farther than it was seen: the finding opens when more of
//!   its time lies behind than ahead, and nearly half of the way, or four fifths of everything
//!   are used. A cache that is to fill a third of the memory, or the first tooth of a saw,
//!   looks like a leak until it is full, and is not so far by then.
//! - While it is far, it is a notice; within the pool's `horizon` a warning. It is critical
//!   where it comes within `urgent`, which is less than it takes to call somebody.
//! - One finding for each subject: of what runs out first. The others are facts.
//!
//! No component is hurt by what is only to come. When nothing is left, those of the pool
//! are: some where an instance is full, all where each is.
//!
//! It clears when the process was started anew, or the growth is seen to have ended: after
//! the keeper lost its memory, not before a tenth of the time that was left has been watched.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use alloc::{format, vec};
use core::time::Duration;

use jiff::Timestamp;

use super::{Detector, Verdict, View, say};
use crate::evidence::Fact;
use crate::finding::{Finding, FindingKey, FindingKind, Severity};
use crate::forecast::{Forecast, Grows, Standing};
use crate::ids::ComponentId;
use crate::observation::Resource;
use crate::policy::LeakPolicy;
use crate::record::OpenFinding;
use crate::status::Status;
use crate::subject::Subject;
use crate::time;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::ResourceExhausts,
    guard: "leaks",
    about: "Something of an instance, a database or a volume grows on and on and runs out within \
            the `horizon` (a notice where it is farther), or nothing is left of it.",
    advice: "The facts name what grows, by the hour and by the request, since which release, and \
             when it runs out. Recycle the instance before the earliest time; then look at what \
             the release changed. Where a file system fills, see what wrote there since then.",
    judge,
};

/// A picture older than this says nothing about now: three of the intervals at which
/// databases are looked at, a minute.
const FRESH: Duration = Duration::from_secs(180);

/// What is nearer than the horizon stays a warning until it is so much farther, percent.
const HORIZON_LEFT_PCT: u32 = 125;

/// So much of the way lies behind, percent: less than half, because under a load that rises
/// half of the time is less than half of the way.
const WAY_MIN_PCT: u8 = 45;

/// Where so much is used, a trend need not be watched so long, percent of the limit.
const NEARLY_FULL_PCT: u128 = 80;

/// Of the time that was left, the share that is watched again before a trend that nobody
/// remembers counts as gone.
const WATCHED_AGAIN_SHARE: u32 = 10;

/// The facts that are read again by what answers the finding.
const RESOURCE: &str = "resource";
const RUNS_OUT_AT: &str = "runs_out_at";

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let policy = view.policy.leaks(subject)?;
    let key = FindingKey {
        kind: FindingKind::ResourceExhausts,
        subject: subject.clone(),
    };
    let open = view.record.findings.get(&key);
    let seen_at = view.memory.standings(subject).map(|(_, at)| at.seen_at);
    let fresh = seen_at.max().is_some_and(|at| is_fresh(at, view.now));
    if !fresh {
        return Some(Verdict::unknown());
    }
    let mut standings = view.memory.standings(subject);
    if let Some((resource, standing)) = standings.find(|(_, standing)| standing.is_full) {
        return Some(Verdict::holds(full(view, key, resource, standing)));
    }
    let forecasts: Vec<&Forecast> = view
        .memory
        .forecasts(subject)
        .filter(|forecast| policy.watches(&forecast.resource))
        .collect();
    let Some(first) = first_to_run_out(&forecasts, open, view.now) else {
        let gone = open.map(|open| why_gone(view, subject, open));
        return Some(match gone {
            Some(Some(why)) => Verdict::clear(why),
            Some(None) => Verdict::unknown(),
            None => Verdict::clear("nothing grows"),
        });
    };
    if open.is_none() && !is_due(first, view.now) {
        return Some(Verdict::unknown());
    }
    let severity = severity(policy, first, open, view.now);
    Some(Verdict::holds(Finding {
        title: format!("{} runs out of {}", name(subject), words(&first.resource)),
        severity,
        harms: BTreeMap::new(),
        links: links(view, subject),
        reason: reason(policy, subject, first, severity, open),
        facts: facts(first, &forecasts),
        key,
    }))
}

fn is_fresh(at: Timestamp, now: Timestamp) -> bool {
    time::since(at, now) <= FRESH
}

/// The forecast of what runs out first. What an open finding speaks of stays unless
/// something else takes less than half of its time.
fn first_to_run_out<'a>(
    forecasts: &[&'a Forecast],
    open: Option<&OpenFinding>,
    now: Timestamp,
) -> Option<&'a Forecast> {
    let left = |forecast: &Forecast| time::since(now, forecast.exhausts.earliest);
    let first = *forecasts.iter().min_by_key(|forecast| left(forecast))?;
    let told = open.and_then(|open| fact(open, RESOURCE));
    let told = forecasts
        .iter()
        .find(|forecast| told == Some(&words(&forecast.resource)));
    Some(match told {
        Some(told) if left(first) >= left(told) / 2 => told,
        _ => first,
    })
}

/// Whether enough of it was seen for what is to come of it.
fn is_due(forecast: &Forecast, now: Timestamp) -> bool {
    let behind = time::since(forecast.grows_since, now);
    let ahead = time::since(now, forecast.exhausts.likely);
    let used = u128::from(forecast.used) * 100;
    let nearly_full = used >= u128::from(forecast.limit) * NEARLY_FULL_PCT;
    let half_way = behind * 4 >= ahead * 5 && forecast.way_pct >= WAY_MIN_PCT;
    half_way || nearly_full && behind * 2 >= ahead
}

fn severity(
    policy: &LeakPolicy,
    forecast: &Forecast,
    open: Option<&OpenFinding>,
    now: Timestamp,
) -> Severity {
    let was = open.map(|open| open.finding.severity);
    let within = |span: Duration, at_least: Severity| {
        let left = match was.is_some_and(|was| was >= at_least) {
            true => span * HORIZON_LEFT_PCT / 100,
            false => span,
        };
        time::since(now, forecast.exhausts.earliest) <= left
    };
    if within(policy.urgent, Severity::Critical) {
        Severity::Critical
    } else if within(policy.horizon, Severity::Warning) {
        Severity::Warning
    } else {
        Severity::Notice
    }
}

/// The same words for as long as it is the same thing, so that it is not told anew with each
/// sample.
fn reason(
    policy: &LeakPolicy,
    subject: &Subject,
    forecast: &Forecast,
    severity: Severity,
    open: Option<&OpenFinding>,
) -> String {
    if let Some(open) = open {
        let same = fact(open, RESOURCE) == Some(&words(&forecast.resource));
        if same && open.finding.severity == severity && open.finding.harms.is_empty() {
            return open.finding.reason.clone();
        }
    }
    let by = match forecast.grows {
        Grows::ByTime => "as time passes, whatever the load",
        Grows::ByRequests => "with each request",
    };
    let since = match &forecast.since_release {
        Some(release) => format!(", since release {release}"),
        None => String::new(),
    };
    let alone = if forecast.alone {
        "; its siblings do not"
    } else {
        ""
    };
    let when = match severity {
        Severity::Critical => format!(
            "may run out within {}, before anybody comes to look",
            say(policy.urgent)
        ),
        Severity::Warning => format!("may run out within {}", say(policy.horizon)),
        Severity::Notice => format!("will run out, not within {}", say(policy.horizon)),
    };
    format!(
        "{} takes ever more {} {by}{since}{alone}. It {when}.",
        name_first(subject),
        words(&forecast.resource),
    )
}

fn facts(forecast: &Forecast, all: &[&Forecast]) -> Vec<Fact> {
    let mut facts = vec![
        Fact::new(RESOURCE, words(&forecast.resource)),
        Fact::new("used", amount(&forecast.resource, forecast.used)),
        Fact::new("limit", amount(&forecast.resource, forecast.limit)),
        Fact::new(
            "grows_in_an_hour",
            amount(&forecast.resource, forecast.per_hour),
        ),
    ];
    if let Some(per_1000) = forecast.per_1000_requests {
        let per_1000 = amount(&forecast.resource, per_1000);
        facts.push(Fact::new("grows_in_1000_requests", per_1000));
    }
    facts.push(Fact::new("grows_since", second(forecast.grows_since)));
    if let Some(release) = &forecast.since_release {
        facts.push(Fact::new("since_release", release));
    }
    if forecast.alone {
        facts.push(Fact::new("siblings", "do not grow so"));
    }
    let exhausts = forecast.exhausts;
    facts.push(Fact::new("runs_out_earliest_at", second(exhausts.earliest)));
    facts.push(Fact::new(RUNS_OUT_AT, second(exhausts.likely)));
    if exhausts.latest < Timestamp::MAX {
        facts.push(Fact::new("runs_out_latest_at", second(exhausts.latest)));
    }
    let others = all
        .iter()
        .filter(|other| other.resource != forecast.resource);
    facts.extend(others.map(|other| {
        let likely = second(other.exhausts.likely);
        Fact::new(
            "also_runs_out",
            format!("{} at {likely}", words(&other.resource)),
        )
    }));
    facts
}

/// Nothing is left of a resource.
fn full(view: View<'_>, key: FindingKey, resource: &Resource, standing: Standing) -> Finding {
    let subject = &key.subject;
    Finding {
        title: format!("{} has run out of {}", name(subject), words(resource)),
        severity: Severity::Critical,
        harms: harms(view, subject, resource),
        links: links(view, subject),
        reason: format!("{} has no {} left.", name_first(subject), words(resource)),
        facts: vec![
            Fact::new(RESOURCE, words(resource)),
            Fact::new("used", amount(resource, standing.used)),
            Fact::new("limit", amount(resource, standing.limit.unwrap_or(0))),
        ],
        key,
    }
}

/// Whom it hurts that nothing is left.
fn harms(view: View<'_>, subject: &Subject, resource: &Resource) -> BTreeMap<ComponentId, Status> {
    let all = |components: &[ComponentId], status: Status| {
        let components = components.iter().cloned();
        components.map(|id| (id, status)).collect()
    };
    match subject {
        Subject::Instance(instance) => {
            let Some((_, pool)) = view.policy.pool_of(instance) else {
                return BTreeMap::new();
            };
            let is_full = |sibling: &crate::ids::InstanceId| {
                let sibling = Subject::Instance(sibling.clone());
                let standing = view.memory.standing(&sibling, resource);
                standing.is_some_and(|at| at.is_full && is_fresh(at.seen_at, view.now))
            };
            let status = match pool.instances.iter().all(is_full) {
                true => Status::MajorOutage,
                false => Status::DegradedPerformance,
            };
            all(&pool.components, status)
        }
        Subject::Volume(volume) => match view.policy.volumes.get(volume) {
            Some(volume) => all(&volume.components, Status::PartialOutage),
            None => BTreeMap::new(),
        },
        Subject::Database(database) => view
            .policy
            .components
            .iter()
            .filter(|(_, component)| component.needs.contains(database))
            .map(|(id, _)| (id.clone(), Status::PartialOutage))
            .collect(),
        _ => BTreeMap::new(),
    }
}

fn links(view: View<'_>, subject: &Subject) -> BTreeSet<Subject> {
    let Subject::Instance(instance) = subject else {
        return BTreeSet::new();
    };
    let pool = view.policy.pool_of(instance);
    pool.map(|(id, _)| Subject::Pool(id.clone()))
        .into_iter()
        .collect()
}

/// Why a finding that was open no longer holds; `None` where that cannot be told.
fn why_gone(view: View<'_>, subject: &Subject, open: &OpenFinding) -> Option<&'static str> {
    let told = fact(open, RESOURCE)?;
    let of_it = |(resource, _): &(&Resource, Standing)| words(resource) == *told;
    let Some((resource, standing)) = view.memory.standings(subject).find(of_it) else {
        return Some("it is no longer watched");
    };
    let started_at = standing.started_at;
    if started_at.is_some_and(|started| started > open.opened_at) {
        return Some("it was started again and begins anew");
    }
    if standing
        .fallen_at
        .is_some_and(|fallen| fallen > open.opened_at)
    {
        return Some("what was used is free again");
    }
    if !open.finding.harms.is_empty() && standing.limit.is_some() {
        return Some("something is left of it again");
    }
    let runs_out: Option<Timestamp> = fact(open, RUNS_OUT_AT).and_then(|at| at.parse().ok());
    let left = runs_out.map_or(FRESH, |at| time::since(open.opened_at, at));
    let is_level = view
        .memory
        .is_level(subject, resource, left / WATCHED_AGAIN_SHARE);
    is_level.then_some("it no longer grows")
}

fn fact<'a>(open: &'a OpenFinding, name: &str) -> Option<&'a String> {
    let mut facts = open.finding.facts.iter();
    facts.find(|fact| fact.name == name).map(|fact| &fact.value)
}

fn second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// What a subject is called in sentences.
fn name(subject: &Subject) -> String {
    match subject {
        Subject::Instance(id) => format!("{id}"),
        Subject::Database(id) => format!("database {id}"),
        Subject::Volume(id) => format!("volume {id}"),
        other => format!("{other}"),
    }
}

/// The same where a sentence begins with it; an id stays as it is written.
fn name_first(subject: &Subject) -> String {
    match subject {
        Subject::Instance(_) => name(subject),
        _ => capital(&name(subject)),
    }
}

/// What a resource is called in sentences.
fn words(resource: &Resource) -> String {
    match resource {
        Resource::Memory => "memory".into(),
        Resource::Heap => "heap".into(),
        Resource::OpenFiles => "open files".into(),
        Resource::Threads => "threads".into(),
        Resource::Connections => "connections".into(),
        Resource::DiskBytes => "disk space".into(),
        Resource::Inodes => "inodes".into(),
        Resource::DatabaseConnections => "database connections".into(),
        Resource::Sequence(name) => format!("numbers of sequence {name}"),
        Resource::TransactionAge => "transaction numbers".into(),
    }
}

fn amount(resource: &Resource, of: u64) -> String {
    match resource {
        Resource::Memory | Resource::Heap | Resource::DiskBytes => bytes(of),
        _ => format!("{of}"),
    }
}

fn bytes(of: u64) -> String {
    let mut unit = 1_u64;
    for name in ["B", "KiB", "MiB", "GiB"] {
        if of < unit * 1024 || name == "GiB" {
            let tenths = u128::from(of) * 10 / u128::from(unit);
            return format!("{}.{} {name}", tenths / 10, tenths % 10);
        }
        unit *= 1024;
    }
    format!("{of} B")
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    first.chain(chars).collect()
}
