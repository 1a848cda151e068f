//! What deciding costs a request: class, admit, pick, ended, finished, and giving all back,
//! with 10 tenants and with 10,000. Without I/O; `cargo run --release --example deciding`.

use std::future::Future;
use std::io::Write;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use evenkeel_core::edge::{Criticality, EdgePlan};
use evenkeel_edge::settings::{
    Bounds, HoldBounds, Identity, Instance, Limit, Outlier, Pages, Pool, Queue, Retry, Route,
    Settings, Source,
};
use evenkeel_edge::traffic::{Ending, Finish, Kind, Traffic, Tried};
use http::{HeaderMap, HeaderValue, Method};

const ROUNDS: u32 = 2_000_000;

fn main() -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let _entered = runtime.enter();
    for (routes, tenants) in [(10, 10), (10, 10_000), (1000, 10_000)] {
        let mut all: Vec<f64> = (0..3).map(|_| nanoseconds(routes, tenants)).collect();
        all.sort_by(f64::total_cmp);
        writeln!(
            std::io::stdout(),
            "{routes:>5} routes {tenants:>6} tenants {:>7.0} ns a request",
            all[1]
        )?;
    }
    Ok(())
}

fn nanoseconds(routes: usize, tenants: usize) -> f64 {
    let traffic = Traffic::new(Rc::new(settings(routes)), EdgePlan::default());
    let headers: Vec<HeaderMap> = (0..tenants).map(headers).collect();
    let paths: Vec<String> = (0..routes)
        .map(|route| format!("/part-{route}/list/42"))
        .collect();
    let head = Duration::from_millis(2);
    let begun = Instant::now();
    for round in 0..ROUNDS as usize {
        // Tenants in an order that no cache knows.
        let headers = &headers[round.wrapping_mul(0x9e37_79b1) % tenants];
        let path = &paths[round % routes];
        let class = traffic.class(&Method::GET, "app.example.com", path, headers);
        let class = class.expect("there is a route for it");
        let mut context = Context::from_waker(Waker::noop());
        let admitted = pin!(traffic.admit(&class)).poll(&mut context);
        let Poll::Ready(Ok(permit)) = admitted else {
            panic!("there is a place for one");
        };
        let pick = traffic.pick(&class, &Tried::default(), None);
        let pick = pick.expect("there is an instance");
        traffic.ended(&pick, Ending::Answered { status: 200, head });
        let finish = Finish {
            kind: Kind::Answered { status: 200 },
            latency: Some(head),
            bytes_in: 0,
            bytes_out: 1024,
            retried: false,
        };
        traffic.finished(&class, &finish);
        drop((pick, permit));
    }
    begun.elapsed().as_nanos() as f64 / f64::from(ROUNDS)
}

fn headers(tenant: usize) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let value = |text: String| HeaderValue::from_str(&text).expect("it is plain");
    headers.insert("host", HeaderValue::from_static("app.example.com"));
    headers.insert("user-agent", HeaderValue::from_static("Mozilla/5.0"));
    headers.insert("accept", HeaderValue::from_static("text/html"));
    headers.insert("x-tenant", value(format!("tenant-{tenant}")));
    let cookie = format!("theme=dark; session=0123456789abcdef{tenant}");
    headers.insert("cookie", value(cookie));
    headers
}

fn settings(routes: usize) -> Settings {
    let route = |index| Route {
        id: format!("route-{index}").as_str().into(),
        component: None,
        hosts: Vec::new(),
        paths: vec![format!("/part-{index}")],
        methods: Vec::new(),
        pool: "web".into(),
        criticality: Criticality::Normal,
        concurrency_max: None,
        timeout: Duration::from_secs(30),
        idle_timeout: Duration::from_secs(30),
        body_max: 1 << 20,
    };
    let instance = |index: u16| Instance {
        id: format!("web-{index}").as_str().into(),
        address: ([127, 0, 0, 1], 9000 + index).into(),
    };
    let pool = Pool {
        id: "web".into(),
        instances: (0..4).map(instance).collect(),
        check: None,
        outlier: Outlier::default(),
        limit: Limit::default(),
        queue: Queue::default(),
        retry: Retry::default(),
        slow_start: Duration::from_secs(10),
        hold: HoldBounds::default(),
        sticky_cookie: None,
        drain_max: Duration::from_secs(30),
        connect_timeout: Duration::from_secs(1),
        idle_connections_max: 8,
        idle_connection_max: Duration::from_secs(30),
    };
    Settings {
        listeners: Vec::new(),
        routes: (0..routes).map(route).collect(),
        pools: vec![pool],
        identity: Identity {
            tenant: vec![Source::Header("x-tenant".to_owned())],
            session: vec![Source::Cookie("session".to_owned())],
            salt: [9; 16],
        },
        trusted: Vec::new(),
        bounds: Bounds::default(),
        access_log: None,
        pages: Pages::default(),
        state_dir: "/nonexistent".into(),
        shutdown_max: Duration::from_secs(30),
    }
}
