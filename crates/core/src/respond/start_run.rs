//! Start a run: its schedule came due, its last attempt failed, or an operator said so.
//!
//! A job is never started over a run of it that is still there, never in a tight loop
//! (each retry waits twice as long as the one before), and never more often than its
//! budget: then the operator is called and the slot is given up.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use core::time::Duration;

use jiff::Timestamp;

use super::{Proof, Proposal, Response, Wish};
use crate::action::{ActionKind, Task};
use crate::detect::View;
use crate::evidence::Fact;
use crate::ids::{JobId, RunId};
use crate::observation::Origin;
use crate::policy::RetryPolicy;
use crate::record::{ActionState, OpenFinding, Slot};
use crate::time;

/// The response.
pub const RESPONSE: Response = Response {
    kind: ActionKind::StartRun,
    about: "Starts a run of a job when its schedule comes due, or again after a failed attempt. \
            Proof: the run is there.",
    answers: &[],
    wish: |_, _: &OpenFinding| Wish::Nothing,
    proof: |_, state: &ActionState, _| {
        Proof::Helped(format!("{} was started", state.action.task.subject()))
    },
};

/// What a job's slot wants now, and when it wants to be looked at again.
pub(crate) fn wish(view: View<'_>, id: &JobId) -> (Wish, Option<Timestamp>) {
    let (Some(job), Some(policy)) = (view.record.jobs.get(id), view.policy.jobs.get(id)) else {
        return (Wish::Nothing, None);
    };
    let Some(slot) = job.slot.as_ref().filter(|_| job.open_runs.is_empty()) else {
        return (Wish::Nothing, None);
    };
    let Some(failed_at) = slot.failed_at else {
        let reason = format!("The schedule of {id} came due.");
        return (start(id, slot, reason), None);
    };
    let ours = job
        .last_run
        .as_ref()
        .and_then(|run| view.record.runs.get(run))
        .is_some_and(|run| run.origin == Origin::Keeper);
    if !ours || slot.attempts > policy.retry.budget {
        return (Wish::Nothing, None);
    }
    let failed_at = view.memory.at_latest(failed_at, view.now);
    let due = time::after(failed_at, backoff(&policy.retry, slot.attempts));
    if view.now < due {
        return (Wish::Nothing, Some(due));
    }
    let reason = format!(
        "Attempt {} of {id} failed; {} of {} retries are left.",
        slot.attempts,
        policy.retry.budget + 1 - slot.attempts,
        policy.retry.budget
    );
    (start(id, slot, reason), None)
}

fn start(id: &JobId, slot: &Slot, reason: String) -> Wish {
    let attempt = slot.attempts + 1;
    Wish::Do(Proposal {
        task: Task::StartRun {
            run: run_id(id, slot.scheduled_at, attempt),
            job: id.clone(),
            scheduled_at: slot.scheduled_at,
            attempt,
        },
        reason,
        facts: vec![
            Fact::new("scheduled_at", slot.scheduled_at),
            Fact::new("attempt", attempt),
        ],
    })
}

/// The wait before the retry that follows attempt `attempts`.
pub fn backoff(policy: &RetryPolicy, attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(20);
    policy
        .backoff
        .saturating_mul(1 << doublings)
        .min(policy.backoff_max)
}

/// The name of a run: job, scheduled time, attempt.
pub fn run_id(job: &JobId, scheduled_at: Timestamp, attempt: u32) -> RunId {
    let at = scheduled_at.strftime("%Y%m%dT%H%M%SZ");
    RunId::from(format!("{job}-{at}-{attempt}"))
}
