//! A public word as it goes to subscribers: the facts of it, frozen when it was told, so
//! that what is sent an hour later is what was said then.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::Timestamp;
use evenkeel_core::ids::{ComponentId, IncidentId};
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::language::Language;
use evenkeel_core::maintenance::{MaintenanceStatus, MaintenanceWord, PlannedImpact};
use evenkeel_core::message::{Body, Message};
use evenkeel_core::record::Record;
use evenkeel_core::status::Status;
use evenkeel_core::telling::{Affected, DataAffected, FreeText};
use serde::{Deserialize, Serialize};

use crate::public::words::Words;
use crate::web::Site;
use crate::web::public::{documents, maintenance};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// What was told.
    pub message: Message,
    /// Everything its incident hurt until then, with the worst of each.
    pub harmed: BTreeMap<ComponentId, Status>,
    /// What customers call the components.
    pub names: BTreeMap<ComponentId, String>,
    /// What planned work is expected to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub impact: Option<PlannedImpact>,
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
        let none = BTreeSet::new();
        let (harmed, works) = match &message.body {
            Body::Public {
                components, person, ..
            } => {
                let incident = record.incidents.get(&message.incident?);
                let mut harmed =
                    incident.map_or_else(BTreeMap::new, |incident| incident.harmed.clone());
                for (id, status) in components {
                    let worst = harmed.entry(id.clone()).or_insert(*status);
                    *worst = (*worst).max(*status);
                }
                (
                    harmed,
                    person.as_ref().map_or(&none, |word| &word.facts.works),
                )
            }
            Body::Maintenance(word) => (word.components.clone(), &none),
            Body::Operator { .. } => return None,
        };
        let impact = match &message.body {
            Body::Maintenance(word) => {
                let state = record.maintenances.get(&word.maintenance);
                state.map(|state| state.plan.impact)
            }
            _ => None,
        };
        let named = harmed.keys().chain(works).cloned();
        let names = named.map(|id| {
            let name = site.component_name(&id).to_owned();
            (id, name)
        });
        Some(Self {
            message: message.clone(),
            names: names.collect(),
            harmed,
            impact,
            payload,
        })
    }

    /// What it is known by, also when a journal is begun anew and counts from one.
    pub fn key(&self) -> String {
        key(&self.message)
    }

    /// What it is about.
    pub fn subject(&self) -> String {
        match (&self.message.body, self.message.incident) {
            (Body::Maintenance(word), _) => word.maintenance.to_string(),
            (_, incident) => incident.map_or_else(String::new, |id| id.to_string()),
        }
    }

    /// The incident, where it is about one.
    pub fn incident(&self) -> Option<IncidentId> {
        self.message.incident
    }

    /// Its page, in one language.
    pub fn path(&self, language: Language) -> String {
        match (&self.message.body, self.message.incident) {
            (Body::Maintenance(word), _) => maintenance::address(language, Some(word.maintenance)),
            (_, incident) => documents::address(language, incident),
        }
    }

    /// The components it concerns.
    pub fn components(&self) -> impl Iterator<Item = &ComponentId> {
        self.harmed.keys()
    }

    /// Whether it is about planned work.
    pub fn is_maintenance(&self) -> bool {
        matches!(self.message.body, Body::Maintenance(_))
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
        if self.is_maintenance() {
            let names: Vec<&str> = self.harmed.keys().map(|id| self.name(id)).collect();
            return words.maintenance_named(&names);
        }
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
        if let Body::Maintenance(word) = &self.message.body {
            return words.maintenance_status(word.status);
        }
        words.incident_status(self.status())
    }

    fn planned(&self, words: &Words, word: &MaintenanceWord) -> Vec<Paragraph> {
        let said = words.maintenance_word(word.news, word.when, self.message.at);
        let names: Vec<&str> = self.harmed.keys().map(|id| self.name(id)).collect();
        let is_to_come = word.status != MaintenanceStatus::Cancelled
            && word.status != MaintenanceStatus::Completed;
        let expected = self.impact.filter(|_| is_to_come);
        let expected = expected.map(|impact| words.maintenance_expected(impact, &names));
        let mut all: Vec<Paragraph> = [Some(said), expected]
            .into_iter()
            .flatten()
            .map(|text| Paragraph {
                text,
                written_in: None,
            })
            .collect();
        all.extend(word.text.iter().flat_map(|free| original(words, free)));
        all
    }

    /// The whole of it, as the page says it.
    pub fn paragraphs(&self, words: &Words) -> Vec<Paragraph> {
        if let Body::Maintenance(word) = &self.message.body {
            return self.planned(words, word);
        }
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
        let free = person.as_ref().and_then(|word| word.text.as_ref());
        all.extend(free.iter().flat_map(|free| original(words, free)));
        all
    }

    /// When it was told.
    pub fn at(&self) -> Timestamp {
        self.message.at
    }
}

/// What a person wrote, and in which language.
fn original(words: &Words, free: &FreeText) -> [Paragraph; 2] {
    let language = free.language;
    [
        Paragraph {
            text: words.original(language.own_name()),
            written_in: None,
        },
        Paragraph {
            text: free.text.clone(),
            written_in: Some(language),
        },
    ]
}

/// What a message is known by.
pub fn key(message: &Message) -> String {
    format!("{}.{}", message.id, message.at.as_microsecond())
}
