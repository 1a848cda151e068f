//! The queue on a clock of its own: what it promises in figures, and what it keeps whatever
//! happens.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use evenkeel_core::edge::Criticality::{Critical, Normal, Sheddable};
use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000;

fn most() -> Most {
    Most {
        waiting: 1000,
        waiting_of_tenant: 200,
        tenant_pct: 50,
        tenants_known: 1000,
    }
}

fn ask(tenant: u64, criticality: Criticality) -> Ask {
    Ask {
        tenant,
        criticality,
        expected: 20_000,
    }
}

/// A kind of requests that come by chance.
#[derive(Clone, Copy)]
struct Load {
    tenant: u64,
    criticality: Criticality,
    per_s: f64,
    takes_us: f64,
    /// When it begins, seconds.
    from_s: u64,
}

/// What became of the requests of a load.
#[derive(Default, Clone)]
struct Seen {
    /// From coming to the end, of those that ended.
    took: Vec<u64>,
    waited: Vec<u64>,
    turned: usize,
    /// Place-time, seconds.
    had: f64,
}

impl Seen {
    fn p99_ms(mut all: Vec<u64>) -> f64 {
        all.sort_unstable();
        all[all.len() * 99 / 100] as f64 / 1000.0
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Comes { load: usize },
    Ends { request: usize },
    GivesUp { request: usize },
}

struct Request {
    load: usize,
    came: u64,
    entered: u64,
    takes: u64,
    waits: Option<(u32, Room)>,
    place: Option<Place>,
}

/// Loads on a pool of `limit` places for some seconds, with waits of 5 s at most. How long
/// requests took is of those that came when all loads had begun.
fn run(limit: u32, loads: &[Load], seconds: u64, seed: u64) -> Vec<Seen> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut exponential = |mean: f64| (-(1.0 - random.f64()).ln() * mean) as u64;
    let mut fair = Fair::new(limit, most());
    let mut events = BinaryHeap::new();
    let mut requests: Vec<Request> = Vec::new();
    let mut waiting: Vec<usize> = Vec::new();
    let mut seen = vec![Seen::default(); loads.len()];
    let mut expected = vec![50_000.0; loads.len()];
    let from = loads.iter().map(|load| load.from_s).max().unwrap_or(0) * SECOND;
    for (load, of) in loads.iter().enumerate() {
        let first = of.from_s * SECOND + exponential(1e6 / of.per_s);
        events.push(Reverse((first, Event::Comes { load })));
    }
    while let Some(Reverse((now, event))) = events.pop() {
        match event {
            Event::Comes { load } => {
                let of = loads[load];
                if now < seconds * SECOND {
                    let next = now + exponential(1e6 / of.per_s);
                    events.push(Reverse((next, Event::Comes { load })));
                }
                let ask = Ask {
                    tenant: of.tenant,
                    criticality: of.criticality,
                    expected: expected[load] as u64,
                };
                let mut request = Request {
                    load,
                    came: now,
                    entered: now,
                    takes: exponential(of.takes_us),
                    waits: None,
                    place: fair.try_enter(now, &ask),
                };
                let index = requests.len();
                if request.place.is_some() {
                    events.push(Reverse((
                        now + request.takes,
                        Event::Ends { request: index },
                    )));
                } else {
                    match fair.reserve(&ask) {
                        Ok((room, _)) => {
                            let node = fair.join(now, &room, ask.expected);
                            request.waits = Some((node, room));
                            waiting.push(index);
                            let until = now + 5 * SECOND;
                            events.push(Reverse((until, Event::GivesUp { request: index })));
                        }
                        Err(_) => seen[load].turned += 1,
                    }
                }
                requests.push(request);
            }
            Event::Ends { request } => {
                let request = &mut requests[request];
                let seen = &mut seen[request.load];
                if request.came >= from {
                    seen.took.push(now - request.came);
                    seen.waited.push(request.entered - request.came);
                }
                if now < seconds * SECOND {
                    seen.had += request.takes as f64 / 1e6;
                }
                let mean = &mut expected[request.load];
                *mean += (request.takes as f64 - *mean) / 32.0;
                fair.leave(now, request.place.take().expect("it has a place"));
            }
            Event::GivesUp { request } => {
                let request = &mut requests[request];
                if let Some((node, room)) = request.waits.take() {
                    assert!(fair.quit(node).0.is_none(), "it was granted and not told");
                    fair.free(room);
                    seen[request.load].turned += 1;
                }
            }
        }
        while fair.grant(now).is_some() {}
        waiting.retain(|index| {
            let request = &mut requests[*index];
            let Some((node, room)) = request.waits.take() else {
                return false;
            };
            match fair.taken(node) {
                None => {
                    request.waits = Some((node, room));
                    true
                }
                Some(Ok(place)) => {
                    fair.free(room);
                    request.entered = now;
                    request.place = Some(place);
                    let end = now + request.takes;
                    events.push(Reverse((end, Event::Ends { request: *index })));
                    false
                }
                Some(Err(_)) => {
                    fair.free(room);
                    seen[request.load].turned += 1;
                    false
                }
            }
        });
        assert!(fair.held() <= limit);
    }
    assert_eq!((fair.held(), fair.waiting()), (0, 0));
    seen
}

