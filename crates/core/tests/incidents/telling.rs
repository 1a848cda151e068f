//! When customers are told, measured from the first moment anything was seen.

use std::time::Duration;

use evenkeel_core::event::What;
use evenkeel_core::ids::{IncidentId, MessageId};
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::language::Language;
use evenkeel_core::message::Body;
use evenkeel_core::observation::*;
use evenkeel_core::policy::{CheckPolicy, FIRST_WORD_WITHIN, TellMode};
use evenkeel_core::status::Status;
use evenkeel_core::telling::{Correct, FreeText, Tell, ToldFacts, Untellable};

use crate::service::{ANA, World, at, fails, passes, result};

impl World {
    /// Public words so far: when, and what they announced.
    fn words(&self) -> Vec<(u64, IncidentStatus)> {
        self.journal
            .iter()
            .filter_map(|event| match &event.what {
                What::MessageRequested { message } => match &message.body {
                    Body::Public { status, .. } => {
                        let second = event.at.as_second() - at(0).as_second();
                        Some((u64::try_from(second).unwrap(), *status))
                    }
                    Body::Operator { .. } | Body::Maintenance(_) => None,
                },
                _ => None,
            })
            .collect()
    }
}

/// The slowest check that the configuration takes without a warning, and one that is slow
/// and not failing, as the guard makes them: looked at again five seconds after a result.
#[test]
fn the_first_word_comes_within_a_minute_of_the_first_harm_that_was_seen() {
    for (failures, timeout, slow) in [(2, 30, false), (3, 20, false), (2, 30, true), (3, 15, true)]
    {
        let mut world = World::new(CheckPolicy {
            failures,
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(timeout),
            slow_after: slow.then_some(Duration::from_secs(2)),
            ..CheckPolicy::default()
        });
        world.step(0, vec![passes()]);
        // The first is seen when it has taken its time.
        let first = 60 + timeout;
        let next = |n: u64| first + n * (5 + timeout);
        for second in 1..=first + 120 {
            let made = (0..u64::from(failures)).any(|n| next(n) == second);
            let seen = match slow {
                true => result(CheckOutcome::Passed, 1000 * u32::try_from(timeout).unwrap()),
                false => fails(),
            };
            world.step(second, made.then_some(seen).into_iter().collect());
        }
        let (told, _) = world.words()[0];
        let after = Duration::from_secs(told - first);
        assert!(
            after <= FIRST_WORD_WITHIN,
            "{failures} of {timeout} s, slow: {slow}: told after {after:?}"
        );
    }
}

#[test]
fn the_whole_is_never_better_than_the_worst_incident_that_is_not_over() {
    let mut world = World::new(CheckPolicy {
        failures: 1,
        harm: Status::MajorOutage,
        ..CheckPolicy::default()
    });
    world.step(0, vec![passes()]);
    assert_eq!(world.state.record.overall_status(), Status::Operational);
    world.step(10, vec![fails()]);
    assert_eq!(world.state.record.overall_status(), Status::MajorOutage);
    world.step(20, vec![passes()]);
    let record = &world.state.record;
    assert_eq!(record.worst_status(), Status::Operational);
    assert_eq!(
        record.overall_status(),
        Status::MajorOutage,
        "still watched"
    );
    for second in (30..=150).step_by(10) {
        world.step(second, vec![passes()]);
    }
    let (_, last) = *world.words().last().unwrap();
    assert_eq!(last, IncidentStatus::Resolved);
    assert_eq!(world.state.record.overall_status(), Status::Operational);
}

#[test]
fn automation_says_better_only_when_what_was_seen_is_gone() {
    let mut world = World::new(CheckPolicy {
        failures: 1,
        interval: Duration::from_secs(10),
        ..CheckPolicy::default()
    });
    world.step(0, vec![passes()]);
    for second in (10..4000).step_by(10) {
        world.step(second, vec![fails()]);
    }
    let better = |status: &IncidentStatus| *status >= IncidentStatus::Monitoring;
    assert!(!world.words().iter().any(|(_, status)| better(status)));
    // Nobody looks any more: that is no recovery either.
    for second in (4000..8000).step_by(10) {
        world.step(second, vec![]);
    }
    let words = world.words();
    assert!(!words.iter().any(|(_, status)| better(status)), "{words:?}");
    // The promise is kept all the while.
    let times: Vec<u64> = words.iter().map(|(second, _)| *second).collect();
    let late = times.windows(2).any(|pair| pair[1] - pair[0] > 1200);
    assert!(!late && 8000 - times[times.len() - 1] <= 1200, "{times:?}");
    world.step(8000, vec![passes()]);
    let (_, last) = *world.words().last().unwrap();
    assert_eq!(last, IncidentStatus::Monitoring);
}

