//! `evenkeel maintenance`: plan work, and see to it.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::{Args, Subcommand};
use evenkeel_core::Timestamp;
use evenkeel_core::ids::{MaintenanceId, NotAnId};
use evenkeel_core::language::Language;
use evenkeel_core::maintenance::{MaintenanceOrder, Plan, PlannedImpact, Stretch, Turn};
use evenkeel_core::observation::Order;
use evenkeel_core::telling::FreeText;
use evenkeel_core::time;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::Outcome;
use super::listing::either;
use super::orders::give;
use super::print::listed;
use super::source::Source;
use crate::report::{self, MaintenanceReport, PeakReport};

#[derive(Debug, Subcommand)]
pub(super) enum MaintenanceCommand {
    /// What is planned, under way and over.
    List,
    /// Known peaks, and when they come next.
    Peaks,
    /// Plan one. Customers are told at once, and reminded.
    Plan(PlanArguments),
    /// Begin one that waits for it, or up to a quarter of an hour before its time.
    Start {
        /// Which: MW-3.
        id: String,
    },
    /// Have one end later than planned; customers are told.
    Extend {
        /// Which: MW-3.
        id: String,
        #[command(flatten)]
        end: End,
        #[command(flatten)]
        words: Words,
        /// Why into a peak, where it is; only operators read it.
        #[arg(long, value_name = "WHY")]
        reason: Option<String>,
    },
    /// Have one at another time; customers are told, and so are their calendars.
    Move {
        /// Which: MW-3.
        id: String,
        /// When it begins: 2026-09-26T18:00, or in 3h.
        #[arg(long, value_name = "TIME")]
        from: When,
        #[command(flatten)]
        end: End,
        #[command(flatten)]
        words: Words,
        /// Why into a peak or at short notice, where it is; only operators read it.
        #[arg(long, value_name = "WHY")]
        reason: Option<String>,
    },
    /// Say that the work is done. It is watched for a little, and then over.
    Finish {
        /// Which: MW-3.
        id: String,
        #[command(flatten)]
        words: Words,
    },
    /// Call one off that has not begun; customers are told.
    Cancel {
        /// Which: MW-3.
        id: String,
        #[command(flatten)]
        words: Words,
    },
}

/// A plan.
#[derive(Debug, Args)]
pub(super) struct PlanArguments {
    /// The functions that are worked on; nothing else is covered.
    #[arg(required = true, value_name = "COMPONENT")]
    components: Vec<String>,
    /// When it begins: 2026-09-26T18:00 on the clock of this host, with its zone
    /// 2026-09-26T18:00[Europe/Copenhagen], or from now: 3h.
    #[arg(long, value_name = "TIME")]
    from: When,
    #[command(flatten)]
    end: End,
    /// What is expected of it: outage, degraded (slow), reduced_redundancy or no_impact.
    #[arg(long, default_value = "outage")]
    impact: String,
    /// It begins when you say `start`, and not by itself.
    #[arg(long)]
    start_by_hand: bool,
    /// It ends when you say `finish`, and not by itself; after its end people are called.
    #[arg(long)]
    end_by_hand: bool,
    /// How long before it customers are reminded; again for more. Without any: 7d and 24h.
    #[arg(long, value_name = "TIME")]
    remind: Vec<String>,
    #[command(flatten)]
    words: Words,
    /// Why into a peak or at short notice, where it is; only operators read it.
    #[arg(long, value_name = "WHY")]
    reason: Option<String>,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct End {
    /// When it ends: as for --from.
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
    /// How long it takes from its beginning; with `extend`, how much longer: 90m.
    #[arg(long = "by", visible_alias = "length", value_name = "TIME")]
    span: Option<jiff::SignedDuration>,
}

#[derive(Debug, Args)]
pub(super) struct Words {
    /// In your own words: plain text, shown as it is, with its language.
    #[arg(long, requires = "language")]
    text: Option<String>,
    /// The language of the text: en, nl, de, pl or da.
    #[arg(long, requires = "text")]
    language: Option<String>,
}

/// A moment as people type it.
#[derive(Debug, Clone)]
pub(super) struct When(Timestamp);

impl std::str::FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        moment(text, Timestamp::now(), TimeZone::system())
    }
}

