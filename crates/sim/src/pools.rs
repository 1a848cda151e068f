//! Pools of instances as they really are: what fills up in each, or only looks as if it
//! did, which of them answer, and how many requests come.
//!
//! Numbers are whole and drawn from the seed, so that a world is the same everywhere.

use std::collections::BTreeMap;

use evenkeel_core::authority::Mode;
use evenkeel_core::ids::{InstanceId, PoolId};
use evenkeel_core::observation::{Level, Levels, QuietWindow, Resource, Seen};
use evenkeel_core::subject::Subject;

use crate::canary::Canary;
use crate::sim::{Happening, Sim};
use crate::{HOUR, MINUTE, Ms, SECOND, at};

/// A pool, and what may be done to it.
pub(crate) struct PoolSort {
    pub(crate) pool: &'static str,
    pub(crate) instances: usize,
    pub(crate) recycle: Mode,
    /// Requests a second.
    pub(crate) rate: u64,
    /// Its routes, the components they belong to, and whether they are shed first.
    pub(crate) routes: &'static [(&'static str, &'static str, bool)],
}

pub(crate) const POOLS: &[PoolSort] = &[
    PoolSort {
        pool: "solo",
        instances: 1,
        recycle: Mode::Act,
        rate: 3,
        routes: &[],
    },
    PoolSort {
        pool: "pair",
        instances: 2,
        recycle: Mode::Act,
        rate: 20,
        routes: &[("shop", "shop", false)],
    },
    PoolSort {
        pool: "desk",
        instances: 3,
        recycle: Mode::Propose,
        rate: 15,
        routes: &[("desk", "desk", false)],
    },
    PoolSort {
        pool: "wide",
        instances: 4,
        recycle: Mode::Act,
        rate: 60,
        routes: &[("search", "search", true), ("pay", "pay", false)],
    },
    PoolSort {
        pool: "seen",
        instances: 2,
        recycle: Mode::Watch,
        rate: 5,
        routes: &[],
    },
];

/// The one instance that nobody has said how to restart.
pub(crate) const NOT_OURS: &str = "wide-4";

/// The pool and the instance with which it is shown, without faults, that a leak is ended
/// in time.
pub(crate) const PROBED: (&str, &str) = ("pair", "pair-1");

const MIB: u64 = 1 << 20;
const LIMIT: u64 = 1_000 * MIB;
/// What a process has when it begins.
const BASE: u64 = 200 * MIB;
const NOISE: u64 = 4 * MIB;

/// Between two pictures of what fills up.
const LEVELS_EVERY: Ms = 30 * SECOND;
/// How long one that is back gets a growing share.
const SLOW_START: Ms = 15 * SECOND;

/// The instances of a pool.
pub(crate) fn instances(sort: &PoolSort) -> impl Iterator<Item = InstanceId> {
    let pool = sort.pool;
    (1..=sort.instances).map(move |n| InstanceId::from(format!("{pool}-{n}")))
}

/// What becomes of a process's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fill {
    Flat,
    /// It leaks, whatever comes, and is full after so long.
    ByTime(Ms),
    /// It leaks with each request, and is full after so many.
    ByRequests(u64),
    /// A collector lets it grow, and comes.
    Saw {
        period: Ms,
        height: u64,
    },
    /// A cache fills, ever slower, and stays.
    Cache {
        half: Ms,
        height: u64,
    },
    /// Something large is loaded once.
    Step {
        after: Ms,
        height: u64,
    },
}

impl Fill {
    pub(crate) fn leaks(self) -> bool {
        matches!(self, Self::ByTime(_) | Self::ByRequests(_))
    }

