//! Words to customers: what makes one malformed, and why it cannot be told.

use evenkeel_core::Timestamp;
use evenkeel_core::event::{Event, What};
use evenkeel_core::ids::{ComponentId, IncidentId};
use evenkeel_core::message::Body;
use evenkeel_core::observation::Order;
use evenkeel_core::policy::Policy;
use evenkeel_core::record::Record;
use evenkeel_core::telling::{Affected, FreeText, ToldFacts, Untellable};

use super::{REASON_MAX, REASON_WRONG, Refusal, RefusalKind, printable};

/// The longest text for customers, bytes: what somebody in trouble still reads.
pub(crate) const TEXT_MAX: usize = 2000;

/// The longest name of a group of customers, bytes.
const GROUP_MAX: usize = 100;

/// The words of an order, where it is one to customers.
fn words(order: &Order) -> Option<(Option<&FreeText>, &ToldFacts, Option<&String>)> {
    match order {
        Order::Tell(tell) => Some((tell.text.as_ref(), &tell.facts, tell.reason.as_ref())),
        Order::Correct(correct) => {
            let reason = correct.reason.as_ref();
            Some((correct.text.as_ref(), &correct.facts, reason))
        }
        _ => None,
    }
}

/// Whether a text for customers is plain, and short enough.
pub(super) fn is_plain(text: &str) -> bool {
    let mut odd = text.chars().filter(|c| c.is_control() && *c != '\n');
    !text.trim().is_empty() && text.len() <= TEXT_MAX && odd.next().is_none()
}

/// What is wrong with its words.
pub(super) fn malformed(order: &Order) -> Option<&'static str> {
    let (text, facts, reason) = words(order)?;
    if text.is_some_and(|free| !is_plain(&free.text)) {
        return Some("`text` has to be plain text, at most 2000 bytes");
    }
    if let Some(Affected::Group(name)) = &facts.affected
        && (name.len() > GROUP_MAX || !printable(name))
    {
        return Some(
            "the name of a group has to be one they know it by, at most 100 bytes on one line",
        );
    }
    if reason.is_some_and(|reason| reason.len() > REASON_MAX || !printable(reason)) {
        return Some(REASON_WRONG);
    }
    None
}

/// Why it cannot be told.
pub(super) fn objection(
    order: &Order,
    record: &Record,
    policy: &Policy,
    now: Timestamp,
) -> Option<Refusal> {
    let (_, facts, _) = words(order)?;
    let known = |id: &ComponentId| policy.components.contains_key(id);
    if let Some(unknown) = facts.works.iter().find(|id| !known(id)) {
        let known: Vec<&str> = policy.components.keys().map(|id| id.as_str()).collect();
        let why = format!(
            "there is no component {unknown} (there is: {})",
            known.join(", ")
        );
        return Some(Refusal::new(RefusalKind::NotFound, why));
    }
    let (about, why) = match order {
        Order::Tell(tell) => (tell.incident.to_string(), record.untellable(tell, now)?),
        Order::Correct(correct) => (correct.message.to_string(), record.uncorrectable(correct)?),
        _ => return None,
    };
    let (kind, why) = match why {
        Untellable::NoIncident => (
            RefusalKind::NotFound,
            format!("there is no incident {about}: `evenkeel incidents` lists them"),
        ),
        Untellable::HurtsNobody => (
            RefusalKind::Conflict,
            format!(
                "{about} hurts no customer as far as anybody can see: there is nothing to tell; a check of the function would see what you see"
            ),
        ),
        Untellable::Over => (
            RefusalKind::Conflict,
            format!(
                "customers were told that {about} is over: to add something, correct what was told with `evenkeel correct`"
            ),
        ),
        Untellable::Promise => (
            RefusalKind::Malformed,
            "the next word has to be promised for between 5 minutes and 24 hours from now".into(),
        ),
        Untellable::AgainstEvidence(hurt) => {
            let hurt: Vec<&str> = hurt.iter().map(|id| id.as_str()).collect();
            (
                RefusalKind::Conflict,
                format!(
                    "{} is still seen to be hurt: tell customers `investigating` or `identified`, or give a `reason` why what is seen is wrong; it is kept, and only operators read it",
                    hurt.join(", ")
                ),
            )
        }
        Untellable::NoWord => (
            RefusalKind::NotFound,
            format!(
                "{about} is no public word that is still kept: the incident in `evenkeel incidents` lists them"
            ),
        ),
        Untellable::Empty => (
            RefusalKind::Malformed,
            "a correction says what is so instead: give a text, or a fact".into(),
        ),
    };
    Some(Refusal::new(kind, why))
}

/// Why a word that waits cannot be approved or refused.
pub(super) fn not_waiting(incident: IncidentId, record: &Record) -> Option<Refusal> {
    let Some(state) = record.incidents.get(&incident) else {
        let why = format!("there is no incident {incident}: `evenkeel incidents` lists them");
        return Some(Refusal::new(RefusalKind::NotFound, why));
    };
    let waits = state.pending.is_some();
    (!waits).then(|| {
        let why = format!("nothing that customers are told of {incident} waits for your word");
        Refusal::new(RefusalKind::Conflict, why)
    })
}

/// Whether an order to tell was obeyed; `None` where it is no such order.
pub(super) fn was_obeyed(order: &Order, events: &[Event]) -> Option<bool> {
    let told = |test: &dyn Fn(&What) -> bool| events.iter().any(|event| test(&event.what));
    let of_person = |what: &What, corrects| match what {
        What::MessageRequested { message } => match &message.body {
            Body::Public {
                person: Some(word), ..
            } => word.corrects == corrects,
            _ => false,
        },
        _ => false,
    };
    Some(match order {
        Order::Tell(_) => told(&|what| of_person(what, None)),
        Order::Correct(correct) => told(&|what| of_person(what, Some(correct.message))),
        Order::ApproveWord { incident } => told(&|what| match what {
            What::MessageRequested { message } => {
                let approved = matches!(
                    message.body,
                    Body::Public {
                        approved_by: Some(_),
                        ..
                    }
                );
                approved && message.incident == Some(*incident)
            }
            _ => false,
        }),
        Order::RefuseWord { incident: id, .. } => told(
            &|what| matches!(what, What::WordWithdrawn { incident, by: Some(_), .. } if incident == id),
        ),
        _ => return None,
    })
}

/// The order as one would type it.
pub(super) fn in_words(order: &Order) -> Option<String> {
    Some(match order {
        Order::Tell(tell) => {
            let reason = tell.reason.as_ref();
            let reason = reason.map_or(String::new(), |reason| format!(", because: {reason}"));
            format!("tell {} {}{reason}", tell.incident, tell.status.as_str())
        }
        Order::Correct(correct) => format!("correct {}", correct.message),
        Order::ApproveWord { incident } => format!("approve {incident}"),
        Order::RefuseWord { incident, reason } => {
            format!("refuse {incident}, because: {reason}")
        }
        _ => return None,
    })
}
