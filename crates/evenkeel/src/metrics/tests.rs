use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::event::{Event, What};
use evenkeel_core::heartbeat::HeartbeatSpec;
use evenkeel_core::observation::{
    CheckOutcome, CheckResult, DatabaseLoad, Exit, LockWaits, Origin,
};
use evenkeel_core::policy::{
    ComponentPolicy, JobPolicy, PoolPolicy, ProductPolicy, ReadinessPolicy, RoutePolicy,
};
use evenkeel_core::record::{HeartbeatState, Record};
use evenkeel_core::status::Status;
use tokio::sync::mpsc;

use super::families::{FAMILIES, Kind};
use super::*;

const UUID: &str = "0f5c1a3e-8a53-4c9b-9d0f-6a1d2b3c4d5e";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// One of everything: a component, a job that ran and runs, a database that is seen.
fn everything() -> Source {
    let now = Timestamp::now();
    let ago = |seconds| evenkeel_core::time::before(now, Duration::from_secs(seconds));
    let mut policy = Policy::default();
    let login = ComponentPolicy {
        name: "Login".into(),
        position: 0,
        needs: vec!["main".into()],
    };
    policy.components.insert("login".into(), login);
    let export = JobPolicy {
        product: Some(ProductPolicy::default()),
        ..JobPolicy::default()
    };
    policy.jobs.insert("export".into(), export);
    policy.databases.insert("main".into(), Default::default());
    policy.checks.insert("front".into(), Default::default());
    let spec = HeartbeatSpec {
        name: "Backup".into(),
        ..HeartbeatSpec::default()
    };
    policy.heartbeats.insert(UUID.into(), spec);
    let morning = ReadinessPolicy {
        name: "The morning".into(),
        checks: Vec::new(),
        products: Vec::new(),
    };
    policy.readiness.insert("morning".into(), morning);
    let pool = PoolPolicy {
        instances: ["web-1".into()].into(),
        ..PoolPolicy::default()
    };
    policy.pools.insert("web".into(), pool);
    let route = RoutePolicy {
        component: None,
        pool: "web".into(),
        criticality: Default::default(),
    };
    policy.routes.insert("all".into(), route);

    let mut record = Record::default();
    let mut happened = |at, what| record.apply(&Event { at, what });
    let started = |run: &str, at| What::RunStarted {
        run: run.into(),
        job: "export".into(),
        started_at: at,
        origin: Origin::Wrapper,
        attempt: 1,
        scheduled_at: at,
    };
    happened(ago(900), started("export-1", ago(900)));
    happened(
        ago(840),
        What::RunEnded {
            run: "export-1".into(),
            job: "export".into(),
            ended_at: ago(840),
            exit: Exit::Code(0),
            ended_by: None,
        },
    );
    happened(
        ago(840),
        What::ProductDelivered {
            job: "export".into(),
            modified_at: ago(850),
            bytes: 10,
            rows: None,
        },
    );
    happened(ago(60), started("export-2", ago(60)));
    happened(
        ago(30),
        What::ComponentStatusChanged {
            component: "login".into(),
            from: Status::Unknown,
            to: Status::PartialOutage,
            reason: "it fails for some".into(),
        },
    );
    happened(ago(30), held_incident());
    let beat = HeartbeatState {
        spec: None,
        created_at: ago(900),
        schedule: None,
        pings: 1,
        last_signal_at: None,
        last_ping_at: None,
        last_success_at: Some(ago(300)),
        failed: None,
        last_run: None,
        due_at: None,
        due_noted_at: None,
        open_runs: Default::default(),
        runs_unwatched: 0,
        begun: None,
        revisions: Default::default(),
        flips: Default::default(),
        up: true,
        paused: false,
    };
    record.heartbeats.insert(UUID.into(), beat);
    record
        .readiness
        .insert("morning".into(), Default::default());
    let mut published = Published::of(record);
    let waits = LockWaits {
        database: "main".into(),
        chains: Vec::new(),
        left_out: 0,
    };
    published
        .locks
        .insert("main".into(), (now, Arc::new(waits)));
    let load = DatabaseLoad {
        database: "main".into(),
        connections_used: 12,
        connections_max: 97,
        idle_in_transaction: Vec::new(),
        oldest_transaction: Some(session(ago(45))),
        prepared: Vec::new(),
    };
    published.load.insert("main".into(), (now, Arc::new(load)));
    let passed = CheckResult {
        check: "front".into(),
        outcome: CheckOutcome::Passed,
        took_ms: 250,
        certificate_expires_at: Some(now),
    };
    published.checks.take(now, &passed);
    let forgotten = CheckResult {
        check: "not-configured".into(),
        ..passed
    };
    published.checks.take(now, &forgotten);
    show_edge(&published, now);
    let copy = published.copies.begin(&"cdn".into(), "s3://status".into());
    copy.delivered(now, now, 3, Duration::from_millis(20));
    Source {
        published: watch::channel(Arc::new(published)).1,
        policy: Arc::new(policy),
        meters: Arc::default(),
        outlet: Outlet::new("pump".into(), mpsc::channel(4).0),
        subscribers: Some(subscribers()),
        certificates: vec![("page", certificate())],
    }
}

