//! People who plan work, forget to end it and extend it, and what holds of it.
//!
//! What is covered is judged here from what the journal says was planned, begun and ended,
//! and from what it says was found: harm that is in no incident has to be of a maintenance.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::event::{Event, What};
use evenkeel_core::finding::{Finding, FindingKey, FindingKind, Severity};
use evenkeel_core::ids::{ComponentId, IncidentId, MaintenanceId};
use evenkeel_core::maintenance::{
    MaintenanceNews, MaintenanceOrder, MaintenanceStatus, Plan, PlannedImpact, Stretch, Turn,
};
use evenkeel_core::message::Body;
use evenkeel_core::observation::{Order, Seen};
use evenkeel_core::status::Status;
use evenkeel_core::subject::Subject;

use crate::canary::Canary;
use crate::oracle::Oracle;
use crate::service::PORTAL;
use crate::sim::{Happening, Sim};
use crate::{MINUTE, Ms, SECOND, at};

/// How long after its announced end a maintenance may be neither ended nor overdue.
const END_SLACK: Ms = 60 * SECOND;

/// The one reason people here have.
const REASON: &str = "the vendor says so";

/// What is known of a maintenance from the journal.
#[derive(Debug)]
struct Known {
    plan: Plan,
    announced: bool,
    began_at: Option<Timestamp>,
    overdue: bool,
}

impl Known {
    /// The worst it may cover.
    fn covers(&self) -> Option<Status> {
        match self.plan.impact {
            PlannedImpact::NoImpact | PlannedImpact::ReducedRedundancy => None,
            PlannedImpact::Degraded => Some(Status::DegradedPerformance),
            PlannedImpact::Outage => Some(Status::MajorOutage),
        }
    }
}

/// What the judge remembers.
#[derive(Debug, Default)]
pub(crate) struct MaintenanceOracle {
    open: BTreeMap<MaintenanceId, Known>,
    /// When open findings were found, and how much they matter.
    found: BTreeMap<FindingKey, (Timestamp, Severity)>,
    /// Components that each incident has hurt.
    hurt: BTreeMap<IncidentId, BTreeSet<ComponentId>>,
}

impl MaintenanceOracle {
    pub(crate) fn forget(&mut self, key: &FindingKey) {
        self.found.remove(key);
    }

    fn may_cover(&self, key: &FindingKey, component: &ComponentId, status: Status) -> bool {
        let found = self.found.get(key).map(|(found_at, _)| *found_at);
        self.open.values().any(|known| {
            let in_time = known.began_at.is_some_and(|began| found >= Some(began));
            let worst = known.covers();
            let planned = worst.is_some_and(|worst| status <= worst);
            in_time && planned && !known.overdue && known.plan.components.contains(component)
        })
    }
}

impl Oracle {
    /// What a finding of an incident does that no maintenance covers.
    fn counted(&self, incident: IncidentId) -> impl Iterator<Item = Status> + '_ {
        let hurt = self.maintenance.hurt.get(&incident);
        let of = self.telling.harms.iter();
        let of = of.filter(move |(_, (of, _))| *of == Some(incident));
        of.flat_map(move |(key, (_, harms))| {
            harms.iter().filter_map(move |(component, status)| {
                let is_hurt = hurt.is_some_and(|hurt| hurt.contains(component));
                let covered = !is_hurt && self.maintenance.may_cover(key, component, *status);
                (!covered).then_some(*status)
            })
        })
    }

    /// Whether something found still hurts, or nobody can say that it does not.
    pub(crate) fn is_live(&self, incident: IncidentId) -> bool {
        let mut statuses = self.counted(incident);
        statuses.any(|status| status != Status::Operational)
    }

    /// Incidents that hurt customers now.
    pub(crate) fn incidents_that_hurt(&self) -> Vec<IncidentId> {
        let all: BTreeSet<IncidentId> = self
            .telling
            .harms
            .values()
            .filter_map(|(incident, _)| *incident)
            .collect();
        let hurts = |incident: &IncidentId| self.counted(*incident).any(Status::is_harm);
        all.into_iter().filter(hurts).collect()
    }
}

impl Sim {
    /// A person plans work, or sees to what is planned.
    pub(crate) fn planner(&mut self) {
        if !self.faults {
            return;
        }
        let next = self.rng.i64(4 * MINUTE..20 * MINUTE);
        self.plan(self.now + next, Happening::Planner);
        if !self.pump.up {
            return;
        }
        let record = &self.pump.state.record;
        let open: Vec<(MaintenanceId, MaintenanceStatus)> = record
            .open_maintenances
            .iter()
            .filter_map(|id| record.maintenances.get(id))
            .map(|state| (state.id, state.status))
            .collect();
        let dice = self.rng.u32(..10);
        let drawn = (!open.is_empty()).then(|| open[self.rng.usize(..open.len())]);
        let now = self.now + self.offset;
        let order = match (dice, drawn) {
            (0..4, _) | (_, None) => MaintenanceOrder::Plan {
                plan: self.draw_plan(now),
                reason: Some(REASON.into()),
            },
            (4, Some((maintenance, MaintenanceStatus::Scheduled))) => MaintenanceOrder::Cancel {
                maintenance,
                text: None,
            },
            (5..7, Some((maintenance, MaintenanceStatus::Scheduled))) => {
                MaintenanceOrder::Begin { maintenance }
            }
            (4..7, Some((maintenance, _))) => MaintenanceOrder::Finish {
                maintenance,
                text: None,
            },
            (_, Some((maintenance, _))) => MaintenanceOrder::Move {
                maintenance,
                begins_at: None,
                ends_at: at(now + self.rng.i64(10 * MINUTE..60 * MINUTE)),
                text: None,
                reason: Some(REASON.into()),
            },
        };
        self.tell_now(Seen::Order(Order::Maintenance(order)));
    }

