//! The façade as the data plane uses it, on a paused clock.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_core::edge::{Hold as PlanHold, InstanceState, Off, PoolPlan, TenantCap};
use http::HeaderValue;
use tokio::time::{advance, timeout};

use super::*;
use crate::settings::{
    ActiveCheck, Bounds, HoldBounds, Identity, Instance, Limit, Outlier, Pages, Pool, Queue, Retry,
    Route, Source,
};

const SALT: [u8; 16] = [3; 16];

pub(super) fn pool(instances: usize) -> Pool {
    let instance = |index| Instance {
        id: format!("web-{index}").as_str().into(),
        address: ([127, 0, 0, 1], 9000 + index as u16).into(),
    };
    Pool {
        id: "web".into(),
        instances: (1..=instances).map(instance).collect(),
        check: Some(ActiveCheck {
            path: "/health".to_owned(),
            host: "web".to_owned(),
            interval: Duration::from_secs(1),
            timeout: Duration::from_secs(1),
            rise: 1,
            fall: 1,
        }),
        outlier: Outlier::default(),
        limit: Limit {
            adaptive: false,
            max: 4,
            session_max: 2,
            ..Limit::default()
        },
        queue: Queue {
            timeout: Duration::from_secs(5),
            len_max: 8,
            tenant_max: 6,
        },
        retry: Retry::default(),
        slow_start: Duration::from_secs(10),
        hold: HoldBounds {
            count_max: 3,
            tenant_max: 2,
            release_per_s: 2,
            ..HoldBounds::default()
        },
        sticky_cookie: None,
        drain_max: Duration::from_secs(30),
        connect_timeout: Duration::from_secs(1),
        idle_connections_max: 8,
        idle_connection_max: Duration::from_secs(30),
    }
}

fn route(id: &str, path: &str, criticality: Criticality) -> Route {
    Route {
        id: id.into(),
        component: Some(id.into()),
        hosts: Vec::new(),
        paths: vec![path.to_owned()],
        methods: Vec::new(),
        pool: "web".into(),
        criticality,
        concurrency_max: None,
        timeout: Duration::from_secs(30),
        idle_timeout: Duration::from_secs(30),
        body_max: 1 << 20,
    }
}

pub(super) fn settings() -> Settings {
    let mut reports = route("reports", "/reports", Criticality::Sheddable);
    reports.concurrency_max = Some(1);
    Settings {
        listeners: Vec::new(),
        routes: vec![
            route("all", "/", Criticality::Normal),
            route("login", "/login", Criticality::Critical),
            reports,
        ],
        pools: vec![pool(2)],
        identity: Identity {
            tenant: vec![Source::Header("x-tenant".to_owned())],
            session: vec![Source::Cookie("session".to_owned())],
            salt: SALT,
        },
        trusted: Vec::new(),
        bounds: Bounds::default(),
        access_log: None,
        pages: Pages::default(),
        state_dir: "/nonexistent".into(),
        shutdown_max: Duration::from_secs(30),
    }
}

fn traffic() -> Rc<Traffic> {
    Traffic::new(Rc::new(settings()), EdgePlan::default())
}

fn class(traffic: &Traffic, path: &str, tenant: &str, session: &str) -> Class {
    let mut headers = HeaderMap::new();
    if !tenant.is_empty() {
        headers.insert("x-tenant", HeaderValue::from_str(tenant).unwrap());
    }
    if !session.is_empty() {
        let cookie = format!("session={session}");
        headers.insert("cookie", HeaderValue::from_str(&cookie).unwrap());
    }
    let class = traffic.class(&Method::GET, "app.example.com", path, &headers);
    class.expect("a route for everything")
}

pub(super) fn plan(revision: u64, web: PoolPlan) -> EdgePlan {
    EdgePlan {
        revision,
        pools: BTreeMap::from([("web".into(), web)]),
        ..EdgePlan::default()
    }
}

fn holding() -> PoolPlan {
    PoolPlan {
        hold: Some(PlanHold {
            since: Timestamp::UNIX_EPOCH,
            reason: "promoting".to_owned(),
        }),
        ..PoolPlan::default()
    }
}

/// Whether it is let in without waiting.
async fn at_once(traffic: &Rc<Traffic>, class: &Class) -> Option<Permit> {
    timeout(Duration::ZERO, traffic.admit(class))
        .await
        .ok()?
        .ok()
}

