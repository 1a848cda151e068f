//! What is known of an incident, from the record: the same record, the same facts.

use alloc::collections::BTreeSet;
use alloc::string::ToString;
use alloc::vec::Vec;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Facts, Happened, Moment, TIMELINE_MAX};
use crate::aftermath::{Aftermath, Took};
use crate::ids::{EvidenceId, IncidentId};
use crate::incident::{Incident, IncidentStatus};
use crate::message::{Body, Message};
use crate::record::{ActionState, Phase, Record};
use crate::telling::{Affected, DataAffected};

/// What was counted while an incident was open. Lost in a restart: what is counted anew is
/// less than there was, never more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counted {
    /// Requests of the hurt components that failed at the edge.
    pub requests: Option<u64>,
    /// Checks of the hurt components that failed.
    pub checks: Option<u64>,
}

/// What is known of an incident that is resolved; `None` where it is not, or hurt nobody.
pub fn facts_of(record: &Record, id: IncidentId, counted: Counted) -> Option<Facts> {
    let incident = record.incidents.get(&id)?;
    let resolved_at = incident.resolved_at.filter(|_| incident.is_public())?;
    let nothing = Aftermath::default();
    let aftermath = record.aftermath.get(&id).unwrap_or(&nothing);
    let found = aftermath.course.iter().filter_map(|turn| match &turn.what {
        Took::Found {
            began_at, hurts, ..
        } => Some((turn.at, *began_at, *hurts)),
        _ => None,
    });
    let first_symptom_at = found.clone().map(|(_, began_at, _)| began_at).min();
    let first_symptom_at = first_symptom_at.unwrap_or(incident.opened_at);
    let hurting = found.filter(|(_, _, hurts)| *hurts);
    let hurt_from = hurting.clone().map(|(_, began_at, _)| began_at).min();
    let detected_at = hurting.map(|(at, _, _)| at).min();
    let told_outside_at = aftermath.told_outside_at;
    let detected_at = detected_at.or(told_outside_at);
    let detected_at = detected_at.unwrap_or(incident.opened_at);
    let hurt_from = hurt_from.unwrap_or(detected_at.min(incident.opened_at));
    let words: Vec<&Message> = words_of(record, id).collect();
    let recovered_at =
        recovered(aftermath, incident).clamp(detected_at.min(resolved_at), resolved_at);
    let (affected, data) = told_of(&words);
    let mut facts = Facts {
        first_symptom_at: first_symptom_at.min(hurt_from),
        hurt_from,
        detected_at,
        first_word_at: words
            .iter()
            .map(|word| word.at)
            .chain(told_outside_at)
            .min(),
        recovered_at,
        resolved_at,
        reopened_count: incident.reopened_count,
        harmed: incident.harmed.clone(),
        affected,
        data,
        failed_requests: counted.requests,
        failed_checks: counted.checks,
        evidence: evidence_of(record, id),
        timeline: Vec::new(),
        left_out: aftermath.left_out,
    };
    let mut timeline = timeline(record, aftermath, id, &words, &facts);
    if timeline.len() > TIMELINE_MAX {
        let newest = timeline.split_off(timeline.len() - TIMELINE_MAX / 2);
        let left = timeline.len() - TIMELINE_MAX / 2;
        timeline.truncate(TIMELINE_MAX / 2);
        timeline.extend(newest);
        facts.left_out += u64::try_from(left).unwrap_or(u64::MAX);
    }
    facts.timeline = timeline;
    Some(facts)
}

fn words_of(record: &Record, id: IncidentId) -> impl Iterator<Item = &Message> {
    let messages = record.messages.values().map(|state| &state.message);
    messages
        .filter(move |message| message.incident == Some(id))
        .filter(|message| matches!(message.body, Body::Public { .. }))
}

fn actions_of(record: &Record, id: IncidentId) -> impl Iterator<Item = &ActionState> {
    let actions = record.actions.values();
    actions.filter(move |state| state.action.incident == Some(id))
}

