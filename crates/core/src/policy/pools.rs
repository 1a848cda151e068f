//! What the configuration says of instances, volumes, what fills up in them, and of the
//! routes that lead to them.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::Policy;
use crate::edge::{Criticality, EdgeOrder};
use crate::ids::{ComponentId, InstanceId, PoolId};
use crate::observation::Resource;
use crate::subject::Subject;

/// Instances that do the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PoolPolicy {
    /// What it is called in sentences: `Web`; its id where empty.
    pub name: String,
    /// Its instances.
    pub instances: BTreeSet<InstanceId>,
    /// Those of them that Evenkeel knows how to restart.
    pub recyclable: BTreeSet<InstanceId>,
    /// The components it serves.
    pub components: Vec<ComponentId>,
    /// How long requests under way at a draining instance may take to end.
    pub drain_max: Duration,
    /// How long a restarted instance may take until its check answers.
    pub admit_within: Duration,
    /// How what fills up in its instances is watched.
    pub leaks: LeakPolicy,
}

impl Default for PoolPolicy {
    /// Thirty seconds to drain: longer than any page; what streams is cut off. Two minutes to
    /// be back: a large application that warms up; who needs more says so.
    fn default() -> Self {
        Self {
            name: String::new(),
            instances: BTreeSet::new(),
            recyclable: BTreeSet::new(),
            components: Vec::new(),
            drain_max: Duration::from_secs(30),
            admit_within: Duration::from_secs(120),
            leaks: LeakPolicy::default(),
        }
    }
}

/// A route of the edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutePolicy {
    /// The component it belongs to.
    pub component: Option<ComponentId>,
    /// Where its requests go.
    pub pool: PoolId,
    /// How important they are.
    #[serde(default)]
    pub criticality: Criticality,
}

/// A file system that is watched.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumePolicy {
    /// The components that are hurt when it is full.
    pub components: Vec<ComponentId>,
    /// How what fills up in it is watched.
    pub leaks: LeakPolicy,
}

/// How what fills up is watched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LeakPolicy {
    /// What is seen so soon after a start says nothing of a trend.
    pub warm_up: Duration,
    /// What may run out within this time is worth a look today.
    pub horizon: Duration,
    /// What may run out within this time cannot wait for anybody to come by.
    pub urgent: Duration,
    /// What is watched; everything that has a limit where `None`.
    pub resources: Option<BTreeSet<Resource>>,
}

impl Default for LeakPolicy {
    /// Ten minutes to warm up: by then a web service has compiled, connected and filled what
    /// it fills at once; what leaks to its end within that time was noticed without us. A day
    /// of horizon: there is a night in it, and a person who comes to work. Thirty minutes
    /// are what a person who is called needs to come and see.
    fn default() -> Self {
        Self {
            warm_up: Duration::from_secs(600),
            horizon: Duration::from_secs(24 * 3600),
            urgent: Duration::from_secs(1800),
            resources: None,
        }
    }
}

impl LeakPolicy {
    /// Whether a resource is watched.
    pub fn watches(&self, resource: &Resource) -> bool {
        let watched = self.resources.as_ref();
        watched.is_none_or(|watched| watched.contains(resource))
    }
}

impl Policy {
    /// The pool an instance belongs to.
    pub fn pool_of(&self, instance: &InstanceId) -> Option<(&PoolId, &PoolPolicy)> {
        let mut pools = self.pools.iter();
        pools.find(|(_, pool)| pool.instances.contains(instance))
    }

    /// What an order names that is not configured; `None` where all of it is.
    pub fn lacks(&self, order: &EdgeOrder) -> Option<Subject> {
        match order {
            EdgeOrder::Drain { pool, instance } | EdgeOrder::Admit { pool, instance } => {
                match self.pools.get(pool) {
                    None => Some(Subject::Pool(pool.clone())),
                    Some(of) if of.instances.contains(instance) => None,
                    Some(_) => Some(Subject::Instance(instance.clone())),
                }
            }
            EdgeOrder::Hold { pool, .. } | EdgeOrder::Release { pool } => {
                let known = self.pools.contains_key(pool);
                (!known).then(|| Subject::Pool(pool.clone()))
            }
            EdgeOrder::SwitchOff { component, .. } | EdgeOrder::SwitchOn { component } => {
                let mut routes = self.routes.values();
                let known = routes.any(|route| route.component.as_ref() == Some(component));
                (!known).then(|| Subject::Component(component.clone()))
            }
            EdgeOrder::ShowBanner { .. } | EdgeOrder::HideBanner | EdgeOrder::CapTenant { .. } => {
                None
            }
        }
    }

    /// How what fills up in a subject is watched; `None` where it is none of ours.
    pub fn leaks(&self, subject: &Subject) -> Option<&LeakPolicy> {
        match subject {
            Subject::Instance(id) => self.pool_of(id).map(|(_, pool)| &pool.leaks),
            Subject::Database(id) => self.databases.get(id).map(|database| &database.leaks),
            Subject::Volume(id) => self.volumes.get(id).map(|volume| &volume.leaks),
            _ => None,
        }
    }
}
