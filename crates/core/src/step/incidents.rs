//! Findings become incidents, incidents end, components have a status.
//!
//! Findings belong together when they share a subject, a link (the job of a run, the run
//! of a session) or a harmed component. A notice opens none. An incident is resolved only
//! when none of its findings has held for the settle time; one that returns soon after
//! reopens it, so that a flapping cause is one incident and not ten.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use jiff::Timestamp;

use super::Work;
use super::telling::next_word_at;
use crate::event::What;
use crate::finding::{Finding, FindingKey, FindingKind, Severity};
use crate::ids::{ComponentId, IncidentId};
use crate::incident::{Incident, IncidentStatus};
use crate::policy::Policy;
use crate::record::{Phase, Record};
use crate::status::Status;
use crate::subject::Subject;
use crate::time;

/// When an incident is to be resolved, or something falls due to be told.
pub(super) fn next_change(record: &Record, policy: &Policy) -> Option<Timestamp> {
    let open = record
        .incidents
        .values()
        .filter(|incident| incident.status != IncidentStatus::Resolved || incident.is_announced());
    open.flat_map(|incident| {
        let settles = incident.status != IncidentStatus::Resolved && !is_held_open(incident);
        let quiet = incident.quiet_since.filter(|_| settles);
        let settled = quiet.map(|at| time::after(at, policy.incidents.settle));
        [settled, next_word_at(record, policy, incident)]
    })
    .flatten()
    .min()
}

/// Whether a person said that it goes on although nothing of it is seen.
fn is_held_open(incident: &Incident) -> bool {
    incident.said.as_ref().is_some_and(|said| said.worsens)
}

