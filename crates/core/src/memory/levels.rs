//! What is remembered of things that fill up: for each a bounded history of lows
//! ([`crate::forecast::lows`]), and what was last reckoned from it.
//!
//! Reckoning costs some ten thousand comparisons, so it is done when it may say something
//! new: when a sixty-fourth of the life has passed since the last time, or a sixty-fourth
//! of the limit was filled. A forecast is believed when three in a row agree, and dropped
//! when as many in a row see nothing of it.
//!
//! Times are those of the keeper's clock, less what it jumped over: after a gap everything
//! goes on where it was, and what happened meanwhile is one step more or less, which a
//! median does not mind.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Memory;
use crate::authority::pairs;
use crate::edge::{EdgeWindow, InstanceState, PoolWindow};
use crate::forecast::lows::{self, Low};
use crate::forecast::shape::POINTS_MIN;
use crate::forecast::share::{EQUAL_OF, PoolLows};
use crate::forecast::{Exhausts, Forecast, Known, Outlook, Pace, Standing, reckon};
use crate::ids::PoolId;
use crate::observation::{Level, Levels, Resource};
use crate::policy::{LeakPolicy, Policy};
use crate::subject::Subject;
use crate::time;

/// Resources remembered of one subject, the fullest ones: a database may have a thousand
/// sequences.
const RESOURCES_MAX: usize = 16;

/// Reckonings in a row that must agree.
const AGREED_MIN: u8 = 3;

/// More than this many are not counted: so many contrary ones end a forecast.
const AGREED_MAX: u8 = 6;

/// Points of a history that shows no trend before that is believed: as many as a floor has.
const LEVEL_MIN: usize = 24;

/// Pictures in a row that must show nothing left: one may have met a burst.
const FULL_MIN: u8 = 2;

/// Pictures that may be taken of a process while it ends, and before the next one is seen.
const ENDING_MAX: u8 = 4;

/// Starts that are told this close together are one: some observers reckon them from the
/// time since the machine was started.
const SAME_START: Duration = Duration::from_secs(2);

/// What is remembered of all things that fill up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LevelsMemory {
    #[serde(with = "pairs")]
    subjects: BTreeMap<Subject, Tracked>,
    /// The requests of each pool, and an equal share of them.
    #[serde(with = "pairs")]
    pools: BTreeMap<PoolId, Vec<Low>>,
    /// What histories count their milliseconds from.
    origin: Option<Timestamp>,
    /// When the last window of the edge ended, and how long it was.
    windows_until: Option<Timestamp>,
    window_ms: u64,
}

/// What is remembered of one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Tracked {
    seen_at: Timestamp,
    started_at: Option<Timestamp>,
    release: Option<alloc::string::String>,
    /// Requests since it was first seen: its own, or for what is nobody's own, all.
    requests: u64,
    /// Those of the last window.
    #[serde(default)]
    lately: u64,
    #[serde(with = "pairs")]
    resources: BTreeMap<Resource, History>,
}

/// What is remembered of one thing that fills up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct History {
    used: u64,
    limit: Option<u64>,
    lows: Vec<Low>,
    /// The lowest since it last fell, and the highest since then.
    trough: u64,
    peak: u64,
    /// When it last fell by at least half of what it had risen.
    fallen_at: Option<Timestamp>,
    /// Its greatest fall while nothing was restarted.
    fall_max: u64,
    /// The same before its last fall, and pictures since that.
    fall_max_before: u64,
    since_fall: u8,
    /// Pictures in a row in which nothing was left.
    full: u8,
    /// When it was last reckoned, at what level.
    reckoned_ms: u64,
    reckoned_used: u64,
    /// Reckonings in a row that agree.
    agreed: u8,
    /// How fast it grows, as last reckoned.
    pace: Pace,
    forecast: Option<Forecast>,
    /// The last release that was not this one, and how fast it grew.
    before: Option<(alloc::string::String, Pace)>,
}

impl Memory {
    /// When what fills up in `subject` runs out: of the resource that runs out first.
    /// `None` where nothing shows a trend that goes on to its end.
    pub fn forecast(&self, subject: &Subject) -> Option<&Forecast> {
        let forecasts = self.forecasts(subject);
        forecasts.min_by_key(|forecast| forecast.exhausts.earliest)
    }

