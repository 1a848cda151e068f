//! Marks: situations that must have been reached, or a run proves little.
//!
//! A world that never blinds an observer says nothing about blindness. Each situation
//! worth having has a name here; over the fixed seeds all of them must have been met
//! (`tests/marks.rs`).

use std::collections::BTreeMap;

use evenkeel_core::action::{ActionKind, Outcome};
use evenkeel_core::event::{Event, What};
use evenkeel_core::finding::FindingKind;
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::observation::{Order, Seen};
use evenkeel_core::record::Record;

/// How often each situation was met.
#[derive(Debug, Clone, Default)]
pub struct Marks(BTreeMap<String, u64>);

/// Kinds of observation, by their place.
const SEEN: &[&str] = &[
    "schedule due",
    "run start",
    "run progress",
    "run exit",
    "product due",
    "product report",
    "lock waits",
    "run backends",
    "database load",
    "sight",
    "action outcome",
    "message outcome",
    "order",
];

/// Situations with a name of their own.
const SITUATIONS: &[&str] = &[
    "a picture is lost",
    "an observation comes late",
    "an observation comes twice",
    "the clock jumps forwards",
    "the clock jumps backwards",
    "the journal refuses for a while",
    "the journal is in doubt",
    "a crash in the middle of nothing",
    "a crash before the append",
    "a crash after the append",
    "a crash after the effect, before the outcome",
    "an action fails",
    "an action is not answered",
    "a run cannot be killed",
    "a shadow core is started",
    "a shadow core decides otherwise",
    "an incident is reopened",
    "an incident is resolved",
    "an action is stopped",
    "a stop is lifted",
    "actions are held",
    "actions are released",
    "a proposal is approved",
    "a proposal is refused",
    "a proposal expires",
    "a proposal is no longer needed",
    "a cancel gives way to the harder way",
    "a slot is skipped",
    "a run is started again",
    "a product is delivered",
    "withheld: watching",
    "withheld: held",
    "withheld: budget spent",
    "withheld: too soon",
    "withheld: stopped",
    "withheld: not ours",
];

impl Marks {
    pub(crate) fn hit(&mut self, name: &str) {
        match self.0.get_mut(name) {
            Some(count) => *count += 1,
            None => {
                self.0.insert(name.to_owned(), 1);
            }
        }
    }

