//! The noisy tenant: one of 50 businesses sends 20 times its share, half of it to a function
//! that is slow. Two front ends with eight workers each have room for all the others many
//! times over, and for what the one wants by far not.
//!
//! Everything is measured by the clients: how long the others wait, against the same run
//! before the noise, whether any of them fails, and what the noisy one still gets.

mod arms;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::front_ends::Form;
use super::service::{Service, new_expense, page};
use super::{Limit, Options, Replay, Timeline};
use crate::traffic::{Ask, Plan, Sample, Schedule, Stream, Traffic, percentile_ms};
use arms::Before;

/// What must hold with Evenkeel.
pub(super) const LIMITS: &[(&str, Limit)] = &[
    ("other_tenants_p99_ratio", Limit::AtMost(1.3)),
    ("other_tenants_failed_count", Limit::Exactly(0.0)),
    ("noisy_tenant_fair_share_pct", Limit::AtLeast(100.0)),
    ("status_false_operational_ms", Limit::Exactly(0.0)),
    ("replay_decisions_differ_count", Limit::Exactly(0.0)),
];

const TENANTS: usize = 50;

/// Users of the noisy one, each with a session of their own; the others have one each.
const NOISY: Range<usize> = 0..4;

/// All users.
const USERS: usize = NOISY.end + TENANTS - 1;

/// When a user gives up.
const PATIENCE: Duration = Duration::from_secs(10);

/// One of the others who waits longer is hurt: Nielsen's limit for an uninterrupted flow of
/// thought (<https://www.nngroup.com/articles/response-times-3-important-limits/>).
const WAITS: Duration = Duration::from_secs(1);

/// Requests a second of all others together, and of the noisy one when it is not.
const OTHERS_PER_SECOND: f64 = 78.4;
const SHARE_PER_SECOND: f64 = OTHERS_PER_SECOND / 49.0;
const TIMES_ITS_SHARE: f64 = 20.0;

/// What each front end works on at once, as a server with eight threads or processes does.
pub(super) const WORKERS: usize = 8;

/// What the slow function takes: it waits for a machine that reads documents. Half of what
/// the noisy tenant sends would hold 24 workers; there are 16.
const SLOW_MS: u64 = 1500;

/// The functions everyone uses, the form among them, and the slow one.
const ORDINARY: [(usize, u32); 5] = [(0, 4), (1, 3), (2, 3), (3, 1), (4, 1)];
const SLOW: usize = 5;

fn asks() -> Vec<Ask> {
    let pages = ["invoices", "quotes", "expenses", "payroll"].map(page);
    let mut asks = pages.to_vec();
    asks.extend([new_expense(), page("scanning")]);
    asks
}

/// How long things go.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// Left out: connections are opened, caches filled.
    start: Duration,
    /// Before the noise, start included.
    calm: Duration,
    /// The whole.
    length: Duration,
}

impl Pace {
    fn of(options: &Options) -> Self {
        let (start, calm, noise) = match options.short {
            true => (2, 12, 15),
            false => (5, 45, 60),
        };
        Self {
            start: Duration::from_secs(start),
            calm: Duration::from_secs(calm),
            length: Duration::from_secs(calm + noise),
        }
    }
}

fn schedule(seed: u64, pace: &Pace) -> Schedule {
    let others = Stream {
        users: NOISY.end..USERS,
        asks: ORDINARY.to_vec(),
        during: Duration::ZERO..pace.length,
        per_second: (OTHERS_PER_SECOND, OTHERS_PER_SECOND),
    };
    let calm = Stream {
        users: NOISY,
        during: Duration::ZERO..pace.calm,
        per_second: (SHARE_PER_SECOND, SHARE_PER_SECOND),
        ..others.clone()
    };
    let each_half = SHARE_PER_SECOND * TIMES_ITS_SHARE / 2.0;
    let ordinary = Stream {
        during: pace.calm..pace.length,
        per_second: (each_half, each_half),
        ..calm.clone()
    };
    let slow = Stream {
        asks: vec![(SLOW, 1)],
        ..ordinary.clone()
    };
    Schedule::new(seed, &[others, calm, ordinary, slow])
}

