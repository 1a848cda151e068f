//! The pages.

pub mod account;
