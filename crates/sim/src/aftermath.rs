//! People who write post-mortems, promise measures and forget them; and what holds of all
//! that, judged by what the journal says.

use std::collections::BTreeMap;

use evenkeel_core::Timestamp;
use evenkeel_core::event::{Event, Reminder, What};
use evenkeel_core::ids::IncidentId;
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::language::Language;
use evenkeel_core::notice::{NoticeChange, Nudge, Regime, Step};
use evenkeel_core::observation::{Order, Seen};
use evenkeel_core::postmortem::{
    Edition, MeasureState, Postmortem, PostmortemChange, REMIND_EVERY, REMINDERS_MAX, Section,
};
use evenkeel_core::record::Day;
use evenkeel_core::telling::FreeText;
use evenkeel_core::time;

use crate::canary::Canary;
use crate::sim::{Happening, Sim};
use crate::{MINUTE, at};

/// What the judge remembers.
#[derive(Debug)]
pub(crate) struct AftermathOracle {
    /// Dice of their own: what people write here changes nothing of what happens elsewhere.
    rng: fastrand::Rng,
    /// What was published, as it was.
    editions: BTreeMap<(IncidentId, u32), Edition>,
    /// When each measure was reminded of since it is due on its day.
    reminded: BTreeMap<(IncidentId, u32), Vec<Timestamp>>,
    nudged: BTreeMap<(IncidentId, Regime, Step, Nudge), u32>,
}

impl Default for AftermathOracle {
    fn default() -> Self {
        Self {
            rng: fastrand::Rng::with_seed(17),
            editions: BTreeMap::new(),
            reminded: BTreeMap::new(),
            nudged: BTreeMap::new(),
        }
    }
}

fn words(text: &str) -> FreeText {
    FreeText {
        language: Language::Polish,
        text: text.into(),
    }
}

impl Sim {
    /// Somebody sits down and writes.
    pub(crate) fn writer(&mut self) {
        if !self.faults {
            return;
        }
        let next = self.oracle.aftermath.rng.i64(3 * MINUTE..20 * MINUTE);
        self.plan(self.now + next, Happening::Writer);
        if !self.pump.up {
            return;
        }
        let record = &self.pump.state.record;
        let drafts: Vec<(IncidentId, Postmortem)> = record
            .postmortems()
            .take(4)
            .map(|(id, postmortem)| (id, postmortem.clone()))
            .collect();
        let running: Vec<(IncidentId, Regime)> = record
            .aftermath
            .iter()
            .flat_map(|(id, it)| it.clocks.keys().map(|regime| (*id, *regime)))
            .collect();
        let rng = &mut self.oracle.aftermath.rng;
        if let Some((incident, regime)) = rng.choice(running).filter(|_| rng.u32(..6) == 0) {
            let reason = "three test customers".to_owned();
            let change = match rng.u32(..3) {
                0 => NoticeChange::Stop { reason },
                1 => NoticeChange::Start { reason },
                _ => NoticeChange::Give {
                    step: Step::First,
                    reference: "17".into(),
                },
            };
            let order = Order::Notice {
                incident,
                regime,
                change,
            };
            return self.tell_at_once(order);
        }
        let Some((incident, postmortem)) = rng.choice(drafts) else {
            return;
        };
        let change = match rng.u32(..8) {
            0..3 => {
                let sections = [Section::Summary, Section::Cause, Section::Technical];
                let section = sections[rng.usize(..sections.len())];
                let known = postmortem.sections.get(&section);
                let read = known.map_or(0, |written| written.revision);
                // Some write over what they have not read.
                let stale = u32::from(rng.u32(..4) == 0);
                PostmortemChange::Write {
                    section,
                    text: Some(words(&format!("{}", rng.u32(..1000)))),
                    read: read.saturating_sub(stale),
                }
            }
            3..5 => PostmortemChange::AddMeasure {
                what: words("Osobny serwer."),
                owner: "ana".into(),
                // Some promise for a day that is over.
                due: Day(Day::of(at(self.now)).0 + rng.i64(-3..2)),
            },
            5 => match rng.choice(postmortem.measures) {
                Some(measure) => PostmortemChange::ChangeMeasure {
                    measure: measure.number,
                    state: MeasureState::Done,
                    due: measure.due,
                    reason: None,
                },
                None => return,
            },
            _ => PostmortemChange::Publish {
                read: postmortem.revision(),
                correction: postmortem.published().map(|_| words("Inna przyczyna.")),
            },
        };
        self.tell_at_once(Order::Postmortem { incident, change });
    }

    fn tell_at_once(&mut self, order: Order) {
        let observation = evenkeel_core::observation::Observation {
            at: self.wall(),
            by: "sim".into(),
            seen: Seen::Order(order),
        };
        self.plan(self.now + 1, Happening::Deliver(Box::new(observation)));
    }

