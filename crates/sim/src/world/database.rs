//! A database server as it really is: sessions, and who waits for whom.
//!
//! Besides the present it keeps what the oracle has to know of the past: which root held
//! up how many protected sessions, since when, and until when.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::Timestamp;
use evenkeel_core::ids::{ComponentId, DatabaseId, RunId};
use evenkeel_core::observation::{LockChain, LockRoot, LockWaiter, Session, SessionState};
use evenkeel_core::policy::LockPolicy;
use evenkeel_core::subject::Backend;

use crate::clock::{Ms, ms};

/// A session as it really is.
#[derive(Debug, Clone)]
pub(crate) struct Sess {
    pub(crate) shown: Session,
    /// Whom it waits for.
    pub(crate) blockers: BTreeSet<Node>,
    pub(crate) waits_since: Option<Ms>,
    pub(crate) obeys_cancel: bool,
    /// How long its rollback takes once it is told to end.
    pub(crate) leaves_after: Ms,
    /// When it last waited itself while others waited for it.
    pub(crate) queue_head_at: Option<Ms>,
    pub(crate) leaving: bool,
}

/// A node of the wait graph.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Node {
    Pid(i32),
    Gid(String),
}

/// A root that cannot be confused with another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RootKey {
    Session(i32, Timestamp),
    Prepared(String),
}

/// How a root holds others up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Harm {
    /// Protected sessions that wait for it, since when.
    pub(crate) waiters: BTreeMap<(i32, Timestamp), Ms>,
    /// When it last was harm by the policy's measure.
    pub(crate) harmful_at: Option<Ms>,
    /// Since when it has been harm without a break.
    pub(crate) harmful_since: Option<Ms>,
}

impl Harm {
    /// Waiters who have waited for at least `span` at `t`.
    pub(crate) fn counted(&self, t: Ms, span: Ms) -> usize {
        self.waiters
            .values()
            .filter(|since| t - **since >= span)
            .count()
    }
}

/// A root that holds nobody up any more.
#[derive(Debug, Clone)]
pub(crate) struct Past {
    pub(crate) harmful_at: Option<Ms>,
    pub(crate) gone_at: Ms,
}

#[derive(Debug)]
pub(crate) struct Db {
    pub(crate) id: DatabaseId,
    pub(crate) datname: String,
    /// How far its clock is off.
    pub(crate) skew: Ms,
    pub(crate) sessions: BTreeMap<i32, Sess>,
    pub(crate) prepared: BTreeMap<String, Timestamp>,
    pub(crate) next_pid: i32,
    /// Why it cannot be reached, while it cannot.
    pub(crate) unreachable: Option<String>,
    /// Connections that have nothing to do with anybody.
    pub(crate) crowd: u32,
    pub(crate) harm: BTreeMap<RootKey, Harm>,
    pub(crate) past: BTreeMap<RootKey, Past>,
    /// When it last was reachable after it had not been.
    pub(crate) reachable_since: Ms,
    pub(crate) unreachable_since: Ms,
}

/// Between two pictures that count.
const BRIEF: Ms = 15 * crate::clock::SECOND;

/// How long the past is kept for the oracle.
const PAST_KEPT: Ms = 30 * crate::clock::MINUTE;

impl Db {
    pub(crate) fn new(id: &str, skew: Ms) -> Self {
        Self {
            id: id.into(),
            datname: format!("{id}_production"),
            skew,
            sessions: BTreeMap::new(),
            prepared: BTreeMap::new(),
            next_pid: 1000,
            unreachable: None,
            crowd: 20,
            harm: BTreeMap::new(),
            past: BTreeMap::new(),
            reachable_since: 0,
            unreachable_since: 0,
        }
    }

