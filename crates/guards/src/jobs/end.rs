//! The hand that ends a run: its sessions, its whole process tree, for certain.
//!
//! Evidence first. Then its database sessions, because others wait for their locks. Then
//! every process of its tree is asked, given its grace, and killed, again and again until
//! none is left, because a tree that is being killed can still fork. What cannot be
//! killed is named, and the run stays open: it is not started again over it. A run whose
//! supervisor never began is fenced: its name is taken, so that a late one finds it gone.

use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::action::Outcome;
use evenkeel_core::ids::{ActionId, JobId, RunId};
use evenkeel_core::observation::{Exit, Origin};
use rustix::process::Signal;
use tokio::time::{Instant, sleep, timeout};

use super::Jobs;
use super::spool::{Ending, Meta, boot_id};
use super::tree::{Look, ProcessId, id};
use crate::evidence::wait_channel;
use crate::guard::Performed;

/// Between two looks at who is left.
const LOOK: Duration = Duration::from_millis(50);

/// How long killed processes may take to go: beyond it they are in a wait that no signal
/// ends.
const KILL_PATIENCE: Duration = Duration::from_secs(5);

/// How long the supervisor may take to write down how its run ended.
const LAST_WORD: Duration = Duration::from_secs(2);

/// How long the databases may take.
const DATABASE_PATIENCE: Duration = Duration::from_secs(5);

/// Which run, and how patiently.
pub(super) struct End<'a> {
    pub(super) action: ActionId,
    pub(super) run: &'a RunId,
    pub(super) job: &'a JobId,
    pub(super) grace: Duration,
}

impl Jobs {
    pub(super) async fn end_run(&self, end: End<'_>) -> Performed {
        let bare = |outcome| Performed {
            outcome,
            evidence: None,
        };
        let spool = self.runs.spool();
        let Some(meta) = spool.meta(end.run) else {
            return bare(self.fence(&end).await);
        };
        if meta.job != *end.job {
            return bare(Outcome::Refused(format!(
                "run {} belongs to job {}, not to {}",
                end.run, meta.job, end.job
            )));
        }
        if spool.ending(end.run).is_some() {
            let sessions = self.end_sessions(end.run).await;
            return bare(match sessions {
                Ok(0) => Outcome::NothingToDo(format!("run {} has ended by itself", end.run)),
                Ok(count) => Outcome::Done(format!(
                    "run {} had ended by itself; {count} of its database sessions were still there and were ended",
                    end.run
                )),
                Err(trouble) => Outcome::Failed(format!(
                    "run {} has ended, but its database sessions may still be there: {trouble}",
                    end.run
                )),
            });
        }
        let database = self.databases.as_deref();
        let evidence = self
            .evidence
            .keep_all(end.action, Some(end.run), Vec::new(), database)
            .await;
        let before = self.end_sessions(end.run).await;
        let (asked, killed, left) = end_tree(&meta, end.grace).await;
        // A process may have opened another one while it was asked to go.
        let after = self.end_sessions(end.run).await;
        let outcome = if left.is_empty() {
            self.wait_for_last_word(&meta).await;
            let sessions = before.clone().unwrap_or_default() + after.clone().unwrap_or_default();
            let killed = match killed {
                0 => String::new(),
                _ => format!(", {killed} of them killed after a grace of {:?}", end.grace),
            };
            match after {
                Ok(_) => Outcome::Done(format!(
                    "ended {asked} processes{killed} and {sessions} database sessions of run {}",
                    end.run
                )),
                Err(trouble) => Outcome::Failed(format!(
                    "the processes of run {} are ended, but its database sessions may still be there: {trouble}",
                    end.run
                )),
            }
        } else {
            Outcome::Failed(format!(
                "these processes could not be killed: {}",
                left.join("; ")
            ))
        };
        Performed { outcome, evidence }
    }

