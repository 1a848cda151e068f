//! What is remembered of the edge: how it uses each instance, and how the requests of the
//! last minute went, summed by component and pool.
//!
//! Bounded by the configuration: what it does not name is not kept, and a window costs what
//! is in it. A window that comes late or twice changes nothing.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use core::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::FRESH;
use crate::edge::{Criticality, EdgeWindow, InstanceState, PoolWindow};
use crate::ids::{ComponentId, InstanceId, PoolId};
use crate::observation::QuietWindow;
use crate::policy::Policy;
use crate::subject::Subject;
use crate::time;

/// Windows kept of each component and pool: a minute of seconds.
const WINDOWS_KEPT: usize = 60;

/// What is remembered of the edge.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct EdgeMemory {
    /// When the newest window ended.
    seen_at: Option<Timestamp>,
    pools: BTreeMap<PoolId, PoolMemory>,
    components: BTreeMap<ComponentId, VecDeque<Answered>>,
    /// Each pool's present or next quiet window, as last told.
    quiet: BTreeMap<PoolId, (Timestamp, Timestamp)>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct PoolMemory {
    instances: BTreeMap<InstanceId, Used>,
    pressure: VecDeque<Pressure>,
}

/// How the edge uses an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Used {
    pub(crate) state: InstanceState,
    /// Since when, by our clock; the two ways of being in use are one, and so are the two of
    /// having failed.
    pub(crate) since: Timestamp,
    pub(crate) why: Option<String>,
}

/// How the requests of one window were answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answered {
    pub(crate) at: Timestamp,
    pub(crate) requests: u32,
    pub(crate) errors: u32,
}

/// What a pool could not take in one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pressure {
    pub(crate) at: Timestamp,
    /// Requests waited for a place.
    pub(crate) waits: bool,
    /// Requests turned away.
    pub(crate) shed: u32,
    /// Of them: those that are not the first to be.
    pub(crate) shed_important: u32,
}

impl Used {
    /// Whether it gets requests.
    pub(crate) fn serves(&self) -> bool {
        serves(self.state)
    }

    /// Whether it has failed.
    pub(crate) fn failed(&self) -> bool {
        matches!(self.state, InstanceState::Down | InstanceState::Ejected)
    }
}

fn serves(state: InstanceState) -> bool {
    matches!(state, InstanceState::InUse | InstanceState::SlowStart)
}

impl EdgeMemory {
    /// How the edge uses the instances of a pool, where it said so lately.
    pub(crate) fn pool(
        &self,
        pool: &PoolId,
        now: Timestamp,
    ) -> Option<&BTreeMap<InstanceId, Used>> {
        let fresh = self.is_fresh(now);
        let pool = self.pools.get(pool).filter(|_| fresh)?;
        Some(&pool.instances)
    }

    /// When the edge last told something.
    pub(crate) fn seen_at(&self) -> Option<Timestamp> {
        self.seen_at
    }

    /// Whether the edge told something lately.
    pub(crate) fn is_fresh(&self, now: Timestamp) -> bool {
        let fresh = |at| time::since(at, now) <= FRESH;
        self.seen_at.is_some_and(fresh)
    }

    /// How requests of a component were answered within `span`, newest first.
    pub(crate) fn answered(
        &self,
        component: &ComponentId,
        now: Timestamp,
        span: Duration,
    ) -> impl Iterator<Item = &Answered> {
        let windows = self.components.get(component).into_iter().flatten();
        windows
            .rev()
            .take_while(move |window| time::since(window.at, now) < span)
    }

    /// What a pool could not take within `span`, newest first.
    pub(crate) fn pressure(
        &self,
        pool: &PoolId,
        now: Timestamp,
        span: Duration,
    ) -> impl Iterator<Item = &Pressure> {
        let pool = self.pools.get(pool).into_iter();
        let windows = pool.flat_map(|pool| pool.pressure.iter().rev());
        windows.take_while(move |window| time::since(window.at, now) < span)
    }

