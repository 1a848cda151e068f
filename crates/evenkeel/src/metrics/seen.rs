//! What Evenkeel sees of the service: components, incidents, findings, jobs, databases.

use std::collections::BTreeMap;

use evenkeel_core::Timestamp;
use evenkeel_core::finding::{FindingKind, Severity};
use evenkeel_core::ids::JobId;
use evenkeel_core::incident::IncidentStatus;
use evenkeel_core::observation::CheckOutcome;
use evenkeel_core::policy::Policy;
use evenkeel_core::record::{Record, RunState};
use evenkeel_core::status::Status;
use evenkeel_core::time::since;

use super::own::{count, truth};
use super::text::Text;
use crate::pump::published::{Published, STALE_AFTER};

pub(super) fn write(published: &Published, policy: &Policy, text: &mut Text) {
    let record = &published.record;
    let now = Timestamp::now();
    components(record, policy, text);
    incidents(record, now, text);
    findings(record, text);
    jobs(record, policy, now, text);
    databases(published, policy, now, text);
    checks(published, policy, now, text);
    heartbeats(record, policy, text);
    for (id, state) in &record.readiness {
        if policy.readiness.contains_key(id) {
            let labels = [("readiness", id.as_str())];
            text.put(
                "evenkeel_readiness_missing",
                &labels,
                truth(state.asked.is_some()),
            );
        }
    }
}

fn components(record: &Record, policy: &Policy, text: &mut Text) {
    for id in policy.components.keys() {
        let status = record.components.get(id).map(|state| state.status);
        let status = status.unwrap_or_default();
        for known in Status::ALL {
            let labels = [("component", id.as_str()), ("status", known.as_str())];
            text.put("evenkeel_component_status", &labels, truth(known == status));
        }
        let labels = [("component", id.as_str())];
        text.put(
            "evenkeel_component_harmed",
            &labels,
            truth(status.is_harm()),
        );
    }
}

fn incidents(record: &Record, now: Timestamp, text: &mut Text) {
    let open = record
        .incidents
        .values()
        .filter(|incident| incident.status != IncidentStatus::Resolved);
    for (severity, word) in [
        (Severity::Warning, "warning"),
        (Severity::Critical, "critical"),
    ] {
        let of = open
            .clone()
            .filter(|incident| incident.severity == severity);
        let labels = [("severity", word)];
        text.put(
            "evenkeel_incidents_open",
            &labels,
            count(of.clone().count()),
        );
        let alone = of.filter(|incident| incident.acknowledged_by.is_none());
        text.put(
            "evenkeel_incidents_unacknowledged",
            &labels,
            count(alone.count()),
        );
    }
    if let Some(oldest) = open.map(|incident| incident.opened_at).min() {
        let age = since(oldest, now).as_secs_f64();
        text.put("evenkeel_incident_oldest_seconds", &[], age);
    }
}

fn findings(record: &Record, text: &mut Text) {
    let mut open: BTreeMap<FindingKind, usize> = BTreeMap::new();
    for key in record.findings.keys() {
        *open.entry(key.kind).or_default() += 1;
    }
    for kind in FindingKind::ALL {
        let holds = open.get(kind).copied().unwrap_or_default();
        text.put(
            "evenkeel_findings_open",
            &[("kind", kind.as_str())],
            count(holds),
        );
    }
}

fn jobs(record: &Record, policy: &Policy, now: Timestamp, text: &mut Text) {
    let mut succeeded: BTreeMap<&JobId, Timestamp> = BTreeMap::new();
    for run in record.runs.values() {
        if let Some(ended) = &run.ended
            && ended.exit.is_success()
        {
            let last = succeeded.entry(&run.job).or_insert(ended.at);
            *last = (*last).max(ended.at);
        }
    }
    for id in policy.jobs.keys() {
        let labels = [("job", id.as_str())];
        let state = record.jobs.get(id);
        let open = state.map_or(0, |state| state.open_runs.len());
        text.put("evenkeel_runs_open", &labels, count(open));
        let Some(state) = state else {
            continue;
        };
        let begun = |run: &RunState| run.started_at.unwrap_or(run.requested_at);
        let oldest = state
            .open_runs
            .iter()
            .filter_map(|run| record.runs.get(run));
        if let Some(oldest) = oldest.map(begun).min() {
            let took = since(oldest, now).as_secs_f64();
            text.put("evenkeel_run_longest_seconds", &labels, took);
        }
        if let Some(at) = succeeded.get(id) {
            let at = moment(*at);
            text.put("evenkeel_job_last_success_timestamp_seconds", &labels, at);
        }
        let last = state.last_run.as_ref().and_then(|run| record.runs.get(run));
        if let Some(ended) = last.and_then(|run| run.ended.as_ref()) {
            let good = truth(ended.exit.is_success());
            text.put("evenkeel_job_last_run_succeeded", &labels, good);
        }
        if let Some(took) = state.durations.back() {
            text.put("evenkeel_job_last_run_seconds", &labels, took.as_secs_f64());
        }
        let missing = state.expected.as_ref();
        let missing = missing.is_some_and(|expected| expected.due_at <= now);
        if policy.jobs.get(id).is_some_and(|job| job.product.is_some()) {
            text.put("evenkeel_job_product_missing", &labels, truth(missing));
        }
        if let Some(at) = state.delivered {
            text.put(
                "evenkeel_job_product_timestamp_seconds",
                &labels,
                moment(at),
            );
        }
    }
}

