//! The pages over made-up records, one scene each, for tests in a real browser and for
//! looking at: `cargo run -p evenkeel --example pages`. Ends with its standard input.

#[path = "pages/planned.rs"]
mod planned;
#[path = "pages/postmortem.rs"]
mod postmortem;
#[path = "pages/story.rs"]
mod story;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use evenkeel::access::roll::{self, Person};
use evenkeel::access::{Access, Role, password};
use evenkeel::pump::board::Board;
use evenkeel::pump::orders::OrderDesk;
use evenkeel::pump::published::Published;
use evenkeel::subscribers::{MailSettings, Settings, Subscribers};
use evenkeel::web::operator::{Console, Places};
use evenkeel::web::serving::{Bounds, serve};
use evenkeel::web::{Site, operator, public};
use evenkeel_core::Timestamp;
use evenkeel_core::action::ActionKind;
use evenkeel_core::authority::{Authority, Grant, Mode};
use evenkeel_core::edge::{
    Criticality, EdgeWindow, InstanceState, InstanceWindow, Latencies, PoolWindow, Traffic,
};
use evenkeel_core::event::{Event, What};
use evenkeel_core::forecast::{Exhausts, Forecast, Grows};
use evenkeel_core::ids::{JobId, RunId};
use evenkeel_core::notice::Regime;
use evenkeel_core::observation::*;
use evenkeel_core::policy::{
    CheckPolicy, ComponentPolicy, DatabasePolicy, JobPolicy, Policy, PoolPolicy, ReadinessPolicy,
    RetryPolicy, RoutePolicy,
};
use evenkeel_core::status::Status;
use evenkeel_core::subject::Subject;
use evenkeel_guards::outlet::Outlet;
use evenkeel_journal::{Journal, Revision, SqliteJournal, codec};
use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use story::{Story, Told};

/// What both people of the scenes log in with.
const PASSWORD: &str = "correct horse battery";

const COMPONENTS: &[(&str, &str)] = &[
    ("login", "Login"),
    ("invoices", "Invoices"),
    ("quotes", "Quotes"),
    ("expenses", "Expenses"),
    ("appointments", "Appointments"),
    ("transport", "Transport orders"),
    ("payroll", "Payroll"),
    ("vat", "VAT return"),
];

fn policy(mode: Mode) -> Policy {
    let mut policy = Policy::default();
    policy.notices.regimes = [Regime::Dora].into();
    for (position, (id, name)) in (0..).zip(COMPONENTS) {
        let component = ComponentPolicy {
            name: (*name).into(),
            position,
            needs: vec!["main".into()],
        };
        policy.components.insert((*id).into(), component);
    }
    let job = JobPolicy {
        stall: Some(Duration::from_secs(300)),
        retry: RetryPolicy {
            budget: 2,
            ..RetryPolicy::default()
        },
        ..JobPolicy::default()
    };
    policy.jobs.insert("payroll-export".into(), job);
    policy
        .databases
        .insert("main".into(), DatabasePolicy::default());
    for (id, name) in [
        ("login-journey", "Log in and book"),
        ("front-page", "Front page"),
    ] {
        let check = CheckPolicy {
            name: name.into(),
            // The stories tell of locks alone; a check that hurts would want results, too.
            components: Vec::new(),
            interval: Duration::from_secs(30),
            slow_after: Some(Duration::from_millis(900)),
            timeout: Duration::from_secs(2),
            ..CheckPolicy::default()
        };
        policy.checks.insert(id.into(), check);
    }
    let morning = ReadinessPolicy {
        name: "The morning".into(),
        checks: vec!["login-journey".into()],
        products: vec!["payroll-export".into()],
    };
    policy.readiness.insert("morning".into(), morning);
    let pool = PoolPolicy {
        name: "The web front ends".into(),
        instances: ["web-1".into(), "web-2".into(), "web-3".into()].into(),
        ..PoolPolicy::default()
    };
    policy.pools.insert("web".into(), pool);
    for (id, component) in [("invoices", "invoices"), ("payroll", "payroll")] {
        let route = RoutePolicy {
            component: Some(component.into()),
            pool: "web".into(),
            criticality: Criticality::Normal,
        };
        policy.routes.insert(id.into(), route);
    }
    let scopes = [
        (ActionKind::EndBackend, Subject::Database("main".into())),
        (ActionKind::EndRun, Subject::Job("payroll-export".into())),
    ];
    let grants = scopes.into_iter().map(|(kind, scope)| {
        let grant = Grant {
            mode,
            ..Grant::default_for(kind)
        };
        ((kind, scope), grant)
    });
    policy.authority = Authority {
        grants: grants.collect(),
    };
    policy
}