    fn word(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::ByTime(_) => "leak by time",
            Self::ByRequests(_) => "leak by requests",
            Self::Saw { .. } => "saw",
            Self::Cache { .. } => "cache",
            Self::Step { .. } => "step",
        }
    }

    fn used(self, age: Ms, requests: u64) -> u64 {
        let share = |of: u64, part: u64, whole: u64| {
            let whole = u128::from(whole.max(1));
            u64::try_from(u128::from(of) * u128::from(part) / whole).unwrap_or(of)
        };
        let (left, age) = (LIMIT - BASE, age.unsigned_abs());
        match self {
            Self::Flat => 0,
            Self::ByTime(full) => share(left, age, full.unsigned_abs()),
            Self::ByRequests(full) => share(left, requests, full),
            Self::Saw { period, height } => {
                let period = period.unsigned_abs().max(1);
                share(height, age % period, period)
            }
            // What is missing halves with each `half`, in straight pieces.
            Self::Cache { half, height } => {
                let half = half.unsigned_abs().max(1);
                let missing = height >> (age / half).min(60);
                height - missing + share(missing / 2, age % half, half)
            }
            Self::Step { after, height } => match age >= after.unsigned_abs() {
                true => height,
                false => 0,
            },
        }
    }
}

/// An instance, as it really is.
#[derive(Debug, Clone)]
pub(crate) struct Instance {
    pub(crate) started: Ms,
    pub(crate) fill: Fill,
    requests: u64,
    /// What a restart does not free: it is shared with a parent that lives on.
    kept: u64,
    pinned: bool,
    /// It does not answer before.
    pub(crate) answers_from: Ms,
    /// It failed requests, and the edge lets it rest.
    pub(crate) ejected_until: Ms,
    /// When it is ended for taking too much, once it is full.
    dies_at: Option<Ms>,
    /// What was under way when it was last drained has ended.
    pub(crate) idle_from: Ms,
    /// Requests of late, for the next window.
    pub(crate) counted: u32,
    /// When it was last seen to serve.
    pub(crate) served_at: Ms,
}

impl Instance {
    pub(crate) fn answers(&self, now: Ms) -> bool {
        now >= self.answers_from
    }

    pub(crate) fn starts_slowly(&self, now: Ms) -> bool {
        now - self.answers_from < SLOW_START
    }

    /// Whether there is nothing that a restart could mend.
    pub(crate) fn is_healthy(&self) -> bool {
        !self.fill.leaks() && self.kept == 0
    }

    fn used(&self, now: Ms) -> u64 {
        let used = BASE + self.kept + self.fill.used(now - self.started, self.requests);
        used.min(LIMIT)
    }
}

/// A pool, as it really is.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    pub(crate) instances: BTreeMap<InstanceId, Instance>,
    /// So many of a hundred requests fail, until when.
    pub(crate) fails_pct: u32,
    pub(crate) fails_until: Ms,
    /// More comes than it can take, until when; and whether it is turned away or waits.
    pub(crate) overloaded_until: Ms,
    pub(crate) waits: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Pools {
    pub(crate) all: BTreeMap<PoolId, Pool>,
    lived_at: Ms,
    levels_told: Ms,
    quiet_told: Ms,
}

impl Sim {
    /// Every instance begins.
    pub(crate) fn begin_pools(&mut self) {
        self.pools.quiet_told = -HOUR;
        for sort in POOLS {
            let mut pool = Pool::default();
            for id in instances(sort) {
                let fill = self.draw_fill(sort.rate / sort.instances as u64);
                let instance = Instance {
                    started: 0,
                    fill,
                    requests: 0,
                    kept: 0,
                    pinned: false,
                    answers_from: 0,
                    ejected_until: 0,
                    dies_at: None,
                    idle_from: 0,
                    counted: 0,
                    served_at: 0,
                };
                pool.instances.insert(id, instance);
            }
            self.pools.all.insert(sort.pool.into(), pool);
        }
    }

    /// What a process that begins now will do. `rate` requests a second come to it.
    fn draw_fill(&mut self, rate: u64) -> Fill {
        if !self.faults {
            return Fill::Flat;
        }
        let height = self.rng.u64(100..500) * MIB;
        match self.rng.u32(..100) {
            0..25 => Fill::ByTime(self.rng.i64(40 * MINUTE..5 * HOUR)),
            25..45 => {
                let lasts = self.rng.i64(40 * MINUTE..5 * HOUR) / SECOND;
                Fill::ByRequests(rate.max(1) * lasts.unsigned_abs())
            }
            45..57 => Fill::Saw {
                period: self.rng.i64(2 * MINUTE..20 * MINUTE),
                height,
            },
            57..69 => Fill::Cache {
                half: self.rng.i64(2 * MINUTE..15 * MINUTE),
                height,
            },
            69..79 => Fill::Step {
                after: self.rng.i64(MINUTE..2 * HOUR),
                height,
            },
            _ => Fill::Flat,
        }
    }

