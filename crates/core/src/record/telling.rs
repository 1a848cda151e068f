//! How what is told to customers changes the record.

use alloc::collections::BTreeMap;

use jiff::Timestamp;

use super::Record;
use crate::event::What;
use crate::ids::ComponentId;
use crate::incident::{Incident, IncidentStatus, LastWord, PendingWord, Promise, Said};
use crate::message::{Body, Message};
use crate::status::Status;

impl Incident {
    /// What is seen of it has another status.
    pub(super) fn evidence_turned(&mut self, to: IncidentStatus) {
        if to < IncidentStatus::Monitoring {
            return;
        }
        // It is as good as was said; from now on anything is worse.
        if let Some(said) = &mut self.said {
            said.components.clear();
            said.improves = false;
        }
        let said = self.said.as_ref().map(|said| said.status);
        if to == IncidentStatus::Resolved && said == Some(IncidentStatus::Resolved) {
            self.said = None;
        }
    }
}

impl Record {
    /// How the components of an incident are seen.
    pub(crate) fn seen_of(&self, incident: &Incident) -> BTreeMap<ComponentId, Status> {
        let status = |component: &ComponentId| {
            let state = self.components.get(component);
            state.map(|state| state.status).unwrap_or_default()
        };
        let harmed = incident.harmed.keys();
        harmed
            .map(|component| (component.clone(), status(component)))
            .collect()
    }

    pub(super) fn tell_publicly(&mut self, message: &Message) {
        let Some(incident) = message.incident.and_then(|id| self.incidents.get(&id)) else {
            return;
        };
        let (id, seen) = (incident.id, self.seen_of(incident));
        let Body::Public {
            status,
            components,
            next_update_at,
            person,
            ..
        } = &message.body
        else {
            return;
        };
        let Some(incident) = self.incidents.get_mut(&id) else {
            return;
        };
        match person {
            // A correction says of what was told that it was wrong, and nothing of now.
            Some(word) if word.corrects.is_some() => return,
            Some(word) => {
                let better = *status >= IncidentStatus::Monitoring;
                incident.said = Some(Said {
                    status: *status,
                    improves: better && word.reason.is_some(),
                    worsens: !better && incident.status >= IncidentStatus::Monitoring,
                    components: seen,
                });
                incident.promise = next_update_at
                    .filter(|_| word.promised)
                    .map(|until| Promise {
                        by: word.by.clone(),
                        until,
                    });
            }
            None if incident
                .said
                .as_ref()
                .is_some_and(|said| said.status != *status) =>
            {
                incident.said = None;
            }
            None => {}
        }
        if *status == IncidentStatus::Resolved {
            incident.promise = None;
        }
        incident.pending = None;
        incident.last_word = Some(LastWord {
            at: message.at,
            status: *status,
            components: components.clone(),
            next_update_at: *next_update_at,
        });
    }

    pub(super) fn fold_word(&mut self, what: &What, at: Timestamp) {
        match what {
            What::WordProposed {
                incident,
                status,
                components,
                tells_at,
            } => {
                if let Some(state) = self.incidents.get_mut(incident) {
                    state.pending = Some(PendingWord {
                        status: *status,
                        components: components.clone(),
                        since: at,
                        tells_at: *tells_at,
                        refused_by: None,
                    });
                }
            }
            What::WordWithdrawn { incident, by, .. } => {
                let Some(state) = self.incidents.get_mut(incident) else {
                    return;
                };
                // What was refused is kept, so that the same is not asked for again.
                match by {
                    Some(by) => {
                        if let Some(pending) = &mut state.pending {
                            pending.refused_by = Some(by.clone());
                        }
                    }
                    None => state.pending = None,
                }
            }
            What::PromiseMissed { incident, by, .. } => {
                let Some(state) = self.incidents.get_mut(incident) else {
                    return;
                };
                match (by, &mut state.last_word) {
                    (Some(_), _) => state.promise = None,
                    (None, Some(word)) => word.next_update_at = None,
                    (None, None) => {}
                }
            }
            _ => {}
        }
    }
}
