//! The world as it really is, which only the oracle may look at.
//!
//! Evenkeel sees it through observers that are late, lose things and have clocks of their
//! own ([`observers`]), and touches it with hands that fail ([`crate::hands`]).

pub(crate) mod database;
pub(crate) mod observers;
pub(crate) mod people;
pub(crate) mod run;
pub(crate) mod scenes;
pub(crate) mod setup;
pub(crate) mod work;

use std::collections::BTreeMap;

use evenkeel_core::Timestamp;
use evenkeel_core::ids::{DatabaseId, JobId, RunId};
use evenkeel_core::observation::ProductState;

use crate::clock::Ms;
use database::Db;
use run::{Limits, Run};
use scenes::Scene;

#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) dbs: BTreeMap<DatabaseId, Db>,
    pub(crate) jobs: BTreeMap<JobId, Job>,
    pub(crate) runs: BTreeMap<RunId, Run>,
    pub(crate) scenes: BTreeMap<u64, Scene>,
    pub(crate) last_scene: u64,
}

/// What the world knows of a job beyond its policy.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) limits: Limits,
    /// Another scheduler starts it, through `evenkeel run`.
    pub(crate) wrapped: bool,
    pub(crate) database: Option<DatabaseId>,
    /// How long after a slot its product must be there.
    pub(crate) due_after: Ms,
    pub(crate) product: ProductState,
    /// A product that is on its way: when it is there.
    pub(crate) coming: Option<Ms>,
    pub(crate) product_unreachable: bool,
    /// The newest slot that was looked at while the server was up or down.
    pub(crate) wrapped_slot: Option<Timestamp>,
}

impl Job {
    pub(crate) fn new(
        limits: Limits,
        wrapped: bool,
        database: Option<DatabaseId>,
        due_after: Ms,
    ) -> Self {
        Self {
            limits,
            wrapped,
            database,
            due_after,
            product: ProductState::Absent,
            coming: None,
            product_unreachable: false,
            wrapped_slot: None,
        }
    }

    /// The newest slot that is not after `wall`, which the period divides.
    pub(crate) fn slot(&self, wall: Timestamp) -> Timestamp {
        let ms = crate::clock::ms(wall);
        crate::clock::at_ms(ms - ms.rem_euclid(self.limits.period))
    }
}

impl World {
    pub(crate) fn alive_of<'a>(&'a self, job: &'a JobId) -> impl Iterator<Item = &'a Run> {
        self.runs
            .values()
            .filter(move |run| run.job == *job && run.is_alive())
    }

    /// Forgets runs that ended long ago and are in the journal.
    pub(crate) fn prune(&mut self, t: Ms) {
        if self.runs.len() > 300 {
            self.runs.retain(|_, run| {
                let over = run
                    .ended
                    .as_ref()
                    .is_some_and(|ended| t - ended.t > 4 * crate::clock::HOUR);
                !(over && run.reported)
            });
        }
    }
}