    /// A process is gone, and another begins: it answers after `after`.
    pub(crate) fn begin_process(&mut self, pool: &PoolId, id: &InstanceId, after: Ms) {
        let rate = POOLS.iter().find(|sort| *pool == sort.pool.into());
        let rate = rate.map_or(1, |sort| sort.rate / sort.instances as u64);
        let fill = self.draw_fill(rate);
        let now = self.now;
        let Some(instance) = self.instance(pool, id) else {
            return;
        };
        let kept = match instance.pinned {
            true => instance.used(now) - BASE,
            false => 0,
        };
        // What leaks is in the release: mostly it leaks again.
        let again = instance.fill.leaks() && fill.leaks();
        instance.fill = if again { instance.fill } else { fill };
        instance.kept = kept;
        instance.started = now;
        instance.requests = 0;
        instance.answers_from = now + after;
        instance.ejected_until = 0;
        instance.dies_at = None;
        let word = instance.fill.word();
        self.marks.hit(format!("began {word}"));
        self.trace
            .line(now, &format!("{id} begins as another process: {word}"));
    }

    pub(crate) fn instance(&mut self, pool: &PoolId, id: &InstanceId) -> Option<&mut Instance> {
        self.pools.all.get_mut(pool)?.instances.get_mut(id)
    }

    /// Time passes in every pool; requests come to what the edge uses.
    pub(crate) fn live_pools(&mut self) {
        let now = self.now;
        let span = (now - self.pools.lived_at).unsigned_abs();
        self.pools.lived_at = now;
        let mut die: Vec<(PoolId, InstanceId)> = Vec::new();
        for sort in POOLS {
            let id = PoolId::from(sort.pool);
            let in_use = self.in_use(&id);
            let held = self.edge.holds(&id);
            let Some(pool) = self.pools.all.get_mut(&id) else {
                continue;
            };
            // More by day than by night, in straight lines.
            let hour = (now / HOUR % 24 - 12).unsigned_abs();
            let came = if held {
                0
            } else {
                sort.rate * (16 - hour) * span / 16_000
            };
            for (name, instance) in &mut pool.instances {
                if in_use.contains(name) {
                    instance.served_at = now;
                    let of_it = came / in_use.len().max(1) as u64;
                    instance.requests += of_it;
                    let counted = u64::from(instance.counted) + of_it;
                    instance.counted = u32::try_from(counted).unwrap_or(u32::MAX);
                }
                if instance.used(now) < LIMIT {
                    instance.dies_at = None;
                    continue;
                }
                let lasts = self.rng.i64(MINUTE..4 * MINUTE);
                if now >= *instance.dies_at.get_or_insert(now + lasts) {
                    die.push((id.clone(), name.clone()));
                }
            }
        }
        for (pool, name) in die {
            self.marks.hit("ran full");
            if let Some(instance) = self.instance(&pool, &name) {
                instance.pinned = false;
            }
            let away = self.rng.i64(5 * SECOND..90 * SECOND);
            self.begin_process(&pool, &name, away);
        }
    }

