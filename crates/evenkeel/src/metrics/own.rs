//! How Evenkeel itself is.

use evenkeel_core::Timestamp;
use evenkeel_core::finding::FindingKind;
use evenkeel_core::record::Phase;
use procfs::process::{LimitValue, Process};

use super::Source;
use super::text::Text;
use crate::pump::QUEUE_MAX;
use crate::pump::meters::{BUCKETS_US, Histogram};
use crate::pump::published::Published;
use crate::subscribers::Subscribers;
use crate::subscribers::store::Kind;

pub(super) fn write(source: &Source, published: &Published, text: &mut Text) {
    let Source { meters, outlet, .. } = source;
    let record = &published.record;
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    text.put("evenkeel_build_info", &version, 1.0);
    text.put("evenkeel_well", &[], truth(!published.is_stale()));
    let age = published.stepped.elapsed().as_secs_f64();
    text.put("evenkeel_step_age_seconds", &[], age);
    histogram(text, "evenkeel_step_seconds", &meters.step);
    histogram(text, "evenkeel_append_seconds", &meters.append);
    for (name, count) in [
        ("evenkeel_observations_total", meters.observations()),
        ("evenkeel_observations_dropped_total", published.dropped),
        ("evenkeel_observation_queue_length", outlet.waiting() as u64),
        ("evenkeel_observation_queue_limit", QUEUE_MAX as u64),
        ("evenkeel_journal_revision", record.revision),
        ("evenkeel_messages_failed_total", meters.messages_failed()),
    ] {
        text.put(name, &[], number(count));
    }
    let stalled = published.trouble.is_some();
    text.put("evenkeel_journal_stalled", &[], truth(stalled));
    for (kind, count) in meters.events() {
        text.put("evenkeel_events_total", &[("kind", kind)], number(count));
    }
    let (actions, messages) = meters.in_hand();
    text.put("evenkeel_actions_under_way", &[], number(actions));
    text.put("evenkeel_messages_under_way", &[], number(messages));
    let proposed = record.open_actions.iter().filter(|id| {
        let state = record.actions.get(id);
        state.is_some_and(|state| matches!(state.phase, Phase::Proposed { .. }))
    });
    text.put("evenkeel_actions_proposed", &[], count(proposed.count()));
    text.put("evenkeel_actions_stopped", &[], count(record.stops.len()));
    text.put("evenkeel_actions_held", &[], truth(record.held.is_some()));
    let blind = record.findings.keys();
    let blind = blind.filter(|key| key.kind == FindingKind::Blind).count();
    text.put("evenkeel_blind", &[], count(blind));
    for (listener, tls) in &source.certificates {
        if let Some(ends_at) = tls.ends_at() {
            let ends_at = ends_at.as_duration().as_secs_f64();
            let labels = [("listener", *listener)];
            text.put(
                "evenkeel_certificate_expires_timestamp_seconds",
                &labels,
                ends_at,
            );
        }
    }
    copies(published, text);
    if let Some(subscribers) = &source.subscribers {
        told(subscribers, text);
    }
    process(text);
}

fn copies(published: &Published, text: &mut Text) {
    let now = Timestamp::now();
    for (id, standing) in published.copies.all() {
        let of = [("target", id.as_str())];
        if let Some(until) = standing.valid_until {
            let until = until.as_duration().as_secs_f64();
            text.put("evenkeel_copy_valid_until_timestamp_seconds", &of, until);
        }
        text.put("evenkeel_copy_valid", &of, truth(standing.is_valid(now)));
        for (name, count) in [
            ("evenkeel_copies_delivered_total", standing.delivered),
            ("evenkeel_copies_failed_total", standing.failed),
        ] {
            text.put(name, &of, number(count));
        }
        if standing.delivered > 0 {
            let took = number(standing.took_ms) / 1000.0;
            text.put("evenkeel_copy_delivery_seconds", &of, took);
        }
    }
}

fn told(subscribers: &Subscribers, text: &mut Text) {
    let standings = subscribers.standings();
    let figures = standings.figures();
    for counted in &figures.counts {
        let of = [
            ("kind", counted.kind.as_str()),
            ("standing", counted.standing.as_str()),
        ];
        text.put("evenkeel_subscribers", &of, f64::from(counted.count));
    }
    for (kind, backlog) in &figures.backlog {
        let of = [("kind", kind.as_str())];
        text.put(
            "evenkeel_subscribers_queue_length",
            &of,
            number(backlog.rows.into()),
        );
    }
    for kind in Kind::ALL {
        let (of, way) = ([("kind", kind.as_str())], standings.of(kind));
        text.put(
            "evenkeel_subscribers_sending",
            &of,
            truth(way.trouble.is_none()),
        );
        for (name, count) in [
            ("evenkeel_subscribers_sent_total", way.taken),
            ("evenkeel_subscribers_refused_total", way.refused),
            ("evenkeel_subscribers_postponed_total", way.later),
        ] {
            text.put(name, &of, number(count));
        }
    }
}

/// What the kernel says of this process; what it does not say is left out.
fn process(text: &mut Text) {
    let Ok(own) = Process::myself() else {
        return;
    };
    if let Ok(stat) = own.stat() {
        let ticks = number(procfs::ticks_per_second());
        let cpu = number(stat.utime + stat.stime) / ticks;
        text.put("process_cpu_seconds_total", &[], cpu);
        let resident = number(stat.rss * procfs::page_size());
        text.put("process_resident_memory_bytes", &[], resident);
        if let Ok(booted) = procfs::boot_time_secs() {
            let started = number(booted) + number(stat.starttime) / ticks;
            text.put("process_start_time_seconds", &[], started);
        }
    }
    if let Ok(open) = own.fd_count() {
        text.put("process_open_fds", &[], count(open));
    }
    if let Ok(limits) = own.limits()
        && let LimitValue::Value(most) = limits.max_open_files.soft_limit
    {
        text.put("process_max_fds", &[], number(most));
    }
}

fn histogram(text: &mut Text, name: &'static str, histogram: &Histogram) {
    let (buckets, all, sum) = histogram.read();
    for (bound, below) in BUCKETS_US.iter().zip(buckets) {
        let bound = (number(*bound) / 1e6).to_string();
        text.put_as(name, "_bucket", &[("le", &bound)], number(below));
    }
    text.put_as(name, "_bucket", &[("le", "+Inf")], number(all));
    text.put_as(name, "_sum", &[], sum.as_secs_f64());
    text.put_as(name, "_count", &[], number(all));
}

pub(super) fn truth(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus knows floats only")]
pub(super) fn number(value: u64) -> f64 {
    value as f64
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus knows floats only")]
pub(super) fn count(value: usize) -> f64 {
    value as f64
}
