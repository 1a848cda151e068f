//! Everything the edge decides within a request, and nothing else: no socket, no file, no
//! HTTP. The data plane calls it at each step of a request and does what it says.
//!
//! ```text
//! class     which route and pool, whose request
//! admit     off, capped, held, over a bound, waiting for a place; a permit in the end
//! pick      which instance; again for a further try, if may_retry says so
//! ended     how it went at that instance
//! finished  how it went as a whole
//! ```
//!
//! One thread, so everything is shared by `Rc` and changed in cells; nothing is borrowed
//! across an await or while a waker is called. What is held (a place, a session's place, a
//! request under way at an instance) is held by a value and given back by its drop, so that
//! a client that goes away at any moment leaves nothing behind. A request that meets no
//! contention allocates nothing.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use evenkeel_core::edge::{Criticality, EdgePlan, EdgeWindow, InstanceWindow, PoolWindow};
use evenkeel_core::ids::ComponentId;
use http::{HeaderMap, Method};
use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};

use crate::settings::Settings;

mod balance;
mod fair;
mod health;
mod hold;
pub mod identity;
mod limit;
mod line;
mod open;
mod permit;
mod plan;
mod retry;
pub(crate) mod routes;
mod sessions;
mod shares;
mod windows;

use balance::{Balance, Dice, Went, Wish};
pub use fair::Why;
use fair::{Ask, Gate, Most};
use hold::{Hold, NotHeld};
use identity::Names;
use limit::Adaptive;
use open::Open;
pub use open::Stays;
pub use permit::{Permit, Pick, Tried};
use plan::InForce;
pub use plan::OlderPlan;
use retry::Budget;
use routes::Routes;
use sessions::Sessions;
use shares::Shares;
pub use windows::{Finish, Kind};
use windows::{Tally, Tenants};

/// What a route takes before anything is known of it, microseconds.
const EXPECTED_FIRST: f64 = 50_000.0;

/// Requests that the time a route takes is averaged over.
const EXPECTED_OF: f64 = 32.0;

/// The least and the most that a client is told to wait, before chance is added: in less
/// than a second nothing has changed, after half a minute people have tried by hand.
const RETRY_AFTER: (f64, f64) = (1.0, 30.0);

/// See the module's words.
pub struct Traffic {
    settings: Rc<Settings>,
    clock: Clock,
    routes: Routes,
    names: Names,
    by_route: Vec<OfRoute>,
    pools: Vec<OfPool>,
    tenants: Tenants,
    in_force: RefCell<InForce>,
    dice: Cell<Dice>,
}

/// What is kept for a route.
struct OfRoute {
    pool: u16,
    /// Its own limit, if it has one.
    gate: Option<Gate>,
    /// How long its requests hold a place, microseconds.
    expected: Cell<f64>,
    tally: RefCell<Tally>,
}

/// What is kept for a pool.
struct OfPool {
    gate: Gate,
    sessions: Sessions,
    open: Open,
    hold: Hold,
    balance: Balance,
    shares: Shares,
    adaptive: Adaptive,
    budget: Budget,
    instances: Vec<OfInstance>,
    queued_max: Cell<Duration>,
}

struct OfInstance {
    address: SocketAddr,
    /// What a client's cookie names it by.
    sticky: String,
    requests: Cell<u32>,
    errors: Cell<u32>,
    tally: RefCell<Tally>,
}

/// What a request is, as far as deciding needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    /// The route, by its index in the settings.
    pub route: u16,
    /// Its pool, by index.
    pub pool: u16,
    /// The hash of its tenant; [`identity::NOBODY`] without one.
    pub tenant: u64,
    /// The hash of its user session; [`identity::NOBODY`] without one.
    pub session: u64,
    /// What is shed first, and what last.
    pub criticality: Criticality,
}

/// Why a request is answered by the edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turned {
    /// Its component is switched off; what to say is in the plan.
    Off(ComponentId),
    /// To protect the rest.
    Shed {
        /// Why it and not another.
        why: Why,
        /// When trying again has a chance.
        retry_after: Duration,
    },
    /// It was held as long as anyone may.
    HeldTooLong {
        /// When trying again has a chance.
        retry_after: Duration,
    },
    /// Its tenant has taken all that the plan lets it.
    Capped {
        /// When there is more.
        retry_after: Duration,
    },
}

/// How a request ended at an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With an answer.
    Answered {
        /// Its status.
        status: u16,
        /// From sending the request to the answer's head.
        head: Duration,
    },
    /// Without, or with half of one.
    Failed {
        /// How.
        how: Failure,
        /// How long it took to fail.
        after: Duration,
    },
    /// The client gave up first: it says nothing of the instance.
    ClientGone,
}