    /// Adds those of another world.
    pub fn add(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            *self.0.entry(name.clone()).or_default() += count;
        }
    }

    /// Every situation that should be met, with how often it was.
    pub fn expected(&self) -> Vec<(String, u64)> {
        let findings = FindingKind::ALL
            .iter()
            .flat_map(|kind| [format!("{kind} opened"), format!("{kind} cleared")]);
        let actions = ActionKind::ALL.iter().flat_map(|kind| {
            let mut ways = vec![
                format!("{kind} requested"),
                format!("{kind} done"),
                format!("{kind} nothing to do"),
                format!("{kind} failed"),
            ];
            if *kind == ActionKind::EndBackend {
                ways.push(format!("{kind} refused"));
                ways.push(format!("{kind} proposed"));
            }
            ways
        });
        let seen = SEEN.iter().map(|kind| format!("seen: {kind}"));
        let orders = [
            "approve",
            "refuse",
            "hold",
            "release",
            "acknowledge",
            "start",
            "lift",
        ];
        let orders = orders.iter().map(|order| format!("ordered: {order}"));
        findings
            .chain(actions)
            .chain(seen)
            .chain(orders)
            .chain(SITUATIONS.iter().map(|name| (*name).to_owned()))
            .map(|name| {
                let count = self.0.get(&name).copied().unwrap_or_default();
                (name, count)
            })
            .collect()
    }

    pub(crate) fn seen(&mut self, seen: &Seen) {
        let place = match seen {
            Seen::ScheduleDue(_) => 0,
            Seen::RunStart(_) => 1,
            Seen::RunProgress(_) => 2,
            Seen::RunExit(_) => 3,
            Seen::ProductDue(_) => 4,
            Seen::ProductReport(_) => 5,
            Seen::LockWaits(_) => 6,
            Seen::RunBackends(_) => 7,
            Seen::DatabaseLoad(_) => 8,
            Seen::Sight(_) => 9,
            Seen::ActionOutcome(_) => 10,
            Seen::MessageOutcome(_) => 11,
            Seen::Order(order) => {
                let name = match order {
                    Order::Approve { .. } => "ordered: approve",
                    Order::Refuse { .. } => "ordered: refuse",
                    Order::HoldActions { .. } => "ordered: hold",
                    Order::ReleaseActions { .. } => "ordered: release",
                    Order::Acknowledge { .. } => "ordered: acknowledge",
                    Order::StartJob { .. } => "ordered: start",
                    Order::LiftStop { .. } => "ordered: lift",
                };
                self.hit(name);
                12
            }
        };
        const NAMES: &[&str] = &[
            "seen: schedule due",
            "seen: run start",
            "seen: run progress",
            "seen: run exit",
            "seen: product due",
            "seen: product report",
            "seen: lock waits",
            "seen: run backends",
            "seen: database load",
            "seen: sight",
            "seen: action outcome",
            "seen: message outcome",
            "seen: order",
        ];
        self.hit(NAMES[place]);
    }

    pub(crate) fn event(&mut self, event: &Event, record: &Record) {
        use evenkeel_core::event::Withheld;
        match &event.what {
            What::FindingOpened { finding } => self.hit(&format!("{} opened", finding.key.kind)),
            What::FindingCleared { key, .. } => self.hit(&format!("{} cleared", key.kind)),
            What::ActionRequested {
                action,
                approved_by,
            } => {
                self.hit(&format!("{} requested", action.task.kind()));
                if approved_by.is_some() {
                    self.hit("a proposal is approved");
                }
                if matches!(
                    action.task,
                    evenkeel_core::action::Task::StartRun { attempt: 2.., .. }
                ) {
                    self.hit("a run is started again");
                }
            }
            What::ActionProposed { action, .. } => {
                self.hit(&format!("{} proposed", action.task.kind()));
            }
            What::ActionEnded {
                action, outcome, ..
            } => {
                let kind = record
                    .actions
                    .get(action)
                    .map(|state| state.action.task.kind());
                let how = match outcome {
                    Outcome::Done(_) => "done",
                    Outcome::NothingToDo(_) => "nothing to do",
                    Outcome::Refused(_) => "refused",
                    Outcome::Failed(_) => "failed",
                };
                if let Some(kind) = kind {
                    self.hit(&format!("{kind} {how}"));
                }
            }
            What::ActionClosed { by, reason, .. } => self.hit(match (by, reason.as_str()) {
                (Some(_), _) => "a proposal is refused",
                (None, reason) if reason.contains("harder way") => {
                    "a cancel gives way to the harder way"
                }
                (None, "it is no longer needed") => "a proposal is no longer needed",
                (None, _) => "a proposal expires",
            }),
            What::ActionWithheld { why, .. } => self.hit(match why {
                Withheld::Watching => "withheld: watching",
                Withheld::Held => "withheld: held",
                Withheld::BudgetSpent => "withheld: budget spent",
                Withheld::TooSoon => "withheld: too soon",
                Withheld::Stopped => "withheld: stopped",
                Withheld::NotOurs(_) => "withheld: not ours",
                Withheld::Expired => "withheld: expired",
            }),
            What::ActionUnproven { .. } => self.hit("an action is stopped"),
            What::StopLifted { .. } => self.hit("a stop is lifted"),
            What::ActionsHeld { .. } => self.hit("actions are held"),
            What::ActionsReleased { .. } => self.hit("actions are released"),
            What::SlotSkipped { .. } => self.hit("a slot is skipped"),
            What::ProductDelivered { .. } => self.hit("a product is delivered"),
            What::IncidentStatusChanged { from, to, .. } => match (from, to) {
                (IncidentStatus::Resolved, _) => self.hit("an incident is reopened"),
                (_, IncidentStatus::Resolved) => self.hit("an incident is resolved"),
                _ => {}
            },
            _ => {}
        }
    }
}
