//! The pump with a journal in memory and guards that do as the test says. Every test is
//! recorded, and replayed when its pump stops: the same decisions, byte for byte.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::action::{Action, ActionKind, Outcome};
use evenkeel_core::authority::{Authority, Grant, Mode};
use evenkeel_core::event::What;
use evenkeel_core::ids::{ActionId, RunId};
use evenkeel_core::message::Message;
use evenkeel_core::observation::{
    ActionOutcome, Exit, Observation, Order, Origin, RunExit, RunStart, ScheduleDue, Seen,
};
use evenkeel_core::policy::{JobPolicy, Policy};
use evenkeel_core::record::{Phase, Record};
use evenkeel_core::subject::Subject;
use evenkeel_guards::guard::{BoxFuture, Guard, Performed, Watchlist};
use evenkeel_guards::outlet::Outlet;
use evenkeel_journal::{
    AppendError, Cause, Draft, Entry, Head, Journal, MemoryJournal, OpenError, ReadError,
    RetainError, Retained, Retention, Revision, Snapshot, SnapshotError, Verification, codec,
};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::orders::RefusalKind;
use super::published::Published;
use super::store::OpenJournal;
use super::{Handle, Pace, Parts, Pump};
use crate::channels::{Channel, Channels};
use crate::recorder::{Recorder, Settings};
use crate::replay::Stretch;
use crate::replay::again::{self, Again};

/// A journal in memory that outlives its pump, and fails as it is told.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Inner>>, Arc<Recordings>);

/// Where its pumps record.
struct Recordings(tempfile::TempDir);

impl Default for Recordings {
    fn default() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
}

#[derive(Default)]
struct Inner {
    journal: MemoryJournal,
    fail: Option<AppendError>,
    appends_refused: usize,
    opened: usize,
}

impl Shared {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    fn record(&self) -> Record {
        codec::fold(&self.inner().journal).unwrap().record
    }

    fn kinds(&self) -> Vec<String> {
        let entries = self.inner().journal.read(Revision::ZERO, 1000).unwrap();
        entries.into_iter().map(|entry| entry.kind).collect()
    }

    fn recorder(&self, mode: Mode) -> Recorder {
        let folder = self.1.0.path().join("recorder");
        let settings = Settings::new(folder, Duration::from_secs(3600), 1 << 30);
        Recorder::start(
            Settings {
                spare: 0,
                ..settings
            },
            policy(mode),
        )
    }

    /// Everything its pumps decided, decided again.
    fn replay(&self) -> Again {
        let folder = self.1.0.path().join("recorder");
        let whole = Stretch {
            from: Timestamp::MIN,
            to: Timestamp::MAX,
        };
        again::replay(&folder, self, whole, &mut |_, _| ()).unwrap()
    }

    fn fail_with(&self, error: Option<AppendError>) {
        self.inner().fail = error;
    }
}

impl Journal for Shared {
    fn head(&self) -> Result<Head, ReadError> {
        self.inner().journal.head()
    }
    fn append(&mut self, expected: Revision, drafts: &[Draft]) -> Result<Revision, AppendError> {
        let mut inner = self.inner();
        if let Some(error) = inner.fail.clone() {
            inner.appends_refused += 1;
            return Err(error);
        }
        inner.journal.append(expected, drafts)
    }
    fn read(&self, after: Revision, limit: usize) -> Result<Vec<Entry>, ReadError> {
        self.inner().journal.read(after, limit)
    }
    fn latest_snapshot(&self, format: u32) -> Result<Option<Snapshot>, ReadError> {
        self.inner().journal.latest_snapshot(format)
    }
    fn save_snapshot(&mut self, snapshot: &Snapshot) -> Result<(), SnapshotError> {
        self.inner().journal.save_snapshot(snapshot)
    }
    fn retain(
        &mut self,
        expected: Revision,
        rules: &Retention,
        now: Timestamp,
    ) -> Result<Retained, RetainError> {
        self.inner().journal.retain(expected, rules, now)
    }
    fn verify(&self, known: &[Head]) -> Result<Verification, ReadError> {
        self.inner().journal.verify(known)
    }
}

