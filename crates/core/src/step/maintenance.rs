//! Maintenances are planned, begin, end, and are told of; peaks are noted.
//!
//! What falls due is done at the beginning of a step, before anything new is looked at, and
//! in the order of its times: an end before a beginning, so that what one covered and still
//! hurts is an incident before the next can cover anything. A word is made at the end of the
//! step, when it is decided how the components are shown.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use jiff::Timestamp;

use super::Work;
use crate::event::What;
use crate::finding::{FindingKey, Severity};
use crate::ids::{ComponentId, MaintenanceId, Observer, PlanId};
use crate::maintenance::{
    MaintenanceNews, MaintenanceOrder, MaintenanceStatus, MaintenanceWord, OPEN_MAX, OVERDUE_MAX,
    Occurrence, PeakMet, Plan, Stretch, Turn,
};
use crate::message::Body;
use crate::observation::{MaintenanceDates, PeakDates};
use crate::policy::Policy;
use crate::record::{MaintenanceState, OpenFinding, Record};
use crate::subject::Subject;
use crate::telling::FreeText;
use crate::time;

/// Dates of one maintenance or peak that are taken; the program tells fewer.
const DATES_MAX: usize = 64;

/// What is to be told of a maintenance at the end of the step.
pub(super) struct News {
    maintenance: MaintenanceId,
    news: MaintenanceNews,
    status: MaintenanceStatus,
    text: Option<FreeText>,
}

/// What falls due of a maintenance by itself. In this order at the same moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// Its time is over.
    End,
    /// Its time is over, and a person is to say so.
    Overdue,
    /// It has been overdue for too long.
    EndUnattended,
    /// It was watched for long enough.
    EndVerified,
    /// Its time is over, and it was never begun.
    GiveUp,
    /// Customers are reminded.
    Remind,
    /// It begins.
    Begin,
    /// A person is to begin it.
    CallForBegin,
}

fn next_due(state: &MaintenanceState, policy: &Policy) -> Option<(Timestamp, Due)> {
    let when = state.plan.when;
    match state.status {
        MaintenanceStatus::Scheduled => {
            let begin = match state.plan.begins {
                Turn::ByItself => (when.from, Due::Begin),
                Turn::ByHand if state.reminded == Some(Duration::ZERO) => (when.until, Due::GiveUp),
                Turn::ByHand => (when.from, Due::CallForBegin),
            };
            let reminder = state.next_reminder().map(|(at, _)| (at, Due::Remind));
            reminder.into_iter().chain([begin]).min()
        }
        MaintenanceStatus::InProgress => Some(match (state.overdue_since, state.plan.ends) {
            (Some(since), _) => (time::after(since, OVERDUE_MAX), Due::EndUnattended),
            (None, Turn::ByItself) => (when.until, Due::End),
            (None, Turn::ByHand) => (when.until, Due::Overdue),
        }),
        MaintenanceStatus::Verifying => {
            let settled = time::after(state.status_since, policy.incidents.settle);
            // It covers nothing after its end.
            let at = match state.is_overdue() {
                true => settled,
                false => settled.min(when.until),
            };
            Some((at, Due::EndVerified))
        }
        MaintenanceStatus::Completed | MaintenanceStatus::Cancelled => None,
    }
}

fn open(record: &Record) -> impl Iterator<Item = &MaintenanceState> {
    let open = record.open_maintenances.iter();
    open.filter_map(|id| record.maintenances.get(id))
}

/// Whether some of what a finding does is part of no maintenance and of no incident.
fn counts_anew(record: &Record, open: &OpenFinding) -> bool {
    let incident = open.incident.and_then(|id| record.incidents.get(&id));
    let is_in = |of| incident.is_some_and(|incident| incident.harmed.contains_key(of));
    let mut uncovered = record.uncovered(open);
    uncovered.any(|(of, status)| open.incident.is_none() || status.is_harm() && !is_in(of))
}

/// When something of a maintenance falls due.
pub(super) fn next_change(record: &Record, policy: &Policy) -> Option<Timestamp> {
    let due = open(record).filter_map(|state| next_due(state, policy));
    due.map(|(at, _)| at).min()
}

