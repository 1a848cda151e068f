//! When each check is due: one heap for all of them, no task for each.
//!
//! Every check has a phase of its own within its interval, made of its name, so that ten
//! thousand checks do not fire at once, and a check keeps its place from start to start.
//! The first round does not wait for that: it is spread over as much time as the checks
//! need at [`FIRST_ROUND_EACH`], so that a few checks are all seen within a moment.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// The first round makes at most one check in this time.
const FIRST_ROUND_EACH: Duration = Duration::from_millis(3);

/// What the timetable knows of one check.
#[derive(Debug, Clone)]
struct Entry {
    interval: Duration,
    phase: Duration,
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
        checks: impl ExactSizeIterator<Item = (&'a str, Duration)>,
    ) -> Self {
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

    /// The check is due at its next usual time: its phase, at least half an interval on.
    pub(super) fn set_usual(&mut self, check: usize, now: Instant) {
        let entry = &self.entries[check];
        let since = (now + entry.interval / 2).saturating_duration_since(self.began);
        let rounds = since.saturating_sub(entry.phase).as_nanos();
        let rounds = rounds.div_ceil(entry.interval.as_nanos());
        let rounds = u32::try_from(rounds).unwrap_or(u32::MAX);
        let usual = entry.interval.checked_mul(rounds);
        let usual = usual.map(|since| self.began + since + entry.phase);
        self.set(check, usual.unwrap_or(now + self.entries[check].interval));
    }
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
