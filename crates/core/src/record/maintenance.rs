//! How maintenances and peaks change the record, and what is covered by one.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{KEPT_ENDED, OpenFinding, Record};
use crate::event::What;
use crate::ids::{ComponentId, MaintenanceId, MessageId, Observer};
use crate::maintenance::{MaintenanceStatus, MaintenanceWord, Occurrence, Plan, Stretch};
use crate::status::Status;
use crate::time;

/// Words kept of one maintenance: all that one without forty extensions has.
pub const MAINTENANCE_WORDS_KEPT: usize = 40;

/// A maintenance as the record keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceState {
    /// Its number.
    pub id: MaintenanceId,
    /// What is planned.
    pub plan: Plan,
    /// Which of the configuration it is; none where a person planned it.
    pub occurrence: Option<Occurrence>,
    /// When it was planned.
    pub planned_at: Timestamp,
    /// Who planned it.
    pub planned_by: Option<Observer>,
    /// Why into a peak or at short notice, where it is.
    pub reason: Option<String>,
    /// Whether a person changed it: the configuration no longer does.
    pub changed_by_person: bool,
    /// How often it has changed: what calendars know a newer version by.
    pub sequence: u32,
    /// When it last changed.
    pub changed_at: Timestamp,
    /// Where it stands.
    pub status: MaintenanceStatus,
    /// Since when.
    pub status_since: Timestamp,
    /// When it began.
    pub began_at: Option<Timestamp>,
    /// When it was over, or called off.
    pub ended_at: Option<Timestamp>,
    /// Since when it should be over.
    pub overdue_since: Option<Timestamp>,
    /// The shortest notice it was reminded of so far; zero when it waits for its beginning.
    pub reminded: Option<Duration>,
    /// What customers were told, oldest first.
    pub words: VecDeque<(MessageId, Timestamp, MaintenanceWord)>,
}

/// A known peak.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PeakState {
    /// Its name.
    pub name: String,
    /// The functions that are busy then; all of them where none is named.
    pub components: BTreeSet<ComponentId>,
    /// When it is next, earliest first.
    pub dates: Vec<Stretch>,
}

impl MaintenanceState {
    /// When it would be, moved so.
    pub fn moved(&self, begins_at: Option<Timestamp>, ends_at: Timestamp) -> Stretch {
        Stretch {
            from: begins_at.unwrap_or(self.plan.when.from),
            until: ends_at,
        }
    }

    /// Until when it speaks of what is to come.
    pub fn is_overdue(&self) -> bool {
        self.status.is_under_way() && self.overdue_since.is_some()
    }

    /// The next reminder that is to be told, and when.
    pub(crate) fn next_reminder(&self) -> Option<(Timestamp, Duration)> {
        let mut ahead = self.plan.reminders.iter().rev();
        let next = ahead.find(|span| self.reminded.is_none_or(|told| **span < told))?;
        Some((time::before(self.plan.when.from, *next), *next))
    }

    /// The worst it covers of a component, for what was found at a moment.
    fn covers(&self, component: &ComponentId, found_at: Timestamp) -> Option<Status> {
        let began_at = self.began_at.filter(|_| !self.is_overdue())?;
        let concerned = self.status.is_under_way() && self.plan.components.contains(component);
        // What hurt before is no part of it.
        let covers = self.plan.impact.covers();
        covers.filter(|_| concerned && found_at >= began_at)
    }

    /// What was told is told once: a reminder that lies behind is none.
    fn skip_reminders(&mut self, now: Timestamp) {
        let from = self.plan.when.from;
        let past = self.plan.reminders.iter();
        self.reminded = past.copied().find(|span| time::before(from, *span) <= now);
    }
}

impl Record {
    /// Maintenances that have begun and are not over.
    pub fn maintenances_under_way(&self) -> impl Iterator<Item = &MaintenanceState> {
        let under_way = self.under_way.iter();
        under_way.filter_map(|id| self.maintenances.get(id))
    }

    /// The maintenance that a component is shown under: one that customers notice.
    pub fn maintenance_of(&self, component: &ComponentId) -> Option<&MaintenanceState> {
        self.maintenances_under_way().find(|state| {
            state.plan.impact.covers().is_some() && state.plan.components.contains(component)
        })
    }

    /// The maintenance that this much harm to a component is part of, for what was found at
    /// `found_at` and belongs to an incident or to none.
    pub fn covering(
        &self,
        open: &OpenFinding,
        component: &ComponentId,
        status: Status,
    ) -> Option<MaintenanceId> {
        if self.under_way.is_empty() || status == Status::Operational {
            return None;
        }
        // What customers were hurt by stays what it is.
        let incident = open.incident.and_then(|id| self.incidents.get(&id));
        if incident.is_some_and(|incident| incident.harmed.contains_key(component)) {
            return None;
        }
        let mut under_way = self.maintenances_under_way();
        let covering = under_way.find(|state| {
            let worst = state.covers(component, open.opened_at);
            worst.is_some_and(|worst| status <= worst)
        });
        covering.map(|state| state.id)
    }