/// A nightly run, so many nights before `end`: some take longer, one failed.
fn a_run(night: u32, end: Timestamp) -> (Event, Event) {
    let at = end - SignedDuration::from_hours(24 * i64::from(night));
    let second = Timestamp::from_second(at.as_second()).expect("a time");
    let job = JobId::from("payroll-export");
    let run = RunId::from(format!("payroll-export-night-{night}"));
    let took = 240 + 7 * i64::from(night * 13 % 17);
    let started = What::RunStarted {
        run: run.clone(),
        job: job.clone(),
        started_at: second,
        origin: Origin::Keeper,
        attempt: 1,
        scheduled_at: second,
    };
    let ended_at = second + SignedDuration::from_secs(took);
    let ended = What::RunEnded {
        run,
        job,
        ended_at,
        exit: Exit::Code(i32::from(night == 12)),
        ended_by: None,
    };
    let event = |at, what| Event { at, what };
    (event(second, started), event(ended_at, ended))
}

/// How the checks went lately; badly at the end where something is wrong.
fn show_checks(board: &Board, wrong: bool) {
    let now = Timestamp::now();
    for (check, base) in [("login-journey", 420_u32), ("front-page", 60)] {
        for n in 0..240_u32 {
            let failed = wrong && check == "login-journey" && n > 230;
            let outcome = match failed {
                true => CheckOutcome::Failed {
                    why: "no answer within 2 s".into(),
                    step: Some("log in".into()),
                },
                false => CheckOutcome::Passed,
            };
            let wave = n * 37 % 91 + (n / 40) * 20;
            board.take(
                now - SignedDuration::from_secs(30 * i64::from(240 - n)),
                &CheckResult {
                    check: check.into(),
                    outcome,
                    took_ms: if failed { 2000 } else { base + wave },
                    certificate_expires_at: Some(now + SignedDuration::from_hours(24 * 40)),
                },
            );
        }
    }
}

/// Ten minutes at the edge; with `trouble`, one instance is down and requests wait.
fn show_edge(published: &Published, now: Timestamp, trouble: bool) {
    for n in 0..600_u32 {
        let wave = 40 + n * 37 % 23 + n / 20;
        let busy = trouble && n > 520;
        let instance = |of: u32| {
            let down = busy && of == 2;
            let requests = if down { 0 } else { wave / 2 };
            let mut latencies = Latencies::default();
            for request in 0..requests {
                let slow = if busy { 90_000 } else { 0 };
                latencies.record(u64::from(8_000 + request * 1_700 % 31_000 + slow + n * 10));
            }
            let state = match (down, of) {
                (true, _) => InstanceState::Down,
                (_, 3) => InstanceState::Draining,
                _ => InstanceState::InUse,
            };
            let window = InstanceWindow {
                state,
                under_way: requests / 4,
                requests,
                errors: u32::from(busy && n % 9 == 0),
                latencies,
                why: down.then(|| "GET /health: no answer within 2 s".into()),
            };
            (format!("web-{of}").as_str().into(), window)
        };
        let pool = PoolWindow {
            instances: (1..=3).map(instance).collect(),
            under_way: wave / 2,
            queued: if busy { n - 515 } else { 0 },
            held: 0,
            limit: 48 + n / 60,
            queued_max: Duration::ZERO,
        };
        let tenant = |of: u32| {
            let requests = if of == 0 { wave / 2 } else { wave / 9 };
            let traffic = Traffic {
                requests,
                shed: u32::from(busy && of == 0),
                ..Traffic::default()
            };
            (format!("{:08x}", 0x4f1c_2a00_u32 + of * 7919), traffic)
        };
        let window = EdgeWindow {
            pools: BTreeMap::from([("web".into(), pool)]),
            tenants: (0..6).map(tenant).collect(),
            tenants_rest: Traffic {
                requests: wave / 3,
                ..Traffic::default()
            },
            tenants_rest_count: 44,
            connections: 210,
            ..EdgeWindow::quiet(now - SignedDuration::from_secs(i64::from(600 - n)))
        };
        let at = now - SignedDuration::from_secs(i64::from(599 - n));
        published.windows.take(at, &window);
    }
}

