//! Evenkeel decides here, and only decides.
//!
//! `step(state, policy, inputs, now) -> events` is a pure, synchronous function: no
//! I/O, no clock, no randomness, no async, ordered maps only. The same state and
//! inputs give the same events on every machine, which is what makes replay, the
//! sim and a trustworthy journal possible.
//!
//! The crate is `no_std`: it has no clock, no files, no environment and no
//! hash-ordered maps to reach for, and `tests/purity.rs` proves that the compiler
//! refuses them. Where a feature seems to need I/O here, an observation is missing.
//!
//! Read in this order: [`observation`] (what was seen), [`finding`] (what holds),
//! [`incident`] (what belongs together), [`action`] and [`message`] (what is to be
//! done and told), [`event`] (what the journal keeps), [`record`] (the fold of it),
//! [`mod@step`] (the one path through all of them).

#![no_std]

extern crate alloc;

pub mod action;
pub mod aftermath;
pub mod authority;
pub mod calling;
pub mod detect;
pub mod edge;
pub mod event;
pub mod evidence;
pub mod finding;
pub mod forecast;
pub mod heartbeat;
pub mod ids;
pub mod incident;
pub mod language;
pub mod maintenance;
pub mod memory;
pub mod message;
pub mod notice;
pub mod observation;
pub mod policy;
pub mod postmortem;
pub mod record;
pub mod respond;
pub mod status;
pub mod step;
pub mod subject;
pub mod telling;
pub mod time;
pub mod witness;

pub use jiff::Timestamp;
