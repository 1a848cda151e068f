//! What is left to do of an incident: its post-mortem, its measures, and the clocks of legal
//! notices.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use evenkeel_core::Timestamp;
use evenkeel_core::calling::PersonPolicy;
use evenkeel_core::edge::{Criticality, EdgeWindow, Traffic};
use evenkeel_core::event::{Event, Reminder, What};
use evenkeel_core::ids::IncidentId;
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::language::Language;
use evenkeel_core::message::Body;
use evenkeel_core::notice::{NoticeChange, Nudge, Regime, Step, Unnoticed};
use evenkeel_core::observation::*;
use evenkeel_core::policy::{CheckPolicy, RoutePolicy};
use evenkeel_core::postmortem::{
    EDITIONS_MAX, Happened, MEASURES_MAX, MeasureState, Postmortem, PostmortemChange,
    REMINDERS_MAX, Section, Unwritable,
};
use evenkeel_core::record::Day;
use evenkeel_core::status::Status;
use evenkeel_core::telling::{DataAffected, FreeText, Tell, ToldFacts};

use crate::service::{ANA, CHECK, World, at, fails, passes};

const ID: IncidentId = IncidentId(1);
const DAY: u64 = 24 * 3600;

fn day(number: u64) -> Day {
    Day::of(at(number * DAY))
}

/// One failure is an outage.
fn fragile() -> World {
    World::new(CheckPolicy {
        harm: Status::MajorOutage,
        failures: 1,
        interval: Duration::from_secs(10),
        ..CheckPolicy::default()
    })
}

impl World {
    /// Down from second 10 to `until`, and resolved some minutes later.
    fn outage(&mut self, from: u64, until: u64) -> u64 {
        for second in (from..until).step_by(10) {
            self.step(second, vec![fails()]);
        }
        for second in (until..=until + 120).step_by(10) {
            self.step(second, vec![passes()]);
        }
        until + 120
    }

    fn order(&mut self, second: u64, change: PostmortemChange) -> Vec<What> {
        let incident = ID;
        let order = Order::Postmortem { incident, change };
        self.step_by(ANA, second, vec![Seen::Order(order)])
    }

    fn refusal(&self, change: &PostmortemChange) -> Option<Unwritable> {
        self.state.record.unwritable(ID, change)
    }

    fn notice(&mut self, second: u64, regime: Regime, change: NoticeChange) -> Vec<What> {
        let incident = ID;
        let order = Order::Notice {
            incident,
            regime,
            change,
        };
        self.step_by(ANA, second, vec![Seen::Order(order)])
    }

    fn unnoticed(&self, regime: Regime, change: &NoticeChange) -> Option<Unnoticed> {
        let notices = &self.policy.notices;
        self.state.record.unnoticed(notices, ID, regime, change)
    }

    fn postmortem(&self) -> &Postmortem {
        self.state.record.postmortem(ID).expect("a draft")
    }

    /// What was asked of people beside findings: to whom, and in one line.
    fn reminders(&self) -> Vec<(Option<String>, String)> {
        let messages = self.journal.iter().filter_map(|event| match &event.what {
            What::MessageRequested { message } => match &message.body {
                Body::Operator {
                    finding: None,
                    to,
                    headline,
                    ..
                } => Some((to.as_ref().map(ToString::to_string), headline.clone())),
                _ => None,
            },
            _ => None,
        });
        messages.collect()
    }

    /// Steps every three hours, until `second`.
    fn run_to(&mut self, second: u64) {
        let last = self.journal.last().map_or(0, |event| event.at.as_second());
        let from = u64::try_from(last - at(0).as_second()).unwrap_or(0) + 3 * 3600;
        for second in (from..second).step_by(3 * 3600) {
            self.step(second, vec![]);
        }
        self.step(second, vec![]);
    }
}

fn text(text: &str) -> FreeText {
    FreeText {
        language: Language::Dutch,
        text: text.into(),
    }
}

fn write(section: Section, words: &str, read: u32) -> PostmortemChange {
    PostmortemChange::Write {
        section,
        text: Some(text(words)),
        read,
    }
}

fn measure(owner: &str, due: Day) -> PostmortemChange {
    PostmortemChange::AddMeasure {
        what: text("De export krijgt een eigen server."),
        owner: owner.into(),
        due,
    }
}

fn publish(read: u32, correction: Option<&str>) -> PostmortemChange {
    PostmortemChange::Publish {
        read,
        correction: correction.map(text),
    }
}

fn passed() -> World {
    let mut world = fragile();
    world.step(0, vec![passes()]);
    world.outage(10, 310);
    world
}

