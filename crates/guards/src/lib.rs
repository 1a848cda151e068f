//! Guards touch machines: each observes its part of the world and performs the actions
//! the core has decided on. None of them decides.
//!
//! A guard is a folder: what it sees becomes [`evenkeel_core::observation::Observation`]s
//! sent through an [`outlet::Outlet`], what it is told to do comes as an
//! [`evenkeel_core::action::Action`] through [`guard::Guard::perform`]. Guards know of
//! each other only through the small traits of [`guard`].

pub mod checks;
pub mod evidence;
pub mod guard;
pub mod jobs;
pub mod leaks;
pub mod locks;
pub mod outlet;
pub mod readiness;
pub mod sftp;
mod sock_diag;
