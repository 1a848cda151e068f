//! What stands in a segment: where replay starts, and the steps from there.

use std::io::{Read, Write};
use std::sync::Arc;

use evenkeel_core::Timestamp;
use evenkeel_core::memory::Memory;
use evenkeel_core::observation::Observation;
use evenkeel_core::policy::Policy;
use evenkeel_core::record::Record;
use serde::{Deserialize, Serialize};

use super::Damage;
use super::columns::{Assembler, Shredder};
use super::numbers::{Reader, Writer};

/// How hard zstd tries: its own default. Most of a block is numbers that pco has packed.
const LEVEL: i32 = 3;

/// The most bytes a block is unpacked to.
const UNPACKED_MAX: u64 = 1 << 30;

/// Why a segment begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Evenkeel started.
    Started,
    /// An append failed and the state was folded anew from the journal.
    Rebuilt,
    /// The segment before was full; nothing is missing between them.
    Continued,
    /// Something was not recorded.
    Gap(Gap),
}

/// What was not recorded, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Since when.
    pub since: Timestamp,
    /// Steps that are missing.
    pub steps: u64,
    /// Observations that are missing.
    pub observations: u64,
    /// Why.
    pub because: String,
}

/// What replay needs to start: the state before the steps that follow.
#[derive(Debug, Clone)]
pub struct Base {
    /// Why it was written.
    pub why: Why,
    /// When it was taken, by the pump's clock.
    pub at: Timestamp,
    /// The policy of the steps that follow.
    pub policy: Arc<Policy>,
    /// The record, at the journal's revision.
    pub record: Arc<Record>,
    /// What detectors remembered.
    pub memory: Memory,
}

/// One step of the core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its `now`.
    pub now: Timestamp,
    /// The journal's revision before it.
    pub before: u64,
    /// How many events it decided; they are the entries after `before`.
    pub events: u64,
    /// What it was given.
    pub inputs: Vec<Observation>,
}

#[derive(Serialize, Deserialize)]
struct WrittenBase<P, R, M> {
    /// The version of Evenkeel that wrote it.
    evenkeel: String,
    why: Why,
    at: Timestamp,
    policy: P,
    record: R,
    memory: M,
}

impl Base {
    pub(super) fn packed(&self) -> std::io::Result<Vec<u8>> {
        let written = WrittenBase {
            evenkeel: env!("CARGO_PKG_VERSION").to_owned(),
            why: self.why.clone(),
            at: self.at,
            policy: &*self.policy,
            record: &*self.record,
            memory: &self.memory,
        };
        let mut packer = zstd::Encoder::new(Vec::new(), LEVEL)?;
        serde_json::to_writer(&mut packer, &written)?;
        packer.finish()
    }

    pub(super) fn unpacked(payload: &[u8]) -> Result<Self, Damage> {
        let unpacker = zstd::Decoder::with_buffer(payload).map_err(|_| Damage::SHORT)?;
        let reader = std::io::BufReader::new(unpacker.take(UNPACKED_MAX));
        let written: WrittenBase<Policy, Record, Memory> = serde_json::from_reader(reader)
            .map_err(|_| Damage("a start that this version of Evenkeel does not know"))?;
        Ok(Self {
            why: written.why,
            at: written.at,
            policy: Arc::new(written.policy),
            record: Arc::new(written.record),
            memory: written.memory,
        })
    }
}

/// Packs the steps of one segment, block by block.
#[derive(Debug)]
pub(super) struct Packer {
    shredder: Shredder,
    blocks: u64,
    now: Vec<i64>,
    skipped: Vec<i64>,
    events: Vec<i64>,
    inputs: Vec<i64>,
    /// The revision after the last step: the next one mostly begins there.
    after: u64,
    pub(super) observations: usize,
}

impl Packer {
    pub(super) fn new() -> Self {
        Self {
            shredder: Shredder::new(),
            blocks: 0,
            now: Vec::new(),
            skipped: Vec::new(),
            events: Vec::new(),
            inputs: Vec::new(),
            after: 0,
            observations: 0,
        }
    }

    pub(super) fn steps(&self) -> usize {
        self.now.len()
    }

    /// Takes a step. `Err` where it cannot be written: the segment is spoilt then.
    pub(super) fn take(&mut self, step: &Step) -> std::io::Result<()> {
        let now = i64::try_from(step.now.as_nanosecond());
        let now = now.map_err(|_| std::io::Error::other("the clock is past the year 2262"))?;
        self.now.push(now);
        self.skipped
            .push(step.before.wrapping_sub(self.after).cast_signed());
        self.events.push(step.events.cast_signed());
        self.inputs.push(step.inputs.len() as i64);
        self.after = step.before.wrapping_add(step.events);
        for seen in &step.inputs {
            self.shredder.take(seen, step.now)?;
        }
        self.observations += step.inputs.len();
        Ok(())
    }

    /// What was taken since the last block.
    pub(super) fn block(&mut self) -> std::io::Result<Vec<u8>> {
        let mut out = Writer::default();
        out.count(self.blocks);
        for column in [
            &mut self.now,
            &mut self.skipped,
            &mut self.events,
            &mut self.inputs,
        ] {
            out.column(column);
            column.clear();
        }
        self.shredder.block(&mut out);
        self.blocks += 1;
        self.observations = 0;
        let mut packer = zstd::Encoder::new(Vec::new(), LEVEL)?;
        packer.write_all(&out.0)?;
        packer.finish()
    }
}

/// Unpacks the steps of one segment, block by block.
#[derive(Debug)]
pub(super) struct Unpacker {
    assembler: Assembler,
    blocks: u64,
    after: u64,
}

impl Unpacker {
    pub(super) fn new() -> Self {
        Self {
            assembler: Assembler::new(),
            blocks: 0,
            after: 0,
        }
    }

    pub(super) fn block(&mut self, payload: &[u8]) -> Result<Vec<Step>, Damage> {
        let unpacker = zstd::Decoder::with_buffer(payload).map_err(|_| Damage::SHORT)?;
        let mut bytes = Vec::new();
        unpacker
            .take(UNPACKED_MAX)
            .read_to_end(&mut bytes)
            .map_err(|_| Damage("a block that zstd does not read"))?;
        let mut bytes = Reader(&bytes);
        if bytes.count()? != self.blocks {
            return Err(Damage::OUT_OF_ORDER);
        }
        self.blocks += 1;
        let now = bytes.column()?;
        let [skipped, events, inputs] = [bytes.column()?, bytes.column()?, bytes.column()?];
        if [&skipped, &events, &inputs]
            .iter()
            .any(|column| column.len() != now.len())
        {
            return Err(Damage("columns of different lengths"));
        }
        let mut times = Vec::with_capacity(now.len());
        for now in now {
            let now = Timestamp::from_nanosecond(i128::from(now));
            times.push(now.map_err(|_| Damage("a time past the end of time"))?);
        }
        let counts = times.iter().zip(&inputs);
        let counts = counts.map(|(now, count)| (*now, usize::try_from(*count).unwrap_or(0)));
        let observed = self.assembler.block(&mut bytes, counts)?;
        let mut steps = Vec::with_capacity(times.len());
        for (at, inputs) in observed.into_iter().enumerate() {
            let before = self.after.wrapping_add(skipped[at].cast_unsigned());
            let events = events[at].cast_unsigned();
            self.after = before.wrapping_add(events);
            steps.push(Step {
                now: times[at],
                before,
                events,
                inputs,
            });
        }
        Ok(steps)
    }
}
