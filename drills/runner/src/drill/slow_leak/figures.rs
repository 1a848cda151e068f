//! What the slow leak did, from what was seen from outside.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{ASKS_LEAKING, LEAKING, MEMORY_LIMIT, Pace};
use crate::drill::Timeline;
use crate::drill::account::Told;
use crate::drill::front_ends::{FrontEnd, Look};
use crate::drill::service::Service;
use crate::traffic::{Sample, Schedule, percentile_ms};

/// A front end gets no new request some time before its process ends.
const DRAINED_BEFORE: Duration = Duration::from_secs(2);

/// One that has worked on nothing for so long, while its pool has some tens of requests a
/// second, is out, whether or not it answers us.
const IDLE: Duration = Duration::from_secs(1);

/// What was seen of the whole.
pub(super) struct Seen {
    pub(super) began: Instant,
    pub(super) pace: Pace,
    pub(super) schedule: Arc<Schedule>,
    pub(super) samples: Vec<Sample>,
    pub(super) late: Duration,
    /// None where nobody forecasts.
    pub(super) forecasts: Option<Vec<Told>>,
}

/// One life of a front end that leaks.
struct Leaked {
    looks: Vec<Look>,
    ended: Option<Instant>,
    /// Resident memory at first.
    base: u64,
    /// Requests it worked on.
    requests: u64,
}

impl Seen {
    pub(super) fn figures(
        &self,
        service: &Service,
        timeline: &mut Timeline,
    ) -> Result<BTreeMap<String, f64>, String> {
        let mut figures = BTreeMap::new();
        let mut put = |name: &str, figure: f64| {
            figures.insert(name.to_owned(), (figure * 100.0).round() / 100.0);
        };
        let failed: Vec<&Sample> = self.samples.iter().filter(|s| !s.is_ok()).collect();
        put("requests_count", self.samples.len() as f64);
        put("requests_failed_count", failed.len() as f64);
        put("load_sent_late_ms_max", ms(self.late));
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for sample in &failed {
            *kinds.entry(format!("{:?}", sample.outcome)).or_default() += 1;
        }
        for (kind, count) in kinds.iter().take(8) {
            timeline.now(format!("{count} requests failed: {kind}"));
        }
        for (name, share) in [("request_ms_p50", 0.5), ("request_ms_p99", 0.99)] {
            if let Some(waited) = percentile_ms(self.samples.iter(), share) {
                put(name, waited);
            }
        }

        let leaking = service.group(LEAKING);
        let (out_max, all_out) = self.out(leaking);
        put("instances_out_max", out_max as f64);
        put("all_out_ms", ms(all_out));
        let healthy = service.groups.iter().filter(|group| group.id != LEAKING);
        let healthy = healthy.flat_map(|group| &group.front_ends);
        put(
            "healthy_recycled_count",
            healthy.map(|one| one.lives().len() - 1).sum::<usize>() as f64,
        );

        let lives: Vec<Vec<Leaked>> = leaking.iter().map(Leaked::all).collect();
        let recycles: Vec<usize> = lives.iter().map(|lives| lives.len() - 1).collect();
        let missing = |recycles: &usize| self.pace.cycles_min.saturating_sub(*recycles);
        put("recycles_count", recycles.iter().sum::<usize>() as f64);
        put(
            "leak_cycles_missing_count",
            recycles.iter().map(missing).sum::<usize>() as f64,
        );
        let ended = leaking.iter().flat_map(FrontEnd::lives);
        put(
            "ended_at_limit_count",
            ended.filter(|life| life.ended_for_memory).count() as f64,
        );
        // Lives that the leak alone would have filled.
        let needed: f64 = lives
            .iter()
            .flatten()
            .map(|life| {
                let room = MEMORY_LIMIT.saturating_sub(life.base).max(1);
                (life.requests * self.pace.leak_bytes) as f64 / room as f64
            })
            .sum();
        put("recycles_needed", needed);
        if needed > 0.0 {
            let recycles = recycles.iter().sum::<usize>() as f64;
            put("recycles_per_needed_ratio", recycles / needed);
        }
        self.forecast_errors(leaking, &lives, timeline, &mut put);
        self.while_recycling(leaking, &mut put);
        Ok(figures)
    }

