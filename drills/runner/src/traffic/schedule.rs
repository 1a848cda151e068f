use std::ops::Range;
use std::time::Duration;

/// More are refused: a drill of some minutes has some ten thousand.
const ARRIVALS_MAX: usize = 500_000;

/// A request that is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// When, from the start.
    pub at: Duration,
    /// Which of the plan's users.
    pub user: usize,
    /// Which of the plan's asks.
    pub ask: usize,
}

/// Requests of a group of users at a rate that may rise or fall.
#[derive(Debug, Clone)]
pub struct Stream {
    /// Which users; each is as likely.
    pub users: Range<usize>,
    /// What they ask for, each with its share.
    pub asks: Vec<(usize, u32)>,
    /// From when until when.
    pub during: Range<Duration>,
    /// Mean arrivals a second at its beginning and at its end; a straight line between.
    pub per_second: (f64, f64),
}

/// Arrivals in order of time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schedule {
    arrivals: Vec<Arrival>,
}

impl Schedule {
    /// Poisson arrivals of all streams; same seed, same arrivals.
    ///
    /// # Panics
    ///
    /// If a stream has no users, asks or positive rate, or more arrivals than a drill can
    /// have: there would be no traffic, or no end to it.
    #[must_use]
    pub fn new(seed: u64, streams: &[Stream]) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut arrivals = Vec::new();
        for stream in streams {
            stream.add(&mut random, &mut arrivals);
        }
        arrivals.sort_by_key(|arrival: &Arrival| arrival.at);
        Self { arrivals }
    }

    /// All of them.
    #[must_use]
    pub fn arrivals(&self) -> &[Arrival] {
        &self.arrivals
    }
}

impl Stream {
    fn add(&self, random: &mut fastrand::Rng, arrivals: &mut Vec<Arrival>) {
        let (from, to) = self.per_second;
        let most = from.max(to);
        let shares: u32 = self.asks.iter().map(|(_, share)| share).sum();
        assert!(
            !self.users.is_empty() && shares > 0 && from.min(to) >= 0.0 && most > 0.0,
            "a stream needs users, asks and a rate"
        );
        let length = self.during.end.saturating_sub(self.during.start);
        let mut at = Duration::ZERO;
        loop {
            // Of a process at the highest rate, as many are kept as the rate of the moment
            // asks for (thinning). 1 - f64() is in (0, 1]: the logarithm is finite.
            at += Duration::from_secs_f64(-(1.0 - random.f64()).ln() / most);
            if at >= length {
                return;
            }
            let rate = from + (to - from) * at.as_secs_f64() / length.as_secs_f64();
            if random.f64() * most > rate {
                continue;
            }
            assert!(arrivals.len() < ARRIVALS_MAX, "a schedule without end");
            let mut dice = random.u32(..shares);
            let ask = self.asks.iter().find(|(_, share)| {
                let hit = dice < *share;
                dice = dice.saturating_sub(*share);
                hit
            });
            arrivals.push(Arrival {
                at: self.during.start + at,
                user: random.usize(self.users.clone()),
                ask: ask.map_or(0, |(ask, _)| *ask),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rising() -> Stream {
        Stream {
            users: 3..7,
            asks: vec![(0, 1), (4, 3)],
            during: Duration::from_secs(10)..Duration::from_secs(110),
            per_second: (20.0, 60.0),
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_arrivals_in_order() {
        let schedule = Schedule::new(7, &[rising(), rising()]);
        assert_eq!(schedule, Schedule::new(7, &[rising(), rising()]));
        assert_ne!(schedule, Schedule::new(8, &[rising(), rising()]));
        let arrivals = schedule.arrivals();
        assert!(arrivals.windows(2).all(|two| two[0].at <= two[1].at));
    }

    #[test]
    fn a_stream_rises_as_it_says_and_is_dealt_out_as_it_says() {
        let schedule = Schedule::new(7, &[rising()]);
        let arrivals = schedule.arrivals();
        let between = |from: u64, to: u64| {
            let during = Duration::from_secs(from)..Duration::from_secs(to);
            let meant = arrivals.iter().filter(|a| during.contains(&a.at));
            meant.count()
        };
        // Means 1500 and 2500; within five deviations.
        assert!((1300..1700).contains(&between(10, 60)));
        assert!((2250..2750).contains(&between(60, 110)));
        assert_eq!(between(0, 10) + between(110, 1000), 0);
        assert!(arrivals.iter().all(|a| (3..7).contains(&a.user)));
        let often = arrivals.iter().filter(|a| a.ask == 4).count();
        assert!((2800..3200).contains(&often), "{often}");
    }
}
