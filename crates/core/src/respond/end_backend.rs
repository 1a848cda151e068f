//! End the session at the root of a lock chain, and nobody else's.
//!
//! Only the root, never a waiter; only what the configuration names; never a superuser,
//! a replication sender, an autovacuum worker, another database's session or a prepared
//! transaction. One at a time for each database, then the chain has time to drain: the
//! waiters must be seen to move.
//!
//! A query is cancelled first and its session ended only if that did not help. A session
//! that is idle in transaction has no query to cancel (`pg_cancel_backend` does nothing
//! to it), so there the session is ended at once.

use alloc::string::String;
use alloc::{format, vec};
use core::time::Duration;

use jiff::Timestamp;

use super::{Proof, Proposal, Response, Wish};
use crate::action::{ActionKind, EndHow, Task};
use crate::detect::View;
use crate::evidence::Fact;
use crate::finding::FindingKind;
use crate::observation::{LockRoot, LockWaiter, Session, SessionState};
use crate::policy::LockPolicy;
use crate::record::{ActionState, OpenFinding, Phase};
use crate::subject::{Backend, Subject};
use crate::time;

/// The response.
pub const RESPONSE: Response = Response {
    kind: ActionKind::EndBackend,
    about: "Cancels the query of the session at the root of a lock chain, or ends the session. \
            Proof: the sessions that waited for it are seen to wait no more within `drain`.",
    answers: &[FindingKind::LockBlocksComponent, FindingKind::StrayBackend],
    wish,
    proof,
};

/// A cancelled query answers within moments or not at all; customers wait meanwhile.
const CANCEL_PATIENCE: Duration = Duration::from_millis(700);

fn wish(view: View<'_>, open: &OpenFinding) -> Wish {
    match open.finding.key.kind {
        FindingKind::StrayBackend => wish_for_stray(view, open),
        _ => wish_for_root(view, open),
    }
}

fn wish_for_root(view: View<'_>, open: &OpenFinding) -> Wish {
    let subject = &open.finding.key.subject;
    let Some(policy) = subject
        .database()
        .and_then(|id| view.policy.databases.get(id))
    else {
        return Wish::Nothing;
    };
    let Some(chain) = view.memory.chain(subject) else {
        return Wish::Nothing;
    };
    let LockRoot::Session(root) = &chain.chain.root else {
        // A prepared transaction has no session; the finding says what to type.
        return Wish::Nothing;
    };
    if let Some(ddl) = queued_ddl(&policy.locks, &chain.chain.waiters)
        && may_end(&policy.locks, root).is_err()
        && may_end(&policy.locks, ddl).is_ok()
    {
        let reason = format!(
            "A queued statement of {} holds up everyone behind it, and the session it waits \
                 for is not ours to end.",
            ddl.application_name
        );
        return Wish::Do(proposal(ddl, EndHow::Cancel, reason));
    }
    let reason = format!(
        "{} This session is the root: everyone who waits, waits for it.",
        open.finding.reason
    );
    let proposal = proposal(root, how(view, root), reason);
    match may_end(&policy.locks, root) {
        Ok(()) => Wish::Do(proposal),
        Err(rule) => Wish::Forbidden(proposal, rule),
    }
}

fn wish_for_stray(view: View<'_>, open: &OpenFinding) -> Wish {
    let Subject::Backend(backend) = &open.finding.key.subject else {
        return Wish::Nothing;
    };
    let session = view
        .memory
        .databases
        .get(&backend.database)
        .and_then(|memory| memory.run_backends.get(backend));
    let (Some((_, session)), Some(policy)) =
        (session, view.policy.databases.get(&backend.database))
    else {
        return Wish::Nothing;
    };
    let reason = format!("{} Ended runs are fenced.", open.finding.reason);
    let proposal = proposal(session, EndHow::Terminate, reason);
    match may_end(&policy.locks, session) {
        Ok(()) => Wish::Do(proposal),
        Err(rule) => Wish::Forbidden(proposal, rule),
    }
}

fn proposal(session: &Session, how: EndHow, reason: String) -> Proposal {
    Proposal {
        task: Task::EndBackend {
            backend: session.backend.clone(),
            xact_start: session.xact_start,
            how,
            run: session.run.clone(),
        },
        reason,
        facts: vec![
            Fact::new("role", &session.role),
            Fact::new("application_name", &session.application_name),
            Fact::new("state", format!("{:?}", session.state)),
            Fact::new("query", &session.query),
        ],
    }
}