    /// When each of the things that fill up in `subject` runs out.
    pub fn forecasts(&self, subject: &Subject) -> impl Iterator<Item = &Forecast> {
        let tracked = self.levels.subjects.get(subject);
        let histories = tracked.into_iter().flat_map(|t| t.resources.values());
        histories.filter_map(|history| match history.agreed >= AGREED_MIN {
            true => history.forecast.as_ref(),
            false => None,
        })
    }

    /// How full one thing is. This is what tells whether recycling has helped.
    pub fn standing(&self, subject: &Subject, resource: &Resource) -> Option<Standing> {
        let tracked = self.levels.subjects.get(subject)?;
        let history = tracked.resources.get(resource)?;
        Some(history.standing(tracked))
    }

    /// How full everything is that fills up in `subject`.
    pub fn standings(&self, subject: &Subject) -> impl Iterator<Item = (&Resource, Standing)> {
        let tracked = self.levels.subjects.get(subject);
        tracked.into_iter().flat_map(|tracked| {
            let resources = tracked.resources.iter();
            resources.map(|(resource, history)| (resource, history.standing(tracked)))
        })
    }

    /// Whether one thing has been watched for `span` and for long enough to say that it does
    /// not grow.
    pub(crate) fn is_level(&self, subject: &Subject, resource: &Resource, span: Duration) -> bool {
        let tracked = self.levels.subjects.get(subject);
        let history = tracked.and_then(|tracked| tracked.resources.get(resource));
        history.is_some_and(|history| {
            let enough = history.lows.len() >= LEVEL_MIN;
            enough && history.agreed == 0 && Duration::from_millis(history.span()) >= span
        })
    }

    /// The lows that are remembered of one thing, for a plot: when, and how much was used.
    pub fn lows(
        &self,
        subject: &Subject,
        resource: &Resource,
    ) -> impl Iterator<Item = (Timestamp, u64)> {
        let tracked = self.levels.subjects.get(subject);
        let history = tracked.and_then(|tracked| tracked.resources.get(resource));
        let lows = history.into_iter().flat_map(|history| &history.lows);
        lows.map(|low| (self.levels.moment(low.at_ms), low.used))
    }

    /// Takes a picture of what fills up. Whether it was news.
    pub(crate) fn see_levels(
        &mut self,
        levels: &Levels,
        policy: &Policy,
        at: Timestamp,
        now: Timestamp,
    ) -> bool {
        let Some(of_leaks) = policy.leaks(&levels.of) else {
            return false;
        };
        let at = at.min(now);
        let memory = &mut self.levels;
        let known = memory.subjects.get(&levels.of);
        if known.is_some_and(|known| at <= known.seen_at) {
            return false;
        }
        let origin = *memory.origin.get_or_insert(at);
        let at_ms = millis(time::since(origin, at));
        // Seen before the clock jumped, and told after: nobody can say where it belongs.
        if known.is_some_and(|known| known.newest_ms() > at_ms) {
            return false;
        }
        let mut tracked = memory.subjects.remove(&levels.of).unwrap_or(Tracked {
            seen_at: at,
            started_at: levels.started_at,
            release: levels.release.clone(),
            requests: 0,
            lately: 0,
            resources: BTreeMap::new(),
        });
        tracked.begin_anew_if_restarted(levels, at);
        tracked.seen_at = at;
        let watched = fullest(levels, of_leaks);
        tracked
            .resources
            .retain(|resource, _| watched.iter().any(|level| level.resource == *resource));
        let warm = tracked.is_warm(of_leaks, at);
        let siblings = memory.siblings(&levels.of, policy);
        let pool = memory.pool_of(&levels.of, policy);
        let requests = tracked.requests + memory.since_window(tracked.lately, at);
        for level in watched {
            let history = tracked.resources.entry(level.resource.clone()).or_default();
            history.take(level, at, tracked.started_at.is_some());
            if !warm && ends_with_process(&level.resource) {
                continue;
            }
            let counted = history.lows.last().map_or(0, |low| low.requests);
            let requests = requests.max(counted);
            lows::take(&mut history.lows, at_ms, level.used, requests);
            if !history.is_to_be_reckoned(at_ms) {
                continue;
            }
            let reckoned_at = (at_ms, at);
            history.reckon(
                &level.resource,
                tracked.release.as_deref(),
                pool,
                reckoned_at,
            );
            let alone = memory.is_alone(&siblings, &level.resource, history);
            if let Some(forecast) = &mut history.forecast {
                forecast.alone = alone;
            }
        }
        memory.subjects.insert(levels.of.clone(), tracked);
        true
    }

