//! Fault switches: ways to be ill that drills need, all off by default.
//!
//! They are set at start with `BACKOFFICE_FAULTS='{"..."}'`, or while serving
//! on the admin listener (`serve --admin ADDRESS`), never on the customers'
//! listener:
//!
//! | request | does |
//! |---|---|
//! | `GET /faults` | shows the switches as JSON |
//! | `PUT /faults` | replaces them; what is not named is off |
//! | `DELETE /faults` | all off (leaked memory stays leaked) |
//!
//! | switch | what happens |
//! |---|---|
//! | `slow_ms` | `{"invoices": 800}`: this function answers that much later |
//! | `failing` | `["expenses"]`: this function answers 500 |
//! | `vanished` | `["quotes"]`: 404, and gone from the menu, as if never shipped |
//! | `leak_bytes_per_request` | every request keeps that much memory for ever |
//! | `litter_bytes_per_request` | every request leaves that much behind, swept at `litter_bytes_max` |
//! | `litter_bytes_max` | as a collector does: resident memory is a healthy sawtooth (64 MiB) |
//! | `lock_session` | requests of one user wait for each other, in the database |
//! | `heavy_query_rows` | every list first has the database count that many rows |
//!
//! `login` may stand wherever a function may. The export is a process of its
//! own and has its own switch: `BACKOFFICE_FAULT_EXPORT=empty` delivers an empty
//! file and exits 0.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The switches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Switches {
    pub(crate) slow_ms: BTreeMap<String, u64>,
    pub(crate) failing: BTreeSet<String>,
    pub(crate) vanished: BTreeSet<String>,
    pub(crate) leak_bytes_per_request: usize,
    pub(crate) litter_bytes_per_request: usize,
    pub(crate) litter_bytes_max: usize,
    pub(crate) lock_session: bool,
    pub(crate) heavy_query_rows: i64,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            slow_ms: BTreeMap::new(),
            failing: BTreeSet::new(),
            vanished: BTreeSet::new(),
            leak_bytes_per_request: 0,
            litter_bytes_per_request: 0,
            // Above 32 MiB the allocator of glibc maps it by itself, and what is swept goes
            // back to the system at once.
            litter_bytes_max: 64 << 20,
            lock_session: false,
            heavy_query_rows: 0,
        }
    }
}

/// The switches while serving, what has leaked, and what waits to be swept.
#[derive(Debug)]
pub(crate) struct Faults {
    switches: RwLock<Switches>,
    leaked: Mutex<Vec<Vec<u8>>>,
    litter: Mutex<Litter>,
}

/// A piece of memory that is filled from its start, and given back when it is full.
#[derive(Debug, Default)]
struct Litter {
    memory: Vec<u8>,
    filled: usize,
}

impl Faults {
    pub(crate) fn new(switches: Switches) -> Self {
        Self {
            switches: RwLock::new(switches),
            leaked: Mutex::default(),
            litter: Mutex::default(),
        }
    }

    pub(crate) fn now(&self) -> Switches {
        self.switches
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set(&self, switches: Switches) {
        *self
            .switches
            .write()
            .unwrap_or_else(PoisonError::into_inner) = switches;
    }

    /// What every request does to memory.
    pub(crate) fn fill(&self, switches: &Switches) {
        if switches.litter_bytes_per_request > 0 {
            self.litter
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .add(switches.litter_bytes_per_request, switches.litter_bytes_max);
        }
        self.leak(switches.leak_bytes_per_request);
    }

    fn leak(&self, bytes: usize) {
        if bytes > 0 {
            // Written, not only reserved: otherwise it costs address space alone.
            let kept = vec![0xa5; bytes];
            self.leaked
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(kept);
        }
    }
}

impl Litter {
    fn add(&mut self, bytes: usize, max: usize) {
        if self.memory.len() != max || self.filled + bytes > max {
            // Untouched pages of it are not resident.
            self.memory = vec![0; max];
            self.filled = 0;
        }
        let end = (self.filled + bytes).min(max);
        self.memory[self.filled..end].fill(0xa5);
        self.filled = end;
    }
}

/// What a function's handler has to do before its own work.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    Open,
    Failing,
    Vanished,
}

impl Switches {
    pub(crate) async fn gate(&self, function: &str) -> Gate {
        if self.vanished.contains(function) {
            return Gate::Vanished;
        }
        if let Some(late) = self.slow_ms.get(function) {
            tokio::time::sleep(Duration::from_millis(*late)).await;
        }
        if self.failing.contains(function) {
            return Gate::Failing;
        }
        Gate::Open
    }
}