    /// The most front ends that were out at once, and how long all were.
    fn out(&self, front_ends: &[FrontEnd]) -> (usize, Duration) {
        let step = Duration::from_millis(100);
        let looks: Vec<Vec<Look>> = front_ends.iter().map(FrontEnd::looks).collect();
        let (mut most, mut all) = (0, Duration::ZERO);
        let mut at = self.began;
        while at < self.began + self.pace.length {
            let out = looks
                .iter()
                .filter(|looks| is_out(looks, self.began, at))
                .count();
            most = most.max(out);
            if out == front_ends.len() {
                all += step;
            }
            at += step;
        }
        (most, all)
    }

    /// How far the forecasts at half of each life were off, of the time that was left then.
    fn forecast_errors(
        &self,
        front_ends: &[FrontEnd],
        lives: &[Vec<Leaked>],
        timeline: &mut Timeline,
        put: &mut impl FnMut(&str, f64),
    ) {
        let mut errors = Vec::new();
        for (front_end, lives) in front_ends.iter().zip(lives) {
            for life in lives {
                let Some((half, full)) = self.half_and_full(life) else {
                    continue;
                };
                let Some(told) = self.told(front_end.name, life, half) else {
                    errors.push(100.0);
                    let name = front_end.name;
                    let what = format!("{name} is half full, and nothing is forecast");
                    timeline.at(since_ms(self.began, half), what);
                    continue;
                };
                let then = half.max(told.at);
                let truly = seconds(then, full);
                let foretold = seconds(then, told.runs_out);
                errors.push((foretold - truly).abs() / truly.max(0.1) * 100.0);
                timeline.at(
                    since_ms(self.began, then),
                    format!(
                        "{} has {truly:.1} s left, of {:.1} s from its half; {foretold:.1} s are forecast",
                        front_end.name,
                        seconds(half, full),
                    ),
                );
            }
        }
        if self.forecasts.is_none() || errors.is_empty() {
            return;
        }
        put(
            "forecast_error_at_half_pct",
            errors.iter().sum::<f64>() / errors.len() as f64,
        );
        put(
            "forecast_error_at_half_max_pct",
            errors.iter().copied().fold(0.0, f64::max),
        );
        put("forecasts_count", errors.len() as f64);
    }

    /// The forecast of a life that was in force at its half, or the first one after.
    fn told(&self, name: &str, life: &Leaked, half: Instant) -> Option<&Told> {
        let began = life.looks.first()?.at;
        let ended = life.ended.unwrap_or(self.began + self.pace.length);
        let forecasts = self.forecasts.iter().flatten();
        let mut of_it: Vec<&Told> = forecasts
            .filter(|told| told.front_end.contains(name) && (began..ended).contains(&told.at))
            .collect();
        of_it.sort_by_key(|told| told.at);
        let before = of_it.iter().rev().find(|told| told.at <= half);
        before.or(of_it.first()).copied()
    }

    /// When half of the room of a life was taken, and when all of it was or would have been:
    /// up to its restart as it was measured, and from there by the arrivals that were still
    /// to come, half of them each, and what each of them leaves. `None` where that is after
    /// the end of the drill.
    fn half_and_full(&self, life: &Leaked) -> Option<(Instant, Instant)> {
        let half = life.base + MEMORY_LIMIT.saturating_sub(life.base) / 2;
        let reached = |level: u64| {
            let mut looks = life.looks.iter();
            looks.find(|look| look.own.is_some_and(|own| own >= level))
        };
        let half = reached(half)?.at;
        // The limit is looked at every 50 ms, and is reached within a page or two.
        if let Some(full) = reached(MEMORY_LIMIT) {
            return Some((half, full.at));
        }
        let until = life.ended.map(|ended| ended - DRAINED_BEFORE - IDLE);
        let last = life.looks.iter().rev().find(|look| {
            look.answers && look.own.is_some() && until.is_none_or(|until| look.at <= until)
        })?;
        let left = MEMORY_LIMIT.saturating_sub(last.own?);
        let each_twice = 2 * left / self.pace.leak_bytes;
        let from = last.at.saturating_duration_since(self.began);
        let mut arrivals = self
            .schedule
            .arrivals()
            .iter()
            .filter(|arrival| arrival.at >= from && ASKS_LEAKING.contains(&arrival.ask));
        let full = arrivals.nth(usize::try_from(each_twice).ok()?)?;
        Some((half, self.began + full.at))
    }