/// A check that fails at once, and is made every ten seconds.
fn quick() -> World {
    World::new(CheckPolicy {
        failures: 1,
        interval: Duration::from_secs(10),
        ..CheckPolicy::default()
    })
}

const ID: IncidentId = IncidentId(1);

fn word(status: IncidentStatus) -> Tell {
    Tell {
        incident: ID,
        status,
        text: None,
        facts: ToldFacts::default(),
        next_update_at: None,
        reason: None,
    }
}

fn says(tell: Tell) -> Vec<Seen> {
    vec![Seen::Order(Order::Tell(tell))]
}

/// Pages that are about no finding: promises and proposals.
fn pages(world: &World) -> Vec<String> {
    let messages = world.state.record.messages.values();
    messages
        .filter_map(|state| match &state.message.body {
            Body::Operator {
                finding: None,
                headline,
                ..
            } => Some(headline.clone()),
            _ => None,
        })
        .collect()
}

#[test]
fn better_than_what_is_seen_needs_a_reason_that_is_kept() {
    for status in [IncidentStatus::Monitoring, IncidentStatus::Resolved] {
        let mut world = quick();
        world.step(0, vec![passes()]);
        world.step(10, vec![fails()]);
        let told = world.words();
        world.step_by(ANA, 20, says(word(status)));
        assert_eq!(world.words(), told, "nothing is told without a reason");
        let refused = world.state.record.untellable(&word(status), at(20));
        let hurt = ["login".into()].into();
        assert_eq!(refused, Some(Untellable::AgainstEvidence(hurt)));

        let with_reason = Tell {
            reason: Some("the check is wrong".into()),
            ..word(status)
        };
        world.step_by(ANA, 20, says(with_reason));
        assert_eq!(world.words().last(), Some(&(20, status)));
        let message = world.state.record.messages.values().next_back().unwrap();
        let Body::Public {
            person: Some(person),
            components,
            ..
        } = &message.message.body
        else {
            panic!("{message:?}")
        };
        assert_eq!(person.by, ANA.into());
        assert_eq!(person.reason.as_deref(), Some("the check is wrong"));
        assert_eq!(components[&"login".into()], Status::Operational);
        // What is seen is no secret for all that.
        assert_eq!(world.state.record.worst_status(), Status::PartialOutage);

        // It stands while nothing gets worse, also over the promised next word.
        for second in (30..3000).step_by(10) {
            world.step(second, vec![fails()]);
        }
        assert!(
            world
                .words()
                .iter()
                .skip(1)
                .all(|(_, told)| *told == status)
        );
        // Over, and back: now it is worse than what they saw.
        world.step(3000, vec![passes()]);
        world.step(3010, vec![fails()]);
        assert_eq!(
            world.words().last(),
            Some(&(3010, IncidentStatus::Investigating))
        );
    }
}

#[test]
fn what_a_person_knows_stands_until_it_is_seen_to_be_over() {
    let mut world = quick();
    world.step(0, vec![passes()]);
    world.step(10, vec![fails()]);
    world.step_by(ANA, 20, says(word(IncidentStatus::Identified)));
    for second in (30..1300).step_by(10) {
        world.step(second, vec![fails()]);
    }
    let identified = (20, IncidentStatus::Identified);
    assert_eq!(
        world.words()[1..],
        [identified, (1220, IncidentStatus::Identified)]
    );
    world.step(1300, vec![passes()]);
    let (_, last) = *world.words().last().unwrap();
    assert_eq!(last, IncidentStatus::Monitoring);
}

