//! A run's processes are still there after everything was done to end them.
//!
//! A process in an uninterruptible wait cannot be killed. It is reported as such, and the
//! job is not started over it (`respond/start_run.rs`).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::{format, vec};

use super::{Detector, Verdict, View};
use crate::action::{ActionKind, Task};
use crate::evidence::Fact;
use crate::finding::{Finding, FindingKey, FindingKind, Severity};
use crate::record::Phase;
use crate::subject::Subject;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::RunUnkillable,
    guard: "jobs",
    about: "A run was to be ended and its processes are still there: most often they wait for a \
            disk or network file system that does not answer.",
    advice: "Look at the wait channels in the kept evidence; bring the device or mount back, or \
             restart the machine. The job is not started again over it.",
    judge,
};

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let Subject::Run(run) = subject else {
        return None;
    };
    let Some(state) = view.record.open_run(run) else {
        return Some(Verdict::clear("the run has ended"));
    };
    let failed = view.record.actions.values().rev().find_map(|action| {
        let Task::EndRun { run: ended, .. } = &action.action.task else {
            return None;
        };
        match &action.phase {
            Phase::Failed { outcome, .. } if ended == run => Some((action.action.id, outcome)),
            Phase::Unproven { outcome, .. } if ended == run => Some((action.action.id, outcome)),
            _ => None,
        }
    });
    let Some((action, outcome)) = failed else {
        return Some(Verdict::unknown());
    };
    Some(Verdict::holds(Finding {
        key: FindingKey {
            kind: FindingKind::RunUnkillable,
            subject: subject.clone(),
        },
        title: format!("{} cannot be ended", state.job),
        severity: Severity::Critical,
        harms: BTreeMap::new(),
        links: BTreeSet::from([Subject::Job(state.job.clone())]),
        reason: format!(
            "Run {run} is still there although it was to be ended by {action}: {}",
            outcome.text()
        ),
        facts: vec![
            Fact::new("action", action),
            Fact::new("kind", ActionKind::EndRun),
        ],
    }))
}