/// How an instance failed a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No connection.
    Connect,
    /// No answer in time.
    Timeout,
    /// The connection ended before the answer did.
    CutOff,
    /// The answer was no HTTP, or out of bounds.
    Malformed,
}

/// Microseconds since the edge began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn now(self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

impl Traffic {
    /// Serves as `settings` and `plan` say.
    pub fn new(settings: Rc<Settings>, plan: EdgePlan) -> Rc<Self> {
        let clock = Clock(Instant::now());
        let in_force = InForce::new(plan, &settings, None, 0);
        let salt = settings.identity.salt;
        let mut dice = Dice(u64::from_le_bytes([
            salt[0], salt[1], salt[2], salt[3], salt[4], salt[5], salt[6], salt[7],
        ]));
        let pools = settings.pools.iter().enumerate().map(|(index, pool)| {
            let plan = &in_force.pools[index];
            let most = Most {
                waiting: pool.queue.len_max,
                waiting_of_tenant: pool.queue.tenant_max,
                tenant_pct: u32::from(pool.limit.tenant_pct),
                tenants_known: settings.bounds.tenants_known,
            };
            let adaptive = Adaptive::new(&pool.limit, settings.routes.len(), 0);
            let instances = pool.instances.iter().map(|instance| OfInstance {
                address: instance.address,
                sticky: identity::written(identity::instance_hash(&salt, instance.id.as_str())),
                requests: Cell::new(0),
                errors: Cell::new(0),
                tally: RefCell::new(Tally::new()),
            });
            let hold = Hold::new(pool.hold.clone());
            hold.set(plan.hold, Instant::now());
            OfPool {
                gate: Gate::new(
                    clock,
                    in_limits(adaptive.limit(), plan.concurrency_max),
                    most,
                ),
                sessions: Sessions::new(pool.limit.session_max),
                open: Open::new(settings.bounds.connections_max, pool.limit.tenant_pct),
                hold,
                balance: Balance::new(pool, settings.routes.len(), plan, dice.roll()),
                shares: Shares::new(pool.instances.len()),
                adaptive,
                budget: Budget::new(&pool.retry),
                instances: instances.collect(),
                queued_max: Cell::new(Duration::ZERO),
            }
        });
        let pools = pools.collect();
        let by_route = settings.routes.iter().map(|route| {
            let pool = settings.pools.iter().position(|pool| pool.id == route.pool);
            let pool = pool.expect("the configuration defines every pool that it names");
            let most = Most {
                waiting: usize::MAX,
                waiting_of_tenant: usize::MAX,
                tenant_pct: u32::from(settings.pools[pool].limit.tenant_pct),
                tenants_known: settings.bounds.tenants_known,
            };
            let gate = |limit: u32| Gate::new(clock, limit.max(1), most);
            OfRoute {
                pool: pool as u16,
                gate: route.concurrency_max.map(gate),
                expected: Cell::new(EXPECTED_FIRST),
                tally: RefCell::new(Tally::new()),
            }
        });
        let by_route = by_route.collect();
        Rc::new(Self {
            clock,
            routes: Routes::new(&settings.routes),
            names: Names::new(&settings.identity),
            by_route,
            pools,
            tenants: Tenants::new(settings.bounds.tenants_told, settings.bounds.tenants_known),
            in_force: RefCell::new(in_force),
            dice: Cell::new(dice),
            settings,
        })
    }

    /// Puts a plan in force, unless it is older than the one that is.
    pub fn apply(&self, plan: EdgePlan) -> Result<(), OlderPlan> {
        let (in_force, given) = (self.in_force.borrow().plan.revision, plan.revision);
        if given < in_force {
            return Err(OlderPlan { in_force, given });
        }
        if given == in_force {
            return Ok(());
        }
        let now = self.clock.now();
        let next = {
            let before = self.in_force.borrow();
            InForce::new(plan, &self.settings, Some(&before), now)
        };
        let before = self.in_force.replace(next);
        drop(before);
        let in_force = self.in_force.borrow();
        for (pool, plan) in self.pools.iter().zip(&in_force.pools) {
            pool.balance.apply(plan, Some(now));
        }
        let set: Vec<_> = in_force
            .pools
            .iter()
            .map(|plan| (plan.hold, plan.concurrency_max))
            .collect();
        drop(in_force);
        // These wake who waits.
        for (pool, (hold, concurrency_max)) in self.pools.iter().zip(set) {
            pool.hold.set(hold, Instant::now());
            pool.gate
                .set_limit(now, in_limits(pool.adaptive.limit(), concurrency_max));
        }
        Ok(())
    }

