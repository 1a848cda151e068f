//! The thread that packs and writes.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::block::{BLOCK_MAX, Kind, framed};
use super::ring::Ring;
use super::segment::{Base, Packer, Step};
use super::{Handed, Settings, Shared};

/// A block is written at the latest with so many observations or steps: more does not pack
/// better, and must be unpacked at once.
const BLOCK_OBSERVATIONS: usize = 16_384;
/// The same in bytes as they are in memory.
const BLOCK_WEIGHT: usize = 8 << 20;

pub(super) struct Thread {
    settings: Settings,
    shared: Arc<Shared>,
    ring: Ring,
    /// The segment that is being written, by the pump's count, and what is not written yet.
    segment: u64,
    packer: Option<Packer>,
    /// When it began; when the first step that is not written yet came.
    began: Instant,
    oldest: Instant,
    weight: usize,
}

impl Thread {
    pub(super) fn new(settings: Settings, shared: Arc<Shared>) -> Self {
        Self {
            ring: Ring::new(&settings),
            settings,
            shared,
            segment: 0,
            packer: None,
            began: Instant::now(),
            oldest: Instant::now(),
            weight: 0,
        }
    }

    pub(super) fn run(mut self, handed: &Receiver<Handed>) {
        loop {
            match handed.recv_timeout(self.patience()) {
                Ok(Handed::Base(segment, base)) => self.begin(segment, &base),
                Ok(Handed::Step(segment, step, weight)) => {
                    self.take(segment, &step, weight);
                    // Only now: what was handed over and not packed is still waiting.
                    self.shared.waiting.fetch_sub(weight, Ordering::Relaxed);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.patience().is_zero() {
                self.write();
            }
        }
        self.write();
        self.ring.end();
    }

    /// How long what was taken may wait for more.
    fn patience(&self) -> Duration {
        match &self.packer {
            Some(packer) if packer.steps() > 0 => {
                let full = packer.observations >= BLOCK_OBSERVATIONS
                    || packer.steps() >= BLOCK_OBSERVATIONS
                    || self.weight >= BLOCK_WEIGHT;
                let due = self.oldest + self.settings.flush_after;
                if full {
                    Duration::ZERO
                } else {
                    due.saturating_duration_since(Instant::now())
                }
            }
            _ => Duration::from_secs(3600),
        }
    }

    fn begin(&mut self, segment: u64, base: &Base) {
        self.write();
        // Before it can be seen that the next one has begun.
        self.shared.full.store(false, Ordering::Relaxed);
        self.packer = None;
        self.segment = segment;
        let begun = base.packed().and_then(|packed| {
            if packed.len() > BLOCK_MAX {
                let why = "the state is too large to begin a segment with";
                return Err(std::io::Error::other(why));
            }
            self.ring.begin(base.at, &framed(Kind::Base, &packed))
        });
        match begun {
            Ok(()) => {
                self.packer = Some(Packer::new());
                self.began = Instant::now();
                self.shared.go_on();
            }
            Err(error) => self.give_up(&error),
        }
    }

    fn take(&mut self, segment: u64, step: &Step, weight: usize) {
        let observations = step.inputs.len() as u64;
        let Some(packer) = self.packer.as_mut().filter(|_| segment == self.segment) else {
            self.shared.lose(1, observations);
            return;
        };
        if packer.steps() == 0 {
            self.oldest = Instant::now();
        }
        self.weight += weight;
        if let Err(error) = packer.take(step) {
            self.shared.lose(1, observations);
            self.give_up(&error);
        }
    }

    /// Writes what was taken as a block.
    fn write(&mut self) {
        let Some(packer) = self.packer.as_mut().filter(|packer| packer.steps() > 0) else {
            return;
        };
        self.weight = 0;
        let (steps, observations) = (packer.steps() as u64, packer.observations as u64);
        let written = packer
            .block()
            .and_then(|block| self.ring.append(&framed(Kind::Steps, &block)));
        match written {
            Ok(()) => {
                let is_full = self.ring.bytes() >= self.settings.segment_bytes
                    || self.began.elapsed() >= self.settings.segment_for;
                if is_full {
                    self.shared.full.store(true, Ordering::Relaxed);
                }
            }
            Err(error) => {
                self.shared.lose(steps, observations);
                self.give_up(&error);
            }
        }
    }

    fn give_up(&mut self, error: &std::io::Error) {
        self.packer = None;
        self.ring.end();
        let why = format!("{}: {error}", self.settings.folder.display());
        self.shared.stop(why, self.settings.retry_after);
        // After the reason is told: the pump may look at it as soon as it sees this.
        self.shared.given_up.store(self.segment, Ordering::Release);
    }
}
