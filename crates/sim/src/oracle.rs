//! The oracle knows what really is, and what was configured, and judges what Evenkeel does.
//!
//! It shares no judgement with the core: it reads the journal, the policy and the world,
//! and keeps books of its own. The first invariant that does not hold ends the world.

mod authority;
mod honesty;
mod innocence;
mod liveness;
mod memory;
mod telling;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use evenkeel_core::Timestamp;
use evenkeel_core::action::{Action, ActionKind};
use evenkeel_core::event::{Event, What};
use evenkeel_core::finding::FindingKey;
use evenkeel_core::ids::{ActionId, IncidentId, JobId, MessageId, RunId};
use evenkeel_core::observation::{Observation, Seen};
use evenkeel_core::policy::Policy;
use evenkeel_core::record::Record;
use evenkeel_core::subject::Subject;
use evenkeel_journal::{Entry, codec};

use crate::clock::{Clock, Ms};
use crate::world::World;

/// What did not hold, and how.
pub(crate) type Broken = (&'static str, String);

/// What an invariant says.
pub(crate) type Held = Result<(), Broken>;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Oracle {
    pub(crate) broken: Option<Broken>,
    /// The journal's entries, folded one by one.
    folded: Record,
    compared: u64,
    /// Every action requested, with when it was decided; the newest.
    requested: BTreeMap<ActionId, (Ms, Action)>,
    proposed: BTreeMap<ActionId, Action>,
    /// Requests by kind and scope: true time, keeper's time.
    asked: BTreeMap<(ActionKind, Subject), VecDeque<(Ms, Timestamp)>>,
    stopped: BTreeSet<(ActionKind, Subject)>,
    held: bool,
    /// Findings that hold by the journal, with their incident.
    open: BTreeMap<FindingKey, Option<IncidentId>>,
    /// The newest slot taken of each job.
    slots: BTreeMap<JobId, Timestamp>,
    /// Runs whose start the core has been told.
    told_starts: BTreeSet<RunId>,
    /// Messages requested: when, and how often they were handed over.
    messages: BTreeMap<MessageId, (Ms, u32)>,
    /// When words were spoken about an incident.
    words: BTreeMap<Option<IncidentId>, VecDeque<Ms>>,
    spent_pages: BTreeMap<(JobId, Option<Timestamp>), u32>,
    troubled: bool,
    weather_since: Ms,
    up_since: Ms,
}

/// All an invariant may look at.
#[derive(Clone, Copy)]
pub(crate) struct Truth<'a> {
    pub(crate) world: &'a World,
    pub(crate) policy: &'a Policy,
    pub(crate) clock: &'a Clock,
    /// When it was decided.
    pub(crate) t: Ms,
    /// Since when the core that decided has had its memory.
    pub(crate) knows_since: Ms,
}

impl Oracle {
    pub(crate) fn hold(&mut self, held: Held) {
        if let Err(broken) = held {
            self.broken.get_or_insert(broken);
        }
    }

    pub(crate) fn weather(&mut self, troubled: bool, t: Ms) {
        self.troubled = troubled;
        self.weather_since = t;
    }

    /// The program starts from what the journal holds.
    pub(crate) fn started(&mut self, record: &Record, t: Ms) {
        self.up_since = t;
        // What a failed append left in the journal without being told is folded here too.
        self.hold(same(record, &self.folded, "after a restart"));
    }

    /// What the core is told.
    pub(crate) fn informed(&mut self, inputs: &[Observation], _t: Ms) {
        for input in inputs {
            if let Seen::RunStart(start) = &input.seen {
                self.told_starts.insert(start.run.clone());
                if self.told_starts.len() > 4000 {
                    self.told_starts.pop_first();
                }
            }
        }
    }

    /// These events are durable.
    pub(crate) fn durable(
        &mut self,
        events: &[Event],
        entries: &[Entry],
        live: &Record,
        truth: Truth<'_>,
    ) {
        for entry in entries {
            if let Err(error) = codec::fold_in(&mut self.folded, entry) {
                self.hold(Err(("entries_can_be_read", error.to_string())));
            }
        }
        self.compared += 1;
        let held = match self.compared % 8 {
            0 => same(live, &self.folded, "after a step"),
            _ => nearly_same(live, &self.folded),
        };
        self.hold(held);
        for event in events {
            let held = self.judge(event, live, truth);
            self.hold(held);
            self.note(event, truth.t);
        }
    }

