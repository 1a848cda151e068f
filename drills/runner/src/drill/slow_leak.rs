//! The slow leak (the second of the five outages): two front ends of a pool keep a piece of
//! memory with every request, and take no further connection when there is none left; the
//! busiest day brings both there at about the same time.
//!
//! Users of 50 businesses work at a rising rate, open-loop, over connections that are kept.
//! Two more pools stand beside: a front end that is well, and two whose memory is a healthy
//! sawtooth; whoever restarts one of them has taken it for a leak. They are two so that a
//! restart would really be done: the last one of a pool is never touched. Everything is measured
//! from outside: requests by their clients, memory by `/proc`, requests of each front end
//! by its own count, restarts by process ids.

mod arms;
mod figures;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::account::Told;
use super::front_ends::Form;
use super::service::{Service, new_expense, page};
use super::{Arm, Limit, Options, Replay, Timeline};
use crate::traffic::{Ask, Plan, Sample, Schedule, Stream, Traffic};
use arms::Before;

/// What must hold with Evenkeel.
pub(super) const LIMITS: &[(&str, Limit)] = &[
    ("requests_failed_count", Limit::Exactly(0.0)),
    ("instances_out_max", Limit::AtMost(1.0)),
    ("healthy_recycled_count", Limit::Exactly(0.0)),
    ("recycles_per_needed_ratio", Limit::AtMost(1.5)),
    ("forecast_error_at_half_pct", Limit::AtMost(15.0)),
    ("p99_while_recycling_ratio", Limit::AtMost(1.5)),
    // A drill in which nothing had to be recycled proves nothing.
    ("leak_cycles_missing_count", Limit::Exactly(0.0)),
    ("status_false_operational_ms", Limit::Exactly(0.0)),
    ("replay_decisions_differ_count", Limit::Exactly(0.0)),
    ("replay_steps_count", Limit::AtLeast(20.0)),
    ("replay_decisions_compared_count", Limit::AtLeast(5.0)),
];

const TENANTS: usize = 50;

/// When a user gives up.
const PATIENCE: Duration = Duration::from_secs(10);

/// The pool whose front ends leak, the one that is well, and the one with the sawtooth.
pub(super) const LEAKING: &str = "web";
pub(super) const WELL: &str = "planning";
pub(super) const SAWTOOTH: &str = "documents";

const MIB: u64 = 1 << 20;

/// What a front end may have in memory of its own: about a sixth of it is there after its
/// start.
pub(super) const MEMORY_LIMIT: u64 = 192 * MIB;

/// How things go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How long users work.
    pub(super) length: Duration,
    /// Requests a second to the leaking pool, at first and at last.
    pub(super) per_second: (f64, f64),
    /// What one of them leaves in memory.
    pub(super) leak_bytes: u64,
    /// What a day is, compressed: the leak takes a good day at the first rate, and less than
    /// one at the last.
    pub(super) day: Duration,
    /// How long a front end that was started gets less.
    pub(super) slow_start: Duration,
    /// How often each of them has to be restarted at least, or the drill proves little.
    pub(super) cycles_min: usize,
}

impl Pace {
    fn of(options: &Options) -> Self {
        match options.short {
            true => Self {
                length: Duration::from_secs(48),
                per_second: (50.0, 60.0),
                leak_bytes: 155 * 1024,
                day: Duration::from_secs(30),
                slow_start: Duration::from_secs(3),
                cycles_min: 1,
            },
            false => Self {
                length: Duration::from_secs(270),
                per_second: (50.0, 90.0),
                leak_bytes: 60 * 1024,
                day: Duration::from_secs(75),
                slow_start: Duration::from_secs(5),
                cycles_min: 3,
            },
        }
    }

    /// The beginning of the busy time, and its end.
    fn during(&self) -> Range<Duration> {
        Duration::ZERO..self.length
    }
}

/// What users ask for: most of it from the pool that leaks.
fn asks() -> Vec<Ask> {
    let pages = ["invoices", "quotes", "expenses", "payroll"].map(page);
    let mut asks = pages.to_vec();
    asks.extend([new_expense(), page("appointments"), page("scanning")]);
    asks
}

/// Which of them go to the pool that leaks.
pub(super) const ASKS_LEAKING: Range<usize> = 0..5;

fn schedule(seed: u64, pace: &Pace) -> Schedule {
    let leaking = Stream {
        users: 0..TENANTS,
        asks: vec![(0, 4), (1, 3), (2, 3), (3, 1), (4, 1)],
        during: pace.during(),
        per_second: pace.per_second,
    };
    let beside = Stream {
        asks: vec![(5, 1), (6, 2)],
        per_second: (pace.per_second.0 / 5.0, pace.per_second.1 / 5.0),
        ..leaking.clone()
    };
    Schedule::new(seed, &[leaking, beside])
}

