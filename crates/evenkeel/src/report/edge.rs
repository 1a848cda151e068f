//! The edge and what is behind it, and what fills up: in shapes that machines read.

use evenkeel_core::Timestamp;
use evenkeel_core::edge::{Hold, InstanceState, Traffic};
use evenkeel_core::forecast::Forecast;
use evenkeel_core::ids::{InstanceId, PoolId};
use evenkeel_core::observation::Level;
use evenkeel_core::policy::{Policy, PoolPolicy};
use evenkeel_core::record::Record;
use evenkeel_core::subject::Subject;
use evenkeel_core::time::since;
use serde::{Deserialize, Serialize};

use crate::pump::published::{Published, STALE_AFTER};
use crate::pump::windows::Lately;

/// A pool: how it is now, and what was ordered of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PoolReport {
    /// Its id.
    pub id: PoolId,
    /// What it is called.
    pub name: String,
    /// When the edge was last heard of it; null where nobody knows how it is.
    pub seen_at: Option<Timestamp>,
    /// The revision of the plan it ought to go by.
    pub plan_wanted: u64,
    /// The revision of the plan it goes by.
    pub plan_in_force: Option<u64>,
    /// Its requests wait by order: since when, and why.
    pub hold: Option<Hold>,
    /// The most requests that may be under way.
    pub limit: u32,
    /// Requests under way.
    pub under_way: u32,
    /// Requests that queue for a place.
    pub queued: u32,
    /// Requests that are held.
    pub held: u32,
    /// Requests turned away in the last seconds.
    pub shed: u32,
    /// How many seconds the figures of requests are of.
    pub seconds: u32,
    /// Its instances.
    pub instances: Vec<InstanceReport>,
}

/// An instance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InstanceReport {
    /// Its id.
    pub id: InstanceId,
    /// How the edge uses it; null where nobody knows.
    pub state: Option<InstanceState>,
    /// Why it is not used, where it is not.
    pub why: Option<String>,
    /// Whether a person has ordered that it gets no new request.
    pub drained: bool,
    /// Whether it is being restarted by Evenkeel.
    pub recycling: bool,
    /// Its share of the load, percent of an equal one.
    pub weight_pct: u16,
    /// Requests under way at it.
    pub under_way: u32,
    /// Requests that ended at it in the last seconds.
    pub requests: u32,
    /// Of them: failed.
    pub errors: u32,
    /// Half of its answers began within this time, microseconds.
    pub p50_us: Option<u64>,
    /// All but one in a hundred did.
    pub p99_us: Option<u64>,
}

/// A tenant, by the hash of its name.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TenantReport {
    /// The hash; null for all others together.
    pub tenant: Option<String>,
    /// Requests that ended in the last seconds.
    pub requests: u32,
    /// Of them: failed.
    pub errors: u32,
    /// Of them: turned away.
    pub shed: u32,
    /// Bytes of its requests.
    pub bytes_in: u64,
    /// Bytes of its answers.
    pub bytes_out: u64,
    /// All but one in a hundred of its answers began within this time, microseconds.
    pub p99_us: Option<u64>,
    /// How many seconds these are.
    pub seconds: u32,
    /// The most requests a second it may send, by order.
    pub requests_per_s_max: Option<u32>,
}

/// How full the things of one subject are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FillReport {
    /// Whose.
    pub of: Subject,
    /// When it was seen.
    pub at: Timestamp,
    /// When it was started.
    pub started_at: Option<Timestamp>,
    /// The release it runs.
    pub release: Option<String>,
    /// Its things.
    pub levels: Vec<Level>,
    /// When those that grow run out.
    pub forecasts: Vec<Forecast>,
}

/// What the edge said last, where that is still so.
pub fn fresh(live: &Published) -> Option<Lately> {
    let lately = live.windows.lately()?;
    (since(lately.at, Timestamp::now()) <= STALE_AFTER).then_some(lately)
}

