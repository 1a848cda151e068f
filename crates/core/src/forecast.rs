//! When something that fills up will be full.

use alloc::string::String;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::observation::Resource;

/// When something runs out, if it goes on as it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forecast {
    /// What.
    pub resource: Resource,
    /// How much of it is used, after the last collection.
    pub used: u64,
    /// How much there is.
    pub limit: u64,
    /// By what it grows.
    pub grows: Grows,
    /// Its growth in an hour under the load of late, in the resource's own unit.
    pub per_hour: u64,
    /// Its growth in a thousand requests, where they are counted.
    pub per_1000_requests: Option<u64>,
    /// When it runs out.
    pub exhausts: Exhausts,
    /// Since when it has grown like this, as far as it was seen.
    pub grows_since: Timestamp,
    /// The release it came with: the one before did not grow so.
    pub since_release: Option<String>,
    /// Its siblings in the pool, of about its age, do not grow so.
    pub alone: bool,
    /// When this was reckoned.
    pub reckoned_at: Timestamp,
}

/// By what something grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grows {
    /// By the hour, whatever the load.
    ByTime,
    /// By the request: a busy day shortens its time.
    ByRequests,
}

/// When something runs out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exhausts {
    /// Hardly before: the lower bound that is acted by.
    pub earliest: Timestamp,
    /// Most likely.
    pub likely: Timestamp,
    /// Hardly after; the end of time where it may go on for ever.
    pub latest: Timestamp,
}

/// How full one thing is, as it was last seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// How much is used.
    pub used: u64,
    /// How much there is, where that is known.
    pub limit: Option<u64>,
    /// When that was seen.
    pub seen_at: Timestamp,
    /// When the process was started, where that can be told.
    pub started_at: Option<Timestamp>,
    /// When it last fell by at least half of what it had risen, or began anew with less.
    pub fallen_at: Option<Timestamp>,
}
