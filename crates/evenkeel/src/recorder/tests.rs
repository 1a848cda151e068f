//! What is recorded comes back; what disks do to it costs no more than it must.

mod disks;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

use evenkeel_core::action::{ActionKind, Outcome};
use evenkeel_core::edge::{
    EdgeWindow, InstanceState, InstanceWindow, Latencies, PoolWindow, Traffic,
};
use evenkeel_core::ids::{ActionId, CheckId, RunId};
use evenkeel_core::observation::*;
use evenkeel_core::subject::{Backend, Subject};
use proptest::prelude::*;

use super::block::{FILE_HEAD, HEAD};
use super::read::Piece;
use super::segment::{Packer, Unpacker};
use super::*;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_795_000_000_000 + ms).unwrap()
}

fn progress(ms: i64, run: u64, cpu_ms: u64) -> Observation {
    Observation {
        at: at(ms),
        by: "jobs".into(),
        seen: Seen::RunProgress(RunProgress {
            run: format!("export-{run}").as_str().into(),
            cpu_ms,
            io_bytes: u64::MAX - cpu_ms,
            output_bytes: 0,
            reports: 0,
            processes: 3,
        }),
    }
}

fn step_at(n: u64) -> Step {
    let ms = n.cast_signed() * 1000;
    Step {
        now: at(ms),
        before: n,
        events: 1,
        inputs: vec![progress(ms - 3, n % 5, n * 10)],
    }
}

fn steps(count: u64) -> Vec<Step> {
    (0..count).map(step_at).collect()
}

fn any_time() -> impl Strategy<Value = Timestamp> {
    let usual = (-5_000_i64..5_000_000).prop_map(at);
    let odd = (
        Timestamp::MIN.as_second()..Timestamp::MAX.as_second(),
        0_i32..1_000_000_000,
    );
    let odd = odd.prop_map(|(second, nanosecond)| {
        Timestamp::new(second, nanosecond).unwrap_or(Timestamp::MAX)
    });
    prop_oneof![9 => usual, 1 => odd]
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-c]{0,3}",
        1 => any::<String>(),
        // Texts that look like other things.
        1 => any_time().prop_map(|at| at.to_string()),
        1 => Just("2026-11-21T02:14:07.500Z".to_owned()),
        1 => Just("null".to_owned()),
    ]
}

prop_compose! {
    fn any_session()(
        pid in any::<i32>(), start in any_time(), xact_start in proptest::option::of(any_time()),
        texts in proptest::array::uniform6(any_text()), superuser in any::<bool>(),
        run in proptest::option::of(any_text()),
    ) -> Session {
        let [role, backend_type, datname, application_name, waits_for, query] = texts;
        Session {
            backend: Backend { database: "main".into(), pid, backend_start: start },
            xact_start,
            role,
            superuser,
            backend_type,
            datname,
            in_scope: true,
            application_name,
            state: SessionState::IdleInTransaction,
            state_since: xact_start,
            waits_for,
            query,
            run: run.map(RunId::from),
            component: None,
        }
    }
}

fn any_chain() -> impl Strategy<Value = LockChain> {
    let waiter = (
        any_session().boxed(),
        proptest::collection::vec(any::<i32>(), 0..4),
        any_time(),
    );
    let waiters = proptest::collection::vec(waiter, 0..4);
    let prepared = (any_text(), any_text(), any_time());
    let root = prop_oneof![
        any_session().prop_map(LockRoot::Session).boxed(),
        prepared
            .prop_map(|(gid, owner, prepared_at)| LockRoot::Prepared {
                gid,
                owner,
                prepared_at
            })
            .boxed(),
    ];
    (root, waiters)
        .prop_map(|(root, waiters)| LockChain {
            root,
            waiters: waiters
                .into_iter()
                .map(|(session, waits_for_pids, since)| LockWaiter {
                    session,
                    waits_for_pids,
                    since,
                    wants: "RowExclusiveLock on users".into(),
                })
                .collect(),
        })
        .boxed()
}

fn any_levels() -> impl Strategy<Value = Seen> {
    let resource = prop_oneof![
        Just(Resource::Memory),
        Just(Resource::TransactionAge),
        any_text().prop_map(Resource::Sequence),
    ];
    let level = (resource, any::<u64>(), proptest::option::of(any::<u64>()));
    let level = level.prop_map(|(resource, used, limit)| Level {
        resource,
        used,
        limit,
    });
    let of = prop_oneof![
        any_text().prop_map(|id| Subject::Instance(id.into())),
        any_text().prop_map(|id| Subject::Volume(id.into())),
    ];
    let rest = (
        proptest::option::of(any_time()),
        proptest::option::of(any_text()),
        proptest::collection::vec(level, 0..4),
    );
    (of, rest).prop_map(|(of, (started_at, release, levels))| {
        Seen::Levels(Levels {
            of,
            started_at,
            release,
            levels,
        })
    })
}

