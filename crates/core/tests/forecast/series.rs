//! Series to be judged: generated from a seed, leaks and what only looks like one.

use std::f64::consts::TAU;

/// What is known of a series, and its samples.
pub(crate) struct Series {
    pub(crate) name: String,
    pub(crate) limit: u64,
    /// Milliseconds since the start, used, requests until then.
    pub(crate) samples: Vec<(u64, u64, u64)>,
    /// When nothing is left; `None` for what is no leak.
    pub(crate) exhausts_ms: Option<u64>,
    /// Whether the requests are told.
    pub(crate) counted: bool,
    pub(crate) warm_up_ms: u64,
}

/// xorshift64*: the same numbers on every machine.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..8 {
            dice.next();
        }
        dice
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// From 0 to 1.
    pub(crate) fn roll(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.roll()
    }

    /// About normal, of spread 1.
    fn bell(&mut self) -> f64 {
        (0..12).map(|_| self.roll()).sum::<f64>() - 6.0
    }
}

/// How much time there is, and how often somebody looks.
#[derive(Clone, Copy)]
pub(crate) struct Scale {
    name: &'static str,
    /// Seconds until a leak has filled everything, about.
    life: f64,
    every: f64,
    warm_up: f64,
    /// Requests a second.
    rate: f64,
}

/// As in a drill, in an afternoon, in a week.
pub(crate) const SCALES: [Scale; 3] = [
    Scale {
        name: "drill",
        life: 90.0,
        every: 0.5,
        warm_up: 5.0,
        rate: 100.0,
    },
    Scale {
        name: "afternoon",
        life: 6.0 * 3600.0,
        every: 5.0,
        warm_up: 600.0,
        rate: 20.0,
    },
    Scale {
        name: "week",
        life: 7.0 * 86_400.0,
        every: 15.0,
        warm_up: 600.0,
        rate: 5.0,
    },
];

const LIMIT: f64 = 512.0 * 1024.0 * 1024.0;

/// What is used, told the dice, the share of the life and the share of its requests.
type Used = Box<dyn FnMut(&mut Dice, f64, f64) -> f64>;

/// A sort of series: what is used, as a share of the limit, from the share of the life that
/// has passed, the share of its requests that have come, and dice.
struct Sort {
    name: &'static str,
    leaks: bool,
    counted: bool,
    load: Load,
    /// Which scales it makes sense at.
    scales: &'static [usize],
    shape: fn(&mut Dice) -> Used,
}

#[derive(Clone, Copy)]
enum Load {
    Steady,
    /// Three times as much at the end.
    Rises,
    /// A wave for each day.
    Daily,
}

/// Teeth of a height, so many in a life, as high as they come.
fn teeth(dice: &mut Dice, height: f64, count: f64) -> impl FnMut(&mut Dice, f64) -> f64 + use<> {
    let phase = dice.roll();
    let mut tooth = (0_u64, height);
    move |dice, passed| {
        let at = passed * count + phase;
        if at as u64 != tooth.0 {
            tooth = (at as u64, height * dice.between(0.85, 1.15));
        }
        tooth.1 * at.fract()
    }
}

/// What is no leak stays below half of the way from its start to the limit: what fills more
/// than that before it first falls or stays cannot be told from a leak, by anyone.
const ALL: &[usize] = &[0, 1, 2];
const LONG: &[usize] = &[1, 2];
const WEEK: &[usize] = &[2];

