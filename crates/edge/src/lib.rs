//! The edge serves: a reverse proxy in front of the service, with the reflexes that have
//! to work within a request, and the controls that slower decisions need.
//!
//! One thread serves. Fairness needs one queue, a hold needs one order, a limit needs one
//! count; a thread of its own for each core would need locks on the path of every request,
//! or give every tenant its share once for each thread. One core carries some tens of
//! thousands of requests a second, which is a hundred times what the services ask for that
//! this is made for.
//!
//! It takes [`settings::Settings`], which the program has checked, and an
//! [`EdgePlan`](evenkeel_core::edge::EdgePlan) at any time; it gives an
//! [`EdgeWindow`](evenkeel_core::edge::EdgeWindow) a second. It decides nothing that
//! outlives a request, knows no journal and no guard, and serves on with the last plan when
//! nobody speaks to it.

pub mod settings;