    /// Counts the requests of each instance, and of all for what is nobody's own.
    pub(crate) fn count_requests(&mut self, window: &EdgeWindow, at: Timestamp) {
        let memory = &mut self.levels;
        if memory.windows_until.is_some_and(|until| at <= until) {
            return;
        }
        memory.windows_until = Some(at);
        memory.window_ms = millis(time::since(window.from, at));
        if let Some(origin) = memory.origin {
            let at_ms = millis(time::since(origin, at));
            let pools = &mut memory.pools;
            pools.retain(|id, _| window.pools.contains_key(id));
            for (id, pool) in &window.pools {
                count_of_pool(pools.entry(id.clone()).or_default(), pool, at_ms);
            }
        }
        let mut all: u64 = 0;
        for (instance, seen) in window.pools.values().flat_map(|pool| &pool.instances) {
            let requests = u64::from(seen.requests);
            all += requests;
            let instance = Subject::Instance(instance.clone());
            if let Some(tracked) = memory.subjects.get_mut(&instance) {
                tracked.requests += requests;
                tracked.lately = requests;
            }
        }
        for (subject, tracked) in &mut memory.subjects {
            if !matches!(subject, Subject::Instance(_)) {
                tracked.requests += all;
                tracked.lately = all;
            }
        }
    }
}

impl LevelsMemory {
    /// The clock was not measured from `last` to `now`: that time is left out.
    pub(super) fn skip(&mut self, last: Timestamp, now: Timestamp) {
        let gap = now.duration_since(last);
        if let Some(origin) = &mut self.origin {
            *origin = origin.checked_add(gap).unwrap_or(now).min(now);
        }
        self.windows_until = None;
        for tracked in self.subjects.values_mut() {
            // A clock that was set back has seen nothing yet.
            tracked.seen_at = tracked.seen_at.min(now);
            for history in tracked.resources.values_mut() {
                history.forecast = None;
                history.agreed = 0;
            }
        }
    }

    fn moment(&self, at_ms: u64) -> Timestamp {
        let origin = self.origin.unwrap_or(Timestamp::MIN);
        time::after(origin, Duration::from_millis(at_ms))
    }

    /// The requests that may have come since the last window, at its pace: levels are looked
    /// at between two windows, and without this a request would count half a window late.
    fn since_window(&self, lately: u64, at: Timestamp) -> u64 {
        let Some(until) = self.windows_until else {
            return 0;
        };
        let passed = millis(time::since(until, at)).min(self.window_ms);
        lately * passed / self.window_ms.max(1)
    }

    fn pool_of(&self, of: &Subject, policy: &Policy) -> Option<&PoolLows> {
        let Subject::Instance(instance) = of else {
            return None;
        };
        let (id, _) = policy.pool_of(instance)?;
        self.pools.get(id).map(Vec::as_slice)
    }

    fn siblings(&self, of: &Subject, policy: &Policy) -> Vec<Subject> {
        let Subject::Instance(instance) = of else {
            return Vec::new();
        };
        let pool = policy.pool_of(instance);
        let instances = pool.into_iter().flat_map(|(_, pool)| &pool.instances);
        let siblings = instances.filter(|sibling| *sibling != instance);
        siblings.cloned().map(Subject::Instance).collect()
    }

    /// Whether those siblings that have been seen for at least half as long grow by less
    /// than a quarter, and there are any.
    fn is_alone(&self, siblings: &[Subject], resource: &Resource, of: &History) -> bool {
        let span = of.span();
        let siblings = siblings.iter().filter_map(|sibling| {
            let history = self.subjects.get(sibling)?.resources.get(resource)?;
            (history.span() >= span / 2).then_some(history)
        });
        let mut count = 0;
        for sibling in siblings {
            count += 1;
            let (mine, theirs) = match (of.pace.per_1000_requests, sibling.pace.per_1000_requests) {
                (Some(mine), Some(theirs)) => (mine, theirs),
                _ => (of.pace.per_hour, sibling.pace.per_hour),
            };
            if theirs > mine / 4 {
                return false;
            }
        }
        count > 0
    }
}

