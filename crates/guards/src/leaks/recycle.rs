//! The hand that starts one instance afresh behind the drained edge.
//!
//! In this order, and nothing is touched before the last of the checks: the process is the
//! one the decision was about; the edge is seen, has taken the plan that drains it, and has
//! others of the pool in use; nothing is under way at it, or the time for that is over;
//! evidence is kept; all of it is so still. Then it is restarted, and only a new process
//! that answers is a restart that went well. Until the outcome is recorded the edge sends
//! it nothing.
//!
//! Performed twice it does no harm: a process younger than the decision is restarted
//! already, and is only waited for. One restart in a pool at a time, whatever was asked.
//!
//! It refuses where it is not certain, and never stops and starts by itself: half of that
//! would be an instance that is gone, and systemd and its like already know how.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use evenkeel_core::Timestamp;
use evenkeel_core::action::{Action, Outcome, Task};
use evenkeel_core::evidence::KeptEvidence;
use evenkeel_core::ids::{InstanceId, PoolId};
use hyper::Method;
use jiff::SignedDuration;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::process::{Found, by_pid_file, by_state};
use super::web::{Ask, exchange};
use super::{InstanceSpec, Leaks, PoolSpec, ProcessSource, Restart, evidence, metrics, systemd};
use crate::guard::{EdgeInstance, Performed};
use crate::jobs::tree::ProcessId;

/// How long the edge may take to take the plan: it is told at once and tells every second.
pub(super) const CONFIRM_WITHIN: Duration = Duration::from_secs(10);

/// Between two looks at what the edge does.
const LOOK: Duration = Duration::from_millis(100);

/// Between two looks at whether there is a new process: asking systemd starts a program.
const LOOK_FOR_PROCESS: Duration = Duration::from_millis(250);

/// How long one answer to the check may take.
const CHECK_PATIENCE: Duration = Duration::from_secs(2);

/// After a restart that failed by its own account, a new process is here within this time
/// or does not come.
const AFTER_TROUBLE: Duration = Duration::from_secs(5);

/// Keeping evidence and the looks between the steps.
const AROUND: Duration = Duration::from_secs(15);

/// A start is reckoned from the time since boot, to ten milliseconds each; before Evenkeel
/// was started itself it may have been reckoned otherwise by so much.
const SLACK: SignedDuration = SignedDuration::from_millis(50);

/// What a program tells of its own start some reckon anew each time, to the second.
const TOLD_SLACK: SignedDuration = SignedDuration::from_secs(2);

/// What is asked for.
pub(super) struct Order<'a> {
    pool: &'a PoolId,
    instance: &'a InstanceId,
    started_before: Timestamp,
    drain_max: Duration,
    admit_within: Duration,
    revision: u64,
}

impl<'a> Order<'a> {
    pub(super) fn of(action: &'a Action) -> Option<Self> {
        let Task::RecycleInstance {
            pool,
            instance,
            started_before,
            drain_max,
            admit_within,
            ..
        } = &action.task
        else {
            return None;
        };
        Some(Self {
            pool,
            instance,
            started_before: started_before.unwrap_or(action.decided_at),
            drain_max: *drain_max,
            admit_within: *admit_within,
            revision: action.decided_at_revision,
        })
    }

    /// The longest it may take, all in all.
    pub(super) fn takes(&self, leaks: &Leaks) -> Duration {
        let pool = leaks.spec.pools.iter().find(|pool| pool.id == *self.pool);
        let restart_max = pool.map_or(Duration::ZERO, |pool| pool.restart_max);
        leaks.confirm_within + self.drain_max + restart_max + self.admit_within + AROUND
    }
}

/// By what one start of an instance is told from the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    Process(ProcessId, Option<Timestamp>),
    /// As its metrics say.
    Told(Timestamp),
}

impl Start {
    fn at(self) -> Option<Timestamp> {
        match self {
            Self::Process(_, at) => at,
            Self::Told(at) => Some(at),
        }
    }

    /// How much later two reckonings of one start may be.
    fn slack(self) -> SignedDuration {
        match self {
            Self::Process(..) => SLACK,
            Self::Told(_) => TOLD_SLACK,
        }
    }

    fn is_other_than(self, before: Option<Self>) -> bool {
        match (self, before) {
            (Self::Process(now, _), Some(Self::Process(then, _))) => now != then,
            (Self::Told(now), Some(Self::Told(then))) => {
                now.duration_since(then).abs() > TOLD_SLACK
            }
            _ => true,
        }
    }
}

impl std::fmt::Display for Start {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Process(process, Some(at)) => write!(f, "pid {}, since {at}", process.pid),
            Self::Process(process, None) => write!(f, "pid {}", process.pid),
            Self::Told(at) => write!(f, "running since {at} by its metrics"),
        }
    }
}

