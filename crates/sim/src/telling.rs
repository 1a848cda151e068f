//! People who tell customers, and what holds of every public word.
//!
//! They write updates, promise and forget, correct, approve and veto; sometimes they say
//! that it is better than it looks, with a reason and without. What is judged here is what
//! the journal says was told, against what it says was found.

use std::collections::BTreeMap;

use evenkeel_core::Timestamp;
use evenkeel_core::event::{Event, What};
use evenkeel_core::finding::{Finding, FindingKey};
use evenkeel_core::ids::{ComponentId, IncidentId, MessageId};
use evenkeel_core::incident::{Incident, IncidentStatus};
use evenkeel_core::language::Language;
use evenkeel_core::message::{Body, Message};
use evenkeel_core::observation::{Order, Seen};
use evenkeel_core::policy::TellMode;
use evenkeel_core::status::Status;
use evenkeel_core::telling::{Correct, DataAffected, FreeText, PersonWord, Tell, ToldFacts};

use crate::canary::Canary;
use crate::sim::{Happening, Sim};
use crate::{MINUTE, Ms, SECOND, at};

/// Within this time of harm that was found, customers are told.
const TOLD_WITHIN: Ms = 60 * SECOND;

/// How long after it was promised a word may come, and the operator be called.
const PROMISE_SLACK: Ms = 60 * SECOND;

/// The one reason people here have.
const REASON: &str = "what sees it is wrong";

/// What customers were told last of an incident.
#[derive(Debug, Clone)]
struct Told {
    status: IncidentStatus,
    components: BTreeMap<ComponentId, Status>,
    next_update_at: Option<Timestamp>,
    /// A person said it is better than it looks, and why.
    reasoned: bool,
}

/// What the judge remembers.
#[derive(Debug, Default)]
pub(crate) struct TellingOracle {
    /// What open findings do, and where they belong.
    pub(crate) harms: BTreeMap<FindingKey, (Option<IncidentId>, BTreeMap<ComponentId, Status>)>,
    told: BTreeMap<IncidentId, Told>,
    /// Since when an incident hurts customers who have not been told.
    untold: BTreeMap<IncidentId, Ms>,
    promises: BTreeMap<IncidentId, Timestamp>,
    newest: Option<MessageId>,
    /// Every public word with what it said: it is never to change.
    words: BTreeMap<MessageId, Message>,
}

/// Public words that are held against the record at a restart, the newest.
const REMEMBERED: usize = 64;

impl TellingOracle {
    fn found(&mut self, finding: &Finding) {
        let entry = self.harms.entry(finding.key.clone()).or_default();
        entry.1.clone_from(&finding.harms);
    }

    fn joins(&mut self, incident: IncidentId, key: &FindingKey) {
        if let Some((of, _)) = self.harms.get_mut(key) {
            *of = Some(incident);
        }
    }

    /// Who is hurt now and does not know.
    fn note_untold(&mut self, now: Ms, hurt: &[IncidentId]) {
        let hurt = hurt.iter().copied();
        let hurt: Vec<IncidentId> = hurt
            .filter(|incident| {
                let told = self.told.get(incident);
                told.is_none_or(|told| told.status == IncidentStatus::Resolved && !told.reasoned)
            })
            .collect();
        self.untold.retain(|incident, _| hurt.contains(incident));
        for incident in hurt {
            self.untold.entry(incident).or_insert(now);
        }
    }
}

impl Sim {
    /// A person writes to customers.
    pub(crate) fn teller(&mut self) {
        if !self.faults {
            return;
        }
        let next = self.rng.i64(MINUTE..15 * MINUTE);
        self.plan(self.now + next, Happening::Teller);
        if !self.pump.up {
            return;
        }
        let incidents = self.pump.state.record.incidents.values().rev();
        let shown: Vec<&Incident> = incidents
            .filter(|incident| incident.is_public())
            .take(3)
            .collect();
        if shown.is_empty() {
            return;
        }
        let incident = shown[self.rng.usize(..shown.len())].clone();
        let order = match (self.rng.u32(..10), &incident.pending) {
            (0..4, Some(_)) => Order::ApproveWord {
                incident: incident.id,
            },
            (4..7, Some(_)) => Order::RefuseWord {
                incident: incident.id,
                reason: "not so".into(),
            },
            (0, None) => match self.draw_word(incident.id) {
                Some(message) => Order::Correct(Correct {
                    message,
                    text: Some(words()),
                    facts: ToldFacts::default(),
                    reason: None,
                }),
                None => return,
            },
            _ => Order::Tell(self.draw_update(incident.id)),
        };
        self.tell_now(Seen::Order(order));
    }

