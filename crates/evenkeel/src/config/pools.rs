//! `[[pool]]`, its instances, and what may be done to them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use evenkeel_core::action::ActionKind;
use evenkeel_core::authority::{Grant, Mode};
use evenkeel_core::ids::{ComponentId, InstanceId, PoolId};
use evenkeel_core::policy::{LeakPolicy, Policy, PoolPolicy, RoutePolicy};
use evenkeel_core::subject::Subject;
use evenkeel_edge::settings::{
    ActiveCheck, HoldBounds, Instance, Limit, Outlier, Pool, Queue, Retry, Route,
};
use evenkeel_guards::leaks::{InstanceSpec, PoolSpec, ProcessSource, Restart, Unit, WebAddress};
use hyper::header::HeaderName;

use super::calendar::zone;
use super::listeners::address;
use super::may::grant;
use super::names::identity;
use super::reader::{At, Report, Section};
use super::settings::Kind;
use crate::quiet::QuietHours;

/// More often than this a check is load.
const OFTEN: Duration = Duration::from_millis(100);

/// In less nothing is opened, drained or waited for.
const MOMENT: Duration = Duration::from_millis(50);

/// The most of anything that is counted here; what is more is a slip of the hand.
const COUNT_MAX: i64 = 1_000_000;

/// A pool: what the edge needs, what watching it needs, and when little is done.
pub(super) struct PoolOf {
    pub(super) pool: Pool,
    pub(super) spec: PoolSpec,
    pub(super) quiet: Option<QuietHours>,
    name: String,
    granted: Option<Grant>,
}

/// Where the instances' names and addresses were first used.
#[derive(Default)]
struct Taken {
    names: BTreeMap<InstanceId, Range<usize>>,
    addresses: BTreeMap<std::net::SocketAddr, Range<usize>>,
}

pub(super) fn read(sections: Vec<Section<'_>>, report: &mut Report<'_>) -> Vec<At<PoolOf>> {
    let mut pools: Vec<At<PoolOf>> = Vec::new();
    let mut taken = Taken::default();
    for mut section in sections {
        let at = section.at.clone();
        let read = pool(&mut section, &mut taken, report);
        section.finish(report);
        let Some(read) = read else {
            continue;
        };
        let id = &read.pool.id;
        if let Some(other) = pools.iter().find(|other| other.value.pool.id == *id) {
            let line = report.line_of(&other.at);
            let what = format!("there are two pools `{id}`, the other in line {line}");
            report.error(&at, what);
            continue;
        }
        pools.push(At { value: read, at });
    }
    pools
}

/// What deciding needs to know of the pools and of who comes to them.
pub(super) fn of_core(
    pools: &[At<PoolOf>],
    routes: &[At<Route>],
    leaks: &LeakPolicy,
    policy: &mut Policy,
) {
    for pool in pools {
        let spec = &pool.value.spec;
        let led = routes.iter().filter(|route| route.value.pool == spec.id);
        let components: BTreeSet<ComponentId> = led
            .filter_map(|route| route.value.component.clone())
            .collect();
        let instances = spec.instances.iter();
        let restartable = instances.clone().filter(|one| one.restart.is_some());
        let of_core = PoolPolicy {
            name: pool.value.name.clone(),
            instances: instances.map(|instance| instance.id.clone()).collect(),
            recyclable: restartable.map(|instance| instance.id.clone()).collect(),
            components: components.into_iter().collect(),
            drain_max: spec.drain_max,
            admit_within: spec.admit_within,
            leaks: leaks.clone(),
        };
        policy.pools.insert(spec.id.clone(), of_core);
        if let Some(granted) = pool.value.granted.clone() {
            let scope = Subject::Pool(spec.id.clone());
            let key = (ActionKind::RecycleInstance, scope);
            policy.authority.grants.insert(key, granted);
        }
    }
    for route in routes {
        let of_core = RoutePolicy {
            component: route.value.component.clone(),
            pool: route.value.pool.clone(),
            criticality: route.value.criticality,
        };
        policy.routes.insert(route.value.id.clone(), of_core);
    }
}