/// One who is told, and one message that waits for them.
fn subscribers() -> crate::subscribers::Subscribers {
    use crate::subscribers::standing::Figures;
    use crate::subscribers::store::people::Count;
    use crate::subscribers::store::queue::Backlog;
    use crate::subscribers::store::{Kind, Standing};
    let folder = tempfile::tempdir().unwrap();
    let settings = crate::subscribers::Settings::default();
    let own = crate::subscribers::Subscribers::open(folder.path(), settings).unwrap();
    let counted = Count {
        kind: Kind::Mail,
        standing: Standing::Active,
        count: 1,
    };
    let waits = Backlog {
        rows: 1,
        oldest_due_at: None,
    };
    own.standings().read(Figures {
        counts: vec![counted],
        backlog: vec![(Kind::Mail, waits)],
        trouble: None,
    });
    own
}

/// A second at the edge, and a leak behind it.
fn show_edge(published: &Published, now: Timestamp) {
    use evenkeel_core::edge::*;
    use evenkeel_core::forecast::{Exhausts, Forecast, Grows};
    use evenkeel_core::observation::{Level, Levels, Resource};
    let mut latencies = Latencies::default();
    latencies.record(3_000);
    let instance = InstanceWindow {
        requests: 5,
        errors: 1,
        latencies,
        ..InstanceWindow::default()
    };
    let pool = PoolWindow {
        instances: BTreeMap::from([("web-1".into(), instance)]),
        limit: 40,
        under_way: 2,
        ..PoolWindow::default()
    };
    let traffic = Traffic {
        requests: 6,
        errors: 1,
        shed: 1,
        ..Traffic::default()
    };
    let window = EdgeWindow {
        routes: BTreeMap::from([("all".into(), traffic.clone())]),
        pools: BTreeMap::from([("web".into(), pool)]),
        tenants: BTreeMap::from([("not-configured".into(), traffic)]),
        connections: 9,
        ..EdgeWindow::quiet(now)
    };
    published.windows.take(now, &window);
    let levels = Levels {
        of: evenkeel_core::subject::Subject::Instance("web-1".into()),
        started_at: None,
        release: None,
        levels: vec![Level {
            resource: Resource::Memory,
            used: 100,
            limit: Some(200),
        }],
    };
    let forecast = Forecast {
        resource: Resource::Memory,
        used: 100,
        limit: 200,
        grows: Grows::ByTime,
        per_hour: 10,
        per_1000_requests: None,
        exhausts: Exhausts {
            earliest: now,
            likely: now,
            latest: now,
        },
        grows_since: now,
        since_release: None,
        way_pct: 40,
        alone: false,
        reckoned_at: now,
    };
    published.fill.take(now, &levels, vec![forecast]);
}

fn certificate() -> Arc<Tls> {
    let folder = tempfile::tempdir().expect("a folder");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let files = crate::web::tls::TlsFiles {
        certificate: folder.path().join("certificate.pem"),
        key: folder.path().join("key.pem"),
    };
    std::fs::write(&files.certificate, made.cert.pem()).expect("written");
    std::fs::write(&files.key, made.signing_key.serialize_pem()).expect("written");
    Arc::new(Tls::load(&files).expect("a good certificate"))
}

fn held_incident() -> What {
    use evenkeel_core::finding::{FindingKey, FindingKind, Severity};
    use evenkeel_core::subject::Subject;
    What::IncidentOpened {
        incident: evenkeel_core::ids::IncidentId(1),
        title: "Login is blocked".into(),
        severity: Severity::Critical,
        finding: FindingKey {
            kind: FindingKind::Blind,
            subject: Subject::Database("main".into()),
        },
    }
}

fn session(xact_start: Timestamp) -> evenkeel_core::observation::Session {
    use evenkeel_core::observation::{Session, SessionState};
    Session {
        backend: evenkeel_core::subject::Backend {
            database: "main".into(),
            pid: 7,
            backend_start: xact_start,
        },
        xact_start: Some(xact_start),
        role: "web".into(),
        superuser: false,
        backend_type: "client backend".into(),
        datname: "office".into(),
        in_scope: true,
        application_name: "office".into(),
        state: SessionState::Active,
        state_since: None,
        waits_for: String::new(),
        query: "select secret_word".into(),
        run: None,
        component: None,
    }
}

/// Name and labels of a series, its value.
fn series(text: &str) -> BTreeMap<&str, f64> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            (series, value.parse().expect("a number"))
        })
        .collect()
}

