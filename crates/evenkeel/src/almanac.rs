//! When planned work and known peaks are: dates of a calendar in a time zone, as stretches
//! of real time.
//!
//! The core knows no time zones. This says, every minute and as an observation like any
//! other, when each comes next; so the core stays pure, and a replay of what was observed
//! decides the same, whatever became of the zones.
//!
//! A rule of RFC 5545 is asked for wall clock times, and each is looked up in the zone by
//! itself, as the RFC says: one that the clock skips is as long after the gap as it was
//! to be after its beginning (02:30 becomes 03:30), one that comes twice is the first.
//! A length is a length: four hours are four hours through a change of the clock.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{Datelike, NaiveDate, NaiveDateTime, TimeZone as _, Timelike};
use evenkeel_core::Timestamp;
use evenkeel_core::ids::{PeakId, PlanId};
use evenkeel_core::maintenance::Stretch;
use evenkeel_core::observation::{MaintenanceDates, PeakDates, Seen};
use evenkeel_core::time;
use evenkeel_guards::outlet::Outlet;
use jiff::ToSpan;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use rrule::{Frequency, RRule, RRuleSet, Unvalidated};

/// How often it is said again. A picture may be lost, and the clock may be set.
const EVERY: Duration = Duration::from_secs(60);

/// How far ahead peaks are told: the next of one that comes once a year.
const PEAKS_AHEAD: Duration = Duration::from_secs(400 * 86400);

/// The most dates of one calendar that are told.
pub const DATES_MAX: usize = 40;

/// The most dates that are written down one by one.
pub const LISTED_MAX: usize = 400;

/// Dates of a calendar, each the beginning of a stretch of the same length.
#[derive(Debug, Clone)]
pub struct Calendar {
    first: DateTime,
    rule: Option<RRule>,
    more: Vec<DateTime>,
    except: BTreeSet<Date>,
    length: Duration,
    zone: TimeZone,
}

/// What a calendar is made from.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// The first, or only, beginning.
    pub first: DateTime,
    /// `FREQ=WEEKLY;BYDAY=SU`.
    pub repeat: Option<String>,
    /// Further beginnings.
    pub more: Vec<DateTime>,
    /// Dates that are left out.
    pub except: BTreeSet<Date>,
}

fn naive(at: DateTime) -> NaiveDateTime {
    let date = NaiveDate::from_ymd_opt(
        at.year().into(),
        u32::from(at.month().unsigned_abs()),
        u32::from(at.day().unsigned_abs()),
    );
    let part = |part: i8| u32::from(part.unsigned_abs());
    let time = date
        .and_then(|date| date.and_hms_opt(part(at.hour()), part(at.minute()), part(at.second())));
    time.unwrap_or_default()
}

/// A civil time as `rrule` has them: in UTC, where no clock ever jumps.
fn wall(at: DateTime) -> chrono::DateTime<rrule::Tz> {
    rrule::Tz::UTC.from_utc_datetime(&naive(at))
}

fn civil(at: &chrono::DateTime<rrule::Tz>) -> Option<DateTime> {
    let part = |part: u32| i8::try_from(part).ok();
    let year = i16::try_from(at.year()).ok()?;
    let (month, day) = (part(at.month())?, part(at.day())?);
    let (hour, minute, second) = (part(at.hour())?, part(at.minute())?, part(at.second())?);
    DateTime::new(year, month, day, hour, minute, second, 0).ok()
}

/// The rule with its end as a wall clock time, as everything here is.
fn localised(rule: &str, zone: &TimeZone) -> Result<String, String> {
    let parts = rule.split(';').map(|part| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        if !key.trim().eq_ignore_ascii_case("UNTIL") {
            return Ok(part.to_owned());
        }
        let wrong = || format!("`{part}` is no end; write for example UNTIL=20271231T235959");
        let value = value.trim();
        let at = match value.strip_suffix('Z') {
            Some(utc) => {
                let at = DateTime::strptime("%Y%m%dT%H%M%S", utc).map_err(|_| wrong())?;
                let at = TimeZone::UTC.to_timestamp(at).map_err(|_| wrong())?;
                at.to_zoned(zone.clone()).datetime()
            }
            None if value.len() == 8 => {
                let date = Date::strptime("%Y%m%d", value).map_err(|_| wrong())?;
                date.at(23, 59, 59, 0)
            }
            None => DateTime::strptime("%Y%m%dT%H%M%S", value).map_err(|_| wrong())?,
        };
        Ok(format!("UNTIL={}Z", at.strftime("%Y%m%dT%H%M%S")))
    });
    let parts: Result<Vec<String>, String> = parts.collect();
    Ok(parts?.join(";"))
}

