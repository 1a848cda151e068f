//! A public word as it goes to subscribers: the facts of it, frozen when it was told, so
//! that what is sent an hour later is what was said then.

use std::collections::BTreeMap;

use evenkeel_core::Timestamp;
use evenkeel_core::ids::{ComponentId, IncidentId};
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::language::Language;
use evenkeel_core::message::{Body, Message};
use evenkeel_core::record::Record;
use evenkeel_core::status::Status;
use evenkeel_core::telling::{Affected, DataAffected};
use serde::{Deserialize, Serialize};

use crate::public::words::Words;
use crate::web::Site;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// What was told.
    pub message: Message,
    /// Everything its incident hurt until then, with the worst of each.
    pub harmed: BTreeMap<ComponentId, Status>,
    /// What customers call the components.
    pub names: BTreeMap<ComponentId, String>,
    /// What webhooks are sent: Statuspage's shape.
    pub payload: serde_json::Value,
}

/// A few sentences of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paragraph {
    /// The text.
    pub text: String,
    /// Its language, where a person wrote it.
    pub written_in: Option<Language>,
}

impl Word {
    /// A message to customers; `None` where it is none.
    pub fn of(
        message: &Message,
        record: &Record,
        site: &Site,
        payload: serde_json::Value,
    ) -> Option<Self> {
        let Body::Public {
            components, person, ..
        } = &message.body
        else {
            return None;
        };
        let incident = record.incidents.get(&message.incident?);
        let mut harmed = incident.map_or_else(BTreeMap::new, |incident| incident.harmed.clone());
        for (id, status) in components {
            let worst = harmed.entry(id.clone()).or_insert(*status);
            *worst = (*worst).max(*status);
        }
        let works = person.iter().flat_map(|word| &word.facts.works);
        let named = harmed.keys().chain(works).cloned();
        let names = named.map(|id| {
            let name = site.component_name(&id).to_owned();
            (id, name)
        });
        Some(Self {
            message: message.clone(),
            names: names.collect(),
            harmed,
            payload,
        })
    }

    /// What it is known by, also when a journal is begun anew and counts from one.
    pub fn key(&self) -> String {
        key(&self.message)
    }

    /// What it is about.
    pub fn subject(&self) -> String {
        let incident = self.message.incident;
        incident.map_or_else(String::new, |id| id.to_string())
    }

    /// The incident.
    pub fn incident(&self) -> Option<IncidentId> {
        self.message.incident
    }

    /// The components it concerns.
    pub fn components(&self) -> impl Iterator<Item = &ComponentId> {
        self.harmed.keys()
    }

    /// Whether it is about planned work.
    pub fn is_maintenance(&self) -> bool {
        false
    }

    /// Whether it corrects an earlier one.
    pub fn is_correction(&self) -> bool {
        match &self.message.body {
            Body::Public { person, .. } => {
                person.as_ref().is_some_and(|word| word.corrects.is_some())
            }
            _ => false,
        }
    }

    fn name<'a>(&'a self, id: &'a ComponentId) -> &'a str {
        self.names.get(id).map_or(id.as_str(), String::as_str)
    }

    fn status(&self) -> IncidentStatus {
        match &self.message.body {
            Body::Public { status, .. } => *status,
            _ => IncidentStatus::Investigating,
        }
    }

    /// In a few words: `Login does not work`.
    pub fn title(&self, words: &Words) -> String {
        let harmed = self.harmed.iter();
        let harmed: Vec<_> = harmed
            .map(|(id, status)| (self.name(id), *status))
            .collect();
        let over = matches!(
            self.status(),
            IncidentStatus::Monitoring | IncidentStatus::Resolved
        );
        words.incident_title(&harmed, over)
    }

    /// Where it stands, in a word.
    pub fn stands(&self, words: &Words) -> String {
        words.incident_status(self.status())
    }

    /// The whole of it, as the page says it.
    pub fn paragraphs(&self, words: &Words) -> Vec<Paragraph> {
        let Body::Public {
            status,
            components,
            next_update_at,
            person,
            ..
        } = &self.message.body
        else {
            return Vec::new();
        };
        let of = |text: String| Paragraph {
            text,
            written_in: None,
        };
        let mut all = Vec::new();
        let facts = person.as_ref().map(|word| &word.facts);
        if self.is_correction() {
            all.push(of(words.corrects()));
        }
        let named: Vec<_> = components
            .iter()
            .map(|(id, status)| (self.name(id), *status))
            .collect();
        all.push(of(words.update(
            *status,
            &named,
            *next_update_at,
            self.message.at,
        )));
        let affected = facts.and_then(|facts| facts.affected.as_ref());
        all.extend(affected.map(|affected| {
            of(match affected {
                Affected::All => words.affected_all(),
                Affected::Some => words.affected_some(),
                Affected::Group(name) => words.affected_group(name),
            })
        }));
        all.extend(facts.and_then(|facts| facts.data).map(|data| {
            of(match data {
                DataAffected::No => words.data_safe(),
                DataAffected::Yes => words.data_affected(),
                DataAffected::BeingChecked => words.data_checked(),
            })
        }));
        let works = facts.iter().flat_map(|facts| &facts.works);
        let works: Vec<&str> = works.map(|id| self.name(id)).collect();
        all.extend(words.unharmed(&works, false).map(of));
        if let Some(free) = person.as_ref().and_then(|word| word.text.as_ref()) {
            all.push(of(words.original(free.language.own_name())));
            all.push(Paragraph {
                text: free.text.clone(),
                written_in: Some(free.language),
            });
        }
        all
    }

    /// When it was told.
    pub fn at(&self) -> Timestamp {
        self.message.at
    }
}

/// What a message is known by.
pub fn key(message: &Message) -> String {
    format!("{}.{}", message.id, message.at.as_microsecond())
}
