//! The tenants a queue knows: as many as it may, the idle ones forgotten when others come.
//!
//! Forgetting costs a tenant nothing but its account, which is lifted to the virtual time
//! when it comes back anyway. When all that are known are busy, which takes more busy tenants
//! than places and waiting room, further ones share one account.

use super::account::Account;
use super::headroom::Demand;
use crate::traffic::identity::ByHash;
use crate::traffic::line::Line;

/// How many are looked at for one to forget: the hand of a clock goes on where it stopped.
const LOOKED_AT: usize = 16;

pub(crate) struct Flows {
    /// The first is shared by those that nothing is known of.
    list: Vec<Flow>,
    by_tenant: ByHash<u32>,
    hand: usize,
    most: usize,
}

#[derive(Default)]
pub(crate) struct Flow {
    tenant: u64,
    /// Asked for since the hand last passed.
    seen: bool,
    /// Places it holds, in all lanes.
    pub(crate) held: u32,
    /// Of them, those whose requests have turned out to be slow.
    pub(super) slow: u32,
    /// Room it has in the queue, in all lanes.
    pub(crate) waiting: u32,
    pub(crate) lanes: [FlowLane; 3],
}

#[derive(Default)]
pub(crate) struct FlowLane {
    pub(crate) account: Account,
    /// Places that its quick requests take.
    pub(super) quick: Demand,
    pub(crate) held: u32,
    pub(crate) waiting: u32,
    pub(crate) line: Line,
    /// What it stands with among those that are ready.
    pub(crate) key: Option<u64>,
    /// Waits only because of what its tenant holds.
    pub(crate) blocked: bool,
}

impl Flows {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            list: vec![Flow::default()],
            by_tenant: ByHash::default(),
            hand: 0,
            most,
        }
    }

    pub(crate) fn at(&self, flow: u32) -> &Flow {
        &self.list[flow as usize]
    }

    pub(crate) fn at_mut(&mut self, flow: u32) -> &mut Flow {
        &mut self.list[flow as usize]
    }

    pub(crate) fn of(&mut self, tenant: u64) -> u32 {
        if let Some(flow) = self.by_tenant.get(&tenant) {
            self.list[*flow as usize].seen = true;
            return *flow;
        }
        let Some(flow) = self.fresh() else {
            return 0;
        };
        self.list[flow] = Flow {
            tenant,
            seen: true,
            ..Flow::default()
        };
        self.by_tenant.insert(tenant, flow as u32);
        flow as u32
    }

    fn fresh(&mut self) -> Option<usize> {
        if self.list.len() <= self.most {
            self.list.push(Flow::default());
            return Some(self.list.len() - 1);
        }
        for _ in 0..LOOKED_AT {
            self.hand = self.hand % (self.list.len() - 1).max(1) + 1;
            let flow = self.list.get_mut(self.hand)?;
            let idle = flow.held == 0 && flow.waiting == 0;
            if idle && !flow.seen {
                self.by_tenant.remove(&flow.tenant);
                return Some(self.hand);
            }
            flow.seen = false;
        }
        None
    }
}
