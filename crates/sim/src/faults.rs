//! Faults: when they come, and when they stop.
//!
//! Time goes in chapters: first trouble, in which everything may fail and safety is
//! checked; then peace, in which nothing fails any more and everything that was begun has
//! to come to an end.

use crate::clock::{HOUR, MINUTE, Ms, SECOND};
use crate::sim::{Happening, Sim};

/// How long a chapter's trouble lasts.
const TROUBLE: Ms = 100 * MINUTE;
/// How long peace lasts: the longest period of a job, its longest run, and the time an
/// incident takes to settle, twice over.
pub(crate) const PEACE: Ms = 45 * MINUTE;

/// What can go wrong at present.
#[derive(Debug, Clone)]
pub(crate) struct Weather {
    pub(crate) troubled: bool,
    pub(crate) since: Ms,
    pub(crate) lost_pct: u8,
    /// How far the observers' clocks are off.
    pub(crate) skew: Ms,
    /// The program dies at the next such place.
    pub(crate) dies: Option<&'static str>,
    pub(crate) dies_after_effect: bool,
}

impl Default for Weather {
    fn default() -> Self {
        Self {
            troubled: true,
            since: 0,
            lost_pct: 4,
            skew: 0,
            dies: None,
            dies_after_effect: false,
        }
    }
}

impl Sim {
    pub(crate) fn trouble(&mut self) {
        self.note(|| "world: trouble".into());
        self.weather = Weather {
            troubled: true,
            since: self.t,
            lost_pct: *self.rng.choice(&[0, 4, 15]).unwrap_or(&4),
            skew: self.rng.i64(-400..400),
            ..Weather::default()
        };
        self.oracle.weather(true, self.t);
        self.at(self.t + TROUBLE, Happening::Peace);
    }

    pub(crate) fn peace(&mut self) {
        self.note(|| "world: peace".into());
        self.weather = Weather {
            troubled: false,
            since: self.t,
            lost_pct: 0,
            skew: self.weather.skew,
            dies: None,
            dies_after_effect: false,
        };
        self.oracle.weather(false, self.t);
        self.journal.refuses_until = 0;
        self.journal.doubt_next = false;
        for db in self.world.dbs.values_mut() {
            if db.unreachable.take().is_some() {
                db.reachable_since = self.t;
            }
            db.crowd = 20;
        }
        for job in self.world.jobs.values_mut() {
            job.product_unreachable = false;
        }
        self.end_scenes();
        self.calm_runs();
        self.at(self.t + PEACE, Happening::PeaceIsOver);
    }

    /// Something goes wrong, or something new begins.
    pub(crate) fn event_of_the_world(&mut self) {
        let troubled = self.weather.troubled;
        let next = match troubled {
            true => self.rng.i64(10 * SECOND..3 * MINUTE),
            false => self.rng.i64(2 * MINUTE..6 * MINUTE),
        };
        self.at(self.t + next, Happening::SomethingHappens);
        // The last quarter of an hour of peace is for what was begun to end.
        if !troubled {
            if self.t - self.weather.since < PEACE - 25 * MINUTE {
                self.begin_scene();
            }
            return;
        }
        match self.rng.u8(..100) {
            0..45 => self.begin_scene(),
            45..57 => self.crash_sometime(),
            57..65 => {
                let lasts = match self.rng.u8(..4) {
                    0 => self.rng.i64(MINUTE..3 * MINUTE),
                    _ => self.rng.i64(200..10 * SECOND),
                };
                self.journal.refuses_until = self.t + lasts;
                self.note(|| format!("world: the journal refuses for {lasts} ms"));
            }
            65..69 => self.journal.doubt_next = true,
            69..76 => self.blinds(),
            76..81 => self.sets_clock(),
            81..86 => {
                let crowd = self.rng.u32(20..95);
                let ids: Vec<_> = self.world.dbs.keys().cloned().collect();
                if let Some(db) = self
                    .rng
                    .choice(&ids)
                    .and_then(|id| self.world.dbs.get_mut(id))
                {
                    db.crowd = crowd;
                }
            }
            86..91 => {
                let unreachable = self.rng.bool();
                for job in self.world.jobs.values_mut() {
                    job.product_unreachable = unreachable;
                }
            }
            _ => {}
        }
    }

    fn crash_sometime(&mut self) {
        match self.rng.u8(..4) {
            0 => self.crash("in the middle of nothing"),
            1 => self.weather.dies = Some("before the append"),
            2 => self.weather.dies = Some("after the append"),
            _ => self.weather.dies_after_effect = true,
        }
    }

    /// Whether the program dies at this place of its turn.
    pub(crate) fn dies_here(&mut self, place: &'static str) -> bool {
        if self.weather.dies != Some(place) {
            return false;
        }
        self.weather.dies = None;
        self.crash(place);
        true
    }

    pub(crate) fn crash(&mut self, place: &'static str) {
        self.marks.hit(&format!("a crash {place}"));
        self.note(|| format!("program: dies {place}"));
        self.epoch += 1;
        self.pump = None;
        let back = match self.rng.u8(..10) {
            0 => self.rng.i64(MINUTE..20 * MINUTE),
            1..4 => self.rng.i64(SECOND..MINUTE),
            _ => self.rng.i64(50..SECOND),
        };
        self.at(self.t + back, Happening::Starts);
    }

    fn blinds(&mut self) {
        let ids: Vec<_> = self.world.dbs.keys().cloned().collect();
        let Some(id) = self.rng.choice(ids) else {
            return;
        };
        let lasts = match self.rng.u8(..3) {
            0 => self.rng.i64(MINUTE..6 * MINUTE),
            _ => self.rng.i64(SECOND..30 * SECOND),
        };
        self.note(|| format!("world: {id} cannot be reached for {lasts} ms"));
        let t = self.t;
        if let Some(db) = self.world.dbs.get_mut(&id) {
            db.unreachable = Some("connection refused".into());
            db.unreachable_since = t;
            self.at(t + lasts, Happening::Reachable(id));
        }
    }

    fn sets_clock(&mut self) {
        let by = match self.rng.u8(..4) {
            0 => self.rng.i64(-900..900),
            1 => self.rng.i64(-40 * SECOND..40 * SECOND),
            2 => self.rng.i64(-5 * MINUTE..5 * MINUTE),
            // Backwards less far: slots of the schedule are offered once, so that nothing
            // starts until the clock is where it was.
            _ => self.rng.i64(0..HOUR),
        };
        self.note(|| format!("world: the clock is set by {by} ms"));
        self.marks.hit(if by > 0 {
            "the clock jumps forwards"
        } else {
            "the clock jumps backwards"
        });
        self.clock.set(self.t, by);
    }
}
