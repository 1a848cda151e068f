//! Protected components wait for a lock that one session holds.
//!
//! Harm, not age, is what counts: a transaction may be open for hours and hurt nobody. It
//! counts when at least `waiters_min` sessions of protected components wait for one root,
//! each for at least `waiting_min` by our own clock (the server's may differ). Once it
//! holds it holds until none of them waits any more: one waiter less is no recovery.
//!
//! How bad it is for customers grows with how long the first of them has waited. It does
//! not shrink while the finding holds: those who waited longest give up first, and a status
//! that went back and forth with them would be told to customers each time.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloc::{format, vec};
use core::time::Duration;

use super::{Detector, Verdict, View, say};
use crate::evidence::Fact;
use crate::finding::{Finding, FindingKey, FindingKind, Severity};
use crate::ids::ComponentId;
use crate::memory::ChainMemory;
use crate::observation::LockRoot;
use crate::status::Status;
use crate::subject::Subject;
use crate::time;

/// The detector.
pub const DETECTOR: Detector = Detector {
    kind: FindingKind::LockBlocksComponent,
    guard: "locks",
    about: "Sessions that work for a component wait, directly or through others, for a lock that \
            one session (or a prepared transaction) holds.",
    advice: "The root is named with its query and its owner. If Evenkeel may not end it, end it \
             with the statement shown, or roll the prepared transaction back.",
    judge,
};

/// Waiting this long is an outage for those who wait: a browser's user has given up
/// (10 s is Nielsen's limit for keeping attention).
const PARTIAL_AFTER: Duration = Duration::from_secs(10);

/// Waiting this long, the pool behind the component is taken to be used up.
const MAJOR_AFTER: Duration = Duration::from_secs(60);

fn judge(view: View<'_>, subject: &Subject) -> Option<Verdict> {
    if !matches!(
        subject,
        Subject::Backend(_) | Subject::PreparedTransaction { .. }
    ) {
        return None;
    }
    let database = subject.database()?;
    let policy = &view.policy.databases.get(database)?.locks;
    if !view.memory.sees_locks(database, view.now) {
        return Some(Verdict::unknown());
    }
    let Some(chain) = view.memory.chain(subject) else {
        return Some(Verdict::clear("nobody waits for it any more"));
    };
    let key = FindingKey {
        kind: FindingKind::LockBlocksComponent,
        subject: subject.clone(),
    };
    let open = view.record.findings.get(&key);
    let was_open = open.is_some();
    let waiting = chain.waiting(view.now, policy.waiting_min);
    let counted: u32 = waiting.values().map(|(count, _)| count).sum();
    if waiting.is_empty() {
        return Some(Verdict::clear(
            "no session of a component waits for it any more",
        ));
    }
    let now = view.now;
    let next_look = [policy.waiting_min, PARTIAL_AFTER, MAJOR_AFTER]
        .into_iter()
        .flat_map(|limit| {
            chain
                .first_seen
                .values()
                .map(move |first| time::after(*first, limit))
        })
        .filter(|at| *at > now)
        .min();
    let verdict = if counted < policy.waiters_min.max(1) && !was_open {
        Verdict::unknown()
    } else {
        let harms = harms(&waiting, open.map(|open| &open.finding.harms));
        Verdict::holds(finding(key, chain, harms, view))
    };
    Some(match next_look {
        Some(at) => verdict.again_at(at),
        None => verdict,
    })
}

/// What it does to components now, and did while it held.
fn harms(
    waiting: &BTreeMap<ComponentId, (u32, Duration)>,
    before: Option<&BTreeMap<ComponentId, Status>>,
) -> BTreeMap<ComponentId, Status> {
    let mut harms = before.cloned().unwrap_or_default();
    for (id, (_, longest)) in waiting {
        let worst = harms.entry(id.clone()).or_default();
        *worst = (*worst).max(status(*longest));
    }
    harms
}

fn finding(
    key: FindingKey,
    chain: &ChainMemory,
    harms: BTreeMap<ComponentId, Status>,
    view: View<'_>,
) -> Finding {
    let name = |id: &ComponentId| {
        view.policy
            .components
            .get(id)
            .map_or_else(|| id.to_string(), |policy| policy.name.clone())
    };
    let names: Vec<String> = harms.keys().map(name).collect();
    let names = names.join(", ");
    let worst = harms.values().copied().max().unwrap_or_default();
    let mut links: BTreeSet<Subject> = BTreeSet::new();
    let (holder, mut facts) = match &chain.chain.root {
        LockRoot::Session(session) => {
            if let Some(run) = &session.run {
                links.insert(Subject::Run(run.clone()));
                if let Some(state) = view.record.runs.get(run) {
                    links.insert(Subject::Job(state.job.clone()));
                }
            }
            let owner = match &session.run {
                Some(run) => format!("run {run}"),
                None => format!("{} ({})", session.application_name, session.role),
            };
            let facts = vec![
                Fact::new("root_pid", session.backend.pid),
                Fact::new("root_application_name", &session.application_name),
                Fact::new("root_role", &session.role),
                Fact::new("root_state", format!("{:?}", session.state)),
                Fact::new("root_waits_for", &session.waits_for),
                Fact::new("root_query", &session.query),
            ];
            (
                format!("a lock held by {owner}, backend {}", session.backend.pid),
                facts,
            )
        }
        LockRoot::Prepared {
            gid,
            owner,
            prepared_at,
        } => {
            let statement = format!("ROLLBACK PREPARED '{}';", gid.replace('\'', "''"));
            let facts = vec![
                Fact::new("prepared_transaction", gid),
                Fact::new("owner", owner),
                Fact::new("prepared_at", prepared_at),
                Fact::new("to_release_type", &statement),
            ];
            (
                format!("the prepared transaction {gid}; to release it: {statement}"),
                facts,
            )
        }
    };
    facts.push(Fact::new("components_waiting", &names));
    // A queued DDL statement that others wait behind is named beside the root.
    for waiter in &chain.chain.waiters {
        let behind = chain
            .chain
            .waiters
            .iter()
            .filter(|other| other.waits_for_pids.contains(&waiter.session.backend.pid))
            .count();
        if behind > 0 && waiter.session.component.is_none() {
            facts.push(Fact::new(
                "also_holds_up_others",
                format!(
                    "backend {} ({}) waits itself for {}, {behind} wait behind it: {}",
                    waiter.session.backend.pid,
                    waiter.session.application_name,
                    waiter.wants,
                    waiter.session.query
                ),
            ));
            break;
        }
    }
    Finding {
        key,
        title: format!("{names} is blocked"),
        severity: Severity::Critical,
        harms,
        links,
        reason: format!("{names} waits for {holder}{}.", how_long(worst)),
        facts,
    }
}

/// In steps, so that a finding that only grows older is not told anew.
fn how_long(worst: Status) -> String {
    match worst {
        Status::MajorOutage => format!(", for more than {}", say(MAJOR_AFTER)),
        Status::PartialOutage => format!(", for more than {}", say(PARTIAL_AFTER)),
        _ => String::new(),
    }
}

fn status(longest: Duration) -> Status {
    match longest {
        span if span >= MAJOR_AFTER => Status::MajorOutage,
        span if span >= PARTIAL_AFTER => Status::PartialOutage,
        _ => Status::DegradedPerformance,
    }
}
