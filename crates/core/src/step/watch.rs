//! Checks and readiness: results that say something new are judged, what is asked for at
//! a time of day is asked for once, and time that nobody observed is said to be so.

use alloc::vec::Vec;
use core::time::Duration;

use jiff::Timestamp;

use super::Work;
use crate::detect::readiness_failed::lacks;
use crate::event::What;
use crate::finding::FindingKey;
use crate::ids::{DatabaseId, Observer, ReadinessId};
use crate::observation::{CheckResult, ReadinessDue};
use crate::subject::Subject;
use crate::time;

/// An absence that is shorter is a restart: what was so before it is so after it.
const ABSENCE_MIN: Duration = Duration::from_secs(30);

impl Work<'_> {
    pub(super) fn see_check(&mut self, by: &Observer, result: &CheckResult, at: Timestamp) {
        let Some(policy) = self.policy.checks.get(&result.check) else {
            return;
        };
        let is_reference = self.policy.references.contains(&result.check);
        let memory = &mut self.state.memory;
        let was_failing = memory.failing.contains(&result.check);
        let is_news = memory.see_check(policy, by, result, at, self.now);
        let is_failing = memory.failing.contains(&result.check);
        if is_reference && !memory.failing.is_empty() {
            // The doubt may be over, or begin: every check that fails is judged by it.
            let failing: Vec<_> = memory.failing.iter().cloned().map(Subject::Check).collect();
            self.touched.extend(failing);
        }
        if is_reference || was_failing != is_failing {
            self.touch(Subject::Evenkeel);
        }
        if is_news {
            self.touch(Subject::Check(result.check.clone()));
            self.components.extend(policy.components.iter().cloned());
            self.touch_asked_readiness();
        }
    }

    /// Something that a readiness may wait for has changed.
    pub(super) fn touch_asked_readiness(&mut self) {
        let states = self.state.record.readiness.iter();
        let asked = states.filter(|(_, state)| state.asked.is_some());
        let asked: Vec<ReadinessId> = asked.map(|(id, _)| id.clone()).collect();
        self.touched
            .extend(asked.into_iter().map(Subject::Readiness));
    }

    pub(super) fn touch_components_of(&mut self, database: &DatabaseId) {
        let needing = self.policy.components.iter();
        let needing = needing.filter(|(_, component)| component.needs.contains(database));
        self.components.extend(needing.map(|(id, _)| id.clone()));
    }

    pub(super) fn ask_readiness(&mut self, due: &ReadinessDue) {
        let ReadinessDue {
            readiness,
            due_at,
            rehearsal,
        } = due;
        let state = self.state.record.readiness.get(readiness);
        let newest_due = state.and_then(|state| state.last_due);
        let newest = if *rehearsal {
            state.and_then(|state| state.last_rehearsed.max(newest_due))
        } else {
            newest_due
        };
        if !self.policy.readiness.contains_key(readiness) || newest >= Some(*due_at) {
            return;
        }
        self.emit(What::ReadinessAsked {
            readiness: readiness.clone(),
            due_at: *due_at,
            rehearsal: *rehearsal,
        });
        self.touch(Subject::Readiness(readiness.clone()));
    }

    /// What is asked for and holds is said to hold, and is asked for no more.
    pub(super) fn settle_readiness(&mut self, subject: &Subject) {
        let Subject::Readiness(id) = subject else {
            return;
        };
        let asked = self
            .state
            .record
            .readiness
            .get(id)
            .and_then(|state| state.asked);
        let (Some(policy), Some(asked)) = (self.policy.readiness.get(id), asked) else {
            return;
        };
        if lacks(self.view(), policy).is_empty() {
            self.emit(What::ReadinessHeld {
                readiness: id.clone(),
                due_at: asked.due_at,
                rehearsal: asked.rehearsal,
            });
        }
    }

    /// The program did not run since then.
    pub(super) fn was_absent(&mut self, since: Timestamp) {
        let known = self.state.memory.absence.replace(since);
        if known != Some(since) && time::since(since, self.now) > ABSENCE_MIN {
            self.was_unobserved(since);
        }
    }

    pub(super) fn was_unobserved(&mut self, since: Timestamp) {
        if self.state.record.components.is_empty() {
            return;
        }
        self.emit(What::Unobserved { since });
        self.lost_sight = true;
        self.touch_all_components();
    }

    pub(super) fn touch_all_components(&mut self) {
        let all = self.policy.components.keys().cloned();
        self.components.extend(all);
    }

    /// What the configuration no longer has is found nothing about any more.
    pub(super) fn clear_what_is_gone(&mut self) {
        let policy = self.policy;
        let gone: Vec<FindingKey> = self
            .state
            .record
            .findings
            .keys()
            .filter(|key| match &key.subject {
                Subject::Check(id) => !policy.checks.contains_key(id),
                Subject::Readiness(id) => !policy.readiness.contains_key(id),
                Subject::Target(id) => !policy.targets.contains(id),
                _ => false,
            })
            .cloned()
            .collect();
        for key in gone {
            self.clear(key, "the configuration no longer has it".into());
        }
    }
}
