//! A run works on past its usual time. Reported, never ended for it.
//!
//! The usual time is learned: the longest of the last successful runs, and a quarter
//! more. Fewer than three say nothing. Month ends are long; that is what `deadline` and
//! the operator's judgement are for, so this is a notice and opens no incident.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::{format, vec};
use core::time::Duration;

use super::{Detector, Verdict, View, say};
use crate::evidence::Fact;
use crate::finding::{Finding, FindingKey, FindingKind, Severity};
use crate::record::JobState;
use crate::subject::Subject;
use crate::time;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::RunOverdue,
    guard: "jobs",
    about: "A run takes longer than the longest of the job's last successful runs and a quarter \
            more. It moves; it is only late.",
    advice: "Nothing is done about it. Look whether more data than usual explains it, and whether \
             its product will be there when it is due.",
    judge,
};

const RUNS_MIN: usize = 3;

/// Runs of seconds vary by more than a quarter; below a minute late is not late.
const LATE_MIN: Duration = Duration::from_secs(60);

/// How long a run of the job usually takes at most; `None` where too few are known.
pub fn usual_max(job: &JobState) -> Option<Duration> {
    if job.durations.len() < RUNS_MIN {
        return None;
    }
    let longest = job.durations.iter().max()?;
    Some(longest.saturating_add((*longest / 4).max(LATE_MIN)))
}

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let Subject::Run(run) = subject else {
        return None;
    };
    let Some(state) = view.record.open_run(run) else {
        return Some(Verdict::clear("the run has ended"));
    };
    let usual = usual_max(view.record.jobs.get(&state.job)?)?;
    let started_at = state.started_at?;
    let usual_at = time::after(
        started_at,
        usual.saturating_add(view.memory.jumped_over(started_at)),
    );
    if view.now < usual_at {
        let verdict = Verdict::clear("the run is within its usual time");
        return Some(verdict.again_at(usual_at));
    }
    Some(Verdict::holds(Finding {
        key: FindingKey {
            kind: FindingKind::RunOverdue,
            subject: subject.clone(),
        },
        title: format!("{} takes longer than usual", state.job),
        severity: Severity::Notice,
        harms: BTreeMap::new(),
        links: BTreeSet::from([Subject::Job(state.job.clone())]),
        reason: format!(
            "Run {run} works on past its usual time of at most {}.",
            say(usual)
        ),
        facts: vec![
            Fact::new("started_at", started_at),
            Fact::new("usual_at_most", say(usual)),
        ],
    }))
}