impl Work<'_> {
    /// Puts an open finding where it belongs: an unresolved incident, one resolved a
    /// moment ago, or a new one.
    pub(super) fn place_in_incident(&mut self, key: &FindingKey) {
        let Some(open) = self.state.record.findings.get(key) else {
            return;
        };
        let finding = open.finding.clone();
        // What a maintenance covers is shown as that, until it does so no more.
        let is_covered = open.incident.is_none() && self.state.record.covered_by(open).is_some();
        if finding.severity == Severity::Notice || is_covered {
            return;
        }
        let hurt = self.state.record.uncovered(open);
        let hurt: BTreeSet<ComponentId> = hurt
            .filter(|(_, status)| status.is_harm())
            .map(|(component, _)| component.clone())
            .collect();
        let home = open.incident.or_else(|| self.home_of(&finding));
        let Some(incident) = home
            .and_then(|id| self.state.record.incidents.get(&id))
            .cloned()
        else {
            self.emit(What::IncidentOpened {
                incident: IncidentId(self.state.record.last.incident + 1),
                title: finding.title,
                severity: finding.severity,
                finding: key.clone(),
            });
            return;
        };
        let joins = !incident.open_findings.contains(key)
            || hurt.iter().any(|of| !incident.harmed.contains_key(of));
        let worse = finding.severity > incident.severity
            || (!finding.harms.is_empty() && incident.harmed.is_empty());
        if joins || worse {
            let title = if worse {
                finding.title
            } else {
                incident.title.clone()
            };
            self.emit(What::IncidentUpdated {
                incident: incident.id,
                title,
                severity: incident.severity.max(finding.severity),
                finding: Some(key.clone()),
            });
        }
        if incident.status == IncidentStatus::Resolved {
            self.emit(What::IncidentStatusChanged {
                incident: incident.id,
                from: incident.status,
                to: IncidentStatus::Investigating,
                reason: "it is back".into(),
            });
        }
    }

    fn home_of(&self, finding: &Finding) -> Option<IncidentId> {
        let mut about: BTreeSet<&Subject> = finding.links.iter().collect();
        about.insert(&finding.key.subject);
        let policy = &self.policy.incidents;
        self.state
            .record
            .incidents
            .values()
            .rev()
            .filter(|incident| match incident.resolved_at {
                None => true,
                Some(at) => time::since(at, self.now) <= policy.reopen_within,
            })
            .find(|incident| {
                let shares_harm = finding
                    .harms
                    .keys()
                    .any(|component| incident.harmed.contains_key(component));
                shares_harm || about.iter().any(|subject| incident.links.contains(subject))
            })
            .map(|incident| incident.id)
    }

    /// Moves every unresolved incident to the status its findings and actions give it.
    pub(super) fn settle_incidents(&mut self) {
        let settle = self.policy.incidents.settle;
        let changes: Vec<(IncidentId, IncidentStatus, IncidentStatus, &str)> = self
            .state
            .record
            .incidents
            .values()
            .filter(|incident| incident.status != IncidentStatus::Resolved)
            .filter_map(|incident| {
                let (status, reason) = self.stands(incident, settle);
                (status != incident.status).then_some((
                    incident.id,
                    incident.status,
                    status,
                    reason,
                ))
            })
            .collect();
        for (incident, from, to, reason) in changes {
            self.emit(What::IncidentStatusChanged {
                incident,
                from,
                to,
                reason: reason.into(),
            });
        }
    }

    /// Where an unresolved incident stands, and why.
    fn stands(&self, incident: &Incident, settle: Duration) -> (IncidentStatus, &'static str) {
        // Where nobody can say, nobody can say that it is over either.
        let record = &self.state.record;
        let hurts = incident.open_findings.iter().any(|key| {
            let open = record.findings.get(key);
            let hurts = |status: &Status| *status != Status::Operational;
            open.is_some_and(|open| record.uncovered(open).any(|(_, status)| hurts(&status)))
        });
        let quiet_long_enough = incident
            .quiet_since
            .is_some_and(|since| time::since(since, self.now) >= settle);
        let watched = incident.open_findings.is_empty() || (incident.is_public() && !hurts);
        if quiet_long_enough && !is_held_open(incident) {
            (IncidentStatus::Resolved, "nothing of it has come back")
        } else if watched {
            (IncidentStatus::Monitoring, "nobody is hurt any more")
        } else if self.cause_is_known(incident) && !did_not_help(incident) {
            (
                IncidentStatus::Identified,
                "the cause is known and answered",
            )
        } else {
            (IncidentStatus::Investigating, "it holds, or holds again")
        }
    }

    /// Once known it stays known, until it is over or what was done did not help.
    fn cause_is_known(&self, incident: &Incident) -> bool {
        if incident.status == IncidentStatus::Identified {
            return true;
        }
        incident.open_findings.iter().any(|key| {
            let open = self.state.record.findings.get(key);
            let action = open
                .and_then(|open| open.last_action)
                .and_then(|id| self.state.record.actions.get(&id));
            action.is_some_and(|state| {
                state.phase.is_open() || matches!(state.phase, Phase::Proven { .. })
            })
        })
    }

    /// Components of the configuration that the record has not heard of begin as unknown.
    pub(super) fn introduce_components(&mut self) {
        let new: Vec<ComponentId> = self
            .policy
            .components
            .keys()
            .filter(|id| !self.state.record.components.contains_key(id))
            .cloned()
            .collect();
        for component in new {
            self.emit(What::ComponentStatusChanged {
                component,
                from: Status::Unknown,
                to: Status::Unknown,
                reason: "it was not watched before".into(),
            });
        }
    }

    /// Gives every component that may have changed the worst status an open finding gives
    /// it; operational only where what it needs can be seen.
    pub(super) fn settle_components(&mut self) {
        if self.components.is_empty() {
            return;
        }
        let mut worst: BTreeMap<&ComponentId, (Status, &str)> = BTreeMap::new();
        for open in self.state.record.findings.values() {
            for (component, status) in self.state.record.uncovered(open) {
                let entry = worst
                    .entry(component)
                    .or_insert((status, &open.finding.reason));
                if status > entry.0 {
                    *entry = (status, &open.finding.reason);
                }
            }
        }
        let mut changes: Vec<(ComponentId, Status, Status, String)> = Vec::new();
        let touched = core::mem::take(&mut self.components);
        for id in &touched {
            let Some(state) = self.state.record.components.get(id) else {
                continue;
            };
            let planned = self.state.record.maintenance_of(id);
            let worst = worst.get(id).copied();
            let worst = worst.filter(|(status, _)| planned.is_none() || status.is_harm());
            let (status, reason) = match worst {
                Some((status, reason)) => (status, reason.to_string()),
                None if planned.is_some() => {
                    (Status::UnderMaintenance, "planned work is under way".into())
                }
                // What failed last is not said to work before it does.
                None if self.is_seen(id)
                    && (state.status == Status::Operational || !self.fails(id)) =>
                {
                    (Status::Operational, "nothing is known against it".into())
                }
                None if self.lost_sight => (Status::Unknown, "nobody looked for a while".into()),
                None if state.status == Status::UnderMaintenance => (
                    Status::Unknown,
                    "planned work is over, and nobody has seen it work yet".into(),
                ),
                None => (state.status, String::new()),
            };
            if status != state.status {
                changes.push((id.clone(), state.status, status, reason));
            }
        }
        for (component, from, to, reason) in changes {
            self.emit(What::ComponentStatusChanged {
                component,
                from,
                to,
                reason,
            });
        }
    }

    /// Whether a check of the component failed when it was last made.
    fn fails(&self, id: &ComponentId) -> bool {
        let mut failing = self.state.memory.failing.iter();
        failing.any(|check| {
            let policy = self.policy.checks.get(check);
            policy.is_some_and(|policy| policy.components.contains(id))
        })
    }

    /// Whether anything looks at what the component needs, and sees it.
    fn is_seen(&self, id: &ComponentId) -> bool {
        let Some(policy) = self.policy.components.get(id) else {
            return false;
        };
        let memory = &self.state.memory;
        let sees = |database| memory.sees_locks(database, self.now);
        let by_edge = !memory.seen_by_edge_only.contains(id) || memory.edge.is_fresh(self.now);
        by_edge
            && memory.watched.contains(id)
            && policy.needs.iter().all(sees)
            && memory.sees_checks_of(id)
    }
}

fn did_not_help(incident: &Incident) -> bool {
    incident
        .open_findings
        .iter()
        .any(|key| key.kind == FindingKind::ActionDidNotHelp)
}
