//! When each check is due: one heap for all of them, no task for each.
//!
//! Every check has a phase of its own within its interval, made of its name, so that ten
//! thousand checks do not fire at once, and a check keeps its place from start to start.
//! The first round does not wait for that: it is spread over as much time as the checks
//! need at [`FIRST_ROUND_EACH`], so that a few checks are all seen within a moment.
//!
//! Those that are due within the same moment begin together ([`beat`]): waking up for each
//! one, here, in the pump and in the recorder, costs as much as making it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// The first round makes at most one check in this time.
const FIRST_ROUND_EACH: Duration = Duration::from_millis(3);

/// So many begin together where checks are many: more would wait for each other, and their
/// times with them.
const TOGETHER: f64 = 10.0;
/// A check is moved by less than this share of its interval, ...
const MOVED_SHARE: u32 = 50;
/// ... and never by more than this, in milliseconds: a power of two, see [`beat`].
const BEAT_MAX_MS: u64 = 256;

/// What the timetable knows of one check.
#[derive(Debug, Clone)]
struct Entry {
    interval: Duration,
    phase: Duration,
    /// Its usual times are multiples of this since the timetable began.
    beat: Duration,
    /// When it is due next; none while it is being made.
    due: Option<Instant>,
    /// Raised whenever `due` changes: what the heap holds of before is old.
    edition: u32,
}

/// See the module. Checks are known by their number.
#[derive(Debug)]
pub(super) struct Timetable {
    began: Instant,
    entries: Vec<Entry>,
    heap: BinaryHeap<Reverse<(Instant, usize, u32)>>,
}

impl Timetable {
    /// A timetable of `checks`, each with its name and interval, that begins `now`.
    pub(super) fn new<'a>(
        now: Instant,
        checks: impl ExactSizeIterator<Item = (&'a str, Duration)> + Clone,
    ) -> Self {
        let per_second: f64 = checks
            .clone()
            .map(|(_, interval)| 1.0 / interval.as_secs_f64().max(0.001))
            .sum();
        let count = u32::try_from(checks.len()).unwrap_or(u32::MAX);
        let round = FIRST_ROUND_EACH * count;
        let mut this = Self {
            began: now,
            entries: Vec::with_capacity(checks.len()),
            heap: BinaryHeap::with_capacity(checks.len()),
        };
        for (check, (name, interval)) in checks.enumerate() {
            let interval = interval.max(Duration::from_millis(1));
            let share = share(name);
            this.entries.push(Entry {
                interval,
                phase: interval.mul_f64(share),
                beat: beat(interval, per_second),
                due: None,
                edition: 0,
            });
            this.set(check, now + round.min(interval).mul_f64(share));
        }
        this
    }

    /// The check that is due first, and when.
    pub(super) fn first(&mut self) -> Option<(usize, Instant)> {
        while let Some(Reverse((at, check, edition))) = self.heap.peek().copied() {
            let entry = &self.entries[check];
            if entry.due == Some(at) && entry.edition == edition {
                return Some((check, at));
            }
            self.heap.pop();
        }
        None
    }

    /// The check is being made: it is not due until it is set again.
    pub(super) fn begin(&mut self, check: usize) {
        self.entries[check].due = None;
        self.entries[check].edition += 1;
    }

    /// The check is due at `at`.
    pub(super) fn set(&mut self, check: usize, at: Instant) {
        let entry = &mut self.entries[check];
        entry.due = Some(at);
        entry.edition += 1;
        self.heap.push(Reverse((at, check, entry.edition)));
    }

    /// The check is due at `at` at the latest, unless it is being made.
    pub(super) fn hurry(&mut self, check: usize, at: Instant) {
        if self.entries[check].due.is_some_and(|due| due > at) {
            self.set(check, at);
        }
    }

    /// The check is due at its next usual time: the beat after its phase, at least half an
    /// interval on.
    pub(super) fn set_usual(&mut self, check: usize, now: Instant) {
        let entry = &self.entries[check];
        let since = (now + entry.interval / 2).saturating_duration_since(self.began);
        let rounds = since.saturating_sub(entry.phase).as_nanos();
        let rounds = rounds.div_ceil(entry.interval.as_nanos());
        let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
        let usual = entry.interval.checked_mul(rounds);
        let usual = usual.map(|since| {
            let (since, beat) = ((since + entry.phase).as_nanos(), entry.beat.as_nanos());
            let since = u64::try_from(since.next_multiple_of(beat)).unwrap_or(u64::MAX);
            self.began + Duration::from_nanos(since)
        });
        self.set(check, usual.unwrap_or(now + self.entries[check].interval));
    }
}

