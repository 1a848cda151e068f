//! Pings, and what becomes of heartbeats: taken once each, and never about something that
//! is not there.

use jiff::Timestamp;

use super::Work;
use crate::event::What;
use crate::heartbeat::{Change, HEARTBEATS_MAX, HeartbeatChange, HeartbeatSpec, Ping};
use crate::ids::{HeartbeatId, Observer};
use crate::subject::Subject;

impl Work<'_> {
    pub(super) fn take_ping(&mut self, ping: &Ping, received_at: Timestamp) {
        let record = &self.state.record;
        if ping.order <= record.last.ping {
            return;
        }
        let state = record.heartbeats.get(&ping.heartbeat);
        let Some(spec) = self
            .policy
            .heartbeats
            .get(&ping.heartbeat)
            .or_else(|| state?.spec.as_deref())
        else {
            return;
        };
        let stays_paused = spec.manual_resume && state.is_some_and(|state| state.paused);
        let ignored = stays_paused || (spec.post_only && ping.source.method != "POST");
        self.emit(What::PingReceived {
            ping: ping.clone(),
            received_at,
            ignored,
        });
        self.touch(Subject::Heartbeat(ping.heartbeat.clone()));
    }

    pub(super) fn change_heartbeat(&mut self, by: &Observer, wanted: &HeartbeatChange) {
        let HeartbeatChange { heartbeat, change } = wanted;
        let (heartbeat, by) = (heartbeat.clone(), by.clone());
        let state = self.state.record.heartbeats.get(&heartbeat);
        let configured = self.policy.heartbeats.contains_key(&heartbeat);
        let made = state.is_some_and(|state| state.spec.is_some()) && !configured;
        let paused = state.is_some_and(|state| state.paused);
        let what = match change {
            Change::Create {
                spec,
                unless_slug_taken,
            } => {
                let full = self.state.record.heartbeats.len() >= HEARTBEATS_MAX;
                let taken = *unless_slug_taken && self.slug_is_taken(spec);
                if configured || state.is_some() || full || taken {
                    return;
                }
                What::HeartbeatCreated {
                    heartbeat: heartbeat.clone(),
                    spec: spec.clone(),
                    by,
                }
            }
            Change::Update { spec, due_at } if made => {
                let same = state.is_some_and(|state| state.spec.as_ref() == Some(spec));
                if same {
                    return;
                }
                What::HeartbeatUpdated {
                    heartbeat: heartbeat.clone(),
                    spec: spec.clone(),
                    due_at: *due_at,
                    by,
                }
            }
            Change::Delete if state.is_some() && !configured => What::HeartbeatDeleted {
                heartbeat: heartbeat.clone(),
                by,
            },
            Change::Pause if (made || configured) && !paused => What::HeartbeatPaused {
                heartbeat: heartbeat.clone(),
                by,
            },
            Change::Resume if paused => What::HeartbeatResumed {
                heartbeat: heartbeat.clone(),
                by,
            },
            Change::Schedule { schedule, due_at } if configured => {
                if state.is_some_and(|state| state.schedule.as_ref() == Some(schedule)) {
                    return;
                }
                What::HeartbeatScheduled {
                    heartbeat: heartbeat.clone(),
                    schedule: schedule.clone(),
                    due_at: *due_at,
                }
            }
            _ => return,
        };
        self.emit(what);
        self.touch(Subject::Heartbeat(heartbeat));
    }

    fn slug_is_taken(&self, wanted: &HeartbeatSpec) -> bool {
        let made = self.state.record.heartbeats.values();
        let made = made.filter_map(|state| state.spec.as_deref());
        let specs = self.policy.heartbeats.values().chain(made);
        specs.into_iter().any(|spec| spec.slug == wanted.slug)
    }
}

/// What a heartbeat is, whoever made it.
pub(crate) fn spec_of<'a>(
    view: crate::detect::View<'a>,
    id: &HeartbeatId,
) -> Option<&'a HeartbeatSpec> {
    view.policy
        .heartbeats
        .get(id)
        .or_else(|| view.record.heartbeats.get(id)?.spec.as_deref())
}
