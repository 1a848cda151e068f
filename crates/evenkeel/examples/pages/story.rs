//! A story told to the core as it would happen, and what is left of it for the pages.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use evenkeel::pump::published::Published;
use evenkeel_core::Timestamp;
use evenkeel_core::action::{Outcome, Task};
use evenkeel_core::authority::Mode;
use evenkeel_core::event::{Event, What};
use evenkeel_core::ids::{JobId, RunId};
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::observation::*;
use evenkeel_core::policy::Policy;
use evenkeel_core::record::{Day, Phase, Record};
use evenkeel_core::status::Status;
use evenkeel_core::step::{State, step};
use evenkeel_core::subject::Backend;
use jiff::SignedDuration;

use super::{COMPONENTS, a_run, policy, postmortem, show_checks, show_edge, show_fill};

/// A story told to the core, a moment at a time.
pub(super) struct Story {
    pub(super) state: State,
    pub(super) policy: Policy,
    pub(super) now: Timestamp,
    /// When the sessions of the story began: a session is known by it.
    pub(super) born: Timestamp,
    pub(super) waits: Option<LockWaits>,
    /// Everything that happened, for the journal.
    pub(super) events: Vec<Event>,
}

impl Story {
    /// Ninety days of history, and all well `ago` before now.
    pub(super) fn begin(mode: Mode, ago: Duration) -> Self {
        let policy = policy(mode);
        let end = Timestamp::now() - SignedDuration::try_from(ago).expect("short");
        let mut record = Record::default();
        let change = |record: &mut Record, hours_ago: i64, component: &str, to: Status| {
            let event = Event {
                at: end - SignedDuration::from_hours(hours_ago),
                what: What::ComponentStatusChanged {
                    component: component.into(),
                    from: Status::Unknown,
                    to,
                    reason: "nothing is known against it".into(),
                },
            };
            record.apply(&event);
        };
        for (id, _) in COMPONENTS {
            change(&mut record, 89 * 24, id, Status::Operational);
        }
        for night in 1..30_u32 {
            let (started, ended) = a_run(night, end);
            record.apply(&started);
            record.apply(&ended);
        }
        for (hours, id, status, hours_long) in [
            (70 * 24, "login", Status::DegradedPerformance, 1),
            (41 * 24, "payroll", Status::PartialOutage, 5),
            (23 * 24 + 3, "transport", Status::UnderMaintenance, 2),
            (12 * 24, "invoices", Status::DegradedPerformance, 3),
            (12 * 24, "quotes", Status::MajorOutage, 2),
        ] {
            change(&mut record, hours, id, status);
            change(&mut record, hours - hours_long, id, Status::Operational);
        }
        let mut story = Self {
            state: State::after_restart(record),
            policy,
            now: end,
            born: end - SignedDuration::from_secs(90),
            waits: None,
            events: Vec::new(),
        };
        story.sees(0, vec![story.nobody_waits()]);
        story
    }

    pub(super) fn sees(&mut self, after_ms: i64, seen: Vec<Seen>) -> Vec<What> {
        self.now += SignedDuration::from_millis(after_ms);
        let inputs: Vec<Observation> = seen
            .into_iter()
            .map(|seen| {
                if let Seen::LockWaits(waits) = &seen {
                    self.waits = Some(waits.clone());
                }
                Observation {
                    at: self.now,
                    by: "locks:main".into(),
                    seen,
                }
            })
            .collect();
        let events = step(&mut self.state, &self.policy, &inputs, self.now);
        self.events.extend(events.iter().cloned());
        events.into_iter().map(|event| event.what).collect()
    }

    pub(super) fn nobody_waits(&self) -> Seen {
        Seen::LockWaits(LockWaits {
            database: "main".into(),
            chains: Vec::new(),
            left_out: 0,
        })
    }

    pub(super) fn session(&self, pid: i32, name: &str, query: &str) -> Session {
        Session {
            backend: Backend {
                database: "main".into(),
                pid,
                backend_start: self.born,
            },
            xact_start: Some(self.born + SignedDuration::from_secs(30)),
            role: "backoffice".into(),
            superuser: false,
            backend_type: "client backend".into(),
            datname: "backoffice".into(),
            in_scope: true,
            application_name: name.into(),
            state: SessionState::IdleInTransaction,
            state_since: Some(self.born + SignedDuration::from_secs(35)),
            waits_for: "Client/ClientRead".into(),
            query: query.into(),
            run: None,
            component: None,
        }
    }

    pub(super) fn logins_wait(&self, run: &RunId) -> Seen {
        let mut root = self.session(4711, &format!("evenkeel/{run}"), "FETCH 500 FROM payslips");
        root.run = Some(run.clone());
        let waiters = (0..9).map(|index| LockWaiter {
            session: Session {
                state: SessionState::Active,
                component: Some("login".into()),
                ..self.session(
                    4800 + index,
                    "backoffice",
                    "update users set last_login_at = now() where id = $1",
                )
            },
            // The last one waits for another that waits.
            waits_for_pids: vec![if index == 8 { 4807 } else { 4711 }],
            since: self.born + SignedDuration::from_secs(86),
            wants: "ShareLock on transaction".into(),
        });
        Seen::LockWaits(LockWaits {
            database: "main".into(),
            chains: vec![LockChain {
                root: LockRoot::Session(root),
                waiters: waiters.collect(),
            }],
            left_out: 0,
        })
    }

