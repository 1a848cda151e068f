//! systemd's calendar expressions (`OnCalendar=`, systemd.time(7)):
//! `Mon..Fri *-*-* 02:30`, `*-*~1 12:00`, `hourly`.
//!
//! `[DAYS] [[YEAR-]MONTH-DAY] [HOUR:MINUTE[:SECOND]] [ZONE]`: each part is `*`, a value, a
//! range `a..b`, a list, each with `/n` for every n-th; `~` before the day counts from the
//! month's end. Not read: `@` times and fractions of seconds.
//!
//! A wall-clock time that the change to summer time leaves out comes as much later as the
//! clock jumps, one that autumn shows twice comes at the first: as with cron here.

use evenkeel_core::Timestamp;
use jiff::SignedDuration;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;

/// How far ahead is looked for a day that fits. 29 February on a Monday comes every 28
/// years at most, but for the turn of some centuries.
const YEARS_LOOKED_THROUGH: i16 = 41;

/// No zone's clock has ever jumped further at once, short of moving the date line.
const JUMP_MAX: SignedDuration = SignedDuration::from_hours(3);

/// One calendar expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// Monday is bit 0.
    days_of_week: u8,
    years: Vec<Part>,
    months: u64,
    days: u64,
    /// Days count from the end of the month; its last is 1.
    from_end: bool,
    hours: u64,
    minutes: u64,
    seconds: u64,
    /// The zone it names itself.
    zone: Option<TimeZone>,
}

/// From, to, every.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    from: i16,
    to: i16,
    step: i16,
}

impl Part {
    fn has(self, value: i16) -> bool {
        (self.from..=self.to).contains(&value) && (value - self.from) % self.step == 0
    }
}

/// Names for whole expressions.
const SHORT: &[(&str, &str)] = &[
    ("minutely", "*-*-* *:*:00"),
    ("hourly", "*-*-* *:00:00"),
    ("daily", "*-*-* 00:00:00"),
    ("monthly", "*-*-01 00:00:00"),
    ("weekly", "Mon *-*-* 00:00:00"),
    ("yearly", "*-01-01 00:00:00"),
    ("annually", "*-01-01 00:00:00"),
    ("quarterly", "*-01,04,07,10-01 00:00:00"),
    ("semiannually", "*-01,07-01 00:00:00"),
];

const DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];

