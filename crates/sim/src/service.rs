//! The service as customers meet it: a journey, a front page, two targets that are not
//! ours, and everything that can keep a check from seeing them.
//!
//! The front page answers while the journey fails: that is what makes a component whose
//! journey fails easy to show as working.

use std::collections::BTreeMap;

use evenkeel_core::event::{Event, What};
use evenkeel_core::finding::{FindingKey, FindingKind};
use evenkeel_core::observation::{CheckOutcome, CheckResult, ReadinessDue, Seen};
use evenkeel_core::status::Status;
use evenkeel_core::subject::Subject;

use crate::canary::Canary;
use crate::sim::{Happening, Sim};
use crate::{HOUR, MINUTE, Ms, SECOND, at};

pub(crate) const PORTAL: &str = "portal";
pub(crate) const JOURNEY: &str = "journey";
pub(crate) const PAGE: &str = "page";
pub(crate) const REFERENCES: [&str; 2] = ["elsewhere", "another"];
pub(crate) const MORNING: &str = "morning";

/// How often a check is made; and after a failure.
pub(crate) const INTERVAL: Ms = MINUTE;
const RETRY: Ms = 5 * SECOND;
/// The time between two readiness hours, and of a rehearsal before one.
const READY_EVERY: Ms = 6 * HOUR;
const REHEARSAL: Ms = 30 * MINUTE;

/// From when something is so until it has to be shown: an interval, three failures with
/// quick retries, one in twenty of them lost, and the latest of them 20 s late.
const SHOWN_WITHIN: Ms = 170 * SECOND;
/// Results stay good for two intervals, the time one may take and ten seconds.
const GROWN_OLD: Ms = 2 * INTERVAL + 20 * SECOND + MINUTE;
/// How long ago something may have been seen that is decided on now.
const SEEN_WITHIN: Ms = 60 * SECOND;

/// The truth about it.
#[derive(Debug, Default)]
pub(crate) struct Service {
    /// Nobody can log in.
    broken: bool,
    /// When somebody could not, last.
    broken_at: Ms,
    slow: bool,
    /// Our own network is cut.
    cut: bool,
    /// The checks are not made at all.
    stalled: bool,
    /// The checks cannot be made: no file descriptors.
    starved: bool,
    /// One of the references has an outage of its own.
    elsewhere_down: bool,
    certificate_ends_soon: bool,
    /// When any of this last changed.
    changed_at: Ms,
    /// When something last kept checks from being seen.
    hidden_at: Ms,
    /// When a result of the journey last arrived: two in a row may get lost.
    arrived_at: Ms,
    next: BTreeMap<&'static str, Ms>,
    /// The readiness hour that is told, and the one that is rehearsed.
    due: Option<Ms>,
    rehearsed: Option<Ms>,
}

impl Sim {
    /// Every check that is due is made once.
    pub(crate) fn probe(&mut self) {
        let now = self.now;
        let service = &mut self.service;
        if service.broken {
            service.broken_at = now;
        }
        if service.cut || service.stalled || service.starved {
            service.hidden_at = now;
        }
        let mut due: Vec<&'static str> = Vec::new();
        for check in [JOURNEY, PAGE, REFERENCES[0], REFERENCES[1]] {
            let next = service.next.entry(check).or_insert(now);
            if *next <= now {
                due.push(check);
                *next = now + INTERVAL;
            }
        }
        if self.pump.up && !self.service.stalled {
            for check in due {
                let outcome = self.outcome_of(check);
                let failed = matches!(outcome, CheckOutcome::Failed { .. });
                if failed {
                    self.service.next.insert(check, now + RETRY);
                    for reference in REFERENCES {
                        let soon = now + SECOND;
                        let next = self.service.next.entry(reference).or_insert(soon);
                        *next = soon.min(*next);
                    }
                }
                let slow = self.service.slow && check == PAGE;
                let days: Ms = if self.service.certificate_ends_soon {
                    5
                } else {
                    60
                };
                let result = CheckResult {
                    check: check.into(),
                    outcome,
                    took_ms: if slow { 3_000 } else { 40 },
                    certificate_expires_at: (check == PAGE)
                        .then(|| at(now + self.offset + days * 24 * HOUR)),
                };
                self.tell(Seen::CheckResult(result), false);
            }
        }
        self.tell_readiness();
        self.judge_service();
        self.judge_times();
        let next = self.service.next.values().min().copied();
        let next = next.unwrap_or(now + INTERVAL).max(now + SECOND);
        self.plan(next, Happening::Probe);
    }