/// A rule that comes once a day at most, from its text.
fn rule_of(text: &str, first: DateTime, zone: &TimeZone) -> Result<RRule, String> {
    let text = text.trim();
    let text = text.strip_prefix("RRULE:").unwrap_or(text);
    let rule: RRule<Unvalidated> = localised(text, zone)?
        .parse()
        .map_err(|error| format!("`{text}` is no rule of RFC 5545: {error}"))?;
    let often = matches!(
        rule.get_freq(),
        Frequency::Hourly | Frequency::Minutely | Frequency::Secondly
    );
    let many = |list: &[u8]| list.len() > 1;
    let within =
        many(rule.get_by_hour()) || many(rule.get_by_minute()) || many(rule.get_by_second());
    if often || within {
        return Err(format!(
            "`{text}` comes more than once a day; write at most FREQ=DAILY"
        ));
    }
    rule.validate(wall(first))
        .map_err(|error| format!("`{text}` cannot be: {error}"))
}

impl Calendar {
    /// A calendar of stretches of one length.
    ///
    /// # Errors
    /// What is wrong with its rule, for the operator.
    pub fn new(written: Written, length: Duration, zone: TimeZone) -> Result<Self, String> {
        let Written {
            first,
            repeat,
            more,
            except,
        } = written;
        let rule = repeat
            .map(|text| rule_of(&text, first, &zone))
            .transpose()?;
        Ok(Self {
            first,
            rule,
            more,
            except,
            length,
            zone,
        })
    }

    /// Those that end after `from` and begin before `until`, earliest first, at most
    /// [`DATES_MAX`].
    pub fn between(&self, from: Timestamp, until: Timestamp) -> Vec<Stretch> {
        // A day more on either side: the wall clock of the zone is less than that away.
        let reach = time::before(from, self.length).to_zoned(self.zone.clone());
        let reach = reach
            .datetime()
            .checked_sub(1.day())
            .unwrap_or(DateTime::MIN);
        let end = until.to_zoned(self.zone.clone()).datetime();
        let end = end.checked_add(1.day()).unwrap_or(DateTime::MAX);
        let mut beginnings: BTreeSet<DateTime> = self.more.iter().copied().collect();
        match &self.rule {
            None => {
                beginnings.insert(self.first);
            }
            Some(rule) => {
                let set = RRuleSet::new(wall(self.first)).rrule(rule.clone());
                let set = set.after(wall(reach)).before(wall(end));
                let found = set.all(u16::try_from(DATES_MAX * 2).unwrap_or(u16::MAX));
                beginnings.extend(found.dates.iter().filter_map(civil));
            }
        }
        let stretches = beginnings
            .into_iter()
            .filter(|at| !self.except.contains(&at.date()))
            .filter_map(|at| {
                // Compatible with RFC 5545: see the module.
                let from = self.zone.to_ambiguous_timestamp(at).compatible().ok()?;
                let until = time::after(from, self.length);
                Some(Stretch { from, until })
            });
        let wanted = stretches.filter(|stretch| stretch.until > from && stretch.from < until);
        wanted.take(DATES_MAX).collect()
    }
}

/// A maintenance of the configuration, and when it is.
#[derive(Debug, Clone)]
pub struct Planned {
    /// Which.
    pub id: PlanId,
    /// When it is.
    pub calendar: Calendar,
    /// How long before it begins it is announced.
    pub announce: Duration,
}

/// A known peak, and when it is.
#[derive(Debug, Clone)]
pub struct Peak {
    /// Which.
    pub id: PeakId,
    /// When it is.
    pub calendar: Calendar,
}

