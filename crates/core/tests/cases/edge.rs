//! Pools, routes and what the edge tells of them.
//!
//! ```text
//! pool web instances=web-1,web-2 components=login drain=5s admit=10s
//! route documents component=documents pool=web criticality=sheddable
//! @1s edge web web-1 web-2:down:refused queued=3 documents=100/5/2
//!     a window: how each instance is used and why not; a route's requests/errors/shed
//! @3s quiet web from=10s until=20s
//! @4s drain web web-1                 an order; admit takes it back
//! ```

use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::edge::{
    Criticality, EdgeOrder, EdgeWindow, InstanceState, InstanceWindow, PoolWindow, Traffic,
};
use evenkeel_core::observation::{Order, QuietWindow, Seen};
use evenkeel_core::policy::{Policy, RoutePolicy};

use super::script::{at, option, span_option};

/// A route of the configuration.
pub(crate) fn route(policy: &mut Policy, id: &str, options: &[&str]) -> Result<(), String> {
    let criticality = match option(options, "criticality") {
        None | Some("normal") => Criticality::Normal,
        Some("sheddable") => Criticality::Sheddable,
        Some("critical") => Criticality::Critical,
        Some(other) => return Err(format!("no such criticality: {other}")),
    };
    let route = RoutePolicy {
        component: option(options, "component").map(Into::into),
        pool: option(options, "pool").ok_or("pool=POOL")?.into(),
        criticality,
    };
    policy.routes.insert(id.into(), route);
    Ok(())
}

/// What the edge has to know of a pool.
pub(crate) fn pool(policy: &mut Policy, id: &str, options: &[&str]) -> Result<(), String> {
    let Some(pool) = policy.pools.get_mut(&id.into()) else {
        return Ok(());
    };
    pool.recyclable = match option(options, "recyclable") {
        None => pool.instances.clone(),
        Some(some) => some.split(',').map(Into::into).collect(),
    };
    pool.drain_max = span_option(options, "drain")?.unwrap_or(Duration::from_secs(5));
    pool.admit_within = span_option(options, "admit")?.unwrap_or(Duration::from_secs(10));
    Ok(())
}

pub(crate) fn see(line: &str, now: Timestamp) -> Result<Option<Seen>, String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [verb, about, rest @ ..] = &words[..] else {
        return Ok(None);
    };
    Ok(Some(match *verb {
        "edge" => Seen::EdgeWindow(window(about, rest, now)?),
        "quiet" => Seen::QuietWindow(QuietWindow {
            pool: (*about).into(),
            from: at(span_option(rest, "from")?.ok_or("from=SPAN")?),
            until: at(span_option(rest, "until")?.ok_or("until=SPAN")?),
        }),
        "drain" | "admit" => {
            let pool = (*about).into();
            let instance = (*rest.first().ok_or("which instance?")?).into();
            Seen::Order(Order::Edge(match *verb {
                "drain" => EdgeOrder::Drain { pool, instance },
                _ => EdgeOrder::Admit { pool, instance },
            }))
        }
        _ => return Ok(None),
    }))
}

fn window(pool: &str, words: &[&str], now: Timestamp) -> Result<EdgeWindow, String> {
    let second = Duration::from_secs(1);
    let mut window = EdgeWindow::quiet(now.checked_sub(second).map_err(|e| e.to_string())?);
    let mut of = PoolWindow::default();
    for word in words {
        if word.starts_with("from=") {
            continue;
        }
        if let Some((name, value)) = word.split_once('=') {
            let numbers: Result<Vec<u32>, _> = value.split('/').map(str::parse).collect();
            let numbers = numbers.map_err(|_| format!("no numbers: {word}"))?;
            if name == "queued" {
                of.queued = numbers.first().copied().unwrap_or(0);
                continue;
            }
            let traffic = Traffic {
                requests: numbers.first().copied().unwrap_or(0),
                errors: numbers.get(1).copied().unwrap_or(0),
                shed: numbers.get(2).copied().unwrap_or(0),
                ..Traffic::default()
            };
            window.routes.insert(name.into(), traffic);
            continue;
        }
        let mut parts = word.splitn(3, ':');
        let id = parts.next().unwrap_or_default();
        let state = match parts.next() {
            None => InstanceState::InUse,
            Some("slow") => InstanceState::SlowStart,
            Some("draining") => InstanceState::Draining,
            Some("down") => InstanceState::Down,
            Some("ejected") => InstanceState::Ejected,
            Some(other) => return Err(format!("no such state: {other}")),
        };
        let instance = InstanceWindow {
            state,
            why: parts.next().map(Into::into),
            ..InstanceWindow::default()
        };
        of.instances.insert(id.into(), instance);
    }
    window.pools.insert(pool.into(), of);
    Ok(window)
}
