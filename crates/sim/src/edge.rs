//! The edge as a process of its own, and the keeper's link to it: it has the plan on its
//! disk, tells what passed, and goes and comes when it likes.
//!
//! A plan may arrive late, twice, after a newer one, or not at all: then the link broke,
//! and with the next one it is sent again.

use std::collections::{BTreeMap, BTreeSet};

use evenkeel_core::edge::{
    EdgeOrder, EdgePlan, EdgeWindow, InstanceState, InstanceWindow, PoolWindow, Traffic,
};
use evenkeel_core::ids::{InstanceId, PoolId};
use evenkeel_core::observation::{Order, Seen};

use crate::canary::Canary;
use crate::pools::{Instance, POOLS, PoolSort, instances};
use crate::sim::{Happening, Sim};
use crate::{MINUTE, Ms, SECOND, at};

/// Between two windows while all is well, and while it is not. The core takes windows of
/// any length; a second each would be most of what a simulated hour costs.
const CALM: Ms = 6 * SECOND;
const BUSY: Ms = SECOND;

/// The edge, as it really is.
#[derive(Debug, Default)]
pub(crate) struct Edge {
    /// The plan in force; a restart does not lose it.
    pub(crate) in_force: EdgePlan,
    /// Neither tells nor takes anything until then.
    pub(crate) away_until: Ms,
    /// The revision that was sent since the link was made.
    sent: Option<u64>,
    windowed_at: Ms,
    /// When the newest window was made, for whoever acts behind the edge.
    pub(crate) seen_at: Option<Ms>,
    /// When a plan was last on its way, or the link was last made.
    pub(crate) settled_at: Ms,
}

impl Edge {
    pub(crate) fn holds(&self, pool: &PoolId) -> bool {
        let pool = self.in_force.pools.get(pool);
        pool.is_some_and(|pool| pool.hold.is_some())
    }

    /// The server is gone, and its end of the link.
    pub(crate) fn link_broke(&mut self) {
        self.sent = None;
    }

    fn state(&self, pool: &PoolId, id: &InstanceId, of: &Instance, now: Ms) -> InstanceState {
        if !of.answers(now) {
            InstanceState::Down
        } else if self.in_force.drains(pool, id) {
            InstanceState::Draining
        } else if of.ejected_until > now {
            InstanceState::Ejected
        } else if of.starts_slowly(now) {
            InstanceState::SlowStart
        } else {
            InstanceState::InUse
        }
    }
}

impl Sim {
    /// The instances that get requests now.
    pub(crate) fn in_use(&self, pool: &PoolId) -> BTreeSet<InstanceId> {
        let instances = self.pools.all.get(pool).into_iter();
        let instances = instances.flat_map(|pool| &pool.instances);
        let used = instances.filter(|(id, instance)| {
            let state = self.edge.state(pool, id, instance, self.now);
            matches!(state, InstanceState::InUse | InstanceState::SlowStart)
        });
        used.map(|(id, _)| id.clone()).collect()
    }

    /// The edge tells what passed.
    pub(crate) fn edge_beat(&mut self) {
        let now = self.now;
        self.live_pools();
        self.tell_levels();
        self.judge_edge();
        let trouble = self.pools.all.values().any(|pool| {
            pool.fails_until > now
                || pool.overloaded_until > now
                || pool.instances.values().any(|one| one.starts_slowly(now))
        });
        let busy = trouble || !self.recyclings.is_empty();
        self.plan(now + if busy { BUSY } else { CALM }, Happening::EdgeBeat);
        if self.edge.away_until > now {
            return;
        }
        let from = std::mem::replace(&mut self.edge.windowed_at, now);
        let window = self.window(from);
        self.edge.seen_at = Some(now);
        if self.pump.up {
            self.tell(Seen::EdgeWindow(window), false);
        }
    }

