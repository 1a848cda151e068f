//! What the record keeps of heartbeats: where each stands, the runs that have not ended,
//! and where its newest pings are in the journal (their bodies stay there).

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use core::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Record;
use crate::event::What;
use crate::finding::{FindingKey, FindingKind};
use crate::heartbeat::{HeartbeatSpec, Ping, Signal};
use crate::ids::HeartbeatId;
use crate::subject::Subject;
use crate::time;

/// Pings of a heartbeat that can be looked up: what Healthchecks keeps by default.
pub const PINGS_KEPT: usize = 100;

/// Changes between up and down that are kept of a heartbeat.
pub const FLIPS_KEPT: usize = 100;

/// Open runs of one heartbeat that are watched one by one. A client that never ends its
/// runs is told long before; runs beyond are counted.
pub const OPEN_RUNS_MAX: usize = 64;

/// Findings that make a heartbeat count as down.
pub const DOWN: [FindingKind; 3] = [
    FindingKind::HeartbeatMissing,
    FindingKind::HeartbeatFailed,
    FindingKind::HeartbeatOverrun,
];

/// A heartbeat and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatState {
    /// What it is, where it was made through the API; the configuration has the others.
    pub spec: Option<Box<HeartbeatSpec>>,
    /// Since when it is known.
    pub created_at: Timestamp,
    /// The schedule of the configuration that `due_at` was last made with.
    pub schedule: Option<String>,
    /// Pings received so far, ignored ones included.
    pub pings: u64,
    /// When it was last heard of at all.
    pub last_signal_at: Option<Timestamp>,
    /// When a run last ended, well or not.
    pub last_ping_at: Option<Timestamp>,
    /// When one last ended well.
    pub last_success_at: Option<Timestamp>,
    /// How the last run failed; `None` after a success.
    pub failed: Option<Failure>,
    /// How long the last run that began with a start took, and whether it ended well.
    pub last_run: Option<FinishedRun>,
    /// When the next end of a run is due.
    pub due_at: Option<Timestamp>,
    /// When that was noted.
    pub due_noted_at: Option<Timestamp>,
    /// Runs that began and have not ended, by the client's name; empty for those without.
    pub open_runs: BTreeMap<String, OpenRun>,
    /// Runs that began while as many as can be watched were open.
    pub runs_unwatched: u32,
    /// When a run last began, and how long after the one before.
    pub begun: Option<(Timestamp, Option<Duration>)>,
    /// Where its newest pings are in the journal, oldest first.
    pub revisions: VecDeque<u64>,
    /// Changes between up and down, oldest first.
    pub flips: VecDeque<Flip>,
    /// Whether it was last said to be up.
    pub up: bool,
    /// Whether it is not watched for a while.
    pub paused: bool,
}

/// How a run failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// When it said so.
    pub at: Timestamp,
    /// With which exit status, where it said.
    pub exit_status: Option<u8>,
}

/// A run that ended, and had said that it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishedRun {
    /// When it ended.
    pub ended_at: Timestamp,
    /// How long it took.
    pub lasted: Duration,
    /// Whether it ended well.
    pub well: bool,
}

/// A run that began and has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRun {
    /// When it began.
    pub started_at: Timestamp,
    /// When it last said anything.
    pub heard_at: Timestamp,
}

/// A change between up and down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flip {
    /// When.
    pub at: Timestamp,
    /// To up.
    pub up: bool,
}

impl HeartbeatState {
    fn new(at: Timestamp) -> Self {
        Self {
            spec: None,
            created_at: at,
            schedule: None,
            pings: 0,
            last_signal_at: None,
            last_ping_at: None,
            last_success_at: None,
            failed: None,
            last_run: None,
            due_at: None,
            due_noted_at: None,
            open_runs: BTreeMap::new(),
            runs_unwatched: 0,
            begun: None,
            revisions: VecDeque::new(),
            flips: VecDeque::new(),
            up: false,
            paused: false,
        }
    }

    fn begin(&mut self, at: Timestamp) {
        let after = self.begun.map(|(before, _)| time::since(before, at));
        self.begun = Some((at, after));
    }

    fn take(&mut self, ping: &Ping, at: Timestamp) {
        let rid = ping.rid.as_deref().unwrap_or_default();
        let Some(well) = ping.signal.ends_well() else {
            match ping.signal {
                Signal::Start => self.start(rid, at),
                _ => {
                    if let Some(run) = self.open_runs.get_mut(rid) {
                        run.heard_at = at;
                    }
                }
            }
            return;
        };
        match self.open_runs.remove(rid) {
            Some(run) => {
                self.last_run = Some(FinishedRun {
                    ended_at: at,
                    lasted: time::since(run.started_at, at),
                    well,
                });
            }
            None => self.begin(at),
        }
        if self.open_runs.is_empty() {
            self.runs_unwatched = 0;
        }
        self.paused = false;
        self.last_ping_at = Some(at);
        self.due_at = ping.next_due_at;
        self.due_noted_at = Some(at);
        if well {
            self.last_success_at = Some(at);
            self.failed = None;
        } else {
            self.failed = Some(Failure {
                at,
                exit_status: ping.signal.exit_status(),
            });
        }
    }

