//! Another policy: what would have been decided and done.
//!
//! The same observations go to a core that decides under the other policy, beside the
//! journal, which says what was decided. What can be known this way, and what cannot:
//!
//! - What was seen is what was seen. An action that would have been performed and was not
//!   changed nothing in it: **its outcome does not exist**. None is made up, so nothing is
//!   proven or stopped on its account; that the core asks for it again when its request
//!   has grown old is not told as another one; and the report says that what follows is
//!   from a world without it.
//! - An action that was performed, and would not have been, has its effects in what was
//!   seen. The report says that too.
//! - Outcomes and orders of people that name an action or an incident are given to the one
//!   that is the same there (the same task, a shared finding); where there is none they are
//!   left out, and counted.
//! - Messages count as told.
//! - What guards look at (schedules, patterns for sessions, addresses of checks) is not part
//!   of the policy: what was not looked at was not seen.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::action::{Outcome, Task};
use evenkeel_core::event::{Event, What};
use evenkeel_core::ids::{ActionId, IncidentId};
use evenkeel_core::observation::{ActionOutcome, MessageOutcome, Observation, Order, Seen};
use evenkeel_core::policy::Policy;
use evenkeel_core::record::{Phase, Record};
use evenkeel_core::step::{State, step};
use evenkeel_core::telling::Tell;
use evenkeel_core::time;
use evenkeel_journal::{Journal, codec};
use serde::Serialize;

use super::entries::Entries;
use super::turning_points::{self, Point, Sort, Tellings, Turn};
use super::{Follows, Player, Progress, ReplayError, Replayed, Stretch, play};
use crate::recorder::{Base, Step};

/// Steps of the other core's own between two recorded ones: its timers are not the ones
/// that were waited for.
const OWN_STEPS_MAX: usize = 64;
/// The time between two of them, as the pump has it.
const REST: Duration = Duration::from_millis(20);

/// Turning points that are kept of each telling.
const POINTS_MAX: usize = 200_000;

/// What would have been.
#[derive(Debug, Clone, Serialize)]
pub struct Otherwise {
    /// What was replayed.
    #[serde(flatten)]
    pub replayed: Replayed,
    /// What differs.
    #[serde(flatten)]
    pub tellings: Tellings,
    /// Actions that would have been performed and were not: their outcomes do not exist.
    pub outcomes_unknown_count: u64,
    /// Actions that were performed and would not have been: their effects were seen.
    pub effects_seen_count: u64,
    /// Outcomes and orders that had nothing to belong to.
    pub left_out_count: u64,
}

/// Decides a stretch again, under another policy.
///
/// # Errors
/// See [`ReplayError`].
pub fn replay(
    folder: &Path,
    journal: &dyn Journal,
    policy: Policy,
    stretch: Stretch,
    progress: Progress<'_>,
) -> Result<Otherwise, ReplayError> {
    let mut player = Other {
        policy: Arc::new(policy),
        state: State::default(),
        last_now: Timestamp::MIN,
        written: Record::default(),
        entries: Entries::new(journal),
        was: Vec::new(),
        would_be: Vec::new(),
        left_out: 0,
        unanswered: BTreeSet::new(),
    };
    let replayed = play(folder, stretch, &mut player, progress)?;
    let tellings = turning_points::compare(player.was, player.would_be);
    let is_done = |how: &Option<String>| how.as_ref().is_some_and(|how| how.starts_with("done"));
    let actions = || {
        tellings
            .turns
            .iter()
            .filter(|turn| turn.sort == Sort::Action)
    };
    let unknown = actions().filter(|turn| is_done(&turn.would_be) && !is_done(&turn.was));
    let seen = actions().filter(|turn| is_done(&turn.was) && !is_done(&turn.would_be));
    Ok(Otherwise {
        outcomes_unknown_count: unknown.count() as u64,
        effects_seen_count: seen.count() as u64,
        left_out_count: player.left_out,
        replayed,
        tellings,
    })
}

struct Other<'a> {
    policy: Arc<Policy>,
    /// As it would have been.
    state: State,
    last_now: Timestamp,
    /// As it was.
    written: Record,
    entries: Entries<'a>,
    was: Vec<Point>,
    would_be: Vec<Point>,
    left_out: u64,
    /// Tasks that would have been performed, and of which nobody knows the outcome.
    unanswered: BTreeSet<String>,
}