#[test]
fn every_incident_that_hurt_customers_has_a_draft_when_it_is_resolved() {
    let mut world = fragile();
    world.step(0, vec![passes()]);
    world.outage(10, 300);
    let facts = &world.postmortem().facts;
    assert_eq!(facts.hurt_from, at(10));
    assert_eq!(facts.detected_at, at(10));
    assert_eq!(facts.first_word_at, Some(at(10)));
    assert_eq!(facts.recovered_at, at(300));
    assert_eq!(facts.resolved_at, at(420));
    assert_eq!(
        facts.harmed,
        BTreeMap::from([("login".into(), Status::MajorOutage)])
    );
    assert_eq!(
        facts.failed_checks,
        Some(29),
        "the one that opened it included"
    );
    assert_eq!(facts.failed_requests, None, "nothing counted them");
    let told = facts
        .timeline
        .iter()
        .filter_map(|moment| match moment.what {
            Happened::Told { status, .. } => Some(status),
            _ => None,
        });
    let told: Vec<IncidentStatus> = told.collect();
    assert_eq!(told.first(), Some(&IncidentStatus::Investigating));
    assert_eq!(told.last(), Some(&IncidentStatus::Resolved));
    let order = facts
        .timeline
        .windows(2)
        .all(|pair| pair[0].at <= pair[1].at);
    assert!(order, "{facts:?}");
}

#[test]
fn an_incident_that_hurts_nobody_has_no_post_mortem() {
    let mut world = fragile();
    let check = world.policy.checks.get_mut(&CHECK.into()).unwrap();
    check.components.clear();
    world.step(0, vec![passes()]);
    world.outage(10, 60);
    assert_eq!(world.state.record.incidents.len(), 1);
    assert_eq!(world.state.record.postmortems().count(), 0);
    let change = write(Section::Cause, "x", 0);
    assert_eq!(world.refusal(&change), Some(Unwritable::NoPostmortem));
}

#[test]
fn requests_that_failed_are_counted_where_the_edge_saw_them() {
    let mut world = fragile();
    let route = RoutePolicy {
        component: Some("login".into()),
        pool: "web".into(),
        criticality: Criticality::default(),
    };
    world.policy.routes = BTreeMap::from([("login".into(), route)]);
    world.step(0, vec![passes()]);
    world.step(10, vec![fails()]);
    let window = |second: u64| {
        let mut window = EdgeWindow::quiet(at(second - 1));
        let traffic = Traffic {
            requests: 2,
            errors: 1,
            ..Traffic::default()
        };
        window.routes.insert("login".into(), traffic);
        Seen::EdgeWindow(window)
    };
    for second in 11..15 {
        world.step(second, vec![window(second)]);
    }
    // What is told twice counts once.
    world.step(14, vec![window(14)]);
    world.outage(20, 40);
    assert_eq!(world.postmortem().facts.failed_requests, Some(4));
}

#[test]
fn what_comes_back_and_is_over_again_has_new_facts_and_keeps_what_was_written() {
    let mut world = passed();
    world.order(500, write(Section::Cause, "Een export bleef hangen.", 0));
    world.outage(600, 700);
    let postmortem = world.postmortem();
    assert_eq!(postmortem.facts.reopened_count, 1);
    assert_eq!(postmortem.facts.recovered_at, at(700));
    assert_eq!(postmortem.facts.hurt_from, at(10), "the first time counts");
    assert_eq!(postmortem.texts().len(), 1);
    let drafted = world.journal.iter();
    let drafted = drafted.filter(|event| matches!(event.what, What::PostmortemDrafted { .. }));
    assert_eq!(drafted.count(), 2);
}

#[test]
fn who_writes_over_what_they_have_not_read_is_refused_and_shown_it() {
    let mut world = passed();
    world.order(500, write(Section::Cause, "Een export bleef hangen.", 0));
    let blind = write(Section::Cause, "Het netwerk.", 0);
    let Some(Unwritable::Overtaken(Some(stands))) = world.refusal(&blind) else {
        panic!("{:?}", world.refusal(&blind))
    };
    assert_eq!(stands.text, Some(text("Een export bleef hangen.")));
    assert_eq!((stands.revision, stands.by), (1, ANA.into()));
    assert_eq!(world.order(510, blind), vec![]);
    // Another part is another text.
    world.order(520, write(Section::Factors, "Niemand keek.", 0));
    world.order(530, write(Section::Cause, "Het netwerk.", 1));
    assert_eq!(world.postmortem().revision(), 3);
    let same = write(Section::Cause, "Het netwerk.", 2);
    assert_eq!(world.refusal(&same), Some(Unwritable::NothingNew));
    // The journal has what stood before.
    let written = world.journal.iter().filter_map(|event| match &event.what {
        What::PostmortemWritten { text, revision, .. } => Some((text.clone()?.text, *revision)),
        _ => None,
    });
    assert_eq!(written.count(), 3);
}

