//! What recording costs: bytes per observation and observations per second, for each mix,
//! beside zstd over lines of JSON (the same observations, the same blocks, the same level).
//! Prints JSON. Build it with --release: `cargo run --release --example recorder_cost -p evenkeel`.
//!
//! The worlds are seeded. Writing is measured whole, from the hand-over to the end of the
//! thread, syncing included; the segment's start is not counted in bytes per observation.

use std::sync::Arc;
use std::time::{Duration, Instant};

use evenkeel::recorder::{Recorder, Settings, Step, Why, ring};
use evenkeel_core::Timestamp;
use evenkeel_core::heartbeat::{Ping, PingSource, Signal};
use evenkeel_core::observation::*;
use evenkeel_core::step::State;
use evenkeel_core::subject::Backend;
use serde_json::json;

/// Steps between two blocks of the peer: ten seconds' worth, as the recorder has it.
const BLOCK: usize = 3000;

type Mix = fn(&mut fastrand::Rng, u64) -> (i64, Seen);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: u64 = std::env::args()
        .nth(1)
        .map_or(Ok(200_000), |text| text.parse())?;
    let mixes: [(&str, Mix); 5] = [
        ("checks_10000_per_30s", check),
        ("runs_100_per_s", progress),
        ("lock_waits", lock_waits),
        ("database_load", load),
        ("pings", ping),
    ];
    let mut figures = serde_json::Map::new();
    for (name, mix) in mixes {
        // A picture of a lock chain is some twenty times an ordinary observation.
        let count = if name == "lock_waits" {
            count / 20
        } else {
            count
        };
        figures.insert(name.to_owned(), measure(mix, count)?);
    }
    let text = serde_json::to_string_pretty(&json!({
        "bench": "recorder_cost",
        "peer": "zstd -3 over lines of JSON, a frame for each 3000 observations",
        "mixes": figures,
    }))?;
    use std::io::Write;
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}

fn measure(mix: Mix, count: u64) -> Result<serde_json::Value, Box<dyn std::error::Error>> {
    let mut rng = fastrand::Rng::with_seed(1);
    let steps: Vec<Step> = (0..count)
        .map(|n| {
            let (ms, seen) = mix(&mut rng, n);
            let now = at(ms + rng.i64(0..2));
            Step {
                now,
                before: 0,
                events: 0,
                inputs: vec![Observation {
                    at: at(ms),
                    by: "guard".into(),
                    seen,
                }],
            }
        })
        .collect();
    let (mut peer_bytes, mut json_bytes) = (0, 0);
    let peer_began = Instant::now();
    for block in steps.chunks(BLOCK) {
        let mut lines = Vec::new();
        for step in block {
            serde_json::to_writer(&mut lines, &(step.now, step.before, &step.inputs))?;
            lines.push(b'\n');
        }
        json_bytes += lines.len();
        peer_bytes += zstd::encode_all(&lines[..], 3)?.len();
    }
    let peer_took = peer_began.elapsed();

    let folder = tempfile::tempdir()?;
    let mut settings = Settings::new(
        folder.path().join("ring"),
        Duration::from_secs(3600),
        8 << 30,
    );
    settings.segment_bytes = 1 << 30;
    let head = {
        let mut recorder = Recorder::start(settings.clone(), Arc::default());
        recorder.made_anew(Why::Started, &State::default(), Arc::default(), at(0));
        finish(recorder)?;
        total(&settings)?
    };
    let mut recorder = Recorder::start(settings.clone(), Arc::default());
    let state = State::default();
    recorder.made_anew(Why::Started, &state, Arc::default(), at(0));
    let recording = recorder.recording();
    let began = Instant::now();
    let mut handing_over = Duration::ZERO;
    for step in steps {
        // The pump would drop what does not fit; here all of it is to be measured.
        while recorder.is_behind() {
            std::thread::yield_now();
        }
        let handed = Instant::now();
        recorder.turned(step, &state, Arc::default);
        handing_over += handed.elapsed();
    }
    finish(recorder)?;
    let took = began.elapsed();
    if let Some((_, why)) = recording.trouble() {
        return Err(why.into());
    }
    let bytes = total(&settings)? - 2 * head;
    let per = |bytes: f64| (bytes / count as f64 * 100.0).round() / 100.0;
    Ok(json!({
        "observations_count": count,
        "bytes_per_observation": per(bytes as f64),
        "peer_bytes_per_observation": per(peer_bytes as f64),
        "json_bytes_per_observation": per(json_bytes as f64),
        "bytes_against_peer_ratio": (bytes as f64 / peer_bytes as f64 * 1000.0).round() / 1000.0,
        "observations_per_s": (count as f64 / took.as_secs_f64()).round(),
        "peer_observations_per_s": (count as f64 / peer_took.as_secs_f64()).round(),
        "hand_over_ns": (handing_over.as_nanos() as f64 / count as f64).round(),
    }))
}

fn finish(recorder: Recorder) -> Result<(), std::io::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    runtime.block_on(recorder.close());
    Ok(())
}

