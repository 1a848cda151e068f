//! How the course, the post-mortem and the clocks of incidents change with events.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use jiff::Timestamp;

use super::Record;
use crate::aftermath::{Aftermath, Took, began_at, hurts};
use crate::event::{Reminder, What};
use crate::finding::FindingKey;
use crate::ids::IncidentId;
use crate::notice::{Clock, Given, Stopped};
use crate::postmortem::{Edition, Measure, MeasureState, Postmortem, Written};

impl Record {
    /// Whether something of an incident that is over is still to be read or done.
    pub(super) fn is_of_use(&self, incident: IncidentId) -> bool {
        let Some(aftermath) = self.aftermath.get(&incident) else {
            return false;
        };
        let is_open = |measure: &Measure| measure.state == MeasureState::Open;
        let of_use = |postmortem: &Postmortem| {
            !postmortem.editions.is_empty() || postmortem.measures.iter().any(is_open)
        };
        let mut clocks = aftermath.clocks.iter();
        aftermath.postmortem.as_ref().is_some_and(of_use)
            || clocks.any(|(regime, clock)| clock.runs(*regime))
    }

    /// Before a finding is gone: which incident it belonged to.
    pub(super) fn note_end(&mut self, what: &What, at: Timestamp) {
        let What::FindingCleared { key, .. } = what else {
            return;
        };
        let incident = self.findings.get(key).and_then(|open| open.incident);
        if let Some(aftermath) = incident.and_then(|id| self.aftermath.get_mut(&id)) {
            aftermath.take(at, Took::Cleared { key: key.clone() });
        }
    }

    /// What an event is in the course of an incident.
    pub(super) fn note_turn(&mut self, what: &What, at: Timestamp) {
        match what {
            What::IncidentOpened {
                incident, finding, ..
            } => {
                self.aftermath.insert(*incident, Aftermath::default());
                self.note_found(*incident, finding, at);
            }
            What::OutageLearned {
                incident, told_at, ..
            } => {
                let learned = Aftermath {
                    told_outside_at: Some(*told_at),
                    ..Aftermath::default()
                };
                self.aftermath.insert(*incident, learned);
            }
            What::IncidentUpdated {
                incident,
                finding: Some(finding),
                ..
            } => self.note_found(*incident, finding, at),
            What::FindingUpdated { finding } => {
                let incident = self.findings.get(&finding.key);
                if let Some(id) = incident.and_then(|open| open.incident) {
                    self.note_found(id, &finding.key, at);
                }
            }
            What::IncidentStatusChanged {
                incident, from, to, ..
            } => {
                let turn = Took::Stands {
                    from: *from,
                    to: *to,
                };
                self.note(*incident, at, turn);
            }
            What::IncidentAcknowledged { incident, by } => {
                self.note(*incident, at, Took::LookedAfter { by: by.clone() });
            }
            _ => {}
        }
    }

    fn note(&mut self, incident: IncidentId, at: Timestamp, turn: Took) {
        if let Some(aftermath) = self.aftermath.get_mut(&incident) {
            aftermath.take(at, turn);
        }
    }

    fn note_found(&mut self, incident: IncidentId, key: &FindingKey, at: Timestamp) {
        let (Some(open), Some(aftermath)) =
            (self.findings.get(key), self.aftermath.get_mut(&incident))
        else {
            return;
        };
        let hurts = hurts(&open.finding);
        if aftermath.knows(key, hurts) {
            return;
        }
        let found = Took::Found {
            key: key.clone(),
            title: open.finding.title.clone(),
            began_at: began_at(&open.finding, at),
            hurts,
        };
        aftermath.take(at, found);
    }