#[test]
fn what_was_published_stays_and_is_only_corrected() {
    let mut world = passed();
    let empty = publish(0, None);
    assert_eq!(world.refusal(&empty), Some(Unwritable::NothingWritten));
    world.order(500, write(Section::Cause, "Een export bleef hangen.", 0));
    assert_eq!(
        world.refusal(&publish(0, None)),
        Some(Unwritable::ReadAnother)
    );
    let early = publish(1, Some("x"));
    assert_eq!(world.refusal(&early), Some(Unwritable::NothingToCorrect));
    world.order(510, publish(1, None));
    let first = world
        .postmortem()
        .published()
        .cloned()
        .expect("it is published");
    assert_eq!((first.number, first.at), (1, at(510)));

    // Again the same is nothing; another without saying what is corrected is refused.
    assert_eq!(
        world.refusal(&publish(1, None)),
        Some(Unwritable::SaysNoCorrection)
    );
    let same = publish(1, Some("Niets."));
    assert_eq!(world.refusal(&same), Some(Unwritable::NothingNew));
    world.order(520, write(Section::Cause, "Het netwerk viel weg.", 1));
    assert_eq!(
        world.postmortem().published(),
        Some(&first),
        "a draft is no edition"
    );
    world.order(530, publish(2, Some("De oorzaak was het netwerk.")));
    let postmortem = world.postmortem();
    assert_eq!(postmortem.editions[0], first);
    assert_eq!(postmortem.editions.len(), 2);
    assert_eq!(
        postmortem.editions[1].correction,
        Some(text("De oorzaak was het netwerk."))
    );
}

#[test]
fn corrections_end_somewhere_and_none_is_published_while_it_goes_on() {
    let mut world = passed();
    for n in 0..u32::try_from(EDITIONS_MAX).unwrap() {
        world.order(500, write(Section::Cause, &format!("{n}"), n));
        world.order(500, publish(n + 1, (n > 0).then_some("Anders.")));
    }
    assert_eq!(world.postmortem().editions.len(), EDITIONS_MAX);
    world.order(510, write(Section::Cause, "nog een", 10));
    let further = publish(11, Some("Anders."));
    assert_eq!(world.refusal(&further), Some(Unwritable::Full));

    let mut world = passed();
    world.order(500, write(Section::Cause, "Een export bleef hangen.", 0));
    world.step(510, vec![fails()]);
    assert_eq!(world.refusal(&publish(1, None)), Some(Unwritable::GoesOn));
}

#[test]
fn a_late_measure_reminds_its_owner_once_a_week_and_not_for_ever() {
    let mut world = passed();
    world.policy.calling.people = ["bea", "ana"]
        .map(|name| PersonPolicy {
            id: name.into(),
            warnings: true,
            quiet_hours: false,
            critical_in_quiet_hours: true,
        })
        .to_vec();
    world.order(500, measure("ana", day(10)));
    world.run_to(11 * DAY + 8 * 3600 - 1);
    assert_eq!(world.reminders(), vec![], "it is due on that whole day");
    world.run_to(200 * DAY);
    let to_ana = (
        Some("ana".to_owned()),
        format!("A measure after {ID} is late"),
    );
    let all = world.reminders();
    assert_eq!(all, vec![to_ana; REMINDERS_MAX as usize]);
    let times = world.journal.iter().filter_map(|event| match event.what {
        What::Reminded {
            of: Reminder::Measure { measure: 1 },
            ..
        } => Some(event.at),
        _ => None,
    });
    let times: Vec<Timestamp> = times.collect();
    let weeks = times.windows(2).map(|pair| pair[1].duration_since(pair[0]));
    assert!(
        weeks
            .map(|week| week.as_secs())
            .all(|week| week >= 7 * 24 * 3600),
        "{times:?}"
    );
    assert!(
        world.postmortem().measures[0].is_late(at(200 * DAY)),
        "it is shown all the same"
    );
}

