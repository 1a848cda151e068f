//! What is left to do of incidents: drafts of post-mortems are opened, clocks of legal
//! notices start, and people are reminded of what they promised.
//!
//! A reminder is of no incident: who is reminded of one that is over was not called for it.
//! It goes the way of every call: to the owner of a measure where that is one of the
//! people, else to whoever is on duty. It is no alarm, and waits for quiet hours to end. A
//! late measure is reminded of once a week, four times; a notice twice.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use jiff::Timestamp;

use super::calling::quiet_of;
use super::{State, Work};
use crate::detect::{View, say};
use crate::edge::EdgeWindow;
use crate::event::{Reminder, What};
use crate::finding::Severity;
use crate::ids::{ComponentId, IncidentId, Observer, PersonId};
use crate::incident::{Incident, IncidentStatus};
use crate::notice::{NoticeChange, NoticePolicy, Nudge, Regime};
use crate::observation::{CheckOutcome, CheckResult, OutsideWord};
use crate::postmortem::{MeasureState, PostmortemChange, REMINDERS_MAX, facts_of};
use crate::record::Record;
use crate::status::Status;
use crate::telling::{DataAffected, ToldFacts};
use crate::time;

/// "For more than" a time is so the second after.
const MORE: Duration = Duration::from_secs(1);

/// When something of it falls due although nothing is seen.
pub(super) fn next_change(view: View<'_>) -> Option<Timestamp> {
    let aftermath = view.record.aftermath.iter();
    let promised = aftermath.flat_map(|(_, aftermath)| {
        let measures = aftermath.postmortem.iter().flat_map(|it| &it.measures);
        let measures = measures.filter_map(|measure| {
            let at = measure.remind_at()?;
            Some(quiet_of(view, owner(view, &measure.owner).as_ref()).map_or(at, |it| it.max(at)))
        });
        let clocks = aftermath.clocks.iter();
        let nudges = clocks.flat_map(|(regime, clock)| clock.nudges(*regime).map(|(at, ..)| at));
        measures.chain(nudges).min()
    });
    let starts = view.record.incidents.values();
    let starts = starts.filter_map(|incident| Some(significant_at(view, incident)?.0));
    promised.chain(starts).min()
}

/// The person who owns a measure, where they are one of those who are called.
fn owner(view: View<'_>, name: &str) -> Option<PersonId> {
    let mut people = view.policy.calling.people.iter();
    let found = people.find(|person| person.id.as_str() == name);
    found.map(|person| person.id.clone())
}

/// When an incident starts NIS2's clock by itself, and why.
fn significant_at(view: View<'_>, incident: &Incident) -> Option<(Timestamp, String)> {
    let policy = &view.policy.notices;
    let kept = policy.regimes.contains(&Regime::Nis2);
    if incident.status == IncidentStatus::Resolved || !kept || !hurts(view.record, incident) {
        return None;
    }
    if view.record.clock(incident.id, Regime::Nis2).is_some() {
        return None;
    }
    let components = view.policy.components.keys();
    let states = components.map(|id| view.record.components.get(id));
    let down = states.map(|state| {
        let state = state.filter(|state| state.status == Status::MajorOutage)?;
        Some(state.since)
    });
    let down: Option<Vec<Timestamp>> = down.collect();
    let down = down.and_then(|since| since.into_iter().max());
    let is_down = incident
        .harmed
        .values()
        .any(|it| *it == Status::MajorOutage);
    significant(policy, down.filter(|_| is_down), incident.harm_since)
}

/// The same of everything down, and of any harm, since then.
fn significant(
    policy: &NoticePolicy,
    down: Option<Timestamp>,
    harm: Option<Timestamp>,
) -> Option<(Timestamp, String)> {
    let of = |since, limit, why: &str| {
        let at = time::after(since, limit + MORE);
        (at, format!("{why} for more than {}", say(limit)))
    };
    let down = down.map(|since| of(since, policy.nis2_down_for, "every component has been down"));
    let harm = harm.map(|since| {
        let why = "customers have been hurt (whether they are more than 5 % of the users is yours to say)";
        of(since, policy.nis2_harm_for, why)
    });
    [down, harm].into_iter().flatten().min_by_key(|(at, _)| *at)
}

