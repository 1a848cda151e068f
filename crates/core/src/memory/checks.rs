//! What is remembered of checks: how each went lately, seen from each place.
//!
//! A result that says what the one before said costs a look-up and nothing more: no
//! subject is touched, no detector asked. That is nearly every result, and there may be
//! ten thousand checks.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use core::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Memory;
use crate::ids::{CheckId, ComponentId, Observer};
use crate::observation::{CheckOutcome, CheckResult};
use crate::policy::{CheckPolicy, Policy};
use crate::subject::Subject;
use crate::time;

/// Places a check is seen from; more are not believed.
const VANTAGES_MAX: usize = 16;

/// What is remembered of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CheckMemory {
    /// How it went lately, by who saw it.
    pub(crate) vantages: BTreeMap<Observer, VantageMemory>,
    /// Why it could not be made, where it could not be made last.
    pub(crate) not_made: Option<String>,
}

/// How a check went lately, seen from one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VantageMemory {
    /// When it was last made.
    pub(crate) at: Timestamp,
    /// Failures in a row; zero where it passed last.
    pub(crate) failures: u32,
    /// The first of them: when it was, and what was wrong.
    pub(crate) failing: Option<Failing>,
    /// Passes in a row that took too long.
    pub(crate) slow: u32,
    /// How long it took last.
    pub(crate) took: Duration,
    /// When the served certificate ends.
    pub(crate) certificate_expires_at: Option<Timestamp>,
}

/// The first of some failures in a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failing {
    pub(crate) since: Timestamp,
    pub(crate) why: String,
    pub(crate) step: Option<String>,
}

/// What is known of the targets that are not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum References {
    /// None is configured: there is nothing to doubt ourselves by.
    None,
    /// At least one answered, last at this time.
    Answer(Timestamp),
    /// All that were asked lately failed, more than once.
    Fail,
    /// Nothing is known of them now.
    Unknown,
}

/// Failures in a row of a reference that count: a single lost packet is no blindness.
const REFERENCE_FAILURES: u32 = 2;

impl CheckMemory {
    /// Results of places that have looked lately.
    pub(crate) fn fresh<'a>(
        &'a self,
        policy: &CheckPolicy,
        now: Timestamp,
    ) -> impl Iterator<Item = &'a VantageMemory> {
        let fresh_for = policy.fresh_for();
        self.vantages
            .values()
            .filter(move |vantage| time::since(vantage.at, now) <= fresh_for)
    }
}

impl Memory {
    /// After a restart: every check is still to be seen, and is looked at when it should
    /// have been.
    pub(crate) fn expect_checks(&mut self, policy: &Policy, now: Timestamp) {
        for (id, check) in &policy.checks {
            self.lose_sight_of(id, check);
            let due = time::after(now, check.fresh_for());
            self.timers.insert((due, Subject::Check(id.clone())));
        }
    }

    fn lose_sight_of(&mut self, id: &CheckId, policy: &CheckPolicy) {
        for component in &policy.components {
            self.unseen
                .entry(component.clone())
                .or_default()
                .insert(id.clone());
        }
    }

    /// Whether every check of a component was made lately.
    pub(crate) fn sees_checks_of(&self, component: &ComponentId) -> bool {
        self.unseen.get(component).is_none_or(BTreeSet::is_empty)
    }

    /// When a check is to be looked at next, a timer of it having come due: its newest
    /// result may have grown old.
    pub(crate) fn check_grows_old(&mut self, policy: &Policy, id: &CheckId, now: Timestamp) {
        let Some(check) = policy.checks.get(id) else {
            return;
        };
        let memory = self.checks.get(id);
        let newest = memory
            .into_iter()
            .flat_map(|memory| memory.fresh(check, now))
            .map(|vantage| vantage.at)
            .max();
        match newest {
            Some(at) => {
                let due = time::after(at, check.fresh_for()).max(time::after(now, TIMER_REST));
                self.timers.insert((due, Subject::Check(id.clone())));
            }
            None => self.lose_sight_of(id, check),
        }
    }

