//! How often an expensive question is asked: the longer it takes, the more seldom.

use std::time::{Duration, Instant};

/// An answer, and when it may be asked for again.
#[derive(Debug)]
pub(super) struct Paced<T> {
    last: Option<(T, Instant, Duration)>,
    share: u32,
}

impl<T> Paced<T> {
    /// A question that may take one part in `share` of a core.
    pub(super) fn new(share: u32) -> Self {
        Self { last: None, share }
    }

    /// The answer: asked now, or the last one where it is not due again.
    pub(super) fn ask(&mut self, question: impl FnOnce() -> T) -> &T {
        let due = self
            .last
            .as_ref()
            .is_none_or(|(_, asked, took)| asked.elapsed() >= *took * self.share);
        if due {
            let began = Instant::now();
            let answer = question();
            self.last = Some((answer, began, began.elapsed()));
        }
        match &self.last {
            Some((answer, ..)) => answer,
            None => unreachable!("it was just asked"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_took_long_is_not_asked_again_soon() {
        let mut paced = Paced::new(1_000_000);
        let mut asked = 0;
        for _ in 0..3 {
            paced.ask(|| {
                asked += 1;
                // Any work at all: a millionth of a core allows it once in a while.
                (0..1000_u64).map(std::hint::black_box).sum::<u64>()
            });
        }
        assert_eq!(asked, 1);
    }
}
