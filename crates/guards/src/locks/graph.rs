//! From "who waits for whom" to chains with a root.
//!
//! Pure. A root holds what others wait for and waits for nobody. A waiter with several
//! roots (soft blocks: queued behind others' requests) stands in each of their chains. A
//! circle without a root is a deadlock, which PostgreSQL ends by itself within
//! `deadlock_timeout`; it makes no chain.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::observation::{LockChain, LockRoot, LockWaiter};

/// The most waiters kept of one database: enough to see who is hurt, bounded for the
/// moment when everybody waits.
pub(super) const WAITERS_MAX: usize = 256;

/// A node of the wait graph: a backend, or a prepared transaction.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    /// By pid.
    Backend(i32),
    /// By global identifier.
    Prepared(String),
}

/// Everyone who waits, with whom they wait for directly; and everyone who may be a root.
pub(super) struct Waits {
    /// Waiters by pid.
    pub(super) waiters: BTreeMap<i32, (LockWaiter, BTreeSet<Node>)>,
    /// Sessions and prepared transactions somebody waits for.
    pub(super) roots: BTreeMap<Node, LockRoot>,
}

impl Waits {
    /// The chains, and how many waiters were left out of them.
    pub(super) fn chains(&self) -> (Vec<LockChain>, u32) {
        let mut chains: BTreeMap<&Node, Vec<&LockWaiter>> = BTreeMap::new();
        let mut kept: BTreeSet<i32> = BTreeSet::new();
        let mut left_out = 0;
        let mut by_age: Vec<_> = self.waiters.values().collect();
        by_age.sort_by_key(|(waiter, _)| (waiter.since, waiter.session.backend.pid));
        for (waiter, _) in by_age {
            let pid = waiter.session.backend.pid;
            if kept.len() >= WAITERS_MAX {
                left_out += 1;
                continue;
            }
            for root in self.roots_of(pid) {
                if let Some((node, _)) = self.roots.get_key_value(&root) {
                    kept.insert(pid);
                    chains.entry(node).or_default().push(waiter);
                }
            }
        }
        let chains = chains
            .into_iter()
            .map(|(node, waiters)| LockChain {
                root: self.roots[node].clone(),
                waiters: waiters.into_iter().cloned().collect(),
            })
            .collect();
        (chains, left_out)
    }

    fn roots_of(&self, pid: i32) -> BTreeSet<Node> {
        let mut roots = BTreeSet::new();
        let mut seen = BTreeSet::from([Node::Backend(pid)]);
        let mut open = vec![Node::Backend(pid)];
        while let Some(node) = open.pop() {
            let next = match &node {
                Node::Backend(pid) => self.waiters.get(pid).map(|(_, blockers)| blockers),
                Node::Prepared(_) => None,
            };
            match next {
                Some(blockers) => {
                    open.extend(
                        blockers
                            .iter()
                            .filter(|blocker| seen.insert((*blocker).clone()))
                            .cloned(),
                    );
                }
                None => {
                    roots.insert(node);
                }
            }
        }
        roots
    }
}

#[cfg(test)]
mod tests {
    use evenkeel_core::Timestamp;
    use evenkeel_core::observation::{Session, SessionState};
    use evenkeel_core::subject::Backend;

    use super::*;

    fn session(pid: i32) -> Session {
        Session {
            backend: Backend {
                database: "main".into(),
                pid,
                backend_start: Timestamp::UNIX_EPOCH,
            },
            xact_start: None,
            role: "a".into(),
            superuser: false,
            backend_type: "client backend".into(),
            datname: "a".into(),
            in_scope: true,
            application_name: String::new(),
            state: SessionState::Active,
            state_since: None,
            waits_for: String::new(),
            query: String::new(),
            run: None,
            component: None,
        }
    }

    /// `waits` lists who waits for whom; pid 0 is the prepared transaction `gid`.
    fn chains(waits: &[(i32, &[i32])]) -> Vec<(String, Vec<i32>)> {
        let node = |pid: &i32| match pid {
            0 => Node::Prepared("gid".into()),
            pid => Node::Backend(*pid),
        };
        let waiters: BTreeMap<_, _> = waits
            .iter()
            .map(|(pid, blockers)| {
                let waiter = LockWaiter {
                    session: session(*pid),
                    waits_for_pids: blockers.to_vec(),
                    since: Timestamp::UNIX_EPOCH,
                    wants: String::new(),
                };
                (*pid, (waiter, blockers.iter().map(node).collect()))
            })
            .collect();
        let roots = waits
            .iter()
            .flat_map(|(_, blockers)| blockers.iter())
            .map(|pid| match pid {
                0 => (
                    Node::Prepared("gid".into()),
                    LockRoot::Prepared {
                        gid: "gid".into(),
                        owner: "a".into(),
                        prepared_at: Timestamp::UNIX_EPOCH,
                    },
                ),
                pid => (Node::Backend(*pid), LockRoot::Session(session(*pid))),
            })
            .collect();
        let (chains, _) = Waits { waiters, roots }.chains();
        chains
            .into_iter()
            .map(|chain| {
                let root = match &chain.root {
                    LockRoot::Session(session) => session.backend.pid.to_string(),
                    LockRoot::Prepared { gid, .. } => gid.clone(),
                };
                (
                    root,
                    chain
                        .waiters
                        .iter()
                        .map(|w| w.session.backend.pid)
                        .collect(),
                )
            })
            .collect()
    }

    #[test]
    fn a_chain_has_one_root_however_deep() {
        assert_eq!(
            chains(&[(2, &[1]), (3, &[2]), (4, &[3, 2])]),
            [("1".into(), vec![2, 3, 4])]
        );
    }

    #[test]
    fn two_roots_make_two_chains_and_a_waiter_for_both_stands_in_both() {
        let found = chains(&[(2, &[1]), (4, &[3]), (5, &[2, 4])]);
        assert_eq!(found, [("1".into(), vec![2, 5]), ("3".into(), vec![4, 5])]);
    }

    #[test]
    fn a_queue_behind_a_waiting_statement_leads_to_who_it_waits_for() {
        assert_eq!(
            chains(&[(50, &[100]), (7, &[50]), (8, &[50])]),
            [("100".into(), vec![7, 8, 50])]
        );
    }

    #[test]
    fn a_circle_makes_no_chain_of_its_own() {
        assert!(chains(&[(1, &[2]), (2, &[1])]).is_empty());
        assert_eq!(
            chains(&[(1, &[2]), (2, &[1, 3])]),
            [("3".into(), vec![1, 2])]
        );
    }

    #[test]
    fn a_prepared_transaction_can_be_a_root() {
        assert_eq!(
            chains(&[(2, &[0]), (3, &[2])]),
            [("gid".into(), vec![2, 3])]
        );
    }

    #[test]
    fn a_crowd_is_bounded_and_counted() {
        let crowd: Vec<(i32, &[i32])> = (2..600).map(|pid| (pid, &[1][..])).collect();
        let kept: usize = chains(&crowd)
            .iter()
            .map(|(_, waiters)| waiters.len())
            .sum();
        assert_eq!(kept, WAITERS_MAX);
    }
}
