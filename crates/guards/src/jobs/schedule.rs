//! When a job's slots come due.
//!
//! Cron expressions on wall clocks that change. A slot at fixed hours keeps its
//! wall-clock time: one that the change to summer time leaves out fires as much later
//! as the clock jumped, one that autumn shows twice fires once, at the first. A slot of
//! every hour (`*` or `*/n` in the hour field) means elapsed time and keeps its pace
//! through both. So does Vixie's cron; libraries that step through zoned time alone leave
//! the night of the change out.
//!
//! Slots missed while nobody watched are offered as one, the newest, and not at all once
//! the next is nearer: an export of last night at noon helps nobody who has one tonight.

use evenkeel_core::Timestamp;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan};

/// A cron expression in a time zone.
#[derive(Debug, Clone)]
pub struct Schedule {
    cron: cronexpr::Crontab,
    zone: TimeZone,
    pace: Pace,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// The expression is of wall-clock times, which are looked for as if in UTC.
    WallClock,
    /// The expression is of every so many hours or minutes of real time.
    Elapsed,
}

/// A cron expression or time zone that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is no schedule: {reason}")]
pub struct ScheduleError {
    text: String,
    reason: String,
}

/// The most slots looked through for the newest missed one: a minutely job that nobody
/// watched for a week.
const LOOKED_THROUGH_MAX: usize = 10_080;

/// No zone's clock has ever jumped further at once, short of moving the date line.
const JUMP_MAX: SignedDuration = SignedDuration::from_hours(3);

impl Schedule {
    /// Reads a five-field cron expression in the IANA time zone `zone`.
    ///
    /// # Errors
    /// Which of the two cannot be read, and why.
    pub fn parse(cron: &str, zone: &str) -> Result<Self, ScheduleError> {
        let text = format!("{cron} {zone}");
        let error = |reason: String| ScheduleError {
            text: text.clone(),
            reason,
        };
        let fields: Vec<&str> = cron.split_whitespace().collect();
        let [_, hours, ..] = fields[..] else {
            return Err(error(
                "a schedule has five fields: minute, hour, day of month, month, day of week".into(),
            ));
        };
        if fields.len() != 5 {
            return Err(error(format!(
                "it has {} fields; a schedule has five: minute, hour, day of month, month, day of week",
                fields.len()
            )));
        }
        let pace = if hours.starts_with('*') {
            Pace::Elapsed
        } else {
            Pace::WallClock
        };
        let read_in = match pace {
            Pace::WallClock => "UTC",
            Pace::Elapsed => zone,
        };
        let tz = TimeZone::get(zone).map_err(|e| error(e.to_string()))?;
        let cron =
            cronexpr::parse_crontab(&format!("{} {read_in}", fields.join(" "))).map_err(|e| {
                // Its last line says what; the ones before draw where.
                let said = e.to_string();
                let last = said.lines().last().unwrap_or_default();
                error(last.trim_start_matches([' ', '^']).to_owned())
            })?;
        Ok(Self {
            cron,
            zone: tz,
            pace,
            text,
        })
    }

