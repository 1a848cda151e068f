//! What customers are told.
//!
//! They hear of an incident when it hurts them, when its status or the components'
//! changes, when the promised next word falls due, and when it is over. Harm that is over
//! within [`TellingPolicy::tell_after`](crate::policy::TellingPolicy) and failed no request
//! is told nobody: it stands in the history.
//!
//! What a person told stands until the evidence says worse, or says by itself that it is
//! better: automation never contradicts them otherwise. Where a person is asked before, one
//! word waits at a time; what changes meanwhile takes its place and waits no longer. A word
//! that says nothing new but keeps the promise is asked nobody for.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use jiff::Timestamp;

use super::Work;
use crate::detect::say;
use crate::event::What;
use crate::finding::Severity;
use crate::ids::{ComponentId, IncidentId, Observer};
use crate::incident::{Incident, IncidentStatus, Said};
use crate::message::Body;
use crate::policy::{Policy, TellMode};
use crate::record::{OpenFinding, Record};
use crate::status::Status;
use crate::telling::{Correct, Tell, as_given};
use crate::time;

/// What is to be said of an incident.
struct Stand {
    status: IncidentStatus,
    components: BTreeMap<ComponentId, Status>,
}

/// When customers are to hear of an incident that they have not heard of; `None` while
/// nobody is hurt.
fn worth_telling_at(record: &Record, policy: &Policy, incident: &Incident) -> Option<Timestamp> {
    let since = incident.harm_since?;
    let open = || {
        let open = incident.open_findings.iter();
        open.filter_map(|key| record.findings.get(key))
    };
    let of = |open: &OpenFinding, test: fn(Status) -> bool| {
        record.uncovered(open).any(|(_, status)| test(status))
    };
    // Where nobody can say whether it still hurts, nobody can say that it was short.
    let hurts = open().any(|open| of(open, |status| status != Status::Operational));
    let failed = open().any(|open| {
        let requests = open.finding.key.kind.is_of_failed_requests();
        of(open, |status| status >= Status::PartialOutage) || requests && of(open, Status::is_harm)
    });
    match (failed, hurts) {
        (true, _) => Some(since),
        (false, true) => Some(time::after(since, policy.telling.tell_after)),
        (false, false) => None,
    }
}

/// When something is to be told of an incident although nothing changes.
pub(super) fn next_word_at(
    record: &Record,
    policy: &Policy,
    incident: &Incident,
) -> Option<Timestamp> {
    let pending = incident.pending.as_ref();
    let waits = pending.filter(|pending| pending.refused_by.is_none());
    let tells_at = waits.and_then(|pending| pending.tells_at);
    // What may be vetoed is told soon, and keeps the promise then.
    let promised = incident.last_word.as_ref().filter(|_| tells_at.is_none());
    let promised = promised.and_then(|word| word.next_update_at);
    let by_person = incident.promise.as_ref().map(|promise| promise.until);
    let untold = !incident.is_announced() && incident.said.is_none() && pending.is_none();
    let worth = untold.then(|| worth_telling_at(record, policy, incident));
    [tells_at, promised, by_person, worth.flatten()]
        .into_iter()
        .flatten()
        .min()
}

/// Whether what is seen is worse than when a person spoke.
fn is_worse(seen: &BTreeMap<ComponentId, Status>, said: &Said) -> bool {
    seen.iter().any(|(component, status)| {
        let then = said.components.get(component).copied();
        *status > then.unwrap_or(Status::Operational)
    })
}

