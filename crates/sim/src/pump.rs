//! The pump, mirrored step by step: gather, decide, append, then hand out; after a crash
//! the record is folded from the journal, and what is unfinished is found in it.

use std::collections::BTreeSet;

use evenkeel_core::action::{Action, Task};
use evenkeel_core::event::{Event, What};
use evenkeel_core::finding::FindingKind;
use evenkeel_core::ids::{ActionId, MessageId};
use evenkeel_core::message::{Body, Message};
use evenkeel_core::observation::{Absence, ActionOutcome, MessageOutcome, Observation, Seen};
use evenkeel_core::record::Record;
use evenkeel_core::step::{State, step};
use evenkeel_core::subject::Subject;
use evenkeel_journal::{Journal, MemoryJournal, Revision, codec};

use crate::canary::Canary;
use crate::sim::{Happening, Sim};
use crate::{Ms, SECOND};

/// The longest time between two steps; the core loses track of time after 30 s.
const TICK: Ms = 20 * SECOND;
/// Appends between two comparisons of the folded record with the live one.
const COMPARED_EVERY: u64 = 8;
/// Events between two snapshots.
const SNAPSHOT_EVERY: u64 = 400;

pub(crate) struct Pump {
    pub(crate) up: bool,
    pub(crate) boot: u64,
    pub(crate) state: State,
    pub(crate) journal: MemoryJournal,
    /// The record as the journal's own entries fold.
    pub(crate) shadow: Record,
    queue: Vec<Observation>,
    /// Decided and not yet durable: the journal refuses.
    waiting: Vec<Event>,
    pub(crate) refuses_until: Ms,
    in_hand: BTreeSet<ActionId>,
    messages: BTreeSet<MessageId>,
    snapshot_at: u64,
    appends: u64,
    /// When the newest step was.
    pub(crate) decided_at: Ms,
    /// When the server came back, and when it was last there before that.
    pub(crate) back_at: Ms,
    gone_at: Ms,
}

impl Pump {
    pub(crate) fn new() -> Self {
        Self {
            up: true,
            boot: 0,
            state: State::default(),
            journal: MemoryJournal::new(),
            shadow: Record::default(),
            queue: Vec::new(),
            waiting: Vec::new(),
            refuses_until: 0,
            in_hand: BTreeSet::new(),
            messages: BTreeSet::new(),
            snapshot_at: 0,
            appends: 0,
            decided_at: 0,
            back_at: 0,
            gone_at: 0,
        }
    }
}

impl Pump {
    /// Whether everything that was decided is durable.
    pub(crate) fn nothing_waits(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether a ping is durable: only then is its client answered.
    pub(crate) fn shadow_has_ping(&self, order: u64) -> bool {
        self.shadow.last.ping >= order
    }
}

impl Sim {
    pub(crate) fn deliver(&mut self, observation: Observation) {
        if self.pump.up {
            self.note_arrival(&observation.seen);
            self.pump.queue.push(observation);
            if !self.more_arrives_now() {
                self.turn();
            }
        }
    }

    /// One turn of the pump.
    pub(crate) fn turn(&mut self) {
        if !self.pump.up {
            return;
        }
        if self.pump.waiting.is_empty() {
            let inputs = std::mem::take(&mut self.pump.queue);
            let now = self.wall();
            if self.canary == Some(Canary::IgnoreHold) {
                self.pump.state.record.held = None;
            }
            if self.canary == Some(Canary::IgnoreStop) {
                self.pump.state.record.stops.clear();
            }
            if self.canary == Some(Canary::ForgetDrains) {
                for pool in self.pump.state.record.edge.pools.values_mut() {
                    pool.drain.clear();
                }
            }
            self.forget_what_was_told();
            self.meddle_with_maintenances();
            self.forget_aftermath();
            let events = step(&mut self.pump.state, &self.core_policy, &inputs, now);
            self.pump.waiting = events;
            self.pump.decided_at = self.now;
        }
        if !self.append() {
            return;
        }
        if self.now - self.pump.decided_at <= SECOND {
            self.hand_out();
        } else {
            // The journal stood still meanwhile: first it is decided anew.
            self.plan(self.now, Happening::Wake);
        }
        let next = self.pump.state.next_step_at(&self.core_policy);
        let tick = self.now + TICK;
        let wake = next.map_or(tick, |next| {
            let wait = next.duration_since(self.wall()).as_millis();
            self.now + Ms::try_from(wait).unwrap_or(TICK).clamp(20, TICK)
        });
        if wake < self.wake_at || self.wake_at <= self.now {
            self.wake_at = wake;
            self.plan(wake, Happening::Wake);
        }
    }

