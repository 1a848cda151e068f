//! The jobs guard: slots that come due, runs and how far they are, products, and the hand
//! that starts and ends runs.
//!
//! Each run has a supervisor, a small process of its own ([`supervise`]), which meets the
//! guard in the run's folder ([`spool`]) and nowhere else. So a run under another
//! scheduler (`evenkeel run`) and one that Evenkeel starts are the same thing, a restart
//! of the server ends none, and one that ran while the server was away is told when it is
//! back.
//!
//! It never decides. When a run is to be started, retried, or ended is for the core to
//! say; a run is started once, however often its start is asked for, because its folder
//! can be claimed only once.

pub mod clock;
mod end;
pub mod product;
pub mod runs;
pub mod schedule;
mod sockets;
pub mod spool;
pub mod supervise;
pub mod tree;
mod watch;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::action::{Action, ActionKind, Outcome, Task};
use evenkeel_core::ids::{JobId, RunId};
use jiff::tz::TimeZone;
use tokio::sync::watch::Receiver;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::evidence::EvidenceStore;
use crate::guard::{BoxFuture, Guard, Performed, RunDatabase, Watchlist};
use crate::outlet::Outlet;
use clock::Due;
use end::End;
use product::ProductSpec;
use runs::Runs;
use schedule::Schedule;

/// A job, as the checked configuration names it.
#[derive(Debug, Clone)]
pub struct JobSpec {
    /// Its name.
    pub id: JobId,
    /// When it runs; `None` where only orders and other schedulers start it.
    pub schedule: Option<Schedule>,
    /// The zone of its schedule, and of the placeholders in its product's name.
    pub zone: TimeZone,
    /// By when its product must be there.
    pub due: Option<Due>,
    /// What it must deliver.
    pub product: Option<ProductSpec>,
    /// Whether the configuration says what to run, so that it can be started from here.
    pub startable: bool,
}

/// How long a supervisor may take to claim its run.
const CLAIM_PATIENCE: Duration = Duration::from_secs(10);

/// The guard.
pub struct Jobs {
    jobs: BTreeMap<JobId, Arc<JobSpec>>,
    runs: Arc<Runs>,
    evidence: Arc<EvidenceStore>,
    databases: Option<Arc<dyn RunDatabase>>,
    runner: Vec<OsString>,
}

impl Jobs {
    /// A guard of `jobs`. `runner` is the command that supervises one run of a job, to
    /// which `--job JOB --run-id RUN --scheduled-at TIME --attempt N` is added:
    /// `["/usr/bin/evenkeel", "--config", "evenkeel.toml", "run"]`.
    pub fn new(
        jobs: Vec<JobSpec>,
        runs: Arc<Runs>,
        evidence: Arc<EvidenceStore>,
        databases: Option<Arc<dyn RunDatabase>>,
        runner: Vec<OsString>,
    ) -> Self {
        let jobs = jobs.into_iter();
        Self {
            jobs: jobs.map(|job| (job.id.clone(), Arc::new(job))).collect(),
            runs,
            evidence,
            databases,
            runner,
        }
    }

