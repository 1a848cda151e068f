//! Lock chains: somebody holds what others want, and more come to wait.

use evenkeel_core::ids::{ComponentId, DatabaseId, RunId};
use evenkeel_core::observation::SessionState;
use evenkeel_core::subject::Backend;

use super::database::{Node, Sess};
use crate::clock::{MINUTE, Ms, SECOND};
use crate::sim::{Happening, Sim};

/// Who holds the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    /// A role the configuration names, idle in transaction.
    Role,
    /// An application the configuration names, in the middle of a query.
    Application,
    /// A session nothing is configured about.
    Stranger,
    /// Sessions that are never ended, each named so that policy would allow them.
    Superuser,
    Autovacuum,
    Walsender,
    Elsewhere,
    /// A prepared transaction.
    Prepared,
    /// A long read of a stranger, with a DDL statement queued behind it.
    Reader,
    /// A run's session.
    Run,
}

const HOLDERS: &[Holder] = &[
    Holder::Role,
    Holder::Role,
    Holder::Application,
    Holder::Application,
    Holder::Stranger,
    Holder::Superuser,
    Holder::Autovacuum,
    Holder::Walsender,
    Holder::Elsewhere,
    Holder::Prepared,
    Holder::Reader,
    Holder::Reader,
];

#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) db: DatabaseId,
    pub(crate) holder: Holder,
    component: Option<ComponentId>,
    root: Node,
    root_backend: Option<Backend>,
    head: Option<Backend>,
    cap: usize,
    every: Ms,
    patience: Ms,
    leaves_at: Option<Ms>,
    twist: Option<(Ms, Twist)>,
}

/// What happens to the holder just when somebody may be about to end it.
#[derive(Debug, Clone, Copy)]
enum Twist {
    /// It leaves, and an innocent session gets its pid.
    PidReused,
    /// It commits and begins anew: same session, other transaction.
    NewTransaction,
    /// It comes to wait itself, for a stranger.
    Waits,
}

impl Sim {
    /// A lock chain begins somewhere.
    pub(crate) fn begin_scene(&mut self) {
        let peaceful = !self.weather.troubled;
        let holder = match peaceful {
            true => *self.rng.choice(&HOLDERS[..4]).unwrap_or(&Holder::Role),
            false => *self.rng.choice(HOLDERS).unwrap_or(&Holder::Role),
        };
        let dbs: Vec<DatabaseId> = self.world.dbs.keys().cloned().collect();
        let Some(id) = self.rng.choice(&dbs).cloned() else {
            return;
        };
        let now = self.clock.wall(self.t);
        let Some(db) = self.world.dbs.get_mut(&id) else {
            return;
        };
        let now = crate::clock::shifted(now, db.skew);
        let mut root_backend = None;
        let mut head = None;
        let root = if holder == Holder::Prepared {
            let gid = format!("pay-{}", self.t);
            db.prepared.insert(gid.clone(), now);
            Node::Gid(gid)
        } else {
            let mut session = holder_session(db, holder, now);
            session.obeys_cancel = self.rng.bool();
            session.leaves_after = if peaceful { 30 } else { self.rng.i64(5..2000) };
            root_backend = Some(session.shown.backend.clone());
            Node::Pid(db.add(session))
        };
        if holder == Holder::Reader {
            let mut ddl = db.client(now, "deploy", "migrate-7");
            ddl.shown.query = "alter table users add column phone text".into();
            head = Some(ddl.shown.backend.clone());
            let pid = db.add(ddl);
            db.wait(pid, std::slice::from_ref(&root), self.t, now);
        }
        // Now and then a chain nobody of ours waits in, and one with a single waiter.
        let component =
            (peaceful || self.rng.u8(..8) > 0).then(|| component_of(&id, &mut self.rng));
        let cap = match self.rng.u8(..6) {
            0 if !peaceful => 1,
            _ => self.rng.usize(3..9),
        };
        let twist = match self.rng.u8(..8) {
            0 if !peaceful => Some(Twist::PidReused),
            1 if !peaceful => Some(Twist::NewTransaction),
            2 if !peaceful => Some(Twist::Waits),
            _ => None,
        };
        let twist = twist.map(|twist| (self.t + self.rng.i64(800..6000), twist));
        let leaves = !peaceful || !self.oracle.may_release(&self.policy, &id, holder);
        let lasts = match self.rng.u8(..4) {
            0 => self.rng.i64(200..3 * SECOND),
            1 | 2 => self.rng.i64(3 * SECOND..MINUTE),
            _ => self.rng.i64(MINUTE..10 * MINUTE),
        };
        let scene = Scene {
            db: id,
            holder,
            component,
            root,
            root_backend,
            head,
            cap,
            every: self.rng.i64(100..1500),
            patience: self.rng.i64(5 * SECOND..40 * SECOND),
            leaves_at: leaves.then_some(self.t + lasts),
            twist,
        };
        self.note(|| format!("world: a chain begins in {}, held by {holder:?}", scene.db));
        self.add_scene(scene);
    }

