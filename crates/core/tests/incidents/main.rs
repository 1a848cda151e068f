//! Incidents in public, and what is left to do of them.

mod aftermath;
mod service;
mod telling;
