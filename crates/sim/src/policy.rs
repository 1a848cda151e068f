//! What is configured in every world: one job and one database of each sort.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_core::action::ActionKind;
use evenkeel_core::authority::{Authority, Grant, Mode};
use evenkeel_core::edge::Criticality;
use evenkeel_core::notice::Regime;
use evenkeel_core::policy::{
    CheckPolicy, ComponentPolicy, Concurrency, DatabasePolicy, JobPolicy, LeakPolicy, LockPolicy,
    Pattern, Policy, PoolPolicy, ProductPolicy, ReadinessPolicy, RetryPolicy, RoutePolicy,
};
use evenkeel_core::status::Status;
use evenkeel_core::subject::Subject;

use crate::beats;
use crate::pools::{self, NOT_OURS, POOLS};
use crate::service::{INTERVAL, JOURNEY, MORNING, PAGE, PORTAL, REFERENCES};
use crate::{HOUR, MINUTE, Ms};

/// A job, and how its slots come.
pub(crate) struct Sort {
    pub(crate) job: &'static str,
    pub(crate) every: Ms,
    pub(crate) end_run: Mode,
    /// Its runs always work honestly: nobody may ever end one.
    pub(crate) honest: bool,
    /// Minutes after which a run is past its deadline.
    pub(crate) deadline_min: u64,
    pub(crate) retries: u32,
}

pub(crate) const SORTS: &[Sort] = &[
    Sort {
        job: "export",
        every: 30 * MINUTE,
        end_run: Mode::Act,
        honest: false,
        deadline_min: 60,
        retries: 2,
    },
    Sort {
        job: "report",
        every: 5 * HOUR,
        end_run: Mode::Act,
        honest: true,
        deadline_min: 600,
        retries: 0,
    },
    Sort {
        job: "archive",
        every: 7 * HOUR,
        end_run: Mode::Act,
        honest: true,
        deadline_min: 600,
        retries: 0,
    },
    Sort {
        job: "import",
        every: 2 * HOUR,
        end_run: Mode::Watch,
        honest: false,
        deadline_min: 30,
        retries: 1,
    },
    Sort {
        job: "billing",
        every: HOUR,
        end_run: Mode::Propose,
        honest: false,
        deadline_min: 20,
        retries: 1,
    },
    Sort {
        job: "stubborn",
        every: 4 * HOUR,
        end_run: Mode::Act,
        honest: false,
        deadline_min: 40,
        retries: 1,
    },
];

pub(crate) const STALL: Duration = Duration::from_secs(60);
pub(crate) const BACKOFF: Duration = Duration::from_secs(60);

/// The database whose sessions may be ended, and the one that is only watched.
pub(crate) const MAIN: &str = "main";
pub(crate) const WATCHED: &str = "other";

/// Processes here live for hours, not for weeks.
const WARM_UP: Duration = Duration::from_secs(120);

pub(crate) fn policy() -> Policy {
    let mut policy = Policy::default();
    policy.notices.regimes = Regime::ALL.into();
    for (position, (id, name, database)) in
        (0..).zip([("login", "Login", MAIN), ("quotes", "Quotes", WATCHED)])
    {
        let component = ComponentPolicy {
            name: name.into(),
            position,
            needs: vec![database.into()],
        };
        policy.components.insert(id.into(), component);
    }
    let mut grants = BTreeMap::new();
    for sort in SORTS {
        let job = JobPolicy {
            deadline: Some(Duration::from_secs(sort.deadline_min * 60)),
            stall: Some(STALL),
            concurrency: if sort.job == "billing" {
                Concurrency::Queue
            } else {
                Concurrency::Forbid
            },
            retry: RetryPolicy {
                budget: sort.retries,
                backoff: BACKOFF,
                ..RetryPolicy::default()
            },
            grace: Duration::from_secs(5),
            product: (sort.job == "export").then_some(ProductPolicy {
                bytes_min: 100,
                rows_min: Some(10),
            }),
            components: Vec::new(),
        };
        policy.jobs.insert(sort.job.into(), job);
        let grant = Grant {
            mode: sort.end_run,
            ..Grant::default_for(ActionKind::EndRun)
        };
        grants.insert((ActionKind::EndRun, Subject::Job(sort.job.into())), grant);
    }
    for (id, mode) in [(MAIN, Mode::Act), (WATCHED, Mode::Watch)] {
        let database = DatabasePolicy {
            locks: LockPolicy {
                end_roles: vec![Pattern::new("batch*"), Pattern::new("migrate")],
                end_queued_ddl: true,
                ..LockPolicy::default()
            },
            idle_in_transaction: Some(Duration::from_secs(300)),
            connections_pct: Some(80),
            transaction_age: Some(Duration::from_secs(3600)),
            leaks: LeakPolicy::default(),
        };
        policy.databases.insert(id.into(), database);
        let grant = Grant {
            mode,
            ..Grant::default_for(ActionKind::EndBackend)
        };
        grants.insert(
            (ActionKind::EndBackend, Subject::Database(id.into())),
            grant,
        );
    }
    policy.authority = Authority { grants };
    watch_the_service(&mut policy);
    serve_behind_the_edge(&mut policy);
    policy
}