/// 49 tenants that use two fifths of 32 places with quick requests, and one more.
fn fifty(noisy: &[(f64, f64)]) -> Vec<Load> {
    let quiet = (2..=50).map(|tenant| Load {
        tenant,
        criticality: Normal,
        per_s: 13.0,
        takes_us: 20_000.0,
        from_s: 0,
    });
    let noisy = noisy.iter().map(|(per_s, takes_us)| Load {
        tenant: 1,
        criticality: Normal,
        per_s: *per_s,
        takes_us: *takes_us,
        from_s: 0,
    });
    quiet.chain(noisy).collect()
}

fn of_others(seen: &[Seen], of: impl Fn(&Seen) -> &Vec<u64>) -> f64 {
    let others = seen[..49].iter().flat_map(|seen| of(seen).iter().copied());
    Seen::p99_ms(others.collect())
}

#[test]
fn a_noisy_tenant_is_not_felt_by_the_others_and_gets_its_share() {
    for seed in 1..=3 {
        let calm = run(32, &fifty(&[(13.0, 20_000.0)]), 20, seed);
        // Twenty times its share, half of it to a function that takes half a second: alone
        // it asks for 67 of the 32 places.
        let loud = run(
            32,
            &fifty(&[(130.0, 20_000.0), (130.0, 500_000.0)]),
            20,
            seed,
        );
        let p99 = |seen: &[Seen]| of_others(seen, |seen| &seen.took);
        let ratio = p99(&loud) / p99(&calm);
        let waited = of_others(&loud, |seen| &seen.waited);
        let turned: usize = loud[..49].iter().map(|seen| seen.turned).sum();
        let had = loud[49..].iter().map(|seen| seen.had).sum::<f64>() / 20.0;
        // Measured: 0.99 to 1.00, 14 to 17 ms.
        assert!(ratio <= 1.15, "{seed}: {ratio}");
        assert!(waited <= 20.0, "{seed}: {waited} ms");
        assert_eq!(turned, 0);
        // A fiftieth is its fair share; it gets what the others leave, up to its part.
        assert!(had > 32.0 * 0.3, "{seed}: {had} places");
    }
}

/// 49 tenants whose quick requests take one of 16 places together, and what comes after 20 s.
fn calm_then(loud: &[(u64, f64, f64)]) -> Vec<Load> {
    let quiet = (2..=50).map(|tenant| Load {
        tenant,
        criticality: Normal,
        per_s: 1.6,
        takes_us: 12_000.0,
        from_s: 0,
    });
    let loud = loud.iter().map(|(tenant, per_s, takes_us)| Load {
        tenant: *tenant,
        criticality: Normal,
        per_s: *per_s,
        takes_us: *takes_us,
        from_s: 20,
    });
    quiet.chain(loud).collect()
}

