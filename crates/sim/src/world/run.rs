//! A run as it really is: what its processes do, and when they last moved.

use evenkeel_core::Timestamp;
use evenkeel_core::ids::{DatabaseId, JobId, RunId};
use evenkeel_core::observation::{Exit, Origin, RunProgress};

use crate::clock::{MINUTE, Ms, SECOND};

/// What a run will do, if nobody interferes.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) kind: Kind,
    /// Between two movements that can be seen from outside; `None` where all its work is
    /// done by its database session.
    pub(crate) every: Option<Ms>,
    /// When it stops moving, after it began.
    pub(crate) stops: Option<Ms>,
    /// When it moves again, after it began.
    pub(crate) resumes: Option<Ms>,
    /// When it ends by itself, and how.
    pub(crate) ends: Option<(Ms, Exit)>,
    /// It does not go when asked politely.
    pub(crate) stubborn: bool,
    /// It cannot be killed before this, after it began.
    pub(crate) undying: Option<Ms>,
    /// The database it keeps a session in.
    pub(crate) database: Option<DatabaseId>,
    /// It comes to hold a lock others wait for.
    pub(crate) locks: bool,
    /// What it leaves when it ends well.
    pub(crate) leaves: Leaves,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Works, and is done within its usual time.
    Honest,
    /// Works steadily, for much longer than usual.
    Long,
    /// Moves rarely, but does.
    Slow,
    /// Only its database session works.
    InDatabase,
    /// Stops moving.
    Hung,
    /// Stops moving, and moves again much later.
    Pausing,
    /// Ends with an error.
    Crashing,
    /// Moves and never ends.
    Endless,
    /// Is gone without anybody seeing how.
    Vanishing,
}

impl Plan {
    /// Of a run that never did anything.
    pub(crate) fn nothing() -> Self {
        Self {
            kind: Kind::Vanishing,
            every: Some(SECOND),
            stops: None,
            resumes: None,
            ends: None,
            stubborn: false,
            undying: None,
            database: None,
            locks: false,
            leaves: Leaves::Nothing,
        }
    }
}

/// What a run leaves when it ends well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaves {
    Whole,
    Empty,
    Short,
    Nothing,
    /// Whole, so much later.
    Late(Ms),
}

#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) id: RunId,
    pub(crate) job: JobId,
    pub(crate) scheduled_at: Timestamp,
    pub(crate) origin: Origin,
    pub(crate) began: Ms,
    pub(crate) started_at: Timestamp,
    pub(crate) plan: Plan,
    pub(crate) ended: Option<Ended>,
    /// When its session was ended under it, and it will not move again.
    pub(crate) broken: Option<Ms>,
    /// The journal has its end; it is not told again.
    pub(crate) reported: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Ended {
    pub(crate) t: Ms,
    pub(crate) at: Timestamp,
    pub(crate) exit: Exit,
}

impl Run {
    pub(crate) fn is_alive(&self) -> bool {
        self.ended.is_none()
    }

    fn until(&self, t: Ms) -> Ms {
        let end = self.ended.as_ref().map_or(t, |ended| ended.t);
        t.min(end).min(self.broken.unwrap_or(t))
    }

    /// How long it has worked until `t`, pauses left out.
    fn worked(&self, t: Ms) -> Ms {
        let lived = self.until(t) - self.began;
        match (self.plan.stops, self.plan.resumes) {
            (Some(stops), _) if lived <= stops => lived,
            (Some(stops), Some(resumes)) if lived > resumes => stops + lived - resumes,
            (Some(stops), _) => stops,
            (None, _) => lived,
        }
    }

    /// When it last moved before `t`, in true time.
    pub(crate) fn moved_at(&self, t: Ms) -> Ms {
        let Some(every) = self.plan.every else {
            return self.until(t);
        };
        let moved = self.worked(t) / every * every;
        let pause = match (self.plan.stops, self.plan.resumes) {
            (Some(stops), Some(resumes)) if moved > stops => resumes - stops,
            _ => 0,
        };
        self.began + moved + pause
    }

    pub(crate) fn progress(&self, t: Ms) -> RunProgress {
        let steps = match self.plan.every {
            Some(every) => (self.worked(t) / every) as u64,
            None => 0,
        };
        RunProgress {
            run: self.id.clone(),
            // A waiting runtime's timers: below one percent of a core.
            cpu_ms: ((t - self.began) / 500) as u64,
            io_bytes: steps * 4096,
            output_bytes: 100,
            reports: 0,
            processes: 2,
        }
    }
}

/// What a run of a job with such limits does.
pub(crate) fn plan(
    rng: &mut fastrand::Rng,
    troubled: bool,
    limits: &Limits,
    database: Option<&DatabaseId>,
) -> Plan {
    let usual = limits.period / 4;
    let honest = Plan {
        kind: Kind::Honest,
        every: Some(2 * SECOND),
        stops: None,
        resumes: None,
        ends: Some((rng.i64(usual / 4..usual), Exit::Code(0))),
        stubborn: rng.u8(..4) == 0,
        undying: None,
        database: database.filter(|_| rng.bool()).cloned(),
        locks: false,
        leaves: Leaves::Whole,
    };
    if !troubled {
        return honest;
    }
    let never = || Plan {
        ends: None,
        ..honest.clone()
    };
    match rng.u8(..100) {
        0..25 => Plan {
            leaves: match rng.u8(..12) {
                0 => Leaves::Empty,
                1 => Leaves::Short,
                2 => Leaves::Nothing,
                3 => Leaves::Late(rng.i64(MINUTE..limits.period)),
                _ => Leaves::Whole,
            },
            ..honest
        },
        25..33 => Plan {
            kind: Kind::Long,
            ends: Some((limits.deadline * 9 / 10, Exit::Code(0))),
            locks: rng.u8(..4) == 0,
            database: database.cloned(),
            ..honest
        },
        33..43 => Plan {
            kind: Kind::Slow,
            every: Some(limits.stall / 2),
            ends: Some((limits.deadline * 8 / 10, Exit::Code(0))),
            ..honest
        },
        43..50 if database.is_some() => Plan {
            kind: Kind::InDatabase,
            every: None,
            database: database.cloned(),
            ends: Some((limits.deadline * 7 / 10, Exit::Code(0))),
            ..honest
        },
        50..70 => Plan {
            kind: Kind::Hung,
            stops: Some(rng.i64(SECOND..usual)),
            undying: (rng.u8(..8) == 0).then(|| rng.i64(10 * MINUTE..40 * MINUTE)),
            locks: rng.u8(..2) == 0,
            database: database.cloned(),
            ..never()
        },
        70..76 => Plan {
            kind: Kind::Pausing,
            stops: Some(rng.i64(SECOND..usual)),
            resumes: Some(usual + limits.stall + rng.i64(SECOND..MINUTE)),
            ends: Some((limits.deadline * 9 / 10, Exit::Code(0))),
            ..honest
        },
        76..90 => Plan {
            kind: Kind::Crashing,
            ends: Some((rng.i64(100..usual), Exit::Code(3))),
            ..honest
        },
        90..95 => Plan {
            kind: Kind::Endless,
            ..never()
        },
        _ => Plan {
            kind: Kind::Vanishing,
            ends: Some((rng.i64(SECOND..usual), Exit::Lost)),
            ..honest
        },
    }
}

/// What a job's policy says of its runs, in true milliseconds.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    pub(crate) period: Ms,
    pub(crate) stall: Ms,
    pub(crate) deadline: Ms,
}
