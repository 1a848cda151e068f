//! Recycle an instance before something of it runs out: one at a time, never the last.
//!
//! It is taken out of use, restarted and let in again, at a time of our choosing instead of
//! its own. What always holds:
//!
//! - Every other instance of its pool is in use, as a window of the edge of the last seconds
//!   shows; one that is drained by a person, starting slowly or failed is not. A pool of one
//!   is left to people, and so is any when the edge tells nothing.
//! - Nothing of the pool is proposed, being recycled, or recycled and not proven.
//! - Siblings do not fall due together: where two would, the one that runs out first goes
//!   so much earlier that there is time for both.
//! - In the pool's quiet window, where one comes in time; else when it is due and not before,
//!   because each recycling costs warm caches and a little of the capacity.
//!
//! **The proof is the resource**, not the restart: what does not drop (memory shared with a
//! parent that never falls) made recyclers restart everything for nothing, every few seconds.
//! Without proof it is stopped for the whole pool, and a person is called.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use jiff::Timestamp;

use super::{Proof, Proposal, Response, Wish};
use crate::action::{ActionKind, Task};
use crate::authority::Mode;
use crate::detect::{View, say};
use crate::evidence::Fact;
use crate::finding::{FindingKey, FindingKind};
use crate::ids::{InstanceId, PoolId};
use crate::memory::FRESH;
use crate::observation::Resource;
use crate::policy::PoolPolicy;
use crate::record::{ActionState, OpenFinding, Phase};
use crate::subject::Subject;
use crate::time;

/// The response.
pub const RESPONSE: Response = Response {
    kind: ActionKind::RecycleInstance,
    about: "Restarts an instance before something of it runs out: it is drained at the edge, \
            restarted, and gets requests again with a slow start once its check answers. One of \
            a pool at a time, only while all others are in use, in the pool's quiet window where \
            one comes in time. Proof: what ran out is seen to have dropped by half.",
    answers: &[FindingKind::ResourceExhausts],
    wish,
    proof,
};

/// Recyclings of a pool that tell how long one takes.
const LATELY: usize = 5;

/// Time that is kept before the earliest moment it may run out, in times of what a recycling
/// takes: one that fails can be made good by hand, and forecasts err.
const MARGIN_TIMES: u32 = 2;

/// In a quiet window goes what would not last until the next one; those come daily.
const QUIET_EVERY: Duration = Duration::from_secs(24 * 3600);

/// Within this time after its restart the drop is seen: pictures come every few seconds, and
/// a program that fills half of what it leaked in three minutes needs no recycling but mending.
const SEEN_WITHIN: Duration = Duration::from_secs(180);

/// Under which name the level before is kept in the action's facts.
const USED_BEFORE: &str = "used_before";

fn wish(view: View<'_>, open: &OpenFinding) -> Wish {
    let Subject::Instance(instance) = &open.finding.key.subject else {
        return Wish::Nothing;
    };
    let Some((pool, policy)) = view.policy.pool_of(instance) else {
        return Wish::Nothing;
    };
    let Some(need) = need(view, instance) else {
        // Nobody remembers the trend after a restart: it is watched again first.
        return Wish::Nothing;
    };
    if !is_time(view, pool, policy, instance, &need) {
        return Wish::Nothing;
    }
    let standing = view
        .memory
        .standing(&open.finding.key.subject, &need.resource);
    let started = standing.and_then(|standing| standing.started_at);
    let mut facts = open.finding.facts.clone();
    facts.extend(standing.map(|standing| Fact::new(USED_BEFORE, standing.used)));
    let proposal = Proposal {
        task: Task::RecycleInstance {
            pool: pool.clone(),
            instance: instance.clone(),
            resource: need.resource,
            started_before: started.map(|_| view.now),
            drain_max: policy.drain_max,
            admit_within: policy.admit_within,
        },
        reason: open.finding.reason.clone(),
        facts,
    };
    match obstacle(view, pool, policy, instance) {
        Some(Obstacle::Passing(_)) => Wish::Nothing,
        Some(Obstacle::Rule(rule)) => Wish::Forbidden(proposal, rule),
        None => Wish::Do(proposal),
    }
}

