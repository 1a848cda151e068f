//! The version for customers, in their language.
//!
//! It is given facts, names of functions, and the texts that are meant for them: nothing a
//! detector, a guard or the configuration wrote beside.

use evenkeel_core::Timestamp;
use evenkeel_core::ids::ComponentId;
use evenkeel_core::policy::Policy;
use evenkeel_core::postmortem::{
    Edition, Facts, Happened, Measure, MeasureState, Moment, Postmortem, Section,
};
use evenkeel_core::record::Day;
use evenkeel_core::status::Status;
use evenkeel_core::telling::{Affected, DataAffected, FreeText};

use super::document::{Block, Document, Item};
use crate::public::words::Words;

/// A heading in somebody's language.
type Heading = fn(&Words) -> String;

/// Sections for customers, with the heading of each.
const SECTIONS: [(Section, Heading); 4] = [
    (Section::Summary, Words::heading_summary),
    (Section::Cause, Words::heading_cause),
    (Section::Factors, Words::heading_factors),
    (Section::WentWell, Words::heading_went_well),
];

/// As it would be published now.
pub fn draft(words: &Words, policy: &Policy, postmortem: &Postmortem, now: Timestamp) -> Document {
    let texts = postmortem.texts();
    let edition = Edition {
        number: 0,
        at: now,
        by: "nobody".into(),
        correction: None,
        facts: postmortem.facts.clone(),
        texts,
    };
    document(words, policy, postmortem, &edition, now)
}

/// As it is published; `None` while it is a draft.
pub fn published(
    words: &Words,
    policy: &Policy,
    postmortem: &Postmortem,
    now: Timestamp,
) -> Option<Document> {
    let edition = postmortem.published()?;
    Some(document(words, policy, postmortem, edition, now))
}

fn document(
    words: &Words,
    policy: &Policy,
    postmortem: &Postmortem,
    edition: &Edition,
    now: Timestamp,
) -> Document {
    let facts = &edition.facts;
    let original = |text: &FreeText| Block::Original {
        said: words.original(text.language.own_name()),
        text: text.clone(),
    };
    let mut blocks = Vec::new();
    for edition in postmortem.editions.iter().rev() {
        let day = words.day_of_year(edition.at);
        match &edition.correction {
            None => blocks.push(Block::Paragraph(words.edition_first(&day))),
            Some(correction) => {
                blocks.push(Block::Paragraph(words.edition_corrected(&day)));
                blocks.push(original(correction));
            }
        }
    }
    let mut written = SECTIONS.iter().filter_map(|(section, heading)| {
        let text = edition.texts.get(section)?;
        Some([Block::Heading(heading(words)), original(text)])
    });
    // What happened, before the figures; why, after them.
    let summary = edition.texts.contains_key(&Section::Summary);
    blocks.extend(written.by_ref().take(usize::from(summary)).flatten());
    blocks.push(Block::Heading(words.heading_figures()));
    blocks.push(Block::List(figures(words, policy, facts)));
    blocks.extend(written.flatten());
    if !postmortem.measures.is_empty() {
        blocks.push(Block::Heading(words.heading_measures()));
        let items = postmortem.measures.iter();
        let items = items.map(|measure| item(words, measure, now));
        blocks.push(Block::Measures(items.collect()));
    }
    blocks.push(Block::Heading(words.heading_timeline()));
    blocks.push(Block::Moments(moments(words, facts)));
    if facts.left_out > 0 {
        blocks.push(Block::Paragraph(words.moments_left_out(facts.left_out)));
    }
    blocks.push(Block::Paragraph(words.postmortem_source()));
    Document {
        language: words.language(),
        title: words.postmortem_of(&title(words, policy, facts)),
        blocks,
    }
}

fn title(words: &Words, policy: &Policy, facts: &Facts) -> String {
    let harmed: Vec<(&str, Status)> = facts
        .harmed
        .iter()
        .map(|(id, status)| (component(policy, id), *status))
        .collect();
    words.incident_title(&harmed, true)
}

fn component<'a>(policy: &'a Policy, id: &'a ComponentId) -> &'a str {
    let known = policy.components.get(id);
    known.map_or(id.as_str(), |component| component.name.as_str())
}