    fn judge(&self, event: &Event, live: &Record, truth: Truth<'_>) -> Held {
        match &event.what {
            What::ActionRequested {
                action,
                approved_by,
            } => self.may_request(action, approved_by.is_some(), event.at, truth),
            What::ActionProven { action, .. } => self.proof_is_true(*action, truth),
            What::FindingOpened { finding } => self.opened_means_so(&finding.key, truth),
            What::FindingCleared { key, .. } => self.cleared_means_over(key, truth),
            What::IncidentStatusChanged { incident, to, .. } => {
                self.resolved_means_over(*incident, *to, truth)
            }
            What::MessageRequested { message } => self.few_words(message, live, truth.t),
            _ => Ok(()),
        }
    }

    fn note(&mut self, event: &Event, t: Ms) {
        match &event.what {
            What::ActionRequested { action, .. } => {
                let key = (action.task.kind(), action.task.scope());
                let times = self.asked.entry(key).or_default();
                times.push_back((t, event.at));
                if times.len() > 2000 {
                    times.pop_front();
                }
                self.requested.insert(action.id, (t, action.clone()));
                if self.requested.len() > 4000 {
                    self.requested.pop_first();
                }
                self.proposed.remove(&action.id);
            }
            What::ActionProposed { action, .. } => {
                self.proposed.insert(action.id, action.clone());
            }
            What::ActionClosed { action, .. } => {
                self.proposed.remove(action);
            }
            What::ActionUnproven { kind, scope, .. } => {
                self.stopped.insert((*kind, scope.clone()));
            }
            What::StopLifted { kind, scope, .. } => {
                self.stopped.remove(&(*kind, scope.clone()));
            }
            What::ActionsHeld { .. } => self.held = true,
            What::ActionsReleased { .. } => self.held = false,
            What::FindingOpened { finding } => {
                self.open.insert(finding.key.clone(), None);
            }
            What::FindingCleared { key, .. } => {
                self.open.remove(key);
            }
            What::IncidentOpened {
                incident, finding, ..
            } => {
                self.open.insert(finding.clone(), Some(*incident));
            }
            What::IncidentUpdated {
                incident,
                finding: Some(finding),
                ..
            } => {
                self.open.insert(finding.clone(), Some(*incident));
            }
            What::SlotTaken { job, scheduled_at } => {
                let newest = self.slots.entry(job.clone()).or_insert(*scheduled_at);
                *newest = (*newest).max(*scheduled_at);
            }
            What::MessageRequested { message } => self.note_message(message, t),
            What::MessageEnded { message, .. } => {
                self.messages.remove(message);
            }
            _ => {}
        }
    }
}

/// The record folded from the journal equals the live one.
fn same(live: &Record, folded: &Record, when: &str) -> Held {
    const NAME: &str = "the_fold_equals_the_live_record";
    nearly_same(live, folded)?;
    let parts = [
        ("incidents", live.incidents == folded.incidents),
        ("actions", live.actions == folded.actions),
        ("messages", live.messages == folded.messages),
        ("runs", live.runs == folded.runs),
        ("components", live.components == folded.components),
        ("ledger", live.ledger == folded.ledger),
    ];
    match parts.iter().find(|(_, same)| !same) {
        Some((part, _)) => Err((NAME, format!("{when} the {part} differ"))),
        None if live != folded => Err((NAME, format!("{when} they differ"))),
        None => Ok(()),
    }
}

/// The parts that are small, compared after every step.
fn nearly_same(live: &Record, folded: &Record) -> Held {
    let parts = [
        ("revision", live.revision == folded.revision),
        ("findings", live.findings == folded.findings),
        ("open actions", live.open_actions == folded.open_actions),
        ("open messages", live.open_messages == folded.open_messages),
        ("jobs", live.jobs == folded.jobs),
        ("kill switch", live.held == folded.held),
        ("stops", live.stops == folded.stops),
        ("numbers", live.last == folded.last),
    ];
    match parts.iter().find(|(_, same)| !same) {
        Some((part, _)) => Err((
            "the_fold_equals_the_live_record",
            format!("the {part} differ"),
        )),
        None => Ok(()),
    }
}