    /// Takes a result in. Returns whether it says anything new.
    pub(crate) fn see_check(
        &mut self,
        policy: &CheckPolicy,
        by: &Observer,
        result: &CheckResult,
        at: Timestamp,
        now: Timestamp,
    ) -> bool {
        let at = at.min(now);
        let id = &result.check;
        let memory = self.checks.entry(id.clone()).or_default();
        let had_been_made = memory.not_made.take().is_none();
        let (failed, why) = match &result.outcome {
            CheckOutcome::NotMade { why } => {
                let is_news = had_been_made;
                memory.not_made = Some(why.clone());
                return is_news;
            }
            CheckOutcome::Passed => (false, None),
            CheckOutcome::Failed { why, step } => (true, Some((why, step))),
        };
        let was_fresh = memory.fresh(policy, now).next().is_some();
        if memory.vantages.len() >= VANTAGES_MAX && !memory.vantages.contains_key(by) {
            return false;
        }
        let vantage = memory
            .vantages
            .entry(by.clone())
            .or_insert_with(|| VantageMemory {
                at: Timestamp::MIN,
                failures: 0,
                failing: None,
                slow: 0,
                took: Duration::ZERO,
                certificate_expires_at: None,
            });
        if at <= vantage.at {
            return false;
        }
        let failed_before = vantage.failures > 0;
        let slow_before = vantage.slow > 0;
        let took = Duration::from_millis(result.took_ms.into());
        vantage.at = at;
        vantage.took = took;
        if result.certificate_expires_at.is_some() {
            vantage.certificate_expires_at = result.certificate_expires_at;
        }
        if let Some((why, step)) = why {
            vantage.failures = vantage.failures.saturating_add(1);
            vantage.slow = 0;
            vantage.failing.get_or_insert_with(|| Failing {
                since: at,
                why: why.clone(),
                step: step.clone(),
            });
        } else {
            vantage.failures = 0;
            vantage.failing = None;
            let slow = policy.slow_after.is_some_and(|limit| took > limit);
            vantage.slow = if slow {
                vantage.slow.saturating_add(1)
            } else {
                0
            };
        }
        let slow = vantage.slow > 0;
        let ends_soon = policy
            .certificate_days
            .zip(vantage.certificate_expires_at)
            .is_some_and(|(days, end)| at >= certificate_due(end, days));
        if memory.vantages.values().any(|vantage| vantage.failures > 0) {
            self.failing.insert(id.clone());
        } else {
            self.failing.remove(id);
        }
        if !was_fresh {
            let due = time::after(at, policy.fresh_for());
            self.timers.insert((due, Subject::Check(id.clone())));
            for component in &policy.components {
                if let Some(unseen) = self.unseen.get_mut(component) {
                    unseen.remove(id);
                }
            }
        }
        !was_fresh || !had_been_made || failed || failed_before || slow || slow_before || ends_soon
    }

    /// What is known of the targets that are not ours.
    pub fn references(&self, policy: &Policy, now: Timestamp) -> References {
        if policy.references.is_empty() {
            return References::None;
        }
        let mut answered: Option<Timestamp> = None;
        let (mut asked, mut failing) = (0_usize, 0_usize);
        for id in &policy.references {
            let (Some(check), Some(memory)) = (policy.checks.get(id), self.checks.get(id)) else {
                continue;
            };
            for vantage in memory.fresh(check, now) {
                asked += 1;
                failing += usize::from(vantage.failures >= REFERENCE_FAILURES);
                if vantage.failures == 0 {
                    answered = answered.max(Some(vantage.at));
                }
            }
        }
        match answered {
            Some(at) => References::Answer(at),
            None if asked > 0 && asked == failing => References::Fail,
            None => References::Unknown,
        }
    }
}

/// A timer that finds its subject well waits at least so long.
const TIMER_REST: Duration = Duration::from_secs(1);

/// From when on a certificate that ends at `end` is to be reported.
pub(crate) fn certificate_due(end: Timestamp, days: u32) -> Timestamp {
    time::before(end, Duration::from_secs(u64::from(days) * 24 * 3600))
}
