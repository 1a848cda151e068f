//! Asks each instance whether it is well, as the pool says, and tells the deciding half.
//!
//! Each check has a connection of its own: an instance that takes no further connections is
//! not well, however it serves those it has. The instances of a pool are asked one after
//! the other over the interval, not all at once.

use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use crate::settings::ActiveCheck;
use crate::shared::Shared;
use crate::upstream::{Asked, Exchange};
use crate::wire::Coding;

/// Begins to ask all instances of all pools that have a check.
pub(crate) fn start(shared: &Rc<Shared>) {
    for (p, pool) in shared.settings.pools.iter().enumerate() {
        let Some(check) = &pool.check else {
            continue;
        };
        let count = u32::try_from(pool.instances.len()).unwrap_or(u32::MAX);
        for i in 0..pool.instances.len() {
            let offset = check.interval / count.max(1) * u32::try_from(i).unwrap_or_default();
            let keeping = keep(shared.clone(), p, i, check.clone(), offset);
            tokio::task::spawn_local(keeping);
        }
    }
}

async fn keep(
    shared: Rc<Shared>,
    pool: usize,
    instance: usize,
    check: ActiveCheck,
    offset: Duration,
) {
    let start = tokio::time::Instant::now() + offset;
    let mut tick = tokio::time::interval_at(start, check.interval);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let asked = ask(&shared, pool, instance, &check);
        let result = match tokio::time::timeout(check.timeout, asked).await {
            Ok(result) => result,
            Err(_) => Err(format!("no answer within {:?}", check.timeout)),
        };
        shared.traffic.checked(pool, instance, result);
    }
}

async fn ask(
    shared: &Shared,
    pool: usize,
    instance: usize,
    check: &ActiveCheck,
) -> Result<(), String> {
    let line = shared.lines.line(pool, instance);
    let mut connection = line.connect().await.map_err(|error| error.to_string())?;
    let head = format!(
        "GET {} HTTP/1.1\r\nhost: {}\r\nuser-agent: evenkeel\r\nconnection: close\r\n\r\n",
        check.path, check.host
    );
    connection.wire.output().extend_from_slice(head.as_bytes());
    let bounds = shared.head_bounds();
    let mut exchange =
        Exchange::begin(connection, None, Coding::Plain, 0, Asked::default(), bounds);
    let head = poll_fn(|cx| {
        loop {
            match exchange.poll_head(cx) {
                Poll::Ready(Ok(head)) if head.status.is_informational() => {}
                ended => return ended,
            }
        }
    });
    let head = head.await.map_err(|broken| broken.to_string())?;
    match head.status.as_u16() {
        200..=399 => Ok(()),
        status => Err(format!("it answered {status}")),
    }
}
