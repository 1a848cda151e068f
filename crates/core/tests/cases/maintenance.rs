//! Planned work and peaks in cases.
//!
//! ```text
//! maintenance night components=login impact=degraded begins=by_hand ends=by_hand reminders=1h,10m
//! peak vat components=login            a known peak of the configuration
//! @0s dates night 10m..40m,2h..3h      when it comes next; known=24h: how far was looked
//! @0s peaks vat 1h..2h                 when that comes next
//! @0s plan login,quotes 10m..40m ends=by_hand reminders=5m reason=why
//! @11m extend MW-1 until=50m           also: move MW-1 from=12m until=50m
//! @11m begin MW-1                      also: finish, cancel
//! ```

use std::collections::BTreeSet;
use std::time::Duration;

use evenkeel_core::event::What;
use evenkeel_core::ids::MaintenanceId;
use evenkeel_core::maintenance::{
    MaintenanceOrder, MaintenanceWord, Plan, PlannedImpact, Stretch, Turn,
};
use evenkeel_core::observation::{MaintenanceDates, Order, PeakDates, Seen};
use evenkeel_core::policy::{MaintenancePolicy, PeakPolicy, Policy};

use super::script::{at, epoch, option, span, span_option};

fn names<T: From<String> + Ord>(text: Option<&str>) -> BTreeSet<T> {
    let names = text.into_iter().flat_map(|text| text.split(','));
    names.map(|name| T::from(name.to_owned())).collect()
}

fn turn(words: &[&str], name: &str) -> Result<Turn, String> {
    match option(words, name) {
        None | Some("by_itself") => Ok(Turn::ByItself),
        Some("by_hand") => Ok(Turn::ByHand),
        Some(other) => Err(format!("no such turn: {other}")),
    }
}

fn policy(words: &[&str]) -> Result<MaintenancePolicy, String> {
    let impact = option(words, "impact").unwrap_or("outage");
    let known = PlannedImpact::ALL.into_iter();
    let reminders = option(words, "reminders").into_iter();
    let reminders = reminders.flat_map(|list| list.split(',')).map(span);
    Ok(MaintenancePolicy {
        components: names(option(words, "components")),
        impact: known
            .clone()
            .find(|known| known.as_str() == impact)
            .ok_or(format!("no such impact: {impact}"))?,
        text: None,
        begins: turn(words, "begins")?,
        ends: turn(words, "ends")?,
        reminders: reminders.collect::<Result<BTreeSet<Duration>, String>>()?,
    })
}

/// A line of the configuration.
pub(crate) fn configure(
    what: &str,
    id: &str,
    words: &[&str],
    into: &mut Policy,
) -> Result<(), String> {
    if what == "peak" {
        let peak = PeakPolicy {
            name: id.into(),
            components: names(option(words, "components")),
        };
        into.peaks.insert(id.into(), peak);
    } else {
        into.maintenances.insert(id.into(), policy(words)?);
    }
    Ok(())
}

fn stretch(text: &str) -> Result<Stretch, String> {
    let (from, until) = text
        .split_once("..")
        .ok_or(format!("{text}: FROM..UNTIL"))?;
    Ok(Stretch {
        from: at(span(from)?),
        until: at(span(until)?),
    })
}

fn stretches(text: Option<&&str>) -> Result<Vec<Stretch>, String> {
    let text = text.copied().filter(|text| !text.contains('='));
    let all = text.into_iter().flat_map(|text| text.split(','));
    all.map(stretch).collect()
}

/// What a line says was seen, where it is of this file.
pub(crate) fn see(line: &str) -> Result<Option<Seen>, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [verb, about, rest @ ..] = &words[..] else {
        return Ok(None);
    };
    let id = || -> Result<MaintenanceId, String> { about.parse().map_err(|e| format!("{e}")) };
    let reason = option(rest, "reason").map(|text| text.replace('_', " "));
    let order = match *verb {
        "dates" => {
            let day = Duration::from_secs(86400);
            return Ok(Some(Seen::MaintenanceDates(MaintenanceDates {
                plan: (*about).into(),
                dates: stretches(rest.first())?,
                known_until: at(span_option(rest, "known")?.unwrap_or(day)),
            })));
        }
        "peaks" => {
            return Ok(Some(Seen::PeakDates(PeakDates {
                peak: (*about).into(),
                dates: stretches(rest.first())?,
            })));
        }
        "plan" => {
            let when = rest.first().ok_or("plan COMPONENTS FROM..UNTIL")?;
            let as_configured = policy(rest)?;
            let plan = Plan {
                components: names(Some(about)),
                ..as_configured.at(stretch(when)?)
            };
            MaintenanceOrder::Plan { plan, reason }
        }
        "extend" | "move" => MaintenanceOrder::Move {
            maintenance: id()?,
            begins_at: span_option(rest, "from")?.map(at),
            ends_at: at(span_option(rest, "until")?.ok_or("until=SPAN")?),
            text: None,
            reason,
        },
        "begin" => MaintenanceOrder::Begin { maintenance: id()? },
        "finish" => MaintenanceOrder::Finish {
            maintenance: id()?,
            text: None,
        },
        "cancel" => MaintenanceOrder::Cancel {
            maintenance: id()?,
            text: None,
        },
        _ => return Ok(None),
    };
    Ok(Some(Seen::Order(Order::Maintenance(order))))
}

fn when(when: &Stretch) -> String {
    let second = |at| at as f64 / 60.0;
    let from = second(when.from.as_second() - epoch().as_second());
    let until = second(when.until.as_second() - epoch().as_second());
    format!("{from} to {until} min")
}

/// A word to customers in one line.
pub(crate) fn word(word: &MaintenanceWord) -> String {
    let shown = word.components.iter();
    let shown: Vec<String> = shown.map(|(id, status)| format!("{id} {status}")).collect();
    format!(
        "public word: {} {} ({}, {}): {}",
        word.maintenance,
        word.news.as_str(),
        word.status,
        when(&word.when),
        shown.join(", ")
    )
}

/// An event in one line.
pub(crate) fn say(what: &What) -> Option<String> {
    Some(match what {
        What::MaintenancePlanned {
            maintenance, plan, ..
        } => format!("maintenance planned: {maintenance} {}", when(&plan.when)),
        What::MaintenanceChanged {
            maintenance, plan, ..
        } => format!("maintenance changed: {maintenance} {}", when(&plan.when)),
        What::MaintenanceTurned {
            maintenance,
            from,
            to,
            reason,
            ..
        } => format!("maintenance {maintenance}: {from} -> {to}: {reason}"),
        What::MaintenanceReminded {
            maintenance,
            before,
        } => format!(
            "maintenance reminded: {maintenance} {} s before",
            before.as_secs()
        ),
        What::MaintenanceOverdue { maintenance } => format!("maintenance overdue: {maintenance}"),
        What::PeakDated { peak, dates, .. } => {
            let dates: Vec<String> = dates.iter().map(when).collect();
            format!("peak dated: {peak} {}", dates.join(", "))
        }
        _ => return None,
    })
}
