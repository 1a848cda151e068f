//! The operator: answers proposals, or does not; holds, releases, lifts, starts.

use evenkeel_core::ids::Observer;
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::observation::{Observation, Order, Seen};
use evenkeel_core::record::Phase;

use crate::clock::{MINUTE, SECOND};
use crate::sim::{Happening, Sim};

impl Sim {
    pub(crate) fn operator(&mut self) {
        let next = match self.weather.troubled {
            true => self.rng.i64(15 * SECOND..3 * MINUTE),
            false => 20 * SECOND,
        };
        self.at(self.t + next, Happening::Operator);
        let Some(pump) = &self.pump else {
            return;
        };
        let record = &pump.state.record;
        let mut orders = Vec::new();
        let troubled = self.weather.troubled;
        for id in &record.open_actions {
            let Some(state) = record.actions.get(id) else {
                continue;
            };
            if !matches!(state.phase, Phase::Proposed { .. }) {
                continue;
            }
            match self.rng.u8(..10) {
                0..6 => orders.push(Order::Approve { action: *id }),
                6..8 if troubled => orders.push(Order::Refuse {
                    action: *id,
                    reason: "not now".into(),
                }),
                _ if !troubled => orders.push(Order::Approve { action: *id }),
                _ => {}
            }
        }
        let release = || Order::ReleaseActions {
            reason: "it is over".into(),
        };
        match &record.held {
            Some(_) if !troubled || self.rng.u8(..3) == 0 => orders.push(release()),
            None if troubled && self.rng.u8(..25) == 0 => orders.push(Order::HoldActions {
                reason: "let me look first".into(),
            }),
            _ => {}
        }
        for (kind, scope) in record.stops.keys() {
            if !troubled || self.rng.u8(..4) == 0 {
                orders.push(Order::LiftStop {
                    kind: *kind,
                    scope: scope.clone(),
                });
            }
        }
        if troubled && self.rng.u8(..8) == 0 {
            let jobs: Vec<_> = self
                .world
                .jobs
                .iter()
                .filter(|(_, job)| !job.wrapped)
                .collect();
            if let Some((job, _)) = self.rng.choice(jobs) {
                orders.push(Order::StartJob { job: job.clone() });
            }
        }
        let open = record.incidents.values().rev().find(|incident| {
            incident.status != IncidentStatus::Resolved && incident.acknowledged_by.is_none()
        });
        if let Some(incident) = open
            && self.rng.u8(..4) == 0
        {
            orders.push(Order::Acknowledge {
                incident: incident.id,
            });
        }
        let at = self.clock.wall(self.t);
        for order in orders {
            self.note(|| format!("ana orders {order:?}"));
            self.arrives(Observation {
                at,
                by: Observer::from("operator:ana"),
                seen: Seen::Order(order),
            });
        }
    }
}