    fn draw_word(&mut self, incident: IncidentId) -> Option<MessageId> {
        let messages = self.pump.state.record.messages.values().rev();
        let mut words = messages
            .map(|state| &state.message)
            .filter(|message| message.incident == Some(incident))
            .filter(|message| matches!(message.body, Body::Public { .. }));
        words.nth(self.rng.usize(..2)).map(|message| message.id)
    }

    fn draw_update(&mut self, incident: IncidentId) -> Tell {
        let status = match self.rng.u32(..8) {
            0..2 => IncidentStatus::Investigating,
            2..5 => IncidentStatus::Identified,
            5..7 => IncidentStatus::Monitoring,
            _ => IncidentStatus::Resolved,
        };
        let promises = self.rng.bool();
        let ahead = self.rng.i64(5 * MINUTE..12 * MINUTE);
        let has_reason = self.rng.u32(..3) == 0;
        let says_better = self.canary == Some(Canary::NoReasonNeeded);
        let data = self.rng.bool().then_some(DataAffected::BeingChecked);
        Tell {
            incident,
            status,
            text: self.rng.bool().then(words),
            facts: ToldFacts {
                data,
                ..ToldFacts::default()
            },
            next_update_at: promises.then(|| at(self.now + self.offset + ahead + SECOND)),
            reason: match (has_reason, says_better) {
                (true, _) => Some(REASON.into()),
                // The hand makes one up.
                (false, true) => Some("-".into()),
                (false, false) => None,
            },
        }
    }

    /// What was decided is durable.
    pub(crate) fn judge_told(&mut self, events: &[Event]) {
        for event in events {
            let oracle = &mut self.oracle.telling;
            match &event.what {
                What::FindingOpened { finding } | What::FindingUpdated { finding } => {
                    oracle.found(finding);
                }
                What::FindingCleared { key, .. } => {
                    oracle.harms.remove(key);
                    self.oracle.maintenance.forget(key);
                }
                What::IncidentOpened {
                    incident, finding, ..
                } => oracle.joins(*incident, finding),
                What::IncidentUpdated {
                    incident,
                    finding: Some(finding),
                    ..
                } => oracle.joins(*incident, finding),
                What::MessageRequested { message } => self.judge_message(event.at, message),
                What::WordProposed { .. } => self.marks.hit("word proposed"),
                What::WordWithdrawn { by: Some(_), .. } => self.marks.hit("word refused"),
                What::WordWithdrawn { by: None, .. } => self.marks.hit("word withdrawn"),
                _ => {}
            }
        }
        let hurt = self.oracle.incidents_that_hurt();
        self.oracle.telling.note_untold(self.now, &hurt);
        self.judge_times();
        self.judge_cover();
    }

    fn judge_message(&mut self, when: Timestamp, message: &Message) {
        let Some(incident) = message.incident else {
            return;
        };
        let is_new = self.oracle.telling.newest < Some(message.id);
        self.oracle.telling.newest = Some(message.id);
        if !is_new {
            let text = format!("{} is told again", message.id);
            self.violate("told-once", &text);
        }
        match &message.body {
            Body::Operator { headline, .. } if headline.ends_with("is late") => {
                self.marks.hit("promise late");
                self.oracle.telling.promises.remove(&incident);
            }
            Body::Operator { .. } | Body::Maintenance(_) => {}
            Body::Public {
                status,
                components,
                next_update_at,
                person,
                approved_by,
                ..
            } => {
                let words = &mut self.oracle.telling.words;
                words.insert(message.id, message.clone());
                while words.len() > REMEMBERED {
                    words.pop_first();
                }
                if person.as_ref().is_some_and(|word| word.corrects.is_some()) {
                    self.marks.hit("corrected");
                    return;
                }
                if approved_by.is_some() {
                    self.marks.hit("word approved");
                }
                let told = Told {
                    status: *status,
                    components: components.clone(),
                    next_update_at: *next_update_at,
                    reasoned: false,
                };
                self.judge_word(when, incident, told, person.as_deref());
            }
        }
    }