#[test]
fn a_slow_function_that_nobody_named_is_not_felt_from_its_first_request_on() {
    let loud = [
        &[(1, 16.0, 12_000.0), (1, 16.0, 1_500_000.0)][..],
        // Two of them, and one that no single tenant's part would stop.
        &[(1, 16.0, 1_500_000.0), (51, 16.0, 1_500_000.0)],
        &[(1, 160.0, 400_000.0)],
    ];
    for (which, loud) in loud.into_iter().enumerate() {
        for seed in 1..=3 {
            let calm = run(16, &calm_then(&[(1, 1.6, 12_000.0)]), 80, seed);
            let seen = run(16, &calm_then(loud), 80, seed);
            let p99 = |seen: &[Seen]| of_others(seen, |seen| &seen.took);
            let ratio = p99(&seen) / p99(&calm);
            let turned: usize = seen[..49].iter().map(|seen| seen.turned).sum();
            let had = seen[49..].iter().map(|seen| seen.had).sum::<f64>() / 60.0;
            // Measured: 0.98 to 1.08; without the headroom it is 8 for the second.
            assert!(ratio <= 1.2, "{which} {seed}: {ratio}");
            assert_eq!(turned, 0, "{which} {seed}");
            // It goes on with most of what the others leave.
            assert!(had >= 8.0, "{which} {seed}: {had} places");
        }
    }
}

#[test]
fn slow_requests_have_every_place_while_nobody_else_is_there() {
    let load = |tenant, per_s, takes_us, from_s| Load {
        tenant,
        criticality: Normal,
        per_s,
        takes_us,
        from_s,
    };
    // Alone, with quick requests of its own beside the slow ones.
    let alone = [load(1, 50.0, 10_000.0, 0), load(1, 20.0, 1_500_000.0, 10)];
    // Everybody is slow alike.
    let alike: Vec<Load> = (1..=50)
        .map(|tenant| load(tenant, 1.0, 1_500_000.0, 0))
        .collect();
    for loads in [&alone[..], &alike] {
        let seen = run(16, loads, 60, 1);
        let from = loads.last().map_or(0, |load| load.from_s) as f64;
        let had: f64 = seen.iter().map(|seen| seen.had).sum();
        let places = had / (60.0 - from);
        // Measured: 15.5 and 15.6. All but what is still under way at the end is counted.
        assert!(places > 15.0, "{places}");
    }
}

#[test]
fn who_asks_for_slow_requests_gets_no_more_time_than_who_asks_for_quick_ones() {
    let load = |tenant, per_s, takes_us| Load {
        tenant,
        criticality: Normal,
        per_s,
        takes_us,
        from_s: 0,
    };
    // Three tenants, each asks for more than all there is.
    let loads = [
        load(1, 2000.0, 10_000.0),
        load(2, 200.0, 100_000.0),
        load(3, 20.0, 1_000_000.0),
    ];
    let seen = run(12, &loads, 60, 1);
    let all: f64 = seen.iter().map(|seen| seen.had).sum();
    for seen in &seen {
        let share = seen.had / all;
        assert!((0.28..=0.39).contains(&share), "{share}");
    }
}

#[test]
fn the_greater_criticality_gets_most_and_the_least_does_not_starve() {
    let load = |tenant, criticality, per_s| Load {
        tenant,
        criticality,
        per_s,
        takes_us: 20_000.0,
        from_s: 0,
    };
    let loads = [
        load(1, Critical, 150.0),
        load(2, Critical, 150.0),
        load(3, Normal, 1000.0),
        load(4, Normal, 1000.0),
        load(5, Sheddable, 1000.0),
        load(6, Sheddable, 1000.0),
    ];
    let seen = run(16, &loads, 30, 2);
    let had = |which: usize| (seen[2 * which].had + seen[2 * which + 1].had) / 30.0;
    let had = [had(0), had(1), had(2)];
    let waited = Seen::p99_ms(seen[0].waited.clone());
    // 300 a second of 20 ms are six places: all of them, at once.
    assert_eq!(seen[0].turned + seen[1].turned, 0);
    assert!(had[0] > 5.5 && waited < 10.0, "{had:?} {waited}");
    assert!(had[1] > 7.0 * had[2] && had[2] > 0.3, "{had:?}");
}