const SORTS: &[Sort] = &[
    Sort {
        name: "leak by time",
        leaks: true,
        counted: false,
        load: Load::Steady,
        scales: ALL,
        shape: |dice| {
            let base = dice.between(0.05, 0.4);
            let noise = dice.between(0.0, 0.01);
            Box::new(move |dice, passed, _| base + (1.0 - base) * passed + noise * dice.bell())
        },
    },
    Sort {
        name: "leak by time, load rises",
        leaks: true,
        counted: true,
        load: Load::Rises,
        scales: ALL,
        shape: |dice| {
            let base = dice.between(0.05, 0.4);
            let noise = dice.between(0.0, 0.01);
            Box::new(move |dice, passed, _| base + (1.0 - base) * passed + noise * dice.bell())
        },
    },
    Sort {
        name: "leak by request",
        leaks: true,
        counted: true,
        load: Load::Steady,
        scales: ALL,
        shape: |dice| {
            let base = dice.between(0.05, 0.4);
            let noise = dice.between(0.0, 0.015);
            Box::new(move |dice, _, done| base + (1.0 - base) * done + noise * dice.bell())
        },
    },
    Sort {
        name: "leak by request, load rises",
        leaks: true,
        counted: true,
        load: Load::Rises,
        scales: ALL,
        shape: |dice| {
            let base = dice.between(0.05, 0.4);
            let noise = dice.between(0.0, 0.01);
            Box::new(move |dice, _, done| base + (1.0 - base) * done + noise * dice.bell())
        },
    },
    Sort {
        name: "leak by request, daily load",
        leaks: true,
        counted: true,
        load: Load::Daily,
        scales: WEEK,
        shape: |dice| {
            let base = dice.between(0.05, 0.4);
            Box::new(move |dice, _, done| base + (1.0 - base) * done + 0.004 * dice.bell())
        },
    },
    Sort {
        name: "leak under fast teeth",
        leaks: true,
        counted: true,
        load: Load::Steady,
        scales: LONG,
        shape: |dice| {
            let base = dice.between(0.05, 0.2);
            let height = dice.between(0.05, 0.3);
            let count = dice.between(150.0, 400.0);
            let mut teeth = teeth(dice, height, count);
            Box::new(move |dice, passed, done| {
                base + (1.0 - base - height) * done + teeth(dice, passed)
            })
        },
    },
    Sort {
        name: "leak under slow teeth",
        leaks: true,
        counted: true,
        load: Load::Steady,
        scales: ALL,
        shape: |dice| {
            let base = dice.between(0.05, 0.2);
            let height = dice.between(0.05, 0.25);
            let count = dice.between(25.0, 40.0);
            let mut teeth = teeth(dice, height, count);
            Box::new(move |dice, passed, done| {
                base + (1.0 - base - height) * done + teeth(dice, passed)
            })
        },
    },
    Sort {
        name: "leak that begins late",
        leaks: true,
        counted: true,
        load: Load::Steady,
        scales: LONG,
        shape: |dice| {
            let base = dice.between(0.1, 0.4);
            let begins = dice.between(0.1, 0.3);
            Box::new(move |dice, passed, _| {
                let grown = ((passed - begins) / (1.0 - begins)).max(0.0);
                base + (1.0 - base) * grown + 0.004 * dice.bell()
            })
        },
    },
    Sort {
        name: "leak after a step and a warm-up",
        leaks: true,
        counted: true,
        load: Load::Steady,
        scales: ALL,
        shape: |dice| {
            let step = dice.between(0.1, 0.3);
            let at = dice.between(0.02, 0.08);
            Box::new(move |dice, passed, done| {
                let warm = if passed > at { step } else { 0.02 };
                let soon = 0.05 * (passed * 20.0).min(1.0);
                warm + soon + (0.95 - step) * done + 0.004 * dice.bell()
            })
        },
    },
    Sort {
        name: "leak in stairs",
        leaks: true,
        counted: true,
        load: Load::Steady,
        scales: ALL,
        shape: |dice| {
            let base = dice.between(0.05, 0.3);
            let stairs = dice.between(24.0, 60.0).round();
            Box::new(move |_, _, done| base + (1.0 - base) * (done * stairs).floor() / stairs)
        },
    },
    Sort {
        name: "teeth",
        leaks: false,
        counted: true,
        load: Load::Steady,
        scales: ALL,
        shape: |dice| {
            let base = dice.between(0.1, 0.3);
            let height = (1.0 - base) * dice.between(0.2, 0.43);
            let count = dice.between(8.0, 200.0);
            let mut teeth = teeth(dice, height, count);
            Box::new(move |dice, passed, _| base + teeth(dice, passed))
        },
    },
    Sort {
        name: "teeth, load rises",
        leaks: false,
        counted: true,
        load: Load::Rises,
        scales: ALL,
        shape: |dice| {
            let base = dice.between(0.1, 0.3);
            let height = (1.0 - base) * dice.between(0.2, 0.43);
            let count = dice.between(8.0, 60.0);
            let mut teeth = teeth(dice, height, count);
            Box::new(move |dice, _, done| base + teeth(dice, done))
        },
    },
    Sort {
        name: "a few great teeth, load rises",
        leaks: false,
        counted: true,
        load: Load::Rises,
        scales: ALL,
        shape: |dice| {
            let base = dice.between(0.1, 0.15);
            let height = (1.0 - base) * dice.between(0.42, 0.49);
            let count = dice.between(3.0, 8.0);
            let mut teeth = teeth(dice, height / 1.15, count);
            Box::new(move |dice, _, done| base + teeth(dice, done))
        },
    },
    Sort {
        name: "cache that fills and stays",
        leaks: false,
        counted: true,
        load: Load::Steady,
        scales: ALL,
        shape: |dice| {
            let base = dice.between(0.05, 0.2);
            let level = dice.between(0.2, 0.6);
            let pace = dice.between(2.0, 12.0);
            Box::new(move |dice, _, done| {
                base + level * (1.0 - (-done * pace).exp()) + 0.004 * dice.bell()
            })
        },
    },
    Sort {
        name: "cache that is full at once",
        leaks: false,
        counted: true,
        load: Load::Rises,
        scales: ALL,
        shape: |dice| {
            let base = dice.between(0.05, 0.15);
            let level = dice.between(0.1, 0.3);
            let full = dice.between(0.1, 0.5);
            Box::new(move |dice, _, done| {
                base + level * (done / full).min(1.0) + 0.004 * dice.bell()
            })
        },
    },
    Sort {
        name: "step after the start",
        leaks: false,
        counted: true,
        load: Load::Steady,
        scales: ALL,
        shape: |dice| {
            let at = dice.between(0.03, 0.2);
            let level = dice.between(0.2, 0.6);
            Box::new(move |dice, passed, _| {
                0.1 + if passed > at { level } else { 0.0 } + 0.005 * dice.bell()
            })
        },
    },
    Sort {
        name: "one large allocation that stays",
        leaks: false,
        counted: true,
        load: Load::Steady,
        scales: ALL,
        shape: |dice| {
            let at = dice.between(0.3, 0.8);
            let level = dice.between(0.15, 0.36);
            Box::new(move |dice, passed, _| {
                let ramp = ((passed - at) * 200.0).clamp(0.0, 1.0);
                0.25 + level * ramp + 0.005 * dice.bell()
            })
        },
    },
    Sort {
        name: "one large allocation that goes",
        leaks: false,
        counted: true,
        load: Load::Steady,
        scales: ALL,
        shape: |dice| {
            let at = dice.between(0.3, 0.8);
            Box::new(move |dice, passed, _| {
                let high = passed > at && passed < at + 0.03;
                0.3 + if high { 0.55 } else { 0.0 } + 0.005 * dice.bell()
            })
        },
    },
    Sort {
        name: "noise around a level",
        leaks: false,
        counted: true,
        load: Load::Steady,
        scales: ALL,
        shape: |dice| {
            let level = dice.between(0.3, 0.7);
            let noise = dice.between(0.01, 0.06);
            Box::new(move |dice, _, _| level + noise * dice.bell())
        },
    },
    Sort {
        name: "a level that wanders",
        leaks: false,
        counted: true,
        load: Load::Steady,
        scales: ALL,
        shape: |dice| {
            let level = dice.between(0.3, 0.55);
            let mut away = 0.0;
            let (mut before, pull) = (0.0, dice.between(10.0, 40.0));
            Box::new(move |dice, passed, _| {
                let step: f64 = passed - before;
                before = passed;
                away += -pull * step * away + 0.25 * step.sqrt() * dice.bell();
                level + away.clamp(-0.15, 0.15)
            })
        },
    },
    Sort {
        name: "as much as there are people",
        leaks: false,
        counted: true,
        load: Load::Daily,
        scales: WEEK,
        shape: |dice| {
            let level = dice.between(0.35, 0.5);
            let wave = dice.between(0.06, 0.14);
            Box::new(move |dice, passed, _| {
                level - wave * (passed * 7.0 * TAU).cos() + 0.01 * dice.bell()
            })
        },
    },
];

