use std::rc::Rc;

use evenkeel_core::edge::{Canary, EdgePlan, PoolPlan};
use proptest::prelude::*;

use super::*;
use crate::settings::{Outlier, Settings};
use crate::traffic::plan::InForce;
use crate::traffic::tests::{plan, pool, settings};

const SECOND: u64 = 1_000_000;
const WELL: Went = Went::Well(Duration::from_millis(20));

fn with(instances: usize) -> Rc<Settings> {
    let mut settings = settings();
    settings.pools = vec![pool(instances)];
    Rc::new(settings)
}

fn in_force(settings: &Settings, web: PoolPlan) -> PoolInForce {
    let mut in_force = InForce::new(plan(1, web), settings, None, 0);
    in_force.pools.remove(0)
}

fn balance(settings: &Settings, web: PoolPlan) -> Balance {
    Balance::new(&settings.pools[0], 1, &in_force(settings, web), 7)
}

fn wish(session: u64) -> Wish<'static> {
    Wish {
        session,
        tried: &[],
        sticky: None,
        limit: u32::MAX,
    }
}

/// How many of so many requests, one after the other, each instance gets; `went` says how
/// each goes there.
fn shares(
    balance: &Balance,
    instances: usize,
    from: u64,
    requests: u64,
    went: impl Fn(usize) -> Went,
) -> Vec<u64> {
    let mut counts = vec![0; instances];
    for request in 0..requests {
        let now = from + request * 1000;
        let picked = balance.pick(now, &wish(0)).unwrap();
        balance.observe(now, picked, 0, went(picked));
        balance.let_go(picked, false);
        counts[picked] += 1;
    }
    counts
}

#[test]
fn equal_instances_get_equal_shares() {
    let settings = with(4);
    let balance = balance(&settings, PoolPlan::default());
    for count in shares(&balance, 4, 0, 8000, |_| WELL) {
        assert!((1700..=2300).contains(&count), "{count}");
    }
}

/// A quiet pool, fifty requests a second: latencies are a few milliseconds, and now and then
/// ten times as many, at both alike.
#[test]
fn chance_in_latencies_makes_no_share_in_any_ten_seconds() {
    let settings = with(2);
    let balance = balance(&settings, PoolPlan::default());
    let mut dice = Dice(3);
    for window in 0..60 {
        let mut counts = [0u32; 2];
        for request in 0..500 {
            let now = window * 10 * SECOND + request * 20_000;
            let picked = balance.pick(now, &wish(0)).unwrap();
            let tenth = 1.0 + 9.0 * dice.part().powi(8);
            let latency = Duration::from_micros((5000.0 * tenth) as u64);
            balance.observe(now, picked, 0, Went::Well(latency));
            balance.let_go(picked, false);
            counts[picked] += 1;
        }
        assert!(
            counts.iter().all(|count| *count > 200),
            "{window}: {counts:?}"
        );
    }
}

#[test]
fn failing_fast_attracts_nobody() {
    let settings = with(3);
    let balance = balance(&settings, PoolPlan::default());
    let counts = shares(&balance, 3, 0, 9000, |instance| match instance {
        0 => Went::Failed,
        _ => WELL,
    });
    assert!(counts[0] < 900, "{counts:?}");
    // So does answering 500 at once.
    let counts = shares(&balance, 3, 60 * SECOND, 9000, |instance| match instance {
        1 => Went::Error(Duration::from_millis(1)),
        _ => WELL,
    });
    assert!(counts[1] < 1000, "{counts:?}");
    // And both are seen to have recovered.
    shares(&balance, 3, 120 * SECOND, 20_000, |_| WELL);
    for count in shares(&balance, 3, 180 * SECOND, 9000, |_| WELL) {
        assert!((2500..=3500).contains(&count), "{count}");
    }
}

#[test]
fn a_slower_instance_gets_less_and_a_busy_one_too() {
    let settings = with(2);
    let balance = balance(&settings, PoolPlan::default());
    let counts = shares(&balance, 2, 0, 4000, |instance| match instance {
        0 => Went::Well(Duration::from_millis(60)),
        _ => WELL,
    });
    assert!(counts[0] * 3 < counts[1], "{counts:?}");
    let settings = with(2);
    let balance = self::balance(&settings, PoolPlan::default());
    for _ in 0..100 {
        balance.pick(0, &wish(0)).unwrap();
    }
    let (one, other) = (balance.under_way(0), balance.under_way(1));
    assert!(one.abs_diff(other) <= 12, "{one} {other}");
}

