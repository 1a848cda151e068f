//! Every metric, with what it means: one table from which come `/metrics`, the golden
//! list and the reference page.

use std::fmt::Write as _;

use Kind::{Counter, Gauge, Histogram};

/// What sort of metric it is, in Prometheus' words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, and begins anew with the program.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Counts by bucket.
    Histogram,
}

impl Kind {
    /// The word in the format.
    pub fn as_str(self) -> &'static str {
        match self {
            Counter => "counter",
            Gauge => "gauge",
            Histogram => "histogram",
        }
    }
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// Its name; units last.
    pub name: &'static str,
    /// Its sort.
    pub kind: Kind,
    /// What it means, with its labels.
    pub about: &'static str,
}

macro_rules! families {
    ($($name:literal $kind:ident $about:literal;)*) => {
        /// Every metric, in the order of the answer.
        pub const FAMILIES: &[Family] = &[
            $(Family { name: $name, kind: $kind, about: $about },)*
        ];
    };
}

families! {
    "evenkeel_build_info" Gauge "Always 1; the label says which version runs.";
    "evenkeel_well" Gauge "1 while what is shown is a picture of now, 0 while nothing is decided or the journal takes no entries (what /healthz says).";
    "evenkeel_step_age_seconds" Gauge "How long ago the last step was; it comes at least every 5 s.";
    "evenkeel_step_seconds" Histogram "How long steps took to decide.";
    "evenkeel_append_seconds" Histogram "How long events took to become durable, standstills included.";
    "evenkeel_observations_total" Counter "Observations taken into steps.";
    "evenkeel_observations_dropped_total" Counter "Pictures dropped because they came faster than they were taken.";
    "evenkeel_observation_queue_length" Gauge "Observations that wait to be taken.";
    "evenkeel_observation_queue_limit" Gauge "The most that may wait; then pictures are dropped.";
    "evenkeel_journal_revision" Gauge "Entries in the journal.";
    "evenkeel_journal_stalled" Gauge "1 while the journal takes no entries: nothing is done then.";
    "evenkeel_events_total" Counter "Events made durable, by kind.";
    "evenkeel_actions_under_way" Gauge "Actions that are being performed.";
    "evenkeel_actions_proposed" Gauge "Actions that wait for an operator's word.";
    "evenkeel_actions_stopped" Gauge "Kinds of action that did not help and are stopped until a person lifts it, by subject.";
    "evenkeel_actions_held" Gauge "1 while the kill switch is thrown.";
    "evenkeel_messages_under_way" Gauge "Messages that are being delivered.";
    "evenkeel_messages_failed_total" Counter "Messages that could not be delivered.";
    "evenkeel_blind" Gauge "Subjects that cannot be seen: nothing is decided about them.";
    "evenkeel_certificate_expires_timestamp_seconds" Gauge "When the certificate of a listener of ours ends, Unix time; label listener.";
    "evenkeel_copy_valid_until_timestamp_seconds" Gauge "Until when the published copy of the public page is valid, Unix time, by target; left out before the first.";
    "evenkeel_copy_valid" Gauge "1 while readers at the target have a valid copy, 0 while they are told that how things are is unknown.";
    "evenkeel_copies_delivered_total" Counter "Copies delivered, by target.";
    "evenkeel_copies_failed_total" Counter "Tries to deliver a copy that failed, by target.";
    "evenkeel_copy_delivery_seconds" Gauge "How long the last delivery took, by target.";
    "evenkeel_subscribers" Gauge "Subscribers, by kind (mail, webhook, announcement) and standing (waiting, active, paused).";
    "evenkeel_subscribers_queue_length" Gauge "Messages to subscribers that wait, by kind.";
    "evenkeel_subscribers_sending" Gauge "1 while messages to subscribers go out, 0 while the way there is broken, by kind.";
    "evenkeel_subscribers_sent_total" Counter "Messages that a receiver took, by kind.";
    "evenkeel_subscribers_refused_total" Counter "Messages that a receiver refused for good, by kind.";
    "evenkeel_subscribers_postponed_total" Counter "Tries that a receiver put off, by kind.";
    "evenkeel_metrics_series_left_out" Gauge "Series left out of this answer because there were too many of one metric.";
    "process_cpu_seconds_total" Counter "CPU time Evenkeel itself has used, user and system.";
    "process_resident_memory_bytes" Gauge "Memory Evenkeel itself has in RAM.";
    "process_open_fds" Gauge "File descriptors Evenkeel itself has open.";
    "process_max_fds" Gauge "The most it may have open.";
    "process_start_time_seconds" Gauge "When Evenkeel was started, Unix time.";
    "evenkeel_component_status" Gauge "1 for the status a component has, 0 for the others; labels component, status.";
    "evenkeel_component_harmed" Gauge "1 while customers of the component are hurt; unknown is 0 here and 1 in evenkeel_component_status.";
    "evenkeel_incidents_open" Gauge "Incidents that are not resolved, by severity.";
    "evenkeel_incidents_unacknowledged" Gauge "Of these, the ones nobody looks after.";
    "evenkeel_incident_oldest_seconds" Gauge "The age of the oldest incident that is not resolved.";
    "evenkeel_findings_open" Gauge "Conditions that hold, by kind.";
    "evenkeel_runs_open" Gauge "Runs under way, by job.";
    "evenkeel_run_longest_seconds" Gauge "How long the oldest run under way has taken, by job.";
    "evenkeel_job_last_success_timestamp_seconds" Gauge "When a run of the job last succeeded, Unix time; left out where none is known.";
    "evenkeel_job_last_run_succeeded" Gauge "1 when the run that ended last succeeded, by job.";
    "evenkeel_job_last_run_seconds" Gauge "How long the last successful run took, by job.";
    "evenkeel_job_product_missing" Gauge "1 while the job's product is due and not there.";
    "evenkeel_job_product_timestamp_seconds" Gauge "When the product that was last delivered was written, Unix time.";
    "evenkeel_database_seen" Gauge "1 while the database's lock waits can be seen.";
    "evenkeel_database_locks_waiting" Gauge "Sessions that wait for a lock, by database.";
    "evenkeel_database_lock_wait_longest_seconds" Gauge "How long the longest of them has waited.";
    "evenkeel_database_connections" Gauge "Client connections in use, by database.";
    "evenkeel_database_connections_limit" Gauge "Connections an ordinary role can use.";
    "evenkeel_database_idle_in_transaction" Gauge "Sessions that hold a transaction open and do nothing.";
    "evenkeel_database_oldest_transaction_seconds" Gauge "The age of the oldest transaction.";
    "evenkeel_check_up" Gauge "1 when the check passed last, 0 when it failed; left out where it could not be made, or is old.";
    "evenkeel_check_seconds" Gauge "How long the check took last.";
    "evenkeel_check_certificate_expires_timestamp_seconds" Gauge "When the certificate that was served to the check ends, Unix time.";
    "evenkeel_heartbeat_up" Gauge "1 while the heartbeat is as expected, 0 while it is not, by name; paused ones are left out. The worst of those with one name.";
    "evenkeel_heartbeat_last_success_timestamp_seconds" Gauge "When a run of it last ended well, Unix time.";
    "evenkeel_heartbeat_runs_open" Gauge "Runs of it that began and have not ended.";
    "evenkeel_readiness_missing" Gauge "1 while something that must hold at a time of day was asked for and does not hold; label readiness.";
    "evenkeel_edge_seen" Gauge "1 while the edge is heard; left out where there is none in the configuration.";
    "evenkeel_edge_plan_behind" Gauge "1 while the edge goes by an older plan than it ought to.";
    "evenkeel_edge_connections" Gauge "Client connections at the edge.";
    "evenkeel_pool_instances" Gauge "Instances of a pool by how the edge uses them; labels pool, state.";
    "evenkeel_pool_under_way" Gauge "Requests under way, by pool.";
    "evenkeel_pool_limit" Gauge "The most that may be: the limit in force.";
    "evenkeel_pool_queued" Gauge "Requests that wait for a place.";
    "evenkeel_pool_held" Gauge "Requests that are held by order.";
    "evenkeel_instance_requests_total" Counter "Requests that ended at an instance; labels pool, instance.";
    "evenkeel_instance_errors_total" Counter "Of these, the ones that failed.";
    "evenkeel_instance_p99_seconds" Gauge "All but one in a hundred answers of the last ten seconds began within this time.";
    "evenkeel_route_requests_total" Counter "Requests that ended, by route.";
    "evenkeel_route_errors_total" Counter "Of these, the ones that failed.";
    "evenkeel_route_shed_total" Counter "Of these, the ones that were turned away to protect the rest.";
    "evenkeel_resource_used" Gauge "How much of what can fill up is used, in its own unit; labels of, resource.";
    "evenkeel_resource_limit" Gauge "How much of it there is, where that is known.";
    "evenkeel_resource_exhausts_timestamp_seconds" Gauge "When it runs out at the earliest if it goes on so, Unix time; left out where it does not grow.";
}

/// Where a metric stands in the table; one that does not is a mistake of ours.
pub(super) fn place(name: &str) -> usize {
    FAMILIES
        .iter()
        .position(|family| family.name == name)
        .unwrap_or_else(|| panic!("the metric {name} is not in the table"))
}

/// The reference page, in Markdown.
pub fn reference() -> String {
    let mut text = String::from(
        "# Metrics\n\n\
         `/metrics` on the listener named in `[metrics] listen`, in Prometheus' text format. What is unknown is \
         left out. How to use them: [metrics, dashboard and alerts](../guide/metrics.md).\n\n\
         *Made from the table in `crates/evenkeel/src/metrics/families.rs`.*\n\n\
         | metric | sort | what it means |\n|---|---|---|\n",
    );
    for Family { name, kind, about } in FAMILIES {
        let _ = writeln!(text, "| `{name}` | {} | {about} |", kind.as_str());
    }
    text
}