/// A moment: with a zone, with an offset, on the wall of `zone`, or from `now`.
fn moment(text: &str, now: Timestamp, zone: TimeZone) -> Result<When, String> {
    let in_zone = || text.parse::<jiff::Zoned>().ok().map(|at| at.timestamp());
    let offset = || text.parse::<Timestamp>().ok();
    let on_the_wall = || {
        let at: DateTime = text.parse().ok()?;
        zone.to_timestamp(at).ok()
    };
    let from_now = || {
        let span: jiff::SignedDuration = text.parse().ok()?;
        now.checked_add(span).ok()
    };
    let found = in_zone()
        .or_else(offset)
        .or_else(on_the_wall)
        .or_else(from_now);
    found.map(When).ok_or_else(|| {
        format!(
            "`{text}` is no time: write 2026-09-26T18:00, 2026-09-26T18:00[Europe/Copenhagen] or 3h"
        )
    })
}

impl Words {
    fn read(self) -> Result<Option<FreeText>, String> {
        let (Some(text), Some(tag)) = (self.text, self.language) else {
            return Ok(None);
        };
        let language = Language::of(&tag).ok_or_else(|| {
            format!("`{tag}` is no language customers are told in; there is en, nl, de, pl, da")
        })?;
        Ok(Some(FreeText { language, text }))
    }
}

impl End {
    /// The end of what begins, or so far ends, at `from`.
    fn of(&self, from: Timestamp) -> Result<Timestamp, String> {
        if let Some(When(until)) = self.until {
            return Ok(until);
        }
        let span = self.span.unwrap_or_default();
        let span = Duration::try_from(span).map_err(|_| "the span lies behind: write 90m")?;
        Ok(time::after(from, span))
    }
}

fn id_of(text: &str) -> Result<MaintenanceId, String> {
    text.parse().map_err(|error: NotAnId| error.to_string())
}

fn all(source: &Source) -> Result<Vec<MaintenanceReport>, String> {
    either(source, "/v1/maintenances", |record| {
        Ok(report::maintenances(record))
    })
}

pub(super) fn maintenance(source: &Source, command: MaintenanceCommand, json: bool) -> Outcome {
    let (order, done) = match command {
        MaintenanceCommand::List => return list(source, json),
        MaintenanceCommand::Peaks => return peaks(source, json),
        MaintenanceCommand::Plan(arguments) => plan(arguments)?,
        MaintenanceCommand::Start { id } => {
            let maintenance = id_of(&id)?;
            let done = format!("{id} begins, and customers are told");
            (MaintenanceOrder::Begin { maintenance }, done)
        }
        MaintenanceCommand::Extend {
            id,
            end,
            words,
            reason,
        } => {
            let maintenance = id_of(&id)?;
            let known = all(source)?;
            let known = known.iter().find(|known| known.id == maintenance);
            let so_far = known.map(|known| known.planned.when.until);
            let so_far = so_far.ok_or_else(|| {
                format!("there is no maintenance {id}: `evenkeel maintenance list` lists them")
            })?;
            let order = MaintenanceOrder::Move {
                maintenance,
                begins_at: None,
                ends_at: end.of(so_far)?,
                text: words.read()?,
                reason,
            };
            (order, format!("{id} takes longer, and customers are told"))
        }
        MaintenanceCommand::Move {
            id,
            from: When(from),
            end,
            words,
            reason,
        } => {
            let order = MaintenanceOrder::Move {
                maintenance: id_of(&id)?,
                begins_at: Some(from),
                ends_at: end.of(from)?,
                text: words.read()?,
                reason,
            };
            (order, format!("{id} is moved, and customers are told"))
        }
        MaintenanceCommand::Finish { id, words } => {
            let order = MaintenanceOrder::Finish {
                maintenance: id_of(&id)?,
                text: words.read()?,
            };
            (
                order,
                format!("The work of {id} is done: it is watched, and then over"),
            )
        }
        MaintenanceCommand::Cancel { id, words } => {
            let order = MaintenanceOrder::Cancel {
                maintenance: id_of(&id)?,
                text: words.read()?,
            };
            (order, format!("{id} is called off, and customers are told"))
        }
    };
    give(source, Order::Maintenance(order), &done, json)
}