prop_compose! {
    fn any_traffic()(
        numbers in proptest::array::uniform4(any::<u32>()), bytes_in in any::<u64>(),
        waits in proptest::collection::vec(0_u64..100_000_000, 0..5),
    ) -> Traffic {
        let mut latencies = Latencies::default();
        waits.into_iter().for_each(|us| latencies.record(us));
        Traffic {
            requests: numbers[0],
            errors: numbers[1],
            shed: numbers[2],
            retried: numbers[3],
            bytes_in,
            latencies,
            ..Traffic::default()
        }
    }
}

prop_compose! {
    fn any_pool_window()(
        instance in any_text(), why in proptest::option::of(any_text()), traffic in any_traffic(),
        state in prop_oneof![Just(InstanceState::InUse), Just(InstanceState::Draining)],
        queued_max_ms in any::<u32>(),
    ) -> PoolWindow {
        let seen = InstanceWindow {
            state,
            requests: traffic.requests,
            latencies: traffic.latencies,
            why,
            ..InstanceWindow::default()
        };
        PoolWindow {
            instances: BTreeMap::from([(instance.into(), seen)]),
            queued_max: Duration::from_millis(queued_max_ms.into()),
            ..PoolWindow::default()
        }
    }
}

fn any_edge_window() -> impl Strategy<Value = Seen> {
    let routes = proptest::collection::btree_map(any_text(), any_traffic(), 0..3);
    let pools = proptest::collection::btree_map(any_text(), any_pool_window(), 0..3);
    let tenants = proptest::collection::btree_map(any_text(), any_traffic(), 0..3);
    let rest = (any_traffic(), any::<u32>());
    (any_time(), any::<u64>(), routes, pools, tenants, rest).prop_map(
        |(from, plan, routes, pools, tenants, (tenants_rest, count))| {
            let routes = routes.into_iter().map(|(id, seen)| (id.into(), seen));
            let pools = pools.into_iter().map(|(id, seen)| (id.into(), seen));
            Seen::EdgeWindow(EdgeWindow {
                from,
                plan,
                routes: routes.collect(),
                pools: pools.collect(),
                tenants,
                tenants_rest,
                tenants_rest_count: count,
                connections: count,
                connections_refused: 0,
                refused: 1,
            })
        },
    )
}