#[test]
fn nobody_has_more_under_way_than_its_part_of_the_limit_while_others_have_less() {
    let settings = with(3);
    let plan = PoolPlan {
        weights: [("web-1".into(), 50)].into(),
        ..PoolPlan::default()
    };
    let balance = balance(&settings, plan);
    let wish = Wish {
        limit: 20,
        ..wish(0)
    };
    // What ends leaves the ones that stay where chance put them.
    for round in 0..20 {
        let picked: Vec<usize> = (0..20).map(|_| balance.pick(0, &wish).unwrap()).collect();
        let under_way = [0, 1, 2].map(|instance| balance.under_way(instance));
        assert_eq!(under_way, [4, 8, 8], "{round}");
        picked
            .iter()
            .for_each(|picked| balance.let_go(*picked, false));
    }
    // Connections that stay open are not work.
    for _ in 0..60 {
        let picked = balance.pick(0, &wish).unwrap();
        balance.stays_open(picked);
    }
    let open = [0, 1, 2].map(|instance| balance.under_way(instance));
    (0..20).for_each(|_| assert!(balance.pick(0, &wish).is_some()));
    let work = [0, 1, 2].map(|instance| balance.under_way(instance) - open[instance]);
    assert_eq!(work, [4, 8, 8]);
    (0..3).for_each(|instance| {
        (0..work[instance]).for_each(|_| balance.let_go(instance, false));
        (0..open[instance]).for_each(|_| balance.let_go(instance, true));
    });
    assert!((0..3).all(|instance| balance.under_way(instance) == 0));
}

#[test]
fn who_fails_gets_nothing_for_having_room() {
    let settings = with(2);
    let balance = balance(&settings, PoolPlan::default());
    let patient = Outlier {
        failures: 100,
        ..Outlier::default()
    };
    for millisecond in 0..5 {
        balance.observe(millisecond * 1000, 0, 0, Went::Failed);
        balance.change(0, |health| health.failed(millisecond * 1000, &patient));
    }
    let wish = Wish {
        limit: 4,
        ..wish(0)
    };
    let picked: Vec<usize> = (0..20)
        .map(|_| balance.pick(5000, &wish).unwrap())
        .collect();
    let to_it = picked.iter().filter(|picked| **picked == 0).count();
    assert!(to_it <= 8, "{picked:?}");
}

#[test]
fn shares_follow_the_weights_of_the_plan() {
    let settings = with(3);
    let plan = PoolPlan {
        weights: [("web-1".into(), 50), ("web-2".into(), 0)].into(),
        ..PoolPlan::default()
    };
    let balance = balance(&settings, plan);
    let counts = shares(&balance, 3, 0, 6000, |_| WELL);
    assert_eq!(counts[1], 0);
    assert!((1500..=2500).contains(&counts[0]), "{counts:?}");
}

#[test]
fn who_comes_back_gets_a_growing_share() {
    let settings = with(2);
    let drained = PoolPlan {
        drain: ["web-1".into()].into(),
        ..PoolPlan::default()
    };
    let balance = balance(&settings, drained);
    let back = 100 * SECOND;
    balance.apply(&in_force(&settings, PoolPlan::default()), Some(back));
    let at = |second: u64| shares(&balance, 2, back + second * SECOND, 500, |_| WELL)[0];
    let (first, middle, last) = (at(0), at(5), at(12));
    assert!(first < 90, "{first}");
    assert!((100..230).contains(&middle), "{middle}");
    assert!((200..300).contains(&last), "{last}");
}

#[test]
fn a_canary_gets_its_share_of_the_sessions_and_keeps_them() {
    let settings = with(3);
    let canary = |share_permille| PoolPlan {
        canary: Some(Canary {
            instances: ["web-3".into()].into(),
            share_permille,
        }),
        ..PoolPlan::default()
    };
    let balance = balance(&settings, canary(100));
    let mut dice = Dice(1);
    let sessions: Vec<u64> = (0..5000).map(|_| dice.roll()).collect();
    let picked = |session: &u64| balance.pick(0, &wish(*session)).unwrap();
    let first: Vec<usize> = sessions.iter().map(picked).collect();
    let at_canary = first.iter().filter(|picked| **picked == 2).count();
    assert!((400..=600).contains(&at_canary), "{at_canary}");
    for (session, before) in sessions.iter().zip(&first) {
        assert_eq!(picked(session) == 2, *before == 2);
        let sticky = Wish {
            sticky: Some(2),
            limit: u32::MAX,
            ..wish(*session)
        };
        // A cookie does not bring anybody in who does not belong there.
        assert_eq!(balance.pick(0, &sticky) == Some(2), *before == 2);
    }
    balance.apply(&in_force(&settings, canary(0)), Some(0));
    assert!(sessions.iter().all(|session| picked(session) != 2));
}