    /// The plan in force.
    pub fn plan(&self) -> Rc<EdgePlan> {
        self.in_force.borrow().plan.clone()
    }

    /// What it serves.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What a request is; `None` where no route fits. `path` is without the query.
    pub fn class(
        &self,
        method: &Method,
        host: &str,
        path: &str,
        headers: &HeaderMap,
    ) -> Option<Class> {
        let path = routes::normal(path);
        let route = self.routes.find(method, host, &path)?;
        Some(Class {
            route: route as u16,
            pool: self.by_route[route].pool,
            tenant: self.names.tenant(host, &path, headers),
            session: self.names.session(host, &path, headers),
            criticality: self.settings.routes[route].criticality,
        })
    }

    /// A place for a request, at once or after waiting; or why not. Dropping the future
    /// leaves whatever line it stood in.
    pub async fn admit(self: &Rc<Self>, class: &Class) -> Result<Permit, Turned> {
        self.admit_with_body(class, 0).await
    }

    /// The same for a request of whose body so many bytes may come before it is read: they
    /// count while it is held.
    pub async fn admit_with_body(
        self: &Rc<Self>,
        class: &Class,
        bytes: u64,
    ) -> Result<Permit, Turned> {
        let now = self.clock.now();
        let pool = &self.pools[usize::from(class.pool)];
        self.may_come(class, now)?;
        pool.budget.deposit(now);
        if !pool.hold.is_busy() {
            if let Some(permit) = self.enter(class, now) {
                return Ok(permit);
            }
        } else {
            // Boxed, as below: the way that costs something is not to burden the other.
            let passed = Box::pin(pool.hold.pass(class.tenant, bytes)).await;
            passed.map_err(|not| self.not_held(class, not))?;
            if let Some(permit) = self.enter(class, self.clock.now()) {
                return Ok(permit);
            }
        }
        Box::pin(self.wait(class)).await
    }

    /// A place if there is one at once: for requests that nobody waits for.
    pub fn try_admit(self: &Rc<Self>, class: &Class) -> Option<Permit> {
        let now = self.clock.now();
        let held = self.pools[usize::from(class.pool)].hold.is_busy();
        if held || self.may_come(class, now).is_err() {
            return None;
        }
        self.enter(class, now)
    }

    fn may_come(&self, class: &Class, now: u64) -> Result<(), Turned> {
        let in_force = self.in_force.borrow();
        let route = usize::from(class.route);
        if in_force.off[route]
            && let Some(component) = &self.settings.routes[route].component
        {
            return Err(Turned::Off(component.clone()));
        }
        let cap = in_force.caps.get(&class.tenant);
        cap.map_or(Ok(()), |cap| cap.take(now)).map_err(|wait| {
            let retry_after = self.told(wait as f64 / 1e6);
            Turned::Capped { retry_after }
        })
    }

    fn ask(&self, class: &Class) -> Ask {
        Ask {
            tenant: class.tenant,
            criticality: class.criticality,
            expected: self.by_route[usize::from(class.route)].expected.get() as u64,
        }
    }

    /// In at once, or not at all.
    fn enter(self: &Rc<Self>, class: &Class, now: u64) -> Option<Permit> {
        let pool = &self.pools[usize::from(class.pool)];
        if !pool.sessions.try_enter(class.session) {
            return None;
        }
        let mut permit = self.permit(class, now);
        let ask = self.ask(class);
        if let Some(gate) = &self.by_route[usize::from(class.route)].gate {
            permit.of_route = Some(gate.try_enter(now, &ask)?);
        }
        permit.place = Some(pool.gate.try_enter(now, &ask)?);
        Some(permit)
    }

    /// A permit that holds its session's place, and nothing else yet.
    fn permit(self: &Rc<Self>, class: &Class, now: u64) -> Permit {
        Permit {
            traffic: self.clone(),
            class: *class,
            place: None,
            of_route: None,
            since: now,
        }
    }

    /// In when it is its turn.
    async fn wait(self: &Rc<Self>, class: &Class) -> Result<Permit, Turned> {
        let pool = &self.pools[usize::from(class.pool)];
        let queue = &self.settings.pools[usize::from(class.pool)].queue;
        let begun = Instant::now();
        let waited = timeout_at(begun + queue.timeout, self.turn(class)).await;
        let longest = pool.queued_max.get().max(begun.elapsed());
        pool.queued_max.set(longest);
        waited
            .unwrap_or(Err(Why::Waited))
            .map_err(|why| Turned::Shed {
                why,
                retry_after: self.until_room(class),
            })
    }