    fn draw_plan(&mut self, now: Ms) -> Plan {
        let all: Vec<ComponentId> = self.policy.components.keys().cloned().collect();
        let mut components = BTreeSet::from([all[self.rng.usize(..all.len())].clone()]);
        if self.rng.bool() {
            components.insert(PORTAL.into());
        }
        let from = now + self.rng.i64(MINUTE..20 * MINUTE);
        let until = from + self.rng.i64(5 * MINUTE..40 * MINUTE);
        let by_hand = |dice: u32| match dice {
            0 => Turn::ByHand,
            _ => Turn::ByItself,
        };
        Plan {
            components,
            when: Stretch {
                from: at(from),
                until: at(until),
            },
            impact: match self.rng.u32(..6) {
                0 => PlannedImpact::NoImpact,
                1 => PlannedImpact::Degraded,
                _ => PlannedImpact::Outage,
            },
            text: None,
            begins: by_hand(self.rng.u32(..5)),
            ends: by_hand(self.rng.u32(..3)),
            reminders: BTreeSet::from([Duration::from_secs(300), Duration::from_secs(7200)]),
        }
    }

    /// What is planned is called off, what is under way is ended.
    pub(crate) fn end_maintenances(&mut self) {
        let record = &self.pump.state.record;
        let open = record.open_maintenances.iter();
        let open = open.filter_map(|id| record.maintenances.get(id));
        let orders: Vec<MaintenanceOrder> = open
            .filter_map(|state| match state.status {
                MaintenanceStatus::Scheduled => Some(MaintenanceOrder::Cancel {
                    maintenance: state.id,
                    text: None,
                }),
                MaintenanceStatus::InProgress => Some(MaintenanceOrder::Finish {
                    maintenance: state.id,
                    text: None,
                }),
                _ => None,
            })
            .collect();
        for order in orders {
            self.tell_now(Seen::Order(Order::Maintenance(order)));
        }
    }

    /// What was decided is durable.
    pub(crate) fn judge_maintenances(&mut self, events: &[Event]) {
        for event in events {
            let oracle = &mut self.oracle.maintenance;
            match &event.what {
                What::FindingOpened { finding } => {
                    let found = (event.at, finding.severity);
                    oracle.found.insert(finding.key.clone(), found);
                }
                What::FindingUpdated { finding } => self.note_severity(finding),
                What::IncidentOpened { finding, .. } => {
                    let found = oracle.found.get(finding);
                    if found.is_some_and(|(found_at, _)| *found_at < event.at) {
                        self.marks.hit("harm covered no more");
                    }
                }
                What::MaintenancePlanned {
                    maintenance, plan, ..
                } => {
                    let known = Known {
                        plan: (**plan).clone(),
                        announced: false,
                        began_at: None,
                        overdue: false,
                    };
                    oracle.open.insert(*maintenance, known);
                }
                What::MaintenanceChanged {
                    maintenance, plan, ..
                } => {
                    if let Some(known) = oracle.open.get_mut(maintenance) {
                        known.plan = (**plan).clone();
                        known.overdue = false;
                    }
                }
                What::MaintenanceOverdue { maintenance } => {
                    if let Some(known) = oracle.open.get_mut(maintenance) {
                        known.overdue = true;
                    }
                    self.marks.hit("maintenance overdue");
                }
                What::MaintenanceReminded { before, .. } if !before.is_zero() => {
                    self.marks.hit("maintenance reminded");
                }
                What::MaintenanceTurned {
                    maintenance, to, ..
                } => self.judge_turn(*maintenance, *to, event.at),
                What::MessageRequested { message } => match &message.body {
                    Body::Maintenance(word) => match word.news {
                        MaintenanceNews::Announced => {
                            if let Some(known) = oracle.open.get_mut(&word.maintenance) {
                                known.announced = true;
                            }
                        }
                        MaintenanceNews::Extended => self.marks.hit("maintenance extended"),
                        _ => {}
                    },
                    Body::Public { components, .. } => {
                        if let Some(incident) = message.incident {
                            let hurt = oracle.hurt.entry(incident).or_default();
                            hurt.extend(components.keys().cloned());
                        }
                    }
                    Body::Operator { .. } => {}
                },
                _ => {}
            }
        }
    }

