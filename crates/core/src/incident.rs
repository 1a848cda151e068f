//! Findings that belong together, from opened to resolved.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::calling::Calls;
use crate::finding::{FindingKey, Severity};
use crate::ids::{ComponentId, IncidentId, Observer};
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
    /// Since when customers were hurt, the last time it was opened or reopened; `None`
    /// while they were not.
    #[serde(default)]
    pub harm_since: Option<Timestamp>,
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
    /// What a person told, while it stands instead of what is seen.
    #[serde(default)]
    pub said: Option<Said>,
    /// What a person promised, until they keep it, it is late, or it is over.
    #[serde(default)]
    pub promise: Option<Promise>,
    /// A word that waits for a person's.
    #[serde(default)]
    pub pending: Option<PendingWord>,
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

/// What a person told of where an incident stands.
///
/// It holds until the evidence says worse than it did then, or says by itself that it is
/// better. What a person called worse than it looked holds until a person says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// The status they told.
    pub status: IncidentStatus,
    /// They said better than what was seen, with a reason.
    pub improves: bool,
    /// They said worse than what was seen.
    pub worsens: bool,
    /// How the components were seen then.
    pub components: BTreeMap<ComponentId, Status>,
}

/// A next word that a person promised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Promise {
    /// Who.
    pub by: Observer,
    /// By when.
    pub until: Timestamp,
}

/// A public word that was decided and waits for a person's approval or veto.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingWord {
    /// The status it announces.
    pub status: IncidentStatus,
    /// What it says of the components.
    pub components: BTreeMap<ComponentId, Status>,
    /// Since when it waits.
    pub since: Timestamp,
    /// When it is told unless somebody vetoes; never by itself where it is only proposed.
    pub tells_at: Option<Timestamp>,
    /// Who refused it.
    pub refused_by: Option<Observer>,
}

impl Incident {
    /// Whether customers are, or were, hurt: it is shown to them.
    pub fn is_public(&self) -> bool {
        !self.harmed.is_empty()
    }

    /// Whether customers have been told of it, and not yet that it is over. What was too
    /// short to tell is a line in the history and never this.
    pub fn is_announced(&self) -> bool {
        self.last_word
            .as_ref()
            .is_some_and(|word| word.status != IncidentStatus::Resolved)
    }
}
