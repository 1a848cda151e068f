//! Which person is told what, now. `calling.rs` says why.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use jiff::Timestamp;

use super::Work;
use crate::calling::PersonPolicy;
use crate::detect::{View, say};
use crate::finding::Severity;
use crate::ids::{IncidentId, PersonId};
use crate::incident::{Incident, IncidentStatus};
use crate::message::Body;
use crate::record::OpenFinding;
use crate::time;

/// Whether a person is in quiet hours; `None` where they have some and nobody has said
/// yet when.
fn is_quiet(view: View<'_>, person: &PersonPolicy) -> Option<bool> {
    if !person.quiet_hours {
        return Some(false);
    }
    let (from, until) = view.memory.quiet.get(&person.id)?;
    Some(*from <= view.now && view.now < *until)
}

/// When a person's quiet hours are over; `None` where they are not in them, or nobody
/// knows.
fn quiet_until(view: View<'_>, person: &PersonPolicy) -> Option<Timestamp> {
    let (_, until) = view.memory.quiet.get(&person.id)?;
    (is_quiet(view, person) == Some(true)).then_some(*until)
}

/// Until when somebody who is no more than reminded is left alone: a person, or whoever is
/// first in order where nobody is named.
pub(super) fn quiet_of(view: View<'_>, person: Option<&PersonId>) -> Option<Timestamp> {
    let mut people = view.policy.calling.people.iter();
    let found = people.find(|one| person.is_none_or(|person| one.id == *person));
    quiet_until(view, found?)
}

/// Whether a person may be called now, when it is critical. Not known is no reason not to.
fn may_be_called(view: View<'_>, person: &PersonPolicy) -> bool {
    person.critical_in_quiet_hours || is_quiet(view, person) != Some(true)
}

fn open_findings<'a>(
    view: View<'a>,
    incident: &'a Incident,
    severity: Severity,
) -> impl Iterator<Item = &'a OpenFinding> {
    incident
        .open_findings
        .iter()
        .filter_map(move |key| view.record.findings.get(key))
        .filter(move |open| open.finding.severity == severity)
}

/// Warnings of an incident that nobody was told of.
fn untold_warnings<'a>(
    view: View<'a>,
    incident: &'a Incident,
) -> impl Iterator<Item = &'a OpenFinding> {
    open_findings(view, incident, Severity::Warning)
        .filter(|open| !incident.calls.knows(&open.finding.key))
}

/// Whether an incident waits for somebody to say that they look after it.
fn is_unattended(view: View<'_>, incident: &Incident) -> bool {
    incident.acknowledged_by.is_none()
        && open_findings(view, incident, Severity::Critical)
            .next()
            .is_some()
}

/// People who have not been called about an incident, in their order.
fn uncalled<'a>(view: View<'a>, incident: &'a Incident) -> impl Iterator<Item = &'a PersonPolicy> {
    let people = view.policy.calling.people.iter();
    people.filter(|person| !incident.calls.was_called(&person.id))
}

/// When the person called last has had their time.
fn turn_ends(view: View<'_>, incident: &Incident) -> Option<Timestamp> {
    let (person, since) = incident.calls.last.as_ref()?;
    match incident.calls.unreached.contains(person) {
        true => Some(*since),
        false => Some(time::after(*since, view.policy.calling.next_after)),
    }
}

/// When the next person is to be called, or quiet hours end that hold a warning back.
pub(super) fn next_change(view: View<'_>) -> Option<Timestamp> {
    let people = &view.policy.calling.people;
    if people.is_empty() {
        return None;
    }
    let unresolved = view
        .record
        .incidents
        .values()
        .filter(|incident| incident.status != IncidentStatus::Resolved);
    unresolved
        .filter_map(|incident| {
            let may = uncalled(view, incident).map(|person| match may_be_called(view, person) {
                true => Some(Timestamp::MIN),
                false => quiet_until(view, person),
            });
            let turn = turn_ends(view, incident)
                .filter(|_| is_unattended(view, incident))
                .zip(may.flatten().min())
                .map(|(turn, may)| turn.max(may));
            let waits = incident.acknowledged_by.is_none()
                && untold_warnings(view, incident).next().is_some();
            let hears = people.iter().filter(|person| waits && person.warnings);
            let morning = hears.filter_map(|person| quiet_until(view, person)).min();
            [turn, morning].into_iter().flatten().min()
        })
        .min()
}

