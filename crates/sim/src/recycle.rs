//! The hand that restarts an instance behind the drained edge, step by step as the real
//! one does: what it looks at before, and all the ways in which it can end.

use evenkeel_core::action::{Action, Outcome, Task};
use evenkeel_core::ids::{InstanceId, PoolId};
use evenkeel_core::observation::ActionOutcome;

use crate::canary::Canary;
use crate::pools::{POOLS, instances};
use crate::sim::{Happening, Sim};
use crate::{MINUTE, Ms, SECOND};

/// How long the edge may take to take the plan.
const CONFIRM_WITHIN: Ms = 10 * SECOND;
/// A window older than this says nothing of an instance.
const FRESH_FOR: Ms = 3 * SECOND;
/// Between two looks.
const LOOK: Ms = SECOND;

/// One instance that is being recycled.
#[derive(Debug, Clone)]
pub(crate) struct Recycling {
    pub(crate) action: Action,
    pub(crate) pool: PoolId,
    pub(crate) instance: InstanceId,
    boot: u64,
    began: Ms,
    drains_since: Option<Ms>,
    /// Since when the restarted one is waited for, and whether it was there already.
    awaits: Option<(Ms, bool)>,
}

impl Sim {
    /// The hand takes an action up.
    pub(crate) fn begin_recycling(&mut self, action: &Action, boot: u64) {
        let Task::RecycleInstance { pool, instance, .. } = &action.task else {
            return;
        };
        self.oracle_on_perform(action);
        let recycling = Recycling {
            action: action.clone(),
            pool: pool.clone(),
            instance: instance.clone(),
            boot,
            began: self.now,
            drains_since: None,
            awaits: None,
        };
        let same = self.recyclings.values();
        let outcome = if self.faults && self.rng.u32(..100) < 4 {
            Some(Outcome::Failed("it could not be tried".into()))
        } else if same.into_iter().any(|other| other.pool == *pool) {
            let text = "another instance of the pool is being restarted";
            Some(Outcome::Refused(text.into()))
        } else {
            None
        };
        match outcome {
            Some(outcome) => self.recycled(&recycling, outcome),
            None => {
                self.recyclings.insert(action.id, recycling);
                self.plan(self.now, Happening::Recycle(action.id));
            }
        }
    }

    /// Hands that were at work when the server went are gone.
    pub(crate) fn drop_recyclings(&mut self) {
        for recycling in std::mem::take(&mut self.recyclings).into_values() {
            self.marks.hit(match recycling.awaits {
                Some(_) => "crash after a restart",
                None => "crash while draining",
            });
        }
    }

    /// The hand looks, and goes on.
    pub(crate) fn recycle(&mut self, id: evenkeel_core::ids::ActionId) {
        let Some(mut recycling) = self.recyclings.remove(&id) else {
            return;
        };
        if recycling.boot != self.pump.boot {
            return;
        }
        if self.faults && self.rng.u32(..400) == 0 {
            self.recyclings.insert(id, recycling);
            self.crash();
            return;
        }
        if recycling.awaits.is_none() && self.faults && self.rng.u32(..50) == 0 {
            self.lose_siblings(&recycling);
        }
        let outcome = match recycling.awaits {
            None => self.drain(&mut recycling),
            Some((since, young)) => self.await_answer(&recycling, since, young),
        };
        match outcome {
            None => {
                self.recyclings.insert(id, recycling);
                self.plan(self.now + LOOK, Happening::Recycle(id));
            }
            Some(outcome) => {
                let lost = self.faults && outcome.is_good() && self.rng.u32(..100) < 4;
                let outcome = match lost {
                    true => Outcome::Failed("it gave no answer in time".into()),
                    false => outcome,
                };
                self.recycled(&recycling, outcome);
            }
        }
    }

    fn recycled(&mut self, recycling: &Recycling, outcome: Outcome) {
        self.marks.outcome("recycle_instance", &outcome);
        let action = &recycling.action;
        let line = format!("{} {}: {}", action.id, action.task, outcome.text());
        self.trace.line(self.now, &line);
        let told = ActionOutcome {
            action: action.id,
            outcome,
            evidence: None,
        };
        let delay = self.rng.i64(1..1_500);
        let told = Happening::Outcome(Box::new(told), recycling.boot);
        self.plan(self.now + delay, told);
    }

