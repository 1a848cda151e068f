//! A client that says by itself that it is alive: it begins runs, ends them, logs from
//! long ones, gets stuck, falls silent; and knocks again until it is answered.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use evenkeel_core::event::{Event, What};
use evenkeel_core::finding::{FindingKey, FindingKind};
use evenkeel_core::heartbeat::{
    Change, Expectation, HeartbeatChange, HeartbeatSpec, Ping, PingSource, Signal,
};
use evenkeel_core::ids::HeartbeatId;
use evenkeel_core::observation::Seen;
use evenkeel_core::subject::Subject;

use crate::canary::Canary;
use crate::sim::{Happening, Sim};
use crate::{HOUR, MINUTE, Ms, SECOND, at};

/// The heartbeat of every world.
pub(crate) const BACKUP: &str = "5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278";

const PERIOD: Ms = 10 * MINUTE;
const GRACE: Ms = 5 * MINUTE;
const RUN_MAX: Ms = 10 * MINUTE;
const RUN_MIN: Ms = 15 * SECOND;
const APART: Ms = 2 * MINUTE;

/// Between two looks of the client at its clock; one ping at a time.
const TICK: Ms = 10 * SECOND;
/// How long it waits for an answer before it knocks again.
const ANSWERED_WITHIN: Ms = 8 * SECOND;
/// After a restart or a jump of the clock the core bears with clients for five minutes.
const BORNE_WITH: Ms = 6 * MINUTE;
/// From when on something is so until it has to be said: a minute and a half, and the
/// three minutes the journal may stand still, which the core cannot tell from a clock that
/// jumped and does not count.
const SAID_WITHIN: Ms = 270 * SECOND;

/// What is configured of it.
pub(crate) fn spec() -> HeartbeatSpec {
    let span = |ms: Ms| Duration::from_millis(ms.unsigned_abs());
    HeartbeatSpec {
        name: "Backup".into(),
        slug: "backup".into(),
        expected: Expectation::Every {
            period: span(PERIOD),
        },
        grace: span(GRACE),
        run_max: Some(span(RUN_MAX)),
        run_min: Some(span(RUN_MIN)),
        interval_min: Some(span(APART)),
        ..HeartbeatSpec::default()
    }
}

/// A run of the client.
#[derive(Debug, Clone)]
struct ClientRun {
    /// When it ends, and whether well; never, where it is stuck.
    ends: Option<(Ms, bool)>,
    /// When it was last heard of: its start or a log that was answered.
    heard: Option<Ms>,
    /// It is long, and logs.
    logs: bool,
    logged: Ms,
}

/// The client.
#[derive(Debug, Default)]
pub(crate) struct Client {
    next_run: Ms,
    silent_until: Ms,
    number: u64,
    runs: BTreeMap<u64, ClientRun>,
    /// What is still to be said, oldest first.
    to_say: VecDeque<(Signal, u64)>,
    /// The ping that is on its way: its number, and when it was sent.
    on_its_way: Option<(u64, Ms)>,
    order: u64,
    /// When an end of a run was last answered.
    ended: Option<Ms>,
}

impl Sim {
    /// The client looks at its clock.
    pub(crate) fn beat(&mut self) {
        let now = self.now;
        self.plan(now + TICK, Happening::Beat);
        if self.client.order == 0 {
            let scheduled = HeartbeatChange {
                heartbeat: BACKUP.into(),
                change: Change::Schedule {
                    schedule: "every ten minutes".into(),
                    due_at: None,
                },
            };
            self.tell_now(Seen::HeartbeatChange(scheduled));
        }
        if now >= self.client.next_run && now >= self.client.silent_until {
            self.begin_client_runs();
        }
        let client = &mut self.client;
        let mut over = Vec::new();
        for (number, run) in &mut client.runs {
            match run.ends {
                Some((when, well)) if now >= when => {
                    let signal = if well { Signal::Success } else { Signal::Fail };
                    client.to_say.push_back((signal, *number));
                    run.ends = None;
                    over.push(*number);
                }
                Some(_) if run.logs && now - run.logged >= 2 * MINUTE => {
                    run.logged = now;
                    client.to_say.push_back((Signal::Log, *number));
                }
                _ => {}
            }
        }
        self.say_next();
        self.judge_beats();
    }

    fn begin_client_runs(&mut self) {
        let now = self.now;
        self.client.next_run = now + PERIOD;
        let dice = if self.faults { self.rng.u32(..40) } else { 39 };
        let lasts = self.rng.i64(40 * SECOND..4 * MINUTE);
        let (count, ends, logs) = match dice {
            // Stuck until somebody ends it by hand.
            0..2 => (1, (self.rng.i64(20 * MINUTE..60 * MINUTE), false), false),
            // Long, and it says so.
            2..5 => (1, (self.rng.i64(12 * MINUTE..30 * MINUTE), true), true),
            5 => (1, (lasts, false), false),
            6 => (1, (0, true), false),
            7 => (3, (lasts, true), false),
            8 => {
                self.client.silent_until = now + self.rng.i64(20 * MINUTE..60 * MINUTE);
                return;
            }
            _ => (1, (lasts, true), false),
        };
        for _ in 0..count {
            self.client.number += 1;
            let number = self.client.number;
            self.client.to_say.push_back((Signal::Start, number));
            let run = ClientRun {
                ends: Some((now + ends.0, ends.1)),
                heard: None,
                logs,
                logged: now,
            };
            self.client.runs.insert(number, run);
        }
    }