    fn window(&mut self, from: Ms) -> EdgeWindow {
        let (now, offset) = (self.now, self.offset);
        let mut window = EdgeWindow {
            plan: self.edge.in_force.revision,
            ..EdgeWindow::quiet(at(from + offset))
        };
        for sort in POOLS {
            let id = PoolId::from(sort.pool);
            let Some(pool) = self.pools.all.get_mut(&id) else {
                continue;
            };
            let overloaded = pool.overloaded_until > now;
            let fails_pct = if pool.fails_until > now {
                pool.fails_pct
            } else {
                0
            };
            let mut told = PoolWindow {
                limit: 100,
                queued: if overloaded { 7 } else { 0 },
                ..PoolWindow::default()
            };
            let mut answered = 0;
            for (name, instance) in &mut pool.instances {
                let requests = std::mem::take(&mut instance.counted);
                answered += requests;
                let state = self.edge.state(&id, name, instance, now);
                let seen = InstanceWindow {
                    state,
                    under_way: u32::from(instance.idle_from > now),
                    requests,
                    ..InstanceWindow::default()
                };
                told.instances.insert(name.clone(), seen);
            }
            if self.canary == Some(Canary::RestartTheLast) && sort.instances == 1 {
                let phantom = InstanceWindow::default();
                told.instances.insert("solo-2".into(), phantom);
            }
            let nobody = told
                .instances
                .values()
                .all(|one| !matches!(one.state, InstanceState::InUse | InstanceState::SlowStart));
            let shed = if overloaded && !pool.waits { 5 } else { 0 };
            let lost = if nobody { sort.rate as u32 } else { 0 };
            for (route, component, _) in sort.routes {
                let off = self.edge.in_force.off.contains_key(&(*component).into());
                let requests = answered / sort.routes.len() as u32;
                let traffic = Traffic {
                    requests: requests + shed + lost,
                    errors: if off {
                        0
                    } else {
                        requests * fails_pct / 100 + lost
                    },
                    shed,
                    off: if off { requests + lost } else { 0 },
                    ..Traffic::default()
                };
                if traffic.requests > 0 {
                    window.routes.insert((*route).into(), traffic);
                }
            }
            window.pools.insert(id, told);
        }
        window
    }

    /// The edge is away until then, with what was on its way to it.
    pub(crate) fn edge_goes(&mut self, until: Ms, mark: &str) {
        self.marks.hit(mark);
        self.edge.away_until = self.edge.away_until.max(until);
        self.edge.seen_at = None;
        self.edge.link_broke();
        self.trace.line(self.now, mark);
        self.plan(until, Happening::EdgeLink);
    }

    /// The keeper's end of the link: the plan goes out on each connect, and when it is
    /// another one.
    pub(crate) fn send_plan(&mut self) {
        let now = self.now;
        let revision = self.pump.state.record.edge.revision;
        if self.edge.sent == Some(revision) || !self.pump.up || self.edge.away_until > now {
            return;
        }
        self.edge.sent = Some(revision);
        self.edge.settled_at = now;
        let plan = self.pump.state.record.edge_plan();
        if self.canary == Some(Canary::DrainsOnly) && lifts_a_drain(&self.edge.in_force, &plan) {
            return;
        }
        let mut delay = self.rng.i64(2..100);
        if self.faults {
            match self.rng.u32(..100) {
                0..5 => {
                    self.marks.hit("plan lost");
                    self.edge.link_broke();
                    let again = now + self.rng.i64(SECOND..15 * SECOND);
                    self.plan(again, Happening::EdgeLink);
                    return;
                }
                5..15 => delay = self.rng.i64(SECOND..40 * SECOND),
                15..22 => {
                    let again = now + self.rng.i64(SECOND..5 * MINUTE);
                    self.plan(again, Happening::EdgeTakes(Box::new(plan.clone())));
                }
                _ => {}
            }
        }
        self.plan(now + delay, Happening::EdgeTakes(Box::new(plan)));
    }

    /// The link is made again: the plan goes out, if what it says is durable.
    pub(crate) fn send_plan_if_decided(&mut self) {
        if self.pump.nothing_waits() {
            self.send_plan();
        }
    }