/// What an instance is doing.
enum Now {
    Runs(Start),
    Stopped(String),
    Unknown(String),
}

/// An instance that is being restarted: the eyes hold their tongue meanwhile.
struct Away<'a> {
    leaks: &'a Leaks,
    instance: &'a InstanceId,
}

impl<'a> Away<'a> {
    fn begin(leaks: &'a Leaks, instance: &'a InstanceId) -> Self {
        let away = &leaks.shared.away;
        let mut away = away.lock().unwrap_or_else(PoisonError::into_inner);
        away.insert(instance.clone());
        Self { leaks, instance }
    }
}

impl Drop for Away<'_> {
    fn drop(&mut self) {
        let away = &self.leaks.shared.away;
        let mut away = away.lock().unwrap_or_else(PoisonError::into_inner);
        away.remove(self.instance);
    }
}

/// One restart.
struct Recycling<'a> {
    leaks: &'a Leaks,
    order: &'a Order<'a>,
    pool: &'a PoolSpec,
    spec: &'a InstanceSpec,
    restart: &'a Restart,
}

/// Why it ends before anything was touched.
type Step<T> = Result<T, Outcome>;

fn refused<T>(why: impl Into<String>) -> Step<T> {
    Err(Outcome::Refused(why.into()))
}

impl Leaks {
    pub(super) async fn recycle(&self, action: &Action, order: &Order<'_>) -> Performed {
        let mut kept = None;
        let outcome = match self.recycle_now(action, order, &mut kept).await {
            Ok(outcome) | Err(outcome) => outcome,
        };
        Performed {
            outcome,
            evidence: kept,
        }
    }

    async fn recycle_now(
        &self,
        action: &Action,
        order: &Order<'_>,
        kept: &mut Option<KeptEvidence>,
    ) -> Step<Outcome> {
        let (instance, pool) = (order.instance, order.pool);
        let found = self.spec.pools.iter().find(|spec| spec.id == *pool);
        let spec = found.and_then(|pool| pool.instances.iter().find(|one| one.id == *instance));
        let (Some(found), Some(spec)) = (found, spec) else {
            return refused(format!(
                "instance {instance} of pool {pool} is not in the configuration any more"
            ));
        };
        let Some(restart) = &spec.restart else {
            return refused(format!(
                "nothing says how {instance} is restarted; give it a unit, recycle_command or \
                 recycle_hook"
            ));
        };
        let Some(Ok(_turn)) = self.turns.get(pool).map(|turn| turn.try_lock()) else {
            return refused(format!(
                "another instance of pool {pool} is being restarted; one at a time"
            ));
        };
        let recycling = Recycling {
            leaks: self,
            order,
            pool: found,
            spec,
            restart,
        };
        let before = match recycling.check().await? {
            Before::Young(start) => return Ok(recycling.await_young(start).await),
            Before::Old(start) => start,
        };
        recycling.drain().await?;
        if let Some(keeper) = &self.evidence {
            let process = match before {
                Some(Start::Process(process, _)) => Some(process),
                _ => None,
            };
            let last = {
                let last = self.shared.last.lock();
                let last = last.unwrap_or_else(PoisonError::into_inner);
                last.get(instance).cloned()
            };
            let texts = evidence::of(process, spec.metrics.as_ref(), last.as_ref()).await;
            *kept = keeper.keep(action.id, None, texts).await;
        }
        // Evidence takes a moment; what was so may be otherwise.
        match recycling.check().await? {
            Before::Young(start) => return Ok(recycling.await_young(start).await),
            Before::Old(Some(start)) if start.is_other_than(before) => {
                return refused(format!(
                    "{instance} was another process before evidence was kept: somebody else is \
                     at work on it"
                ));
            }
            Before::Old(_) => {}
        }
        match recycling.edge() {
            None => return recycling.unseen(),
            Some(seen) if seen.others_in_use == 0 => return recycling.last_one(),
            Some(seen) if !seen.draining => {
                return refused(format!(
                    "{instance} gets requests again: its drain was lifted"
                ));
            }
            Some(_) => {}
        }
        let _away = Away::begin(self, instance);
        Ok(recycling.restart(before).await)
    }
}

/// What is there before anything is done.
enum Before {
    /// What the decision was about; none where it does not run.
    Old(Option<Start>),
    /// Started since.
    Young(Start),
}