    fn start(&mut self, rid: &str, at: Timestamp) {
        self.begin(at);
        if self.open_runs.len() >= OPEN_RUNS_MAX && !self.open_runs.contains_key(rid) {
            self.runs_unwatched = self.runs_unwatched.saturating_add(1);
            return;
        }
        let run = OpenRun {
            started_at: at,
            heard_at: at,
        };
        self.open_runs.insert(rid.into(), run);
    }

    fn flip(&mut self, at: Timestamp, up: bool) {
        if self.up == up {
            return;
        }
        self.up = up;
        self.flips.push_back(Flip { at, up });
        if self.flips.len() > FLIPS_KEPT {
            self.flips.pop_front();
        }
    }

    /// What was measured is forgotten; what it is and what it has been stays.
    fn start_over(&mut self) {
        self.failed = None;
        self.due_at = None;
        self.due_noted_at = None;
        self.open_runs.clear();
        self.runs_unwatched = 0;
        self.begun = None;
        self.last_run = None;
    }
}

impl Record {
    /// Whether something holds that makes a heartbeat count as down.
    pub fn heartbeat_is_down(&self, id: &HeartbeatId) -> bool {
        // Few findings hold at a time; a subject for each kind would be an allocation each.
        !self.findings.is_empty()
            && DOWN.into_iter().any(|kind| {
                let subject = Subject::Heartbeat(id.clone());
                self.findings.contains_key(&FindingKey { kind, subject })
            })
    }

    /// Folds an event about a heartbeat in.
    pub(super) fn fold_heartbeat(&mut self, what: &What, at: Timestamp) {
        match what {
            What::PingReceived {
                ping,
                received_at,
                ignored,
            } => self.take_ping(ping, *received_at, *ignored, at),
            What::HeartbeatCreated {
                heartbeat, spec, ..
            } => {
                let state = self.heartbeat(heartbeat, at);
                state.spec = Some(spec.clone());
            }
            What::HeartbeatUpdated {
                heartbeat,
                spec,
                due_at,
                ..
            } => {
                let state = self.heartbeat(heartbeat, at);
                state.spec = Some(spec.clone());
                state.due_at = *due_at;
                state.due_noted_at = Some(at);
            }
            What::HeartbeatDeleted { heartbeat, .. } => {
                self.heartbeats.remove(heartbeat);
            }
            What::HeartbeatPaused { heartbeat, .. } => {
                let state = self.heartbeat(heartbeat, at);
                state.start_over();
                state.flip(at, false);
                state.paused = true;
            }
            What::HeartbeatResumed { heartbeat, .. } => {
                let state = self.heartbeat(heartbeat, at);
                state.start_over();
                state.last_ping_at = None;
                state.paused = false;
            }
            What::HeartbeatScheduled {
                heartbeat,
                schedule,
                due_at,
            } => {
                let state = self.heartbeat(heartbeat, at);
                state.spec = None;
                state.schedule = Some(schedule.clone());
                state.due_at = *due_at;
                state.due_noted_at = Some(at);
            }
            _ => {}
        }
    }

    fn heartbeat(&mut self, id: &HeartbeatId, at: Timestamp) -> &mut HeartbeatState {
        self.heartbeats
            .entry(id.clone())
            .or_insert_with(|| HeartbeatState::new(at))
    }

    fn take_ping(&mut self, ping: &Ping, received_at: Timestamp, ignored: bool, at: Timestamp) {
        let revision = self.revision;
        self.last.ping = self.last.ping.max(ping.order);
        let down = self.heartbeat_is_down(&ping.heartbeat);
        // Nearly always there: its name is copied for a new one only.
        if !self.heartbeats.contains_key(&ping.heartbeat) {
            self.heartbeat(&ping.heartbeat, at);
        }
        let Some(state) = self.heartbeats.get_mut(&ping.heartbeat) else {
            return;
        };
        state.pings += 1;
        state.last_signal_at = Some(received_at);
        state.revisions.push_back(revision);
        if state.revisions.len() > PINGS_KEPT {
            state.revisions.pop_front();
        }
        if ignored {
            return;
        }
        state.take(ping, received_at);
        if !down && state.last_success_at == Some(received_at) {
            state.flip(at, true);
        }
    }

    /// A finding about a heartbeat opened or cleared.
    pub(super) fn turn_heartbeat(&mut self, key: &FindingKey, at: Timestamp) {
        let Subject::Heartbeat(id) = &key.subject else {
            return;
        };
        if !DOWN.contains(&key.kind) {
            return;
        }
        let down = self.heartbeat_is_down(id);
        if let Some(state) = self.heartbeats.get_mut(id)
            && !state.paused
            && (down || state.last_ping_at.is_some())
        {
            state.flip(at, !down);
        }
    }
}