async fn turned(traffic: &Rc<Traffic>, class: &Class) -> Turned {
    match traffic.admit(class).await {
        Ok(_) => panic!("it was let in"),
        Err(turned) => turned,
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_that_is_given_back_goes_to_the_next() {
    let traffic = traffic();
    let class = class(&traffic, "/", "acme", "");
    let mut permits = Vec::new();
    for _ in 0..4 {
        permits.push(at_once(&traffic, &class).await.unwrap());
    }
    assert!(at_once(&traffic, &class).await.is_none());
    let waiting = traffic.admit(&class);
    tokio::pin!(waiting);
    assert!(timeout(Duration::from_secs(1), &mut waiting).await.is_err());
    permits.pop();
    let permit = timeout(Duration::ZERO, waiting).await.unwrap().unwrap();
    let window = traffic.window(Timestamp::UNIX_EPOCH);
    let web = &window.pools[&"web".into()];
    assert_eq!((web.under_way, web.queued, web.limit), (4, 0, 4));
    drop((permit, permits));
    let window = traffic.window(Timestamp::UNIX_EPOCH);
    assert_eq!(window.pools[&"web".into()].under_way, 0);
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_is_told_when_to_come_back() {
    let traffic = traffic();
    let class = class(&traffic, "/", "acme", "");
    let mut permits = Vec::new();
    for _ in 0..4 {
        permits.push(traffic.admit(&class).await.unwrap_or_else(|_| panic!()));
    }
    let begun = Instant::now();
    let Turned::Shed { why, retry_after } = turned(&traffic, &class).await else {
        panic!("it is shed");
    };
    assert_eq!(why, Why::Waited);
    assert_eq!(begun.elapsed().as_secs(), 5);
    assert!((1..=46).contains(&retry_after.as_secs()));
}

#[tokio::test(start_paused = true)]
async fn a_session_and_a_route_have_bounds_of_their_own() {
    let traffic = traffic();
    let user = class(&traffic, "/", "acme", "kate");
    let reports = class(&traffic, "/reports", "acme", "");
    let first = at_once(&traffic, &user).await.unwrap();
    let _second = at_once(&traffic, &user).await.unwrap();
    assert!(at_once(&traffic, &user).await.is_none());
    let _report = at_once(&traffic, &reports).await.unwrap();
    assert!(at_once(&traffic, &reports).await.is_none());
    // Nobody else is held up by either.
    let other = class(&traffic, "/", "acme", "jim");
    let _other = at_once(&traffic, &other).await.unwrap();
    drop(first);
    assert!(at_once(&traffic, &user).await.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_older_plan_never_replaces_a_newer() {
    let traffic = traffic();
    traffic.apply(plan(7, holding())).unwrap();
    let older = traffic.apply(plan(6, PoolPlan::default()));
    assert_eq!(
        older,
        Err(OlderPlan {
            in_force: 7,
            given: 6
        })
    );
    assert_eq!(traffic.apply(plan(7, PoolPlan::default())), Ok(()));
    assert!(traffic.plan().pools[&"web".into()].hold.is_some());
}

#[tokio::test(start_paused = true)]
async fn what_is_switched_off_is_off_and_nothing_else() {
    let traffic = traffic();
    let off = Off {
        since: Timestamp::UNIX_EPOCH,
        reason: "broken".to_owned(),
        texts: BTreeMap::new(),
        next_update_at: None,
    };
    let mut plan = plan(1, PoolPlan::default());
    plan.off.insert("login".into(), off);
    traffic.apply(plan).unwrap();
    let login = class(&traffic, "/login", "", "");
    assert_eq!(turned(&traffic, &login).await, Turned::Off("login".into()));
    assert!(
        at_once(&traffic, &class(&traffic, "/", "", ""))
            .await
            .is_some()
    );
}

#[tokio::test(start_paused = true)]
async fn a_capped_tenant_gets_its_rate_and_nobody_else_is_capped() {
    let traffic = traffic();
    let acme = class(&traffic, "/", "acme", "");
    let mut plan = plan(1, PoolPlan::default());
    let cap = TenantCap {
        requests_per_s_max: 10,
    };
    plan.tenants.insert(identity::written(acme.tenant), cap);
    traffic.apply(plan.clone()).unwrap();
    for round in 0..3 {
        let mut let_in = 0;
        while at_once(&traffic, &acme).await.is_some() {
            let_in += 1;
        }
        assert_eq!(let_in, if round == 0 { 10 } else { 5 }, "{round}");
        assert!(matches!(
            turned(&traffic, &acme).await,
            Turned::Capped { .. }
        ));
        let other = class(&traffic, "/", "other", "");
        assert!(at_once(&traffic, &other).await.is_some());
        // Another plan with the same cap fills no bucket.
        plan.revision += 1;
        traffic.apply(plan.clone()).unwrap();
        advance(Duration::from_millis(500)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn held_requests_go_on_in_order_and_at_a_pace() {
    let traffic = traffic();
    traffic.apply(plan(1, holding())).unwrap();
    let begun = Instant::now();
    let admit = |tenant: &'static str| {
        let traffic = traffic.clone();
        let class = class(&traffic, "/", tenant, "");
        async move {
            let permit = traffic.admit(&class).await;
            (tenant, begun.elapsed().as_millis(), permit.err())
        }
    };
    let local = tokio::task::LocalSet::new();
    let done = local.run_until(async {
        let mut waiting: Vec<_> = ["a", "a", "a", "b", "c"]
            .into_iter()
            .map(|tenant| tokio::task::spawn_local(admit(tenant)))
            .collect();
        tokio::time::sleep(Duration::from_secs(3)).await;
        traffic.apply(plan(2, PoolPlan::default())).unwrap();
        waiting.push(tokio::task::spawn_local(admit("late")));
        let mut done = Vec::new();
        for one in waiting {
            done.push(one.await.unwrap());
        }
        done
    });
    let done: Vec<_> = done.await;
    let at: Vec<_> = done
        .iter()
        .map(|(tenant, at, turned)| (*tenant, *at, turned.is_none()))
        .collect();
    assert_eq!(
        at,
        [
            ("a", 3000, true),
            ("a", 3500, true),
            ("a", 0, false), // its tenant's bound
            ("b", 4000, true),
            ("c", 0, false),      // the bound of all
            ("late", 4500, true), // behind those that were held
        ]
    );
    assert_eq!(traffic.pools[0].hold.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn bodies_of_held_requests_are_bounded_in_all_and_for_each_tenant() {
    let mut settings = settings();
    // Two of three for a tenant.
    settings.pools[0].hold.bytes_max = 3000;
    let traffic = Traffic::new(Rc::new(settings), EdgePlan::default());
    traffic.apply(plan(1, holding())).unwrap();
    let (acme, other) = (
        class(&traffic, "/", "acme", ""),
        class(&traffic, "/", "other", ""),
    );
    let why = async |class: &Class, bytes| {
        let turned = timeout(Duration::ZERO, traffic.admit_with_body(class, bytes));
        match turned.await.ok()?.err()? {
            Turned::Shed { why, .. } => Some(why),
            _ => None,
        }
    };
    assert_eq!(why(&acme, 2001).await, Some(Why::TenantQueueFull));
    let held = traffic.admit_with_body(&acme, 1500);
    tokio::pin!(held);
    assert!(timeout(Duration::ZERO, &mut held).await.is_err());
    assert_eq!(why(&acme, 501).await, Some(Why::TenantQueueFull));
    assert_eq!(why(&other, 1501).await, Some(Why::HoldFull));
    // It waits, and leaves what it took when its client has gone.
    for _ in 0..3 {
        assert_eq!(why(&other, 1500).await, None);
        assert_eq!(why(&acme, 500).await, None);
    }
    traffic.apply(plan(2, PoolPlan::default())).unwrap();
    assert!(timeout(Duration::from_secs(1), held).await.unwrap().is_ok());
    advance(Duration::from_secs(1)).await;
    // Nothing is held: nothing is counted.
    assert!(traffic.admit_with_body(&acme, 1 << 40).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_hold_that_does_not_end_says_so() {
    let traffic = traffic();
    traffic.apply(plan(1, holding())).unwrap();
    let begun = Instant::now();
    let held = turned(&traffic, &class(&traffic, "/", "acme", "")).await;
    assert!(matches!(held, Turned::HeldTooLong { .. }));
    assert_eq!(begun.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_drains_gets_nothing_new_and_comes_back_slowly() {
    let traffic = traffic();
    let class = class(&traffic, "/", "acme", "");
    let web = "web".into();
    let drain = PoolPlan {
        drain: ["web-1".into()].into(),
        ..PoolPlan::default()
    };
    traffic.apply(plan(1, drain)).unwrap();
    for _ in 0..50 {
        let pick = traffic.pick(&class, &Tried::default(), None).unwrap();
        assert_eq!(pick.instance, 1);
    }
    let state = |traffic: &Traffic| {
        let window = traffic.window(Timestamp::UNIX_EPOCH);
        window.pools[&web].instances[&"web-1".into()].state
    };
    assert!(traffic.is_draining(0, 0));
    assert_eq!(state(&traffic), InstanceState::Draining);
    traffic.apply(plan(2, PoolPlan::default())).unwrap();
    assert_eq!(state(&traffic), InstanceState::SlowStart);
    advance(Duration::from_secs(11)).await;
    assert_eq!(state(&traffic), InstanceState::InUse);
}

#[tokio::test(start_paused = true)]
async fn a_window_tells_what_ended_since_the_last_one() {
    let traffic = traffic();
    let class = class(&traffic, "/reports", "acme", "");
    let pick = traffic.pick(&class, &Tried::default(), None).unwrap();
    let head = Duration::from_millis(20);
    traffic.ended(&pick, Ending::Answered { status: 500, head });
    let finish = Finish {
        kind: Kind::Answered { status: 500 },
        latency: Some(head),
        bytes_in: 3,
        bytes_out: 5,
        retried: true,
    };
    traffic.finished(&class, &finish);
    let window = traffic.window(Timestamp::UNIX_EPOCH);
    let route = &window.routes[&"reports".into()];
    assert_eq!((route.requests, route.errors, route.retried), (1, 1, 1));
    assert_eq!((route.bytes_in, route.bytes_out), (3, 5));
    assert_eq!(route.latencies.total(), 1);
    let tenant = identity::written(identity::tenant_hash(&SALT, "acme"));
    assert_eq!(&window.tenants[&tenant], route);
    let instances = &window.pools[&"web".into()].instances;
    let instance = &instances[&format!("web-{}", pick.instance + 1).as_str().into()];
    assert_eq!((instance.requests, instance.errors), (1, 1));
    assert_eq!(instance.under_way, 1);
    drop(pick);
    let window = traffic.window(Timestamp::UNIX_EPOCH);
    assert!(window.routes.is_empty() && window.tenants.is_empty());
}

proptest::proptest! {
    #[test]
    fn the_newest_plan_is_in_force_whatever_the_order(revisions in proptest::collection::vec(0..50u64, 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let traffic = traffic();
            let mut newest = 0;
            for given in revisions {
                let older = traffic.apply(plan(given, PoolPlan::default())).is_err();
                assert_eq!(older, given < newest);
                newest = newest.max(given);
                assert_eq!(traffic.plan().revision, newest);
            }
        });
    }
}

#[tokio::test(start_paused = true)]
async fn what_stays_open_takes_no_place_and_is_bounded() {
    let mut settings = settings();
    settings.bounds.connections_max = 8;
    let traffic = Traffic::new(Rc::new(settings), EdgePlan::default());
    let acme = class(&traffic, "/", "acme", "kate");
    let other = class(&traffic, "/", "other", "");
    let mut open = Vec::new();
    // Half of all for one tenant, whatever the session's bound on requests.
    for _ in 0..4 {
        let permit = at_once(&traffic, &acme).await.unwrap();
        open.push(permit.stays_open().unwrap());
    }
    let permit = at_once(&traffic, &acme).await.unwrap();
    let kept = permit.stays_open().unwrap_err();
    assert_eq!(traffic.pools[0].gate.held(), 1);
    for _ in 0..4 {
        let permit = at_once(&traffic, &other).await.unwrap();
        open.push(permit.stays_open().unwrap());
    }
    let permit = at_once(&traffic, &other).await.unwrap();
    let permit = permit.stays_open().unwrap_err();
    // A connection of its own is bounded as a connection.
    open.push(permit.upgraded());
    assert_eq!((traffic.pools[0].gate.held(), open.len()), (1, 9));
    assert_eq!(traffic.pools[0].open.count(), 9);
    // Every place is there for work.
    let mut permits = Vec::new();
    for _ in 0..3 {
        permits.push(at_once(&traffic, &other).await.unwrap());
    }
    drop((open, kept, permits));
    assert_eq!(traffic.pools[0].open.count(), 0);
    assert_eq!(traffic.pools[0].gate.held(), 0);
}

#[tokio::test(start_paused = true)]
async fn who_fails_every_third_request_rests_unless_all_do() {
    for (all_do, rests) in [(false, true), (true, false)] {
        let traffic = traffic();
        let class = class(&traffic, "/", "acme", "");
        let (mut counts, mut why) = ([0, 0], None);
        for _ in 0..600 {
            advance(Duration::from_millis(20)).await;
            let pick = traffic.pick(&class, &Tried::default(), None).unwrap();
            let count = &mut counts[pick.instance];
            *count += 1;
            let fails = (all_do || pick.instance == 0) && *count % 3 == 0;
            let status = if fails { 502 } else { 200 };
            let head = Duration::from_millis(5);
            traffic.ended(&pick, Ending::Answered { status, head });
            drop(pick);
            let window = traffic.window(Timestamp::UNIX_EPOCH);
            let web = &window.pools[&"web".into()].instances[&"web-1".into()];
            why = why.or(web.why.clone());
        }
        assert_eq!(why.is_some(), rests, "{why:?}");
        assert!(why.is_none_or(|why| why.ends_with("requests failed, unlike elsewhere")));
    }
}