    /// A run comes to hold a lock others want.
    pub(crate) fn run_takes_lock(&mut self, run: &RunId) {
        let Some((id, backend)) = self.world.dbs.iter().find_map(|(id, db)| {
            let pid = db.of_run(run).first().copied()?;
            Some((id.clone(), db.sessions.get(&pid)?.shown.backend.clone()))
        }) else {
            return;
        };
        let component = Some(component_of(&id, &mut self.rng));
        self.note(|| format!("world: run {run} holds a lock in {id} that {component:?} wants"));
        let scene = Scene {
            db: id,
            holder: Holder::Run,
            component,
            root: Node::Pid(backend.pid),
            root_backend: Some(backend),
            head: None,
            cap: self.rng.usize(1..9),
            every: self.rng.i64(100..1500),
            patience: self.rng.i64(5 * SECOND..40 * SECOND),
            leaves_at: None,
            twist: None,
        };
        self.add_scene(scene);
    }

    fn add_scene(&mut self, scene: Scene) {
        self.world.last_scene += 1;
        let number = self.world.last_scene;
        self.world.scenes.insert(number, scene);
        self.at(self.t, Happening::Scene(number));
    }

    pub(crate) fn scene(&mut self, number: u64) {
        let Some(mut scene) = self.world.scenes.remove(&number) else {
            return;
        };
        let Some(db) = self.world.dbs.get(&scene.db) else {
            return;
        };
        let here = match &scene.root_backend {
            Some(backend) => db
                .get(backend)
                .is_some_and(|root| !root.leaving || root.leaves_after > 0),
            None => db.key(&scene.root).is_some(),
        };
        if !here {
            return;
        }
        if scene.leaves_at.is_some_and(|at| at <= self.t) {
            self.release(&scene);
            return;
        }
        if let Some((at, twist)) = scene.twist
            && at <= self.t
        {
            scene.twist = None;
            self.twist(&scene, twist);
            if matches!(twist, Twist::PidReused) {
                return;
            }
        }
        self.one_more_waits(&scene);
        let next = self.t + scene.every + self.rng.i64(0..50);
        self.at(next, Happening::Scene(number));
        self.world.scenes.insert(number, scene);
    }

    /// The holder lets go by itself.
    pub(crate) fn release(&mut self, scene: &Scene) {
        match &scene.root {
            Node::Pid(pid) => self.end_session(&scene.db.clone(), *pid),
            Node::Gid(gid) => {
                let db = scene.db.clone();
                if let Some(world) = self.world.dbs.get_mut(&db) {
                    world.prepared.remove(gid);
                    let freed = world.release(&scene.root);
                    self.freed(&db, &freed);
                }
            }
        }
    }

    fn one_more_waits(&mut self, scene: &Scene) {
        let now = self.clock.wall(self.t);
        let Some(db) = self.world.dbs.get_mut(&scene.db) else {
            return;
        };
        let on = match &scene.head {
            Some(head) if db.get(head).is_some() => Node::Pid(head.pid),
            _ => scene.root.clone(),
        };
        let waiting = db
            .sessions
            .values()
            .filter(|s| s.blockers.contains(&on))
            .count();
        if waiting >= scene.cap {
            return;
        }
        let mut session = db.client(crate::clock::shifted(now, db.skew), "app", "backoffice-web");
        session.shown.component.clone_from(&scene.component);
        let backend = session.shown.backend.clone();
        let pid = db.add(session);
        db.wait(pid, &[on], self.t, now);
        self.account(&scene.db);
        let gives_up = self.t + scene.patience;
        self.at(gives_up, Happening::SessionGone(backend));
    }

