//! Imagines: seeded worlds of jobs, databases, lock chains and pools behind an edge that drive
//! the core and a journal, with everything that can go wrong between them.
//!
//! A world has a truth the core never sees: which run hangs, which works honestly, whose
//! session holds what. Observations of it come late, twice, out of order or not at all;
//! actions fail, take long, or are performed and then forgotten in a crash; clocks jump;
//! the journal refuses for a while. An [`oracle`](mod@oracle) that knows the truth and the
//! policy, and shares no code with the decisions, holds every request and every deed
//! against the [invariants](oracle::INVARIANTS). When the faults stop, what must happen
//! has to happen.
//!
//! The same seed gives the same trace, on every machine. [Canaries](canary) are bugs built
//! in on purpose, each of which must be caught; [marks](marks) prove that the interesting
//! situations were met at all.

mod aftermath;
mod beats;
pub mod canary;
mod edge;
mod hands;
mod life;
mod maintenance;
pub mod marks;
pub mod oracle;
mod policy;
mod pools;
mod pump;
mod recycle;
mod service;
mod sight;
mod sim;
mod telling;
mod trace;
mod world;

pub use sim::{Options, Report, Violation, run};

use evenkeel_core::Timestamp;

/// Milliseconds of simulated true time.
pub(crate) type Ms = i64;

pub(crate) const SECOND: Ms = 1_000;
pub(crate) const MINUTE: Ms = 60 * SECOND;
pub(crate) const HOUR: Ms = 60 * MINUTE;

/// The moment every world begins.
const EPOCH: Ms = 1_700_000_000_000;

/// A moment of the world as a timestamp.
pub(crate) fn at(ms: Ms) -> Timestamp {
    Timestamp::from_millisecond(EPOCH + ms).unwrap_or(Timestamp::MAX)
}
