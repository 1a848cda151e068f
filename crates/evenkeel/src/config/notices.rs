//! `[notices]`: clocks of legal notices.

use std::collections::BTreeSet;
use std::time::Duration;

use evenkeel_core::notice::{NoticePolicy, Regime};

use super::reader::{Report, Section};

pub(super) fn notices(root: &mut Section<'_>, report: &mut Report<'_>) -> NoticePolicy {
    let mut section = root.below_root(report, "notices");
    let default = NoticePolicy::default();
    let mut regimes = BTreeSet::new();
    for regime in Regime::ALL {
        if section.yes_no(report, regime.as_str()).unwrap_or(false) {
            regimes.insert(regime);
        }
    }
    let least = Duration::from_secs(60);
    let down_for = section.duration_of(report, "nis2_down_for", least);
    let harm_for = section.duration_of(report, "nis2_harm_for", least);
    let unused = down_for
        .as_ref()
        .or(harm_for.as_ref())
        .map(|at| at.at.clone());
    let policy = NoticePolicy {
        nis2_down_for: down_for.map_or(default.nis2_down_for, |at| at.value),
        nis2_harm_for: harm_for.map_or(default.nis2_harm_for, |at| at.value),
        regimes,
    };
    section.finish(report);
    if let Some(at) = unused.filter(|_| !policy.regimes.contains(&Regime::Nis2)) {
        report.warn(
            &at,
            "no clock of NIS2 is kept: write `nis2 = true` beside it",
        );
    }
    policy
}