    fn note_severity(&mut self, finding: &Finding) {
        if let Some((_, severity)) = self.oracle.maintenance.found.get_mut(&finding.key) {
            *severity = finding.severity;
        }
    }

    fn judge_turn(&mut self, id: MaintenanceId, to: MaintenanceStatus, when: Timestamp) {
        match to {
            MaintenanceStatus::InProgress => {
                self.marks.hit("maintenance began");
                let known = self.oracle.maintenance.open.get_mut(&id);
                let announced = known.as_ref().is_some_and(|known| known.announced);
                if let Some(known) = known {
                    known.began_at = Some(when);
                }
                if !announced {
                    let text = format!("{id} begins, and customers were not told of it");
                    self.violate("announced-before", &text);
                }
            }
            MaintenanceStatus::Completed => {
                self.marks.hit("maintenance completed");
                self.oracle.maintenance.open.remove(&id);
            }
            MaintenanceStatus::Cancelled => {
                self.marks.hit("maintenance cancelled");
                self.oracle.maintenance.open.remove(&id);
            }
            MaintenanceStatus::Verifying => self.marks.hit("maintenance verified"),
            MaintenanceStatus::Scheduled => {}
        }
    }

    /// Harm that is in no incident, and maintenances that go on and on.
    pub(crate) fn judge_cover(&mut self) {
        let oracle = &self.oracle;
        let mut covered = 0;
        let mut wrong = None;
        for (key, (incident, harms)) in &oracle.telling.harms {
            let found = oracle.maintenance.found.get(key);
            let matters = found.is_some_and(|(_, severity)| *severity > Severity::Notice);
            if incident.is_some() || !matters {
                continue;
            }
            for (component, status) in harms.iter().filter(|(_, status)| status.is_harm()) {
                match oracle.maintenance.may_cover(key, component, *status) {
                    true => covered += 1,
                    false => wrong = Some(format!("{key} hurts {component}, and is no incident")),
                }
            }
        }
        if covered > 0 {
            self.marks.hit("harm covered");
        }
        if let Some(text) = wrong {
            self.violate("only-the-planned-is-covered", &text);
        }
        self.judge_ends();
    }

    fn judge_ends(&mut self) {
        if !self.pump.up || !self.pump.nothing_waits() {
            return;
        }
        let steady = self.pump.refuses_until.max(self.pump.back_at);
        if self.now - steady.max(self.jumped_at) < END_SLACK {
            return;
        }
        let wall = self.wall();
        let open = self.oracle.maintenance.open.iter();
        let late = open
            .filter(|(_, known)| known.began_at.is_some())
            .filter(|(_, known)| {
                let over = wall.duration_since(known.plan.when.until).as_millis();
                over > i128::from(END_SLACK)
            })
            .find(|(id, known)| !known.overdue || !self.is_called_for(**id));
        if let Some(id) = late.map(|(id, _)| *id) {
            let text = format!("{id} should be over, and nobody is told");
            self.violate("maintenances-end", &text);
        }
    }

    /// Whether somebody is called because it is overdue; or the work is done by now.
    fn is_called_for(&self, id: MaintenanceId) -> bool {
        let record = &self.pump.state.record;
        let key = FindingKey {
            kind: FindingKind::MaintenanceOverdue,
            subject: Subject::Maintenance(id),
        };
        let state = record.maintenances.get(&id);
        let is_done = state.is_some_and(|state| state.status == MaintenanceStatus::Verifying);
        let open = record.findings.get(&key);
        let incident = open.and_then(|open| open.incident);
        let incident = incident.and_then(|id| record.incidents.get(&id));
        is_done || incident.is_some_and(|incident| incident.paged.contains(&key))
    }

    /// A canary meddles with what the core knows.
    pub(crate) fn meddle_with_maintenances(&mut self) {
        let record = &mut self.pump.state.record;
        match self.canary {
            Some(Canary::CoverEverything) => {
                let all: Vec<ComponentId> = self.policy.components.keys().cloned().collect();
                for id in record.under_way.clone() {
                    if let Some(state) = record.maintenances.get_mut(&id) {
                        state.plan.components.extend(all.iter().cloned());
                    }
                }
            }
            Some(Canary::NeverOver) => {
                let later = at(self.now + self.offset + 30 * MINUTE);
                for id in record.under_way.clone() {
                    if let Some(state) = record.maintenances.get_mut(&id) {
                        state.plan.when.until = state.plan.when.until.max(later);
                    }
                }
            }
            Some(Canary::BeginUnannounced) => {
                let open = record.open_maintenances.iter();
                let mut open = open.filter_map(|id| record.maintenances.get(id));
                let planned = open.find(|state| state.status == MaintenanceStatus::Scheduled);
                if let Some(mut state) = planned.cloned()
                    && record.under_way.is_empty()
                {
                    state.id = MaintenanceId(record.last.maintenance + 1_000_000);
                    state.plan.begins = Turn::ByItself;
                    state.plan.when.from = at(self.now + self.offset);
                    record.open_maintenances.insert(state.id);
                    record.maintenances.insert(state.id, state);
                }
            }
            _ => {}
        }
    }
}