    async fn start_run(&self, start: &Start<'_>) -> Outcome {
        let spool = self.runs.spool();
        let run = start.run;
        if spool.is_claimed(run) {
            return Outcome::NothingToDo(format!("run {run} was started already"));
        }
        match self.jobs.get(start.job) {
            None => return Outcome::Failed(format!("job {} is not configured", start.job)),
            Some(job) if !job.startable => {
                return Outcome::Refused(format!(
                    "job {} has no command in the configuration; it is only started by others, through `evenkeel run`",
                    start.job
                ));
            }
            Some(_) => {}
        }
        let Some((program, arguments)) = self.runner.split_first() else {
            return Outcome::Failed("there is no program to supervise runs".into());
        };
        let mut command = tokio::process::Command::new(program);
        command
            .args(arguments)
            .args(["--job", start.job.as_str(), "--run-id", run.as_str()])
            .args(["--scheduled-at", &start.scheduled_at.to_string()])
            .args(["--attempt", &start.attempt.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // A Ctrl-C at the server's terminal is not for the night's work.
            .process_group(0);
        let mut supervisor = match command.spawn() {
            Ok(supervisor) => supervisor,
            Err(error) => {
                return Outcome::Failed(format!(
                    "{} cannot be started: {error}",
                    program.display()
                ));
            }
        };
        let pid = supervisor.id().unwrap_or_default();
        let errors = supervisor.stderr.take();
        let until = Instant::now() + CLAIM_PATIENCE;
        loop {
            if spool.is_claimed(run) {
                break;
            }
            match supervisor.try_wait() {
                Ok(Some(_)) if spool.is_claimed(run) => break,
                Ok(Some(status)) => {
                    let said = first_words(errors).await;
                    return Outcome::Failed(format!(
                        "the supervisor of run {run} ended with {status} before it began: {said}"
                    ));
                }
                _ if Instant::now() >= until => {
                    // It must not begin later, when nobody reckons with it.
                    let _ = supervisor.kill().await;
                    if spool.is_claimed(run) {
                        break;
                    }
                    return Outcome::Failed(format!(
                        "the supervisor of run {run} did not begin within {} s",
                        CLAIM_PATIENCE.as_secs()
                    ));
                }
                _ => sleep(Duration::from_millis(10)).await,
            }
        }
        // Somebody has to take note of its death; how the run went is in its folder.
        tokio::spawn(async move {
            let _ = supervisor.wait().await;
            drop(errors);
        });
        Outcome::Done(format!("run {run} was started, supervised by pid {pid}"))
    }
}

struct Start<'a> {
    run: &'a RunId,
    job: &'a JobId,
    scheduled_at: Timestamp,
    attempt: u32,
}

async fn first_words(errors: Option<tokio::process::ChildStderr>) -> String {
    use tokio::io::AsyncReadExt;
    let mut said = String::new();
    if let Some(errors) = errors {
        let reading = errors.take(2000);
        tokio::pin!(reading);
        let _ =
            tokio::time::timeout(Duration::from_secs(1), reading.read_to_string(&mut said)).await;
    }
    said.trim().replace('\n', "; ")
}

impl Guard for Jobs {
    fn name(&self) -> &'static str {
        "jobs"
    }

    fn observe(
        self: Arc<Self>,
        outlet: Outlet,
        watchlist: Receiver<Arc<Watchlist>>,
    ) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            let specs: Vec<_> = self.jobs.values().cloned().collect();
            let mut watchers = JoinSet::new();
            watchers.spawn(clock::tell(specs, outlet.clone(), watchlist.clone()));
            watchers.spawn(watch::runs(self.clone(), outlet.clone(), watchlist.clone()));
            watchers.spawn(watch::products(self.clone(), outlet, watchlist));
            // One that ends, or panics, ends the others: the pump starts all of them again.
            if let Some(Err(error)) = watchers.join_next().await {
                tracing::error!(%error, "the jobs guard cannot go on");
            }
        })
    }

    fn performs(&self) -> &'static [ActionKind] {
        &[ActionKind::StartRun, ActionKind::EndRun]
    }

    fn perform<'a>(&'a self, action: &'a Action) -> BoxFuture<'a, Performed> {
        Box::pin(async move {
            match &action.task {
                Task::StartRun {
                    run,
                    job,
                    scheduled_at,
                    attempt,
                } => Performed {
                    outcome: self
                        .start_run(&Start {
                            run,
                            job,
                            scheduled_at: *scheduled_at,
                            attempt: *attempt,
                        })
                        .await,
                    evidence: None,
                },
                Task::EndRun { run, job, grace } => {
                    let end = End {
                        action: action.id,
                        run,
                        job,
                        grace: *grace,
                    };
                    self.end_run(end).await
                }
                task @ (Task::EndBackend { .. } | Task::RecycleInstance { .. }) => Performed {
                    outcome: Outcome::Failed(format!("the jobs guard does not perform `{task}`")),
                    evidence: None,
                },
            }
        })
    }
}

impl std::fmt::Debug for Jobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jobs")
            .field("jobs", &self.jobs.keys())
            .finish_non_exhaustive()
    }
}