impl Work<'_> {
    pub(super) fn call_people(&mut self, id: IncidentId) {
        let Some(incident) = self.state.record.incidents.get(&id) else {
            return;
        };
        let view = self.view();
        let unpaged: Vec<OpenFinding> = open_findings(view, incident, Severity::Critical)
            .filter(|open| !incident.paged.contains(&open.finding.key))
            .cloned()
            .collect();
        for open in unpaged {
            let to = self.on_duty(Some(id));
            self.call(id, &open, to, None);
        }
        self.call_the_next(id);
        self.tell_warnings(id);
    }

    /// Who is to be told next about an incident: who looks after it, else who was called
    /// last, else the first who may be called; where nobody may, the first all the same.
    pub(super) fn on_duty(&self, incident: Option<IncidentId>) -> Option<PersonId> {
        let people = &self.policy.calling.people;
        let known = |name: &str| people.iter().find(|person| person.id.as_str() == name);
        let incident = incident.and_then(|id| self.state.record.incidents.get(&id));
        let attending = incident
            .and_then(|incident| incident.acknowledged_by.as_deref())
            .and_then(|by| known(by.rsplit(':').next().unwrap_or(by)));
        let called = incident
            .and_then(|incident| incident.calls.last.as_ref())
            .and_then(|(last, _)| known(last.as_str()));
        let view = self.view();
        let first = people.iter().find(|person| may_be_called(view, person));
        attending
            .or(called)
            .or(first)
            .or(people.first())
            .map(|person| person.id.clone())
    }

    fn call_the_next(&mut self, id: IncidentId) {
        let view = self.view();
        let Some(incident) = self.state.record.incidents.get(&id) else {
            return;
        };
        let (Some((last, since)), Some(turn_ends)) =
            (&incident.calls.last, turn_ends(view, incident))
        else {
            return;
        };
        if turn_ends > self.now || !is_unattended(view, incident) {
            return;
        }
        let Some(next) = uncalled(view, incident).find(|person| may_be_called(view, person)) else {
            return;
        };
        let mut open = open_findings(view, incident, Severity::Critical);
        let Some(first) = open.next().cloned() else {
            return;
        };
        let more = open.count();
        let mut why = match incident.calls.unreached.contains(last) {
            true => format!("{last} was to be called and could not be reached."),
            false => format!(
                "{last} was called {} ago, and nobody has said that they look after it.",
                say(time::since(*since, self.now))
            ),
        };
        if more > 0 {
            why = format!("{why} {more} more of its findings hold.");
        }
        let next = next.id.clone();
        self.call(id, &first, Some(next), Some(why));
    }

    fn tell_warnings(&mut self, id: IncidentId) {
        let view = self.view();
        let Some(incident) = self.state.record.incidents.get(&id) else {
            return;
        };
        if incident.acknowledged_by.is_some() {
            return;
        }
        let people = view.policy.calling.people.iter();
        let awake = people
            .filter(|person| person.warnings)
            .find(|person| is_quiet(view, person) == Some(false));
        let Some(awake) = awake.map(|person| person.id.clone()) else {
            return;
        };
        let untold: Vec<OpenFinding> = untold_warnings(view, incident).cloned().collect();
        for open in untold {
            self.call(id, &open, Some(awake.clone()), None);
        }
    }

    pub(super) fn call(
        &mut self,
        id: IncidentId,
        open: &OpenFinding,
        to: Option<PersonId>,
        why_you: Option<String>,
    ) {
        let mut details = vec![open.finding.reason.clone(), self.what_is_done(open)];
        details.extend(why_you);
        self.request(
            Some(id),
            Body::Operator {
                headline: open.finding.title.to_string(),
                details,
                facts: open.finding.facts.clone(),
                finding: Some(open.finding.key.clone()),
                to,
                severity: open.finding.severity,
            },
        );
    }
}