impl Player for Other<'_> {
    fn begin(&mut self, base: Base, follows: Follows, replayed: &mut Replayed) {
        match follows {
            Follows::On => {}
            Follows::Anew => {
                self.state = State::after_restart(std::mem::take(&mut self.state.record));
            }
            Follows::Not => {
                if replayed.replay_steps_count > 0 {
                    replayed.note(format!(
                        "at {} the other telling begins anew with the state that was",
                        base.at
                    ));
                }
                self.unanswered.clear();
                self.state = State {
                    record: Record::clone(&base.record),
                    memory: base.memory,
                };
            }
        }
        self.written = Record::clone(&base.record);
        self.entries.go_to(self.written.revision);
        self.last_now = base.at;
    }

    fn step(&mut self, taken: &Step, looked_at: bool) -> Result<(), ReplayError> {
        self.pass_time(taken.now, looked_at);
        let mut inputs: Vec<Observation> = Vec::with_capacity(taken.inputs.len());
        for seen in &taken.inputs {
            match self.translated(seen) {
                // Messages of the other telling are told the moment they are decided.
                _ if matches!(seen.seen, Seen::MessageOutcome(_)) => {}
                Some(seen) => {
                    self.note_answer(&seen);
                    inputs.push(seen);
                }
                None => self.left_out += u64::from(looked_at),
            }
        }
        self.decide(&inputs, taken.now, looked_at);
        for entry in self.entries.up_to(taken.before + taken.events)? {
            let Ok(event) = codec::decode(&entry) else {
                continue;
            };
            if let Some(event) = event {
                self.written.apply(&event);
                if looked_at {
                    keep(&mut self.was, turning_points::of(&event, &self.written));
                }
            }
            self.written.revision = entry.revision.0;
        }
        Ok(())
    }
}

impl Other<'_> {
    /// Steps that only the other policy's timers ask for.
    fn pass_time(&mut self, until: Timestamp, looked_at: bool) {
        for _ in 0..OWN_STEPS_MAX {
            let due = self.state.next_step_at(&self.policy);
            let due = due.map(|due| due.max(time::after(self.last_now, REST)));
            match due.filter(|due| *due < until) {
                Some(due) => self.decide(&[], due, looked_at),
                None => return,
            }
        }
    }

    fn decide(&mut self, inputs: &[Observation], now: Timestamp, looked_at: bool) {
        let told = self
            .state
            .record
            .open_messages
            .iter()
            .map(|message| Observation {
                at: now,
                by: "replay".into(),
                seen: Seen::MessageOutcome(MessageOutcome {
                    message: *message,
                    outcome: Outcome::Done("taken as told".into()),
                }),
            });
        let inputs: Vec<Observation> = told.chain(inputs.iter().cloned()).collect();
        let events: Vec<Event> = step(&mut self.state, &self.policy, &inputs, now);
        self.last_now = now;
        for event in &events {
            if !self.is_asked_again(&event.what) && looked_at {
                let point = turning_points::of(event, &self.state.record);
                keep(&mut self.would_be, point);
            }
        }
    }

    /// Whether it is about a task that was asked for before and never answered.
    fn is_asked_again(&mut self, what: &What) -> bool {
        match what {
            What::ActionRequested { action, .. } => {
                !self.unanswered.insert(action.task.to_string())
            }
            What::ActionProposed { action, .. } | What::ActionWithheld { action, .. } => {
                self.unanswered.contains(&action.task.to_string())
            }
            _ => false,
        }
    }

    fn note_answer(&mut self, seen: &Observation) {
        if let Seen::ActionOutcome(ended) = &seen.seen
            && let Some(state) = self.state.record.actions.get(&ended.action)
        {
            self.unanswered.remove(&state.action.task.to_string());
        }
    }

    /// An observation in the other telling's words; `None` where it has nothing to be about.
    fn translated(&self, observation: &Observation) -> Option<Observation> {
        let seen = match &observation.seen {
            Seen::ActionOutcome(ended) => Seen::ActionOutcome(ActionOutcome {
                action: self.same_action(ended.action, |phase| {
                    matches!(phase, Phase::Requested { .. })
                })?,
                ..ended.clone()
            }),
            Seen::Order(order) => Seen::Order(self.same_order(order)?),
            _ => return Some(observation.clone()),
        };
        Some(Observation {
            seen,
            ..observation.clone()
        })
    }

    fn same_order(&self, order: &Order) -> Option<Order> {
        let proposed = |phase: &Phase| matches!(phase, Phase::Proposed { .. });
        Some(match order {
            Order::Approve { action } => Order::Approve {
                action: self.same_action(*action, proposed)?,
            },
            Order::Refuse { action, reason } => Order::Refuse {
                action: self.same_action(*action, proposed)?,
                reason: reason.clone(),
            },
            Order::Acknowledge { incident } => Order::Acknowledge {
                incident: self.same_incident(*incident)?,
            },
            Order::Tell(tell) => Order::Tell(Tell {
                incident: self.same_incident(tell.incident)?,
                ..tell.clone()
            }),
            Order::ApproveWord { incident } => Order::ApproveWord {
                incident: self.same_incident(*incident)?,
            },
            Order::RefuseWord { incident, reason } => Order::RefuseWord {
                incident: self.same_incident(*incident)?,
                reason: reason.clone(),
            },
            Order::Notice {
                incident,
                regime,
                change,
            } => Order::Notice {
                incident: self.same_incident(*incident)?,
                regime: *regime,
                change: change.clone(),
            },
            // What was written is of what was read, which is another draft here.
            Order::Postmortem { .. } => return None,
            // Which word it corrects has no counterpart: words are told at other times.
            Order::Correct(_) => return None,
            other => other.clone(),
        })
    }

    fn same_action(&self, id: ActionId, phase: impl Fn(&Phase) -> bool) -> Option<ActionId> {
        let task = &self.written.actions.get(&id)?.action.task;
        let is_same =
            |other: &Task| other.kind() == task.kind() && other.subject() == task.subject();
        let mut open = self.state.record.actions.values().rev();
        open.find(|state| phase(&state.phase) && is_same(&state.action.task))
            .map(|state| state.action.id)
    }

    fn same_incident(&self, id: IncidentId) -> Option<IncidentId> {
        let of = &self.written.incidents.get(&id)?;
        let mut others = self.state.record.incidents.values().rev();
        others
            .find(|other| {
                let findings = other.open_findings.union(&other.cleared_findings);
                let mut findings = findings.into_iter();
                findings
                    .any(|key| of.open_findings.contains(key) || of.cleared_findings.contains(key))
            })
            .map(|other| other.id)
    }
}

