//! The post-mortem: what is known of an incident, what people write to it, and what they
//! promise to do.
//!
//! What is known ([`Facts`]) is taken down from the record when the incident is resolved, and
//! anew when it comes back and is resolved again: the record lets go of actions and messages
//! in time, and a post-mortem is written days later. People add what no guard sees: the
//! cause, what contributed, what went well, and measures with an owner and a day.
//!
//! Nothing is edited in place: each text has a revision, whoever writes says which one they
//! read, and the journal keeps all. What was published stays as it was; a correction is a
//! further edition beside it.

mod facts;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::action::ActionKind;
use crate::finding::FindingKind;
use crate::ids::{ActionId, ComponentId, EvidenceId, IncidentId, MessageId, Observer};
use crate::incident::IncidentStatus;
use crate::record::{Day, Record};
use crate::status::Status;
use crate::telling::{Affected, DataAffected, FreeText};
use crate::time;

pub use facts::{Counted, facts_of};

/// Measures of one post-mortem: more are a programme, and belong into a tracker.
pub const MEASURES_MAX: usize = 20;

/// Editions of one post-mortem, the first included.
pub const EDITIONS_MAX: usize = 10;

/// Reminders of one measure: who has not heard four does not hear the fifth.
pub const REMINDERS_MAX: u32 = 4;

/// From one reminder of a measure to the next.
pub const REMIND_EVERY: Duration = Duration::from_secs(7 * 24 * 3600);

/// A measure is late from this time of the day after it was due on, UTC: the morning.
const MORNING: Duration = Duration::from_secs(8 * 3600);

/// Moments in a timeline; the first and the newest where there are more.
pub const TIMELINE_MAX: usize = 160;

/// What people write, each part by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    /// What happened, for customers.
    Summary,
    /// Why it happened.
    Cause,
    /// What made it worse, longer or harder to see.
    Factors,
    /// What went well.
    WentWell,
    /// What only colleagues read: names of machines, jobs and people.
    Technical,
}

impl Section {
    /// Every section, in the order in which they stand.
    pub const ALL: [Self; 5] = [
        Self::Summary,
        Self::Cause,
        Self::Factors,
        Self::WentWell,
        Self::Technical,
    ];

    /// The word in the journal, in forms and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Summary => "summary",
            Self::Cause => "cause",
            Self::Factors => "factors",
            Self::WentWell => "went_well",
            Self::Technical => "technical",
        }
    }

    /// Whether customers read it once it is published.
    pub fn is_public(self) -> bool {
        self != Self::Technical
    }
}

/// What is known of an incident that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The first sign of it, which may be before anybody was hurt.
    pub first_symptom_at: Timestamp,
    /// Since when customers were hurt, as far as it was seen.
    pub hurt_from: Timestamp,
    /// When it was found to hurt them.
    pub detected_at: Timestamp,
    /// When customers were first told; none where it was over before that.
    pub first_word_at: Option<Timestamp>,
    /// When nobody was hurt any more.
    pub recovered_at: Timestamp,
    /// When it was resolved.
    pub resolved_at: Timestamp,
    /// How often it came back.
    pub reopened_count: u32,
    /// What was hurt, at its worst.
    pub harmed: BTreeMap<ComponentId, Status>,
    /// Whom it hurt, as a person told customers last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affected: Option<Affected>,
    /// Whether data was affected, as a person told customers last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataAffected>,
    /// Requests of the hurt components that failed at the edge while it was open: at least
    /// so many. None where nothing counted them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_requests: Option<u64>,
    /// Checks of the hurt components that failed while it was open, logins of our own among
    /// them: at least so many. None where nothing counted them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_checks: Option<u64>,
    /// What was kept before something was ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<EvidenceId>,
    /// What happened, oldest first.
    pub timeline: Vec<Moment>,
    /// Moments between the first and the newest that found no room.
    #[serde(default)]
    pub left_out: u64,
}

/// Something that happened, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: Happened,
}

/// What happened. Titles, subjects and outcomes name machines, jobs and people: they are for
/// the technical version alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "happened", rename_all = "snake_case")]
pub enum Happened {
    /// The first sign.
    Symptom,
    /// It was found to hurt customers.
    Detected,
    /// A condition was found to hold.
    Found {
        /// Which.
        finding: FindingKind,
        /// Of what.
        of: String,
        /// In a few words.
        title: String,
    },
    /// A condition held no more.
    Cleared {
        /// Which.
        finding: FindingKind,
        /// Of what.
        of: String,
    },
    /// Customers were told.
    Told {
        /// The word.
        message: MessageId,
        /// Where it stood.
        status: IncidentStatus,
        /// Whether a person wrote it.
        by_person: bool,
        /// Whether it corrected an earlier one.
        corrects: bool,
    },
    /// Something was done, or would have been.
    Acted {
        /// The action.
        action: ActionId,
        /// Of which kind.
        what: ActionKind,
        /// What exactly.
        task: String,
        /// Whether it was done.
        done: bool,
        /// How it went.
        outcome: String,
    },
    /// Somebody said that they look after it.
    LookedAfter {
        /// Who.
        by: Observer,
    },
    /// Nobody was hurt any more.
    Recovered,
    /// It was over.
    Resolved,
    /// It came back.
    Reopened,
}