/// A component that only checks look at, and what must hold in the morning.
fn watch_the_service(policy: &mut Policy) {
    let portal = ComponentPolicy {
        name: "Portal".into(),
        position: 2,
        needs: Vec::new(),
    };
    policy.components.insert(PORTAL.into(), portal);
    let interval = Duration::from_millis(INTERVAL.unsigned_abs());
    for (id, harm, failures, slow) in [
        (JOURNEY, Status::MajorOutage, 3, None),
        (PAGE, Status::PartialOutage, 2, Some(2)),
        (REFERENCES[0], Status::PartialOutage, 3, None),
        (REFERENCES[1], Status::PartialOutage, 3, None),
    ] {
        let is_reference = REFERENCES.contains(&id);
        let components = if is_reference {
            Vec::new()
        } else {
            vec![PORTAL.into()]
        };
        let check = CheckPolicy {
            name: id.into(),
            components,
            harm,
            failures,
            interval,
            slow_after: slow.map(Duration::from_secs),
            ..CheckPolicy::default()
        };
        policy.checks.insert(id.into(), check);
        if is_reference {
            policy.references.insert(id.into());
        }
    }
    let morning = ReadinessPolicy {
        name: "The morning".into(),
        checks: vec![JOURNEY.into()],
        products: Vec::new(),
    };
    policy.readiness.insert(MORNING.into(), morning);
    policy.heartbeats.insert(beats::id(), beats::spec());
}

/// Pools, the routes to them, and how far their instances may be recycled.
fn serve_behind_the_edge(policy: &mut Policy) {
    let mut position = 3;
    for sort in POOLS {
        let mut components = Vec::new();
        for (route, component, sheddable) in sort.routes {
            let of_route = RoutePolicy {
                component: Some((*component).into()),
                pool: sort.pool.into(),
                criticality: match sheddable {
                    true => Criticality::Sheddable,
                    false => Criticality::Normal,
                },
            };
            policy.routes.insert((*route).into(), of_route);
            let shown = ComponentPolicy {
                name: (*component).into(),
                position,
                needs: Vec::new(),
            };
            position += 1;
            policy.components.insert((*component).into(), shown);
            components.push((*component).into());
        }
        let all = pools::instances(sort);
        let pool = PoolPolicy {
            instances: all.collect(),
            recyclable: pools::instances(sort)
                .filter(|id| id.as_str() != NOT_OURS)
                .collect(),
            components,
            leaks: LeakPolicy {
                warm_up: WARM_UP,
                ..LeakPolicy::default()
            },
            ..PoolPolicy::default()
        };
        policy.pools.insert(sort.pool.into(), pool);
        let kind = ActionKind::RecycleInstance;
        let grant = Grant {
            mode: sort.recycle,
            ..Grant::default_for(kind)
        };
        let scope = Subject::Pool(sort.pool.into());
        policy.authority.grants.insert((kind, scope), grant);
    }
}

/// Whether the configuration lets sessions of a role be ended.
pub(crate) fn role_may_be_ended(role: &str) -> bool {
    role.starts_with("batch") || role == "migrate"
}