    fn twist(&mut self, scene: &Scene, twist: Twist) {
        let (Some(backend), Node::Pid(pid)) = (&scene.root_backend, &scene.root) else {
            return;
        };
        self.note(|| format!("world: {twist:?} on {backend}"));
        let now = self.clock.wall(self.t);
        match twist {
            Twist::PidReused => {
                self.end_session(&scene.db, *pid);
                let Some(db) = self.world.dbs.get_mut(&scene.db) else {
                    return;
                };
                let mut innocent = db.client(now, "reporting", "migrate-8");
                innocent.shown.backend.pid = *pid;
                let backend = innocent.shown.backend.clone();
                db.add(innocent);
                self.at(self.t + MINUTE, Happening::SessionGone(backend));
            }
            Twist::NewTransaction => {
                let Some(db) = self.world.dbs.get_mut(&scene.db) else {
                    return;
                };
                let freed = db.release(&scene.root);
                if let Some(root) = db.sessions.get_mut(pid) {
                    root.shown.xact_start = Some(now);
                    root.shown.state_since = Some(now);
                }
                self.freed(&scene.db, &freed);
            }
            Twist::Waits => {
                let Some(db) = self.world.dbs.get_mut(&scene.db) else {
                    return;
                };
                let other = db.client(now, "app_admin", "psql");
                let backend = other.shown.backend.clone();
                let other = db.add(other);
                db.wait(*pid, &[Node::Pid(other)], self.t, now);
                self.account(&scene.db);
                let leaves = self.t + self.rng.i64(SECOND..30 * SECOND);
                self.at(leaves, Happening::SessionGone(backend));
            }
        }
    }

    /// A session is gone: its locks go to those who waited for them.
    pub(crate) fn end_session(&mut self, id: &DatabaseId, pid: i32) {
        let Some(db) = self.world.dbs.get_mut(id) else {
            return;
        };
        let run = db
            .sessions
            .get(&pid)
            .and_then(|session| session.shown.run.clone());
        let freed = db.end(pid);
        self.freed(id, &freed);
        if let Some(run) = run {
            self.run_lost_session(&run);
        }
    }

    /// These have their lock now; they are done in a moment. A queued statement holds it
    /// for a while first, and is the root meanwhile.
    pub(crate) fn freed(&mut self, id: &DatabaseId, pids: &[i32]) {
        let mut leaving = Vec::new();
        if let Some(db) = self.world.dbs.get_mut(id) {
            for pid in pids {
                let heads = db
                    .sessions
                    .values()
                    .any(|s| s.blockers.contains(&Node::Pid(*pid)));
                if let Some(session) = db.sessions.get_mut(pid)
                    && session.shown.run.is_none()
                {
                    let ours = session.shown.component.is_some();
                    leaving.push((session.shown.backend.clone(), heads || !ours));
                }
            }
        }
        for (backend, heads) in leaving {
            let stays = if heads {
                self.rng.i64(300..4000)
            } else {
                self.rng.i64(5..100)
            };
            self.at(self.t + stays, Happening::SessionGone(backend));
        }
        self.account(id);
    }

    pub(crate) fn account(&mut self, id: &DatabaseId) {
        if let (Some(db), Some(policy)) =
            (self.world.dbs.get_mut(id), self.policy.databases.get(id))
        {
            db.account(self.t, &policy.locks);
        }
    }

    /// Everything that holds a lock and nobody may end lets go.
    pub(crate) fn end_scenes(&mut self) {
        let scenes: Vec<Scene> = std::mem::take(&mut self.world.scenes)
            .into_values()
            .collect();
        for scene in scenes {
            if scene.holder != Holder::Run {
                self.release(&scene);
            }
        }
    }
}

fn component_of(id: &DatabaseId, rng: &mut fastrand::Rng) -> ComponentId {
    match (id.as_str(), rng.u8(..3)) {
        ("main", 0) => "billing",
        ("main", _) => "login",
        _ => "search",
    }
    .into()
}

fn holder_session(
    db: &mut super::database::Db,
    holder: Holder,
    now: evenkeel_core::Timestamp,
) -> Sess {
    let (role, application) = match holder {
        Holder::Stranger | Holder::Reader => ("analyst", "metabase"),
        Holder::Application => ("deploy", "migrate-3"),
        // Named so that policy would allow it, were it not for what else they are.
        _ => ("reporting", "migrate-9"),
    };
    let mut session = db.client(now, role, application);
    let shown = &mut session.shown;
    match holder {
        Holder::Superuser => shown.superuser = true,
        Holder::Autovacuum => shown.backend_type = "autovacuum worker".into(),
        Holder::Walsender => shown.backend_type = "walsender".into(),
        Holder::Elsewhere => {
            shown.in_scope = false;
            shown.datname = "warehouse".into();
        }
        _ => {}
    }
    if matches!(
        holder,
        Holder::Application | Holder::Reader | Holder::Autovacuum
    ) {
        shown.state = SessionState::Active;
        shown.waits_for = String::new();
        shown.query = "update invoices set total = 0".into();
    }
    session
}