/// Series of real processes, each half second: `# about`, `# limit_kib=N leaks`, then lines
/// of milliseconds, KiB and requests until then.
pub(crate) fn recorded() -> Vec<Series> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/forecast/recorded");
    let files = std::fs::read_dir(folder).expect("the recorded series");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    paths.iter().map(|path| read(path)).collect()
}

fn read(path: &std::path::Path) -> Series {
    let text = std::fs::read_to_string(path).expect("a series");
    let (head, lines) = text.split_once("limit_kib=").expect("its head");
    let (limit, lines) = lines.split_once(' ').expect("its limit");
    let (sort, lines) = lines.split_once('\n').expect("its sort");
    assert!(head.len() > 20, "{} says what it is", path.display());
    let samples: Vec<(u64, u64, u64)> = lines
        .lines()
        .map(|line| {
            let numbers = line.split(' ').map(|number| number.parse::<u64>());
            let numbers: Vec<u64> = numbers.map(|number| number.expect("a number")).collect();
            (numbers[0], numbers[1] * 1024, numbers[2])
        })
        .collect();
    let last = samples.last().expect("samples").0;
    Series {
        name: path.file_stem().expect("a name").to_string_lossy().into(),
        limit: limit.parse::<u64>().expect("a limit") * 1024,
        samples,
        exhausts_ms: (sort == "leaks").then_some(last),
        counted: true,
        warm_up_ms: 10_000,
    }
}

