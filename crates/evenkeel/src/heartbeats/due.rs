//! When the next ping of a heartbeat is due, counted from one that has just come.

use std::sync::{Mutex, PoisonError};

use evenkeel_core::Timestamp;
use evenkeel_core::heartbeat::Expectation;
use evenkeel_guards::jobs::schedule::Schedule;
use jiff::tz::TimeZone;

use super::calendar::Calendar;

/// A schedule that can be asked.
#[derive(Debug)]
pub struct Due {
    kind: Kind,
    /// The last answer: pings between two slots have the same next one.
    known: Mutex<Option<(Timestamp, Timestamp)>>,
}

#[derive(Debug)]
enum Kind {
    Every(std::time::Duration),
    Cron(Box<Schedule>),
    Calendars(Vec<Calendar>, TimeZone),
}

impl Due {
    /// Reads what a heartbeat expects.
    ///
    /// # Errors
    /// What in it cannot be read, or that it never comes.
    pub fn read(expected: &Expectation) -> Result<Self, String> {
        let kind = match expected {
            Expectation::Every { period } => Kind::Every(*period),
            Expectation::Cron {
                expression,
                time_zone,
            } => {
                let schedule = Schedule::parse(expression, time_zone).map_err(|e| e.to_string())?;
                Kind::Cron(Box::new(schedule))
            }
            Expectation::OnCalendar {
                expression,
                time_zone,
            } => {
                let zone = TimeZone::get(time_zone)
                    .map_err(|_| format!("there is no time zone `{time_zone}`"))?;
                let lines = expression.lines().filter(|line| !line.trim().is_empty());
                let read = |line: &str| {
                    let wrong =
                        |why| format!("`{}` is no OnCalendar expression: {why}", line.trim());
                    Calendar::parse(line).map_err(wrong)
                };
                let calendars = lines.map(read).collect::<Result<Vec<_>, _>>()?;
                if calendars.is_empty() {
                    return Err("the OnCalendar expression is empty".into());
                }
                Kind::Calendars(calendars, zone)
            }
        };
        let due = Self {
            kind,
            known: Mutex::new(None),
        };
        match due.after(Timestamp::now()) {
            Some(_) => Ok(due),
            None => Err(format!("`{expected}` never comes: no such day exists")),
        }
    }

    /// The first time after `at`; `None` where there is none within decades.
    pub fn after(&self, at: Timestamp) -> Option<Timestamp> {
        if let Kind::Every(period) = &self.kind {
            return Some(evenkeel_core::time::after(at, *period));
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((from, next)) = *known
            && from <= at
            && at < next
        {
            return Some(next);
        }
        let next = match &self.kind {
            Kind::Every(period) => Some(evenkeel_core::time::after(at, *period)),
            Kind::Cron(schedule) => schedule.next(at),
            Kind::Calendars(calendars, zone) => calendars
                .iter()
                .filter_map(|calendar| calendar.next(at, zone))
                .min(),
        }?;
        *known = Some((at, next));
        Some(next)
    }
}

/// Whether an expression is cron's or systemd's, as Healthchecks tells them apart: one line
/// of five words is cron's.
pub fn is_cron(expression: &str) -> bool {
    !expression.trim().contains('\n') && expression.split_whitespace().count() == 5
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_next_is_the_first_of_all_lines() {
        let due = Due::read(&Expectation::OnCalendar {
            expression: "Mon 02:00\n\n*-*-15 03:00".into(),
            time_zone: "UTC".into(),
        })
        .unwrap();
        let mut at: Timestamp = "2026-01-10T00:00:00Z".parse().unwrap();
        for expected in [
            "2026-01-12T02:00:00Z",
            "2026-01-15T03:00:00Z",
            "2026-01-19T02:00:00Z",
        ] {
            let minute_on = evenkeel_core::time::after(at, Duration::from_secs(60));
            let next = due.after(at).unwrap();
            assert_eq!(due.after(minute_on), Some(next), "the same until it comes");
            assert_eq!(next.to_string(), expected);
            at = next;
        }
    }

    #[test]
    fn five_words_are_cron() {
        assert!(is_cron(" */5 * * * * "));
        assert!(!is_cron("Mon..Fri *-*-* 02:30"));
        assert!(!is_cron("* * * *\n*"));
    }
}