impl Tracked {
    fn begin_anew_if_restarted(&mut self, levels: &Levels, at: Timestamp) {
        let is_other = match (self.started_at, levels.started_at) {
            (Some(known), Some(told)) => {
                time::since(known, told).max(time::since(told, known)) > SAME_START
            }
            _ => false,
        };
        self.started_at = levels.started_at.or(self.started_at);
        let was = core::mem::replace(&mut self.release, levels.release.clone());
        if !is_other {
            return;
        }
        let has_changed = was.is_some() && levels.release.is_some() && was != levels.release;
        let was = was.filter(|_| has_changed);
        let resources = self.resources.iter_mut();
        for (resource, history) in resources.filter(|(it, _)| ends_with_process(it)) {
            let half = history.used / 2 + history.trough / 2;
            let mut levels = levels.levels.iter();
            let level = levels.find(|level| level.resource == *resource && level.used <= half);
            let before = match &was {
                Some(release) => Some((release.clone(), history.pace)),
                None => history.before.take(),
            };
            // A process that ends gives back everything, page by page: no tooth.
            let fall_max = match history.since_fall > ENDING_MAX {
                true => history.fall_max,
                false => history.fall_max_before,
            };
            *history = History {
                fall_max,
                fall_max_before: fall_max,
                fallen_at: level.map(|_| at).or(history.fallen_at),
                before,
                ..History::default()
            };
        }
    }

    /// When the newest low of all was.
    fn newest_ms(&self) -> u64 {
        let newest = self.resources.values().filter_map(|it| it.lows.last());
        newest.map(|low| low.at_ms).max().unwrap_or(0)
    }

    fn is_warm(&self, policy: &LeakPolicy, at: Timestamp) -> bool {
        let started = self.started_at;
        started.is_none_or(|started| time::since(started, at) >= policy.warm_up)
    }
}

impl History {
    fn standing(&self, tracked: &Tracked) -> Standing {
        Standing {
            used: self.used,
            limit: self.limit,
            seen_at: tracked.seen_at,
            started_at: tracked.started_at,
            fallen_at: self.fallen_at,
            is_full: self.full >= FULL_MIN,
        }
    }

    fn take(&mut self, level: &Level, at: Timestamp, restarts_are_told: bool) {
        let used = level.used;
        if self.peak == 0 && self.trough == 0 {
            (self.trough, self.peak) = (used, used);
        }
        (self.used, self.limit) = (used, level.limit);
        self.since_fall = self.since_fall.saturating_add(1);
        self.peak = self.peak.max(used);
        let (risen, fallen) = (self.peak - self.trough.min(used), self.peak - used);
        let counts = level.limit.is_none_or(|limit| fallen >= limit / 50);
        if fallen > 0 && fallen >= risen / 2 && counts {
            // What a process holds it alone gives back, as long as it lives: a collector. A
            // disk is tidied up by people, and so is what may have been a restart.
            let by_itself = restarts_are_told && ends_with_process(&level.resource);
            self.fall(fallen, used, at, by_itself);
        }
        self.trough = self.trough.min(used);
        // A heap is full before each collection.
        let is_full = level.limit.is_some_and(|limit| limit > 0 && used >= limit)
            && level.resource != Resource::Heap;
        self.full = match is_full {
            true => self.full.saturating_add(1),
            false => 0,
        };
    }

    /// It fell by at least half of what it had risen.
    fn fall(&mut self, fallen: u64, used: u64, at: Timestamp, by_itself: bool) {
        let forecast = self.forecast.take_if(|_| self.agreed >= AGREED_MIN);
        self.fallen_at = Some(at);
        (self.trough, self.peak) = (used, used);
        if self.since_fall > ENDING_MAX {
            self.fall_max_before = self.fall_max;
        }
        self.since_fall = 0;
        match forecast {
            // What ended a trend that was more than half way was somebody who tidied up, and
            // no collector: everything begins anew.
            Some(forecast)
                if !by_itself && forecast.way_pct >= 50 && fallen / 2 >= self.fall_max =>
            {
                self.lows.clear();
                self.agreed = 0;
            }
            other => {
                self.forecast = other.or(self.forecast.take());
                self.fall_max = self.fall_max.max(fallen);
            }
        }
    }

    fn span(&self) -> u64 {
        match &self.lows[..] {
            [first, .., last] => last.at_ms - first.at_ms,
            _ => 0,
        }
    }

    fn is_to_be_reckoned(&self, at_ms: u64) -> bool {
        let Some(limit) = self.limit.filter(|limit| *limit > 0) else {
            return false;
        };
        self.lows.len() >= POINTS_MIN
            && (at_ms.saturating_sub(self.reckoned_ms) >= self.span() / 64
                || self.used >= self.reckoned_used.saturating_add(limit / 64))
    }

