//! The truth: runs and what they really do, sessions and what they really hold.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::ids::{DatabaseId, JobId, RunId};
use evenkeel_core::observation::{
    Exit, LockChain, LockRoot, LockWaiter, Origin, ProductState, Session, SessionState,
};
use evenkeel_core::subject::Backend;

use crate::{Ms, at};

/// What a run really does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Life {
    /// It works, seen to move at every look.
    Works,
    /// It works, and moves once in a while.
    Trickles { every: Ms },
    /// It does nothing any more.
    Hangs,
}

/// A run, from its claim on.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) job: JobId,
    pub(crate) origin: Origin,
    pub(crate) started: Ms,
    pub(crate) life: Life,
    /// When it ends by itself, and how.
    pub(crate) ends: Option<(Ms, Exit)>,
    pub(crate) ended: Option<(Ms, Exit)>,
    /// Its processes cannot be killed.
    pub(crate) unkillable: bool,
    /// One of its sessions was ended by us: it cannot finish.
    pub(crate) broken: bool,
    /// What the guard has told of it since the server started.
    pub(crate) told_start: bool,
    pub(crate) told_end: bool,
}

impl Run {
    pub(crate) fn is_alive(&self) -> bool {
        self.ended.is_none()
    }
}

/// A session, and whom it really waits for.
#[derive(Debug, Clone)]
pub(crate) struct Sess {
    pub(crate) session: Session,
    pub(crate) blocked_by: Vec<i32>,
    pub(crate) waits_since: Ms,
    /// When it goes by itself.
    pub(crate) goes: Option<Ms>,
    /// A cancelled query does not answer.
    pub(crate) deaf: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Database {
    pub(crate) sessions: BTreeMap<i32, Sess>,
    /// A prepared transaction, who waits for it, until when.
    pub(crate) prepared: Option<(String, Ms)>,
    pub(crate) next_pid: i32,
    pub(crate) blind_until: Ms,
    pub(crate) crowded_until: Ms,
}

/// The whole truth.
pub(crate) struct World {
    pub(crate) databases: BTreeMap<DatabaseId, Database>,
    pub(crate) runs: BTreeMap<RunId, Run>,
    pub(crate) products: BTreeMap<JobId, ProductState>,
    /// When a session was last a true root of others' waiting, or a queued statement that
    /// held others up.
    pub(crate) held_up: BTreeMap<Backend, Ms>,
    pub(crate) pids_used_again: u64,
}

impl World {
    pub(crate) fn new(databases: &[&str]) -> Self {
        let databases = databases.iter().map(|id| {
            let database = Database {
                next_pid: 100,
                ..Database::default()
            };
            (DatabaseId::from(*id), database)
        });
        Self {
            databases: databases.collect(),
            runs: BTreeMap::new(),
            products: BTreeMap::new(),
            held_up: BTreeMap::new(),
            pids_used_again: 0,
        }
    }

    /// Opens a session; a pid comes around again soon, as it does on a busy server.
    pub(crate) fn connect(&mut self, id: &DatabaseId, now: Ms, role: &str, name: &str) -> i32 {
        let Some(database) = self.databases.get_mut(id) else {
            return 0;
        };
        let pid = loop {
            database.next_pid = 100 + (database.next_pid - 99) % 200;
            if !database.sessions.contains_key(&database.next_pid) {
                break database.next_pid;
            }
        };
        let session = Session {
            backend: Backend {
                database: id.clone(),
                pid,
                backend_start: at(now),
            },
            xact_start: Some(at(now)),
            role: role.into(),
            superuser: false,
            backend_type: "client backend".into(),
            datname: "app".into(),
            in_scope: true,
            application_name: name.into(),
            state: SessionState::Active,
            state_since: Some(at(now)),
            waits_for: String::new(),
            query: "update users".into(),
            run: None,
            component: None,
        };
        let sess = Sess {
            session,
            blocked_by: Vec::new(),
            waits_since: now,
            goes: None,
            deaf: false,
        };
        database.sessions.insert(pid, sess);
        pid
    }