fn pool(section: &mut Section<'_>, taken: &mut Taken, report: &mut Report<'_>) -> Option<PoolOf> {
    let id = identity(section, report, "pool");
    let name = section.text(report, "name");
    let check = check(section, report);
    let slow_start = Duration::from_secs(10);
    let slow_start = section.time(report, "slow_start", Duration::ZERO, slow_start);
    let drain_max = Duration::from_secs(30);
    let drain_max = section.time(report, "drain_max", MOMENT, drain_max);
    let sticky_cookie = section.text(report, "sticky_cookie");
    if let Some(cookie) = &sticky_cookie
        && super::edge::source(&format!("cookie:{}", cookie.value)).is_none()
    {
        let what = format!("`{}` cannot be the name of a cookie", cookie.value);
        report.error(&cookie.at, what + "; write for example \"evenkeel_web\"");
    }
    let outlier = outlier(section, report);
    let limit = limit(section, report);
    let queue = queue(section, report);
    let retry = retry(section, report);
    let hold = hold(section, report);
    let second = Duration::from_secs(1);
    let connect_timeout = section.time(report, "connect_timeout", MOMENT, second * 2);
    let idle_connections_max = section.count(report, "idle_connections_max", 0..=COUNT_MAX, 64);
    let idle_connection_max = section.time(report, "idle_connection_max", MOMENT, second * 4);
    let least = PoolSpec::new("".into());
    let restart_max = section.time(report, "restart_max", second, least.restart_max);
    let admit_within = section.time(report, "admit_within", second, least.admit_within);
    let quiet = quiet(section, report);
    let mut may = section.below(report, "may", "pool.may");
    let kind = ActionKind::RecycleInstance;
    let granted = grant(&mut may, report, kind.as_str(), kind);
    let may_at = may.at.clone();
    may.finish(report);
    let named = section.many(report, "instance", "[pool.instance]");
    if named.is_empty() {
        report.error(
            &section.at,
            "this pool has no `instance`; write [[pool.instance]] below it, with an id and an address",
        );
    }
    let mut instances = Vec::new();
    let mut specs = Vec::new();
    for mut section in named {
        let read = instance(&mut section, taken, report);
        section.finish(report);
        if let Some((instance, spec)) = read {
            instances.push(instance);
            specs.push(spec);
        }
    }
    let may_act = granted.as_ref();
    let may_act = may_act.is_some_and(|granted| granted.mode > Mode::Watch);
    if may_act && specs.iter().all(|instance| instance.restart.is_none()) {
        report.warn(
            &may_at,
            "no instance is ever recycled: none of them says how it is restarted (`unit`, \
             `recycle_command` or `recycle_hook`)",
        );
    } else if may_act && specs.len() == 1 {
        report.warn(
            &may_at,
            "the last instance in use is never recycled, and this pool has one: it takes a second",
        );
    }
    let id = PoolId::from(id?.value);
    let spec = PoolSpec {
        // Asked for with the edge's own `Host`, which is known once the routes are.
        ready: None,
        drain_max,
        restart_max,
        admit_within,
        instances: specs,
        ..PoolSpec::new(id.clone())
    };
    let pool = Pool {
        id,
        instances,
        check,
        outlier,
        limit,
        queue,
        retry,
        slow_start,
        hold,
        sticky_cookie: sticky_cookie.map(|at| at.value),
        drain_max,
        connect_timeout,
        idle_connections_max,
        idle_connection_max,
    };
    Some(PoolOf {
        pool,
        spec,
        quiet,
        name: name.map_or_else(String::new, |at| at.value),
        granted,
    })
}

fn check(section: &mut Section<'_>, report: &mut Report<'_>) -> Option<ActiveCheck> {
    let path = section.text(report, "check");
    let host = section.text(report, "check_host");
    let second = Duration::from_secs(1);
    let check = ActiveCheck {
        path: String::new(),
        host: host.map_or_else(String::new, |at| at.value),
        interval: section.time(report, "check_interval", OFTEN, second),
        timeout: section.time(report, "check_timeout", OFTEN, second * 2),
        rise: section.count(report, "check_rise", 1..=100, 2),
        fall: section.count(report, "check_fall", 1..=100, 3),
    };
    let path = path?;
    if !path.value.starts_with('/') || path.value.contains(char::is_whitespace) {
        let what = format!("`{}` is no path", path.value);
        report.error(&path.at, what + "; write for example check = \"/health\"");
        return None;
    }
    Some(ActiveCheck {
        path: path.value,
        ..check
    })
}