/// The grid on which a check of `interval` lies, where `per_second` checks are made each
/// second. A power of two in milliseconds, so that every time on a coarser grid is one on
/// the finer ones, too.
fn beat(interval: Duration, per_second: f64) -> Duration {
    let full = Duration::try_from_secs_f64(TOGETHER / per_second).unwrap_or(Duration::MAX);
    let most = full.min(interval / MOVED_SHARE).as_millis();
    let mut beat = BEAT_MAX_MS;
    while beat > 1 && u128::from(beat) > most {
        beat /= 2;
    }
    Duration::from_millis(beat)
}

/// A share of 1 made of a name: the same at every start, spread evenly (FNV-1a, whose high
/// bits a multiplication mixes once more).
fn share(name: &str) -> f64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in name.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn table(now: Instant, count: usize, interval: Duration) -> Timetable {
        let names: Vec<String> = (0..count).map(|n| format!("shop-{n}")).collect();
        Timetable::new(now, names.iter().map(|name| (name.as_str(), interval)))
    }

    #[test]
    fn ten_thousand_checks_do_not_fire_at_once() {
        let now = Instant::now();
        let mut table = table(now, 10_000, 30 * SECOND);
        let mut in_second = [0_u32; 90];
        while let Some((check, at)) = table.first() {
            let second = (at - now).as_secs() as usize;
            if second >= in_second.len() {
                break;
            }
            in_second[second] += 1;
            table.begin(check);
            table.set_usual(check, at);
        }
        // From the first round to the third, every second has its third of a thousand.
        assert!(
            in_second.iter().all(|count| (230..=450).contains(count)),
            "{in_second:?}"
        );
    }

    #[test]
    fn a_few_checks_are_all_seen_within_a_moment() {
        let now = Instant::now();
        let mut table = table(now, 20, 300 * SECOND);
        let mut seen = 0;
        while let Some((check, at)) = table.first().filter(|(_, at)| *at <= now + SECOND) {
            assert!(at >= now);
            table.begin(check);
            seen += 1;
        }
        assert_eq!(seen, 20);
    }

    #[test]
    fn those_due_within_a_moment_begin_together_and_never_very_many() {
        let now = Instant::now();
        for (count, begins_max) in [(1_000, 118), (10_000, 1_876)] {
            let mut table = table(now, count, 30 * SECOND);
            let mut together = BTreeMap::<Instant, u32>::new();
            for check in 0..count {
                table.begin(check);
                table.set_usual(check, now + 30 * SECOND);
            }
            while let Some((check, at)) = table.first() {
                table.begin(check);
                *together.entry(at).or_default() += 1;
            }
            assert!(together.len() <= begins_max, "{}", together.len());
            assert!(together.values().all(|count| *count <= 25), "{together:?}");
        }
    }

    #[test]
    fn a_check_of_a_short_interval_is_hardly_moved() {
        let now = Instant::now();
        let mut table = table(now, 1, SECOND);
        let mut last = None;
        for _ in 0..100 {
            let (check, at) = table.first().expect("it is due");
            table.begin(check);
            table.set_usual(check, at);
            if let Some(last) = last.replace(at).filter(|last| *last > now + SECOND) {
                let between = at - last;
                assert!(between >= SECOND - SECOND / MOVED_SHARE, "{between:?}");
                assert!(between <= SECOND + SECOND / MOVED_SHARE, "{between:?}");
            }
        }
    }

    #[test]
    fn a_check_keeps_its_place_from_start_to_start() {
        let usual = |now: Instant| {
            let mut table = table(now, 1, 60 * SECOND);
            table.begin(0);
            table.set_usual(0, now);
            table.first().map(|(_, at)| at - now)
        };
        let now = Instant::now();
        assert_eq!(usual(now), usual(now + 7 * SECOND));
    }

    #[test]
    fn a_check_that_is_being_made_is_not_due_and_is_not_hurried() {
        let now = Instant::now();
        let mut table = table(now, 1, SECOND);
        table.begin(0);
        table.hurry(0, now);
        assert_eq!(table.first(), None);
        table.set(0, now + SECOND);
        table.hurry(0, now);
        assert_eq!(table.first(), Some((0, now)));
    }

    #[test]
    fn after_a_long_sleep_no_round_is_made_up_for() {
        let now = Instant::now();
        let mut table = table(now, 1, SECOND);
        table.begin(0);
        let later = now + 3600 * SECOND;
        table.set_usual(0, later);
        let (_, at) = table.first().expect("it is due again");
        assert!(at >= later + SECOND / 2 && at <= later + 2 * SECOND);
    }
}
