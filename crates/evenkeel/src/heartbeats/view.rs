//! Heartbeats as they are shown: to operators, and in the API.

use std::collections::BTreeSet;

use evenkeel_core::Timestamp;
use evenkeel_core::heartbeat::HeartbeatSpec;
use evenkeel_core::ids::HeartbeatId;
use evenkeel_core::policy::Policy;
use evenkeel_core::record::{Flip, HeartbeatState, Record};
use serde::{Deserialize, Serialize};

/// How a heartbeat is, in Healthchecks' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeartbeatStatus {
    /// It is missing, has failed, or a run of it does not end.
    Down,
    /// It is due, and within its grace.
    Grace,
    /// It was never heard, and nothing is due yet.
    New,
    /// It was heard in time.
    Up,
    /// It is not watched for a while.
    Paused,
}

impl HeartbeatStatus {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Grace => "grace",
            Self::New => "new",
            Self::Up => "up",
            Self::Paused => "paused",
        }
    }

    /// How a heartbeat is at `now`.
    pub fn of(record: &Record, id: &HeartbeatId, spec: &HeartbeatSpec, now: Timestamp) -> Self {
        let Some(state) = record.heartbeats.get(id) else {
            return Self::New;
        };
        if state.paused {
            return Self::Paused;
        }
        if record.heartbeat_is_down(id) {
            return Self::Down;
        }
        let begun =
            |run: &evenkeel_core::record::OpenRun| Some(run.started_at) > state.due_noted_at;
        let due = state.due_at.filter(|due| *due <= now);
        match (due, state.last_ping_at) {
            // The pump will say so in a moment.
            (Some(due), _)
                if evenkeel_core::time::after(due, spec.start_grace.unwrap_or(spec.grace))
                    <= now
                    && !state.open_runs.values().any(begun) =>
            {
                Self::Down
            }
            (Some(_), _) => Self::Grace,
            (None, None) => Self::New,
            (None, Some(_)) => Self::Up,
        }
    }
}

/// A heartbeat and how it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HeartbeatReport {
    /// Its UUID.
    pub id: HeartbeatId,
    /// What it is called.
    pub name: String,
    /// Its name in URLs; may be empty.
    pub slug: String,
    /// Words it can be found by.
    pub tags: String,
    /// What it is for.
    pub desc: String,
    /// How it is.
    pub status: HeartbeatStatus,
    /// Whether a run of it has begun and not ended.
    pub started: bool,
    /// Whether the configuration has it; the others were made through the API.
    pub configured: bool,
    /// When it is expected, in words.
    pub expected: String,
    /// How late it may come, seconds.
    pub grace_s: u64,
    /// Pings so far.
    pub pings: u64,
    /// When a run last ended, well or not.
    pub last_ping_at: Option<Timestamp>,
    /// When one last ended well.
    pub last_success_at: Option<Timestamp>,
    /// When the next is due.
    pub due_at: Option<Timestamp>,
    /// Runs that have begun and not ended, longest first.
    pub open_runs: Vec<OpenRunReport>,
    /// The run that ended last, where it had said that it began.
    #[serde(default)]
    pub last_run: Option<LastRunReport>,
    /// Changes between up and down, newest first; only where one heartbeat is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flips: Vec<Flip>,
    /// The journal's revisions of its newest pings, newest first; as above.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub revisions: Vec<u64>,
    /// Where it is pinged, where that is known.
    pub ping_url: Option<String>,
}

/// A run that has begun and not ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OpenRunReport {
    /// The client's name for it; empty for one without.
    pub rid: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it last said anything.
    pub heard_at: Timestamp,
}

/// A run that ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LastRunReport {
    /// When it ended.
    pub ended_at: Timestamp,
    /// How long it took, seconds.
    pub took_s: f64,
    /// Whether it ended well.
    pub well: bool,
}

/// Every heartbeat, those that are down first. `base` is where pings go:
/// `https://ping.example.com/ping/`.
pub fn heartbeats(
    record: &Record,
    policy: &Policy,
    base: Option<&str>,
    now: Timestamp,
) -> Vec<HeartbeatReport> {
    let ids: BTreeSet<&HeartbeatId> = policy
        .heartbeats
        .keys()
        .chain(record.heartbeats.keys())
        .collect();
    let mut reports: Vec<_> = ids
        .into_iter()
        .filter_map(|id| heartbeat(record, policy, id, base, now))
        // Ten thousand with all they have been are more than anybody reads.
        .map(|report| HeartbeatReport {
            flips: Vec::new(),
            revisions: Vec::new(),
            ..report
        })
        .collect();
    reports.sort_by(|a, b| (a.status, &a.name, &a.id).cmp(&(b.status, &b.name, &b.id)));
    reports
}

/// One heartbeat; `None` where there is none of that UUID.
pub fn heartbeat(
    record: &Record,
    policy: &Policy,
    id: &HeartbeatId,
    base: Option<&str>,
    now: Timestamp,
) -> Option<HeartbeatReport> {
    let state = record.heartbeats.get(id);
    let configured = policy.heartbeats.get(id);
    let spec = configured.or_else(|| state?.spec.as_deref())?;
    let mut open_runs: Vec<OpenRunReport> = state
        .map(|state| state.open_runs.iter())
        .into_iter()
        .flatten()
        .map(|(rid, run)| OpenRunReport {
            rid: rid.clone(),
            started_at: run.started_at,
            heard_at: run.heard_at,
        })
        .collect();
    open_runs.sort_by_key(|run| run.started_at);
    let of_state = |get: fn(&HeartbeatState) -> Option<Timestamp>| state.and_then(get);
    Some(HeartbeatReport {
        id: id.clone(),
        name: spec.called(id).to_owned(),
        slug: spec.slug.clone(),
        tags: spec.tags.clone(),
        desc: spec.desc.clone(),
        status: HeartbeatStatus::of(record, id, spec, now),
        started: !open_runs.is_empty(),
        configured: configured.is_some(),
        expected: spec.expected.to_string(),
        grace_s: spec.grace.as_secs(),
        pings: state.map_or(0, |state| state.pings),
        last_ping_at: of_state(|state| state.last_ping_at),
        last_success_at: of_state(|state| state.last_success_at),
        due_at: of_state(|state| state.due_at),
        open_runs,
        last_run: state
            .and_then(|state| state.last_run)
            .map(|run| LastRunReport {
                ended_at: run.ended_at,
                took_s: run.lasted.as_secs_f64(),
                well: run.well,
            }),
        flips: state
            .map(|state| state.flips.iter().rev().copied().collect())
            .unwrap_or_default(),
        revisions: state
            .map(|state| state.revisions.iter().rev().copied().collect())
            .unwrap_or_default(),
        ping_url: base.map(|base| format!("{base}{id}")),
    })
}
