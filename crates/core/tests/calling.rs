//! Who is called, and when it ends: the order of people, quiet hours, and what a restart
//! does not forget.

use std::collections::BTreeMap;
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::action::Outcome;
use evenkeel_core::calling::{CallingPolicy, PersonPolicy};
use evenkeel_core::event::{Event, What};
use evenkeel_core::finding::Severity;
use evenkeel_core::ids::{IncidentId, MessageId};
use evenkeel_core::message::Body;
use evenkeel_core::observation::*;
use evenkeel_core::policy::{ComponentPolicy, DatabasePolicy, Policy};
use evenkeel_core::record::Record;
use evenkeel_core::step::{State, step};
use evenkeel_core::subject::{Backend, Subject};

fn at(second: u64) -> Timestamp {
    Timestamp::from_second(1_767_225_600 + i64::try_from(second).unwrap()).unwrap()
}

fn person(id: &str) -> PersonPolicy {
    PersonPolicy {
        id: id.into(),
        warnings: true,
        quiet_hours: false,
        critical_in_quiet_hours: true,
    }
}

fn people(ids: &[&str]) -> Vec<PersonPolicy> {
    ids.iter().map(|id| person(id)).collect()
}

/// What was told: when (seconds), to whom, how bad, and the last sentence.
type Told = (u64, String, Severity, String);

struct World {
    state: State,
    policy: Policy,
    journal: Vec<Event>,
    now: u64,
    blind: bool,
    full: bool,
    told: Vec<Told>,
}

impl World {
    fn new(people: Vec<PersonPolicy>) -> Self {
        let database = DatabasePolicy {
            connections_pct: Some(80),
            ..DatabasePolicy::default()
        };
        Self {
            state: State::default(),
            policy: Policy {
                databases: BTreeMap::from([("main".into(), database)]),
                calling: CallingPolicy {
                    people,
                    next_after: Duration::from_secs(600),
                },
                ..Policy::default()
            },
            journal: Vec::new(),
            now: 0,
            blind: false,
            full: false,
            told: Vec::new(),
        }
    }

    fn step(&mut self, seen: Vec<Seen>) {
        let inputs: Vec<Observation> = seen
            .into_iter()
            .map(|seen| Observation {
                at: at(self.now),
                by: "operator:ana".into(),
                seen,
            })
            .collect();
        let events = step(&mut self.state, &self.policy, &inputs, at(self.now));
        // An order is a person's word each time it is said.
        if !matches!(
            inputs[..],
            [Observation {
                seen: Seen::Order(_),
                ..
            }]
        ) {
            let again = step(&mut self.state, &self.policy, &inputs, at(self.now));
            assert_eq!(again, [], "running it again changes nothing");
        }
        for event in &events {
            if let What::MessageRequested { message } = &event.what
                && let Body::Operator {
                    to,
                    severity,
                    details,
                    ..
                } = &message.body
            {
                let to = to.as_ref().map_or("-", |to| to.as_str()).to_owned();
                let last = details.last().cloned().unwrap_or_default();
                self.told.push((self.now, to, *severity, last));
            }
        }
        self.journal.extend(events);
        let mut folded = Record::default();
        self.journal.iter().for_each(|event| folded.apply(event));
        assert_eq!(
            folded, self.state.record,
            "the record is a fold of the journal"
        );
    }

    /// Lives until `until`, with a picture every ten seconds.
    fn live(&mut self, until: u64) {
        while self.now < until {
            self.now += 10;
            let main = || "main".into();
            let mut seen = vec![Seen::DatabaseLoad(DatabaseLoad {
                database: main(),
                connections_used: if self.full { 95 } else { 5 },
                connections_max: 100,
                idle_in_transaction: Vec::new(),
                oldest_transaction: None,
                prepared: Vec::new(),
            })];
            seen.push(match self.blind {
                true => Seen::Sight(Sight {
                    of: Subject::Database(main()),
                    blind: Some("it does not answer".into()),
                }),
                false => Seen::LockWaits(LockWaits {
                    database: main(),
                    chains: Vec::new(),
                    left_out: 0,
                }),
            });
            self.step(seen);
        }
    }

    fn quiet(&mut self, person: &str, from: u64, until: u64) {
        self.step(vec![Seen::QuietHours(QuietHours {
            person: person.into(),
            from: at(from),
            until: at(until),
        })]);
    }

    fn acknowledge(&mut self) {
        let incident = IncidentId(1);
        self.step(vec![Seen::Order(Order::Acknowledge { incident })]);
    }

