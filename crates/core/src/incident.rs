//! Findings that belong together, from opened to resolved.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::calling::Calls;
use crate::finding::{FindingKey, Severity};
use crate::ids::{ComponentId, IncidentId};
use crate::status::Status;
use crate::subject::Subject;

/// Where an incident stands, in Statuspage's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentStatus {
    /// Something is wrong; what, is not known yet.
    Investigating,
    /// The cause is known, something is being done.
    Identified,
    /// Nobody is hurt any more; it is watched for a while.
    Monitoring,
    /// It is over.
    Resolved,
}

impl IncidentStatus {
    /// The word on pages and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Investigating => "investigating",
            Self::Identified => "identified",
            Self::Monitoring => "monitoring",
            Self::Resolved => "resolved",
        }
    }
}

/// An incident as the record keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its number.
    pub id: IncidentId,
    /// What it is, in a few words: `Login is blocked`.
    pub title: String,
    /// Where it stands.
    pub status: IncidentStatus,
    /// The worst severity it has had.
    pub severity: Severity,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When its status last changed.
    pub status_since: Timestamp,
    /// When it was resolved, if it is.
    pub resolved_at: Option<Timestamp>,
    /// Since when none of its findings holds; `None` while one does.
    pub quiet_since: Option<Timestamp>,
    /// How often it was reopened.
    pub reopened_count: u32,
    /// Components it has hurt, with the worst status of each.
    pub harmed: BTreeMap<ComponentId, Status>,
    /// What it is about: the links of all its findings.
    pub links: BTreeSet<Subject>,
    /// Findings of it that hold now.
    pub open_findings: BTreeSet<FindingKey>,
    /// Findings of it that have cleared, newest 64.
    pub cleared_findings: BTreeSet<FindingKey>,
    /// Findings the operator was paged for.
    pub paged: BTreeSet<FindingKey>,
    /// The last public word: when, and what it said of the status and the components.
    pub last_word: Option<LastWord>,
    /// Who looks after it.
    pub acknowledged_by: Option<String>,
    /// Who has been told what of it.
    #[serde(default)]
    pub calls: Calls,
}

/// The last public word about an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastWord {
    /// When it was decided.
    pub at: Timestamp,
    /// The status it announced.
    pub status: IncidentStatus,
    /// What it said of the components.
    pub components: BTreeMap<ComponentId, Status>,
    /// The promise it made.
    pub next_update_at: Option<Timestamp>,
}

impl Incident {
    /// Whether customers are, or were, hurt: it is shown to them.
    pub fn is_public(&self) -> bool {
        !self.harmed.is_empty()
    }
}
