//! Post-mortems and clocks of legal notices: what makes an order malformed, and why it
//! cannot be done.

use evenkeel_core::event::{Event, What};
use evenkeel_core::notice::{NoticeChange, Unnoticed};
use evenkeel_core::observation::Order;
use evenkeel_core::policy::Policy;
use evenkeel_core::postmortem::{
    EDITIONS_MAX, MEASURES_MAX, MeasureState, PostmortemChange, Unwritable,
};
use evenkeel_core::record::{Day, Record};
use evenkeel_core::telling::FreeText;

use super::{REASON_MAX, REASON_WRONG, Refusal, RefusalKind, printable};

/// The longest part of a post-mortem, bytes: three pages.
pub(crate) const SECTION_MAX: usize = 6000;

/// The longest measure, correction or number of a notice, bytes.
pub(crate) const LINE_MAX: usize = 500;

/// The longest name of an owner, bytes.
pub(crate) const OWNER_MAX: usize = 100;

/// Days a measure may be due on: from 2020 to 2100.
const DAYS: std::ops::RangeInclusive<i64> = 18_262..=47_482;

fn is_plain(text: &FreeText, bytes_max: usize) -> bool {
    let text = &text.text;
    let mut odd = text.chars().filter(|c| c.is_control() && *c != '\n');
    !text.trim().is_empty() && text.len() <= bytes_max && odd.next().is_none()
}

/// What is wrong with its words.
pub(super) fn malformed(order: &Order) -> Option<&'static str> {
    let is_reason = |reason: &str| reason.len() <= REASON_MAX && printable(reason);
    let due_wrong = (|due: &Day| !DAYS.contains(&due.0)) as fn(&Day) -> bool;
    match order {
        Order::Postmortem { change, .. } => match change {
            PostmortemChange::Write { text, .. } => {
                let wrong = text
                    .as_ref()
                    .is_some_and(|text| !is_plain(text, SECTION_MAX));
                wrong.then_some("`text` has to be plain text, at most 6000 bytes")
            }
            PostmortemChange::AddMeasure { what, owner, due } => {
                if !is_plain(what, LINE_MAX) {
                    return Some("`what` has to say what is to be done, at most 500 bytes");
                }
                if owner.len() > OWNER_MAX || !printable(owner) {
                    return Some("`owner` has to be who sees to it, at most 100 bytes on one line");
                }
                due_wrong(due).then_some("`due` has to be a day from 2020 to 2100")
            }
            PostmortemChange::ChangeMeasure { due, reason, .. } => {
                if due_wrong(due) {
                    return Some("`due` has to be a day from 2020 to 2100");
                }
                let wrong = reason.as_deref().is_some_and(|reason| !is_reason(reason));
                wrong.then_some(REASON_WRONG)
            }
            PostmortemChange::Publish { correction, .. } => {
                let wrong = correction
                    .as_ref()
                    .is_some_and(|text| !is_plain(text, LINE_MAX));
                wrong.then_some("`correction` has to say what is corrected, at most 500 bytes")
            }
        },
        Order::Notice { change, .. } => match change {
            NoticeChange::Start { reason } | NoticeChange::Stop { reason } => {
                (!is_reason(reason)).then_some(REASON_WRONG)
            }
            NoticeChange::Give { reference, .. } => {
                let wrong = reference.len() > LINE_MAX || !printable(reference);
                wrong.then_some("`reference` has to say to whom it was given, and its number where there is one, at most 500 bytes on one line")
            }
        },
        _ => None,
    }
}