impl Work<'_> {
    /// Does what has fallen due.
    pub(super) fn turn_maintenances(&mut self) {
        loop {
            let due = open(&self.state.record)
                .filter_map(|state| {
                    let (at, due) = next_due(state, self.policy)?;
                    (at <= self.now).then_some((at, due, state.id))
                })
                .min();
            let Some((_, due, id)) = due else {
                return;
            };
            self.do_what_is_due(id, due);
        }
    }

    fn do_what_is_due(&mut self, id: MaintenanceId, due: Due) {
        use MaintenanceStatus::{Cancelled, Completed, InProgress};
        match due {
            Due::Remind => self.remind(id),
            Due::Begin => {
                self.turn(id, InProgress, None, "its time has come");
                let state = self.state.record.maintenances.get(&id);
                // While Evenkeel was not there it may have come and gone.
                if state.is_some_and(|state| state.plan.when.until > self.now) {
                    self.news(id, MaintenanceNews::Began, None);
                }
            }
            Due::CallForBegin => {
                self.emit(What::MaintenanceReminded {
                    maintenance: id,
                    before: Duration::ZERO,
                });
                let headline = format!("Maintenance {id} waits for its beginning");
                let details = vec![
                    String::from("Customers were told that it begins now."),
                    format!(
                        "Begin it with `evenkeel maintenance start {id}`, or call it off with `evenkeel maintenance cancel {id}`."
                    ),
                ];
                self.page(None, (headline, details), Severity::Critical, None);
            }
            Due::GiveUp => {
                self.turn(id, Cancelled, None, "nobody began it");
                self.news(id, MaintenanceNews::Cancelled, None);
            }
            Due::End => {
                self.turn(id, Completed, None, "its time is over");
                self.news(id, MaintenanceNews::Completed, None);
            }
            Due::EndVerified => {
                self.turn(id, Completed, None, "the work is done and was watched");
                self.news(id, MaintenanceNews::Completed, None);
            }
            Due::EndUnattended => {
                self.turn(id, Completed, None, "nobody ended it for a day");
                self.news(id, MaintenanceNews::Completed, None);
            }
            Due::Overdue => {
                self.emit(What::MaintenanceOverdue { maintenance: id });
                self.uncover(id);
                self.news(id, MaintenanceNews::Overdue, None);
            }
        }
    }

    fn remind(&mut self, id: MaintenanceId) {
        let Some(state) = self.state.record.maintenances.get(&id) else {
            return;
        };
        // Of several that are late, the last says it all.
        let from = state.plan.when.from;
        let due = state.plan.reminders.iter();
        let before = due
            .copied()
            .find(|span| time::before(from, *span) <= self.now);
        let Some(before) = before else {
            return;
        };
        self.emit(What::MaintenanceReminded {
            maintenance: id,
            before,
        });
        if self.now < from {
            self.news(id, MaintenanceNews::Reminder, None);
        }
    }

    fn turn(
        &mut self,
        id: MaintenanceId,
        to: MaintenanceStatus,
        by: Option<&Observer>,
        reason: &str,
    ) {
        let Some(state) = self.state.record.maintenances.get(&id) else {
            return;
        };
        self.emit(What::MaintenanceTurned {
            maintenance: id,
            from: state.status,
            to,
            by: by.cloned(),
            reason: reason.into(),
        });
        self.uncover(id);
    }

    /// What a maintenance covered may be covered no more: it is looked at anew.
    fn uncover(&mut self, id: MaintenanceId) {
        let Some(state) = self.state.record.maintenances.get(&id) else {
            return;
        };
        let components: BTreeSet<ComponentId> = state.plan.components.clone();
        let record = &self.state.record;
        let concerned: Vec<FindingKey> = record
            .findings
            .iter()
            .filter(|(_, open)| open.finding.harms.keys().any(|of| components.contains(of)))
            .filter(|(_, open)| counts_anew(record, open))
            .map(|(key, _)| key.clone())
            .collect();
        self.components.extend(components);
        self.touch(Subject::Maintenance(id));
        for key in concerned {
            self.place_in_incident(&key);
            self.touch(key.subject);
        }
    }

    fn news(&mut self, maintenance: MaintenanceId, news: MaintenanceNews, text: Option<FreeText>) {
        if let Some(state) = self.state.record.maintenances.get(&maintenance) {
            let status = state.status;
            self.news.push(News {
                maintenance,
                news,
                status,
                text,
            });
        }
    }

    /// Tells customers what is new of maintenances.
    pub(super) fn tell_of_maintenances(&mut self) {
        for said in core::mem::take(&mut self.news) {
            let record = &self.state.record;
            let Some(state) = record.maintenances.get(&said.maintenance) else {
                continue;
            };
            let word = MaintenanceWord {
                maintenance: said.maintenance,
                news: said.news,
                status: said.status,
                when: state.plan.when,
                components: record.shown(&state.plan.components),
                text: said.text,
            };
            self.request(None, Body::Maintenance(Box::new(word)));
        }
    }

    fn plan(
        &mut self,
        plan: Plan,
        occurrence: Option<Occurrence>,
        by: Option<&Observer>,
        reason: Option<String>,
    ) {
        let id = MaintenanceId(self.state.record.last.maintenance + 1);
        let text = plan.text.clone();
        self.emit(What::MaintenancePlanned {
            maintenance: id,
            plan: Box::new(plan),
            occurrence,
            by: by.cloned(),
            reason,
        });
        self.news(id, MaintenanceNews::Announced, text);
    }

    pub(super) fn order_maintenance(&mut self, by: &Observer, order: &MaintenanceOrder) {
        if self.state.record.unplannable(order, self.now).is_some() {
            return;
        }
        match order {
            MaintenanceOrder::Plan { plan, reason } => {
                let policy = self.policy;
                let known = |id: &ComponentId| policy.components.contains_key(id);
                if plan.components.iter().all(known) {
                    self.plan(plan.clone(), None, Some(by), reason.clone());
                }
            }
            MaintenanceOrder::Move {
                maintenance: id,
                begins_at,
                ends_at,
                text,
                reason,
            } => {
                let Some(state) = self.state.record.maintenances.get(id) else {
                    return;
                };
                let when = state.moved(*begins_at, *ends_at);
                let longer = when.until > state.plan.when.until;
                let news = match state.status.is_under_way() && longer {
                    true => MaintenanceNews::Extended,
                    false => MaintenanceNews::Moved,
                };
                let plan = Plan {
                    when,
                    ..state.plan.clone()
                };
                self.change(*id, plan, Some(by), reason.clone());
                self.news(*id, news, text.clone());
            }
            MaintenanceOrder::Begin { maintenance: id } => {
                self.turn(*id, MaintenanceStatus::InProgress, Some(by), "it was begun");
                self.news(*id, MaintenanceNews::Began, None);
            }
            MaintenanceOrder::Finish {
                maintenance: id,
                text,
            } => {
                let to = MaintenanceStatus::Verifying;
                self.turn(*id, to, Some(by), "the work is done");
                self.news(*id, MaintenanceNews::Verifying, text.clone());
            }
            MaintenanceOrder::Cancel {
                maintenance: id,
                text,
            } => {
                let to = MaintenanceStatus::Cancelled;
                self.turn(*id, to, Some(by), "it was called off");
                self.news(*id, MaintenanceNews::Cancelled, text.clone());
            }
        }
    }

    fn change(
        &mut self,
        id: MaintenanceId,
        plan: Plan,
        by: Option<&Observer>,
        reason: Option<String>,
    ) {
        self.emit(What::MaintenanceChanged {
            maintenance: id,
            plan: Box::new(plan),
            by: by.cloned(),
            reason,
        });
        self.uncover(id);
    }

    /// When a maintenance of the configuration comes next. A picture: what is not in it any
    /// more is called off, what is in it otherwise is changed.
    pub(super) fn see_maintenance_dates(&mut self, told: &MaintenanceDates, at: Timestamp) {
        let policy = self.policy;
        let Some(configured) = policy.maintenances.get(&told.plan) else {
            return;
        };
        let known = &mut self.state.memory.maintenances_told;
        if known.get(&told.plan).is_some_and(|known| at < *known) {
            return;
        }
        known.insert(told.plan.clone(), at);
        let dates: Vec<Stretch> = told.dates.iter().copied().take(DATES_MAX).collect();
        let of_it = |state: &&MaintenanceState| {
            let of = state.occurrence.as_ref();
            of.is_some_and(|of| of.plan == told.plan)
        };
        let scheduled: Vec<(MaintenanceId, Timestamp)> = open(&self.state.record)
            .filter(of_it)
            .filter(|state| state.status == MaintenanceStatus::Scheduled)
            .filter(|state| state.plan.when.from > self.now && !state.changed_by_person)
            .filter_map(|state| Some((state.id, state.occurrence.as_ref()?.scheduled_at)))
            .filter(|(_, scheduled_at)| *scheduled_at < told.known_until)
            .collect();
        for (id, scheduled_at) in scheduled {
            let date = dates.iter().find(|date| date.from == scheduled_at);
            match date.map(|date| configured.at(*date)) {
                None => self.call_off(id),
                Some(plan) => self.change_as_configured(id, plan),
            }
        }
        for date in dates {
            let is_known = self.state.record.maintenances.values().any(|state| {
                let of = state.occurrence.as_ref();
                of.is_some_and(|of| of.plan == told.plan && of.scheduled_at == date.from)
            });
            // What has begun by now was not announced before: it is no maintenance.
            let room = self.state.record.open_maintenances.len() < OPEN_MAX;
            if !is_known && room && date.from > self.now {
                let met = self.state.record.peaks_met(&configured.components, date);
                let occurrence = Occurrence {
                    plan: told.plan.clone(),
                    scheduled_at: date.from,
                };
                self.plan(configured.at(date), Some(occurrence), None, None);
                self.warn_of_peaks(&met);
            }
        }
    }

    /// A rule knows no peaks: whoever wrote it is asked to look at this one.
    fn warn_of_peaks(&mut self, met: &[PeakMet]) {
        let Some(first) = met.first() else {
            return;
        };
        let id = MaintenanceId(self.state.record.last.maintenance);
        let PeakMet { name, when, .. } = first;
        let headline = format!("Maintenance {id} of the configuration is in a peak: {name}");
        let details = vec![
            format!(
                "{name} is from {} to {}, when customers need it most.",
                when.from, when.until
            ),
            format!(
                "Call it off with `evenkeel maintenance cancel {id}`, have it at another time with `evenkeel maintenance move {id}`, or leave it."
            ),
        ];
        self.page(None, (headline, details), Severity::Critical, None);
    }

    fn change_as_configured(&mut self, id: MaintenanceId, plan: Plan) {
        let Some(state) = self.state.record.maintenances.get(&id) else {
            return;
        };
        if state.plan == plan {
            return;
        }
        let for_customers = |plan: &Plan| {
            let Plan {
                components,
                when,
                impact,
                text,
                ..
            } = plan;
            (components.clone(), *when, *impact, text.clone())
        };
        let is_news = for_customers(&state.plan) != for_customers(&plan);
        let text = plan.text.clone();
        self.change(id, plan, None, None);
        if is_news {
            self.news(id, MaintenanceNews::Moved, text);
        }
    }

    fn call_off(&mut self, id: MaintenanceId) {
        let why = "the configuration no longer has it";
        self.turn(id, MaintenanceStatus::Cancelled, None, why);
        self.news(id, MaintenanceNews::Cancelled, None);
    }

    /// What the configuration no longer has is not begun.
    pub(super) fn call_off_what_is_gone(&mut self) {
        let policy = self.policy;
        let is_gone = |plan: &PlanId| !policy.maintenances.contains_key(plan);
        let gone: Vec<MaintenanceId> = open(&self.state.record)
            .filter(|state| state.status == MaintenanceStatus::Scheduled)
            .filter(|state| {
                let of = state.occurrence.as_ref();
                of.is_some_and(|of| is_gone(&of.plan)) && !state.changed_by_person
            })
            .map(|state| state.id)
            .collect();
        for id in gone {
            self.call_off(id);
        }
        let peaks = self.state.record.peaks.iter();
        let gone: Vec<_> = peaks
            .filter(|(id, _)| !policy.peaks.contains_key(*id))
            .map(|(id, state)| (id.clone(), state.name.clone()))
            .collect();
        for (peak, name) in gone {
            self.emit(What::PeakDated {
                peak,
                name,
                components: BTreeSet::new(),
                dates: Vec::new(),
            });
        }
    }

    /// When a known peak comes next.
    pub(super) fn see_peak_dates(&mut self, told: &PeakDates, at: Timestamp) {
        let policy = self.policy;
        let Some(configured) = policy.peaks.get(&told.peak) else {
            return;
        };
        let known = &mut self.state.memory.peaks_told;
        if known.get(&told.peak).is_some_and(|known| at < *known) {
            return;
        }
        known.insert(told.peak.clone(), at);
        let dates: Vec<Stretch> = told.dates.iter().copied().take(DATES_MAX).collect();
        let state = self.state.record.peaks.get(&told.peak);
        let is_known = match state {
            Some(state) => {
                state.dates == dates
                    && state.name == configured.name
                    && state.components == configured.components
            }
            None => dates.is_empty(),
        };
        if !is_known {
            self.emit(What::PeakDated {
                peak: told.peak.clone(),
                name: configured.name.clone(),
                components: configured.components.clone(),
                dates,
            });
        }
    }
}
