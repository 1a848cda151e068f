//! Asks at a time of day whether what must hold does, and some time before as a rehearsal.
//!
//! It only says that the time has come; what must hold, and whether it does, is the core's
//! to judge. A time that came while Evenkeel did not run is asked late rather than never,
//! but not when customers have long been there: after [`LATE_MAX`] the answer helps nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::action::{Action, ActionKind, Outcome};
use evenkeel_core::ids::ReadinessId;
use evenkeel_core::observation::{ReadinessDue, Seen};
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan};
use tokio::sync::watch;

use crate::guard::{BoxFuture, Guard, Performed, Watchlist};
use crate::outlet::Outlet;

/// How often the clock is looked at: looking, and not one long sleep, because a clock that
/// is set would make the sleep wrong.
const TICK: Duration = Duration::from_millis(500);

/// How late it is still asked.
const LATE_MAX: SignedDuration = SignedDuration::from_hours(1);

/// When something must hold.
#[derive(Debug, Clone)]
pub struct ReadinessSpec {
    /// Which.
    pub id: ReadinessId,
    /// The time of day.
    pub at: Time,
    /// The zone it is meant in.
    pub zone: TimeZone,
    /// Days of the week.
    pub days: BTreeSet<Weekday0>,
    /// Dates on which it is not asked: holidays.
    pub except: BTreeSet<Date>,
    /// How long before it is rehearsed; zero for not at all.
    pub rehearsal: Duration,
}

/// A day of the week, Monday zero: in an order, so that a set can hold it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weekday0(i8);

impl From<Weekday> for Weekday0 {
    fn from(day: Weekday) -> Self {
        Self(day.to_monday_zero_offset())
    }
}

impl ReadinessSpec {
    /// What to ask at `now`: the newest time that has come and is not too long ago, and the
    /// next one, once its rehearsal is due.
    pub fn due(&self, now: Timestamp) -> Vec<ReadinessDue> {
        let today = self.zone.to_datetime(now).date();
        let rehearsal = SignedDuration::try_from(self.rehearsal).unwrap_or_default();
        let days = [
            today.checked_sub(1.day()),
            Ok(today),
            today.checked_add(1.day()),
        ];
        let times = days
            .into_iter()
            .flatten()
            .filter(|day| self.days.contains(&day.weekday().into()) && !self.except.contains(day))
            .filter_map(|day| self.zone.to_timestamp(day.to_datetime(self.at)).ok());
        times
            .filter_map(|due_at| {
                let late = now.duration_since(due_at);
                let rehearses = late.is_negative();
                let is_due = if rehearses {
                    -late <= rehearsal
                } else {
                    late <= LATE_MAX
                };
                is_due.then(|| ReadinessDue {
                    readiness: self.id.clone(),
                    due_at,
                    rehearsal: rehearses,
                })
            })
            .collect()
    }
}

/// See the module.
pub struct Readiness {
    specs: Vec<ReadinessSpec>,
}

impl Readiness {
    /// The guard of these.
    pub fn new(specs: Vec<ReadinessSpec>) -> Self {
        Self { specs }
    }
}