fn any_seen() -> impl Strategy<Value = Seen> {
    let progress = (any_text(), any::<u64>(), 0_u64..10_000, any::<u32>());
    let progress = progress.prop_map(|(run, cpu_ms, io_bytes, processes)| {
        Seen::RunProgress(RunProgress {
            run: run.into(),
            cpu_ms,
            io_bytes,
            output_bytes: 0,
            reports: 1,
            processes,
        })
    });
    let waits = proptest::collection::vec(any_chain(), 0..3).prop_map(|chains| {
        Seen::LockWaits(LockWaits {
            database: "main".into(),
            chains,
            left_out: 0,
        })
    });
    let prepared = proptest::collection::vec((any_text(), any_time()), 0..3);
    let load = (proptest::option::of(any_session()), prepared).prop_map(|(session, prepared)| {
        Seen::DatabaseLoad(DatabaseLoad {
            database: "main".into(),
            connections_used: 7,
            connections_max: 97,
            idle_in_transaction: session.clone().into_iter().collect(),
            oldest_transaction: session,
            prepared,
        })
    });
    let outcome = prop_oneof![
        Just(CheckOutcome::Passed),
        (any_text(), proptest::option::of(any_text()))
            .prop_map(|(why, step)| CheckOutcome::Failed { why, step }),
    ];
    let check = (
        any_text(),
        outcome,
        any::<u32>(),
        proptest::option::of(any_time()),
    );
    let check = check.prop_map(|(check, outcome, took_ms, certificate_expires_at)| {
        Seen::CheckResult(CheckResult {
            check: CheckId::from(check),
            outcome,
            took_ms,
            certificate_expires_at,
        })
    });
    let exit = prop_oneof![
        any::<i32>().prop_map(Exit::Code),
        any_text().prop_map(Exit::NotStarted),
        Just(Exit::Lost)
    ];
    let exit = (exit, any_time()).prop_map(|(exit, ended_at)| {
        Seen::RunExit(RunExit {
            run: "export-1".into(),
            job: "export".into(),
            ended_at,
            exit,
        })
    });
    let order = prop_oneof![
        any::<u64>().prop_map(|n| Order::Approve {
            action: ActionId(n)
        }),
        any_text().prop_map(|reason| Order::HoldActions { reason }),
        Just(Order::LiftStop {
            kind: ActionKind::EndRun,
            scope: Subject::Job("export".into())
        }),
    ];
    let ended = (any::<u64>(), any_text()).prop_map(|(action, text)| {
        Seen::ActionOutcome(ActionOutcome {
            action: ActionId(action),
            outcome: Outcome::Done(text),
            evidence: None,
        })
    });
    // Boxes: what makes a lock chain is larger than a test's stack.
    prop_oneof![
        progress.boxed(),
        waits.boxed(),
        load.boxed(),
        check.boxed(),
        exit.boxed(),
        order.prop_map(Seen::Order).boxed(),
        ended.boxed(),
        any_levels().boxed(),
        any_edge_window().boxed(),
        (any_text(), any_time(), proptest::option::of(any_text()))
            .prop_map(|(target, valid_until, trouble)| {
                Seen::CopyReport(CopyReport {
                    target: target.into(),
                    valid_until,
                    trouble,
                })
            })
            .boxed(),
        (any_text(), any_time(), any_time())
            .prop_map(|(pool, from, until)| {
                let pool = pool.into();
                Seen::QuietWindow(QuietWindow { pool, from, until })
            })
            .boxed(),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let seen = (any_time(), any_text(), any_seen());
    let seen = seen.prop_map(|(at, by, seen)| Observation {
        at,
        by: by.into(),
        seen,
    });
    let now = (-5_000_i64..5_000_000).prop_map(at);
    let inputs = proptest::collection::vec(seen, 0..6);
    (now, any::<u64>(), 0_u64..9, inputs).prop_map(|(now, before, events, inputs)| Step {
        now,
        before,
        events,
        inputs,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn steps_come_back_as_they_were(blocks in proptest::collection::vec(
        proptest::collection::vec(any_step(), 1..12), 1..5,
    )) {
        let (mut packer, mut unpacker) = (Packer::new(), Unpacker::new());
        for steps in blocks {
            for step in &steps {
                packer.take(step).unwrap();
            }
            let block = packer.block().unwrap();
            prop_assert_eq!(unpacker.block(&block).unwrap(), steps);
        }
    }

    #[test]
    fn a_block_of_anything_is_refused_without_harm(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let packed = zstd::encode_all(&bytes[..], 1).unwrap();
        let _any = Unpacker::new().block(&packed);
        let _any = Unpacker::new().block(&bytes);
        prop_assert!(Base::unpacked(&bytes).is_err());
    }
}

#[test]
fn a_block_out_of_its_order_is_refused() {
    let mut packer = Packer::new();
    let blocks: Vec<Vec<u8>> = steps(3)
        .iter()
        .map(|step| {
            packer.take(step).unwrap();
            packer.block().unwrap()
        })
        .collect();
    let mut unpacker = Unpacker::new();
    unpacker.block(&blocks[0]).unwrap();
    assert_eq!(unpacker.block(&blocks[2]), Err(Damage::OUT_OF_ORDER));
}

#[test]
fn an_object_without_fields_takes_nothing_from_the_next_one() {
    let window = |pool: &str| {
        let pool = (pool.to_owned().into(), PoolWindow::default());
        let mut rest = Traffic::default();
        rest.latencies.record(1_500);
        Seen::EdgeWindow(EdgeWindow {
            plan: 3,
            pools: [pool].into(),
            tenants_rest: rest,
            connections: 7,
            ..EdgeWindow::quiet(at(0))
        })
    };
    let steps: Vec<Step> = ["web", "documents", "web"]
        .map(|pool| {
            let mut step = step_at(1);
            step.inputs[0].seen = window(pool);
            step
        })
        .into();
    let (mut packer, mut unpacker) = (Packer::new(), Unpacker::new());
    for step in &steps {
        packer.take(step).unwrap();
    }
    assert_eq!(unpacker.block(&packer.block().unwrap()).unwrap(), steps);
}

/// A ring in a temporary folder, with a block for each step.
fn settings(folder: &Path) -> Settings {
    Settings {
        flush_after: Duration::ZERO,
        retry_after: Duration::ZERO,
        spare: 0,
        ..Settings::new(folder.join("recorder"), Duration::from_secs(3600), 1 << 30)
    }
}

/// Hands over as the pump does, and waits until the thread has taken it.
struct Pump {
    recorder: Recorder,
    state: State,
    revision: u64,
}

impl Pump {
    fn start(settings: Settings) -> Self {
        let mut recorder = Recorder::start(settings, Arc::default());
        let state = State::default();
        recorder.made_anew(Why::Started, &state, Arc::default(), at(0));
        Self {
            recorder,
            state,
            revision: 0,
        }
    }

    fn shared(&self) -> &Shared {
        &self.recorder.on.as_ref().unwrap().shared
    }

    fn turn(&mut self) {
        let step = step_at(self.revision);
        self.revision += 1;
        self.recorder.turned(step, &self.state, Arc::default);
    }

    /// Until nothing waits.
    fn settle(&self) {
        while self.shared().waiting.load(Ordering::Relaxed) > 0 {
            std::thread::yield_now();
        }
    }

    fn turn_and_settle(&mut self) {
        self.turn();
        self.settle();
    }

    fn stop(self) {
        let on = self.recorder.on.unwrap();
        drop(on.queue);
        on.thread.join().unwrap();
    }
}

fn pieces(settings: &Settings) -> Vec<Piece> {
    let mut all = Vec::new();
    for segment in ring::segments(&settings.folder).unwrap() {
        read::segment(&segment, &mut |piece| {
            all.push(piece);
            ControlFlow::Continue(())
        });
    }
    all
}

/// What stands in a ring, in short: `started 0 1 2 missing continued 5`.
fn said(pieces: &[Piece]) -> String {
    let mut words = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Base(base) => words.push(match &base.why {
                Why::Started => "started".to_owned(),
                Why::Rebuilt => "rebuilt".to_owned(),
                Why::Continued => "continued".to_owned(),
                Why::Gap(gap) => format!("gap({})", gap.steps),
            }),
            Piece::Steps(steps) => words.extend(steps.iter().map(|step| step.before.to_string())),
            Piece::Torn => words.push("torn".into()),
            Piece::Missing(_) => words.push("missing".into()),
        }
    }
    words.join(" ")
}

#[test]
fn what_was_handed_over_is_there_after_a_clean_end() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let mut pump = Pump::start(settings.clone());
    (0..4).for_each(|_| pump.turn());
    pump.stop();
    assert_eq!(said(&pieces(&settings)), "started 0 1 2 3");
}

