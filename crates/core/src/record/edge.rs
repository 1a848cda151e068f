//! What the edge is to do: the orders of people that are in force, and what actions of our
//! own take out of use for a while.
//!
//! The plan is nothing but a fold. A drain of ours cannot outlive its action, whatever
//! happened to whoever performed it; and it cannot take back what a person ordered. Its
//! revision is the record's when it last changed, so that it never goes back.

use alloc::collections::BTreeMap;
use alloc::format;

use jiff::Timestamp;

use super::{ActionState, Phase, Record};
use crate::action::{ActionKind, Task};
use crate::edge::{Banner, EdgeOrder, EdgePlan, Hold, Off, PoolPlan, TenantCap};
use crate::ids::{ActionId, InstanceId, PoolId};

/// Tenants that may be capped at once. Whoever needs more wants a limit for everyone.
pub const CAPS_MAX: usize = 1_000;

impl Record {
    /// What the edge is to do now.
    pub fn edge_plan(&self) -> EdgePlan {
        let mut plan = self.edge.clone();
        for (pool, instance) in self.recycling() {
            let pool = plan.pools.entry(pool.clone()).or_default();
            pool.drain.insert(instance.clone());
        }
        plan
    }

    /// Instances that actions of ours take out of use now.
    pub fn recycling(&self) -> impl Iterator<Item = (&PoolId, &InstanceId)> {
        let open = self.open_actions_of(ActionKind::RecycleInstance);
        open.filter_map(taken_out)
    }

    /// Whether an order would change nothing: what it wants is so, or cannot be.
    pub fn is_in_force(&self, order: &EdgeOrder) -> bool {
        let edge = &self.edge;
        match order {
            EdgeOrder::Drain { pool, instance } => edge.drains(pool, instance),
            EdgeOrder::Admit { pool, instance } => !edge.drains(pool, instance),
            EdgeOrder::Hold { pool, reason } => {
                let hold = edge.pools.get(pool).and_then(|pool| pool.hold.as_ref());
                hold.is_some_and(|hold| hold.reason == *reason)
            }
            EdgeOrder::Release { pool } => {
                edge.pools.get(pool).is_none_or(|pool| pool.hold.is_none())
            }
            EdgeOrder::SwitchOff {
                component,
                reason,
                texts,
            } => {
                let off = edge.off.get(component);
                off.is_some_and(|off| off.reason == *reason && off.texts == *texts)
            }
            EdgeOrder::SwitchOn { component } => !edge.off.contains_key(component),
            EdgeOrder::ShowBanner { texts, link } => {
                let banner = edge.banner.as_ref();
                banner.is_some_and(|banner| banner.texts == *texts && banner.link == *link)
            }
            EdgeOrder::HideBanner => edge.banner.is_none(),
            EdgeOrder::CapTenant {
                tenant,
                requests_per_s_max,
            } => {
                let cap = edge.tenants.get(tenant).map(|cap| cap.requests_per_s_max);
                let is_full = cap.is_none() && edge.tenants.len() >= CAPS_MAX;
                cap == *requests_per_s_max || is_full
            }
        }
    }

    pub(super) fn order_edge(&mut self, change: &EdgeOrder, at: Timestamp) {
        let before = self.edge.clone();
        let revision = self.revision;
        match change {
            EdgeOrder::Drain { pool, instance } => {
                let pool = self.edge.pools.entry(pool.clone()).or_default();
                pool.drain.insert(instance.clone());
            }
            EdgeOrder::Admit { pool, instance } => {
                if let Some(pool) = self.edge.pools.get_mut(pool) {
                    pool.drain.remove(instance);
                }
            }
            EdgeOrder::Hold { pool, reason } => {
                let pool = self.edge.pools.entry(pool.clone()).or_default();
                pool.hold = Some(Hold {
                    since: at,
                    reason: reason.clone(),
                });
            }
            EdgeOrder::Release { pool } => {
                if let Some(pool) = self.edge.pools.get_mut(pool) {
                    pool.hold = None;
                }
            }
            EdgeOrder::SwitchOff {
                component,
                reason,
                texts,
            } => {
                let off = Off {
                    since: at,
                    reason: reason.clone(),
                    texts: texts.clone(),
                    next_update_at: None,
                };
                self.edge.off.insert(component.clone(), off);
            }
            EdgeOrder::SwitchOn { component } => {
                self.edge.off.remove(component);
            }
            EdgeOrder::ShowBanner { texts, link } => {
                self.edge.banner = Some(Banner {
                    id: format!("b{revision}"),
                    texts: texts.clone(),
                    link: link.clone(),
                    tenants: Default::default(),
                });
            }
            EdgeOrder::HideBanner => self.edge.banner = None,
            EdgeOrder::CapTenant {
                tenant,
                requests_per_s_max: None,
            } => {
                self.edge.tenants.remove(tenant);
            }
            EdgeOrder::CapTenant {
                tenant,
                requests_per_s_max: Some(requests_per_s_max),
            } => cap(&mut self.edge.tenants, tenant, *requests_per_s_max),
        }
        // An empty plan for a pool says nothing.
        let empty = PoolPlan::default();
        self.edge.pools.retain(|_, pool| *pool != empty);
        if self.edge != before {
            self.edge.revision = revision;
        }
    }