    /// Takes the name of a run that never began.
    async fn fence(&self, end: &End<'_>) -> Outcome {
        let spool = self.runs.spool();
        let Some(supervisor) = ProcessId::of(std::process::id().cast_signed()) else {
            return Outcome::Failed("our own process cannot be looked at".into());
        };
        let now = Timestamp::now();
        let meta = Meta {
            run: end.run.clone(),
            job: end.job.clone(),
            origin: Origin::Keeper,
            started_at: now,
            supervisor,
            boot: boot_id(),
            command: Vec::new(),
        };
        let ending = Ending {
            ended_at: now,
            exit: Exit::Lost,
        };
        let fenced = match spool.claim(&meta) {
            Ok(true) => spool.end(end.run, &ending),
            Ok(false) => {
                return Outcome::Failed(format!(
                    "run {} began this very moment; it is ended when this is tried again",
                    end.run
                ));
            }
            Err(error) => Err(error),
        };
        match (fenced, self.end_sessions(end.run).await) {
            (Ok(()), Ok(count)) => Outcome::Done(format!(
                "run {} has no process on this host and cannot begin any more; {count} database sessions of it were ended",
                end.run
            )),
            (Err(error), _) => Outcome::Failed(format!(
                "the runs' folder {} cannot be written: {error}",
                spool.folder().display()
            )),
            (_, Err(trouble)) => Outcome::Failed(trouble),
        }
    }

    async fn end_sessions(&self, run: &RunId) -> Result<u32, String> {
        let Some(databases) = &self.databases else {
            return Ok(0);
        };
        timeout(DATABASE_PATIENCE, databases.end_sessions(run))
            .await
            .unwrap_or_else(|_| {
                Err(format!(
                    "no answer within {} s",
                    DATABASE_PATIENCE.as_secs()
                ))
            })
    }

    /// Waits for the supervisor to say how the run ended; says so itself where there is
    /// no supervisor any more.
    async fn wait_for_last_word(&self, meta: &Meta) {
        let spool = self.runs.spool();
        let until = Instant::now() + LAST_WORD;
        while spool.ending(&meta.run).is_none() {
            if Instant::now() >= until || !Look::take().supervisor_lives(meta) {
                let ending = Ending {
                    ended_at: Timestamp::now(),
                    exit: Exit::Lost,
                };
                if let Err(error) = spool.end(&meta.run, &ending) {
                    tracing::error!(%error, run = %meta.run, "the run's end could not be written down");
                }
                return;
            }
            sleep(LOOK).await;
        }
    }
}

/// How many were asked to go, how many had to be killed, and who is still there.
async fn end_tree(meta: &Meta, grace: Duration) -> (usize, usize, Vec<String>) {
    let members = |look: &Look| -> Vec<ProcessId> {
        look.members(meta).iter().map(|stat| id(stat)).collect()
    };
    let mut asked = members(&Look::take());
    for process in &asked {
        process.signal(Signal::TERM);
    }
    let until = Instant::now() + grace;
    loop {
        let left = members(&Look::take());
        if left.is_empty() {
            return (asked.len(), 0, Vec::new());
        }
        // Those that came since are asked as well.
        for process in &left {
            if !asked.contains(process) {
                process.signal(Signal::TERM);
                asked.push(*process);
            }
        }
        if Instant::now() >= until {
            break;
        }
        sleep(LOOK).await;
    }
    let mut killed = Vec::new();
    let until = Instant::now() + KILL_PATIENCE;
    loop {
        let look = Look::take();
        let left = members(&look);
        if left.is_empty() {
            return (asked.len(), killed.len(), Vec::new());
        }
        if Instant::now() >= until {
            let left = look.members(meta);
            let named = left.iter().map(|stat| {
                format!(
                    "pid {} ({}) in state {}, waiting in {}",
                    stat.pid,
                    stat.comm,
                    stat.state,
                    wait_channel(&format!("/proc/{}/wchan", stat.pid))
                )
            });
            return (asked.len(), killed.len(), named.collect());
        }
        for process in left {
            process.signal(Signal::KILL);
            if !killed.contains(&process) {
                killed.push(process);
            }
        }
        sleep(LOOK).await;
    }
}
