//! Clocks of legal notices: when they began to run, and what is due when.
//!
//! No legal advice. Whether an incident has to be notified, to whom and by when is for a
//! person to judge, with a lawyer; the clocks keep them from forgetting while they repair.
//! They are off unless the configuration turns them on.
//!
//! | regime | when a clock starts | what is due |
//! |---|---|---|
//! | NIS2, Directive (EU) 2022/2555 Article 23(4) | every component down for longer than 30 minutes, or harm for longer than an hour (Implementing Regulation (EU) 2024/2690 Article 7(a) and (b)) | early warning 24 h and notification 72 h after that; final report one month after the notification |
//! | DORA, Regulation (EU) 2022/2554 Article 19, Delegated Regulation (EU) 2025/301 | when a person says that it is major | first notification 4 h after that, at most 24 h after it was found; intermediate report 72 h after it; final report one month after that |
//! | GDPR, Regulation (EU) 2016/679 Article 33 | when a person tells customers that data is affected | notification 72 h after that |
//!
//! Article 7(b) also asks whether more than 5 % of the users in the Union, or more than a
//! million, were limited: nobody here knows how many users a tenant has. So its clock starts
//! after the hour, and says so; whoever knows that it were fewer stops it, with the reason.
//! Too early a clock costs a line; too late a one a deadline.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use core::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::ids::{IncidentId, Observer};
use crate::record::Record;
use crate::time;

const HOUR: Duration = Duration::from_secs(3600);

/// A law that asks for notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Regime {
    /// Directive (EU) 2022/2555.
    Nis2,
    /// Regulation (EU) 2022/2554, of financial entities and, by contract, of who serves them.
    Dora,
    /// Regulation (EU) 2016/679.
    Gdpr,
}

/// One notice of a regime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The first word.
    First,
    /// The second, with what is known by then.
    Second,
    /// The last.
    Last,
}

impl Step {
    /// Every step, in its order.
    pub const ALL: [Self; 3] = [Self::First, Self::Second, Self::Last];

    /// The word in the journal, in forms and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Second => "second",
            Self::Last => "last",
        }
    }
}

impl Regime {
    /// Every regime.
    pub const ALL: [Self; 3] = [Self::Nis2, Self::Dora, Self::Gdpr];

    /// The word in the journal, in forms and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nis2 => "nis2",
            Self::Dora => "dora",
            Self::Gdpr => "gdpr",
        }
    }

    /// As people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nis2 => "NIS2",
            Self::Dora => "DORA",
            Self::Gdpr => "GDPR",
        }
    }

    /// What its steps are called; those it has.
    pub fn steps(self) -> &'static [(Step, &'static str)] {
        match self {
            Self::Nis2 => &[
                (Step::First, "early warning"),
                (Step::Second, "incident notification"),
                (Step::Last, "final report"),
            ],
            Self::Dora => &[
                (Step::First, "initial notification"),
                (Step::Second, "intermediate report"),
                (Step::Last, "final report"),
            ],
            Self::Gdpr => &[(Step::First, "notification to the supervisory authority")],
        }
    }

    /// What one of its steps is called.
    pub fn step_name(self, step: Step) -> Option<&'static str> {
        let steps = self.steps().iter();
        steps
            .filter(|(of, _)| *of == step)
            .map(|(_, name)| *name)
            .next()
    }
}

/// A clock that runs, or ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// When it began to run.
    pub started_at: Timestamp,
    /// When the incident was found: DORA's first notice counts from it, too.
    pub aware_at: Timestamp,
    /// Why.
    pub because: String,
    /// Who started it; none where its condition did.
    pub by: Option<Observer>,
    /// Notices that were given.
    pub given: BTreeMap<Step, Given>,
    /// Who stopped it and why, where somebody did: it is not to be notified.
    pub stopped: Option<Stopped>,
    /// What was reminded of.
    pub reminded: BTreeSet<(Step, Nudge)>,
}

/// A notice that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// When.
    pub at: Timestamp,
    /// Who says so.
    pub by: Observer,
    /// To whom, under which number.
    pub reference: String,
}

/// A clock that somebody stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Observer,
    /// Why.
    pub reason: String,
}

/// What a reminder says of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Nudge {
    /// It is due soon.
    Soon,
    /// It was due.
    Late,
}

/// A month later, the same day of it where there is one, else its last.
fn month_after(at: Timestamp) -> Timestamp {
    let later = at
        .to_zoned(TimeZone::UTC)
        .checked_add(Span::new().months(1));
    later.map_or(Timestamp::MAX, |later| later.timestamp())
}

