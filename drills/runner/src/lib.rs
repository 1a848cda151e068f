//! Real parts for drills and tests: a throw-away PostgreSQL, an FTP server that
//! can be told to hang, an SSH server, an object store, child processes that cannot outlive us, a load client
//! that does not wait politely, and a TCP proxy that breaks connections.
//!
//! What always holds: everything listens on loopback at a free port, lives in a
//! [`Scratch`] folder, and is gone afterwards, whether the drill ends, panics,
//! is interrupted or is killed with SIGKILL (see [`process`]). Nothing here
//! knows Evenkeel: a drill measures from outside, with the same parts in every
//! arm.
//!
//! Real parts and not stand-ins, because the outages live in their details: how
//! much a socket buffers before an upload stalls, what a backend does when its
//! client is gone.

pub mod browser;
pub mod drill;
pub mod ftp;
pub mod load;
pub mod objects;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod say;
mod scratch;
pub mod sshd;
pub mod traffic;

pub use scratch::Scratch;