    fn outcome_of(&self, check: &str) -> CheckOutcome {
        let service = &self.service;
        let failed = |why: &str, step: Option<&str>| CheckOutcome::Failed {
            why: why.into(),
            step: step.map(Into::into),
        };
        let trusts = self.canary == Some(Canary::FrontPageOnly) && check == JOURNEY;
        let doubts = self.canary != Some(Canary::NeverDoubt);
        if service.starved {
            CheckOutcome::NotMade {
                why: "no file descriptors are left".into(),
            }
        } else if service.cut && (doubts || !REFERENCES.contains(&check)) {
            failed("no route to host", None)
        } else if service.broken && check == JOURNEY && !trusts {
            failed("status 500", Some("log in"))
        } else if service.elsewhere_down && check == REFERENCES[0] {
            failed("no answer", None)
        } else {
            CheckOutcome::Passed
        }
    }

    /// The hours at which the morning must hold: told until they are taken.
    fn tell_readiness(&mut self) {
        let wall = self.now + self.offset;
        let hour = wall - wall.rem_euclid(READY_EVERY);
        let next = hour + READY_EVERY;
        if wall - hour < 20 * MINUTE {
            self.service.due = Some(hour);
        }
        if next - wall <= REHEARSAL {
            self.service.rehearsed = Some(next);
        }
        let state = self.pump.state.record.readiness.get(&MORNING.into());
        let known = state.and_then(|state| state.last_due);
        let known_rehearsal = state.and_then(|state| state.last_rehearsed);
        let due = self.service.due.filter(|due| known < Some(at(*due)));
        let rehearsed = self
            .service
            .rehearsed
            .filter(|due| known_rehearsal.max(known) < Some(at(*due)));
        for (due, rehearsal) in [(due, false), (rehearsed, true)] {
            if let Some(due) = due {
                let asked = ReadinessDue {
                    readiness: MORNING.into(),
                    due_at: at(due),
                    rehearsal,
                };
                self.tell(Seen::ReadinessDue(asked), true);
            }
        }
    }

    /// Something happens to the service, or to our sight of it; or it is over.
    pub(crate) fn service_episode(&mut self, over: bool) {
        let now = self.now;
        let service = &mut self.service;
        service.changed_at = now;
        if over {
            let before = std::mem::take(service);
            *service = Service {
                broken_at: before.broken_at,
                hidden_at: before.hidden_at,
                arrived_at: before.arrived_at,
                changed_at: now,
                next: before.next,
                due: before.due,
                rehearsed: before.rehearsed,
                ..Service::default()
            };
            if self.faults {
                let next = self.rng.i64(5 * MINUTE..40 * MINUTE);
                self.plan(now + next, Happening::ServiceEpisode(false));
            }
            return;
        }
        if !self.faults {
            return;
        }
        match self.rng.u32(..10) {
            0..4 => service.broken = true,
            4 => service.slow = true,
            5 => service.cut = true,
            // Cut off while it really is broken: nobody can say.
            6 => {
                service.cut = true;
                service.broken = true;
            }
            7 => service.stalled = true,
            8 => service.starved = true,
            _ => {
                service.elsewhere_down = true;
                service.certificate_ends_soon = true;
            }
        }
        let lasts = self.rng.i64(20 * SECOND..15 * MINUTE);
        self.plan(now + lasts, Happening::ServiceEpisode(true));
    }