fn outlier(section: &mut Section<'_>, report: &mut Report<'_>) -> Outlier {
    let default = Outlier::default();
    let second = Duration::from_secs(1);
    let outlier = Outlier {
        failures: section.count(report, "outlier_failures", 1..=10_000, default.failures),
        rest: section.time(report, "outlier_rest", second, default.rest),
        rest_max: section.time(report, "outlier_rest_max", second, default.rest_max),
        panic_pct: section.count(report, "panic_pct", 0..=100, default.panic_pct),
    };
    if outlier.rest_max < outlier.rest {
        report.error(
            &section.at,
            "`outlier_rest_max` is the longest rest and cannot be shorter than `outlier_rest`, the first",
        );
    }
    outlier
}

fn limit(section: &mut Section<'_>, report: &mut Report<'_>) -> Limit {
    let default = Limit::default();
    let min = section.number(report, "concurrency_min", 1..=COUNT_MAX);
    let max = section.number(report, "concurrency_max", 1..=COUNT_MAX);
    let initial = section.number(report, "concurrency_initial", 1..=COUNT_MAX);
    let value = |given: &Option<At<i64>>, default| {
        let given = given.as_ref();
        let given = given.and_then(|at| u32::try_from(at.value).ok());
        given.unwrap_or(default)
    };
    let most = value(&max, default.max);
    // What is not given follows what is: `concurrency_max = 2` means two.
    let least = value(&min, default.min.min(most));
    let first = value(&initial, default.initial.clamp(least.min(most), most));
    for given in [min, initial].into_iter().flatten() {
        if given.value > i64::from(most) {
            let what = "this is more than `concurrency_max`, the most requests at once";
            report.error(&given.at, format!("{what}, which is {most}"));
        }
    }
    Limit {
        adaptive: section
            .yes_no(report, "adaptive")
            .unwrap_or(default.adaptive),
        min: least,
        max: most,
        initial: first,
        tenant_pct: section.count(report, "tenant_pct", 1..=100, default.tenant_pct),
        session_max: section.count(report, "session_max", 1..=COUNT_MAX, default.session_max),
    }
}

fn queue(section: &mut Section<'_>, report: &mut Report<'_>) -> Queue {
    let default = Queue::default();
    Queue {
        timeout: section.time(report, "queue_timeout", Duration::ZERO, default.timeout),
        len_max: section.count(report, "queue_max", 0..=COUNT_MAX, default.len_max),
        tenant_max: section.count(
            report,
            "queue_tenant_max",
            0..=COUNT_MAX,
            default.tenant_max,
        ),
    }
}

fn retry(section: &mut Section<'_>, report: &mut Report<'_>) -> Retry {
    let default = Retry::default();
    Retry {
        attempts: section.count(report, "retries", 0..=10, default.attempts),
        budget_pct: section.count(report, "retry_budget_pct", 0..=100, default.budget_pct),
        budget_min_per_s: section.count(
            report,
            "retry_min_per_s",
            0..=COUNT_MAX,
            default.budget_min_per_s,
        ),
    }
}

fn hold(section: &mut Section<'_>, report: &mut Report<'_>) -> HoldBounds {
    let default = HoldBounds::default();
    let bytes_max = section.size(report, "hold_body_max", 0..=16 << 30);
    HoldBounds {
        timeout: section.time(report, "hold_timeout", MOMENT, default.timeout),
        count_max: section.count(report, "hold_max", 0..=COUNT_MAX, default.count_max),
        tenant_max: section.count(report, "hold_tenant_max", 0..=COUNT_MAX, default.tenant_max),
        bytes_max: bytes_max.map_or(default.bytes_max, |at| at.value),
        release_per_s: section.count(
            report,
            "release_per_s",
            1..=COUNT_MAX,
            default.release_per_s,
        ),
    }
}

fn quiet(section: &mut Section<'_>, report: &mut Report<'_>) -> Option<QuietHours> {
    let zone = zone(section, report);
    let given = section.text(report, "quiet")?;
    let hours = QuietHours::read(&given.value, zone).ok();
    if hours.is_none() {
        let what = format!("`{}` are no hours that begin and end", given.value);
        report.error(
            &given.at,
            what + "; write for example quiet = \"02:00-04:00\"",
        );
    }
    hours
}

