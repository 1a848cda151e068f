//! One thing to tell, to one audience.
//!
//! The core says what is to be told and the facts of it; the words are rendered at the
//! edge of the program, in the reader's language.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::evidence::Fact;
use crate::finding::{FindingKey, Severity};
use crate::ids::{ComponentId, IncidentId, MessageId, Observer, PersonId};
use crate::incident::IncidentStatus;
use crate::maintenance::MaintenanceWord;
use crate::status::Status;
use crate::telling::PersonWord;

/// Who is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audience {
    /// The operator on duty.
    Operator,
    /// Customers.
    Public,
}

/// One thing to tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its number.
    pub id: MessageId,
    /// When it was decided.
    pub at: Timestamp,
    /// The incident it is about; none for a word about Evenkeel itself.
    pub incident: Option<IncidentId>,
    /// What is told.
    pub body: Body,
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "audience", rename_all = "snake_case")]
pub enum Body {
    /// A page to the operator on duty.
    Operator {
        /// One line: what happened.
        headline: String,
        /// Why, and what was or would be done, a sentence each.
        details: Vec<String>,
        /// What it rests on.
        facts: Vec<Fact>,
        /// The finding it is about: the operator is paged once for each.
        finding: Option<FindingKey>,
        /// Who is told; where nobody is named, the one pager there is, or the log.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<PersonId>,
        /// How much it matters.
        #[serde(default = "critical", skip_serializing_if = "is_critical")]
        severity: Severity,
    },
    /// A public update of an incident.
    Public {
        /// The status the update announces.
        status: IncidentStatus,
        /// The components it is about and how they are now.
        components: BTreeMap<ComponentId, Status>,
        /// Since when customers are hurt.
        since: Timestamp,
        /// When the next word comes; none in the last.
        next_update_at: Option<Timestamp>,
        /// What a person said, where one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        person: Option<Box<PersonWord>>,
        /// Who approved it, where it was proposed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        approved_by: Option<Observer>,
    },
    /// A public word about a maintenance.
    Maintenance(Box<MaintenanceWord>),
}

/// Before people had names, only what was critical was told.
fn critical() -> Severity {
    Severity::Critical
}

fn is_critical(severity: &Severity) -> bool {
    *severity == Severity::Critical
}

impl Message {
    /// Who is told.
    pub fn audience(&self) -> Audience {
        match self.body {
            Body::Operator { .. } => Audience::Operator,
            Body::Public { .. } | Body::Maintenance(_) => Audience::Public,
        }
    }
}
