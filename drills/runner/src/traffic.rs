//! Users, open-loop: they log in ([`crate::load`]), or are logged in and work, over
//! connections that are kept ([`Plan`]).
//!
//! Arrivals never wait for answers: people do not stay away because the service is slow for
//! others. Latency counts from the moment a request was *meant*, so a client that falls
//! behind makes the figures worse, never better. (A closed loop sends less when it hurts
//! most, and then reports the few requests it sent: coordinated omission.) How late the
//! client itself was is a figure, too: above some tens of milliseconds the machine, not the
//! service, was measured.
//!
//! What always holds: every arrival ends as one [`Sample`], and one under way is visible in
//! [`Traffic::first_slower_than`] before it has ended. Whatever is not the whole answer
//! that was expected is a failure, with its reason: another status (a redirect to the login,
//! for one, says that a session was lost), no connection, a cut body, the user's patience.
//! Nothing is asked twice, except what never left: a kept connection that the server has
//! closed meanwhile is opened again, as browsers do. One who finds as many requests under
//! way as the bound allows is not sent, which is a failure.
//!
//! Users who work do so on a [`Schedule`] that is made beforehand from a seed, so that a
//! drill knows every arrival, also of the part that has not come yet.

mod client;
mod open_loop;
mod record;
mod schedule;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

pub use client::{Ask, User};
pub use open_loop::Traffic;
pub use record::{Outcome, Sample, percentile_ms};
pub use schedule::{Arrival, Schedule, Stream};

pub(crate) use client::in_full;
pub(crate) use open_loop::{Afterwards, Bounds, Visit};

use client::Client;

/// What traffic to make.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Where the service, or what stands in front of it, listens.
    pub address: SocketAddr,
    /// Who asks.
    pub users: Vec<User>,
    /// What is asked for.
    pub asks: Vec<Ask>,
    /// Who asks for what, and when.
    pub schedule: Arc<Schedule>,
    /// How long a user waits for the whole answer before giving up, from the moment it was
    /// meant.
    pub patience: Duration,
    /// Bound on requests under way.
    pub under_way_max: usize,
}

impl Traffic {
    /// Starts at once, on the current runtime.
    #[must_use]
    pub fn start(plan: Plan) -> Self {
        let bounds = Bounds {
            patience: plan.patience,
            under_way_max: plan.under_way_max,
        };
        let work = Work {
            client: Client::new(plan.address, plan.users),
            asks: plan.asks,
        };
        let schedule = plan.schedule;
        let count = schedule.arrivals().len();
        let arrivals = (0..count).map(move |index| schedule.arrivals()[index]);
        Self::drive(arrivals, bounds, work)
    }
}

struct Work {
    client: Client,
    asks: Vec<Ask>,
}

impl Visit for Work {
    async fn visit(&self, arrival: Arrival) -> (Outcome, Option<Afterwards>) {
        let asked = self.client.ask(arrival.user, &self.asks[arrival.ask]);
        (asked.await, None)
    }
}
