//! What people type when they tell customers something, on the command line and in the
//! console alike.

use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::time;

/// What an incident can be called.
pub(crate) const STATUSES: [IncidentStatus; 4] = [
    IncidentStatus::Investigating,
    IncidentStatus::Identified,
    IncidentStatus::Monitoring,
    IncidentStatus::Resolved,
];

/// The status of a name.
pub(crate) fn status_named(name: &str) -> Result<IncidentStatus, String> {
    let known = STATUSES.into_iter().find(|status| status.as_str() == name);
    known.ok_or_else(|| {
        format!("`{name}` is none of investigating, identified, monitoring, resolved")
    })
}

/// The first full minute not before `span` from now: customers read minutes, and a promise
/// for 14:30 is kept until then.
pub(crate) fn by_the_minute(now: Timestamp, span: Duration) -> Timestamp {
    let at = time::after(now, span);
    let second = at.as_second() + i64::from(at.subsec_nanosecond() > 0);
    let minute = second.div_euclid(60) + i64::from(second.rem_euclid(60) > 0);
    Timestamp::from_second(minute * 60).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_is_for_a_full_minute() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let half_an_hour = Duration::from_secs(1800);
        for (now, until) in [
            ("2026-11-18T02:00:00Z", "2026-11-18T02:30:00Z"),
            ("2026-11-18T02:00:00.001Z", "2026-11-18T02:31:00Z"),
            ("2026-11-18T02:00:59Z", "2026-11-18T02:31:00Z"),
        ] {
            assert_eq!(by_the_minute(at(now), half_an_hour), at(until));
        }
    }

    #[test]
    fn every_status_has_its_name() {
        for status in STATUSES {
            assert_eq!(status_named(status.as_str()), Ok(status));
        }
        assert!(status_named("postmortem").is_err());
    }
}
