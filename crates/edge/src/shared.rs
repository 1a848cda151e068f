//! What every connection of the thread knows.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;

use evenkeel_core::Timestamp;
use evenkeel_core::edge::EdgePlan;
use evenkeel_core::edge::EdgeWindow;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::access_log::AccessLog;
use crate::clock::Clock;
use crate::settings::Settings;
use crate::traffic::{Class, OlderPlan, Traffic, identity};
use crate::upstream::Lines;
use crate::wire::Buffers;

/// See the module.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Rc<Settings>,
    pub(crate) traffic: Rc<Traffic>,
    pub(crate) clock: Rc<Clock>,
    pub(crate) buffers: Buffers,
    pub(crate) lines: Lines,
    /// No further request is taken.
    pub(crate) is_stopping: Cell<bool>,
    pub(crate) connections: Rc<Connections>,
    /// Where requests are logged.
    pub(crate) access_log: Option<Rc<AccessLog>>,
    /// Requests refused because they were malformed or out of bounds.
    pub(crate) refused: Cell<u32>,
}

/// The clients' connections, counted.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    open: Cell<usize>,
    by_address: RefCell<HashMap<IpAddr, usize>>,
    refused: Cell<u32>,
    /// Turned away, and still reading why.
    pub(crate) turned_away: Cell<usize>,
    /// The last one has gone.
    left: Notify,
}

/// A connection's place; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    connections: Rc<Connections>,
    address: IpAddr,
}

/// The hash of a request's tenant as it is written everywhere.
pub(crate) fn tenant_name(class: &Class) -> Option<String> {
    (class.tenant != identity::NOBODY).then(|| identity::written(class.tenant))
}

impl Shared {
    pub(crate) fn new(settings: Settings, plan: EdgePlan) -> Rc<Self> {
        let settings = Rc::new(settings);
        let buffers = Buffers::default();
        let shared = Self {
            traffic: Traffic::new(settings.clone(), plan),
            clock: Rc::default(),
            lines: Lines::new(&settings, &buffers),
            buffers,
            is_stopping: Cell::default(),
            connections: Rc::default(),
            refused: Cell::default(),
            access_log: settings
                .access_log
                .clone()
                .map(|log| Rc::new(AccessLog::new(log))),
            settings,
        };
        shared.follow_plan();
        Rc::new(shared)
    }

    /// Takes a plan; an older one is refused.
    pub(crate) fn apply(&self, plan: EdgePlan) -> Result<(), OlderPlan> {
        self.traffic.apply(plan)?;
        self.follow_plan();
        Ok(())
    }

    /// Tells the connections of draining instances how long they have.
    fn follow_plan(&self) {
        let plan = self.traffic.plan();
        for (p, pool) in self.settings.pools.iter().enumerate() {
            for (i, instance) in pool.instances.iter().enumerate() {
                let line = self.lines.line(p, i);
                match plan.drains(&pool.id, &instance.id) {
                    true if !line.is_draining() => line.drain(Instant::now() + pool.drain_max),
                    true => {}
                    false => line.admit(),
                }
            }
        }
    }

    /// What was seen since this was asked last.
    pub(crate) fn window(&self, from: Timestamp) -> EdgeWindow {
        let mut window = self.traffic.window(from);
        window.connections = u32::try_from(self.connections.open()).unwrap_or(u32::MAX);
        window.connections_refused = self.connections.take_refused();
        window.refused = self.refused.take();
        window
    }

    /// Counts a request that is refused.
    pub(crate) fn count_refused(&self) {
        self.refused.set(self.refused.get().saturating_add(1));
    }
}

impl Connections {
    /// A place for a connection; `None` where there are too many.
    pub(crate) fn place(
        self: &Rc<Self>,
        address: IpAddr,
        max: usize,
        per_address_max: usize,
    ) -> Option<Place> {
        let address = address.to_canonical();
        let mut by_address = self.by_address.borrow_mut();
        let of_address = by_address.get(&address).copied().unwrap_or_default();
        if self.open.get() >= max || of_address >= per_address_max {
            self.refused.set(self.refused.get().saturating_add(1));
            return None;
        }
        by_address.insert(address, of_address + 1);
        self.open.set(self.open.get() + 1);
        Some(Place {
            connections: self.clone(),
            address,
        })
    }

    /// Waits until there is none.
    pub(crate) async fn none(&self) {
        while self.open.get() > 0 {
            self.left.notified().await;
        }
    }

    /// How many there are.
    pub(crate) fn open(&self) -> usize {
        self.open.get()
    }

    /// How many were turned away since this was asked last.
    pub(crate) fn take_refused(&self) -> u32 {
        self.refused.take()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let connections = &self.connections;
        connections.open.set(connections.open.get() - 1);
        if connections.open.get() == 0 {
            connections.left.notify_waiters();
        }
        let mut by_address = connections.by_address.borrow_mut();
        if let Some(count) = by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                by_address.remove(&self.address);
            }
        }
    }
}
