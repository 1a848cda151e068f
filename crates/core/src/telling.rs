//! What people tell customers: the words, and when they may not be said.
//!
//! A person adds what no guard sees: who is affected, whether data is, what still works, a
//! few sentences in their own language, when the next word comes. A person may say that it
//! is better than what is seen only with a reason, which is kept and shown to operators.
//! Nothing that was told is edited: a correction is a further word that names the earlier.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use core::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{ComponentId, IncidentId, MessageId, Observer};
use crate::incident::{Incident, IncidentStatus};
use crate::language::Language;
use crate::message::Body;
use crate::record::Record;
use crate::status::Status;
use crate::time;

/// The soonest a person may promise the next word: sooner, writing it is all they do.
pub const PROMISE_MIN: Duration = Duration::from_secs(5 * 60);

/// The latest a person may promise the next word.
pub const PROMISE_MAX: Duration = Duration::from_secs(24 * 3600);

/// What a person wrote, as they wrote it: plain text, never translated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FreeText {
    /// The language it is in.
    pub language: Language,
    /// The text.
    pub text: String,
}

/// Whom it hurts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Affected {
    /// All customers.
    All,
    /// Some.
    Some,
    /// Those of a group, by the name they know it by.
    Group(String),
}

/// Whether customers' data is affected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataAffected {
    /// It is not.
    No,
    /// It is.
    Yes,
    /// It is being checked.
    BeingChecked,
}

/// What a person knows that no guard sees.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ToldFacts {
    /// Whom it hurts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affected: Option<Affected>,
    /// Whether data is affected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataAffected>,
    /// What still works.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub works: BTreeSet<ComponentId>,
}

impl ToldFacts {
    /// Whether they say nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a person tells of an incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tell {
    /// The incident.
    pub incident: IncidentId,
    /// Where it stands.
    pub status: IncidentStatus,
    /// In their own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<FreeText>,
    /// What they know.
    #[serde(default, skip_serializing_if = "ToldFacts::is_empty")]
    pub facts: ToldFacts,
    /// When they promise the next word, between [`PROMISE_MIN`] and [`PROMISE_MAX`] from
    /// now; without it, the next comes by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_update_at: Option<Timestamp>,
    /// Why it is better than what is seen, where it is. Operators read it, customers do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a person says instead of what was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correct {
    /// The word that was wrong.
    pub message: MessageId,
    /// In their own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<FreeText>,
    /// What is so instead.
    #[serde(default, skip_serializing_if = "ToldFacts::is_empty")]
    pub facts: ToldFacts,
    /// Why it is better than what is seen, where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The part of a public word that is a person's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonWord {
    /// Who. Customers do not read it.
    pub by: Observer,
    /// In their own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<FreeText>,
    /// What they know.
    #[serde(default, skip_serializing_if = "ToldFacts::is_empty")]
    pub facts: ToldFacts,
    /// Whether they promised when the next word comes.
    #[serde(default)]
    pub promised: bool,
    /// Why it is better than what is seen. Customers do not read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The earlier word that it corrects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrects: Option<MessageId>,
}

/// Components as a person tells of them: where they call it better than it looks, they work.
pub(crate) fn as_given(
    improves: bool,
    mut components: BTreeMap<ComponentId, Status>,
) -> BTreeMap<ComponentId, Status> {
    if improves {
        for told in components.values_mut() {
            *told = Status::Operational;
        }
    }
    components
}

/// Why a word cannot be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Untellable {
    /// There is no such incident.
    NoIncident,
    /// It hurts no customer, as far as anybody can see.
    HurtsNobody,
    /// Customers were told that it is over, and it has not come back.
    Over,
    /// The promised time is too near or too far.
    Promise,
    /// It is better than what is seen, and there is no reason: what is seen to be hurt.
    AgainstEvidence(BTreeSet<ComponentId>),
    /// There is no such public word, or it is no longer kept.
    NoWord,
    /// It says nothing.
    Empty,
}

impl Record {
    /// Components of an incident that something found still hurts, or nobody can see.
    pub fn hurt_by(&self, incident: &Incident) -> BTreeSet<ComponentId> {
        let open = incident.open_findings.iter();
        open.filter_map(|key| self.findings.get(key))
            .flat_map(|open| self.uncovered(open))
            .filter(|(_, status)| *status != Status::Operational)
            .map(|(component, _)| component.clone())
            .collect()
    }