/// A day of memory: two instances leak, one has a healthy sawtooth.
fn show_fill(published: &Published, now: Timestamp, leaks: bool) {
    const MIB: u64 = 1 << 20;
    for n in 0..720_u64 {
        let at = now - SignedDuration::from_secs(i64::try_from(720 - n).unwrap_or(0) * 60);
        for (of, per_hour, tooth) in [("web-1", 21, 30), ("web-2", 17, 30), ("web-3", 0, 120)] {
            let grown = if leaks { n * per_hour / 60 } else { 0 };
            let used = (140 + grown + (n * 7) % tooth) * MIB;
            let level = |resource, used, limit| Level {
                resource,
                used,
                limit: Some(limit),
            };
            let levels = Levels {
                of: Subject::Instance(of.into()),
                started_at: Some(now - SignedDuration::from_hours(13)),
                release: Some("2026-11-18".into()),
                levels: vec![
                    level(Resource::Memory, used, 512 * MIB),
                    level(Resource::OpenFiles, 80 + n % 9, 1024),
                ],
            };
            let from_now = |minutes| now + SignedDuration::from_mins(minutes);
            let forecast = Forecast {
                resource: Resource::Memory,
                used: (140 + grown) * MIB,
                limit: 512 * MIB,
                grows: Grows::ByRequests,
                per_hour: per_hour * MIB,
                per_1000_requests: Some(per_hour * MIB / 120),
                exhausts: Exhausts {
                    earliest: from_now(280),
                    likely: from_now(330),
                    latest: from_now(420),
                },
                grows_since: now - SignedDuration::from_hours(12),
                since_release: Some("2026-11-18".into()),
                way_pct: 40,
                alone: false,
                reckoned_at: now,
            };
            let forecasts = (leaks && of == "web-1").then_some(forecast);
            published
                .fill
                .take(at, &levels, forecasts.into_iter().collect());
        }
    }
    let volume = Levels {
        of: Subject::Volume("database".into()),
        started_at: None,
        release: None,
        levels: vec![Level {
            resource: Resource::DiskBytes,
            used: 61 << 30,
            limit: Some(100 << 30),
        }],
    };
    published.fill.take(now, &volume, Vec::new());
}

fn scene(name: &str) -> Told {
    let ago = Duration::from_secs;
    match name {
        "well" => Story::begin(Mode::Act, ago(1)).told(),
        "incident" => {
            let mut story = Story::begin(Mode::Watch, ago(260));
            story.export_blocks_logins();
            let run = story.first_run();
            for _ in 0..24 {
                let waits = story.logins_wait(&run);
                story.sees(10_000, vec![waits]);
            }
            story.told()
        }
        "resolved" => Story::recovered(ago(420)).told(),
        "postmortem" => {
            let mut story = Story::recovered(ago(900));
            story.export_succeeds();
            story.people_write();
            story.told()
        }
        "proposal" => {
            let mut story = Story::begin(Mode::Propose, ago(40));
            story.export_blocks_logins();
            story.told()
        }
        "unknown" => {
            let mut story = Story::begin(Mode::Act, ago(90));
            let of = Subject::Database("main".into());
            let blind = Some("connection refused".into());
            story.sees(20_000, vec![Seen::Sight(Sight { of, blind })]);
            for _ in 0..5 {
                story.sees(12_000, Vec::new());
            }
            story.told()
        }
        "planned" => {
            let mut story = Story::begin(Mode::Act, ago(3600));
            story.plans_work();
            story.told()
        }
        _ => {
            let mut told = Story::begin(Mode::Act, ago(1)).told();
            told.published.trouble = Some((
                Timestamp::now() - SignedDuration::from_mins(3),
                "the disk is full".into(),
            ));
            told
        }
    }
}

