//! Judges what is done to instances, and what the edge is told, by the truth of the pools
//! and the orders that people gave.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::action::{ActionKind, Task};
use evenkeel_core::edge::{EdgeOrder, EdgePlan};
use evenkeel_core::event::{Event, What};
use evenkeel_core::finding::FindingKind;
use evenkeel_core::ids::{ActionId, ComponentId, InstanceId, PoolId};
use evenkeel_core::message::{Body, Message};
use evenkeel_core::subject::Subject;

use crate::pools::{NOT_OURS, POOLS, instances};
use crate::sim::Sim;
use crate::{HOUR, MINUTE, Ms, SECOND};

/// Who has served within this time counts as seen to serve: windows are a second apart, and
/// good for three.
const SERVED_WITHIN: Ms = 5 * SECOND;
/// A plan is late by less than a minute, and may get lost more than once.
const TAKEN_WITHIN: Ms = 3 * MINUTE;
/// Draining, restarting and waiting take less than three minutes; a crash begins anew.
const ENDS_WITHIN: Ms = 20 * MINUTE;
/// A message is handed out at once.
const CALLED_WITHIN: Ms = MINUTE;

/// After each restart of the keeper the first tooth of a tall saw can look like a leak that is
/// more than half way: about one in 240 h of a world with twelve instances. So many may be.
const HEALTHY_MAX: Ms = 2;
const HEALTHY_EVERY: Ms = 50 * HOUR;

/// What people ordered and what is being done, as the durable events say.
#[derive(Default)]
pub(crate) struct PoolOracle {
    drained: BTreeSet<(PoolId, InstanceId)>,
    held: BTreeSet<PoolId>,
    off: BTreeSet<ComponentId>,
    banner: bool,
    caps: BTreeMap<String, u32>,
    /// Requested and not ended: taken out of use, and since when.
    taken: BTreeMap<ActionId, (PoolId, InstanceId, Ms)>,
    /// The plan after the newest append.
    plan: EdgePlan,
    /// Drained at the edge, and nobody wants it: since when.
    left: BTreeMap<(PoolId, InstanceId), Ms>,
    /// Stopped without proof, and nobody called yet: since when.
    uncalled: BTreeMap<Subject, Ms>,
    /// Processes restarted that leak nothing.
    healthy: Ms,
    /// When each instance was last restarted by us.
    pub(crate) recycled_at: BTreeMap<InstanceId, Ms>,
}

impl Sim {
    /// What was decided about pools is durable, and the plan with it.
    pub(crate) fn judge_pool_events(&mut self, events: &[Event]) {
        for event in events {
            match &event.what {
                What::EdgeOrdered { change, .. } => self.on_edge_order(change),
                What::ActionRequested { action, .. } => self.on_recycle_request(action),
                What::ActionEnded { action, .. } | What::ActionClosed { action, .. } => {
                    self.oracle.pools.taken.remove(action);
                }
                What::ActionProven { action, .. } => self.marks_of_proof(*action),
                What::ActionUnproven {
                    kind: ActionKind::RecycleInstance,
                    scope,
                    ..
                } => {
                    let now = self.now;
                    self.oracle.pools.uncalled.insert(scope.clone(), now);
                    self.marks.hit("recycle_instance did not help");
                }
                _ => {}
            }
        }
        self.judge_plan();
    }

    fn marks_of_proof(&mut self, action: ActionId) {
        let state = self.pump.state.record.actions.get(&action);
        if let Some(Task::RecycleInstance { .. }) = state.map(|state| &state.action.task) {
            self.marks.hit("recycle_instance helped");
        }
    }

    fn on_edge_order(&mut self, order: &EdgeOrder) {
        let oracle = &mut self.oracle.pools;
        let mark = match order {
            EdgeOrder::Drain { pool, instance } => {
                oracle.drained.insert((pool.clone(), instance.clone()));
                "drained by a person"
            }
            EdgeOrder::Admit { pool, instance } => {
                oracle.drained.remove(&(pool.clone(), instance.clone()));
                "admitted by a person"
            }
            EdgeOrder::Hold { pool, .. } => {
                oracle.held.insert(pool.clone());
                "pool held"
            }
            EdgeOrder::Release { pool } => {
                oracle.held.remove(pool);
                "pool released"
            }
            EdgeOrder::SwitchOff { component, .. } => {
                oracle.off.insert(component.clone());
                "switched off"
            }
            EdgeOrder::SwitchOn { component } => {
                oracle.off.remove(component);
                "switched on"
            }
            EdgeOrder::ShowBanner { .. } => {
                oracle.banner = true;
                "banner shown"
            }
            EdgeOrder::HideBanner => {
                oracle.banner = false;
                "banner hidden"
            }
            EdgeOrder::CapTenant {
                tenant,
                requests_per_s_max,
            } => {
                match requests_per_s_max {
                    Some(most) => oracle.caps.insert(tenant.clone(), *most),
                    None => oracle.caps.remove(tenant),
                };
                "tenant capped"
            }
        };
        self.marks.hit(mark);
    }

