//! What passes the edge, and what fills up behind it. Tenants are no label: there are as
//! many as the service has customers.

use evenkeel_core::Timestamp;
use evenkeel_core::edge::InstanceState;
use evenkeel_core::policy::Policy;
use evenkeel_core::subject::Subject;
use evenkeel_core::time::since;

use super::own::{count, truth};
use super::text::Text;
use crate::pump::published::{Published, STALE_AFTER};
use crate::report::edge::fresh;
use crate::web::amounts;

const STATES: [InstanceState; 5] = [
    InstanceState::InUse,
    InstanceState::SlowStart,
    InstanceState::Draining,
    InstanceState::Down,
    InstanceState::Ejected,
];

pub(super) fn write(published: &Published, policy: &Policy, text: &mut Text) {
    if !policy.routes.is_empty() {
        edge(published, policy, text);
    }
    fill(published, text);
}

fn edge(published: &Published, policy: &Policy, text: &mut Text) {
    let lately = fresh(published);
    text.put("evenkeel_edge_seen", &[], truth(lately.is_some()));
    if let Some(lately) = &lately {
        let newest = &lately.newest;
        let wanted = published.record.edge_plan().revision;
        text.put(
            "evenkeel_edge_plan_behind",
            &[],
            truth(newest.plan < wanted),
        );
        text.put("evenkeel_edge_connections", &[], newest.connections.into());
        let known = policy.pools.keys();
        for (id, pool) in known.filter_map(|id| Some((id, newest.pools.get(id)?))) {
            let labels = [("pool", id.as_str())];
            text.put("evenkeel_pool_under_way", &labels, pool.under_way.into());
            text.put("evenkeel_pool_limit", &labels, pool.limit.into());
            text.put("evenkeel_pool_queued", &labels, pool.queued.into());
            text.put("evenkeel_pool_held", &labels, pool.held.into());
            for state in STATES {
                let of = pool.instances.values().filter(|one| one.state == state);
                let word = state.as_str().replace(' ', "_");
                let labels = [("pool", id.as_str()), ("state", word.as_str())];
                text.put("evenkeel_pool_instances", &labels, count(of.count()));
            }
            for instance in pool.instances.keys() {
                let ended = lately.instances.get(instance);
                let p99 = ended.and_then(|ended| ended.latencies.quantile_us(990));
                if let Some(us) = p99 {
                    let labels = [("pool", id.as_str()), ("instance", instance.as_str())];
                    #[expect(clippy::cast_precision_loss, reason = "good to one part in sixteen")]
                    let seconds = us as f64 / 1e6;
                    text.put("evenkeel_instance_p99_seconds", &labels, seconds);
                }
            }
        }
    }
    for (id, counted) in published.windows.instances() {
        let Some((pool, _)) = policy.pool_of(&id) else {
            continue;
        };
        let labels = [("pool", pool.as_str()), ("instance", id.as_str())];
        text.put(
            "evenkeel_instance_requests_total",
            &labels,
            total(counted.requests),
        );
        text.put(
            "evenkeel_instance_errors_total",
            &labels,
            total(counted.errors),
        );
    }
    for (id, counted) in published.windows.routes() {
        if !policy.routes.contains_key(&id) {
            continue;
        }
        let labels = [("route", id.as_str())];
        let name = "evenkeel_route_requests_total";
        text.put(name, &labels, total(counted.requests));
        let name = "evenkeel_route_errors_total";
        text.put(name, &labels, total(counted.errors));
        text.put("evenkeel_route_shed_total", &labels, total(counted.shed));
    }
}

fn fill(published: &Published, text: &mut Text) {
    let now = Timestamp::now();
    for (of, standing) in published.fill.all() {
        // Databases are asked once a minute.
        if since(standing.at, now) > STALE_AFTER * 20 {
            continue;
        }
        let of = match &of {
            Subject::Instance(id) => id.to_string(),
            other => other.to_string(),
        };
        for level in &standing.levels.levels {
            let resource = amounts::name(&level.resource).replace(' ', "_");
            let labels = [("of", of.as_str()), ("resource", resource.as_str())];
            text.put("evenkeel_resource_used", &labels, total(level.used));
            if let Some(limit) = level.limit {
                text.put("evenkeel_resource_limit", &labels, total(limit));
            }
            let mut forecasts = standing.forecasts.iter();
            let forecast = forecasts.find(|forecast| forecast.resource == level.resource);
            if let Some(forecast) = forecast {
                let at = forecast.exhausts.earliest.as_duration().as_secs_f64();
                let name = "evenkeel_resource_exhausts_timestamp_seconds";
                text.put(name, &labels, at);
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus has only floats")]
fn total(count: u64) -> f64 {
    count as f64
}
