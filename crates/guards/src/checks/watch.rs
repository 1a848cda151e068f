//! Making checks until stopped.
//!
//! One loop holds the timetable; a task lives only while its probe is under way, at most
//! one for each check and a bounded number in all. Where that bound is reached, checks wait
//! their turn; one that has waited for a whole interval is told as not made, because
//! nobody knows how its target is.
//!
//! A first failure is looked at again soon, until as many in a row have failed as the core
//! wants to see, and so is a first slow answer: customers hear of both within a minute. Whenever anything fails, the references are asked at once: if they fail
//! too, it is we who are blind.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use evenkeel_core::observation::{CheckOutcome, CheckResult, Seen};
use tokio::task::{Id, JoinSet};

use super::timetable::Timetable;
use super::{CheckSpec, Checks, probe};
use crate::outlet::Outlet;

/// References are asked out of turn at most this often.
const REFERENCES_EVERY: Duration = Duration::from_secs(1);

/// The most probes under way at once, where file descriptors allow: each costs some 40 KiB
/// while it waits, so that even all of them stay well below 150 MB.
const UNDER_WAY_MAX: usize = 2_048;

/// See the module.
struct Watch<'a> {
    checks: &'a Arc<Checks>,
    outlet: &'a Outlet,
    table: Timetable,
    /// Failures in a row, by check.
    failed: Vec<u32>,
    /// Slow answers in a row, by check.
    slow: Vec<u32>,
    references: Vec<usize>,
    references_asked: Option<Instant>,
    under_way: JoinSet<CheckResult>,
    check_of: HashMap<Id, usize>,
    under_way_max: usize,
}

pub(super) async fn watch(checks: Arc<Checks>, outlet: Outlet) {
    let specs = &checks.specs;
    let listed = specs.iter().map(|spec| (spec.id.as_str(), spec.interval));
    let references = specs.iter().enumerate().filter(|(_, spec)| spec.reference);
    let mut watch = Watch {
        table: Timetable::new(Instant::now(), listed),
        failed: vec![0; specs.len()],
        slow: vec![0; specs.len()],
        references: references.map(|(check, _)| check).collect(),
        references_asked: None,
        under_way: JoinSet::new(),
        check_of: HashMap::new(),
        under_way_max: room(),
        checks: &checks,
        outlet: &outlet,
    };
    loop {
        let wait = watch.begin_due();
        tokio::select! {
            Some(done) = watch.under_way.join_next_with_id() => match done {
                Ok((id, result)) => {
                    if let Some(check) = watch.check_of.remove(&id) {
                        watch.done(check, result);
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "a probe broke: please report this with the log");
                    if let Some(check) = watch.check_of.remove(&error.id()) {
                        watch.not_made(check, "the probe broke; see Evenkeel's log");
                    }
                }
            },
            () = until(wait) => {}
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

impl Watch<'_> {
    /// Begins what is due; returns when to look again, unless a probe ends before.
    fn begin_due(&mut self) -> Option<Instant> {
        loop {
            let (check, at) = self.table.first()?;
            let now = Instant::now();
            if at > now {
                return Some(at);
            }
            let late = now - at;
            if self.under_way.len() < self.under_way_max {
                self.checks.figures.late(late);
                self.begin(check);
                continue;
            }
            let spec = &self.checks.specs[check];
            if late < spec.interval {
                return Some(at + spec.interval);
            }
            let why = format!(
                "{} checks are under way and none has room for it; allow more open files \
                 (LimitNOFILE), or longer intervals",
                self.under_way_max
            );
            self.not_made(check, &why);
        }
    }

    fn begin(&mut self, check: usize) {
        self.table.begin(check);
        let checks = self.checks.clone();
        let spec = self.checks.specs[check].clone();
        let task = self.under_way.spawn(async move {
            let account = probe(&spec, &checks.net, false).await;
            account.result
        });
        self.check_of.insert(task.id(), check);
    }

    fn done(&mut self, check: usize, result: CheckResult) {
        let now = Instant::now();
        let spec: &CheckSpec = &self.checks.specs[check];
        let figures = &self.checks.figures;
        figures.made.fetch_add(1, Ordering::Relaxed);
        let took = Duration::from_millis(result.took_ms.into());
        match &result.outcome {
            CheckOutcome::Passed => {
                self.failed[check] = 0;
                self.slow[check] = match spec.slow_after.is_some_and(|limit| took > limit) {
                    true => self.slow[check].saturating_add(1),
                    false => 0,
                };
            }
            CheckOutcome::Failed { .. } => {
                figures.failed.fetch_add(1, Ordering::Relaxed);
                self.failed[check] = self.failed[check].saturating_add(1);
                self.slow[check] = 0;
            }
            CheckOutcome::NotMade { .. } => {
                figures.not_made.fetch_add(1, Ordering::Relaxed);
            }
        }
        let has_failed = matches!(result.outcome, CheckOutcome::Failed { .. });
        let unsure = |count: u32| (1..spec.failures).contains(&count);
        if has_failed && unsure(self.failed[check]) || unsure(self.slow[check]) {
            let soon = spec.retry_interval.min(spec.interval);
            self.table.set(check, now + soon);
        } else {
            self.table.set_usual(check, now);
        }
        self.outlet.picture(Seen::CheckResult(result));
        if has_failed {
            self.ask_references(check, now);
        }
    }

    /// The core believes a failure once a reference has answered after it, so every failure
    /// has the references asked after it: at once, or when the second is over.
    fn ask_references(&mut self, failed: usize, now: Instant) {
        let earliest = self.references_asked.map(|at| at + REFERENCES_EVERY);
        let at = earliest.map_or(now, |earliest| earliest.max(now));
        if self.references_asked.is_some_and(|asked| asked > now) {
            return;
        }
        self.references_asked = Some(at);
        for reference in &self.references {
            if *reference != failed {
                self.table.hurry(*reference, at);
            }
        }
    }

    fn not_made(&mut self, check: usize, why: &str) {
        self.table.begin(check);
        self.table.set_usual(check, Instant::now());
        let figures = &self.checks.figures;
        figures.not_made.fetch_add(1, Ordering::Relaxed);
        let spec = &self.checks.specs[check];
        let result = CheckResult {
            check: spec.id.clone(),
            outcome: CheckOutcome::NotMade { why: why.into() },
            took_ms: 0,
            certificate_expires_at: None,
        };
        self.outlet.picture(Seen::CheckResult(result));
    }
}

/// How many probes may be under way: half of the files this process may open.
fn room() -> usize {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let files = files.and_then(|files| usize::try_from(files).ok());
    let half = files.unwrap_or(2 * UNDER_WAY_MAX) / 2;
    half.clamp(16, UNDER_WAY_MAX)
}