    /// An export runs and holds what logins need.
    pub(super) fn export_blocks_logins(&mut self) -> RunId {
        let second = Timestamp::from_second(self.now.as_second()).expect("a time");
        let due = ScheduleDue {
            job: "payroll-export".into(),
            scheduled_at: second,
        };
        let events = self.sees(100, vec![Seen::ScheduleDue(due)]);
        let run = events.iter().find_map(|what| match what {
            What::ActionRequested { action, .. } => started(&action.task),
            _ => None,
        });
        let run = run.expect("a run is started");
        self.perform(Outcome::Done(format!("run {run} was started")));
        let start = RunStart {
            run: run.clone(),
            job: "payroll-export".into(),
            started_at: self.now,
            origin: Origin::Keeper,
        };
        self.sees(50, vec![Seen::RunStart(start)]);
        for _ in 0..8 {
            let waits = self.logins_wait(&run);
            self.sees(300, vec![waits]);
        }
        run
    }

    /// Whatever is requested goes like this.
    pub(super) fn perform(&mut self, outcome: Outcome) {
        let record = &self.state.record;
        let open: Vec<_> = record
            .open_actions
            .iter()
            .filter(|id| matches!(record.actions[*id].phase, Phase::Requested { .. }))
            .copied()
            .collect();
        let told = open.into_iter().map(|action| {
            Seen::ActionOutcome(ActionOutcome {
                action,
                outcome: outcome.clone(),
                evidence: None,
            })
        });
        self.sees(150, told.collect());
    }

    /// Somebody logged in, and somebody else could not.
    pub(super) fn people_act(&mut self) {
        for (by, act) in [
            ("operator:ana", Act::LoggedIn),
            ("somebody not on the list", Act::LoginFailed),
        ] {
            self.now += SignedDuration::from_secs(1);
            let seen = Seen::PersonAct(PersonAct {
                act,
                about: String::new(),
                from: "127.0.0.1".into(),
            });
            let input = Observation {
                at: self.now,
                by: by.into(),
                seen,
            };
            let events = step(&mut self.state, &self.policy, &[input], self.now);
            self.events.extend(events);
        }
    }

    pub(super) fn first_run(&self) -> RunId {
        let run = self.state.record.runs.keys().next();
        run.cloned().expect("a run")
    }

    /// Nobody is hurt any more; the export has not succeeded yet.
    pub(super) fn recovered(ago: Duration) -> Self {
        let mut story = Story::begin(Mode::Act, ago);
        story.export_blocks_logins();
        let run = story.first_run();
        for _ in 0..2 {
            let waits = story.logins_wait(&run);
            story.sees(10_000, vec![waits]);
        }
        story.perform(Outcome::Done("backend 4711: its session was ended".into()));
        let calm = story.nobody_waits();
        story.sees(200, vec![calm]);
        let exit = RunExit {
            run,
            job: "payroll-export".into(),
            ended_at: story.now,
            exit: Exit::Signal(15),
        };
        story.sees(200, vec![Seen::RunExit(exit)]);
        for _ in 0..30 {
            let calm = story.nobody_waits();
            story.sees(10_000, vec![calm]);
            story.perform(Outcome::Done("done".into()));
        }
        story
    }

    /// The export succeeds when it is started again, and that is the end of it.
    pub(super) fn export_succeeds(&mut self) {
        let started = self
            .events
            .iter()
            .rev()
            .find_map(|event| match &event.what {
                What::ActionRequested { action, .. } => started(&action.task),
                _ => None,
            });
        let run = started.expect("it was started again");
        let job = JobId::from("payroll-export");
        let start = RunStart {
            run: run.clone(),
            job: job.clone(),
            started_at: self.now,
            origin: Origin::Keeper,
        };
        self.sees(1000, vec![Seen::RunStart(start)]);
        let exit = RunExit {
            run,
            job,
            ended_at: self.now,
            exit: Exit::Code(0),
        };
        self.sees(1000, vec![Seen::RunExit(exit)]);
        for _ in 0..20 {
            let calm = self.nobody_waits();
            self.sees(10_000, vec![calm]);
        }
        let first = self.state.record.incidents.values().next();
        let status = first.map(|incident| incident.status);
        assert_eq!(status, Some(IncidentStatus::Resolved));
    }

    pub(super) fn people_write(&mut self) {
        for order in postmortem::orders(Day::of(self.now)) {
            self.now += SignedDuration::from_secs(1);
            let input = Observation {
                at: self.now,
                by: "operator:ana".into(),
                seen: Seen::Order(order),
            };
            let events = step(&mut self.state, &self.policy, &[input], self.now);
            self.events.extend(events);
        }
    }

    pub(super) fn told(mut self) -> Told {
        self.people_act();
        let events = std::mem::take(&mut self.events);
        let (published, policy) = self.published();
        Told {
            published,
            policy,
            events,
        }
    }

    pub(super) fn published(self) -> (Published, Policy) {
        let mut published = Published::of(self.state.record);
        let wrong = published.record.worst_status() > Status::Operational;
        show_checks(&published.checks, wrong);
        let now = Timestamp::now();
        show_edge(&published, now, wrong);
        show_fill(&published, now, wrong);
        if let Some(waits) = self.waits {
            let id = waits.database.clone();
            published.locks = BTreeMap::from([(id, (self.now, Arc::new(waits)))]);
        }
        (published, self.policy)
    }
}

/// The run that a task starts.
fn started(task: &Task) -> Option<RunId> {
    match task {
        Task::StartRun { run, .. } => Some(run.clone()),
        _ => None,
    }
}

/// A story to its end.
pub(super) struct Told {
    pub(super) published: Published,
    pub(super) policy: Policy,
    pub(super) events: Vec<Event>,
}
