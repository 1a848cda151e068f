//! The plan in force, and what it means for pools, instances and routes by their index.
//!
//! A newer plan replaces an older one, whole; an older one never a newer. The same revision
//! again changes nothing. What a plan names that the configuration does not know is ignored:
//! a plan may be older than the configuration, and says the same again when it is known.

use std::cell::Cell;
use std::rc::Rc;

use evenkeel_core::edge::EdgePlan;
use thiserror::Error;

use super::identity::{self, ByHash};
use crate::settings::Settings;

/// A plan that is older than the one in force was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("plan {given} is older than plan {in_force}, which stays in force")]
pub struct OlderPlan {
    /// The revision in force.
    pub in_force: u64,
    /// The one that was given.
    pub given: u64,
}

/// A plan by index.
pub(crate) struct InForce {
    pub(crate) plan: Rc<EdgePlan>,
    /// By route: its component is switched off.
    pub(crate) off: Vec<bool>,
    pub(crate) caps: ByHash<Bucket>,
    pub(crate) pools: Vec<PoolInForce>,
}

pub(crate) struct PoolInForce {
    pub(crate) hold: bool,
    pub(crate) concurrency_max: Option<u32>,
    /// By instance.
    pub(crate) drain: Vec<bool>,
    /// By instance; 100 where nothing is said.
    pub(crate) weights: Vec<u16>,
    /// By instance: runs another release.
    pub(crate) canary: Vec<bool>,
    pub(crate) canary_permille: u16,
    /// To which pool, and what share.
    pub(crate) mirror: Option<(usize, u16)>,
}

impl InForce {
    /// Buckets of tenants that `before` knew with the same cap go on as they stand: a plan
    /// that changes something else gives nobody a second of requests for nothing.
    pub(crate) fn new(
        plan: EdgePlan,
        settings: &Settings,
        before: Option<&Self>,
        now: u64,
    ) -> Self {
        let off = settings.routes.iter().map(|route| {
            let component = route.component.as_ref();
            component.is_some_and(|component| plan.off.contains_key(component))
        });
        let caps = plan.tenants.iter().filter_map(|(tenant, cap)| {
            let tenant = identity::read(tenant)?;
            let old = before.and_then(|before| before.caps.get(&tenant));
            let same = old.filter(|old| old.per_s == cap.requests_per_s_max);
            Some((
                tenant,
                same.cloned()
                    .unwrap_or_else(|| Bucket::full(cap.requests_per_s_max, now)),
            ))
        });
        Self {
            off: off.collect(),
            caps: caps.collect(),
            pools: (0..settings.pools.len())
                .map(|pool| PoolInForce::new(&plan, settings, pool))
                .collect(),
            plan: Rc::new(plan),
        }
    }
}

impl PoolInForce {
    fn new(plan: &EdgePlan, settings: &Settings, pool: usize) -> Self {
        let configured = &settings.pools[pool];
        let ids = || configured.instances.iter().map(|instance| &instance.id);
        let plan = plan.pools.get(&configured.id);
        let canary = plan.and_then(|plan| plan.canary.as_ref());
        let mirror = plan
            .and_then(|plan| plan.mirror.as_ref())
            .and_then(|mirror| {
                let to = settings.pools.iter().position(|pool| pool.id == mirror.to);
                to.map(|to| (to, mirror.share_permille))
            });
        Self {
            hold: plan.is_some_and(|plan| plan.hold.is_some()),
            concurrency_max: plan.and_then(|plan| plan.concurrency_max),
            drain: ids()
                .map(|id| plan.is_some_and(|plan| plan.drain.contains(id)))
                .collect(),
            weights: ids()
                .map(|id| plan.map_or(100, |plan| plan.weights.get(id).copied().unwrap_or(100)))
                .collect(),
            canary: ids()
                .map(|id| canary.is_some_and(|canary| canary.instances.contains(id)))
                .collect(),
            canary_permille: canary.map_or(0, |canary| canary.share_permille),
            mirror,
        }
    }
}

/// What a tenant may take: filled at a rate, one second of it at most.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    pub(crate) per_s: u32,
    /// Millionths of a request, so that a microsecond fills by whole numbers.
    level: Cell<u64>,
    at: Cell<u64>,
}

impl Bucket {
    fn full(per_s: u32, now: u64) -> Self {
        Self {
            per_s,
            level: Cell::new(u64::from(per_s) * 1_000_000),
            at: Cell::new(now),
        }
    }

    /// Takes one; how long until there is one again otherwise, microseconds.
    pub(crate) fn take(&self, now: u64) -> Result<(), u64> {
        let per_s = u64::from(self.per_s);
        let passed = now.saturating_sub(self.at.get()).min(1_000_000);
        let level = (self.level.get() + passed * per_s).min(per_s * 1_000_000);
        self.at.set(self.at.get().max(now));
        let left = level.checked_sub(1_000_000);
        self.level.set(left.unwrap_or(level));
        match left {
            Some(_) => Ok(()),
            None => Err((1_000_000 - level).div_ceil(per_s.max(1))),
        }
    }
}