    /// Makes what was decided durable; false where that is not so.
    fn append(&mut self) -> bool {
        if self.pump.waiting.is_empty() {
            return true;
        }
        if self.pump.refuses_until > self.now {
            self.marks.hit("journal refused");
            self.plan(self.pump.refuses_until, Happening::Wake);
            return false;
        }
        if self.faults && self.rng.u32(..1500) == 0 {
            self.marks.hit("crash before append");
            self.crash();
            return false;
        }
        let events = std::mem::take(&mut self.pump.waiting);
        if self.canary == Some(Canary::PerformBeforeDurable) {
            for event in &events {
                if let What::ActionRequested { action, .. } = &event.what {
                    let action = action.clone();
                    self.performing(&action);
                }
            }
        }
        let drafts: Vec<_> = events.iter().map(codec::encode).collect();
        let before = Revision(self.pump.shadow.revision);
        let appended = self.pump.journal.append(before, &drafts);
        match appended {
            Ok(revision) => self.pump.state.record.revision = revision.0,
            Err(error) => {
                self.violate("journal", &format!("an append was refused: {error}"));
                return false;
            }
        }
        let entries = self
            .pump
            .journal
            .read(before, drafts.len())
            .unwrap_or_default();
        for entry in &entries {
            let forgotten =
                self.canary == Some(Canary::FoldForgets) && entry.kind == "finding_cleared";
            if forgotten {
                self.pump.shadow.revision = entry.revision.0;
            } else if let Err(error) = codec::fold_in(&mut self.pump.shadow, entry) {
                self.violate("fold-equals-live", &error.to_string());
            }
        }
        let tampers = matches!(
            self.canary,
            Some(
                Canary::IgnoreHold
                    | Canary::IgnoreStop
                    | Canary::ForgetDrains
                    | Canary::ForgetPlan
                    | Canary::ForgetPromises
                    | Canary::TellTwice
                    | Canary::CoverEverything
                    | Canary::NeverOver
                    | Canary::BeginUnannounced
                    | Canary::ForgetDrafts
                    | Canary::RewritePublished
                    | Canary::RemindForEver
            )
        );
        // Comparing costs what there is, not what changed: every so often, and always
        // before and after a restart. A record that has gone its own way stays apart.
        self.pump.appends += 1;
        let compares = self.pump.appends.is_multiple_of(COMPARED_EVERY);
        if compares && self.pump.shadow != self.pump.state.record && !tampers {
            self.violate(
                "fold-equals-live",
                "the record folded from the journal is not the live one",
            );
        }
        for event in &events {
            self.trace_event(event);
            self.marks.event(event);
        }
        self.oracle_on_events(&events);
        self.judge_service_events(&events);
        self.judge_beat_events(&events);
        self.judge_pool_events(&events);
        self.judge_maintenances(&events);
        self.judge_told(&events);
        self.judge_aftermath(&events);
        if self.faults && self.rng.u32(..1500) == 0 {
            self.marks.hit("crash after append");
            self.crash();
            return false;
        }
        if self.pump.shadow.revision - self.pump.snapshot_at > SNAPSHOT_EVERY {
            self.pump.snapshot_at = self.pump.shadow.revision;
            if let Ok(snapshot) = codec::snapshot(&self.pump.shadow) {
                let saved = self.pump.journal.save_snapshot(&snapshot);
                if let Err(error) = saved {
                    self.violate("journal", &format!("a snapshot was refused: {error}"));
                }
            }
        }
        true
    }

    fn hand_out(&mut self) {
        let record = &self.pump.state.record;
        let wanted: Vec<Action> = record.to_perform().cloned().collect();
        let open_messages: Vec<_> = record
            .open_messages
            .iter()
            .filter_map(|id| record.messages.get(id))
            .map(|state| state.message.clone())
            .collect();
        let ids: BTreeSet<ActionId> = wanted.iter().map(|action| action.id).collect();
        self.pump.in_hand.retain(|id| ids.contains(id));
        self.send_plan();
        let boot = self.pump.boot;
        for action in wanted {
            if self.pump.in_hand.insert(action.id) {
                let delay = self.rng.i64(2..400);
                self.plan(self.now + delay, Happening::Perform(Box::new(action), boot));
            }
        }
        for message in open_messages {
            if self.canary == Some(Canary::KeepQuiet) && is_about_no_help(&message) {
                continue;
            }
            if self.pump.messages.insert(message.id) {
                self.oracle_on_message(&message);
                let delay = self.rng.i64(5..3_000);
                self.plan(self.now + delay, Happening::Told(message.id, boot));
            }
        }
    }

