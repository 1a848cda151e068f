//! How many requests may be tried again: a share of those that came, so that retries cannot
//! make an overload worse than by that share.
//!
//! Finagle's and Linkerd's budget: over the last ten seconds, retries may be at most
//! `budget_pct` of the requests, and `budget_min_per_s` in any case, for services that are
//! asked seldom. A fixed number of tries for each request, the obvious other way, triples
//! the load exactly when everything fails.

use std::cell::RefCell;

use crate::settings::Retry;

/// Linkerd's and Finagle's default: long enough for a deployment's hiccup, short enough that
/// a busy hour does not pay for the outage after it. Seconds, one slot each.
const SLOTS: u64 = 10;

pub(crate) struct Budget {
    state: RefCell<State>,
    pct: u64,
    reserve: u64,
}

#[derive(Default)]
struct State {
    second: u64,
    requests: [u32; SLOTS as usize],
    retries: [u32; SLOTS as usize],
}

impl Budget {
    pub(crate) fn new(retry: &Retry) -> Self {
        Self {
            state: RefCell::default(),
            pct: u64::from(retry.budget_pct),
            reserve: u64::from(retry.budget_min_per_s) * SLOTS,
        }
    }

    /// A request came, `now` in microseconds.
    pub(crate) fn deposit(&self, now: u64) {
        let mut state = self.state.borrow_mut();
        let slot = state.at(now);
        state.requests[slot] = state.requests[slot].saturating_add(1);
    }

    /// Takes one retry, if there is one.
    pub(crate) fn withdraw(&self, now: u64) -> bool {
        let mut state = self.state.borrow_mut();
        let slot = state.at(now);
        let sum = |of: &[u32]| of.iter().map(|count| u64::from(*count)).sum::<u64>();
        let may = sum(&state.requests) * self.pct / 100 + self.reserve;
        let there = sum(&state.retries) < may;
        state.retries[slot] += u32::from(there);
        there
    }
}

impl State {
    /// The slot of `now`; what is older than all slots is forgotten.
    fn at(&mut self, now: u64) -> usize {
        let second = now / 1_000_000;
        let passed = second.saturating_sub(self.second).min(SLOTS);
        for back in 0..passed {
            let slot = ((second - back) % SLOTS) as usize;
            (self.requests[slot], self.retries[slot]) = (0, 0);
        }
        self.second = self.second.max(second);
        (self.second % SLOTS) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::Budget;
    use crate::settings::Retry;

    fn budget(budget_pct: u8, budget_min_per_s: u32) -> Budget {
        Budget::new(&Retry {
            attempts: 2,
            budget_pct,
            budget_min_per_s,
        })
    }

    fn granted(budget: &Budget, now: u64) -> usize {
        (0..1000).filter(|_| budget.withdraw(now)).count()
    }

    #[test]
    fn retries_are_a_share_of_the_requests_and_a_few_more() {
        let budget = budget(20, 1);
        (0..500).for_each(|second| budget.deposit(second * 10_000));
        assert_eq!(granted(&budget, 5_000_000), 100 + 10);
        assert_eq!(granted(&budget, 6_000_000), 0);
    }

    #[test]
    fn what_is_older_than_ten_seconds_counts_no_longer() {
        let budget = budget(20, 0);
        (0..100).for_each(|_| budget.deposit(0));
        assert_eq!(granted(&budget, 9_900_000), 20);
        assert_eq!(granted(&budget, 10_000_000), 0);
        (0..50).for_each(|_| budget.deposit(19_500_000));
        // The retries at 9.9 s are forgotten at 19 s, with the requests at 0.
        assert_eq!(granted(&budget, 19_500_000), 10);
        assert_eq!(granted(&budget, 1_000_000_000), 0);
    }

    #[test]
    fn without_a_budget_nothing_is_tried_again() {
        let budget = budget(0, 0);
        (0..100).for_each(|_| budget.deposit(0));
        assert_eq!(granted(&budget, 0), 0);
    }
}