#[test]
fn so_many_rest_that_too_few_would_serve_then_all_serve() {
    let settings = with(4);
    let balance = balance(&settings, PoolPlan::default());
    let outlier = Outlier::default();
    let fail = |instance| {
        (0..5).for_each(|_| {
            balance.change(instance, |health| health.failed(0, &outlier));
        });
    };
    let used = || -> Vec<bool> {
        let counts = shares(&balance, 4, 0, 400, |_| WELL);
        counts.iter().map(|count| *count > 0).collect()
    };
    fail(0);
    fail(1);
    assert_eq!(used(), [false, false, true, true]);
    assert_eq!(balance.state(0, 0).0, InstanceState::Ejected);
    fail(2);
    assert_eq!(used(), [true; 4]);
    // Rests end by themselves.
    let later = shares(&balance, 4, 31 * SECOND, 4000, |_| WELL);
    assert!(later.iter().all(|count| *count > 0), "{later:?}");
}

#[test]
fn a_sticky_session_stays_and_moves_when_it_must() {
    let settings = with(3);
    let balance = balance(&settings, PoolPlan::default());
    let sticky = Wish {
        sticky: Some(1),
        limit: u32::MAX,
        ..wish(5)
    };
    assert!((0..50).all(|_| balance.pick(0, &sticky) == Some(1)));
    let drained = PoolPlan {
        drain: ["web-2".into()].into(),
        ..PoolPlan::default()
    };
    balance.apply(&in_force(&settings, drained), Some(0));
    assert!((0..50).all(|_| balance.pick(0, &sticky) != Some(1)));
}

#[test]
fn a_pool_of_which_all_drain_serves() {
    let settings = with(2);
    let all = PoolPlan {
        drain: ["web-1".into(), "web-2".into()].into(),
        ..PoolPlan::default()
    };
    let balance = balance(&settings, all);
    assert!(balance.pick(0, &wish(0)).is_some());
}

proptest! {
    #[test]
    fn whom_it_picks_is_fit_and_somebody_is_picked(
        states in prop::collection::vec((any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()), 1..6),
        session in any::<u64>(),
        seed in any::<u64>(),
    ) {
        let settings = with(states.len());
        let check = settings.pools[0].check.clone().unwrap();
        let id = |index: usize| format!("web-{}", index + 1).as_str().into();
        let drain = states.iter().enumerate().filter(|(_, state)| state.0).map(|(index, _)| id(index));
        let web = PoolPlan { drain: drain.collect(), ..PoolPlan::default() };
        let balance = Balance::new(&settings.pools[0], 1, &in_force(&settings, web), seed);
        for (index, (_, down, rests, _)) in states.iter().enumerate() {
            if *down {
                balance.change(index, |health| health.checked(0, Err("503".to_owned()), &check));
            }
            if *rests {
                (0..5).for_each(|_| { balance.change(index, |health| health.failed(0, &Outlier::default())); });
            }
        }
        let tried = |index: &usize| states[*index].3;
        let tried: Vec<u16> = (0..states.len()).filter(tried).map(|index| index as u16).collect();
        let picked = balance.pick(1, &Wish { session, tried: &tried, sticky: None, limit: u32::MAX });
        let up = |state: &(bool, bool, bool, bool)| !state.0 && !state.1;
        if let Some(picked) = picked {
            prop_assert!(!tried.contains(&(picked as u16)));
            let state = states[picked];
            if state.0 || state.1 {
                prop_assert!(!states.iter().any(up), "one drains or is down, and others are up");
            }
            if state.0 && state.1 {
                prop_assert!(states.iter().all(|state| state.0 && state.1));
            }
        } else {
            prop_assert!(states.iter().all(|state| state.3 || !up(state)), "one that is up was not tried");
            prop_assert!(!tried.is_empty());
        }
    }
}

#[test]
fn plans_that_name_strangers_change_nothing() {
    let settings = with(2);
    let mut plan = EdgePlan::default();
    let strange = PoolPlan {
        drain: ["gone-1".into()].into(),
        weights: [("gone-1".into(), 0)].into(),
        ..PoolPlan::default()
    };
    plan.pools.insert("gone".into(), strange.clone());
    plan.pools.insert("web".into(), strange);
    let in_force = InForce::new(plan, &settings, None, 0);
    assert_eq!(in_force.pools[0].drain, [false, false]);
    assert_eq!(in_force.pools[0].weights, [100, 100]);
}