    /// An action's turn has come, unless the server it was handed out by is gone.
    pub(crate) fn perform_now(&mut self, action: &Action, boot: u64) {
        if boot != self.pump.boot || !self.pump.up {
            return;
        }
        if matches!(action.task, Task::RecycleInstance { .. }) {
            self.begin_recycling(action, boot);
            return;
        }
        let outcome = self.performing(action);
        if self.faults && self.rng.u32(..60) == 0 {
            self.marks.hit("crash while performing");
            self.crash();
            return;
        }
        let told = ActionOutcome {
            action: action.id,
            outcome,
            evidence: None,
        };
        let delay = self.rng.i64(1..1_500);
        self.plan(self.now + delay, Happening::Outcome(Box::new(told), boot));
    }

    /// Holds the deed against the invariants, and does it.
    pub(crate) fn performing(&mut self, action: &Action) -> evenkeel_core::action::Outcome {
        self.oracle_on_perform(action);
        let outcome = self.perform(action);
        self.marks.outcome(action.task.kind().as_str(), &outcome);
        let line = format!("{} {}: {}", action.id, action.task, outcome.text());
        self.trace.line(self.now, &line);
        outcome
    }

    pub(crate) fn outcome(&mut self, told: ActionOutcome, boot: u64) {
        if boot == self.pump.boot {
            self.tell_now(Seen::ActionOutcome(told));
        } else {
            self.marks.hit("crash with an outcome on its way");
        }
    }

    pub(crate) fn told(&mut self, id: MessageId, boot: u64) {
        if boot == self.pump.boot {
            let failed = self.faults && self.rng.u32(..10) == 0;
            let outcome = if failed {
                evenkeel_core::action::Outcome::Failed("no answer".into())
            } else {
                evenkeel_core::action::Outcome::Done("told".into())
            };
            self.pump.messages.remove(&id);
            self.tell_now(Seen::MessageOutcome(MessageOutcome {
                message: id,
                outcome,
            }));
        }
    }

    /// The server is gone, with everything it only had in memory.
    pub(crate) fn crash(&mut self) {
        if !self.pump.up {
            return;
        }
        self.trace.line(self.now, "the server is gone");
        self.pump.up = false;
        self.pump.gone_at = self.now + self.offset;
        self.pump.boot += 1;
        self.pump.queue.clear();
        self.pump.waiting.clear();
        self.pump.in_hand.clear();
        self.pump.messages.clear();
        self.drop_recyclings();
        self.edge.link_broke();
        let away = self.rng.i64(500..60 * SECOND);
        self.plan(self.now + away, Happening::Restart);
    }

    pub(crate) fn restart(&mut self) {
        if self.pump.up {
            return;
        }
        match codec::fold(&self.pump.journal) {
            Ok(folded) => {
                if folded.record != self.pump.shadow && self.canary != Some(Canary::FoldForgets) {
                    self.violate(
                        "fold-equals-live",
                        "the record folded at the restart is not the one that was durable",
                    );
                }
                self.pump.state = State::after_restart(folded.record);
                if self.canary == Some(Canary::ForgetPlan) {
                    self.pump.state.record.edge = Default::default();
                }
                self.oracle_on_fold();
                self.judge_words_kept();
                self.judge_editions();
            }
            Err(error) => {
                self.violate("journal", &format!("it could not be folded: {error}"));
                return;
            }
        }
        self.pump.up = true;
        self.pump.back_at = self.now;
        let since = crate::at(self.pump.gone_at);
        self.tell_now(Seen::Absence(Absence { since }));
        // Guards begin anew: they tell everything again that the record does not know.
        for run in self.world.runs.values_mut() {
            run.told_start = false;
            run.told_end = false;
        }
        self.told_blind.clear();
        self.slot_told.clear();
        self.trace.line(self.now, "the server is back");
        self.look_soon();
        self.turn();
    }
}

fn is_about_no_help(message: &Message) -> bool {
    let Body::Operator { finding, .. } = &message.body else {
        return false;
    };
    finding.as_ref().is_some_and(|finding| {
        let of_a_pool = matches!(finding.subject, Subject::Pool(_));
        of_a_pool && finding.kind == FindingKind::ActionDidNotHelp
    })
}
