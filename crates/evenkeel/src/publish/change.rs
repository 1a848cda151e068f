//! Whether customers would read something else.
//!
//! The record changes with everything that is decided; pages differ in every second
//! because they say what time it is. Neither is a reason to upload files. So what the
//! pages are made from is hashed, and only that.

use std::sync::Arc;

use evenkeel_core::message::Body;
use evenkeel_core::record::Record;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::pump::published::Published;

/// What customers see of a picture.
#[derive(Debug, Clone)]
pub struct Seen {
    record: Arc<Record>,
    hash: [u8; 32],
    is_stale: bool,
}

impl PartialEq for Seen {
    fn eq(&self, other: &Self) -> bool {
        (self.hash, self.is_stale) == (other.hash, other.is_stale)
    }
}

impl Seen {
    /// What customers see of `published`; `before` spares the work where the record is the
    /// same.
    pub fn of(published: &Published, before: Option<&Self>) -> Self {
        let record = published.record.clone();
        let known = before.filter(|before| Arc::ptr_eq(&before.record, &record));
        Self {
            hash: known.map_or_else(|| hash(&record), |known| known.hash),
            is_stale: published.is_stale(),
            record,
        }
    }
}

fn hash(record: &Record) -> [u8; 32] {
    // Every field is named: one that is added has to say whether customers see it.
    let Record {
        components,
        incidents,
        aftermath,
        messages,
        maintenances,
        open_maintenances: _,
        under_way: _,
        peaks: _,
        revision: _,
        findings: _,
        actions: _,
        open_actions: _,
        open_messages: _,
        jobs: _,
        runs: _,
        readiness: _,
        heartbeats: _,
        held: _,
        stops: _,
        ledger: _,
        edge,
        last: _,
    } = record;
    let mut hash = Sha256::new();
    let mut take = |part: &dyn Fn(&mut Sha256) -> serde_json::Result<()>| {
        if let Err(error) = part(&mut hash) {
            // A map whose keys are no texts: a mistake of ours. The edition is renewed in
            // any case, only later.
            tracing::error!(%error, "what customers see could not be hashed");
        }
    };
    take(&|hash| put(hash, components));
    take(&|hash| put(hash, &edge.banner));
    for incident in incidents.values().filter(|incident| incident.is_public()) {
        take(&|hash| put(hash, incident));
    }
    for maintenance in maintenances.values() {
        take(&|hash| put(hash, maintenance));
    }
    for (id, aftermath) in aftermath {
        if let Some(postmortem) = &aftermath.postmortem
            && postmortem.published().is_some()
        {
            take(&|hash| put(hash, &(id, &postmortem.editions, &postmortem.measures)));
        }
    }
    for message in messages.values().map(|state| &state.message) {
        if matches!(message.body, Body::Public { .. }) {
            take(&|hash| put(hash, message));
        }
    }
    hash.finalize().into()
}

fn put(hash: &mut Sha256, part: &impl Serialize) -> serde_json::Result<()> {
    hash.update(serde_json::to_vec(part)?);
    hash.update(b"\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use evenkeel_core::Timestamp;
    use evenkeel_core::event::{Event, What};
    use evenkeel_core::status::Status;

    use super::*;

    fn after(record: &Record, what: What) -> Published {
        let mut record = record.clone();
        record.apply(&Event {
            at: Timestamp::now(),
            what,
        });
        Published::of(record)
    }

    #[test]
    fn what_customers_see_changes_with_a_component_and_not_with_the_kill_switch() {
        let record = Record::default();
        let before = Seen::of(&Published::of(record.clone()), None);
        let held = What::ActionsHeld {
            by: "operator:ana".into(),
            reason: "look first".into(),
        };
        assert_eq!(Seen::of(&after(&record, held), Some(&before)), before);
        let hurt = What::ComponentStatusChanged {
            component: "login".into(),
            from: Status::Operational,
            to: Status::MajorOutage,
            reason: "every login fails".into(),
        };
        assert_ne!(Seen::of(&after(&record, hurt), Some(&before)), before);
    }
}