/// When nobody was hurt any more, the last time.
fn recovered(aftermath: &Aftermath, incident: &Incident) -> Timestamp {
    let turns = aftermath.course.iter().rev();
    let calm = turns.filter_map(|turn| match turn.what {
        Took::Stands { from, to } if to >= IncidentStatus::Monitoring => {
            (from < IncidentStatus::Monitoring).then_some(turn.at)
        }
        _ => None,
    });
    let quiet = incident.quiet_since.or(incident.resolved_at);
    calm.max().or(quiet).unwrap_or(incident.status_since)
}

/// What people told last of whom and what it hurt.
fn told_of(words: &[&Message]) -> (Option<Affected>, Option<DataAffected>) {
    let told = words
        .iter()
        .rev()
        .filter_map(|message| match &message.body {
            Body::Public {
                person: Some(word), ..
            } => Some(&word.facts),
            _ => None,
        });
    let affected = told.clone().find_map(|facts| facts.affected.clone());
    let data = told.clone().find_map(|facts| facts.data);
    (affected, data)
}

fn evidence_of(record: &Record, id: IncidentId) -> Vec<EvidenceId> {
    let kept = actions_of(record, id).filter_map(|state| state.evidence.as_ref());
    let kept: BTreeSet<EvidenceId> = kept.map(|kept| kept.id.clone()).collect();
    kept.into_iter().collect()
}

fn timeline(
    record: &Record,
    aftermath: &Aftermath,
    id: IncidentId,
    words: &[&Message],
    facts: &Facts,
) -> Vec<Moment> {
    let moment = |at, what| Moment { at, what };
    let mut timeline = Vec::from([
        moment(facts.first_symptom_at, Happened::Symptom),
        moment(facts.detected_at, Happened::Detected),
    ]);
    timeline.extend(aftermath.course.iter().filter_map(|turn| {
        let what = match &turn.what {
            Took::Found { key, title, .. } => Happened::Found {
                finding: key.kind,
                of: key.subject.to_string(),
                title: title.clone(),
            },
            Took::Cleared { key } => Happened::Cleared {
                finding: key.kind,
                of: key.subject.to_string(),
            },
            Took::LookedAfter { by } => Happened::LookedAfter { by: by.clone() },
            Took::Stands { from, .. } if *from == IncidentStatus::Resolved => Happened::Reopened,
            Took::Stands { .. } => return None,
        };
        Some(moment(turn.at, what))
    }));
    timeline.extend(words.iter().filter_map(|message| {
        let Body::Public { status, person, .. } = &message.body else {
            return None;
        };
        let what = Happened::Told {
            message: message.id,
            status: *status,
            by_person: person.is_some(),
            corrects: person.as_ref().is_some_and(|word| word.corrects.is_some()),
        };
        Some(moment(message.at, what))
    }));
    timeline.extend(actions_of(record, id).map(acted));
    timeline.push(moment(facts.recovered_at, Happened::Recovered));
    timeline.push(moment(facts.resolved_at, Happened::Resolved));
    // What is of one moment stays in the order of causes: seen, found, told, done, over.
    timeline.sort_by_key(|moment| moment.at);
    timeline
}

fn acted(state: &ActionState) -> Moment {
    let (at, done, outcome) = match &state.phase {
        Phase::Proposed { .. } => (
            state.action.decided_at,
            false,
            "it waits for a person".into(),
        ),
        Phase::Requested { at } => (*at, false, "it is under way".into()),
        Phase::Performed { at, outcome } => (*at, outcome.is_good(), outcome.text().into()),
        Phase::Proven { at, reason, .. } => (*at, true, reason.clone()),
        Phase::Unproven { at, reason, .. } => (*at, false, reason.clone()),
        Phase::Failed { at, outcome } => (*at, false, outcome.text().into()),
        Phase::Closed { at, reason } => (*at, false, reason.clone()),
        Phase::Withheld { at, .. } => (*at, false, "it was not allowed to".into()),
    };
    Moment {
        at,
        what: Happened::Acted {
            action: state.action.id,
            what: state.action.task.kind(),
            task: state.action.task.to_string(),
            done,
            outcome,
        },
    }
}