impl Guard for Readiness {
    fn name(&self) -> &'static str {
        "readiness"
    }

    fn observe(
        self: Arc<Self>,
        outlet: Outlet,
        _watchlist: watch::Receiver<Arc<Watchlist>>,
    ) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            // The core takes each time once; told once by each process is enough.
            let mut told: BTreeMap<(ReadinessId, bool), Timestamp> = BTreeMap::new();
            let mut tick = tokio::time::interval(TICK);
            tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tick.tick().await;
                let now = Timestamp::now();
                for due in self.specs.iter().flat_map(|spec| spec.due(now)) {
                    let key = (due.readiness.clone(), due.rehearsal);
                    if told.insert(key, due.due_at) == Some(due.due_at) {
                        continue;
                    }
                    if !outlet.fact(Seen::ReadinessDue(due)).await {
                        return;
                    }
                }
            }
        })
    }

    fn performs(&self) -> &'static [ActionKind] {
        &[]
    }

    fn perform<'a>(&'a self, _action: &'a Action) -> BoxFuture<'a, Performed> {
        Box::pin(async {
            Performed {
                outcome: Outcome::Refused("readiness only asks".into()),
                evidence: None,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    fn spec() -> ReadinessSpec {
        use Weekday::{Friday, Monday, Thursday, Tuesday, Wednesday};
        let working = [Monday, Tuesday, Wednesday, Thursday, Friday];
        ReadinessSpec {
            id: "morning".into(),
            at: "06:00".parse().expect("a time"),
            zone: TimeZone::get("Europe/Amsterdam").expect("a zone"),
            days: working.into_iter().map(Into::into).collect(),
            except: ["2026-12-25".parse().expect("a date")].into(),
            rehearsal: Duration::from_secs(1800),
        }
    }

    /// What is asked: `due` or `rehearsal`, and for when.
    fn asked(now: &str) -> Vec<(&'static str, String)> {
        let due = spec().due(at(now));
        due.into_iter()
            .map(|due| {
                let how = if due.rehearsal { "rehearsal" } else { "due" };
                (how, due.due_at.to_string())
            })
            .collect()
    }

    #[test]
    fn it_is_rehearsed_before_and_asked_at_its_time_on_working_days() {
        let nothing: Vec<(&str, String)> = Vec::new();
        let six = |how, day: &str| vec![(how, format!("{day}T05:00:00Z"))];
        for (now, expected) in [
            // Monday in winter: 06:00 is 05:00 UTC.
            ("2026-11-23T04:29:59Z", nothing.clone()),
            ("2026-11-23T04:30:00Z", six("rehearsal", "2026-11-23")),
            ("2026-11-23T04:59:59Z", six("rehearsal", "2026-11-23")),
            ("2026-11-23T05:00:00Z", six("due", "2026-11-23")),
            // Started late: still asked within the hour, not at noon.
            ("2026-11-23T05:59:00Z", six("due", "2026-11-23")),
            ("2026-11-23T06:30:00Z", nothing.clone()),
            // A Saturday, and a holiday on a Friday.
            ("2026-11-21T05:00:00Z", nothing.clone()),
            ("2026-12-25T05:00:00Z", nothing),
        ] {
            assert_eq!(asked(now), expected, "{now}");
        }
    }

    #[test]
    fn it_keeps_wall_clock_time_through_the_change() {
        // The Monday after the change to summer time.
        assert_eq!(
            asked("2026-03-30T04:00:00Z"),
            [("due", "2026-03-30T04:00:00Z".to_owned())]
        );
    }

    #[test]
    fn a_time_just_after_midnight_is_rehearsed_on_the_day_before() {
        let early = ReadinessSpec {
            at: "00:10".parse().expect("a time"),
            ..spec()
        };
        // Sunday evening, for Monday.
        let due = early.due(at("2026-11-22T22:50:00Z"));
        assert_eq!(due.len(), 1);
        assert!(due[0].rehearsal && due[0].due_at == at("2026-11-22T23:10:00Z"));
    }

    #[tokio::test]
    async fn each_time_is_told_once() {
        let mut daily = spec();
        let now = Timestamp::now().to_zoned(daily.zone.clone());
        daily.at = now.time();
        daily.days = (0..7).map(Weekday0).collect();
        daily.except.clear();
        let (sender, mut queue) = tokio::sync::mpsc::channel(8);
        let guard = Arc::new(Readiness::new(vec![daily]));
        let (_list, list) = watch::channel(Arc::new(Watchlist::default()));
        let observing = tokio::spawn(guard.observe(Outlet::new("readiness".into(), sender), list));
        let first = queue.recv().await.expect("asked");
        assert!(matches!(first.seen, Seen::ReadinessDue(due) if !due.rehearsal));
        // Three looks at the clock later nothing more was told.
        let more = tokio::time::timeout(TICK * 3, queue.recv()).await;
        assert!(more.is_err(), "{more:?}");
        observing.abort();
    }
}