/// What runs out of an instance, and when at the earliest.
struct Need {
    resource: Resource,
    earliest: Timestamp,
}

fn need(view: View<'_>, instance: &InstanceId) -> Option<Need> {
    let subject = Subject::Instance(instance.clone());
    let mut standings = view.memory.standings(&subject);
    if let Some((resource, _)) = standings.find(|(_, standing)| standing.is_full) {
        return Some(Need {
            resource: resource.clone(),
            earliest: view.now,
        });
    }
    let forecast = view.memory.forecast(&subject)?;
    Some(Need {
        resource: forecast.resource.clone(),
        earliest: forecast.exhausts.earliest,
    })
}

/// Whether its time has come.
fn is_time(
    view: View<'_>,
    pool: &PoolId,
    policy: &PoolPolicy,
    instance: &InstanceId,
    need: &Need,
) -> bool {
    let due = due_at(view, pool, policy, instance, need);
    if due <= view.now {
        return true;
    }
    match view.memory.edge.quiet(pool) {
        Some((from, until)) if from <= view.now && view.now < until => {
            time::since(view.now, due) < QUIET_EVERY
        }
        _ => false,
    }
}

/// When it has to go at the latest, quiet or not: before it runs out, and early enough that
/// its siblings have their turn before they do.
fn due_at(
    view: View<'_>,
    pool: &PoolId,
    policy: &PoolPolicy,
    instance: &InstanceId,
    need: &Need,
) -> Timestamp {
    let takes = takes(view, pool, policy);
    let kind = ActionKind::RecycleInstance;
    let grant = view
        .policy
        .authority
        .grant(kind, &Subject::Pool(pool.clone()));
    let spacing = (takes * MARGIN_TIMES).max(grant.interval_min);
    let is_open = |sibling: &InstanceId| {
        let key = FindingKey {
            kind: FindingKind::ResourceExhausts,
            subject: Subject::Instance(sibling.clone()),
        };
        view.record.findings.contains_key(&key)
    };
    // Who runs out when; of two at the same moment the one first named goes first.
    let mut ends: BTreeMap<(Timestamp, &InstanceId), ()> = BTreeMap::new();
    for sibling in policy.recyclable.iter().filter(|id| is_open(id)) {
        if let Some(need) = self::need(view, sibling) {
            ends.insert((need.earliest, sibling), ());
        }
    }
    ends.insert((need.earliest, instance), ());
    let mut next: Option<Timestamp> = None;
    for (earliest, sibling) in ends.into_keys().rev() {
        let alone = before(earliest, takes * MARGIN_TIMES);
        let due = next.map_or(alone, |next| alone.min(before(next, spacing)));
        if sibling == instance {
            return due;
        }
        next = Some(due);
    }
    view.now
}

/// How long a recycling takes until it is proven: the longest of late; what it may take at
/// most where none was seen.
fn takes(view: View<'_>, pool: &PoolId, policy: &PoolPolicy) -> Duration {
    let scope = Subject::Pool(pool.clone());
    let kind = ActionKind::RecycleInstance;
    let actions = view.record.actions.values().rev();
    let of_pool = actions.filter(|state| {
        let task = &state.action.task;
        task.kind() == kind && task.scope() == scope
    });
    let took = of_pool.filter_map(|state| match state.phase {
        Phase::Proven { at, .. } => Some(time::since(state.action.decided_at, at)),
        _ => None,
    });
    let at_most = policy.drain_max.saturating_add(policy.admit_within);
    let longest = took.take(LATELY).max();
    longest.map_or(at_most, |longest| longest.min(at_most))
}

/// What will be done about a finding whose time has not come yet.
pub(crate) fn announces(view: View<'_>, open: &OpenFinding) -> Option<String> {
    let Subject::Instance(instance) = &open.finding.key.subject else {
        return None;
    };
    let answers = RESPONSE.answers.contains(&open.finding.key.kind);
    let (pool, policy) = view.policy.pool_of(instance).filter(|_| answers)?;
    let scope = Subject::Pool(pool.clone());
    let grant = view.policy.authority.grant(RESPONSE.kind, &scope);
    if grant.mode == Mode::Watch || !policy.recyclable.contains(instance) {
        return None;
    }
    let forecast = view.memory.forecast(&open.finding.key.subject)?;
    let earliest = forecast.exhausts.earliest;
    let does = match grant.mode {
        Mode::Act => "recycles",
        _ => "will propose to recycle",
    };
    Some(format!(
        "Evenkeel {does} {instance} before {} UTC, once the others of its pool are in use.",
        earliest.strftime("%H:%M")
    ))
}

