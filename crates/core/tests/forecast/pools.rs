//! Pools of two that leak by the request and are restarted in turn: recorded from drills,
//! and generated. What is judged is the forecast at half of each life.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use evenkeel_core::edge::{EdgeWindow, InstanceState, InstanceWindow, PoolWindow};
use evenkeel_core::ids::InstanceId;
use evenkeel_core::observation::{Level, Levels, Observation, Resource, Seen};
use evenkeel_core::policy::{LeakPolicy, Policy, PoolPolicy};
use evenkeel_core::step::{State, step};
use evenkeel_core::subject::Subject;

use super::at;
use super::series::Dice;

/// What was told of a pool, in order.
pub(crate) enum Told {
    /// How many requests each instance had in the window that ends, and how it is used.
    Window(Vec<(u32, InstanceState)>),
    /// An instance, what it uses, and the how manieth of its lives it is.
    Level(usize, u64, u64),
}

/// A pool of instances that leak.
pub(crate) struct Pool {
    pub(crate) name: String,
    pub(crate) limit: u64,
    /// What a request leaves.
    pub(crate) leak: u64,
    /// The part of the pool's requests that each gets for good.
    pub(crate) shares: Vec<f64>,
    pub(crate) warm_up_ms: u64,
    /// Milliseconds since the start, and what was told then.
    pub(crate) told: Vec<(u64, Told)>,
}

/// How far the forecast at half of each life was off, as a share of the time that was left.
pub(crate) struct Errors {
    pub(crate) all: Vec<f64>,
    pub(crate) lines: String,
}

impl Errors {
    pub(crate) fn mean(&self) -> f64 {
        let sum: f64 = self.all.iter().map(|error| error.abs()).sum();
        sum / self.all.len().max(1) as f64
    }
}

/// One life, in the order of time.
struct Life {
    instance: usize,
    levels: Vec<(u64, u64)>,
    has_ended: bool,
}

impl Pool {
    fn instance(n: usize) -> InstanceId {
        format!("web-{}", n + 1).as_str().into()
    }

    fn lives(&self) -> Vec<Life> {
        let mut lives: BTreeMap<(usize, u64), Vec<(u64, u64)>> = BTreeMap::new();
        for (ms, told) in &self.told {
            if let Told::Level(instance, used, life) = told {
                lives
                    .entry((*instance, *life))
                    .or_default()
                    .push((*ms, *used));
            }
        }
        let last = |instance: usize| lives.keys().filter(move |key| key.0 == instance).max();
        lives
            .iter()
            .map(|(key, levels)| Life {
                instance: key.0,
                levels: levels.clone(),
                has_ended: last(key.0) != Some(key),
            })
            .collect()
    }

    /// When half of the room of a life was taken, and when all of it would have been, had it
    /// got its share of all requests that came.
    fn half_and_full(&self, life: &Life) -> Option<(u64, u64)> {
        let base = life.levels.first()?.1;
        let half = base + (self.limit - base) / 2;
        let half = life.levels.iter().find(|level| level.1 >= half)?.0;
        if let Some(full) = life.levels.iter().find(|level| level.1 >= self.limit) {
            return Some((half, full.0));
        }
        // While it is drained it gets nothing, and looks as if it leaked no more.
        let kept = self.warm_up_ms.min(3000);
        let until = life.levels.last()?.0 - if life.has_ended { kept } else { 0 };
        let last = life.levels.iter().rev().find(|level| level.0 <= until)?;
        let share = self.shares[life.instance];
        let mut left = (self.limit - last.1) as f64 / self.leak as f64 / share;
        for (ms, told) in &self.told {
            if let Told::Window(seen) = told
                && *ms > last.0
            {
                left -= seen.iter().map(|seen| f64::from(seen.0)).sum::<f64>();
                if left <= 0.0 {
                    return Some((half, *ms));
                }
            }
        }
        None
    }