    /// The instance that an action takes out of use, where it does.
    pub(super) fn taken_out_by(&self, action: ActionId) -> Option<(PoolId, InstanceId)> {
        let (pool, instance) = taken_out(self.actions.get(&action)?)?;
        Some((pool.clone(), instance.clone()))
    }

    /// Notes that the plan is another one, where an action began or ceased to take an
    /// instance out of use that no person had taken out anyway.
    pub(super) fn note_plan(
        &mut self,
        before: Option<(PoolId, InstanceId)>,
        after: Option<(PoolId, InstanceId)>,
    ) {
        if before == after {
            return;
        }
        let mut turned = before.iter().chain(&after);
        if turned.any(|(pool, instance)| !self.edge.drains(pool, instance)) {
            self.edge.revision = self.revision;
        }
    }
}

fn taken_out(state: &ActionState) -> Option<(&PoolId, &InstanceId)> {
    match (&state.action.task, &state.phase) {
        (Task::RecycleInstance { pool, instance, .. }, Phase::Requested { .. }) => {
            Some((pool, instance))
        }
        _ => None,
    }
}

fn cap(caps: &mut BTreeMap<alloc::string::String, TenantCap>, tenant: &str, most: u32) {
    if caps.len() < CAPS_MAX || caps.contains_key(tenant) {
        let requests_per_s_max = most;
        caps.insert(tenant.into(), TenantCap { requests_per_s_max });
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::{BTreeMap, BTreeSet};
    use alloc::string::String;
    use alloc::vec;
    use core::time::Duration;

    use jiff::Timestamp;

    use super::{EdgeOrder, Record};
    use crate::action::{Action, Outcome, Task};
    use crate::edge::EdgePlan;
    use crate::event::{Event, What};
    use crate::ids::ActionId;
    use crate::observation::Resource;

    fn fold(record: &mut Record, what: What) {
        let at = Timestamp::UNIX_EPOCH;
        record.apply(&Event { at, what });
    }

    fn order(record: &mut Record, change: EdgeOrder) {
        let by = "operator:ana".into();
        fold(record, What::EdgeOrdered { change, by });
    }

    fn recycle(id: u64, instance: &str) -> Action {
        Action {
            id: ActionId(id),
            task: Task::RecycleInstance {
                pool: "web".into(),
                instance: instance.into(),
                resource: Resource::Memory,
                started_before: None,
                drain_max: Duration::from_secs(30),
                admit_within: Duration::from_secs(60),
            },
            reason: String::new(),
            facts: vec![],
            finding: None,
            incident: None,
            decided_at_revision: 0,
            decided_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn request(record: &mut Record, id: u64, instance: &str) {
        let action = recycle(id, instance);
        let approved_by = None;
        fold(
            record,
            What::ActionRequested {
                action,
                approved_by,
            },
        );
    }

    fn end(record: &mut Record, id: u64) {
        let what = What::ActionEnded {
            action: ActionId(id),
            outcome: Outcome::Done("restarted".into()),
            evidence: None,
        };
        fold(record, what);
    }

    fn drain(pool: &str, instance: &str) -> EdgeOrder {
        let (pool, instance) = (pool.into(), instance.into());
        EdgeOrder::Drain { pool, instance }
    }

    fn admit(pool: &str, instance: &str) -> EdgeOrder {
        let (pool, instance) = (pool.into(), instance.into());
        EdgeOrder::Admit { pool, instance }
    }

    fn drained(plan: &EdgePlan) -> BTreeSet<&str> {
        let pools = plan.pools.values();
        pools.flat_map(|p| &p.drain).map(|i| i.as_str()).collect()
    }

    #[test]
    fn what_is_ordered_and_taken_back_leaves_an_empty_plan() {
        let mut record = Record::default();
        let texts = BTreeMap::from([("en".into(), "Later".into())]);
        let orders = [
            drain("web", "web-1"),
            EdgeOrder::Hold {
                pool: "web".into(),
                reason: "failover".into(),
            },
            EdgeOrder::SwitchOff {
                component: "export".into(),
                reason: "it costs too much".into(),
                texts: texts.clone(),
            },
            EdgeOrder::ShowBanner { texts, link: None },
            EdgeOrder::CapTenant {
                tenant: "a1".into(),
                requests_per_s_max: Some(5),
            },
        ];
        for (n, change) in orders.into_iter().enumerate() {
            order(&mut record, change);
            assert_eq!(record.edge_plan().revision, n as u64 + 1);
        }
        let plan = record.edge_plan();
        assert!(plan.drains(&"web".into(), &"web-1".into()));
        assert!(plan.pools[&"web".into()].hold.is_some());
        assert_eq!((plan.off.len(), plan.tenants.len()), (1, 1));
        assert_eq!(plan.banner.unwrap().id, "b4");
        let (pool, component) = (|| "web".into(), "export".into());
        for change in [
            admit("web", "web-1"),
            EdgeOrder::Release { pool: pool() },
            EdgeOrder::SwitchOn { component },
            EdgeOrder::HideBanner,
            EdgeOrder::CapTenant {
                tenant: "a1".into(),
                requests_per_s_max: None,
            },
        ] {
            order(&mut record, change);
        }
        let empty = EdgePlan {
            revision: record.revision,
            ..EdgePlan::default()
        };
        assert_eq!(record.edge_plan(), empty);
    }

    #[test]
    fn an_order_that_changes_nothing_leaves_the_revision() {
        let mut record = Record::default();
        order(&mut record, drain("web", "web-1"));
        order(&mut record, drain("web", "web-1"));
        order(&mut record, admit("web", "web-2"));
        assert_eq!(record.edge_plan().revision, 1);
        assert_eq!(record.revision, 3);
    }

    #[test]
    fn an_instance_drains_while_it_is_recycled_and_no_longer() {
        let mut record = Record::default();
        request(&mut record, 1, "web-1");
        let plan = record.edge_plan();
        assert_eq!(
            (plan.revision, drained(&plan)),
            (1, BTreeSet::from(["web-1"]))
        );
        fold(
            &mut record,
            What::Unobserved {
                since: Timestamp::UNIX_EPOCH,
            },
        );
        assert_eq!(record.edge_plan().revision, 1);
        end(&mut record, 1);
        let plan = record.edge_plan();
        assert_eq!((plan.revision, drained(&plan)), (3, BTreeSet::new()));
    }

    #[test]
    fn a_proposal_and_its_end_change_nothing() {
        let mut record = Record::default();
        let (action, expires_at) = (recycle(1, "web-1"), Timestamp::MAX);
        fold(&mut record, What::ActionProposed { action, expires_at });
        let (action, reason) = (ActionId(1), "nobody answered".into());
        fold(
            &mut record,
            What::ActionClosed {
                action,
                by: None,
                reason,
            },
        );
        assert_eq!(record.edge_plan(), EdgePlan::default());
    }

    #[test]
    fn what_a_person_drained_stays_drained_when_our_action_ends() {
        let mut record = Record::default();
        order(&mut record, drain("web", "web-1"));
        request(&mut record, 1, "web-1");
        end(&mut record, 1);
        let plan = record.edge_plan();
        assert_eq!(
            (plan.revision, drained(&plan)),
            (1, BTreeSet::from(["web-1"]))
        );
    }

    #[test]
    fn admitting_does_not_end_a_drain_of_ours() {
        let mut record = Record::default();
        order(&mut record, drain("web", "web-1"));
        request(&mut record, 1, "web-1");
        order(&mut record, admit("web", "web-1"));
        assert_eq!(drained(&record.edge_plan()), BTreeSet::from(["web-1"]));
        end(&mut record, 1);
        let plan = record.edge_plan();
        assert_eq!((plan.revision, drained(&plan)), (4, BTreeSet::new()));
    }
}