    /// What is said against the evidence: `Some` needs a reason.
    fn against(
        &self,
        incident: &Incident,
        says_better: bool,
        facts: &ToldFacts,
    ) -> Option<Untellable> {
        let hurt = self.hurt_by(incident);
        let of_facts: BTreeSet<ComponentId> = hurt.intersection(&facts.works).cloned().collect();
        let against = if says_better { hurt } else { of_facts };
        (!against.is_empty()).then_some(Untellable::AgainstEvidence(against))
    }

    /// Why an update cannot be told; `None` where it can.
    pub fn untellable(&self, tell: &Tell, now: Timestamp) -> Option<Untellable> {
        let Some(incident) = self.incidents.get(&tell.incident) else {
            return Some(Untellable::NoIncident);
        };
        if !incident.is_public() {
            return Some(Untellable::HurtsNobody);
        }
        if incident.status == IncidentStatus::Resolved && !incident.is_announced() {
            return Some(Untellable::Over);
        }
        if let Some(at) = tell.next_update_at {
            let ahead = time::since(now, at);
            if !(PROMISE_MIN..=PROMISE_MAX).contains(&ahead) {
                return Some(Untellable::Promise);
            }
        }
        let says_better = tell.status >= IncidentStatus::Monitoring;
        self.against(incident, says_better, &tell.facts)
            .filter(|_| tell.reason.is_none())
    }

    /// The word that customers are told where a person tells an update; `None` where it
    /// cannot be told. Without a promise the next word comes after `soon`.
    pub fn update_of(
        &self,
        by: &Observer,
        tell: &Tell,
        soon: Duration,
        now: Timestamp,
    ) -> Option<Body> {
        if self.untellable(tell, now).is_some() {
            return None;
        }
        let incident = self.incidents.get(&tell.incident)?;
        let status = tell.status;
        let better = status >= IncidentStatus::Monitoring;
        let improves = better && tell.reason.is_some();
        let next_update_at = tell.next_update_at.unwrap_or(time::after(now, soon));
        let person = PersonWord {
            by: by.clone(),
            text: tell.text.clone(),
            facts: tell.facts.clone(),
            promised: tell.next_update_at.is_some(),
            reason: tell.reason.clone(),
            corrects: None,
        };
        Some(Body::Public {
            status,
            components: as_given(improves, self.seen_of(incident)),
            since: incident.harm_since.unwrap_or(incident.opened_at),
            next_update_at: (status != IncidentStatus::Resolved).then_some(next_update_at),
            person: Some(Box::new(person)),
            approved_by: None,
        })
    }

    /// The same of a correction, with the incident it is about. Nothing else of what was
    /// told last changes by it.
    pub fn correction_of(&self, by: &Observer, correct: &Correct) -> Option<(IncidentId, Body)> {
        if self.uncorrectable(correct).is_some() {
            return None;
        }
        let wrong = self.messages.get(&correct.message);
        let incident = wrong.and_then(|state| state.message.incident);
        let incident = incident.and_then(|id| self.incidents.get(&id))?;
        let told = incident.last_word.as_ref()?;
        let person = PersonWord {
            by: by.clone(),
            text: correct.text.clone(),
            facts: correct.facts.clone(),
            promised: false,
            reason: correct.reason.clone(),
            corrects: Some(correct.message),
        };
        let body = Body::Public {
            status: told.status,
            components: told.components.clone(),
            since: incident.harm_since.unwrap_or(incident.opened_at),
            next_update_at: told.next_update_at,
            person: Some(Box::new(person)),
            approved_by: None,
        };
        Some((incident.id, body))
    }

    /// Why a correction cannot be told; `None` where it can.
    pub fn uncorrectable(&self, correct: &Correct) -> Option<Untellable> {
        let word = self
            .messages
            .get(&correct.message)
            .map(|state| &state.message);
        let word = word.filter(|message| matches!(message.body, Body::Public { .. }));
        let incident = word
            .and_then(|message| message.incident)
            .and_then(|id| self.incidents.get(&id));
        let Some(incident) = incident else {
            return Some(Untellable::NoWord);
        };
        if correct.text.is_none() && correct.facts.is_empty() {
            return Some(Untellable::Empty);
        }
        self.against(incident, false, &correct.facts)
            .filter(|_| correct.reason.is_none())
    }
}
