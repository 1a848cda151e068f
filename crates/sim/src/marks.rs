//! Situations that must have been met: a simulation that never restarts in the middle of
//! an action proves nothing about restarts.

use std::collections::BTreeMap;

use evenkeel_core::action::Outcome;
use evenkeel_core::event::{Event, What, Withheld};
use evenkeel_core::finding::FindingKind;
use evenkeel_core::incident::IncidentStatus;

/// What no world has yet: copies of the public page at other places, which the cases of the
/// core and the browser's tests show.
const NOT_IMAGINED: &[FindingKind] = &[FindingKind::CopyExpired];

/// How often each situation was met.
#[derive(Debug, Clone, Default)]
pub struct Marks(BTreeMap<String, u64>);

impl Marks {
    /// Every situation that must be met within the seeds of a run of CI.
    #[must_use]
    pub fn required() -> Vec<String> {
        let mut all: Vec<String> = FindingKind::ALL
            .iter()
            .filter(|kind| !NOT_IMAGINED.contains(kind))
            .flat_map(|kind| [format!("opened {kind}"), format!("cleared {kind}")])
            .collect();
        let others = [
            "crash before append",
            "crash after append",
            "crash while performing",
            "crash with an outcome on its way",
            "journal refused",
            "clock jumped forwards",
            "clock jumped backwards",
            "observation lost",
            "observation late",
            "observation twice",
            "start_run done",
            "start_run failed",
            "end_run done",
            "end_run failed",
            "end_run nothing to do",
            "end_backend done",
            "end_backend failed",
            "end_backend nothing to do",
            "performed twice",
            "proven",
            "unproven",
            "proposed",
            "proposal approved",
            "proposal refused",
            "proposal came to nothing",
            "withheld watching",
            "withheld held",
            "withheld budget spent",
            "withheld too soon",
            "withheld stopped",
            "withheld not ours",
            "incident reopened",
            "incident resolved",
            "slot skipped",
            "retry",
            "held",
            "released",
            "stop lifted",
            "product delivered",
            "pid used again",
            "harm ended in time",
            "recycle_instance done",
            "recycle_instance failed",
            "recycle_instance nothing to do",
            "recycle_instance refused",
            "recycle_instance helped",
            "recycle_instance did not help",
            "crash while draining",
            "crash after a restart",
            "last one spared",
            "leak recycled",
            "leak ended in time",
            "ran full",
            "began leak by time",
            "began leak by requests",
            "began saw",
            "began cache",
            "began step",
            "edge silent",
            "edge restarted",
            "plan lost",
            "plan twice",
            "plan out of order",
            "drained by a person",
            "admitted by a person",
            "pool held",
            "pool released",
            "switched off",
            "switched on",
            "banner shown",
            "banner hidden",
            "tenant capped",
            "told by a person",
            "corrected",
            "better with a reason",
            "promise late",
            "word proposed",
            "word approved",
            "word refused",
            "word withdrawn",
            "maintenance reminded",
            "maintenance began",
            "maintenance extended",
            "maintenance overdue",
            "maintenance verified",
            "maintenance completed",
            "maintenance cancelled",
            "harm covered",
            "harm covered no more",
            "post-mortem drafted",
            "post-mortem written",
            "post-mortem published",
            "post-mortem corrected",
            "measure done",
            "measure reminded",
            "notice clock started",
            "notice clock stopped",
        ];
        all.extend(others.map(str::to_owned));
        all
    }

    pub(crate) fn hit(&mut self, mark: impl Into<String>) {
        *self.0.entry(mark.into()).or_default() += 1;
    }

    /// Takes over what another run met.
    pub fn add(&mut self, other: &Self) {
        for (mark, count) in &other.0 {
            *self.0.entry(mark.clone()).or_default() += count;
        }
    }

    /// Required situations that were not met.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let mut required = Self::required();
        required.retain(|mark| !self.0.contains_key(mark));
        required
    }

    /// Every situation that was met, and how often.
    pub fn all(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(mark, count)| (mark.as_str(), *count))
    }

    /// How often a situation was met.
    #[must_use]
    pub fn count(&self, mark: &str) -> u64 {
        self.0.get(mark).copied().unwrap_or_default()
    }

    pub(crate) fn event(&mut self, event: &Event) {
        match &event.what {
            What::FindingOpened { finding } => self.hit(format!("opened {}", finding.key.kind)),
            What::FindingCleared { key, .. } => self.hit(format!("cleared {}", key.kind)),
            What::IncidentStatusChanged { from, to, .. } => {
                if *to == IncidentStatus::Resolved {
                    self.hit("incident resolved");
                } else if *from == IncidentStatus::Resolved {
                    self.hit("incident reopened");
                }
            }
            What::ActionProposed { .. } => self.hit("proposed"),
            What::ActionRequested {
                approved_by: Some(_),
                ..
            } => self.hit("proposal approved"),
            What::ActionClosed { by: Some(_), .. } => self.hit("proposal refused"),
            What::ActionClosed { by: None, .. } => self.hit("proposal came to nothing"),
            What::ActionProven { .. } => self.hit("proven"),
            What::ActionUnproven { .. } => self.hit("unproven"),
            What::ActionWithheld { why, .. } => self.hit(match why {
                Withheld::Watching => "withheld watching",
                Withheld::Held => "withheld held",
                Withheld::BudgetSpent => "withheld budget spent",
                Withheld::TooSoon => "withheld too soon",
                Withheld::Stopped => "withheld stopped",
                Withheld::NotOurs(_) => "withheld not ours",
                Withheld::Expired => "withheld expired",
            }),
            What::SlotSkipped { .. } => self.hit("slot skipped"),
            What::ActionsHeld { .. } => self.hit("held"),
            What::ActionsReleased { .. } => self.hit("released"),
            What::StopLifted { .. } => self.hit("stop lifted"),
            What::ProductDelivered { .. } => self.hit("product delivered"),
            _ => {}
        }
    }

    pub(crate) fn outcome(&mut self, kind: &str, outcome: &Outcome) {
        let how = match outcome {
            Outcome::Done(_) => "done",
            Outcome::NothingToDo(_) => "nothing to do",
            Outcome::Refused(_) => "refused",
            Outcome::Failed(_) => "failed",
        };
        self.hit(format!("{kind} {how}"));
    }
}
