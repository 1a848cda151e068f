//! The ways words take to people: one channel for each audience.
//!
//! A channel is given a message the journal has already taken, and answers how it went.
//! It may be given the same message twice (after a restart), so what it sends carries the
//! message's id for the receiver to drop doubles by. Retries are the channel's own; the
//! pump bounds the whole.

pub mod log;
pub mod mail;
pub mod page;
pub mod people;
pub mod webhook;

use std::sync::Arc;

use evenkeel_core::action::Outcome;
use evenkeel_core::message::{Audience, Message};
use evenkeel_guards::guard::BoxFuture;

/// One way to tell people something.
pub trait Channel: Send + Sync + 'static {
    /// The name in logs and outcomes.
    fn name(&self) -> &'static str;

    /// Tells it. Twice does no harm.
    fn tell<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Outcome>;
}

/// Who is told how.
#[derive(Clone)]
pub struct Channels {
    /// Pages to the operator on duty.
    pub operator: Arc<dyn Channel>,
    /// Public updates.
    pub public: Arc<dyn Channel>,
}

impl Channels {
    /// The channel for an audience.
    pub fn of(&self, audience: Audience) -> Arc<dyn Channel> {
        match audience {
            Audience::Operator => self.operator.clone(),
            Audience::Public => self.public.clone(),
        }
    }
}
