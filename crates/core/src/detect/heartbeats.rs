//! What the detectors of heartbeats share.
//!
//! All of them say at every judgement when they want to look again, so that one timer for
//! each heartbeat is enough, however often it pings ([`crate::memory::Memory`]).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use jiff::Timestamp;

use super::{Verdict, View};
use crate::evidence::Fact;
use crate::finding::{Finding, FindingKey, FindingKind, Severity};
use crate::heartbeat::HeartbeatSpec;
use crate::ids::HeartbeatId;
use crate::record::HeartbeatState;
use crate::subject::Subject;
use crate::time;

/// After a start of Evenkeel, clients that knocked in vain get so long to knock again:
/// what is told to retry does so within a minute or two.
const PATIENCE: Duration = Duration::from_secs(300);

/// A heartbeat that is to be judged.
pub(super) struct Beat<'a> {
    pub(super) id: &'a HeartbeatId,
    pub(super) spec: &'a HeartbeatSpec,
    pub(super) state: &'a HeartbeatState,
}

/// The heartbeat a subject is, or what there is to say without looking closer: it is gone
/// or paused. `None` where the subject is no heartbeat.
pub(super) fn beat<'a>(view: View<'a>, subject: &'a Subject) -> Option<Result<Beat<'a>, Verdict>> {
    let Subject::Heartbeat(id) = subject else {
        return None;
    };
    let spec = crate::step::heartbeats::spec_of(view, id);
    let (Some(spec), Some(state)) = (spec, view.record.heartbeats.get(id)) else {
        return Some(Err(Verdict::clear("the heartbeat is no longer there")));
    };
    if state.paused {
        return Some(Err(Verdict::clear("it is paused")));
    }
    Some(Ok(Beat { id, spec, state }))
}

impl Beat<'_> {
    pub(super) fn called(&self) -> &str {
        self.spec.called(self.id)
    }

    /// A deadline as it holds for who has listened only since then.
    pub(super) fn bearing_with(&self, view: View<'_>, deadline: Timestamp) -> Timestamp {
        let since = view.memory.tracked_since.unwrap_or(view.now);
        deadline.max(time::after(since, PATIENCE.min(self.spec.grace)))
    }

    /// What holds, at the severity of the heartbeat and to the harm of its components.
    pub(super) fn finding(
        &self,
        kind: FindingKind,
        title: String,
        reason: String,
        facts: Vec<Fact>,
    ) -> Finding {
        let harm = |id: &crate::ids::ComponentId| (id.clone(), self.spec.harm);
        Finding {
            key: self.key(kind),
            title,
            severity: self.spec.severity,
            harms: self.spec.components.iter().map(harm).collect(),
            links: BTreeSet::new(),
            reason,
            facts,
        }
    }

    /// What is worth knowing and hurts nobody yet.
    pub(super) fn oddity(
        &self,
        kind: FindingKind,
        title: String,
        reason: String,
        facts: Vec<Fact>,
    ) -> Finding {
        Finding {
            severity: self.spec.severity.min(Severity::Warning),
            harms: BTreeMap::new(),
            ..self.finding(kind, title, reason, facts)
        }
    }

    pub(super) fn key(&self, kind: FindingKind) -> FindingKey {
        FindingKey {
            kind,
            subject: Subject::Heartbeat(self.id.clone()),
        }
    }
}