/// Who is told of updates in a scene, and the link of one of them.
fn subscribers(folder: &std::path::Path) -> std::io::Result<(Subscribers, String)> {
    use evenkeel::subscribers::store::{Kind, Wishes};
    std::fs::create_dir(folder)?;
    let settings = Settings {
        is_on: true,
        mail: Some(MailSettings {
            from: "status@example.com"
                .parse()
                .map_err(std::io::Error::other)?,
            reply_to: None,
            per_second: 1,
            per_domain: 1,
            connections: 1,
            dkim: None,
        }),
        subscribers_max: 1000,
        ..Settings::default()
    };
    let own = Subscribers::open(folder, settings).map_err(std::io::Error::other)?;
    let wishes = Wishes {
        language: evenkeel_core::language::Language::English,
        components: Vec::new(),
        maintenance_only: false,
    };
    let one = [(Kind::Mail, "ana@example.com".to_owned(), wishes)];
    let brought = own.store().bring(&one, 1000, Timestamp::now());
    brought.map_err(std::io::Error::other)?;
    let found = own.store().find("ana@", None, 1);
    let found = found.map_err(std::io::Error::other)?;
    let link = found.first().map(|one| own.store().link(one));
    Ok((own, link.unwrap_or_default()))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let (_stop, stopped) = watch::channel(false);
    let folder = tempfile::tempdir()?;
    let people = roll::change(folder.path(), |people| {
        for (name, role) in [("ana", Role::Operator), ("ben", Role::Viewer)] {
            let password = password::hash(PASSWORD).map_err(roll::RollError::Refused)?;
            people.add(Person {
                name: name.into(),
                role,
                password,
            })?;
        }
        Ok(())
    });
    people.map_err(std::io::Error::other)?;
    let (told, _nobody) = mpsc::channel(64);
    let access = Access::new(folder.path(), &Outlet::new("console".into(), told));
    let mut senders = Vec::new();
    let mut lines = String::new();
    for name in [
        "well",
        "incident",
        "resolved",
        "postmortem",
        "proposal",
        "unknown",
        "planned",
        "stale",
    ] {
        let Told {
            published,
            policy,
            events,
        } = scene(name);
        let journal = folder.path().join(format!("{name}.sqlite"));
        let drafts: Vec<_> = events.iter().map(codec::encode).collect();
        let (mut kept, _new) = SqliteJournal::open(&journal).map_err(std::io::Error::other)?;
        kept.append(Revision(0), &drafts)
            .map_err(std::io::Error::other)?;
        let (sender, receiver) = watch::channel(Arc::new(published));
        senders.push(sender);
        let page = TcpListener::bind("127.0.0.1:0").await?;
        let (own, link) = subscribers(&folder.path().join(format!("{name}-subscribers")))?;
        if name == "incident" {
            lines.push_str(&format!("link {link}\n"));
        }
        let site = Site {
            published: receiver,
            policy: Arc::new(policy),
            evidence: std::env::temp_dir().join("evenkeel-no-evidence"),
            name: "Back office".into(),
            url: format!("http://{}", page.local_addr()?),
            settings: Arc::default(),
            useful: Arc::default(),
            subscribers: Some(own),
        };
        let runs = folder.path().join("runs");
        let places = Places { journal, runs };
        let console = Console::new(site.clone(), access.clone(), OrderDesk::empty(), places);
        let operators = TcpListener::bind("127.0.0.1:0").await?;
        lines.push_str(&format!(
            "{name} http://{} http://{}\n",
            page.local_addr()?,
            operators.local_addr()?
        ));
        let bounds = Bounds::default();
        tokio::spawn(serve(page, public::router(site), bounds, stopped.clone()));
        tokio::spawn(serve(
            operators,
            operator::router(console),
            bounds,
            stopped.clone(),
        ));
    }
    std::io::stdout().write_all(lines.as_bytes())?;
    std::io::stdout().write_all(b"ready\n")?;
    std::io::stdout().flush()?;
    // Pages that are not renewed grow stale: here they are not to.
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    loop {
        tick.tick().await;
        for (index, sender) in senders.iter().enumerate() {
            let mut published = Published::clone(&sender.borrow());
            // The last scene is the stale one.
            if index + 1 < senders.len() {
                published.stepped = tokio::time::Instant::now();
                let wrong = published.record.worst_status() > Status::Operational;
                show_edge(&published, Timestamp::now(), wrong);
            }
            sender.send_replace(Arc::new(published));
        }
    }
}