impl Clock {
    /// When a step is due; `None` where the regime has no such step.
    pub fn due_at(&self, regime: Regime, step: Step) -> Option<Timestamp> {
        regime.step_name(step)?;
        // What counts from a notice counts from when it was given, or had to be.
        let told = |step| match self.given.get(&step) {
            Some(given) => Some(given.at),
            None => self.due_at(regime, step),
        };
        Some(match (regime, step) {
            (Regime::Nis2, Step::First) => time::after(self.started_at, 24 * HOUR),
            (Regime::Nis2, Step::Second) => time::after(self.started_at, 72 * HOUR),
            (Regime::Dora, Step::First) => {
                let classified = time::after(self.started_at, 4 * HOUR);
                let aware = time::after(self.aware_at, 24 * HOUR);
                // Who classified it a day late has four hours all the same.
                match aware > self.started_at {
                    true => classified.min(aware),
                    false => classified,
                }
            }
            (Regime::Dora, Step::Second) => time::after(told(Step::First)?, 72 * HOUR),
            (Regime::Nis2 | Regime::Dora, Step::Last) => month_after(told(Step::Second)?),
            (Regime::Gdpr, _) => time::after(self.started_at, 72 * HOUR),
        })
    }

    /// Whether anything of it is still to be given.
    pub fn runs(&self, regime: Regime) -> bool {
        let all = regime.steps().iter();
        self.stopped.is_none() && all.clone().any(|(step, _)| !self.given.contains_key(step))
    }

    /// Steps that are still to be given, with when each is due.
    pub fn open(&self, regime: Regime) -> impl Iterator<Item = (Step, Timestamp)> + '_ {
        let steps = regime.steps().iter().map(|(step, _)| *step);
        steps
            .filter(|step| self.stopped.is_none() && !self.given.contains_key(step))
            .filter_map(move |step| Some((step, self.due_at(regime, step)?)))
    }

    /// When each reminder that was not given falls due: once a quarter of a step's time is
    /// left, and once when it is late.
    pub fn nudges(&self, regime: Regime) -> impl Iterator<Item = (Timestamp, Step, Nudge)> + '_ {
        self.open(regime)
            .flat_map(|(step, due)| {
                let quarter = time::since(self.started_at, due) / 4;
                [
                    (time::before(due, quarter), step, Nudge::Soon),
                    (due, step, Nudge::Late),
                ]
            })
            .filter(|(_, step, nudge)| !self.reminded.contains(&(*step, *nudge)))
    }
}

/// Which clocks are kept, and when NIS2's start by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticePolicy {
    /// Regimes whose clocks are kept; none unless configured.
    #[serde(default)]
    pub regimes: BTreeSet<Regime>,
    /// Every component down for longer starts NIS2's.
    pub nis2_down_for: Duration,
    /// Harm for longer starts NIS2's.
    pub nis2_harm_for: Duration,
}

impl Default for NoticePolicy {
    /// Implementing Regulation (EU) 2024/2690 Article 7: completely unavailable for more than
    /// 30 minutes, or limited for more than one hour.
    fn default() -> Self {
        Self {
            regimes: BTreeSet::new(),
            nis2_down_for: Duration::from_secs(1800),
            nis2_harm_for: Duration::from_secs(3600),
        }
    }
}

/// What people do to a clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum NoticeChange {
    /// It is to be notified: the clock starts, or runs again.
    Start {
        /// Why.
        reason: String,
    },
    /// It is not.
    Stop {
        /// Why.
        reason: String,
    },
    /// A notice was given.
    Give {
        /// Which.
        step: Step,
        /// To whom, under which number.
        reference: String,
    },
}

/// Why a clock cannot be changed so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unnoticed {
    /// There is no such incident.
    NoIncident,
    /// The configuration keeps no clock of this regime.
    NotKept,
    /// It runs already.
    Runs,
    /// It does not run.
    RunsNot,
    /// The regime has no such step.
    NoStep,
    /// That notice was given.
    Given,
}

impl Record {
    /// A clock of an incident.
    pub fn clock(&self, incident: IncidentId, regime: Regime) -> Option<&Clock> {
        self.aftermath.get(&incident)?.clocks.get(&regime)
    }