    /// Feeds it to the core.
    pub(crate) fn judge(&self) -> Errors {
        let count = self.shares.len();
        let pool = PoolPolicy {
            instances: (0..count).map(Self::instance).collect::<BTreeSet<_>>(),
            leaks: LeakPolicy {
                warm_up: Duration::from_millis(self.warm_up_ms),
                ..LeakPolicy::default()
            },
            ..PoolPolicy::default()
        };
        let policy = Policy {
            pools: BTreeMap::from([("web".into(), pool)]),
            ..Policy::default()
        };
        let mut halves: Vec<(u64, u64, usize)> = self
            .lives()
            .iter()
            .filter_map(|life| {
                let (half, full) = self.half_and_full(life)?;
                Some((half, full, life.instance))
            })
            .collect();
        halves.sort_unstable();
        let mut halves = halves.into_iter().peekable();
        let mut errors = Errors {
            all: Vec::new(),
            lines: String::new(),
        };
        let mut state = State::default();
        let mut before = 0;
        let mut began = vec![(0, 0); count];
        for (ms, told) in &self.told {
            while let Some((half, full, instance)) = halves.next_if(|half| half.0 < *ms) {
                let subject = Subject::Instance(Self::instance(instance));
                let forecast = state.memory.forecast(&subject);
                let left = (full - half) as f64;
                let error = forecast.map_or(f64::INFINITY, |forecast| {
                    let off = forecast.exhausts.likely.duration_since(at(full));
                    off.as_secs_f64() * 1000.0 / left
                });
                let within = forecast.is_some_and(|forecast| {
                    let span = forecast.exhausts.earliest..=forecast.exhausts.latest;
                    span.contains(&at(full))
                });
                writeln!(
                    errors.lines,
                    "{:<40} {:>8.1} s: {} has {:.1} s left, {error:+.3}, within {within}, {:?}",
                    self.name,
                    half as f64 / 1000.0,
                    Self::instance(instance),
                    left / 1000.0,
                    forecast.map(|forecast| (forecast.grows, forecast.per_1000_requests)),
                )
                .expect("a line");
                errors.all.push(error);
            }
            let seen = match told {
                Told::Window(seen) => {
                    let from = std::mem::replace(&mut before, *ms);
                    Seen::EdgeWindow(window(from, seen))
                }
                Told::Level(instance, used, life) => {
                    if began[*instance].0 != *life {
                        began[*instance] = (*life, *ms);
                    }
                    Seen::Levels(Levels {
                        of: Subject::Instance(Self::instance(*instance)),
                        started_at: Some(at(began[*instance].1)),
                        release: Some("1.0".into()),
                        levels: vec![Level {
                            resource: Resource::Memory,
                            used: *used,
                            limit: Some(self.limit),
                        }],
                    })
                }
            };
            let observation = Observation {
                at: at(*ms),
                by: "test".into(),
                seen,
            };
            step(&mut state, &policy, &[observation], at(*ms));
        }
        errors
    }
}

fn window(from: u64, seen: &[(u32, InstanceState)]) -> EdgeWindow {
    let instances = seen.iter().enumerate().map(|(n, (requests, state))| {
        let instance = InstanceWindow {
            requests: *requests,
            state: *state,
            ..InstanceWindow::default()
        };
        (Pool::instance(n), instance)
    });
    let pool = PoolWindow {
        instances: instances.collect(),
        ..PoolWindow::default()
    };
    EdgeWindow {
        pools: BTreeMap::from([("web".into(), pool)]),
        ..EdgeWindow::quiet(at(from))
    }
}

/// Pools as drills had them: `# about`, `# limit_kib=N leak=BYTES`, then `w MS N N` for a
/// window with the requests of each (`d` draining, `x` down, `s` in its slow start), and
/// `l MS INSTANCE KIB LIFE`.
pub(crate) fn recorded() -> Vec<Pool> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forecast/pools");
    let files = std::fs::read_dir(folder).expect("the recorded pools");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &std::path::Path) -> Pool {
    let text = std::fs::read_to_string(path).expect("a pool");
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let head = |name: &str| {
        let (_, rest) = text.split_once(name).expect("its head");
        let end = rest.find(char::is_whitespace).expect("its end");
        number(&rest[..end])
    };
    let told = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let told = match words[0] {
                "w" => Told::Window(words[2..].iter().map(|word| used(word)).collect()),
                _ => {
                    let instance = usize::try_from(number(words[2])).expect("an instance");
                    Told::Level(instance, number(words[3]) * 1024, number(words[4]))
                }
            };
            (number(words[1]), told)
        });
    Pool {
        name: path.file_stem().expect("a name").to_string_lossy().into(),
        limit: head("limit_kib=") * 1024,
        leak: head("leak="),
        shares: vec![0.5; 2],
        warm_up_ms: 3000,
        told: told.collect(),
    }
}

fn used(word: &str) -> (u32, InstanceState) {
    let count = word.trim_end_matches(char::is_alphabetic);
    let state = match &word[count.len()..] {
        "" => InstanceState::InUse,
        "s" => InstanceState::SlowStart,
        "d" => InstanceState::Draining,
        _ => InstanceState::Down,
    };
    (count.parse().expect("a count"), state)
}

/// How the requests of a generated pool are dealt out.
struct Dealing {
    name: &'static str,
    /// The part of each, for good.
    shares: &'static [f64],
    /// How far that of the first wanders from it, and the part of a life that it takes.
    wanders: (f64, f64),
    /// The load at the end, to that at the beginning.
    rises: f64,
}

const DEALINGS: &[Dealing] = &[
    Dealing {
        name: "two alike, dealt unevenly, load rises",
        shares: &[0.5, 0.5],
        wanders: (0.12, 0.15),
        rises: 1.8,
    },
    Dealing {
        name: "two alike, dealt unevenly, steady load",
        shares: &[0.5, 0.5],
        wanders: (0.12, 0.15),
        rises: 1.0,
    },
    Dealing {
        name: "two alike, dealt evenly, load rises",
        shares: &[0.5, 0.5],
        wanders: (0.0, 0.15),
        rises: 1.8,
    },
    Dealing {
        name: "one gets twice as much",
        shares: &[0.67, 0.33],
        wanders: (0.02, 0.15),
        rises: 1.0,
    },
    Dealing {
        name: "three alike, dealt unevenly, load rises",
        shares: &[1.0 / 3.0, 1.0 / 3.0, 1.0 / 3.0],
        wanders: (0.08, 0.15),
        rises: 1.8,
    },
];

