//! Looking at instances and volumes until stopped.
//!
//! One round every interval: once at the host's processes and sockets for all of them, once
//! at systemd for those units whose process is not known, then at each instance, a bounded
//! number at once. One that hangs in the kernel, or whose metrics stall, costs its own look
//! and nobody else's.
//!
//! Out of sight is told after [`PATIENCE`]: services are restarted by people, too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use evenkeel_core::ids::InstanceId;
use evenkeel_core::observation::{Levels, Seen, Sight};
use evenkeel_core::subject::Subject;
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};
use tokio::time::{MissedTickBehavior, timeout};

use super::instance::{Eyes, World};
use super::pace::Paced;
use super::process::Starts;
use super::systemd::{self, Unit};
use super::{LeakSpec, Looked, Shared, VolumeSpec, metrics, sockets, volume};
use crate::jobs::tree::Look;
use crate::outlet::Outlet;

/// How long something may be out of sight before it is told. Three looks; the edge sees in
/// a second that an instance does not answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Instances looked at at once.
const AT_ONCE: usize = 32;

/// How long `/proc` or a file system may take: beyond it something hangs in the kernel.
const READ_PATIENCE: Duration = Duration::from_secs(2);

/// Looking at all processes and all sockets may take one part in so many of a core each.
const SHARE: u32 = 2_000;

/// What is asked of the host for all instances together.
struct Host {
    processes: Paced<Arc<World>>,
}

impl Host {
    fn new() -> Self {
        Self {
            processes: Paced::new(SHARE),
        }
    }

    fn look(&mut self) -> Arc<World> {
        let look = || {
            let ports = sockets::served().unwrap_or_else(|error| {
                tracing::debug!(%error, "connections cannot be counted");
                BTreeMap::new()
            });
            Arc::new(World {
                processes: Look::take(),
                ports,
            })
        };
        self.processes.ask(look).clone()
    }
}

/// All instances with what is remembered of them.
struct Rounds {
    spec: LeakSpec,
    host: Arc<Mutex<Host>>,
    eyes: Vec<(InstanceId, Arc<Mutex<Eyes>>)>,
}

impl Rounds {
    fn new(spec: LeakSpec, starts: &Arc<Starts>) -> Self {
        let instances = spec.pools.iter().flat_map(|pool| &pool.instances);
        let eyes = instances.map(|instance| {
            let eyes = Eyes::new(instance.clone(), starts.clone());
            (instance.id.clone(), Arc::new(Mutex::new(eyes)))
        });
        Self {
            eyes: eyes.collect(),
            host: Arc::new(Mutex::new(Host::new())),
            spec,
        }
    }