/// What the configuration knows of the year.
#[derive(Debug, Clone, Default)]
pub struct Almanac {
    /// Planned work.
    pub maintenances: Vec<Planned>,
    /// Known peaks.
    pub peaks: Vec<Peak>,
}

impl Almanac {
    /// When everything comes next, seen from `now`.
    pub fn seen(&self, now: Timestamp) -> Vec<Seen> {
        let maintenances = self.maintenances.iter().map(|planned| {
            let known_until = time::after(now, planned.announce);
            Seen::MaintenanceDates(MaintenanceDates {
                plan: planned.id.clone(),
                dates: planned.calendar.between(now, known_until),
                known_until,
            })
        });
        let peaks = self.peaks.iter().map(|peak| {
            Seen::PeakDates(PeakDates {
                peak: peak.id.clone(),
                dates: peak.calendar.between(now, time::after(now, PEAKS_AHEAD)),
            })
        });
        // Peaks first: what is planned into one is told with its announcement.
        peaks.chain(maintenances).collect()
    }

    /// Says for ever when everything comes next.
    pub async fn tell(self, outlet: Outlet) {
        if self.maintenances.is_empty() && self.peaks.is_empty() {
            return;
        }
        let mut tick = tokio::time::interval(EVERY);
        loop {
            tick.tick().await;
            for seen in self.seen(Timestamp::now()) {
                outlet.picture(seen);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn calendar(first: &str, repeat: &str, length: Duration, zone: &str) -> Calendar {
        let written = Written {
            first: first.parse().unwrap(),
            repeat: (!repeat.is_empty()).then(|| repeat.to_owned()),
            ..Written::default()
        };
        Calendar::new(written, length, TimeZone::get(zone).unwrap()).unwrap()
    }

    fn between(calendar: &Calendar, from: &str, until: &str) -> Vec<String> {
        let found = calendar.between(from.parse().unwrap(), until.parse().unwrap());
        let say = |found: &Stretch| format!("{} {}", found.from, found.until);
        found.iter().map(say).collect()
    }

    #[test]
    fn a_night_every_week_keeps_to_the_wall_through_both_changes_of_the_clock() {
        let sundays = calendar(
            "2026-01-04T22:00",
            "FREQ=WEEKLY;BYDAY=SU",
            4 * HOUR,
            "Europe/Copenhagen",
        );
        assert_eq!(
            between(&sundays, "2026-03-20T00:00:00Z", "2026-04-01T00:00:00Z"),
            [
                "2026-03-22T21:00:00Z 2026-03-23T01:00:00Z",
                "2026-03-29T20:00:00Z 2026-03-30T00:00:00Z",
            ]
        );
        assert_eq!(
            between(&sundays, "2026-10-18T00:00:00Z", "2026-10-26T00:00:00Z"),
            [
                "2026-10-18T20:00:00Z 2026-10-19T00:00:00Z",
                "2026-10-25T21:00:00Z 2026-10-26T01:00:00Z",
            ]
        );
    }

    /// 02:30 is not there on 29 March, and is there twice on 25 October.
    #[test]
    fn a_time_that_the_clock_skips_is_an_hour_later_and_one_that_comes_twice_is_the_first() {
        let nightly = calendar("2026-01-01T02:30", "FREQ=DAILY", HOUR, "Europe/Berlin");
        assert_eq!(
            between(&nightly, "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z"),
            [
                "2026-03-29T01:30:00Z 2026-03-29T02:30:00Z",
                "2026-03-30T00:30:00Z 2026-03-30T01:30:00Z",
            ]
        );
        assert_eq!(
            between(&nightly, "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z"),
            [
                "2026-10-25T00:30:00Z 2026-10-25T01:30:00Z",
                "2026-10-26T01:30:00Z 2026-10-26T02:30:00Z",
            ]
        );
    }

    #[test]
    fn a_length_is_a_length_through_a_change_of_the_clock() {
        let night = calendar("2026-03-28T22:00", "", 8 * HOUR, "Europe/Berlin");
        let found = between(&night, "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z");
        assert_eq!(found, ["2026-03-28T21:00:00Z 2026-03-29T05:00:00Z"]);
    }

    #[test]
    fn one_that_is_under_way_is_found_until_its_end() {
        let night = calendar("2026-03-28T22:00", "", 8 * HOUR, "UTC");
        let found = |from| between(&night, from, "2026-04-01T00:00:00Z").len();
        assert_eq!(found("2026-03-29T05:59:59Z"), 1);
        assert_eq!(found("2026-03-29T06:00:00Z"), 0);
    }

    #[test]
    fn the_last_day_of_a_month_and_days_of_vat_are_found() {
        let payroll = calendar(
            "2026-01-01T06:00",
            "FREQ=MONTHLY;BYMONTHDAY=-1",
            HOUR,
            "UTC",
        );
        assert_eq!(
            between(&payroll, "2026-02-01T00:00:00Z", "2026-04-30T00:00:00Z"),
            [
                "2026-02-28T06:00:00Z 2026-02-28T07:00:00Z",
                "2026-03-31T06:00:00Z 2026-03-31T07:00:00Z",
            ]
        );
        // The 1st of March, June, September and December, but for one year.
        let written = Written {
            first: "2026-03-01T00:00".parse().unwrap(),
            repeat: Some("FREQ=YEARLY;BYMONTH=3,6,9,12;BYMONTHDAY=1".into()),
            more: vec!["2026-08-15T00:00".parse().unwrap()],
            except: BTreeSet::from(["2026-06-01".parse().unwrap()]),
        };
        let zone = TimeZone::get("Europe/Copenhagen").unwrap();
        let vat = Calendar::new(written, 24 * HOUR, zone).unwrap();
        assert_eq!(
            between(&vat, "2026-03-15T00:00:00Z", "2026-12-15T00:00:00Z"),
            [
                "2026-08-14T22:00:00Z 2026-08-15T22:00:00Z",
                "2026-08-31T22:00:00Z 2026-09-01T22:00:00Z",
                "2026-11-30T23:00:00Z 2026-12-01T23:00:00Z",
            ]
        );
    }

    #[test]
    fn an_end_is_meant_on_the_wall_or_in_utc() {
        for until in ["20260105", "20260105T220000", "20260105T210000Z"] {
            let rule = format!("FREQ=DAILY;UNTIL={until}");
            let nights = calendar("2026-01-04T22:00", &rule, HOUR, "Europe/Berlin");
            let found = between(&nights, "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
            assert_eq!(found.len(), 2, "{until}");
        }
        let nights = calendar(
            "2026-01-04T22:00",
            "FREQ=DAILY;UNTIL=20260105T205959Z",
            HOUR,
            "Europe/Berlin",
        );
        let found = between(&nights, "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn a_rule_that_is_none_or_comes_too_often_is_refused() {
        for rule in [
            "",
            "every sunday",
            "FREQ=HOURLY",
            "FREQ=SECONDLY",
            "FREQ=DAILY;BYHOUR=1,2",
            "FREQ=MONTHLY;BYMONTHDAY=32",
            "FREQ=DAILY;UNTIL=never",
            "FREQ=DAILY;COUNT=x",
        ] {
            let written = Written {
                first: "2026-01-01T02:30".parse().unwrap(),
                repeat: Some(rule.into()),
                ..Written::default()
            };
            assert!(
                Calendar::new(written, HOUR, TimeZone::UTC).is_err(),
                "{rule}"
            );
        }
    }

    #[test]
    fn a_rule_from_long_ago_is_still_found() {
        let nightly = calendar("1990-01-01T02:30", "FREQ=DAILY", HOUR, "Europe/Berlin");
        let found = between(&nightly, "2026-11-18T12:00:00Z", "2026-11-20T12:00:00Z");
        assert_eq!(found.len(), 2);
        let never = calendar(
            "2026-02-01T02:30",
            "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
            HOUR,
            "UTC",
        );
        let found = between(&never, "2026-11-18T12:00:00Z", "2027-11-20T12:00:00Z");
        assert_eq!(found, Vec::<String>::new());
    }
}
