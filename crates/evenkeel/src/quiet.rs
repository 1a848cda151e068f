//! Quiet hours: hours of a day in the time zone of a person or a pool, as stretches of real
//! time.
//!
//! The core knows no time zones. This says, once a minute and as an observation like any
//! other, when each one's present or next quiet stretch is; so the core stays pure,
//! and a replay of what was observed decides the same, whatever became of the zones.

use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::ids::{PersonId, PoolId};
use evenkeel_core::observation::{self, Seen};
use evenkeel_guards::outlet::Outlet;
use jiff::ToSpan;
use jiff::civil::Time;
use jiff::tz::TimeZone;

/// How often it is said again. A picture may be lost, and the clock may be set.
const EVERY: Duration = Duration::from_secs(60);

/// `22:00-07:00` in a time zone; over midnight where it ends before it begins.
#[derive(Debug, Clone, PartialEq)]
pub struct QuietHours {
    from: Time,
    to: Time,
    zone: TimeZone,
}

impl QuietHours {
    /// Reads `22:00-07:00`.
    ///
    /// # Errors
    /// What is wrong with it, for the operator.
    pub fn read(text: &str, zone: TimeZone) -> Result<Self, String> {
        let time = |text: &str| Time::strptime("%H:%M", text.trim()).ok();
        let ends = text.split_once('-');
        let Some((from, to)) = ends.and_then(|(from, to)| time(from).zip(time(to))) else {
            return Err(format!(
                "`{text}` are no hours; write for example quiet_hours = \"22:00-07:00\""
            ));
        };
        if from == to {
            return Err(format!(
                "`{text}` begins when it ends; leave `quiet_hours` out for none, and write \
                 warnings = false for never"
            ));
        }
        Ok(Self { from, to, zone })
    }

    /// The present stretch, or else the next: when it begins and ends. None at the end of
    /// time.
    pub fn stretch(&self, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let today = now.to_zoned(self.zone.clone()).date();
        // It may have begun yesterday; a change of the clock may swallow today's.
        (-1..=2).find_map(|days| {
            let day = today.checked_add(days.days()).ok()?;
            let last = match self.to > self.from {
                true => day,
                false => day.tomorrow().ok()?,
            };
            let at = |day: jiff::civil::Date, time| {
                let moment = self.zone.to_timestamp(day.to_datetime(time));
                moment.ok()
            };
            let (from, until) = (at(day, self.from)?, at(last, self.to)?);
            (until > now && from < until).then_some((from, until))
        })
    }
}

/// Says for ever when the quiet hours of people and pools are.
pub async fn tell(
    people: Vec<(PersonId, QuietHours)>,
    pools: Vec<(PoolId, QuietHours)>,
    outlet: Outlet,
) {
    if people.is_empty() && pools.is_empty() {
        return;
    }
    let mut tick = tokio::time::interval(EVERY);
    loop {
        tick.tick().await;
        for (person, hours) in &people {
            if let Some((from, until)) = hours.stretch(Timestamp::now()) {
                outlet.picture(Seen::QuietHours(observation::QuietHours {
                    person: person.clone(),
                    from,
                    until,
                }));
            }
        }
        for (pool, hours) in &pools {
            if let Some((from, until)) = hours.stretch(Timestamp::now()) {
                outlet.picture(Seen::QuietWindow(observation::QuietWindow {
                    pool: pool.clone(),
                    from,
                    until,
                }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(hours: &str, zone: &str, now: &str) -> String {
        let zone = TimeZone::get(zone).unwrap();
        let hours = QuietHours::read(hours, zone).unwrap();
        let (from, until) = hours.stretch(now.parse().unwrap()).unwrap();
        format!("{from} {until}")
    }

    #[test]
    fn the_present_stretch_or_the_next() {
        for (now, expected) in [
            // In the middle of it, begun yesterday by the zone's day.
            (
                "2026-11-21T02:00:00Z",
                "2026-11-20T21:00:00Z 2026-11-21T06:00:00Z",
            ),
            // At its very end the next one.
            (
                "2026-11-21T06:00:00Z",
                "2026-11-21T21:00:00Z 2026-11-22T06:00:00Z",
            ),
            (
                "2026-11-21T12:00:00Z",
                "2026-11-21T21:00:00Z 2026-11-22T06:00:00Z",
            ),
            (
                "2026-11-21T21:00:00Z",
                "2026-11-21T21:00:00Z 2026-11-22T06:00:00Z",
            ),
        ] {
            assert_eq!(
                stretch("22:00-07:00", "Europe/Amsterdam", now),
                expected,
                "{now}"
            );
        }
        // Within one day, and far from Greenwich.
        assert_eq!(
            stretch("12:30-13:30", "Pacific/Auckland", "2026-11-21T00:00:00Z"),
            "2026-11-20T23:30:00Z 2026-11-21T00:30:00Z"
        );
    }

    #[test]
    fn hours_keep_to_the_wall_through_both_changes_of_the_clock() {
        // Forward in the night: an hour shorter. Back: an hour longer.
        assert_eq!(
            stretch("22:00-07:00", "Europe/Berlin", "2026-03-29T00:00:00Z"),
            "2026-03-28T21:00:00Z 2026-03-29T05:00:00Z"
        );
        assert_eq!(
            stretch("22:00-07:00", "Europe/Berlin", "2026-10-25T00:00:00Z"),
            "2026-10-24T20:00:00Z 2026-10-25T06:00:00Z"
        );
    }

    #[test]
    fn a_stretch_the_clock_skips_is_passed_over() {
        // 02:00 to 02:30 was not there on that day.
        assert_eq!(
            stretch("02:00-02:30", "Europe/Berlin", "2026-03-29T00:30:00Z"),
            "2026-03-29T01:00:00Z 2026-03-29T01:30:00Z"
        );
    }

    #[test]
    fn what_is_no_stretch_is_refused() {
        for text in [
            "22:00",
            "22-07",
            "24:00-07:00",
            "07:00-07:00",
            "-",
            "22:00-07:00-08:00",
        ] {
            assert!(QuietHours::read(text, TimeZone::UTC).is_err(), "{text}");
        }
    }
}