impl OpenJournal for Shared {
    fn open(&self) -> Result<Box<dyn Journal>, OpenError> {
        self.inner().opened += 1;
        Ok(Box::new(self.clone()))
    }
    fn open_to_read(&self) -> Result<Box<dyn Journal>, OpenError> {
        Ok(Box::new(self.clone()))
    }
}

/// How a fake guard performs.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Does,
    NeverAnswers,
    Panics,
}

struct Fake {
    manner: Mutex<Manner>,
    performed: Mutex<Vec<ActionId>>,
    began: AtomicUsize,
    watched: Mutex<Vec<Arc<Watchlist>>>,
}

impl Fake {
    fn new(manner: Manner) -> Arc<Self> {
        Arc::new(Self {
            manner: Mutex::new(manner),
            performed: Mutex::default(),
            began: AtomicUsize::new(0),
            watched: Mutex::default(),
        })
    }

    fn performed(&self) -> Vec<ActionId> {
        self.performed.lock().unwrap().clone()
    }
}

impl Guard for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn observe(
        self: Arc<Self>,
        _outlet: Outlet,
        mut watchlist: watch::Receiver<Arc<Watchlist>>,
    ) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            while watchlist.changed().await.is_ok() {
                let seen = watchlist.borrow_and_update().clone();
                self.watched.lock().unwrap().push(seen);
            }
        })
    }

    fn performs(&self) -> &'static [ActionKind] {
        &[ActionKind::StartRun, ActionKind::EndRun]
    }

    fn perform<'a>(&'a self, action: &'a Action) -> BoxFuture<'a, Performed> {
        let manner = *self.manner.lock().unwrap();
        Box::pin(async move {
            self.began.fetch_add(1, Ordering::SeqCst);
            match manner {
                Manner::NeverAnswers => std::future::pending().await,
                Manner::Panics => panic!("a guard with a mistake"),
                Manner::Does => self.performed.lock().unwrap().push(action.id),
            }
            Performed {
                outcome: Outcome::Done("done".into()),
                evidence: None,
            }
        })
    }
}

struct Silent;

impl Channel for Silent {
    fn name(&self) -> &'static str {
        "silent"
    }
    fn tell<'a>(&'a self, _message: &'a Message) -> BoxFuture<'a, Outcome> {
        Box::pin(std::future::ready(Outcome::Done("told nobody".into())))
    }
}

fn policy(start: Mode) -> Arc<Policy> {
    let grant = Grant {
        mode: start,
        ..Grant::default_for(ActionKind::StartRun)
    };
    let key = (ActionKind::StartRun, Subject::Job("export".into()));
    Arc::new(Policy {
        jobs: BTreeMap::from([("export".into(), JobPolicy::default())]),
        authority: Authority {
            grants: BTreeMap::from([(key, grant)]),
        },
        ..Policy::default()
    })
}

struct Running {
    journal: Shared,
    handle: Handle,
    stop: watch::Sender<bool>,
    pump: tokio::task::JoinHandle<()>,
}

impl Running {
    async fn start(journal: &Shared, guard: &Arc<Fake>, mode: Mode) -> Self {
        Self::start_with(journal, guard, mode, BTreeMap::new()).await
    }

    async fn start_with(
        journal: &Shared,
        guard: &Arc<Fake>,
        mode: Mode,
        keep_for: BTreeMap<String, Duration>,
    ) -> Self {
        let pace = Pace {
            tick: Duration::from_millis(100),
            rest: Duration::from_millis(1),
            gather: Duration::from_millis(1),
            patience: Duration::from_millis(100),
            backoff: Duration::from_millis(5),
            snapshot_every: 4,
            retain_every: Duration::from_millis(50),
            farewell: Duration::from_millis(200),
        };
        let (mut pump, handle) = Pump::open(Parts {
            policy: policy(mode),
            journal: Arc::new(journal.clone()),
            // Cannot be written, and stops nothing.
            alive: "/dev/null/alive".into(),
            guards: vec![guard.clone()],
            keep_for,
            pace,
        })
        .await
        .unwrap();
        pump.record_with(journal.recorder(mode));
        let (stop, stopped) = watch::channel(false);
        let channels = Channels {
            operator: Arc::new(Silent),
            public: Arc::new(Silent),
        };
        let pump = tokio::spawn(pump.run(channels, stopped));
        Self {
            journal: journal.clone(),
            handle,
            stop,
            pump,
        }
    }