impl Work<'_> {
    /// What is to be said now: what a person said, or what is seen.
    fn stand(&self, incident: &Incident) -> Stand {
        let components = self.state.record.seen_of(incident);
        let seen = incident.status;
        let Some(said) = &incident.said else {
            return Stand {
                status: seen,
                components,
            };
        };
        let holds = match said.status {
            IncidentStatus::Investigating | IncidentStatus::Identified => {
                said.worsens || seen < IncidentStatus::Monitoring
            }
            IncidentStatus::Monitoring | IncidentStatus::Resolved => {
                seen <= said.status && !is_worse(&components, said)
            }
        };
        match holds {
            true => said_of(said.status, said.improves, components),
            false => Stand {
                status: seen,
                components,
            },
        }
    }

    pub(super) fn tell_customers(&mut self, id: IncidentId) {
        self.note_late_promise(id);
        let record = &self.state.record;
        let Some(incident) = record.incidents.get(&id).filter(|i| i.is_public()) else {
            return;
        };
        let worth = worth_telling_at(record, self.policy, incident);
        let untold = !incident.is_announced() && incident.said.is_none();
        // Where the clock was set back, nobody knows how long it has lasted.
        let is_back = incident.harm_since.is_some_and(|since| since > self.now);
        if untold && worth.is_none_or(|at| at > self.now && !is_back) {
            return self.withdraw(id);
        }
        let stand = self.stand(incident);
        let told = incident.last_word.as_ref();
        let is_new = told
            .is_none_or(|word| word.status != stand.status || word.components != stand.components);
        let promised = told.and_then(|word| word.next_update_at);
        let falls_due = promised.is_some_and(|at| at <= self.now);
        match (is_new, falls_due) {
            (false, false) => self.withdraw(id),
            (false, true) => {
                self.withdraw(id);
                self.say_publicly(id, stand, None);
            }
            (true, _) if self.policy.telling.mode == TellMode::Automatic => {
                self.say_publicly(id, stand, None);
            }
            (true, _) => {
                self.propose_word(id, stand);
                if falls_due {
                    self.miss_promise(id);
                }
            }
        }
    }

    /// Tells customers how things stand.
    fn say_publicly(&mut self, id: IncidentId, stand: Stand, approved_by: Option<Observer>) {
        let Some(incident) = self.state.record.incidents.get(&id) else {
            return;
        };
        let since = incident.harm_since.unwrap_or(incident.opened_at);
        let soon = time::after(self.now, self.policy.incidents.next_update_after);
        // What a person promised stays promised.
        let promise = incident.promise.as_ref().map(|promise| promise.until);
        let next_update_at = Some(promise.map_or(soon, |until| until.min(soon)));
        let Stand { status, components } = stand;
        self.request(
            Some(id),
            Body::Public {
                status,
                components,
                since,
                next_update_at: next_update_at.filter(|_| status != IncidentStatus::Resolved),
                person: None,
                approved_by,
            },
        );
    }

    /// What waits for a word is not told, as there is nothing to tell any more.
    fn withdraw(&mut self, incident: IncidentId) {
        let state = self.state.record.incidents.get(&incident);
        if state.is_some_and(|state| state.pending.is_some()) {
            self.emit(What::WordWithdrawn {
                incident,
                by: None,
                reason: "there is nothing to tell any more".into(),
            });
        }
    }

    fn propose_word(&mut self, id: IncidentId, stand: Stand) {
        let record = &self.state.record;
        let Some(incident) = record.incidents.get(&id) else {
            return;
        };
        let within = self.policy.telling.veto_within;
        let tells_at =
            (self.policy.telling.mode == TellMode::Veto).then(|| time::after(self.now, within));
        let pending = incident.pending.as_ref();
        let is_same = pending.is_some_and(|pending| {
            pending.status == stand.status && pending.components == stand.components
        });
        let waits = pending.filter(|pending| pending.refused_by.is_none());
        let due = waits.and_then(|pending| pending.tells_at);
        let is_back = waits.is_some_and(|pending| pending.since > self.now);
        if waits.is_some() && due.is_some_and(|at| at <= self.now || is_back) {
            return self.say_publicly(id, stand, None);
        }
        if is_same {
            return;
        }
        let is_asked = waits.is_some();
        let status = stand.status;
        let said: Vec<String> = stand
            .components
            .iter()
            .map(|(c, s)| format!("{c} {s}"))
            .collect();
        self.emit(What::WordProposed {
            incident: id,
            status,
            components: stand.components,
            // What waited waits no longer for having changed.
            tells_at: due.or(tells_at),
        });
        if is_asked {
            return;
        }
        let what = format!("{}: {}.", status.as_str(), said.join(", "));
        let (headline, how) = match tells_at {
            Some(_) => (
                format!("Customers will be told of {id}"),
                format!(
                    "It is told in {} unless you veto it: `evenkeel refuse {id} --reason WHY`.",
                    say(within)
                ),
            ),
            None => (
                format!("{id} waits for your word before customers are told"),
                format!(
                    "Approve with `evenkeel approve {id}`, refuse with `evenkeel refuse {id} --reason WHY`, or write it yourself with `evenkeel tell {id}`."
                ),
            ),
        };
        self.page(
            Some(id),
            (headline, vec![what, how]),
            Severity::Critical,
            None,
        );
    }

    /// A next word that a person promised and did not give: somebody is called, once.
    fn note_late_promise(&mut self, id: IncidentId) {
        let incident = self.state.record.incidents.get(&id);
        let promise = incident.and_then(|incident| incident.promise.clone());
        let Some(promise) = promise.filter(|promise| promise.until <= self.now) else {
            return;
        };
        let by = promise.by.to_string();
        self.emit(What::PromiseMissed {
            incident: id,
            by: Some(promise.by),
            promised_at: promise.until,
        });
        let details = vec![
            "Customers are told by itself how things are seen, and read no more than that.".into(),
            format!("Write the word: `evenkeel tell {id}`."),
        ];
        let headline = format!("The word on {id} that {by} promised is late");
        self.page(Some(id), (headline, details), Severity::Critical, None);
    }

    /// A next word that was promised, and what is to be said waits for a person.
    fn miss_promise(&mut self, id: IncidentId) {
        let incident = self.state.record.incidents.get(&id);
        let soon = incident.and_then(|incident| incident.pending.as_ref());
        if soon.is_some_and(|word| word.refused_by.is_none() && word.tells_at.is_some()) {
            return;
        }
        let word = incident.and_then(|incident| incident.last_word.as_ref());
        let promised = word.and_then(|word| word.next_update_at);
        // It may have been told by now.
        let Some(promised_at) = promised.filter(|at| *at <= self.now) else {
            return;
        };
        self.emit(What::PromiseMissed {
            incident: id,
            by: None,
            promised_at,
        });
        let details = vec![
            format!("What is to be said waits for a person: `evenkeel approve {id}`."),
            format!("Or write it: `evenkeel tell {id}`."),
        ];
        let headline = format!("The next word on {id} is late");
        self.page(Some(id), (headline, details), Severity::Critical, None);
    }

    pub(super) fn tell_as_ordered(&mut self, by: &Observer, tell: &Tell) {
        let soon = self.policy.incidents.next_update_after;
        if let Some(body) = self.state.record.update_of(by, tell, soon, self.now) {
            self.request(Some(tell.incident), body);
            self.note_told(tell.incident, &tell.facts);
        }
    }

    pub(super) fn correct_as_ordered(&mut self, by: &Observer, correct: &Correct) {
        if let Some((incident, body)) = self.state.record.correction_of(by, correct) {
            self.request(Some(incident), body);
            self.note_told(incident, &correct.facts);
        }
    }

    pub(super) fn approve_word(&mut self, id: IncidentId, by: &Observer) {
        let incident = self.state.record.incidents.get(&id);
        let pending = incident.and_then(|incident| incident.pending.clone());
        if let Some(pending) = pending {
            let stand = Stand {
                status: pending.status,
                components: pending.components,
            };
            self.say_publicly(id, stand, Some(by.clone()));
        }
    }

    pub(super) fn refuse_word(&mut self, incident: IncidentId, by: &Observer, reason: &str) {
        let state = self.state.record.incidents.get(&incident);
        let pending = state.and_then(|incident| incident.pending.as_ref());
        if pending.is_some_and(|pending| pending.refused_by.is_none()) {
            self.emit(What::WordWithdrawn {
                incident,
                by: Some(by.clone()),
                reason: reason.into(),
            });
        }
    }
}

/// A status as a person gives it.
fn said_of(
    status: IncidentStatus,
    improves: bool,
    components: BTreeMap<ComponentId, Status>,
) -> Stand {
    let components = as_given(improves, components);
    Stand { status, components }
}