    /// As it was written, zone included.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The zone.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The first slot after `after`; `None` where there is none within four years.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match self.pace {
            Pace::Elapsed => {
                let next = self.cron.find_next(cronexpr::MakeTimestamp(after)).ok()?;
                Some(next.timestamp())
            }
            Pace::WallClock => {
                // Before a jump there are wall-clock times that fire after it.
                let wall = self.zone.to_datetime(after) - JUMP_MAX;
                let mut from = wall.to_zoned(TimeZone::UTC).ok()?.timestamp();
                loop {
                    let wall = self.cron.find_next(cronexpr::MakeTimestamp(from)).ok()?;
                    let slot = self.zone.to_timestamp(wall.datetime()).ok()?;
                    if slot > after {
                        return Some(slot);
                    }
                    from = wall.timestamp();
                }
            }
        }
    }

    /// The slot to offer at `now`, where `last` was the last one taken: the newest that
    /// came due since, unless the next one is nearer than it.
    pub fn due(&self, last: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let mut newest = self.next(last).filter(|slot| *slot <= now)?;
        let mut next = self.next(newest);
        for _ in 0..LOOKED_THROUGH_MAX {
            match next {
                Some(slot) if slot <= now => {
                    newest = slot;
                    next = self.next(slot);
                }
                _ => break,
            }
        }
        let late = now.duration_since(newest);
        let early = next.map(|next| next.duration_since(now));
        // A slot noticed within a minute is on time, however dense the schedule.
        let on_time = late <= SignedDuration::from_mins(1);
        (on_time || early.is_none_or(|early| late < early)).then_some(newest)
    }

    /// A year of slots from `from`, at most `count`: what an operator looks at to see that
    /// the expression says what was meant.
    pub fn preview(&self, from: Timestamp, count: usize) -> Vec<Timestamp> {
        let until = from
            .to_zoned(self.zone.clone())
            .checked_add(1.year())
            .map_or(from, |zoned| zoned.timestamp());
        std::iter::successors(self.next(from), |slot| self.next(*slot))
            .take_while(|slot| *slot <= until)
            .take(count)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(cron: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let schedule = Schedule::parse(cron, zone).expect("a schedule");
        let mut at: Timestamp = from.parse().expect("a time");
        (0..count)
            .map(|_| {
                at = schedule.next(at).expect("a slot");
                at.to_zoned(schedule.zone().clone())
                    .strftime("%m-%d %H:%M %Z")
                    .to_string()
            })
            .collect()
    }

    #[test]
    fn slots_keep_wall_clock_time_through_both_changes() {
        // 29 March 2026: 02:00 CET -> 03:00 CEST. 25 October 2026: 03:00 CEST -> 02:00 CET.
        for (cron, from, expected) in [
            (
                "30 1 * * *",
                "2026-03-27T12:00:00Z",
                vec!["03-28 01:30 CET", "03-29 01:30 CET", "03-30 01:30 CEST"],
            ),
            (
                "30 2 * * *",
                "2026-10-24T12:00:00Z",
                vec!["10-25 02:30 CEST", "10-26 02:30 CET"],
            ),
            (
                "0 * * * *",
                "2026-10-24T23:30:00Z",
                vec!["10-25 02:00 CEST", "10-25 02:00 CET", "10-25 03:00 CET"],
            ),
        ] {
            assert_eq!(
                slots(cron, "Europe/Amsterdam", from, expected.len()),
                expected,
                "{cron}"
            );
        }
    }

    #[test]
    fn a_slot_in_the_gap_fires_once_as_much_later_as_the_clock_jumped() {
        for (cron, expected) in [
            ("30 2 * * *", vec!["03-29 03:30 CEST", "03-30 02:30 CEST"]),
            ("30 2,3 * * *", vec!["03-29 03:30 CEST", "03-30 02:30 CEST"]),
            ("0 3 * * *", vec!["03-29 03:00 CEST", "03-30 03:00 CEST"]),
            ("15 * * * *", vec!["03-28 13:15 CET", "03-28 14:15 CET"]),
        ] {
            let found = slots(cron, "Europe/Amsterdam", "2026-03-28T12:00:00Z", 2);
            assert_eq!(found, expected, "{cron}");
        }
    }

    #[test]
    fn missed_slots_are_offered_as_one_and_not_when_the_next_is_nearer() {
        let schedule = Schedule::parse("0 2 * * *", "UTC").expect("a schedule");
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let last = at("2026-01-01T02:00:00Z");
        assert_eq!(schedule.due(last, at("2026-01-02T01:59:59Z")), None);
        assert_eq!(
            schedule.due(last, at("2026-01-05T03:00:00Z")),
            Some(at("2026-01-05T02:00:00Z"))
        );
        assert_eq!(schedule.due(last, at("2026-01-05T20:00:00Z")), None);
        assert_eq!(
            schedule.due(at("2026-01-05T02:00:00Z"), at("2026-01-04T02:00:00Z")),
            None
        );
    }

    #[test]
    fn what_is_no_schedule_says_why() {
        for (cron, zone) in [
            ("61 * * * *", "UTC"),
            ("0 2 * * *", "Mars/Base"),
            ("", "UTC"),
            ("0 2 * * * *", "UTC"),
        ] {
            let error = Schedule::parse(cron, zone).expect_err("no schedule");
            assert!(error.to_string().contains("no schedule"), "{error}");
        }
    }
}
