//! `[leaks]`: how what fills up is watched.

use std::time::Duration;

use evenkeel_core::policy::LeakPolicy;
use evenkeel_guards::leaks::LeakSpec;

use super::reader::{Report, Section};

/// More often than this, looking is load.
const OFTEN: Duration = Duration::from_millis(500);

/// How it is watched, and how it is judged; what is watched stands elsewhere.
pub(super) fn read(root: &mut Section<'_>, report: &mut Report<'_>) -> (LeakSpec, LeakPolicy) {
    let mut section = root.below_root(report, "leaks");
    let (spec, policy) = (LeakSpec::new(), LeakPolicy::default());
    let second = Duration::from_secs(1);
    let spec = LeakSpec {
        interval: section.time(report, "interval", OFTEN, spec.interval),
        database_interval: section.time(
            report,
            "database_interval",
            second,
            spec.database_interval,
        ),
        timeout: section.time(report, "timeout", OFTEN, spec.timeout),
        ..spec
    };
    let horizon = section.duration_of(report, "horizon", second);
    let policy = LeakPolicy {
        warm_up: section.time(report, "warm_up", Duration::ZERO, policy.warm_up),
        horizon: horizon.as_ref().map_or(policy.horizon, |at| at.value),
        urgent: section.time(report, "urgent", second, policy.urgent),
        ..policy
    };
    if let Some(horizon) = horizon.filter(|at| at.value < policy.urgent) {
        report.error(
            &horizon.at,
            "`horizon` is when a person has time to look, and cannot be shorter than `urgent`, when \
             nobody has",
        );
    }
    section.finish(report);
    (spec, policy)
}
