//! What is remembered of things that fill up.

use alloc::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Memory;
use crate::authority::pairs;
use crate::edge::EdgeWindow;
use crate::forecast::{Forecast, Standing};
use crate::observation::{Levels, Resource};
use crate::subject::Subject;

/// What is remembered of all things that fill up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct LevelsMemory {
    #[serde(with = "pairs")]
    subjects: BTreeMap<Subject, Tracked>,
}

/// What is remembered of one subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Tracked {
    seen_at: Timestamp,
    latest: Levels,
}

impl Memory {
    /// When what fills up in `subject` runs out: of the resource that runs out first.
    /// `None` where nothing shows a trend.
    pub fn forecast(&self, subject: &Subject) -> Option<&Forecast> {
        let forecasts = self.forecasts(subject);
        forecasts.min_by_key(|forecast| forecast.exhausts.earliest)
    }

    /// When each of the things that fill up in `subject` runs out.
    pub fn forecasts(&self, _subject: &Subject) -> impl Iterator<Item = &Forecast> {
        core::iter::empty()
    }

    /// How full one thing is. This is what tells whether recycling has helped.
    pub fn standing(&self, subject: &Subject, resource: &Resource) -> Option<Standing> {
        let tracked = self.levels.subjects.get(subject)?;
        let mut levels = tracked.latest.levels.iter();
        let level = levels.find(|level| level.resource == *resource)?;
        Some(Standing {
            used: level.used,
            limit: level.limit,
            seen_at: tracked.seen_at,
            started_at: tracked.latest.started_at,
            fallen_at: None,
        })
    }

    /// Takes a picture of what fills up. Whether it was news.
    pub(crate) fn see_levels(&mut self, levels: &Levels, at: Timestamp, now: Timestamp) -> bool {
        let at = at.min(now);
        let known = self.levels.subjects.get(&levels.of);
        if known.is_some_and(|known| at <= known.seen_at) {
            return false;
        }
        let tracked = Tracked {
            seen_at: at,
            latest: levels.clone(),
        };
        self.levels.subjects.insert(levels.of.clone(), tracked);
        true
    }

    /// Counts the requests of each instance.
    pub(crate) fn count_requests(&mut self, _window: &EdgeWindow) {}
}