fn instance(
    section: &mut Section<'_>,
    taken: &mut Taken,
    report: &mut Report<'_>,
) -> Option<(Instance, InstanceSpec)> {
    let id = identity(section, report, "pool.instance");
    section.demand(report, "address");
    let address = address(section, report, "address");
    let unit = unit(section, report, "unit");
    let user_unit = self::unit(section, report, "user_unit");
    let pid_file = section.path(report, "pid_file", Kind::Folder);
    let metrics = web_address(section, report, "metrics");
    let release_header = release_header(section, report);
    let memory_limit = section.size(report, "memory_limit", 1 << 20..=1 << 50);
    let command = section.list(report, "recycle_command");
    let hook = web_address(section, report, "recycle_hook");
    let given = [
        unit.as_ref().map(|at| &at.at),
        user_unit.as_ref().map(|at| &at.at),
        pid_file.as_ref().map(|at| &at.at),
    ];
    if let Some(second) = given.into_iter().flatten().nth(1) {
        report.error(
            second,
            "give one of `unit`, `user_unit` and `pid_file`: which process it is stands in one place",
        );
    }
    let unit = unit.or(user_unit);
    if let (Some(_), Some(hook)) = (command.first(), &hook) {
        report.error(
            &hook.at,
            "give one of `recycle_command` and `recycle_hook`: it is restarted once",
        );
    }
    let at = section.at.clone();
    let (id, address) = (InstanceId::from(id?.value), address?);
    if let Some(other) = taken.names.insert(id.clone(), at.clone()) {
        let line = report.line_of(&other);
        let what = format!("there are two instances `{id}`, the other in line {line}");
        report.error(&at, what);
    }
    if let Some(other) = taken.addresses.insert(address.value, address.at.clone()) {
        let line = report.line_of(&other);
        let what = format!(
            "{} is the address of another instance already, in line {line}: one process would count as two",
            address.value
        );
        report.error(&address.at, what);
    }
    let command: Vec<String> = command.into_iter().map(|at| at.value).collect();
    let unit = unit.map(|at| at.value);
    let restart = match (command.is_empty(), hook, &unit) {
        (false, _, _) => Some(Restart::Command(command)),
        (true, Some(hook), _) => Some(Restart::Hook(hook.value)),
        (true, None, Some(unit)) => Some(Restart::Unit(unit.clone())),
        (true, None, None) => None,
    };
    let process = match (unit, pid_file) {
        (Some(unit), _) => ProcessSource::Unit(unit),
        (None, Some(file)) => ProcessSource::PidFile(file.value),
        (None, None) => ProcessSource::Elsewhere,
    };
    let spec = InstanceSpec {
        process,
        metrics: metrics.map(|at| at.value),
        release_header,
        memory_limit: memory_limit.map(|at| at.value),
        restart,
        ..InstanceSpec::new(id.clone(), address.value)
    };
    let instance = Instance {
        id,
        address: address.value,
    };
    Some((instance, spec))
}

fn unit(section: &mut Section<'_>, report: &mut Report<'_>, key: &'static str) -> Option<At<Unit>> {
    let given = section.text(report, key)?;
    match Unit::new(&given.value, key == "user_unit") {
        Ok(value) => Some(At {
            value,
            at: given.at,
        }),
        Err(why) => {
            report.error(&given.at, why);
            None
        }
    }
}

fn web_address(
    section: &mut Section<'_>,
    report: &mut Report<'_>,
    key: &'static str,
) -> Option<At<WebAddress>> {
    let given = section.text(report, key)?;
    match WebAddress::parse(&given.value) {
        Ok(value) => Some(At {
            value,
            at: given.at,
        }),
        Err(why) => {
            report.error(&given.at, why);
            None
        }
    }
}

fn release_header(section: &mut Section<'_>, report: &mut Report<'_>) -> Option<HeaderName> {
    let given = section.text(report, "release_header")?;
    let name = HeaderName::from_bytes(given.value.as_bytes()).ok();
    if name.is_none() {
        let what = format!("`{}` cannot be the name of a header", given.value);
        report.error(&given.at, what + "; write for example \"x-release\"");
    }
    name
}
