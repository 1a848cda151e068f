//! One decision among 100 and among 100,000 subjects: cost has to grow with what changes,
//! not with what exists.

use std::time::{Duration, Instant};

use evenkeel_core::Timestamp;
use evenkeel_core::observation::{CheckOutcome, CheckResult, Observation, Seen};
use evenkeel_core::policy::{CheckPolicy, ComponentPolicy, Policy};
use evenkeel_core::step::{State, step};
use evenkeel_core::time;

use crate::{Failure, Figure, median};

const ROUNDS: usize = 9;
/// Steps of a round: a failure that opens a finding and an incident, and a pass that ends it.
const STEPS: u32 = 200;

pub(crate) fn run() -> Result<Vec<Figure>, Failure> {
    let mut few = World::new(100);
    let mut many = World::new(100_000);
    let (mut of_few, mut of_many) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        of_few.push(few.round());
        of_many.push(many.round());
    }
    let (of_few, of_many) = (median(of_few), median(of_many));
    let ratio = of_many / of_few;
    Ok(vec![Figure {
        name: "step_us_among_100000".into(),
        ours: of_many,
        peer: "itself among 100:".into(),
        theirs: Some(of_few),
        ratio: Some(ratio),
        aim: "<= 2",
        reached: ratio <= 2.0,
        how: format!(
            "Microseconds for one step in which one check fails or works again, with its finding, \
             incident, status and messages; medians of {ROUNDS} rounds of {STEPS} steps in turn. A \
             ratio near 1 says that what exists costs nothing."
        ),
    }])
}

struct World {
    policy: Policy,
    state: State,
    now: Timestamp,
    turn: u32,
}

impl World {
    /// So many checks, ten to a component, all of them seen to work.
    fn new(checks: u32) -> Self {
        let mut policy = Policy::default();
        for position in 0..checks / 10 {
            let component = ComponentPolicy {
                name: format!("Component {position}"),
                position,
                needs: Vec::new(),
            };
            let id = format!("c{position}").as_str().into();
            policy.components.insert(id, component);
        }
        for number in 0..checks {
            let check = CheckPolicy {
                name: format!("Check {number}"),
                components: vec![format!("c{}", number / 10).as_str().into()],
                failures: 1,
                interval: Duration::from_secs(3600),
                ..CheckPolicy::default()
            };
            policy.checks.insert(name(number), check);
        }
        let mut world = Self {
            policy,
            state: State::default(),
            now: Timestamp::UNIX_EPOCH,
            turn: 0,
        };
        let everything: Vec<Observation> = (0..checks)
            .map(|number| world.result(number, true))
            .collect();
        step(&mut world.state, &world.policy, &everything, world.now);
        world
    }

    fn result(&self, check: u32, passes: bool) -> Observation {
        Observation {
            at: self.now,
            by: "bench".into(),
            seen: Seen::CheckResult(CheckResult {
                check: name(check),
                outcome: if passes {
                    CheckOutcome::Passed
                } else {
                    CheckOutcome::Failed {
                        why: "no answer".into(),
                        step: None,
                    }
                },
                took_ms: 20,
                certificate_expires_at: None,
            }),
        }
    }

    /// Microseconds a step, on average over a round.
    fn round(&mut self) -> f64 {
        let begun = Instant::now();
        let mut events = 0;
        for _ in 0..STEPS {
            self.turn += 1;
            self.now = time::after(self.now, Duration::from_secs(1));
            let passes = self.turn.is_multiple_of(2);
            let input = [self.result(7, passes)];
            events += step(&mut self.state, &self.policy, &input, self.now).len();
        }
        assert!(events > 0, "something is decided");
        begun.elapsed().as_secs_f64() * 1e6 / f64::from(STEPS)
    }
}

fn name(number: u32) -> evenkeel_core::ids::CheckId {
    format!("check-{number}").as_str().into()
}
