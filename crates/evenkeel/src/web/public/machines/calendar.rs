//! Planned work as a calendar (RFC 5545), with what NANOG's machines look for
//! (<https://github.com/jda/maintnote-std>).
//!
//! Each event keeps its UID for good, and its SEQUENCE rises with every change, so that a
//! calendar moves the event it has and does not add another. What was called off stays, with
//! STATUS CANCELLED: an event that only goes away stays in the calendars of those who have
//! it. All times are UTC, so that no reader's idea of a time zone comes into it.
//!
//! The stamp of an event is when it last changed, not when it is asked for: asked twice with
//! nothing changed, it is the same file.

use evenkeel_core::Timestamp;
use evenkeel_core::maintenance::{MaintenanceStatus, PlannedImpact};
use icalendar::{Calendar, Component, Event, EventStatus, Property};

use super::maintenances::Work;
use super::picture::Picture;

pub(super) fn calendar(picture: &Picture<'_>) -> String {
    let words = picture.words;
    let mut calendar = Calendar::new();
    let title = words.site(&picture.site.name);
    let title = format!("{title}: {}", words.heading_maintenance());
    calendar.append_property(Property::new("PRODID", "-//Evenkeel//Maintenance//EN"));
    calendar.append_property(Property::new("METHOD", "PUBLISH"));
    calendar.append_property(Property::new("X-WR-CALNAME", one_line(&title)));
    calendar.append_property(Property::new("NAME", one_line(&title)));
    for work in picture.works(|_| true) {
        calendar.push(event(picture, &work));
    }
    calendar.to_string()
}

/// `20261118T021400Z`.
fn utc(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Text that stands in one line of the file: no control character is let through.
fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// A text of several lines.
fn lines(text: &str) -> String {
    let lines = text.split('\n').map(one_line);
    lines.collect::<Vec<_>>().join("\n")
}

fn event(picture: &Picture<'_>, work: &Work<'_>) -> Event {
    let (state, host) = (work.state, picture.host());
    let newest = work.updates.first().map(|said| said.text.as_str());
    let described = [
        Some(work.expected.as_str()),
        newest,
        state.plan.text.as_ref().map(|free| free.text.as_str()),
    ];
    let described: Vec<&str> = described.into_iter().flatten().collect();
    let mut event = Event::new();
    event
        .uid(&format!("{}@{host}", work.id))
        .summary(&one_line(&work.title))
        .description(&lines(&described.join("\n\n")))
        .url(&work.link)
        .status(match state.status {
            MaintenanceStatus::Cancelled => EventStatus::Cancelled,
            _ => EventStatus::Confirmed,
        });
    let ends = match (state.status, state.ended_at) {
        // It was over sooner or later than planned, after it had begun.
        (MaintenanceStatus::Completed, Some(at)) => at.max(state.plan.when.from),
        _ => state.plan.when.until,
    };
    let impact = match state.plan.impact {
        PlannedImpact::NoImpact => "NO-IMPACT",
        PlannedImpact::ReducedRedundancy => "REDUCED-REDUNDANCY",
        PlannedImpact::Degraded => "DEGRADED",
        PlannedImpact::Outage => "OUTAGE",
    };
    let noted = match state.status {
        MaintenanceStatus::Scheduled => "CONFIRMED",
        MaintenanceStatus::InProgress | MaintenanceStatus::Verifying => "IN-PROCESS",
        MaintenanceStatus::Completed => "COMPLETED",
        MaintenanceStatus::Cancelled => "CANCELLED",
    };
    let organizer = Property::new("ORGANIZER", picture.base())
        .add_parameter("CN", &parameter(&picture.site.name))
        .done();
    for property in [
        organizer,
        Property::new("DTSTAMP", utc(state.changed_at)),
        Property::new("CREATED", utc(state.planned_at)),
        Property::new("LAST-MODIFIED", utc(work.updated_at)),
        Property::new("DTSTART", utc(state.plan.when.from)),
        Property::new("DTEND", utc(ends)),
        Property::new("SEQUENCE", state.sequence.to_string()),
        // Nobody is busy because of it.
        Property::new("TRANSP", "TRANSPARENT"),
        Property::new("X-MAINTNOTE-PROVIDER", &host),
        // Everybody: who is a customer of what is not known here.
        Property::new("X-MAINTNOTE-ACCOUNT", "all"),
        Property::new("X-MAINTNOTE-MAINTENANCE-ID", state.id.to_string()),
        Property::new("X-MAINTNOTE-IMPACT", impact),
        Property::new("X-MAINTNOTE-STATUS", noted),
    ] {
        event.append_property(property);
    }
    for component in &state.plan.components {
        event.append_multi_property(Property::new("X-MAINTNOTE-OBJECT-ID", component.as_str()));
    }
    event.done()
}

/// A name as a parameter can hold it: quoted, without what quotes cannot hold.
fn parameter(text: &str) -> String {
    let kept = one_line(text).replace('"', "\u{2019}");
    // Where one of these is in it, the crate quotes; a comma alone it does not know.
    match kept.contains([':', ';']) {
        true => kept,
        false => format!("\"{kept}\""),
    }
}