    /// A plan has come to the edge.
    pub(crate) fn edge_takes(&mut self, plan: EdgePlan) {
        if self.edge.away_until > self.now {
            return;
        }
        let (given, before) = (plan.revision, self.edge.in_force.revision);
        if given < before {
            self.marks.hit("plan out of order");
        } else if given == before {
            self.marks.hit("plan twice");
        }
        let takes_any = self.canary == Some(Canary::TakeAnyPlan);
        if given > before || takes_any && given < before {
            self.oracle_on_plan_taken(&plan);
            for (pool, of) in &plan.pools {
                for id in &of.drain {
                    if !self.edge.in_force.drains(pool, id) {
                        let idle_from = self.now + self.rng.i64(SECOND..50 * SECOND);
                        if let Some(instance) = self.instance(pool, id) {
                            instance.idle_from = idle_from;
                        }
                    }
                }
            }
            self.trace
                .line(self.now, &format!("the edge takes plan {given}"));
            self.edge.in_force = plan;
        }
    }

    /// A person orders something of the edge.
    pub(crate) fn edge_operator(&mut self) {
        if !self.faults {
            return;
        }
        let next = self.rng.i64(5 * MINUTE..40 * MINUTE);
        self.plan(self.now + next, Happening::EdgeOperator);
        if !self.pump.up {
            return;
        }
        let undone = undo(&self.pump.state.record.edge);
        let order = match undone.first() {
            // What was ordered is mostly taken back before anything else is.
            Some(undo) if self.rng.u32(..10) < 7 => undo.clone(),
            _ => self.draw_order(),
        };
        self.tell_now(Seen::Order(Order::Edge(order)));
    }

    fn draw_order(&mut self) -> EdgeOrder {
        let sort: &PoolSort = &POOLS[self.rng.usize(..POOLS.len())];
        let pool = PoolId::from(sort.pool);
        let reason = "for a while".to_owned();
        let texts = BTreeMap::from([("en".to_owned(), "Later".to_owned())]);
        match self.rng.u32(..8) {
            0 | 1 => {
                let n = self.rng.usize(1..=sort.instances);
                let instance = instances(sort).nth(n - 1).unwrap_or_else(|| "none".into());
                EdgeOrder::Drain { pool, instance }
            }
            2 => EdgeOrder::Drain {
                pool,
                // Nobody knows it: a slip of the pen.
                instance: "web-99".into(),
            },
            3 => EdgeOrder::Hold { pool, reason },
            4 => EdgeOrder::SwitchOff {
                component: "search".into(),
                reason,
                texts,
            },
            5 => EdgeOrder::ShowBanner { texts, link: None },
            6 => EdgeOrder::HideBanner,
            _ => EdgeOrder::CapTenant {
                tenant: format!("t{}", self.rng.u32(..5)),
                requests_per_s_max: Some(self.rng.u32(1..50)),
            },
        }
    }
}

/// The orders that take back all that a plan says.
pub(crate) fn undo(plan: &EdgePlan) -> Vec<EdgeOrder> {
    let mut orders = Vec::new();
    for (pool, of) in &plan.pools {
        if of.hold.is_some() {
            orders.push(EdgeOrder::Release { pool: pool.clone() });
        }
        for instance in &of.drain {
            let (pool, instance) = (pool.clone(), instance.clone());
            orders.push(EdgeOrder::Admit { pool, instance });
        }
    }
    for component in plan.off.keys().cloned() {
        orders.push(EdgeOrder::SwitchOn { component });
    }
    for tenant in plan.tenants.keys().cloned() {
        orders.push(EdgeOrder::CapTenant {
            tenant,
            requests_per_s_max: None,
        });
    }
    if plan.banner.is_some() {
        orders.push(EdgeOrder::HideBanner);
    }
    orders
}

fn lifts_a_drain(before: &EdgePlan, after: &EdgePlan) -> bool {
    before.pools.iter().any(|(pool, of)| {
        let mut drained = of.drain.iter();
        drained.any(|instance| !after.drains(pool, instance))
    })
}