    async fn see(&self, seen: Seen) {
        assert!(self.handle.outlet.fact(seen).await);
    }

    async fn until(&mut self, what: &str, test: impl Fn(&Published) -> bool) -> Arc<Published> {
        let found = self.handle.published.wait_for(|published| test(published));
        match tokio::time::timeout(Duration::from_secs(20), found).await {
            Ok(published) => published.unwrap().clone(),
            Err(_) => panic!("waited for: {what}"),
        }
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        self.pump.await.unwrap();
        let again = self.journal.replay();
        assert!(again.replayed.replay_steps_count > 0);
        assert_eq!(again.replay_decisions_differ_count, 0, "{again:#?}");
    }

    /// Ends it as a crash would: nothing is said or kept any more.
    async fn crash(self) {
        self.pump.abort();
        let _aborted = self.pump.await;
    }
}

fn due() -> Seen {
    Seen::ScheduleDue(ScheduleDue {
        job: "export".into(),
        scheduled_at: Timestamp::from_second(1_795_000_000).unwrap(),
    })
}

fn phase_of(record: &Record, id: u64) -> Option<&Phase> {
    record.actions.get(&ActionId(id)).map(|state| &state.phase)
}

fn full() -> AppendError {
    AppendError::Full(Cause::new(std::io::Error::other("no space")))
}

#[tokio::test]
async fn a_slot_becomes_an_action_that_is_performed_once_and_written_down() {
    let (journal, guard) = (Shared::default(), Fake::new(Manner::Does));
    let mut pump = Running::start(&journal, &guard, Mode::Act).await;
    pump.see(due()).await;
    pump.until("the outcome", |published| {
        matches!(
            phase_of(&published.record, 1),
            Some(Phase::Performed { .. } | Phase::Proven { .. })
        )
    })
    .await;
    assert_eq!(guard.performed(), [ActionId(1)]);
    // The watchlist reached the guard, with the run that was requested.
    let watched = guard.watched.lock().unwrap().last().cloned().unwrap();
    assert_eq!(watched.open_runs.len(), 1);
    assert_eq!(watched.last_slots.len(), 1);
    let live = pump.handle.published.borrow().record.clone();
    pump.stop().await;
    assert_eq!(
        journal.record(),
        *live,
        "the record is a fold of the journal"
    );
    let kinds = journal.kinds();
    let place = |kind| kinds.iter().position(|k| k == kind).unwrap();
    assert!(place("action_requested") < place("action_ended"));
}

#[tokio::test]
async fn after_a_crash_an_unfinished_action_is_found_and_performed() {
    let journal = Shared::default();
    let deaf = Fake::new(Manner::NeverAnswers);
    let mut pump = Running::start(&journal, &deaf, Mode::Act).await;
    pump.see(due()).await;
    pump.until("the request", |published| {
        matches!(
            phase_of(&published.record, 1),
            Some(Phase::Requested { .. })
        )
    })
    .await;
    pump.crash().await;
    assert!(deaf.performed().is_empty());

    let guard = Fake::new(Manner::Does);
    let mut pump = Running::start(&journal, &guard, Mode::Act).await;
    pump.until("the outcome", |published| {
        !matches!(
            phase_of(&published.record, 1),
            Some(Phase::Requested { .. })
        )
    })
    .await;
    assert_eq!(guard.performed(), [ActionId(1)]);
    pump.stop().await;
}