#[test]
fn what_a_person_calls_worse_than_it_looks_is_not_over_by_itself() {
    let mut world = quick();
    world.step(0, vec![passes()]);
    world.step(10, vec![fails()]);
    world.step(20, vec![passes()]);
    world.step_by(ANA, 30, says(word(IncidentStatus::Investigating)));
    for second in (40..2000).step_by(10) {
        world.step(second, vec![passes()]);
    }
    let investigating = IncidentStatus::Investigating;
    assert_eq!(
        world.words()[2..],
        [(30, investigating), (1230, investigating)],
        "the promise is kept, and nothing better is said"
    );
    assert!(world.state.record.incidents[&ID].resolved_at.is_none());
    world.step_by(ANA, 2000, says(word(IncidentStatus::Resolved)));
    for second in (2010..2200).step_by(10) {
        world.step(second, vec![passes()]);
    }
    assert_eq!(world.words().len(), 5, "{:?}", world.words());
    assert!(world.state.record.incidents[&ID].resolved_at.is_some());
}

#[test]
fn a_promise_of_a_person_that_is_late_calls_somebody_once() {
    let mut world = quick();
    world.step(0, vec![passes()]);
    world.step(10, vec![fails()]);
    let promising = |second| Tell {
        next_update_at: Some(at(second)),
        ..word(IncidentStatus::Identified)
    };
    for too in [10 + 60, 10 + 25 * 3600] {
        let refused = world.state.record.untellable(&promising(too), at(10));
        assert_eq!(refused, Some(Untellable::Promise));
    }
    world.step_by(ANA, 20, says(promising(920)));
    for second in (30..900).step_by(10) {
        world.step(second, vec![fails()]);
    }
    // One that is kept.
    world.step_by(ANA, 900, says(promising(1800)));
    for second in (910..1800).step_by(10) {
        world.step(second, vec![fails()]);
    }
    assert_eq!(pages(&world), Vec::<String>::new());
    let due = world.state.next_step_at(&world.policy);
    assert_eq!(due, Some(at(1800)), "it wakes for the promise");
    for second in (1800..2900).step_by(10) {
        world.step(second, vec![fails()]);
    }
    assert_eq!(
        pages(&world),
        ["The word on I-1 that operator:ana promised is late"]
    );
    let identified = IncidentStatus::Identified;
    assert_eq!(
        world.words()[1..],
        [(20, identified), (900, identified), (1800, identified)],
        "customers have an automatic word meanwhile"
    );
    // What is over needs no further word.
    world.step_by(ANA, 2900, says(promising(3500)));
    for second in (2910..4000).step_by(10) {
        world.step(second, vec![passes()]);
    }
    assert_eq!(pages(&world).len(), 1);
}

#[test]
fn a_correction_stands_beside_what_it_corrects() {
    let mut world = quick();
    world.step(0, vec![passes()]);
    world.step(10, vec![fails()]);
    let first = world.state.record.messages.clone();
    let wrong = MessageId(2);
    assert!(matches!(
        world.state.record.messages[&wrong].message.body,
        Body::Public { .. }
    ));
    let correct = |message, works: &[&str]| Correct {
        message,
        text: Some(FreeText {
            language: Language::Dutch,
            text: "Alleen inloggen.".into(),
        }),
        facts: ToldFacts {
            works: works.iter().map(|id| (*id).into()).collect(),
            ..ToldFacts::default()
        },
        reason: None,
    };
    let order = |correct| vec![Seen::Order(Order::Correct(correct))];
    // No page, no component that is seen to be hurt, nothing empty.
    let record = &world.state.record;
    let refused = |correct: &Correct| record.uncorrectable(correct);
    assert_eq!(
        refused(&correct(MessageId(1), &[])),
        Some(Untellable::NoWord)
    );
    assert!(matches!(
        refused(&correct(wrong, &["login"])),
        Some(Untellable::AgainstEvidence(_))
    ));
    let empty = Correct {
        text: None,
        ..correct(wrong, &[])
    };
    assert_eq!(refused(&empty), Some(Untellable::Empty));

    world.step_by(ANA, 20, order(correct(wrong, &[])));
    let after = &world.state.record.messages;
    for (id, state) in &first {
        assert_eq!(after[id], *state, "what was told is as it was");
    }
    let Body::Public {
        person: Some(person),
        ..
    } = &after[&MessageId(3)].message.body
    else {
        panic!("{after:?}")
    };
    assert_eq!(person.corrects, Some(wrong));
    // It changes nothing of what is to be told, nor when.
    for second in (30..1210).step_by(10) {
        world.step(second, vec![fails()]);
    }
    let investigating = IncidentStatus::Investigating;
    assert_eq!(world.words(), [(10, investigating), (20, investigating)]);
    world.step(1210, vec![fails()]);
    assert_eq!(world.words().len(), 3);
}

