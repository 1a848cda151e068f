//! The one path: observations in, events out.
//!
//! [`step`] absorbs what was seen, lets every detector judge the subjects it touched (and
//! those that asked to be looked at again), turns findings into incidents, asks every
//! response what it would do, lets authority decide whether it may, and says what is to
//! be told. It applies each event to the record as it goes, so that a later decision in
//! the same step sees the earlier one.
//!
//! The caller makes the events durable before anything is done about them. If that fails
//! for good, it drops the state and folds the journal anew: nothing was handed out.

mod absorb;
mod actions;
mod aftermath;
mod calling;
pub(crate) mod heartbeats;
mod incidents;
mod maintenance;
mod messages;
mod outside;
mod telling;
mod watch;

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use jiff::Timestamp;

use crate::detect::{DETECTORS, Judgement, Verdict, View};
use crate::event::{Event, What};
use crate::finding::{Finding, FindingKey};
use crate::ids::{ComponentId, JobId};
use crate::memory::{GAP_MAX, Memory};
use crate::observation::Observation;
use crate::policy::Policy;
use crate::record::Record;
use crate::respond::start_run;
use crate::subject::Subject;
use crate::time;

/// What the core knows: the record, and the memory of recent observations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// A fold of the journal.
    pub record: Record,
    /// What detectors remember.
    pub memory: Memory,
}

impl State {
    /// A state after a restart, from the folded journal.
    pub fn after_restart(record: Record) -> Self {
        let memory = Memory::after_restart(&record);
        Self { record, memory }
    }

    /// When the next step is due although nothing is seen; `None` where nothing waits.
    pub fn next_step_at(&self, policy: &Policy) -> Option<Timestamp> {
        let promises = incidents::next_change(&self.record, policy);
        let planned = maintenance::next_change(&self.record, policy);
        let view = View {
            policy,
            record: &self.record,
            memory: &self.memory,
            now: Timestamp::MIN,
        };
        let actions = actions::next_change(view);
        // Whether it is quiet depends on when: as it was when it was last decided.
        let calls = calling::next_change(View {
            now: self.memory.last_step.unwrap_or(Timestamp::MIN),
            ..view
        });
        let aftermath = self.memory.aftermath_due.0.unwrap_or_else(|| {
            aftermath::next_change(View {
                now: self.memory.last_step.unwrap_or(Timestamp::MIN),
                ..view
            })
        });
        let next = [
            self.memory.next_timer(),
            promises,
            planned,
            actions,
            calls,
            aftermath,
        ];
        next.into_iter().flatten().min()
    }
}

/// Decides. Pure: the same state, policy, inputs and `now` give the same events and leave
/// the same state, on every machine.
pub fn step(
    state: &mut State,
    policy: &Policy,
    inputs: &[Observation],
    now: Timestamp,
) -> Vec<Event> {
    let mut work = Work {
        state,
        policy,
        now,
        events: Vec::new(),
        touched: BTreeSet::new(),
        components: BTreeSet::new(),
        lost_sight: false,
        news: Vec::new(),
        failures: Vec::new(),
        aftermath_seen: 0,
    };
    work.keep_time();
    work.state.memory.tracked_since.get_or_insert(now);
    work.begin();
    work.turn_maintenances();
    for observation in inputs {
        work.absorb(observation);
    }
    // What was planned or ended just now may be due at once.
    work.turn_maintenances();
    for subject in work.state.memory.take_due(now) {
        if let Subject::Check(id) = &subject {
            work.state.memory.check_grows_old(policy, id, now);
        }
        work.touch(subject);
    }
    work.settle();
    work.count_failures();
    work.state.memory.last_step = Some(now);
    work.note_aftermath_due();
    work.events
}

/// Rounds in which consequences of consequences are followed within one step. Three are
/// known to happen (finding, action stopped, finding about that); what is left over waits
/// for the next step.
const ROUNDS_MAX: usize = 5;

pub(crate) struct Work<'a> {
    state: &'a mut State,
    policy: &'a Policy,
    now: Timestamp,
    events: Vec<Event>,
    touched: BTreeSet<Subject>,
    /// Components whose status may be another one.
    components: BTreeSet<ComponentId>,
    /// Nobody looked for a while: what is not seen again in this step is unknown.
    lost_sight: bool,
    /// What is to be told of maintenances.
    news: Vec<maintenance::News>,
    /// What failed, to be counted once it is known which incident it belongs to.
    failures: Vec<aftermath::Failure>,
    /// How many of the events were looked at for what is left to do of incidents.
    aftermath_seen: usize,
}