#[test]
fn a_session_of_one_at_a_time_claims_is_fair_too() {
    // One place; one tenant has a hundred waiting, the other asks again whenever it ended.
    let mut fair = Fair::new(1, most());
    let mut now = 0;
    let mut place = fair.try_enter(now, &ask(1, Normal));
    let mut rooms = Vec::new();
    for _ in 0..100 {
        let (room, _) = fair.reserve(&ask(1, Normal)).unwrap();
        rooms.push((1, fair.join(now, &room, 20_000), room));
    }
    let (room, _) = fair.reserve(&ask(2, Normal)).unwrap();
    rooms.push((2, fair.join(now, &room, 20_000), room));
    let mut turns = [0u32, 0];
    for _ in 0..50 {
        now += 20_000;
        fair.leave(now, place.take().unwrap());
        assert!(fair.grant(now).is_some());
        let at = rooms
            .iter()
            .position(|(_, node, _)| match fair.taken(*node) {
                Some(taken) => {
                    place = taken.ok();
                    true
                }
                None => false,
            });
        let (tenant, _, room) = rooms.remove(at.unwrap());
        fair.free(room);
        turns[tenant - 1] += 1;
        if tenant == 2 {
            let (room, _) = fair.reserve(&ask(2, Normal)).unwrap();
            rooms.push((2, fair.join(now, &room, 20_000), room));
        }
    }
    assert!(turns[0].abs_diff(turns[1]) <= 2, "{turns:?}");
}

#[test]
fn a_pause_of_the_machine_costs_whom_it_hit_two_rounds_and_not_forty() {
    // One place; twenty ask again whenever they were answered. Who has the place when the
    // machine stands still for 40 ms could do nothing for it.
    let asks = |tenant| Ask {
        expected: 1_000,
        ..ask(tenant, Normal)
    };
    let mut fair = Fair::new(1, most());
    let (mut now, mut waits) = (0, Vec::new());
    let mut place = fair.try_enter(now, &asks(1));
    for tenant in 2..=20 {
        let (room, _) = fair.reserve(&asks(tenant)).unwrap();
        waits.push((tenant, fair.join(now, &room, 1_000), room));
    }
    let (mut holds, mut before) = (1, Vec::new());
    for turn in 0..200 {
        let is_pause = turn == 100;
        now += if is_pause { 40_000 } else { 1_000 };
        if is_pause || !before.is_empty() {
            before.push(holds);
        }
        fair.leave(now, place.take().unwrap());
        let (room, _) = fair.reserve(&asks(holds)).unwrap();
        waits.push((holds, fair.join(now, &room, 1_000), room));
        let _asleep = fair.grant(now);
        let granted = waits.iter().position(|(_, node, _)| {
            let taken = fair.taken(*node);
            place = place.take().or(taken.and_then(Result::ok));
            place.is_some()
        });
        let (tenant, _, room) = waits.remove(granted.unwrap());
        fair.free(room);
        holds = tenant;
    }
    let others = before[1..].iter().position(|tenant| *tenant == before[0]);
    assert!(others.is_some_and(|others| others <= 3 * 19), "{before:?}");
}

#[test]
fn while_others_wait_a_tenant_holds_its_part_at_most() {
    let mut fair = Fair::new(4, most());
    let mut places: Vec<Place> = (0..4)
        .map(|_| fair.try_enter(0, &ask(1, Normal)).unwrap())
        .collect();
    let (room, _) = fair.reserve(&ask(2, Normal)).unwrap();
    let node = fair.join(0, &room, 0);
    fair.leave(1, places.pop().unwrap());
    assert!(fair.grant(1).is_some());
    let Some(Ok(other)) = fair.taken(node) else {
        panic!("it was its turn");
    };
    fair.free(room);
    // One holds three of four: it gets no further place until it holds fewer than two.
    fair.leave(2, other);
    assert!(fair.try_enter(2, &ask(1, Normal)).is_none());
    assert!(fair.try_enter(2, &ask(3, Normal)).is_some());
    fair.leave(3, places.pop().unwrap());
    assert!(fair.try_enter(3, &ask(1, Normal)).is_none());
    fair.leave(3, places.pop().unwrap());
    places.push(fair.try_enter(3, &ask(1, Normal)).unwrap());
    // Long after, it may have everything again.
    let later = 3 + REMEMBERED;
    places.extend(fair.try_enter(later, &ask(1, Normal)));
    assert_eq!(places.len(), 3);
}