/// The front ends of the service.
fn groups(pace: &Pace, ended_at_bytes: Option<u64>) -> Vec<(&'static str, Vec<Form>)> {
    let form = |name, faults: String| Form {
        name,
        arguments: ["--warm-up-ms", "1500", "--pool", "6", "--memory-limit"]
            .map(str::to_owned)
            .into_iter()
            .chain([MEMORY_LIMIT.to_string()])
            .collect(),
        faults,
        ended_at_bytes,
    };
    let leaks = format!(r#"{{"leak_bytes_per_request": {}}}"#, pace.leak_bytes);
    // More litter than others leak, since they are asked less, swept well below the limit.
    let litters = format!(
        r#"{{"litter_bytes_per_request": {}, "litter_bytes_max": {}}}"#,
        pace.leak_bytes * 6,
        96 * MIB
    );
    vec![
        (
            LEAKING,
            vec![form("web-1", leaks.clone()), form("web-2", leaks)],
        ),
        (WELL, vec![form("planning-1", "{}".to_owned())]),
        (
            SAWTOOTH,
            vec![
                form("documents-1", litters.clone()),
                form("documents-2", litters),
            ],
        ),
    ]
}

/// Replays it once.
pub(super) async fn replay(options: &Options) -> Result<Replay, String> {
    let mut timeline = Timeline::new(options.tells);
    let pace = Pace::of(options);
    timeline.now(format!(
        "setting up: PostgreSQL, five front ends, 50 businesses (arm: {}, seed {})",
        options.arm.as_str(),
        options.seed
    ));
    // Just below, so that it is ended and started again rather than left to hang.
    let ended_at_bytes = (options.arm == Arm::Peers).then_some(MEMORY_LIMIT - MIB);
    let service = Service::set_up(options.seed, TENANTS, 1, groups(&pace, ended_at_bytes)).await?;
    let before = Before::start(&service, options.arm, &pace).await?;
    let schedule = Arc::new(schedule(options.seed, &pace));
    let traffic = Traffic::start(Plan {
        address: before.address(),
        users: service.users.clone(),
        asks: asks(),
        schedule: schedule.clone(),
        patience: PATIENCE,
        under_way_max: 400,
    });
    let began = traffic.started();
    timeline.begin_at(began);
    timeline.now(format!(
        "users work: {} requests a second, rising to {}",
        pace.per_second.0 * 1.2,
        pace.per_second.1 * 1.2
    ));
    let forecasts = watch(&service, &before, &traffic, &pace, &mut timeline).await?;
    let (samples, late) = traffic.finish().await;
    let seen = figures::Seen {
        began,
        pace,
        schedule,
        samples,
        late,
        forecasts,
    };
    let mut figures = seen.figures(&service, &mut timeline)?;
    let failed: Vec<&Sample> = seen.samples.iter().filter(|s| !s.is_ok()).collect();
    before
        .end(&failed, &mut figures, &mut timeline, began)
        .await?;
    super::finished("slow-leak", options, figures, timeline)
}

/// Watches until the busy time is over; what was forecast meanwhile.
async fn watch(
    service: &Service,
    before: &Before,
    traffic: &Traffic,
    pace: &Pace,
    timeline: &mut Timeline,
) -> Result<Option<Vec<Told>>, String> {
    let began = traffic.started();
    let mut forecasts: Option<Vec<Told>> = None;
    let mut failed = false;
    let mut lives: Vec<usize> = Vec::new();
    let mut answering: Vec<bool> = Vec::new();
    let nights = before.nights(service, pace, began);
    tokio::pin!(nights);
    let mut look = tokio::time::interval(Duration::from_millis(250));
    let mut ask = tokio::time::interval(Duration::from_secs(1));
    ask.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let front_ends: Vec<_> = service.groups.iter().flat_map(|g| &g.front_ends).collect();
    lives.resize(front_ends.len(), 1);
    answering.resize(front_ends.len(), true);
    while began.elapsed() < pace.length {
        tokio::select! {
            why = &mut nights => return Err(why),
            _ = ask.tick() => {
                if let Some(told) = before.forecasts().await? {
                    forecasts.get_or_insert_default().extend(told);
                }
            }
            _ = look.tick() => {
                before.well()?;
                if let Some(first) = traffic.first_failure().filter(|_| !failed) {
                    failed = true;
                    timeline.now(format!("the first request fails: {:?}", first.outcome));
                }
                for (at, front_end) in front_ends.iter().enumerate() {
                    let now = front_end.lives().len();
                    if lives[at] < now {
                        lives[at] = now;
                        let life = &front_end.lives()[now - 2];
                        let why = match life.ended_for_memory {
                            true => "was ended at its memory limit, and",
                            false => "was asked to stop, and",
                        };
                        timeline.now(format!("{} {why} is started again", front_end.name));
                    }
                    let answers = front_end.looks().last().is_none_or(|look| look.answers);
                    if answering[at] != answers {
                        answering[at] = answers;
                        timeline.now(match answers {
                            true => format!("{} answers", front_end.name),
                            false => format!("{} takes no connection", front_end.name),
                        });
                    }
                }
            }
        }
    }
    timeline.now("the busy time is over");
    Ok(forecasts)
}