    /// First its session, then its route, then its pool: who waits for a narrower bound
    /// takes nothing of the wider one meanwhile.
    async fn turn(self: &Rc<Self>, class: &Class) -> Result<Permit, Why> {
        let pool = &self.pools[usize::from(class.pool)];
        let ask = self.ask(class);
        let room = pool.gate.reserve(&ask)?;
        if !pool.sessions.try_enter(class.session) {
            pool.sessions.join(class.session).await;
        }
        let mut permit = self.permit(class, self.clock.now());
        if let Some(gate) = &self.by_route[usize::from(class.route)].gate {
            let place = match gate.try_enter(self.clock.now(), &ask) {
                Some(place) => place,
                None => gate.reserve(&ask)?.join(ask.expected).await?,
            };
            permit.of_route = Some(place);
        }
        permit.place = Some(room.join(ask.expected).await?);
        permit.since = self.clock.now();
        Ok(permit)
    }

    fn not_held(&self, class: &Class, not: NotHeld) -> Turned {
        let bounds = &self.settings.pools[usize::from(class.pool)].hold;
        let held = self.pools[usize::from(class.pool)].hold.held() as f64;
        let retry_after = self.told(held / f64::from(bounds.release_per_s.max(1)));
        match not {
            NotHeld::Full(why) => Turned::Shed { why, retry_after },
            NotHeld::TooLong => Turned::HeldTooLong { retry_after },
        }
    }

    /// How long those that wait now will take: Little's law.
    fn until_room(&self, class: &Class) -> Duration {
        let gate = &self.pools[usize::from(class.pool)].gate;
        let each = self.by_route[usize::from(class.route)].expected.get() / 1e6;
        let before = gate.waiting() as f64 + 1.0;
        self.told(before * each / f64::from(gate.limit()))
    }

    /// What a client is told, with chance added: who is sent away together is not to come
    /// back together.
    fn told(&self, seconds: f64) -> Duration {
        let (least, most) = RETRY_AFTER;
        let seconds = seconds.clamp(least, most);
        let mut dice = self.dice.get();
        let spread = (seconds / 2.0 + 1.0) * dice.part();
        self.dice.set(dice);
        Duration::from_secs((seconds + spread).ceil() as u64)
    }

    /// An instance for a request, none of `tried`; `sticky` is the value of the pool's
    /// cookie. `None` when there is none left.
    pub fn pick(
        self: &Rc<Self>,
        class: &Class,
        tried: &Tried,
        sticky: Option<&str>,
    ) -> Option<Pick> {
        let pool = &self.pools[usize::from(class.pool)];
        let sticky = sticky.and_then(|value| {
            let mut instances = pool.instances.iter();
            instances.position(|instance| instance.sticky == value)
        });
        let wish = Wish {
            session: class.session,
            tried: &tried.0,
            sticky,
            limit: pool.gate.limit(),
        };
        let instance = pool.balance.pick(self.clock.now(), &wish)?;
        Some(Pick {
            pool: usize::from(class.pool),
            instance,
            address: pool.instances[instance].address,
            route: class.route,
            is_open: Cell::new(false),
            traffic: self.clone(),
        })
    }

    /// What the pool's cookie is set to, so that the next request comes to the same one.
    pub fn sticky_value(&self, pick: &Pick) -> &str {
        &self.pools[pick.pool].instances[pick.instance].sticky
    }

    /// How a request ended at an instance; once for each pick.
    pub fn ended(&self, pick: &Pick, ending: Ending) {
        let now = self.clock.now();
        let pool = &self.pools[pick.pool];
        let outlier = &self.settings.pools[pick.pool].outlier;
        let instance = &pool.instances[pick.instance];
        let (went, unfit) = match ending {
            Ending::ClientGone => return,
            Ending::Answered { status, head } => {
                instance.tally.borrow_mut().latency(head);
                let unfit = matches!(status, 502..=504);
                let went = if status >= 500 {
                    Went::Error(head)
                } else {
                    Went::Well(head)
                };
                (went, unfit)
            }
            Ending::Failed { .. } => (Went::Failed, true),
        };
        instance.requests.set(instance.requests.get() + 1);
        let error = !matches!(went, Went::Well(_));
        instance
            .errors
            .set(instance.errors.get() + u32::from(error));
        let went = if unfit { Went::Failed } else { went };
        let route = usize::from(pick.route);
        let under_way = pool.gate.held();
        let changed = match went {
            Went::Well(head) => {
                let us = u64::try_from(head.as_micros()).unwrap_or(u64::MAX);
                pool.adaptive.answered(now, route, us, under_way)
            }
            Went::Failed => pool.adaptive.failed(now, under_way),
            // Neither its speed nor its failing says how much the pool can carry.
            Went::Error(_) => None,
        };
        if let Some(limit) = changed {
            let most = self.in_force.borrow().pools[pick.pool].concurrency_max;
            pool.gate.set_limit(now, in_limits(limit, most));
        }
        pool.balance.observe(now, pick.instance, route, went);
        pool.balance.change(pick.instance, |health| match unfit {
            true => health.failed(now, outlier),
            false => {
                health.served(now, outlier);
                false
            }
        });
        if let Some((instance, seen)) = pool.shares.ended(now, pick.instance, unfit) {
            let balance = &pool.balance;
            balance.change(instance, |health| health.stands_out(now, seen, outlier));
        }
    }

