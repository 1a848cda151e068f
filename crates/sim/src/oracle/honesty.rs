//! What is said must be so: a finding that opens, one that clears, a proof, a resolution.

use evenkeel_core::action::Task;
use evenkeel_core::finding::{FindingKey, FindingKind};
use evenkeel_core::ids::{ActionId, IncidentId};
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::subject::Subject;

use super::{Held, Oracle, Truth};
use crate::clock::{Ms, SECOND};
use crate::world::database::{Harm, RootKey};

/// What has been so for longer than this has been seen: pictures are at most 15 s old when
/// they count, and some are late.
const SURELY_SEEN: Ms = 40 * SECOND;

fn root_of(subject: &Subject) -> Option<RootKey> {
    match subject {
        Subject::Backend(backend) => Some(RootKey::Session(backend.pid, backend.backend_start)),
        Subject::PreparedTransaction { gid, .. } => Some(RootKey::Prepared(gid.clone())),
        _ => None,
    }
}

fn harm<'a>(key: &FindingKey, truth: Truth<'a>) -> Option<&'a Harm> {
    if key.kind != FindingKind::LockBlocksComponent {
        return None;
    }
    let db = truth.world.dbs.get(key.subject.database()?)?;
    db.harm.get(&root_of(&key.subject)?)
}

/// Somebody has waited for it all this time, in plain sight.
fn still_holds(key: &FindingKey, truth: Truth<'_>) -> bool {
    let seen_since = key
        .subject
        .database()
        .and_then(|db| truth.world.dbs.get(db))
        .filter(|db| db.unreachable.is_none())
        .map_or(truth.t, |db| db.reachable_since);
    harm(key, truth).is_some_and(|harm| {
        harm.waiters
            .values()
            .any(|since| truth.t - (*since).max(seen_since) > SURELY_SEEN)
    })
}

impl Oracle {
    /// A finding about a lock opens only where somebody was held up, lately and long enough.
    pub(crate) fn opened_means_so(&self, key: &FindingKey, truth: Truth<'_>) -> Held {
        if key.kind != FindingKind::LockBlocksComponent {
            return Ok(());
        }
        let (Some(root), Some(db)) = (
            root_of(&key.subject),
            key.subject
                .database()
                .and_then(|db| truth.world.dbs.get(db)),
        ) else {
            return Ok(());
        };
        let lately = |at: Ms| truth.t - at <= 25 * SECOND;
        let now = db.harm.contains_key(&root);
        let before = db.past.get(&root).is_some_and(|past| lately(past.gone_at));
        match now || before {
            true => Ok(()),
            false => Err((
                "opened_means_so",
                format!("{key} opens, and nobody waits for it"),
            )),
        }
    }

    /// A finding about a lock does not clear while somebody has been waiting all the time.
    pub(crate) fn cleared_means_over(&self, key: &FindingKey, truth: Truth<'_>) -> Held {
        match still_holds(key, truth) {
            true => Err((
                "cleared_means_over",
                format!("{key} clears: {:?}", harm(key, truth)),
            )),
            false => Ok(()),
        }
    }

    /// No incident is resolved while one of its findings holds, by the journal or in truth.
    pub(super) fn resolved_means_over(
        &self,
        incident: IncidentId,
        to: IncidentStatus,
        truth: Truth<'_>,
    ) -> Held {
        if to != IncidentStatus::Resolved {
            return Ok(());
        }
        let mut of_it = self.open.iter().filter(|(_, of)| **of == Some(incident));
        if let Some((key, _)) = of_it.next() {
            return Err((
                "resolved_means_over",
                format!("{incident} is resolved while {key} holds"),
            ));
        }
        Ok(()).and(
            match self
                .open
                .keys()
                .find(|key| still_holds(key, truth) && self.open[*key].is_none())
            {
                Some(key) => Err((
                    "resolved_means_over",
                    format!("{key} holds and belongs to no incident"),
                )),
                None => Ok(()),
            },
        )
    }

    /// An end counts as proven only if those who waited for it before do not wait for it
    /// still.
    pub(super) fn proof_is_true(&self, action: ActionId, truth: Truth<'_>) -> Held {
        let Some((asked, action)) = self.requested.get(&action) else {
            return Ok(());
        };
        let Task::EndBackend { backend, .. } = &action.task else {
            return Ok(());
        };
        let Some(db) = truth.world.dbs.get(&backend.database) else {
            return Ok(());
        };
        let root = RootKey::Session(backend.pid, backend.backend_start);
        let still = db
            .harm
            .get(&root)
            .is_some_and(|harm| harm.waiters.values().any(|since| since < asked));
        match still {
            true => Err((
                "proof_is_true",
                format!("{} is proven, and its waiters still wait", action.id),
            )),
            false => Ok(()),
        }
    }
}