    /// A client session, idle and waiting for nobody. Pids come round again after a while.
    pub(crate) fn client(&mut self, now: Timestamp, role: &str, application: &str) -> Sess {
        self.next_pid += 1;
        if self.next_pid > 1400 {
            self.next_pid = 1001;
        }
        while self.sessions.contains_key(&self.next_pid) {
            self.next_pid += 1;
        }
        Sess {
            shown: Session {
                backend: Backend {
                    database: self.id.clone(),
                    pid: self.next_pid,
                    backend_start: now,
                },
                xact_start: Some(now),
                role: role.into(),
                superuser: false,
                backend_type: "client backend".into(),
                datname: self.datname.clone(),
                in_scope: true,
                application_name: application.into(),
                state: SessionState::IdleInTransaction,
                state_since: Some(now),
                waits_for: "Client/ClientRead".into(),
                query: format!("select 1 /* {application} */"),
                run: None,
                component: None,
            },
            blockers: BTreeSet::new(),
            waits_since: None,
            obeys_cancel: true,
            leaves_after: 30,
            queue_head_at: None,
            leaving: false,
        }
    }

    pub(crate) fn add(&mut self, session: Sess) -> i32 {
        let pid = session.shown.backend.pid;
        self.sessions.insert(pid, session);
        pid
    }

    pub(crate) fn get(&self, backend: &Backend) -> Option<&Sess> {
        self.sessions
            .get(&backend.pid)
            .filter(|session| session.shown.backend == *backend)
    }

    /// `pid` begins to wait for `on`.
    pub(crate) fn wait(&mut self, pid: i32, on: &[Node], t: Ms, now: Timestamp) {
        if let Some(session) = self.sessions.get_mut(&pid) {
            session.blockers.extend(on.iter().cloned());
            session.waits_since = Some(t);
            session.shown.state = SessionState::Active;
            session.shown.state_since = Some(now);
            session.shown.waits_for = "Lock/transactionid".into();
        }
    }

    /// `node` holds nothing any more. Who waits for nobody now has its lock, and is told.
    pub(crate) fn release(&mut self, node: &Node) -> Vec<i32> {
        let mut freed = Vec::new();
        for (pid, session) in &mut self.sessions {
            if session.blockers.remove(node) && session.blockers.is_empty() {
                session.waits_since = None;
                session.shown.waits_for = String::new();
                freed.push(*pid);
            }
        }
        freed
    }

    /// Ends a session, whoever it belongs to; those that waited for it move on.
    pub(crate) fn end(&mut self, pid: i32) -> Vec<i32> {
        self.sessions.remove(&pid);
        self.release(&Node::Pid(pid))
    }

    fn blockers(&self, node: &Node) -> Option<&BTreeSet<Node>> {
        match node {
            Node::Pid(pid) => self
                .sessions
                .get(pid)
                .map(|session| &session.blockers)
                .filter(|blockers| !blockers.is_empty()),
            Node::Gid(_) => None,
        }
    }

    fn roots_of(&self, pid: i32) -> BTreeSet<Node> {
        let mut roots = BTreeSet::new();
        let mut seen = BTreeSet::new();
        let mut open = vec![Node::Pid(pid)];
        while let Some(node) = open.pop() {
            if !seen.insert(node.clone()) {
                continue;
            }
            match self.blockers(&node) {
                Some(blockers) => open.extend(blockers.iter().cloned()),
                None => {
                    roots.insert(node);
                }
            }
        }
        roots
    }

    pub(crate) fn key(&self, node: &Node) -> Option<RootKey> {
        match node {
            Node::Pid(pid) => {
                let session = self.sessions.get(pid)?;
                Some(RootKey::Session(*pid, session.shown.backend.backend_start))
            }
            Node::Gid(gid) => self
                .prepared
                .contains_key(gid)
                .then(|| RootKey::Prepared(gid.clone())),
        }
    }

    fn waiting(&self) -> impl Iterator<Item = (&i32, &Sess)> {
        self.sessions
            .iter()
            .filter(|(_, session)| !session.blockers.is_empty())
    }

    /// The chains, as `pg_blocking_pids` gives them.
    pub(crate) fn chains(&self, now: Timestamp) -> Vec<LockChain> {
        let mut chains: BTreeMap<Node, Vec<LockWaiter>> = BTreeMap::new();
        for (pid, session) in self.waiting() {
            let direct = session.blockers.iter().map(|node| match node {
                Node::Pid(pid) => *pid,
                Node::Gid(_) => 0,
            });
            let waiter = LockWaiter {
                session: session.shown.clone(),
                waits_for_pids: direct.collect(),
                since: session.shown.state_since.unwrap_or(now),
                wants: "ShareLock on transaction".into(),
            };
            for root in self.roots_of(*pid) {
                chains.entry(root).or_default().push(waiter.clone());
            }
        }
        chains
            .into_iter()
            .filter_map(|(node, waiters)| {
                let root = match &node {
                    Node::Pid(pid) => LockRoot::Session(self.sessions.get(pid)?.shown.clone()),
                    Node::Gid(gid) => LockRoot::Prepared {
                        gid: gid.clone(),
                        owner: "payroll".into(),
                        prepared_at: *self.prepared.get(gid)?,
                    },
                };
                Some(LockChain { root, waiters })
            })
            .collect()
    }