fn groups() -> Vec<(&'static str, Vec<Form>)> {
    let form = |name| Form {
        name,
        arguments: vec!["--workers".to_owned(), WORKERS.to_string()],
        faults: format!(r#"{{"slow_ms": {{"scanning": {SLOW_MS}}}}}"#),
        ended_at_bytes: None,
    };
    vec![("web", vec![form("web-1"), form("web-2")])]
}

/// Replays it once.
pub(super) async fn replay(options: &Options) -> Result<Replay, String> {
    let mut timeline = Timeline::new(options.tells);
    let pace = Pace::of(options);
    timeline.now(format!(
        "setting up: PostgreSQL, two front ends, 50 businesses (arm: {}, seed {})",
        options.arm.as_str(),
        options.seed
    ));
    let service = Service::set_up(options.seed, TENANTS, NOISY.len(), groups()).await?;
    let before = Before::start(&service, options.arm).await?;
    let traffic = Traffic::start(Plan {
        address: before.address(),
        users: service.users.clone(),
        asks: asks(),
        schedule: Arc::new(schedule(options.seed, &pace)),
        patience: PATIENCE,
        under_way_max: 2000,
    });
    let began = traffic.started();
    timeline.begin_at(began);
    timeline.now("50 tenants work, 80 requests a second, each as many as another");
    tokio::time::sleep_until((began + pace.calm).into()).await;
    before.well()?;
    timeline.now("one of them sends 20 times its share, half of it to the slow function");
    tokio::time::sleep_until((began + pace.length).into()).await;
    before.well()?;
    timeline.now("the time is over");
    let (samples, late) = traffic.finish().await;
    let mut figures = figures(&samples, late, &pace, &mut timeline)?;
    let hurt: Vec<&Sample> = samples
        .iter()
        .filter(|sample| !NOISY.contains(&sample.user) && sample.intended >= pace.calm)
        .filter(|sample| !sample.is_ok() || sample.latency >= WAITS)
        .collect();
    before
        .end(&hurt, &mut figures, &mut timeline, began)
        .await?;
    super::finished("noisy-tenant", options, figures, timeline)
}

fn figures(
    samples: &[Sample],
    late: Duration,
    pace: &Pace,
    timeline: &mut Timeline,
) -> Result<BTreeMap<String, f64>, String> {
    let mut figures = BTreeMap::new();
    let mut put = |name: &str, figure: f64| {
        figures.insert(name.to_owned(), (figure * 100.0).round() / 100.0);
    };
    let others = || {
        samples
            .iter()
            .filter(|sample| !NOISY.contains(&sample.user))
    };
    let calm = |sample: &&Sample| (pace.start..pace.calm).contains(&sample.intended);
    let noise = |sample: &&Sample| sample.intended >= pace.calm;
    let p99 = |samples: &mut dyn Iterator<Item = &Sample>| {
        percentile_ms(samples, 0.99).ok_or("nobody asked for anything: the drill proves nothing")
    };
    let before = p99(&mut others().filter(calm))?;
    let during = p99(&mut others().filter(noise))?;
    put("requests_count", samples.len() as f64);
    put("load_sent_late_ms_max", late.as_secs_f64() * 1000.0);
    put("other_tenants_p99_before_ms", before);
    put("other_tenants_p99_ms", during);
    put("other_tenants_p99_ratio", during / before);
    let failed: Vec<&Sample> = others().filter(|sample| !sample.is_ok()).collect();
    put("other_tenants_failed_count", failed.len() as f64);
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for sample in failed {
        *kinds.entry(format!("{:?}", sample.outcome)).or_default() += 1;
    }
    for (kind, count) in kinds.iter().take(8) {
        timeline.now(format!("{count} requests of others failed: {kind}"));
    }

    let noisy = || {
        samples
            .iter()
            .filter(|sample| NOISY.contains(&sample.user))
            .filter(noise)
    };
    let answered = noisy().filter(|sample| sample.is_ok()).count() as f64;
    let seconds = (pace.length - pace.calm).as_secs_f64();
    put("noisy_tenant_answered_per_s", answered / seconds);
    put(
        "noisy_tenant_answered_pct",
        answered / noisy().count().max(1) as f64 * 100.0,
    );
    // What each tenant would have had, had all that was answered been dealt out alike.
    let all = samples.iter().filter(noise).filter(|sample| sample.is_ok());
    let share = all.count() as f64 / TENANTS as f64;
    put(
        "noisy_tenant_fair_share_pct",
        answered / share.max(1.0) * 100.0,
    );
    for (name, slow) in [("slow", true), ("ordinary", false)] {
        let of_kind = noisy().filter(|sample| (sample.ask == SLOW) == slow);
        if let Some(waited) = percentile_ms(of_kind.filter(|s| s.is_ok()), 0.5) {
            put(&format!("noisy_tenant_{name}_ms_p50"), waited);
        }
    }
    Ok(figures)
}
