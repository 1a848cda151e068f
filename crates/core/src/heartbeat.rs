//! Heartbeats: jobs and programs that say by themselves that they are alive.
//!
//! Each has a UUID, and a client asks for one URL with it: a *ping*. What a ping says is
//! its [`Signal`]. When the next one is due is computed by whoever receives it, from the
//! heartbeat's schedule and its time zone, and comes with the ping: the core knows no
//! calendars, and a replay finds the same due times whatever the zones have become since.
//!
//! A ping is a fact and is said once. It carries a number of its own ([`Ping::order`]), so
//! that one that is told again after a lost answer of the journal is not counted twice.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::finding::Severity;
use crate::ids::{ComponentId, HeartbeatId};
use crate::status::Status;

/// What is kept of a ping's body, bytes: Healthchecks' own limit, as clients are told in
/// `Ping-Body-Limit`.
pub const BODY_MAX: usize = 10_000;

/// Heartbeats there can be. Four times what Healthchecks' largest plan has; a client that
/// creates one for each request must not fill the journal's snapshots.
pub const HEARTBEATS_MAX: usize = 20_000;

/// What a heartbeat is: from the configuration, or made through the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatSpec {
    /// What it is called: `Nightly backup`. May be empty where a client made it so.
    pub name: String,
    /// Its name in URLs: `nightly-backup`. May be empty, and need not be unique.
    pub slug: String,
    /// Words it can be found by, separated by spaces.
    pub tags: String,
    /// What it is for.
    pub desc: String,
    /// When its pings are expected.
    pub expected: Expectation,
    /// How late a ping may come.
    pub grace: Duration,
    /// How late after it is due a start may come, where starts are sent; else `grace` is
    /// for the whole run.
    pub start_grace: Option<Duration>,
    /// The longest a run may go without an end or a `/log`; without it `grace`.
    pub run_max: Option<Duration>,
    /// A run that succeeds in less has done nothing.
    pub run_min: Option<Duration>,
    /// Runs begin at least so far apart.
    pub interval_min: Option<Duration>,
    /// How much it matters when it is missing, failed or overrun.
    pub severity: Severity,
    /// The components that are hurt then.
    pub components: Vec<ComponentId>,
    /// How they are then.
    pub harm: Status,
    /// Once paused, pings do not resume it.
    pub manual_resume: bool,
    /// Only `POST` counts.
    pub post_only: bool,
    /// What clients of Healthchecks' API stored for pings by mail, which are not taken here.
    pub mail: Option<Box<MailWords>>,
}

impl Default for HeartbeatSpec {
    /// A day and an hour, as Healthchecks begins. It calls somebody: who sets up a heartbeat
    /// wants to hear when it stops.
    fn default() -> Self {
        Self {
            name: String::new(),
            slug: String::new(),
            tags: String::new(),
            desc: String::new(),
            expected: Expectation::Every {
                period: Duration::from_secs(86_400),
            },
            grace: Duration::from_secs(3600),
            start_grace: None,
            run_max: None,
            run_min: None,
            interval_min: None,
            severity: Severity::Critical,
            components: Vec::new(),
            harm: Status::DegradedPerformance,
            manual_resume: false,
            post_only: false,
            mail: None,
        }
    }
}

impl HeartbeatSpec {
    /// What people call it: its name, else its slug, else its UUID.
    pub fn called<'a>(&'a self, id: &'a HeartbeatId) -> &'a str {
        [self.name.as_str(), self.slug.as_str()]
            .into_iter()
            .find(|text| !text.is_empty())
            .unwrap_or(id.as_str())
    }

    /// The longest a run may go without an end or a `/log`.
    pub fn run_limit(&self) -> Duration {
        self.run_max.unwrap_or(self.grace)
    }
}

/// When pings are expected. Read by who receives them, only carried here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// So long after the one before.
    Every {
        /// So long.
        period: Duration,
    },
    /// A cron expression.
    Cron {
        /// Five fields.
        expression: String,
        /// An IANA time zone.
        time_zone: String,
    },
    /// A systemd `OnCalendar` expression; several on lines of their own.
    OnCalendar {
        /// The expression.
        expression: String,
        /// An IANA time zone.
        time_zone: String,
    },
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every { period } => write!(f, "every {}", crate::detect::say(*period)),
            Self::Cron {
                expression,
                time_zone,
            } => write!(f, "cron {expression} {time_zone}"),
            Self::OnCalendar {
                expression,
                time_zone,
            } => write!(f, "calendar {} {time_zone}", expression.trim()),
        }
    }
}

/// What clients of Healthchecks' API stored for pings by mail.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MailWords {
    /// `start_kw`.
    pub start: String,
    /// `success_kw`, and `subject` of older clients.
    pub success: String,
    /// `failure_kw`, and `subject_fail` of older clients.
    pub failure: String,
    /// `filter_subject`.
    pub in_subject: bool,
    /// `filter_body`.
    pub in_body: bool,
}

/// A ping, as it was received. The observation says when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ping {
    /// Of which heartbeat.
    pub heartbeat: HeartbeatId,
    /// Its number: each ping that is taken has a higher one than all before it.
    pub order: u64,
    /// What it says.
    pub signal: Signal,
    /// The run it is about, as its client names it: a UUID in lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rid: Option<String>,
    /// Its body, cut to [`BODY_MAX`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// How it came.
    pub source: PingSource,
    /// When the next one is due, if this one ends a run.
    pub next_due_at: Option<Timestamp>,
}

/// How a ping came; all of it is what the client says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PingSource {
    /// `http` or `https`.
    pub scheme: String,
    /// The HTTP method.
    pub method: String,
    /// The address it came from.
    pub remote: String,
    /// The user agent, at most 200 bytes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub agent: String,
}

/// What a ping says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// All is well; a run, where one began, has ended well.
    Success,
    /// A run began.
    Start,
    /// A run failed.
    Fail,
    /// A run is still at work.
    Log,
    /// A run ended with this exit status; zero is success.
    Exit(u8),
}

impl Signal {
    /// Whether it ends a run, and then whether that succeeded.
    pub fn ends_well(self) -> Option<bool> {
        match self {
            Self::Success | Self::Exit(0) => Some(true),
            Self::Fail | Self::Exit(_) => Some(false),
            Self::Start | Self::Log => None,
        }
    }

    /// The exit status it carries.
    pub fn exit_status(self) -> Option<u8> {
        match self {
            Self::Exit(status) => Some(status),
            _ => None,
        }
    }
}

/// What is to become of a heartbeat. The observation says by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatChange {
    /// Which.
    pub heartbeat: HeartbeatId,
    /// What.
    pub change: Change,
}

/// What is to become of a heartbeat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// It is to be there.
    Create {
        /// What it is.
        spec: Box<HeartbeatSpec>,
        /// Not if another one has its slug: two first pings at once make one heartbeat.
        unless_slug_taken: bool,
    },
    /// It is to be another.
    Update {
        /// What it is to be.
        spec: Box<HeartbeatSpec>,
        /// When its next ping is due by its new schedule; `None` where it had none yet.
        due_at: Option<Timestamp>,
    },
    /// It is to be gone.
    Delete,
    /// It is not to be watched for a while.
    Pause,
    /// It is to be watched again, from its next ping on.
    Resume,
    /// The configuration has it, with this schedule.
    Schedule {
        /// The schedule, in words that differ whenever it does.
        schedule: String,
        /// When its next ping is due by it.
        due_at: Option<Timestamp>,
    },
}