#[test]
fn only_the_owner_reads_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    Pump::start(settings.clone()).stop();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&settings.folder), 0o700);
    let segment = &ring::segments(&settings.folder).unwrap()[0];
    assert_eq!(mode(&segment.path), 0o600);
}

#[test]
fn a_torn_end_costs_the_last_block_only() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let mut pump = Pump::start(settings.clone());
    (0..4).for_each(|_| pump.turn_and_settle());
    pump.stop();
    let segment = &ring::segments(&settings.folder).unwrap()[0];
    let bytes = std::fs::read(&segment.path).unwrap();
    std::fs::write(&segment.path, &bytes[..bytes.len() - 5]).unwrap();
    let said = said(&pieces(&settings));
    assert!(
        said.starts_with("started 0 1") && said.ends_with(" torn"),
        "{said}"
    );
    assert!(!said.contains('3'), "{said}");
}

#[test]
fn a_damaged_block_is_noticed_and_the_next_segment_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    fill_segments(&settings, 3);
    assert_eq!(
        said(&pieces(&settings)),
        "started 0 1 continued 2 3 continued 4 5 continued"
    );
    let damaged = &ring::segments(&settings.folder).unwrap()[1];
    let mut bytes = std::fs::read(&damaged.path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&damaged.path, &bytes).unwrap();
    assert_eq!(
        said(&pieces(&settings)),
        "started 0 1 continued 2 torn continued 4 5 continued"
    );
    bytes[FILE_HEAD.len() + HEAD] ^= 1;
    std::fs::write(&damaged.path, &bytes).unwrap();
    assert_eq!(
        said(&pieces(&settings)),
        "started 0 1 missing continued 4 5 continued"
    );
}

#[test]
fn a_full_segment_is_followed_by_another_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings {
        segment_bytes: 1,
        ..settings(folder.path())
    };
    let mut pump = Pump::start(settings.clone());
    while ring::segments(&settings.folder).unwrap().len() < 4 {
        pump.turn_and_settle();
    }
    let count = pump.revision;
    pump.stop();
    let said = said(&pieces(&settings));
    let recorded: Vec<u64> = said
        .split(' ')
        .filter_map(|word| word.parse().ok())
        .collect();
    assert_eq!(recorded, (0..count).collect::<Vec<u64>>(), "{said}");
}

/// Until it is so; what the thread does next comes by itself.
fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        std::thread::yield_now();
    }
}

/// A ring with so many segments of two steps, and the beginning of another.
fn fill_segments(settings: &Settings, count: usize) {
    let mut pump = Pump::start(settings.clone());
    for _ in 0..count {
        pump.turn();
        // As the thread says it when a segment is full, but at a time of our choosing: this
        // step still goes into it, and then the next one begins.
        pump.shared().full.store(true, Ordering::Relaxed);
        pump.turn();
        until(|| said(&pieces(settings)).ends_with("continued"));
    }
    pump.stop();
}