    /// Whether the process is another one already than the decision was about.
    fn is_young(&mut self, recycling: &Recycling) -> bool {
        let Task::RecycleInstance { started_before, .. } = &recycling.action.task else {
            return false;
        };
        let before = started_before.unwrap_or(recycling.action.decided_at);
        let offset = self.offset;
        let instance = self.instance(&recycling.pool, &recycling.instance);
        instance.is_some_and(|instance| crate::at(instance.started + offset) > before)
    }

    /// All others of the pool end by themselves, as it happens while the hand is at work.
    fn lose_siblings(&mut self, recycling: &Recycling) {
        let sort = POOLS.iter().find(|sort| recycling.pool == sort.pool.into());
        let others = sort.into_iter().flat_map(instances);
        for other in others.filter(|other| *other != recycling.instance) {
            let away = self.rng.i64(5 * SECOND..90 * SECOND);
            self.begin_process(&recycling.pool, &other, away);
        }
    }

    fn drain(&mut self, recycling: &mut Recycling) -> Option<Outcome> {
        let now = self.now;
        let refused = |text: &str| Some(Outcome::Refused(text.into()));
        if self.is_young(recycling) {
            recycling.awaits = Some((now, true));
            return None;
        }
        let late = now - recycling.began >= CONFIRM_WITHIN;
        let seen = self.edge.seen_at.is_some_and(|at| now - at <= FRESH_FOR);
        let blind = self.canary == Some(Canary::RestartTheLast);
        if !seen && !blind {
            return late
                .then(|| refused("what the edge does with it cannot be seen"))
                .flatten();
        }
        let others = self.in_use(&recycling.pool);
        let others = others.iter().filter(|other| **other != recycling.instance);
        if others.count() == 0 && !blind {
            self.marks.hit("last one spared");
            return refused("no other instance of its pool is in use");
        }
        let drained = self
            .edge
            .in_force
            .drains(&recycling.pool, &recycling.instance);
        let taken = self.edge.in_force.revision >= recycling.action.decided_at_revision;
        if !drained || !taken && !late {
            return match (recycling.drains_since.is_some(), late) {
                (true, _) => refused("it gets requests again: its drain was lifted"),
                (_, true) => refused("the edge does not drain it"),
                _ => None,
            };
        }
        let since = *recycling.drains_since.get_or_insert(now);
        let instance = self.instance(&recycling.pool, &recycling.instance)?;
        if instance.idle_from > now && now - since < 30 * SECOND {
            return None;
        }
        self.restart_instance(recycling)
    }

    fn restart_instance(&mut self, recycling: &mut Recycling) -> Option<Outcome> {
        let (pool, id) = (recycling.pool.clone(), recycling.instance.clone());
        let dice = if self.faults { self.rng.u32(..100) } else { 99 };
        if dice < 5 {
            return Some(Outcome::Failed("the restart failed".into()));
        }
        let mut ends = vec![id];
        if self.canary == Some(Canary::RestartWholePool) {
            let sort = POOLS.iter().find(|sort| pool == sort.pool.into());
            let all = sort.into_iter().flat_map(instances);
            ends.extend(all.filter(|other| *other != recycling.instance));
        }
        for id in ends {
            self.oracle_on_restart(&pool, &id);
            let after = match dice {
                // It does not come up by itself in time.
                5..12 => self.rng.i64(3 * MINUTE..6 * MINUTE),
                _ => self.rng.i64(2 * SECOND..40 * SECOND),
            };
            self.begin_process(&pool, &id, after);
        }
        recycling.awaits = Some((self.now, false));
        None
    }

    fn await_answer(&mut self, recycling: &Recycling, since: Ms, young: bool) -> Option<Outcome> {
        let now = self.now;
        let instance = self.instance(&recycling.pool, &recycling.instance)?;
        if instance.answers(now) {
            return Some(match young {
                true => Outcome::NothingToDo("it was restarted since this was decided".into()),
                false => Outcome::Done("restarted, and it answers".into()),
            });
        }
        let late = now - since >= 2 * MINUTE;
        late.then(|| Outcome::Failed("it does not answer in time".into()))
    }
}