    /// An observation has arrived.
    pub(crate) fn note_arrival(&mut self, seen: &Seen) {
        if let Seen::CheckResult(result) = seen
            && result.check.as_str() == JOURNEY
        {
            self.service.arrived_at = self.now;
        }
    }

    /// Since when everything has been as it is, and Evenkeel there to see it.
    fn steady_for(&self) -> Ms {
        let since = self
            .service
            .changed_at
            .max(self.pump.refuses_until)
            .max(self.pump.back_at)
            .max(self.jumped_at);
        self.now - since
    }

    fn judge_service(&mut self) {
        if !self.pump.up {
            return;
        }
        let (service, record) = (&self.service, &self.pump.state.record);
        let steady = self.steady_for();
        let status = record
            .components
            .get(&PORTAL.into())
            .map_or(Status::Unknown, |state| state.status);
        let holds = |kind, subject| record.findings.contains_key(&FindingKey { kind, subject });
        let broken = service.broken || service.cut;
        let hidden = service.stalled || service.starved;
        let mut wrong: Option<(&'static str, String)> = None;
        if status == Status::Operational {
            if broken && !hidden && steady > SHOWN_WITHIN {
                let text = format!(
                    "{PORTAL} is shown operational, and nobody has been able to log in for {} s",
                    steady / SECOND
                );
                wrong = Some(("green-means-seen", text));
            } else if hidden && steady > GROWN_OLD {
                let text = format!(
                    "{PORTAL} is shown operational, and nobody has looked for {} s",
                    steady / SECOND
                );
                wrong = Some(("green-means-seen", text));
            }
        }
        let asked = record
            .readiness
            .get(&MORNING.into())
            .and_then(|state| state.asked);
        let asked = asked.is_some_and(|asked| !asked.rehearsal);
        let journey_known = service.broken && !service.cut && !hidden;
        let failed = holds(
            FindingKind::ReadinessFailed,
            Subject::Readiness(MORNING.into()),
        );
        if asked && journey_known && steady > SHOWN_WITHIN && !failed {
            let text = "the morning had to hold, nobody can log in, and nobody is called";
            wrong = Some(("readiness-is-asked", text.to_owned()));
        }
        if let Some((invariant, text)) = wrong {
            self.violate(invariant, &text);
        }
    }

    /// What was found about the service is durable.
    pub(crate) fn judge_service_events(&mut self, events: &[Event]) {
        let decided_at = self.pump.decided_at;
        for event in events {
            if let What::ComponentStatusChanged {
                component,
                to: Status::Operational,
                ..
            } = &event.what
                && component.as_str() == PORTAL
                && self.service.broken
                && decided_at - self.service.changed_at > SEEN_WITHIN
            {
                let text = format!("{PORTAL} is said to work, and nobody can log in");
                self.violate("green-means-seen", &text);
            }
            let What::FindingOpened { finding } = &event.what else {
                continue;
            };
            let FindingKey { kind, subject } = &finding.key;
            let broken_lately = decided_at - self.service.broken_at < SEEN_WITHIN;
            let hidden_lately = decided_at - self.service.hidden_at < GROWN_OLD
                || decided_at - self.service.arrived_at > 2 * INTERVAL;
            let journey = *subject == Subject::Check(JOURNEY.into());
            let page = *subject == Subject::Check(PAGE.into());
            match kind {
                FindingKind::CheckDown if page || journey && !broken_lately => self.violate(
                    "cut-off-is-unknown",
                    &format!("{subject} is called down, and the service works"),
                ),
                FindingKind::ReadinessFailed if !broken_lately && !hidden_lately => {
                    let settling = self.pump.back_at.max(self.jumped_at);
                    if decided_at - settling > GROWN_OLD {
                        self.violate(
                            "readiness-is-asked",
                            "somebody is called, and everything holds",
                        );
                    }
                }
                _ => {}
            }
        }
    }
}
