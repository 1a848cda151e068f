//! Who is called when a person is needed: the order of people, and who has been told what.
//!
//! An incident calls one person. Who does not acknowledge it in time, or cannot be
//! reached, is followed by the next, until somebody looks after it, it is over, or
//! everybody has been called once: a list that begins anew for ever calls people who have
//! learnt to ignore it. Warnings go to the first person who is not in quiet hours, and
//! wait for the first quiet hours to end where everybody is.
//!
//! Quiet hours are hours of a day in a time zone. The core knows neither; the program
//! says when each person's present or next quiet stretch begins and ends
//! ([`QuietHours`](crate::observation::QuietHours)), so that a replay decides the same.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::finding::{FindingKey, Severity};
use crate::ids::PersonId;

/// Who is called, in which order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallingPolicy {
    /// The people, in the order they are called. None: pages go to the one pager there is,
    /// or to the log.
    pub people: Vec<PersonPolicy>,
    /// Who has not acknowledged within this time is followed by the next person.
    pub next_after: Duration,
}

impl Default for CallingPolicy {
    /// Ten minutes: to wake up, find the laptop and look takes five; a service that is down
    /// has no twenty to give.
    fn default() -> Self {
        Self {
            people: Vec::new(),
            next_after: Duration::from_secs(600),
        }
    }
}

/// One person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonPolicy {
    /// Who.
    pub id: PersonId,
    /// Whether they are told of warnings, or called for critical findings only.
    pub warnings: bool,
    /// Whether they have quiet hours; which, the program says.
    pub quiet_hours: bool,
    /// Whether they are called in quiet hours when it is critical.
    pub critical_in_quiet_hours: bool,
}

/// Who has been told what of one incident.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Calls {
    /// Who was called last, and when they were first called.
    pub last: Option<(PersonId, Timestamp)>,
    /// Everybody who was told something, of which findings, and how bad they were then.
    pub told: BTreeMap<PersonId, BTreeSet<(FindingKey, Severity)>>,
    /// Whose last message could not be delivered.
    pub unreached: BTreeSet<PersonId>,
}

impl Calls {
    /// Whether a person was called, and not only told of a warning.
    pub fn was_called(&self, person: &PersonId) -> bool {
        let is_last = self.last.as_ref().is_some_and(|(last, _)| last == person);
        let told = self.told.get(person);
        is_last || told.is_some_and(|told| told.iter().any(|(_, how)| *how == Severity::Critical))
    }

    /// Whether anybody was told of a finding.
    pub fn knows(&self, key: &FindingKey) -> bool {
        self.told
            .values()
            .any(|told| told.iter().any(|(known, _)| known == key))
    }

    pub(crate) fn tell(
        &mut self,
        person: &PersonId,
        finding: Option<&FindingKey>,
        severity: Severity,
        at: Timestamp,
    ) {
        let told = self.told.entry(person.clone()).or_default();
        told.extend(finding.map(|key| (key.clone(), severity)));
        let is_last = self.last.as_ref().is_some_and(|(last, _)| last == person);
        if severity == Severity::Critical && !is_last {
            self.last = Some((person.clone(), at));
        }
    }
}