    /// Why a clock cannot be changed; `None` where it can.
    pub fn unnoticed(
        &self,
        policy: &NoticePolicy,
        incident: IncidentId,
        regime: Regime,
        change: &NoticeChange,
    ) -> Option<Unnoticed> {
        if !self.incidents.contains_key(&incident) {
            return Some(Unnoticed::NoIncident);
        }
        let clock = self.clock(incident, regime);
        match (change, clock) {
            (NoticeChange::Start { .. }, None) => {
                (!policy.regimes.contains(&regime)).then_some(Unnoticed::NotKept)
            }
            (NoticeChange::Start { .. }, Some(clock)) => {
                clock.stopped.is_none().then_some(Unnoticed::Runs)
            }
            (_, None) => Some(Unnoticed::RunsNot),
            (_, Some(clock)) if clock.stopped.is_some() => Some(Unnoticed::RunsNot),
            (NoticeChange::Stop { .. }, Some(_)) => None,
            (NoticeChange::Give { step, .. }, Some(clock)) => {
                match (regime.step_name(*step), clock.given.contains_key(step)) {
                    (None, _) => Some(Unnoticed::NoStep),
                    (_, true) => Some(Unnoticed::Given),
                    (_, false) => None,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn clock(started_at: &str) -> Clock {
        Clock {
            started_at: at(started_at),
            aware_at: at(started_at),
            because: "it was down".into(),
            by: None,
            given: BTreeMap::new(),
            stopped: None,
            reminded: BTreeSet::new(),
        }
    }

    fn given(when: &str) -> Given {
        Given {
            at: at(when),
            by: "operator:ana".into(),
            reference: "BSI 1".into(),
        }
    }

    #[test]
    fn nis2_counts_from_awareness_and_its_last_step_from_the_notification() {
        let mut clock = clock("2026-01-29T10:00:00Z");
        let due = |clock: &Clock, step| clock.due_at(Regime::Nis2, step).unwrap();
        assert_eq!(due(&clock, Step::First), at("2026-01-30T10:00:00Z"));
        assert_eq!(due(&clock, Step::Second), at("2026-02-01T10:00:00Z"));
        assert_eq!(due(&clock, Step::Last), at("2026-03-01T10:00:00Z"));
        // Given on the last of January: February has no such day.
        clock
            .given
            .insert(Step::Second, given("2026-01-31T09:00:00Z"));
        assert_eq!(due(&clock, Step::Last), at("2026-02-28T09:00:00Z"));
        let open: Vec<Step> = clock.open(Regime::Nis2).map(|(step, _)| step).collect();
        assert_eq!(open, [Step::First, Step::Last]);
    }

    #[test]
    fn dora_counts_four_hours_from_classification_and_a_day_from_awareness() {
        let mut clock = clock("2026-01-10T10:00:00Z");
        let due = |clock: &Clock, step| clock.due_at(Regime::Dora, step).unwrap();
        assert_eq!(due(&clock, Step::First), at("2026-01-10T14:00:00Z"));
        clock.aware_at = at("2026-01-09T12:00:00Z");
        assert_eq!(due(&clock, Step::First), at("2026-01-10T12:00:00Z"));
        clock.aware_at = at("2026-01-08T12:00:00Z");
        assert_eq!(due(&clock, Step::First), at("2026-01-10T14:00:00Z"));
        clock
            .given
            .insert(Step::First, given("2026-01-10T11:00:00Z"));
        assert_eq!(due(&clock, Step::Second), at("2026-01-13T11:00:00Z"));
        assert_eq!(due(&clock, Step::Last), at("2026-02-13T11:00:00Z"));
    }

    #[test]
    fn gdpr_has_one_step_and_a_stopped_clock_none() {
        let mut clock = clock("2026-01-10T10:00:00Z");
        let gdpr = Regime::Gdpr;
        assert_eq!(
            clock.due_at(gdpr, Step::First),
            Some(at("2026-01-13T10:00:00Z"))
        );
        assert_eq!(clock.due_at(gdpr, Step::Last), None);
        assert!(clock.runs(gdpr));
        let nudges: Vec<_> = clock.nudges(gdpr).collect();
        let soon = (at("2026-01-12T16:00:00Z"), Step::First, Nudge::Soon);
        let late = (at("2026-01-13T10:00:00Z"), Step::First, Nudge::Late);
        assert_eq!(nudges, [soon, late]);
        clock.stopped = Some(Stopped {
            at: at("2026-01-11T10:00:00Z"),
            by: "operator:ana".into(),
            reason: "no personal data".into(),
        });
        assert!(!clock.runs(gdpr));
        assert_eq!(clock.nudges(gdpr).count(), 0);
    }
}
