//! `[[maintenance]]` and `[[peak]]`: planned work and known peaks, with their calendars.

use std::collections::BTreeSet;
use std::time::Duration;

use evenkeel_core::ids::{ComponentId, PeakId, PlanId};
use evenkeel_core::language::Language;
use evenkeel_core::maintenance::{LENGTH_MAX, LENGTH_MIN, PlannedImpact, REMINDERS_MAX, Turn};
use evenkeel_core::policy::{MaintenancePolicy, PeakPolicy, Policy};
use evenkeel_core::telling::FreeText;
use jiff::civil::{Date, DateTime};

use super::calendar::zone;
use super::names::{components, identity};
use super::reader::{At, Report, Section, duration};
use crate::almanac::{Almanac, Calendar, LISTED_MAX, Peak, Planned, Written};
use crate::pump::orders::telling::TEXT_MAX;

/// Two weeks: time to plan around it, and no page full of Sundays to come.
const ANNOUNCE: Duration = Duration::from_secs(14 * 86400);
/// Customers plan their day the day before.
const ANNOUNCE_MIN: Duration = Duration::from_secs(3600);
/// A quarter.
const ANNOUNCE_MAX: Duration = Duration::from_secs(92 * 86400);
/// A week and a day before: what vendors of payroll and accounting do.
pub(crate) const REMINDERS: [Duration; 2] =
    [Duration::from_secs(7 * 86400), Duration::from_secs(86400)];
/// A reminder later than this comes with the beginning.
const REMINDER_MIN: Duration = Duration::from_secs(60);
/// A peak is a day where nothing is said.
const PEAK: Duration = Duration::from_secs(86400);
/// A month of closing the books.
const PEAK_MAX: Duration = Duration::from_secs(31 * 86400);

const IMPACTS: &[(&str, PlannedImpact)] = &[
    ("no_impact", PlannedImpact::NoImpact),
    ("reduced_redundancy", PlannedImpact::ReducedRedundancy),
    ("degraded", PlannedImpact::Degraded),
    ("outage", PlannedImpact::Outage),
];

const TURNS: &[(&str, Turn)] = &[("by_itself", Turn::ByItself), ("by_hand", Turn::ByHand)];

pub(super) fn read(
    maintenances: Vec<Section<'_>>,
    peaks: Vec<Section<'_>>,
    policy: &mut Policy,
    report: &mut Report<'_>,
) -> Almanac {
    Almanac {
        maintenances: maintenances
            .into_iter()
            .filter_map(|section| maintenance(section, policy, report))
            .collect(),
        peaks: peaks
            .into_iter()
            .filter_map(|section| peak(section, policy, report))
            .collect(),
    }
}

fn maintenance(
    mut section: Section<'_>,
    policy: &mut Policy,
    report: &mut Report<'_>,
) -> Option<Planned> {
    let at = section.at.clone();
    let id = identity(&mut section, report, "maintenance");
    let before = report.problems.len();
    let named: BTreeSet<ComponentId> = components(&mut section, policy, report)
        .into_iter()
        .collect();
    // Names that are unknown have been told of.
    if named.is_empty() && report.problems.len() == before {
        report.error(
            &at,
            "it concerns no function: name what is worked on in `components`",
        );
    }
    section.demand(report, "length");
    let length = section.duration_of(report, "length", LENGTH_MIN);
    let length = length.map(|length| {
        if length.value > LENGTH_MAX {
            let what =
                "no maintenance is longer than \"24h\": longer work is several, each announced";
            report.error(&length.at, what);
        }
        length.value.min(LENGTH_MAX)
    });
    let calendar = calendar(&mut section, length.unwrap_or(LENGTH_MIN), "starts", report);
    let impact = section.word(report, "impact", IMPACTS).unwrap_or_default();
    let text = free_text(&mut section, report);
    let begins = section.word(report, "begins", TURNS).unwrap_or_default();
    let ends = section.word(report, "ends", TURNS).unwrap_or_default();
    let announce = section.time(report, "announce", ANNOUNCE_MIN, ANNOUNCE);
    if announce > ANNOUNCE_MAX {
        let what = "`announce` is more than a quarter ahead; write at most \"92d\"";
        report.error(&at, what);
    }
    let reminders = reminders(&mut section, report);
    section.finish(report);
    let id = PlanId::from(id?.value);
    let of_core = MaintenancePolicy {
        components: named,
        impact,
        text,
        begins,
        ends,
        // A reminder before it is announced would be the announcement again.
        reminders: reminders.into_iter().filter(|at| *at < announce).collect(),
    };
    if policy.maintenances.insert(id.clone(), of_core).is_some() {
        report.error(&at, format!("there are two of the maintenance `{id}`"));
    }
    Some(Planned {
        id,
        calendar: calendar?,
        announce: announce.min(ANNOUNCE_MAX),
    })
}