    pub(super) fn fold_aftermath(&mut self, what: &What, at: Timestamp) {
        match what {
            What::PostmortemDrafted { incident, facts } => {
                let Some(aftermath) = self.aftermath.get_mut(incident) else {
                    return;
                };
                let postmortem = aftermath.postmortem.get_or_insert_with(|| Postmortem {
                    opened_at: at,
                    facts: (**facts).clone(),
                    sections: BTreeMap::new(),
                    measures: Vec::new(),
                    editions: Vec::new(),
                });
                postmortem.facts = (**facts).clone();
            }
            What::NoticeClockStarted {
                incident,
                regime,
                because,
                by,
            } => {
                let aware_at = self.incidents.get(incident).map(|state| state.opened_at);
                let Some(aftermath) = self.aftermath.get_mut(incident) else {
                    return;
                };
                let clock = aftermath.clocks.entry(*regime).or_insert_with(|| Clock {
                    started_at: at,
                    aware_at: aware_at.unwrap_or(at),
                    because: because.clone(),
                    by: by.clone(),
                    given: BTreeMap::new(),
                    stopped: None,
                    reminded: BTreeSet::new(),
                });
                // One that was stopped by mistake goes on from where it began.
                if clock.stopped.take().is_some() {
                    clock.because.clone_from(because);
                    clock.by.clone_from(by);
                }
            }
            What::NoticeClockStopped {
                incident,
                regime,
                reason,
                by,
            } => {
                let aftermath = self.aftermath.get_mut(incident);
                if let Some(clock) = aftermath.and_then(|it| it.clocks.get_mut(regime)) {
                    clock.stopped = Some(Stopped {
                        at,
                        by: by.clone(),
                        reason: reason.clone(),
                    });
                }
            }
            What::NoticeGiven {
                incident,
                regime,
                step,
                reference,
                by,
            } => {
                let aftermath = self.aftermath.get_mut(incident);
                if let Some(clock) = aftermath.and_then(|it| it.clocks.get_mut(regime)) {
                    let given = Given {
                        at,
                        by: by.clone(),
                        reference: reference.clone(),
                    };
                    clock.given.insert(*step, given);
                }
            }
            What::Reminded {
                incident,
                of:
                    Reminder::Notice {
                        regime,
                        step,
                        nudge,
                    },
            } => {
                let aftermath = self.aftermath.get_mut(incident);
                if let Some(clock) = aftermath.and_then(|it| it.clocks.get_mut(regime)) {
                    clock.reminded.insert((*step, *nudge));
                }
            }
            _ => self.fold_postmortem(what, at),
        }
    }

    fn fold_postmortem(&mut self, what: &What, at: Timestamp) {
        let incident = match what {
            What::PostmortemWritten { incident, .. }
            | What::MeasureAdded { incident, .. }
            | What::MeasureChanged { incident, .. }
            | What::PostmortemPublished { incident, .. }
            | What::Reminded { incident, .. } => incident,
            _ => return,
        };
        let aftermath = self.aftermath.get_mut(incident);
        let Some(postmortem) = aftermath.and_then(|aftermath| aftermath.postmortem.as_mut()) else {
            return;
        };
        match what {
            What::PostmortemWritten {
                section,
                text,
                revision,
                by,
                ..
            } => {
                let written = Written {
                    text: text.clone(),
                    revision: *revision,
                    by: by.clone(),
                    at,
                };
                postmortem.sections.insert(*section, written);
            }
            What::MeasureAdded {
                measure,
                what,
                owner,
                due,
                ..
            } => postmortem.measures.push(Measure {
                number: *measure,
                what: what.clone(),
                owner: owner.clone(),
                due: *due,
                first_due: *due,
                state: MeasureState::Open,
                since: at,
                reason: None,
                reminders: 0,
                reminded_at: None,
            }),
            What::MeasureChanged {
                measure,
                state,
                due,
                reason,
                ..
            } => {
                let mut measures = postmortem.measures.iter_mut();
                if let Some(known) = measures.find(|known| known.number == *measure) {
                    if known.state != *state {
                        known.since = at;
                    }
                    // What was moved begins anew.
                    if known.due != *due {
                        known.reminders = 0;
                    }
                    known.state = *state;
                    known.due = *due;
                    known.reason.clone_from(reason);
                }
            }
            What::PostmortemPublished {
                edition,
                correction,
                by,
                ..
            } => postmortem.editions.push(Edition {
                number: *edition,
                at,
                by: by.clone(),
                correction: correction.clone(),
                facts: postmortem.facts.clone(),
                texts: postmortem.texts(),
            }),
            What::Reminded {
                of: Reminder::Measure { measure },
                ..
            } => {
                let mut measures = postmortem.measures.iter_mut();
                if let Some(known) = measures.find(|known| known.number == *measure) {
                    known.reminders += 1;
                    known.reminded_at = Some(at);
                }
            }
            _ => {}
        }
    }
}