    /// Whether a request may be tried again: takes from its pool's budget.
    pub fn may_retry(&self, class: &Class) -> bool {
        let pool = &self.pools[usize::from(class.pool)];
        pool.budget.withdraw(self.clock.now())
    }

    /// A request is over, whatever became of it.
    pub fn finished(&self, class: &Class, finish: &Finish) {
        let route = &self.by_route[usize::from(class.route)];
        route.tally.borrow_mut().finish(finish);
        self.tenants.finish(class.tenant, finish);
    }

    /// An active check's answer: why it is not well, if it is not.
    pub fn checked(&self, pool: usize, instance: usize, result: Result<(), String>) {
        let Some(check) = &self.settings.pools[pool].check else {
            return;
        };
        let now = self.clock.now();
        let balance = &self.pools[pool].balance;
        balance.change(instance, |health| health.checked(now, result, check));
    }

    /// To which pool a copy of a safe request goes, as a class of it; mostly none.
    pub fn mirror(&self, class: &Class) -> Option<Class> {
        let in_force = self.in_force.borrow();
        let (to, permille) = in_force.pools[usize::from(class.pool)].mirror?;
        let mut dice = self.dice.get();
        let mirrored = dice.below(1000) < usize::from(permille);
        self.dice.set(dice);
        mirrored.then_some(Class {
            pool: to as u16,
            ..*class
        })
    }

    /// Whether an instance gets no new request by plan.
    pub fn is_draining(&self, pool: usize, instance: usize) -> bool {
        self.pools[pool].balance.drains(instance)
    }

    /// Requests under way at an instance.
    pub fn under_way(&self, pool: usize, instance: usize) -> u32 {
        self.pools[pool].balance.under_way(instance)
    }

    /// What was seen since the last call, which was at `from`. Connections are the data
    /// plane's to add.
    pub fn window(&self, from: Timestamp) -> EdgeWindow {
        let now = self.clock.now();
        let routes = self.by_route.iter().zip(&self.settings.routes);
        let routes = routes.map(|(of, route)| (route.id.clone(), of.tally.borrow_mut().take()));
        let routes = routes.filter(|(_, counts)| counts.requests > 0).collect();
        let pools = self.pools.iter().zip(&self.settings.pools);
        let pools = pools.map(|(of, pool)| {
            let ids = pool.instances.iter().map(|instance| instance.id.clone());
            let instances =
                (0..of.instances.len()).map(|instance| of.instance_window(now, instance));
            let window = PoolWindow {
                instances: ids.zip(instances).collect(),
                under_way: of.gate.held(),
                queued: of.gate.waiting() as u32,
                held: of.hold.held() as u32,
                limit: of.gate.limit(),
                queued_max: of.queued_max.take(),
            };
            (pool.id.clone(), window)
        });
        let named = self.tenants.take();
        EdgeWindow {
            plan: self.in_force.borrow().plan.revision,
            routes,
            pools: pools.collect(),
            tenants: named.tenants,
            tenants_rest: named.rest,
            tenants_rest_count: named.rest_count,
            ..EdgeWindow::quiet(from)
        }
    }
}

impl OfPool {
    fn instance_window(&self, now: u64, index: usize) -> InstanceWindow {
        let of = &self.instances[index];
        let (state, why) = self.balance.state(now, index);
        InstanceWindow {
            state,
            under_way: self.balance.under_way(index),
            requests: of.requests.take(),
            errors: of.errors.take(),
            latencies: of.tally.borrow_mut().take_latencies(),
            why,
        }
    }
}

fn in_limits(adaptive: u32, concurrency_max: Option<u32>) -> u32 {
    adaptive.min(concurrency_max.unwrap_or(u32::MAX)).max(1)
}

impl fmt::Debug for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Traffic").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
