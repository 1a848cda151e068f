//! A run of a job ended without success and is still to be made good.
//!
//! It holds from the failure until a later run of the job succeeds. While a retry is to
//! come it is no reason to call anybody; when none is, [`super::retries_spent`] does.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::{format, vec};

use super::{Detector, Verdict, View};
use crate::evidence::Fact;
use crate::finding::{Finding, FindingKey, FindingKind, Severity};
use crate::observation::Exit;
use crate::subject::Subject;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::RunFailed,
    guard: "jobs",
    about: "The last run of a job ended with an error, was ended, or could not be started, and \
            no later run has succeeded.",
    advice: "Read the run's output (`evenkeel runs RUN`).",
    judge,
};

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let Subject::Job(id) = subject else {
        return None;
    };
    let job = view.record.jobs.get(id)?;
    let Some(slot) = &job.slot else {
        return Some(Verdict::clear("a later run succeeded"));
    };
    let (Some(failed_at), Some(exit)) = (slot.failed_at, &slot.failed_with) else {
        return Some(Verdict::unknown());
    };
    if !job.open_runs.is_empty() {
        return Some(Verdict::unknown());
    }
    let mut facts = vec![
        Fact::new("scheduled_at", slot.scheduled_at),
        Fact::new("attempts", slot.attempts),
        Fact::new("failed_at", failed_at),
    ];
    if let Some(run) = &job.last_run {
        facts.push(Fact::new("run", run));
    }
    Some(Verdict::holds(Finding {
        key: FindingKey {
            kind: FindingKind::RunFailed,
            subject: subject.clone(),
        },
        title: format!("{id} failed"),
        severity: Severity::Warning,
        harms: BTreeMap::new(),
        links: BTreeSet::new(),
        reason: format!("Attempt {} of {id} {}.", slot.attempts, say_exit(exit)),
        facts,
    }))
}

pub(super) fn say_exit(exit: &Exit) -> String {
    match exit {
        Exit::Code(code) => format!("ended with exit status {code}"),
        Exit::Signal(signal) => format!("was ended by signal {signal}"),
        Exit::NotStarted(why) => format!("could not be started: {}", why.trim_end_matches('.')),
        Exit::Lost => "was lost: its processes are gone and nobody saw how".into(),
    }
}
