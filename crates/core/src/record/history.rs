//! Ninety days of a component's history, as time spent in each status by UTC day.
//!
//! A tally and not a list of changes: a component that flaps costs no more than one
//! that does not.

use alloc::collections::BTreeMap;
use core::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ComponentState;
use crate::status::Status;
use crate::time;

/// How much history is kept.
pub const DAYS_KEPT: usize = 90;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A UTC day, as days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(pub i64);

impl Day {
    /// The day `at` falls in.
    pub fn of(at: Timestamp) -> Self {
        Self(at.as_second().div_euclid(DAY.as_secs() as i64))
    }

    /// Its first moment.
    pub fn start(self) -> Timestamp {
        Timestamp::from_second(self.0.saturating_mul(DAY.as_secs() as i64))
            .unwrap_or(Timestamp::MAX)
    }
}

/// Milliseconds spent in each status.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DayTally(pub BTreeMap<Status, u64>);

impl DayTally {
    /// The worst status that held for at least a moment.
    pub fn worst(&self) -> Option<Status> {
        self.0
            .iter()
            .filter(|(_, ms)| **ms > 0)
            .map(|(status, _)| *status)
            .max()
    }

    fn add(&mut self, status: Status, span: Duration) {
        let ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        let total = self.0.entry(status).or_default();
        *total = total.saturating_add(ms);
    }
}

impl ComponentState {
    /// A component first heard of at `at`.
    pub(super) fn new(at: Timestamp) -> Self {
        Self {
            status: Status::Unknown,
            since: at,
            reason: alloc::string::String::new(),
            days: BTreeMap::new(),
        }
    }

    /// Ends the current stretch at `at` and begins one in `status`.
    pub(super) fn turn(&mut self, status: Status, at: Timestamp) {
        let days = core::mem::take(&mut self.days);
        self.days = self.tallied(days, at);
        self.status = status;
        self.since = at;
    }

    /// From `since` to `until` it was otherwise than was seen: unknown, where nobody looked,
    /// or down, where somebody else saw it. What is counted already stays: the stretch is
    /// taken from the current one alone, which goes on after it.
    pub(super) fn was(&mut self, otherwise: Status, since: Timestamp, until: Timestamp) {
        if until <= self.since {
            return;
        }
        let since = since.max(self.since).min(until);
        let (status, reason) = (self.status, core::mem::take(&mut self.reason));
        self.turn(otherwise, since);
        self.turn(status, until);
        self.reason = reason;
    }

    /// The history up to `at`, the current stretch included.
    pub fn history(&self, at: Timestamp) -> BTreeMap<Day, DayTally> {
        self.tallied(self.days.clone(), at)
    }

    fn tallied(&self, mut days: BTreeMap<Day, DayTally>, at: Timestamp) -> BTreeMap<Day, DayTally> {
        let oldest = Day(Day::of(at).0.saturating_sub(DAYS_KEPT as i64 - 1));
        let mut from = self.since.max(oldest.start());
        while from < at {
            let day = Day::of(from);
            let to = Day(day.0 + 1).start().min(at);
            days.entry(day)
                .or_default()
                .add(self.status, time::since(from, to));
            from = to;
        }
        days.retain(|day, _| *day >= oldest);
        days
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_stretch_over_midnight_counts_for_both_days() {
        let day = DAY.as_secs() as i64;
        let mut state = ComponentState::new(at(0));
        state.turn(Status::Operational, at(0));
        state.turn(Status::MajorOutage, at(day - 10));
        state.turn(Status::Operational, at(day + 20));
        let history = state.history(at(day + 20));
        assert_eq!(history[&Day(0)].0[&Status::MajorOutage], 10_000);
        assert_eq!(history[&Day(1)].0[&Status::MajorOutage], 20_000);
        assert_eq!(history[&Day(1)].worst(), Some(Status::MajorOutage));
    }

    #[test]
    fn time_that_nobody_observed_is_neither_up_nor_down() {
        for status in [Status::Operational, Status::MajorOutage] {
            let mut state = ComponentState::new(at(0));
            state.turn(status, at(0));
            state.was(Status::Unknown, at(100), at(400));
            let day = &state.history(at(500))[&Day(0)].0;
            assert_eq!((day[&status], day[&Status::Unknown]), (200_000, 300_000));
        }
    }

    #[test]
    fn an_absence_that_began_before_the_status_takes_nothing_from_the_one_before() {
        let mut state = ComponentState::new(at(0));
        state.turn(Status::Operational, at(0));
        state.turn(Status::PartialOutage, at(200));
        state.was(Status::Unknown, at(100), at(300));
        let day = &state.history(at(300))[&Day(0)].0;
        assert_eq!(day[&Status::Operational], 200_000);
        assert_eq!(day[&Status::Unknown], 100_000);
        assert!(!day.contains_key(&Status::PartialOutage));
    }

    #[test]
    fn an_outage_that_is_learned_of_late_counts_for_when_it_was() {
        let mut state = ComponentState::new(at(0));
        state.turn(Status::Operational, at(0));
        state.was(Status::MajorOutage, at(100), at(400));
        let day = &state.history(at(1000))[&Day(0)].0;
        assert_eq!(day[&Status::Operational], 700_000);
        assert_eq!(day[&Status::MajorOutage], 300_000);
        assert_eq!((state.status, state.since), (Status::Operational, at(400)));
        // All of it is counted otherwise already.
        let before = state.clone();
        state.was(Status::MajorOutage, at(200), at(300));
        assert_eq!(state, before);
    }

    #[test]
    fn years_of_one_status_keep_ninety_days() {
        let mut state = ComponentState::new(at(0));
        state.turn(Status::Operational, at(0));
        let history = state.history(at(1000 * DAY.as_secs() as i64));
        assert_eq!(history.len(), DAYS_KEPT - 1);
    }

    #[test]
    fn a_clock_that_runs_backwards_adds_nothing() {
        let mut state = ComponentState::new(at(100));
        state.turn(Status::Operational, at(50));
        assert!(state.days.is_empty());
    }
}
