//! Dates, times and lengths of time, as each language writes them.

use evenkeel_core::Timestamp;
use evenkeel_core::time;
use jiff::Zoned;
use jiff::tz::TimeZone;

use super::Words;

impl Words {
    /// A time on a page that has said the day of `known`: `02:14 UTC` on that day, else with
    /// its date, and with its year when that is another one.
    pub fn minute(&self, at: Timestamp, known: Timestamp) -> String {
        let (at, known) = (utc(at), utc(known));
        let time = self.time(&two(at.hour()), &two(at.minute()));
        if at.date() == known.date() {
            return time;
        }
        let date = match at.year() == known.year() {
            true => self.date_of(&at),
            false => self.date_year_of(&at),
        };
        self.moment(&date, &time)
    }

    /// `18 November 2026, 02:14 UTC`.
    pub fn minute_of_day(&self, at: Timestamp) -> String {
        let at = utc(at);
        let time = self.time(&two(at.hour()), &two(at.minute()));
        self.moment(&self.date_year_of(&at), &time)
    }

    /// `18 November 2026, 02:14:09 UTC`.
    pub fn second_of_day(&self, at: Timestamp) -> String {
        let at = utc(at);
        let (hour, minute, second) = (two(at.hour()), two(at.minute()), two(at.second()));
        let time = self.time_exact(&hour, &minute, &second);
        self.moment(&self.date_year_of(&at), &time)
    }

    /// `18 November`.
    pub fn day(&self, at: Timestamp) -> String {
        self.date_of(&utc(at))
    }

    /// `18 November 2026`.
    pub fn day_of_year(&self, at: Timestamp) -> String {
        self.date_year_of(&utc(at))
    }

    /// `3 minutes`, `2 hours 5 minutes`, `4 days`: two parts at most, and the first says
    /// most.
    pub fn span(&self, from: Timestamp, to: Timestamp) -> String {
        let seconds = time::since(from, to).as_secs();
        let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
        match seconds {
            0..60 => self.seconds(seconds),
            60..3600 => self.minutes(minutes),
            3600..86400 if minutes % 60 == 0 => self.hours(hours),
            3600..86400 => format!("{} {}", self.hours(hours), self.minutes(minutes % 60)),
            _ => self.days(days),
        }
    }

    /// What ninety days come to: whole minutes up to two hours, then whole hours.
    pub(super) fn total(&self, ms: u64) -> String {
        match ms.div_ceil(60_000) {
            minutes @ 0..120 => self.minutes(minutes),
            minutes => self.hours(minutes / 60),
        }
    }

    fn date_of(&self, at: &Zoned) -> String {
        self.date(number(at.day()), &self.month(number(at.month())))
    }

    fn date_year_of(&self, at: &Zoned) -> String {
        let month = self.month(number(at.month()));
        self.date_year(number(at.day()), &month, &at.year().to_string())
    }
}

fn utc(at: Timestamp) -> Zoned {
    at.to_zoned(TimeZone::UTC)
}

fn two(part: i8) -> String {
    format!("{part:02}")
}

fn number(part: i8) -> u64 {
    u64::try_from(part).unwrap_or_default()
}