/// A text as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The text; none where it was taken out.
    pub text: Option<FreeText>,
    /// Raised by one each time.
    pub revision: u32,
    /// Who wrote it.
    pub by: Observer,
    /// When.
    pub at: Timestamp,
}

/// Where a measure stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeasureState {
    /// It is to be done.
    Open,
    /// It is done.
    Done,
    /// It will not be done, and a reason says why.
    Dropped,
}

impl MeasureState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Open, Self::Done, Self::Dropped];

    /// The word in the journal, in forms and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Dropped => "dropped",
        }
    }
}

/// Something that is to be done so that it does not happen again. Its text never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    /// Counted from 1 within its post-mortem.
    pub number: u32,
    /// What.
    pub what: FreeText,
    /// Who sees to it. Customers do not read it.
    pub owner: String,
    /// By which day.
    pub due: Day,
    /// The day it was first promised for.
    pub first_due: Day,
    /// Where it stands.
    pub state: MeasureState,
    /// Since when.
    pub since: Timestamp,
    /// Why it was dropped or moved, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How often somebody was reminded since it was due.
    #[serde(default)]
    pub reminders: u32,
    /// When last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminded_at: Option<Timestamp>,
}

impl Measure {
    /// Since when it is late, while it is open.
    pub fn late_at(&self) -> Option<Timestamp> {
        let morning = time::after(Day(self.due.0.saturating_add(1)).start(), MORNING);
        (self.state == MeasureState::Open).then_some(morning)
    }

    /// Whether it is late.
    pub fn is_late(&self, now: Timestamp) -> bool {
        self.late_at().is_some_and(|at| at <= now)
    }

    /// When somebody is to be reminded next.
    pub fn remind_at(&self) -> Option<Timestamp> {
        let late = self.late_at().filter(|_| self.reminders < REMINDERS_MAX)?;
        let again = self.reminded_at.map(|at| time::after(at, REMIND_EVERY));
        Some(again.map_or(late, |again| again.max(late)))
    }
}

/// A post-mortem as it was published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edition {
    /// Counted from 1.
    pub number: u32,
    /// When.
    pub at: Timestamp,
    /// Who. Customers do not read it.
    pub by: Observer,
    /// What it corrects of the edition before; none in the first.
    pub correction: Option<FreeText>,
    /// What was known.
    pub facts: Facts,
    /// What was written.
    pub texts: BTreeMap<Section, FreeText>,
}

/// A post-mortem as the record keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Postmortem {
    /// When its draft was opened.
    pub opened_at: Timestamp,
    /// What is known.
    pub facts: Facts,
    /// What people wrote, as it stands.
    pub sections: BTreeMap<Section, Written>,
    /// What is to be done, in the order in which it was decided.
    pub measures: Vec<Measure>,
    /// As it was published, oldest first; empty while it is a draft.
    pub editions: Vec<Edition>,
}

impl Postmortem {
    /// The newest edition.
    pub fn published(&self) -> Option<&Edition> {
        self.editions.last()
    }

    /// Raised with every text that is written.
    pub fn revision(&self) -> u32 {
        let revisions = self.sections.values().map(|written| written.revision);
        revisions.fold(0, u32::saturating_add)
    }

    /// Texts as they stand.
    pub fn texts(&self) -> BTreeMap<Section, FreeText> {
        let sections = self.sections.iter();
        sections
            .filter_map(|(section, written)| Some((*section, written.text.clone()?)))
            .collect()
    }

    /// Whether anything was written, or came to be known, since it was last published.
    pub fn has_changed(&self) -> bool {
        let published = self.published();
        published.is_none_or(|edition| edition.facts != self.facts || edition.texts != self.texts())
    }

    /// Measures that are late.
    pub fn late(&self, now: Timestamp) -> impl Iterator<Item = &Measure> {
        self.measures.iter().filter(move |m| m.is_late(now))
    }
}

/// What people do to a post-mortem.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum PostmortemChange {
    /// Write a part of it anew.
    Write {
        /// Which part.
        section: Section,
        /// The text; none takes it out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<FreeText>,
        /// The revision of the part that was read; 0 where nothing was there.
        read: u32,
    },
    /// Promise a measure.
    AddMeasure {
        /// What is to be done.
        what: FreeText,
        /// Who sees to it.
        owner: String,
        /// By which day, as days since 1970-01-01.
        due: Day,
    },
    /// Say where a measure stands, or move it.
    ChangeMeasure {
        /// Which.
        measure: u32,
        /// Where it stands now.
        state: MeasureState,
        /// By which day.
        due: Day,
        /// Why it is dropped or moved.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// Publish it, or correct what was published.
    Publish {
        /// The revision of the whole that was read.
        read: u32,
        /// What is corrected of the edition before; none in the first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        correction: Option<FreeText>,
    },
}

