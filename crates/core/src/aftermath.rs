//! What is left of an incident beside the incident itself: its course, its post-mortem, and
//! the clocks that began to run with it.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::finding::{Finding, FindingKey};
use crate::ids::Observer;
use crate::incident::IncidentStatus;
use crate::notice::{Clock, Regime};
use crate::postmortem::Postmortem;
use crate::status::Status;

/// Turns kept of one incident: the first half and the newest.
pub const TURNS_KEPT: usize = 64;

/// What is left of an incident.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Aftermath {
    /// How it went, oldest first.
    pub course: Vec<Turn>,
    /// Turns that found no room.
    #[serde(default)]
    pub left_out: u64,
    /// When a witness first told customers of it, where it was one that did.
    #[serde(default)]
    pub told_outside_at: Option<Timestamp>,
    /// Its post-mortem, once it was resolved and where it hurt customers.
    #[serde(default)]
    pub postmortem: Option<Postmortem>,
    /// Clocks of legal notices.
    #[serde(default)]
    pub clocks: BTreeMap<Regime, Clock>,
}

/// A turn an incident took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Took,
}

/// What turn it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "took", rename_all = "snake_case")]
pub enum Took {
    /// A finding came to it, or hurts customers now and did not before.
    Found {
        /// Which.
        key: FindingKey,
        /// In a few words.
        title: String,
        /// Since when it is so, as far as its facts tell.
        began_at: Timestamp,
        /// Whether it hurts customers.
        hurts: bool,
    },
    /// One of its findings holds no more.
    Cleared {
        /// Which.
        key: FindingKey,
    },
    /// It stands otherwise.
    Stands {
        /// From.
        from: IncidentStatus,
        /// To.
        to: IncidentStatus,
    },
    /// Somebody looks after it.
    LookedAfter {
        /// Who.
        by: Observer,
    },
}

/// Facts of findings that say since when something is so.
const BEGINNINGS: [&str; 7] = [
    "failing_since",
    "since",
    "last_progress_at",
    "idle_since",
    "transaction_since",
    "grows_since",
    "due_at",
];

/// Whether a finding hurts customers.
pub(crate) fn hurts(finding: &Finding) -> bool {
    finding
        .harms
        .values()
        .any(|status: &Status| status.is_harm())
}

/// Since when what a finding says is so: by its facts, never after it was found.
pub(crate) fn began_at(finding: &Finding, found_at: Timestamp) -> Timestamp {
    let facts = finding.facts.iter();
    let told = facts.filter(|fact| BEGINNINGS.contains(&fact.name.as_str()));
    let times = told.filter_map(|fact| fact.value.parse::<Timestamp>().ok());
    times.fold(found_at, Timestamp::min)
}

impl Aftermath {
    pub(crate) fn take(&mut self, at: Timestamp, what: Took) {
        if self.course.len() >= TURNS_KEPT {
            self.course.remove(TURNS_KEPT / 2);
            self.left_out += 1;
        }
        self.course.push(Turn { at, what });
    }

    /// Whether a finding is known to it as it is.
    pub(crate) fn knows(&self, wanted: &FindingKey, hurting: bool) -> bool {
        let newest = self.course.iter().rev().find_map(|turn| match &turn.what {
            Took::Found { key, hurts, .. } if key == wanted => Some(Some(*hurts)),
            Took::Cleared { key } if key == wanted => Some(None),
            _ => None,
        });
        newest.flatten().is_some_and(|known| known || !hurting)
    }
}