fn databases(published: &Published, policy: &Policy, now: Timestamp, text: &mut Text) {
    for id in policy.databases.keys() {
        let labels = [("database", id.as_str())];
        // An old picture says nothing about now.
        let fresh = |at: Timestamp| since(at, now) <= STALE_AFTER;
        let waits = published.locks.get(id).filter(|(at, _)| fresh(*at));
        text.put("evenkeel_database_seen", &labels, truth(waits.is_some()));
        if let Some((_, waits)) = waits {
            let waiters = waits.chains.iter().flat_map(|chain| &chain.waiters);
            let waiting = count(waiters.clone().count());
            text.put("evenkeel_database_locks_waiting", &labels, waiting);
            let longest = waiters.map(|waiter| since(waiter.since, now)).max();
            let longest = longest.unwrap_or_default().as_secs_f64();
            text.put(
                "evenkeel_database_lock_wait_longest_seconds",
                &labels,
                longest,
            );
        }
        if let Some((_, load)) = published.load.get(id).filter(|(at, _)| fresh(*at)) {
            let used = f64::from(load.connections_used);
            text.put("evenkeel_database_connections", &labels, used);
            let most = f64::from(load.connections_max);
            text.put("evenkeel_database_connections_limit", &labels, most);
            let idle = count(load.idle_in_transaction.len());
            text.put("evenkeel_database_idle_in_transaction", &labels, idle);
            let oldest = load.oldest_transaction.as_ref();
            if let Some(at) = oldest.and_then(|session| session.xact_start) {
                let age = since(at, now).as_secs_f64();
                text.put("evenkeel_database_oldest_transaction_seconds", &labels, age);
            }
        }
    }
}

fn checks(published: &Published, policy: &Policy, now: Timestamp, text: &mut Text) {
    published.checks.each(|at, result| {
        let Some(check) = policy.checks.get(&result.check) else {
            return;
        };
        // Three that did not come, and the last one says nothing about now.
        if since(at, now) > check.interval * 3 + check.timeout {
            return;
        }
        let labels = [("check", result.check.as_str())];
        let up = match result.outcome {
            CheckOutcome::Passed => 1.0,
            CheckOutcome::Failed { .. } => 0.0,
            CheckOutcome::NotMade { .. } => return,
        };
        text.put("evenkeel_check_up", &labels, up);
        let took = f64::from(result.took_ms) / 1000.0;
        text.put("evenkeel_check_seconds", &labels, took);
        if let Some(at) = result.certificate_expires_at {
            let name = "evenkeel_check_certificate_expires_timestamp_seconds";
            text.put(name, &labels, moment(at));
        }
    });
}

/// By name, never by UUID: who knows that can ping. Names of those made through the API
/// need not be unique; of one name the worst is shown.
fn heartbeats(record: &Record, policy: &Policy, text: &mut Text) {
    struct Shown {
        up: bool,
        succeeded: Option<Timestamp>,
        open: usize,
    }
    let mut by_name: BTreeMap<&str, Shown> = BTreeMap::new();
    for (id, state) in &record.heartbeats {
        let spec = state.spec.as_deref().or_else(|| policy.heartbeats.get(id));
        let Some(spec) = spec.filter(|spec| !spec.name.is_empty() && !state.paused) else {
            continue;
        };
        let (succeeded, open) = (state.last_success_at, state.open_runs.len());
        by_name
            .entry(&spec.name)
            .and_modify(|shown| {
                shown.up &= state.up;
                shown.succeeded = shown.succeeded.min(succeeded);
                shown.open += open;
            })
            .or_insert(Shown {
                up: state.up,
                succeeded,
                open,
            });
    }
    for (name, shown) in by_name {
        let labels = [("heartbeat", name)];
        text.put("evenkeel_heartbeat_up", &labels, truth(shown.up));
        text.put("evenkeel_heartbeat_runs_open", &labels, count(shown.open));
        if let Some(at) = shown.succeeded {
            let name = "evenkeel_heartbeat_last_success_timestamp_seconds";
            text.put(name, &labels, moment(at));
        }
    }
}

/// Unix time, seconds.
fn moment(at: Timestamp) -> f64 {
    at.as_duration().as_secs_f64()
}