/// What is known, in sentences.
pub(super) fn figures(words: &Words, policy: &Policy, facts: &Facts) -> Vec<String> {
    let from = facts.hurt_from;
    let mut said = Vec::new();
    let begins = words.minute_of_day(from);
    let ends = words.minute(facts.recovered_at, from);
    let span = words.span(from, facts.recovered_at);
    let harmed: Vec<(&str, Status)> = facts
        .harmed
        .iter()
        .map(|(id, status)| (component(policy, id), *status))
        .collect();
    // One sentence for each way in which functions were hurt.
    for status in Status::ALL.into_iter().rev() {
        let alike: Vec<(&str, Status)> = harmed
            .iter()
            .filter(|(_, of)| *of == status)
            .copied()
            .collect();
        if !alike.is_empty() {
            said.push(format!("{}.", words.incident_title(&alike, true)));
        }
    }
    said.push(words.hurt(&begins, &ends, &span));
    said.extend(facts.affected.as_ref().map(|affected| match affected {
        Affected::All => words.affected_all_then(),
        Affected::Some => words.affected_some_then(),
        Affected::Group(name) => words.affected_group_then(name),
    }));
    said.extend(
        facts
            .failed_requests
            .filter(|count| *count > 0)
            .map(|it| words.failed_requests(it)),
    );
    said.extend(
        facts
            .failed_checks
            .filter(|count| *count > 0)
            .map(|it| words.failed_checks(it)),
    );
    said.extend(facts.data.map(|data| match data {
        DataAffected::No => words.data_safe_then(),
        DataAffected::Yes => words.data_affected_then(),
        DataAffected::BeingChecked => words.data_checked_then(),
    }));
    if facts.first_symptom_at < from {
        said.push(words.first_sign(&words.minute(facts.first_symptom_at, from)));
    }
    let after = |at| words.span(from, at);
    let found = words.minute(facts.detected_at, from);
    said.push(words.found_after(&found, &after(facts.detected_at)));
    said.push(match facts.first_word_at {
        Some(at) => words.first_word(&words.minute(at, from), &after(at)),
        None => words.first_word_none(),
    });
    if facts.reopened_count > 0 {
        said.push(words.came_back(u64::from(facts.reopened_count)));
    }
    said
}

fn moments(words: &Words, facts: &Facts) -> Vec<(Timestamp, String, String)> {
    let mut known = facts.first_symptom_at;
    let mut first = true;
    let moments = facts.timeline.iter().filter_map(|moment| {
        let what = said(words, moment)?;
        // The day is said where it changes.
        let when = match first {
            true => words.minute_of_day(moment.at),
            false => words.minute(moment.at, known),
        };
        (first, known) = (false, moment.at);
        Some((moment.at, when, what))
    });
    moments.collect()
}

/// A moment as customers read it; `None` where it is not for them.
fn said(words: &Words, moment: &Moment) -> Option<String> {
    match &moment.what {
        Happened::Symptom => Some(words.moment_sign()),
        Happened::Detected => Some(words.moment_found()),
        Happened::Told { corrects: true, .. } => Some(words.moment_corrected()),
        Happened::Told { status, .. } => Some(words.moment_told(&words.incident_status(*status))),
        Happened::Acted {
            what, done: true, ..
        } => Some(words.done(*what)),
        Happened::Recovered => Some(words.moment_recovered()),
        Happened::Resolved => Some(words.moment_over()),
        Happened::Reopened => Some(words.moment_back()),
        Happened::Acted { .. }
        | Happened::Found { .. }
        | Happened::Cleared { .. }
        | Happened::LookedAfter { .. } => None,
    }
}

/// A measure and where it stands.
pub(super) fn item(words: &Words, measure: &Measure, now: Timestamp) -> Item {
    let day = |day: Day| words.day_of_year(day.start());
    let is_late = measure.is_late(now);
    let stands = match measure.state {
        MeasureState::Open if is_late => words.measure_late(&day(measure.due)),
        MeasureState::Open => words.measure_open(&day(measure.due)),
        MeasureState::Done => words.measure_done(&words.day_of_year(measure.since)),
        MeasureState::Dropped => words.measure_dropped(&words.day_of_year(measure.since)),
    };
    let moved = measure.first_due != measure.due;
    let stands = match moved {
        true => format!("{stands}; {}", words.measure_moved(&day(measure.first_due))),
        false => stands,
    };
    Item {
        what: measure.what.clone(),
        stands,
        is_late,
    }
}