#[test]
fn a_measure_that_is_done_or_moved_does_not_remind() {
    let change = |state, due, reason: Option<&str>| PostmortemChange::ChangeMeasure {
        measure: 1,
        state,
        due,
        reason: reason.map(Into::into),
    };
    let mut world = passed();
    // A group is no person: whoever is on duty is reminded.
    world.order(500, measure("Operations", day(10)));
    let moved = change(MeasureState::Open, day(20), None);
    assert_eq!(world.refusal(&moved), Some(Unwritable::NoReason));
    let dropped = change(MeasureState::Dropped, day(10), None);
    assert_eq!(world.refusal(&dropped), Some(Unwritable::NoReason));
    world.order(
        600,
        change(MeasureState::Open, day(20), Some("the server is late")),
    );
    world.run_to(15 * DAY);
    assert_eq!(world.reminders(), vec![]);
    world.run_to(21 * DAY + 8 * 3600 + 60);
    assert_eq!(world.reminders().len(), 1);
    world.order(22 * DAY, change(MeasureState::Done, day(20), None));
    world.run_to(200 * DAY);
    assert_eq!(world.reminders().len(), 1);
    let kept = &world.postmortem().measures[0];
    assert_eq!((kept.first_due, kept.due), (day(10), day(20)));

    for _ in 1..MEASURES_MAX {
        world.order(201 * DAY, measure("ana", day(300)));
    }
    assert_eq!(
        world.refusal(&measure("ana", day(300))),
        Some(Unwritable::Full)
    );
}

#[test]
fn a_reminder_waits_for_quiet_hours_to_end() {
    let mut world = passed();
    world.policy.calling.people = vec![PersonPolicy {
        id: "ana".into(),
        warnings: true,
        quiet_hours: true,
        critical_in_quiet_hours: true,
    }];
    world.order(500, measure("ana", day(10)));
    let late = 11 * DAY + 8 * 3600;
    world.run_to(late - 60);
    let next = world.state.next_step_at(&world.policy);
    assert!(next.is_some_and(|next| next <= at(late)), "{next:?}");
    let quiet = QuietHours {
        person: "ana".into(),
        from: at(late - 3600),
        until: at(late + 600),
    };
    world.step(late - 50, vec![Seen::QuietHours(quiet)]);
    for second in (late - 30..late + 600).step_by(10) {
        world.step(second, vec![]);
        assert_eq!(world.reminders(), vec![], "at {second}");
    }
    world.step(late + 600, vec![]);
    assert_eq!(world.reminders().len(), 1);
}

fn keeps(regimes: &[Regime]) -> World {
    let mut world = fragile();
    world.policy.notices.regimes = regimes.iter().copied().collect::<BTreeSet<_>>();
    world.step(0, vec![passes()]);
    world
}

fn started(events: &[Event]) -> Vec<(Timestamp, Regime)> {
    let started = events.iter().filter_map(|event| match event.what {
        What::NoticeClockStarted { regime, .. } => Some((event.at, regime)),
        _ => None,
    });
    started.collect()
}

#[test]
fn no_clock_runs_unless_it_is_configured() {
    let mut world = keeps(&[]);
    world.outage(10, 8000);
    assert_eq!(started(&world.journal), vec![]);
    let start = NoticeChange::Start {
        reason: "major".into(),
    };
    let refused = world.unnoticed(Regime::Dora, &start);
    assert_eq!(refused, Some(Unnoticed::NotKept));
}

#[test]
fn nis2_runs_after_half_an_hour_of_a_complete_outage() {
    let mut world = keeps(&[Regime::Nis2]);
    for second in (10..=1810).step_by(10) {
        world.step(second, vec![fails()]);
    }
    assert_eq!(
        started(&world.journal),
        vec![],
        "thirty minutes are not more than thirty"
    );
    world.step(1811, vec![fails()]);
    assert_eq!(started(&world.journal), vec![(at(1811), Regime::Nis2)]);
    world.outage(1820, 3000);
    assert_eq!(started(&world.journal).len(), 1);
}

#[test]
fn nis2_runs_after_an_hour_of_harm_to_a_part() {
    let mut world = keeps(&[Regime::Nis2]);
    let check = world.policy.checks.get_mut(&CHECK.into()).unwrap();
    check.harm = Status::PartialOutage;
    for second in (10..=3610).step_by(10) {
        world.step(second, vec![fails()]);
    }
    assert_eq!(started(&world.journal), vec![]);
    world.step(3611, vec![fails()]);
    assert_eq!(started(&world.journal), vec![(at(3611), Regime::Nis2)]);
}

/// Lost from second `since`, told of `told` seconds later, and back at `until`; here nothing
/// fails.
fn unseen_outage(world: &mut World, since: u64, told: u64, until: u64) {
    for second in (since..until).step_by(10) {
        world.step(second, vec![passes()]);
    }
    let word = Seen::OutsideWord(OutsideWord {
        since: at(since),
        told_at: at(since + told),
        until: at(until),
        components: BTreeMap::from([("login".into(), Status::MajorOutage)]),
    });
    world.step(until, vec![word, passes()]);
}