fn keep(points: &mut Vec<Point>, point: Option<Point>) {
    if points.len() < POINTS_MAX {
        points.extend(point);
    }
}

impl Otherwise {
    /// For people: what differs, line by line, and what it means.
    pub fn text(&self) -> String {
        let mut text = String::new();
        if self.tellings.turns.is_empty() {
            text.push_str("Nothing would have been decided otherwise.\n");
        } else {
            text.push_str(
                "~ decided otherwise, - only as it was, + only with the other policy; times are UTC\n\n",
            );
        }
        let mut day = None;
        for turn in &self.tellings.turns {
            let at = turn.at.to_zoned(jiff::tz::TimeZone::UTC);
            if day != Some(at.date()) {
                day = Some(at.date());
                let _ = writeln!(text, "{}", at.strftime("%-d %B %Y"));
            }
            line(&mut text, turn, &at.strftime("%H:%M:%S").to_string());
        }
        let _ = writeln!(text, "\n{:<26}{:>8}{:>12}", "", "as it was", "otherwise");
        for (sort, was, would_be) in &self.tellings.counts {
            let words = Sort::ALL.iter().find(|(known, ..)| known == sort);
            let words = words.map_or("", |(.., many)| many);
            let _ = writeln!(text, "{words:<26}{was:>9}{would_be:>12}");
        }
        if !self.tellings.turns.is_empty() {
            let _ = writeln!(
                text,
                "{} more are the same in both.",
                self.tellings.same_count
            );
        }
        self.caveats(&mut text);
        text
    }

    fn caveats(&self, text: &mut String) {
        if self.outcomes_unknown_count > 0 {
            let _ = writeln!(
                text,
                "\n{} would have been done that never {}. What would have come of it nobody has seen: what \
                 stands after it is from a world in which it was not done, so that incidents there \
                 last as long as they did.",
                counted(self.outcomes_unknown_count, "action"),
                if self.outcomes_unknown_count == 1 {
                    "was"
                } else {
                    "were"
                },
            );
        }
        if self.effects_seen_count > 0 {
            let _ = writeln!(
                text,
                "\n{} would not have been done that really {}: what came of it is in everything that was \
                 seen after it, and would not have come by itself.",
                counted(self.effects_seen_count, "action"),
                if self.effects_seen_count == 1 {
                    "was"
                } else {
                    "were"
                },
            );
        }
        if self.left_out_count > 0 {
            let _ = writeln!(
                text,
                "\n{} of people and actions had nothing to belong to there, and were left out.",
                counted(self.left_out_count, "word"),
            );
        }
    }
}

fn counted(count: u64, what: &str) -> String {
    let many = if count == 1 { "" } else { "s" };
    format!("{count} {what}{many}")
}

fn line(text: &mut String, turn: &Turn, at: &str) {
    let sign = match (&turn.was, &turn.would_be) {
        (Some(_), None) => '-',
        (None, Some(_)) => '+',
        _ => '~',
    };
    let _ = write!(text, "{sign} {at}  {:<9} {}", turn.sort.word(), turn.about);
    let how = |how: &Option<String>| how.clone().filter(|how| !how.is_empty());
    let (was, would_be) = (how(&turn.was), how(&turn.would_be));
    let _ = match (was, would_be) {
        (Some(was), Some(would_be)) if was != would_be => {
            write!(
                text,
                "\n              was: {was}\n              would be: {would_be}"
            )
        }
        (Some(how), _) | (None, Some(how)) => write!(text, ": {how}"),
        (None, None) => Ok(()),
    };
    if turn.later_ms != 0 {
        let shift = Duration::from_millis(turn.later_ms.unsigned_abs());
        let to = if turn.later_ms < 0 {
            "earlier"
        } else {
            "later"
        };
        let _ = write!(text, " ({} s {to})", shift.as_secs());
    }
    text.push('\n');
}
