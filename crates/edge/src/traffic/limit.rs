//! How many requests of a pool may be under way.

use std::cell::Cell;

use crate::settings::Limit;

pub(crate) struct Adaptive {
    limit: Cell<u32>,
}

impl Adaptive {
    pub(crate) fn new(limit: &Limit) -> Self {
        let begin = if limit.adaptive {
            limit.initial.clamp(limit.min, limit.max)
        } else {
            limit.max
        };
        Self {
            limit: Cell::new(begin.max(1)),
        }
    }

    pub(crate) fn limit(&self) -> u32 {
        self.limit.get()
    }
}
