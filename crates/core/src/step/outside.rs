//! What a witness told customers while this host was out of reach.
//!
//! Nothing here failed, as far as could be seen from here: the service answers its own
//! host. Customers could not reach it all the same, and were told so by the witness, whose
//! page the keeper's takes the place of. So that what they read is not gone with it, it
//! becomes an incident that is over, with a public word that says so, once every component
//! it hurt is seen to work, with the draft of a post-mortem like any other that hurt. It
//! opens no finding: there is nothing to be done any more.

use alloc::collections::BTreeMap;

use super::Work;
use crate::event::What;
use crate::ids::{ComponentId, IncidentId};
use crate::incident::IncidentStatus;
use crate::message::Body;
use crate::observation::OutsideWord;
use crate::policy::TellMode;
use crate::status::Status;

impl Work<'_> {
    pub(super) fn hear_outside(&mut self, word: &OutsideWord) {
        let components: BTreeMap<ComponentId, Status> = word
            .components
            .iter()
            .filter(|(id, status)| status.is_harm() && self.policy.components.contains_key(*id))
            .map(|(id, status)| (id.clone(), *status))
            .collect();
        // Each copy says the same.
        let mut incidents = self.state.record.incidents.values();
        let is_known = incidents.any(|known| {
            known.opened_at == word.since
                && known.open_findings.is_empty()
                && known.cleared_findings.is_empty()
        });
        if components.is_empty() || is_known || word.until <= word.since {
            return;
        }
        self.state.memory.outside = Some(OutsideWord {
            components,
            // Two clocks: it was told within the time that it tells of.
            told_at: word.told_at.clamp(word.since, word.until),
            ..word.clone()
        });
    }

    pub(super) fn settle_outage(&mut self) {
        let Some(word) = &self.state.memory.outside else {
            return;
        };
        let works = |id: &ComponentId| {
            let state = self.state.record.components.get(id);
            state.is_some_and(|state| state.status == Status::Operational)
        };
        if !word.components.keys().all(works) {
            return;
        }
        let Some(word) = self.state.memory.outside.take() else {
            return;
        };
        let incident = IncidentId(self.state.record.last.incident + 1);
        let components: BTreeMap<ComponentId, Status> = word
            .components
            .keys()
            .map(|id| (id.clone(), Status::Operational))
            .collect();
        self.emit(What::OutageLearned {
            incident,
            since: word.since,
            told_at: word.told_at,
            until: word.until,
            components: word.components.clone(),
        });
        self.start_clock_after(incident, &word);
        // Where people are asked before, it is theirs to tell: `evenkeel tell I-7 resolved`.
        if self.policy.telling.mode == TellMode::Automatic {
            self.request(
                Some(incident),
                Body::Public {
                    status: IncidentStatus::Resolved,
                    components,
                    since: word.since,
                    next_update_at: None,
                    person: None,
                    approved_by: None,
                },
            );
        }
    }
}