    /// Says the oldest thing that is to be said, or looks whether it was answered.
    fn say_next(&mut self) {
        let now = self.now;
        if let Some((order, sent)) = self.client.on_its_way {
            if self.pump.shadow_has_ping(order) {
                self.client.on_its_way = None;
                self.was_answered(sent);
            } else if now - sent < ANSWERED_WITHIN {
                return;
            }
        }
        let Some((signal, number)) = self.client.to_say.front().copied() else {
            return;
        };
        if !self.pump.up {
            return;
        }
        self.client.order += 1;
        self.client.on_its_way = Some((self.client.order, now));
        let latest_only = self.canary == Some(Canary::LatestRunOnly);
        let ping = Ping {
            heartbeat: BACKUP.into(),
            order: self.client.order,
            signal,
            rid: (!latest_only).then(|| format!("{number:032x}")),
            body: String::new(),
            source: PingSource::default(),
            next_due_at: Some(at(now + self.offset + PERIOD)),
        };
        self.tell_now(Seen::Ping(ping));
    }

    fn was_answered(&mut self, sent: Ms) {
        let Some((signal, number)) = self.client.to_say.pop_front() else {
            return;
        };
        if signal.ends_well().is_some() {
            self.client.runs.remove(&number);
            self.client.ended = Some(sent);
        } else if let Some(run) = self.client.runs.get_mut(&number) {
            run.heard = Some(sent);
        }
    }

    /// Everything that is stuck is ended by hand, and nobody is silent.
    pub(crate) fn calm_client(&mut self) {
        let now = self.now;
        self.client.silent_until = 0;
        for run in self.client.runs.values_mut() {
            if let Some((when, _)) = &mut run.ends {
                *when = (*when).min(now + MINUTE);
            }
        }
    }

    /// Whether Evenkeel has been there for long enough to know, by its own clock.
    fn has_listened(&self) -> bool {
        let since = self.pump.back_at.max(self.pump.refuses_until);
        // What began before the clock was set is measured anew from then, and what is due
        // is due by the wall clock: as much later as that was set back, an hour at most.
        let settled = PERIOD + GRACE + SAID_WITHIN + BORNE_WITH + HOUR;
        let jumped = self.now - self.jumped_at < settled;
        self.pump.up && !jumped && self.now - since > BORNE_WITH
    }

    fn judge_beats(&mut self) {
        if !self.has_listened() {
            return;
        }
        let (now, client) = (self.now, &self.client);
        let findings = &self.pump.state.record.findings;
        let holds = |kind| {
            findings.contains_key(&FindingKey {
                kind,
                subject: Subject::Heartbeat(BACKUP.into()),
            })
        };
        let stuck = |run: &&ClientRun| {
            let heard = run.heard;
            heard.is_some_and(|heard| now - heard > RUN_MAX + SAID_WITHIN) && !run.logs
        };
        let still_to_end = client.to_say.iter().any(|(s, _)| s.ends_well().is_some());
        if client.runs.values().any(|run| stuck(&run))
            && !still_to_end
            && !holds(FindingKind::HeartbeatOverrun)
        {
            let text = "a run has been stuck for longer than it may, and nothing is said";
            self.violate("every-run-is-watched", text);
            return;
        }
        let silent = client
            .ended
            .is_some_and(|ended| now - ended > PERIOD + GRACE + SAID_WITHIN);
        let begun = client.runs.values().any(|run| run.heard > client.ended);
        if silent
            && !begun
            && client.to_say.is_empty()
            && !holds(FindingKind::HeartbeatMissing)
            && !holds(FindingKind::HeartbeatOverrun)
        {
            let text = "nothing has been heard of it for longer than it may, and nothing is said";
            self.violate("silence-is-noticed", text);
        }
    }

    /// What was found about the client is durable.
    pub(crate) fn judge_beat_events(&mut self, events: &[Event]) {
        let decided_at = self.pump.decided_at;
        for event in events {
            let What::FindingOpened { finding } = &event.what else {
                continue;
            };
            if decided_at - self.jumped_at < 2 * RUN_MAX {
                continue;
            }
            let client = &self.client;
            let margin = 20 * SECOND;
            match finding.key.kind {
                FindingKind::HeartbeatMissing => {
                    let in_time = client
                        .ended
                        .is_some_and(|ended| decided_at - ended < PERIOD + GRACE - margin);
                    if in_time {
                        self.violate("silence-is-noticed", "it is called silent, and is not");
                    }
                }
                FindingKind::HeartbeatOverrun => {
                    let long_ago = |run: &ClientRun| {
                        let heard = run.heard.unwrap_or(decided_at);
                        decided_at - heard >= RUN_MAX - margin
                    };
                    if !client.runs.values().any(long_ago) {
                        let text = "a run is called stuck, and every one was heard of lately";
                        self.violate("every-run-is-watched", text);
                    }
                }
                _ => {}
            }
        }
    }
}

/// The id, as configured.
pub(crate) fn id() -> HeartbeatId {
    BACKUP.into()
}
