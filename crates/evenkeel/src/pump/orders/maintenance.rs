//! Orders about planned work: what makes one malformed, and why it cannot be.

use evenkeel_core::Timestamp;
use evenkeel_core::event::{Event, What};
use evenkeel_core::ids::ComponentId;
use evenkeel_core::maintenance::{
    LENGTH_MAX, MaintenanceOrder, MaintenanceStatus, PeakMet, REMINDERS_MAX, Unplannable,
};
use evenkeel_core::policy::Policy;
use evenkeel_core::record::Record;

use super::telling::is_plain;
use super::{REASON_MAX, REASON_WRONG, Refusal, RefusalKind, printable};

/// What is wrong with its words.
pub(super) fn malformed(order: &MaintenanceOrder) -> Option<&'static str> {
    if order.text().is_some_and(|free| !is_plain(&free.text)) {
        return Some("`text` has to be plain text, at most 2000 bytes");
    }
    let wrong = |reason: &str| reason.len() > REASON_MAX || !printable(reason);
    order.reason().is_some_and(wrong).then_some(REASON_WRONG)
}

/// A time in minutes, for people.
fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Why it cannot be.
pub(super) fn objection(
    order: &MaintenanceOrder,
    record: &Record,
    policy: &Policy,
    now: Timestamp,
) -> Option<Refusal> {
    if let MaintenanceOrder::Plan { plan, .. } = order {
        let known = |id: &&ComponentId| !policy.components.contains_key(*id);
        if let Some(unknown) = plan.components.iter().find(known) {
            let known: Vec<&str> = policy.components.keys().map(|id| id.as_str()).collect();
            let why = format!(
                "there is no component {unknown} (there is: {})",
                known.join(", ")
            );
            return Some(Refusal::new(RefusalKind::NotFound, why));
        }
    }
    let about = order.about();
    let about = about.map_or_else(|| "it".to_owned(), |id| id.to_string());
    let why = record.unplannable(order, now)?;
    let kind = match &why {
        Unplannable::NoMaintenance => RefusalKind::NotFound,
        Unplannable::NoComponent
        | Unplannable::Begins
        | Unplannable::Length(_)
        | Unplannable::Reminders => RefusalKind::Malformed,
        _ => RefusalKind::Conflict,
    };
    Some(Refusal::new(kind, in_sentence(&why, &about)))
}

fn in_sentence(why: &Unplannable, about: &str) -> String {
    match why {
        Unplannable::NoMaintenance => {
            format!("there is no maintenance {about}: `evenkeel maintenance list` lists them")
        }
        Unplannable::NoComponent => {
            "it concerns no function: name at least one component that is worked on".into()
        }
        Unplannable::Begins => {
            "it has to begin later than now, and within 400 days: name another time".into()
        }
        Unplannable::Known(id) => {
            format!("{id} is planned for the same functions at the same time: change that one")
        }
        Unplannable::Length(length) => format!(
            "it would take {} min, and has to take between 1 min and {} h in all: longer work is several, each announced",
            length.as_secs() / 60,
            LENGTH_MAX.as_secs() / 3600
        ),
        Unplannable::Ended => {
            format!("its end has come: give {about} an end that is still to come")
        }
        Unplannable::Unchanged => format!("{about} is at that time already: nothing to change"),
        Unplannable::HasBegun => {
            format!("{about} has begun: only its end can be moved")
        }
        Unplannable::TooEarly(at) => format!(
            "customers were told that {about} begins later: it can be begun from {} on; move it first to begin sooner",
            minute(*at)
        ),
        Unplannable::NotUnderWay(MaintenanceStatus::Scheduled) => {
            format!("{about} has not begun: call it off with `evenkeel maintenance cancel`")
        }
        Unplannable::NotUnderWay(status) => format!(
            "{about} is {}: plan another, or look at `evenkeel maintenance list`",
            status.as_str()
        ),
        Unplannable::NotScheduled(status) if status.is_under_way() => {
            format!("{about} is under way: end it with `evenkeel maintenance finish`")
        }
        Unplannable::NotScheduled(status) => format!(
            "{about} is {}: look at `evenkeel maintenance list`",
            status.as_str()
        ),
        Unplannable::Reminders => {
            format!("more than {REMINDERS_MAX} reminders are noise: name fewer")
        }
        Unplannable::TooMany => {
            "too many maintenances are planned: call off what is not needed".into()
        }
        Unplannable::Peak(met) => into_a_peak(met),
        Unplannable::ShortNotice(notice) => format!(
            "customers would be told {} h before, and plan their day the day before: choose a later time, or confirm it with a `reason`, which is kept and which only operators read",
            notice.as_secs() / 3600
        ),
    }
}

/// `it is in VAT day (2026-12-01 00:00 UTC to ...)`.
fn into_a_peak(met: &[PeakMet]) -> String {
    let named = met.iter().take(3).map(|met| {
        let PeakMet { name, when, .. } = met;
        format!("{name} ({} to {})", minute(when.from), minute(when.until))
    });
    let named: Vec<String> = named.collect();
    format!(
        "it would be in a known peak, when customers need it most: {}; choose another time, or confirm it with a `reason`, which is kept and which only operators read",
        named.join(", ")
    )
}

/// Whether an order was obeyed.
pub(super) fn was_obeyed(order: &MaintenanceOrder, events: &[Event]) -> bool {
    let any = |test: &dyn Fn(&What) -> bool| events.iter().any(|event| test(&event.what));
    match order {
        MaintenanceOrder::Plan { .. } => {
            any(&|what| matches!(what, What::MaintenancePlanned { by: Some(_), .. }))
        }
        MaintenanceOrder::Move {
            maintenance: id, ..
        } => any(
            &|what| matches!(what, What::MaintenanceChanged { maintenance, by: Some(_), .. } if maintenance == id),
        ),
        MaintenanceOrder::Begin { maintenance: id }
        | MaintenanceOrder::Finish {
            maintenance: id, ..
        }
        | MaintenanceOrder::Cancel {
            maintenance: id, ..
        } => any(
            &|what| matches!(what, What::MaintenanceTurned { maintenance, by: Some(_), .. } if maintenance == id),
        ),
    }
}

/// The order as one would type it.
pub(super) fn in_words(order: &MaintenanceOrder) -> String {
    let reason = order.reason();
    let reason = reason.map_or(String::new(), |reason| format!(", because: {reason}"));
    match order {
        MaintenanceOrder::Plan { plan, .. } => {
            let components: Vec<&str> = plan.components.iter().map(|id| id.as_str()).collect();
            format!(
                "maintenance plan {} {} {}{reason}",
                components.join(" "),
                minute(plan.when.from),
                minute(plan.when.until)
            )
        }
        MaintenanceOrder::Move {
            maintenance,
            begins_at,
            ends_at,
            ..
        } => match begins_at {
            Some(from) => format!(
                "maintenance move {maintenance} {} {}{reason}",
                minute(*from),
                minute(*ends_at)
            ),
            None => format!(
                "maintenance extend {maintenance} {}{reason}",
                minute(*ends_at)
            ),
        },
        MaintenanceOrder::Begin { maintenance } => format!("maintenance start {maintenance}"),
        MaintenanceOrder::Finish { maintenance, .. } => {
            format!("maintenance finish {maintenance}")
        }
        MaintenanceOrder::Cancel { maintenance, .. } => {
            format!("maintenance cancel {maintenance}")
        }
    }
}
