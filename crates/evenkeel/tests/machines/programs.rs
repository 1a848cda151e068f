//! Read by programs of other makes: feedparser, a validator of JSON Schema, expat, and an
//! exporter that people point at Statuspage.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use evenkeel::web::public;
use evenkeel::web::serving::{Bounds, serve};
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::maintenance::{MaintenanceNews, MaintenanceStatus, PlannedImpact};
use evenkeel_core::status::Status;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::scene::{Scene, second};

/// Names that a format could trip over.
const NAMES: [&str; 3] = [
    "Login",
    "Time & <b>expenses</b> \"]]>\"",
    "Rechnungen, Ωμέγα 請求書",
];

/// Serves a scene as the public listener does and has it read; `expected` is what they have
/// to find.
fn read(scene: &Scene, expected: &Value) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/machines");
    let corpora = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("corpora");
    let exporter = corpora.join("statuspage_prometheus_exporter");
    assert!(
        exporter.join("VERSION").is_file(),
        "{} is not there; cargo xtask setup fetches it",
        exporter.display()
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let (stop, stopped) = watch::channel(false);
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = public::router(scene.site());
    runtime.spawn(serve(listener, router, Bounds::default(), stopped));
    // The exporter keeps what it saw in the folder it runs in.
    let folder = tempfile::tempdir().unwrap();
    let said = Command::new("/usr/bin/python3")
        .arg(here.join("read.py"))
        .args([&here, &exporter.join("src")])
        .args([&address, &expected.to_string()])
        .args(scene.paths())
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .expect("python3");
    drop(stop);
    let (out, wrong) = (said.stdout, String::from_utf8_lossy(&said.stderr));
    assert!(said.status.success(), "{wrong}");
    assert_eq!(String::from_utf8_lossy(&out).trim(), "all read", "{wrong}");
}

#[test]
fn programs_of_other_makes_read_an_outage() {
    let mut scene = Scene::of(&NAMES);
    scene.is(second(0), 0, Status::MajorOutage);
    scene.is(second(0), 1, Status::PartialOutage);
    let over = scene.opens(second(100), &[(2, Status::DegradedPerformance)]);
    scene.says(second(100), over);
    scene.comes_to(second(300), over, IncidentStatus::Resolved);
    let open = scene.opens(
        second(5000),
        &[(0, Status::MajorOutage), (1, Status::PartialOutage)],
    );
    scene.says(second(5000), open);
    scene.comes_to(second(5060), open, IncidentStatus::Identified);
    let expected = json!({
        "indicator": "critical",
        "components": {
            (NAMES[0]): "major_outage", (NAMES[1]): "partial_outage", (NAMES[2]): "degraded_performance",
        },
        "titles": [
            format!("{} and {} do not work", NAMES[0], NAMES[1]),
            format!("{} was slow", NAMES[2]),
        ],
        "updates": [2, 2],
        "updated": ["2025-06-15T16:31:00+00:00", "2025-06-15T15:11:40+00:00"],
        "up": 0,
    });
    read(&scene, &expected);
}

#[test]
fn programs_of_other_makes_read_planned_work() {
    let mut scene = well();
    let hour = |n: i64| second(n * 3600);
    let now = scene.plans(hour(1), &[0, 1], (hour(270), 60), PlannedImpact::Outage);
    let under_way = MaintenanceStatus::InProgress;
    scene.turns(hour(270), now, under_way, MaintenanceNews::Began);
    scene.is(hour(270), 0, Status::UnderMaintenance);
    scene.is(hour(270), 1, Status::UnderMaintenance);
    scene.moves(second(270 * 3600 + 600), now, hour(290));
    let off = scene.plans(hour(2), &[2], (hour(400), 90), PlannedImpact::Degraded);
    let cancelled = MaintenanceStatus::Cancelled;
    scene.turns(hour(3), off, cancelled, MaintenanceNews::Cancelled);
    let titles = [
        format!("Maintenance of {}", NAMES[2]),
        format!("Maintenance of {} and {}", NAMES[0], NAMES[1]),
    ];
    let expected = json!({
        "indicator": "minor",
        "components": {
            (NAMES[0]): "under_maintenance", (NAMES[1]): "under_maintenance", (NAMES[2]): "operational",
        },
        "titles": titles,
        "updates": [2, 3],
        "updated": ["2025-06-15T18:06:40+00:00", "2025-06-26T21:16:40+00:00"],
        "up": 0,
        "incidents": [],
        "events": [
            {
                "summary": titles[0], "status": "CANCELLED", "sequence": 1, "impact": "DEGRADED",
                "start": "2025-07-02T07:06:40+00:00", "end": "2025-07-02T08:36:40+00:00",
                "objects": ["c2"],
            },
            {
                "summary": titles[1], "status": "CONFIRMED", "sequence": 1, "impact": "OUTAGE",
                "start": "2025-06-26T21:06:40+00:00", "end": "2025-06-27T17:06:40+00:00",
                "objects": ["c0", "c1"],
            },
        ],
    });
    read(&scene, &expected);
}

fn well() -> Scene {
    let mut scene = Scene::of(&NAMES);
    for component in 0..3 {
        scene.is(second(0), component, Status::Operational);
    }
    scene
}

#[test]
fn programs_of_other_makes_read_that_all_is_well() {
    let scene = well();
    let expected = json!({
        "indicator": "none",
        "components": {
            (NAMES[0]): "operational", (NAMES[1]): "operational", (NAMES[2]): "operational",
        },
        "titles": [],
        "updates": [],
        "updated": [],
        "up": 1,
    });
    read(&scene, &expected);
}

#[test]
fn programs_of_other_makes_do_not_take_what_is_old_for_well() {
    let mut scene = well();
    scene.is_stale = true;
    let expected = json!({
        "indicator": "minor",
        "components": {
            (NAMES[0]): "degraded_performance", (NAMES[1]): "degraded_performance",
            (NAMES[2]): "degraded_performance",
        },
        "titles": [],
        "updates": [],
        "updated": [],
        "up": 0,
    });
    read(&scene, &expected);
}