#[test]
fn names_are_the_golden_list_and_all_of_them_are_shown() {
    let text = everything().render();
    let shown: BTreeSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .collect();
    let known: BTreeSet<&str> = FAMILIES.iter().map(|family| family.name).collect();
    assert_eq!(shown, known);
    let list: String = FAMILIES
        .iter()
        .map(|family| format!("{} {}\n", family.name, family.kind.as_str()))
        .collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/metrics.list");
    if std::env::var_os("EVENKEEL_BLESS").is_some() {
        std::fs::write(&path, &list).expect("written");
    }
    let golden = std::fs::read_to_string(&path).expect("the golden list");
    assert_eq!(
        list, golden,
        "a name that is gone breaks dashboards of others"
    );
}

#[test]
fn what_is_seen_has_its_value_and_no_text_of_others() {
    let text = everything().render();
    let series = series(&text);
    for (name, value) in [
        ("evenkeel_component_harmed{component=\"login\"}", 1.0),
        (
            "evenkeel_component_status{component=\"login\",status=\"partial_outage\"}",
            1.0,
        ),
        ("evenkeel_incidents_open{severity=\"critical\"}", 1.0),
        ("evenkeel_runs_open{job=\"export\"}", 1.0),
        ("evenkeel_job_last_run_seconds{job=\"export\"}", 60.0),
        ("evenkeel_job_last_run_succeeded{job=\"export\"}", 1.0),
        ("evenkeel_database_connections{database=\"main\"}", 12.0),
        ("evenkeel_database_seen{database=\"main\"}", 1.0),
        ("evenkeel_well", 1.0),
        ("evenkeel_edge_seen", 1.0),
        ("evenkeel_pool_limit{pool=\"web\"}", 40.0),
        (
            "evenkeel_pool_instances{pool=\"web\",state=\"in_use\"}",
            1.0,
        ),
        (
            "evenkeel_instance_errors_total{pool=\"web\",instance=\"web-1\"}",
            1.0,
        ),
        ("evenkeel_route_shed_total{route=\"all\"}", 1.0),
        (
            "evenkeel_resource_used{of=\"web-1\",resource=\"memory\"}",
            100.0,
        ),
        ("evenkeel_check_up{check=\"front\"}", 1.0),
        ("evenkeel_check_seconds{check=\"front\"}", 0.25),
        ("evenkeel_heartbeat_up{heartbeat=\"Backup\"}", 1.0),
        ("evenkeel_readiness_missing{readiness=\"morning\"}", 0.0),
    ] {
        assert_eq!(series.get(name), Some(&value), "{name}\n{text}");
    }
    assert!(series["process_resident_memory_bytes"] > 1e6);
    for other in ["secret_word", "export-2", UUID, "not-configured"] {
        assert!(!text.contains(other), "{text}");
    }
}

#[test]
fn what_is_not_seen_is_left_out_and_not_zero() {
    let source = everything();
    let mut published = Published::clone(&source.published.borrow());
    published.locks.clear();
    published.load.clear();
    let source = Source {
        published: watch::channel(Arc::new(published)).1,
        ..source
    };
    let text = source.render();
    assert!(
        text.contains("evenkeel_database_seen{database=\"main\"} 0\n"),
        "{text}"
    );
    assert!(!text.contains("evenkeel_database_locks_waiting"), "{text}");
}

#[test]
fn nothing_answers_but_what_is_listed() {
    let paths: Vec<&str> = routes().into_iter().map(|(path, _)| path).collect();
    assert_eq!(paths, ["/metrics"]);
}

/// The dashboard and the alert rules name only metrics that exist, and there are both.
#[test]
fn every_metric_the_monitoring_files_name_exists() {
    for file in ["grafana-dashboard.json", "alert-rules.yml"] {
        let path = root().join("docs/monitoring").join(file);
        let text = std::fs::read_to_string(&path).expect(file);
        let mut count = 0;
        for word in text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
            if !word.starts_with("evenkeel_") && !word.starts_with("process_") {
                continue;
            }
            count += 1;
            let known = FAMILIES.iter().any(|family| {
                let parts = ["_bucket", "_sum", "_count"].iter();
                family.name == word && family.kind != Kind::Histogram
                    || family.kind == Kind::Histogram
                        && parts
                            .clone()
                            .any(|part| word == format!("{}{part}", family.name))
            });
            assert!(known, "{file} names {word}, which no metric is called");
        }
        assert!(count > 10, "{file} names {count} metrics");
    }
    let dashboard = root().join("docs/monitoring/grafana-dashboard.json");
    let dashboard = std::fs::read_to_string(dashboard).expect("a dashboard");
    let dashboard: serde_json::Value = serde_json::from_str(&dashboard).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert!(
            panel["targets"][0]["expr"].is_string(),
            "{}",
            panel["title"]
        );
    }
}

/// Where Prometheus' own tool is installed it reads the rules; elsewhere the test above
/// has to do.
#[test]
fn the_alert_rules_are_what_prometheus_reads() {
    let rules = root().join("docs/monitoring/alert-rules.yml");
    let Ok(checked) = std::process::Command::new("promtool")
        .args(["check", "rules"])
        .arg(&rules)
        .output()
    else {
        return;
    };
    assert!(checked.status.success(), "{checked:?}");
}