/// Why a post-mortem cannot be changed so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unwritable {
    /// There is no such incident.
    NoIncident,
    /// It has no post-mortem: it hurt nobody, or is not over yet.
    NoPostmortem,
    /// Somebody else wrote meanwhile: what stands now.
    Overtaken(Option<Written>),
    /// Somebody else wrote meanwhile, and what is published was to be what was read.
    ReadAnother,
    /// It says nothing that is not there already.
    NothingNew,
    /// The incident goes on again.
    GoesOn,
    /// Customers would read facts alone: neither what happened nor why is written.
    NothingWritten,
    /// What is corrected is to be said.
    SaysNoCorrection,
    /// It was never published: there is nothing to correct.
    NothingToCorrect,
    /// There is no such measure.
    NoMeasure,
    /// Dropping or moving a measure needs a reason.
    NoReason,
    /// There are as many as there can be.
    Full,
}

impl Record {
    /// The post-mortem of an incident.
    pub fn postmortem(&self, incident: IncidentId) -> Option<&Postmortem> {
        self.aftermath.get(&incident)?.postmortem.as_ref()
    }

    /// Every post-mortem, newest incident first.
    pub fn postmortems(&self) -> impl Iterator<Item = (IncidentId, &Postmortem)> {
        let all = self.aftermath.iter().rev();
        all.filter_map(|(id, aftermath)| Some((*id, aftermath.postmortem.as_ref()?)))
    }

    /// Why a change cannot be made; `None` where it can.
    pub fn unwritable(
        &self,
        incident: IncidentId,
        change: &PostmortemChange,
    ) -> Option<Unwritable> {
        let Some(state) = self.incidents.get(&incident) else {
            return Some(Unwritable::NoIncident);
        };
        let Some(postmortem) = self.postmortem(incident) else {
            return Some(Unwritable::NoPostmortem);
        };
        match change {
            PostmortemChange::Write {
                section,
                text,
                read,
            } => {
                let known = postmortem.sections.get(section);
                let stands = known.and_then(|written| written.text.as_ref());
                if known.map_or(0, |written| written.revision) != *read {
                    return Some(Unwritable::Overtaken(known.cloned()));
                }
                (stands == text.as_ref()).then_some(Unwritable::NothingNew)
            }
            PostmortemChange::AddMeasure { .. } => {
                (postmortem.measures.len() >= MEASURES_MAX).then_some(Unwritable::Full)
            }
            PostmortemChange::ChangeMeasure {
                measure,
                state,
                due,
                reason,
            } => {
                let known = postmortem.measures.iter().find(|m| m.number == *measure);
                let Some(known) = known else {
                    return Some(Unwritable::NoMeasure);
                };
                let moves = known.due != *due;
                if known.state == *state && !moves {
                    return Some(Unwritable::NothingNew);
                }
                let drops = *state == MeasureState::Dropped;
                ((moves || drops) && reason.is_none()).then_some(Unwritable::NoReason)
            }
            PostmortemChange::Publish { read, correction } => {
                if state.resolved_at.is_none() {
                    return Some(Unwritable::GoesOn);
                }
                if postmortem.revision() != *read {
                    return Some(Unwritable::ReadAnother);
                }
                let texts = postmortem.texts();
                let told = [Section::Summary, Section::Cause];
                if !told.iter().any(|section| texts.contains_key(section)) {
                    return Some(Unwritable::NothingWritten);
                }
                match (postmortem.editions.len(), correction) {
                    (0, Some(_)) => Some(Unwritable::NothingToCorrect),
                    (0, None) => None,
                    (EDITIONS_MAX.., _) => Some(Unwritable::Full),
                    (_, None) => Some(Unwritable::SaysNoCorrection),
                    (_, Some(_)) => (!postmortem.has_changed()).then_some(Unwritable::NothingNew),
                }
            }
        }
    }
}

/// Names that customers are not to read, as far as they stand in a text: whole words, of
/// three letters at least.
pub fn names_within<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> BTreeSet<&'a str> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let stands = |name: &str| {
        text.match_indices(name).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let after = text[at + name.len()..].chars().next();
            !before.is_some_and(is_part) && !after.is_some_and(is_part)
        })
    };
    let names = names.into_iter().filter(|name| name.len() >= 3);
    names.filter(|name| stands(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_as_whole_words() {
        let names = ["pg-main", "web", "db"];
        let text = "Our website waited for pg-main; db-1 did not. The web was slow.";
        let found: Vec<&str> = names_within(text, names).into_iter().collect();
        assert_eq!(found, ["pg-main", "web"]);
        assert!(names_within("pg-mainly", names).is_empty());
    }
}