/// Every sort at every scale it makes sense at, with the dice of one seed.
pub(crate) fn generated(seed: u64) -> Vec<Series> {
    let mut all = Vec::new();
    for (n, sort) in SORTS.iter().enumerate() {
        for &scale in sort.scales {
            let dice = Dice::new(seed * 1000 + n as u64 * 10 + scale as u64);
            all.push(series(sort, SCALES[scale], seed, dice));
        }
    }
    all
}

fn series(sort: &Sort, scale: Scale, seed: u64, mut dice: Dice) -> Series {
    let life = scale.life * dice.between(0.7, 1.3);
    let mut used = (sort.shape)(&mut dice);
    let mut samples: Vec<(u64, u64, u64)> = Vec::new();
    let mut exhausts_ms = None;
    let (mut at, mut done, mut requests) = (0.0, 0.0, 0.0);
    // What the whole load of a life comes to, so that everything is used at its end.
    let whole = match sort.load {
        Load::Steady | Load::Daily => life,
        Load::Rises => life * 2.0,
    };
    while at < life * 1.2 {
        let load = match sort.load {
            Load::Steady => 1.0,
            Load::Rises => 1.0 + 2.0 * (at / life).min(1.0),
            Load::Daily => 1.0 - 0.8 * (at / 86_400.0 * TAU).cos(),
        };
        done += load * scale.every / whole;
        let expected = load * scale.rate * scale.every;
        requests += (expected + expected.sqrt() * dice.bell()).max(0.0);
        let share = used(&mut dice, at / life, done);
        let bytes = (share * LIMIT).max(0.0) as u64;
        let ms = (at * 1000.0) as u64;
        samples.push((ms, bytes, requests as u64));
        if sort.leaks && bytes >= LIMIT as u64 {
            exhausts_ms = Some(ms);
            break;
        }
        at += scale.every;
    }
    Series {
        name: format!("{}, {}, {seed}", sort.name, scale.name),
        limit: LIMIT as u64,
        samples,
        exhausts_ms,
        counted: sort.counted,
        warm_up_ms: (scale.warm_up * 1000.0) as u64,
    }
}
