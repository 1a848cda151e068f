//! What passed the edge lately: for pages, metrics and the command line, never for
//! decisions.
//!
//! Beside the published snapshots and shared by them, as the board of checks is. Bounded:
//! ten minutes of figures for the first [`DRAWN_MAX`] pools, and [`RECENT`] whole windows.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use evenkeel_core::Timestamp;
use evenkeel_core::edge::{EdgeWindow, InstanceWindow, Latencies, Traffic};
use evenkeel_core::ids::{InstanceId, PoolId, RouteId};

/// Seconds that are drawn.
pub const SECONDS_KEPT: usize = 600;

/// Windows that are summed for "now": in one second a quiet pool has no request at all.
pub const RECENT: usize = 10;

/// Pools that are drawn.
pub const DRAWN_MAX: usize = 100;

/// Names that are counted since the start; there are as many as the configuration has.
const COUNTED_MAX: usize = 10_000;

/// A pool in one second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Second {
    /// When it ended.
    pub at: Timestamp,
    /// Requests that ended.
    pub requests: u32,
    /// Of them: failed.
    pub errors: u32,
    /// Half of the answers began within this time, microseconds.
    pub p50_us: Option<u64>,
    /// All but one in a hundred did.
    pub p99_us: Option<u64>,
    /// Requests under way at its end.
    pub under_way: u32,
    /// Requests that queued at its end.
    pub queued: u32,
    /// Requests that were held at its end.
    pub held: u32,
    /// The most that may be under way.
    pub limit: u32,
}

/// The newest windows as one.
#[derive(Debug, Clone)]
pub struct Lately {
    /// When the newest was seen.
    pub at: Timestamp,
    /// How many seconds they are.
    pub seconds: u32,
    /// The newest, for what is so at its end.
    pub newest: Arc<EdgeWindow>,
    /// What ended at each instance.
    pub instances: BTreeMap<InstanceId, Ended>,
    /// What ended of each route.
    pub routes: BTreeMap<RouteId, Traffic>,
    /// What the busiest tenants did, by the hash of their name.
    pub tenants: BTreeMap<String, Traffic>,
    /// What all others did.
    pub tenants_rest: Traffic,
}

/// Requests that ended at an instance.
#[derive(Debug, Clone, Default)]
pub struct Ended {
    /// How many.
    pub requests: u32,
    /// Of them: failed.
    pub errors: u32,
    /// How long until their answers began.
    pub latencies: Latencies,
}

/// What was counted since the program began to look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counted {
    /// Requests.
    pub requests: u64,
    /// Of them: failed.
    pub errors: u64,
    /// Of them: turned away.
    pub shed: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Windows(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    seconds: BTreeMap<PoolId, VecDeque<Second>>,
    recent: VecDeque<(Timestamp, Arc<EdgeWindow>)>,
    routes: BTreeMap<RouteId, Counted>,
    instances: BTreeMap<InstanceId, Counted>,
}

