//! What is to be told, to whom.
//!
//! The operator is paged once for each critical finding of an incident, and for each
//! proposal. What customers are told is decided in `telling.rs`.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use super::Work;
use crate::action::Action;
use crate::event::{What, Withheld};
use crate::finding::Severity;
use crate::ids::{IncidentId, MessageId, PersonId};
use crate::incident::IncidentStatus;
use crate::message::{Body, Message};
use crate::record::{OpenFinding, Phase};
use crate::respond::recycle_instance;

impl Work<'_> {
    pub(super) fn tell(&mut self) {
        let incidents: Vec<IncidentId> = self
            .state
            .record
            .incidents
            .values()
            .filter(|incident| {
                incident.status != IncidentStatus::Resolved || incident.is_announced()
            })
            .map(|incident| incident.id)
            .collect();
        for id in incidents {
            self.tell_operator(id);
            self.tell_customers(id);
        }
    }

    fn tell_operator(&mut self, id: IncidentId) {
        if !self.policy.calling.people.is_empty() {
            return self.call_people(id);
        }
        let Some(incident) = self.state.record.incidents.get(&id) else {
            return;
        };
        let unpaged: Vec<OpenFinding> = incident
            .open_findings
            .iter()
            .filter(|key| !incident.paged.contains(key))
            .filter_map(|key| self.state.record.findings.get(key))
            .filter(|open| open.finding.severity == Severity::Critical)
            .cloned()
            .collect();
        for open in unpaged {
            self.call(id, &open, None, None);
        }
    }

    /// In one sentence: what is or would be done about a finding.
    pub(super) fn what_is_done(&self, open: &OpenFinding) -> String {
        if let Some((kind, why)) = &open.withheld {
            let would = kind.phrase();
            return match why {
                Withheld::Watching => {
                    format!("Evenkeel only watches here: it would {would}. Nothing was done.")
                }
                Withheld::Held => format!("Actions are held: Evenkeel would {would}."),
                Withheld::BudgetSpent => {
                    format!("Its budget is spent: Evenkeel would {would}, and did not.")
                }
                Withheld::TooSoon => {
                    format!("Evenkeel will {would} when the minimum interval has passed.")
                }
                Withheld::Stopped => format!(
                    "It did not help before: Evenkeel would {would}, and waits for a person."
                ),
                Withheld::NotOurs(rule) => format!("Nothing was done: {rule}."),
                Withheld::Expired => format!("Nobody approved in time: it would {would}."),
            };
        }
        let action = open
            .last_action
            .and_then(|id| self.state.record.actions.get(&id));
        match action.map(|state| (&state.action, &state.phase)) {
            Some((action, Phase::Proposed { .. })) => format!(
                "{} waits for approval: {}. Approve with `evenkeel approve {}`.",
                action.id, action.task, action.id
            ),
            Some((action, _)) => format!("{} was requested: {}.", action.id, action.task),
            None if recycle_instance::announces(self.view(), open).is_some() => {
                recycle_instance::announces(self.view(), open).unwrap_or_default()
            }
            None => "Evenkeel has no answer to this by itself: somebody has to look.".to_string(),
        }
    }

    pub(super) fn page_proposal(&mut self, action: &Action) {
        let details = vec![
            action.reason.clone(),
            format!("It would {}.", action.task),
            format!(
                "Approve with `evenkeel approve {}`, refuse with `evenkeel refuse {}`.",
                action.id, action.id
            ),
        ];
        let headline = format!("{} waits for your word: {}", action.id, action.task);
        let (facts, finding) = (action.facts.clone(), action.finding.clone());
        let to = self.on_duty(action.incident);
        self.request(
            action.incident,
            Body::Operator {
                headline,
                details,
                facts,
                finding,
                to,
                severity: Severity::Critical,
            },
        );
    }

    /// Calls somebody about what is no finding: `to`, else whoever is on duty. Without an
    /// incident it counts as no call for one.
    pub(super) fn page(
        &mut self,
        incident: Option<IncidentId>,
        (headline, details): (String, Vec<String>),
        severity: Severity,
        to: Option<PersonId>,
    ) {
        let to = to.or_else(|| self.on_duty(incident));
        self.request(
            incident,
            Body::Operator {
                headline,
                details,
                facts: Vec::new(),
                finding: None,
                to,
                severity,
            },
        );
    }

    pub(super) fn request(&mut self, incident: Option<IncidentId>, body: Body) {
        let id = MessageId(self.state.record.last.message + 1);
        let message = Message {
            id,
            at: self.now,
            incident,
            body,
        };
        self.emit(What::MessageRequested { message });
    }
}