    /// What an open finding does to components beyond what maintenances cover.
    pub fn uncovered<'a>(
        &'a self,
        open: &'a OpenFinding,
    ) -> impl Iterator<Item = (&'a ComponentId, Status)> {
        let harms = open.finding.harms.iter();
        let harms = harms.map(|(component, status)| (component, *status));
        harms.filter(|(component, status)| self.covering(open, component, *status).is_none())
    }

    /// The maintenance that all an open finding does is part of; `None` where some of it is
    /// not, or it does nothing.
    pub fn covered_by(&self, open: &OpenFinding) -> Option<MaintenanceId> {
        let harms = open.finding.harms.iter();
        let mut harms = harms.filter(|(_, status)| **status != Status::Operational);
        let (component, status) = harms.next()?;
        let first = self.covering(open, component, *status)?;
        let rest =
            harms.all(|(component, status)| self.covering(open, component, *status).is_some());
        rest.then_some(first)
    }

    pub(super) fn fold_maintenance(&mut self, what: &What, at: Timestamp) {
        match what {
            What::MaintenancePlanned {
                maintenance,
                plan,
                occurrence,
                by,
                reason,
            } => {
                self.last.maintenance = self.last.maintenance.max(maintenance.0);
                let mut state = MaintenanceState {
                    id: *maintenance,
                    plan: (**plan).clone(),
                    occurrence: occurrence.clone(),
                    planned_at: at,
                    planned_by: by.clone(),
                    reason: reason.clone(),
                    changed_by_person: false,
                    sequence: 0,
                    changed_at: at,
                    status: MaintenanceStatus::Scheduled,
                    status_since: at,
                    began_at: None,
                    ended_at: None,
                    overdue_since: None,
                    reminded: None,
                    words: VecDeque::new(),
                };
                state.skip_reminders(at);
                self.open_maintenances.insert(*maintenance);
                self.maintenances.insert(*maintenance, state);
                self.forget_maintenances(at);
            }
            What::MaintenanceChanged {
                maintenance,
                plan,
                by,
                reason,
            } => {
                let Some(state) = self.maintenances.get_mut(maintenance) else {
                    return;
                };
                let is_moved = state.plan.when.from != plan.when.from
                    || state.plan.reminders != plan.reminders;
                state.plan = (**plan).clone();
                state.sequence += 1;
                state.changed_at = at;
                state.changed_by_person |= by.is_some();
                if reason.is_some() {
                    state.reason.clone_from(reason);
                }
                if state.plan.when.until > at {
                    state.overdue_since = None;
                }
                if is_moved {
                    state.skip_reminders(at);
                }
            }
            What::MaintenanceTurned {
                maintenance, to, ..
            } => self.turn_maintenance(*maintenance, *to, at),
            What::MaintenanceOverdue { maintenance } => {
                if let Some(state) = self.maintenances.get_mut(maintenance) {
                    state.overdue_since.get_or_insert(at);
                }
            }
            What::MaintenanceReminded {
                maintenance,
                before,
            } => {
                if let Some(state) = self.maintenances.get_mut(maintenance) {
                    state.reminded = Some(*before);
                }
            }
            What::PeakDated {
                peak,
                name,
                components,
                dates,
            } => {
                if dates.is_empty() {
                    self.peaks.remove(peak);
                } else {
                    let state = PeakState {
                        name: name.clone(),
                        components: components.clone(),
                        dates: dates.clone(),
                    };
                    self.peaks.insert(peak.clone(), state);
                }
            }
            _ => {}
        }
    }

    fn turn_maintenance(&mut self, id: MaintenanceId, to: MaintenanceStatus, at: Timestamp) {
        let Some(state) = self.maintenances.get_mut(&id) else {
            return;
        };
        state.status = to;
        state.status_since = at;
        state.changed_at = at;
        match to {
            MaintenanceStatus::InProgress => {
                state.began_at = Some(at);
                self.under_way.insert(id);
            }
            MaintenanceStatus::Completed | MaintenanceStatus::Cancelled => {
                state.ended_at = Some(at);
                state.sequence += 1;
                self.under_way.remove(&id);
                self.open_maintenances.remove(&id);
                self.forget_maintenances(at);
            }
            MaintenanceStatus::Scheduled | MaintenanceStatus::Verifying => {}
        }
    }

    pub(super) fn keep_maintenance_word(
        &mut self,
        message: MessageId,
        at: Timestamp,
        word: &MaintenanceWord,
    ) {
        let Some(state) = self.maintenances.get_mut(&word.maintenance) else {
            return;
        };
        state.words.push_back((message, at, word.clone()));
        if state.words.len() > MAINTENANCE_WORDS_KEPT {
            state.words.pop_front();
        }
    }

    /// The oldest that are over go. One whose time has not come yet stays: the configuration
    /// would plan it anew.
    fn forget_maintenances(&mut self, now: Timestamp) {
        let over = self.maintenances.len() - self.open_maintenances.len();
        if over <= KEPT_ENDED {
            return;
        }
        let mut ended: Vec<(Timestamp, MaintenanceId)> = self
            .maintenances
            .values()
            .filter(|state| state.status.is_over() && state.latest() <= now)
            .map(|state| (state.latest(), state.id))
            .collect();
        ended.sort();
        for (_, id) in ended.into_iter().take(over - KEPT_ENDED) {
            self.maintenances.remove(&id);
        }
    }

    /// How components are shown to be, for a word about a maintenance.
    pub(crate) fn shown(
        &self,
        components: &BTreeSet<ComponentId>,
    ) -> BTreeMap<ComponentId, Status> {
        let status = |id: &ComponentId| self.components.get(id).map(|state| state.status);
        let shown = components.iter();
        shown
            .map(|id| (id.clone(), status(id).unwrap_or_default()))
            .collect()
    }
}

impl MaintenanceState {
    /// The last moment anything of the configuration says of it.
    fn latest(&self) -> Timestamp {
        let scheduled = self.occurrence.as_ref().map(|of| of.scheduled_at);
        self.plan
            .when
            .until
            .max(scheduled.unwrap_or(Timestamp::MIN))
    }
}