    fn reckon(
        &mut self,
        resource: &Resource,
        release: Option<&str>,
        pool: Option<&PoolLows>,
        (at_ms, at): (u64, Timestamp),
    ) {
        let limit = self.limit.unwrap_or(u64::MAX);
        self.reckoned_ms = at_ms;
        self.reckoned_used = self.used;
        let known = Known {
            resource,
            limit,
            fall_max: self.fall_max,
            before: self.before.as_ref().map(|(_, pace)| *pace),
            pool,
        };
        match reckon(&self.lows, known) {
            Outlook::RunsOut {
                grows,
                used,
                pace,
                earliest_ms,
                likely_ms,
                latest_ms,
                since_ms,
                way_pct,
                is_new,
            } => {
                let after = |ms| time::after(at, Duration::from_millis(ms));
                let exhausts = Exhausts {
                    earliest: after(earliest_ms),
                    likely: after(likely_ms),
                    latest: after(latest_ms),
                };
                let agrees = self.forecast.as_ref().is_none_or(|before| {
                    exhausts.earliest <= before.exhausts.latest
                        && before.exhausts.earliest <= exhausts.latest
                });
                self.agreed = match agrees {
                    true => (self.agreed + 1).min(AGREED_MAX),
                    false => 1,
                };
                self.pace = pace;
                self.forecast = Some(Forecast {
                    resource: resource.clone(),
                    used,
                    limit,
                    grows,
                    per_hour: pace.per_hour,
                    per_1000_requests: pace.per_1000_requests,
                    exhausts,
                    grows_since: time::before(
                        at,
                        Duration::from_millis(at_ms.saturating_sub(since_ms)),
                    ),
                    way_pct,
                    since_release: release.filter(|_| is_new).map(Into::into),
                    alone: false,
                    reckoned_at: at,
                });
            }
            outlook => {
                let by = if outlook == Outlook::LevelsOff { 2 } else { 1 };
                self.agreed = self.agreed.saturating_sub(by);
                if self.agreed == 0 {
                    self.forecast = None;
                    self.pace = Pace::default();
                }
            }
        }
    }
}

/// Counts the requests of a pool, and an equal share of them among those that serve
/// ([`PoolLows`]).
fn count_of_pool(lows: &mut Vec<Low>, window: &PoolWindow, at_ms: u64) {
    let instances = window.instances.values();
    let requests: u64 = instances.map(|seen| u64::from(seen.requests)).sum();
    let instances = window.instances.values();
    let serving: u64 = instances
        .map(|seen| match seen.state {
            InstanceState::InUse => EQUAL_OF,
            // From a tenth of its share to all of it.
            InstanceState::SlowStart => EQUAL_OF / 2,
            InstanceState::Draining | InstanceState::Down | InstanceState::Ejected => 0,
        })
        .sum();
    let (all, equal) = lows.last().map_or((0, 0), |low| (low.requests, low.used));
    let equal = equal + requests * EQUAL_OF * EQUAL_OF / serving.max(EQUAL_OF);
    lows::take(lows, at_ms, equal, all + requests);
}

/// Whether it is free again when the process has ended.
fn ends_with_process(resource: &Resource) -> bool {
    match resource {
        Resource::Memory
        | Resource::Heap
        | Resource::OpenFiles
        | Resource::Threads
        | Resource::Connections
        | Resource::DatabaseConnections => true,
        Resource::DiskBytes
        | Resource::Inodes
        | Resource::Sequence(_)
        | Resource::TransactionAge => false,
    }
}

/// The levels that are watched; of too many the fullest, each resource once.
fn fullest<'a>(levels: &'a Levels, policy: &LeakPolicy) -> Vec<&'a Level> {
    let mut seen = BTreeSet::new();
    let mut watched: Vec<&Level> = levels
        .levels
        .iter()
        .filter(|level| policy.watches(&level.resource) && seen.insert(&level.resource))
        .collect();
    if watched.len() > RESOURCES_MAX {
        watched.sort_by_key(|level| {
            let limit = level.limit.unwrap_or(u64::MAX).max(1);
            Reverse(u128::from(level.used) * 1_000_000 / u128::from(limit))
        });
        watched.truncate(RESOURCES_MAX);
    }
    watched
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