    fn on_recycle_request(&mut self, action: &evenkeel_core::action::Action) {
        let Task::RecycleInstance { pool, instance, .. } = &action.task else {
            return;
        };
        let said = format!("{}: {}", action.id, action.task);
        let mut taken = self.oracle.pools.taken.values();
        if let Some((_, other, _)) = taken.find(|(of, _, _)| of == pool) {
            let text = format!("{said}, while {other} is out for the same");
            self.violate("one-of-a-pool", &text);
        }
        let sort = POOLS.iter().find(|sort| *pool == sort.pool.into());
        let ours = sort.is_some_and(|sort| instances(sort).any(|id| id == *instance));
        if !ours || instance.as_str() == NOT_OURS {
            let text = format!("{said}, and nobody has said how it is restarted");
            self.violate("only-what-was-named", &text);
        }
        let taken = (pool.clone(), instance.clone(), self.now);
        self.oracle.pools.taken.insert(action.id, taken);
    }

    /// The plan says what people ordered and actions need, and its revision rises with it.
    fn judge_plan(&mut self) {
        let record = &self.pump.state.record;
        let before = &self.oracle.pools.plan;
        if record.edge.revision == before.revision && record.edge == self.oracle.edge_before {
            let expected = self.oracle.pools.drains();
            let told: BTreeSet<_> = drains(before).collect();
            if expected != told {
                let text = format!("the plan drains {told:?}, and {expected:?} is wanted");
                self.violate("plan-as-ordered", &text);
            }
            return;
        }
        let plan = record.edge_plan();
        self.oracle.edge_before = record.edge.clone();
        let oracle = &self.oracle.pools;
        let told: BTreeSet<_> = drains(&plan).collect();
        let holding = plan.pools.iter().filter(|(_, pool)| pool.hold.is_some());
        let held: BTreeSet<PoolId> = holding.map(|(id, _)| id.clone()).collect();
        let off: BTreeSet<ComponentId> = plan.off.keys().cloned().collect();
        let caps = plan.tenants.iter();
        let caps: BTreeMap<String, u32> = caps
            .map(|(tenant, cap)| (tenant.clone(), cap.requests_per_s_max))
            .collect();
        let as_ordered = told == oracle.drains()
            && (held, off) == (oracle.held.clone(), oracle.off.clone())
            && (caps, plan.banner.is_some()) == (oracle.caps.clone(), oracle.banner);
        let (revision, before) = (plan.revision, oracle.plan.revision);
        self.oracle.pools.plan = plan;
        if !as_ordered {
            let text = "the plan is not what people ordered and actions take out of use";
            self.violate("plan-as-ordered", text);
        }
        if revision <= before {
            let text = format!(
                "the plan is another one, and its revision {revision} is no higher than {before}"
            );
            self.violate("plan-only-rises", &text);
        }
    }

    /// The server is back, with a record that was folded anew.
    pub(crate) fn oracle_on_fold(&mut self) {
        if self.pump.state.record.edge_plan() != self.oracle.pools.plan {
            let text = "the plan after the restart is not the one that was in force";
            self.violate("plan-survives", text);
        }
    }

    /// The edge is about to put a plan in force.
    pub(crate) fn oracle_on_plan_taken(&mut self, plan: &EdgePlan) {
        let in_force = self.edge.in_force.revision;
        if plan.revision < in_force {
            let text = format!("plan {} replaces plan {in_force}", plan.revision);
            self.violate("plan-only-rises", &text);
        }
    }

