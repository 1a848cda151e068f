//! What happened, as lines; the newest are kept for telling, all of them for comparing.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::Ms;

/// Lines kept for telling what led to a violation.
const KEPT: usize = 60;

/// The trace of one run.
#[derive(Default)]
pub(crate) struct Trace {
    newest: VecDeque<String>,
    hasher: DefaultHasher,
    pub(crate) prints: bool,
}

impl Trace {
    pub(crate) fn line(&mut self, now: Ms, text: &str) {
        (now, text).hash(&mut self.hasher);
        let line = format!("{:>12.3} s  {text}", now as f64 / 1000.0);
        if self.prints {
            crate::sim::say(&line);
        }
        self.newest.push_back(line);
        if self.newest.len() > KEPT {
            self.newest.pop_front();
        }
    }

    /// A number that differs where the traces do.
    pub(crate) fn digest(&self) -> u64 {
        self.hasher.finish()
    }

    pub(crate) fn newest(&self) -> Vec<String> {
        self.newest.iter().cloned().collect()
    }
}
