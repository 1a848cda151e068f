//! The simulation itself: it can fail, it repeats, and it meets what it must meet.

use evenkeel_sim::canary::Canary;
use evenkeel_sim::{Options, oracle, run};

fn options(seed: u64, hours: u64) -> Options {
    Options {
        seed,
        hours,
        canary: None,
        prints: false,
    }
}

#[test]
fn the_same_seed_twice_gives_the_same_trace() {
    let (first, second) = (run(&options(11, 8)), run(&options(11, 8)));
    assert_eq!(first.violation, None);
    assert_eq!((first.digest, first.events), (second.digest, second.events));
    assert_ne!(first.digest, run(&options(12, 8)).digest);
}

/// Every canary is caught within a few seeds, by the invariant that is there for it.
#[test]
fn every_canary_is_caught_by_its_invariant() {
    for (name, canary, invariant) in Canary::ALL {
        let known = oracle::INVARIANTS
            .iter()
            .any(|(known, _)| known == invariant);
        assert!(known, "{invariant} is no invariant");
        let mut caught = Vec::new();
        for seed in 1..=12 {
            let with = Options {
                canary: Some(*canary),
                ..options(seed, 30)
            };
            let violation = run(&with).violation;
            caught.extend(violation.map(|violation| violation.invariant));
            if caught.len() == 3 || caught.contains(invariant) {
                break;
            }
        }
        assert!(
            caught.contains(invariant),
            "{name} was caught by {caught:?}, not by {invariant}"
        );
    }
}
