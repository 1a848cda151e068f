//! Arithmetic on points in time that cannot fail and does not run backwards.
//!
//! Clocks jump. A span that would be negative is zero, and a point past the end of
//! time is the end of time: a detector is then slower, never wrong.

use core::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The time from `earlier` to `later`; zero where the clock ran backwards.
pub fn since(earlier: Timestamp, later: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or(Duration::ZERO)
}

/// `from` plus `span`, at most the last representable point in time.
pub fn after(from: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span)
        .ok()
        .and_then(|span| from.checked_add(span).ok())
        .unwrap_or(Timestamp::MAX)
}

/// `from` minus `span`, at least the first representable point in time.
pub fn before(from: Timestamp, span: Duration) -> Timestamp {
    SignedDuration::try_from(span)
        .ok()
        .and_then(|span| from.checked_sub(span).ok())
        .unwrap_or(Timestamp::MIN)
}