fn telling(mode: TellMode) -> World {
    let mut world = quick();
    world.policy.telling.mode = mode;
    world.step(0, vec![passes()]);
    world.step(10, vec![fails()]);
    world
}

#[test]
fn a_word_that_may_be_vetoed_is_told_when_nobody_does() {
    let mut world = telling(TellMode::Veto);
    assert_eq!(world.words(), []);
    assert_eq!(pages(&world), ["Customers will be told of I-1"]);
    assert_eq!(world.state.next_step_at(&world.policy), Some(at(30)));
    world.step(20, vec![fails()]);
    world.step(30, vec![fails()]);
    assert_eq!(world.words(), [(30, IncidentStatus::Investigating)]);
    // Keeping the promise is nobody's to veto; what is new is.
    for second in (40..1300).step_by(10) {
        world.step(second, vec![fails()]);
    }
    assert_eq!(world.words().len(), 2);
    world.step(1300, vec![passes()]);
    world.step(1310, vec![passes()]);
    assert_eq!(world.words().len(), 2);
    world.step(1320, vec![passes()]);
    assert_eq!(world.words()[2], (1320, IncidentStatus::Monitoring));
    assert_eq!(pages(&world).len(), 2);
}

#[test]
fn a_vetoed_word_is_not_told_and_what_changes_is_asked_for_again() {
    let mut world = telling(TellMode::Veto);
    let veto = Order::RefuseWord {
        incident: ID,
        reason: "a test".into(),
    };
    world.step_by(ANA, 20, vec![Seen::Order(veto)]);
    for second in (30..4000).step_by(10) {
        world.step(second, vec![fails()]);
    }
    assert_eq!(world.words(), []);
    assert_eq!(pages(&world).len(), 1);
    // Its harm ends: there is nothing to tell any more.
    world.step(4000, vec![passes()]);
    assert_eq!(world.state.record.incidents[&ID].pending, None);
    world.step(4010, vec![fails()]);
    assert_eq!(
        pages(&world).len(),
        2,
        "it is back, and a question of its own"
    );
    let approve = Order::ApproveWord { incident: ID };
    world.step_by(ANA, 4012, vec![Seen::Order(approve)]);
    assert_eq!(world.words(), [(4012, IncidentStatus::Investigating)]);
}

#[test]
fn a_proposed_word_is_told_when_somebody_approves_it_and_a_late_promise_calls() {
    let mut world = telling(TellMode::Propose);
    for second in (20..2000).step_by(10) {
        world.step(second, vec![fails()]);
    }
    assert_eq!(world.words(), []);
    assert_eq!(
        pages(&world),
        ["I-1 waits for your word before customers are told"]
    );
    let approve = Order::ApproveWord { incident: ID };
    world.step_by(ANA, 2000, vec![Seen::Order(approve)]);
    let investigating = IncidentStatus::Investigating;
    assert_eq!(world.words(), [(2000, investigating)]);
    let last = world.state.record.messages.values().next_back().unwrap();
    assert!(matches!(
        &last.message.body,
        Body::Public { approved_by: Some(by), person: None, .. } if *by == ANA.into()
    ));
    // It is well again, and nobody approves that word: the promised one is late.
    for second in (2010..6000).step_by(10) {
        world.step(second, vec![passes()]);
    }
    assert_eq!(world.words().len(), 1);
    assert_eq!(
        pages(&world)[1..],
        [
            "I-1 waits for your word before customers are told",
            "The next word on I-1 is late"
        ]
    );
    // Writing it is as good.
    world.step_by(ANA, 6000, says(word(IncidentStatus::Resolved)));
    assert_eq!(world.words()[1..], [(6000, IncidentStatus::Resolved)]);
    assert_eq!(world.state.record.incidents[&ID].pending, None);
    assert_eq!(
        world
            .state
            .record
            .untellable(&word(investigating), at(6000)),
        Some(Untellable::Over)
    );
}