fn before(at: Timestamp, span: Duration) -> Timestamp {
    at.checked_sub(span).unwrap_or(Timestamp::MIN)
}

/// What is in the way of recycling an instance now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// It goes by itself.
    Passing(String),
    /// A rule: somebody has to do something.
    Rule(String),
}

impl Obstacle {
    pub(crate) fn text(self) -> String {
        match self {
            Self::Passing(text) | Self::Rule(text) => text,
        }
    }
}

/// Whether an instance may be taken out now: every other one of its pool is in use.
pub(crate) fn obstacle(
    view: View<'_>,
    pool: &PoolId,
    policy: &PoolPolicy,
    instance: &InstanceId,
) -> Option<Obstacle> {
    let rule = |text: String| Some(Obstacle::Rule(text));
    if !policy.recyclable.contains(instance) {
        return rule(format!(
            "the configuration does not say how {instance} is restarted"
        ));
    }
    let others: Vec<&InstanceId> = policy
        .instances
        .iter()
        .filter(|other| *other != instance)
        .collect();
    if others.is_empty() {
        return rule(format!("{instance} is the only instance of pool {pool}"));
    }
    let Some(used) = view.memory.edge.pool(pool, view.now) else {
        return rule(format!(
            "the edge has told nothing for more than {}, so that nobody knows whether the others \
             of pool {pool} serve",
            say(FRESH)
        ));
    };
    if let Some(other) = others
        .iter()
        .find(|other| view.record.edge.drains(pool, other))
    {
        return rule(format!("{other} of the same pool is drained by a person"));
    }
    for other in others {
        let state = used.get(other).map(|used| used.state);
        use crate::edge::InstanceState as State;
        match state {
            Some(State::InUse) => {}
            Some(State::SlowStart) => {
                return Some(Obstacle::Passing(format!("{other} has only just started")));
            }
            Some(State::Draining) => {
                return Some(Obstacle::Passing(format!("{other} is still drained")));
            }
            Some(State::Down | State::Ejected) | None => {
                return rule(format!("{other} of the same pool is not in use"));
            }
        }
    }
    None
}

fn proof(view: View<'_>, state: &ActionState, performed_at: Timestamp) -> Proof {
    let Task::RecycleInstance {
        instance, resource, ..
    } = &state.action.task
    else {
        return Proof::Waiting(view.now);
    };
    let subject = Subject::Instance(instance.clone());
    let seen = view.memory.standing(&subject, resource);
    let seen = seen.filter(|standing| standing.seen_at > performed_at);
    let decided_at = view.memory.at_latest(state.action.decided_at, view.now);
    let dropped = seen.is_some_and(|standing| {
        let fell = standing.fallen_at.is_some_and(|at| at > decided_at);
        // Whoever was restarted meanwhile has only the number that was written down.
        let halved = used_before(state).is_some_and(|before| standing.used <= before / 2);
        fell || halved
    });
    if dropped {
        return Proof::Helped(format!("what ran out at {instance} has dropped"));
    }
    let deadline = time::after(performed_at, SEEN_WITHIN);
    if view.now < deadline {
        return Proof::Waiting(deadline);
    }
    let reason = match seen {
        Some(_) => format!(
            "what ran out at {instance} had not dropped {} after its restart",
            say(SEEN_WITHIN)
        ),
        None => format!(
            "nothing was seen of {instance} within {} after its restart",
            say(SEEN_WITHIN)
        ),
    };
    Proof::Failed {
        reason,
        escalate: false,
    }
}

fn used_before(state: &ActionState) -> Option<u64> {
    let mut facts = state.action.facts.iter();
    let fact = facts.find(|fact| fact.name == USED_BEFORE)?;
    fact.value.parse().ok()
}
