//! Until the deciding half is here: the first route that fits, instances in turn.

use std::cell::Cell;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::edge::{Criticality, EdgePlan, EdgeWindow};
use evenkeel_core::ids::ComponentId;

use crate::settings::Settings;

#[derive(Debug)]
pub(crate) struct Traffic {
    settings: Rc<Settings>,
    plan: RefCell<Rc<EdgePlan>>,
    turn: Cell<usize>,
}

#[derive(Debug, Clone, Copy)]
#[allow(dead_code)]
pub(crate) struct Class {
    pub(crate) route: u16,
    pub(crate) pool: u16,
    pub(crate) tenant: u64,
    pub(crate) session: u64,
    pub(crate) criticality: Criticality,
}

#[derive(Debug)]
pub(crate) struct Permit;

impl Drop for Permit {
    fn drop(&mut self) {}
}

#[derive(Debug)]
#[allow(dead_code)]
pub(crate) enum Turned {
    Off(ComponentId),
    Shed {
        why: &'static str,
        retry_after: Duration,
    },
    HeldTooLong {
        retry_after: Duration,
    },
    Capped {
        retry_after: Duration,
    },
}

#[derive(Debug, Default)]
pub(crate) struct Tried(Vec<usize>);

impl Tried {
    pub(crate) fn add(&mut self, pick: &Pick) {
        self.0.push(pick.instance);
    }
}

#[derive(Debug)]
pub(crate) struct Pick {
    pub(crate) pool: usize,
    pub(crate) instance: usize,
    pub(crate) address: SocketAddr,
}

#[derive(Debug, Clone, Copy)]
#[allow(dead_code)]
pub(crate) enum Ending {
    Answered { status: u16, head: Duration },
    Failed { how: Failure, after: Duration },
    ClientGone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    Connect,
    Timeout,
    CutOff,
    Malformed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code)]
pub(crate) enum Kind {
    Answered { status: u16 },
    Failed,
    Shed,
    Off,
    Gone,
}

#[derive(Debug, Clone)]
#[allow(dead_code)]
pub(crate) struct Finish {
    pub(crate) kind: Kind,
    pub(crate) latency: Option<Duration>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) retried: bool,
}

#[derive(Debug)]
#[allow(dead_code)]
pub(crate) struct OlderPlan {
    pub(crate) in_force: u64,
    pub(crate) given: u64,
}

#[allow(clippy::unused_self, dead_code)]
impl Traffic {
    pub(crate) fn new(settings: Rc<Settings>, plan: EdgePlan) -> Rc<Self> {
        Rc::new(Self {
            settings,
            plan: RefCell::new(Rc::new(plan)),
            turn: Cell::new(0),
        })
    }

    pub(crate) fn apply(&self, plan: EdgePlan) -> Result<(), OlderPlan> {
        let in_force = self.plan.borrow().revision;
        if plan.revision < in_force {
            return Err(OlderPlan {
                in_force,
                given: plan.revision,
            });
        }
        *self.plan.borrow_mut() = Rc::new(plan);
        Ok(())
    }

    pub(crate) fn plan(&self) -> Rc<EdgePlan> {
        self.plan.borrow().clone()
    }

    pub(crate) fn class(
        &self,
        method: &http::Method,
        host: &str,
        path: &str,
        _headers: &http::HeaderMap,
    ) -> Option<Class> {
        let fits = |route: &crate::settings::Route| {
            (route.hosts.is_empty() || route.hosts.iter().any(|pattern| pattern.fits(host)))
                && (route.paths.is_empty()
                    || route
                        .paths
                        .iter()
                        .any(|start| path.starts_with(start.as_str())))
                && (route.methods.is_empty()
                    || route.methods.iter().any(|one| one == method.as_str()))
        };
        let route = self.settings.routes.iter().position(fits)?;
        let pool = &self.settings.routes[route].pool;
        Some(Class {
            route: route as u16,
            pool: self.settings.pools.iter().position(|one| one.id == *pool)? as u16,
            tenant: 0,
            session: 0,
            criticality: self.settings.routes[route].criticality,
        })
    }

    pub(crate) async fn admit(self: &Rc<Self>, class: &Class) -> Result<Permit, Turned> {
        let plan = self.plan();
        if let Some(component) = &self.settings.routes[usize::from(class.route)].component
            && plan.off.contains_key(component)
        {
            return Err(Turned::Off(component.clone()));
        }
        Ok(Permit)
    }

    pub(crate) fn sticky_value(&self, pick: &Pick) -> &str {
        self.settings.pools[pick.pool].instances[pick.instance]
            .id
            .as_str()
    }

    pub(crate) fn pick(
        self: &Rc<Self>,
        class: &Class,
        tried: &Tried,
        _sticky: Option<&str>,
    ) -> Option<Pick> {
        let pool = &self.settings.pools[usize::from(class.pool)];
        for _ in 0..pool.instances.len() {
            let turn = self.turn.get();
            self.turn.set(turn.wrapping_add(1));
            let instance = turn % pool.instances.len();
            if !tried.0.contains(&instance) {
                let address = pool.instances[instance].address;
                return Some(Pick {
                    pool: usize::from(class.pool),
                    instance,
                    address,
                });
            }
        }
        None
    }

    pub(crate) fn ended(&self, _pick: &Pick, _ending: Ending) {}

    pub(crate) fn may_retry(&self, _class: &Class) -> bool {
        true
    }

    pub(crate) fn finished(&self, _class: &Class, _finish: &Finish) {}

    pub(crate) fn checked(&self, _pool: usize, _instance: usize, _result: Result<(), String>) {}

    pub(crate) fn window(&self, from: Timestamp) -> EdgeWindow {
        EdgeWindow {
            from,
            plan: self.plan().revision,
            routes: Default::default(),
            pools: Default::default(),
            tenants: Default::default(),
            tenants_rest: Default::default(),
            tenants_rest_count: 0,
            connections: 0,
            connections_refused: 0,
            refused: 0,
        }
    }
}