/// Something that failed, and what it was for.
pub(super) struct Failure {
    components: Vec<ComponentId>,
    /// How many requests; none where it was a check.
    requests: Option<u64>,
}

fn hurts(record: &Record, incident: &Incident) -> bool {
    let open = incident.open_findings.iter();
    let mut open = open.filter_map(|key| record.findings.get(key));
    open.any(|open| open.finding.harms.values().any(|status| status.is_harm()))
}

impl Work<'_> {
    /// Looks through all incidents, so only where something happened or is due: most steps
    /// see neither.
    pub(super) fn settle_aftermath(&mut self) {
        if !self.aftermath_may_change() {
            return;
        }
        self.aftermath_seen = self.events.len();
        self.draft();
        self.start_clocks();
        self.remind_of_measures();
        self.remind_of_notices();
    }

    fn aftermath_may_change(&self) -> bool {
        let due = self.state.memory.aftermath_due.0;
        self.events.len() > self.aftermath_seen
            || due.is_none_or(|due| due.is_some_and(|due| due <= self.now))
    }

    /// At the end of a step: when it is to be looked at again.
    pub(super) fn note_aftermath_due(&mut self) {
        let due = self.state.memory.aftermath_due.0;
        let is_known = due.is_some_and(|due| due.is_none_or(|due| due > self.now));
        if !is_known || !self.events.is_empty() {
            let due = next_change(self.view());
            self.state.memory.aftermath_due.0 = Some(due);
        }
    }

    /// What is known of every incident that hurt somebody and is over is taken down.
    fn draft(&mut self) {
        let record = &self.state.record;
        let over = record.incidents.values().filter(|incident| {
            let aftermath = record.aftermath.get(&incident.id);
            let known = aftermath.map(|it| it.postmortem.as_ref().map(|it| it.facts.resolved_at));
            incident.is_public()
                && incident.resolved_at.is_some()
                && known.is_some_and(|known| known != incident.resolved_at)
        });
        let over: Vec<IncidentId> = over.map(|incident| incident.id).collect();
        for incident in over {
            let counted = self.state.memory.counted.remove(&incident);
            let counted = counted.unwrap_or_default();
            if let Some(facts) = facts_of(&self.state.record, incident, counted) {
                self.emit(What::PostmortemDrafted {
                    incident,
                    facts: Box::new(facts),
                });
            }
        }
    }

    /// Requests that failed, for the figures.
    pub(super) fn note_failed_requests(&mut self, window: &EdgeWindow) {
        for (route, traffic) in &window.routes {
            let route = self.policy.routes.get(route);
            if let Some(component) = route.and_then(|route| route.component.as_ref()) {
                self.failures.push(Failure {
                    components: vec![component.clone()],
                    requests: Some(u64::from(traffic.errors)),
                });
            }
        }
    }

    /// The same of checks.
    pub(super) fn note_failed_check(&mut self, result: &CheckResult) {
        if let (Some(policy), CheckOutcome::Failed { .. }) =
            (self.policy.checks.get(&result.check), &result.outcome)
        {
            self.failures.push(Failure {
                components: policy.components.clone(),
                requests: None,
            });
        }
    }

    /// Counts what failed in this step for every open incident that hurts the same: what
    /// opened one belongs to it.
    pub(super) fn count_failures(&mut self) {
        let State { record, memory } = &mut *self.state;
        for failure in core::mem::take(&mut self.failures) {
            let open = record.incidents.values().filter(|incident| {
                let mut components = failure.components.iter();
                incident.resolved_at.is_none()
                    && components.any(|id| incident.harmed.contains_key(id))
            });
            for incident in open {
                let counted = memory.counted.entry(incident.id).or_default();
                match failure.requests {
                    Some(failed) => *counted.requests.get_or_insert(0) += failed,
                    None => *counted.checks.get_or_insert(0) += 1,
                }
            }
        }
    }

    fn start_clocks(&mut self) {
        if !self.policy.notices.regimes.contains(&Regime::Nis2) {
            return;
        }
        let incidents = self.state.record.incidents.values();
        let significant = incidents.filter_map(|incident| {
            let (at, because) = significant_at(self.view(), incident)?;
            (at <= self.now).then_some((incident.id, because))
        });
        let significant: Vec<(IncidentId, String)> = significant.collect();
        for (incident, because) in significant {
            self.start_clock(incident, Regime::Nis2, because, None);
        }
    }

    /// The same of an outage that was learned of when it was over.
    pub(super) fn start_clock_after(&mut self, incident: IncidentId, outage: &OutsideWord) {
        let policy = &self.policy.notices;
        if !policy.regimes.contains(&Regime::Nis2) {
            return;
        }
        let mut all = self.policy.components.keys();
        let is_down = all.all(|id| outage.components.get(id) == Some(&Status::MajorOutage));
        let down = is_down.then_some(outage.since);
        let significant = significant(policy, down, Some(outage.since));
        if let Some((_, because)) = significant.filter(|(at, _)| *at <= outage.until) {
            self.start_clock(incident, Regime::Nis2, because, None);
        }
    }

    /// What a person tells customers of their data starts a clock of its own.
    pub(super) fn note_told(&mut self, incident: IncidentId, facts: &ToldFacts) {
        let kept = self.policy.notices.regimes.contains(&Regime::Gdpr);
        let has_clock = self.state.record.clock(incident, Regime::Gdpr).is_some();
        if kept && !has_clock && facts.data == Some(DataAffected::Yes) {
            let because = "customers were told that data is affected";
            self.start_clock(incident, Regime::Gdpr, because.into(), None);
        }
    }

    fn start_clock(
        &mut self,
        incident: IncidentId,
        regime: Regime,
        because: String,
        by: Option<Observer>,
    ) {
        let is_new = self.state.record.clock(incident, regime).is_none();
        self.emit(What::NoticeClockStarted {
            incident,
            regime,
            because: because.clone(),
            by,
        });
        let clock = self.state.record.clock(incident, regime);
        let Some(clock) = clock.filter(|_| is_new) else {
            return;
        };
        let mut details = vec![format!("It runs because {because}.")];
        details.extend(clock.open(regime).map(|(step, at)| {
            let name = regime.step_name(step).unwrap_or_default();
            format!("The {name} is due by {}.", minute(at))
        }));
        details.push(format!(
            "Whether it has to be given is for a person to judge; Evenkeel gives no legal advice. `evenkeel notice {incident} {} stop --reason WHY` stops it.",
            regime.as_str()
        ));
        let headline = format!("{}: a clock runs for {incident}", regime.name());
        self.page(None, (headline, details), Severity::Critical, None);
    }

    fn remind_of_measures(&mut self) {
        let view = self.view();
        let aftermath = view.record.aftermath.iter();
        let due = aftermath.flat_map(|(incident, aftermath)| {
            let measures = aftermath.postmortem.iter().flat_map(|it| &it.measures);
            measures.filter_map(|measure| {
                let at = measure.remind_at().filter(|at| *at <= view.now)?;
                let to = owner(view, &measure.owner);
                let waits = quiet_of(view, to.as_ref()).is_some_and(|until| until > view.now);
                let late = time::since(measure.late_at().unwrap_or(at), view.now);
                (!waits).then(|| (*incident, measure.clone(), to, late))
            })
        });
        let due: Vec<_> = due.collect();
        for (incident, measure, to, late) in due {
            self.emit(What::Reminded {
                incident,
                of: Reminder::Measure {
                    measure: measure.number,
                },
            });
            let days = late.as_secs() / 86400 + 1;
            let left = REMINDERS_MAX.saturating_sub(measure.reminders + 1);
            let details = vec![
                format!("{}: {}", measure.owner, measure.what.text),
                format!(
                    "It was due {}. {}",
                    match days {
                        1 => "yesterday".to_string(),
                        days => format!("{days} days ago"),
                    },
                    match left {
                        0 => "This is the last reminder; the page goes on to show it as late.",
                        _ => "You are reminded again in a week.",
                    }
                ),
                format!(
                    "Done: `evenkeel postmortem measure {incident} {} done`. Moved: `--due DAY --reason WHY`.",
                    measure.number
                ),
            ];
            let headline = format!("A measure after {incident} is late");
            self.page(None, (headline, details), Severity::Warning, to);
        }
    }

    fn remind_of_notices(&mut self) {
        let view = self.view();
        let aftermath = view.record.aftermath.iter();
        let due = aftermath.flat_map(|(incident, aftermath)| {
            let clocks = aftermath.clocks.iter();
            clocks.flat_map(|(regime, clock)| {
                let nudges = clock.nudges(*regime).filter(|(at, ..)| *at <= view.now);
                nudges.filter_map(|(_, step, nudge)| {
                    let due = clock.due_at(*regime, step)?;
                    Some((*incident, *regime, step, nudge, due))
                })
            })
        });
        let due: Vec<_> = due.collect();
        for (incident, regime, step, nudge, due) in due {
            self.emit(What::Reminded {
                incident,
                of: Reminder::Notice {
                    regime,
                    step,
                    nudge,
                },
            });
            // After a pause both are due: the later one says it all.
            if nudge == Nudge::Soon && due <= self.now {
                continue;
            }
            let name = regime.step_name(step).unwrap_or_default();
            let headline = match nudge {
                Nudge::Soon => format!("{}: the {name} for {incident} is due soon", regime.name()),
                Nudge::Late => format!("{}: the {name} for {incident} was due", regime.name()),
            };
            let details = vec![
                format!("It is due by {}.", minute(due)),
                format!(
                    "Given: `evenkeel notice {incident} {0} give {1} --reference WHERE`. Not to be given: `evenkeel notice {incident} {0} stop --reason WHY`.",
                    regime.as_str(),
                    step.as_str()
                ),
                "Evenkeel gives no legal advice.".into(),
            ];
            self.page(None, (headline, details), Severity::Critical, None);
        }
    }

    pub(super) fn change_postmortem(
        &mut self,
        by: &Observer,
        incident: IncidentId,
        change: &PostmortemChange,
    ) {
        let record = &self.state.record;
        if record.unwritable(incident, change).is_some() {
            return;
        }
        let Some(postmortem) = record.postmortem(incident) else {
            return;
        };
        let by = by.clone();
        let what = match change.clone() {
            PostmortemChange::Write {
                section,
                text,
                read,
            } => What::PostmortemWritten {
                incident,
                section,
                text,
                revision: read.saturating_add(1),
                by,
            },
            PostmortemChange::AddMeasure { what, owner, due } => {
                let newest = postmortem.measures.last().map_or(0, |it| it.number);
                What::MeasureAdded {
                    incident,
                    measure: newest + 1,
                    what,
                    owner,
                    due,
                    by,
                }
            }
            PostmortemChange::ChangeMeasure {
                measure,
                state,
                due,
                reason,
            } => What::MeasureChanged {
                incident,
                measure,
                state,
                due,
                reason: reason.filter(|_| state != MeasureState::Done),
                by,
            },
            PostmortemChange::Publish { correction, .. } => What::PostmortemPublished {
                incident,
                edition: postmortem.editions.last().map_or(0, |it| it.number) + 1,
                correction,
                by,
            },
        };
        self.emit(what);
    }

    pub(super) fn change_clock(
        &mut self,
        by: &Observer,
        incident: IncidentId,
        regime: Regime,
        change: &NoticeChange,
    ) {
        let policy = &self.policy.notices;
        let record = &self.state.record;
        if record.unnoticed(policy, incident, regime, change).is_some() {
            return;
        }
        let by = by.clone();
        match change.clone() {
            NoticeChange::Start { reason } => {
                self.start_clock(incident, regime, reason, Some(by));
            }
            NoticeChange::Stop { reason } => self.emit(What::NoticeClockStopped {
                incident,
                regime,
                reason,
                by,
            }),
            NoticeChange::Give { step, reference } => self.emit(What::NoticeGiven {
                incident,
                regime,
                step,
                reference,
                by,
            }),
        }
    }
}

/// A moment as a page to the operator says it.
fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}
