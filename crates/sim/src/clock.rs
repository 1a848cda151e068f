//! True time, and the wall clock that people and machines read it from.
//!
//! The world runs in true milliseconds that never jump. Everything Evenkeel sees of time
//! is the wall clock, which is set forwards and backwards now and then, and the clocks of
//! observers, which are a little off on top of that.

use evenkeel_core::Timestamp;

/// True time: milliseconds since the world began.
pub(crate) type Ms = i64;

pub(crate) const SECOND: Ms = 1000;
pub(crate) const MINUTE: Ms = 60 * SECOND;
pub(crate) const HOUR: Ms = 60 * MINUTE;

/// Where the wall clock stood when the world began: some day in 2027.
const BEGINNING: i64 = 1_800_000_000_000;

/// The wall clock of the machine Evenkeel runs on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clock {
    offset: Ms,
    /// When it was set, and by how much.
    jumps: Vec<(Ms, Ms)>,
}

impl Clock {
    pub(crate) fn wall(&self, t: Ms) -> Timestamp {
        at_ms(BEGINNING + t + self.offset)
    }

    pub(crate) fn set(&mut self, t: Ms, by: Ms) {
        self.offset += by;
        self.jumps.push((t, by));
    }

    /// How far the clock was set in all, one way or the other, after `from`.
    pub(crate) fn jumped_since(&self, from: Ms) -> Ms {
        let recent = self.jumps.iter().rev().take_while(|(at, _)| *at >= from);
        recent.map(|(_, by)| by.abs()).sum()
    }
}

impl Clock {
    /// When it was last set.
    pub(crate) fn last_set(&self) -> Ms {
        self.jumps.last().map_or(0, |(at, _)| *at)
    }

    /// How far it was set after `from` in steps too small for anybody to notice.
    pub(crate) fn crept_since(&self, from: Ms) -> Ms {
        let recent = self.jumps.iter().rev().take_while(|(at, _)| *at >= from);
        let small = recent.filter(|(_, by)| by.abs() <= 36 * SECOND);
        small.map(|(_, by)| by.abs()).sum()
    }
}

pub(crate) fn at_ms(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::MAX)
}

pub(crate) fn ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// `at`, as a clock reads that is off by `by`.
pub(crate) fn shifted(at: Timestamp, by: Ms) -> Timestamp {
    at_ms(ms(at) + by)
}

/// True time as a person reads a trace: hours, minutes, seconds, milliseconds.
pub(crate) fn say(t: Ms) -> String {
    let (hours, rest) = (t / HOUR, t % HOUR);
    let (minutes, rest) = (rest / MINUTE, rest % MINUTE);
    format!(
        "{hours}h{minutes:02}m{:02}.{:03}s",
        rest / SECOND,
        rest % SECOND
    )
}