#[test]
fn an_outage_that_only_a_witness_saw_has_a_post_mortem_too() {
    let mut world = fragile();
    unseen_outage(&mut world, 10, 12, 400);
    let facts = &world.postmortem().facts;
    assert_eq!((facts.first_symptom_at, facts.hurt_from), (at(10), at(10)));
    assert_eq!(
        (facts.detected_at, facts.first_word_at),
        (at(22), Some(at(22))),
        "the witness found it and told"
    );
    assert_eq!((facts.recovered_at, facts.resolved_at), (at(400), at(400)));
    let hurt = BTreeMap::from([("login".into(), Status::MajorOutage)]);
    assert_eq!(facts.harmed, hurt);
    let login = &world.state.record.components[&"login".into()];
    let days = login.history(at(400));
    let down = days[&day(0)].0.get(&Status::MajorOutage);
    assert_eq!(down, Some(&390_000), "ninety days tell of it: {days:?}");
}

#[test]
fn nis2_runs_after_an_outage_that_only_a_witness_saw() {
    let mut world = keeps(&[Regime::Nis2]);
    unseen_outage(&mut world, 10, 12, 1810);
    assert_eq!(
        started(&world.journal),
        vec![],
        "thirty minutes are not more than thirty"
    );
    let mut world = keeps(&[Regime::Nis2]);
    unseen_outage(&mut world, 10, 12, 1811);
    assert_eq!(started(&world.journal), vec![(at(1811), Regime::Nis2)]);
}

#[test]
fn gdpr_runs_when_customers_are_told_that_data_is_affected() {
    let mut world = keeps(&[Regime::Gdpr]);
    world.step(10, vec![fails()]);
    let tell = |data| {
        let facts = ToldFacts {
            data: Some(data),
            ..ToldFacts::default()
        };
        vec![Seen::Order(Order::Tell(Tell {
            incident: ID,
            status: IncidentStatus::Identified,
            text: None,
            facts,
            next_update_at: None,
            reason: None,
        }))]
    };
    world.step_by(ANA, 20, tell(DataAffected::BeingChecked));
    assert_eq!(started(&world.journal), vec![]);
    world.step_by(ANA, 30, tell(DataAffected::Yes));
    world.step_by(ANA, 40, tell(DataAffected::Yes));
    assert_eq!(started(&world.journal), vec![(at(30), Regime::Gdpr)]);
}

#[test]
fn a_notice_is_reminded_of_twice_and_not_when_it_was_given() {
    let mut world = keeps(&[Regime::Dora]);
    world.step(10, vec![fails()]);
    let reason = "major".to_owned();
    world.notice(20, Regime::Dora, NoticeChange::Start { reason });
    let give = |step| NoticeChange::Give {
        step,
        reference: "BaFin 12".into(),
    };
    world.notice(3600, Regime::Dora, give(Step::First));
    let again = give(Step::First);
    let refused = world.unnoticed(Regime::Dora, &again);
    assert_eq!(refused, Some(Unnoticed::Given));
    world.run_to(200 * DAY);
    let nudges = world.journal.iter().filter_map(|event| match event.what {
        What::Reminded {
            of: Reminder::Notice { step, nudge, .. },
            ..
        } => Some((step, nudge)),
        _ => None,
    });
    let nudges: Vec<(Step, Nudge)> = nudges.collect();
    let expected = [
        (Step::Second, Nudge::Soon),
        (Step::Second, Nudge::Late),
        (Step::Last, Nudge::Soon),
        (Step::Last, Nudge::Late),
    ];
    assert_eq!(nudges, expected);
}

#[test]
fn a_stopped_clock_is_silent_and_goes_on_from_where_it_began() {
    let mut world = keeps(&[Regime::Nis2]);
    world.outage(10, 4000);
    let reason = "three test customers".to_owned();
    world.notice(5000, Regime::Nis2, NoticeChange::Stop { reason });
    world.run_to(100 * DAY);
    let nudged = world.journal.iter();
    let nudged = nudged.filter(|event| matches!(event.what, What::Reminded { .. }));
    assert_eq!(nudged.count(), 0);
    let reason = "it were more after all".to_owned();
    world.notice(100 * DAY + 60, Regime::Nis2, NoticeChange::Start { reason });
    let clock = world.state.record.clock(ID, Regime::Nis2).unwrap();
    assert_eq!(clock.started_at, at(1820));
    assert!(clock.runs(Regime::Nis2));
}