impl Recycling<'_> {
    /// Whether the process is the one the decision was about.
    async fn check(&self) -> Step<Before> {
        let instance = self.order.instance;
        match self.now().await {
            Now::Unknown(why) => refused(format!(
                "it is not certain which process {instance} is: {why}"
            )),
            Now::Stopped(_) => Ok(Before::Old(None)),
            Now::Runs(start) => {
                let Some(at) = start.at() else {
                    return refused(format!("when {instance} was started cannot be seen"));
                };
                match at.duration_since(self.order.started_before) > start.slack() {
                    true => Ok(Before::Young(start)),
                    false => Ok(Before::Old(Some(start))),
                }
            }
        }
    }

    fn admit_within(&self) -> Duration {
        self.order.admit_within.min(self.pool.admit_within)
    }

    async fn now(&self) -> Now {
        let found = match &self.spec.process {
            ProcessSource::PidFile(path) => by_pid_file(path),
            ProcessSource::Unit(unit) => {
                let asked = [unit.clone()];
                let systemctl = &self.leaks.spec.systemctl;
                let states = systemd::states(systemctl, &asked).await;
                match states.get(unit) {
                    Some(state) => by_state(unit, state),
                    None => Found::Unknown("systemd was not asked".into()),
                }
            }
            ProcessSource::Elsewhere => return self.told().await,
        };
        match found {
            Found::Running(process) => {
                let at = self.leaks.shared.starts.of(process);
                Now::Runs(Start::Process(process, at))
            }
            Found::Stopped(why) => Now::Stopped(why),
            Found::Unknown(why) => Now::Unknown(why),
        }
    }

    async fn told(&self) -> Now {
        let unseen = "give pid_file, unit, or a metrics address that tells \
                      process_start_time_seconds, so that a restart can be seen";
        let Some(address) = &self.spec.metrics else {
            return Now::Unknown(unseen.into());
        };
        match metrics::ask(address, None, self.leaks.spec.timeout).await {
            Ok(told) => match told.started_at {
                Some(at) => Now::Runs(Start::Told(at)),
                None => Now::Unknown(unseen.into()),
            },
            Err(why) => Now::Unknown(why),
        }
    }

    /// The instance as the edge sees it.
    fn edge(&self) -> Option<EdgeInstance> {
        let edge = self.leaks.edge.as_ref()?;
        edge.instance(self.order.pool, self.order.instance)
    }

    fn unseen<T>(&self) -> Step<T> {
        refused(format!(
            "what the edge does with {} cannot be seen; is `evenkeel edge` running?",
            self.order.instance
        ))
    }

    fn last_one<T>(&self) -> Step<T> {
        let (instance, pool) = (self.order.instance, self.order.pool);
        refused(format!(
            "no other instance of pool {pool} is in use: without {instance} nobody would be \
             served. Bring another one up first"
        ))
    }

    /// Waits until the edge sends it nothing and nothing is under way, or the time for
    /// that is over.
    async fn drain(&self) -> Step<()> {
        let (instance, began) = (self.order.instance, Instant::now());
        let drain_max = self.order.drain_max.min(self.pool.drain_max);
        let mut drains: Option<Instant> = None;
        let mut unseen: Option<Instant> = None;
        loop {
            let now = Instant::now();
            match self.edge() {
                None => {
                    if now - *unseen.get_or_insert(now) >= self.leaks.confirm_within {
                        return self.unseen();
                    }
                }
                Some(seen) if seen.others_in_use == 0 => return self.last_one(),
                Some(seen) => {
                    unseen = None;
                    let is_late = now - began >= self.leaks.confirm_within;
                    // One that people drained before needs no newer plan to be drained.
                    let is_taken = seen.plan_revision >= self.order.revision || is_late;
                    if seen.draining && is_taken {
                        let since = *drains.get_or_insert(now);
                        if seen.under_way == 0 || now - since >= drain_max {
                            return Ok(());
                        }
                    } else if drains.is_some() {
                        return refused(format!(
                            "{instance} gets requests again: its drain was lifted"
                        ));
                    } else if is_late {
                        return refused(format!(
                            "the edge does not drain {instance}: its plan is of revision {}, and \
                             {} is wanted; does it take plans?",
                            seen.plan_revision, self.order.revision
                        ));
                    }
                }
            }
            sleep(LOOK).await;
        }
    }

    /// Waits for one that was restarted already.
    async fn await_young(&self, start: Start) -> Outcome {
        let instance = self.order.instance;
        let until = Instant::now() + self.admit_within();
        match self.answers(until).await {
            Ok(()) => Outcome::NothingToDo(format!(
                "{instance} was restarted since this was decided ({start}), and {}",
                self.answering()
            )),
            Err(why) => Outcome::Failed(format!(
                "{instance} was restarted since this was decided ({start}) and does not answer: \
                 {why}; see its log"
            )),
        }
    }

    async fn restart(&self, before: Option<Start>) -> Outcome {
        let (instance, restart) = (self.order.instance, self.restart);
        let began = Instant::now();
        let systemctl = &self.leaks.spec.systemctl;
        let trouble = restart.make(systemctl, self.pool.restart_max).await.err();
        let patience = match trouble {
            Some(_) => AFTER_TROUBLE.min(self.admit_within()),
            None => self.admit_within(),
        };
        let deadline = Instant::now() + self.admit_within();
        let until = deadline.min(Instant::now() + patience);
        let after = loop {
            let now = self.now().await;
            match now {
                Now::Runs(start) if start.is_other_than(before) => break now,
                _ if Instant::now() >= until => break now,
                _ => sleep(LOOK_FOR_PROCESS).await,
            }
        };
        let start = match after {
            Now::Runs(start) if start.is_other_than(before) => start,
            other => return self.not_restarted(trouble, other),
        };
        let ready = self.answers(deadline).await;
        let ms = began.elapsed().as_millis();
        let although = trouble.map_or_else(String::new, |why| format!(" (although {why})"));
        // One that falls over at once may have answered, and be the next one by now.
        match (ready, self.now().await) {
            (Ok(()), Now::Runs(now)) if !now.is_other_than(Some(start)) => {
                let was_down = match before {
                    Some(_) => "",
                    None => " It did not run when its turn came.",
                };
                Outcome::Done(format!(
                    "{instance} was restarted by `{restart}` and {}; it was out for {ms} ms{although}.\
                     {was_down}",
                    self.answering()
                ))
            }
            (Ok(()), Now::Runs(now)) => Outcome::Failed(format!(
                "{instance} was restarted by `{restart}` and fell over at once: it is {now} now, \
                 after {start}{although}; see its log"
            )),
            (Ok(()), Now::Stopped(why) | Now::Unknown(why)) => Outcome::Failed(format!(
                "{instance} was restarted by `{restart}`, answered once, and is gone: {why}; see \
                 its log, and start it with {}",
                restart.start_hint()
            )),
            (Err(_), Now::Stopped(why)) => Outcome::Failed(format!(
                "{instance} was restarted by `{restart}` ({start}), did not answer, and IS STOPPED \
                 NOW ({why}){although}: see its log, and start it with {}",
                restart.start_hint()
            )),
            (Err(why), _) => Outcome::Failed(format!(
                "{instance} was restarted by `{restart}` ({start}) and does not answer within \
                 {} s: {why}{although}. The edge sends it nothing until its check passes; see \
                 its log",
                self.admit_within().as_secs()
            )),
        }
    }

    /// What to say where no new process came.
    fn not_restarted(&self, trouble: Option<String>, now: Now) -> Outcome {
        let (instance, restart) = (self.order.instance, self.restart);
        let trouble = trouble.unwrap_or_else(|| {
            format!(
                "`{restart}` went well by its own account, and no new process came within {} s",
                self.admit_within().as_secs()
            )
        });
        Outcome::Failed(match now {
            Now::Runs(start) => format!(
                "{trouble}; {instance} runs on as before ({start}) and is used again: nothing \
                 was changed. Mend what restarts it, or restart it yourself"
            ),
            Now::Stopped(why) => format!(
                "{trouble}; {instance} IS STOPPED NOW ({why}): start it with {}",
                restart.start_hint()
            ),
            Now::Unknown(why) => format!(
                "{trouble}; whether {instance} runs is not known: {why}. Look at it, and start \
                 it with {}",
                restart.start_hint()
            ),
        })
    }

    /// Asks its check until it answers well.
    async fn answers(&self, until: Instant) -> Result<(), String> {
        loop {
            let why = match self.answers_once().await {
                Ok(()) => return Ok(()),
                Err(why) => why,
            };
            if Instant::now() >= until {
                return Err(why);
            }
            sleep(LOOK_FOR_PROCESS).await;
        }
    }

    async fn answers_once(&self) -> Result<(), String> {
        let address = self.spec.address;
        let Some(ready) = &self.pool.ready else {
            let connecting = timeout(CHECK_PATIENCE, TcpStream::connect(address));
            return match connecting.await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(format!("no connection to {address}: {error}")),
                Err(_) => Err(format!("no connection to {address}: no answer")),
            };
        };
        let ask = Ask {
            method: Method::GET,
            host: &address.ip().to_string(),
            port: address.port(),
            authority: &ready.host,
            path: &ready.path,
            patience: CHECK_PATIENCE,
            body_max: 64 * 1024,
        };
        match exchange(&ask, |_| {}).await {
            Ok(answer) if (200..400).contains(&answer.status) => Ok(()),
            Ok(answer) => Err(format!("{} is answered with {}", ready.path, answer.status)),
            Err(why) => Err(format!("{}: {why}", ready.path)),
        }
    }

    fn answering(&self) -> String {
        match &self.pool.ready {
            Some(ready) => format!("answers {}", ready.path),
            None => format!("accepts on {}", self.spec.address),
        }
    }
}