    /// Looks at all of them once, and says of each what was seen as soon as it was.
    async fn look(&self, mut say: impl FnMut(Looked)) {
        let host = self.host.clone();
        let world = spawn_blocking(move || locked(&host).look()).await;
        let Ok(world) = world else {
            tracing::error!("looking at the host broke: please report this with the log");
            return;
        };
        let mut units = BTreeSet::new();
        for (_, eyes) in &self.eyes {
            if let Ok(eyes) = eyes.try_lock() {
                units.extend(eyes.asks_for().cloned());
            }
        }
        let units: Vec<Unit> = units.into_iter().collect();
        let states = Arc::new(systemd::states(&self.spec.systemctl, &units).await);
        let at_once = Arc::new(Semaphore::new(AT_ONCE));
        let mut looks = JoinSet::new();
        for (id, eyes) in &self.eyes {
            let of = Subject::Instance(id.clone());
            let (eyes, world, states) = (eyes.clone(), world.clone(), states.clone());
            let (at_once, patience) = (at_once.clone(), self.spec.timeout);
            looks.spawn(async move {
                let _place = at_once.acquire().await;
                one(of, eyes, world, &states, patience).await
            });
        }
        while let Some(looked) = looks.join_next().await {
            match looked {
                Ok(looked) => say(looked),
                Err(error) => tracing::error!(%error, "a look broke: please report this"),
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks at one instance.
async fn one(
    of: Subject,
    eyes: Arc<Mutex<Eyes>>,
    world: Arc<World>,
    states: &BTreeMap<Unit, Result<systemd::State, String>>,
    patience: Duration,
) -> Looked {
    // Held only while `/proc` is read; one that is held now hangs there.
    let Ok((spec, state)) = eyes.try_lock().map(|eyes| {
        let unit = eyes.asks_for().and_then(|unit| states.get(unit).cloned());
        (eyes.spec.clone(), unit)
    }) else {
        return hanging(of);
    };
    let told = match &spec.metrics {
        Some(address) => Some(metrics::ask(address, spec.release_header.as_ref(), patience).await),
        None => None,
    };
    let reading = spawn_blocking(move || locked(&eyes).look(&world, state, told));
    match timeout(READ_PATIENCE, reading).await {
        Ok(Ok(looked)) => looked,
        Ok(Err(_)) => Looked {
            of,
            levels: None,
            gaps: vec!["the look at it broke; please report this with Evenkeel's log".into()],
        },
        Err(_) => hanging(of),
    }
}

fn hanging(of: Subject) -> Looked {
    let gap = format!(
        "what /proc says of it is not to be had within {} s: it hangs in the kernel (state D in \
         `ps`)",
        READ_PATIENCE.as_secs()
    );
    Looked {
        of,
        levels: None,
        gaps: vec![gap],
    }
}

/// Who is out of sight, and since when.
struct Sights {
    outlet: Outlet,
    blind: BTreeMap<Subject, (Instant, bool)>,
    /// Gaps that were logged.
    logged: BTreeSet<String>,
}

impl Sights {
    fn new(outlet: Outlet) -> Self {
        Self {
            outlet,
            blind: BTreeMap::new(),
            logged: BTreeSet::new(),
        }
    }

    /// Tells what was seen, or that nothing was.
    async fn tell(&mut self, looked: Looked, is_away: bool) {
        let Looked { of, levels, gaps } = looked;
        match levels {
            Some(levels) => {
                self.log(&of, &gaps);
                let was_blind = self.blind.remove(&of).is_some_and(|(_, told)| told);
                if was_blind {
                    self.outlet
                        .fact(Seen::Sight(Sight { of, blind: None }))
                        .await;
                }
                self.outlet.picture(Seen::Levels(levels));
            }
            None if is_away => {
                self.blind.remove(&of);
            }
            None => {
                let since = self
                    .blind
                    .entry(of.clone())
                    .or_insert((Instant::now(), false));
                if since.0.elapsed() < PATIENCE {
                    return;
                }
                let is_news = !std::mem::replace(&mut since.1, true);
                self.log(&of, &gaps);
                let blind = Some(gaps.join("; "));
                let sight = Seen::Sight(Sight { of, blind });
                match is_news {
                    true => drop(self.outlet.fact(sight).await),
                    false => self.outlet.picture(sight),
                }
            }
        }
    }

    fn log(&mut self, of: &Subject, gaps: &[String]) {
        // What changes in every line would fill memory; so many different gaps are no help.
        const LOGGED_MAX: usize = 1_000;
        for gap in gaps {
            if self.logged.len() < LOGGED_MAX && self.logged.insert(format!("{of} {gap}")) {
                tracing::warn!(%of, "{gap}");
            }
        }
    }
}

/// Looks at instances for ever.
pub(super) async fn instances(spec: LeakSpec, shared: Arc<Shared>, outlet: Outlet) {
    let rounds = Rounds::new(spec, &shared.starts);
    if rounds.eyes.is_empty() {
        return std::future::pending().await;
    }
    let mut sights = Sights::new(outlet);
    let mut tick = tokio::time::interval(rounds.spec.interval);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let mut all = Vec::new();
        rounds.look(|looked| all.push(looked)).await;
        for looked in all {
            let Subject::Instance(id) = &looked.of else {
                continue;
            };
            let is_away = locked(&shared.away).contains(id);
            if let Some(levels) = &looked.levels {
                locked(&shared.last).insert(id.clone(), levels.clone());
            }
            sights.tell(looked, is_away).await;
        }
    }
}

/// One volume, with the look that has not come back.
struct Watched {
    spec: VolumeSpec,
    under_way: Option<JoinHandle<Result<Levels, String>>>,
}

impl Watched {
    async fn look(&mut self) -> Looked {
        let of = Subject::Volume(self.spec.id.clone());
        let spec = self.spec.clone();
        let reading = self.under_way.get_or_insert_with(|| {
            spawn_blocking(move || {
                Ok(Levels {
                    levels: volume::levels(&spec.path)?,
                    of: Subject::Volume(spec.id),
                    started_at: None,
                    release: None,
                })
            })
        });
        let found = match timeout(READ_PATIENCE, reading).await {
            Ok(found) => {
                self.under_way = None;
                found.unwrap_or_else(|_| Err("the look at it broke; please report this".into()))
            }
            Err(_) => Err(format!(
                "{} does not answer within {} s; is its server there?",
                self.spec.path.display(),
                READ_PATIENCE.as_secs()
            )),
        };
        match found {
            Ok(levels) => Looked {
                of,
                levels: Some(levels),
                gaps: Vec::new(),
            },
            Err(why) => Looked {
                of,
                levels: None,
                gaps: vec![why],
            },
        }
    }
}

fn watched(spec: &LeakSpec) -> Vec<Watched> {
    let volumes = spec.volumes.iter();
    let watched = volumes.map(|spec| Watched {
        spec: spec.clone(),
        under_way: None,
    });
    watched.collect()
}

/// Looks at volumes for ever.
pub(super) async fn volumes(spec: LeakSpec, outlet: Outlet) {
    let mut volumes = watched(&spec);
    if volumes.is_empty() {
        return std::future::pending().await;
    }
    let mut sights = Sights::new(outlet);
    let mut tick = tokio::time::interval(spec.interval);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        for volume in &mut volumes {
            let looked = volume.look().await;
            sights.tell(looked, false).await;
        }
    }
}

/// Looks at everything once.
pub(super) async fn once(spec: &LeakSpec) -> Vec<Looked> {
    let mut all = Vec::new();
    Rounds::new(spec.clone(), &Arc::default())
        .look(|looked| all.push(looked))
        .await;
    for mut volume in watched(spec) {
        all.push(volume.look().await);
    }
    all.sort_by(|a, b| a.of.cmp(&b.of));
    all
}