fn peak(mut section: Section<'_>, policy: &mut Policy, report: &mut Report<'_>) -> Option<Peak> {
    let at = section.at.clone();
    let id = identity(&mut section, report, "peak");
    let name = section.required(report, "name");
    let named = components(&mut section, policy, report)
        .into_iter()
        .collect();
    let length = section.duration_of(report, "length", LENGTH_MIN);
    if let Some(length) = &length
        && length.value > PEAK_MAX
    {
        let what = "a peak that is longer than a month is no peak; write at most \"31d\"";
        report.error(&length.at, what);
    }
    let length = length.map_or(PEAK, |length| length.value.min(PEAK_MAX));
    let calendar = calendar(&mut section, length, "starts", report);
    section.finish(report);
    let id = PeakId::from(id?.value);
    let of_core = PeakPolicy {
        name: name.map_or_else(|| id.to_string(), |name| name.value),
        components: named,
    };
    if policy.peaks.insert(id.clone(), of_core).is_some() {
        report.error(&at, format!("there are two of the peak `{id}`"));
    }
    Some(Peak {
        id,
        calendar: calendar?,
    })
}

/// A date with its time of day; a date alone is its beginning.
fn moment(given: &At<String>, key: &str, report: &mut Report<'_>) -> Option<DateTime> {
    let text = given.value.trim();
    let date = || text.parse::<Date>().ok().map(|date| date.at(0, 0, 0, 0));
    // A zone or an offset would be a second word on when it is.
    let dashes = text.matches('-').count();
    let is_plain = !text.ends_with('Z') && !text.contains(['+', '[']) && dashes <= 2;
    let found = text.parse::<DateTime>().ok().or_else(date);
    let found = found.filter(|_| is_plain);
    if found.is_none() {
        let what = format!(
            "`{text}` is no time on the wall; write for example {key} = \"2026-09-26T18:00\", and the \
             zone in `time_zone`"
        );
        report.error(&given.at, what);
    }
    found
}

/// `starts`, `repeat`, `dates`, `except`, `time_zone`.
fn calendar(
    section: &mut Section<'_>,
    length: Duration,
    key: &'static str,
    report: &mut Report<'_>,
) -> Option<Calendar> {
    let at = section.at.clone();
    let starts = section.text(report, key);
    let first = starts.and_then(|starts| moment(&starts, key, report));
    let repeat = section.text(report, "repeat");
    let listed = section.list(report, "dates");
    if listed.len() > LISTED_MAX {
        let what = format!("more than {LISTED_MAX} dates are listed; write a rule in `repeat`");
        report.error(&at, what);
    }
    let listed = listed.iter().take(LISTED_MAX);
    let more: Vec<DateTime> = listed
        .filter_map(|given| moment(given, "dates", report))
        .collect();
    let mut except = BTreeSet::new();
    for given in section.list(report, "except") {
        match given.value.parse::<Date>() {
            Ok(date) => {
                except.insert(date);
            }
            Err(_) => report.error(
                &given.at,
                format!("`{}` is no date; write \"2026-12-25\"", given.value),
            ),
        }
    }
    let zone = zone(section, report);
    if first.is_none() && repeat.is_some() {
        let what = "`starts` is missing: the first time, from which `repeat` counts";
        report.error(&at, what);
        return None;
    }
    let Some(first) = first.or(more.first().copied()) else {
        let what = "nothing says when it is: write `starts`, with `repeat` where it comes again, or \
                    `dates`";
        report.error(&at, what);
        return None;
    };
    let place = repeat.as_ref().map_or(at, |repeat| repeat.at.clone());
    let written = Written {
        first,
        repeat: repeat.map(|repeat| repeat.value),
        more,
        except,
    };
    match Calendar::new(written, length, zone) {
        Ok(calendar) => Some(calendar),
        Err(why) => {
            report.error(&place, why);
            None
        }
    }
}

/// `text` with its `language`.
fn free_text(section: &mut Section<'_>, report: &mut Report<'_>) -> Option<FreeText> {
    let text = section.text(report, "text");
    let language = section.text(report, "language");
    let tags = || Language::ALL.map(Language::tag).join(", ");
    match (text, language) {
        (None, None) => None,
        (None, Some(language)) => {
            report.error(
                &language.at,
                "`language` is that of `text`, and there is none",
            );
            None
        }
        (Some(text), None) => {
            let what = format!("`language` is missing: which of {} it is in", tags());
            report.error(&text.at, what);
            None
        }
        (Some(text), Some(language)) => {
            if text.value.trim().is_empty() || text.value.len() > TEXT_MAX {
                let what = format!("`text` has to be plain text, at most {TEXT_MAX} bytes");
                report.error(&text.at, what);
            }
            let Some(known) = Language::of(&language.value) else {
                let what = format!("`{}` is none of {}", language.value, tags());
                report.error(&language.at, what);
                return None;
            };
            Some(FreeText {
                language: known,
                text: text.value,
            })
        }
    }
}

fn reminders(section: &mut Section<'_>, report: &mut Report<'_>) -> BTreeSet<Duration> {
    let given = section.list(report, "reminders");
    if given.is_empty() {
        return REMINDERS.into();
    }
    if given.len() > REMINDERS_MAX {
        let what = format!("more than {REMINDERS_MAX} reminders are noise");
        report.error(&given[REMINDERS_MAX].at, what);
    }
    let mut reminders = BTreeSet::new();
    for given in given.into_iter().take(REMINDERS_MAX) {
        match duration(&given.value) {
            Ok(span) if span >= REMINDER_MIN => {
                reminders.insert(span);
            }
            Ok(_) => report.error(&given.at, "a reminder so late comes with the beginning"),
            Err(why) => report.error(&given.at, why),
        }
    }
    reminders
}