    /// A process is about to be restarted by our hand.
    pub(crate) fn oracle_on_restart(&mut self, pool: &PoolId, id: &InstanceId) {
        let now = self.now;
        let Some(all) = self.pools.all.get(pool) else {
            return;
        };
        let in_use = self.in_use(pool);
        let mut others = all.instances.iter().filter(|(other, _)| *other != id);
        let serves = others.any(|(other, instance)| {
            in_use.contains(other) || now - instance.served_at < SERVED_WITHIN
        });
        let (leaks, healthy) = match all.instances.get(id) {
            Some(instance) => (instance.fill.leaks(), instance.is_healthy()),
            None => (false, false),
        };
        let recycled = self.oracle.pools.recycled_at.iter();
        let mut away = recycled.filter(|(other, at)| {
            let other = all.instances.get(*other).filter(|_| *other != id);
            other.is_some_and(|other| other.started == **at && !other.answers(now))
        });
        if let Some((other, _)) = away.next() {
            let text = format!("{id} is restarted, and {other} of its pool is not back");
            self.violate("one-of-a-pool", &text);
        }
        if !serves {
            let text = format!("{id} is restarted, and nothing else of pool {pool} serves");
            self.violate("the-last-one-serves", &text);
        }
        // A clock that was set back makes a young process look like the one that was meant.
        if healthy && now - self.jumped_at > ENDS_WITHIN {
            self.marks.hit("healthy recycled");
            self.oracle.pools.healthy += 1;
            let count = self.oracle.pools.healthy;
            if count > HEALTHY_MAX + now / HEALTHY_EVERY {
                let text = format!("{id} is restarted, which leaks nothing, the {count}. so far");
                self.violate("healthy-ones-stay", &text);
            }
        } else if leaks {
            self.marks.hit("leak recycled");
        }
        self.oracle.pools.recycled_at.insert(id.clone(), now);
    }

    /// Looks at what the edge does, now and then.
    pub(crate) fn judge_edge(&mut self) {
        let now = self.now;
        if !self.pump.up {
            return;
        }
        let steady = self.pump.back_at.max(self.pump.refuses_until);
        let linked = steady.max(self.edge.away_until);
        let wanted = self.oracle.pools.drains();
        let mut left = BTreeMap::new();
        for drained in drains(&self.edge.in_force).filter(|drained| !wanted.contains(drained)) {
            let since = self.oracle.pools.left.get(&drained).copied();
            left.insert(drained, since.unwrap_or(now));
        }
        let longest = left.iter().min_by_key(|(_, since)| **since);
        let text = longest
            .filter(|(_, since)| now - (**since).max(linked) > TAKEN_WITHIN)
            .map(|((_, id), _)| format!("{id} gets no requests, and nobody wants that any more"));
        self.oracle.pools.left = left;
        if let Some(text) = text {
            self.violate("drains-end", &text);
        }
        let mut taken = self.oracle.pools.taken.iter();
        let stuck = taken.find(|(_, (_, _, since))| now - (*since).max(steady) > ENDS_WITHIN);
        if let Some((action, (_, id, _))) = stuck {
            let text = format!("{action} has not ended, and {id} is out of use since");
            self.violate("drains-end", &text);
        }
        let mut uncalled = self.oracle.pools.uncalled.iter();
        let forgotten = uncalled.find(|(_, since)| now - (**since).max(steady) > CALLED_WITHIN);
        if let Some((scope, _)) = forgotten {
            let text = format!("a recycling of {scope} did not help, and nobody is called");
            self.violate("no-help-is-told", &text);
        }
    }

    /// A message is handed out.
    pub(crate) fn judge_pool_message(&mut self, message: &Message) {
        if let Body::Operator {
            finding: Some(finding),
            ..
        } = &message.body
            && finding.kind == FindingKind::ActionDidNotHelp
        {
            self.oracle.pools.uncalled.remove(&finding.subject);
        }
    }
}

impl PoolOracle {
    /// What is to get no requests.
    fn drains(&self) -> BTreeSet<(PoolId, InstanceId)> {
        let taken = self.taken.values();
        let taken = taken.map(|(pool, instance, _)| (pool.clone(), instance.clone()));
        taken.chain(self.drained.iter().cloned()).collect()
    }
}

fn drains(plan: &EdgePlan) -> impl Iterator<Item = (PoolId, InstanceId)> {
    plan.pools.iter().flat_map(|(pool, of)| {
        let drained = of.drain.iter();
        drained.map(|instance| (pool.clone(), instance.clone()))
    })
}