    fn message_ended(&mut self, message: u64, outcome: Outcome) {
        self.step(vec![Seen::MessageOutcome(MessageOutcome {
            message: MessageId(message),
            outcome,
        })]);
    }

    /// Who was told when.
    fn calls(&self) -> Vec<(u64, &str)> {
        self.told
            .iter()
            .map(|told| (told.0, told.1.as_str()))
            .collect()
    }
}

/// It turns critical at second 20 in all worlds below: blind from 10, believed from 15.
fn critical(people: Vec<PersonPolicy>) -> World {
    let mut world = World::new(people);
    world.blind = true;
    world.live(20);
    world
}

#[test]
fn who_does_not_acknowledge_is_followed_by_the_next_and_each_is_called_once() {
    let mut world = critical(people(&["ana", "ben", "cem"]));
    world.live(7200);
    assert_eq!(world.calls(), [(20, "ana"), (620, "ben"), (1220, "cem")]);
    let (_, _, severity, why) = &world.told[1];
    assert_eq!(*severity, Severity::Critical);
    assert_eq!(
        why,
        "ana was called 10 min ago, and nobody has said that they look after it."
    );
}

#[test]
fn it_ends_when_somebody_acknowledges() {
    let mut world = critical(people(&["ana", "ben", "cem"]));
    world.live(700);
    world.acknowledge();
    world.live(7200);
    assert_eq!(world.calls(), [(20, "ana"), (620, "ben")]);
}

#[test]
fn it_ends_when_it_is_over() {
    let mut world = critical(people(&["ana", "ben"]));
    world.blind = false;
    world.live(7200);
    assert_eq!(world.calls(), [(20, "ana")]);
}

#[test]
fn who_cannot_be_reached_is_followed_at_once() {
    let mut world = critical(people(&["ana", "ben", "cem"]));
    world.live(60);
    world.message_ended(1, Outcome::Failed("no connection".into()));
    assert_eq!(world.calls(), [(20, "ana"), (60, "ben")]);
    assert_eq!(
        world.told[1].3,
        "ana was to be called and could not be reached."
    );
    // Ben has his whole time.
    world.message_ended(2, Outcome::Done("sent".into()));
    world.live(650);
    assert_eq!(world.told.len(), 2);
    world.live(670);
    assert_eq!(world.calls().last(), Some(&(660, "cem")));
}

#[test]
fn a_restart_forgets_nobody_and_calls_nobody_twice() {
    let whole = {
        let mut world = critical(people(&["ana", "ben", "cem"]));
        world.live(3000);
        world
            .calls()
            .iter()
            .map(|(_, who)| (*who).to_owned())
            .collect::<Vec<_>>()
    };
    let mut world = critical(people(&["ana", "ben", "cem"]));
    for until in (300..3000).step_by(300) {
        world.live(until);
        world.state = State::after_restart(world.state.record.clone());
    }
    let calls: Vec<&str> = world.calls().iter().map(|(_, who)| *who).collect();
    assert_eq!(calls, whole);
}

fn session(pid: i32, component: Option<&str>) -> Session {
    Session {
        backend: Backend {
            database: "main".into(),
            pid,
            backend_start: at(0),
        },
        xact_start: Some(at(0)),
        role: "web".into(),
        superuser: false,
        backend_type: "client backend".into(),
        datname: "office".into(),
        in_scope: true,
        application_name: "office".into(),
        state: SessionState::Active,
        state_since: None,
        waits_for: String::new(),
        query: String::new(),
        run: None,
        component: component.map(Into::into),
    }
}

/// These roots hold up logins from second 10 on.
fn blocked(world: &mut World, roots: &[i32], until: u64) {
    while world.now < until {
        world.now += 10;
        let chains = roots.iter().map(|root| LockChain {
            root: LockRoot::Session(session(*root, None)),
            waiters: (1..=3)
                .map(|n| LockWaiter {
                    session: session(root + n, Some("login")),
                    waits_for_pids: vec![*root],
                    since: at(0),
                    wants: "ShareLock on transaction".into(),
                })
                .collect(),
        });
        let picture = LockWaits {
            database: "main".into(),
            chains: chains.collect(),
            left_out: 0,
        };
        world.step(vec![Seen::LockWaits(picture)]);
    }
}

