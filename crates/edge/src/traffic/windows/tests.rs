use super::*;

fn ok() -> Finish {
    Finish {
        kind: Kind::Answered { status: 200 },
        latency: Some(Duration::from_millis(3)),
        bytes_in: 1,
        bytes_out: 2,
        retried: false,
    }
}

fn tenant(number: u64) -> u64 {
    identity::tenant_hash(&[1; 16], &number.to_string())
}

fn sum(named: &Named) -> Counts {
    let mut sum = named.rest.clone();
    named.tenants.values().for_each(|counts| sum.add(counts));
    sum
}

#[test]
fn few_tenants_are_all_told_by_name() {
    let tenants = Tenants::new(20, 20_000);
    (0..20).for_each(|number| tenants.finish(tenant(number), &ok()));
    tenants.finish(identity::NOBODY, &ok());
    let named = tenants.take();
    assert_eq!(named.tenants.len(), 20);
    assert_eq!((named.rest.requests, named.rest_count), (1, 0));
    let counts = &named.tenants[&identity::written(tenant(3))];
    assert_eq!((counts.requests, counts.bytes_out), (1, 2));
    assert_eq!(counts.latencies.total(), 1);
    assert_eq!(tenants.take().tenants.len(), 0);
}

#[test]
fn of_ten_thousand_tenants_the_busiest_are_told_and_nothing_is_lost() {
    let tenants = Tenants::new(10, 20_000);
    let mut random = fastrand::Rng::with_seed(1);
    for window in 0..3 {
        let (mut all, mut of_busy) = (0, 0);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..60_000 {
            let busy = random.u64(0..5);
            // A third of the requests are those of five; the rest is spread over all.
            let number = match random.u8(0..3) {
                0 => busy,
                _ => random.u64(5..10_000),
            };
            of_busy += u32::from(number < 5);
            all += 1;
            seen.insert(number);
            tenants.finish(tenant(number), &ok());
        }
        let named = tenants.take();
        assert!(named.tenants.len() <= 10);
        assert_eq!(sum(&named).requests, all);
        assert_eq!(sum(&named).latencies.total(), u64::from(all));
        let told: u32 = (0..5)
            .filter_map(|number| named.tenants.get(&identity::written(tenant(number))))
            .map(|counts| counts.requests)
            .sum();
        assert!(told * 100 > of_busy * 98, "{window}: {told} of {of_busy}");
        let others = (seen.len() - named.tenants.len()) as u32;
        assert!(named.rest_count.abs_diff(others) < 200, "{named:?}");
    }
}

#[test]
fn a_new_flood_has_its_name_in_the_same_window() {
    let tenants = Tenants::new(4, 20_000);
    (0..1000).for_each(|number| tenants.finish(tenant(number % 50), &ok()));
    (0..500).for_each(|_| tenants.finish(tenant(99), &ok()));
    let named = tenants.take();
    let flood = named.tenants[&identity::written(tenant(99))].requests;
    assert!(flood > 350, "{flood}");
    assert_eq!(sum(&named).requests, 1500);
}

#[test]
fn what_ended_how_is_told_apart() {
    let mut tally = Tally::new();
    for kind in [
        Kind::Answered { status: 404 },
        Kind::Answered { status: 500 },
        Kind::Failed,
        Kind::Shed,
        Kind::Off,
        Kind::Gone,
    ] {
        tally.finish(&Finish { kind, ..ok() });
    }
    let counts = tally.take();
    assert_eq!((counts.requests, counts.errors, counts.shed), (6, 2, 1));
    assert_eq!((counts.off, counts.gone), (1, 1));
    assert_eq!(counts.latencies.total(), 2);
    assert_eq!(tally.take(), Counts::default());
}
