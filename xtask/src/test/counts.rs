//! Reading how many tests passed and failed from what the runners print.

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Counts {
    pub(crate) const fn one(succeeded: bool) -> Self {
        Counts {
            passed: succeeded as u64,
            failed: !succeeded as u64,
        }
    }

    pub(crate) const fn add(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// A runner that failed without naming a test (a crash, a build error) is
    /// one failure; one that succeeded without running a test has proved nothing.
    pub(crate) fn settled(mut self, succeeded: bool) -> Self {
        let proved_nothing = succeeded && self == Counts::default();
        if proved_nothing || (!succeeded && self.failed == 0) {
            self.failed += 1;
        }
        self
    }

    /// A line of `cargo test`:
    /// `test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; ..`.
    pub(crate) fn read_cargo(&mut self, line: &str) {
        let Some((_, counts)) = line
            .split_once("test result: ")
            .and_then(|(_, r)| r.split_once(". "))
        else {
            return;
        };
        for part in counts.split("; ") {
            match part.split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse().unwrap_or(0),
                Some((number, "failed")) => self.failed += number.parse().unwrap_or(0),
                _ => {}
            }
        }
    }

    /// A line of `node --test`: `ℹ pass 4` from the spec reporter, `# pass 4`
    /// from TAP. A cancelled test is a failed one.
    pub(crate) fn read_node(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        if !matches!(words.next(), Some("ℹ" | "#")) {
            return;
        }
        let (kind, number) = (
            words.next(),
            words.next().and_then(|n| n.parse::<u64>().ok()),
        );
        match (kind, number, words.next()) {
            (Some("pass"), Some(number), None) => self.passed += number,
            (Some("fail" | "cancelled"), Some(number), None) => self.failed += number,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_summaries_are_added_up() {
        let mut counts = Counts::default();
        for line in [
            "running 2 tests",
            "test a::passed ... ok",
            "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED. 10 passed; 1 failed; 0 ignored; 0 measured; 3 filtered out; finished in 1.20s",
            "test result: \u{1b}[32mok\u{1b}[m. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out",
        ] {
            counts.read_cargo(line);
        }
        assert_eq!(
            counts,
            Counts {
                passed: 17,
                failed: 1
            }
        );
    }

    #[test]
    fn node_summaries_are_read_in_both_forms() {
        for lines in [
            ["ℹ tests 5", "ℹ pass 4", "ℹ fail 1"],
            ["# tests 5", "# pass 4", "# fail 1"],
        ] {
            let mut counts = Counts::default();
            lines.iter().for_each(|line| counts.read_node(line));
            assert_eq!(
                counts,
                Counts {
                    passed: 4,
                    failed: 1
                }
            );
        }
        let mut counts = Counts::default();
        counts.read_node("# pass 4 plates to the left");
        counts.read_node("ℹ cancelled 2");
        assert_eq!(
            counts,
            Counts {
                passed: 0,
                failed: 2
            }
        );
    }

    #[test]
    fn a_crash_counts_as_a_failure_and_so_does_silence() {
        let some = Counts {
            passed: 3,
            failed: 0,
        };
        assert_eq!(some.settled(true), some);
        assert_eq!(
            some.settled(false),
            Counts {
                passed: 3,
                failed: 1
            }
        );
        assert_eq!(
            Counts {
                passed: 3,
                failed: 2
            }
            .settled(false)
            .failed,
            2
        );
        assert_eq!(Counts::default().settled(true).failed, 1);
    }
}