    /// What was decided is durable.
    pub(crate) fn judge_aftermath(&mut self, events: &[Event]) {
        for event in events {
            match &event.what {
                What::IncidentStatusChanged {
                    incident,
                    to: IncidentStatus::Resolved,
                    ..
                } => self.judge_draft(*incident, event.at, events),
                What::PostmortemWritten { .. } => self.marks.hit("post-mortem written"),
                What::MeasureChanged {
                    incident, measure, ..
                } => {
                    self.marks.hit("measure done");
                    self.oracle
                        .aftermath
                        .reminded
                        .remove(&(*incident, *measure));
                }
                What::PostmortemPublished {
                    incident, edition, ..
                } => {
                    let mark = match edition {
                        1 => "post-mortem published",
                        _ => "post-mortem corrected",
                    };
                    self.marks.hit(mark);
                    let published = self.pump.shadow.postmortem(*incident);
                    let published = published.and_then(|it| {
                        it.editions
                            .iter()
                            .find(|known| known.number == *edition)
                            .cloned()
                    });
                    if let Some(published) = published {
                        let editions = &mut self.oracle.aftermath.editions;
                        editions.insert((*incident, *edition), published);
                    }
                }
                What::Reminded { incident, of } => self.judge_reminder(*incident, *of, event.at),
                What::NoticeClockStarted { .. } => self.marks.hit("notice clock started"),
                What::NoticeClockStopped { .. } => self.marks.hit("notice clock stopped"),
                _ => {}
            }
        }
        self.judge_editions();
    }

    fn judge_draft(&mut self, id: IncidentId, resolved_at: Timestamp, events: &[Event]) {
        let incident = self.pump.shadow.incidents.get(&id);
        if !incident.is_some_and(|incident| incident.is_public()) {
            return;
        }
        let drafted = events.iter().any(|event| match &event.what {
            What::PostmortemDrafted { incident, facts } => {
                *incident == id && facts.resolved_at == resolved_at
            }
            _ => false,
        });
        match drafted {
            true => self.marks.hit("post-mortem drafted"),
            false => {
                let text = format!("{id} hurt customers and is resolved, and has no draft");
                self.violate("harm-has-a-draft", &text);
            }
        }
    }

    fn judge_reminder(&mut self, incident: IncidentId, of: Reminder, when: Timestamp) {
        match of {
            Reminder::Measure { measure } => {
                self.marks.hit("measure reminded");
                let times = self.oracle.aftermath.reminded.entry((incident, measure));
                let times = times.or_default();
                let early = times
                    .last()
                    .is_some_and(|last| time::since(*last, when) < REMIND_EVERY);
                times.push(when);
                let many = times.len() > REMINDERS_MAX as usize;
                if early || many {
                    let text = format!("measure {measure} after {incident} is reminded of again");
                    self.violate("reminders-are-bounded", &text);
                }
            }
            Reminder::Notice {
                regime,
                step,
                nudge,
            } => {
                let key = (incident, regime, step, nudge);
                let times = self.oracle.aftermath.nudged.entry(key).or_default();
                *times += 1;
                if *times > 1 {
                    let text = format!("{} of {incident} is reminded of twice", regime.name());
                    self.violate("reminders-are-bounded", &text);
                }
            }
        }
    }

    /// What was published is in the record as it was published.
    pub(crate) fn judge_editions(&mut self) {
        let record = &self.pump.state.record;
        let known = self.oracle.aftermath.editions.iter();
        let changed = known
            .filter(|((incident, number), edition)| {
                let kept = record.postmortem(*incident);
                let kept = kept.map(|it| it.editions.iter().find(|it| it.number == *number));
                // An incident that was let go of took its post-mortem with it.
                kept.is_some_and(|kept| kept != Some(*edition))
            })
            .map(|(key, _)| *key)
            .next();
        if let Some((incident, number)) = changed {
            let text = format!("edition {number} of {incident} is no longer what was published");
            self.violate("published-stays", &text);
        }
    }

    /// A canary makes the core forget.
    pub(crate) fn forget_aftermath(&mut self) {
        for aftermath in self.pump.state.record.aftermath.values_mut() {
            let Some(postmortem) = &mut aftermath.postmortem else {
                continue;
            };
            match self.canary {
                Some(Canary::RewritePublished) => {
                    let texts = postmortem.texts();
                    if let Some(edition) = postmortem.editions.first_mut() {
                        edition.texts = texts;
                    }
                }
                Some(Canary::RemindForEver) => {
                    for measure in &mut postmortem.measures {
                        measure.reminders = 0;
                        measure.reminded_at = None;
                    }
                }
                _ => return,
            }
        }
        if self.canary == Some(Canary::ForgetDrafts) {
            self.pump.state.record.aftermath.clear();
        }
    }
}
