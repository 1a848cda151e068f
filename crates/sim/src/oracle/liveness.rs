//! Once nothing fails any more, everything that was begun comes to its end.

use evenkeel_core::action::ActionKind;
use evenkeel_core::finding::Severity;
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::record::Record;
use evenkeel_core::subject::Subject;

use super::{Held, Oracle, Truth};
use crate::clock::{MINUTE, Ms, SECOND, ms};
use crate::world::database::RootKey;
use crate::world::run::Kind;

/// From the first harm of a chain that may be released to its release, in peace: the
/// measure of harm, a cancel that is not obeyed, the end, and a moment each to see it.
const RELEASED_WITHIN: Ms = 45 * SECOND;

/// From the moment a run hangs by its policy to its end.
const ENDED_WITHIN: Ms = MINUTE;

/// Peace has to be old enough for what was in the air to have landed.
const CALM: Ms = MINUTE;

impl Oracle {
    pub(crate) fn in_peace(&mut self, record: Option<&Record>, truth: Truth<'_>) {
        if self.troubled {
            return;
        }
        let since = self.weather_since.max(self.up_since) + CALM;
        let Some(record) = record else {
            return;
        };
        if truth.t < since || record.held.is_some() {
            return;
        }
        let held = self
            .granted_roots_are_released(since, truth)
            .and_then(|()| self.hung_runs_are_ended(since, truth))
            .and_then(|()| self.words_are_handed_over(truth));
        self.hold(held);
    }

    /// A chain whose root may be ended is released within [`RELEASED_WITHIN`].
    fn granted_roots_are_released(&self, since: Ms, truth: Truth<'_>) -> Held {
        for (id, db) in &truth.world.dbs {
            let scope = Subject::Database(id.clone());
            let able = self.has_budget(ActionKind::EndBackend, &scope, truth)
                && !self.is_stopped(ActionKind::EndBackend, &scope);
            if !able {
                continue;
            }
            for (key, harm) in &db.harm {
                let (RootKey::Session(pid, _), Some(began)) = (key, harm.harmful_since) else {
                    continue;
                };
                let ours = db.sessions.get(pid).is_some_and(|root| {
                    matches!(root.shown.role.as_str(), "reporting" | "deploy")
                        && root.blockers.is_empty()
                });
                if ours && truth.t - began.max(since) > RELEASED_WITHIN {
                    return Err((
                        "granted_roots_are_released",
                        format!(
                            "backend {pid} of {id} holds up {} for {} s",
                            harm.waiters.len(),
                            (truth.t - began) / SECOND
                        ),
                    ));
                }
            }
        }
        Ok(())
    }

    /// A run that hangs is ended, where that is granted.
    fn hung_runs_are_ended(&self, since: Ms, truth: Truth<'_>) -> Held {
        for run in truth.world.runs.values().filter(|run| run.is_alive()) {
            let scope = Subject::Job(run.job.clone());
            let able = self.has_budget(ActionKind::EndRun, &scope, truth)
                && !self.is_stopped(ActionKind::EndRun, &scope);
            let stall = truth.policy.jobs.get(&run.job).and_then(|job| job.stall);
            let (Some(stall), Kind::Hung, true) = (stall, run.plan.kind, able) else {
                continue;
            };
            let hung_at = run.moved_at(truth.t).max(since) + stall.as_millis() as Ms;
            if truth.t - hung_at > ENDED_WITHIN {
                return Err((
                    "hung_runs_are_ended",
                    format!(
                        "run {} has not moved for {} s",
                        run.id,
                        (truth.t - run.moved_at(truth.t)) / SECOND
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Each message is handed over at least once.
    fn words_are_handed_over(&self, truth: Truth<'_>) -> Held {
        let late = self.messages.iter().find(|(_, (t, handed))| {
            *handed == 0 && truth.t - (*t).max(self.weather_since) > 10 * MINUTE
        });
        match late {
            Some((message, _)) => Err(("words_are_handed_over", format!("{message} still waits"))),
            None => Ok(()),
        }
    }

    /// At the end of peace nothing is open: no incident, no action, no message.
    pub(crate) fn all_is_over(&mut self, record: &Record, truth: Truth<'_>) {
        let settle = truth.policy.incidents.settle.as_millis() as Ms;
        let now = ms(truth.clock.wall(truth.t));
        let incident = record.incidents.values().find(|incident| {
            let quiet = incident.quiet_since.map_or(0, |since| now - ms(since));
            incident.status != IncidentStatus::Resolved && (quiet == 0 || quiet > settle + MINUTE)
        });
        let finding = record
            .findings
            .values()
            .find(|f| f.finding.severity > Severity::Notice);
        let old = |at: evenkeel_core::Timestamp| now - ms(at) > 3 * MINUTE;
        let mut open = record
            .open_actions
            .iter()
            .filter_map(|id| record.actions.get(id));
        let action = open.find(|state| old(state.action.decided_at));
        let mut open = record
            .open_messages
            .iter()
            .filter_map(|id| record.messages.get(id));
        let message = open.find(|state| old(state.message.at));
        let left = if let Some(finding) = finding {
            format!("{} holds: {}", finding.finding.key, finding.finding.reason)
        } else if let Some(incident) = incident {
            format!(
                "{} is {}, with {:?}",
                incident.id,
                incident.status.as_str(),
                incident.open_findings
            )
        } else if let Some(action) = action {
            format!(
                "{} {} is {:?}",
                action.action.id, action.action.task, action.phase
            )
        } else if let Some(message) = message {
            format!("{} was not handed over", message.message.id)
        } else {
            return;
        };
        self.hold(Err(("all_is_over", left)));
    }
}