fn how(view: View<'_>, session: &Session) -> EndHow {
    let cancelled = view.record.actions.values().rev().any(|state| {
        matches!(
            &state.action.task,
            Task::EndBackend { backend, xact_start, how: EndHow::Cancel, .. }
                if *backend == session.backend && *xact_start == session.xact_start
        ) && matches!(
            state.phase,
            Phase::Failed { .. } | Phase::Unproven { .. } | Phase::Closed { .. }
        )
    });
    match session.state {
        SessionState::Active if !cancelled => EndHow::Cancel,
        _ => EndHow::Terminate,
    }
}

/// The statement that waits itself and that others wait behind, where policy lets it be
/// cancelled.
fn queued_ddl<'a>(policy: &LockPolicy, waiters: &'a [LockWaiter]) -> Option<&'a Session> {
    if !policy.end_queued_ddl {
        return None;
    }
    waiters
        .iter()
        .map(|waiter| &waiter.session)
        .find(|session| {
            session.component.is_none()
                && waiters
                    .iter()
                    .any(|other| other.waits_for_pids.contains(&session.backend.pid))
        })
}

/// Whether a session is ours to end; else the rule that forbids it.
fn may_end(policy: &LockPolicy, session: &Session) -> Result<(), String> {
    if session.backend_type != "client backend" {
        return Err(format!(
            "sessions of type {} are never ended",
            session.backend_type
        ));
    }
    if session.superuser {
        return Err(format!(
            "{} is a superuser, whose sessions are never ended",
            session.role
        ));
    }
    if !session.in_scope {
        return Err(format!(
            "it belongs to another database, {}",
            session.datname
        ));
    }
    let of_run = policy.end_runs && session.run.is_some();
    let of_role = policy
        .end_roles
        .iter()
        .any(|pattern| pattern.fits(&session.role));
    let of_application = policy
        .end_applications
        .iter()
        .any(|pattern| pattern.fits(&session.application_name));
    if of_run || of_role || of_application {
        Ok(())
    } else {
        Err(format!(
            "neither its role {} nor its application name {} is named in [database.locks], and \
             it belongs to no supervised run",
            session.role, session.application_name
        ))
    }
}

fn proof(view: View<'_>, state: &ActionState, performed_at: Timestamp) -> Proof {
    let Task::EndBackend { backend, how, .. } = &state.action.task else {
        return Proof::Waiting(view.now);
    };
    let drain = view
        .policy
        .databases
        .get(&backend.database)
        .map_or(Duration::ZERO, |p| p.locks.drain);
    let (patience, escalate) = match how {
        EndHow::Cancel => (drain.min(CANCEL_PATIENCE), true),
        EndHow::Terminate => (drain, false),
    };
    let deadline = time::after(performed_at, patience);
    let looked = view
        .memory
        .databases
        .get(&backend.database)
        .and_then(|memory| memory.waits_at)
        .is_some_and(|at| at > performed_at);
    let stray = state
        .action
        .finding
        .as_ref()
        .is_some_and(|key| key.kind == FindingKind::StrayBackend);
    if stray && looked && !is_connected(view, backend) {
        return Proof::Helped(format!("{backend} is gone"));
    }
    if !stray && looked && !still_in_the_way(view, backend) {
        return Proof::Helped(format!("nobody waits for {backend} any more"));
    }
    if view.now < deadline {
        return Proof::Waiting(deadline);
    }
    if !looked && view.now < time::after(deadline, crate::memory::FRESH) {
        // Blind: it cannot be said either way. The deadline starts once we see again.
        return Proof::Waiting(time::after(view.now, Duration::from_secs(1)));
    }
    Proof::Failed {
        reason: format!(
            "its waiters did not move within {}",
            crate::detect::say(patience)
        ),
        escalate,
    }
}

fn is_connected(view: View<'_>, backend: &Backend) -> bool {
    view.memory
        .databases
        .get(&backend.database)
        .is_some_and(|memory| memory.run_backends.contains_key(backend))
}

/// As a root or in a queue: somebody waits directly for it.
fn still_in_the_way(view: View<'_>, backend: &Backend) -> bool {
    view.memory
        .databases
        .get(&backend.database)
        .is_some_and(|memory| {
            let waited_for = memory
                .chains
                .values()
                .flat_map(|chain| &chain.chain.waiters)
                .any(|waiter| waiter.waits_for_pids.contains(&backend.pid));
            waited_for && {
                let root = memory
                    .chains
                    .contains_key(&Subject::Backend(backend.clone()));
                let queued = memory
                    .chains
                    .values()
                    .flat_map(|chain| &chain.chain.waiters)
                    .any(|waiter| waiter.session.backend == *backend);
                root || queued
            }
        })
}