#[tokio::test]
async fn nothing_is_performed_while_the_journal_takes_no_entries() {
    let (journal, guard) = (Shared::default(), Fake::new(Manner::Does));
    let mut pump = Running::start(&journal, &guard, Mode::Act).await;
    pump.until("a first step", |_| true).await;
    journal.fail_with(Some(full()));
    pump.see(due()).await;
    let sick = pump
        .until("the trouble to be said", |p| p.trouble.is_some())
        .await;
    assert!(sick.ailment().unwrap().contains("free space"));
    assert!(sick.record.actions.is_empty(), "nothing undurable is shown");
    // Tried again, many times, with the same answer.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while journal.inner().appends_refused < 5 {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(guard.began.load(Ordering::SeqCst), 0);

    journal.fail_with(None);
    let well = pump
        .until("the outcome", |published| {
            published.trouble.is_none()
                && matches!(
                    phase_of(&published.record, 1),
                    Some(Phase::Performed { .. } | Phase::Proven { .. })
                )
        })
        .await;
    assert_eq!(well.ailment(), None);
    assert_eq!(guard.performed(), [ActionId(1)]);
    pump.stop().await;
}

#[tokio::test]
async fn another_writer_makes_the_pump_fold_anew_and_keep_its_facts() {
    let (journal, guard) = (Shared::default(), Fake::new(Manner::Does));
    let mut pump = Running::start(&journal, &guard, Mode::Act).await;
    pump.until("a first step", |_| true).await;
    let foreign = codec::encode(&evenkeel_core::event::Event {
        at: Timestamp::now(),
        what: What::ActionsHeld {
            by: "operator:ana".into(),
            reason: "written behind the pump's back".into(),
        },
    });
    let head = journal.head().unwrap().revision;
    journal.inner().journal.append(head, &[foreign]).unwrap();
    pump.see(due()).await;
    let published = pump
        .until("the slot, on the new record", |published| {
            published.record.held.is_some() && !published.record.actions.is_empty()
        })
        .await;
    assert!(published.record.jobs.contains_key(&"export".into()));
    assert_eq!(journal.inner().opened, 2);
    pump.stop().await;
}

