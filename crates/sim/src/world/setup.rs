//! What one seed's world consists of, and what its operator has configured.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_core::action::ActionKind;
use evenkeel_core::authority::{Authority, Grant, Mode};
use evenkeel_core::ids::{ComponentId, DatabaseId, JobId};
use evenkeel_core::policy::{
    ComponentPolicy, Concurrency, DatabasePolicy, IncidentPolicy, JobPolicy, LockPolicy, Pattern,
    Policy, ProductPolicy, RetryPolicy,
};
use evenkeel_core::subject::Subject;

use super::run::Limits;
use super::{Job, World};
use crate::clock::{MINUTE, Ms, SECOND};
use crate::world::database::Db;

/// The smallest product that counts as whole.
pub(crate) const WHOLE: u64 = 1000;

/// Jobs of every world: name, what happens to a slot that comes too early, whether another
/// scheduler starts it.
const JOBS: &[(&str, Concurrency, bool)] = &[
    ("export", Concurrency::Forbid, false),
    ("sync", Concurrency::Queue, false),
    ("rollup", Concurrency::Replace, false),
    ("backup", Concurrency::Forbid, false),
    ("invoices", Concurrency::Forbid, false),
    ("wrapped", Concurrency::Forbid, true),
];

const DATABASES: &[&str] = &["main", "archive"];

pub(crate) fn build(rng: &mut fastrand::Rng) -> (Policy, World) {
    let mut policy = Policy {
        components: components(),
        incidents: IncidentPolicy {
            next_update_after: seconds(rng.u64(300..1200)),
            ..IncidentPolicy::default()
        },
        ..Policy::default()
    };
    let mut world = World::default();
    let mut authority = Authority::default();
    for (number, name) in DATABASES.iter().enumerate() {
        let id = DatabaseId::from(*name);
        policy.databases.insert(id.clone(), database(rng));
        let mode = match (number, rng.u8(..10)) {
            (0, 0..8) => Mode::Act,
            (0, _) | (_, 0..6) => Mode::Propose,
            _ => Mode::Watch,
        };
        let grant = Grant {
            mode,
            budget: rng.u32(2..8),
            window: seconds(rng.u64(600..1800)),
            interval_min: seconds(rng.u64(2..15)),
            proposal_ttl: seconds(rng.u64(40..200)),
        };
        let scope = Subject::Database(id.clone());
        authority
            .grants
            .insert((ActionKind::EndBackend, scope), grant);
        world.dbs.insert(id, Db::new(name, rng.i64(-400..400)));
    }
    for (name, concurrency, wrapped) in JOBS {
        let id = JobId::from(*name);
        let limits = Limits {
            period: rng.i64(6..14) * MINUTE,
            stall: rng.i64(40..100) * SECOND,
            deadline: rng.i64(8..20) * MINUTE,
        };
        policy
            .jobs
            .insert(id.clone(), job(rng, name, *concurrency, &limits));
        for (kind, grant) in grants_of_job(rng, name) {
            authority
                .grants
                .insert((kind, Subject::Job(id.clone())), grant);
        }
        let database = (*name != "backup")
            .then(|| DatabaseId::from(*rng.choice(DATABASES).unwrap_or(&"main")));
        world.jobs.insert(
            id,
            Job::new(limits, *wrapped, database, rng.i64(MINUTE..4 * MINUTE)),
        );
    }
    policy.authority = authority;
    (policy, world)
}

fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

fn span(ms: Ms) -> Duration {
    Duration::from_millis(ms.unsigned_abs())
}

fn components() -> BTreeMap<ComponentId, ComponentPolicy> {
    [
        ("login", vec!["main"]),
        ("billing", vec!["main"]),
        ("search", vec!["archive"]),
        ("payroll", vec![]),
    ]
    .into_iter()
    .enumerate()
    .map(|(position, (name, needs))| {
        let policy = ComponentPolicy {
            name: name.into(),
            position: position as u32,
            needs: needs.into_iter().map(DatabaseId::from).collect(),
        };
        (name.into(), policy)
    })
    .collect()
}

fn database(rng: &mut fastrand::Rng) -> DatabasePolicy {
    DatabasePolicy {
        locks: LockPolicy {
            waiters_min: rng.u32(2..4),
            waiting_min: Duration::from_millis(rng.u64(800..2500)),
            end_runs: rng.u8(..5) > 0,
            end_roles: vec![Pattern::new("reporting")],
            end_applications: vec![Pattern::new("migrate-*")],
            end_queued_ddl: rng.bool(),
            drain: seconds(rng.u64(2..5)),
        },
        idle_in_transaction: Some(seconds(60)),
        connections_pct: Some(80),
        transaction_age: Some(seconds(600)),
    }
}

fn job(
    rng: &mut fastrand::Rng,
    name: &str,
    concurrency: Concurrency,
    limits: &Limits,
) -> JobPolicy {
    JobPolicy {
        deadline: Some(span(limits.deadline)),
        stall: Some(span(limits.stall)),
        concurrency,
        retry: RetryPolicy {
            budget: rng.u32(..4),
            backoff: seconds(rng.u64(3..30)),
            backoff_max: seconds(rng.u64(30..120)),
        },
        grace: seconds(rng.u64(1..6)),
        product: matches!(name, "export" | "invoices").then_some(ProductPolicy {
            bytes_min: WHOLE,
            rows_min: None,
        }),
        components: match name {
            "export" => vec!["payroll".into()],
            "invoices" => vec!["billing".into()],
            _ => Vec::new(),
        },
    }
}

fn grants_of_job(rng: &mut fastrand::Rng, name: &str) -> Vec<(ActionKind, Grant)> {
    let mode = match (name, rng.u8(..10)) {
        ("backup", _) => return Vec::new(),
        (_, 0..7) => Mode::Act,
        (_, 7..9) => Mode::Propose,
        _ => Mode::Watch,
    };
    let end = Grant {
        mode,
        budget: rng.u32(2..8),
        window: seconds(rng.u64(600..3000)),
        interval_min: seconds(rng.u64(2..30)),
        proposal_ttl: seconds(rng.u64(40..200)),
    };
    let mut grants = vec![(ActionKind::EndRun, end)];
    if name == "sync" {
        let start = Grant {
            mode: if rng.u8(..4) == 0 {
                Mode::Propose
            } else {
                Mode::Act
            },
            budget: rng.u32(4..8),
            window: seconds(1800),
            interval_min: seconds(rng.u64(0..20)),
            proposal_ttl: seconds(rng.u64(60..200)),
        };
        grants.push((ActionKind::StartRun, start));
    }
    grants
}
