//! Heartbeats as clients know them: URLs to ping, and the API to manage them.
//!
//! Both are Healthchecks' own, byte for byte where a client can tell, so that what pings
//! Healthchecks today pings Evenkeel after a change of the host. What a ping means is
//! decided by the core; here it is read, dated, and given when the next one is due.
//!
//! | file | what |
//! |---|---|
//! | [`address`] | the URL of a ping, and the queries of both |
//! | [`due`], [`calendar`] | when the next ping is due: period, cron, OnCalendar |
//! | [`book`] | which heartbeats there are, for who has a UUID or a slug |
//! | [`listener`] | a ping is answered when it is durable |
//! | [`api`] | the management API |
//!
//! **A ping is answered `OK` when it is in the journal**, and not before. While the journal
//! takes nothing, clients get 503 within some seconds and come again.
//!
//! What a ping costs does not depend on how many heartbeats there are: one look-up in the
//! book, one place in the pump's next step, one share of its append.

pub mod address;
#[expect(
    clippy::result_large_err,
    reason = "an answer is made once for a request and handed on twice"
)]
pub mod api;
pub mod book;
pub mod calendar;
pub mod due;
pub mod listener;
pub mod slug;
mod spec;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_api;
pub mod uuid;
pub mod view;

use std::sync::Arc;

use evenkeel_core::Timestamp;
use evenkeel_core::heartbeat::{Change, HeartbeatChange};
use evenkeel_core::observation::Seen;
use evenkeel_core::policy::Policy;
use evenkeel_core::record::Record;
use evenkeel_guards::outlet::{Outlet, to_the_millisecond};

use book::{Book, Entry};
use uuid::Uuid;

/// The heartbeats of a configuration, and those a record has beside them.
pub fn book(policy: &Policy, record: &Record) -> Book {
    let configured = policy.heartbeats.iter().filter_map(|(id, spec)| {
        // Both were read when the configuration was.
        Entry::new(Uuid::parse(id.as_str())?, spec.clone(), true).ok()
    });
    Book::new(configured, record)
}

/// Tells the core what the configuration has: heartbeats that are new or have another
/// schedule than before, and those it has no more.
pub async fn announce(book: Arc<Book>, policy: Arc<Policy>, record: Arc<Record>, outlet: Outlet) {
    let outlet = outlet.named("configuration");
    let now = to_the_millisecond(Timestamp::now());
    let mut changes = Vec::new();
    for entry in book.all().iter().filter(|entry| entry.configured) {
        let schedule = entry.spec.expected.to_string();
        let state = record.heartbeats.get(&entry.id);
        let known = state.and_then(|state| state.schedule.as_ref());
        if known == Some(&schedule) && state.is_some_and(|state| state.spec.is_none()) {
            continue;
        }
        let due_at = entry.due.after(now);
        let change = Change::Schedule { schedule, due_at };
        changes.push((entry.id.clone(), change));
    }
    for (id, state) in &record.heartbeats {
        if state.spec.is_none() && !policy.heartbeats.contains_key(id) {
            changes.push((id.clone(), Change::Delete));
        }
    }
    // It is a copy for readers, and not to be held while the pump takes all of these.
    drop(record);
    for (heartbeat, change) in changes {
        let wanted = HeartbeatChange { heartbeat, change };
        if !outlet.fact(Seen::HeartbeatChange(wanted)).await {
            return;
        }
    }
}