impl Work<'_> {
    fn view(&self) -> View<'_> {
        View {
            policy: self.policy,
            record: &self.state.record,
            memory: &self.state.memory,
            now: self.now,
        }
    }

    fn emit(&mut self, what: What) {
        let key = match &what {
            What::FindingOpened { finding } | What::FindingUpdated { finding } => {
                self.components.extend(finding.harms.keys().cloned());
                Some(&finding.key)
            }
            What::FindingCleared { key, .. } => Some(key),
            _ => None,
        };
        if let Some(open) = key.and_then(|key| self.state.record.findings.get(key)) {
            self.components.extend(open.finding.harms.keys().cloned());
        }
        let event = Event { at: self.now, what };
        self.state.record.apply(&event);
        self.events.push(event);
    }

    fn touch(&mut self, subject: Subject) {
        self.touched.insert(subject);
    }

    fn keep_time(&mut self) {
        let Some(last) = self.state.memory.last_step else {
            return;
        };
        if self.now < last || time::since(last, self.now) > GAP_MAX {
            let State { record, memory } = &mut *self.state;
            memory.lose_track(record, last, self.now);
            if last < self.now {
                self.was_unobserved(last);
            }
        }
    }

    /// The first step of a memory: what the configuration has is made known to it.
    fn begin(&mut self) {
        if self.state.memory.last_step.is_some() {
            return;
        }
        self.state.memory.take_stock(self.policy);
        self.state.memory.expect_checks(self.policy, self.now);
        let routes = self.policy.routes.values();
        let pools = routes.map(|route| Subject::Pool(route.pool.clone()));
        self.touched.extend(pools);
        self.introduce_components();
        self.touch_all_components();
        self.clear_what_is_gone();
        self.call_off_what_is_gone();
    }

    fn settle(&mut self) {
        for round in 0..ROUNDS_MAX {
            let touched = core::mem::take(&mut self.touched);
            for subject in &touched {
                self.settle_readiness(subject);
                self.judge(subject);
            }
            self.prove_actions();
            for subject in &touched {
                self.respond_to(subject);
            }
            self.settle_incidents();
            self.settle_components();
            self.settle_outage();
            self.tell();
            self.tell_of_maintenances();
            self.settle_aftermath();
            if self.touched.is_empty() {
                return;
            }
            if round + 1 == ROUNDS_MAX {
                let left = core::mem::take(&mut self.touched);
                for subject in &left {
                    self.state.memory.look_again(self.now, subject);
                }
            }
        }
    }

    fn judge(&mut self, subject: &Subject) {
        for detector in DETECTORS {
            let Some(Verdict {
                judgement,
                again_at,
            }) = (detector.judge)(self.view(), subject)
            else {
                continue;
            };
            if let Some(at) = again_at {
                self.state.memory.look_again(at.max(self.now), subject);
            }
            let key = FindingKey {
                kind: detector.kind,
                subject: subject.clone(),
            };
            match judgement {
                Judgement::Holds(finding) => self.hold(*finding),
                Judgement::Clear(reason) => self.clear(key, reason),
                Judgement::Unknown => {}
            }
        }
    }

    fn hold(&mut self, finding: Finding) {
        match self.state.record.findings.get(&finding.key) {
            None => {
                let key = finding.key.clone();
                self.emit(What::FindingOpened { finding });
                self.place_in_incident(&key);
            }
            Some(open) if tells_anew(&open.finding, &finding) => {
                let key = finding.key.clone();
                self.emit(What::FindingUpdated { finding });
                self.place_in_incident(&key);
            }
            Some(_) => {}
        }
    }

    fn clear(&mut self, key: FindingKey, reason: String) {
        if self.state.record.findings.contains_key(&key) {
            self.close_proposals(&key);
            self.emit(What::FindingCleared { key, reason });
        }
    }

    fn respond_to(&mut self, subject: &Subject) {
        self.answer_findings(subject);
        if let Subject::Job(job) = subject {
            self.start_if_due(job);
        }
    }

    fn start_if_due(&mut self, job: &JobId) {
        let (wish, again_at) = start_run::wish(self.view(), job);
        if let Some(at) = again_at {
            self.state
                .memory
                .timers
                .insert((at, Subject::Job(job.clone())));
        }
        self.grant(wish, None);
    }
}

/// Facts alone change all the time; they are told with the next change that matters.
fn tells_anew(before: &Finding, after: &Finding) -> bool {
    before.severity != after.severity
        || before.harms != after.harms
        || before.links != after.links
        || before.reason != after.reason
        || before.title != after.title
}