/// Every dealing, in lives of minutes and of days, with the dice of one seed.
pub(crate) fn generated(seed: u64) -> Vec<Pool> {
    let mut all = Vec::new();
    for (n, dealing) in DEALINGS.iter().enumerate() {
        for (scale, name, life) in [(0, "drill", 90.0), (1, "hours", 5400.0)] {
            let dice = Dice::new(seed * 1000 + 500 + n as u64 * 10 + scale);
            let mut pool = generate(dealing, life, dice);
            pool.name = format!("{}, {name}, {seed}", dealing.name);
            all.push(pool);
        }
    }
    all
}

const MIB: f64 = 1024.0 * 1024.0;
const LIMIT: f64 = 192.0 * MIB;
const BASE: f64 = 24.0 * MIB;

/// Where an instance is restarted, as a part of the limit, and how long it is out and gets
/// less, as parts of a life: as in the drill.
const RESTARTED_AT: f64 = 0.86;
const OUT: f64 = 0.03;
const SLOW: f64 = 0.06;

struct Instance {
    used: f64,
    life: u64,
    /// Since when it is out, in steps.
    out_since: Option<u64>,
    back_at: u64,
}

/// Three lives of each, looked at 180 times in each life.
fn generate(dealing: &Dealing, life: f64, mut dice: Dice) -> Pool {
    let count = dealing.shares.len();
    let every = life / 180.0;
    let steps = 560;
    // Requests a second, and what one of them leaves, so that a life takes as long as it
    // should under the mean load.
    let rate = 60.0;
    let mean = rate * (1.0 + dealing.rises) / 2.0;
    let leak = ((LIMIT - BASE) / (mean * life / count as f64)).max(1.0) as u64;
    let begins = |n: usize| BASE + n as f64 * 0.1 * LIMIT;
    let mut instances: Vec<Instance> = (0..count)
        .map(|n| Instance {
            used: begins(n),
            life: 1,
            out_since: None,
            back_at: 0,
        })
        .collect();
    let (out, slow) = ((OUT * 180.0) as u64, (SLOW * 180.0) as u64);
    let mut away = 0.0;
    let keeps = 1.0 - 1.0 / (dealing.wanders.1 * 180.0);
    let mut told = Vec::new();
    for n in 1..=steps {
        let ms = (n as f64 * every * 1000.0) as u64;
        let load = rate * (1.0 + (dealing.rises - 1.0) * n as f64 / steps as f64) * every;
        away = keeps * away
            + (1.0 - keeps * keeps).sqrt() * dealing.wanders.0 * dice.between(-1.73, 1.73);
        let state = |instance: &Instance| match instance {
            Instance {
                out_since: Some(_), ..
            } => InstanceState::Down,
            // At first everybody begins at once.
            Instance { life: 2.., .. } if n < instance.back_at + slow => InstanceState::SlowStart,
            _ => InstanceState::InUse,
        };
        let weights: Vec<f64> = instances
            .iter()
            .enumerate()
            .map(|(of, instance)| {
                let wanders = if of == 0 {
                    away
                } else {
                    -away / (count - 1) as f64
                };
                let share = (dealing.shares[of] + wanders).max(0.02);
                match state(instance) {
                    InstanceState::InUse => share,
                    InstanceState::SlowStart => {
                        share * (0.1 + 0.9 * (n - instance.back_at) as f64 / slow as f64)
                    }
                    _ => 0.0,
                }
            })
            .collect();
        let all: f64 = weights.iter().sum();
        let requests: Vec<u32> = weights
            .iter()
            .map(|weight| {
                let expected = load * weight / all;
                (expected + expected.sqrt() * dice.between(-1.73, 1.73)).max(0.0) as u32
            })
            .collect();
        let seen = requests.iter().zip(&instances);
        let seen = seen.map(|(requests, instance)| (*requests, state(instance)));
        told.push((ms, Told::Window(seen.collect())));
        // One at a time.
        let someone_is_out = instances.iter().any(|one| one.out_since.is_some());
        let mut may_go = !someone_is_out;
        for (of, instance) in instances.iter_mut().enumerate() {
            instance.used += f64::from(requests[of]) * leak as f64;
            match instance.out_since {
                Some(since) if n >= since + out => {
                    instance.out_since = None;
                    instance.back_at = n;
                    instance.life += 1;
                    instance.used = BASE;
                }
                None if may_go && instance.used >= LIMIT * RESTARTED_AT => {
                    instance.out_since = Some(n);
                    may_go = false;
                }
                _ => {}
            }
            let used = instance.used as u64;
            told.push((ms, Told::Level(of, used, instance.life)));
        }
    }
    Pool {
        name: String::new(),
        limit: LIMIT as u64,
        leak,
        shares: dealing.shares.to_vec(),
        warm_up_ms: (life * 1000.0 / 30.0) as u64,
        told,
    }
}