    /// A pool's present or next quiet window.
    pub(crate) fn quiet(&self, pool: &PoolId) -> Option<(Timestamp, Timestamp)> {
        self.quiet.get(pool).copied()
    }

    pub(crate) fn see_quiet(&mut self, window: &QuietWindow) {
        let stretch = (window.from, window.until);
        self.quiet.insert(window.pool.clone(), stretch);
    }

    /// Takes a window in. What may be judged otherwise than before.
    pub(crate) fn see_window(
        &mut self,
        window: &EdgeWindow,
        policy: &Policy,
        at: Timestamp,
        now: Timestamp,
    ) -> BTreeSet<Subject> {
        let at = at.min(now);
        if self.seen_at.is_some_and(|known| at <= known) {
            return BTreeSet::new();
        }
        self.seen_at = Some(at);
        let mut touched = BTreeSet::new();
        let mut answered: BTreeMap<&ComponentId, Answered> = BTreeMap::new();
        let mut pressure: BTreeMap<&PoolId, Pressure> = BTreeMap::new();
        for (id, traffic) in &window.routes {
            let Some(route) = policy.routes.get(id) else {
                continue;
            };
            if let Some(component) = &route.component {
                let sum = answered.entry(component).or_insert(Answered {
                    at,
                    requests: 0,
                    errors: 0,
                });
                // What the edge turned away itself says nothing of the service.
                let asked = traffic.requests.saturating_sub(traffic.shed + traffic.off);
                sum.requests = sum.requests.saturating_add(asked);
                sum.errors = sum.errors.saturating_add(traffic.errors);
            }
            let sum = pressure.entry(&route.pool).or_insert(calm(at));
            sum.shed = sum.shed.saturating_add(traffic.shed);
            if route.criticality > Criticality::Sheddable {
                sum.shed_important = sum.shed_important.saturating_add(traffic.shed);
            }
        }
        for (id, sum) in answered {
            let kept = self.components.entry(id.clone()).or_default();
            push(kept, sum);
            touched.insert(Subject::Component(id.clone()));
        }
        for (id, of) in &window.pools {
            let Some(configured) = policy.pools.get(id) else {
                continue;
            };
            let mut sum = pressure.get(id).copied().unwrap_or(calm(at));
            sum.waits = of.queued > 0;
            let memory = self.pools.entry(id.clone()).or_default();
            push(&mut memory.pressure, sum);
            touched.insert(Subject::Pool(id.clone()));
            memory.use_instances(of, &configured.instances, at, &mut touched);
        }
        touched
    }
}

impl PoolMemory {
    fn use_instances(
        &mut self,
        window: &PoolWindow,
        configured: &BTreeSet<InstanceId>,
        at: Timestamp,
        touched: &mut BTreeSet<Subject>,
    ) {
        let before = core::mem::take(&mut self.instances);
        let known = window.instances.iter();
        for (id, seen) in known.filter(|(id, _)| configured.contains(*id)) {
            let known = before.get(id);
            let failed = |state| !serves(state) && state != InstanceState::Draining;
            let same = known.filter(|known| {
                serves(known.state) == serves(seen.state)
                    && failed(known.state) == failed(seen.state)
            });
            let used = Used {
                state: seen.state,
                since: same.map_or(at, |known| known.since),
                why: seen.why.clone(),
            };
            if same.is_none() || !used.serves() {
                touched.insert(Subject::Instance(id.clone()));
            }
            self.instances.insert(id.clone(), used);
        }
    }
}

fn calm(at: Timestamp) -> Pressure {
    Pressure {
        at,
        waits: false,
        shed: 0,
        shed_important: 0,
    }
}

fn push<T>(kept: &mut VecDeque<T>, newest: T) {
    if kept.len() >= WINDOWS_KEPT {
        kept.pop_front();
    }
    kept.push_back(newest);
}