#[tokio::test]
async fn a_write_error_opens_the_journal_again() {
    let (journal, guard) = (Shared::default(), Fake::new(Manner::Does));
    let mut pump = Running::start(&journal, &guard, Mode::Act).await;
    pump.until("a first step", |_| true).await;
    journal.fail_with(Some(AppendError::Broken));
    pump.see(due()).await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while journal.inner().opened < 2 {
        assert!(tokio::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    journal.fail_with(None);
    pump.see(due()).await;
    pump.until("the outcome", |published| {
        phase_of(&published.record, 1)
            .is_some_and(|phase| !matches!(phase, Phase::Requested { .. }))
    })
    .await;
    assert_eq!(guard.performed(), [ActionId(1)]);
    pump.stop().await;
}

#[tokio::test]
async fn a_second_outcome_of_an_action_changes_nothing() {
    let (journal, guard) = (Shared::default(), Fake::new(Manner::Does));
    let mut pump = Running::start(&journal, &guard, Mode::Act).await;
    pump.see(due()).await;
    pump.until("the outcome", |published| {
        matches!(
            phase_of(&published.record, 1),
            Some(Phase::Performed { .. } | Phase::Proven { .. })
        )
    })
    .await;
    pump.see(Seen::ActionOutcome(ActionOutcome {
        action: ActionId(1),
        outcome: Outcome::Failed("late and wrong".into()),
        evidence: None,
    }))
    .await;
    let answer = pump.handle.orders.place("ana", hold()).await;
    assert!(answer.is_ok(), "{answer:?}");
    pump.stop().await;
    let ended = journal.kinds().into_iter().filter(|k| k == "action_ended");
    assert_eq!(ended.count(), 1);
    assert_eq!(guard.performed(), [ActionId(1)]);
}

#[tokio::test]
async fn a_guard_that_never_answers_or_panics_has_failed() {
    for (manner, said) in [
        (Manner::NeverAnswers, "did not answer"),
        (Manner::Panics, "mistake in Evenkeel"),
    ] {
        let (journal, guard) = (Shared::default(), Fake::new(manner));
        let mut pump = Running::start(&journal, &guard, Mode::Act).await;
        pump.see(due()).await;
        let published = pump
            .until("the failure", |published| {
                matches!(phase_of(&published.record, 1), Some(Phase::Failed { .. }))
            })
            .await;
        let Some(Phase::Failed { outcome, .. }) = phase_of(&published.record, 1) else {
            unreachable!()
        };
        assert!(outcome.text().contains(said), "{outcome:?}");
        pump.stop().await;
    }
}

fn hold() -> Order {
    Order::HoldActions {
        reason: "migration".into(),
    }
}

#[tokio::test]
async fn an_order_is_answered_when_it_is_durable() {
    let (journal, guard) = (Shared::default(), Fake::new(Manner::Does));
    let mut pump = Running::start(&journal, &guard, Mode::Propose).await;
    let revision = pump.handle.orders.place("ana", hold()).await.unwrap();
    assert_eq!(journal.head().unwrap().revision, Revision(revision));
    assert_eq!(journal.kinds(), ["actions_held"]);
    let release = Order::ReleaseActions {
        reason: "migration done".into(),
    };
    pump.handle.orders.place("ana", release).await.unwrap();

    pump.see(due()).await;
    pump.until("the proposal", |published| {
        matches!(phase_of(&published.record, 1), Some(Phase::Proposed { .. }))
    })
    .await;
    assert!(guard.performed().is_empty());
    let approve = || Order::Approve {
        action: ActionId(1),
    };
    pump.handle.orders.place("ana", approve()).await.unwrap();
    pump.until("the outcome", |published| {
        matches!(
            phase_of(&published.record, 1),
            Some(Phase::Performed { .. } | Phase::Proven { .. })
        )
    })
    .await;
    let published = pump.handle.published.borrow().clone();
    let state = &published.record.actions[&ActionId(1)];
    assert_eq!(state.approved_by, Some("operator:ana".into()));
    let again = pump.handle.orders.place("ana", approve()).await;
    assert_eq!(again.unwrap_err().kind, RefusalKind::Conflict);
    pump.stop().await;
}

#[tokio::test]
async fn orders_that_can_do_nothing_are_refused_with_what_to_do() {
    let (journal, guard) = (Shared::default(), Fake::new(Manner::Does));
    let pump = Running::start(&journal, &guard, Mode::Act).await;
    let orders = &pump.handle.orders;
    let cases = [
        (
            Order::Approve {
                action: ActionId(9),
            },
            RefusalKind::NotFound,
            "evenkeel status",
        ),
        (
            Order::StartJob { job: "x".into() },
            RefusalKind::NotFound,
            "export",
        ),
        (
            Order::Acknowledge {
                incident: evenkeel_core::ids::IncidentId(4),
            },
            RefusalKind::NotFound,
            "evenkeel incidents",
        ),
        (
            Order::LiftStop {
                kind: ActionKind::EndRun,
                scope: Subject::Job("export".into()),
            },
            RefusalKind::Conflict,
            "nothing to lift",
        ),
        (
            Order::HoldActions { reason: " ".into() },
            RefusalKind::Malformed,
            "say why",
        ),
    ];
    for (order, kind, hint) in cases {
        let refusal = orders.place("ana", order).await.unwrap_err();
        assert_eq!(refusal.kind, kind);
        assert!(refusal.why.contains(hint), "{}", refusal.why);
    }
    let nameless = orders.place("", hold()).await.unwrap_err();
    assert_eq!(nameless.kind, RefusalKind::Malformed);
    assert!(journal.kinds().is_empty());
    pump.stop().await;
}

#[tokio::test]
async fn old_entries_go_by_rule_and_the_record_goes_on_with_the_journals_revision() {
    let (journal, guard) = (Shared::default(), Fake::new(Manner::Does));
    let keep_for = BTreeMap::from([("run_started".to_owned(), Duration::ZERO)]);
    let mut pump = Running::start_with(&journal, &guard, Mode::Watch, keep_for).await;
    let run = |n: i32| RunId::from(format!("export-2026-{n}"));
    for n in 0..8 {
        let started_at = Timestamp::now();
        pump.see(Seen::RunStart(RunStart {
            run: run(n),
            job: "export".into(),
            started_at,
            origin: Origin::Wrapper,
        }))
        .await;
        pump.see(Seen::RunExit(RunExit {
            run: run(n),
            job: "export".into(),
            ended_at: Timestamp::now(),
            exit: Exit::Code(0),
        }))
        .await;
    }
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !journal.kinds().iter().any(|kind| kind == "journal.sealed") {
        assert!(
            tokio::time::Instant::now() < deadline,
            "nothing was removed"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    // The revision that the removal took is known: the next append is no conflict.
    pump.handle.orders.place("ana", hold()).await.unwrap();
    let live = pump
        .until("the order", |published| published.record.held.is_some())
        .await;
    let removed = !journal.kinds().iter().any(|kind| kind == "run_started");
    pump.stop().await;
    assert!(removed);
    assert_eq!(journal.inner().opened, 1, "no conflict made it open again");
    assert_eq!(journal.record().runs, live.record.runs);
    assert!(journal.verify(&[]).unwrap().misfit.is_none());
}

#[tokio::test]
async fn stopping_waits_for_what_is_under_way_and_keeps_a_snapshot() {
    let (journal, guard) = (Shared::default(), Fake::new(Manner::Does));
    let pump = Running::start(&journal, &guard, Mode::Act).await;
    pump.see(due()).await;
    pump.stop().await;
    let record = journal.record();
    let kept = journal.latest_snapshot(codec::RECORD_FORMAT).unwrap();
    if record.revision > 0 {
        assert_eq!(kept.unwrap().revision, Revision(record.revision));
    }
    for action in record.actions.values() {
        let performed = guard.performed().contains(&action.action.id);
        let open = matches!(action.phase, Phase::Requested { .. });
        assert!(performed != open, "performed and written down, or neither");
    }
}

#[test]
fn what_is_said_once_is_told_from_what_is_said_again() {
    let observation = |seen| Observation {
        at: Timestamp::UNIX_EPOCH,
        by: "test".into(),
        seen,
    };
    assert!(super::is_fact(&observation(due())));
    assert!(!super::is_fact(&observation(progress())));
}

fn progress() -> Seen {
    Seen::RunProgress(evenkeel_core::observation::RunProgress {
        run: "export-1".into(),
        cpu_ms: 0,
        io_bytes: 0,
        output_bytes: 0,
        reports: 0,
        processes: 1,
    })
}

#[tokio::test]
async fn pictures_shortly_after_a_step_wait_for_more_and_facts_do_not() {
    let observation = |seen| Observation {
        at: Timestamp::UNIX_EPOCH,
        by: "test".into(),
        seen,
    };
    let (sender, mut queue) = mpsc::channel(8);
    let send = |seen| sender.try_send(observation(seen)).expect("there is room");
    let mut inputs = Vec::new();
    let later = Instant::now() + Duration::from_secs(3600);

    send(progress());
    let waits = super::take(&mut queue, &mut inputs, 8, later);
    let cut_short = tokio::time::timeout(Duration::ZERO, waits).await;
    assert!(cut_short.is_err());
    assert_eq!(inputs.len(), 1, "what was taken is kept");

    send(due());
    super::take(&mut queue, &mut inputs, 8, later).await;
    assert_eq!(inputs.len(), 2);

    inputs.clear();
    send(progress());
    super::take(&mut queue, &mut inputs, 8, Instant::now()).await;
    assert_eq!(inputs.len(), 1, "after a silence it is taken at once");
}
