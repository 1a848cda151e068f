//! The sim imagines: seeded worlds that drive the core and a journal in memory.
//!
//! A world has jobs, databases, lock chains and an operator, and everything in it goes
//! wrong: observations are late, lost and doubled, actions fail or are done twice, clocks
//! are set, the journal refuses, the program dies at any moment. An oracle that knows what
//! really is judges every decision. First there is trouble, and safety is checked; then
//! peace, and whatever was begun has to come to its end.
//!
//! What is real: the core, the journal in memory and its codec. What is imagined: the
//! world, the guards' eyes and hands, and the pump, which here keeps the real one's order
//! of doing things. The seed is the only source of randomness: the same seed, the same
//! trace.

mod canaries;
mod clock;
mod faults;
mod hands;
mod journal;
mod marks;
mod oracle;
mod pump;
mod report;
mod shadow;
mod sim;
mod trace;
mod world;

pub use canaries::Canary;
pub use marks::Marks;
pub use sim::{Counts, Options, Report, Violation, run};
