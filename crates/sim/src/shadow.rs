//! A core restarted at any moment does no harm.
//!
//! Now and then a second core is started from the journal as it stands, and given what the
//! live one is given from then on. As long as both decide the same, nothing is to be said.
//! Once they differ, what the second wants to do is judged by the same invariants, and it
//! has served.

use evenkeel_core::Timestamp;
use evenkeel_core::event::{Event, What};
use evenkeel_core::observation::Observation;
use evenkeel_core::step::{State, step};

use crate::clock::Ms;
use crate::oracle::Truth;
use crate::sim::Sim;

/// Steps a shadow is kept for: with pictures every few seconds, some minutes.
const STEPS: u32 = 200;

pub(crate) struct Shadow {
    state: State,
    left: u32,
    since_revision: u64,
    since: Ms,
}

impl Sim {
    /// What a core would decide that had been restarted a while ago.
    pub(crate) fn shadow_decides(
        &mut self,
        revision: u64,
        inputs: &[Observation],
        now: Timestamp,
    ) -> Option<Vec<Event>> {
        if self.shadow.is_none() && self.rng.u16(..1500) == 0 {
            self.marks.hit("a shadow core is started");
            let record = self.journal.fold();
            self.shadow = Some(Shadow {
                since_revision: record.revision,
                state: State::after_restart(record),
                left: STEPS,
                since: self.t,
            });
        }
        let shadow = self.shadow.as_mut()?;
        if shadow.state.record.revision != revision {
            self.shadow = None;
            return None;
        }
        shadow.left -= 1;
        Some(step(&mut shadow.state, &self.core_policy, inputs, now))
    }

    /// Compares it with what was decided.
    pub(crate) fn compare_shadow(&mut self, shadows: Option<Vec<Event>>, live: &[Event]) {
        let Some(events) = shadows else {
            return;
        };
        let over = self.shadow.as_ref().is_none_or(|shadow| shadow.left == 0);
        if events == live {
            if over {
                self.shadow = None;
            }
            return;
        }
        self.marks.hit("a shadow core decides otherwise");
        let Some(Shadow {
            since_revision,
            since,
            ..
        }) = self.shadow.take()
        else {
            return;
        };
        let truth = Truth {
            world: &self.world,
            policy: &self.policy,
            clock: &self.clock,
            t: self.t,
            knows_since: since,
        };
        for event in &events {
            let held = match &event.what {
                What::ActionRequested {
                    action,
                    approved_by,
                } => self
                    .oracle
                    .may_request(action, approved_by.is_some(), event.at, truth),
                What::FindingCleared { key, .. } => self.oracle.cleared_means_over(key, truth),
                What::FindingOpened { finding } => self.oracle.opened_means_so(&finding.key, truth),
                _ => Ok(()),
            };
            let held = held.map_err(|(name, what)| {
                (
                    name,
                    format!("a core restarted at revision {since_revision}: {what}"),
                )
            });
            self.oracle.hold(held);
        }
    }
}