impl Windows {
    /// Takes a window.
    pub fn take(&self, at: Timestamp, window: &EdgeWindow) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, pool) in &window.pools {
            let mut second = Second {
                at,
                requests: 0,
                errors: 0,
                p50_us: None,
                p99_us: None,
                under_way: pool.under_way,
                queued: pool.queued,
                held: pool.held,
                limit: pool.limit,
            };
            let mut latencies = Latencies::default();
            for (id, instance) in &pool.instances {
                second.requests = second.requests.saturating_add(instance.requests);
                second.errors = second.errors.saturating_add(instance.errors);
                latencies.add(&instance.latencies);
                kept.count_instance(id, instance);
            }
            second.p50_us = latencies.quantile_us(500);
            second.p99_us = latencies.quantile_us(990);
            if kept.seconds.len() >= DRAWN_MAX && !kept.seconds.contains_key(id) {
                continue;
            }
            let seconds = kept.seconds.entry(id.clone()).or_default();
            if seconds.len() >= SECONDS_KEPT {
                seconds.pop_front();
            }
            seconds.push_back(second);
        }
        for (id, traffic) in &window.routes {
            kept.count_route(id, traffic);
        }
        if kept.recent.len() >= RECENT {
            kept.recent.pop_front();
        }
        kept.recent.push_back((at, Arc::new(window.clone())));
    }

    /// The newest windows as one; `None` where there was none yet.
    pub fn lately(&self) -> Option<Lately> {
        let recent = {
            let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            kept.recent.clone()
        };
        let (at, newest) = recent.back()?.clone();
        let mut lately = Lately {
            at,
            seconds: u32::try_from(recent.len()).unwrap_or(u32::MAX),
            newest,
            instances: BTreeMap::new(),
            routes: BTreeMap::new(),
            tenants: BTreeMap::new(),
            tenants_rest: Traffic::default(),
        };
        for (_, window) in &recent {
            for (id, instance) in window.pools.values().flat_map(|pool| &pool.instances) {
                let ended = lately.instances.entry(id.clone()).or_default();
                ended.requests = ended.requests.saturating_add(instance.requests);
                ended.errors = ended.errors.saturating_add(instance.errors);
                ended.latencies.add(&instance.latencies);
            }
            for (id, traffic) in &window.routes {
                lately.routes.entry(id.clone()).or_default().add(traffic);
            }
            for (hash, traffic) in &window.tenants {
                lately.tenants.entry(hash.clone()).or_default().add(traffic);
            }
            lately.tenants_rest.add(&window.tenants_rest);
        }
        Some(lately)
    }

    /// The last ten minutes of a pool, oldest first.
    pub fn of(&self, pool: &PoolId) -> Vec<Second> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = kept.seconds.get(pool);
        seconds.map_or_else(Vec::new, |seconds| seconds.iter().copied().collect())
    }

    /// What was counted of each route.
    pub fn routes(&self) -> BTreeMap<RouteId, Counted> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.routes.clone()
    }

    /// What was counted of each instance; nobody is turned away by one.
    pub fn instances(&self) -> BTreeMap<InstanceId, Counted> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.instances.clone()
    }
}

impl Kept {
    fn count_instance(&mut self, id: &InstanceId, instance: &InstanceWindow) {
        if self.instances.len() >= COUNTED_MAX && !self.instances.contains_key(id) {
            return;
        }
        let counted = self.instances.entry(id.clone()).or_default();
        counted.requests += u64::from(instance.requests);
        counted.errors += u64::from(instance.errors);
    }

    fn count_route(&mut self, id: &RouteId, traffic: &Traffic) {
        if self.routes.len() >= COUNTED_MAX && !self.routes.contains_key(id) {
            return;
        }
        let counted = self.routes.entry(id.clone()).or_default();
        counted.requests += u64::from(traffic.requests);
        counted.errors += u64::from(traffic.errors);
        counted.shed += u64::from(traffic.shed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evenkeel_core::edge::PoolWindow;

    #[test]
    fn seconds_are_kept_in_bounds_and_the_newest_are_summed() {
        let windows = Windows::default();
        assert!(windows.lately().is_none());
        let mut latencies = Latencies::default();
        latencies.record(2_000);
        let instance = InstanceWindow {
            requests: 3,
            errors: 1,
            latencies,
            ..InstanceWindow::default()
        };
        let pool = PoolWindow {
            instances: BTreeMap::from([("web-1".into(), instance)]),
            ..PoolWindow::default()
        };
        let window = EdgeWindow {
            pools: BTreeMap::from([("web".into(), pool)]),
            ..EdgeWindow::quiet(Timestamp::UNIX_EPOCH)
        };
        for second in 0..=SECONDS_KEPT as i64 {
            windows.take(Timestamp::from_second(second).expect("a time"), &window);
        }
        let seconds = windows.of(&"web".into());
        assert_eq!(seconds.len(), SECONDS_KEPT);
        assert_eq!((seconds[0].requests, seconds[0].errors), (3, 1));
        assert_eq!(seconds[0].at.as_second(), 1);
        let lately = windows.lately().expect("seen");
        let of_one = &lately.instances[&"web-1".into()];
        assert_eq!((lately.seconds, of_one.requests), (10, 30));
        assert!((1_900..2_100).contains(&of_one.latencies.quantile_us(990).expect("some")));
        assert_eq!(windows.instances()[&"web-1".into()].requests, 1803);
    }
}
