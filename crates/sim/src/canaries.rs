//! Deliberate bugs, each of which a run must catch: who watches the oracle.

use evenkeel_core::Timestamp;
use evenkeel_core::action::Task;
use evenkeel_core::event::{Event, What};
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::policy::Policy;
use evenkeel_core::step::State;
use evenkeel_core::subject::Backend;

use crate::world::World;
use crate::world::database::Sess;

/// A deliberate bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Canary {
    /// The pump hands out what is not durable yet.
    ActsBeforeItIsWritten,
    /// The hand ends whoever has the pid.
    EndsByPid,
    /// The core reckons with other budgets than the operator's.
    IgnoresBudgets,
    /// An event changes the live record and is not in the journal.
    LosesAnEvent,
    /// An incident is called resolved while its finding holds.
    ResolvesEarly,
    /// A waiter is ended instead of the root.
    EndsAWaiter,
    /// The hand starts a run that was started already.
    StartsTwice,
    /// What is only to be watched is done.
    ActsWhereItWatches,
    /// The kill switch is overheard.
    OverhearsTheHold,
    /// A finding clears while people still wait.
    ClearsEarly,
}

impl Canary {
    /// Every canary.
    pub const ALL: &[Self] = &[
        Self::ActsBeforeItIsWritten,
        Self::EndsByPid,
        Self::IgnoresBudgets,
        Self::LosesAnEvent,
        Self::ResolvesEarly,
        Self::EndsAWaiter,
        Self::StartsTwice,
        Self::ActsWhereItWatches,
        Self::OverhearsTheHold,
        Self::ClearsEarly,
    ];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::ActsBeforeItIsWritten => "acts-before-it-is-written",
            Self::EndsByPid => "ends-by-pid",
            Self::IgnoresBudgets => "ignores-budgets",
            Self::LosesAnEvent => "loses-an-event",
            Self::ResolvesEarly => "resolves-early",
            Self::EndsAWaiter => "ends-a-waiter",
            Self::StartsTwice => "starts-twice",
            Self::ActsWhereItWatches => "acts-where-it-watches",
            Self::OverhearsTheHold => "overhears-the-hold",
            Self::ClearsEarly => "clears-early",
        }
    }

    /// The invariants of which one must catch it.
    pub fn caught_by(self) -> &'static [&'static str] {
        match self {
            Self::ActsBeforeItIsWritten => {
                &["no_action_without_a_request", "no_word_without_a_request"]
            }
            Self::EndsByPid => &["only_the_named_session", "nothing_unconfigured_is_touched"],
            Self::IgnoresBudgets => &["budgets_hold", "intervals_hold"],
            Self::LosesAnEvent => &["the_fold_equals_the_live_record"],
            Self::ResolvesEarly => &["resolved_means_over"],
            Self::EndsAWaiter => &["only_roots", "nothing_unconfigured_is_touched"],
            Self::StartsTwice => &["one_run_at_a_time"],
            Self::ActsWhereItWatches => &["only_what_is_granted"],
            Self::OverhearsTheHold => &["held_means_held"],
            Self::ClearsEarly => &["cleared_means_over"],
        }
    }

    /// The canary of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|canary| canary.name() == name)
    }

    /// The policy as a core with this bug understands it.
    pub(crate) fn spoil_policy(self, policy: &mut Policy) {
        for grant in policy.authority.grants.values_mut() {
            match self {
                Self::IgnoresBudgets => {
                    grant.budget = u32::MAX;
                    grant.interval_min = std::time::Duration::ZERO;
                }
                Self::ActsWhereItWatches => grant.mode = evenkeel_core::authority::Mode::Act,
                _ => {}
            }
        }
    }

    /// What a core with this bug decides instead. The live record goes along, so that
    /// what is caught is the bug and not a record that differs.
    pub(crate) fn spoil_decision(
        self,
        state: &mut State,
        events: &mut Vec<Event>,
        world: &World,
        now: Timestamp,
    ) {
        match self {
            Self::LosesAnEvent => {
                let lost = events
                    .iter()
                    .position(|event| matches!(event.what, What::FindingCleared { .. }));
                if let Some(lost) = lost {
                    events.remove(lost);
                }
            }
            Self::ResolvesEarly => {
                let open = state.record.incidents.values().find(|incident| {
                    incident.status != IncidentStatus::Resolved
                        && !incident.open_findings.is_empty()
                });
                if let Some(incident) = open {
                    let what = What::IncidentStatusChanged {
                        incident: incident.id,
                        from: incident.status,
                        to: IncidentStatus::Resolved,
                        reason: "it will be all right".into(),
                    };
                    add(state, events, Event { at: now, what });
                }
            }
            Self::ClearsEarly => {
                let old = state.record.findings.values().find(|open| {
                    open.finding.key.kind
                        == evenkeel_core::finding::FindingKind::LockBlocksComponent
                        && evenkeel_core::time::since(open.opened_at, now).as_secs() > 60
                });
                if let Some(open) = old {
                    let key = open.finding.key.clone();
                    let reason = "it has lasted long enough".into();
                    let what = What::FindingCleared { key, reason };
                    add(state, events, Event { at: now, what });
                }
            }
            Self::EndsAWaiter => {
                for event in events.iter_mut() {
                    if let What::ActionRequested { action, .. } = &mut event.what
                        && let Task::EndBackend {
                            backend,
                            xact_start,
                            ..
                        } = &mut action.task
                        && let Some(waiter) = a_waiter(world, backend)
                        && let Some(state) = state.record.actions.get_mut(&action.id)
                    {
                        *backend = waiter.shown.backend.clone();
                        *xact_start = waiter.shown.xact_start;
                        state.action.task = action.task.clone();
                    }
                }
            }
            _ => {}
        }
    }
}

fn a_waiter<'a>(world: &'a World, root: &Backend) -> Option<&'a Sess> {
    let db = world.dbs.get(&root.database)?;
    db.sessions
        .values()
        .find(|session| !session.blockers.is_empty() && session.queue_head_at.is_none())
}

fn add(state: &mut State, events: &mut Vec<Event>, event: Event) {
    state.record.apply(&event);
    events.push(event);
}
