//! A jobs guard with real supervisors: this test binary, called again.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::action::{Action, Outcome, Task};
use evenkeel_core::ids::{ActionId, JobId, RunId};
use evenkeel_core::observation::{Exit, Observation, Origin, Seen};
use evenkeel_guards::evidence::EvidenceStore;
use evenkeel_guards::guard::{Guard, Performed, Watchlist};
use evenkeel_guards::jobs::runs::Runs;
use evenkeel_guards::jobs::spool::Spool;
use evenkeel_guards::jobs::supervise::{Supervise, supervise};
use evenkeel_guards::jobs::{JobSpec, Jobs};
use evenkeel_guards::outlet::Outlet;
use jiff::tz::TimeZone;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

const FOLDER: &str = "TEST_SPOOL";
const COMMAND: &str = "TEST_COMMAND";

/// In a process that was called as a supervisor: supervises, and does not return.
pub(crate) fn be_supervisor_if_called() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let text = |name: &str| std::env::var(name).unwrap_or_default();
    let what = Supervise {
        run: RunId::from(text("TEST_RUN")),
        job: JobId::from(text("TEST_JOB")),
        origin: Origin::Keeper,
        spool: Some(Spool::new(folder)),
        command: vec!["sh".into(), "-c".into(), text(COMMAND)],
        environment: Vec::new(),
        user: None,
        working_dir: None,
        nice: None,
        ionice: Vec::new(),
        passes_output: false,
    };
    // A thread of its own: this one drives the test's runtime.
    let code = std::thread::spawn(move || supervise(&what)).join();
    let code = code.expect("no panic").expect("a supervisor");
    std::process::exit(i32::from(code));
}

pub(crate) struct Bench {
    pub(crate) guard: Arc<Jobs>,
    pub(crate) spool: Spool,
    pub(crate) evidence: Arc<EvidenceStore>,
    pub(crate) watchlist: watch::Sender<Arc<Watchlist>>,
    seen: mpsc::Receiver<Observation>,
    observing: JoinHandle<()>,
    folder: TempDir,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.observing.abort();
        // Whatever a failed test leaves: by the run's own name, never by a process name.
        for run in self.spool.runs().unwrap_or_default() {
            if let Some(meta) = self.spool.meta(&run) {
                for stat in evenkeel_guards::jobs::tree::Look::take().members(&meta) {
                    evenkeel_guards::jobs::tree::id(stat).signal(rustix::process::Signal::KILL);
                }
            }
        }
    }
}

pub(crate) const JOB: &str = "export";

impl Bench {
    /// A guard of one job that runs `command` in a shell. `test` is the name of the
    /// calling test, which calls [`be_supervisor_if_called`] first.
    pub(crate) fn new(test: &str, command: &str) -> Self {
        let spec = JobSpec {
            id: JOB.into(),
            schedule: None,
            zone: TimeZone::UTC,
            due: None,
            product: None,
            startable: true,
        };
        Self::with(test, command, spec)
    }

    pub(crate) fn with(test: &str, command: &str, spec: JobSpec) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let spool = Spool::new(folder.path().join("runs"));
        let runs = Arc::new(Runs::new(spool.clone()));
        let evidence = Arc::new(EvidenceStore::new(
            folder.path().join("evidence"),
            Some(runs.clone()),
        ));
        // `--job JOB --run-id RUN --scheduled-at ... --attempt ...` become $1 to $8.
        let script = format!(
            "{FOLDER}='{}' TEST_JOB=$2 TEST_RUN=$4 exec \"$0\" --exact {test} --nocapture",
            spool.folder().display()
        );
        let own = std::env::current_exe().expect("our own program");
        let runner: Vec<OsString> = vec![
            "env".into(),
            format!("{COMMAND}={command}").into(),
            "sh".into(),
            "-c".into(),
            script.into(),
            own.into(),
        ];
        let guard = Arc::new(Jobs::new(vec![spec], runs, evidence.clone(), None, runner));
        let (queue, seen) = mpsc::channel(4096);
        let (watchlist, watched) = watch::channel(Arc::default());
        let outlet = Outlet::new("jobs".into(), queue);
        let observing = tokio::spawn(guard.clone().observe(outlet, watched));
        Self {
            guard,
            spool,
            evidence,
            watchlist,
            seen,
            observing,
            folder,
        }
    }

    /// Observes anew, as after a restart of the server: nothing is remembered.
    pub(crate) fn begin_anew(&mut self) {
        self.observing.abort();
        let (queue, seen) = mpsc::channel(4096);
        let outlet = Outlet::new("jobs".into(), queue);
        let watched = self.watchlist.subscribe();
        self.observing = tokio::spawn(self.guard.clone().observe(outlet, watched));
        self.seen = seen;
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) async fn perform(&self, id: u64, task: Task) -> Performed {
        let action = Action {
            id: ActionId(id),
            task,
            reason: String::new(),
            facts: Vec::new(),
            finding: None,
            incident: None,
            decided_at_revision: 0,
            decided_at: Timestamp::now(),
        };
        self.guard.perform(&action).await
    }

    pub(crate) async fn start(&self, run: &RunId) -> Outcome {
        let task = Task::StartRun {
            run: run.clone(),
            job: JOB.into(),
            scheduled_at: Timestamp::now(),
            attempt: 1,
        };
        self.perform(1, task).await.outcome
    }

    /// Starts a run that must start.
    pub(crate) async fn started(&self, run: &RunId) {
        let outcome = self.start(run).await;
        assert!(matches!(outcome, Outcome::Done(_)), "{outcome:?}");
    }

    pub(crate) async fn end(&self, run: &RunId, grace: Duration) -> Performed {
        let task = Task::EndRun {
            run: run.clone(),
            job: JOB.into(),
            grace,
        };
        self.perform(2, task).await
    }

    /// The first thing seen that `wanted` makes something of.
    pub(crate) async fn until<T>(&mut self, what: &str, wanted: impl Fn(Seen) -> Option<T>) -> T {
        let found = async {
            loop {
                let seen = self.seen.recv().await.expect("the guard observes").seen;
                if let Some(found) = wanted(seen) {
                    return found;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), found)
            .await
            .unwrap_or_else(|_| panic!("no {what} within 30 s"))
    }

    pub(crate) async fn exit_of(&mut self, run: &RunId) -> Exit {
        let run = run.clone();
        self.until("end of the run", move |seen| match seen {
            Seen::RunExit(exit) if exit.run == run => Some(exit.exit),
            _ => None,
        })
        .await
    }

    /// Tells the guard what the record knows: `run` is over.
    pub(crate) fn record_knows_end_of(&self, run: &RunId) {
        self.watchlist.send_replace(Arc::new(Watchlist {
            ended_runs: BTreeMap::from([(run.clone(), JOB.into())]),
            ..Watchlist::default()
        }));
    }
}

/// Looks again until `holds`; what is looked at changes by itself.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let until = tokio::time::Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(
            tokio::time::Instant::now() < until,
            "not within 30 s: {what}"
        );
        // waits: for another process; looked at again until the deadline above
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