/// Why it cannot be done.
pub(super) fn objection(order: &Order, record: &Record, policy: &Policy) -> Option<Refusal> {
    let (kind, why) = match order {
        Order::Postmortem { incident, change } => {
            let why = record.unwritable(*incident, change)?;
            (of_postmortem(&why), unwritable(&why, &incident.to_string()))
        }
        Order::Notice {
            incident,
            regime,
            change,
        } => {
            let why = record.unnoticed(&policy.notices, *incident, *regime, change)?;
            let kind = match why {
                Unnoticed::NoIncident => RefusalKind::NotFound,
                Unnoticed::NoStep => RefusalKind::Malformed,
                _ => RefusalKind::Conflict,
            };
            let (name, tag) = (regime.name(), regime.as_str());
            let why = match why {
                Unnoticed::NoIncident => {
                    format!("there is no incident {incident}: `evenkeel incidents` lists them")
                }
                Unnoticed::NotKept => format!(
                    "the configuration keeps no clock of {name}: write `{tag} = true` under [notices]"
                ),
                Unnoticed::Runs => format!("the clock of {name} for {incident} runs already"),
                Unnoticed::RunsNot => format!(
                    "no clock of {name} runs for {incident}: `evenkeel notice {incident} {tag} start --reason WHY` starts one"
                ),
                Unnoticed::NoStep => format!(
                    "{name} has no such notice; there is: {}",
                    regime
                        .steps()
                        .iter()
                        .map(|(step, name)| format!("{} ({name})", step.as_str()))
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
                Unnoticed::Given => "that notice was given, and the journal keeps it so".into(),
            };
            (kind, why)
        }
        _ => return None,
    };
    Some(Refusal::new(kind, why))
}

fn of_postmortem(why: &Unwritable) -> RefusalKind {
    match why {
        Unwritable::NoIncident | Unwritable::NoPostmortem | Unwritable::NoMeasure => {
            RefusalKind::NotFound
        }
        Unwritable::NoReason | Unwritable::SaysNoCorrection => RefusalKind::Malformed,
        _ => RefusalKind::Conflict,
    }
}

/// Why a post-mortem cannot be changed, and what to do.
fn unwritable(why: &Unwritable, incident: &str) -> String {
    match why {
        Unwritable::NoIncident => {
            format!("there is no incident {incident}: `evenkeel incidents` lists them")
        }
        Unwritable::NoPostmortem => format!(
            "{incident} has no post-mortem: a draft is opened when an incident that hurt customers is resolved"
        ),
        Unwritable::Overtaken(Some(stands)) => {
            let text = stands.text.as_ref().map_or("nothing", |text| &text.text);
            format!(
                "{} wrote meanwhile; revision {} says: {text}\nPut both together, and write it again on revision {}",
                stands.by, stands.revision, stands.revision
            )
        }
        Unwritable::Overtaken(None) => {
            "nothing is written there yet: write it again on revision 0".into()
        }
        Unwritable::ReadAnother => format!(
            "somebody wrote meanwhile: read it again (`evenkeel postmortem show {incident}`), then publish what you read"
        ),
        Unwritable::NothingNew => "that is how it stands already".into(),
        Unwritable::GoesOn => {
            format!("{incident} goes on again: publish its post-mortem when it is over")
        }
        Unwritable::NothingWritten => {
            "customers would read times alone: write what happened (`summary`) or why (`cause`) first".into()
        }
        Unwritable::SaysNoCorrection => {
            "it was published, and stays: say what is corrected (`--correction`), which is shown beside it".into()
        }
        Unwritable::NothingToCorrect => {
            "it was never published, so that there is nothing to correct: leave the correction out".into()
        }
        Unwritable::NoMeasure => {
            format!("there is no such measure: `evenkeel postmortem show {incident}` lists them")
        }
        Unwritable::NoReason => {
            "whoever drops or moves a measure says why (`--reason`): it is kept".into()
        }
        Unwritable::Full => format!(
            "there is no room: a post-mortem has at most {MEASURES_MAX} measures and {EDITIONS_MAX} editions"
        ),
    }
}

/// Whether it was obeyed; `None` where it is no such order.
pub(super) fn was_obeyed(order: &Order, events: &[Event]) -> Option<bool> {
    let any = |test: &dyn Fn(&What) -> bool| events.iter().any(|event| test(&event.what));
    Some(match order {
        Order::Postmortem { incident: id, .. } => any(&|what| match what {
            What::PostmortemWritten { incident, .. }
            | What::MeasureAdded { incident, .. }
            | What::MeasureChanged { incident, .. }
            | What::PostmortemPublished { incident, .. } => incident == id,
            _ => false,
        }),
        Order::Notice { incident: id, .. } => any(&|what| match what {
            What::NoticeClockStarted { incident, .. }
            | What::NoticeClockStopped { incident, .. }
            | What::NoticeGiven { incident, .. } => incident == id,
            _ => false,
        }),
        _ => return None,
    })
}

/// The order as one would type it.
pub(super) fn in_words(order: &Order) -> Option<String> {
    Some(match order {
        Order::Postmortem { incident, change } => match change {
            PostmortemChange::Write { section, .. } => {
                format!("postmortem write {incident} {}", section.as_str())
            }
            PostmortemChange::AddMeasure { owner, .. } => {
                format!("postmortem measure {incident} add, owner {owner}")
            }
            PostmortemChange::ChangeMeasure { measure, state, .. } => {
                let state = match state {
                    MeasureState::Open => "open",
                    MeasureState::Done => "done",
                    MeasureState::Dropped => "dropped",
                };
                format!("postmortem measure {incident} {measure} {state}")
            }
            PostmortemChange::Publish { .. } => format!("postmortem publish {incident}"),
        },
        Order::Notice {
            incident,
            regime,
            change,
        } => {
            let tag = regime.as_str();
            match change {
                NoticeChange::Start { reason } => {
                    format!("notice {incident} {tag} start, because: {reason}")
                }
                NoticeChange::Stop { reason } => {
                    format!("notice {incident} {tag} stop, because: {reason}")
                }
                NoticeChange::Give { step, .. } => {
                    format!("notice {incident} {tag} give {}", step.as_str())
                }
            }
        }
        _ => return None,
    })
}