fn plan(arguments: PlanArguments) -> Result<(MaintenanceOrder, String), String> {
    let PlanArguments {
        components,
        from: When(from),
        end,
        impact,
        start_by_hand,
        end_by_hand,
        remind,
        words,
        reason,
    } = arguments;
    let known = PlannedImpact::ALL.into_iter();
    let found = known.clone().find(|known| known.as_str() == impact);
    let impact = found.ok_or_else(|| {
        let names: Vec<&str> = known.map(PlannedImpact::as_str).collect();
        format!("`{impact}` is none of {}", names.join(", "))
    })?;
    let reminders: Result<BTreeSet<Duration>, String> = match remind.is_empty() {
        true => Ok(report::reminders_by_default()),
        false => remind
            .iter()
            .map(|text| crate::config::duration(text))
            .collect(),
    };
    let turn = |by_hand| match by_hand {
        true => Turn::ByHand,
        false => Turn::ByItself,
    };
    let until = end.of(from)?;
    let plan = Plan {
        components: components.into_iter().map(Into::into).collect(),
        when: Stretch { from, until },
        impact,
        text: words.read()?,
        begins: turn(start_by_hand),
        ends: turn(end_by_hand),
        reminders: reminders?,
    };
    let done = "It is planned, and customers are told".to_owned();
    Ok((MaintenanceOrder::Plan { plan, reason }, done))
}

fn list(source: &Source, json: bool) -> Outcome {
    let all = all(source)?;
    let heads = [
        "ID",
        "STATUS",
        "FROM (UTC)",
        "UNTIL (UTC)",
        "IMPACT",
        "COMPONENTS",
    ];
    listed(&all, json, "No maintenance is planned.", &heads, |of| {
        let components: Vec<&str> = of.planned.components.iter().map(|id| id.as_str()).collect();
        let overdue = if of.overdue_since.is_some() {
            ", OVERDUE"
        } else {
            ""
        };
        vec![
            of.id.to_string(),
            format!("{}{overdue}", of.status.as_str().replace('_', " ")),
            minute(of.planned.when.from),
            minute(of.planned.when.until),
            of.planned.impact.as_str().replace('_', " "),
            components.join(", "),
        ]
    })
}

fn peaks(source: &Source, json: bool) -> Outcome {
    let all: Vec<PeakReport> = either(source, "/v1/peaks", |record| Ok(report::peaks(record)))?;
    let none = "No peak is known: name them as [[peak]] in the configuration.";
    let heads = ["PEAK", "NEXT (UTC)", "UNTIL (UTC)", "COMPONENTS"];
    listed(&all, json, none, &heads, |of| {
        let components: Vec<&str> = of.components.iter().map(|id| id.as_str()).collect();
        let next = of.dates.first();
        vec![
            of.name.clone(),
            next.map_or_else(String::new, |next| minute(next.from)),
            next.map_or_else(String::new, |next| minute(next.until)),
            match components.is_empty() {
                true => "all".to_owned(),
                false => components.join(", "),
            },
        ]
    })
}

fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_typed_in_four_ways() {
        let now: Timestamp = "2026-03-28T12:00:00Z".parse().unwrap();
        let berlin = || TimeZone::get("Europe/Berlin").unwrap();
        for (text, at) in [
            ("2026-03-28T18:00", "2026-03-28T17:00:00Z"),
            ("2026-03-28T18:00Z", "2026-03-28T18:00:00Z"),
            ("2026-03-28T18:00[Europe/London]", "2026-03-28T18:00:00Z"),
            ("3h", "2026-03-28T15:00:00Z"),
            // It is not there in that night, and an hour later is.
            ("2026-03-29T02:30", "2026-03-29T01:30:00Z"),
        ] {
            let When(found) = moment(text, now, berlin()).unwrap();
            assert_eq!(found, at.parse::<Timestamp>().unwrap(), "{text}");
        }
        for text in ["tonight", "", "25:00", "2026-13-01T00:00"] {
            assert!(moment(text, now, berlin()).is_err(), "{text}");
        }
    }
}
