//! Tells when slots come due, and when products must be there.
//!
//! It knows from the record which slot and which due time were told last, so that a
//! restart tells neither twice, and one that came due meanwhile is told late rather than
//! never. A job nobody has heard of before begins with its next slot: installing
//! Evenkeel at noon does not start last night's export.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::ids::JobId;
use evenkeel_core::observation::{ProductDue, ScheduleDue, Seen};
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, ToSpan};
use tokio::sync::watch::Receiver;
use tokio::time::Instant;

use super::JobSpec;
use super::schedule::Schedule;
use crate::guard::Watchlist;
use crate::outlet::Outlet;

/// How often the clock is looked at: a slot is at most this late. Looking, and not one
/// long sleep, because a clock that is set would make the sleep wrong.
const TICK: Duration = Duration::from_millis(500);

/// How long the record may take to know what was told before it is told again.
const AGAIN: Duration = Duration::from_secs(10);

/// Tells slots and due times for ever; returns when nobody listens any more.
pub(super) async fn tell(
    jobs: Vec<Arc<JobSpec>>,
    outlet: Outlet,
    watchlist: Receiver<Arc<Watchlist>>,
) {
    let since = Timestamp::now();
    let mut told = Told::default();
    let mut quiet = Quiet::default();
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let now = Timestamp::now();
        let list = watchlist.borrow().clone();
        for job in &jobs {
            let last = list.last_slots.get(&job.id).copied().unwrap_or(since);
            let schedule = job.schedule.as_ref();
            if let Some(scheduled_at) =
                schedule.and_then(|schedule| quiet.due(&job.id, schedule, last, now))
            {
                let job = job.id.clone();
                let seen = Seen::ScheduleDue(ScheduleDue { job, scheduled_at });
                if !told.once(&outlet, scheduled_at, seen).await {
                    return;
                }
            }
            let Some(due) = &job.due else {
                continue;
            };
            let last = list.last_due.get(&job.id).copied().unwrap_or(since);
            if let Some(due_at) = due.newest(last, now) {
                let seen = Seen::ProductDue(ProductDue {
                    job: job.id.clone(),
                    due_at,
                    fresh_since: due_at - due.fresh_within,
                });
                if !told.once(&outlet, due_at, seen).await {
                    return;
                }
            }
        }
    }
}

/// What was told and is not in the record yet.
#[derive(Default)]
struct Told(BTreeMap<(JobId, bool), (Timestamp, Instant)>);

impl Told {
    /// Tells `seen` unless the same was told a moment ago; false when nobody listens.
    async fn once(&mut self, outlet: &Outlet, at: Timestamp, seen: Seen) -> bool {
        let key = match &seen {
            Seen::ScheduleDue(due) => (due.job.clone(), false),
            Seen::ProductDue(due) => (due.job.clone(), true),
            _ => return true,
        };
        let known = self.0.get(&key);
        if known.is_some_and(|(known, told)| *known == at && told.elapsed() < AGAIN) {
            return true;
        }
        self.0.insert(key, (at, Instant::now()));
        outlet.fact(seen).await
    }
}

/// Until when nothing comes due, by job: finding a schedule's next slot walks a calendar,
/// and the clock is looked at twice a second.
#[derive(Default)]
struct Quiet(BTreeMap<JobId, Stretch>);

/// From `from` and before `until` nothing is due, where `last` was taken last.
struct Stretch {
    last: Timestamp,
    from: Timestamp,
    until: Timestamp,
}

impl Quiet {
    /// What [`Schedule::due`] says, asked only where it may have changed: a slot that is
    /// not offered now is offered less later, until the next one comes. A clock set back
    /// ends the stretch.
    fn due(
        &mut self,
        job: &JobId,
        schedule: &Schedule,
        last: Timestamp,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let known = self.0.get(job);
        if known.is_some_and(|known| known.last == last && known.from <= now && now < known.until) {
            return None;
        }
        let due = schedule.due(last, now);
        match schedule.next(now).filter(|_| due.is_none()) {
            Some(until) => {
                let from = now;
                self.0.insert(job.clone(), Stretch { last, from, until });
            }
            None => {
                self.0.remove(job);
            }
        }
        due
    }
}

/// By when a job's product must be there, every day.
#[derive(Debug, Clone)]
pub struct Due {
    /// The time of day.
    pub at: Time,
    /// The zone it is meant in.
    pub zone: TimeZone,
    /// A product older than this at that time is an old one.
    pub fresh_within: SignedDuration,
}

impl Due {
    /// The newest due time after `last` and not after `now`.
    pub fn newest(&self, last: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let today = self.zone.to_datetime(now).date();
        [today, today.checked_sub(1.day()).ok()?]
            .into_iter()
            .filter_map(|day| self.zone.to_timestamp(day.to_datetime(self.at)).ok())
            .find(|due| *due <= now)
            .filter(|due| *due > last)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SCHEDULES: [(&str, &str); 8] = [
        ("*/5 * * * *", "UTC"),
        ("0 */6 * * *", "Europe/Amsterdam"),
        ("30 2 * * *", "Europe/Amsterdam"),
        ("*/20 1-3 * * *", "Europe/Amsterdam"),
        // A jump of half an hour, which puts slots out of their order.
        ("10,35 2 * * *", "Australia/Lord_Howe"),
        ("15 23 * * sun", "America/New_York"),
        ("0 0 29 2 *", "UTC"),
        ("* * * * *", "UTC"),
    ];

    proptest! {
        #[test]
        fn what_is_remembered_answers_as_the_schedule_does(
            which in 0..SCHEDULES.len(),
            // The days around changes of the clock in both halves of the world.
            day in 0..400_i64,
            steps in prop::collection::vec(
                (prop_oneof![0..90_i64, -7200..7200_i64, -200_000..200_000_i64], 0..4_u8),
                1..40,
            ),
        ) {
            let (cron, zone) = SCHEDULES[which];
            let schedule = Schedule::parse(cron, zone).expect("a schedule");
            let job = JobId::from("export");
            let mut quiet = Quiet::default();
            let start = Timestamp::from_second(1_767_225_600).expect("a time");
            let mut now = start + SignedDuration::from_hours(24 * day);
            let mut last = now;
            for (step, take) in steps {
                now += SignedDuration::from_secs(step);
                let due = quiet.due(&job, &schedule, last, now);
                prop_assert_eq!(due, schedule.due(last, now), "last {} now {}", last, now);
                if let Some(due) = due.filter(|_| take > 0) {
                    last = due;
                }
            }
        }
    }

    #[test]
    fn a_due_time_is_told_once_a_day_by_the_wall_clock() {
        let due = Due {
            at: "06:00".parse().expect("a time"),
            zone: TimeZone::get("Europe/Amsterdam").expect("a zone"),
            fresh_within: SignedDuration::from_hours(20),
        };
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let last = at("2026-03-28T05:00:00Z");
        // 06:00 CEST on the day of the change is 04:00 UTC.
        assert_eq!(due.newest(last, at("2026-03-29T03:59:59Z")), None);
        let told = at("2026-03-29T04:00:00Z");
        assert_eq!(due.newest(last, at("2026-03-29T04:00:00Z")), Some(told));
        assert_eq!(due.newest(told, at("2026-03-29T23:00:00Z")), None);
        // Three days nobody watched: the newest one.
        assert_eq!(
            due.newest(last, at("2026-04-01T12:00:00Z")),
            Some(at("2026-04-01T04:00:00Z"))
        );
    }
}
