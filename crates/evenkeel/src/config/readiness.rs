//! `[[readiness]]`: what must hold at a time of day.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use evenkeel_core::ids::ReadinessId;
use evenkeel_core::policy::{Policy, ReadinessPolicy};
use evenkeel_guards::readiness::{ReadinessSpec, Weekday0};
use jiff::civil::{Date, Weekday};

use super::calendar::{of_day, zone};
use super::names::{identity, those};
use super::reader::{At, Report, Section};
use super::settings::Kind;

/// The rehearsal: long enough to start an export again.
const REHEARSAL: Duration = Duration::from_secs(30 * 60);
/// A rehearsal longer before than this would be of another day.
const REHEARSAL_MAX: Duration = Duration::from_secs(12 * 3600);
/// A calendar of holidays is smaller than this, bytes.
const CALENDAR_MAX: u64 = 64 << 10;

/// Days of the week as they are written.
const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

pub(super) fn read(
    sections: Vec<Section<'_>>,
    policy: &mut Policy,
    report: &mut Report<'_>,
) -> Vec<ReadinessSpec> {
    let mut specs = Vec::new();
    for mut section in sections {
        let at = section.at.clone();
        let id = identity(&mut section, report, "readiness");
        let name = section.text(report, "name");
        let time = section.text_of(report, "at", Kind::Time);
        if time.is_none() {
            report.error(&at, "`at` is missing; write for example at = \"06:00\"");
        }
        let time = time.and_then(|time| of_day(&time, "at", report));
        let zone = zone(&mut section, report);
        let days = days(&mut section, report);
        let except = except(&mut section, report);
        let rehearsal = section.duration(report, "rehearsal");
        if let Some(rehearsal) = &rehearsal
            && rehearsal.value > REHEARSAL_MAX
        {
            let what = "a rehearsal so long before is of another day; write at most \"12h\"";
            report.error(&rehearsal.at, what);
        }
        let checks = section.list(report, "checks");
        let products = section.list(report, "products");
        let asks_nothing = checks.is_empty() && products.is_empty();
        let known_checks: Vec<&str> = policy.checks.keys().map(|id| id.as_str()).collect();
        let checks = known(checks, &known_checks, "check", report);
        let delivering = policy.jobs.iter().filter(|(_, job)| job.product.is_some());
        let delivering: Vec<&str> = delivering.map(|(id, _)| id.as_str()).collect();
        let products = known(products, &delivering, "job with a product", report);
        if asks_nothing {
            let what = "it asks for nothing: name what must pass in `checks`, or jobs whose product \
                        must be there in `products`";
            report.error(&at, what);
        }
        section.finish(report);
        let (Some(id), Some(time)) = (id, time) else {
            continue;
        };
        let id = ReadinessId::from(id.value);
        let of_core = ReadinessPolicy {
            name: name.map_or_else(|| id.to_string(), |at| at.value),
            checks: checks.into_iter().map(Into::into).collect(),
            products: products.into_iter().map(Into::into).collect(),
        };
        if policy.readiness.insert(id.clone(), of_core).is_some() {
            report.error(&at, format!("there are two of the readiness `{id}`"));
            continue;
        }
        specs.push(ReadinessSpec {
            id,
            at: time,
            zone,
            days,
            except,
            rehearsal: rehearsal.map_or(REHEARSAL, |at| at.value),
        });
    }
    specs
}

/// Those of `named` that there are; says which are not.
fn known(
    named: Vec<At<String>>,
    there: &[&str],
    what: &str,
    report: &mut Report<'_>,
) -> Vec<String> {
    let mut known = Vec::new();
    for named in named {
        if there.contains(&named.value.as_str()) {
            known.push(named.value);
        } else {
            let text = format!("there is no {what} `{}`{}", named.value, those(there));
            report.error(&named.at, text);
        }
    }
    known
}

fn days(section: &mut Section<'_>, report: &mut Report<'_>) -> BTreeSet<Weekday0> {
    let given = section.list(report, "days");
    let day = |name: &str| DAYS.iter().position(|(known, _)| *known == name);
    let mut days = BTreeSet::new();
    for named in &given {
        let (from, to) = named
            .value
            .split_once('-')
            .unwrap_or((&named.value, &named.value));
        let (Some(from), Some(to)) = (day(from), day(to)) else {
            let what = format!(
                "`{}` is no day of the week; write \"mon\", or \"mon-fri\"",
                named.value
            );
            report.error(&named.at, what);
            continue;
        };
        // `fri-mon` goes over the weekend.
        let count = (to + DAYS.len() - from) % DAYS.len();
        let range = (from..=from + count).map(|day| DAYS[day % DAYS.len()].1);
        days.extend(range.map(Weekday0::from));
    }
    if given.is_empty() {
        days.extend(DAYS.iter().map(|(_, day)| Weekday0::from(*day)));
    }
    days
}

fn except(section: &mut Section<'_>, report: &mut Report<'_>) -> BTreeSet<Date> {
    let mut dates = BTreeSet::new();
    for named in section.list(report, "except") {
        match named.value.parse::<Date>() {
            Ok(date) => {
                dates.insert(date);
            }
            Err(_) => report.error(
                &named.at,
                format!("`{}` is no date; write \"2026-12-25\"", named.value),
            ),
        }
    }
    if let Some(file) = section.path(report, "except_file", Kind::Folder) {
        match calendar(&file.value) {
            Ok(more) => dates.extend(more),
            Err(why) => {
                let what = format!("the calendar {} {why}", file.value.display());
                report.error(&file.at, what);
            }
        }
    }
    dates
}

/// The dates of a file: one a line, the rest of a line and lines with `#` are for people.
fn calendar(file: &Path) -> Result<Vec<Date>, String> {
    let mut text = String::new();
    let unreadable = |error: std::io::Error| format!("cannot be read: {error}");
    let opened = std::fs::File::open(file).map_err(unreadable)?;
    let read = opened.take(CALENDAR_MAX + 1).read_to_string(&mut text);
    let size = read.map_err(unreadable)?;
    if size as u64 > CALENDAR_MAX {
        return Err("cannot be used: it is larger than 64 KiB".into());
    }
    let lines = text.lines().enumerate();
    let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.trim().starts_with('#'));
    lines
        .map(|(number, line)| {
            let first = line.split_whitespace().next().unwrap_or_default();
            first.parse().map_err(|_| {
                let number = number + 1;
                format!(
                    "cannot be used: line {number} begins with no date: `{first}`; write 2026-12-25"
                )
            })
        })
        .collect()
}
