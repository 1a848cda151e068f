//! Times of day and the zones they are meant in.

use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::reader::{At, Report, Section};

/// `time_zone`; UTC without one, and where there is none of that name.
pub(super) fn zone(section: &mut Section<'_>, report: &mut Report<'_>) -> TimeZone {
    let Some(given) = section.text(report, "time_zone") else {
        return TimeZone::UTC;
    };
    TimeZone::get(&given.value).unwrap_or_else(|_| {
        let what = format!(
            "there is no time zone `{}`; write for example time_zone = \"Europe/Amsterdam\"",
            given.value
        );
        report.error(&given.at, what);
        TimeZone::UTC
    })
}

/// The name by which a zone is written.
pub(super) fn name_of(zone: &TimeZone) -> &str {
    zone.iana_name().unwrap_or("UTC")
}

/// The time of day that `given`, the value of `key`, is.
pub(super) fn of_day(given: &At<String>, key: &str, report: &mut Report<'_>) -> Option<Time> {
    let time = given.value.parse::<Time>().ok();
    if time.is_none() {
        let what = format!(
            "`{}` is no time of day; write for example {key} = \"06:00\"",
            given.value
        );
        report.error(&given.at, what);
    }
    time
}