fn total(settings: &Settings) -> Result<u64, std::io::Error> {
    let segments = ring::segments(&settings.folder)?;
    Ok(segments.iter().map(|segment| segment.bytes).sum())
}

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_795_000_000_000 + ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// 10,000 checks every 30 s with a jitter of a second, each with a latency of its own.
fn check(rng: &mut fastrand::Rng, n: u64) -> (i64, Seen) {
    let (round, check) = (n / 10_000, n % 10_000);
    let ms = (round * 30_000 + check * 3).cast_signed() + rng.i64(0..3);
    // Jitter changes who comes when.
    let check = (check + rng.u64(0..300)) % 10_000;
    let usual = 20 + (check * 7919 % 400) as u32;
    let took_ms = usual + rng.u32(0..usual / 4);
    let failed = rng.u32(0..500) == 0;
    let result = CheckResult {
        check: format!("customer-{check}-front-page").as_str().into(),
        outcome: if failed {
            CheckOutcome::Failed {
                why: "the answer was 503, expected 200".into(),
                step: None,
            }
        } else {
            CheckOutcome::Passed
        },
        took_ms,
        certificate_expires_at: Some(at(86_400_000 * (check % 90).cast_signed())),
    };
    (ms, Seen::CheckResult(result))
}

/// 100 runs that report every second.
fn progress(rng: &mut fastrand::Rng, n: u64) -> (i64, Seen) {
    let (second, run) = (n / 100, n % 100);
    let ms = (second * 1000 + run * 10).cast_signed() + rng.i64(0..5);
    let progress = RunProgress {
        run: format!("import-{run}-20261121T020000Z-1").as_str().into(),
        cpu_ms: second * (100 + run * 8) + rng.u64(0..50),
        io_bytes: second * (1 << 16) * (run + 1) + rng.u64(0..1 << 16),
        output_bytes: second / 5 * 80,
        reports: 0,
        processes: 1 + (run % 4) as u32,
    };
    (ms, Seen::RunProgress(progress))
}

fn session(rng: &mut fastrand::Rng, pid: i32, ms: i64) -> Session {
    Session {
        backend: Backend {
            database: "main".into(),
            pid,
            backend_start: at(i64::from(pid) * 1000),
        },
        xact_start: Some(at(ms / 20_000 * 20_000)),
        role: "app".into(),
        superuser: false,
        backend_type: "client backend".into(),
        datname: "backoffice".into(),
        in_scope: true,
        application_name: format!("backoffice-{}", pid % 4),
        state: SessionState::Active,
        state_since: Some(at(ms - rng.i64(0..3000))),
        waits_for: "Lock/transactionid".into(),
        query: format!(
            "update users set last_login_at = now() where id = ${}",
            pid % 3
        ),
        run: None,
        component: Some("login".into()),
    }
}

/// A chain that grows and drains, a picture every quarter of a second.
fn lock_waits(rng: &mut fastrand::Rng, n: u64) -> (i64, Seen) {
    let ms = (n * 250).cast_signed();
    let waiters = (n % 40) as i32;
    let chain = LockChain {
        root: LockRoot::Session(session(rng, 100, ms)),
        waiters: (0..waiters)
            .map(|pid| LockWaiter {
                session: session(rng, 200 + pid, ms),
                waits_for_pids: vec![100],
                since: at(ms / 10_000 * 10_000 + i64::from(pid) * 250),
                wants: "RowExclusiveLock on users".into(),
            })
            .collect(),
    };
    let picture = LockWaits {
        database: "main".into(),
        chains: Some(chain).filter(|_| waiters > 0).into_iter().collect(),
        left_out: 0,
    };
    (ms, Seen::LockWaits(picture))
}

/// Connections of four databases every five seconds.
fn load(rng: &mut fastrand::Rng, n: u64) -> (i64, Seen) {
    let ms = (n * 1250).cast_signed() + rng.i64(0..20);
    let oldest = session(rng, 300 + (n / 40 % 50) as i32, ms);
    let load = DatabaseLoad {
        database: format!("main-{}", n % 4).as_str().into(),
        connections_used: 40 + rng.u32(0..10),
        connections_max: 97,
        idle_in_transaction: Vec::new(),
        oldest_transaction: Some(oldest),
        prepared: Vec::new(),
    };
    (ms, Seen::DatabaseLoad(load))
}

/// 300 heartbeats that tell every minute, without bodies.
fn ping(rng: &mut fastrand::Rng, n: u64) -> (i64, Seen) {
    let ms = (n * 200).cast_signed() + rng.i64(0..150);
    let heartbeat = n % 300;
    let ping = Ping {
        heartbeat: format!("6d0f1c9e-7a52-4c1b-9f3e-{heartbeat:012}")
            .as_str()
            .into(),
        order: n + 1,
        signal: Signal::Success,
        rid: None,
        body: String::new(),
        source: PingSource {
            scheme: "https".into(),
            method: "GET".into(),
            remote: format!("10.0.{}.{}", heartbeat / 100, heartbeat % 100),
            agent: "curl/8.5.0".into(),
        },
        next_due_at: Some(at(ms / 60_000 * 60_000 + 60_000)),
    };
    (ms, Seen::Ping(ping))
}