impl Calendar {
    /// Reads one expression.
    ///
    /// # Errors
    /// What in it cannot be read.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() > 200 {
            return Err("it is longer than 200 bytes".into());
        }
        let mut words: Vec<&str> = text.split_whitespace().collect();
        let short = words.first().and_then(|first| {
            let found = SHORT
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(first))?;
            Some(found.1)
        });
        if let Some(meant) = short {
            words.splice(..1, meant.split_whitespace());
        }
        let mut calendar = Self {
            days_of_week: 0x7f,
            years: vec![Part {
                from: 1970,
                to: 2199,
                step: 1,
            }],
            months: all(1, 12),
            days: all(1, 31),
            from_end: false,
            hours: 1,
            minutes: 1,
            seconds: 1,
            zone: None,
        };
        let mut words = words.into_iter().peekable();
        if let Some(days) = words.next_if(|word| {
            word.starts_with(|c: char| c.is_ascii_alphabetic()) && day(first_name(word)).is_some()
        }) {
            calendar.days_of_week = days_of_week(days)?;
        }
        let mut said = calendar.days_of_week != 0x7f;
        if let Some(date) = words.next_if(|word| {
            word.starts_with(|c: char| c.is_ascii_digit() || c == '*') && !word.contains(':')
        }) {
            calendar.read_date(date)?;
            said = true;
        }
        if let Some(time) = words.next_if(|word| word.contains(':')) {
            calendar.read_time(time)?;
            said = true;
        }
        if let Some(zone) = words.next() {
            let read = TimeZone::get(zone);
            calendar.zone = Some(read.map_err(|_| format!("`{zone}` is no time zone"))?);
        }
        if let Some(more) = words.next() {
            return Err(format!("`{more}` has no place in it"));
        }
        if !said {
            return Err("it names neither days nor a time".into());
        }
        Ok(calendar)
    }

    fn read_date(&mut self, text: &str) -> Result<(), String> {
        let (year_and_month, days, from_end) = match text.rsplit_once('~') {
            Some((months, days)) => (months, days, true),
            None => {
                let (months, days) = text
                    .rsplit_once('-')
                    .ok_or_else(|| format!("`{text}` is no date"))?;
                (months, days, false)
            }
        };
        let months = match year_and_month.rsplit_once('-') {
            Some((years, months)) => {
                self.years = parts(years, 1970, 2199)?;
                months
            }
            None => year_and_month,
        };
        self.months = bits(months, 1, 12)?;
        self.days = match from_end {
            true => days_from_end(days)?,
            false => bits(days, 1, 31)?,
        };
        self.from_end = from_end;
        Ok(())
    }

    fn read_time(&mut self, text: &str) -> Result<(), String> {
        let mut fields = text.split(':');
        let wrong = || format!("`{text}` is no time of day");
        self.hours = bits(fields.next().ok_or_else(wrong)?, 0, 23)?;
        self.minutes = bits(fields.next().ok_or_else(wrong)?, 0, 59)?;
        self.seconds = match fields.next() {
            Some(seconds) => bits(seconds, 0, 59)?,
            None => 1,
        };
        match fields.next() {
            Some(_) => Err(wrong()),
            None => Ok(()),
        }
    }

    /// The first time after `after`, in `zone` unless it names one itself.
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let zone = self.zone.as_ref().unwrap_or(zone);
        // Before a jump there are wall-clock times that come after it.
        let wall = zone.to_datetime(after).checked_sub(JUMP_MAX).ok()?;
        let last_year = wall.year().saturating_add(YEARS_LOOKED_THROUGH);
        let mut date = wall.date();
        while date.year() <= last_year {
            if self.skips_month(date) {
                date = date
                    .first_of_month()
                    .checked_add(jiff::Span::new().months(1))
                    .ok()?;
                continue;
            }
            if self.has_day(date) {
                let from = (date == wall.date()).then_some(wall);
                let times = self.times(date, from);
                // Within three hours of the start there may be some that are not after it.
                for time in times {
                    let at = zone.to_timestamp(time).ok()?;
                    if at > after {
                        return Some(at);
                    }
                }
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    fn skips_month(&self, date: Date) -> bool {
        let fits = |part: &Part| part.has(date.year());
        !self.years.iter().any(fits) || !has(self.months, i64::from(date.month()))
    }

    fn has_day(&self, date: Date) -> bool {
        let day = match self.from_end {
            true => date.days_in_month() - date.day() + 1,
            false => date.day(),
        };
        let weekday = match date.weekday() {
            Weekday::Monday => 0,
            Weekday::Tuesday => 1,
            Weekday::Wednesday => 2,
            Weekday::Thursday => 3,
            Weekday::Friday => 4,
            Weekday::Saturday => 5,
            Weekday::Sunday => 6,
        };
        has(self.days, i64::from(day)) && self.days_of_week & (1 << weekday) != 0
    }

    /// Its times of a day, from a time on, in order.
    fn times(&self, date: Date, from: Option<DateTime>) -> impl Iterator<Item = DateTime> {
        let of = |bits: u64, most: i8| (0..=most).filter(move |n| has(bits, i64::from(*n)));
        let (minutes, seconds) = (self.minutes, self.seconds);
        let first = from.map_or(0, |from| from.hour());
        of(self.hours, 23)
            .filter(move |hour| *hour >= first)
            .flat_map(move |hour| of(minutes, 59).map(move |minute| (hour, minute)))
            .flat_map(move |(hour, minute)| {
                of(seconds, 59).map(move |second| date.at(hour, minute, second, 0))
            })
            .filter(move |time| from.is_none_or(|from| *time >= from))
    }
}

fn has(bits: u64, value: i64) -> bool {
    (0..64).contains(&value) && bits & (1 << value) != 0
}

fn all(from: u32, to: u32) -> u64 {
    (from..=to).fold(0, |bits, n| bits | 1 << n)
}

fn first_name(word: &str) -> &str {
    word.split([',', '.', '-']).next().unwrap_or(word)
}

/// A day by its name or its first letters.
fn day(name: &str) -> Option<usize> {
    let name = name.to_ascii_lowercase();
    let fits = |day: &str| day == name || (name.len() == 3 && day.starts_with(&name));
    DAYS.iter().position(|day| fits(day))
}

fn days_of_week(text: &str) -> Result<u8, String> {
    let one = |name: &str| day(name).ok_or_else(|| format!("`{name}` is no day of the week"));
    let mut bits = 0_u8;
    for item in text.split(',').filter(|item| !item.is_empty()) {
        let (from, to) = item
            .split_once("..")
            .or_else(|| item.split_once('-'))
            .unwrap_or((item, item));
        let (mut at, to) = (one(from)?, one(to)?);
        // A range may go over Sunday: Sat..Mon.
        loop {
            bits |= 1 << at;
            if at == to {
                break;
            }
            at = (at + 1) % 7;
        }
    }
    Ok(bits)
}

/// Days counted from the end of a month, where `7/1` goes on towards the end: 7, 6, ... 1.
fn days_from_end(text: &str) -> Result<u64, String> {
    let mut days = 0;
    for item in text.split(',') {
        let read = part(item, 1, 31)?;
        let open = item.contains('/') && !item.contains("..") && !item.starts_with('*');
        days |= match open {
            true => (1..=read.from)
                .filter(|day| (read.from - day) % read.step == 0)
                .fold(0, |bits, day| bits | 1 << day),
            false => bits(item, 1, 31)?,
        };
    }
    Ok(days)
}

fn bits(text: &str, least: i16, most: i16) -> Result<u64, String> {
    let parts = parts(text, least, most)?;
    Ok((least..=most)
        .filter(|value| parts.iter().any(|part| part.has(*value)))
        .fold(0, |bits, value| bits | 1 << value))
}

fn parts(text: &str, least: i16, most: i16) -> Result<Vec<Part>, String> {
    text.split(',')
        .map(|item| part(item, least, most))
        .collect()
}

fn part(text: &str, least: i16, most: i16) -> Result<Part, String> {
    let number = |digits: &str| -> Result<i16, String> {
        let read = digits.parse().ok();
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
        read.filter(|n| plain && (least..=most).contains(n))
            .ok_or_else(|| format!("`{digits}` is not between {least} and {most}"))
    };
    let (values, step) = match text.split_once('/') {
        Some((values, step)) => {
            let step = step.parse().ok().filter(|step| (1..=most).contains(step));
            (
                values,
                Some(step.ok_or_else(|| format!("`{text}` repeats never"))?),
            )
        }
        None => (text, None),
    };
    let (from, to) = match (values, values.split_once("..")) {
        ("*", _) => (least, most),
        (_, Some((from, to))) => (number(from)?, number(to)?),
        (one, None) => {
            let from = number(one)?;
            (from, if step.is_some() { most } else { from })
        }
    };
    if from > to {
        return Err(format!("`{text}` ends before it begins"));
    }
    Ok(Part {
        from,
        to,
        step: step.unwrap_or(1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn next(expression: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let calendar = Calendar::parse(expression).expect(expression);
        let zone = TimeZone::get(zone).expect("a zone");
        let mut at: Timestamp = after.parse().expect("a time");
        (0..count)
            .map(|_| {
                at = calendar.next(at, &zone).expect("a next time");
                let wall = at.to_zoned(zone.clone());
                wall.strftime("%a %Y-%m-%d %H:%M:%S").to_string()
            })
            .collect()
    }

    /// What `systemd-analyze calendar` says of each, from 2026-01-01 00:00 (a Thursday).
    #[test]
    fn expressions_mean_what_systemd_says_they_mean() {
        for (expression, expected) in [
            ("minutely", "Thu 2026-01-01 00:01:00"),
            ("hourly", "Thu 2026-01-01 01:00:00"),
            ("daily", "Fri 2026-01-02 00:00:00"),
            ("weekly", "Mon 2026-01-05 00:00:00"),
            ("monthly", "Sun 2026-02-01 00:00:00"),
            ("quarterly", "Wed 2026-04-01 00:00:00"),
            ("semiannually", "Wed 2026-07-01 00:00:00"),
            ("yearly", "Fri 2027-01-01 00:00:00"),
            ("*-*-* 4:00:00", "Thu 2026-01-01 04:00:00"),
            ("02:30", "Thu 2026-01-01 02:30:00"),
            ("Mon,Tue *-*-01..04 12:00:00", "Mon 2026-02-02 12:00:00"),
            ("Sat,Thu,Mon..Wed,Sat..Sun", "Sat 2026-01-03 00:00:00"),
            ("Sat..Mon 06:00", "Sat 2026-01-03 06:00:00"),
            ("Wed *-1", "Wed 2026-04-01 00:00:00"),
            ("*-*~1 12:00", "Sat 2026-01-31 12:00:00"),
            ("*-02~03", "Thu 2026-02-26 00:00:00"),
            ("Mon *-05~07/1", "Mon 2026-05-25 00:00:00"),
            ("*:0/15", "Thu 2026-01-01 00:15:00"),
            ("8..17/2:30:10", "Thu 2026-01-01 08:30:10"),
            ("2026-02-28", "Sat 2026-02-28 00:00:00"),
            ("*-02-29 12:00", "Tue 2028-02-29 12:00:00"),
            ("Mon *-02-29", "Mon 2044-02-29 00:00:00"),
            ("05:40:59 UTC", "Thu 2026-01-01 05:40:59"),
            ("Fri 09:30 America/New_York", "Fri 2026-01-02 14:30:00"),
        ] {
            // `*-1` above: any month, the first day.
            let found = next(expression, "UTC", "2026-01-01T00:00:00Z", 1);
            assert_eq!(found, [expected], "{expression}");
        }
    }

    #[test]
    fn wall_clock_times_keep_through_both_changes_of_the_clock() {
        let spring = next("02:30", "Europe/Amsterdam", "2026-03-28T12:00:00Z", 2);
        assert_eq!(
            spring,
            ["Sun 2026-03-29 03:30:00", "Mon 2026-03-30 02:30:00"]
        );
        let autumn = next("02:30", "Europe/Amsterdam", "2026-10-24T12:00:00Z", 2);
        assert_eq!(
            autumn,
            ["Sun 2026-10-25 02:30:00", "Mon 2026-10-26 02:30:00"]
        );
    }

    #[test]
    fn what_is_no_expression_says_why() {
        for text in [
            "",
            "UTC",
            "noon",
            "25:00",
            "*-13-01",
            "*:60",
            "*-*-* 4:00:00 UTC more",
            "Mon..Blu 12:00",
            "10..5:00",
            "*/0:00",
            "1:2:3:4",
            "2026",
            "-:-",
        ] {
            assert!(Calendar::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_day_that_never_comes_is_found_out() {
        let calendar = Calendar::parse("*-02-30").expect("it can be read");
        assert_eq!(calendar.next(Timestamp::UNIX_EPOCH, &TimeZone::UTC), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
            let _read = Calendar::parse(&text);
        }

        #[test]
        fn the_next_time_is_later_and_fits(
            text in "((Mon|Tue|Sat\\.\\.Mon) )?(\\*|2026|2027)-(\\*|0?[1-9])[-~](\\*|[1-9]|1/7) \
                     ([0-9]|\\*|0/3):([0-5][0-9]|\\*)",
            second in 1_700_000_000_i64..1_900_000_000,
        ) {
            let Ok(calendar) = Calendar::parse(&text) else {
                return Ok(());
            };
            let after = Timestamp::from_second(second).expect("a time");
            if let Some(next) = calendar.next(after, &TimeZone::UTC) {
                prop_assert!(next > after);
                let wall = TimeZone::UTC.to_datetime(next);
                prop_assert!(calendar.has_day(wall.date()) && !calendar.skips_month(wall.date()));
                // Nothing fits between.
                let before = next.checked_sub(SignedDuration::from_secs(1)).expect("a time");
                prop_assert_eq!(calendar.next(before.max(after), &TimeZone::UTC), Some(next));
            }
        }
    }
}