/// Every pool of the configuration.
pub fn pools(record: &Record, policy: &Policy, live: Option<&Published>) -> Vec<PoolReport> {
    let lately = live.and_then(fresh);
    let plan = record.edge_plan();
    let one = |(id, of): (&PoolId, &PoolPolicy)| {
        let ordered = plan.pools.get(id);
        let window = lately
            .as_ref()
            .and_then(|lately| lately.newest.pools.get(id));
        let window = window.cloned().unwrap_or_default();
        let shed = |lately: &Lately| {
            let routes = policy.routes.iter().filter(|(_, route)| route.pool == *id);
            let shed = routes.filter_map(|(route, _)| Some(lately.routes.get(route)?.shed));
            shed.fold(0, u32::saturating_add)
        };
        let instance = |instance: &InstanceId| {
            let now = window.instances.get(instance);
            let ended = lately.as_ref().and_then(|of| of.instances.get(instance));
            let quantile = |per_mille| ended?.latencies.quantile_us(per_mille);
            InstanceReport {
                id: instance.clone(),
                state: now.map(|now| now.state),
                why: now.and_then(|now| now.why.clone()),
                drained: record.edge.drains(id, instance),
                recycling: record.recycling().any(|(_, other)| other == instance),
                weight_pct: ordered
                    .and_then(|pool| pool.weights.get(instance).copied())
                    .unwrap_or(100),
                under_way: now.map_or(0, |now| now.under_way),
                requests: ended.map_or(0, |ended| ended.requests),
                errors: ended.map_or(0, |ended| ended.errors),
                p50_us: quantile(500),
                p99_us: quantile(990),
            }
        };
        PoolReport {
            id: id.clone(),
            name: called(id, of).to_owned(),
            seen_at: lately.as_ref().map(|lately| lately.at),
            plan_wanted: plan.revision,
            plan_in_force: lately.as_ref().map(|lately| lately.newest.plan),
            hold: ordered.and_then(|pool| pool.hold.clone()),
            limit: window.limit,
            under_way: window.under_way,
            queued: window.queued,
            held: window.held,
            shed: lately.as_ref().map_or(0, shed),
            seconds: lately.as_ref().map_or(0, |lately| lately.seconds),
            instances: of.instances.iter().map(instance).collect(),
        }
    };
    policy.pools.iter().map(one).collect()
}

/// What a pool is called in sentences.
pub fn called<'a>(id: &'a PoolId, pool: &'a PoolPolicy) -> &'a str {
    match pool.name.as_str() {
        "" => id.as_str(),
        name => name,
    }
}

/// The busiest tenants, the busiest first, and all others last.
pub fn tenants(record: &Record, live: &Published) -> Vec<TenantReport> {
    let Some(lately) = fresh(live) else {
        return Vec::new();
    };
    let report = |tenant: Option<String>, traffic: &Traffic| TenantReport {
        requests_per_s_max: tenant
            .as_ref()
            .and_then(|hash| Some(record.edge.tenants.get(hash)?.requests_per_s_max)),
        tenant,
        requests: traffic.requests,
        errors: traffic.errors,
        shed: traffic.shed,
        bytes_in: traffic.bytes_in,
        bytes_out: traffic.bytes_out,
        p99_us: traffic.latencies.quantile_us(990),
        seconds: lately.seconds,
    };
    let tenants = lately.tenants.iter();
    let mut tenants: Vec<TenantReport> = tenants
        .map(|(hash, traffic)| report(Some(hash.clone()), traffic))
        .collect();
    tenants.sort_by_key(|tenant| std::cmp::Reverse(tenant.requests));
    tenants.push(report(None, &lately.tenants_rest));
    tenants
}

/// How full everything is, what runs out first first.
pub fn fill(live: &Published) -> Vec<FillReport> {
    let all = live.fill.all().into_iter();
    let mut all: Vec<FillReport> = all
        .map(|(of, standing)| FillReport {
            of,
            at: standing.at,
            started_at: standing.levels.started_at,
            release: standing.levels.release.clone(),
            levels: standing.levels.levels.clone(),
            forecasts: standing.forecasts,
        })
        .collect();
    let first = |report: &FillReport| {
        let earliest = report.forecasts.iter().map(|f| f.exhausts.earliest).min();
        earliest.unwrap_or(Timestamp::MAX)
    };
    all.sort_by_key(first);
    all
}
