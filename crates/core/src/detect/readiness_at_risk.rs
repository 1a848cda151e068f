//! What must hold at a time of day does not yet: the rehearsal, while there is time to act.

use super::{Detector, Verdict, View, readiness_failed};
use crate::finding::FindingKind;
use crate::subject::Subject;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::ReadinessAtRisk,
    guard: "readiness",
    about: "Some time before the time of day it is configured for (its rehearsal), one of the named \
            checks does not pass, or a job's product is not there.",
    advice: "There is still time: the reason names what is missing. When everything holds before \
             the time comes, this clears by itself.",
    judge,
};

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    let missing = readiness_failed::asked(view, subject, true)?;
    if missing.is_empty() {
        return Some(Verdict::clear("everything holds, or the time has come"));
    }
    if let Some(at) = readiness_failed::too_early(view, subject) {
        return Some(Verdict::unknown().again_at(at));
    }
    let kind = FindingKind::ReadinessAtRisk;
    let finding = readiness_failed::finding(view, subject, kind, &missing)?;
    Some(Verdict::holds(finding))
}