    /// The 99th percentile while one is drained, restarted and admitted, to that of as long a
    /// time just before.
    fn while_recycling(&self, front_ends: &[FrontEnd], put: &mut impl FnMut(&str, f64)) {
        let mut during: Vec<Range<Duration>> = Vec::new();
        for front_end in front_ends {
            let looks = front_end.looks();
            for life in front_end.lives() {
                let Some(ended) = life.ended else { continue };
                let back = looks.iter().find(|look| look.at > ended && look.answers);
                let back = back.map_or(self.began + self.pace.length, |look| look.at);
                let from = since(self.began, ended).saturating_sub(DRAINED_BEFORE);
                during.push(from..since(self.began, back) + self.pace.slow_start);
            }
        }
        let within = |windows: &[Range<Duration>], sample: &Sample| {
            let mut windows = windows.iter();
            windows.any(|window| window.contains(&sample.intended))
        };
        let before: Vec<Range<Duration>> = during
            .iter()
            .map(|window| window.start.saturating_sub(window.end - window.start)..window.start)
            .collect();
        let leaking = || {
            let samples = self.samples.iter();
            samples.filter(|sample| ASKS_LEAKING.contains(&sample.ask))
        };
        let then = percentile_ms(leaking().filter(|sample| within(&during, sample)), 0.99);
        let calm = percentile_ms(
            leaking().filter(|sample| within(&before, sample) && !within(&during, sample)),
            0.99,
        );
        if let (Some(then), Some(calm)) = (then, calm) {
            put("p99_while_recycling_ms", then);
            put("p99_before_recycling_ms", calm);
            put("p99_while_recycling_ratio", then / calm);
        }
    }
}

impl Leaked {
    fn all(front_end: &FrontEnd) -> Vec<Self> {
        let looks = front_end.looks();
        let of = |pid: u32| {
            let looks = looks.iter().filter(move |look| look.pid == pid);
            looks.copied().collect::<Vec<_>>()
        };
        let lives = front_end.lives().into_iter().map(|life| {
            let looks = of(life.pid);
            let answered = looks.iter().find(|look| look.answers);
            Self {
                ended: life.ended,
                base: answered.and_then(|look| look.own).unwrap_or(0),
                requests: looks
                    .iter()
                    .filter_map(|look| look.requests)
                    .max()
                    .unwrap_or(0),
                looks,
            }
        });
        lives.collect()
    }
}

/// Whether it was out at a time: it did not answer us, or had nothing to work on.
fn is_out(looks: &[Look], began: Instant, at: Instant) -> bool {
    let until = looks.partition_point(|look| look.at <= at);
    let Some(last) = looks[..until].last() else {
        return false;
    };
    if !last.answers {
        return true;
    }
    let Some(earlier_at) = last.at.checked_sub(IDLE).filter(|at| *at > began + IDLE) else {
        return false;
    };
    let earlier = looks[..until]
        .iter()
        .rev()
        .find(|look| look.at <= earlier_at);
    earlier.is_some_and(|earlier| {
        earlier.pid == last.pid && earlier.requests.is_some() && earlier.requests == last.requests
    })
}

fn seconds(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64()
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn since(began: Instant, at: Instant) -> Duration {
    at.saturating_duration_since(began)
}

fn since_ms(began: Instant, at: Instant) -> u64 {
    u64::try_from(since(began, at).as_millis()).unwrap_or(u64::MAX)
}
