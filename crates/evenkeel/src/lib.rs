//! The program: configuration, the pump between what is seen and what is done, the
//! pages, the control socket, and the ways to people.
//!
//! A library beside its binary only so that tests and examples can reach it.

pub mod access;
pub mod almanac;
pub mod channels;
pub mod cli;
pub mod config;
pub mod control;
pub mod edge;
pub mod heartbeats;
pub mod hotline;
pub mod metrics;
pub mod postmortem;
pub mod public;
pub mod publish;
pub mod pump;
pub mod quiet;
pub mod recorder;
pub mod replay;
pub mod report;
pub mod rights;
pub mod serve;
pub mod subscribers;
pub mod survey;
mod telling;
#[cfg(test)]
mod testing;
pub mod useful;
pub mod web;
pub mod witness;