#[test]
fn who_matters_least_makes_room_in_a_full_queue() {
    let mut fair = Fair::new(
        1,
        Most {
            waiting: 4,
            ..most()
        },
    );
    let _place = fair.try_enter(0, &ask(9, Normal)).unwrap();
    let mut join = |tenant, criticality| {
        let (room, pushed_out) = fair.reserve(&ask(tenant, criticality))?;
        assert!(pushed_out.is_none(), "nobody has left a waker");
        let node = fair.join(0, &room, 0);
        // Room is kept by the test for as long as it looks.
        let _stays_taken = room;
        Ok((node, fair.waiters.len()))
    };
    let (first, _) = join(1, Sheddable).unwrap();
    let (second, _) = join(1, Sheddable).unwrap();
    // Half of it is all that sheddable ones get.
    assert_eq!(join(2, Sheddable), Err(Why::QueueFull));
    join(3, Normal).unwrap();
    join(3, Normal).unwrap();
    join(4, Normal).unwrap();
    join(5, Critical).unwrap();
    assert!(join(6, Critical).is_ok());
    assert!(matches!(fair.taken(second), Some(Err(Why::PushedOut))));
    assert!(matches!(fair.taken(first), Some(Err(Why::PushedOut))));
}

proptest! {
    /// Whatever comes, ends, gives up, and whatever the limit does meanwhile: never more
    /// places than the limit at the time of granting, everyone who waits ends exactly once,
    /// and in the end nothing is left behind.
    #[test]
    fn places_and_those_who_wait_add_up(
        steps in prop::collection::vec((0..6u8, 0..5u64, 0..3usize, 0..50_000u64), 1..400),
        tenants_known in 1..6usize,
    ) {
        let most = Most { waiting: 12, waiting_of_tenant: 5, tenant_pct: 40, tenants_known };
        let mut fair = Fair::new(3, most);
        let (mut now, mut places, mut waiting) = (0, Vec::new(), Vec::new());
        let (mut joined, mut over) = (0, 0);
        for (what, tenant, criticality, passed) in steps {
            now += passed;
            let ask = ask(tenant, Criticality::ALL[criticality]);
            let held = fair.held();
            match what {
                0..=2 => match fair.try_enter(now, &ask) {
                    Some(place) => places.push(place),
                    None => if let Ok((room, _)) = fair.reserve(&ask) {
                        waiting.push((fair.join(now, &room, ask.expected), room));
                        joined += 1;
                    },
                },
                3 if !places.is_empty() => fair.leave(now, places.swap_remove(tenant as usize % places.len())),
                4 if !waiting.is_empty() => {
                    let (node, room) = waiting.swap_remove(tenant as usize % waiting.len());
                    places.extend(fair.quit(node).0);
                    fair.free(room);
                    over += 1;
                }
                5 => fair.set_limit(1 + tenant as u32),
                _ => {}
            }
            while fair.grant(now).is_some() {}
            waiting = waiting.into_iter().filter_map(|(node, room)| match fair.taken(node) {
                None => Some((node, room)),
                Some(taken) => {
                    places.extend(taken.ok());
                    fair.free(room);
                    over += 1;
                    None
                }
            }).collect();
            prop_assert!(fair.held() <= fair.limit().max(held));
            prop_assert_eq!(fair.held() as usize, places.len());
            prop_assert_eq!(fair.waiting(), waiting.len());
            prop_assert_eq!(joined, over + waiting.len());
            // Nobody waits beside a free place but those that are kept to their part.
            if fair.held() < fair.limit() {
                prop_assert!(fair.lanes.iter().all(|lane| lane.ready.is_empty()));
            }
        }
        // Whoever is left gets a place in the end, however long those before take.
        for _ in 0..1000 {
            now += REMEMBERED;
            places.drain(..).for_each(|place| fair.leave(now, place));
            while fair.grant(now).is_some() {}
            waiting.retain_mut(|(node, _)| match fair.taken(*node) {
                None => true,
                Some(taken) => {
                    places.extend(taken.ok());
                    false
                }
            });
        }
        prop_assert!(waiting.is_empty() && places.is_empty());
        prop_assert_eq!(fair.held(), 0);
        prop_assert_eq!(fair.waiters.len(), 0);
    }
}