    pub(crate) fn session(&mut self, id: &DatabaseId, pid: i32) -> Option<&mut Sess> {
        self.databases.get_mut(id)?.sessions.get_mut(&pid)
    }

    /// A session is gone; who waited for it waits no more.
    pub(crate) fn disconnect(&mut self, id: &DatabaseId, pid: i32) {
        let Some(database) = self.databases.get_mut(id) else {
            return;
        };
        database.sessions.remove(&pid);
        self.release(id, pid);
    }

    /// What a session held is free.
    pub(crate) fn release(&mut self, id: &DatabaseId, pid: i32) {
        let Some(database) = self.databases.get_mut(id) else {
            return;
        };
        let mut served = Vec::new();
        for (other, sess) in &mut database.sessions {
            let waited = !sess.blocked_by.is_empty();
            sess.blocked_by.retain(|blocker| *blocker != pid);
            // Whoever works for a component was only there for this lock.
            if waited && sess.blocked_by.is_empty() && sess.session.component.is_some() {
                served.push(*other);
            }
        }
        for other in served {
            self.disconnect(id, other);
        }
    }

    /// A run is over: its processes and their sessions are gone.
    pub(crate) fn end_run(&mut self, id: &RunId, now: Ms, exit: Exit) {
        if let Some(run) = self.runs.get_mut(id)
            && run.ended.is_none()
        {
            run.ended = Some((now, exit));
        }
        let theirs: Vec<(DatabaseId, i32)> = self
            .databases
            .iter()
            .flat_map(|(database, state)| {
                state
                    .sessions
                    .iter()
                    .filter(|(_, sess)| sess.session.run.as_ref() == Some(id))
                    .map(|(pid, _)| (database.clone(), *pid))
            })
            .collect();
        for (database, pid) in theirs {
            self.disconnect(&database, pid);
        }
    }

    /// Whether anybody waits for a lock.
    pub(crate) fn somebody_waits(&self, id: &DatabaseId) -> bool {
        let sessions = self.databases.get(id).map(|database| &database.sessions);
        sessions.is_some_and(|sessions| sessions.values().any(|sess| !sess.blocked_by.is_empty()))
    }

    /// The true chains of a database: roots with everyone behind them.
    pub(crate) fn chains(&mut self, id: &DatabaseId, now: Ms) -> Vec<LockChain> {
        let Some(database) = self.databases.get(id) else {
            return Vec::new();
        };
        let sessions = &database.sessions;
        let blockers: BTreeSet<i32> = sessions
            .values()
            .flat_map(|sess| sess.blocked_by.iter().copied())
            .collect();
        let mut chains = Vec::new();
        for root in &blockers {
            let is_root = *root == 0
                || sessions
                    .get(root)
                    .is_some_and(|sess| sess.blocked_by.is_empty());
            if !is_root {
                continue;
            }
            let mut behind = BTreeSet::new();
            let mut open = vec![*root];
            while let Some(blocker) = open.pop() {
                for (pid, sess) in sessions {
                    if sess.blocked_by.contains(&blocker) && behind.insert(*pid) {
                        open.push(*pid);
                    }
                }
            }
            let mut waiters: Vec<LockWaiter> = behind
                .iter()
                .filter_map(|pid| sessions.get(pid))
                .map(|sess| LockWaiter {
                    session: sess.session.clone(),
                    waits_for_pids: sess.blocked_by.clone(),
                    since: at(sess.waits_since),
                    wants: "ShareLock on transaction".into(),
                })
                .collect();
            waiters.sort_by_key(|waiter| waiter.since);
            let root = match (sessions.get(root), &database.prepared) {
                (Some(sess), _) => LockRoot::Session(sess.session.clone()),
                (None, Some((gid, since))) => LockRoot::Prepared {
                    gid: gid.clone(),
                    owner: "app".into(),
                    prepared_at: at(*since),
                },
                (None, None) => continue,
            };
            chains.push(LockChain { root, waiters });
        }
        let mut held_up = Vec::new();
        for (pid, sess) in sessions {
            if blockers.contains(pid) {
                held_up.push(sess.session.backend.clone());
            }
        }
        for backend in held_up {
            self.held_up.insert(backend, now);
        }
        chains
    }
}