#[test]
fn a_further_finding_goes_to_who_was_called_last_or_looks_after_it() {
    for acknowledged in [false, true] {
        let mut world = World::new(people(&["ana", "ben", "cem"]));
        let login = ComponentPolicy {
            name: "Login".into(),
            position: 0,
            needs: vec!["main".into()],
        };
        world.policy.components.insert("login".into(), login);
        blocked(&mut world, &[100], 700);
        assert_eq!(world.calls(), [(20, "ana"), (620, "ben")]);
        if acknowledged {
            world.acknowledge();
        }
        blocked(&mut world, &[100, 200], 730);
        assert_eq!(world.state.record.incidents.len(), 1);
        let who = if acknowledged { "ana" } else { "ben" };
        assert_eq!(world.calls().last(), Some(&(720, who)));
        // It gives nobody more time.
        blocked(&mut world, &[100, 200], 3000);
        let next = if acknowledged {
            (720, "ana")
        } else {
            (1220, "cem")
        };
        assert_eq!(world.calls().last(), Some(&next));
        let said = &world.told.last().unwrap().3;
        assert_eq!(
            said.ends_with("1 more of its findings hold."),
            !acknowledged
        );
    }
}

#[test]
fn the_next_call_is_due_without_anything_being_seen() {
    let world = critical(people(&["ana", "ben"]));
    let mut state = world.state.clone();
    step(&mut state, &world.policy, &[], at(25));
    let mut due = Vec::new();
    for _ in 0..100 {
        let Some(next) = state.next_step_at(&world.policy) else {
            break;
        };
        due.push(next);
        step(&mut state, &world.policy, &[], next);
    }
    assert!(due.contains(&at(620)), "{due:?}");
    assert!(due.len() < 20, "nothing is due for ever: {due:?}");
}

#[test]
fn a_warning_waits_for_the_morning_and_a_critical_finding_does_not() {
    let quiet = |id| PersonPolicy {
        quiet_hours: true,
        ..person(id)
    };
    let mut world = World::new(vec![quiet("ana"), quiet("ben")]);
    world.quiet("ana", 0, 1000);
    world.quiet("ben", 0, 800);
    world.full = true;
    world.live(790);
    assert_eq!(world.calls(), []);
    assert_eq!(world.state.next_step_at(&world.policy), Some(at(800)));
    world.live(2000);
    // The first who is awake, and once.
    assert_eq!(world.calls(), [(800, "ben")]);

    let mut world = World::new(vec![quiet("ana"), quiet("ben")]);
    world.quiet("ana", 0, 1000);
    world.blind = true;
    world.live(100);
    assert_eq!(world.calls(), [(20, "ana")]);
}

#[test]
fn until_quiet_hours_are_known_a_warning_waits() {
    let mut world = World::new(vec![PersonPolicy {
        quiet_hours: true,
        ..person("ana")
    }]);
    world.full = true;
    world.live(60);
    assert_eq!(world.calls(), []);
    world.quiet("ana", 5000, 6000);
    assert_eq!(world.calls(), [(60, "ana")]);
}

#[test]
fn who_is_not_to_be_woken_is_passed_over_unless_nobody_else_is_there() {
    let asleep = |id| PersonPolicy {
        quiet_hours: true,
        critical_in_quiet_hours: false,
        ..person(id)
    };
    let mut world = World::new(vec![asleep("ana"), person("ben"), asleep("cem")]);
    world.quiet("ana", 0, 5000);
    world.quiet("cem", 0, 900);
    world.blind = true;
    world.live(7200);
    // Cem is asleep at 620, and called when the quiet hours end; so is ana, later.
    assert_eq!(world.calls(), [(20, "ben"), (900, "cem"), (5000, "ana")]);

    let mut world = World::new(vec![asleep("ana"), asleep("cem")]);
    world.quiet("ana", 0, 5000);
    world.quiet("cem", 0, 5000);
    world.blind = true;
    world.live(100);
    assert_eq!(world.calls(), [(20, "ana")]);
}

#[test]
fn warnings_are_only_for_those_who_want_them() {
    let mut world = World::new(vec![
        PersonPolicy {
            warnings: false,
            ..person("ana")
        },
        person("ben"),
    ]);
    world.full = true;
    world.live(60);
    assert_eq!(world.calls(), [(10, "ben")]);
    // It was a warning, so it calls nobody else.
    world.live(3000);
    assert_eq!(world.told.len(), 1);
}

#[test]
fn where_nobody_is_named_it_is_said_once_and_warnings_are_not() {
    let mut world = World::new(Vec::new());
    world.full = true;
    world.blind = true;
    world.live(3000);
    assert_eq!(world.calls(), [(20, "-")]);
}
