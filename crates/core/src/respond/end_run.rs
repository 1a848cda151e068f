//! End a run that hangs, is past its deadline, or has lost its database session to us.
//!
//! The last one matters: a job whose session was ended at the root of a lock chain
//! cannot finish, and may not notice for hours because it waits elsewhere. It is ended
//! so that it can be started again.

use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use jiff::Timestamp;

use super::{Proof, Proposal, Response, Wish};
use crate::action::{ActionKind, EndHow, Task};
use crate::detect::{View, run_hung};
use crate::finding::FindingKind;
use crate::ids::RunId;
use crate::record::{ActionState, OpenFinding, Phase};
use crate::subject::Subject;
use crate::time;

/// The response.
pub const RESPONSE: Response = Response {
    kind: ActionKind::EndRun,
    about: "Keeps evidence, then ends a run: its database sessions and its whole process tree, \
            politely, then by force. Proof: the run is seen to have ended.",
    answers: &[FindingKind::RunHung, FindingKind::RunPastDeadline],
    wish,
    proof,
};

/// After its processes are gone, how long a run's end may take to be seen.
const SEEN_WITHIN: Duration = Duration::from_secs(15);

fn wish(view: View<'_>, open: &OpenFinding) -> Wish {
    let Subject::Run(run) = &open.finding.key.subject else {
        return Wish::Nothing;
    };
    if open.finding.key.kind == FindingKind::RunHung && !run_hung::is_seen_to_stand(view, run) {
        // What held before a restart may be over; it is watched again first.
        return Wish::Nothing;
    }
    wish_to_end(view, run, &open.finding.reason, open.finding.facts.clone())
}

/// Ends `run`, because of `reason`.
pub(crate) fn wish_to_end(
    view: View<'_>,
    run: &RunId,
    reason: &str,
    facts: Vec<crate::evidence::Fact>,
) -> Wish {
    let Some(state) = view.record.open_run(run) else {
        return Wish::Nothing;
    };
    let Some(policy) = view.policy.jobs.get(&state.job) else {
        return Wish::Nothing;
    };
    Wish::Do(Proposal {
        task: Task::EndRun {
            run: run.clone(),
            job: state.job.clone(),
            grace: policy.grace,
        },
        reason: reason.into(),
        facts,
    })
}

/// A run whose database session we have just ended for good: it cannot finish.
pub(crate) fn broken_run(view: View<'_>, ended: &ActionState) -> Option<(RunId, Wish)> {
    let Task::EndBackend {
        how: EndHow::Terminate,
        run: Some(run),
        backend,
        ..
    } = &ended.action.task
    else {
        return None;
    };
    if !matches!(ended.phase, Phase::Performed { .. } | Phase::Proven { .. }) {
        return None;
    }
    let reason = format!(
        "Run {run} cannot finish: its database session, {backend}, was ended by {}.",
        ended.action.id
    );
    let facts = ended.action.facts.clone();
    Some((run.clone(), wish_to_end(view, run, &reason, facts)))
}

fn proof(view: View<'_>, state: &ActionState, performed_at: Timestamp) -> Proof {
    let Task::EndRun { run, .. } = &state.action.task else {
        return Proof::Waiting(view.now);
    };
    if view.record.open_run(run).is_none() {
        return Proof::Helped(format!("run {run} has ended"));
    }
    let deadline = time::after(performed_at, SEEN_WITHIN);
    if view.now < deadline {
        return Proof::Waiting(deadline);
    }
    Proof::Failed {
        reason: format!(
            "run {run} was not seen to end within {}",
            crate::detect::say(SEEN_WITHIN)
        ),
        escalate: false,
    }
}