    /// Takes note of who holds whom up, at `t`. Called whenever that changes: in between,
    /// waits only grow longer.
    pub(crate) fn account(&mut self, t: Ms, policy: &LockPolicy) {
        let span = policy.waiting_min.as_millis() as Ms;
        let min = policy.waiters_min.max(1) as usize;
        for harm in self.harm.values_mut() {
            note(harm, t, span, min);
        }
        let mut now: BTreeMap<RootKey, Harm> = BTreeMap::new();
        let mut heads = BTreeSet::new();
        for (pid, session) in self.waiting() {
            let protected: Option<&ComponentId> = session.shown.component.as_ref();
            for node in &session.blockers {
                if let Node::Pid(head) = node
                    && self.blockers(node).is_some()
                {
                    heads.insert(*head);
                }
            }
            if protected.is_none() {
                continue;
            }
            let who = (*pid, session.shown.backend.backend_start);
            for root in self.roots_of(*pid) {
                let Some(key) = self.key(&root) else {
                    continue;
                };
                let before = self.harm.get(&key);
                let since = before.and_then(|harm| harm.waiters.get(&who)).copied();
                // One that held nobody up for a moment holds up the next all the same.
                let past = self.past.get(&key).filter(|past| t - past.gone_at < BRIEF);
                let lately = past.and_then(|past| past.harmful_at);
                let entry = now.entry(key).or_insert_with(|| Harm {
                    waiters: BTreeMap::new(),
                    harmful_at: before.map_or(lately, |harm| harm.harmful_at),
                    harmful_since: before.and_then(|harm| harm.harmful_since),
                });
                entry.waiters.insert(who, since.unwrap_or(t));
            }
        }
        for harm in now.values_mut() {
            note(harm, t, span, min);
        }
        for (key, harm) in std::mem::replace(&mut self.harm, now) {
            if !self.harm.contains_key(&key) {
                let harmful_at = harm.harmful_at;
                self.past.insert(
                    key,
                    Past {
                        harmful_at,
                        gone_at: t,
                    },
                );
            }
        }
        for head in heads {
            if let Some(session) = self.sessions.get_mut(&head) {
                session.queue_head_at = Some(t);
            }
        }
        if self.past.len() > 64 {
            self.past.retain(|_, past| t - past.gone_at < PAST_KEPT);
        }
    }

    /// When the root last was harm by the policy's measure.
    pub(crate) fn last_harmful(&self, key: &RootKey) -> Option<Ms> {
        match self.harm.get(key) {
            Some(harm) => harm.harmful_at,
            None => self.past.get(key).and_then(|past| past.harmful_at),
        }
    }

    /// Sessions that carry the tag of a run.
    pub(crate) fn of_runs(&self) -> Vec<Session> {
        self.sessions
            .values()
            .filter(|session| session.shown.run.is_some())
            .map(|session| session.shown.clone())
            .collect()
    }

    pub(crate) fn of_run(&self, run: &RunId) -> Vec<i32> {
        self.sessions
            .iter()
            .filter(|(_, session)| session.shown.run.as_ref() == Some(run))
            .map(|(pid, _)| *pid)
            .collect()
    }

    /// Whether a session's transaction is at least so old by the server's own clock.
    pub(crate) fn oldest(&self) -> Option<&Sess> {
        self.sessions
            .values()
            .filter(|session| session.shown.xact_start.is_some())
            .min_by_key(|session| session.shown.xact_start.map(ms))
    }
}

fn note(harm: &mut Harm, t: Ms, span: Ms, min: usize) {
    if harm.counted(t, span) >= min {
        harm.harmful_at = Some(t);
        harm.harmful_since.get_or_insert(t);
    } else {
        harm.harmful_since = None;
    }
}