    fn judge_word(
        &mut self,
        when: Timestamp,
        incident: IncidentId,
        mut told: Told,
        person: Option<&PersonWord>,
    ) {
        let before = self.oracle.telling.told.get(&incident).cloned();
        let better = told.status >= IncidentStatus::Monitoring;
        let gave_reason = person.is_some_and(|word| word.reason.as_deref() == Some(REASON));
        // Without a person it may only go on saying what one said with a reason.
        let goes_on = person.is_none()
            && before
                .as_ref()
                .is_some_and(|before| before.reasoned && before.status == told.status);
        told.reasoned = better && (gave_reason || goes_on);
        if better && self.oracle.is_live(incident) {
            if told.reasoned {
                self.marks.hit("better with a reason");
            } else {
                let text = format!(
                    "{incident} is told to be {} while it is seen to hurt, without a reason",
                    told.status.as_str()
                );
                self.violate("better-needs-a-reason", &text);
            }
        }
        if let Some(word) = person {
            self.marks.hit("told by a person");
            self.oracle.telling.promises.remove(&incident);
            if let Some(until) = told.next_update_at.filter(|_| word.promised) {
                self.oracle.telling.promises.insert(incident, until);
            }
        } else if let Some(before) = &before {
            let says_nothing = before.status == told.status && before.components == told.components;
            let early = before.next_update_at.is_none_or(|at| at > when);
            if says_nothing && early {
                let text = format!("{incident} is told twice, with nothing new");
                self.violate("told-once", &text);
            }
        }
        if told.status == IncidentStatus::Resolved {
            self.oracle.telling.promises.remove(&incident);
        }
        self.oracle.telling.told.insert(incident, told);
    }

    /// First words and promises that are late.
    pub(crate) fn judge_times(&mut self) {
        if !self.pump.up || !self.pump.nothing_waits() {
            return;
        }
        let steady = self
            .pump
            .refuses_until
            .max(self.pump.back_at)
            .max(self.jumped_at);
        let automatic = self.policy.telling.mode == TellMode::Automatic;
        let late = self.oracle.telling.untold.iter();
        let late = late
            .map(|(incident, since)| (*incident, self.now - steady.max(*since)))
            .find(|(_, span)| automatic && *span > TOLD_WITHIN);
        if let Some((incident, span)) = late {
            let text = format!(
                "{incident} has hurt customers for {} s, and they were told nothing",
                span / SECOND
            );
            self.violate("first-word-in-time", &text);
        }
        let wall = self.wall();
        let promises = self.oracle.telling.promises.iter();
        let missed = promises
            .filter(|(_, until)| {
                let over = wall.duration_since(**until).as_millis();
                over > i128::from(PROMISE_SLACK)
            })
            .map(|(incident, _)| *incident)
            .next();
        if let Some(incident) = missed.filter(|_| self.now - steady > PROMISE_SLACK) {
            let text = format!("a promised word on {incident} is late, and nobody was called");
            self.violate("promises-are-kept", &text);
        }
    }

    /// What was told is in the record as it was told.
    pub(crate) fn judge_words_kept(&mut self) {
        let messages = &self.pump.state.record.messages;
        let words = self.oracle.telling.words.values();
        let changed = words
            .filter(|word| {
                let kept = messages.get(&word.id);
                kept.is_some_and(|kept| kept.message != **word)
            })
            .map(|word| word.id)
            .next();
        if let Some(id) = changed {
            self.violate("told-once", &format!("{id} is no longer what was told"));
        }
    }

    /// What people called worse than it looks, they say is over.
    pub(crate) fn tell_what_is_over(&mut self) {
        let incidents = self.pump.state.record.incidents.values();
        let held: Vec<IncidentId> = incidents
            .filter(|incident| incident.said.as_ref().is_some_and(|said| said.worsens))
            .map(|incident| incident.id)
            .collect();
        for incident in held {
            self.tell_now(Seen::Order(Order::Tell(Tell {
                incident,
                status: IncidentStatus::Resolved,
                text: None,
                facts: ToldFacts::default(),
                next_update_at: None,
                reason: Some(REASON.into()),
            })));
        }
    }

    /// A canary makes the core forget.
    pub(crate) fn forget_what_was_told(&mut self) {
        for incident in self.pump.state.record.incidents.values_mut() {
            match self.canary {
                Some(Canary::ForgetPromises) => incident.promise = None,
                Some(Canary::TellTwice) => {
                    if let Some(word) = &mut incident.last_word {
                        word.components.clear();
                    }
                }
                _ => return,
            }
        }
    }
}

fn words() -> FreeText {
    FreeText {
        language: Language::Danish,
        text: "Vi arbejder på det.".into(),
    }
}