    /// What fills up is looked at.
    pub(crate) fn tell_levels(&mut self) {
        let (now, offset) = (self.now, self.offset);
        if now - self.pools.levels_told < LEVELS_EVERY || !self.pump.up {
            return;
        }
        self.pools.levels_told = now;
        let counts_all = self.canary == Some(Canary::CountWhatWasFreed);
        let mut pictures = Vec::new();
        for pool in self.pools.all.values() {
            for (id, instance) in &pool.instances {
                let used = instance.used(now) + self.rng.u64(..NOISE);
                let age = (now - instance.started).unsigned_abs();
                // All that was ever taken, as if nothing had been given back.
                let used = match counts_all && !instance.fill.leaks() {
                    true => (BASE + MIB * age / 6_000).min(LIMIT),
                    false => used.min(LIMIT),
                };
                pictures.push(Levels {
                    of: Subject::Instance(id.clone()),
                    started_at: Some(at(instance.started + offset)),
                    release: None,
                    levels: vec![Level {
                        resource: Resource::Memory,
                        used,
                        limit: Some(LIMIT),
                    }],
                });
            }
        }
        if self.canary != Some(Canary::BlindToLevels) {
            for picture in pictures {
                self.tell(Seen::Levels(picture), false);
            }
        }
        if now - self.pools.quiet_told >= 10 * MINUTE {
            self.pools.quiet_told = now;
            let wall = now + offset;
            let night = wall - wall.rem_euclid(6 * HOUR);
            let from = if wall - night > HOUR {
                night + 6 * HOUR
            } else {
                night
            };
            let window = QuietWindow {
                pool: "pair".into(),
                from: at(from),
                until: at(from + HOUR),
            };
            self.tell(Seen::QuietWindow(window), true);
        }
    }

    /// Something happens to a pool, or to the edge.
    pub(crate) fn pool_episode(&mut self) {
        if !self.faults {
            return;
        }
        let next = self.rng.i64(3 * MINUTE..25 * MINUTE);
        self.plan(self.now + next, Happening::PoolEpisode);
        let now = self.now;
        let sort = &POOLS[self.rng.usize(..POOLS.len())];
        let id = PoolId::from(sort.pool);
        let n = self.rng.usize(1..=sort.instances);
        let one = InstanceId::from(format!("{}-{n}", sort.pool));
        let short = now + self.rng.i64(5 * SECOND..3 * MINUTE);
        let dice = self.rng.u32(..100);
        self.trace.line(now, &format!("at {one} episode {dice}"));
        match dice {
            0..16 => {
                if let Some(instance) = self.instance(&id, &one) {
                    instance.answers_from = short;
                }
            }
            16..22 => {
                let pool = self.pools.all.get_mut(&id);
                for instance in pool
                    .into_iter()
                    .flat_map(|pool| pool.instances.values_mut())
                {
                    instance.answers_from = short;
                }
            }
            22..36 => {
                let pct = [3, 10, 40, 90][self.rng.usize(..4)];
                if let Some(pool) = self.pools.all.get_mut(&id) {
                    (pool.fails_pct, pool.fails_until) = (pct, short);
                }
            }
            36..54 => {
                let waits = self.rng.bool();
                if let Some(pool) = self.pools.all.get_mut(&id) {
                    (pool.waits, pool.overloaded_until) = (waits, short);
                }
            }
            54..66 => {
                if let Some(instance) = self.instance(&id, &one) {
                    instance.ejected_until = short;
                }
            }
            66..76 => self.edge_goes(short, "edge silent"),
            76..80 => {
                let away = now + self.rng.i64(SECOND..6 * SECOND);
                self.edge_goes(away, "edge restarted");
            }
            80..92 => {
                if let Some(instance) = self.instance(&id, &one) {
                    instance.pinned = true;
                }
            }
            _ => {
                let after = self.rng.i64(2 * SECOND..30 * SECOND);
                self.begin_process(&id, &one, after);
            }
        }
    }

    /// A process begins that is full after `full`.
    pub(crate) fn begin_leak(&mut self, pool: &PoolId, id: &InstanceId, full: Ms) {
        self.begin_process(pool, id, 0);
        if let Some(instance) = self.instance(pool, id) {
            instance.fill = Fill::ByTime(full);
        }
    }

    /// Everything is well: each process begins anew, and leaks no more.
    pub(crate) fn calm_pools(&mut self) {
        let all: Vec<(PoolId, InstanceId)> = (POOLS.iter())
            .flat_map(|sort| instances(sort).map(|id| (PoolId::from(sort.pool), id)))
            .collect();
        for (pool, id) in all {
            if let Some(instance) = self.instance(&pool, &id) {
                instance.pinned = false;
                instance.fill = Fill::Flat;
            }
            self.begin_process(&pool, &id, 0);
        }
        for pool in self.pools.all.values_mut() {
            (pool.fails_until, pool.overloaded_until) = (0, 0);
        }
    }
}
